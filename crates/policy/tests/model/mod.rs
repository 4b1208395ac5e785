//! A modelled API and its callers in virtual time, for tests and for the bench of resilience.
//!
//! Everything is drawn from a seed; two runs of the same scene give the same trace.

#![allow(dead_code, unused_imports, reason = "tests and bench use different parts")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a harness of tests: it may stop")]

mod api;
pub(crate) mod optimum;
mod serve;
pub(crate) mod witness;

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use clearline_model::{
    AddrId, Ask, AttemptId, CallId, CallerId, Cause, Dur, EventKind, KeyId, LaneId, Limits, Mono, Repeat,
    Sent, Stage, UpstreamId, Usage, Window,
};
use clearline_policy::{Body, Config, Engine, Group, Input, Miss, Output, Partial, Plan, Upstream};

use self::api::Fate;
pub(crate) use self::api::{Api, Asked, Bucket, How, Load, Rng, SECOND, Trouble, is_over};
use self::witness::Witness;

pub(crate) const LANE: LaneId = LaneId { upstream: UpstreamId(0), family: 0 };
/// All upstreams, where there are several.
const GROUP: UpstreamId = UpstreamId(99);
const MINUTE: u64 = 60 * SECOND;

/// What became of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Over {
    /// Which of the calls that were asked.
    pub(crate) asked: Option<usize>,
    pub(crate) call: CallId,
    pub(crate) gateway: usize,
    pub(crate) caller: CallerId,
    pub(crate) began: u64,
    pub(crate) ended: u64,
    /// When its last attempt began.
    pub(crate) last: u64,
    pub(crate) succeeded: bool,
    pub(crate) cause: Option<Cause>,
    pub(crate) attempts: u16,
    /// How often its input was paid for.
    pub(crate) billed: u16,
    /// Tokens of output that were paid for.
    pub(crate) paid: u64,
}

#[derive(Debug)]
enum Due {
    Begin(usize, CallerId),
    Ask(usize),
    Tell(usize, Box<Input>),
    /// The resolver gives the addresses in another order.
    Turn(u32),
    Leap,
    Leave(usize, CallId),
    /// Each gateway gets its share of what several have together.
    Lease,
}

/// In the order of moments, and of what was planned first.
#[derive(Debug)]
struct Event {
    at: u64,
    seq: u64,
    due: Due,
}

impl Event {
    const fn place(&self) -> (u64, u64) {
        (self.at, self.seq)
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

#[derive(Debug, Clone, Copy)]
struct Open {
    asked: Option<usize>,
    caller: CallerId,
    began: u64,
    last: u64,
    attempts: u16,
    billed: u16,
    paid: u64,
    /// Of its answer, thousandths, that arrived before it broke.
    came: u64,
}

struct Gateway {
    engine: Engine,
    wake: Option<Mono>,
    open: BTreeMap<CallId, Open>,
    live: BTreeSet<AttemptId>,
    calls: u64,
}

/// What happened to each call of each gateway, and when.
type Stories = BTreeMap<(usize, CallId), Vec<(u64, String)>>;

/// Everything.
pub(crate) struct World {
    pub(crate) api: Api,
    load: Load,
    seed: u64,
    rng: Rng,
    gateways: Vec<Gateway>,
    due: BinaryHeap<Reverse<Event>>,
    out: Vec<Output>,
    wakes: BTreeSet<(Mono, usize)>,
    seq: u64,
    now: u64,
    buckets: BTreeMap<(u64, u8), Bucket>,
    windows: BTreeMap<(u64, u64), u64>,
    capacities: BTreeMap<UpstreamId, Bucket>,
    fallen: u64,
    /// When those begun began.
    begun: Vec<u64>,
    /// Until when what waits there is begun.
    backlog: BTreeMap<UpstreamId, u64>,
    /// When the answers under way end.
    ends: BTreeMap<UpstreamId, Vec<u64>>,
    /// The gateways' clock against the world's, microseconds.
    leapt: i64,
    second: u64,
    pub(crate) over: Vec<Over>,
    /// Attempts that were offered, and those that were refused, in each second.
    pub(crate) offered: Vec<u32>,
    pub(crate) refused: Vec<u32>,
    /// When each attempt began.
    pub(crate) starts: Vec<(u64, CallId, CallerId)>,
    pub(crate) keep_starts: bool,
    /// A number that two equal runs share.
    pub(crate) hash: u64,
    pub(crate) rates: Vec<(u64, Option<u64>)>,
    /// What happened to each call, where that is wanted.
    pub(crate) story: Option<Stories>,
    /// Who holds each gateway's engine to its promises, where that is wanted.
    witnesses: Vec<Witness>,
    /// Callers that leave before the end, thousandths.
    pub(crate) leaves: u64,
    /// The most attempts with a key that a gateway may start in a second, where a share is handed out each second.
    pub(crate) leases: Option<u64>,
    /// Reports of attempts so far, and which of them is a failure instead.
    pub(crate) reports: usize,
    pub(crate) break_at: Option<usize>,
}

impl World {
    pub(crate) fn new(seed: u64, api: Api, load: Load) -> Self {
        let keys: Vec<_> = (0..load.keys).map(KeyId).collect();
        let gateways = (0..load.gateways).map(|g| {
            let upstreams = api.upstreams().map(|id| Upstream { id, keys: keys.clone() }).collect();
            let config = Config { upstreams, settings: load.settings };
            let mut engine = Engine::new(config, seed * 1_000 + g as u64);
            let mut tell = |input| engine.handle(Mono(0), input, &mut Vec::new());
            for id in api.upstreams() {
                let first = 4 * u32::from(id.0);
                tell(Input::Resolved(id, (first..first + 4).map(AddrId).collect()));
            }
            if !api.others.is_empty() {
                let weights = [1].into_iter().chain(api.others.iter().map(|(weight, _)| *weight));
                let members = api.upstreams().zip(weights).collect();
                tell(Input::Groups(vec![Group { id: GROUP, members }]));
            }
            Gateway { engine, wake: None, open: BTreeMap::new(), live: BTreeSet::new(), calls: 0 }
        });
        let mut w = Self {
            gateways: gateways.collect(),
            api,
            seed,
            rng: Rng(seed * 2 + 1),
            due: BinaryHeap::new(),
            wakes: BTreeSet::new(),
            out: Vec::new(),
            seq: 0,
            now: 0,
            buckets: BTreeMap::new(),
            windows: BTreeMap::new(),
            capacities: BTreeMap::new(),
            fallen: 1_000,
            begun: Vec::new(),
            backlog: BTreeMap::new(),
            ends: BTreeMap::new(),
            leapt: 0,
            second: 0,
            over: Vec::new(),
            offered: Vec::new(),
            refused: Vec::new(),
            starts: Vec::new(),
            keep_starts: false,
            hash: 0,
            rates: Vec::new(),
            story: None,
            witnesses: Vec::new(),
            leaves: 0,
            leases: None,
            reports: 0,
            break_at: None,
            load,
        };
        w.plan();
        w
    }

    /// Holds every engine to its promises from now on.
    pub(crate) fn watch(&mut self) {
        let s = self.load.settings;
        self.witnesses = self.gateways.iter().map(|_| Witness::new(s)).collect();
    }

    /// What is known to come.
    fn plan(&mut self) {
        for (n, asked) in self.load.asked.clone().iter().enumerate() {
            self.at(asked.at, Due::Ask(n));
        }
        for (at, _) in self.load.leaps.clone() {
            self.at(at, Due::Leap);
        }
        if let Some(every) = self.api.turns {
            (1..=self.load.until / every.0)
                .for_each(|n| self.at(n * every.0, Due::Turn(u32::try_from(n).unwrap())));
        }
        if !self.load.asked.is_empty() {
            return;
        }
        for g in 0..self.load.gateways {
            for caller in 0..self.load.callers {
                let at = 1_000 * self.rng.below(self.load.think.1 + 1);
                self.at(at, Due::Begin(g, CallerId(caller)));
            }
        }
    }

    fn at(&mut self, at: u64, due: Due) {
        self.seq += 1;
        self.due.push(Reverse(Event { at, seq: self.seq, due }));
    }

    fn tell(&mut self, at: u64, g: usize, input: Input) {
        self.at(at, Due::Tell(g, Box::new(input)));
    }

    /// Runs until nothing is left to do.
    pub(crate) fn run(mut self) -> Self {
        if self.leases.is_some() {
            self.at(0, Due::Lease);
        }
        loop {
            let due = self.due.peek().map(|Reverse(event)| event.at);
            let wake = self.wakes.first().map(|(at, g)| (at.0, *g));
            match (due, wake) {
                (None, None) => break,
                (due, Some((at, g))) if due.is_none_or(|d| at < d) => {
                    self.now = at;
                    self.step(g, Input::Tick);
                }
                _ => {
                    let Reverse(Event { at, due, .. }) = self.due.pop().unwrap();
                    self.now = at;
                    match due {
                        Due::Begin(g, caller) => self.begin(g, caller, None),
                        Due::Ask(n) => {
                            let asked = self.load.asked[n];
                            self.begin(asked.gateway, CallerId(asked.caller), Some(n));
                        }
                        Due::Turn(n) => {
                            let addrs: Vec<_> = (0..4).map(|a| AddrId((a + n) % 4)).collect();
                            for g in 0..self.gateways.len() {
                                self.step(g, Input::Resolved(UpstreamId(0), addrs.clone()));
                            }
                        }
                        Due::Leap => {
                            let now = self.now;
                            let past = self.load.leaps.iter().filter(|(at, _)| *at <= now);
                            self.leapt = past.map(|(_, by)| by).sum();
                            (0..self.gateways.len()).for_each(|g| self.step(g, Input::Tick));
                        }
                        Due::Tell(g, input) => self.step(g, *input),
                        Due::Leave(g, call) => self.leave(g, call),
                        Due::Lease => self.lease(),
                    }
                }
            }
        }
        assert!(self.gateways.iter().all(|g| g.open.is_empty() && g.live.is_empty()), "every call ends");
        for (gateway, witness) in self.gateways.iter().zip(&self.witnesses) {
            let view = gateway.engine.view();
            assert_eq!((view.calls, view.in_flight, view.parked), (0, 0, 0), "nothing is left of them");
            assert!(witness.is_done(), "each was told how it ended");
        }
        self
    }

    fn leave(&mut self, g: usize, call: CallId) {
        if !self.gateways[g].open.contains_key(&call) {
            return;
        }
        self.step(g, Input::CallerGone(call));
        assert!(!self.gateways[g].live.iter().any(|a| a.call == call), "an attempt for nobody");
        self.end(g, call, None);
    }

    fn lease(&mut self) {
        let Some(most) = self.leases.filter(|_| self.now < self.load.until) else { return };
        for g in 0..self.gateways.len() {
            for key in (0..self.load.keys).map(KeyId) {
                let permits = u32::try_from(self.rng.below(most + 1)).unwrap();
                let until = self.clock() + Dur(SECOND);
                self.step(g, Input::Lease { lane: LANE, key, permits, until });
            }
        }
        self.at(self.now + SECOND, Due::Lease);
    }

    /// One report of all may be a failure instead.
    fn broken(&mut self, g: usize, input: Input) -> Input {
        if let Input::Head(id, ..) | Input::Content(id) | Input::Failed(id, _) | Input::Done(id, _) = &input {
            self.reports += 1;
            if Some(self.reports) == self.break_at {
                self.gateways[g].live.remove(id);
                return Input::Failed(*id, Miss::silent(Cause::HttpNoResponse, Stage::Head, Sent::Yes));
            }
        }
        input
    }

    /// What the gateways' clock says.
    fn clock(&self) -> Mono {
        Mono(self.now.saturating_add_signed(self.leapt))
    }

    /// What a gateway takes the tokens that go in to be: up to three tenths less or more than they are.
    fn estimate(&self, n: usize) -> u32 {
        let percent = 70 + n as u64 * 7 % 61;
        u32::try_from(self.load.asked[n].input * percent / 100).unwrap()
    }

    fn begin(&mut self, g: usize, caller: CallerId, asked: Option<usize>) {
        if self.now >= self.load.until {
            return;
        }
        let gateway = &mut self.gateways[g];
        gateway.calls += 1;
        let call = CallId(gateway.calls);
        let (began, last) = (self.now, self.now);
        let open = Open { asked, caller, began, last, attempts: 0, billed: 0, paid: 0, came: 0 };
        gateway.open.insert(call, open);
        let max_output = u32::try_from(self.api.tokens.1).unwrap();
        let ask = Ask {
            stream: !asked.is_some_and(|n| self.load.asked[n].plain),
            repeat: Repeat::Billed,
            est_input: asked.map_or(200, |n| self.estimate(n)),
            max_output,
            resumable: true,
            // All callers bring the same one, where no pool stands in its place.
            credential: 1,
            ..Ask::default()
        };
        let caller = if caller.0 < self.load.greedy { CallerId(0) } else { caller };
        let deadline = self.load.deadline.map(|d| self.clock() + d);
        if self.leaves > 0 && self.rng.below(1_000) < self.leaves {
            let at = self.now + 1_000 * self.rng.below(20_000);
            self.at(at, Due::Leave(g, call));
        }
        let upstream = if self.api.others.is_empty() { LANE.upstream } else { GROUP };
        let lane = LaneId { upstream, ..LANE };
        self.step(g, Input::Call { call, lane, caller, deadline, ask });
    }

    fn step(&mut self, g: usize, input: Input) {
        if let Input::Head(id, ..) | Input::Content(id) = &input
            && !self.gateways[g].live.contains(id)
        {
            return;
        }
        if let Input::Failed(id, _) | Input::Done(id, _) = &input
            && !self.gateways[g].live.remove(id)
        {
            return;
        }
        let input = self.broken(g, input);
        if let Input::Failed(id, miss) = &input {
            self.tell_story(g, id.call, || format!("{} failed: {}", id.n, miss.cause));
        }
        let mut out = std::mem::take(&mut self.out);
        let (now, leapt, clock) = (self.now, self.leapt, self.clock());
        let gateway = &mut self.gateways[g];
        if let Some(witness) = self.witnesses.get_mut(g) {
            witness.hears(clock, &input);
        }
        gateway.engine.handle(clock, input, &mut out);
        let wake = gateway.engine.wake_at();
        assert!(wake.is_none_or(|w| w > clock), "time stands still");
        if let Some(witness) = self.witnesses.get_mut(g) {
            out.iter().for_each(|o| witness.sees(o));
            witness.looks(wake);
            for o in &out {
                self.hash = (self.hash ^ witness::digest(o)).wrapping_mul(0x0100_0000_01B3);
            }
        }
        let wake = wake.map(|w| Mono(w.0.saturating_add_signed(-leapt).max(now + 1)));
        if wake != gateway.wake {
            if let Some(old) = std::mem::replace(&mut gateway.wake, wake) {
                self.wakes.remove(&(old, g));
            }
            self.wakes.extend(wake.map(|w| (w, g)));
        }
        for o in out.drain(..) {
            self.obey(g, o);
        }
        self.out = out;
    }

    fn tell_story(&mut self, g: usize, call: CallId, what: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.entry((g, call)).or_default().push((self.now, what()));
        }
    }

    fn obey(&mut self, g: usize, o: Output) {
        match o {
            Output::Start { attempt, plan, .. } => {
                let gateway = &mut self.gateways[g];
                gateway.live.insert(attempt);
                let open = gateway.open.get_mut(&attempt.call).unwrap();
                open.attempts += 1;
                open.last = self.now;
                let caller = open.caller;
                if self.keep_starts {
                    self.starts.push((self.now, attempt.call, caller));
                }
                self.hash = (self.hash ^ self.now ^ attempt.call.0).wrapping_mul(0x0100_0000_01B3);
                self.tell_story(g, attempt.call, || {
                    let key = plan.key.map_or(String::new(), |k| format!(", key {}", k.0));
                    let addr = plan.addrs.first().map_or(String::new(), |a| format!(", address {}", a.0));
                    let beside = if plan.hedge { ", beside another" } else { "" };
                    format!("{} starts{key}{addr}{beside}", attempt.n)
                });
                self.serve(g, attempt, &plan);
            }
            Output::Abort(a) => {
                self.gateways[g].live.remove(&a);
            }
            Output::Finish(call) => self.end(g, call, None),
            Output::Fail(call, answer) => self.end(g, call, Some(answer.cause)),
            Output::Note(event) => {
                if let EventKind::LaneChanged { rate_milli, .. } = event.kind {
                    self.rates.push((self.now, rate_milli));
                }
            }
            Output::Park(call, cause, until) => {
                let until = until.0.saturating_add_signed(-self.leapt);
                self.tell_story(g, call, || format!("waits for {cause} until {} ms", until / 1_000));
            }
            Output::Commit(_) => {}
        }
    }

    fn end(&mut self, g: usize, call: CallId, cause: Option<Cause>) {
        let open = self.gateways[g].open.remove(&call).unwrap();
        self.tell_story(g, call, || cause.map_or_else(|| "done".to_owned(), |c| format!("over: {c}")));
        self.over.push(Over {
            asked: open.asked,
            call,
            gateway: g,
            caller: open.caller,
            began: open.began,
            ended: self.now,
            last: open.last,
            succeeded: cause.is_none(),
            cause,
            attempts: open.attempts,
            billed: open.billed,
            paid: open.paid,
        });
        if open.asked.is_some() {
            return;
        }
        let think = 1_000 * self.rng.between(self.load.think);
        self.at(self.now + think, Due::Begin(g, open.caller));
    }

    /// The least and the most calls of a caller that succeeded.
    pub(crate) fn spread(&self) -> (usize, usize) {
        let mut counts: BTreeMap<(usize, CallerId), usize> = BTreeMap::new();
        for o in self.over.iter().filter(|o| o.succeeded) {
            *counts.entry((o.gateway, o.caller)).or_default() += 1;
        }
        (counts.values().copied().min().unwrap_or(0), counts.values().copied().max().unwrap_or(0))
    }

    /// Calls that were open at a moment.
    pub(crate) fn open_at(&self, at: u64) -> usize {
        self.over.iter().filter(|o| o.began < at && o.ended >= at).count()
    }
}

/// Attempts of successes for each of them, thousandths.
pub(crate) fn attempts_milli(over: &[Over]) -> u64 {
    let attempts: u64 = over.iter().map(|o| u64::from(o.attempts)).sum();
    attempts * 1_000 / (over.iter().filter(|o| o.succeeded).count() as u64).max(1)
}

/// The share that succeeded, thousandths.
pub(crate) fn success_milli(over: &[Over]) -> u64 {
    over.iter().filter(|o| o.succeeded).count() as u64 * 1_000 / (over.len() as u64).max(1)
}

pub(crate) const fn minutes(n: u64) -> u64 {
    n * MINUTE
}
