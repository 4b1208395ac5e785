//! The lab of network namespaces: built here, run there (`crates/lab`).

use std::path::PathBuf;

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
    }
    sh::run(lab, "the lab")
}

fn built(folder: &str, name: &str) -> PathBuf {
    sh::target().join(folder).join(name)
}
