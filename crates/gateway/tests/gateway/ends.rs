//! The end of a gateway: what each caller sees that is still there when its time is over.

use clearline_model::Dur;
use clearline_sim::{Sim, SimEventKind};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::{BODY, QUICK, Seen, Served, keyed, raw, requests, serve, serve_as, sim};
use crate::fidelity::EVENTS;
use crate::reload::{Identity, begun, streamed};
use crate::script::{Say, Then, Upstream};

/// A simulator whose streams stall behind their first text.
async fn stalling() -> Sim {
    sim(&format!("{QUICK}[[fault]]\nname = \"it\"\nstall_at_event = 4\n")).await
}

/// The rest of an answer, and whether its connection was there to the end.
async fn rest(mut stream: TcpStream, mut bytes: Vec<u8>) -> Seen {
    stream.read_to_end(&mut bytes).await.ok();
    Seen::of(&bytes)
}

/// What the last event of a stream says.
fn last_event(seen: &Seen) -> Value {
    let text = seen.text();
    let data = text.lines().filter_map(|l| l.strip_prefix("data: ")).next_back();
    serde_json::from_str(data.unwrap_or_default()).unwrap_or_default()
}

/// The line of the only call.
fn ended(log: &[Value]) -> &Value {
    log.iter().find(|l| l["event"] == "call ended").unwrap()
}

async fn asked(api: &Sim) {
    api.wait_for(|e| matches!(e.kind, SimEventKind::Request { .. })).await;
}

fn stop_soon(o: &mut clearline_gateway::Options) {
    o.drain = Dur::millis(50);
}

#[tokio::test]
async fn a_stream_that_is_cut_at_the_bound_says_so() {
    let api = stalling().await;
    let served = serve(&api.base_url(), &[], stop_soon).await;
    let mut running = TcpStream::connect(served.addr).await.unwrap();
    running.write_all(&streamed()).await.unwrap();
    let bytes = begun(&mut running).await;
    let finish = served.finish();
    let (seen, (summary, log)) = tokio::join!(rest(running, bytes), finish);
    let event = last_event(&seen);
    assert_eq!(seen.events().last().map(String::as_str), Some("error"), "{}", seen.text());
    assert_eq!(event["type"], "error");
    assert_eq!(event["clearline"]["cause"], "stream.cut", "{event}");
    assert!(event["error"]["message"].as_str().unwrap().contains("gateway was stopped"), "{event}");
    let shown = u64::try_from(seen.said().chars().count()).unwrap();
    assert_eq!(event["clearline"]["delivered"]["text_chars"], shown, "{event}");
    assert!(!seen.whole, "and the transfer is broken off");
    assert_eq!((summary.calls, summary.failed, summary.left), (1, 1, 0), "nobody left");
    let line = ended(&log);
    assert_eq!((&line["outcome"], &line["cause"]), (&"broken".into(), &"stream.cut".into()), "{line}");
    api.wait_for(|e| matches!(e.kind, SimEventKind::ClientGone { .. })).await;
}

/// The answer to a call of which nothing was shown.
async fn unseen(served: Served, api: &Sim, request: &[u8]) -> (Seen, Vec<Value>) {
    let mut waiting = TcpStream::connect(served.addr).await.unwrap();
    waiting.write_all(request).await.unwrap();
    asked(api).await;
    let (seen, (_, log)) = tokio::join!(rest(waiting, Vec::new()), served.finish());
    (seen, log)
}

#[tokio::test]
async fn a_call_without_an_answer_is_told_that_the_gateway_was_stopped() {
    for request in [keyed(BODY), streamed()] {
        let api = sim("[[fault]]\nname = \"it\"\nhang = true\n").await;
        let served = serve(&api.base_url(), &[], stop_soon).await;
        let (seen, log) = unseen(served, &api, &request).await;
        assert_eq!(seen.status, 502, "{}", seen.head);
        assert!(seen.whole);
        assert_eq!(seen.header("clearline-cause"), Some("gateway.bad-gateway"));
        assert!(seen.json()["error"]["message"].as_str().unwrap().contains("gateway was stopped"));
        assert_eq!(ended(&log)["outcome"], "refused");
        api.wait_for(|e| matches!(e.kind, SimEventKind::ClientGone { .. })).await;
    }
}

#[tokio::test]
async fn a_call_that_waits_gets_the_answer_that_it_waits_because_of() {
    let api = sim(&format!("{QUICK}[[fault]]\nname = \"it\"\nstatus = 529\n")).await;
    let served = serve_as(&api.base_url(), &[], stop_soon, |s| {
        s.patience = Dur::secs(60);
        s.backoff_overload = Dur::secs(60);
        s.backoff_max = Dur::secs(60);
    })
    .await;
    let (seen, log) = unseen(served, &api, &keyed(BODY)).await;
    assert_eq!(seen.status, 529, "{}", seen.text());
    assert_eq!(seen.json()["error"]["type"], "overloaded_error");
    assert_eq!(ended(&log)["cause"], "server.overloaded");
}

#[tokio::test]
async fn a_stream_that_is_kept_alive_without_an_answer_is_told_as_well() {
    let api = sim("[[fault]]\nname = \"it\"\nhang = true\n").await;
    let served = serve(&api.base_url(), &[], |o| {
        stop_soon(o);
        o.keep_alive = Some(Dur::millis(1));
    })
    .await;
    let (seen, _) = unseen(served, &api, &streamed()).await;
    assert_eq!(seen.status, 200);
    let event = last_event(&seen);
    assert_eq!(event["clearline"]["cause"], "gateway.bad-gateway", "{}", seen.text());
    assert!(event["error"]["message"].as_str().unwrap().contains("gateway was stopped"), "{event}");
    assert!(!seen.whole);
}

/// What has begun and is no stream cannot be told anything: it must not look whole.
#[tokio::test]
async fn a_whole_answer_that_has_begun_is_broken_off() {
    let part = "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let api = Upstream::new(vec![Say::new(part, Then::Hang)]).await;
    let served = serve(&api.url(), &[], stop_soon).await;
    let mut running = TcpStream::connect(served.addr).await.unwrap();
    let get =
        "GET /v1/files/file_1/content HTTP/1.1\r\nhost: localhost\r\nx-api-key: sk-ant-fake-own\r\n\r\n";
    running.write_all(get.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"hello\r\n") {
        assert!(running.read_buf(&mut bytes).await.unwrap() > 0);
    }
    let (seen, (_, log)) = tokio::join!(rest(running, bytes), served.finish());
    assert_eq!((seen.text().as_str(), seen.whole), ("hello", false));
    let line = ended(&log);
    assert_eq!((&line["outcome"], &line["cause"]), (&"broken".into(), &"http.truncated".into()), "{line}");
}

/// Connections that callers open in advance are as idle as those that they keep.
#[tokio::test]
async fn who_has_said_nothing_yet_holds_no_end_up() {
    let api = sim(QUICK).await;
    let identity = Identity::new("silent");
    for tls in [None, Some(identity.acceptor.clone())] {
        // So long that the test would not end in its time.
        let served = serve(&api.base_url(), &[], |o| {
            (o.drain, o.header_timeout, o.handshake_timeout) =
                (Dur::secs(600), Dur::secs(600), Dur::secs(600));
            o.tls = tls;
        })
        .await;
        let silent = TcpStream::connect(served.addr).await.unwrap();
        while !metrics(&served).await.contains("clearline_connections 1\n") {}
        let (seen, (summary, _)) = tokio::join!(rest(silent, Vec::new()), served.finish());
        assert_eq!((seen.status, summary.calls), (0, 0));
    }
}

async fn metrics(served: &Served) -> String {
    raw(served.admin, b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await
}

#[tokio::test]
async fn a_request_that_is_not_there_at_the_end_of_the_time_is_refused_in_words() {
    let api = sim(QUICK).await;
    let served = serve(&api.base_url(), &[], stop_soon).await;
    let mut uploads = TcpStream::connect(served.addr).await.unwrap();
    let request = keyed(BODY);
    uploads.write_all(&request[..request.len() - 10]).await.unwrap();
    while !metrics(&served).await.contains("clearline_calls_in_flight 1\n") {}
    let (seen, (summary, log)) = tokio::join!(rest(uploads, Vec::new()), served.finish());
    assert_eq!(
        (seen.status, seen.header("clearline-cause")),
        (503, Some("gateway.bad-gateway")),
        "{}",
        seen.head
    );
    assert!(seen.json()["error"]["message"].as_str().unwrap().contains("gateway was stopped"));
    assert_eq!(summary.calls, 0);
    assert!(log.iter().any(|l| l["event"] == "request refused" && l["status"] == 503), "{log:?}");
    assert!(!api.events().iter().any(|e| matches!(e.kind, SimEventKind::Request { .. })), "nothing was sent");
}

/// What would be continued otherwise is not begun again by a gateway that ends.
#[tokio::test]
async fn the_end_continues_nothing() {
    let api = stalling().await;
    let served = serve_as(&api.base_url(), &[], stop_soon, |s| s.resume = true).await;
    let mut running = TcpStream::connect(served.addr).await.unwrap();
    running.write_all(&streamed()).await.unwrap();
    let bytes = begun(&mut running).await;
    let (seen, (summary, _)) = tokio::join!(rest(running, bytes), served.finish());
    let event = last_event(&seen);
    assert!(event["error"]["message"].as_str().unwrap().contains("gateway was stopped"), "{event}");
    assert!(!seen.whole && !seen.events().contains(&"message_stop".to_owned()), "{}", seen.text());
    assert_eq!((summary.attempts, requests(&api).len()), (1, 1));
}

/// A stream that is over but for the end of its connection is a success also then.
#[tokio::test]
async fn what_has_all_it_needs_at_the_end_is_whole() {
    let whole = Say::stream(EVENTS.as_bytes()).bytes;
    let open = whole.split_at(whole.len() - b"0\r\n\r\n".len()).0.to_vec();
    let mut api = Upstream::new(vec![Say::new(open, Then::Hang)]).await;
    let served = serve(&api.url(), &[], |o| o.drain = Dur::millis(1)).await;
    let mut running = TcpStream::connect(served.addr).await.unwrap();
    running.write_all(&streamed()).await.unwrap();
    api.asked().await;
    let mut bytes = Vec::new();
    while !bytes.windows(12).any(|w| w == b"message_stop") {
        assert!(running.read_buf(&mut bytes).await.unwrap() > 0);
    }
    let (seen, (summary, _)) = tokio::join!(rest(running, bytes), served.finish());
    assert!(seen.whole && !seen.events().contains(&"error".to_owned()), "{}", seen.text());
    assert_eq!((summary.succeeded, summary.failed), (1, 0));
}

/// Whoever stops a gateway knows it: that is no incident of the API, and its end would never be told.
#[tokio::test]
async fn the_end_raises_no_alert() {
    let api = stalling().await;
    let served = serve(&api.base_url(), &[], stop_soon).await;
    let mut all = Vec::new();
    for _ in 0..60 {
        let mut running = TcpStream::connect(served.addr).await.unwrap();
        running.write_all(&streamed()).await.unwrap();
        begun(&mut running).await;
        all.push(running);
    }
    let (_, (summary, log)) = tokio::join!(
        futures_util::future::join_all(all.into_iter().map(|s| rest(s, Vec::new()))),
        served.finish()
    );
    assert_eq!(summary.failed, 60);
    assert!(!log.iter().any(|l| l["event"] == "alert"), "{:?}", log.last());
}
