//! The overload limiter of a lane: how fast attempts may start while the other side has too much to do.
//!
//! Off, it only counts. Refusals switch it on; from then on starts are paced. The first thing it does is to find out
//! whether a slower pace helps at all (`trial`). Where it does, the pace is cut by refusals, never below what is let in,
//! and grows with what is let in (`climb`). Where nothing is let in for long it is an outage: then the pace is that of a
//! probe, which finds its end. After an outage what was let in before it is released at first, of many most of it, and then
//! more with each second until the first refusal, so that many of these together do not bring the outage back.

mod climb;
mod crowd;
mod former;
mod learned;
mod pace;
mod probe;
mod room;
mod seconds;
mod trial;

use clearline_model::{Dur, Mono};

use self::climb::{FAST_MILLI, NEAR_MILLI, beyond, fleetly, ramp, up_to};
use self::pace::{Pace, growth, part};
use self::room::Room;
use self::seconds::Seconds;
use self::trial::{Base, Chance, Finding, Trial};
use crate::config::Settings;
use crate::dice::Dice;

pub(crate) use self::crowd::CROWD;
pub(crate) use self::learned::Learned;

/// Over how many seconds refusals are compared with everything else (resilience 5.5).
const WINDOW: u64 = 10;
/// Over how many the own pace and what is let in are measured (resilience 5.5).
const PACE: u64 = 3;
/// The share of refusals that switches it on, thousandths: with fewer, calls that come back soon have their turn
/// (a third more attempts than calls; resilience 5.5 has 300).
const ON_MILLI: u64 = 400;
/// The share from which on a second attempt would only add to it, thousandths (a guess).
const REFUSING_MILLI: u64 = 100;
/// What a cut leaves, thousandths (resilience 5.5).
const CUT_MILLI: u64 = 700;
/// What it leaves at most of a pace that is alone, thousandths: less is no cut.
const SHALLOW_MILLI: u64 = 970;
/// So many attempts count as let in besides those since the last cut: one refusal soon after it is none of all.
const PRIOR: u64 = 4;
/// A pace that held nobody back for so long, and two of its steps, is not known to be too slow: it does not grow.
const HELD: Dur = Dur::secs(1);
/// What it leaves in an outage, and to one of many after one, thousandths (resilience 5.5).
const HALF_MILLI: u64 = 500;
/// The least time between two cuts: what was sent before a cut is refused after it as well (resilience 5.5).
const CUT_EVERY: Dur = Dur::secs(1);
/// No growth for so long after a cut: what was sent before is refused in this time, and not much is lost.
const HOLD: Dur = Dur::secs(2);
/// What one of many keeps of what is let in, thousandths, and what a cut leaves of its pace: the others cut theirs as well (of 700
/// to 900 the best for twenty, and as good for a thousand: `bench resilience`, herd, told, and herd).
const FLEET_LEAST: u64 = 900;
const FLEET_CUT: u64 = 900;
/// The longest time that one growth makes up for.
const GROWTH_MAX: Dur = Dur::secs(2);
/// So many refusals in a row, besides the time, make an outage: chance does not.
const OUTAGE_ROW: u32 = 6;
/// So many in a row where others were let in before, and nothing since for so long, is an outage however many those were: the window
/// of refusals would find that out seconds later.
const GONE_ROW: u64 = 12;
const GONE: Dur = Dur::millis(2_500);
/// So long after its start, and twice the time that refusals take, an attempt was let in if nothing was heard.
const LET_IN: Dur = Dur::secs(1);
/// The same of the one that may tell the end of an outage, besides three times the time that refusals take: what waits, waits
/// for it.
const HEARD: Dur = Dur::millis(200);
/// No pace is less than such a part of what was let in before, thousandths, up to so many starts a second, thousandths, for the
/// same reason.
const FEW_MILLI: u64 = 333;
const FEW_MOST: u64 = 500;
/// What is released once it is known that no slower pace helps, of the pace before: what waited comes on top of it, thousandths.
const LOOSE_MILLI: u64 = 1_500;
/// What one of many releases at once after an outage, of what was let in before, thousandths.
const FLEET_BACK: u64 = 750;

/// What is made use of is what was started in the fullest of so many seconds. A pace that nobody comes near does not grow beyond so
/// many times that and this, thousandths of a start a second, and is no more than the smaller part of it once something is refused,
/// thousandths: what nobody made use of says nothing of what is let in.
const USED: u64 = 3;
const USED_TIMES: u64 = 6;
const USED_MORE: u64 = 1_000;
const USED_MILLI: u64 = 1_500;

#[derive(Debug, Clone)]
struct On {
    pace: Pace,
    cut: Mono,
    /// Attempts since then.
    since: Since,
    grown: Mono,
    refused: Mono,
    /// When a start was kept waiting for the pace last.
    held: Mono,
    /// When the latest of those that were refused, and of those that were let in, had started.
    denied: Mono,
    let_in: Mono,
    /// When the first of those had started that nothing was heard of since the latest refusal.
    silent: Option<Mono>,
    /// The longest time that a refusal took.
    slowest: Dur,
    /// Refusals since anything was let in.
    row: u32,
    /// The pace at which it was refused last.
    broke: u64,
    /// What was let in a second before the trouble began, thousandths.
    before: u64,
    state: State,
    /// Whether a slower pace helps.
    trial: Trial,
    /// The least pace before that is known again.
    least: u64,
    /// What is let in between refusals.
    room: Room,
}

/// Attempts since a cut, and those of them that were refused.
#[derive(Debug, Clone, Copy, Default)]
struct Since {
    started: u64,
    refused: u64,
}

impl Since {
    /// The share that was let in, thousandths, as if a few more had been.
    const fn share(self) -> u64 {
        let let_in = self.started.saturating_sub(self.refused) + PRIOR;
        let_in * 1_000 / (let_in + self.refused)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Finding out whether a slower pace helps; the pace is kept.
    Trial,
    /// It refuses by chance: nothing is cut, and what waits is released.
    Loose,
    Steady,
    /// Nothing has been let in for long.
    Outage,
    /// On the way up after an outage.
    Ramp,
}

/// The limiter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limiter {
    seconds: Seconds,
    on: Option<On>,
    /// Refusals that did not care about the pace.
    chance: Option<Chance>,
    /// When the latest of those that got an answer had started.
    heard: Option<Mono>,
}

impl Limiter {
    /// Starts a second that it lets through, thousandths; `None` while it is off.
    pub(crate) fn rate(&self) -> Option<u64> {
        self.on.as_ref().map(|on| on.pace.rate)
    }

    /// From when on the next attempt may start.
    pub(crate) fn ready_at(&self) -> Option<Mono> {
        self.on.as_ref().map(|on| on.pace.next)
    }

    /// Whether it answered an attempt so lately that this is no outage.
    pub(crate) fn is_served(&self, now: Mono, s: &Settings) -> bool {
        self.heard.is_some_and(|at| now.since(at) <= s.limiter_outage)
    }

    /// Whether it is known that it refuses by chance, so that no slower pace helps.
    pub(crate) fn is_chance(&self, now: Mono) -> bool {
        self.chance.is_some_and(|c| now < c.until)
    }

    /// The share of what lately started that it let in, thousandths, as far as that is known.
    pub(crate) fn share(&self, now: Mono) -> u64 {
        self.seconds.likely_share(now, WINDOW)
    }

    /// Whether the other side refuses, whatever that made of the pace.
    pub(crate) fn is_refusing(&self, now: Mono) -> bool {
        let refused = self.seconds.sum(now, WINDOW, |s| s.refused);
        let started = self.seconds.sum(now, WINDOW, |s| s.started);
        self.on.is_some() || refused * 1_000 > started * REFUSING_MILLI
    }

    pub(crate) fn started(&mut self, now: Mono, dice: &mut Dice) {
        self.seconds.start(now);
        if let Some(on) = &mut self.on {
            if on.pace.holds(now) {
                on.held = now;
            }
            on.since.started += 1;
            on.silent.get_or_insert(now);
            on.pace.start(now, dice);
            if matches!(on.state, State::Trial | State::Steady) {
                on.trial.started(now);
            }
            on.room.started();
        }
    }

    /// The other side failed, but not because it has too much to do.
    pub(crate) fn failed(&mut self, started: Mono) {
        self.seconds.fail(started);
        if let Some(on) = &mut self.on {
            on.silent = on.silent.filter(|at| *at != started);
        }
    }

    /// Refused, where so few call that each one's own backoff is pace enough.
    pub(crate) fn refused_few(&mut self, started: Mono) {
        self.seconds.refuse(started);
    }

    /// Whether one more refusal may switch it on where so many calls are open.
    pub(crate) fn is_trouble(&self, open: u32, now: Mono, s: &Settings) -> bool {
        crowd::is_trouble(&self.seconds, open, now, s)
    }

    /// The other side took an attempt that started then. Says whether something noteworthy changed.
    pub(crate) fn accepted(&mut self, started: Mono, now: Mono, s: &Settings) -> bool {
        self.heard = self.heard.max(Some(started));
        let Some(on) = &mut self.on else { return false };
        if started <= on.denied {
            return false;
        }
        on.is_let_in(started, (now, self.seconds.most(now, USED)), s)
    }

    /// When time alone tells something that those that wait are waiting for.
    pub(crate) fn look_at(&self) -> Option<Mono> {
        let on = self.on.as_ref().filter(|on| matches!(on.state, State::Outage | State::Ramp))?;
        on.told_at()
    }

    /// Looks at what time alone tells. Says whether something noteworthy changed.
    pub(crate) fn look(&mut self, now: Mono, s: &Settings) -> bool {
        let Some(on) = &mut self.on else { return false };
        if let Some(finding) = on.finding(now, s) {
            if is_alone(s) {
                on.trial.again(now);
            } else {
                // Of many each is refused for what the others do.
                on.trial.afresh(now);
            }
            on.least = part(on.pace.rate, CUT_MILLI);
            if let Finding::Chance(share) = finding {
                (on.state, on.grown) = (State::Loose, now);
                on.pace.set(on.pace.rate.max(part(on.trial.base.rate, LOOSE_MILLI)), now);
                self.chance = Some(Chance::new(self.chance, share, now));
            } else if on.state == State::Trial {
                (on.state, on.grown) = (State::Steady, now);
            }
            return false;
        }
        if on.told_at().is_some_and(|at| at <= now) && matches!(on.state, State::Outage | State::Ramp) {
            let at = on.silent.take().unwrap_or(now);
            return on.is_let_in(at, (now, self.seconds.most(now, USED)), s);
        }
        // An answer may take long: what has not been refused for long was let in.
        let latest = self.seconds.latest(now, on.patience());
        latest
            .filter(|at| *at > on.let_in && *at > on.denied)
            .is_some_and(|at| on.is_let_in(at, (now, self.seconds.most(now, USED)), s))
    }

    /// The other side has too much to do, or is not there, says an attempt that started then. Says whether something
    /// noteworthy changed.
    pub(crate) fn refused(&mut self, started: Mono, now: Mono, s: &Settings) -> bool {
        self.seconds.refuse(started);
        if self.on.is_none() {
            return self.switch_on(started, now, s);
        }
        let goodput = self.seconds.goodput(now, PACE);
        let used = self.seconds.most(now, USED);
        let Some(on) = &mut self.on else { return false };
        on.is_denied(started, now);
        // A pace that nobody came near is not what was refused.
        on.pace.set(on.pace.rate.min(part(used, USED_MILLI).max(on.before)), now);
        on.trial.refused(started, now);
        let patience = on.patience();
        let heard = self.seconds.latest(now, patience).unwrap_or(Mono(0)).max(on.let_in);
        if on.row >= on.trial.chance_row().max(OUTAGE_ROW) && now >= heard + s.limiter_outage {
            (on.state, on.let_in) = (State::Outage, heard);
        }
        match on.state {
            State::Trial => return false,
            State::Loose
                if self
                    .chance
                    .is_some_and(|c| now < c.until && c.explains(self.seconds.trouble(now, 2 * WINDOW))) =>
            {
                return false;
            }
            // A pace that was let loose tells nothing, and nothing is believed for ever.
            State::Loose => return self.switch_on(started, now, s),
            State::Steady | State::Outage | State::Ramp => {}
        }
        let cut = now >= on.cut + CUT_EVERY && on.cut(now, goodput, s);
        // What was refused took nothing from the capacity: a pace just above it would lose a whole step.
        if on.state == State::Steady && on.row == 1 && is_alone(s) {
            on.pace.hasten(now);
        }
        cut
    }

    fn switch_on(&mut self, started: Mono, now: Mono, s: &Settings) -> bool {
        let refused = self.seconds.sum(now, WINDOW, |s| s.refused);
        let all = self.seconds.sum(now, WINDOW, |s| s.started);
        let share = self.seconds.share(now, WINDOW);
        let enough = s.limiter_signals > 0 && refused >= u64::from(s.limiter_signals);
        let likely = self.seconds.likely_share(now, WINDOW);
        let known =
            self.chance.is_some_and(|c| now < c.until && c.explains(self.seconds.trouble(now, WINDOW)));
        let (row, let_in) = self.seconds.row(now, WINDOW, LET_IN);
        let out = row >= GONE_ROW && let_in.is_some_and(|at| now >= at + GONE);
        if !enough || known || (!out && refused * 1_000 < all * ON_MILLI) {
            return false;
        }
        let own = self.seconds.sum(now, PACE, |s| s.started) * 1_000 / PACE;
        let before = self.seconds.usual(now);
        let floor = floor(before, s);
        let goodput = self.seconds.goodput(now, PACE);
        // What was let in before the trouble began says nothing about it.
        let helped = if is_alone(s) { goodput.min(part(own, share)) } else { goodput };
        let rate = trial::pace(own, helped, is_alone(s)).max(floor);
        let state = if goodput == 0 || out { State::Outage } else { State::Trial };
        let seen = self.seconds.latest(now, LET_IN).unwrap_or(Mono(0));
        self.on = Some(On {
            pace: Pace::new(rate, now),
            cut: now,
            since: Since::default(),
            grown: now,
            refused: now,
            held: now,
            denied: started,
            let_in: seen,
            silent: None,
            slowest: now.since(started),
            row: 1,
            broke: if is_alone(s) { own } else { goodput }.max(floor),
            before: before.max(2 * floor),
            state,
            trial: Trial::new(Base { rate: self.seconds.troubled(now, WINDOW), share, likely }, now),
            least: rate,
            room: Room::default(),
        });
        true
    }

    /// Switches it off.
    fn off(&mut self) -> bool {
        self.on.take().is_some()
    }

    /// Switches it off where so few calls are open that each one's own backoff is pace enough, but for an outage.
    pub(crate) fn off_for(&mut self, open: u32) -> bool {
        let out = self.on.as_ref().is_some_and(|on| matches!(on.state, State::Outage | State::Ramp));
        (open == 0 || !out) && self.off()
    }

    /// Switches itself off when nothing was refused for long and nobody waits. Says whether it did.
    pub(crate) fn settle(&mut self, now: Mono, s: &Settings) -> bool {
        // While it holds anybody back it is what keeps the refusals away.
        let quiet = |on: &On| if is_alone(s) { on.refused.max(on.held) } else { on.refused };
        let is_over = |on: &On| on.state == State::Loose || now >= quiet(on) + s.limiter_calm;
        self.on.as_ref().is_some_and(is_over) && self.off()
    }
}

impl On {
    /// Whether a slower pace helps, once that is known.
    fn finding(&self, now: Mono, s: &Settings) -> Option<Finding> {
        match self.state {
            State::Trial if is_alone(s) => self.trial.sure(now).or_else(|| self.trial.finding(now)),
            State::Trial | State::Steady => self.trial.finding(now),
            State::Loose | State::Outage | State::Ramp => None,
        }
    }

    /// So long after its start an attempt was let in if nothing was heard.
    fn patience(&self) -> Dur {
        self.slowest.scale(2, 1) + LET_IN
    }

    /// When the first of those is let in that nothing was heard of.
    fn told_at(&self) -> Option<Mono> {
        self.silent.map(|at| at + self.slowest.scale(3, 1) + HEARD)
    }

    fn is_denied(&mut self, started: Mono, now: Mono) {
        self.silent = self.silent.filter(|at| *at > started);
        (self.refused, self.row) = (now, self.row.saturating_add(1));
        if started >= self.cut {
            self.since.refused += 1;
        }
        self.denied = self.denied.max(started);
        self.room.refused(now);
        self.slowest = self.slowest.max(now.since(started));
    }

    fn is_let_in(&mut self, started: Mono, (now, used): (Mono, u64), s: &Settings) -> bool {
        (self.let_in, self.row) = (self.let_in.max(started), 0);
        if self.state == State::Outage {
            (self.state, self.grown) = (State::Ramp, now);
            let back = if s.limiter_fleet > 1 { part(self.before, FLEET_BACK) } else { self.before };
            self.pace.set(self.pace.rate.max(back), now);
            if is_alone(s) {
                // The probe was let in: the next one need not wait for the pace of probes.
                self.pace.next = now;
            }
            return true;
        }
        self.grow((now, used), s);
        false
    }

    fn grow(&mut self, (now, used): (Mono, u64), s: &Settings) {
        let time = now.since(self.grown).min(GROWTH_MAX);
        self.grown = now;
        let rate = self.pace.rate;
        let known = if self.state == State::Ramp { self.before } else { part(self.broke, NEAR_MILLI) };
        if is_alone(s) && rate >= known && now > self.held + HELD + self.pace.interval().scale(2, 1) {
            return;
        }
        let grown = match self.state {
            State::Trial if self.trial.is_calm(now) => rate + growth(rate, FAST_MILLI, time),
            State::Trial | State::Outage => return,
            State::Steady if now < self.cut + HOLD => return,
            State::Loose => rate + growth(rate, FAST_MILLI, time),
            State::Ramp => up_to(self.before, rate, time).unwrap_or_else(|| rate + ramp(rate, time, s)),
            State::Steady if s.limiter_fleet > 1 => {
                up_to(part(self.broke, CUT_MILLI), rate, time).unwrap_or_else(|| rate + fleetly(rate, time))
            }
            State::Steady => beyond(self.broke, rate, (time, now.since(self.refused))),
        };
        let most = (used * USED_TIMES + USED_MORE).max(known).max(rate);
        self.pace.set(grown.min(most).max(self.floor(s)), now);
    }

    /// A slower pace, or a trial of one. Says whether it became another one.
    fn cut(&mut self, now: Mono, goodput: u64, s: &Settings) -> bool {
        let old = self.pace.rate;
        let share = std::mem::take(&mut self.since).share();
        self.cut = now;
        let least = match self.state {
            State::Outage => probe::pace(now.since(self.let_in), self.before),
            // Its cut is no deeper than what was refused.
            State::Steady if is_alone(s) => self.least.max(self.room.known().unwrap_or(0)),
            State::Ramp | State::Trial | State::Loose | State::Steady => enough(goodput, s).max(self.least),
        };
        let left = match self.state {
            State::Outage => HALF_MILLI,
            State::Ramp if s.limiter_fleet > 1 => HALF_MILLI,
            State::Steady if is_alone(s) => share.clamp(CUT_MILLI, SHALLOW_MILLI),
            State::Steady => FLEET_CUT,
            State::Ramp | State::Trial | State::Loose => CUT_MILLI,
        };
        let rate = part(old, left).max(least).max(self.floor(s)).min(old);
        if self.state != State::Outage {
            self.broke = old;
        }
        if self.state == State::Ramp {
            self.state = State::Steady;
            self.trial.afresh(now);
            self.least = 0;
        }
        self.pace.set(rate, now);
        rate != old
    }

    /// The least pace, but for probes.
    fn floor(&self, s: &Settings) -> u64 {
        if self.state == State::Outage { s.limiter_floor_milli } else { floor(self.before, s) }
    }
}

/// The least pace where this was let in before.
fn floor(before: u64, s: &Settings) -> u64 {
    let few = if is_alone(s) { part(before, FEW_MILLI).min(FEW_MOST) } else { 0 };
    s.limiter_floor_milli.max(few).max(1)
}

/// Whether it sees the refusals that it causes.
const fn is_alone(s: &Settings) -> bool {
    s.limiter_fleet <= 1
}

/// The pace that a cut leaves at least: what is let in. Of many each leaves some of that to the others.
fn enough(goodput: u64, s: &Settings) -> u64 {
    if is_alone(s) { goodput } else { part(goodput, FLEET_LEAST) }
}

#[cfg(test)]
mod tests;
