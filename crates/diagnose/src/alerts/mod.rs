//! The success rate over sliding windows, and alerts that name the cause.
//!
//! Time comes in as an argument, so an hour is judged in a millisecond. Two windows are looked at: a short one, in which an
//! outage shows within seconds, and a long one, in which rare calls add up. A rate counts as bad only where so many failures
//! would hardly ever come by chance (the Wilson bound), so that a few scattered ones never raise an alert, however few
//! calls there are.
//!
//! ```text
//!            failures prove it, and go on               well for `calm`
//! quiet ─────────────────────────────► alert running ───────────────────► quiet
//!                                       │      ▲   the same again soon: `calm` doubles, so that
//!                      another cause ───┘──────┘   a flapping signal is one long alert
//! ```

mod ring;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use clearline_model::{
    Alert, Blame, CallRecord, CallerId, Cause, Dur, KeyId, KeyState, Mono, Outcome, Subject,
};

use self::ring::{Ring, Sums};

/// How often the rate is judged at most: judging costs more than counting.
const EVERY: Dur = Dur::millis(100);
/// How sure it must be that the rate is bad, standard deviations: about one chance in a thousand.
const SURE: f64 = 3.0;
/// How sure it must be that a bad rate lasts.
const STILL: f64 = 1.0;
/// The longest calm that an end needs, however often the signal flapped.
const CALM_MAX: Dur = Dur::secs(3600);

/// When there is an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertRules {
    /// Below this success rate there is an alert, thousandths; 0 switches alerts off.
    pub target_milli: u32,
    /// The short window.
    pub window: Dur,
    /// The long window, in which rare calls add up.
    pub window_long: Dur,
    /// With fewer failures than this nothing is said.
    pub failures_min: u32,
    /// How long the rate must be well before an alert ends.
    pub calm: Dur,
    /// Whether failures that are the caller's own count. For a gateway they say nothing about availability; whoever
    /// watches a path of their own wants to know of them.
    pub own_faults: bool,
}

impl Default for AlertRules {
    fn default() -> Self {
        Self {
            target_milli: 950,
            window: Dur::secs(300),
            window_long: Dur::secs(3600),
            failures_min: 5,
            calm: Dur::secs(60),
            own_faults: false,
        }
    }
}

/// A success rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate {
    /// Calls that count.
    pub calls: u32,
    /// … of which failed.
    pub failed: u32,
}

/// An alert of the rate that runs.
#[derive(Debug, Clone, Copy)]
struct Running {
    cause: Cause,
    since: Mono,
    /// When the rate was bad for the last time.
    bad: Mono,
    /// When the cause was seen for the last time.
    seen: Mono,
    /// It took the long window to see it.
    is_long: bool,
}

/// Watches the calls.
#[derive(Debug)]
pub struct Alerts {
    rules: AlertRules,
    short: Ring,
    long: Ring,
    running: Option<Running>,
    keys: BTreeMap<KeyId, (Cause, Mono)>,
    /// The calm that the end of the alert needs, and when the last one ended.
    calm: Dur,
    ended: Option<(Cause, Mono)>,
    judged: Option<Mono>,
}

impl Alerts {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new(rules: AlertRules) -> Self {
        Self {
            rules,
            short: Ring::new(rules.window),
            long: Ring::new(rules.window_long),
            running: None,
            keys: BTreeMap::new(),
            calm: rules.calm,
            ended: None,
            judged: None,
        }
    }

    /// The rules of now.
    #[must_use]
    pub const fn rules(&self) -> AlertRules {
        self.rules
    }

    /// Takes other rules. A window of another length begins anew, because what the old one held is in parts of the old length; where
    /// alerts are switched off, those that run end.
    pub fn reload(&mut self, now: Mono, rules: AlertRules) -> Vec<Alert> {
        let told = if rules.target_milli == 0 { self.end_all(now) } else { Vec::new() };
        if rules.window != self.rules.window {
            self.short = Ring::new(rules.window);
        }
        if rules.window_long != self.rules.window_long {
            self.long = Ring::new(rules.window_long);
        }
        if rules.calm != self.rules.calm {
            self.calm = rules.calm;
        }
        self.rules = rules;
        told
    }

    /// Ends what runs, whatever became of its cause.
    fn end_all(&mut self, now: Mono) -> Vec<Alert> {
        let running: Vec<_> = self.running().collect();
        self.running = None;
        self.keys.clear();
        running
            .into_iter()
            .map(|(subject, cause, since)| self.alert(subject, (cause, since), false, now))
            .collect()
    }

    /// The causes of the alerts that run, and since when each.
    pub fn running(&self) -> impl Iterator<Item = (Subject, Cause, Mono)> {
        let keys = self.keys.iter().map(|(key, (cause, since))| (Subject::Key(*key), *cause, *since));
        self.running.iter().map(|r| (Subject::Calls, r.cause, r.since)).chain(keys)
    }

    /// The success rate of the short window and of the long one.
    #[must_use]
    pub fn rates(&self, now: Mono) -> [Rate; 2] {
        [&self.short, &self.long].map(|ring| {
            let sums = ring.whole(now);
            Rate { calls: sums.calls(), failed: sums.failures() }
        })
    }

    /// Takes a call in that is over. A call whose caller left says nothing.
    pub fn ended(&mut self, record: &CallRecord) -> Vec<Alert> {
        match (record.outcome, record.cause) {
            (Some(Outcome::Succeeded), _) => self.add(record.ended, record.caller, None),
            (Some(Outcome::Failed | Outcome::Refused | Outcome::Broken), Some(cause)) => {
                self.add(record.ended, record.caller, Some(cause))
            }
            (Some(Outcome::Failed | Outcome::Refused | Outcome::Broken | Outcome::Left) | None, _) => {
                Vec::new()
            }
        }
    }

    /// Takes in that a call succeeded, or why not.
    pub fn add(&mut self, now: Mono, caller: CallerId, failed: Option<Cause>) -> Vec<Alert> {
        let is_own = failed.is_some_and(|cause| cause.row().blame == Blame::Caller);
        if self.rules.target_milli == 0 || (is_own && !self.rules.own_faults) {
            return Vec::new();
        }
        self.short.add(now, caller, failed);
        self.long.add(now, caller, failed);
        if self.judged.is_some_and(|at| now.since(at) < EVERY) { Vec::new() } else { self.tick(now) }
    }

    /// Takes in that a key of the pool changed: one that is refused for good is an alert of its own, for calls go on with
    /// the others until none is left.
    pub fn key(&mut self, now: Mono, key: KeyId, state: KeyState, cause: Option<Cause>) -> Vec<Alert> {
        if self.rules.target_milli == 0 {
            return Vec::new();
        }
        match (state, cause) {
            (KeyState::Quarantined(_), Some(cause)) if !self.keys.contains_key(&key) => {
                self.keys.insert(key, (cause, now));
                vec![self.alert(Subject::Key(key), (cause, now), true, now)]
            }
            (KeyState::Ready, _) => {
                let ended = self.keys.remove(&key);
                ended.map(|told| self.alert(Subject::Key(key), told, false, now)).into_iter().collect()
            }
            (KeyState::Quarantined(_) | KeyState::Cooling(_), _) => Vec::new(),
        }
    }

    /// Judges. To be called every few seconds, because an alert also ends where no calls come any more.
    pub fn tick(&mut self, now: Mono) -> Vec<Alert> {
        self.judged = Some(now);
        match self.running {
            None => self.begin(now),
            Some(running) => self.go_on(now, running),
        }
    }

    fn tolerated(&self) -> f64 {
        1.0 - f64::from(self.rules.target_milli.min(1000)) / 1000.0
    }

    /// The cause of an outage that is proved by what was seen after a moment, and lasts; and whether it took the long
    /// window to see it.
    fn proved(&self, now: Mono, after: Mono) -> Option<(Cause, bool)> {
        let tolerated = self.tolerated();
        let is_bad = |ring: &Ring| {
            let (whole, recent) = (ring.whole_after(now, after), ring.recent(now));
            let proves = whole.failures() >= self.rules.failures_min.max(1)
                && lower(whole.failures(), whole.calls(), SURE) > tolerated;
            let lasts = share(&recent) > tolerated;
            (proves && lasts).then(|| top(&recent)).flatten()
        };
        let short = is_bad(&self.short).map(|cause| (cause, false));
        short.or_else(|| is_bad(&self.long).map(|cause| (cause, true)))
    }

    fn begin(&mut self, now: Mono) -> Vec<Alert> {
        // What an alert that is over was about proves no other.
        let after = self.ended.map_or(Mono(0), |(_, at)| at);
        self.proved(now, after).map(|found| self.start(now, found)).unwrap_or_default()
    }

    fn start(&mut self, now: Mono, (cause, is_long): (Cause, bool)) -> Vec<Alert> {
        // The alert of the key has said it.
        if self.keys.values().any(|(told, _)| *told == cause) {
            return Vec::new();
        }
        let is_again = |(told, at): (Cause, Mono)| told == cause && now.since(at) < self.calm.scale(10, 1);
        self.calm = if self.ended.is_some_and(is_again) {
            self.calm.scale(2, 1).min(CALM_MAX)
        } else {
            self.rules.calm
        };
        // It began before it was proved.
        let ring = if is_long { &self.long } else { &self.short };
        let since = ring.first(now, cause).unwrap_or(now);
        self.running = Some(Running { cause, since, bad: now, seen: now, is_long });
        vec![self.alert(Subject::Calls, (cause, since), true, now)]
    }

    fn go_on(&mut self, now: Mono, mut running: Running) -> Vec<Alert> {
        let (ring, window) = if running.is_long {
            (&self.long, self.rules.window_long)
        } else {
            (&self.short, self.rules.window)
        };
        let recent = ring.recent(now);
        if recent.failures() > 1 && lower(recent.failures(), recent.calls(), STILL) > self.tolerated() {
            running.bad = now;
        }
        if recent.failed.contains_key(&running.cause) {
            running.seen = now;
        }
        self.running = Some(running);
        let is_calm = now.since(running.bad) >= self.calm;
        // Where no calls come, their absence has to last before it counts as calm.
        let is_over = is_calm && (recent.well > 0 || now.since(running.bad) >= window);
        let is_gone = !is_calm && now.since(running.seen) >= self.calm;
        let next = if is_gone { self.proved(now, running.seen) } else { None };
        let next = next.filter(|(cause, _)| *cause != running.cause);
        if next.is_none() && !is_over {
            return Vec::new();
        }
        self.running = None;
        self.ended = Some((running.cause, now));
        let mut told = vec![self.alert(Subject::Calls, (running.cause, running.since), false, now)];
        told.extend(next.map(|found| self.start(now, found)).unwrap_or_default());
        told
    }

    fn alert(&self, subject: Subject, told: (Cause, Mono), begins: bool, now: Mono) -> Alert {
        let (short, long) = (self.short.whole(now), self.long.whole(now));
        // Rare calls were judged over the long window, so its numbers are the ones that say something.
        let is_short = short.failures() >= self.rules.failures_min || short.calls() >= long.calls();
        let (sums, window) =
            if is_short { (short, self.rules.window) } else { (long, self.rules.window_long) };
        Alert {
            begins,
            subject,
            cause: told.0,
            since: told.1,
            at: now,
            count: sums.failures(),
            calls: sums.calls(),
            window,
            target_milli: self.rules.target_milli,
            causes: sums.causes(),
            whom: sums.callers.into_iter().collect(),
        }
    }
}

/// The share of the calls that failed; none of none.
fn share(sums: &Sums) -> f64 {
    if sums.calls() == 0 { 0.0 } else { f64::from(sums.failures()) / f64::from(sums.calls()) }
}

/// The cause of most failures.
fn top(sums: &Sums) -> Option<Cause> {
    sums.causes().first().map(|(cause, _)| *cause)
}

/// The least share of failures that so many of so many still fit, `z` standard deviations away (Wilson 1927).
fn lower(failed: u32, calls: u32, z: f64) -> f64 {
    if calls == 0 {
        return 0.0;
    }
    let (n, p) = (f64::from(calls), f64::from(failed) / f64::from(calls));
    let middle = p + z * z / (2.0 * n);
    let margin = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    (middle - margin) / (1.0 + z * z / n)
}
