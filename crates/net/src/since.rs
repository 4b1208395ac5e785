//! How long something idles.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A moment by two clocks. The one that timers follow stands still while the machine sleeps; the peer, and every box on the way that
/// keeps track of connections, goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Since {
    at: Instant,
    wall: SystemTime,
}

impl Since {
    /// This moment.
    pub(crate) fn now() -> Self {
        Self::new(Instant::now(), SystemTime::now())
    }

    pub(crate) const fn new(at: Instant, wall: SystemTime) -> Self {
        Self { at, wall }
    }

    /// How long it was until then, by the clock that went further: one that was set forward costs a connection, one that was set back
    /// nothing.
    pub(crate) fn until(self, then: Self) -> Duration {
        let slept_too = then.wall.duration_since(self.wall).unwrap_or_default();
        then.at.saturating_duration_since(self.at).max(slept_too)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_that_went_further_counts() {
        let (at, wall) = (Instant::now(), SystemTime::now());
        let secs = Duration::from_secs;
        for (ticked, by_the_wall, expected) in
            [(5, wall + secs(5), 5), (5, wall + secs(90), 90), (5, wall - secs(90), 5)]
        {
            let then = Since::new(at + secs(ticked), by_the_wall);
            assert_eq!(Since::new(at, wall).until(then), secs(expected));
        }
        assert_eq!(Since::new(at + secs(1), wall).until(Since::new(at, wall)), Duration::ZERO);
    }
}
