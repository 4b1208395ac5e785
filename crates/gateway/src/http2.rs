//! HTTP/2 on the listening side: over TLS by ALPN, in clear by prior knowledge.
//!
//! Frames, HPACK and flow control are hyper's. Here is what it leaves to its user: how much a connection may hold, when an
//! idle one is closed, and a head that goes on as one of HTTP/1.1 without meaning two things.

mod block;
mod ended;
pub(crate) mod frames;
mod huffman;
mod resets;
pub(crate) mod stream;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use clearline_net::Io;
use http::header::{COOKIE, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use self::resets::Resets;
use self::stream::Streams;
use crate::answer::{Content, Refusal};
use crate::readers::Readers;
use crate::rules::{Http2, Limits};
use crate::server::{left, linger};
use crate::service::Service;
use crate::wrap::{Shared, Watched};

/// The name of the protocol in ALPN (RFC 9113, section 3.1).
pub(crate) const ALPN: &[u8] = b"h2";
/// What a connection of prior knowledge begins with; no method of HTTP/1.1 does (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI";
/// What may be on its way to the gateway of one request, and of all of a connection, bytes.
const WINDOW: u32 = 256 << 10;
const WINDOW_ALL: u32 = 1 << 20;
/// What one answer may have waiting for its caller's window, bytes.
const SEND_BUFFER: usize = 64 << 10;
/// Streams that a caller resets before they are looked at, and that the gateway resets for errors, until the connection ends:
/// what opens and closes streams for nothing is no caller. Those that it resets later have their own bound (`resets.rs`).
const RESETS_PENDING: usize = 20;
const RESETS: usize = 256;
/// How often a caller is asked whether it is still there, and for how long it may not answer.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(20);

const BAD_HEAD: Refusal = Refusal {
    status: StatusCode::BAD_REQUEST,
    cause: clearline_model::Cause::RequestInvalid,
    text: "The request's :authority and its Host are not the same",
    close: true,
    after: None,
};

/// What was read of a connection to tell what it speaks, and is still to be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Early {
    bytes: [u8; PREFACE.len()],
    have: u8,
}

impl Early {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.have)).unwrap_or_default()
    }

    fn push(&mut self, more: &[u8]) {
        for byte in more {
            if let Some(place) = self.bytes.get_mut(usize::from(self.have)) {
                *place = *byte;
                self.have += 1;
            }
        }
    }
}

/// Whether a connection in clear begins as HTTP/2 does; `None` where nothing comes in time. Mostly its first bytes come together, and
/// are only looked at. Those that come alone are taken: who waits for more of what is there already is told at once, again and again.
pub(crate) async fn begins(stream: &TcpStream, limits: Limits) -> Option<(bool, Early)> {
    tokio::time::timeout(limits.header_timeout, told(stream)).await.ok()?
}

async fn told(stream: &TcpStream) -> Option<(bool, Early)> {
    let mut early = Early::default();
    loop {
        let expected = PREFACE.get(usize::from(early.have)..)?;
        let mut first = [0; PREFACE.len()];
        let room = first.get_mut(..expected.len())?;
        let n = stream.peek(room).await.ok().filter(|n| *n > 0)?;
        let came = first.get(..n)?;
        if !expected.starts_with(came) {
            return Some((false, early));
        }
        if n == expected.len() {
            return Some((true, early));
        }
        // They are there; whoever reads more would read what was not looked at.
        let taken = stream.try_read(first.get_mut(..n)?).ok()?;
        early.push(first.get(..taken)?);
    }
}

/// Makes a head of HTTP/2 one of HTTP/1.1: its authority becomes the only Host, its target a path, its cookies one header
/// (RFC 9113, sections 8.3.1 and 8.2.3).
///
/// # Errors
///
/// An authority and a Host that differ.
pub(crate) fn plain(parts: &mut http::request::Parts) -> Result<(), Refusal> {
    if parts.version != Version::HTTP_2 {
        return Ok(());
    }
    if let Some(authority) = parts.uri.authority() {
        let mut hosts = parts.headers.get_all(HOST).iter();
        let same = |h: &HeaderValue| h.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes());
        if !hosts.all(same) {
            return Err(BAD_HEAD);
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| BAD_HEAD)?;
        parts.headers.insert(HOST, host);
    }
    // CONNECT has no path, and is refused as it is.
    if parts.method != Method::CONNECT {
        let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        parts.uri = Uri::from(path);
    }
    join_cookies(&mut parts.headers);
    parts.version = Version::HTTP_11;
    Ok(())
}

fn join_cookies(headers: &mut HeaderMap) {
    let mut joined = BytesMut::new();
    for part in headers.get_all(COOKIE).iter().skip(1) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(part.as_bytes());
    }
    if joined.is_empty() {
        return;
    }
    let mut all = BytesMut::from(headers.get(COOKIE).map_or(&b""[..], HeaderValue::as_bytes));
    all.unsplit(joined);
    if let Ok(value) = HeaderValue::from_maybe_shared(all.freeze()) {
        headers.insert(COOKIE, value);
    }
}

/// An answer to HEAD has no body; hyper sees to that in HTTP/1.1 alone.
pub(crate) fn bare(content: Content, is_bare: bool) -> Content {
    if is_bare { Content::Whole(None) } else { content }
}

/// What the requests of a connection tell it.
#[derive(Debug)]
struct Load {
    /// How many there were.
    had: AtomicUsize,
    /// How many are not answered.
    open: AtomicUsize,
    resets: Mutex<Resets>,
    /// The connection is over: what ends now was not reset by itself.
    is_over: AtomicBool,
    /// Its caller resets more than it may.
    too_many: Notify,
}

impl Load {
    fn new(limits: Http2) -> Self {
        Self {
            had: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            resets: Mutex::new(Resets::new(limits.resets_max, Instant::now())),
            is_over: AtomicBool::new(false),
            too_many: Notify::new(),
        }
    }

    /// A stream that was begun then ended without an answer.
    fn reset(&self, begun: Instant, readers: &Readers) {
        if self.is_over.load(Ordering::Acquire) {
            return;
        }
        readers.metrics.streams_reset.fetch_add(1, Ordering::Relaxed);
        if !self.resets.lock().unwrap_or_else(PoisonError::into_inner).take(begun, Instant::now()) {
            self.too_many.notify_one();
        }
    }
}

/// One request, until its head is answered or it is given up.
struct Open {
    load: Arc<Load>,
    readers: Arc<Readers>,
    begun: Instant,
    is_answered: bool,
}

impl Open {
    fn new(load: &Arc<Load>, readers: &Arc<Readers>) -> Self {
        load.had.fetch_add(1, Ordering::Relaxed);
        load.open.fetch_add(1, Ordering::Relaxed);
        Self {
            load: Arc::clone(load),
            readers: Arc::clone(readers),
            begun: Instant::now(),
            is_answered: false,
        }
    }

    fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.load.open.fetch_sub(1, Ordering::Relaxed);
        if !self.is_answered {
            self.load.reset(self.begun, &self.readers);
        }
    }
}

/// Returns when the connection has had no request for this long. Answers that still run keep it open by themselves: its end
/// is a graceful one.
async fn idle(load: Arc<Load>, limit: Duration) {
    let mut had = load.had.load(Ordering::Relaxed);
    loop {
        tokio::time::sleep(limit).await;
        let now = load.had.load(Ordering::Relaxed);
        if now == had && load.open.load(Ordering::Relaxed) == 0 {
            return;
        }
        had = now;
    }
}

/// Answers the requests of one connection.
pub(crate) async fn exchange<S: Io>(
    io: Watched<S>,
    stream: Arc<TcpStream>,
    (service, shared, limits, http2): (Arc<Service>, Arc<Shared>, Limits, Http2),
    mut stopping: watch::Receiver<bool>,
) {
    let load = Arc::new(Load::new(http2));
    let (counted, told, ends) = (Arc::clone(&load), Arc::clone(&shared), Arc::clone(&stream));
    let answer = service_fn(move |request| {
        // What a connection of HTTP/1.1 tells its request is about the bytes of that one request.
        let alone = Arc::new(Shared::new(shared.peer));
        let open = Open::new(&counted, &service.readers);
        let answered = Arc::clone(&service).serve(request, Arc::clone(&alone));
        async move {
            let answer = answered.await;
            if !alone.has_broken_off() {
                open.answered();
            }
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let connection = http2::Builder::new(Streams { limit: limits.write_timeout })
        .timer(TokioTimer::new())
        .max_concurrent_streams(http2.streams_max)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW_ALL)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(limits.header_max).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS_PENDING)
        .max_local_error_reset_streams(RESETS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .serve_connection(TokioIo::new(io), answer);
    let idle = idle(Arc::clone(&load), limits.header_timeout);
    let stop = async move {
        tokio::select! {
            _told = stopping.wait_for(|stop| *stop) => {}
            () = idle => {}
        }
    };
    let left = left(stream);
    let is_wrong = {
        tokio::pin!(connection, stop, left);
        // An error here is the caller's: it left, or sent what is not HTTP/2.
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => Some(ended),
            () = left.as_mut() => None,
            () = load.too_many.notified() => {
                told.calm();
                Some(connection.await)
            }
            () = &mut stop => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    biased;
                    ended = connection => Some(ended),
                    () = left => None,
                }
            }
        };
        load.is_over.store(true, Ordering::Release);
        ended.is_some_and(|ended| ended.is_err())
    };
    if is_wrong {
        Box::pin(linger(ends, limits.header_timeout)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// What is found where the bytes come one after the other.
    async fn alone(bytes: &[u8]) -> Option<(bool, Early)> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut caller = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        caller.set_nodelay(true).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let mut found = pin!(told(&stream));
        let mut nobody = Context::from_waker(Waker::noop());
        for byte in bytes {
            caller.write_all(&[*byte]).await.unwrap();
            stream.readable().await.unwrap();
            if let Poll::Ready(found) = found.as_mut().poll(&mut nobody) {
                return found;
            }
        }
        drop(caller);
        found.await
    }

    #[tokio::test]
    async fn a_preface_is_found_byte_by_byte_and_nothing_is_lost() {
        let taken = |found: Option<(bool, Early)>| found.map(|(is, early)| (is, early.bytes().to_vec()));
        assert_eq!(taken(alone(b"PRI * HTTP/2.0").await), Some((true, b"PR".to_vec())));
        assert_eq!(taken(alone(b"POST / HTTP/1.1").await), Some((false, b"P".to_vec())));
        assert_eq!(taken(alone(b"PROPFIND /").await), Some((false, b"PR".to_vec())));
        assert_eq!(taken(alone(b"GET / HTTP/1.1").await), Some((false, Vec::new())));
        assert_eq!(taken(alone(b"PR").await), None, "it left before it said what it speaks");
    }
}
