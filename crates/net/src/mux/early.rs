//! Answers whose frames come in an unusual order or number, and are whole.

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;

use super::peer::{DATA, END_HEADERS, END_STREAM, HEADERS, OK, Peer, SETTINGS, answer, frame, listen, reset};
use super::tests::{Caller, text};
use crate::*;

const NO_ERROR: u32 = 0;
/// `:status 103`, written out.
const HINTS: &[u8] = &[0x08, 3, b'1', b'0', b'3'];

#[tokio::test]
async fn no_error_behind_a_whole_answer_is_none() {
    for is_slow in [false, true] {
        let (listener, addr) = listen().await;
        let caller = Caller::new(addr);
        let lent = caller.open().await;
        let limits = caller.limits;
        let request = Request::post("/").body(ReqBody::from(Bytes::from(vec![b'x'; 200_000]))).unwrap();
        let call = tokio::spawn(async move { lent.send(request, &limits).await });
        let mut peer = Peer::accept(&listener, &frame(SETTINGS, 0, 0, &[])).await;
        peer.until(DATA).await;
        if is_slow {
            peer.send(&frame(HEADERS, END_HEADERS, 1, OK)).await;
            let answered = call.await.unwrap();
            peer.tell(&[frame(DATA, END_STREAM, 1, b"whole"), reset(1, NO_ERROR)].concat()).await;
            assert_eq!(text(answered).await, "whole");
        } else {
            peer.send(&[answer(1, b"whole"), reset(1, NO_ERROR)].concat()).await;
            assert_eq!(text(call.await.unwrap()).await, "whole");
        }
    }
}

#[tokio::test]
async fn interim_answers_are_none() {
    let (listener, addr) = listen().await;
    let caller = Caller::new(addr);
    let call = caller.send(caller.open().await, b"{}");
    let mut peer = Peer::accept(&listener, &frame(SETTINGS, 0, 0, &[])).await;
    peer.until(DATA).await;
    for _ in 0..100 {
        peer.tell(&frame(HEADERS, END_HEADERS, 1, HINTS).repeat(10)).await;
    }
    peer.send(&answer(1, b"last")).await;
    let answered = call.await.unwrap();
    assert_eq!(answered.as_ref().unwrap().0.status(), 200);
    assert_eq!(text(answered).await, "last");
}

/// Fields behind a body are no part of it, and a body that is longer than announced breaks its own call alone.
#[tokio::test]
async fn trailers_and_a_body_that_is_too_long_touch_no_other_call() {
    let announced = [OK, &[0x0f, 0x0d, 1, b'4']].concat();
    let (listener, addr) = listen().await;
    let caller = Caller::new(addr);
    let long = caller.send(caller.open().await, b"{}");
    let mut peer = Peer::accept(&listener, &frame(SETTINGS, 0, 0, &[])).await;
    peer.tell(&[]).await;
    let other = caller.send(caller.lend().unwrap(), b"{}");
    peer.until(DATA).await;
    peer.send(&[frame(HEADERS, END_HEADERS, 1, &announced), frame(DATA, 0, 1, b"12345")].concat()).await;
    long.await.unwrap().unwrap().0.into_body().collect().await.unwrap_err();
    let trailers = frame(HEADERS, END_HEADERS | END_STREAM, 3, &[0, 1, b'a', 1, b'b']);
    peer.send(&[frame(HEADERS, END_HEADERS, 3, OK), frame(DATA, 0, 3, b"x"), trailers].concat()).await;
    assert_eq!(text(other.await.unwrap()).await, "x");
}

/// What a server says after its callers have left comes late, and is no fault of it.
#[tokio::test]
async fn many_callers_that_leave_at_once_end_no_other_call() {
    let (listener, addr) = listen().await;
    let caller = Caller::new(addr);
    let stays = caller.send(caller.open().await, b"{}");
    let mut peer = Peer::accept(&listener, &frame(SETTINGS, 0, 0, &[])).await;
    peer.until(DATA).await;
    peer.tell(&[]).await;
    for round in 0..3 {
        let mut leave = Vec::new();
        while let Some(lent) = caller.lend() {
            leave.push(caller.send(lent, b"{}"));
        }
        assert_eq!(leave.len(), STREAMS_MAX - 1, "round {round}");
        let mut streams = Vec::new();
        while streams.len() < leave.len() {
            streams.push(peer.until(DATA).await.stream);
        }
        for stream in &streams {
            peer.send(&frame(HEADERS, END_HEADERS, *stream, OK)).await;
        }
        for left in leave {
            drop(left.await.unwrap().unwrap());
        }
        // The rest of the windows that they had.
        for _ in 0..(STREAM_WINDOW >> 14) {
            for stream in &streams {
                peer.send(&frame(DATA, 0, *stream, &[b'x'; 1 << 14])).await;
            }
        }
        peer.tell(&[]).await;
    }
    peer.tell(&answer(1, b"here")).await;
    assert_eq!(text(stays.await.unwrap()).await, "here");
}
