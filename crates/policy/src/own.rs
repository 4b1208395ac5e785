//! Callers' own credentials: what the limits of each leave, and who waits until there is room again.
//!
//! The keys of a pool serve all calls of a lane, and those wait in its queue. Of callers' own credentials each belongs to
//! somebody else: who waits for one must not hold up those that bring another, so each has a line of its own.

use std::collections::{BTreeMap, BTreeSet};

use clearline_model::{CallId, Cause, Dur, KeyId, LaneId, Mono};

use crate::call::{Call, Wait};
use crate::engine::{Engine, Turn};
use crate::meter;
use crate::queue::Queue;

/// A line: of a credential on a lane.
pub(crate) type Place = (LaneId, KeyId);

/// The lines that are not empty, and those that have to be looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    waiting: BTreeMap<Place, Queue>,
    freed: BTreeSet<Place>,
}

impl Lines {
    fn first(&self, place: Place) -> Option<CallId> {
        self.waiting.get(&place)?.first()
    }

    /// Takes a call out; `turn`: it was its turn.
    fn leave(&mut self, call: &mut Call, turn: bool) {
        let Some(place) = call.line.take() else { return };
        if let Some(line) = self.waiting.get_mut(&place) {
            if turn && line.first() == Some(call.id) {
                line.pop();
            } else {
                line.remove(call.caller, call.id);
            }
            if line.is_empty() {
                self.waiting.remove(&place);
            } else {
                self.freed.insert(place);
            }
        }
    }

    /// These are looked at, where somebody waits in them.
    pub(crate) fn look_at(&mut self, places: impl Iterator<Item = Place>) {
        self.freed.extend(places.filter(|place| self.waiting.contains_key(place)));
    }

    /// All of them are looked at.
    pub(crate) fn look_again(&mut self) {
        self.freed.extend(self.waiting.keys().copied());
    }

    pub(crate) fn next_freed(&mut self) -> Option<Place> {
        self.freed.pop_first()
    }
}

impl Engine {
    /// The number of a call's own credential, where its limits are looked at.
    pub(crate) fn own(&self, call: &Call) -> Option<KeyId> {
        if !self.config.settings.key_pacing {
            return None;
        }
        meter::own(call.lane.upstream, call.ask.credential)
    }

    /// Whether a call may start with its own credential; if not, from when on its limits have room, and what they lack.
    pub(crate) fn own_way(&self, now: Mono, call: &Call) -> Result<(), (Mono, Cause)> {
        let Some(key) = self.own(call) else { return Ok(()) };
        let (at, cause) = self.keys.meters.ready(key, (call.lane.family, call.ask), now);
        let place = (call.lane, key);
        let is_next = self
            .lines
            .first(place)
            .is_none_or(|first| if call.line == Some(place) { first == call.id } else { call.id < first });
        let is_asked = call.attempts > 0 || at <= self.held_at_most(now, call);
        match at <= now {
            true if is_next => Ok(()),
            true => Err((now, Cause::QuotaRequests)),
            // It is the server's to say no to a caller that cannot be held so long: what we know may be wrong.
            false if !is_asked => Ok(()),
            false => Err((at, cause)),
        }
    }

    /// How long a call is held that has to wait now.
    fn held_at_most(&self, now: Mono, call: &Call) -> Mono {
        let s = &self.config.settings;
        if call.refused.is_none() && call.deadline.is_none() {
            now + s.patience
        } else {
            call.patience_end(s)
        }
    }

    /// Waits in the line of its own credential until the limits have room, from `at` on.
    pub(crate) fn wait_in_line(&mut self, t: &mut Turn<'_>, call: &mut Call, (at, cause): (Mono, Cause)) {
        let Some(key) = self.own(call) else { return };
        call.refused.get_or_insert(t.now);
        let end = call.patience_end(&self.config.settings);
        if at > end {
            self.park(t, call, (at, at), (cause, false));
            return;
        }
        if end <= t.now {
            self.fail(t, call, false);
            return;
        }
        let place = (call.lane, key);
        if call.line != Some(place) {
            self.lines.leave(call, false);
        }
        call.line = Some(place);
        self.lines.waiting.entry(place).or_default().push(call.caller, call.id);
        if call.saved.is_none() && call.committed.is_none() {
            call.last = Some(cause);
        }
        let is_first = self.lines.first(place) == Some(call.id);
        let until = if is_first { at.max(t.now + Dur(1)) } else { end };
        self.wait(t, call, Wait { until, queued: false, key: false, budget: false }, cause);
    }

    /// It waits for something else, or for nothing any more.
    pub(crate) fn leave_line(&mut self, call: &mut Call) {
        self.lines.leave(call, false);
    }

    /// It starts, as it was its turn.
    pub(crate) fn take_turn(&mut self, call: &mut Call) {
        self.lines.leave(call, true);
    }

    /// Something is known anew about the limits of a call's own credential.
    pub(crate) fn free_line(&mut self, call: &Call) {
        if let Some(key) = self.own(call).filter(|_| !self.lines.waiting.is_empty()) {
            self.lines.freed.insert((call.lane, key));
        }
    }

    /// Starts the first of a line, or says when it is looked at again.
    pub(crate) fn look_at_line(&mut self, t: &mut Turn<'_>, place: Place) {
        let Some(first) = self.lines.first(place) else { return };
        self.with(t, first, |e, t, c| {
            let (at, _) = e.keys.meters.ready(place.1, (c.lane.family, c.ask), t.now);
            if at <= t.now {
                c.wait = None;
                e.proceed(t, c);
                return;
            }
            // Where it is later than it was told, it finds that out then.
            if let Some(wait) = &mut c.wait {
                wait.until = wait.until.min(at);
            }
        });
    }
}
