//! What a call asks of the policy, and what an answer tells it: numbers only, never bytes.

use crate::time::{Dur, Mono};

/// Whether a request may be sent again after the server may have seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Repeat {
    /// Costs nothing and changes nothing: GET, HEAD, `count_tokens`.
    Free,
    /// Changes nothing and is paid again: `POST /v1/messages`.
    Billed,
    /// Must not be carried out twice: repeated only when it was certainly not carried out.
    Once,
}

/// What the policy has to know of a request.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// The answer is wanted as a stream of events.
    pub stream: bool,
    /// The answer is fetched as a stream of events, although it is wanted as a whole.
    pub fetched: bool,
    /// Whether it may be sent again.
    pub repeat: Repeat,
    /// The whole body is at hand for another attempt.
    pub replayable: bool,
    /// Estimated input, tokens; 0 where unknown.
    pub est_input: u32,
    /// The most output that was asked for, tokens; 0 where unknown.
    pub max_output: u32,
    /// How often the caller's own layer has already retried this call (`x-stainless-retry-count`).
    pub outer_retry: u8,
    /// A broken stream of this call may be continued by the documented method.
    pub resumable: bool,
    /// The caller's own credential, as the shell numbered it; 0 where there is none.
    pub credential: u32,
}

impl Ask {
    /// After the head of the answer it is seen whether more comes.
    #[must_use]
    pub const fn is_seen(&self) -> bool {
        self.stream || self.fetched
    }
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            stream: false,
            fetched: false,
            repeat: Repeat::Free,
            replayable: true,
            est_input: 0,
            max_output: 0,
            outer_retry: 0,
            resumable: false,
            credential: 0,
        }
    }
}

/// What a server said about when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hint {
    /// The least wait, already relative to the answer's own `Date`. [`Dur::MAX`] means never.
    pub after: Option<Dur>,
    /// `x-should-retry`, which overrides the status.
    pub should_retry: Option<bool>,
}

/// One rate limit as the headers of an answer tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// The limit of the window, in its unit.
    pub limit: u64,
    /// What is left of it.
    pub remaining: u64,
    /// When it is full again, relative to the answer's own `Date`.
    pub reset: Dur,
}

/// The rate limits of an answer's headers (`anthropic-ratelimit-*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Requests per minute.
    pub requests: Option<Window>,
    /// Tokens of both kinds, where the answer counts them together.
    pub tokens: Option<Window>,
    /// Input tokens per minute.
    pub input_tokens: Option<Window>,
    /// Output tokens per minute.
    pub output_tokens: Option<Window>,
    /// A stable number for `anthropic-organization-id`: keys with the same one share their limits. 0 where unknown.
    pub organization: u64,
}

/// What an answer says that it cost, tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Usage {
    /// Input that was not cached.
    pub input: u64,
    /// Output.
    pub output: u64,
    /// Input that was written to the cache.
    pub cache_write: u64,
    /// Input that was read from the cache.
    pub cache_read: u64,
}

impl Usage {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            cache_read: self.cache_read.saturating_add(other.cache_read),
        }
    }
}

impl Hint {
    /// The moment before which nothing may be sent again.
    #[must_use]
    pub fn not_before(self, now: Mono) -> Option<Mono> {
        self.after.map(|d| now + d)
    }
}
