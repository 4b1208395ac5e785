//! Answers over TLS whose end anybody on the way could have made: only what says its own end is whole without the other side's word.

use clearline_model::Dur;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::common::{BODY, QUICK, Seen, Served, ask, keyed, serve_before, sim};
use crate::fidelity::EVENTS;
use crate::reload::{Identity, streamed};
use crate::script::{MESSAGE, Say, Then, Upstream};

/// An upstream that says this to everybody, and closes TLS before the connection or does not.
async fn upstream(identity: &Identity, answer: Vec<u8>, says_goodbye: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let acceptor = identity.acceptor.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut tls = acceptor.accept(stream, Dur::secs(5)).await.unwrap();
            let mut head = Vec::new();
            while !head.windows(4).any(|w| w == b"\r\n\r\n") {
                assert!(tls.read_buf(&mut head).await.unwrap() > 0);
            }
            tls.write_all(&answer).await.unwrap();
            tls.flush().await.unwrap();
            if says_goodbye {
                tls.shutdown().await.unwrap();
            } else {
                tls.get_mut().0.shutdown().await.unwrap();
            }
            // What the other side still says is taken, or the end would be a reset.
            tls.get_mut().0.read_to_end(&mut Vec::new()).await.ok();
        }
    });
    url
}

async fn before(identity: &Identity, url: &str) -> Served {
    let trust = identity.trust();
    serve_before(|b| b.trust(trust), url, |_| (), |s| s.attempts_max = 1).await
}

fn answer(kind: &str, framing: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{framing}\r\n").as_bytes(), body].concat()
}

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n", body.len())
}

#[tokio::test]
async fn what_ends_with_the_connection_is_whole_only_where_tls_was_closed() {
    let identity = Identity::new("truncated");
    let json = "application/json";
    let length = format!("content-length: {}\r\n", MESSAGE.len());
    let chunks = "transfer-encoding: chunked\r\n";
    let get = "GET /v1/files/file_1/content HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-api-key: sk-ant-fake-own\r\n\r\n";
    let part = EVENTS.split("event: message_stop").next().unwrap();
    let (message, stream, file) = (keyed(BODY), streamed(), get.as_bytes().to_vec());
    let (mid, all) = (MESSAGE.split_at(60).0, MESSAGE);
    #[rustfmt::skip]
    let table = [
        // Whole with the other side's word, and without.
        ("a length", &message, answer(json, &length, all.as_bytes()), true, true),
        ("a part of a length", &message, answer(json, &length, mid.as_bytes()), false, false),
        ("chunks", &message, answer(json, chunks, format!("{}0\r\n\r\n", chunked(all)).as_bytes()), true, true),
        ("chunks without the last", &message, answer(json, chunks, chunked(all).as_bytes()), false, false),
        ("a message to the end", &message, answer(json, "", all.as_bytes()), true, false),
        ("a part of it", &message, answer(json, "", mid.as_bytes()), false, false),
        ("a file to the end", &file, answer("application/octet-stream", "", b"hello"), true, false),
        ("a list to the end", &file, answer(json, "", b"{\"data\":[]}"), true, false),
        ("a stream to the end", &stream, answer("text/event-stream", "", EVENTS.as_bytes()), true, true),
        ("a part of it", &stream, answer("text/event-stream", "", part.as_bytes()), false, false),
    ];
    for (what, request, says, whole, whole_without) in table {
        for (says_goodbye, whole) in [(true, whole), (false, whole_without)] {
            let url = upstream(&identity, says.clone(), says_goodbye).await;
            let served = before(&identity, &url).await;
            let seen = ask(served.addr, request).await;
            let is_well = seen.status == 200 && seen.whole;
            assert_eq!(is_well, whole, "{what}, goodbye {says_goodbye}: {}\n{}", seen.head, seen.text());
            let (summary, _) = served.finish().await;
            assert_eq!((summary.succeeded == 1, summary.calls), (whole, 1), "{what}, goodbye {says_goodbye}");
        }
    }
}

/// HTTP/1.0 has no chunks: a whole answer ends as a broken one would, where that is not reset.
#[tokio::test]
async fn a_broken_answer_is_none_for_a_caller_of_http_1_0() {
    let part = "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let whole = format!("{part}0\r\n\r\n");
    for (says, is_whole) in [(part, false), (whole.as_str(), true)] {
        let api = Upstream::new(vec![Say::new(says, Then::Close)]).await;
        let served = crate::common::serve(&api.url(), &[], |_| ()).await;
        let mut caller = tokio::net::TcpStream::connect(served.addr).await.unwrap();
        let get =
            "GET /v1/files/file_1/content HTTP/1.0\r\nhost: localhost\r\nx-api-key: sk-ant-fake-own\r\n\r\n";
        caller.write_all(get.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let end = caller.read_to_end(&mut bytes).await;
        assert!(bytes.ends_with(b"hello"), "{}", String::from_utf8_lossy(&bytes));
        assert_eq!(end.is_ok(), is_whole, "{end:?}");
    }
}

/// What tells of its break itself is not reset: that could overtake it.
#[tokio::test]
async fn a_broken_stream_tells_a_caller_of_http_1_0_why() {
    let part = EVENTS.split("event: message_stop").next().unwrap();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let api = Upstream::new(vec![Say::new([head, part].concat(), Then::Close)]).await;
    let served = crate::common::serve(&api.url(), &[], |_| ()).await;
    let request = String::from_utf8(streamed()).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    let mut caller = tokio::net::TcpStream::connect(served.addr).await.unwrap();
    caller.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    caller.read_to_end(&mut bytes).await.unwrap();
    let seen = Seen::of(&bytes);
    assert_eq!(seen.events().last().map(String::as_str), Some("error"), "{}", seen.text());
}

/// A caller that closes its connection without closing TLS is served before, and leaves as any other.
#[tokio::test]
async fn callers_need_not_close_tls() {
    let identity = Identity::new("rude");
    let api = sim(QUICK).await;
    let behind =
        crate::common::serve(&api.base_url(), &[], |o| o.tls = Some(identity.acceptor.clone())).await;
    let config = clearline_net::tls_config(&identity.trust()).unwrap();
    for _ in 0..3 {
        let stream = tokio::net::TcpStream::connect(behind.addr).await.unwrap();
        let config = std::sync::Arc::clone(&config);
        let mut tls =
            clearline_net::handshake(Box::new(stream), "localhost", config, Dur::secs(5)).await.unwrap();
        tls.write_all(&keyed(BODY)).await.unwrap();
        let mut bytes = Vec::new();
        tls.read_to_end(&mut bytes).await.unwrap();
        let seen = Seen::of(&bytes);
        assert!(seen.status == 200 && seen.whole, "{}", seen.text());
        drop(tls);
    }
    let (summary, _) = behind.finish().await;
    assert_eq!((summary.succeeded, summary.left), (3, 0));
}
