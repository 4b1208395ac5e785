//! Streams of a server that answers as it likes: whatever breaks and whatever continues it, the caller gets the text once, or
//! an honest error, and never a wrong text that looks whole.

#[path = "common/message.rs"]
#[cfg(test)]
mod message;
#[path = "common/records.rs"]
#[cfg(test)]
mod records;

#[cfg(test)]
mod broken {
    use std::sync::{Arc, Mutex};

    use clearline::Client;
    use clearline_model::{Dur, Outcome};
    use clearline_net::Fence;
    use clearline_policy::Settings;
    use clearline_wire::{Assembly, Parser};
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use crate::message;
    use crate::records::Records;

    /// What a server does with a request: status, content type, body, and whether the transfer ends well.
    struct Says {
        status: u16,
        kind: &'static str,
        body: Vec<u8>,
        whole: bool,
    }

    impl Says {
        fn stream(body: impl Into<Vec<u8>>, whole: bool) -> Self {
            Self { status: 200, kind: "text/event-stream", body: body.into(), whole }
        }
    }

    type Script = Arc<dyn Fn(usize, &Value) -> Says + Send + Sync>;

    /// Answers each request by its number and its body.
    async fn serve(script: Script) -> (String, Arc<Mutex<Vec<Value>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                tokio::spawn(async move { answer(stream, &script, &seen).await });
            }
        });
        (url, asked)
    }

    async fn answer(mut stream: TcpStream, script: &Script, seen: &Mutex<Vec<Value>>) {
        let mut all = Vec::new();
        let request: Value = loop {
            let mut piece = [0; 4096];
            let Ok(n @ 1..) = stream.read(&mut piece).await else { return };
            all.extend_from_slice(&piece[..n]);
            let head = all.windows(4).position(|w| w == b"\r\n\r\n");
            if let Some(value) = head.and_then(|at| serde_json::from_slice(&all[at + 4..]).ok()) {
                break value;
            }
        };
        let says = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            script(seen.len() - 1, &request)
        };
        let head = format!(
            "HTTP/1.1 {} x\r\ncontent-type: {}\r\nrequest-id: req_{}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n",
            says.status, says.kind, says.status
        );
        let end = if says.whole { "0\r\n\r\n" } else { "" };
        let mut sent = head.into_bytes();
        if !says.body.is_empty() {
            sent.extend_from_slice(format!("{:x}\r\n", says.body.len()).as_bytes());
            sent.extend_from_slice(&says.body);
            sent.extend_from_slice(b"\r\n");
        }
        sent.extend_from_slice(end.as_bytes());
        // Who has heard enough may be gone.
        drop(stream.write_all(&sent).await);
        drop(stream.shutdown().await);
    }

    fn client(url: &str) -> (Client, Arc<Records>) {
        let (records, observer) = Records::observed();
        let mut settings = Settings { resume: true, backoff_base: Dur::millis(1), ..Settings::default() };
        settings.backoff_overload = Dur::millis(1);
        (settings.budget_start_milli, settings.budget_max_milli) = (100_000_000, 100_000_000);
        settings.patience = Dur::secs(2);
        let client = Client::builder(url)
            .policy(settings)
            .fence(Fence::parse(Some("loopback")).unwrap())
            .observer(observer)
            .build()
            .unwrap();
        (client, records)
    }

    fn ask() -> Value {
        json!({
            "model": "claude-sonnet-5-5", "max_tokens": 500, "stream": true,
            "messages": [{"role": "user", "content": "Hello there"}],
        })
    }

    /// What the caller got.
    #[derive(Debug)]
    struct Got {
        raw: String,
        /// It broke, and says so.
        broken: bool,
        message: Option<Value>,
        text: String,
        starts: usize,
    }

    async fn got(client: &Client, body: &Value) -> Got {
        let mut reply = client.call(message::request(body)).await.unwrap();
        let (mut all, mut broken) = (Vec::new(), false);
        while let Some(frame) = reply.body.frame().await {
            match frame {
                Ok(frame) => all.extend_from_slice(&frame.into_data().unwrap()),
                Err(_) => broken = true,
            }
        }
        let (mut assembly, mut text, mut starts, mut errors) = (Assembly::new(), String::new(), 0, 0);
        Parser::new()
            .push(&all, |e| {
                let data: Value = serde_json::from_slice(e.data).unwrap();
                if e.name == b"error" {
                    errors += 1;
                    return;
                }
                starts += usize::from(e.name == b"message_start");
                text.push_str(data["delta"]["text"].as_str().unwrap_or_default());
                assembly.push(e.name, &data).unwrap_or_else(|_| panic!("out of place: {data}"));
            })
            .unwrap();
        let raw = String::from_utf8(all).unwrap();
        assert_eq!(errors, usize::from(broken), "{raw}");
        Got { raw, broken, message: assembly.whole(), text, starts }
    }

    const ONE: &str = "One 😀 naïve \u{1F469}\u{200D}\u{1F680} line.\n";
    const TWO: &str = "Then — 数据 — \"two\" \\ more of it, until here.";

    fn event(data: &Value) -> String {
        format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
    }

    fn delta(index: usize, text: &str) -> String {
        event(
            &json!({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}),
        )
    }

    /// All that is no ASCII as the escapes of UTF-16, as some servers write it.
    fn escaped(text: &str) -> String {
        let escape = |unit: u16| {
            char::from_u32(unit.into())
                .filter(char::is_ascii)
                .map_or_else(|| format!("\\u{unit:04x}"), String::from)
        };
        text.encode_utf16().map(escape).collect()
    }

    /// A stream whose text comes in these blocks, in pieces, with pings and comments between them.
    fn stream(blocks: &[&str], model: &str) -> String {
        let usage = json!({"input_tokens": 10, "output_tokens": 1});
        let message = json!({"id": "msg_first", "type": "message", "role": "assistant", "model": model, "content": [],
            "stop_reason": null, "usage": usage});
        let mut all = event(&json!({"type": "message_start", "message": message}));
        for (index, text) in blocks.iter().enumerate() {
            all += &event(
                &json!({"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}}),
            );
            all += ": alive\n\n";
            let chars: Vec<char> = text.chars().collect();
            for piece in chars.chunks(6) {
                all += &delta(index, &piece.iter().collect::<String>());
            }
            all += &event(&json!({"type": "ping"}));
            all += &event(&json!({"type": "content_block_stop", "index": index}));
        }
        all += &event(
            &json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 30}}),
        );
        all + &event(&json!({"type": "message_stop"}))
    }

    /// The text that a request shows as said so far.
    fn seen(request: &Value) -> Option<String> {
        let all = request["messages"].as_array().unwrap();
        let answer = all.iter().find(|m| m["role"] == "assistant")?;
        Some(answer["content"].as_str().unwrap().to_owned())
    }

    fn last(text: &str, chars: usize) -> String {
        let all: Vec<char> = text.chars().collect();
        all[all.len().saturating_sub(chars)..].iter().collect()
    }

    /// One call for each place of the first stream, which breaks there; every second request goes on with the rest.
    async fn cut_at_each(first: String, places: impl Iterator<Item = usize>, repeats: usize) {
        let whole = format!("{ONE}{TWO}");
        let at = Arc::new(Mutex::new(0));
        let (cut, bytes) = (Arc::clone(&at), first.clone().into_bytes());
        let script: Script = Arc::new(move |n, request| {
            if n % 2 == 0 {
                return Says::stream(&bytes[..*cut.lock().unwrap()], false);
            }
            let seen = seen(request).unwrap_or_default();
            let repeats = if seen.chars().count() < repeats { 0 } else { repeats };
            let rest = whole.strip_prefix(seen.as_str()).unwrap_or_else(|| panic!("{seen}"));
            Says::stream(
                stream(&[&format!("{}{rest}", last(&seen, repeats))], "claude-sonnet-5-5-20260101"),
                true,
            )
        });
        let (url, asked) = serve(script).await;
        let (client, records) = client(&url);
        let mut calls = 0;
        for place in places {
            *at.lock().unwrap() = place;
            let got = got(&client, &ask()).await;
            calls += 1;
            assert!(!got.broken && got.message.is_some(), "{place}: {}", got.raw);
            assert_eq!(
                (got.text.as_str(), got.starts),
                (format!("{ONE}{TWO}").as_str(), 1),
                "{place}: {}",
                got.raw
            );
            let message = got.message.unwrap();
            assert_eq!((&message["id"], &message["stop_reason"]), (&json!("msg_first"), &json!("end_turn")));
            assert_eq!(asked.lock().unwrap().len(), 2 * calls, "{place}");
            let record = records.0.lock().unwrap().last().cloned().unwrap();
            assert_eq!(record.outcome, Some(Outcome::Succeeded));
            if got.raw.contains(": clearline-continued") {
                // What both said that they cost, and whoever pays sees it.
                let (input, output) = (&message["usage"]["input_tokens"], &message["usage"]["output_tokens"]);
                assert_eq!((input, output), (&json!(20), &json!(31)), "{place}");
                assert_eq!((record.usage().input, record.usage().output), (20, 31), "{place}");
            }
        }
        assert!(calls > 100);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_cut_at_each_byte_of_several_blocks_gives_the_text_once() {
        let first = stream(&[ONE, TWO], "claude-sonnet-5-5-20260101");
        let announced = first.find("event: message_stop").unwrap();
        for (first, step) in [(first.clone(), 1), (escaped(&first), 3), (first.replace('\n', "\r\n"), 3)] {
            let end = first.find("event: message_delta").unwrap().min(announced);
            cut_at_each(first, (0..end).step_by(step), 12).await;
        }
    }

    /// The first stream breaks in its second block; this is what comes then.
    async fn continued_by(says: impl Fn(usize, &Value) -> Says + Send + Sync + 'static) -> (Got, usize) {
        let first = stream(&[ONE, TWO], "claude-sonnet-5-5-20260101");
        let cut = first.match_indices("text_delta").nth(8).unwrap().0;
        let script: Script = Arc::new(move |n, request| match n {
            0 => Says::stream(&first.as_bytes()[..cut], false),
            n => says(n, request),
        });
        let (url, asked) = serve(script).await;
        let got = got(&client(&url).0, &ask()).await;
        let requests = asked.lock().unwrap().len();
        (got, requests)
    }

    fn rest(request: &Value) -> String {
        let whole = format!("{ONE}{TWO}");
        whole.strip_prefix(seen(request).unwrap().as_str()).unwrap().to_owned()
    }

    #[tokio::test]
    async fn what_continues_it_may_fail_and_break_as_often_as_it_comes_further() {
        let (got, requests) = continued_by(|n, request| {
            let all = stream(&[&rest(request)], "claude-sonnet-5-5");
            let two = all.match_indices("text_delta").nth(1).map_or(0, |(at, _)| at);
            match n {
                1 => Says {
                    status: 529,
                    kind: "application/json",
                    whole: true,
                    body: br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#
                        .to_vec(),
                },
                2 => Says::stream(&all.as_bytes()[..all.find("event: content_block").unwrap()], false),
                // Without an end of the seam nothing of it is known yet.
                3 => Says::stream(&all.as_bytes()[..two], false),
                _ => Says::stream(all, true),
            }
        })
        .await;
        assert_eq!(
            (got.text, got.broken, got.starts, requests),
            (format!("{ONE}{TWO}"), false, 1, 5),
            "{}",
            got.raw
        );
    }

    #[tokio::test]
    async fn what_is_no_continuation_ends_honestly() {
        let thinking = |request: &Value| {
            let first = stream(&[&rest(request)], "claude-sonnet-5-5");
            let thought = [
                event(
                    &json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}),
                ),
                event(
                    &json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm"}}),
                ),
                event(&json!({"type": "content_block_stop", "index": 0})),
            ];
            first.replacen(
                "event: content_block_start",
                &format!("{}event: content_block_start", thought.concat()),
                1,
            )
        };
        type Say = Box<dyn Fn(&Value) -> Says + Send + Sync>;
        let message = |request: &Value| {
            json!({"type": "message", "id": "m", "content": [{"type": "text", "text": rest(request)}], "usage": {}}).to_string()
        };
        let says: [(&str, Say); 6] = [
            ("another model", Box::new(|r| Says::stream(stream(&[&rest(r)], "claude-haiku-5-5"), true))),
            ("a thought", Box::new(move |r| Says::stream(thinking(r), true))),
            (
                "a whole answer",
                Box::new(move |r| Says {
                    status: 200,
                    kind: "application/json",
                    body: message(r).into(),
                    whole: true,
                }),
            ),
            (
                "a refusal",
                Box::new(|_| Says {
                    status: 400,
                    kind: "application/json",
                    whole: true,
                    body: br#"{"type":"error","error":{"type":"invalid_request_error","message":"no"}}"#
                        .to_vec(),
                }),
            ),
            (
                "a page",
                Box::new(|_| Says { status: 200, kind: "text/html", body: b"<html>".to_vec(), whole: true }),
            ),
            ("nothing at all", Box::new(|_| Says::stream("", true))),
        ];
        for (what, say) in says {
            let (got, requests) = continued_by(move |_, request| say(request)).await;
            assert!(got.broken && got.message.is_none() && got.starts == 1, "{what}: {}", got.raw);
            assert!(format!("{ONE}{TWO}").starts_with(&got.text), "{what}: {}", got.raw);
            assert!((2..20).contains(&requests), "{what}: {requests}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_says_where_it_ends_or_which_form_it_has_is_not_joined_blindly() {
        for (field, value, broken) in [
            ("stop_sequences", json!(["pieces apart"]), false),
            ("stop_sequences", json!([]), false),
            ("output_config", json!({"effort": "low"}), false),
            ("output_config", json!({"format": {"type": "json_schema", "schema": {}}}), true),
        ] {
            let mut body = ask();
            body[field] = value.clone();
            let first = stream(&[ONE, TWO], "claude-sonnet-5-5");
            let cut = first.match_indices("text_delta").nth(8).unwrap().0;
            let script: Script = Arc::new(move |n, request| match n {
                0 => Says::stream(&first.as_bytes()[..cut], false),
                _ => Says::stream(stream(&[&rest(request)], "claude-sonnet-5-5"), true),
            });
            let (url, _) = serve(script).await;
            let got = got(&client(&url).0, &body).await;
            assert_eq!((got.broken, got.message.is_none()), (broken, broken), "{field} {value}: {}", got.raw);
        }
        // Neither side of the seam sees the whole sequence.
        let whole = format!("{ONE}{TWO}");
        let mut body = ask();
        let first = stream(&[ONE, TWO], "claude-sonnet-5-5");
        let cut = first.match_indices("text_delta").nth(8).unwrap().0;
        let mut shown = String::new();
        let read = |e: clearline_wire::sse::Event<'_>| {
            let data: Value = serde_json::from_slice(e.data).unwrap();
            shown.push_str(data["delta"]["text"].as_str().unwrap_or_default());
        };
        Parser::new().push(&first.as_bytes()[..cut], read).unwrap();
        let across = last(&shown, 3) + &whole.split_at(shown.len()).1.chars().take(3).collect::<String>();
        body["stop_sequences"] = json!([across]);
        let script: Script = Arc::new(move |n, request| match n {
            0 => Says::stream(&first.as_bytes()[..cut], false),
            _ => Says::stream(stream(&[&rest(request)], "claude-sonnet-5-5"), true),
        });
        let (url, asked) = serve(script).await;
        let got = got(&client(&url).0, &body).await;
        assert_eq!(asked.lock().unwrap().get(1).and_then(seen), Some(shown));
        assert!(got.broken && got.message.is_none(), "{across:?}: {}", got.raw);
    }

    /// The caller sees a stream that holds nothing yet, since it was held long enough; then it breaks.
    #[tokio::test]
    async fn a_stream_that_was_shown_before_it_said_anything_begins_anew() {
        let whole = stream(&[ONE, TWO], "claude-sonnet-5-5");
        let started = whole.find("event: content_block_start").unwrap();
        let opened = whole.find("event: content_block_delta").unwrap();
        let ping = ": alive\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n";
        for begin in [
            ping.to_owned(),
            format!("{ping}{}", &whole.split_at(started).0),
            whole.split_at(opened).0.to_owned(),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let (cut, told) = tokio::sync::oneshot::channel::<()>();
            let rest = whole.clone();
            let sent = begin.clone();
            tokio::spawn(async move {
                let head = "HTTP/1.1 200 x\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
                let mut piece = [0; 8192];
                let (mut first, _) = listener.accept().await.unwrap();
                assert!(first.read(&mut piece).await.unwrap() > 0);
                first.write_all(format!("{head}{:x}\r\n{sent}\r\n", sent.len()).as_bytes()).await.unwrap();
                told.await.unwrap();
                drop(first);
                let (mut second, _) = listener.accept().await.unwrap();
                assert!(second.read(&mut piece).await.unwrap() > 0);
                second
                    .write_all(format!("{head}{:x}\r\n{rest}\r\n0\r\n\r\n", rest.len()).as_bytes())
                    .await
                    .unwrap();
            });
            let mut settings = Settings { resume: true, backoff_base: Dur::millis(1), ..Settings::default() };
            settings.commit_hold = Dur::millis(20);
            let fence = Fence::parse(Some("loopback")).unwrap();
            let client = Client::builder(&url).policy(settings).fence(fence).build().unwrap();
            // It is there as soon as the head may be seen.
            let reply = client.call(message::request(&ask())).await.unwrap();
            cut.send(()).unwrap();
            let all = reply.body.collect().await.unwrap_or_else(|e| panic!("{begin}: {e}")).to_bytes();
            let (mut assembly, mut starts) = (Assembly::new(), 0);
            let read = |e: clearline_wire::sse::Event<'_>| {
                starts += usize::from(e.name == b"message_start");
                assembly.push(e.name, &serde_json::from_slice(e.data).unwrap()).unwrap();
            };
            Parser::new().push(&all, read).unwrap();
            let message = assembly.whole().unwrap();
            let text: String =
                message["content"].as_array().unwrap().iter().map(|b| b["text"].as_str().unwrap()).collect();
            assert_eq!((text, starts), (format!("{ONE}{TWO}"), 1), "{begin}");
        }
    }
}
