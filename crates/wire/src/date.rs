//! The two forms of date that answers carry.

use std::time::UNIX_EPOCH;

use clearline_model::Wall;

/// A date of HTTP (RFC 9110 section 5.6.7, all three forms), in microseconds since 1970; `None` where it is none.
#[must_use]
pub fn http_date(text: &str) -> Option<Wall> {
    let since = httpdate::parse_http_date(text.trim()).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Wall(i64::try_from(since.as_micros()).ok()?))
}

/// A time of RFC 3339 section 5.6, in microseconds since 1970; `None` where it is none.
///
/// Digits beyond the microsecond are dropped; a leap second counts as the next one.
#[must_use]
pub fn rfc3339(text: &str) -> Option<Wall> {
    let text = text.trim();
    let (date, rest) = text.split_at_checked(10)?;
    let (year, month, day) = (number(date, 0, 4)?, number(date, 5, 2)?, number(date, 8, 2)?);
    let separators = (date.get(4..5)?, date.get(7..8)?, rest.get(3..4)?, rest.get(6..7)?);
    if separators != ("-", "-", ":", ":") || !matches!(rest.get(..1)?, "T" | "t" | " ") {
        return None;
    }
    let (hour, minute, second) = (number(rest, 1, 2)?, number(rest, 4, 2)?, number(rest, 7, 2)?);
    if !(1..=12).contains(&month) || !(1..=month_days(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (micros, zone) = fraction(rest.get(9..)?)?;
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset(zone)?;
    Some(Wall(seconds * 1_000_000 + micros))
}

/// `len` digits from `from` on.
fn number(text: &str, from: usize, len: usize) -> Option<i64> {
    let digits = text.get(from..from.checked_add(len)?)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// The microseconds of a fraction, and what follows it.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(digits) = text.strip_prefix('.') else { return Some((0, text)) };
    let zone = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = digits.get(..digits.len().checked_sub(zone.len())?)?;
    if digits.is_empty() {
        return None;
    }
    let micros =
        digits.bytes().chain(std::iter::repeat(b'0')).take(6).fold(0, |n, b| n * 10 + i64::from(b - b'0'));
    Some((micros, zone))
}

/// The seconds that a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = (number(zone, 1, 2)?, number(zone, 4, 2)?);
    (zone.len() == 6 && zone.get(3..4) == Some(":") && hours < 24 && minutes < 60)
        .then_some(sign * (hours * 3_600 + minutes * 60))
}

const fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar; the year counts from March, so that leap days come last.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00Z", Some(951_825_600)),
            ("2026-11-25T09:00:00+01:00", Some(1_795_593_600)),
            ("1969-12-31T23:59:59Z", Some(-1)),
            ("2026-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-01-01T24:00:00Z", None),
            ("2026-01-01T00:00:00", None),
            ("2026-01-01T00:00:00.Z", None),
            ("2026-01-01T00:00:00+1:00", None),
            ("+026-01-01T00:00:00Z", None),
            ("2026-01-0éT00:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(rfc3339(text), seconds.map(|s: i64| Wall(s * 1_000_000)), "{text}");
        }
        assert_eq!(rfc3339("1970-01-01T00:00:01.0000019Z"), Some(Wall(1_000_001)));
        assert_eq!(http_date("Thu, 01 Jan 1970 00:01:00 GMT"), Some(Wall(60_000_000)));
        assert_eq!(http_date("yesterday"), None);
    }

    proptest! {
        /// Both forms agree on every second that both can write.
        #[test]
        fn agrees_with_httpdate(seconds in 0_u64..253_402_300_800) {
            let text = httpdate::fmt_http_date(UNIX_EPOCH + std::time::Duration::from_secs(seconds));
            let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
            let words: Vec<_> = text.split(' ').collect();
            let month = months.iter().position(|m| *m == words[2]).unwrap() + 1;
            let other = format!("{}-{month:02}-{}T{}Z", words[3], words[1], words[4]);
            prop_assert_eq!(rfc3339(&other), http_date(&text));
        }

        #[test]
        fn total(text in ".{0,40}") {
            let _ = (rfc3339(&text), http_date(&text));
        }
    }
}
