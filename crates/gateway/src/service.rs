//! One request, from its head to its answer.

use std::hash::{BuildHasher as _, RandomState};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use clearline::{Client, Collect, Reply, ReplyBody, Store};
use clearline_model::{CallerId, Cause, Foreign};
use clearline_wire::headers::retain;
use clearline_wire::{Own, strip_hop_by_hop, without_query};
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming};

use crate::answer::{self, Answer, Body, Content, Refusal};
use crate::guard::{self, Passed};
use crate::http2;
use crate::ids::{Ids, TRACEPARENT, X_REQUEST_ID};
use crate::line::Context;
use crate::quota::{Accounts, Permit};
use crate::readers::{Hold, Readers};
use crate::rules::Rules;
use crate::waiting::{self, Waiting};
use crate::wrap::{Shared, Trick};

/// The largest error body of the upstream that is looked at, bytes; a larger one passes as it is.
const ERROR_MAX: usize = 1 << 20;

const SLOW_BODY: Refusal = Refusal {
    status: StatusCode::REQUEST_TIMEOUT,
    cause: Cause::HttpTruncated,
    text: "The request's body did not arrive in time",
    close: true,
    after: None,
};
const BAD_BODY: Refusal = Refusal {
    status: StatusCode::BAD_REQUEST,
    cause: Cause::RequestInvalid,
    text: "The request's body is not framed as HTTP demands, or it broke off",
    close: true,
    after: None,
};

const NO_ROOM: Refusal = Refusal {
    status: StatusCode::INSUFFICIENT_STORAGE,
    cause: Cause::GatewayBodyLimit,
    text: "The request's body is too large for the memory of this gateway, and its folder for bodies cannot be written to",
    close: true,
    after: None,
};

/// What all requests share.
pub(crate) struct Service {
    pub(crate) rules: RwLock<Arc<Rules>>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) turns: RandomState,
    pub(crate) client: Client,
    pub(crate) readers: Arc<Readers>,
    pub(crate) ids: Ids,
    pub(crate) store: Arc<Store>,
}

/// A request that may be served, and what it is served by.
struct Admitted {
    passed: Passed,
    permit: Option<Permit>,
}

impl Service {
    /// The rules of this moment.
    pub(crate) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Checks a request's head, and takes it from its caller's account.
    fn admit(
        &self,
        rules: &Rules,
        parts: &mut http::request::Parts,
        (context, shared): (&mut Context, &Shared),
        trick: Option<Trick>,
    ) -> Result<Admitted, Refusal> {
        http2::plain(parts)?;
        let passed = rules.guard.check(&parts.method, &parts.uri, &mut parts.headers, trick)?;
        context.path = Foreign::new(without_query(&passed.path));
        context.caller = passed.token.and_then(|t| rules.guard.tokens.get(t)).map(|t| t.alias.clone());
        if !rules.quotas.is_on() {
            return Ok(Admitted { passed, permit: None });
        }
        let caller = context.caller.get_or_insert_with(|| guard::unnamed(&parts.headers, shared.peer));
        let taken = self.accounts.take(&rules.quotas, caller, self.client.now());
        let permit = taken.map_err(|reached| {
            self.readers.metrics.limited(caller, rules.quotas.callers_max);
            guard::over_quota(reached)
        })?;
        Ok(Admitted { passed, permit: Some(permit) })
    }

    /// Who takes turns: callers without tokens are told apart by what they send as a credential, and not stored.
    fn turn_of(&self, credential: Option<&[u8]>) -> u32 {
        let Some(credential) = credential else { return 0 };
        // Beyond the places of all tokens.
        u32::try_from(self.turns.hash_one(credential) >> 33).unwrap_or(0) | 1 << 31
    }

    /// Answers one request.
    pub(crate) async fn serve(
        self: Arc<Self>,
        request: Request<Incoming>,
        shared: Arc<Shared>,
    ) -> Response<Body> {
        let trick = shared.begin();
        // Counts the request from here; the answer's content is put in at the end.
        let answering = Arc::clone(&shared);
        let mut body = Body::new(Content::Whole(None), Arc::clone(&self.readers), shared);
        let (mut parts, incoming) = request.into_parts();
        let is_bare = parts.method == Method::HEAD && parts.version == Version::HTTP_2;
        let ids = self.ids.of(&parts.headers);
        let mut context = Context::new(ids.clone(), parts.method.clone());
        let rules = self.rules();
        let admitted = self.admit(&rules, &mut parts, (&mut context, &answering), trick);
        let result = match admitted {
            Ok(Admitted { passed, permit }) => {
                body.permit = permit;
                self.collect(&rules, incoming).await.map(|bytes| (passed, bytes))
            }
            Err(refusal) => Err(refusal),
        };
        let answer = match result {
            Ok((passed, bytes)) => self.call(parts, passed, bytes, (context, rules.keep_alive)).await,
            Err(refusal) => {
                if refusal == BAD_BODY {
                    answering.broke_off();
                }
                self.readers.refused(&context, refusal.status.as_u16(), refusal.cause);
                answer::refused(refusal)
            }
        };
        let (mut head, content) = answer.into_parts();
        for (name, id) in [X_REQUEST_ID, TRACEPARENT].into_iter().zip(ids) {
            head.headers.insert(name, id);
        }
        body.content = http2::bare(content, is_bare);
        Response::from_parts(head, body)
    }

    /// Reads the whole body, within its bounds.
    async fn collect(&self, rules: &Rules, mut body: Incoming) -> Result<clearline::Body, Refusal> {
        let mut all = Collect::new(&self.store);
        let mut end = None;
        while !body.is_end_stream() {
            let frame = match at_hand(&mut body).await {
                Some(frame) => frame,
                // Only who waits looks at the clock.
                None => {
                    let now = tokio::time::Instant::now();
                    let by = (now + rules.body_timeout).min(*end.get_or_insert(now + rules.body_time));
                    tokio::time::timeout_at(by, body.frame()).await.map_err(|_| SLOW_BODY)?
                }
            };
            let Some(frame) = frame else { break };
            let Ok(data) = frame.map_err(|_| BAD_BODY)?.into_data() else { continue };
            if all.len() + u64::try_from(data.len()).unwrap_or(u64::MAX) > rules.body_max {
                return Err(guard::TOO_LARGE);
            }
            all.push(data).await.map_err(|_| NO_ROOM)?;
        }
        all.finish().await.map_err(|_| NO_ROOM)
    }

    async fn call(
        &self,
        parts: http::request::Parts,
        passed: Passed,
        body: clearline::Body,
        (mut context, keep_alive): (Context, Option<Duration>),
    ) -> Answer {
        let mut headers = parts.headers;
        strip_hop_by_hop(&mut headers);
        if self.readers.log.is_on() {
            context.model = body.peek().model.clone();
        }
        context.bytes_in = body.len();
        let hold = Hold::new(Arc::clone(&self.readers), Arc::new(context));
        let messages = without_query(&passed.path).ends_with("/v1/messages");
        let is_stream = keep_alive.is_some() && messages && body.peek().stream;
        let caller = passed.token.and_then(|t| u32::try_from(t + 1).ok());
        let caller = caller.unwrap_or_else(|| self.turn_of(guard::credential(&headers)));
        let head = parts.method == Method::HEAD;
        let request = clearline::Request {
            method: parts.method,
            path: passed.path,
            headers,
            body,
            caller: CallerId(caller),
        };
        let keep = keep_alive.filter(|_| is_stream);
        let result = match keep {
            None => hold.starting(std::pin::pin!(self.client.call(request))).await,
            Some(every) => {
                let client = self.client.clone();
                let call: waiting::Call = Box::pin(async move { client.call(request).await });
                let mut call: waiting::Call = Box::pin(hold.starting(call));
                match tokio::time::timeout(every, &mut call).await {
                    Ok(result) => result,
                    Err(_) => return opened(Waiting::early(call, every)),
                }
            }
        };
        match (result, keep) {
            (Ok(reply), _) if reply.status.as_u16() >= 400 => Box::pin(failed(reply, head, &hold)).await,
            (Ok(reply), Some(every)) if is_events(&reply.headers) => {
                let body = Content::Kept(Box::new(Waiting::begun(reply.body, every)));
                pass(reply.status, reply.headers, body)
            }
            (Ok(reply), _) => pass(reply.status, reply.headers, Content::Running(reply.body)),
            (Err(error), _) => answer::own(&error),
        }
    }
}

/// The next frame of a body, where it is there already, or the body's end.
async fn at_hand(body: &mut Incoming) -> Option<Option<Result<Frame<Bytes>, hyper::Error>>> {
    std::future::poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(Some(frame)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// A stream that is opened before its answer is there.
fn opened(body: Waiting) -> Answer {
    let mut answer = Response::new(Content::Kept(Box::new(body)));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

/// A stream of events that is not compressed, so that a comment can be put into it.
fn is_events(headers: &HeaderMap) -> bool {
    let events = headers.get(CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"text/event-stream"));
    events && !headers.contains_key(CONTENT_ENCODING)
}

/// An answer of the upstream, unchanged.
fn pass(status: StatusCode, headers: HeaderMap, content: Content) -> Answer {
    let mut answer = Response::new(content);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}

/// An error answer of the upstream: unchanged, but in the API's shape where it is not the API's (law 6).
async fn failed(reply: Reply, head: bool, hold: &Hold) -> Answer {
    let Reply { status, headers, mut body, cause, no_retry, .. } = reply;
    let mut answer = if head {
        pass(status, headers, Content::Running(body))
    } else {
        let bytes = whole(&mut body).await.unwrap_or_default();
        match clearline_wire::decoded(&headers, &bytes, ERROR_MAX) {
            Ok(Some(plain)) if serde_json::from_slice::<serde::de::IgnoredAny>(&plain).is_err() => {
                reshaped(status, headers, cause, &plain, hold)
            }
            // What is not in the encoding that it claims is not the API's either.
            Err(_) => reshaped(status, headers, cause, &bytes, hold),
            Ok(_) => pass(status, headers, Content::Whole(Some(bytes))),
        }
    };
    if no_retry {
        answer.headers_mut().insert(answer::SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    answer
}

/// Keeps the headers and replaces the body; the original goes to the log.
fn reshaped(
    status: StatusCode,
    headers: HeaderMap,
    cause: Option<Cause>,
    original: &[u8],
    hold: &Hold,
) -> Answer {
    // The first text wins; there is only one.
    let _first = hold.context.original.set(Foreign::from_bytes(original)).is_ok();
    let cause = cause.unwrap_or(Cause::EdgeNotTheApi);
    let message = format!("{} (clearline: {cause})", cause.row().title);
    let (head, content) = answer::shaped(status, &message, &Own::of(cause)).into_parts();
    let mut answer = pass(status, headers, content);
    let out = answer.headers_mut();
    retain(out, |name| ![CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING, ETAG].contains(name));
    out.extend(head.headers);
    answer
}

/// The whole body, unless it breaks or is too large.
async fn whole(body: &mut ReplyBody) -> Option<Bytes> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.ok()?.into_data() {
            all.extend_from_slice(&data);
        }
        if all.len() > ERROR_MAX {
            return None;
        }
    }
    Some(all.freeze())
}
