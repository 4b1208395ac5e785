//! Who pays for a repeat, and who waits for that.

mod play;

#[cfg(test)]
mod budgets {
    use clearline_model::{CallId, CallerId, Cause, Sent, Stage};
    use clearline_policy::{Engine, Input, Miss, Output, Settings};

    use crate::play::{LANE, ask, call, call_with, config, content, done, fail, play, step};

    #[test]
    fn an_empty_budget_waits_and_then_says_not_to_retry() {
        let settings = Settings { budget_start_milli: 0, ..Settings::default() };
        let error = Miss::answer(Cause::ServerError, false, None);
        play(
            "budget waits",
            config(0, settings),
            &[
                (0, call(1), &["start 1.1 Any Original"]),
                (10, fail(1, 1, error), &["park 1 server.error"]),
                (300, Input::Tick, &["park 1 server.error"]),
                (2_300, Input::Tick, &["start 1.2 Any Original"]),
            ],
        );
        let settings = Settings { budget_per_second_milli: 0, ..settings };
        play(
            "budget spent",
            config(0, settings),
            &[
                (0, call(1), &["start 1.1 Any Original"]),
                (10, fail(1, 1, error), &["park 1 server.error"]),
                (300, Input::Tick, &["fail 1 from 1 server.error no-retry"]),
            ],
        );
    }

    /// Attempts of a call that fails each time at this stage without having been sent, with two retries in the budget and none
    /// to come.
    fn tries(stage: Stage) -> u16 {
        let settings =
            Settings { budget_start_milli: 2_000, budget_per_second_milli: 0, ..Settings::default() };
        let mut engine = Engine::new(config(0, settings), 7);
        let starts = |out: &[Output]| out.iter().any(|o| matches!(o, Output::Start { .. }));
        step(&mut engine, 0, call_with(1, Some(30_000), ask()));
        let (mut n, mut runs) = (1, true);
        for ms in (0..29_000).step_by(100) {
            if runs {
                let miss = Miss::silent(Cause::TcpReset, stage, Sent::No);
                runs = starts(&step(&mut engine, ms, fail(1, n, miss)));
            } else {
                runs = starts(&step(&mut engine, ms, Input::Tick));
            }
            n += u16::from(runs);
        }
        n
    }

    #[test]
    fn a_stream_that_a_server_refuses_is_repeated_from_the_budget_and_an_unreached_server_is_not() {
        assert!(tries(Stage::Connect) > 5, "{}", tries(Stage::Connect));
        assert_eq!((tries(Stage::Send), tries(Stage::Head)), (3, 3));
    }

    /// What an outage left waiting goes out as fast as it is served when it is over, in the order of arrival: one retry
    /// in the budget is enough for all of them.
    #[test]
    fn after_an_outage_nobody_waits_for_the_budget_that_it_emptied() {
        let settings = Settings { budget_start_milli: 0, budget_per_success_milli: 0, ..Settings::default() };
        let lost = Miss::silent(Cause::HttpResetBeforeResponse, Stage::Head, Sent::Yes);
        play(
            "after an outage",
            config(0, settings),
            &[
                (0, call(1), &["start 1.1 Any Original"]),
                (1, call(2), &["start 2.1 Any Original"]),
                (2, call(3), &["start 3.1 Any Original"]),
                (10, fail(3, 1, lost), &["park 3 http.reset-before-response"]),
                (11, fail(1, 1, lost), &["park 1 http.reset-before-response"]),
                (12, fail(2, 1, lost), &["park 2 http.reset-before-response"]),
                (
                    300,
                    Input::Tick,
                    &[
                        "park 1 http.reset-before-response",
                        "park 3 http.reset-before-response",
                        "park 2 http.reset-before-response",
                    ],
                ),
                // What comes now and fails is behind those that wait.
                (1_500, call(4), &["start 4.1 Any Original"]),
                (1_990, fail(4, 1, lost), &["park 4 http.reset-before-response"]),
                (2_010, Input::Tick, &["start 1.2 Fresh Original"]),
                // It is seen to succeed long before it ends.
                (
                    2_100,
                    content(1, 2),
                    &["commit 1.2", "start 2.2 Fresh Original", "start 3.2 Fresh Original"],
                ),
                (2_200, Input::Tick, &["park 4 http.reset-before-response"]),
                (2_210, fail(2, 2, lost), &["park 2 http.reset-before-response"]),
                (2_700, Input::Tick, &["park 2 http.reset-before-response"]),
                (
                    2_800,
                    content(3, 2),
                    &["commit 3.2", "start 2.3 Fresh Original", "start 4.2 Fresh Original"],
                ),
                (4_250, done(3, 2), &["finish 3"]),
            ],
        );
    }

    #[test]
    fn a_retry_that_only_the_server_asks_for_is_paid_as_well() {
        let settings =
            Settings { budget_start_milli: 1_000, budget_per_second_milli: 0, ..Settings::default() };
        let mut engine = Engine::new(config(0, settings), 7);
        let mut asked = Miss::answer(Cause::RequestInvalid, false, None);
        asked.hint.should_retry = Some(true);
        let mut out = step(&mut engine, 0, call_with(1, Some(60_000), ask()));
        let mut tries = 0;
        for ms in (100..60_000).step_by(100) {
            let began = out.iter().any(|o| matches!(o, Output::Start { .. }));
            tries += u16::from(began);
            out = step(&mut engine, ms, if began { fail(1, tries, asked) } else { Input::Tick });
        }
        assert_eq!(tries, 2, "one retry is in the budget");
    }

    #[test]
    fn a_caller_whose_calls_always_fail_leaves_others_their_part_of_the_budget() {
        let settings = Settings { budget_start_milli: 0, ..Settings::default() };
        let mut engine = Engine::new(config(0, settings), 7);
        let error = Miss::answer(Cause::ServerError, false, None);
        let call_of = |n: u64, caller: u32| Input::Call {
            call: CallId(n),
            lane: LANE,
            caller: CallerId(caller),
            deadline: None,
            ask: ask(),
        };
        for n in 1..=50 {
            step(&mut engine, n, call_of(n, 1));
            step(&mut engine, n, fail(n, 1, error));
        }
        step(&mut engine, 60, call_of(60, 2));
        step(&mut engine, 60, fail(60, 1, error));
        // A retry in two seconds: the fifty have patience for seven of them.
        let mut own = None;
        for ms in (100..15_000).step_by(100) {
            let out = step(&mut engine, ms, Input::Tick);
            for attempt in out
                .iter()
                .filter_map(|o| if let Output::Start { attempt, .. } = o { Some(*attempt) } else { None })
            {
                if attempt.call == CallId(60) {
                    own.get_or_insert(ms);
                }
                step(&mut engine, ms, fail(attempt.call.0, attempt.n, error));
            }
        }
        assert!(own.is_some_and(|ms| ms < 9_000), "{own:?}");
    }
}
