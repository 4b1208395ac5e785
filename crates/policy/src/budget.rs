//! The retry budget of an upstream: a bucket that successes and time refill. Empty means wait.

use clearline_model::{Dur, Mono};

use crate::config::Settings;

/// What one retry costs, thousandths.
const RETRY_MILLI: u64 = 1_000;

/// The bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    milli: u64,
    at: Mono,
}

impl Budget {
    pub(crate) fn new(now: Mono, s: &Settings) -> Self {
        Self { milli: s.budget_start_milli.min(s.budget_max_milli), at: now }
    }

    pub(crate) const fn milli(self) -> u64 {
        self.milli
    }

    fn refill(&mut self, now: Mono, s: &Settings) {
        let gained = now.since(self.at).scale(s.budget_per_second_milli, 1_000_000).0;
        if gained == 0 {
            return;
        }
        self.milli = self.milli.saturating_add(gained).min(s.budget_max_milli);
        // The time that did not make a whole thousandth yet counts for the next one.
        self.at = if self.milli == s.budget_max_milli {
            now
        } else {
            self.at + Dur(gained).scale(1_000_000, s.budget_per_second_milli)
        };
    }

    /// Takes one retry, or says when there will be one.
    pub(crate) fn take(&mut self, now: Mono, s: &Settings) -> Result<(), Mono> {
        self.refill(now, s);
        if self.milli >= RETRY_MILLI {
            self.milli -= RETRY_MILLI;
            return Ok(());
        }
        if s.budget_per_second_milli == 0 || s.budget_max_milli < RETRY_MILLI {
            return Err(Mono(u64::MAX));
        }
        let wait = Dur(RETRY_MILLI - self.milli).scale(1_000_000, s.budget_per_second_milli) + Dur(1);
        Err((self.at + wait).max(now + Dur(1)))
    }

    pub(crate) fn succeed(&mut self, now: Mono, s: &Settings) {
        self.refill(now, s);
        self.milli = self.milli.saturating_add(s.budget_per_success_milli).min(s.budget_max_milli);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_budget_says_when_there_is_a_retry_and_keeps_its_word() {
        let s = Settings { budget_start_milli: 1_000, ..Settings::default() };
        let mut b = Budget::new(Mono(0), &s);
        assert_eq!(b.take(Mono(0), &s), Ok(()));
        let at = b.take(Mono(10), &s).unwrap_err();
        assert!(at >= Mono(2_000_000) && at < Mono(2_100_000), "half a retry a second: {at:?}");
        assert_eq!(b.take(at, &s), Ok(()));
    }
}
