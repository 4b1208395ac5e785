//! Rows of bytes, and the one way in which they are tried.

use std::time::Duration;

use clearline_gateway::Options;
use clearline_model::Dur;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::{Seen, Served, serve};
use crate::script::{Got, Say, Upstream};

/// A request that hides in another one: nothing may ever see it.
pub(crate) const INNER: &str = "GET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n";
/// How long a test waits before it calls something hung.
const HUNG: Duration = Duration::from_secs(20);

/// What must come of a row.
#[derive(Debug, Clone)]
pub(crate) enum Must {
    /// One answer with one of these statuses, then the end of the connection; nothing goes upstream.
    Refuse(&'static [u16]),
    /// The end of the connection without an answer; nothing goes upstream.
    Close,
    /// The upstream gets this request alone, its answer comes back, and the next request on the connection is its own.
    Pass(Wanted),
    /// The same, and the connection ends with the answer.
    PassAndClose(Wanted),
}

/// How a request arrives upstream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    line: String,
    body: Vec<u8>,
    has: Vec<&'static str>,
    lacks: Vec<&'static str>,
}

impl Wanted {
    pub(crate) fn body(mut self, body: &str) -> Self {
        body.as_bytes().clone_into(&mut self.body);
        self
    }

    /// Lines that the head has, in lower case.
    pub(crate) fn has(mut self, lines: &[&'static str]) -> Self {
        self.has.extend(lines);
        self
    }

    /// What is nowhere in the head, in lower case.
    pub(crate) fn lacks(mut self, parts: &[&'static str]) -> Self {
        self.lacks.extend(parts);
        self
    }

    fn differs(&self, got: &Got) -> Option<String> {
        let head = got.head.to_lowercase();
        if got.head.lines().next() != Some(&self.line) {
            return Some(format!("it arrived as {:?}", got.head.lines().next()));
        }
        if got.body != self.body {
            return Some(format!("its body arrived as {:?}", String::from_utf8_lossy(&got.body)));
        }
        let missing = self.has.iter().find(|line| !head.lines().any(|l| l == **line));
        let surplus = self.lacks.iter().find(|part| head.contains(**part));
        match (missing, surplus) {
            (Some(line), _) => Some(format!("{line:?} is missing in {head}")),
            (None, Some(part)) => Some(format!("{part:?} is in {head}")),
            (None, None) => None,
        }
    }
}

/// A request line as it must arrive.
pub(crate) fn arrives(line: &str) -> Wanted {
    Wanted { line: format!("{line} HTTP/1.1"), ..Wanted::default() }
}

/// A row: its name, what is sent, what must come of it.
pub(crate) type Row = (&'static str, Vec<u8>, Must);

/// Any status of a request that is not valid.
pub(crate) const BAD: &[u16] = &[400, 405, 408, 413, 414, 417, 421, 431, 501, 505];

pub(crate) fn refuse(what: &'static str, sent: impl Into<Vec<u8>>) -> Row {
    (what, sent.into(), Must::Refuse(BAD))
}

pub(crate) fn refuse_as(what: &'static str, status: &'static [u16], sent: impl Into<Vec<u8>>) -> Row {
    (what, sent.into(), Must::Refuse(status))
}

pub(crate) fn pass(what: &'static str, sent: impl Into<Vec<u8>>, wanted: Wanted) -> Row {
    (what, sent.into(), Must::Pass(wanted))
}

/// A gateway with limits at which the rows aim, and its upstream.
pub(crate) struct Bench {
    pub(crate) served: Served,
    pub(crate) upstream: Upstream,
    /// What stands before the paths of requests that are all right.
    pub(crate) prefix: &'static str,
}

impl Bench {
    pub(crate) async fn new(change: impl FnOnce(&mut Options)) -> Self {
        let upstream = Upstream::new(vec![Say::message("")]).await;
        let served = serve(&upstream.url(), &[], |o| {
            // What stays incomplete ends by itself.
            o.header_timeout = Dur::millis(500);
            o.body_timeout = Dur::millis(500);
            o.header_max = 16 << 10;
            o.body_max = 10_000;
            change(o);
        })
        .await;
        Self { served, upstream, prefix: "" }
    }

    /// Tries one row, and says what is wrong.
    async fn wrong(&mut self, (_, sent, must): &Row) -> Option<String> {
        let mut caller = Caller::new(self.served.addr).await;
        caller.send(sent).await;
        let wrong = match must {
            Must::Refuse(statuses) => self.refused(&mut caller, statuses).await,
            Must::Close => self.closed(&mut caller).await,
            Must::Pass(wanted) => match self.passed(&mut caller, wanted).await {
                None => self.next(&mut caller).await,
                wrong => wrong,
            },
            Must::PassAndClose(wanted) => match self.passed(&mut caller, wanted).await {
                None => caller.ended().await,
                wrong => wrong,
            },
        };
        match wrong {
            None => self.others().await,
            wrong => wrong,
        }
    }

    async fn refused(&mut self, caller: &mut Caller, statuses: &[u16]) -> Option<String> {
        let Some(seen) = caller.answer().await else { return Some("there is no answer".to_owned()) };
        if !statuses.contains(&seen.status) {
            return Some(format!("the status is {}, {}", seen.status, seen.text()));
        }
        if seen.header("clearline-cause").is_none() || seen.json()["type"] != "error" {
            return Some(format!("the answer is not in shape: {} {}", seen.head, seen.text()));
        }
        match caller.ended().await {
            None => self.nothing_upstream(),
            wrong => wrong,
        }
    }

    async fn closed(&mut self, caller: &mut Caller) -> Option<String> {
        match caller.ended().await {
            None => self.nothing_upstream(),
            wrong => wrong,
        }
    }

    fn nothing_upstream(&mut self) -> Option<String> {
        let got = self.upstream.so_far();
        (!got.is_empty()).then(|| format!("the upstream got {got:?}"))
    }

    async fn passed(&mut self, caller: &mut Caller, wanted: &Wanted) -> Option<String> {
        match caller.answer().await {
            Some(seen) if seen.status == 200 => {}
            Some(seen) => return Some(format!("the status is {}, {}", seen.status, seen.text())),
            None => return Some("there is no answer".to_owned()),
        }
        match self.upstream.so_far().as_slice() {
            [got] => wanted.differs(got),
            got => Some(format!("the upstream got {got:?}")),
        }
    }

    fn plain(&self, path: &str) -> String {
        format!("GET {}{path} HTTP/1.1\r\nhost: localhost\r\n\r\n", self.prefix)
    }

    /// The next request on a connection that stays is itself.
    async fn next(&mut self, caller: &mut Caller) -> Option<String> {
        caller.send(self.plain("/next").as_bytes()).await;
        self.passed(caller, &arrives("GET /next")).await.map(|wrong| format!("the next request: {wrong}"))
    }

    /// Other connections are untouched.
    async fn others(&mut self) -> Option<String> {
        let mut other = Caller::new(self.served.addr).await;
        other.send(self.plain("/other").as_bytes()).await;
        self.passed(&mut other, &arrives("GET /other"))
            .await
            .map(|wrong| format!("another connection: {wrong}"))
    }

    /// Tries all of them, and tells all that is wrong.
    pub(crate) async fn hold(&mut self, rows: Vec<Row>) {
        let mut wrong = Vec::new();
        for row in rows {
            match tokio::time::timeout(HUNG, self.wrong(&row)).await {
                Ok(None) => {}
                Ok(Some(why)) => wrong.push(format!("{}: {why}", row.0)),
                Err(_) => wrong.push(format!("{}: it hangs", row.0)),
            }
            drop(self.upstream.so_far());
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// Tries rows on a gateway of their own.
pub(crate) async fn hold(rows: Vec<Row>) {
    Bench::new(|_| ()).await.hold(rows).await;
}

/// A connection to the gateway that reads one answer at a time.
pub(crate) struct Caller {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Caller {
    pub(crate) async fn new(addr: std::net::SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    /// Writes; the other side may have closed already.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.ok();
    }

    /// The next answer that is whole, by its own length; one that goes before it (1xx) is left out.
    pub(crate) async fn answer(&mut self) -> Option<Seen> {
        loop {
            let seen = self.take(true).await?;
            if seen.status >= 200 {
                return Some(seen);
            }
        }
    }

    /// The same for an answer that has no body whatever its length says.
    pub(crate) async fn bare_answer(&mut self) -> Option<Seen> {
        self.take(false).await
    }

    /// The status of the next answer, whichever that is.
    pub(crate) async fn interim(&mut self) -> Option<u16> {
        self.take(false).await.map(|seen| seen.status)
    }

    async fn take(&mut self, has_body: bool) -> Option<Seen> {
        loop {
            if let Some(end) = self.end(has_body) {
                let bytes: Vec<u8> = self.read.drain(..end).collect();
                return Some(Seen::of(&bytes));
            }
            if !matches!(self.stream.read_buf(&mut self.read).await, Ok(1..)) {
                return None;
            }
        }
    }

    fn end(&self, has_body: bool) -> Option<usize> {
        let head = self.read.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let seen = Seen::of(&self.read[..head]);
        let length = seen.header("content-length").filter(|_| has_body).map_or(0, |l| l.parse().unwrap());
        (self.read.len() >= head + length).then_some(head + length)
    }

    /// Waits for the end of the connection, and says what came before it.
    pub(crate) async fn ended(&mut self) -> Option<String> {
        while matches!(self.stream.read_buf(&mut self.read).await, Ok(1..)) {}
        (!self.read.is_empty()).then(|| format!("{:?} came behind it", String::from_utf8_lossy(&self.read)))
    }
}
