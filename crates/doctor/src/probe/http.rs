//! Requests: who answers, whether the key may, how much may be sent.

use std::sync::Arc;

use bytes::Bytes;
use clearline_diagnose::Probe;
use clearline_model::{Dur, Fact, Failure, Foreign, Framing, Path, Seen, Sent, Stage};
use clearline_net::{Conn, Fault, Route, Scheme, SendLimits};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use tokio::time::Instant;

use crate::world::{World, wall};

/// The most of an answer that is read, bytes.
pub(super) const BODY_MAX: usize = 256 << 10;
/// The headers that say who answered.
const TELLING: [&str; 12] = [
    "request-id",
    "server",
    "via",
    "cf-ray",
    "cf-mitigated",
    "date",
    "location",
    "content-type",
    "retry-after",
    "x-cache",
    "x-squid-error",
    "proxy-status",
];

/// An answer, read to its end or to [`BODY_MAX`].
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// What went wrong with the body.
    pub(super) broke: Option<Fault>,
}

/// Sends a request and reads its answer.
pub(super) async fn ask(conn: &mut Conn, request: Request<Full<Bytes>>, limit: Dur) -> Result<Answer, Fault> {
    let limits = SendLimits { send: limit, first_byte: limit };
    let response = conn.send(request, &limits).await?;
    let (head, mut incoming) = response.into_parts();
    let (mut body, mut broke) = (Vec::new(), None);
    let announced: Option<usize> =
        head.headers.get("content-length").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    let read = async {
        while let Some(frame) = incoming.frame().await {
            match frame {
                Ok(frame) => body.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Err(_) => return true,
            }
            if body.len() > BODY_MAX {
                return false;
            }
        }
        false
    };
    // What has come by then is judged.
    let is_broken = tokio::time::timeout(limit.into(), read).await.unwrap_or(false);
    if is_broken {
        let short = announced.is_some_and(|n| body.len() < n);
        let failure = if short { Failure::Framing(Framing::Short) } else { Failure::Reset };
        broke = Some(Fault { sent: Sent::Yes, ..Fault::new(Stage::Body, failure) });
    }
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body, broke })
}

/// A request to the target. `None` where a header cannot be written.
pub(super) fn request(
    world: &World,
    method: Method,
    path: &str,
    with_key: bool,
    body: Option<Bytes>,
) -> Option<Request<Full<Bytes>>> {
    let target = &world.target;
    let mut builder = Request::builder()
        .method(method)
        .uri(target.path(path))
        .header("host", target.authority())
        .header("user-agent", concat!("clearline/", env!("CARGO_PKG_VERSION")))
        .header("accept", "application/json")
        .header("anthropic-version", "2023-06-01");
    if body.is_some() {
        builder = builder.header("content-type", "application/json");
    }
    if with_key {
        let mut value = b"Bearer ".to_vec();
        value.extend_from_slice(world.settings.credential.as_ref()?.expose());
        let mut value = http::HeaderValue::from_bytes(&value).ok()?;
        value.set_sensitive(true);
        builder = builder.header("authorization", value);
    }
    let mut request = builder.body(Full::new(body.unwrap_or_default())).ok()?;
    if with_key {
        own_headers(request.headers_mut(), &world.options.headers);
    }
    Some(request)
}

/// The headers of the command line: a value adds or replaces, none leaves out.
fn own_headers(headers: &mut HeaderMap, own: &[(String, Option<String>)]) {
    for (name, value) in own {
        let Ok(name) = http::HeaderName::try_from(name.as_str()) else { continue };
        match value.as_deref().map(http::HeaderValue::from_str) {
            Some(Ok(value)) => drop(headers.insert(name, value)),
            Some(Err(_)) => {}
            None => drop(headers.remove(name)),
        }
    }
}

/// The head of an answer, with the headers that say who answered.
pub(super) fn head(status: u16, headers: &HeaderMap) -> Seen {
    let shown = TELLING
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), Foreign::from_bytes(headers.get(*name)?.as_bytes()))));
    Seen::Head { status, headers: shown.collect() }
}

/// What an error answer says.
pub(super) fn answered(answer: &Answer) -> Failure {
    let error = clearline_wire::parse_error(answer.status, &answer.headers, &answer.body);
    Failure::Status(answer.status, error.kind, error.origin)
}

/// What an answer is at the stage of its head, and the head itself where it failed.
fn facts_of(world: &World, path: &Path, answer: &Answer, saw: Result<Seen, Failure>, took: Dur) -> Vec<Fact> {
    let shown = head(answer.status, &answer.headers);
    let failed = saw.is_err();
    let mut facts = vec![world.fact(path, Stage::Head, saw, (Sent::Yes, took))];
    if failed {
        // Who answered is evidence of its own; no client's path, since it is no step of the call.
        let bare = Path { client: None, ..path.clone() };
        facts.push(world.fact(&bare, Stage::Body, Ok(shown), (Sent::Yes, took)));
    }
    facts.extend(clock(world, &answer.headers));
    facts
}

/// `GET /v1/messages` without a key: the API answers 405 (or an error of its own) and nothing is spent. Says whether the
/// connection outlived it.
pub(super) async fn ask_without_key(
    world: &World,
    path: &Path,
    conn: &mut Conn,
    limit: Dur,
) -> (Vec<Fact>, bool) {
    let Some(request) = request(world, Method::GET, "/v1/messages", false, None) else {
        return (Vec::new(), true);
    };
    let begun = Instant::now();
    match ask(conn, request, limit).await {
        Ok(answer) => {
            let saw = reached(&answer);
            (facts_of(world, path, &answer, saw, begun.elapsed().into()), true)
        }
        // The reference client's own request meets the same, unless it has no key to send; then this is where it ends.
        Err(fault) => {
            let has_key = world.settings.credential.is_some();
            let client = path.client.clone().or_else(|| world.reference_path().client.filter(|_| !has_key));
            let path = Path { client, ..path.clone() };
            (vec![world.fault(&path, &fault, begun.elapsed().into())], false)
        }
    }
}

/// Whether it was the API that answered.
fn reached(answer: &Answer) -> Result<Seen, Failure> {
    let is_api = answer.status == 405
        || answer.headers.contains_key("request-id")
        || clearline_wire::is_api_shape(&answer.body);
    match answer.status {
        _ if is_api => Ok(head(answer.status, &answer.headers)),
        200..=299 => Err(Failure::Framing(Framing::NotMessage)),
        300..=399 => Err(Failure::Framing(Framing::Redirect)),
        _ => Err(answered(answer)),
    }
}

/// `GET /v1/models` with the key; says whether it was answered well.
pub(super) async fn models(world: &World, path: &Path, conn: &mut Conn, limit: Dur) -> (Vec<Fact>, bool) {
    let Some(request) = request(world, Method::GET, "/v1/models?limit=1", true, None) else {
        return (Vec::new(), false);
    };
    let begun = Instant::now();
    match ask(conn, request, limit).await {
        Ok(answer) => {
            let saw = match (answer.status, &answer.broke) {
                (200..=299, Some(fault)) => Err(fault.failure),
                (200..=299, None) if is_list(&answer.body) => Ok(head(answer.status, &answer.headers)),
                (200..=299, None) => Err(Failure::Framing(Framing::NotMessage)),
                (300..=399, _) => Err(Failure::Framing(Framing::Redirect)),
                // A gateway need not know this path; the call itself decides.
                (404 | 405 | 501, _) if !world.goal.is_default => return (Vec::new(), true),
                _ => Err(answered(&answer)),
            };
            let well = saw.is_ok();
            (facts_of(world, path, &answer, saw, begun.elapsed().into()), well)
        }
        Err(fault) => (vec![world.fault(path, &fault, begun.elapsed().into())], false),
    }
}

fn is_list(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|v| v.get("data").is_some())
}

/// The server's clock against this machine's: a fact where they are five minutes or more apart.
pub(super) fn clock(world: &World, headers: &HeaderMap) -> Option<Fact> {
    let date = headers.get("date").and_then(|v| v.to_str().ok()).and_then(clearline_wire::date::http_date)?;
    let apart = (wall().0 - date.0) / 1_000_000;
    (apart.abs() >= 300)
        .then(|| world.said(&Path::default(), Stage::Config, "clock.skew", &apart.to_string()))
}

/// A connection of its own for a probe.
pub(super) async fn open(world: &World, probe: &Probe) -> Result<Conn, Box<Fact>> {
    let begun = Instant::now();
    let wrap = |fault: Fault| Box::new(world.fault(&probe.path, &fault, begun.elapsed().into()));
    let (_, tls) = world.reference_tls().map_err(wrap)?;
    let target = world.target_of(&probe.path);
    let addrs: Vec<_> = world.address_of(&probe.path).into_iter().collect();
    let route = Route { target: &target, proxy: world.proxy_of(&probe.path), tls: Arc::clone(&tls) };
    clearline_net::open(&world.fence, route, &addrs, &World::limits(probe), &mut |_, _| ())
        .await
        .map_err(wrap)
}

/// A request without a credential on a connection of its own.
pub(super) async fn keyless(world: &World, probe: &Probe) -> Vec<Fact> {
    match open(world, probe).await {
        Ok(mut conn) => {
            let path = Path { credential: Some(String::new()), ..probe.path.clone() };
            ask_without_key(world, &path, &mut conn, probe.limit).await.0
        }
        Err(fact) => vec![*fact],
    }
}

/// A request in clear to port 80 (or the path's): who answers, and at what time.
pub(super) async fn plain(world: &World, probe: &Probe) -> Vec<Fact> {
    let begun = Instant::now();
    let mut target = world.target_of(&probe.path);
    target.scheme = Scheme::Http;
    target.port = probe.path.port.unwrap_or(80);
    let addrs: Vec<_> =
        probe.path.address.map(|ip| std::net::SocketAddr::new(ip, target.port)).into_iter().collect();
    let tls = match world.reference_tls() {
        Ok((_, tls)) => tls,
        Err(fault) => return vec![world.fault(&probe.path, &fault, Dur::ZERO)],
    };
    let route = Route { target: &target, proxy: None, tls };
    let path = Path { port: Some(target.port), ..probe.path.clone() };
    let opened =
        clearline_net::open(&world.fence, route, &addrs, &World::limits(probe), &mut |_, _| ()).await;
    let mut conn = match opened {
        Ok(conn) => conn,
        Err(fault) => return vec![world.fault(&path, &fault, begun.elapsed().into())],
    };
    let request = Request::builder().uri("/").header("host", target.authority()).body(Full::default());
    let Ok(request) = request else { return Vec::new() };
    match ask(&mut conn, request, probe.limit).await {
        Ok(answer) => {
            let how = (Sent::Yes, begun.elapsed().into());
            let mut facts =
                vec![world.fact(&path, Stage::Head, Ok(head(answer.status, &answer.headers)), how)];
            let kind = answered(&answer);
            facts.push(world.said(&path, Stage::Head, "plain.answer", &format!("{kind:?}")));
            facts.extend(clock(world, &answer.headers));
            facts
        }
        Err(fault) => vec![world.fault(&path, &fault, begun.elapsed().into())],
    }
}

/// A body of the path's size and no credential: the API refuses it for the credential, what stands before it for the size.
pub(super) async fn upload(world: &World, probe: &Probe) -> Vec<Fact> {
    let mut conn = match open(world, probe).await {
        Ok(conn) => conn,
        Err(fact) => return vec![*fact],
    };
    let size = usize::try_from(probe.path.body.unwrap_or(0)).unwrap_or(0);
    let body = Bytes::from(padded(size));
    let Some(request) = request(world, Method::POST, "/v1/messages", false, Some(body)) else {
        return Vec::new();
    };
    let path = Path { credential: Some(String::new()), ..probe.path.clone() };
    let begun = Instant::now();
    match ask(&mut conn, request, probe.limit).await {
        Ok(answer) => {
            let refused_for_size = matches!(answer.status, 413 | 494);
            let saw = if refused_for_size {
                Err(answered(&answer))
            } else {
                Ok(head(answer.status, &answer.headers))
            };
            vec![world.fact(&path, Stage::Send, saw, (Sent::Yes, begun.elapsed().into()))]
        }
        Err(fault) => {
            vec![world.fact(&path, Stage::Send, Err(fault.failure), (fault.sent, begun.elapsed().into()))]
        }
    }
}

/// A well-formed request of about so many bytes.
fn padded(size: usize) -> String {
    let body = |content: &str| {
        serde_json::json!({
            "model": "claude-haiku-5-5", "max_tokens": 1, "messages": [{"role": "user", "content": content}],
        })
        .to_string()
    };
    let bare = body("").len();
    body(&"a".repeat(size.saturating_sub(bare)))
}
