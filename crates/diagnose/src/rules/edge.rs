//! Who answers.

use clearline_model::{Cause, Failure, Stage};

use super::{Found, Rule};
use crate::evidence::Evidence;

pub(crate) const RULES: &[Rule] = &[Rule { cause: Cause::EdgeNotTheApi, judge: not_the_api }];

/// What answers without a key does not answer as the API does.
fn not_the_api(evidence: &Evidence) -> Option<Found> {
    let keyless = evidence.find(|f| {
        f.stage == Stage::Head
            && f.path.credential.as_deref() == Some("")
            && matches!(f.saw, Err(Failure::Framing(_)))
    })?;
    Some(Found::root(keyless).likely())
}
