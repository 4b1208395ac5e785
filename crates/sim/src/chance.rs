//! Numbers and identifiers that follow from a seed.

/// One step of SplitMix64: a number that looks random, from one that need not.
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// FNV-1a, which is stable between versions of the compiler, unlike the standard library's hashers.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |h: u64, b| (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01B3))
}

/// A number in `0.0..1.0` for the `n`-th decision called `name` under `seed`.
pub(crate) fn share(seed: u64, name: &str, n: u64) -> f64 {
    let bits = mix(mix(seed ^ hash(name.as_bytes())).wrapping_add(n)) >> 32;
    u32::try_from(bits).map_or(0.0, f64::from) / 4_294_967_296.0
}

/// An identifier such as the API's: a prefix and 20 letters and digits.
pub(crate) fn id(prefix: &str, seed: u64, n: u64) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut state = mix(seed ^ hash(prefix.as_bytes())).wrapping_add(n);
    let mut out = String::from(prefix);
    for _ in 0..20 {
        state = mix(state);
        let digit = usize::try_from(state % 62).ok().and_then(|i| DIGITS.get(i)).copied().unwrap_or(b'0');
        out.push(char::from(digit));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_spread_evenly_and_repeat() {
        let below = (1..=10_000).filter(|n| share(7, "five percent", *n) < 0.05).count();
        assert!((400..600).contains(&below), "{below}");
        assert_eq!(share(7, "a", 3).to_bits(), share(7, "a", 3).to_bits());
        assert_ne!(share(7, "a", 3).to_bits(), share(8, "a", 3).to_bits());
        assert_ne!(share(7, "a", 3).to_bits(), share(7, "b", 3).to_bits());
    }

    #[test]
    fn ids_differ_by_number_and_seed() {
        assert_eq!(id("req_", 1, 1), id("req_", 1, 1));
        assert_ne!(id("req_", 1, 1), id("req_", 1, 2));
        assert_ne!(id("req_", 1, 1), id("req_", 2, 1));
        assert_eq!(id("req_", 1, 1).len(), 24);
    }
}
