//! One probe: is the API reached without a key, is the key accepted, and, only where that is asked for, does a call work.

use std::sync::Arc;

use bytes::Bytes;
use clearline::Client;
use clearline_model::{Cause, Dur, Failure, Foreign, Framing, Sent, Stage, classify};
use clearline_net::{ClientConfig, Conn, Fault, Fence, ProxyEnv, Route, SendLimits, Target};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::{BodyExt as _, Full};
use tokio::time::Instant;

use crate::setup;

/// The most of an answer that is read, bytes.
const BODY_MAX: usize = 256 << 10;

/// Which part of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The API answers without a key.
    Reach,
    /// The key is accepted.
    Key,
    /// A call of one token.
    Call,
}

impl Part {
    /// The word that programs see.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Reach => "reach",
            Self::Key => "key",
            Self::Call => "call",
        }
    }
}

/// Why a probe failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Miss {
    /// The cause.
    pub(crate) cause: Cause,
    /// The part that failed.
    pub(crate) part: Part,
    /// What the other side said.
    pub(crate) detail: Foreign,
    /// Its status.
    pub(crate) status: Option<u16>,
    /// Its id of the request.
    pub(crate) request_id: Option<Foreign>,
}

/// What a probe came to.
#[derive(Debug)]
pub(crate) struct Round {
    /// Why it failed.
    pub(crate) failed: Option<Miss>,
    /// How long it took.
    pub(crate) took: Dur,
}

/// What probes need: where to, with what, through what.
pub(crate) struct Prober {
    pub(crate) target: Target,
    proxies: ProxyEnv,
    tls: Arc<ClientConfig>,
    fence: Fence,
    key: Result<(HeaderName, HeaderValue), Cause>,
    /// The longest wait for one step.
    step: Dur,
    /// Makes calls, where that is asked for; and the model that is called.
    call: Option<(Client, String)>,
}

fn missed(part: Part, fault: &Fault) -> Miss {
    Miss { cause: fault.cause(), part, detail: fault.detail.clone(), status: None, request_id: None }
}

impl Prober {
    /// As an official SDK would be set up by the environment. `call` is the model to call, and a client for it.
    ///
    /// # Errors
    ///
    /// What makes any call impossible: a base URL, a proxy, a CA file or a fence that cannot be used.
    pub(crate) fn new(step: Dur, call: Option<(Client, String)>) -> Result<Self, Miss> {
        let set = |name: &str| setup::variable(name).filter(|v| !v.trim().is_empty());
        let refused = |fault: Fault| missed(Part::Reach, &fault);
        let url = set("ANTHROPIC_BASE_URL").unwrap_or_else(|| clearline::DEFAULT_BASE_URL.to_owned());
        let target = Target::parse(&url).map_err(refused)?;
        let proxies = ProxyEnv::from_lookup(&setup::variable).map_err(refused)?;
        let proxy = proxies.for_url(target.scheme.word(), &target.host, target.port);
        let tls = clearline_net::tls_config(&setup::trust(target.is_plain() && proxy.is_none()))
            .map_err(refused)?;
        let is_exposed = clearline_net::is_exposed(&target, proxy);
        let fence = Fence::parse(setup::variable("CLEARLINE_FENCE").as_deref()).map_err(|e| Miss {
            cause: Cause::ConfigSandboxNoEgress,
            part: Part::Reach,
            detail: Foreign::new(&e.to_string()),
            status: None,
            request_id: None,
        })?;
        let key = if is_exposed { Err(Cause::ConfigBaseUrlInsecure) } else { credential(&set) };
        Ok(Self { target, proxies, tls, fence, key, step, call })
    }

    /// Makes one probe.
    pub(crate) async fn round(&self) -> Round {
        let begun = Instant::now();
        let failed = match self.reach_and_key().await {
            Ok(()) => self.call().await.err(),
            Err(miss) => Some(miss),
        };
        Round { failed, took: begun.elapsed().into() }
    }

    async fn reach_and_key(&self) -> Result<(), Miss> {
        // A connection of its own for every probe: what an old one can do says nothing about the way.
        let mut conn = self.open().await.map_err(|f| missed(Part::Reach, &f))?;
        let answer = self.ask(&mut conn, "/v1/messages", None).await.map_err(|f| missed(Part::Reach, &f))?;
        judge_reach(&answer)?;
        let key = self.key.as_ref().map_err(|cause| Miss {
            cause: *cause,
            part: Part::Key,
            detail: Foreign::default(),
            status: None,
            request_id: None,
        })?;
        if !conn.is_usable() {
            conn = self.open().await.map_err(|f| missed(Part::Key, &f))?;
        }
        let answer = self.ask(&mut conn, "/v1/models?limit=1", Some(key)).await;
        judge_key(&answer.map_err(|f| missed(Part::Key, &f))?)
    }

    async fn open(&self) -> Result<Conn, Fault> {
        let target = &self.target;
        let proxy = self.proxies.for_url(target.scheme.word(), &target.host, target.port);
        let route = Route { target, proxy, tls: Arc::clone(&self.tls) };
        let step = self.step;
        let limits = clearline_net::Limits { resolve: step, connect: step, tunnel: step, handshake: step };
        clearline_net::open(&self.fence, route, &[], &limits, &mut |_, _| ()).await
    }

    async fn ask(
        &self,
        conn: &mut Conn,
        path: &str,
        key: Option<&(HeaderName, HeaderValue)>,
    ) -> Result<Answer, Fault> {
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.method_mut() = Method::GET;
        // Target and path are checked, so this parses; where it did not, the server would say so.
        *request.uri_mut() = self.target.path(path).parse().unwrap_or_default();
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::from_str(&self.target.authority()) {
            headers.insert("host", host);
        }
        headers
            .insert("user-agent", HeaderValue::from_static(concat!("clearline/", env!("CARGO_PKG_VERSION"))));
        headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        if let Some((name, value)) = key {
            headers.insert(name.clone(), value.clone());
        }
        let limits = SendLimits { send: self.step, first_byte: self.step.scale(3, 1) };
        let (head, mut body) = conn.send(request, &limits).await?.into_parts();
        let mut all = Vec::new();
        let read = async {
            while let Some(Ok(frame)) = body.frame().await {
                all.extend_from_slice(&frame.into_data().unwrap_or_default());
                if all.len() > BODY_MAX {
                    break;
                }
            }
        };
        // What has come by then is judged.
        let _in_time = tokio::time::timeout(self.step.into(), read).await;
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: all })
    }

    /// One token, where that is asked for: it counts only when it is complete.
    async fn call(&self) -> Result<(), Miss> {
        let Some((client, model)) = &self.call else { return Ok(()) };
        let body = serde_json::json!({
            "model": model, "max_tokens": 1, "stream": true, "messages": [{"role": "user", "content": "Hi"}],
        });
        let miss =
            |cause, detail, status, request_id| Miss { cause, part: Part::Call, detail, status, request_id };
        let reply = client.post_json("/v1/messages", &body).await;
        let reply = reply.map_err(|e| miss(e.cause, e.detail, None, e.request_id))?;
        let (status, id) = (Some(reply.status.as_u16()), clearline_wire::request_id(&reply.headers));
        match (reply.cause, reply.body.collect().await) {
            (None, Ok(_)) => Ok(()),
            (None, Err(broken)) => Err(miss(broken.0, Foreign::default(), status, id)),
            (Some(cause), _) => Err(miss(cause, Foreign::default(), status, id)),
        }
    }
}

/// The credential that an SDK would send.
fn credential(set: &dyn Fn(&str) -> Option<String>) -> Result<(HeaderName, HeaderValue), Cause> {
    let (name, text) = match (set("ANTHROPIC_API_KEY"), set("ANTHROPIC_AUTH_TOKEN")) {
        (Some(key), _) => (HeaderName::from_static("x-api-key"), key),
        (None, Some(token)) => (http::header::AUTHORIZATION, format!("Bearer {token}")),
        (None, None) => return Err(Cause::AuthMissing),
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| Cause::AuthMalformedKey)?;
    value.set_sensitive(true);
    Ok((name, value))
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn miss(&self, part: Part, failure: Failure) -> Miss {
        let error = clearline_wire::parse_error(self.status, &self.headers, &self.body);
        Miss {
            cause: classify(Stage::Head, &failure, Sent::Yes),
            part,
            detail: error.message,
            status: Some(self.status),
            request_id: clearline_wire::request_id(&self.headers),
        }
    }

    fn failure(&self) -> Failure {
        let error = clearline_wire::parse_error(self.status, &self.headers, &self.body);
        match self.status {
            200..=299 => Failure::Framing(Framing::NotMessage),
            300..=399 => Failure::Framing(Framing::Redirect),
            status => Failure::Status(status, error.kind, error.origin),
        }
    }
}

/// `GET /v1/messages` without a key: the API answers 405, or an error of its own, and nothing is spent.
fn judge_reach(answer: &Answer) -> Result<(), Miss> {
    let is_api = answer.status == 405
        || answer.headers.contains_key("request-id")
        || clearline_wire::is_api_shape(&answer.body);
    // An overloaded or broken API is reached, and calls fail all the same.
    let is_well = is_api && answer.status < 500 && answer.status != 429;
    if is_well { Ok(()) } else { Err(answer.miss(Part::Reach, answer.failure())) }
}

/// `GET /v1/models` with the key.
fn judge_key(answer: &Answer) -> Result<(), Miss> {
    let is_list = || {
        let body = serde_json::from_slice::<serde_json::Value>(&answer.body);
        body.is_ok_and(|v| v.get("data").is_some())
    };
    let is_well = (200..300).contains(&answer.status) && is_list();
    if is_well { Ok(()) } else { Err(answer.miss(Part::Key, answer.failure())) }
}
