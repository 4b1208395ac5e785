//! Several upstreams: shares by weight, fail-over for what is an upstream's own fault, and the way back.

#[cfg(test)]
mod failover {
    use std::collections::BTreeMap;

    use clearline_model::{
        AddrId, Ask, AttemptId, CallId, CallerId, Cause, Dur, EventKind, KeyId, LaneId, Limits, Mono, Repeat,
        Sent, Stage, UpstreamId, Usage,
    };
    use clearline_policy::{Config, Engine, Group, Hedge, Input, Miss, Output, Settings, Standing, Upstream};

    const HOME: UpstreamId = UpstreamId(9);
    /// The most attempts at once of a lane.
    const PLACES: u32 = 5;

    /// An engine with its time, and what it wants.
    struct Play {
        engine: Engine,
        now: u64,
        next: u64,
    }

    /// What became of a call after an input.
    #[derive(Debug, Clone, PartialEq, Eq)]
    enum Saw {
        Start(u16, u16, Option<u32>),
        Park(Cause),
        Fail(Cause),
        Rests(u16, Cause),
        Back(u16),
    }

    fn config(upstreams: &[(u16, &[u32])]) -> Config {
        let upstream = |(id, keys): &(u16, &[u32])| Upstream {
            id: UpstreamId(*id),
            keys: keys.iter().copied().map(KeyId).collect(),
        };
        Config { upstreams: upstreams.iter().map(upstream).collect(), settings: Settings::default() }
    }

    fn play(upstreams: &[(u16, &[u32])], weights: &[(u16, u32)]) -> Play {
        let mut p = Play { engine: Engine::new(config(upstreams), 1), now: 0, next: 0 };
        p.regroup(weights);
        p
    }

    fn refused() -> Miss {
        Miss { addr: Some(AddrId(1)), ..Miss::silent(Cause::TcpRefused, Stage::Connect, Sent::No) }
    }

    fn status(cause: Cause) -> Miss {
        Miss::answer(cause, true, None)
    }

    impl Play {
        fn feed(&mut self, input: Input) -> Vec<Saw> {
            let mut out = Vec::new();
            self.engine.handle(Mono(self.now), input, &mut out);
            out.iter().filter_map(saw).collect()
        }

        fn regroup(&mut self, weights: &[(u16, u32)]) -> Vec<Saw> {
            let members = weights.iter().map(|(u, w)| (UpstreamId(*u), *w)).collect();
            self.feed(Input::Groups(vec![Group { id: HOME, members }]))
        }

        fn call_as(&mut self, family: u16, ask: Ask) -> (u64, Vec<Saw>) {
            self.next += 1;
            let lane = LaneId { upstream: HOME, family };
            let call = CallId(self.next);
            let saw = self.feed(Input::Call { call, lane, caller: CallerId(0), deadline: None, ask });
            (self.next, saw)
        }

        fn call(&mut self) -> (u64, Vec<Saw>) {
            self.call_as(1, Ask { repeat: Repeat::Billed, ..Ask::default() })
        }

        fn fail(&mut self, call: u64, n: u16, miss: Miss) -> Vec<Saw> {
            self.feed(Input::Failed(AttemptId { call: CallId(call), n }, miss))
        }

        fn succeed(&mut self, call: u64, n: u16) -> Vec<Saw> {
            let id = AttemptId { call: CallId(call), n };
            let mut saw = self.feed(Input::Head(id, 200, Limits::default()));
            saw.extend(self.feed(Input::Done(id, Usage::default())));
            saw
        }

        fn after(&mut self, ms: u64) -> Vec<Saw> {
            self.now += ms * 1_000;
            self.feed(Input::Tick)
        }

        fn standing(&self, upstream: u16) -> Standing {
            let view = self.engine.view();
            view.upstreams.iter().find(|(u, _)| *u == UpstreamId(upstream)).unwrap().1
        }

        /// Lets an upstream of two fail until it rests.
        fn tire(&mut self, upstream: u16) {
            for _ in 0..20 {
                let (id, saw) = self.call();
                let Some(Saw::Start(at, n, _)) = saw.first().cloned() else { panic!("{saw:?}") };
                if at != upstream {
                    self.succeed(id, n);
                    continue;
                }
                let saw = self.fail(id, n, refused());
                let last = saw.last().cloned();
                let Some(Saw::Start(other, n, _)) = last else { panic!("{saw:?}") };
                assert_ne!(other, upstream, "it goes to the other one at once");
                self.succeed(id, n);
                if saw.contains(&Saw::Rests(upstream, Cause::TcpRefused)) {
                    return;
                }
            }
            panic!("it never rests");
        }
    }

    fn saw(output: &Output) -> Option<Saw> {
        match output {
            Output::Start { attempt, plan, .. } => {
                Some(Saw::Start(plan.upstream.0, attempt.n, plan.key.map(|k| k.0)))
            }
            Output::Park(_, cause, _) => Some(Saw::Park(*cause)),
            Output::Fail(_, answer) => Some(Saw::Fail(answer.cause)),
            Output::Note(event) => {
                let EventKind::UpstreamChanged { upstream, cause, .. } = event.kind else { return None };
                Some(cause.map_or(Saw::Back(upstream.0), |cause| Saw::Rests(upstream.0, cause)))
            }
            Output::Abort(_) | Output::Commit(_) | Output::Finish(_) => None,
        }
    }

    fn upstream_of(saw: &[Saw]) -> u16 {
        match saw.last() {
            Some(Saw::Start(upstream, ..)) => *upstream,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn calls_are_shared_by_weight() {
        let mut p = play(&[(0, &[]), (1, &[]), (2, &[])], &[(0, 5), (1, 2), (2, 1)]);
        let mut shares = [0; 3];
        for _ in 0..80 {
            let (id, saw) = p.call();
            shares[usize::from(upstream_of(&saw))] += 1;
            p.succeed(id, 1);
        }
        assert_eq!(shares, [50, 20, 10]);
    }

    #[test]
    fn a_call_without_a_group_goes_where_it_asks() {
        let mut p = play(&[(0, &[]), (1, &[])], &[]);
        for (upstream, n) in [(0, 1), (1, 2)] {
            let lane = LaneId { upstream: UpstreamId(upstream), family: 0 };
            let ask = Ask::default();
            let call = Input::Call { call: CallId(n), lane, caller: CallerId(0), deadline: None, ask };
            assert_eq!(p.feed(call), [Saw::Start(upstream, 1, None)]);
        }
    }

    #[test]
    fn what_is_not_reached_rests_and_one_call_tries_it_again() {
        let mut p = play(&[(0, &[]), (1, &[])], &[(0, 1), (1, 1)]);
        p.tire(0);
        assert!(matches!(p.standing(0), Standing::Down(Cause::TcpRefused, _)));
        assert_eq!(p.standing(1), Standing::Up);
        for _ in 0..10 {
            let (id, saw) = p.call();
            assert_eq!(upstream_of(&saw), 1);
            p.succeed(id, 1);
        }
        p.after(5_001);
        // What must not be done twice is no probe.
        let (id, saw) = p.call_as(1, Ask { repeat: Repeat::Once, ..Ask::default() });
        assert_eq!(upstream_of(&saw), 1);
        p.succeed(id, 1);
        let (probe, saw) = p.call();
        assert_eq!(upstream_of(&saw), 0);
        let (other, saw) = p.call();
        assert_eq!(upstream_of(&saw), 1, "only one call tries");
        p.succeed(other, 1);
        let saw = p.fail(probe, 1, refused());
        assert_eq!(saw, [Saw::Rests(0, Cause::TcpRefused), Saw::Start(1, 2, None)]);
        p.succeed(probe, 2);
        p.after(5_001);
        assert_eq!(upstream_of(&p.call().1), 1, "it rests twice as long the second time");
        p.after(5_001);
        let (probe, saw) = p.call();
        assert_eq!(upstream_of(&saw), 0);
        assert_eq!(p.succeed(probe, 1), [Saw::Back(0)]);
        let next: Vec<_> = (0..4).map(|_| upstream_of(&p.call().1)).collect();
        assert_eq!(next.iter().filter(|u| **u == 0).count(), 2, "{next:?}");
    }

    #[test]
    fn a_probe_whose_caller_leaves_is_repeated_by_another() {
        let mut p = play(&[(0, &[]), (1, &[])], &[(0, 1), (1, 1)]);
        p.tire(0);
        p.after(5_001);
        let (probe, saw) = p.call();
        assert_eq!(upstream_of(&saw), 0);
        p.feed(Input::CallerGone(CallId(probe)));
        assert_eq!(upstream_of(&p.call().1), 0);
    }

    #[test]
    fn a_probe_that_hangs_does_not_keep_others_from_trying() {
        let mut p = play(&[(0, &[]), (1, &[])], &[(0, 1), (1, 1)]);
        p.tire(0);
        p.after(5_001);
        assert_eq!(upstream_of(&p.call().1), 0);
        assert_eq!(upstream_of(&p.call().1), 1);
        p.after(5_001);
        assert_eq!(upstream_of(&p.call().1), 0);
    }

    #[test]
    fn an_overload_is_tried_twice_and_then_elsewhere() {
        let mut p = play(&[(0, &[]), (1, &[])], &[(0, 1), (1, 1)]);
        let (id, saw) = p.call();
        let first = upstream_of(&saw);
        assert_eq!(p.fail(id, 1, status(Cause::ServerOverloaded)), [Saw::Park(Cause::ServerOverloaded)]);
        assert_eq!(upstream_of(&p.after(1_000)), first);
        let saw = p.fail(id, 2, status(Cause::ServerOverloaded));
        assert_eq!(upstream_of(&saw), 1 - first);
        // Both fail now: it waits as it would before a single one.
        assert_eq!(p.fail(id, 3, status(Cause::ServerError)), [Saw::Park(Cause::ServerError)]);
    }

    #[test]
    fn a_long_hint_sends_the_call_elsewhere_at_once() {
        let mut p = play(&[(0, &[]), (1, &[])], &[(0, 1), (1, 1)]);
        let (id, saw) = p.call();
        let miss = Miss::answer(Cause::ServerOverloaded, true, Some(Dur::secs(30)));
        assert_eq!(upstream_of(&p.fail(id, 1, miss)), 1 - upstream_of(&saw));
    }

    #[test]
    fn overload_of_one_family_leaves_the_others_where_they_are() {
        let mut p = play(&[(0, &[]), (1, &[])], &[(0, 1), (1, 1)]);
        let mut rests = false;
        for _ in 0..20 {
            let (id, saw) = p.call();
            if upstream_of(&saw) == 0 {
                rests |= p
                    .fail(id, 1, status(Cause::ServerOverloaded))
                    .iter()
                    .any(|s| matches!(s, Saw::Rests(0, _)));
            }
            p.feed(Input::CallerGone(CallId(id)));
        }
        assert!(rests);
        let ask = Ask { repeat: Repeat::Billed, ..Ask::default() };
        let other: Vec<_> = (0..4).map(|_| upstream_of(&p.call_as(2, ask).1)).collect();
        assert_eq!(other.iter().filter(|u| **u == 0).count(), 2, "{other:?}");
        assert_eq!(p.standing(0), Standing::Up, "a lane of it serves");
    }

    #[test]
    fn without_a_key_that_is_accepted_an_upstream_is_left() {
        let mut p = play(&[(0, &[10, 11]), (1, &[20])], &[(0, 1), (1, 1)]);
        let (first, second) = (p.call(), p.call());
        let (id, saw) = if upstream_of(&first.1) == 0 { first } else { second };
        let Some(Saw::Start(0, 1, Some(key))) = saw.last() else { panic!("{saw:?}") };
        let saw = p.fail(id, 1, Miss::answer(Cause::AuthInvalid, false, None));
        assert_eq!(saw, [Saw::Start(0, 2, Some(if *key == 10 { 11 } else { 10 }))], "first its other key");
        let saw = p.fail(id, 2, Miss::answer(Cause::AuthInvalid, false, None));
        assert_eq!(saw, [Saw::Start(1, 3, Some(20))]);
        assert!(matches!(p.standing(0), Standing::Down(Cause::AuthInvalid, _)));
        for _ in 0..6 {
            assert_eq!(upstream_of(&p.call().1), 1);
        }
    }

    #[test]
    fn a_limited_key_sends_the_call_where_a_key_has_room() {
        let mut p = play(&[(0, &[10]), (1, &[20])], &[(0, 1), (1, 1)]);
        let (id, saw) = p.call();
        let miss = Miss::answer(Cause::QuotaRequests, true, Some(Dur::secs(5)));
        assert_eq!(upstream_of(&p.fail(id, 1, miss)), 1 - upstream_of(&saw));
    }

    #[test]
    fn a_callers_own_credential_and_mistake_end_the_call() {
        for cause in [Cause::AuthInvalid, Cause::RequestInvalid] {
            let mut p = play(&[(0, &[]), (1, &[])], &[(0, 1), (1, 1)]);
            let (id, _) = p.call();
            assert_eq!(p.fail(id, 1, Miss::answer(cause, false, None)), [Saw::Fail(cause)]);
        }
    }

    #[test]
    fn what_must_happen_once_stays_where_it_may_have_happened() {
        let mut p = play(&[(0, &[]), (1, &[])], &[(0, 1), (1, 1)]);
        let once = Ask { repeat: Repeat::Once, ..Ask::default() };
        let (id, _) = p.call_as(0, once);
        let lost = Miss::silent(Cause::HttpResetBeforeResponse, Stage::Head, Sent::Yes);
        assert_eq!(p.fail(id, 1, lost), [Saw::Fail(Cause::HttpResetBeforeResponse)]);
        let (id, saw) = p.call_as(0, once);
        assert_eq!(upstream_of(&p.fail(id, 1, refused())), 1 - upstream_of(&saw), "nothing was sent");
    }

    #[test]
    fn where_all_rest_calls_are_tried_all_the_same() {
        let mut p = play(&[(0, &[]), (1, &[])], &[(0, 1), (1, 1)]);
        for _ in 0..6 {
            let (id, _) = p.call();
            for n in 1..=2 {
                p.fail(id, n, refused());
            }
        }
        assert!(matches!((p.standing(0), p.standing(1)), (Standing::Down(..), Standing::Down(..))));
        assert!(matches!(p.call().1.last(), Some(Saw::Start(..))));
    }

    #[test]
    fn a_single_upstream_is_down_until_its_rest_is_over() {
        let mut p = play(&[(0, &[])], &[(0, 1)]);
        assert_eq!(p.standing(0), Standing::Unused);
        let (id, _) = p.call();
        for n in 1..=3 {
            assert!(matches!(p.standing(0), Standing::Unused | Standing::Up), "{n}");
            p.fail(id, n, refused());
            p.after(2_000);
        }
        assert!(matches!(p.standing(0), Standing::Down(Cause::TcpRefused, _)));
        p.feed(Input::CallerGone(CallId(id)));
        p.after(5_000);
        assert_eq!(p.standing(0), Standing::Up, "who watches may send calls again");
    }

    #[test]
    fn who_comes_to_an_outage_does_not_begin_from_the_first_step() {
        let mut p = play(&[(0, &[])], &[(0, 1)]);
        // Without the limiter, which would hold a crowd back.
        let settings = Settings { limiter_signals: 0, ..Settings::default() };
        p.feed(Input::Reload(Config { settings, ..config(&[(0, &[])]) }));
        // Three calls find out that nobody is reached; a hundred others come after that.
        for _ in 0..3 {
            let (id, _) = p.call();
            p.fail(id, 1, refused());
            p.feed(Input::CallerGone(CallId(id)));
        }
        assert!(matches!(p.standing(0), Standing::Down(Cause::TcpRefused, _)));
        for _ in 0..100 {
            let (id, _) = p.call();
            p.fail(id, 1, refused());
        }
        let soon = p.after(500).iter().filter(|s| matches!(s, Saw::Start(..))).count();
        // Half a second of four; with the first step it would be all of them.
        assert!((1..=40).contains(&soon), "{soon} of a hundred within half a second");
    }

    /// What still runs succeeds, and who waits gets an end within the patience. Says how many calls ended.
    fn finish(engine: &mut Engine, mut running: Vec<AttemptId>, mut now: u64) -> u64 {
        let mut ended = 0;
        for _ in 0..1_000 {
            now += 1_000_000;
            let input = running.pop().map_or(Input::Tick, |at| Input::Done(at, Usage::default()));
            let mut out = Vec::new();
            engine.handle(Mono(now), input, &mut out);
            for output in out {
                match output {
                    Output::Start { attempt, .. } => running.push(attempt),
                    Output::Fail(..) | Output::Finish(_) => ended += 1,
                    Output::Abort(_) | Output::Commit(_) | Output::Park(..) | Output::Note(_) => {}
                }
            }
        }
        ended
    }

    /// Numbers that look like chance (Marsaglia's xorshift).
    fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        move |sides| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % sides
        }
    }

    const CAUSES: [Cause; 6] = [
        Cause::ServerOverloaded,
        Cause::ServerError,
        Cause::QuotaRequests,
        Cause::AuthInvalid,
        Cause::EdgeNotTheApi,
        Cause::RequestInvalid,
    ];

    /// Anything may happen to three upstreams with keys of their own; gives calls, those that ended, and second attempts on another
    /// upstream than the first.
    fn walk(seed: u64, hedge: Hedge) -> (u64, u64, u64) {
        let keys: [&[u32]; 3] = [&[10, 11], &[20], &[]];
        let all = [(0, keys[0]), (1, keys[1]), (2, keys[2])];
        let mut config = config(&all);
        (config.settings.hedge, config.settings.in_flight_max) = (hedge, Some(PLACES));
        let mut p = Play { engine: Engine::new(config, 1), now: 0, next: 0 };
        p.regroup(&[(0, 3), (1, 2), (2, 1)]);
        let (mut places, mut beside) = (BTreeMap::new(), 0);
        let mut dice = dice(seed);
        let (mut running, mut calls, mut ended): (Vec<AttemptId>, u64, u64) = (Vec::new(), 0, 0);
        let mut now = 0;
        for step in 0..2_000 {
            now += dice(200_000);
            let input = match dice(7) {
                0 | 1 if step < 1_500 => {
                    calls += 1;
                    let repeat =
                        [Repeat::Free, Repeat::Billed, Repeat::Once][usize::try_from(dice(3)).unwrap()];
                    let ask = Ask { repeat, ..Ask::default() };
                    let lane = LaneId { upstream: HOME, family: u16::try_from(dice(2)).unwrap() };
                    let caller = CallerId(0);
                    Input::Call { call: CallId(calls), lane, caller, deadline: None, ask }
                }
                2 | 3 if !running.is_empty() => {
                    let at = running.swap_remove(usize::try_from(dice(running.len() as u64)).unwrap());
                    let cause = CAUSES[usize::try_from(dice(6)).unwrap()];
                    let after = (dice(3) == 0).then(|| Dur::millis(dice(20_000)));
                    let miss =
                        if dice(3) == 0 { refused() } else { Miss::answer(cause, dice(2) == 0, after) };
                    Input::Failed(at, miss)
                }
                4 if !running.is_empty() => {
                    let at = running.swap_remove(usize::try_from(dice(running.len() as u64)).unwrap());
                    Input::Done(at, Usage::default())
                }
                5 if !running.is_empty() => {
                    let at = running[usize::try_from(dice(running.len() as u64)).unwrap()];
                    if dice(2) == 0 { Input::Head(at, 200, Limits::default()) } else { Input::Content(at) }
                }
                _ => Input::Tick,
            };
            let mut out = Vec::new();
            p.engine.handle(Mono(now), input, &mut out);
            for output in out {
                match output {
                    Output::Start { attempt, plan, .. } => {
                        let own = all.iter().find(|(id, _)| UpstreamId(*id) == plan.upstream).unwrap().1;
                        let fits = plan.key.map_or(own.is_empty(), |key| own.contains(&key.0));
                        assert!(fits, "seed {seed}: {:?} goes to {:?}", plan.key, plan.upstream);
                        let first = running.iter().find(|a| a.call == attempt.call).map(|a| places[a]);
                        beside += u64::from(plan.hedge && first.is_some_and(|first| first != plan.upstream));
                        places.insert(attempt, plan.upstream);
                        running.push(attempt);
                    }
                    Output::Fail(..) | Output::Finish(_) => ended += 1,
                    Output::Abort(gone) => running.retain(|a| *a != gone),
                    Output::Commit(_) | Output::Park(..) | Output::Note(_) => {}
                }
            }
        }
        ended += finish(&mut p.engine, running, now);
        assert_eq!(p.engine.view().in_flight, 0, "seed {seed}");
        (calls, ended, beside)
    }

    #[test]
    fn whatever_happens_a_key_goes_to_its_own_upstream_and_every_call_ends() {
        for seed in 1..=100 {
            let (calls, ended, _) = walk(seed, Hedge::Off);
            assert!(calls > 100);
            assert_eq!(calls, ended, "seed {seed}");
        }
    }

    #[test]
    fn the_same_holds_where_second_attempts_run_on_other_upstreams() {
        let mut all = 0;
        for seed in 1..=100 {
            let (calls, ended, beside) = walk(seed, Hedge::After(Dur::millis(100)));
            assert_eq!(calls, ended, "seed {seed}");
            all += beside;
        }
        assert!(all > 1_000, "{all}");
    }

    #[test]
    fn a_reload_moves_who_waits_and_leaves_what_runs() {
        let mut p = play(&[(0, &[10])], &[(0, 1)]);
        let (running, _) = p.call();
        let (waiting, _) = p.call();
        let miss = Miss::answer(Cause::QuotaRequests, true, Some(Dur::secs(5)));
        assert_eq!(p.fail(waiting, 1, miss), [Saw::Park(Cause::QuotaRequests)]);
        assert_eq!(p.feed(Input::Reload(config(&[(1, &[20])]))), []);
        assert_eq!(p.regroup(&[(1, 1)]), []);
        assert_eq!(p.after(5_300), [Saw::Start(1, 2, Some(20))]);
        assert_eq!(p.succeed(running, 1), []);
    }

    /// A call that may have a second attempt after two seconds.
    fn hedging(upstreams: &[(u16, &[u32])], weights: &[(u16, u32)]) -> Play {
        let mut config = config(upstreams);
        config.settings.hedge = Hedge::After(Dur::secs(2));
        let mut p = Play { engine: Engine::new(config, 1), now: 0, next: 0 };
        p.regroup(weights);
        p
    }

    #[test]
    fn a_second_attempt_goes_to_another_upstream_that_is_well() {
        let mut p = hedging(&[(0, &[10]), (1, &[20])], &[(0, 1), (1, 1)]);
        for round in 0_u16..6 {
            let (id, saw) = p.call();
            let first = upstream_of(&saw);
            let other = 1 - first;
            let key = Some(if other == 0 { 10 } else { 20 });
            assert_eq!(p.after(2_000), [Saw::Start(other, 2, key)], "{round}");
            match round % 3 {
                // Whichever is first is it, and nothing is held against either.
                0 => assert_eq!(p.succeed(id, 2), []),
                1 => assert_eq!(p.succeed(id, 1), []),
                _ => {
                    assert_eq!(p.fail(id, 2, refused()), [], "the first one still runs");
                    assert_eq!(p.succeed(id, 1), []);
                }
            }
        }
        assert_eq!(p.engine.view().in_flight, 0);
        assert_eq!((p.standing(0), p.standing(1)), (Standing::Up, Standing::Up));
    }

    #[test]
    fn what_fails_counts_where_it_ran() {
        let mut p = hedging(&[(0, &[]), (1, &[])], &[(0, 1), (1, 1)]);
        let mut rests = Vec::new();
        for _ in 0..12 {
            let (id, saw) = p.call();
            if upstream_of(&saw) == 1 {
                p.succeed(id, 1);
                continue;
            }
            // A second attempt is paid from the budget, which a success fills.
            let hedge = p.after(2_000);
            assert!(hedge.is_empty() || upstream_of(&hedge) == 1, "{hedge:?}");
            rests.extend(p.fail(id, 1, refused()));
            if !hedge.is_empty() {
                p.succeed(id, 2);
            }
            if !rests.is_empty() {
                break;
            }
        }
        assert!(rests.contains(&Saw::Rests(0, Cause::TcpRefused)), "{rests:?}");
        assert_eq!(p.standing(1), Standing::Up, "the other one has served");
    }

    #[test]
    fn a_second_attempt_stays_where_no_other_upstream_is_well() {
        let mut p = hedging(&[(0, &[]), (1, &[])], &[(0, 1), (1, 1)]);
        p.tire(0);
        let (id, saw) = p.call();
        assert_eq!(upstream_of(&saw), 1);
        assert_eq!(p.after(2_000), [Saw::Start(1, 2, None)]);
        p.succeed(id, 2);
        assert_eq!(p.engine.view().in_flight, 0);
    }

    #[test]
    fn a_bad_certificate_behind_an_address_that_is_not_reached_sends_the_call_elsewhere() {
        let mut p = play(&[(1, &[]), (2, &[])], &[(1, 9), (2, 1)]);
        p.feed(Input::Resolved(UpstreamId(1), vec![AddrId(0), AddrId(1)]));
        let expired =
            Miss { addr: Some(AddrId(1)), ..Miss::silent(Cause::TlsExpired, Stage::Handshake, Sent::No) };
        let (id, saw) = p.call();
        assert_eq!(saw, [Saw::Start(1, 1, None)]);
        assert_eq!(p.fail(id, 1, expired), [Saw::Start(1, 2, None)], "there is another address");
        assert_eq!(p.fail(id, 2, expired), [Saw::Start(2, 3, None)], "which is not reached");
        p.succeed(id, 3);
        let (id, saw) = p.call();
        assert_eq!(saw, [Saw::Start(1, 1, None)]);
        assert_eq!(p.fail(id, 1, expired), [Saw::Start(2, 2, None)], "the next call knows it");
    }

    #[test]
    fn what_one_upstream_does_not_have_is_asked_for_once_at_another() {
        let unknown = status(Cause::RequestModelNotFound);
        let mut p = play(&[(1, &[]), (2, &[]), (3, &[])], &[(1, 9), (2, 2), (3, 1)]);
        let (id, saw) = p.call();
        assert_eq!(saw, [Saw::Start(1, 1, None)]);
        assert_eq!(p.fail(id, 1, unknown), [Saw::Start(2, 2, None)]);
        p.succeed(id, 2);
        // What nobody has costs one more question, and says nothing against anybody.
        for _ in 0..9 {
            let (id, saw) = p.call();
            let [Saw::Start(first, 1, None)] = saw[..] else { panic!("{saw:?}") };
            let saw = p.fail(id, 1, unknown);
            let [Saw::Start(second, 2, None)] = saw[..] else { panic!("{saw:?}") };
            assert_ne!(first, second);
            assert_eq!(p.fail(id, 2, unknown), [Saw::Fail(Cause::RequestModelNotFound)]);
        }
        // What may be done once alone is not asked for again.
        let (id, _) = p.call_as(1, Ask { repeat: Repeat::Once, ..Ask::default() });
        let answered = Miss { not_executed: false, ..unknown };
        assert_eq!(p.fail(id, 1, answered), [Saw::Fail(Cause::RequestModelNotFound)]);
    }

    /// A stream that broke behind its head, before its caller saw of it.
    fn cut() -> Miss {
        Miss::silent(Cause::StreamCut, Stage::Stream, Sent::Yes)
    }

    impl Play {
        fn head(&mut self, call: u64, n: u16) -> Vec<Saw> {
            self.feed(Input::Head(AttemptId { call: CallId(call), n }, 200, Limits::default()))
        }
    }

    #[test]
    fn an_upstream_whose_answers_begin_and_break_rests_as_well() {
        let mut p = play(&[(1, &[]), (2, &[])], &[(1, 9), (2, 1)]);
        let mut rested = false;
        for _ in 0..3 {
            let (id, saw) = p.call();
            assert_eq!(saw, [Saw::Start(1, 1, None)]);
            p.head(id, 1);
            p.feed(Input::Content(AttemptId { call: CallId(id), n: 1 }));
            let saw = p.fail(id, 1, cut());
            rested = saw.contains(&Saw::Rests(1, Cause::StreamCut));
        }
        assert!(rested, "the third in a row");
        let (id, saw) = p.call();
        assert_eq!(saw, [Saw::Start(2, 1, None)]);
        p.succeed(id, 1);
        // The head of the call that tries it again proves nothing yet, its end does.
        p.after(6_000);
        let (id, saw) = p.call();
        assert_eq!(saw, [Saw::Start(1, 1, None)]);
        assert_eq!(p.head(id, 1), []);
        let saw = p.feed(Input::Done(AttemptId { call: CallId(id), n: 1 }, Usage::default()));
        assert_eq!(saw, [Saw::Back(1)]);
    }

    #[test]
    fn answers_that_end_well_between_broken_ones_let_an_upstream_serve_on() {
        let mut p = play(&[(1, &[]), (2, &[])], &[(1, 9), (2, 1)]);
        for round in 0..8 {
            let (id, saw) = p.call();
            let [Saw::Start(at, 1, None)] = saw[..] else { panic!("{saw:?}") };
            p.head(id, 1);
            p.feed(Input::Content(AttemptId { call: CallId(id), n: 1 }));
            let saw = if round % 3 < 2 && at == 1 { p.fail(id, 1, cut()) } else { p.succeed(id, 1) };
            assert!(!saw.iter().any(|s| matches!(s, Saw::Rests(..))), "{saw:?}");
        }
    }
}
