//! One failure that two logs tell of: the gateway's record of a call, and a line of the program that made it. Both name
//! the API's request id.

use std::collections::{BTreeMap, BTreeSet};

use clearline_model::{Cause, Wall};

/// How many ids of failures are remembered of calls, and how many of lines; later ones are counted without being joined.
const REMEMBERED_MAX: usize = 200_000;

/// A failure that a line told of.
pub(crate) type Told = (Cause, Option<Wall>);

/// Which ids failed calls and lines named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Joined {
    calls: BTreeSet<String>,
    lines: BTreeMap<String, Vec<usize>>,
    told: Vec<Option<Told>>,
}

impl Joined {
    /// Takes a line that tells of a failure; whether it has to be counted: no record of a call has done so.
    pub(crate) fn line(&mut self, ids: &[String], told: Told) -> bool {
        if requests(ids).any(|id| self.calls.contains(id)) {
            return false;
        }
        if self.lines.len() < REMEMBERED_MAX && requests(ids).next().is_some() {
            for id in requests(ids) {
                self.lines.entry(id.to_owned()).or_default().push(self.told.len());
            }
            self.told.push(Some(told));
        }
        true
    }

    /// Takes the record of a call that failed; returns what lines before it told of the same, and was counted.
    pub(crate) fn call(&mut self, ids: &[String]) -> Vec<Told> {
        let mut same = Vec::new();
        for id in requests(ids) {
            let lines = self.lines.remove(id).unwrap_or_default();
            // A line may name several ids; it was counted once.
            same.extend(lines.into_iter().filter_map(|n| self.told.get_mut(n)?.take()));
            if self.calls.len() < REMEMBERED_MAX {
                self.calls.insert(id.to_owned());
            }
        }
        same
    }
}

/// The ids that name one attempt. An id of the caller's own may name many calls.
fn requests(ids: &[String]) -> impl Iterator<Item = &str> {
    ids.iter().map(String::as_str).filter(|id| id.starts_with("req_"))
}
