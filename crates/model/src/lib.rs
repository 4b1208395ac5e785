//! The vocabulary of clearline: one word and one type for everything that the other crates speak about.
//!
//! This crate is pure: no clock, no randomness, no I/O, no async. Three tables run the program and stand here: the
//! [`Cause`]s (what can go wrong), the [`Event`]s (what happened) and the [`Setting`]s (what can be set).

mod alert;
mod ask;
mod cause;
mod classify;
mod client;
mod event;
mod fact;
mod failure;
mod id;
mod record;
mod samples;
mod secret;
mod setting;
mod time;
pub mod variable;
mod verdict;

pub use alert::{Alert, Subject};
pub use ask::{Ask, Hint, Limits, Repeat, Usage, Window};
pub use cause::{Blame, Cause, CauseRow, Charge, Layer, Retry, UnknownCause};
pub use classify::classify;
pub use client::{ClientView, Fate, Habit, Turn};
pub use event::{Event, EventKind, HeadSeen, KeyState, Outcome};
pub use fact::{Axis, Certificate, Fact, Pace, Path, Route, Seen, Source, Transport, Trust};
pub use failure::{
    CertFault, ConfigFault, ErrorKind, Failure, Framing, Icmp, Limit, LocalFault, Origin, Sent, Stage,
    StreamEnd,
};
pub use id::{AddrId, AttemptId, CallId, CallerId, FactId, KeyId, LaneId, ProbeId, UpstreamId};
pub use record::{AttemptRecord, CallRecord};
pub use secret::{Foreign, Secret};
pub use setting::{Kind, Origin as SettingOrigin, Setting, SettingError};
pub use time::{Dur, Mono, Wall};
pub use verdict::{Confidence, Finding, Proof, Role, Status, Verdict, Verification};
