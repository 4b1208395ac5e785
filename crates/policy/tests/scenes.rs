//! Scenes: scripts of moments and inputs, and what the engine has to do about them.

#[cfg(test)]
mod scenes {
    use clearline_model::{
        AddrId, Ask, AttemptId, CallId, CallerId, Cause, Dur, KeyId, LaneId, Limits, Mono, Repeat, Sent,
        Stage, UpstreamId, Usage,
    };
    use clearline_policy::{
        Config, Engine, Hedge, Input, KeyChange, Miss, Output, Partial, Settings, Upstream,
    };

    const LANE: LaneId = LaneId { upstream: UpstreamId(0), family: 1 };

    fn config(keys: u32, settings: Settings) -> Config {
        let keys = (0..keys).map(KeyId).collect();
        Config { upstreams: vec![Upstream { id: UpstreamId(0), keys }], settings }
    }

    fn ask() -> Ask {
        Ask { stream: true, repeat: Repeat::Billed, ..Ask::default() }
    }

    fn call(n: u64) -> Input {
        call_with(n, None, ask())
    }

    fn call_with(n: u64, deadline: Option<u64>, ask: Ask) -> Input {
        let deadline = deadline.map(|ms| Mono(ms * 1000));
        Input::Call { call: CallId(n), lane: LANE, caller: CallerId(0), deadline, ask }
    }

    fn id(call: u64, n: u16) -> AttemptId {
        AttemptId { call: CallId(call), n }
    }

    fn head(call: u64, n: u16) -> Input {
        Input::Head(id(call, n), 200, Limits::default())
    }

    fn content(call: u64, n: u16) -> Input {
        Input::Content(id(call, n))
    }

    fn done(call: u64, n: u16) -> Input {
        Input::Done(id(call, n), Usage::default())
    }

    fn fail(call: u64, n: u16, miss: Miss) -> Input {
        Input::Failed(id(call, n), miss)
    }

    fn limited(ms: u64) -> Miss {
        Miss::answer(Cause::QuotaRequests, true, Some(Dur::millis(ms)))
    }

    /// One word per output; notes are left out.
    fn short(o: &Output) -> Option<String> {
        Some(match o {
            Output::Start { attempt, plan, .. } => {
                let key = plan.key.map_or(String::new(), |k| format!(" k{}", k.0));
                let first = plan.addrs.first().map_or(String::new(), |a| format!(" a{}", a.0));
                let hedge = if plan.hedge { " hedge" } else { "" };
                format!(
                    "start {}.{}{key}{first} {:?} {:?}{hedge}",
                    attempt.call.0, attempt.n, plan.conn, plan.body
                )
            }
            Output::Abort(a) => format!("abort {}.{}", a.call.0, a.n),
            Output::Commit(a) => format!("commit {}.{}", a.call.0, a.n),
            Output::Fail(c, a) => {
                let from = a.from.map_or_else(|| "own".to_owned(), |f| format!("from {}", f.n));
                let no = if a.no_retry { " no-retry" } else { "" };
                let broken = if a.broken { " broken" } else { "" };
                format!("fail {} {from} {}{no}{broken}", c.0, a.cause)
            }
            Output::Park(c, cause, _) => format!("park {} {cause}", c.0),
            Output::Finish(c) => format!("finish {}", c.0),
            Output::Note(_) => return None,
        })
    }

    fn play(name: &str, config: Config, script: &[(u64, Input, &[&str])]) {
        let mut engine = Engine::new(config, 7);
        for (step, (ms, input, expected)) in script.iter().enumerate() {
            let mut out = Vec::new();
            engine.handle(Mono(ms * 1000), input.clone(), &mut out);
            let got: Vec<_> = out.iter().filter_map(short).collect();
            assert_eq!(got, *expected, "{name}, step {step} at {ms} ms: {input:?}");
        }
    }

    fn step(engine: &mut Engine, ms: u64, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        engine.handle(Mono(ms * 1_000), input, &mut out);
        out
    }

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
    fn a_call_hops_to_the_other_key_and_waits_for_the_hint_when_both_rest() {
        let revoked = Miss::answer(Cause::AuthRevoked, true, None);
        play(
            "two keys",
            config(2, Settings::default()),
            &[
                (0, call(1), &["start 1.1 k0 Any Original"]),
                (10, fail(1, 1, limited(3_000)), &["start 1.2 k1 Any Original"]),
                (20, fail(1, 2, limited(5_000)), &["park 1 quota.requests"]),
                (3_009, Input::Tick, &[]),
                (3_210, Input::Tick, &["start 1.3 k0 Any Original"]),
                (3_300, done(1, 3), &["commit 1.3", "finish 1"]),
                (4_000, call(2), &["start 2.1 k0 Any Original"]),
                (4_010, fail(2, 1, revoked), &["park 2 quota.requests"]),
                (5_300, Input::Tick, &["start 2.2 k1 Any Original"]),
                (5_310, fail(2, 2, revoked), &["fail 2 from 2 auth.revoked"]),
                (5_400, Input::Key(KeyId(1), KeyChange::Refresh), &[]),
                (5_500, call(3), &["start 3.1 k1 Any Original"]),
            ],
        );
        play(
            "one key",
            config(1, Settings::default()),
            &[
                (0, call(1), &["start 1.1 k0 Any Original"]),
                (10, fail(1, 1, revoked), &["fail 1 from 1 auth.revoked"]),
                (20, call(2), &["park 2 auth.revoked"]),
                (30, Input::Key(KeyId(0), KeyChange::Refresh), &["start 2.1 k0 Any Original"]),
                (40, fail(2, 1, revoked), &["fail 2 from 1 auth.revoked"]),
                (50, call(3), &["park 3 auth.revoked"]),
                (1_300, Input::Tick, &["start 3.1 k0 Any Original"]),
            ],
        );
        play(
            "own credential",
            config(0, Settings::default()),
            &[
                (0, call(1), &["start 1.1 Any Original"]),
                (10, fail(1, 1, revoked), &["fail 1 from 1 auth.revoked"]),
                (20, call(2), &["start 2.1 Any Original"]),
                (30, fail(2, 1, limited(20_000)), &["fail 2 from 1 quota.requests"]),
            ],
        );
    }

    #[test]
    fn what_never_heals_ends_at_once_and_takes_the_other_keys_of_an_organization_along() {
        let refused = |cause| Miss::answer(cause, true, None);
        for (cause, shared) in [
            (Cause::QuotaSpendLimit, false),
            (Cause::QuotaCredit, true),
            (Cause::QuotaBilling, true),
            (Cause::AuthRevoked, false),
            (Cause::AuthInvalid, false),
            (Cause::AuthOrgDisabled, true),
        ] {
            let ends = format!("fail 1 from 1 {cause}");
            play(
                "own credential",
                config(0, Settings::default()),
                &[(0, call(1), &["start 1.1 Any Original"]), (10, fail(1, 1, refused(cause)), &[&ends])],
            );
            play(
                "one key",
                config(1, Settings::default()),
                &[(0, call(1), &["start 1.1 k0 Any Original"]), (10, fail(1, 1, refused(cause)), &[&ends])],
            );
            // The keys are known to be of one organisation from what their answers said.
            let limits = Limits { organization: 5, ..Limits::default() };
            let told = |n| Input::Head(id(n, 1), 200, limits);
            let mut engine = Engine::new(config(2, Settings::default()), 7);
            let mut step = |ms: u64, input: Input| {
                let mut out = Vec::new();
                engine.handle(Mono(ms * 1_000), input, &mut out);
                out.iter().filter_map(short).collect::<Vec<_>>()
            };
            for n in [1, 2] {
                assert_eq!(step(0, call(n)), [format!("start {n}.1 k{} Any Original", n - 1)]);
                step(5, told(n));
                step(9, done(n, 1));
            }
            assert_eq!(step(20, call(3)), ["start 3.1 k0 Any Original"]);
            let after = step(30, fail(3, 1, refused(cause)));
            if shared {
                assert_eq!(after, [format!("fail 3 from 1 {cause}")]);
            } else {
                assert_eq!(after, ["start 3.2 k1 Any Original"]);
                assert_eq!(step(40, fail(3, 2, refused(cause))), [format!("fail 3 from 2 {cause}")]);
            }
        }
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
                (2_100, content(1, 2), &["commit 1.2", "start 2.2 Fresh Original"]),
                (2_200, Input::Tick, &["park 4 http.reset-before-response"]),
                (2_210, fail(2, 2, lost), &["park 2 http.reset-before-response"]),
                (4_100, Input::Tick, &["start 2.3 Fresh Original"]),
                (4_200, content(2, 3), &["commit 2.3", "start 3.2 Fresh Original"]),
                (4_250, content(3, 2), &["commit 3.2", "start 4.2 Fresh Original"]),
                (4_300, done(3, 2), &["finish 3"]),
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

    #[test]
    fn a_limit_that_is_not_to_be_tried_again_is_one_of_its_key() {
        let mut capped = Miss::answer(Cause::QuotaRequests, true, None);
        capped.hint.should_retry = Some(false);
        play(
            "another key, and then the end",
            config(2, Settings::default()),
            &[
                (0, call(1), &["start 1.1 k0 Any Original"]),
                (10, fail(1, 1, capped), &["start 1.2 k1 Any Original"]),
                (20, fail(1, 2, capped), &["fail 1 from 2 quota.requests"]),
            ],
        );
    }

    #[test]
    fn a_used_up_lease_parks_until_it_ends() {
        let lease = Input::Lease { lane: LANE, key: KeyId(0), permits: 1, until: Mono(4_000_000) };
        play(
            "lease",
            config(1, Settings::default()),
            &[
                (0, lease, &[]),
                (1, call(1), &["start 1.1 k0 Any Original"]),
                (2, call(2), &["park 2 quota.requests"]),
                (3_999, Input::Tick, &[]),
                (4_200, Input::Tick, &["start 2.1 k0 Any Original"]),
            ],
        );
    }
}
