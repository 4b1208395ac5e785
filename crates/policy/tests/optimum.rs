//! The optimum that the bench compares with: it is what it says, and the engine never beats it.

mod model;

#[cfg(test)]
mod optimum {
    use clearline_model::{Dur, KeyId};
    use clearline_policy::Settings;

    use crate::model::optimum::optimum;
    use crate::model::{Api, Asked, Bucket, How, Load, Rng, SECOND, Trouble, World, is_over};

    /// A call each second, for so many seconds.
    fn load(calls: u64, keys: u32) -> Load {
        let asked = |n| Asked {
            at: n * SECOND,
            gateway: 0,
            caller: 0,
            plain: n % 2 == 0,
            first: 400,
            rest: 3_000,
            tokens: 300,
            input: 200,
        };
        Load {
            asked: (1..=calls).map(asked).collect(),
            leaps: Vec::new(),
            gateways: 1,
            think: (0, 0),
            callers: 0,
            greedy: 0,
            until: (calls + 1) * SECOND,
            deadline: Some(Dur::secs(100)),
            keys,
            settings: Settings { resume: true, ..Settings::default() },
        }
    }

    fn starts(api: &Api, keys: u32) -> Vec<u64> {
        optimum(1, api, &load(8, keys)).iter().map(|b| b.start / 1_000).collect()
    }

    fn trouble(how: How) -> Api {
        let troubles = vec![Trouble { from: 2 * SECOND, until: 6 * SECOND, how }];
        Api { troubles, ..Api::default() }
    }

    #[test]
    fn it_starts_each_call_at_the_first_moment_at_which_the_call_can_succeed() {
        let at_once = [1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000];
        let waits = [1_000, 6_000, 6_000, 6_000, 6_000, 6_000, 7_000, 8_000];
        assert_eq!(starts(&Api::default(), 0), at_once);
        assert_eq!(starts(&trouble(How::Refused), 0), waits);
        assert_eq!(starts(&trouble(How::Overloaded(1_000)), 0), waits);
        // It knows which of them is not refused.
        assert_eq!(starts(&trouble(How::Overloaded(500)), 0), at_once);
        let half = [1_000, 2_000, 4_000, 6_000, 6_000, 6_000, 7_000, 8_000];
        assert_eq!(starts(&trouble(How::Capacity(500)), 0), half);
        // Each answer takes 3.45 s.
        for how in [How::Crowded(1), How::AtOnce(1)] {
            assert_eq!(starts(&trouble(how), 0), [1_000, 4_450, 6_000, 6_000, 6_000, 6_000, 7_000, 8_000]);
        }
        assert_eq!(starts(&trouble(How::Queued(500)), 0), half);
        // Two hundred tokens each, and no more than a hundred come in a second.
        let tokens = Api { input: Some(Bucket::new(6_000, 400)), ..Api::default() };
        assert_eq!(starts(&tokens, 1)[..5], [1_000, 2_000, 3_000, 5_000, 7_000]);
        // None before it: one in a second.
        let ramp =
            Api { troubles: vec![Trouble { from: 0, until: u64::MAX, how: How::Ramp(1) }], ..Api::default() };
        assert_eq!(starts(&ramp, 0), at_once);
        let minute = Api { minute: Some(3), ..Api::default() };
        assert_eq!(starts(&minute, 2), [1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 60_000, 60_000]);
        let revoked = Some((KeyId(1), 2 * SECOND));
        let minute = Api { revoked, ..minute };
        assert_eq!(starts(&minute, 2)[2..6], [3_000, 60_000, 60_000, 60_000]);
        let bucket = Api { requests: Some(Bucket::new(30, 2)), ..Api::default() };
        assert_eq!(starts(&bucket, 1)[..4], [1_000, 2_000, 3_000, 5_000]);
    }

    #[test]
    fn it_pays_for_a_break_with_one_more_first_byte() {
        let cut = optimum(1, &Api { cuts: 1_000, ..Api::default() }, &load(2, 0));
        // The second is no stream: nothing of it can be resumed, and that it breaks is known.
        assert_eq!(cut.iter().map(|b| b.attempts).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(cut.iter().map(|b| (b.ended - b.start) / 1_000).collect::<Vec<_>>(), [3_900, 3_450]);
    }

    #[test]
    fn it_does_not_bring_a_capacity_down_that_falls_with_the_attempts() {
        for seed in 1..=20 {
            let mut rng = Rng::of(seed, 4);
            let capacity = rng.between((1_500, 5_500));
            let troubles = vec![Trouble { from: 0, until: u64::MAX, how: How::Brownout(capacity) }];
            let mut load = load(600, 0);
            load.asked.iter_mut().enumerate().for_each(|(n, a)| a.at = n as u64 * SECOND / 10);
            let mut seconds = vec![0_u32; 1_000];
            for best in optimum(seed, &Api { troubles, ..Api::default() }, &load) {
                seconds[usize::try_from(best.start / SECOND).unwrap()] += 1;
            }
            let over = seconds.iter().filter(|s| is_over(**s, capacity)).count();
            assert_eq!(over, 0, "seed {seed}, {capacity}: {seconds:?}");
        }
    }

    #[test]
    fn the_engine_never_beats_it() {
        for seed in 1..=10 {
            let mut rng = Rng::of(seed, 3);
            let mut api = Api { errors: rng.below(100), cuts: rng.below(100), ..Api::default() };
            api.troubles = trouble(How::Capacity(rng.between((300, 900)))).troubles;
            let load = load(60, 0);
            let best = optimum(seed, &api, &load);
            let world = World::new(seed, api, load).run();
            assert_eq!(world.over.len(), best.len());
            let sum = |ends: &mut dyn Iterator<Item = u64>| ends.sum::<u64>();
            let ours = sum(&mut world.over.iter().map(|o| o.ended));
            assert!(ours >= sum(&mut best.iter().map(|b| b.ended)), "seed {seed}");
        }
    }
}
