//! Which numbers of a log line are statuses. In an error's text 529 is one; in a log it is mostly how many, how long or which.

/// Words behind which a number is a status.
pub(crate) const ANNOUNCE: [&str; 10] =
    ["status", "code", "error", "http", "http/1.0", "http/1.1", "http/2", "http/2.0", "http/3", "response"];
/// Words behind which it may be one, or how many of what follows it.
pub(crate) const PERHAPS: [&str; 6] = ["got", "received", "returned", "returns", "answered", "responded"];
/// Marks between a request and its status.
const MARKS: [&str; 2] = ["->", "→"];

/// Beginnings of the phrases that follow a status.
const BEHIND: [&str; 11] = [
    "too",
    "overloaded",
    "unauthorized",
    "forbidden",
    "bad",
    "service",
    "internal",
    "gateway",
    "proxy",
    "not",
    "payload",
];

/// What is counted or measured, when it stands behind a number.
const UNITS: [&str; 24] = [
    "ms", "s", "sec", "secs", "second", "seconds", "min", "µs", "us", "bytes", "b", "kb", "mb", "kib", "mib",
    "tokens", "token", "items", "item", "rows", "records", "requests", "calls", "%",
];

/// A line whose other numbers are taken away. `strict` keeps only what is told as a status, else only what is told as an
/// amount goes.
pub(crate) fn alone(line: &str, strict: bool) -> String {
    let mut out = String::with_capacity(line.len());
    let (mut rest, mut before) = (line, "");
    while !rest.is_empty() {
        let begins = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        let (blank, tail) = rest.split_at_checked(begins).unwrap_or((rest, ""));
        let ends = tail.find(char::is_whitespace).unwrap_or(tail.len());
        let (word, tail) = tail.split_at_checked(ends).unwrap_or((tail, ""));
        out.push_str(blank);
        let behind = tail.split_whitespace().next().unwrap_or_default();
        if number(word).is_some() && is_other(before, behind, strict) {
            out.push('0');
        } else {
            out.push_str(word);
        }
        (rest, before) = (tail, word);
    }
    out
}

/// Whether a text has a status that tells of trouble on the way or at the server.
pub(crate) fn is_in(text: &str) -> bool {
    text.split_whitespace().filter_map(number).any(|status| matches!(status, 429 | 500..=504 | 529))
}

fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric() && c != '%' && c != '>' && c != '→' && c != '-')
}

/// The number that a word is, where it could be a status.
fn number(word: &str) -> Option<u16> {
    let digits = bare(word).trim_matches('-');
    let status = (digits.len() == 3).then(|| digits.parse::<u16>().ok())??;
    (400..=599).contains(&status).then_some(status)
}

fn is_other(before: &str, behind: &str, strict: bool) -> bool {
    let (before, next) = (bare(before).to_lowercase(), bare(behind).to_lowercase());
    let is_amount = UNITS.contains(&next.as_str()) || matches!(before.as_str(), "in" | "took" | "within");
    if is_amount || !strict {
        return is_amount;
    }
    let announced =
        [&ANNOUNCE[..], &PERHAPS, &MARKS].into_iter().any(|words| words.contains(&before.as_str()));
    let is_told = announced
        || BEHIND.contains(&next.as_str())
        // A path or an address, and the body of an error.
        || before.contains('/')
        || behind.starts_with('{');
    !is_told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_names_are_no_statuses() {
        for line in [
            "orders order 12 done in 529 ms",
            "took 529",
            "id 529: ok",
            "processed 429 items, 500 tokens",
            "order 407 done",
            "listening on port 5029",
            "(503 rows)",
            "page 404 of 500",
            "529",
        ] {
            let left = alone(line, true);
            assert!(!is_in(&left) && !left.contains("407") && !left.contains("404"), "{left}");
        }
        assert_eq!(alone("a  \t529 b\n529 ms", true), "a  \t0 b\n0 ms");
    }

    #[test]
    fn what_is_told_as_a_status_is_one() {
        for line in [
            "HTTP Request: POST https://x \"HTTP/1.1 529 \"",
            "\"POST /v1/messages HTTP/1.1\" 529 87",
            "POST /v1/messages 529 120ms",
            "Error code: 529 - {",
            "-> 503 in 20ms",
            "status: 500",
            "got 429",
            "429 Too Many Requests",
            "API Error (529 {\"type\":\"error\"}",
        ] {
            assert_eq!(alone(line, true), line);
            assert!(is_in(line), "{line}");
        }
        // Where a line says by itself that it is about a failure, a bare number may be its status.
        assert_eq!(alone("ERROR 529", false), "ERROR 529");
        assert_eq!(alone("ERROR after 529 ms, 529", false), "ERROR after 0 ms, 529");
    }
}
