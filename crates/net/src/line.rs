//! What a request goes over, and which of the two it becomes.

use std::net::SocketAddr;

use clearline_model::{Dur, Failure, Stage};

use crate::conn::{Conn, Limits, Route, finish, own};
use crate::fault::Fault;
use crate::fence::Fence;
use crate::mux::{Http2, Lent, Mux, Trust};
use crate::pool::{Pool, Turn};
use crate::target::Scheme;

/// What one request goes over.
pub enum Line {
    /// A connection of its own, with HTTP/1.1.
    Own(Conn),
    /// A stream of a shared one, with HTTP/2.
    Shared(Lent),
}

impl Line {
    /// The address at the other end: the proxy's where there is one.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        match self {
            Self::Own(conn) => conn.addr(),
            Self::Shared(lent) => lent.addr(),
        }
    }

    /// Whether the connection was used before.
    #[must_use]
    pub const fn is_used(&self) -> bool {
        match self {
            Self::Own(conn) => conn.uses() > 0,
            Self::Shared(lent) => lent.is_used(),
        }
    }
}

/// Opens a connection as [`open`](crate::open) does, and speaks HTTP/2 on it where the server chose it, or, in clear, where it
/// is known to speak it. The pool lends such a connection from then on, first to those who wait for this `turn`.
///
/// # Errors
///
/// The fault of the step that failed.
pub async fn open_line(
    fence: &Fence,
    route: Route<'_>,
    addrs: &[SocketAddr],
    how: (&Limits, &mut (dyn FnMut(Stage, Dur) + Send)),
    (http2, turn, pool): (Http2, Turn, &Pool),
) -> Result<Line, Fault> {
    let (laid, chosen) = finish(fence, &route, addrs, how).await?;
    let known = http2 == Http2::Prior && route.target.scheme == Scheme::Http && !laid.is_forwarded();
    if !chosen && !known {
        if http2 != Http2::Off {
            pool.keep_apart(&route.key());
        }
        drop(turn);
        return own(laid, &route).await.map(Line::Own);
    }
    // Where HTTP/2 is known to be spoken, there is nothing to fall back to.
    let trust = Trust::new(route.key(), (http2 == Http2::Auto).then(|| pool.listener()));
    let mux = Mux::open(laid, route.target, (trust, turn, pool.pings())).await?;
    let (addr, lent) = (mux.addr(), mux.lend());
    pool.share(mux);
    let gone = || Fault::new(Stage::Send, Failure::Eof).at(addr);
    lent.map(Line::Shared).ok_or_else(gone)
}
