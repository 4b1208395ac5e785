//! Errors that clearline itself answers: the API's shape, and beside it what a program can read of the reason.

use clearline_model::{Cause, Dur, Foreign, Stage};
use serde::Serialize;

/// What is known of an error of clearline's own.
#[derive(Debug, Clone, Copy)]
pub struct Own<'a> {
    /// Why.
    pub cause: Cause,
    /// At which stage the last attempt failed.
    pub stage: Option<Stage>,
    /// How many attempts were made.
    pub attempts: Option<u16>,
    /// When it is worth another try.
    pub retry_after: Option<Dur>,
    /// The upstream's id of its last answer.
    pub request_id: Option<&'a Foreign>,
    /// What of a broken answer reached the caller.
    pub delivered: Option<Delivered>,
}

/// What of an answer reached the caller before it broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// Bytes of the body.
    pub bytes: u64,
    /// Characters of text.
    pub text_chars: u64,
}

impl Own<'_> {
    /// Only the cause.
    #[must_use]
    pub const fn of(cause: Cause) -> Self {
        Self { cause, stage: None, attempts: None, retry_after: None, request_id: None, delivered: None }
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'static str,
    error: Inner<'a>,
    clearline: Extension<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    r#type: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Extension<'a> {
    cause: &'static str,
    blame: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<Stage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a Foreign>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered: Option<Delivered>,
}

/// The error as JSON, without a line feed. `type_` is one of the API's.
#[must_use]
pub fn own_error_body(type_: &str, message: &str, own: &Own<'_>) -> Vec<u8> {
    let row = own.cause.row();
    let body = Envelope {
        r#type: "error",
        error: Inner { r#type: type_, message },
        clearline: Extension {
            cause: row.id,
            blame: row.blame.word(),
            stage: own.stage,
            attempts: own.attempts,
            retry_after_ms: own.retry_after.filter(|d| *d != Dur::MAX).map(|d| d.0.div_ceil(1_000)),
            request_id: own.request_id,
            delivered: own.delivered,
        },
    };
    serde_json::to_vec(&body).unwrap_or_default()
}

/// The error as an `error` event of a stream, with the empty line that ends it.
#[must_use]
pub fn own_error_event(type_: &str, message: &str, own: &Own<'_>) -> Vec<u8> {
    [b"event: error\ndata: ", own_error_body(type_, message, own).as_slice(), b"\n\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_s_fields_stay_its_own_and_the_reason_stands_beside_them() {
        let own = Own {
            stage: Some(Stage::Stream),
            attempts: Some(2),
            retry_after: Some(Dur(1_500)),
            delivered: Some(Delivered { bytes: 7, text_chars: 3 }),
            ..Own::of(Cause::StreamCut)
        };
        let event = String::from_utf8(own_error_event("api_error", "It broke", &own)).unwrap();
        let data = event.strip_prefix("event: error\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
        assert_eq!(
            data,
            r#"{"type":"error","error":{"type":"api_error","message":"It broke"},"clearline":{"cause":"stream.cut","blame":"site","stage":"stream","attempts":2,"retry_after_ms":2,"delivered":{"bytes":7,"text_chars":3}}}"#
        );
        assert!(crate::is_api_shape(data.as_bytes()));
        let plain = own_error_body(
            "api_error",
            "x",
            &Own { retry_after: Some(Dur::MAX), ..Own::of(Cause::TcpReset) },
        );
        assert!(plain.ends_with(br#""clearline":{"cause":"tcp.reset","blame":"site"}}"#));
    }
}
