//! Running programs, and where things are.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Writes a line. Where that cannot be done, nobody is left to be told.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _told = writeln!(out, "{text}").and_then(|()| out.flush()).is_ok();
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// The folder of what is built.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The release binary.
pub(crate) fn clearline() -> PathBuf {
    target().join("release").join("clearline")
}

/// A command at the root of the repository.
pub(crate) fn command(program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Runs cargo and lets its output through.
///
/// # Errors
/// It cannot be started, or it fails.
pub(crate) fn cargo(arguments: &[&str]) -> Result<(), String> {
    run(command(env!("CARGO"), arguments), &format!("cargo {}", arguments.join(" ")))
}

/// Runs a command and lets its output through.
///
/// # Errors
/// It cannot be started, or it fails.
pub(crate) fn run(mut command: Command, name: &str) -> Result<(), String> {
    let status = command.status().map_err(|e| format!("{name} cannot be started: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} failed ({status})")) }
}

/// What a command prints.
///
/// # Errors
/// It cannot be started, or it fails.
pub(crate) fn output(mut command: Command, name: &str) -> Result<String, String> {
    let output =
        command.stderr(Stdio::inherit()).output().map_err(|e| format!("{name} cannot be started: {e}"))?;
    if !output.status.success() {
        return Err(format!("{name} failed ({})", output.status));
    }
    String::from_utf8(output.stdout).map_err(|e| format!("{name}: {e}"))
}

/// Whether a program is installed.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Whether this runs as root.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}
