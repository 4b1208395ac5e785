//! The limiter against servers that have too much to do, refuse by chance, or are not there.

use super::*;

const SECOND: u64 = 1_000_000;
const TICK: u64 = SECOND / 50;

fn on() -> Settings {
    Settings { limiter_signals: 4, ..Settings::default() }
}

/// Callers that want so many starts a second of a server, and what became of it.
struct Bench {
    limiter: Limiter,
    s: Settings,
    dice: Dice,
    now: u64,
    wanted: u64,
    /// Starts, and those that were let in, in each second.
    seconds: Vec<(u64, u64)>,
    answers: bool,
}

impl Bench {
    fn new(wanted: u64) -> Self {
        let (limiter, dice) = (Limiter::default(), Dice::new(wanted));
        Self { limiter, s: on(), dice, now: 0, wanted, seconds: Vec::new(), answers: true }
    }

    /// For so long; the server says of each attempt whether it takes it.
    fn run(&mut self, seconds: u64, mut takes: impl FnMut(u64, &mut Dice) -> bool) {
        let until = self.now + seconds * SECOND;
        let mut due = self.now;
        while self.now < until {
            self.now += TICK;
            let now = Mono(self.now);
            self.limiter.look(now, &self.s);
            let ready = self.limiter.ready_at().map_or(0, |at| at.0);
            if due > self.now && ready <= self.now {
                self.limiter.settle(now, &self.s);
            }
            if due.max(ready) > self.now {
                continue;
            }
            due = self.now.max(due) + SECOND / self.wanted;
            self.limiter.started(now, &mut self.dice);
            let taken = takes(self.now, &mut self.dice);
            let second = usize::try_from(self.now / SECOND).unwrap();
            self.seconds.resize(self.seconds.len().max(second + 1), (0, 0));
            self.seconds[second].0 += 1;
            self.seconds[second].1 += u64::from(taken);
            if !taken {
                self.limiter.refused(now, now, &self.s);
            } else if self.answers {
                self.limiter.accepted(now, now, &self.s);
            }
        }
    }

    /// Starts, and those that were let in, of the last so many seconds.
    fn last(&self, seconds: usize) -> (u64, u64) {
        self.seconds.iter().rev().take(seconds).fold((0, 0), |sum, s| (sum.0 + s.0, sum.1 + s.1))
    }

    fn state(&self) -> Option<State> {
        self.limiter.on.as_ref().map(|on| on.state)
    }
}

/// A server that takes so many a second, thousandths, and saves up a few.
fn capacity(milli: u64) -> impl FnMut(u64, &mut Dice) -> bool {
    let (mut room, mut at) = (1_000, 0);
    move |now, _| {
        room = (room + (now - at) * milli / SECOND).min(2_000);
        at = now;
        let taken = room >= 1_000;
        room -= if taken { 1_000 } else { 0 };
        taken
    }
}

fn chance(milli: u64) -> impl FnMut(u64, &mut Dice) -> bool {
    move |_, dice| dice.upto(Dur(999)).0 < milli
}

#[test]
fn few_refusals_switch_nothing_on() {
    let mut b = Bench::new(10);
    b.run(60, chance(850));
    assert_eq!(b.limiter.rate(), None);
    assert!(b.limiter.is_refusing(Mono(b.now)));
}

#[test]
fn a_capacity_is_used_and_not_run_against() {
    for milli in [1_500, 3_000, 6_000] {
        let mut b = Bench::new(15);
        b.run(20, |_, _| true);
        b.run(80, capacity(milli));
        let (started, let_in) = b.last(60);
        let room = milli * 60 / 1_000;
        assert!(let_in * 100 >= room * 80, "{milli}: {let_in} of {room}");
        assert!(started * 100 <= let_in * 130, "{milli}: {started} for {let_in}");
    }
}

#[test]
fn a_cut_is_as_deep_as_what_was_refused() {
    let share = |started, refused| Since { started, refused }.share();
    assert_eq!((share(0, 0), share(1, 1)), (1_000, 800), "one of one is not all");
    assert!(share(30, 1) > 950 && share(12, 6) < 650, "{} {}", share(30, 1), share(12, 6));
}

#[test]
fn a_pace_that_holds_nobody_back_does_not_grow() {
    let mut b = Bench::new(15);
    b.run(20, |_, _| true);
    b.run(40, capacity(3_000));
    b.wanted = 2;
    b.run(8, capacity(3_000));
    let rate = b.limiter.rate().unwrap();
    assert!((2_000..4_000).contains(&rate), "it is still what was let in: {rate}");
}

#[test]
fn refusals_by_chance_are_found_out_and_what_waits_is_released() {
    for milli in [400, 500, 600] {
        let started = |seed| {
            let mut b = Bench::new(8);
            b.dice = Dice::new(seed);
            b.run(20, |_, _| true);
            b.run(40, chance(milli));
            b.last(20).0
        };
        let started: Vec<u64> = (1..=20).map(started).collect();
        let all: u64 = started.iter().sum();
        assert!(all * 10 >= 20 * 20 * 8 * 8, "{milli}: {started:?} of 160 each");
    }
}

#[test]
fn it_is_not_left_loose_when_chance_becomes_an_overload() {
    let mut b = Bench::new(8);
    b.run(20, |_, _| true);
    b.run(40, chance(500));
    b.run(60, capacity(500));
    let (started, let_in) = b.last(20);
    assert!(started <= let_in * 3, "{started} for {let_in}");
}

/// A server that takes so many a second, thousandths, and fewer with each second in which more are started.
fn wears_out(milli: u64) -> impl FnMut(u64, &mut Dice) -> bool {
    let (mut left, mut room, mut at, mut started) = (1_000, 1_000, 0, 0);
    move |now, _| {
        if now / SECOND != at / SECOND {
            let over = started * 1_000 > milli + 1_000;
            left = if over { (left * 9 / 10).max(250) } else { (left * 11 / 10).min(1_000) };
            started = 0;
        }
        room = (room + (now - at) * milli / SECOND * left / 1_000).min(1_000);
        (at, started) = (now, started + 1);
        let taken = room >= 1_000;
        room -= if taken { 1_000 } else { 0 };
        taken
    }
}

#[test]
fn a_server_that_more_attempts_wear_out_is_not_left_to_chance() {
    for wanted in 6..=10 {
        let mut b = Bench::new(wanted);
        b.run(20, |_, _| true);
        b.run(20, chance(400));
        // Whatever was found until now, it is something else from here on.
        b.run(90, wears_out(3_000));
        let (started, let_in) = b.last(30);
        assert!(
            let_in >= 60 && started * 10 <= let_in * 15,
            "{wanted}: {started} for {let_in}, {:?}",
            b.state()
        );
    }
}

#[test]
fn an_outage_is_probed_and_its_end_releases_what_was_let_in() {
    let mut b = Bench::new(10);
    b.run(30, |_, _| true);
    b.run(60, |_, _| false);
    assert_eq!(b.state(), Some(State::Outage));
    let early: u64 = b.seconds[40..50].iter().map(|s| s.0).sum();
    let (late, _) = b.last(10);
    assert!((8..=14).contains(&early) && (5..=9).contains(&late), "fewer and fewer: {early}, {late}");
    b.run(120, |_, _| false);
    let (late, _) = b.last(30);
    assert!((5..=10).contains(&late), "but never too few: {late}");
    b.run(6, |_, _| true);
    assert_eq!(b.state(), Some(State::Ramp));
    b.wanted = 40;
    b.run(3, |_, _| true);
    let (started, _) = b.last(2);
    assert!((30..=55).contains(&started), "what was usual, and quickly more: {started}");
}

#[test]
fn the_end_of_an_outage_is_known_as_soon_as_a_refusal_would_be() {
    let mut b = Bench::new(10);
    b.answers = false;
    b.run(30, |_, _| true);
    b.run(20, |_, _| false);
    let ready = b.limiter.ready_at().unwrap();
    b.limiter.started(ready, &mut b.dice);
    let told = b.limiter.look_at().unwrap();
    assert!((Dur(1)..=Dur::millis(300)).contains(&told.since(ready)), "{told:?} {ready:?}");
    assert!(b.limiter.look(told, &b.s));
    assert_eq!(b.state(), Some(State::Ramp));
    assert!(b.limiter.ready_at().unwrap() <= told, "and the next one follows at once");
}

#[test]
fn an_outage_is_known_long_before_it_fills_the_window() {
    let mut b = Bench::new(16);
    b.run(30, |_, _| true);
    b.run(4, |_, _| false);
    assert_eq!(b.state(), Some(State::Outage));
    let mut b = Bench::new(16);
    b.run(30, |_, _| true);
    b.run(4, chance(400));
    assert_eq!(b.limiter.rate(), None, "where some are let in it is none");
}

#[test]
fn among_many_the_release_is_slower() {
    let rate = |fleet| {
        let mut b = Bench::new(10);
        b.s.limiter_fleet = fleet;
        b.run(30, |_, _| true);
        b.run(30, |_, _| false);
        b.wanted = 1_000;
        b.run(12, |_, _| true);
        b.limiter.rate().unwrap()
    };
    let (alone, many) = (rate(1), rate(1_000));
    assert!(alone > 18_000 && (10_000..12_000).contains(&many), "{alone} and {many}");
}

#[test]
fn answers_that_take_long_do_not_hide_the_end_of_an_outage_nor_the_outage() {
    let mut b = Bench::new(10);
    b.answers = false;
    b.run(30, |_, _| true);
    b.run(30, |_, _| false);
    // An answer to what was let in before the outage.
    b.limiter.accepted(Mono(29 * SECOND), Mono(b.now), &b.s);
    assert_eq!(b.state(), Some(State::Outage));
    b.run(6, |_, _| true);
    assert_eq!(b.state(), Some(State::Ramp));
}

#[test]
fn a_cut_comes_once_a_second_and_calm_switches_it_off() {
    let mut b = Bench::new(10);
    b.run(30, |_, _| true);
    b.run(20, capacity(3_000));
    let now = b.now;
    let at = |n: u64| Mono(now + n * SECOND / 10);
    let on = b.limiter.on.as_mut().unwrap();
    on.state = State::Steady;
    let cuts = (0..30).filter(|n| b.limiter.refused(at(*n), at(*n), &b.s)).count();
    assert!(cuts <= 3, "{cuts} in three seconds");
    assert!(!b.limiter.settle(at(30) + Dur(9 * SECOND), &b.s));
    assert!(b.limiter.settle(at(30) + Dur(11 * SECOND), &b.s));
    assert_eq!((b.limiter.rate(), b.limiter.ready_at()), (None, None));
}
