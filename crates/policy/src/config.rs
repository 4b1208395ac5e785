//! What the engine is told once: upstreams, their keys, and the numbers that bound its decisions.

use clearline_model::{Dur, KeyId, UpstreamId};

/// Everything the engine is told before the first call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// The servers, in no particular order.
    pub upstreams: Vec<Upstream>,
    /// The numbers.
    pub settings: Settings,
}

/// One server and the credentials of the pool that it accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Which.
    pub id: UpstreamId,
    /// Its keys. None at all: the caller's own credential passes.
    pub keys: Vec<KeyId>,
}

/// Upstreams that stand in for one another. A call asks for it as for an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Under which number calls ask for it; none of an upstream.
    pub id: UpstreamId,
    /// The upstreams, and the share of the calls that each gets while it is well.
    pub members: Vec<(UpstreamId, u32)>,
}

/// The numbers that bound the decisions. Defaults where nothing else is said: the policy of `design.md`, section 6,
/// and the measured proposals of `facts/resilience.md`, section 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a caller that states no deadline is held after its first refusal. 15 s (design, patience).
    pub patience: Dur,
    /// The longest time from its arrival that a stated deadline is believed. 120 s (design, patience).
    pub patience_max: Dur,
    /// The most attempts of one call. 50 (resilience 5.1, safety cap).
    pub attempts_max: u16,
    /// First step of the backoff. 200 ms (resilience 5.3).
    pub backoff_base: Dur,
    /// First step of the backoff where the server is overloaded. 1 s (resilience 5.3).
    pub backoff_overload: Dur,
    /// Longest step of the backoff. 8 s (resilience 5.3).
    pub backoff_max: Dur,
    /// The retry budget at start, thousandths of a retry. 10 000 (resilience 5.4).
    pub budget_start_milli: u64,
    /// The most the budget holds, thousandths. 20 000 (resilience 5.4).
    pub budget_max_milli: u64,
    /// What a success adds to it, thousandths. 200 (resilience 5.4).
    pub budget_per_success_milli: u64,
    /// What a second adds to it, thousandths. 500 (resilience 5.4).
    pub budget_per_second_milli: u64,
    /// How long the head of a stream is held before its first content. 2 s (design, hold).
    pub commit_hold: Dur,
    /// Billed calls may be repeated after a lost answer. On (design, what may be repeated).
    pub maybe_billed: bool,
    /// How long a refused key rests before one probe. 300 s (resilience 5.6).
    pub key_quarantine: Dur,
    /// How long a limited key rests where the server gave no hint; doubles up to `backoff_max`. 2 s (a guess).
    pub key_cool: Dur,
    /// What the headers say of a key's rate limits is kept to before a 429, and what they do not say is learned from the
    /// 429s. On (resilience 5.6).
    pub key_pacing: bool,
    /// How long a failed address is avoided first; doubles each time. 5 s (resilience 5.7).
    pub address_avoid: Dur,
    /// The longest avoidance. 60 s (resilience 5.7).
    pub address_avoid_max: Dur,
    /// So many failures in a row that are an upstream's own fault make it rest. 3 (as nginx and Envoy count them).
    pub failover_after: u32,
    /// How long it rests first, before one call tries it; doubles each time. 5 s (resilience 5.7).
    pub failover_rest: Dur,
    /// The longest rest. 60 s (resilience 5.7).
    pub failover_rest_max: Dur,
    /// So many attempts a call makes on an upstream that fails before it goes to another. 2: most overloads are brief.
    pub failover_tries: u16,
    /// The limits of an attempt's stages.
    pub timeouts: Timeouts,
    /// First byte of a streamed answer; stands in for `timeouts.first_byte` there. 120 s (resilience 5.8).
    pub first_byte_stream: Dur,
    /// When a second attempt starts beside one that stays silent. Auto (resilience 5.8).
    pub hedge: Hedge,
    /// A broken stream of text may be continued by the documented method. Off.
    pub resume: bool,
    /// The most attempts at once per lane; further calls queue in the order of arrival. No limit.
    pub in_flight_max: Option<u32>,
    /// So many refusals for overload within 10 s, and 40 % of all attempts, switch a lane's limiter on where twelve calls
    /// or more are open, or fewer and nothing is let in any more; 0 never does. 4 (resilience 5.5 has 2, which one call with
    /// its own backoff reaches without any crowd).
    pub limiter_signals: u32,
    /// The least pace of a limited lane, thousandths of a start a second: the probe. 200 (resilience 5.5).
    pub limiter_floor_milli: u64,
    /// So many gateways share what the other side lets through. With more than one the release is slower, since each sees
    /// only its share of the refusals that all cause. 1.
    pub limiter_fleet: u32,
    /// Nothing accepted for so long is an outage. 5 s (resilience 5.5).
    pub limiter_outage: Dur,
    /// So long without a refusal, and nobody waiting, switches it off. 10 s (resilience 5.5).
    pub limiter_calm: Dur,
}

/// When a second attempt starts beside one whose head does not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hedge {
    /// Never.
    Off,
    /// When it takes much longer than it did lately, within a budget of its own: one for ten calls, and half of one back where it
    /// is answered first. An answer that is not streamed takes too long when even the longest that is allowed would be there; on a
    /// lane that loses attempts, when three of four would.
    #[default]
    Auto,
    /// For every call, after this time, paid from the retry budget.
    After(Dur),
}

/// The limits of one attempt's stages; the shell enforces them and reports a `Failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Looking up the name. 10 s (two tries of 5 s, as stub resolvers do).
    pub resolve: Dur,
    /// Opening one connection. 3 s (resilience 5.8).
    pub connect: Dur,
    /// A proxy's answer. 10 s.
    pub tunnel: Dur,
    /// TLS. 10 s.
    pub handshake: Dur,
    /// Sending the request, without progress. 60 s.
    pub send: Dur,
    /// From the end of the request to the head. 600 s, the API's own limit for answers that are not streamed.
    pub first_byte: Dur,
    /// Silence in a body (pings count). 60 s (design, idle).
    pub idle: Dur,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            patience: Dur::secs(15),
            patience_max: Dur::secs(120),
            attempts_max: 50,
            backoff_base: Dur::millis(200),
            backoff_overload: Dur::secs(1),
            backoff_max: Dur::secs(8),
            budget_start_milli: 10_000,
            budget_max_milli: 20_000,
            budget_per_success_milli: 200,
            budget_per_second_milli: 500,
            commit_hold: Dur::secs(2),
            maybe_billed: true,
            key_quarantine: Dur::secs(300),
            key_cool: Dur::secs(2),
            key_pacing: true,
            address_avoid: Dur::secs(5),
            address_avoid_max: Dur::secs(60),
            failover_after: 3,
            failover_rest: Dur::secs(5),
            failover_rest_max: Dur::secs(60),
            failover_tries: 2,
            timeouts: Timeouts::default(),
            first_byte_stream: Dur::secs(120),
            hedge: Hedge::Auto,
            resume: false,
            in_flight_max: None,
            limiter_signals: 4,
            limiter_floor_milli: 200,
            limiter_fleet: 1,
            limiter_outage: Dur::secs(5),
            limiter_calm: Dur::secs(10),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            resolve: Dur::secs(10),
            connect: Dur::secs(3),
            tunnel: Dur::secs(10),
            handshake: Dur::secs(10),
            send: Dur::secs(60),
            first_byte: Dur::secs(600),
            idle: Dur::secs(60),
        }
    }
}

impl Timeouts {
    /// The same with every limit doubled: what `longer-timeout` asks for.
    #[must_use]
    pub fn doubled(self) -> Self {
        let twice = |d: Dur| d.scale(2, 1);
        Self {
            resolve: twice(self.resolve),
            connect: twice(self.connect),
            tunnel: twice(self.tunnel),
            handshake: twice(self.handshake),
            send: twice(self.send),
            first_byte: twice(self.first_byte),
            idle: twice(self.idle),
        }
    }
}
