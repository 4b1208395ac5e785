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

    /// Avoids an address: longer each time, from anew when it was good for the longest avoidance.
    pub(crate) fn avoid(&mut self, addr: AddrId, now: Mono, s: &Settings) -> Mono {
        let old = self.marks.get(&addr).copied();
        let strikes = old.filter(|o| now <= o.until + s.address_avoid_max).map_or(0, |o| o.strikes);
        let length = s.address_avoid.scale(1 << strikes.min(32), 1).min(s.address_avoid_max);
        let until = old.map_or(now + length, |o| o.until.max(now + length));
        if let Some(o) = old {
            self.open.remove(&(o.until, addr));
        }
        self.open.insert((until, addr));
        self.marks.insert(addr, Avoided { until, strikes: strikes.saturating_add(1) });
        until
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
