//! What came of the calls of one side, in numbers.

use std::collections::BTreeMap;

use clearline_model::Dur;

use super::caller::Ended;

/// The numbers of one side.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Calls.
    pub(crate) calls: u64,
    /// … whose answer was whole and right.
    pub(crate) well: u64,
    /// … that looked like a success and were none.
    pub(crate) corrupt: u64,
    /// Calls that failed after some of their answer had reached the caller: nobody could repeat those unseen.
    pub(crate) after_output: u64,
    /// The median of the time of those that went well.
    pub(crate) p50: Dur,
    /// The 99th percentile of the same.
    pub(crate) p99: Dur,
    /// Requests that the API got.
    pub(crate) attempts: u64,
    /// What the callers were told, and how often.
    pub(crate) told: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts.
    pub(crate) fn of(ended: &[Ended], attempts: u64) -> Self {
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let mut took: Vec<Dur> = ended.iter().filter(|e| e.well).map(|e| e.took).collect();
        took.sort_unstable();
        let mut told = BTreeMap::new();
        for e in ended.iter().filter(|e| !e.well) {
            *told.entry(e.why.clone()).or_default() += 1;
        }
        Self {
            calls: number(ended.len()),
            well: number(took.len()),
            corrupt: number(ended.iter().filter(|e| e.corrupt).count()),
            after_output: number(ended.iter().filter(|e| !e.well && e.delivered).count()),
            p50: quantile(&took, 50),
            p99: quantile(&took, 99),
            attempts,
            told,
        }
    }

    /// Calls that could succeed without anybody seeing a repetition: all but those that broke after their first byte.
    pub(crate) const fn recoverable(&self) -> u64 {
        self.calls - self.after_output
    }

    /// Attempts for each success, in hundredths.
    pub(crate) fn attempts_each(&self) -> u64 {
        (self.attempts * 100).checked_div(self.well).unwrap_or(0)
    }
}

/// The nearest-rank quantile of sorted lengths.
fn quantile(sorted: &[Dur], percent: usize) -> Dur {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(well: bool, delivered: bool, ms: u64) -> Ended {
        let why = if well { String::new() } else { "status 529".to_owned() };
        Ended { well, corrupt: false, delivered, why, took: Dur::millis(ms) }
    }

    #[test]
    fn successes_alone_have_a_latency_and_broken_answers_are_no_ones_fault() {
        let all: Vec<_> = (1..=100).map(|ms| ended(ms <= 98, ms == 99, ms)).collect();
        let tally = Tally::of(&all, 120);
        assert_eq!((tally.calls, tally.well, tally.after_output, tally.recoverable()), (100, 98, 1, 99));
        assert_eq!((tally.p50, tally.p99), (Dur::millis(49), Dur::millis(98)));
        assert_eq!(tally.attempts_each(), 122);
        assert_eq!(tally.told.get("status 529"), Some(&2));
        assert_eq!(Tally::of(&[], 0).p99, Dur::ZERO);
    }
}
