//! The body of an answer, on its way to the caller.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use clearline_model::Cause;
use clearline_wire::{Delivered, Own};
use http_body::Frame;

use crate::call::{Break, Driver, End, Turn};

/// The answer broke after the caller had seen output: the transfer must be aborted, so that no client takes it for
/// complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken(pub Cause);

impl Broken {
    /// Whether the whole call can help when it is made again, as far as that is known.
    #[must_use]
    pub fn can_retry(self) -> bool {
        crate::error::can_retry(self.0)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer broke: {} ({})", self.0.row().title, self.0)
    }
}

impl std::error::Error for Broken {}

/// The body of an answer. Dropping it before its end means that the caller left.
pub struct ReplyBody {
    /// What goes next; a turn is taken only where nothing waits here.
    ready: Option<Bytes>,
    driver: Option<Box<Driver>>,
    broken: Option<Broken>,
    /// What was yielded last may still be in the server's buffer, which a failed body would drop.
    unflushed: bool,
}

impl ReplyBody {
    /// A body that is complete already.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { ready: (!bytes.is_empty()).then_some(bytes), driver: None, broken: None, unflushed: false }
    }

    /// A body that goes on as the call does.
    pub(crate) const fn running(driver: Box<Driver>) -> Self {
        Self { ready: None, driver: Some(driver), broken: None, unflushed: false }
    }

    fn turn(&mut self, turn: Turn) {
        match turn {
            Turn::Frame(bytes) => self.ready = Some(bytes),
            Turn::Committed => {}
            Turn::Ended(end) => {
                let told = self.driver.take().is_some_and(|driver| driver.delivered_error());
                if let End::Broken(broke) = end {
                    if broke.is_stream && !told {
                        self.ready = Some(error_event(&broke));
                    }
                    self.broken = Some(Broken(broke.cause));
                }
            }
        }
    }
}

/// What is said where nobody but this process broke an answer.
const STOPPED: &str = "The gateway was stopped in the middle of the answer";

/// The honest end of a broken stream, in the API's own shape, with what of it had arrived.
fn error_event(broke: &Break) -> Bytes {
    let (cause, got) = (broke.cause, broke.got);
    let title = if broke.stopped { STOPPED } else { cause.row().title };
    let text = format!(
        "{title} (clearline: {cause}, after {} characters of text; the answer is not complete)",
        got.text_chars
    );
    let own = Own {
        stage: Some(broke.stage),
        attempts: Some(broke.attempts),
        request_id: broke.request_id.as_ref(),
        delivered: Some(Delivered { bytes: got.bytes, text_chars: got.text_chars }),
        ..Own::of(cause)
    };
    let event = clearline_wire::own_error_event("api_error", &text, &own);
    // It must not become a part of an event that has begun.
    if broke.torn { Bytes::from([b"\n\n", event.as_slice()].concat()) } else { Bytes::from(event) }
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            if let Some(bytes) = self.ready.take() {
                self.unflushed = true;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if self.broken.is_some() && std::mem::take(&mut self.unflushed) {
                // One turn for the server to write the honest end out before the transfer is aborted.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(broken) = self.broken.take() {
                return Poll::Ready(Some(Err(broken)));
            }
            let Some(driver) = self.driver.as_mut() else { return Poll::Ready(None) };
            match driver.poll_turn(cx) {
                Poll::Ready(turn) => self.turn(turn),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_none() && self.driver.is_none() && self.broken.is_none()
    }
}

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyBody").field("running", &self.driver.is_some()).finish_non_exhaustive()
    }
}
