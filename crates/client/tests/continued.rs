//! Streams that break after the commit and are continued, over real sockets: what the caller sees is one answer.

#[path = "common/message.rs"]
#[cfg(test)]
mod message;
#[path = "common/records.rs"]
#[cfg(test)]
mod records;

#[cfg(test)]
mod continued {
    use std::sync::Arc;

    use bytes::Bytes;
    use clearline::{Client, Request};
    use clearline_model::{CallRecord, CallerId, Cause, Dur, Outcome};
    use clearline_net::Fence;
    use clearline_policy::Settings;
    use clearline_sim::{Options, Scenario, Sim, SimEventKind, expected_text};
    use clearline_wire::Parser;
    use http::uri::PathAndQuery;
    use http::{HeaderMap, Method};
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    use crate::message;
    use crate::records::Records;

    const QUICK: &str = "[answer]\nfirst_byte = \"0ms\"\nchunk = \"0ms\"\nchunks = 6\n";

    struct Bench {
        sim: Sim,
        client: Client,
        records: Arc<Records>,
    }

    impl Bench {
        async fn new(faults: &str, change: impl FnOnce(&mut Settings)) -> Self {
            let scenario = Scenario::parse(&format!("{QUICK}{faults}")).unwrap_or_else(|e| panic!("{e}"));
            let sim = Sim::start(scenario, Options::default()).await.unwrap();
            let (records, observer) = Records::observed();
            let mut settings = Settings { resume: true, backoff_base: Dur::millis(2), ..Settings::default() };
            settings.backoff_overload = Dur::millis(2);
            change(&mut settings);
            let client = Client::builder(&sim.base_url())
                .policy(settings)
                .fence(Fence::parse(Some("loopback")).unwrap())
                .observer(observer)
                .build()
                .unwrap();
            Self { sim, client, records }
        }

        fn record(&self) -> CallRecord {
            self.records.0.lock().unwrap().last().cloned().unwrap()
        }

        fn requests(&self) -> usize {
            self.sim.events().iter().filter(|e| matches!(e.kind, SimEventKind::Request { .. })).count()
        }

        async fn ask(&self, body: &Value) -> Seen {
            let mut reply = self.client.call(message::request(body)).await.unwrap();
            let (mut all, mut broken) = (Vec::new(), false);
            while let Some(frame) = reply.body.frame().await {
                match frame {
                    Ok(frame) => all.extend_from_slice(&frame.into_data().unwrap()),
                    Err(_) => broken = true,
                }
            }
            seen(&all, broken)
        }
    }

    /// What the caller saw.
    #[derive(Debug)]
    struct Seen {
        /// The names of the events, the same ones in a row once.
        names: Vec<String>,
        text: String,
        usage: Value,
        raw: String,
        broken: bool,
    }

    fn seen(all: &[u8], broken: bool) -> Seen {
        let raw = String::from_utf8(all.to_vec()).unwrap();
        let mut seen = Seen { names: Vec::new(), text: String::new(), usage: Value::Null, raw, broken };
        Parser::new()
            .push(all, |e| {
                let name = String::from_utf8(e.name.to_vec()).unwrap();
                let data: Value = serde_json::from_slice(e.data).unwrap();
                if name.starts_with("content_block") {
                    assert_eq!(data["index"], 0);
                }
                seen.text.push_str(data["delta"]["text"].as_str().unwrap_or_default());
                if name == "message_delta" {
                    seen.usage = data["usage"].clone();
                }
                if name != "ping" && seen.names.last() != Some(&name) {
                    seen.names.push(name);
                }
            })
            .unwrap();
        seen
    }

    fn body(model: &str, max: u64) -> Value {
        json!({
            "model": model, "max_tokens": max, "stream": true,
            "messages": [{"role": "user", "content": "Hello there"}],
        })
    }

    const ORDER: [&str; 6] = [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];

    fn fault(what: &str, first: u32) -> String {
        format!("[[fault]]\nname = \"x\"\nfirst = {first}\n{what}\n")
    }

    /// Where the stop reason is announced and where the stream ends, bytes.
    async fn lengths(body: &Value) -> (usize, usize) {
        let whole = Bench::new("", |_| ()).await.ask(body).await;
        (whole.raw.find("event: message_stop").unwrap(), whole.raw.len())
    }

    /// One call after the other, each cut at another byte; every second request is answered whole.
    async fn cut_at_each(body: &Value, places: impl Iterator<Item = usize> + Clone) {
        let rule = |at| fault(&format!("cut_at_byte = {at}"), 1);
        let faults: String = places.clone().map(rule).collect();
        let whole = "[[fault]]\nname = \"whole\"\nevery = 2\ndelay = \"0ms\"\n";
        let rich = |s: &mut Settings| (s.budget_start_milli, s.budget_max_milli) = (10_000_000, 10_000_000);
        let bench = Bench::new(&format!("{whole}{faults}"), rich).await;
        let mut calls = 0;
        for at in places {
            let got = bench.ask(body).await;
            calls += 1;
            assert_eq!(
                (got.text.as_str(), got.broken),
                (expected_text(body).as_str(), false),
                "{at}: {}",
                got.raw
            );
            assert!(got.names == ORDER, "{at}: {:?}", got.names);
            assert_eq!(bench.requests(), 2 * calls, "{at}");
            assert_eq!(bench.record().outcome, Some(Outcome::Succeeded), "{at}");
        }
        assert!(calls > 20);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_short_stream_cut_at_each_byte_is_whole() {
        // One model goes on after a turn of the user, the other from the beginning of its answer.
        for (model, step) in [("claude-sonnet-5-5", 1), ("claude-haiku-4-5", 5)] {
            let body = body(model, 4);
            let (announced, _) = lengths(&body).await;
            cut_at_each(&body, (0..announced).step_by(step)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_longer_stream_cut_anywhere_is_whole() {
        let body = body("claude-sonnet-5-5", 4_000);
        let (announced, _) = lengths(&body).await;
        cut_at_each(&body, (0..announced).step_by(61)).await;
    }

    #[tokio::test]
    async fn what_had_announced_its_end_is_not_continued() {
        let body = body("claude-sonnet-5-5", 6);
        let (announced, length) = lengths(&body).await;
        for at in [announced, announced + 9, length - 2] {
            let bench = Bench::new(&fault(&format!("cut_at_byte = {at}"), 1), |_| ()).await;
            let got = bench.ask(&body).await;
            assert!(got.broken && got.raw.contains("event: error"), "{at}: {}", got.raw);
            assert_eq!(bench.requests(), 1, "{at}");
        }
    }

    #[tokio::test]
    async fn every_way_to_break_is_continued_and_counted() {
        let ask = body("claude-sonnet-5-5", 4_000);
        for (what, cause) in [
            ("cut_at_event = 6", Cause::StreamCut),
            ("reset = \"mid_body\"\nstream = true", Cause::StreamReset),
            ("end_early_at_event = 7", Cause::StreamEndedEarly),
            ("stall_at_event = 6", Cause::StreamStalled),
            (
                "error_event = { at = 6, kind = \"overloaded_error\", message = \"Overloaded\" }",
                Cause::ServerOverloaded,
            ),
            ("error_event = { at = 6, kind = \"api_error\", message = \"x\" }", Cause::ServerError),
        ] {
            let bench = Bench::new(&fault(what, 1), |s| s.timeouts.idle = Dur::millis(60)).await;
            let got = bench.ask(&ask).await;
            assert_eq!((got.text.as_str(), got.broken), (expected_text(&ask).as_str(), false), "{what}");
            assert_eq!(got.names, ORDER, "{what}");
            assert_eq!(got.raw.matches(": clearline-continued 1\n").count(), 1, "{what}");
            let record = bench.record();
            let told: Vec<_> = record.attempts.iter().map(|a| (a.cause, a.resumed)).collect();
            assert_eq!(told, [(Some(cause), false), (None, true)], "{what}");
            assert_eq!(record.wasted(), 0, "{what}: what broke was delivered");
            // What both cost, as far as the API said it.
            let (first, second) = (record.attempts[0].usage, record.attempts[1].usage);
            assert_eq!(got.usage["input_tokens"], first.input + second.input, "{what}");
            assert_eq!(got.usage["output_tokens"], first.output + second.output, "{what}");
            assert_eq!(
                (record.usage().input, record.usage().output),
                (first.input + second.input, first.output + second.output)
            );
        }
    }

    #[tokio::test]
    async fn a_continuation_that_fails_is_tried_again_within_the_budget() {
        let ask = body("claude-sonnet-5-5", 4_000);
        let faults = format!("{}{}", fault("cut_at_event = 5", 3), fault("status = 529", 2));
        let bench = Bench::new(&faults, |_| ()).await;
        let got = bench.ask(&ask).await;
        assert_eq!((got.text.as_str(), got.broken), (expected_text(&ask).as_str(), false), "{}", got.raw);
        assert_eq!(bench.requests(), 6);
        // Three streams broke; what was refused did not begin one.
        let marks: Vec<_> = got.raw.lines().filter(|l| l.starts_with(": clearline-continued")).collect();
        assert_eq!(marks.len(), 3, "{marks:?}");
        let poor = |s: &mut Settings| {
            (s.budget_start_milli, s.budget_per_second_milli) = (2_000, 0);
            s.patience = Dur::millis(50);
        };
        for (what, cause) in
            [("cut_at_event = 5", Cause::StreamCut), ("status = 529", Cause::ServerOverloaded)]
        {
            let faults = format!("{}{}", fault("cut_at_event = 5", 1), fault(what, 1_000));
            let bench = Bench::new(&faults, poor).await;
            let got = bench.ask(&ask).await;
            assert!(got.broken && !got.raw.contains("message_stop"), "{what}: {}", got.raw);
            assert_eq!(got.raw.matches("event: error\n").count(), 1, "{}", got.raw);
            assert!(got.raw.contains(cause.id()), "{what}: {}", got.raw);
            assert!(expected_text(&ask).starts_with(&got.text) && !got.text.is_empty(), "{}", got.text);
            let record = bench.record();
            assert_eq!(
                (record.outcome, record.cause, record.status),
                (Some(Outcome::Broken), Some(cause), 200)
            );
            assert!(bench.requests() <= 30, "{what}: {}", bench.requests());
        }
    }

    #[tokio::test]
    async fn the_upstreams_own_error_is_what_ends_it_where_nothing_continues() {
        let event = "error_event = { at = 6, kind = \"invalid_request_error\", message = \"no more\" }";
        let bench = Bench::new(&fault(event, 9), |_| ()).await;
        let got = bench.ask(&body("claude-sonnet-5-5", 4_000)).await;
        assert!(got.broken && got.raw.contains("no more") && !got.raw.contains("clearline"), "{}", got.raw);
        assert_eq!((got.raw.matches("event: error\n").count(), bench.requests()), (1, 1));
    }

    #[tokio::test]
    async fn the_first_text_is_as_early_as_ever() {
        let bench = Bench::new(&fault("stall_at_event = 4", 1), |_| ()).await;
        let ask = body("claude-sonnet-5-5", 4_000);
        let mut headers = HeaderMap::new();
        headers.insert("anthropic-version", "2023-06-01".parse().unwrap());
        headers.insert("x-api-key", "sk-ant-fake-own".parse().unwrap());
        let request = Request {
            method: Method::POST,
            path: PathAndQuery::from_static("/v1/messages"),
            headers,
            body: Bytes::from(ask.to_string()).into(),
            caller: CallerId(0),
        };
        let mut reply = bench.client.call(request).await.unwrap();
        let mut all = Vec::new();
        // The stream is silent behind its first text, so that what comes is what is not held back.
        while !all.windows(10).any(|w| w == b"text_delta") {
            let frame = reply.body.frame().await.unwrap().unwrap();
            all.extend_from_slice(&frame.into_data().unwrap());
        }
    }

    #[tokio::test]
    async fn what_cannot_be_continued_ends_as_it_always_did() {
        let tools = |body: &mut Value| body["tools"] = json!([{"name": "n", "input_schema": {}}]);
        let thinks = |body: &mut Value| body["thinking"] = json!({"type": "adaptive"});
        type Change<'a> = &'a dyn Fn(&mut Value);
        for (change, resume) in [(&tools as Change<'_>, true), (&thinks, true), (&|_| (), false)] {
            let bench = Bench::new(&fault("cut_at_event = 6", 1), |s| s.resume = resume).await;
            let mut ask = body("claude-sonnet-5-5", 4_000);
            change(&mut ask);
            let got = bench.ask(&ask).await;
            assert!(got.broken && got.raw.contains("stream.cut"), "{}", got.raw);
            assert_eq!(bench.requests(), 1);
        }
    }

    #[tokio::test]
    async fn the_kept_text_is_bounded() {
        let bench = Bench::new(&fault("cut_at_event = 7", 1), |_| ()).await;
        let client = Client::builder(&bench.sim.base_url())
            .policy(Settings { resume: true, ..Settings::default() })
            .continued_text_max(10)
            .fence(Fence::parse(Some("loopback")).unwrap())
            .build()
            .unwrap();
        let small = Bench { client, ..bench };
        let got = small.ask(&body("claude-sonnet-5-5", 4_000)).await;
        assert!(got.broken, "{}", got.raw);
        assert_eq!(small.requests(), 1);
    }
}
