//! An answer that is continued where it broke: what the caller sees of several streams is one.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use clearline_model::Foreign;
use clearline_policy::Partial;
use clearline_wire::{Peek, Seams, Stitch, Turns, continuation, turns};
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderValue};

use crate::attempt::Attempt;
use crate::request::Request;
use crate::upload::Body;

/// What a call keeps while its answer may have to be continued.
pub(crate) struct Resume {
    stitch: Stitch,
    /// What waits for the caller.
    ready: VecDeque<Bytes>,
    /// The request that continues the answer as far as it came, and what it says more than the first.
    next: Option<(Arc<Request>, Turns)>,
    /// Bytes of the body that the caller has seen.
    bytes: u64,
    /// What came in the place of a continuation is no stream that can be read.
    refused: bool,
}

impl Resume {
    /// For an answer to this body, of which at most so many bytes of text are kept. `None` where it cannot be continued.
    pub(crate) fn new(text_max: usize, body: &Body, peek: &Peek) -> Option<Self> {
        let seams = match body.bytes() {
            Some(bytes) if peek.seams => clearline_wire::seams(bytes).filter(|s| !s.is_formed)?,
            // Of one that waits in a file there is only what was seen when it came.
            None if peek.seams || peek.messages_end.is_none() => return None,
            Some(_) | None => Seams::default(),
        };
        let stitch = Stitch::new(text_max, seams.stops);
        Some(Self { stitch, ready: VecDeque::new(), next: None, bytes: 0, refused: false })
    }

    /// The next bytes for the caller, of what the attempt holds.
    pub(crate) fn next(&mut self, mut attempt: Option<&mut Attempt>) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                return Some(bytes);
            }
            let attempt = attempt.as_mut().filter(|a| a.is_stream())?;
            if self.is_wrong() {
                return None;
            }
            let held = attempt.next_held()?;
            self.take(&held);
        }
    }

    fn take(&mut self, held: &[u8]) {
        let mut out = Vec::with_capacity(held.len());
        self.stitch.push(held, &mut out);
        if !out.is_empty() {
            self.ready.push_back(out.into());
        }
    }

    fn drain(&mut self, attempt: &mut Attempt) {
        while !self.is_wrong()
            && attempt.is_stream()
            && let Some(held) = attempt.next_held()
        {
            self.take(&held);
        }
    }

    /// What came in the place of a continuation cannot be joined.
    pub(crate) const fn is_wrong(&self) -> bool {
        self.refused || self.stitch.is_wrong()
    }

    /// The answer that came is no stream that can be read.
    pub(crate) const fn refuse(&mut self) {
        self.refused = true;
    }

    /// A stream has been asked for the rest.
    pub(crate) const fn has_begun(&self) -> bool {
        self.stitch.continued() > 0
    }

    /// The attempt whose answer the caller sees broke: how far the answer came, and whether it can be continued.
    pub(crate) fn broke(&mut self, attempt: &mut Attempt, request: &Request, got: Partial) -> Partial {
        self.drain(attempt);
        let fits = self.stitch.fits() && !attempt.is_torn();
        self.next = if fits { continued(request, self.stitch.seen()) } else { None };
        let waiting = self.ready.iter().map(|b| u64::try_from(b.len()).unwrap_or(u64::MAX)).sum::<u64>();
        let bytes = if self.has_begun() { self.bytes.saturating_add(waiting) } else { got.bytes };
        Partial { bytes, text_chars: self.stitch.chars(), tool_or_thinking: self.next.is_none() }
    }

    /// The request of the attempt that starts now.
    pub(crate) fn begin(&mut self) -> Option<Arc<Request>> {
        let (request, turns) = self.next.take()?;
        self.stitch.resume(&turns);
        Some(request)
    }

    /// How far the answer came where what followed cannot be joined, and so is not continued.
    pub(crate) const fn given_up(&self) -> Partial {
        Partial { bytes: self.bytes, text_chars: self.stitch.chars(), tool_or_thinking: true }
    }

    /// The answer ends here: what the attempt still holds is the last of it.
    pub(crate) fn end(&mut self, attempt: Option<&mut Attempt>) {
        if let Some(attempt) = attempt {
            self.drain(attempt);
        }
        let mut out = Vec::new();
        self.stitch.rest(&mut out);
        if !out.is_empty() {
            self.ready.push_back(out.into());
        }
    }
}

/// The request that asks for the rest of an answer, uncompressed, since its text has to be joined.
fn continued(request: &Request, text: &str) -> Option<(Arc<Request>, Turns)> {
    let mut headers = request.headers.clone();
    headers.remove(ACCEPT_ENCODING);
    let peek = request.body.peek();
    let turns = turns(peek.model.as_ref().map(Foreign::raw), text)?;
    if turns.text.is_empty() {
        return Some((Arc::new(Request { headers, ..request.clone() }), turns));
    }
    let body = extended(&request.body, &turns)?;
    if headers.contains_key(CONTENT_LENGTH) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    Some((Arc::new(Request { headers, body, ..request.clone() }), turns))
}

/// The body that asks for the rest. One that waits in a file stays there: only what is added is in memory.
fn extended(body: &Body, turns: &Turns) -> Option<Body> {
    match body.bytes() {
        Some(bytes) => Some(Bytes::from(continuation(bytes, turns)?).into()),
        None => body.with_messages(turns.text.clone().into()),
    }
}
