//! The name becomes an address, and the API is not there.

use std::net::IpAddr;

use clearline_model::{Axis, Cause, CertFault, Fact, Failure, Icmp, Proof, Seen, Stage};

use super::is_default;
use super::view::{Answer, Names, addresses};
use crate::evidence::Evidence;
use crate::rules::address::{Kind, is_published, kind};
use crate::rules::net::Routes;
use crate::rules::{Found, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule { cause: Cause::ConfigHostsOverride, judge: hosts },
    Rule { cause: Cause::ConfigSearchDomain, judge: search_domain },
    Rule { cause: Cause::DnsInjected, judge: injected },
    Rule { cause: Cause::DnsStaleCache, judge: stale_cache },
    Rule { cause: Cause::DnsSplitHorizon, judge: split_horizon },
    Rule { cause: Cause::DnsSinkhole, judge: sinkhole },
    Rule { cause: Cause::DnsBlockPage, judge: block_page },
    Rule { cause: Cause::DnsStaleRecord, judge: stale_record },
    Rule { cause: Cause::DnsWrongAddress, judge: wrong_address },
];

/// The call goes astray where DNS sends it.
struct Astray<'a> {
    end: &'a Fact,
    failure: Failure,
    /// Where it is sent.
    at: Vec<IpAddr>,
    /// The same stage at an address that another resolver gives, passed.
    passes: Option<&'a Fact>,
    /// Another resolver's answer that has none of these addresses.
    other: Option<&'a Fact>,
}

impl Astray<'_> {
    fn is_dead(&self) -> bool {
        self.end.stage == Stage::Connect
            && matches!(
                self.failure,
                Failure::TimedOut(_) | Failure::Refused | Failure::Unreachable(_) | Failure::Reset
            )
    }

    fn all(&self, wanted: Kind) -> bool {
        self.at.iter().all(|ip| kind(*ip) == wanted)
    }

    /// Whether the addresses cannot be the API's.
    fn is_foreign(&self) -> bool {
        is_default(self.end) && !self.at.iter().any(|ip| is_published(*ip))
    }

    /// The finding with the strongest proof there is.
    fn found(&self) -> Found {
        match (self.passes, self.other) {
            (Some(well), _) => Found::root(self.end).flipped(Some(well), Axis::Address),
            (None, Some(other)) => {
                let mut found = Found::root(self.end).likely();
                found.proof.push(Proof::One(other.id));
                found
            }
            (None, None) => Found::root(self.end).likely(),
        }
    }
}

/// The end of a call that was sent to the wrong place by DNS itself, as far as is known.
fn astray<'a>(names: &Names<'a>) -> Option<Astray<'a>> {
    let (end, failure) = names.unreached()?;
    let at = names.evidence.addresses().to_vec();
    let is_local_name = names.host == "localhost" || names.host.ends_with(".localhost");
    if at.is_empty() || is_local_name || is_pinned(names, &at) || absolute(names, &at).is_some() {
        return None;
    }
    let asked = || names.configured.iter().copied().chain(names.others());
    let given = || asked().filter_map(|ip| names.answer(ip, names.host));
    let mut other = None;
    for answer in given() {
        let Answer::Gives(fact) = answer else { continue };
        let is_same = addresses(fact).iter().any(|ip| at.contains(ip));
        let is_elsewhere = fact.path.resolver.is_some_and(|ip| !names.configured.contains(&ip));
        if is_same && is_elsewhere && !is_everywhere(names) {
            return None;
        }
        // The same family, or the two would differ for another reason.
        let is_like = addresses(fact).iter().any(|ip| at.iter().any(|own| own.is_ipv4() == ip.is_ipv4()));
        if !is_same && is_like {
            other = other.or(Some(fact));
        }
    }
    let passes = other.and_then(|_| passes(names, &at));
    Some(Astray { end, failure, at, passes, other })
}

/// Whether the same somebody answers for every resolver.
fn is_everywhere(names: &Names<'_>) -> bool {
    names.intercepted().is_some()
}

/// Whether the addresses that DNS gives are not those of the API.
pub(super) fn leads_astray(names: &Names<'_>) -> bool {
    astray(names).is_some_and(|a| a.is_foreign() && !a.all(Kind::Fake))
}

/// A connection to another address of the name that went well: as the reference client judges certificates.
fn passes<'a>(names: &Names<'a>, not_at: &[IpAddr]) -> Option<&'a Fact> {
    let trust = names.evidence.reference().find_map(|f| f.path.trust.clone());
    names.evidence.find(|f| {
        let is_other = f.path.address.is_some_and(|ip| !not_at.contains(&ip));
        let is_probe = f.path.client.is_none() && f.path.host == names.host && f.path.port.is_none();
        let is_well = match (&trust, &f.saw) {
            (Some(_), Ok(Seen::Handshake { .. })) => f.path.trust == trust,
            (None, Ok(Seen::Connected)) => f.stage == Stage::Connect,
            _ => false,
        };
        is_other && is_probe && is_well
    })
}

/// Whether every other address fails as well, so that the address is not what is wrong.
fn fails_everywhere(names: &Names<'_>, not_at: &[IpAddr]) -> bool {
    let tried = names.evidence.facts().iter().any(|f| {
        f.path.client.is_none()
            && f.path.host == names.host
            && matches!(f.stage, Stage::Connect | Stage::Handshake)
            && f.path.address.is_some_and(|ip| !not_at.contains(&ip))
    });
    tried && passes(names, not_at).is_none()
}

/// Whether the hosts file gives these addresses.
fn is_pinned(names: &Names<'_>, at: &[IpAddr]) -> bool {
    let Some((_, value)) = names.evidence.state("hosts") else { return false };
    let pinned: Vec<IpAddr> = value.raw().split(' ').filter_map(|word| word.parse().ok()).collect();
    at.iter().any(|ip| pinned.contains(ip))
}

/// A line of the hosts file decides about the name, and the call fails where it leads.
fn hosts(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let (end, _) = names.unreached()?;
    let (state, _) = evidence.state("hosts")?;
    let at = evidence.addresses();
    if !is_pinned(&names, at) || fails_everywhere(&names, at) {
        return None;
    }
    let asked = names.configured.iter().copied().chain(names.others());
    let is_confirmed = asked.filter_map(|ip| names.answer(ip, names.host)).any(|answer| match answer {
        Answer::Gives(fact) => addresses(fact).iter().any(|ip| at.contains(ip)),
        Answer::Denies(..) | Answer::Empty(_) | Answer::Silent(_) => false,
    });
    if is_confirmed {
        return None;
    }
    match passes(&names, at) {
        Some(well) => {
            let mut found = Found::root(end).flipped(Some(well), Axis::Address);
            found.proof.push(Proof::One(state.id));
            Some(found)
        }
        // Nobody else knows a better address: what is pinned is wrong only if it cannot be right.
        None => {
            let is_wrong =
                at.iter().all(|ip| kind(*ip) == Kind::Nowhere || (is_default(end) && !is_published(*ip)));
            is_wrong.then(|| Found::root(state))
        }
    }
}

/// The look-up of the name as it is, without the search list, where it gives other addresses.
fn absolute<'a>(names: &Names<'a>, at: &[IpAddr]) -> Option<&'a Fact> {
    names.evidence.state("resolv.search")?;
    names.evidence.at(Stage::Resolve).find(|f| {
        let is_absolute = f.path.resolver.is_none() && f.path.host.strip_suffix('.') == Some(names.host);
        is_absolute && !addresses(f).is_empty() && !addresses(f).iter().any(|ip| at.contains(ip))
    })
}

/// With the search list the name leads elsewhere than without it.
fn search_domain(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let end = names.unreached().or_else(|| names.unresolved())?.0;
    let at = evidence.addresses();
    let control = absolute(&names, at)?;
    let mut found = Found::root(end).flipped(Some(control), Axis::Host);
    match passes(&names, at) {
        Some(well) => found.proof.push(Proof::One(well.id)),
        None if fails_everywhere(&names, at) => return None,
        None => found = found.likely(),
    }
    Some(found)
}

/// Two different answers came to one question.
fn injected(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    names.unreached().or_else(|| names.unresolved())?;
    let at = evidence.addresses();
    let (second, _) = evidence.said("dns.second").find(|(f, value)| {
        let is_asked = f.path.resolver.is_some_and(|ip| names.configured.contains(&ip));
        let given: Vec<IpAddr> = value.raw().split(' ').filter_map(|w| w.parse().ok()).collect();
        is_asked && f.path.host == names.host && !given.is_empty() && !given.iter().any(|ip| at.contains(ip))
    })?;
    let first = names.asked(second.path.resolver?, names.host).find(|f| f.path.family == second.path.family);
    let mut found = Found::root(second);
    found.proof.extend(first.map(|f| Proof::One(f.id)));
    Some(found)
}

/// A resolver on this machine still gives an old address, and whom it asks in its turn gives another.
fn stale_cache(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let astray = astray(&names)?;
    let is_here = names.first().is_some_and(|ip| ip.is_loopback());
    let differs = names.behind.iter().any(|ip| match names.answer(*ip, names.host) {
        Some(Answer::Gives(fact)) => !addresses(fact).iter().any(|ip| astray.at.contains(ip)),
        Some(Answer::Denies(..) | Answer::Empty(_) | Answer::Silent(_)) | None => false,
    });
    (is_here && differs && astray.passes.is_some()).then(|| astray.found())
}

/// Whether the addresses are known to be wrong: by another resolver, or because the API has no such ones.
fn is_wrong(astray: &Astray<'_>) -> bool {
    astray.passes.is_some() || (astray.is_foreign() && !astray.all(Kind::Fake))
}

/// Whether the way to a private address is one of its own, whose next hop is dead or which a router does not know.
fn needs_a_tunnel(evidence: &Evidence, astray: &Astray<'_>) -> bool {
    let routes = Routes::new(evidence);
    let Some(ip) = astray.at.first() else { return false };
    let says_no_way =
        matches!(astray.failure, Failure::Unreachable(Icmp::NoRoute | Icmp::Network | Icmp::Host));
    match routes.to(*ip) {
        // On this very link there is no tunnel.
        Some(route) if route.via.is_none() && !route.is_tunnel() => false,
        Some(route) if route.is_tunnel() || !route.is_default() => true,
        Some(_) => says_no_way,
        None => matches!(astray.failure, Failure::Unreachable(_)),
    }
}

/// An address of a private network, or of a program's own making, to which there is no way from here.
fn split_horizon(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let astray = astray(&names)?;
    // Made up by a program that carries the traffic, which is not there to take it.
    if astray.all(Kind::Fake) && astray.is_dead() {
        return Some(astray.found());
    }
    let is_private = astray.all(Kind::Private) && astray.is_dead();
    let is_meant = is_wrong(&astray) || astray.other.is_none();
    (is_private && is_meant && needs_a_tunnel(evidence, &astray)).then(|| astray.found())
}

/// The name leads to this machine itself, to nowhere, or to a private address with nothing behind it.
fn sinkhole(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let astray = astray(&names)?;
    if astray.all(Kind::Nowhere) {
        let answer = names.own().unwrap_or(astray.end);
        return Some(Found::root(answer));
    }
    let is_private = astray.all(Kind::Private) && astray.is_dead();
    (is_private && is_wrong(&astray) && !needs_a_tunnel(evidence, &astray)).then(|| astray.found())
}

/// Words by which filters call themselves in their certificates.
const FILTERS: [&str; 24] = [
    "block",
    "filter",
    "forti",
    "umbrella",
    "opendns",
    "zscaler",
    "netskope",
    "sophos",
    "barracuda",
    "untangle",
    "webtitan",
    "safedns",
    "cleanbrowsing",
    "nextdns",
    "adguard",
    "smoothwall",
    "lightspeed",
    "securly",
    "sonicwall",
    "watchguard",
    "forcepoint",
    "websense",
    "cisco",
    "palo alto",
];

/// What says that a filter's page is there: its certificate, or what it answers in clear.
fn page<'a>(names: &Names<'a>, at: &[IpAddr]) -> Option<&'a Fact> {
    let is_there = |f: &&Fact| f.path.address.is_some_and(|ip| at.contains(&ip));
    let here = || names.evidence.facts().iter().filter(is_there);
    let shown = here().find(|f| {
        let Ok(Seen::Shown(cert)) = &f.saw else { return false };
        let own = [&cert.subject, &cert.issuer].into_iter().chain(&cert.names);
        let text: String = own.map(|t| t.raw().to_lowercase()).collect::<Vec<_>>().join(" ");
        FILTERS.iter().any(|word| text.contains(word))
    });
    let answer = here().find(|f| match &f.saw {
        Ok(Seen::State(name, value)) if name == "plain.answer" => {
            ["WebFilter", "Blocked", "Portal"].iter().any(|word| value.raw().contains(word))
        }
        Ok(_) | Err(_) => false,
    });
    shown.or(answer)
}

/// The name leads to a filter that says so.
fn block_page(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let astray = astray(&names)?;
    let page = page(&names, &astray.at).filter(|_| is_wrong(&astray))?;
    let mut found = astray.found();
    found.proof.push(Proof::One(page.id));
    Some(found)
}

/// A public address at which nothing answers, where others give one at which the API does.
fn stale_record(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let astray = astray(&names)?;
    let is_stale = astray.is_dead() && astray.all(Kind::Public) && astray.passes.is_some();
    is_stale.then(|| astray.found())
}

/// Somebody else's server.
fn wrong_address(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let astray = astray(&names)?;
    if astray.is_dead() || page(&names, &astray.at).is_some() || astray.all(Kind::Fake) {
        return None;
    }
    let is_other_host = matches!(astray.failure, Failure::Cert(CertFault::WrongHost));
    // Without a comparison: addresses that the API does not have, and a certificate of others.
    (astray.passes.is_some() || (astray.is_foreign() && is_other_host)).then(|| astray.found())
}
