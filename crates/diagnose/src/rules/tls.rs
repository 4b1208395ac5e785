//! Certificates and the stores that judge them.

use clearline_model::{Axis, Cause, CertFault, Dur, Fact, Failure, Path, Stage, Trust};

use super::{Found, Rule};
use crate::evidence::Evidence;
use crate::plan::{Goal, Probe, What};

pub(crate) const RULES: &[Rule] = &[
    Rule { cause: Cause::ConfigCaFileReplacesRoots, judge: file_replaces_roots },
    Rule { cause: Cause::ConfigCaStoreEmpty, judge: store_lacks_the_public_roots },
    Rule { cause: Cause::TlsIntercepted, judge: intercepted },
    Rule { cause: Cause::TlsTrustStoreMismatch, judge: mismatch },
];

/// Where the handshake does not end well: what is shown there, and what every store says to it.
pub(crate) fn plan(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    let Some((fact, _)) = evidence.end().filter(|(f, _)| f.stage == Stage::Handshake) else {
        return Vec::new();
    };
    let path = Path { family: fact.path.family, address: fact.path.address, ..goal.path() };
    vec![Probe::new(
        What::Handshake,
        path,
        Dur::secs(3),
        &[Cause::TlsIntercepted, Cause::TlsTrustStoreMismatch],
    )]
}

/// Certificate faults that a store decides about.
fn is_unknown(failure: Failure) -> bool {
    matches!(failure, Failure::Cert(CertFault::UnknownIssuer | CertFault::SelfSigned | CertFault::Other))
}

fn handshake(evidence: &Evidence, trust: &Trust, well: bool) -> Option<Fact> {
    let fits = |f: &Fact| {
        f.stage == Stage::Handshake && f.path.trust.as_ref() == Some(trust) && f.saw.is_ok() == well
    };
    evidence.find(fits).cloned()
}

/// `SSL_CERT_FILE` stands in the place of the roots, and the certificate's root is not in it.
fn file_replaces_roots(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end()?;
    let is_file = matches!(fact.path.trust, Some(Trust::File(_)));
    if !is_file || !is_unknown(failure) {
        return None;
    }
    let control = evidence.flip(fact, Axis::Trust)?;
    Some(Found::root(fact).flipped(Some(control), Axis::Trust))
}

/// The system's store does not know a root that the world trusts.
fn store_lacks_the_public_roots(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end()?;
    if fact.path.trust != Some(Trust::System) || !is_unknown(failure) {
        return None;
    }
    let public = handshake(evidence, &Trust::Public, true)?;
    Some(Found::root(fact).flipped(Some(&public), Axis::Trust))
}

/// The API's own name is shown with a certificate whose root the world does not trust: something on the way re-signs.
fn intercepted(evidence: &Evidence) -> Option<Found> {
    let public = handshake(evidence, &Trust::Public, false)?;
    let is_unknown_there = public.saw.as_ref().err().is_some_and(|f| is_unknown(*f));
    if !is_unknown_there || public.path.host != "api.anthropic.com" {
        return None;
    }
    match evidence.end() {
        Some((fact, failure)) if fact.stage == Stage::Handshake && is_unknown(failure) => {
            Some(Found::root(fact).likely())
        }
        Some(_) => None,
        // The reference client trusts it: healthy, and worth knowing.
        None => Some(Found::information(&public)),
    }
}

/// A store that some client here uses does not verify the certificate, and that of the reference client does.
fn mismatch(evidence: &Evidence) -> Option<Found> {
    let other = evidence.find(|f| {
        f.stage == Stage::Handshake
            && f.path.client.as_deref().is_some_and(|c| c != crate::evidence::REFERENCE)
            && f.saw.as_ref().err().is_some_and(|failure| is_unknown(*failure))
    })?;
    let own = evidence.passed(Stage::Handshake)?;
    Some(Found::contributing(other).flipped(Some(own), Axis::Trust))
}
