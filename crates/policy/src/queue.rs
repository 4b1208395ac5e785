//! Who waits for a place or for the pace of a lane: by arrival, in turns between callers.

use std::collections::{BTreeMap, BTreeSet};

use clearline_model::{CallId, CallerId};

#[derive(Debug, Clone, Default)]
struct Line {
    /// The turn in which this caller is next.
    turn: u64,
    calls: BTreeSet<CallId>,
}

/// A caller's calls go in the order of arrival; between callers that wait, each goes once a turn. A call that was refused
/// comes back to its old place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue {
    lines: BTreeMap<CallerId, Line>,
    /// The first call of each line.
    heads: BTreeSet<(u64, CallId, CallerId)>,
    turn: u64,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Changes a caller's line, and what stands for it among the heads.
    fn change(&mut self, caller: CallerId, change: impl FnOnce(&mut Line)) {
        let turn = self.turn;
        let line = self.lines.entry(caller).or_insert_with(|| Line { turn, calls: BTreeSet::new() });
        if let Some(first) = line.calls.first() {
            self.heads.remove(&(line.turn, *first, caller));
        }
        change(line);
        match line.calls.first() {
            Some(first) => {
                self.heads.insert((line.turn, *first, caller));
            }
            // Who had a turn keeps it in mind until the others had theirs.
            None if line.turn <= turn => {
                self.lines.remove(&caller);
            }
            None => {}
        }
    }

    pub(crate) fn push(&mut self, caller: CallerId, call: CallId) {
        let turn = self.turn;
        self.change(caller, |line| {
            line.turn = line.turn.max(turn);
            line.calls.insert(call);
        });
    }

    pub(crate) fn remove(&mut self, caller: CallerId, call: CallId) {
        self.change(caller, |line| {
            line.calls.remove(&call);
        });
    }

    /// Whose turn it is.
    pub(crate) fn first(&self) -> Option<CallId> {
        self.heads.first().map(|(_, call, _)| *call)
    }

    /// Takes whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<CallId> {
        let (turn, call, caller) = self.heads.first().copied()?;
        if turn > self.turn {
            self.turn = turn;
            self.lines.retain(|_, line| line.turn > turn || !line.calls.is_empty());
        }
        self.change(caller, |line| {
            line.calls.remove(&call);
            line.turn = turn + 1;
        });
        if self.heads.is_empty() {
            // Nobody waits: nothing is owed to anybody.
            *self = Self::default();
        }
        Some(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(queue: &mut Queue) -> Vec<u64> {
        std::iter::from_fn(|| queue.pop()).map(|c| c.0).collect()
    }

    #[test]
    fn one_caller_goes_by_arrival_and_many_in_turns() {
        let mut q = Queue::default();
        [3, 1, 2].into_iter().for_each(|n| q.push(CallerId(0), CallId(n)));
        assert_eq!(all(&mut q), [1, 2, 3]);
        (1..=4).for_each(|n| q.push(CallerId(0), CallId(n)));
        [5, 6].into_iter().for_each(|n| q.push(CallerId(1), CallId(n)));
        assert_eq!(all(&mut q), [1, 5, 2, 6, 3, 4]);
        assert!(q.is_empty());
    }

    #[test]
    fn a_place_is_kept_and_leaving_does_not_win_a_turn() {
        let mut q = Queue::default();
        (1..=3).for_each(|n| q.push(CallerId(0), CallId(n)));
        assert_eq!(q.pop(), Some(CallId(1)));
        q.push(CallerId(0), CallId(1));
        q.push(CallerId(7), CallId(9));
        assert_eq!(q.pop(), Some(CallId(9)), "the other has had its turn");
        q.remove(CallerId(0), CallId(2));
        assert_eq!(all(&mut q), [1, 3]);
        // What happened while nobody waited is forgotten.
        q.push(CallerId(0), CallId(30));
        q.push(CallerId(3), CallId(31));
        assert_eq!(all(&mut q), [30, 31]);
        assert!(q.lines.is_empty());
    }
}
