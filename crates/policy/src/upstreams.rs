//! Which upstream of a group a call goes to: by weight among those that are well. And what makes an upstream rest: failures
//! in a row that are its own fault. It comes back by one call that tries it.

use std::collections::BTreeMap;

use clearline_model::{CallId, Cause, Charge, EventKind, LaneId, Mono, Sent, Stage, UpstreamId};

use crate::call::{Call, Debt};
use crate::config::{Group, Settings};
use crate::decide::{Used, about_key, repeatable};
use crate::engine::{Engine, Turn};
use crate::input::Miss;
use crate::keys::Pick;
use crate::output::{Conn, Standing};

/// What is held against an upstream, or against one of its lanes.
#[derive(Debug, Clone, Copy, Default)]
struct Health {
    /// Failures since the last success.
    misses: u32,
    /// Rests since the last success.
    rests: u32,
    /// Until when it rests; what was never tried rests until zero.
    until: Mono,
    cause: Option<Cause>,
    /// It failed behind the head of an answer, so that a head proves nothing.
    late: bool,
    /// Another upstream answered sooner, so that only an answer that begins in time proves anything.
    slow: bool,
    /// The call that tries whether it is well again, and how long no other one does: it may hang.
    probe: Option<(CallId, Mono)>,
}

/// One member of a group, and how far its turn is.
#[derive(Debug, Clone, Copy)]
struct Member {
    upstream: UpstreamId,
    weight: i64,
    score: i64,
}

/// The groups, and the health of what is in them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Upstreams {
    groups: BTreeMap<UpstreamId, Vec<Member>>,
    /// Whether it is reached at all.
    sites: BTreeMap<UpstreamId, Health>,
    /// Whether it serves a family of models.
    lanes: BTreeMap<LaneId, Health>,
}

/// How much of an answer is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    Head,
    Whole,
    /// Either, which does not prove that it is fast again.
    Late,
}

/// Where a failure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Site,
    Lane,
}

impl Health {
    const fn is_well(&self) -> bool {
        self.rests == 0
    }

    fn rests(&self, now: Mono) -> bool {
        self.rests > 0 && self.until > now
    }

    /// Its rest is over and nobody tries it yet.
    fn is_due(&self, now: Mono) -> bool {
        self.rests > 0 && self.until <= now && self.probe.is_none_or(|(_, until)| until <= now)
    }

    fn is_tried_by(&self, call: CallId) -> bool {
        self.probe.is_some_and(|(probe, _)| probe == call)
    }

    /// Counts a call's failure; says whether it begins to rest.
    fn miss(&mut self, call: CallId, miss: &Miss, now: Mono, s: &Settings) -> bool {
        self.misses = self.misses.saturating_add(1);
        self.cause = Some(miss.cause);
        self.late = miss.stage >= Stage::Body && !miss.answered;
        self.slow = false;
        // While one call tries, the others' failures may be those of the time before.
        let counts = self.probe.is_none() || self.is_tried_by(call);
        let tired = if self.is_well() { self.misses >= s.failover_after } else { counts && !self.rests(now) };
        if counts {
            self.probe = None;
        }
        if tired {
            let rest = s.failover_rest.scale(1 << self.rests.min(32), 1).min(s.failover_rest_max);
            self.until = now + rest;
            self.rests = self.rests.saturating_add(1);
        }
        tired
    }
}

impl Upstreams {
    /// Takes new groups; the turns begin anew.
    pub(crate) fn regroup(&mut self, groups: Vec<Group>) {
        self.groups.clear();
        for group in groups {
            let member = |(upstream, weight): (UpstreamId, u32)| Member {
                upstream,
                weight: i64::from(weight.max(1)),
                score: 0,
            };
            self.groups.insert(group.id, group.members.into_iter().map(member).collect());
        }
    }

    fn members(&self, group: UpstreamId) -> &[Member] {
        self.groups.get(&group).map_or(&[], Vec::as_slice)
    }

    /// The next by weight among those that `fits` accepts: each turn gives every one its weight, and the one with the most
    /// pays for all. So the shares are exact, and evenly spread.
    fn next(&mut self, group: UpstreamId, fits: impl Fn(UpstreamId) -> bool) -> Option<UpstreamId> {
        let members = self.groups.get_mut(&group)?;
        let mut all = 0;
        for member in members.iter_mut().filter(|m| fits(m.upstream)) {
            member.score += member.weight;
            all += member.weight;
        }
        let best = members.iter_mut().filter(|m| fits(m.upstream)).max_by_key(|m| m.score)?;
        best.score -= all;
        Some(best.upstream)
    }

    fn cells(&self, lane: LaneId) -> impl Iterator<Item = &Health> {
        self.sites.get(&lane.upstream).into_iter().chain(self.lanes.get(&lane))
    }

    fn cells_mut(&mut self, lane: LaneId) -> impl Iterator<Item = &mut Health> {
        self.sites.get_mut(&lane.upstream).into_iter().chain(self.lanes.get_mut(&lane))
    }

    fn is_well(&self, lane: LaneId) -> bool {
        self.cells(lane).all(Health::is_well)
    }

    /// It rested, the rest is over, and nobody tries it yet.
    fn is_due(&self, lane: LaneId, now: Mono) -> bool {
        self.cells(lane).any(|h| h.is_due(now)) && self.cells(lane).all(|h| h.is_well() || h.is_due(now))
    }

    fn probes(&self, lane: LaneId, call: CallId) -> bool {
        self.cells(lane).any(|h| h.is_tried_by(call))
    }

    /// A call that tried something is over without an outcome.
    fn forget(&mut self, call: CallId, lane: LaneId) {
        self.cells_mut(lane).filter(|h| h.is_tried_by(call)).for_each(|h| h.probe = None);
    }

    /// Why it rests, and until when.
    pub(crate) fn resting(&self, lane: LaneId, now: Mono) -> Option<(Cause, Mono)> {
        let resting = self.cells(lane).filter(|h| h.rests(now));
        resting.filter_map(|h| Some((h.cause?, h.until))).max_by_key(|(_, until)| *until)
    }
}

/// Whose fault it is: the upstream's as a whole, that of one of its lanes, or none of its own.
fn fault(miss: &Miss, another_address: bool) -> Option<Place> {
    match miss.cause.row().charge {
        Charge::Site => Some(Place::Site),
        Charge::Address if !another_address => Some(Place::Site),
        Charge::Upstream => Some(Place::Lane),
        // It has the request and does not answer.
        Charge::Nobody if !miss.answered && miss.sent != Sent::No && miss.stage >= Stage::Send => {
            Some(Place::Lane)
        }
        Charge::Nobody | Charge::Address | Charge::Key | Charge::Caller => None,
    }
}

impl Engine {
    fn fault_of(&self, upstream: UpstreamId, miss: &Miss, now: Mono) -> Option<Place> {
        fault(miss, self.addresses.has_good(upstream, now))
    }

    /// The lane on which a new call begins.
    pub(crate) fn lane_for(&mut self, call: CallId, asked: LaneId, may_repeat: bool) -> LaneId {
        let lane = |upstream| LaneId { upstream, family: asked.family };
        let (only, many) = match self.upstreams.members(asked.upstream) {
            [] => (Some(asked.upstream), false),
            [one] => (Some(one.upstream), false),
            [_, _, ..] => (None, true),
        };
        let now = self.now();
        // A call that may be sent again loses nothing where it finds that the upstream still fails.
        let due = |m: &&Member| self.upstreams.is_due(lane(m.upstream), now);
        let tried = self.upstreams.members(asked.upstream).iter().find(due).map(|m| m.upstream);
        if let Some(upstream) = tried.filter(|_| may_repeat || !many) {
            let by = now + self.config.settings.failover_rest;
            self.upstreams
                .cells_mut(lane(upstream))
                .filter(|h| h.is_due(now))
                .for_each(|h| h.probe = Some((call, by)));
            return lane(upstream);
        }
        if let Some(only) = only {
            return lane(only);
        }
        self.next_well(asked).unwrap_or(asked)
    }

    /// The next by weight among those that are well and have a key; else among those that are well; else among all.
    fn next_well(&mut self, asked: LaneId) -> Option<LaneId> {
        let (now, keys) = (self.now(), &self.keys);
        let lane = |upstream| LaneId { upstream, family: asked.family };
        let members = self.upstreams.members(asked.upstream);
        let well: Vec<_> =
            members.iter().map(|m| m.upstream).filter(|u| self.upstreams.is_well(lane(*u))).collect();
        let keyed: Vec<_> = well
            .iter()
            .copied()
            .filter(|u| matches!(keys.pick(lane(*u), (&[], None), now), Pick::Own | Pick::Key(_)))
            .collect();
        let fits = |u: UpstreamId| match (keyed.is_empty(), well.is_empty()) {
            (false, _) => keyed.contains(&u),
            (true, false) => well.contains(&u),
            (true, true) => true,
        };
        self.upstreams.next(asked.upstream, fits).map(lane)
    }

    /// Whether another attempt of this call could start on that lane now.
    fn fits(&self, call: &Call, lane: LaneId, now: Mono) -> bool {
        let key = || self.keys.pick(lane, (&call.tried, self.needs(call)), now);
        self.upstreams.is_well(lane)
            && self.has_place(lane)
            && !self.is_queued(lane, now)
            && matches!(key(), Pick::Own | Pick::Key(_))
            && (call.debt != Debt::Owed || self.has_retry(lane, now))
    }

    /// Moves a call to another upstream of its group where it can start at once; says whether there was one.
    pub(crate) fn move_on(&mut self, t: &Turn<'_>, call: &mut Call, back: bool) -> bool {
        if self.upstreams.members(call.home).len() < 2 || !call.running.is_empty() {
            return false;
        }
        let lane = |upstream| LaneId { upstream, family: call.lane.family };
        let may = |u: &UpstreamId| *u != call.lane.upstream && (back || !call.seen.contains(u));
        let members = self.upstreams.members(call.home).iter().map(|m| m.upstream);
        let fit: Vec<_> = members.filter(may).filter(|u| self.fits(call, lane(*u), t.now)).collect();
        let Some(next) = self.upstreams.next(call.home, |u| fit.contains(&u)) else { return false };
        self.upstreams.forget(call.id, call.lane);
        call.seen.push(call.lane.upstream);
        let next = lane(next);
        self.go(call, next);
        (call.here, call.conn, call.hint) = (0, Conn::Any, None);
        call.used = Used::default();
        true
    }

    /// Before an attempt: a call does not go on where the upstream rests or is no longer there.
    pub(crate) fn place(&mut self, t: &Turn<'_>, call: &mut Call) {
        let gone = self.reloaded && !self.config.upstreams.iter().any(|u| u.id == call.lane.upstream);
        let tries = self.upstreams.probes(call.lane, call.id);
        if !gone && (tries || self.upstreams.is_well(call.lane)) {
            return;
        }
        if !self.move_on(t, call, true) && gone {
            let asked = LaneId { upstream: call.home, family: call.lane.family };
            let next = self.next_well(asked).unwrap_or(call.lane);
            self.go(call, next);
        }
    }

    /// Where an attempt beside those of this call would run on another upstream of its group, which is well and has no more to
    /// do than it wants.
    pub(crate) fn beside(&self, call: &Call, now: Mono) -> Option<LaneId> {
        let lane = |m: &Member| LaneId { upstream: m.upstream, family: call.lane.family };
        let is_free = |m: &&Member| call.running.iter().all(|r| r.lane.upstream != m.upstream);
        let fits = |m: &&Member| self.fits(call, lane(m), now) && self.is_calm(lane(m), now);
        let members = self.upstreams.members(call.home).iter();
        // A second attempt takes nobody's turn.
        members.filter(is_free).filter(fits).max_by_key(|m| m.score + m.weight).map(lane)
    }

    /// What comes next is about this attempt, and so about the lane where it runs.
    pub(crate) fn turn_to(&mut self, call: &mut Call, n: u16) {
        if let Some(lane) = call.running.iter().find(|r| r.n == n).map(|r| r.lane)
            && lane != call.lane
        {
            self.go(call, lane);
        }
    }

    /// The call belongs to another lane from here on.
    pub(crate) fn go(&mut self, call: &mut Call, lane: LaneId) {
        if let Some(old) = self.lanes.get_mut(&call.lane) {
            old.open = old.open.saturating_sub(1);
        }
        self.lanes.entry(lane).or_default().open += 1;
        call.lane = lane;
    }

    /// After a failure: whether the call goes to another upstream instead of being repeated on this one.
    pub(crate) fn hops(&mut self, t: &Turn<'_>, call: &mut Call, (miss, ends): (&Miss, bool)) -> bool {
        let s = self.config.settings;
        if !repeatable(miss, call.ask, s.maybe_billed) || call.attempts >= s.attempts_max {
            return false;
        }
        let out = self.upstreams.resting(call.lane, t.now).is_some();
        let asked_off = miss.hint.after.is_some_and(|after| t.now + after > t.now + s.backoff_overload);
        let enough = match self.fault_of(call.lane.upstream, miss, t.now) {
            Some(Place::Site) => true,
            Some(Place::Lane) => {
                miss.hint.should_retry != Some(false)
                    && (ends || out || asked_off || call.here >= s.failover_tries)
            }
            // One may have what another has not: a model, a file. Asked twice it costs nothing, and nobody has it for certain.
            None if miss.cause == Cause::RequestModelNotFound => call.seen.is_empty(),
            None => about_key(miss.cause) && !self.has_key(call, t.now),
        };
        enough && self.move_on(t, call, false)
    }

    /// Whether a key of the pool can be used now. What the caller's own credential is refused for, it is refused for elsewhere.
    fn has_key(&self, call: &Call, now: Mono) -> bool {
        matches!(self.keys.pick(call.lane, (&call.tried, None), now), Pick::Own | Pick::Key(_))
    }

    /// Writes down what a failure says of the upstream.
    pub(crate) fn blame(&mut self, t: &mut Turn<'_>, (call, lane): (CallId, LaneId), miss: &Miss) {
        let s = self.config.settings;
        let cell = match self.fault_of(lane.upstream, miss, t.now) {
            Some(Place::Site) => self.upstreams.sites.entry(lane.upstream).or_default(),
            Some(Place::Lane) => self.upstreams.lanes.entry(lane).or_default(),
            None if miss.answered => return self.is_alive(t, lane, Answered::Head),
            None => return,
        };
        if cell.miss(call, miss, t.now, &s) {
            let rests_until = Some(cell.until);
            let (upstream, cause) = (lane.upstream, Some(miss.cause));
            t.note(None, EventKind::UpstreamChanged { upstream, cause, rests_until });
        }
    }

    /// Another upstream answered a call sooner than this one, which had it first. One that is slow as a whole would keep every call waiting
    /// for its second attempt, and those that get none for itself.
    pub(crate) fn blame_late(&mut self, t: &mut Turn<'_>, (call, lane): (CallId, LaneId)) {
        let miss = Miss::silent(Cause::HttpNoResponse, Stage::Head, Sent::Yes);
        self.blame(t, (call, lane), &miss);
        if let Some(cell) = self.upstreams.lanes.get_mut(&lane) {
            cell.slow = true;
        }
    }

    /// What an answer proves of a call's lane whose attempt started then: of one that was slow only a beginning in time proves that
    /// it is not, and of an answer that is not streamed nobody knows when it began.
    pub(crate) fn answered(&self, call: &Call, started: Mono, how: Answered) -> Answered {
        let is_slow = self.upstreams.lanes.get(&call.lane).is_some_and(|h| h.slow);
        let in_time = how == Answered::Head && call.ask.is_seen() && !self.is_late(call, started);
        if is_slow && !in_time { Answered::Late } else { how }
    }

    /// It answered as it should, so far.
    pub(crate) fn is_alive(&mut self, t: &mut Turn<'_>, lane: LaneId, answered: Answered) {
        // What is well has no cell, so that mostly there is nothing to look for.
        let (sites, lanes) = (&mut self.upstreams.sites, &mut self.upstreams.lanes);
        let proves = |h: Option<&Health>| {
            h.is_some_and(|h| match answered {
                Answered::Whole => true,
                Answered::Head => !h.late,
                Answered::Late => !h.late && !h.slow,
            })
        };
        let site = if proves(sites.get(&lane.upstream)) { sites.remove(&lane.upstream) } else { None };
        let own = if proves(lanes.get(&lane)) { lanes.remove(&lane) } else { None };
        if site.into_iter().chain(own).any(|h| !h.is_well()) {
            let upstream = lane.upstream;
            t.note(None, EventKind::UpstreamChanged { upstream, cause: None, rests_until: None });
        }
    }

    /// A call is over: what it tried and did not find out, another one tries.
    pub(crate) fn stop_probing(&mut self, call: CallId, lane: LaneId) {
        self.upstreams.forget(call, lane);
    }

    /// How an upstream stands: it is down where none of its keys is accepted, it is not reached, or none of its lanes serves.
    pub(crate) fn standing(&self, upstream: UpstreamId) -> Standing {
        if let Some((cause, until)) = self.keys.all_out(upstream, self.now()) {
            return Standing::Down(cause, until);
        }
        let last = LaneId { upstream, family: u16::MAX };
        let first = LaneId { upstream, family: 0 };
        let mut down = self.upstreams.resting(last, self.now());
        if down.is_none() {
            for lane in self.lanes.range(first..=last).map(|(lane, _)| *lane) {
                match self.upstreams.resting(lane, self.now()) {
                    None => return Standing::Up,
                    Some(why) => down = down.or(Some(why)),
                }
            }
        }
        down.map_or(Standing::Unused, |(cause, until)| Standing::Down(cause, until))
    }
}
