//! Calls through the whole client against the simulator: what the caller sees, and what the record says.

#[path = "common/records.rs"]
#[cfg(test)]
mod records;

#[cfg(test)]
mod calls {
    use std::sync::Arc;

    use bytes::Bytes;
    use clearline::{CallError, Client, PoolKey, Reply, Request};
    use clearline_model::{CallRecord, CallerId, Cause, Dur, Outcome, Secret, Stage};
    use clearline_net::{Fence, ProxyEnv};
    use clearline_policy::Settings;
    use clearline_sim::{Options, Scenario, Sim, SimEventKind, expected_text};
    use http::{HeaderMap, Method};
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    use crate::records::Records;

    const KEYS: [&str; 2] = ["sk-ant-fake-batch-1", "sk-ant-fake-batch-2"];

    struct Bench {
        sim: Sim,
        client: Client,
        records: Arc<Records>,
    }

    impl Bench {
        async fn new(scenario: &str, keys: usize, change: impl FnOnce(&mut Settings)) -> Self {
            let scenario = Scenario::parse(scenario).unwrap_or_else(|e| panic!("{e}"));
            let sim = Sim::start(scenario, Options::default()).await.unwrap();
            let (client, records) = client(&sim.base_url(), keys, change);
            Self { sim, client, records }
        }

        fn record(&self) -> CallRecord {
            self.records.0.lock().unwrap().last().cloned().unwrap()
        }

        fn requests(&self) -> usize {
            self.sim.events().iter().filter(|e| matches!(e.kind, SimEventKind::Request { .. })).count()
        }
    }

    fn client(url: &str, keys: usize, change: impl FnOnce(&mut Settings)) -> (Client, Arc<Records>) {
        let (records, observer) = Records::observed();
        let mut settings = Settings { backoff_base: Dur::millis(2), ..Settings::default() };
        settings.backoff_overload = Dur::millis(2);
        change(&mut settings);
        let pool = KEYS.iter().take(keys).enumerate().map(|(i, key)| PoolKey {
            alias: format!("batch-{}", i + 1),
            secret: Secret::new(key.as_bytes().to_vec()),
        });
        let client = Client::builder(url)
            .keys(pool.collect())
            .policy(settings)
            .fence(Fence::parse(Some("loopback")).unwrap())
            .observer(observer)
            .build()
            .unwrap();
        (client, records)
    }

    fn body(stream: bool) -> Value {
        json!({
            "model": "claude-sonnet-5-5", "max_tokens": 32, "stream": stream,
            "messages": [{"role": "user", "content": "Hello there"}],
        })
    }

    fn request(path: &str, body: &Value) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        headers.insert("anthropic-version", "2023-06-01".parse().unwrap());
        headers.insert("x-api-key", "sk-ant-fake-own".parse().unwrap());
        Request {
            method: Method::POST,
            path: path.parse().unwrap(),
            headers,
            body: Bytes::from(body.to_string()).into(),
            caller: CallerId(0),
        }
    }

    async fn whole(reply: Reply) -> (u16, String, bool) {
        let status = reply.status.as_u16();
        let (mut body, mut all, mut broken) = (reply.body, Vec::new(), false);
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => all.extend_from_slice(&frame.into_data().unwrap()),
                Err(_) => broken = true,
            }
        }
        (status, String::from_utf8(all).unwrap(), broken)
    }

    fn message_text(body: &str) -> String {
        let message: Value = serde_json::from_str(body).unwrap();
        message["content"][0]["text"].as_str().unwrap().to_owned()
    }

    fn stream_text(body: &str) -> String {
        let data = body.lines().filter_map(|l| l.strip_prefix("data: "));
        let events = data.map(|d| serde_json::from_str::<Value>(d).unwrap());
        events.filter_map(|e| e["delta"]["text"].as_str().map(str::to_owned)).collect()
    }

    const QUICK: &str = "[answer]\nfirst_byte = \"1ms\"\nchunk = \"1ms\"\n";

    #[tokio::test]
    async fn a_healthy_call_is_one_attempt() {
        let bench = Bench::new(QUICK, 0, |_| ()).await;
        for stream in [false, true] {
            let ask = body(stream);
            let (status, text, broken) =
                whole(bench.client.call(request("/v1/messages", &ask)).await.unwrap()).await;
            assert_eq!((status, broken), (200, false));
            let got = if stream { stream_text(&text) } else { message_text(&text) };
            assert_eq!(got, expected_text(&ask));
            let record = bench.record();
            assert_eq!(
                (record.outcome, record.attempts.len(), record.status),
                (Some(Outcome::Succeeded), 1, 200)
            );
            assert!(record.usage().output > 0, "{record:?}");
            assert!(record.attempts[0].head.as_ref().unwrap().request_id.is_some());
        }
        assert_eq!(bench.client.view().calls, 0);
        // The second call went over the first one's connection.
        assert!(bench.record().attempts[0].reused);
    }

    #[tokio::test]
    async fn faults_before_the_content_are_repeated_and_named() {
        for (fault, stream, cause) in [
            ("status = 500", false, Cause::ServerError),
            ("status = 529", true, Cause::ServerOverloaded),
            ("status = 503", false, Cause::ServerUnavailable),
            ("reset = \"after_request\"", false, Cause::HttpResetBeforeResponse),
            (
                "error_event = { at = 1, kind = \"overloaded_error\", message = \"Overloaded\" }",
                true,
                Cause::ServerOverloaded,
            ),
            ("cut_at_event = 1", true, Cause::StreamCut),
            ("reset = \"mid_body\"", false, Cause::HttpTruncated),
        ] {
            let scenario = format!("{QUICK}[[fault]]\nname = \"x\"\nfirst = 2\n{fault}\n");
            let bench = Bench::new(&scenario, 0, |_| ()).await;
            let ask = body(stream);
            let (status, text, broken) =
                whole(bench.client.call(request("/v1/messages", &ask)).await.unwrap()).await;
            assert_eq!((status, broken), (200, false), "{fault}: {text}");
            let got = if stream { stream_text(&text) } else { message_text(&text) };
            assert_eq!(got, expected_text(&ask), "{fault}");
            let record = bench.record();
            let causes: Vec<_> = record.attempts.iter().map(|a| a.cause).collect();
            assert_eq!(causes, [Some(cause), Some(cause), None], "{fault}");
            assert_eq!(bench.requests(), 3, "{fault}");
        }
    }

    #[tokio::test]
    async fn a_success_that_is_no_message_never_passes_as_one() {
        for fault in ["empty_200", "html_200"] {
            let bench =
                Bench::new(&format!("{QUICK}[[fault]]\nname = \"x\"\n{fault} = true\n"), 0, |_| ()).await;
            for stream in [false, true] {
                let error = bench.client.call(request("/v1/messages", &body(stream))).await.unwrap_err();
                let expected = if stream { Cause::StreamWrongContentType } else { Cause::EdgeNotTheApi };
                assert_eq!((error.cause, error.attempts), (expected, 1), "{fault} {stream}");
            }
        }
    }

    #[tokio::test]
    async fn a_refused_key_is_left_for_the_next_and_the_callers_own_is_never_sent() {
        let scenario = format!(
            "{QUICK}[keys]\nknown = [\"{}\", \"{}\"]\n[[keys.change]]\nkey = \"{}\"\nat = \"0s\"\nstate = \"revoked\"\n",
            KEYS[0], KEYS[1], KEYS[0]
        );
        let bench = Bench::new(&scenario, 2, |_| ()).await;
        for _ in 0..4 {
            let reply = bench.client.call(request("/v1/messages", &body(false))).await.unwrap();
            assert_eq!(whole(reply).await.0, 200);
        }
        let records = bench.records.0.lock().unwrap().clone();
        let refused: Vec<_> =
            records.iter().flat_map(|r| &r.attempts).filter(|a| a.cause.is_some()).collect();
        assert_eq!(refused.len(), 1, "the refused key rests: {refused:?}");
    }

    #[tokio::test]
    async fn a_subscriptions_token_is_never_replaced() {
        let token = "sk-ant-oat01-fake-tokn";
        let scenario = format!("{QUICK}[keys]\nknown = [\"{}\", \"{token}\"]\n", KEYS[0]);
        let bench = Bench::new(&scenario, 1, |_| ()).await;
        let keys = || -> Vec<String> {
            let key = |e: &clearline_sim::SimEvent| {
                if let SimEventKind::Request { key, .. } = &e.kind { key.clone() } else { None }
            };
            bench.sim.events().iter().filter_map(key).collect()
        };
        let mut ask = request("/v1/messages", &body(false));
        ask.headers.remove("x-api-key");
        for (bearer, seen) in [(token, "tokn"), ("sk-ant-fake-own", "ch-1")] {
            ask.headers.insert("authorization", format!("Bearer {bearer}").parse().unwrap());
            assert_eq!(whole(bench.client.call(ask.clone()).await.unwrap()).await.0, 200);
            assert!(keys().last().unwrap().ends_with(seen), "{:?}", keys());
        }
    }

    #[tokio::test]
    async fn a_single_refused_key_is_passed_on_after_one_attempt() {
        let scenario = format!("{QUICK}[keys]\nknown = [\"sk-ant-fake-other\"]\n");
        let bench = Bench::new(&scenario, 1, |_| ()).await;
        let reply = bench.client.call(request("/v1/messages", &body(false))).await.unwrap();
        assert_eq!(reply.cause, Some(Cause::AuthInvalid));
        let (status, text, _) = whole(reply).await;
        assert_eq!(status, 401);
        assert!(text.contains("authentication_error"), "{text}");
        assert_eq!(bench.requests(), 1);
    }

    #[tokio::test]
    async fn an_answer_that_breaks_after_its_content_ends_with_an_error_event() {
        let scenario = format!("{QUICK}chunks = 6\n[[fault]]\nname = \"cut\"\nfirst = 1\ncut_at_event = 5\n");
        let bench = Bench::new(&scenario, 0, |_| ()).await;
        let reply = bench.client.call(request("/v1/messages", &body(true))).await.unwrap();
        let (status, text, broken) = whole(reply).await;
        assert_eq!((status, broken), (200, true));
        assert!(text.contains("event: error\n") && text.contains("stream.cut"), "{text}");
        assert!(!text.contains("message_stop"), "{text}");
        let record = bench.record();
        assert_eq!((record.outcome, record.cause), (Some(Outcome::Broken), Some(Cause::StreamCut)));
        assert_eq!(bench.requests(), 1, "after the commit nothing is repeated");
    }

    #[tokio::test]
    async fn what_may_be_done_once_is_not_repeated_after_a_lost_answer() {
        let scenario = format!("{QUICK}[[fault]]\nname = \"x\"\nfirst = 1\nreset = \"after_request\"\n");
        let bench = Bench::new(&scenario, 0, |_| ()).await;
        let error = bench.client.call(request("/v1/messages/batches", &json!({}))).await.unwrap_err();
        assert_eq!((error.cause, error.attempts), (Cause::HttpResetBeforeResponse, 1));
        assert_eq!(error.stage, Stage::Head);
        assert_eq!(bench.requests(), 1);
    }

    #[tokio::test]
    async fn an_upstream_that_is_not_there_is_a_cause() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let (client, records) = client(&url, 0, |s| s.patience = Dur::millis(30));
        let error: CallError = client.call(request("/v1/messages", &body(false))).await.unwrap_err();
        assert_eq!((error.cause, error.stage), (Cause::TcpRefused, Stage::Connect));
        assert!(error.attempts >= 2, "{error:?}");
        assert_eq!(records.0.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_caller_that_leaves_releases_the_upstream() {
        for (scenario, stream, during) in [
            ("[[fault]]\nname = \"x\"\nhang = true\n", false, "before the head"),
            ("[[fault]]\nname = \"x\"\nstall_at_event = 4\n", true, "in the stream"),
        ] {
            let bench = Bench::new(&format!("{QUICK}{scenario}"), 0, |_| ()).await;
            let call = bench.client.call(request("/v1/messages", &body(stream)));
            if stream {
                let mut reply = call.await.unwrap();
                reply.body.frame().await.unwrap().unwrap();
                drop(reply);
            } else {
                let mut call = Box::pin(call);
                tokio::select! {
                    _ = &mut call => panic!("it hangs"),
                    _ = bench.sim.wait_for(|e| matches!(e.kind, SimEventKind::Request { .. })) => {}
                }
                drop(call);
            }
            bench.sim.wait_for(|e| matches!(e.kind, SimEventKind::ClientGone { .. })).await;
            assert_eq!(bench.record().outcome, Some(Outcome::Left), "{during}");
            assert_eq!(bench.client.view().in_flight, 0);
        }
    }

    #[tokio::test]
    async fn a_silent_stream_is_given_up_and_repeated() {
        let scenario = format!("{QUICK}[[fault]]\nname = \"x\"\nfirst = 1\nstall_at_event = 0\n");
        let bench = Bench::new(&scenario, 0, |s| s.timeouts.idle = Dur::millis(40)).await;
        let ask = body(true);
        let (status, text, broken) =
            whole(bench.client.call(request("/v1/messages", &ask)).await.unwrap()).await;
        assert_eq!((status, broken), (200, false));
        assert_eq!(stream_text(&text), expected_text(&ask));
        assert_eq!(bench.record().attempts[0].cause, Some(Cause::StreamStalled));
        bench.sim.wait_for(|e| matches!(e.kind, SimEventKind::ClientGone { .. })).await;
    }

    #[tokio::test]
    async fn a_hint_beyond_the_patience_goes_to_the_caller_at_once() {
        let scenario = format!("{QUICK}[[fault]]\nname = \"x\"\nstatus = 429\nretry_after = 3600\n");
        let bench = Bench::new(&scenario, 0, |_| ()).await;
        let reply = bench.client.call(request("/v1/messages", &body(false))).await.unwrap();
        assert_eq!(reply.headers["retry-after"], "3600");
        assert_eq!(whole(reply).await.0, 429);
        assert_eq!(bench.requests(), 1);
    }

    #[tokio::test]
    async fn a_typed_call_gives_its_text_and_its_error() {
        let bench = Bench::new(QUICK, 1, |_| ()).await;
        let answer = bench.client.messages("claude-sonnet-5-5", 32, "Hello there").await.unwrap();
        let ask = json!({
            "model": "claude-sonnet-5-5", "max_tokens": 32, "messages": [{"role": "user", "content": "Hello there"}],
        });
        assert_eq!(answer.text, expected_text(&ask));
        assert!(answer.usage.output > 0 && answer.request_id.is_some());
        let error = bench.client.messages("no-such-model", 32, "Hello").await.unwrap_err();
        assert_eq!(error.cause, Cause::RequestModelNotFound);
        assert!(error.request_id.is_some());
        assert!(error.to_string().contains("request.model-not-found"), "{error}");
    }

    #[test]
    fn keys_and_urls_that_cannot_be_right_are_refused_before_any_call() {
        let bad = |key: &str| PoolKey { alias: "a".to_owned(), secret: Secret::new(key.as_bytes().to_vec()) };
        for key in ["", "sk-ant-fake\n", "\"sk-ant-fake\"", "$ANTHROPIC_API_KEY", "sk ant"] {
            let error = Client::builder("http://127.0.0.1:1").keys(vec![bad(key)]).build().unwrap_err();
            assert_eq!(error.cause, Cause::AuthMalformedKey, "{key:?}");
        }
        let error = Client::builder("http://192.0.2.1").build().unwrap_err();
        assert_eq!(error.cause, Cause::ConfigBaseUrlInsecure);
        assert!(Client::builder("http://192.0.2.1").allow_insecure(true).build().is_ok());
        assert!(Client::builder("not a url").build().is_err());
    }

    #[test]
    fn a_plain_upstream_here_is_refused_where_its_calls_would_go_through_a_proxy_elsewhere() {
        let build = |url: &str, proxy: &str, no_proxy: &str, allow: bool| {
            let var = |name: &str| match name {
                "all_proxy" => Some(proxy.to_owned()),
                "no_proxy" => Some(no_proxy.to_owned()),
                _ => None,
            };
            let proxies = ProxyEnv::from_lookup(&var).unwrap();
            Client::builder(url)
                .proxy_env(proxies)
                .allow_insecure(allow)
                .build()
                .map(|_| ())
                .map_err(|e| e.cause)
        };
        let exposed = Err(Cause::ConfigBaseUrlInsecure);
        for proxy in ["http://192.0.2.1:3128", "https://proxy.example", "socks5://192.0.2.1"] {
            for url in ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"] {
                assert_eq!(build(url, proxy, "", false), exposed, "{url} by {proxy}");
                assert_eq!(build(url, proxy, "", true), Ok(()), "{url} by {proxy}");
                let host = url.trim_start_matches("http://").trim_end_matches(":1");
                assert_eq!(
                    build(url, proxy, host.trim_matches(['[', ']']), false),
                    Ok(()),
                    "{url} past {proxy}"
                );
            }
            assert_eq!(build("https://api.example", proxy, "", false), Ok(()));
        }
        for proxy in ["http://127.0.0.1:3128", "socks5h://localhost"] {
            assert_eq!(build("http://127.0.0.1:1", proxy, "", false), Ok(()), "{proxy}");
            assert_eq!(build("http://192.0.2.1", proxy, "", false), exposed, "{proxy}");
        }
    }

    /// Forty calls at once to a server that is overloaded for as long as they have patience: how many requests it sees.
    async fn crowd(signals: u32) -> usize {
        let scenario = format!("{QUICK}[[fault]]\nname = \"x\"\nstatus = 529\n");
        let bench = Bench::new(&scenario, 0, |s| {
            (s.patience, s.backoff_max) = (Dur::millis(800), Dur::millis(50));
            s.limiter_signals = signals;
        })
        .await;
        let calls = (0..40).map(|_| bench.client.call(request("/v1/messages", &body(true))));
        let replies = futures_util::future::join_all(calls).await;
        for reply in replies {
            match reply {
                Ok(reply) => assert_eq!(reply.status.as_u16(), 529),
                Err(own) => assert_eq!(own.cause, Cause::ServerOverloaded, "the cause is that of the lane"),
            }
        }
        bench.requests()
    }

    #[tokio::test]
    async fn a_crowd_before_an_overloaded_server_is_paced() {
        let (paced, crowding) = (crowd(4).await, crowd(0).await);
        assert!(paced < 80, "forty first attempts, and not one more for each: {paced}");
        assert!(crowding > 3 * paced, "without the limiter: {crowding}, with it: {paced}");
    }

    #[tokio::test]
    async fn the_limits_that_the_headers_tell_are_kept_to_before_a_429() {
        let limits = "[limits]\nrequests_per_minute = 1200\nburst = \"200ms\"\n";
        let mut counts = Vec::new();
        for pacing in [true, false] {
            let bench = Bench::new(&format!("{QUICK}{limits}"), 1, |s| s.key_pacing = pacing).await;
            assert_eq!(
                whole(bench.client.call(request("/v1/messages", &body(true))).await.unwrap()).await.0,
                200
            );
            let calls = (0..16).map(|_| bench.client.call(request("/v1/messages", &body(true))));
            for reply in futures_util::future::join_all(calls).await {
                assert_eq!(whole(reply.unwrap()).await.0, 200);
            }
            counts.push(bench.requests());
        }
        assert!(counts[0] <= 18 && counts[1] >= 24, "{counts:?} requests for 17 calls");
    }

    /// Twelve calls where three may be under way: with the words of the API as the only sign.
    #[tokio::test]
    async fn of_too_many_at_once_the_next_starts_when_one_ends() {
        let mut counts = Vec::new();
        for (keys, pacing) in [(1, true), (1, false)] {
            let scenario = "[answer]\nfirst_byte = \"1ms\"\nchunk = \"20ms\"\n[limits]\nat_once = 3\n";
            let bench = Bench::new(scenario, keys, |s| s.key_pacing = pacing).await;
            let call = || async {
                let reply = bench.client.call(request("/v1/messages", &body(true))).await.unwrap();
                whole(reply).await.0
            };
            let all = futures_util::future::join_all((0..12).map(|_| call())).await;
            assert_eq!(all, [200; 12]);
            counts.push(bench.requests());
        }
        assert!(counts[0] <= 24, "nine are refused at first, and hardly one after that: {counts:?}");
        assert!(counts[1] > counts[0], "{counts:?}");
    }
}
