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

/// A switch is on. It stands in the way of that client where no credential for the other cloud is seen, and one of the API is:
/// then it was left over. Otherwise it may be meant, and how far that way goes is worth knowing.
fn route_switch(evidence: &Evidence) -> Option<Found> {
    let (switch, _) = evidence.state("route-switch")?;
    let host = evidence.state("cloud.host").map(|(_, host)| host.raw());
    let is_there = |f: &&Fact| Some(f.path.host.as_str()) == host && f.path.client.is_none();
    let is_end = |f: &&Fact| f.saw.is_err() && f.stage < Stage::Head && f.path.trust.is_none();
    let broken = evidence.facts().iter().filter(is_there).find(is_end);
    let lacking = evidence.state("cloud.credential").filter(|(_, kind)| is_lacking(kind.raw()));
    let has_own = evidence.state("credential").is_some_and(|(_, shape)| shape.raw() != "missing");
    let mut found = match lacking.filter(|_| has_own) {
        Some((fact, _)) => Found::contributing(fact).likely(),
        None => Found::information(switch),
    };
    let more = [Some(switch), broken].into_iter().flatten().map(|f| Proof::One(f.id));
    for proof in more {
        if !found.proof.contains(&proof) {
            found.proof.push(proof);
        }
    }
    Some(found)
}

fn is_lacking(kind: &str) -> bool {
    matches!(kind, "none" | "half" | "file-missing")
}
