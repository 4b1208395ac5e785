//! What a caller may take, and what one that is slow or greedy costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clearline_gateway::{Quota, Quotas};
use clearline_model::Dur;
use clearline_sim::SimEventKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::common::{BODY, QUICK, ask, keyed, post, raw, requests, serve, sim};

fn every(requests: u32, concurrent: u32) -> Quotas {
    Quotas { every: Quota { requests, concurrent }, ..Quotas::default() }
}

#[tokio::test]
async fn a_caller_over_its_minute_is_told_when_to_come_back() {
    let api = sim(QUICK).await;
    let served = serve(&api.base_url(), &[], |o| o.quotas = every(2, 0)).await;
    for _ in 0..2 {
        assert_eq!(ask(served.addr, &keyed(BODY)).await.status, 200);
    }
    let seen = ask(served.addr, &keyed(BODY)).await;
    assert_eq!(seen.status, 429);
    assert_eq!(seen.json()["error"]["type"], "rate_limit_error");
    assert_eq!(seen.header("clearline-cause"), Some("gateway.rate-limited"));
    let after: u64 = seen.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&after), "{after}");
    let other = post(BODY, "x-api-key: sk-ant-fake-other\r\n");
    assert_eq!(ask(served.addr, &other).await.status, 200, "another key is another caller");
    assert_eq!(requests(&api).len(), 3);
    let metrics =
        raw(served.admin, b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    let line = metrics.lines().find(|l| l.starts_with("clearline_quota_refused_total{")).unwrap();
    assert!(
        line.starts_with("clearline_quota_refused_total{caller=\"key-") && line.ends_with("\"} 1"),
        "{line}"
    );
    let (_, log) = served.finish().await;
    let refused = log.iter().find(|l| l["event"] == "request refused").unwrap();
    assert_eq!((&refused["status"], &refused["cause"]), (&429.into(), &"gateway.rate-limited".into()));
    assert!(refused["caller"].as_str().unwrap().starts_with("key-"), "{refused}");
    assert!(!metrics.contains("fake-own") && !refused.to_string().contains("fake-own"));
}

#[tokio::test]
async fn a_call_at_once_is_free_again_when_its_caller_has_all_of_it() {
    let scenario = format!("{QUICK}[[fault]]\nname = \"it\"\nfirst = 1\nhang = true\n");
    let api = sim(&scenario).await;
    let served = serve(&api.base_url(), &[], |o| o.quotas = every(0, 1)).await;
    let mut hanging = TcpStream::connect(served.addr).await.unwrap();
    hanging.write_all(&keyed(BODY)).await.unwrap();
    api.wait_for(|e| matches!(e.kind, SimEventKind::Request { .. })).await;
    let seen = ask(served.addr, &keyed(BODY)).await;
    assert_eq!((seen.status, seen.header("retry-after")), (429, Some("1")));
    drop(hanging);
    api.wait_for(|e| matches!(e.kind, SimEventKind::ClientGone { .. })).await;
    assert_eq!(ask(served.addr, &keyed(BODY)).await.status, 200);
}

#[tokio::test]
async fn callers_with_tokens_have_quotas_by_name() {
    let api = sim(QUICK).await;
    let token = |alias: &str| clearline_gateway::CallerToken {
        alias: alias.to_owned(),
        secret: clearline_model::Secret::new(format!("token-{alias}").into_bytes()),
    };
    let served = serve(&api.base_url(), &["sk-ant-fake-1"], |o| {
        o.tokens = vec![token("small"), token("big")];
        o.quotas = every(1, 0);
        o.quotas.of.insert("big".to_owned(), Quota { requests: 3, concurrent: 0 });
    })
    .await;
    let mut passed = [0, 0];
    for _ in 0..5 {
        for (caller, n) in ["small", "big"].into_iter().zip(&mut passed) {
            let seen = ask(served.addr, &post(BODY, &format!("x-api-key: token-{caller}\r\n"))).await;
            *n += usize::from(seen.status == 200);
        }
    }
    assert_eq!(passed, [1, 3]);
}

#[tokio::test]
async fn a_body_that_dribbles_is_ended_by_its_whole_time() {
    let api = sim(QUICK).await;
    let served = serve(&api.base_url(), &[], |o| o.body_time = Dur::millis(100)).await;
    let mut stream = TcpStream::connect(served.addr).await.unwrap();
    let head = keyed(&" ".repeat(1_000_000));
    let end = head.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    stream.write_all(&head[..end]).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    // Never silent for long, and never done.
    let (mut answer, mut part, mut open) = (Vec::new(), [0; 4096], true);
    loop {
        tokio::select! {
            biased;
            read = read.read(&mut part) => match read {
                Ok(n @ 1..) => answer.extend_from_slice(&part[..n]),
                Ok(0) | Err(_) => break,
            },
            wrote = write.write_all(b" "), if open => open = wrote.is_ok(),
        }
        tokio::task::yield_now().await;
    }
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 408") && text.contains("clearline-cause: http.truncated"), "{text}");
    assert!(requests(&api).is_empty());
}

/// Writes a stream without end as fast as it is taken, and counts.
async fn pour(listener: TcpListener, written: Arc<AtomicUsize>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut part = [0; 4096];
    let _request = stream.read(&mut part).await.unwrap();
    let delta = format!(
        "event: content_block_delta\ndata: {{\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{}\"}}}}\n\n",
        "x".repeat(16_000)
    );
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":1}}}\n\n\
                 event: content_block_start\ndata: {\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    stream.write_all(format!("{head}{}", chunk(start)).as_bytes()).await.unwrap();
    let delta = chunk(&delta);
    while stream.write_all(delta.as_bytes()).await.is_ok() {
        written.fetch_add(delta.len(), Ordering::Relaxed);
    }
}

/// Returns when the other side makes no progress any more: all of it runs on this thread, so that a thousand turns are enough
/// for whatever can go on.
async fn settled(written: &AtomicUsize) -> usize {
    let (mut last, mut still) = (written.load(Ordering::Relaxed), 0);
    while still < 1_000 {
        tokio::task::yield_now().await;
        let now = written.load(Ordering::Relaxed);
        (last, still) = if now == last { (last, still + 1) } else { (now, 0) };
    }
    last
}

/// What the system holds of both connections: sent and not received, received and not read.
fn system_holds(ports: [u16; 2]) -> usize {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let hex = |text: &str| usize::from_str_radix(text, 16).unwrap();
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let port = |addr: &str| hex(addr.split(':').next_back().unwrap());
    let ours =
        |row: &Vec<&str>| ports.iter().any(|p| [1, 2].map(|i| port(row[i])).contains(&usize::from(*p)));
    rows.filter(ours).map(|row| row[4].split(':').map(hex).sum::<usize>()).sum()
}

#[tokio::test]
async fn a_slow_reader_holds_the_upstream_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    let url = format!("http://{upstream}");
    let written = Arc::new(AtomicUsize::new(0));
    let pouring = tokio::spawn(pour(listener, Arc::clone(&written)));
    let served = serve(&url, &[], |o| o.header_max = 64 << 10).await;
    let mut caller = TcpStream::connect(served.addr).await.unwrap();
    caller
        .write_all(&keyed(&BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"")))
        .await
        .unwrap();
    let mut read = 0;
    let mut part = vec![0; 1 << 20];
    let ports = [upstream.port(), served.addr.port()];
    // The most that is read ahead of the upstream, the most that waits for the caller, and the parts on their way between.
    let most = clearline_net::MAX_HEAD_BYTES + 4 * (64 << 10);
    // With every pause the upstream comes to rest: what it could write and nobody took is held somewhere.
    for round in 0..5 {
        for _ in 0..16 {
            let n = caller.read(&mut part).await.unwrap();
            assert!(n > 0);
            read += n;
        }
        let sent = settled(&written).await;
        let system = system_holds(ports);
        let held = sent.saturating_sub(read + system);
        println!(
            "round {round}: {sent} bytes written, {read} taken, {system} in the system, {held} of {most} held"
        );
        assert!(system > 0, "something waits");
        assert!(held <= most, "round {round}: {held} of {most}");
    }
    drop(caller);
    pouring.await.unwrap();
}

#[tokio::test]
async fn a_caller_that_takes_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let pouring = tokio::spawn(pour(listener, Arc::default()));
    let served = serve(&url, &[], |o| o.write_timeout = Dur::millis(50)).await;
    let mut caller = TcpStream::connect(served.addr).await.unwrap();
    caller
        .write_all(&keyed(&BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"")))
        .await
        .unwrap();
    // The upstream is let go although the caller is still there.
    pouring.await.unwrap();
    drop(caller);
    let (summary, _) = served.finish().await;
    assert_eq!(summary.left, 1);
}

/// Where attempts wait for a place, callers without tokens take turns by their keys: one with many calls does not hold up the
/// other.
#[tokio::test]
async fn callers_without_tokens_take_turns() {
    let api = sim("[answer]\nfirst_byte = \"20ms\"\nchunk = \"1ms\"\n").await;
    let served = crate::common::serve_as(
        &api.base_url(),
        &[],
        |_| (),
        |s| {
            s.in_flight_max = Some(1);
            s.patience = Dur::secs(30);
        },
    )
    .await;
    let many = post(BODY, "x-api-key: sk-ant-fake-many-calls\r\n");
    let mut queued = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (addr, many) = (served.addr, many.clone());
        queued.spawn(async move { ask(addr, &many).await.status });
    }
    // The second of them waits for the first one's end, and so do all the others by then.
    api.wait_for(|e| matches!(e.kind, SimEventKind::Request { .. })).await;
    assert_eq!(ask(served.addr, &post(BODY, "x-api-key: sk-ant-fake-one-call\r\n")).await.status, 200);
    let before = requests(&api).len();
    assert!(before < 15, "it came after {before} of the other's");
    while let Some(status) = queued.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    assert_eq!(requests(&api).len(), 21);
}
