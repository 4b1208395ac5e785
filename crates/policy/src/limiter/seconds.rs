//! What became of attempts, by the second in which they started.

use clearline_model::{Dur, Mono};

/// Seconds that are counted: what a few attempts a second say of the usual pace, they say only over a minute.
const SECONDS: u64 = 64;

/// So many count as let in, and as many as refused, besides those that were.
pub(super) const PRIOR: u64 = 2;

/// What became of the attempts that started within one second.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Second {
    pub(super) at: u64,
    pub(super) started: u32,
    pub(super) refused: u32,
    /// Failed, but not because the other side has too much to do.
    pub(super) other: u32,
}

impl Second {
    /// What was not refused was let in, even if its answer takes long.
    pub(super) const fn let_in(&self) -> u32 {
        self.started.saturating_sub(self.refused).saturating_sub(self.other)
    }
}

/// The last minute, second by second. Empty until something happens.
#[derive(Debug, Clone, Default)]
pub(super) struct Seconds(Vec<Second>);

const fn number(at: Mono) -> u64 {
    at.0 / 1_000_000
}

impl Seconds {
    fn place(at: u64) -> Option<usize> {
        usize::try_from(at % SECONDS).ok()
    }

    /// Counts a start.
    pub(super) fn start(&mut self, now: Mono) {
        if self.0.is_empty() {
            self.0.resize(usize::try_from(SECONDS).unwrap_or(0), Second::default());
        }
        let at = number(now);
        let Some(second) = Self::place(at).and_then(|p| self.0.get_mut(p)) else { return };
        if second.at != at {
            *second = Second { at, ..Second::default() };
        }
        second.started += 1;
    }

    fn of(&mut self, started: Mono) -> Option<&mut Second> {
        let at = number(started);
        self.0.get_mut(Self::place(at)?).filter(|s| s.at == at)
    }

    /// Counts a refusal of an attempt that started then.
    pub(super) fn refuse(&mut self, started: Mono) {
        if let Some(second) = self.of(started) {
            second.refused += 1;
        }
    }

    /// Counts another failure of an attempt that started then.
    pub(super) fn fail(&mut self, started: Mono) {
        if let Some(second) = self.of(started) {
            second.other += 1;
        }
    }

    /// The last so many seconds, this one with them.
    pub(super) fn last(&self, now: Mono, seconds: u64) -> impl Iterator<Item = &Second> {
        let at = number(now);
        let places = (at + 1).saturating_sub(seconds)..=at;
        // A place holds the second that it was last written in; before anything happened there are none.
        places.filter_map(|at| self.0.get(Self::place(at)?).filter(|s| s.at == at))
    }

    pub(super) fn sum(&self, now: Mono, seconds: u64, what: fn(&Second) -> u32) -> u64 {
        self.last(now, seconds).map(|s| u64::from(what(s))).sum()
    }

    /// What was started in the fullest of the last so many seconds, thousandths a second.
    pub(super) fn most(&self, now: Mono, seconds: u64) -> u64 {
        self.last(now, seconds).map(|s| u64::from(s.started)).max().unwrap_or(0) * 1_000
    }

    /// What was let in a second over the last full ones, thousandths.
    pub(super) fn goodput(&self, now: Mono, seconds: u64) -> u64 {
        let before = Mono(now.0.saturating_sub(1_000_000));
        self.sum(before, seconds, Second::let_in) * 1_000 / seconds.max(1)
    }

    /// What was let in a second while anything was, thousandths.
    pub(super) fn usual(&self, now: Mono) -> u64 {
        let (mut first, mut last, mut n) = (u64::MAX, 0, 0);
        for s in self.last(now, SECONDS).filter(|s| s.let_in() > 0) {
            (first, last, n) = (first.min(s.at), last.max(s.at), n + u64::from(s.let_in()));
        }
        if n == 0 { 0 } else { n * 1_000 / (last - first + 1) }
    }

    /// When the latest second began in which something was let in, of those that are over for so long.
    pub(super) fn latest(&self, now: Mono, over: Dur) -> Option<Mono> {
        let seen = Mono(now.0.saturating_sub(over.0));
        let at = self.last(seen, SECONDS).filter(|s| s.let_in() > 0).map(|s| s.at).max();
        at.map(|at| Mono(at * 1_000_000))
    }

    /// So many were refused of the last so many seconds since the second in which anything was let in last, of those that
    /// are over for so long; and when that began.
    pub(super) fn row(&self, now: Mono, seconds: u64, over: Dur) -> (u64, Option<Mono>) {
        let let_in = self.latest(now, over);
        let refused = self.last(now, seconds).filter(|s| let_in.is_none_or(|at| s.at > number(at)));
        (refused.map(|s| u64::from(s.refused)).sum(), let_in)
    }

    /// What became of attempts since the first refusal of the last so many seconds: let in, refused.
    pub(super) fn trouble(&self, now: Mono, seconds: u64) -> (u64, u64) {
        let trouble = self.last(now, seconds).skip_while(|s| s.refused == 0);
        trouble.fold((0, 0), |(let_in, refused), s| {
            (let_in + u64::from(s.let_in()), refused + u64::from(s.refused))
        })
    }

    /// What was started a second since the first refusal of the last so many seconds, thousandths.
    pub(super) fn troubled(&self, now: Mono, seconds: u64) -> u64 {
        let trouble = || self.last(now, seconds).skip_while(|s| s.refused == 0);
        let all: u64 = trouble().map(|s| u64::from(s.started)).sum();
        // The second that runs is not over.
        let begun = trouble().next().map_or(now, |s| Mono(s.at * 1_000_000));
        all * 1_000_000_000 / now.since(begun).0.max(1_000_000)
    }

    /// The share that was let in since the first refusal of the last so many seconds, thousandths; 1 000 without any.
    pub(super) fn share(&self, now: Mono, seconds: u64) -> u64 {
        let (let_in, refused) = self.trouble(now, seconds);
        (let_in * 1_000).checked_div(let_in + refused).unwrap_or(1_000)
    }

    /// The same as if a few more had been let in and as many refused: of a few attempts nobody knows it better.
    pub(super) fn likely_share(&self, now: Mono, seconds: u64) -> u64 {
        let (let_in, refused) = self.trouble(now, seconds);
        (let_in + PRIOR) * 1_000 / (let_in + refused + 2 * PRIOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Mono {
        Mono(ms * 1_000)
    }

    #[test]
    fn a_refusal_counts_for_the_second_in_which_its_attempt_started() {
        let mut s = Seconds::default();
        (0..10).for_each(|n| s.start(at(n * 500)));
        s.refuse(at(3_000));
        s.fail(at(3_500));
        s.refuse(at(70_000));
        let let_in: Vec<_> = s.last(at(4_999), 5).map(Second::let_in).collect();
        assert_eq!(let_in, [2, 2, 2, 0, 2]);
        assert_eq!((s.sum(at(4_999), 2, |s| s.refused), s.goodput(at(4_999), 2)), (1, 1_000));
        assert_eq!(s.latest(at(4_999), Dur::secs(1)), Some(at(2_000)));
        assert_eq!(s.usual(at(4_999)), 8_000 / 5);
        assert_eq!((s.most(at(4_999), 3), s.most(at(9_000), 3)), (2_000, 0));
        assert_eq!(s.troubled(at(4_500), 10), 4_000 * 1_000 / 1_500, "four in a second and a half");
        assert_eq!(s.troubled(at(4_500), 1), 0, "no trouble");
        assert_eq!(s.share(at(4_999), 10), 666, "two of three since it began");
        assert_eq!(s.share(at(4_999), 1), 1_000);
        assert_eq!(s.likely_share(at(4_999), 10), 571, "four of seven");
    }

    #[test]
    fn a_row_is_what_was_refused_since_anything_was_let_in() {
        let mut s = Seconds::default();
        assert_eq!(s.row(at(9_000), 10, Dur::secs(1)), (0, None));
        (0..8).for_each(|n| s.start(at(n * 1_000)));
        [1_000, 5_000, 6_000, 7_000].into_iter().for_each(|ms| s.refuse(at(ms)));
        assert_eq!(s.row(at(7_500), 10, Dur::secs(1)), (3, Some(at(4_000))));
        s.fail(at(4_000));
        assert_eq!(
            s.row(at(7_500), 10, Dur::secs(1)),
            (3, Some(at(3_000))),
            "what failed otherwise is neither"
        );
    }

    #[test]
    fn a_minute_later_nothing_is_left_of_it() {
        let mut s = Seconds::default();
        s.start(at(500));
        s.refuse(at(500));
        s.start(at(64_500));
        assert_eq!(s.sum(at(64_500), SECONDS, |s| s.started), 1);
        assert_eq!(s.sum(at(64_500), SECONDS, |s| s.refused), 0);
        s.refuse(at(500));
        assert_eq!(s.sum(at(64_500), SECONDS, |s| s.refused), 0, "its second is gone");
    }
}
