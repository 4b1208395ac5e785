//! One connection, by hand: reading requests, writing bytes exactly, and noticing that the client left.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// The longest head of a request, bytes.
pub const MAX_HEAD: usize = 64 << 10;
/// The largest body of a request, bytes (facts: the API's limit for Messages).
pub const MAX_BODY: usize = 32 << 20;
/// How long the rest of a refused request is read.
const LINGER: Duration = Duration::from_secs(2);
/// The most headers of a request.
const MAX_HEADERS: usize = 128;

/// A stream with its socket at hand.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {
    fn tcp(&self) -> &TcpStream;
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

/// A request, read to its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) keeps_alive: bool,
}

impl Request {
    /// The path without its query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let query = self.target.split_once('?')?.1;
        query.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub(crate) fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The credential, in either of its two places.
    pub(crate) fn key(&self) -> Option<&str> {
        let bearer = || self.header("authorization")?.strip_prefix("Bearer ");
        self.header("x-api-key").or_else(bearer).map(str::trim).filter(|k| !k.is_empty())
    }
}

/// Why no request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The client closed between two requests.
    Closed,
    /// It left in the middle of one.
    Gone,
    /// What it sent is no HTTP/1.1.
    Malformed,
    /// Its body is over the limit.
    TooLarge,
}

/// The connection and what was read of it too far.
pub(crate) struct Conn<W> {
    wire: W,
    buffer: BytesMut,
}

impl<W: Wire> Conn<W> {
    pub(crate) fn new(wire: W) -> Self {
        Self { wire, buffer: BytesMut::new() }
    }

    /// Reads the head of the next request.
    pub(crate) async fn head(&mut self) -> Result<Request, Broken> {
        loop {
            if let Some((request, length)) = parse(&self.buffer)? {
                self.buffer.advance(length);
                return Ok(request);
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(Broken::Malformed);
            }
            let is_between = self.buffer.is_empty();
            if !self.fill().await {
                return Err(if is_between { Broken::Closed } else { Broken::Gone });
            }
        }
    }

    /// Reads the body that belongs to a head.
    pub(crate) async fn body(&mut self, request: &mut Request) -> Result<(), Broken> {
        if request.header("expect").is_some_and(|e| e.eq_ignore_ascii_case("100-continue"))
            && self.buffer.is_empty()
        {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await.map_err(|_| Broken::Gone)?;
        }
        if request.header("transfer-encoding").is_some() {
            return self.chunks(request).await;
        }
        let length = match request.header("content-length") {
            Some(text) => text.trim().parse::<usize>().map_err(|_| Broken::Malformed)?,
            None => 0,
        };
        if length > MAX_BODY {
            return Err(Broken::TooLarge);
        }
        self.need(length).await?;
        request.body = self.buffer.split_to(length).to_vec();
        Ok(())
    }

    async fn chunks(&mut self, request: &mut Request) -> Result<(), Broken> {
        loop {
            let line = self.line().await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| Broken::Malformed)?;
            if request.body.len().saturating_add(size) > MAX_BODY {
                return Err(Broken::TooLarge);
            }
            if size == 0 {
                // Trailers, and the empty line behind them.
                while !self.line().await?.is_empty() {}
                return Ok(());
            }
            self.need(size + 2).await?;
            request.body.extend_from_slice(&self.buffer.split_to(size));
            self.buffer.advance(2);
        }
    }

    async fn line(&mut self) -> Result<String, Broken> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line = self.buffer.split_to(end);
                self.buffer.advance(2);
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(Broken::Malformed);
            }
            if !self.fill().await {
                return Err(Broken::Gone);
            }
        }
    }

    async fn need(&mut self, length: usize) -> Result<(), Broken> {
        while self.buffer.len() < length {
            if !self.fill().await {
                return Err(Broken::Gone);
            }
        }
        Ok(())
    }

    /// Reads more; says whether there was more.
    async fn fill(&mut self) -> bool {
        matches!(self.wire.read_buf(&mut self.buffer).await, Ok(n) if n > 0)
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wire.write_all(bytes).await?;
        self.wire.flush().await
    }

    /// Lets a time pass, and says whether the client is still there then.
    pub(crate) async fn pause(&mut self, lasts: Option<Duration>) -> bool {
        let end = async {
            match lasts {
                Some(lasts) => tokio::time::sleep(lasts).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(end);
        loop {
            // What a client sends ahead is kept, up to a bound; then it has to wait.
            let has_room = self.buffer.len() < MAX_HEAD;
            tokio::select! {
                biased;
                () = &mut end => return true,
                more = self.fill(), if has_room => if !more {
                    return false;
                },
            }
        }
    }

    /// Closes with a reset.
    pub(crate) fn reset(self) {
        // SO_LINGER with zero makes the close a reset; a socket that is gone already needs none.
        let _set = socket2::SockRef::from(self.wire.tcp()).set_linger(Some(Duration::ZERO)).is_ok();
    }

    /// Closes at once, without the end that a protocol above TCP would announce.
    pub(crate) fn close(self) {
        let _shut = socket2::SockRef::from(self.wire.tcp()).shutdown(std::net::Shutdown::Write).is_ok();
        // What was not read would turn the close into a reset.
        let mut rest = [0; 4096];
        while matches!(self.wire.tcp().try_read(&mut rest), Ok(n) if n > 0) {}
    }

    /// Sends no more and reads until the client closes.
    pub(crate) async fn half_close(mut self) {
        let _shut = socket2::SockRef::from(self.wire.tcp()).shutdown(std::net::Shutdown::Write).is_ok();
        while self.fill().await {
            self.buffer.clear();
        }
    }

    /// The orderly end: what the client still sends is read for a while, as a reset would take the answer from it.
    pub(crate) async fn finish(mut self) {
        let _ended = self.wire.shutdown().await.is_ok();
        let rest = async {
            while self.fill().await {
                self.buffer.clear();
            }
        };
        let _left = tokio::time::timeout(LINGER, rest).await.is_ok();
    }
}

/// The head at the beginning of a buffer and its length, once it is whole.
fn parse(buffer: &[u8]) -> Result<Option<(Request, usize)>, Broken> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let length = match head.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Broken::Malformed),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: Vec<_> = head.headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect();
    let mut request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        target: head.path.unwrap_or_default().to_owned(),
        headers,
        body: Vec::new(),
        keeps_alive: true,
    };
    let closes = request.headers("connection").any(|v| v.to_ascii_lowercase().contains("close"));
    request.keeps_alive = head.version == Some(1) && !closes;
    Ok(Some((request, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let (request, length) =
            parse(b"GET /v1/models?limit=3 HTTP/1.1\r\nAuthorization: Bearer sk\r\n\r\nrest")
                .unwrap()
                .unwrap();
        assert_eq!(
            (request.path(), request.query("limit"), request.key()),
            ("/v1/models", Some("3"), Some("sk"))
        );
        assert_eq!((request.keeps_alive, length), (true, 61));
        assert!(parse(b"GET / HT").unwrap().is_none());
        assert_eq!(parse(b"\x16\x03\x01\x02\x00").unwrap_err(), Broken::Malformed);
        let (closing, _) = parse(b"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n").unwrap().unwrap();
        assert!(!closing.keeps_alive);
    }
}
