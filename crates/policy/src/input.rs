//! What the shell tells the engine.

use clearline_model::{
    AddrId, Ask, AttemptId, CallId, CallerId, Cause, Dur, Hint, KeyId, LaneId, Limits, Mono, Sent, Stage,
    UpstreamId, Usage,
};

use crate::config::{Config, Group};

/// What happened, or what is wanted. Everything about calls or attempts that are over is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A call arrived.
    Call {
        /// Its number; larger than every earlier one.
        call: CallId,
        /// Where it is meant to go: an upstream, or a group of them.
        lane: LaneId,
        /// Who sent it.
        caller: CallerId,
        /// The caller's own deadline, where it states one.
        deadline: Option<Mono>,
        /// What is asked.
        ask: Ask,
    },
    /// The upstream's name has these addresses, in the resolver's order.
    Resolved(UpstreamId, Vec<AddrId>),
    /// The attempt has entered this stage.
    Reached(AttemptId, Stage),
    /// The attempt has a connection to this address; through a proxy, to the proxy's.
    Connected(AttemptId, AddrId),
    /// The head of a success (2xx) arrived, with its status and limits. Errors come as `Failed` when their body is
    /// read; a head that announces one may be told as well and changes nothing.
    Head(AttemptId, u16, Limits),
    /// The first content that is worth showing arrived: a content block of a stream, any byte of another body.
    Content(AttemptId),
    /// The longest silence of the attempt's stream, which is complete. Told before its `Done`.
    Quiet(AttemptId, Dur),
    /// The attempt failed.
    Failed(AttemptId, Miss),
    /// The attempt delivered its whole answer.
    Done(AttemptId, Usage),
    /// The caller left. Nothing further is ever output for the call, but for its `Abort`s and notes.
    CallerGone(CallId),
    /// A share of a limit that several gateways divide: so many attempts until then.
    Lease {
        /// The lane that it is for.
        lane: LaneId,
        /// The key that it is for.
        key: KeyId,
        /// How many attempts may start.
        permits: u32,
        /// Until when the count is good; what is left is forgotten then.
        until: Mono,
    },
    /// A key came, went or was renewed.
    Key(KeyId, KeyChange),
    /// New settings. Running calls keep their attempts.
    Reload(Config),
    /// Which upstreams stand in for one another, from now on.
    Groups(Vec<Group>),
    /// The process ends now: nothing starts any more, and whoever waits gets the answer that there is. Attempts that a caller sees
    /// are told to be over by the shell.
    Stop,
    /// It is time: the moment that `wake_at` named has come.
    Tick,
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyChange {
    /// It may be used, by every upstream that has a pool already.
    Add,
    /// It must not be used for anything new.
    Remove,
    /// It was renewed: whatever was held against it is forgotten.
    Refresh,
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Miss {
    /// Why.
    pub cause: Cause,
    /// In which stage.
    pub stage: Stage,
    /// Whether the server may have seen the request.
    pub sent: Sent,
    /// The address, where one was chosen.
    pub addr: Option<AddrId>,
    /// What the server said about coming back.
    pub hint: Hint,
    /// What of the answer had arrived.
    pub got: Partial,
    /// A real HTTP answer exists that can be passed on.
    pub answered: bool,
    /// The answer proves that the request was not carried out (429, 529, 503 in the API's own shape).
    pub not_executed: bool,
    /// What it cost, as far as it is known.
    pub usage: Usage,
}

/// What of an answer had arrived when it broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Partial {
    /// Bytes of the body.
    pub bytes: u64,
    /// Characters of text.
    pub text_chars: u64,
    /// A tool's input or a thought had begun: such a stream is never continued.
    pub tool_or_thinking: bool,
}

impl Miss {
    /// A failure without an answer: no hint, no cost, nothing arrived.
    #[must_use]
    pub fn silent(cause: Cause, stage: Stage, sent: Sent) -> Self {
        Self {
            cause,
            stage,
            sent,
            addr: None,
            hint: Hint::default(),
            got: Partial::default(),
            answered: false,
            not_executed: false,
            usage: Usage::default(),
        }
    }

    /// An HTTP error answer, with the least wait that the server named.
    #[must_use]
    pub fn answer(cause: Cause, not_executed: bool, after: Option<Dur>) -> Self {
        Self {
            hint: Hint { after, should_retry: None },
            answered: true,
            not_executed,
            ..Self::silent(cause, Stage::Head, Sent::Yes)
        }
    }
}
