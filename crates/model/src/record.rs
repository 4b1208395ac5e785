//! A call's record: its events, folded.

use crate::ask::{Repeat, Usage};
use crate::cause::Cause;
use crate::event::{Event, EventKind, HeadSeen, Outcome};
use crate::failure::{Sent, Stage};
use crate::id::{AddrId, CallId, CallerId, KeyId, LaneId, UpstreamId};
use crate::time::{Dur, Mono};

/// The whole life of one call. Rebuilt from its events by [`CallRecord::apply`], and in no other way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    /// Which call.
    pub call: CallId,
    /// When it arrived.
    pub started: Mono,
    /// When it ended; equal to `started` while it runs.
    pub ended: Mono,
    /// Where it was meant to go.
    pub lane: LaneId,
    /// Who sent it.
    pub caller: CallerId,
    /// A stream was asked for.
    pub stream: bool,
    /// What may be repeated.
    pub repeat: Repeat,
    /// Its attempts, in order.
    pub attempts: Vec<AttemptRecord>,
    /// What it waited for, and how long, in order.
    pub waits: Vec<(Cause, Dur)>,
    /// When the caller began to see output.
    pub committed: Option<Mono>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why it did not succeed.
    pub cause: Option<Cause>,
    /// The status that the caller got.
    pub status: u16,
    waiting: Option<(Cause, Mono)>,
}

/// One attempt of a call.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and none excludes another")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// Its number, from 1.
    pub n: u16,
    /// To which upstream.
    pub upstream: UpstreamId,
    /// With which key.
    pub key: Option<KeyId>,
    /// It ran beside another.
    pub hedge: bool,
    /// It continued a broken stream.
    pub resumed: bool,
    /// When it began.
    pub started: Mono,
    /// When it ended.
    pub ended: Option<Mono>,
    /// To which address.
    pub addr: Option<AddrId>,
    /// On a connection that had been used before.
    pub reused: bool,
    /// By HTTP/2; else by HTTP/1.1, as far as there was a connection.
    pub http2: bool,
    /// Its stages and how long each took.
    pub stages: Vec<(Stage, Dur)>,
    /// What the head said.
    pub head: Option<HeadSeen>,
    /// Why it failed.
    pub cause: Option<Cause>,
    /// The last stage it was in.
    pub stage: Stage,
    /// Whether the server may have seen the request.
    pub sent: Sent,
    /// Bytes of its body.
    pub bytes: u64,
    /// The longest silence in its body.
    pub longest_gap: Dur,
    /// What it cost.
    pub usage: Usage,
    /// It was given up because the call no longer needed it.
    pub aborted: bool,
}

impl CallRecord {
    /// An empty record; the `CallStarted` event fills it.
    #[must_use]
    pub fn new(call: CallId, at: Mono) -> Self {
        // Mostly one attempt.
        Self::with_room(call, at, Vec::with_capacity(1))
    }

    /// The same with room for its attempts; there must be none in it.
    #[must_use]
    pub const fn with_room(call: CallId, at: Mono, attempts: Vec<AttemptRecord>) -> Self {
        Self {
            call,
            started: at,
            ended: at,
            lane: LaneId { upstream: UpstreamId(0), family: 0 },
            caller: CallerId(0),
            stream: false,
            repeat: Repeat::Free,
            attempts,
            waits: Vec::new(),
            committed: None,
            outcome: None,
            cause: None,
            status: 0,
            waiting: None,
        }
    }

    /// Takes one event in. Events of other calls change nothing.
    pub fn apply(&mut self, event: &Event) {
        if event.call != Some(self.call) {
            return;
        }
        match &event.kind {
            EventKind::CallStarted { lane, caller, stream, repeat } => {
                self.started = event.at;
                (self.lane, self.caller, self.stream, self.repeat) = (*lane, *caller, *stream, *repeat);
            }
            EventKind::Parked { cause, .. } => {
                self.close_wait(event.at);
                self.waiting = Some((*cause, event.at));
            }
            EventKind::AttemptStarted { n, upstream, key, hedge } => {
                self.close_wait(event.at);
                self.attempts.push(AttemptRecord::new(*n, *upstream, *key, event.at));
                if let Some(last) = self.attempts.last_mut() {
                    last.hedge = *hedge;
                }
            }
            EventKind::Committed { .. } => self.committed = Some(event.at),
            EventKind::CallEnded { outcome, cause, status } => {
                self.close_wait(event.at);
                self.ended = event.at;
                (self.outcome, self.cause, self.status) = (Some(*outcome), *cause, *status);
            }
            EventKind::StageDone { n, .. }
            | EventKind::ConnectionChosen { n, .. }
            | EventKind::HeadArrived { n, .. }
            | EventKind::BodyEnded { n, .. }
            | EventKind::AttemptEnded { n, .. }
            | EventKind::Resumed { n } => {
                if let Some(attempt) = self.attempts.iter_mut().rev().find(|a| a.n == *n) {
                    attempt.apply(event);
                }
            }
            EventKind::KeyChanged { .. }
            | EventKind::AddressChanged { .. }
            | EventKind::UpstreamChanged { .. }
            | EventKind::LaneChanged { .. } => {}
        }
    }

    fn close_wait(&mut self, at: Mono) {
        if let Some((cause, since)) = self.waiting.take() {
            self.waits.push((cause, at.since(since)));
        }
    }

    /// The whole time that it was parked.
    #[must_use]
    pub fn waited(&self) -> Dur {
        self.waits.iter().fold(Dur::ZERO, |sum, (_, d)| sum + *d)
    }

    /// The attempts whose answers were joined, in order; none where nothing was continued.
    fn joined(&self) -> impl Iterator<Item = &AttemptRecord> {
        let first = self.attempts.iter().position(|a| a.resumed);
        let broke = first.and_then(|at| self.attempts.get(..at)?.iter().rposition(|a| !a.aborted));
        self.attempts.get(broke.unwrap_or(usize::MAX)..).unwrap_or_default().iter()
    }

    /// How many attempts continued an answer that had broken.
    #[must_use]
    pub fn continued(&self) -> usize {
        self.attempts.iter().filter(|a| a.resumed).count()
    }

    /// The usage of the attempt that was delivered, or of the last one; of all whose answers were joined.
    #[must_use]
    pub fn usage(&self) -> Usage {
        if self.continued() > 0 {
            return self.joined().fold(Usage::default(), |sum, a| sum.plus(a.usage));
        }
        let delivered = self.attempts.iter().rev().find(|a| a.cause.is_none() && !a.aborted);
        delivered.or_else(|| self.attempts.last()).map(|a| a.usage).unwrap_or_default()
    }

    /// Attempts that the server may have billed although they were not delivered.
    #[must_use]
    pub fn wasted(&self) -> usize {
        // What broke and was continued reached the caller.
        let joined = |a: &AttemptRecord| self.joined().any(|j| j.n == a.n);
        let billed = |a: &&AttemptRecord| {
            (a.cause.is_some() || a.aborted) && a.sent != Sent::No && !a.refused() && !joined(a)
        };
        if self.repeat == Repeat::Billed { self.attempts.iter().filter(billed).count() } else { 0 }
    }
}

impl AttemptRecord {
    const fn new(n: u16, upstream: UpstreamId, key: Option<KeyId>, at: Mono) -> Self {
        Self {
            n,
            upstream,
            key,
            hedge: false,
            resumed: false,
            started: at,
            ended: None,
            addr: None,
            reused: false,
            http2: false,
            stages: Vec::new(),
            head: None,
            cause: None,
            stage: Stage::Config,
            sent: Sent::No,
            bytes: 0,
            longest_gap: Dur::ZERO,
            usage: Usage { input: 0, output: 0, cache_write: 0, cache_read: 0 },
            aborted: false,
        }
    }

    /// The server answered with an error status, and so billed nothing.
    fn refused(&self) -> bool {
        self.head.as_ref().is_some_and(|h| h.status >= 400)
    }

    fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::StageDone { stage, took, .. } => self.stages.push((*stage, *took)),
            EventKind::ConnectionChosen { addr, reused, http2, .. } => {
                (self.addr, self.reused, self.http2) = (Some(*addr), *reused, *http2);
            }
            EventKind::HeadArrived { head, took, .. } => {
                self.stages.push((Stage::Head, *took));
                self.head = Some(head.clone());
            }
            EventKind::BodyEnded { bytes, longest_gap, .. } => {
                (self.bytes, self.longest_gap) = (*bytes, *longest_gap);
            }
            EventKind::AttemptEnded { cause, stage, sent, usage, aborted, .. } => {
                self.ended = Some(event.at);
                (self.cause, self.stage, self.sent) = (*cause, *stage, *sent);
                (self.usage, self.aborted) = (*usage, *aborted);
            }
            EventKind::Resumed { .. } => self.resumed = true,
            EventKind::CallStarted { .. }
            | EventKind::Parked { .. }
            | EventKind::AttemptStarted { .. }
            | EventKind::Committed { .. }
            | EventKind::CallEnded { .. }
            | EventKind::KeyChanged { .. }
            | EventKind::AddressChanged { .. }
            | EventKind::UpstreamChanged { .. }
            | EventKind::LaneChanged { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(at: u64, kind: EventKind) -> Event {
        Event { at: Mono(at), call: Some(CallId(7)), kind }
    }

    fn started(at: u64, n: u16) -> Event {
        event(at, EventKind::AttemptStarted { n, upstream: UpstreamId(0), key: None, hedge: false })
    }

    fn ended(at: u64, n: u16, cause: Option<Cause>) -> Event {
        let kind = EventKind::AttemptEnded {
            n,
            cause,
            stage: Stage::Head,
            sent: Sent::Yes,
            usage: Usage { output: u64::from(n), ..Usage::default() },
            aborted: false,
        };
        event(at, kind)
    }

    #[test]
    fn waits_are_named_by_cause_and_end_with_the_next_attempt() {
        let mut record = CallRecord::new(CallId(7), Mono(0));
        for e in [
            started(0, 1),
            ended(10, 1, Some(Cause::ServerOverloaded)),
            event(10, EventKind::Parked { cause: Cause::ServerOverloaded, until: Mono(50) }),
            started(50, 2),
            ended(90, 2, None),
            event(90, EventKind::CallEnded { outcome: Outcome::Succeeded, cause: None, status: 200 }),
        ] {
            record.apply(&e);
        }
        assert_eq!(record.waits, [(Cause::ServerOverloaded, Dur(40))]);
        assert_eq!(record.usage().output, 2);
        assert_eq!((record.outcome, record.ended), (Some(Outcome::Succeeded), Mono(90)));
    }

    proptest! {
        /// Events of other calls, wherever they stand, change nothing: a record is a function of its own events.
        #[test]
        fn a_record_is_rebuilt_from_its_own_events(foreign in proptest::collection::vec(0_usize..6, 0..20)) {
            let own = [started(0, 1), ended(10, 1, Some(Cause::TcpReset)), started(20, 2), ended(30, 2, None)];
            let (mut alone, mut mixed) = (CallRecord::new(CallId(7), Mono(0)), CallRecord::new(CallId(7), Mono(0)));
            own.iter().for_each(|e| alone.apply(e));
            for (i, e) in own.iter().enumerate() {
                for _ in foreign.iter().filter(|f| **f == i) {
                    mixed.apply(&Event { call: Some(CallId(8)), ..e.clone() });
                }
                mixed.apply(e);
            }
            prop_assert_eq!(alone, mixed);
        }
    }
}
