//! Errors of the API and of everything that may stand in front of it, read and written.

mod fits;
mod kind;
mod origin;
mod parts;
mod written;

use clearline_model::{ErrorKind, Foreign, Origin};
use http::HeaderMap;
use serde_json::Value;

use self::kind::kind;
use self::origin::origin;
use self::parts::{JSON_MAX, Shape, take_apart};
pub use self::written::{error_body, error_event, type_for_status};
use crate::headers::{request_id, text};

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

#[cfg(test)]
mod tests;
