//! The body of an answer: its errors are faults, and its clean end gives the connection back.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use clearline_model::{Failure, Foreign, Framing, Sent, Stage};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::conn::Conn;
use crate::fault::Fault;
use crate::hush;
use crate::mux::Answer;
use crate::pool::Pool;

/// A body together with the connection that it comes over. Dropped before its end, it closes the connection, or resets its
/// stream of a shared one.
pub struct Body(Kind);

enum Kind {
    Own(Own),
    /// Gone at its end.
    Shared(Option<Box<Answer>>),
}

/// One that has a connection of its own.
struct Own {
    incoming: Incoming,
    conn: Option<Conn>,
    home: Option<Pool>,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_open = match &self.0 {
            Kind::Own(own) => own.conn.is_some(),
            Kind::Shared(answer) => answer.is_some(),
        };
        f.debug_struct("Body").field("open", &is_open).finish_non_exhaustive()
    }
}

impl Body {
    /// Binds a body to its connection. At a clean end the connection goes to `home`; without one (an answer that is
    /// no success) it is closed.
    #[must_use]
    pub fn new(incoming: Incoming, conn: Conn, home: Option<Pool>) -> Self {
        let mut own = Own { incoming, conn: Some(conn), home };
        if own.incoming.is_end_stream() {
            own.finish();
        }
        Self(Kind::Own(own))
    }

    /// The body of an answer on a stream of a shared connection.
    pub(crate) fn shared(answer: Answer) -> Self {
        Self(Kind::Shared((!answer.is_end_stream()).then(|| Box::new(answer))))
    }

    /// Says whether this moment has come, where there is more to come; until then, whoever asked last is woken.
    pub fn poll_silent(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Kind::Own(own) => own.conn.as_mut().map_or(Poll::Pending, |conn| conn.alarm().poll_at(at, cx)),
            Kind::Shared(answer) => {
                answer.as_mut().map_or(Poll::Pending, |answer| answer.poll_silent(at, cx))
            }
        }
    }
}

impl Own {
    fn finish(&mut self) {
        // An answer that came before its whole request: what is left of that would go before the next one.
        let is_over = |conn: &Conn| conn.wire().is_flushed();
        if let (Some(conn), Some(home)) = (self.conn.take().filter(is_over), self.home.take()) {
            home.put(conn);
        }
    }

    /// The connection, and with it the upstream, is let go at once.
    fn break_off(&mut self, error: &hyper::Error) -> Fault {
        let conn = self.conn.take();
        let broke = conn.as_ref().and_then(|c| c.wire().broke());
        let eof = conn.as_ref().is_some_and(|c| c.wire().is_eof());
        let (failure, detail) = match broke {
            Some((Failure::Eof, text)) => (Failure::Framing(Framing::Short), text),
            Some(broke) => broke,
            None if eof => (Failure::Framing(Framing::Short), error.to_string()),
            None => (Failure::Framing(Framing::Malformed), error.to_string()),
        };
        Fault {
            sent: Sent::Yes,
            addr: conn.as_ref().map(Conn::addr),
            detail: Foreign::new(&detail),
            ..Fault::new(Stage::Body, failure)
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match ready!(hush::next_frame(&mut self.incoming, cx)) {
            Some(Ok(frame)) => {
                if self.incoming.is_end_stream() {
                    self.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(self.break_off(&error)))),
            None => {
                self.finish();
                Poll::Ready(None)
            }
        }
    }
}

/// The next piece; with its end the stream is let go.
fn poll_shared(
    place: &mut Option<Box<Answer>>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
    let Some(answer) = place else { return Poll::Ready(None) };
    let polled = ready!(answer.poll(cx));
    if !matches!(polled, Some(Ok(_))) || answer.is_end_stream() {
        *place = None;
    }
    Poll::Ready(polled)
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match &mut self.0 {
            Kind::Own(own) => own.poll(cx),
            Kind::Shared(place) => poll_shared(place, cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Own(own) => own.incoming.is_end_stream(),
            Kind::Shared(answer) => answer.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Own(own) => own.incoming.size_hint(),
            Kind::Shared(answer) => {
                answer.as_ref().map_or_else(|| SizeHint::with_exact(0), |answer| answer.size_hint())
            }
        }
    }
}
