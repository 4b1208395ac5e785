//! The texts of `cases/texts.jsonl`: what each says, and of which nothing may be said.
#![expect(clippy::disallowed_methods, reason = "a test reads its cases")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use clearline_logs::explain;

#[derive(serde::Deserialize)]
struct Line {
    id: String,
    text: String,
    causes: Vec<String>,
}

fn lines() -> Vec<Line> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../cases/texts.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
}

fn named(text: &str) -> Vec<&'static str> {
    explain(text).causes.iter().map(|ranked| ranked.cause.id()).collect()
}

/// Whether a text is explained as its case wants it: one of the causes first, or none at all.
fn is_right(text: &str, causes: &[String]) -> bool {
    match named(text).first() {
        Some(first) => causes.iter().any(|cause| cause == first),
        None => causes.is_empty(),
    }
}

#[test]
fn each_text_has_its_cause_first_and_what_is_no_failure_of_a_call_has_none() {
    let lines = lines();
    let wrong = lines.iter().filter(|line| !is_right(&line.text, &line.causes));
    let wrong: Vec<_> = wrong.map(|line| (&line.id, named(&line.text), &line.causes)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let ids: BTreeSet<_> = lines.iter().map(|line| &line.id).collect();
    assert_eq!(ids.len(), lines.len(), "an id stands twice");
}

#[test]
fn what_carries_a_text_does_not_matter() {
    for line in lines() {
        for carried in [
            line.text.replace('\n', "\r\n"),
            line.text.lines().map(|l| format!("2026-11-20T10:00:00.120Z app-7d9f stderr F {l}\n")).collect(),
            line.text.lines().map(|l| format!("\u{1b}[31m{l}\u{1b}[0m\n")).collect(),
            format!("{}{}", "INFO listening on 8080, all is well\n".repeat(25), line.text),
        ] {
            assert!(is_right(&carried, &line.causes), "{} as {carried}\n{:?}", line.id, named(&carried));
        }
    }
}
