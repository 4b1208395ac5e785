//! What the engine's decisions cost: time, calls that one core simulates in a second, and instructions, which alone do not
//! depend on what the machine does beside.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::sh::{self, cargo, command, say};

/// The most that a decision may take, nanoseconds.
const DECISION_MAX: u64 = 1_000;
/// The fewest calls that are simulated in a second of one core.
const SIMULATED_MIN: u64 = 200_000;
/// By so much the instructions of a call may grow before it is a regression, percent.
const GROWTH_MAX: u64 = 10;
/// Calls under callgrind, so many and twice as many: their difference leaves out the start of the program.
const CALLS: u64 = 2_000;

/// Measures, and fails where a bar is missed.
///
/// # Errors
/// A build or a run that fails, or a bar that is missed.
pub(crate) fn run(flags: &[&str]) -> Result<(), String> {
    let known = ["--accept", "--json"];
    if let Some(unknown) = flags.iter().find(|f| !known.contains(f)) {
        return Err(format!("unknown flag {unknown}; known are {}", known.join(", ")));
    }
    cargo(&["build", "--release", "--locked", "-p", "clearline-policy", "--example", "decisions"])?;
    let program = sh::target().join("release").join("examples").join("decisions");
    let mut numbers = numbers(&sh::output(command(&program, &[]), "decisions")?)?;
    if let Some(counted) = instructions(&program)? {
        numbers.push(("instructions_per_call".to_owned(), counted));
    }
    let missed = missed(&numbers, accepted().as_ref());
    if flags.contains(&"--accept") {
        accept(&numbers)?;
    }
    tell(&numbers, &missed, flags.contains(&"--json"));
    if missed.is_empty() || flags.contains(&"--accept") { Ok(()) } else { Err(missed.join("; ")) }
}

fn tell(numbers: &[(String, u64)], missed: &[String], json: bool) {
    if json {
        let all: Vec<_> = numbers.iter().map(|(name, n)| format!("\"{name}\":{n}")).collect();
        let missed: Vec<_> = missed.iter().map(|m| format!("\"{m}\"")).collect();
        let (all, missed) = (all.join(","), missed.join(","));
        return say(&format!("{{\"schema\":\"clearline.bench-engine/1\",{all},\"missed\":[{missed}]}}"));
    }
    numbers.iter().for_each(|(name, n)| say(&format!("{:28} {n:>9}", name.replace('_', " "))));
}

/// Lines of a name and a number.
fn numbers(said: &str) -> Result<Vec<(String, u64)>, String> {
    let line = |l: &str| {
        let (name, number) = l.split_once(' ')?;
        Some((name.to_owned(), number.trim().parse().ok()?))
    };
    said.lines().map(|l| line(l).ok_or_else(|| format!("no number: {l}"))).collect()
}

fn missed(numbers: &[(String, u64)], accepted: Option<&(String, u64)>) -> Vec<String> {
    let mut missed = Vec::new();
    for (name, n) in numbers {
        if name.ends_with("_ns") && *n > DECISION_MAX {
            missed.push(format!("{name}: {n} ns, more than {DECISION_MAX}"));
        }
        if name == "simulated_calls_per_second" && *n < SIMULATED_MIN {
            missed.push(format!("{n} calls simulated in a second, fewer than {SIMULATED_MIN}"));
        }
        if let Some((known, before)) = accepted
            && known == name
            && *n * 100 > before * (100 + GROWTH_MAX)
        {
            missed.push(format!(
                "{n} instructions a call, more than {before} by over {GROWTH_MAX} %: \
                 cargo xtask bench engine --accept, where that is meant"
            ));
        }
    }
    missed
}

/// Instructions of a call as callgrind counts them; nothing, said aloud, without it.
fn instructions(program: &Path) -> Result<Option<u64>, String> {
    if !sh::has("valgrind") {
        say("SKIPPED the instructions of a call: valgrind is not installed (cargo xtask setup, as root)");
        return Ok(None);
    }
    let count = |calls: u64| {
        let (program, calls) = (program.display().to_string(), calls.to_string());
        let flags = ["--tool=callgrind", "--callgrind-out-file=/dev/null", &program, "count", &calls];
        let said = command("valgrind", &flags).stdout(Stdio::null()).output();
        let said = said.map_err(|e| format!("valgrind cannot be started: {e}"))?;
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        let line = said.lines().find_map(|l| l.split_once("Collected :"));
        let counted = line.and_then(|(_, n)| n.trim().parse::<u64>().ok());
        counted.ok_or_else(|| format!("valgrind counted nothing: {said}"))
    };
    Ok(Some((count(2 * CALLS)? - count(CALLS)?) / CALLS))
}

fn file() -> PathBuf {
    sh::root().join("xtask").join("engine-instructions.txt")
}

/// The number that later ones are held to.
fn accepted() -> Option<(String, u64)> {
    let text = std::fs::read_to_string(file()).ok()?;
    numbers(text.lines().find(|l| !l.starts_with('#'))?).ok()?.pop()
}

fn accept(all: &[(String, u64)]) -> Result<(), String> {
    let Some((name, n)) = all.iter().find(|(name, _)| name == "instructions_per_call") else {
        return Err("there is no count of instructions to accept".to_owned());
    };
    let text = format!(
        "# Instructions of one call in the engine, in the release profile; `cargo xtask bench engine --accept` writes it.\n{name} {n}\n"
    );
    std::fs::write(file(), text).map_err(|e| format!("{}: {e}", file().display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_missed_by_what_is_slow_few_or_grown() {
        let said = "decision_ns 1001\nsimulated_calls_per_second 199999\ninstructions_per_call 111\n";
        let numbers = numbers(said).unwrap();
        let before = ("instructions_per_call".to_owned(), 100);
        assert_eq!(missed(&numbers, Some(&before)).len(), 3);
        assert_eq!(missed(&numbers, None).len(), 2);
        let well = super::numbers("decision_ns 1000\ninstructions_per_call 110\n").unwrap();
        assert!(missed(&well, Some(&before)).is_empty());
        assert!(super::numbers("decision_ns many\n").is_err());
    }
}
