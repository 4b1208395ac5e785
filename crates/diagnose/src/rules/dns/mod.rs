//! Names and the addresses that they become.

mod late;
mod names;
mod places;
mod view;

use std::net::IpAddr;

use clearline_model::{Cause, Dur, Fact, Path, Seen, Stage, Transport};

use super::Rule;
use super::address::NOBODY;
use crate::evidence::Evidence;
use crate::plan::{Goal, Probe, What};
pub(super) use late::lost_everywhere;
use view::{Answer, Names, addresses};

/// The rules of this layer.
pub(crate) fn rules() -> impl Iterator<Item = &'static Rule> {
    [names::RULES, places::RULES, late::RULES].into_iter().flatten()
}

/// The host of the API.
pub(crate) const API: &str = "api.anthropic.com";

/// The limit of a comparison.
const LIMIT: Dur = Dur::secs(2);
/// The limit of what mostly gets no answer: whoever answers in another's place is near.
const NOBODY_LIMIT: Dur = Dur::millis(800);
/// Questions that a rate is made of.
const MANY: u8 = 12;
/// The most addresses of other resolvers that are tried.
const ADDRESSES_MAX: usize = 3;

fn is_default(fact: &Fact) -> bool {
    fact.path.host == API
}

/// What tells the causes of this layer apart, where the call fails at a name or behind an address.
pub(crate) fn plan(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    if goal.proxy.is_some() || goal.is_loopback {
        return Vec::new();
    }
    let Some(names) = Names::new(evidence) else { return Vec::new() };
    if names.unresolved().is_some() {
        let mut all = compare(goal, &names);
        all.extend(ask_again(goal, &names));
        all.extend(behind_an_alias(goal, &names));
        return all;
    }
    if let Some((end, _)) = names.unreached() {
        let mut all = compare(goal, &names);
        all.extend(elsewhere(goal, &names));
        if let Some(ip) = end.path.address {
            const WHY: &[Cause] = &[Cause::DnsBlockPage, Cause::DnsWrongAddress];
            all.push(Probe::new(What::Plain, Path { port: Some(80), ..goal.at(ip) }, LIMIT, WHY));
        }
        return all;
    }
    if !is_late(&names) {
        return Vec::new();
    }
    let mut all = many(goal, &names.configured);
    all.extend(absolute(goal, &names));
    all
}

/// The name as it is, without the search list.
fn absolute(goal: &Goal, names: &Names<'_>) -> Option<Probe> {
    names.evidence.state("resolv.search")?;
    let path = Path { host: format!("{}.", goal.host), ..goal.direct() };
    Some(Probe::new(What::Lookup, path, LIMIT, &[Cause::ConfigSearchDomain, Cause::DnsSlow]))
}

/// A question to a resolver.
fn ask(goal: &Goal, resolver: IpAddr, host: &str) -> Path {
    Path { host: host.to_owned(), resolver: Some(resolver), family: Some(4), ..goal.direct() }
}

/// The name and a control name at every resolver, at others, and where there is none.
fn compare(goal: &Goal, names: &Names<'_>) -> Vec<Probe> {
    const WHY: &[Cause] = &[
        Cause::DnsFiltered,
        Cause::DnsInjected,
        Cause::DnsIntercepted,
        Cause::DnsNameNotFound,
        Cause::DnsRefused,
    ];
    let mut all = Vec::new();
    let control = goal.controls.first().filter(|_| !goal.only_target);
    let mut resolvers = names.configured.clone();
    resolvers.extend(candidates_behind(names));
    if !goal.only_target {
        resolvers.extend(goal.public_resolvers.iter().copied());
        resolvers.push(NOBODY);
    }
    resolvers.dedup();
    for ip in resolvers {
        let limit = if ip == NOBODY { NOBODY_LIMIT } else { LIMIT };
        all.push(Probe::new(What::LookupTwice, ask(goal, ip, &goal.host), limit, WHY));
        all.extend(control.map(|host| Probe::new(What::Lookup, ask(goal, ip, host), limit, WHY)));
    }
    if !goal.is_default && !goal.only_target {
        let path = Path { host: API.to_owned(), ..goal.path() };
        all.push(Probe::new(What::Lookup, path, Dur::secs(3), &[Cause::ConfigBaseUrlUnknownHost]));
    }
    all.extend(absolute(goal, names));
    all
}

/// Whom a resolver on this machine asks in its turn: as is written down, else the router.
fn candidates_behind(names: &Names<'_>) -> Vec<IpAddr> {
    if !names.configured.iter().any(IpAddr::is_loopback) {
        return Vec::new();
    }
    names.behind.clone()
}

/// The resolvers of this machine in the foreground, where nothing was heard from them, and over TCP where they are silent.
fn ask_again(goal: &Goal, names: &Names<'_>) -> Vec<Probe> {
    const WHY: &[Cause] = &[Cause::DnsResolverUnreachable, Cause::DnsTcpBlocked, Cause::DnsAaaaBroken];
    let mut all = Vec::new();
    for ip in &names.configured {
        match names.answer(*ip, names.host) {
            None => {
                for family in [4, 6] {
                    let path = Path { family: Some(family), ..ask(goal, *ip, &goal.host) };
                    all.push(Probe::new(What::Lookup, path, LIMIT, WHY).times(3));
                }
            }
            Some(Answer::Silent(_)) => {
                let path = Path { transport: Some(Transport::Tcp), ..ask(goal, *ip, &goal.host) };
                all.push(Probe::new(What::Lookup, path, LIMIT, WHY));
            }
            Some(Answer::Gives(_) | Answer::Denies(..) | Answer::Empty(_)) => {}
        }
    }
    all
}

/// What the name is an alias of, where the alias has no address.
fn behind_an_alias(goal: &Goal, names: &Names<'_>) -> Vec<Probe> {
    let at = |ip: &IpAddr| {
        let (_, alias) = names.evidence.said("dns.alias").find(|(f, _)| f.path.resolver == Some(*ip))?;
        let path = ask(goal, *ip, alias.raw().trim_end_matches('.'));
        Some(Probe::new(What::Lookup, path, LIMIT, &[Cause::DnsDanglingCname]))
    };
    names.configured.iter().filter_map(at).collect()
}

/// The addresses that resolvers give and the reference client was not given.
fn elsewhere(goal: &Goal, names: &Names<'_>) -> Vec<Probe> {
    const WHY: &[Cause] =
        &[Cause::ConfigHostsOverride, Cause::DnsStaleRecord, Cause::DnsWrongAddress, Cause::DnsSinkhole];
    let at = names.evidence.addresses();
    let mut others: Vec<IpAddr> = names
        .evidence
        .at(Stage::Resolve)
        .filter(|f| f.path.host.trim_end_matches('.') == names.host && f.path.client.is_none())
        .flat_map(addresses)
        .copied()
        .chain(second_answers(names))
        .filter(|ip| !at.contains(ip))
        .collect();
    others.sort_unstable();
    others.dedup();
    let what = if goal.is_plain { What::Connect } else { What::Handshake };
    others
        .into_iter()
        .take(ADDRESSES_MAX)
        .map(|ip| Probe::new(what, goal.at(ip), Dur::secs(3), WHY))
        .collect()
}

fn second_answers<'a>(names: &Names<'a>) -> impl Iterator<Item = IpAddr> + use<'a> {
    let words = names.evidence.said("dns.second").flat_map(|(_, value)| value.raw().split(' '));
    words.filter_map(|word| word.parse().ok())
}

/// Whether the look-up came late, or something is open about the resolver that was asked first.
fn is_late(names: &Names<'_>) -> bool {
    let first = names.first();
    let is_open = |name: &'static str| {
        let mut said = names.evidence.said(name);
        said.any(|(f, _)| f.stage == Stage::Resolve && f.path.resolver.is_some() && f.path.resolver == first)
    };
    let is_lost = first
        .is_some_and(|ip| names.asked(ip, names.host).any(|f| f.saw.is_err() && f.path.family == Some(4)));
    let is_late = names.own().is_some_and(|f| f.took >= late::LATE);
    is_late || is_lost || is_open("unfinished") || is_open("dns.lost")
}

/// While a call is under way that takes long: enough questions for a rate, as it may be the name that it waits for although the
/// resolver answers; and another name, where it does not.
pub(crate) fn meanwhile(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    if goal.proxy.is_some() || goal.is_loopback {
        return Vec::new();
    }
    let is_asked = |f: &&Fact| f.path.host == goal.host && f.path.resolver.as_ref() == goal.resolvers.first();
    let is_answered = |f: &Fact| matches!(f.saw, Ok(Seen::Addresses(_)));
    if evidence.at(Stage::Resolve).filter(is_asked).any(is_answered) {
        return many(goal, &goal.resolvers);
    }
    const WHY: &[Cause] = &[Cause::DnsFiltered, Cause::DnsResolverUnreachable];
    let control = goal.controls.first().filter(|_| !goal.only_target);
    let is_found = evidence.passed(Stage::Resolve).is_some();
    let to_all = |host: &String| {
        let others = goal.resolvers.iter().map(|ip| ask(goal, *ip, host));
        let elsewhere = goal.public_resolvers.first().map(|ip| ask(goal, *ip, &goal.host));
        others.chain(elsewhere).map(|path| Probe::new(What::Lookup, path, LIMIT, WHY)).collect()
    };
    control.filter(|_| !is_found).map_or_else(Vec::new, to_all)
}

/// Enough questions for a rate, to the first resolver and to another one.
fn many(goal: &Goal, configured: &[IpAddr]) -> Vec<Probe> {
    const WHY: &[Cause] =
        &[Cause::DnsFlaky, Cause::DnsFirstResolverDead, Cause::DnsSlow, Cause::DnsAaaaBroken];
    const LIMIT: Dur = Dur::millis(1500);
    let mut resolvers: Vec<IpAddr> = configured.to_vec();
    if !goal.only_target {
        resolvers.extend(goal.public_resolvers.first());
    }
    let probe = |ip: IpAddr| Probe::new(What::Lookup, ask(goal, ip, &goal.host), LIMIT, WHY).times(MANY);
    resolvers.into_iter().map(probe).collect()
}
