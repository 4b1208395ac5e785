//! What may change while the gateway runs: the rules and limits, as set last. Each connection and each request takes those
//! that hold when it begins.

use std::net::SocketAddr;
use std::time::Duration;

use clearline_model::Dur;
use clearline_net::Acceptor;

use crate::guard::Guard;
use crate::options::Options;
use crate::quota::Quotas;

/// hyper's smallest buffer, bytes.
const BUFFER_MIN: usize = 8192;

/// The rules of a moment.
pub(crate) struct Rules {
    pub(crate) guard: Guard,
    pub(crate) limits: Limits,
    pub(crate) quotas: Quotas,
    pub(crate) tls: Option<Acceptor>,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) body_max: u64,
    pub(crate) body_timeout: Duration,
    pub(crate) body_time: Duration,
}

/// The limits of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) header_max: usize,
    pub(crate) headers_max: usize,
    pub(crate) header_timeout: Duration,
    pub(crate) handshake: Dur,
    pub(crate) write_timeout: Duration,
    pub(crate) drain: Duration,
    pub(crate) http2: Option<Http2>,
}

/// The limits of HTTP/2, where it is spoken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Http2 {
    pub(crate) streams_max: u32,
    pub(crate) resets_max: u32,
}

impl Rules {
    /// The rules of these options; `addr` is where the gateway listens in the end.
    pub(crate) fn new(mut o: Options, addr: SocketAddr) -> Self {
        let http2 = o.http2.then_some(Http2 { streams_max: o.streams_max, resets_max: o.resets_max });
        let tls = o.tls.take();
        Self {
            limits: Limits {
                header_max: o.header_max.max(BUFFER_MIN),
                headers_max: o.headers_max,
                header_timeout: o.header_timeout.into(),
                handshake: o.handshake_timeout,
                write_timeout: o.write_timeout.into(),
                drain: o.drain.into(),
                http2,
            },
            quotas: std::mem::take(&mut o.quotas),
            tls: if http2.is_some() { tls } else { tls.map(Acceptor::without_http2) },
            keep_alive: o.keep_alive.map(Duration::from),
            body_max: o.body_max,
            body_timeout: o.body_timeout.into(),
            body_time: o.body_time.into(),
            guard: Guard::new(o, addr),
        }
    }
}
