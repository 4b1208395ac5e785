//! Keys that do not heal: the real answer at once, and own refusals that name what is wrong with the key.

#[cfg(test)]
mod refusals {
    use clearline_model::{
        Ask, AttemptId, CallId, CallerId, Cause, Dur, KeyId, LaneId, Limits, Mono, Repeat, Sent, Stage,
        UpstreamId,
    };
    use clearline_policy::{Answer, Config, Engine, Input, Miss, Output, Settings, Upstream};

    const LANE: LaneId = LaneId { upstream: UpstreamId(0), family: 0 };

    struct Play {
        engine: Engine,
        now: u64,
    }

    /// What was done with a call: attempts with their keys, how it waits, how it ended.
    #[derive(Debug, PartialEq, Eq)]
    enum Saw {
        Start(u16, Option<u32>),
        Park(Cause, u64),
        Fail(Option<u16>, Cause),
    }

    fn play(keys: u32) -> Play {
        let upstreams = vec![Upstream { id: UpstreamId(0), keys: (0..keys).map(KeyId).collect() }];
        Play { engine: Engine::new(Config { upstreams, settings: Settings::default() }, 3), now: 0 }
    }

    fn saw(o: Output) -> Option<Saw> {
        match o {
            Output::Start { attempt, plan, .. } => Some(Saw::Start(attempt.n, plan.key.map(|k| k.0))),
            Output::Park(_, cause, until) => Some(Saw::Park(cause, until.0 / 1_000)),
            Output::Fail(_, Answer { from, cause, .. }) => Some(Saw::Fail(from.map(|a| a.n), cause)),
            Output::Abort(_) | Output::Commit(_) | Output::Finish(_) | Output::Note(_) => None,
        }
    }

    impl Play {
        fn feed(&mut self, ms: u64, input: Input) -> Vec<Saw> {
            self.now = ms * 1_000;
            let mut out = Vec::new();
            self.engine.handle(Mono(self.now), input, &mut out);
            out.into_iter().filter_map(saw).collect()
        }

        /// A call that waits so long at most.
        fn call(&mut self, ms: u64, call: u64, waits: u64) -> Vec<Saw> {
            let ask = Ask { repeat: Repeat::Billed, ..Ask::default() };
            let deadline = Some(Mono((ms + waits) * 1_000));
            let (call, caller) = (CallId(call), CallerId(0));
            self.feed(ms, Input::Call { call, lane: LANE, caller, deadline, ask })
        }

        fn fail(&mut self, ms: u64, (call, n): (u64, u16), miss: Miss) -> Vec<Saw> {
            self.feed(ms, Input::Failed(AttemptId { call: CallId(call), n }, miss))
        }
    }

    /// Nobody repeats what does not heal: not with the caller's own credential, nor with the only key.
    fn ends_at_once(cause: Cause) {
        for (keys, key) in [(0, None), (1, Some(0))] {
            let mut p = play(keys);
            assert_eq!(p.call(0, 1, 60_000), [Saw::Start(1, key)]);
            let saw = p.fail(50, (1, 1), Miss::answer(cause, true, None));
            assert_eq!(saw, [Saw::Fail(Some(1), cause)], "the real answer, at once");
            assert_eq!(p.engine.view().calls, 0);
        }
    }

    /// Each key is asked once; those that are known to share what is wrong are not asked in vain.
    fn asks_each_key_once(cause: Cause, shared: bool) {
        let mut p = play(3);
        let refused = || Miss::answer(cause, true, None);
        assert_eq!(p.call(0, 1, 60_000), [Saw::Start(1, Some(0))]);
        assert_eq!(p.fail(50, (1, 1), refused()), [Saw::Start(2, Some(1))]);
        assert_eq!(p.fail(100, (1, 2), refused()), [Saw::Start(3, Some(2))]);
        assert_eq!(p.fail(150, (1, 3), refused()), [Saw::Fail(Some(3), cause)]);

        let mut p = play(3);
        for call in 1..=3 {
            p.call(0, call, 60_000);
            let limits = Limits { organization: 8, ..Limits::default() };
            p.feed(10, Input::Head(AttemptId { call: CallId(call), n: 1 }, 200, limits));
        }
        assert_eq!(p.call(20, 4, 60_000), [Saw::Start(1, Some(0))]);
        let next = if shared { Saw::Fail(Some(1), cause) } else { Saw::Start(2, Some(1)) };
        assert_eq!(p.fail(50, (4, 1), refused()), [next]);
    }

    /// Who does not get as far as the key is told what is wrong with it, and who does gets its answer.
    fn names_itself(cause: Cause) {
        let mut p = play(1);
        p.call(0, 1, 60_000);
        p.fail(50, (1, 1), Miss::answer(cause, true, None));
        assert_eq!(p.call(100, 2, 400), [Saw::Fail(None, cause)], "there is no time for its turn");
        let saw = p.call(200, 3, 60_000);
        assert!(matches!(saw.as_slice(), [Saw::Park(c, 1_000..=1_200)] if *c == cause), "{saw:?}");
        let saw = p.feed(1_300, Input::Tick);
        assert_eq!(saw, [Saw::Start(1, Some(0))]);
        assert_eq!(p.fail(1_350, (3, 1), Miss::answer(cause, true, None)), [Saw::Fail(Some(1), cause)]);
    }

    /// What befell a call before it came to the key is not what it is refused for.
    fn names_itself_after_another_failure(cause: Cause) {
        let mut p = play(1);
        let unreached = Miss::silent(Cause::TcpTimeout, Stage::Connect, Sent::No);
        p.call(0, 1, 2_000);
        p.call(0, 2, 60_000);
        p.fail(40, (2, 1), Miss::answer(cause, true, None));
        p.call(1_800, 3, 60_000);
        let mut seen = p.fail(1_850, (1, 1), unreached);
        seen.extend(p.feed(1_880, Input::Tick));
        assert_eq!(seen.last(), Some(&Saw::Fail(None, cause)), "{seen:?}");
    }

    fn never_heals(cause: Cause, shared: bool) {
        ends_at_once(cause);
        asks_each_key_once(cause, shared);
        names_itself(cause);
        names_itself_after_another_failure(cause);
    }

    #[test]
    fn a_spend_cap_is_told_as_one() {
        never_heals(Cause::QuotaSpendLimit, false);
    }

    #[test]
    fn used_up_credit_is_told_as_such() {
        never_heals(Cause::QuotaCredit, true);
    }

    #[test]
    fn a_payment_problem_is_told_as_one() {
        never_heals(Cause::QuotaBilling, true);
    }

    #[test]
    fn a_revoked_key_is_told_as_one() {
        never_heals(Cause::AuthRevoked, false);
    }

    #[test]
    fn an_organisation_that_is_disabled_is_told_as_such() {
        never_heals(Cause::AuthOrgDisabled, true);
    }

    #[test]
    fn an_invalid_key_is_told_as_one() {
        never_heals(Cause::AuthInvalid, false);
    }

    #[test]
    fn a_hint_holds_also_where_the_key_is_refused_after_it() {
        let mut p = play(1);
        p.call(0, 1, 60_000);
        p.call(1, 2, 60_000);
        let limited = Miss::answer(Cause::QuotaRequests, true, Some(Dur::secs(20)));
        p.fail(50, (1, 1), limited);
        p.fail(60, (2, 1), Miss::answer(Cause::AuthInvalid, true, None));
        let saw = p.call(100, 3, 60_000);
        assert!(matches!(saw.as_slice(), [Saw::Park(Cause::AuthInvalid, 20_050..=20_250)]), "{saw:?}");
        let saw = p.call(200, 4, 10_000);
        assert_eq!(saw, [Saw::Fail(None, Cause::AuthInvalid)], "it cannot be asked that soon");
    }
}
