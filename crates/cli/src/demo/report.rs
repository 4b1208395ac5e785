//! Both sides, side by side, and one call's story.

use std::fmt::Write as _;

use clearline_gateway::Summary;
use clearline_model::{AttemptRecord, CallRecord, Dur, Outcome};

use super::tally::Tally;
use crate::out::{grouped, percent};
use crate::traces;
use clearline_report::{Lang, Prose};

/// Everything that a demo came to.
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) took: Dur,
    pub(crate) straight: Tally,
    pub(crate) through: Tally,
    pub(crate) summary: Summary,
    /// The records of the calls through the gateway.
    pub(crate) records: Vec<CallRecord>,
    /// The names of the keys.
    pub(crate) aliases: Vec<String>,
}

/// The report for people.
pub(crate) fn text(r: &Report) -> String {
    let mut out = String::new();
    let (a, b) = (&r.straight, &r.through);
    let better = format!(
        "Of the same {} calls, {} succeeded straight and {} through clearline.",
        grouped(a.calls),
        percent(a.well, a.calls),
        percent(b.well, b.calls)
    );
    let _written = writeln!(out, "{better}\n");
    let share =
        |t: &Tally| format!("{} ({} of {})", percent(t.well, t.calls), grouped(t.well), grouped(t.calls));
    let could = |t: &Tally| {
        format!("{} ({} of {})", percent(t.well, t.recoverable()), grouped(t.well), grouped(t.recoverable()))
    };
    let each = |t: &Tally| format!("{}.{:02}", t.attempts_each() / 100, t.attempts_each() % 100);
    let rows = [
        ("", "straight".to_owned(), "through clearline".to_owned()),
        ("succeeded", share(a), share(b)),
        ("of those that could", could(a), could(b)),
        ("broken after first output", grouped(a.after_output), grouped(b.after_output)),
        ("wrong but passed as right", grouped(a.corrupt), grouped(b.corrupt)),
        ("time of a success, p50", a.p50.to_string(), b.p50.to_string()),
        ("time of a success, p99", a.p99.to_string(), b.p99.to_string()),
        ("attempts for a success", each(a), each(b)),
    ];
    for (what, straight, through) in rows {
        let _written = writeln!(out, "  {what:27}{straight:24}{through}");
    }
    let met =
        traces::met(&Prose::load(Lang::En), r.summary.met.iter().map(|(cause, n)| (*cause, *n)).collect());
    let _written = writeln!(out, "\n  met, by cause   {met}");
    let told: Vec<String> = a.told.iter().map(|(why, n)| format!("{} × {why}", grouped(*n))).collect();
    let _written = writeln!(out, "  failed straight {}", told.join(" · "));
    for (cause, n, id) in &r.summary.failed_by {
        let id = id.clone().unwrap_or_default();
        let _written =
            writeln!(out, "  failed through  {} × {}   {cause}   {id}", grouped(*n), cause.row().title);
    }
    if let Some(record) = story(&r.records) {
        let _written = write!(out, "\n{}", tell(record, &r.aliases));
    }
    let _written = write!(out, "\n  {} · seed {}", r.took, r.seed);
    out
}

/// The report for programs.
pub(crate) fn json(r: &Report) -> serde_json::Value {
    let side = |t: &Tally| {
        serde_json::json!({
            "calls": t.calls, "succeeded": t.well, "recoverable": t.recoverable(), "broken_after_output": t.after_output,
            "corrupt": t.corrupt, "p50_ms": t.p50.as_millis(), "p99_ms": t.p99.as_millis(), "attempts": t.attempts,
            "told": t.told,
        })
    };
    let met: serde_json::Map<_, _> =
        r.summary.met.iter().map(|(c, n)| (c.id().to_owned(), (*n).into())).collect();
    let failed = r
        .summary
        .failed_by
        .iter()
        .map(|(cause, n, id)| serde_json::json!({ "cause": cause.id(), "calls": n, "request_id": id }));
    serde_json::json!({
        "schema": "clearline.demo/1", "seed": r.seed, "elapsed_ms": r.took.as_millis(),
        "straight": side(&r.straight), "through": side(&r.through),
        "met": met, "failed": failed.collect::<Vec<_>>(),
        "story": story(&r.records).map(|record| tell(record, &r.aliases)),
    })
}

/// The call with most to tell: it met the most different causes and succeeded all the same.
fn story(records: &[CallRecord]) -> Option<&CallRecord> {
    let told = records.iter().filter(|r| r.outcome == Some(Outcome::Succeeded) && r.attempts.len() > 1);
    told.max_by_key(|r| {
        let mut causes: Vec<_> = r.attempts.iter().filter_map(|a| a.cause).collect();
        causes.sort_unstable();
        causes.dedup();
        (causes.len(), std::cmp::Reverse(r.attempts.len()), std::cmp::Reverse(r.call))
    })
}

/// One call from its arrival to its end.
fn tell(record: &CallRecord, aliases: &[String]) -> String {
    let id = |a: &AttemptRecord| Some(a.head.as_ref()?.request_id.as_ref()?.escaped());
    let name = record.attempts.iter().rev().find_map(id).unwrap_or_default();
    let mut out = format!("One call's story: {name}\n");
    let mut waits = record.waits.iter();
    let mut before: Option<&AttemptRecord> = None;
    for a in &record.attempts {
        if before.and_then(|b| b.ended).is_some_and(|end| a.started > end)
            && let Some((cause, waited)) = waits.next()
        {
            let _written = writeln!(out, "  {:>8}  waited {waited}   {cause}", "");
        }
        let at = a.started.since(record.started).to_string();
        let key = a.key.and_then(|k| aliases.get(usize::try_from(k.0).ok()?)).map_or("", String::as_str);
        let took = a.ended.map(|end| end.since(a.started)).unwrap_or_default();
        let how = a.cause.map_or_else(|| "succeeded".to_owned(), |cause| format!("failed   {cause}"));
        let status = a.head.as_ref().map_or_else(|| "no answer".to_owned(), |h| h.status.to_string());
        let id = id(a).unwrap_or_default();
        let _written =
            writeln!(out, "  {at:>8}  attempt {}   {key}   {status} after {took}   {how}   {id}", a.n);
        before = Some(a);
    }
    let end = record.ended.since(record.started).to_string();
    let _written = writeln!(out, "  {end:>8}  delivered whole");
    out
}
