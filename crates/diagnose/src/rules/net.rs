//! Links, routes, the gateway, and what lies behind it.

use std::net::IpAddr;

use clearline_model::{Axis, Cause, Dur, Fact, Failure, Icmp, LocalFault, Path, Proof, Seen, Stage};

use super::address::{Kind, NOBODY, kind};
use super::{Found, Rule};
use crate::evidence::Evidence;
use crate::plan::{Goal, Probe, What};

pub(crate) const RULES: &[Rule] = &[
    Rule { cause: Cause::ConfigSandboxNoEgress, judge: sandbox },
    Rule { cause: Cause::ConfigLocalFirewall, judge: local_firewall },
    Rule { cause: Cause::NetLinkDown, judge: link_down },
    Rule { cause: Cause::NetNoRoute, judge: no_route },
    Rule { cause: Cause::NetGatewayUnreachable, judge: gateway_unreachable },
    Rule { cause: Cause::NetEgressBlocked, judge: egress_blocked },
];

/// A route of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route<'a> {
    to: (IpAddr, u8),
    /// The next hop; none where the addresses are on the link itself.
    pub(crate) via: Option<IpAddr>,
    link: &'a str,
}

impl Route<'_> {
    pub(crate) const fn is_default(&self) -> bool {
        self.to.1 == 0
    }

    /// Whether the link is one of those that programs make (by the names that they give).
    pub(crate) fn is_tunnel(&self) -> bool {
        ["tun", "tap", "wg", "ppp", "utun", "ipsec", "tailscale", "zt", "vpn"]
            .iter()
            .any(|n| self.link.starts_with(n))
    }

    fn leads_to(&self, ip: IpAddr) -> bool {
        let (network, length) = self.to;
        match (network, ip) {
            (IpAddr::V4(n), IpAddr::V4(ip)) => {
                let shift = 32_u32.saturating_sub(u32::from(length));
                u32::from(n).checked_shr(shift).unwrap_or(0) == u32::from(ip).checked_shr(shift).unwrap_or(0)
            }
            (IpAddr::V6(n), IpAddr::V6(ip)) => {
                let shift = 128_u32.saturating_sub(u32::from(length));
                u128::from(n).checked_shr(shift).unwrap_or(0)
                    == u128::from(ip).checked_shr(shift).unwrap_or(0)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// The routes of this machine, as far as they were seen.
pub(crate) struct Routes<'a>(Vec<(Route<'a>, &'a Fact)>);

impl<'a> Routes<'a> {
    pub(crate) fn new(evidence: &'a Evidence) -> Self {
        let read =
            |(fact, value): (&'a Fact, &'a clearline_model::Foreign)| Some((route(value.raw())?, fact));
        Self(evidence.said("route").filter_map(read).collect())
    }

    /// The most particular route to an address.
    pub(crate) fn to(&self, ip: IpAddr) -> Option<&Route<'a>> {
        let fitting = self.0.iter().map(|(route, _)| route).filter(|route| route.leads_to(ip));
        fitting.max_by_key(|route| route.to.1)
    }

    fn has_default(&self) -> bool {
        self.0.iter().any(|(route, _)| route.is_default())
    }
}

/// `10.0.0.0/8 via 10.1.0.1 dev eth0`.
fn route(text: &str) -> Option<Route<'_>> {
    let mut words = text.split(' ');
    let (network, length) = words.next()?.split_once('/')?;
    let mut route = Route { to: (network.parse().ok()?, length.parse().ok()?), via: None, link: "" };
    while let (Some(word), Some(value)) = (words.next(), words.next()) {
        match word {
            "via" => route.via = value.parse().ok(),
            "dev" => route.link = value,
            _ => {}
        }
    }
    Some(route)
}

/// Where nothing is reached: the tables of the kernel once more, other hosts, and whether packets leave at all.
pub(crate) fn plan(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    const LIMIT: Dur = Dur::secs(2);
    const WHY: &[Cause] = &[Cause::NetEgressBlocked, Cause::NetGatewayUnreachable, Cause::NetNoRoute];
    let Some((end, failure)) = evidence.end().filter(|(f, failure)| is_below(f, *failure)) else {
        return Vec::new();
    };
    if goal.is_loopback {
        return Vec::new();
    }
    // Its neighbours are known only once they were needed.
    let mut all = vec![Probe::new(What::Host, Path::default(), LIMIT, WHY).times(2)];
    if let Some(ip) = end.path.address.filter(|_| is_refusal(failure)) {
        all.push(Probe::new(What::Packets, goal.at(ip), LIMIT, &[Cause::ConfigLocalFirewall]));
    }
    let is_silence = matches!(failure, Failure::TimedOut(_) | Failure::Unreachable(_) | Failure::Rcode(2, _));
    if goal.only_target || !is_silence || end.stage == Stage::Tunnel {
        return all;
    }
    for port in [443, 80] {
        let named = goal.controls.iter().map(|host| Path { host: host.clone(), ..goal.direct() });
        // Without names as well.
        let bare = goal.public_resolvers.iter().map(|ip| Path { host: ip.to_string(), ..goal.at(*ip) });
        let each = named.chain(bare).map(|path| Path { port: Some(port), ..path });
        all.extend(each.map(|path| Probe::new(What::Connect, path, LIMIT, WHY)));
    }
    all
}

/// Whether a call ended before anything but this machine and its network had a say.
fn is_below(end: &Fact, failure: Failure) -> bool {
    let is_silent = |f: Failure| {
        matches!(
            f,
            Failure::TimedOut(_)
                | Failure::Unreachable(_)
                | Failure::Refused
                | Failure::Reset
                | Failure::Os(_)
                | Failure::Rcode(..)
                | Failure::Local(LocalFault::Forbidden)
        )
    };
    matches!(end.stage, Stage::Resolve | Stage::Connect | Stage::Tunnel) && is_silent(failure)
}

/// Failures that a filter on this machine can make.
const fn is_refusal(failure: Failure) -> bool {
    matches!(
        failure,
        Failure::TimedOut(_)
            | Failure::Refused
            | Failure::Reset
            | Failure::Unreachable(Icmp::Prohibited)
            | Failure::Os(1 | 13)
    )
}

fn is_here(fact: &Fact) -> bool {
    fact.path.address.is_some_and(|ip| kind(ip) == Kind::Nowhere)
}

/// Where the call ends, if that is on this machine's side of the network. One to this machine itself needs no network.
fn end(evidence: &Evidence) -> Option<(&Fact, Failure)> {
    let is_own = evidence.state("base-url.loopback").is_some();
    evidence.end().filter(|(f, failure)| is_below(f, *failure) && !is_here(f) && !is_own)
}

/// The state of the links, where it was looked at: how many there are, and whether one is up.
fn links(evidence: &Evidence) -> Option<(Option<&Fact>, bool)> {
    // Where they were looked at and none is told, there is none but the loopback one.
    let has_looked = evidence.said("links").next().is_some();
    let first = evidence.said("link").next().map(|(f, _)| f);
    let is_up = evidence.said("link").any(|(_, value)| !value.raw().ends_with(" down"));
    has_looked.then_some((first, is_up))
}

/// No interface is up.
fn link_down(evidence: &Evidence) -> Option<Found> {
    let (end, failure) = end(evidence)?;
    let (link, is_up) = links(evidence)?;
    let is_local = end.stage == Stage::Resolve || matches!(failure, Failure::Unreachable(_) | Failure::Os(_));
    if is_up || !is_local || evidence.state("sandbox").is_some() {
        return None;
    }
    let mut found = Found::root(end);
    found.proof.extend(link.map(|f| Proof::One(f.id)));
    Some(found)
}

/// Interfaces are up, and no route leads out.
fn no_route(evidence: &Evidence) -> Option<Found> {
    let (end, failure) = end(evidence)?;
    let (_, is_up) = links(evidence)?;
    if !is_up || Routes::new(evidence).has_default() || evidence.state("sandbox").is_some() {
        return None;
    }
    let no_way = Failure::Unreachable(Icmp::NoRoute);
    let is_out_of_reach = failure == no_way
        || (end.stage == Stage::Resolve
            && evidence.at(Stage::Resolve).any(|f| f.path.resolver.is_some() && f.saw == Err(no_way)));
    is_out_of_reach.then(|| Found::root(end))
}

/// What a neighbour was last seen as.
fn neighbour(evidence: &Evidence, ip: IpAddr) -> Option<(&Fact, bool)> {
    let own = format!("{ip} ");
    // The last look counts: an entry fails only when it was needed. An entry that works anywhere works.
    let seen: Vec<(&Fact, bool)> = evidence
        .said("neighbour")
        .filter(|(_, value)| value.raw().starts_with(&own))
        .map(|(f, value)| (f, value.raw().ends_with(" well")))
        .collect();
    seen.iter().find(|(_, is_well)| *is_well).or_else(|| seen.first()).copied()
}

/// The default gateway, with what is known of it.
fn gateway(evidence: &Evidence) -> Option<(&Fact, bool)> {
    let routes = Routes::new(evidence);
    let ip = routes
        .0
        .iter()
        .filter(|(route, _)| route.is_default())
        .find_map(|(route, _)| route.via.filter(IpAddr::is_ipv4))?;
    neighbour(evidence, ip)
}

/// The default gateway does not say where it is, and nothing behind it is reached.
fn gateway_unreachable(evidence: &Evidence) -> Option<Found> {
    let (end, failure) = end(evidence)?;
    let (fact, is_well) = gateway(evidence)?;
    let is_silence = matches!(failure, Failure::Unreachable(_) | Failure::TimedOut(_) | Failure::Rcode(2, _));
    if is_well || !is_silence || reached(evidence).is_some() {
        return None;
    }
    let mut found = Found::root(end);
    found.proof.push(Proof::One(fact.id));
    Some(found)
}

/// Somebody beyond this network who answered, in whatever way.
fn reached(evidence: &Evidence) -> Option<&Fact> {
    let target = evidence.reference().find(|f| !f.path.host.is_empty())?.path.host.as_str();
    let routes = Routes::new(evidence);
    let is_beyond = |ip: IpAddr| {
        let is_routed = routes.to(ip).is_none_or(|route| route.via.is_some());
        kind(ip) == Kind::Public && is_routed && ip != NOBODY
    };
    evidence.find(|f| {
        let has_answered = match (&f.saw, f.stage) {
            (Ok(Seen::State(..)), _) => false,
            (Ok(_), Stage::Connect | Stage::Handshake | Stage::Head | Stage::Body) => true,
            (Err(Failure::Refused | Failure::Reset), Stage::Connect) => true,
            (Ok(Seen::Addresses(_)) | Err(Failure::Rcode(..) | Failure::NoAddress), Stage::Resolve) => {
                return f.path.resolver.is_some_and(is_beyond);
            }
            _ => false,
        };
        has_answered
            && (f.path.host != target || f.path.port.is_some())
            && f.path.address.is_some_and(is_beyond)
    })
}

/// The gateway answers, and nothing behind it does.
fn egress_blocked(evidence: &Evidence) -> Option<Found> {
    let (end, failure) = end(evidence).filter(|(f, _)| f.stage != Stage::Tunnel)?;
    let is_silence = matches!(failure, Failure::TimedOut(_) | Failure::Rcode(2, _));
    if !is_silence || reached(evidence).is_some() || gateway(evidence).is_some_and(|(_, is_well)| !is_well) {
        return None;
    }
    let target = end.path.host.as_str();
    let is_control =
        |f: &&Fact| f.stage == Stage::Connect && f.path.host != target && f.path.client.is_none();
    let tried: Vec<&Fact> = evidence.facts().iter().filter(is_control).filter(|f| f.saw.is_err()).collect();
    let mut others: Vec<Option<IpAddr>> = tried.iter().map(|f| f.path.address).collect();
    others.sort_unstable();
    others.dedup();
    let is_late = tried
        .iter()
        .all(|f| matches!(f.saw, Err(Failure::TimedOut(_) | Failure::Unreachable(Icmp::NoRoute))));
    let control = tried.iter().find(|f| matches!(f.saw, Err(Failure::TimedOut(_))))?;
    if others.len() < 2 || !is_late {
        return None;
    }
    let mut found = Found::root(end);
    found.proof.push(Proof::One(control.id));
    Some(found)
}

/// Connections to this address are begun, and no packet of them leaves this machine.
fn local_firewall(evidence: &Evidence) -> Option<Found> {
    let (end, failure) = end(evidence)?;
    let (fact, _) = evidence
        .said("packets.left")
        .find(|(f, value)| f.path.address == end.path.address && value.raw() == "none")?;
    let filter = evidence.said("filter").next();
    if !is_refusal(failure) || gateway(evidence).is_some_and(|(_, is_well)| !is_well) {
        return None;
    }
    let mut found = Found::root(end);
    found.proof.push(Proof::One(fact.id));
    found.proof.extend(filter.map(|(f, _)| Proof::One(f.id)));
    let is_certain = filter.is_some() || failure == Failure::Refused;
    Some(if is_certain { found } else { found.likely() })
}

/// A sandbox says that it has a policy, and nothing leaves it.
fn sandbox(evidence: &Evidence) -> Option<Found> {
    let (end, failure) = end(evidence)?;
    let is_forbidden = matches!(failure, Failure::Os(1 | 13));
    let is_alone = links(evidence).is_some_and(|(_, is_up)| !is_up);
    let mark = evidence.state("sandbox").or_else(|| evidence.state("seccomp").filter(|_| is_forbidden));
    let (mark, _) = mark?;
    let is_kept = is_forbidden
        || is_alone
        || failure == Failure::Unreachable(Icmp::NoRoute)
        || end.stage == Stage::Resolve;
    is_kept.then(|| {
        let mut found = Found::root(end).flipped(None, Axis::Route);
        found.proof.push(Proof::One(mark.id));
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read_and_the_most_particular_one_counts() {
        let wide = route("0.0.0.0/0 via 10.20.0.1 dev eth0").unwrap();
        let own = route("10.20.0.0/24 dev eth0").unwrap();
        let tunnel = route("10.99.0.0/16 dev wg0").unwrap();
        assert!(wide.is_default() && !own.is_default() && tunnel.is_tunnel());
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(
            wide.leads_to(ip("1.1.1.1")) && own.leads_to(ip("10.20.0.7")) && !own.leads_to(ip("10.21.0.7"))
        );
        assert!(!wide.leads_to(ip("::1")));
        assert!(route("::/0 via fd20::1 dev eth0").unwrap().leads_to(ip("2001:db8::1")));
        assert_eq!(own.via, None);
    }
}
