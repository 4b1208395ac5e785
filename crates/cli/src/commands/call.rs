//! `clearline call`: one verified call, with the time of each phase.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clearline::{Client, Observer, Reply};
use clearline_model::{CallRecord, Cause, Dur, Event, Foreign, Usage};
use clearline_report::{Args, Prose, json, layout, terminal};
use clearline_wire::{Mark, Parser, Watch};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, interval_at};

use crate::exit::{self, Failure};
use crate::out::Progress;
use crate::{look, out, serve, setup};

/// Makes one call and shows the answer, the time of each phase and the headers that matter, or the cause
///
/// It goes where an official SDK would go: ANTHROPIC_BASE_URL, ANTHROPIC_API_KEY, the proxy and CA variables. One attempt is
/// made, and the answer counts only when it is complete.
#[derive(Debug, clap::Args)]
pub(crate) struct Call {
    /// What to ask
    #[arg(default_value = "Say hello in five words.")]
    prompt: String,
    /// The model
    #[arg(long, default_value = "claude-haiku-5-5")]
    model: String,
    /// The most tokens of the answer
    #[arg(long, default_value_t = 64)]
    max_tokens: u32,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

/// Keeps the record of the call.
#[derive(Default)]
struct Keep(Mutex<Option<CallRecord>>);

impl Observer for Keep {
    fn event(&self, _event: &Event) {}

    fn ended(&self, record: &CallRecord) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(record.clone());
    }
}

/// What came back.
#[derive(Default)]
struct Seen {
    text: String,
    status: u16,
    cause: Option<Cause>,
    /// What a gateway of ours on the way says it is.
    stated: Option<Cause>,
    detail: Foreign,
    request_id: Option<Foreign>,
    headers: Vec<(String, Foreign)>,
    first_token: Option<Dur>,
    longest_gap: Dur,
    took: Dur,
    stop: Option<Foreign>,
    usage: Usage,
}

/// Headers that are shown: ids, limits, and who answered.
fn matters(name: &str) -> bool {
    const NAMES: [&str; 7] = [
        "request-id",
        "anthropic-organization-id",
        "retry-after",
        "x-should-retry",
        "server",
        "cf-ray",
        "via",
    ];
    NAMES.contains(&name) || name.starts_with("anthropic-ratelimit-") || name == "clearline-cause"
}

impl Call {
    pub(crate) fn run(self, lang: Option<&str>, config: Option<&Path>) -> Result<u8, Failure> {
        let keep = Arc::new(Keep::default());
        let client = setup::single_attempt(Arc::<Keep>::clone(&keep))?;
        let prose = look::prose(lang, config);
        let seen = serve::one_thread()?.block_on(patiently(&prose, self.make(&client)));
        let record = keep.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if self.json {
            out::say(&to_json(&prose, &seen, record.as_ref()).to_string())?;
        } else {
            out::say(&to_text(&prose, &seen, record.as_ref()))?;
        }
        Ok(if seen.cause.is_none() { exit::WELL } else { exit::PROBLEM })
    }

    async fn make(&self, client: &Client) -> Seen {
        let body = serde_json::json!({
            "model": self.model, "max_tokens": self.max_tokens, "stream": true,
            "messages": [{"role": "user", "content": self.prompt}],
        });
        let begun = Instant::now();
        let mut seen = match client.post_json("/v1/messages", &body).await {
            Ok(reply) => read(reply, begun).await,
            Err(error) => Seen {
                cause: Some(error.cause),
                detail: error.detail,
                request_id: error.request_id,
                ..Seen::default()
            },
        };
        seen.took = begun.elapsed().into();
        seen
    }
}

/// Says on a terminal what takes longer than a second, and for how long it has.
async fn patiently(prose: &Prose, call: impl Future<Output = Seen>) -> Seen {
    let (line, begun) = (Progress::new(), Instant::now());
    tokio::pin!(call);
    let mut ticks = interval_at(begun + Duration::from_secs(1), Duration::from_millis(250));
    loop {
        tokio::select! {
            seen = &mut call => {
                line.clear();
                return seen;
            }
            _ = ticks.tick() => {
                let took = Foreign::new(&format!("{} s", begun.elapsed().as_secs()));
                line.show(&prose.say("call-waits", &Args::default().with("took", took)));
            }
        }
    }
}

async fn read(reply: Reply, begun: Instant) -> Seen {
    let value = |v: &http::HeaderValue| Foreign::from_bytes(v.as_bytes());
    let shown = reply.headers.iter().filter(|(name, _)| matters(name.as_str()));
    let mut seen = Seen {
        status: reply.status.as_u16(),
        cause: reply.cause,
        request_id: clearline_wire::request_id(&reply.headers),
        headers: shown.map(|(name, v)| (name.as_str().to_owned(), value(v))).collect(),
        ..Seen::default()
    };
    let (mut body, mut all) = (reply.body, Vec::new());
    let (mut watch, mut parser, mut last) = (Watch::new(), Parser::new(), Instant::now());
    while let Some(frame) = body.frame().await {
        let bytes = match frame {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(broken) => {
                seen.cause = Some(broken.0);
                break;
            }
        };
        seen.longest_gap = seen.longest_gap.max(last.elapsed().into());
        last = Instant::now();
        if seen.cause.is_some() {
            all.extend_from_slice(&bytes);
            continue;
        }
        let mut marks = Vec::new();
        watch.push(&bytes, &mut marks);
        if marks.contains(&Mark::Content) && seen.first_token.is_none() {
            seen.first_token = Some(begun.elapsed().into());
        }
        // An event that is too long is one mark more, and the stream is judged by the client.
        let _whole = parser.push(&bytes, |event| seen.take(event.data)).is_ok();
    }
    if seen.cause.is_some() {
        // A gateway of ours on the way says why the stream broke; the shape of its event alone says only that it did.
        seen.cause = seen.stated.or(seen.cause);
    }
    if seen.cause.is_some() && !all.is_empty() {
        seen.detail = clearline_wire::parse_error(seen.status, &http::HeaderMap::new(), &all).message;
    }
    seen.stop = watch.stop_reason().cloned();
    seen.usage = watch.usage();
    seen
}

impl Seen {
    /// Takes an event of the stream: the text that it adds, or the error that it tells.
    fn take(&mut self, data: &[u8]) {
        let value: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
        let text = |of: &str, name: &str| value.get(of).and_then(|v| v.get(name)).and_then(|t| t.as_str());
        self.text.push_str(text("delta", "text").unwrap_or_default());
        if let Some(message) = text("error", "message") {
            self.detail = Foreign::new(message);
        }
        self.stated = text("clearline", "cause").and_then(|id| id.parse().ok()).or(self.stated);
    }
}

fn stages(record: Option<&CallRecord>) -> Vec<(&'static str, Dur)> {
    let attempt = record.and_then(|r| r.attempts.last());
    attempt.map(|a| a.stages.iter().map(|(stage, took)| (stage.word(), *took)).collect()).unwrap_or_default()
}

/// Where the times of the stages begin.
const LABEL: usize = 10;

fn to_text(prose: &Prose, seen: &Seen, record: Option<&CallRecord>) -> String {
    let mut lines = Vec::new();
    if let Some(cause) = seen.cause {
        lines.push(terminal::cause(prose, look::style(), cause, &Args::default()));
        if !seen.detail.raw().is_empty() {
            lines.push(format!("\n  \"{}\"", seen.detail.escaped()));
        }
    } else {
        lines.push(out::text_of_others(&seen.text));
    }
    lines.push(String::new());
    for (stage, took) in stages(record) {
        let status = if stage == "head" { format!("   {}", seen.status) } else { String::new() };
        let stage = layout::pad(&prose.word(&format!("stage-{stage}")), LABEL);
        lines.push(format!("  {stage}{:>8}{status}", took.to_string()));
    }
    if let Some(first) = seen.first_token {
        let end = if seen.cause.is_none() { " · message_stop" } else { "" };
        let named = |name, text: &dyn ToString| Args::default().with(name, Foreign::new(&text.to_string()));
        let timing = named("first", &first)
            .with("gap", Foreign::new(&seen.longest_gap.to_string()))
            .with("end", Foreign::new(&seen.took.to_string()));
        lines.push(format!("  {}{end}", prose.say("call-timing", &timing)));
        let tokens =
            named("input", &seen.usage.input).with("output", Foreign::new(&seen.usage.output.to_string()));
        let label = layout::pad(&prose.word("tokens"), LABEL + 2);
        lines.push(format!("  {label}{}", prose.say("tokens-count", &tokens)));
    }
    for (name, value) in &seen.headers {
        lines.push(format!("  {name}: {}", value.escaped()));
    }
    if seen.cause.is_none() && seen.stop.as_ref().is_some_and(|stop| stop.raw() == "max_tokens") {
        // The stream is whole, and the text is not: without a word it would look like a fault.
        let count = Args::default().with("count", Foreign::new(&seen.usage.output.to_string()));
        lines.push(format!("  {}", prose.say("call-cut", &count)));
    }
    lines.join("\n")
}

fn to_json(prose: &Prose, seen: &Seen, record: Option<&CallRecord>) -> serde_json::Value {
    let args = Args::default();
    let stages: serde_json::Map<_, _> =
        stages(record).into_iter().map(|(name, took)| (name.to_owned(), took.as_millis().into())).collect();
    let headers: serde_json::Map<_, _> =
        seen.headers.iter().map(|(name, v)| (name.clone(), serde_json::json!(v))).collect();
    serde_json::json!({
        "schema": "clearline.call/1",
        "ok": seen.cause.is_none(),
        "text": if seen.cause.is_none() { Some(&seen.text) } else { None },
        "status": seen.status,
        "cause": seen.cause.map(|cause| json::cause(prose, cause, &args)),
        "detail": seen.detail,
        "request_id": seen.request_id,
        "stop_reason": seen.stop,
        "usage": seen.usage,
        "stages_ms": stages,
        "first_token_ms": seen.first_token.map(Dur::as_millis),
        "longest_gap_ms": seen.longest_gap.as_millis(),
        "took_ms": seen.took.as_millis(),
        "headers": headers,
    })
}

#[cfg(test)]
mod tests {
    use clearline_report::Lang;

    use super::*;

    #[test]
    fn an_answer_of_several_lines_is_shown_as_such() {
        let seen = Seen { text: "Hello!\n\n\tHow are you?".to_owned(), ..Seen::default() };
        let text = to_text(&Prose::load(Lang::En), &seen, None);
        assert!(text.starts_with("Hello!\n\n\tHow are you?\n"), "{text}");
    }

    #[test]
    fn an_answer_that_the_limit_cut_says_so() {
        let usage = Usage { output: 64, ..Usage::default() };
        let seen = Seen { stop: Some(Foreign::new("max_tokens")), usage, ..Seen::default() };
        let told = |seen: &Seen, lang| to_text(&Prose::load(lang), seen, None);
        assert!(
            told(&seen, Lang::En)
                .ends_with("\n  The answer was cut after 64 tokens: raise --max-tokens for all of it.")
        );
        assert!(
            told(&seen, Lang::Zh)
                .ends_with("\n  应答在 64 个 token 处被截断：调大 --max-tokens 可得到全文。")
        );
        let whole = Seen { stop: Some(Foreign::new("end_turn")), ..seen };
        assert!(!told(&whole, Lang::En).contains("--max-tokens"));
    }
}
