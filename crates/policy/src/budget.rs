//! The retry budget of an upstream: a bucket that successes and time refill. Empty means wait, in the order of arrival, but that
//! no caller whose calls always fail has all of it.
//!
//! It bounds what repeating makes worse. A retry that succeeds made nothing worse and is given back: so what an outage left
//! waiting does not have to wait on for the outage's sake when it is over, and goes out as fast as it is served.

use clearline_model::{CallId, CallerId, Dur, Mono};

use crate::config::Settings;
use crate::queue::Queue;

/// What one retry costs, thousandths.
const RETRY_MILLI: u64 = 1_000;
/// With this share of the latest retries that succeed, thousandths, what fails fails by chance, and a retry that succeeds pays for
/// another one that does not: else half of all 500s would leave a tenth of the calls waiting (`bench resilience`, half of all 500).
/// With less it may be a load that retries make worse.
const WORTH_MILLI: u64 = 300;
/// How much of the old share the outcome of a retry leaves: 15 of 16.
const KEEP: u64 = 15;
/// The bucket counts in such parts of a thousandth, so that no time between two looks is lost or counted twice.
const PARTS: u64 = 1_000_000;

/// The bucket.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    /// Millionths of a thousandth.
    level: u64,
    at: Mono,
    /// The calls that wait for a retry.
    waiting: Queue,
    /// The share of the latest retries that succeeded, thousandths.
    worth: u64,
}

const fn parts(milli: u64) -> u64 {
    milli.saturating_mul(PARTS)
}

impl Budget {
    pub(crate) fn new(now: Mono, s: &Settings) -> Self {
        let level = parts(s.budget_start_milli.min(s.budget_max_milli));
        Self { level, at: now, waiting: Queue::default(), worth: 1_000 }
    }

    pub(crate) const fn milli(&self) -> u64 {
        self.level / PARTS
    }

    /// What is there at a moment.
    fn level(&self, now: Mono, s: &Settings) -> u64 {
        let gained = now.since(self.at).0.saturating_mul(s.budget_per_second_milli);
        self.level.saturating_add(gained).min(parts(s.budget_max_milli))
    }

    fn refill(&mut self, now: Mono, s: &Settings) {
        (self.level, self.at) = (self.level(now, s), self.at.max(now));
    }

    /// Takes one retry for a call, or says when there will be one at the latest if nobody was before it.
    pub(crate) fn take(
        &mut self,
        (caller, call): (CallerId, CallId),
        now: Mono,
        s: &Settings,
    ) -> Result<(), Mono> {
        self.refill(now, s);
        if self.level >= parts(RETRY_MILLI) && self.is_next(caller, call) {
            self.level -= parts(RETRY_MILLI);
            return Ok(());
        }
        Err(self.full_at(now, s))
    }

    /// Whether it would be a call's turn if it waited, which is taken then.
    fn is_next(&mut self, caller: CallerId, call: CallId) -> bool {
        if self.waiting.is_empty() {
            return true;
        }
        self.waiting.push(caller, call);
        let is_next = self.waiting.first() == Some(call);
        if is_next {
            self.waiting.pop();
        } else {
            self.waiting.remove(caller, call);
        }
        is_next
    }

    /// When there is a whole retry.
    fn full_at(&self, now: Mono, s: &Settings) -> Mono {
        if s.budget_per_second_milli == 0 || s.budget_max_milli < RETRY_MILLI {
            return Mono(u64::MAX);
        }
        let lacks = parts(RETRY_MILLI).saturating_sub(self.level(now, s));
        now + Dur(lacks.div_ceil(s.budget_per_second_milli)).max(Dur(1))
    }

    pub(crate) fn succeed(&mut self, now: Mono, s: &Settings) {
        self.gain(s.budget_per_success_milli, now, s);
    }

    /// A retry that was taken succeeded: it made nothing worse.
    pub(crate) fn give_back(&mut self, now: Mono, s: &Settings) {
        self.worth = (self.worth * KEEP + 1_000) / (KEEP + 1);
        let other = if self.worth >= WORTH_MILLI { RETRY_MILLI } else { 0 };
        self.gain(RETRY_MILLI + other, now, s);
    }

    /// A retry that was taken failed.
    pub(crate) fn lose(&mut self) {
        self.worth = self.worth * KEEP / (KEEP + 1);
    }

    fn gain(&mut self, milli: u64, now: Mono, s: &Settings) {
        self.refill(now, s);
        self.level = self.level.saturating_add(parts(milli)).min(parts(s.budget_max_milli));
    }

    pub(crate) fn wait(&mut self, caller: CallerId, call: CallId) {
        self.waiting.push(caller, call);
    }

    pub(crate) fn leave(&mut self, caller: CallerId, call: CallId) {
        self.waiting.remove(caller, call);
    }

    /// Nobody waits for a retry.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes a retry for the call whose turn it is, which does not wait any more.
    pub(crate) fn next(&mut self, now: Mono, s: &Settings) -> Option<CallId> {
        if self.waiting.is_empty() || self.level(now, s) < parts(RETRY_MILLI) {
            return None;
        }
        self.refill(now, s);
        self.level -= parts(RETRY_MILLI);
        self.waiting.pop()
    }

    /// When the one that waits longest can have a retry, as far as time alone brings it.
    pub(crate) fn next_at(&self, now: Mono, s: &Settings) -> Option<Mono> {
        if self.waiting.is_empty() {
            return None;
        }
        Some(self.full_at(now, s)).filter(|at| at.0 < u64::MAX)
    }

    /// Whether there is a retry that nobody waits for.
    pub(crate) fn is_free(&self, now: Mono, s: &Settings) -> bool {
        self.waiting.is_empty() && self.level(now, s) >= parts(RETRY_MILLI)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_budget_says_when_there_is_a_retry_and_keeps_its_word() {
        let s = Settings { budget_start_milli: 1_000, ..Settings::default() };
        let mut b = Budget::new(Mono(0), &s);
        let one = (CallerId(0), CallId(1));
        assert_eq!(b.take(one, Mono(0), &s), Ok(()));
        let at = b.take(one, Mono(10), &s).unwrap_err();
        assert!(at >= Mono(2_000_000) && at < Mono(2_100_000), "half a retry a second: {at:?}");
        assert_eq!(b.take(one, at, &s), Ok(()));
    }

    /// Retries of which so many of ten succeed; how many of a hundred there were.
    fn paid(of_ten: u64) -> u64 {
        let s = Settings { budget_per_second_milli: 0, ..Settings::default() };
        let mut b = Budget::new(Mono(0), &s);
        let mut paid = 0;
        for n in 0..100 {
            if b.take((CallerId(0), CallId(n)), Mono(0), &s).is_err() {
                break;
            }
            paid += 1;
            if n * 7 % 10 < of_ten {
                b.give_back(Mono(0), &s);
            } else {
                b.lose();
            }
        }
        paid
    }

    #[test]
    fn retries_that_succeed_pay_for_as_many_that_fail_and_for_none_where_few_do() {
        assert_eq!((paid(10), paid(5)), (100, 100));
        assert_eq!(paid(0), 10, "what there was at the start");
        assert!(paid(1) < 20, "{}", paid(1));
    }

    #[test]
    fn who_waits_longest_is_next() {
        let s = Settings { budget_start_milli: 0, ..Settings::default() };
        let mut b = Budget::new(Mono(0), &s);
        b.wait(CallerId(0), CallId(7));
        b.wait(CallerId(0), CallId(3));
        assert_eq!(b.next(Mono(0), &s), None);
        b.give_back(Mono(0), &s);
        let late = b.take((CallerId(0), CallId(7)), Mono(0), &s);
        assert!(late.is_err_and(|at| at > Mono(0)), "it came later");
        assert!(!b.is_free(Mono(0), &s));
        assert_eq!(b.next(Mono(0), &s), Some(CallId(3)));
        assert_eq!(b.next(Mono(0), &s), None, "there was one");
        b.give_back(Mono(0), &s);
        b.leave(CallerId(0), CallId(7));
        assert_eq!((b.next(Mono(0), &s), b.is_free(Mono(0), &s)), (None, true));
    }
}
