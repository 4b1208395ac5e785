//! Reports for programs.

use clearline_model::{
    Blame, Cause, Confidence, Dur, Fact, Failure, Path, Proof, Retry, Route, Seen, Status, Trust, Verdict,
};
use serde_json::{Value, json};

use crate::prose::{Args, Fix, Prose};
use crate::{edit, known};

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

/// A step of the way out.
pub(crate) fn step(fix: Fix) -> Value {
    match fix {
        Fix::Text(text) => json!({ "text": text }),
        Fix::Command { command, why } => json!({ "command": command, "why": why }),
    }
}

/// A cause with its words.
#[must_use]
pub fn cause(prose: &Prose, cause: Cause, args: &Args) -> Value {
    let (row, words) = (cause.row(), prose.explain(cause, args));
    let fix = words.fix.into_iter().map(step);
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

/// The word of a status.
#[must_use]
pub const fn status(status: Status) -> &'static str {
    match status {
        Status::Healthy => "healthy",
        Status::Degraded => "degraded",
        Status::Failing => "failing",
        Status::Inconclusive => "inconclusive",
    }
}

/// A verdict: `clearline.verdict/1`.
#[must_use]
pub fn verdict(prose: &Prose, verdict: &Verdict, facts: &[Fact], elapsed: Dur) -> Value {
    let causes = verdict.findings.iter().map(|finding| {
        let mut value = cause(prose, finding.cause, &known::args(finding, facts));
        if let Some(map) = value.as_object_mut() {
            if let Some(Value::Array(steps)) = map.get_mut("fix") {
                steps.splice(0..0, edit::edits(prose, finding, facts).into_iter().map(step));
            }
            map.insert("role".to_owned(), json!(finding.role));
            map.insert("confidence".to_owned(), json!(finding.confidence));
            map.insert("proof".to_owned(), finding.proof.iter().map(proof).collect());
        }
        value
    });
    json!({
        "schema": "clearline.verdict/1",
        "status": status(verdict.status),
        "causes": causes.collect::<Vec<_>>(),
        "open": verdict.open.iter().map(|c| c.id()).collect::<Vec<_>>(),
        "facts": facts.iter().map(fact).collect::<Vec<_>>(),
        "elapsed_ms": elapsed.as_millis(),
    })
}

fn proof(proof: &Proof) -> Value {
    match proof {
        Proof::Flip(failed, well, axis) => {
            json!({ "kind": "flip", "failed": failed, "well": well, "axis": format!("{axis:?}").to_lowercase() })
        }
        Proof::One(fact) => json!({ "kind": "fact", "fact": fact }),
        Proof::Rate(fact, n, of) => json!({ "kind": "rate", "fact": fact, "n": n, "of": of }),
    }
}

fn fact(fact: &Fact) -> Value {
    let (ok, saw) = match &fact.saw {
        Ok(seen) => (true, self::seen(seen)),
        Err(failure) => (false, self::failure(*failure)),
    };
    json!({
        "id": fact.id, "stage": fact.stage, "ok": ok, "saw": saw, "path": path(&fact.path), "sent": fact.sent,
        "at_ms": fact.at.0 / 1_000, "took_ms": fact.took.as_millis(),
    })
}

/// What went well, in a few words.
#[must_use]
pub fn seen(seen: &Seen) -> String {
    match seen {
        Seen::Addresses(addrs) => addrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        Seen::Connected => "connected".to_owned(),
        Seen::Tunnelled(status) => format!("tunnel ({status})"),
        Seen::Handshake { .. } => "handshake".to_owned(),
        Seen::Head { status, .. } => format!("answered ({status})"),
        Seen::Shown(cert) => format!("certificate of {}", cert.issuer.escaped()),
        Seen::Complete => "complete".to_owned(),
        Seen::Paced(pace) => {
            format!("{} events, the first after {}, the last after {}", pace.events, pace.first, pace.last)
        }
        Seen::State(name, value) => format!("{name} {}", value.escaped()),
    }
}

/// What failed, in a few words.
#[must_use]
pub fn failure(failure: Failure) -> String {
    if let Failure::Status(status, ..) = failure {
        return format!("status {status}");
    }
    format!("{failure:?}").to_lowercase()
}

/// The circumstances that were chosen.
fn path(path: &Path) -> Value {
    let route = path.route.as_ref().map(|route| match route {
        Route::Direct => "direct".to_owned(),
        Route::Proxy(proxy) => escaped(proxy),
    });
    let trust = path.trust.as_ref().map(|trust| match trust {
        Trust::System => "system".to_owned(),
        Trust::Public => "public".to_owned(),
        Trust::File(file) => escaped(file),
    });
    json!({
        "host": escaped(&path.host), "port": path.port, "resolver": path.resolver, "transport": path.transport,
        "family": path.family, "address": path.address, "route": route, "server_name": path.server_name.as_deref().map(escaped),
        "alpn": path.alpn.as_deref().map(escaped), "hello": path.hello, "trust": trust, "mss": path.mss, "http": path.http,
        "body": path.body, "reused": path.reused, "idle_ms": path.idle.map(Dur::as_millis),
        "credential": path.credential.as_deref().map(escaped), "client": path.client.as_deref().map(escaped),
    })
}

/// Names and files come from this machine, and some of them from others.
fn escaped(text: &str) -> String {
    clearline_model::Foreign::new(text).escaped()
}
