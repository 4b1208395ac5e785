//! A connection's bytes, counted: what hyper does not tell by itself (was the request sent, what did the kernel say).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use clearline_model::{Failure, Stage};
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::fault::of_io;
use crate::upload::ReqBody;

/// Any stream that bytes go over.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A stream whose layers are forgotten.
pub type Stream = Box<dyn Io>;

/// What is known of a connection's bytes. One request runs at a time.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    written: AtomicU64,
    read: AtomicU64,
    eof: AtomicBool,
    body_taken: AtomicBool,
    flushed: Mutex<Option<Instant>>,
    broke: Mutex<Option<(Failure, String)>>,
}

impl Wire {
    /// A new request starts.
    pub(crate) fn begin(&self, bodyless: bool) {
        self.written.store(0, Ordering::Release);
        self.read.store(0, Ordering::Release);
        *self.flushed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.body_taken.store(bodyless, Ordering::Release);
    }

    /// Bytes of the request that left.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Bytes of the answer that came.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Acquire)
    }

    /// When the whole request had left.
    pub(crate) fn flushed(&self) -> Option<Instant> {
        *self.flushed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the whole request left.
    pub(crate) fn is_flushed(&self) -> bool {
        self.flushed().is_some()
    }

    /// Whether the peer closed.
    pub(crate) fn is_eof(&self) -> bool {
        self.eof.load(Ordering::Acquire)
    }

    /// The last error of the connection.
    pub(crate) fn broke(&self) -> Option<(Failure, String)> {
        self.broke.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The peer answers nothing any more: as where the kernel gives up on it.
    pub(crate) fn died(&self) {
        let why = io::Error::new(io::ErrorKind::TimedOut, "it does not answer a ping of HTTP/2 any more");
        let _noted = self.note::<()>(Err(why)).is_err();
    }

    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            let failure = of_io(error, Stage::Send);
            *self.broke.lock().unwrap_or_else(PoisonError::into_inner) = Some((failure, error.to_string()));
        }
        result
    }
}

/// A stream that counts into a [`Wire`].
///
/// A peer that answers before it has all of a request and closes resets the connection: the next write fails, while the answer
/// waits to be read. So a write that fails as that only stops; the reader finds the answer, or, behind it, the failure.
pub(crate) struct Watched {
    inner: Stream,
    wire: Arc<Wire>,
    /// Why nothing can be written any more, until the reader has it.
    lost: Lost,
}

#[derive(Debug, Default)]
enum Lost {
    #[default]
    Not,
    Because(io::Error),
    Told,
}

impl Lost {
    const fn is_it(&self) -> bool {
        !matches!(self, Self::Not)
    }

    fn tell(&mut self) -> io::Result<()> {
        let after = if self.is_it() { Self::Told } else { Self::Not };
        match std::mem::replace(self, after) {
            Self::Because(why) => Err(why),
            Self::Not | Self::Told => Ok(()),
        }
    }
}

impl Watched {
    pub(crate) fn new(inner: Stream, wire: Arc<Wire>) -> Self {
        Self { inner, wire, lost: Lost::Not }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let mut result = ready!(Pin::new(&mut self.inner).poll_read(cx, buf));
        let got = buf.filled().len() - before;
        if result.is_ok() && got == 0 {
            result = self.lost.tell();
        }
        if result.is_ok() && got == 0 {
            self.wire.eof.store(true, Ordering::Release);
        }
        self.wire.read.fetch_add(got as u64, Ordering::AcqRel);
        Poll::Ready(self.wire.note(result))
    }
}

/// Whether the peer takes nothing any more, which says nothing of what it has sent.
fn is_reset(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionReset)
}

impl Watched {
    fn wrote(&mut self, cx: &Context<'_>, result: io::Result<usize>) -> Poll<io::Result<usize>> {
        if let Ok(n) = &result {
            self.wire.written.fetch_add(*n as u64, Ordering::AcqRel);
        }
        self.stops(cx, result)
    }

    /// Notes how a write ended; one that the peer's end stopped ends where it is read.
    fn stops<T>(&mut self, cx: &Context<'_>, result: io::Result<T>) -> Poll<io::Result<T>> {
        match self.wire.note(result) {
            Err(why) if is_reset(&why) => {
                self.lost = Lost::Because(why);
                // What the reader waits for was perhaps there already.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            done => Poll::Ready(done),
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.lost.is_it() {
            return Poll::Pending;
        }
        let result = ready!(Pin::new(&mut self.inner).poll_write(cx, buf));
        self.wrote(cx, result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lost.is_it() {
            return Poll::Pending;
        }
        let result = ready!(Pin::new(&mut self.inner).poll_flush(cx));
        let wire = &self.wire;
        if result.is_ok() && wire.written() > 0 && wire.body_taken.load(Ordering::Acquire) {
            wire.flushed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        }
        self.stops(cx, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.lost.is_it() {
            return Poll::Pending;
        }
        let result = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, bufs));
        self.wrote(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// A request's body that says when it was handed over completely.
pub(crate) struct Tracked {
    pub(crate) inner: ReqBody,
    pub(crate) wire: Arc<Wire>,
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        self.wire.body_taken.store(self.inner.is_end_stream(), Ordering::Release);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A TCP stream with a second handle, so that it can be looked at while somebody else reads and writes it.
#[derive(Debug)]
pub struct Tcp(pub Arc<TcpStream>);

impl AsyncRead for Tcp {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.read(buf) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

impl Tcp {
    fn read(&self, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        let room = buf.remaining();
        let mut got = None;
        let tried = self.0.try_io(Interest::READABLE, || {
            // Into the buffer's own spare room: filling that with zeros first costs more than the read.
            let n = self.0.try_read_buf(buf)?;
            got = Some(n);
            // A read that leaves room has emptied the socket. Said as "would block", it spares the next read, which
            // would be in vain; an end of the stream stays known all the same.
            if (1..room).contains(&n) { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        if got.is_some() { Ok(()) } else { tried }
    }

    fn poll_put(
        &self,
        cx: &mut Context<'_>,
        put: &dyn Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match put(&self.0) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_put(cx, &|tcp| tcp.try_write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_put(cx, &|tcp| tcp.try_write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(socket2::SockRef::from(&*self.0).shutdown(std::net::Shutdown::Write))
    }
}

/// The same as far as the runtime has been told, without asking the kernel. It has been told all that came before the
/// event that is being served now.
pub(crate) fn is_told_quiet(tcp: &TcpStream) -> bool {
    matches!(tcp.try_io(Interest::READABLE, || Ok(())), Err(e) if e.kind() == io::ErrorKind::WouldBlock)
}

/// Whether an idle connection is still of use: neither closed nor with bytes that nobody asked for.
pub(crate) fn is_quiet(tcp: &TcpStream) -> bool {
    let mut byte = [std::mem::MaybeUninit::uninit()];
    let seen = socket2::SockRef::from(tcp).peek(&mut byte);
    matches!(seen, Err(e) if e.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A connection whose peer has answered so much and reset it.
    async fn answered(answer: &[u8]) -> (Watched, Arc<Wire>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        far.write_all(answer).await.unwrap();
        socket2::SockRef::from(&far).set_linger(Some(Duration::ZERO)).unwrap();
        drop(far);
        let wire = Arc::new(Wire::default());
        wire.begin(false);
        (Watched::new(Box::new(Tcp(Arc::new(near))), Arc::clone(&wire)), wire)
    }

    #[tokio::test]
    async fn an_answer_before_the_reset_is_read_and_the_reset_behind_it() {
        for answer in [&b"HTTP/1.1 413 no\r\n\r\n"[..], b""] {
            let (mut watched, wire) = answered(answer).await;
            let (mut read, mut write) = tokio::io::split(&mut watched);
            let mut seen = Vec::new();
            let both = async {
                let reader = read.read_to_end(&mut seen);
                let writer = async {
                    write.write_all(&[b'x'; 1 << 16]).await.unwrap();
                    panic!("nobody takes it");
                };
                tokio::select! { biased; () = writer => Ok(0), end = reader => end }
            };
            let end = both.await;
            assert_eq!(seen, answer);
            assert!(end.is_err_and(|e| is_reset(&e)), "an end that is none is told");
            assert!(wire.broke().is_some() && wire.written() == 0 && !wire.is_flushed());
        }
    }
}
