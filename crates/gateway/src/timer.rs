//! The timer of hyper for the heads of requests, which is set anew for each of them: here it is one [`Alarm`] for each
//! connection.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use clearline_net::Alarm;
use hyper::rt::{Sleep, Timer};

/// The timer of one connection. hyper waits for one moment at a time there.
#[derive(Debug, Default)]
pub(crate) struct HeadTimer(Arc<Mutex<Alarm>>);

/// A moment that is waited for.
struct Until {
    alarm: Arc<Mutex<Alarm>>,
    at: tokio::time::Instant,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Until { alarm: Arc::clone(&self.0), at: deadline.into() })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into()
    }
}

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.alarm.lock().unwrap_or_else(PoisonError::into_inner).poll_at(self.at, cx)
    }
}

impl Sleep for Until {}
