//! Clients side by side over real sockets: the scripts of `xtask/bench`, in a network namespace with loopback alone.

use std::path::Path;

use crate::setup;
use crate::sh::{self, cargo, command, say};

/// One name with four addresses, for the scene of a bad one; seen in the namespace of mounts alone. All of them have the
/// same prefix in common with 127.0.0.1, so that getaddrinfo leaves them in the order of the file.
const HOSTS: &str = "127.0.0.4 localhost\n127.0.0.5 localhost\n127.0.0.6 localhost\n127.0.0.7 localhost\n";
/// Loopback up, those hosts, and then the command.
const INSIDE: &str = "ip link set lo up && mount --bind \"$0\" /etc/hosts && exec \"$@\"";

/// What `--json` prints.
const SCHEMA: &str = "bench-sockets.schema.json";

/// Builds, and runs the scenes.
///
/// # Errors
/// Something that is missing or fails, or a bar that is missed.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let schema = sh::root().join("xtask").join(SCHEMA);
    if words == ["--schema"] {
        let text = std::fs::read_to_string(&schema).map_err(|e| format!("{}: {e}", schema.display()))?;
        say(text.trim_end());
        return Ok(());
    }
    let python = setup::python();
    if !python.exists() {
        return Err("the Python SDK is not installed: run cargo xtask setup".to_owned());
    }
    cargo(&["build", "--release", "--locked", "-p", "clearline-cli"])?;
    let folder = sh::target().join("sockets");
    let node = setup::node().display().to_string();
    let (clearline, own) = (sh::clearline().display().to_string(), folder.display().to_string());
    let script = sh::root().join("xtask").join("bench").join("sockets.py").display().to_string();
    let python = python.display().to_string();
    // No bytecode beside the scripts: they lie in the source tree.
    let schema = schema.display().to_string();
    let start = [&python, &"-B".to_owned(), &script, &clearline, &node, &own, &schema];
    let all: Vec<&str> = start.into_iter().map(String::as_str).chain(words.iter().copied()).collect();
    fenced(&folder, &all)
}

/// Runs a command with loopback and nothing else.
pub(crate) fn fenced(folder: &Path, words: &[&str]) -> Result<(), String> {
    let hosts = folder.join("hosts");
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&hosts, HOSTS))
        .map_err(|e| format!("{}: {e}", hosts.display()))?;
    let how: &[&str] = if sh::is_root() { &["-n", "-m"] } else { &["-n", "-m", "-r"] };
    let hosts = hosts.display().to_string();
    let all = [how, &["sh", "-c", INSIDE, &hosts], words].concat();
    sh::run(command("unshare", &all), words.get(2).copied().unwrap_or("unshare"))
}
