//! What must hold at every event, whatever goes wrong, in worlds that are drawn from seeds.
//!
//! A seed that fails is written into `invariants.seeds` beside this file and is played first from then on.

#![expect(clippy::disallowed_methods, reason = "a seed that fails is written down")]

mod model;

#[cfg(test)]
mod invariants {
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    use std::path::PathBuf;

    use clearline_model::{AddrId, Dur, KeyId};
    use clearline_policy::{Hedge, Settings};

    use crate::model::{Api, Asked, Bucket, How, Load, Rng, SECOND, Trouble, World};

    /// What is drawn is more than a run shows: so many worlds each time, besides those that failed once.
    const WORLDS: u64 = 60;

    /// How large a world is.
    #[derive(Clone, Copy)]
    struct Size {
        gateways: usize,
        callers: u32,
        keys: u32,
        seconds: u64,
    }

    fn one_of<T: Copy>(rng: &mut Rng, all: &[T]) -> T {
        all[usize::try_from(rng.below(all.len() as u64)).unwrap()]
    }

    /// A share in thousandths, mostly none.
    fn rare(rng: &mut Rng) -> u64 {
        if rng.below(3) == 0 { rng.between((5, 150)) } else { 0 }
    }

    fn trouble(rng: &mut Rng, seconds: u64) -> Trouble {
        let from = rng.below(seconds) * SECOND;
        let until = from + rng.between((3, 60)) * SECOND;
        let capacity = rng.between((300, 8_000));
        let how = [
            How::Overloaded(1_000),
            How::Overloaded(rng.between((200, 900))),
            How::Refused,
            How::Cut,
            How::Capacity(capacity),
            How::Brownout(capacity),
            How::Crowded(usize::try_from(rng.between((1, 30))).unwrap()),
            How::AtOnce(usize::try_from(rng.between((1, 30))).unwrap()),
        ];
        Trouble { from, until, how: one_of(rng, &how) }
    }

    fn api(rng: &mut Rng, size: Size) -> Api {
        let mut api = Api {
            troubles: (0..rng.below(4)).map(|_| trouble(rng, size.seconds)).collect(),
            errors: rare(rng),
            resets: rare(rng),
            unopened: rare(rng),
            hangs: rare(rng) / 4,
            slow: rare(rng),
            busy: rare(rng),
            cuts: rare(rng),
            events: rare(rng),
            stalls: rare(rng) / 4,
            headers: rng.below(2) == 0,
            hints: rng.below(4) > 0,
            first: (50, rng.between((60, 3_000))),
            rest: (100, rng.between((200, 20_000))),
            ..Api::default()
        };
        if rng.below(4) == 0 {
            api.bad_addr = Some(AddrId(0));
            api.turns = Some(Dur::secs(rng.between((2, 9))));
        }
        if rng.below(3) == 0 {
            api.requests = Some(Bucket::new(rng.between((20, 600)), rng.between((1, 20))));
        }
        if rng.below(4) == 0 {
            api.output = Some(Bucket::new(rng.between((5_000, 200_000)), rng.between((2_500, 20_000))));
        }
        if rng.below(5) == 0 {
            api.minute = Some(rng.between((20, 400)));
        }
        if rng.below(3) == 0 {
            api.organizations = (0..size.keys).map(|k| 7 + u64::from(k % 3)).collect();
        }
        if rng.below(3) == 0 {
            api.revoked = Some((KeyId(0), rng.below(size.seconds) * SECOND));
        }
        api
    }

    fn settings(rng: &mut Rng, gateways: usize) -> Settings {
        let plain = Settings::default();
        Settings {
            patience: Dur::secs(rng.between((3, 60))),
            attempts_max: u16::try_from(rng.between((3, 50))).unwrap(),
            budget_start_milli: rng.between((0, 10_000)),
            budget_max_milli: rng.between((1_000, 20_000)),
            budget_per_second_milli: rng.between((100, 2_000)),
            maybe_billed: rng.below(4) > 0,
            key_pacing: rng.below(4) > 0,
            hedge: one_of(rng, &[Hedge::Auto, Hedge::Auto, Hedge::Off, Hedge::After(Dur::secs(2))]),
            resume: rng.below(2) == 0,
            in_flight_max: one_of(rng, &[None, None, Some(3), Some(20)]),
            limiter_signals: one_of(rng, &[4, 4, 2, 0]),
            limiter_fleet: one_of(rng, &[1, u32::try_from(gateways).unwrap()]),
            ..plain
        }
    }

    /// The clock leaps back, forward, or by hours, as that of a machine which slept.
    fn leaps(rng: &mut Rng, seconds: u64) -> Vec<(u64, i64)> {
        let mut leaps: Vec<_> = (0..rng.below(4))
            .map(|_| {
                let by = rng.between((1, 40)).cast_signed() * 1_000_000;
                let by = [by, -by, 3_600 * by / 10][usize::try_from(rng.below(3)).unwrap()];
                (rng.below(seconds) * SECOND, by)
            })
            .collect();
        leaps.sort_unstable();
        leaps
    }

    /// Callers that think, or calls that come by chance, of which some are no streams.
    fn asked(rng: &mut Rng, api: &Api, size: Size) -> Vec<Asked> {
        if rng.below(2) == 0 {
            return Vec::new();
        }
        let count = size.gateways as u64 * u64::from(size.callers) * 4;
        let mut asked: Vec<_> = (0..count)
            .map(|_| {
                let tokens = rng.between(api.tokens);
                Asked {
                    at: rng.below(size.seconds * SECOND),
                    gateway: usize::try_from(rng.below(size.gateways as u64)).unwrap(),
                    caller: u32::try_from(rng.below(u64::from(size.callers))).unwrap(),
                    plain: rng.below(3) == 0,
                    first: rng.between(api.first),
                    rest: tokens * 10,
                    tokens,
                    input: 200,
                }
            })
            .collect();
        asked.sort_by_key(|a| a.at);
        asked
    }

    /// The world of a seed, with a witness for each gateway.
    fn world(seed: u64, size: Size) -> World {
        let mut rng = Rng::of(seed, 6);
        let api = api(&mut rng, size);
        let load = Load {
            asked: asked(&mut rng, &api, size),
            leaps: leaps(&mut rng, size.seconds),
            gateways: size.gateways,
            think: (100, rng.between((200, 20_000))),
            callers: size.callers,
            greedy: u32::try_from(rng.below(u64::from(size.callers / 2) + 1)).unwrap(),
            until: size.seconds * SECOND,
            deadline: one_of(&mut rng, &[None, Some(Dur::secs(8)), Some(Dur::secs(100))]),
            keys: size.keys,
            settings: settings(&mut rng, size.gateways),
        };
        let mut world = World::new(seed, api, load);
        world.leaves = rare(&mut rng);
        world.leases = one_of(&mut rng, &[None, None, Some(3), Some(40)]);
        world.watch();
        world
    }

    fn drawn(seed: u64) -> Size {
        let mut rng = Rng::of(seed, 5);
        Size {
            gateways: one_of(&mut rng, &[1, 1, 2, 12]),
            callers: one_of(&mut rng, &[3, 12, 40]),
            keys: one_of(&mut rng, &[0, 1, 3, 12]),
            seconds: rng.between((30, 150)),
        }
    }

    /// The seeds that failed once.
    const KEPT: &str = include_str!("invariants.seeds");

    fn kept() -> Vec<u64> {
        KEPT.lines().filter(|l| !l.starts_with('#')).map(|l| l.trim().parse().unwrap()).collect()
    }

    /// Plays what a seed makes, and keeps the seed where that fails.
    fn keeping(seed: u64, play: impl FnOnce()) {
        catch_unwind(AssertUnwindSafe(play)).unwrap_or_else(|why| {
            if !kept().contains(&seed) {
                let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join("invariants.seeds");
                std::fs::write(file, format!("{KEPT}{seed}\n")).unwrap();
            }
            println!("it was seed {seed}");
            resume_unwind(why)
        });
    }

    #[test]
    fn every_promise_is_kept_at_every_event_and_twice_in_the_same_way() {
        let (mut calls, mut attempts, mut lost) = (0, 0, 0);
        for seed in kept().into_iter().chain(1..=WORLDS) {
            keeping(seed, || {
                let once = world(seed, drawn(seed)).run();
                assert_eq!(once.hash, world(seed, drawn(seed)).run().hash, "two runs differ");
                calls += once.over.len();
                attempts += once.over.iter().map(|o| usize::from(o.attempts)).sum::<usize>();
                lost += once.over.iter().filter(|o| !o.succeeded).count();
            });
        }
        println!("{calls} calls, {attempts} attempts, {lost} without success");
        assert!(calls > 10_000 && attempts > calls && lost > 0, "the worlds are neither empty nor all well");
    }

    /// Calls that wait while nothing is taken, on a machine that then sleeps for two hours: the most that start within a
    /// tenth of a second after it, and how many wait.
    fn slept(settings: Settings, keys: u32) -> (usize, usize) {
        let at = 60 * SECOND;
        let trouble = Trouble { from: 20 * SECOND, until: at, how: How::Overloaded(1_000) };
        let api = Api { troubles: vec![trouble], requests: Some(Bucket::new(6_000, 20)), ..Api::default() };
        let load = Load {
            asked: Vec::new(),
            leaps: vec![(at, 7_200_000_000)],
            gateways: 1,
            think: (100, 20_000),
            callers: 300,
            greedy: 0,
            until: at + 30 * SECOND,
            deadline: None,
            keys,
            settings: Settings { patience: Dur::secs(20_000), ..settings },
        };
        let mut world = World::new(9, api, load);
        world.keep_starts = true;
        world.watch();
        let w = world.run();
        assert!(w.over.iter().all(|o| o.succeeded), "no call is lost");
        let first = w.starts.iter().filter(|(s, ..)| (at..at + SECOND / 10).contains(s)).count();
        (first, w.open_at(at))
    }

    #[test]
    fn a_machine_that_slept_for_hours_does_not_release_everything_at_once() {
        let plain = Settings { limiter_signals: 0, ..Settings::default() };
        for (settings, keys) in [(plain, 0), (plain, 3), (Settings::default(), 0), (Settings::default(), 3)] {
            let (first, waited) = slept(settings, keys);
            println!("{first} of {waited}");
            assert!(waited > 200 && first * 20 <= waited, "{first} of {waited}");
        }
    }

    #[test]
    fn so_they_are_among_a_thousand_gateways_and_with_thousands_of_keys() {
        for (seed, gateways, callers, keys) in [(501, 1_000, 3, 0), (502, 1_000, 2, 1), (503, 1, 300, 2_000)]
        {
            let size = Size { gateways, callers, keys, seconds: 25 };
            let calls = world(seed, size).run().over.len();
            println!("{calls} calls");
            assert!(calls > 1_000);
        }
    }

    #[test]
    fn whichever_report_of_all_is_a_failure_instead_they_are_kept() {
        let size =
            |seed| Size { gateways: 1, callers: 4, keys: u32::try_from(seed % 3).unwrap(), seconds: 40 };
        for seed in 601..=640 {
            let reports = world(seed, size(seed)).run().reports;
            assert!(reports > 20, "{reports}");
            for nth in 1..=reports {
                let mut broken = world(seed, size(seed));
                broken.break_at = Some(nth);
                broken.run();
            }
        }
    }
}
