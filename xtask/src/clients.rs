//! Real clients, each once through the gateway: the scripts of `xtask/clients`, in a network namespace with loopback alone.
//! What they need is big, so it is no part of the tests, nor of `setup`.

use crate::bench::sockets::fenced;
use crate::setup;
use crate::sh::{self, cargo};

/// Installs the clients, builds, and runs those that are named, or all.
///
/// # Errors
/// A client that cannot be installed or fails, or that the gateway changed something for.
pub(crate) fn run(names: &[&str]) -> Result<(), String> {
    setup::clients()?;
    let python = setup::python_of("clients");
    if !python.exists() {
        return Err("the Python libraries of xtask/clients.txt are not installed".to_owned());
    }
    cargo(&["build", "--release", "--locked", "-p", "clearline-cli"])?;
    let folder = sh::target().join("clients-run");
    let script = sh::root().join("xtask").join("clients").join("run.py");
    let modules = sh::target().join("clients-node").join("node_modules");
    let start = [&python, &script, &sh::clearline(), &modules, &folder].map(|p| p.display().to_string());
    let words = start.iter().map(String::as_str).chain(names.iter().copied());
    let mut all: Vec<&str> = words.collect();
    // No bytecode beside the scripts: they lie in the source tree.
    all.insert(1, "-B");
    fenced(&folder, &all)
}
