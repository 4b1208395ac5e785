//! What idles for too long is closed although nobody asks for a connection any more: until then what the other side has closed
//! would be half closed here, and lost where something between the two has forgotten it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use clearline_model::Dur;
use tokio::runtime::Handle;

use super::{Pool, Shared};
use crate::conn::Conn;
use crate::mux::Pings;
use crate::since::Since;

/// It is not swept more often than this: where nothing may idle, what is in use must not keep a task busy.
const LEAST: Duration = Duration::from_millis(50);

/// Whether a task sweeps a pool.
pub(super) type Broom = AtomicBool;

/// A pool that may be gone.
struct Faint {
    idle: Weak<Mutex<BTreeMap<String, VecDeque<Conn>>>>,
    shared: Weak<Mutex<HashMap<String, Shared>>>,
    pings: Weak<Mutex<Pings>>,
    broom: Weak<Broom>,
    max_idle: usize,
    idle_limit: Duration,
    opening: Dur,
}

impl Faint {
    fn upgrade(&self) -> Option<Pool> {
        Some(Pool {
            idle: self.idle.upgrade()?,
            shared: self.shared.upgrade()?,
            pings: self.pings.upgrade()?,
            broom: self.broom.upgrade()?,
            max_idle: self.max_idle,
            idle_limit: self.idle_limit,
            opening: self.opening,
        })
    }
}

/// The broom is put back also where the runtime ends before its task does.
impl Drop for Faint {
    fn drop(&mut self) {
        if let Some(broom) = self.broom.upgrade() {
            broom.store(false, Ordering::Release);
        }
    }
}

impl Pool {
    /// Has this pool swept from now on, until nothing idles there.
    pub(super) fn sweep_later(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if self.broom.load(Ordering::Relaxed) || self.broom.swap(true, Ordering::AcqRel) {
            return;
        }
        let faint = Faint {
            idle: Arc::downgrade(&self.idle),
            shared: Arc::downgrade(&self.shared),
            pings: Arc::downgrade(&self.pings),
            broom: Arc::downgrade(&self.broom),
            max_idle: self.max_idle,
            idle_limit: self.idle_limit,
            opening: self.opening,
        };
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(faint.idle_limit.max(LEAST)).await;
                let Some(pool) = faint.upgrade() else { return };
                if pool.sweep(Since::now()) {
                    continue;
                }
                drop(faint);
                // What came between the two has found the broom taken.
                if pool.is_in_use() {
                    pool.sweep_later();
                }
                return;
            }
        });
    }

    /// Closes what idles for too long, and what the other side has closed. Says whether anything is left.
    fn sweep(&self, now: Since) -> bool {
        let is_over = |conn: &Conn| !conn.is_open() || conn.idle_since().until(now) >= self.idle_limit;
        let mut over = VecDeque::new();
        let mut all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        for queue in all.values_mut() {
            let (gone, kept): (VecDeque<_>, _) = queue.drain(..).partition(is_over);
            *queue = kept;
            over.extend(gone);
        }
        drop(all);
        let mut all = self.lock_shared();
        let lent: Vec<_> = all.values_mut().flat_map(|here| self.over(&mut here.lent)).collect();
        drop(all);
        drop((over, lent));
        self.is_in_use()
    }

    /// Whether it has any connection.
    fn is_in_use(&self) -> bool {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).values().any(|q| !q.is_empty());
        idle || self.lock_shared().values().any(|here| !here.lent.is_empty())
    }
}
