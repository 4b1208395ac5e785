//! One line of a log: ours, JSON of anybody, or plain text.

use clearline_model::{Cause, Confidence, Wall};
use serde_json::Value;

use crate::explain::explain;
use crate::status;
use crate::time::{self, Local};
use crate::wrapped;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, where it says so.
    pub at: Option<Wall>,
    /// What.
    pub kind: Kind,
    /// The ids that it names: the API's request ids, the callers' own, traces.
    pub ids: Vec<String>,
}

/// The kinds of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A call of our own log.
    Call(Call),
    /// A line that tells of a failure.
    Failure(Cause),
    /// A line below the level of a warning that tells of one: of an attempt, since what makes it would say more of a failed call.
    Attempt(Cause),
    /// A line that is understood and tells of none.
    Fine,
    /// It looks like a failure, and nothing is known of it.
    Unknown,
}

/// A call of our own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `succeeded`, `failed`, `refused`, `broken` or `left`.
    pub outcome: String,
    /// Why it did not succeed.
    pub cause: Option<Cause>,
    /// The causes of its attempts that failed.
    pub failed: Vec<Cause>,
    /// How many attempts.
    pub attempts: u32,
}

/// Words that announce a failure in a line that is otherwise not understood.
const ALARMS: [&str; 14] = [
    "error",
    "exception",
    "failed",
    "failure",
    "fatal",
    "timeout",
    "refused",
    "traceback",
    "错误",
    "异常",
    "失败",
    "拒绝",
    "超时",
    "无法",
];

/// What our own log tells of besides calls: it is about the gateway, and an alert about calls that have lines of their own.
const ASIDE: [&str; 9] = [
    "alert",
    "alert ended",
    "alert not delivered",
    "upstream rests",
    "upstream serves again",
    "connections wait",
    "connections are taken again",
    "settings reloaded",
    "reload refused",
];

/// Reads a line; a time without a zone is taken for UTC.
#[must_use]
pub fn read(line: &str) -> Entry {
    read_local(line, &|wall| wall)
}

/// Reads a line of a machine whose clock shows these times.
#[must_use]
pub fn read_local(line: &str, local: Local<'_>) -> Entry {
    let wrapped::Line { object, text: line, outer } = wrapped::read(line);
    let entry = match &object {
        Some(object) => json(object, &line, local),
        None => Entry { at: None, kind: text(&line), ids: ids_in(&line) },
    };
    let outer = || time::of_json(outer.as_ref()?, local);
    Entry { at: entry.at.or_else(|| time::leading(&line, local)).or_else(outer), ..entry }
}

fn json(value: &Value, line: &str, local: Local<'_>) -> Entry {
    let at = time::of_json(value, local);
    let event = value.get("event").and_then(Value::as_str);
    if event == Some("call ended")
        && let Some(outcome) = value.get("outcome").and_then(Value::as_str)
    {
        return Entry { at, kind: Kind::Call(call(value, outcome)), ids: own_ids(value) };
    }
    if event == Some("request refused") {
        let kind = cause(value.get("cause")).map_or(Kind::Unknown, Kind::Failure);
        return Entry { at, kind, ids: own_ids(value) };
    }
    let is_aside = event.is_some_and(|event| ASIDE.contains(&event)) && value.get("ts").is_some();
    let kind = if is_aside { Kind::Fine } else { foreign(value, line) };
    Entry { at, kind, ids: ids_in(line) }
}

fn call(value: &Value, outcome: &str) -> Call {
    let attempts = value.get("attempts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Call {
        outcome: outcome.to_owned(),
        cause: cause(value.get("cause")),
        failed: attempts.iter().filter_map(|a| cause(a.get("cause"))).collect(),
        attempts: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
    }
}

fn cause(value: Option<&Value>) -> Option<Cause> {
    value?.as_str()?.parse().ok()
}

fn own_ids(value: &Value) -> Vec<String> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let list = value.get("request_ids").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let own = ["x_request_id", "traceparent"].into_iter().filter_map(text);
    own.chain(list.iter().filter_map(|id| id.as_str().map(str::to_owned))).collect()
}

/// JSON of others: what its message and error say, with its status.
fn foreign(value: &Value, line: &str) -> Kind {
    const LEVELS: [&str; 3] = ["level", "severity", "levelname"];
    const QUIET: [&str; 5] = ["debug", "info", "trace", "notice", "warning"];
    let level = LEVELS.iter().find_map(|name| value.get(name)?.as_str()).map(str::to_ascii_lowercase);
    let status =
        ["status", "status_code", "statusCode", "http_status"].iter().find_map(|n| value.get(n)?.as_u64());
    // Loggers of Node write numbers: 30 is info, 50 and more are errors.
    let number = value.get("level").and_then(Value::as_u64);
    let is_quiet = level.as_deref().is_some_and(|l| QUIET.contains(&l)) || number.is_some_and(|n| n < 50);
    let is_error = number.is_some_and(|n| n >= 50);
    let strict = is_quiet || !(is_error || is_loud(line));
    let words = status::alone(&words(value), strict);
    let is_alarming = is_error || alarms(&status::alone(line, strict)) || status::is_in(&words);
    match (status, is_quiet) {
        (Some(status), _) if status < 400 => return Kind::Fine,
        (None, true) if !is_alarming => return Kind::Fine,
        _ => {}
    }
    let is_dump = number.is_some_and(|n| n <= 20)
        || level.as_deref().is_some_and(|l| DUMPS.iter().any(|dump| dump.eq_ignore_ascii_case(l)));
    if is_dump {
        return Kind::Fine;
    }
    let said = status.map_or_else(|| words.clone(), |status| format!("status code {status} {words}"));
    let kind = judged(&said, status.is_some() || is_alarming);
    let is_warning = level.as_deref() == Some("warning") || number.is_some_and(|n| n >= 40);
    let is_low = is_quiet && !(is_warning && matches!(kind, Kind::Failure(_)));
    if is_low { quietly(kind) } else { kind }
}

/// What an object says of itself in words.
fn words(value: &Value) -> String {
    let mut words = String::new();
    for name in ["error", "err", "exception", "message", "msg", "detail", "body", "cause", "stack"] {
        match value.get(name) {
            Some(Value::String(text)) => words.push_str(&format!("{text}\n")),
            Some(other @ Value::Object(_)) => words.push_str(&format!("{other}\n")),
            Some(_) | None => {}
        }
    }
    words
}

/// What a line below the level of a warning is: a word alone does not make a failure of what its own logger calls none.
fn quietly(kind: Kind) -> Kind {
    match kind {
        Kind::Failure(cause) => Kind::Attempt(cause),
        Kind::Unknown => Kind::Fine,
        Kind::Call(_) | Kind::Attempt(_) | Kind::Fine => kind,
    }
}

fn text(line: &str) -> Kind {
    let is_quiet = has_level(line, &QUIET);
    // A program of order 529 is well, and so is one that took 529 ms.
    let said = status::alone(line, is_quiet || !is_loud(line));
    if has_level(line, &DUMPS) {
        return Kind::Fine;
    }
    let kind = judged(&said, alarms(&said));
    if is_quiet { quietly(kind) } else { kind }
}

/// Levels of lines that are none of a failure.
const QUIET: [&str; 4] = ["INFO", "DEBUG", "TRACE", "NOTICE"];
/// Of these, levels of lines that hold whole requests, with whatever a prompt is about, and say an attempt's end once more.
const DUMPS: [&str; 2] = ["DEBUG", "TRACE"];

/// Whether a line says one of these levels at its beginning. What has an exception below it is more than its level says.
fn has_level(line: &str, levels: &[&str]) -> bool {
    let mut lines = line.lines();
    let first = lines.next().unwrap_or_default();
    let words = first.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()).take(4);
    let is_said = words.into_iter().any(|word| levels.contains(&word.to_ascii_uppercase().as_str()));
    is_said && lines.next().is_none()
}

/// The cause that a text most likely tells of; a mere possibility does not make a failure of a line.
fn judged(text: &str, is_alarming: bool) -> Kind {
    let explained = explain(text);
    match explained.causes.first() {
        Some(best) if best.confidence >= Confidence::Likely && is_alarming => Kind::Failure(best.cause),
        Some(best) if best.confidence == Confidence::Certain => Kind::Failure(best.cause),
        Some(best) if is_alarming => Kind::Failure(best.cause),
        Some(_) | None if is_alarming => Kind::Unknown,
        Some(_) | None => Kind::Fine,
    }
}

fn alarms(line: &str) -> bool {
    is_alarming(line) || status::is_in(line)
}

fn is_alarming(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    ALARMS.iter().any(|word| lower.contains(word))
}

/// Whether a line says that something is the matter with it.
fn is_loud(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    is_alarming(line) || ["warn", "critical"].iter().any(|word| lower.contains(word))
}

/// The API's request ids in a text, and the parts of a traceparent.
fn ids_in(text: &str) -> Vec<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let words = text.split(|c: char| !word(c)).filter(|w| w.len() >= 8 && w.len() <= 128);
    words
        .filter(|w| w.starts_with("req_") || w.starts_with("msg_") || is_trace(w))
        .map(str::to_owned)
        .collect()
}

fn is_trace(word: &str) -> bool {
    word.len() == 55 && word.split('-').map(str::len).eq([2, 32, 16, 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_kind() {
        for (line, kind) in [
            (
                r#"{"event":"call ended","ts":1,"outcome":"failed","cause":"quota.requests","attempts":[{"cause":"server.error"},{"cause":"quota.requests"}]}"#,
                Kind::Call(Call {
                    outcome: "failed".to_owned(),
                    cause: Some(Cause::QuotaRequests),
                    failed: vec![Cause::ServerError, Cause::QuotaRequests],
                    attempts: 2,
                }),
            ),
            (
                r#"{"event":"request refused","cause":"auth.invalid","status":401}"#,
                Kind::Failure(Cause::AuthInvalid),
            ),
            (
                r#"{"event":"alert","ts":1,"cause":"server.error","title":"The API failed inside"}"#,
                Kind::Fine,
            ),
            (r#"{"event":"upstream rests","ts":1,"upstream":"b","cause":"tcp.refused"}"#, Kind::Fine),
            (r#"{"event":"reload refused","ts":1,"why":"error: a.toml has 1 mistake"}"#, Kind::Fine),
            (r#"{"event":"alert","msg":"ECONNREFUSED"}"#, Kind::Failure(Cause::TcpRefused)),
            (r#"{"level":"info","msg":"listening"}"#, Kind::Fine),
            (
                r#"{"level":"error","msg":"upstream: connect ECONNREFUSED 10.0.0.1:443"}"#,
                Kind::Failure(Cause::TcpRefused),
            ),
            (r#"{"status":200,"msg":"ok, no error"}"#, Kind::Fine),
            (r#"{"status":529,"msg":"overloaded"}"#, Kind::Failure(Cause::ServerOverloaded)),
            (
                "2026-11-24 10:00:00 ERROR getaddrinfo ENOTFOUND api.example",
                Kind::Failure(Cause::DnsNameNotFound),
            ),
            (
                "2026-11-24 10:00:00 警告 网络: 由于目标计算机积极拒绝，无法连接。",
                Kind::Failure(Cause::TcpRefused),
            ),
            ("2026-11-24 10:00:00 INFO started in 4 ms", Kind::Fine),
            ("2026-11-24 10:00:00 INFO 429 calls done in 500 ms", Kind::Fine),
            (
                "2026-11-24 10:00:00 \"POST /v1/messages HTTP/1.1\" 529 0",
                Kind::Failure(Cause::ServerOverloaded),
            ),
            ("ERROR the flux compensator is out of flux", Kind::Unknown),
            ("", Kind::Fine),
            ("{ half a line", Kind::Fine),
        ] {
            assert_eq!(read(line).kind, kind, "{line}");
        }
    }

    #[test]
    fn a_level_says_how_much_a_line_means() {
        for (line, kind) in [
            ("2026-11-24 10:00:00,123 INFO orders no errors, 429 left", Kind::Fine),
            ("[info] 0 failed", Kind::Fine),
            (
                "2026-11-24 10:00:00 INFO httpx HTTP Request: POST https://x \"HTTP/1.1 529 \"",
                Kind::Attempt(Cause::ServerOverloaded),
            ),
            (
                "2026-11-24 10:00:00 INFO orders gives up\nTraceback (most recent call last):\nStopIteration",
                Kind::Unknown,
            ),
            (
                r#"{"level":50,"msg":"getaddrinfo ENOTFOUND api.example"}"#,
                Kind::Failure(Cause::DnsNameNotFound),
            ),
            (r#"{"level":30,"msg":"no errors"}"#, Kind::Fine),
            (r#"{"level":"info","msg":"order 12 done in 529 ms","took_ms": 529}"#, Kind::Fine),
            (r#"{"msg":"took 529","id": 503}"#, Kind::Fine),
            (r#"{"level":"warn","msg":"retrying after error 529"}"#, Kind::Failure(Cause::ServerOverloaded)),
            (r#"{"level":"warning","msg":"error: status 529"}"#, Kind::Failure(Cause::ServerOverloaded)),
            (r#"{"level":"info","msg":"got 529, trying again"}"#, Kind::Attempt(Cause::ServerOverloaded)),
            ("2026-11-24 10:00:00,000 INFO orders order 529 done in 407 ms", Kind::Fine),
            ("order 12 done in 529 ms", Kind::Fine),
            ("WARN the disk is getting full", Kind::Fine),
            (
                "2026-11-24 10:00:00,010 DEBUG anthropic Request options: {'content': 'Why is this an error: self signed certificate?'}",
                Kind::Fine,
            ),
            (r#"{"level":"debug","msg":"prompt: connect ECONNREFUSED is an error"}"#, Kind::Fine),
            (
                "2026-11-24 10:00:00,010 DEBUG anthropic HTTP Response: POST https://x \"429 Too Many Requests\"",
                Kind::Fine,
            ),
            (
                "2026-11-24 10:00:00,010 DEBUG anthropic Encountered\nTraceback (most recent call last):\nConnectError: [Errno 111] Connection refused",
                Kind::Failure(Cause::TcpRefused),
            ),
            ("10.0.0.7 - - \"POST /v1/messages HTTP/1.1\" 529 87", Kind::Failure(Cause::ServerOverloaded)),
            ("10.0.0.7 - - \"POST /v1/messages HTTP/1.1\" 200 5020", Kind::Fine),
        ] {
            assert_eq!(read(line).kind, kind, "{line}");
        }
    }

    #[test]
    fn ids_are_found_in_any_form() {
        let own = read(
            r#"{"event":"call ended","outcome":"succeeded","x_request_id":"mine","request_ids":["req_1","req_2"]}"#,
        );
        assert_eq!(own.ids, ["mine", "req_1", "req_2"]);
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let text = format!("ERROR (Request-ID: req_011CabcDEF) trace={trace}");
        assert_eq!(read(&text).ids, ["req_011CabcDEF", trace]);
    }
}
