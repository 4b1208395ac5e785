//! The way to the head of an answer: a connection of the pool or a new one, and the request on it.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use clearline_model::{AddrId, Dur, Failure, Foreign, LocalFault, Stage, UpstreamId};
use clearline_net::{
    Body, Conn, Exchange, Fault, Http2, Lent, Limits, Line, ReqBody, Route, SendLimits, Turn, Want,
};
use clearline_policy::{Conn as Which, Plan};
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, EXPECT, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Response};
use tokio::time::Instant;

use crate::builder::Inner;
use crate::credentials::KEY;
use crate::keys::PoolKey;
use crate::network::{Network, Server};
use crate::queue::Queue;
use crate::request::Request;

/// What is known of an attempt before its head.
pub(crate) enum Seen {
    /// A stage went well.
    Stage(Stage, Dur),
    /// The connection.
    Connection { addr: AddrId, reused: bool, http2: bool },
    /// A name was looked up.
    Resolved(UpstreamId, Vec<AddrId>),
}

/// Where [`open`] leaves what it saw, for whoever polls it.
#[derive(Clone, Default)]
pub(crate) struct Progress(Arc<Mutex<Queue<Seen>>>);

impl Progress {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Queue<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn put(&self, seen: Seen) {
        self.lock().push(seen);
    }
}

/// An answer whose head has arrived.
pub(crate) struct Opened {
    pub(crate) response: Response<Body>,
    /// From the end of sending to the head.
    pub(crate) took: Dur,
}

/// The way of an attempt to the head of its answer.
pub(crate) enum Opening {
    /// On a connection of the pool, over which the request went already.
    Straight(Straight),
    /// Over a new connection, or a shared one.
    Other(BoxFuture<'static, Result<Opened, Fault>>),
    /// It could not begin.
    Wrong(Fault),
}

/// An exchange over a connection of its own.
pub(crate) struct Straight {
    inner: Arc<Inner>,
    /// Gone with the answer.
    conn: Option<Conn>,
    exchange: Exchange,
    /// What is told at the first look.
    told: Option<Seen>,
}

impl Straight {
    fn begin(
        inner: Arc<Inner>,
        mut conn: Conn,
        message: http::Request<ReqBody>,
        (limits, now): (&SendLimits, Instant),
    ) -> Self {
        let addr = inner.addresses.id(conn.addr());
        let told = Some(Seen::Connection { addr, reused: conn.uses() > 0, http2: false });
        let exchange = conn.exchange(message, limits, now);
        Self { inner, conn: Some(conn), exchange, told }
    }

    fn poll(
        &mut self,
        progress: &Progress,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Opened, Fault>> {
        if let Some(told) = self.told.take() {
            progress.put(told);
        }
        let Some(conn) = &mut self.conn else { return Poll::Pending };
        let response = ready!(self.exchange.poll(conn, now, cx))?;
        let sent_after = conn.sent_after().unwrap_or(Dur::ZERO);
        progress.put(Seen::Stage(Stage::Send, sent_after));
        let took = conn.head_after().unwrap_or(sent_after) - sent_after;
        let Some(conn) = self.conn.take() else { return Poll::Pending };
        // What a server says in an error, it may say because of this connection: another one tells.
        let home = response.status().is_success().then(|| self.inner.pool.clone());
        let response = response.map(|incoming| Body::new(incoming, conn, home));
        Poll::Ready(Ok(Opened { response, took }))
    }
}

impl Opening {
    /// Begins to carry a plan out.
    pub(crate) fn begin(
        inner: Arc<Inner>,
        request: &mut Arc<Request>,
        plan: Plan,
        (progress, now): (&Progress, Instant),
    ) -> Self {
        let network = inner.network();
        let asked = network.server(plan.upstream, plan.key);
        let composed = asked.and_then(|(server, key)| Ok((server, compose(server, request, key)?)));
        let (server, message) = match composed {
            Ok(composed) => composed,
            Err(fault) => return Self::Wrong(fault),
        };
        let limits = SendLimits { send: plan.limits.send, first_byte: plan.limits.first_byte };
        if let Some(conn) = pooled(&inner, server, (&plan, now)) {
            return Self::Straight(Straight::begin(inner, conn, message, (&limits, now)));
        }
        let (network, progress) = (Arc::clone(&network), progress.clone());
        Self::Other(Box::pin(open(inner, network, (plan, limits), message, progress)))
    }

    /// Goes on to the head of the answer, and leaves in `progress` what is known of the way.
    pub(crate) fn poll(
        &mut self,
        progress: &Progress,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Opened, Fault>> {
        match self {
            Self::Straight(straight) => straight.poll(progress, now, cx),
            Self::Other(opening) => opening.as_mut().poll(cx),
            Self::Wrong(fault) => Poll::Ready(Err(fault.clone())),
        }
    }
}

/// Carries a plan out over a connection that is not there yet, or is shared.
async fn open(
    inner: Arc<Inner>,
    network: Arc<Network>,
    (plan, limits): (Plan, SendLimits),
    message: http::Request<ReqBody>,
    progress: Progress,
) -> Result<Opened, Fault> {
    let (server, _) = network.server(plan.upstream, plan.key)?;
    match connection(&inner, (&network, server), (&plan, &progress)).await? {
        Line::Shared(lent) => on_stream(&inner, lent, message, (limits, &progress)).await,
        Line::Own(conn) => {
            let mut straight = Straight::begin(inner, conn, message, (&limits, Instant::now()));
            poll_fn(|cx| straight.poll(&progress, Instant::now(), cx)).await
        }
    }
}

/// The same on a stream of a shared connection.
async fn on_stream(
    inner: &Inner,
    lent: Lent,
    message: http::Request<ReqBody>,
    (limits, progress): (SendLimits, &Progress),
) -> Result<Opened, Fault> {
    let addr = inner.addresses.id(lent.addr());
    progress.put(Seen::Connection { addr, reused: lent.is_used(), http2: true });
    let begun = Instant::now();
    let (response, sent_after) = lent.send(message, &limits).await?;
    progress.put(Seen::Stage(Stage::Send, sent_after));
    Ok(Opened { response, took: Dur::from(begun.elapsed()) - sent_after })
}

/// A connection that idles and fits the plan.
fn pooled(inner: &Inner, server: &Server, (plan, now): (&Plan, Instant)) -> Option<Conn> {
    let avoid = inner.addresses.addrs(&plan.avoid);
    inner.pool.take(&server.route_key, &want(plan, &avoid), now)
}

const fn want<'a>(plan: &Plan, avoid: &'a [SocketAddr]) -> Want<'a> {
    Want { prefer: &[], avoid, fresh: !matches!(plan.conn, Which::Any) }
}

/// A stream of a shared connection, or a new connection.
async fn connection(
    inner: &Inner,
    (network, server): (&Network, &Server),
    (plan, progress): (&Plan, &Progress),
) -> Result<Line, Fault> {
    let target = &server.target;
    let never = plan.conn == Which::FreshH1 || (inner.http2 == Http2::Auto && target.is_plain());
    let mut http2 = if never { Http2::Off } else { inner.http2 };
    let avoid = inner.addresses.addrs(&plan.avoid);
    let want = want(plan, &avoid);
    let mut turn = Turn::default();
    if http2 != Http2::Off {
        turn = match inner.pool.lend_or_turn(&server.route_key, &want).await {
            Ok(lent) => return Ok(Line::Shared(lent)),
            Err(turn) => turn,
        };
        if turn.is_plain() {
            http2 = Http2::Off;
        }
    }
    let route = Route { target, proxy: inner.proxy(server), tls: Arc::clone(network.tls(http2)) };
    let begun = Instant::now();
    let (host, port) = route.proxy.map_or((target.host.as_str(), target.port), |p| (p.host(), p.port()));
    let addrs =
        clearline_net::resolve(&inner.fence, host, port, plan.limits.resolve).await.map_err(|fault| {
            if route.proxy.is_some() { Fault { stage: Stage::Tunnel, ..fault } } else { fault }
        })?;
    progress.put(Seen::Stage(Stage::Resolve, begun.elapsed().into()));
    progress.put(Seen::Resolved(plan.upstream, addrs.iter().map(|a| inner.addresses.id(*a)).collect()));
    let addrs = inner.addresses.order(addrs, &plan.avoid);
    let limits = Limits {
        resolve: plan.limits.resolve,
        connect: plan.limits.connect,
        tunnel: plan.limits.tunnel,
        handshake: plan.limits.handshake,
    };
    let on = |stage, took| progress.put(Seen::Stage(stage, took));
    let (how, shared) = ((&limits, &mut { on } as _), (http2, turn, &inner.pool));
    clearline_net::open_line(&inner.fence, route, &addrs, how, shared).await
}

/// The request as it goes to the upstream.
fn compose(
    server: &Server,
    request: &mut Arc<Request>,
    key: Option<&PoolKey>,
) -> Result<http::Request<ReqBody>, Fault> {
    let wrong = |why: &dyn std::fmt::Display| Fault {
        detail: Foreign::new(&why.to_string()),
        ..Fault::new(Stage::Config, Failure::Local(LocalFault::Forbidden))
    };
    let path = if server.target.base_path.is_empty() {
        request.path.clone()
    } else {
        server.target.path(request.path.as_str()).try_into().map_err(|e: http::uri::InvalidUri| wrong(&e))?
    };
    let mut message = http::Request::new(request.body.to_send());
    *message.method_mut() = request.method.clone();
    *message.uri_mut() = path.into();
    let mut headers = passed(headers_of(request), &server.host_header);
    if let Some(key) = key {
        replace_credential(&mut headers, key.secret.expose()).map_err(|e| wrong(&e))?;
    }
    *message.headers_mut() = headers;
    Ok(message)
}

/// The headers of a request, which stay there as well.
fn headers_of(request: &mut Arc<Request>) -> HeaderMap {
    match Arc::get_mut(request) {
        // The copy has no room for more and stays; hyper uses the other one again, for the answer.
        Some(own) => {
            let copy = own.headers.clone();
            std::mem::replace(&mut own.headers, copy)
        }
        None => request.headers.clone(),
    }
}

/// The headers of a request for this host, which comes first.
fn passed(mut headers: HeaderMap, host: &HeaderValue) -> HeaderMap {
    // The body is here already, so there is nothing to expect.
    let expects = headers.contains_key(EXPECT);
    if !expects && headers.keys().next() == Some(&HOST) {
        // It has its place.
        set(&mut headers, &HOST, host.clone());
        return headers;
    }
    let mut all = HeaderMap::with_capacity(headers.len() + 2);
    all.insert(HOST, host.clone());
    for (name, value) in headers.iter().filter(|(name, _)| **name != EXPECT && **name != HOST) {
        all.append(name.clone(), value.clone());
    }
    all
}

/// Sets a header. The only one of its name is replaced where it stands: a map makes room for another before it looks.
fn set(headers: &mut HeaderMap, name: &HeaderName, value: HeaderValue) {
    let is_one = headers.get_all(name).iter().nth(1).is_none();
    match headers.get_mut(name).filter(|_| is_one) {
        Some(place) => *place = value,
        None => drop(headers.insert(name.clone(), value)),
    }
}

/// Puts a key of the pool in the place of the caller's credential, in the form that the caller used.
fn replace_credential(headers: &mut HeaderMap, key: &[u8]) -> Result<(), http::header::InvalidHeaderValue> {
    let is_bearer = headers.contains_key(AUTHORIZATION) && !headers.contains_key(&KEY);
    let mut value = if is_bearer {
        HeaderValue::from_bytes(&[b"Bearer ", key].concat())?
    } else {
        HeaderValue::from_bytes(key)?
    };
    value.set_sensitive(true);
    if is_bearer {
        set(headers, &AUTHORIZATION, value);
    } else {
        clearline_wire::headers::retain(headers, |name| name != AUTHORIZATION);
        set(headers, &KEY, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_credential_never_goes_along_with_a_key_of_the_pool() {
        for (before, name, after) in [
            (vec![], "x-api-key", "sk-ant-fake-pool"),
            (vec![("x-api-key", "sk-ant-fake-own")], "x-api-key", "sk-ant-fake-pool"),
            (vec![("authorization", "Bearer sk-ant-fake-own")], "authorization", "Bearer sk-ant-fake-pool"),
            (
                vec![("authorization", "Bearer sk-ant-fake-own"), ("x-api-key", "sk-ant-fake-own")],
                "x-api-key",
                "sk-ant-fake-pool",
            ),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in before {
                headers.append(name, value.parse().unwrap());
            }
            replace_credential(&mut headers, b"sk-ant-fake-pool").unwrap();
            assert_eq!(headers.len(), 1);
            assert_eq!(headers[name], after);
            assert!(headers[name].is_sensitive());
        }
    }
}
