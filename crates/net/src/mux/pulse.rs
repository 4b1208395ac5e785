//! Whether a connection that says nothing still stands (RFC 9113, section 6.7): it is asked, and ends where it does not answer.
//!
//! Without it each call would find out by itself, at the end of its own limit. Anything that the server says is an answer: one that is
//! slow, or busy with others, answers pings all the same. What is written does not count: the kernel takes it for a while from
//! whoever sends into the void.

use std::task::{Context, Poll};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::Instant;

use crate::alarm::Alarm;

/// How long a connection with calls on it may say nothing until it is asked, and then until it is given up. Together they are less
/// than what a call waits by itself where nothing is known of its kind (`timeout.idle`, 60 s), and the second is long enough for a
/// ping that stands behind megabytes of a request on a slow line. Where either is nothing, it is never asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pings {
    /// Silence before the ping.
    pub after: Duration,
    /// Silence behind it.
    pub within: Duration,
}

impl Default for Pings {
    fn default() -> Self {
        Self { after: Duration::from_secs(15), within: Duration::from_secs(20) }
    }
}

impl Pings {
    const fn is_off(self) -> bool {
        self.after.is_zero() || self.within.is_zero()
    }
}

/// What is known of a connection's silence.
#[derive(Debug)]
struct Silence {
    limits: Pings,
    /// Bytes that had been read when it began.
    read: u64,
    since: Instant,
    asked: Option<Instant>,
}

/// What to do about it.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Nobody waits.
    Nothing,
    LookAgain(Instant),
    Ask,
    GiveUp,
}

impl Silence {
    const fn new(limits: Pings, now: Instant) -> Self {
        Self { limits, read: 0, since: now, asked: None }
    }

    fn next(&mut self, now: Instant, read: u64, is_used: bool) -> Next {
        if read != self.read || !is_used {
            *self = Self { read, ..Self::new(self.limits, now) };
        }
        let (from, limit) = match self.asked {
            _ if !is_used || self.limits.is_off() => return Next::Nothing,
            None => (self.since, self.limits.after),
            Some(asked) => (asked, self.limits.within),
        };
        if now < from + limit {
            Next::LookAgain(from + limit)
        } else if self.asked.is_some() {
            Next::GiveUp
        } else {
            self.asked = Some(now);
            Next::Ask
        }
    }
}

/// Asks a connection, and says when it is dead.
pub(super) struct Pulse {
    silence: Silence,
    pings: Option<PingPong>,
    alarm: Alarm,
}

impl Pulse {
    /// `pings` are those of the connection.
    pub(super) fn new(limits: Pings, pings: Option<PingPong>) -> Self {
        Self { silence: Silence::new(limits, Instant::now()), pings, alarm: Alarm::default() }
    }

    /// Ready where the connection does not answer any more; `read` are the bytes that it has said so far.
    pub(super) fn poll(&mut self, read: u64, is_used: bool, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.silence.next(Instant::now(), read, is_used) {
                Next::Nothing => return Poll::Pending,
                Next::LookAgain(at) => std::task::ready!(self.alarm.poll_at(at, cx)),
                Next::Ask => self.ask(cx),
                Next::GiveUp => return Poll::Ready(()),
            }
        }
    }

    fn ask(&mut self, cx: &mut Context<'_>) {
        if let Some(pings) = &mut self.pings {
            // The answer to the one before it makes room for another; without it, that one still waits.
            let _answered = pings.poll_pong(cx).is_ready();
            let _asked = pings.send_ping(Ping::opaque()).is_ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_under_calls_counts() {
        let begun = Instant::now();
        let at = |secs: u64| begun + Duration::from_secs(secs);
        let mut silence = Silence::new(Pings::default(), begun);
        assert_eq!(silence.next(at(500), 9, false), Next::Nothing, "nobody waits");
        assert_eq!(silence.next(at(500), 9, true), Next::LookAgain(at(515)));
        assert_eq!(silence.next(at(514), 10, true), Next::LookAgain(at(529)), "it said something");
        assert_eq!(silence.next(at(529), 10, true), Next::Ask);
        assert_eq!(silence.next(at(529), 10, true), Next::LookAgain(at(549)));
        assert_eq!(silence.next(at(548), 11, true), Next::LookAgain(at(563)), "it answered");
        assert_eq!(silence.next(at(563), 11, true), Next::Ask);
        assert_eq!(silence.next(at(582), 11, false), Next::Nothing, "its calls have ended");
        assert_eq!(silence.next(at(582), 11, true), Next::LookAgain(at(597)));
        assert_eq!(silence.next(at(600), 11, true), Next::Ask, "late");
        assert_eq!(silence.next(at(619), 11, true), Next::LookAgain(at(620)));
        assert_eq!(silence.next(at(620), 11, true), Next::GiveUp);
        for (after, within) in [(0, 1), (1, 0)] {
            let [after, within] = [after, within].map(Duration::from_secs);
            let mut off = Silence::new(Pings { after, within }, begun);
            assert_eq!(off.next(at(500), 0, true), Next::Nothing);
        }
    }
}
