//! What probes came to, one after the other: pure, so that days are tested in a moment.

use std::collections::BTreeMap;

use clearline_model::{Cause, Dur, Mono};

/// A change that is worth a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The first probe went well.
    Well,
    /// Probes go well again; for so long they did not.
    Again(Dur),
    /// Probes fail, or fail for another reason. The time says how long the state before lasted, if there was one.
    Failing(Cause, Option<Dur>),
}

/// What is known of a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Met {
    /// How many probes failed for it.
    pub(crate) count: u64,
    /// The first one.
    pub(crate) first: Mono,
    /// The last one.
    pub(crate) last: Mono,
}

/// The course so far.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// Probes.
    pub(crate) probes: u64,
    /// … that failed.
    pub(crate) failed: u64,
    /// … of which failed alone: the ones before and after went well.
    pub(crate) single: u64,
    /// The causes.
    pub(crate) met: BTreeMap<Cause, Met>,
    /// The state, and since when.
    state: Option<(Option<Cause>, Mono)>,
    /// How many probes in a row have failed, and whether one had gone well before.
    row: (u64, bool),
}

impl Course {
    /// Takes a probe in.
    pub(crate) fn take(&mut self, now: Mono, failed: Option<Cause>) -> Option<Change> {
        self.probes += 1;
        match failed {
            Some(cause) => {
                self.failed += 1;
                self.row.0 += 1;
                let met = self.met.entry(cause).or_insert(Met { count: 0, first: now, last: now });
                (met.count, met.last) = (met.count + 1, now);
            }
            None => {
                self.single += u64::from(self.row == (1, true));
                self.row = (0, true);
            }
        }
        let before = self.state;
        if before.is_some_and(|(state, _)| state == failed) {
            return None;
        }
        self.state = Some((failed, now));
        let lasted = before.map(|(_, since)| now.since(since));
        Some(match (failed, lasted) {
            (Some(cause), lasted) => Change::Failing(cause, lasted),
            (None, Some(lasted)) => Change::Again(lasted),
            (None, None) => Change::Well,
        })
    }

    /// The causes, the most frequent first.
    pub(crate) fn ranked(&self) -> Vec<(Cause, Met)> {
        let mut all: Vec<_> = self.met.iter().map(|(cause, met)| (*cause, *met)).collect();
        all.sort_by_key(|(cause, met)| (std::cmp::Reverse(met.count), *cause));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_are_told_and_single_failures_are_counted_apart() {
        let (bad, other) = (Some(Cause::TcpReset), Some(Cause::AuthRevoked));
        let mut course = Course::default();
        let probes = [None, None, bad, None, bad, bad, other, None, None];
        let told: Vec<_> = (0_u64..)
            .zip(probes)
            .filter_map(|(at, failed)| Some((at, course.take(Mono(at * 10), failed)?)))
            .collect();
        assert_eq!(
            told,
            [
                (0, Change::Well),
                (2, Change::Failing(Cause::TcpReset, Some(Dur(20)))),
                (3, Change::Again(Dur(10))),
                (4, Change::Failing(Cause::TcpReset, Some(Dur(10)))),
                (6, Change::Failing(Cause::AuthRevoked, Some(Dur(20)))),
                (7, Change::Again(Dur(10))),
            ]
        );
        assert_eq!((course.probes, course.failed, course.single), (9, 4, 1));
        assert_eq!(
            course.ranked().first().map(|(c, m)| (*c, m.count, m.last)),
            Some((Cause::TcpReset, 3, Mono(50)))
        );
    }

    #[test]
    fn a_path_that_never_worked_has_no_single_failure() {
        let mut course = Course::default();
        assert_eq!(
            course.take(Mono(0), Some(Cause::TcpRefused)),
            Some(Change::Failing(Cause::TcpRefused, None))
        );
        course.take(Mono(1), None);
        assert_eq!(course.single, 0);
    }
}
