//! HTTP inside a text: statuses, headers and error bodies, in the forms in which clients print them.

use clearline_model::{ErrorKind, Origin};
use clearline_wire::parse_error;
use http::{HeaderMap, HeaderName, HeaderValue};

/// What a text says of an HTTP answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The status, where one is printed as such.
    pub(crate) status: Option<u16>,
    /// What the error body says, and whose it is.
    pub(crate) kind: Option<(ErrorKind, Origin)>,
    /// It is a body in the API's or the edge's own shape.
    pub(crate) is_typed: bool,
}

/// What stands before a status where one is printed.
const BEFORE: [&str; 24] = [
    "/messages\": ",
    "/count_tokens\": ",
    "error code: ",
    "status code ",
    "status_code=",
    "status code: ",
    "statuscode:",
    "statuscode: ",
    "status: ",
    "status\": ",
    "status=",
    "http/1.1 ",
    "http/2 ",
    "http ",
    "api error: ",
    "api error (",
    "error: ",
    "response ",
    "code\": ",
    "code=",
    "rejected (",
    "code:",
    "[",
    "http_status_",
];

/// Reads it.
pub(crate) fn read(original: &str, normal: &str) -> Answer {
    let status = status(normal);
    let headers = headers(original);
    let mut answer = Answer { status, ..Answer::default() };
    for body in bodies(original) {
        let error = parse_error(status.unwrap_or(0), &headers, body.as_bytes());
        let is_better = answer.kind.is_none_or(|(kind, _)| kind == ErrorKind::None);
        if is_better && error.kind != ErrorKind::None {
            answer.kind = Some((error.kind, error.origin));
            answer.is_typed = true;
        }
    }
    if answer.kind.is_none() && (status.is_some() || !headers.is_empty()) {
        // Pages and bare sentences: the words alone, with the status beside them.
        let error = parse_error(status.unwrap_or(0), &headers, original.trim().as_bytes());
        if error.kind != ErrorKind::None {
            answer.kind = Some((error.kind, error.origin));
        }
    }
    answer
}

/// The status that a text prints: three digits behind a word that announces one, or at the very beginning.
fn status(normal: &str) -> Option<u16> {
    let behind = |at: usize| {
        let digits = normal.get(at..at + 3)?;
        let ends = normal.as_bytes().get(at + 3).is_none_or(|b| !b.is_ascii_alphanumeric());
        let status = digits.parse::<u16>().ok().filter(|n| (400..=599).contains(n))?;
        ends.then_some(status)
    };
    if let Some(first) = behind(0) {
        return Some(first);
    }
    let announced = BEFORE.iter().filter_map(|word| {
        normal.match_indices(word).find_map(|(at, _)| Some((at, behind(at + word.len())?)))
    });
    let first = announced.min_by_key(|(at, _)| *at).map(|(_, status)| status);
    first.or_else(|| {
        // `403 forbidden`, `502 bad gateway`: digits before their own phrase.
        const PHRASES: [(&str, u16); 8] = [
            ("400 bad request", 400),
            ("401 unauthorized", 401),
            ("403 forbidden", 403),
            ("404 not found", 404),
            ("407 proxy authentication required", 407),
            ("429 too many requests", 429),
            ("502 bad gateway", 502),
            ("503 service unavailable", 503),
        ];
        PHRASES.iter().find(|(phrase, _)| normal.contains(phrase)).map(|(_, status)| *status)
    })
}

/// Headers that say who answered, wherever a line holds one.
fn headers(text: &str) -> HeaderMap {
    const NAMES: [&str; 9] = [
        "request-id",
        "cf-ray",
        "server",
        "via",
        "x-amzn-errortype",
        "x-deny-reason",
        "cf-mitigated",
        "x-should-retry",
        "content-type",
    ];
    let mut found = HeaderMap::new();
    for line in text.lines().take(10_000) {
        let Some((name, value)) = line.trim().trim_start_matches(['<', '>', '|', ' ']).split_once(':') else {
            continue;
        };
        let name = name.trim().trim_matches(['"', '\'']).to_ascii_lowercase();
        if !NAMES.contains(&name.as_str()) {
            continue;
        }
        let value = value.trim().trim_matches(['"', '\'', ',']);
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            found.insert(name, value);
        }
    }
    found
}

/// The most bodies that are looked at.
const BODIES_MAX: usize = 16;

/// JSON objects in a text, also as Python prints a dict, the outermost first.
fn bodies(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|t| t.find('{')).map(|at| from + at) {
        if found.len() >= BODIES_MAX {
            break;
        }
        let Some(end) = object_end(text, at) else { break };
        let body = text.get(at..end).unwrap_or_default();
        let body = if serde_json::from_str::<serde_json::Value>(body).is_ok() {
            Some(body.to_owned())
        } else {
            Some(from_python(body)).filter(|b| serde_json::from_str::<serde_json::Value>(b).is_ok())
        };
        if let Some(body) = body {
            found.push(enveloped(&body));
            from = end;
        } else {
            from = at + 1;
        }
    }
    found
}

/// A bare `{"type":…,"message":…}`, as some clients print the inner part of the error.
fn enveloped(body: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let is_inner = value.get("error").is_none()
        && value.get("message").is_some()
        && value.get("type").and_then(serde_json::Value::as_str).is_some_and(|t| t.ends_with("_error"));
    if is_inner { format!("{{\"type\":\"error\",\"error\":{body}}}") } else { body.to_owned() }
}

/// The end of the object that begins at `at`; braces within quotes do not count.
fn object_end(text: &str, at: usize) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0_u32, None, false);
    for (i, b) in text.bytes().enumerate().skip(at) {
        match (quote, b) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(q), _) if b == q => quote = None,
            (Some(_), _) => {}
            (None, b'"') => quote = Some(b),
            (None, b'\'')
                if text.as_bytes().get(i.wrapping_sub(1)).is_none_or(|p| !p.is_ascii_alphanumeric()) =>
            {
                quote = Some(b);
            }
            (None, b'{') => depth += 1,
            (None, b'}') => {
                depth -= 1;
                if depth == 0 {
                    return Some(i + 1);
                }
            }
            (None, _) => {}
        }
    }
    None
}

/// A Python dict as JSON: quotes and constants.
fn from_python(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\'' | '"') => {
                quote = Some(c);
                out.push('"');
            }
            (Some(q), _) if c == q => {
                quote = None;
                out.push('"');
            }
            (Some('\''), '"') => out.push_str("\\\""),
            (Some(_), '\n') => out.push_str("\\n"),
            (Some(_), '\\') if chars.peek() == Some(&'\'') => {}
            _ => out.push(c),
        }
    }
    out.replace(": None", ": null").replace(": True", ": true").replace(": False", ": false")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normal::normal;

    fn kind(text: &str) -> (Option<u16>, Option<ErrorKind>) {
        let answer = read(text, &normal(text));
        (answer.status, answer.kind.map(|(kind, _)| kind))
    }

    #[test]
    fn bodies_are_read_as_each_client_prints_them() {
        for text in [
            r#"529 {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            r"Error code: 529 - {'type': 'error', 'error': {'type': 'overloaded_error', 'message': 'Overloaded', 'details': None}}",
            r#"POST "https://api.example/v1/messages": 529  (Request-ID: req_1) {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            r#"API Error (529 {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}) · Retrying"#,
            r#"status_code=529, {"type":"overloaded_error","message":"Overloaded"}"#,
        ] {
            assert_eq!(kind(text), (Some(529), Some(ErrorKind::Overloaded)), "{text}");
        }
        let quote = r#"Error code: 400 - {'error': {'message': "It's `max_tokens`", 'type': 'invalid_request_error'}, 'type': 'error'}"#;
        assert_eq!(kind(quote).0, Some(400));
        assert!(kind(quote).1.is_some());
    }

    #[test]
    fn a_number_that_nobody_announces_is_no_status() {
        assert_eq!(kind("took 404 ms").0, None);
        assert_eq!(kind("connect ECONNREFUSED 127.0.0.1:443").0, None);
        assert_eq!(kind("curl: (56) CONNECT tunnel failed, response 407").0, Some(407));
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_it(text in "[{}'\"\\\\:a-c0-9 \n]{0,60}") {
            let _ = read(&text, &normal(&text));
        }
    }
}
