//! How often a caller may reset streams that are hardly begun and not answered: each has begun a call, and costs the caller
//! nothing (CVE-2023-44487). One that cancels calls now and then stays far below it, and one that gives up on many at once after
//! having waited for them does not count: more than may be open at once it cannot have.

use std::time::Duration;

use tokio::time::Instant;

/// How long a stream is hardly begun.
const YOUNG: Duration = Duration::from_secs(1);
/// How many resets are forgiven each second.
const PER_SECOND: u32 = 10;

/// The resets that a connection has left.
#[derive(Debug)]
pub(crate) struct Resets {
    left: u32,
    most: u32,
    /// Until when those that are forgiven were given back.
    since: Instant,
}

impl Resets {
    /// `most`: how many at once.
    pub(crate) const fn new(most: u32, now: Instant) -> Self {
        Self { left: most, most, since: now }
    }

    /// Takes one of a stream that was begun then; `false` where none is left.
    pub(crate) fn take(&mut self, begun: Instant, now: Instant) -> bool {
        if now.saturating_duration_since(begun) >= YOUNG {
            return true;
        }
        let each = Duration::from_secs(1) / PER_SECOND;
        let passed = now.saturating_duration_since(self.since).as_nanos() / each.as_nanos();
        let back = u32::try_from(passed).unwrap_or(u32::MAX);
        self.since += each.saturating_mul(back);
        self.left = self.left.saturating_add(back).min(self.most);
        let taken = self.left.checked_sub(1);
        self.left = taken.unwrap_or(0);
        taken.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_ten_a_second() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut resets = Resets::new(3, start);
        let mut take = |ms| resets.take(at(ms), at(ms));
        assert_eq!([0, 0, 0, 0].map(&mut take), [true, true, true, false]);
        assert_eq!([99, 100, 100, 199, 200].map(&mut take), [false, true, false, false, true]);
        // Never more than at once, however long nothing came, and never for a clock that stands still.
        assert_eq!(
            [100_000, 100_000, 100_000, 100_000, 200].map(&mut take),
            [true, true, true, false, false]
        );
        let late = at(u64::from(u32::MAX));
        assert!(Resets::new(1, start).take(late, late));
    }

    /// A thousand calls that nobody answers, and whose caller has a timeout.
    #[test]
    fn who_has_waited_may_give_up() {
        let start = Instant::now();
        let mut resets = Resets::new(1, start);
        let now = start + YOUNG;
        assert!((0..1_000).all(|_| resets.take(start, now)));
        let young = start + Duration::from_millis(1);
        assert_eq!([(); 2].map(|()| resets.take(young, now)), [true, false]);
    }
}
