//! What a run of a condition ended with, as it is written down.

use serde::{Deserialize, Serialize};

use crate::fault::Truth;

/// A cause that the doctor named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) id: String,
    pub(crate) role: String,
    pub(crate) confidence: String,
}

/// The end of a condition.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) id: String,
    pub(crate) layer: String,
    pub(crate) seed: u64,
    pub(crate) truth: String,
    /// `healthy`, `degraded`, `failing`, or two of them with `or` between.
    pub(crate) expected: String,
    /// Why it cannot be scored: the lab did not stand, or the fault did not take effect.
    pub(crate) unscored: Option<String>,
    /// The doctor's status; `broken` where it printed no verdict.
    pub(crate) status: String,
    pub(crate) causes: Vec<Named>,
    pub(crate) exit: i32,
    /// From start to end of the doctor, milliseconds.
    pub(crate) took_ms: u64,
    /// What the doctor said where it printed no verdict.
    pub(crate) said: String,
}

impl Outcome {
    /// What was named as a problem, in the doctor's order.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &str> {
        self.causes.iter().filter(|c| c.role != "information").map(|c| c.id.as_str())
    }

    pub(crate) fn truth(&self) -> Truth {
        Truth::parse(&self.truth).unwrap_or_default()
    }

    /// Whether the first problem is one that is there; where all is well: whether nothing was accused.
    pub(crate) fn is_right(&self) -> bool {
        let truth = self.truth();
        if truth.is_healthy() {
            return self.status == "healthy" && self.problems().next().is_none();
        }
        let first = self.problems().next().unwrap_or_default();
        let mut wanted = truth.causes.iter().take(if truth.ordered { 1 } else { usize::MAX });
        wanted.any(|names| names.iter().any(|n| n == first))
    }

    /// Whether every cause that is there was named, in the order that matters.
    pub(crate) fn is_full(&self) -> bool {
        let truth = self.truth();
        let named: Vec<&str> = self.problems().collect();
        let places: Option<Vec<usize>> = truth
            .causes
            .iter()
            .map(|names| named.iter().position(|id| names.iter().any(|n| n == id)))
            .collect();
        places.is_some_and(|places| !truth.ordered || places.is_sorted())
    }

    pub(crate) fn is_status_right(&self) -> bool {
        self.expected.split(" or ").any(|s| s == self.status)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An outcome with these problems.
    pub(crate) fn outcome(truth: &str, status: &str, problems: &[&str]) -> Outcome {
        let named = |id: &&str| {
            let (id, role) = id.split_once('?').map_or((*id, "root"), |(id, _)| (id, "information"));
            Named { id: id.to_owned(), role: role.to_owned(), confidence: "certain".to_owned() }
        };
        Outcome {
            id: "x".to_owned(),
            layer: "tcp".to_owned(),
            seed: 1,
            truth: truth.to_owned(),
            expected: if truth == "healthy" { "healthy" } else { "failing or degraded" }.to_owned(),
            unscored: None,
            status: status.to_owned(),
            causes: problems.iter().map(named).collect(),
            exit: 1,
            took_ms: 100,
            said: String::new(),
        }
    }

    #[test]
    fn the_first_problem_counts() {
        for (truth, status, problems, right, full) in [
            ("a.b", "failing", &["a.b"][..], true, true),
            ("a.b", "failing", &["i.i?", "a.b", "c.d"], true, true),
            ("a.b", "failing", &["c.d", "a.b"], false, true),
            ("a.b or c.d", "failing", &["c.d"], true, true),
            ("a.b", "inconclusive", &[], false, false),
            ("a.b", "failing", &["a.b?"], false, false),
            ("healthy", "healthy", &["a.b?"], true, true),
            ("healthy", "healthy", &["a.b"], false, true),
            ("healthy", "degraded", &[], false, true),
            ("a.b then c.d", "failing", &["a.b", "c.d"], true, true),
            ("a.b then c.d", "failing", &["c.d", "a.b"], false, false),
            ("a.b then c.d", "failing", &["a.b"], true, false),
            ("a.b and c.d", "failing", &["c.d", "a.b"], true, true),
        ] {
            let outcome = outcome(truth, status, problems);
            assert_eq!((outcome.is_right(), outcome.is_full()), (right, full), "{truth} {problems:?}");
        }
    }
}
