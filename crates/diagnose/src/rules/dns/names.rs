//! The name does not become an address.

use std::net::IpAddr;

use clearline_model::{Axis, Cause, Fact, Failure};

use super::view::{Answer, Names, addresses, is_silence};
use super::{API, is_default};
use crate::evidence::Evidence;
use crate::rules::address::{Kind, kind};
use crate::rules::{Found, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule { cause: Cause::ConfigBaseUrlUnknownHost, judge: unknown_host },
    Rule { cause: Cause::ConfigNoResolver, judge: no_resolver },
    Rule { cause: Cause::ConfigNssWithoutDns, judge: nss_without_dns },
    Rule { cause: Cause::DnsIntercepted, judge: intercepted },
    Rule { cause: Cause::DnsDanglingCname, judge: dangling },
    Rule { cause: Cause::DnsTcpBlocked, judge: tcp_blocked },
    Rule { cause: Cause::DnsRebindProtection, judge: rebind_protection },
    Rule { cause: Cause::DnsStaleCache, judge: stale_cache },
    Rule { cause: Cause::DnsFiltered, judge: filtered },
    Rule { cause: Cause::DnsRefused, judge: refused },
    Rule { cause: Cause::DnsResolverUnreachable, judge: unreachable },
];

/// RFC 1035 section 4.1.1.
const NO_SUCH_NAME: u16 = 3;
const REFUSED: u16 = 5;
/// RFC 8914: blocked, censored, filtered, prohibited.
const BLOCKED: std::ops::RangeInclusive<u16> = 15..=18;

/// The configured name does not exist, and the default one does.
fn unknown_host(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let (fact, failure) = names.unresolved()?;
    if is_default(fact) || !matches!(failure, Failure::Rcode(NO_SUCH_NAME, _) | Failure::NoAddress) {
        return None;
    }
    // The name is there and has no address: nothing is misspelled.
    if let Some((_, Answer::Empty(_))) = denial(&names) {
        return None;
    }
    // Somebody knows it: then it is the resolver here that does not.
    if names.known_elsewhere().is_some() {
        return None;
    }
    let control = evidence.find(|f| {
        f.path.host == API && f.path.resolver.is_none() && f.path.client.is_none() && !addresses(f).is_empty()
    })?;
    Some(Found::root(fact).flipped(Some(control), Axis::Host))
}

/// No name is resolved, and no resolver is set.
fn no_resolver(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    names.unresolved()?;
    let (state, _) = evidence.state("resolvers")?;
    names.configured.is_empty().then(|| Found::root(state))
}

/// The order of look-ups does not lead to DNS, which knows the name.
fn nss_without_dns(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let (end, _) = names.unresolved()?;
    let (state, value) = evidence.state("nss.hosts")?;
    if value.raw().split(' ').any(|source| matches!(source, "dns" | "resolve")) {
        return None;
    }
    let known = names.configured.iter().find_map(|ip| match names.answer(*ip, names.host) {
        Some(Answer::Gives(fact)) => Some(fact),
        Some(Answer::Denies(..) | Answer::Empty(_) | Answer::Silent(_)) | None => None,
    });
    // With a resolver that does not know it either there is more to find out.
    let known = known.or_else(|| names.known_elsewhere())?;
    let mut found = Found::root(end).flipped(Some(known), Axis::Resolver);
    found.proof.push(clearline_model::Proof::One(state.id));
    Some(found)
}

/// The answer of the resolver that this machine asks first, where it is no address.
fn denial<'a>(names: &Names<'a>) -> Option<(IpAddr, Answer<'a>)> {
    names.unresolved()?;
    // A resolver that does not answer is passed over.
    names.configured.iter().find_map(|ip| match names.answer(*ip, names.host)? {
        Answer::Silent(_) => None,
        answer @ (Answer::Gives(_) | Answer::Denies(..) | Answer::Empty(_)) => Some((*ip, answer)),
    })
}

/// Whoever answers at an address where nobody is answers everywhere, and the answers here are not the true ones.
fn intercepted(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let (fact, for_every_name) = names.intercepted()?;
    if !for_every_name {
        return None;
    }
    let is_wrong = match names.unresolved() {
        Some((_, failure)) => matches!(failure, Failure::Rcode(..) | Failure::NoAddress),
        None => super::places::leads_astray(&names),
    };
    is_wrong.then(|| Found::root(fact))
}

/// The name is an alias of one that is not there.
fn dangling(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let (_, answer) = denial(&names)?;
    let (Answer::Denies(fact, NO_SUCH_NAME) | Answer::Empty(fact)) = answer else { return None };
    names.says(fact, "dns.alias").map(|_| Found::root(fact))
}

/// The answer does not fit a datagram, and the resolver cannot be connected to.
fn tcp_blocked(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let (_, failure) = names.unresolved()?;
    if matches!(failure, Failure::Rcode(NO_SUCH_NAME, _)) {
        return None;
    }
    names.configured.iter().find_map(|ip| {
        let is_cut = names.asked(*ip, names.host).any(|f| names.says(f, "dns.truncated").is_some());
        let over_tcp = names.over_tcp(*ip)?;
        let is_silent = over_tcp.saw.as_ref().err().is_some_and(|f| is_silence(*f));
        (is_cut && is_silent).then(|| Found::root(over_tcp))
    })
}

/// The resolver gives nothing, and others give an address of a private network.
fn rebind_protection(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let (_, Answer::Denies(fact, _) | Answer::Empty(fact)) = denial(&names)? else { return None };
    let known = names.known_elsewhere()?;
    let is_private = addresses(known).iter().all(|ip| kind(*ip) == Kind::Private);
    is_private.then(|| Found::root(fact).flipped(Some(known), Axis::Resolver))
}

/// What is behind a resolver on this machine, as far as it was asked: what it gives, and what it denies.
fn behind<'a>(names: &Names<'a>) -> (Option<&'a Fact>, bool) {
    let answers = || names.behind.iter().filter_map(|ip| names.answer(*ip, names.host));
    let gives = answers().find_map(|answer| match answer {
        Answer::Gives(fact) => Some(fact),
        Answer::Denies(..) | Answer::Empty(_) | Answer::Silent(_) => None,
    });
    (gives, answers().any(|answer| matches!(answer, Answer::Denies(..) | Answer::Empty(_))))
}

/// A resolver on this machine still says that the name is not there, and whom it asks in its turn gives it.
fn stale_cache(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let (ip, Answer::Denies(fact, NO_SUCH_NAME) | Answer::Empty(fact)) = denial(&names)? else { return None };
    if !ip.is_loopback() || is_marked_blocked(&names, ip) || names.knows_controls(ip) == Some(false) {
        return None;
    }
    match behind(&names) {
        (Some(known), _) => Some(Found::root(fact).flipped(Some(known), Axis::Resolver)),
        (None, true) => None,
        (None, false) => {
            let known = names.known_elsewhere()?;
            Some(Found::root(fact).flipped(Some(known), Axis::Resolver).likely())
        }
    }
}

fn is_marked_blocked(names: &Names<'_>, ip: IpAddr) -> bool {
    names
        .asked(ip, names.host)
        .any(|f| matches!(f.saw, Err(Failure::Rcode(_, Some(why))) if BLOCKED.contains(&why)))
}

/// Questions that got no answer, before silence is more than bad luck.
const UNANSWERED: usize = 3;

/// A resolver answers for other names, and not once for this one.
fn ignored<'a>(names: &Names<'a>) -> Option<&'a Fact> {
    names.unresolved()?;
    names.configured.iter().find_map(|ip| match names.answer(*ip, names.host) {
        Some(Answer::Silent(fact)) => {
            let asked = names.asked(*ip, names.host).filter(|f| matches!(f.saw, Err(Failure::TimedOut(_))));
            let is_cut = names.says(fact, "dns.truncated").is_some();
            let knows_others = names.knows_controls(*ip) == Some(true);
            (asked.count() >= UNANSWERED && knows_others && !is_cut).then_some(fact)
        }
        Some(Answer::Gives(_) | Answer::Denies(..) | Answer::Empty(_)) | None => None,
    })
}

/// The resolver denies this name and no other, or leaves it unanswered, and others know it.
fn filtered(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let Some((ip, answer)) = denial(&names) else {
        let found = Found::root(ignored(&names)?);
        return Some(match names.known_elsewhere() {
            Some(known) => found.flipped(Some(known), Axis::Resolver),
            None => found.likely(),
        });
    };
    let (Answer::Denies(fact, _) | Answer::Empty(fact)) = answer else { return None };
    if is_marked_blocked(&names, ip) {
        return Some(Found::root(fact));
    }
    let (Answer::Denies(fact, NO_SUCH_NAME | REFUSED) | Answer::Empty(fact)) = answer else { return None };
    let is_cached = ip.is_loopback() && !behind(&names).1;
    if names.says(fact, "dns.alias").is_some() || is_cached {
        return None;
    }
    let known = names.known_elsewhere()?;
    match names.knows_controls(ip) {
        Some(false) => None,
        Some(true) => Some(Found::root(fact).flipped(Some(known), Axis::Resolver)),
        None => Some(Found::root(fact).flipped(Some(known), Axis::Resolver).likely()),
    }
}

/// The resolver refuses whatever this machine asks.
fn refused(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    let (ip, Answer::Denies(fact, REFUSED)) = denial(&names)? else { return None };
    let found = Found::root(fact);
    match names.knows_controls(ip) {
        Some(true) if names.known_elsewhere().is_some() => None,
        Some(true) | None => Some(found.likely()),
        Some(false) => Some(found),
    }
}

/// Nothing comes from any resolver that this machine asks.
fn unreachable(evidence: &Evidence) -> Option<Found> {
    let names = Names::new(evidence)?;
    names.unresolved()?;
    // It answers others: then it is there.
    if ignored(&names).is_some() {
        return None;
    }
    let mut silent = None;
    for ip in &names.configured {
        match names.answer(*ip, names.host) {
            Some(Answer::Silent(fact)) if names.says(fact, "dns.truncated").is_none() => silent = Some(fact),
            // Nothing was heard because nobody waited for it.
            None => {}
            Some(_) => return None,
        }
    }
    let known = names.known_elsewhere();
    silent.map(|fact| Found::root(fact).flipped(known, Axis::Resolver))
}
