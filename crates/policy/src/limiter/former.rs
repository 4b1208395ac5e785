//! What was found over a longer time, pace by pace: where refusals go on however slow the pace is, it is not the pace.
//!
//! One finding is too short to tell the few refusals of a limiter that is right, which tries a little more each time, from a few by
//! chance. Believing the former for long would let a pace sink below what comes, for each refusal cuts it.

use std::collections::VecDeque;

use clearline_model::{Dur, Mono};

/// So many findings, each of some sixteen attempts, that took at least and at most so long: a shorter time may be that in which a
/// pace finds its place, and what a longer one says is past.
const LONG: usize = 6;
const LEAST: Dur = Dur::secs(15);
const MOST: Dur = Dur::secs(60);
/// A limiter that is right sees some of ten refused (`bench resilience`, metastable): with no more than this let in of all, and this of
/// the later half, it is not right, thousandths.
const CHANCE_MILLI: u64 = 800;
const STILL_MILLI: u64 = 850;

/// What became of the attempts of one finding, which began then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) since: Mono,
    pub(super) let_in: usize,
    pub(super) refused: usize,
}

impl Found {
    /// The share that was let in, thousandths.
    pub(super) fn share(self) -> u64 {
        share([self].iter())
    }
}

fn share<'a>(found: impl Iterator<Item = &'a Found>) -> u64 {
    let (let_in, all) =
        found.fold((0, 0), |(let_in, all), f| (let_in + f.let_in, all + f.let_in + f.refused));
    let_in as u64 * 1_000 / (all as u64).max(1)
}

/// The latest findings, the oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Former(VecDeque<Found>);

impl Former {
    /// With one more.
    pub(super) fn and(mut self, found: Found) -> Self {
        if self.0.len() >= LONG {
            self.0.pop_front();
        }
        self.0.push_back(found);
        self
    }

    /// The share that is let in where no pace helps, thousandths.
    pub(super) fn share(&self, now: Mono) -> Option<u64> {
        let since = self.0.front().filter(|_| self.0.len() >= LONG)?.since;
        let (all, later) = (share(self.0.iter()), share(self.0.iter().skip(LONG / 2)));
        let is_long = (LEAST..=MOST).contains(&now.since(since));
        (is_long && all <= CHANCE_MILLI && later <= STILL_MILLI).then_some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Findings of sixteen attempts, so many seconds each, of which so many were let in.
    fn found(seconds: u64, let_in: &[usize]) -> Option<u64> {
        let mut former = Former::default();
        for (n, let_in) in (0..).zip(let_in) {
            let since = Mono(n * seconds * 1_000_000);
            former = former.and(Found { since, let_in: *let_in, refused: 16 - let_in });
        }
        former.share(Mono(let_in.len() as u64 * seconds * 1_000_000))
    }

    #[test]
    fn where_no_pace_helps_it_is_chance() {
        assert_eq!(found(5, &[12, 11, 12, 13, 10, 12]), Some(729));
        assert_eq!(
            found(5, &[16, 16, 12, 11, 12, 13, 10, 12]),
            Some(729),
            "what was long ago does not count"
        );
    }

    #[test]
    fn a_pace_that_found_its_place_is_right() {
        assert_eq!(found(5, &[15, 14, 16, 15, 14, 15]), None);
        assert_eq!(found(5, &[6, 9, 12, 15, 15, 15]), None, "it took some time");
    }

    #[test]
    fn too_short_and_too_long_a_time_says_nothing() {
        assert_eq!(found(5, &[12, 11, 12, 13, 10]), None);
        assert_eq!(found(2, &[12, 11, 12, 13, 10, 12]), None);
        assert_eq!(found(11, &[12, 11, 12, 13, 10, 12]), None);
    }
}
