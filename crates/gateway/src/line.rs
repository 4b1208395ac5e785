//! One call as one line of the log. Never a key, never a prompt.

use std::sync::OnceLock;

use clearline::Names;
use clearline_model::{AttemptRecord, CallId, CallRecord, Cause, Dur, Foreign, Repeat, Sent, Usage};
use http::{HeaderValue, Method};

use crate::ids::with_now;
use crate::json::Json;

/// What the gateway knows of a call and the client does not.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) call: OnceLock<CallId>,
    pub(crate) x_request_id: HeaderValue,
    pub(crate) traceparent: HeaderValue,
    pub(crate) method: Method,
    pub(crate) path: Foreign,
    pub(crate) model: Option<Foreign>,
    pub(crate) caller: Option<String>,
    pub(crate) bytes_in: u64,
    /// An error body that was replaced because it was not the API's.
    pub(crate) original: OnceLock<Foreign>,
}

impl Context {
    pub(crate) fn new([x_request_id, traceparent]: [HeaderValue; 2], method: Method) -> Self {
        Self {
            call: OnceLock::new(),
            x_request_id,
            traceparent,
            method,
            path: Foreign::default(),
            model: None,
            caller: None,
            bytes_in: 0,
            original: OnceLock::new(),
        }
    }

    fn put(&self, json: &mut Json<'_>) {
        json.text("x_request_id", self.x_request_id.to_str().unwrap_or_default());
        json.text("traceparent", self.traceparent.to_str().unwrap_or_default());
        json.text("method", self.method.as_str());
        json.foreign("path", Some(&self.path));
        json.foreign("model", self.model.as_ref());
        match &self.caller {
            Some(caller) => json.text("caller", caller),
            None => json.word("caller", None),
        }
        json.number("bytes_in", self.bytes_in);
        if let Some(original) = self.original.get() {
            json.foreign("original", Some(original));
        }
    }
}

const fn sent(sent: Sent) -> &'static str {
    match sent {
        Sent::No => "no",
        Sent::Maybe => "maybe",
        Sent::Yes => "yes",
    }
}

const fn repeat(repeat: Repeat) -> &'static str {
    match repeat {
        Repeat::Free => "free",
        Repeat::Billed => "billed",
        Repeat::Once => "once",
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn begin<'a>(text: &'a mut String, event: &'static str) -> Json<'a> {
    let mut json = Json::new(text);
    json.word("event", Some(event));
    with_now(|ts, time| {
        json.number("ts", ts);
        json.text("time", time);
    });
    json
}

/// Writes the line of a call that is over.
pub(crate) fn ended(text: &mut String, record: &CallRecord, context: Option<&Context>, names: &Names) {
    let mut json = begin(text, "call ended");
    json.number("call", record.call.0);
    if let Some(context) = context {
        context.put(&mut json);
    }
    call(&mut json, record, names);
    json.finish();
}

fn call(json: &mut Json<'_>, record: &CallRecord, names: &Names) {
    json.number("status", u64::from(record.status));
    json.word("outcome", record.outcome.map(clearline_model::Outcome::word));
    json.word("cause", record.cause.map(Cause::id));
    json.flag("stream", record.stream);
    json.word("repeat", Some(repeat(record.repeat)));
    json.ms("took_ms", Some(record.ended.since(record.started)));
    json.ms("committed_ms", record.committed.map(|at| at.since(record.started)));
    json.list("request_ids", |list| {
        let heads = record.attempts.iter().filter_map(|a| a.head.as_ref());
        heads.filter_map(|h| h.request_id.as_ref()).for_each(|id| list.foreign_item(id));
    });
    json.list("attempts", |list| {
        record.attempts.iter().for_each(|a| list.object(|json| attempt(json, a, (record, names))));
    });
    json.list("waits", |list| {
        for (cause, took) in &record.waits {
            list.object(|json| {
                json.word("cause", Some(cause.id()));
                json.ms("ms", Some(*took));
            });
        }
    });
    json.ms("waited_ms", Some(record.waited()));
    json.within("usage", |json| usage(json, record.usage()));
    json.number("wasted", count(record.wasted()));
    json.number("bytes", record.attempts.iter().map(|a| a.bytes).sum());
}

fn usage(json: &mut Json<'_>, usage: Usage) {
    json.number("input", usage.input);
    json.number("output", usage.output);
    json.number("cache_write", usage.cache_write);
    json.number("cache_read", usage.cache_read);
}

fn attempt(json: &mut Json<'_>, a: &AttemptRecord, of: (&CallRecord, &Names)) {
    let (record, names) = of;
    json.number("n", u64::from(a.n));
    if let Some(name) = names.upstreams.get(&a.upstream).filter(|n| !n.is_empty()) {
        json.text("upstream", name);
    }
    match a.key.and_then(|k| names.keys.get(&k)) {
        Some(alias) => json.text("key", alias),
        None => json.word("key", None),
    }
    json.word("cause", a.cause.map(Cause::id));
    json.word("stage", Some(a.stage.word()));
    json.word("sent", Some(sent(a.sent)));
    match &a.head {
        Some(head) => json.number("status", u64::from(head.status)),
        None => json.word("status", None),
    }
    json.foreign("request_id", a.head.as_ref().and_then(|h| h.request_id.as_ref()));
    json.ms("started_ms", Some(a.started.since(record.started)));
    json.ms("took_ms", a.ended.map(|end| end.since(a.started)));
    json.list("stages_ms", |list| {
        for (stage, took) in &a.stages {
            list.list_item(|pair| pair.timed(stage.word(), *took));
        }
    });
    json.flag("reused", a.reused);
    // A line without it tells of HTTP/1.1, as all did before.
    if a.http2 {
        json.word("protocol", Some("h2"));
    }
    json.number("bytes", a.bytes);
    json.ms("longest_gap_ms", Some(a.longest_gap));
    json.flag("aborted", a.aborted);
    json.flag("hedge", a.hedge);
    json.flag("resumed", a.resumed);
}

/// Writes the line of a request that did not become a call; without a context its head could not be read.
pub(crate) fn refused(text: &mut String, context: Option<&Context>, status: u16, cause: Cause) {
    let mut json = begin(text, "request refused");
    if let Some(context) = context {
        context.put(&mut json);
    }
    json.number("status", u64::from(status));
    json.word("cause", Some(cause.id()));
    json.finish();
}

/// Writes the line of an upstream that rests, or serves again.
pub(crate) fn upstream(text: &mut String, name: Option<&String>, cause: Option<Cause>, rest: Option<Dur>) {
    let mut json = begin(text, if rest.is_some() { "upstream rests" } else { "upstream serves again" });
    if let Some(name) = name.filter(|n| !n.is_empty()) {
        json.text("upstream", name);
    }
    if let Some(cause) = cause {
        json.word("cause", Some(cause.id()));
    }
    if let Some(rest) = rest {
        json.ms("rest_ms", Some(rest));
    }
    json.finish();
}

#[cfg(test)]
mod tests {
    use clearline_model::{
        CallerId, Dur, Event, EventKind, HeadSeen, KeyId, LaneId, Mono, Outcome, Stage, UpstreamId,
    };

    use super::*;

    fn record() -> CallRecord {
        let mut record = CallRecord::new(CallId(7), Mono(0));
        let lane = LaneId { upstream: UpstreamId(0), family: 0 };
        let head = HeadSeen { status: 529, request_id: Some(Foreign::new("req_\u{202e}1")) };
        let (stage, cause) = (Stage::Send, Some(Cause::ServerOverloaded));
        let usage = Usage { input: 3, ..Usage::default() };
        for (at, kind) in [
            (5, EventKind::CallStarted { lane, caller: CallerId(0), stream: true, repeat: Repeat::Billed }),
            (
                5,
                EventKind::AttemptStarted { n: 1, upstream: lane.upstream, key: Some(KeyId(0)), hedge: true },
            ),
            (6, EventKind::StageDone { n: 1, stage, took: Dur(1_250) }),
            (9, EventKind::HeadArrived { n: 1, head, took: Dur(30_000) }),
            (9, EventKind::BodyEnded { n: 1, bytes: 12, longest_gap: Dur(1) }),
            (1_005, EventKind::AttemptEnded { n: 1, cause, stage, sent: Sent::Maybe, usage, aborted: false }),
            (1_005, EventKind::Parked { cause: Cause::ServerOverloaded, until: Mono(9_000_000) }),
            (2_001_005, EventKind::CallEnded { outcome: Outcome::Failed, cause, status: 529 }),
        ] {
            record.apply(&Event { at: Mono(at), call: Some(CallId(7)), kind });
        }
        record
    }

    #[test]
    fn a_line_has_everything_that_is_known_of_a_call() {
        let ids = ["x\"1", ""].map(HeaderValue::from_static);
        let path = Foreign::new("/v1/messages");
        let context = Context { path, bytes_in: 99, ..Context::new(ids, Method::POST) };
        let names = Names { keys: [(KeyId(0), "first".to_owned())].into(), ..Names::default() };
        let mut line = String::new();
        ended(&mut line, &record(), Some(&context), &names);
        let from = line.find("\"call\":").unwrap();
        assert_eq!(
            line.get(from..).unwrap(),
            r#""call":7,"x_request_id":"x\"1","traceparent":"","method":"POST","path":"/v1/messages","model":null,"caller":null,"bytes_in":99,"status":529,"outcome":"failed","cause":"server.overloaded","stream":true,"repeat":"billed","took_ms":2001.0,"committed_ms":null,"request_ids":["req_\\u{202e}1"],"attempts":[{"n":1,"key":"first","cause":"server.overloaded","stage":"send","sent":"maybe","status":529,"request_id":"req_\\u{202e}1","started_ms":0.0,"took_ms":1.0,"stages_ms":[["send",1.25],["head",30.0]],"reused":false,"bytes":12,"longest_gap_ms":0.001,"aborted":false,"hedge":true,"resumed":false}],"waits":[{"cause":"server.overloaded","ms":2000.0}],"waited_ms":2000.0,"usage":{"input":3,"output":0,"cache_write":0,"cache_read":0},"wasted":0,"bytes":12}"#
        );
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["event"], "call ended");
        assert!(value["ts"].is_u64() && value["time"].as_str().unwrap().ends_with('Z'));
    }
}
