//! Crowds in virtual time: what many callers do to an API that is in trouble, and how fast they come back.

mod model;

#[cfg(test)]
mod crowds {
    use clearline_model::Dur;
    use clearline_policy::{Hedge, Settings};

    use crate::model::{
        Api, Asked, Bucket, How, Load, Over, Rng, SECOND, Trouble, World, attempts_milli, success_milli,
    };

    fn load(gateways: usize, callers: u32, until: u64) -> Load {
        Load {
            asked: Vec::new(),
            leaps: Vec::new(),
            gateways,
            think: (5_000, 60_000),
            callers,
            greedy: 0,
            until,
            deadline: None,
            keys: 0,
            settings: Settings { limiter_fleet: u32::try_from(gateways).unwrap(), ..Settings::default() },
        }
    }

    /// Gateways with callers, an outage, and a capacity a quarter above the load: what is drawn comes from the seed.
    fn outage(seed: u64, gateways: usize, lasts: u64, how: How) -> (World, u64, u64) {
        let mut rng = Rng(seed * 77 + 1);
        let from = (60 + rng.below(60)) * SECOND;
        let until = from + lasts + rng.below(30 * SECOND);
        // A call of each caller takes some 45 s with its thinking.
        let capacity = gateways as u64 * 100 * 1_000 / 45 * (1_100 + rng.below(400)) / 1_000;
        let api = Api { troubles: vec![Trouble { from, until, how }], capacity, ..Api::default() };
        (World::new(seed, api, load(gateways, 100, until + 300 * SECOND)), until, capacity)
    }

    #[test]
    fn after_an_outage_a_crowd_comes_back_without_a_second_one() {
        for (seed, how) in [(1, How::Refused), (2, How::Overloaded(1_000)), (3, How::Refused)] {
            let (world, until, capacity) = outage(seed, 20, 240 * SECOND, how);
            let w = world.run();
            let end = usize::try_from(until / SECOND).unwrap();
            let backlog = w.open_at(until) as u64;
            let gone = until + 60 * SECOND + backlog * 1_000 * SECOND / capacity;
            let back = usize::try_from(gone / SECOND).unwrap();
            let most = |seconds: &[u32]| u64::from(*seconds.iter().max().unwrap()) * 1_000;
            // While the backlog goes; later seconds are those of callers who come when they like, and no second herd.
            let herd = most(&w.offered[end + 1..back]);
            assert!(herd <= capacity * 115 / 100 + 3_000, "a herd: {herd} of {capacity}");
            // A second of callers who happen to come together is none; ten of them would be.
            let later = w.offered[back..].windows(10).map(|s| s.iter().sum::<u32>()).max().unwrap();
            let later = u64::from(later) * 100;
            assert!(later <= capacity * 115 / 100 + 1_000, "a second herd: {later} of {capacity}");
            let late = w.over.iter().filter(|o| o.began < until && o.ended > until && !o.succeeded).count();
            let after: Vec<_> = w.over.iter().filter(|o| o.began > gone).copied().collect();
            let slow = after.iter().filter(|o| o.ended - o.began > 30 * SECOND).count();
            println!("backlog {backlog}, {late} lost, {slow} slow after, {}", attempts_milli(&after));
            assert!(success_milli(&after) >= 999, "still failing a minute later");
            assert_eq!(slow, 0, "the backlog is gone");
        }
    }

    #[test]
    fn in_an_outage_each_gateway_only_probes_and_never_stops_probing() {
        let (mut world, until, _) = outage(5, 1, 240 * SECOND, How::Overloaded(1_000));
        world.keep_starts = true;
        let w = world.run();
        let from = until - 120 * SECOND;
        let probes: Vec<_> = w.starts.iter().map(|s| s.0).filter(|at| (from..until).contains(at)).collect();
        assert!((18..=30).contains(&probes.len()), "one each five seconds or so: {}", probes.len());
        assert!(probes.windows(2).all(|p| p[1] - p[0] <= 6 * SECOND), "the probe never starves");
    }

    #[test]
    fn a_caller_with_few_calls_is_not_kept_waiting_by_one_with_many() {
        // More is wanted than is taken: one caller has fifty calls open at any time, ten others have one each.
        let troubles = vec![Trouble { from: 20 * SECOND, until: 200 * SECOND, how: How::Capacity(3_000) }];
        let api = Api { troubles, first: (200, 400), rest: (100, 200), ..Api::default() };
        let mut load = load(1, 60, 200 * SECOND);
        load.greedy = 50;
        load.think = (100, 10_000);
        load.deadline = Some(Dur::secs(60));
        let w = World::new(3, api, load).run();
        let slowed: Vec<_> = w.over.iter().filter(|o| o.began > 60 * SECOND).copied().collect();
        assert!(attempts_milli(&slowed) <= 1_400, "{}", attempts_milli(&slowed));
        let (many, few): (Vec<_>, Vec<_>) = slowed.iter().copied().partition(|o| o.caller.0 < 50);
        let took = |calls: &[Over]| {
            calls.iter().map(|o| o.ended - o.began).sum::<u64>() / (calls.len() as u64).max(1) / 1_000
        };
        println!("{} ms for the many, {} ms for the few", took(&many), took(&few));
        assert_eq!(success_milli(&few), 1_000);
        assert!(took(&few) * 2 < took(&many), "{} and {}", took(&few), took(&many));
    }

    #[test]
    fn a_capacity_that_falls_with_the_attempts_is_not_pushed_down() {
        let mut calm = Vec::new();
        for seed in 1..=3 {
            let how = How::Brownout(2_500);
            let troubles = vec![Trouble { from: 30 * SECOND, until: 330 * SECOND, how }];
            let api = Api { troubles, ..Api::default() };
            let mut load = load(1, 100, 330 * SECOND);
            load.deadline = Some(Dur::secs(60));
            let w = World::new(seed, api, load).run();
            calm.push((success_milli(&w.over), attempts_milli(&w.over)));
        }
        println!("{calm:?}");
        assert!(calm.iter().all(|(success, attempts)| *success >= 980 && *attempts <= 1_600), "{calm:?}");
    }

    /// Three keys that are asked for nearly what they have: success, attempts for each, the worst wait in milliseconds.
    fn quotas(seed: u64, change: impl Fn(&mut Api)) -> (u64, u64, u64) {
        let mut rng = Rng(seed * 91 + 5);
        let per_minute = 35 + rng.below(15);
        let mut api = Api { requests: Some(Bucket::new(per_minute, 5 + rng.below(5))), ..Api::default() };
        (api.first, api.rest) = ((300, 900), (500, 4_000));
        change(&mut api);
        let mut load = load(1, 60, 300 * SECOND);
        (load.keys, load.deadline) = (3, Some(Dur::secs(100)));
        load.think = (1_000, 30_000);
        let w = World::new(seed, api, load).run();
        let worst = w.over.iter().map(|o| (o.ended - o.began) / 1_000).max().unwrap();
        (success_milli(&w.over), attempts_milli(&w.over), worst)
    }

    #[test]
    fn limits_that_the_headers_tell_are_kept_to_and_others_are_learned() {
        for seed in 1..=3 {
            let told = quotas(seed, |_| ());
            let shared = quotas(seed, |api| {
                api.organizations = vec![9, 9, 9];
                api.requests = api.requests.map(|b| Bucket::new(3 * b.per_minute, 3 * b.burst));
            });
            let output = quotas(seed, |api| {
                (api.requests, api.output) = (None, Some(Bucket::new(50_000, 5_000)));
            });
            let hints = quotas(seed, |api| api.headers = false);
            let nothing = quotas(seed, |api| (api.headers, api.hints) = (false, false));
            for (success, attempts, _) in [told, shared, output] {
                assert!(success == 1_000 && attempts <= 1_020, "{success} {attempts}");
            }
            for (success, attempts, _) in [hints, nothing] {
                assert!(success == 1_000 && attempts <= 1_200, "{success} {attempts}");
            }
        }
    }

    /// What hedges cost and save: attempts for each success and calls that were billed twice, thousandths, and the worst
    /// times, milliseconds.
    fn hedged(seed: u64, hedge: Hedge, change: impl Fn(&mut Rng, &mut Api)) -> (u64, u64, u64) {
        let mut api = Api::default();
        change(&mut Rng(seed * 31 + 7), &mut api);
        let mut load = load(1, 60, 300 * SECOND);
        (load.deadline, load.settings.hedge) = (Some(Dur::secs(120)), hedge);
        let w = World::new(seed, api, load).run();
        let billed = w.over.iter().filter(|o| o.billed > 1).count() as u64 * 1_000 / w.over.len() as u64;
        let mut took: Vec<_> = w.over.iter().map(|o| (o.ended - o.began) / 1_000).collect();
        took.sort_unstable();
        assert!(hedge == Hedge::Off || success_milli(&w.over) == 1_000);
        (attempts_milli(&w.over), billed, took[took.len() * 99 / 100])
    }

    #[test]
    fn a_hang_does_not_cost_its_limit_and_healthy_calls_cost_nothing_more() {
        for seed in 1..=3 {
            let hangs = |r: &mut Rng, a: &mut Api| a.hangs = r.between((20, 50));
            let slow = |r: &mut Rng, a: &mut Api| a.slow = r.between((20, 50));
            let (attempts, billed, _) = hedged(seed, Hedge::Auto, |_, _| ());
            assert_eq!((attempts, billed), (1_000, 0), "healthy");
            let (attempts, billed, worst) = hedged(seed, Hedge::Auto, hangs);
            let without = hedged(seed, Hedge::Off, hangs);
            println!("hangs {attempts} {billed} {worst}, without {without:?}");
            assert!(attempts <= 1_080 && billed == 0 && worst <= 30_000 && without.2 > 30_000);
            let (attempts, billed, worst) = hedged(seed, Hedge::Auto, slow);
            let without = hedged(seed, Hedge::Off, slow);
            println!("slow {attempts} {billed} {worst}, without {without:?}");
            assert!(attempts <= 1_080 && billed <= 60 && worst + 5_000 < without.2);
        }
    }

    /// Calls of which none is streamed: success, and attempts for each of them, thousandths.
    fn whole(seed: u64, hangs: u64) -> (u64, u64) {
        let mut rng = Rng(seed * 53 + 9);
        let api = Api { hangs, ..Api::default() };
        let mut load = load(1, 20, 300 * SECOND);
        load.deadline = Some(Dur::secs(120));
        load.asked = (1..=600)
            .map(|n| {
                let tokens = rng.between(api.tokens);
                let first = rng.between(api.first);
                let at = n * SECOND / 2 + rng.below(SECOND / 4);
                Asked { at, gateway: 0, caller: 0, plain: true, first, rest: tokens * 10, tokens, input: 200 }
            })
            .collect();
        let w = World::new(seed, api, load).run();
        (success_milli(&w.over), attempts_milli(&w.over))
    }

    #[test]
    fn an_answer_that_is_not_streamed_is_not_waited_for_when_it_hangs_nor_doubled_when_it_is_long() {
        for seed in 1..=3 {
            assert_eq!(whole(seed, 0).1, 1_000, "healthy answers, however long, get no second attempt");
            let (success, attempts) = whole(seed, 30);
            // One for ten calls, and half of one back for each that was answered first.
            assert!(success >= 995 && attempts <= 1_150, "success {success}, attempts {attempts}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_crowd() {
        let run = |seed| outage(seed, 4, 60 * SECOND, How::Refused).0.run().hash;
        assert_eq!(run(8), run(8));
        assert_ne!(run(8), run(9));
    }
}
