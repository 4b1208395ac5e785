//! What the engine remembers of a call.

use clearline_model::{
    AddrId, Ask, AttemptId, CallId, CallerId, Cause, Dur, KeyId, LaneId, Mono, Stage, UpstreamId,
};

use crate::config::Settings;
use crate::decide::Used;
use crate::meter::Share;
use crate::output::Conn;
use crate::own::Place;
use crate::resume::Shown;

/// The least and the most time before a caller's deadline at which its answer goes out: a twentieth of it between these.
const MARGIN_MIN: Dur = Dur::millis(50);
const MARGIN_MAX: Dur = Dur::secs(1);

/// A call that is not over.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: CallId,
    /// The upstream or the group that it was meant for.
    pub(crate) home: UpstreamId,
    /// Where it is now.
    pub(crate) lane: LaneId,
    /// Attempts on this upstream since it came here.
    pub(crate) here: u16,
    /// The upstreams that it left.
    pub(crate) seen: Vec<UpstreamId>,
    pub(crate) caller: CallerId,
    pub(crate) ask: Ask,
    pub(crate) started: Mono,
    pub(crate) deadline: Option<Mono>,
    /// Its first refusal or wait.
    pub(crate) refused: Option<Mono>,
    /// Attempts so far.
    pub(crate) attempts: u16,
    pub(crate) running: Vec<Running>,
    pub(crate) committed: Option<u16>,
    pub(crate) shown: Shown,
    /// The latest real answer.
    pub(crate) saved: Option<Saved>,
    pub(crate) last: Option<Cause>,
    /// Until when the server asked this call to stay away.
    pub(crate) hint: Option<Mono>,
    /// Backoffs so far.
    pub(crate) backoffs: u32,
    pub(crate) used: Used,
    pub(crate) conn: Conn,
    /// Keys that refused this call.
    pub(crate) tried: Vec<KeyId>,
    /// Addresses where this call failed.
    pub(crate) shunned: Vec<AddrId>,
    /// How the next attempt stands with the budget.
    pub(crate) debt: Debt,
    pub(crate) wait: Option<Wait>,
    /// The line in which it waits until its own credential has room.
    pub(crate) line: Option<Place>,
    /// It is its turn in the queue of its lane.
    pub(crate) turn: bool,
    pub(crate) armed: Option<Mono>,
    pub(crate) over: bool,
}

/// An attempt that runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Running {
    pub(crate) n: u16,
    /// Where it runs: beside one on another upstream, not where the call began.
    pub(crate) lane: LaneId,
    pub(crate) key: Option<KeyId>,
    /// What it took of the key's limits.
    pub(crate) share: Option<Share>,
    pub(crate) started: Mono,
    pub(crate) addr: Option<AddrId>,
    pub(crate) stage: Option<Stage>,
    pub(crate) status: u16,
    /// When the head of its answer came.
    pub(crate) head: Option<Mono>,
    /// When its head has been held long enough.
    pub(crate) hold: Option<Mono>,
    /// When a second attempt starts beside it.
    pub(crate) hedge: Option<Mono>,
    /// It was paid from the budget.
    pub(crate) paid: bool,
}

/// A real answer that can be passed on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Saved {
    pub(crate) n: u16,
    pub(crate) cause: Cause,
    pub(crate) status: u16,
}

/// How an attempt stands with the budget of retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Debt {
    /// It costs nothing.
    Free,
    /// It has to be paid before it starts.
    Owed,
    /// It was paid and has not started.
    Paid,
}

impl Debt {
    pub(crate) const fn of(costs: bool) -> Self {
        if costs { Self::Owed } else { Self::Free }
    }
}

/// What a call waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait {
    pub(crate) until: Mono,
    pub(crate) queued: bool,
    /// For a key: one that comes or is renewed ends the wait.
    pub(crate) key: bool,
    /// For a retry in the budget.
    pub(crate) budget: bool,
}

impl Call {
    /// A call that has just arrived: who, where it was meant to go and where it goes, what, when and until when; and an empty list.
    pub(crate) fn new(
        (id, caller): (CallId, CallerId),
        (home, lane): (UpstreamId, LaneId),
        ask: Ask,
        (started, deadline): (Mono, Option<Mono>),
        running: Vec<Running>,
    ) -> Self {
        Self {
            id,
            home,
            lane,
            here: 0,
            seen: Vec::new(),
            caller,
            ask,
            started,
            deadline,
            refused: None,
            attempts: 0,
            running,
            committed: None,
            shown: Shown::default(),
            saved: None,
            last: None,
            hint: None,
            backoffs: 0,
            used: Used::default(),
            conn: Conn::Any,
            tried: Vec::new(),
            shunned: Vec::new(),
            debt: Debt::Free,
            wait: None,
            line: None,
            turn: false,
            armed: None,
            over: false,
        }
    }

    pub(crate) const fn attempt(&self, n: u16) -> AttemptId {
        AttemptId { call: self.id, n }
    }

    /// The last moment at which something may be started for it.
    pub(crate) fn patience_end(&self, s: &Settings) -> Mono {
        if let Some(until) = self.shown.until {
            return until;
        }
        match (self.answer_by(), self.refused) {
            (Some(by), _) => by.min(self.started + s.patience_max),
            (None, Some(refused)) => refused + s.patience,
            (None, None) => Mono(u64::MAX),
        }
    }

    /// When an answer has to be on its way, so that it reaches a caller who states a deadline before that.
    pub(crate) fn answer_by(&self) -> Option<Mono> {
        let deadline = self.deadline?;
        let margin = deadline.since(self.started).scale(1, 20).clamp(MARGIN_MIN, MARGIN_MAX);
        Some(Mono(deadline.0.saturating_sub(margin.0)).max(self.started))
    }

    /// When what the upstream said last is better than to go on: the caller is about to leave without any answer.
    pub(crate) fn gives_up(&self) -> Option<Mono> {
        if self.committed.is_some() || self.saved.is_none() || self.running.is_empty() {
            return None;
        }
        self.answer_by()
    }

    /// When it has to be looked at.
    pub(crate) fn due(&self) -> Option<Mono> {
        let running = self.running.iter().flat_map(|r| [r.hold, r.hedge]).flatten();
        running.chain(self.wait.map(|w| w.until)).chain(self.gives_up()).min()
    }

    /// The addresses that its next attempt rather leaves out.
    pub(crate) fn elsewhere(&self, hedge: bool) -> Vec<AddrId> {
        let running = self.running.iter().filter(|_| hedge).filter_map(|r| r.addr);
        self.shunned.iter().copied().chain(running).collect()
    }

    pub(crate) fn take(&mut self, n: u16) -> Option<Running> {
        let place = self.running.iter().position(|r| r.n == n)?;
        Some(self.running.remove(place))
    }

    pub(crate) fn retry_after(&self, now: Mono) -> Option<Dur> {
        self.hint.filter(|h| *h > now).map(|h| if h.0 == u64::MAX { Dur::MAX } else { h.since(now) })
    }
}
