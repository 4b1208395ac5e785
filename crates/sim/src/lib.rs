//! A simulator of the Claude API that fails on cue.
//!
//! It speaks HTTP/1.1 by hand over raw sockets, so that a reset, a half-close, a wrong length or a cut after a given
//! byte is exactly that. What goes wrong, when and how often is said by a [`Scenario`]; what happened is told by
//! [`SimEvent`]s, which tests wait for in the place of sleeping.
//!
//! Chance is a function: whether a rule with a rate fires for a request depends on the scenario's seed, the rule's name
//! and the request's number, and on nothing else. A run with the same order of requests has the same faults.

mod admin;
mod answer;
mod api;
mod buckets;
mod chance;
mod conn;
mod date;
mod deliver;
mod event;
mod rules;
mod scenario;
mod serve;
mod sim;
mod state;
mod text;
mod tls;

pub use conn::{MAX_BODY, MAX_HEAD};
pub use event::{MAX_EVENTS, SimEvent, SimEventKind};
pub use scenario::{Scenario, ScenarioError};
pub use sim::{Options, Sim, SimError};
pub use text::expected_text;
