//! Both sides, side by side, and one call's story.

use std::fmt::Write as _;

use clearline_gateway::Summary;
use clearline_model::{AttemptRecord, CallRecord, Dur, Foreign, Outcome};
use clearline_report::{Args, Prose, layout};

use super::tally::Tally;
use crate::out::{grouped, percent};
use crate::traces;

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

/// Where the column of the first side begins, and how narrow it is at least.
const LABEL: usize = 27;
const SIDE: usize = 24;
/// Where the text behind the label of a line begins.
const REST: usize = 16;

/// The report for people.
pub(crate) fn text(prose: &Prose, r: &Report) -> String {
    let mut lines = vec![better(prose, r), String::new()];
    lines.extend(table(prose, &r.straight, &r.through));
    lines.push(String::new());
    let mut line = |label: &str, text: &str| {
        lines.push(format!("  {}{text}", layout::pad(&prose.word(label), REST)).trim_end().to_owned());
    };
    line("demo-met", &traces::met(prose, r.summary.met.iter().map(|(cause, n)| (*cause, *n)).collect()));
    let told = r.straight.told.iter().map(|(why, n)| format!("{} × {why}", grouped(*n)));
    line("demo-failed-straight", &told.collect::<Vec<_>>().join(" · "));
    for (cause, n, id) in &r.summary.failed_by {
        let title = prose.explain(*cause, &Args::default()).title;
        let id = id.clone().unwrap_or_default();
        line("demo-failed-through", &format!("{} × {title}   {cause}   {id}", grouped(*n)));
    }
    if let Some(record) = story(&r.records) {
        lines.push(format!("\n{}", tell(prose, record, &r.aliases).trim_end()));
    }
    lines.push(format!("\n  {} · seed {}", r.took, r.seed));
    lines.join("\n")
}

fn named(name: &'static str, text: &str) -> Args {
    Args::default().with(name, Foreign::new(text))
}

/// The answer: what clearline makes of the same day.
fn better(prose: &Prose, r: &Report) -> String {
    let (a, b) = (&r.straight, &r.through);
    let args = named("calls", &prose.count("calls", a.calls, &grouped(a.calls)))
        .with("straight", Foreign::new(&percent(a.well, a.calls)))
        .with("through", Foreign::new(&percent(b.well, b.calls)));
    prose.say("demo-better", &args)
}

/// Both sides, a number a line.
fn table(prose: &Prose, a: &Tally, b: &Tally) -> Vec<String> {
    let share = |part: u64, whole: u64| {
        let args = named("rate", &percent(part, whole))
            .with("count", Foreign::new(&grouped(part)))
            .with("all", Foreign::new(&grouped(whole)));
        prose.say("demo-share", &args)
    };
    let all = |t: &Tally| share(t.well, t.calls);
    let could = |t: &Tally| share(t.well, t.recoverable());
    let each = |t: &Tally| format!("{}.{:02}", t.attempts_each() / 100, t.attempts_each() % 100);
    let rows = [
        ("", prose.word("demo-straight"), prose.word("demo-through")),
        ("demo-succeeded", all(a), all(b)),
        ("demo-could", could(a), could(b)),
        ("demo-broken", grouped(a.after_output), grouped(b.after_output)),
        ("demo-wrong", grouped(a.corrupt), grouped(b.corrupt)),
        ("demo-p50", a.p50.to_string(), b.p50.to_string()),
        ("demo-p99", a.p99.to_string(), b.p99.to_string()),
        ("demo-attempts", each(a), each(b)),
    ];
    let side = rows.iter().map(|(_, straight, _)| layout::width(straight) + 2).max().unwrap_or(0).max(SIDE);
    let line = |(what, straight, through): (&str, String, String)| {
        let what = if what.is_empty() { String::new() } else { prose.word(what) };
        format!("  {}{}{through}", layout::pad(&what, LABEL), layout::pad(&straight, side))
    };
    rows.into_iter().map(line).collect()
}

/// The report for programs.
pub(crate) fn json(prose: &Prose, r: &Report) -> serde_json::Value {
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
        "story": story(&r.records).map(|record| tell(prose, record, &r.aliases)),
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
fn tell(prose: &Prose, record: &CallRecord, aliases: &[String]) -> String {
    let id = |a: &AttemptRecord| Some(a.head.as_ref()?.request_id.as_ref()?.escaped());
    let name = record.attempts.iter().rev().find_map(id).unwrap_or_default();
    let mut out = format!("{}\n", prose.say("demo-story", &named("id", &name)));
    let mut waits = record.waits.iter();
    let mut before: Option<&AttemptRecord> = None;
    for a in &record.attempts {
        if before.and_then(|b| b.ended).is_some_and(|end| a.started > end)
            && let Some((cause, waited)) = waits.next()
        {
            let waited = prose.say("demo-waited", &named("took", &waited.to_string()));
            let _written = writeln!(out, "  {:>8}  {waited}   {cause}", "");
        }
        let at = a.started.since(record.started).to_string();
        let key = a.key.and_then(|k| aliases.get(usize::try_from(k.0).ok()?)).map_or("", String::as_str);
        let id = id(a).unwrap_or_default();
        let n = prose.say("trace-attempt", &named("count", &a.n.to_string()));
        let line = format!("  {at:>8}  {n}   {key}   {}   {id}", how(prose, a));
        let _written = writeln!(out, "{}", line.trim_end());
        before = Some(a);
    }
    let end = record.ended.since(record.started).to_string();
    let _written = writeln!(out, "  {end:>8}  {}", prose.word("demo-whole"));
    out
}

/// How an attempt ended.
fn how(prose: &Prose, a: &AttemptRecord) -> String {
    let took = a.ended.map(|end| end.since(a.started)).unwrap_or_default();
    let status = a.head.as_ref().map_or_else(|| prose.word("trace-no-answer"), |h| h.status.to_string());
    let after = named("status", &status).with("took", Foreign::new(&took.to_string()));
    let end = match a.cause {
        None => prose.word("outcome-succeeded"),
        Some(cause) => format!("{}   {cause}", prose.word("outcome-failed")),
    };
    format!("{}   {end}", prose.say("trace-after", &after))
}
