//! A connection to an upstream.

mod exchange;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clearline_model::{ConfigFault, Dur, Failure, Foreign, Framing, Limit, LocalFault, Secret, Sent, Stage};
use http::header::{HeaderValue, PROXY_AUTHORIZATION};
use http::{Request, Uri};
use http_body::Body as _;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::runtime::{Handle, Id};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::alarm::Alarm;
pub use crate::conn::exchange::Exchange;
use crate::connect::connect;
use crate::fault::Fault;
use crate::fence::Fence;
use crate::hush::Hush;
use crate::mux::ALPN;
use crate::proxy::Proxy;
use crate::resolve::resolve;
use crate::since::Since;
use crate::target::{Scheme, Target};
use crate::tls::handshake;
use crate::tunnel::{self, TunnelReply};
use crate::upload::ReqBody;
use crate::wire::{Stream, Tcp, Tracked, Watched, Wire, is_quiet, is_told_quiet};

/// The most headers of an answer: hyper's own number, for which it needs no memory beside the stack. HAProxy takes 101.
pub const MAX_HEADERS: usize = 100;
/// The longest head of an answer, bytes.
pub const MAX_HEAD_BYTES: usize = 512 * 1024;

/// A connection that was used within this time is not asked of the kernel whether it still stands.
const BUSY: Duration = Duration::from_millis(100);

/// The way to an upstream.
#[derive(Clone)]
pub struct Route<'a> {
    /// The upstream.
    pub target: &'a Target,
    /// The proxy, where there is one.
    pub proxy: Option<&'a Proxy>,
    /// How TLS is spoken.
    pub tls: Arc<ClientConfig>,
}

impl Route<'_> {
    /// Connections with the same key can stand in for each other.
    #[must_use]
    pub fn key(&self) -> String {
        let target = self.target;
        let proxy = self
            .proxy
            .map_or_else(String::new, |p| format!(" via {}://{}:{}", p.scheme(), p.host(), p.port()));
        format!("{}://{}{proxy}", target.scheme.word(), target.host_port())
    }
}

/// Whether what goes there can be read beyond this machine. A plain upstream on this machine that is behind a proxy elsewhere is that
/// proxy's idea of this machine, and all of it goes there as it is.
#[must_use]
pub fn is_exposed(target: &Target, proxy: Option<&Proxy>) -> bool {
    target.is_plain() && !(target.is_loopback() && proxy.is_none_or(Proxy::is_loopback))
}

/// The limits of the steps before an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A name.
    pub resolve: Dur,
    /// All addresses together.
    pub connect: Dur,
    /// The proxy's answer.
    pub tunnel: Dur,
    /// TLS.
    pub handshake: Dur,
}

impl Default for Limits {
    fn default() -> Self {
        Self { resolve: Dur::secs(5), connect: Dur::secs(5), tunnel: Dur::secs(10), handshake: Dur::secs(5) }
    }
}

/// The limits of an exchange until the head of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendLimits {
    /// Until the request has left.
    pub send: Dur,
    /// From then on, until the head of the answer.
    pub first_byte: Dur,
}

impl Default for SendLimits {
    fn default() -> Self {
        Self { send: Dur::secs(60), first_byte: Dur::secs(600) }
    }
}

/// A connection that takes requests, one after the other. Dropping it closes it.
pub struct Conn(Box<Inner>);

/// What a connection is: in one place, for it goes from hand to hand with every request.
struct Inner {
    tx: SendRequest<Tracked>,
    wire: Arc<Wire>,
    tcp: Arc<TcpStream>,
    task: AbortHandle,
    /// Where its task runs: while nobody drives that, nothing of it moves.
    runtime: Id,
    key: String,
    addr: SocketAddr,
    absolute: Option<String>,
    proxy_auth: Option<HeaderValue>,
    tunnel: Option<TunnelReply>,
    created: Instant,
    last_used: Instant,
    /// Since when nobody has it.
    idle_since: Since,
    uses: u32,
    reusable: bool,
    last_error: Option<Fault>,
    sent_after: Option<Dur>,
    head_after: Option<Dur>,
    alarm: Alarm,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Opens a connection: resolve (unless `addrs` has the addresses, which are the proxy's where there is one), connect,
/// tunnel, handshake. `on` hears how long each stage took, as it ends well.
///
/// # Errors
///
/// The fault of the step that failed.
pub async fn open(
    fence: &Fence,
    route: Route<'_>,
    addrs: &[SocketAddr],
    limits: &Limits,
    on: &mut (dyn FnMut(Stage, Dur) + Send),
) -> Result<Conn, Fault> {
    let (laid, _http_1) = finish(fence, &route, addrs, (limits, on)).await?;
    own(laid, &route).await
}

/// Everything before HTTP; also says whether the server chose HTTP/2.
pub(crate) async fn finish(
    fence: &Fence,
    route: &Route<'_>,
    addrs: &[SocketAddr],
    how: (&Limits, &mut (dyn FnMut(Stage, Dur) + Send)),
) -> Result<(Laid, bool), Fault> {
    let (limits, on) = how;
    let mut laid = lay(fence, route, addrs, (limits, &mut *on)).await?;
    if route.target.scheme == Scheme::Http {
        return Ok((laid, false));
    }
    let begun = Instant::now();
    let shaken = handshake(laid.stream, &route.target.host, Arc::clone(&route.tls), limits.handshake).await;
    let secure = shaken.map_err(|fault| if fault.addr.is_none() { fault.at(laid.addr) } else { fault })?;
    let chosen = secure.get_ref().1.alpn_protocol() == Some(ALPN);
    laid.stream = Box::new(secure);
    on(Stage::Handshake, begun.elapsed().into());
    Ok((laid, chosen))
}

/// A connection for one request at a time.
pub(crate) async fn own(laid: Laid, route: &Route<'_>) -> Result<Conn, Fault> {
    let Laid { stream, tcp, addr, reply, absolute } = laid;
    let proxy_auth = absolute.as_ref().and(route.proxy).and_then(Proxy::basic).as_ref().and_then(sensitive);
    let mut conn = speak(stream, tcp, (route.key(), addr)).await?;
    conn.0.absolute = absolute;
    conn.0.proxy_auth = proxy_auth;
    conn.0.tunnel = reply;
    Ok(conn)
}

/// A way that bytes can go: connected, and through the proxy where there is one.
pub struct Laid {
    pub(crate) stream: Stream,
    tcp: Arc<TcpStream>,
    addr: SocketAddr,
    reply: Option<TunnelReply>,
    absolute: Option<String>,
}

impl Laid {
    /// Whether requests are written for a forwarding proxy.
    pub(crate) const fn is_forwarded(&self) -> bool {
        self.absolute.is_some()
    }

    /// A connection without a proxy.
    ///
    /// # Errors
    ///
    /// The operating system's, where the connection is gone already.
    pub fn direct(tcp: TcpStream) -> Result<Self, Fault> {
        let addr = tcp.peer_addr().map_err(|e| Fault::io(Stage::Connect, &e))?;
        let tcp = Arc::new(tcp);
        Ok(Self { stream: Box::new(Tcp(Arc::clone(&tcp))), tcp, addr, reply: None, absolute: None })
    }

    /// The address at the other end: the proxy's where there is one.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What the proxy answered to CONNECT.
    #[must_use]
    pub const fn reply(&self) -> Option<&TunnelReply> {
        self.reply.as_ref()
    }
}

/// Everything before TLS: resolve, connect and tunnel, as [`open`] does them.
///
/// # Errors
///
/// The fault of the step that failed.
pub async fn lay(
    fence: &Fence,
    route: &Route<'_>,
    addrs: &[SocketAddr],
    how: (&Limits, &mut (dyn FnMut(Stage, Dur) + Send)),
) -> Result<Laid, Fault> {
    let (limits, on) = how;
    let (tcp, addr) = reach(fence, route, addrs, (limits, &mut *on)).await?;
    let tcp = Arc::new(tcp);
    let at = |fault: Fault| if fault.addr.is_none() { fault.at(addr) } else { fault };
    let mut stream: Stream = Box::new(Tcp(Arc::clone(&tcp)));
    let mut reply = None;
    let mut absolute = None;
    if let Some(proxy) = route.proxy {
        let begun = Instant::now();
        if let Proxy::Http { host, tls: true, .. } = proxy {
            let tls = Arc::clone(&route.tls);
            stream = tunnel::tls_to_proxy(stream, host, tls, limits.tunnel).await.map_err(at)?;
        }
        let forwards = matches!(proxy, Proxy::Http { .. }) && route.target.scheme == Scheme::Http;
        if forwards {
            absolute = Some(format!("http://{}", route.target.authority()));
        } else {
            let host = tunnel_host(fence, route, limits.resolve).await?;
            let place = (host.as_str(), route.target.port);
            reply = tunnel::ask(&mut stream, proxy, place, limits.tunnel).await.map_err(at)?;
        }
        on(Stage::Tunnel, begun.elapsed().into());
    }
    Ok(Laid { stream, tcp, addr, reply, absolute })
}

fn sensitive(secret: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(secret.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Resolve and connect, to the upstream or to its proxy.
async fn reach(
    fence: &Fence,
    route: &Route<'_>,
    addrs: &[SocketAddr],
    how: (&Limits, &mut (dyn FnMut(Stage, Dur) + Send)),
) -> Result<(TcpStream, SocketAddr), Fault> {
    let (limits, on) = how;
    let (host, port) =
        route.proxy.map_or((route.target.host.as_str(), route.target.port), |p| (p.host(), p.port()));
    let whose = |fault: Fault| if route.proxy.is_some() { fault.of_tunnel() } else { fault };
    let mut found = Vec::new();
    if addrs.is_empty() {
        let begun = Instant::now();
        found = resolve(fence, host, port, limits.resolve).await.map_err(whose)?;
        on(Stage::Resolve, begun.elapsed().into());
    }
    let begun = Instant::now();
    let addrs = if addrs.is_empty() { &found } else { addrs };
    let reached = connect(fence, addrs, limits.connect).await.map_err(whose)?;
    on(Stage::Connect, begun.elapsed().into());
    Ok(reached)
}

/// What the proxy is asked for: the name, or an address where it does not look names up itself.
async fn tunnel_host(fence: &Fence, route: &Route<'_>, limit: Dur) -> Result<String, Fault> {
    let host = &route.target.host;
    if let Some(Proxy::Socks5 { remote_dns: false, .. }) = route.proxy {
        let found = resolve(fence, host, route.target.port, limit).await?;
        return Ok(found.first().map_or_else(|| host.clone(), |addr| addr.ip().to_string()));
    }
    Ok(host.clone())
}

/// HTTP/1.1 over the finished stream.
async fn speak(stream: Stream, tcp: Arc<TcpStream>, named: (String, SocketAddr)) -> Result<Conn, Fault> {
    let wire = Arc::new(Wire::default());
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&wire)));
    let (tx, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        .handshake(io)
        .await
        .map_err(|e| Fault::new(Stage::Send, Failure::Eof).detailed(&e.to_string()))?;
    // Its error also reaches the exchange that it belongs to.
    let task = tokio::spawn(async move {
        let (mut connection, mut hush) = (std::pin::pin!(connection), Hush::default());
        drop(std::future::poll_fn(|cx| hush.poll(connection.as_mut(), cx)).await);
    });
    let task = task.abort_handle();
    let now = Instant::now();
    let (key, addr) = named;
    Ok(Conn(Box::new(Inner {
        tx,
        wire,
        tcp,
        task,
        runtime: Handle::current().id(),
        key,
        addr,
        absolute: None,
        proxy_auth: None,
        tunnel: None,
        created: now,
        last_used: now,
        idle_since: Since::now(),
        uses: 0,
        reusable: true,
        last_error: None,
        sent_after: None,
        head_after: None,
        alarm: Alarm::default(),
    })))
}

impl Conn {
    pub(crate) fn runtime(&self) -> Id {
        self.0.runtime
    }

    /// Makes a request ready for this connection, and sees whether that still stands.
    fn begin(&mut self, req: Request<ReqBody>, now: Instant) -> Result<Request<Tracked>, Fault> {
        self.0.sent_after = None;
        let req = self.prepare(req)?;
        self.0.wire.begin(req.body().is_end_stream());
        // One that was used just now is mostly known to be quiet; one that idled is asked for.
        let known = now - self.0.last_used < BUSY && is_told_quiet(&self.0.tcp) && self.is_open();
        if self.0.uses > 0 && !known && !self.is_quiet() {
            return Err(self.stale());
        }
        Ok(req)
    }

    /// Fits the request to the connection.
    fn prepare(&self, req: Request<ReqBody>) -> Result<Request<Tracked>, Fault> {
        let wire = Arc::clone(&self.0.wire);
        let mut req = req.map(|inner| Tracked { inner, wire });
        if let Some(base) = &self.0.absolute
            && req.uri().authority().is_none()
        {
            let path = req.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
            let uri: Result<Uri, _> = format!("{base}{path}").parse();
            *req.uri_mut() = uri.map_err(|e: http::uri::InvalidUri| {
                Fault::new(Stage::Config, Failure::Config(ConfigFault::BaseUrl)).detailed(&e.to_string())
            })?;
        }
        if let Some(auth) = &self.0.proxy_auth {
            req.headers_mut().insert(PROXY_AUTHORIZATION, auth.clone());
        }
        Ok(req)
    }

    fn stale(&self) -> Fault {
        Fault::new(Stage::Send, Failure::Local(LocalFault::StalePooled)).at(self.0.addr)
    }

    fn sent(&self) -> Sent {
        match (self.0.wire.written(), self.0.wire.is_flushed()) {
            (0, _) => Sent::No,
            (_, true) => Sent::Yes,
            (_, false) => Sent::Maybe,
        }
    }

    fn stage(&self) -> Stage {
        if self.0.wire.is_flushed() || self.0.wire.read() > 0 { Stage::Head } else { Stage::Send }
    }

    fn late(&self) -> Fault {
        let limit = if self.0.wire.is_flushed() { Limit::FirstByte } else { Limit::Send };
        let stage = if self.0.wire.is_flushed() { Stage::Head } else { Stage::Send };
        Fault { sent: self.sent(), ..Fault::new(stage, Failure::TimedOut(limit)).at(self.0.addr) }
    }

    /// What hyper's error means, together with what the wire saw.
    fn fault(&self, error: &hyper::Error) -> Fault {
        let (failure, detail) = if error.is_parse_too_large() {
            (Failure::Framing(Framing::TooLarge), error.to_string())
        } else if error.is_parse() {
            (Failure::Framing(Framing::Malformed), error.to_string())
        } else if error.is_user() {
            (Failure::Config(ConfigFault::Header), error.to_string())
        } else {
            self.0.wire.broke().unwrap_or_else(|| (Failure::Eof, error.to_string()))
        };
        Fault {
            sent: self.sent(),
            detail: Foreign::new(&detail),
            ..Fault::new(self.stage(), failure).at(self.0.addr)
        }
    }

    pub(crate) const fn alarm(&mut self) -> &mut Alarm {
        &mut self.0.alarm
    }

    /// It begins to idle: at the end of an answer, which may be long after its head.
    pub(crate) fn rest(&mut self) {
        self.0.idle_since = Since::now();
    }

    pub(crate) const fn idle_since(&self) -> Since {
        self.0.idle_since
    }

    pub(crate) fn wire(&self) -> &Wire {
        &self.0.wire
    }

    fn is_quiet(&self) -> bool {
        !self.0.tx.is_closed() && !self.0.wire.is_eof() && is_quiet(&self.0.tcp)
    }

    /// Whether it may be kept: as far as is known without asking the kernel.
    pub(crate) fn is_open(&self) -> bool {
        self.0.reusable && !self.0.tx.is_closed() && !self.0.wire.is_eof()
    }

    /// Whether another request may go over it.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.0.reusable && self.is_quiet()
    }

    /// Never to be used again.
    pub const fn retire(&mut self) {
        self.0.reusable = false;
    }

    /// What it is interchangeable with.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// The address at its other end: the proxy's where there is one.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.0.addr
    }

    /// Whether requests are written for a forwarding proxy.
    #[must_use]
    pub const fn absolute_form(&self) -> bool {
        self.0.absolute.is_some()
    }

    /// What the proxy answered to CONNECT.
    #[must_use]
    pub const fn tunnel(&self) -> Option<&TunnelReply> {
        self.0.tunnel.as_ref()
    }

    /// When it was opened.
    #[must_use]
    pub const fn created(&self) -> Instant {
        self.0.created
    }

    /// When it was last used.
    #[must_use]
    pub const fn last_used(&self) -> Instant {
        self.0.last_used
    }

    /// How many requests went over it.
    #[must_use]
    pub const fn uses(&self) -> u32 {
        self.0.uses
    }

    /// What ended it.
    #[must_use]
    pub const fn last_error(&self) -> Option<&Fault> {
        self.0.last_error.as_ref()
    }

    /// How long the last request took to leave.
    #[must_use]
    pub const fn sent_after(&self) -> Option<Dur> {
        self.0.sent_after
    }

    /// How long after the beginning of the last request the head of its answer was there, or its fault.
    #[must_use]
    pub const fn head_after(&self) -> Option<Dur> {
        self.0.head_after
    }
}
