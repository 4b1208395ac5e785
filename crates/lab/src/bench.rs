//! `bench`: what a diagnosis of a healthy path costs, against one `curl` POST on the same path in the same run.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::fault::Catalogue;
use crate::world::{self, World};
use crate::{Problem, check, run, say};

/// The healthy condition that is timed.
const CONDITION: &str = "ok-bearer-api-key";
/// So many runs of each, one after the other in turn.
const RUNS: usize = 9;

/// Times both in turn and prints the medians, their ratio, and how far the gate is.
///
/// # Errors
/// The lab does not stand, or one of the two failed.
pub(crate) fn bench(catalogue: &Catalogue, clearline: &Path, seed: u64) -> Result<(), Problem> {
    let fault = catalogue.find(CONDITION)?;
    let id = format!("{}{}bench", world::PREFIX, std::process::id());
    let names = run::names(seed, &id);
    let world = World::up(&id, catalogue.plan(&fault, &names)?, &names, false)?;
    let binary = clearline.display().to_string();
    let (mut curl, mut doctor) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        curl.push(timed(|| Ok(check::effect(&world, &fault, &names)?.is_empty()))?);
        doctor.push(timed(|| {
            Ok(check::client_command(&world, &[&binary, "doctor", "--json"])?.output()?.status.success())
        })?);
    }
    let (curl, doctor) = (median(curl), median(doctor));
    let gate = curl.mul_f64(1.5) + Duration::from_millis(300);
    say(&format!("curl POST, median of {RUNS}   {} ms", curl.as_millis()));
    say(&format!("doctor, median of {RUNS}      {} ms", doctor.as_millis()));
    let word = if doctor <= gate { "within" } else { "over" };
    say(&format!("gate 1.5 x curl + 300 ms   {} ms: {word}", gate.as_millis()));
    Ok(())
}

/// How long it took, where it went well.
fn timed(work: impl FnOnce() -> Result<bool, Problem>) -> Result<Duration, Problem> {
    let begun = Instant::now();
    if work()? { Ok(begun.elapsed()) } else { Err("a call on the healthy path failed".into()) }
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or_default()
}
