//! The doctor's shell: what this machine says, and the probes. What it means is judged by `clearline_diagnose`.

mod collect;
mod probe;

pub(crate) use collect::{Goal, collect};
pub(crate) use probe::{Limits, run};
