//! The engine against an API in trouble, in virtual time: `cargo xtask bench resilience`.

#[path = "../tests/model/mod.rs"]
mod model;

use std::io::Write;

use clearline_model::{Dur, KeyId};
use clearline_policy::Settings;

use crate::model::{
    Api, Bucket, How, Load, Over, Rng, SECOND, Trouble, World, attempts_milli, success_milli,
};

struct Scene {
    name: &'static str,
    keys: u32,
    change: fn(&mut Rng, &mut Api),
}

const fn scene(name: &'static str, keys: u32, change: fn(&mut Rng, &mut Api)) -> Scene {
    Scene { name, keys, change }
}

fn trouble(rng: &mut Rng, lasts: (u64, u64), how: How) -> Vec<Trouble> {
    let from = rng.between((60, 120)) * SECOND;
    vec![Trouble { from, until: from + rng.between(lasts) * SECOND, how }]
}

fn quota(rng: &mut Rng, api: &mut Api) {
    api.requests = Some(Bucket::new(rng.between((35, 50)), rng.between((5, 10))));
    (api.first, api.rest) = ((300, 900), (500, 4_000));
}

const SCENES: &[Scene] = &[
    scene("healthy", 0, |_, _| ()),
    scene("some 500", 0, |r, a| a.errors = r.between((30, 80))),
    scene("storm of 529", 0, |r, a| a.troubles = trouble(r, (40, 70), How::Overloaded(1_000))),
    scene("half of all 529", 0, |r, a| a.troubles = trouble(r, (60, 90), How::Overloaded(500))),
    scene("nothing listens", 0, |r, a| a.troubles = trouble(r, (20, 60), How::Refused)),
    scene("429 with headers", 3, quota),
    scene("429 with hints", 3, |r, a| {
        quota(r, a);
        a.headers = false;
    }),
    scene("429 and nothing", 3, |r, a| {
        quota(r, a);
        (a.headers, a.hints) = (false, false);
    }),
    scene("output tokens", 3, |r, a| a.output = Some(Bucket::new(r.between((45_000, 60_000)), 6_000))),
    scene("one organisation", 3, |r, a| {
        quota(r, a);
        a.requests = a.requests.map(|b| Bucket::new(3 * b.per_minute, 3 * b.burst));
        a.organizations = vec![4, 4, 4];
    }),
    scene("resets", 0, |r, a| a.resets = r.between((50, 150))),
    scene("cut streams", 0, |r, a| a.cuts = r.between((20, 60))),
    scene("slow answers", 0, |r, a| a.slow = r.between((50, 150))),
    scene("a key revoked", 3, |r, a| a.revoked = Some((KeyId(0), r.between((60, 120)) * SECOND))),
    scene("error events", 0, |r, a| a.events = r.between((50, 120))),
    scene("brown-out", 0, |r, a| {
        let capacity = r.between((1_500, 2_000));
        a.troubles = trouble(r, (120, 180), How::Brownout(capacity));
    }),
    scene("less capacity", 0, |r, a| {
        let capacity = r.between((1_200, 1_800));
        a.troubles = trouble(r, (60, 120), How::Capacity(capacity));
    }),
];

fn load(keys: u32) -> Load {
    Load {
        gateways: 1,
        think: (1_000, 30_000),
        callers: 60,
        greedy: 0,
        until: 360 * SECOND,
        deadline: Some(Dur::secs(120)),
        keys,
        settings: Settings { limiter_signals: 4, ..Settings::default() },
    }
}

fn milliseconds(over: &[Over], share: usize) -> u64 {
    let mut took: Vec<_> = over.iter().map(|o| (o.ended - o.began) / 1_000).collect();
    took.sort_unstable();
    took.get(took.len().saturating_sub(1) * share / 100).copied().unwrap_or(0)
}

fn part(milli: u64) -> String {
    format!("{}.{:03}", milli / 1_000, milli % 1_000)
}

fn scenes(out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "{:18} seed  calls  success  attempts/success  p50 ms   p99 ms  billed twice", "scene")?;
    for scene in SCENES {
        for seed in 1..=3 {
            let mut api = Api::default();
            (scene.change)(&mut Rng(seed * 1_013 + 7), &mut api);
            let w = World::new(seed, api, load(scene.keys)).run();
            let twice = w.over.iter().filter(|o| o.billed > 1).count();
            writeln!(
                out,
                "{:18} {seed:4} {:6} {:>8} {:>17} {:7} {:8} {twice:13}",
                scene.name,
                w.over.len(),
                part(success_milli(&w.over)),
                part(attempts_milli(&w.over)),
                milliseconds(&w.over, 50),
                milliseconds(&w.over, 99),
            )?;
        }
    }
    Ok(())
}

/// A thousand gateways with a hundred callers each, through an outage: what the API sees after it.
fn herd(out: &mut impl Write, lasts: u64) -> std::io::Result<()> {
    writeln!(out, "1,000 gateways with 100 callers each, an outage of {} s", lasts / SECOND)?;
    for (seed, how) in [(1, How::Refused), (2, How::Overloaded(1_000)), (3, How::Refused)] {
        let mut rng = Rng(seed * 77 + 1);
        let from = rng.between((60, 120)) * SECOND;
        let until = from + lasts;
        // Each caller makes a call in some 45 s.
        let capacity = 100_000_000 / 45 * rng.between((1_100, 1_500)) / 1_000;
        let api = Api { troubles: vec![Trouble { from, until, how }], capacity, ..Api::default() };
        let (gateways, callers, think) = (1_000, 100, (5_000, 60_000));
        let load = Load { gateways, callers, think, until: until + 180 * SECOND, ..load(0) };
        let w = World::new(seed, api, load).run();
        let end = usize::try_from(until / SECOND).unwrap_or(0) + 1;
        let most = u64::from(w.offered.get(end..).and_then(|s| s.iter().max().copied()).unwrap_or(0));
        let backlog = w.open_at(until) as u64;
        let served = w.over.iter().filter(|o| o.began < until && o.ended > until);
        let gone = served.map(|o| o.last.saturating_sub(until)).max().unwrap_or(0) / SECOND;
        let bound = 60 + backlog * 1_000 / capacity;
        writeln!(
            out,
            "seed {seed}: capacity {}/s, worst second {most} = {} x; backlog {backlog}, gone after {gone} s of {bound} s",
            capacity / 1_000,
            part(most * 1_000_000 / capacity),
        )?;
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("herd") => {
            let seconds: u64 = words.get(1).and_then(|w| w.parse().ok()).unwrap_or(3_600);
            herd(&mut out, seconds * SECOND)
        }
        Some(_) | None => scenes(&mut out),
    }
}
