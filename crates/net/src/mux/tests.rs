//! Exchanges on shared connections, against servers that say every frame themselves.

use std::net::SocketAddr;
use std::task::Poll;

use bytes::Bytes;
use clearline_model::{Cause, Dur, Failure, Framing, Limit, LocalFault, Sent, Stage};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::peer::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, OK, Peer, RST_STREAM, SETTINGS, WINDOW_UPDATE, answer,
    frame, go_away, listen, reset, setting,
};
use crate::*;

const NO_ERROR: u32 = 0;
const PROTOCOL_ERROR: u32 = 1;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;
const HTTP_1_1_REQUIRED: u32 = 13;

pub(super) type Answered = Result<(Response<Body>, Dur), Fault>;

/// A client that knows that the server speaks HTTP/2.
pub(super) struct Caller {
    pub(super) addr: SocketAddr,
    pub(super) pool: Pool,
    pub(super) limits: SendLimits,
}

impl Caller {
    pub(super) fn new(addr: SocketAddr) -> Self {
        Self { addr, pool: Pool::default(), limits: SendLimits::default() }
    }

    fn key(&self) -> String {
        format!("http://127.0.0.1:{}", self.addr.port())
    }

    pub(super) async fn open(&self) -> Lent {
        self.open_in(Turn::default()).await
    }

    async fn open_in(&self, turn: Turn) -> Lent {
        let target = Target::parse(&format!("http://{}", self.addr)).unwrap();
        let trust = TrustSettings { system: false, ..TrustSettings::default() };
        let route = Route { target: &target, proxy: None, tls: tls_config(&trust).unwrap() };
        let fence = Fence::parse(Some("loopback")).unwrap();
        let (limits, on) = (Limits::default(), &mut |_, _| {});
        match open_line(&fence, route, &[], (&limits, on), (Http2::Prior, turn, &self.pool)).await.unwrap() {
            Line::Shared(lent) => lent,
            Line::Own(_) => panic!("HTTP/1.1"),
        }
    }

    pub(super) fn lend(&self) -> Option<Lent> {
        self.pool.lend(&self.key(), &Want::default())
    }

    /// Sends in the background.
    pub(super) fn send(&self, lent: Lent, body: &'static [u8]) -> JoinHandle<Answered> {
        let limits = self.limits;
        tokio::spawn(async move { lent.send(post(body), &limits).await })
    }
}

fn post(body: &'static [u8]) -> Request<ReqBody> {
    Request::post("/v1/messages?a=b").header("host", "x").body(Bytes::from_static(body).into()).unwrap()
}

pub(super) async fn text(answered: Answered) -> Bytes {
    answered.unwrap().0.into_body().collect().await.unwrap().to_bytes()
}

/// A connection on which one stream was answered, and the server's end of it.
async fn used(listener: &TcpListener, caller: &Caller) -> Peer {
    let call = caller.send(caller.open().await, b"{}");
    let mut peer = Peer::accept(listener, &frame(SETTINGS, 0, 0, &[])).await;
    peer.until(DATA).await;
    peer.send(&answer(1, b"first")).await;
    assert_eq!(text(call.await.unwrap()).await, "first");
    peer
}

#[tokio::test]
async fn a_head_is_that_of_http_2_and_nothing_of_it_is_lost() {
    let (listener, addr) = listen().await;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let (head, mut body) = request.into_parts();
        let head_only = Response::builder().header("x-b", "1").header("x-a", "2").body(()).unwrap();
        let mut out = respond.send_response(head_only, false).unwrap();
        let served = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(piece) = body.data().await {
                let piece = piece.unwrap();
                all.extend_from_slice(&piece);
                body.flow_control().release_capacity(piece.len()).unwrap();
            }
            out.send_data(Bytes::from_static(b"whole"), false).unwrap();
            out.send_trailers([("x-late".parse().unwrap(), "no".parse().unwrap())].into_iter().collect())
                .unwrap();
            all
        });
        while connection.accept().await.is_some() {}
        (head, served.await.unwrap())
    });
    let caller = Caller::new(addr);
    let lent = caller.open().await;
    assert!(!lent.is_used());
    let body = Bytes::from(vec![b'x'; 1 << 20]);
    let request = Request::post("/v1/messages?a=%20b")
        .header("host", "elsewhere")
        .header("x-z", "1")
        .header("connection", "keep-alive")
        .header("transfer-encoding", "chunked")
        .header("keep-alive", "5")
        .header("te", "gzip")
        .header("cookie", "a=1; b=2")
        .header("x-api-key", "sk-ant-fake")
        .header("X-Many", "1")
        .header("X-Many", "2")
        .header("x-a", "3")
        .body(ReqBody::from(body.clone()))
        .unwrap();
    let (response, _) = lent.send(request, &caller.limits).await.unwrap();
    let names: Vec<_> = response.headers().keys().map(|name| name.as_str().to_owned()).collect();
    assert_eq!(names, ["x-b", "x-a"]);
    let whole = response.into_body().collect().await.unwrap();
    assert!(whole.trailers().is_none());
    assert_eq!(whole.to_bytes(), "whole");
    let lent = caller.lend().unwrap();
    assert!(lent.is_used() && lent.addr() == addr);
    drop(lent);
    drop(caller);
    let (head, got) = server.await.unwrap();
    assert_eq!(head.uri, *format!("http://{addr}/v1/messages?a=%20b"));
    let fields: Vec<_> =
        head.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    let expected = [
        "x-z: 1",
        "cookie: a=1; b=2",
        "x-api-key: sk-ant-fake",
        "x-many: 1",
        "x-many: 2",
        "x-a: 3",
        "content-length: 1048576",
    ];
    assert_eq!(fields, expected);
    assert_eq!(got, body);
}

#[tokio::test]
async fn one_connection_is_shared_up_to_what_the_server_takes() {
    let (listener, addr) = listen().await;
    let caller = Caller::new(addr);
    let first = caller.send(caller.open().await, b"{}");
    let mut peer = Peer::silent(&listener).await;
    peer.until(DATA).await;
    assert!(caller.lend().is_none(), "it is not known how many streams there may be");
    peer.send(&[setting(3, 2), frame(HEADERS, END_HEADERS, 1, OK)].concat()).await;
    let (first, _) = first.await.unwrap().unwrap();
    let second = caller.lend().unwrap();
    assert!(caller.lend().is_none(), "two of two");
    let second = caller.send(second, b"");
    peer.until(HEADERS).await;
    peer.send(&answer(3, b"second")).await;
    assert_eq!(text(second.await.unwrap()).await, "second");
    assert!(caller.lend().is_some(), "a place was given back");
    peer.send(&frame(DATA, END_STREAM, 1, b"first")).await;
    assert_eq!(first.into_body().collect().await.unwrap().to_bytes(), "first");
    assert_eq!(caller.pool.shared(&caller.key()), 1);
    let fresh = Want { fresh: true, ..Want::default() };
    assert!(caller.pool.lend(&caller.key(), &fresh).is_none());
    let avoided = [addr];
    let avoid = Want { avoid: &avoided, ..Want::default() };
    assert!(caller.pool.lend(&caller.key(), &avoid).is_none());
}

#[tokio::test]
async fn the_fullest_connection_is_lent_and_those_that_idle_are_closed() {
    let (listener, addr) = listen().await;
    let caller = Caller { pool: Pool::new(64, Dur::ZERO), ..Caller::new(addr) };
    let mut peers = Vec::new();
    let mut calls = Vec::new();
    for _ in 0..2 {
        calls.push(caller.send(caller.open().await, b"{}"));
        let mut peer = Peer::accept(&listener, &frame(SETTINGS, 0, 0, &[])).await;
        peer.until(DATA).await;
        peer.send(&frame(HEADERS, END_HEADERS, 1, OK)).await;
        peers.push(peer);
    }
    let mut bodies = Vec::new();
    for call in calls {
        bodies.push(call.await.unwrap().unwrap().0.into_body());
    }
    let third = caller.send(caller.lend().unwrap(), b"{}");
    // The newer one is as full as the older one; from then on one of them is fuller.
    let fourth = caller.send(caller.lend().unwrap(), b"{}");
    peers[0].until(DATA).await;
    peers[0].until(DATA).await;
    peers[0].send(&[answer(3, b"3"), answer(5, b"5")].concat()).await;
    assert_eq!(
        (text(third.await.unwrap()).await, text(fourth.await.unwrap()).await),
        ("3".into(), "5".into())
    );
    let other = bodies.pop().unwrap();
    peers[1].send(&frame(DATA, END_STREAM, 1, b"")).await;
    assert_eq!(other.collect().await.unwrap().to_bytes(), "");
    // Its last stream has ended, and the limit of idle connections is nothing.
    assert!(caller.lend().is_some());
    assert_eq!(caller.pool.shared(&caller.key()), 1);
    while peers[1].next().await.is_some() {}
}

#[tokio::test]
async fn a_connection_that_idles_is_closed_although_nobody_asks_for_one() {
    let (listener, addr) = listen().await;
    let caller = Caller { pool: Pool::new(64, Dur::millis(100)), ..Caller::new(addr) };
    let call = caller.send(caller.open().await, b"{}");
    let mut peer = Peer::accept(&listener, &frame(SETTINGS, 0, 0, &[])).await;
    peer.until(DATA).await;
    peer.send(&answer(1, b"1")).await;
    assert_eq!(text(call.await.unwrap()).await, "1");
    while peer.next().await.is_some() {}
    assert_eq!(caller.pool.shared(&caller.key()), 0);
}

/// What a server's frames mean before the head of an answer; whether the connection takes new streams afterwards.
#[tokio::test]
async fn an_end_before_the_head_says_whether_the_request_was_looked_at() {
    let h2 = Failure::Framing(Framing::H2);
    let stale = Failure::Local(LocalFault::StalePooled);
    let data = frame(DATA, 0, 3, b"no head");
    for (what, says, failure, sent, goes_on) in [
        ("refused", reset(3, REFUSED_STREAM), Failure::Reset, Sent::No, true),
        ("broken", reset(3, INTERNAL_ERROR), Failure::Reset, Sent::Yes, false),
        ("cancelled", reset(3, CANCEL), Failure::Reset, Sent::Yes, false),
        ("for nothing", reset(3, NO_ERROR), Failure::Reset, Sent::Yes, false),
        ("calm", reset(3, ENHANCE_YOUR_CALM), Failure::Reset, Sent::Yes, false),
        ("1.1", reset(3, HTTP_1_1_REQUIRED), h2, Sent::Yes, false),
        ("violated", reset(3, PROTOCOL_ERROR), h2, Sent::Yes, false),
        ("goes, unseen", go_away(1, NO_ERROR), stale, Sent::No, false),
        ("goes, unseen and loaded", go_away(1, ENHANCE_YOUR_CALM), stale, Sent::No, false),
        ("goes, violated", go_away(0, PROTOCOL_ERROR), h2, Sent::No, false),
        ("violates", data, h2, Sent::Yes, false),
        ("no frame", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), h2, Sent::Yes, false),
        ("closed", Vec::new(), Failure::Eof, Sent::Yes, false),
    ] {
        let (listener, addr) = listen().await;
        let caller = Caller::new(addr);
        let mut peer = used(&listener, &caller).await;
        let call = caller.send(caller.lend().unwrap(), b"{}");
        peer.until(DATA).await;
        peer.send(&says).await;
        if says.is_empty() {
            peer.close().await;
        }
        let fault = call.await.unwrap().err().unwrap();
        assert_eq!((fault.failure, fault.sent, fault.addr), (failure, sent, Some(addr)), "{what}: {fault}");
        assert_eq!(caller.lend().is_some(), goes_on, "{what}");
        let cause = match (failure, sent) {
            (Failure::Framing(_), _) => Cause::TlsH2Broken,
            (Failure::Local(_), _) => Cause::TcpStalePooled,
            (Failure::Reset, Sent::No) => Cause::TcpReset,
            (Failure::Reset, _) => Cause::HttpResetBeforeResponse,
            _ => Cause::HttpClosedBeforeResponse,
        };
        assert_eq!(fault.cause(), cause, "{what}");
    }
}

#[tokio::test]
async fn a_server_that_goes_finishes_what_it_has_and_gets_nothing_new() {
    let (listener, addr) = listen().await;
    let caller = Caller::new(addr);
    let mut peer = used(&listener, &caller).await;
    let kept = caller.send(caller.lend().unwrap(), b"{}");
    peer.until(DATA).await;
    let late = caller.send(caller.lend().unwrap(), b"{}");
    peer.until(DATA).await;
    peer.send(&go_away(3, NO_ERROR)).await;
    let fault = late.await.unwrap().err().unwrap();
    assert_eq!((fault.sent, fault.cause()), (Sent::No, Cause::TcpStalePooled));
    assert!(caller.lend().is_none());
    peer.send(&answer(3, b"kept")).await;
    assert_eq!(text(kept.await.unwrap()).await, "kept");
    while peer.next().await.is_some() {}
}

#[tokio::test]
async fn an_end_inside_the_body_is_what_it_is_with_http_1() {
    let announced = [OK, &[0x0f, 0x0d, 1, b'9']].concat();
    let h2 = Failure::Framing(Framing::H2);
    let short = Failure::Framing(Framing::Short);
    for (what, head, says, failure) in [
        ("reset", OK, reset(1, INTERNAL_ERROR), Failure::Reset),
        ("cancelled", OK, reset(1, CANCEL), Failure::Reset),
        ("for nothing", OK, reset(1, NO_ERROR), Failure::Reset),
        ("violated", OK, reset(1, PROTOCOL_ERROR), Failure::Reset),
        ("closed", OK, Vec::new(), short),
        ("too short", &announced[..], frame(DATA, END_STREAM, 1, b"1234"), short),
        ("violates", OK, frame(HEADERS, END_HEADERS, 1, OK), h2),
    ] {
        let (listener, addr) = listen().await;
        let caller = Caller::new(addr);
        let call = caller.send(caller.open().await, b"{}");
        let mut peer = Peer::accept(&listener, &frame(SETTINGS, 0, 0, &[])).await;
        peer.until(DATA).await;
        peer.send(&[frame(HEADERS, END_HEADERS, 1, head), frame(DATA, 0, 1, b"part")].concat()).await;
        let mut body = call.await.unwrap().unwrap().0.into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "part", "{what}");
        peer.send(&says).await;
        if says.is_empty() {
            peer.close().await;
        }
        let ended = loop {
            match body.frame().await.unwrap() {
                Ok(_) => {}
                Err(fault) => break fault,
            }
        };
        assert_eq!(
            (ended.stage, ended.failure, ended.sent),
            (Stage::Body, failure, Sent::Yes),
            "{what}: {ended}"
        );
        assert!(body.frame().await.is_none() && caller.lend().is_none(), "{what}");
    }
}

#[tokio::test]
async fn what_is_dropped_resets_its_stream_and_leaves_the_others_alone() {
    let (listener, addr) = listen().await;
    let caller = Caller::new(addr);
    let mut peer = used(&listener, &caller).await;
    let stays = caller.send(caller.lend().unwrap(), b"{}");
    peer.until(DATA).await;
    for (stream, has_head) in [(5, false), (7, true)] {
        let leaves = caller.send(caller.lend().unwrap(), b"{}");
        assert_eq!(peer.until(DATA).await.stream, stream);
        if has_head {
            peer.send(&[frame(HEADERS, END_HEADERS, stream, OK), frame(DATA, 0, stream, b"x")].concat())
                .await;
            drop(leaves.await.unwrap().unwrap());
        } else {
            leaves.abort();
        }
        let told = peer.until(RST_STREAM).await;
        assert_eq!((told.stream, told.code()), (stream, CANCEL));
    }
    peer.send(&answer(3, b"still here")).await;
    assert_eq!(text(stays.await.unwrap()).await, "still here");
    assert!(caller.lend().is_some());
}

#[tokio::test]
async fn an_error_answer_is_the_last_one_of_its_connection() {
    let (listener, addr) = listen().await;
    let caller = Caller::new(addr);
    let mut peer = used(&listener, &caller).await;
    let runs = caller.send(caller.lend().unwrap(), b"{}");
    peer.until(DATA).await;
    let fails = caller.send(caller.lend().unwrap(), b"{}");
    peer.until(DATA).await;
    // `:status 500` of the static table.
    peer.send(&[frame(HEADERS, END_HEADERS, 5, &[0x8e]), frame(DATA, END_STREAM, 5, b"no")].concat()).await;
    let (response, _) = fails.await.unwrap().unwrap();
    assert_eq!(response.status().as_u16(), 500);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "no");
    assert!(caller.lend().is_none());
    peer.send(&answer(3, b"goes on")).await;
    assert_eq!(text(runs.await.unwrap()).await, "goes on");
    while peer.next().await.is_some() {}
}

#[tokio::test]
async fn silence_ends_the_limits_and_the_connection_is_not_lent_again() {
    let (soon, far) = (Dur::millis(30), Dur::secs(20));
    for (what, window, limits, stage, limit) in [
        ("no head", 65_535, SendLimits { send: far, first_byte: soon }, Stage::Head, Limit::FirstByte),
        ("no room for the body", 1, SendLimits { send: soon, first_byte: far }, Stage::Send, Limit::Send),
    ] {
        let (listener, addr) = listen().await;
        let mut caller = Caller::new(addr);
        let mut peer = used(&listener, &caller).await;
        peer.tell(&setting(4, window)).await;
        caller.limits = limits;
        let fault = caller.send(caller.lend().unwrap(), b"{}").await.unwrap().err().unwrap();
        assert_eq!((fault.stage, fault.failure), (stage, Failure::TimedOut(limit)), "{what}");
        assert_eq!(fault.sent == Sent::Yes, stage == Stage::Head, "{what}");
        assert!(caller.lend().is_none(), "{what}");
    }
    let (listener, addr) = listen().await;
    let caller = Caller::new(addr);
    let mut peer = used(&listener, &caller).await;
    let call = caller.send(caller.lend().unwrap(), b"{}");
    peer.until(DATA).await;
    peer.send(&frame(HEADERS, END_HEADERS, 3, OK)).await;
    let mut body = call.await.unwrap().unwrap().0.into_body();
    let now = tokio::time::Instant::now();
    std::future::poll_fn(|cx| {
        assert!(http_body::Body::poll_frame(std::pin::Pin::new(&mut body), cx).is_pending());
        body.poll_silent(now, cx)
    })
    .await;
    assert!(caller.lend().is_none());
}

#[tokio::test]
async fn a_stream_that_never_opened_was_not_sent() {
    let (listener, addr) = listen().await;
    let mut caller = Caller::new(addr);
    let mut peer = used(&listener, &caller).await;
    let lent = caller.lend().unwrap();
    peer.tell(&setting(3, 0)).await;
    caller.limits = SendLimits { send: Dur::millis(30), first_byte: Dur::secs(20) };
    let call = caller.send(lent, b"{}");
    // Something else is written meanwhile.
    peer.tell(&[]).await;
    let fault = call.await.unwrap().err().unwrap();
    assert_eq!((fault.failure, fault.sent), (Failure::TimedOut(Limit::Send), Sent::No));
    assert_eq!(fault.cause(), Cause::TcpTimeout);
}

#[tokio::test]
async fn a_reader_who_takes_nothing_fills_its_window_and_holds_nobody_up() {
    let (listener, addr) = listen().await;
    let caller = Caller::new(addr);
    let mut peer = used(&listener, &caller).await;
    let mut slow = Vec::new();
    let full = STREAM_WINDOW as usize;
    let piece = frame(DATA, 0, 0, &[b'x'; 16_384]);
    for stream in (3..9).step_by(2) {
        let call = caller.send(caller.lend().unwrap(), b"{}");
        peer.until(DATA).await;
        peer.send(&frame(HEADERS, END_HEADERS, stream, OK)).await;
        for _ in 0..full / 16_384 {
            let mut piece = piece.clone();
            piece[8] = u8::try_from(stream).unwrap();
            peer.send(&piece).await;
        }
        slow.push(call.await.unwrap().unwrap().0.into_body());
    }
    let quick = caller.send(caller.lend().unwrap(), b"{}");
    assert_eq!(peer.until(DATA).await.stream, 9);
    peer.send(&answer(9, b"quick")).await;
    assert_eq!(text(quick.await.unwrap()).await, "quick");
    // Nothing was let in beyond the windows of those who took nothing; the first piece that is taken makes room.
    let mut reader = slow.remove(0);
    let mut taken = 0;
    while taken < full {
        taken += reader.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
    let room = loop {
        let told = peer.until(WINDOW_UPDATE).await;
        if told.stream > 0 {
            break told;
        }
    };
    assert_eq!(room.stream, 3, "only who takes gets more");
    // One byte more than its window ends a stream, and not the connection.
    peer.send(&frame(DATA, 0, 5, b"x")).await;
    let told = peer.until(RST_STREAM).await;
    assert_eq!((told.stream, told.code()), (5, 3), "FLOW_CONTROL_ERROR");
    assert!(caller.lend().is_some());
}

#[tokio::test]
async fn very_small_pieces_that_nobody_takes_are_bounded() {
    let (listener, addr) = listen().await;
    let caller = Caller::new(addr);
    let mut peer = used(&listener, &caller).await;
    let call = caller.send(caller.lend().unwrap(), b"{}");
    peer.until(DATA).await;
    peer.send(&frame(HEADERS, END_HEADERS, 3, OK)).await;
    let body = call.await.unwrap().unwrap().0.into_body();
    // h2 counts 255 bytes besides for a piece of one byte.
    let most = OVERHEAD_MAX / 255 + 1;
    assert!(most < STREAM_WINDOW as usize, "the window alone would let in more");
    peer.send(&frame(DATA, 0, 3, b"x").repeat(most)).await;
    let told = peer.until(GOAWAY).await;
    assert_eq!(told.content[4..8], ENHANCE_YOUR_CALM.to_be_bytes());
    let fault = body.collect().await.unwrap_err();
    assert_eq!(fault.failure, Failure::Framing(Framing::H2));
}

#[tokio::test]
async fn an_answer_may_come_before_the_whole_request_is_there() {
    let (listener, addr) = listen().await;
    let caller = Caller::new(addr);
    let lent = caller.open().await;
    let body = Bytes::from(vec![b'x'; 200_000]);
    let limits = caller.limits;
    let request = Request::post("/").body(ReqBody::from(body)).unwrap();
    let call = tokio::spawn(async move { lent.send(request, &limits).await });
    let mut peer = Peer::accept(&listener, &frame(SETTINGS, 0, 0, &[])).await;
    let mut got = peer.until(DATA).await.content.len();
    peer.send(&frame(HEADERS, END_HEADERS, 1, OK)).await;
    let answer = call.await.unwrap().unwrap().0.into_body();
    // The rest of the request goes on while the answer is read.
    let open =
        [frame(WINDOW_UPDATE, 0, 0, &[0, 8, 0, 0]), frame(WINDOW_UPDATE, 0, 1, &[0, 8, 0, 0])].concat();
    peer.send(&open).await;
    let reading = tokio::spawn(async move { answer.collect().await.unwrap().to_bytes() });
    loop {
        let part = peer.until(DATA).await;
        got += part.content.len();
        if part.flags & END_STREAM > 0 {
            break;
        }
    }
    assert_eq!(got, 200_000);
    peer.send(&frame(DATA, END_STREAM, 1, b"done")).await;
    assert_eq!(reading.await.unwrap(), "done");
}

#[tokio::test]
async fn heads_are_bounded() {
    let (listener, addr) = listen().await;
    let caller = Caller::new(addr);
    let call = caller.send(caller.open().await, b"{}");
    let mut peer = Peer::accept(&listener, &frame(SETTINGS, 0, 0, &[])).await;
    peer.until(DATA).await;
    let many: Vec<u8> =
        OK.iter().copied().chain((0..=MAX_HEADERS).flat_map(|_| [0, 1, b'a', 1, b'b'])).collect();
    peer.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &many)).await;
    let fault = call.await.unwrap().err().unwrap();
    assert_eq!((fault.stage, fault.failure), (Stage::Head, Failure::Framing(Framing::TooLarge)));
}

#[tokio::test]
async fn a_body_says_how_much_is_to_come() {
    let (listener, addr) = listen().await;
    let caller = Caller::new(addr);
    let call = caller.send(caller.open().await, b"{}");
    let mut peer = Peer::accept(&listener, &frame(SETTINGS, 0, 0, &[])).await;
    peer.until(DATA).await;
    // `content-length: 9`
    let head = [OK, &[0x0f, 0x0d, 1, b'9']].concat();
    peer.send(&[frame(HEADERS, END_HEADERS, 1, &head), frame(DATA, 0, 1, b"1234")].concat()).await;
    let mut body = call.await.unwrap().unwrap().0.into_body();
    let hint = |body: &Body| http_body::Body::size_hint(body).exact();
    assert_eq!(hint(&body), Some(9));
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "1234");
    assert_eq!(hint(&body), Some(5));
    peer.send(&frame(DATA, END_STREAM, 1, b"56789")).await;
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "56789");
    assert!(http_body::Body::is_end_stream(&body) && hint(&body) == Some(0));
    let over = std::future::poll_fn(|cx| {
        Poll::Ready(body.poll_silent(tokio::time::Instant::now(), cx).is_pending())
    });
    assert!(over.await, "nothing is waited for");
}

#[tokio::test]
async fn calls_that_come_together_wait_for_the_one_that_opens_a_connection() {
    let (listener, addr) = listen().await;
    let caller = Caller { pool: Pool::default().waiting(Dur::secs(20)), ..Caller::new(addr) };
    let (key, want) = (caller.key(), Want::default());
    let first = caller.pool.lend_or_turn(&key, &want).await.err().unwrap();
    let fresh = Want { fresh: true, ..Want::default() };
    assert!(caller.pool.lend_or_turn(&key, &fresh).await.is_err(), "who wants a new one waits for nobody");
    let wait = |_| {
        let (pool, key) = (caller.pool.clone(), key.clone());
        tokio::spawn(async move { pool.lend_or_turn(&key, &Want::default()).await })
    };
    let mut waiting: Vec<_> = (0..5).map(wait).collect();
    tokio::task::yield_now().await;
    // It fails: another one has the turn.
    drop(first);
    let mut second = None;
    while second.is_none() {
        tokio::task::yield_now().await;
        if let Some(at) = waiting.iter().position(JoinHandle::is_finished) {
            second = waiting.swap_remove(at).await.unwrap().err();
        }
    }
    assert!(waiting.iter().all(|other| !other.is_finished()), "one at a time");
    let call = caller.send(caller.open_in(second.unwrap()).await, b"{}");
    let mut peer = Peer::accept(&listener, &frame(SETTINGS, 0, 0, &[])).await;
    for other in waiting {
        let _place = other.await.unwrap().ok().unwrap();
    }
    peer.until(DATA).await;
    peer.send(&answer(1, b"")).await;
    assert_eq!(text(call.await.unwrap()).await, "");
    // Whoever has waited for long enough opens its own.
    let slow = Pool::default().waiting(Dur::millis(5));
    let _turn = slow.lend_or_turn(&key, &want).await.err().unwrap();
    assert!(slow.lend_or_turn(&key, &want).await.is_err());
    // Nobody waits where connections are not shared anyway.
    let apart = Pool::default().waiting(Dur::secs(20));
    apart.keep_apart(&key);
    let _turns = [apart.lend_or_turn(&key, &want).await.err(), apart.lend_or_turn(&key, &want).await.err()];
}
