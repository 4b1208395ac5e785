//! What follows from an input: attempts begin, calls wait, answers go out.

use clearline_model::{
    Ask, Cause, Charge, Dur, EventKind, KeyId, KeyState, LaneId, Mono, Outcome, Sent, Stage, Usage,
};

use crate::budget::Budget;
use crate::call::{Call, Debt, Running, Wait};
use crate::config::Settings;
use crate::decide::{
    Base, Case, Decision, Within, costs, decide, is_asked_for, is_lost, is_overload, is_unreached,
};
use crate::engine::{Engine, FEW, Lane, Load, Turn};
use crate::input::Miss;
use crate::keys::Pick;
use crate::limiter::CROWD;
use crate::meter;
use crate::output::{Answer, Body, Conn, Output, Plan};
use crate::times::idle_within;

/// What is added on top of a hint, so that those who were told the same moment do not come together. 200 ms
/// (resilience 5.6).
const HINT_JITTER: Dur = Dur::millis(200);

/// The step of its backoff from which on a call waits for an upstream that others did not reach either: 4 s (a guess, between
/// the attempts of an outage and the seconds that are lost when it ends).
const DOWN_STEP: u32 = 2;

/// The longest step of a backoff where refusals are known to be chance: who comes back later is refused as often.
const CHANCE_MOST: Dur = Dur::millis(500);
/// The same where there is no crowd and the other side serves others meanwhile (a guess).
const SERVED_MOST: Dur = Dur::secs(4);
/// Such a part of the first step for each attempt that is needed until one is let in, as far as that is known, thousandths: where
/// half are let in nobody waits much longer than for one, and where few are, capacity may be what lacks.
const SERVED_MILLI: u64 = 500;

/// So long a call that was refused where the limiter waits for it leaves the next place to others, and up to as long again by chance:
/// it is mostly the one that came first, and would else be the one that is refused each time.
const LIMITED_GAP: Dur = Dur::millis(100);

/// Why nothing can start now.
enum Obstacle {
    /// Not before this moment.
    Until(Mono, Cause),
    /// Not before a limit has room again.
    Paced(Mono, Cause),
    /// Not before the limits of its own credential have room again.
    Line(Mono, Cause),
    /// Not before there is a retry in the budget.
    Budget(Mono),
    /// Not before a place is free.
    Queue,
    /// Never.
    End,
}

/// How an attempt differs from the plain one.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) body: Body,
    pub(crate) hedge: bool,
}

/// The longest step of a backoff on a lane that refuses.
fn served_most(lane: &Lane, (first, unreached): (Dur, bool), now: Mono, s: &Settings) -> Dur {
    let most = if lane.limiter.is_chance(now) {
        CHANCE_MOST
    } else if lane.open >= CROWD || !lane.limiter.is_served(now, s) {
        s.backoff_max
    } else if unreached || s.limiter_fleet > 1 {
        SERVED_MOST
    } else {
        first.scale(SERVED_MILLI, lane.limiter.share(now).max(1)).min(SERVED_MOST)
    };
    most.min(s.backoff_max)
}

impl Engine {
    pub(crate) fn has_place(&self, lane: LaneId) -> bool {
        let running = self.lanes.get(&lane).map_or(0, |l| l.in_flight);
        self.config.settings.in_flight_max.is_none_or(|max| running < max)
    }

    /// From when on the pace of the lane lets the next one start, where that is not now.
    pub(crate) fn paced(&self, lane: LaneId, now: Mono) -> Option<Mono> {
        self.lanes.get(&lane)?.limiter.ready_at().filter(|at| *at > now)
    }

    /// Switches the lane's limiter off when it is no longer needed.
    pub(crate) fn settle(&mut self, t: &mut Turn<'_>, lane: LaneId) {
        let s = self.config.settings;
        if let Some(l) = self.lanes.get_mut(&lane)
            && (l.limiter.look(t.now, &s)
                || (l.queue.is_empty() && l.limiter.settle(t.now, &s))
                || (l.open < FEW && l.limiter.off_for(l.open)))
        {
            t.note(None, EventKind::LaneChanged { lane, rate_milli: l.limiter.rate() });
        }
    }

    fn is_limited(&self, lane: LaneId) -> bool {
        self.lanes.get(&lane).is_some_and(|l| l.limiter.rate().is_some())
    }

    /// What the limits of a key have to have for it.
    pub(crate) fn needs(&self, call: &Call) -> Option<Ask> {
        self.config.settings.key_pacing.then_some(call.ask)
    }

    /// Until when nothing of a lane's queue can start, where that is not now.
    pub(crate) fn held_until(&self, lane: LaneId, now: Mono) -> Option<Mono> {
        if let Some(at) = self.paced(lane, now) {
            return Some(at);
        }
        let call = self.first_of(lane)?;
        match self.keys.pick(lane, (&call.tried, self.needs(call)), now) {
            Pick::Paced(at, _) => Some(at),
            Pick::Own | Pick::Key(_) | Pick::Until(..) | Pick::Nothing => None,
        }
    }

    /// An attempt is over: what it took of the limits is set right.
    pub(crate) fn close(&mut self, now: Mono, ask: Ask, running: &Running, (usage, refused): (Usage, bool)) {
        let Some(share) = running.share else { return };
        if self.keys.meters.end(share, (ask, usage), refused, now) {
            // A place is free for whoever waits with this key, on whatever lane.
            self.freed.extend(self.lanes.iter().filter(|(_, l)| !l.queue.is_empty()).map(|(lane, _)| *lane));
            if let Some(own) = meter::own(running.lane.upstream, ask.credential) {
                self.lines.look_at(self.lanes.keys().map(|lane| (*lane, own)));
            }
        }
    }

    /// Whether others are before it, or the pace of its lane holds it back.
    fn must_queue(&self, now: Mono, call: &Call) -> bool {
        let waiting = self.lanes.get(&call.lane).is_some_and(|l| !l.queue.is_empty());
        (waiting && !call.turn) || self.paced(call.lane, now).is_some()
    }

    pub(crate) fn leave_queue(&mut self, call: &Call) {
        if call.wait.is_some_and(|w| w.budget)
            && let Some(budget) = self.budgets.get_mut(&call.lane.upstream)
        {
            budget.leave(call.caller, call.id);
        }
        if call.wait.is_some_and(|w| w.queued)
            && let Some(lane) = self.lanes.get_mut(&call.lane)
        {
            lane.queue.remove(call.caller, call.id);
        }
    }

    pub(crate) fn release(&mut self, lane: LaneId, key: Option<KeyId>) {
        if let Some(l) = self.lanes.get_mut(&lane) {
            l.in_flight = l.in_flight.saturating_sub(1);
        }
        self.freed.insert(lane);
        if let Some(key) = key {
            self.keys.stop(key);
        }
    }

    pub(crate) fn key_accepted(&mut self, t: &mut Turn<'_>, lane: LaneId, key: Option<KeyId>, started: Mono) {
        if let Some(key) = key.filter(|k| self.keys.succeed((*k, lane.family), started, t.now)) {
            t.note(None, EventKind::KeyChanged { key, state: KeyState::Ready, cause: None });
        }
    }

    /// Starts the next attempt, or waits for what stands in its way, or gives up.
    pub(crate) fn proceed(&mut self, t: &mut Turn<'_>, call: &mut Call) {
        self.settle(t, call.lane);
        if call.refused.is_some() && t.now > call.patience_end(&self.config.settings) {
            // What could be done by repeating was done here: a layer above would only multiply it.
            self.fail(t, call, call.attempts > 1);
            return;
        }
        // What the caller has seen the beginning of goes on where it began.
        let way = if call.committed.is_some() {
            self.way(t, call)
        } else {
            self.place(t, call);
            self.way_anywhere(t, call)
        };
        if !matches!(way, Ok(_) | Err(Obstacle::Line(..))) {
            self.leave_line(call);
        }
        match way {
            Ok(key) if call.committed.is_some() => {
                self.start(t, call, key, Manner { body: Body::Continue, hedge: false });
                t.note(Some(call.id), EventKind::Resumed { n: call.attempts });
            }
            Ok(key) => self.start(t, call, key, Manner { body: Body::Original, hedge: false }),
            Err(Obstacle::End) => self.fail(t, call, call.attempts >= self.config.settings.attempts_max),
            Err(Obstacle::Queue) => self.enqueue(t, call),
            Err(Obstacle::Paced(at, cause)) => self.wait_for_room(t, call, (at, cause)),
            Err(Obstacle::Line(at, cause)) => self.wait_in_line(t, call, (at, cause)),
            Err(Obstacle::Budget(at)) => {
                let cause = call.last.unwrap_or(Cause::ServerUnavailable);
                // Its turn comes with the budget: by time, or sooner with a retry that is given back.
                self.park(t, call, (at, Mono(u64::MAX)), (cause, true));
                if let Some(wait) = &mut call.wait {
                    wait.budget = true;
                    self.budget(t.now, call.lane).wait(call.caller, call.id);
                    self.freed.insert(call.lane);
                }
            }
            Err(Obstacle::Until(at, cause)) => {
                let jitter = self.dice.upto(HINT_JITTER);
                self.park(t, call, (at, at + jitter), (cause, false));
                if let Some(wait) = &mut call.wait {
                    wait.key = true;
                }
            }
        }
    }

    /// Looks whether an attempt may start now, and with which key.
    fn way(&mut self, t: &Turn<'_>, call: &mut Call) -> Result<Option<KeyId>, Obstacle> {
        if call.attempts >= self.config.settings.attempts_max {
            return Err(Obstacle::End);
        }
        if call.debt == Debt::Owed {
            self.pay(t.now, call).map_err(Obstacle::Budget)?;
            call.debt = Debt::Paid;
        }
        if !self.has_place(call.lane) || self.must_queue(t.now, call) {
            return Err(Obstacle::Queue);
        }
        match self.keys.pick(call.lane, (&call.tried, self.needs(call)), t.now) {
            Pick::Own => {
                self.own_way(t.now, call).map(|()| None).map_err(|(at, why)| Obstacle::Line(at, why))
            }
            Pick::Key(key) => Ok(Some(key)),
            Pick::Paced(at, cause) => Err(Obstacle::Paced(at, cause)),
            Pick::Until(at, cause) => Err(Obstacle::Until(at.max(t.now + Dur(1)), cause)),
            Pick::Nothing => Err(Obstacle::End),
        }
    }

    /// The same, on another upstream where nothing can start on this one.
    fn way_anywhere(&mut self, t: &Turn<'_>, call: &mut Call) -> Result<Option<KeyId>, Obstacle> {
        let here = self.way(t, call);
        if here.is_ok() || call.turn || call.attempts >= self.config.settings.attempts_max {
            return here;
        }
        if self.move_on(t, call, false) { self.way(t, call) } else { here }
    }

    /// Whether who comes to a lane now waits.
    pub(crate) fn is_queued(&self, lane: LaneId, now: Mono) -> bool {
        self.lanes.get(&lane).is_some_and(|l| !l.queue.is_empty()) || self.paced(lane, now).is_some()
    }

    /// Whether there is a retry in the budget.
    pub(crate) fn has_retry(&self, lane: LaneId, now: Mono) -> bool {
        self.budgets.get(&lane.upstream).is_none_or(|b| b.is_free(now, &self.config.settings))
    }

    pub(crate) fn budget(&mut self, now: Mono, lane: LaneId) -> &mut Budget {
        let settings = self.config.settings;
        self.budgets.entry(lane.upstream).or_insert_with(|| Budget::new(now, &settings))
    }

    pub(crate) fn pay(&mut self, now: Mono, call: &Call) -> Result<(), Mono> {
        let settings = self.config.settings;
        self.budget(now, call.lane).take((call.caller, call.id), now, &settings)
    }

    /// An attempt succeeded, as far as the caller sees it: where it was paid from the budget, that is given back, once.
    pub(crate) fn give_back(&mut self, now: Mono, lane: LaneId, running: &mut Running) {
        let settings = self.config.settings;
        if std::mem::take(&mut running.paid) {
            self.budget(now, lane).give_back(now, &settings);
            self.freed.insert(lane);
        }
    }

    /// Waits until `wanted`, but no longer than the patience lasts; where `least` is beyond it, the call ends now.
    pub(crate) fn park(
        &mut self,
        t: &mut Turn<'_>,
        call: &mut Call,
        (least, wanted): (Mono, Mono),
        (cause, budget): (Cause, bool),
    ) {
        call.refused.get_or_insert(t.now);
        // What it waits for is why it is refused in the end, unless there is a real answer.
        if call.saved.is_none() && call.committed.is_none() {
            call.last = Some(cause);
        }
        let end = call.patience_end(&self.config.settings);
        if least > end || least == Mono(u64::MAX) {
            call.hint = Some(call.hint.map_or(least, |h| h.max(least))).filter(|_| !budget).or(call.hint);
            self.fail(t, call, budget);
            return;
        }
        let until = wanted.min(end).max(least);
        self.wait(t, call, Wait { until, queued: false, key: false, budget: false }, cause);
    }

    /// Waits until a limit of the keys has room, in the queue: who may not use every key would hold up all the others there.
    fn wait_for_room(&mut self, t: &mut Turn<'_>, call: &mut Call, (at, cause): (Mono, Cause)) {
        call.refused.get_or_insert(t.now);
        if call.tried.is_empty() && at <= call.patience_end(&self.config.settings) {
            self.lanes.entry(call.lane).or_default().lacks = Some(cause);
            self.enqueue(t, call);
        } else {
            self.park(t, call, (at, at), (cause, false));
        }
    }

    fn enqueue(&mut self, t: &mut Turn<'_>, call: &mut Call) {
        call.refused.get_or_insert(t.now);
        let until = call.patience_end(&self.config.settings);
        if until <= t.now {
            self.fail(t, call, false);
            return;
        }
        let lane = self.lanes.entry(call.lane).or_default();
        lane.queue.push(call.caller, call.id);
        let limited = lane.limiter.rate().and(lane.cause).or(lane.lacks);
        if let Some(cause) = limited {
            call.last.get_or_insert(cause);
        }
        self.freed.insert(call.lane);
        let cause = limited.unwrap_or(Cause::ClientPoolExhausted);
        self.wait(t, call, Wait { until, queued: true, key: false, budget: false }, cause);
    }

    pub(crate) fn wait(&self, t: &mut Turn<'_>, call: &mut Call, wait: Wait, cause: Cause) {
        call.wait = Some(wait);
        t.note(Some(call.id), EventKind::Parked { cause, until: wait.until });
        t.out.push(Output::Park(call.id, cause, wait.until));
    }

    pub(crate) fn start(&mut self, t: &mut Turn<'_>, call: &mut Call, key: Option<KeyId>, manner: Manner) {
        let s = self.config.settings;
        call.attempts += 1;
        call.here = call.here.saturating_add(1);
        let (n, upstream) = (call.attempts, call.lane.upstream);
        let lane = self.lanes.entry(call.lane).or_default();
        lane.in_flight += 1;
        lane.limiter.started(t.now, &mut self.dice);
        let mut limits = lane.limits(call.ask, call.used.limits, &s);
        if let Some(deadline) = call.deadline.filter(|_| call.ask.resumable && s.resume) {
            limits.idle = limits.idle.min(idle_within(deadline.since(t.now)));
        }
        if let Some(key) = key {
            self.keys.start(call.lane, key, t.now);
        }
        let need = (call.lane.family, call.ask);
        self.take_turn(call);
        let share = key
            .or_else(|| self.own(call))
            .map(|key| self.keys.meters.start(key, need, t.now, &mut self.dice));
        let (addrs, avoid) = self.addresses.plan(upstream, &call.elsewhere(manner.hedge), t.now);
        let beside = call.running.iter().any(|r| r.lane.upstream == upstream);
        let conn = if beside { call.conn.max(Conn::Fresh) } else { call.conn };
        let hedge = self.hedge_at(t.now, call, manner);
        let paid = !manner.hedge && std::mem::replace(&mut call.debt, Debt::Free) == Debt::Paid;
        call.running.push(Running {
            n,
            lane: call.lane,
            key,
            share,
            started: t.now,
            addr: None,
            stage: None,
            status: 0,
            head: None,
            hold: None,
            hedge,
            paid,
        });
        t.note(Some(call.id), EventKind::AttemptStarted { n, upstream, key, hedge: manner.hedge });
        let plan = Plan { upstream, key, addrs, avoid, conn, limits, body: manner.body, hedge: manner.hedge };
        t.out.push(Output::Start { call: call.id, attempt: call.attempt(n), plan });
    }

    /// Gives up every attempt but `keep`.
    pub(crate) fn abort_others(&mut self, t: &mut Turn<'_>, call: &mut Call, keep: Option<u16>) {
        if call.running.iter().all(|r| Some(r.n) == keep) {
            return;
        }
        let (kept, gone): (Vec<_>, Vec<_>) = call.running.drain(..).partition(|r| Some(r.n) == keep);
        call.running = kept;
        for r in gone {
            self.release(r.lane, r.key);
            self.stop_probing(call.id, r.lane);
            self.close(t.now, call.ask, &r, (Usage::default(), false));
            t.out.push(Output::Abort(call.attempt(r.n)));
            let seen = r.status != 0 || r.stage.is_some_and(|s| s >= Stage::Send);
            t.note(
                Some(call.id),
                EventKind::AttemptEnded {
                    n: r.n,
                    cause: None,
                    stage: r.stage.unwrap_or(Stage::Connect),
                    sent: if seen { Sent::Yes } else { Sent::Maybe },
                    usage: Usage::default(),
                    aborted: true,
                },
            );
        }
    }

    /// From here on the caller sees this attempt, and no other.
    pub(crate) fn commit(&mut self, t: &mut Turn<'_>, call: &mut Call, n: u16) {
        let Some(started) = call.running.iter().find(|r| r.n == n).map(|r| r.started) else { return };
        if call.committed.is_some() {
            return;
        }
        self.turn_to(call, n);
        let is_silent = |r: &&Running| r.head.is_none() || !call.ask.is_seen();
        let late: Vec<_> =
            call.running.iter().filter(|r| r.n < n).filter(is_silent).map(|r| r.lane).collect();
        let has_won = !late.is_empty();
        for loser in late {
            if let Some(lane) = self.lanes.get_mut(&loser) {
                lane.times.lose();
            }
            if loser.upstream != call.lane.upstream && call.ask.is_seen() {
                self.blame_late(t, (call.id, loser));
            }
        }
        if let Some(lane) = self.lanes.get_mut(&call.lane).filter(|_| has_won) {
            lane.purse.won();
        }
        self.abort_others(t, call, Some(n));
        call.committed = Some(n);
        self.weigh(t, (call.lane, started), Load::Accepted);
        for r in &mut call.running {
            (r.hold, r.hedge) = (None, None);
            self.give_back(t.now, call.lane, r);
        }
        t.out.push(Output::Commit(call.attempt(n)));
        t.note(Some(call.id), EventKind::Committed { n });
    }

    /// What the decision about a failure reads besides it.
    pub(crate) fn case(&self, call: &Call, running: &Running, miss: &Miss) -> Case {
        Case {
            ask: call.ask,
            used: call.used,
            maybe_billed: self.config.settings.maybe_billed,
            pooled: running.key.is_some() && self.keys.has_choice(call.lane.upstream),
            // Where nobody knows which address failed, another one cannot be chosen.
            other_address: miss.addr.is_some() && self.addresses.has_good(call.lane.upstream, self.now()),
        }
    }

    /// After a failure: again, later, elsewhere, or not at all.
    pub(crate) fn again(
        &mut self,
        t: &mut Turn<'_>,
        call: &mut Call,
        running: &Running,
        (miss, load): (&Miss, Load),
    ) {
        let case = self.case(call, running, miss);
        let natural = decide(miss, &case);
        // What is continued pays for the rest alone.
        let lost = call.committed.is_none() && is_lost(miss, call.ask);
        call.used.lost = call.used.lost.saturating_add(u8::from(lost));
        call.debt = Debt::of(costs(miss.cause));
        if call.committed.is_none() && self.hops(t, call, (miss, natural == Decision::End)) {
            self.proceed(t, call);
            return;
        }
        // The caller's own layer repeats already; two layers multiply what each of them does. Nobody repeats what has been
        // seen in part.
        let outer = call.ask.outer_retry > 0 && call.committed.is_none();
        let decision = match natural {
            d if outer && miss.sent != Sent::No && !d.hops() => Decision::End,
            d => d,
        };
        let floor = miss.hint.not_before(t.now);
        call.hint = floor;
        // Where the limiter waits, neither the budget nor a backoff has to: what it does not count it does not slow down.
        let counted = matches!(load, Load::Refused(_)) || is_overload(miss);
        let limited = self.is_limited(call.lane) && counted;
        // What never reached the server makes nothing worse there: the backoff bounds it, and nobody has to wait for a budget that
        // an outage has emptied when it is over.
        let costs = costs(miss.cause) || is_asked_for(miss, &case);
        call.debt = Debt::of(costs && !limited && !is_unreached(miss));
        match decision {
            Decision::End => self.fail(t, call, false),
            Decision::NextKey | Decision::RestKey => self.proceed(t, call),
            Decision::AtOnce(conn) => {
                call.conn = call.conn.max(conn);
                call.used.conn = true;
                call.used.address = true;
                self.later(t, call, (floor, Dur::ZERO), miss.cause);
            }
            Decision::Longer => {
                call.used.limits = Within::Doubled;
                self.later(t, call, (floor, Dur::ZERO), miss.cause);
            }
            Decision::Backoff(conn, _) if limited || self.is_crowded(running, miss) => {
                call.conn = call.conn.max(conn);
                if floor.is_some_and(|f| f > t.now) {
                    self.later(t, call, (floor, Dur::ZERO), miss.cause);
                } else {
                    let at = t.now + LIMITED_GAP + self.dice.upto(LIMITED_GAP);
                    self.park(t, call, (t.now, at), (miss.cause, false));
                }
            }
            Decision::Backoff(conn, base) => {
                call.conn = call.conn.max(conn);
                let told = miss.cause.row().charge == Charge::Key && floor.is_some_and(|f| f > t.now);
                // Where others found the same it is no blip: who comes to an outage does not begin from the first step.
                let unreached = is_unreached(miss);
                if unreached && self.upstreams.resting(call.lane, t.now).is_some() {
                    call.backoffs = call.backoffs.max(DOWN_STEP);
                }
                let base = if unreached && call.backoffs > 0 { Base::Overload } else { base };
                let most = if told { HINT_JITTER } else { self.backoff(call, base, miss) };
                self.later(t, call, (floor, most), miss.cause);
            }
        }
    }

    /// The longest wait of the next backoff.
    fn backoff(&self, call: &mut Call, base: Base, miss: &Miss) -> Dur {
        let s = &self.config.settings;
        let first = match base {
            Base::Short => s.backoff_base,
            Base::Overload => s.backoff_overload,
        };
        // That a server answers says nothing of when the answers of others end.
        let is_load = base == Base::Overload && miss.cause != Cause::QuotaConcurrency;
        let lane = self.lanes.get(&call.lane).filter(|_| is_load);
        let case = (first, is_unreached(miss));
        let most = lane.map_or(s.backoff_max, |l| served_most(l, case, self.now(), s));
        let most = first.scale(1 << call.backoffs.min(32), 1).min(most);
        call.backoffs = call.backoffs.saturating_add(1);
        most
    }

    /// Goes on after a wait: of full jitter up to `most`, or from the server's hint on with jitter on top.
    pub(crate) fn later(
        &mut self,
        t: &mut Turn<'_>,
        call: &mut Call,
        (floor, most): (Option<Mono>, Dur),
        cause: Cause,
    ) {
        let end = call.patience_end(&self.config.settings);
        // A hint of zero says nothing against the backoff of our own.
        if let Some(least) = floor.filter(|f| *f > t.now) {
            let wanted = least + self.dice.upto(most.max(HINT_JITTER));
            self.park(t, call, (least, wanted), (cause, false));
            return;
        }
        let delay = self.dice.upto(most.min(end.since(t.now)));
        if delay == Dur::ZERO {
            self.proceed(t, call);
        } else {
            self.park(t, call, (t.now, t.now + delay), (cause, false));
        }
    }

    /// The end without success: the latest real answer, unchanged, or clearline's own.
    pub(crate) fn fail(&mut self, t: &mut Turn<'_>, call: &mut Call, no_retry: bool) {
        if call.committed.is_some() {
            self.fail_broken(t, call);
            return;
        }
        let saved = call.saved;
        let fallback = match (call.last, call.refused) {
            (Some(cause), _) => cause,
            // Nothing is held against it but the end of the process: what is behind that is not reached any more.
            (None, _) if self.stopped => Cause::GatewayBadGateway,
            (None, Some(_)) => Cause::ClientPoolExhausted,
            (None, None) => Cause::AuthMissing,
        };
        let cause = saved.map_or(fallback, |s| s.cause);
        let retry_after = call.retry_after(t.now);
        let from = saved.map(|s| call.attempt(s.n));
        t.out.push(Output::Fail(call.id, Answer { from, cause, retry_after, no_retry, broken: false }));
        let outcome = if saved.is_some() { Outcome::Failed } else { Outcome::Refused };
        self.end(t, call, outcome, (Some(cause), saved.map_or(0, |s| s.status)));
    }
}
