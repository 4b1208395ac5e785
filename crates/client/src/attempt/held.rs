//! The bytes of an answer that the caller has not taken: complete events first, so that whatever clearline adds at the end
//! of a broken stream stands between two of them.

use bytes::{Bytes, BytesMut};

use crate::queue::Queue;

/// The most of one event that is held back while it is incomplete, bytes. A larger one is shown as it comes.
const TAIL_MAX: usize = 256 << 10;

/// What waits for the caller.
#[derive(Debug, Default)]
pub(crate) struct Held {
    ready: Queue<Bytes>,
    /// The beginning of an event whose end has not arrived.
    tail: Vec<Bytes>,
    tail_bytes: usize,
    /// A part of an event was shown whose end has not arrived.
    torn: bool,
}

impl Held {
    /// Takes bytes, of which the last `open` belong to an event that is not complete.
    pub(crate) fn push(&mut self, mut bytes: Bytes, open: usize) {
        if open >= bytes.len() && open > 0 {
            self.tail_bytes += bytes.len();
            self.tail.push(bytes);
            if self.tail_bytes > TAIL_MAX {
                self.torn = true;
                self.release();
            }
            return;
        }
        self.release();
        self.torn = false;
        let rest = bytes.split_off(bytes.len() - open);
        self.ready.push(bytes);
        if !rest.is_empty() {
            self.tail_bytes = rest.len();
            self.tail.push(rest);
        }
    }

    /// What was held back is shown: the answer is complete, or it is no stream of events.
    pub(crate) fn release(&mut self) {
        for piece in std::mem::take(&mut self.tail) {
            self.ready.push(piece);
        }
        self.tail_bytes = 0;
    }

    /// What was held back is forgotten: its end will not come.
    pub(crate) fn forget_tail(&mut self) {
        self.tail.clear();
        self.tail_bytes = 0;
    }

    pub(crate) fn clear(&mut self) {
        self.ready.clear();
        self.forget_tail();
    }

    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        self.ready.pop()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Whether an event was shown in part.
    pub(crate) const fn is_torn(&self) -> bool {
        self.torn
    }

    /// Everything in one piece, which stays held.
    pub(crate) fn collect(&mut self) -> Bytes {
        self.release();
        if self.ready.len() > 1 {
            let mut all = BytesMut::with_capacity(self.ready.iter().map(Bytes::len).sum());
            self.ready.iter().for_each(|b| all.extend_from_slice(b));
            self.ready.clear();
            self.ready.push(all.freeze());
        }
        self.ready.first().cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(held: &mut Held) -> String {
        std::iter::from_fn(|| held.pop()).map(|b| String::from_utf8(b.to_vec()).unwrap()).collect()
    }

    #[test]
    fn an_event_is_shown_when_it_is_complete() {
        let mut held = Held::default();
        held.push(Bytes::from_static(b"data: a\n\ndata"), 4);
        assert_eq!(shown(&mut held), "data: a\n\n");
        held.push(Bytes::from_static(b": b"), 7);
        assert!(held.is_empty());
        held.push(Bytes::from_static(b"\n\nd"), 1);
        assert_eq!(shown(&mut held), "data: b\n\n");
        held.forget_tail();
        held.release();
        assert!(held.is_empty() && !held.is_torn());
    }

    #[test]
    fn a_very_large_event_is_shown_as_it_comes() {
        let mut held = Held::default();
        let piece = Bytes::from(vec![b'x'; TAIL_MAX]);
        held.push(piece.clone(), TAIL_MAX);
        assert!(held.is_empty());
        held.push(piece, 2 * TAIL_MAX);
        assert!(!held.is_empty() && held.is_torn());
        held.push(Bytes::from_static(b"\n\n"), 0);
        assert!(!held.is_torn());
        assert_eq!(held.collect().len(), 2 * TAIL_MAX + 2);
    }
}
