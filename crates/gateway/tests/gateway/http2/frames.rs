//! Frames of HTTP/2, written and read byte for byte.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const WITH_PRIORITY: u8 = 32;
pub(crate) const WHOLE: u8 = END_STREAM | END_HEADERS;

/// One frame: type, flags, stream, content.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), content].concat()
}

/// A field that goes into no table (RFC 7541, section 6.2.2), as plain bytes.
pub(crate) fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0][..], &text(name), &text(value)].concat()
}

/// A string without Huffman coding (RFC 7541, section 5.2).
pub(crate) fn text(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if bytes.len() < 127 {
        out.push(u8::try_from(bytes.len()).unwrap());
    } else {
        let mut rest = bytes.len() - 127;
        out.push(127);
        while rest >= 128 {
            out.push(u8::try_from(rest % 128).unwrap() | 128);
            rest /= 128;
        }
        out.push(u8::try_from(rest).unwrap());
    }
    out.extend_from_slice(bytes);
    out
}

/// The fields of a request, in this order.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| field(name.as_bytes(), value.as_bytes())).collect()
}

/// A request that is all right.
pub(crate) const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/v1/models"), (":authority", "localhost")];

/// The same with more fields behind it.
pub(crate) fn get(more: &[(&str, &str)]) -> Vec<u8> {
    block(&[&GET[..], more].concat())
}

/// One that has a body.
pub(crate) fn post(more: &[(&str, &str)]) -> Vec<u8> {
    let head = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/v1/messages"),
        (":authority", "localhost"),
        ("content-type", "application/json"),
    ];
    block(&[&head[..], more].concat())
}

/// What the other side said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) content: Vec<u8>,
}

impl Frame {
    /// The error code of a frame that ends a stream or the connection.
    pub(crate) fn code(&self) -> u32 {
        let from = if self.kind == GOAWAY { 4 } else { 0 };
        let bytes = self.content.get(from..from + 4).unwrap_or(&[0; 4]);
        u32::from_be_bytes(bytes.try_into().unwrap())
    }
}

/// A connection on which bytes are written as they are.
pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    pub(crate) async fn open(addr: std::net::SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        // A frame does not wait for the acknowledgement of the one before it.
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    /// With the preface and empty settings.
    pub(crate) async fn ready(addr: std::net::SocketAddr) -> Self {
        let mut wire = Self::open(addr).await;
        wire.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
        wire
    }

    /// The next connection of a client, whose preface is there; these settings are said.
    pub(crate) async fn accept(listener: &TcpListener, settings: &[u8]) -> Self {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await.unwrap();
        assert_eq!(preface, PREFACE);
        let mut wire = Self { stream, read: Vec::new() };
        wire.send(&[&frame(SETTINGS, 0, 0, settings), &frame(SETTINGS, ACK, 0, &[])[..]].concat()).await;
        wire
    }

    /// The next frame of this type; there must be one.
    pub(crate) async fn until(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await.unwrap();
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// The next request that is there as a whole: its stream.
    pub(crate) async fn request(&mut self) -> u32 {
        loop {
            let frame = self.next().await.unwrap();
            if matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM > 0 {
                return frame.stream;
            }
        }
    }

    /// Waits until the other side has taken in what was said; gives what it said until then.
    pub(crate) async fn settled(&mut self) -> Vec<Frame> {
        self.send(&frame(PING, 0, 0, &[7; 8])).await;
        let mut said = Vec::new();
        loop {
            let frame = self.next().await.unwrap();
            if frame.kind == PING && frame.flags & ACK > 0 {
                return said;
            }
            said.push(frame);
        }
    }

    /// Resets the connection.
    pub(crate) fn kill(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Writes; the other side may have closed already.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.ok();
    }

    /// Writes each byte by itself.
    pub(crate) async fn trickle(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.send(&[*byte]).await;
            tokio::task::yield_now().await;
        }
    }

    /// What the other side says until it closes, where that is no HTTP/2.
    pub(crate) async fn rest(mut self) -> String {
        self.stream.read_to_end(&mut self.read).await.unwrap();
        String::from_utf8_lossy(&self.read).into_owned()
    }

    /// The next frame; `None` once the other side has closed.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(found) = self.take() {
                return Some(found);
            }
            let mut part = [0; 4096];
            match self.stream.read(&mut part).await {
                Ok(n @ 1..) => self.read.extend_from_slice(&part[..n]),
                Ok(0) | Err(_) => return None,
            }
        }
    }

    fn take(&mut self) -> Option<Frame> {
        let head = self.read.get(..9)?;
        let length = usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap();
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        let content = self.read.get(9..9 + length)?.to_vec();
        self.read.drain(..9 + length);
        Some(Frame { kind, flags, stream, content })
    }
}
