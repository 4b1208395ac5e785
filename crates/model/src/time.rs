//! Time as plain numbers of microseconds, so that it can be written down, replayed and made up in a test.

use std::fmt;
use std::ops::{Add, Sub};

/// A moment on a monotonic clock, in microseconds since any epoch that the shell chose.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub struct Mono(pub u64);

/// A length of time in microseconds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub struct Dur(pub u64);

/// A moment on the wall clock, in microseconds since 1970 (UTC). Only for records and certificates, never for waits.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub struct Wall(pub i64);

impl Mono {
    /// The time since `earlier`; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Dur {
        Dur(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Dur> for Mono {
    type Output = Self;

    fn add(self, d: Dur) -> Self {
        Self(self.0.saturating_add(d.0))
    }
}

impl Dur {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// So long that it never ends.
    pub const MAX: Self = Self(u64::MAX);

    /// From whole seconds.
    #[must_use]
    pub const fn secs(s: u64) -> Self {
        Self(s.saturating_mul(1_000_000))
    }

    /// From whole milliseconds.
    #[must_use]
    pub const fn millis(ms: u64) -> Self {
        Self(ms.saturating_mul(1_000))
    }

    /// As whole milliseconds, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000
    }

    /// As whole seconds, rounded up, as `retry-after` wants it.
    #[must_use]
    pub const fn as_secs_ceil(self) -> u64 {
        self.0.div_ceil(1_000_000)
    }

    /// As seconds with a fraction.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "2^53 µs are 285 years")]
    pub const fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// `self * num / den`, saturating; zero where `den` is zero.
    #[must_use]
    pub fn scale(self, num: u64, den: u64) -> Self {
        // Nearly all fit, and a division of 128 bits takes many times as long.
        if let Some(narrow) = self.0.checked_mul(num) {
            return Self(narrow.checked_div(den).unwrap_or(0));
        }
        let wide =
            u128::from(self.0).saturating_mul(u128::from(num)).checked_div(u128::from(den)).unwrap_or(0);
        Self(u64::try_from(wide).unwrap_or(u64::MAX))
    }
}

impl Add for Dur {
    type Output = Self;

    fn add(self, o: Self) -> Self {
        Self(self.0.saturating_add(o.0))
    }
}

impl Sub for Dur {
    type Output = Self;

    fn sub(self, o: Self) -> Self {
        Self(self.0.saturating_sub(o.0))
    }
}

impl From<std::time::Duration> for Dur {
    fn from(d: std::time::Duration) -> Self {
        Self(u64::try_from(d.as_micros()).unwrap_or(u64::MAX))
    }
}

impl From<Dur> for std::time::Duration {
    fn from(d: Dur) -> Self {
        Self::from_micros(d.0)
    }
}

impl Wall {
    /// The time from `earlier` to here; negative becomes zero.
    #[must_use]
    pub fn since(self, earlier: Self) -> Dur {
        Dur(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// As many digits as the length deserves: `31 ms`, `1.4 s`, `3 m 12 s`.
impl fmt::Display for Dur {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..1_000 => write!(f, "{} µs", self.0),
            1_000..10_000 => write!(f, "{}.{} ms", self.0 / 1_000, self.0 % 1_000 / 100),
            10_000..1_000_000 => write!(f, "{} ms", self.0 / 1_000),
            1_000_000..60_000_000 => write!(f, "{}.{} s", self.0 / 1_000_000, self.0 % 1_000_000 / 100_000),
            _ => write!(f, "{} m {} s", self.0 / 60_000_000, self.0 % 60_000_000 / 1_000_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_written_with_the_digits_it_deserves() {
        for (micros, text) in [
            (200, "200 µs"),
            (1_250, "1.2 ms"),
            (31_900, "31 ms"),
            (1_450_000, "1.4 s"),
            (192_000_000, "3 m 12 s"),
        ] {
            assert_eq!(Dur(micros).to_string(), text);
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Mono(5).since(Mono(9)), Dur::ZERO);
        assert_eq!(Mono(1) + Dur::MAX, Mono(u64::MAX));
        assert_eq!(Dur::secs(10).scale(3, 2), Dur::secs(15));
        assert_eq!(Dur(1).scale(1, 0), Dur::ZERO);
        assert_eq!(Wall(5).since(Wall(9)), Dur::ZERO);
    }
}
