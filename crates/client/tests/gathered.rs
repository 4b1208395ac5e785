//! Calls that are not streamed, fetched as streams: the caller gets what the API would have sent.

#[path = "common/message.rs"]
#[cfg(test)]
mod message;
#[path = "common/records.rs"]
#[cfg(test)]
mod records;

#[cfg(test)]
mod gathered {
    use std::sync::{Arc, Mutex};

    use clearline::{Client, Collect, Store};
    use clearline_model::{Cause, Dur};
    use clearline_net::Fence;
    use clearline_policy::Settings;
    use clearline_sim::{Options, Scenario, Sim, expected_text};
    use http::HeaderMap;
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use crate::message;
    use crate::records::Records;

    fn client(url: &str, from: Option<u32>) -> (Client, Arc<Records>) {
        let (records, observer) = Records::observed();
        let mut settings = Settings { backoff_base: Dur::millis(2), ..Settings::default() };
        settings.timeouts.idle = Dur::millis(80);
        let client = Client::builder(url)
            .policy(settings)
            .fetch_streamed(from)
            .fence(Fence::parse(Some("loopback")).unwrap())
            .observer(observer)
            .build()
            .unwrap();
        (client, records)
    }

    fn body(max: u64) -> Value {
        json!({"model": "claude-sonnet-5-5", "max_tokens": max, "messages": [{"role": "user", "content": "Hello there"}]})
    }

    async fn ask(client: &Client, body: &Value) -> (HeaderMap, Value) {
        let reply = client.call(message::request(body)).await.unwrap();
        assert_eq!(reply.status, 200);
        let headers = reply.headers.clone();
        let bytes = reply.body.collect().await.unwrap().to_bytes();
        let length = headers.get("content-length").map(|l| l.to_str().unwrap().parse::<usize>().unwrap());
        assert!(length.is_none_or(|l| l == bytes.len()));
        let mut message: Value = serde_json::from_slice(&bytes).unwrap();
        message["id"] = Value::Null;
        (headers, message)
    }

    const QUICK: &str = "[answer]\nfirst_byte = \"0ms\"\nchunk = \"0ms\"\n";

    async fn sim(faults: &str) -> Sim {
        let scenario = Scenario::parse(&format!("{QUICK}{faults}")).unwrap();
        Sim::start(scenario, Options::default()).await.unwrap()
    }

    #[tokio::test]
    async fn the_answer_is_the_same_as_without() {
        let sim = sim("").await;
        let (plain, _) = client(&sim.base_url(), None);
        let (long, records) = client(&sim.base_url(), Some(1_000));
        for max in [2_000, 1_000, 999] {
            let (headers, expected) = ask(&plain, &body(max)).await;
            assert_eq!(headers.get("clearline-fetched"), None);
            let (headers, got) = ask(&long, &body(max)).await;
            assert_eq!(got, expected, "{max}");
            assert_eq!(headers["content-type"], "application/json");
            assert_eq!(headers.get("clearline-fetched").is_some(), max >= 1_000, "{max}");
            let record = records.0.lock().unwrap().last().cloned().unwrap();
            assert_eq!(record.usage().output, got["usage"]["output_tokens"].as_u64().unwrap(), "{max}");
        }
    }

    /// A body that waits in a file is changed on its way out.
    #[tokio::test]
    async fn bodies_in_files_are_fetched_as_streams_as_well() {
        let sim = sim("").await;
        let (long, records) = client(&sim.base_url(), Some(1_000));
        let store = Store::new(64, 0, std::env::temp_dir());
        for (max, is_said) in [(2_000, false), (2_000, true), (999, true)] {
            let mut asked = body(max);
            asked["messages"][0]["content"] = "Hello there ".repeat(40_000).into();
            if is_said {
                asked["stream"] = false.into();
            }
            let bytes = serde_json::to_vec(&asked).unwrap();
            let mut collect = Collect::new(&store);
            for piece in bytes.chunks(60_000) {
                if !collect.push(bytes::Bytes::copy_from_slice(piece)) {
                    collect.write().await.unwrap();
                }
            }
            let whole = collect.finish().await.unwrap();
            assert!(whole.is_spilled());
            let request = clearline::Request { body: whole, ..message::request(&asked) };
            let reply = long.call(request).await.unwrap();
            let is_fetched = reply.headers.contains_key("clearline-fetched");
            assert_eq!((reply.status.as_u16(), is_fetched), (200, max >= 1_000), "{is_said}");
            let got: Value = serde_json::from_slice(&reply.body.collect().await.unwrap().to_bytes()).unwrap();
            assert_eq!(got["content"][0]["text"], expected_text(&asked), "{is_said}");
            assert_eq!(records.0.lock().unwrap().last().unwrap().attempts.len(), 1);
        }
    }

    #[tokio::test]
    async fn a_stream_that_breaks_is_repeated_unseen() {
        for (fault, cause) in [
            ("cut_at_event = 6", Cause::StreamCut),
            ("end_early_at_event = 7", Cause::StreamEndedEarly),
            ("stall_at_event = 6", Cause::StreamStalled),
            (
                "error_event = { at = 6, kind = \"overloaded_error\", message = \"x\" }",
                Cause::ServerOverloaded,
            ),
            ("status = 500", Cause::ServerError),
        ] {
            let sim = sim(&format!("[[fault]]\nname = \"x\"\nfirst = 1\n{fault}\n")).await;
            let (client, records) = client(&sim.base_url(), Some(1));
            let (headers, got) = ask(&client, &body(2_000)).await;
            assert_eq!(got["content"][0]["text"], expected_text(&body(2_000)), "{fault}");
            assert!(headers.contains_key("clearline-fetched"), "{fault}");
            let record = records.0.lock().unwrap().last().cloned().unwrap();
            let causes: Vec<_> = record.attempts.iter().map(|a| a.cause).collect();
            assert_eq!(causes, [Some(cause), None], "{fault}");
            // What broke was paid for as far as it came, and is counted.
            let inputs = record.attempts.iter().map(|a| a.usage.input > 0).collect::<Vec<_>>();
            assert_eq!(inputs, [!fault.starts_with("status"), true], "{fault}");
        }
    }

    /// Answers every request: streams have an event that nobody knows, or are compressed.
    async fn odd(encoding: &'static str, steps: Vec<Value>) -> (String, Arc<Mutex<Vec<bool>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            let message = json!({"id": "m", "type": "message", "content": [], "usage": {"input_tokens": 1}});
            let start = json!({"type": "message_start", "message": message});
            let event = |e: &Value| format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap());
            let events: String = std::iter::once(&start).chain(&steps).map(event).collect();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut all = Vec::new();
                let request: Value = loop {
                    let mut piece = [0; 4096];
                    let n = stream.read(&mut piece).await.unwrap();
                    assert!(n > 0, "the request is whole");
                    all.extend_from_slice(&piece[..n]);
                    let head = all.windows(4).position(|w| w == b"\r\n\r\n");
                    if let Some(value) = head.and_then(|at| serde_json::from_slice(&all[at + 4..]).ok()) {
                        break value;
                    }
                };
                let streams = request["stream"] == true;
                seen.lock().unwrap().push(streams);
                let (kind, text) = if streams {
                    (format!("text/event-stream\r\n{encoding}"), events.clone())
                } else {
                    ("application/json\r\n".to_owned(), message.to_string())
                };
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: {kind}content-length: {}\r\nconnection: close\r\n\r\n",
                    text.len()
                );
                stream.write_all([head.as_bytes(), text.as_bytes()].concat().as_slice()).await.unwrap();
            }
        });
        (url, asked)
    }

    #[tokio::test]
    async fn what_is_not_known_is_asked_for_as_the_caller_did_from_then_on() {
        for encoding in ["", "content-encoding: gzip\r\n", "content-encoding: odd\r\n"] {
            let (url, asked) = odd(encoding, vec![json!({"type": "brand_new"})]).await;
            let (client, records) = client(&url, Some(1));
            for _ in 0..2 {
                let (headers, got) = ask(&client, &body(2_000)).await;
                assert_eq!((&got["type"], headers.get("clearline-fetched")), (&json!("message"), None));
            }
            assert_eq!(*asked.lock().unwrap(), [true, false, false], "{encoding}");
            let records = records.0.lock().unwrap();
            assert_eq!((records[0].wasted(), records[1].wasted()), (1, 0));
            assert_eq!(records[0].attempts[0].cause, Some(Cause::StreamCorrupt), "{encoding}");
        }
    }

    /// Answers every request with these events, one response each.
    async fn streams(events: Vec<Value>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let event = |e: &Value| format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap());
        let body: String = events.iter().map(event).collect();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut all = Vec::new();
                while !all.ends_with(b"}") {
                    let mut piece = [0; 4096];
                    let n = stream.read(&mut piece).await.unwrap();
                    all.extend_from_slice(&piece[..n]);
                }
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nrequest-id: req_9\r\nconnection: close\r\n\r\n";
                // Who has heard enough may be gone.
                drop(stream.write_all([head, body.as_str()].concat().as_bytes()).await);
            }
        });
        url
    }

    fn start() -> Value {
        json!({"type": "message_start", "message": {"id": "m", "type": "message", "content": [], "stop_reason": null,
            "usage": {"input_tokens": 4, "output_tokens": 1}}})
    }

    #[tokio::test]
    async fn the_words_of_an_error_within_it_reach_the_caller() {
        let error =
            json!({"type": "error", "error": {"type": "invalid_request_error", "message": "No more of it"}});
        let url = streams(vec![start(), error]).await;
        let failed = client(&url, Some(1)).0.call(message::request(&body(2_000))).await.unwrap_err();
        assert_eq!((failed.cause, failed.detail.raw()), (Cause::RequestInvalid, "No more of it"));
        assert_eq!(failed.request_id.as_ref().map(|id| id.raw()), Some("req_9"));
    }

    #[tokio::test]
    async fn a_tool_s_input_is_passed_on_to_the_last_digit() {
        let written = r#"{"b": 0.1234567890123456789, "a": 98765432109876543210}"#;
        let call = json!({"type": "tool_use", "id": "t", "name": "n", "input": {}});
        let url = streams(vec![
            start(),
            json!({"type": "content_block_start", "index": 0, "content_block": call}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": written}}),
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"input_tokens": null, "output_tokens": 8}}),
            json!({"type": "message_stop"}),
        ])
        .await;
        let reply = client(&url, Some(1)).0.call(message::request(&body(2_000))).await.unwrap();
        let length = reply.headers["content-length"].clone();
        let whole = reply.body.collect().await.unwrap().to_bytes();
        assert_eq!(length, whole.len().to_string());
        let text = String::from_utf8(whole.to_vec()).unwrap();
        assert!(text.contains(written), "{text}");
        let message: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(message["usage"], json!({"input_tokens": 4, "output_tokens": 8}));
    }

    /// What the API makes of it where no stream is asked for is not guessed; and it says nothing of other answers.
    #[tokio::test]
    async fn a_tool_s_input_that_was_cut_is_asked_for_as_the_caller_did_this_once() {
        let call = json!({"type": "tool_use", "id": "t", "name": "n", "input": {}});
        let cut = json!({"type": "input_json_delta", "partial_json": "{\"a\": \"cut of"});
        let steps = vec![
            json!({"type": "content_block_start", "index": 0, "content_block": call}),
            json!({"type": "content_block_delta", "index": 0, "delta": cut}),
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 8}}),
            json!({"type": "message_stop"}),
        ];
        let (url, asked) = odd("", steps).await;
        let (client, records) = client(&url, Some(1));
        let (headers, got) = ask(&client, &body(2_000)).await;
        assert_eq!((&got["type"], headers.get("clearline-fetched")), (&json!("message"), None));
        assert_eq!(records.0.lock().unwrap()[0].wasted(), 1);
        // The next one begins as a stream.
        let (_, got) = ask(&client, &body(2_000)).await;
        assert_eq!(got["type"], "message");
        assert_eq!(*asked.lock().unwrap(), [true, false, true, false]);
    }
}
