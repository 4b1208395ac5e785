//! What the modelled API does, and who calls it: everything is data, so that the optimum reads the same.

use clearline_model::{AddrId, Dur, KeyId, UpstreamId, Window};
use clearline_policy::Settings;

pub(crate) const SECOND: u64 = 1_000_000;

/// Chance that can be replayed.
#[derive(Debug, Clone)]
pub(crate) struct Rng(pub u64);

impl Rng {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n.max(1)
    }

    /// Chance of its own for each of several things under one seed.
    pub(crate) fn of(seed: u64, what: u64) -> Self {
        let mut mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ what.wrapping_mul(0xD1B5_4A32_D192_ED03);
        mixed = (mixed ^ mixed >> 31).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        Self(mixed ^ mixed >> 29 | 1)
    }

    pub(crate) fn between(&mut self, (low, high): (u64, u64)) -> u64 {
        low + self.below(high - low + 1)
    }

    pub(super) fn hits(&mut self, milli: u64) -> bool {
        self.below(1_000) < milli
    }
}

/// A bucket with continuous refill.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    pub(crate) per_minute: u64,
    pub(crate) burst: u64,
    /// Millionths; below zero where more was spent than there was.
    micro: i64,
    at: u64,
}

impl Bucket {
    pub(crate) const fn new(per_minute: u64, burst: u64) -> Self {
        Self { per_minute, burst, micro: (burst * SECOND).cast_signed(), at: 0 }
    }

    pub(super) fn refill(&mut self, now: u64) {
        let gained = u128::from(now - self.at) * u128::from(self.per_minute) / 60;
        self.micro = (self.micro + i64::try_from(gained).unwrap()).min((self.burst * SECOND).cast_signed());
        self.at = now;
    }

    pub(super) fn left(&self) -> u64 {
        u64::try_from(self.micro).unwrap_or(0) / SECOND
    }

    pub(super) fn take(&mut self, n: u64) -> bool {
        let fits = self.micro >= (n * SECOND).cast_signed();
        if fits {
            self.spend(n);
        }
        fits
    }

    /// Takes what is not there as well: nobody knows before how much it will be.
    pub(super) fn spend(&mut self, n: u64) {
        self.micro -= (n * SECOND).cast_signed();
    }

    /// Until `n` fit.
    pub(super) fn until(&self, n: u64) -> Dur {
        let lacks = u64::try_from((n * SECOND).cast_signed() - self.micro).unwrap_or(0);
        Dur(lacks * 60 / self.per_minute.max(1) + 1)
    }

    pub(super) fn window(&self) -> Window {
        let reset = self.until(self.burst);
        Window { limit: self.per_minute, remaining: self.left(), reset }
    }
}

/// A time of trouble.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trouble {
    pub(crate) from: u64,
    pub(crate) until: u64,
    pub(crate) how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// This share of attempts gets a 529, thousandths.
    Overloaded(u64),
    /// This share of attempts gets a 429 that tells nothing, thousandths.
    Throttled(u64),
    /// Nothing listens.
    Refused,
    /// Every request is taken, and its connection reset instead of an answer.
    Cut,
    /// Only so many attempts a second are taken, thousandths.
    Capacity(u64),
    /// Only so many attempts a second are begun, thousandths; the others wait there, whoever gave them up meanwhile.
    Queued(u64),
    /// A 429 where in a second more starts than so many and a good part of the ten seconds before it.
    Ramp(u32),
    /// Every answer begins twenty seconds late.
    Slow,
    /// So many answers are under way at most: more get a 529.
    Crowded(usize),
    /// The same, and more get a 429 that says so.
    AtOnce(usize),
    /// The capacity falls with the attempts of all upstreams: a second of more than it takes in any second leaves a tenth less, down to a quarter.
    Brownout(u64),
    /// The same, and what is too much gets a 500.
    Faulty(u64),
}

/// Whether attempts in a second are more than a capacity takes in any second: one that is kept to exactly lets one more into
/// some of them.
pub(crate) const fn is_over(attempts: u32, capacity: u64) -> bool {
    attempts as u64 * 1_000 > capacity + 1_000
}

/// Whether one more may begin after these where use may not grow quickly: in a second so many, and half as much again as in
/// each of the ten before it.
pub(super) fn ramps(begun: &[u64], now: u64, least: u32) -> bool {
    let since = |time: u64| begun.iter().rev().take_while(|at| **at + time > now).count() as u64;
    let before = since(11 * SECOND) - since(SECOND);
    since(SECOND) * 1_000 < u64::from(least) * 1_000 + before * 150
}

/// What the API does.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) troubles: Vec<Trouble>,
    /// Upstreams beside the first one, each with its weight; with them calls come to the group of all.
    pub(crate) others: Vec<(u32, Vec<Trouble>)>,
    /// Attempts a second that it takes at other times, thousandths; 0 is any number.
    pub(crate) capacity: u64,
    /// Shares of attempts, thousandths.
    pub(crate) errors: u64,
    /// Every call of this caller gets a 500.
    pub(crate) poison: Option<u32>,
    pub(crate) resets: u64,
    /// Connections that are reset instead of opened.
    pub(crate) unopened: u64,
    pub(crate) hangs: u64,
    pub(crate) slow: u64,
    /// Answers of 503 that say when to come back.
    pub(crate) busy: u64,
    pub(crate) cuts: u64,
    pub(crate) events: u64,
    pub(crate) stalls: u64,
    /// One address of four that answers 503.
    pub(crate) bad_addr: Option<AddrId>,
    /// The resolver turns the order of the addresses every so often, as name servers do.
    pub(crate) turns: Option<Dur>,
    /// Requests of each key; keys of one organisation share theirs.
    pub(crate) requests: Option<Bucket>,
    /// So many requests of each key in each minute of the clock.
    pub(crate) minute: Option<u64>,
    /// Input tokens of each key.
    pub(crate) input: Option<Bucket>,
    /// What a hint says of the wait, percent.
    pub(crate) hinted: u64,
    /// Output tokens of each key.
    pub(crate) output: Option<Bucket>,
    pub(crate) organizations: Vec<u64>,
    pub(crate) headers: bool,
    pub(crate) hints: bool,
    /// A key that is revoked at a moment.
    pub(crate) revoked: Option<(KeyId, u64)>,
    /// Milliseconds to the first content, and from it to the end.
    pub(crate) first: (u64, u64),
    pub(crate) rest: (u64, u64),
    pub(crate) tokens: (u64, u64),
}

impl Default for Api {
    fn default() -> Self {
        Self {
            troubles: Vec::new(),
            others: Vec::new(),
            capacity: 0,
            errors: 0,
            poison: None,
            resets: 0,
            unopened: 0,
            hangs: 0,
            slow: 0,
            busy: 0,
            cuts: 0,
            events: 0,
            stalls: 0,
            bad_addr: None,
            turns: None,
            requests: None,
            minute: None,
            input: None,
            hinted: 100,
            output: None,
            organizations: Vec::new(),
            headers: true,
            hints: true,
            revoked: None,
            first: (300, 1_500),
            rest: (500, 20_000),
            tokens: (100, 2_000),
        }
    }
}

impl Api {
    /// All upstreams.
    pub(super) fn upstreams(&self) -> impl Iterator<Item = UpstreamId> {
        (0..=u16::try_from(self.others.len()).unwrap()).map(UpstreamId)
    }

    /// What holds for an upstream at a moment, and until when.
    pub(super) fn trouble(&self, upstream: UpstreamId, at: u64) -> Option<Trouble> {
        let further = usize::from(upstream.0).checked_sub(1);
        let troubles = further.map_or(&self.troubles, |n| &self.others[n].1);
        troubles.iter().find(|t| (t.from..t.until).contains(&at)).copied()
    }

    /// Whose limits a key has.
    pub(super) fn organization(&self, key: Option<KeyId>) -> u64 {
        let key = key.map_or(0, |k| u64::from(k.0));
        let known = usize::try_from(key).ok().and_then(|k| self.organizations.get(k).copied());
        known.unwrap_or(key + 1)
    }

    pub(super) fn is_revoked(&self, key: KeyId, at: u64) -> bool {
        self.revoked.is_some_and(|(revoked, from)| revoked == key && at >= from)
    }

    /// What befalls an attempt before its answer, and how late that is.
    pub(super) fn early(&self, luck: &mut Rng) -> Option<Fate> {
        if self.unopened > 0 && luck.hits(self.unopened) {
            return Some(Fate::Unopened);
        }
        let shares = [
            (self.errors, Fate::Error),
            (self.resets, Fate::Reset),
            (self.hangs, Fate::Hang),
            (self.slow, Fate::Slow),
        ];
        let fate = shares.into_iter().find(|(share, _)| luck.hits(*share)).map(|(_, fate)| fate);
        fate.or_else(|| (self.busy > 0 && luck.hits(self.busy)).then_some(Fate::Busy))
    }

    /// What befalls an answer.
    pub(super) fn late(&self, luck: &mut Rng) -> Option<Fate> {
        let shares = [(self.events, Fate::Event), (self.cuts, Fate::Cut), (self.stalls, Fate::Stall)];
        shares.into_iter().find(|(share, _)| luck.hits(*share)).map(|(_, fate)| fate)
    }
}

/// What befalls an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Error,
    Unopened,
    Reset,
    Hang,
    Slow,
    Busy,
    Event,
    Cut,
    Stall,
}

/// A call that comes at its moment, whatever became of the earlier ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) at: u64,
    pub(crate) gateway: usize,
    pub(crate) caller: u32,
    /// Not a stream: nothing is seen of its answer before the end.
    pub(crate) plain: bool,
    /// Milliseconds to the first content, and from it to the end.
    pub(crate) first: u64,
    pub(crate) rest: u64,
    pub(crate) tokens: u64,
    /// Tokens that go in.
    pub(crate) input: u64,
}

/// The callers.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// The calls, in their order. None at all: callers that think between theirs.
    pub(crate) asked: Vec<Asked>,
    /// The gateways' clock leaps at a moment by so much, microseconds.
    pub(crate) leaps: Vec<(u64, i64)>,
    pub(crate) gateways: usize,
    /// Each caller thinks so long between two calls, milliseconds; it has one call at a time.
    pub(crate) think: (u64, u64),
    pub(crate) callers: u32,
    /// The first so many of them are one caller with many calls at once.
    pub(crate) greedy: u32,
    /// Nothing new after this moment.
    pub(crate) until: u64,
    pub(crate) deadline: Option<Dur>,
    pub(crate) keys: u32,
    pub(crate) settings: Settings,
}

impl Load {
    /// One gateway, to which these calls come until a moment; each is waited for so long.
    pub(crate) fn open(asked: Vec<Asked>, until: u64, deadline: Dur) -> Self {
        Self {
            asked,
            leaps: Vec::new(),
            gateways: 1,
            think: (0, 0),
            callers: 0,
            greedy: 0,
            until,
            deadline: Some(deadline),
            keys: 0,
            settings: Settings::default(),
        }
    }
}
