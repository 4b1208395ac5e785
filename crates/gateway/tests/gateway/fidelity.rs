//! What passes through, byte for byte: methods, paths, headers, framings, encodings, events.

use std::io::Write as _;

use crate::common::{BODY, Seen, ask, raw_bytes, serve};
use crate::script::{MESSAGE, Say, Then, Upstream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn lines(head: &str) -> Vec<String> {
    head.lines().skip(1).take_while(|l| !l.is_empty()).map(str::to_owned).collect()
}

fn request(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Say {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
    Say::new([head.as_bytes(), body].concat(), Then::Keep)
}

#[tokio::test]
async fn every_method_and_path_passes_with_its_query() {
    let mut upstream = Upstream::new(vec![answer("200 OK", "content-type: text/plain\r\n", b"x")]).await;
    let served = serve(&upstream.url(), &[], |_| ()).await;
    for line in [
        "GET /",
        "GET /v1/models?limit=1000&after_id=a%2Fb",
        "POST /v1/messages/batches",
        "PUT /v1/files/a",
        "PATCH /v1/x;y=1",
        "DELETE /v1/messages/batches/b",
        "OPTIONS /v1/messages",
        "PROPFIND /any/path//twice/./dot/../up?q=1?2",
        "GET /%F0%9F%98%80/~a_b-c.d!$&'()*+,=:@",
    ] {
        let seen = ask(served.addr, &request(line, "", b"")).await;
        assert_eq!((seen.status, seen.text().as_str()), (200, "x"), "{line}");
        assert_eq!(upstream.asked().await.head.lines().next().unwrap(), format!("{line} HTTP/1.1"));
    }
    // A HEAD's length is told, and no body follows.
    let mut upstream =
        Upstream::new(vec![Say::new("HTTP/1.1 200 OK\r\ncontent-length: 77\r\nx-a: 1\r\n\r\n", Then::Keep)])
            .await;
    let served = serve(&upstream.url(), &[], |_| ()).await;
    let got = String::from_utf8(raw_bytes(served.addr, &request("HEAD /api/hello", "", b"")).await).unwrap();
    assert!(got.contains("content-length: 77\r\n") && got.ends_with("\r\n\r\n"), "{got}");
    upstream.asked().await;
}

#[tokio::test]
async fn unknown_headers_pass_both_ways_with_their_case_and_the_host_is_the_upstreams() {
    let back = "content-type: application/json\r\nAnthropic-Ratelimit-Requests-Remaining: 7\r\nX-Unknown-Answer: a,  b\r\n\
        set-cookie: one=1\r\nset-cookie: two=2\r\nretry-after-ms: 5\r\nrequest-id: req_1\r\nServer: cloudflare\r\nCF-RAY: 9\r\n";
    let mut upstream = Upstream::new(vec![answer("200 OK", back, MESSAGE.as_bytes())]).await;
    let served = serve(&upstream.url(), &[], |_| ()).await;
    let there = "anthropic-version: 2023-06-01\r\nAnthropic-Beta: a-2025-01-01,b\r\nanthropic-beta: c\r\nX-Api-Key: sk-ant-fake-own\r\n\
        User-Agent: Odd/1.0 (\u{e9})\r\nX-Stainless-Lang: python\r\nAccept-Encoding: gzip, br\r\nx-empty:\r\nCookie: a=b\r\ncontent-type: application/json\r\n";
    let length = format!("content-length: {}\r\n", BODY.len());
    let sent = request("POST /v1/messages?beta=true", &format!("{there}{length}"), BODY.as_bytes());
    let seen = Seen::of(&raw_bytes(served.addr, &sent).await);
    assert_eq!(seen.text(), MESSAGE);
    let got = upstream.asked().await;
    assert_eq!(got.body, BODY.as_bytes());
    let got = lines(&got.head);
    for line in there.lines() {
        // Names are the same in any case; values are not.
        let (name, value) = line.split_once(':').unwrap();
        let same = |l: &String| {
            l.split_once(':').is_some_and(|(n, v)| n.eq_ignore_ascii_case(name) && v.trim() == value.trim())
        };
        assert!(got.iter().any(same), "{line:?} in {got:#?}");
    }
    assert_eq!(got.iter().filter(|l| l.to_lowercase().starts_with("anthropic-version")).count(), 1);
    let hosts: Vec<_> = got.iter().filter(|l| l.to_lowercase().starts_with("host:")).collect();
    assert_eq!(hosts.len(), 1);
    assert!(hosts[0].to_lowercase().ends_with(&upstream.addr.to_string()), "{hosts:?}");
    for line in back.lines() {
        let line = line.to_lowercase();
        assert!(seen.head.lines().any(|l| l == line), "{line:?} in {}", seen.head);
    }
}

#[tokio::test]
async fn ids_of_the_caller_are_kept_both_ways() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut upstream = Upstream::new(vec![Say::message("request-id: req_7\r\n")]).await;
    let served = serve(&upstream.url(), &[], |_| ()).await;
    let headers = format!(
        "x-request-id: mine-7\r\ntraceparent: {trace}\r\ntracestate: a=b\r\ncontent-length: {}\r\n",
        BODY.len()
    );
    let seen = ask(served.addr, &request("POST /v1/messages", &headers, BODY.as_bytes())).await;
    assert_eq!((seen.header("x-request-id"), seen.header("traceparent")), (Some("mine-7"), Some(trace)));
    assert_eq!(seen.header("request-id"), Some("req_7"));
    let head = upstream.asked().await.head;
    for line in ["x-request-id: mine-7", &format!("traceparent: {trace}"), "tracestate: a=b"] {
        assert!(head.lines().any(|l| l == line), "{line} in {head}");
    }
}

#[tokio::test]
async fn both_framings_of_a_body_arrive_as_the_same_bytes() {
    let mut upstream = Upstream::new(vec![Say::message("")]).await;
    let served = serve(&upstream.url(), &[], |_| ()).await;
    let length = format!("content-length: {}\r\n", BODY.len());
    let plain = request("POST /v1/messages", &length, BODY.as_bytes());
    let (first, rest) = BODY.split_at(20);
    let chunks = format!("14\r\n{first}\r\n{:X};ext=1\r\n{rest}\r\n0\r\nx-trailer: 1\r\n\r\n", rest.len());
    let chunked = request(
        "POST /v1/messages",
        "transfer-encoding: chunked\r\ntrailer: x-trailer\r\n",
        chunks.as_bytes(),
    );
    for sent in [plain, chunked] {
        assert_eq!(ask(served.addr, &sent).await.text(), MESSAGE);
        let got = upstream.asked().await;
        assert_eq!(got.body, BODY.as_bytes(), "{}", got.head);
        assert!(!got.head.to_lowercase().contains("trailer"), "{}", got.head);
    }
    // The answer's framings as well.
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{MESSAGE}\r\n0\r\n\r\n",
        MESSAGE.len()
    );
    let closed = format!("HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{MESSAGE}");
    for say in [Say::new(chunked, Then::Keep), Say::new(closed, Then::Close)] {
        let upstream = Upstream::new(vec![say]).await;
        let served = serve(&upstream.url(), &[], |_| ()).await;
        let seen = ask(served.addr, &request("POST /v1/messages", &length, BODY.as_bytes())).await;
        assert_eq!((seen.status, seen.text().as_str(), seen.whole), (200, MESSAGE, true));
    }
}

#[tokio::test]
async fn a_caller_that_expects_100_gets_it_and_the_upstream_does_not_see_it() {
    let mut upstream = Upstream::new(vec![Say::message("")]).await;
    let served = serve(&upstream.url(), &[], |_| ()).await;
    let mut stream = TcpStream::connect(served.addr).await.unwrap();
    let headers = format!("expect: 100-continue\r\ncontent-length: {}\r\n", BODY.len());
    stream.write_all(&request("POST /v1/messages", &headers, b"")).await.unwrap();
    let mut first = [0; 25];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(BODY.as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(Seen::of(&rest).text(), MESSAGE);
    let got = upstream.asked().await;
    assert!(!got.head.to_lowercase().contains("expect:"), "{}", got.head);
    assert_eq!(got.body, BODY.as_bytes());
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What brotli says where it does not compress: a meta-block as it is (RFC 7932 section 9.2).
pub(crate) fn brotli(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap() - 1;
    assert!(length < 1 << 16);
    // WBITS 16 (one bit 0), ISLAST 0, MNIBBLES 4 (two bits 0), MLEN-1 in 16 bits, ISUNCOMPRESSED 1.
    let bits = length << 4 | 1 << 20;
    let head = bits.to_le_bytes();
    [&head[..3], bytes, &[3]].concat()
}

pub(crate) const EVENTS: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":1}}}\n\n\
    event: content_block_start\ndata: {\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
    event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n\
    event: content_block_stop\ndata: {\"index\":0}\n\n\
    event: message_delta\ndata: {\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":1}}\n\n\
    event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

#[tokio::test]
async fn compressed_bodies_pass_untouched_and_are_judged_all_the_same() {
    let length = format!("content-length: {}\r\n", BODY.len());
    let sent = request("POST /v1/messages", &length, BODY.as_bytes());
    let failed = r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"}}"#;
    for (name, pack) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("br", brotli)] {
        for (status, kind, plain) in [
            ("200 OK", "application/json", MESSAGE),
            ("200 OK", "text/event-stream", EVENTS),
            ("400 Bad Request", "application/json", failed),
        ] {
            let packed = pack(plain.as_bytes());
            let headers = format!("content-type: {kind}\r\ncontent-encoding: {name}\r\n");
            let upstream = Upstream::new(vec![answer(status, &headers, &packed)]).await;
            let served = serve(&upstream.url(), &[], |_| ()).await;
            let seen = ask(served.addr, &sent).await;
            assert_eq!(seen.header("content-encoding"), Some(name), "{name} {kind}: {}", seen.text());
            assert_eq!((seen.body.as_slice(), seen.whole), (packed.as_slice(), true), "{name} {kind}");
            let (_, log) = served.finish().await;
            if status == "200 OK" {
                assert_eq!(log[0]["usage"]["output"], 1, "it was read: {}", log[0]);
            } else {
                assert_eq!(log[0]["cause"], "request.invalid");
            }
        }
    }
    // A page in a wrapping is a page.
    let headers = "content-type: text/html\r\ncontent-encoding: gzip\r\n";
    let upstream =
        Upstream::new(vec![answer("403 Forbidden", headers, &gzip(b"<html>Blocked</html>"))]).await;
    let served = serve(&upstream.url(), &[], |_| ()).await;
    let seen = ask(served.addr, &sent).await;
    assert_eq!((seen.status, &seen.json()["type"]), (403, &"error".into()), "{}", seen.text());
    assert_eq!(seen.header("content-encoding"), None);
}

#[tokio::test]
async fn events_pass_byte_for_byte() {
    let body = BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"");
    let sent = request("POST /v1/messages", &format!("content-length: {}\r\n", body.len()), body.as_bytes());
    let odd = EVENTS
        .replace("event: content_block_stop", ": a comment\n\n:\nid: 7\nretry: 10\nevent: brand_new\ndata: first\ndata:  second\ndata\n\nevent:ping\ndata: {\"type\":\"ping\"}\n\nevent: content_block_stop")
        .replace("data: {\"index\":0,\"delta\"", "data: {\"index\":0,\ndata: \"delta\"");
    for events in [
        EVENTS.to_owned(),
        EVENTS.replace('\n', "\r\n"),
        EVENTS.replace('\n', "\r"),
        format!("\u{feff}{EVENTS}"),
        odd,
    ] {
        let upstream = Upstream::new(vec![Say::stream(events.as_bytes())]).await;
        let served = serve(&upstream.url(), &[], |_| ()).await;
        let seen = ask(served.addr, &sent).await;
        assert_eq!((seen.status, seen.whole), (200, true), "{events:?}");
        assert_eq!(seen.text(), events);
    }
}

/// Cut anywhere into chunks and packets, a stream is the same.
#[tokio::test]
async fn events_pass_whatever_the_pieces_are() {
    let body = BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"");
    let sent = request("POST /v1/messages", &format!("content-length: {}\r\n", body.len()), body.as_bytes());
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    for size in [1, 7, 64] {
        let mut bytes = head.as_bytes().to_vec();
        for piece in EVENTS.as_bytes().chunks(size) {
            bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        let upstream = Upstream::new(vec![Say::new(bytes, Then::Keep)]).await;
        let served = serve(&upstream.url(), &[], |_| ()).await;
        let seen = ask(served.addr, &sent).await;
        assert_eq!((seen.text().as_str(), seen.whole), (EVENTS, true), "{size}");
    }
}

/// A large body is the same after it waited in a file, on every attempt.
#[tokio::test]
async fn a_spilled_body_is_sent_again_byte_for_byte() {
    let text: String = (0..300_000_u32)
        .map(|n| char::from(b'a' + u8::try_from(n.wrapping_mul(n) / 7 % 26).unwrap()))
        .collect();
    let body =
        format!("{{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":9,\"x\":\"{text}\",\"messages\":[]}}");
    let failed = answer("500 Internal Server Error", "content-type: application/json\r\n", b"{}");
    let mut upstream = Upstream::new(vec![failed.clone(), failed, Say::message("")]).await;
    let served = serve(&upstream.url(), &[], |o| o.spill_over = 1 << 12).await;
    let sent = request("POST /v1/messages", &format!("content-length: {}\r\n", body.len()), body.as_bytes());
    assert_eq!(ask(served.addr, &sent).await.text(), MESSAGE);
    for _ in 0..3 {
        let got = upstream.asked().await;
        assert!(
            got.body == body.as_bytes() && got.head.contains(&format!("content-length: {}\r\n", body.len()))
        );
    }
}
