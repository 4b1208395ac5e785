//! A timer that is rarely set.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use clearline_model::Dur;
use tokio::time::{Instant, Sleep};

/// Rings at a moment that is told whenever it is asked. It is set in the runtime when it is first waited for, and anew only
/// when it rang and the moment had moved: a deadline that moves with every call, or with every piece of a body, costs
/// nothing.
#[derive(Debug, Default)]
pub struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Says whether the moment has come; until then, whoever asked last is woken at it, or now and then before it.
    pub fn poll_at(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if at < sleep.deadline() {
            sleep.as_mut().reset(at);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= at || Instant::now() >= at {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at);
        }
    }
}

/// The moment that a limit ends; a limit beyond the clock's range ends in 30 years.
#[must_use]
pub fn after(from: Instant, limit: Dur) -> Instant {
    const FAR: Duration = Duration::from_hours(24 * 365 * 30);
    from + Duration::from(limit).min(FAR)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn a_moment_that_moves_is_rung_at_its_last_place() {
        let begun = Instant::now();
        let moment = |n: u64| begun + Duration::from_millis(n);
        let mut alarm = Alarm::default();
        // Where it is waited for first, and where it is moved to.
        for (first, last) in [(10, 40), (10_000, 60), (70, 80)] {
            poll_fn(|cx| {
                assert!(alarm.poll_at(moment(first.max(last)), cx).is_pending(), "{last}");
                let _early = alarm.poll_at(moment(first), cx).is_ready();
                Poll::Ready(())
            })
            .await;
            poll_fn(|cx| alarm.poll_at(moment(last), cx)).await;
            assert!(begun.elapsed() >= Duration::from_millis(last), "{last}");
            assert!(begun.elapsed() < Duration::from_secs(9), "{last}");
        }
        poll_fn(|cx| alarm.poll_at(begun, cx)).await;
        assert!(after(begun, Dur::MAX) > begun + Duration::from_hours(24 * 365 * 29));
    }
}
