//! The success rate over a sliding window, and alerts that name the cause.
//!
//! Calls whose failure is the caller's own (a request that no server would take) say nothing about availability and are
//! left out; so are calls whose caller left.

use std::collections::{BTreeMap, VecDeque};

use clearline_model::{Blame, CallRecord, Cause, Dur, Mono, Outcome};

/// The length of one part of the window, microseconds.
const PART: u64 = 5_000_000;

/// When there is an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertRules {
    /// The success rate that is wanted, thousandths; 0 switches alerts off.
    pub target_milli: u32,
    /// Over which time.
    pub window: Dur,
    /// With fewer calls than this in it nothing is said.
    pub calls_min: u32,
    /// With fewer failures than this in it nothing is said.
    pub failures_min: u32,
}

impl Default for AlertRules {
    fn default() -> Self {
        Self { target_milli: 990, window: Dur::secs(300), calls_min: 20, failures_min: 5 }
    }
}

/// An alert, as it begins or ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// It begins; otherwise it ends.
    pub begins: bool,
    /// The cause of most failures.
    pub cause: Cause,
    /// Since when.
    pub since: Mono,
    /// Failures in the window.
    pub failed: u32,
    /// Calls in the window.
    pub calls: u32,
}

impl Alert {
    /// The success rate in the window, thousandths.
    #[must_use]
    pub fn rate_milli(&self) -> u32 {
        rate(self.calls, self.failed)
    }
}

#[derive(Debug, Default)]
struct Part {
    index: u64,
    well: u32,
    failed: BTreeMap<Cause, u32>,
}

/// Watches the rate.
#[derive(Debug)]
pub(crate) struct Alerts {
    rules: AlertRules,
    parts: VecDeque<Part>,
    running: Option<(Cause, Mono)>,
}

impl Alerts {
    pub(crate) const fn new(rules: AlertRules) -> Self {
        Self { rules, parts: VecDeque::new(), running: None }
    }

    /// The alert that runs, and since when.
    pub(crate) const fn running(&self) -> Option<(Cause, Mono)> {
        self.running
    }

    /// Takes a call in that is over.
    pub(crate) fn add(&mut self, record: &CallRecord) -> Option<Alert> {
        let now = record.ended;
        let failed = match (record.outcome?, record.cause) {
            (Outcome::Succeeded, _) => None,
            (Outcome::Left, _) => return None,
            (Outcome::Failed | Outcome::Refused | Outcome::Broken, Some(cause))
                if cause.row().blame != Blame::Caller =>
            {
                Some(cause)
            }
            (Outcome::Failed | Outcome::Refused | Outcome::Broken, _) => return None,
        };
        if self.rules.target_milli == 0 {
            return None;
        }
        let index = now.0 / PART;
        if self.parts.back().is_none_or(|p| p.index < index) {
            self.parts.push_back(Part { index, ..Part::default() });
        }
        if let Some(part) = self.parts.back_mut() {
            match failed {
                None => part.well += 1,
                Some(cause) => *part.failed.entry(cause).or_default() += 1,
            }
        }
        self.judge(now)
    }

    fn judge(&mut self, now: Mono) -> Option<Alert> {
        let oldest = (now.0 / PART).saturating_sub(self.rules.window.0 / PART);
        while self.parts.front().is_some_and(|p| p.index < oldest) {
            self.parts.pop_front();
        }
        let (calls, failed, cause) = self.sums(oldest);
        // The whole window remembers an outage for long; its last fifth tells whether it lasts.
        let recent = (now.0 / PART).saturating_sub(self.rules.window.0 / PART / 5);
        let (late_calls, late_failed, _) = self.sums(recent);
        let is_bad_now = rate(late_calls, late_failed) < self.rules.target_milli;
        let is_bad = is_bad_now && rate(calls, failed) < self.rules.target_milli;
        match self.running {
            None if is_bad && calls >= self.rules.calls_min && failed >= self.rules.failures_min => {
                let cause = cause?;
                self.running = Some((cause, now));
                Some(Alert { begins: true, cause, since: now, failed, calls })
            }
            Some((cause, since)) if !is_bad_now && late_calls >= self.rules.calls_min.div_ceil(5) => {
                self.running = None;
                Some(Alert { begins: false, cause, since, failed, calls })
            }
            Some(_) | None => None,
        }
    }

    /// Calls, failures, and the cause of most of these, since a part.
    fn sums(&self, oldest: u64) -> (u32, u32, Option<Cause>) {
        let (mut well, mut by) = (0, BTreeMap::<Cause, u32>::new());
        for part in self.parts.iter().filter(|p| p.index >= oldest) {
            well += part.well;
            for (cause, n) in &part.failed {
                *by.entry(*cause).or_default() += n;
            }
        }
        let failed = by.values().sum();
        let most =
            by.into_iter().max_by_key(|(cause, n)| (*n, std::cmp::Reverse(*cause))).map(|(cause, _)| cause);
        (well + failed, failed, most)
    }
}

/// Thousandths of the calls that did not fail; all of none.
fn rate(calls: u32, failed: u32) -> u32 {
    ((calls - failed) * 1_000).checked_div(calls).unwrap_or(1_000)
}

#[cfg(test)]
mod tests {
    use clearline_model::CallId;

    use super::*;

    fn call(at: u64, cause: Option<Cause>) -> CallRecord {
        let mut record = CallRecord::new(CallId(1), Mono(at * 1_000_000));
        record.ended = Mono(at * 1_000_000);
        record.outcome = Some(if cause.is_some() { Outcome::Failed } else { Outcome::Succeeded });
        record.cause = cause;
        record
    }

    /// Plays calls, one a second, and gives the alerts with their seconds.
    fn play(calls: impl Iterator<Item = Option<Cause>>) -> Vec<(u64, bool, Cause)> {
        let mut alerts = Alerts::new(AlertRules::default());
        let told = calls.zip(0_u64..).filter_map(|(cause, at)| Some((at, alerts.add(&call(at, cause))?)));
        told.map(|(at, alert)| (at, alert.begins, alert.cause)).collect()
    }

    #[test]
    fn an_outage_is_told_when_it_begins_and_when_it_ends() {
        let outage = (0..1200).map(|at| (300..500).contains(&at).then_some(Cause::ServerOverloaded));
        let told = play(outage);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].1 && (300..320).contains(&told[0].0), "{told:?}");
        assert!(!told[1].1 && (500..620).contains(&told[1].0), "{told:?}");
        assert!(told.iter().all(|t| t.2 == Cause::ServerOverloaded));
    }

    #[test]
    fn scattered_failures_and_the_callers_own_are_no_alert() {
        // Fewer than one of a hundred.
        assert_eq!(play((0..3600).map(|at| (at % 120 == 7).then_some(Cause::ServerError))), []);
        assert_eq!(play((0..600).map(|_| Some(Cause::RequestContextTooLong))), []);
        // Too few calls to say anything.
        assert_eq!(play((0..4).map(|_| Some(Cause::AuthRevoked))), []);
    }

    #[test]
    fn the_cause_of_most_failures_gives_the_alert_its_name() {
        let mixed =
            (0..100).map(|at| Some(if at % 3 == 0 { Cause::ServerError } else { Cause::AuthRevoked }));
        assert_eq!(play(mixed).first().map(|t| t.2), Some(Cause::AuthRevoked));
    }

    #[test]
    fn the_window_is_bounded() {
        let mut alerts = Alerts::new(AlertRules::default());
        for at in 0..100_000 {
            alerts.add(&call(at, None));
        }
        assert!(alerts.parts.len() <= 62, "{}", alerts.parts.len());
    }
}
