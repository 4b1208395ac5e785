//! One call as one line of the log. Never a key, never a prompt.

use std::sync::OnceLock;

use clearline::Names;
use clearline_model::{AttemptRecord, CallId, CallRecord, Cause, Foreign, Outcome, Sent, Stage, Usage};
use serde::Serialize;

use crate::ids::now as now_at;

/// What the gateway knows of a call and the client does not.
#[derive(Debug, Default)]
pub(crate) struct Context {
    pub(crate) call: OnceLock<CallId>,
    pub(crate) x_request_id: String,
    pub(crate) traceparent: String,
    pub(crate) method: String,
    pub(crate) path: Foreign,
    pub(crate) model: Option<Foreign>,
    pub(crate) caller: Option<String>,
    pub(crate) bytes_in: u64,
    /// An error body that was replaced because it was not the API's.
    pub(crate) original: OnceLock<Foreign>,
}

#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    ts: u64,
    time: String,
    call: CallId,
    #[serde(flatten)]
    who: Option<Who<'a>>,
    status: u16,
    outcome: Option<Outcome>,
    cause: Option<Cause>,
    stream: bool,
    repeat: clearline_model::Repeat,
    took_ms: f64,
    committed_ms: Option<f64>,
    request_ids: Vec<&'a Foreign>,
    attempts: Vec<Attempt<'a>>,
    waits: Vec<Wait>,
    waited_ms: f64,
    usage: Usage,
    wasted: usize,
    bytes: u64,
}

#[derive(Serialize)]
struct Who<'a> {
    x_request_id: &'a str,
    traceparent: &'a str,
    method: &'a str,
    path: &'a Foreign,
    model: Option<&'a Foreign>,
    caller: Option<&'a str>,
    bytes_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<&'a Foreign>,
}

#[expect(clippy::struct_excessive_bools, reason = "the record of the model, field by field")]
#[derive(Serialize)]
struct Attempt<'a> {
    n: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a str>,
    key: Option<&'a str>,
    cause: Option<Cause>,
    stage: Stage,
    sent: Sent,
    status: Option<u16>,
    request_id: Option<&'a Foreign>,
    started_ms: f64,
    took_ms: Option<f64>,
    stages_ms: Vec<(Stage, f64)>,
    reused: bool,
    bytes: u64,
    longest_gap_ms: f64,
    aborted: bool,
    hedge: bool,
    resumed: bool,
}

#[derive(Serialize)]
struct Wait {
    cause: Cause,
    ms: f64,
}

fn ms(d: clearline_model::Dur) -> f64 {
    d.as_secs_f64() * 1_000.0
}

impl Context {
    fn who(&self) -> Who<'_> {
        Who {
            x_request_id: &self.x_request_id,
            traceparent: &self.traceparent,
            method: &self.method,
            path: &self.path,
            model: self.model.as_ref(),
            caller: self.caller.as_deref(),
            bytes_in: self.bytes_in,
            original: self.original.get(),
        }
    }
}

fn attempt<'a>(a: &'a AttemptRecord, record: &CallRecord, names: &'a Names) -> Attempt<'a> {
    Attempt {
        n: a.n,
        upstream: names.upstreams.get(&a.upstream).map(String::as_str).filter(|n| !n.is_empty()),
        key: a.key.and_then(|k| names.keys.get(&k)).map(String::as_str),
        cause: a.cause,
        stage: a.stage,
        sent: a.sent,
        status: a.head.as_ref().map(|h| h.status),
        request_id: a.head.as_ref().and_then(|h| h.request_id.as_ref()),
        started_ms: ms(a.started.since(record.started)),
        took_ms: a.ended.map(|end| ms(end.since(a.started))),
        stages_ms: a.stages.iter().map(|(stage, took)| (*stage, ms(*took))).collect(),
        reused: a.reused,
        bytes: a.bytes,
        longest_gap_ms: ms(a.longest_gap),
        aborted: a.aborted,
        hedge: a.hedge,
        resumed: a.resumed,
    }
}

/// The line of a call that is over.
pub(crate) fn ended(record: &CallRecord, context: Option<&Context>, names: &Names) -> String {
    let (ts, time) = now_at();
    let heads = record.attempts.iter().filter_map(|a| a.head.as_ref());
    let line = Line {
        event: "call ended",
        ts,
        time,
        call: record.call,
        who: context.map(Context::who),
        status: record.status,
        outcome: record.outcome,
        cause: record.cause,
        stream: record.stream,
        repeat: record.repeat,
        took_ms: ms(record.ended.since(record.started)),
        committed_ms: record.committed.map(|at| ms(at.since(record.started))),
        request_ids: heads.filter_map(|h| h.request_id.as_ref()).collect(),
        attempts: record.attempts.iter().map(|a| attempt(a, record, names)).collect(),
        waits: record.waits.iter().map(|(cause, d)| Wait { cause: *cause, ms: ms(*d) }).collect(),
        waited_ms: ms(record.waited()),
        usage: record.usage(),
        wasted: record.wasted(),
        bytes: record.attempts.iter().map(|a| a.bytes).sum(),
    };
    serde_json::to_string(&line).unwrap_or_default()
}

#[derive(Serialize)]
struct Refused<'a> {
    event: &'static str,
    ts: u64,
    time: String,
    #[serde(flatten)]
    who: Who<'a>,
    status: u16,
    cause: Cause,
}

/// The line of a request that did not become a call.
pub(crate) fn refused(context: &Context, status: u16, cause: Cause) -> String {
    let (ts, time) = now_at();
    let line = Refused { event: "request refused", ts, time, who: context.who(), status, cause };
    serde_json::to_string(&line).unwrap_or_default()
}

#[derive(Serialize)]
struct Upstream<'a> {
    event: &'static str,
    ts: u64,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rest_ms: Option<f64>,
}

/// The line of an upstream that rests, or serves again.
pub(crate) fn upstream(
    name: Option<&String>,
    cause: Option<Cause>,
    rest: Option<clearline_model::Dur>,
) -> String {
    let (ts, time) = now_at();
    let event = if rest.is_some() { "upstream rests" } else { "upstream serves again" };
    let upstream = name.map(String::as_str).filter(|n| !n.is_empty());
    let line = Upstream { event, ts, time, upstream, cause, rest_ms: rest.map(ms) };
    serde_json::to_string(&line).unwrap_or_default()
}
