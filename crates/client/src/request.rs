//! What a caller asks for.

use std::fmt;

use bytes::Bytes;
use clearline_model::CallerId;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method};

use crate::upload::Body;

/// What the caller asks for.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query; it is put behind the upstream's base path.
    pub path: PathAndQuery,
    /// End-to-end headers: hop-by-hop ones are already gone; `host` and `expect` do not go upstream.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Body,
    /// Who asks, for fairness and records.
    pub caller: CallerId,
}

/// Without the values of its headers, among which is the caller's credential, and without its body.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.keys().map(http::HeaderName::as_str).collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &headers)
            .field("body", &self.body)
            .field("caller", &self.caller)
            .finish()
    }
}

impl Request {
    /// What is left of a request that nobody asks for any more.
    pub(crate) fn none() -> Self {
        Self {
            method: Method::GET,
            path: PathAndQuery::from_static("/"),
            headers: HeaderMap::new(),
            body: Body::from(Bytes::new()),
            caller: CallerId(0),
        }
    }

    /// The same in buffers of its own size: parts of what was read from a connection keep all of its buffer, as long as
    /// the call lasts.
    pub(crate) fn compact(&self) -> Self {
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            // What was a value is one.
            if let Ok(mut own) = HeaderValue::from_bytes(value.as_bytes()) {
                own.set_sensitive(value.is_sensitive());
                headers.append(name.clone(), own);
            }
        }
        Self {
            method: self.method.clone(),
            // What was a path is one.
            path: self.path.as_str().parse().unwrap_or_else(|_| self.path.clone()),
            headers,
            body: self.body.compact(),
            caller: self.caller,
        }
    }
}
