//! The lab of network namespaces: built here, run there (`crates/lab`).

use std::path::PathBuf;

use crate::setup;
use crate::sh::{self, cargo, command};

/// Builds the lab and the binary under test, and hands the words over. `--release` before them tests the release build.
///
/// # Errors
/// What cannot be built, or the lab's own failure: it says what, and its exit code is not kept.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let (profile, words): (&[&str], &[&str]) = match words {
        ["--release", rest @ ..] => (&["--release"], rest),
        all => (&[], all),
    };
    cargo(&["build", "--quiet", "--locked", "--package", "clearline-lab"])?;
    let mut lab = command(built("debug", "clearline-lab"), words);
    if matches!(words, ["run" | "score" | "bench", ..]) {
        cargo(&[&["build", "--quiet", "--locked", "--package", "clearline-cli"], profile].concat())?;
        let folder = if profile.is_empty() { "debug" } else { "release" };
        lab.arg("--clearline").arg(built(folder, "clearline"));
        let clients = [("--python", setup::python()), ("--node-sdk", setup::node())];
        for (flag, path) in
            clients.iter().filter(|(_, path)| path.exists() && !matches!(words, ["bench", ..]))
        {
            lab.arg(flag).arg(path);
        }
    }
    sh::run(lab, "the lab, or a verdict in it,")
}

/// How many conditions CI runs at least, over all layers.
const SPREAD: &str = "60";
/// The share of right first causes that CI demands, per cent. To be raised as the doctor learns, never lowered.
const GATE: &str = "90";

/// The part of CI: a spread of the conditions.
///
/// # Errors
/// The gate is not passed, or in CI: it cannot be run.
pub(crate) fn spread() -> Result<(), String> {
    if sh::is_root() && sh::has("ip") && sh::has("nft") {
        return run(&["score", "--spread", SPREAD, "--gate", GATE]);
    }
    sh::say("SKIPPED the lab: it needs root, and what cargo xtask setup installs");
    if setup::is_ci() { Err("in CI nothing may be skipped".to_owned()) } else { Ok(()) }
}

fn built(folder: &str, name: &str) -> PathBuf {
    sh::target().join(folder).join(name)
}
