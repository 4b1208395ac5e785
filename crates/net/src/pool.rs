//! Connections that can be used again, by upstream and proxy: idle ones, and those of HTTP/2 that many share.

#[cfg(test)]
mod early;
#[cfg(test)]
mod rest;
mod sweep;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use clearline_model::Dur;
use tokio::runtime::{Handle, Id};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use self::sweep::Broom;
use crate::alarm::after;
use crate::conn::Conn;
use crate::mux::{Lent, Mux, Pings};
use crate::since::Since;

/// The most idle connections of one key.
pub const MAX_IDLE: usize = 64;
/// How long a connection may idle.
pub const IDLE_LIMIT: Dur = Dur::secs(30);

/// Which connection is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Want<'a> {
    /// Rather one of these addresses.
    pub prefer: &'a [SocketAddr],
    /// None of these addresses.
    pub avoid: &'a [SocketAddr],
    /// None of the pool's at all.
    pub fresh: bool,
}

/// How long a call waits for the shared connection that another one opens, before it opens its own: three times there and back
/// between two continents.
pub const OPENING: Dur = Dur::millis(500);

/// How long connections are made by HTTP/1.1 after one of HTTP/2 ended before the server had spoken it.
pub const MISTRUST: Dur = Dur::secs(60);

/// What is shared of one key.
#[derive(Default)]
struct Shared {
    lent: Vec<Arc<Mux>>,
    /// Until then HTTP/2 is taken for one that was chosen and does not work.
    mistrusted: Option<Instant>,
    /// The server chose HTTP/1.1 the last time: nobody waits for a connection that is shared.
    apart: bool,
    /// Somebody opens a connection, until the other end of this is dropped.
    opening: Option<watch::Receiver<()>>,
}

/// The right to open a shared connection, for which others wait until it is dropped; or to open one for oneself, where nobody
/// waits.
#[derive(Debug, Default)]
pub struct Turn {
    _told: Option<watch::Sender<()>>,
    is_plain: bool,
}

impl Turn {
    /// Whether the connection had better speak HTTP/1.1.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.is_plain
    }
}

/// Hears of connections that end, and keeps no pool alive.
#[derive(Debug)]
pub(crate) struct Listener(Weak<Mutex<HashMap<String, Shared>>>);

impl Listener {
    /// A connection of HTTP/2 ended before the server had spoken it.
    pub(crate) fn mistrust(&self, key: &str) {
        let Some(shared) = self.0.upgrade() else { return };
        let until = after(Instant::now(), MISTRUST);
        let mut all = shared.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(key.to_owned()).or_default().mistrusted = Some(until);
    }
}

/// The runtime that is asked for a connection: one of another serves nobody here, where nobody drives that.
fn here() -> Option<Id> {
    Handle::try_current().ok().map(|handle| handle.id())
}

/// The connections. Its clones share them.
#[derive(Clone)]
pub struct Pool {
    /// A few keys: comparing them takes less than hashing one.
    idle: Arc<Mutex<BTreeMap<String, VecDeque<Conn>>>>,
    shared: Arc<Mutex<HashMap<String, Shared>>>,
    max_idle: usize,
    idle_limit: Duration,
    opening: Dur,
    pings: Arc<Mutex<Pings>>,
    broom: Arc<Broom>,
}

impl Default for Pool {
    fn default() -> Self {
        Self::new(MAX_IDLE, IDLE_LIMIT)
    }
}

impl Pool {
    /// A pool with these limits, for each key.
    #[must_use]
    pub fn new(max_idle: usize, idle_limit: Dur) -> Self {
        Self {
            idle: Arc::default(),
            shared: Arc::default(),
            max_idle,
            idle_limit: idle_limit.into(),
            opening: OPENING,
            pings: Arc::default(),
            broom: Arc::default(),
        }
    }

    /// The same with another patience with connections of HTTP/2 that say nothing.
    #[must_use]
    pub fn pinging(self, pings: Pings) -> Self {
        self.ping(pings);
        self
    }

    /// Has another patience with the connections of HTTP/2 that are opened from now on.
    pub fn ping(&self, pings: Pings) {
        *self.pings.lock().unwrap_or_else(PoisonError::into_inner) = pings;
    }

    pub(crate) fn pings(&self) -> Pings {
        *self.pings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection that looks alive, the one that idled longest first; those before it that are dead are closed
    /// on the way. Whether it still works is asked of the kernel only when a request is sent, once.
    #[must_use]
    pub fn take(&self, key: &str, want: &Want<'_>, now: Instant) -> Option<Conn> {
        self.take_at(key, want, Since::new(now, SystemTime::now()))
    }

    pub(crate) fn take_at(&self, key: &str, want: &Want<'_>, now: Since) -> Option<Conn> {
        if want.fresh {
            return None;
        }
        let mut all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = all.get_mut(key)?;
        let here = here();
        let serves = |conn: &Conn| here == Some(conn.runtime()) && !want.avoid.contains(&conn.addr());
        // What is dead is closed, wherever it was.
        let fits = |conn: &Conn| serves(conn) || !conn.is_open();
        let mut dead = Vec::new();
        let taken = loop {
            let best = if want.prefer.is_empty() {
                None
            } else {
                queue.iter().position(|conn| fits(conn) && want.prefer.contains(&conn.addr()))
            };
            let Some(at) = best.or_else(|| queue.iter().position(fits)) else { break None };
            match queue.remove(at) {
                Some(conn) if conn.is_open() && conn.idle_since().until(now) < self.idle_limit => {
                    break Some(conn);
                }
                other => dead.extend(other),
            }
        };
        drop(all);
        taken
    }

    /// Keeps a connection for later; over the limit the oldest one is closed.
    pub fn put(&self, mut conn: Conn) {
        if !conn.is_open() || self.max_idle == 0 {
            return;
        }
        conn.rest();
        let mut all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(conn.key()) {
            all.insert(conn.key().to_owned(), VecDeque::new());
        }
        let Some(queue) = all.get_mut(conn.key()) else { return };
        while queue.len() >= self.max_idle {
            drop(queue.pop_front());
        }
        queue.push_back(conn);
        drop(all);
        self.sweep_later();
    }

    /// Lends a stream of a shared connection, the fullest one that has room, so that those that are not needed any more fall
    /// idle and are closed.
    #[must_use]
    pub fn lend(&self, key: &str, want: &Want<'_>) -> Option<Lent> {
        if want.fresh {
            return None;
        }
        let mut all = self.lock_shared();
        let here = all.get_mut(key)?;
        let over = self.over(&mut here.lent);
        let runtime = self::here();
        let serves = |mux: &&Arc<Mux>| runtime == Some(mux.runtime()) && !want.avoid.contains(&mux.addr());
        let mut fits: Vec<_> = here.lent.iter().filter(serves).collect();
        fits.sort_by_key(|mux| (!want.prefer.contains(&mux.addr()), Reverse(mux.idle().0)));
        let lent = fits.into_iter().find_map(Mux::lend);
        drop(all);
        drop(over);
        lent
    }

    /// The same, and where there is none, the right to open one: not at once where somebody else is about to, so that calls
    /// that come together do not open a connection each.
    ///
    /// # Errors
    ///
    /// The turn to open a connection.
    pub async fn lend_or_turn(&self, key: &str, want: &Want<'_>) -> Result<Lent, Turn> {
        let by = after(Instant::now(), self.opening);
        loop {
            if let Some(lent) = self.lend(key, want) {
                return Ok(lent);
            }
            let mut opening = match self.turn(key, want) {
                Ok(turn) => return Err(turn),
                Err(opening) => opening,
            };
            // It changes by its end alone.
            if timeout_at(by, opening.changed()).await.is_err() {
                return Err(Turn::default());
            }
        }
    }

    /// The turn, or who has it.
    fn turn(&self, key: &str, want: &Want<'_>) -> Result<Turn, watch::Receiver<()>> {
        let mut all = self.lock_shared();
        let here = all.entry(key.to_owned()).or_default();
        let is_plain = here.mistrusted.is_some_and(|until| Instant::now() < until);
        if want.fresh || here.apart || is_plain {
            return Ok(Turn { _told: None, is_plain });
        }
        if let Some(opening) = here.opening.as_ref().filter(|opening| opening.has_changed().is_ok()) {
            return Err(opening.clone());
        }
        let (told, opening) = watch::channel(());
        here.opening = Some(opening);
        Ok(Turn { _told: Some(told), is_plain })
    }

    /// Lends streams of a connection to others from now on.
    pub(crate) fn share(&self, mux: Arc<Mux>) {
        let mut all = self.lock_shared();
        let here = all.entry(mux.key().to_owned()).or_default();
        let over = self.over(&mut here.lent);
        here.apart = false;
        here.lent.push(mux);
        drop(all);
        drop(over);
        self.sweep_later();
    }

    /// The server chose HTTP/1.1.
    pub(crate) fn keep_apart(&self, key: &str) {
        self.lock_shared().entry(key.to_owned()).or_default().apart = true;
    }

    /// Whom a connection tells of its end.
    pub(crate) fn listener(&self) -> Listener {
        Listener(Arc::downgrade(&self.shared))
    }

    /// Lets others wait so long for whoever opens a connection.
    #[cfg(test)]
    pub(crate) fn waiting(self, opening: Dur) -> Self {
        Self { opening, ..self }
    }

    fn lock_shared(&self) -> MutexGuard<'_, HashMap<String, Shared>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out what is not lent any more: connections that take no new streams, and those that idled for too long or are too
    /// many. Those that have streams live as long as these.
    fn over(&self, here: &mut Vec<Arc<Mux>>) -> Vec<Arc<Mux>> {
        let (mut idle, now) = (0, Since::now());
        let is_over = |mux: &mut Arc<Mux>| {
            let (open, since) = mux.idle();
            idle += usize::from(open == 0);
            !mux.is_open() || (open == 0 && (idle > self.max_idle || since.until(now) >= self.idle_limit))
        };
        here.extract_if(.., is_over).collect()
    }

    /// How many connections are shared under a key.
    #[must_use]
    pub fn shared(&self, key: &str) -> usize {
        self.lock_shared().get(key).map_or(0, |here| here.lent.len())
    }

    /// How many places on shared connections are taken under a key.
    #[cfg(test)]
    pub(crate) fn lent(&self, key: &str) -> usize {
        let all = self.lock_shared();
        all.get(key).map_or(0, |here| here.lent.iter().map(|mux| mux.idle().0).sum())
    }

    /// How many connections idle under a key.
    #[must_use]
    pub fn idle(&self, key: &str) -> usize {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).get(key).map_or(0, VecDeque::len)
    }
}
