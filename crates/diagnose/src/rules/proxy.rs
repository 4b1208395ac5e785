//! Proxies: their phases, their settings, and what they do to a call.

use clearline_model::{Axis, Cause, Dur, Failure, Origin, Route, Stage};

use super::{Found, Rule};
use crate::evidence::Evidence;
use crate::plan::{Goal, Probe, What};

pub(crate) const RULES: &[Rule] = &[
    Rule { cause: Cause::ProxyUnreachable, judge: |e| tunnel(e, &[Failure::Refused]) },
    Rule { cause: Cause::ProxyAuthRejected, judge: rejected },
    Rule { cause: Cause::ProxyStripsCredentials, judge: stripped },
    Rule { cause: Cause::ProxyUnintended, judge: unintended },
];

/// Where the proxy does not let the call through: the same without it.
pub(crate) fn plan(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    const LIMIT: Dur = Dur::secs(3);
    let ended = evidence.end().map(|(fact, _)| fact.stage);
    if goal.only_target || ended != Some(Stage::Tunnel) {
        return Vec::new();
    }
    vec![Probe::new(What::Keyless, goal.direct(), LIMIT, &[Cause::ProxyUnreachable, Cause::ProxyRequired])]
}

/// The proxy does not let the call through; without it the same stage is passed.
fn tunnel(evidence: &Evidence, failures: &[Failure]) -> Option<Found> {
    let (fact, failure) = evidence.end().filter(|(f, _)| f.stage == Stage::Tunnel)?;
    if !failures.contains(&failure) {
        return None;
    }
    let direct =
        evidence.find(|f| f.stage == Stage::Head && f.path.route == Some(Route::Direct) && f.saw.is_ok());
    Some(Found::root(fact).flipped(direct, Axis::Route))
}

/// The proxy wants credentials, and those that are set are not the right ones.
fn rejected(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end()?;
    let (_, _) = evidence.state("proxy.credentials")?;
    (failure == Failure::Tunnel(407)).then(|| Found::root(fact))
}

/// A call to this machine itself goes through a proxy, which cannot know it.
fn unintended(evidence: &Evidence) -> Option<Found> {
    let (fact, _) = evidence.end().filter(|(f, _)| matches!(f.stage, Stage::Tunnel | Stage::Head))?;
    let through_proxy = matches!(fact.path.route, Some(Route::Proxy(_)));
    (through_proxy && evidence.state("base-url.loopback").is_some()).then(|| Found::root(fact))
}

/// A credential was sent, and the API says that none arrived.
fn stripped(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end()?;
    let is_missing =
        matches!(failure, Failure::Status(401, clearline_model::ErrorKind::CredentialMissing, Origin::Api));
    let was_sent = fact.path.credential.as_deref().is_some_and(|c| !c.is_empty());
    if !is_missing || !was_sent {
        return None;
    }
    let found = Found::root(fact);
    Some(match evidence.flip(fact, Axis::Route) {
        Some(direct) => found.flipped(Some(direct), Axis::Route),
        None => found.likely(),
    })
}
