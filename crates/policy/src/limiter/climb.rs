//! How a pace grows: quickly where there was room before, and beyond that as far as anybody can know.

use clearline_model::Dur;

use super::pace::{growth, part};
use crate::config::Settings;

/// Growth in a second where there is room for certain, thousandths (resilience 5.5).
pub(super) const FAST_MILLI: u64 = 600;
/// Growth in a second on the way up after an outage, beyond what was let in before it, until the first refusal: twice the pace
/// each time that it is known that the latest was let in, which takes some 0.4 s. Who waited through an outage waits for this.
const RAMP_MILLI: u64 = 2_500;
/// One that is alone, or nearly, sees the refusals that it causes, and knows where it was refused last. Quickly up to such a
/// part of that, thousandths; from there on carefully beyond it, by so many thousandths a second and on top of it thousandths
/// of a start, by which those with little catch up with those that have much.
pub(super) const NEAR_MILLI: u64 = 900;
const BEYOND_MILLI: u64 = 1_050;
const CAREFUL_MILLI: u64 = 10;
const CAREFUL_MORE: u64 = 30;
/// Where it was never refused before there is more room than there was: growth in a second, thousandths, and as much more
/// with each such time without a refusal, up to the fast one.
const SLOW_MILLI: u64 = 130;
const SLOW_EVERY: Dur = Dur::secs(2);
/// The same of one of many, and on top of it thousandths of a start, by which those with little catch up with those
/// that have much. Slow enough that the sum of a thousand overshoots the capacity by little (`bench resilience herd`).
const FLEET_MILLI: u64 = 5;
const FLEET_MORE: u64 = 40;

/// A pace on the quick way up to where there was room before, unless it is there.
pub(super) fn up_to(known: u64, rate: u64, time: Dur) -> Option<u64> {
    (rate < known).then(|| (rate + growth(rate, FAST_MILLI, time)).min(known))
}

/// By how much a pace grows beyond what was let in before an outage, until it is refused.
pub(super) fn ramp(rate: u64, time: Dur, s: &Settings) -> u64 {
    if s.limiter_fleet > 1 { fleetly(rate, time) } else { growth(rate, RAMP_MILLI, time) }
}

/// By how much the pace of one of many grows in a time where nobody knows whether there is room.
pub(super) fn fleetly(rate: u64, time: Dur) -> u64 {
    growth(rate, FLEET_MILLI, time) + growth(FLEET_MORE, 1_000, time)
}

/// What a pace grows to in a time that was refused last at the pace `broke`, of one that is alone, or nearly; `quiet`: nothing
/// was refused for so long.
pub(super) fn beyond(broke: u64, rate: u64, (time, quiet): (Dur, Dur)) -> u64 {
    let far = part(broke, BEYOND_MILLI);
    if let Some(grown) = up_to(part(broke, NEAR_MILLI), rate, time) {
        return grown;
    }
    if rate < far {
        let careful = growth(rate, CAREFUL_MILLI, time) + growth(CAREFUL_MORE, 1_000, time);
        return (rate + careful).min(far);
    }
    let times = 1 + quiet.0 / SLOW_EVERY.0;
    rate + growth(rate, SLOW_MILLI.saturating_mul(times).min(FAST_MILLI), time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Dur = Dur::secs(1);

    #[test]
    fn a_pace_that_broke_comes_near_at_once_stays_there_for_long_and_then_finds_more_room() {
        let (mut rate, mut seen) = (2_000, Vec::new());
        for second in 0..30 {
            rate = beyond(4_000, rate, (SECOND, Dur::secs(second)));
            seen.push(rate);
        }
        let first = |least| seen.iter().position(|r| *r >= least).unwrap();
        let (near, far, twice) = (first(3_600), first(4_200), first(8_000));
        assert!(near <= 2, "{seen:?}");
        assert!((5..=12).contains(&(far - near)), "{seen:?}");
        assert!(twice - far <= 3, "{seen:?}");
    }

    #[test]
    fn who_has_little_catches_up_where_it_is_careful() {
        let gain = |broke: u64| {
            let rate = part(broke, 950);
            (beyond(broke, rate, (SECOND, SECOND)) - rate) * 1_000 / rate
        };
        assert!(gain(500) > 2 * gain(4_000), "{} {}", gain(500), gain(4_000));
    }

    #[test]
    fn after_an_outage_one_of_many_is_slower_by_far() {
        let grown = |fleet| ramp(1_000, SECOND, &Settings { limiter_fleet: fleet, ..Settings::default() });
        assert_eq!((grown(1), grown(1_000)), (2_500, 45));
        assert_eq!(up_to(2_000, 1_000, Dur::secs(5)), Some(2_000));
        assert_eq!(up_to(2_000, 2_000, SECOND), None);
    }
}
