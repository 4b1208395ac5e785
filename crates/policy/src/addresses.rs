//! How the addresses fare. An address that is avoided only comes later: the only one is always used.
//!
//! One that cannot be reached is avoided at once. One that answers, but with failures, is an outlier only in comparison:
//! where the others are well. Then its failures say nothing about the load of the API either.

use std::collections::{BTreeMap, BTreeSet};

use clearline_model::{AddrId, Dur, Mono, UpstreamId};

use crate::config::Settings;

/// So many failures in a row make an outlier (resilience 5.7).
const ROW: u32 = 3;
/// From so many on its failures are not taken for the API's.
const DOUBTED: u32 = 2;
/// What was seen of an address so long ago says nothing any more.
const GOOD_FOR: Dur = Dur::secs(60);
/// After an avoidance one attempt in so long a time finds out whether it is over (resilience 5.7: one probe).
const TRIAL: Dur = Dur::secs(5);

/// What is known of an address.
#[derive(Debug, Clone, Copy, Default)]
struct Health {
    /// Failures since its last success.
    row: u32,
    good: Option<Mono>,
    bad: Option<Mono>,
    avoided: Option<Avoided>,
}

#[derive(Debug, Clone, Copy)]
struct Avoided {
    since: Mono,
    until: Mono,
    strikes: u32,
    /// From when on an attempt may find out; `None` once it is known to be well.
    trial: Option<Mono>,
}

/// The addresses of the upstreams, and what is held against them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Addresses {
    resolved: BTreeMap<UpstreamId, Vec<AddrId>>,
    health: BTreeMap<AddrId, Health>,
    open: BTreeSet<(Mono, AddrId)>,
}

fn recent(at: Option<Mono>, now: Mono) -> bool {
    at.is_some_and(|at| now.since(at) <= GOOD_FOR)
}

impl Health {
    fn is_avoided(&self, now: Mono) -> bool {
        self.avoided.is_some_and(|a| a.until > now || a.trial.is_some_and(|t| t > now))
    }

    fn is_well(&self, now: Mono) -> bool {
        let doubted = self.avoided.is_some_and(|a| a.trial.is_some());
        self.row == 0 && !doubted && recent(self.good, now)
    }
}

impl Addresses {
    pub(crate) fn resolved(&mut self, upstream: UpstreamId, addrs: Vec<AddrId>) {
        self.resolved.insert(upstream, addrs);
    }

    /// It answered as it should. Attempts that began before it was avoided say nothing about the time after.
    pub(crate) fn succeeded(&mut self, addr: AddrId, now: Mono) {
        let health = self.health.entry(addr).or_default();
        (health.row, health.good) = (0, Some(now));
        if let Some(avoided) = health.avoided.as_mut().filter(|a| a.until <= now) {
            avoided.trial = None;
        }
    }

    /// It failed in a way that may be its own. Where that makes it an outlier it is avoided, until the moment returned.
    pub(crate) fn failed(
        &mut self,
        upstream: UpstreamId,
        addr: AddrId,
        now: Mono,
        s: &Settings,
    ) -> Option<Mono> {
        let health = self.health.entry(addr).or_default();
        (health.row, health.bad) = (health.row.saturating_add(1), Some(now));
        let on_trial = health.avoided.is_some_and(|a| a.trial.is_some());
        if health.row < ROW && !on_trial || !self.others_are_well(upstream, addr, now) {
            return None;
        }
        self.avoid(addr, now, s)
    }

    /// Whether its failures are its own, as far as one can tell.
    pub(crate) fn is_outlier(&self, upstream: UpstreamId, addr: AddrId, now: Mono) -> bool {
        let Some(health) = self.health.get(&addr) else { return false };
        (health.row >= DOUBTED || health.is_avoided(now)) && self.others_are_well(upstream, addr, now)
    }

    /// At least half of the other addresses that were used lately are well (resilience 5.7).
    fn others_are_well(&self, upstream: UpstreamId, addr: AddrId, now: Mono) -> bool {
        let known = self.resolved.get(&upstream).into_iter().flatten();
        let others = known.filter(|a| **a != addr).filter_map(|a| self.health.get(a));
        let (mut used, mut well) = (0, 0);
        for health in others.filter(|h| recent(h.good.max(h.bad), now)) {
            used += 1;
            well += u32::from(health.is_well(now));
        }
        well > 0 && well * 2 >= used
    }

    /// Avoids an address: longer each time, from anew when it was good for the longest avoidance. Attempts that fail
    /// while it is avoided already change nothing: they are the same trouble.
    pub(crate) fn avoid(&mut self, addr: AddrId, now: Mono, s: &Settings) -> Option<Mono> {
        let health = self.health.entry(addr).or_default();
        let old = health.avoided;
        if old.is_some_and(|o| o.until > now) {
            return None;
        }
        let strikes = old.filter(|o| now <= o.until + s.address_avoid_max).map_or(0, |o| o.strikes);
        let until = now + s.address_avoid.scale(1 << strikes.min(32), 1).min(s.address_avoid_max);
        let strikes = strikes.saturating_add(1);
        health.avoided = Some(Avoided { since: now, until, strikes, trial: Some(until) });
        self.open.insert((until, addr));
        Some(until)
    }

    /// The addresses that an attempt did not reach which began then and came to this one: it was avoided already, and so comes last.
    pub(crate) fn unreached(
        &self,
        upstream: UpstreamId,
        addr: AddrId,
        (started, now): (Mono, Mono),
    ) -> Vec<AddrId> {
        let avoided = self.health.get(&addr).and_then(|h| h.avoided);
        if avoided.is_none_or(|a| a.since > started || a.until <= started) {
            return Vec::new();
        }
        let known = self.resolved.get(&upstream).into_iter().flatten();
        known.copied().filter(|a| *a != addr && !self.is_avoided(*a, now)).collect()
    }

    /// The next address whose avoidance is over.
    pub(crate) fn over(&mut self, now: Mono) -> Option<AddrId> {
        let (until, addr) = self.open.first().copied().filter(|(until, _)| *until <= now)?;
        self.open.remove(&(until, addr));
        Some(addr)
    }

    fn is_avoided(&self, addr: AddrId, now: Mono) -> bool {
        self.health.get(&addr).is_some_and(|h| h.is_avoided(now))
    }

    /// The addresses in the preferred order, and those that are avoided, by everybody or by this call alone.
    pub(crate) fn plan(
        &mut self,
        upstream: UpstreamId,
        shunned: &[AddrId],
        now: Mono,
    ) -> (Vec<AddrId>, Vec<AddrId>) {
        let Some(known) = self.resolved.get(&upstream) else {
            return (Vec::new(), self.avoided(now).map(|(a, _)| a).collect());
        };
        let others = known.iter().any(|a| !shunned.contains(a) && !self.is_avoided(*a, now));
        let is_bad = |a: AddrId| self.is_avoided(a, now) || (others && shunned.contains(&a));
        let mut addrs: Vec<_> = known.iter().copied().filter(|a| !is_bad(*a)).collect();
        let avoid: Vec<_> = known.iter().copied().filter(|a| is_bad(*a)).collect();
        addrs.extend(&avoid);
        self.put_on_trial(addrs.len() - avoid.len(), &addrs, now);
        (addrs, avoid)
    }

    /// The attempt that gets these may find out about one of the first `good` that was avoided; the next may not.
    fn put_on_trial(&mut self, good: usize, addrs: &[AddrId], now: Mono) {
        for addr in addrs.iter().take(good) {
            let trial = self.health.get_mut(addr).and_then(|h| h.avoided.as_mut()?.trial.as_mut());
            if let Some(trial) = trial {
                *trial = now + TRIAL;
            }
        }
    }

    /// Whether the upstream has an address that nothing is held against.
    pub(crate) fn has_good(&self, upstream: UpstreamId, now: Mono) -> bool {
        self.resolved.get(&upstream).is_some_and(|known| known.iter().any(|a| !self.is_avoided(*a, now)))
    }

    /// Whether an address of the upstream served lately and has not failed since.
    pub(crate) fn has_well(&self, upstream: UpstreamId, now: Mono) -> bool {
        let known = self.resolved.get(&upstream).into_iter().flatten();
        known.filter_map(|a| self.health.get(a)).any(|h| h.is_well(now))
    }

    pub(crate) fn avoided(&self, now: Mono) -> impl Iterator<Item = (AddrId, Mono)> {
        self.open.iter().filter(move |(until, _)| *until > now).map(|(until, addr)| (*addr, *until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: UpstreamId = UpstreamId(0);

    fn ms(n: u64) -> Mono {
        Mono(n * 1_000)
    }

    fn four() -> (Addresses, Settings) {
        let mut a = Addresses::default();
        a.resolved(UP, (0..4).map(AddrId).collect());
        (a, Settings::default())
    }

    #[test]
    fn an_avoidance_doubles_up_to_its_bound_and_is_forgotten_after_a_good_time() {
        let (mut a, s) = (Addresses::default(), Settings::default());
        a.resolved(UP, vec![AddrId(1), AddrId(2)]);
        let mut now = Mono(0);
        for secs in [5, 10, 20, 40, 60, 60] {
            let until = a.avoid(AddrId(1), now, &s);
            assert_eq!(until, Some(Mono(now.0 + secs * 1_000_000)));
            assert_eq!(a.avoid(AddrId(1), now, &s), None);
            assert_eq!(a.plan(UP, &[], now), (vec![AddrId(2), AddrId(1)], vec![AddrId(1)]));
            now = until.unwrap();
            assert_eq!((a.over(now), a.over(now)), (Some(AddrId(1)), None));
        }
        now = Mono(now.0 + 61_000_000);
        assert_eq!(a.avoid(AddrId(1), now, &s), Some(Mono(now.0 + 5_000_000)));
    }

    #[test]
    fn an_outlier_is_one_only_while_at_least_half_of_the_others_are_well() {
        let (mut a, s) = four();
        for n in 0..10 {
            assert_eq!(a.failed(UP, AddrId(0), ms(n), &s), None, "nothing is known of the others");
        }
        a.succeeded(AddrId(1), ms(20));
        a.failed(UP, AddrId(2), ms(21), &s);
        a.failed(UP, AddrId(3), ms(22), &s);
        assert_eq!(a.failed(UP, AddrId(0), ms(30), &s), None, "one of three is well");
        assert!(!a.is_outlier(UP, AddrId(0), ms(30)));
        a.succeeded(AddrId(2), ms(31));
        assert!(a.is_outlier(UP, AddrId(0), ms(31)) && !a.is_outlier(UP, AddrId(3), ms(31)));
        assert_eq!(a.failed(UP, AddrId(0), ms(40), &s), Some(ms(5_040)));
        assert_eq!(
            a.failed(UP, AddrId(0), ms(70_000), &s),
            None,
            "what was well a minute ago may not be so now"
        );
    }

    #[test]
    fn one_failure_among_successes_is_held_against_nobody() {
        let (mut a, s) = four();
        a.succeeded(AddrId(1), ms(0));
        for n in 0..30 {
            assert_eq!(a.failed(UP, AddrId(0), ms(n * 10), &s), None);
            if n % 2 == 1 {
                a.succeeded(AddrId(0), ms(n * 10 + 5));
            }
        }
    }

    #[test]
    fn after_an_avoidance_one_attempt_finds_out() {
        let (mut a, s) = four();
        a.succeeded(AddrId(1), ms(0));
        let avoided = (0..3).filter_map(|n| a.failed(UP, AddrId(0), ms(n), &s)).count();
        assert_eq!(avoided, 1);
        let first = |a: &mut Addresses, at| a.plan(UP, &[], ms(at)).0[0].0;
        assert_eq!(first(&mut a, 5_001), 1);
        assert_eq!([first(&mut a, 5_002), first(&mut a, 5_003), first(&mut a, 10_001)], [0, 1, 1]);
        assert_eq!(a.failed(UP, AddrId(0), ms(5_500), &s), Some(ms(15_500)), "once is enough");
        assert_eq!([first(&mut a, 15_499), first(&mut a, 15_500), first(&mut a, 15_501)], [1, 0, 1]);
        // Nobody says what became of it: another one may look.
        assert_eq!(first(&mut a, 20_500), 0);
        a.succeeded(AddrId(0), ms(20_600));
        assert_eq!(first(&mut a, 20_601), 0);
        assert_eq!(a.failed(UP, AddrId(0), ms(20_700), &s), None, "from anew");
    }

    #[test]
    fn a_call_shuns_where_it_failed_while_there_is_another_address() {
        let (mut a, _) = four();
        let (addrs, avoid) = a.plan(UP, &[AddrId(1), AddrId(0)], ms(0));
        assert_eq!((addrs, avoid), ([2, 3, 0, 1].map(AddrId).to_vec(), [0, 1].map(AddrId).to_vec()));
        let all: Vec<_> = (0..4).map(AddrId).collect();
        assert_eq!(a.plan(UP, &all, ms(0)), (all.clone(), vec![]));
    }
}
