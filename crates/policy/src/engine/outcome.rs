//! What is learned of an attempt's head, failure or end: who pays for it, who is avoided, how fast the other side is.

use clearline_model::{
    AddrId, Cause, Charge, Dur, EventKind, LaneId, Limits, Outcome, Retry, Sent, Stage, Usage,
};

use super::{Engine, Load, Turn};
use crate::call::{Call, Running, Saved};
use crate::decide::{Within, about_key, is_shared};
use crate::input::Miss;
use crate::meter::Share;
use crate::output::Output;
use crate::upstreams::Answered;

/// Whether the key that was refused is none for its call any more.
fn is_out(miss: &Miss) -> bool {
    let ends = matches!(miss.cause.row().retry, Retry::Never | Retry::AfterRefresh);
    about_key(miss.cause) && (ends || miss.hint.should_retry == Some(false))
}

impl Engine {
    pub(super) fn on_head(
        &mut self,
        t: &mut Turn<'_>,
        call: &mut Call,
        (n, status): (u16, u16),
        limits: &Limits,
    ) {
        self.turn_to(call, n);
        let hold = t.now + self.config.settings.commit_hold;
        let (stream, committed) = (call.ask.stream, call.committed.is_some());
        let own = self.own(call);
        let found = call.running.iter().find(|r| r.n == n).map(|r| r.started);
        let Some(started) = found else { return };
        let answered = self.answered(call, started, Answered::Head);
        let Some(running) = call.running.iter_mut().find(|r| r.n == n) else { return };
        running.status = status;
        if !(200..300).contains(&status) {
            return;
        }
        running.head = Some(t.now);
        let key = running.key;
        if let Some(addr) = running.addr {
            self.addresses.succeeded(addr, t.now);
        }
        if stream && let Some(lane) = self.lanes.get_mut(&call.lane) {
            lane.times.first(t.now.since(started), call.ask);
        }
        if stream && !committed {
            running.hold = Some(hold);
        }
        if let (Some(key), Some(share)) = (running.key.or(own), &mut running.share) {
            self.keys.meters.head(key, share, limits, (t.now, &self.config.settings));
            self.freed.insert(call.lane);
        }
        self.free_line(call);
        self.key_accepted(t, call.lane, key, started);
        self.is_alive(t, call.lane, answered);
        // A stream is seen to come: nothing further starts beside it. Of an answer as a whole nothing is seen before its end.
        if call.ask.is_seen() {
            call.running.iter_mut().for_each(|r| r.hedge = None);
        }
    }

    pub(super) fn on_failed(&mut self, t: &mut Turn<'_>, call: &mut Call, n: u16, miss: &Miss) {
        self.turn_to(call, n);
        let Some(running) = call.take(n) else { return };
        let miss = &Miss { addr: miss.addr.or(running.addr), ..*miss };
        self.release(call.lane, running.key);
        let refused = miss.not_executed || miss.sent == Sent::No;
        self.close(t.now, call.ask, &running, (miss.usage, refused));
        t.note(
            Some(call.id),
            EventKind::AttemptEnded {
                n,
                cause: Some(miss.cause),
                stage: miss.stage,
                sent: miss.sent,
                usage: miss.usage,
                aborted: false,
            },
        );
        if self.stopped {
            // It ends with the process, and says nothing about the other side.
            call.last = Some(miss.cause);
            if call.committed.is_some() {
                self.broken(t, call, &running, (miss, Load::Failed));
            } else {
                self.let_go(t, call);
            }
            return;
        }
        self.limit_hit(call, miss.cause);
        self.judge_address(t, call, miss);
        self.charge(t, call.lane, &running, miss);
        self.free_line(call);
        let load = self.load_of(call.lane, miss, t.now);
        self.weigh(t, (call.lane, running.started), load);
        if running.paid {
            self.budget(t.now, call.lane).lose();
        }
        self.blame(t, (call.id, call.lane), miss);
        call.last = Some(miss.cause);
        if is_out(miss) {
            let shared = is_shared(miss.cause);
            match running.key {
                Some(key) if shared => call.tried.extend(self.keys.siblings(key)),
                key => call.tried.extend(key),
            }
        }
        if call.committed.is_some() {
            self.broken(t, call, &running, (miss, load));
            return;
        }
        if miss.answered {
            call.saved = Some(Saved { n, cause: miss.cause, status: running.status });
        }
        call.refused.get_or_insert(t.now);
        // Beside a hedge that still runs nothing has to be decided.
        if call.running.is_empty() {
            self.again(t, call, &running, (miss, load));
        }
    }

    pub(super) fn on_done(&mut self, t: &mut Turn<'_>, call: &mut Call, n: u16, usage: Usage) {
        if !call.running.iter().any(|r| r.n == n) {
            return;
        }
        self.commit(t, call, n);
        let Some(mut running) = call.take(n) else { return };
        self.release(call.lane, running.key);
        self.close(t.now, call.ask, &running, (usage, false));
        self.free_line(call);
        self.wrote(call, &running, usage);
        self.give_back(t.now, call.lane, &mut running);
        let settings = self.config.settings;
        self.budget(t.now, call.lane).succeed(t.now, &settings);
        self.key_accepted(t, call.lane, running.key, running.started);
        let answered = self.answered(call, running.started, Answered::Whole);
        self.is_alive(t, call.lane, answered);
        let (stage, sent) = (if call.ask.stream { Stage::Stream } else { Stage::Body }, Sent::Yes);
        t.note(Some(call.id), EventKind::AttemptEnded { n, cause: None, stage, sent, usage, aborted: false });
        t.out.push(Output::Finish(call.id));
        self.end(t, call, Outcome::Succeeded, (None, running.status));
    }

    /// An attempt that ran into a limit makes it doubtful, and the next one of its call has those of the settings.
    fn limit_hit(&mut self, call: &mut Call, cause: Cause) {
        let Some(lane) = self.lanes.get_mut(&call.lane) else { return };
        if cause == Cause::HttpNoResponse && call.ask.stream {
            lane.times.no_first();
        } else if cause == Cause::HttpNoResponse {
            lane.times.no_whole();
        } else if cause == Cause::StreamStalled && call.ask.stream {
            lane.times.stalled();
        } else if cause == Cause::StreamStalled {
            // It says nothing about the silences of streams, but that answers are lost.
            lane.times.lose();
        } else {
            return;
        }
        call.used.limits = call.used.limits.max(Within::Settings);
    }

    /// Writes down against whom a failure counts, whatever becomes of the call.
    fn charge(&mut self, t: &mut Turn<'_>, lane: LaneId, running: &Running, miss: &Miss) {
        let s = self.config.settings;
        let row = miss.cause.row();
        let charge = if about_key(miss.cause) { Charge::Key } else { row.charge };
        let out = matches!(row.retry, Retry::Never | Retry::AfterRefresh);
        if charge == Charge::Key && !out {
            self.learn(running, miss);
        }
        let same = match running.key {
            Some(key) if is_shared(miss.cause) => self.keys.siblings(key),
            key => key.into_iter().collect(),
        };
        // A hint of zero says nothing against a rest of our own.
        let hint = miss.hint.after.filter(|after| *after > Dur::ZERO);
        match (charge, running.key, miss.addr) {
            // The last key that is free is never refused on a guess; the call itself waits longer each time.
            (Charge::Key, Some(_), _)
                if !out && miss.hint.after.is_none() && !self.keys.is_another_free(lane, &same, t.now) => {}
            // With a place that comes free it goes on.
            (Charge::Key, Some(_), _) if self.is_crowded(running, miss) => {}
            (Charge::Key, Some(_), _) => {
                for key in same {
                    let state = if out {
                        self.keys.quarantine((key, lane.family), miss.cause, t.now, &s)
                    } else {
                        self.keys.cool((key, lane.family), (miss.cause, hint), t.now, &s)
                    };
                    if let Some(state) = state {
                        t.note(None, EventKind::KeyChanged { key, state, cause: Some(miss.cause) });
                    }
                }
            }
            (Charge::Address, _, Some(addr)) => {
                // Where no other one is reached, to try another one comes to this one again.
                for other in self.addresses.unreached(lane.upstream, addr, (running.started, t.now)) {
                    self.avoid(t, other);
                }
                self.avoid(t, addr);
            }
            (
                Charge::Key
                | Charge::Address
                | Charge::Upstream
                | Charge::Site
                | Charge::Caller
                | Charge::Nobody,
                _,
                _,
            ) => {}
        }
    }

    /// Tells the limits of a key that one was reached.
    fn learn(&mut self, running: &Running, miss: &Miss) {
        let s = self.config.settings;
        let Some(share) = running.share else { return };
        if miss.cause == Cause::QuotaConcurrency {
            let calls = &self.calls;
            let open = |is_of: &dyn Fn(Share) -> bool| {
                let all = calls.values().flatten().flat_map(|c| &c.running);
                all.filter(|r| r.share.is_some_and(is_of)).fold(0_u32, |n, _| n.saturating_add(1))
            };
            self.keys.meters.too_many(share, open, self.now);
        } else {
            self.keys.meters.refuse(share, (miss.cause, miss.hint.after), (self.now, &s));
        }
    }

    /// Whether it was refused for the others of its key that are under way: then a place is free when one of them ends.
    pub(crate) fn is_crowded(&self, running: &Running, miss: &Miss) -> bool {
        miss.cause == Cause::QuotaConcurrency
            && miss.hint.after.is_none()
            && running.share.is_some_and(|share| self.keys.meters.is_full(share))
    }

    /// Writes down how an address fared; the call's next attempt goes to another one.
    fn judge_address(&mut self, t: &mut Turn<'_>, call: &mut Call, miss: &Miss) {
        let Some(addr) = miss.addr else { return };
        let charge = miss.cause.row().charge;
        if miss.answered && matches!(charge, Charge::Key | Charge::Caller) {
            self.addresses.succeeded(addr, t.now);
            return;
        }
        if !call.shunned.contains(&addr) {
            call.shunned.push(addr);
        }
        let s = self.config.settings;
        // Which cannot be reached is avoided in any case.
        if charge != Charge::Address
            && let Some(until) = self.addresses.failed(call.lane.upstream, addr, t.now, &s)
        {
            t.note(None, EventKind::AddressChanged { addr, avoided_until: Some(until) });
        }
    }

    fn avoid(&mut self, t: &mut Turn<'_>, addr: AddrId) {
        let until = self.addresses.avoid(addr, t.now, &self.config.settings);
        if until.is_some() {
            t.note(None, EventKind::AddressChanged { addr, avoided_until: until });
        }
    }

    /// What an answer says of how fast its lane writes: a stream from its head on, any other as a whole.
    fn wrote(&mut self, call: &Call, running: &Running, usage: Usage) {
        let writing = if call.ask.stream { running.head } else { Some(running.started) };
        if let (Some(from), Some(lane)) = (writing, self.lanes.get_mut(&call.lane)) {
            lane.times.wrote(usage.output, self.now.since(from));
            if !call.ask.stream {
                lane.times.short(usage.output, self.now.since(from));
                lane.times.whole_took(self.now.since(from), call.ask);
            }
        }
    }
}
