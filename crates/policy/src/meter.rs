//! What is left of the rate limits of a key, or of the organisation that several keys belong to: so that what would be
//! refused waits before it is sent.
//!
//! Each limit is a bucket that the headers of every answer set right. Between two answers it is ours to count: an attempt
//! takes what it is estimated to need when it starts, and its end corrects that. Where the server says no numbers,
//! refusals switch a limiter on that finds the pace.

mod bucket;

use std::collections::BTreeMap;

use clearline_model::{Ask, Cause, Dur, KeyId, Limits, Mono, UpstreamId, Usage};

use self::bucket::{Bucket, Counts, milli};
use crate::at_once::AtOnce;
use crate::config::Settings;
use crate::dice::Dice;
use crate::limiter::Learned;

/// The part of `max_tokens` that an answer is taken to need before any was seen.
const OUTPUT_PART: u64 = 4;
/// How much of the old a new value leaves in an average: 7 of 8.
const KEEP: u64 = 7;
/// How long a learned pace is kept after its last refusal.
const LEARNED: Dur = Dur::secs(60);

/// The first of the numbers of callers' own credentials: keys of pools are counted from 0.
const OWN: u32 = 1 << 31;
/// With more meters those of own credentials are forgotten that nothing is known of: whoever can reach a gateway can make
/// credentials up.
const METERS_MOST: usize = 1_024;
/// With more credentials known to belong to an organisation callers' own are asked anew.
const MEMBERS_MOST: usize = 4_096;

/// The number of a caller's own credential at an upstream, where it has one.
pub(crate) fn own(upstream: UpstreamId, credential: u32) -> Option<KeyId> {
    // Limits at one upstream are not those at another. The multiplier is that of Fibonacci hashing.
    let there = credential.wrapping_add(u32::from(upstream.0).wrapping_mul(0x9E37_79B9));
    (credential != 0).then_some(KeyId(there | OWN))
}

const fn is_own(key: KeyId) -> bool {
    key.0 >= OWN
}

/// Whose limits: an organisation shares its own between its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Key(KeyId),
    Organization(u64),
}

/// What an attempt is taken to need, and of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    owner: Owner,
    family: u16,
    input: u64,
    output: u64,
    /// The head of its answer has arrived: the server has counted what came in.
    counted: bool,
    started: Mono,
    /// When the server let it in, as far as that is known: what the head of its answer says is of that moment, however late
    /// the head comes.
    let_in: Mono,
    /// What had been taken of each bucket when it started, its own part with it.
    taken: [u64; 4],
}

/// When the limits are counted, in the order of a meter's buckets.
const COUNTS: [Counts; 4] = [Counts::First, Counts::Later, Counts::First, Counts::Later];

/// The limits of one owner and one family of models.
#[derive(Debug, Clone, Default)]
struct Meter {
    requests: Bucket,
    tokens: Bucket,
    input: Bucket,
    output: Bucket,
    limiter: Learned,
    /// What answers needed on average: thousandths of an output token, and thousandths of the estimated input.
    mean_output: Option<u64>,
    input_ratio: Option<u64>,
}

impl Share {
    /// It has a connection: from now on the server may count it.
    pub(crate) const fn connected(&mut self, now: Mono) {
        self.let_in = now;
    }
}

impl Meter {
    fn buckets(&mut self) -> [&mut Bucket; 4] {
        [&mut self.requests, &mut self.tokens, &mut self.input, &mut self.output]
    }

    /// Whether the server says what is left.
    fn tells(&self, now: Mono) -> bool {
        [&self.requests, &self.tokens, &self.input, &self.output].into_iter().any(|b| b.is_known(now))
    }

    /// Whether anything is known.
    fn is_known(&self, now: Mono) -> bool {
        self.tells(now) || self.limiter.ready_at().is_some()
    }

    /// Input and output that an attempt is taken to need.
    fn needs(&self, ask: Ask) -> (u64, u64) {
        let input = Dur(u64::from(ask.est_input)).scale(self.input_ratio.unwrap_or(1_000), 1_000).0;
        let most = u64::from(ask.max_output);
        let output = self.mean_output.map_or(most / OUTPUT_PART, |mean| (mean / 1_000).min(most.max(1)));
        (input, output)
    }

    /// When everything is there for an attempt, and what is missing until then.
    fn ready(&self, ask: Ask, now: Mono) -> (Mono, Cause) {
        let (input, output) = self.needs(ask);
        let paced = self.limiter.ready_at().unwrap_or(now).max(now);
        let all = [
            (paced, Cause::QuotaThrottled),
            (self.requests.ready(1, now), Cause::QuotaRequests),
            (self.tokens.ready(input + output, now), Cause::QuotaInputTokens),
            (self.input.ready(input, now), Cause::QuotaInputTokens),
            (self.output.ready(output, now), Cause::QuotaOutputTokens),
        ];
        all.into_iter().max_by_key(|(at, _)| *at).unwrap_or((now, Cause::QuotaThrottled))
    }

    fn learn(&mut self, ask: Ask, usage: Usage) {
        let mix =
            |old: Option<u64>, new: u64| old.map_or(new, |old| (old.saturating_mul(KEEP) + new) / (KEEP + 1));
        if usage.output > 0 {
            self.mean_output = Some(mix(self.mean_output, milli(usage.output)));
        }
        let input = usage.input + usage.cache_write;
        if input > 0 && ask.est_input > 0 {
            self.input_ratio = Some(mix(self.input_ratio, milli(input) / u64::from(ask.est_input)));
        }
    }
}

/// All meters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meters {
    organizations: BTreeMap<KeyId, u64>,
    meters: BTreeMap<(Owner, u16), Meter>,
    /// Of those whose answers under way were too many: a limit for all families of models.
    at_once: BTreeMap<Owner, AtOnce>,
}

impl Meters {
    fn owner(&self, key: KeyId) -> Owner {
        self.organizations.get(&key).map_or(Owner::Key(key), |o| Owner::Organization(*o))
    }

    /// Whether two keys share their limits.
    pub(crate) fn is_same(&self, a: KeyId, b: KeyId) -> bool {
        a == b || self.owner(a) == self.owner(b)
    }

    /// When a key has room for an attempt, and what it lacks until then.
    pub(crate) fn ready(&self, key: KeyId, (family, ask): (u16, Ask), now: Mono) -> (Mono, Cause) {
        let owner = self.owner(key);
        let meter = self.meters.get(&(owner, family));
        let room = meter.map_or((now, Cause::QuotaThrottled), |meter| meter.ready(ask, now));
        match self.at_once.get(&owner).map(|a| a.ready(now)) {
            Some(at) if at > room.0 => (at, Cause::QuotaConcurrency),
            Some(_) | None => room,
        }
    }

    /// Whether no more answers may be under way of those who have this share.
    pub(crate) fn is_full(&self, share: Share) -> bool {
        self.at_once.get(&share.owner).is_some_and(AtOnce::is_full)
    }

    /// One was refused for those under way, of which there are so many where nothing was counted yet.
    pub(crate) fn too_many(
        &mut self,
        share: Share,
        open: impl FnOnce(&dyn Fn(Share) -> bool) -> u32,
        now: Mono,
    ) {
        if let Some(known) = self.at_once.get_mut(&share.owner) {
            known.refused(now);
            return;
        }
        self.at_once.retain(|_, a| !a.is_over(now));
        let open = open(&|other: Share| other.owner == share.owner);
        self.at_once.insert(share.owner, AtOnce::new(open, now));
    }

    /// Makes room for another own credential.
    fn forget_strangers(&mut self, place: (Owner, u16), now: Mono) {
        let Owner::Key(key) = place.0 else { return };
        if is_own(key) && self.meters.len() >= METERS_MOST && !self.meters.contains_key(&place) {
            let is_stranger = |owner: &Owner| matches!(owner, Owner::Key(key) if is_own(*key));
            self.meters.retain(|(owner, _), meter| !is_stranger(owner) || meter.is_known(now));
        }
    }

    fn at(&mut self, owner: Owner, family: u16) -> &mut Meter {
        self.meters.entry((owner, family)).or_default()
    }

    pub(crate) fn start(
        &mut self,
        key: KeyId,
        (family, ask): (u16, Ask),
        now: Mono,
        dice: &mut Dice,
    ) -> Share {
        let owner = self.owner(key);
        self.forget_strangers((owner, family), now);
        let meter = self.at(owner, family);
        let (input, output) = meter.needs(ask);
        for (bucket, need) in meter.buckets().into_iter().zip([1, input + output, input, output]) {
            bucket.refill(now);
            bucket.take(need);
        }
        meter.limiter.started(now, dice);
        let taken = meter.buckets().map(|b| b.taken);
        match self.at_once.get_mut(&owner) {
            Some(known) if known.is_over(now) => {
                self.at_once.remove(&owner);
            }
            Some(known) => known.start(now),
            None => {}
        }
        Share { owner, family, input, output, counted: false, started: now, let_in: now, taken }
    }

    /// The head of a success arrived.
    pub(crate) fn head(
        &mut self,
        key: KeyId,
        share: &mut Share,
        limits: &Limits,
        (now, s): (Mono, &Settings),
    ) {
        let organization = limits.organization;
        if self.organizations.len() >= MEMBERS_MOST {
            self.organizations.retain(|key, _| !is_own(*key));
        }
        if organization != 0 && self.organizations.insert(key, organization) != Some(organization) {
            // From now on its attempts count for all keys of the organisation. What still runs ends where it began.
            self.join(key, share, Owner::Organization(organization), now);
        }
        let meter = self.at(share.owner, share.family);
        share.counted = true;
        let told = [limits.requests, limits.tokens, limits.input_tokens, limits.output_tokens];
        for (((bucket, window), taken), counts) in
            meter.buckets().into_iter().zip(told).zip(share.taken).zip(COUNTS)
        {
            bucket.tell(window, (share.let_in, taken), (counts, now));
        }
        meter.limiter.accepted(share.started, now, s);
        meter.limiter.settle(now, LEARNED);
    }

    /// A key belongs to an organisation, as one of its attempts finds out.
    fn join(&mut self, key: KeyId, share: &mut Share, to: Owner, now: Mono) {
        if let Some(left) = self.at_once.get_mut(&share.owner) {
            left.end();
        }
        if let Some(joined) = self.at_once.get_mut(&to) {
            joined.start(now);
        }
        let alone = self.meters.remove(&(Owner::Key(key), share.family));
        let place = (to, share.family);
        if let Some(own) = alone.filter(|_| share.owner == Owner::Key(key))
            && !self.meters.contains_key(&place)
        {
            self.meters.insert(place, own);
            share.owner = to;
            return;
        }
        // What it took it takes there instead. What others took there before it came is not behind its beginning.
        let needs = [1, share.input + share.output, share.input, share.output];
        if let Some(left) = self.meters.get_mut(&(share.owner, share.family)) {
            left.buckets().into_iter().zip(needs).for_each(|(bucket, need)| bucket.close(need, 0));
        }
        let meter = self.at(to, share.family);
        for (bucket, need) in meter.buckets().into_iter().zip(needs) {
            bucket.refill(now);
            bucket.take(need);
        }
        (share.owner, share.taken) = (to, meter.buckets().map(|b| b.taken));
    }

    /// An attempt ended. `refused`: the server did not carry it out. Says whether others may start now.
    pub(crate) fn end(&mut self, share: Share, (ask, usage): (Ask, Usage), refused: bool, now: Mono) -> bool {
        let meter = self.at(share.owner, share.family);
        let used = usage.input + usage.cache_write;
        let input = if refused {
            0
        } else if used > 0 {
            used
        } else {
            share.input
        };
        let output = if refused { 0 } else { usage.output };
        meter.buckets().into_iter().for_each(|b| b.refill(now));
        if share.counted {
            // What came in is in the numbers that the head told.
            meter.tokens.close(share.input + share.output, share.input + output);
        } else {
            meter.requests.close(1, 1);
            meter.input.close(share.input, input);
            meter.tokens.close(share.input + share.output, input + output);
        }
        meter.output.close(share.output, output);
        if !refused {
            meter.learn(ask, usage);
        }
        self.at_once.get_mut(&share.owner).is_some_and(|known| {
            let was_full = known.is_full();
            known.end();
            was_full
        })
    }

    /// What was learned of a key is not true any more.
    pub(crate) fn forget(&mut self, key: KeyId) {
        self.organizations.remove(&key);
        self.meters.retain(|(owner, _), _| *owner != Owner::Key(key));
        self.at_once.remove(&Owner::Key(key));
    }

    /// A limit was reached all the same.
    pub(crate) fn refuse(
        &mut self,
        share: Share,
        (cause, hint): (Cause, Option<Dur>),
        (now, s): (Mono, &Settings),
    ) {
        let meter = self.at(share.owner, share.family);
        let wait = hint.unwrap_or(Dur::ZERO);
        if cause == Cause::QuotaInputTokens {
            meter.input.deplete(wait, now);
            meter.tokens.deplete(wait, now);
        } else if cause == Cause::QuotaOutputTokens {
            meter.output.deplete(wait, now);
        } else {
            meter.requests.deplete(wait, now);
        }
        // A throttle that names no quota is short, and the overload limiter knows it.
        let known = cause == Cause::QuotaThrottled || meter.tells(now);
        if !known {
            meter.limiter.refused(share.started, now, s);
        }
    }
}

#[cfg(test)]
mod tests {
    use clearline_model::Window;

    use super::bucket::signed;
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn ask() -> Ask {
        Ask { est_input: 100, max_output: 400, ..Ask::default() }
    }

    fn window(limit: u64, remaining: u64, reset: u64) -> Option<Window> {
        Some(Window { limit, remaining, reset: Dur::secs(reset) })
    }

    struct Bench {
        meters: Meters,
        dice: Dice,
        s: Settings,
    }

    impl Bench {
        fn start(&mut self, key: u32, now: u64) -> Share {
            self.meters.start(KeyId(key), (1, ask()), Mono(now), &mut self.dice)
        }

        fn head(&mut self, key: u32, share: &mut Share, limits: &Limits, now: u64) {
            self.meters.head(KeyId(key), share, limits, (Mono(now), &self.s));
        }

        fn wait(&self, key: u32, now: u64) -> (u64, Cause) {
            let (at, cause) = self.meters.ready(KeyId(key), (1, ask()), Mono(now));
            ((at.0 - now) / 1_000, cause)
        }
    }

    fn bench() -> Bench {
        Bench { meters: Meters::default(), dice: Dice::new(1), s: Settings::default() }
    }

    #[test]
    fn what_is_left_is_used_up_and_then_comes_back_at_the_pace_of_the_limit() {
        let mut b = bench();
        let mut first = b.start(0, SECOND);
        let told = Limits { requests: window(60, 2, 58), ..Limits::default() };
        b.head(0, &mut first, &told, SECOND);
        b.start(0, SECOND);
        b.start(0, SECOND);
        assert_eq!(b.wait(0, SECOND), (1_000, Cause::QuotaRequests));
        assert_eq!(b.wait(0, 2 * SECOND).0, 0);
        b.start(0, 2 * SECOND);
        assert_eq!(b.wait(0, 2 * SECOND).0, 1_000);
    }

    #[test]
    fn what_runs_is_not_in_the_numbers_yet() {
        let mut b = bench();
        let mut first = b.start(0, SECOND);
        let mut second = b.start(0, SECOND);
        let told = Limits { requests: window(60, 1, 59), ..Limits::default() };
        b.head(0, &mut first, &told, SECOND);
        assert_eq!(
            b.wait(0, SECOND),
            (1_000, Cause::QuotaRequests),
            "the second may take the one that is left"
        );
        b.head(0, &mut second, &told, SECOND);
        assert_eq!(b.wait(0, SECOND).0, 0, "it had been counted");
    }

    #[test]
    fn output_is_estimated_and_the_answer_sets_it_right() {
        let mut b = bench();
        let mut share = b.start(0, SECOND);
        let told = Limits { output_tokens: window(6_000, 150, 58), ..Limits::default() };
        b.head(0, &mut share, &told, SECOND);
        // A quarter of what may come is taken for the second: 50 are left, 100 are needed.
        b.start(0, SECOND);
        assert_eq!(b.wait(0, SECOND), (500, Cause::QuotaOutputTokens));
        let usage = Usage { input: 120, output: 20, ..Usage::default() };
        b.meters.end(share, (ask(), usage), false, Mono(SECOND));
        assert_eq!(b.wait(0, SECOND).0, 0);
        assert_eq!(b.start(0, SECOND).output, 20, "as the last one");
        assert_eq!(b.start(0, SECOND).input, 120);
    }

    #[test]
    fn a_late_head_says_what_was_left_when_its_attempt_was_let_in() {
        let mut b = bench();
        let mut slow = b.start(0, 0);
        // Opening its connection takes a second.
        slow.connected(Mono(SECOND));
        for n in 1..=3 {
            b.start(0, n * 5 * SECOND);
        }
        let told = Limits { requests: window(60, 1, 59), ..Limits::default() };
        b.head(0, &mut slow, &told, 16 * SECOND);
        // One was left after the first second, 15 came back since, three were taken.
        for n in 0..13 {
            assert_eq!(b.wait(0, 16 * SECOND).0, 0, "{n}");
            b.start(0, 16 * SECOND);
        }
        assert_eq!(b.wait(0, 16 * SECOND), (1_000, Cause::QuotaRequests));
        // What an earlier attempt was told is older news.
        let mut prompt = b.start(0, 17 * SECOND);
        let none = Limits { requests: window(60, 0, 60), ..Limits::default() };
        b.head(0, &mut prompt, &none, 17 * SECOND + 10);
        b.head(0, &mut slow, &told, 17 * SECOND + 20);
        assert!(b.wait(0, 17 * SECOND + 20).0 > 0);
    }

    /// A server's bucket, and calls that always wait: nearly all that it gives is taken, and next to nothing is refused.
    #[test]
    fn a_limit_is_used_to_its_end_by_answers_that_come_late() {
        let mut b = bench();
        let mut state = 7_u64;
        let mut chance = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        let (per_minute, burst) = (200_u64, 10_u64);
        let (mut left, mut refused, mut taken) = (burst * 1_000, 0, 0);
        let mut open: Vec<(u64, Share, Limits)> = Vec::new();
        for tick in 0..30_000_u64 {
            let now = tick * SECOND / 100;
            left = (left + per_minute * 10 / 60).min(burst * 1_000);
            open.sort_by_key(|(at, ..)| *at);
            while open.first().is_some_and(|(at, ..)| *at <= now) {
                let (_, mut share, limits) = open.remove(0);
                b.head(0, &mut share, &limits, now);
                b.meters.end(share, (ask(), Usage::default()), false, Mono(now));
            }
            while b.wait(0, now).0 == 0 && b.meters.ready(KeyId(0), (1, ask()), Mono(now)).0 <= Mono(now) {
                let share = b.start(0, now);
                if left < 1_000 {
                    refused += 1;
                    let wait = Dur((1_000 - left) * 60 * 1_000 / per_minute);
                    b.meters.refuse(share, (Cause::QuotaRequests, Some(wait)), (Mono(now), &b.s));
                    b.meters.end(share, (ask(), Usage::default()), true, Mono(now));
                } else {
                    left -= 1_000;
                    taken += 1;
                    let reset = (burst * 1_000 - left) * 60 / per_minute / 1_000;
                    let limits =
                        Limits { requests: window(per_minute, left / 1_000, reset + 1), ..Limits::default() };
                    open.push((now + SECOND + chance(20 * SECOND), share, limits));
                }
            }
        }
        assert!(refused <= 30 && taken > 950, "{taken} taken, {refused} refused");
    }

    /// How a server counts what an answer writes.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Written {
        AtOnce,
        AsItComes,
        /// As much as may come at first, and what came in the end.
        Reserved,
    }

    /// Output that a server of one kind gave in ten minutes to calls that always wait, thousandths of what it could, and how many
    /// of its answers for a thousand successes were refusals.
    fn output_given(written: Written, seed: u64) -> (i64, u64) {
        let (mut b, mut dice) = (bench(), Dice::new(seed));
        let mut chance = |n: u64| dice.upto(Dur(n)).0;
        let per_minute = 100_000 + chance(50_000);
        let burst = signed(15_000 + chance(100_000));
        let ask = Ask { est_input: 100, max_output: 2_000, ..Ask::default() };
        let ready = |b: &Bench, now| b.meters.ready(KeyId(0), (1, ask), now).0 <= now;
        let (mut left, mut given, mut refused, mut done) = (burst, 0, 0, 0);
        // When each began, how many tokens it writes, one each ten milliseconds, and how many of them it has.
        let mut open: Vec<(Mono, i64, i64, Share, Limits)> = Vec::new();
        for tick in 1..60_000_u64 {
            let now = Mono(tick * SECOND / 100);
            let whole = |tick: u64| signed(tick * per_minute / 6_000);
            left = (left + whole(tick) - whole(tick - 1)).min(burst);
            for (began, tokens, came, share, limits) in &mut open {
                *came += 1;
                given += 1;
                left -= i64::from(written == Written::AsItComes);
                if now.since(*began) == Dur::secs(1) {
                    b.meters.head(KeyId(0), share, limits, (now, &b.s));
                }
                if came == tokens {
                    left += if written == Written::Reserved { 2_000 - *tokens } else { 0 };
                    let usage = Usage { input: 100, output: tokens.unsigned_abs(), ..Usage::default() };
                    b.meters.end(*share, (ask, usage), false, now);
                    done += 1;
                }
            }
            open.retain(|(_, tokens, came, ..)| came < tokens);
            // Fifty callers.
            if open.len() < 50 && ready(&b, now) {
                let share = b.meters.start(KeyId(0), (1, ask), now, &mut b.dice);
                if left <= 0 {
                    refused += 1;
                    let wait = Dur((1 - left).unsigned_abs() * 60 * SECOND / per_minute);
                    let wait = Dur::secs(wait.as_secs_ceil());
                    b.meters.refuse(share, (Cause::QuotaOutputTokens, Some(wait)), (now, &b.s));
                    b.meters.end(share, (ask, Usage::default()), true, now);
                    continue;
                }
                let tokens = signed(200 + chance(1_800));
                left -= match written {
                    Written::AtOnce => tokens,
                    Written::AsItComes => 0,
                    Written::Reserved => 2_000,
                };
                let reset = (burst - left).unsigned_abs() * 60 / per_minute;
                let there = u64::try_from(left).unwrap_or(0);
                let limits =
                    Limits { output_tokens: window(per_minute, there, reset + 1), ..Limits::default() };
                open.push((now, tokens, 0, share, limits));
            }
        }
        (given * 1_000 / (burst + signed(per_minute * 10)), refused * 1_000 / done)
    }

    #[test]
    fn output_is_used_to_its_end_however_the_server_counts_it() {
        for written in [Written::AtOnce, Written::AsItComes, Written::Reserved] {
            for seed in 1..=5 {
                let (given, refused) = output_given(written, seed);
                assert!(
                    given >= 940 && refused <= 60,
                    "{written:?}, {seed}: {given} given, {refused} refused"
                );
            }
        }
    }

    #[test]
    fn the_keys_of_an_organization_share_what_is_left() {
        let mut b = bench();
        let (mut one, mut two) = (b.start(0, SECOND), b.start(1, SECOND));
        let told = Limits { requests: window(60, 1, 59), organization: 7, ..Limits::default() };
        b.head(0, &mut one, &told, SECOND);
        b.head(1, &mut two, &told, SECOND);
        assert!(b.meters.is_same(KeyId(0), KeyId(1)) && !b.meters.is_same(KeyId(0), KeyId(2)));
        assert_eq!(b.wait(1, SECOND).0, 0);
        b.start(0, SECOND);
        assert_eq!(b.wait(1, SECOND), (1_000, Cause::QuotaRequests));
        assert_eq!(b.wait(2, SECOND).0, 0);
    }

    #[test]
    fn a_credential_that_turns_out_to_be_of_a_busy_organization_owes_it_nothing_of_before() {
        let mut b = bench();
        let told = |left| Limits { requests: window(60, left, 1), organization: 7, ..Limits::default() };
        for n in 1..=200 {
            let mut share = b.start(0, n * SECOND);
            b.head(0, &mut share, &told(59), n * SECOND);
            b.meters.end(share, (ask(), Usage::default()), false, Mono(n * SECOND));
        }
        let mut other = b.start(1, 200 * SECOND);
        b.head(1, &mut other, &told(58), 200 * SECOND);
        assert_eq!(b.wait(0, 200 * SECOND).0, 0, "58 are left");
        b.meters.end(other, (ask(), Usage::default()), false, Mono(200 * SECOND));
        assert_eq!((b.wait(0, 200 * SECOND).0, b.wait(1, 200 * SECOND).0), (0, 0));
    }

    #[test]
    fn without_numbers_refusals_pace() {
        let mut b = bench();
        for n in 10..30 {
            let share = b.start(0, n * SECOND / 10);
            assert_eq!(b.wait(0, n * SECOND / 10).0, 0);
            b.meters.end(share, (ask(), Usage::default()), false, Mono(n * SECOND / 10));
        }
        for n in 0..3 {
            assert_eq!(b.wait(0, 3 * SECOND).0, 0, "after {n}");
            let share = b.start(0, 3 * SECOND);
            b.meters.refuse(share, (Cause::QuotaRequests, None), (Mono(3 * SECOND), &b.s));
        }
        let (wait, cause) = b.wait(0, 3 * SECOND);
        assert_eq!(cause, Cause::QuotaThrottled);
        assert!((100..250).contains(&wait), "nine tenths of ten a second: {wait}");
    }
}
