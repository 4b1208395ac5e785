//! The keys of the pools: which one is next, which rests, which is out. And the leases on them.

use std::collections::BTreeMap;

use clearline_model::{Ask, Cause, Dur, KeyId, KeyState, LaneId, Mono, UpstreamId};

use crate::config::{Config, Settings, Upstream};
use crate::meter::Meters;

/// The least time between two uses of a key that was refused, where nothing better is left: one a second.
const PACE: Dur = Dur::secs(1);
/// With more rests those that are over are forgotten: families are names that callers make up.
const RESTS_MOST: usize = 1_024;

/// What is known of a key whatever it is used for.
#[derive(Debug, Clone)]
struct Key {
    /// Whether it is accepted at all.
    out: Option<Mono>,
    cause: Cause,
    in_flight: u32,
    /// The count of all uses when it was used last.
    used: u64,
    started: Option<Mono>,
    changed: Mono,
    served: Served,
}

/// The two families of models that a key served last, and when.
#[derive(Debug, Clone, Copy, Default)]
struct Served {
    last: Option<(u16, Mono)>,
    before: Option<(u16, Mono)>,
}

/// Why a key is not used for one family of models: limits are told apart by family, and so is what a key may use.
#[derive(Debug, Clone, Copy)]
struct Rest {
    until: Mono,
    cause: Cause,
    /// It was refused, while others were served: it is tried now and then.
    out: bool,
    /// How often it was limited since its last success.
    strikes: u32,
    changed: Mono,
    started: Mono,
}

/// From when on a key may be used, and why not before; `out`: it was refused, and is tried before that where no other is left.
#[derive(Debug, Clone, Copy)]
struct Away {
    at: Mono,
    cause: Cause,
    out: bool,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    permits: u32,
    until: Mono,
}

/// The choice of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pick {
    /// The caller's own credential: this upstream has no pool.
    Own,
    /// This one.
    Key(KeyId),
    /// None before this moment.
    Until(Mono, Cause),
    /// None before this moment, when a limit has room again: who waits goes in turns.
    Paced(Mono, Cause),
    /// None at all.
    Nothing,
}

/// All keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys {
    pools: BTreeMap<UpstreamId, Vec<KeyId>>,
    keys: BTreeMap<KeyId, Key>,
    leases: BTreeMap<(LaneId, KeyId), Lease>,
    rests: BTreeMap<(KeyId, u16), Rest>,
    pub(crate) meters: Meters,
    uses: u64,
}

impl Served {
    const fn add(&mut self, family: u16, now: Mono) {
        if let Some((last, _)) = self.last
            && last != family
        {
            self.before = self.last;
        }
        self.last = Some((family, now));
    }

    /// Whether another family was served after a moment.
    fn has_other(self, family: u16, after: Mono) -> bool {
        [self.last, self.before].into_iter().flatten().any(|(f, at)| f != family && at >= after)
    }
}

impl Key {
    const fn new() -> Self {
        Self {
            out: None,
            cause: Cause::AuthInvalid,
            in_flight: 0,
            used: 0,
            started: None,
            changed: Mono(0),
            served: Served { last: None, before: None },
        }
    }

    /// Whether it may be used now, and otherwise from when on.
    fn free(&self, rest: Option<&Rest>, now: Mono) -> Result<(), Away> {
        if let Some(out) = self.out {
            let until = rest.filter(|r| !r.out).map_or(out, |r| r.until.max(out));
            let is_due = until <= now && self.in_flight == 0;
            let away = Away { at: until.max(now + PACE), cause: self.cause, out: true };
            return if is_due { Ok(()) } else { Err(away) };
        }
        let Some(rest) = rest else { return Ok(()) };
        let at = if rest.out { rest.until.max(rest.started + PACE) } else { rest.until };
        if at <= now { Ok(()) } else { Err(Away { at, cause: rest.cause, out: rest.out }) }
    }

    /// When it may be tried although it is out, and why it is.
    fn paced(&self, rest: Option<&Rest>, now: Mono) -> (Mono, Cause) {
        let next = self.started.map_or(now, |s| s + PACE);
        match rest {
            Some(rest) if rest.out && self.out.is_none() => (rest.started + PACE, rest.cause),
            Some(rest) if !rest.out => (next.max(rest.until), self.cause),
            Some(_) | None => (next, self.cause),
        }
    }
}

impl Keys {
    pub(crate) fn load(&mut self, config: &Config) {
        self.pools.clear();
        for Upstream { id, keys } in config.upstreams.iter().filter(|u| !u.keys.is_empty()) {
            self.pools.insert(*id, keys.clone());
            for key in keys {
                self.keys.entry(*key).or_insert_with(Key::new);
            }
        }
    }

    pub(crate) fn add(&mut self, key: KeyId) {
        self.keys.entry(key).or_insert_with(Key::new);
        for pool in self.pools.values_mut().filter(|p| !p.contains(&key)) {
            pool.push(key);
        }
    }

    /// Takes a key out of every pool. A pool stays one when it is empty: the caller's credential never steps in.
    pub(crate) fn remove(&mut self, key: KeyId) {
        self.pools.values_mut().for_each(|p| p.retain(|k| *k != key));
    }

    pub(crate) fn refresh(&mut self, key: KeyId, now: Mono) -> bool {
        let Some(k) = self.keys.get_mut(&key) else { return false };
        (k.out, k.changed) = (None, now);
        self.rests.retain(|(id, _), _| *id != key);
        self.meters.forget(key);
        true
    }

    pub(crate) fn lease(&mut self, lane: LaneId, key: KeyId, permits: u32, until: Mono) {
        self.leases.insert((lane, key), Lease { permits, until });
    }

    /// Whether the upstream's pool has more than one key.
    pub(crate) fn has_choice(&self, upstream: UpstreamId) -> bool {
        self.pools.get(&upstream).is_some_and(|pool| pool.len() > 1)
    }

    /// Why a key is not used for a family of models, where there was a reason.
    fn rest(&self, id: KeyId, family: u16) -> Option<&Rest> {
        // Mostly there is none.
        if self.rests.is_empty() { None } else { self.rests.get(&(id, family)) }
    }

    fn free(&self, id: KeyId, key: &Key, (family, now): (u16, Mono)) -> Result<(), Away> {
        key.free(self.rest(id, family), now)
    }

    /// Whether the lane's pool has a key that may be used now, besides these.
    pub(crate) fn is_another_free(&self, lane: LaneId, these: &[KeyId], now: Mono) -> bool {
        let at = (lane.family, now);
        let free = |id: &KeyId| self.keys.get(id).is_some_and(|key| self.free(*id, key, at).is_ok());
        self.pools
            .get(&lane.upstream)
            .is_some_and(|pool| pool.iter().any(|id| !these.contains(id) && free(id)))
    }

    /// Why all keys of a pool are out, and until when the first of them is.
    pub(crate) fn all_out(&self, upstream: UpstreamId, now: Mono) -> Option<(Cause, Mono)> {
        let mut first: Option<(Mono, Cause)> = None;
        for key in self.pools.get(&upstream)?.iter().filter_map(|k| self.keys.get(k)) {
            let until = key.out.filter(|until| *until > now)?;
            first = Some(first.map_or((until, key.cause), |f| f.min((until, key.cause))));
        }
        first.map(|(until, cause)| (cause, until))
    }

    fn leased_out(&self, lane: LaneId, key: KeyId, now: Mono) -> Option<Mono> {
        if self.leases.is_empty() {
            return None;
        }
        self.leases.get(&(lane, key)).filter(|l| l.until > now && l.permits == 0).map(|l| l.until)
    }

    /// The key for the next attempt on this lane; `tried` are those that refused this call already. `ask` is what it needs
    /// of the limits; without it they are not looked at.
    pub(crate) fn pick(&self, lane: LaneId, (tried, ask): (&[KeyId], Option<Ask>), now: Mono) -> Pick {
        let Some(pool) = self.pools.get(&lane.upstream) else { return Pick::Own };
        // Mostly the one that is used least has room.
        if let Some(id) = self.least_used(lane, (pool, tried), now)
            && ask.is_none_or(|ask| self.meters.ready(id, (lane.family, ask), now).0 <= now)
        {
            return Pick::Key(id);
        }
        let mut best: Option<(u32, u64, KeyId)> = None;
        let mut soon: Option<(Mono, Cause)> = None;
        let mut out: Option<(Mono, KeyId)> = None;
        let mut paced: Option<(Mono, Cause)> = None;
        for id in pool.iter().filter(|k| !tried.contains(k)) {
            let Some(key) = self.keys.get(id) else { continue };
            let free = match self.leased_out(lane, *id, now) {
                Some(at) => Err(Away { at, cause: Cause::QuotaRequests, out: key.out.is_some() }),
                None => self.free(*id, key, (lane.family, now)),
            };
            match free {
                Ok(()) => {
                    let room = ask.map(|ask| self.meters.ready(*id, (lane.family, ask), now));
                    if let Some(lacks) = room.filter(|(at, _)| *at > now) {
                        paced = Some(paced.map_or(lacks, |p| p.min(lacks)));
                        continue;
                    }
                    let rank = (key.in_flight, key.used, *id);
                    best = Some(best.map_or(rank, |b| b.min(rank)));
                }
                Err(Away { at, out: true, .. }) => out = Some(out.map_or((at, *id), |o| o.min((at, *id)))),
                Err(Away { at, cause, out: false }) => {
                    soon = Some(soon.map_or((at, cause), |s| s.min((at, cause))));
                }
            }
        }
        match (best, paced, soon, out) {
            (Some((_, _, id)), ..) => Pick::Key(id),
            (None, Some((at, cause)), soon, _) if soon.is_none_or(|(s, _)| at <= s) => Pick::Paced(at, cause),
            (None, _, Some((at, cause)), _) => Pick::Until(at, cause),
            (None, _, None, Some((_, id))) => self.probe(lane, id, now),
            (None, _, None, None) => Pick::Nothing,
        }
    }

    /// The key that is used least of those that may be used now, whatever its limits have.
    fn least_used(&self, lane: LaneId, (pool, tried): (&[KeyId], &[KeyId]), now: Mono) -> Option<KeyId> {
        let free = pool.iter().filter(|k| !tried.contains(k)).filter_map(|id| {
            let key = self.keys.get(id)?;
            let may =
                self.free(*id, key, (lane.family, now)).is_ok() && self.leased_out(lane, *id, now).is_none();
            may.then_some((key.in_flight, key.used, *id))
        });
        free.min().map(|(_, _, id)| id)
    }

    /// A breaker never refuses the last key: it paces it.
    fn probe(&self, lane: LaneId, id: KeyId, now: Mono) -> Pick {
        let Some(key) = self.keys.get(&id) else { return Pick::Nothing };
        let (paced, cause) = key.paced(self.rest(id, lane.family), now);
        let at = self.leased_out(lane, id, now).unwrap_or(paced);
        if at <= now { Pick::Key(id) } else { Pick::Until(at, cause) }
    }

    pub(crate) fn start(&mut self, lane: LaneId, id: KeyId, now: Mono) {
        self.uses += 1;
        if let Some(key) = self.keys.get_mut(&id) {
            key.in_flight += 1;
            (key.used, key.started) = (self.uses, Some(now));
        }
        if !self.rests.is_empty()
            && let Some(rest) = self.rests.get_mut(&(id, lane.family))
        {
            rest.started = now;
        }
        if let Some(lease) = self.leases.get_mut(&(lane, id)) {
            lease.permits = lease.permits.saturating_sub(1);
            if lease.until <= now {
                self.leases.remove(&(lane, id));
            }
        }
    }

    pub(crate) fn stop(&mut self, id: KeyId) {
        if let Some(key) = self.keys.get_mut(&id) {
            key.in_flight = key.in_flight.saturating_sub(1);
        }
    }

    /// The keys of the pools that share their limits with this one, itself included.
    pub(crate) fn siblings(&self, id: KeyId) -> Vec<KeyId> {
        self.keys.keys().copied().filter(|k| self.meters.is_same(*k, id)).collect()
    }

    /// It was refused. Where another family of models was served with it of late it is this family that it may not use: one
    /// caller that asks for what no key may use takes the keys from nobody else.
    pub(crate) fn quarantine(
        &mut self,
        (id, family): (KeyId, u16),
        cause: Cause,
        now: Mono,
        s: &Settings,
    ) -> Option<KeyState> {
        let key = self.keys.get_mut(&id)?;
        let (until, of_late) = (now + s.key_quarantine, Mono(now.0.saturating_sub(s.key_quarantine.0)));
        if cause == Cause::AuthForbidden && key.out.is_none() && key.served.has_other(family, of_late) {
            let rest = self.rest_of((id, family), now);
            (rest.until, rest.cause, rest.out) = (rest.until.max(until), cause, true);
            (rest.changed, rest.started) = (now, now);
            return None;
        }
        (key.out, key.cause, key.changed) = (Some(until), cause, now);
        Some(KeyState::Quarantined(until))
    }

    fn rest_of(&mut self, place: (KeyId, u16), now: Mono) -> &mut Rest {
        if self.rests.len() >= RESTS_MOST && !self.rests.contains_key(&place) {
            self.rests.retain(|_, rest| rest.until > now);
        }
        self.rests.entry(place).or_insert(Rest {
            until: Mono(0),
            cause: Cause::QuotaThrottled,
            out: false,
            strikes: 0,
            changed: now,
            started: now,
        })
    }

    /// It reached a limit: it rests for `hint`, or longer each time where there is none. A hint of no end is no limit's: the key
    /// is asked again as one that was refused.
    pub(crate) fn cool(
        &mut self,
        (id, family): (KeyId, u16),
        (cause, hint): (Cause, Option<Dur>),
        now: Mono,
        s: &Settings,
    ) -> Option<KeyState> {
        let is_out = self.keys.get(&id)?.out.is_some();
        if is_out && hint.is_none() {
            return None;
        }
        let hint = hint.map(|h| if h == Dur::MAX { s.key_quarantine } else { h });
        let rest = self.rest_of((id, family), now);
        let own = s.key_cool.scale(1 << rest.strikes.min(32), 1).min(s.backoff_max.max(s.key_cool));
        rest.strikes = rest.strikes.saturating_add(1);
        // How long it was not to be tried again, where it may be used after all, is no hint.
        let until = if rest.out { Mono(0) } else { rest.until };
        rest.until = until.max(now + hint.unwrap_or(own));
        (rest.cause, rest.out, rest.changed) = (cause, false, now);
        (!is_out).then_some(KeyState::Cooling(rest.until))
    }

    /// An attempt that began at `started` was accepted. Says whether the key's state changed.
    pub(crate) fn succeed(&mut self, (id, family): (KeyId, u16), started: Mono, now: Mono) -> bool {
        let Some(key) = self.keys.get_mut(&id) else { return false };
        key.served.add(family, now);
        let mut is_new = false;
        if !self.rests.is_empty()
            && let Some(rest) = self.rests.get(&(id, family))
        {
            // What was sent before the refusal says nothing about the time after it, and a hint is kept in any case.
            if started < rest.changed || (!rest.out && rest.until > now) {
                return false;
            }
            is_new = !rest.out;
            self.rests.remove(&(id, family));
        }
        if key.out.is_some() && started >= key.changed {
            (key.out, key.changed) = (None, now);
            is_new = true;
        }
        is_new
    }

    pub(crate) fn states(&self) -> Vec<(KeyId, KeyState)> {
        let used = |id: &KeyId| self.pools.values().any(|p| p.contains(id));
        let longest = |id: KeyId| {
            let rests = self.rests.range((id, 0)..=(id, u16::MAX)).filter(|(_, rest)| !rest.out);
            rests.map(|(_, rest)| rest.until).max()
        };
        let state = |id: KeyId, key: &Key| match key.out {
            Some(until) => KeyState::Quarantined(until),
            None => longest(id).map_or(KeyState::Ready, KeyState::Cooling),
        };
        self.keys.iter().filter(|(id, _)| used(id)).map(|(id, key)| (*id, state(*id, key))).collect()
    }
}
