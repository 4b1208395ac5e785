//! Keys and families of models: what one family is refused for takes no key from the others.

#[cfg(test)]
mod families {
    use clearline_model::{
        Ask, AttemptId, CallId, CallerId, Cause, Dur, KeyId, LaneId, Limits, Mono, Repeat, UpstreamId, Usage,
    };
    use clearline_policy::{Config, Engine, Input, Miss, Output, Settings, Upstream};

    struct Play {
        engine: Engine,
        calls: u64,
    }

    fn play(keys: u32) -> Play {
        let upstreams = vec![Upstream { id: UpstreamId(0), keys: (0..keys).map(KeyId).collect() }];
        Play { engine: Engine::new(Config { upstreams, settings: Settings::default() }, 3), calls: 0 }
    }

    impl Play {
        /// The attempts that begin, with their keys.
        fn feed(&mut self, ms: u64, input: Input) -> Vec<(AttemptId, KeyId)> {
            let mut out = Vec::new();
            self.engine.handle(Mono(ms * 1_000), input, &mut out);
            out.into_iter()
                .filter_map(|o| {
                    if let Output::Start { attempt, plan, .. } = o {
                        Some((attempt, plan.key.unwrap()))
                    } else {
                        None
                    }
                })
                .collect()
        }

        fn call(&mut self, ms: u64, family: u16) -> Vec<(AttemptId, KeyId)> {
            self.calls += 1;
            let lane = LaneId { upstream: UpstreamId(0), family };
            let ask = Ask { repeat: Repeat::Billed, replayable: true, ..Ask::default() };
            let (call, caller) = (CallId(self.calls), CallerId(u32::from(family)));
            self.feed(ms, Input::Call { call, lane, caller, deadline: None, ask })
        }

        fn serve(&mut self, ms: u64, id: AttemptId) {
            self.feed(ms, Input::Head(id, 200, Limits::default()));
            self.feed(ms, Input::Done(id, Usage::default()));
        }

        /// Refuses a call with one key after the other, as often as it goes on at once.
        fn refuse(&mut self, ms: u64, began: Vec<(AttemptId, KeyId)>, cause: Cause) -> usize {
            let (mut began, mut times) = (began, 0);
            while let Some((id, _)) = began.pop() {
                began = self.feed(ms, Input::Failed(id, Miss::answer(cause, true, None)));
                times += 1;
            }
            times
        }
    }

    #[test]
    fn a_limit_of_one_family_leaves_the_key_to_the_others() {
        let mut p = play(1);
        let (id, _) = p.call(0, 1)[0];
        let limited = Miss::answer(Cause::QuotaInputTokens, true, Some(Dur::secs(40)));
        assert!(p.feed(10, Input::Failed(id, limited)).is_empty());
        assert!(p.call(20, 1).is_empty(), "its own family waits for the hint");
        let (other, _) = p.call(30, 2)[0];
        p.serve(40, other);
        assert!(p.call(50, 1).is_empty(), "that another one is served ends no hint");
        assert_eq!(p.call(40_300, 1).len(), 1);
    }

    #[test]
    fn a_model_that_no_key_may_use_takes_no_key_from_the_others() {
        let mut p = play(5);
        for ms in 0..5 {
            let (id, _) = p.call(ms, 1)[0];
            p.serve(ms, id);
        }
        let began = p.call(10, 2);
        assert_eq!(p.refuse(20, began, Cause::AuthForbidden), 5, "each key is asked once");
        for ms in 30..35 {
            assert_eq!(p.call(ms, 1).len(), 1, "the others have all keys");
        }
        assert!(p.call(40, 2).is_empty(), "for the refused one they are paced");
        assert_eq!(p.feed(1_300, Input::Tick).len(), 1);
    }

    #[test]
    fn a_key_that_may_not_even_do_what_it_did_is_out() {
        let mut p = play(1);
        let (id, _) = p.call(0, 1)[0];
        p.serve(1, id);
        let began = p.call(10, 1);
        assert_eq!(p.refuse(20, began, Cause::AuthForbidden), 1);
        assert!(p.call(30, 2).is_empty(), "nothing says that it serves any other family");
    }

    #[test]
    fn a_hint_that_no_limit_gives_keeps_no_key_away_for_ever() {
        // Seconds since 1970 instead of seconds, as `wire` gives them.
        let lie = Miss::answer(Cause::QuotaRequests, true, Some(Dur::MAX));
        let mut p = play(1);
        let (id, _) = p.call(0, 1)[0];
        p.feed(10, Input::Failed(id, lie));
        assert!(p.call(60_000, 1).is_empty());
        let (id, _) = p.call(301_000, 1)[0];
        p.serve(301_100, id);
        assert_eq!(p.call(301_200, 1).len(), 1);
    }

    #[test]
    fn a_hint_of_zero_is_no_leave_to_try_without_a_pause() {
        for after in [None, Some(Dur::ZERO)] {
            let mut p = play(2);
            let (mut began, mut tries) = (p.call(0, 1), 0);
            for ms in (20..3_000).step_by(20) {
                let input = match began.pop() {
                    Some((id, _)) => {
                        tries += 1;
                        Input::Failed(id, Miss::answer(Cause::QuotaRequests, true, after))
                    }
                    None => Input::Tick,
                };
                began.extend(p.feed(ms, input));
            }
            assert!(tries <= 8, "{after:?}: {tries} in three seconds");
        }
    }
}
