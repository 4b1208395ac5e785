//! What a diagnosis ends with: findings with their proofs, and one verdict.

use crate::cause::Cause;
use crate::fact::Axis;
use crate::id::FactId;

/// How sure a finding is. An order, never a percentage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// One of several that fit.
    Possible,
    /// It fits best.
    Likely,
    /// Proved.
    Certain,
}

/// What proves a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Two facts whose paths differ in this axis alone and whose outcomes differ.
    Flip(FactId, FactId, Axis),
    /// One fact that says it.
    One(FactId),
    /// So many of so many, seen in this fact first.
    Rate(FactId, u32, u32),
}

/// What a finding means for the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The call fails for it.
    Root,
    /// It makes the call worse, or fails other clients.
    Contributing,
    /// Worth knowing.
    Information,
}

/// One cause that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The cause.
    pub cause: Cause,
    /// What it means for the call.
    pub role: Role,
    /// How sure.
    pub confidence: Confidence,
    /// Why.
    pub proof: Vec<Proof>,
}

/// How the path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The reference client's call succeeds.
    Healthy,
    /// It succeeds late, at times, or not for every client that is set up here.
    Degraded,
    /// It fails.
    Failing,
    /// Not certain yet.
    Inconclusive,
}

/// The end of a diagnosis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How the path is.
    pub status: Status,
    /// What was found, the one to fix first comes first.
    pub findings: Vec<Finding>,
    /// The causes that are still possible where the verdict is inconclusive.
    pub open: Vec<Cause>,
}

/// What became of what was found, after somebody tried to fix it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verification {
    /// Gone.
    pub fixed: Vec<Cause>,
    /// Still there.
    pub left: Vec<Cause>,
    /// Not seen again: the call ends before.
    pub open: Vec<Cause>,
    /// What the call meets now, and did not meet before.
    pub next: Vec<Cause>,
}

impl Verification {
    /// Whether all is well; nothing where that is not certain.
    #[must_use]
    pub const fn is_well(&self) -> Option<bool> {
        if !self.left.is_empty() || (self.open.is_empty() && !self.next.is_empty()) {
            return Some(false);
        }
        if self.open.is_empty() { Some(true) } else { None }
    }
}
