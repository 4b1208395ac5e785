//! Counts over a sliding window, in bounded memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use clearline_model::{CallerId, Cause, Dur, Mono};

/// Into how many parts a window is cut; it slides by one part.
const PARTS: u64 = 60;
/// The most callers of one part that are remembered; more are hit and not named.
const CALLERS_MAX: usize = 64;

#[derive(Debug, Default)]
struct Part {
    index: u64,
    well: u32,
    failed: BTreeMap<Cause, u32>,
    callers: BTreeSet<CallerId>,
    first_failure: Mono,
}

/// What a stretch of time held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Calls that succeeded.
    pub(crate) well: u32,
    /// Calls that failed, by cause.
    pub(crate) failed: BTreeMap<Cause, u32>,
    /// Whose calls failed.
    pub(crate) callers: BTreeSet<CallerId>,
}

impl Sums {
    /// Calls that failed.
    pub(crate) fn failures(&self) -> u32 {
        self.failed.values().sum()
    }

    /// All calls.
    pub(crate) fn calls(&self) -> u32 {
        self.well + self.failures()
    }

    /// The causes, the most frequent first.
    pub(crate) fn causes(&self) -> Vec<(Cause, u32)> {
        let mut all: Vec<_> = self.failed.iter().map(|(cause, n)| (*cause, *n)).collect();
        all.sort_by_key(|(cause, n)| (std::cmp::Reverse(*n), *cause));
        all
    }
}

/// A sliding window.
#[derive(Debug)]
pub(crate) struct Ring {
    part: u64,
    parts: VecDeque<Part>,
}

impl Ring {
    pub(crate) fn new(window: Dur) -> Self {
        Self { part: (window.0 / PARTS).max(1), parts: VecDeque::new() }
    }

    /// Counts a call.
    pub(crate) fn add(&mut self, now: Mono, caller: CallerId, failed: Option<Cause>) {
        let index = now.0 / self.part;
        if self.parts.back().is_none_or(|p| p.index < index) {
            self.parts.push_back(Part { index, ..Part::default() });
            self.forget(now);
        }
        let Some(part) = self.parts.back_mut() else { return };
        match failed {
            None => part.well = part.well.saturating_add(1),
            Some(cause) => {
                if part.failed.is_empty() {
                    part.first_failure = now;
                }
                let n = part.failed.entry(cause).or_default();
                *n = n.saturating_add(1);
                if part.callers.len() < CALLERS_MAX {
                    part.callers.insert(caller);
                }
            }
        }
    }

    /// Drops what is older than the window.
    fn forget(&mut self, now: Mono) {
        let oldest = (now.0 / self.part).saturating_sub(PARTS);
        while self.parts.front().is_some_and(|p| p.index < oldest) {
            self.parts.pop_front();
        }
    }

    /// The whole window.
    pub(crate) fn whole(&self, now: Mono) -> Sums {
        self.whole_after(now, Mono(0))
    }

    /// What of the window lies after a moment.
    pub(crate) fn whole_after(&self, now: Mono, after: Mono) -> Sums {
        let oldest = (now.0 / self.part).saturating_sub(PARTS);
        self.since(oldest.max(after.0.div_ceil(self.part)))
    }

    /// The last fifth of the window: the whole one remembers an outage for long after its end.
    pub(crate) fn recent(&self, now: Mono) -> Sums {
        self.since((now.0 / self.part).saturating_sub(PARTS / 5))
    }

    /// When a cause was first seen within the last fifth.
    pub(crate) fn first(&self, now: Mono, cause: Cause) -> Option<Mono> {
        let oldest = (now.0 / self.part).saturating_sub(PARTS / 5);
        let seen = |p: &&Part| p.index >= oldest && p.failed.contains_key(&cause);
        self.parts.iter().find(seen).map(|p| p.first_failure)
    }

    fn since(&self, oldest: u64) -> Sums {
        let mut sums = Sums::default();
        for part in self.parts.iter().filter(|p| p.index >= oldest) {
            sums.well = sums.well.saturating_add(part.well);
            for (cause, n) in &part.failed {
                *sums.failed.entry(*cause).or_default() += n;
            }
            sums.callers.extend(&part.callers);
        }
        sums
    }

    /// How many parts it holds.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.parts.len()
    }
}
