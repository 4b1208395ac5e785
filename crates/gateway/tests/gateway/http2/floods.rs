//! What a caller of HTTP/2 can make the gateway do for nothing, and its end; and how HTTP/2 is switched off.

use std::time::Duration;

use clearline_model::Dur;
use clearline_net::{Laid, Offer};
use tokio::net::TcpStream;

use super::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PREFACE, PRIORITY,
    RST_STREAM, SETTINGS, WHOLE, WINDOW_UPDATE, Wire, field, frame, get, post,
};
use crate::common::{BODY, Served, ask, keyed, raw, serve};
use crate::fidelity::EVENTS;
use crate::reload::Identity;
use crate::script::{Say, Then, Upstream};

const REFUSED: u32 = 7;
const CANCEL: u32 = 8;
const CALM: u32 = 11;

fn cancel(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

/// A request whose body is still to come.
fn open(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &post(&[]))
}

/// One that is whole.
fn asked(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &get(&[]))
}

/// Waits until all that was sent before is read; else the code of the connection's end, 0 where there is none.
async fn read(wire: &mut Wire) -> Result<(), u32> {
    wire.send(&frame(PING, 0, 0, b"the mark")).await;
    while let Some(frame) = wire.next().await {
        if frame.kind == GOAWAY {
            return Err(frame.code());
        }
        if frame.kind == PING && frame.flags == ACK {
            return Ok(());
        }
    }
    Err(0)
}

/// The code of the farewell, and the end behind it.
async fn farewell(wire: &mut Wire) -> Option<u32> {
    let mut code = None;
    while let Some(frame) = wire.next().await {
        if frame.kind == GOAWAY {
            code = Some(frame.code());
        }
    }
    code
}

/// Another connection is answered as if nothing were.
async fn is_served(wire: &mut Wire, stream: u32) -> bool {
    wire.send(&asked(stream)).await;
    while let Some(frame) = wire.next().await {
        if frame.kind == HEADERS && frame.stream == stream {
            // 200 of the static table.
            return frame.content.first() == Some(&0x88);
        }
    }
    false
}

async fn metric(served: &Served, name: &str) -> u64 {
    let text =
        raw(served.admin, b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    let value = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    value.parse().unwrap()
}

/// Streams that are begun with and reset one after the other: each is gone before the next comes, so that their number at
/// once bounds nothing.
#[tokio::test]
async fn streams_that_are_reset_before_their_answer_end_the_connection() {
    let mut api = Upstream::new(vec![Say::message("")]).await;
    let served = serve(&api.url(), &[], |o| o.resets_max = 10).await;
    let mut other = Wire::ready(served.addr).await;
    assert!(is_served(&mut other, 1).await);
    let mut wire = Wire::ready(served.addr).await;
    let (mut sent, mut end) = (0, Ok(()));
    while end.is_ok() {
        assert!(sent < 8_000, "it never ends");
        // Several at a time: the few that are forgiven each second are fewer, however slow this machine is.
        let streams = || (sent..sent + 8).map(|n| 2 * n + 1);
        wire.send(&streams().flat_map(open).collect::<Vec<_>>()).await;
        end = read(&mut wire).await;
        if end.is_ok() {
            wire.send(&streams().flat_map(cancel).collect::<Vec<_>>()).await;
            end = read(&mut wire).await;
        }
        sent += 8;
    }
    assert_eq!(end, Err(CALM));
    assert_eq!(farewell(&mut wire).await, None, "and nothing behind it");
    assert!(sent > 10, "as many as may be: {sent}");
    assert!(metric(&served, "clearline_streams_reset_total").await > 10);
    assert!(is_served(&mut other, 3).await, "another connection");
    assert_eq!(ask(served.addr, &keyed(BODY)).await.status, 200, "a new one");
    // The two of the other connection, and the last.
    assert_eq!(api.so_far().len(), 3, "none of those that were reset");
}

/// The same with requests that are whole: no more of them go upstream than may be reset.
#[tokio::test]
async fn calls_that_are_reset_at_once_cost_the_upstream_little() {
    let mut api = Upstream::new(vec![Say::new("", Then::Hang)]).await;
    let served = serve(&api.url(), &[], |o| o.resets_max = 10).await;
    let start = tokio::time::Instant::now();
    let mut wire = Wire::ready(served.addr).await;
    for n in 0..2_000 {
        wire.send(&[asked(2 * n + 1), cancel(2 * n + 1)].concat()).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(farewell(&mut wire).await, Some(CALM));
    drop(wire);
    let arrived = api.so_far().len();
    // Ten more are forgiven each second.
    let most = 11 + usize::try_from(start.elapsed().as_secs() + 1).unwrap() * 10;
    assert!(arrived <= most, "{arrived} of {most}");
    let (summary, _) = served.finish().await;
    assert_eq!(summary.calls, summary.left, "each was given up");
}

/// Who reads the beginning of an answer and then has enough is no such caller.
#[tokio::test]
async fn answers_that_are_cancelled_while_they_run_end_nothing() {
    let (begun, _) = EVENTS.split_once("event: content_block_stop").unwrap();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let say = format!("{head}{:x}\r\n{begun}\r\n", begun.len());
    let mut api = Upstream::new(vec![Say::new(say, Then::Hang)]).await;
    let served = serve(&api.url(), &[], |o| o.resets_max = 3).await;
    let mut wire = Wire::ready(served.addr).await;
    let body = BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"");
    for n in 0..20 {
        let stream = 2 * n + 1;
        wire.send(&[open(stream), frame(DATA, END_STREAM, stream, body.as_bytes())].concat()).await;
        while let Some(frame) = wire.next().await {
            assert_ne!(frame.kind, GOAWAY, "{n}");
            if frame.kind == HEADERS && frame.stream == stream {
                break;
            }
        }
        wire.send(&cancel(stream)).await;
        api.asked().await;
        api.left().await;
    }
    assert_eq!(read(&mut wire).await, Ok(()));
    assert_eq!(metric(&served, "clearline_streams_reset_total").await, 0);
}

/// Heads without end: one connection ends, the others do not notice.
#[tokio::test]
async fn heads_without_end_end_their_connection_alone() {
    let mut api = Upstream::new(vec![Say::message("")]).await;
    let served = serve(&api.url(), &[], |_| ()).await;
    let mut other = Wire::ready(served.addr).await;
    let begun = frame(HEADERS, END_STREAM, 1, &get(&[]));
    let part = |content: &[u8]| frame(CONTINUATION, 0, 1, content);
    let floods = [
        [begun.clone(), part(&[]).repeat(50_000)].concat(),
        [begun.clone(), part(&field(b"x-filler", b"x")).repeat(50_000)].concat(),
        [begun.clone(), part(&field(b"x-filler", &[b'x'; 16_000])).repeat(200)].concat(),
        // Places of the table, of one byte each.
        [begun, part(&[0x82; 16_000]).repeat(200)].concat(),
    ];
    for (n, flood) in (0..).zip(floods) {
        let mut wire = Wire::ready(served.addr).await;
        wire.send(&flood).await;
        let code = farewell(&mut wire).await;
        assert!(matches!(code, None | Some(1 | CALM)), "{n}: {code:?}");
        assert!(is_served(&mut other, 2 * n + 1).await, "{n}");
        assert_eq!(api.so_far().len(), 1, "{n}: the other's alone");
    }
}

/// Frames that carry nothing: what they cost is theirs alone.
#[tokio::test]
async fn frames_that_carry_nothing_hold_nobody_up() {
    let mut api = Upstream::new(vec![Say::message("")]).await;
    let served = serve(&api.url(), &[], |_| ()).await;
    let mut other = Wire::ready(served.addr).await;
    let floods = [
        ("data", [open(1), frame(DATA, 0, 1, &[]).repeat(50_000)].concat()),
        ("data of padding", [open(1), frame(DATA, PADDED, 1, &[0]).repeat(50_000)].concat()),
        ("priorities", frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 15]).repeat(50_000)),
        ("settings", frame(SETTINGS, 0, 0, &[]).repeat(50_000)),
        ("pings", frame(PING, 0, 0, &[1; 8]).repeat(50_000)),
        ("windows", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]).repeat(50_000)),
        ("resets", [open(1), cancel(1).repeat(50_000)].concat()),
        ("unknown frames", frame(0x16, 0, 0, &[]).repeat(50_000)),
    ];
    for (n, (what, flood)) in (0..).zip(floods) {
        let mut wire = Wire::ready(served.addr).await;
        // None of the answers to it is read meanwhile, so that it may stop being read as well.
        let flooding = tokio::time::timeout(Duration::from_secs(2), wire.send(&flood)).await;
        assert!(is_served(&mut other, 2 * n + 1).await, "{what}");
        println!("{what}: {}", if flooding.is_ok() { "taken" } else { "held back" });
    }
    // Its answers to pings are not waited for.
    drop(other);
    let (summary, _) = served.finish().await;
    assert_eq!((summary.calls, api.so_far().len()), (8, 8), "the other's alone");
}

#[tokio::test]
async fn calls_at_once_on_a_connection_have_their_bound() {
    let api = Upstream::new(vec![Say::message("")]).await;
    let served = serve(&api.url(), &[], |o| o.streams_max = 3).await;
    let mut wire = Wire::ready(served.addr).await;
    let first = wire.next().await.unwrap();
    assert_eq!(first.kind, SETTINGS);
    let says = |id: u16, value: u32| {
        first.content.chunks(6).any(|p| p == [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
    };
    assert!(says(3, 3), "SETTINGS_MAX_CONCURRENT_STREAMS: {:?}", first.content);
    wire.send(&[open(1), open(3), open(5), open(7)].concat()).await;
    let mut refused = None;
    while refused.is_none() {
        refused = wire.next().await.filter(|f| f.kind == RST_STREAM).map(|f| (f.stream, f.code()));
    }
    assert_eq!(refused, Some((7, REFUSED)), "one more is not begun with, and may come again");
}

/// Without HTTP/2 its preface is refused in clear, and not agreed on over TLS.
#[tokio::test]
async fn http2_can_be_switched_off() {
    let mut api = Upstream::new(vec![Say::message("")]).await;
    let served = serve(&api.url(), &[], |o| o.http2 = false).await;
    let answer = raw(served.addr, &[PREFACE, &frame(SETTINGS, 0, 0, &[]), &asked(1)].concat()).await;
    assert!(
        answer.starts_with("HTTP/1.1 505") && answer.contains("clearline-cause: request.invalid"),
        "{answer}"
    );
    assert_eq!(answer.matches("HTTP/1.1").count(), 1 + answer.matches("valid HTTP/1.1").count(), "{answer}");
    assert!(api.so_far().is_empty());
    assert_eq!(ask(served.addr, &keyed(BODY)).await.status, 200);
    let (_, log) = served.finish().await;
    assert!(log.iter().any(|l| l["event"] == "request refused" && l["status"] == 505), "{log:?}");
    let identity = Identity::new("http2");
    for (on, agreed) in [(true, "h2"), (false, "http/1.1")] {
        let served = serve(&api.url(), &[], |o| {
            o.tls = Some(identity.acceptor.clone());
            o.http2 = on;
        })
        .await;
        let laid = Laid::direct(TcpStream::connect(served.addr).await.unwrap()).unwrap();
        let offer = Offer { host: "localhost", with_name: true, alpn: &["h2", "http/1.1"] };
        let seen = clearline_net::peek(laid, offer, Dur::secs(20)).await.unwrap();
        assert_eq!(seen.agreed().and_then(|(_, alpn)| alpn).as_deref(), Some(agreed));
    }
}
