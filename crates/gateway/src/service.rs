//! One request, from its head to its answer.

use std::future::poll_fn;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use clearline::{Calling, Client, Collect, Reply, ReplyBody, Store};
use clearline_model::{CallerId, Cause, Foreign};
use clearline_wire::headers::retain;
use clearline_wire::{Own, strip_hop_by_hop};
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming};
use tokio::sync::watch;

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

const STOPPED: Refusal = Refusal {
    status: StatusCode::SERVICE_UNAVAILABLE,
    cause: Cause::GatewayBadGateway,
    text: "The gateway was stopped before the request was there",
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
    /// Nothing more is waited for.
    pub(crate) stopped: watch::Sender<bool>,
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
        context.path = Foreign::new(passed.path.path());
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

    /// Answers one request. What needs no waiting is done before there is a future, which then has no room for it.
    pub(crate) fn serve(
        self: Arc<Self>,
        request: Request<Incoming>,
        shared: Arc<Shared>,
    ) -> impl Future<Output = Response<Body>> + Send {
        let trick = shared.begin();
        let (mut parts, incoming) = request.into_parts();
        let is_bare = parts.method == Method::HEAD && parts.version == Version::HTTP_2;
        let is_old = parts.version == Version::HTTP_10;
        let ids = self.ids.of(&parts.headers);
        let mut context = Context::new(ids, parts.method.clone());
        let rules = self.rules();
        let admitted = self.admit(&rules, &mut parts, (&mut context, &shared), trick);
        let admitted =
            admitted.map(|Admitted { passed, permit }| (Arc::new(self.request(parts, passed)), permit));
        let mut context = Arc::new(context);
        async move {
            // Counts the request from here; the answer's content is put in at the end.
            let content = Content::Whole(None);
            let mut body = Body::new(content, Arc::clone(&self.readers), Arc::clone(&shared));
            let collected = match admitted {
                Ok((request, permit)) => {
                    body.permit = permit;
                    self.collect(&rules, incoming).await.map(|bytes| (request, bytes))
                }
                Err(refusal) => Err(refusal),
            };
            let answer = match collected {
                Ok(asked) => self.call(asked, &mut context, rules.keep_alive).answer().await,
                Err(refusal) => {
                    if refusal == BAD_BODY {
                        shared.broke_off();
                    }
                    self.readers.refused(&context, refusal.status.as_u16(), refusal.cause);
                    answer::refused(refusal)
                }
            };
            let (mut head, content) = answer.into_parts();
            let ids = [(X_REQUEST_ID, &context.x_request_id), (TRACEPARENT, &context.traceparent)];
            for (name, id) in ids {
                head.headers.insert(name, id.clone());
            }
            // It has no chunks. A stream tells of its break in an event, which a reset could overtake.
            if is_old && !is_events(&head.headers) {
                body.shared.ends_bare();
            }
            body.content = http2::bare(content, is_bare);
            Response::from_parts(head, body)
        }
    }

    /// The request as the client takes it, still without its body.
    fn request(&self, parts: http::request::Parts, passed: Passed) -> clearline::Request {
        let mut headers = parts.headers;
        strip_hop_by_hop(&mut headers);
        let caller = passed.token.and_then(|t| u32::try_from(t + 1).ok());
        let caller = caller.unwrap_or_else(|| self.turn_of(guard::credential(&headers)));
        clearline::Request {
            method: parts.method,
            path: passed.path,
            headers,
            body: clearline::Body::default(),
            caller: CallerId(caller),
        }
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
                    let mut stopped = self.stopped.subscribe();
                    let next = poll_fn(|cx| clearline_net::next_frame(&mut body, cx));
                    tokio::select! {
                        biased;
                        in_time = tokio::time::timeout_at(by, next) => in_time.map_err(|_| SLOW_BODY)?,
                        _told = stopped.wait_for(|stopped| *stopped) => return Err(STOPPED),
                    }
                }
            };
            let Some(frame) = frame else { break };
            let Ok(data) = frame.map_err(|_| BAD_BODY)?.into_data() else { continue };
            if all.len() + u64::try_from(data.len()).unwrap_or(u64::MAX) > rules.body_max {
                return Err(guard::TOO_LARGE);
            }
            if !all.push(data) {
                // In a box: most bodies are small, and have no room for it.
                Box::pin(all.write()).await.map_err(|_| NO_ROOM)?;
            }
        }
        match all.whole() {
            Ok(body) => Ok(body),
            Err(spilled) => Box::pin(spilled.finish()).await.map_err(|_| NO_ROOM),
        }
    }

    /// Starts the call of a request that is whole.
    fn call(
        &self,
        (mut request, body): (Arc<clearline::Request>, clearline::Body),
        context: &mut Arc<Context>,
        keep_alive: Option<Duration>,
    ) -> Called {
        // Nobody else knows of either before the call has started, so that nothing is copied.
        Arc::make_mut(&mut request).body = body;
        if let Some(context) = Arc::get_mut(context) {
            context.bytes_in = request.body.len();
            if self.readers.log.is_on() {
                context.model = request.body.peek().model.clone();
            }
        }
        let hold = Hold::new(Arc::clone(&self.readers), Arc::clone(context));
        let messages = || request.path.path().ends_with("/v1/messages");
        let keep = keep_alive.filter(|_| messages() && request.body.peek().stream);
        let head = request.method == Method::HEAD;
        let calling = hold.starting(|| self.client.start(request));
        Called { calling, hold, head, keep }
    }
}

/// A call that has begun, and how it is answered.
struct Called {
    calling: Calling,
    hold: Hold,
    /// The answer has no body.
    head: bool,
    /// How often its stream is kept alive.
    keep: Option<Duration>,
}

impl Called {
    async fn answer(self) -> Answer {
        let Self { calling, hold, head, keep } = self;
        // In boxes: most calls are not kept alive and do not fail, and have no room for it.
        if let Some(every) = keep {
            return Box::pin(kept(calling, every, (head, hold))).await;
        }
        match calling.await {
            Ok(reply) if reply.status.as_u16() >= 400 => Box::pin(failed(reply, head, &hold)).await,
            Ok(reply) => pass(reply.status, reply.headers, Content::Running(reply.body)),
            Err(error) => answer::own(&error),
        }
    }
}

/// The answer of a call whose stream is kept alive.
async fn kept(calling: Calling, every: Duration, (head, hold): (bool, Hold)) -> Answer {
    let mut call: waiting::Call = Box::pin(calling);
    let Ok(result) = tokio::time::timeout(every, &mut call).await else {
        return opened(Waiting::early(call, every));
    };
    match result {
        Ok(reply) if reply.status.as_u16() >= 400 => failed(reply, head, &hold).await,
        Ok(reply) if is_events(&reply.headers) => {
            let body = Content::Kept(Box::new(Waiting::begun(reply.body, every)));
            pass(reply.status, reply.headers, body)
        }
        Ok(reply) => pass(reply.status, reply.headers, Content::Running(reply.body)),
        Err(error) => answer::own(&error),
    }
}

/// The next frame of a body, where it is there already, or the body's end.
async fn at_hand(body: &mut Incoming) -> Option<Option<Result<Frame<Bytes>, hyper::Error>>> {
    poll_fn(|cx| match clearline_net::next_frame(body, cx) {
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
