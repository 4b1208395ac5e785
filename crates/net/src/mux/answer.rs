//! The body of an answer on a stream.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use clearline_model::{Foreign, Sent, Stage};
use h2::RecvStream;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::upload::Upload;
use super::{Lent, broke};
use crate::alarm::Alarm;
use crate::fault::Fault;

/// Both directions of a stream. Dropped before their end, they reset it.
pub(crate) struct Stream {
    pub(crate) recv: RecvStream,
    /// A server may answer before it has the whole request.
    pub(crate) upload: Upload,
}

/// A body that arrives on a stream of a shared connection.
pub(crate) struct Answer {
    // The stream ends before its place is given back.
    stream: Stream,
    lent: Lent,
    alarm: Alarm,
    /// How much is still to come, where the head said it, bytes.
    announced: Option<u64>,
}

impl Answer {
    pub(crate) fn new(stream: Stream, lent: Lent, announced: Option<u64>) -> Self {
        Self { stream, lent, alarm: Alarm::default(), announced }
    }

    /// The next piece. What comes after the last one, trailers, is not passed on, and the end counts only when it is there.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        // Where nobody takes the rest of the request, the answer says why.
        let _rest = self.stream.upload.poll(cx);
        let recv = &mut self.stream.recv;
        let ended = match ready!(recv.poll_data(cx)) {
            Some(Ok(bytes)) => {
                let length = bytes.len();
                self.announced = self.announced.map(|left| left.saturating_sub(length as u64));
                return Poll::Ready(Some(match recv.flow_control().release_capacity(length) {
                    Ok(()) => Ok(Frame::data(bytes)),
                    Err(error) => Err(self.broken(&error)),
                }));
            }
            Some(Err(error)) => Err(error),
            None => ready!(recv.poll_trailers(cx)),
        };
        match ended {
            Ok(_trailers) => Poll::Ready(None),
            Err(error) => Poll::Ready(Some(Err(self.broken(&error)))),
        }
    }

    fn broken(&self, error: &h2::Error) -> Fault {
        let is_short = self.announced.is_some_and(|left| left > 0);
        let (failure, detail) = broke::cut(error, &self.lent.mux.wire, is_short);
        self.lent.mux.retire();
        Fault {
            sent: Sent::Yes,
            addr: Some(self.lent.mux.addr),
            detail: Foreign::new(&detail),
            ..Fault::new(Stage::Body, failure)
        }
    }

    /// Says whether this moment has come. Then the connection may be dead, and takes no new streams.
    pub(crate) fn poll_silent(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.alarm.poll_at(at, cx));
        self.lent.mux.retire();
        Poll::Ready(())
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.stream.recv.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("announced", &self.announced).finish_non_exhaustive()
    }
}
