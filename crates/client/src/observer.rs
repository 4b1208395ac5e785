//! Whoever wants to know what happens: logs, metrics, records. Readers only.

use clearline_model::{CallRecord, Event};

/// Reads events and records. Called from the task of the call, so it must not block.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn event(&self, _event: &Event) {}

    /// A call is over: delivered, failed or dropped. Once for each call.
    fn ended(&self, _record: &CallRecord) {}
}

/// Reads nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoObserver;

impl Observer for NoObserver {}
