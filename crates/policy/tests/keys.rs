//! Keys of a pool: which is next, which rests, which is out.

mod play;

#[cfg(test)]
mod keys {
    use clearline_model::{Cause, KeyId, Limits, Mono};
    use clearline_policy::{Engine, Input, KeyChange, Miss, Settings};

    use crate::play::{LANE, call, config, done, fail, id, limited, play, short};

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
