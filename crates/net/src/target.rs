//! Where the calls go.

use clearline_model::{ConfigFault, Failure, Stage};

use crate::fault::Fault;
use crate::fence::{is_localhost, literal};

/// The scheme of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As URLs write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port where a URL names none.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// An upstream, as its base URL names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The scheme.
    pub scheme: Scheme,
    /// The host, without the brackets of an IPv6 address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What goes before every path, without a slash at its end.
    pub base_path: String,
}

impl Target {
    /// Reads a base URL.
    ///
    /// # Errors
    ///
    /// `Config(BaseUrl)` for anything but `http(s)://host[:port][/path]`. The URL is not repeated: it may hold a
    /// password.
    pub fn parse(url: &str) -> Result<Self, Fault> {
        let wrong =
            |why: &str| Fault::new(Stage::Config, Failure::Config(ConfigFault::BaseUrl)).detailed(why);
        if url.contains('#') {
            return Err(wrong("a base URL has no fragment"));
        }
        let uri: http::Uri = url.trim().parse().map_err(|e: http::uri::InvalidUri| wrong(&e.to_string()))?;
        let scheme = match uri.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some(_) => return Err(wrong("the scheme is neither http nor https")),
            None => return Err(wrong("the scheme is missing: http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("the host is missing"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("a base URL has no user name and password"));
        }
        if uri.query().is_some() {
            return Err(wrong("a base URL has no query"));
        }
        let (host, port) =
            host_and_port(authority, scheme.default_port()).ok_or_else(|| wrong("the port is wrong"))?;
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        Ok(Self { scheme, host, port, base_path: uri.path().trim_end_matches('/').to_owned() })
    }

    /// Whether what goes there is readable on the way.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.scheme == Scheme::Http
    }

    /// Whether it is this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// What the `Host` header says: the port only where it is not the scheme's.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() { bracketed(&self.host) } else { self.host_port() }
    }

    /// Host and port, always both.
    #[must_use]
    pub fn host_port(&self) -> String {
        format!("{}:{}", bracketed(&self.host), self.port)
    }

    /// The path of a request, below the base path.
    #[must_use]
    pub fn path(&self, path_and_query: &str) -> String {
        let mut path = String::with_capacity(self.base_path.len() + path_and_query.len());
        path.push_str(&self.base_path);
        path.push_str(path_and_query);
        path
    }
}

/// Whether a host is this machine, as far as it says so itself.
pub(crate) fn is_loopback(host: &str) -> bool {
    is_localhost(host) || literal(host).is_some_and(|ip| ip.to_canonical().is_loopback())
}

/// The host without brackets, and the port; nothing where the port is no number.
pub(crate) fn host_and_port(authority: &http::uri::Authority, default: u16) -> Option<(String, u16)> {
    let host = authority.host();
    let after = authority.as_str().rsplit('@').next()?.strip_prefix(host)?;
    let port = match after.strip_prefix(':') {
        None | Some("") => default,
        Some(digits) => digits.parse().ok().filter(|port| *port != 0)?,
    };
    Some((host.trim_start_matches('[').trim_end_matches(']').to_owned(), port))
}

/// A host as URLs and CONNECT write it.
pub(crate) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}
