//! Upstreams that lie, and callers that are slow or leave: bounded memory, a named cause, and other calls untouched.

use std::time::Duration;

use clearline_model::Dur;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::{BODY, QUICK, Seen, ask, keyed, post, raw, serve, serve_as, sim};
use crate::fidelity::gzip;
use crate::script::{MESSAGE, Say, Then, Upstream};

fn streamed() -> Vec<u8> {
    keyed(&BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\""))
}

fn answer(headers: &str, body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n", headers.as_bytes(), b"\r\n", body].concat()
}

fn events(body: &str) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    [head, body].concat().into_bytes()
}

const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{}}}\n\n";

/// What an upstream says, how it ends, and the cause that it must have.
type Lie = (&'static str, Vec<u8>, Then, &'static str);

#[rustfmt::skip]
fn lies_about_lengths() -> Vec<Lie> {
    let message = MESSAGE.as_bytes();
    let more = MESSAGE.len() + 10;
    vec![
        ("longer than said", answer(&format!("content-length: {more}\r\n"), message), Then::Close, "http.truncated"),
        ("shorter than said", answer("content-length: 20\r\n", message), Then::Close, "edge.not-the-api"),
        ("no number", answer("content-length: many\r\n", message), Then::Close, "gateway.malformed-response"),
        ("negative", answer("content-length: -1\r\n", message), Then::Close, "gateway.malformed-response"),
        ("two lengths", answer("content-length: 5\r\ncontent-length: 6\r\n", message), Then::Close, "gateway.malformed-response"),
        ("a bad chunk", answer("transfer-encoding: chunked\r\n", b"zz\r\n{}\r\n0\r\n\r\n"), Then::Close, "gateway.malformed-response"),
        ("a chunk without end", answer("transfer-encoding: chunked\r\n", b"ffffffffffffff0\r\n{}"), Then::Close, "http.truncated"),
        ("a coding nobody asked for", answer("transfer-encoding: gzip\r\n", &gzip(message)), Then::Close, "gateway.malformed-response"),
        ("a coding below the chunks", answer("transfer-encoding: gzip, chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"), Then::Close, "gateway.malformed-response"),
        ("no gzip", answer("content-encoding: gzip\r\ncontent-length: 5\r\n", b"plain"), Then::Close, "http.bad-encoding"),
        ("half of a gzip", answer("content-encoding: gzip\r\ncontent-length: 40\r\n", &gzip(message)[..40]), Then::Close, "http.bad-encoding"),
    ]
}

#[rustfmt::skip]
fn lies_about_everything_else() -> Vec<Lie> {
    let huge = format!("x-huge: {}\r\n", "a".repeat(1 << 20));
    let many = (0..1_000).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    let other = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
    let redirect = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\n\r\n";
    vec![
        ("a header of 1 MB", answer(&huge, b""), Then::Close, "gateway.malformed-response"),
        ("a thousand headers", answer(&many, b""), Then::Close, "gateway.malformed-response"),
        ("no HTTP", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), Then::Close, "gateway.malformed-response"),
        ("nothing", Vec::new(), Then::Close, "http.closed-before-response"),
        ("a reset", Vec::new(), Then::Reset, "http.reset-before-response"),
        ("another protocol", other.into(), Then::Close, "gateway.malformed-response"),
        ("a redirect", redirect.into(), Then::Close, "edge.not-the-api"),
        ("a page", answer("content-length: 6\r\n", b"<html>"), Then::Close, "edge.not-the-api"),
    ]
}

/// None of it is a success.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_lies_is_never_a_success_and_has_a_cause() {
    for (what, bytes, then, cause) in lies_about_lengths().into_iter().chain(lies_about_everything_else()) {
        let upstream = Upstream::new(vec![Say::new(bytes, then)]).await;
        let served = serve(&upstream.url(), &[], |_| ()).await;
        let seen = ask(served.addr, &keyed(BODY)).await;
        assert!(seen.status >= 500, "{what}: {}", seen.text());
        assert_eq!(seen.header("clearline-cause"), Some(cause), "{what}: {}", seen.text());
        assert_eq!(seen.json()["clearline"]["cause"], cause, "{what}");
    }
}

/// The second answer's body never ends; the caller's time does. The caller gets the first one, which is whole, and not the
/// gateway's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_cut_by_the_end_leaves_the_one_before_it() {
    let busy = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let say = |id: &str, length: usize, then| {
        let head = format!(
            "HTTP/1.1 529 Overloaded\r\ncontent-type: application/json\r\nrequest-id: {id}\r\ncontent-length: {length}\r\n\r\n"
        );
        Say::new([head, busy.to_owned()].concat(), then)
    };
    let answers = vec![say("req_whole", busy.len(), Then::Keep), say("req_endless", 100_000, Then::Hang)];
    let upstream = Upstream::new(answers).await;
    let served = serve(&upstream.url(), &[], |_| ()).await;
    let hurry = "x-api-key: sk-ant-fake-own\r\nx-stainless-timeout: 1\r\n";
    let seen = ask(served.addr, &post(BODY, hurry)).await;
    assert_eq!((seen.status, seen.header("request-id")), (529, Some("req_whole")), "{}", seen.text());
    assert_eq!(seen.json()["error"]["type"], "overloaded_error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_lies_ends_in_an_error() {
    let tiny = ":\n".repeat(1_000_000);
    let pings = "event: ping\ndata: {}\n\n".repeat(20_000);
    let long = format!("event: content_block_delta\ndata: {}", "x".repeat(33 << 20));
    for (what, body, cause) in [
        ("a million comments", format!("{START}{tiny}"), "stream.ended-early"),
        ("only pings", format!("{START}{pings}"), "stream.ended-early"),
        ("an event without end", format!("{START}{long}"), "stream.corrupt"),
        ("no beginning", "event: content_block_stop\ndata: {\"index\":0}\n\n".to_owned(), "stream.corrupt"),
        ("zeros", "\0".repeat(100_000), "stream.ended-early"),
    ] {
        let upstream = Upstream::new(vec![Say::new(events(&body), Then::Close)]).await;
        let served = serve_as(&upstream.url(), &[], |_| (), |s| s.attempts_max = 1).await;
        let seen = ask(served.addr, &streamed()).await;
        let names = seen.events();
        assert!(
            seen.status >= 500 || names.last().is_some_and(|e| e == "error") && !seen.whole,
            "{what}: {} {names:?}",
            seen.status
        );
        let (_, log) = served.finish().await;
        assert_eq!(log[0]["cause"], cause, "{what}");
    }
}

/// Whatever a server says about coming back, it is bounded by the patience, and the caller gets it as it was said.
#[tokio::test]
async fn absurd_hints_neither_stampede_nor_sleep() {
    for (hint, least, most) in [
        ("-5", 2, 60),
        ("0", 2, 60),
        ("99999999999", 1, 1),
        ("1e30", 1, 1),
        ("nan", 2, 60),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 2, 60),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 1, 1),
        ("soon", 2, 60),
    ] {
        let say = format!(
            "HTTP/1.1 429 Too Many\r\ncontent-type: application/json\r\ndate: Wed, 25 Nov 2026 12:00:00 GMT\r\nretry-after: {hint}\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        let mut upstream = Upstream::new(vec![Say::new(say, Then::Keep)]).await;
        let served = serve_as(&upstream.url(), &[], |_| (), |s| s.backoff_overload = Dur::millis(50)).await;
        let seen = ask(served.addr, &keyed(BODY)).await;
        assert_eq!(
            (seen.status, seen.header("retry-after")),
            (429, Some(hint.to_lowercase().as_str())),
            "{hint}"
        );
        let attempts = upstream.so_far().len();
        assert!((least..=most).contains(&attempts), "{hint}: {attempts} attempts");
    }
}

/// An answer that comes while the body is still on its way reaches the caller.
#[tokio::test]
async fn an_early_answer_is_an_answer() {
    let body = BODY.replace("Hello", &"x".repeat(4 << 20));
    for then in [Then::Close, Then::Hang] {
        let text = "{\"type\":\"error\",\"error\":{\"type\":\"request_too_large\",\"message\":\"no\"}}";
        let bytes = format!(
            "HTTP/1.1 413 Payload Too Large\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{text}",
            text.len()
        );
        let upstream = Upstream::new(vec![Say { early: true, ..Say::new(bytes, then) }]).await;
        let served = serve(&upstream.url(), &[], |_| ()).await;
        let seen = ask(served.addr, &keyed(&body)).await;
        assert_eq!((seen.status, seen.text().as_str()), (413, text), "{then:?}");
    }
}

/// A second answer that nobody asked for is never given to the next caller.
#[tokio::test]
async fn two_answers_to_one_request_do_not_mix() {
    let forged = MESSAGE.replace("Hi", "forged");
    let twice = [
        answer(&format!("content-length: {}\r\n", MESSAGE.len()), MESSAGE.as_bytes()),
        answer(&format!("content-length: {}\r\n", forged.len()), forged.as_bytes()),
    ]
    .concat();
    let upstream = Upstream::new(vec![Say::new(twice, Then::Keep)]).await;
    let served = serve(&upstream.url(), &[], |_| ()).await;
    for n in 0..5 {
        let seen = ask(served.addr, &keyed(BODY)).await;
        assert_eq!((seen.status, seen.text().as_str()), (200, MESSAGE), "call {n}");
    }
}

/// Two requests in one packet are answered one after the other; a caller that leaves between them is noticed.
#[tokio::test]
async fn pipelined_requests_are_served_in_turn_and_their_caller_may_leave() {
    let upstream = Upstream::new(vec![Say::message("x-n: 1\r\n"), Say::message("x-n: 2\r\n")]).await;
    let served = serve(&upstream.url(), &[], |_| ()).await;
    let first = String::from_utf8(keyed(BODY)).unwrap().replace("connection: close\r\n", "");
    let both = [first.as_bytes(), &keyed(BODY)].concat();
    let answer = raw(served.addr, &both).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
    assert!(answer.find("x-n: 1").unwrap() < answer.find("x-n: 2").unwrap());
    let mut upstream = Upstream::new(vec![Say::new("", Then::Hang)]).await;
    let served = serve(&upstream.url(), &[], |_| ()).await;
    let mut caller = TcpStream::connect(served.addr).await.unwrap();
    caller.write_all(&both).await.unwrap();
    upstream.asked().await;
    drop(caller);
    tokio::time::timeout(Duration::from_secs(1), upstream.left()).await.unwrap();
}

/// A caller that sends its body a byte at a time is served; one that stops is let go, and others do not wait for it.
#[tokio::test]
async fn a_caller_that_dribbles_is_served_and_holds_nobody_up() {
    let api = sim(QUICK).await;
    let served = serve(&api.base_url(), &[], |o| o.body_timeout = Dur::millis(500)).await;
    let mut slow = TcpStream::connect(served.addr).await.unwrap();
    for byte in keyed(BODY) {
        slow.write_all(&[byte]).await.unwrap();
        slow.flush().await.unwrap();
    }
    assert_eq!(ask(served.addr, &keyed(BODY)).await.status, 200);
    let mut all = Vec::new();
    slow.read_to_end(&mut all).await.unwrap();
    assert_eq!(Seen::of(&all).status, 200);
}
