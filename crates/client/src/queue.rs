//! A queue that mostly holds one thing.

use std::collections::VecDeque;

/// First in, first out; it takes memory of its own only for a second thing.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    /// Nothing waits behind an empty place.
    first: Option<T>,
    more: VecDeque<T>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { first: None, more: VecDeque::new() }
    }
}

impl<T> Queue<T> {
    pub(crate) fn push(&mut self, item: T) {
        if self.first.is_none() {
            self.first = Some(item);
        } else {
            self.more.push_back(item);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        std::mem::replace(&mut self.first, self.more.pop_front())
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    pub(crate) const fn first(&self) -> Option<&T> {
        self.first.as_ref()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.more)
    }

    pub(crate) fn clear(&mut self) {
        self.first = None;
        self.more.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_first_goes_first() {
        let mut queue = Queue::default();
        for n in 0..3 {
            queue.push(n);
        }
        assert_eq!(queue.iter().copied().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!((queue.pop(), queue.len(), queue.first()), (Some(0), 2, Some(&1)));
        queue.push(3);
        assert_eq!(std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(queue.is_empty());
        queue.push(4);
        queue.push(5);
        queue.clear();
        assert_eq!((queue.len(), queue.pop()), (0, None));
    }
}
