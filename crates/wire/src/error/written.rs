//! Errors in the API's own shape, written.

use serde::Serialize;

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
