//! Who may call: everything that is checked before a request's body is read.
//!
//! A web page in the user's browser must not spend the user's key, so `Origin`, `Host` and the types that a form can
//! send are looked at first (design, section 6).

use std::net::{IpAddr, SocketAddr};

use clearline_model::{Cause, Secret};
use clearline_wire::headers::retain;
use clearline_wire::without_query;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, ORIGIN};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

use crate::answer::Refusal;
use crate::names::{is_method, is_token, matters};
use crate::options::{CallerToken, Options};
use crate::quota::Reached;
use crate::target::is_sound;
use crate::wrap::Trick;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The rules, as set.
pub(crate) struct Guard {
    prefix: Option<Secret>,
    pub(crate) tokens: Vec<CallerToken>,
    hosts: Vec<String>,
    origins: Vec<String>,
    body_max: u64,
    header_max: usize,
    has_pool: bool,
    addr: SocketAddr,
    /// What callers on this machine mostly write in `Host`: found right once, and not taken apart for every request.
    usual: Vec<String>,
}

/// A request that may go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Path and query without the prefix.
    pub(crate) path: PathAndQuery,
    /// The place of the caller's token, if tokens are set.
    pub(crate) token: Option<usize>,
}

const fn refuse(status: StatusCode, cause: Cause, text: &'static str) -> Refusal {
    Refusal { status, cause, text, close: true, after: None }
}

const LENGTHS: Refusal = refuse(
    StatusCode::BAD_REQUEST,
    Cause::RequestInvalid,
    "The length of the request's body is not one number: Content-Length twice, or beside Transfer-Encoding",
);
const BARE_LINE_FEED: Refusal = refuse(
    StatusCode::BAD_REQUEST,
    Cause::RequestInvalid,
    "A line of the request's head ends in a line feed without a carriage return",
);
const ENCODING: Refusal = refuse(
    StatusCode::NOT_IMPLEMENTED,
    Cause::RequestInvalid,
    "The only Transfer-Encoding that is read here is chunked, once",
);
const FRAGMENT: Refusal = refuse(
    StatusCode::BAD_REQUEST,
    Cause::RequestInvalid,
    "The request's target has a fragment: what is behind a # is never sent",
);
const LONG_TARGET: Refusal = refuse(
    StatusCode::URI_TOO_LONG,
    Cause::RequestInvalid,
    "The request's target is longer than this gateway takes",
);
const METHOD: Refusal = refuse(
    StatusCode::NOT_IMPLEMENTED,
    Cause::RequestInvalid,
    "The request's method is none that can be served: methods are short names in capital letters",
);
const TRACE: Refusal = refuse(
    StatusCode::METHOD_NOT_ALLOWED,
    Cause::RequestInvalid,
    "TRACE is not served: its answer would show the request with its key",
);
const EXPECTATION: Refusal = refuse(
    StatusCode::EXPECTATION_FAILED,
    Cause::RequestInvalid,
    "The only expectation that is met here is 100-continue",
);
const CONNECTION_NAMES: Refusal = refuse(
    StatusCode::BAD_REQUEST,
    Cause::RequestInvalid,
    "The request's Connection header names one that belongs to the request itself, or is not a list of names",
);
const LARGE_HEAD: Refusal = refuse(
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    Cause::RequestInvalid,
    "The request's headers are larger than this gateway takes",
);
const CONNECT: Refusal = refuse(
    StatusCode::METHOD_NOT_ALLOWED,
    Cause::RequestInvalid,
    "CONNECT is not served: this is a gateway to the API and no proxy; use it as the base URL",
);
const TARGET: Refusal = refuse(
    StatusCode::BAD_REQUEST,
    Cause::RequestInvalid,
    "The request's target is not a path here: use this gateway as the base URL and not as a proxy",
);
const PATH: Refusal = refuse(
    StatusCode::BAD_REQUEST,
    Cause::RequestInvalid,
    "The request's path is not in ASCII, has a broken escape, or leads out of its root",
);
const NO_HOST: Refusal = refuse(
    StatusCode::BAD_REQUEST,
    Cause::RequestInvalid,
    "The request needs exactly one Host header: a name, and a port where there is one",
);
const FOREIGN_HOST: Refusal = refuse(
    StatusCode::MISDIRECTED_REQUEST,
    Cause::RequestInvalid,
    "This name in Host is not one of the gateway's: add it to the accepted hosts, or use 127.0.0.1",
);
const FOREIGN_ORIGIN: Refusal = refuse(
    StatusCode::FORBIDDEN,
    Cause::ClientCors,
    "Requests of web pages are refused: this Origin is not one of the accepted ones",
);
const NO_PREFIX: Refusal =
    refuse(StatusCode::NOT_FOUND, Cause::ConfigBaseUrlPath, "There is nothing at this path of the gateway");
const NO_TOKEN: Refusal =
    refuse(StatusCode::UNAUTHORIZED, Cause::AuthMissing, "This gateway needs a caller token");
const WRONG_TOKEN: Refusal =
    refuse(StatusCode::UNAUTHORIZED, Cause::AuthInvalid, "The gateway does not know this caller token");
const FORM: Refusal = refuse(
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    Cause::RequestInvalid,
    "A type that a web form can send is refused where the gateway adds the key: send application/json",
);
pub(crate) const TOO_LARGE: Refusal = refuse(
    StatusCode::PAYLOAD_TOO_LARGE,
    Cause::GatewayBodyLimit,
    "The request's body is larger than this gateway takes",
);

/// The name of a caller without a token: the beginning of its key's hash, else its address.
pub(crate) fn unnamed(headers: &HeaderMap, peer: IpAddr) -> String {
    match credential(headers) {
        Some(key) => format!("key-{}", clearline_net::fingerprint(key)),
        None => network_of(peer).to_string(),
    }
}

/// What a caller sends as its credential.
pub(crate) fn credential(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = || headers.get(AUTHORIZATION).and_then(|v| bearer(v.as_bytes()));
    headers.get(X_API_KEY).map(HeaderValue::as_bytes).or_else(bearer)
}

/// Who has one address of IPv6 has all of its network.
fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
    }
}

/// The refusal of a request over its caller's quota.
pub(crate) const fn over_quota(reached: Reached) -> Refusal {
    let (text, after) = match reached {
        Reached::Requests(after) => {
            ("This gateway takes no more calls of this caller within the minute", after)
        }
        Reached::Concurrent(after) => ("This gateway takes no more calls of this caller at once", after),
    };
    Refusal {
        status: StatusCode::TOO_MANY_REQUESTS,
        cause: Cause::GatewayRateLimited,
        text,
        close: true,
        after: Some(after),
    }
}

impl Guard {
    /// The rules of these options; `addr` is where the gateway listens in the end.
    pub(crate) fn new(options: Options, addr: SocketAddr) -> Self {
        let prefix = options.prefix.as_deref().map(|p| p.trim_matches('/')).filter(|p| !p.is_empty());
        let port = addr.port();
        let mut guard = Self {
            prefix: prefix.map(|p| Secret::new(p.as_bytes().to_vec())),
            tokens: options.tokens,
            hosts: options.hosts,
            origins: options.origins,
            body_max: options.body_max,
            header_max: options.header_max,
            has_pool: options.has_pool,
            addr,
            usual: Vec::new(),
        };
        let usual = [addr.to_string(), format!("127.0.0.1:{port}"), format!("localhost:{port}")];
        guard.usual = usual.into_iter().filter(|host| guard.check_name(host).is_ok()).collect();
        guard
    }

    /// Checks a request's head, and takes out of it what was for the gateway alone.
    pub(crate) fn check(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &mut HeaderMap,
        trick: Option<Trick>,
    ) -> Result<Passed, Refusal> {
        if let Some(trick) = trick {
            return Err(unclear(trick));
        }
        check_method(method)?;
        // hyper's own limit is that of its buffer, which grows in steps.
        let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if size > self.header_max {
            return Err(LARGE_HEAD);
        }
        self.check_host(headers)?;
        self.check_origin(headers)?;
        check_hop(headers)?;
        let path = self.path(uri, headers)?;
        let token = self.token(headers)?;
        self.check_type(method, path.as_str(), headers)?;
        let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|n| n > self.body_max) {
            return Err(TOO_LARGE);
        }
        Ok(Passed { path, token })
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut all = headers.get_all(HOST).iter();
        let (Some(host), None) = (all.next(), all.next()) else { return Err(NO_HOST) };
        if self.usual.iter().any(|usual| usual.as_bytes() == host.as_bytes()) {
            return Ok(());
        }
        self.check_name(host.to_str().map_err(|_| NO_HOST)?)
    }

    fn check_name(&self, host: &str) -> Result<(), Refusal> {
        let host: Authority = host.parse().map_err(|_| NO_HOST)?;
        if !is_plain(&host) {
            return Err(NO_HOST);
        }
        if !self.is_ours(host.host()) {
            return Err(FOREIGN_HOST);
        }
        Ok(())
    }

    /// Loopback, the address that the gateway was told to listen on, or a configured name.
    fn is_ours(&self, host: &str) -> bool {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let by_addr = bare
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback() || (ip == self.addr.ip() && !ip.is_unspecified()));
        by_addr
            || host.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|h| h.eq_ignore_ascii_case(host) || h.eq_ignore_ascii_case(bare))
    }

    fn check_origin(&self, headers: &mut HeaderMap) -> Result<(), Refusal> {
        let known = |v: &HeaderValue| self.origins.iter().any(|o| o.as_bytes() == v.as_bytes());
        if headers.get_all(ORIGIN).iter().all(known) {
            retain(headers, |name| name != ORIGIN);
            Ok(())
        } else {
            Err(FOREIGN_ORIGIN)
        }
    }

    fn path(&self, uri: &Uri, headers: &HeaderMap) -> Result<PathAndQuery, Refusal> {
        if let Some(authority) = uri.authority() {
            self.check_authority(uri, authority, headers)?;
        }
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        let inner = path.strip_prefix('/').ok_or(TARGET)?;
        let Some(prefix) = &self.prefix else {
            let whole = uri.path_and_query().cloned();
            return sound(whole.unwrap_or_else(|| PathAndQuery::from_static("/")));
        };
        let end = inner.find(['/', '?']).unwrap_or(inner.len());
        let (first, rest) = inner.split_at_checked(end).ok_or(NO_PREFIX)?;
        if !prefix.same(first.as_bytes()) {
            return Err(NO_PREFIX);
        }
        let rest = if rest.starts_with('/') { rest.parse() } else { format!("/{rest}").try_into() };
        sound(rest.map_err(|_| TARGET)?)
    }

    /// A target may name the gateway itself, as proxies are asked, and as Host does.
    fn check_authority(&self, uri: &Uri, authority: &Authority, headers: &HeaderMap) -> Result<(), Refusal> {
        let port = match uri.scheme_str() {
            Some("http") => authority.port_u16().unwrap_or(80),
            Some("https") => authority.port_u16().unwrap_or(443),
            _ => return Err(TARGET),
        };
        let is_host =
            |host: &HeaderValue| host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes());
        let ours = self.is_ours(authority.host()) && port == self.addr.port();
        if ours && headers.get(HOST).is_some_and(is_host) { Ok(()) } else { Err(TARGET) }
    }

    /// Finds the caller's token and takes it out, so that it never goes upstream.
    fn token(&self, headers: &mut HeaderMap) -> Result<Option<usize>, Refusal> {
        if self.tokens.is_empty() {
            return Ok(None);
        }
        let find = |given: &[u8]| {
            // Every token is compared, so that the time does not tell which one is near.
            let places = self.tokens.iter().enumerate();
            places.fold(None, |found, (i, token)| if token.secret.same(given) { Some(i) } else { found })
        };
        let by_key = headers.get("x-api-key").and_then(|v| find(v.as_bytes()));
        let bearer = headers.get(AUTHORIZATION).and_then(|v| bearer(v.as_bytes()));
        let by_bearer = bearer.and_then(find);
        let any = headers.contains_key("x-api-key") || headers.contains_key(AUTHORIZATION);
        if by_key.is_some() {
            retain(headers, |name| name != "x-api-key");
        }
        if by_bearer.is_some() {
            retain(headers, |name| name != AUTHORIZATION);
        }
        by_key.or(by_bearer).map(Some).ok_or(if any { WRONG_TOKEN } else { NO_TOKEN })
    }

    fn check_type(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
        if !self.has_pool || *method != Method::POST {
            return Ok(());
        }
        let path = without_query(path);
        let files = path == "/v1/files" || path.starts_with("/v1/files/");
        for value in headers.get_all(CONTENT_TYPE) {
            let value = value.to_str().unwrap_or_default();
            let kind = value.split([';', ',']).next().unwrap_or_default().trim().to_ascii_lowercase();
            let form = match kind.as_str() {
                "text/plain" | "application/x-www-form-urlencoded" => true,
                "multipart/form-data" => !files,
                _ => false,
            };
            if form {
                return Err(FORM);
            }
        }
        Ok(())
    }
}

/// The refusal of a head that could be read in two ways, or is too large.
const fn unclear(trick: Trick) -> Refusal {
    match trick {
        Trick::Lengths => LENGTHS,
        Trick::BareLineFeed => BARE_LINE_FEED,
        Trick::Encoding => ENCODING,
        Trick::Fragment => FRAGMENT,
        Trick::Host => NO_HOST,
        Trick::Large => LARGE_HEAD,
        Trick::LongTarget => LONG_TARGET,
    }
}

fn sound(path: PathAndQuery) -> Result<PathAndQuery, Refusal> {
    if is_sound(path.as_str()) { Ok(path) } else { Err(PATH) }
}

fn check_method(method: &Method) -> Result<(), Refusal> {
    match *method {
        Method::GET | Method::POST | Method::HEAD => Ok(()),
        Method::CONNECT => Err(CONNECT),
        Method::TRACE => Err(TRACE),
        _ if is_method(method.as_str()) => Ok(()),
        _ => Err(METHOD),
    }
}

/// What is said to this hop alone: it may not take out what belongs to the request, and may not ask for what nobody does.
fn check_hop(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_usual = |v: &[u8]| v.eq_ignore_ascii_case(b"keep-alive") || v.eq_ignore_ascii_case(b"close");
    let lists = headers.get_all(CONNECTION).iter().map(HeaderValue::as_bytes).filter(|v| !is_usual(v));
    let mut names = lists.flat_map(|list| list.split(|b| *b == b',')).map(<[u8]>::trim_ascii);
    if names.any(|name| matters(name) || !name.iter().all(|b| is_token(*b))) {
        return Err(CONNECTION_NAMES);
    }
    let is_met = |v: &HeaderValue| v.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if headers.get_all(EXPECT).iter().all(is_met) { Ok(()) } else { Err(EXPECTATION) }
}

/// A name or an address, and a port or none: no user, and nothing else behind it.
fn is_plain(host: &Authority) -> bool {
    let Some(rest) = host.as_str().strip_prefix(host.host()) else { return false };
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    !host.host().is_empty() && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(change: impl FnOnce(&mut Options)) -> Guard {
        let mut options = Options::default();
        change(&mut options);
        Guard::new(options, SocketAddr::from(([127, 0, 0, 1], 8787)))
    }

    fn ask(guard: &Guard, method: &str, uri: &str, pairs: &[(&'static str, &str)]) -> Result<Passed, u16> {
        let mut headers = HeaderMap::new();
        if !pairs.iter().any(|(n, _)| *n == "host") {
            headers.insert(HOST, "127.0.0.1:8787".parse().unwrap());
        }
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        let result = guard.check(&method.parse().unwrap(), &uri.parse().unwrap(), &mut headers, None);
        result.map_err(|r| r.status.as_u16())
    }

    #[test]
    fn hosts() {
        let g = guard(|o| o.hosts.push("gw.example".to_owned()));
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.9.9.9:80", "[::1]:8787", "gw.example:443"]
        {
            assert!(ask(&g, "GET", "/", &[("host", host)]).is_ok(), "{host}");
        }
        for host in
            ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "0.0.0.0"]
        {
            assert_eq!(ask(&g, "GET", "/", &[("host", host)]), Err(421), "{host}");
        }
        assert_eq!(ask(&g, "GET", "/", &[("host", "localhost"), ("host", "localhost")]), Err(400));
        assert_eq!(ask(&g, "GET", "/", &[("host", "")]), Err(400));
    }

    #[test]
    fn targets() {
        let g = guard(|_| ());
        assert_eq!(
            ask(&g, "GET", "http://127.0.0.1:8787/v1/models?a=1", &[]).unwrap().path,
            "/v1/models?a=1"
        );
        assert_eq!(ask(&g, "GET", "http://api.anthropic.com/v1/models", &[]), Err(400));
        assert_eq!(ask(&g, "GET", "http://127.0.0.1:1/v1/models", &[]), Err(400));
        assert_eq!(ask(&g, "CONNECT", "api.anthropic.com:443", &[]), Err(405));
        assert_eq!(ask(&g, "OPTIONS", "*", &[]), Err(400));
    }

    #[test]
    fn prefixes() {
        let g = guard(|o| o.prefix = Some("/s3cret/".to_owned()));
        assert_eq!(ask(&g, "GET", "/s3cret/v1/models?x", &[]).unwrap().path, "/v1/models?x");
        assert_eq!(ask(&g, "GET", "/s3cret", &[]).unwrap().path, "/");
        assert_eq!(ask(&g, "GET", "/s3cret?x=1", &[]).unwrap().path, "/?x=1");
        for path in ["/", "/v1/models", "/s3cre/v1", "/s3crets/v1", "//s3cret/v1"] {
            assert_eq!(ask(&g, "GET", path, &[]), Err(404), "{path}");
        }
    }

    #[test]
    fn origins() {
        let g = guard(|o| o.origins.push("https://ok.example".to_owned()));
        assert!(ask(&g, "POST", "/", &[("origin", "https://ok.example")]).is_ok());
        for origin in ["null", "https://ok.example.evil", "http://127.0.0.1:8787"] {
            assert_eq!(ask(&g, "POST", "/", &[("origin", origin)]), Err(403), "{origin}");
        }
    }

    #[test]
    fn tokens_are_checked_and_taken_out() {
        let token = |alias: &str, secret: &str| CallerToken {
            alias: alias.to_owned(),
            secret: Secret::new(secret.as_bytes().to_vec()),
        };
        let g = guard(|o| o.tokens = vec![token("a", "token-a"), token("b", "token-b")]);
        assert_eq!(ask(&g, "GET", "/", &[("x-api-key", "token-b")]).unwrap().token, Some(1));
        assert_eq!(ask(&g, "GET", "/", &[("authorization", "bearer token-a")]).unwrap().token, Some(0));
        assert_eq!(ask(&g, "GET", "/", &[("authorization", "Basic token-a")]), Err(401));
        assert_eq!(ask(&g, "GET", "/", &[("x-api-key", "token-")]), Err(401));
        assert_eq!(ask(&g, "GET", "/", &[]), Err(401));
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", "token-a".parse().unwrap());
        headers.insert(AUTHORIZATION, "Bearer sk-ant-oat-x".parse().unwrap());
        assert_eq!(g.token(&mut headers), Ok(Some(0)));
        assert!(!headers.contains_key("x-api-key") && headers.contains_key(AUTHORIZATION));
    }

    #[test]
    fn forms_are_refused_where_the_gateway_adds_the_key() {
        let g = guard(|o| o.has_pool = true);
        let send = |path: &str, kind: &str| ask(&g, "POST", path, &[("content-type", kind)]).map(|_| ());
        assert_eq!(send("/v1/messages", "application/json"), Ok(()));
        assert_eq!(send("/v1/messages", "Text/Plain;charset=utf-8"), Err(415));
        assert_eq!(send("/v1/messages", "application/x-www-form-urlencoded"), Err(415));
        assert_eq!(send("/v1/messages", "multipart/form-data; boundary=x"), Err(415));
        assert_eq!(send("/v1/files?beta=true", "multipart/form-data; boundary=x"), Ok(()));
        assert_eq!(send("/v1/files", "text/plain"), Err(415));
        let open = guard(|_| ());
        assert!(ask(&open, "POST", "/v1/messages", &[("content-type", "text/plain")]).is_ok());
    }

    #[test]
    fn lengths_are_known_before_the_body() {
        let g = guard(|o| o.body_max = 10);
        assert!(ask(&g, "POST", "/", &[("content-length", "10")]).is_ok());
        assert_eq!(ask(&g, "POST", "/", &[("content-length", "11")]), Err(413));
    }
}
