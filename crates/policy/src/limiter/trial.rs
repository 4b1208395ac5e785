//! Whether a slower pace helps. A server that has too much to do takes the same number of fewer attempts: a larger share.
//! One that refuses by chance takes the same share at any pace; then waiting only makes everybody late.

use clearline_model::{Dur, Mono};

/// After so many outcomes it is known, or after the larger number where few are let in.
const SEEN: usize = 16;
const LET_IN: usize = 6;
const SEEN_MOST: usize = 40;
/// At a pace that brings fewer in this time nobody would wait for more.
const LASTS: Dur = Dur::secs(10);
/// Where less than this of the former share is let in, thousandths, it has become worse meanwhile.
const WORSE_MILLI: u64 = 600;
/// The two have to lie so far apart to be told from one another, thousandths.
const TOLD_MILLI: u64 = 200;
/// With less than this let in it is taken for overload, thousandths: to be wrong there would be the worse mistake.
const CHANCE_MILLI: u64 = 250;
/// Where a slower pace helps this share is let in, thousandths (a guess); and so many times likelier than by chance has it to be
/// to be sure.
const HELPED_MILLI: u64 = 900;
const SURE: u64 = 50;
const ODDS_MOST: u64 = 1_000_000_000;
/// So long refusals by chance do not switch the limiter on again; each time twice as long, up to a bound.
const CHANCE: Dur = Dur::secs(60);
const CHANCE_MAX: Dur = Dur::secs(600);
/// What was not refused within twice the time that refusals take, and this, was let in.
const PATIENCE: Dur = Dur::millis(200);

/// What a trial found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// Fewer attempts, larger share: it has too much to do.
    Helps,
    /// The same share of fewer attempts, thousandths.
    Chance(u64),
}

/// What was let in at the pace that brought the refusals.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base {
    /// Thousandths of a start a second.
    pub(super) rate: u64,
    /// Thousandths.
    pub(super) share: u64,
}

/// Attempts at a slower pace, against what was let in at a faster one.
#[derive(Debug, Clone)]
pub(super) struct Trial {
    pub(super) base: Base,
    since: Mono,
    open: Vec<Mono>,
    refused: usize,
    /// The longest time that a refusal took.
    slowest: Dur,
}

impl Trial {
    pub(super) const fn new(base: Base, now: Mono) -> Self {
        Self { base, since: now, open: Vec::new(), refused: 0, slowest: Dur::ZERO }
    }

    /// Again, with new attempts.
    pub(super) fn again(&mut self, now: Mono) {
        (self.since, self.refused) = (now, 0);
        self.open.clear();
    }

    pub(super) fn started(&mut self, now: Mono) {
        self.open.push(now);
    }

    pub(super) fn refused(&mut self, started: Mono, now: Mono) {
        if started < self.since {
            return;
        }
        if let Some(place) = self.open.iter().position(|at| *at == started) {
            self.open.swap_remove(place);
        }
        self.refused += 1;
        self.slowest = self.slowest.max(now.since(started));
    }

    /// How many were let in, as far as that is known already.
    fn let_in(&self, now: Mono) -> usize {
        let wait = self.slowest.scale(2, 1) + PATIENCE;
        self.open.iter().filter(|at| now.since(**at) >= wait).count()
    }

    /// Whether so many are let in that chance cannot be it, long before all outcomes are there: waiting for those at a slow
    /// pace is what a trial costs.
    pub(super) fn helps_for_sure(&self, now: Mono) -> bool {
        let chance = self.base.share.clamp(1, HELPED_MILLI);
        let let_in =
            (0..self.let_in(now)).fold(1_000, |odds: u64, _| (odds * HELPED_MILLI / chance).min(ODDS_MOST));
        let odds = (0..self.refused).fold(let_in, |odds, _| odds * (1_000 - HELPED_MILLI) / (1_000 - chance));
        odds >= SURE * 1_000
    }

    /// What it found, once it is known.
    pub(super) fn finding(&self, now: Mono) -> Option<Finding> {
        let let_in = self.let_in(now);
        let all = let_in + self.refused;
        let enough = all >= SEEN && (let_in >= LET_IN || all >= SEEN_MOST);
        if !enough && now < self.since + LASTS {
            return None;
        }
        let (all, base) = (all as u64, self.base.share);
        let share = let_in as u64 * 1_000 / all.max(1);
        // What it would be if the same number were let in.
        let rate = Dur(all).scale(1_000_000_000, now.since(self.since).0.max(1)).0.max(1);
        let helped = Dur(base).scale(self.base.rate, rate).0.min(1_000);
        let same = share * 1_000 >= base * WORSE_MILLI && share * 2 <= base + helped;
        let told = share.min(base) >= CHANCE_MILLI && helped > base + TOLD_MILLI;
        Some(if told && same { Finding::Chance((share + base) / 2) } else { Finding::Helps })
    }
}

/// Refusals by chance: a slower pace did not help.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance {
    /// So long nobody asks again, unless they become many more.
    pub(super) until: Mono,
    lasts: Dur,
    /// The share that was let in, thousandths.
    share: u64,
}

impl Chance {
    pub(super) fn new(former: Option<Self>, share: u64, now: Mono) -> Self {
        let lasts = former.map_or(CHANCE, |c| c.lasts.scale(2, 1).min(CHANCE_MAX));
        Self { until: now + lasts, lasts, share }
    }

    /// Whether it explains that such a share is let in, thousandths.
    pub(super) const fn explains(&self, share: u64) -> bool {
        share * 3 >= self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At half the pace of before, where `base` was let in; refusals take 50 ms.
    fn found(base: u64, refused: impl Fn(u64) -> bool) -> Option<Finding> {
        let mut trial = Trial::new(Base { rate: 4_000, share: base }, Mono(0));
        for n in 0..60 {
            let at = Mono(n * 500_000);
            if let Some(finding) = trial.finding(at) {
                return Some(finding);
            }
            trial.started(at);
            if refused(n) {
                trial.refused(at, at + Dur::millis(50));
            }
        }
        None
    }

    #[test]
    fn a_capacity_lets_a_larger_share_in_and_chance_the_same() {
        assert_eq!(found(500, |n| n % 10 == 0), Some(Finding::Helps));
        assert!(matches!(found(500, |n| n % 2 == 0), Some(Finding::Chance(450..=550))));
        assert!(matches!(found(330, |n| n % 3 != 0), Some(Finding::Chance(290..=370))));
        assert_eq!(found(200, |n| n % 5 != 0), Some(Finding::Helps), "so few that it is not left to chance");
    }

    #[test]
    fn a_few_that_are_all_let_in_are_enough_where_few_were_and_not_where_half_were() {
        let sure = |base: u64, let_in: u64, refused: u64| {
            let mut trial = Trial::new(Base { rate: 4_000, share: base }, Mono(0));
            for n in 0..let_in + refused {
                let at = Mono(n * 500_000);
                trial.started(at);
                if n < refused {
                    trial.refused(at, at + Dur::millis(50));
                }
            }
            trial.helps_for_sure(Mono(60_000_000))
        };
        assert!(sure(250, 4, 0) && !sure(250, 2, 0) && !sure(250, 4, 2));
        assert!(sure(500, 8, 0) && !sure(500, 4, 0) && !sure(500, 16, 16));
        assert!(!sure(950, 40, 0), "nearly all were let in before");
    }

    #[test]
    fn nothing_let_in_is_never_chance() {
        assert_eq!(found(500, |_| true), Some(Finding::Helps));
        assert_eq!(found(0, |_| true), Some(Finding::Helps));
        assert_eq!(
            found(0, |n| n % 2 == 0),
            Some(Finding::Helps),
            "and what was not known before tells nothing"
        );
    }

    #[test]
    fn where_few_start_nobody_waits_for_more() {
        let mut trial = Trial::new(Base { rate: 4_000, share: 500 }, Mono(0));
        trial.started(Mono(1));
        assert_eq!(trial.finding(Mono(9_999_999)), None);
        assert!(trial.finding(Mono(10_000_000)).is_some());
    }

    #[test]
    fn an_attempt_is_let_in_only_after_the_time_of_a_refusal() {
        let mut trial = Trial::new(Base { rate: 4_000, share: 500 }, Mono(0));
        trial.started(Mono(0));
        trial.refused(Mono(0), Mono(3_000_000));
        (1..=30).for_each(|n| trial.started(Mono(4_000_000 + n)));
        assert_eq!(trial.finding(Mono(9_000_000)), None, "twice three seconds");
        assert!(trial.finding(Mono(10_300_000)).is_some());
    }

    #[test]
    fn what_is_known_of_chance_lasts_longer_each_time() {
        let once = Chance::new(None, 500, Mono(0));
        let twice = Chance::new(Some(once), 400, Mono(0));
        assert_eq!((once.until, twice.until), (Mono(60_000_000), Mono(120_000_000)));
        assert!(once.explains(167) && !once.explains(166));
    }
}
