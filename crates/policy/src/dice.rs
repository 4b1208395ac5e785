//! Chance that can be replayed: SplitMix64.

use clearline_model::Dur;

/// A seeded generator. Constants: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Evenly from zero to `most`, both included.
    pub(crate) fn upto(&mut self, most: Dur) -> Dur {
        let wide = u128::from(self.next()) * (u128::from(most.0) + 1);
        Dur(u64::try_from(wide >> 64).unwrap_or(most.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_within_their_bound_and_follow_the_seed() {
        let (mut a, mut b) = (Dice::new(7), Dice::new(7));
        for most in [0, 1, 2, 1_000, u64::MAX] {
            let drawn = a.upto(Dur(most));
            assert!(drawn.0 <= most);
            assert_eq!(drawn, b.upto(Dur(most)));
        }
    }
}
