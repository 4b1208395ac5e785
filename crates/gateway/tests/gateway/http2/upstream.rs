//! An upstream that speaks HTTP/2, frame by frame: what it refuses, breaks, leaves and lets wait.

use std::net::SocketAddr;

use clearline_model::Dur;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::frames::{
    DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE, Wire, block,
    frame, post as post_block,
};
use crate::common::{BODY, Seen, Served, ask, keyed, serve_http2};
use crate::fidelity::EVENTS;
use crate::script::{MESSAGE, Say, Upstream};

const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// A call that may be made once.
fn once() -> Vec<u8> {
    let head = "POST /v1/messages/batches HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-api-key: sk-ant-fake-own\r\n";
    format!("{head}content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}").into_bytes()
}

fn streamed() -> Vec<u8> {
    keyed(&BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\""))
}

fn call(served: &Served, bytes: Vec<u8>) -> JoinHandle<Seen> {
    let addr = served.addr;
    tokio::spawn(async move { ask(addr, &bytes).await })
}

fn head(stream: u32, kind: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &block(&[(":status", "200"), ("content-type", kind)]))
}

fn message(stream: u32) -> Vec<u8> {
    let body = frame(DATA, END_STREAM, stream, MESSAGE.as_bytes());
    [head(stream, "application/json"), body].concat()
}

/// The beginning of a stream of events, of which the caller sees a part, and its rest.
fn events(stream: u32) -> (Vec<u8>, Vec<u8>) {
    let (start, rest) = EVENTS.split_at(EVENTS.find("event: content_block_stop").unwrap());
    let begun = [head(stream, "text/event-stream"), frame(DATA, 0, stream, start.as_bytes())].concat();
    (begun, frame(DATA, END_STREAM, stream, rest.as_bytes()))
}

fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

fn go_away(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), 0_u32.to_be_bytes()].concat())
}

/// A caller that speaks HTTP/2, and has a stream of events open.
async fn reader(addr: SocketAddr) -> Wire {
    let mut caller = Wire::ready(addr).await;
    let body = BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"");
    let head = frame(HEADERS, END_HEADERS, 1, &post_block(&[("x-api-key", "sk-ant-fake-own")]));
    caller.send(&[head, frame(DATA, END_STREAM, 1, body.as_bytes())].concat()).await;
    caller
}

/// A gateway with a connection on which a stream was answered, so that it is known how many streams it takes.
async fn connected(settings: &[u8]) -> (TcpListener, Served, Wire) {
    let (listener, url) = listen().await;
    let served = serve_http2(&url, |_| ()).await;
    let first = call(&served, keyed(BODY));
    let mut api = Wire::accept(&listener, settings).await;
    let stream = api.request().await;
    api.send(&message(stream)).await;
    assert_eq!(first.await.unwrap().status, 200);
    (listener, served, api)
}

#[tokio::test]
async fn what_was_refused_or_not_looked_at_is_repeated_whatever_it_was() {
    for says in [|stream| reset(stream, REFUSED_STREAM), |stream| go_away(stream - 1)] {
        let (listener, served, mut api) = connected(&[]).await;
        let seen = call(&served, once());
        let stream = api.request().await;
        api.send(&says(stream)).await;
        let mut other = Wire::accept(&listener, &[]).await;
        let stream = other.request().await;
        other.send(&message(stream)).await;
        let seen = seen.await.unwrap();
        assert_eq!((seen.status, seen.text().as_str()), (200, MESSAGE));
        let (_, log) = served.finish().await;
        assert_eq!(log[1]["attempts"].as_array().unwrap().len(), 2, "{}", log[1]);
    }
    // What may have been looked at is not.
    let (_listener, served, mut api) = connected(&[]).await;
    let seen = call(&served, once());
    let stream = api.request().await;
    api.send(&reset(stream, INTERNAL_ERROR)).await;
    let seen = seen.await.unwrap();
    assert_eq!((seen.status, seen.header("clearline-cause")), (502, Some("http.reset-before-response")));
    let (_, log) = served.finish().await;
    assert_eq!(log[1]["attempts"].as_array().unwrap().len(), 1, "{}", log[1]);
}

#[tokio::test]
async fn a_server_that_goes_away_finishes_what_it_looks_at_and_the_rest_goes_elsewhere() {
    let (listener, served, mut api) = connected(&[]).await;
    let kept = call(&served, streamed());
    let one = api.request().await;
    let (begun, rest) = events(one);
    api.send(&begun).await;
    let moved = call(&served, once());
    let two = api.request().await;
    assert!(one < two, "on one connection");
    api.send(&go_away(one)).await;
    let mut other = Wire::accept(&listener, &[]).await;
    let stream = other.request().await;
    other.send(&message(stream)).await;
    assert_eq!(moved.await.unwrap().status, 200);
    api.send(&rest).await;
    let kept = kept.await.unwrap();
    assert_eq!((kept.status, kept.text().as_str(), kept.whole), (200, EVENTS, true));
    // Nothing new, and its end.
    while let Some(said) = api.next().await {
        assert_ne!(said.kind, HEADERS);
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_ends_in_an_honest_error_and_the_others_go_on() {
    for (code, cause) in [(INTERNAL_ERROR, "stream.reset"), (CANCEL, "stream.reset"), (0, "stream.reset")] {
        let (_listener, served, mut api) = connected(&[]).await;
        let (breaks, lasts) = (call(&served, streamed()), api.request().await);
        let other = call(&served, streamed());
        let last = api.request().await;
        api.send(&events(lasts).0).await;
        api.send(&events(last).0).await;
        api.send(&reset(lasts, code)).await;
        let seen = breaks.await.unwrap();
        assert_eq!(seen.events().last().map(String::as_str), Some("error"), "{}", seen.text());
        assert!(seen.text().contains(cause) && !seen.whole, "{}", seen.text());
        api.send(&events(last).1).await;
        assert_eq!(other.await.unwrap().text(), EVENTS);
    }
}

#[tokio::test]
async fn a_message_that_is_cut_is_never_a_success() {
    let (listener, served, mut api) = connected(&[]).await;
    let seen = call(&served, keyed(BODY));
    let stream = api.request().await;
    let half = &MESSAGE.as_bytes()[..20];
    // What hyper takes for the end of a body is none.
    api.send(&[head(stream, "application/json"), frame(DATA, 0, stream, half), reset(stream, 0)].concat())
        .await;
    let mut other = Wire::accept(&listener, &[]).await;
    let stream = other.request().await;
    other.send(&message(stream)).await;
    let seen = seen.await.unwrap();
    assert_eq!((seen.status, seen.text().as_str()), (200, MESSAGE));
    let (_, log) = served.finish().await;
    assert_eq!(log[1]["attempts"][0]["cause"], "http.truncated", "{}", log[1]);
}

#[tokio::test]
async fn a_caller_that_leaves_ends_its_own_stream_alone() {
    let (_listener, served, mut api) = connected(&[]).await;
    let stays = call(&served, streamed());
    let kept = api.request().await;
    api.send(&events(kept).0).await;
    for begun in [false, true] {
        let mut leaves = reader(served.addr).await;
        let stream = api.request().await;
        if begun {
            api.send(&events(stream).0).await;
            leaves.until(DATA).await;
        }
        drop(leaves);
        let told = api.until(RST_STREAM).await;
        assert_eq!((told.stream, told.code()), (stream, CANCEL));
    }
    api.send(&events(kept).1).await;
    assert_eq!(stays.await.unwrap().text(), EVENTS);
    // The connection still serves.
    let next = call(&served, keyed(BODY));
    let stream = api.request().await;
    api.send(&message(stream)).await;
    assert_eq!(next.await.unwrap().status, 200);
}

#[tokio::test]
async fn a_full_connection_gets_a_second_one_beside_it() {
    // SETTINGS_MAX_CONCURRENT_STREAMS of one.
    let (listener, served, mut api) = connected(&[0, 3, 0, 0, 0, 1]).await;
    let first = call(&served, streamed());
    let one = api.request().await;
    api.send(&events(one).0).await;
    let second = call(&served, streamed());
    let mut other = Wire::accept(&listener, &[0, 3, 0, 0, 0, 1]).await;
    let two = other.request().await;
    other.send(&events(two).0).await;
    api.send(&events(one).1).await;
    assert_eq!(first.await.unwrap().text(), EVENTS);
    // There is room again on the first one.
    let third = call(&served, keyed(BODY));
    let three = api.request().await;
    api.send(&message(three)).await;
    assert_eq!(third.await.unwrap().status, 200);
    other.send(&events(two).1).await;
    assert_eq!(second.await.unwrap().text(), EVENTS);
}

/// How many bytes the frames let in besides, on the connection and on a stream.
fn room(said: &[Frame], stream: u32) -> u64 {
    let updates = said.iter().filter(|f| f.kind == WINDOW_UPDATE && f.stream == stream);
    updates.map(|f| u64::from(u32::from_be_bytes(f.content[..4].try_into().unwrap()))).sum()
}

#[tokio::test]
async fn a_slow_reader_fills_its_window_and_no_other_call_waits() {
    let (_listener, served, mut api) = connected(&[]).await;
    let mut slow = Wire::open(served.addr).await;
    let body = BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"");
    // No window for the answer.
    let asked = [
        super::frames::PREFACE.to_vec(),
        frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]),
        frame(HEADERS, END_HEADERS, 1, &post_block(&[("x-api-key", "sk-ant-fake-own")])),
        frame(DATA, END_STREAM, 1, body.as_bytes()),
    ];
    slow.send(&asked.concat()).await;
    let stream = api.request().await;
    api.send(&events(stream).0).await;
    slow.until(HEADERS).await;
    let text = format!(
        "event: content_block_delta\ndata: {{\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{}\"}}}}\n\n",
        "x".repeat(16_000)
    );
    let mut window = u64::from(clearline_net::STREAM_WINDOW) - events(stream).0.len() as u64;
    let mut sent = 0;
    while window > text.len() as u64 {
        api.send(&frame(DATA, 0, stream, text.as_bytes())).await;
        window -= text.len() as u64;
        sent += text.len() as u64;
        window += room(&api.settled().await, stream);
    }
    // A window, and what was on its way to a caller who takes nothing.
    let most = u64::from(clearline_net::STREAM_WINDOW) + (256 << 10);
    assert!(sent <= most, "{sent} bytes wait for a caller who takes nothing");
    for _ in 0..3 {
        let quick = call(&served, keyed(BODY));
        let other = api.request().await;
        api.send(&message(other)).await;
        assert_eq!(quick.await.unwrap().status, 200);
    }
    // Who takes lets the server go on.
    let all = [frame(WINDOW_UPDATE, 0, 0, &[0, 64, 0, 0]), frame(WINDOW_UPDATE, 0, 1, &[0, 64, 0, 0])];
    slow.send(&all.concat()).await;
    while api.until(WINDOW_UPDATE).await.stream != stream {}
    api.send(&events(stream).1).await;
    let mut got = 0;
    loop {
        let part = slow.until(DATA).await;
        got += part.content.len() as u64;
        if part.flags & END_STREAM > 0 {
            break;
        }
    }
    assert_eq!(got, sent + EVENTS.len() as u64);
}

#[tokio::test]
async fn a_server_that_dies_breaks_what_was_shown_and_the_rest_is_made_again() {
    let (listener, served, mut api) = connected(&[]).await;
    let shown = call(&served, streamed());
    let one = api.request().await;
    api.send(&events(one).0).await;
    let waits = call(&served, keyed(BODY));
    api.request().await;
    api.settled().await;
    api.kill();
    let seen = shown.await.unwrap();
    assert_eq!(seen.events().last().map(String::as_str), Some("error"), "{}", seen.text());
    let mut other = Wire::accept(&listener, &[]).await;
    let stream = other.request().await;
    other.send(&message(stream)).await;
    assert_eq!(waits.await.unwrap().status, 200);
    let (_, log) = served.finish().await;
    let causes: Vec<_> = log.iter().filter_map(|l| l["attempts"][0]["cause"].as_str()).collect();
    assert!(causes.contains(&"stream.reset") && causes.contains(&"http.reset-before-response"), "{causes:?}");
}

#[tokio::test]
async fn a_connection_that_fell_silent_gets_no_new_call() {
    let (listener, url) = listen().await;
    let served = serve_http2(&url, |s| s.timeouts.idle = Dur::millis(40)).await;
    let silent = call(&served, streamed());
    let mut dead = Wire::accept(&listener, &[]).await;
    let stream = dead.request().await;
    dead.send(&events(stream).0).await;
    let seen = silent.await.unwrap();
    assert!(seen.text().contains("stream.stalled"), "{}", seen.text());
    let next = call(&served, keyed(BODY));
    let mut other = Wire::accept(&listener, &[]).await;
    let stream = other.request().await;
    other.send(&message(stream)).await;
    assert_eq!(next.await.unwrap().status, 200);
}

#[tokio::test]
async fn where_http_2_does_not_work_the_call_goes_by_http_1() {
    let mut api = Upstream::new(vec![Say::message("")]).await;
    let served = serve_http2(&api.url(), |_| ()).await;
    assert_eq!(ask(served.addr, &keyed(BODY)).await.status, 200);
    assert!(api.asked().await.head.starts_with("PRI * HTTP/2.0"));
    while !api.asked().await.head.starts_with("POST /v1/messages HTTP/1.1") {}
    let (_, log) = served.finish().await;
    let attempts = log[0]["attempts"].as_array().unwrap();
    assert_eq!(attempts[0]["cause"], "tls.h2-broken", "{}", log[0]);
    let told: Vec<_> = attempts.iter().map(|a| a["protocol"].as_str()).collect();
    assert_eq!(told, [Some("h2"), None], "which attempt spoke what");
}
