//! What others teach about a lane helps those that are silent already; and a silence leaves time to continue.

#[cfg(test)]
mod late {
    use clearline_model::{
        Ask, AttemptId, CallId, CallerId, Cause, Dur, LaneId, Limits, Mono, Repeat, Sent, Stage, UpstreamId,
        Usage,
    };
    use clearline_policy::{Config, Engine, Input, Miss, Output, Plan, Settings, Upstream};

    const LANE: LaneId = LaneId { upstream: UpstreamId(0), family: 0 };
    const SECOND: u64 = 1_000_000;

    struct Play {
        engine: Engine,
        now: u64,
        started: Vec<(u64, AttemptId, Plan)>,
        looks: usize,
    }

    fn play(settings: Settings) -> Play {
        let upstreams = vec![Upstream { id: UpstreamId(0), keys: Vec::new() }];
        let engine = Engine::new(Config { upstreams, settings }, 5);
        Play { engine, now: 0, started: Vec::new(), looks: 0 }
    }

    fn ask(stream: bool) -> Ask {
        Ask { stream, repeat: Repeat::Billed, max_output: 64, resumable: stream, ..Ask::default() }
    }

    impl Play {
        fn feed(&mut self, input: Input) {
            let mut out = Vec::new();
            self.engine.handle(Mono(self.now), input, &mut out);
            let now = self.now;
            self.started.extend(out.into_iter().filter_map(|o| match o {
                Output::Start { attempt, plan, .. } => Some((now, attempt, plan)),
                Output::Abort(_)
                | Output::Commit(_)
                | Output::Park(..)
                | Output::Fail(..)
                | Output::Finish(_)
                | Output::Note(_) => None,
            }));
        }

        fn until(&mut self, at: u64) {
            while let Some(wake) = self.engine.wake_at().filter(|w| w.0 <= at) {
                self.now = self.now.max(wake.0);
                self.looks += 1;
                assert!(self.looks < 1_000, "it wakes without end");
                self.feed(Input::Tick);
            }
            self.now = at;
        }

        fn call(&mut self, call: u64, ask: Ask, left: u64) {
            let deadline = Some(Mono(self.now + left * SECOND));
            self.feed(Input::Call { call: CallId(call), lane: LANE, caller: CallerId(0), deadline, ask });
        }

        /// Calls of the same kind, each of which is answered after half a second, one after another.
        fn teach(&mut self, calls: std::ops::Range<u64>, ask: Ask) {
            for call in calls {
                self.call(call, ask, 120);
                let at = self.now + SECOND / 2;
                self.until(at);
                let id = AttemptId { call: CallId(call), n: 1 };
                self.feed(Input::Head(id, 200, Limits::default()));
                self.feed(Input::Content(id));
                self.feed(Input::Done(id, Usage { output: 50, ..Usage::default() }));
            }
        }

        fn hedge_of(&self, call: u64) -> Option<u64> {
            let hedge = |(_, id, plan): &&(u64, AttemptId, Plan)| id.call == CallId(call) && plan.hedge;
            self.started.iter().find(hedge).map(|(at, ..)| *at)
        }
    }

    #[test]
    fn an_attempt_that_began_when_nothing_was_known_is_late_as_soon_as_others_show_it() {
        // The silent one begins first, with half of its deadline to wait where nobody knows better.
        let mut p = play(Settings::default());
        p.call(1, ask(false), 120);
        p.teach(2..32, ask(false));
        p.until(30 * SECOND);
        let late = p.hedge_of(1).unwrap();
        assert!((10 * SECOND..=16 * SECOND).contains(&late), "twenty others were done after 10 s: {late}");
        assert!(p.looks < 40, "{}", p.looks);
        // As before where nobody teaches.
        let mut p = play(Settings::default());
        p.call(1, ask(false), 120);
        p.until(100 * SECOND);
        assert!((59 * SECOND..=60 * SECOND).contains(&p.hedge_of(1).unwrap()), "{:?}", p.hedge_of(1));
        assert!(p.looks < 60, "{}", p.looks);
    }

    #[test]
    fn a_whole_answer_that_broke_off_silently_makes_those_that_are_late_suspect() {
        let asked = Ask { max_output: 3_200, ..ask(false) };
        for (stalled, least, most) in [(false, 30, 50), (true, 5, 6)] {
            let mut p = play(Settings::default());
            p.teach(1..41, asked);
            p.call(50, asked, 120);
            let id = AttemptId { call: CallId(50), n: 1 };
            let cause = if stalled { Cause::StreamStalled } else { Cause::HttpTruncated };
            p.feed(Input::Failed(id, Miss::silent(cause, Stage::Body, Sent::Yes)));
            let began = p.now;
            p.call(51, asked, 120);
            p.until(began + 60 * SECOND);
            let late = (p.hedge_of(51).unwrap() - began) / SECOND;
            assert!((least..=most).contains(&late), "{cause}: {late} s");
        }
    }

    #[test]
    fn a_whole_answer_whose_head_came_is_late_like_one_that_is_silent() {
        for (fetched, stream, is_late) in [(false, false, true), (true, false, false), (false, true, false)] {
            let asked = Ask { fetched, ..ask(stream) };
            let mut p = play(Settings::default());
            p.teach(1..41, asked);
            p.call(50, asked, 120);
            let (first, began) = (AttemptId { call: CallId(50), n: 1 }, p.now);
            p.feed(Input::Head(first, 200, Limits::default()));
            p.until(began + 60 * SECOND);
            assert_eq!(
                p.hedge_of(50).is_some(),
                is_late,
                "{fetched} {stream}: what comes as a stream is seen to come"
            );
            if !is_late {
                continue;
            }
            // Whichever is whole first is the answer, and the other one is closed.
            let second = AttemptId { call: CallId(50), n: 2 };
            p.feed(Input::Head(second, 200, Limits::default()));
            let mut out = Vec::new();
            p.engine.handle(Mono(p.now), Input::Done(second, Usage::default()), &mut out);
            let did = |wanted: &Output| out.iter().any(|o| o == wanted);
            assert!(did(&Output::Commit(second)) && did(&Output::Abort(first)), "{out:?}");
            assert_eq!(p.engine.view().in_flight, 0);
        }
    }

    #[test]
    fn where_it_is_known_nothing_is_looked_at_before_it_is_late() {
        let mut p = play(Settings::default());
        p.teach(1..41, ask(true));
        let (looks, began) = (p.looks, p.now);
        p.call(50, ask(true), 120);
        p.until(began + 3 * SECOND);
        assert_eq!(p.hedge_of(50), Some(began + 2 * SECOND));
        assert_eq!(p.looks, looks + 1);
    }

    #[test]
    fn what_can_be_continued_is_given_up_while_there_is_time_to_continue_it() {
        let resumed = Settings { resume: true, ..Settings::default() };
        for (settings, left, idle) in
            [(resumed, 120, 30), (resumed, 40, 20), (resumed, 600, 60), (Settings::default(), 120, 60)]
        {
            let mut p = play(settings);
            p.call(1, ask(true), left);
            assert_eq!(p.started[0].2.limits.idle, Dur::secs(idle), "{left} s left");
        }
        let mut p = play(resumed);
        p.call(1, Ask { resumable: false, ..ask(true) }, 120);
        assert_eq!(p.started[0].2.limits.idle, Dur::secs(60), "a thought may be silent for long");
    }

    #[test]
    fn who_is_refused_where_others_are_served_comes_back_sooner() {
        // For each refusal so many are served, or for so many refusals one: the fewer, the later.
        let (half, fifth, none) = ((1, 1), (4, 1), (1, 0));
        for ((every, served), least, most) in [
            (half, SECOND / 2, SECOND * 11 / 10),
            (fifth, SECOND * 11 / 10, 4 * SECOND),
            (none, 4 * SECOND, 8 * SECOND),
        ] {
            let mut p = play(Settings::default());
            p.call(1, ask(true), 120);
            let mut longest = 0;
            for n in 1..20 {
                if served > 0 && n % every == 0 {
                    p.teach(1 + n..2 + n, ask(true));
                }
                let id = AttemptId { call: CallId(1), n: u16::try_from(n).unwrap() };
                let refused = p.now;
                p.feed(Input::Failed(id, Miss::answer(Cause::ServerOverloaded, true, None)));
                let next = |p: &Play| {
                    p.started.iter().find(|(_, a, _)| a.call == id.call && a.n == id.n + 1).map(|s| s.0)
                };
                while next(&p).is_none() {
                    let at = p.engine.wake_at().unwrap().0;
                    p.until(at);
                }
                longest = longest.max(next(&p).unwrap() - refused);
            }
            assert!((least..=most).contains(&longest), "{served} of {every}: {longest}");
        }
    }
}
