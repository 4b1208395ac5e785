//! A call of our own log as a story.

use clearline_model::{Cause, Foreign};
use clearline_report::document::{Block, Item, Mood};
use clearline_report::{Args, Prose};
use serde_json::Value;

/// A call of our own log, an attempt a line.
pub(super) fn text(prose: &Prose, value: &Value) -> Option<Vec<String>> {
    if value.get("event")?.as_str()? != "call ended" {
        return None;
    }
    let mut lines = Vec::new();
    let model = field(value, "model");
    lines.push(format!("  {} {}   {model}", field(value, "method"), field(value, "path")));
    lines.extend(value.get("attempts")?.as_array()?.iter().map(|a| attempt(prose, a)));
    let cause = field(value, "cause");
    let cause = if cause.is_empty() { String::new() } else { format!("   {cause}") };
    lines.push(format!("  {:>8}  {}{cause}", ms(value, "took_ms"), outcome(prose, value)));
    // Everything of it may come from a file that others wrote.
    Some(lines.into_iter().map(|l| Foreign::new(&l).escaped()).collect())
}

fn attempt(prose: &Prose, a: &Value) -> String {
    let cause = field(a, "cause");
    let how = if cause.is_empty() {
        prose.word("outcome-succeeded")
    } else {
        format!("{}   {cause}", prose.word("outcome-failed"))
    };
    let status = a.get("status").and_then(Value::as_u64);
    let status = status.map_or_else(|| prose.word("trace-no-answer"), |s| s.to_string());
    let after =
        Args::default().with("status", Foreign::new(&status)).with("took", Foreign::new(&ms(a, "took_ms")));
    let n = a.get("n").and_then(Value::as_u64).unwrap_or(0).to_string();
    let parts = [
        prose.say("trace-attempt", &Args::default().with("count", Foreign::new(&n))),
        field(a, "key"),
        field(a, "protocol"),
        prose.say("trace-after", &after),
        how,
        field(a, "request_id"),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("  {:>8}  {}", ms(a, "started_ms"), parts.join("   "))
}

/// How a call ended. A word that this version does not know is shown as it is.
fn outcome(prose: &Prose, value: &Value) -> String {
    let word = field(value, "outcome");
    match word.as_str() {
        "succeeded" | "failed" | "refused" | "broken" | "left" => prose.word(&format!("outcome-{word}")),
        _ => word,
    }
}

fn field(v: &Value, name: &str) -> String {
    v.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn ms(v: &Value, name: &str) -> String {
    let ms = v.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    if ms >= 1000.0 { format!("{:.1} s", ms / 1000.0) } else { format!("{ms:.0} ms") }
}

/// What others may have written.
fn said(text: &str) -> Item {
    Item::Said(Foreign::new(text).escaped())
}

/// The same for Markdown and HTML: how it ended, and a table of its attempts.
pub(super) fn blocks(prose: &Prose, value: &Value) -> Option<Vec<Block>> {
    if value.get("event")?.as_str()? != "call ended" {
        return None;
    }
    let mood = if field(value, "outcome") == "succeeded" { Mood::Well } else { Mood::Bad };
    let cause: Option<Cause> = field(value, "cause").parse().ok();
    let title = Foreign::new(&format!("{} · {}", outcome(prose, value), ms(value, "took_ms"))).escaped();
    let call = format!("{} {}", field(value, "method"), field(value, "path"));
    let mut terms = vec![(prose.word("call"), vec![said(&call)])];
    for (word, name) in [("model", "model"), ("caller", "caller"), ("when", "time")] {
        let text = field(value, name);
        if !text.is_empty() {
            terms.push((prose.word(word), vec![said(&text)]));
        }
    }
    let rows = value.get("attempts")?.as_array()?.iter().map(|a| {
        let status =
            a.get("status").and_then(Value::as_u64).map_or_else(|| "–".to_owned(), |s| s.to_string());
        let n = a.get("n").and_then(Value::as_u64).unwrap_or(0);
        let plain = [n.to_string(), ms(a, "started_ms"), ms(a, "took_ms"), status].map(Item::Text);
        let foreign = ["cause", "key", "request_id"].map(|name| said(&field(a, name)));
        plain.into_iter().chain(foreign).collect()
    });
    let head = ["number", "begins", "took", "status", "cause", "key", "request-id"];
    let head = head.map(|name| prose.word(name)).to_vec();
    Some(vec![
        Block::Heading(mood, title, cause),
        Block::Terms(terms),
        Block::Table(prose.word("attempts"), head, rows.collect()),
    ])
}
