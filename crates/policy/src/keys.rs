//! The keys of the pools: which one is next, which rests, which is out. And the leases on them.

use std::collections::BTreeMap;

use clearline_model::{Ask, Cause, Dur, KeyId, KeyState, LaneId, Mono, UpstreamId};

use crate::config::{Config, Settings, Upstream};
use crate::meter::Meters;

/// The least time between two uses of a key that was refused, where nothing better is left: one a second.
const PACE: Dur = Dur::secs(1);

#[derive(Debug, Clone)]
struct Key {
    state: KeyState,
    cause: Cause,
    /// Until when the server asked it to stay away, whatever else happens to it.
    rests: Mono,
    /// How often it was limited since its last success.
    strikes: u32,
    in_flight: u32,
    /// The count of all uses when it was used last.
    used: u64,
    started: Option<Mono>,
    changed: Mono,
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
    pub(crate) meters: Meters,
    uses: u64,
}

impl Key {
    const fn new() -> Self {
        Self {
            state: KeyState::Ready,
            rests: Mono(0),
            cause: Cause::AuthInvalid,
            strikes: 0,
            in_flight: 0,
            used: 0,
            started: None,
            changed: Mono(0),
        }
    }

    /// `Ok` where it may be used now; otherwise from when.
    fn free(&self, now: Mono) -> Result<(), Mono> {
        match self.state {
            KeyState::Ready => Ok(()),
            KeyState::Cooling(until) => {
                if until <= now {
                    Ok(())
                } else {
                    Err(until)
                }
            }
            KeyState::Quarantined(until) => {
                let until = until.max(self.rests);
                if until <= now && self.in_flight == 0 { Ok(()) } else { Err(until.max(now + PACE)) }
            }
        }
    }

    /// When a quarantined key may be tried although it is out.
    fn paced(&self, now: Mono) -> Mono {
        self.started.map_or(now, |s| s + PACE).max(self.rests)
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
        (k.state, k.rests, k.strikes, k.changed) = (KeyState::Ready, Mono(0), 0, now);
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

    /// Whether the upstream's pool has a key that may be used now, besides these.
    pub(crate) fn is_another_free(&self, upstream: UpstreamId, these: &[KeyId], now: Mono) -> bool {
        let free = |id: &KeyId| self.keys.get(id).is_some_and(|key| key.free(now).is_ok());
        self.pools.get(&upstream).is_some_and(|pool| pool.iter().any(|id| !these.contains(id) && free(id)))
    }

    /// Why all keys of a pool are out, and until when the first of them is.
    pub(crate) fn all_out(&self, upstream: UpstreamId, now: Mono) -> Option<(Cause, Mono)> {
        let mut first: Option<(Mono, Cause)> = None;
        for key in self.pools.get(&upstream)?.iter().filter_map(|k| self.keys.get(k)) {
            match key.state {
                KeyState::Quarantined(until) if until > now => {
                    first = Some(first.map_or((until, key.cause), |f| f.min((until, key.cause))));
                }
                KeyState::Quarantined(_) | KeyState::Ready | KeyState::Cooling(_) => return None,
            }
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
                Some(until) => Err((until, Cause::QuotaRequests)),
                None => key.free(now).map_err(|at| (at, key.cause)),
            };
            match (free, key.state) {
                (Ok(()), _) => {
                    let room = ask.map(|ask| self.meters.ready(*id, (lane.family, ask), now));
                    if let Some(lacks) = room.filter(|(at, _)| *at > now) {
                        paced = Some(paced.map_or(lacks, |p| p.min(lacks)));
                        continue;
                    }
                    let rank = (key.in_flight, key.used, *id);
                    best = Some(best.map_or(rank, |b| b.min(rank)));
                }
                (Err((at, _)), KeyState::Quarantined(_)) => {
                    out = Some(out.map_or((at, *id), |o| o.min((at, *id))))
                }
                (Err((at, cause)), KeyState::Ready | KeyState::Cooling(_)) => {
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
            let may = key.free(now).is_ok() && self.leased_out(lane, *id, now).is_none();
            may.then_some((key.in_flight, key.used, *id))
        });
        free.min().map(|(_, _, id)| id)
    }

    /// A breaker never refuses the last key: it paces it.
    fn probe(&self, lane: LaneId, id: KeyId, now: Mono) -> Pick {
        let Some(key) = self.keys.get(&id) else { return Pick::Nothing };
        let at = self.leased_out(lane, id, now).unwrap_or_else(|| key.paced(now));
        if at <= now { Pick::Key(id) } else { Pick::Until(at, key.cause) }
    }

    pub(crate) fn start(&mut self, lane: LaneId, id: KeyId, now: Mono) {
        self.uses += 1;
        if let Some(key) = self.keys.get_mut(&id) {
            key.in_flight += 1;
            (key.used, key.started) = (self.uses, Some(now));
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

    /// It was refused.
    pub(crate) fn quarantine(
        &mut self,
        id: KeyId,
        cause: Cause,
        now: Mono,
        s: &Settings,
    ) -> Option<KeyState> {
        let key = self.keys.get_mut(&id)?;
        (key.state, key.cause, key.changed) = (KeyState::Quarantined(now + s.key_quarantine), cause, now);
        Some(key.state)
    }

    /// It reached a limit: it rests for `hint`, or longer each time where there is none.
    pub(crate) fn cool(
        &mut self,
        id: KeyId,
        (cause, hint): (Cause, Option<Dur>),
        now: Mono,
        s: &Settings,
    ) -> Option<KeyState> {
        let key = self.keys.get_mut(&id)?;
        if let Some(hint) = hint {
            key.rests = key.rests.max(now + hint);
        }
        let until = match key.state {
            KeyState::Ready => Mono(0),
            KeyState::Cooling(until) => until,
            KeyState::Quarantined(_) => return None,
        };
        let own = s.key_cool.scale(1 << key.strikes.min(32), 1).min(s.backoff_max.max(s.key_cool));
        key.strikes = key.strikes.saturating_add(1);
        (key.state, key.cause, key.changed) =
            (KeyState::Cooling(until.max(now + hint.unwrap_or(own))), cause, now);
        Some(key.state)
    }

    /// An attempt that began at `started` was accepted. Says whether the key's state changed.
    pub(crate) fn succeed(&mut self, id: KeyId, started: Mono, now: Mono) -> bool {
        let Some(key) = self.keys.get_mut(&id) else { return false };
        // What was sent before the refusal says nothing about the time after it, and a hint is kept in any case.
        let resting = key.rests > now || matches!(key.state, KeyState::Cooling(until) if until > now);
        if key.state == KeyState::Ready || started < key.changed || resting {
            return false;
        }
        (key.state, key.strikes, key.changed) = (KeyState::Ready, 0, now);
        true
    }

    pub(crate) fn states(&self) -> Vec<(KeyId, KeyState)> {
        let used = |id: &KeyId| self.pools.values().any(|p| p.contains(id));
        self.keys.iter().filter(|(id, _)| used(id)).map(|(id, k)| (*id, k.state)).collect()
    }
}
