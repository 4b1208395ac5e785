//! What happened: every event, declared once. Log, records, metrics, alerts and dashboard only read them.

use crate::ask::{Repeat, Usage};
use crate::cause::Cause;
use crate::failure::{Sent, Stage};
use crate::id::{AddrId, CallId, CallerId, KeyId, LaneId, UpstreamId};
use crate::secret::Foreign;
use crate::time::{Dur, Mono};

/// Something that happened at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Mono,
    /// To which call; `None` for what concerns keys, addresses and lanes.
    pub call: Option<CallId>,
    /// What.
    pub kind: EventKind,
}

/// How a call ended, for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The whole answer was delivered.
    Succeeded,
    /// The last real answer of the upstream, an error, was delivered unchanged.
    Failed,
    /// clearline answered itself: no answer of the upstream was there to pass on.
    Refused,
    /// The answer broke after the caller had seen output.
    Broken,
    /// The caller left.
    Left,
}

impl Outcome {
    /// The word that logs and metrics use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Broken => "broken",
            Self::Left => "left",
        }
    }
}

/// How a key of the pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// In use.
    Ready,
    /// Rests until this moment: a limit was reached.
    Cooling(Mono),
    /// Out until this moment, then one probe: it was refused.
    Quarantined(Mono),
}

/// What an answer's head said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeadSeen {
    /// The status.
    pub status: u16,
    /// The upstream's `request-id`.
    pub request_id: Option<Foreign>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A call arrived.
    CallStarted {
        /// Where it is meant to go.
        lane: LaneId,
        /// Who sent it.
        caller: CallerId,
        /// A stream was asked for.
        stream: bool,
        /// What may be repeated.
        repeat: Repeat,
    },
    /// A call waits.
    Parked {
        /// Why.
        cause: Cause,
        /// Until when at most.
        until: Mono,
    },
    /// An attempt began.
    AttemptStarted {
        /// Its number, from 1.
        n: u16,
        /// To which upstream.
        upstream: UpstreamId,
        /// With which key of the pool; `None` is the caller's own credential.
        key: Option<KeyId>,
        /// It runs beside another attempt of the same call.
        hedge: bool,
    },
    /// A stage of an attempt went well.
    StageDone {
        /// The attempt.
        n: u16,
        /// The stage.
        stage: Stage,
        /// How long it took.
        took: Dur,
    },
    /// The connection of an attempt is known.
    ConnectionChosen {
        /// The attempt.
        n: u16,
        /// To which address.
        addr: AddrId,
        /// It had been used before.
        reused: bool,
        /// It speaks HTTP/2, and so others may use it at the same time; else HTTP/1.1.
        http2: bool,
    },
    /// The head of an answer arrived.
    HeadArrived {
        /// The attempt.
        n: u16,
        /// What it said.
        head: HeadSeen,
        /// From the end of sending to the head.
        took: Dur,
    },
    /// The caller begins to see the output of this attempt.
    Committed {
        /// The attempt.
        n: u16,
    },
    /// The body of an attempt ended, well or not.
    BodyEnded {
        /// The attempt.
        n: u16,
        /// Bytes of the body that arrived.
        bytes: u64,
        /// The longest silence between two of its parts.
        longest_gap: Dur,
    },
    /// An attempt ended.
    AttemptEnded {
        /// The attempt.
        n: u16,
        /// Why it failed; `None` where it did not.
        cause: Option<Cause>,
        /// The last stage it was in.
        stage: Stage,
        /// Whether the server may have seen the request.
        sent: Sent,
        /// What it cost, as far as it is known.
        usage: Usage,
        /// It was given up because the call no longer needed it.
        aborted: bool,
    },
    /// A broken stream goes on in this attempt.
    Resumed {
        /// The attempt.
        n: u16,
    },
    /// A call ended.
    CallEnded {
        /// How.
        outcome: Outcome,
        /// Why, where it did not succeed.
        cause: Option<Cause>,
        /// The status that the caller got; 0 where it left before.
        status: u16,
    },
    /// A key changed.
    KeyChanged {
        /// Which.
        key: KeyId,
        /// How it is now.
        state: KeyState,
        /// Why.
        cause: Option<Cause>,
    },
    /// An address is avoided, or no longer.
    AddressChanged {
        /// Which.
        addr: AddrId,
        /// Until when; `None` when it is used again.
        avoided_until: Option<Mono>,
    },
    /// An upstream rests because it fails, or serves again.
    UpstreamChanged {
        /// Which.
        upstream: UpstreamId,
        /// Why it rests.
        cause: Option<Cause>,
        /// Until when; `None` when it serves again.
        rests_until: Option<Mono>,
    },
    /// The limiter of a lane changed.
    LaneChanged {
        /// Which.
        lane: LaneId,
        /// Calls per second that it lets through, in thousandths; `None` when it is off.
        rate_milli: Option<u64>,
    },
}
