//! Who signed the certificate that a finding is about.

use clearline_model::{Fact, Failure, Finding, Proof, Seen};

use crate::evidence::Evidence;

/// Adds the certificate that was shown on the way of a failed handshake to the proof.
pub(crate) fn add(evidence: &Evidence, finding: &mut Finding) {
    let of = |proof: &Proof| match proof {
        Proof::Flip(id, ..) | Proof::One(id) | Proof::Rate(id, ..) => *id,
    };
    let failed = finding.proof.iter().filter_map(|proof| evidence.find(|f| f.id == of(proof)));
    let Some(failed) = failed.into_iter().find(|f| matches!(f.saw, Err(Failure::Cert(_)))) else { return };
    let is_same = |f: &Fact| {
        let (a, b) = (&f.path, &failed.path);
        a.host == b.host && a.address == b.address && a.route == b.route && a.server_name == b.server_name
    };
    let shown = evidence.find(|f| matches!(f.saw, Ok(Seen::Shown(_))) && is_same(f));
    let is_new = |f: &&Fact| !finding.proof.contains(&Proof::One(f.id));
    finding.proof.extend(shown.filter(is_new).map(|f| Proof::One(f.id)));
}
