//! What a lane's recent times say: how long an attempt may take in each stage, and when a second one is worth its price.
//!
//! Only the time to the first byte of a stream, the silences within streams and the time of a token say how the other side fares;
//! how long an answer takes as a whole says how long it is. The limits that follow from them are for the first try alone: an attempt
//! after one that ran into a limit has those of the settings, doubled.

use clearline_model::{Ask, Dur, Repeat};

use crate::config::{Settings, Timeouts};

/// So many times are remembered (resilience 5.8).
const KEPT: usize = 200;
/// With fewer nothing is derived from their percentiles (resilience 5.8), and with fewer than the smaller number nothing at all:
/// between the two it is the longest of all that counts, with a wider margin.
const ENOUGH: usize = 20;
const SOME: usize = 5;
/// Percentiles are taken anew after so many times, and after such a part of those that are remembered.
const EVERY: usize = 8;
const EVERY_PART: usize = 10;
/// So much input, in tokens, is taken to double the time to the first byte.
const INPUT_DOUBLES: u64 = 50_000;
/// A head that takes so many times the 99th percentile does not come (a guess far on the safe side).
const FIRST_FACTOR: u64 = 20;
/// The least limit of the first byte of a stream.
const FIRST_LEAST: Dur = Dur::secs(30);
/// An answer that is not streamed may take so long, and so long for each token that may come: ten tokens a second, a third of
/// what the official SDKs reckon with.
const WHOLE_LEAST: Dur = Dur::secs(60);
const WHOLE_PER_TOKEN: Dur = Dur::millis(100);
/// Once it is known how fast the lane writes: so many times what the longest answer that is allowed would take at the pace of the
/// slowest of a hundred.
const WHOLE_FACTOR: u64 = 3;
/// When a second attempt starts beside one whose answer comes as a whole: so many hundredths of that time, and at least so much.
/// So none starts beside a long answer, but only where even the longest would be there.
const WHOLE_HEDGE_PERCENT: u64 = 120;
const WHOLE_HEDGE_LEAST: Dur = Dur::secs(5);
/// Where nothing is known of the lane: after such a part of what is left until the caller's deadline, if all that may come would be
/// there at fifty tokens a second (a guess). So one that hangs does not use the whole deadline up.
const UNKNOWN_PART: u64 = 2;
const UNKNOWN_PER_TOKEN: Dur = Dur::millis(20);
/// Where attempts are lost it starts as soon as three answers of four would be there. So many of a million outcomes have to be lost
/// ones for that, and each counts by such a part: one of two hundred, over about the last hundred.
const LOSSY: u32 = 5_000;
const LOSS_PART: u32 = 128;
const MILLION: u32 = 1_000_000;
/// Shorter answers say more about the time to the first token than about the pace.
const PACE_TOKENS_LEAST: u64 = 200;
/// The limit of a silence in terms of the longest silences of recent streams: of the 99th percentile (resilience 5.8), and of
/// the longest of all.
const IDLE_FACTOR: u64 = 5;
const IDLE_MOST_FACTOR: u64 = 3;
/// The least limit of a silence. While a model thinks or writes the input of a tool, nothing but a ping each 15 to 30 s may
/// come (claude-api.md 4).
const IDLE_LEAST: Dur = Dur::secs(40);
/// The same where neither can be: text comes all the time.
const IDLE_LEAST_TEXT: Dur = Dur::secs(20);
/// The same where being wrong costs a continuation, not the answer (resilience 5.8).
const IDLE_LEAST_RESUMED: Dur = Dur::secs(8);
/// There a silence lasts for such a part of the time that the caller has left at most, or as long as where text comes all the
/// time: what is continued may fall silent again.
const IDLE_LEFT_PART: u64 = 4;
/// What an attempt that ran into a derived limit adds to the doubt about it, and beyond which doubt the settings hold: where
/// more than one attempt of eleven does, the limit is what is wrong. A good one takes one away.
const DOUBT: u32 = 10;
const DOUBT_MOST: u32 = 30;
/// When a second attempt starts: so many hundredths of the 95th percentile, within these bounds, and before enough is known
/// (resilience 5.8).
const HEDGE_PERCENT: u64 = 150;
/// The same in terms of the median: so it does not hang on how many are slow where many are (a guess: one of twelve healthy times
/// is longer where they scatter by a factor of e).
const HEDGE_MEDIAN: u64 = 4;
const HEDGE_LEAST: Dur = Dur::secs(2);
const HEDGE_MOST: Dur = Dur::secs(10);
const HEDGE_UNKNOWN: Dur = Dur::secs(5);
/// The same in terms of the longest time where only some are known, and limits of silences likewise: there the least limits are
/// twice those of a lane that is known.
const HEDGE_SOME: u64 = 2;
const IDLE_SOME: u64 = 10;
const IDLE_SOME_LEAST: u64 = 2;

/// The last times of one kind, milliseconds.
#[derive(Debug, Clone, Default)]
struct Recent {
    ring: Vec<u32>,
    at: usize,
    since: usize,
    p50: u32,
    p75: u32,
    p95: u32,
    p99: u32,
    most: u32,
    doubt: u32,
}

impl Recent {
    fn push(&mut self, took: Dur) {
        let ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        match self.ring.get_mut(self.at) {
            Some(place) => *place = ms,
            None => self.ring.push(ms),
        }
        self.at = (self.at + 1) % KEPT;
        self.doubt = self.doubt.saturating_sub(1);
        self.most = self.most.max(ms);
        self.since += 1;
        if self.since >= EVERY.max(self.ring.len() / EVERY_PART) {
            self.since = 0;
            self.sum_up();
        }
    }

    fn sum_up(&mut self) {
        let mut all = self.ring.clone();
        let len = all.len();
        // Each is looked for among those that are not below the one before.
        let (mut rest, mut below) = (all.as_mut_slice(), 0);
        let wanted = [(50, &mut self.p50), (75, &mut self.p75), (95, &mut self.p95), (99, &mut self.p99)];
        for (share, seen) in wanted {
            let at = (len * share / 100).min(len.saturating_sub(1)).saturating_sub(below);
            if at >= rest.len() {
                return;
            }
            *seen = *rest.select_nth_unstable(at).1;
            (rest, below) = (rest.split_at_mut(at).1, below + at);
        }
        self.most = rest.iter().copied().max().unwrap_or(0);
    }

    fn knows(&self) -> bool {
        self.ring.len() >= ENOUGH && self.doubt <= DOUBT_MOST
    }

    /// The longest, where some are known but not enough for percentiles.
    fn few(&self) -> Option<Dur> {
        let few = (SOME..ENOUGH).contains(&self.ring.len()) && self.doubt <= DOUBT_MOST;
        few.then(|| millis(self.most))
    }

    const fn doubt(&mut self) {
        self.doubt = self.doubt.saturating_add(DOUBT);
    }
}

/// The recent times of a lane.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times {
    /// To the first byte of a stream, as if it had no input.
    first: Recent,
    /// The longest silence of each stream that was complete.
    gaps: Recent,
    /// What a hundred tokens of output took.
    pace: Recent,
    /// The same of short answers that came as a whole, the time to their first token with it: more than the pace, never less.
    short: Recent,
    /// What answers that come as a whole took of the time of the longest that was allowed, thousandths.
    part: Recent,
    /// Attempts that stayed silent while another one beside them was answered, or for good: of a million outcomes.
    lost: u32,
}

fn millis(ms: u32) -> Dur {
    Dur::millis(u64::from(ms))
}

/// What so much input makes of a time to the first byte.
fn with_input(time: Dur, ask: Ask) -> Dur {
    time.scale(INPUT_DOUBLES + u64::from(ask.est_input), INPUT_DOUBLES)
}

fn without_input(time: Dur, ask: Ask) -> Dur {
    time.scale(INPUT_DOUBLES, INPUT_DOUBLES + u64::from(ask.est_input))
}

/// How long the head of an answer may take that comes as a whole.
fn whole(ask: Ask, s: &Settings) -> Dur {
    let most = s.timeouts.first_byte;
    if ask.max_output == 0 || ask.repeat != Repeat::Billed {
        return most;
    }
    let output = WHOLE_PER_TOKEN.scale(u64::from(ask.max_output), 1);
    (with_input(WHOLE_LEAST, ask) + output).min(most)
}

/// The same where nothing is known of the lane.
fn unknown(ask: Ask, left: Dur) -> Option<Dur> {
    let all = UNKNOWN_PER_TOKEN.scale(u64::from(ask.max_output), 1);
    let after = left.scale(1, UNKNOWN_PART);
    (ask.max_output > 0 && ask.repeat == Repeat::Billed && all <= after)
        .then_some(after.max(WHOLE_HEDGE_LEAST))
}

/// The limit of a silence after which there is time to continue before the caller leaves.
pub(crate) fn idle_within(left: Dur) -> Dur {
    left.scale(1, IDLE_LEFT_PART).max(IDLE_LEAST_TEXT)
}

impl Times {
    /// The first byte of a stream came after so long.
    pub(crate) fn first(&mut self, took: Dur, ask: Ask) {
        self.first.push(without_input(took, ask));
        self.came();
    }

    const fn came(&mut self) {
        self.lost -= self.lost / LOSS_PART;
    }

    /// An attempt was silent for longer than another one needed that began later.
    pub(crate) const fn lose(&mut self) {
        self.lost += (MILLION - self.lost) / LOSS_PART;
    }

    /// An answer that came as a whole took so long.
    pub(crate) fn whole_took(&mut self, took: Dur, ask: Ask) {
        self.came();
        if let Some(longest) = self.longest(ask) {
            self.part.push(Dur::millis(took.scale(1_000, longest.0.max(1)).0));
        }
    }

    /// The first byte of a stream did not come within its limit.
    pub(crate) const fn no_first(&mut self) {
        self.first.doubt();
        self.lose();
    }

    /// The longest silence of a stream that was complete.
    pub(crate) fn gap(&mut self, longest: Dur) {
        self.gaps.push(longest);
    }

    /// An answer wrote so many tokens in this time.
    pub(crate) fn wrote(&mut self, tokens: u64, took: Dur) {
        if tokens >= PACE_TOKENS_LEAST {
            self.pace.push(took.scale(100, tokens));
        }
    }

    /// An answer that came as a whole had so many tokens and took so long.
    pub(crate) fn short(&mut self, tokens: u64, took: Dur) {
        if (1..PACE_TOKENS_LEAST).contains(&tokens) {
            self.short.push(took.scale(100, tokens));
        }
    }

    /// An answer as a whole did not come within its limit.
    pub(crate) const fn no_whole(&mut self) {
        self.pace.doubt();
        self.short.doubt();
        self.lose();
    }

    /// A stream was silent for longer than its limit.
    pub(crate) const fn stalled(&mut self) {
        self.gaps.doubt();
    }

    /// The limits of a first try.
    pub(crate) fn limits(&self, ask: Ask, s: &Settings) -> Timeouts {
        let mut limits = s.timeouts;
        if ask.stream {
            limits.first_byte = self.first_byte(ask).min(s.first_byte_stream);
            limits.idle = self.idle(ask, s).min(s.timeouts.idle);
        } else {
            limits.first_byte = self.whole(ask, s);
        }
        limits
    }

    /// What the longest answer takes that is allowed, where it comes as a whole and something is known of the lane.
    fn longest(&self, ask: Ask) -> Option<Dur> {
        if ask.max_output == 0 || ask.repeat != Repeat::Billed {
            return None;
        }
        // Where all answers are short nobody knows the pace, but what is more than it.
        let pace = [&self.pace, &self.short].into_iter().find(|p| p.knows())?;
        let output = millis(pace.p99).scale(u64::from(ask.max_output), 100);
        Some(with_input(millis(self.first.p99), ask) + output)
    }

    fn whole(&self, ask: Ask, s: &Settings) -> Dur {
        let least = with_input(WHOLE_LEAST, ask);
        let known = self.longest(ask).map_or(Dur::MAX, |longest| longest.scale(WHOLE_FACTOR, 1).max(least));
        whole(ask, s).min(known)
    }

    fn first_byte(&self, ask: Ask) -> Dur {
        if !self.first.knows() {
            return Dur::MAX;
        }
        let usual = millis(self.first.p99).scale(FIRST_FACTOR, 1).max(FIRST_LEAST);
        with_input(usual, ask)
    }

    fn idle(&self, ask: Ask, s: &Settings) -> Dur {
        let least = match (ask.resumable, s.resume) {
            (true, true) => IDLE_LEAST_RESUMED,
            (true, false) => IDLE_LEAST_TEXT,
            (false, _) => IDLE_LEAST,
        };
        if let Some(longest) = self.gaps.few() {
            return with_input(longest.scale(IDLE_SOME, 1).max(least.scale(IDLE_SOME_LEAST, 1)), ask);
        }
        if !self.gaps.knows() {
            return Dur::MAX;
        }
        let seen = millis(self.gaps.most).scale(IDLE_MOST_FACTOR, 1);
        with_input(millis(self.gaps.p99).scale(IDLE_FACTOR, 1).max(seen).max(least), ask)
    }

    /// Whether attempts are lost so often that what is late is likely lost.
    pub(crate) const fn is_lossy(&self) -> bool {
        self.lost >= LOSSY
    }

    /// Whether times of others say when an attempt is late, or never will.
    pub(crate) fn is_known(&self, ask: Ask) -> bool {
        let never = ask.max_output == 0 || ask.repeat != Repeat::Billed;
        if ask.stream { self.first.ring.len() >= ENOUGH } else { never || self.longest(ask).is_some() }
    }

    /// After how long without a first byte a second attempt is worth its price, where that is known; `left`: until the caller's
    /// deadline.
    pub(crate) fn hedge_after(&self, ask: Ask, left: Option<Dur>) -> Option<Dur> {
        if !ask.stream {
            let Some(longest) = self.longest(ask) else { return unknown(ask, left?) };
            let late = if self.is_lossy() && self.part.knows() {
                longest.scale(u64::from(self.part.p75), 1_000)
            } else {
                longest.scale(WHOLE_HEDGE_PERCENT, 100)
            };
            // Nobody knows how long the first token takes where nothing is streamed.
            let least = if self.first.ring.len() < ENOUGH { WHOLE_HEDGE_LEAST } else { HEDGE_LEAST };
            return Some(late.max(least));
        }
        let usual = if let Some(longest) = self.first.few() {
            longest.scale(HEDGE_SOME, 1).clamp(HEDGE_LEAST, HEDGE_MOST)
        } else if self.first.ring.len() < ENOUGH {
            HEDGE_UNKNOWN
        } else {
            let late = millis(self.first.p95).scale(HEDGE_PERCENT, 100);
            late.min(millis(self.first.p50).scale(HEDGE_MEDIAN, 1)).clamp(HEDGE_LEAST, HEDGE_MOST)
        };
        Some(with_input(usual, ask))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(est_input: u32) -> Ask {
        Ask { stream: true, repeat: Repeat::Billed, est_input, ..Ask::default() }
    }

    fn seen(n: usize, first: Dur, gap: Dur) -> Times {
        let mut times = Times::default();
        for _ in 0..n {
            times.first(first, stream(0));
            times.gap(gap);
        }
        times
    }

    #[test]
    fn before_enough_is_known_the_settings_hold() {
        let s = Settings::default();
        let limits = seen(4, Dur::secs(1), Dur::secs(1)).limits(stream(0), &s);
        assert_eq!((limits.first_byte, limits.idle), (s.first_byte_stream, s.timeouts.idle));
        assert_eq!(seen(4, Dur::secs(1), Dur::secs(1)).hedge_after(stream(0), None), Some(HEDGE_UNKNOWN));
    }

    #[test]
    fn a_few_give_a_wider_margin_over_the_longest_of_them() {
        let (plain, resumed) = (Settings::default(), Settings { resume: true, ..Settings::default() });
        let text = Ask { resumable: true, ..stream(0) };
        for n in [5, 19] {
            let idle = |ask, gap, s: &Settings| seen(n, Dur::secs(1), gap).limits(ask, s).idle;
            assert_eq!(idle(text, Dur::millis(500), &resumed), Dur::secs(16), "twice the least");
            assert_eq!(idle(text, Dur::secs(3), &resumed), Dur::secs(30), "ten times the longest");
            assert_eq!(idle(text, Dur::secs(1), &plain), Dur::secs(40));
            assert_eq!(idle(stream(0), Dur::secs(1), &resumed), resumed.timeouts.idle, "tools and thinking");
            assert_eq!(idle(text, Dur::secs(20), &resumed), resumed.timeouts.idle, "pings");
            let hedge = |first| seen(n, first, Dur::ZERO).hedge_after(stream(0), None);
            assert_eq!(hedge(Dur::millis(400)), Some(HEDGE_LEAST));
            assert_eq!(hedge(Dur::secs(2)), Some(Dur::secs(4)));
            assert_eq!(hedge(Dur::secs(6)), Some(HEDGE_MOST), "who takes long is not late");
        }
        let mut doubtful = seen(10, Dur::secs(1), Dur::millis(100));
        (0..4).for_each(|_| doubtful.stalled());
        assert_eq!(doubtful.limits(text, &resumed).idle, resumed.timeouts.idle);
    }

    #[test]
    fn the_first_byte_has_many_times_what_it_needs_and_more_input_gives_more_time() {
        let s = Settings::default();
        for (first, input, limit, hedge) in [
            (300, 0, 30_000, 2_000),
            (300, 50_000, 60_000, 4_000),
            (2_000, 0, 40_000, 3_000),
            (2_000, 100_000, 120_000, 9_000),
            (20_000, 0, 120_000, 10_000),
        ] {
            let times = seen(40, Dur::millis(first), Dur::ZERO);
            let ask = stream(input);
            let seen = (
                times.limits(ask, &s).first_byte.as_millis(),
                times.hedge_after(ask, None).unwrap().as_millis(),
            );
            assert_eq!(seen, (limit, hedge), "{first} ms, {input} tokens");
        }
        let short = Settings { first_byte_stream: Dur::secs(1), ..s };
        assert_eq!(seen(40, Dur::secs(2), Dur::ZERO).limits(stream(0), &short).first_byte, Dur::secs(1));
    }

    #[test]
    fn a_silence_that_was_healthy_is_never_cut_and_pings_are_waited_for() {
        let s = Settings::default();
        let resumed = Settings { resume: true, ..s };
        let text = Ask { resumable: true, ..stream(0) };
        for (gap, plain, text_only, resume) in
            [(100, 40, 20, 8), (2_000, 40, 20, 10), (9_000, 45, 45, 45), (30_000, 60, 60, 60)]
        {
            let times = seen(40, Dur::secs(1), Dur::millis(gap));
            let idle = |ask, s: &Settings| times.limits(ask, s).idle;
            let all = [idle(stream(0), &s), idle(text, &s), idle(text, &resumed)];
            assert_eq!(all, [plain, text_only, resume].map(Dur::secs), "{gap} ms");
        }
        // One long silence among two hundred streams.
        let mut times = seen(199, Dur::secs(1), Dur::millis(100));
        times.gap(Dur::secs(18));
        assert_eq!(times.limits(text, &resumed).idle, Dur::secs(54));
    }

    #[test]
    fn a_limit_that_many_run_into_is_given_up() {
        let s = Settings::default();
        let mut times = seen(40, Dur::secs(1), Dur::millis(100));
        for n in 0..4 {
            assert_eq!(times.limits(stream(0), &s).first_byte, FIRST_LEAST, "after {n}");
            times.no_first();
            times.stalled();
        }
        let limits = times.limits(stream(0), &s);
        assert_eq!((limits.first_byte, limits.idle), (s.first_byte_stream, s.timeouts.idle));
        for _ in 0..10 {
            times.first(Dur::secs(1), stream(0));
        }
        assert_eq!(times.limits(stream(0), &s).first_byte, FIRST_LEAST);
    }

    #[test]
    fn an_answer_as_a_whole_has_time_for_every_token_that_may_come() {
        let s = Settings::default();
        let ask = |max_output| Ask { max_output, repeat: Repeat::Billed, ..Ask::default() };
        let limit = |ask| Times::default().limits(ask, &s).first_byte;
        assert_eq!(limit(ask(1_000)), Dur::secs(160));
        assert_eq!(limit(ask(5_400)), s.timeouts.first_byte);
        assert_eq!(limit(ask(0)), s.timeouts.first_byte, "nobody knows what may come");
        assert_eq!(limit(Ask { repeat: Repeat::Once, ..ask(10) }), s.timeouts.first_byte);
    }

    #[test]
    fn an_answer_as_a_whole_is_measured_by_the_pace_of_the_lane() {
        let s = Settings::default();
        let ask = |max_output| Ask { max_output, repeat: Repeat::Billed, ..Ask::default() };
        let mut times = seen(40, Dur::secs(2), Dur::ZERO);
        assert_eq!(times.hedge_after(ask(2_000), None), None, "nobody knows how fast it writes");
        for n in 0..100 {
            // Ten milliseconds a token, and 20 of five answers in a hundred; what is short says nothing.
            times.wrote(1_000, if n % 20 == 0 { Dur::secs(20) } else { Dur::secs(10) });
            times.wrote(PACE_TOKENS_LEAST - 1, Dur::secs(100));
        }
        for (max_output, limit, hedge) in [
            (100, 60_000, 4_800),
            (1_000, 66_000, 26_400),
            (2_000, 126_000, 50_400),
            (4_000, 246_000, 98_400),
        ] {
            let limits = times.limits(ask(max_output), &s);
            let hedge_after = times.hedge_after(ask(max_output), None).unwrap();
            assert_eq!(
                (limits.first_byte.as_millis(), hedge_after.as_millis()),
                (limit, hedge),
                "{max_output}"
            );
        }
        let most = times.limits(ask(64_000), &s).first_byte;
        assert_eq!(most, s.timeouts.first_byte, "a long answer has the time of the settings");
        assert_eq!(times.hedge_after(ask(0), None), None);
        for _ in 0..4 {
            times.no_whole();
        }
        assert_eq!(
            times.limits(ask(1_000), &s).first_byte,
            Dur::secs(160),
            "a limit that many run into is wrong"
        );
    }

    #[test]
    fn where_all_answers_are_short_what_they_took_bounds_the_longest() {
        let ask = |max_output| Ask { max_output, repeat: Repeat::Billed, ..Ask::default() };
        let mut times = seen(40, Dur::millis(500), Dur::ZERO);
        for n in 0..40 {
            assert_eq!(times.hedge_after(ask(64), None).is_some(), n >= 20, "after {n}");
            // 500 ms until the first token and ten for each: 60 ms a token at most.
            times.short(10 + n % 40, Dur::millis(500 + 10 * (10 + n % 40)));
        }
        times.short(0, Dur::secs(100));
        times.short(PACE_TOKENS_LEAST, Dur::secs(100));
        let after = |max_output| times.hedge_after(ask(max_output), None).unwrap().as_millis();
        assert_eq!((after(1), after(64), after(1_000)), (2_000, 5_208, 72_600));
        let mut unstreamed = Times::default();
        (0..40).for_each(|_| unstreamed.short(20, Dur::millis(700)));
        assert_eq!(unstreamed.hedge_after(ask(10), None), Some(WHOLE_HEDGE_LEAST));
        // Once the pace is known it is what counts.
        (0..40).for_each(|_| times.wrote(1_000, Dur::secs(10)));
        assert_eq!(times.hedge_after(ask(1_000), None), Some(Dur::millis(12_600)));
    }

    #[test]
    fn where_many_first_bytes_are_slow_the_others_say_when_one_is_late() {
        let mut times = Times::default();
        for n in 0..200 {
            times.first(Dur::millis(if n % 10 == 0 { 20_000 } else { 900 }), stream(0));
        }
        assert_eq!(times.hedge_after(stream(0), None), Some(Dur::millis(3_600)), "four times the median");
    }

    #[test]
    fn where_attempts_are_lost_an_answer_as_a_whole_is_late_when_most_would_be_there() {
        let ask = Ask { max_output: 2_000, repeat: Repeat::Billed, ..Ask::default() };
        let mut times = seen(40, Dur::secs(2), Dur::ZERO);
        for n in 0..100 {
            times.wrote(1_000, Dur::secs(10));
            // From a tenth of the longest to all of it.
            times.whole_took(Dur::millis(2_200 + n * 200), ask);
        }
        let late = |times: &Times| times.hedge_after(ask, None).unwrap().as_millis();
        assert_eq!((late(&times), times.is_lossy()), (26_400, false));
        times.lose();
        assert_eq!((late(&times), times.is_lossy()), (17_996, true), "three of four are there");
        (0..100).for_each(|_| times.first(Dur::secs(2), stream(0)));
        assert_eq!((late(&times), times.is_lossy()), (26_400, false), "it was one of many");
    }

    #[test]
    fn before_anything_is_known_half_a_deadline_is_not_waited_for_in_vain() {
        let ask = |max_output| Ask { max_output, repeat: Repeat::Billed, ..Ask::default() };
        let after = |most, left| Times::default().hedge_after(ask(most), left);
        assert_eq!(after(2_000, Some(Dur::secs(120))), Some(Dur::secs(60)));
        assert_eq!(after(2_000, None), None, "who waits for ever loses nothing");
        assert_eq!(after(8_000, Some(Dur::secs(120))), None, "so long an answer may come by then");
        assert_eq!(after(0, Some(Dur::secs(120))), None);
    }
}
