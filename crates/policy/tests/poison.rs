//! One caller whose calls all fail: the others do not wait for it.

mod model;

#[cfg(test)]
mod poison {
    use clearline_model::Dur;

    use crate::model::{Api, Asked, Load, Rng, SECOND, World};

    const UNTIL: u64 = 120 * SECOND;

    /// So many calls a second that come by chance, and of them so many of a hundred of one caller.
    fn load(rng: &mut Rng, a_second: u64, percent: u64) -> Load {
        const TICK: u64 = SECOND / 100;
        let mut asked = Vec::new();
        for n in 0..UNTIL / TICK {
            let at = n * TICK + rng.below(TICK);
            if rng.below(100) >= a_second {
                continue;
            }
            let tokens = rng.between((100, 2_000));
            let others = 1 + u32::try_from(rng.below(20)).unwrap();
            asked.push(Asked {
                at,
                gateway: 0,
                caller: if rng.below(100) < percent { 0 } else { others },
                plain: n.is_multiple_of(3),
                first: rng.between((300, 1_500)),
                rest: tokens * 10,
                tokens,
                input: 200,
            });
        }
        Load::open(asked, UNTIL, Dur::secs(60))
    }

    #[test]
    fn nobody_waits_for_a_caller_whose_calls_all_get_a_500() {
        for (a_second, percent) in [(3, 5), (3, 20), (3, 40), (3, 60), (30, 5), (30, 20), (30, 40), (30, 60)]
        {
            let load = load(&mut Rng::of(a_second, percent), a_second, percent);
            let callers: Vec<_> = load.asked.iter().map(|a| a.caller).collect();
            let w = World::new(5, Api { poison: Some(0), ..Api::default() }, load).run();
            let others = || w.over.iter().filter(|o| o.asked.is_some_and(|n| callers[n] != 0));
            let waited = others().map(|o| o.last - o.began).max().unwrap();
            assert!(others().all(|o| o.succeeded), "{percent} of a hundred of {a_second} a second");
            assert!(waited < SECOND / 10, "{percent} of a hundred of {a_second} a second: {waited} us");
        }
    }
}
