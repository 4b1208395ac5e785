//! Connections: families and addresses.

use clearline_model::{Axis, Cause, Fact, Failure, Stage};

use super::{Found, Rule};
use crate::evidence::Evidence;

pub(crate) const RULES: &[Rule] = &[
    Rule { cause: Cause::ConfigBaseUrlDead, judge: base_url_dead },
    Rule { cause: Cause::TcpIpv6Broken, judge: |e| family(e, 6) },
    Rule { cause: Cause::TcpIpv4Broken, judge: |e| family(e, 4) },
    Rule { cause: Cause::DnsBadAddressInSet, judge: bad_address },
];

fn is_default(fact: &Fact) -> bool {
    fact.path.host == "api.anthropic.com"
}

/// Nothing listens where the base URL leads, and the host is reached or is this machine.
fn base_url_dead(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end()?;
    let is_dead = fact.stage == Stage::Connect && matches!(failure, Failure::Refused | Failure::TimedOut(_));
    let is_local = evidence.state("base-url.loopback").is_some();
    if !is_dead || is_default(fact) || evidence.state("base-url").is_none() {
        return None;
    }
    let found = Found::root(fact);
    Some(if is_local || failure == Failure::Refused { found } else { found.likely() })
}

/// One family is set up and does not work, the other does.
fn family(evidence: &Evidence, broken: u8) -> Option<Found> {
    let of = |f: &&Fact, family: u8| {
        f.stage == Stage::Connect && f.path.family == Some(family) && f.path.client.is_none()
    };
    let connects: Vec<&Fact> = evidence.facts().iter().filter(|f| f.stage == Stage::Connect).collect();
    let mut own = connects.iter().filter(|f| of(f, broken));
    let failed = own.clone().find(|f| f.saw.is_err())?;
    if own.any(|f| f.saw.is_ok()) {
        return None;
    }
    // A family without a route is not set up here, and so no fault.
    let no_route = matches!(failed.saw, Err(Failure::Unreachable(_) | Failure::NoAddress));
    let other = connects.iter().find(|f| of(f, 10 - broken) && f.saw.is_ok())?;
    (!no_route).then(|| Found::contributing(failed).flipped(Some(other), Axis::Family))
}

/// Of several addresses of one family, some do not answer.
fn bad_address(evidence: &Evidence) -> Option<Found> {
    let connects =
        || evidence.facts().iter().filter(|f| f.stage == Stage::Connect && f.path.client.is_none());
    let failed = connects().find(|f| {
        f.saw.is_err()
            && connects()
                .any(|o| o.path.family == f.path.family && o.saw.is_ok() && o.path.address != f.path.address)
    })?;
    let well = connects().find(|o| o.path.family == failed.path.family && o.saw.is_ok())?;
    Some(Found::contributing(failed).flipped(Some(well), Axis::Address))
}
