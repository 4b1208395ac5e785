//! What an answer's headers say: when to come back, what is left, which request it was.

use clearline_model::{Dur, Foreign, Hint, Limits, Wall, Window};
use http::header::AsHeaderName;
use http::{HeaderMap, HeaderName, header};
use smallvec::SmallVec;

use crate::date::{http_date, rfc3339};

// A name that is known beforehand needs no parsing.
const ORGANIZATION: HeaderName = HeaderName::from_static("anthropic-organization-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const AMZN_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// A wait longer than this is taken as "never".
const ABSURD: Dur = Dur::secs(366 * 86_400);
/// How long a rate limit's window is where its reset cannot be read: the limits are per minute.
const WINDOW: Dur = Dur::secs(60);
/// The largest body that is searched for a hint, bytes.
const BODY_HINT_MAX: usize = 64 << 10;

/// When to come back, as the official SDKs read it: `retry-after-ms`, else `retry-after`; and `x-should-retry`.
///
/// `retry-after` may be whole or broken seconds, or a date, which counts from the answer's own `Date` and is ignored
/// without one. Negative is zero, and more than 366 days is [`Dur::MAX`]. A success (below 300) has no wait.
#[must_use]
pub fn hint(status: u16, headers: &HeaderMap) -> Hint {
    let should_retry = match text(headers, "x-should-retry").map(str::trim) {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    };
    let after = if status < 300 { None } else { wait(headers) };
    Hint { after, should_retry }
}

fn wait(headers: &HeaderMap) -> Option<Dur> {
    if let Some(ms) = text(headers, "retry-after-ms").and_then(seconds) {
        return Some(bounded(ms.scale(1, 1_000)));
    }
    let after = text(headers, "retry-after")?;
    if let Some(dur) = seconds(after) {
        return Some(bounded(dur));
    }
    Some(bounded(http_date(after)?.since(own_date(headers)?)))
}

fn bounded(dur: Dur) -> Dur {
    if dur > ABSURD { Dur::MAX } else { dur }
}

fn own_date(headers: &HeaderMap) -> Option<Wall> {
    http_date(text(headers, "date")?)
}

/// A number of seconds, whole or broken; negative is zero, too large to count is [`Dur::MAX`].
pub(crate) fn seconds(text: &str) -> Option<Dur> {
    let text = text.trim();
    // Rust's own parser also takes "inf" and "nan".
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'))
        || text.contains(['n', 'N'])
    {
        return None;
    }
    from_secs(text.parse().ok()?)
}

fn from_secs(number: f64) -> Option<Dur> {
    if number.is_nan() {
        return None;
    }
    if number <= 0.0 {
        return Some(Dur::ZERO);
    }
    Some(std::time::Duration::try_from_secs_f64(number).map_or(Dur::MAX, Dur::from))
}

pub(crate) fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The wait that a problem document of Cloudflare names in its body (`retry_after`, seconds); `None` for other bodies.
///
/// Source: anthropics/claude-code#67341.
#[must_use]
pub fn body_hint(body: &[u8]) -> Option<Dur> {
    #[derive(serde::Deserialize)]
    struct Problem {
        cloudflare_error: bool,
        retry_after: f64,
    }
    if body.len() > BODY_HINT_MAX {
        return None;
    }
    let problem: Problem = serde_json::from_slice(body).ok()?;
    if problem.cloudflare_error { from_secs(problem.retry_after).map(bounded) } else { None }
}

/// The rate limits of an answer (`anthropic-ratelimit-*`).
///
/// A limit is there when it can be read with what is left of it: taken for the whole, a rest of one would be a call a minute.
/// Its reset counts from the answer's own `Date`; where one of the two cannot be read, it is one minute, the length of these
/// windows.
#[must_use]
pub fn limits(headers: &HeaderMap) -> Limits {
    let organization = headers.get(ORGANIZATION).map_or(0, |v| fnv1a(v.as_bytes()));
    if !headers.keys().any(|name| name.as_str().starts_with("anthropic-ratelimit-")) {
        return Limits { organization, ..Limits::default() };
    }
    let date = own_date(headers);
    let window = |kind: &str| {
        let get = |part: &str| text(headers, format!("anthropic-ratelimit-{kind}-{part}")).map(str::trim);
        let remaining = left(get("remaining")?)?;
        let limit = get("limit")?.parse().ok()?;
        let reset =
            get("reset").and_then(rfc3339).zip(date).map_or(WINDOW, |(reset, date)| reset.since(date));
        Some(Window { limit, remaining, reset: bounded(reset) })
    };
    Limits {
        requests: window("requests"),
        tokens: window("tokens"),
        input_tokens: window("input-tokens"),
        output_tokens: window("output-tokens"),
        organization,
    }
}

/// What is left of a limit; one that is overdrawn is empty.
fn left(text: &str) -> Option<u64> {
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if text.strip_prefix('-').is_some_and(is_number) { Some(0) } else { text.parse().ok() }
}

/// FNV-1a with 64 bits: stable between versions and machines, unlike the standard library's hashers.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

/// The server's name for the request: `request-id`, else AWS's `x-amzn-requestid`.
#[must_use]
pub fn request_id(headers: &HeaderMap) -> Option<Foreign> {
    let value = headers.get(REQUEST_ID).or_else(|| headers.get(AMZN_REQUEST_ID))?;
    (!value.is_empty()).then(|| Foreign::from_bytes(value.as_bytes()))
}

/// Whether a header is only for the next hop: RFC 9110 section 7.6.1, `trailer` (RFC 2616 section 13.5.1), `proxy-*`.
#[must_use]
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    // Every header of every message is asked for, and most begin otherwise.
    match name.first() {
        Some(b'c') => name == b"connection",
        Some(b'k') => name == b"keep-alive",
        Some(b'p') => name.starts_with(b"proxy-"),
        Some(b't') => matches!(name, b"te" | b"trailer" | b"transfer-encoding"),
        Some(b'u') => name == b"upgrade",
        _ => false,
    }
}

/// Removes what is only for the next hop, with what `Connection` names. Everything else stays as it is.
///
/// A length beside `transfer-encoding` is none: it goes as well (RFC 9112 section 6.3), or it would cut what is passed on.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONTENT_LENGTH) && headers.contains_key(header::TRANSFER_ENCODING) {
        retain(headers, |name| name != header::CONTENT_LENGTH);
    }
    let Some(first) = headers.keys().position(is_hop_by_hop) else { return };
    let named = headers.get_all(header::CONNECTION).iter().filter(|v| !is_usual(v.as_bytes()));
    let options = named.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).map(str::trim);
    let names = options.filter(|o| !is_usual(o.as_bytes()));
    let named: Vec<HeaderName> = names.filter_map(|name| name.parse().ok()).collect();
    // A map moves its last name into the gap: that changes no order where the gap is at the end, or one before it.
    let is_late = first + 2 >= headers.keys_len();
    let mut others = headers.keys().skip(first + 1);
    if is_late && named.is_empty() && !others.any(is_hop_by_hop) {
        if let Some(name) = headers.keys().nth(first).cloned() {
            headers.remove(name);
        }
        return;
    }
    refill(headers, |name| !is_hop_by_hop(name) && !named.contains(name));
}

/// The usual options of `Connection`, which name no header.
fn is_usual(option: &[u8]) -> bool {
    option.eq_ignore_ascii_case(b"keep-alive") || option.eq_ignore_ascii_case(b"close")
}

/// Most messages have no more headers than this.
const USUAL: usize = 16;

/// Keeps the headers whose names are wanted, in their order; [`HeaderMap::remove`] would move the last one into the gap.
pub fn retain(headers: &mut HeaderMap, mut keep: impl FnMut(&HeaderName) -> bool) {
    if !headers.keys().all(&mut keep) {
        refill(headers, keep);
    }
}

/// The same where some are not wanted.
fn refill(headers: &mut HeaderMap, mut keep: impl FnMut(&HeaderName) -> bool) {
    // They go back into the same memory: a map of its own is larger, and slower to make.
    let mut all = SmallVec::<[_; USUAL]>::new();
    all.extend(headers.drain());
    let mut all = all.into_iter().peekable();
    while let Some((name, value)) = all.next() {
        // Only the first of several values of a name comes with it: the others are those of one that is not kept.
        let Some(name) = name.filter(&mut keep) else { continue };
        if !matches!(all.peek(), Some((None, _))) {
            headers.append(name, value);
            continue;
        }
        headers.append(name.clone(), value);
        while let Some((_, further)) = all.next_if(|(name, _)| name.is_none()) {
            headers.append(name.clone(), further);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn what_is_kept_keeps_its_order() {
        let mut headers = map(&[
            ("a", "1"),
            ("connection", "close, x-hop"),
            ("b", "2"),
            ("x-hop", "3"),
            ("c", "4"),
            ("b", "5"),
            ("proxy-authorization", "6"),
            ("d", "7"),
        ]);
        strip_hop_by_hop(&mut headers);
        let left: Vec<_> = headers.iter().map(|(n, v)| format!("{n}{}", v.to_str().unwrap())).collect();
        assert_eq!(left, ["a1", "b2", "b5", "c4", "d7"]);
    }

    #[test]
    fn what_is_alone_at_the_end_is_removed_where_it_stands() {
        for (before, after) in [
            ("a connection", "a"),
            ("connection a", "a"),
            ("a b connection c c", "a b c c"),
            ("a a b te te c", "a a b c"),
            ("a connection b c", "a b c"),
            ("a connection te", "a"),
            ("connection", ""),
        ] {
            let mut headers = HeaderMap::new();
            before.split(' ').for_each(|name| {
                headers.append(HeaderName::from_static(name), "close".parse().unwrap());
            });
            strip_hop_by_hop(&mut headers);
            let left: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(left.join(" "), after, "of {before}");
        }
    }

    #[test]
    fn waits() {
        let date = ("date", "Thu, 01 Jan 2026 00:00:00 GMT");
        for (pairs, after) in [
            (vec![("retry-after", "7")], Some(Dur::secs(7))),
            (vec![("retry-after", "1.5")], Some(Dur::millis(1_500))),
            (vec![("retry-after", "-4")], Some(Dur::ZERO)),
            (vec![("retry-after", "99999999")], Some(Dur::MAX)),
            (vec![("retry-after", "1e300")], Some(Dur::MAX)),
            (vec![("retry-after", "nan")], None),
            (vec![("retry-after", "inf")], None),
            (vec![("retry-after", "+inf")], None),
            (vec![("retry-after", "soon")], None),
            (vec![("retry-after", "")], None),
            (vec![("retry-after", "9"), ("retry-after-ms", "250")], Some(Dur::millis(250))),
            (vec![("retry-after", "9"), ("retry-after-ms", "x")], Some(Dur::secs(9))),
            (vec![("retry-after", "Thu, 01 Jan 2026 00:00:30 GMT"), date], Some(Dur::secs(30))),
            (vec![("retry-after", "Wed, 31 Dec 2025 00:00:30 GMT"), date], Some(Dur::ZERO)),
            (vec![("retry-after", "Sun, 01 Jan 2040 00:00:30 GMT"), date], Some(Dur::MAX)),
            (vec![("retry-after", "Thu, 01 Jan 2026 00:00:30 GMT")], None),
            (vec![], None),
        ] {
            assert_eq!(hint(429, &map(&pairs)).after, after, "{pairs:?}");
        }
        assert_eq!(hint(200, &map(&[("retry-after", "7")])).after, None);
        assert_eq!(hint(400, &map(&[("x-should-retry", "true")])).should_retry, Some(true));
        assert_eq!(hint(400, &map(&[("x-should-retry", "false")])).should_retry, Some(false));
        assert_eq!(hint(400, &map(&[("x-should-retry", "maybe")])).should_retry, None);
    }

    #[test]
    fn waits_in_a_body() {
        assert_eq!(body_hint(br#"{"cloudflare_error":true,"retry_after":120,"x":1}"#), Some(Dur::secs(120)));
        assert_eq!(body_hint(br#"{"cloudflare_error":true,"retry_after":-1}"#), Some(Dur::ZERO));
        assert_eq!(body_hint(br#"{"cloudflare_error":true}"#), None);
        assert_eq!(body_hint(br#"{"retry_after":120}"#), None);
        assert_eq!(body_hint(b"<html>"), None);
    }

    #[test]
    fn rate_limits() {
        let got = limits(&map(&[
            ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:12Z"),
            ("anthropic-ratelimit-input-tokens-remaining", "3000"),
            ("anthropic-ratelimit-output-tokens-limit", "3000"),
            ("anthropic-organization-id", "a"),
        ]));
        assert_eq!(got.requests, Some(Window { limit: 50, remaining: 49, reset: Dur::secs(12) }));
        // A rest without its limit says nothing of the pace, and neither does a limit without its rest.
        assert_eq!((got.tokens, got.input_tokens, got.output_tokens), (None, None, None));
        // The published test vector of FNV-1a for "a".
        assert_eq!(got.organization, 0xaf63_dc4c_8601_ec8c);
        assert_eq!(limits(&HeaderMap::new()), Limits::default());
    }

    #[test]
    fn rate_limits_that_are_odd() {
        let requests = |limit: &str, remaining: &str, reset: &str| {
            let date = ("date", "Thu, 01 Jan 2026 00:00:00 GMT");
            let limit = ("anthropic-ratelimit-requests-limit", limit);
            let remaining = ("anthropic-ratelimit-requests-remaining", remaining);
            limits(&map(&[date, limit, remaining, ("anthropic-ratelimit-requests-reset", reset)])).requests
        };
        let window = |limit, remaining, reset| Some(Window { limit, remaining, reset });
        let minute = Dur::secs(60);
        // What is overdrawn is empty, and not unknown.
        assert_eq!(requests("50", "-3", "2026-01-01T00:00:12Z"), window(50, 0, Dur::secs(12)));
        assert_eq!(requests("50", "-9223372036854775809", "x"), window(50, 0, minute));
        assert_eq!(requests("50", "60", "2025-01-01T00:00:12Z"), window(50, 60, Dur::ZERO));
        assert_eq!(requests("50", "7", "9999-12-31T23:59:59Z"), window(50, 7, Dur::MAX));
        assert_eq!(requests("50", "7", "12"), window(50, 7, minute));
        assert_eq!(
            requests("9223372036854775808", "9223372036854775808", ""),
            window(1 << 63, 1 << 63, minute)
        );
        for remaining in ["", "-", "--1", "-x", "3.5", "many", "18446744073709551616"] {
            assert_eq!(requests("50", remaining, ""), None, "{remaining}");
        }
    }

    #[test]
    fn request_ids() {
        let amazon = ("x-amzn-requestid", "a-1");
        assert_eq!(request_id(&map(&[amazon, ("request-id", "req_1")])).unwrap().raw(), "req_1");
        assert_eq!(request_id(&map(&[amazon])).unwrap().raw(), "a-1");
        assert_eq!(request_id(&HeaderMap::new()), None);
    }

    #[test]
    fn the_next_hop_only() {
        let mut headers = map(&[
            ("connection", "close, X-Own"),
            ("connection", "x-two,, bad name"),
            ("x-own", "1"),
            ("x-two", "2"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic x"),
            ("proxy-connection", "keep-alive"),
            ("authorization", "Bearer x"),
            ("anthropic-beta", "a"),
            ("anthropic-beta", "b"),
        ]);
        strip_hop_by_hop(&mut headers);
        let mut left: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        left.sort_unstable();
        assert_eq!(left, ["anthropic-beta", "anthropic-beta", "authorization"]);
    }

    #[test]
    fn a_length_beside_another_framing_is_none() {
        for (before, after) in [
            ("a content-length b", "a content-length b"),
            ("a content-length transfer-encoding b", "a b"),
            ("transfer-encoding a content-length", "a"),
            ("content-length content-length a transfer-encoding", "a"),
            ("content-length connection a", "content-length a"),
        ] {
            let mut headers = HeaderMap::new();
            before.split(' ').for_each(|name| {
                headers.append(HeaderName::from_static(name), "5".parse().unwrap());
            });
            strip_hop_by_hop(&mut headers);
            let left: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(left.join(" "), after, "of {before}");
        }
    }

    proptest! {
        #[test]
        fn total(value in "[ -~]{0,30}") {
            let headers = map(&[("retry-after", &value), ("retry-after-ms", &value), ("date", &value)]);
            let after = hint(503, &headers).after;
            prop_assert!(after.is_none_or(|d| d == Dur::MAX || d <= ABSURD));
        }
    }
}
