//! An answer as data: a status, headers, and a body or events.

use serde_json::{Value, json};

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content: Content,
}

/// What follows the head.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// A body, whole.
    Body(Vec<u8>),
    /// Events, a chunk each.
    Events(Vec<String>),
}

impl Answer {
    pub(crate) fn json(status: u16, value: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            content: Content::Body(value.to_string().into_bytes()),
        }
    }

    /// An error in the API's shape.
    pub(crate) fn error(status: u16, kind: &str, message: &str, request_id: &str) -> Self {
        Self::json(status, &error(kind, message, Some(request_id)))
    }

    pub(crate) fn page(status: u16, kind: &str, text: &str) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), kind.to_owned())],
            content: Content::Body(text.as_bytes().to_vec()),
        }
    }

    pub(crate) fn events(events: Vec<String>) -> Self {
        let headers = [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache")];
        Self {
            status: 200,
            headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
            content: Content::Events(events),
        }
    }

    /// Sets a header in the place of one of the same name.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value));
    }
}

/// The API's error envelope.
pub(crate) fn error(kind: &str, message: &str, request_id: Option<&str>) -> Value {
    let mut value = json!({"type": "error", "error": {"type": kind, "message": message}});
    if let (Some(id), Some(map)) = (request_id, value.as_object_mut()) {
        map.insert("request_id".to_owned(), id.into());
    }
    value
}

/// One server-sent event.
pub(crate) fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

/// The type and the text that the API gives a status (facts: the API's table of statuses).
pub(crate) const fn usual(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("authentication_error", "invalid x-api-key"),
        402 => ("billing_error", "Your organization's payment could not be processed."),
        403 => ("permission_error", "Your API key does not have permission to use the specified resource."),
        404 => ("not_found_error", "Not found"),
        409 => ("conflict_error", "The resource was changed by another request."),
        413 => ("request_too_large", "Request exceeds the maximum size"),
        429 => (
            "rate_limit_error",
            "This request would exceed your organization's rate limit. Please try again later.",
        ),
        504 => ("timeout_error", "Request timed out."),
        529 => ("overloaded_error", "Overloaded"),
        500..=599 => ("api_error", "Internal server error"),
        _ => ("invalid_request_error", "Invalid request"),
    }
}

/// The reason phrase of a status.
pub(crate) const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Payload Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}
