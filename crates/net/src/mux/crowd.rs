//! Many exchanges at once with a server that refuses, breaks, goes and dies, as its dice say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use clearline_model::{Dur, Sent};
use h2::Reason;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::*;

/// Numbers that look like chance (Marsaglia's xorshift).
fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed | 1;
    move |sides| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % sides
    }
}

/// Gives every request its own body back, unless the dice say otherwise.
async fn echo(stream: TcpStream, seed: u64, done: Arc<AtomicUsize>) {
    let mut roll = dice(seed);
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(5);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let fate = roll(16);
        match fate {
            0 => respond.send_reset(Reason::REFUSED_STREAM),
            1 => respond.send_reset(Reason::INTERNAL_ERROR),
            2 => connection.graceful_shutdown(),
            3 => return,
            _ => {
                let done = Arc::clone(&done);
                tokio::spawn(async move {
                    let mut body = request.into_body();
                    let mut all = Vec::new();
                    while let Some(Ok(piece)) = body.data().await {
                        all.extend_from_slice(&piece);
                        body.flow_control().release_capacity(piece.len()).ok();
                    }
                    let Ok(mut out) = respond.send_response(Response::new(()), false) else { return };
                    if fate == 4 {
                        out.send_data(Bytes::copy_from_slice(&all[..all.len() / 2]), false).ok();
                        out.send_reset(Reason::CANCEL);
                    } else if out.send_data(Bytes::from(all), true).is_ok() {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        }
    }
}

async fn server(seed: u64, done: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for n in 1.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(echo(stream, seed.wrapping_mul(n), Arc::clone(&done)));
        }
    });
    addr
}

/// One caller: its answers are its own or none, and some of them it does not wait for.
async fn caller(addr: SocketAddr, pool: Pool, n: u64) -> (usize, usize) {
    let mut roll = dice(n * 7_919 + 1);
    let target = Target::parse(&format!("http://{addr}")).unwrap();
    let tls = tls_config(&TrustSettings { system: false, ..TrustSettings::default() }).unwrap();
    let route = Route { target: &target, proxy: None, tls };
    let (fence, limits) = (Fence::parse(Some("loopback")).unwrap(), Limits::default());
    let (mut answered, mut refused) = (0, 0);
    for call in 0..20 {
        let lent = match pool.lend_or_turn(&route.key(), &Want::default()).await {
            Ok(lent) => lent,
            Err(turn) => {
                let how = (Http2::Prior, turn, &pool);
                match open_line(&fence, route.clone(), &[], (&limits, &mut |_, _| {}), how).await {
                    Ok(Line::Shared(lent)) => lent,
                    Ok(Line::Own(_)) => panic!("HTTP/1.1"),
                    // The server was gone again before the first stream.
                    Err(fault) => {
                        assert_eq!(fault.sent, Sent::No);
                        continue;
                    }
                }
            }
        };
        let body = Bytes::from(format!("{n} {call} ").repeat(1 + usize::try_from(roll(9_000)).unwrap()));
        let request = Request::post("/").body(body.clone()).unwrap();
        let limits = SendLimits { send: Dur::secs(20), first_byte: Dur::secs(20) };
        let (response, _) = match lent.send(request, &limits).await {
            Ok(answer) => answer,
            Err(fault) => {
                refused += usize::from(fault.sent == Sent::No);
                continue;
            }
        };
        if roll(8) == 0 {
            continue;
        }
        if let Ok(whole) = response.into_body().collect().await {
            assert!(whole.to_bytes() == body, "somebody else's answer, or a part of one");
            answered += 1;
        }
    }
    (answered, refused)
}

#[tokio::test]
async fn nobody_gets_a_part_or_anothers_answer_and_every_place_is_given_back() {
    for seed in [1, 2, 3] {
        let done = Arc::new(AtomicUsize::new(0));
        let addr = server(seed, Arc::clone(&done)).await;
        let pool = Pool::default();
        let callers: Vec<_> =
            (0..16).map(|n| tokio::spawn(caller(addr, pool.clone(), n + seed * 100))).collect();
        let (mut answered, mut refused) = (0, 0);
        for caller in callers {
            let (more, less) = caller.await.unwrap();
            answered += more;
            refused += less;
        }
        assert!(answered > 100 && refused > 0, "{answered} answered, {refused} refused");
        assert!(answered <= done.load(Ordering::Relaxed));
        assert_eq!(pool.lent(&format!("http://{addr}")), 0, "nobody holds a place");
    }
}
