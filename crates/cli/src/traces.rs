//! What calls came to, in words.

use clearline_gateway::Summary;
use clearline_model::{Cause, Dur, Foreign};
use clearline_report::{Args, Prose, layout};

use crate::out::grouped;

/// The most causes that a summary names.
const CAUSES_MAX: usize = 6;

/// Where the text behind a label begins.
const LABEL: usize = 8;

/// The summary of a run, with the program's name in front of its first line.
pub(crate) fn summary(prose: &Prose, who: &str, s: &Summary) -> String {
    let counted = |word: &str, n: u64| {
        if n == 0 { String::new() } else { prose.say(word, &number("count", &grouped(n))) }
    };
    let head = number("calls", &prose.count("calls", s.calls, &grouped(s.calls)))
        .with("well", Foreign::new(&grouped(s.succeeded)));
    let mut lines = vec![format!(
        "{who}: {}{}{}{}",
        prose.say("summary-calls", &head),
        counted("summary-retried", s.after_retries),
        prose.say("summary-failed", &number("count", &grouped(s.failed))),
        counted("summary-left", s.left)
    )];
    let met = met(prose, s.met.iter().map(|(cause, n)| (*cause, *n)).collect());
    if !met.is_empty() {
        lines.push(labelled(prose, "summary-met", &met));
    }
    for (cause, n, id) in s.failed_by.iter().take(CAUSES_MAX) {
        let id = id.as_ref().map(|id| format!("   {id}")).unwrap_or_default();
        let title = prose.explain(*cause, &Args::default()).title;
        lines.push(labelled(prose, "summary-lost", &format!("{} × {title}   {cause}{id}", grouped(*n))));
    }
    let more = s.attempts.saturating_sub(s.calls);
    if s.waited > Dur::ZERO || more > 0 {
        let waits = number("all", &s.waited.to_string())
            .with("longest", Foreign::new(&s.longest_wait.to_string()))
            .with("attempts", Foreign::new(&prose.count("attempts", more, &grouped(more))));
        lines.push(labelled(prose, "summary-waited", &prose.say("summary-waits", &waits)));
    }
    if s.wasted > 0 {
        let wasted = prose.count("summary-wasted", s.wasted, &grouped(s.wasted));
        lines.push(labelled(prose, "summary-billed", &wasted));
    }
    lines.join("\n")
}

/// A line of a summary.
pub(crate) fn labelled(prose: &Prose, label: &str, text: &str) -> String {
    format!("  {}{text}", layout::pad(&prose.word(label), LABEL))
}

fn number(name: &'static str, text: &str) -> Args {
    Args::default().with(name, Foreign::new(text))
}

/// Causes with their counts, the most frequent first.
pub(crate) fn met(prose: &Prose, mut causes: Vec<(Cause, u64)>) -> String {
    causes.sort_by_key(|(cause, n)| (std::cmp::Reverse(*n), *cause));
    let rest: u64 = causes.iter().skip(CAUSES_MAX).map(|(_, n)| n).sum();
    let mut parts: Vec<String> =
        causes.iter().take(CAUSES_MAX).map(|(cause, n)| format!("{cause} {}", grouped(*n))).collect();
    if rest > 0 {
        parts.push(prose.say("summary-others", &number("count", &grouped(rest))));
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use clearline_report::Lang;

    use super::*;

    #[test]
    fn a_summary_names_what_was_met_what_failed_and_what_it_cost() {
        let s = Summary {
            calls: 312,
            succeeded: 311,
            after_retries: 41,
            failed: 1,
            met: [(Cause::StreamCut, 7), (Cause::ServerOverloaded, 37)].into(),
            failed_by: vec![(Cause::RequestContextTooLong, 1, Some("req_011C".to_owned()))],
            waited: Dur::secs(192),
            longest_wait: Dur::secs(24),
            attempts: 370,
            wasted: 7,
            ..Summary::default()
        };
        let title = Prose::load(Lang::En).explain(Cause::RequestContextTooLong, &Args::default()).title;
        assert_eq!(
            summary(&Prose::load(Lang::En), "clearline", &s),
            format!(
                "clearline: 312 calls, 311 succeeded, 41 of them after retries; 1 failed\n  \
                 met     server.overloaded 37 · stream.cut 7\n  \
                 failed  1 × {title}   request.context-too-long   req_011C\n  \
                 waited  3 m 12 s in all, 24.0 s at most; 58 attempts more than calls\n  \
                 billed  7 attempts, perhaps for nothing"
            )
        );
        let none = |lang| summary(&Prose::load(lang), "clearline", &Summary::default());
        assert_eq!(none(Lang::En), "clearline: 0 calls, 0 succeeded; 0 failed");
        assert_eq!(none(Lang::Zh), "clearline: 0 次调用，成功 0 次，失败 0 次");
        let zh = summary(&Prose::load(Lang::Zh), "clearline", &s);
        assert!(
            zh.starts_with("clearline: 312 次调用，成功 311 次（其中 41 次靠重试），失败 1 次\n"),
            "{zh}"
        );
        assert!(zh.ends_with("58 次尝试\n  计费    7 次尝试可能计了费却没有结果"), "{zh}");
        // What broke at its only attempt is billed as well, and no attempt more.
        let broken = Summary { calls: 1, failed: 1, attempts: 1, wasted: 1, ..Summary::default() };
        let text = summary(&Prose::load(Lang::En), "clearline", &broken);
        assert!(text.ends_with("; 1 failed\n  billed  1 attempt, perhaps for nothing"), "{text}");
    }
}
