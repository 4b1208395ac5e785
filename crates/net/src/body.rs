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
use crate::pool::Pool;

/// A body together with the connection that it comes over. Dropped before its end, it closes the connection.
pub struct Body {
    incoming: Incoming,
    conn: Option<Conn>,
    home: Option<Pool>,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("open", &self.conn.is_some()).finish_non_exhaustive()
    }
}

impl Body {
    /// Binds a body to its connection. At a clean end the connection goes to `home`; without one (an answer that is
    /// no success) it is closed.
    #[must_use]
    pub fn new(incoming: Incoming, conn: Conn, home: Option<Pool>) -> Self {
        let mut body = Self { incoming, conn: Some(conn), home };
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
    }

    /// Says whether this moment has come, where there is more to come; until then, whoever asked last is woken.
    pub fn poll_silent(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        self.conn.as_mut().map_or(Poll::Pending, |conn| conn.alarm().poll_at(at, cx))
    }

    fn finish(&mut self) {
        if let (Some(conn), Some(home)) = (self.conn.take(), self.home.take()) {
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
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
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

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
