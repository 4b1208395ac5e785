//! Second attempts beside slow ones, and the limits that recent times give.

mod play;

#[cfg(test)]
mod hedges {
    use clearline_model::{AddrId, Ask, Cause, Dur, Repeat, Sent, Stage, UpstreamId};
    use clearline_policy::{Engine, Hedge, Input, Miss, Output, Settings};

    use crate::play::{ask, call, call_with, config, content, done, fail, head, id, play, step};

    /// A lane on which so many streams went well, each with its first byte and its longest silence, milliseconds.
    fn lane_of(settings: Settings, count: u64, (first, gap): (u64, u64)) -> (Engine, u64) {
        let mut engine = Engine::new(config(0, settings), 7);
        for n in 1..=count {
            let at = n * 100_000;
            step(&mut engine, at, call(n));
            step(&mut engine, at + first, head(n, 1));
            step(&mut engine, at + first, content(n, 1));
            step(&mut engine, at + first, Input::Quiet(id(n, 1), Dur::millis(gap)));
            step(&mut engine, at + first, done(n, 1));
        }
        (engine, (count + 1) * 100_000)
    }

    /// The limits of the attempts that start, seconds: the first byte and a silence.
    fn limits(out: &[Output]) -> Vec<(u64, u64)> {
        let of = |o: &Output| match o {
            Output::Start { plan, .. } => {
                Some((plan.limits.first_byte.as_secs_ceil(), plan.limits.idle.as_secs_ceil()))
            }
            Output::Abort(_)
            | Output::Commit(_)
            | Output::Fail(..)
            | Output::Park(..)
            | Output::Finish(_)
            | Output::Note(_) => None,
        };
        out.iter().filter_map(of).collect()
    }

    #[test]
    fn the_first_try_has_the_limits_that_recent_times_give_and_the_next_one_those_of_the_settings() {
        let settings = Settings { hedge: Hedge::Off, resume: true, ..Settings::default() };
        let (mut engine, now) = lane_of(settings, 40, (2_000, 2_400));
        let text = Ask { resumable: true, ..ask() };
        assert_eq!(limits(&step(&mut engine, now, call_with(90, None, text))), [(40, 12)]);
        let silent = Miss::silent(Cause::HttpNoResponse, Stage::Head, Sent::Yes);
        let mut after = step(&mut engine, now + 40_000, fail(90, 1, silent));
        after.extend(step(&mut engine, now + 41_000, Input::Tick));
        assert_eq!(limits(&after), [(120, 60)]);
        let whole = Ask { stream: false, max_output: 1_000, ..ask() };
        assert_eq!(limits(&step(&mut engine, now + 42_000, call_with(91, None, whole))), [(160, 60)]);
        // Where many run into a limit, the limit is wrong.
        for n in 92..96 {
            step(&mut engine, now + 43_000, call(n));
            step(&mut engine, now + 44_000, fail(n, 1, silent));
        }
        assert_eq!(limits(&step(&mut engine, now + 50_000, call(99))).first(), Some(&(120, 40)));
    }

    #[test]
    fn a_hedge_starts_beside_a_slow_attempt_and_the_first_content_wins() {
        let settings = Settings { hedge: Hedge::After(Dur::secs(2)), ..Settings::default() };
        play(
            "hedge",
            config(0, settings),
            &[
                (0, call(1), &["start 1.1 Any Original"]),
                (2_000, Input::Tick, &["start 1.2 Fresh Original hedge"]),
                (2_500, head(1, 2), &[]),
                (2_600, content(1, 2), &["abort 1.1", "commit 1.2"]),
                (2_700, content(1, 1), &[]),
                (2_800, done(1, 2), &["finish 1"]),
            ],
        );
    }

    #[test]
    fn by_itself_a_hedge_starts_beside_a_stream_that_takes_much_longer_than_others() {
        play(
            "nothing is known yet",
            config(0, Settings::default()),
            &[
                (0, call(1), &["start 1.1 Any Original"]),
                (4_999, Input::Tick, &[]),
                (5_000, Input::Tick, &["start 1.2 Fresh Original hedge"]),
                // A fast error never beats a good slow call.
                (5_100, fail(1, 2, Miss::answer(Cause::ServerError, false, None)), &[]),
                (20_000, head(1, 1), &[]),
                (20_100, content(1, 1), &["commit 1.1"]),
                (20_200, done(1, 1), &["finish 1"]),
            ],
        );
        let whole = Ask { stream: false, ..ask() };
        play(
            "never where it does not belong",
            config(0, Settings::default()),
            &[
                (0, call_with(1, None, whole), &["start 1.1 Any Original"]),
                (0, call_with(2, None, Ask { repeat: Repeat::Once, ..ask() }), &["start 2.1 Any Original"]),
                (0, call(3), &["start 3.1 Any Original"]),
                (100, head(3, 1), &[]),
                (2_200, Input::Tick, &["commit 3.1"]),
                (60_000, Input::Tick, &[]),
            ],
        );
        let overloaded = Miss::answer(Cause::ServerOverloaded, true, Some(Dur::secs(60)));
        play(
            "not through an overload",
            config(0, Settings::default()),
            &[
                (0, call(1), &["start 1.1 Any Original"]),
                (10, call(2), &["start 2.1 Any Original"]),
                (20, fail(2, 1, overloaded), &["fail 2 from 1 server.overloaded"]),
                (9_000, Input::Tick, &[]),
            ],
        );
    }

    #[test]
    fn hedges_are_timed_by_what_is_usual_and_are_one_for_ten_calls_at_most() {
        let (mut engine, mut now) = lane_of(Settings::default(), 40, (2_000, 100));
        let mut hedges = 0;
        for n in 100..200 {
            step(&mut engine, now, call(n));
            assert_eq!(step(&mut engine, now + 2_999, Input::Tick), []);
            let out = step(&mut engine, now + 3_000, Input::Tick);
            hedges += out.iter().filter(|o| matches!(o, Output::Start { plan, .. } if plan.hedge)).count();
            step(&mut engine, now + 3_001, content(n, 1));
            step(&mut engine, now + 3_001, done(n, 1));
            now += 10_000;
        }
        assert_eq!(hedges, 4 + 9, "what was saved up, and one for ten");
    }

    #[test]
    fn a_hedge_that_nobody_could_pay_starts_when_others_have_saved_it_up() {
        let mut engine = Engine::new(config(0, Settings::default()), 7);
        let mut hedges = |ms, input| {
            let out = step(&mut engine, ms, input);
            out.iter().filter(|o| matches!(o, Output::Start { plan, .. } if plan.hedge)).count()
        };
        assert_eq!((1..=5).map(|n| hedges(0, call(n))).sum::<usize>(), 0);
        assert_eq!(hedges(5_000, Input::Tick), 4, "what was saved up");
        assert_eq!(hedges(6_300, Input::Tick), 0);
        assert_eq!((6..=15).map(|n| hedges(6_400, call(n))).sum::<usize>(), 0);
        assert_eq!(hedges(8_000, Input::Tick), 1, "ten calls have saved one up");
    }

    #[test]
    fn a_hedge_goes_to_another_address() {
        play(
            "two addresses",
            config(0, Settings::default()),
            &[
                (0, Input::Resolved(UpstreamId(0), vec![AddrId(0), AddrId(1)]), &[]),
                (1, call(1), &["start 1.1 a0 Any Original"]),
                (2, Input::Connected(id(1, 1), AddrId(0)), &[]),
                (5_001, Input::Tick, &["start 1.2 a1 Fresh Original hedge"]),
            ],
        );
    }
}
