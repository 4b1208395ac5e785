//! What the engine's decisions cost: `cargo xtask bench engine`.
//!
//! `decisions` measures time; `decisions count CALLS` makes so many calls and nothing else, for whoever counts instructions.

#![expect(
    clippy::disallowed_methods,
    reason = "this measures: it reads how long the processor worked for it"
)]

#[path = "../tests/model/mod.rs"]
mod model;

use std::hint::black_box;
use std::io::Write;

use clearline_model::{
    AddrId, Ask, AttemptId, CallId, CallerId, Cause, KeyId, Limits, Mono, Repeat, UpstreamId, Usage,
};
use clearline_policy::{Config, Engine, Input, Miss, Output, Settings, Upstream};

use crate::model::{Api, LANE, Load, SECOND, World};

/// Measurements of each number. The best is told: what else the machine does only makes them worse.
const RUNS: usize = 15;
/// Calls of a measurement.
const CALLS: u64 = 30_000;

/// An engine, and a clock that goes on by a millisecond with each input.
struct Bench {
    engine: Engine,
    out: Vec<Output>,
    now: u64,
    calls: u64,
    inputs: u64,
}

impl Bench {
    /// With calls that are open all the time.
    fn new(keys: u32, open: u64) -> Self {
        let keys = (0..keys).map(KeyId).collect();
        let upstreams = vec![Upstream { id: UpstreamId(0), keys }];
        let engine = Engine::new(Config { upstreams, settings: Settings::default() }, 1);
        let mut bench = Self { engine, out: Vec::new(), now: 0, calls: 0, inputs: 0 };
        bench.tell(Input::Resolved(UpstreamId(0), (0..4).map(AddrId).collect()));
        for _ in 0..open {
            bench.call();
        }
        bench.inputs = 0;
        bench
    }

    fn tell(&mut self, input: Input) {
        self.now += 1_000;
        self.inputs += 1;
        self.out.clear();
        self.engine.handle(Mono(self.now), input, &mut self.out);
        black_box(&self.out);
        black_box(self.engine.wake_at());
    }

    fn call(&mut self) -> CallId {
        self.calls += 1;
        let call = CallId(self.calls);
        let ask = Ask {
            stream: true,
            repeat: Repeat::Billed,
            est_input: 200,
            max_output: 1_000,
            resumable: true,
            ..Ask::default()
        };
        self.tell(Input::Call { call, lane: LANE, caller: CallerId(0), deadline: None, ask });
        call
    }

    fn finish(&mut self, id: AttemptId) {
        self.tell(Input::Head(id, 200, Limits::default()));
        self.tell(Input::Content(id));
        self.tell(Input::Done(id, Usage { input: 200, output: 300, ..Usage::default() }));
    }

    /// A call that succeeds at once: four inputs.
    fn well(&mut self) {
        let call = self.call();
        self.finish(AttemptId { call, n: 1 });
    }

    /// A call that is refused once, waits, and succeeds.
    fn refused(&mut self) {
        let call = self.call();
        let id = AttemptId { call, n: 1 };
        self.tell(Input::Failed(id, Miss::answer(Cause::ServerOverloaded, true, None)));
        self.now += SECOND;
        self.tell(Input::Tick);
        self.finish(AttemptId { call, n: 2 });
    }
}

/// Nanoseconds for which a core worked for this thread, whatever else the machine does.
fn worked() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Nanoseconds of one input.
fn nanoseconds(keys: u32, open: u64, play: fn(&mut Bench)) -> u64 {
    let mut bench = Bench::new(keys, open);
    let runs = (0..RUNS).map(|_| {
        bench.inputs = 0;
        let begun = worked();
        (0..CALLS).for_each(|_| play(&mut bench));
        (worked() - begun) / bench.inputs.max(1)
    });
    runs.min().unwrap_or(0)
}

/// A crowd with nothing in its way, in virtual time: calls in a second of this machine.
fn simulated() -> u64 {
    let load = Load {
        asked: Vec::new(),
        leaps: Vec::new(),
        gateways: 1,
        think: (1_000, 30_000),
        callers: 200,
        greedy: 0,
        until: 7_200 * SECOND,
        deadline: None,
        keys: 0,
        settings: Settings::default(),
    };
    let runs = (1..=3).map(|seed| {
        let world = World::new(seed, Api::default(), load.clone());
        let begun = worked();
        let calls = world.run().over.len() as u64;
        calls * 1_000_000 / ((worked() - begun) / 1_000).max(1)
    });
    runs.max().unwrap_or(0)
}

fn measure(out: &mut impl Write) -> std::io::Result<()> {
    for (name, keys, open, play) in [
        ("decision_ns", 0, 100, Bench::well as fn(&mut Bench)),
        ("decision_keys_ns", 8, 100, Bench::well),
        ("decision_refused_ns", 0, 100, Bench::refused),
        ("decision_10000_open_ns", 0, 10_000, Bench::well),
    ] {
        writeln!(out, "{name} {}", nanoseconds(keys, open, play))?;
    }
    writeln!(out, "simulated_calls_per_second {}", simulated())
}

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["count", calls] = words.as_slice() {
        let mut bench = Bench::new(4, 100);
        for n in 0..calls.parse::<u64>().unwrap_or(0) {
            if n % 10 == 0 { bench.refused() } else { bench.well() }
        }
        return Ok(());
    }
    measure(&mut std::io::stdout().lock())
}
