//! Who answers, and whether the key may.

use clearline_model::{Axis, Cause, Failure, Origin, Stage};

use super::{Found, Rule};
use crate::evidence::Evidence;

pub(crate) const RULES: &[Rule] = &[
    Rule { cause: Cause::ProxyStripsCredentials, judge: stripped },
    Rule { cause: Cause::EdgeNotTheApi, judge: not_the_api },
];

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

/// What answers without a key does not answer as the API does.
fn not_the_api(evidence: &Evidence) -> Option<Found> {
    let keyless = evidence.find(|f| {
        f.stage == Stage::Head
            && f.path.credential.as_deref() == Some("")
            && matches!(f.saw, Err(Failure::Framing(_)))
    })?;
    Some(Found::root(keyless).likely())
}
