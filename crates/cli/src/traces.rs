//! What calls came to, in words.

use clearline_gateway::Summary;
use clearline_model::{Cause, Dur};

use crate::out::grouped;

/// The most causes that a summary names.
const CAUSES_MAX: usize = 6;

/// The summary of a run, with the program's name in front of its first line.
pub(crate) fn summary(who: &str, s: &Summary) -> String {
    let mut text = format!("{who}: {}, {} succeeded", count(s.calls, "call"), grouped(s.succeeded));
    if s.after_retries > 0 {
        text.push_str(&format!(", {} of them after retries", grouped(s.after_retries)));
    }
    text.push_str(&format!("; {} failed", grouped(s.failed)));
    if s.left > 0 {
        text.push_str(&format!("; in {} the caller left", grouped(s.left)));
    }
    let met = met(s.met.iter().map(|(cause, n)| (*cause, *n)).collect());
    if !met.is_empty() {
        text.push_str(&format!("\n  met     {met}"));
    }
    for (cause, n, id) in s.failed_by.iter().take(CAUSES_MAX) {
        let id = id.as_ref().map(|id| format!("   {id}")).unwrap_or_default();
        text.push_str(&format!("\n  failed  {} × {}   {cause}{id}", grouped(*n), cause.row().title));
    }
    let more = s.attempts.saturating_sub(s.calls);
    if s.waited > Dur::ZERO || more > 0 {
        let billed = if s.wasted > 0 {
            format!(", {} of them perhaps billed", grouped(s.wasted))
        } else {
            String::new()
        };
        let (all, longest) = (s.waited, s.longest_wait);
        let attempts = count(more, "attempt");
        text.push_str(&format!(
            "\n  waited  {all} in all, {longest} at most; {attempts} more than calls{billed}"
        ));
    }
    text
}

/// Causes with their counts, the most frequent first.
pub(crate) fn met(mut causes: Vec<(Cause, u64)>) -> String {
    causes.sort_by_key(|(cause, n)| (std::cmp::Reverse(*n), *cause));
    let rest: u64 = causes.iter().skip(CAUSES_MAX).map(|(_, n)| n).sum();
    let mut parts: Vec<String> =
        causes.iter().take(CAUSES_MAX).map(|(cause, n)| format!("{cause} {}", grouped(*n))).collect();
    if rest > 0 {
        parts.push(format!("others {}", grouped(rest)));
    }
    parts.join(" · ")
}

fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{} {what}s", grouped(n)) }
}

#[cfg(test)]
mod tests {
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
        let title = Cause::RequestContextTooLong.row().title;
        assert_eq!(
            summary("clearline", &s),
            format!(
                "clearline: 312 calls, 311 succeeded, 41 of them after retries; 1 failed\n  \
                 met     server.overloaded 37 · stream.cut 7\n  \
                 failed  1 × {title}   request.context-too-long   req_011C\n  \
                 waited  3 m 12 s in all, 24.0 s at most; 58 attempts more than calls, 7 of them perhaps billed"
            )
        );
        assert_eq!(summary("clearline", &Summary::default()), "clearline: 0 calls, 0 succeeded; 0 failed");
    }
}
