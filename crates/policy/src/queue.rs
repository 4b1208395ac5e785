//! Who waits for a place or for the pace of a lane: by arrival, and nobody far ahead of the others.

use std::collections::{BTreeMap, BTreeSet};

use clearline_model::{CallId, CallerId};

/// A caller may be as many turns ahead of the one that had the fewest as callers wait, and this many at most: chance brings
/// one more calls than another, and in strict turns it would wait for that (`bench resilience`, p99 where capacity lacks).
const AHEAD: u64 = 16;

#[derive(Debug, Clone, Default)]
struct Line {
    /// The turn in which this caller is next.
    turn: u64,
    calls: BTreeSet<CallId>,
}

/// Calls go in the order of arrival, but for those of a caller that is too many turns ahead of another one that waits. A
/// call that was refused comes back to its old place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue {
    lines: BTreeMap<CallerId, Line>,
    /// The first call of each line.
    heads: BTreeSet<(CallId, CallerId)>,
    /// The turns of those that wait.
    turns: BTreeSet<(u64, CallerId)>,
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
            self.heads.remove(&(*first, caller));
            self.turns.remove(&(line.turn, caller));
        }
        change(line);
        match line.calls.first() {
            Some(first) => {
                self.heads.insert((*first, caller));
                self.turns.insert((line.turn, caller));
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
        self.next().map(|(call, _)| call)
    }

    fn next(&self) -> Option<(CallId, CallerId)> {
        let (least, _) = self.turns.first()?;
        let ahead = (self.turns.len() as u64).min(AHEAD);
        let fair = |caller| self.lines.get(caller).is_some_and(|l| l.turn <= least + ahead);
        self.heads.iter().find(|(_, caller)| fair(caller)).copied()
    }

    /// Takes whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<CallId> {
        let (call, caller) = self.next()?;
        let (least, _) = self.turns.first().copied()?;
        if least > self.turn {
            self.turn = least;
            self.lines.retain(|_, line| line.turn > least || !line.calls.is_empty());
        }
        self.change(caller, |line| {
            line.calls.remove(&call);
            line.turn += 1;
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
    fn calls_go_by_arrival_until_one_caller_is_far_ahead() {
        let mut q = Queue::default();
        [3, 1, 2].into_iter().for_each(|n| q.push(CallerId(0), CallId(n)));
        q.push(CallerId(1), CallId(4));
        assert_eq!(all(&mut q), [1, 2, 3, 4]);
        (1..=20).for_each(|n| q.push(CallerId(0), CallId(n)));
        [30, 31].into_iter().for_each(|n| q.push(CallerId(1), CallId(n)));
        let order = all(&mut q);
        let place = |n| order.iter().position(|o| *o == n).unwrap() as u64;
        assert_eq!(place(30), 3, "two wait: {order:?}");
        assert_eq!(place(31), 5, "and then in turns: {order:?}");
        assert!(q.is_empty());
    }

    #[test]
    fn among_many_nobody_is_further_ahead_than_the_bound() {
        let mut q = Queue::default();
        (1..=40).for_each(|n| q.push(CallerId(0), CallId(n)));
        (1..=30).for_each(|n| q.push(CallerId(u32::try_from(n).unwrap()), CallId(100 + n)));
        let order = all(&mut q);
        assert_eq!(
            order.iter().position(|n| *n > 100),
            Some(usize::try_from(AHEAD).unwrap() + 1),
            "{order:?}"
        );
    }

    #[test]
    fn a_place_is_kept_and_leaving_does_not_win_a_turn() {
        let mut q = Queue::default();
        (1..=40).for_each(|n| q.push(CallerId(0), CallId(n)));
        (1..=20).for_each(|n| assert_eq!(q.pop(), Some(CallId(n))));
        q.push(CallerId(0), CallId(1));
        q.push(CallerId(7), CallId(99));
        assert_eq!(
            q.pop(),
            Some(CallId(1)),
            "its old place; and nobody owes turns to one that has just come"
        );
        q.remove(CallerId(0), CallId(40));
        let order = all(&mut q);
        let place = order.iter().position(|n| *n == 99).unwrap() as u64;
        assert!(place <= 2 && !order.contains(&40), "{order:?}");
        // What happened while nobody waited is forgotten.
        q.push(CallerId(0), CallId(31));
        q.push(CallerId(3), CallId(30));
        assert_eq!(all(&mut q), [30, 31]);
        assert!(q.lines.is_empty());
    }
}
