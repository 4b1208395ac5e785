//! Lines as collectors hand them on: behind the name of a container, a unit or a stream, or inside an object of their own.

use std::borrow::Cow;

use serde_json::Value;

/// Fields in which collectors keep the line, and what such an object has beside it.
const INSIDE: [(&str, &str); 2] = [("log", "stream"), ("MESSAGE", "__REALTIME_TIMESTAMP")];

/// Ends of what collectors put before a line: Docker Compose, the journal, the files of Kubernetes.
const BEFORE: [&str; 5] = ["| ", "]: ", "stdout F ", "stderr F ", "> "];

/// A line without the name of the container or unit that a collector put before it: `app-1  | `, `Nov 24 10:00:12 host app[7]: `.
pub(crate) fn bare(line: &str) -> &str {
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some((name, rest)) = line.split_once('|') {
        // Containers are numbered; a level or a field before a bar is none of them.
        let name = name.trim_end();
        if name.ends_with(|c: char| c.is_ascii_digit())
            && name.contains(['-', '_'])
            && name.chars().all(of_name)
        {
            return rest.strip_prefix(' ').unwrap_or(rest);
        }
    }
    match line.split_once("]: ") {
        Some((unit, rest)) if is_unit(unit) => rest,
        Some(_) | None => line,
    }
}

/// Whether this is what the journal writes before a line, without the end: `Nov 24 10:00:12 host app[7`.
fn is_unit(before: &str) -> bool {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = before.split_whitespace().collect();
    let [month, _day, clock, _host, unit] = words.as_slice() else { return false };
    let pid = unit.rsplit_once('[').map(|(_, pid)| pid).unwrap_or_default();
    MONTHS.contains(month)
        && clock.contains(':')
        && !pid.is_empty()
        && pid.bytes().all(|b| b.is_ascii_digit())
}

/// What a line is once everything is off that a collector put around it, and the collector's own object.
pub(crate) struct Line<'a> {
    /// The object of JSON that it is.
    pub(crate) object: Option<Value>,
    /// Its text.
    pub(crate) text: Cow<'a, str>,
    /// The object that it was in.
    pub(crate) outer: Option<Value>,
}

/// Takes everything off.
pub(crate) fn read(line: &str) -> Line<'_> {
    let line = bare(line.trim()).trim();
    let text = Cow::Borrowed(line);
    if line.starts_with('{') {
        let Some(whole) = parse(line) else { return Line { object: None, text, outer: None } };
        return match inside(&whole).map(|text| text.trim().to_owned()) {
            Some(within) => Line { object: parse(&within), text: Cow::Owned(within), outer: Some(whole) },
            None => Line { object: Some(whole), text, outer: None },
        };
    }
    // What a program wrote itself before an object is a part of what it says.
    let behind = line.find("{\"").and_then(|at| line.split_at_checked(at)).and_then(|(before, rest)| {
        parse(rest).filter(|value| is_own(value) || BEFORE.iter().any(|end| before.ends_with(end)))
    });
    Line { object: behind, text, outer: None }
}

/// The object of JSON that a line is, without what a collector put around it.
#[must_use]
pub fn object(line: &str) -> Option<Value> {
    read(line).object
}

fn inside(value: &Value) -> Option<&str> {
    INSIDE.iter().find_map(|(name, beside)| value.get(beside).and_then(|_| value.get(name)?.as_str()))
}

fn parse(text: &str) -> Option<Value> {
    if !text.ends_with('}') {
        return None;
    }
    serde_json::from_str(text).ok().filter(Value::is_object)
}

/// Whether an object is a record of our own log.
fn is_own(value: &Value) -> bool {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    value.get("ts").is_some() && text("event").is_some_and(|event| event.contains(' ') || event == "alert")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_container_or_a_unit_is_no_part_of_a_line() {
        for (line, left) in [
            ("app-1  | Traceback (most recent call last):", "Traceback (most recent call last):"),
            ("app-1  |   File \"x\"", "  File \"x\""),
            ("app-1  |", ""),
            ("Nov 24 10:00:12 host orders[12]: ERROR x", "ERROR x"),
            ("ERROR | module | x", "ERROR | module | x"),
            ("2026-11-24 10:00:00.000 | ERROR | m:f:1 - x", "2026-11-24 10:00:00.000 | ERROR | m:f:1 - x"),
            ("a[1]: x", "a[1]: x"),
            ("429 | 1", "429 | 1"),
        ] {
            assert_eq!(bare(line), left);
        }
    }

    const OWN: &str = r#"{"event":"call ended","ts":1,"outcome":"failed"}"#;

    #[test]
    fn a_record_is_found_behind_and_inside_of_what_collectors_write() {
        let docker = serde_json::json!({ "log": format!("{OWN}\n"), "stream": "stderr", "time": "2026-11-24T10:00:00Z" });
        let journal = serde_json::json!({ "MESSAGE": OWN, "__REALTIME_TIMESTAMP": "1" });
        for line in [
            OWN.to_owned(),
            format!("  {OWN}\r"),
            format!("gateway-1  | {OWN}"),
            format!("Nov 27 10:00:00 host clearline[123]: {OWN}"),
            format!("2026-11-26T19:57:00.123456789Z stderr F {OWN}"),
            format!("anything else {OWN}"),
            docker.to_string(),
            journal.to_string(),
        ] {
            assert_eq!(object(&line), parse(OWN), "{line}");
        }
        assert_eq!(object("app-1  | {\"level\":\"info\"}"), parse("{\"level\":\"info\"}"));
    }

    #[test]
    fn what_a_program_writes_before_an_object_is_not_taken_off() {
        for line in [
            "ERROR Error code: 529 - {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}",
            "no object",
            "app-1  | {\"cut\":",
            "app-1  | plain",
            "[1,2]",
        ] {
            assert_eq!(object(line), None, "{line}");
        }
        let docker = read("{\"log\":\"a line\\n\",\"stream\":\"stdout\"}");
        assert!(docker.text == "a line" && docker.object.is_none() && docker.outer.is_some());
        assert!(read("{\"log\":\"a field of a program\"}").outer.is_none());
    }
}
