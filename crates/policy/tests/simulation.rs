//! Virtual time against a scripted API: storms, limits, revoked keys, resets, cuts and stalls; what must always hold.

#[cfg(test)]
mod simulation {
    use std::collections::{BTreeMap, BTreeSet};

    use clearline_model::{
        AddrId, Ask, AttemptId, CallId, CallRecord, CallerId, Cause, Dur, Event, EventKind, KeyId, LaneId,
        Limits, Mono, Repeat, Sent, Stage, UpstreamId, Usage,
    };
    use clearline_policy::{
        Body, Config, Engine, Hedge, Input, KeyChange, Miss, Output, Partial, Plan, Settings, Upstream,
    };

    use proptest::prelude::*;

    const LANE: LaneId = LaneId { upstream: UpstreamId(0), family: 0 };

    struct Rng(u64);

    impl Rng {
        fn below(&mut self, n: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % n
        }
    }

    struct Told {
        ask: Ask,
        deadline: Option<Mono>,
        started: Mono,
        refused: Option<Mono>,
        /// Its answer broke after the commit, for the last time with more text than before.
        broke: Option<Mono>,
        chars: u64,
        starts: u16,
        committed: bool,
        unsafe_now: bool,
        not_before: Mono,
        record: CallRecord,
    }

    struct World {
        engine: Engine,
        settings: Settings,
        rng: Rng,
        now: Mono,
        seq: u64,
        events: BTreeMap<(Mono, u64), Input>,
        calls: BTreeMap<CallId, Told>,
        over: BTreeMap<CallId, CallRecord>,
        plans: BTreeMap<AttemptId, Plan>,
        live: BTreeSet<AttemptId>,
        rests: BTreeMap<KeyId, Mono>,
        trace: Vec<(Mono, Output)>,
        reports: usize,
        break_at: Option<usize>,
    }

    fn world(seed: u64, settings: Settings, keys: u32, break_at: Option<usize>) -> World {
        let keys = (0..keys).map(KeyId).collect();
        let config = Config { upstreams: vec![Upstream { id: UpstreamId(0), keys }], settings };
        let mut w = World {
            engine: Engine::new(config, seed),
            settings,
            rng: Rng(seed * 2 + 1),
            now: Mono(0),
            seq: 0,
            events: BTreeMap::new(),
            calls: BTreeMap::new(),
            over: BTreeMap::new(),
            plans: BTreeMap::new(),
            live: BTreeSet::new(),
            rests: BTreeMap::new(),
            trace: Vec::new(),
            reports: 0,
            break_at,
        };
        w.at(Mono(0), Input::Resolved(UpstreamId(0), vec![AddrId(0), AddrId(1), AddrId(2)]));
        w
    }

    impl World {
        fn at(&mut self, at: Mono, input: Input) {
            self.seq += 1;
            self.events.insert((at, self.seq), input);
        }

        fn calls(&mut self, count: u64, every_ms: u64) {
            for n in 1..=count {
                let at = Mono(n * every_ms * 1000 + self.rng.below(every_ms * 1000));
                let repeat = [Repeat::Free, Repeat::Billed, Repeat::Billed, Repeat::Once]
                    [usize::try_from(self.rng.below(4)).unwrap()];
                let stream = self.rng.below(2) == 0;
                let ask = Ask {
                    stream,
                    repeat,
                    replayable: self.rng.below(20) > 0,
                    resumable: stream,
                    ..Ask::default()
                };
                let deadline =
                    (self.rng.below(3) == 0).then(|| at + Dur::millis(500 + self.rng.below(40_000)));
                let (call, caller) = (CallId(n), CallerId(0));
                self.at(at, Input::Call { call, lane: LANE, caller, deadline, ask });
                if self.rng.below(20) == 0 {
                    let leaves = at + Dur::millis(self.rng.below(5_000));
                    self.at(leaves, Input::CallerGone(call));
                }
            }
        }

        /// What the API does with an attempt.
        fn serve(&mut self, id: AttemptId, plan: &Plan) {
            let ms = |now: Mono, n: u64| now + Dur::millis(n);
            let (start, roll, long) = (self.now, self.rng.below(100), self.rng.below(3_000));
            let key = plan.key.map_or(99, |k| k.0);
            let second = start.0 / 1_000_000;
            let head = Input::Head(id, 200, Limits::default());
            let stream = self.calls[&id.call].ask.stream;
            let broken = |cause, tool_or_thinking| {
                let got = Partial { bytes: 900, text_chars: 300, tool_or_thinking };
                let stage = if stream { Stage::Stream } else { Stage::Body };
                Miss { got, ..Miss::silent(cause, stage, Sent::Yes) }
            };
            let miss = if key == 0 && second > 20 {
                Some(Miss::answer(Cause::AuthRevoked, true, None))
            } else if (10..25).contains(&second) && roll < 80 {
                Some(Miss::answer(Cause::ServerOverloaded, true, None))
            } else {
                match roll {
                    0..8 => Some(Miss::answer(
                        Cause::QuotaRequests,
                        true,
                        Some(Dur::millis(self.rng.below(20_000))),
                    )),
                    8..14 => Some(Miss::answer(Cause::ServerError, false, None)),
                    14..16 => Some(Miss::answer(Cause::ServerUnavailable, true, Some(Dur::secs(2)))),
                    16..20 => Some(Miss {
                        addr: plan.addrs.first().copied(),
                        ..Miss::silent(Cause::TcpRefused, Stage::Connect, Sent::No)
                    }),
                    20..24 => Some(Miss::silent(Cause::HttpResetBeforeResponse, Stage::Head, Sent::Maybe)),
                    24..26 => Some(Miss::silent(Cause::TcpStalePooled, Stage::Send, Sent::Maybe)),
                    26..28 => Some(Miss::silent(Cause::TlsH2Broken, Stage::Head, Sent::Maybe)),
                    28..29 => Some(Miss::answer(Cause::RequestInvalid, true, None)),
                    _ => None,
                }
            };
            if let Some(miss) = miss {
                return self.at(ms(start, 20 + long / 10), Input::Failed(id, miss));
            }
            self.at(ms(start, 10), Input::Reached(id, Stage::Send));
            self.at(ms(start, 20 + long), head);
            match roll {
                30..33 => {
                    self.at(ms(start, 60_000 + long), Input::Failed(id, broken(Cause::StreamStalled, false)))
                }
                33..38 => {
                    self.at(ms(start, 300 + long), Input::Content(id));
                    self.at(ms(start, 900 + long), Input::Failed(id, broken(Cause::StreamCut, roll == 33)));
                }
                38..40 => {
                    self.at(ms(start, 400 + long), Input::Failed(id, broken(Cause::StreamEndedEarly, false)))
                }
                _ => {
                    self.at(ms(start, 300 + long), Input::Content(id));
                    self.at(ms(start, 900 + long), Input::Done(id, Usage { output: 9, ..Usage::default() }));
                }
            }
        }

        fn patience(&self, c: &Told) -> Mono {
            let stated = c.deadline.map(|d| d.min(c.started + self.settings.patience_max));
            // What continues an answer has the patience from its break on, or until the caller's deadline.
            if let Some(broke) = c.broke {
                return stated.unwrap_or(Mono(0)).max(broke + self.settings.patience);
            }
            match stated {
                Some(by) => by,
                None => c.refused.map_or(Mono(u64::MAX), |r| r + self.settings.patience),
            }
        }

        /// Before the engine hears it: what the harness knows of it.
        fn learn(&mut self, input: &mut Input) {
            if let Input::Head(id, ..) | Input::Content(id) | Input::Failed(id, _) | Input::Done(id, _) =
                input
            {
                self.reports += 1;
                if Some(self.reports) == self.break_at {
                    *input = Input::Failed(*id, Miss::silent(Cause::HttpNoResponse, Stage::Head, Sent::Yes));
                }
            }
            match input {
                Input::Call { call, deadline, ask, .. } => {
                    let told = Told {
                        ask: *ask,
                        deadline: *deadline,
                        started: self.now,
                        refused: None,
                        broke: None,
                        chars: 0,
                        starts: 0,
                        committed: false,
                        unsafe_now: false,
                        not_before: Mono(0),
                        record: CallRecord::new(*call, self.now),
                    };
                    self.calls.insert(*call, told);
                }
                Input::Failed(id, miss) if self.live.remove(id) => {
                    let key = self.plans[id].key;
                    if let (Some(key), Some(after), Cause::QuotaRequests) = (key, miss.hint.after, miss.cause)
                    {
                        let rest = self.rests.entry(key).or_insert(Mono(0));
                        *rest = (*rest).max(self.now + after);
                    }
                    let c = self.calls.get_mut(&id.call).unwrap();
                    c.refused.get_or_insert(self.now);
                    if c.committed && (c.broke.is_none() || miss.got.text_chars > c.chars) {
                        (c.broke, c.chars) = (Some(self.now), miss.got.text_chars);
                    }
                    c.unsafe_now |=
                        c.ask.repeat == Repeat::Once && miss.sent != Sent::No && !miss.not_executed;
                    c.unsafe_now |= !c.ask.replayable;
                    if key.is_none() || miss.cause != Cause::QuotaRequests {
                        c.not_before = miss.hint.after.map_or(Mono(0), |a| self.now + a);
                    }
                }
                Input::Done(id, _) => {
                    self.live.remove(id);
                }
                Input::Resolved(..)
                | Input::Reached(..)
                | Input::Connected(..)
                | Input::Head(..)
                | Input::Content(_)
                | Input::Quiet(..)
                | Input::Failed(..)
                | Input::CallerGone(_)
                | Input::Lease { .. }
                | Input::Key(..)
                | Input::Reload(_)
                | Input::Groups(_)
                | Input::Stop
                | Input::Tick => {}
            }
        }

        fn step(&mut self, mut input: Input) {
            self.learn(&mut input);
            let gone = if let Input::CallerGone(c) = &input { Some(*c) } else { None };
            let mut out = Vec::new();
            self.engine.handle(self.now, input, &mut out);
            assert!(self.engine.wake_at().is_none_or(|w| w > self.now), "time stands still");
            for o in &out {
                self.check(o, gone);
            }
            for (_, milli) in self.engine.view().budget_milli {
                assert!(milli <= self.settings.budget_max_milli);
            }
            self.trace.extend(out.into_iter().map(|o| (self.now, o)));
        }

        fn check(&mut self, o: &Output, gone: Option<CallId>) {
            match o {
                Output::Start { attempt, plan, .. } => self.check_start(*attempt, plan, gone),
                Output::Park(call, _, until) => {
                    let c = self.calls.get_mut(call).unwrap();
                    c.refused.get_or_insert(self.now);
                    let c = &self.calls[call];
                    assert_ne!(Some(*call), gone);
                    assert!(*until >= self.now && *until <= self.patience(c), "parked beyond the patience");
                }
                Output::Abort(a) => assert!(self.live.remove(a)),
                Output::Commit(a) => {
                    let c = self.calls.get_mut(&a.call).unwrap();
                    assert!(!std::mem::replace(&mut c.committed, true), "two commits");
                }
                Output::Fail(call, answer) => {
                    assert_eq!(self.calls[call].committed, answer.broken);
                    assert_ne!(Some(*call), gone);
                }
                Output::Finish(call) => assert!(self.calls[call].committed),
                Output::Note(event) => self.record(event),
            }
        }

        fn check_start(&mut self, attempt: AttemptId, plan: &Plan, gone: Option<CallId>) {
            let call = &attempt.call;
            let c = &self.calls[call];
            assert_ne!(Some(*call), gone);
            assert!(!c.unsafe_now, "repeated what must not be");
            assert_eq!(c.committed, plan.body == Body::Continue);
            let patient = c.refused.is_none() || self.now <= self.patience(c);
            assert!(patient, "after the patience");
            assert!(self.now >= c.not_before, "before the hint");
            let rests = plan.key.and_then(|k| self.rests.get(&k));
            assert!(rests.is_none_or(|r| *r <= self.now), "a resting key was used");
            assert_eq!(attempt.n, c.starts + 1);
            assert!(attempt.n <= self.settings.attempts_max);
            self.calls.get_mut(call).unwrap().starts += 1;
            self.live.insert(attempt);
            self.plans.insert(attempt, plan.clone());
            self.serve(attempt, plan);
        }

        fn record(&mut self, event: &Event) {
            let Some(call) = event.call else { return };
            let c = self.calls.get_mut(&call).unwrap();
            c.record.apply(event);
            if c.record.outcome.is_some() {
                let c = self.calls.remove(&call).unwrap();
                assert_eq!(c.record.attempts.len(), usize::from(c.starts));
                assert!(c.record.attempts.iter().all(|a| a.ended.is_some()), "an attempt without an end");
                assert!(c.record.waited() <= c.record.ended.since(c.record.started));
                assert_eq!(c.record.committed.is_some(), c.committed);
                assert!(!self.live.iter().any(|a| a.call == call), "an attempt outlives its call");
                assert!(self.over.insert(call, c.record).is_none());
            }
        }

        fn run(mut self, count: u64) -> Self {
            while self.now.0 < 3_600_000_000 {
                let wake = self.engine.wake_at();
                let event = self.events.first_key_value().map(|((at, _), _)| *at);
                match (wake, event) {
                    (None, None) => break,
                    (Some(w), e) if e.is_none_or(|e| w < e) => {
                        self.now = w;
                        self.step(Input::Tick);
                    }
                    _ => {
                        let ((at, _), input) = self.events.pop_first().unwrap();
                        self.now = at;
                        self.step(input);
                    }
                }
            }
            let view = self.engine.view();
            assert_eq!((view.calls, view.in_flight, view.parked), (0, 0, 0));
            assert_eq!(self.over.len() as u64, count, "every call ends");
            self
        }
    }

    fn kinds() -> [(Settings, u32); 4] {
        let plain = Settings::default();
        let hedged = Settings { hedge: Hedge::After(Dur::secs(2)), resume: true, ..plain };
        let queued = Settings { in_flight_max: Some(8), budget_start_milli: 1_000, ..hedged };
        [(plain, 0), (hedged, 3), (queued, 1), (Settings { maybe_billed: false, ..queued }, 2)]
    }

    #[test]
    fn thousands_of_calls_keep_every_promise() {
        let mut seen = BTreeSet::new();
        for seed in 1..=4 {
            for (settings, keys) in kinds() {
                let mut w = world(seed, settings, keys, None);
                w.calls(1_000, 50);
                let w = w.run(1_000);
                seen.extend(w.over.values().filter_map(|r| r.outcome).map(|o| o.word()));
                for (_, o) in &w.trace {
                    let word = match o {
                        Output::Start { plan, .. } if plan.hedge => "hedge",
                        Output::Start { plan, .. } if plan.body == Body::Continue => "continue",
                        Output::Fail(_, a) if a.no_retry => "no-retry",
                        Output::Abort(_) => "abort",
                        Output::Park(_, Cause::ClientPoolExhausted, _) => "queue",
                        Output::Start { .. }
                        | Output::Commit(_)
                        | Output::Fail(..)
                        | Output::Park(..)
                        | Output::Finish(_)
                        | Output::Note(_) => continue,
                    };
                    seen.insert(word);
                }
            }
        }
        let all = [
            "abort",
            "broken",
            "continue",
            "failed",
            "hedge",
            "left",
            "no-retry",
            "queue",
            "refused",
            "succeeded",
        ];
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), all, "the simulation reaches everything");
    }

    #[test]
    fn the_same_seed_gives_the_same_trace() {
        let run = |seed| {
            let mut w = world(seed, kinds()[1].0, 3, None);
            w.calls(300, 100);
            w.run(300).trace
        };
        assert_eq!(run(5), run(5));
        assert_ne!(run(5), run(6));
    }

    #[test]
    fn whichever_report_is_a_failure_instead_every_promise_holds() {
        for nth in 1..=150 {
            for (settings, keys) in kinds() {
                let mut w = world(9, settings, keys, Some(nth));
                w.calls(40, 300);
                w.run(40);
            }
        }
    }

    /// Any input for any call in any order: late, doubled and invented reports change nothing that is over.
    fn noise() -> impl Strategy<Value = (u64, Input)> {
        let id = (1_u64..5, 1_u16..4).prop_map(|(c, n)| AttemptId { call: CallId(c), n });
        let cause = (0..Cause::ALL.len()).prop_map(|i| Cause::ALL[i]);
        let miss = (id.clone(), cause, any::<(bool, bool)>(), proptest::option::of(0_u64..30_000));
        let input = prop_oneof![
            (1_u64..5, any::<bool>()).prop_map(|(n, stream)| Input::Call {
                call: CallId(n),
                lane: LANE,
                caller: CallerId(0),
                deadline: None,
                ask: Ask { stream, resumable: stream, ..Ask::default() },
            }),
            id.clone().prop_map(|i| Input::Head(i, 200, Limits::default())),
            id.clone().prop_map(Input::Content),
            id.prop_map(|i| Input::Done(i, Usage::default())),
            miss.prop_map(|(i, cause, (answered, not_executed), after)| {
                let miss = Miss::answer(cause, not_executed, after.map(Dur::millis));
                Input::Failed(i, Miss { answered, addr: Some(AddrId(0)), ..miss })
            }),
            (1_u64..5).prop_map(|n| Input::CallerGone(CallId(n))),
            (0_u32..2, 0_u32..3).prop_map(|(k, permits)| Input::Lease {
                lane: LANE,
                key: KeyId(k),
                permits,
                until: Mono(9_000_000),
            }),
            (0_u32..2, 0_usize..3).prop_map(|(k, c)| {
                let change = [KeyChange::Add, KeyChange::Remove, KeyChange::Refresh][c];
                Input::Key(KeyId(k), change)
            }),
            Just(Input::Tick),
        ];
        (0_u64..3_000, input)
    }

    proptest! {
        #[test]
        fn noise_never_revives_a_call(script in proptest::collection::vec(noise(), 1..60), kind in 0_usize..4) {
            let (settings, keys) = kinds()[kind];
            let mut engine = world(1, settings, keys, None).engine;
            let (mut now, mut alive) = (Mono(0), BTreeSet::new());
            for (ms, input) in script {
                now = now + Dur::millis(ms);
                if let Input::Call { call, .. } = &input {
                    alive.insert(*call);
                }
                let mut out = Vec::new();
                engine.handle(now, input, &mut out);
                prop_assert!(engine.wake_at().is_none_or(|w| w > now));
                for o in out {
                    match o {
                        Output::Start { call, .. } | Output::Park(call, ..) => prop_assert!(alive.contains(&call)),
                        Output::Fail(call, _) => prop_assert!(alive.remove(&call)),
                        Output::Finish(call) => prop_assert!(alive.remove(&call)),
                        Output::Abort(a) | Output::Commit(a) => prop_assert!(alive.contains(&a.call)),
                        Output::Note(e) => if let (Some(c), EventKind::CallEnded { .. }) = (e.call, &e.kind) {
                            alive.remove(&c);
                        },
                    }
                }
                prop_assert_eq!(engine.view().calls, alive.len());
            }
        }

        #[test]
        fn after_a_stop_nothing_starts_or_waits(
            script in proptest::collection::vec(noise(), 1..60), at in 0_usize..60, kind in 0_usize..4
        ) {
            let (settings, keys) = kinds()[kind];
            let mut engine = world(1, settings, keys, None).engine;
            let mut now = Mono(0);
            for (nth, (ms, input)) in script.into_iter().enumerate() {
                now = now + Dur::millis(ms);
                let mut out = Vec::new();
                if nth == at {
                    engine.handle(now, Input::Stop, &mut out);
                }
                engine.handle(now, input, &mut out);
                let goes_on = out.iter().any(|o| matches!(o, Output::Start { .. } | Output::Park(..)));
                prop_assert!(nth < at || !goes_on, "{:?}", out);
                let view = engine.view();
                prop_assert!(nth < at || (view.parked == 0 && view.in_flight == view.calls), "{:?}", view);
            }
        }
    }
}
