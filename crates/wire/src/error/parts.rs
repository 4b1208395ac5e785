//! The body of an error taken apart: whose shape it has, and what it says.

use clearline_model::Foreign;
use serde_json::{Map, Value};

/// The largest body that is read as JSON, bytes. Errors are small.
pub(super) const JSON_MAX: usize = 1 << 20;

/// The shapes of a body, as far as they tell who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
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
pub(super) struct Parts {
    pub(super) shape: Shape,
    pub(super) message: String,
    pub(super) type_: String,
    pub(super) code: Option<String>,
    pub(super) request_id: Option<String>,
}

/// Takes any body apart.
pub(super) fn take_apart(body: &[u8]) -> Parts {
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
