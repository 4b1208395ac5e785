//! Whether a slower pace helps. A server that has too much to do takes the same number of fewer attempts: a larger share.
//! One that refuses by chance takes the same share at any pace; then waiting only makes everybody late.

use std::mem;

use clearline_model::{Dur, Mono};

use super::former::{Former, Found};
use super::pace::part;
use super::seconds::PRIOR;

/// After so many outcomes it is known, or after the larger number where few are let in.
const SEEN: usize = 16;
const LET_IN: usize = 6;
const SEEN_MOST: usize = 40;
/// At a pace that brings fewer in this time nobody would wait for more.
const LASTS: Dur = Dur::secs(10);
/// But with fewer than this nothing is known, for so long.
const SEEN_LEAST: usize = 4;
const LASTS_MOST: Dur = Dur::secs(30);
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
/// Where a finding helped although less than this was let in at first, thousandths, it was not chance what refused.
const REFUTED_MILLI: u64 = 700;
/// So few that were let in say nothing for sure: the share of before is known as badly.
const LET_IN_LEAST: usize = 3;
/// So many let in after the latest refusal are not what a few of chance look like.
const CALM: usize = 3;
/// A row of refusals that chance brings more rarely than so many times of a million is not taken for it.
const ROW_ODDS: u64 = 1_000;
const MILLION: u64 = 1_000_000;
const ODDS_MOST: u64 = 1_000_000_000;
/// So long refusals by chance do not switch the limiter on again; each time twice as long, up to a bound.
const CHANCE: Dur = Dur::secs(60);
const CHANCE_MAX: Dur = Dur::secs(600);
/// Of what chance would let in, thousandths: with surely less it is not what refuses.
const FEWER_MILLI: u64 = 800;
/// What was not refused within twice the time that refusals take, and this, was let in.
const PATIENCE: Dur = Dur::millis(200);

/// What a trial leaves of what is let in, thousandths: at just that pace some are refused by a capacity as well, which looks like
/// chance.
const LEAVES_MILLI: u64 = 900;
/// The least part of the own pace that a trial has, thousandths; and the larger one that it has up to so many starts a second,
/// thousandths: where few call it takes too long to find anything out at a pace that is much slower (both of many drawn worlds).
const TRIAL_MILLI: u64 = 125;
const SOON_MILLI: u64 = 350;
const SOON_MOST: u64 = 1_500;

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
    /// Thousandths: as it was counted, and as if a few more had been let in and as many refused.
    pub(super) share: u64,
    pub(super) likely: u64,
}

/// The pace of a trial, where so much was started a second and so much of it let in; one that is alone is sooner sure. All in
/// thousandths of a start a second.
pub(super) fn pace(own: u64, let_in: u64, is_alone: bool) -> u64 {
    let soon = if is_alone { part(own, SOON_MILLI).min(SOON_MOST) } else { 0 };
    part(let_in, LEAVES_MILLI).max(part(own, TRIAL_MILLI)).max(soon)
}

/// Attempts at a slower pace, against what was let in at a faster one.
#[derive(Debug, Clone)]
pub(super) struct Trial {
    pub(super) base: Base,
    since: Mono,
    open: Vec<Mono>,
    refused: usize,
    /// When the latest of them had started.
    denied: Mono,
    /// The longest time that a refusal took.
    slowest: Dur,
    /// What was found before, pace by pace.
    former: Former,
    /// So many were let in at a slower pace that it was not chance what refused at first.
    is_refuted: bool,
}

impl Trial {
    pub(super) fn new(base: Base, now: Mono) -> Self {
        Self {
            base,
            since: now,
            open: Vec::new(),
            refused: 0,
            denied: now,
            slowest: Dur::ZERO,
            former: Former::default(),
            is_refuted: false,
        }
    }

    /// From the beginning.
    pub(super) fn afresh(&mut self, now: Mono) {
        (self.since, self.refused, self.denied) = (now, 0, now);
        self.open.clear();
        (self.former, self.is_refuted) = (Former::default(), false);
    }

    /// Again, with new attempts; what was found is remembered.
    pub(super) fn again(&mut self, now: Mono) {
        let found = self.found(now);
        let refutes = found.let_in >= LET_IN && found.share() >= HELPED_MILLI;
        let is_refuted = self.is_refuted || (refutes && self.base.likely < REFUTED_MILLI);
        let former = mem::take(&mut self.former).and(found);
        self.afresh(now);
        (self.former, self.is_refuted) = (former, is_refuted);
    }

    fn found(&self, now: Mono) -> Found {
        Found { since: self.since, let_in: self.let_in(now), refused: self.refused }
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
        self.denied = self.denied.max(started);
        self.slowest = self.slowest.max(now.since(started));
    }

    /// How many were let in, as far as that is known already.
    fn let_in(&self, now: Mono) -> usize {
        let wait = self.slowest.scale(2, 1) + PATIENCE;
        self.open.iter().filter(|at| now.since(**at) >= wait).count()
    }

    /// Whether so many in a row were let in that the pace may grow meanwhile: what refused may be over.
    pub(super) fn is_calm(&self, now: Mono) -> bool {
        let wait = self.slowest.scale(2, 1) + PATIENCE;
        self.open.iter().filter(|at| **at > self.denied && now.since(**at) >= wait).count() >= CALM
    }

    /// Whether so many are let in that chance cannot be it, long before all outcomes are there: waiting for those at a slow
    /// pace is what a trial costs.
    fn helps_for_sure(&self, now: Mono) -> bool {
        let chance = self.base.share.clamp(1, HELPED_MILLI);
        let seen = self.let_in(now);
        let let_in = (0..seen).fold(1_000, |odds: u64, _| (odds * HELPED_MILLI / chance).min(ODDS_MOST));
        let odds = (0..self.refused).fold(let_in, |odds, _| odds * (1_000 - HELPED_MILLI) / (1_000 - chance));
        seen >= LET_IN_LEAST && odds >= SURE * 1_000
    }

    /// So many refusals in a row are not to be expected of chance, as far as that is known.
    pub(super) fn chance_row(&self) -> u32 {
        let refused = 1_000 - self.base.likely.min(HELPED_MILLI);
        let mut odds = if self.base.likely < CHANCE_MILLI { 0 } else { MILLION };
        let mut row = 0;
        while odds > ROW_ODDS {
            (odds, row) = (odds * refused / 1_000, row + 1);
        }
        row
    }

    /// Whether so many are refused at the slower pace that a capacity cannot be it.
    fn is_chance_for_sure(&self, now: Mono) -> bool {
        let (base, let_in) = (self.base.likely, self.let_in(now));
        if let_in == 0 || !(CHANCE_MILLI..=HELPED_MILLI - TOLD_MILLI).contains(&base) {
            return false;
        }
        let refused = (0..self.refused)
            .fold(1_000, |odds: u64, _| (odds * (1_000 - base) / (1_000 - HELPED_MILLI)).min(ODDS_MOST));
        (0..let_in).fold(refused, |odds, _| odds * base / HELPED_MILLI) >= SURE * 1_000
    }

    /// What it found where that is sure long before enough is known otherwise.
    pub(super) fn sure(&self, now: Mono) -> Option<Finding> {
        if self.helps_for_sure(now) {
            return Some(Finding::Helps);
        }
        self.is_chance_for_sure(now).then_some(Finding::Chance(self.base.likely))
    }

    /// What it found, once it is known.
    pub(super) fn finding(&self, now: Mono) -> Option<Finding> {
        let let_in = self.let_in(now);
        let all = let_in + self.refused;
        let enough = all >= SEEN && (let_in >= LET_IN || all >= SEEN_MOST);
        let lasts = if all < SEEN_LEAST { LASTS_MOST } else { LASTS };
        if !enough && now < self.since + lasts {
            return None;
        }
        let long = self.former.clone().and(self.found(now)).share(now);
        if let Some(share) = long.filter(|share| *share >= CHANCE_MILLI) {
            return Some(Finding::Chance(share));
        }
        let (all, base) = (all as u64, self.base.likely);
        let share = let_in as u64 * 1_000 / all.max(1);
        // What it would be if the same number were let in.
        let rate = Dur(all).scale(1_000_000_000, now.since(self.since).0.max(1)).0.max(1);
        let helped = Dur(base).scale(self.base.rate, rate).0.min(1_000);
        let same = share * 1_000 >= base * WORSE_MILLI && share * 2 <= base + helped;
        let told = !self.is_refuted && share.min(base) >= CHANCE_MILLI && helped > base + TOLD_MILLI;
        Some(if told && same { Finding::Chance((4 * share + base) / 5) } else { Finding::Helps })
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

    /// Whether it explains that so many were let in, and so many refused: many times fewer than it would let in, or fewer by more
    /// than what is let in by chance differs, are a capacity that more attempts only wear out.
    pub(super) fn explains(&self, (let_in, refused): (u64, u64)) -> bool {
        let would = |all: u64| all * self.share;
        let at_most = let_in + let_in.isqrt() + 1;
        (let_in + PRIOR) * 3_000 >= would(let_in + refused + 2 * PRIOR)
            && at_most * 1_000 >= Dur(would(let_in + refused)).scale(FEWER_MILLI, 1_000).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At half the pace of before, where `base` was let in; refusals take 50 ms.
    fn found(base: u64, refused: impl Fn(u64) -> bool) -> Option<Finding> {
        let mut trial = Trial::new(Base { rate: 4_000, share: base, likely: base }, Mono(0));
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
            let mut trial = Trial::new(Base { rate: 4_000, share: base, likely: base }, Mono(0));
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
    fn a_few_let_in_after_the_latest_refusal_let_the_pace_grow_meanwhile() {
        let mut trial = Trial::new(Base { rate: 4_000, share: 300, likely: 300 }, Mono(0));
        let at = |n: u64| Mono(n * 500_000);
        (1..=5).for_each(|n| trial.started(at(n)));
        assert!(trial.is_calm(at(7)));
        trial.refused(at(3), at(3) + Dur::millis(50));
        assert!(!trial.is_calm(at(7)), "two came after it");
        trial.started(at(6));
        assert!(!trial.is_calm(at(6)), "the third may still be refused");
        assert!(trial.is_calm(at(7)));
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
        let mut trial = Trial::new(Base { rate: 4_000, share: 500, likely: 500 }, Mono(0));
        trial.started(Mono(1));
        assert_eq!(trial.finding(Mono(29_999_999)), None, "one says nothing");
        assert!(trial.finding(Mono(30_000_000)).is_some(), "but there is an end");
        (2..=4).for_each(|n| trial.started(Mono(n)));
        assert_eq!(trial.finding(Mono(9_999_999)), None);
        assert!(trial.finding(Mono(10_000_000)).is_some());
    }

    #[test]
    fn chance_is_sure_after_a_few_where_many_are_refused_at_the_slower_pace_as_well() {
        let sure = |base: u64, let_in: u64, refused: u64| {
            let mut trial = Trial::new(Base { rate: 4_000, share: base, likely: base }, Mono(0));
            (0..let_in + refused).for_each(|n| trial.started(Mono(n)));
            (0..refused).for_each(|n| trial.refused(Mono(n), Mono(n + 50_000)));
            trial.sure(Mono(60_000_000))
        };
        assert_eq!(sure(500, 4, 4), Some(Finding::Chance(500)));
        assert_eq!(sure(500, 2, 2), None);
        assert_eq!(sure(500, 0, 8), None, "that may be an outage");
        assert_eq!(sure(200, 2, 8), None, "so few that it is not left to chance");
        assert_eq!(sure(800, 4, 8), None, "nearly all were let in before");
        assert_eq!(sure(500, 8, 0), Some(Finding::Helps));
    }

    #[test]
    fn a_row_of_refusals_is_longer_where_chance_brings_more_of_them() {
        let row = |base| Trial::new(Base { rate: 4_000, share: base, likely: base }, Mono(0)).chance_row();
        assert_eq!((row(200), row(900)), (0, 3));
        assert!((9..=11).contains(&row(500)) && (22..=25).contains(&row(250)), "{} {}", row(500), row(250));
    }

    #[test]
    fn an_attempt_is_let_in_only_after_the_time_of_a_refusal() {
        let mut trial = Trial::new(Base { rate: 4_000, share: 500, likely: 500 }, Mono(0));
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
    }

    #[test]
    fn chance_explains_what_differs_by_chance_and_no_capacity_that_more_attempts_wear_out() {
        let half = Chance::new(None, 500, Mono(0));
        let explains = |let_in, refused| half.explains((let_in, refused));
        assert!(explains(5, 5) && explains(2, 6) && explains(0, 1), "of few nobody knows it");
        assert!(!explains(0, 12), "none at all");
        assert!(explains(30, 45) && !explains(10, 65), "of many it is known");
    }
}
