//! What the engine wants done, and what it shows of itself.

use clearline_model::{AddrId, AttemptId, CallId, Cause, Dur, Event, KeyId, KeyState, Mono, UpstreamId};

use crate::config::Timeouts;

/// What the shell is to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Start an attempt.
    Start {
        /// For this call.
        call: CallId,
        /// Under this number.
        attempt: AttemptId,
        /// In this way.
        plan: Plan,
    },
    /// Give the attempt up and close its connection. What it still reports is ignored.
    Abort(AttemptId),
    /// The caller may see this attempt's answer from here on. Once per call.
    Commit(AttemptId),
    /// The call is over, without success. Its state is dropped.
    Fail(CallId, Answer),
    /// The call waits for this reason, until this moment at the latest.
    Park(CallId, Cause, Mono),
    /// The call is over, with success. Its state is dropped.
    Finish(CallId),
    /// Something happened, for log, records and metrics.
    Note(Event),
}

/// What the caller is told of a call that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Pass the real answer of this attempt on, unchanged. It is the latest attempt that was `answered`.
    pub from: Option<AttemptId>,
    /// Why the call failed.
    pub cause: Cause,
    /// When it is worth another try, where that is known. [`Dur::MAX`] means never.
    pub retry_after: Option<Dur>,
    /// Add `x-should-retry: false`: the retry budget here is spent.
    pub no_retry: bool,
    /// After the commit: an honest `error` event, and the transfer is broken off.
    pub broken: bool,
}

/// How an attempt is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// To which server.
    pub upstream: UpstreamId,
    /// With which key; `None` passes the caller's own credential.
    pub key: Option<KeyId>,
    /// The addresses in the preferred order. Empty: not resolved yet, the shell's own order.
    pub addrs: Vec<AddrId>,
    /// The addresses that are avoided; they come last where the shell orders itself.
    pub avoid: Vec<AddrId>,
    /// On which connection.
    pub conn: Conn,
    /// The limits of its stages.
    pub limits: Timeouts,
    /// With which body.
    pub body: Body,
    /// It runs beside another attempt of the same call.
    pub hedge: bool,
}

/// Which connection an attempt may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conn {
    /// A pooled one or a new one.
    Any,
    /// A new one.
    Fresh,
    /// A new one that offers HTTP/1.1 alone.
    FreshH1,
}

/// Which body an attempt sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Body {
    /// What the caller sent.
    Original,
    /// The request that continues the text that arrived so far.
    Continue,
}

/// How an upstream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was tried there.
    Unused,
    /// It serves.
    Up,
    /// It does not, for this reason, and is left alone until this moment.
    Down(Cause, Mono),
}

/// What the engine shows of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Calls that are not over.
    pub calls: usize,
    /// Attempts that run.
    pub in_flight: usize,
    /// Calls that wait: parked or queued.
    pub parked: usize,
    /// The keys of the pools.
    pub keys: Vec<(KeyId, KeyState)>,
    /// The addresses that are avoided, and until when.
    pub avoided: Vec<(AddrId, Mono)>,
    /// The retry budget of each upstream, thousandths of a retry.
    pub budget_milli: Vec<(UpstreamId, u64)>,
    /// How each upstream stands.
    pub upstreams: Vec<(UpstreamId, Standing)>,
}
