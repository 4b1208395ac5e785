//! Requests: who answers, whether the key may, how much may be sent.

use std::sync::Arc;

use bytes::Bytes;
use clearline_diagnose::Probe;
use clearline_model::{Dur, ErrorKind, Fact, Failure, Foreign, Framing, Origin, Path, Seen, Sent, Stage};
use clearline_net::{Conn, Fault, Route, Scheme, SendLimits, Target};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use tokio::time::Instant;

use crate::world::{World, wall};

/// The most of an answer that is read, bytes.
pub(super) const BODY_MAX: usize = 256 << 10;
/// What a gateway of ours marks its own answers with, which are in the API's form.
const OWN_CAUSE: &str = "clearline-cause";
/// The headers that say who answered.
const TELLING: [&str; 15] = [
    "request-id",
    OWN_CAUSE,
    "server",
    "via",
    "cf-ray",
    "cf-mitigated",
    "date",
    "location",
    "content-encoding",
    "allow",
    "content-type",
    "retry-after",
    "x-cache",
    "x-squid-error",
    "proxy-status",
];

/// Families of such headers: limits, and what Envoy adds.
const TELLING_FAMILIES: [&str; 3] = ["anthropic-ratelimit-", "x-ratelimit-", "x-envoy-"];

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

/// How long a gateway may hold a question, and a call, seconds: less than each is waited for.
const HOLD: &str = "4";
const HOLD_CALL: &str = "9";

/// A request to the target. `None` where a header cannot be written.
pub(super) fn request(
    world: &World,
    method: Method,
    path: &str,
    with_key: bool,
    body: Option<Bytes>,
) -> Option<Request<Full<Bytes>>> {
    let target = &world.target;
    // A gateway that would hold the call longer answers in time with what it knows.
    let hold = if method == Method::POST { HOLD_CALL } else { HOLD };
    let mut builder = Request::builder()
        .method(method)
        .uri(target.path(path))
        .header("host", target.authority())
        .header("user-agent", concat!("clearline/", env!("CARGO_PKG_VERSION")))
        .header("accept", "application/json")
        .header("anthropic-version", "2023-06-01")
        .header("x-stainless-timeout", hold);
    if body.is_some() {
        builder = builder.header("content-type", "application/json");
    }
    if let Some(credential) = world.settings.credential.as_ref().filter(|_| with_key) {
        let mut value = b"Bearer ".to_vec();
        value.extend_from_slice(credential.expose());
        let mut value = http::HeaderValue::from_bytes(&value).ok()?;
        value.set_sensitive(true);
        builder = builder.header("authorization", value);
    }
    let mut request = builder.body(Full::new(body.unwrap_or_default())).ok()?;
    if with_key {
        // As the SDKs do: they stand in the place of what would be sent otherwise.
        let own = &world.settings.headers;
        own.iter().for_each(|(name, value)| drop(request.headers_mut().insert(name, value.clone())));
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
    let shown = |name: &str| Some((name.to_owned(), Foreign::from_bytes(headers.get(name)?.as_bytes())));
    let families = headers.keys().map(http::HeaderName::as_str);
    let families = families.filter(|n| TELLING_FAMILIES.iter().any(|family| n.starts_with(family)));
    let names = TELLING.into_iter().chain(families).take(32);
    Seen::Head { status, headers: names.filter_map(shown).collect() }
}

/// What an answer that is no success says.
pub(super) fn answered(answer: &Answer) -> Failure {
    let error = clearline_wire::parse_error(answer.status, &answer.headers, &answer.body);
    let is_ours = answer.headers.contains_key(OWN_CAUSE);
    Failure::Status(answer.status, error.kind, if is_ours { Origin::Gateway } else { error.origin })
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
    let says = answer.headers.get(OWN_CAUSE).and_then(|v| v.to_str().ok());
    let bare = Path { client: None, ..path.clone() };
    facts.extend(says.map(|cause| world.said(&bare, Stage::Head, "gateway.cause", cause)));
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
    let own = world.target.path("/v1/messages");
    let Some(request) = request(world, Method::GET, "/v1/messages", false, None) else {
        return (Vec::new(), true);
    };
    let begun = Instant::now();
    match ask(conn, request, limit).await {
        Ok(answer) => {
            let mut facts = facts_of(world, path, &answer, reached(&answer), begun.elapsed().into());
            facts.extend(redirected(world, path, (answer.status, &answer.headers), &own));
            (facts, answer.broke.is_none())
        }
        // The reference client's own request meets the same, unless it has no key to send; then this is where it ends.
        Err(fault) => {
            let has_key = world.settings.has_credential();
            let client = path.client.clone().or_else(|| world.reference_path().client.filter(|_| !has_key));
            let path = Path { client, ..path.clone() };
            (vec![world.fault(&path, &fault, begun.elapsed().into())], false)
        }
    }
}

/// Where a redirect leads: back to itself, to another path of the target, to the same place over TLS, or elsewhere; and whether
/// clients repeat the call as it is there (RFC 9110 sections 15.4.8 and 15.4.9). None is followed: a credential would go with it.
pub(super) fn redirected(
    world: &World,
    path: &Path,
    (status, headers): (u16, &HeaderMap),
    own: &str,
) -> Vec<Fact> {
    let Some(word) = leads(&world.target, (status, headers), own) else { return Vec::new() };
    let path = Path { client: None, ..path.clone() };
    let mut facts = vec![world.said(&path, Stage::Head, "redirect", word)];
    if matches!(status, 307 | 308) && word != "itself" {
        facts.push(world.said(&path, Stage::Head, "redirect.kept", &status.to_string()));
    }
    facts
}

/// The same in a word.
fn leads(target: &Target, (status, headers): (u16, &HeaderMap), own: &str) -> Option<&'static str> {
    let location = headers.get("location").filter(|_| (300..400).contains(&status))?.to_str().ok()?;
    Some(match location.parse::<http::Uri>().ok()? {
        to if to.authority().is_none() && to.path_and_query().is_some_and(|p| p == own) => "itself",
        to if to.authority().is_none() => "another-path",
        to => {
            let same_host = to.host().is_some_and(|h| h.eq_ignore_ascii_case(&target.host));
            let default = if to.scheme_str() == Some("http") { 80 } else { 443 };
            let same_port = to.port_u16().unwrap_or(default) == target.port;
            let same_path = to.path_and_query().is_some_and(|p| p == own);
            match (same_host, same_port && to.scheme_str() == Some(target.scheme.word()), same_path) {
                (true, true, true) => "itself",
                (true, true, false) => "another-path",
                (true, false, _) => "another-scheme",
                (false, ..) => "elsewhere",
            }
        }
    })
}

/// Whether it was the API that answered.
pub(super) fn reached(answer: &Answer) -> Result<Seen, Failure> {
    let is_api = answer.status == 405
        || answer.headers.contains_key("request-id")
        || (clearline_wire::is_api_shape(&answer.body) && !answer.headers.contains_key(OWN_CAUSE));
    match answer.status {
        _ if is_api => Ok(head(answer.status, &answer.headers)),
        200..=399 => Err(no_answer(answer)),
        _ => Err(answered(answer)),
    }
}

/// What an answer is whose status says that all is well, or that it lies elsewhere, and that is nothing of the API's: a page
/// that says who sent it, or another thing.
pub(super) fn no_answer(answer: &Answer) -> Failure {
    let says = answered(answer);
    if matches!(says, Failure::Status(_, kind, _) if is_page(kind)) {
        return says;
    }
    let framing = if (300..400).contains(&answer.status) {
        Framing::Redirect
    } else if answer.body.trim_ascii().is_empty() {
        Framing::Empty
    } else if is_misnamed(&answer.headers, &answer.body) {
        Framing::Encoding
    } else {
        Framing::NotMessage
    };
    Failure::Framing(framing)
}

/// Kinds that a page is known by, whatever its status.
const fn is_page(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Region
            | ErrorKind::Challenge
            | ErrorKind::Blocked
            | ErrorKind::Portal
            | ErrorKind::WebFilter
            | ErrorKind::Mesh
    )
}

/// Whether a body is not in the encoding that its header names: the first bytes of gzip (RFC 1952), Zstandard (RFC 8878) and
/// zlib (RFC 1950); readable text is in none.
pub(super) fn is_misnamed(headers: &HeaderMap, body: &[u8]) -> bool {
    let named = headers.get("content-encoding").and_then(|v| v.to_str().ok()).unwrap_or("identity");
    let is_text = || {
        let start = body.trim_ascii_start();
        [&b"{"[..], b"[", b"<", b"event:", b"data:", b":"].iter().any(|t| start.starts_with(t))
    };
    match named.trim().to_ascii_lowercase().as_str() {
        _ if body.is_empty() => false,
        "gzip" | "x-gzip" => !body.starts_with(&[0x1F, 0x8B]),
        "zstd" => !body.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]),
        "deflate" | "br" => is_text(),
        "identity" | "" => body.starts_with(&[0x1F, 0x8B]) || body.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]),
        _ => false,
    }
}

/// `GET /v1/models` with the key; says whether it was answered well.
pub(super) async fn models(world: &World, path: &Path, conn: &mut Conn, limit: Dur) -> (Vec<Fact>, bool) {
    let Some(request) = request(world, Method::GET, MODELS, true, None) else {
        return (Vec::new(), false);
    };
    let begun = Instant::now();
    match ask(conn, request, limit).await {
        Ok(answer) => {
            let saw = listed(&answer);
            // A gateway need not know this path; that it knows the key is all that it can say.
            let decides = world.goal.is_default || matches!(saw, Err(Failure::Status(401, ..)));
            if saw.is_err() && !decides {
                return (Vec::new(), true);
            }
            let well = saw.is_ok();
            let mut facts = facts_of(world, path, &answer, saw, begun.elapsed().into());
            let own = world.target.path(MODELS);
            facts.extend(redirected(world, path, (answer.status, &answer.headers), &own));
            (facts, well)
        }
        Err(fault) => {
            let client = path.client.clone().filter(|_| world.goal.is_default);
            let path = Path { client, ..path.clone() };
            (vec![world.fault(&path, &fault, begun.elapsed().into())], false)
        }
    }
}

/// The free request that a key is needed for.
pub(super) const MODELS: &str = "/v1/models?limit=1";

/// Whether an answer is the API's list of models.
pub(super) fn listed(answer: &Answer) -> Result<Seen, Failure> {
    match (answer.status, &answer.broke) {
        (200..=299, Some(fault)) => Err(fault.failure),
        (200..=299, None) if is_misnamed(&answer.headers, &answer.body) => {
            Err(Failure::Framing(Framing::Encoding))
        }
        (200..=299, None) if is_list(&answer.body) => Ok(head(answer.status, &answer.headers)),
        (200..=399, None) => Err(no_answer(answer)),
        _ => Err(answered(answer)),
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
    let via = world.proxy_of(&probe.path);
    let route = Route { target: &target, proxy: via.as_deref(), tls: Arc::clone(&tls) };
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
    let request =
        Request::builder().uri("/generate_204").header("host", target.authority()).body(Full::default());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_gateway_of_ours_says_itself_is_not_taken_for_the_apis_word() {
        let body = br#"{"type":"error","error":{"type":"api_error","message":"no way"}}"#;
        let answer = |headers: HeaderMap| Answer { status: 502, headers, body: body.to_vec(), broke: None };
        let own = HeaderMap::from_iter([(
            http::HeaderName::from_static(OWN_CAUSE),
            http::HeaderValue::from_static("tcp.refused"),
        )]);
        let from = |headers: HeaderMap| {
            let Failure::Status(502, _, origin) = answered(&answer(headers)) else { panic!("no status") };
            origin
        };
        assert_eq!((from(own.clone()), from(HeaderMap::new())), (Origin::Gateway, Origin::Api));
        assert!(reached(&answer(own)).is_err() && reached(&answer(HeaderMap::new())).is_ok());
    }
}
