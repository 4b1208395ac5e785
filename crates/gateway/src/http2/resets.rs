//! How often a caller may reset streams that are not answered: each has begun a call, and costs the caller nothing
//! (CVE-2023-44487). One that cancels calls now and then stays far below it.

use std::time::Duration;

use tokio::time::Instant;

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

    /// Takes one; `false` where none is left.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
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
        let mut take = |ms| resets.take(at(ms));
        assert_eq!([0, 0, 0, 0].map(&mut take), [true, true, true, false]);
        assert_eq!([99, 100, 100, 199, 200].map(&mut take), [false, true, false, false, true]);
        // Never more than at once, however long nothing came, and never for a clock that stands still.
        assert_eq!(
            [100_000, 100_000, 100_000, 100_000, 200].map(&mut take),
            [true, true, true, false, false]
        );
        assert!(Resets::new(1, start).take(at(u64::from(u32::MAX))));
    }
}
