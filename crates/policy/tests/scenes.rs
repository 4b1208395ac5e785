//! Scenes of calls: what the engine does about each moment of theirs.

mod play;

#[cfg(test)]
mod scenes {
    use clearline_model::{AddrId, Ask, CallId, Cause, Dur, Repeat, Sent, Stage, UpstreamId};
    use clearline_policy::{Engine, Input, Miss, Partial, Settings};

    use crate::play::{
        ask, call, call_with, config, content, done, fail, head, id, limited, play, short, step,
    };

    #[test]
    fn a_head_is_held_for_the_hold_time_and_an_early_failure_is_repeated() {
        let cut = Miss::silent(Cause::StreamCut, Stage::Stream, Sent::Yes);
        play(
            "late commit",
            config(0, Settings::default()),
            &[
                (0, call(1), &["start 1.1 Any Original"]),
                (100, head(1, 1), &[]),
                (2_100, Input::Tick, &["commit 1.1"]),
                (2_200, fail(1, 1, cut), &["fail 1 own stream.cut broken"]),
                (3_000, call(2), &["start 2.1 Any Original"]),
                (3_100, head(2, 1), &[]),
                (3_200, fail(2, 1, cut), &["park 2 stream.cut"]),
                (3_400, Input::Tick, &["start 2.2 Fresh Original"]),
                (3_500, content(2, 2), &["commit 2.2"]),
                (3_600, done(2, 2), &["finish 2"]),
            ],
        );
    }

    #[test]
    fn a_broken_text_is_continued_and_a_broken_tool_call_is_not() {
        let text = Partial { bytes: 900, text_chars: 500, tool_or_thinking: false };
        let cut = Miss { got: text, ..Miss::silent(Cause::StreamCut, Stage::Stream, Sent::Yes) };
        let tool = Miss { got: Partial { tool_or_thinking: true, ..text }, ..cut };
        let settings = Settings { resume: true, ..Settings::default() };
        play(
            "resume",
            config(0, settings),
            &[
                (0, call_with(1, None, Ask { resumable: true, ..ask() }), &["start 1.1 Any Original"]),
                (10, content(1, 1), &["commit 1.1"]),
                (20, fail(1, 1, cut), &["start 1.2 Fresh Continue"]),
                (30, content(1, 2), &[]),
                (40, fail(1, 2, tool), &["fail 1 own stream.cut broken"]),
            ],
        );
    }

    #[test]
    fn a_continuation_that_fails_waits_as_any_repeat_does() {
        let text = |chars| Partial { bytes: 900, text_chars: chars, tool_or_thinking: false };
        let cut =
            |chars| Miss { got: text(chars), ..Miss::silent(Cause::StreamCut, Stage::Stream, Sent::Yes) };
        let overloaded =
            |after| Miss { got: text(500), ..Miss::answer(Cause::ServerOverloaded, true, after) };
        let refused = Miss { got: text(700), ..Miss::answer(Cause::AuthRevoked, true, None) };
        let settings = Settings { resume: true, ..Settings::default() };
        // A caller whose own layer has repeated it is continued as well: that layer never repeats what it saw in part.
        let asked = Ask { resumable: true, outer_retry: 1, ..ask() };
        play(
            "continuation fails",
            config(0, settings),
            &[
                (0, call_with(1, None, asked), &["start 1.1 Any Original"]),
                (10, content(1, 1), &["commit 1.1"]),
                (60_000, fail(1, 1, cut(500)), &["start 1.2 Fresh Continue"]),
                (60_010, fail(1, 2, overloaded(Some(Dur::secs(2)))), &["park 1 server.overloaded"]),
                (61_990, Input::Tick, &[]),
                (63_100, Input::Tick, &["start 1.3 Fresh Continue"]),
                (63_200, content(1, 3), &[]),
                (70_000, fail(1, 3, cut(700)), &["start 1.4 Fresh Continue"]),
                (70_010, fail(1, 4, refused), &["fail 1 own auth.revoked broken"]),
            ],
        );
        // Beyond the patience, which counts from the break, it ends with what was said last.
        play(
            "continuation never comes",
            config(0, settings),
            &[
                (0, call_with(1, None, asked), &["start 1.1 Any Original"]),
                (10, content(1, 1), &["commit 1.1"]),
                (60_000, fail(1, 1, cut(500)), &["start 1.2 Fresh Continue"]),
                (
                    60_010,
                    fail(1, 2, overloaded(Some(Dur::secs(20)))),
                    &["fail 1 own server.overloaded broken"],
                ),
            ],
        );
        // A caller that states a deadline waits until then.
        play(
            "continuation of a stated deadline",
            config(0, settings),
            &[
                (0, call_with(1, Some(60_000), asked), &["start 1.1 Any Original"]),
                (10, content(1, 1), &["commit 1.1"]),
                (9_000, fail(1, 1, cut(500)), &["start 1.2 Fresh Continue"]),
                (40_000, fail(1, 2, cut(500)), &["park 1 stream.cut"]),
                (40_200, Input::Tick, &["start 1.3 Fresh Continue"]),
                (59_500, fail(1, 3, cut(500)), &["fail 1 own stream.cut broken"]),
            ],
        );
        // Without a retry in the budget it waits for one.
        let poor = Settings { budget_start_milli: 0, ..settings };
        play(
            "no budget",
            config(0, poor),
            &[
                (0, call_with(1, None, asked), &["start 1.1 Any Original"]),
                (10, content(1, 1), &["commit 1.1"]),
                (20, fail(1, 1, cut(500)), &["park 1 stream.cut"]),
                (2_100, Input::Tick, &["start 1.2 Fresh Continue"]),
                (2_200, done(1, 2), &["finish 1"]),
            ],
        );
    }

    #[test]
    fn calls_beyond_the_limit_queue_in_the_order_of_arrival() {
        let settings = Settings { in_flight_max: Some(1), ..Settings::default() };
        play(
            "queue",
            config(0, settings),
            &[
                (0, call(1), &["start 1.1 Any Original"]),
                (1, call(2), &["park 2 client.pool-exhausted"]),
                (2, call(3), &["park 3 client.pool-exhausted"]),
                (5, done(1, 1), &["commit 1.1", "finish 1", "start 2.1 Any Original"]),
                (6, Input::CallerGone(CallId(2)), &["abort 2.1", "start 3.1 Any Original"]),
                (7, call(4), &["park 4 client.pool-exhausted"]),
                (15_007, Input::Tick, &["fail 4 own client.pool-exhausted"]),
                (15_008, done(3, 1), &["commit 3.1", "finish 3"]),
            ],
        );
    }

    #[test]
    fn at_the_end_of_the_process_nothing_starts_and_nobody_waits() {
        let settings = Settings { in_flight_max: Some(4), resume: true, ..Settings::default() };
        let text = Ask { resumable: true, ..ask() };
        let got = Partial { bytes: 900, text_chars: 500, tool_or_thinking: false };
        let cut = Miss { got, ..Miss::silent(Cause::StreamCut, Stage::Stream, Sent::Yes) };
        play(
            "stop",
            config(0, settings),
            &[
                (0, call(1), &["start 1.1 Any Original"]),
                (1, call_with(2, None, text), &["start 2.1 Any Original"]),
                (2, head(2, 1), &[]),
                (3, content(2, 1), &["commit 2.1"]),
                (4, call(3), &["start 3.1 Any Original"]),
                (
                    5,
                    fail(3, 1, Miss::answer(Cause::ServerOverloaded, true, None)),
                    &["park 3 server.overloaded"],
                ),
                (6, call(4), &["start 4.1 Any Original"]),
                (7, content(4, 1), &["commit 4.1"]),
                (
                    10,
                    Input::Stop,
                    &["abort 1.1", "fail 1 own gateway.bad-gateway", "fail 3 from 1 server.overloaded"],
                ),
                // It would be continued otherwise.
                (11, fail(2, 1, cut), &["fail 2 own stream.cut broken"]),
                (12, done(4, 1), &["finish 4"]),
                (13, call(5), &["fail 5 own gateway.bad-gateway"]),
                (100_000, Input::Tick, &[]),
            ],
        );
    }

    #[test]
    fn a_bad_address_is_avoided_at_once_and_then_with_a_pause() {
        let refused =
            |a| Miss { addr: Some(AddrId(a)), ..Miss::silent(Cause::TcpRefused, Stage::Connect, Sent::No) };
        play(
            "bad address",
            config(0, Settings::default()),
            &[
                (0, Input::Resolved(UpstreamId(0), vec![AddrId(0), AddrId(1)]), &[]),
                (1, call(1), &["start 1.1 a0 Any Original"]),
                (2, fail(1, 1, refused(0)), &["start 1.2 a1 Fresh Original"]),
                (3, fail(1, 2, refused(1)), &["park 1 tcp.refused"]),
                (300, Input::Tick, &["start 1.3 a0 Fresh Original"]),
                (5_100, call(2), &["start 2.1 a0 Any Original"]),
            ],
        );
    }

    #[test]
    fn an_address_that_is_taken_although_it_is_avoided_is_the_only_one() {
        // The first address is never reached, so that each attempt ends at the second one.
        let wrong = |addr| Miss {
            addr: Some(AddrId(addr)),
            ..Miss::silent(Cause::TlsWrongHost, Stage::Handshake, Sent::No)
        };
        play(
            "only one",
            config(0, Settings::default()),
            &[
                (0, Input::Resolved(UpstreamId(0), vec![AddrId(0), AddrId(1)]), &[]),
                (1, call(1), &["start 1.1 a0 Any Original"]),
                (2, fail(1, 1, wrong(1)), &["start 1.2 a0 Fresh Original"]),
                (3, fail(1, 2, wrong(1)), &["fail 1 own tls.wrong-host"]),
                // Each of the others finds out at most once more.
                (4, call(2), &["start 2.1 a0 Any Original"]),
                (5, fail(2, 1, wrong(1)), &["fail 2 own tls.wrong-host"]),
            ],
        );
    }

    #[test]
    fn an_address_that_only_fails_is_left_out_where_another_one_is_well() {
        let failed = |n| fail(n, 1, Miss::answer(Cause::ServerUnavailable, true, None));
        let at = |n, attempt, a| Input::Connected(id(n, attempt), AddrId(a));
        let mut script = vec![(0, Input::Resolved(UpstreamId(0), vec![AddrId(0), AddrId(1)]), vec![])];
        for n in 1..=3 {
            let now = n * 2_000;
            script.extend([
                (now, call(n), vec!["start N.1 a0 Any Original"]),
                (now + 1, at(n, 1, 0), vec![]),
                (now + 2, failed(n), vec!["park N server.unavailable"]),
                (now + 1_100, Input::Tick, vec!["start N.2 a1 Any Original"]),
                (now + 1_101, at(n, 2, 1), vec![]),
                (now + 1_102, head(n, 2), vec![]),
                (now + 1_103, content(n, 2), vec!["commit N.2"]),
                (now + 1_104, done(n, 2), vec!["finish N"]),
            ]);
        }
        script.extend([
            (8_000, call(4), vec!["start N.1 a1 Any Original"]),
            (11_100, call(5), vec!["start N.1 a0 Any Original"]),
            (11_101, call(6), vec!["start N.1 a1 Any Original"]),
            (11_200, at(5, 1, 0), vec![]),
            (11_300, head(5, 1), vec![]),
            (11_400, call(7), vec!["start N.1 a0 Any Original"]),
        ]);
        let mut engine = Engine::new(config(0, Settings::default()), 7);
        let mut n = 0;
        for (ms, input, expected) in script {
            n += u64::from(matches!(input, Input::Call { .. }));
            let got: Vec<_> = step(&mut engine, ms, input.clone()).iter().filter_map(short).collect();
            let expected: Vec<_> = expected.iter().map(|e| e.replace('N', &n.to_string())).collect();
            assert_eq!(got, expected, "at {ms} ms: {input:?}");
        }
    }

    #[test]
    fn nothing_starts_for_a_caller_that_left() {
        play(
            "caller gone",
            config(0, Settings::default()),
            &[
                (0, call(1), &["start 1.1 Any Original"]),
                (5, Input::CallerGone(CallId(1)), &["abort 1.1"]),
                (6, fail(1, 1, Miss::answer(Cause::ServerError, false, None)), &[]),
                (7, content(1, 1), &[]),
                (10, call(2), &["start 2.1 Any Original"]),
                (11, fail(2, 1, limited(1_000)), &["park 2 quota.requests"]),
                (12, Input::CallerGone(CallId(2)), &[]),
                (9_000, Input::Tick, &[]),
            ],
        );
    }

    #[test]
    fn a_hint_beyond_the_deadline_goes_to_the_caller_at_once() {
        let once = Ask { repeat: Repeat::Once, ..ask() };
        play(
            "deadline",
            config(0, Settings::default()),
            &[
                (0, call_with(1, Some(2_000), ask()), &["start 1.1 Any Original"]),
                (10, fail(1, 1, limited(1_500)), &["park 1 quota.requests"]),
                (1_711, Input::Tick, &["start 1.2 Any Original"]),
                (1_720, fail(1, 2, limited(1_500)), &["fail 1 from 2 quota.requests"]),
                (1_730, call_with(2, None, once), &["start 2.1 Any Original"]),
                (
                    1_740,
                    fail(2, 1, Miss::answer(Cause::ServerError, false, None)),
                    &["fail 2 from 1 server.error"],
                ),
            ],
        );
    }
}
