//! The probes: the reference client's call, stage by stage, and the control experiments that its end calls for.

use std::net::SocketAddr;
use std::path::{Path as File, PathBuf};
use std::sync::Arc;

use clearline_diagnose::REFERENCE;
use clearline_model::{
    Dur, Fact, FactId, Failure, Foreign, Framing, Mono, Path, ProbeId, Route, Seen, Sent, Source, Stage,
    StreamEnd, Trust,
};
use clearline_net::{ClientConfig, Conn, Fault, Fence, Proxy, SendLimits, Target, TrustSettings};
use clearline_wire::Watch;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use tokio::time::Instant;

use super::collect::Goal;

/// Where the system keeps its roots, on the distributions of today.
const STORES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// The most of an answer that is read, bytes.
const BODY_MAX: usize = 256 << 10;
/// The most addresses that are tried each for itself.
const ADDRESSES_MAX: usize = 6;

/// What the doctor may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits<'a> {
    /// Nobody but the target is contacted.
    pub(crate) only_target: bool,
    /// No call that spends tokens.
    pub(crate) no_call: bool,
    /// The longest wait for a connection, a handshake and a head.
    pub(crate) step: Dur,
    /// The model that is called.
    pub(crate) model: &'a str,
}

/// Runs the probes and appends what they saw. `on` hears what is being done.
pub(crate) async fn run(
    goal: &Goal,
    fence: &Fence,
    limits: Limits<'_>,
    on: &(dyn Fn(&str) + Sync),
) -> Vec<Fact> {
    let mut doctor = Doctor { goal, fence, limits, begun: Instant::now(), facts: Vec::new(), probe: 0 };
    doctor.examine(on).await;
    doctor.facts
}

struct Doctor<'a> {
    goal: &'a Goal,
    fence: &'a Fence,
    limits: Limits<'a>,
    begun: Instant,
    facts: Vec<Fact>,
    probe: u32,
}

/// A way to the target.
#[derive(Clone)]
struct Way<'a> {
    proxy: Option<&'a Proxy>,
    trust: Trust,
    tls: Arc<ClientConfig>,
    client: Option<&'static str>,
}

impl<'a> Doctor<'a> {
    async fn examine(&mut self, on: &(dyn Fn(&str) + Sync)) {
        let goal = self.goal;
        let (trust, settings) = reference_trust(goal);
        let tls = match clearline_net::tls_config(&settings) {
            Ok(tls) => tls,
            Err(fault) => return self.fault(&self.path(None, None, Some(REFERENCE)), &fault),
        };
        let way = Way { proxy: goal.proxy(), trust, tls, client: Some(REFERENCE) };
        on("connecting");
        let conn = self.open(&way, &[]).await;
        let ended_at = self.facts.iter().rev().find_map(|f| f.saw.is_err().then_some(f.stage));
        match conn {
            Some(conn) => {
                on("asking without a key");
                self.keyless(conn, &way).await;
                on("asking with the key");
                if self.authenticated(&way).await && !self.limits.no_call {
                    on("a call of one token");
                    self.call(&way).await;
                }
                on("every address");
                self.addresses(&way).await;
            }
            None => {
                on("control experiments");
                self.controls(&way, ended_at).await;
            }
        }
        self.other_clients(&way).await;
    }

    fn path(&self, proxy: Option<&Proxy>, trust: Option<&Trust>, client: Option<&str>) -> Path {
        let target = &self.goal.target;
        let route = proxy
            .map_or(Route::Direct, |p| Route::Proxy(format!("{}://{}:{}", p.scheme(), p.host(), p.port())));
        Path {
            host: target.host.clone(),
            route: Some(route),
            trust: trust.filter(|_| !target.is_plain()).cloned(),
            client: client.map(str::to_owned),
            ..Path::default()
        }
    }

    fn push(&mut self, path: Path, stage: Stage, saw: Result<Seen, Failure>, how: (Sent, Dur)) {
        let at = Mono(u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX));
        let from = Source::Probe(ProbeId(self.probe));
        self.facts.push(Fact { id: FactId(0), from, path, stage, saw, sent: how.0, at, took: how.1 });
    }

    fn fault(&mut self, path: &Path, fault: &Fault) {
        self.push(path.clone(), fault.stage, Err(fault.failure), (fault.sent, Dur::ZERO));
    }

    /// Opens a connection and notes every stage on the way.
    async fn open(&mut self, way: &Way<'a>, addrs: &[SocketAddr]) -> Option<Conn> {
        self.probe += 1;
        let target = &self.goal.target;
        let path = self.path(way.proxy, Some(&way.trust), way.client);
        if addrs.is_empty() && way.proxy.is_none() {
            let begun = Instant::now();
            match clearline_net::resolve(self.fence, &target.host, target.port, self.limits.step).await {
                Ok(found) => {
                    let seen = Seen::Addresses(found.iter().map(SocketAddr::ip).collect());
                    self.push(path.clone(), Stage::Resolve, Ok(seen), (Sent::No, begun.elapsed().into()));
                }
                Err(fault) => {
                    self.fault(&path, &fault);
                    return None;
                }
            }
        }
        let step = self.limits.step;
        let limits = clearline_net::Limits { resolve: step, connect: step, tunnel: step, handshake: step };
        let route = clearline_net::Route { target, proxy: way.proxy, tls: Arc::clone(&way.tls) };
        let mut stages = Vec::new();
        let opened = {
            let mut on = |stage: Stage, took: Dur| stages.push((stage, took));
            clearline_net::open(self.fence, route, addrs, &limits, &mut on).await
        };
        for (stage, took) in stages {
            let seen = match stage {
                Stage::Connect => Seen::Connected,
                Stage::Tunnel => Seen::Tunnelled(200),
                Stage::Handshake => Seen::Handshake { version: 13, alpn: None, issuer: Foreign::default() },
                Stage::Config | Stage::Resolve | Stage::Send | Stage::Head | Stage::Body | Stage::Stream => {
                    continue;
                }
            };
            self.push(path.clone(), stage, Ok(seen), (Sent::No, took));
        }
        match opened {
            Ok(conn) => Some(conn),
            Err(fault) => {
                self.fault(&path, &fault);
                None
            }
        }
    }

    /// A request, its head and the beginning of its body.
    async fn ask(
        &self,
        conn: &mut Conn,
        request: Request<Full<bytes::Bytes>>,
    ) -> Result<(u16, HeaderMap, Vec<u8>), Fault> {
        let limits = SendLimits { send: self.limits.step, first_byte: self.limits.step.scale(3, 1) };
        let response = conn.send(request, &limits).await?;
        let (head, mut body) = response.into_parts();
        let mut all = Vec::new();
        let read = async {
            while let Some(Ok(frame)) = body.frame().await {
                if let Ok(data) = frame.into_data() {
                    all.extend_from_slice(&data);
                }
                if all.len() > BODY_MAX {
                    break;
                }
            }
        };
        // What has come by then is judged.
        let _in_time = tokio::time::timeout(self.limits.step.scale(3, 1).into(), read).await;
        Ok((head.status.as_u16(), head.headers, all))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        with_key: bool,
        body: &str,
    ) -> Option<Request<Full<bytes::Bytes>>> {
        let target = &self.goal.target;
        let mut builder = Request::builder()
            .method(method)
            .uri(target.path(path))
            .header("host", target.authority())
            .header("user-agent", concat!("clearline/", env!("CARGO_PKG_VERSION")))
            .header("anthropic-version", "2023-06-01");
        if !body.is_empty() {
            builder = builder.header("content-type", "application/json");
        }
        if with_key {
            let mut value = b"Bearer ".to_vec();
            value.extend_from_slice(self.goal.credential.as_ref()?.expose());
            let mut value = http::HeaderValue::from_bytes(&value).ok()?;
            value.set_sensitive(true);
            builder = builder.header("authorization", value);
        }
        builder.body(Full::new(bytes::Bytes::from(body.to_owned()))).ok()
    }

    /// `GET /v1/messages` without a key: the API answers 405 (or an error of its own) and nothing is spent.
    async fn keyless(&mut self, mut conn: Conn, way: &Way<'a>) {
        let path = Path { credential: Some(String::new()), ..self.path(way.proxy, Some(&way.trust), None) };
        let Some(request) = self.request(Method::GET, "/v1/messages", false, "") else { return };
        let begun = Instant::now();
        match self.ask(&mut conn, request).await {
            Ok((status, headers, body)) => {
                self.clock(&headers);
                let is_api = status == 405
                    || headers.contains_key("request-id")
                    || clearline_wire::is_api_shape(&body);
                let saw = match status {
                    _ if is_api => Ok(head(status, &headers)),
                    200..=299 => Err(Failure::Framing(Framing::NotMessage)),
                    300..=399 => Err(Failure::Framing(Framing::Redirect)),
                    _ => Err(answered(status, &headers, &body)),
                };
                self.push(path, Stage::Head, saw, (Sent::Yes, begun.elapsed().into()));
            }
            Err(fault) => {
                // The reference client's own request meets the same; it is told there.
                self.push(path, fault.stage, Err(fault.failure), (fault.sent, begun.elapsed().into()));
            }
        }
    }

    /// The server's clock against this machine's, to five minutes.
    fn clock(&mut self, headers: &HeaderMap) {
        let date =
            headers.get("date").and_then(|v| v.to_str().ok()).and_then(clearline_wire::date::http_date);
        let now = jiff::Timestamp::now().as_microsecond();
        let Some(date) = date else { return };
        let apart = (date.0 - now).abs() / 1_000_000;
        if apart > 300 {
            let saw = Ok(Seen::State("clock.skew".to_owned(), Foreign::new(&apart.to_string())));
            let fact = Fact {
                id: FactId(0),
                from: Source::Host,
                path: Path::default(),
                stage: Stage::Config,
                saw,
                sent: Sent::No,
                at: Mono(0),
                took: Dur::ZERO,
            };
            self.facts.push(fact);
        }
    }

    /// `GET /v1/models` with the key; says whether it was answered well.
    async fn authenticated(&mut self, way: &Way<'a>) -> bool {
        let Some(request) = self.request(Method::GET, "/v1/models?limit=1", true, "") else { return false };
        let Some(mut conn) = self.again(way).await else { return false };
        let path = self.with_key(way);
        let begun = Instant::now();
        let (saw, sent) = match self.ask(&mut conn, request).await {
            Ok((status @ 200..=299, headers, body)) => {
                let is_json =
                    serde_json::from_slice::<serde_json::Value>(&body).is_ok_and(|v| v.get("data").is_some());
                (
                    if is_json {
                        Ok(head(status, &headers))
                    } else {
                        Err(Failure::Framing(Framing::NotMessage))
                    },
                    Sent::Yes,
                )
            }
            Ok((300..=399, ..)) => (Err(Failure::Framing(Framing::Redirect)), Sent::Yes),
            Ok((status, headers, body)) => (Err(answered(status, &headers, &body)), Sent::Yes),
            Err(fault) => {
                self.push(path, fault.stage, Err(fault.failure), (fault.sent, begun.elapsed().into()));
                return false;
            }
        };
        let well = saw.is_ok();
        self.push(path, Stage::Head, saw, (sent, begun.elapsed().into()));
        well
    }

    fn with_key(&self, way: &Way<'a>) -> Path {
        Path { credential: Some("key".to_owned()), ..self.path(way.proxy, Some(&way.trust), way.client) }
    }

    /// A new connection on a way that worked; a failure now is one of the reference call.
    async fn again(&mut self, way: &Way<'a>) -> Option<Conn> {
        let step = self.limits.step;
        let limits = clearline_net::Limits { resolve: step, connect: step, tunnel: step, handshake: step };
        let route =
            clearline_net::Route { target: &self.goal.target, proxy: way.proxy, tls: Arc::clone(&way.tls) };
        match clearline_net::open(self.fence, route, &[], &limits, &mut |_, _| ()).await {
            Ok(conn) => Some(conn),
            Err(fault) => {
                self.fault(&self.path(way.proxy, Some(&way.trust), way.client), &fault);
                None
            }
        }
    }

    /// One token, streamed: complete only with `message_stop`.
    async fn call(&mut self, way: &Way<'a>) {
        let body = serde_json::json!({
            "model": self.limits.model, "max_tokens": 1, "stream": true,
            "messages": [{"role": "user", "content": "Hi"}],
        });
        let Some(request) = self.request(Method::POST, "/v1/messages", true, &body.to_string()) else {
            return;
        };
        let Some(mut conn) = self.again(way).await else { return };
        let path = self.with_key(way);
        let begun = Instant::now();
        let limits = SendLimits { send: self.limits.step, first_byte: self.limits.step.scale(4, 1) };
        let response = match conn.send(request, &limits).await {
            Ok(response) => response,
            Err(fault) => {
                return self.push(
                    path,
                    fault.stage,
                    Err(fault.failure),
                    (fault.sent, begun.elapsed().into()),
                );
            }
        };
        let (stage, saw) = self.judged(response, conn).await;
        self.push(path, stage, saw, (Sent::Yes, begun.elapsed().into()));
    }

    /// What became of the stream.
    async fn judged(
        &self,
        response: http::Response<clearline_net::Incoming>,
        conn: Conn,
    ) -> (Stage, Result<Seen, Failure>) {
        let (head, incoming) = response.into_parts();
        let status = head.status.as_u16();
        let kind = head
            .headers
            .get("content-type")
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
            .to_ascii_lowercase();
        let is_stream = kind.starts_with("text/event-stream");
        let mut body = clearline_net::Body::new(incoming, conn, None);
        let (mut watch, mut marks, mut all) = (Watch::new(), Vec::new(), Vec::new());
        let read = async {
            while let Some(frame) = body.frame().await {
                let data = frame.map_err(|fault| fault.failure)?.into_data().unwrap_or_default();
                watch.push(&data, &mut marks);
                if all.len() < BODY_MAX {
                    all.extend_from_slice(&data);
                }
                if watch.complete() {
                    break;
                }
            }
            Ok::<(), Failure>(())
        };
        let read = tokio::time::timeout(self.limits.step.scale(4, 1).into(), read).await;
        if status >= 400 {
            return (Stage::Head, Err(answered(status, &head.headers, &all)));
        }
        if !is_stream {
            return (
                Stage::Body,
                Err(Failure::Framing(if all.is_empty() {
                    Framing::Empty
                } else {
                    Framing::WrongContentType
                })),
            );
        }
        match read {
            Err(_silent) => (Stage::Stream, Err(Failure::TimedOut(clearline_model::Limit::Idle))),
            Ok(Err(Failure::Reset)) => (Stage::Stream, Err(Failure::Ended(StreamEnd::Reset))),
            Ok(Err(_)) => (Stage::Stream, Err(Failure::Ended(StreamEnd::Cut))),
            Ok(Ok(())) => match watch.end(true) {
                None => (Stage::Stream, Ok(Seen::Complete)),
                Some(end) => (Stage::Stream, Err(Failure::Ended(end))),
            },
        }
    }

    /// Every address for itself: one that is dead, or a family, hides behind the others.
    async fn addresses(&mut self, way: &Way<'a>) {
        if way.proxy.is_some() {
            return;
        }
        let found = self.facts.iter().find_map(|f| match &f.saw {
            Ok(Seen::Addresses(all)) if f.path.client.is_some() => Some(all.clone()),
            Ok(_) | Err(_) => None,
        });
        let found = found.unwrap_or_default();
        if found.len() < 2 {
            return;
        }
        self.probe += 1;
        for ip in found.into_iter().take(ADDRESSES_MAX) {
            let addr = SocketAddr::new(ip, self.goal.target.port);
            let begun = Instant::now();
            let saw = clearline_net::connect(self.fence, &[addr], self.limits.step).await;
            let saw = saw.map(|_| Seen::Connected).map_err(|fault| fault.failure);
            let family = Some(if ip.is_ipv4() { 4 } else { 6 });
            let path = Path { family, address: Some(ip), ..self.path(None, None, None) };
            self.push(path, Stage::Connect, saw, (Sent::No, begun.elapsed().into()));
        }
    }

    /// What tells look-alikes apart where the reference call does not reach the API.
    async fn controls(&mut self, way: &Way<'a>, ended_at: Option<Stage>) {
        match ended_at {
            Some(Stage::Tunnel) if !self.limits.only_target => {
                let direct = Way { proxy: None, client: None, ..way.clone() };
                if let Some(conn) = self.open(&direct, &[]).await {
                    self.keyless(conn, &direct).await;
                }
            }
            Some(Stage::Resolve) if !self.goal.is_default && !self.limits.only_target => {
                self.default_name().await
            }
            Some(Stage::Handshake) => {
                for (trust, settings) in stores(self.goal) {
                    if trust == way.trust {
                        continue;
                    }
                    let Ok(tls) = clearline_net::tls_config(&settings) else { continue };
                    let other = Way { trust, tls, client: None, proxy: way.proxy };
                    drop(self.open(&other, &[]).await);
                }
            }
            Some(_) | None => {}
        }
    }

    /// Whether the API's own name is found, where another one is configured.
    async fn default_name(&mut self) {
        let Ok(default) = Target::parse(clearline::DEFAULT_BASE_URL) else { return };
        self.probe += 1;
        let trust = self.facts.first().and_then(|f| f.path.trust.clone());
        let path = Path { host: default.host.clone(), trust, ..self.path(None, None, None) };
        let begun = Instant::now();
        let saw = clearline_net::resolve(self.fence, &default.host, default.port, self.limits.step).await;
        let saw = saw
            .map(|found| Seen::Addresses(found.iter().map(SocketAddr::ip).collect()))
            .map_err(|f| f.failure);
        self.push(path, Stage::Resolve, saw, (Sent::No, begun.elapsed().into()));
    }

    /// Clients whose own settings are present: today Node's additional CA file.
    async fn other_clients(&mut self, way: &Way<'a>) {
        let passed = self
            .facts
            .iter()
            .any(|f| f.stage == Stage::Handshake && f.saw.is_ok() && f.path.client.is_some());
        let Some(extra) = self.goal.extra_ca.clone().filter(|_| passed) else { return };
        let settings = TrustSettings {
            only: None,
            extra: vec![extra.clone()],
            public_roots: self.goal.public_roots.clone(),
            system: false,
        };
        let trust = Trust::File(extra.display().to_string());
        match clearline_net::tls_config(&settings) {
            Ok(tls) => {
                let node = Way { trust, tls, client: Some("node"), proxy: way.proxy };
                drop(self.open(&node, &[]).await);
            }
            Err(fault) => self.fault(&self.path(way.proxy, Some(&trust), Some("node")), &fault),
        }
    }
}

/// What an error answer says.
fn answered(status: u16, headers: &HeaderMap, body: &[u8]) -> Failure {
    let error = clearline_wire::parse_error(status, headers, body);
    Failure::Status(status, error.kind, error.origin)
}

/// The head of an answer, with the headers that say who answered.
fn head(status: u16, headers: &HeaderMap) -> Seen {
    const NAMES: [&str; 5] = ["request-id", "server", "via", "cf-ray", "date"];
    let shown = NAMES
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), Foreign::from_bytes(headers.get(*name)?.as_bytes()))));
    Seen::Head { status, headers: shown.collect() }
}

/// The roots that the reference client trusts.
fn reference_trust(goal: &Goal) -> (Trust, TrustSettings) {
    let settings = TrustSettings { public_roots: goal.public_roots.clone(), ..TrustSettings::default() };
    match &goal.ca_file {
        Some(file) => {
            (Trust::File(file.display().to_string()), TrustSettings { only: Some(file.clone()), ..settings })
        }
        None => (Trust::System, settings),
    }
}

/// The stores to compare: the system's, and what the world trusts.
fn stores(goal: &Goal) -> Vec<(Trust, TrustSettings)> {
    let own =
        TrustSettings { public_roots: goal.public_roots.clone(), system: false, ..TrustSettings::default() };
    let mut all = vec![(Trust::Public, own.clone())];
    if let Some(file) = STORES.iter().map(PathBuf::from).find(|f| File::new(f).is_file()) {
        all.push((Trust::System, TrustSettings { only: Some(file), ..own }));
    }
    all
}
