//! Ids that the gateway takes or makes: `x-request-id` and `traceparent`; and the wall clock as text.

use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The longest `x-request-id` that is taken over.
const ID_MAX: usize = 128;

/// Makes ids that do not repeat within a process and are not alike between two.
#[derive(Debug)]
pub(crate) struct Ids {
    seed: u64,
    next: AtomicU64,
}

impl Ids {
    pub(crate) fn new() -> Self {
        // The standard library seeds its hashers from the system's randomness.
        let seed = std::collections::hash_map::RandomState::new().build_hasher().finish();
        Self { seed, next: AtomicU64::new(1) }
    }

    fn next(&self) -> u64 {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        mix(self.seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// The caller's `x-request-id` and `traceparent`, where the one is short and visible and the other well formed, else
    /// new ones.
    pub(crate) fn of(&self, headers: &HeaderMap) -> [HeaderValue; 2] {
        let id = headers.get(X_REQUEST_ID).filter(|id| is_id(id.as_bytes()));
        let trace = headers.get(TRACEPARENT).filter(|t| t.to_str().is_ok_and(is_traceparent));
        if let (Some(id), Some(trace)) = (id, trace) {
            return [id.clone(), trace.clone()];
        }
        // New ones share one text.
        let made = Bytes::from_owner(self.both());
        let new = |range| value(made.slice(range));
        [id.cloned().unwrap_or_else(|| new(0..ID)), trace.cloned().unwrap_or_else(|| new(ID..ID + TRACE))]
    }

    /// A new id and a new `traceparent` behind it.
    fn both(&self) -> [u8; ID + TRACE] {
        let mut text = *BOTH;
        for (at, n) in [(0, self.next()), (19, self.next() | 1), (35, self.next()), (52, self.next() | 1)] {
            if let Some(place) = text.get_mut(at..at + 16) {
                place.copy_from_slice(&hex(n));
            }
        }
        text
    }
}

/// What [`Ids::both`] fills in: an id, and version, trace, parent and flags of a `traceparent`.
const BOTH: &[u8; ID + TRACE] = b"................00-................................-................-01";

/// The lengths of an id and of a `traceparent`, bytes.
const ID: usize = 16;
const TRACE: usize = 55;

/// What was made of digits and hyphens is one.
fn value(text: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

fn is_id(id: &[u8]) -> bool {
    !id.is_empty() && id.len() <= ID_MAX && id.iter().all(u8::is_ascii_graphic)
}

/// 16 digits; two ids are made for every request, and formatting takes ten times as long.
fn hex(n: u64) -> [u8; 16] {
    // Each half of a byte gets a byte of its own; then all are made digits at once.
    let bytes = u128::from(n);
    let bytes = (bytes | bytes << 32) & 0x0000_0000_ffff_ffff_0000_0000_ffff_ffff;
    let bytes = (bytes | bytes << 16) & 0x0000_ffff_0000_ffff_0000_ffff_0000_ffff;
    let bytes = (bytes | bytes << 8) & 0x00ff_00ff_00ff_00ff_00ff_00ff_00ff_00ff;
    let halves = (bytes | bytes << 4) & (ALL * 0x0f);
    // What is 10 or more reaches the fifth bit when 6 is added.
    let letters = (halves + ALL * 6) >> 4 & ALL;
    (halves + ALL * u128::from(b'0') + letters * u128::from(b'a' - b'0' - 10)).to_be_bytes()
}

/// One in each byte.
const ALL: u128 = u128::MAX / 0xff;

/// The finaliser of SplitMix64.
const fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|p| p.len()).collect();
    let hex = |p: &&str| p.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    lengths == [2, 32, 16, 2] && parts.iter().all(hex) && parts.first() != Some(&"ff")
}

/// Milliseconds since 1970, and the same as `2026-01-31T23:59:59.999Z`.
pub(crate) fn now() -> (u64, String) {
    with_now(|ts, time| (ts, time.to_owned()))
}

/// The same, for whoever writes it down.
pub(crate) fn with_now<T>(use_it: impl FnOnce(u64, &str) -> T) -> T {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ts = u64::try_from(now.as_millis()).unwrap_or(0);
    LAST.with(|last| {
        let (mut second, mut text) = last.take();
        if text.is_empty() || second != ts / 1_000 {
            (second, text) = (ts / 1_000, moment(ts).map(iso).unwrap_or_default());
        }
        // The same second has the same text, but for its milliseconds.
        text.truncate(SECONDS);
        let millis = u32::try_from(ts % 1_000).unwrap_or(0);
        for digit in [millis / 100, millis / 10 % 10, millis % 10] {
            text.push(char::from_digit(digit, 10).unwrap_or('0'));
        }
        text.push('Z');
        let result = use_it(ts, &text);
        last.replace((second, text));
        result
    })
}

/// The length of a moment's text before its milliseconds: `2026-01-31T23:59:59.`.
const SECONDS: usize = 20;

thread_local! {
    /// The second that was asked for last, and its text.
    static LAST: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// A moment in local time with its offset, RFC 3339: `2026-01-31T23:59:59+08:00`.
pub(crate) fn local(ts: u64) -> String {
    let zone = jiff::tz::TimeZone::system();
    let zoned = moment(ts).map(|m| m.to_zoned_datetime(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
    zoned.unwrap_or_default()
}

/// Within the years that have a date.
fn moment(ts: u64) -> Option<jiff::Timestamp> {
    i64::try_from(ts).ok().and_then(|ts| jiff::Timestamp::from_millisecond(ts).ok())
}

fn iso(moment: jiff::Timestamp) -> String {
    format!("{moment:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_iso_8601() {
        let iso = |ms| iso(jiff::Timestamp::from_millisecond(ms).unwrap());
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(951_782_400_001), "2000-02-29T00:00:00.001Z");
        assert_eq!(iso(1_767_225_599_999), "2025-12-31T23:59:59.999Z");
    }

    #[test]
    fn the_text_of_now_is_that_of_its_milliseconds() {
        for _ in 0..1_000 {
            let (ts, time) = now();
            let ms = i64::try_from(ts).unwrap();
            assert_eq!(time, iso(jiff::Timestamp::from_millisecond(ms).unwrap()));
        }
        for n in [0, 1, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, u64::MAX] {
            assert_eq!(hex(n), format!("{n:016x}").as_bytes());
        }
    }

    #[test]
    fn ids_are_taken_where_they_are_usable_and_made_elsewhere() {
        let ids = Ids::new();
        let mut headers = HeaderMap::new();
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let of = |headers: &HeaderMap| ids.of(headers).each_ref().map(text);
        let ([a, one], [b, other]) = (of(&headers), of(&headers));
        assert!(a != b && a.len() == ID && one != other && one.len() == TRACE);
        assert!(is_traceparent(&one) && is_traceparent(&other));
        headers.insert("x-request-id", "mine-1".parse().unwrap());
        headers.insert("traceparent", "00-garbage".parse().unwrap());
        let [id, trace] = of(&headers);
        assert!(id == "mine-1" && is_traceparent(&trace));
        headers.insert("x-request-id", "x".repeat(129).parse().unwrap());
        assert_eq!(of(&headers)[0].len(), ID);
        let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        headers.insert("traceparent", given.parse().unwrap());
        let [id, trace] = of(&headers);
        assert!(id.len() == ID && trace == given);
    }
}
