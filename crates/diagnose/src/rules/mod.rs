//! The rules, one file a layer. A rule looks at facts and names one cause, or keeps silent.

mod access;
mod names;
mod paths;
mod settings;
mod trust;

use clearline_model::{Cause, Confidence, Fact, Finding, Proof, Role};

use crate::evidence::Evidence;

/// One rule.
pub(crate) struct Rule {
    /// The cause that it names.
    pub(crate) cause: Cause,
    /// How it judges.
    pub(crate) judge: fn(&Evidence) -> Option<Found>,
}

/// What a rule found.
pub(crate) struct Found {
    pub(crate) role: Role,
    pub(crate) confidence: Confidence,
    pub(crate) proof: Vec<Proof>,
}

impl Found {
    /// The call fails for it, by this fact.
    pub(crate) fn root(fact: &Fact) -> Self {
        Self { role: Role::Root, confidence: Confidence::Certain, proof: vec![Proof::One(fact.id)] }
    }

    /// It makes the call worse, or fails other clients.
    pub(crate) fn contributing(fact: &Fact) -> Self {
        Self { role: Role::Contributing, ..Self::root(fact) }
    }

    /// Worth knowing.
    pub(crate) fn information(fact: &Fact) -> Self {
        Self { role: Role::Information, ..Self::root(fact) }
    }

    /// The control experiment that proves it.
    pub(crate) fn flipped(mut self, with: Option<&Fact>, axis: clearline_model::Axis) -> Self {
        if let (Some(Proof::One(own)), Some(other)) = (self.proof.first().cloned(), with) {
            self.proof = vec![Proof::Flip(own, other.id, axis)];
        }
        self
    }

    pub(crate) const fn likely(mut self) -> Self {
        self.confidence = Confidence::Likely;
        self
    }

    fn finding(self, cause: Cause) -> Finding {
        Finding { cause, role: self.role, confidence: self.confidence, proof: self.proof }
    }
}

/// All rules, in the order in which their findings would have to be fixed.
pub(crate) fn all() -> impl Iterator<Item = &'static Rule> {
    [settings::RULES, names::RULES, paths::RULES, trust::RULES, access::RULES].into_iter().flatten()
}

/// What the rules find.
pub(crate) fn findings(evidence: &Evidence) -> Vec<Finding> {
    all().filter_map(|rule| Some((rule.judge)(evidence)?.finding(rule.cause))).collect()
}
