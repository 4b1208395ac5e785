//! The engine: which input changes what. What follows from it stands in `act`.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use clearline_model::{
    AddrId, Ask, AttemptId, CallId, Cause, Charge, Dur, Event, EventKind, KeyId, KeyState, LaneId, Limits,
    Mono, Outcome, Repeat, Retry, Sent, Stage, UpstreamId, Usage,
};

use crate::addresses::Addresses;
use crate::budget::Budget;
use crate::call::{Call, Running, Saved};
use crate::config::{Config, Settings, Timeouts};
use crate::decide::{Within, about_key, is_overload, is_shared, is_unreached};
use crate::dice::Dice;
use crate::hedge::Purse;
use crate::input::{Input, KeyChange, Miss};
use crate::keys::Keys;
use crate::limiter::Limiter;
use crate::output::{Output, State};
use crate::own::Lines;
use crate::queue::Queue;
use crate::timers::Timers;
use crate::times::Times;
use crate::upstreams::{Answered, Upstreams};

/// Decides for all calls of a process what is done next. Pure: no I/O, no clock, no randomness of its own.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) dice: Dice,
    pub(crate) keys: Keys,
    pub(crate) addresses: Addresses,
    pub(crate) upstreams: Upstreams,
    /// The upstreams may be others than when a call came.
    pub(crate) reloaded: bool,
    pub(crate) budgets: BTreeMap<UpstreamId, Budget>,
    pub(crate) lanes: BTreeMap<LaneId, Lane>,
    pub(crate) freed: BTreeSet<LaneId>,
    pub(crate) lines: Lines,
    /// When the pace of a lane lets the next one of its queue start, or the budget the next one that waits for it.
    paces: BTreeSet<(Mono, LaneId)>,
    /// The calls that are not over; empty is the place of the one whose turn it is.
    calls: BTreeMap<CallId, Option<Box<Call>>>,
    /// Calls that are over, whose memory serves others.
    #[expect(clippy::vec_box, reason = "it is the boxes that are used again")]
    spare: Vec<Box<Call>>,
    timers: Timers,
    now: Mono,
    /// The process ends: nothing starts any more.
    pub(crate) stopped: bool,
}

/// So many calls that are over are kept for their memory.
const SPARE_MAX: usize = 64;
/// Who goes on so much later than it wanted was held up by a machine that slept, and all others with it.
const SLEPT: Dur = Dur::secs(3);
/// With fewer open calls a lane's limiter is switched off again, but in an outage.
pub(crate) const FEW: u32 = 4;

/// What runs on a lane, how fast it may start, and what waits there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lane {
    /// Calls that are not over.
    pub(crate) open: u32,
    pub(crate) in_flight: u32,
    pub(crate) queue: Queue,
    pub(crate) limiter: Limiter,
    /// Why it is limited.
    pub(crate) cause: Option<Cause>,
    /// Which limit of the keys its queue waits for.
    pub(crate) lacks: Option<Cause>,
    pub(crate) times: Times,
    pub(crate) purse: Purse,
    /// When the next one of its queue may start, or the next one that waits for the budget.
    wake: Option<Mono>,
}

impl Lane {
    /// The limits of the next attempt of a call.
    pub(crate) fn limits(&self, ask: Ask, within: Within, s: &Settings) -> Timeouts {
        let first_byte = if ask.stream { s.first_byte_stream } else { s.timeouts.first_byte };
        let whole = Timeouts { first_byte, ..s.timeouts };
        match within {
            Within::Recent => self.times.limits(ask, s),
            Within::Settings => whole,
            Within::Doubled => whole.doubled(),
        }
    }
}

/// What an outcome says about the other side's load.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    Accepted,
    Refused(Cause),
    Failed,
}

/// One turn of the engine: the moment, and what comes of it.
pub(crate) struct Turn<'a> {
    pub(crate) now: Mono,
    pub(crate) out: &'a mut Vec<Output>,
}

impl Turn<'_> {
    pub(crate) fn note(&mut self, call: Option<CallId>, kind: EventKind) {
        self.out.push(Output::Note(Event { at: self.now, call, kind }));
    }
}

impl Engine {
    /// An engine without calls. The same seed and inputs give the same outputs.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        let mut keys = Keys::default();
        keys.load(&config);
        Self {
            config,
            dice: Dice::new(seed),
            keys,
            addresses: Addresses::default(),
            upstreams: Upstreams::default(),
            reloaded: false,
            budgets: BTreeMap::new(),
            lanes: BTreeMap::new(),
            freed: BTreeSet::new(),
            lines: Lines::default(),
            paces: BTreeSet::new(),
            calls: BTreeMap::new(),
            spare: Vec::new(),
            timers: Timers::default(),
            now: Mono(0),
            stopped: false,
        }
    }

    /// Takes one input and appends what is to be done. A `now` that is earlier than the last one counts as the last.
    pub fn handle(&mut self, now: Mono, input: Input, out: &mut Vec<Output>) {
        self.now = self.now.max(now);
        let mut turn = Turn { now: self.now, out };
        let t = &mut turn;
        while let Some(addr) = self.addresses.over(t.now) {
            t.note(None, EventKind::AddressChanged { addr, avoided_until: None });
        }
        self.take(t, input);
        while let Some(id) = self.timers.due(t.now) {
            self.with(t, id, Self::on_time);
        }
        self.pump(t);
        debug_assert!(
            !self.calls.is_empty() || self.lanes.values().all(|l| l.in_flight == 0 && l.open == 0),
            "a call that is over has left its lane"
        );
    }

    /// When the engine wants a `Tick` at the latest.
    #[must_use]
    pub fn wake_at(&self) -> Option<Mono> {
        let pace = self.paces.first().map(|(at, _)| *at);
        self.timers.first().into_iter().chain(pace).min()
    }

    /// What is going on, as of the last input.
    #[must_use]
    pub fn view(&self) -> State {
        State {
            calls: self.calls.len(),
            in_flight: self.open_calls().map(|c| c.running.len()).sum(),
            parked: self.open_calls().filter(|c| c.wait.is_some()).count(),
            keys: self.keys.states(),
            avoided: self.addresses.avoided(self.now).collect(),
            budget_milli: self.budgets.iter().map(|(u, b)| (*u, b.milli())).collect(),
            upstreams: self.config.upstreams.iter().map(|u| (u.id, self.standing(u.id))).collect(),
        }
    }

    pub(crate) fn open_calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.values().flatten().map(Box::as_ref)
    }

    /// The moment of the input that is being taken.
    pub(crate) const fn now(&self) -> Mono {
        self.now
    }

    fn take(&mut self, t: &mut Turn<'_>, input: Input) {
        match input {
            Input::Call { call, lane, caller, deadline, ask } => {
                if self.calls.contains_key(&call) {
                    return;
                }
                let (stream, repeat) = (ask.stream, ask.repeat);
                let home = lane.upstream;
                let may_repeat = ask.replayable && repeat != Repeat::Once;
                let lane = self.lane_for(call, lane, may_repeat);
                t.note(Some(call), EventKind::CallStarted { lane, caller, stream, repeat });
                let budget = Budget::new(t.now, &self.config.settings);
                self.budgets.entry(lane.upstream).or_insert(budget);
                let l = self.lanes.entry(lane).or_default();
                l.purse.call();
                l.open += 1;
                let mut spare = self.spare.pop();
                // Mostly one runs, and a call of many minutes keeps the room.
                let running =
                    spare.as_mut().map_or_else(|| Vec::with_capacity(1), |s| mem::take(&mut s.running));
                let new = Call::new((call, caller), (home, lane), ask, (t.now, deadline), running);
                let kept = match spare {
                    Some(mut kept) => {
                        *kept = new;
                        kept
                    }
                    None => Box::new(new),
                };
                self.calls.insert(call, Some(kept));
                let go_on = if self.stopped { Self::let_go } else { Self::proceed };
                self.with(t, call, go_on);
            }
            Input::Resolved(upstream, addrs) => self.addresses.resolved(upstream, addrs),
            Input::Reached(id, stage) => self.with_attempt(t, id, |_, _, _, r| r.stage = Some(stage)),
            Input::Connected(id, addr) => self.with_attempt(t, id, |e, _, _, r| {
                r.addr = Some(addr);
                if let Some(share) = &mut r.share {
                    share.connected(e.now);
                }
            }),
            Input::Head(id, status, limits) => {
                self.with(t, id.call, |e, t, c| e.on_head(t, c, (id.n, status), &limits));
            }
            Input::Quiet(id, longest) => self.with(t, id.call, |e, _, c| {
                if let Some(lane) = e.lanes.get_mut(&c.lane) {
                    lane.times.gap(longest);
                }
            }),
            Input::Content(id) => self.with(t, id.call, |e, t, c| e.commit(t, c, id.n)),
            Input::Failed(id, miss) => self.with(t, id.call, |e, t, c| e.on_failed(t, c, id.n, &miss)),
            Input::Done(id, usage) => self.with(t, id.call, |e, t, c| e.on_done(t, c, id.n, usage)),
            Input::CallerGone(id) => self.with(t, id, |e, t, c| {
                e.abort_others(t, c, None);
                e.end(t, c, Outcome::Left, (None, 0));
            }),
            Input::Lease { lane, key, permits, until } => self.keys.lease(lane, key, permits, until),
            Input::Key(key, change) => self.on_key(t, key, change),
            Input::Reload(config) => {
                self.keys.load(&config);
                self.config = config;
                self.reloaded = true;
                self.freed.extend(self.lanes.keys().copied());
                self.lines.look_again();
            }
            Input::Groups(groups) => {
                self.upstreams.regroup(groups);
                self.look_again(t);
            }
            Input::Stop => self.stop(t),
            Input::Tick => {}
        }
    }

    fn on_key(&mut self, t: &mut Turn<'_>, key: KeyId, change: KeyChange) {
        match change {
            KeyChange::Add => self.keys.add(key),
            KeyChange::Remove => self.keys.remove(key),
            KeyChange::Refresh => {
                if self.keys.refresh(key, t.now) {
                    let state = KeyState::Ready;
                    t.note(None, EventKind::KeyChanged { key, state, cause: None });
                }
            }
        }
        self.look_again(t);
    }

    /// Those that wait for a key look again. Rare enough for a look at every call.
    fn look_again(&mut self, t: &mut Turn<'_>) {
        let waiting = self.open_calls().filter(|c| c.wait.is_some_and(|w| w.key)).map(|c| c.id);
        for id in waiting.collect::<Vec<_>>() {
            self.with(t, id, |e, t, c| {
                c.wait = None;
                e.proceed(t, c);
            });
        }
    }

    /// Runs something on a call, and keeps the call and its timer unless it is over.
    pub(crate) fn with(
        &mut self,
        t: &mut Turn<'_>,
        id: CallId,
        run: impl FnOnce(&mut Self, &mut Turn<'_>, &mut Call),
    ) {
        let Some(mut call) = self.calls.get_mut(&id).and_then(Option::take) else { return };
        run(self, t, &mut call);
        let due = if call.over { None } else { call.due() };
        self.timers.rearm(id, call.armed, due);
        call.armed = due;
        if call.over {
            self.calls.remove(&id);
            if self.spare.len() < SPARE_MAX {
                call.running.clear();
                self.spare.push(call);
            }
        } else if let Some(place) = self.calls.get_mut(&id) {
            *place = Some(call);
        }
    }

    fn with_attempt(
        &mut self,
        t: &mut Turn<'_>,
        id: AttemptId,
        run: impl FnOnce(&mut Self, &mut Turn<'_>, Option<u16>, &mut Running),
    ) {
        self.with(t, id.call, |e, t, c| {
            let committed = c.committed;
            if let Some(running) = c.running.iter_mut().find(|r| r.n == id.n) {
                run(e, t, committed, running);
            }
        });
    }

    /// Gives what is free to those that wait for it longest.
    fn pump(&mut self, t: &mut Turn<'_>) {
        self.fill(t);
        while let Some(place) = self.lines.next_freed() {
            self.look_at_line(t, place);
            self.fill(t);
        }
    }

    /// Gives free places of lanes to those that wait for them longest.
    fn fill(&mut self, t: &mut Turn<'_>) {
        while let Some((_, lane)) = self.paces.first().copied().filter(|(at, _)| *at <= t.now) {
            self.pace(lane, None);
            self.freed.insert(lane);
        }
        while let Some(lane) = self.freed.pop_first() {
            self.settle(t, lane);
            if self.is_idle(lane) {
                continue;
            }
            while self.has_place(lane) && self.held_until(lane, t.now).is_none() {
                let Some(id) = self.lanes.get_mut(&lane).and_then(|l| l.queue.pop()) else { break };
                self.with(t, id, |e, t, c| {
                    c.wait = None;
                    c.turn = true;
                    e.proceed(t, c);
                    c.turn = false;
                });
            }
            self.repay(t, lane);
            let waits = self.lanes.get(&lane).is_some_and(|l| !l.queue.is_empty());
            let held = self.held_until(lane, t.now).filter(|_| waits);
            let retry =
                self.budgets.get(&lane.upstream).and_then(|b| b.next_at(t.now, &self.config.settings));
            let told = self.lanes.get(&lane).filter(|_| waits).and_then(|l| l.limiter.look_at());
            self.pace(lane, held.into_iter().chain(retry).chain(told).min());
            if !waits && let Some(l) = self.lanes.get_mut(&lane) {
                l.lacks = None;
            }
        }
    }

    /// Nobody waits on a lane, and nothing is known of anybody who did.
    fn is_idle(&self, lane: LaneId) -> bool {
        let free =
            self.lanes.get(&lane).is_none_or(|l| l.queue.is_empty() && l.wake.is_none() && l.lacks.is_none());
        free && self.budgets.get(&lane.upstream).is_none_or(Budget::is_idle)
    }

    /// Gives retries that came back to the budget to those that wait for them longest.
    fn repay(&mut self, t: &mut Turn<'_>, lane: LaneId) {
        let s = self.config.settings;
        while let Some(id) = self.budgets.get_mut(&lane.upstream).and_then(|b| b.next(t.now, &s)) {
            self.with(t, id, |e, t, c| {
                e.leave_queue(c);
                c.wait = None;
                e.proceed(t, c);
            });
        }
    }

    /// The call whose turn is next on a lane.
    pub(crate) fn first_of(&self, lane: LaneId) -> Option<&Call> {
        self.calls.get(&self.lanes.get(&lane)?.queue.first()?)?.as_deref()
    }

    /// Replaces the moment at which the next one of a lane may start.
    fn pace(&mut self, lane: LaneId, at: Option<Mono>) {
        let Some(l) = self.lanes.get_mut(&lane).filter(|l| l.wake != at) else { return };
        if let Some(old) = mem::replace(&mut l.wake, at) {
            self.paces.remove(&(old, lane));
        }
        if let Some(at) = at {
            self.paces.insert((at, lane));
        }
    }

    /// What an outcome says about the other side's load.
    pub(crate) fn weigh(&mut self, t: &mut Turn<'_>, (lane, started): (LaneId, Mono), load: Load) {
        let s = self.config.settings;
        let l = self.lanes.entry(lane).or_default();
        let changed = match load {
            Load::Accepted => l.limiter.accepted(started, t.now, &s),
            Load::Refused(cause) => {
                l.cause = Some(cause);
                if l.limiter.rate().is_none() && !l.limiter.is_trouble(l.open, t.now, &s) {
                    l.limiter.refused_few(started);
                    false
                } else {
                    l.limiter.refused(started, t.now, &s)
                }
            }
            Load::Failed => {
                l.limiter.failed(started);
                false
            }
        };
        let rate_milli = l.limiter.rate();
        if changed {
            t.note(None, EventKind::LaneChanged { lane, rate_milli });
        }
        if rate_milli.is_some() || changed {
            self.freed.insert(lane);
        }
    }

    fn load_of(&self, lane: LaneId, miss: &Miss, now: Mono) -> Load {
        let alone = || !self.addresses.has_well(lane.upstream, now);
        let outlier = || miss.addr.is_some_and(|a| self.addresses.is_outlier(lane.upstream, a, now));
        // A server that takes others is there: then it is chance, or one address.
        let served =
            || self.lanes.get(&lane).is_some_and(|l| l.limiter.is_served(now, &self.config.settings));
        if (is_overload(miss) && !outlier()) || (is_unreached(miss) && alone() && !served()) {
            Load::Refused(miss.cause)
        } else if miss.answered && matches!(miss.cause.row().charge, Charge::Key | Charge::Caller) {
            Load::Accepted
        } else {
            Load::Failed
        }
    }

    fn on_time(&mut self, t: &mut Turn<'_>, call: &mut Call) {
        if let Some(held) = call.running.iter().find(|r| r.hold.is_some_and(|h| h <= t.now)).map(|r| r.n) {
            self.commit(t, call, held);
        }
        let due = call.running.iter().find(|r| r.hedge.is_some_and(|h| h <= t.now));
        if let Some((n, started)) = due.map(|r| (r.n, r.started)) {
            self.turn_to(call, n);
            let again = self.look(t, call, started);
            call.running.iter_mut().filter(|r| r.n == n).for_each(|r| r.hedge = again);
        }
        if call.gives_up().is_some_and(|by| by <= t.now) {
            self.abort_others(t, call, None);
            self.fail(t, call, true);
            return;
        }
        if let Some(wait) = call.wait.filter(|w| w.until <= t.now) {
            self.leave_queue(call);
            call.wait = None;
            self.go_on(t, call, t.now.since(wait.until));
        }
    }

    /// A wait is over, by so much. After a sleep all waits of the machine are over together: then each waits again, by
    /// chance, as long as it is late at most, so that not everything starts in one moment.
    fn go_on(&mut self, t: &mut Turn<'_>, call: &mut Call, late: Dur) {
        if late > SLEPT && t.now < call.patience_end(&self.config.settings) {
            let most = late.min(self.config.settings.backoff_max);
            let cause = call.last.unwrap_or(Cause::ClientPoolExhausted);
            self.later(t, call, (None, most), cause);
        } else {
            self.proceed(t, call);
        }
    }

    fn on_head(&mut self, t: &mut Turn<'_>, call: &mut Call, (n, status): (u16, u16), limits: &Limits) {
        self.turn_to(call, n);
        let hold = t.now + self.config.settings.commit_hold;
        let (stream, committed) = (call.ask.stream, call.committed.is_some());
        let own = self.own(call);
        let Some(running) = call.running.iter_mut().find(|r| r.n == n) else { return };
        running.status = status;
        if !(200..300).contains(&status) {
            return;
        }
        running.head = Some(t.now);
        let (key, started) = (running.key, running.started);
        if let Some(addr) = running.addr {
            self.addresses.succeeded(addr, t.now);
        }
        if stream && let Some(lane) = self.lanes.get_mut(&call.lane) {
            lane.times.first(t.now.since(started), call.ask);
        }
        if stream && !committed {
            running.hold = Some(hold);
        }
        if let (Some(key), Some(share)) = (running.key.or(own), &mut running.share) {
            self.keys.meters.head(key, share, limits, (t.now, &self.config.settings));
            self.freed.insert(call.lane);
        }
        self.free_line(call);
        self.key_accepted(t, key, started);
        self.is_alive(t, call.lane, Answered::Head);
        // Something comes: nothing further starts beside it.
        call.running.iter_mut().for_each(|r| r.hedge = None);
    }

    fn on_failed(&mut self, t: &mut Turn<'_>, call: &mut Call, n: u16, miss: &Miss) {
        self.turn_to(call, n);
        let Some(running) = call.take(n) else { return };
        let miss = &Miss { addr: miss.addr.or(running.addr), ..*miss };
        self.release(call.lane, running.key);
        let refused = miss.not_executed || miss.sent == Sent::No;
        self.close(t.now, call.ask, &running, (miss.usage, refused));
        t.note(
            Some(call.id),
            EventKind::AttemptEnded {
                n,
                cause: Some(miss.cause),
                stage: miss.stage,
                sent: miss.sent,
                usage: miss.usage,
                aborted: false,
            },
        );
        if self.stopped {
            // It ends with the process, and says nothing about the other side.
            call.last = Some(miss.cause);
            if call.committed.is_some() {
                self.broken(t, call, &running, miss);
            } else {
                self.let_go(t, call);
            }
            return;
        }
        self.limit_hit(call, miss.cause);
        self.judge_address(t, call, miss);
        self.charge(t, call.lane, &running, miss);
        self.free_line(call);
        let load = self.load_of(call.lane, miss, t.now);
        self.weigh(t, (call.lane, running.started), load);
        self.blame(t, (call.id, call.lane), miss);
        call.last = Some(miss.cause);
        let row = miss.cause.row();
        if row.charge == Charge::Key && matches!(row.retry, Retry::Never | Retry::AfterRefresh) {
            let shared = is_shared(miss.cause);
            match running.key {
                Some(key) if shared => call.tried.extend(self.keys.siblings(key)),
                key => call.tried.extend(key),
            }
        }
        if call.committed.is_some() {
            self.broken(t, call, &running, miss);
            return;
        }
        if miss.answered {
            call.saved = Some(Saved { n, cause: miss.cause, status: running.status });
        }
        call.refused.get_or_insert(t.now);
        // Beside a hedge that still runs nothing has to be decided.
        if call.running.is_empty() {
            self.again(t, call, &running, miss);
        }
    }

    /// An attempt that ran into a limit makes it doubtful, and the next one of its call has those of the settings.
    fn limit_hit(&mut self, call: &mut Call, cause: Cause) {
        let Some(lane) = self.lanes.get_mut(&call.lane) else { return };
        if cause == Cause::HttpNoResponse && call.ask.stream {
            lane.times.no_first();
        } else if cause == Cause::HttpNoResponse {
            lane.times.no_whole();
        } else if cause == Cause::StreamStalled && call.ask.stream {
            lane.times.stalled();
        } else if cause == Cause::StreamStalled {
            // It says nothing about the silences of streams, but that answers are lost.
            lane.times.lose();
        } else {
            return;
        }
        call.used.limits = call.used.limits.max(Within::Settings);
    }

    /// Writes down against whom a failure counts, whatever becomes of the call.
    fn charge(&mut self, t: &mut Turn<'_>, lane: LaneId, running: &Running, miss: &Miss) {
        let s = self.config.settings;
        let row = miss.cause.row();
        let charge = if about_key(miss.cause) { Charge::Key } else { row.charge };
        let out = matches!(row.retry, Retry::Never | Retry::AfterRefresh);
        if charge == Charge::Key && !out {
            self.learn(running, miss);
        }
        match (charge, running.key, miss.addr) {
            // The only key is never refused on a guess; the call itself waits longer each time.
            (Charge::Key, Some(_), _)
                if !out && miss.hint.after.is_none() && !self.keys.has_choice(lane.upstream) => {}
            (Charge::Key, Some(key), _) => {
                let keys = if is_shared(miss.cause) { self.keys.siblings(key) } else { vec![key] };
                for key in keys {
                    let state = if out {
                        self.keys.quarantine(key, miss.cause, t.now, &s)
                    } else {
                        self.keys.cool(key, (miss.cause, miss.hint.after), t.now, &s)
                    };
                    if let Some(state) = state {
                        t.note(None, EventKind::KeyChanged { key, state, cause: Some(miss.cause) });
                    }
                }
            }
            (Charge::Address, _, Some(addr)) => {
                // Where no other one is reached, to try another one comes to this one again.
                for other in self.addresses.unreached(lane.upstream, addr, (running.started, t.now)) {
                    self.avoid(t, other);
                }
                self.avoid(t, addr);
            }
            (
                Charge::Key
                | Charge::Address
                | Charge::Upstream
                | Charge::Site
                | Charge::Caller
                | Charge::Nobody,
                _,
                _,
            ) => {}
        }
    }

    /// Tells the limits of a key that one was reached.
    fn learn(&mut self, running: &Running, miss: &Miss) {
        let s = self.config.settings;
        if let Some(share) = running.share {
            self.keys.meters.refuse(share, (miss.cause, miss.hint.after), (self.now, &s));
        }
    }

    /// Writes down how an address fared; the call's next attempt goes to another one.
    fn judge_address(&mut self, t: &mut Turn<'_>, call: &mut Call, miss: &Miss) {
        let Some(addr) = miss.addr else { return };
        let charge = miss.cause.row().charge;
        if miss.answered && matches!(charge, Charge::Key | Charge::Caller) {
            self.addresses.succeeded(addr, t.now);
            return;
        }
        if !call.shunned.contains(&addr) {
            call.shunned.push(addr);
        }
        let s = self.config.settings;
        // Which cannot be reached is avoided in any case.
        if charge != Charge::Address
            && let Some(until) = self.addresses.failed(call.lane.upstream, addr, t.now, &s)
        {
            t.note(None, EventKind::AddressChanged { addr, avoided_until: Some(until) });
        }
    }

    fn avoid(&mut self, t: &mut Turn<'_>, addr: AddrId) {
        let until = self.addresses.avoid(addr, t.now, &self.config.settings);
        if until.is_some() {
            t.note(None, EventKind::AddressChanged { addr, avoided_until: until });
        }
    }

    /// What an answer says of how fast its lane writes: a stream from its head on, any other as a whole.
    fn wrote(&mut self, call: &Call, running: &Running, usage: Usage) {
        let writing = if call.ask.stream { running.head } else { Some(running.started) };
        if let (Some(from), Some(lane)) = (writing, self.lanes.get_mut(&call.lane)) {
            lane.times.wrote(usage.output, self.now.since(from));
            if !call.ask.stream {
                lane.times.short(usage.output, self.now.since(from));
                lane.times.whole_took(self.now.since(from), call.ask);
            }
        }
    }

    fn on_done(&mut self, t: &mut Turn<'_>, call: &mut Call, n: u16, usage: Usage) {
        if !call.running.iter().any(|r| r.n == n) {
            return;
        }
        self.commit(t, call, n);
        let Some(mut running) = call.take(n) else { return };
        self.release(call.lane, running.key);
        self.close(t.now, call.ask, &running, (usage, false));
        self.free_line(call);
        self.wrote(call, &running, usage);
        self.give_back(t.now, call.lane, &mut running);
        let settings = self.config.settings;
        self.budget(t.now, call.lane).succeed(t.now, &settings);
        self.key_accepted(t, running.key, running.started);
        self.is_alive(t, call.lane, Answered::Whole);
        let (stage, sent) = (if call.ask.stream { Stage::Stream } else { Stage::Body }, Sent::Yes);
        t.note(Some(call.id), EventKind::AttemptEnded { n, cause: None, stage, sent, usage, aborted: false });
        t.out.push(Output::Finish(call.id));
        self.end(t, call, Outcome::Succeeded, (None, running.status));
    }

    /// The last words about a call.
    pub(crate) fn end(
        &mut self,
        t: &mut Turn<'_>,
        call: &mut Call,
        outcome: Outcome,
        (cause, status): (Option<Cause>, u16),
    ) {
        self.leave_queue(call);
        self.leave_line(call);
        self.stop_probing(call.id, call.lane);
        if let Some(l) = self.lanes.get_mut(&call.lane) {
            l.open = l.open.saturating_sub(1);
        }
        call.over = true;
        t.note(Some(call.id), EventKind::CallEnded { outcome, cause, status });
    }
}
