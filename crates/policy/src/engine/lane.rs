//! A lane: what runs on it, how fast it may start, and what waits there.

use clearline_model::{Ask, Cause, Mono};

use crate::config::{Settings, Timeouts};
use crate::decide::Within;
use crate::hedge::Purse;
use crate::limiter::Limiter;
use crate::queue::Queue;
use crate::times::Times;

/// What runs on a lane, how fast it may start, and what waits there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lane {
    /// Calls that are not over.
    pub(crate) open: u32,
    pub(crate) in_flight: u32,
    pub(crate) queue: Queue,
    pub(crate) limiter: Limiter,
    /// Why it is limited.
    pub(crate) cause: Option<Cause>,
    /// Which limit of the keys its queue waits for.
    pub(crate) lacks: Option<Cause>,
    pub(crate) times: Times,
    pub(crate) purse: Purse,
    /// When the next one of its queue may start, or the next one that waits for the budget.
    pub(super) wake: Option<Mono>,
}

impl Lane {
    /// The limits of the next attempt of a call.
    pub(crate) fn limits(&self, ask: Ask, within: Within, s: &Settings) -> Timeouts {
        let first_byte = if ask.stream { s.first_byte_stream } else { s.timeouts.first_byte };
        let whole = Timeouts { first_byte, ..s.timeouts };
        match within {
            Within::Recent => self.times.limits(ask, s),
            Within::Settings => whole,
            Within::Doubled => whole.doubled(),
        }
    }
}
