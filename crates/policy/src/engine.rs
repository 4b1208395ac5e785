//! The engine: which input changes what. What follows from it stands in `act`.

mod lane;
mod load;
mod outcome;
mod pump;

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use clearline_model::{
    Ask, AttemptId, CallId, CallerId, Cause, Dur, Event, EventKind, KeyId, KeyState, LaneId, Mono, Outcome,
    Repeat, UpstreamId,
};

use crate::addresses::Addresses;
use crate::budget::Budget;
use crate::call::{Call, Running};
use crate::config::Config;
use crate::dice::Dice;
use crate::input::{Input, KeyChange};
use crate::keys::Keys;
use crate::output::{Output, State};
use crate::own::Lines;
use crate::timers::Timers;
use crate::upstreams::Upstreams;

pub(crate) use self::lane::Lane;
pub(crate) use self::load::Load;

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
                self.on_call(t, (call, caller), lane, (ask, deadline));
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

    fn on_call(
        &mut self,
        t: &mut Turn<'_>,
        (call, caller): (CallId, CallerId),
        wanted: LaneId,
        (ask, deadline): (Ask, Option<Mono>),
    ) {
        if self.calls.contains_key(&call) {
            return;
        }
        let (stream, repeat) = (ask.stream, ask.repeat);
        let may_repeat = ask.replayable && repeat != Repeat::Once;
        let lane = self.lane_for(call, wanted, may_repeat);
        t.note(Some(call), EventKind::CallStarted { lane, caller, stream, repeat });
        let budget = Budget::new(t.now, &self.config.settings);
        self.budgets.entry(lane.upstream).or_insert(budget);
        let l = self.lanes.entry(lane).or_default();
        l.purse.call();
        l.open += 1;
        let mut spare = self.spare.pop();
        // Mostly one runs, and a call of many minutes keeps the room.
        let running = spare.as_mut().map_or_else(|| Vec::with_capacity(1), |s| mem::take(&mut s.running));
        let new = Call::new((call, caller), (wanted.upstream, lane), ask, (t.now, deadline), running);
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
