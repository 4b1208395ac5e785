//! Listening, accepting, and an end that lets running calls finish.

use std::future::poll_fn;
use std::hash::RandomState;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use clearline::{Client, Store};
use clearline_diagnose::alerts::AlertRules;
use clearline_model::{Cause, Stage};
use clearline_net::{Acceptor, Fault, Hush, Io, Tcp};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::admin;
use crate::answer;
use crate::http2;
use crate::ids::Ids;
use crate::options::{BindError, LogTarget, Options};
use crate::readers::{Readers, Summary};
use crate::rules::{Limits, Rules};
use crate::service::Service;
use crate::timer::HeadTimer;
use crate::wrap::{Shared, Watched};

/// How long accepting rests after an error, for example where no file descriptor is left.
const ACCEPT_REST: Duration = Duration::from_millis(50);
/// How long accepting has to do without an error before it is well again (a guess).
const ACCEPT_CALM: Duration = Duration::from_secs(1);
/// How long the last words may take of calls that are open at the end of the drain time (a guess).
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How often the success rate is judged where no calls end.
const JUDGE: Duration = Duration::from_secs(5);

/// A gateway that listens and does not serve yet.
pub struct Gateway {
    listener: TcpListener,
    addr: SocketAddr,
    admin: Option<(TcpListener, SocketAddr)>,
    service: Arc<Service>,
    readers: Arc<Readers>,
    connections_max: usize,
    log: LogTarget,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// Changes the rules of a gateway while it serves.
#[derive(Clone)]
pub struct Handle {
    service: Arc<Service>,
    addr: SocketAddr,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Handle {
    /// Whether these options could be taken.
    ///
    /// # Errors
    /// What [`Gateway::bind`] refuses as well: an exposed address without tokens.
    pub fn check(&self, options: &Options) -> Result<(), BindError> {
        // It listens where it did at the start.
        options.guarded(self.addr)
    }

    /// Takes these options for every request and connection from now on. What the listeners, the log and the folder of bodies
    /// are, and how many connections there may be, stays as it was.
    ///
    /// # Errors
    /// As [`Handle::check`]; then nothing has changed.
    pub fn reload(&self, options: Options) -> Result<(), BindError> {
        self.check(&options)?;
        self.service.readers.metrics.rename(self.service.client.names());
        let callers = options.tokens.iter().map(|t| t.alias.clone()).collect();
        self.service.readers.rename_callers(callers);
        let rules = Arc::new(Rules::new(options, self.addr));
        *self.service.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
        Ok(())
    }

    /// Raises alerts by these rules from now on.
    pub fn watch(&self, rules: AlertRules) {
        self.service.readers.watch(rules, self.service.client.now());
    }

    /// The client behind the gateway.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.service.client
    }
}

async fn listen(addr: SocketAddr, flag: &'static str) -> Result<(TcpListener, SocketAddr), BindError> {
    let bound = TcpListener::bind(addr).await.and_then(|l| l.local_addr().map(|a| (l, a)));
    bound.map_err(|why| {
        if why.kind() == io::ErrorKind::AddrInUse {
            BindError::InUse { addr, flag }
        } else {
            BindError::Listen { addr, flag, why }
        }
    })
}

impl Gateway {
    /// Listens on the addresses of the options.
    ///
    /// # Errors
    /// An address in use or not usable, an exposed address without tokens, a log that cannot be written.
    pub async fn bind(o: Options, client: Client, readers: Arc<Readers>) -> Result<Self, BindError> {
        o.guarded(o.listen)?;
        if let Some((path, why)) = readers.log.refused.clone() {
            return Err(BindError::Log { path, why });
        }
        readers.metrics.rename(client.names());
        let (listener, addr) = listen(o.listen, "--listen").await?;
        let admin = match o.admin {
            Some(at) => Some(listen(at, "--admin").await?),
            None => None,
        };
        let connections_max = o.connections_max.clamp(1, Semaphore::MAX_PERMITS);
        let log = o.log.clone();
        let store = Store::new(o.spill_over, o.body_memory, o.spill_dir.clone());
        let service = Service {
            rules: RwLock::new(Arc::new(Rules::new(o, addr))),
            accounts: Arc::default(),
            turns: RandomState::new(),
            client,
            readers: Arc::clone(&readers),
            ids: Ids::new(),
            store,
            stopped: watch::Sender::new(false),
        };
        Ok(Self { listener, addr, admin, service: Arc::new(service), readers, connections_max, log })
    }

    /// What changes the rules of this gateway while it serves.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { service: Arc::clone(&self.service), addr: self.addr }
    }

    /// Where calls come in; the port is the real one.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where the admin pages are.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|(_, addr)| *addr)
    }

    /// Serves until `stop` is there; then accepts nothing more, lets running calls finish within the drain time, ends what is then
    /// still open with an honest word, and writes the log out.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Summary {
        self.serve_until(stop, std::future::pending()).await
    }

    /// The same where somebody may not want to wait for the drain time: with `hurry` it is over.
    pub async fn serve_until(
        self,
        stop: impl Future<Output = ()>,
        hurry: impl Future<Output = ()>,
    ) -> Summary {
        let draining = Arc::new(AtomicBool::new(false));
        let (stopped, stopping) = watch::channel(false);
        let mut pages = JoinSet::new();
        pages.spawn(judge(Arc::clone(&self.service)));
        if let Some((listener, addr)) = self.admin {
            let state = admin::Shown {
                readers: Arc::clone(&self.readers),
                draining: Arc::clone(&draining),
                addr,
                gateway: self.addr,
                log: self.log,
                client: self.service.client.clone(),
            };
            pages.spawn(admin::serve(listener, state));
        }
        let mut connections = JoinSet::new();
        {
            let accept =
                accept(&self.listener, &self.service, self.connections_max, &stopping, &mut connections);
            tokio::pin!(accept, stop);
            tokio::select! {
                () = accept => {}
                () = stop => {}
            }
        }
        drop(self.listener);
        draining.store(true, Ordering::Release);
        stopped.send_replace(true);
        let drain = self.service.rules().limits.drain;
        let in_time = tokio::select! {
            in_time = over(&mut connections, drain) => in_time,
            () = hurry => false,
        };
        if !in_time {
            self.readers.ends();
            self.service.client.stop();
            self.service.stopped.send_replace(true);
            if !over(&mut connections, LAST_WORDS).await {
                // Who takes nothing, or still sends its request, is cut off.
                connections.shutdown().await;
            }
        }
        pages.shutdown().await;
        self.readers.tick(self.service.client.now());
        self.readers.flush().await;
        self.readers.summary()
    }
}

/// Whether all connections end within this time.
async fn over(connections: &mut JoinSet<()>, limit: Duration) -> bool {
    let all = async { while connections.join_next().await.is_some() {} };
    tokio::time::timeout(limit, all).await.is_ok()
}

/// Judges the success rate for ever: an alert also ends where no calls come any more.
async fn judge(service: Arc<Service>) {
    loop {
        tokio::time::sleep(JUDGE).await;
        service.readers.tick(service.client.now());
    }
}

/// Accepts for ever.
async fn accept(
    listener: &TcpListener,
    service: &Arc<Service>,
    connections_max: usize,
    stopping: &watch::Receiver<bool>,
    connections: &mut JoinSet<()>,
) {
    let room = Arc::new(Semaphore::new(connections_max));
    let mut failed: Option<Instant> = None;
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        let accepted = match failed {
            None => listener.accept().await,
            Some(at) => {
                let calm = at + ACCEPT_CALM;
                let accepted = tokio::time::timeout_at(calm, listener.accept()).await.ok();
                if Instant::now() >= calm {
                    service.readers.accepts(None);
                    failed = None;
                }
                let Some(accepted) = accepted else { continue };
                accepted
            }
        };
        match accepted {
            Ok((stream, peer)) => {
                let shared = Arc::new(Shared::new(peer.ip()));
                let run = connection(stream, (Arc::clone(service), shared), stopping.clone(), permit);
                connections.spawn(run);
            }
            Err(why) => {
                // A caller that left before it was taken is no news.
                let fault = Fault::of_io(Stage::Connect, &why);
                if fault.cause() == Cause::ConfigFdLimit {
                    service.readers.accepts(Some(&why));
                    failed = Some(Instant::now());
                }
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

/// Serves one connection, in clear or over TLS.
async fn connection(
    stream: TcpStream,
    (service, shared): (Arc<Service>, Arc<Shared>),
    stopping: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
) {
    // Without it small events of a stream wait for one another; a socket that refuses it works all the same.
    let _slower = stream.set_nodelay(true).is_err();
    let _open = Open::new(Arc::clone(&service.readers));
    // In boxes, one after the other: as long as the connection lives, its task keeps room for the largest of what it waited for.
    if let Some(exchange) = Box::pin(begin(Arc::new(stream), (service, shared), stopping)).await {
        exchange.await;
    }
}

/// What a connection does once it is known how its caller speaks.
type Exchange = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Finds out how a caller speaks; nothing where it left before.
async fn begin(
    stream: Arc<TcpStream>,
    (service, shared): (Arc<Service>, Arc<Shared>),
    mut stopping: watch::Receiver<bool>,
) -> Option<Exchange> {
    let rules = service.rules();
    let limits = rules.limits;
    if let Some(acceptor) = &rules.tls {
        // What a caller has not begun with yet is not waited for at the end.
        let first = unless(&mut stopping, first_byte(&stream, limits)).await?;
        let shaken = handshake(acceptor, &stream, first, (limits, &service.readers)).await;
        let Some((tls, is_http2)) = shaken else {
            service.readers.metrics.handshakes_failed.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        if let Some(http2) = limits.http2.filter(|_| is_http2) {
            let io = Watched::of_http2(tls, Arc::clone(&shared), limits);
            return Some(Box::pin(http2::exchange(io, stream, (service, shared, limits, http2), stopping)));
        }
        let io = Watched::of_http1(tls, Arc::clone(&shared), limits);
        return Some(Box::pin(exchange(io, stream, (service, shared, limits), stopping)));
    }
    let (is_http2, early) = unless(&mut stopping, http2::begins(&stream, limits)).await??;
    let mut io = Tcp(Arc::clone(&stream));
    match limits.http2 {
        Some(http2) if is_http2 => {
            let io = Watched::of_http2(io, Arc::clone(&shared), limits).behind(early);
            Some(Box::pin(http2::exchange(io, stream, (service, shared, limits, http2), stopping)))
        }
        None if is_http2 => {
            service.readers.refused_unread(505, Cause::RequestInvalid);
            // It may have left already.
            let _told = io.write_all(&answer::unparsable(505)).await.is_ok();
            Some(Box::pin(linger(stream, limits.header_timeout)))
        }
        Some(_) | None => {
            let io = Watched::of_http1(io, Arc::clone(&shared), limits).behind(early);
            Some(Box::pin(exchange(io, stream, (service, shared, limits), stopping)))
        }
    }
}

/// What comes of this, unless the gateway is to stop before.
async fn unless<T>(stopping: &mut watch::Receiver<bool>, wait: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = wait => Some(done),
        _told = stopping.wait_for(|stop| *stop) => None,
    }
}

/// The first byte of a handshake, where one comes in time.
async fn first_byte(stream: &TcpStream, limits: Limits) -> Option<u8> {
    let mut first = [0];
    let peeked = tokio::time::timeout(limits.handshake.into(), stream.peek(&mut first)).await;
    matches!(peeked, Ok(Ok(1..))).then(|| first[0])
}

/// The handshake of a caller, and whether it agreed on HTTP/2. Who speaks plain HTTP is told so.
async fn handshake(
    acceptor: &Acceptor,
    stream: &Arc<TcpStream>,
    first: Option<u8>,
    (limits, readers): (Limits, &Readers),
) -> Option<(impl Io + use<>, bool)> {
    if first?.is_ascii_uppercase() {
        readers.refused_unread(400, Cause::TlsPlainHttp);
        // It may have left already.
        let _told = Tcp(Arc::clone(stream)).write_all(&answer::plain_http()).await.is_ok();
        return None;
    }
    let tls = acceptor.accept(Tcp(Arc::clone(stream)), limits.handshake).await.ok()?;
    let is_http2 = tls.get_ref().1.alpn_protocol() == Some(http2::ALPN);
    Some((tls, is_http2))
}

/// The most headers that hyper takes where it is told nothing else.
const HYPER_HEADERS_MAX: usize = 100;

/// Answers the requests of one connection.
async fn exchange<S: Io>(
    io: Watched<S>,
    stream: Arc<TcpStream>,
    (service, shared, limits): (Arc<Service>, Arc<Shared>, Limits),
    stopping: watch::Receiver<bool>,
) {
    let io = TokioIo::new(io);
    let (told, readers) = (Arc::clone(&shared), Arc::clone(&service.readers));
    let answer = service_fn(move |request| {
        // hyper keeps a place as large as this future for as long as the connection lives, and moves it there: boxed, it
        // is gone once the answer begins, which is most of the life of a stream.
        let answered = Box::pin(Arc::clone(&service).serve(request, Arc::clone(&shared)));
        async move { Ok::<_, std::convert::Infallible>(answered.await) }
    });
    let mut http = http1::Builder::new();
    http.timer(HeadTimer::default());
    http.header_read_timeout(limits.header_timeout).max_buf_size(limits.header_max);
    // A side that closes is noticed by `left`, also behind bytes that are not read yet. hyper would read ahead for it, into
    // 8 KiB of memory for each answer.
    http.half_close(true);
    if limits.headers_max != HYPER_HEADERS_MAX {
        // Where it is told, hyper makes room for so many, each time.
        http.max_headers(limits.headers_max);
    }
    let connection = http.serve_connection(io, answer);
    let (mut news, mut hush) = (listened(Arc::clone(&stream), Some(stopping)), Hush::default());
    let is_over = {
        tokio::pin!(connection);
        loop {
            tokio::select! {
                biased;
                ended = poll_fn(|cx| hush.poll(connection.as_mut(), cx)) => {
                    // An error here is the caller's: it stopped, or sent what is not HTTP and has got its answer.
                    break !ended.is_err_and(|why| why.is_timeout());
                }
                heard = news.next() => match heard {
                    Some(News::Stop) => {
                        connection.as_mut().graceful_shutdown();
                        news = listened(Arc::clone(&stream), None);
                    }
                    // Dropping the connection cancels its call.
                    Some(News::Left) | None => break false,
                }
            }
        }
    };
    if let Some(status) = told.unparsable() {
        readers.refused_unread(status, Cause::RequestInvalid);
    }
    if told.is_to_reset() {
        // Where that is refused it ends as it can.
        let _reset = stream.set_zero_linger().is_ok();
    } else if is_over && told.is_cut() {
        Box::pin(linger(stream, limits.header_timeout)).await;
    }
}

/// What a connection is told beside its bytes.
enum News {
    /// The caller has closed its side.
    Left,
    /// The gateway is to stop.
    Stop,
}

/// What a connection is told next: by something that is asked when it has news, and not with every byte.
fn listened(
    stream: Arc<TcpStream>,
    stopping: Option<watch::Receiver<bool>>,
) -> FuturesUnordered<Pin<Box<impl Future<Output = News>>>> {
    // In a box: the set has an empty place as large as this one besides.
    let heard = Box::pin(async move {
        let left = left(stream);
        let Some(mut stopping) = stopping else {
            left.await;
            return News::Left;
        };
        tokio::select! {
            biased;
            () = left => News::Left,
            // Who stops without a word stops as well.
            _told = stopping.wait_for(|stop| *stop) => News::Stop,
        }
    });
    [heard].into_iter().collect()
}

/// Takes what a caller still sends of a request that is answered, until it has read the answer and closes, or for this long: a
/// connection that is closed before its bytes are read is reset, and the reset overtakes the answer.
pub(crate) async fn linger(stream: Arc<TcpStream>, limit: Duration) {
    let _closed = Tcp(Arc::clone(&stream)).shutdown().await.is_ok();
    let mut waste = [0; 16 << 10];
    let drain = async {
        while stream.readable().await.is_ok() {
            match stream.try_read(&mut waste) {
                Ok(1..) => {}
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => return,
            }
        }
    };
    let _in_time = tokio::time::timeout(limit, drain).await.is_ok();
}

/// Returns when the caller has closed its side.
pub(crate) async fn left(stream: Arc<TcpStream>) {
    // This interest is told of a closed side as well, and not of bytes that nobody reads.
    while let Ok(told) = stream.ready(Interest::PRIORITY).await {
        if told.is_read_closed() {
            return;
        }
        // Urgent bytes, which HTTP does not know: forgotten, so that the next news are told.
        let _forgotten =
            stream.try_io(Interest::PRIORITY, || Err::<(), _>(io::ErrorKind::WouldBlock.into())).is_err();
    }
    std::future::pending().await
}

/// Counts a connection while it is open.
struct Open(Arc<Readers>);

impl Open {
    fn new(readers: Arc<Readers>) -> Self {
        readers.metrics.connections.fetch_add(1, Ordering::Relaxed);
        Self(readers)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
