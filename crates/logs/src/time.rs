//! When a line was written, in the forms in which logs say it.

use clearline_model::Wall;
use clearline_wire::rfc3339;
use serde_json::Value;

/// Fields that hold the time.
const FIELDS: [&str; 6] = ["ts", "time", "timestamp", "@timestamp", "datetime", "date"];

/// The time of a JSON line.
pub(crate) fn of_json(value: &Value) -> Option<Wall> {
    FIELDS.iter().find_map(|name| match value.get(name)? {
        Value::Number(number) => number.as_f64().and_then(of_number),
        Value::String(text) => of_text(text),
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
pub(crate) fn leading(line: &str) -> Option<Wall> {
    let start = line.find(|c: char| c.is_ascii_digit()).filter(|at| *at <= 2)?;
    of_text(line.get(start..)?)
}

/// `2026-11-24T10:00:00.123+08:00`, with a blank for the T, a comma for the point, or without a zone (UTC then).
fn of_text(text: &str) -> Option<Wall> {
    let date = text.get(..10)?;
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
    let zone = match rest.as_bytes() {
        [b'+' | b'-', ..] => rest.get(..6).filter(|z| z.as_bytes().get(3) == Some(&b':')).unwrap_or("Z"),
        _ => "Z",
    };
    rfc3339(&format!("{date}T{clock}{fraction}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_the_forms_of_logs() {
        let at = Some(Wall(1_795_514_400_000_000));
        for text in [
            "2026-11-24T10:00:00Z x",
            "2026-11-24 10:00:00 x",
            "[2026-11-24 10:00:00,000] x",
            "2026-11-24T18:00:00+08:00 x",
            "2026-11-24T10:00:00.000Z",
        ] {
            assert_eq!(leading(text), at, "{text}");
        }
        assert_eq!(leading("no time here 2026-11-24 10:00:00"), None);
        for json in [
            r#"{"ts":1795514400000}"#,
            r#"{"time":1795514400}"#,
            r#"{"@timestamp":"2026-11-24T10:00:00Z"}"#,
            r#"{"ts":1795514400.0}"#,
        ] {
            assert_eq!(of_json(&serde_json::from_str(json).unwrap()), at, "{json}");
        }
    }
}
