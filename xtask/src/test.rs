//! Every check and every test, in the order of what fails fastest.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::setup::{self, is_ci};
use crate::sh::{cargo, command, say};

/// Runs all steps; the first that fails ends the run.
///
/// # Errors
/// The step that failed, or in CI: what was skipped.
pub(crate) fn run() -> Result<(), String> {
    type Step = (&'static str, fn() -> Result<(), String>);
    let steps: [Step; 11] = [
        ("setup", setup::run),
        ("format", || cargo(&["fmt", "--all", "--check"])),
        ("documents", crate::docs::run),
        ("purity", crate::purity::run),
        ("clippy", || cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])),
        ("build", build),
        ("licences", crate::licences::run),
        ("packages", crate::dist::light),
        ("features", features),
        ("tests", tests),
        ("lab", crate::lab::spread),
    ];
    let mut times = Vec::new();
    for (name, step) in steps {
        say(&format!("\n== {name}"));
        let begun = Instant::now();
        step().map_err(|why| format!("{name}: {why}"))?;
        times.push(format!("{name} {} s", begun.elapsed().as_secs()));
    }
    say(&format!("\nall is well: {}", times.join(" · ")));
    Ok(())
}

/// What users build, and everything that the tests start, so that nothing has to be fetched or built once the network is gone.
fn build() -> Result<(), String> {
    cargo(&["build", "--release", "--locked"])?;
    cargo(&["build", "--workspace", "--all-targets", "--locked"])?;
    cargo(&["test", "--workspace", "--locked", "--no-run"])
}

/// What is off by default, built once: the library's optional parts, and its documentation, whose links must lead somewhere.
fn features() -> Result<(), String> {
    const LIBRARY: [&str; 4] = ["-p", "clearline", "--all-features", "--locked"];
    let with = |before: &[&str], after: &[&str]| cargo(&[before, &LIBRARY, after].concat());
    with(&["clippy"], &["--all-targets", "--", "-D", "warnings"])?;
    with(&["rustdoc"], &["--", "-D", "warnings"])?;
    with(&["test"], &["--no-run"])?;
    let mut tests = fenced()?;
    tests.args([env!("CARGO"), "test", "--offline", "--test", "features"]).args(LIBRARY);
    watched(tests.env("CLEARLINE_FENCE", "loopback")).map(drop)
}

fn tests() -> Result<(), String> {
    let mut tests = fenced()?;
    tests
        .args([env!("CARGO"), "test", "--workspace", "--locked", "--offline", "--no-fail-fast"])
        .env("CLEARLINE_FENCE", "loopback")
        .env("RUST_BACKTRACE", "0");
    let pythons =
        [("CLEARLINE_TEST_PYTHON", setup::python()), ("CLEARLINE_TEST_PYTHON_0", setup::python_0())];
    for (name, python) in pythons.iter().filter(|(_, python)| python.exists()) {
        tests.env(name, python);
    }
    let node = setup::node();
    if node.exists() {
        tests.env("CLEARLINE_TEST_NODE_SDK", node);
    }
    let skipped = watched(&mut tests)?;
    if skipped.is_empty() {
        return Ok(());
    }
    say("\nSkipped, because this machine lacks something:");
    skipped.iter().for_each(|line| say(&format!("  {line}")));
    if is_ci() { Err("in CI nothing may be skipped".to_owned()) } else { Ok(()) }
}

/// A command within a network namespace that has loopback and nothing else.
pub(crate) fn fenced() -> Result<Command, String> {
    const UP: &str = "ip link set lo up && exec \"$@\"";
    for how in ["-n", "-rn"] {
        let try_it = command("unshare", &[how, "sh", "-c", UP, "sh", "true"]).output();
        if try_it.is_ok_and(|o| o.status.success()) {
            return Ok(command("unshare", &[how, "sh", "-c", UP, "sh"]));
        }
    }
    if is_ci() {
        return Err("no network namespace can be made (unshare -n), and the tests run in one".to_owned());
    }
    say("SKIPPED the network namespace: it cannot be made here, so the tests run beside the real network");
    Ok(command("env", &[]))
}

/// Runs it, passes its output on, and returns the lines that say what was skipped.
fn watched(command: &mut Command) -> Result<Vec<String>, String> {
    let failed = |e: std::io::Error| format!("the tests cannot be run: {e}");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let beside = std::thread::spawn(move || err.map(relay).unwrap_or_default());
    let mut skipped = out.map(relay).unwrap_or_default();
    skipped.extend(beside.join().unwrap_or_default());
    let status = child.wait().map_err(failed)?;
    if status.success() { Ok(skipped) } else { Err(format!("cargo test failed ({status})")) }
}

/// Passes lines on and collects those that say what was skipped.
fn relay(stream: impl std::io::Read) -> Vec<String> {
    let lines = BufReader::new(stream).split(b'\n').map_while(Result::ok);
    let lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
    // The harness may have left the cursor behind the name of a test.
    let told = lines
        .inspect(|line| say(line))
        .filter_map(|l| l.find("SKIPPED ").and_then(|at| Some(l.get(at..)?.to_owned())));
    told.collect()
}
