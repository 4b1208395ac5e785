//! Callers' own credentials: each is paced by its own limits, and holds up nobody else.

#[cfg(test)]
mod own {
    use clearline_model::{
        Ask, AttemptId, CallId, CallerId, Cause, Dur, LaneId, Limits, Mono, Repeat, UpstreamId, Usage, Window,
    };
    use clearline_policy::{Config, Engine, Input, Miss, Output, Settings, Upstream};

    const LANE: LaneId = LaneId { upstream: UpstreamId(0), family: 0 };
    const SECOND: u64 = 1_000_000;

    struct Play {
        engine: Engine,
        now: u64,
        /// The attempts that began, with their moments.
        started: Vec<(u64, AttemptId)>,
        failed: Vec<(u64, CallId)>,
    }

    fn play(settings: Settings) -> Play {
        let upstreams = vec![Upstream { id: UpstreamId(0), keys: Vec::new() }];
        let engine = Engine::new(Config { upstreams, settings }, 5);
        Play { engine, now: 0, started: Vec::new(), failed: Vec::new() }
    }

    fn attempt(call: u64, n: u16) -> AttemptId {
        AttemptId { call: CallId(call), n }
    }

    /// Sixty requests a minute, and so many are left.
    fn told(remaining: u64) -> Limits {
        let window = Window { limit: 60, remaining, reset: Dur::secs(60 - remaining) };
        Limits { requests: Some(window), ..Limits::default() }
    }

    impl Play {
        fn feed(&mut self, input: Input) {
            let mut out = Vec::new();
            self.engine.handle(Mono(self.now), input, &mut out);
            for o in out {
                match o {
                    Output::Start { attempt, .. } => self.started.push((self.now, attempt)),
                    Output::Fail(call, _) => self.failed.push((self.now, call)),
                    Output::Abort(_)
                    | Output::Commit(_)
                    | Output::Park(..)
                    | Output::Finish(_)
                    | Output::Note(_) => {}
                }
            }
        }

        /// Lets time pass, and the engine wake when it wants to; a bound on how often is a bound on how busy it is.
        fn until(&mut self, at: u64) {
            for _ in 0..1_000 {
                match self.engine.wake_at().filter(|w| w.0 <= at) {
                    Some(wake) => {
                        self.now = self.now.max(wake.0);
                        self.feed(Input::Tick);
                    }
                    None => {
                        self.now = at;
                        return;
                    }
                }
            }
            panic!("it wakes without end");
        }

        fn call(&mut self, call: u64, credential: u32) {
            self.call_of(0, call, credential, Some(60));
        }

        fn call_of(&mut self, caller: u32, call: u64, credential: u32, patience: Option<u64>) {
            let ask = Ask { repeat: Repeat::Billed, credential, ..Ask::default() };
            let deadline = patience.map(|s| Mono(self.now + s * SECOND));
            let (call, caller) = (CallId(call), CallerId(caller));
            self.feed(Input::Call { call, lane: LANE, caller, deadline, ask });
        }

        /// An attempt succeeds, and is told so.
        fn done(&mut self, id: AttemptId, limits: Limits) {
            self.feed(Input::Head(id, 200, limits));
            self.feed(Input::Done(id, Usage::default()));
        }

        fn began(&self) -> Vec<(u64, u64, u16)> {
            self.started.iter().map(|(at, a)| (at / 10_000 * 10, a.call.0, a.n)).collect()
        }
    }

    #[test]
    fn what_a_credential_has_left_is_waited_for_and_others_do_not_wait() {
        let mut p = play(Settings::default());
        p.call(1, 7);
        p.done(attempt(1, 1), told(0));
        (2..=4).for_each(|call| p.call(call, 7));
        p.call(5, 8);
        p.call(6, 0);
        p.until(10 * SECOND);
        assert_eq!(p.began(), [(0, 1, 1), (0, 5, 1), (0, 6, 1), (1_000, 2, 1), (2_000, 3, 1), (3_000, 4, 1)]);
    }

    #[test]
    fn who_is_refused_keeps_its_place_and_who_leaves_gives_it_up() {
        let mut p = play(Settings::default());
        p.call(1, 7);
        p.call(2, 7);
        p.done(attempt(1, 1), told(0));
        (3..=5).for_each(|call| p.call(call, 7));
        p.feed(Input::CallerGone(CallId(3)));
        let limited = Miss::answer(Cause::QuotaRequests, true, Some(Dur::secs(1)));
        p.feed(Input::Failed(attempt(2, 1), limited));
        p.until(20 * SECOND);
        let order: Vec<_> = p.began().into_iter().map(|(_, call, n)| (call, n)).collect();
        assert_eq!(
            order[2..],
            [(2, 2), (4, 1), (5, 1)],
            "a hint is a floor, and then it is first: {order:?}"
        );
        assert!(p.started.windows(2).skip(1).all(|w| w[1].0 - w[0].0 >= SECOND), "{order:?}");
    }

    #[test]
    fn better_news_is_heard_at_once() {
        let mut p = play(Settings::default());
        p.call(1, 7);
        p.call(2, 7);
        p.done(attempt(1, 1), told(0));
        (3..=5).for_each(|call| p.call(call, 7));
        p.until(SECOND / 2);
        assert_eq!(p.started.len(), 2);
        p.call(6, 7);
        p.done(attempt(2, 1), told(40));
        let began = p.began();
        assert_eq!(began[2..], [(500, 3, 1), (500, 4, 1), (500, 5, 1), (500, 6, 1)]);
    }

    #[test]
    fn callers_of_one_credential_take_turns() {
        let mut p = play(Settings::default());
        p.call(1, 7);
        p.done(attempt(1, 1), told(0));
        (2..=21).for_each(|call| p.call_of(1, call, 7, Some(60)));
        p.call_of(2, 22, 7, Some(60));
        p.until(30 * SECOND);
        let place = p.started.iter().position(|(_, a)| a.call == CallId(22)).unwrap();
        assert!(place <= 5, "{:?}", p.began());
    }

    #[test]
    fn it_is_the_servers_to_say_no_to_whom_we_would_not_hold_so_long() {
        for (patience, held) in [(Some(60), true), (Some(20), false), (None, false)] {
            let mut p = play(Settings::default());
            p.call(1, 7);
            p.done(attempt(1, 1), told(0));
            // Thirty seconds of the limit are owed.
            p.call_of(0, 2, 7, patience);
            let limited = Miss::answer(Cause::QuotaRequests, true, Some(Dur::secs(30)));
            p.until(SECOND + SECOND / 10);
            p.feed(Input::Failed(attempt(2, 1), limited));
            p.call_of(0, 3, 7, patience);
            let sent = p.started.iter().any(|(_, a)| *a == attempt(3, 1));
            assert_eq!(sent, !held, "{patience:?}: {:?}", p.began());
        }
    }

    #[test]
    fn of_too_many_at_once_the_next_starts_when_one_ends_whatever_it_asks_for() {
        let mut p = play(Settings::default());
        (1..=4).for_each(|call| p.call(call, 7));
        p.feed(Input::Head(attempt(1, 1), 200, Limits::default()));
        let too_many = || Miss::answer(Cause::QuotaConcurrency, true, None);
        p.feed(Input::Failed(attempt(3, 1), too_many()));
        p.feed(Input::Failed(attempt(4, 1), too_many()));
        let ask = Ask { repeat: Repeat::Billed, credential: 7, ..Ask::default() };
        let lane = LaneId { family: 1, ..LANE };
        let deadline = Some(Mono(60 * SECOND));
        p.feed(Input::Call { call: CallId(5), lane, caller: CallerId(0), deadline, ask });
        p.call(6, 8);
        p.until(SECOND);
        assert_eq!(p.began()[4..], [(0, 6, 1)], "another credential does not wait");
        p.feed(Input::Done(attempt(1, 1), Usage::default()));
        p.feed(Input::Done(attempt(2, 1), Usage::default()));
        assert_eq!(p.began()[5..], [(1_000, 3, 2), (1_000, 4, 2)]);
        p.feed(Input::Done(attempt(3, 2), Usage::default()));
        assert_eq!(p.began()[7..], [(1_000, 5, 1)], "one limit for all families");
    }

    #[test]
    fn who_has_none_under_way_is_too_many_for_others_and_backs_off() {
        let mut p = play(Settings::default());
        p.call(1, 7);
        let mut failed = 0;
        for tenth in 1..=100 {
            p.until(tenth * SECOND / 10);
            while let Some((_, id)) = p.started.get(failed).copied() {
                failed += 1;
                p.feed(Input::Failed(id, Miss::answer(Cause::QuotaConcurrency, true, None)));
            }
        }
        assert!((3..=9).contains(&failed), "in ten seconds: {:?}", p.began());
    }

    #[test]
    fn without_pacing_nobody_waits() {
        let mut p = play(Settings { key_pacing: false, ..Settings::default() });
        p.call(1, 7);
        p.done(attempt(1, 1), told(0));
        (2..=4).for_each(|call| p.call(call, 7));
        assert_eq!(p.started.len(), 4);
    }

    /// Whoever can reach a gateway can make credentials up: they take no room for long, and what is known stays known.
    #[test]
    fn credentials_that_are_made_up_are_forgotten() {
        let mut p = play(Settings::default());
        p.call(1, 7);
        p.done(attempt(1, 1), told(0));
        for n in 2..=5_000 {
            p.call(n, 1_000 + u32::try_from(n).unwrap());
            p.feed(Input::Failed(attempt(n, 1), Miss::answer(Cause::AuthInvalid, true, None)));
        }
        assert_eq!(p.failed.len(), 4_999);
        let before = p.started.len();
        p.call(5_001, 7);
        assert_eq!(p.started.len(), before, "its limit is known");
    }
}
