//! A pace at which attempts start.

use clearline_model::{Dur, Mono};

use crate::dice::Dice;

/// Starts that were due so long ago may come together: timers are coarse.
const LATE_MAX: Dur = Dur::millis(20);
/// By so much of its time a start comes earlier or later by chance, thousandths.
const CHANCE_MILLI: u64 = 30;
/// So much of its time is left to a start after one that did not count, thousandths.
const SOON_MILLI: u64 = 120;
/// Beyond this pace nothing is limited any more, thousandths of a start a second.
const RATE_MAX: u64 = 1_000_000_000;

/// So many starts a second, and when the next one is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Thousandths of a start a second.
    pub(super) rate: u64,
    pub(super) next: Mono,
}

/// A share of a pace, thousandths.
pub(super) fn part(rate: u64, milli: u64) -> u64 {
    Dur(rate).scale(milli, 1_000).0
}

/// What a growth by so many thousandths a second makes of a pace in a time.
pub(super) fn growth(rate: u64, milli: u64, time: Dur) -> u64 {
    Dur(rate).scale(milli, 1_000).scale(time.0, 1_000_000).0
}

impl Pace {
    pub(super) fn new(rate: u64, now: Mono) -> Self {
        let pace = Self { rate: rate.clamp(1, RATE_MAX), next: now };
        Self { next: now + pace.interval(), ..pace }
    }

    /// From one start to the next.
    pub(super) fn interval(&self) -> Dur {
        Dur((1_000_000_000 / self.rate.max(1)).max(1))
    }

    fn late(now: Mono) -> Mono {
        Mono(now.0.saturating_sub(LATE_MAX.0))
    }

    pub(super) fn start(&mut self, now: Mono, dice: &mut Dice) {
        // Some chance to both sides: many of these must not beat in time. Little, since who saves nothing up refuses what comes
        // too early.
        let step = self.interval();
        let chance = step.scale(CHANCE_MILLI, 1_000);
        let wait = Dur(step.0.saturating_sub(chance.0)) + dice.upto(chance.scale(2, 1));
        self.next = self.next.max(Self::late(now)) + wait.max(Dur(1));
    }

    /// Changes it; what is due next moves along.
    pub(super) fn set(&mut self, rate: u64, now: Mono) {
        let rate = rate.clamp(1, RATE_MAX);
        let wait = self.next.since(now);
        self.next = self.next.min(now) + wait.scale(self.rate, rate);
        if wait == Dur::ZERO {
            self.next = self.next.max(Self::late(now));
        }
        self.rate = rate;
    }

    /// The latest start did not count: the next one need not wait for its whole time.
    pub(super) fn hasten(&mut self, now: Mono) {
        self.next = self.next.min(now + self.interval().scale(SOON_MILLI, 1_000));
    }

    /// Whether a start at this moment was kept waiting for the pace.
    pub(super) fn holds(&self, now: Mono) -> bool {
        self.next >= Self::late(now)
    }

    /// Whether less is started than it would let through.
    pub(super) fn is_slack(&self, now: Mono) -> bool {
        now > self.next + self.interval().scale(2, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_keep_the_pace_and_a_pause_is_not_made_up_for() {
        let (mut pace, mut dice) = (Pace::new(2_000, Mono(0)), Dice::new(1));
        let mut at = Vec::new();
        for _ in 0..100 {
            at.push(pace.next.0);
            pace.start(pace.next, &mut dice);
        }
        let whole = at.last().unwrap() - at.first().unwrap();
        assert!((48_000_000..51_000_000).contains(&whole), "{whole} for 99 half seconds");
        let late = Mono(at.last().unwrap() + 60_000_000);
        assert!(pace.is_slack(late));
        pace.start(late, &mut dice);
        assert!(pace.next > late + Dur::millis(400));
    }

    #[test]
    fn who_was_refused_does_not_cost_the_next_one_a_whole_step() {
        let (mut pace, mut dice) = (Pace::new(1_000, Mono(0)), Dice::new(1));
        pace.start(Mono(1_000_000), &mut dice);
        pace.hasten(Mono(1_050_000));
        assert!(pace.next > Mono(1_050_000) && pace.next < Mono(1_500_000), "{pace:?}");
        let soon = pace.next;
        pace.hasten(Mono(1_060_000));
        assert_eq!(pace.next, soon, "never later");
        assert!(pace.holds(soon) && !pace.holds(Mono(3_000_000)));
    }

    #[test]
    fn a_changed_pace_holds_for_the_next_start() {
        let mut pace = Pace::new(1_000, Mono(0));
        pace.set(10_000, Mono(0));
        assert_eq!(pace.next, Mono(100_000));
        pace.set(1_000, Mono(50_000));
        assert_eq!(pace.next, Mono(550_000));
        assert_eq!((part(2_000, 700), growth(2_000, 100, Dur::millis(500))), (1_400, 100));
    }
}
