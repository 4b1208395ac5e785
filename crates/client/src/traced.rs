//! Calls as `tracing` shows them: a span for each call, and within it an event for what happened.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use clearline_model::{CallId, CallRecord, Event, EventKind};
use tracing::{Span, debug, info, info_span, warn};

use crate::observer::{NoObserver, Observer};

/// Tells `tracing` of calls, and then another observer.
///
/// ```
/// use std::sync::Arc;
///
/// let client = clearline::Client::builder("http://127.0.0.1:9000").observer(Arc::new(clearline::Traced::default())).build();
/// assert!(client.is_ok());
/// ```
pub struct Traced {
    spans: Mutex<HashMap<CallId, Span>>,
    next: Arc<dyn Observer>,
}

impl std::fmt::Debug for Traced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Traced").finish_non_exhaustive()
    }
}

impl Default for Traced {
    fn default() -> Self {
        Self::before(Arc::new(NoObserver))
    }
}

impl Traced {
    /// Tells this observer as well.
    #[must_use]
    pub fn before(next: Arc<dyn Observer>) -> Self {
        Self { spans: Mutex::default(), next }
    }

    fn span(&self, event: &Event) -> Option<Span> {
        let call = event.call?;
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        if let EventKind::CallStarted { stream, .. } = event.kind {
            // Beside the span of whoever made the call, which is the current one in its task.
            spans.insert(call, info_span!("clearline.call", call = call.0, stream));
        }
        spans.get(&call).cloned()
    }
}

impl Observer for Traced {
    fn event(&self, event: &Event) {
        match self.span(event) {
            Some(span) => span.in_scope(|| tell(&event.kind)),
            None => tell(&event.kind),
        }
        self.next.event(event);
    }

    fn ended(&self, record: &CallRecord) {
        let span = self.spans.lock().unwrap_or_else(PoisonError::into_inner).remove(&record.call);
        let took_ms = record.ended.since(record.started).as_millis();
        let cause = record.cause.map_or("", clearline_model::Cause::id);
        let outcome = record.outcome.map_or("", |o| o.word());
        let usage = record.usage();
        span.unwrap_or_else(Span::none).in_scope(|| {
            info!(
                outcome,
                cause,
                status = record.status,
                attempts = record.attempts.len(),
                took_ms,
                input_tokens = usage.input,
                output_tokens = usage.output,
                "call ended"
            );
        });
        self.next.ended(record);
    }
}

fn tell(kind: &EventKind) {
    match kind {
        EventKind::Parked { cause, .. } => debug!(cause = cause.id(), "parked"),
        EventKind::AttemptStarted { n, hedge, .. } => debug!(n, hedge, "attempt started"),
        EventKind::StageDone { n, stage, took } => {
            debug!(n, stage = %stage, took_ms = took.as_millis(), "stage done");
        }
        EventKind::HeadArrived { n, head, .. } => debug!(n, status = head.status, "head arrived"),
        EventKind::Committed { n } => debug!(n, "committed"),
        EventKind::Resumed { n } => info!(n, "a broken stream is continued"),
        EventKind::AttemptEnded { n, cause: Some(cause), stage, .. } => {
            warn!(n, cause = cause.id(), stage = %stage, "attempt failed");
        }
        EventKind::AttemptEnded { n, cause: None, aborted, .. } => debug!(n, aborted, "attempt ended"),
        EventKind::KeyChanged { key, cause, .. } => {
            warn!(key = key.0, cause = cause.map_or("", clearline_model::Cause::id), "key changed");
        }
        EventKind::AddressChanged { addr, avoided_until } => {
            debug!(addr = addr.0, avoided = avoided_until.is_some(), "address changed");
        }
        EventKind::UpstreamChanged { upstream, cause, rests_until } => {
            let cause = cause.map_or("", clearline_model::Cause::id);
            warn!(upstream = upstream.0, cause, rests = rests_until.is_some(), "upstream changed");
        }
        EventKind::LaneChanged { rate_milli, .. } => debug!(limited = rate_milli.is_some(), "lane changed"),
        EventKind::CallStarted { .. }
        | EventKind::ConnectionChosen { .. }
        | EventKind::BodyEnded { .. }
        | EventKind::CallEnded { .. } => {}
    }
}
