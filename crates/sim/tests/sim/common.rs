//! A client that sees every byte.

use std::io::ErrorKind;

use clearline_sim::{Options, Scenario, Sim};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// So that no test waits for more than it must.
pub(crate) const QUICK: &str = "[answer]\nfirst_byte = \"0ms\"\nchunk = \"0ms\"\n";
pub(crate) const KEY: &str = "sk-ant-fake-key-0001";

pub(crate) async fn sim(faults: &str) -> Sim {
    sim_with(faults, Options::default()).await
}

pub(crate) async fn sim_with(faults: &str, options: Options) -> Sim {
    let scenario = Scenario::parse(&format!("{QUICK}{faults}")).unwrap();
    Sim::start(scenario, options).await.unwrap()
}

pub(crate) fn hi(stream: bool) -> Value {
    json!({"model": "claude-sonnet-5-5", "max_tokens": 100, "stream": stream, "messages": [{"role": "user", "content": "hi"}]})
}

/// A request with the headers of a good one.
pub(crate) fn request(method: &str, target: &str, body: &str) -> String {
    let auth = format!("x-api-key: {KEY}\r\nanthropic-version: 2023-06-01\r\n");
    bare(method, target, &auth, body)
}

pub(crate) fn bare(method: &str, target: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nhost: sim\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn message(stream: bool) -> String {
    request("POST", "/v1/messages", &hi(stream).to_string())
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|l| l.split_once(": "));
        lines.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// A client's connection with what it has read ahead.
pub(crate) struct Client<S> {
    pub(crate) wire: S,
    ahead: Vec<u8>,
}

pub(crate) async fn connect(sim: &Sim) -> Client<TcpStream> {
    Client::over(TcpStream::connect(sim.addr()).await.unwrap())
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) const fn over(wire: S) -> Self {
        Self { wire, ahead: Vec::new() }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.wire.write_all(text.as_bytes()).await.unwrap();
    }

    pub(crate) async fn ask(&mut self, text: &str) -> Reply {
        self.send(text).await;
        self.reply(text.starts_with("HEAD")).await
    }

    async fn more(&mut self) {
        let n = self.wire.read_buf(&mut self.ahead).await.unwrap();
        assert!(n > 0, "the answer ended early: {}", String::from_utf8_lossy(&self.ahead));
    }

    /// Everything up to and with `mark`.
    pub(crate) async fn until(&mut self, mark: &str) -> String {
        loop {
            if let Some(at) = self.ahead.windows(mark.len()).position(|w| w == mark.as_bytes()) {
                let taken: Vec<u8> = self.ahead.drain(..at + mark.len()).collect();
                return String::from_utf8(taken).unwrap();
            }
            self.more().await;
        }
    }

    async fn exactly(&mut self, n: usize) -> Vec<u8> {
        while self.ahead.len() < n {
            self.more().await;
        }
        self.ahead.drain(..n).collect()
    }

    /// The head of an answer.
    pub(crate) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// A whole answer, strictly framed.
    pub(crate) async fn reply(&mut self, bodyless: bool) -> Reply {
        let head = self.head().await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut reply = Reply { status, head, body: Vec::new() };
        if bodyless {
            return reply;
        }
        if let Some(length) = reply.header("content-length").map(|l| l.parse().unwrap()) {
            reply.body = self.exactly(length).await;
            return reply;
        }
        assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
        loop {
            let size = self.until("\r\n").await;
            let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
            let data = self.exactly(size + 2).await;
            assert_eq!(&data[size..], b"\r\n");
            if size == 0 {
                return reply;
            }
            reply.body.extend_from_slice(&data[..size]);
        }
    }

    /// Everything up to the end of the connection, and the error it ended with.
    pub(crate) async fn rest(&mut self) -> (String, Option<ErrorKind>) {
        loop {
            match self.wire.read_buf(&mut self.ahead).await {
                Ok(0) => return (String::from_utf8(self.ahead.clone()).unwrap(), None),
                Ok(_) => {}
                Err(e) => return (String::from_utf8(self.ahead.clone()).unwrap(), Some(e.kind())),
            }
        }
    }
}
