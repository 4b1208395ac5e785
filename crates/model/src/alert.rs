//! Alerts: that something has gone wrong for more than one call, and that it has ended.

use crate::cause::Cause;
use crate::id::{CallerId, KeyId};
use crate::time::{Dur, Mono};

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The success rate of the calls.
    Calls,
    /// A key of the pool that is out of use; calls may go on with the others.
    Key(KeyId),
}

/// An alert, as it begins or ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// It begins; otherwise it ends.
    pub begins: bool,
    /// What it is about.
    pub subject: Subject,
    /// Of calls: the cause of most failures. Of a key: why it is out.
    pub cause: Cause,
    /// Since when it lasts.
    pub since: Mono,
    /// When this was noticed.
    pub at: Mono,
    /// Calls that failed within the window.
    pub count: u32,
    /// Calls within the window.
    pub calls: u32,
    /// The window.
    pub window: Dur,
    /// The success rate that is wanted, thousandths.
    pub target_milli: u32,
    /// The causes of the failures within the window and how often each, the most frequent first.
    pub causes: Vec<(Cause, u32)>,
    /// Callers whose calls failed within the window.
    pub whom: Vec<CallerId>,
}

impl Alert {
    /// The success rate within the window, between 0 and 1; 1 where there were no calls.
    #[must_use]
    pub fn rate(&self) -> f64 {
        if self.calls == 0 { 1.0 } else { 1.0 - f64::from(self.count) / f64::from(self.calls) }
    }
}
