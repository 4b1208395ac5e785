//! Proxies: how they are written and which one the environment names, as httpx (the official Python SDK's transport)
//! reads it.

use base64::Engine as _;
use clearline_model::{ConfigFault, Failure, Secret, Stage};

use crate::fault::Fault;
use crate::fence::literal;
use crate::target::{host_and_port, is_loopback};

/// A proxy.
#[derive(Debug)]
pub enum Proxy {
    /// An HTTP proxy.
    Http {
        /// Its host.
        host: String,
        /// Its port.
        port: u16,
        /// `user:password`, decoded.
        auth: Option<Secret>,
        /// Whether the way to the proxy itself is TLS.
        tls: bool,
    },
    /// A SOCKS 5 proxy.
    Socks5 {
        /// Its host.
        host: String,
        /// Its port.
        port: u16,
        /// `user:password`, decoded.
        auth: Option<Secret>,
        /// Whether the proxy looks names up (`socks5h`).
        remote_dns: bool,
    },
}

impl Proxy {
    /// Its host.
    #[must_use]
    pub fn host(&self) -> &str {
        match self {
            Self::Http { host, .. } | Self::Socks5 { host, .. } => host,
        }
    }

    /// Whether it runs on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(self.host())
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match self {
            Self::Http { port, .. } | Self::Socks5 { port, .. } => *port,
        }
    }

    /// The scheme that selects it.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        match self {
            Self::Http { tls: false, .. } => "http",
            Self::Http { tls: true, .. } => "https",
            Self::Socks5 { remote_dns: false, .. } => "socks5",
            Self::Socks5 { remote_dns: true, .. } => "socks5h",
        }
    }

    /// Whether credentials are set for it.
    #[must_use]
    pub const fn has_credentials(&self) -> bool {
        match self {
            Self::Http { auth, .. } | Self::Socks5 { auth, .. } => auth.is_some(),
        }
    }

    /// The value of `Proxy-Authorization`, for an HTTP proxy with credentials.
    pub(crate) fn basic(&self) -> Option<Secret> {
        let Self::Http { auth: Some(auth), .. } = self else { return None };
        let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(auth.expose()));
        Some(Secret::new(value.into_bytes()))
    }
}

fn wrong(why: &str) -> Fault {
    Fault::new(Stage::Config, Failure::Config(ConfigFault::Proxy)).detailed(why)
}

/// Reads a proxy's URL; without a scheme it is an HTTP proxy.
///
/// # Errors
///
/// `Config(Proxy)`. The URL is not repeated, because it may hold a password.
pub fn parse_proxy(text: &str) -> Result<Proxy, Fault> {
    let text = text.trim();
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        "socks5" | "socks5h" => 1080,
        _ => return Err(wrong("the scheme is none of http, https, socks5, socks5h")),
    };
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, place) = rest.rsplit_once('@').map_or((None, rest), |(user, place)| (Some(user), place));
    let authority: http::uri::Authority = place.parse().map_err(|_| wrong("the host cannot be read"))?;
    let (host, port) = host_and_port(&authority, default_port).ok_or_else(|| wrong("the port is wrong"))?;
    if host.is_empty() {
        return Err(wrong("the host is missing"));
    }
    let auth = user.map(credentials);
    Ok(match scheme.as_str() {
        "socks5" | "socks5h" => Proxy::Socks5 { host, port, auth, remote_dns: scheme == "socks5h" },
        _ => Proxy::Http { host, port, auth, tls: scheme == "https" },
    })
}

/// `user:password` without percent encoding; the password may be missing.
fn credentials(user: &str) -> Secret {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let mut bytes = decoded(name);
    bytes.push(b':');
    bytes.append(&mut decoded(password));
    Secret::new(bytes)
}

fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let pair = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = pair.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    out
}

/// The proxies that an environment names.
#[derive(Debug, Default)]
pub struct ProxyEnv {
    http: Option<Proxy>,
    https: Option<Proxy>,
    all: Option<Proxy>,
    direct: Vec<Direct>,
    all_direct: bool,
}

/// An entry of `NO_PROXY`.
#[derive(Debug, PartialEq, Eq)]
struct Direct {
    scheme: Option<String>,
    host: String,
    port: Option<u16>,
    reach: Reach,
}

/// Which names an entry covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Exact,
    Below,
    SelfAndBelow,
}

impl ProxyEnv {
    /// Reads the variables; lower case wins, and an empty lower-case one switches the upper-case one off.
    ///
    /// # Errors
    ///
    /// `Config(Proxy)` when one of them cannot be read, whether it would be used or not: so does httpx. With `NO_PROXY=*` it looks at
    /// none of them.
    pub fn from_lookup(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, Fault> {
        let var =
            |name: &str| get(name).or_else(|| get(&name.to_ascii_uppercase())).filter(|v| !v.is_empty());
        let no = var("no_proxy").unwrap_or_default();
        let entries = || no.split(',').map(str::trim).filter(|e| !e.is_empty());
        let all_direct = entries().any(|e| e == "*");
        let read = |value: String| match parse_proxy(&value) {
            Err(_) if all_direct => Ok(None),
            read => read.map(Some),
        };
        let proxy = |name: &str| {
            let named = |f: Fault| {
                let text = format!("{name}: {}", f.detail.raw());
                f.detailed(&text)
            };
            var(name).map_or(Ok(None), |v| read(v).map_err(named))
        };
        // A CGI server passes a request's `Proxy:` header on as HTTP_PROXY (httpoxy).
        let http = if get("REQUEST_METHOD").is_some() {
            get("http_proxy").filter(|v| !v.is_empty()).map_or(Ok(None), read)?
        } else {
            proxy("http_proxy")?
        };
        Ok(Self {
            http,
            https: proxy("https_proxy")?,
            all: proxy("all_proxy")?,
            direct: entries().filter_map(direct).collect(),
            all_direct,
        })
    }

    /// As httpx uses it: a SOCKS proxy looks names up itself, however it is written.
    #[must_use]
    pub fn with_remote_names(mut self) -> Self {
        for proxy in [&mut self.http, &mut self.https, &mut self.all].into_iter().flatten() {
            if let Proxy::Socks5 { remote_dns, .. } = proxy {
                *remote_dns = true;
            }
        }
        self
    }

    /// The proxy that a URL would take if `NO_PROXY` did not exclude it; nothing where it is not excluded.
    #[must_use]
    pub fn excluded(&self, scheme: &str, host: &str, port: u16) -> Option<&Proxy> {
        let own = match scheme {
            "http" => self.http.as_ref(),
            "https" => self.https.as_ref(),
            _ => None,
        };
        own.or(self.all.as_ref()).filter(|_| self.for_url(scheme, host, port).is_none())
    }

    /// The proxy for a URL; nothing when the call goes straight there.
    #[must_use]
    pub fn for_url(&self, scheme: &str, host: &str, port: u16) -> Option<&Proxy> {
        let own = match scheme {
            "http" => self.http.as_ref(),
            "https" => self.https.as_ref(),
            _ => None,
        };
        let proxy = own.or(self.all.as_ref())?;
        let excluded = self.all_direct || self.direct.iter().any(|d| d.covers(scheme, host, port));
        (!excluded).then_some(proxy)
    }
}

impl Direct {
    fn covers(&self, scheme: &str, host: &str, port: u16) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let same_host = match (literal(&self.host), literal(&host)) {
            (Some(a), Some(b)) => a == b,
            (Some(_), None) | (None, Some(_)) => false,
            (None, None) => {
                let below =
                    host.strip_suffix(&self.host).is_some_and(|head| head.ends_with('.') && head.len() > 1);
                match self.reach {
                    Reach::Exact => host == self.host,
                    Reach::Below => below,
                    Reach::SelfAndBelow => below || host == self.host,
                }
            }
        };
        same_host
            && self.port.is_none_or(|p| p == port)
            && self.scheme.as_ref().is_none_or(|s| s == scheme || s == "all")
    }
}

/// Reads an entry of `NO_PROXY`; what cannot be one matches nothing.
fn direct(entry: &str) -> Option<Direct> {
    let entry = entry.to_ascii_lowercase();
    let (scheme, place) =
        entry.split_once("://").map_or((None, entry.as_str()), |(s, p)| (Some(s.to_owned()), p));
    // As httpx does: a network is taken for its address.
    let place = place.split('/').next().unwrap_or_default();
    if let Some(ip) = literal(place) {
        return Some(Direct { scheme, host: ip.to_string(), port: None, reach: Reach::Exact });
    }
    let (place, reach) = match (scheme.is_some(), place) {
        (true, place) => match place.strip_prefix("*.") {
            Some(rest) => (rest, Reach::Below),
            None => place.strip_prefix('*').map_or((place, Reach::Exact), |rest| (rest, Reach::SelfAndBelow)),
        },
        (false, "localhost") => (place, Reach::Exact),
        (false, place) => match place.strip_prefix("*.").or_else(|| place.strip_prefix('.')) {
            Some(rest) => (rest, Reach::Below),
            None => (place, Reach::SelfAndBelow),
        },
    };
    let authority: http::uri::Authority = place.parse().ok()?;
    let (host, port) = host_and_port(&authority, 0)?;
    Some(Direct { scheme, host, port: Some(port).filter(|p| *p != 0), reach })
}
