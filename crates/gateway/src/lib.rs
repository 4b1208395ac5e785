//! The gateway: every path passes through one [`clearline::Client`], and what happened is logged and counted.
//!
//! A request is checked before its body is read (`guard`), collected within bounds, handed to the client, and the
//! answer streams back (`service`). There is no retry, no upstream timeout and no classification here. Own answers
//! have the API's error shape and carry `clearline-cause` (`answer`). Log, metrics and summary are [`Readers`].

mod admin;
mod answer;
mod chunks;
mod framing;
pub mod fuzz;
mod guard;
mod http2;
mod ids;
mod json;
mod line;
mod log;
mod metrics;
mod names;
mod options;
mod quota;
mod readers;
mod rules;
mod server;
mod service;
mod target;
mod timer;
mod visitors;
mod waiting;
mod wrap;

pub use clearline_diagnose::alerts::AlertRules;
pub use options::{BindError, CallerToken, LogTarget, Options};
pub use quota::{Quota, Quotas};
pub use readers::{Readers, Summary, Tell, Watching};
pub use server::{Gateway, Handle};
