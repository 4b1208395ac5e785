//! Starting gateways, and talking to them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clearline::{Builder, Client, Http2, PoolKey, Route, Upstream};
use clearline_gateway::{Gateway, Handle, LogTarget, Options, Readers, Summary};
use clearline_model::{Dur, Secret};
use clearline_net::Fence;
use clearline_policy::Settings;
use clearline_sim::{Scenario, Sim, SimEvent, SimEventKind};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const QUICK: &str = "[answer]\nfirst_byte = \"1ms\"\nchunk = \"1ms\"\n";

pub(crate) const BODY: &str =
    r#"{"model":"claude-sonnet-5-5","max_tokens":16,"messages":[{"role":"user","content":"Hello"}]}"#;

/// A gateway that runs.
pub(crate) struct Served {
    pub(crate) addr: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) client: Client,
    pub(crate) handle: Handle,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) task: JoinHandle<Summary>,
    log: PathBuf,
}

impl Drop for Served {
    fn drop(&mut self) {
        std::fs::remove_file(&self.log).ok();
    }
}

/// A gateway under a policy that loses no time.
pub(crate) async fn serve(upstream: &str, keys: &[&str], change: impl FnOnce(&mut Options)) -> Served {
    serve_as(upstream, keys, change, |_| ()).await
}

/// The same under another policy.
pub(crate) async fn serve_as(
    upstream: &str,
    keys: &[&str],
    change: impl FnOnce(&mut Options),
    policy: impl FnOnce(&mut Settings),
) -> Served {
    let pool = pool(keys);
    let pooled = !keys.is_empty();
    let change = |o: &mut Options| {
        o.has_pool = pooled;
        change(o);
    };
    serve_before(|builder| builder.keys(pool), upstream, change, policy).await
}

fn pool(keys: &[&str]) -> Vec<PoolKey> {
    let key = |(i, key): (usize, &&str)| PoolKey {
        alias: format!("batch-{}", i + 1),
        secret: Secret::new(key.as_bytes().to_vec()),
    };
    keys.iter().enumerate().map(key).collect()
}

/// An upstream with its keys.
pub(crate) fn upstream(name: &str, base_url: &str, weight: u32, keys: &[&str]) -> Upstream {
    Upstream { name: name.to_owned(), base_url: base_url.to_owned(), weight, keys: pool(keys) }
}

/// A gateway before several upstreams.
pub(crate) async fn serve_all(
    upstreams: Vec<Upstream>,
    routes: Vec<Route>,
    policy: impl FnOnce(&mut Settings),
) -> Served {
    let pooled = upstreams.iter().any(|u| !u.keys.is_empty());
    let before = |builder: Builder| builder.upstreams(upstreams).routes(routes);
    serve_before(before, "", |o| o.has_pool = pooled, policy).await
}

/// A gateway that knows that its upstream speaks HTTP/2.
pub(crate) async fn serve_http2(upstream: &str, policy: impl FnOnce(&mut Settings)) -> Served {
    serve_before(|builder| builder.http2(Http2::Prior), upstream, |_| (), policy).await
}

pub(crate) async fn serve_before(
    before: impl FnOnce(Builder) -> Builder,
    upstream: &str,
    change: impl FnOnce(&mut Options),
    policy: impl FnOnce(&mut Settings),
) -> Served {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let log = std::env::temp_dir().join(format!("clearline-gateway-{}-{n}.jsonl", std::process::id()));
    let readers = Readers::new(LogTarget::File(log.clone()), Vec::new());
    let observer: Arc<dyn clearline::Observer> = Arc::<Readers>::clone(&readers);
    let mut settings =
        Settings { patience: Dur::millis(200), backoff_base: Dur::millis(2), ..Settings::default() };
    settings.backoff_overload = Dur::millis(2);
    policy(&mut settings);
    let client = before(Client::builder(upstream))
        .policy(settings)
        .fence(Fence::parse(Some("loopback")).unwrap())
        .observer(observer)
        .build()
        .unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut options = Options { listen: any, admin: Some(any), ..Options::default() };
    change(&mut options);
    let gateway = Gateway::bind(options, client.clone(), readers).await.unwrap();
    let (addr, admin) = (gateway.addr(), gateway.admin_addr().unwrap());
    let handle = gateway.handle();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(gateway.serve(async move { drop(stopped.await) }));
    Served { addr, admin, client, handle, stop, task, log }
}

pub(crate) async fn sim(scenario: &str) -> Sim {
    let scenario = Scenario::parse(scenario).unwrap_or_else(|e| panic!("{e}"));
    Sim::start(scenario, clearline_sim::Options::default()).await.unwrap()
}

/// The requests that the simulator got so far.
pub(crate) fn requests(sim: &Sim) -> Vec<SimEvent> {
    let asked = |e: &SimEvent| matches!(e.kind, SimEventKind::Request { .. });
    sim.events().into_iter().filter(asked).collect()
}

impl Served {
    /// Stops and gives the log's lines.
    pub(crate) async fn finish(mut self) -> (Summary, Vec<Value>) {
        let (unused, _) = oneshot::channel();
        drop(std::mem::replace(&mut self.stop, unused));
        let summary = (&mut self.task).await.unwrap();
        let text = std::fs::read_to_string(&self.log).unwrap();
        (summary, text.lines().map(|l| serde_json::from_str(l).unwrap()).collect())
    }
}

/// Sends bytes as they are and reads until the other side closes.
pub(crate) async fn raw(addr: SocketAddr, bytes: &[u8]) -> String {
    String::from_utf8_lossy(&raw_bytes(addr, bytes).await).into_owned()
}

/// The same for answers that are no text.
pub(crate) async fn raw_bytes(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    // A refusal may come while the rest of a large request is still being written.
    stream.write_all(bytes).await.ok();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.ok();
    all
}

pub(crate) fn post(body: &str, extra: &str) -> Vec<u8> {
    format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         anthropic-version: 2023-06-01\r\n{extra}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub(crate) fn keyed(body: &str) -> Vec<u8> {
    post(body, "x-api-key: sk-ant-fake-own\r\n")
}

pub(crate) fn parts(answer: &str) -> (u16, String, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    (status, head.to_lowercase(), serde_json::from_str(body).unwrap_or_default())
}

/// An answer taken apart as a strict client does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// The body ended as its head announced.
    pub(crate) whole: bool,
}

impl Seen {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { return Self::default() };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        let rest = &bytes[end + 4..];
        let mut seen = Self { status, head, body: rest.to_vec(), whole: true };
        if let Some(length) = seen.header("content-length").and_then(|l| l.parse::<usize>().ok()) {
            seen.whole = rest.len() == length;
        } else if seen.header("transfer-encoding") == Some("chunked") {
            (seen.body, seen.whole) = unchunk(rest);
        }
        seen
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The names of the events.
    pub(crate) fn events(&self) -> Vec<String> {
        self.text().lines().filter_map(|l| l.strip_prefix("event: ").map(str::to_owned)).collect()
    }

    /// The text of a stream, or of a message.
    pub(crate) fn said(&self) -> String {
        if let Some(text) = self.json()["content"][0]["text"].as_str() {
            return text.to_owned();
        }
        let text = self.text();
        let data = text.lines().filter_map(|l| serde_json::from_str::<Value>(l.strip_prefix("data: ")?).ok());
        data.filter_map(|e| e["delta"]["text"].as_str().map(str::to_owned)).collect()
    }
}

fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|w| w == b"\r\n") else { return (body, false) };
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|s| usize::from_str_radix(s, 16).ok());
        rest = &rest[end + 2..];
        match size {
            Some(0) => return (body, rest == b"\r\n"),
            Some(size) if rest.len() >= size + 2 => {
                body.extend_from_slice(&rest[..size]);
                rest = &rest[size + 2..];
            }
            Some(size) => {
                body.extend_from_slice(&rest[..size.min(rest.len())]);
                return (body, false);
            }
            None => return (body, false),
        }
    }
}

/// Sends a request and takes the answer apart.
pub(crate) async fn ask(addr: SocketAddr, bytes: &[u8]) -> Seen {
    Seen::of(&raw_bytes(addr, bytes).await)
}
