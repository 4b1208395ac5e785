//! Trouble that comes and goes, and trouble that never ends: nobody is run against, and nobody starves.

mod model;

#[cfg(test)]
mod waves {
    use clearline_model::Dur;

    use crate::model::{Api, Asked, How, Load, Rng, SECOND, Trouble, World, attempts_milli, success_milli};

    const UNTIL: u64 = 300 * SECOND;

    /// Three calls a second that come by chance, whatever becomes of the others.
    fn load(rng: &mut Rng) -> Load {
        const TICK: u64 = SECOND / 100;
        let mut asked = Vec::new();
        for n in 0..UNTIL / TICK {
            let at = n * TICK + rng.below(TICK);
            if rng.below(100) >= 3 {
                continue;
            }
            let tokens = rng.between((100, 2_000));
            asked.push(Asked {
                at,
                gateway: 0,
                caller: u32::try_from(rng.below(20)).unwrap(),
                plain: rng.below(3) == 0,
                first: rng.between((300, 1_500)),
                rest: tokens * 10,
                tokens,
                input: 200,
            });
        }
        Load::open(asked, UNTIL, Dur::secs(120))
    }

    fn play(seed: u64, api: Api) -> World {
        let mut world = World::new(seed, api, load(&mut Rng::of(seed, 5)));
        world.keep_starts = true;
        world.run()
    }

    /// The most attempts of one call in a second.
    fn busiest(w: &World) -> usize {
        let mut starts: Vec<_> = w.starts.iter().map(|(at, call, _)| (*call, at / SECOND)).collect();
        starts.sort_unstable();
        starts.chunk_by(|a, b| a == b).map(<[_]>::len).max().unwrap()
    }

    /// Some seconds without an answer, some seconds with one, ten times.
    fn flapping(rng: &mut Rng, how: How) -> Api {
        let mut at = 60;
        let mut troubles = Vec::new();
        for _ in 0..10 {
            let (down, up) = (rng.between((3, 8)), rng.between((4, 10)));
            troubles.push(Trouble { from: at * SECOND, until: (at + down) * SECOND, how });
            at += down + up;
        }
        Api { troubles, ..Api::default() }
    }

    #[test]
    fn an_outage_that_comes_and_goes_is_not_run_against() {
        for how in [How::Refused, How::Overloaded(1_000), How::Cut] {
            for seed in 1..=6 {
                let w = play(seed, flapping(&mut Rng::of(seed, 1), how));
                let (success, attempts) = (success_milli(&w.over), attempts_milli(&w.over));
                let most = w.refused.iter().max().unwrap();
                println!("{how:?}, seed {seed}: {success}, {attempts} attempts, {most} in vain in a second");
                assert!(success >= 995 && attempts <= 1_700, "{how:?}, seed {seed}: {success}, {attempts}");
                assert!(*most <= 40, "{how:?}, seed {seed}: {most} in vain in a second");
                let busiest = busiest(&w);
                assert!(busiest <= 10, "{how:?}, seed {seed}: {busiest} attempts of one call in a second");
            }
        }
    }

    #[test]
    fn a_second_storm_is_met_as_the_first_one() {
        for seed in 1..=6 {
            let how = How::Overloaded(1_000);
            let storm = |from: u64| Trouble { from: from * SECOND, until: (from + 20) * SECOND, how };
            let w = play(seed, Api { troubles: vec![storm(50), storm(80)], ..Api::default() });
            let (success, attempts) = (success_milli(&w.over), attempts_milli(&w.over));
            assert!(success >= 995 && attempts <= 1_300, "seed {seed}: {success}, {attempts}");
        }
    }

    #[test]
    fn refusals_by_chance_without_an_end_let_nobody_starve() {
        for seed in 1..=40 {
            let how = How::Overloaded(300);
            let w = play(
                seed,
                Api { troubles: vec![Trouble { from: 0, until: u64::MAX, how }], ..Api::default() },
            );
            let (success, attempts) = (success_milli(&w.over), attempts_milli(&w.over));
            assert!(success >= 980 && attempts <= 1_700, "seed {seed}: {success}, {attempts}");
        }
    }

    #[test]
    fn some_that_are_told_to_come_back_later_keep_nobody_else_waiting() {
        for seed in 1..=40 {
            let w = play(seed, Api { busy: 200, ..Api::default() });
            let (success, attempts) = (success_milli(&w.over), attempts_milli(&w.over));
            assert!(success >= 980 && attempts <= 1_500, "seed {seed}: {success}, {attempts}");
        }
    }

    #[test]
    fn what_wears_out_and_comes_back_is_never_taken_for_chance() {
        for seed in 1..=40 {
            let mut rng = Rng::of(seed, 3);
            let full = rng.between((3_800, 4_300));
            let until = rng.between((90, 110)) * SECOND;
            let low = Trouble { from: 70 * SECOND, until, how: How::Brownout(full / 2) };
            let after = Trouble { from: until, until: u64::MAX, how: How::Brownout(full) };
            let w = play(seed, Api { troubles: vec![low, after], ..Api::default() });
            let attempts = attempts_milli(&w.over);
            assert!(attempts <= 1_500, "seed {seed}: {attempts} attempts for a success");
        }
    }

    #[test]
    fn several_keys_that_are_throttled_by_chance_are_no_worse_than_one() {
        for seed in 1..=10 {
            let took = |keys| {
                let how = How::Throttled(300);
                let api = Api { troubles: vec![Trouble { from: 0, until: u64::MAX, how }], ..Api::default() };
                let load = Load { keys, ..load(&mut Rng::of(seed, 5)) };
                let w = World::new(seed, api, load).run();
                assert_eq!(success_milli(&w.over), 1_000, "seed {seed}, {keys} keys");
                w.over.iter().map(|o| o.ended - o.began).sum::<u64>() / w.over.len() as u64
            };
            let (one, three) = (took(1), took(3));
            assert!(three * 10 <= one * 12, "seed {seed}: {three} with three keys, {one} with one");
        }
    }

    #[test]
    fn an_upstream_that_is_slow_as_a_whole_gives_way_to_one_that_is_not() {
        for seed in 1..=6 {
            let slow = Trouble { from: 60 * SECOND, until: 240 * SECOND, how: How::Slow };
            let api = Api { troubles: vec![slow], others: vec![(1, Vec::new())], ..Api::default() };
            let w = play(seed, api);
            let mut took: Vec<_> = w.over.iter().map(|o| (o.ended - o.began) / 1_000).collect();
            took.sort_unstable();
            let p99 = took[took.len() * 99 / 100];
            assert_eq!(success_milli(&w.over), 1_000);
            assert!(
                p99 <= 25_000,
                "seed {seed}: the slowest of a hundred took {p99} ms, where 22 s would be well"
            );
            assert!(attempts_milli(&w.over) <= 1_100, "seed {seed}: {}", attempts_milli(&w.over));
        }
    }
}
