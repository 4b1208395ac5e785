//! One exchange over a connection, until the head of its answer.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use clearline_model::{Failure, Framing, Sent, Stage};
use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::Instant;

use super::{Conn, Inner, SendLimits};
use crate::alarm::after;
use crate::fault::Fault;
use crate::upload::ReqBody;
use crate::wire::Tracked;

/// The answer to a request that was handed over.
type Answer =
    Pin<Box<dyn Future<Output = Result<Response<Incoming>, TrySendError<Request<Tracked>>>> + Send>>;

/// An exchange that has begun. Whoever has it also has its connection, and polls one with the other: so both can be kept in one
/// place.
pub struct Exchange {
    state: State,
    begun: Instant,
    limits: SendLimits,
}

enum State {
    /// The request was handed over.
    Going(Answer),
    /// A new connection does not take it yet.
    Waits(Box<Request<Tracked>>),
    /// It never went.
    Wrong(Box<Fault>),
    Over,
}

impl Conn {
    /// Sends a request and waits for the head of its answer. The request's URI is the path; the form that a proxy
    /// wants is made here.
    ///
    /// # Errors
    ///
    /// A fault of [`Stage::Send`](clearline_model::Stage::Send) or [`Stage::Head`](clearline_model::Stage::Head); the
    /// connection is of no use afterwards.
    pub fn send<'a, B: Into<ReqBody>>(
        &'a mut self,
        req: Request<B>,
        limits: &SendLimits,
    ) -> impl Future<Output = Result<Response<Incoming>, Fault>> + Send + use<'a, B> {
        let mut exchange = self.exchange(req, limits, Instant::now());
        poll_fn(move |cx| exchange.poll(self, Instant::now(), cx))
    }

    /// The same as an exchange without a hold on its connection, which begins now. The request goes at once where the connection
    /// takes it.
    pub fn exchange<B: Into<ReqBody>>(
        &mut self,
        req: Request<B>,
        limits: &SendLimits,
        begun: Instant,
    ) -> Exchange {
        let state = match self.begin(req.map(Into::into), begun) {
            Ok(req) if self.0.tx.is_ready() => State::Going(Box::pin(self.0.tx.try_send_request(req))),
            Ok(req) => State::Waits(Box::new(req)),
            Err(fault) => State::Wrong(Box::new(fault)),
        };
        Exchange { state, begun, limits: *limits }
    }

    /// Waits until a request can be handed over.
    fn poll_ready(&mut self, sent_by: Instant, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let Inner { tx, alarm, .. } = &mut *self.0;
        let ready = ready!(until(tx.poll_ready(cx), || alarm.poll_at(sent_by, cx)));
        Poll::Ready(match ready {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) if self.0.uses > 0 => Err(self.stale()),
            Some(Err(error)) => Err(self.fault(&error)),
            None => Err(self.late()),
        })
    }

    /// Waits for the head of the answer to a request that was handed over.
    fn poll_head(
        &mut self,
        answer: &mut Answer,
        (begun, limits, now): (Instant, &SendLimits, Instant),
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Incoming>, Fault>> {
        let Inner { wire, alarm, .. } = &mut *self.0;
        let ended = ready!(until(answer.as_mut().poll(cx), || {
            // Nobody says when the request has left. It is looked for so early that no limit is missed.
            let flushed = wire.flushed();
            let at = after(flushed.unwrap_or(now), limits.first_byte);
            alarm.poll_at(if flushed.is_some() { at } else { at.min(after(begun, limits.send)) }, cx)
        }));
        let Some(ended) = ended else { return Poll::Ready(Err(self.late())) };
        let left = self.0.wire.flushed().unwrap_or(now);
        self.0.sent_after = Some((left - begun).into());
        Poll::Ready(ended.map_err(|mut error| match error.take_message() {
            Some(_unsent) if self.0.uses > 0 => self.stale(),
            Some(_) | None => self.fault(error.error()),
        }))
    }

    /// Refuses a body in a transfer coding besides the chunks: no request asks for one, and whoever passes such a body on without
    /// its label passes on another one (RFC 9112, section 6.1).
    fn in_known_coding(&self, response: Response<Incoming>) -> Result<Response<Incoming>, Fault> {
        if response.body().is_end_stream() || is_chunked_at_most(response.headers()) {
            return Ok(response);
        }
        let fault = Fault::new(Stage::Head, Failure::Framing(Framing::Malformed)).at(self.0.addr);
        Err(Fault { sent: Sent::Yes, ..fault }.detailed("its transfer-encoding is not chunked alone"))
    }

    /// An exchange that began then is over now.
    fn ended(&mut self, begun: Instant, now: Instant, answer: &Result<Response<Incoming>, Fault>) {
        self.0.last_used = now;
        self.0.head_after = Some((self.0.last_used - begun).into());
        self.0.uses = self.0.uses.saturating_add(1);
        match answer {
            Ok(response) => self.0.reusable &= keeps_alive(response),
            Err(fault) => {
                self.0.reusable = false;
                self.0.last_error = Some(fault.clone());
            }
        }
    }
}

impl Exchange {
    /// Goes on over the connection that it began on; after its end it is never ready again.
    ///
    /// # Errors
    ///
    /// As [`Conn::send`].
    pub fn poll(
        &mut self,
        conn: &mut Conn,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Incoming>, Fault>> {
        if matches!(self.state, State::Waits(_)) {
            let ready = ready!(conn.poll_ready(after(self.begun, self.limits.send), cx));
            let state = std::mem::replace(&mut self.state, State::Over);
            self.state = match (ready, state) {
                (Ok(()), State::Waits(req)) => State::Going(Box::pin(conn.0.tx.try_send_request(*req))),
                (Ok(()), other) => other,
                (Err(fault), _) => State::Wrong(Box::new(fault)),
            };
        }
        let answer = match std::mem::replace(&mut self.state, State::Over) {
            State::Going(mut answer) => {
                let polled = conn.poll_head(&mut answer, (self.begun, &self.limits, now), cx);
                let Poll::Ready(head) = polled else {
                    self.state = State::Going(answer);
                    return Poll::Pending;
                };
                head
            }
            State::Wrong(fault) => Err(*fault),
            State::Waits(_) | State::Over => return Poll::Pending,
        };
        let answer = answer.and_then(|response| conn.in_known_coding(response));
        conn.ended(self.begun, now, &answer);
        Poll::Ready(answer)
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("begun", &self.begun).finish_non_exhaustive()
    }
}

/// What is ready, or `None` once it is too late for it.
fn until<T>(polled: Poll<T>, late: impl FnOnce() -> Poll<()>) -> Poll<Option<T>> {
    match polled {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => late().map(|()| None),
    }
}

/// Whether there is no transfer coding, or chunks alone.
fn is_chunked_at_most(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(only), None) => only.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// Whether the server keeps the connection after this answer.
fn keeps_alive(response: &Response<Incoming>) -> bool {
    let says = |word: &str| {
        let values = response.headers().get_all(CONNECTION).iter().filter_map(|v| v.to_str().ok());
        values.flat_map(|v| v.split(',')).any(|token| token.trim().eq_ignore_ascii_case(word))
    };
    if response.version() == Version::HTTP_10 { says("keep-alive") } else { !says("close") }
}
