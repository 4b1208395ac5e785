//! What the gateway does with requests, callers and answers, in front of the simulator.

use std::net::SocketAddr;

use clearline::Client;
use clearline_gateway::{CallerToken, Gateway, LogTarget, Options, Readers};
use clearline_model::{Dur, Secret};
use clearline_net::Fence;
use clearline_sim::SimEventKind;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::common::{BODY, QUICK, keyed, parts, post, raw, serve, sim};

#[tokio::test]
async fn what_is_not_a_request_for_the_api_gets_an_answer_in_its_shape() {
    let api = sim(QUICK).await;
    let served = serve(&api.base_url(), &[], |o| o.body_max = 1 << 16).await;
    let many = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    let get = |head: &str| format!("GET /v1/models HTTP/1.1\r\nhost: localhost\r\n{head}\r\n").into_bytes();
    let table: Vec<(&str, Vec<u8>, u16)> = vec![
        (
            "two lengths",
            b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
            400,
        ),
        ("a foreign absolute target", b"GET http://api.anthropic.com/v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(), 400),
        ("CONNECT", b"CONNECT api.anthropic.com:443 HTTP/1.1\r\nhost: api.anthropic.com:443\r\n\r\n".to_vec(), 405),
        (
            "a bad chunk",
            b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n".to_vec(),
            400,
        ),
        ("a header too long", get(&format!("x-long: {}\r\n", "a".repeat(80 << 10))), 431),
        ("too many headers", get(&many), 431),
        ("no HTTP at all", b"hello\r\n\r\n".to_vec(), 400),
        ("a foreign host", b"GET /v1/models HTTP/1.1\r\nhost: evil.example\r\n\r\n".to_vec(), 421),
        ("no host", b"GET /v1/models HTTP/1.1\r\n\r\n".to_vec(), 400),
        ("a web page", get("origin: https://evil.example\r\n"), 403),
        ("a body too large", keyed(&"a".repeat(70_000)), 413),
    ];
    let mut statuses: Vec<u64> = table.iter().map(|(_, _, status)| u64::from(*status)).collect();
    for (what, bytes, expected) in table {
        let answer = raw(served.addr, &bytes).await;
        let (status, head, body) = parts(&answer);
        assert_eq!(status, expected, "{what}: {answer}");
        assert!(head.contains("\r\nclearline-cause: "), "{what}: {head}");
        assert_eq!(body["type"], "error", "{what}: {answer}");
        assert!(body["error"]["type"].is_string() && body["error"]["message"].is_string(), "{what}");
    }
    let asked = |e: &clearline_sim::SimEvent| matches!(e.kind, SimEventKind::Request { .. });
    assert!(!api.events().iter().any(asked), "nothing of it reached the upstream");
    // It works as before for the next caller.
    assert_eq!(parts(&raw(served.addr, &keyed(BODY)).await).0, 200);
    let (_, log) = served.finish().await;
    let refused = log.iter().filter(|l| l["event"] == "request refused");
    assert!(refused.clone().all(|l| l["cause"].is_string() && l["ts"].is_u64()), "{log:?}");
    let mut told: Vec<u64> = refused.map(|l| l["status"].as_u64().unwrap()).collect();
    told.sort_unstable();
    statuses.sort_unstable();
    assert_eq!(told, statuses, "each has a line, those too whose head was not read");
}

#[tokio::test]
async fn every_path_passes_and_the_upstreams_answers_are_its_own() {
    let api = sim(QUICK).await;
    let served = serve(&api.base_url(), &[], |_| ()).await;
    for (bytes, status, holds) in [
        (keyed("this is no JSON"), 400, "invalid_request_error"),
        (keyed(BODY), 200, "\"type\":\"message\""),
        (post(BODY, ""), 401, "authentication_error"),
        (b"HEAD /api/hello HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".to_vec(), 200, "request-id"),
        (b"GET /nowhere?x=1 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-api-key: sk-ant-fake-own\r\n\r\n".to_vec(), 404, "not_found_error"),
    ] {
        let answer = raw(served.addr, &bytes).await;
        let (got, head, _) = parts(&answer);
        assert_eq!(got, status, "{answer}");
        assert!(answer.contains(holds), "{answer}");
        assert!(!head.contains("clearline-cause"), "{head}");
    }
}

#[tokio::test]
async fn headers_keep_their_order_and_values_both_ways() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).await.unwrap();
            head.push(byte[0]);
        }
        let answer = "HTTP/1.1 404 Not Found\r\nx-b: 1\r\nrequest-id: req_1\r\nconnection: x-hop, close\r\nx-a: 2\r\nx-hop: 3\r\n\
            x-b: 4\r\nretry-after: 7\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    });
    let served = serve(&format!("http://{upstream}"), &[], |_| ()).await;
    let request = "GET /v1/any?q=1 HTTP/1.1\r\nX-First: 1\r\nhost: localhost\r\nx-api-key: sk-ant-fake-own\r\n\
        Connection: close, x-gone\r\nAnthropic-Beta: a, b\r\nx-gone: 2\r\nx-zeta: 3\r\nproxy-authorization: 4\r\n\
        x-alpha: 5\r\nanthropic-beta: c\r\n\r\n";
    let answer = raw(served.addr, request.as_bytes()).await;
    let names = |head: &str| {
        let lines = head.lines().skip(1).take_while(|l| !l.is_empty());
        lines.map(|l| l.to_ascii_lowercase()).collect::<Vec<_>>()
    };
    let sent = names(&asked.await.unwrap());
    let host = format!("host: {upstream}");
    assert_eq!(
        sent,
        [
            host.as_str(),
            "x-first: 1",
            "x-api-key: sk-ant-fake-own",
            "anthropic-beta: a, b",
            "anthropic-beta: c",
            "x-zeta: 3",
            "x-alpha: 5"
        ]
    );
    let got = names(&answer);
    let upstreams: Vec<_> = got
        .iter()
        .filter(|l| !l.starts_with("x-request-id") && !l.starts_with("traceparent") && !l.starts_with("date"))
        .collect();
    assert_eq!(
        upstreams,
        [
            "x-b: 1",
            "x-b: 4",
            "request-id: req_1",
            "x-a: 2",
            "retry-after: 7",
            "content-type: application/json",
            "connection: close",
            "content-length: 2"
        ]
    );
}

#[tokio::test]
async fn ids_are_taken_or_made_and_the_log_holds_the_whole_record() {
    let api = sim(&format!("{QUICK}[[fault]]\nname = \"x\"\nfirst = 1\nstatus = 500\n")).await;
    let served = serve(&api.base_url(), &["sk-ant-fake-pool"], |_| ()).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let ids = format!("x-request-id: mine-7\r\ntraceparent: {trace}\r\n");
    let (status, head, body) = parts(&raw(served.addr, &post(BODY, &ids)).await);
    assert_eq!(status, 200);
    assert!(
        head.contains("\r\nx-request-id: mine-7\r\n")
            && head.contains(&format!("\r\ntraceparent: {trace}\r\n"))
    );
    assert!(head.contains("\r\nrequest-id: req_"), "{head}");
    let (_, made, _) = parts(&raw(served.addr, &post(BODY, "")).await);
    assert!(made.contains("\r\nx-request-id: ") && made.contains("\r\ntraceparent: 00-"), "{made}");
    let (summary, log) = served.finish().await;
    assert_eq!((summary.calls, summary.succeeded, summary.after_retries, summary.attempts), (2, 2, 1, 3));
    let line = log.iter().find(|l| l["x_request_id"] == "mine-7").unwrap();
    assert_eq!(line["event"], "call ended");
    assert_eq!((&line["traceparent"], &line["path"]), (&Value::from(trace), &Value::from("/v1/messages")));
    assert_eq!(
        (&line["outcome"], &line["status"], &line["model"]),
        (&"succeeded".into(), &200.into(), &"claude-sonnet-5-5".into())
    );
    assert_eq!(line["usage"]["output"], body["usage"]["output_tokens"]);
    let attempts = line["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2);
    assert_eq!((&attempts[0]["cause"], &attempts[0]["key"]), (&"server.error".into(), &"batch-1".into()));
    assert_eq!(attempts[1]["cause"], Value::Null);
    assert!(attempts.iter().all(|a| a["request_id"].as_str().unwrap().starts_with("req_")));
    assert!(line["waits"].as_array().unwrap().iter().any(|w| w["cause"] == "server.error"));
    assert!(!serde_json::to_string(&log).unwrap().contains("sk-ant"), "no key in the log");
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_a_cause() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let served = serve(&url, &[], |_| ()).await;
    let (status, head, body) = parts(&raw(served.addr, &keyed(BODY)).await);
    assert_eq!(status, 502);
    assert!(head.contains("\r\nclearline-cause: tcp.refused"), "{head}");
    assert!(body["error"]["message"].as_str().unwrap().contains("tcp.refused"), "{body}");
    let (summary, _) = served.finish().await;
    assert_eq!((summary.calls, summary.failed), (1, 1));
}

#[tokio::test]
async fn an_error_page_becomes_the_apis_shape_and_stays_in_the_log() {
    let page = "[[fault]]\nname = \"x\"\nstatus = 403\nbody = \"<html><title>Blocked by policy</title></html>\"\n\
                headers = { content-type = \"text/html\" }\n";
    let api = sim(&format!("{QUICK}{page}")).await;
    let served = serve(&api.base_url(), &[], |_| ()).await;
    let (status, head, body) = parts(&raw(served.addr, &keyed(BODY)).await);
    assert_eq!((status, &body["type"]), (403, &"error".into()));
    assert!(head.contains("\r\nclearline-cause: "), "{head}");
    let (_, log) = served.finish().await;
    assert!(log[0]["original"].as_str().unwrap().contains("Blocked by policy"), "{log:?}");
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_the_upstream() {
    let api = sim("[[fault]]\nname = \"x\"\nhang = true\n").await;
    let served = serve(&api.base_url(), &[], |_| ()).await;
    let mut stream = TcpStream::connect(served.addr).await.unwrap();
    stream.write_all(&keyed(BODY)).await.unwrap();
    api.wait_for(|e| matches!(e.kind, SimEventKind::Request { .. })).await;
    drop(stream);
    api.wait_for(|e| matches!(e.kind, SimEventKind::ClientGone { .. })).await;
    let (summary, _) = served.finish().await;
    assert_eq!((summary.calls, summary.left), (1, 1));
}

#[tokio::test]
async fn callers_that_dribble_are_let_go() {
    let api = sim(QUICK).await;
    let served = serve(&api.base_url(), &[], |o| {
        o.header_timeout = Dur::millis(30);
        o.body_timeout = Dur::millis(30);
    })
    .await;
    assert_eq!(raw(served.addr, b"POST /v1/messages HTTP/1.1\r\nhost: loc").await, "");
    let bytes = keyed(BODY);
    let (status, head, _) = parts(&raw(served.addr, &bytes[..bytes.len() - 5]).await);
    assert_eq!(status, 408);
    assert!(head.contains("clearline-cause: "), "{head}");
}

#[tokio::test]
async fn tokens_keep_strangers_out_and_name_callers_in_the_log() {
    let api = sim(QUICK).await;
    let served = serve(&api.base_url(), &["sk-ant-fake-pool"], |o| {
        o.tokens = vec![CallerToken { alias: "search".to_owned(), secret: Secret::new(b"token-1".to_vec()) }];
    })
    .await;
    assert_eq!(parts(&raw(served.addr, &keyed(BODY)).await).0, 401);
    assert_eq!(parts(&raw(served.addr, &post(BODY, "x-api-key: token-1\r\n")).await).0, 200);
    let (_, log) = served.finish().await;
    let ended = log.iter().find(|l| l["event"] == "call ended").unwrap();
    assert_eq!(ended["caller"], "search");
    assert!(log.iter().any(|l| l["event"] == "request refused" && l["cause"] == "auth.invalid"), "{log:?}");
}

#[tokio::test]
async fn the_end_waits_for_running_calls() {
    let api = sim("[answer]\nfirst_byte = \"300ms\"\nchunk = \"1ms\"\n").await;
    let mut served = serve(&api.base_url(), &[], |_| ()).await;
    let addr = served.addr;
    let call = tokio::spawn(async move { raw(addr, &keyed(BODY)).await });
    api.wait_for(|e| matches!(e.kind, SimEventKind::Request { .. })).await;
    let (unused, _) = oneshot::channel();
    drop(std::mem::replace(&mut served.stop, unused));
    let summary = (&mut served.task).await.unwrap();
    assert_eq!((summary.calls, summary.succeeded), (1, 1));
    assert_eq!(parts(&call.await.unwrap()).0, 200);
    assert!(TcpStream::connect(addr).await.is_err(), "nothing is accepted any more");
}

#[tokio::test]
async fn metrics_and_health_have_bounded_labels() {
    let api = sim(&format!("{QUICK}[[fault]]\nname = \"x\"\nfirst = 1\nstatus = 529\n")).await;
    let served = serve(&api.base_url(), &["sk-ant-fake-pool"], |_| ()).await;
    assert_eq!(parts(&raw(served.addr, &post(BODY, "")).await).0, 200);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    for (path, holds) in [("/healthz", "ok"), ("/readyz", "ready"), ("/", "clearline.gateway-status/1")] {
        let answer = raw(served.admin, get(path).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(holds), "{path}: {answer}");
    }
    let metrics = raw(served.admin, get("/metrics").as_bytes()).await;
    for line in ["clearline_calls_total{outcome=\"succeeded\",", "cause=\"server.overloaded\"", "batch-1"] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert!(!metrics.contains("sk-ant"));
    let rebound =
        raw(served.admin, b"GET /metrics HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n").await;
    assert!(rebound.starts_with("HTTP/1.1 421"), "{rebound}");
}

#[tokio::test]
async fn an_address_in_use_or_exposed_is_refused_in_words() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = || {
        Client::builder("http://127.0.0.1:1").fence(Fence::parse(Some("loopback")).unwrap()).build().unwrap()
    };
    let readers = || Readers::new(LogTarget::None, Vec::new());
    let listen = taken.local_addr().unwrap();
    let error =
        Gateway::bind(Options { listen, ..Options::default() }, client(), readers()).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("{listen} is in use")), "{error}");
    let open = SocketAddr::from(([0, 0, 0, 0], 0));
    let options = Options { listen: open, ..Options::default() };
    let error = Gateway::bind(options, client(), readers()).await.unwrap_err();
    assert!(error.to_string().contains("no caller token is set"), "{error}");
}

/// An upstream whose stream never ends; says how much of it was taken once nobody takes any more.
async fn endless() -> (SocketAddr, JoinHandle<usize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        let _got = stream.read(&mut head).await.unwrap();
        let start = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n\
            event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\"}}\n\n";
        stream.write_all(start.as_bytes()).await.unwrap();
        let text = "x".repeat(16 << 10);
        let event = format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\
             \"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
        );
        let mut taken = 0;
        // That nothing more is taken can only be seen by its absence.
        let limit = std::time::Duration::from_millis(500);
        while taken < 64 << 20 {
            match tokio::time::timeout(limit, stream.write_all(event.as_bytes())).await {
                Ok(Ok(())) => taken += event.len(),
                Ok(Err(_)) | Err(_) => break,
            }
        }
        taken
    });
    (addr, task)
}

#[tokio::test]
async fn a_caller_that_never_reads_costs_bounded_memory() {
    let (upstream, task) = endless().await;
    let served = serve(&format!("http://{upstream}"), &[], |_| ()).await;
    let mut stream = TcpStream::connect(served.addr).await.unwrap();
    let body = BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"");
    stream.write_all(&keyed(&body)).await.unwrap();
    let taken = task.await.unwrap();
    // What the sockets of the system hold on both sides, and no more.
    assert!(taken < 32 << 20, "{taken} bytes were taken for a caller that reads none");
    drop(stream);
}
