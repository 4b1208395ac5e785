//! One attempt: from a plan to bytes, or to a failure with its stage.

mod held;
mod open;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use clearline_model::{
    AddrId, Ask, AttemptId, Dur, EventKind, Failure, Foreign, Framing, HeadSeen, Limit, Limits, Mono, Repeat,
    Sent, Stage, StreamEnd, UpstreamId, Usage, classify,
};
use clearline_net::{Fault, after};
use clearline_policy::{Miss, Partial, Plan};
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use tokio::time::Instant;

use crate::attempt::held::Held;
pub(crate) use crate::attempt::open::Progress;
use crate::attempt::open::{Opened, Opening};
use crate::builder::Inner;
use crate::call::Saved;
use crate::gather::Gather;
use crate::queue::Queue;
use crate::read::{self, Got, Meaning, Reader};
use crate::request::Request;

/// How much of a stream is held before the commit, bytes. More than that is shown.
const HOLD_MAX: u64 = 1 << 20;

/// The most that a compressed error is unpacked to, bytes.
const ERROR_PLAIN_MAX: usize = 1 << 20;

/// How long an upstream may take to end the body after `message_stop`, before its connection is given up.
const AFTER_STOP: Dur = Dur::secs(1);

/// Who looks so much later whether a stream is silent did not look at all (a guess, above what a busy machine needs to wake a task).
const UNSEEN: Dur = Dur::secs(1);

/// What an attempt has to say.
pub(crate) enum Step {
    /// The addresses of an upstream are known.
    Resolved(UpstreamId, Vec<AddrId>),
    /// The head of a success arrived, with the limits that it tells.
    Head(u16, Option<Box<Limits>>),
    /// The caller may see it.
    Content,
    /// Bytes for the caller are held.
    Held,
    /// Its answer is complete; of a stream, its longest silence.
    Done(Usage, Option<Dur>),
    /// It failed.
    Failed(Box<Failed>),
}

/// A failed attempt, and what of it may be passed on.
pub(crate) struct Failed {
    pub(crate) miss: Miss,
    pub(crate) saved: Option<Saved>,
    pub(crate) detail: Foreign,
}

enum State {
    Opening(Opening),
    Reading(Reading),
    Over,
}

struct Reading {
    body: clearline_net::Body,
    reader: Reader,
    /// When it has been silent for too long.
    silent_at: Instant,
    complete: bool,
}

impl Reading {
    /// When the silence has lasted too long. Where nobody looked at that moment, nor a little later, what has come meanwhile gets the
    /// time to be seen: the thread was busy, or the caller with what it had.
    fn look(&mut self, now: Instant, late: Dur) -> Instant {
        if now > after(self.silent_at, late) {
            self.silent_at = after(now, late);
        }
        self.silent_at
    }
}

/// What the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// No stream of events.
    Other,
    Events,
    /// Compressed.
    Packed,
}

/// What happened to attempts, for the record.
pub(crate) type Notes = Vec<(AttemptId, EventKind)>;

/// One attempt on its way.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and none excludes another")]
pub(crate) struct Attempt {
    inner: Arc<Inner>,
    id: AttemptId,
    ask: Ask,
    /// It asks for a message.
    messages: bool,
    state: State,
    /// What was seen on the way to the head. All attempts of a call share it: each empties it before another goes on.
    progress: Progress,
    idle: Dur,
    steps: Queue<Step>,
    held: Held,
    notes: Notes,
    addr: Option<AddrId>,
    committed: bool,
    head: Option<(StatusCode, HeaderMap)>,
    form: Form,
    error_event: bool,
    bytes: u64,
    /// The moment of the turn.
    now: Mono,
    last: Mono,
    longest_gap: Dur,
    detail: Option<Foreign>,
    /// A whole answer is made of the stream.
    gathers: bool,
}

/// Tells what was seen on the way to the head; the address of the connection, once it is there.
fn seen(progress: &Progress, id: AttemptId, to: (&mut Notes, &mut Queue<Step>)) -> Option<AddrId> {
    let ((notes, steps), n, mut at) = (to, id.n, None);
    let mut all = progress.lock();
    while let Some(seen) = all.pop() {
        match seen {
            open::Seen::Stage(stage, took) => notes.push((id, EventKind::StageDone { n, stage, took })),
            open::Seen::Connection { addr, reused, http2 } => {
                at = Some(addr);
                notes.push((id, EventKind::ConnectionChosen { n, addr, reused, http2 }));
            }
            open::Seen::Resolved(upstream, addrs) => steps.push(Step::Resolved(upstream, addrs)),
        }
    }
    at
}

impl Attempt {
    pub(crate) fn start(
        inner: Arc<Inner>,
        request: &mut Arc<Request>,
        id: AttemptId,
        how: (Plan, Ask),
        (progress, now): (Progress, Mono),
    ) -> Self {
        let (plan, ask) = how;
        let messages = request.method == http::Method::POST && read::is_messages(request.path.as_str());
        let idle = plan.limits.idle;
        let begun = inner.brain.instant(now);
        let opening = Opening::begin(Arc::clone(&inner), request, plan, (&progress, begun));
        Self {
            now,
            last: now,
            inner,
            id,
            ask,
            messages,
            state: State::Opening(opening),
            progress,
            idle,
            steps: Queue::default(),
            held: Held::default(),
            notes: Vec::new(),
            addr: None,
            committed: false,
            head: None,
            form: Form::Other,
            error_event: false,
            bytes: 0,
            longest_gap: Dur::ZERO,
            detail: None,
            gathers: false,
        }
    }

    /// The answer is asked for as a stream, and the caller gets a whole one.
    pub(crate) const fn gather(&mut self) {
        self.gathers = true;
    }

    pub(crate) const fn id(&self) -> AttemptId {
        self.id
    }

    pub(crate) const fn over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// A stream of events that an event can be added to.
    pub(crate) const fn is_stream(&self) -> bool {
        matches!(self.form, Form::Events)
    }

    /// A stream of events, which may last.
    pub(crate) const fn is_long(&self) -> bool {
        matches!(self.form, Form::Events | Form::Packed)
    }

    /// The caller has seen a part of an event.
    pub(crate) const fn is_torn(&self) -> bool {
        self.held.is_torn()
    }

    pub(crate) const fn saw_error_event(&self) -> bool {
        self.error_event
    }

    pub(crate) const fn commit(&mut self) {
        self.committed = true;
    }

    pub(crate) const fn take_head(&mut self) -> Option<(StatusCode, HeaderMap)> {
        self.head.take()
    }

    pub(crate) fn next_held(&mut self) -> Option<Bytes> {
        self.held.pop()
    }

    /// Goes on, and says in `notes` what happened. While it is not committed it reads ahead; afterwards it yields as soon as
    /// bytes are held.
    pub(crate) fn poll_step(&mut self, now: Mono, notes: &mut Notes, cx: &mut Context<'_>) -> Poll<Step> {
        self.now = now;
        // All attempts of a call write to one buffer.
        std::mem::swap(&mut self.notes, notes);
        let polled = self.poll_loop(cx);
        std::mem::swap(&mut self.notes, notes);
        polled
    }

    fn note(&mut self, kind: EventKind) {
        self.notes.push((self.id, kind));
    }

    fn poll_loop(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            if let Some(step) = self.steps.pop() {
                return Poll::Ready(step);
            }
            if self.committed && !self.held.is_empty() {
                return Poll::Ready(Step::Held);
            }
            match &mut self.state {
                State::Opening(opening) => {
                    let polled = opening.poll(&self.progress, self.inner.brain.instant(self.now), cx);
                    self.addr =
                        seen(&self.progress, self.id, (&mut self.notes, &mut self.steps)).or(self.addr);
                    match polled {
                        Poll::Ready(Ok(opened)) => self.opened(opened),
                        Poll::Ready(Err(fault)) => self.failed_step(&fault),
                        Poll::Pending if self.steps.is_empty() => return Poll::Pending,
                        Poll::Pending => {}
                    }
                }
                State::Reading(_) => {
                    if self.poll_read(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
                State::Over => return Poll::Pending,
            }
        }
    }

    fn opened(&mut self, opened: Opened) {
        let (mut parts, body) = opened.response.into_parts();
        let limits = clearline_wire::headers::limits(&parts.headers);
        let request_id = clearline_wire::headers::request_id(&parts.headers);
        let status = parts.status;
        self.last = self.now;
        self.note(EventKind::HeadArrived {
            n: self.id.n,
            head: HeadSeen { status: status.as_u16(), request_id },
            took: opened.took,
        });
        clearline_wire::headers::strip_hop_by_hop(&mut parts.headers);
        let reader = match Reader::new(self.ask, self.messages, (status, &parts.headers)) {
            Ok(reader) => reader,
            Err(failure) => return self.fail(Stage::Head, failure, None),
        };
        let gathered = if self.gathers { reader.gathered() } else { Ok(reader) };
        let reader = match gathered {
            Ok(reader) => reader,
            Err(failure) => {
                self.ask_plainly();
                return self.fail(Stage::Head, failure, None);
            }
        };
        self.form = match (reader.is_events() || reader.gathers(), reader.is_plain() || reader.gathers()) {
            (true, true) => Form::Events,
            (true, false) => Form::Packed,
            (false, _) => Form::Other,
        };
        if self.is_long() {
            // Its end is in its events: with a length, one that breaks could not be told from a whole one, nor get an error behind it.
            clearline_wire::headers::retain(&mut parts.headers, |name| name != http::header::CONTENT_LENGTH);
        }
        self.steps.push(Step::Head(status.as_u16(), (limits != Limits::default()).then(|| Box::new(limits))));
        self.head = Some((status, parts.headers));
        let silent_at = after(self.inner.brain.instant(self.last), self.idle);
        self.state = State::Reading(Reading { body, reader, silent_at, complete: false });
    }

    /// Reads until something can be said. Ready means: look at `steps` and `held` again.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (now, late) = (self.inner.brain.instant(self.now), self.idle.min(UNSEEN));
        let State::Reading(reading) = &mut self.state else { return Poll::Ready(()) };
        if !self.committed && self.bytes > HOLD_MAX && reading.reader.is_events() {
            // Held back until the engine commits; that wakes this task.
            return Poll::Pending;
        }
        match Pin::new(&mut reading.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Ok(bytes) = frame.into_data() {
                    self.arrived(bytes);
                }
                Poll::Ready(())
            }
            Poll::Ready(Some(Err(fault))) => {
                self.broke(&fault);
                Poll::Ready(())
            }
            Poll::Ready(None) => {
                self.ended();
                Poll::Ready(())
            }
            Poll::Pending => {
                let silent_at = reading.look(now, late);
                ready!(reading.body.poll_silent(silent_at, cx));
                self.silent();
                Poll::Ready(())
            }
        }
    }

    fn arrived(&mut self, bytes: Bytes) {
        let now = self.now;
        self.longest_gap = self.longest_gap.max(now.since(self.last));
        self.last = now;
        let State::Reading(reading) = &mut self.state else { return };
        if bytes.is_empty() {
            return;
        }
        self.bytes += bytes.len() as u64;
        if reading.complete {
            // Nothing should follow; what does is passed on like all the rest.
            if !reading.reader.gathers() {
                self.held.push(bytes, 0);
            }
            return;
        }
        let seen = self.inner.brain.instant(now);
        reading.silent_at = after(seen, self.idle);
        let meaning = reading.reader.take(&bytes, self.bytes);
        if !matches!(meaning, Meaning::Failed(Failure::Framing(_))) && !reading.reader.gathers() {
            // What cannot be right is not shown: it may look like the end of a whole answer.
            self.held.push(bytes, reading.reader.open());
        }
        match meaning {
            Meaning::More => {}
            Meaning::Content => self.steps.push(Step::Content),
            Meaning::Complete if self.form != Form::Other => {
                reading.complete = true;
                reading.silent_at = after(seen, AFTER_STOP);
            }
            Meaning::Complete => self.ended(),
            Meaning::Failed(failure) => {
                let unknown = matches!(&reading.reader, Reader::Gathered(gather) if gather.is_unknown());
                let said = reading.reader.said();
                self.error_event = reading.reader.saw_error_event();
                if unknown {
                    self.ask_plainly();
                }
                self.fail(Stage::Stream, failure, said);
            }
        }
    }

    fn ended(&mut self) {
        let State::Reading(mut reading) = std::mem::replace(&mut self.state, State::Over) else { return };
        if matches!(reading.reader, Reader::Error) {
            return self.answered();
        }
        let whole =
            if matches!(reading.reader, Reader::Whole { .. }) { self.held.collect() } else { Bytes::new() };
        let none = HeaderMap::new();
        let headers = self.head.as_ref().map_or(&none, |(_, headers)| headers);
        let ended = reading.reader.end(&whole, headers);
        if let (Ok(_), Reader::Gathered(gather)) = (&ended, &reading.reader) {
            self.gathered(gather);
        }
        match ended {
            Ok(usage) => self.finish(usage),
            Err(failure) => {
                self.detail = reading.reader.said();
                self.fail_as(self.body_stage(), failure, reading.reader.got());
            }
        }
    }

    /// What cannot be put together is asked for as the caller does, now and later.
    fn ask_plainly(&self) {
        self.inner.plain.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// The answer that was made of a stream takes its place.
    fn gathered(&mut self, gather: &Gather) {
        if let (Ok((whole, _)), Some((_, headers))) = (gather.end(), &mut self.head) {
            crate::gather::describe(headers, whole.len());
            self.held.push(whole, 0);
            self.form = Form::Other;
        }
    }

    const fn body_stage(&self) -> Stage {
        match self.form {
            Form::Events | Form::Packed => Stage::Stream,
            Form::Other => Stage::Body,
        }
    }

    fn finish(&mut self, usage: Usage) {
        self.held.release();
        self.body_ended();
        let quiet = (self.form != Form::Other).then_some(self.longest_gap);
        self.steps.push(Step::Done(usage, quiet));
    }

    fn body_ended(&mut self) {
        let (bytes, longest_gap) = (self.bytes, self.longest_gap);
        self.note(EventKind::BodyEnded { n: self.id.n, bytes, longest_gap });
    }

    /// An error answer is complete, or as complete as it will be.
    fn answered(&mut self) {
        let Some((status, mut headers)) = self.head.take() else { return };
        let body = self.held.collect();
        let plain = clearline_wire::decoded(&headers, &body, ERROR_PLAIN_MAX).ok().flatten();
        let api = clearline_wire::parse_error(status.as_u16(), &headers, plain.as_deref().unwrap_or(&body));
        let failure = Failure::Status(status.as_u16(), api.kind, api.origin);
        let mut hint = clearline_wire::headers::hint(status.as_u16(), &headers);
        if hint.after.is_none() {
            hint.after = clearline_wire::headers::body_hint(plain.as_deref().unwrap_or(&body));
        }
        let cause = classify(Stage::Head, &failure, Sent::Yes);
        // A refused credential stopped the request at the door as well; that matters where another key can try.
        let at_the_door = self.ask.repeat == Repeat::Once && matches!(status.as_u16(), 401 | 403);
        let not_executed =
            at_the_door || clearline_wire::proves_not_executed(status.as_u16(), api.kind, api.origin);
        let miss = Miss {
            hint,
            answered: true,
            not_executed,
            ..self.miss(cause, (Stage::Head, Sent::Yes), Got::default())
        };
        self.body_ended();
        self.held.clear();
        if self.bytes > 0 {
            // A body that broke off is shorter than its head says; a HEAD's has none at all.
            clearline_wire::headers::retain(&mut headers, |name| name != http::header::CONTENT_LENGTH);
        }
        let saved = Some(Saved { status, headers, body, cause });
        self.steps.push(Step::Failed(Box::new(Failed { miss, saved, detail: api.message })));
    }

    /// The process ends: the answer ends where it is.
    pub(crate) fn cut(&mut self) {
        if self.has_all_it_needs() {
            return self.ended();
        }
        // One that continues a stream may not have begun.
        let (stage, failure) = if self.ask.stream || self.is_long() {
            (Stage::Stream, Failure::Ended(StreamEnd::Cut))
        } else {
            (Stage::Body, Failure::Framing(Framing::Short))
        };
        self.fail(stage, failure, None);
    }

    fn silent(&mut self) {
        if self.has_all_it_needs() {
            return self.ended();
        }
        self.fail(self.body_stage(), Failure::TimedOut(Limit::Idle), None);
    }

    /// The connection broke inside the body.
    fn broke(&mut self, fault: &Fault) {
        if self.has_all_it_needs() {
            return self.ended();
        }
        let failure = match (self.form != Form::Other, fault.failure) {
            (true, Failure::Reset) => Failure::Ended(StreamEnd::Reset),
            (true, Failure::Framing(Framing::Short) | Failure::Eof) => Failure::Ended(StreamEnd::Cut),
            (_, other) => other,
        };
        self.fail(self.body_stage(), failure, Some(fault.detail.clone()));
    }

    /// The stream was complete already, or it is an error, whose status is known: what is missing of its text is not
    /// worth losing it.
    fn has_all_it_needs(&self) -> bool {
        match &self.state {
            State::Reading(reading) => reading.complete || matches!(reading.reader, Reader::Error),
            State::Opening(_) | State::Over => false,
        }
    }

    fn failed_step(&mut self, fault: &Fault) {
        self.state = State::Over;
        if let Some(addr) = fault.addr {
            self.addr = Some(self.inner.addresses.id(addr));
        }
        let miss = self.miss(fault.cause(), (fault.stage, fault.sent), Got::default());
        let detail = fault.detail.clone();
        self.steps.push(Step::Failed(Box::new(Failed { miss, saved: None, detail })));
    }

    fn fail(&mut self, stage: Stage, failure: Failure, detail: Option<Foreign>) {
        let got = match &self.state {
            State::Reading(reading) => reading.reader.got(),
            State::Opening(_) | State::Over => Got::default(),
        };
        self.detail = detail;
        self.fail_as(stage, failure, got);
    }

    fn fail_as(&mut self, stage: Stage, failure: Failure, got: Got) {
        self.state = State::Over;
        let cause = classify(stage, &failure, Sent::Yes);
        let miss = self.miss(cause, (stage, Sent::Yes), got);
        self.body_ended();
        if self.committed {
            self.held.forget_tail();
        } else {
            self.held.clear();
        }
        let detail = self.detail.take().unwrap_or_default();
        self.steps.push(Step::Failed(Box::new(Failed { miss, saved: None, detail })));
    }

    fn miss(&self, cause: clearline_model::Cause, at: (Stage, Sent), got: Got) -> Miss {
        Miss {
            cause,
            stage: at.0,
            sent: at.1,
            addr: self.addr,
            hint: clearline_model::Hint::default(),
            got: Partial {
                bytes: self.bytes,
                text_chars: got.text_chars,
                tool_or_thinking: got.tool_or_thinking || !self.ask.resumable,
            },
            answered: false,
            not_executed: false,
            usage: got.usage,
        }
    }
}
