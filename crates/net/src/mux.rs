//! A connection of HTTP/2 to an upstream, which many exchanges share: each has a stream of its own.
//!
//! Frames, HPACK and the windows are h2's. Here is how many streams there may be, when the connection takes no more of
//! them, and what is known of its bytes.

mod answer;
mod broke;
mod pulse;
mod send;
mod upload;

pub(crate) use self::answer::Answer;
pub use self::pulse::Pings;

use std::future::{Future as _, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use clearline_model::{Failure, Framing, Stage};
use h2::client::{Builder, Connection, SendRequest};
use http::uri::{Authority, Scheme as UriScheme};
use tokio::runtime::{Handle, Id};
use tokio::task::AbortHandle;

use self::pulse::Pulse;
use self::upload::Piece;
use crate::conn::{Laid, MAX_HEAD_BYTES};
use crate::fault::Fault;
use crate::pool::{Listener, Turn};
use crate::since::Since;
use crate::target::{Scheme, Target};
use crate::wire::{Watched, Wire};

/// The name of the protocol in ALPN (RFC 9113, section 3.1).
pub(crate) const ALPN: &[u8] = b"h2";
/// The most exchanges at once on one connection, where the peer allows more: what a lost connection takes along.
pub const STREAMS_MAX: usize = 100;
/// What of one answer may wait for its reader, bytes; then the server has to wait.
pub const STREAM_WINDOW: u32 = 256 << 10;
/// The same of a whole connection, bytes: so much that readers who take nothing never hold the others up.
pub const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 100;
const _: () = assert!(CONNECTION_WINDOW as usize == STREAM_WINDOW as usize * STREAMS_MAX);
/// What very small pieces may take besides their bytes while they wait, of a whole connection, bytes.
pub const OVERHEAD_MAX: usize = 25 << 20;
/// Streams that were reset here and are remembered, so that what was on its way on them counts against nobody (a guess: callers that
/// leave together, ten times over).
const RESETS_MAX: usize = STREAMS_MAX * 10;
/// For how long they are remembered (a guess, above the time of what is on its way).
const RESETS_KEPT: Duration = Duration::from_secs(10);
/// Frames on streams that are not there any more, in the life of a connection, until it is taken for one that breaks HTTP/2. With h2's
/// own number callers that leave often would take the others along.
const STRAYS_MAX: usize = 64 << 10;
/// What of one request waits here for the server's window, bytes.
const SEND_BUFFER: usize = 64 << 10;

/// How HTTP/2 is spoken to upstreams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Http2 {
    /// Not at all.
    #[default]
    Off,
    /// Where the server chooses it (ALPN): over TLS.
    Auto,
    /// The same, and in clear without asking (RFC 9113, section 3.3): the server is known to speak it.
    Prior,
}

/// What is known of the streams.
#[derive(Debug)]
struct Load {
    uses: u32,
    last_used: Since,
}

/// What the connection's task and its exchanges tell each other.
#[derive(Debug, Default)]
struct Told {
    /// The server has said something, and so its settings (RFC 9113, section 3.4).
    heard: AtomicBool,
    /// So many exchanges run; changed under the lock of the load alone.
    open: AtomicUsize,
}

/// A shared connection. It is closed when it takes no more streams and the last one has ended.
pub(crate) struct Mux {
    tx: SendRequest<Piece>,
    wire: Arc<Wire>,
    task: AbortHandle,
    /// Where its task runs: while nobody drives that, nothing of it moves.
    runtime: Id,
    key: String,
    addr: SocketAddr,
    scheme: UriScheme,
    authority: Authority,
    load: Mutex<Load>,
    told: Arc<Told>,
    retired: AtomicBool,
}

impl Drop for Mux {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Mux {
    /// HTTP/2 over the finished stream.
    ///
    /// # Errors
    ///
    /// A fault of [`Stage::Send`]: the connection is gone already.
    pub(crate) async fn open(
        laid: Laid,
        target: &Target,
        how: (Trust, Turn, Pings),
    ) -> Result<Arc<Self>, Fault> {
        let (trust, turn, pings) = how;
        let key = trust.key.clone();
        let wire = Arc::new(Wire::default());
        let addr = laid.addr();
        let authority = target.authority().parse().map_err(|e: http::uri::InvalidUri| {
            Fault::new(Stage::Send, Failure::Framing(Framing::H2)).detailed(&e.to_string())
        })?;
        let io = Watched::new(laid.stream, Arc::clone(&wire));
        let shaken = Builder::new()
            .enable_push(false)
            .initial_max_send_streams(STREAMS_MAX)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .data_frame_budget(OVERHEAD_MAX)
            .max_send_buffer_size(SEND_BUFFER)
            .max_concurrent_reset_streams(RESETS_MAX)
            .reset_stream_duration(RESETS_KEPT)
            .max_local_error_reset_streams(Some(STRAYS_MAX))
            .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
            .handshake(io);
        let (tx, mut connection) = shaken.await.map_err(|error| {
            let (failure, detail) = broke::lost(&error, &wire);
            Fault::new(Stage::Send, failure).detailed(&detail).at(addr)
        })?;
        let told = Arc::default();
        let pulse = Pulse::new(pings, connection.ping_pong());
        let task =
            tokio::spawn(run((connection, pulse), (Arc::clone(&wire), Arc::clone(&told)), (trust, turn)))
                .abort_handle();
        Ok(Arc::new(Self {
            tx,
            wire,
            task,
            runtime: Handle::current().id(),
            key,
            addr,
            scheme: match target.scheme {
                Scheme::Http => UriScheme::HTTP,
                Scheme::Https => UriScheme::HTTPS,
            },
            authority,
            load: Mutex::new(Load { uses: 0, last_used: Since::now() }),
            told,
            retired: AtomicBool::new(false),
        }))
    }

    fn load(&self) -> std::sync::MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends a stream, where there is room for one. Whoever opened the connection takes the first; others have to wait until
    /// the server has said how many it takes.
    pub(crate) fn lend(self: &Arc<Self>) -> Option<Lent> {
        let room = self.tx.current_max_send_streams().min(STREAMS_MAX);
        let mut load = self.load();
        let is_full = self.told.open.load(Ordering::Acquire) >= room;
        if is_full || (load.uses > 0 && !self.told.heard.load(Ordering::Acquire)) {
            return None;
        }
        self.told.open.fetch_add(1, Ordering::AcqRel);
        let is_used = load.uses > 0;
        load.uses = load.uses.saturating_add(1);
        drop(load);
        Some(Lent { mux: Arc::clone(self), is_used })
    }

    /// Whether new streams may be opened, as far as is known: it was neither given up, nor did the server say that it goes.
    pub(crate) fn is_open(&self) -> bool {
        let goes = || {
            matches!(self.tx.clone().poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_)))
        };
        !self.retired.load(Ordering::Acquire) && !self.wire.is_eof() && !goes()
    }

    /// How many exchanges run, and since when there is none.
    pub(crate) fn idle(&self) -> (usize, Since) {
        let load = self.load();
        (self.told.open.load(Ordering::Acquire), load.last_used)
    }

    /// No new streams from now on; those that run go on, and the last one closes it.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.close_if_over(self.told.open.load(Ordering::Acquire));
    }

    fn close_if_over(&self, open: usize) {
        if open == 0 && self.retired.load(Ordering::Acquire) {
            self.task.abort();
        }
    }

    pub(crate) const fn runtime(&self) -> Id {
        self.runtime
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// Whether the server speaks what it chose. Where it ends without having done so, connections are made by HTTP/1.1 for a
/// while.
pub(crate) struct Trust {
    key: String,
    told: Option<Listener>,
    is_earned: bool,
}

impl Trust {
    /// Of a connection under this key, and who is told of its end.
    pub(crate) const fn new(key: String, told: Option<Listener>) -> Self {
        Self { key, told, is_earned: false }
    }
}

impl Drop for Trust {
    fn drop(&mut self) {
        if let Some(told) = self.told.as_ref().filter(|_| !self.is_earned) {
            told.mistrust(&self.key);
        }
    }
}

/// Moves the frames of a connection to its end. An error reaches the streams that it belongs to.
async fn run(
    (mut connection, mut pulse): (Connection<Watched, Piece>, Pulse),
    (wire, told): (Arc<Wire>, Arc<Told>),
    (mut trust, turn): (Trust, Turn),
) {
    let mut turn = Some(turn);
    let ended = poll_fn(|cx| {
        let polled = Pin::new(&mut connection).poll(cx);
        if turn.is_some() && wire.read() > 0 {
            told.heard.store(true, Ordering::Release);
            trust.is_earned = true;
            turn = None;
        }
        if polled.is_pending() {
            let is_used = told.open.load(Ordering::Acquire) > 0;
            ready!(pulse.poll(wire.read(), is_used, cx));
            // Who waits on it is told so when it goes.
            wire.died();
            return Poll::Ready(Ok(()));
        }
        polled
    });
    let ended = ended.await;
    // What breaks the protocol was read as well.
    trust.is_earned &= !ended.is_err_and(|error| error.reason().is_some() && !error.is_remote());
}

/// The place of one exchange on a shared connection. Dropping it gives the place back.
pub struct Lent {
    mux: Arc<Mux>,
    is_used: bool,
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut load = self.mux.load();
        load.last_used = Since::now();
        let open = self.mux.told.open.fetch_sub(1, Ordering::AcqRel) - 1;
        drop(load);
        self.mux.close_if_over(open);
    }
}

impl Lent {
    /// The address at the other end of the connection: the proxy's where there is one.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.mux.addr
    }

    /// Whether others used the connection before.
    #[must_use]
    pub const fn is_used(&self) -> bool {
        self.is_used
    }
}

#[cfg(test)]
mod chosen;
#[cfg(test)]
mod crowd;
#[cfg(test)]
mod early;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod silent;
#[cfg(test)]
mod tests;
