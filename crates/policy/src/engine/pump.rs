//! Who goes on next: what is free is given to those that wait for it longest.

use std::mem;

use clearline_model::{LaneId, Mono};

use super::{Engine, Turn};
use crate::budget::Budget;
use crate::call::{Call, Debt};

impl Engine {
    /// Gives what is free to those that wait for it longest.
    pub(super) fn pump(&mut self, t: &mut Turn<'_>) {
        self.fill(t);
        while let Some(place) = self.lines.next_freed() {
            self.look_at_line(t, place);
            self.fill(t);
        }
    }

    /// Gives free places of lanes to those that wait for them longest.
    fn fill(&mut self, t: &mut Turn<'_>) {
        while let Some((_, lane)) = self.paces.first().copied().filter(|(at, _)| *at <= t.now) {
            self.pace(lane, None);
            self.freed.insert(lane);
        }
        while let Some(lane) = self.freed.pop_first() {
            self.settle(t, lane);
            if self.is_idle(lane) {
                continue;
            }
            while self.has_place(lane) && self.held_until(lane, t.now).is_none() {
                let Some(id) = self.lanes.get_mut(&lane).and_then(|l| l.queue.pop()) else { break };
                self.with(t, id, |e, t, c| {
                    c.wait = None;
                    c.turn = true;
                    e.proceed(t, c);
                    c.turn = false;
                });
            }
            self.repay(t, lane);
            let waits = self.lanes.get(&lane).is_some_and(|l| !l.queue.is_empty());
            let held = self.held_until(lane, t.now).filter(|_| waits);
            let retry =
                self.budgets.get(&lane.upstream).and_then(|b| b.next_at(t.now, &self.config.settings));
            let told = self.lanes.get(&lane).filter(|_| waits).and_then(|l| l.limiter.look_at());
            self.pace(lane, held.into_iter().chain(retry).chain(told).min());
            if !waits && let Some(l) = self.lanes.get_mut(&lane) {
                l.lacks = None;
            }
        }
    }

    /// Nobody waits on a lane, and nothing is known of anybody who did.
    fn is_idle(&self, lane: LaneId) -> bool {
        let free =
            self.lanes.get(&lane).is_none_or(|l| l.queue.is_empty() && l.wake.is_none() && l.lacks.is_none());
        free && self.budgets.get(&lane.upstream).is_none_or(Budget::is_idle)
    }

    /// Gives retries that came back to the budget to those whose turn it is.
    fn repay(&mut self, t: &mut Turn<'_>, lane: LaneId) {
        let s = self.config.settings;
        while let Some(id) = self.budgets.get_mut(&lane.upstream).and_then(|b| b.next(t.now, &s)) {
            self.with(t, id, |e, t, c| {
                (c.wait, c.debt) = (None, Debt::Paid);
                e.proceed(t, c);
            });
        }
    }

    /// The call whose turn is next on a lane.
    pub(crate) fn first_of(&self, lane: LaneId) -> Option<&Call> {
        self.calls.get(&self.lanes.get(&lane)?.queue.first()?)?.as_deref()
    }

    /// Replaces the moment at which the next one of a lane may start.
    fn pace(&mut self, lane: LaneId, at: Option<Mono>) {
        let Some(l) = self.lanes.get_mut(&lane).filter(|l| l.wake != at) else { return };
        if let Some(old) = mem::replace(&mut l.wake, at) {
            self.paces.remove(&(old, lane));
        }
        if let Some(at) = at {
            self.paces.insert((at, lane));
        }
    }
}
