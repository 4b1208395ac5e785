//! Watching one path: probes at an interval, what changed, and the success rate.

pub(crate) mod course;
pub(crate) mod probe;
pub(crate) mod show;
