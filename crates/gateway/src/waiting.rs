//! A stream that is kept alive while nothing comes: comments before the first event, and later between two events.
//!
//! Opened early, a stream has no status of the upstream any more: what goes wrong then is told in an `error` event, and
//! the transfer is broken off. That is why it is a setting, and off by default.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use clearline::{Broken, CallError, Reply, ReplyBody};
use clearline_model::Cause;
use clearline_wire::{Own, own_error_event};
use http_body::{Body as _, Frame};
use tokio::time::{Instant, Sleep};

/// What a client skips, by the standard of server-sent events.
const COMMENT: &[u8] = b": waiting\n\n";
/// The longest error of the upstream that is told in an event, bytes.
const ERROR_MAX: usize = 1 << 20;

/// A call that has no answer yet.
pub(crate) type Call = Pin<Box<dyn Future<Output = Result<Reply, CallError>> + Send>>;

enum State {
    /// There is no answer yet.
    Waits(Call),
    /// It is an error, which is being read.
    Fails(Box<ReplyBody>, Vec<u8>, Cause),
    /// It is a stream.
    Runs(Box<ReplyBody>),
    /// The honest end was told, and is written out before the transfer is broken off.
    Told(Broken),
    Breaks(Broken),
    Over,
}

/// The body of such a stream.
pub(crate) struct Waiting {
    state: State,
    every: Duration,
    silence: Pin<Box<Sleep>>,
    /// What was shown last ends an event.
    between: bool,
}

impl Waiting {
    /// Opens the stream of a call that has no answer yet; the first comment goes out at once.
    pub(crate) fn early(call: Call, every: Duration) -> Self {
        Self { silence: Box::pin(tokio::time::sleep(Duration::ZERO)), ..Self::new(State::Waits(call), every) }
    }

    /// Keeps a stream alive that has begun.
    pub(crate) fn begun(body: ReplyBody, every: Duration) -> Self {
        Self::new(State::Runs(Box::new(body)), every)
    }

    fn new(state: State, every: Duration) -> Self {
        Self { state, every, silence: Box::pin(tokio::time::sleep(every)), between: true }
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            match &mut self.state {
                State::Waits(call) => match call.as_mut().poll(cx) {
                    Poll::Ready(Ok(reply)) if reply.status.as_u16() < 400 => {
                        self.state = State::Runs(Box::new(reply.body));
                    }
                    Poll::Ready(Ok(reply)) => {
                        let cause = reply.cause.unwrap_or(Cause::ServerError);
                        self.state = State::Fails(Box::new(reply.body), Vec::new(), cause);
                    }
                    Poll::Ready(Err(error)) => return self.tell(own(&error), error.cause),
                    Poll::Pending => return self.comment(cx),
                },
                State::Fails(body, all, cause) => match Pin::new(body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        let data = frame.into_data().unwrap_or_default();
                        if all.len() + data.len() <= ERROR_MAX {
                            all.extend_from_slice(&data);
                        }
                    }
                    Poll::Ready(Some(Err(_)) | None) => {
                        let (event, cause) = (theirs(all, *cause), *cause);
                        return self.tell(event, cause);
                    }
                    Poll::Pending => return self.comment(cx),
                },
                State::Runs(body) => match Pin::new(body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        self.silence.as_mut().reset(Instant::now() + self.every);
                        let data = frame.data_ref();
                        self.between = data.is_some_and(|d| d.ends_with(b"\n\n") || d.ends_with(b"\r\n\r\n"));
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    Poll::Ready(end) => {
                        self.state = State::Over;
                        return Poll::Ready(end);
                    }
                    Poll::Pending => return self.comment(cx),
                },
                State::Told(broken) => {
                    self.state = State::Breaks(*broken);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                State::Breaks(broken) => {
                    let broken = *broken;
                    self.state = State::Over;
                    return Poll::Ready(Some(Err(broken)));
                }
                State::Over => return Poll::Ready(None),
            }
        }
    }

    fn tell(&mut self, event: Bytes, cause: Cause) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.state = State::Told(Broken(cause));
        Poll::Ready(Some(Ok(Frame::data(event))))
    }

    fn comment(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.silence.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.silence.as_mut().reset(Instant::now() + self.every);
        if self.between {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(COMMENT)))));
        }
        // Within an event nothing may be put; the timer has to be asked again to wake this task.
        self.silence.as_mut().poll(cx).map(|()| None)
    }

    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }
}

fn own(error: &CallError) -> Bytes {
    let known = Own {
        stage: Some(error.stage),
        attempts: Some(error.attempts),
        retry_after: error.retry_after,
        request_id: error.request_id.as_ref(),
        ..Own::of(error.cause)
    };
    let text = format!("{} (clearline: {})", error.title(), error.cause);
    Bytes::from(own_error_event("api_error", &text, &known))
}

/// The upstream's error as an event: its own JSON, line by line.
fn theirs(body: &[u8], cause: Cause) -> Bytes {
    if !clearline_wire::is_api_shape(body) {
        let text = format!("{} (clearline: {cause})", cause.row().title);
        return Bytes::from(own_error_event("api_error", &text, &Own::of(cause)));
    }
    let mut event = b"event: error\n".to_vec();
    for line in body.split(|b| matches!(b, b'\n' | b'\r')).filter(|line| !line.is_empty()) {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.push(b'\n');
    }
    event.push(b'\n');
    Bytes::from(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_upstream_becomes_an_event_of_its_own_words() {
        let body = b"{\"type\":\"error\",\r\n \"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n";
        let event = theirs(body, Cause::ServerOverloaded);
        let mut seen = Vec::new();
        clearline_wire::Parser::new()
            .push(&event, |e| seen.push((e.name.to_vec(), e.data.to_vec())))
            .unwrap();
        let (name, data) = seen.pop().unwrap();
        assert_eq!(name, b"error");
        let value: serde_json::Value = serde_json::from_slice(&data).unwrap();
        assert_eq!(value["error"]["type"], "overloaded_error");
        let page = String::from_utf8(theirs(b"<html>", Cause::EdgeNotTheApi).to_vec()).unwrap();
        assert!(page.contains("edge.not-the-api"), "{page}");
    }
}
