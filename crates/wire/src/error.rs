//! Errors of the API and of everything that may stand in front of it, read and written.

use clearline_model::{ErrorKind, Foreign, Origin};
use http::HeaderMap;
use serde::Serialize;
use serde_json::{Map, Value};

use self::fits::fits;
use crate::headers::{request_id, text};
use crate::text::{of_message, of_page};

mod fits;

/// The largest body that is read as JSON, bytes. Errors are small.
const JSON_MAX: usize = 1 << 20;

/// What an error says and who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// What it means.
    pub kind: ErrorKind,
    /// Who sent it.
    pub origin: Origin,
    /// The message; of a body that is no JSON its beginning.
    pub message: Foreign,
    /// `error.type`, or what stands for it elsewhere (Google's status, AWS's exception); empty where there is none.
    pub type_: Foreign,
    /// `error.details.error_code`, or what stands for it elsewhere.
    pub code: Option<Foreign>,
    /// The server's name for the request, from the headers or the body.
    pub request_id: Option<Foreign>,
}

/// The shapes of a body, as far as they tell who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// The API's envelope.
    Envelope,
    /// A problem document of Cloudflare (anthropics/claude-code#67341), for the API's zone or for another.
    Problem { ours: bool },
    /// Other JSON.
    Json,
    /// No JSON.
    Page,
}

/// A body taken apart.
struct Parts {
    shape: Shape,
    message: String,
    type_: String,
    code: Option<String>,
    request_id: Option<String>,
}

/// Reads an error, whatever its shape. `status` is the answer's, or 0 where there was none.
///
/// The kind is decided by the status, `error.type`, the code, the headers and, last, known texts. Never fails: what
/// nothing is known of has [`ErrorKind::None`].
#[must_use]
pub fn parse_error(status: u16, headers: &HeaderMap, body: &[u8]) -> ApiError {
    let mut parts = take_apart(body);
    if let Some(exception) = text(headers, "x-amzn-errortype") {
        parts.type_ = exception.split(':').next().unwrap_or_default().trim().to_owned();
    }
    let mut origin = origin(status, headers, &parts, body);
    let kind = kind(status, headers, &parts, (origin, body));
    if kind == ErrorKind::Portal && parts.shape != Shape::Envelope {
        origin = Origin::Portal;
    } else if kind == ErrorKind::Region && parts.shape == Shape::Json && parts.type_ == "forbidden" {
        // This text is the edge's own, also where something on the way dropped its headers.
        origin = Origin::Edge;
    }
    ApiError {
        kind,
        origin,
        message: Foreign::new(&parts.message),
        type_: Foreign::new(&parts.type_),
        code: parts.code.as_deref().map(Foreign::new),
        request_id: request_id(headers).or_else(|| parts.request_id.as_deref().map(Foreign::new)),
    }
}

/// Reads the data of an `error` event inside a stream. It comes from the API where it has the API's shape.
#[must_use]
pub fn parse_error_event(data: &[u8]) -> ApiError {
    let mut error = parse_error(0, &HeaderMap::new(), data);
    if error.origin != Origin::Api {
        error.origin = Origin::Gateway;
    }
    error
}

/// Whether a body that nothing calls an error tells of one all the same, as relays do it: a JSON object with the type
/// `error`, or with an `error` inside.
#[must_use]
pub fn tells_error(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    // Nearly everything that is asked about is something else.
    if body.len() > JSON_MAX
        || body.first() != Some(&b'{')
        || memchr::memmem::find(body, b"\"error\"").is_none()
    {
        return false;
    }
    let Ok(Value::Object(object)) = serde_json::from_slice(body) else { return false };
    let said = match object.get("error") {
        Some(Value::Object(error)) => !error.is_empty(),
        Some(Value::String(error)) => !error.is_empty(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) | None => false,
    };
    said || object.get("type").and_then(Value::as_str) == Some("error")
}

/// Whether a body is the API's error envelope: `{"type":"error","error":{"type":…}}`.
#[must_use]
pub fn is_api_shape(body: &[u8]) -> bool {
    take_apart(body).shape == Shape::Envelope
}

fn take_apart(body: &[u8]) -> Parts {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
    let small = body.len() <= JSON_MAX && matches!(body.first(), Some(b'{' | b'['));
    let value = small.then(|| serde_json::from_slice::<Value>(body).ok()).flatten();
    // Google sometimes wraps its error in an array; the API never does.
    let (value, wrapped) = match value {
        Some(Value::Array(items)) => (items.into_iter().next(), true),
        other => (other, false),
    };
    let Some(Value::Object(object)) = value else {
        return Parts {
            shape: Shape::Page,
            message: Foreign::from_bytes(body).raw().to_owned(),
            type_: String::new(),
            code: None,
            request_id: None,
        };
    };
    let mut parts = from_object(&object);
    if wrapped && parts.shape == Shape::Envelope {
        parts.shape = Shape::Json;
    }
    parts
}

fn from_object(object: &Map<String, Value>) -> Parts {
    let outer = |key: &str| string(object.get(key));
    let request_id = outer("request_id");
    if object.get("cloudflare_error") == Some(&Value::Bool(true)) {
        let zone = outer("zone").unwrap_or_default();
        return Parts {
            shape: Shape::Problem { ours: zone.is_empty() || zone.ends_with("anthropic.com") },
            message: outer("title").or_else(|| outer("detail")).unwrap_or_default(),
            type_: outer("error_name").unwrap_or_default(),
            code: outer("error_code"),
            request_id,
        };
    }
    let Some(Value::Object(error)) = object.get("error") else {
        // AWS, FastAPI, and OAuth's `{"error":"invalid_grant","error_description":…}`.
        let message = ["message", "Message", "error_description", "detail", "error", "title"];
        let type_ = outer("__type").map(|t| t.rsplit('#').next().unwrap_or_default().to_owned());
        return Parts {
            shape: Shape::Json,
            message: message.iter().find_map(|key| outer(key)).unwrap_or_default(),
            type_: type_.or_else(|| outer("error")).or_else(|| outer("type")).unwrap_or_default(),
            code: outer("code"),
            request_id,
        };
    };
    let inner = |key: &str| string(error.get(key));
    let details = error.get("details").and_then(|d| string(d.get("error_code")));
    let envelope = object.get("type").and_then(Value::as_str) == Some("error")
        && error.get("type").is_some_and(Value::is_string);
    Parts {
        shape: if envelope { Shape::Envelope } else { Shape::Json },
        message: inner("message").unwrap_or_default(),
        type_: inner("type").or_else(|| inner("status")).unwrap_or_default(),
        code: details.or_else(|| inner("code")),
        request_id,
    }
}

/// A string, or a number as one: some gateways write their codes so.
fn string(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn origin(status: u16, headers: &HeaderMap, parts: &Parts, body: &[u8]) -> Origin {
    let has = |name: &str| headers.contains_key(name);
    let says = |name: &str, word: &str| {
        headers.get_all(name).iter().any(|v| v.to_str().is_ok_and(|v| v.to_ascii_lowercase().contains(word)))
    };
    if parts.shape == Shape::Envelope || has("request-id") {
        return Origin::Api;
    }
    if status == 511 {
        return Origin::Portal;
    }
    // `x-deny-reason` is the egress proxy of the vendor's sandboxes (Claude Code docs: Error reference).
    if status == 407 || has("x-squid-error") || has("proxy-authenticate") || has("x-deny-reason") {
        return Origin::Proxy;
    }
    if has("cf-ray") || says("server", "cloudflare") {
        return if foreign_zone(parts, body) { Origin::Gateway } else { Origin::Edge };
    }
    if matches!(parts.shape, Shape::Problem { ours: true }) {
        return Origin::Edge;
    }
    // Google's own front end adds `via: 1.1 google` everywhere; it tells nothing.
    let via = headers.get_all("via").iter().any(|v| v.as_bytes() != b"1.1 google");
    let aws = has("x-amzn-requestid") || has("x-amzn-errortype");
    if says("server", "squid") || (via && !aws) { Origin::Proxy } else { Origin::Gateway }
}

/// Cloudflare in front of somebody else: a problem's zone, or the host in `<title>host | 5xx: …`
/// (anthropics/claude-code#16737).
fn foreign_zone(parts: &Parts, body: &[u8]) -> bool {
    if let Shape::Problem { ours } = parts.shape {
        return !ours;
    }
    let page = String::from_utf8_lossy(body.get(..body.len().min(4096)).unwrap_or_default());
    let title = page.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let host = title.and_then(|(title, _)| title.split_once(" | 5")).map(|(host, _)| host.trim());
    host.is_some_and(|host| host.contains('.') && !host.ends_with("anthropic.com"))
}

fn kind(status: u16, headers: &HeaderMap, parts: &Parts, (origin, body): (Origin, &[u8])) -> ErrorKind {
    let code = parts.code.as_deref().and_then(by_code);
    let first = code.unwrap_or_else(|| by_type(status, parts, origin));
    if !is_weak(first) {
        return first;
    }
    if let Some(kind) = by_headers(status, headers, first) {
        return kind;
    }
    let known = if parts.shape == Shape::Page { of_page(body) } else { of_message(&parts.message) };
    if let Some(kind) = known.filter(|kind| fits(status, parts.shape, first, *kind)) {
        return kind;
    }
    match (status, parts.shape) {
        (529, _) => ErrorKind::Overloaded,
        // The API's 413 is its edge's (claude-api.md 1.2).
        (413, _) if origin == Origin::Edge => ErrorKind::TooLarge,
        (511, _) => ErrorKind::Portal,
        (429, Shape::Json | Shape::Envelope)
            if first == ErrorKind::RateLimit && unified(headers) && origin == Origin::Api =>
        {
            ErrorKind::Subscription
        }
        _ => first,
    }
}

/// Kinds that a header or a text may make finer.
const fn is_weak(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::None
            | ErrorKind::InvalidRequest
            | ErrorKind::Authentication
            | ErrorKind::Permission
            | ErrorKind::RateLimit
            | ErrorKind::Api
    )
}

/// What `error.type` says; AWS's exceptions and Google's words stand in the same place.
fn by_type(status: u16, parts: &Parts, origin: Origin) -> ErrorKind {
    match parts.type_.as_str() {
        "invalid_request_error" => ErrorKind::InvalidRequest,
        // The second is litellm's.
        "authentication_error" | "auth_error" => ErrorKind::Authentication,
        "billing_error" => ErrorKind::Billing,
        "permission_error" => ErrorKind::Permission,
        "not_found_error" => ErrorKind::NotFound,
        "conflict_error" => ErrorKind::Conflict,
        "rate_limit_error" | "rate_limit_exceeded" => ErrorKind::RateLimit,
        "timeout_error" => ErrorKind::Timeout,
        "api_error" | "server_error" => ErrorKind::Api,
        "overloaded_error" => ErrorKind::Overloaded,
        // Another one's limit is not the API's.
        "request_too_large" if matches!(origin, Origin::Api | Origin::Edge) => ErrorKind::TooLarge,
        "forbidden" if status == 403 && origin == Origin::Edge => ErrorKind::Region,
        "insufficient_quota" => ErrorKind::Credit,
        // litellm.
        "budget_exceeded" => ErrorKind::SpendLimit,
        other => by_google(other).or_else(|| by_aws(other, &parts.message)).unwrap_or(ErrorKind::None),
    }
}

/// Google's words (claude-api.md 7.2).
fn by_google(word: &str) -> Option<ErrorKind> {
    Some(match word {
        "UNAUTHENTICATED" | "invalid_grant" => ErrorKind::GcpCredentials,
        "PERMISSION_DENIED" => ErrorKind::Permission,
        "NOT_FOUND" | "FAILED_PRECONDITION" => ErrorKind::GcpModel,
        "RESOURCE_EXHAUSTED" => ErrorKind::GcpQuota,
        "INVALID_ARGUMENT" => ErrorKind::InvalidRequest,
        "DEADLINE_EXCEEDED" => ErrorKind::Timeout,
        "INTERNAL" => ErrorKind::Api,
        _ => return None,
    })
}

/// AWS's exceptions (claude-api.md 7.1); inside a stream their names begin in lower case (BerriAI/litellm#589).
fn by_aws(exception: &str, message: &str) -> Option<ErrorKind> {
    let name = exception.to_ascii_lowercase();
    let message = message.to_ascii_lowercase();
    Some(match name.strip_suffix("exception").unwrap_or(&name) {
        "accessdenied" => ErrorKind::AwsAccess,
        "resourcenotfound" => ErrorKind::AwsModel,
        "validation" if message.contains("model identifier") || message.contains("on-demand throughput") => {
            ErrorKind::AwsModel
        }
        "validation" => ErrorKind::InvalidRequest,
        "throttling" | "servicequotaexceeded" | "modelnotready" | "toomanyrequests" => {
            ErrorKind::AwsThrottled
        }
        "modeltimeout" => ErrorKind::Timeout,
        "modelerror" | "modelstreamerror" | "internalserver" => ErrorKind::Api,
        "conflict" => ErrorKind::Conflict,
        "expiredtoken"
        | "unrecognizedclient"
        | "invalidsignature"
        | "incompletesignature"
        | "missingauthenticationtoken" => ErrorKind::AwsCredentials,
        _ => return None,
    })
}

/// Codes that say more than the type: claude-api.md 2.3; the last lines are those of OpenAI-like gateways.
fn by_code(code: &str) -> Option<ErrorKind> {
    Some(match code {
        "organization_on_hold" => ErrorKind::OrgDisabled,
        "ramp_limit_exceeded" => ErrorKind::RateAcceleration,
        "enforced_spend_limit_reached"
        | "contract_spend_limit_reached"
        | "linked_organization_spend_limit_reached" => ErrorKind::SpendLimit,
        "linked_organization_billing_unavailable" => ErrorKind::Billing,
        "request_body_too_large_after_decoding" => ErrorKind::TooLarge,
        "invalid_api_key" => ErrorKind::Authentication,
        "model_not_found" => ErrorKind::NotFound,
        "context_length_exceeded" => ErrorKind::ContextTooLong,
        "insufficient_quota" => ErrorKind::Credit,
        "rate_limit_exceeded" => ErrorKind::RateLimit,
        _ => return None,
    })
}

fn by_headers(status: u16, headers: &HeaderMap, first: ErrorKind) -> Option<ErrorKind> {
    if text(headers, "cf-mitigated") == Some("challenge") {
        return Some(ErrorKind::Challenge);
    }
    if first != ErrorKind::RateLimit || status != 429 {
        return None;
    }
    let spent = |name: &str| text(headers, name).is_some_and(|v| v.trim() == "0");
    [
        ("anthropic-ratelimit-requests-remaining", ErrorKind::RateRequests),
        ("anthropic-ratelimit-input-tokens-remaining", ErrorKind::RateInputTokens),
        ("anthropic-ratelimit-output-tokens-remaining", ErrorKind::RateOutputTokens),
    ]
    .into_iter()
    .find(|(name, _)| spent(name))
    .map(|(_, kind)| kind)
}

/// The headers of a subscription's windows; their exact names are unverified (claude-api.md 2.4).
fn unified(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("anthropic-ratelimit-unified-"))
}

#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'a str,
    error: Inner<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Inner<'a> {
    r#type: &'a str,
    message: &'a str,
}

/// The API's error as JSON, without a line feed.
#[must_use]
pub fn error_body(type_: &str, message: &str, request_id: Option<&str>) -> Vec<u8> {
    let body = Envelope { r#type: "error", error: Inner { r#type: type_, message }, request_id };
    serde_json::to_vec(&body).unwrap_or_default()
}

/// The API's `error.type` for a status (claude-api.md 2.2).
#[must_use]
pub const fn type_for_status(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// An `error` event for a stream, with the empty line that ends it.
#[must_use]
pub fn error_event(type_: &str, message: &str) -> Vec<u8> {
    [b"event: error\ndata: ", error_body(type_, message, None).as_slice(), b"\n\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    fn api(type_: &str, message: &str) -> String {
        String::from_utf8(error_body(type_, message, Some("req_1"))).unwrap()
    }

    #[test]
    fn the_api_by_type_and_text() {
        for (status, type_, message, kind) in [
            (400, "invalid_request_error", "messages: Field required", ErrorKind::InvalidRequest),
            (401, "authentication_error", "invalid x-api-key", ErrorKind::Authentication),
            (401, "authentication_error", "x-api-key header is required", ErrorKind::CredentialMissing),
            (400, "invalid_request_error", "anthropic-version: header is required", ErrorKind::VersionHeader),
            (400, "invalid_request_error", "\"a, a\" is not a valid version", ErrorKind::VersionHeader),
            (401, "authentication_error", "OAuth token has expired. Please", ErrorKind::Expired),
            (403, "permission_error", "OAuth token has been revoked.", ErrorKind::Revoked),
            (403, "permission_error", "No access to this model", ErrorKind::Permission),
            (400, "invalid_request_error", "Your credit balance is too low to", ErrorKind::Credit),
            (
                400,
                "invalid_request_error",
                "You have reached your specified API usage",
                ErrorKind::SpendLimit,
            ),
            (
                400,
                "invalid_request_error",
                "prompt is too long: 2 tokens > 1 maximum",
                ErrorKind::ContextTooLong,
            ),
            (
                413,
                "invalid_request_error",
                "Request size exceeds model context window",
                ErrorKind::ContextTooLong,
            ),
            (413, "request_too_large", "Request exceeds the maximum size", ErrorKind::TooLarge),
            (404, "not_found_error", "model: claude-none", ErrorKind::NotFound),
            (429, "rate_limit_error", "limit of 50 input tokens per minute", ErrorKind::RateInputTokens),
            (429, "rate_limit_error", "limit of 50 output tokens per minute", ErrorKind::RateOutputTokens),
            (
                429,
                "rate_limit_error",
                "Number of concurrent connections has exceeded",
                ErrorKind::RateConcurrency,
            ),
            (429, "rate_limit_error", "Rate limited", ErrorKind::RateLimit),
            (429, "rate_limit_error", "Extra usage is required for long context", ErrorKind::Subscription),
            (400, "invalid_request_error", "quoted: 5 input tokens per minute", ErrorKind::InvalidRequest),
            (400, "invalid_request_error", "tools.0: overloaded function", ErrorKind::InvalidRequest),
            (500, "api_error", "Internal server error", ErrorKind::Api),
            (504, "timeout_error", "", ErrorKind::Timeout),
            (529, "overloaded_error", "Overloaded", ErrorKind::Overloaded),
            (402, "billing_error", "", ErrorKind::Billing),
            (409, "conflict_error", "", ErrorKind::Conflict),
            (400, "a_new_error", "", ErrorKind::None),
        ] {
            let error = parse_error(status, &HeaderMap::new(), api(type_, message).as_bytes());
            assert_eq!((error.kind, error.origin), (kind, Origin::Api), "{status} {type_} {message}");
            assert_eq!((error.type_.raw(), error.message.raw()), (type_, message));
            assert_eq!(error.request_id.unwrap().raw(), "req_1");
        }
    }

    #[test]
    fn codes_and_headers() {
        for (code, kind) in [
            ("ramp_limit_exceeded", ErrorKind::RateAcceleration),
            ("enforced_spend_limit_reached", ErrorKind::SpendLimit),
            ("organization_on_hold", ErrorKind::OrgDisabled),
            ("unheard_of", ErrorKind::RateLimit),
        ] {
            let body = format!(
                r#"{{"type":"error","error":{{"type":"rate_limit_error","message":"","details":{{"error_code":"{code}"}}}}}}"#
            );
            let error = parse_error(429, &HeaderMap::new(), body.as_bytes());
            assert_eq!((error.kind, error.code.unwrap().raw()), (kind, code));
        }
        let body = api("rate_limit_error", "Rate limited");
        for (name, kind) in [
            ("anthropic-ratelimit-requests-remaining", ErrorKind::RateRequests),
            ("anthropic-ratelimit-input-tokens-remaining", ErrorKind::RateInputTokens),
            ("anthropic-ratelimit-output-tokens-remaining", ErrorKind::RateOutputTokens),
            ("anthropic-ratelimit-unified-reset", ErrorKind::Subscription),
        ] {
            assert_eq!(parse_error(429, &map(&[(name, "0")]), body.as_bytes()).kind, kind, "{name}");
        }
        let error = parse_error(500, &map(&[("request-id", "req_2")]), b"");
        assert_eq!((error.origin, error.request_id.unwrap().raw()), (Origin::Api, "req_2"));
    }

    const RAY: (&str, &str) = ("cf-ray", "0123456789abcdef-FRA");

    #[test]
    fn the_edge() {
        let forbidden = r#"{"error":{"type":"forbidden","message":"Request not allowed"}}"#;
        let ours = r#"{"cloudflare_error":true,"title":"Error 522","error_code":522,"zone":"api.anthropic.com",
            "error_name":"connection_timeout","type":"https://x/"}"#;
        let other = r#"{"cloudflare_error":true,"title":"Error 524","zone":"relay.example"}"#;
        let challenge = "<!DOCTYPE html><title>Just a moment...</title>";
        for (status, headers, body, kind, origin) in [
            (403, vec![], forbidden, ErrorKind::Region, Origin::Edge),
            (403, vec![RAY], forbidden, ErrorKind::Region, Origin::Edge),
            (403, vec![RAY], challenge, ErrorKind::Challenge, Origin::Edge),
            (403, vec![RAY, ("cf-mitigated", "challenge")], "<html>", ErrorKind::Challenge, Origin::Edge),
            (403, vec![RAY], "error code: 1020", ErrorKind::Challenge, Origin::Edge),
            (403, vec![RAY], "<h1>Sorry, you have been blocked</h1>", ErrorKind::Blocked, Origin::Edge),
            (522, vec![], ours, ErrorKind::None, Origin::Edge),
            (524, vec![RAY], other, ErrorKind::None, Origin::Gateway),
            (
                524,
                vec![RAY],
                "<title>relay.example | 524: A timeout</title>",
                ErrorKind::None,
                Origin::Gateway,
            ),
            (520, vec![RAY], "<title>api.anthropic.com | 520: x</title>", ErrorKind::None, Origin::Edge),
            (520, vec![("server", "cloudflare")], "error code: 520", ErrorKind::None, Origin::Edge),
            (
                413,
                vec![RAY],
                "<title>413 Request Entity Too Large</title>",
                ErrorKind::TooLarge,
                Origin::Edge,
            ),
        ] {
            let error = parse_error(status, &map(&headers), body.as_bytes());
            assert_eq!((error.kind, error.origin), (kind, origin), "{status} {body}");
        }
        let error = parse_error(522, &HeaderMap::new(), ours.as_bytes());
        assert_eq!((error.type_.raw(), error.code.unwrap().raw()), ("connection_timeout", "522"));
    }

    #[test]
    fn gateways_proxies_and_portals() {
        let envoy = "upstream connect error or disconnect/reset before headers. reset reason: overflow";
        let auth = r#"{"error":{"message":"no key","type":"auth_error","param":"None","code":"401"}}"#;
        let openai = r#"{"error":{"message":"x","type":"invalid_request_error","code":"model_not_found"}}"#;
        let squid = "<title>ERROR: The requested URL could not be retrieved</title>";
        let large = r#"{"error":{"type":"request_too_large","message":""}}"#;
        for (status, headers, body, kind, origin) in [
            (503, vec![("server", "envoy")], envoy, ErrorKind::Mesh, Origin::Gateway),
            (401, vec![], auth, ErrorKind::Authentication, Origin::Gateway),
            (404, vec![], openai, ErrorKind::NotFound, Origin::Gateway),
            (413, vec![], large, ErrorKind::None, Origin::Gateway),
            (401, vec![], r#"{"detail":"Invalid API key"}"#, ErrorKind::None, Origin::Gateway),
            (502, vec![("via", "1.1 google")], "", ErrorKind::None, Origin::Gateway),
            (529, vec![], "busy", ErrorKind::Overloaded, Origin::Gateway),
            (503, vec![("via", "1.1 px (squid/6)")], squid, ErrorKind::None, Origin::Proxy),
            (403, vec![("x-squid-error", "ERR_ACCESS_DENIED 0")], squid, ErrorKind::None, Origin::Proxy),
            (407, vec![], "", ErrorKind::None, Origin::Proxy),
            (403, vec![("x-deny-reason", "host_not_allowed")], "", ErrorKind::None, Origin::Proxy),
            (403, vec![], "<html>blocked by Zscaler</html>", ErrorKind::WebFilter, Origin::Gateway),
            (503, vec![], "<title>Captive Portal</title>", ErrorKind::Portal, Origin::Portal),
            (511, vec![], "", ErrorKind::Portal, Origin::Portal),
            (0, vec![], "", ErrorKind::None, Origin::Gateway),
        ] {
            let error = parse_error(status, &map(&headers), body.as_bytes());
            assert_eq!((error.kind, error.origin), (kind, origin), "{status} {body}");
        }
    }

    #[test]
    fn other_clouds() {
        for (exception, message, kind) in [
            ("ExpiredTokenException:http://internal.amazon.com/x/", "", ErrorKind::AwsCredentials),
            ("AccessDeniedException", "", ErrorKind::AwsAccess),
            ("ThrottlingException", "", ErrorKind::AwsThrottled),
            ("throttlingException", "", ErrorKind::AwsThrottled),
            ("ValidationException", "The provided model identifier is invalid.", ErrorKind::AwsModel),
            ("ValidationException", "Input is too long for requested model.", ErrorKind::ContextTooLong),
            ("ValidationException", "other", ErrorKind::InvalidRequest),
            ("ResourceNotFoundException", "", ErrorKind::AwsModel),
            ("ModelTimeoutException", "", ErrorKind::Timeout),
        ] {
            let body = format!(r#"{{"message":"{message}"}}"#);
            let headers =
                map(&[("x-amzn-ErrorType", exception), ("x-amzn-RequestId", "a-1"), ("via", "1.1 x")]);
            let error = parse_error(400, &headers, body.as_bytes());
            assert_eq!((error.kind, error.origin), (kind, Origin::Gateway), "{exception} {message}");
            assert!(!error.type_.raw().contains(':'));
            assert_eq!(error.request_id.unwrap().raw(), "a-1");
        }
        let body = br#"{"__type":"com.amazon.coral#UnrecognizedClientException","Message":"no"}"#;
        let error = parse_error(403, &HeaderMap::new(), body);
        assert_eq!((error.kind, error.message.raw()), (ErrorKind::AwsCredentials, "no"));
        for (status, kind) in [
            ("RESOURCE_EXHAUSTED", ErrorKind::GcpQuota),
            ("UNAUTHENTICATED", ErrorKind::GcpCredentials),
            ("NOT_FOUND", ErrorKind::GcpModel),
            ("UNAVAILABLE", ErrorKind::None),
        ] {
            let body = format!(r#"{{"error":{{"code":429,"message":"Quota","status":"{status}"}}}}"#);
            for body in [format!("[{body}]"), body] {
                let error = parse_error(429, &HeaderMap::new(), body.as_bytes());
                assert_eq!((error.kind, error.type_.raw()), (kind, status), "{body}");
            }
        }
    }

    #[test]
    fn events_and_shapes() {
        let data = error_body("overloaded_error", "Overloaded", None);
        let error = parse_error_event(&data);
        assert_eq!((error.kind, error.origin), (ErrorKind::Overloaded, Origin::Api));
        assert_eq!(parse_error_event(b"oops").origin, Origin::Gateway);
        for (body, expected) in [
            (r#"{"type":"error","error":{"type":"x"}}"#, true),
            (r#"{"type":"error","error":{}}"#, false),
            (r#"{"type":"https://x","error":{"type":"x"}}"#, false),
            (r#"{"error":{"type":"x"}}"#, false),
            (r#"[{"type":"error","error":{"type":"x"}}]"#, false),
            ("", false),
        ] {
            assert_eq!(is_api_shape(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn errors_that_nothing_calls_so() {
        for (body, expected) in [
            (r#"{"type":"error","error":{"type":"x"}}"#, true),
            (r#" {"error":{"message":"boom"}}"#, true),
            (r#"{"error":"boom"}"#, true),
            (r#"{"type":"error"}"#, true),
            (r#"{"error":null,"type":"message"}"#, false),
            (r#"{"error":{},"choices":[]}"#, false),
            (r#"{"type":"message","content":["error"]}"#, false),
            (r#"{"type":"error""#, false),
            (r#"["error"]"#, false),
            ("[DONE]", false),
            ("", false),
        ] {
            assert_eq!(tells_error(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for status in (400..600).chain([0]) {
            let type_ = type_for_status(status);
            let body = error_body(type_, "a \"b\"\n\u{1b}", Some("req_9"));
            assert!(is_api_shape(&body) && !body.contains(&b'\n'));
            let error = parse_error(status, &HeaderMap::new(), &body);
            assert_eq!((error.type_.raw(), error.message.raw()), (type_, "a \"b\"\n\u{1b}"));
            assert_ne!(error.kind, ErrorKind::None);
        }
        assert_eq!(error_body("a", "b", None), br#"{"type":"error","error":{"type":"a","message":"b"}}"#);
        let event = error_event("api_error", "x\ny");
        let mut seen = Vec::new();
        crate::sse::Parser::new().push(&event, |e| seen.push((e.name.to_vec(), e.data.to_vec()))).unwrap();
        assert_eq!(seen, [(b"error".to_vec(), error_body("api_error", "x\ny", None))]);
    }
}
