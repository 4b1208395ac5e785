//! Second attempts beside one that stays silent: never after the first byte of a stream, never where the other side has too much
//! to do. An answer as a whole is held until its end, so that its head commits nothing.
//!
//! Who is first with content wins, the others are closed. An attempt that fails while another runs decides nothing.

use clearline_model::{Dur, LaneId, Mono, Repeat};

use crate::act::Manner;
use crate::call::Call;
use crate::config::Hedge;
use crate::engine::{Engine, Turn};
use crate::keys::Pick;
use crate::output::Body;

/// What a hedge costs, what a call adds, and the most that is saved up, thousandths of a hedge (resilience 5.8). A lane
/// begins with all of it: its first call may be the one that hangs.
const COST: u32 = 1_000;
const PER_CALL: u32 = 100;
const MOST: u32 = 4_000;
/// What is left for streams when an answer as a whole gets one.
const SAVED: u32 = 1_000;
/// What comes back of a hedge that was answered first: it was worth its price. Half, so that those that all win are one for five
/// calls, and never more.
const BACK: u32 = 500;

/// The most attempts of a call at once.
const AT_ONCE: usize = 3;
/// The same where the delay is a fixed one.
const AT_ONCE_FIXED: usize = 2;

/// So soon it is looked again whether a hedge can be paid, and after such a part of the time that it was silent already: ten
/// calls a second save one up, and ten thousand that are silent must not keep the engine busy.
const AGAIN: Dur = Dur::secs(1);
const AGAIN_PART: u64 = 4;

/// When it is looked again whether there is a hedge for an attempt that started then.
fn again_at(started: Mono, now: Mono) -> Mono {
    now + now.since(started).scale(1, AGAIN_PART).max(AGAIN)
}

/// The hedges that a lane can pay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purse(u32);

impl Default for Purse {
    fn default() -> Self {
        Self(MOST)
    }
}

impl Purse {
    pub(crate) fn call(&mut self) {
        self.0 = (self.0 + PER_CALL).min(MOST);
    }

    /// One was first with content.
    pub(crate) fn won(&mut self) {
        self.0 = (self.0 + BACK).min(MOST);
    }

    /// Pays for one where that leaves so much.
    const fn pay(&mut self, leaves: u32) -> bool {
        let enough = self.0 >= COST + leaves;
        if enough {
            self.0 -= COST;
        }
        enough
    }
}

impl Engine {
    /// When an attempt that starts now gets another one beside it.
    pub(crate) fn hedge_at(&self, now: Mono, call: &Call, manner: Manner) -> Option<Mono> {
        if manner.body != Body::Original {
            return None;
        }
        match self.config.settings.hedge {
            Hedge::Off => None,
            Hedge::After(delay) => Some(now + delay).filter(|_| !manner.hedge),
            Hedge::Auto => self.look_at(now, call, now),
        }
    }

    /// When another attempt beside one that started then is worth its price, as far as is known now.
    fn late_at(&self, started: Mono, call: &Call) -> Option<Mono> {
        let end = call.patience_end(&self.config.settings);
        let left = call.deadline.map(|_| end.since(started));
        Some(started + self.lanes.get(&call.lane)?.times.hedge_after(call.ask, left)?)
    }

    /// Whether an attempt that started then is as late now as one that gets another one beside it.
    pub(crate) fn is_late(&self, call: &Call, started: Mono) -> bool {
        self.late_at(started, call).is_some_and(|late| self.now() >= late)
    }

    /// When it is looked at next whether an attempt is late: where little is known of its lane, soon, as others may teach more.
    fn look_at(&self, started: Mono, call: &Call, now: Mono) -> Option<Mono> {
        let late = self.late_at(started, call);
        if self.lanes.get(&call.lane)?.times.is_known(call.ask) {
            return late;
        }
        let soon = again_at(started, now);
        Some(late.map_or(soon, |late| late.min(soon)))
    }

    /// Looks at an attempt that started then and is silent, and says when to look again.
    pub(crate) fn look(&mut self, t: &mut Turn<'_>, call: &mut Call, started: Mono) -> Option<Mono> {
        let is_auto = self.config.settings.hedge == Hedge::Auto;
        if is_auto && self.late_at(started, call).is_none_or(|late| late > t.now) {
            return self.look_at(started, call, t.now);
        }
        self.hedge(t, call).then(|| again_at(started, t.now))
    }

    /// A second attempt beside the first, where that is safe, paid and possible at once: on another upstream of the group, for the
    /// first one's may be slow as a whole, else on the same. Says whether it is worth another look soon where it is not.
    fn hedge(&mut self, t: &mut Turn<'_>, call: &mut Call) -> bool {
        if !self.may_hedge(t.now, call) {
            return false;
        }
        let (home, other) = (call.lane, self.beside(call, t.now));
        if let Some(other) = other {
            self.go(call, other);
            if !self.hedge_here(t, call) {
                return false;
            }
            self.go(call, home);
        }
        // A second attempt is no help where the other side has too much to do.
        if self.is_calm(home, t.now) && self.has_place(home) {
            return self.hedge_here(t, call);
        }
        other.is_some()
    }

    /// The same on the lane where the call is.
    fn hedge_here(&mut self, t: &mut Turn<'_>, call: &mut Call) -> bool {
        let key = match self.keys.pick(call.lane, (&call.tried, self.needs(call)), t.now) {
            Pick::Own if self.own_way(t.now, call).is_err() => return true,
            Pick::Own => None,
            Pick::Key(key) => Some(key),
            Pick::Until(..) | Pick::Paced(..) | Pick::Nothing => return true,
        };
        let paid = self.pay_hedge(t.now, call);
        if paid {
            self.start(t, call, key, Manner { body: Body::Original, hedge: true });
        }
        !paid
    }

    fn may_hedge(&self, now: Mono, call: &Call) -> bool {
        let s = self.config.settings;
        let safe = call.ask.replayable
            && match call.ask.repeat {
                Repeat::Free => true,
                Repeat::Billed => s.maybe_billed,
                Repeat::Once => false,
            };
        let most = if s.hedge == Hedge::Auto { AT_ONCE } else { AT_ONCE_FIXED };
        let few = (1..most).contains(&call.running.len()) && call.attempts < s.attempts_max;
        safe && few && call.committed.is_none() && now <= call.patience_end(&s)
    }

    /// Whether it refuses nothing now.
    pub(crate) fn is_calm(&self, lane: LaneId, now: Mono) -> bool {
        self.lanes.get(&lane).is_none_or(|l| !l.limiter.is_refusing(now))
    }

    fn pay_hedge(&mut self, now: Mono, call: &Call) -> bool {
        match self.config.settings.hedge {
            Hedge::Off => false,
            // An answer as a whole costs most, and is late only by chance more often: those of streams are never spent for it.
            Hedge::Auto => {
                let leaves = if call.ask.stream { 0 } else { SAVED };
                self.lanes.get_mut(&call.lane).is_some_and(|l| l.purse.pay(leaves))
            }
            Hedge::After(_) => self.pay(now, call).is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hedges of so many calls that all want one.
    fn paid(calls: u32, wins: bool) -> u32 {
        let mut purse = Purse::default();
        (0..calls).fold(0, |paid, _| {
            purse.call();
            let one = purse.pay(0);
            if one && wins {
                purse.won();
            }
            paid + u32::from(one)
        })
    }

    #[test]
    fn hedges_are_one_for_ten_calls_and_one_for_five_where_all_of_them_win() {
        assert_eq!(paid(1_000, false), 4 + 99);
        assert!((190..=210).contains(&paid(1_000, true)), "{}", paid(1_000, true));
    }
}
