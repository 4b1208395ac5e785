//! The library as a program uses it: typed calls, streams, tools, and credentials that are renewed.

#[cfg(test)]
mod library {
    use std::sync::{Arc, Mutex};

    use clearline::{Ask, Block, CallError, Client, Credential, Credentials, Kind, Tool, Update};
    use clearline_model::{Cause, Dur};
    use clearline_net::Fence;
    use clearline_policy::Settings;
    use clearline_sim::{Options, Scenario, Sim, SimEventKind, expected_text};
    use futures_util::future::BoxFuture;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    const QUICK: &str = "[answer]\nfirst_byte = \"0ms\"\nchunk = \"0ms\"\n";

    async fn sim(faults: &str) -> Sim {
        Sim::start(Scenario::parse(&format!("{QUICK}{faults}")).unwrap(), Options::default()).await.unwrap()
    }

    fn builder(url: &str) -> clearline::Builder {
        let settings = Settings { backoff_base: Dur::millis(2), ..Settings::default() };
        Client::builder(url).policy(settings).fence(Fence::parse(Some("loopback")).unwrap())
    }

    struct Fixed(&'static str);

    impl Credentials for Fixed {
        fn credential(&self) -> BoxFuture<'_, Result<Credential, CallError>> {
            Box::pin(std::future::ready(Credential::api_key(self.0)))
        }

        fn refused(&self, _used: &Credential) -> BoxFuture<'_, bool> {
            Box::pin(std::future::ready(false))
        }
    }

    fn client(url: &str) -> Client {
        builder(url).credentials(Arc::new(Fixed("sk-ant-fake-own"))).build().unwrap()
    }

    fn hello() -> Ask {
        Ask::new("claude-sonnet-5-5", 64).user("Hello there")
    }

    #[tokio::test]
    async fn an_answer_is_the_same_whole_and_streamed() {
        let sim = sim("").await;
        let client = client(&sim.base_url());
        let whole = client.create(&hello()).await.unwrap();
        assert_eq!(whole.text(), expected_text(&hello().to_json()));
        assert_eq!((whole.stop_reason(), whole.model()), (Some("end_turn"), "claude-sonnet-5-5"));
        let mut stream = client.stream(&hello()).await.unwrap();
        let (mut text, mut blocks) = (String::new(), Vec::new());
        while let Some(update) = stream.next().await.unwrap() {
            match update {
                Update::Text(more) => text.push_str(&more),
                Update::Block(block) => blocks.push(block),
                Update::Thinking(_) | Update::ToolInput { .. } | Update::Event { .. } | _ => {}
            }
        }
        assert_eq!(text, whole.text());
        let streamed = stream.into_message().await.unwrap();
        assert_eq!(streamed.content(), blocks);
        // All but the ids are the same.
        let same = |m: &clearline::Message| {
            let mut json = m.json().clone();
            json["id"] = Value::Null;
            json
        };
        assert_eq!(same(&streamed), same(&whole));
    }

    #[tokio::test]
    async fn errors_have_their_cause_and_their_words() {
        let error =
            |kind: &str| format!("error_event = {{ at = 6, kind = \"{kind}\", message = \"Sorry\" }}");
        for (fault, cause, words) in [
            ("cut_at_event = 6".to_owned(), Cause::StreamCut, "stream.cut"),
            (error("api_error"), Cause::ServerError, "Sorry"),
        ] {
            let sim = sim(&format!("[[fault]]\nname = \"x\"\n{fault}\n")).await;
            let mut stream = client(&sim.base_url()).stream(&hello()).await.unwrap();
            let mut text = String::new();
            let failed = loop {
                match stream.next().await {
                    Ok(Some(Update::Text(more))) => text.push_str(&more),
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("it was complete"),
                    Err(error) => break error,
                }
            };
            assert_eq!((failed.cause, failed.attempts), (cause, 1), "{fault}");
            assert!(failed.detail.raw().contains(words), "{failed:?}");
            assert!(!text.is_empty() && stream.so_far().unwrap().text() == text);
        }
        let sim = sim("").await;
        let none = Ask::new("no-such-model", 9).user("Hello");
        for failed in [
            client(&sim.base_url()).create(&none).await.unwrap_err(),
            client(&sim.base_url()).stream(&none).await.unwrap_err(),
        ] {
            assert_eq!(failed.cause, Cause::RequestModelNotFound);
            assert!(failed.request_id.is_some() && failed.detail.raw().contains("no-such-model"));
        }
    }

    /// Answers one request after the other with these bodies, and keeps what was asked.
    async fn scripted(answers: Vec<(&'static str, String)>) -> (String, Arc<Mutex<Vec<Value>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            for (kind, body) in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut all = Vec::new();
                let request = loop {
                    let mut piece = [0; 4096];
                    let n = stream.read(&mut piece).await.unwrap();
                    assert!(n > 0, "the request is whole");
                    all.extend_from_slice(&piece[..n]);
                    let head = all.windows(4).position(|w| w == b"\r\n\r\n");
                    if let Some(value) = head.and_then(|at| serde_json::from_slice(&all[at + 4..]).ok()) {
                        break value;
                    }
                };
                seen.lock().unwrap().push(request);
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all([head.as_bytes(), body.as_bytes()].concat().as_slice()).await.unwrap();
            }
        });
        (url, asked)
    }

    fn message(content: &Value, stop: &str) -> Value {
        json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content,
            "stop_reason": stop, "stop_sequence": null, "usage": {"input_tokens": 5, "output_tokens": 7}})
    }

    fn events(all: &[Value]) -> String {
        all.iter().map(|e| format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap())).collect()
    }

    /// A stream in which a tool is called, with an event and a block that nobody knows.
    fn calls_a_tool() -> String {
        let mut start = message(&json!([]), "tool_use");
        start["stop_reason"] = Value::Null;
        let delta = |json: &str| {
            json!({"type": "content_block_delta", "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": json}})
        };
        let call = json!({"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}});
        events(&[
            json!({"type": "message_start", "message": start}),
            json!({"type": "brand_new", "x": 1}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "odd", "deep": {"a": 1}}}),
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "content_block_start", "index": 1, "content_block": call}),
            delta(""),
            delta("{\"a\": 2, \"b"),
            delta("\": 3}"),
            json!({"type": "content_block_stop", "index": 1}),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}}),
            json!({"type": "message_stop"}),
        ])
    }

    #[tokio::test]
    async fn a_tool_is_called_and_its_result_goes_back() {
        let last = message(&json!([{"type": "text", "text": "It is 5."}]), "end_turn").to_string();
        let (url, asked) =
            scripted(vec![("text/event-stream", calls_a_tool()), ("application/json", last)]).await;
        let client = client(&url);
        let ask = Ask::new("m", 100).tool(Tool::new("add", "Adds", json!({"type": "object"}))).user("2 + 3?");
        let mut stream = client.stream(&ask).await.unwrap();
        let (mut input, mut unknown) = (String::new(), Vec::new());
        while let Some(update) = stream.next().await.unwrap() {
            match update {
                Update::ToolInput { index: 1, json } => input.push_str(&json),
                Update::Event { name, .. } => unknown.push(name),
                Update::Text(_) | Update::Thinking(_) | Update::ToolInput { .. } | Update::Block(_) | _ => {}
            }
        }
        assert_eq!(input, "{\"a\": 2, \"b\": 3}");
        assert!(unknown.contains(&"brand_new".to_owned()), "{unknown:?}");
        let message = stream.into_message().await.unwrap();
        assert_eq!(message.content()[0].kind(), Kind::Other("odd"));
        let results: Vec<Block> = message
            .tool_uses()
            .map(|t| t.result(&(t.input["a"].as_i64().unwrap() + t.input["b"].as_i64().unwrap()).to_string()))
            .collect();
        let ask = ask.answer(&message).user_blocks(&results);
        assert_eq!(client.create(&ask).await.unwrap().text(), "It is 5.");
        let asked = asked.lock().unwrap();
        let turns = &asked[1]["messages"];
        assert_eq!(turns[1]["content"][0], json!({"type": "odd", "deep": {"a": 1}}));
        assert_eq!(turns[1]["content"][1]["input"], json!({"a": 2, "b": 3}));
        assert_eq!(turns[2]["content"][0]["content"], "5");
        assert_eq!(asked[1].get("stream"), None);
    }

    #[derive(Default)]
    struct Renewed {
        told: Mutex<Vec<Credential>>,
        renews: bool,
    }

    impl Credentials for Renewed {
        fn credential(&self) -> BoxFuture<'_, Result<Credential, CallError>> {
            let fresh = self.renews && !self.told.lock().unwrap().is_empty();
            let token = if fresh { "sk-ant-fake-renewed" } else { "sk-ant-fake-expired" };
            Box::pin(std::future::ready(Credential::bearer(token)))
        }

        fn refused(&self, used: &Credential) -> BoxFuture<'_, bool> {
            self.told.lock().unwrap().push(used.clone());
            Box::pin(std::future::ready(self.renews))
        }
    }

    #[tokio::test]
    async fn a_credential_that_was_refused_is_renewed_once() {
        for (known, renews, succeeds, requests) in [
            ("sk-ant-fake-renewed", true, true, 2),
            ("sk-ant-fake-renewed", false, false, 1),
            ("sk-ant-fake-other-1", true, false, 2),
        ] {
            let sim = sim(&format!("[keys]\nknown = [\"{known}\"]\n")).await;
            let keeper = Arc::new(Renewed { renews, ..Renewed::default() });
            let credentials: Arc<dyn Credentials> = Arc::<Renewed>::clone(&keeper);
            let client = builder(&sim.base_url()).credentials(credentials).build().unwrap();
            let answer = client.create(&hello()).await;
            assert_eq!(answer.is_ok(), succeeds, "{answer:?}");
            assert!(answer.is_ok() || answer.unwrap_err().cause == Cause::AuthInvalid);
            let seen = sim.events().iter().filter(|e| matches!(e.kind, SimEventKind::Request { .. })).count();
            assert_eq!((seen, keeper.told.lock().unwrap().len()), (requests, 1));
            assert!(!format!("{:?}", keeper.told.lock().unwrap()).contains("sk-ant"));
        }
    }

    #[tokio::test]
    async fn without_a_credential_there_is_no_call() {
        struct None;
        impl Credentials for None {
            fn credential(&self) -> BoxFuture<'_, Result<Credential, CallError>> {
                Box::pin(std::future::ready(Err(CallError::no_credential("log in first"))))
            }

            fn refused(&self, _used: &Credential) -> BoxFuture<'_, bool> {
                Box::pin(std::future::ready(false))
            }
        }
        let client = builder("http://127.0.0.1:1").credentials(Arc::new(None)).build().unwrap();
        let error = client.create(&hello()).await.unwrap_err();
        assert_eq!(
            (error.cause, error.attempts, error.detail.raw()),
            (Cause::AuthMissing, 0, "log in first")
        );
        assert_eq!(Credential::bearer("a\nb").unwrap_err().cause, Cause::AuthMalformedKey);
    }

    /// Whoever keeps the credentials may never answer, or panic.
    #[tokio::test]
    async fn credentials_that_never_come_or_panic_leave_nothing_behind() {
        struct Never(bool);
        impl Credentials for Never {
            fn credential(&self) -> BoxFuture<'_, Result<Credential, CallError>> {
                let panics = self.0;
                Box::pin(async move {
                    assert!(!panics, "the keeper of the credentials failed");
                    std::future::pending().await
                })
            }

            fn refused(&self, _used: &Credential) -> BoxFuture<'_, bool> {
                Box::pin(std::future::ready(false))
            }
        }
        for panics in [false, true] {
            let client = builder("http://127.0.0.1:1").credentials(Arc::new(Never(panics))).build().unwrap();
            let call = {
                let client = client.clone();
                tokio::spawn(async move { client.create(&hello()).await.map(drop) })
            };
            if panics {
                assert!(call.await.unwrap_err().is_panic());
            } else {
                tokio::task::yield_now().await;
                call.abort();
                assert!(call.await.unwrap_err().is_cancelled());
            }
            assert_eq!((client.view().calls, client.view().in_flight), (0, 0));
        }
    }
}
