//! This machine's clock against the server's.

use clearline_model::{Cause, CertFault, Dur, Failure, Path, Proof, Stage};

use super::{Found, Rule};
use crate::evidence::Evidence;
use crate::plan::{Goal, Probe, What};

pub(crate) const RULES: &[Rule] = &[Rule { cause: Cause::ClockSkew, judge: skew }];

/// Whether a failure can come from a wrong clock.
const fn depends_on_time(failure: Failure) -> bool {
    matches!(failure, Failure::Cert(CertFault::Expired | CertFault::NotYetValid))
}

/// Where a certificate is out of its time: the server's own date, and the chain judged at that.
pub(crate) fn plan(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    let Some((end, _)) = evidence.end().filter(|(_, failure)| depends_on_time(*failure)) else {
        return Vec::new();
    };
    let path = Path { family: end.path.family, address: end.path.address, ..goal.path() };
    vec![Probe::new(What::Dated, path, Dur::secs(3), &[Cause::ClockSkew])]
}

/// Whether what the chain came to at the server's time is about time as well.
fn is_out_of_time(word: &str) -> bool {
    [Cause::TlsExpired, Cause::TlsNotYetValid].iter().any(|cause| cause.id() == word)
}

/// The server's clock is more than five minutes away from this machine's. The call fails for it where the certificate that
/// is refused now is good at the server's time; it contributes where the certificate is bad then too; and where nothing
/// depends on the time it is only worth knowing.
fn skew(evidence: &Evidence) -> Option<Found> {
    let (fact, _) = evidence.said("clock.skew").next()?;
    let end = evidence.end().filter(|(f, failure)| f.stage == Stage::Handshake && depends_on_time(*failure));
    let Some((end, _)) = end else {
        // Signatures of AWS are refused five minutes away.
        let is_signed = evidence.said("route-switch").any(|(_, v)| v.raw().ends_with("BEDROCK"));
        return Some(if is_signed { Found::contributing(fact) } else { Found::information(fact) });
    };
    let then = evidence.said("at-server-time").next();
    match then {
        // Then it is in time: what else may be wrong with it is no matter of the clock.
        Some((then, value)) if !is_out_of_time(value.raw()) => {
            let mut found = Found::root(end);
            found.proof.extend([Proof::One(fact.id), Proof::One(then.id)]);
            Some(found)
        }
        Some(_) => Some(Found::contributing(fact)),
        None => Some(Found::contributing(fact).likely()),
    }
}
