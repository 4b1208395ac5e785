//! How often an outage is probed: so that its end is found in a time that is short against it.

use clearline_model::Dur;

use super::pace::part;

/// A probe at the latest after this part of an outage: its end is found in a time that is short against it. And so many
/// a second at first, of what was let in before, but never more than one, thousandths.
const PART: u64 = 40;
const MILLI: u64 = 333;
const MOST: u64 = 1_000;
/// However few are let in otherwise: so many a second, thousandths, as long as that is no more often than after this part of the
/// outage. Where few call a probe is cheap, and all of them wait for it.
const LEAST: u64 = 500;
const LEAST_PART: u64 = 10;

/// The pace of probes after so long without anything that was let in, where this was let in before; both paces in thousandths of a start a
/// second.
pub(super) fn pace(outage: Dur, before: u64) -> u64 {
    let age = outage.0.max(1);
    let often = PART * 1_000_000_000 / age;
    let least = (LEAST_PART * 1_000_000_000 / age).min(LEAST);
    often.min(part(before, MILLI).max(least)).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_become_rarer_with_the_outage_and_are_few_where_few_call() {
        let paces = |before| [5, 60, 600, 3_600].map(|seconds| pace(Dur::secs(seconds), before));
        assert_eq!(paces(100_000), [1_000, 666, 66, 11]);
        assert_eq!(paces(600), [500, 199, 66, 11]);
        assert_eq!(pace(Dur::ZERO, 3_000), 999);
    }
}
