//! How the scores are shown.

use std::fmt::Write as _;

use crate::model::{World, optimum::Best};
use crate::scenes::Scene;
use crate::score::{Pair, Score, median, ratio};

/// So many of the latest calls of a run are told.
const STORIES: usize = 3;

/// What the columns mean.
pub(crate) fn foot(seeds: u64) -> String {
    format!(
        "
Medians of {seeds} seeds. Each × is the ratio to an all-knowing client that sends each call once, at the first moment at which it
can succeed, in the order of arrival, and resumes a broken stream. late: seconds from the end of the fault until no call starts
more than 3 s later than there. worst caller: how much longer its calls take than those of all. Bars: success 0.995 ×, attempts
and p99 1.5 ×, late 30 s more than (opt); (…) is missed by design."
    )
}

pub(crate) fn part(milli: u64) -> String {
    format!("{}.{:03}", milli / 1_000, milli % 1_000)
}

/// With two places.
fn short(milli: u64) -> String {
    let hundredths = (milli + 5) / 10;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

pub(crate) fn head() -> String {
    format!(
        "{:20} {:>5}  {:>7} {:>6}  {:>7} {:>5}  {:>7} {:>5}  {:>8} {:>5}  {:>5}  {:>5}  {:>5} {:>5}  {:>6} {:>5}  missed",
        "scene",
        "calls",
        "success",
        "×",
        "p50 s",
        "×",
        "p99 s",
        "×",
        "attempts",
        "×",
        "twice",
        "paid",
        "late",
        "(opt)",
        "worst",
        "×"
    )
}

pub(crate) fn row(scene: &Scene, pairs: &[Pair], missed: &[&str]) -> String {
    let ours = |of: fn(&Score) -> u64| median(pairs, |p| of(&p.ours));
    let times = |of: fn(&Score) -> u64| median(pairs, |p| ratio(of(&p.ours), of(&p.best)));
    let (success, attempts, unfair) = (|s: &Score| s.success, |s: &Score| s.attempts, |s: &Score| s.unfair);
    let missed = missed.join(" ");
    format!(
        "{:20} {:5}  {:>7} {:>6}  {:>7} {:>5}  {:>7} {:>5}  {:>8} {:>5}  {:5}  {:>5}  {:>5} {:>5}  {:>6} {:>5}  {}",
        scene.name,
        ours(|s| s.calls),
        part(ours(success)),
        part(times(success)),
        short(ours(|s| s.p50)),
        short(times(|s| s.p50)),
        short(ours(|s| s.p99)),
        short(times(|s| s.p99)),
        part(ours(attempts)),
        short(times(attempts)),
        ours(|s| s.twice),
        short(ours(|s| s.paid)),
        ours(|s| s.recovery).div_ceil(1_000),
        median(pairs, |p| p.best.recovery).div_ceil(1_000),
        short(ours(unfair)),
        short(times(unfair)),
        if scene.barred || missed.is_empty() { missed } else { format!("({missed})") },
    )
}

fn numbers(s: &Score) -> String {
    format!(
        "{{\"calls\":{},\"success_milli\":{},\"p50_ms\":{},\"p99_ms\":{},\"attempts_milli\":{},\"billed_twice\":{},\
         \"paid_milli\":{},\"recovery_ms\":{},\"unfair_milli\":{}}}",
        s.calls, s.success, s.p50, s.p99, s.attempts, s.twice, s.paid, s.recovery, s.unfair
    )
}

pub(crate) fn json(scene: &Scene, (first, pairs): (u64, &[Pair]), missed: &[&str]) -> String {
    let seeds = pairs.iter().zip(first..).map(|(p, seed): (_, u64)| {
        format!("{{\"seed\":{seed},\"ours\":{},\"optimum\":{}}}", numbers(&p.ours), numbers(&p.best))
    });
    let seeds: Vec<_> = seeds.collect();
    let missed: Vec<_> = missed.iter().map(|m| format!("\"{m}\"")).collect();
    format!(
        "{{\"name\":\"{}\",\"barred\":{},\"missed\":[{}],\"seeds\":[{}]}}",
        scene.name,
        scene.barred,
        missed.join(","),
        seeds.join(",")
    )
}

/// What happened to the calls that were the latest against the optimum.
pub(crate) fn stories(world: &World, best: &[Best]) -> Vec<String> {
    let Some(stories) = &world.story else { return Vec::new() };
    let late = world.over.iter().filter_map(|o| {
        let lost = if o.succeeded { 0 } else { 1_000_000_000 };
        Some((lost + o.ended.saturating_sub(best.get(o.asked?)?.ended), o))
    });
    let mut late: Vec<_> = late.collect();
    late.sort_by_key(|(by, o)| (std::cmp::Reverse(*by), o.asked));
    let told = late.iter().take(STORIES).map(|(_, o)| {
        let best = o.asked.and_then(|n| best.get(n)).map_or(0, |b| b.ended);
        let mut text =
            format!("call {} came at {} ms, best end {} ms:", o.call.0, o.began / 1_000, best / 1_000);
        for (at, what) in stories.get(&(o.gateway, o.call)).into_iter().flatten() {
            let _written = write!(text, " · {} {what}", at / 1_000).is_ok();
        }
        text
    });
    told.collect()
}
