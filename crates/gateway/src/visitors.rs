//! Who reads the admin pages: few at once, and none for ever. They come out of the same descriptors as the callers.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// The most connections to the admin pages at once; more wait (a guess: a supervisor, a monitor or two, and some people).
const VISITORS_MAX: usize = 16;
/// How long such a connection may say nothing: twice the usual time between two looks of a monitor.
const SILENT_MAX: Duration = Duration::from_secs(120);
/// How long taking one rests after an error, for example where no file descriptor is left.
const REST: Duration = Duration::from_millis(50);

/// The listener of the admin pages.
pub(crate) struct Visitors {
    listener: TcpListener,
    room: Arc<Semaphore>,
    silent_max: Duration,
}

impl Visitors {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self { listener, room: Arc::new(Semaphore::new(VISITORS_MAX)), silent_max: SILENT_MAX }
    }
}

impl axum::serve::Listener for Visitors {
    type Io = Visitor;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visitor, SocketAddr) {
        // The semaphore is never closed; without one nobody would be bounded, and everybody served.
        let place = Arc::clone(&self.room).acquire_owned().await.ok();
        loop {
            if let Ok((stream, addr)) = self.listener.accept().await {
                let silence = Box::pin(tokio::time::sleep(self.silent_max));
                let visitor = Visitor { stream, silence, silent_max: self.silent_max, _place: place };
                return (visitor, addr);
            }
            tokio::time::sleep(REST).await;
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection to the admin pages.
pub(crate) struct Visitor {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    silent_max: Duration,
    _place: Option<OwnedSemaphorePermit>,
}

impl Visitor {
    /// Gives up on one that neither says nor takes anything.
    fn bounded<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.silence.as_mut().reset(Instant::now() + self.silent_max);
            return polled;
        }
        ready!(self.silence.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Visitor {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.bounded(cx, polled)
    }
}

impl AsyncWrite for Visitor {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.bounded(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use axum::serve::Listener as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn visitors(silent_max: Duration) -> (Visitors, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        (Visitors { silent_max, ..Visitors::new(listener) }, addr)
    }

    #[tokio::test]
    async fn more_than_there_is_room_for_wait_until_one_leaves() {
        let (mut visitors, addr) = visitors(SILENT_MAX).await;
        let mut inside = Vec::new();
        let _callers: Vec<_> =
            futures_util::future::join_all((0..=VISITORS_MAX).map(|_| TcpStream::connect(addr))).await;
        for _ in 0..VISITORS_MAX {
            inside.push(visitors.accept().await);
        }
        let mut next = Box::pin(visitors.accept());
        let mut nobody = Context::from_waker(std::task::Waker::noop());
        assert!(next.as_mut().poll(&mut nobody).is_pending());
        inside.pop();
        drop(next.await);
    }

    #[tokio::test]
    async fn who_says_nothing_for_long_is_let_go_and_who_speaks_stays() {
        let (mut visitors, addr) = visitors(Duration::from_millis(200)).await;
        let mut caller = TcpStream::connect(addr).await.unwrap();
        let (mut visitor, _) = visitors.accept().await;
        let mut byte = [0];
        for _ in 0..3 {
            caller.write_all(b"x").await.unwrap();
            visitor.read_exact(&mut byte).await.unwrap();
        }
        let end = visitor.read(&mut byte).await;
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
