//! When which call has to be looked at: O(log n) for everything.

use std::collections::BTreeSet;

use clearline_model::{CallId, Mono};

/// The moments, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timers(BTreeSet<(Mono, CallId)>);

impl Timers {
    /// Replaces the moment of a call.
    pub(crate) fn rearm(&mut self, call: CallId, old: Option<Mono>, new: Option<Mono>) {
        if old == new {
            return;
        }
        if let Some(at) = old {
            self.0.remove(&(at, call));
        }
        if let Some(at) = new {
            self.0.insert((at, call));
        }
    }

    pub(crate) fn first(&self) -> Option<Mono> {
        self.0.first().map(|(at, _)| *at)
    }

    /// The next call that is due.
    pub(crate) fn due(&self, now: Mono) -> Option<CallId> {
        self.0.first().filter(|(at, _)| *at <= now).map(|(_, call)| *call)
    }
}
