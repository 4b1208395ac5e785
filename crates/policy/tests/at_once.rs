//! A limit of answers under way that the server names without a number: it is used, found anew, and not run against.

mod model;

#[cfg(test)]
mod at_once {
    use clearline_model::Dur;

    use crate::model::optimum::optimum;
    use crate::model::{Api, Asked, How, Load, Rng, SECOND, Trouble, World, attempts_milli, success_milli};

    /// Twice as many as may be under way would be without the limit.
    fn load(rng: &mut Rng, keys: u32) -> Load {
        let asked = |n: u64| {
            let tokens = rng.between((100, 1_900));
            Asked {
                at: n * SECOND / 2 + rng.below(SECOND / 2),
                gateway: 0,
                caller: u32::try_from(n % 7).unwrap(),
                plain: n.is_multiple_of(3),
                first: rng.between((300, 1_500)),
                rest: tokens * 10,
                tokens,
                input: 200,
            }
        };
        Load { keys, ..Load::open((0..400).map(asked).collect(), 200 * SECOND, Dur::secs(120)) }
    }

    #[test]
    fn it_is_used_up_and_its_end_is_found() {
        for (seed, keys) in (1..=8).flat_map(|seed| [(seed, 0), (seed, 1), (seed, 3)]) {
            let mut rng = Rng::of(seed, 9);
            let most = usize::try_from(rng.between((10, 14))).unwrap();
            let limit = Trouble { from: 40 * SECOND, until: 100 * SECOND, how: How::AtOnce(most) };
            let api = Api { troubles: vec![limit], ..Api::default() };
            let load = load(&mut rng, keys);
            let best = optimum(seed, &api, &load);
            let came: Vec<_> = load.asked.iter().map(|a| a.at).collect();
            let w = World::new(seed, api, load).run();
            assert_eq!(success_milli(&w.over), 1_000, "seed {seed}, {keys} keys");
            assert!(
                attempts_milli(&w.over) <= 1_150,
                "seed {seed}, {keys} keys: {}",
                attempts_milli(&w.over)
            );
            let best: u64 = best.iter().zip(came).map(|(b, at)| b.ended - at).sum();
            let ours: u64 = w.over.iter().map(|o| o.ended - o.began).sum();
            assert!(ours * 100 <= best * 112, "seed {seed}, {keys} keys: {ours} of {best}");
        }
    }
}
