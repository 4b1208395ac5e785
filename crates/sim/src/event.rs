//! What happened in the simulator, in order, for tests and for the admin listener.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;

/// The most events that are kept; older ones are dropped.
pub const MAX_EVENTS: usize = 200_000;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SimEvent {
    /// Counts from 1.
    pub n: u64,
    /// Since the start of the simulator, milliseconds.
    pub at_ms: u64,
    /// The connection, from 1.
    pub conn: u64,
    /// The request, from 1 over all connections, where the event belongs to one.
    pub request: Option<u64>,
    /// What it was.
    #[serde(flatten)]
    pub kind: SimEventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SimEventKind {
    /// A client connected.
    Accepted {
        /// The client's address and port.
        peer: String,
    },
    /// A request was read to its end.
    Request {
        /// Such as `POST`.
        method: String,
        /// Without the query.
        path: String,
        /// The last four characters of the credential, never the whole of it.
        key: Option<String>,
        /// The id that the answer carries.
        request_id: String,
        /// Whether the body asks for a stream.
        stream: bool,
        /// The beginning of the body's `metadata.user_id`, where it has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// A rule of the scenario fired.
    Fault {
        /// The rule's name.
        name: String,
    },
    /// The head of an answer was sent.
    Answered {
        /// Its status.
        status: u16,
    },
    /// The body of a stream ended as far as the simulator sends it.
    StreamEnded {
        /// Whether `message_stop` was sent.
        complete: bool,
    },
    /// The client left while its request was in work.
    ClientGone {
        /// What the simulator was doing: `body`, `delay`, `answer`, `stream`, `stall` or `hang`.
        during: String,
    },
    /// The connection is closed.
    Closed,
}

struct Kept {
    next: u64,
    events: VecDeque<SimEvent>,
}

/// The events so far, and a bell for those who wait.
pub(crate) struct EventLog {
    start: Instant,
    kept: Mutex<Kept>,
    bell: watch::Sender<u64>,
}

impl EventLog {
    pub(crate) fn new() -> Self {
        let kept = Mutex::new(Kept { next: 1, events: VecDeque::new() });
        Self { start: Instant::now(), kept, bell: watch::Sender::new(0) }
    }

    pub(crate) fn push(&self, conn: u64, request: Option<u64>, kind: SimEventKind) {
        let at_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let n = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let n = kept.next;
            kept.next += 1;
            if kept.events.len() >= MAX_EVENTS {
                kept.events.pop_front();
            }
            kept.events.push_back(SimEvent { n, at_ms, conn, request, kind });
            n
        };
        self.bell.send_replace(n);
    }

    /// The events after number `after`.
    pub(crate) fn after(&self, after: u64) -> Vec<SimEvent> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let from = kept.events.partition_point(|e| e.n <= after);
        kept.events.range(from..).cloned().collect()
    }

    /// Forgets the events; the numbers go on, so that who waits for the next one still gets it.
    pub(crate) fn clear(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).events.clear();
    }

    /// The first event, of those past and those to come, that `pred` accepts.
    pub(crate) async fn wait_for(&self, mut pred: impl FnMut(&SimEvent) -> bool) -> SimEvent {
        let mut bell = self.bell.subscribe();
        let mut seen = 0;
        loop {
            bell.borrow_and_update();
            for event in self.after(seen) {
                seen = event.n;
                if pred(&event) {
                    return event;
                }
            }
            if bell.changed().await.is_err() {
                // The sender lives in `self`, so this cannot be; waiting forever is what the caller asked for.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The events after `after`; waits up to `limit` for the first of them.
    pub(crate) async fn poll(&self, after: u64, limit: Duration) -> Vec<SimEvent> {
        let waited = tokio::time::timeout(limit, self.wait_for(|e| e.n > after)).await;
        if waited.is_ok() { self.after(after) } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_scans_the_past_and_then_the_future() {
        let log = EventLog::new();
        log.push(1, None, SimEventKind::Closed);
        assert_eq!(log.wait_for(|e| e.kind == SimEventKind::Closed).await.n, 1);
        let later = log.wait_for(|e| e.n == 3);
        let push = async {
            log.push(1, None, SimEventKind::Answered { status: 200 });
            log.push(1, Some(4), SimEventKind::StreamEnded { complete: true });
        };
        let (event, ()) = tokio::join!(later, push);
        assert_eq!(event.request, Some(4));
        assert_eq!(log.after(2).len(), 1);
        log.clear();
        assert!(log.after(0).is_empty());
    }

    #[test]
    fn an_event_is_flat_json() {
        let event =
            SimEvent { n: 1, at_ms: 2, conn: 3, request: None, kind: SimEventKind::Answered { status: 529 } };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(json, r#"{"n":1,"at_ms":2,"conn":3,"request":null,"kind":"answered","status":529}"#);
    }
}
