//! The API's rate limits: one token bucket for requests and two for tokens, for each credential.

use std::time::Duration;

use crate::date;

/// What a minute may hold; nothing is limited where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Limits {
    pub(crate) requests: Option<u32>,
    pub(crate) input: Option<u32>,
    pub(crate) output: Option<u32>,
    /// Answers under way at once.
    pub(crate) at_once: Option<u32>,
    /// How much of a minute's allowance may be used at once.
    pub(crate) burst: Duration,
}

/// What a request takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    pub(crate) input: u64,
    pub(crate) output: u64,
}

#[derive(Clone, Debug)]
struct Bucket {
    what: &'static str,
    words: &'static str,
    per_minute: f64,
    full: f64,
    left: f64,
}

impl Bucket {
    fn new(
        what: &'static str,
        words: &'static str,
        per_minute: Option<u32>,
        burst: Duration,
    ) -> Option<Self> {
        let per_minute = f64::from(per_minute?);
        let full = (per_minute * burst.as_secs_f64() / 60.0).max(1.0);
        Some(Self { what, words, per_minute, full, left: full })
    }

    fn fill(&mut self, by: Duration) {
        self.left = self.full.min(self.left + by.as_secs_f64() * self.per_minute / 60.0);
    }

    /// How long until `amount` is there; the fuller of it and the bucket, as nobody waits for more than it holds.
    fn wait(&self, amount: f64) -> Duration {
        let missing = amount.min(self.full) - self.left;
        if missing <= 0.0 || self.per_minute <= 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(missing * 60.0 / self.per_minute).unwrap_or(Duration::MAX)
    }

    fn headers(&self, what: &str, factor: f64, out: &mut Vec<(String, String)>) {
        let reset = self.wait(self.full).div_f64(factor).as_secs_f64().ceil();
        let reset = date::after(Duration::try_from_secs_f64(reset).unwrap_or(Duration::ZERO));
        let name = |part: &str| format!("anthropic-ratelimit-{what}-{part}");
        out.push((name("limit"), format!("{:.0}", self.per_minute)));
        out.push((name("remaining"), format!("{:.0}", self.left.max(0.0).floor())));
        out.push((name("reset"), reset));
    }
}

/// Why a request has to wait.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The API's sentence.
    pub(crate) message: String,
    /// Scenario time until the request would pass.
    pub(crate) wait: Duration,
}

/// The buckets of one credential.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    filled: Duration,
    requests: Option<Bucket>,
    input: Option<Bucket>,
    output: Option<Bucket>,
}

impl Buckets {
    /// Full buckets at scenario time `now`.
    pub(crate) fn new(limits: &Limits, now: Duration) -> Self {
        Self {
            filled: now,
            requests: Bucket::new("requests", "requests per minute", limits.requests, limits.burst),
            input: Bucket::new("input-tokens", "input tokens per minute", limits.input, limits.burst),
            output: Bucket::new("output-tokens", "output tokens per minute", limits.output, limits.burst),
        }
    }

    /// Takes what a request needs, from all the buckets or from none.
    pub(crate) fn take(&mut self, now: Duration, need: Need, org: &str) -> Result<(), Refusal> {
        let by = now.saturating_sub(self.filled);
        self.filled = now;
        let amounts = [1.0, to_f64(need.input), to_f64(need.output)];
        let mut refusal: Option<Refusal> = None;
        for (bucket, amount) in self.all().into_iter().zip(amounts) {
            let Some(bucket) = bucket else { continue };
            bucket.fill(by);
            let wait = bucket.wait(amount);
            if wait > refusal.as_ref().map_or(Duration::ZERO, |r| r.wait) {
                let message = format!(
                    "This request would exceed the rate limit for your organization ({org}) of {:.0} {}. For details, refer to: \
                     https://docs.claude.com/en/api/rate-limits. You can see the response headers for current usage.",
                    bucket.per_minute, bucket.words
                );
                refusal = Some(Refusal { message, wait });
            }
        }
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        for (bucket, amount) in self.all().into_iter().zip(amounts) {
            if let Some(bucket) = bucket {
                bucket.left -= amount.min(bucket.full);
            }
        }
        Ok(())
    }

    fn all(&mut self) -> [Option<&mut Bucket>; 3] {
        [self.requests.as_mut(), self.input.as_mut(), self.output.as_mut()]
    }

    /// The headers that tell the state; `tokens` is the more restrictive of the two kinds.
    pub(crate) fn headers(&self, factor: f64) -> Vec<(String, String)> {
        let mut out = Vec::new();
        if let Some(bucket) = &self.requests {
            bucket.headers(bucket.what, factor, &mut out);
        }
        let fullness = |b: &&Bucket| b.left / b.full;
        let tightest = [self.input.as_ref(), self.output.as_ref()]
            .into_iter()
            .flatten()
            .min_by(|a, b| fullness(a).total_cmp(&fullness(b)));
        if let Some(bucket) = tightest {
            bucket.headers("tokens", factor, &mut out);
        }
        for bucket in [&self.input, &self.output].into_iter().flatten() {
            bucket.headers(bucket.what, factor, &mut out);
        }
        out
    }
}

fn to_f64(n: u64) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_empty_bucket_says_how_long_to_wait_and_refills() {
        let limits = Limits { requests: Some(60), burst: 2 * SECOND, ..Limits::default() };
        let mut buckets = Buckets::new(&limits, Duration::ZERO);
        let need = Need { input: 5, output: 5 };
        assert!(buckets.take(Duration::ZERO, need, "org").is_ok());
        assert!(buckets.take(Duration::ZERO, need, "org").is_ok());
        let refusal = buckets.take(Duration::ZERO, need, "org").unwrap_err();
        assert_eq!(refusal.wait, SECOND);
        assert!(refusal.message.contains("(org) of 60 requests per minute"), "{}", refusal.message);
        assert!(buckets.take(SECOND, need, "org").is_ok());
        assert!(buckets.take(SECOND, need, "org").is_err());
    }

    #[test]
    fn tokens_show_the_tighter_of_input_and_output() {
        let limits = Limits { input: Some(600), output: Some(100), burst: 60 * SECOND, ..Limits::default() };
        let mut buckets = Buckets::new(&limits, Duration::ZERO);
        assert!(buckets.take(Duration::ZERO, Need { input: 60, output: 60 }, "org").is_ok());
        let headers = buckets.headers(1.0);
        let get = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!(get("anthropic-ratelimit-tokens-limit"), Some("100"));
        assert_eq!(get("anthropic-ratelimit-tokens-remaining"), Some("40"));
        assert_eq!(get("anthropic-ratelimit-input-tokens-remaining"), Some("540"));
        assert_eq!(get("anthropic-ratelimit-requests-limit"), None);
        let refusal = buckets.take(Duration::ZERO, Need { input: 1, output: 50 }, "org").unwrap_err();
        assert!(refusal.message.contains("100 output tokens per minute"), "{}", refusal.message);
        assert_eq!(refusal.wait, 6 * SECOND);
        assert!(
            refusal.wait < buckets.output.as_ref().unwrap().wait(1e9),
            "nobody waits for more than a full bucket"
        );
    }
}
