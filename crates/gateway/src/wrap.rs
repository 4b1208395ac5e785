//! A caller's connection, watched at two points that hyper leaves out.
//!
//! On the way in, the requests are followed (`framing.rs`), so that what could be read in two ways is refused, and so are the frames
//! of HTTP/2 (`http2/frames.rs`), so that the right word is said of what is wrong. On the way out, hyper's own bare answer to a head that it
//! cannot parse gets the API's error shape.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::answer;
pub(crate) use crate::framing::Trick;
use crate::framing::{Followed, Framing};
use crate::http2::Early;
use crate::http2::frames::{Frames, Passed, Why};
use crate::rules::Limits;

/// hyper says of a target without end what it says of any head without one.
const URI_TOO_LONG: u16 = 414;

/// What the connection and its requests tell each other.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Who is at the other end.
    pub(crate) peer: IpAddr,
    /// A request is being answered.
    is_answering: AtomicBool,
    /// So many heads arrived and are all right.
    heads: AtomicUsize,
    /// So many requests were begun with.
    begun: AtomicUsize,
    /// What is wrong with the head behind those that are all right; 0 is nothing.
    trick: AtomicU8,
    /// The last request is there as a whole, and nothing of another.
    is_between: AtomicBool,
    /// A head could not be parsed, and its caller was told so with this status; 0 is none.
    unparsable: AtomicU16,
    /// The body of the request broke off.
    has_broken_off: AtomicBool,
    /// Nothing but the end of the connection ends the answer, so that a clean one would make a broken answer whole.
    is_bare: AtomicBool,
    /// The answer broke.
    is_torn: AtomicBool,
    /// A connection of HTTP/2 is to end now: its caller only costs.
    is_calmed: AtomicBool,
}

impl Shared {
    pub(crate) const fn new(peer: IpAddr) -> Self {
        Self {
            peer,
            is_answering: AtomicBool::new(false),
            heads: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            trick: AtomicU8::new(0),
            is_between: AtomicBool::new(true),
            unparsable: AtomicU16::new(0),
            has_broken_off: AtomicBool::new(false),
            is_bare: AtomicBool::new(false),
            is_torn: AtomicBool::new(false),
            is_calmed: AtomicBool::new(false),
        }
    }

    /// The body of the request broke off; in HTTP/2 its caller has reset it.
    pub(crate) fn broke_off(&self) {
        self.has_broken_off.store(true, Ordering::Release);
    }

    pub(crate) fn has_broken_off(&self) -> bool {
        self.has_broken_off.load(Ordering::Acquire)
    }

    /// Nothing in the answer that begins tells of its end.
    pub(crate) fn ends_bare(&self) {
        self.is_bare.store(true, Ordering::Release);
    }

    /// The answer broke.
    pub(crate) fn torn(&self) {
        self.is_torn.store(true, Ordering::Release);
    }

    /// Whether the connection must not end cleanly.
    pub(crate) fn is_to_reset(&self) -> bool {
        self.is_bare.load(Ordering::Acquire) && self.is_torn.load(Ordering::Acquire)
    }

    /// Ends a connection of HTTP/2, with a word why, when it is looked at next.
    pub(crate) fn calm(&self) {
        self.is_calmed.store(true, Ordering::Release);
    }

    /// A request's head arrived whole; says what is wrong with it.
    pub(crate) fn begin(&self) -> Option<Trick> {
        self.is_answering.store(true, Ordering::Release);
        let nth = self.begun.fetch_add(1, Ordering::AcqRel);
        self.trick().filter(|_| nth >= self.heads.load(Ordering::Acquire))
    }

    /// The answer of a request was handed over.
    pub(crate) fn end(&self) {
        self.is_answering.store(false, Ordering::Release);
    }

    /// Whether the caller may be sending what nobody reads any more: the rest of a request, or further ones.
    pub(crate) fn is_cut(&self) -> bool {
        let unread = self.begun.load(Ordering::Acquire) < self.heads.load(Ordering::Acquire);
        unread || !self.is_between.load(Ordering::Acquire)
    }

    /// The status with which the last head was refused, where that was before it became a request.
    pub(crate) fn unparsable(&self) -> Option<u16> {
        Some(self.unparsable.load(Ordering::Acquire)).filter(|status| *status > 0)
    }

    fn trick(&self) -> Option<Trick> {
        Trick::of_code(self.trick.load(Ordering::Acquire))
    }

    fn followed(&self, followed: Followed, is_between: bool) {
        if followed.heads > 0 {
            self.heads.fetch_add(followed.heads, Ordering::AcqRel);
        }
        if let Some(trick) = followed.trick {
            self.trick.store(trick.code(), Ordering::Release);
        }
        self.is_between.store(is_between, Ordering::Release);
    }
}

/// What is spoken on a connection, followed in its bytes.
enum Spoken {
    Http1(Framing),
    Http2(Box<Frames>),
}

/// The connection.
pub(crate) struct Watched<S> {
    inner: S,
    shared: Arc<Shared>,
    /// What comes before the bytes of the connection.
    early: Early,
    /// What passes in the place of what came.
    passed: Bytes,
    spoken: Spoken,
    /// Nothing more is read: the framing of a body is broken, or a frame of HTTP/2.
    is_broken: bool,
    /// The last words on a connection of HTTP/2.
    why: Option<Why>,
    /// An answer in place of hyper's own.
    instead: Bytes,
    /// Frames of HTTP/2 that are written beside hyper's.
    own: Vec<u8>,
    /// All that was written is on its way, so that a frame of HTTP/2 may follow.
    is_flushed: bool,
    /// How long the other side may take nothing.
    write_timeout: Duration,
    /// Until when it has to take something that waits.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    /// A connection of HTTP/1.1.
    pub(crate) fn of_http1(inner: S, shared: Arc<Shared>, limits: Limits) -> Self {
        Self::new(inner, shared, limits, Spoken::Http1(Framing::new(limits.header_max)))
    }

    /// One of HTTP/2.
    pub(crate) fn of_http2(inner: S, shared: Arc<Shared>, limits: Limits) -> Self {
        Self::new(inner, shared, limits, Spoken::Http2(Box::new(Frames::new())))
    }

    fn new(inner: S, shared: Arc<Shared>, limits: Limits, spoken: Spoken) -> Self {
        Self {
            inner,
            shared,
            early: Early::default(),
            passed: Bytes::new(),
            spoken,
            is_broken: false,
            why: None,
            instead: Bytes::new(),
            own: Vec::new(),
            is_flushed: true,
            write_timeout: limits.write_timeout,
            stuck: None,
        }
    }

    /// The same where these bytes were taken from it already.
    pub(crate) fn behind(self, early: Early) -> Self {
        Self { early, ..self }
    }

    /// Gives up on a caller that takes nothing.
    fn bounded<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stuck = None;
            return polled;
        }
        let limit = self.write_timeout;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(stuck.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S> Watched<S> {
    /// Looks at bytes that arrived, and says how many of them may be read.
    fn saw(&mut self, bytes: &[u8]) -> usize {
        match &mut self.spoken {
            Spoken::Http1(framing) => {
                let followed = framing.follow(bytes);
                self.shared.followed(followed, framing.is_between());
                self.is_broken = followed.broken.is_some();
                followed.broken.unwrap_or(bytes.len())
            }
            Spoken::Http2(frames) => {
                let (passed, why) = frames.follow(bytes);
                self.own.append(&mut frames.say());
                self.is_broken = why.is_some();
                self.why = why;
                match passed {
                    Passed::First(n) => n,
                    Passed::Instead(other) => {
                        self.passed = other.into();
                        0
                    }
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    /// Nothing more is read, and on a connection of HTTP/2 the last words say why.
    fn end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // In the middle of another frame they would be a part of it.
        if let Some(why) = self.why.take().filter(|_| self.is_flushed) {
            let own = std::mem::take(&mut self.own);
            self.instead = [&self.instead[..], &own, &why.goaway()].concat().into();
        }
        let drained = self.drain(cx);
        ready!(self.bounded(cx, drained))?;
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        ready!(self.bounded(cx, flushed))?;
        Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
    }

    /// Between two frames of hyper's, own ones are written.
    fn interject(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_flushed && !self.own.is_empty() {
            self.instead = std::mem::take(&mut self.own).into();
            return self.drain(cx);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes out what stands in place of hyper's answer.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.instead.is_empty() {
            let n = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.instead))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.instead.advance(n);
        }
        Poll::Ready(Ok(()))
    }
}

/// The most bytes of hyper's own answer.
const OWN_MAX: usize = 256;

/// hyper's own answer: a bare head with a 4xx and no body. Answers of the service carry `x-request-id`.
fn own_status(bytes: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(Some(bytes).filter(|b| b.len() < OWN_MAX)?).ok()?;
    let rest = text.strip_prefix("HTTP/1.1 4").or_else(|| text.strip_prefix("HTTP/1.0 4"))?;
    let bare = text.ends_with("\r\n\r\n") && !text.contains("x-request-id");
    let digits = rest.get(..2).filter(|_| bare)?;
    digits.parse::<u16>().ok().map(|n| 400 + n)
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.shared.is_calmed.swap(false, Ordering::AcqRel) {
            self.is_broken = true;
            self.why = Some(Why::Calm);
        }
        loop {
            if !self.passed.is_empty() {
                let n = buf.remaining().min(self.passed.len());
                buf.put_slice(&self.passed.split_to(n));
                return Poll::Ready(Ok(()));
            }
            if self.is_broken {
                return self.end(cx);
            }
            let before = buf.filled().len();
            if self.early.bytes().is_empty() {
                ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
            } else {
                let early = std::mem::take(&mut self.early);
                buf.put_slice(early.bytes());
            }
            let new = buf.filled().get(before..).unwrap_or_default();
            if new.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let fit = self.saw(new);
            buf.set_filled(before + fit);
            // Nothing read would be the end of the connection.
            if fit > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.drain(cx))?;
        if matches!(self.spoken, Spoken::Http1(_))
            && !self.shared.is_answering.load(Ordering::Acquire)
            && let Some(status) = own_status(buf)
        {
            let is_target = self.shared.trick() == Some(Trick::LongTarget);
            let status = if is_target { URI_TOO_LONG } else { status };
            self.shared.unparsable.store(status, Ordering::Release);
            self.instead = answer::unparsable(status);
            // What cannot be written now is written by the flush or the shutdown that follow.
            return match self.drain(cx) {
                Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(buf.len())),
            };
        }
        ready!(self.interject(cx))?;
        self.is_flushed = false;
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.bounded(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // An answer of hyper's own has no body, and so it is one slice.
        let mut filled = bufs.iter().filter(|b| !b.is_empty());
        if let (Some(only), None) = (filled.next(), filled.next()) {
            return self.poll_write(cx, only);
        }
        ready!(self.drain(cx))?;
        ready!(self.interject(cx))?;
        self.is_flushed = false;
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.bounded(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        ready!(self.interject(cx))?;
        let mut polled = Pin::new(&mut self.inner).poll_flush(cx);
        self.is_flushed = polled.is_ready();
        if self.is_flushed && !self.own.is_empty() {
            ready!(self.interject(cx))?;
            polled = Pin::new(&mut self.inner).poll_flush(cx);
        }
        self.bounded(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_head_is_hyper_s_own() {
        assert_eq!(
            own_status(b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n"),
            Some(431)
        );
        assert_eq!(own_status(b"HTTP/1.1 404 Not Found\r\nx-request-id: a\r\n\r\n"), None);
        assert_eq!(own_status(b"HTTP/1.1 200 OK\r\n\r\n"), None);
        assert_eq!(own_status(b"HTTP/1.1 4\r\n\r\n"), None);
    }
}
