//! An upstream that says exactly the bytes that a test gives it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

/// How a scripted answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The connection takes the next request.
    Keep,
    /// It is closed.
    Close,
    /// It is reset.
    Reset,
    /// Nothing more comes, until the other side leaves.
    Hang,
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Say {
    pub(crate) bytes: Vec<u8>,
    pub(crate) then: Then,
    /// It comes when the head of the request is there, before its body.
    pub(crate) early: bool,
}

impl Say {
    pub(crate) fn new(bytes: impl Into<Vec<u8>>, then: Then) -> Self {
        Self { bytes: bytes.into(), then, early: false }
    }

    /// A message of the API with these headers, and the connection stays.
    pub(crate) fn message(headers: &str) -> Self {
        let length = MESSAGE.len();
        Self::new(
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{MESSAGE}"
            ),
            Then::Keep,
        )
    }

    /// A stream of these bytes in one chunk.
    pub(crate) fn stream(events: &[u8]) -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let size = format!("{:x}\r\n", events.len());
        Self::new([head.as_bytes(), size.as_bytes(), events, b"\r\n0\r\n\r\n"].concat(), Then::Keep)
    }
}

pub(crate) const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-5-5","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":1}}"#;

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Got {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// What the upstream saw.
#[derive(Debug)]
pub(crate) enum News {
    Asked(Got),
    /// The gateway closed a connection.
    Left,
}

/// The upstream; answers go out in their order, the last one again and again.
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    news: mpsc::UnboundedReceiver<News>,
    task: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    pub(crate) async fn new(script: Vec<Say>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (tell, news) = mpsc::unbounded_channel();
        let script = Arc::new((script, std::sync::atomic::AtomicUsize::new(0)));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(connection(stream, Arc::clone(&script), tell.clone()));
            }
        });
        Self { addr, news, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The next request.
    pub(crate) async fn asked(&mut self) -> Got {
        loop {
            if let News::Asked(got) = self.news.recv().await.unwrap() {
                return got;
            }
        }
    }

    /// Waits until the gateway has closed a connection.
    pub(crate) async fn left(&mut self) {
        while !matches!(self.news.recv().await.unwrap(), News::Left) {}
    }

    /// The requests that arrived and were not looked at.
    pub(crate) fn so_far(&mut self) -> Vec<Got> {
        let mut all = Vec::new();
        while let Ok(news) = self.news.try_recv() {
            if let News::Asked(got) = news {
                all.push(got);
            }
        }
        all
    }
}

type Script = Arc<(Vec<Say>, std::sync::atomic::AtomicUsize)>;

async fn connection(mut stream: TcpStream, script: Script, tell: mpsc::UnboundedSender<News>) {
    let mut buffer = Vec::new();
    loop {
        let Some(head) = head(&mut stream, &mut buffer).await else {
            tell.send(News::Left).ok();
            return;
        };
        let n = script.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let say = script.0[n.min(script.0.len() - 1)].clone();
        if say.early {
            stream.write_all(&say.bytes).await.ok();
        }
        let body = if say.early && say.then != Then::Keep {
            Vec::new()
        } else {
            body(&mut stream, &mut buffer, &head).await
        };
        tell.send(News::Asked(Got { head, body })).ok();
        if !say.early && stream.write_all(&say.bytes).await.is_err() {
            tell.send(News::Left).ok();
            return;
        }
        match say.then {
            Then::Keep => {}
            Then::Close => return,
            Then::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
            Then::Hang => {
                let mut rest = [0; 4096];
                while matches!(stream.read(&mut rest).await, Ok(n) if n > 0) {}
                tell.send(News::Left).ok();
                return;
            }
        }
    }
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
    matches!(stream.read_buf(buffer).await, Ok(n) if n > 0)
}

async fn head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head: Vec<u8> = buffer.drain(..end + 4).collect();
            return Some(String::from_utf8(head).unwrap());
        }
        if !more(stream, buffer).await {
            return None;
        }
    }
}

/// The body in either framing; bytes of chunks with their sizes, as they came.
async fn body(stream: &mut TcpStream, buffer: &mut Vec<u8>, head: &str) -> Vec<u8> {
    let head = head.to_lowercase();
    let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).map(|l| l.parse().unwrap());
    let length: usize = length.unwrap_or(0);
    while buffer.len() < length && more(stream, buffer).await {}
    if head.contains("transfer-encoding: chunked") {
        while !buffer.ends_with(b"0\r\n\r\n") && more(stream, buffer).await {}
        return std::mem::take(buffer);
    }
    buffer.drain(..length.min(buffer.len())).collect()
}
