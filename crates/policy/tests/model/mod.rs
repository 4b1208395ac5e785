//! A modelled API and its callers in virtual time, for tests and for the bench of resilience.
//!
//! Everything is drawn from a seed; two runs of the same scene give the same trace.

#![allow(dead_code, reason = "tests and bench use different parts")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a harness of tests: it may stop")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use clearline_model::{
    AddrId, Ask, AttemptId, CallId, CallerId, Cause, Dur, EventKind, KeyId, LaneId, Limits, Mono, Repeat,
    Sent, Stage, UpstreamId, Usage, Window,
};
use clearline_policy::{Config, Engine, Input, Miss, Output, Partial, Plan, Settings, Upstream};

pub(crate) const LANE: LaneId = LaneId { upstream: UpstreamId(0), family: 0 };
pub(crate) const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;

/// Chance that can be replayed.
#[derive(Debug, Clone)]
pub(crate) struct Rng(pub u64);

impl Rng {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n.max(1)
    }

    pub(crate) fn between(&mut self, (low, high): (u64, u64)) -> u64 {
        low + self.below(high - low + 1)
    }

    fn hits(&mut self, milli: u64) -> bool {
        self.below(1_000) < milli
    }
}

/// A bucket with continuous refill.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    pub(crate) per_minute: u64,
    pub(crate) burst: u64,
    micro: u64,
    at: u64,
}

impl Bucket {
    pub(crate) const fn new(per_minute: u64, burst: u64) -> Self {
        Self { per_minute, burst, micro: burst * SECOND, at: 0 }
    }

    fn refill(&mut self, now: u64) {
        let gained = u128::from(now - self.at) * u128::from(self.per_minute) / 60;
        self.micro = (self.micro + u64::try_from(gained).unwrap()).min(self.burst * SECOND);
        self.at = now;
    }

    fn left(&self) -> u64 {
        self.micro / SECOND
    }

    fn take(&mut self, n: u64) -> bool {
        let fits = self.micro >= n * SECOND;
        if fits {
            self.micro -= n * SECOND;
        }
        fits
    }

    /// Until `n` fit.
    fn until(&self, n: u64) -> Dur {
        let lacks = (n * SECOND).saturating_sub(self.micro);
        Dur(lacks * 60 / self.per_minute.max(1) + 1)
    }

    fn window(&self) -> Window {
        let reset = self.until(self.burst);
        Window { limit: self.per_minute, remaining: self.left(), reset }
    }
}

/// A time of trouble.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trouble {
    pub(crate) from: u64,
    pub(crate) until: u64,
    pub(crate) how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// This share of attempts gets a 529, thousandths.
    Overloaded(u64),
    /// Nothing listens.
    Refused,
    /// Only so many attempts a second are taken, thousandths.
    Capacity(u64),
    /// The capacity falls with the attempts: a second of more than it takes leaves a tenth less, down to a quarter.
    Brownout(u64),
}

/// What the API does.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) troubles: Vec<Trouble>,
    /// Attempts a second that it takes at other times, thousandths; 0 is any number.
    pub(crate) capacity: u64,
    /// Shares of attempts, thousandths.
    pub(crate) errors: u64,
    pub(crate) resets: u64,
    pub(crate) hangs: u64,
    pub(crate) slow: u64,
    pub(crate) cuts: u64,
    pub(crate) events: u64,
    pub(crate) stalls: u64,
    /// One address of four that answers 503.
    pub(crate) bad_addr: Option<AddrId>,
    /// Requests of each key; keys of one organisation share theirs.
    pub(crate) requests: Option<Bucket>,
    /// Output tokens of each key.
    pub(crate) output: Option<Bucket>,
    pub(crate) organizations: Vec<u64>,
    pub(crate) headers: bool,
    pub(crate) hints: bool,
    /// A key that is revoked at a moment.
    pub(crate) revoked: Option<(KeyId, u64)>,
    /// Milliseconds to the first content, and from it to the end.
    pub(crate) first: (u64, u64),
    pub(crate) rest: (u64, u64),
    pub(crate) tokens: (u64, u64),
}

impl Default for Api {
    fn default() -> Self {
        Self {
            troubles: Vec::new(),
            capacity: 0,
            errors: 0,
            resets: 0,
            hangs: 0,
            slow: 0,
            cuts: 0,
            events: 0,
            stalls: 0,
            bad_addr: None,
            requests: None,
            output: None,
            organizations: Vec::new(),
            headers: true,
            hints: true,
            revoked: None,
            first: (300, 1_500),
            rest: (500, 20_000),
            tokens: (100, 2_000),
        }
    }
}

/// The callers.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) gateways: usize,
    /// Each caller thinks so long between two calls, milliseconds; it has one call at a time.
    pub(crate) think: (u64, u64),
    pub(crate) callers: u32,
    /// The first so many of them are one caller with many calls at once.
    pub(crate) greedy: u32,
    /// Nothing new after this moment.
    pub(crate) until: u64,
    pub(crate) deadline: Option<Dur>,
    pub(crate) keys: u32,
    pub(crate) settings: Settings,
}

/// What became of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Over {
    pub(crate) gateway: usize,
    pub(crate) caller: CallerId,
    pub(crate) began: u64,
    pub(crate) ended: u64,
    /// When its last attempt began.
    pub(crate) last: u64,
    pub(crate) succeeded: bool,
    pub(crate) cause: Option<Cause>,
    pub(crate) attempts: u16,
    /// Output was paid for more than once.
    pub(crate) billed: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Begin(usize, CallerId),
    Tell(usize, u64),
}

#[derive(Debug, Clone, Copy)]
struct Open {
    caller: CallerId,
    began: u64,
    last: u64,
    attempts: u16,
    billed: u16,
}

struct Gateway {
    engine: Engine,
    wake: Option<Mono>,
    open: BTreeMap<CallId, Open>,
    live: BTreeSet<AttemptId>,
    calls: u64,
}

/// Everything.
pub(crate) struct World {
    pub(crate) api: Api,
    load: Load,
    rng: Rng,
    gateways: Vec<Gateway>,
    due: BinaryHeap<Reverse<(u64, u64, Due)>>,
    wakes: BTreeSet<(Mono, usize)>,
    told: BTreeMap<u64, Input>,
    seq: u64,
    now: u64,
    buckets: BTreeMap<(u64, u8), Bucket>,
    capacity: Option<Bucket>,
    fallen: u64,
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
}

impl World {
    pub(crate) fn new(seed: u64, api: Api, load: Load) -> Self {
        let keys: Vec<_> = (0..load.keys).map(KeyId).collect();
        let gateways = (0..load.gateways).map(|g| {
            let upstreams = vec![Upstream { id: UpstreamId(0), keys: keys.clone() }];
            let config = Config { upstreams, settings: load.settings };
            let mut engine = Engine::new(config, seed * 1_000 + g as u64);
            let addrs = (0..4).map(AddrId).collect();
            engine.handle(Mono(0), Input::Resolved(UpstreamId(0), addrs), &mut Vec::new());
            Gateway { engine, wake: None, open: BTreeMap::new(), live: BTreeSet::new(), calls: 0 }
        });
        let mut w = Self {
            gateways: gateways.collect(),
            api,
            rng: Rng(seed * 2 + 1),
            due: BinaryHeap::new(),
            wakes: BTreeSet::new(),
            told: BTreeMap::new(),
            seq: 0,
            now: 0,
            buckets: BTreeMap::new(),
            capacity: None,
            fallen: 1_000,
            second: 0,
            over: Vec::new(),
            offered: Vec::new(),
            refused: Vec::new(),
            starts: Vec::new(),
            keep_starts: false,
            hash: 0,
            rates: Vec::new(),
            load,
        };
        for g in 0..w.load.gateways {
            for caller in 0..w.load.callers {
                let at = 1_000 * w.rng.below(w.load.think.1 + 1);
                w.at(at, Due::Begin(g, CallerId(caller)));
            }
        }
        w
    }

    fn at(&mut self, at: u64, due: Due) {
        self.seq += 1;
        self.due.push(Reverse((at, self.seq, due)));
    }

    fn tell(&mut self, at: u64, g: usize, input: Input) {
        self.told.insert(self.seq + 1, input);
        let n = self.seq + 1;
        self.at(at, Due::Tell(g, n));
    }

    /// Runs until nothing is left to do.
    pub(crate) fn run(mut self) -> Self {
        loop {
            let due = self.due.peek().map(|Reverse((at, _, _))| *at);
            let wake = self.wakes.first().map(|(at, g)| (at.0, *g));
            match (due, wake) {
                (None, None) => break,
                (due, Some((at, g))) if due.is_none_or(|d| at < d) => {
                    self.now = at;
                    self.step(g, Input::Tick);
                }
                _ => {
                    let Reverse((at, _, due)) = self.due.pop().unwrap();
                    self.now = at;
                    match due {
                        Due::Begin(g, caller) => self.begin(g, caller),
                        Due::Tell(g, n) => {
                            let input = self.told.remove(&n).unwrap();
                            self.step(g, input);
                        }
                    }
                }
            }
        }
        assert!(self.gateways.iter().all(|g| g.open.is_empty() && g.live.is_empty()), "every call ends");
        self
    }

    fn begin(&mut self, g: usize, caller: CallerId) {
        if self.now >= self.load.until {
            return;
        }
        let gateway = &mut self.gateways[g];
        gateway.calls += 1;
        let call = CallId(gateway.calls);
        gateway.open.insert(call, Open { caller, began: self.now, last: self.now, attempts: 0, billed: 0 });
        let max_output = u32::try_from(self.api.tokens.1).unwrap();
        let ask = Ask {
            stream: true,
            repeat: Repeat::Billed,
            est_input: 200,
            max_output,
            resumable: true,
            ..Ask::default()
        };
        let caller = if caller.0 < self.load.greedy { CallerId(0) } else { caller };
        let deadline = self.load.deadline.map(|d| Mono(self.now) + d);
        self.step(g, Input::Call { call, lane: LANE, caller, deadline, ask });
    }

    fn step(&mut self, g: usize, input: Input) {
        if let Input::Failed(id, _) | Input::Done(id, _) = &input
            && !self.gateways[g].live.remove(id)
        {
            return;
        }
        let mut out = Vec::new();
        let gateway = &mut self.gateways[g];
        gateway.engine.handle(Mono(self.now), input, &mut out);
        let wake = gateway.engine.wake_at();
        assert!(wake.is_none_or(|w| w.0 > self.now), "time stands still");
        if wake != gateway.wake {
            if let Some(old) = std::mem::replace(&mut gateway.wake, wake) {
                self.wakes.remove(&(old, g));
            }
            self.wakes.extend(wake.map(|w| (w, g)));
        }
        for o in out {
            self.obey(g, o);
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
            Output::Park(..) | Output::Commit(_) => {}
        }
    }

    fn end(&mut self, g: usize, call: CallId, cause: Option<Cause>) {
        let open = self.gateways[g].open.remove(&call).unwrap();
        self.over.push(Over {
            gateway: g,
            caller: open.caller,
            began: open.began,
            ended: self.now,
            last: open.last,
            succeeded: cause.is_none(),
            cause,
            attempts: open.attempts,
            billed: open.billed,
        });
        let think = 1_000 * self.rng.between(self.load.think);
        self.at(self.now + think, Due::Begin(g, open.caller));
    }

    fn trouble(&self) -> Option<How> {
        self.api.troubles.iter().find(|t| (t.from..t.until).contains(&self.now)).map(|t| t.how)
    }

    /// Whether there is room for one more in this moment.
    fn room(&mut self, milli: u64) -> bool {
        let per_minute = milli * 60 / 1_000;
        let bucket = self.capacity.get_or_insert_with(|| Bucket::new(per_minute, (milli / 4_000).max(1)));
        bucket.per_minute = per_minute.max(1);
        bucket.refill(self.now);
        bucket.take(1)
    }

    fn browned(&mut self, milli: u64) -> bool {
        let second = self.now / SECOND;
        if second != self.second {
            let last = self.offered.get(usize::try_from(self.second).unwrap()).copied().unwrap_or(0);
            let over = u64::from(last) * 1_000 > milli;
            self.fallen =
                if over { (self.fallen * 9 / 10).max(250) } else { (self.fallen * 11 / 10).min(1_000) };
            self.second = second;
        }
        self.room(milli * self.fallen / 1_000)
    }

    fn count(&mut self, refused: bool) {
        let second = usize::try_from(self.now / SECOND).unwrap();
        for counts in [&mut self.offered, &mut self.refused] {
            counts.resize(counts.len().max(second + 1), 0);
        }
        if refused {
            self.refused[second] += 1;
        } else {
            self.offered[second] += 1;
        }
    }

    /// What the door says: an error at once, or nothing.
    fn door(&mut self, plan: &Plan) -> Option<Miss> {
        let overloaded = || Some(Miss::answer(Cause::ServerOverloaded, true, None));
        match self.trouble() {
            Some(How::Refused) => {
                let addr = plan.addrs.first().copied();
                return Some(Miss { addr, ..Miss::silent(Cause::TcpRefused, Stage::Connect, Sent::No) });
            }
            Some(How::Overloaded(milli)) if self.rng.hits(milli) => return overloaded(),
            Some(How::Capacity(milli)) if !self.room(milli) => return overloaded(),
            Some(How::Brownout(milli)) if !self.browned(milli) => return overloaded(),
            Some(_) => {}
            None if self.api.capacity > 0 && !self.room(self.api.capacity) => return overloaded(),
            None => {}
        }
        if self.api.bad_addr.is_some() && plan.addrs.first().copied() == self.api.bad_addr {
            let addr = self.api.bad_addr;
            return Some(Miss { addr, ..Miss::answer(Cause::ServerUnavailable, true, None) });
        }
        if plan.key.is_some_and(|k| self.api.revoked.is_some_and(|(key, at)| key == k && self.now >= at)) {
            return Some(Miss::answer(Cause::AuthRevoked, true, None));
        }
        self.limited(plan)
    }

    fn organization(&self, key: Option<KeyId>) -> u64 {
        let key = key.map_or(0, |k| u64::from(k.0));
        let known = usize::try_from(key).ok().and_then(|k| self.api.organizations.get(k).copied());
        known.unwrap_or(key + 1)
    }

    fn bucket(&mut self, key: Option<KeyId>, which: u8) -> Option<&mut Bucket> {
        let fresh = if which == 0 { self.api.requests } else { self.api.output }?;
        let (organization, now) = (self.organization(key), self.now);
        let bucket = self.buckets.entry((organization, which)).or_insert(fresh);
        bucket.refill(now);
        Some(bucket)
    }

    fn limited(&mut self, plan: &Plan) -> Option<Miss> {
        let hints = self.api.hints;
        let miss = |cause, after: Dur| {
            // The header has whole seconds.
            let after = Dur::secs(after.as_secs_ceil());
            Some(Miss::answer(cause, true, Some(after).filter(|_| hints)))
        };
        if let Some(b) = self.bucket(plan.key, 1)
            && b.left() == 0
        {
            return miss(Cause::QuotaOutputTokens, b.until(1));
        }
        let b = self.bucket(plan.key, 0)?;
        if b.take(1) { None } else { miss(Cause::QuotaRequests, b.until(1)) }
    }

    fn limits(&mut self, key: Option<KeyId>) -> Limits {
        let organization = self.organization(key);
        if !self.api.headers {
            return Limits { organization, ..Limits::default() };
        }
        let requests = self.bucket(key, 0).map(|b| b.window());
        let output_tokens = self.bucket(key, 1).map(|b| b.window());
        Limits { requests, output_tokens, organization, ..Limits::default() }
    }

    /// What the API does with an attempt.
    fn serve(&mut self, g: usize, id: AttemptId, plan: &Plan) {
        self.count(false);
        let now = self.now;
        let ms = |n: u64| now + n * 1_000;
        if let Some(miss) = self.door(plan) {
            self.count(true);
            let rtt = self.rng.between((20, 80));
            return self.tell(ms(rtt), g, Input::Failed(id, miss));
        }
        let api = self.api.clone();
        if self.rng.hits(api.errors) {
            return self.tell(ms(100), g, Input::Failed(id, Miss::answer(Cause::ServerError, false, None)));
        }
        if self.rng.hits(api.resets) {
            let miss = Miss::silent(Cause::HttpResetBeforeResponse, Stage::Head, Sent::Maybe);
            return self.tell(ms(40), g, Input::Failed(id, miss));
        }
        let limit = plan.limits.first_byte;
        if self.rng.hits(api.hangs) {
            let miss = Miss::silent(Cause::HttpNoResponse, Stage::Head, Sent::Yes);
            return self.tell(now + limit.0, g, Input::Failed(id, miss));
        }
        let slow = if self.rng.hits(api.slow) { 20_000 } else { 0 };
        let first = self.rng.between(api.first) + slow;
        let (rest, tokens) = (self.rng.between(api.rest), self.rng.between(api.tokens));
        if let Some(b) = self.bucket(plan.key, 1) {
            b.micro = b.micro.saturating_sub(tokens * SECOND);
        }
        let limits = self.limits(plan.key);
        self.gateways[g].open.get_mut(&id.call).unwrap().billed += 1;
        if let Some(addr) = plan.addrs.first() {
            self.tell(ms(5), g, Input::Connected(id, *addr));
        }
        self.tell(ms(10), g, Input::Reached(id, Stage::Send));
        self.tell(ms(first), g, Input::Head(id, 200, limits));
        let got = Partial { bytes: 900, text_chars: 300, tool_or_thinking: false };
        let broken = |cause| Miss { got, ..Miss::silent(cause, Stage::Stream, Sent::Yes) };
        if self.rng.hits(api.events) {
            let event = Miss::silent(Cause::ServerOverloaded, Stage::Stream, Sent::Yes);
            return self.tell(ms(first + 100), g, Input::Failed(id, event));
        }
        self.tell(ms(first + 50), g, Input::Content(id));
        if self.rng.hits(api.cuts) {
            return self.tell(ms(first + rest / 2), g, Input::Failed(id, broken(Cause::StreamCut)));
        }
        if self.rng.hits(api.stalls) {
            let at = ms(first + rest / 2) + plan.limits.idle.0;
            return self.tell(at, g, Input::Failed(id, broken(Cause::StreamStalled)));
        }
        let usage = Usage { input: 200, output: tokens, ..Usage::default() };
        self.tell(ms(first + 50 + rest), g, Input::Done(id, usage));
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
