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
    /// The headers that a credential is in, and others that belong to each call.
    key: Result<HeaderMap, Cause>,
    /// Whether it is the API itself, and not a gateway in front of it.
    is_default: bool,
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
        let is_default = set("ANTHROPIC_BASE_URL").is_none();
        Ok(Self { target, proxies, tls, fence, key, is_default, step, call })
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
        let mut conn = self.open().await.map_err(|f| self.unopened(&f))?;
        let answer = self.ask(&mut conn, "/v1/messages", None).await.map_err(|f| missed(Part::Reach, &f))?;
        judge_reach(&answer, self.is_default)?;
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
        judge_key(&answer.map_err(|f| missed(Part::Key, &f))?, self.is_default)
    }

    /// Nobody listens where a base URL leads: that is a matter of the base URL, and not of the API.
    fn unopened(&self, fault: &Fault) -> Miss {
        let is_dead = fault.stage == Stage::Connect && fault.failure == Failure::Refused && !self.is_default;
        let miss = missed(Part::Reach, fault);
        if is_dead { Miss { cause: Cause::ConfigBaseUrlDead, ..miss } } else { miss }
    }

    async fn open(&self) -> Result<Conn, Fault> {
        let target = &self.target;
        let proxy = self.proxies.for_url(target.scheme.word(), &target.host, target.port);
        let route = Route { target, proxy, tls: Arc::clone(&self.tls) };
        let step = self.step;
        let limits = clearline_net::Limits { resolve: step, connect: step, tunnel: step, handshake: step };
        clearline_net::open(&self.fence, route, &[], &limits, &mut |_, _| ()).await
    }

    async fn ask(&self, conn: &mut Conn, path: &str, key: Option<&HeaderMap>) -> Result<Answer, Fault> {
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
        for (name, value) in key.into_iter().flatten() {
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

/// The headers that an SDK would send: its credential, and those that the environment adds to every call.
fn credential(set: &dyn Fn(&str) -> Option<String>) -> Result<HeaderMap, Cause> {
    let own = clearline_doctor::custom_headers(set);
    let mut all = HeaderMap::new();
    let (name, text) = match (set("ANTHROPIC_API_KEY"), set("ANTHROPIC_AUTH_TOKEN")) {
        (Some(key), _) => (HeaderName::from_static("x-api-key"), key),
        (None, Some(token)) => (http::header::AUTHORIZATION, format!("Bearer {token}")),
        (None, None) if clearline_doctor::pays(&own) => return Ok(own),
        (None, None) => return Err(Cause::AuthMissing),
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| Cause::AuthMalformedKey)?;
    value.set_sensitive(true);
    all.insert(name, value);
    all.extend(own);
    Ok(all)
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

/// Statuses by which a gateway says that it does not know a path or method, or wants a key for it: it need not serve more than the
/// call itself.
const UNSERVED: [u16; 4] = [401, 403, 404, 405];

/// `GET /v1/messages` without a key: the API answers 405, or an error of its own, and nothing is spent.
fn judge_reach(answer: &Answer, is_default: bool) -> Result<(), Miss> {
    let is_api = answer.status == 405
        || answer.headers.contains_key("request-id")
        || clearline_wire::is_api_shape(&answer.body)
        || (!is_default && UNSERVED.contains(&answer.status));
    // An overloaded or broken API is reached, and calls fail all the same.
    let is_well = is_api && answer.status < 500 && answer.status != 429;
    if is_well { Ok(()) } else { Err(answer.miss(Part::Reach, answer.failure())) }
}

/// `GET /v1/models` with the key.
fn judge_key(answer: &Answer, is_default: bool) -> Result<(), Miss> {
    let is_list = || {
        let body = serde_json::from_slice::<serde_json::Value>(&answer.body);
        body.is_ok_and(|v| v.get("data").is_some())
    };
    let is_unserved = !is_default && matches!(answer.status, 404 | 405);
    let is_well = is_unserved || ((200..300).contains(&answer.status) && is_list());
    if is_well { Ok(()) } else { Err(answer.miss(Part::Key, answer.failure())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_gateway_need_not_serve_more_than_the_call() {
        for status in [404, 405] {
            let unknown = answer(status, "Cannot GET");
            assert!(judge_reach(&unknown, false).is_ok() && judge_key(&unknown, false).is_ok(), "{status}");
            assert!(judge_key(&unknown, true).is_err(), "{status}");
        }
        assert!(judge_reach(&answer(404, "Cannot GET"), true).is_err());
        // A key that it refuses, and an upstream that it does not reach, are its own words.
        assert!(judge_key(&answer(401, ""), false).is_err() && judge_reach(&answer(502, ""), false).is_err());
    }

    #[test]
    fn a_call_carries_what_the_environment_adds() {
        fn set(own: &[(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
            let own = own.to_vec();
            move |name| own.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        }
        let names = |headers: HeaderMap| {
            let mut names: Vec<_> = headers.keys().map(|n| n.as_str().to_owned()).collect();
            names.sort();
            names
        };
        let both = set(&[("ANTHROPIC_API_KEY", "fake-a"), ("ANTHROPIC_CUSTOM_HEADERS", "x-gw: fake-b")]);
        assert_eq!(names(credential(&both).unwrap()), ["x-api-key", "x-gw"]);
        assert!(credential(&set(&[("ANTHROPIC_CUSTOM_HEADERS", "authorization: fake-c")])).is_ok());
        assert_eq!(credential(&set(&[("ANTHROPIC_CUSTOM_HEADERS", "x-gw: b")])), Err(Cause::AuthMissing));
    }
}
