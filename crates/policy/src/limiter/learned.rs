//! The pace for a limit of a key that nobody tells: found by the refusals.

use std::collections::VecDeque;

use clearline_model::{Dur, Mono};

use super::climb::up_to;
use super::pace::{Pace, growth, part};
use super::seconds::Seconds;
use super::{CUT_EVERY, CUT_MILLI, GROWTH_MAX, HOLD, PACE, USED, USED_MILLI, USED_MORE, USED_TIMES, WINDOW};
use crate::config::Settings;
use crate::dice::Dice;

/// So many refusals, and such a share, thousandths, are a limit: one alone may be a throttle that has passed already.
const SIGNALS: u64 = 3;
const SHARE_MILLI: u64 = 100;
/// Growth in a second beyond what there was room for before, thousandths (resilience 5.5: 3 % in half a second).
const SLOW_MILLI: u64 = 60;
/// So many refusals in a row, for so long, are a limit that is used up until its time is over: no slower pace helps, and when
/// something is let in again so is what was before.
const SHUT_ROW: usize = 6;
const SHUT: Dur = Dur::secs(3);
/// So fast it is asked meanwhile, thousandths of a start a second.
const ASKS_MILLI: u64 = 500;
/// So many refusals are kept.
const MARKS: usize = 64;

#[derive(Debug, Clone)]
struct On {
    pace: Pace,
    cut: Mono,
    grown: Mono,
    refused: Mono,
    /// The pace at which it was refused last.
    broke: u64,
    /// The pace at which something was let in last.
    held: u64,
    /// When the latest of those that were let in had started, and those that were refused since.
    let_in: Mono,
    denied: VecDeque<Mono>,
}

impl On {
    /// Whether nothing was let in at any pace from the latest let in to one that started then.
    fn was_shut(&self, until: Mono) -> bool {
        let row = self.denied.iter().filter(|at| (self.let_in..until).contains(at)).count();
        row >= SHUT_ROW && until >= self.let_in + SHUT
    }
}

/// What was learned of a limit; nothing at first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Learned {
    seconds: Seconds,
    on: Option<On>,
}

impl Learned {
    /// From when on the next attempt may start.
    pub(crate) fn ready_at(&self) -> Option<Mono> {
        self.on.as_ref().map(|on| on.pace.next)
    }

    pub(crate) fn started(&mut self, now: Mono, dice: &mut Dice) {
        self.seconds.start(now);
        if let Some(on) = &mut self.on {
            on.pace.start(now, dice);
        }
    }

    /// An attempt that started then was let in.
    pub(crate) fn accepted(&mut self, started: Mono, now: Mono, s: &Settings) {
        let Some(on) = &mut self.on else { return };
        if started > on.let_in {
            let was_shut = on.was_shut(started);
            on.let_in = started;
            on.denied.retain(|at| *at > started);
            if was_shut {
                on.grown = now;
                on.pace.set(on.held.max(self.seconds.usual(now)), now);
                on.pace.next = now;
                return;
            }
        }
        on.held = on.pace.rate;
        let time = now.since(on.grown).min(GROWTH_MAX);
        on.grown = now;
        if now < on.cut + HOLD {
            return;
        }
        let used = self.seconds.most(now, USED);
        let (rate, known) = (on.pace.rate, part(on.broke, CUT_MILLI));
        let grown = up_to(known, rate, time).unwrap_or_else(|| rate + growth(rate, SLOW_MILLI, time));
        let grown = grown.min((used * USED_TIMES + USED_MORE).max(known).max(rate));
        on.pace.set(grown.max(s.limiter_floor_milli), now);
    }

    /// The limit was reached by an attempt that started then.
    pub(crate) fn refused(&mut self, started: Mono, now: Mono, s: &Settings) {
        self.seconds.refuse(started);
        let used = self.seconds.most(now, USED);
        let Some(on) = &mut self.on else { return self.switch_on(now, s) };
        on.refused = now;
        // A pace that nobody came near is not what was refused.
        on.pace.set(on.pace.rate.min(part(used, USED_MILLI).max(USED_MORE)), now);
        if on.denied.len() < MARKS {
            on.denied.push_back(started);
        }
        if now < on.cut + CUT_EVERY {
            return;
        }
        (on.cut, on.broke) = (now, on.pace.rate);
        let asks = if on.was_shut(now) { ASKS_MILLI } else { 0 };
        let least = s.limiter_floor_milli.max(asks).min(on.pace.rate);
        on.pace.set(part(on.pace.rate, CUT_MILLI).max(least), now);
    }

    fn switch_on(&mut self, now: Mono, s: &Settings) {
        let refused = self.seconds.sum(now, WINDOW, |s| s.refused);
        let started = self.seconds.sum(now, WINDOW, |s| s.started);
        if refused < SIGNALS || refused * 1_000 < started * SHARE_MILLI {
            return;
        }
        let own = self.seconds.sum(now, PACE, |s| s.started) * 1_000 / PACE;
        // A limit lets through what it let through before, and a few attempts say little about it.
        let least = part(self.seconds.usual(now), 900).max(1_000).max(s.limiter_floor_milli);
        let rate = part(own, CUT_MILLI).max(least);
        let pace = Pace::new(rate, now);
        self.on = Some(On {
            pace,
            cut: now,
            grown: now,
            refused: now,
            broke: own.max(rate),
            held: rate,
            let_in: now,
            denied: VecDeque::new(),
        });
    }

    /// Forgets it when less is started than it would let through, and nothing was refused for so long.
    pub(crate) fn settle(&mut self, now: Mono, calm: Dur) {
        if self.on.as_ref().is_some_and(|on| on.pace.is_slack(now) && now >= on.refused + calm) {
            self.on = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A limit of so many a second, thousandths, against twenty that want to: taken, refused.
    fn against(limit: u64) -> (u64, u64) {
        let (mut l, s, mut dice) = (Learned::default(), Settings::default(), Dice::new(7));
        let (mut taken, mut refused, mut room) = (0, 0, 0);
        for tick in 0..12_000_u64 {
            let now = Mono(tick * 10_000);
            room = (room + limit / 100).min(2_000);
            if tick % 5 != 0 || l.ready_at().is_some_and(|at| at > now) {
                continue;
            }
            l.started(now, &mut dice);
            if room < 1_000 {
                refused += 1;
                l.refused(now, now, &s);
            } else {
                (taken, room) = (taken + 1, room - 1_000);
                l.accepted(now, now, &s);
            }
        }
        (taken, refused)
    }

    #[test]
    fn a_limit_that_nobody_tells_is_used_and_not_run_against() {
        for limit in [1_500, 4_000, 8_000] {
            let (taken, refused) = against(limit);
            let room = limit * 120 / 1_000;
            assert!(taken * 100 > room * 65 && refused * 5 < taken, "{limit}: {taken} of {room}, {refused}");
        }
    }

    /// Two hundred in each minute of the clock, against five a second that want to: taken in each minute, refused in all.
    #[test]
    fn a_limit_of_each_minute_is_used_again_when_the_next_one_begins() {
        let (mut l, s, mut dice) = (Learned::default(), Settings::default(), Dice::new(7));
        let (mut taken, mut refused, mut heard) = ([0; 5], 0, VecDeque::new());
        for tick in 0..30_000_u64 {
            let now = Mono(tick * 10_000);
            // Its head takes a second.
            while let Some(started) = heard.front().copied().filter(|at| now >= *at + Dur::secs(1)) {
                heard.pop_front();
                l.accepted(started, now, &s);
            }
            if tick % 20 != 0 || l.ready_at().is_some_and(|at| at > now) {
                continue;
            }
            l.started(now, &mut dice);
            let minute = &mut taken[usize::try_from(tick / 6_000).unwrap()];
            if *minute < 200 {
                *minute += 1;
                heard.push_back(now);
            } else {
                refused += 1;
                l.refused(now, now, &s);
            }
        }
        assert!(taken.iter().all(|n| *n >= 180), "{taken:?}");
        assert!(refused < 200, "{refused}");
    }

    #[test]
    fn one_refusal_is_no_limit_and_calm_forgets_one() {
        let (mut l, s, mut dice) = (Learned::default(), Settings::default(), Dice::new(7));
        for n in 0..3 {
            let now = Mono(n * 100_000);
            assert_eq!(l.ready_at(), None);
            l.started(now, &mut dice);
            l.refused(now, now, &s);
        }
        assert!(l.ready_at().is_some());
        l.settle(Mono(5_000_000), Dur::secs(10));
        assert!(l.ready_at().is_some());
        l.settle(Mono(11_000_000), Dur::secs(10));
        assert_eq!(l.ready_at(), None);
    }
}
