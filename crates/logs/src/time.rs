//! When a line was written, in the forms in which logs say it.

use clearline_model::Wall;
use clearline_wire::rfc3339;
use serde_json::Value;

/// Which moment it was when a clock without a zone showed this; the moment at which it does so in UTC is given. Most loggers write
/// the time of their machine, and say of no zone.
pub type Local<'a> = &'a dyn Fn(Wall) -> Wall;

/// Fields that hold the time.
const FIELDS: [&str; 7] = ["ts", "time", "timestamp", "@timestamp", "datetime", "date", "asctime"];

/// The time of a JSON line.
pub(crate) fn of_json(value: &Value, local: Local<'_>) -> Option<Wall> {
    FIELDS.iter().find_map(|name| match value.get(name)? {
        Value::Number(number) => number.as_f64().and_then(of_number),
        Value::String(text) => of_text(text, local),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    })
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, by their size.
#[expect(clippy::cast_possible_truncation, reason = "a time of a log fits into 63 bits of microseconds")]
fn of_number(number: f64) -> Option<Wall> {
    let micros = match number {
        n if n < 1e8 => return None,
        n if n < 1e11 => n * 1e6,
        n if n < 1e14 => n * 1e3,
        n if n < 1e17 => n,
        n => n / 1e3,
    };
    (micros < 9e18).then_some(Wall(micros as i64))
}

/// The time at the beginning of a line of text, within brackets or not.
pub(crate) fn leading(line: &str, local: Local<'_>) -> Option<Wall> {
    let start = line.find(|c: char| c.is_ascii_digit()).filter(|at| *at <= 2)?;
    of_text(line.get(start..)?, local)
}

/// `2026-11-24T10:00:00.123+08:00`, with a blank for the T, a comma for the point, slashes in the date, or without a zone.
fn of_text(text: &str, local: Local<'_>) -> Option<Wall> {
    let date = text.get(..10)?.replace('/', "-");
    let rest = text.get(10..)?.strip_prefix(['T', ' ', 't'])?;
    let clock = rest.get(..8)?;
    let rest = rest.get(8..)?;
    let (fraction, rest) = match rest.strip_prefix(['.', ',']) {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            (format!(".{}", rest.get(..end)?), rest.get(end..)?)
        }
        None => (String::new(), rest),
    };
    let moment = |zone: &str| rfc3339(&format!("{date}T{clock}{fraction}{zone}"));
    match zone(rest) {
        Some(zone) => moment(&zone),
        None => moment("Z").map(local),
    }
}

/// The zone at the beginning of what stands behind the clock: `Z`, `+08:00`, ` +0800`, ` UTC`.
fn zone(rest: &str) -> Option<String> {
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let ends = |at: usize| {
        !rest.get(at..).is_some_and(|after| after.starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    if let Some(name) = ["Z", "z", "UTC", "GMT"].into_iter().find(|name| rest.starts_with(name)) {
        return ends(name.len()).then(|| "Z".to_owned());
    }
    let digits = |from: usize| rest.get(from..from + 2).filter(|p| p.bytes().all(|b| b.is_ascii_digit()));
    let sign = rest.get(..1).filter(|sign| matches!(*sign, "+" | "-"))?;
    let hours = digits(1)?;
    let from = if rest.get(3..4) == Some(":") { 4 } else { 3 };
    let minutes = digits(from)?;
    ends(from + 2).then(|| format!("{sign}{hours}:{minutes}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_the_forms_of_logs() {
        let at = Some(Wall(1_795_514_400_000_000));
        let unmoved = |wall| wall;
        for text in [
            "2026-11-24T10:00:00Z x",
            "2026-11-24 10:00:00 x",
            "[2026-11-24 10:00:00,000] x",
            "2026-11-24T18:00:00+08:00 x",
            "2026-11-24T10:00:00.000Z",
            "2026/11/24 10:00:00 [error] 7#7: x",
            "2026-11-24 18:00:00 +0800 x",
            "[2026-11-24 18:00:00.000 +08:00] x",
            "2026-11-24 10:00:00 UTC x",
        ] {
            assert_eq!(leading(text, &unmoved), at, "{text}");
        }
        assert_eq!(leading("no time here 2026-11-24 10:00:00", &unmoved), None);
        for json in [
            r#"{"ts":1795514400000}"#,
            r#"{"time":1795514400}"#,
            r#"{"@timestamp":"2026-11-24T10:00:00Z"}"#,
            r#"{"ts":1795514400.0}"#,
        ] {
            assert_eq!(of_json(&serde_json::from_str(json).unwrap(), &unmoved), at, "{json}");
        }
    }

    #[test]
    fn a_time_without_a_zone_is_local_and_one_with_a_zone_is_not() {
        let east = |wall: Wall| Wall(wall.0 - 8 * 3_600_000_000);
        let at = Some(Wall(1_795_514_400_000_000));
        for text in [
            "2026-11-24 18:00:00,000 INFO x",
            "2026/11/24 18:00:00 x",
            "2026-11-24 18:00:00 - 7 x",
            "2026-11-24 18:00:00 Zebra",
            "2026-11-24 18:00:00 +1 x",
            "2026-11-24 10:00:00Z x",
            "2026-11-24 11:00:00+01:00 x",
            "2026-11-24 10:00:00 GMT",
        ] {
            assert_eq!(leading(text, &east), at, "{text}");
        }
        for json in [r#"{"asctime":"2026-11-24 18:00:00,000"}"#, r#"{"ts":1795514400000}"#] {
            assert_eq!(of_json(&serde_json::from_str(json).unwrap(), &east), at, "{json}");
        }
    }
}
