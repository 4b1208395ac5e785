//! What an outcome says about the other side's load.

use clearline_model::{Cause, Charge, EventKind, LaneId, Mono};

use super::{Engine, Turn};
use crate::decide::{is_overload, is_unreached};
use crate::input::Miss;

/// What an outcome says about the other side's load.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    Accepted,
    Refused(Cause),
    Failed,
}

impl Engine {
    /// What an outcome says about the other side's load.
    pub(crate) fn weigh(&mut self, t: &mut Turn<'_>, (lane, started): (LaneId, Mono), load: Load) {
        let s = self.config.settings;
        let l = self.lanes.entry(lane).or_default();
        let changed = match load {
            Load::Accepted => l.limiter.accepted(started, t.now, &s),
            Load::Refused(cause) => {
                l.cause = Some(cause);
                if l.limiter.rate().is_none() && !l.limiter.is_trouble(l.open, t.now, &s) {
                    l.limiter.refused_few(started);
                    false
                } else {
                    l.limiter.refused(started, t.now, &s)
                }
            }
            Load::Failed => {
                l.limiter.failed(started);
                false
            }
        };
        let rate_milli = l.limiter.rate();
        if changed {
            t.note(None, EventKind::LaneChanged { lane, rate_milli });
        }
        if rate_milli.is_some() || changed {
            self.freed.insert(lane);
        }
    }

    pub(super) fn load_of(&self, lane: LaneId, miss: &Miss, now: Mono) -> Load {
        let alone = || !self.addresses.has_well(lane.upstream, now);
        let outlier = || miss.addr.is_some_and(|a| self.addresses.is_outlier(lane.upstream, a, now));
        // A server that takes others is there: then it is chance, or one address.
        let served =
            || self.lanes.get(&lane).is_some_and(|l| l.limiter.is_served(now, &self.config.settings));
        if (is_overload(miss) && !outlier()) || (is_unreached(miss) && alone() && !served()) {
            Load::Refused(miss.cause)
        } else if miss.answered && matches!(miss.cause.row().charge, Charge::Key | Charge::Caller) {
            Load::Accepted
        } else {
            Load::Failed
        }
    }
}
