//! What no other gateway does, item by item of the list, each with its proof. (The 28 faults and the sizes are in
//! `matrix`, two layers and deadlines in `layers`, what passes unchanged in `fidelity`.)

use std::time::{Duration, Instant};

use clearline_model::{Dur, KeyState};
use clearline_sim::SimEventKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::{BODY, QUICK, Seen, ask, keyed, parts, post, raw, requests, serve, serve_as, sim};
use crate::script::{Say, Then, Upstream};

const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":1}}}\n\n";
const BLOCK: &str =
    "event: content_block_start\ndata: {\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
const TEXT: &str = "event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi!\"}}\n\n";
const END: &str = "event: content_block_stop\ndata: {\"index\":0}\n\n";
const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

fn streamed() -> Vec<u8> {
    keyed(&BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\""))
}

/// A stream of text that breaks goes on as one answer, and everybody who looks can see that.
#[tokio::test]
async fn a_continued_stream_is_whole_marked_and_counted() {
    const ASK: &str = r#"{"model":"claude-sonnet-5-5","max_tokens":900,"stream":true,"messages":[{"role":"user","content":"Hello"}]}"#;
    let api = sim(&format!("{QUICK}[[fault]]\nname = \"cut\"\nfirst = 1\ncut_at_event = 6\n")).await;
    let served = serve_as(&api.base_url(), &[], |_| (), |s| s.resume = true).await;
    let seen = ask(served.addr, &post(ASK, "x-api-key: sk-ant-fake-own\r\n")).await;
    let text = seen.text();
    assert!(
        seen.status == 200 && text.contains("event: message_stop") && !text.contains("event: error"),
        "{text}"
    );
    assert!(
        text.contains(": clearline-continued 1\n") && text.contains(r#""clearline":{"continued":1}"#),
        "{text}"
    );
    assert_eq!(text.matches("event: message_start\n").count(), 1, "{text}");
    let counted = metrics(served.admin).await;
    assert!(counted.contains("clearline_continued_total{cause=\"\"} 1\n"), "{counted}");
    let (_, lines) = served.finish().await;
    let line = lines.iter().find(|l| l["event"] == "call ended").unwrap();
    assert_eq!(line["attempts"][1]["resumed"], true, "{line}");
    assert_eq!((&line["outcome"], &line["wasted"]), (&"succeeded".into(), &0.into()), "{line}");
}

/// The same where the body of the request waits in a file, of any size that the API takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_continued_whose_request_waits_in_a_file() {
    for (size, model) in
        [(200 << 10, "claude-sonnet-5-5"), (200 << 10, "claude-haiku-4-5"), (31 << 20, "claude-sonnet-5-5")]
    {
        let body = serde_json::json!({
            "model": model, "max_tokens": 900, "stream": true,
            "messages": [{"role": "user", "content": "Hello"}], "metadata": {"user_id": "word ".repeat(size / 5)},
        });
        let cuts = "[[fault]]\nname = \"cut\"\nfirst = 1\ncut_at_event = 6\n";
        let api = sim(&format!("{QUICK}{cuts}")).await;
        let served = serve_as(&api.base_url(), &[], |o| o.spill_over = 64 << 10, |s| s.resume = true).await;
        let seen = ask(served.addr, &post(&body.to_string(), "x-api-key: sk-ant-fake-own\r\n")).await;
        assert!(seen.status == 200 && seen.whole, "{size}: {}", seen.text());
        assert_eq!(seen.said(), clearline_sim::expected_text(&body), "{size}, {model}");
        assert!(seen.text().contains(": clearline-continued 1\n"), "{size}: {}", seen.text());
        assert_eq!(requests(&api).len(), 2, "{size}");
    }
}

async fn metrics(addr: std::net::SocketAddr) -> String {
    raw(addr, b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await
}

/// 2: a stream is whole or it is an error: an event, a metric, a line.
#[tokio::test]
async fn a_stream_that_is_not_whole_ends_in_a_typed_error() {
    let torn = "event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"type\":\"text_del\n\n";
    for (what, events, cause) in [
        ("no message_stop", [START, BLOCK, TEXT, END].concat(), "stream.ended-early"),
        ("an open block", [START, BLOCK, TEXT, STOP].concat(), "stream.corrupt"),
        ("no JSON", [START, BLOCK, TEXT, torn, END, STOP].concat(), "stream.corrupt"),
        ("an end without a beginning", [START, BLOCK, TEXT, START, END, STOP].concat(), "stream.corrupt"),
    ] {
        let shown = [START, BLOCK, TEXT].concat();
        let (first, rest) = events.split_at(shown.len());
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nrequest-id: req_of_api\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        let chunks = format!("{head}{:x}\r\n{first}\r\n{:x}\r\n{rest}\r\n0\r\n\r\n", first.len(), rest.len());
        let upstream = Upstream::new(vec![Say::new(chunks, Then::Keep)]).await;
        let served = serve(&upstream.url(), &[], |_| ()).await;
        let seen = ask(served.addr, &streamed()).await;
        assert_eq!(seen.events().last().map(String::as_str), Some("error"), "{what}: {}", seen.text());
        assert!(!seen.events().contains(&"message_stop".to_owned()), "{what}");
        assert!(!seen.whole, "{what}: the transfer is broken off");
        let text = seen.text();
        let event = text.rsplit("data: ").next().unwrap();
        let event: serde_json::Value = serde_json::from_str(event.trim()).unwrap();
        assert_eq!(event["error"]["type"], "api_error");
        assert_eq!(event["clearline"]["cause"], cause, "{what}");
        assert_eq!(event["clearline"]["request_id"], "req_of_api", "{what}: {event}");
        // 15: it says exactly what was delivered.
        assert_eq!(event["clearline"]["delivered"]["text_chars"], 3, "{what}: {event}");
        let shown = metrics(served.admin).await;
        assert!(shown.contains(&format!("outcome=\"broken\",cause=\"{cause}\"}} 1")), "{what}: {shown}");
        let (_, log) = served.finish().await;
        assert_eq!((&log[0]["outcome"], &log[0]["cause"]), (&"broken".into(), &cause.into()), "{what}");
    }
}

/// 7: one passing fault costs the only key nothing: whoever comes next is served at once.
#[tokio::test]
async fn a_single_fault_does_not_shut_the_only_key_out() {
    for fault in [
        "status = 500",
        "status = 529",
        "status = 503",
        "status = 429",
        "reset = \"after_request\"",
        "close = \"after_request\"",
    ] {
        let api = sim(&format!("{QUICK}[[fault]]\nname = \"it\"\nfirst = 1\n{fault}\n")).await;
        let served = serve(&api.base_url(), &["sk-ant-fake-pool"], |_| ()).await;
        let begun = Instant::now();
        for n in 0..3 {
            assert_eq!(parts(&raw(served.addr, &post(BODY, "")).await).0, 200, "{fault}, call {n}");
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "{fault}: {:?}", begun.elapsed());
        assert_eq!(requests(&api).len(), 4, "{fault}");
        assert!(served.client.view().keys.iter().all(|(_, state)| *state == KeyState::Ready), "{fault}");
    }
}

/// 8: who said it is always visible: a header and a part of the body mark what is clearline's, and nothing marks the rest.
#[tokio::test]
async fn an_error_shows_whether_the_gateway_or_the_upstream_made_it() {
    let theirs = "{\"type\":\"error\", \"error\": {\"type\":\"overloaded_error\",\"message\":\"Over\\u006coaded\"},\"request_id\":\"req_x\"}\n";
    let say = format!(
        "HTTP/1.1 529 Odd Reason\r\ncontent-type: application/json\r\nrequest-id: req_x\r\nx-should-retry: true\r\ncontent-length: {}\r\n\r\n{theirs}",
        theirs.len()
    );
    let upstream = Upstream::new(vec![Say::new(say, Then::Keep)]).await;
    let served = serve(&upstream.url(), &[], |_| ()).await;
    let once = post(BODY, "x-api-key: sk-ant-fake-own\r\nx-stainless-retry-count: 1\r\n");
    let seen = ask(served.addr, &once).await;
    assert_eq!((seen.status, seen.text().as_str()), (529, theirs), "byte for byte");
    assert_eq!((seen.header("request-id"), seen.header("x-should-retry")), (Some("req_x"), Some("true")));
    assert_eq!(seen.header("clearline-cause"), None);
    drop(upstream);
    let seen = ask(served.addr, &once).await;
    assert_eq!((seen.status, seen.header("clearline-cause")), (502, Some("tcp.refused")), "{}", seen.text());
    let own = &seen.json()["clearline"];
    assert_eq!(
        (&own["cause"], &own["stage"], &own["blame"]),
        (&"tcp.refused".into(), &"connect".into(), &"provider".into())
    );
    assert!(own["attempts"].as_u64().is_some_and(|n| n >= 1), "{own}");
    assert_eq!(seen.header("request-id"), None, "no id is invented");
}

/// 9: every call that fails leaves what explains it: the cause, each attempt with its stages, ids and times.
#[tokio::test]
async fn a_failed_call_leaves_the_ledger_of_its_attempts() {
    let two = "first = 1\nreset = \"after_request\"\n[[fault]]\nname = \"then\"\nstatus = 500";
    let api = sim(&format!("{QUICK}[[fault]]\nname = \"it\"\n{two}\n")).await;
    let served = serve(&api.base_url(), &["sk-ant-fake-pool"], |_| ()).await;
    assert_eq!(parts(&raw(served.addr, &post(BODY, "x-request-id: why-1\r\n")).await).0, 500);
    let (_, log) = served.finish().await;
    let line = log.iter().find(|l| l["x_request_id"] == "why-1").unwrap();
    assert_eq!((&line["outcome"], &line["cause"]), (&"failed".into(), &"server.error".into()));
    let attempts = line["attempts"].as_array().unwrap();
    assert_eq!(attempts[0]["cause"], "http.reset-before-response");
    assert_eq!(
        (&attempts[0]["status"], &attempts[0]["request_id"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
    assert!(attempts[0]["stages_ms"].as_array().unwrap().iter().any(|s| s[0] == "connect"), "{line}");
    for attempt in &attempts[1..] {
        assert_eq!((&attempt["cause"], &attempt["status"]), (&"server.error".into(), &500.into()));
        assert!(attempt["request_id"].as_str().unwrap().starts_with("req_"), "{attempt}");
    }
}

/// 12: a caller that leaves ends the upstream within 100 ms, and nobody else pays for it.
#[tokio::test]
async fn an_abort_is_quick_and_nobodys_fault() {
    for (stream, fault) in
        [(false, "hang = true"), (true, "hang = true"), (true, "stall_at_event = 4"), (false, "stall = true")]
    {
        let api = sim(&format!("{QUICK}[[fault]]\nname = \"it\"\n{fault}\n")).await;
        let served = serve(&api.base_url(), &["sk-ant-fake-pool"], |_| ()).await;
        for _ in 0..20 {
            let mut caller = TcpStream::connect(served.addr).await.unwrap();
            let body = if stream {
                BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"")
            } else {
                BODY.to_owned()
            };
            let before = requests(&api).len();
            caller.write_all(&post(&body, "")).await.unwrap();
            api.wait_for(|e| matches!(e.kind, SimEventKind::Request { .. }) && requests(&api).len() > before)
                .await;
            let gone = |api: &clearline_sim::Sim| {
                api.events().iter().filter(|e| matches!(e.kind, SimEventKind::ClientGone { .. })).count()
            };
            let (left, so_far) = (Instant::now(), gone(&api));
            drop(caller);
            api.wait_for(|e| matches!(e.kind, SimEventKind::ClientGone { .. }) && gone(&api) > so_far).await;
            assert!(left.elapsed() < Duration::from_millis(100), "{fault}: {:?}", left.elapsed());
        }
        let view = served.client.view();
        assert!(view.keys.iter().all(|(_, state)| *state == KeyState::Ready), "{view:?}");
        assert!(view.avoided.is_empty() && view.calls == 0 && view.in_flight == 0, "{view:?}");
        let shown = metrics(served.admin).await;
        assert!(shown.contains("clearline_calls_total{outcome=\"left\",cause=\"\"} 20"), "{shown}");
    }
}

/// 13: a second attempt beside a silent one, within the budget of retries, and the loser is let go.
#[tokio::test]
async fn a_hedge_beats_a_silent_attempt_and_is_paid_from_the_budget() {
    let api = sim(&format!("{QUICK}[[fault]]\nname = \"hang\"\nnth = [1, 3]\nhang = true\n")).await;
    for (budget, hedges) in [(1_000, 1), (0, 0)] {
        let served = serve_as(
            &api.base_url(),
            &[],
            |_| (),
            |s| {
                s.hedge = clearline_policy::Hedge::After(Dur::millis(50));
                s.budget_start_milli = budget;
                s.budget_per_second_milli = 0;
            },
        )
        .await;
        let before = requests(&api).len();
        if hedges == 1 {
            assert_eq!(ask(served.addr, &keyed(BODY)).await.status, 200);
            api.wait_for(|e| matches!(e.kind, SimEventKind::ClientGone { .. })).await;
            assert_eq!(requests(&api).len() - before, 2);
        } else {
            // Without a retry in the budget the call waits for its only attempt.
            let mut caller = TcpStream::connect(served.addr).await.unwrap();
            caller.write_all(&keyed(BODY)).await.unwrap();
            let mut byte = [0];
            assert!(tokio::time::timeout(Duration::from_millis(200), caller.read(&mut byte)).await.is_err());
            assert_eq!(requests(&api).len() - before, 1);
        }
    }
}

/// 14: what is held back stays invisible, and the caller is kept alive meanwhile where that is wanted.
#[tokio::test]
async fn a_waiting_stream_is_kept_alive_by_comments() {
    let wanted = |o: &mut clearline_gateway::Options| o.keep_alive = Some(Dur::millis(40));
    // Before the answer: two attempts fail meanwhile, and the caller sees comments and one whole stream.
    let slow = "first = 2\nstatus = 529\ndelay = \"100ms\"\n";
    let api = sim(&format!("{QUICK}[[fault]]\nname = \"it\"\n{slow}")).await;
    let served = serve_as(&api.base_url(), &[], wanted, |s| s.patience = Dur::secs(5)).await;
    let seen = ask(served.addr, &streamed()).await;
    assert_eq!((seen.status, seen.whole), (200, true), "{}", seen.text());
    assert!(seen.text().starts_with(": waiting\n\n"), "{}", seen.text());
    assert_eq!(seen.events().iter().filter(|e| *e == "message_start").count(), 1);
    assert_eq!(seen.events().last().map(String::as_str), Some("message_stop"));
    // Between two events.
    let api =
        sim(&format!("{QUICK}[[fault]]\nname = \"it\"\nstall_at_event = 5\nstall_for = \"200ms\"\n")).await;
    let served = serve(&api.base_url(), &[], wanted).await;
    let seen = ask(served.addr, &streamed()).await;
    assert!(seen.text().matches(": waiting\n\n").count() >= 2, "{}", seen.text());
    assert_eq!((seen.whole, seen.events().last().map(String::as_str)), (true, Some("message_stop")));
    // In the end the upstream's own words, in an event, and no clean end.
    let api = sim(&format!("{QUICK}[[fault]]\nname = \"it\"\nstatus = 529\ndelay = \"100ms\"\n")).await;
    let served = serve(&api.base_url(), &[], wanted).await;
    let seen: Seen = ask(served.addr, &streamed()).await;
    assert_eq!((seen.status, seen.whole), (200, false));
    assert!(
        seen.text().contains("event: error\n") && seen.text().contains("overloaded_error"),
        "{}",
        seen.text()
    );
    // Off by default: the status is the upstream's.
    let served = serve(&api.base_url(), &[], |_| ()).await;
    assert_eq!(ask(served.addr, &streamed()).await.status, 529);
}
