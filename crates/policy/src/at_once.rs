//! How many answers of one key, or of one organisation, are under way at once at most, where the server says that they are too many.
//!
//! It never says how many it would take ("Number of concurrent connections has exceeded your rate limit"), and no slower pace
//! finds that out: a place is free when an answer ends. So the count at the refusal is kept to, and now and then one more is tried,
//! then twice as many each time until the next refusal. Before the first refusal nothing is counted.

use clearline_model::{Dur, Mono};

/// From a refusal until one more is tried; twice as long each time that this one is refused, up to a bound (guesses: an attempt
/// that is refused costs little, and who waits for a limit that is gone waits no longer).
const WAIT: Dur = Dur::secs(2);
const WAIT_MOST: Dur = Dur::secs(8);
/// From one more to the next ones: in this time it is refused or let in. Refusals that come within it are of the same moment.
const EVERY: Dur = Dur::secs(1);
/// So many more are tried together at most.
const STEP_MOST: u32 = 64;
/// Where it was not full for so long nothing is known any more.
const GOOD_FOR: Dur = Dur::secs(60);

/// The answers under way of one owner of limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AtOnce {
    open: u32,
    most: u32,
    /// How many more are tried next, and from when on.
    step: u32,
    next: Mono,
    /// From the next refusal until one more is tried.
    wait: Dur,
    refused: Mono,
    /// When it was full last.
    full: Mono,
}

impl AtOnce {
    /// One was refused while so many others were under way.
    pub(crate) fn new(open: u32, now: Mono) -> Self {
        let most = open.max(1);
        let wait = WAIT.scale(2, 1);
        Self { open, most, step: 1, next: now + WAIT, wait, refused: now, full: now }
    }

    /// From when on another one may start.
    pub(crate) const fn ready(&self, now: Mono) -> Mono {
        if self.open < self.most || self.next.0 <= now.0 { now } else { self.next }
    }

    /// Whether some are under way, and no more may be.
    pub(crate) const fn is_full(&self) -> bool {
        self.open > 0 && self.open >= self.most
    }

    /// Whether it was not full for so long that nothing is known.
    pub(crate) fn is_over(&self, now: Mono) -> bool {
        now.since(self.full) >= GOOD_FOR
    }

    pub(crate) fn start(&mut self, now: Mono) {
        if self.open >= self.most {
            if self.step > 1 {
                // The former ones were let in.
                self.wait = WAIT;
            }
            self.most = self.open.saturating_add(self.step);
            self.step = self.step.saturating_mul(2).min(STEP_MOST);
            self.next = now + EVERY;
        }
        self.open = self.open.saturating_add(1);
        if self.is_full() {
            self.full = now;
        }
    }

    pub(crate) fn end(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// One was refused, and is over.
    pub(crate) fn refused(&mut self, now: Mono) {
        self.most = self.most.min(self.open.max(1));
        self.next = now + self.wait;
        if now > self.refused + EVERY {
            self.wait = self.wait.scale(2, 1).min(WAIT_MOST);
        }
        (self.step, self.refused, self.full) = (1, now, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Mono {
        Mono(ms * 1_000)
    }

    /// Starts whatever may start, at a server that takes so many at once; how many were refused.
    fn fill(a: &mut AtOnce, most: u32, now: Mono) -> u32 {
        let mut refused = 0;
        while a.ready(now) <= now && a.open < 1_000 {
            a.start(now);
            if a.open > most {
                a.end();
                a.refused(now);
                refused += 1;
            }
        }
        refused
    }

    #[test]
    fn a_burst_that_is_refused_in_part_leaves_what_was_let_in() {
        let mut a = AtOnce::new(29, at(0));
        for n in 1..10 {
            a.end();
            a.refused(at(n));
        }
        assert_eq!((a.open, a.most, a.is_full()), (20, 20, true));
        assert!(a.ready(at(10)) > at(1_900), "one more is tried later");
        a.end();
        assert_eq!(a.ready(at(10)), at(10), "a place is free");
    }

    #[test]
    fn one_more_is_tried_now_and_then_and_more_rarely_where_it_is_refused() {
        let mut a = AtOnce::new(20, at(0));
        let tried = (1..60).map(|s| fill(&mut a, 20, at(s * 1_000))).collect::<Vec<_>>();
        assert!(tried.iter().all(|n| *n <= 1), "{tried:?}");
        assert!((6..=10).contains(&tried.iter().sum::<u32>()), "{tried:?}");
        assert_eq!((a.open, a.most), (20, 20));
    }

    #[test]
    fn where_there_is_room_again_it_is_found_within_seconds() {
        let mut a = AtOnce::new(20, at(0));
        let until = (1..).find(|s| fill(&mut a, 200, at(s * 500)) > 0 || a.open >= 150).unwrap();
        assert!(until * 500 <= 10_000, "{until}");
    }

    #[test]
    fn who_has_none_under_way_is_refused_for_others_and_never_full() {
        let a = AtOnce::new(0, at(0));
        assert!(!a.is_full());
        assert_eq!(a.ready(at(0)), at(0));
    }

    #[test]
    fn where_it_was_not_full_for_a_minute_nothing_is_known() {
        let mut a = AtOnce::new(2, at(0));
        assert!(!a.is_over(at(59_000)) && a.is_over(at(60_000)));
        a.start(at(50_000));
        a.start(at(50_500));
        a.start(at(50_500));
        assert!(!a.is_over(at(100_000)), "it was full");
    }
}
