//! What the gateway answers itself, in the API's error shape and marked with the cause.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use clearline::{Broken, CallError, ReplyBody};
use clearline_model::{Cause, Dur, Layer, Stage};
use clearline_wire::{Own, own_error_body, type_for_status};
use http::header::{CONNECTION, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Frame, SizeHint};

use crate::http2::stream::Taken;
use crate::quota::Permit;
use crate::readers::Readers;
use crate::waiting::Waiting;
use crate::wrap::Shared;

/// The mark of an answer that is not the upstream's.
pub(crate) const CAUSE: HeaderName = HeaderName::from_static("clearline-cause");
/// Tells layers above not to retry.
pub(crate) const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The body of an answer.
pub(crate) enum Content {
    Whole(Option<Bytes>),
    Running(ReplyBody),
    Kept(Box<Waiting>),
}

/// The body of an answer on its connection; its end is the end of the request.
pub(crate) struct Body {
    pub(crate) content: Content,
    /// Counts the call in its caller's account until it is over.
    pub(crate) permit: Option<Permit>,
    readers: Arc<Readers>,
    pub(crate) shared: Arc<Shared>,
    /// In HTTP/2, what of it is not on its way yet, and its end once that was reached.
    taken: Option<Arc<Taken>>,
    end: Option<Result<(), Broken>>,
}

impl Body {
    /// Counts a request as being served until this is dropped.
    pub(crate) fn new(content: Content, readers: Arc<Readers>, shared: Arc<Shared>) -> Self {
        readers.metrics.in_flight.fetch_add(1, Ordering::Relaxed);
        let taken = Taken::of_this_stream();
        Self { content, permit: None, readers, shared, taken, end: None }
    }

    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let polled = match &mut self.content {
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Content::Running(body) => http_body::Body::poll_frame(Pin::new(body), cx),
            Content::Kept(body) => body.poll_frame(cx),
        };
        if matches!(polled, Poll::Ready(Some(Err(_)))) {
            self.shared.torn();
        }
        polled
    }

    /// Counts its pieces; its end and its breaking wait until the last of them is on its way.
    fn poll_counted(
        &mut self,
        taken: &Arc<Taken>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.end.is_none() {
            match ready!(self.poll_content(cx)) {
                Some(Ok(frame)) => return Poll::Ready(Some(Ok(frame.map_data(|b| taken.hand(b))))),
                Some(Err(broken)) => self.end = Some(Err(broken)),
                None => self.end = Some(Ok(())),
            }
        }
        ready!(taken.poll_all(cx));
        let end = self.end.replace(Ok(()));
        Poll::Ready(end.and_then(Result::err).map(Err))
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.readers.metrics.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.shared.end();
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.taken.clone() {
            Some(taken) => self.poll_counted(&taken, cx),
            None => self.poll_content(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        if matches!(self.end, Some(Err(_))) || self.taken.as_ref().is_some_and(|t| !t.is_all()) {
            return false;
        }
        match &self.content {
            Content::Whole(bytes) => bytes.is_none(),
            Content::Running(body) => body.is_end_stream(),
            Content::Kept(body) => body.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| u64::try_from(b.len()).unwrap_or(u64::MAX)))
            }
            Content::Running(body) => body.size_hint(),
            Content::Kept(_) => SizeHint::default(),
        }
    }
}

/// An answer before it has its ids.
pub(crate) type Answer = Response<Content>;

/// A refusal of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) cause: Cause,
    pub(crate) text: &'static str,
    /// The rest of the request is not read.
    pub(crate) close: bool,
    /// When it is worth another try.
    pub(crate) after: Option<Dur>,
}

/// An answer in the API's error shape.
pub(crate) fn shaped(status: StatusCode, message: &str, own: &Own<'_>) -> Answer {
    let cause = own.cause;
    let body = own_error_body(type_for_status(status.as_u16()), message, own);
    let mut answer = Response::new(Content::Whole(Some(Bytes::from(body))));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CAUSE, HeaderValue::from_static(cause.id()));
    answer
}

/// The answer to a request that is refused.
pub(crate) fn refused(refusal: Refusal) -> Answer {
    let message = format!("{} (clearline: {})", refusal.text, refusal.cause);
    let own = Own { retry_after: refusal.after, ..Own::of(refusal.cause) };
    let mut answer = shaped(refusal.status, &message, &own);
    if let Some(after) = refusal.after {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.as_secs_ceil()));
    }
    if refusal.close {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// The answer to a call that got none of the upstream.
pub(crate) fn own(error: &CallError) -> Answer {
    let (title, cause) = (error.title(), error.cause);
    let attempts = match error.attempts {
        0 => "without an attempt".to_owned(),
        1 => "after 1 attempt".to_owned(),
        n => format!("after {n} attempts"),
    };
    // What was stopped had not failed at any stage.
    let stage = Some(error.stage).filter(|_| !error.stopped || cause != Cause::GatewayBadGateway);
    let at = stage.map_or_else(String::new, |stage| format!(", at stage {stage}"));
    let message = format!("{title}{} (clearline: {cause}{at}, {attempts})", said(error));
    let known = Own {
        stage,
        attempts: Some(error.attempts),
        retry_after: error.retry_after,
        request_id: error.request_id.as_ref(),
        ..Own::of(error.cause)
    };
    let mut answer = shaped(status_for(error.cause), &message, &known);
    let headers = answer.headers_mut();
    if let Some(after) = error.retry_after.filter(|d| *d != Dur::MAX) {
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs_ceil()));
    }
    if error.no_retry {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    answer
}

/// The most that is quoted of an upstream's words, characters.
const QUOTED: usize = 2_000;

/// The upstream's words, where it told of an error inside a success: its own answer cannot be passed on.
fn said(error: &CallError) -> String {
    let told = matches!(error.stage, Stage::Body | Stage::Stream)
        && matches!(error.cause.row().layer, Layer::Auth | Layer::Request | Layer::Quota | Layer::Server);
    let words: String = error.detail.raw().chars().take(QUOTED).collect();
    if told && !words.is_empty() { format!(": {words}") } else { String::new() }
}

const TIMEOUTS: [Cause; 13] = [
    Cause::DnsSlow,
    Cause::TcpTimeout,
    Cause::TcpFiltered,
    Cause::TlsHandshakeStalled,
    Cause::TlsLargeHelloDropped,
    Cause::ProxyTimeout,
    Cause::ProxyHangs,
    Cause::HttpNoResponse,
    Cause::HttpUploadBlocked,
    Cause::ServerTimeout,
    Cause::ServerSlowFirstByte,
    Cause::StreamStalled,
    Cause::ClientTimeoutTooShort,
];

/// Causes with a status of their own in the API, which clients know by it.
const FINER: [(Cause, u16); 5] = [
    (Cause::QuotaBilling, 402),
    (Cause::AuthForbidden, 403),
    (Cause::RequestModelNotFound, 404),
    (Cause::RequestTooLarge, 413),
    (Cause::ServerOverloaded, 529),
];

/// The status of an own answer.
fn status_for(cause: Cause) -> StatusCode {
    if TIMEOUTS.contains(&cause) {
        return StatusCode::GATEWAY_TIMEOUT;
    }
    if let Some((_, status)) = FINER.iter().find(|(finer, _)| *finer == cause) {
        return StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
    }
    match cause.row().layer {
        Layer::Config | Layer::Clock => StatusCode::INTERNAL_SERVER_ERROR,
        Layer::Auth => StatusCode::UNAUTHORIZED,
        Layer::Request => StatusCode::BAD_REQUEST,
        Layer::Quota => StatusCode::TOO_MANY_REQUESTS,
        Layer::Server | Layer::Client => StatusCode::SERVICE_UNAVAILABLE,
        Layer::Dns
        | Layer::Net
        | Layer::Tcp
        | Layer::Tls
        | Layer::Proxy
        | Layer::Edge
        | Layer::Gateway
        | Layer::Http
        | Layer::Stream
        | Layer::Cloud => StatusCode::BAD_GATEWAY,
    }
}

/// The whole answer, as bytes, to a head that hyper could not parse.
pub(crate) fn unparsable(status: u16) -> Bytes {
    let what = match status {
        414 | 431 => "The request's head is too large for this gateway",
        _ => "The request's head is not valid HTTP/1.1",
    };
    bare(status, Cause::RequestInvalid, what)
}

/// The whole answer to who speaks plain HTTP where TLS is spoken.
pub(crate) fn plain_http() -> Bytes {
    bare(400, Cause::TlsPlainHttp, "This gateway takes calls over TLS: write https:// in the base URL")
}

fn bare(status: u16, cause: Cause, what: &str) -> Bytes {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let message = format!("{what} (clearline: {cause})");
    let body = own_error_body(type_for_status(status), &message, &Own::of(cause));
    let mut out = format!(
        "HTTP/1.1 {code}\r\ncontent-type: application/json\r\n{CAUSE}: {cause}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    out.extend_from_slice(&body);
    Bytes::from(out)
}
