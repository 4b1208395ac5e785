//! The overload limiter of a lane: how fast attempts may start while the other side has too much to do.
//!
//! Off, it only counts. Refusals switch it on; from then on starts are paced, the pace is cut by refusals and grows with
//! what is accepted, and never falls below a floor: that is the probe that finds the end of an outage. After an outage
//! half of what was accepted before it is released at first, so that many of these together do not bring the outage back.

use clearline_model::{Dur, Mono};

use crate::config::Settings;
use crate::dice::Dice;

/// Seconds that are counted: what a few attempts a second say of the usual pace, they say only over a minute.
const SECONDS: usize = 64;
/// Over how many of them refusals are compared with everything else (resilience 5.5).
const WINDOW: u64 = 10;
/// Over how many of them the own pace is measured (resilience 5.5).
const PACE: u64 = 3;
/// So many refusals, and such a share, thousandths, are a limit: one alone may be a throttle that has passed already.
const KEEN_SIGNALS: u64 = 3;
const KEEN_SHARE_MILLI: u64 = 100;
/// The share of refusals from which on it is overload, thousandths (resilience 5.5).
const SHARE_MILLI: u64 = 300;
/// The share from which on a second attempt would only add to it, thousandths (a guess).
const REFUSING_MILLI: u64 = 100;
/// What a cut leaves, thousandths (resilience 5.5).
const CUT_MILLI: u64 = 700;
/// The least time between two cuts: what was sent before a cut is refused after it as well (resilience 5.5).
const CUT_EVERY: Dur = Dur::secs(1);
/// No growth for so long after a cut (resilience 5.5).
const HOLD: Dur = Dur::secs(3);
/// Growth in a second where there is room for certain, thousandths (resilience 5.5).
const FAST_MILLI: u64 = 600;
/// Growth in a second where nobody knows whether there is room: thousandths, and on top of it thousandths of a start, by
/// which those with little catch up with those that have much. Slow enough that the sum of a thousand gateways
/// overshoots the capacity by little (`cargo xtask bench resilience herd`).
const SLOW_MILLI: u64 = 5;
const SLOW_MORE: u64 = 45;
/// The same for a limit of a key, which nobody else pushes (resilience 5.5: 3 % in half a second).
const KEEN_SLOW_MILLI: u64 = 60;
/// The longest time that one growth makes up for.
const GROWTH_MAX: Dur = Dur::secs(2);
/// Starts that were due so long ago may come together: timers are coarse.
const LATE_MAX: Dur = Dur::millis(20);
/// So many refusals in a row, besides the time, make an outage: chance does not.
const OUTAGE_ROW: u32 = 6;
/// A pace of so much of the former one tells whether a slower one helps; below so much of it nobody goes before that is
/// known. Thousandths.
const TRIAL_PACE: u64 = 500;
const TRIAL_LEAST: u64 = 400;
/// After so many outcomes it is known, or after the larger number where few are accepted.
const TRIAL_SEEN: u64 = 16;
const TRIAL_ACCEPTED: u64 = 8;
const TRIAL_SEEN_MOST: u64 = 40;
/// Where less than this of the former share is accepted, thousandths, it has become worse meanwhile.
const WORSE_MILLI: u64 = 600;
/// Where more than this is accepted, thousandths, the pace costs little: it is not chance that has to be found out.
const CHANCE_SHARE: u64 = 750;
/// So long refusals by chance do not switch it on again; each time twice as long, up to a bound.
const CHANCE: Dur = Dur::secs(60);
const CHANCE_MAX: Dur = Dur::secs(600);
/// Beyond this pace nothing is limited any more, thousandths of a start a second.
const RATE_MAX: u64 = 1_000_000_000;

/// What happened within one second.
#[derive(Debug, Clone, Copy, Default)]
struct Second {
    at: u64,
    started: u32,
    accepted: u32,
    refused: u32,
    other: u32,
}

#[derive(Debug, Clone, Copy)]
struct On {
    /// Starts a second, thousandths.
    rate: u64,
    next: Mono,
    cut: Mono,
    grown: Mono,
    accepted: Mono,
    refused: Mono,
    /// The pace at which it was refused last.
    broke: u64,
    /// What was accepted a second before the trouble began, thousandths.
    before: u64,
    /// Nothing has been accepted for so long that it is an outage.
    outage: bool,
    /// On the way up after an outage.
    ramp: bool,
    trial: Trial,
    /// It refuses by chance: nothing is cut, and what waits is released.
    loose: bool,
    /// Refusals since anything was accepted.
    row: u32,
}

/// Outcomes at a pace that tells whether a slower one helps: more of fewer attempts are accepted by a server that has too
/// much to do, and the same share by one that refuses by chance.
#[derive(Debug, Clone, Copy, Default)]
struct Trial {
    /// The pace before, and the share that was accepted at it, thousandths; 0 where it is not known.
    rate: u64,
    share: u64,
    accepted: u64,
    refused: u64,
}

/// Refusals by chance: a slower pace did not help.
#[derive(Debug, Clone, Copy)]
struct Chance {
    /// So long nobody asks again, unless they become many more.
    until: Mono,
    lasts: Dur,
    /// The share that was accepted, thousandths.
    share: u64,
}

impl Trial {
    /// Counts an outcome; the share of those that make a trial, thousandths, when they are enough.
    fn count(&mut self, accepted: bool) -> Option<u64> {
        self.accepted += u64::from(accepted);
        self.refused += u64::from(!accepted);
        let all = self.accepted + self.refused;
        let enough = all >= TRIAL_SEEN && self.accepted >= TRIAL_ACCEPTED || all >= TRIAL_SEEN_MOST;
        enough.then(|| {
            let share = self.accepted * 1_000 / all;
            (self.accepted, self.refused) = (0, 0);
            share
        })
    }
}

/// The limiter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limiter {
    /// Empty until something happens.
    seconds: Vec<Second>,
    on: Option<On>,
    /// Refusals that did not care about the pace.
    chance: Option<Chance>,
    /// For a limit that nobody tells.
    keen: bool,
}

/// From one start to the next.
fn interval(rate: u64) -> Dur {
    Dur((1_000_000_000 / rate.max(1)).max(1))
}

fn milli_of(rate: u64, milli: u64) -> u64 {
    Dur(rate).scale(milli, 1_000).0
}

impl Limiter {
    /// One for a limit that nobody tells: fewer refusals switch it on, and its pace comes back faster.
    pub(crate) fn keen() -> Self {
        Self { keen: true, ..Self::default() }
    }

    fn second(&mut self, now: Mono) -> Option<&mut Second> {
        self.seconds.resize(SECONDS, Second::default());
        let at = now.0 / 1_000_000;
        let place = usize::try_from(at % SECONDS as u64).ok()?;
        let second = self.seconds.get_mut(place)?;
        if second.at != at {
            *second = Second { at, ..Second::default() };
        }
        Some(second)
    }

    fn last(&self, now: Mono, seconds: u64) -> impl Iterator<Item = &Second> {
        let at = now.0 / 1_000_000;
        let places = (at + 1).saturating_sub(seconds)..=at;
        // A place holds the second that it was last written in; before anything happened there are none.
        places.filter_map(|at| {
            self.seconds.get(usize::try_from(at % SECONDS as u64).ok()?).filter(|s| s.at == at)
        })
    }

    fn sum(&self, now: Mono, seconds: u64, what: fn(&Second) -> u32) -> u64 {
        self.last(now, seconds).map(|s| u64::from(what(s))).sum()
    }

    /// What was accepted a second while anything was, thousandths.
    fn accepted_milli(&self, now: Mono) -> u64 {
        let seen = self.last(now, SECONDS as u64).filter(|s| s.accepted > 0);
        let (mut first, mut last, mut n) = (u64::MAX, 0, 0);
        for s in seen {
            (first, last, n) = (first.min(s.at), last.max(s.at), n + u64::from(s.accepted));
        }
        if n == 0 { 0 } else { n * 1_000 / (last - first + 1) }
    }

    /// Starts a second that it lets through, thousandths; `None` while it is off.
    pub(crate) fn rate(&self) -> Option<u64> {
        self.on.map(|on| on.rate)
    }

    /// From when on the next attempt may start.
    pub(crate) fn ready_at(&self) -> Option<Mono> {
        self.on.map(|on| on.next)
    }

    pub(crate) fn started(&mut self, now: Mono, dice: &mut Dice) {
        if let Some(second) = self.second(now) {
            second.started += 1;
        }
        if let Some(on) = &mut self.on {
            // A tenth of chance to both sides: many of these must not beat in time.
            let step = interval(on.rate);
            let wait = step.scale(9, 10) + dice.upto(step.scale(1, 5));
            let due = on.next.max(Mono(now.0.saturating_sub(LATE_MAX.0)));
            on.next = due + wait.max(Dur(1));
        }
    }

    /// Whether it took an attempt so lately that this is no outage.
    pub(crate) fn is_served(&self, now: Mono, s: &Settings) -> bool {
        self.last(now, s.limiter_outage.0 / 1_000_000).any(|second| second.accepted > 0)
    }

    /// The other side failed, but not because it has too much to do.
    pub(crate) fn failed(&mut self, now: Mono) {
        if let Some(second) = self.second(now) {
            second.other += 1;
        }
    }

    /// The other side took an attempt. Says whether something noteworthy changed.
    pub(crate) fn accepted(&mut self, now: Mono, s: &Settings) -> bool {
        if let Some(second) = self.second(now) {
            second.accepted += 1;
        }
        let Some(on) = &mut self.on else { return false };
        (on.accepted, on.row) = (now, 0);
        if !self.keen {
            self.chance = on.judge(true, self.chance, now);
        }
        if on.outage {
            (on.outage, on.ramp, on.grown) = (false, true, now);
            on.set(on.rate.max(on.before / 2), now);
            return true;
        }
        on.grow(now, if self.keen { KEEN_SLOW_MILLI } else { SLOW_MILLI }, s);
        false
    }

    /// The other side has too much to do, or is not there. Says whether something noteworthy changed.
    pub(crate) fn refused(&mut self, now: Mono, s: &Settings) -> bool {
        if let Some(second) = self.second(now) {
            second.refused += 1;
        }
        if self.on.is_none() {
            return self.switch_on(now, s);
        }
        let Some(on) = &mut self.on else { return false };
        (on.refused, on.row) = (now, on.row.saturating_add(1));
        if !self.keen {
            self.chance = on.judge(false, self.chance, now);
        }
        if on.loose {
            on.grow(now, SLOW_MILLI, s);
            return false;
        }
        if now < on.cut + CUT_EVERY {
            return false;
        }
        let old = on.rate;
        on.outage |= on.row >= OUTAGE_ROW && now >= on.accepted + s.limiter_outage;
        if on.is_measured() {
            return false;
        }
        on.cut = now;
        let left = if on.outage || on.ramp { 500 } else { CUT_MILLI };
        if !on.outage {
            (on.broke, on.ramp) = (old, false);
        }
        let least = on.least(s).min(old);
        on.set(milli_of(old, left).max(least), now);
        let changed = on.rate != old;
        let again = !self.keen && !on.outage && on.trial.rate == 0;
        if again
            && self.is_heavy(now)
            && let Some(on) = &mut self.on
        {
            on.trial = Trial { rate: on.rate, ..Trial::default() };
        }
        changed
    }

    /// Refused, where so few call that each one's own backoff is pace enough.
    pub(crate) fn refused_few(&mut self, now: Mono) {
        if let Some(second) = self.second(now) {
            second.refused += 1;
        }
    }

    /// So much is refused that it matters whether it is by chance.
    fn is_heavy(&self, now: Mono) -> bool {
        let refused = self.sum(now, WINDOW, |s| s.refused);
        let all = refused + self.sum(now, WINDOW, |s| s.accepted);
        all >= TRIAL_SEEN / 2 && refused * 1_000 >= all * SHARE_MILLI
    }

    /// Whether so much is refused as chance was seen to refuse.
    fn is_chance(&self, share: u64, now: Mono) -> bool {
        self.chance.is_some_and(|c| now < c.until && share * 2 >= c.share)
    }

    fn switch_on(&mut self, now: Mono, s: &Settings) -> bool {
        let refused = self.sum(now, WINDOW, |s| s.refused);
        let accepted = self.sum(now, WINDOW, |s| s.accepted);
        let all = refused + accepted + self.sum(now, WINDOW, |s| s.other);
        let share = accepted * 1_000 / (accepted + refused).max(1);
        let enough = s.limiter_signals > 0 && refused >= u64::from(s.limiter_signals);
        let started = self.sum(now, PACE, |s| s.started);
        let on = if self.keen {
            refused >= KEEN_SIGNALS && refused * 1_000 >= all * KEEN_SHARE_MILLI
        } else {
            enough && refused * 1_000 >= all * SHARE_MILLI
        };
        if !on || self.is_chance(share, now) {
            return false;
        }
        let floor = s.limiter_floor_milli.max(1);
        let own = started * 1_000 / PACE;
        // A limit lets through what it let through before, and a few attempts say little about it.
        let least = if self.keen { milli_of(self.accepted_milli(now), 900).max(1_000) } else { floor };
        let rate = milli_of(own, CUT_MILLI).max(least);
        let never = Mono(now.0.saturating_sub(s.limiter_outage.0));
        let latest = self.last(now, SECONDS as u64).filter(|s| s.accepted > 0).map(|s| s.at).max();
        // At this pace it is seen first what is accepted.
        let trial = if self.keen { Trial::default() } else { Trial { rate, ..Trial::default() } };
        self.on = Some(On {
            rate,
            next: now + interval(rate),
            cut: now,
            grown: now,
            accepted: latest.map_or(never, |at| Mono(at * 1_000_000)),
            refused: now,
            broke: own.max(rate),
            before: self.accepted_milli(now).max(2 * floor),
            outage: false,
            ramp: false,
            trial,
            loose: false,
            row: 0,
        });
        true
    }

    /// Whether the other side refuses, whatever that made of the pace.
    pub(crate) fn is_refusing(&self, now: Mono) -> bool {
        let refused = self.sum(now, WINDOW, |s| s.refused);
        let all = refused + self.sum(now, WINDOW, |s| s.accepted + s.other);
        self.on.is_some() || refused * 1_000 > all * REFUSING_MILLI
    }

    /// Switches it off whatever happens.
    pub(crate) fn off(&mut self) -> bool {
        self.on.take().is_some()
    }

    /// Whether less is started than it would let through.
    pub(crate) fn is_slack(&self, now: Mono) -> bool {
        self.on.is_some_and(|on| now > on.next + interval(on.rate).scale(2, 1))
    }

    /// Switches itself off when nothing was refused for long and nobody waits. Says whether it did.
    pub(crate) fn settle(&mut self, now: Mono, s: &Settings) -> bool {
        let over = self.on.is_some_and(|on| on.loose || now >= on.refused + s.limiter_calm);
        if over {
            self.on = None;
        }
        over
    }
}

impl On {
    /// Finds out whether it refuses by chance, or whether that was wrong.
    fn judge(&mut self, accepted: bool, known: Option<Chance>, now: Mono) -> Option<Chance> {
        if self.outage || self.trial.rate == 0 {
            self.trial = Trial::default();
            return known;
        }
        if !self.loose && self.rate * 1_000 > self.trial.rate * TRIAL_PACE && self.trial.share > 0 {
            return known;
        }
        let Some(share) = self.trial.count(accepted) else { return known };
        let base = self.trial.share;
        if self.loose {
            if share * 1_000 < base * WORSE_MILLI {
                (self.loose, self.trial) =
                    (false, Trial { rate: self.rate, share: share.max(1), ..Trial::default() });
                self.set(milli_of(self.rate, 500), now);
                return None;
            }
            return known;
        }
        // A capacity takes the same number of fewer attempts: a larger share.
        let helped = (base * self.trial.rate / self.rate.max(1)).min(1_000);
        let same = share * 1_000 >= base * WORSE_MILLI && share * 2 <= base + helped;
        if base == 0 || base > CHANCE_SHARE || !same {
            self.trial = Trial { rate: self.rate, share: share.max(1), ..Trial::default() };
            return known;
        }
        self.loose = true;
        self.trial.share = share;
        let lasts = known.map_or(CHANCE, |c| c.lasts.scale(2, 1).min(CHANCE_MAX));
        Some(Chance { until: now + lasts, lasts, share })
    }

    /// What is accepted at this pace is being found out: it is kept.
    const fn is_measured(&self) -> bool {
        self.trial.rate > 0 && self.trial.share == 0 && !self.outage
    }

    /// The least pace of a cut: a trial that goes on is not cut short.
    fn least(&self, s: &Settings) -> u64 {
        let trial = if self.outage { 0 } else { milli_of(self.trial.rate, TRIAL_LEAST) };
        trial.max(s.limiter_floor_milli)
    }

    /// Changes the pace; what is due next moves along.
    fn set(&mut self, rate: u64, now: Mono) {
        let rate = rate.clamp(1, RATE_MAX);
        let wait = self.next.since(now);
        self.next = self.next.min(now) + wait.scale(self.rate, rate);
        if wait == Dur::ZERO {
            self.next = self.next.max(Mono(now.0.saturating_sub(LATE_MAX.0)));
        }
        self.rate = rate;
    }

    fn grow(&mut self, now: Mono, slow: u64, s: &Settings) {
        let time = now.since(self.grown).min(GROWTH_MAX);
        self.grown = now;
        if self.is_measured() || !self.ramp && !self.loose && now < self.cut + HOLD {
            return;
        }
        // Up to where there was room before, quickly; beyond, carefully.
        let known = if self.ramp { self.before } else { milli_of(self.broke, CUT_MILLI) };
        let step = |milli| Dur(self.rate).scale(milli, 1_000).scale(time.0, 1_000_000).0;
        let rate = if self.loose {
            self.rate + step(FAST_MILLI)
        } else if self.rate < known {
            (self.rate + step(FAST_MILLI)).min(known)
        } else {
            let more = if slow == SLOW_MILLI { Dur(SLOW_MORE).scale(time.0, 1_000_000).0 } else { 0 };
            self.rate + step(slow) + more
        };
        self.set(rate.max(s.limiter_floor_milli), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn ms(n: u64) -> Mono {
        Mono(n * 1_000)
    }

    fn on() -> Settings {
        Settings { limiter_signals: 4, ..Settings::default() }
    }

    /// Ten starts a second, all accepted, for ten seconds; then all are refused for `outage` milliseconds.
    fn broken(outage: u64) -> (Limiter, Settings, Dice) {
        let (mut l, s, mut dice) = (Limiter::default(), on(), Dice::new(3));
        for t in 0..100 {
            l.started(ms(t * 100), &mut dice);
            l.accepted(ms(t * 100), &s);
        }
        for t in 0..outage / 100 {
            let now = ms(10_000 + t * 100);
            if l.ready_at().is_none_or(|at| at <= now) {
                l.started(now, &mut dice);
                l.refused(now, &s);
            }
        }
        (l, s, dice)
    }

    #[test]
    fn chance_failures_switch_nothing_on() {
        let (mut l, s, mut dice) = (Limiter::default(), on(), Dice::new(3));
        for t in 0..1_000_u64 {
            l.started(ms(t * 100), &mut dice);
            if t % 5 == 0 {
                l.refused(ms(t * 100), &s)
            } else {
                l.accepted(ms(t * 100), &s)
            };
        }
        assert_eq!(l.rate(), None);
    }

    #[test]
    fn an_outage_ends_at_the_floor_and_its_end_releases_half_of_what_was_accepted() {
        let (mut l, s, _) = broken(60_000);
        assert_eq!(l.rate(), Some(s.limiter_floor_milli));
        let probes = l.last(Mono(70 * SECOND - 1), 16).map(|s| s.started).sum::<u32>();
        assert!((2..=4).contains(&probes), "one each five seconds: {probes}");
        let at = Mono(71 * SECOND);
        assert!(l.accepted(at, &s));
        assert_eq!(l.rate(), Some(5_000), "half of ten a second");
        // Quickly back to what was accepted, then carefully on.
        let at_second = |l: &mut Limiter, n: u64| {
            for i in 0..10 {
                l.accepted(at + Dur(n * SECOND + i * SECOND / 10), &s);
            }
            l.rate().unwrap()
        };
        let rates: Vec<_> = (0..4).map(|n| at_second(&mut l, n)).collect();
        assert!(rates[0] < 10_000 && rates[1] >= 10_000, "{rates:?}");
        assert!(rates[3] > rates[2] && rates[3] * 100 <= rates[2] * 106, "{rates:?}");
    }

    #[test]
    fn a_cut_comes_once_a_second_and_calm_switches_it_off() {
        let (mut l, s, _) = broken(3_000);
        let before = l.rate().unwrap();
        assert!((1_000..7_001).contains(&before), "{before}");
        assert!(!l.accepted(Mono(15 * SECOND), &s), "no growth so soon after a cut");
        // Its pace is kept until it is known what is accepted at it, and then cut once a second at most.
        let at = |n: u64| Mono(16 * SECOND + n * SECOND / 10);
        let cuts = (0..80).filter(|n| l.refused(at(*n), &s)).count();
        assert!((1..=8).contains(&cuts), "{cuts} in eight seconds");
        assert!(l.rate().unwrap() < before);
        assert!(!l.settle(at(79) + Dur(9 * SECOND), &s));
        assert!(l.settle(at(79) + Dur(11 * SECOND), &s));
        assert_eq!((l.rate(), l.ready_at()), (None, None));
    }

    /// A server takes eight a second of twenty that want to start: nearly all that it can take is started, and little more.
    #[test]
    fn a_capacity_is_used_and_not_run_against() {
        let (mut l, s, mut dice) = (Limiter::default(), on(), Dice::new(7));
        let (mut accepted, mut refused, mut room) = (0, 0, 8);
        for tick in 0..24_000_u64 {
            let now = ms(tick * 5);
            if tick % 200 == 0 {
                room = 8;
            }
            if tick % 10 != 0 || l.ready_at().is_some_and(|at| at > now) {
                continue;
            }
            l.started(now, &mut dice);
            if room == 0 {
                refused += 1;
                l.refused(now, &s);
            } else {
                (accepted, room) = (accepted + 1, room - 1);
                l.accepted(now, &s);
            }
        }
        assert!(accepted > 600 && refused * 3 < accepted, "960 had room: {accepted}, {refused} refused");
    }
}
