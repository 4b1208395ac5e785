//! The body of a request on its way into a stream, as fast as the server's window and the socket take it.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{Reason, SendStream};
use http_body::Body as _;
use tokio::time::Instant;

use crate::upload::ReqBody;

/// How much of a body has not been written.
#[derive(Debug)]
pub(crate) struct Left {
    bytes: AtomicU64,
    gone: OnceLock<Instant>,
}

impl Left {
    /// A body of so many bytes.
    fn new(bytes: u64) -> Arc<Self> {
        let left = Self { bytes: AtomicU64::new(bytes), gone: OnceLock::new() };
        if bytes == 0 {
            left.gone.get_or_init(Instant::now);
        }
        Arc::new(left)
    }

    fn wrote(&self, bytes: u64) {
        if self.bytes.fetch_sub(bytes, Ordering::AcqRel) == bytes {
            self.gone.get_or_init(Instant::now);
        }
    }

    /// When all of it was written.
    pub(crate) fn gone(&self) -> Option<Instant> {
        self.gone.get().copied()
    }
}

/// A part of a body, which says how much of it was written.
#[derive(Debug)]
pub(crate) struct Piece {
    bytes: Bytes,
    left: Arc<Left>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, n: usize) {
        self.bytes.advance(n);
        self.left.wrote(n as u64);
    }
}

/// A body on its way.
pub(crate) struct Upload {
    out: SendStream<Piece>,
    body: ReqBody,
    /// What was read of it and not handed over.
    rest: Bytes,
    left: Arc<Left>,
    is_over: bool,
}

impl Upload {
    /// Of a body that is not empty.
    pub(crate) fn new(out: SendStream<Piece>, body: ReqBody) -> Self {
        let is_over = body.is_end_stream();
        let left = Left::new(body.size_hint().exact().unwrap_or(u64::MAX));
        Self { out, body, rest: Bytes::new(), left, is_over }
    }

    /// When all of it had left.
    pub(crate) fn gone(&self) -> Option<Instant> {
        self.left.gone()
    }

    /// Hands over what fits; ready when there is nothing more to hand over, or nobody takes it any more: the answer says why.
    ///
    /// # Errors
    ///
    /// The body cannot be read. Then the stream is reset.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_over {
            if self.rest.is_empty() {
                match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                    Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                    Some(Err(error)) => {
                        self.is_over = true;
                        self.out.send_reset(Reason::CANCEL);
                        return Poll::Ready(Err(error));
                    }
                    None => {
                        self.hand(Bytes::new(), true);
                        continue;
                    }
                }
            }
            if !self.rest.is_empty() {
                match ready!(self.poll_room(cx)) {
                    Some(room) => {
                        let part = self.rest.split_to(room.min(self.rest.len()));
                        let is_last = self.rest.is_empty() && self.body.is_end_stream();
                        self.hand(part, is_last);
                    }
                    None => self.is_over = true,
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn hand(&mut self, bytes: Bytes, is_last: bool) {
        let piece = Piece { bytes, left: Arc::clone(&self.left) };
        let refused = self.out.send_data(piece, is_last).is_err();
        self.is_over |= is_last || refused;
    }

    /// How much the stream takes; `None` where it has ended.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        self.out.reserve_capacity(self.rest.len());
        loop {
            match self.out.capacity() {
                0 => match ready!(self.out.poll_capacity(cx)) {
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Poll::Ready(None),
                },
                room => return Poll::Ready(Some(room)),
            }
        }
    }
}
