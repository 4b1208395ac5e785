//! A caller's connection, watched at two points that hyper leaves out.
//!
//! On the way in, the head of a request is searched for both `Content-Length` and `Transfer-Encoding`: hyper drops one
//! of them. On the way out, hyper's own bare answer to a head that it cannot parse gets the API's error shape.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::answer;

const IDLE: u8 = 0;
const ANSWERING: u8 = 1;
const ANSWERED: u8 = 2;

/// What the connection and its requests tell each other.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    phase: AtomicU8,
    conflict: AtomicBool,
}

impl Shared {
    /// A request arrived whole; says whether its head held two lengths.
    pub(crate) fn begin(&self) -> bool {
        self.phase.store(ANSWERING, Ordering::Release);
        self.conflict.swap(false, Ordering::AcqRel)
    }

    /// The answer of a request was handed over.
    pub(crate) fn end(&self) {
        self.phase.store(ANSWERED, Ordering::Release);
    }
}

/// The connection.
pub(crate) struct Watched {
    inner: TcpStream,
    shared: Arc<Shared>,
    /// The head of the next request so far, while it is not complete.
    head: Option<BytesMut>,
    head_max: usize,
    /// An answer in place of hyper's own.
    instead: Bytes,
}

impl Watched {
    pub(crate) fn new(inner: TcpStream, shared: Arc<Shared>, head_max: usize) -> Self {
        Self { inner, shared, head: Some(BytesMut::new()), head_max, instead: Bytes::new() }
    }

    /// Looks at bytes that arrived.
    fn saw(&mut self, bytes: &[u8]) {
        if self.shared.phase.load(Ordering::Acquire) == ANSWERED {
            self.shared.phase.store(IDLE, Ordering::Release);
            self.head = Some(BytesMut::new());
        }
        let Some(head) = &mut self.head else { return };
        let from = head.len().saturating_sub(3);
        head.extend_from_slice(bytes);
        let end = head.get(from..).and_then(|new| new.windows(4).position(|w| w == b"\r\n\r\n"));
        if let Some(end) = end {
            let whole = head.get(..from + end).unwrap_or_default();
            self.shared.conflict.store(has_two_lengths(whole), Ordering::Release);
            self.head = None;
        } else if head.len() > self.head_max {
            self.head = None;
        }
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

fn has_two_lengths(head: &[u8]) -> bool {
    let has = |name: &[u8]| {
        head.split(|b| *b == b'\n').any(|line| {
            line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
                && line.get(name.len()..).is_some_and(|rest| rest.trim_ascii_start().first() == Some(&b':'))
        })
    };
    has(b"content-length") && has(b"transfer-encoding")
}

/// hyper's own answer: a bare head with a 4xx and no body. Answers of the service carry `x-request-id`.
fn own_status(bytes: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(bytes).ok()?;
    let rest = text.strip_prefix("HTTP/1.1 4").or_else(|| text.strip_prefix("HTTP/1.0 4"))?;
    let bare = text.ends_with("\r\n\r\n") && text.len() < 256 && !text.contains("x-request-id");
    let digits = rest.get(..2).filter(|_| bare)?;
    digits.parse::<u16>().ok().map(|n| 400 + n)
}

impl AsyncRead for Watched {
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

impl AsyncWrite for Watched {
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
        Pin::new(&mut self.inner).poll_write(cx, buf)
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
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
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
        assert!(has_two_lengths(b"POST / HTTP/1.1\r\ncontent-length: 1\r\nTransfer-Encoding : chunked"));
        assert!(!has_two_lengths(b"POST / HTTP/1.1\r\ncontent-length: 1\r\nx-transfer-encoding: chunked"));
        assert!(!has_two_lengths(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Lengths: 1"));
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
