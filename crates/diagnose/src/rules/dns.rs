//! Names and the addresses that they become.

use std::net::IpAddr;

use clearline_model::{Axis, Cause, Dur, Fact, Failure, Path, Seen, Stage};

use super::{Found, Rule};
use crate::evidence::Evidence;
use crate::plan::{Goal, Probe, What};

pub(crate) const RULES: &[Rule] = &[
    Rule { cause: Cause::ConfigBaseUrlUnknownHost, judge: unknown_host },
    Rule { cause: Cause::ConfigNoResolver, judge: no_resolver },
    Rule { cause: Cause::ConfigHostsOverride, judge: hosts },
    Rule { cause: Cause::DnsSinkhole, judge: sinkhole },
];

/// Where a configured name is not found: whether the API's own name is.
pub(crate) fn plan(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    let ended = evidence.end().map(|(fact, _)| fact.stage);
    if goal.only_target || goal.is_default || ended != Some(Stage::Resolve) {
        return Vec::new();
    }
    let path = Path { host: API.to_owned(), ..goal.path() };
    vec![Probe::new(What::Lookup, path, Dur::secs(3), &[Cause::ConfigBaseUrlUnknownHost])]
}

/// The host of the API.
pub(crate) const API: &str = "api.anthropic.com";

fn is_default(fact: &Fact) -> bool {
    fact.path.host == API
}

/// The configured name does not exist, and the default one does.
fn unknown_host(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end()?;
    let is_name = fact.stage == Stage::Resolve && matches!(failure, Failure::Rcode(..) | Failure::NoAddress);
    if !is_name || is_default(fact) {
        return None;
    }
    let control = evidence.flip(fact, Axis::Host)?;
    Some(Found::root(fact).flipped(Some(control), Axis::Host))
}

/// No name is resolved, and no resolver is set.
fn no_resolver(evidence: &Evidence) -> Option<Found> {
    let (fact, _) = evidence.end().filter(|(f, _)| f.stage == Stage::Resolve)?;
    let (state, value) = evidence.state("resolvers")?;
    let others = evidence.find(|f| f.stage == Stage::Resolve && f.saw.is_ok());
    (value.raw().is_empty() && others.is_none() && fact.stage == Stage::Resolve).then(|| Found::root(state))
}

fn ends_below_the_api(evidence: &Evidence) -> bool {
    evidence.end().is_some_and(|(f, _)| {
        matches!(f.stage, Stage::Resolve | Stage::Connect | Stage::Handshake | Stage::Send | Stage::Head)
    })
}

/// A line of the hosts file decides about the name, and the call fails where it leads.
fn hosts(evidence: &Evidence) -> Option<Found> {
    let (fact, _) = evidence.state("hosts")?;
    ends_below_the_api(evidence).then(|| Found::root(fact))
}

/// The name leads to this machine itself or to nowhere, although no hosts line says so.
fn sinkhole(evidence: &Evidence) -> Option<Found> {
    if evidence.state("hosts").is_some() || !ends_below_the_api(evidence) {
        return None;
    }
    let leads_nowhere = |ip: &IpAddr| ip.is_unspecified() || ip.is_loopback();
    let fact = evidence
        .passed(Stage::Resolve)
        .filter(|f| f.path.host.contains(|c: char| c.is_ascii_alphabetic()))?;
    let is_local_name = fact.path.host == "localhost" || fact.path.host.ends_with(".localhost");
    let Ok(Seen::Addresses(addrs)) = &fact.saw else { return None };
    (!is_local_name && !addrs.is_empty() && addrs.iter().all(leads_nowhere)).then(|| Found::root(fact))
}
