//! The transport steps, written once and used by the client and the doctor alike: resolve, connect, tunnel, handshake
//! and exchange. Whatever fails here is a [`Fault`], typed where it happens, and nothing leaves the machine without a
//! [`Pass`] of the [`Fence`].

mod alarm;
mod body;
mod conn;
mod connect;
mod fault;
mod fence;
mod hello;
mod hush;
mod line;
mod listen;
mod mux;
mod peek;
mod pool;
mod proxy;
mod resolve;
mod since;
mod target;
mod tls;
mod tunnel;
mod upload;
mod wire;

pub use alarm::{Alarm, after};
pub use body::Body;
pub use conn::{
    Conn, Exchange, Laid, Limits, MAX_HEAD_BYTES, MAX_HEADERS, Route, SendLimits, is_exposed, lay, open,
};
pub use connect::{HEAD_START, KEEPALIVE, connect, dial};
pub use fault::Fault;
pub use fence::{Egress, Fence, FenceError, Pass};
pub use hello::{Hello, Reply, hello};
pub use hush::{Hush, next_frame};
pub use hyper::body::Incoming;
pub use line::{Line, open_line};
pub use listen::{Acceptor, BadIdentity, fingerprint};
pub use mux::{CONNECTION_WINDOW, Http2, Lent, OVERHEAD_MAX, Pings, STREAM_WINDOW, STREAMS_MAX};
pub use peek::{Offer, Peek, peek};
pub use pool::{IDLE_LIMIT, MAX_IDLE, MISTRUST, OPENING, Pool, Turn, Want};
pub use proxy::{Proxy, ProxyEnv, parse_proxy};
pub use resolve::resolve;
pub use rustls::ClientConfig;
pub use target::{Scheme, Target};
pub use tls::{TrustSettings, handshake, offering_http2, tls_config, verify};
pub use tunnel::{MAX_TUNNEL_HEAD, TunnelReply};
pub use upload::{Change, ReqBody, Spill};
pub use wire::{Io, Stream, Tcp};

#[cfg(test)]
mod identity;
#[cfg(test)]
mod tests;
