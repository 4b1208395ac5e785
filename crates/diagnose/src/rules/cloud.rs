//! Another cloud's route: a known client goes there, and the reference client does not.

use clearline_model::{Cause, Dur, Fact, Path, Proof, Stage};

use super::{Found, Rule};
use crate::evidence::Evidence;
use crate::plan::{Goal, Probe, What};

pub(crate) const RULES: &[Rule] = &[Rule { cause: Cause::ConfigRouteSwitch, judge: route_switch }];

/// The way to the other cloud's host, as far as it goes without a credential of that cloud.
pub(crate) fn plan(goal: &Goal, _: &Evidence) -> Vec<Probe> {
    const LIMIT: Dur = Dur::secs(3);
    let Some((host, port)) = goal.cloud.clone().filter(|_| !goal.only_target) else { return Vec::new() };
    let path = Path { host, port: Some(port), ..goal.path() };
    vec![
        Probe::new(What::Handshake, path.clone(), LIMIT, &[Cause::ConfigRouteSwitch]),
        Probe::new(What::Keyless, path, LIMIT, &[Cause::ConfigRouteSwitch]),
    ]
}

/// A switch is on. It stands in the way of that client where the other cloud is not reached, or no credential for it is seen.
fn route_switch(evidence: &Evidence) -> Option<Found> {
    let (switch, _) = evidence.state("route-switch")?;
    let host = evidence.state("cloud.host").map(|(_, host)| host.raw());
    let is_there = |f: &&Fact| Some(f.path.host.as_str()) == host && f.path.client.is_none();
    let broken = || {
        let is_end = |f: &&Fact| f.saw.is_err() && f.stage < Stage::Head && f.path.trust.is_none();
        evidence.facts().iter().filter(is_there).find(is_end)
    };
    let lacking = || evidence.state("cloud.credential").filter(|(_, kind)| is_lacking(kind.raw()));
    let mut found = match (broken(), lacking()) {
        (Some(end), _) => Found::contributing(end),
        (None, Some((fact, _))) => Found::contributing(fact).likely(),
        (None, None) => return Some(Found::information(switch)),
    };
    found.proof.push(Proof::One(switch.id));
    Some(found)
}

fn is_lacking(kind: &str) -> bool {
    matches!(kind, "none" | "half" | "file-missing")
}
