//! From facts to a verdict.
//!
//! Pure: facts come in, findings go out. A rule names one cause from what was seen; a proof is mostly a *flip*, two facts whose
//! paths differ in exactly one axis and whose outcomes differ. A finding hides what its cause explains. What no rule
//! understands keeps the weakest true cause, by `classify`.
//!
//! [`alerts`] judges many calls over time instead of one path now: the success rate, and the cause that brings it down.

pub mod alerts;
mod client;
mod evidence;
mod judge;
mod plan;
mod rules;
mod verify;

pub use client::{Profile, judge_for};
pub use evidence::{Evidence, REFERENCE};
pub use judge::judge;
pub use plan::{Goal, PATIENCE, Probe, Step, What, family, meanwhile, next};
pub use verify::{compare, deciding};

/// The cases of the rules, for whoever lists what can name a cause.
#[must_use]
pub fn emitted() -> Vec<clearline_model::Cause> {
    let mut causes: Vec<_> = rules::all().map(|rule| rule.cause).collect();
    causes.sort_unstable();
    causes.dedup();
    causes
}
