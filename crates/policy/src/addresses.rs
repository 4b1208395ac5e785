//! Which addresses are avoided. An avoidance only changes the order: the only address is always used.

use std::collections::{BTreeMap, BTreeSet};

use clearline_model::{AddrId, Mono, UpstreamId};

use crate::config::Settings;

#[derive(Debug, Clone, Copy)]
struct Avoided {
    until: Mono,
    strikes: u32,
}

/// The addresses of the upstreams, and what is held against them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Addresses {
    resolved: BTreeMap<UpstreamId, Vec<AddrId>>,
    marks: BTreeMap<AddrId, Avoided>,
    open: BTreeSet<(Mono, AddrId)>,
}

impl Addresses {
    pub(crate) fn resolved(&mut self, upstream: UpstreamId, addrs: Vec<AddrId>) {
        self.resolved.insert(upstream, addrs);
    }

    /// Avoids an address: longer each time, from anew when it was good for the longest avoidance. Attempts that fail
    /// while it is avoided already change nothing: they are the same trouble.
    pub(crate) fn avoid(&mut self, addr: AddrId, now: Mono, s: &Settings) -> Option<Mono> {
        let old = self.marks.get(&addr).copied();
        if old.is_some_and(|o| o.until > now) {
            return None;
        }
        let strikes = old.filter(|o| now <= o.until + s.address_avoid_max).map_or(0, |o| o.strikes);
        let until = now + s.address_avoid.scale(1 << strikes.min(32), 1).min(s.address_avoid_max);
        self.open.insert((until, addr));
        self.marks.insert(addr, Avoided { until, strikes: strikes.saturating_add(1) });
        Some(until)
    }

    /// The next address whose avoidance is over.
    pub(crate) fn over(&mut self, now: Mono) -> Option<AddrId> {
        let (until, addr) = self.open.first().copied().filter(|(until, _)| *until <= now)?;
        self.open.remove(&(until, addr));
        Some(addr)
    }

    fn is_avoided(&self, addr: AddrId, now: Mono) -> bool {
        self.marks.get(&addr).is_some_and(|m| m.until > now)
    }

    /// The addresses in the preferred order, and those that are avoided.
    pub(crate) fn plan(&self, upstream: UpstreamId, now: Mono) -> (Vec<AddrId>, Vec<AddrId>) {
        let Some(known) = self.resolved.get(&upstream) else {
            return (Vec::new(), self.avoided(now).map(|(a, _)| a).collect());
        };
        let (avoid, good): (Vec<_>, Vec<_>) = known.iter().partition(|a| self.is_avoided(**a, now));
        let addrs = good.into_iter().chain(avoid.iter().copied()).collect();
        (addrs, avoid)
    }

    /// Whether the upstream has an address that nothing is held against.
    pub(crate) fn has_good(&self, upstream: UpstreamId, now: Mono) -> bool {
        self.resolved.get(&upstream).is_some_and(|known| known.iter().any(|a| !self.is_avoided(*a, now)))
    }

    pub(crate) fn avoided(&self, now: Mono) -> impl Iterator<Item = (AddrId, Mono)> {
        self.open.iter().filter(move |(until, _)| *until > now).map(|(until, addr)| (*addr, *until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_avoidance_doubles_up_to_its_bound_and_is_forgotten_after_a_good_time() {
        let (mut a, s) = (Addresses::default(), Settings::default());
        a.resolved(UpstreamId(0), vec![AddrId(1), AddrId(2)]);
        let mut now = Mono(0);
        for secs in [5, 10, 20, 40, 60, 60] {
            let until = a.avoid(AddrId(1), now, &s);
            assert_eq!(until, Some(Mono(now.0 + secs * 1_000_000)));
            assert_eq!(a.avoid(AddrId(1), now, &s), None);
            assert_eq!(a.plan(UpstreamId(0), now), (vec![AddrId(2), AddrId(1)], vec![AddrId(1)]));
            now = until.unwrap();
            assert_eq!((a.over(now), a.over(now)), (Some(AddrId(1)), None));
        }
        now = Mono(now.0 + 61_000_000);
        assert_eq!(a.avoid(AddrId(1), now, &s), Some(Mono(now.0 + 5_000_000)));
    }
}
