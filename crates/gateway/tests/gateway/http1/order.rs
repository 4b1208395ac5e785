//! Several requests on one connection, and connections that end where nobody expects it.

use std::time::Duration;

use clearline_model::Dur;
use clearline_net::{Laid, Offer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::table::{BAD, Bench, Caller, INNER, arrives, refuse_as};
use crate::common::{BODY, Seen, serve};
use crate::reload::Identity;
use crate::script::{Say, Then, Upstream};

const WHOLE: &str = "POST /v1/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}";
const IN_CHUNKS: &str = "POST /v1/x HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nx-late: 1\r\n\r\n";

fn numbered(n: usize) -> Say {
    Say::message(&format!("x-n: {n}\r\n"))
}

#[tokio::test]
async fn a_hundred_requests_in_one_packet_are_answered_in_their_order() {
    const ALL: usize = 100;
    let mut upstream = Upstream::new((0..ALL).map(numbered).collect()).await;
    let served = serve(&upstream.url(), &[], |_| ()).await;
    let request = |n: usize| match n % 4 {
        0 => format!("GET /{n} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        1 => WHOLE.replace("/v1/x", &format!("/{n}")),
        2 => IN_CHUNKS.replace("/v1/x", &format!("/{n}")),
        _ => format!("\r\nHEAD /{n} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n"),
    };
    let mut caller = Caller::new(served.addr).await;
    caller.send((0..ALL).map(request).collect::<String>().as_bytes()).await;
    for n in 0..ALL {
        let seen = if n % 4 == 3 { caller.bare_answer().await } else { caller.answer().await }.unwrap();
        assert_eq!((seen.status, seen.header("x-n")), (200, Some(n.to_string().as_str())), "{n}");
        let got = upstream.asked().await;
        assert!(got.head.contains(&format!(" /{n} HTTP/1.1\r\n")), "{n}: {}", got.head);
        assert_eq!(got.body, if n % 4 == 1 || n % 4 == 2 { &b"{}"[..] } else { b"" }, "{n}");
    }
}

/// What is wrong with a request ends the connection behind the answers of those before it, and those behind it are never
/// looked at.
#[tokio::test]
async fn a_bad_request_ends_the_line() {
    let mut bench = Bench::new(|_| ()).await;
    let good = "GET /v1/x HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for (what, bad) in [
        ("no HTTP", "nonsense\r\n\r\n".to_owned()),
        ("LF alone", INNER.replace("\r\n", "\n")),
        ("two lengths", WHOLE.replace("content-length: 2", "content-length: 2\r\ncontent-length: 2")),
        ("a length and chunks", IN_CHUNKS.replace("transfer-", "content-length: 5\r\ntransfer-")),
        ("another host", good.replace("localhost", "evil.example")),
        ("a fragment", good.replace("/v1/x", "/v1/x#y")),
        ("a chunk with LF", IN_CHUNKS.replace("2;a=b\r\n", "2\n")),
        ("a trailer with LF", IN_CHUNKS.replace("x-late: 1\r\n", "x-late: 1\n")),
        ("a body that is too large", WHOLE.replace("content-length: 2", "content-length: 20000")),
        ("a method that is none", good.replace("GET", "get")),
    ] {
        for before in ["", good, WHOLE, IN_CHUNKS, &good.repeat(3)] {
            let mut caller = Caller::new(bench.served.addr).await;
            caller.send([before, &bad, INNER, INNER].concat().as_bytes()).await;
            for _ in 0..before.matches("HTTP/1.1").count() {
                let seen = caller.answer().await;
                assert_eq!(seen.map(|s| s.status), Some(200), "{what} behind {before:?}");
            }
            let seen = caller.answer().await.unwrap_or_default();
            assert!(BAD.contains(&seen.status), "{what} behind {before:?}: {}", seen.status);
            assert_eq!(seen.json()["type"], "error", "{what} behind {before:?}: {}", seen.text());
            assert_eq!(caller.ended().await, None, "{what} behind {before:?}");
            let arrived = bench.upstream.so_far();
            assert_eq!(arrived.len(), before.matches("HTTP/1.1").count(), "{what} behind {before:?}");
            assert!(arrived.iter().all(|got| !got.head.contains("smuggled")), "{what}");
        }
    }
}

/// A request within a body that is refused is never one of its own.
#[tokio::test]
async fn the_rest_of_a_refused_body_is_no_request() {
    let large = INNER.repeat(400);
    let post =
        |headers: &str, body: &str| format!("POST /v1/x HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n{body}");
    let length = format!("content-length: {}\r\n", large.len());
    let chunked = format!("{:x}\r\n{large}\r\n0\r\n\r\n{INNER}", large.len());
    Bench::new(|_| ())
        .await
        .hold(vec![
            refuse_as("too large by its length", &[413], post(&length, &large)),
            refuse_as("too large in chunks", &[413], post("transfer-encoding: chunked\r\n", &chunked)),
            refuse_as(
                "for another host",
                &[421],
                post(&length, &large).replacen("localhost", "evil.example", 1),
            ),
            refuse_as(
                "of a web page",
                &[403],
                post(&format!("origin: https://evil.example\r\n{length}"), &large),
            ),
            refuse_as(
                "with an expectation",
                &[413],
                post(&format!("expect: 100-continue\r\n{length}"), &large),
            ),
        ])
        .await;
}

/// The answer is read by a caller that writes all of its body first, and not lost with the bytes that nobody took.
#[tokio::test]
async fn a_refusal_reaches_a_caller_that_still_sends() {
    let bench = Bench::new(|_| ()).await;
    let body = vec![b'x'; 8 << 20];
    let head = |framing: &str| format!("POST /v1/x HTTP/1.1\r\nhost: localhost\r\n{framing}\r\n\r\n");
    let size = format!("{:x}\r\n", body.len());
    for (what, first) in [
        ("a length", head(&format!("content-length: {}", body.len()))),
        ("chunks", [head("transfer-encoding: chunked"), size].concat()),
        (
            "another host",
            head(&format!("content-length: {}", body.len())).replace("localhost", "evil.example"),
        ),
    ] {
        for _ in 0..10 {
            let mut caller = Caller::new(bench.served.addr).await;
            caller.stream.write_all(first.as_bytes()).await.unwrap();
            caller.stream.write_all(&body).await.unwrap();
            let seen = caller.answer().await.unwrap_or_default();
            assert!([413, 421].contains(&seen.status), "{what}: {}", seen.status);
            assert_eq!(seen.json()["type"], "error", "{what}");
        }
    }
}

/// Over TLS as well.
#[tokio::test]
async fn a_refusal_reaches_a_caller_that_still_sends_over_tls() {
    let identity = Identity::new("refused");
    let bench = Bench::new(|o| o.tls = Some(identity.acceptor.clone())).await;
    let laid = Laid::direct(TcpStream::connect(bench.served.addr).await.unwrap()).unwrap();
    let offer = Offer { host: "localhost", with_name: true, alpn: &["http/1.1"] };
    let mut stream = clearline_net::peek(laid, offer, Dur::secs(20))
        .await
        .unwrap()
        .stream
        .unwrap_or_else(|e| panic!("{e:?}"));
    let body = vec![b'x'; 4 << 20];
    let head = format!("POST /v1/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let seen = Seen::of(&answer);
    assert_eq!((seen.status, seen.whole), (413, true), "{}", seen.text());
}

/// Whatever is missing of a request, nothing of it goes upstream: neither where the caller closes, nor where it only says
/// that it has no more.
#[tokio::test]
async fn a_request_that_breaks_off_at_any_byte_is_none() {
    let mut bench = Bench::new(|_| ()).await;
    for request in [WHOLE, IN_CHUNKS] {
        for end in 0..request.len() {
            let mut caller = Caller::new(bench.served.addr).await;
            caller.send(&request.as_bytes()[..end]).await;
            if end % 2 == 0 {
                drop(caller);
            } else {
                caller.stream.shutdown().await.unwrap();
                // It may be told that its body broke off.
                let seen = caller.answer().await;
                assert!(seen.is_none_or(|seen| BAD.contains(&seen.status)), "{end}");
                assert_eq!(caller.ended().await, None, "{end}");
            }
        }
    }
    let mut caller = Caller::new(bench.served.addr).await;
    caller.send(WHOLE.as_bytes()).await;
    assert_eq!(caller.answer().await.unwrap().status, 200);
    let got = bench.upstream.so_far();
    assert_eq!(got.len(), 1, "{got:?}");
}

/// However a request is cut into packets, it is the same one, and so is the next.
#[tokio::test]
async fn requests_are_the_same_in_any_pieces() {
    let mut bench = Bench::new(|_| ()).await;
    let all = [WHOLE, IN_CHUNKS, "GET /v1/x HTTP/1.1\r\nhost: localhost\r\n\r\n", WHOLE].concat();
    for size in [1, 2, 3, 7, 50] {
        let mut caller = Caller::new(bench.served.addr).await;
        for piece in all.as_bytes().chunks(size) {
            caller.send(piece).await;
            tokio::task::yield_now().await;
        }
        for body in ["{}", "{}", "", "{}"] {
            assert_eq!(caller.answer().await.unwrap().status, 200, "{size}");
            assert_eq!(bench.upstream.asked().await.body, body.as_bytes(), "{size}");
        }
    }
}

/// A head that does not come is waited for as long as is set, and so is the next one; a body likewise.
#[tokio::test]
async fn a_caller_that_stops_is_let_go() {
    let mut bench = Bench::new(|o| {
        o.header_timeout = Dur::millis(100);
        o.body_timeout = Dur::millis(100);
    })
    .await;
    for (what, sent, statuses) in [
        ("nothing", "", &[][..]),
        ("an empty line", "\r\n", &[]),
        ("half a request line", "GET /v1", &[0, 408]),
        ("half a head", "GET /v1/x HTTP/1.1\r\nhost: localhost\r\n", &[0, 408]),
        ("half a body", "POST /v1/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{", &[408]),
        (
            "half a chunk",
            "POST /v1/x HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{",
            &[408],
        ),
    ] {
        let mut caller = Caller::new(bench.served.addr).await;
        caller.send(sent.as_bytes()).await;
        let status = caller.answer().await.map(|seen| seen.status);
        assert!(status.is_none_or(|s| statuses.contains(&s)), "{what}: {status:?}");
        assert_eq!(caller.ended().await, None, "{what}");
    }
    assert!(bench.upstream.so_far().is_empty());
    let mut caller = Caller::new(bench.served.addr).await;
    caller.send(WHOLE.as_bytes()).await;
    assert_eq!(caller.answer().await.unwrap().status, 200);
    assert_eq!(caller.ended().await, None, "idle, and ended without a word");
}

/// A caller that closes its side while its answer is still to come has left, as it has for nginx: its call is given up.
#[tokio::test]
async fn a_caller_that_closes_its_side_has_left() {
    let hangs = Upstream::new(vec![Say::new("", Then::Hang)]).await;
    let begins = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{";
    let begun = Upstream::new(vec![Say::new(begins, Then::Hang)]).await;
    for mut upstream in [hangs, begun] {
        let served = serve(&upstream.url(), &[], |_| ()).await;
        let body = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{BODY}",
            BODY.len()
        );
        let mut caller = Caller::new(served.addr).await;
        caller.send(body.as_bytes()).await;
        upstream.asked().await;
        caller.stream.shutdown().await.unwrap();
        tokio::time::timeout(Duration::from_secs(5), upstream.left()).await.unwrap();
        let rest = caller.answer().await;
        assert!(rest.is_none_or(|seen: Seen| seen.status != 200 || !seen.whole));
        let (summary, _) = served.finish().await;
        assert_eq!((summary.calls, summary.left), (1, 1));
    }
}

/// Closing behind the answer is an end like any other.
#[tokio::test]
async fn a_caller_that_closes_its_side_behind_the_answer_gets_its_end() {
    let mut bench = Bench::new(|_| ()).await;
    let mut caller = Caller::new(bench.served.addr).await;
    caller.send(WHOLE.as_bytes()).await;
    assert_eq!(caller.answer().await.unwrap().status, 200);
    caller.stream.shutdown().await.unwrap();
    assert_eq!(caller.ended().await, None);
    assert_eq!(bench.upstream.so_far().len(), 1);
    bench.hold(vec![super::table::pass("another", INNER, arrives("GET /smuggled"))]).await;
}
