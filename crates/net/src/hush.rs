//! Wakes that are held back: hyper wakes the task of a connection for every piece that is taken of a body, for there is room for
//! the next one. After the last one there is nothing to do, and yet the connection is looked at with all that it carries.

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use hyper::body::Incoming;

/// What happens to a wake on this thread.
enum Mode {
    /// It goes on.
    Passed,
    /// It is held back.
    Held,
    /// One is held back.
    Holds(Arc<Hearing>),
}

thread_local! {
    static MODE: Cell<Mode> = const { Cell::new(Mode::Passed) };
}

/// Wakes a task, unless wakes are held back.
struct Hearing(Waker);

impl Wake for Hearing {
    fn wake(self: Arc<Self>) {
        MODE.with(|mode| match mode.replace(Mode::Passed) {
            Mode::Held => mode.set(Mode::Holds(self)),
            // Another one is not what is waited for.
            before @ (Mode::Passed | Mode::Holds(_)) => {
                mode.set(before);
                self.0.wake_by_ref();
            }
        });
    }
}

/// Polls a connection of hyper so that [`next_frame`] can hold its wakes back.
#[derive(Default)]
pub struct Hush(Option<(Waker, Waker)>);

impl Hush {
    /// Polls it.
    pub fn poll<F: Future>(&mut self, connection: Pin<&mut F>, cx: &Context<'_>) -> Poll<F::Output> {
        let known = self.0.take().filter(|(task, _)| task.will_wake(cx.waker()));
        let (_, own) = self.0.insert(known.unwrap_or_else(|| {
            let task = cx.waker().clone();
            (task.clone(), Waker::from(Arc::new(Hearing(task))))
        }));
        connection.poll(&mut Context::from_waker(own))
    }
}

impl fmt::Debug for Hush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hush").finish_non_exhaustive()
    }
}

/// The next piece of a body. Its connection is woken for more, unless all of it was taken.
pub fn next_frame(
    body: &mut Incoming,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
    let holding = Holding::begin();
    let polled = Pin::new(&mut *body).poll_frame(cx);
    if body.is_end_stream() {
        holding.forget();
    }
    polled
}

/// Wakes are held back while there is one, and then go on.
struct Holding(());

impl Holding {
    fn begin() -> Self {
        MODE.set(Mode::Held);
        Self(())
    }

    /// What was held back is not needed.
    fn forget(self) {
        MODE.set(Mode::Passed);
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if let Mode::Holds(held) = MODE.replace(Mode::Passed) {
            held.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_first_wake_is_held_back_and_others_are_not() {
        let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
        let tasks = counts.clone().map(Waker::from);
        let mut wakers = Vec::new();
        for task in &tasks {
            let mut hush = Hush::default();
            let keep = std::future::poll_fn(|cx| {
                wakers.push(cx.waker().clone());
                Poll::Ready(())
            });
            assert!(hush.poll(std::pin::pin!(keep), &Context::from_waker(task)).is_ready());
        }
        let count = || counts.each_ref().map(|count| count.0.load(Ordering::Relaxed));
        wakers.iter().for_each(Waker::wake_by_ref);
        assert_eq!(count(), [1, 1], "nothing is held back");
        let holding = Holding::begin();
        wakers.iter().for_each(Waker::wake_by_ref);
        assert_eq!(count(), [1, 2], "the first is held back");
        drop(holding);
        assert_eq!(count(), [2, 2]);
        let holding = Holding::begin();
        wakers.iter().for_each(Waker::wake_by_ref);
        holding.forget();
        assert_eq!(count(), [2, 3], "and forgotten");
        wakers.iter().for_each(Waker::wake_by_ref);
        assert_eq!(count(), [3, 4], "and nothing is held back afterwards");
    }

    #[test]
    fn a_task_keeps_its_waker() {
        let task = Waker::from(Arc::new(Count::default()));
        let other = Waker::from(Arc::new(Count::default()));
        let mut hush = Hush::default();
        let mut own = |task: &Waker| {
            let waker = std::future::poll_fn(|cx| Poll::Ready(cx.waker().clone()));
            match hush.poll(std::pin::pin!(waker), &Context::from_waker(task)) {
                Poll::Ready(waker) => waker,
                Poll::Pending => panic!("it is ready"),
            }
        };
        let first = own(&task);
        assert!(first.will_wake(&own(&task)));
        assert!(!first.will_wake(&own(&other)));
    }
}
