//! Who holds an engine to its promises: it sees every input and output, knows the settings and nothing of the engine's inside.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use clearline_model::{
    Ask, AttemptId, CallId, CallerId, Cause, Dur, Event, EventKind, KeyId, Limits, Mono, Repeat, Sent,
};
use clearline_policy::{Body, Hedge, Input, KeyChange, Miss, Output, Plan, Settings};

use super::LANE;

/// What a retry and a hedge cost, what each call adds to the hedges and one of them that was answered first, and how many are
/// saved up, thousandths.
const ONE: u64 = 1_000;
const HEDGES_PER_CALL: u64 = 100;
const HEDGES_PER_WIN: u64 = 500;
const HEDGES_MOST: u64 = 4_000;
/// A caller may be so many turns ahead of another one that waits.
const AHEAD: u64 = 17;
/// No backoff and no jitter is so long: who is told a later moment waits in a queue.
const NO_BACKOFF: Dur = Dur::secs(10);
/// What a repeat costs after each of the failures of the model.
const PAID: [Cause; 7] = [
    Cause::ServerError,
    Cause::ServerUnavailable,
    Cause::HttpNoResponse,
    Cause::HttpResetBeforeResponse,
    Cause::HttpTruncated,
    Cause::StreamCut,
    Cause::StreamStalled,
];
const UNREACHED: [Cause; 2] = [Cause::TcpRefused, Cause::TcpReset];
const FREE: [Cause; 7] = [
    Cause::ServerOverloaded,
    Cause::QuotaConcurrency,
    Cause::QuotaRequests,
    Cause::QuotaOutputTokens,
    Cause::AuthRevoked,
    Cause::TcpRefused,
    Cause::TcpReset,
];

/// A number for an output that two equal runs share.
pub(super) fn digest(o: &Output) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{o:?}").hash(&mut hasher);
    hasher.finish()
}

/// What became of a call so far.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and none excludes another")]
struct Seen {
    ask: Ask,
    caller: CallerId,
    deadline: Option<Mono>,
    started: Mono,
    refused: Option<Mono>,
    /// Its answer broke after the commit, for the last time with more text than before.
    broke: Option<Mono>,
    chars: u64,
    starts: u16,
    /// Attempts of it ran side by side.
    hedged: bool,
    committed: bool,
    /// It must not be sent again.
    spent: bool,
    /// The server asked it, and not a key, to stay away.
    not_before: Mono,
    parked: Option<Mono>,
    /// Its last failure, until it is seen what follows from it.
    failed: Option<Miss>,
    /// The next attempt is paid from the budget.
    owes: bool,
}

/// A call in the queue: how often its caller had a turn meanwhile, and how often others passed by that came later.
#[derive(Default)]
struct Queued {
    own: u64,
    passed: BTreeMap<CallerId, u64>,
}

/// The budget of retries as the settings describe it.
struct Purse {
    /// Billionths of a retry.
    nano: u64,
    at: Mono,
    /// The share of the latest paid retries that succeeded, thousandths: each leaves 15 of 16 of what it was.
    worth: u64,
}

/// Everything that was seen of one engine.
pub(crate) struct Witness {
    s: Settings,
    now: Mono,
    gone: Option<CallId>,
    /// Those that something happened to in this turn.
    touched: BTreeSet<CallId>,
    calls: BTreeMap<CallId, Seen>,
    /// What runs, with its key, and whether it was paid from the budget.
    live: BTreeMap<AttemptId, (Option<KeyId>, bool)>,
    parked: BTreeSet<(Mono, CallId)>,
    queued: BTreeMap<CallId, Queued>,
    /// The limiter is on, and was at any moment of this turn.
    limited: bool,
    limited_now: bool,
    owing: u64,
    budget: Purse,
    hedges: u64,
    rests: BTreeMap<KeyId, Mono>,
    organizations: BTreeMap<KeyId, u64>,
    leases: BTreeMap<KeyId, (Mono, u32)>,
    /// Ticks within one millisecond, and which.
    ticks: (u64, u64),
}

/// Whether a repeat after this failure is paid from the budget. Overload and limits have a delay of their own, that of the
/// limiter where it is on; and what never reached the server makes nothing worse there.
fn costs(miss: &Miss, limited: bool) -> bool {
    if limited && miss.cause == Cause::ServerUnavailable {
        return false;
    }
    assert!(
        PAID.contains(&miss.cause) || FREE.contains(&miss.cause),
        "nobody has said what {} costs",
        miss.cause
    );
    PAID.contains(&miss.cause) || (UNREACHED.contains(&miss.cause) && miss.sent != Sent::No)
}

/// Whether it is about the key with which it was sent, and then whether about its whole organisation.
fn about_key(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::QuotaConcurrency | Cause::QuotaRequests | Cause::QuotaOutputTokens | Cause::AuthRevoked
    )
}

impl Purse {
    /// `owing`: what was taken and has not started yet counts as if it were still there.
    fn refill(&mut self, now: Mono, owing: u64, s: &Settings) {
        let most = (s.budget_max_milli + owing * ONE) * 1_000_000;
        let gained = now.since(self.at).0 * s.budget_per_second_milli;
        self.nano = self.nano.saturating_add(gained).min(most);
        self.at = now;
    }

    fn gain(&mut self, milli: u64) {
        self.nano += milli * 1_000_000;
    }

    /// A paid retry is over. Its price comes back with a success, and that of another one where three of ten succeed.
    fn over(&mut self, succeeded: bool) {
        self.worth = (self.worth * 15 + if succeeded { 1_000 } else { 0 }) / 16;
        if succeeded {
            self.gain(if self.worth >= 300 { 2 * ONE } else { ONE });
        }
    }

    fn pay(&mut self) {
        assert!(
            self.nano >= ONE * 1_000_000,
            "a retry that the budget does not have: {} billionths",
            self.nano
        );
        self.nano -= ONE * 1_000_000;
    }
}

impl Witness {
    pub(super) fn new(s: Settings) -> Self {
        let nano = s.budget_start_milli.min(s.budget_max_milli) * 1_000_000;
        Self {
            s,
            now: Mono(0),
            gone: None,
            touched: BTreeSet::new(),
            calls: BTreeMap::new(),
            live: BTreeMap::new(),
            parked: BTreeSet::new(),
            queued: BTreeMap::new(),
            limited: false,
            limited_now: false,
            owing: 0,
            budget: Purse { nano, at: Mono(0), worth: 1_000 },
            hedges: HEDGES_MOST,
            rests: BTreeMap::new(),
            organizations: BTreeMap::new(),
            leases: BTreeMap::new(),
            ticks: (0, 0),
        }
    }

    /// How many attempts of a call run.
    fn running(&self, call: CallId) -> usize {
        let id = |n| AttemptId { call, n };
        self.live.range(id(0)..=id(u16::MAX)).count()
    }

    /// Nothing is owed to anybody.
    pub(super) fn is_done(&self) -> bool {
        self.calls.is_empty() && self.live.is_empty() && self.parked.is_empty() && self.queued.is_empty()
    }

    /// The last moment at which something may be started for a call, or at which it waits.
    fn patience(&self, c: &Seen) -> Mono {
        // A deadline that is over when its call comes ends the waiting, not the call.
        let stated = c.deadline.map(|d| d.min(c.started + self.s.patience_max).max(c.started));
        if let Some(broke) = c.broke {
            return stated.unwrap_or(Mono(0)).max(broke + self.s.patience);
        }
        stated.unwrap_or_else(|| c.refused.map_or(Mono(u64::MAX), |r| r + self.s.patience))
    }

    /// Before the engine takes an input.
    pub(super) fn hears(&mut self, clock: Mono, input: &Input) {
        self.now = self.now.max(clock);
        self.gone = None;
        self.limited_now = self.limited;
        self.budget.refill(self.now, self.owing, &self.s);
        match input {
            Input::Call { call, caller, deadline, ask, .. } => {
                self.hears_call(*call, *caller, *deadline, *ask)
            }
            Input::Head(id, _, limits) => self.hears_head(*id, limits),
            Input::Failed(id, miss) => self.hears_failure(*id, miss),
            Input::CallerGone(call) => self.gone = Some(*call),
            Input::Done(id, _) => {
                let Some((_, paid)) = self.live.remove(id) else { return };
                if paid {
                    self.budget.over(true);
                }
                self.budget.gain(self.s.budget_per_success_milli);
            }
            Input::Lease { key, permits, until, .. } => {
                self.leases.insert(*key, (*until, *permits));
            }
            Input::Key(key, KeyChange::Refresh) => {
                self.rests.remove(key);
            }
            Input::Resolved(..)
            | Input::Reached(..)
            | Input::Connected(..)
            | Input::Content(_)
            | Input::Quiet(..)
            | Input::Key(..)
            | Input::Reload(_)
            | Input::Groups(_)
            | Input::Stop => {}
            Input::Tick => self.hears_tick(),
        }
    }

    /// Each call may want a few, and each second of the clock one; more is an engine that turns in a circle.
    fn hears_tick(&mut self) {
        let at = self.now.0 / 1_000;
        self.ticks = if self.ticks.1 == at { (self.ticks.0 + 1, at) } else { (1, at) };
        assert!(self.ticks.0 <= 2 * self.calls.len() as u64 + 4, "it spins");
    }

    fn hears_call(&mut self, call: CallId, caller: CallerId, deadline: Option<Mono>, ask: Ask) {
        self.hedges = (self.hedges + HEDGES_PER_CALL).min(HEDGES_MOST);
        let seen = Seen {
            ask,
            caller,
            deadline,
            started: self.now,
            refused: None,
            broke: None,
            chars: 0,
            starts: 0,
            hedged: false,
            committed: false,
            spent: false,
            not_before: Mono(0),
            parked: None,
            failed: None,
            owes: false,
        };
        assert!(self.calls.insert(call, seen).is_none(), "each call comes once");
        self.touched.insert(call);
    }

    fn hears_head(&mut self, id: AttemptId, limits: &Limits) {
        if let Some((Some(key), _)) = self.live.get(&id)
            && limits.organization != 0
        {
            self.organizations.insert(*key, limits.organization);
        }
    }

    fn hears_failure(&mut self, id: AttemptId, miss: &Miss) {
        let Some((key, paid)) = self.live.remove(&id) else { return };
        if paid {
            self.budget.over(false);
        }
        self.touched.insert(id.call);
        let alone = self.running(id.call) == 0;
        let keyed = key.filter(|_| about_key(miss.cause));
        if let (Some(key), Some(after)) = (keyed, miss.hint.after) {
            self.rest(key, self.now + after);
        }
        let now = self.now;
        let c = self.calls.get_mut(&id.call).unwrap();
        c.refused.get_or_insert(now);
        if c.committed && (c.broke.is_none() || miss.got.text_chars > c.chars) {
            (c.broke, c.chars) = (Some(now), miss.got.text_chars);
        }
        c.spent |= !c.ask.replayable;
        c.spent |= c.ask.repeat == Repeat::Once && miss.sent != Sent::No && !miss.not_executed;
        // Beside another attempt that still runs nothing is decided.
        if keyed.is_none() && alone {
            c.not_before = miss.hint.after.map_or(Mono(0), |a| now + a);
        }
        if alone {
            c.failed = Some(*miss);
        }
    }

    /// What the next attempt of a call costs, once it is seen that there will be one.
    fn owe(&mut self, call: CallId) {
        let c = self.calls.get_mut(&call).unwrap();
        if let Some(miss) = c.failed.take() {
            c.owes = costs(&miss, self.limited_now);
            self.owing += u64::from(c.owes);
        }
    }

    /// A key rests, and with it all that are known to share its limits.
    fn rest(&mut self, key: KeyId, until: Mono) {
        let organization = self.organizations.get(&key).copied();
        let same = self.organizations.iter().filter(|(_, o)| Some(**o) == organization).map(|(k, _)| *k);
        for key in same.chain([key]).collect::<BTreeSet<_>>() {
            let rest = self.rests.entry(key).or_insert(Mono(0));
            *rest = (*rest).max(until);
        }
    }

    /// What the engine wants done.
    pub(super) fn sees(&mut self, o: &Output) {
        match o {
            Output::Start { attempt, plan, .. } => self.sees_start(*attempt, plan),
            Output::Park(call, _, until) => self.sees_wait(*call, *until),
            Output::Abort(a) => {
                self.touched.insert(a.call);
                assert!(self.live.remove(a).is_some(), "what does not run cannot be given up");
            }
            Output::Commit(a) => {
                let c = self.calls.get_mut(&a.call).unwrap();
                assert!(!std::mem::replace(&mut c.committed, true), "two commits");
                if c.hedged {
                    // At most: the first of them may have been the one that was answered.
                    self.hedges = (self.hedges + HEDGES_PER_WIN).min(HEDGES_MOST);
                }
                if let Some((_, paid)) = self.live.get_mut(a)
                    && std::mem::take(paid)
                {
                    self.budget.over(true);
                }
            }
            Output::Fail(call, answer) => {
                assert_eq!(self.calls[call].committed, answer.broken);
                assert_ne!(Some(*call), self.gone);
            }
            Output::Finish(call) => assert!(self.calls[call].committed),
            Output::Note(event) => self.sees_event(event),
        }
    }

    fn unpark(&mut self, call: CallId) {
        if let Some(until) = self.calls.get_mut(&call).and_then(|c| c.parked.take()) {
            self.parked.remove(&(until, call));
        }
        self.queued.remove(&call);
        self.touched.insert(call);
    }

    fn sees_wait(&mut self, call: CallId, until: Mono) {
        assert_ne!(Some(call), self.gone, "who has left waits for nothing");
        self.owe(call);
        let now = self.now;
        let c = self.calls.get_mut(&call).unwrap();
        c.refused.get_or_insert(now);
        // It may wait for the budget of retries instead; others need none.
        let (caller, elsewhere) = (c.caller, c.not_before > now || c.owes);
        let patience = self.patience(&self.calls[&call]);
        assert!(until >= now && until <= patience, "it waits beyond its patience");
        let was = self.queued.remove(&call);
        self.unpark(call);
        self.calls.get_mut(&call).unwrap().parked = Some(until);
        self.parked.insert((until, call));
        self.turn(caller, call);
        if !elsewhere && until > now + NO_BACKOFF {
            self.queued.insert(call, was.unwrap_or_default());
        }
    }

    /// A caller had a turn: those of its calls that wait on may be passed by once more.
    fn turn(&mut self, caller: CallerId, call: CallId) {
        let calls = &self.calls;
        let own = self.queued.iter_mut().filter(|(id, _)| **id != call && calls[id].caller == caller);
        own.for_each(|(_, q)| q.own += 1);
    }

    fn sees_start(&mut self, attempt: AttemptId, plan: &Plan) {
        let call = attempt.call;
        assert_ne!(Some(call), self.gone, "who has left wants nothing");
        self.owe(call);
        let c = &self.calls[&call];
        assert!(!c.spent, "repeated what must not be");
        assert!(!c.committed || self.s.resume, "a retry after the commit");
        assert_eq!(c.committed, plan.body == Body::Continue, "what was seen in part goes on where it broke");
        let patience = self.patience(c);
        assert!(c.refused.is_none() || self.now <= patience, "{attempt:?} after the patience, {patience:?}");
        assert!(plan.hedge || self.now >= c.not_before, "a hint cut short");
        assert_eq!(attempt.n, c.starts + 1);
        assert!(attempt.n <= self.s.attempts_max);
        if let Some(key) = plan.key {
            self.check_key(key);
        }
        let paid = self.pays(call, plan.hedge);
        self.unpark(call);
        if !plan.hedge {
            self.passes(call);
        }
        let c = self.calls.get_mut(&call).unwrap();
        c.starts += 1;
        c.hedged |= plan.hedge;
        assert!(self.live.insert(attempt, (plan.key, paid)).is_none());
    }

    fn check_key(&mut self, key: KeyId) {
        let rests = self.rests.get(&key).is_some_and(|until| *until > self.now);
        assert!(!rests, "a hint cut short: a resting key was used");
        if let Some((until, permits)) = self.leases.get_mut(&key)
            && *until > self.now
        {
            assert!(*permits > 0, "more attempts than the share has");
            *permits -= 1;
        }
    }

    /// Whether the budget of retries paid for it.
    fn pays(&mut self, call: CallId, hedge: bool) -> bool {
        if hedge && self.s.hedge == Hedge::Auto {
            assert!(self.hedges >= ONE, "a hedge that nobody paid for");
            self.hedges -= ONE;
            return false;
        }
        let owes = std::mem::take(&mut self.calls.get_mut(&call).unwrap().owes);
        if owes || hedge {
            self.owing -= u64::from(owes);
            self.budget.pay();
        }
        owes
    }

    /// One starts: those that wait and came before it are passed by, but not by many of one caller.
    fn passes(&mut self, call: CallId) {
        let caller = self.calls[&call].caller;
        self.turn(caller, call);
        let calls = &self.calls;
        for (id, q) in self.queued.range_mut(..call).filter(|(id, _)| calls[id].caller != caller) {
            let passed = q.passed.entry(caller).or_default();
            *passed += 1;
            assert!(*passed <= AHEAD + q.own, "{id:?} starves: {caller:?} went {passed} times before it");
        }
    }

    fn sees_event(&mut self, event: &Event) {
        if let EventKind::LaneChanged { rate_milli, .. } = event.kind {
            self.limited = rate_milli.is_some();
            self.limited_now |= self.limited;
        }
        let (Some(call), EventKind::CallEnded { .. }) = (event.call, &event.kind) else { return };
        self.unpark(call);
        let c = self.calls.remove(&call).unwrap();
        self.owing -= u64::from(c.owes);
        assert_eq!(self.running(call), 0, "an attempt outlives its call");
    }

    /// After the engine took an input: nobody is forgotten.
    pub(super) fn looks(&mut self, wake: Option<Mono>) {
        if let Some((until, call)) = self.parked.first() {
            assert!(*until > self.now, "{call:?} should have gone on");
            assert!(wake.is_some_and(|w| w <= *until), "nobody looks after {call:?}");
        }
        for call in std::mem::take(&mut self.touched) {
            let waits = self.calls.get(&call).is_none_or(|c| c.parked.is_some());
            assert!(waits || self.running(call) > 0, "nothing happens for {call:?}");
        }
    }
}
