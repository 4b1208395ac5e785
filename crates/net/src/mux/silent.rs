//! Servers that say nothing: dead ones, and those that are slow.

use std::time::Duration;

use clearline_model::{Cause, Dur, Sent};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::peer::{ACK, DATA, END_HEADERS, HEADERS, OK, PING, Peer, SETTINGS, answer, frame, listen};
use super::tests::{Caller, text};
use crate::*;

/// Long enough for any machine; nothing waits for it where the code is right.
const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_connection_that_answers_no_ping_is_dead_for_all_of_its_calls() {
    let (listener, addr) = listen().await;
    let pings = Pings { after: Duration::from_millis(20), within: Duration::from_millis(300) };
    let caller = Caller { pool: Pool::default().pinging(pings), ..Caller::new(addr) };
    let begun = caller.send(caller.open().await, b"{}");
    let mut peer = Peer::accept(&listener, &frame(SETTINGS, 0, 0, &[])).await;
    peer.until(DATA).await;
    peer.tell(&[frame(HEADERS, END_HEADERS, 1, OK), frame(DATA, 0, 1, b"a part")].concat()).await;
    let begun = begun.await.unwrap().unwrap().0.into_body();
    let waits = caller.send(caller.lend().unwrap(), b"{}");
    peer.until(DATA).await;
    assert_eq!(SendLimits::default().first_byte, Dur::secs(600), "by itself it would wait for so long");
    let waits = timeout(LONG, waits).await.unwrap().unwrap().err().unwrap();
    assert_eq!((waits.cause(), waits.sent), (Cause::HttpNoResponse, Sent::Yes));
    let broke = timeout(LONG, begun.collect()).await.unwrap().unwrap_err();
    assert_eq!(broke.cause(), Cause::StreamStalled);
    assert!(caller.lend().is_none(), "no new call goes there");
    assert_eq!(peer.until(PING).await.flags, 0, "it was asked");
}

#[tokio::test]
async fn a_server_that_is_slow_and_answers_pings_is_waited_for() {
    let (listener, addr) = listen().await;
    let pings = Pings { after: Duration::from_millis(5), within: LONG };
    // As a reload does: all clones of a pool share it.
    let pool = Pool::default();
    pool.clone().ping(pings);
    let caller = Caller { pool, ..Caller::new(addr) };
    let slow = caller.send(caller.open().await, b"{}");
    let mut peer = Peer::accept(&listener, &frame(SETTINGS, 0, 0, &[])).await;
    peer.until(DATA).await;
    for _ in 0..5 {
        let ping = timeout(LONG, peer.until(PING)).await.unwrap();
        assert_eq!(ping.flags, 0);
        peer.send(&frame(PING, ACK, 0, &ping.content)).await;
    }
    peer.send(&answer(1, b"at last")).await;
    assert_eq!(text(slow.await.unwrap()).await, "at last");
}
