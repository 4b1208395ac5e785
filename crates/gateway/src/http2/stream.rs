//! What one stream has handed over and nobody has taken.
//!
//! A reset drops what h2 still holds of a stream, and hyper waits without limit for a window that a caller does not open. So
//! an answer goes on, ends and breaks only when its last piece is on its way, and one whose pieces nobody takes is given up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

tokio::task_local! {
    static TAKEN: Arc<Taken>;
}

/// The pieces of an answer that are not on their way yet.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    open: AtomicUsize,
    moved: Mutex<Moved>,
}

#[derive(Debug, Default)]
struct Moved {
    /// When the last piece was handed over to nothing, or taken.
    at: Option<Instant>,
    waits: Option<Waker>,
}

/// A piece, until it is written.
struct Piece {
    bytes: Bytes,
    taken: Arc<Taken>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.taken.open.fetch_sub(1, Ordering::AcqRel);
        if let Some(waits) = self.taken.moves() {
            waits.wake();
        }
    }
}

impl Taken {
    /// Those of the stream whose task this is; none in HTTP/1.1.
    pub(crate) fn of_this_stream() -> Option<Arc<Self>> {
        TAKEN.try_with(Arc::clone).ok()
    }

    fn moves(&self) -> Option<Waker> {
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        moved.at = Some(Instant::now());
        moved.waits.take()
    }

    /// Counts a piece until it is written.
    pub(crate) fn hand(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        if bytes.is_empty() {
            return bytes;
        }
        if self.open.fetch_add(1, Ordering::AcqRel) == 0 {
            let _nobody = self.moves();
        }
        Bytes::from_owner(Piece { bytes, taken: Arc::clone(self) })
    }

    pub(crate) fn is_all(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }

    /// Whether all of it is on its way.
    pub(crate) fn poll_all(&self, cx: &Context<'_>) -> Poll<()> {
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_all() {
            return Poll::Ready(());
        }
        moved.waits = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Returns when nobody has taken anything of it for this long.
    async fn stuck(&self, limit: Duration) {
        loop {
            let at = self.moved.lock().unwrap_or_else(PoisonError::into_inner).at;
            let since = at.filter(|_| !self.is_all()).unwrap_or_else(Instant::now);
            if since.elapsed() >= limit {
                return;
            }
            tokio::time::sleep_until(since + limit).await;
        }
    }
}

/// Runs the streams of a connection, each with the count of its pieces.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streams {
    /// How long a caller may take nothing of an answer.
    pub(crate) limit: Duration,
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        let (limit, taken) = (self.limit, Arc::new(Taken::default()));
        // Its end is that of its connection, or its own: nobody waits for it.
        tokio::spawn(TAKEN.scope(Arc::clone(&taken), async move {
            tokio::select! {
                biased;
                _over = stream => {}
                // Dropping it resets the stream.
                () = taken.stuck(limit) => {}
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn the_end_waits_for_the_last_piece_and_one_that_nobody_takes_is_stuck() {
        let taken = Arc::new(Taken::default());
        assert!(taken.is_all());
        let (one, two) = (taken.hand(Bytes::from_static(b"one")), taken.hand(Bytes::from_static(b"two")));
        assert_eq!((&one[..], &two[..]), (&b"one"[..], &b"two"[..]));
        let part = one.slice(1..);
        drop(one);
        let waits = tokio::spawn({
            let taken = Arc::clone(&taken);
            async move { poll_fn(|cx| taken.poll_all(cx)).await }
        });
        tokio::task::yield_now().await;
        drop(two);
        assert!(!taken.is_all(), "a part of the first is still there");
        taken.stuck(Duration::from_millis(5)).await;
        drop(part);
        waits.await.unwrap();
        assert!(taken.is_all() && Taken::of_this_stream().is_none());
    }
}
