//! Whether a fix worked, in words.

use clearline_model::{Cause, Dur, Foreign, Verification};
use serde_json::{Value, json};

use crate::prose::{Args, Prose};
use crate::terminal::{self, Style};

/// A line for each cause: what is fixed, what is not, what comes next with its way out.
#[must_use]
pub fn text(prose: &Prose, style: Style, verification: &Verification, elapsed: Dur) -> String {
    let line = |sign: &str, word: &str, cause: Cause| {
        let title = prose.explain(cause, &Args::default()).title;
        format!("{sign} {}   {cause}", prose.say(word, &Args::default().with("title", Foreign::new(&title))))
    };
    let Verification { fixed, left, open, next } = verification;
    let mut lines: Vec<String> = left.iter().map(|c| line(&style.cross(), "verify-left", *c)).collect();
    lines.extend(open.iter().map(|c| line("?", "verify-open", *c)));
    lines.extend(fixed.iter().map(|c| line(&style.tick(), "verify-fixed", *c)));
    lines.extend(next.iter().map(|c| line("!", "verify-next", *c)));
    let first = left.first().or_else(|| next.first());
    if let Some(cause) = first {
        let whole = terminal::cause(prose, style, *cause, &Args::default());
        lines.extend(whole.lines().skip(1).map(str::to_owned));
    }
    lines.push(format!("\n  {elapsed}"));
    lines.join("\n")
}

/// The same for programs: `clearline.verification/1`.
#[must_use]
pub fn json(verification: &Verification, elapsed: Dur) -> Value {
    let ids = |causes: &[Cause]| causes.iter().map(|c| c.id()).collect::<Vec<_>>();
    let status = match verification.is_well() {
        Some(true) => "fixed",
        Some(false) if verification.left.is_empty() => "fixed-and-next",
        Some(false) => "not-fixed",
        None => "open",
    };
    json!({
        "schema": "clearline.verification/1",
        "status": status,
        "fixed": ids(&verification.fixed),
        "left": ids(&verification.left),
        "open": ids(&verification.open),
        "next": ids(&verification.next),
        "elapsed_ms": elapsed.as_millis(),
    })
}
