//! A call on its way, for who waits for its reply.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;

use crate::call::{Driver, Reply};
use crate::error::CallError;

/// A call that has begun: a future of its reply, which is there as soon as the answer may be shown. Dropping it means that the
/// caller left.
#[must_use = "a call goes on only while somebody asks for its reply"]
pub struct Calling(Way);

enum Way {
    /// Empty once the reply was given.
    Straight(Option<Box<Driver>>),
    /// It cannot begin; empty once that was said.
    Refused(Option<Box<CallError>>),
    /// By somebody who knows credentials.
    LetIn(BoxFuture<'static, Result<Reply, CallError>>),
}

impl Calling {
    pub(crate) fn straight(driver: Driver) -> Self {
        Self(Way::Straight(Some(Box::new(driver))))
    }

    pub(crate) fn refused(error: CallError) -> Self {
        Self(Way::Refused(Some(Box::new(error))))
    }

    pub(crate) fn let_in(call: BoxFuture<'static, Result<Reply, CallError>>) -> Self {
        Self(Way::LetIn(call))
    }
}

impl Future for Calling {
    type Output = Result<Reply, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Way::LetIn(call) => call.as_mut().poll(cx),
            Way::Refused(error) => error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(*error))),
            Way::Straight(place) => {
                let Some(driver) = place else { return Poll::Pending };
                let turn = ready!(driver.poll_turn(cx));
                place.take().map_or(Poll::Pending, |driver| Poll::Ready(driver.reply(turn)))
            }
        }
    }
}

impl fmt::Debug for Calling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calling").finish_non_exhaustive()
    }
}
