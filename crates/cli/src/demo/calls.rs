//! The calls of the demo: the same list for both sides, from the seed alone.

use std::time::Duration;

/// How many calls.
pub(crate) const CALLS: u32 = 260;
/// Over which time they begin, evenly.
const SPAN: Duration = Duration::from_secs(26);

/// One call as both sides make it.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    /// Its number, from 0.
    pub(crate) n: u32,
    /// When it begins.
    pub(crate) at: Duration,
    /// Whether a stream is asked for.
    pub(crate) stream: bool,
    /// The body.
    pub(crate) body: serde_json::Value,
}

/// Makes the list.
pub(crate) fn plan(seed: u64) -> Vec<Planned> {
    (0..CALLS)
        .map(|n| {
            let dice = mix(seed ^ (u64::from(n) << 32));
            let stream = dice & 1 == 0;
            let word =
                WORDS.get(usize::try_from(dice >> 1).unwrap_or(0) % WORDS.len()).copied().unwrap_or_default();
            let body = serde_json::json!({
                "model": "claude-sonnet-5-5",
                "max_tokens": 64,
                "stream": stream,
                "messages": [{"role": "user", "content": format!("Call {n}: tell me about {word}.")}],
            });
            Planned { n, at: SPAN * n / CALLS, stream, body }
        })
        .collect()
}

const WORDS: [&str; 6] = ["rivers", "retries", "harbours", "clocks", "bridges", "weather"];

/// The finaliser of SplitMix64.
const fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_follows_the_seed_and_holds_both_kinds() {
        let bodies = |seed| plan(seed).into_iter().map(|p| p.body.to_string()).collect::<Vec<_>>();
        assert_eq!(bodies(7), bodies(7));
        assert_ne!(bodies(7), bodies(8));
        let streams = plan(7).iter().filter(|p| p.stream).count();
        assert!((100..160).contains(&streams), "{streams}");
    }
}
