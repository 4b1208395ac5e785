//! Typed answers of a server that says more than is known here, and errors as a program sees them.

#[cfg(test)]
#[path = "common/keyed.rs"]
mod keyed;

#[cfg(test)]
mod typed {
    use std::sync::Arc;

    use bytes::Bytes;
    use clearline::{Ask, CallError, Client, PoolKey, Request, Update, Upstream};
    use clearline_model::{CallerId, Cause, Dur, Secret};
    use clearline_policy::Settings;
    use http::uri::PathAndQuery;
    use http::{HeaderMap, Method};
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::mpsc;

    use crate::keyed;

    /// What a server sends, word for word.
    fn says(status: u16, headers: &str, body: &str) -> Vec<u8> {
        let length = body.len();
        format!("HTTP/1.1 {status} x\r\nrequest-id: req_7\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
            .into_bytes()
    }

    /// Sends this to whoever asks, and tells when one is gone.
    async fn serve(says: Vec<u8>) -> (String, mpsc::UnboundedReceiver<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, gone) = mpsc::unbounded_channel();
        let says: Arc<[u8]> = says.into();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (says, tell) = (Arc::clone(&says), tell.clone());
                tokio::spawn(async move {
                    answer(stream, &says).await;
                    // The test may be over.
                    let _over = tell.send(());
                });
            }
        });
        (url, gone)
    }

    /// Reads a request, sends the answer, and waits until the other side closes.
    async fn answer(mut stream: TcpStream, says: &[u8]) {
        let mut all = Vec::new();
        let is_whole = |all: &[u8]| {
            let head = all.windows(4).position(|w| w == b"\r\n\r\n");
            head.is_some_and(|at| serde_json::from_slice::<Value>(&all[at + 4..]).is_ok())
        };
        let mut piece = [0; 4096];
        while !is_whole(&all) {
            match stream.read(&mut piece).await {
                Ok(n @ 1..) => all.extend_from_slice(&piece[..n]),
                Ok(0) | Err(_) => return,
            }
        }
        if stream.write_all(says).await.is_ok() {
            while matches!(stream.read(&mut piece).await, Ok(1..)) {}
        }
    }

    fn client(url: &str) -> Client {
        let settings =
            Settings { backoff_base: Dur::millis(1), patience: Dur::millis(20), ..Settings::default() };
        keyed::client(url, settings)
    }

    fn ask() -> Ask {
        Ask::new("claude-sonnet-5-5", 64).user("Hello there")
    }

    /// A stream with these steps in its only block, and something new in each event.
    fn stream(steps: &[Value]) -> String {
        let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
            "stop_reason": null, "usage": {"input_tokens": 5, "output_tokens": 1}});
        let mut events = vec![
            json!({"type": "message_start", "message": message}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ];
        events.extend(steps.iter().map(|s| json!({"type": "content_block_delta", "index": 0, "delta": s})));
        events.extend([
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}),
            json!({"type": "message_stop"}),
        ]);
        let all = events.into_iter().map(|mut e| {
            e["brand_new"] = json!([1]);
            format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap())
        });
        all.collect()
    }

    const EVENTS: &str = "content-type: text/event-stream\r\n";
    const JSON: &str = "content-type: application/json\r\n";

    #[tokio::test]
    async fn fields_that_come_anew_spoil_no_answer() {
        let steps = [
            json!({"type": "text_delta", "text": "Hello", "new": {}}),
            json!({"type": "text_delta", "text": "!"}),
        ];
        let (url, _gone) = serve(says(200, EVENTS, &stream(&steps))).await;
        let message = client(&url).stream(&ask()).await.unwrap().into_message().await.unwrap();
        assert_eq!((message.text().as_str(), message.stop_reason()), ("Hello!", Some("end_turn")));
        assert_eq!(message.usage().output, 9);
    }

    #[tokio::test]
    async fn a_step_that_is_not_known_is_shown_and_never_left_out_silently() {
        let steps =
            [json!({"type": "text_delta", "text": "Hello"}), json!({"type": "new_delta", "new": "more"})];
        let (url, _gone) = serve(says(200, EVENTS, &stream(&steps))).await;
        let client = client(&url);
        let error = client.stream(&ask()).await.unwrap().into_message().await.unwrap_err();
        assert!(error.detail.raw().contains("new_delta"), "{error:?}");
        assert_eq!(error.request_id.as_ref().map(|id| id.raw()), Some("req_7"));
        let mut stream = client.stream(&ask()).await.unwrap();
        let mut new = Vec::new();
        while let Some(update) = stream.next().await.unwrap() {
            if let Update::Event { data, .. } = update {
                new.extend(data["delta"]["new"].as_str().map(str::to_owned));
            }
        }
        assert_eq!((new, stream.so_far().unwrap().text().as_str()), (vec!["more".to_owned()], "Hello"));
    }

    #[tokio::test]
    async fn a_stream_that_broke_stays_broken() {
        let all = stream(&[json!({"type": "text_delta", "text": "Hello"})]);
        let cut = all.find("event: content_block_stop").unwrap();
        let whole = String::from_utf8(says(200, EVENTS, &all)).unwrap();
        let sent = whole.replace("content-length", "x-length").replace(all.split_at(cut).1, "");
        // It ends as if it were over.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut piece = [0; 8192];
            assert!(stream.read(&mut piece).await.unwrap() > 0);
            stream.write_all(sent.as_bytes()).await.unwrap();
        });
        let mut stream = client(&url).stream(&ask()).await.unwrap();
        let error = loop {
            match stream.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it was never complete"),
                Err(error) => break error,
            }
        };
        for _ in 0..2 {
            assert_eq!(
                stream.next().await.unwrap_err().cause,
                error.cause,
                "it does not look complete later"
            );
        }
        assert_eq!(stream.into_message().await.unwrap_err().cause, error.cause);
    }

    #[tokio::test]
    async fn dropping_a_stream_half_read_closes_its_connection_and_frees_its_place() {
        let whole =
            String::from_utf8(says(200, EVENTS, &stream(&[json!({"type": "text_delta", "text": "Hello"})])))
                .unwrap();
        let (begin, _) = whole.split_once("event: content_block_stop").unwrap();
        let (url, mut gone) = serve(begin.replace("content-length", "x-length").into_bytes()).await;
        let client = client(&url);
        let mut stream = client.stream(&ask()).await.unwrap();
        while !matches!(stream.next().await.unwrap(), Some(Update::Text(_))) {}
        assert_eq!((client.view().calls, client.view().in_flight), (1, 1));
        drop(stream);
        assert_eq!((client.view().calls, client.view().in_flight), (0, 0));
        gone.recv().await.unwrap();
        // The same where nobody waits for the head any more.
        let (url, mut gone) = serve(Vec::new()).await;
        let other = self::client(&url);
        let call = tokio::time::timeout(std::time::Duration::from_millis(50), other.create(&ask())).await;
        assert!(call.is_err());
        assert_eq!((other.view().calls, other.view().in_flight), (0, 0));
        gone.recv().await.unwrap();
    }

    /// Every typed way to ask, with a client of its own that knows of no other refusal.
    async fn refused(url: &str) -> [CallError; 3] {
        let client = || client(url);
        [
            client().create(&ask()).await.unwrap_err(),
            client().stream(&ask()).await.unwrap_err(),
            client().messages("claude-sonnet-5-5", 64, "Hello").await.unwrap_err(),
        ]
    }

    #[tokio::test]
    async fn an_error_says_whether_and_when_another_try_helps_and_for_which_request() {
        let body =
            |kind: &str| json!({"type": "error", "error": {"type": kind, "message": "Sorry"}}).to_string();
        for (status, kind, headers, cause, retry, after) in [
            (429, "rate_limit_error", "retry-after: 30\r\n", Cause::QuotaRequests, true, Some(Dur::secs(30))),
            (400, "invalid_request_error", "", Cause::RequestInvalid, false, None),
            (
                529,
                "overloaded_error",
                "x-should-retry: false\r\n",
                Cause::ServerOverloaded,
                false,
                Some(Dur::MAX),
            ),
            (529, "overloaded_error", "", Cause::ServerOverloaded, true, None),
        ] {
            let (url, _gone) = serve(says(status, &format!("{JSON}{headers}"), &body(kind))).await;
            for error in refused(&url).await {
                let text = error.to_string();
                assert_eq!((error.can_retry(), error.retry_after), (retry, after), "{status} {error:?}");
                assert!(retry || error.cause.row().layer == cause.row().layer, "{error:?}");
                assert!(text.contains("req_7") && text.contains(error.cause.id()), "{text}");
                assert!(text.contains(error.cause.row().title), "{text}");
            }
        }
        // Nobody was asked.
        let error = client("http://127.0.0.1:1").post_json("no path", &json!({})).await.unwrap_err();
        assert!(!error.can_retry() && !error.to_string().contains("req_"), "{error}");
        assert_eq!(error.cause, Cause::ConfigBaseUrlInvalid, "no sandbox forbids it");
        assert!(error.detail.raw().contains("no path"), "{error:?}");
    }

    #[tokio::test]
    async fn the_least_answer_says_all_that_it_cost() {
        let body = json!({"id": "m", "type": "message", "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn",
            "usage": {"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2}});
        let (url, _gone) = serve(says(200, JSON, &body.to_string())).await;
        // A whole answer is waited for, whatever the fields say.
        let whole = client(&url).create(&ask().field("stream", json!(true))).await.unwrap();
        assert_eq!(whole.text(), "Hi");
        let answer = client(&url).messages("claude-sonnet-5-5", 64, "Hello").await.unwrap();
        let usage = answer.usage;
        assert_eq!((usage.input, usage.output, usage.cache_read, usage.cache_write), (5, 7, 3, 2));
    }

    #[tokio::test]
    async fn bodies_of_nothing_and_of_32_megabytes_pass_as_they_are() {
        for length in [0, 32 << 20] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (mut all, mut piece) = (0, vec![0; 1 << 16]);
                let mut head = None;
                let mut kept = Vec::new();
                while head.is_none_or(|at: usize| all < at + length) {
                    let n = stream.read(&mut piece).await.unwrap();
                    assert!(n > 0);
                    all += n;
                    if head.is_none() {
                        kept.extend_from_slice(&piece[..n]);
                        head = kept.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4);
                    }
                }
                stream
                    .write_all(b"HTTP/1.1 200 x\r\ncontent-length: 2\r\ncontent-type: text/plain\r\n\r\nok")
                    .await
                    .unwrap();
                all - head.unwrap()
            });
            let request = Request {
                method: Method::POST,
                path: PathAndQuery::from_static("/v1/files"),
                headers: HeaderMap::new(),
                body: Bytes::from(vec![b'x'; length]).into(),
                caller: CallerId(0),
            };
            let reply = client(&url).call(request).await.unwrap();
            assert_eq!(reply.body.collect().await.unwrap().to_bytes(), "ok");
            assert_eq!(server.await.unwrap(), length);
        }
    }

    #[tokio::test]
    async fn the_environment_s_credential_goes_as_the_sdks_send_it() {
        let key = ("ANTHROPIC_API_KEY", "sk-ant-fake-key");
        let token = ("ANTHROPIC_AUTH_TOKEN", "sk-ant-fake-token");
        for (set, expected) in [
            (vec![key], "x-api-key: sk-ant-fake-key"),
            (vec![token], "authorization: Bearer sk-ant-fake-token"),
            (vec![key, token], "x-api-key: sk-ant-fake-key"),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (mut all, mut piece) = (Vec::new(), [0; 4096]);
                while !all.windows(4).any(|w| w == b"\r\n\r\n") {
                    let n = stream.read(&mut piece).await.unwrap();
                    all.extend_from_slice(&piece[..n]);
                }
                String::from_utf8(all).unwrap()
            });
            let variable = |name: &str| match name {
                "ANTHROPIC_BASE_URL" => Some(url.clone()),
                "CLEARLINE_FENCE" => Some("loopback".to_owned()),
                name => set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()),
            };
            let client = Client::from_env(variable).unwrap();
            let call = tokio::spawn(async move { client.create(&ask()).await });
            let head = server.await.unwrap();
            call.abort();
            assert!(head.contains(expected), "{head}");
            assert_eq!(head.matches("sk-ant-fake").count(), 1, "{head}");
        }
    }

    #[test]
    fn nothing_prints_a_key_or_a_prompt() {
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", "sk-ant-fake-own".parse().unwrap());
        headers.insert("authorization", "Bearer sk-ant-fake-own".parse().unwrap());
        let request = Request {
            method: Method::POST,
            path: PathAndQuery::from_static("/v1/messages"),
            headers,
            body: Bytes::from_static(b"the prompt").into(),
            caller: CallerId(0),
        };
        let printed = format!("{request:?} {:?}", request.body);
        assert!(!printed.contains("sk-ant") && !printed.contains("the prompt"), "{printed}");
        assert!(printed.contains("/v1/messages") && printed.contains("x-api-key"), "{printed}");
        let base_url = "http://user:sk-ant-fake-url@127.0.0.1:1";
        let keys =
            vec![PoolKey { alias: "one".to_owned(), secret: Secret::new(b"sk-ant-fake-one".to_vec()) }];
        let upstream = Upstream { name: "u".to_owned(), base_url: base_url.to_owned(), weight: 1, keys };
        assert!(!format!("{upstream:?}").contains("sk-ant"), "{upstream:?}");
        let builder = Client::builder(base_url);
        assert!(!format!("{builder:?}").contains("sk-ant"), "{builder:?}");
        let error = builder.build().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("sk-ant"), "{error:?}");
    }
}
