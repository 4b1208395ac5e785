//! The one call loop: the engine says what, attempts say how it went, and the caller sees one answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use clearline_model::{
    Ask, AttemptId, CallId, CallRecord, Cause, Event, EventKind, Foreign, LaneId, Mono, Sent, Stage,
};
use clearline_policy::{Answer, Body as Sends, Input, Miss, Output, Partial, Plan};
use http::{HeaderMap, StatusCode};
use tokio::runtime::Handle;

use crate::attempt::{Attempt, Notes, Progress, Step};
use crate::body::ReplyBody;
use crate::builder::Inner;
use crate::error::CallError;
use crate::request::Request;
use crate::resume::Resume;
use crate::shared::{Buffers, Place, Slot};

/// What the caller gets: the upstream's answer, unchanged.
#[derive(Debug)]
pub struct Reply {
    /// Which call it was.
    pub call: CallId,
    /// The upstream's status.
    pub status: StatusCode,
    /// The upstream's end-to-end headers.
    pub headers: HeaderMap,
    /// The body, as it arrives.
    pub body: ReplyBody,
    /// The cause of an error answer.
    pub cause: Option<Cause>,
    /// The retry budget here is spent: `x-should-retry: false` belongs on this answer.
    pub no_retry: bool,
    /// Attempts so far.
    pub attempts: u16,
}

/// An error answer that was read completely, in case it is the one that the caller gets.
#[derive(Debug, Clone)]
pub(crate) struct Saved {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) cause: Cause,
}

/// How a call ended.
pub(crate) enum End {
    /// Everything was delivered, or is held for delivery.
    Finished,
    /// An error answer of the upstream.
    Answered(Box<Saved>, bool),
    /// No answer that could be passed on.
    Own(Box<CallError>),
    /// It broke after the commit.
    Broken(Box<Break>),
}

/// An answer that broke after the commit.
pub(crate) struct Break {
    pub(crate) cause: Cause,
    /// It was a stream of events.
    pub(crate) is_stream: bool,
    pub(crate) stage: Stage,
    pub(crate) attempts: u16,
    /// The upstream's id of it.
    pub(crate) request_id: Option<Foreign>,
    /// What had arrived of it.
    pub(crate) got: Partial,
    /// The caller has seen a part of an event.
    pub(crate) torn: bool,
    /// It was not the other side that broke it: this process ends.
    pub(crate) stopped: bool,
}

/// What the loop did.
pub(crate) enum Turn {
    /// The caller may see the head now.
    Committed,
    /// Bytes for the caller.
    Frame(Bytes),
    /// Over.
    Ended(End),
}

/// One call on its way.
pub(crate) struct Driver {
    inner: Arc<Inner>,
    /// When this turn began: what happens within one turn happens at one moment.
    now: Mono,
    slot: Arc<Slot>,
    progress: Progress,
    attempts: Vec<Attempt>,
    record: CallRecord,
    call: CallId,
    request: Arc<Request>,
    ask: Ask,
    started: u16,
    committed: Option<AttemptId>,
    announced: bool,
    finished: bool,
    end: Option<End>,
    /// Once the call is over: whether the upstream's own `error` event has reached the caller.
    told: Option<bool>,
    saved: Option<(AttemptId, Saved)>,
    last: Option<(Miss, Foreign)>,
    request_id: Option<Foreign>,
    /// Where the answer may be continued.
    resume: Option<Box<Resume>>,
    /// The request that fetches the answer as a stream although none was asked for.
    streamed: Option<Arc<Request>>,
    /// Empty buffers that are used again.
    outputs: Vec<Output>,
    notes: Notes,
}

impl Driver {
    /// Announces the call to the engine.
    pub(crate) fn start(inner: Arc<Inner>, request: Arc<Request>, runtime: &Handle) -> Self {
        let (peek, tuned) = (request.body.peek(), inner.tuned());
        let outer = clearline_wire::outer(&request.headers);
        let mut ask = clearline_wire::ask(&request.method, request.path.as_str(), outer, &peek);
        let resume = tuned.continues.filter(|_| ask.resumable && ask.stream);
        let resume = resume.and_then(|max| Resume::new(max, &request.body, &peek)).map(Box::new);
        ask.resumable = resume.is_some();
        let streamed = tuned.streamed_from.and_then(|from| crate::gather::request(&request, &ask, from));
        ask.fetched = streamed.is_some() && !inner.plain.load(Ordering::Relaxed);
        ask.credential = inner.credential(&request.headers);
        let model = peek.model.as_ref().map(Foreign::raw);
        let lane = LaneId {
            upstream: inner.network().group_for(request.path.as_str(), model, &request.headers),
            family: peek.model.as_ref().map_or(0, |model| inner.family(model)),
        };
        drop(peek);
        let (call, place, buffers) = inner.brain.enter(runtime);
        let now = inner.brain.now();
        let deadline = outer.timeout.map(|d| now + d);
        let caller = request.caller;
        let mut driver = Self {
            streamed,
            resume,
            inner,
            now,
            slot: place.slot,
            progress: place.progress,
            attempts: place.attempts,
            record: CallRecord::with_room(call, now, place.recorded),
            call,
            request,
            ask,
            started: 0,
            committed: None,
            announced: false,
            finished: false,
            end: None,
            told: None,
            saved: None,
            last: None,
            request_id: None,
            outputs: buffers.outputs,
            notes: buffers.notes,
        };
        driver.feed(Input::Call { call, lane, caller, deadline, ask });
        driver
    }

    /// Makes the reply of the first turn.
    pub(crate) fn reply(mut self: Box<Self>, turn: Turn) -> Result<Reply, CallError> {
        let call = self.call;
        match turn {
            Turn::Committed => {
                let (status, headers) = self.committed_head();
                let attempts = self.started;
                let body = ReplyBody::running(self);
                Ok(Reply { call, status, headers, body, cause: None, no_retry: false, attempts })
            }
            Turn::Ended(End::Answered(saved, no_retry)) => Ok(Reply {
                call,
                status: saved.status,
                headers: saved.headers,
                body: ReplyBody::whole(saved.body),
                cause: Some(saved.cause),
                no_retry,
                attempts: self.started,
            }),
            Turn::Ended(End::Own(error)) => Err(*error),
            Turn::Ended(End::Broken(broke)) => Err(self.error(broke.cause, None, false)),
            // A call that succeeds commits first, and a frame comes after the commit.
            Turn::Ended(End::Finished) | Turn::Frame(_) => Err(self.error(Cause::ServerError, None, false)),
        }
    }

    /// Says whether the upstream's own `error` event has reached the caller, once the call is over.
    pub(crate) fn delivered_error(&self) -> bool {
        self.told == Some(true)
    }

    /// Goes on until something is there for the caller.
    pub(crate) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        self.now = self.inner.brain.now();
        loop {
            for output in self.slot.take(cx) {
                self.obey(output);
            }
            if self.committed.is_some() && !self.announced {
                self.announced = true;
                if self.attempts.iter().any(Attempt::is_long) {
                    // It may last, and hardly needs them.
                    let buffers = self.buffers();
                    self.inner.brain.give(buffers);
                }
                return Poll::Ready(Turn::Committed);
            }
            // What is held of a finished answer still has to reach the caller.
            if let Some(bytes) = self.next_held() {
                return Poll::Ready(Turn::Frame(bytes));
            }
            if self.resume.as_ref().is_some_and(|r| r.is_wrong()) && self.end.is_none() {
                self.give_up_continuation();
                continue;
            }
            if self.inner.brain.is_stopped() {
                self.cut();
            }
            if let Some(end) = self.end.take() {
                self.close();
                return Poll::Ready(Turn::Ended(end));
            }
            if self.finished {
                self.close();
                return Poll::Ready(Turn::Ended(End::Finished));
            }
            match self.poll_attempts(cx) {
                Poll::Ready((attempt, step)) => self.take_step(attempt, step),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn next_held(&mut self) -> Option<Bytes> {
        let committed = self.committed?;
        let attempt = self.attempts.iter_mut().find(|a| a.id() == committed);
        match &mut self.resume {
            Some(resume) => resume.next(attempt),
            None => attempt?.next_held(),
        }
    }

    /// What of the answer reaches the caller, where it broke in the attempt that it sees.
    fn got(&mut self, attempt: AttemptId, got: Partial) -> Partial {
        if self.committed != Some(attempt) {
            return got;
        }
        let broken = self.attempts.iter_mut().find(|a| a.id() == attempt);
        match (&mut self.resume, broken) {
            (Some(resume), Some(broken)) => resume.broke(broken, &self.request, got),
            _ => Partial { tool_or_thinking: true, ..got },
        }
    }

    /// What came in the place of a continuation must not be shown: the answer ends as a broken one.
    fn give_up_continuation(&mut self) {
        let (Some(id), Some(resume)) = (self.committed, &self.resume) else { return };
        let got = resume.given_up();
        self.attempts.retain(|a| a.id() != id);
        let miss = Miss { got, ..Miss::silent(Cause::StreamCorrupt, Stage::Stream, Sent::Yes) };
        self.last = Some((miss, Foreign::default()));
        self.feed(Input::Failed(id, miss));
    }

    /// The process ends: the attempt that the caller sees is over now.
    fn cut(&mut self) {
        let committed = self.committed;
        let shown = |a: &&mut Attempt| Some(a.id()) == committed && !a.over();
        self.attempts.iter_mut().filter(shown).for_each(Attempt::cut);
    }

    fn poll_attempts(&mut self, cx: &mut Context<'_>) -> Poll<(AttemptId, Step)> {
        let mut step = None;
        let mut notes = std::mem::take(&mut self.notes);
        for attempt in &mut self.attempts {
            if let Poll::Ready(s) = attempt.poll_step(self.now, &mut notes, cx) {
                step = Some((attempt.id(), s));
                break;
            }
        }
        for (attempt, kind) in notes.drain(..) {
            let input = if let EventKind::StageDone { stage, .. } = &kind {
                Some(Input::Reached(attempt, *stage))
            } else if let EventKind::ConnectionChosen { addr, .. } = &kind {
                Some(Input::Connected(attempt, *addr))
            } else {
                None
            };
            self.note_own(kind);
            if let Some(input) = input {
                self.feed(input);
            }
        }
        self.notes = notes;
        step.map_or(Poll::Pending, Poll::Ready)
    }

    fn take_step(&mut self, attempt: AttemptId, step: Step) {
        match step {
            Step::Head(status, limits) => {
                self.feed(Input::Head(attempt, status, limits.map(|l| *l).unwrap_or_default()));
                if self.committed == Some(attempt) {
                    self.joins(attempt, status);
                }
            }
            // The loop takes what is held before it asks again.
            Step::Held => {}
            Step::Content => self.feed(Input::Content(attempt)),
            Step::Done(usage, quiet) => {
                if let Some(longest) = quiet {
                    self.feed(Input::Quiet(attempt, longest));
                }
                self.feed(Input::Done(attempt, usage));
            }
            Step::Resolved(upstream, addrs) => self.feed(Input::Resolved(upstream, addrs)),
            Step::Failed(failed) => {
                let crate::attempt::Failed { mut miss, saved, detail } = *failed;
                miss.got = self.got(attempt, miss.got);
                if miss.cause == Cause::StreamCorrupt {
                    // What cannot be put together is asked for as the caller does.
                    self.streamed = None;
                }
                if let Some(saved) = saved {
                    self.saved = Some((attempt, saved));
                }
                self.last = Some((miss, detail));
                self.feed(Input::Failed(attempt, miss));
            }
        }
    }

    fn feed(&mut self, input: Input) {
        // Obeying may feed again, which then takes a buffer of its own.
        let mut outputs = std::mem::take(&mut self.outputs);
        self.inner.brain.feed(self.now, Some(self.call), input, &mut outputs);
        for output in outputs.drain(..) {
            self.obey(output);
        }
        self.outputs = outputs;
    }

    fn obey(&mut self, output: Output) {
        match output {
            Output::Start { attempt, plan, .. } => self.begin(attempt, plan),
            Output::Abort(attempt) => self.attempts.retain(|a| a.id() != attempt),
            Output::Commit(attempt) => {
                self.committed = Some(attempt);
                self.attempts.retain(|a| a.id() == attempt);
                if let Some(a) = self.attempts.first_mut() {
                    a.commit();
                    // A compressed stream takes no other into it.
                    self.resume = self.resume.take().filter(|_| a.is_stream());
                    self.streamed = None;
                    if a.is_long() {
                        // Only a continuation asks for it once more; a stream may last, and be one of thousands.
                        let again = self.resume.is_some();
                        self.request = Arc::new(if again { self.request.compact() } else { Request::none() });
                    }
                }
            }
            Output::Fail(_, answer) => {
                self.end_of_text();
                self.fail(&answer);
            }
            Output::Finish(_) => {
                self.end_of_text();
                if self.resume.as_ref().is_some_and(|r| r.is_wrong()) {
                    let cause = Cause::StreamCorrupt;
                    self.fail(&Answer {
                        from: None,
                        cause,
                        retry_after: None,
                        no_retry: false,
                        broken: true,
                    });
                } else {
                    self.finished = true;
                }
            }
            // What a parked call waits for is in its notes; it waits by not being woken.
            Output::Park(..) => {}
            Output::Note(event) => self.note(&event),
        }
    }

    fn begin(&mut self, id: AttemptId, plan: Plan) {
        self.started = self.started.max(id.n);
        let continues = plan.body == Sends::Continue;
        let rest = self.resume.as_mut().filter(|_| continues).and_then(|r| r.begin());
        let plain = self.inner.plain.load(Ordering::Relaxed);
        let streamed = self.streamed.clone().filter(|_| !plain);
        let gathers = streamed.is_some();
        let mut other = rest.or(streamed);
        let request = other.as_mut().unwrap_or(&mut self.request);
        let with = (self.progress.clone(), self.now);
        let mut attempt = Attempt::start(Arc::clone(&self.inner), request, id, (plan, self.ask), with);
        if gathers {
            attempt.gather();
        }
        if continues {
            // What arrived of the broken one was taken from it already.
            self.attempts.clear();
            self.committed = Some(id);
        }
        // A failed attempt is kept only while it is the one that is delivered.
        self.attempts.retain(|a| !a.over() || Some(a.id()) == self.committed);
        self.attempts.push(attempt);
    }

    /// The answer of a continuation begins; an error is read to its end and never shown.
    fn joins(&mut self, id: AttemptId, status: u16) {
        let Some(attempt) = self.attempts.iter_mut().find(|a| a.id() == id) else { return };
        if attempt.is_stream() {
            attempt.commit();
        } else if (200..300).contains(&status)
            && let Some(resume) = &mut self.resume
        {
            resume.refuse();
        }
    }

    fn end_of_text(&mut self) {
        // What finished is still held by its attempt.
        let committed = self.committed;
        let attempt = self.attempts.iter_mut().find(|a| Some(a.id()) == committed);
        if let Some(resume) = &mut self.resume {
            resume.end(attempt);
        }
    }

    fn fail(&mut self, answer: &Answer) {
        let end = if answer.broken {
            let joined = self.resume.as_ref().is_some_and(|r| r.has_begun());
            let is_stream = joined || self.attempts.first().is_some_and(Attempt::is_stream);
            let (stage, got) = self
                .last
                .as_ref()
                .map_or_else(|| (Stage::Stream, Partial::default()), |(m, _)| (m.stage, m.got));
            let attempts = self.started;
            let torn = self.attempts.first().is_some_and(Attempt::is_torn);
            let request_id = self.request_id.clone();
            let (cause, stopped) = (answer.cause, self.inner.brain.is_stopped());
            End::Broken(Box::new(Break { cause, is_stream, stage, attempts, request_id, got, torn, stopped }))
        } else {
            match self.saved.take() {
                Some((attempt, saved)) if answer.from == Some(attempt) => {
                    End::Answered(Box::new(saved), answer.no_retry)
                }
                _ => End::Own(Box::new(self.error(answer.cause, answer.retry_after, answer.no_retry))),
            }
        };
        self.end = Some(end);
    }

    fn error(&self, cause: Cause, retry_after: Option<clearline_model::Dur>, no_retry: bool) -> CallError {
        let (stage, sent) = self.last.as_ref().map_or((Stage::Config, Sent::No), |(m, _)| (m.stage, m.sent));
        CallError {
            call: self.call,
            cause,
            stage,
            sent,
            attempts: self.started,
            request_id: self.request_id.clone(),
            retry_after,
            no_retry,
            stopped: self.inner.brain.is_stopped(),
            detail: self.last.as_ref().map(|(_, d)| d.clone()).unwrap_or_default(),
        }
    }

    fn committed_head(&mut self) -> (StatusCode, HeaderMap) {
        self.attempts
            .first_mut()
            .and_then(Attempt::take_head)
            .unwrap_or_else(|| (StatusCode::BAD_GATEWAY, HeaderMap::new()))
    }

    fn note_own(&mut self, kind: EventKind) {
        if let EventKind::HeadArrived { head, .. } = &kind
            && head.request_id.is_some()
        {
            self.request_id.clone_from(&head.request_id);
        }
        let event = Event { at: self.now, call: Some(self.call), kind };
        self.note(&event);
    }

    fn note(&mut self, event: &Event) {
        self.record.apply(event);
        self.inner.observer.event(event);
    }

    fn buffers(&mut self) -> Buffers {
        Buffers { outputs: std::mem::take(&mut self.outputs), notes: std::mem::take(&mut self.notes) }
    }

    /// Ends the call for the engine and the observer, once.
    fn close(&mut self) {
        if self.told.is_some() {
            return;
        }
        let mut seen = self.attempts.iter().filter(|a| Some(a.id()) == self.committed);
        self.told = Some(seen.any(Attempt::saw_error_event));
        let buffers = self.buffers();
        self.inner.observer.ended(&self.record);
        let place = Place {
            slot: Arc::clone(&self.slot),
            progress: self.progress.clone(),
            attempts: std::mem::take(&mut self.attempts),
            recorded: std::mem::take(&mut self.record.attempts),
        };
        self.inner.brain.leave(self.call, place, buffers);
    }
}

/// A call that is dropped before its end: the caller left.
impl Drop for Driver {
    fn drop(&mut self) {
        if self.told.is_some() {
            return;
        }
        let over = self.finished || self.end.is_some();
        if !over {
            self.now = self.inner.brain.now();
            self.feed(Input::CallerGone(self.call));
        }
        self.attempts.clear();
        self.close();
    }
}
