//! Scripts of moments and inputs, and what the engine has to do about them.

#![allow(dead_code, reason = "each file of tests uses a part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a harness of tests: it may stop")]

use clearline_model::{
    Ask, AttemptId, CallId, CallerId, Cause, Dur, KeyId, LaneId, Limits, Mono, Repeat, UpstreamId, Usage,
};
use clearline_policy::{Config, Engine, Input, Miss, Output, Settings, Upstream};

pub(crate) const LANE: LaneId = LaneId { upstream: UpstreamId(0), family: 1 };

pub(crate) fn config(keys: u32, settings: Settings) -> Config {
    let keys = (0..keys).map(KeyId).collect();
    Config { upstreams: vec![Upstream { id: UpstreamId(0), keys }], settings }
}

pub(crate) fn ask() -> Ask {
    Ask { stream: true, repeat: Repeat::Billed, ..Ask::default() }
}

pub(crate) fn call(n: u64) -> Input {
    call_with(n, None, ask())
}

pub(crate) fn call_with(n: u64, deadline: Option<u64>, ask: Ask) -> Input {
    let deadline = deadline.map(|ms| Mono(ms * 1000));
    Input::Call { call: CallId(n), lane: LANE, caller: CallerId(0), deadline, ask }
}

pub(crate) fn id(call: u64, n: u16) -> AttemptId {
    AttemptId { call: CallId(call), n }
}

pub(crate) fn head(call: u64, n: u16) -> Input {
    Input::Head(id(call, n), 200, Limits::default())
}

pub(crate) fn content(call: u64, n: u16) -> Input {
    Input::Content(id(call, n))
}

pub(crate) fn done(call: u64, n: u16) -> Input {
    Input::Done(id(call, n), Usage::default())
}

pub(crate) fn fail(call: u64, n: u16, miss: Miss) -> Input {
    Input::Failed(id(call, n), miss)
}

pub(crate) fn limited(ms: u64) -> Miss {
    Miss::answer(Cause::QuotaRequests, true, Some(Dur::millis(ms)))
}

/// One word per output; notes are left out.
pub(crate) fn short(o: &Output) -> Option<String> {
    Some(match o {
        Output::Start { attempt, plan, .. } => {
            let key = plan.key.map_or(String::new(), |k| format!(" k{}", k.0));
            let first = plan.addrs.first().map_or(String::new(), |a| format!(" a{}", a.0));
            let hedge = if plan.hedge { " hedge" } else { "" };
            format!(
                "start {}.{}{key}{first} {:?} {:?}{hedge}",
                attempt.call.0, attempt.n, plan.conn, plan.body
            )
        }
        Output::Abort(a) => format!("abort {}.{}", a.call.0, a.n),
        Output::Commit(a) => format!("commit {}.{}", a.call.0, a.n),
        Output::Fail(c, a) => {
            let from = a.from.map_or_else(|| "own".to_owned(), |f| format!("from {}", f.n));
            let no = if a.no_retry { " no-retry" } else { "" };
            let broken = if a.broken { " broken" } else { "" };
            format!("fail {} {from} {}{no}{broken}", c.0, a.cause)
        }
        Output::Park(c, cause, _) => format!("park {} {cause}", c.0),
        Output::Finish(c) => format!("finish {}", c.0),
        Output::Note(_) => return None,
    })
}

pub(crate) fn play(name: &str, config: Config, script: &[(u64, Input, &[&str])]) {
    let mut engine = Engine::new(config, 7);
    for (step, (ms, input, expected)) in script.iter().enumerate() {
        let mut out = Vec::new();
        engine.handle(Mono(ms * 1000), input.clone(), &mut out);
        let got: Vec<_> = out.iter().filter_map(short).collect();
        assert_eq!(got, *expected, "{name}, step {step} at {ms} ms: {input:?}");
    }
}

pub(crate) fn step(engine: &mut Engine, ms: u64, input: Input) -> Vec<Output> {
    let mut out = Vec::new();
    engine.handle(Mono(ms * 1_000), input, &mut out);
    out
}
