//! Packages for people without Rust: a tarball, a `.deb` and a Python wheel of one binary. The same binary gives the same
//! bytes: entries are sorted, owners are root, times are those of the last commit (`SOURCE_DATE_EPOCH` wins).

mod binary;
mod check;
mod pack;

use std::path::{Path, PathBuf};

use self::binary::Machine;
use crate::setup;
use crate::sh::{self, cargo, command, say};

/// The largest binary without symbols, bytes.
const BINARY_MAX: u64 = 20 << 20;
/// The first moment that a zip archive can tell: 1980.
const EPOCH_MIN: u64 = 315_532_800;
/// What packages are made with, and the package of Debian that has it.
const PROGRAMS: [(&str, &str); 5] =
    [("tar", "tar"), ("gzip", "gzip"), ("dpkg-deb", "dpkg"), ("python3", "python3"), ("strip", "binutils")];

/// What goes into packages.
pub(crate) struct Made {
    /// The binary, stripped.
    binary: PathBuf,
    /// The folder with `man` and `completions`.
    extras: PathBuf,
    version: &'static str,
    machine: Machine,
    glibc: (u32, u32),
    /// Seconds since 1970, of every entry.
    epoch: u64,
}

/// Builds and packs; `--check` also installs each package and runs the demo of what it installed.
///
/// # Errors
/// A build that fails, a program that is missing, a binary that is too large, a package that does not work.
pub(crate) fn run(flags: &[&str]) -> Result<(), String> {
    let (mut profile, mut checks, mut flags) = ("dist", false, flags.iter());
    while let Some(flag) = flags.next() {
        match *flag {
            "--check" => checks = true,
            "--profile" => profile = flags.next().copied().ok_or("--profile needs a name: dist, release")?,
            other => return Err(format!("unknown flag {other}; known are --check and --profile NAME")),
        }
    }
    let missing: Vec<_> = PROGRAMS.iter().filter(|(program, _)| !sh::has(program)).map(|(_, p)| *p).collect();
    if !missing.is_empty() {
        let names = missing.join(" ");
        return Err(format!(
            "packages are made with {names}, which is missing: sudo apt-get install {names}"
        ));
    }
    let made = make(profile)?;
    let folder = sh::target().join("packages");
    let packages = pack::all(&made, &folder)?;
    for path in &packages {
        let size = std::fs::metadata(path).map_or(0, |m| m.len());
        say(&format!("{}   {:.1} MiB", path.display(), mebibytes(size)));
    }
    if checks { check::all(&made, &packages) } else { Ok(()) }
}

/// The part of CI: packages of the binary that was built before, installed and run.
///
/// # Errors
/// As [`run`], or in CI: they cannot be made.
pub(crate) fn light() -> Result<(), String> {
    let Some(names) = missing() else { return run(&["--profile", "release", "--check"]) };
    say(&format!("SKIPPED the packages: they are made with {names}, which is missing"));
    if setup::is_ci() { Err("in CI nothing may be skipped".to_owned()) } else { Ok(()) }
}

/// The packages of Debian that bring what is missing.
fn missing() -> Option<String> {
    let names: Vec<_> = PROGRAMS.iter().filter(|(program, _)| !sh::has(program)).map(|(_, p)| *p).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

/// Builds the binary, and has it write what it says of itself.
fn make(profile: &str) -> Result<Made, String> {
    let build = ["build", "--locked", "-p", "clearline-cli", "--features", "package", "--profile", profile];
    cargo(&build)?;
    let built = sh::target().join(if profile == "dev" { "debug" } else { profile }).join("clearline");
    let folder = sh::target().join("packing");
    fresh(&folder)?;
    let binary = folder.join("clearline");
    copy(&built, &binary)?;
    sh::run(command("strip", &[&binary.display().to_string()]), "strip")?;
    let bytes = std::fs::read(&binary).map_err(|e| format!("{}: {e}", binary.display()))?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    say(&format!("the binary has {:.1} MiB without symbols", mebibytes(size)));
    // What is not optimised is not for users.
    if size > BINARY_MAX && profile != "dev" {
        return Err(format!("that is more than {} MiB", BINARY_MAX >> 20));
    }
    let made = Made {
        machine: binary::machine(&bytes)?,
        glibc: binary::glibc(&bytes),
        version: env!("CARGO_PKG_VERSION"),
        epoch: epoch()?,
        extras: folder,
        binary,
    };
    extras(&made)?;
    Ok(made)
}

/// The completions and the manual pages.
fn extras(made: &Made) -> Result<(), String> {
    let clearline = |arguments: &[&str]| {
        let mut own = command(&made.binary, arguments);
        own.env("CLEARLINE_FENCE", "loopback").env("LC_ALL", "C.UTF-8");
        sh::output(own, "clearline")
    };
    let completions = made.extras.join("completions");
    fresh(&completions)?;
    for (shell, file) in [("bash", "clearline.bash"), ("zsh", "_clearline"), ("fish", "clearline.fish")] {
        write(&completions.join(file), &clearline(&["completions", shell])?)?;
    }
    clearline(&["man", &made.extras.join("man").display().to_string()]).map(drop)
}

/// The time of everything that is packed.
fn epoch() -> Result<u64, String> {
    let said = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(set) => set,
        Err(_) => sh::output(command("git", &["log", "-1", "--format=%ct"]), "git log")
            .map_err(|why| format!("{why}; set SOURCE_DATE_EPOCH"))?,
    };
    let said = said.trim();
    let seconds = said.parse::<u64>().map_err(|e| format!("SOURCE_DATE_EPOCH = \"{said}\": {e}"))?;
    Ok(seconds.max(EPOCH_MIN))
}

#[expect(clippy::cast_precision_loss, reason = "the size of a file is far below 2^53")]
fn mebibytes(size: u64) -> f64 {
    size as f64 / f64::from(1 << 20)
}

/// An empty folder, whatever was there.
fn fresh(folder: &Path) -> Result<(), String> {
    let wrong = |e: std::io::Error| format!("{}: {e}", folder.display());
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(wrong(e)),
        Ok(()) | Err(_) => {}
    }
    std::fs::create_dir_all(folder).map_err(wrong)
}

/// Copies a file and makes the folders that it needs.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let folder = to.parent().unwrap_or(to);
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    std::fs::copy(from, to).map(drop).map_err(|e| format!("{} to {}: {e}", from.display(), to.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}
