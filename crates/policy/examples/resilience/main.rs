//! The engine against an API in trouble, in virtual time, beside the optimum: `cargo xtask bench resilience`.

#[path = "../../tests/model/mod.rs"]
mod model;
mod scenes;
mod score;
mod table;

use std::io::Write;
use std::process::ExitCode;

use clearline_model::Dur;
use clearline_policy::{Hedge, Settings};

use crate::model::{Api, How, Load, Rng, SECOND, Trouble, World, optimum::optimum};
use crate::scenes::{SCENES, Scene};
use crate::score::Pair;

/// So many seeds where nothing else is said: the median of three is as good as its draw.
const SEEDS: u64 = 15;

/// What is asked for.
struct Wanted {
    settings: Settings,
    json: bool,
    why: bool,
    /// Seeds from this one on, and how many.
    first: u64,
    seeds: u64,
    /// A part of the names of the scenes.
    names: Vec<String>,
}

const USAGE: &str = "\
bench resilience [--json] [--why] [--seeds N] [--first SEED] [--limiter SIGNALS] [--hedge MILLISECONDS] [--resume] [SCENE…]
bench resilience herd [SECONDS]";

fn wanted(words: &[String]) -> Result<Wanted, String> {
    let settings = Settings::default();
    let mut wanted = Wanted { settings, json: false, why: false, first: 1, seeds: SEEDS, names: Vec::new() };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut number = || {
            words.next().and_then(|w| w.parse::<u32>().ok()).ok_or_else(|| format!("{word} needs a number"))
        };
        match word.as_str() {
            "--json" => wanted.json = true,
            "--why" => wanted.why = true,
            "--seeds" => wanted.seeds = u64::from(number()?).max(1),
            "--first" => wanted.first = u64::from(number()?),
            "--resume" => wanted.settings.resume = true,
            "--limiter" => wanted.settings.limiter_signals = number()?,
            "--hedge" => wanted.settings.hedge = Hedge::After(Dur::millis(number()?.into())),
            flag if flag.starts_with('-') => return Err(format!("unknown flag {flag}\n{USAGE}")),
            name => wanted.names.push(name.to_owned()),
        }
    }
    if let Some(unknown) = wanted.names.iter().find(|n| !SCENES.iter().any(|s| s.name.contains(n.as_str()))) {
        let names: Vec<_> = SCENES.iter().map(|s| s.name).collect();
        return Err(format!("there is no scene \"{unknown}\"; there are {}", names.join(" · ")));
    }
    Ok(wanted)
}

/// A scene under a seed, played and scored; with its stories where they are wanted.
fn play(scene: &Scene, seed: u64, wanted: &Wanted) -> (Pair, Vec<String>) {
    let (stage, load) = scene.set(seed, wanted.settings);
    let best = optimum(seed, &stage.api, &load);
    let asked = load.asked.clone();
    let mut world = World::new(seed, stage.api, load);
    world.story = wanted.why.then(std::collections::BTreeMap::new);
    let world = world.run();
    let why =
        table::stories(&world, &best).into_iter().map(|story| format!("seed {seed}, {story}")).collect();
    (score::pair(&world.over, &best, &asked, (stage.ends, stage.deadline)), why)
}

/// Plays the scenes; whether every bar is kept.
fn scenes(out: &mut impl Write, wanted: &Wanted) -> std::io::Result<bool> {
    let chosen =
        |s: &&Scene| wanted.names.is_empty() || wanted.names.iter().any(|n| s.name.contains(n.as_str()));
    let (mut rows, mut kept) = (Vec::new(), true);
    if !wanted.json {
        writeln!(out, "{}", table::head())?;
    }
    for scene in SCENES.iter().filter(chosen) {
        let played: Vec<_> =
            (wanted.first..wanted.first + wanted.seeds).map(|seed| play(scene, seed, wanted)).collect();
        let pairs: Vec<_> = played.iter().map(|(pair, _)| *pair).collect();
        let missed = score::missed(&pairs);
        kept &= missed.is_empty() || !scene.barred;
        if wanted.json {
            rows.push(table::json(scene, (wanted.first, &pairs), &missed));
            continue;
        }
        writeln!(out, "{}", table::row(scene, &pairs, &missed))?;
        for line in played.iter().flat_map(|(_, why)| why) {
            writeln!(out, "    {line}")?;
        }
    }
    if wanted.json {
        let (schema, scenes) = ("clearline.bench-resilience/1", rows.join(","));
        writeln!(out, "{{\"schema\":\"{schema}\",\"kept\":{kept},\"scenes\":[{scenes}]}}")?;
    } else {
        writeln!(out, "{}", table::foot(wanted.seeds))?;
    }
    Ok(kept)
}

fn crowd(gateways: usize, callers: u32, think: (u64, u64), until: u64) -> Load {
    Load {
        asked: Vec::new(),
        leaps: Vec::new(),
        gateways,
        think,
        callers,
        greedy: 0,
        until,
        deadline: Some(scenes::DEADLINE),
        keys: 0,
        settings: Settings {
            limiter_fleet: u32::try_from(gateways).unwrap_or(u32::MAX),
            ..Settings::default()
        },
    }
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
        let load = crowd(gateways, callers, think, until + 180 * SECOND);
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
            table::part(most * 1_000_000 / capacity),
        )?;
    }
    Ok(())
}

fn run(words: &[String]) -> Result<bool, String> {
    let mut out = std::io::stdout().lock();
    let told = match words.first().map(String::as_str) {
        Some("herd") => {
            let seconds: u64 = words.get(1).and_then(|w| w.parse().ok()).unwrap_or(3_600);
            herd(&mut out, seconds * SECOND).map(|()| true)
        }
        Some(_) | None => scenes(&mut out, &wanted(words)?),
    };
    told.map_err(|e| e.to_string())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            let _told = writeln!(std::io::stderr(), "{why}").is_ok();
            ExitCode::from(2)
        }
    }
}
