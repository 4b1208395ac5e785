//! A TCP connection to the first of some addresses that answers.

use std::io;
use std::net::SocketAddr;

use clearline_model::{Dur, Failure, Icmp, Limit, LocalFault, Stage};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::alarm::after;
use crate::fault::Fault;
use crate::fence::{Egress, Fence, Pass};

/// How long an address is tried before the next one joins in (RFC 8305 section 8).
pub const HEAD_START: Dur = Dur::millis(250);
/// The interval of TCP keepalive probes on an idle connection.
pub const KEEPALIVE: Dur = Dur::secs(60);

/// Permission denied (`errno-base.h`).
const EACCES: i32 = 13;

type Attempt = Result<(TcpStream, SocketAddr), Fault>;

/// Connects to the addresses in their order: the next one starts after [`HEAD_START`], or at once when one fails; the
/// earlier ones stay alive, and the first that connects wins.
///
/// # Errors
///
/// The most telling of the failures, with its address.
pub async fn connect(fence: &Fence, addrs: &[SocketAddr], limit: Dur) -> Attempt {
    let end = after(Instant::now(), limit);
    let mut rest = addrs.iter().copied();
    let mut running = JoinSet::new();
    let mut tried: Vec<SocketAddr> = Vec::new();
    let mut worst: Option<Fault> = None;
    loop {
        if let Some(addr) = rest.next() {
            match fence.check(Egress::Addr(addr)) {
                Ok(pass) => {
                    tried.push(addr);
                    drop(running.spawn(dial_to(pass, addr, None)));
                }
                Err(fault) => {
                    worst = telling(worst, fault);
                    continue;
                }
            }
        }
        if running.is_empty() {
            return Err(worst.unwrap_or_else(|| Fault::new(Stage::Connect, Failure::NoAddress)));
        }
        let more = rest.len() > 0;
        tokio::select! {
            biased;
            ended = running.join_next() => match ended {
                Some(Ok(Ok(won))) => return Ok(won),
                Some(Ok(Err(fault))) => worst = telling(worst, fault),
                Some(Err(_)) | None => {}
            },
            () = tokio::time::sleep_until(end) => break,
            () = tokio::time::sleep(HEAD_START.into()), if more => {}
        }
    }
    let late = Fault::new(Stage::Connect, Failure::TimedOut(Limit::Connect));
    let late = tried.first().map_or_else(|| late.clone(), |addr| late.clone().at(*addr));
    Err(telling(worst, late.clone()).unwrap_or(late))
}

/// Connects to one address. `mss` asks for segments of at most so many bytes, both ways (RFC 9293 section 3.7.1).
///
/// # Errors
///
/// A fault of [`Stage::Connect`] with the address.
pub async fn dial(fence: &Fence, addr: SocketAddr, mss: Option<u16>, limit: Dur) -> Result<TcpStream, Fault> {
    let pass = fence.check(Egress::Addr(addr))?;
    match tokio::time::timeout(limit.into(), dial_to(pass, addr, mss)).await {
        Ok(attempt) => attempt.map(|(stream, _)| stream),
        Err(_late) => Err(Fault::new(Stage::Connect, Failure::TimedOut(Limit::Connect)).at(addr)),
    }
}

async fn dial_to(_pass: Pass, addr: SocketAddr, mss: Option<u16>) -> Attempt {
    let failed = |error: io::Error| {
        let mut fault = Fault::io(Stage::Connect, &error).at(addr);
        if addr.is_ipv6() && fault.failure == Failure::Local(LocalFault::Ports) && !has_source(addr) {
            // Without an IPv6 address of its own a host has no source to choose: that is a missing route.
            fault.failure = Failure::Unreachable(Icmp::NoRoute);
        }
        if addr.is_ipv6() && fault.failure == Failure::Os(EACCES) {
            // What ICMPv6 calls prohibited (RFC 4443 section 3.1); for IPv4 the kernel says that the host cannot be reached.
            fault.failure = Failure::Unreachable(Icmp::Prohibited);
        }
        fault
    };
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(failed)?;
    if let Some(mss) = mss {
        SockRef::from(&socket).set_tcp_mss(mss.into()).map_err(failed)?;
    }
    let stream = socket.connect(addr).await.map_err(failed)?;
    // Neither option decides whether the call can succeed.
    drop(stream.set_nodelay(true));
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE.into()).with_interval(KEEPALIVE.into());
    drop(SockRef::from(&stream).set_tcp_keepalive(&keepalive));
    Ok((stream, addr))
}

/// Whether this machine has an address to speak from to another one. A datagram's socket finds out without sending anything,
/// and its ports are others than those of connections.
fn has_source(addr: SocketAddr) -> bool {
    std::net::UdpSocket::bind((std::net::Ipv6Addr::UNSPECIFIED, 0)).is_ok_and(|s| s.connect(addr).is_ok())
}

/// Keeps the fault that says more; of two that say the same, the first.
fn telling(kept: Option<Fault>, new: Fault) -> Option<Fault> {
    let rank = |failure: Failure| match failure {
        Failure::Local(LocalFault::Descriptors | LocalFault::Ports) => 6,
        Failure::Refused => 5,
        Failure::Reset => 4,
        Failure::Unreachable(_) => 3,
        Failure::TimedOut(_) => 2,
        Failure::Os(_) => 4,
        Failure::Local(LocalFault::Forbidden | LocalFault::StalePooled | LocalFault::PoolExhausted)
        | Failure::Eof
        | Failure::Rcode(..)
        | Failure::NoAddress
        | Failure::Alert(_)
        | Failure::Cert(_)
        | Failure::NotTls
        | Failure::Tunnel(_)
        | Failure::Socks(_)
        | Failure::Status(..)
        | Failure::Framing(_)
        | Failure::Ended(_)
        | Failure::Config(_) => 1,
    };
    match kept {
        Some(kept) if rank(kept.failure) >= rank(new.failure) => Some(kept),
        Some(_) | None => Some(new),
    }
}
