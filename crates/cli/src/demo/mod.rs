//! The parts of the demo: the calls, the callers that make them, and what came of it.

mod caller;
mod calls;
mod report;
mod tally;

pub(crate) use caller::{Credential, Ended, Progress, run};
pub(crate) use calls::{Planned, plan};
pub(crate) use report::{Report, json, text};
pub(crate) use tally::Tally;
