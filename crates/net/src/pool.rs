//! Idle connections, by upstream and proxy.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clearline_model::Dur;

use crate::conn::Conn;

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

/// The idle connections. Its clones share them.
#[derive(Clone)]
pub struct Pool {
    idle: Arc<Mutex<HashMap<String, VecDeque<Conn>>>>,
    max_idle: usize,
    idle_limit: Duration,
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
        Self { idle: Arc::default(), max_idle, idle_limit: idle_limit.into() }
    }

    /// Takes a connection that still works, the one that idled longest first; the dead ones are closed on the way.
    #[must_use]
    pub fn take(&self, key: &str, want: &Want<'_>) -> Option<Conn> {
        if want.fresh {
            return None;
        }
        let mut all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = all.get_mut(key)?;
        queue.retain(|conn| conn.is_usable() && conn.last_used().elapsed() < self.idle_limit);
        let fits = |conn: &Conn| !want.avoid.contains(&conn.addr());
        let best = queue.iter().position(|conn| fits(conn) && want.prefer.contains(&conn.addr()));
        let at = best.or_else(|| queue.iter().position(fits));
        let taken = at.and_then(|at| queue.remove(at));
        if queue.is_empty() {
            all.remove(key);
        }
        taken
    }

    /// Keeps a connection for later; over the limit the oldest one is closed.
    pub fn put(&self, conn: Conn) {
        if !conn.is_usable() || self.max_idle == 0 {
            return;
        }
        let mut all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = all.entry(conn.key().to_owned()).or_default();
        while queue.len() >= self.max_idle {
            drop(queue.pop_front());
        }
        queue.push_back(conn);
    }

    /// How many connections idle under a key.
    #[must_use]
    pub fn idle(&self, key: &str) -> usize {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).get(key).map_or(0, VecDeque::len)
    }
}
