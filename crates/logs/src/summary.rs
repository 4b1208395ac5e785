//! Many lines as one picture: failures by cause.

use std::collections::BTreeMap;

use clearline_model::{Cause, Foreign, Wall};

use crate::joined::Joined;
use crate::keys::without_keys;
use crate::line::{Entry, Kind};

/// A minute, microseconds.
const MINUTE: i64 = 60_000_000;
/// The most lines that are shown of those that nothing is known of.
const SAMPLES_MAX: usize = 5;

/// What is known of one cause.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Calls that ended with it, or lines that told of it.
    pub calls: u64,
    /// Attempts that failed with it.
    pub attempts: u64,
    /// The first time.
    pub first: Option<Wall>,
    /// The last time.
    pub last: Option<Wall>,
    /// How often in each minute, counted from 1970.
    pub minutes: BTreeMap<i64, u32>,
    /// The last id of a request that it ended.
    pub last_id: Option<Foreign>,
}

/// The picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines.
    pub lines: u64,
    /// Calls of our own log.
    pub calls: u64,
    /// … that succeeded.
    pub succeeded: u64,
    /// … whose caller left.
    pub left: u64,
    /// Failures: calls of our own log, and lines of others that tell of none of these calls.
    pub failed: u64,
    /// The causes.
    pub causes: BTreeMap<Cause, Row>,
    /// Failed calls of our own log whose cause is none that this version knows: a later one wrote it.
    pub unnamed: u64,
    /// Records whose end is missing: a crash or a full disk cut them off.
    pub torn: u64,
    /// Lines that look like failures and are not known.
    pub unknown: u64,
    /// Some of them.
    pub samples: Vec<Foreign>,
    /// The first time of all.
    pub first: Option<Wall>,
    /// The last time of all.
    pub last: Option<Wall>,
    joined: Joined,
}

/// Whether a line is an object of JSON that was not written to its end.
fn is_torn(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("{\"") && !line.ends_with('}')
}

/// The line of a record that tells most: its message, or the exception below `Traceback`.
fn telling(record: &str) -> &str {
    let mut lines = record.lines();
    let telling = if record.starts_with("Traceback") { lines.next_back() } else { lines.next() };
    telling.unwrap_or_default()
}

impl Summary {
    /// Takes a line in; `line` is its text.
    pub fn add(&mut self, entry: &Entry, line: &str) {
        self.lines += 1;
        let is_torn = is_torn(line);
        self.torn += u64::from(is_torn);
        if let Some(at) = entry.at {
            self.first = Some(self.first.map_or(at, |f| f.min(at)));
            self.last = Some(self.last.map_or(at, |l| l.max(at)));
        }
        match &entry.kind {
            Kind::Call(call) => {
                self.calls += 1;
                for cause in &call.failed {
                    self.row(*cause, entry.at).attempts += 1;
                }
                match (call.outcome.as_str(), call.cause) {
                    ("succeeded", _) => self.succeeded += 1,
                    ("left", _) => self.left += 1,
                    (_, cause) => {
                        self.failed += 1;
                        for (cause, at) in self.joined.call(&entry.ids) {
                            self.uncount(cause, at);
                        }
                        match cause {
                            Some(cause) => self.failure(cause, entry),
                            None => self.unnamed += 1,
                        }
                    }
                }
            }
            Kind::Failure(cause) => {
                if self.joined.line(&entry.ids, (*cause, entry.at)) {
                    self.failed += 1;
                    self.failure(*cause, entry);
                }
            }
            Kind::Attempt(cause) => self.row(*cause, entry.at).attempts += 1,
            Kind::Fine => {}
            // Counted above.
            Kind::Unknown if is_torn => {}
            Kind::Unknown => {
                self.unknown += 1;
                if self.samples.len() < SAMPLES_MAX {
                    self.samples.push(Foreign::new(&without_keys(telling(line))));
                }
            }
        }
    }

    fn failure(&mut self, cause: Cause, entry: &Entry) {
        let row = self.row(cause, entry.at);
        row.calls += 1;
        if let Some(id) = entry.ids.iter().rev().find(|id| id.starts_with("req_")) {
            row.last_id = Some(Foreign::new(id));
        }
    }

    /// Takes back what a line told of: the record of the call says it better. How far a row reaches stays as it was.
    fn uncount(&mut self, cause: Cause, at: Option<Wall>) {
        self.failed = self.failed.saturating_sub(1);
        let Some(row) = self.causes.get_mut(&cause) else { return };
        row.calls = row.calls.saturating_sub(1);
        if let Some(n) = at.and_then(|at| row.minutes.get_mut(&at.0.div_euclid(MINUTE))) {
            *n = n.saturating_sub(1);
        }
        row.minutes.retain(|_, n| *n > 0);
        if row.calls == 0 && row.attempts == 0 {
            self.causes.remove(&cause);
        }
    }

    fn row(&mut self, cause: Cause, at: Option<Wall>) -> &mut Row {
        let row = self.causes.entry(cause).or_default();
        if let Some(at) = at {
            row.first = Some(row.first.map_or(at, |f| f.min(at)));
            row.last = Some(row.last.map_or(at, |l| l.max(at)));
            *row.minutes.entry(at.0.div_euclid(MINUTE)).or_default() += 1;
        }
        row
    }

    /// The causes, those of the most failed calls first.
    #[must_use]
    pub fn ranked(&self) -> Vec<(Cause, &Row)> {
        let mut all: Vec<_> = self.causes.iter().map(|(cause, row)| (*cause, row)).collect();
        all.sort_by_key(|(cause, row)| (std::cmp::Reverse((row.calls, row.attempts)), *cause));
        all
    }

    /// How often a cause was seen in each of so many equal parts of the whole time.
    #[must_use]
    pub fn course(&self, row: &Row, parts: usize) -> Vec<u32> {
        let minute = |at: Option<Wall>| at.map_or(0, |at| at.0.div_euclid(MINUTE));
        let (first, last) = (minute(self.first), minute(self.last));
        let whole = (last - first + 1).max(1);
        let mut course = vec![0_u32; parts];
        for (at, n) in &row.minutes {
            let place = (at - first) * i64::try_from(parts).unwrap_or(1) / whole;
            if let Some(cell) = usize::try_from(place).ok().and_then(|p| course.get_mut(p)) {
                *cell += n;
            }
        }
        course
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::read;

    #[test]
    fn calls_attempts_and_lines_are_counted_each_by_its_cause() {
        let mut summary = Summary::default();
        for line in [
            r#"{"event":"call ended","ts":1795514400000,"outcome":"succeeded","attempts":[{"cause":"server.overloaded"},{"cause":null}]}"#,
            r#"{"event":"call ended","ts":1795514460000,"outcome":"failed","cause":"auth.revoked","request_ids":["req_9"],"attempts":[{"cause":"auth.revoked"}]}"#,
            r#"{"event":"call ended","ts":1795514460000,"outcome":"left","attempts":[]}"#,
            "2026-11-24 10:03:00 ERROR connect ECONNREFUSED 10.0.0.1:443",
            "ERROR something else entirely",
            "all is well",
        ] {
            summary.add(&read(line), line);
        }
        assert_eq!((summary.lines, summary.calls, summary.succeeded, summary.left), (6, 3, 1, 1));
        assert_eq!((summary.failed, summary.unknown, summary.samples.len()), (2, 1, 1));
        let ranked: Vec<_> = summary.ranked().into_iter().map(|(c, r)| (c, r.calls, r.attempts)).collect();
        assert_eq!(
            ranked,
            [(Cause::AuthRevoked, 1, 1), (Cause::TcpRefused, 1, 0), (Cause::ServerOverloaded, 0, 1)]
                .map(|(c, n, m)| (c, n, m))
                .into_iter()
                .collect::<Vec<_>>()
        );
        let revoked = &summary.causes[&Cause::AuthRevoked];
        assert_eq!(revoked.last_id.as_ref().map(Foreign::raw), Some("req_9"));
        assert_eq!(summary.course(revoked, 4), [0, 2, 0, 0]);
    }

    #[test]
    fn what_a_later_version_wrote_is_counted_and_what_is_cut_off_is_counted_once() {
        let mut summary = Summary::default();
        for line in [
            r#"{"event":"call ended","ts":1795514460000,"outcome":"failed","cause":"flux.lost","attempts":[{"cause":"flux.lost"}]}"#,
            r#"{"event":"call ended","ts":1795514460000,"outcome":"failed","cause":"tcp.res"#,
        ] {
            summary.add(&read(line), line);
        }
        assert_eq!((summary.calls, summary.failed, summary.unnamed), (1, 1, 1));
        assert_eq!((summary.torn, summary.unknown, summary.causes.len()), (1, 0, 0));
    }

    #[test]
    fn a_failure_that_both_logs_tell_of_is_counted_once() {
        let gateway = [
            r#"{"event":"call ended","ts":1795514460000,"outcome":"failed","cause":"quota.input-tokens","x_request_id":"mine","request_ids":["req_00001","req_00002"],"attempts":[{"cause":"server.error"},{"cause":"quota.input-tokens"}]}"#,
            r#"{"event":"call ended","ts":1795514470000,"outcome":"failed","cause":"server.overloaded","x_request_id":"mine","request_ids":["req_00003"],"attempts":[{"cause":"server.overloaded"}]}"#,
            r#"{"event":"call ended","ts":1795514480000,"outcome":"succeeded","request_ids":["req_00004"],"attempts":[{"cause":null}]}"#,
        ];
        let program = [
            "2026-11-24 10:01:00 ERROR Error code: 429 - rate limit, 'request_id': 'req_00002'",
            "2026-11-24 10:01:00 ERROR Error code: 429 - rate limit, again 'request_id': 'req_00002', after req_00001",
            "2026-11-24 10:01:00 ERROR connect ECONNREFUSED 10.0.0.1:443",
            "2026-11-24 10:01:00 ERROR Error code: 529 req_00003",
            "2026-11-24 10:01:00 ERROR Error code: 500 after the answer req_00004",
        ];
        let seen = |lines: Vec<&str>| {
            let mut summary = Summary::default();
            lines.iter().for_each(|line| summary.add(&read(line), line));
            let rows = summary.ranked().into_iter().map(|(c, r)| (c.id(), r.calls, r.attempts));
            (summary.failed, rows.collect::<Vec<_>>())
        };
        let (failed, rows) = seen([&gateway[..], &program[..]].concat());
        // Two calls, what never became a call, and what went wrong with a call that succeeded.
        assert_eq!(failed, 4, "{rows:?}");
        assert_eq!(rows.iter().map(|(_, calls, _)| calls).sum::<u64>(), failed);
        assert_eq!(seen([&program[..], &gateway[..]].concat()), (failed, rows.clone()), "in either order");
        // Without the gateway's log each line stands for itself.
        assert_eq!(seen(program.to_vec()).0, 5);
    }
}
