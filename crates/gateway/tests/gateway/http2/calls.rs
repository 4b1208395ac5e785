//! Whole calls over HTTP/2, as a client makes them.

use std::net::SocketAddr;

use bytes::Bytes;
use clearline_model::Dur;
use clearline_sim::SimEventKind;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::frames::{
    ACK, DATA, END_HEADERS, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WHOLE, WINDOW_UPDATE, Wire, block,
    frame, post,
};
use crate::common::{BODY, QUICK, requests, serve, sim};
use crate::fidelity::EVENTS;
use crate::script::{Say, Then, Upstream};

pub(super) type Sender = SendRequest<Full<Bytes>>;

pub(super) async fn connect(addr: SocketAddr) -> Sender {
    let stream = TcpStream::connect(addr).await.unwrap();
    let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = shaken.unwrap();
    tokio::spawn(connection);
    sender
}

pub(super) fn request(
    method: Method,
    path: &str,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Request<Full<Bytes>> {
    let mut made = Request::builder().method(method).uri(format!("http://localhost{path}"));
    for (name, value) in headers {
        made = made.header(*name, *value);
    }
    made.header("x-api-key", "sk-ant-fake-own").body(Full::from(body.to_owned())).unwrap()
}

fn message(stream: bool) -> Request<Full<Bytes>> {
    let body = BODY.replace("\"max_tokens\"", &format!("\"stream\":{stream},\"max_tokens\""));
    let headers = [("content-type", "application/json"), ("anthropic-version", "2023-06-01")];
    request(Method::POST, "/v1/messages?beta=true", &headers, &body)
}

pub(super) struct Seen {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Result<Bytes, hyper::Error>,
}

pub(super) async fn ask(sender: &mut Sender, request: Request<Full<Bytes>>) -> Seen {
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.map(|all| all.to_bytes());
    Seen { status: head.status, headers: head.headers, body }
}

#[tokio::test]
async fn many_calls_share_a_connection_and_the_upstream_sees_http_1() {
    let mut api = Upstream::new(vec![Say::message("x-extra: yes\r\n")]).await;
    let served = serve(&api.url(), &[], |_| ()).await;
    let mut sender = connect(served.addr).await;
    let crumbs = [("cookie", "a=1"), ("cookie", "b=2"), ("anthropic-beta", "x,y")];
    let seen = ask(&mut sender, request(Method::POST, "/v1/messages?a=%20b", &crumbs, BODY)).await;
    assert_eq!((seen.status.as_u16(), seen.headers["x-extra"].to_str().unwrap()), (200, "yes"));
    assert!(seen.headers.contains_key("x-request-id"));
    let got = api.asked().await;
    let head = got.head.to_lowercase();
    assert!(head.starts_with("post /v1/messages?a=%20b http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {}\r\n", api.addr)), "{head}");
    assert!(head.contains("cookie: a=1; b=2\r\n") && head.contains("anthropic-beta: x,y\r\n"), "{head}");
    assert_eq!(head.matches("\r\nhost:").count(), 1, "{head}");
    assert_eq!(got.body, BODY.as_bytes());
    let calls = (0..50).map(|_| {
        let mut sender = sender.clone();
        tokio::spawn(async move { ask(&mut sender, message(false)).await.status.as_u16() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), 200);
    }
}

#[tokio::test]
async fn events_pass_byte_for_byte() {
    let events = EVENTS.replace('\n', "\r\n");
    let api = Upstream::new(vec![Say::stream(events.as_bytes())]).await;
    let served = serve(&api.url(), &[], |_| ()).await;
    let seen = ask(&mut connect(served.addr).await, message(true)).await;
    assert_eq!(seen.status.as_u16(), 200, "{:?} {:?}", seen.headers, seen.body);
    assert_eq!(seen.body.unwrap(), events.as_bytes());
}

/// The beginning of an answer, and not its end.
fn cut_stream() -> String {
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":1}}}\n\n\
                 event: content_block_start\ndata: {\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
                 event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    format!("{head}{:x}\r\n{start}\r\n", start.len())
}

#[tokio::test]
async fn a_broken_stream_is_reset_and_never_ends_well() {
    let cut = Say::new(cut_stream(), Then::Close);
    let api = Upstream::new(vec![cut]).await;
    let served = serve(&api.url(), &[], |_| ()).await;
    let mut wire = Wire::ready(served.addr).await;
    let body = BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"");
    let asked = [
        frame(HEADERS, END_HEADERS, 1, &post(&[("x-api-key", "sk-ant-fake-own")])),
        frame(DATA, 1, 1, body.as_bytes()),
    ];
    wire.send(&asked.concat()).await;
    let (mut text, mut code) = (Vec::new(), None);
    while let Some(frame) = wire.next().await {
        if frame.kind == DATA {
            assert_eq!(frame.flags & 1, 0, "a clean end");
            text.extend_from_slice(&frame.content);
        } else if frame.kind == RST_STREAM {
            code = Some(frame.code());
            break;
        }
    }
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("event: error") && text.contains("stream.cut"), "{text}");
    assert_eq!(code, Some(2), "INTERNAL_ERROR");
}

#[tokio::test]
async fn a_stream_that_is_open_at_the_end_of_the_time_gets_a_word_and_is_reset() {
    let part = cut_stream();
    let api = Upstream::new(vec![Say::new(part, Then::Hang)]).await;
    let served = serve(&api.url(), &[], |o| o.drain = Dur::millis(50)).await;
    let mut wire = Wire::ready(served.addr).await;
    let body = BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"");
    let head = post(&[("x-api-key", "sk-ant-fake-own")]);
    let asked = [frame(HEADERS, END_HEADERS, 1, &head), frame(DATA, 1, 1, body.as_bytes())];
    wire.send(&asked.concat()).await;
    while wire.next().await.unwrap().kind != DATA {}
    let seen = async {
        let (mut text, mut code, mut goes_away) = (Vec::new(), None, false);
        while let Some(frame) = wire.next().await {
            match frame.kind {
                DATA => text.extend_from_slice(&frame.content),
                GOAWAY => goes_away = true,
                RST_STREAM => code = Some(frame.code()),
                _ => {}
            }
        }
        (String::from_utf8(text).unwrap(), code, goes_away)
    };
    let ((text, code, goes_away), (summary, _)) = tokio::join!(seen, served.finish());
    assert!(goes_away, "told before that no new call is taken");
    assert!(text.contains("event: error") && text.contains("gateway was stopped"), "{text}");
    assert_eq!(code, Some(2), "INTERNAL_ERROR");
    assert_eq!((summary.failed, summary.left), (1, 0));
}

fn settings(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

/// A request for a stream, and a window of nothing for its answer.
fn held_back() -> Vec<u8> {
    let body = BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"");
    let head = post(&[("x-api-key", "sk-ant-fake-own"), ("anthropic-version", "2023-06-01")]);
    [settings(4, 0), frame(HEADERS, END_HEADERS, 1, &head), frame(DATA, 1, 1, body.as_bytes())].concat()
}

#[tokio::test]
async fn what_a_slow_caller_has_not_taken_is_not_lost_when_the_stream_breaks() {
    let cut = Say::new(cut_stream(), Then::Close);
    let api = Upstream::new(vec![cut]).await;
    let served = serve(&api.url(), &[], |_| ()).await;
    let mut wire = Wire::ready(served.addr).await;
    wire.send(&held_back()).await;
    let (mut text, mut reset) = (Vec::new(), false);
    while let Some(got) = wire.next().await {
        match got.kind {
            DATA => text.extend_from_slice(&got.content),
            RST_STREAM => reset = true,
            _ => {}
        }
        if reset {
            break;
        }
        // A few bytes at a time, long after the upstream has gone.
        if got.kind == HEADERS || got.kind == DATA {
            wire.send(&frame(WINDOW_UPDATE, 0, 1, &40_u32.to_be_bytes())).await;
        }
    }
    let text = String::from_utf8(text).unwrap();
    assert!(reset && text.contains("event: error") && text.ends_with("\n\n"), "{text}");
}

#[tokio::test]
async fn a_caller_that_opens_no_window_is_given_up() {
    let mut api = Upstream::new(vec![Say::new(cut_stream(), Then::Hang)]).await;
    let served = serve(&api.url(), &[], |o| o.write_timeout = Dur::millis(50)).await;
    let mut wire = Wire::ready(served.addr).await;
    wire.send(&held_back()).await;
    api.left().await;
    let mut code = None;
    while code.is_none() {
        code = wire.next().await.filter(|f| f.kind == RST_STREAM).map(|f| f.code());
    }
    assert_eq!(code, Some(8), "CANCEL");
}

#[tokio::test]
async fn a_caller_that_resets_its_stream_or_leaves_cancels_the_upstream() {
    let api = sim("[[fault]]\nname = \"x\"\nhang = true\n").await;
    let served = serve(&api.base_url(), &[], |_| ()).await;
    let asked = [
        frame(HEADERS, END_HEADERS, 1, &post(&[("x-api-key", "sk-ant-fake-own")])),
        frame(DATA, 1, 1, BODY.as_bytes()),
    ]
    .concat();
    let mut wire = Wire::ready(served.addr).await;
    wire.send(&asked).await;
    api.wait_for(|e| matches!(e.kind, SimEventKind::Request { .. })).await;
    wire.send(&frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])).await;
    api.wait_for(|e| matches!(e.kind, SimEventKind::ClientGone { .. })).await;
    let mut other = Wire::ready(served.addr).await;
    other.send(&asked).await;
    let before = api.events().len();
    while requests(&api).len() < 2 {
        tokio::task::yield_now().await;
    }
    drop(other);
    let gone = |events: &[clearline_sim::SimEvent]| {
        events.iter().filter(|e| matches!(e.kind, SimEventKind::ClientGone { .. })).count()
    };
    while gone(&api.events()) < 2 {
        tokio::task::yield_now().await;
    }
    assert!(api.events().len() > before);
    // Its answers to pings are not waited for.
    drop(wire);
    let (summary, _) = served.finish().await;
    assert_eq!((summary.calls, summary.left), (2, 2));
}

#[tokio::test]
async fn the_guard_sees_one_host() {
    let api = sim(QUICK).await;
    let served = serve(&api.base_url(), &[], |_| ()).await;
    let mut sender = connect(served.addr).await;
    let two = request(Method::GET, "/v1/models", &[("host", "evil.example")], "");
    let seen = ask(&mut sender, two).await;
    assert_eq!(seen.status.as_u16(), 400);
    assert_eq!(seen.headers["clearline-cause"], "request.invalid");
    assert!(!seen.headers.contains_key("connection"));
    let foreign = Request::builder().uri("http://evil.example/v1/models").body(Full::from("")).unwrap();
    assert_eq!(ask(&mut sender, foreign).await.status.as_u16(), 421);
    let page = request(Method::POST, "/v1/messages", &[("origin", "https://evil.example")], BODY);
    assert_eq!(ask(&mut sender, page).await.status.as_u16(), 403);
    assert!(requests(&api).is_empty());
    let mut wire = Wire::ready(served.addr).await;
    let nowhere = block(&[(":method", "GET"), (":scheme", "http"), (":path", "/v1/models")]);
    wire.send(&frame(HEADERS, WHOLE, 1, &nowhere)).await;
    let mut answer = None;
    while answer.is_none() {
        answer = wire.next().await.filter(|f| f.kind == HEADERS || f.kind == GOAWAY);
    }
    let first = answer.unwrap().content[0];
    assert_eq!(first, 0x8c, "400 of the static table");
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_and_a_large_body_is_refused() {
    let api = Upstream::new(vec![Say::message("")]).await;
    let served = serve(&api.url(), &[], |o| o.body_max = 1_000).await;
    let mut sender = connect(served.addr).await;
    let seen = ask(&mut sender, request(Method::HEAD, "/v1/models", &[], "")).await;
    assert!(seen.body.unwrap().is_empty());
    let large = request(Method::POST, "/v1/messages", &[], &"x".repeat(2_000));
    assert_eq!(ask(&mut sender, large).await.status.as_u16(), 413);
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_the_end_waits_for_running_calls() {
    let api = sim("[answer]\nfirst_byte = \"300ms\"\nchunk = \"1ms\"\n").await;
    let mut served = serve(&api.base_url(), &[], |o| o.header_timeout = Dur::millis(50)).await;
    let mut wire = Wire::ready(served.addr).await;
    let mut farewell = false;
    while let Some(frame) = wire.next().await {
        farewell |= frame.kind == GOAWAY && frame.code() == 0;
        if frame.kind == PING && frame.flags == 0 {
            wire.send(&super::frames::frame(PING, ACK, 0, &frame.content)).await;
        }
    }
    assert!(farewell, "closed, and told so");
    let mut sender = connect(served.addr).await;
    let call = tokio::spawn(async move { ask(&mut sender, message(false)).await });
    api.wait_for(|e| matches!(e.kind, SimEventKind::Request { .. })).await;
    let (unused, _) = tokio::sync::oneshot::channel();
    drop(std::mem::replace(&mut served.stop, unused));
    let summary = (&mut served.task).await.unwrap();
    assert_eq!((summary.calls, summary.succeeded), (1, 1));
    let seen = call.await.unwrap();
    assert!(seen.status.is_success() && seen.body.is_ok());
}
