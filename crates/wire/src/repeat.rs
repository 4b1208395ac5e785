//! Which requests may be sent again.

use clearline_model::{ErrorKind, Origin, Repeat};
use http::Method;

/// Ends of paths of POSTs that only count: they cost nothing and change nothing.
///
/// Source: claude-api.md 1.3, 7.1 (Bedrock), 7.2 (Vertex).
const FREE: &[&str] = &["/v1/messages/count_tokens", "/count-tokens", "/count-tokens:rawPredict"];

/// Ends of paths of POSTs that are paid again and change nothing.
const BILLED: &[&str] = &[
    "/v1/messages",
    "/v1/complete",
    "/invoke",
    "/invoke-with-response-stream",
    "/converse",
    "/converse-stream",
    ":rawPredict",
    ":streamRawPredict",
];

/// Whether a request may be sent again after the server may have seen it. A query in `path` is ignored.
#[must_use]
pub fn repeat(method: &Method, path: &str) -> Repeat {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Repeat::Free;
    }
    let path = without_query(path);
    let ends = |table: &[&str]| table.iter().any(|end| path.ends_with(end));
    if *method != Method::POST {
        Repeat::Once
    } else if ends(FREE) {
        Repeat::Free
    } else if ends(BILLED) {
        Repeat::Billed
    } else {
        Repeat::Once
    }
}

/// The path of a target, without its query.
#[must_use]
pub fn without_query(target: &str) -> &str {
    // Targets are short: a plain look at each byte is the fastest.
    let end = target.bytes().position(|b| b == b'?').unwrap_or(target.len());
    target.get(..end).unwrap_or(target)
}

/// Whether an answer proves that the request was not carried out: 429, 529, and 503 in the API's own shape.
#[must_use]
pub const fn proves_not_executed(status: u16, kind: ErrorKind, origin: Origin) -> bool {
    match status {
        429 | 529 => true,
        503 => matches!(origin, Origin::Api) && !matches!(kind, ErrorKind::None | ErrorKind::Timeout),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_paths() {
        for (method, path, expected) in [
            (Method::GET, "/v1/models?limit=1000", Repeat::Free),
            (Method::HEAD, "/api/hello", Repeat::Free),
            (Method::OPTIONS, "/v1/messages", Repeat::Free),
            (Method::POST, "/v1/messages", Repeat::Billed),
            (Method::POST, "/v1/messages?beta=true", Repeat::Billed),
            (Method::POST, "/anthropic/v1/messages", Repeat::Billed),
            (Method::POST, "/v1/complete", Repeat::Billed),
            (Method::POST, "/v1/messages/count_tokens?beta=true", Repeat::Free),
            (Method::POST, "/v1/messages/batches", Repeat::Once),
            (Method::POST, "/v1/messages/batches/b/cancel", Repeat::Once),
            (Method::POST, "/v1/files", Repeat::Once),
            (Method::POST, "/v1/other?x=/v1/messages", Repeat::Once),
            (Method::PUT, "/v1/messages", Repeat::Once),
            (Method::DELETE, "/v1/messages/batches/b", Repeat::Once),
            (Method::POST, "/model/anthropic.claude-x-v1%3A0/invoke", Repeat::Billed),
            (Method::POST, "/model/m/invoke-with-response-stream", Repeat::Billed),
            (Method::POST, "/model/m/converse-stream", Repeat::Billed),
            (Method::POST, "/model/m/count-tokens", Repeat::Free),
            (Method::POST, "/v1/projects/p/publishers/anthropic/models/m:streamRawPredict", Repeat::Billed),
            (Method::POST, "/v1/projects/p/publishers/anthropic/models/m:rawPredict", Repeat::Billed),
            (
                Method::POST,
                "/v1/projects/p/publishers/anthropic/models/count-tokens:rawPredict",
                Repeat::Free,
            ),
        ] {
            assert_eq!(repeat(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn proofs() {
        for (status, kind, origin, expected) in [
            (429, ErrorKind::None, Origin::Gateway, true),
            (529, ErrorKind::Overloaded, Origin::Api, true),
            (503, ErrorKind::Api, Origin::Api, true),
            (503, ErrorKind::Overloaded, Origin::Api, true),
            (503, ErrorKind::None, Origin::Api, false),
            (503, ErrorKind::Api, Origin::Gateway, false),
            (500, ErrorKind::Api, Origin::Api, false),
            (504, ErrorKind::Timeout, Origin::Api, false),
            (502, ErrorKind::None, Origin::Edge, false),
        ] {
            assert_eq!(proves_not_executed(status, kind, origin), expected, "{status} {kind:?} {origin:?}");
        }
    }
}
