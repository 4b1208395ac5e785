//! A caller's connection, watched at two points that hyper leaves out.
//!
//! On the way in, the head of a request is searched for both `Content-Length` and `Transfer-Encoding`, of which hyper drops
//! one, and for lines that end in a line feed alone, which hyper takes and others do not: what two servers read in two ways
//! can hide a request from one of them. On the way out, hyper's own bare answer to a head that it cannot parse gets the API's error shape.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr_iter};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::answer;
use crate::rules::Limits;

const IDLE: u8 = 0;
const ANSWERING: u8 = 1;
const ANSWERED: u8 = 2;

/// What is wrong with a head that hyper takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trick {
    /// Both `Content-Length` and `Transfer-Encoding`.
    TwoLengths,
    /// A line that ends in a line feed alone.
    BareLineFeed,
}

/// What the connection and its requests tell each other.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Who is at the other end.
    pub(crate) peer: IpAddr,
    phase: AtomicU8,
    trick: AtomicU8,
}

impl Shared {
    pub(crate) const fn new(peer: IpAddr) -> Self {
        Self { peer, phase: AtomicU8::new(IDLE), trick: AtomicU8::new(0) }
    }

    /// A request's head arrived whole; says what is wrong with it.
    pub(crate) fn begin(&self) -> Option<Trick> {
        self.phase.store(ANSWERING, Ordering::Release);
        match self.trick.swap(0, Ordering::AcqRel) {
            1 => Some(Trick::TwoLengths),
            2 => Some(Trick::BareLineFeed),
            _ => None,
        }
    }

    /// The answer of a request was handed over.
    pub(crate) fn end(&self) {
        self.phase.store(ANSWERED, Ordering::Release);
    }
}

/// The connection.
pub(crate) struct Watched<S> {
    inner: S,
    shared: Arc<Shared>,
    /// The head of the next request so far, while it is not complete.
    head: Option<BytesMut>,
    head_max: usize,
    /// An answer in place of hyper's own.
    instead: Bytes,
    /// How long the other side may take nothing.
    write_timeout: Duration,
    /// Until when it has to take something that waits.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    pub(crate) fn new(inner: S, shared: Arc<Shared>, limits: Limits) -> Self {
        Self {
            inner,
            shared,
            head: Some(BytesMut::new()),
            head_max: limits.header_max,
            instead: Bytes::new(),
            write_timeout: limits.write_timeout,
            stuck: None,
        }
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
    /// Looks at bytes that arrived.
    fn saw(&mut self, bytes: &[u8]) {
        if self.shared.phase.load(Ordering::Acquire) == ANSWERED {
            self.shared.phase.store(IDLE, Ordering::Release);
            self.head = Some(BytesMut::new());
        }
        let Some(before) = &mut self.head else { return };
        // A head mostly comes in one piece, which needs no copy.
        let from = before.len().saturating_sub(3);
        let head = if before.is_empty() {
            bytes
        } else {
            before.extend_from_slice(bytes);
            before.as_ref()
        };
        if let Some(end) = end_of_head(head, from) {
            let trick = trick(head.get(..end).unwrap_or_default()).map_or(0, |t| t as u8 + 1);
            self.shared.trick.store(trick, Ordering::Release);
            self.head = None;
        } else if head.len() > self.head_max {
            self.head = None;
        } else if before.is_empty() {
            before.extend_from_slice(bytes);
        }
    }
}

impl<S: AsyncWrite + Unpin> Watched<S> {
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

/// Where the head ends: behind its first empty line, whatever its lines end in. Empty lines before the first one that is
/// not do not count.
fn end_of_head(head: &[u8], from: usize) -> Option<usize> {
    let start = head.iter().position(|b| !matches!(b, b'\r' | b'\n'))?;
    let mut at = from.max(start);
    loop {
        at += memchr(b'\n', head.get(at..)?)? + 1;
        match head.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

fn trick(head: &[u8]) -> Option<Trick> {
    let (mut start, mut has_length, mut has_encoding) = (0, false, false);
    for at in memchr_iter(b'\n', head) {
        let line = head.get(start..at).unwrap_or_default();
        if line.last() != Some(&b'\r') {
            return Some(Trick::BareLineFeed);
        }
        has_length |= is_named(line, b"content-length");
        has_encoding |= is_named(line, b"transfer-encoding");
        start = at + 1;
    }
    (has_length && has_encoding).then_some(Trick::TwoLengths)
}

/// Whether a line is the header of this name.
fn is_named(line: &[u8], name: &[u8]) -> bool {
    line.split_at_checked(name.len()).is_some_and(|(start, rest)| {
        start.eq_ignore_ascii_case(name) && rest.trim_ascii_start().first() == Some(&b':')
    })
}

/// hyper's own answer: a bare head with a 4xx and no body. Answers of the service carry `x-request-id`.
fn own_status(bytes: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(bytes).ok()?;
    let rest = text.strip_prefix("HTTP/1.1 4").or_else(|| text.strip_prefix("HTTP/1.0 4"))?;
    let bare = text.ends_with("\r\n\r\n") && text.len() < 256 && !text.contains("x-request-id");
    let digits = rest.get(..2).filter(|_| bare)?;
    digits.parse::<u16>().ok().map(|n| 400 + n)
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let new = buf.filled().get(before..).unwrap_or_default();
        if !new.is_empty() {
            self.saw(new);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.drain(cx))?;
        if self.shared.phase.load(Ordering::Acquire) == IDLE
            && let Some(status) = own_status(buf)
        {
            self.instead = answer::unparsable(status);
            // What cannot be written now is written by the flush or the shutdown that follow.
            return match self.drain(cx) {
                Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(buf.len())),
            };
        }
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
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.bounded(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
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
    fn two_lengths_are_seen_in_any_case_and_order() {
        for (lines, expected) in [
            ("content-length: 1\r\nTransfer-Encoding : chunked\r\n", Some(Trick::TwoLengths)),
            ("TRANSFER-ENCODING:chunked\r\na: b\r\nContent-Length:1\r\n", Some(Trick::TwoLengths)),
            ("content-length: 1\r\nx-transfer-encoding: chunked\r\n", None),
            ("Transfer-Encoding: chunked\r\nContent-Lengths: 1\r\n", None),
            ("content-length: 1\r\nTransfer-Encoding: chunked\n", Some(Trick::BareLineFeed)),
        ] {
            assert_eq!(trick(format!("POST / HTTP/1.1\r\n{lines}\r\n").as_bytes()), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_head_ends_at_its_first_empty_line() {
        for (head, end) in [
            ("GET / HTTP/1.1\r\nhost: a\r\n\r\nrest", Some(27)),
            ("GET / HTTP/1.1\nhost: a\n\nrest", Some(24)),
            ("\r\n\r\nGET / HTTP/1.1\r\n\r\n", Some(22)),
            ("GET / HTTP/1.1\r\nhost: a\r\n\r", None),
            ("\r\n\r\n", None),
            ("", None),
        ] {
            for from in 0..=end.map_or(head.len(), |e| e - 3).min(head.len()) {
                let found = end_of_head(head.as_bytes(), from);
                // Later ends are found only where the search begins behind an earlier one.
                assert_eq!(found, end, "{head:?} from {from}");
            }
        }
        assert_eq!(trick(b"GET / HTTP/1.1\r\nhost: a\n\r\n"), Some(Trick::BareLineFeed));
        assert_eq!(trick(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"), None);
    }

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
