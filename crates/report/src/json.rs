//! Reports for programs.

use clearline_model::{Blame, Cause, Confidence, Retry};
use serde_json::{Value, json};

use crate::prose::{Args, Fix, Prose};

/// The word of a blame.
#[must_use]
pub const fn blame(blame: Blame) -> &'static str {
    match blame {
        Blame::Caller => "caller",
        Blame::Account => "account",
        Blame::Site => "site",
        Blame::Provider => "provider",
    }
}

/// The word of a retry.
#[must_use]
pub const fn retry(retry: Retry) -> &'static str {
    match retry {
        Retry::Never => "never",
        Retry::Backoff => "backoff",
        Retry::AfterHint => "after-hint",
        Retry::AfterRefresh => "after-refresh",
        Retry::FreshConnection => "fresh-connection",
        Retry::OnH1 => "on-h1",
        Retry::LongerTimeout => "longer-timeout",
        Retry::IfSafe => "if-safe",
        Retry::IfUncommitted => "if-uncommitted",
    }
}

/// A cause with its words.
#[must_use]
pub fn cause(prose: &Prose, cause: Cause, args: &Args) -> Value {
    let (row, words) = (cause.row(), prose.explain(cause, args));
    let fix = words.fix.into_iter().map(|fix| match fix {
        Fix::Text(text) => json!({ "text": text }),
        Fix::Command { command, why } => json!({ "command": command, "why": why }),
    });
    json!({
        "id": row.id,
        "layer": row.id.split('.').next(),
        "blame": blame(row.blame),
        "retry": retry(row.retry),
        "title": words.title,
        "means": words.means,
        "fix": fix.collect::<Vec<_>>(),
        "explains": row.explains.iter().map(|c| c.id()).collect::<Vec<_>>(),
    })
}

/// An explanation: `clearline.explanation/1`.
#[must_use]
pub fn explanation(prose: &Prose, causes: &[(Cause, Confidence)], masked: bool, next: &[String]) -> Value {
    let causes = causes.iter().map(|(c, confidence)| {
        let mut value = cause(prose, *c, &Args::default());
        if let Some(map) = value.as_object_mut() {
            map.insert("confidence".to_owned(), json!(confidence));
        }
        value
    });
    json!({
        "schema": "clearline.explanation/1",
        "causes": causes.collect::<Vec<_>>(),
        "masked": masked,
        "next": next,
    })
}
