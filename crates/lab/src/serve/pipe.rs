//! Moving bytes between two sides so that an end on one is the same end on the other.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A stream with its socket at hand.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    fn tcp(&self) -> &TcpStream;

    /// Makes the end a reset.
    fn reset(&self) {
        let _open = socket2::SockRef::from(self.tcp()).set_linger(Some(Duration::ZERO)).is_err();
    }
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// When a pipe ends before its sides do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Until {
    /// So long without a byte.
    pub(crate) idle: Option<Duration>,
    /// More bytes than this from the client.
    pub(crate) sent: Option<u64>,
}

/// Why a pipe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides were done.
    Done,
    /// A side was reset, and now both are.
    Reset,
    Idle,
    /// The client sent more than it may.
    Sent,
}

/// Copies both ways. A reset of the server's side resets the client's, an end becomes an end.
pub(crate) async fn copy<C: Wire, S: Wire>(client: &mut C, server: &mut S, until: Until) -> End {
    let (mut up, mut down) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    let (mut up_open, mut down_open, mut sent) = (true, true, 0u64);
    while up_open || down_open {
        let idle = async {
            match until.idle {
                Some(idle) => tokio::time::sleep(idle).await,
                None => std::future::pending().await,
            }
        };
        let moved = tokio::select! {
            got = client.read(&mut up), if up_open => {
                sent += u64::try_from(*got.as_ref().unwrap_or(&0)).unwrap_or(0);
                if until.sent.is_some_and(|most| sent > most) {
                    return End::Sent;
                }
                pass(got, &up, server, &mut up_open).await
            }
            got = server.read(&mut down), if down_open => pass(got, &down, client, &mut down_open).await,
            () = idle => return End::Idle,
        };
        if moved.is_err() {
            client.reset();
            server.reset();
            return End::Reset;
        }
        // A server that is done is not waited for: what the client still sends has no reader.
        if !down_open {
            return End::Done;
        }
    }
    End::Done
}

async fn pass<T: Wire>(
    got: io::Result<usize>,
    bytes: &[u8],
    to: &mut T,
    is_open: &mut bool,
) -> io::Result<()> {
    let length = match got {
        // TLS that ends without its goodbye ended all the same.
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => 0,
        other => other?,
    };
    if length == 0 {
        *is_open = false;
        return to.shutdown().await;
    }
    to.write_all(bytes.get(..length).unwrap_or_default()).await?;
    to.flush().await
}
