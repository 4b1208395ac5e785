//! HTTP inside a text: statuses, headers and error bodies, in the forms in which clients print them.

use clearline_model::{ErrorKind, Origin};
use clearline_wire::parse_error;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::normal::normal;
use crate::objects::{Object, bodies, objects, opened};
use crate::said::is_anothers;
use crate::status::{ANNOUNCE, PERHAPS};

/// What a text says of HTTP answers.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// The statuses that are printed as such, each once, in their order.
    pub(crate) statuses: Vec<u16>,
    /// What the bodies of errors say.
    pub(crate) errors: Vec<Error>,
}

/// What one body says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Error {
    /// The status beside it, or 0.
    pub(crate) status: u16,
    /// What it means.
    pub(crate) kind: ErrorKind,
    /// Who sent it.
    pub(crate) origin: Origin,
    /// It is a body in the API's or the edge's own shape.
    pub(crate) is_typed: bool,
}

/// Reads them: the whole text, what of it may be an answer of the API's, and that in its normal form.
pub(crate) fn read(text: &str, answer: &str, normal: &str) -> Answers {
    let mut statuses: Vec<u16> = Vec::new();
    statuses_in(normal).for_each(|status| {
        if !statuses.contains(&status) {
            statuses.push(status);
        }
    });
    let headers = headers(text);
    let status = statuses.first().copied().unwrap_or(0);
    let objects = objects(text).into_iter().filter(|object| !is_anothers(lines_of(text, object)));
    let mut errors: Vec<Error> = objects
        .filter_map(|object| error(beside(text, &object).unwrap_or(status), &headers, object))
        .collect();
    let is_page = ["<html", "<!doctype html", "<title"].iter().any(|tag| normal.contains(tag));
    if errors.is_empty() && (status != 0 || !headers.is_empty() || is_page) {
        // Pages and bare sentences: the words alone, with the status beside them.
        let error = parse_error(status, &headers, answer.trim().as_bytes());
        if error.kind != ErrorKind::None {
            errors.push(Error { status, kind: error.kind, origin: error.origin, is_typed: false });
        }
    }
    Answers { statuses, errors }
}

/// What an object says; what is within says the same less well.
fn error(status: u16, headers: &HeaderMap, object: Object) -> Option<Error> {
    let value = opened(object.value);
    bodies(&value).into_iter().find_map(|map| {
        let status = own_status(map).unwrap_or(status);
        let error = parse_error(status, headers, enveloped(map).to_string().as_bytes());
        let error = Error { status, kind: error.kind, origin: error.origin, is_typed: true };
        (error.kind != ErrorKind::None).then_some(error)
    })
}

/// The lines on which an object stands.
fn lines_of<'a>(text: &'a str, object: &Object) -> &'a str {
    let from = text.get(..object.at.start).and_then(|t| t.rfind('\n')).map_or(0, |at| at + 1);
    let to = text.get(object.at.end..).and_then(|t| t.find('\n')).map_or(text.len(), |at| object.at.end + at);
    text.get(from..to).unwrap_or_default()
}

/// How far before a body its status stands, bytes.
const BESIDE: usize = 200;

/// The last status that is printed just before an object.
fn beside(text: &str, object: &Object) -> Option<u16> {
    let from = text.floor_char_boundary(object.at.start.saturating_sub(BESIDE));
    let before = normal(text.get(from..object.at.start)?);
    // The brace announces a status that stands right before it.
    statuses_in(&format!("{before}{{")).last()
}

/// The status that an object itself names.
fn own_status(map: &Map<String, Value>) -> Option<u16> {
    ["status", "statusCode", "status_code", "http_status"].iter().find_map(|name| {
        map.get(*name)?.as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| (400..=599).contains(n))
    })
}

/// Words that announce a status besides those of any log.
const BEFORE: [&str; 11] = [
    "messages",
    "count_tokens",
    "statuscode",
    "status_code",
    "http_status",
    "http_status_",
    "httperror",
    "proxyerror",
    "clienthttpproxyerror",
    "rejected",
    "forbidden",
];

/// Whether the last word before a number and what follows it leave it alone there: it is how many of nothing.
fn is_alone(before: &str, after: &str) -> bool {
    let word = before.strip_suffix(' ').and_then(|b| b.rsplit(|c: char| !c.is_ascii_alphanumeric()).next());
    let follows = after.trim_start_matches(' ');
    word.is_some_and(|word| word == "with" || PERHAPS.contains(&word))
        && !follows.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '%' | '/' | '.'))
}

/// Whether what stands before a number announces a status: one of the words, and marks between.
fn is_announced(before: &str) -> bool {
    let marked = before.trim_end_matches([' ', ':', '=', '\'', '"', '(', '|']);
    let between = before.len() - marked.len();
    let word = marked.rsplit(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.'))).next();
    let word = word.map(|word| {
        word.rsplit_once(['.', '/']).filter(|(_, last)| is_name(last)).map_or(word, |(_, last)| last)
    });
    // In code and queries, blanks stand around the mark.
    let is_compared = before.ends_with("= ");
    between <= 4
        && !is_compared
        && word.is_some_and(|word| BEFORE.contains(&word) || ANNOUNCE.contains(&word))
}

/// Whether the last part of a path or of a dotted name is a name, and not the version of HTTP.
fn is_name(last: &str) -> bool {
    last.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Statuses and how their phrases begin.
const PHRASES: [(u16, &[&str]); 18] = [
    (400, &["bad request"]),
    (401, &["unauthorized"]),
    (402, &["payment required"]),
    (403, &["forbidden"]),
    (404, &["not found"]),
    (405, &["method not"]),
    (407, &["proxy auth"]),
    (408, &["request time"]),
    (413, &["request entity", "payload too", "content too"]),
    (429, &["too many"]),
    (451, &["unavailable for"]),
    (500, &["internal server"]),
    (502, &["bad gateway"]),
    (503, &["service unavailable", "service temporarily"]),
    (504, &["gateway time"]),
    (511, &["network auth"]),
    (524, &["a timeout"]),
    (529, &["overloaded", "site is"]),
];

/// The statuses that a text prints: three digits behind a word that announces one, before its own phrase or its body, or at
/// the very beginning.
fn statuses_in(normal: &str) -> impl Iterator<Item = u16> {
    normal.match_indices(['4', '5']).filter_map(|(at, _)| {
        let status = normal.get(at..at + 3)?.parse::<u16>().ok()?;
        let (before, after) = (normal.get(..at)?, normal.get(at + 3..)?);
        let is_part = after.starts_with(|c: char| c.is_ascii_alphanumeric())
            || before.ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if is_part && !before.ends_with("http_status_") {
            return None;
        }
        let rest = after.trim_start_matches([' ', ':', '-', '|', '(', '\'']);
        let phrases =
            PHRASES.iter().filter(|(known, _)| *known == status).flat_map(|(_, phrases)| phrases.iter());
        let is_said = at == 0
            || is_announced(before)
            || is_alone(before, after)
            || (before.ends_with('[') && after.starts_with(']'))
            || phrases.into_iter().any(|phrase| rest.starts_with(phrase))
            || (after.trim_start().starts_with(['{', '<']) && !before.ends_with([':', '/', '.']));
        is_said.then_some(status)
    })
}

/// Headers that say who answered, or what is left of a limit.
const HEADERS: [&str; 14] = [
    "request-id",
    "cf-ray",
    "server",
    "via",
    "x-amzn-errortype",
    "x-amzn-requestid",
    "x-squid-error",
    "x-deny-reason",
    "proxy-authenticate",
    "cf-mitigated",
    "x-should-retry",
    "content-type",
    "retry-after",
    "anthropic-ratelimit-",
];

/// These headers, wherever a line holds one: in a transcript, behind a log's prefix, in a dump of all of them.
fn headers(text: &str) -> HeaderMap {
    let mut found = HeaderMap::new();
    for line in text.lines().take(10_000) {
        let lower = line.to_ascii_lowercase();
        for (name, value) in HEADERS.iter().filter_map(|name| field(&lower, line, name)) {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
                found.append(name, value);
            }
        }
    }
    found
}

/// The header of a line whose name begins so, and its value.
fn field<'a>(lower: &'a str, line: &'a str, begins: &str) -> Option<(&'a str, &'a str)> {
    let at = lower.find(begins)?;
    let before = lower.get(..at)?.trim_end();
    // Words that stand in sentences as well are headers only where a field begins.
    let is_field = before.is_empty() || before.ends_with(['<', '|', '{', ',', '"', '\'', '[']);
    let is_free = !lower.get(..at)?.ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if !(is_field || (is_free && begins.contains('-'))) {
        return None;
    }
    let rest = lower.get(at..)?;
    let length =
        rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).filter(|n| *n >= begins.len())?;
    let after = line.get(at + length..)?.trim_start_matches(['"', '\'']).strip_prefix(':')?;
    let value = after.trim_start_matches([' ', '"', '\'']);
    let value = value.split(['"', '\'', ',']).next().unwrap_or_default().trim();
    (begins.ends_with('-') || length == begins.len()).then(|| (rest.get(..length).unwrap_or_default(), value))
}

/// A bare `{"type":…,"message":…}`, as some clients print the inner part of the error.
fn enveloped(map: &Map<String, Value>) -> Value {
    let is_inner = map.get("error").is_none()
        && map.get("message").is_some()
        && map.get("type").and_then(Value::as_str).is_some_and(|t| t.ends_with("_error"));
    let value = Value::Object(map.clone());
    if is_inner { serde_json::json!({ "type": "error", "error": value }) } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> (Option<u16>, Option<ErrorKind>) {
        let answers = read(text, text, &normal(text));
        (answers.statuses.first().copied(), answers.errors.first().map(|error| error.kind))
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
        for text in
            ["test.c:407:12: error", "line 529, in dispatch", "407 tests passed in 529 ms", "bean#407"]
        {
            assert_eq!(kind(&format!("> {text}")).0, None, "{text}");
        }
    }

    #[test]
    fn headers_are_found_wherever_a_line_holds_one() {
        let spent = "anthropic-ratelimit-output-tokens-remaining";
        for line in [
            format!("< {spent}: 0"),
            format!("10:00:00 app-1 | {spent}: 0"),
            format!("headers={{'date': 'x', '{spent}': '0', 'via': 'y'}}"),
        ] {
            assert_eq!(headers(&line).get(spent).map(HeaderValue::as_bytes), Some(&b"0"[..]), "{line}");
        }
        assert_eq!(
            headers("< Server: cloudflare").get("server").map(HeaderValue::as_bytes),
            Some(&b"cloudflare"[..])
        );
        assert!(headers("the server: it fell, sent via: mail, x-cf-ray: 1").is_empty());
    }

    #[test]
    fn each_body_is_read_with_the_status_beside_it() {
        let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        let invalid =
            r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#;
        let text = format!("attempt 1: 529 {overloaded}\nattempt 2: 401 {invalid}");
        let answers = read(&text, &text, &normal(&text));
        assert_eq!(answers.statuses, [529, 401]);
        let errors: Vec<_> = answers.errors.iter().map(|error| (error.status, error.kind)).collect();
        assert_eq!(errors, [(529, ErrorKind::Overloaded), (401, ErrorKind::Authentication)]);
        let line = serde_json::json!({ "level": "error", "err": format!("529 {overloaded}") }).to_string();
        assert_eq!(
            read(&line, &line, &normal(&line)).errors.first().map(|e| e.kind),
            Some(ErrorKind::Overloaded)
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_it(text in "[{}'\"\\\\:a-c0-9 \n]{0,60}") {
            let _ = read(&text, &text, &normal(&text));
        }
    }
}
