//! Whether there are enough callers to pace: with few, each call's own backoff is pace enough.

use clearline_model::Mono;

use super::seconds::Seconds;
use super::{LET_IN, OUTAGE_ROW, WINDOW, is_alone};
use crate::config::Settings;

/// With fewer open calls than this nothing is paced but in an outage: backoffs tell what refuses by chance from what has too much
/// to do sooner than a trial with so few.
pub(crate) const CROWD: u32 = 12;
/// But with so many, where so many in a row were refused.
const SOME: u32 = 8;
const SOME_ROW: u64 = 8;

/// Whether one more refusal may switch the limiter on where so many calls are open.
pub(super) fn is_trouble(seconds: &Seconds, open: u32, now: Mono, s: &Settings) -> bool {
    if open >= CROWD || !is_alone(s) {
        return open >= SOME;
    }
    let (row, let_in) = seconds.row(now, WINDOW, LET_IN);
    let is_out = let_in.is_none_or(|at| now >= at + s.limiter_outage);
    if is_out {
        open >= SOME || row + 1 >= u64::from(OUTAGE_ROW)
    } else {
        open >= SOME && row + 1 >= SOME_ROW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_callers_are_paced_only_where_nothing_is_let_in() {
        let trouble = |refusals: u64, every: u64, open: u32| {
            let mut seconds = Seconds::default();
            let at = |n: u64| Mono(4_500_000 + n * every);
            (0..5).for_each(|n| seconds.start(Mono(n * 1_000_000)));
            for n in 1..=refusals {
                seconds.start(at(n));
                seconds.refuse(at(n));
            }
            is_trouble(&seconds, open, at(refusals), &Settings::default())
        };
        assert!(trouble(1, 1_000_000, CROWD), "a crowd");
        assert!(!trouble(3, 1_000_000, SOME) && !trouble(12, 250_000, SOME - 1));
        assert!(trouble(12, 250_000, SOME), "some, and a row");
        assert!(!trouble(3, 1_000_000, 1) && trouble(7, 1_000_000, 1), "one, and an outage");
    }
}
