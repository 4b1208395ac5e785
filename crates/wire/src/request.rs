//! What a request says of itself, read as cheaply as it can be.

use clearline_model::{Ask, Dur, Foreign};
use http::{HeaderMap, Method};

use crate::headers::seconds;
use crate::repeat::repeat;
use crate::scan::Scan;

/// What the names of the SDKs' own headers begin with.
const STAINLESS: &str = "x-stainless-";

/// The longest name of a family of models, bytes.
const FAMILY_MAX: usize = 64;
/// A timeout longer than this says nothing.
const TIMEOUT_MAX: Dur = Dur::secs(366 * 86_400);

/// What is read of a request's body. The default is what a body that cannot be read gives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peek {
    /// The model, as the caller named it.
    pub model: Option<Foreign>,
    /// A stream of events is wanted.
    pub stream: bool,
    /// The most output that is wanted, tokens; 0 where it is not said.
    pub max_tokens: u32,
    /// Estimated input: a token for four bytes of the body.
    pub est_input: u32,
    /// Neither tools nor thinking, whose blocks cannot be resumed (claude-api.md 4).
    pub resumable: bool,
    /// Where a further message would stand: before the bracket that closes `messages`, bytes from the beginning. `None`
    /// where there are no messages, or twice.
    pub messages_end: Option<u64>,
    /// It says something that matters where two answers are joined: see [`crate::seams`].
    pub seams: bool,
    /// Where the body would have to say that a stream is wanted. `None` where it says so, or something else, or twice.
    pub unstreamed: Option<Unstreamed>,
}

/// How a body says that no stream is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unstreamed {
    /// Not at all; its first field begins there, bytes from the beginning.
    Unsaid(u64),
    /// By a `false`, which stands there.
    False(u64),
}

impl Unstreamed {
    /// What makes a stream of it, as [`crate::streamed`] does with a body in memory: the place, how many bytes there go, and what
    /// stands there then.
    #[must_use]
    pub const fn change(self) -> (u64, u64, &'static [u8]) {
        match self {
            Self::Unsaid(at) => (at, 0, b"\"stream\":true,"),
            Self::False(at) => (at, 5, b"true"),
        }
    }
}

/// Reads what matters of a request's body; a body that is not a JSON object gives the defaults.
#[must_use]
pub fn peek(body: &[u8]) -> Peek {
    let mut scan = Scan::new();
    scan.push(body);
    scan.finish()
}

/// What the caller's own SDK says of its patience (`x-stainless-*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outer {
    /// How often it has repeated the call.
    pub retries: u8,
    /// How long it waits: the smaller of its `read-timeout` and its `timeout` (seconds). `None` where neither is there, positive
    /// and below a year.
    pub timeout: Option<Dur>,
}

/// Reads the headers of the caller's SDK; of two with one name the first counts.
#[must_use]
pub fn outer(headers: &HeaderMap) -> Outer {
    let (mut retries, mut read, mut whole) = (None, None, None);
    // One look at each header is less than a search for each name.
    for (name, value) in headers {
        let place = match name.as_str().strip_prefix(STAINLESS) {
            Some("retry-count") => &mut retries,
            Some("read-timeout") => &mut read,
            Some("timeout") => &mut whole,
            Some(_) | None => continue,
        };
        place.get_or_insert(value);
    }
    let timeouts = [read, whole].into_iter().flatten().filter_map(|v| seconds(v.to_str().ok()?));
    let retries = retries.and_then(|v| v.to_str().ok()?.trim().parse::<u64>().ok());
    Outer {
        retries: u8::try_from(retries.unwrap_or(0)).unwrap_or(u8::MAX),
        timeout: timeouts.filter(|dur| *dur > Dur::ZERO && *dur <= TIMEOUT_MAX).min(),
    }
}

/// What the policy has to know of a request. The body counts as replayable: it was read to be peeked at.
#[must_use]
pub fn ask(method: &Method, path: &str, outer: Outer, peek: &Peek) -> Ask {
    Ask {
        stream: peek.stream,
        repeat: repeat(method, path),
        replayable: true,
        est_input: peek.est_input,
        max_output: peek.max_tokens,
        outer_retry: outer.retries,
        resumable: peek.resumable,
        // The shell numbers them, and decides about this.
        credential: 0,
        fetched: false,
    }
}

/// A model's name without vendor, region, date, version and variant, at most 64 bytes: for labels and tables.
#[must_use]
pub fn model_family(model: &str) -> &str {
    let mut name = model.trim();
    // Bytes are looked at, which costs a tenth of a search for characters: each call has a family.
    let after = |at: usize| name.get(at + 1..);
    name = memchr::memrchr(b'/', name.as_bytes()).and_then(after).unwrap_or(name);
    if memchr::memchr(b'.', name.as_bytes()).is_some()
        && let Some((_, rest)) = name.split_once("anthropic.")
    {
        name = rest;
    }
    let end = memchr::memchr3(b'@', b':', b'[', name.as_bytes());
    name = end.and_then(|end| name.get(..end)).unwrap_or(name);
    if let Some(at) = last_part(name)
        && let Some(version) = name.get(at + 1..).and_then(|part| part.strip_prefix('v'))
        && !version.is_empty()
        && version.bytes().all(|b| b.is_ascii_digit())
    {
        name = name.get(..at).unwrap_or_default();
    }
    name = name.strip_suffix("-latest").unwrap_or(name);
    if let Some(at) = last_part(name)
        && let Some(date) = name.get(at + 1..)
        && date.len() == 8
        && date.bytes().all(|b| b.is_ascii_digit())
    {
        name = name.get(..at).unwrap_or_default();
    }
    name.get(..name.floor_char_boundary(FAMILY_MAX)).unwrap_or_default()
}

/// Where the hyphen before the last part of a name stands.
fn last_part(name: &str) -> Option<usize> {
    memchr::memrchr(b'-', name.as_bytes())
}

#[cfg(test)]
mod tests {
    use clearline_model::Repeat;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bodies() {
        let body = br#"{"model":"claude-x","max_tokens":16,"stream":true,"messages":[{"role":"user"}]}"#;
        let expected = Peek {
            model: Some(Foreign::new("claude-x")),
            stream: true,
            max_tokens: 16,
            est_input: 19,
            resumable: true,
            messages_end: Some(77),
            seams: false,
            unstreamed: None,
        };
        assert_eq!(peek(body), expected);
        for body in ["", "[]", "null", "hello", "{", "{\"model\":\"a\"", "[\"a\",true,1,null,null,null]"] {
            assert_eq!(peek(body.as_bytes()), Peek::default(), "{body}");
        }
        for (body, resumable) in [
            (r#"{"tools":[{}]}"#, false),
            (r#"{"thinking":{"type":"adaptive"}}"#, false),
            (r#"{"mcp_servers":[{}]}"#, false),
            (r#"{"tools":null}"#, true),
            (r#"{"metadata":{"tools":[1]}}"#, true),
        ] {
            assert_eq!(peek(body.as_bytes()).resumable, resumable, "{body}");
        }
        let odd = peek(br#"{"model":7,"stream":"yes","max_tokens":99999999999}"#);
        assert_eq!((odd.model, odd.stream, odd.max_tokens), (None, false, u32::MAX));
    }

    #[test]
    fn asks() {
        let mut headers = HeaderMap::new();
        headers.insert("x-stainless-retry-count", "2".parse().unwrap());
        let seen = Peek { stream: true, max_tokens: 9, est_input: 4, ..Peek::default() };
        let first = ask(&Method::POST, "/v1/messages?beta=true", outer(&headers), &seen);
        assert_eq!((first.outer_retry, first.repeat, first.stream), (2, Repeat::Billed, true));
        assert_eq!((first.max_output, first.est_input), (9, 4));
        headers.insert("x-stainless-retry-count", "999".parse().unwrap());
        headers.append("x-stainless-retry-count", "1".parse().unwrap());
        assert_eq!(ask(&Method::POST, "/", outer(&headers), &seen).outer_retry, 255);
    }

    #[test]
    fn timeouts() {
        for (read, all, expected) in [
            (Some("600"), Some("30.5"), Some(Dur::millis(30_500))),
            (Some("20"), Some("600"), Some(Dur::secs(20))),
            (None, Some("600"), Some(Dur::secs(600))),
            (Some("0"), Some("-3"), None),
            (Some("1e99"), Some("none"), None),
            (None, None, None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [("x-stainless-read-timeout", read), ("x-stainless-timeout", all)] {
                if let Some(value) = value {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            assert_eq!(outer(&headers).timeout, expected, "{read:?} {all:?}");
        }
    }

    #[test]
    fn families() {
        for (model, family) in [
            ("claude-sonnet-5-5-20250929", "claude-sonnet-5-5"),
            ("claude-3-5-sonnet-latest", "claude-3-5-sonnet"),
            ("us.anthropic.claude-sonnet-5-5-20250929-v1:0", "claude-sonnet-5-5"),
            ("anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
            ("anthropic/claude-opus-4-6", "claude-opus-4-6"),
            ("arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-x-20250101-v2:0", "claude-x"),
            ("claude-opus-4@20250514", "claude-opus-4"),
            ("claude-opus-4-1[1m]", "claude-opus-4-1"),
            ("", ""),
        ] {
            assert_eq!(model_family(model), family, "{model}");
        }
    }

    proptest! {
        #[test]
        fn total(body in proptest::collection::vec(any::<u8>(), 0..200), model in ".{0,100}") {
            prop_assert!(peek(&body).est_input <= 50);
            prop_assert!(model_family(&model).len() <= FAMILY_MAX);
        }
    }
}
