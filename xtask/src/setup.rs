//! What the tests need besides Rust: a few packages of the distribution, and Python libraries in a folder of their own.

use std::path::{Path, PathBuf};

use crate::sh::{self, command, has, say};

/// A program, and the package of Debian that has it.
const PROGRAMS: [(&str, &str); 17] = [
    ("curl", "curl"),
    ("python3", "python3"),
    ("nginx", "nginx"),
    ("wrk", "wrk"),
    ("haproxy", "haproxy"),
    ("valgrind", "valgrind"),
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
    // Those of the lab.
    ("nft", "nftables"),
    ("iptables", "iptables"),
    ("ethtool", "ethtool"),
    ("openssl", "openssl"),
    ("faketime", "faketime"),
    ("squid", "squid"),
    ("dnsmasq", "dnsmasq-base"),
    ("sysctl", "procps"),
    ("prlimit", "util-linux"),
];

/// Where the entry of the TypeScript SDK is.
pub(crate) fn node() -> PathBuf {
    sh::target().join("node").join("node_modules").join("@anthropic-ai").join("sdk").join("index.mjs")
}

/// Where the Python libraries are.
pub(crate) fn python() -> PathBuf {
    python_of("python")
}

/// Where the libraries of the Python SDK before its first version are.
pub(crate) fn python_0() -> PathBuf {
    python_of("python-0")
}

/// The Python of a list in `xtask`.
pub(crate) fn python_of(list: &str) -> PathBuf {
    sh::target().join(list).join("bin").join("python")
}

/// Installs what is missing. What cannot be installed is said, and its tests are skipped aloud.
///
/// # Errors
/// As root: a package that cannot be installed.
pub(crate) fn run() -> Result<(), String> {
    let mut missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| !has(program)).map(|(_, p)| *p).collect();
    if !python().exists() && !has_venv() {
        missing.push("python3-venv");
    }
    if !has("node") {
        missing.push("nodejs");
    }
    if !has("npm") {
        missing.push("npm");
    }
    if !missing.is_empty() {
        packages(&missing)?;
    }
    libraries("python")?;
    libraries("python-0")?;
    modules()
}

/// Installs other gateways to compare with. They are large, and no test needs them.
///
/// # Errors
/// In CI: one that cannot be installed.
pub(crate) fn gateways() -> Result<(), String> {
    let folder = gateways_folder();
    node_modules(&folder.join("node"), "gateways-node.txt", "Portkey")?;
    python_libraries(&folder.join("python"), "gateways-python.txt", "LiteLLM")
}

/// Where they are.
pub(crate) fn gateways_folder() -> PathBuf {
    sh::target().join("gateways")
}

/// Installs the clients of `cargo xtask clients`. They are large, and no test needs them.
///
/// # Errors
/// In CI: one that cannot be installed.
pub(crate) fn clients() -> Result<(), String> {
    node_modules(
        &sh::target().join("clients-node"),
        "clients-node.txt",
        "Claude Code and the Vercel AI SDK",
    )?;
    python_libraries(&sh::target().join("clients"), "clients.txt", "the clients in Python")
}

/// The modules of `xtask/node.txt`.
fn modules() -> Result<(), String> {
    node_modules(&sh::target().join("node"), "node.txt", "the tests of the TypeScript SDK")
}

fn node_modules(folder: &Path, list: &str, what: &str) -> Result<(), String> {
    let Some(wanted) = wanted(list, folder)? else { return Ok(()) };
    if !has("npm") {
        say(&format!("missing: npm; {what} will be skipped"));
        return Ok(());
    }
    say(&format!("installing the modules of xtask/{list} into {}", folder.display()));
    let prefix = folder.display().to_string();
    let modules = wanted.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()).map(str::trim);
    let fixed = ["install", "--no-audit", "--no-fund", "--loglevel", "error", "--prefix", &prefix];
    let arguments: Vec<&str> = fixed.into_iter().chain(modules).collect();
    let made = std::fs::create_dir_all(folder)
        .map_err(|e| format!("{}: {e}", folder.display()))
        .and_then(|()| sh::run(command("npm", &arguments), "npm install"));
    installed(folder, &wanted, made, what)
}

/// A list of libraries, unless just this one is installed already.
fn wanted(list: &str, folder: &Path) -> Result<Option<String>, String> {
    let list = sh::root().join("xtask").join(list);
    let wanted = std::fs::read_to_string(&list).map_err(|e| format!("{}: {e}", list.display()))?;
    let is_there = std::fs::read_to_string(folder.join("installed.txt")).is_ok_and(|has| has == wanted);
    Ok((!is_there).then_some(wanted))
}

/// Remembers what was installed; in CI nothing may be missing.
fn installed(folder: &Path, wanted: &str, made: Result<(), String>, what: &str) -> Result<(), String> {
    let stamp = folder.join("installed.txt");
    match made {
        Ok(()) => std::fs::write(&stamp, wanted).map_err(|e| format!("{}: {e}", stamp.display())),
        Err(why) if is_ci() => Err(why),
        Err(why) => {
            say(&format!("{why}; {what} will be skipped"));
            Ok(())
        }
    }
}

/// Whether Python can make a virtual environment; Debian packs a part of it apart.
fn has_venv() -> bool {
    let mut python = command("python3", &["-c", "import venv, ensurepip"]);
    python.output().is_ok_and(|o| o.status.success())
}

fn packages(missing: &[&str]) -> Result<(), String> {
    let install = [&["install", "-y", "-q", "--no-install-recommends"], missing].concat();
    if !sh::is_root() || !has("apt-get") {
        say(&format!("missing: {}", missing.join(", ")));
        say(&format!("  install them with: sudo apt-get install {}", missing.join(" ")));
        return Ok(());
    }
    say(&format!("installing {}", missing.join(", ")));
    let apt = |arguments: &[&str]| {
        let mut apt = command("apt-get", arguments);
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        sh::run(apt, &format!("apt-get {}", arguments.join(" ")))
    };
    apt(&["update", "-q"])?;
    apt(&install)
}

/// The Python libraries of a list in `xtask`, once for each version of that file.
fn libraries(name: &str) -> Result<(), String> {
    python_libraries(&sh::target().join(name), &format!("{name}.txt"), "the tests of the Python SDK")
}

fn python_libraries(folder: &Path, file: &str, what: &str) -> Result<(), String> {
    let Some(wanted) = wanted(file, folder)? else { return Ok(()) };
    if !has("python3") {
        say(&format!("missing: python3; {what} will be skipped"));
        return Ok(());
    }
    say(&format!("installing the Python libraries of xtask/{file} into {}", folder.display()));
    let list = sh::root().join("xtask").join(file).display().to_string();
    let venv = folder.display().to_string();
    let made = sh::run(command("python3", &["-m", "venv", &venv]), "python3 -m venv").and_then(|()| {
        let pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", &list];
        sh::run(command(folder.join("bin").join("python"), &pip), "pip install")
    });
    installed(folder, &wanted, made, what)
}

/// Whether nothing may be skipped.
pub(crate) fn is_ci() -> bool {
    std::env::var("CLEARLINE_CI").is_ok_and(|v| v == "1")
}
