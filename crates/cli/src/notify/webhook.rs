//! A webhook that gets the alert as JSON.

use std::sync::Arc;

use bytes::Bytes;
use clearline_model::Dur;
use clearline_net::{ClientConfig, Fault, Fence, Limits, ProxyEnv, Route, SendLimits, Target};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};

use crate::exit::Failure;
use crate::settings::Settings;
use crate::setup;

/// The most of an answer that is looked at, bytes: chats say there that they did not take it.
const ANSWER_MAX: usize = 4096;

/// Where alerts are posted.
pub(crate) struct Webhook {
    target: Target,
    /// Path and query: with most receivers a secret.
    path: String,
    proxies: ProxyEnv,
    tls: Arc<ClientConfig>,
    fence: Fence,
    timeout: Dur,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("target", &self.shown()).finish_non_exhaustive()
    }
}

/// The target of an address, and its path with the query.
pub(crate) fn parse(url: &str) -> Result<(Target, String), Fault> {
    let url = url.trim();
    let (base, query) = url.split_at_checked(url.find('?').unwrap_or(url.len())).unwrap_or((url, ""));
    let mut target = Target::parse(base)?;
    let path = std::mem::take(&mut target.base_path);
    Ok((target, format!("{}{query}", if path.is_empty() { "/" } else { &path })))
}

impl Webhook {
    /// As the settings want it.
    pub(super) fn of(settings: &Settings, timeout: Dur) -> Result<Option<Self>, Failure> {
        let set = settings.text("alerts.webhook").trim();
        if set.is_empty() {
            return Ok(None);
        }
        let wrong = |why: String| {
            let origin = settings.origin("alerts.webhook");
            Failure::usage(format!("alerts.webhook ({origin}): {why}"))
        };
        let url = if set.starts_with("env:") || set.starts_with("file:") {
            let secret = setup::secret(set).map_err(&wrong)?;
            String::from_utf8_lossy(secret.expose()).into_owned()
        } else {
            set.to_owned()
        };
        let (target, path) = parse(&url).map_err(|f| wrong(f.detail.escaped()))?;
        let fence = Fence::parse(setup::variable("CLEARLINE_FENCE").as_deref()).map_err(Failure::usage)?;
        let proxies = ProxyEnv::from_lookup(&setup::variable).map_err(|f| wrong(f.detail.escaped()))?;
        let proxy = proxies.for_url(target.scheme.word(), &target.host, target.port);
        if clearline_net::is_exposed(&target, proxy) && !settings.flag("alerts.allow_insecure") {
            let text = "the alert would travel over plain http\n  Use https://, or set alerts.allow_insecure = true.";
            return Err(wrong(text.to_owned()));
        }
        let tls = clearline_net::tls_config(&setup::trust(target.is_plain() && proxy.is_none()))
            .map_err(|f| wrong(f.detail.escaped()))?;
        Ok(Some(Self { target, path, proxies, tls, fence, timeout }))
    }

    /// Host and port.
    pub(super) fn shown(&self) -> String {
        self.target.host_port()
    }

    /// Posts a body.
    ///
    /// # Errors
    ///
    /// In words, and without the address, which is a secret.
    pub(super) async fn post(&self, body: String) -> Result<(), String> {
        match tokio::time::timeout(self.timeout.into(), Box::pin(self.exchange(body))).await {
            Ok(done) => done,
            Err(_late) => Err(format!("did not answer within {}", self.timeout)),
        }
    }

    async fn exchange(&self, body: String) -> Result<(), String> {
        let target = &self.target;
        let proxy = self.proxies.for_url(target.scheme.word(), &target.host, target.port);
        let route = Route { target, proxy, tls: Arc::clone(&self.tls) };
        // Beyond the time of the whole, so that it is always that one which is told.
        let (limit, fault) = (self.timeout + self.timeout, |fault: Fault| words(&fault));
        let limits = Limits { resolve: limit, connect: limit, tunnel: limit, handshake: limit };
        let mut conn =
            clearline_net::open(&self.fence, route, &[], &limits, &mut |_, _| ()).await.map_err(fault)?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.path)
            .header("host", target.authority())
            .header("user-agent", concat!("clearline/", env!("CARGO_PKG_VERSION")))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| e.to_string())?;
        let limits = SendLimits { send: limit, first_byte: limit };
        let answer = conn.send(request, &limits).await.map_err(fault)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("answered {}", status.as_u16()));
        }
        // An answer that is longer, or breaks off, is no chat's refusal.
        let bytes = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        bytes.ok().and_then(|b| refusal(&b.to_bytes())).map_or(Ok(()), Err)
    }
}

/// Chats answer 200 and say in the body that they did not take it.
fn refusal(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let code = ["errcode", "code", "StatusCode"].iter().find_map(|name| value.get(name)?.as_i64())?;
    (code != 0).then(|| format!("answered 200 with the error code {code}"))
}

fn words(fault: &Fault) -> String {
    format!("{} ({})", fault.cause().row().title, fault.cause())
}
