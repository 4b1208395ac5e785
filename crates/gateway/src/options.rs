//! What can be set, and what can go wrong before the first request.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clearline_model::{Dur, Secret};
use clearline_net::Acceptor;

use crate::quota::Quotas;

/// Where the log goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LogTarget {
    /// Nowhere.
    #[default]
    None,
    /// To the standard error output.
    Stderr,
    /// To the end of this file.
    File(PathBuf),
}

/// A token that a caller shows, and the name it goes by in logs.
#[derive(Debug)]
pub struct CallerToken {
    /// The name.
    pub alias: String,
    /// The token.
    pub secret: Secret,
}

/// How a gateway is exposed, and its limits.
#[derive(Debug)]
pub struct Options {
    /// Where calls come in.
    pub listen: SocketAddr,
    /// Where `/metrics`, `/healthz`, `/readyz` and `/` are served.
    pub admin: Option<SocketAddr>,
    /// The first segment of every path, unguessable; whoever does not know it gets a 404.
    pub prefix: Option<String>,
    /// One token per caller. Without any, everybody on loopback may call.
    pub tokens: Vec<CallerToken>,
    /// Accepted names in `Host`, beside loopback.
    pub hosts: Vec<String>,
    /// Accepted values of `Origin`.
    pub origins: Vec<String>,
    /// The largest request body, bytes.
    pub body_max: u64,
    /// From which size on a request's body waits in a file and not in memory, bytes.
    pub spill_over: u64,
    /// How much memory the bodies of requests may take together, bytes; what does not fit waits in files.
    pub body_memory: u64,
    /// The folder of these files; they have no name there.
    pub spill_dir: PathBuf,
    /// The largest request head, bytes.
    pub header_max: usize,
    /// The most headers of a request.
    pub headers_max: usize,
    /// How long the head of a request may take.
    pub header_timeout: Dur,
    /// The longest silence within a request's body.
    pub body_timeout: Dur,
    /// The longest time that a request's body may take as a whole.
    pub body_time: Dur,
    /// How long a caller may take nothing of an answer that waits for it.
    pub write_timeout: Dur,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Dur,
    /// The certificate; with one, calls come in over TLS.
    pub tls: Option<Acceptor>,
    /// How much each caller may ask for.
    pub quotas: Quotas,
    /// HTTP/2 is spoken with callers that want it.
    pub http2: bool,
    /// The most calls at once on one connection of HTTP/2.
    pub streams_max: u32,
    /// How many streams of one connection of HTTP/2 a caller may reset at once, unanswered and within a second; ten more each
    /// second.
    pub resets_max: u32,
    /// The most connections at once; more wait.
    pub connections_max: usize,
    /// How long running calls may take after the stop.
    pub drain: Dur,
    /// A stream that says nothing for so long gets a comment, from its very beginning on; `None` leaves streams as they are.
    pub keep_alive: Option<Dur>,
    /// The client injects keys of its own.
    pub has_pool: bool,
    /// Where the log goes, shown on the status page; the [`crate::Readers`] write it.
    pub log: LogTarget,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8787)),
            admin: None,
            prefix: None,
            tokens: Vec::new(),
            hosts: Vec::new(),
            origins: Vec::new(),
            body_max: 32 << 20,
            spill_over: 1 << 20,
            body_memory: 64 << 20,
            spill_dir: std::env::temp_dir(),
            header_max: 64 << 10,
            headers_max: 100,
            header_timeout: Dur::secs(10),
            body_timeout: Dur::secs(60),
            body_time: Dur::secs(600),
            write_timeout: Dur::secs(300),
            handshake_timeout: Dur::secs(10),
            tls: None,
            quotas: Quotas::default(),
            http2: true,
            streams_max: 128,
            resets_max: 100,
            connections_max: 4096,
            drain: Dur::secs(30),
            keep_alive: None,
            has_pool: false,
            log: LogTarget::None,
        }
    }
}

impl Options {
    /// Whether callers are kept out whom this listening address lets in.
    ///
    /// # Errors
    /// An exposed address without tokens.
    pub fn guarded(&self, addr: SocketAddr) -> Result<(), BindError> {
        if !addr.ip().is_loopback() && self.tokens.is_empty() {
            return Err(BindError::Exposed(addr));
        }
        Ok(())
    }
}

/// Why a gateway did not start.
#[derive(Debug)]
pub enum BindError {
    /// Something else listens there.
    InUse {
        /// Where.
        addr: SocketAddr,
        /// The flag that chooses another address.
        flag: &'static str,
    },
    /// The address cannot be listened on.
    Listen {
        /// Where.
        addr: SocketAddr,
        /// The flag that chooses another address.
        flag: &'static str,
        /// The system's words.
        why: std::io::Error,
    },
    /// Others can reach this address, and no token keeps them out.
    Exposed(SocketAddr),
    /// The log cannot be written.
    Log {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { addr, flag } => {
                let any = SocketAddr::new(addr.ip(), 0);
                write!(f, "{addr} is in use\n  Choose another with {flag}, or {any} for any free port.")
            }
            Self::Listen { addr, flag, why } => {
                write!(f, "cannot listen on {addr}: {why}\n  Choose another with {flag}.")
            }
            Self::Exposed(addr) => write!(
                f,
                "{addr} can be reached by others, and no caller token is set\n  Set one (gateway.tokens), or listen on 127.0.0.1:{}.",
                addr.port()
            ),
            Self::Log { path, why } => write!(
                f,
                "cannot write the log {}: {why}\n  Make its folder, or choose another file for the log.",
                path.display()
            ),
        }
    }
}

impl std::error::Error for BindError {}
