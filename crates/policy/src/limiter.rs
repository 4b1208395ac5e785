//! The overload limiter of a lane: how fast attempts may start while the other side has too much to do.
//!
//! Off, it only counts. Refusals switch it on; from then on starts are paced, the pace is cut by refusals and grows with
//! what is accepted, and never falls below a floor: that is the probe that finds the end of an outage. After an outage
//! half of what was accepted before it is released at first, so that many of these together do not bring the outage back.

use clearline_model::{Dur, Mono};

use crate::config::Settings;
use crate::dice::Dice;

/// Seconds that are counted.
const SECONDS: usize = 16;
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
/// Growth in a second beyond what was accepted before an outage, thousandths. Slow enough that the sum of a thousand
/// gateways overshoots the capacity by little (`cargo xtask bench resilience herd`).
const BEYOND_MILLI: u64 = 40;
/// Growth in a second near the pace that was refused, thousandths: as `BEYOND_MILLI`.
const SLOW_MILLI: u64 = 20;
/// The same for a limit of a key, which nobody else pushes (resilience 5.5: 3 % in half a second).
const KEEN_SLOW_MILLI: u64 = 60;
/// The longest time that one growth makes up for.
const GROWTH_MAX: Dur = Dur::secs(2);
/// Starts that were due so long ago may come together: timers are coarse.
const LATE_MAX: Dur = Dur::millis(20);
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
}

/// The limiter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limiter {
    seconds: [Second; SECONDS],
    on: Option<On>,
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
        self.seconds.iter().filter(move |s| s.at <= at && s.at + seconds > at)
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
        on.accepted = now;
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
        on.refused = now;
        if now < on.cut + CUT_EVERY {
            return false;
        }
        let old = on.rate;
        on.cut = now;
        on.outage |= now >= on.accepted + s.limiter_outage;
        let left = if on.outage || on.ramp { 500 } else { CUT_MILLI };
        if !on.outage {
            (on.broke, on.ramp) = (old, false);
        }
        on.set(milli_of(old, left).max(s.limiter_floor_milli), now);
        on.rate != old
    }

    fn switch_on(&mut self, now: Mono, s: &Settings) -> bool {
        let refused = self.sum(now, WINDOW, |s| s.refused);
        let all = refused + self.sum(now, WINDOW, |s| s.accepted + s.other);
        let enough = s.limiter_signals > 0 && refused >= u64::from(s.limiter_signals);
        let started = self.sum(now, PACE, |s| s.started);
        let on = if self.keen {
            refused >= KEEN_SIGNALS && refused * 1_000 >= all * KEEN_SHARE_MILLI
        } else {
            enough && refused * 1_000 >= all * SHARE_MILLI
        };
        if !on {
            return false;
        }
        let floor = s.limiter_floor_milli.max(1);
        let own = started * 1_000 / PACE;
        // A limit lets through what it let through before, and a few attempts say little about it.
        let least = if self.keen { milli_of(self.accepted_milli(now), 900).max(1_000) } else { floor };
        let rate = milli_of(own, CUT_MILLI).max(least);
        let never = Mono(now.0.saturating_sub(s.limiter_outage.0));
        let latest = self.last(now, SECONDS as u64).filter(|s| s.accepted > 0).map(|s| s.at).max();
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
        });
        true
    }

    /// Whether the other side refuses, whatever that made of the pace.
    pub(crate) fn is_refusing(&self, now: Mono) -> bool {
        let refused = self.sum(now, WINDOW, |s| s.refused);
        let all = refused + self.sum(now, WINDOW, |s| s.accepted + s.other);
        self.on.is_some() || refused * 1_000 > all * REFUSING_MILLI
    }

    /// Whether less is started than it would let through.
    pub(crate) fn is_slack(&self, now: Mono) -> bool {
        self.on.is_some_and(|on| now > on.next + interval(on.rate).scale(2, 1))
    }

    /// Switches itself off when nothing was refused for long and nobody waits. Says whether it did.
    pub(crate) fn settle(&mut self, now: Mono, s: &Settings) -> bool {
        let over = self.on.is_some_and(|on| now >= on.refused + s.limiter_calm);
        if over {
            self.on = None;
        }
        over
    }
}

impl On {
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
        if !self.ramp && now < self.cut + HOLD {
            return;
        }
        // Up to where there was room before, quickly; beyond, carefully.
        let known = if self.ramp { self.before } else { milli_of(self.broke, CUT_MILLI) };
        let careful = if self.ramp { BEYOND_MILLI } else { slow };
        let step = |milli| Dur(self.rate).scale(milli, 1_000).scale(time.0, 1_000_000).0;
        let rate = if self.rate < known {
            (self.rate + step(FAST_MILLI)).min(known)
        } else {
            self.rate + step(careful)
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
        let (mut l, s, _) = broken(4_500);
        let before = l.rate().unwrap();
        assert!((1_000..7_001).contains(&before), "{before}");
        assert!(!l.accepted(Mono(15 * SECOND), &s), "no growth so soon after a cut");
        let now = Mono(16 * SECOND);
        assert!(l.refused(now, &s));
        assert!(!l.refused(now + Dur(SECOND / 2), &s));
        assert_eq!(l.rate(), Some(before * 7 / 10));
        assert!(!l.settle(now + Dur(9 * SECOND), &s));
        assert!(l.settle(now + Dur(11 * SECOND), &s));
        assert_eq!((l.rate(), l.ready_at()), (None, None));
    }
}
