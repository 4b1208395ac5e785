//! The pure crates do no I/O: neither through a dependency nor through the standard library.

use std::path::Path;

use crate::sh::{self, command, say};

/// The pure crates and their folders.
const PURE: [(&str, &str); 6] = [
    ("clearline-model", "model"),
    ("clearline-wire", "wire"),
    ("clearline-policy", "policy"),
    ("clearline-diagnose", "diagnose"),
    ("clearline-logs", "logs"),
    ("clearline-report", "report"),
];

/// Crates that do I/O, read a clock, draw chance or run tasks.
const IMPURE: [&str; 20] = [
    "tokio",
    "mio",
    "hyper",
    "hyper-util",
    "socket2",
    "rustls",
    "reqwest",
    "getrandom",
    "rand",
    "rand_core",
    "fastrand",
    "async-std",
    "smol",
    "futures",
    "futures-util",
    "tracing-subscriber",
    "signal-hook",
    "rusqlite",
    "ureq",
    "curl",
];

/// Paths of the standard library that do the same.
const PATHS: [&str; 12] = [
    "std::net::Tcp",
    "std::net::Udp",
    "std::net::{",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::{",
    "std::env",
    "std::fs",
    "std::thread",
    "std::process",
    "std::io::std",
    "std::os",
];

/// Checks all pure crates.
///
/// # Errors
/// What is impure, and where.
pub(crate) fn run() -> Result<(), String> {
    let mut found = Vec::new();
    for (name, folder) in PURE {
        let tree =
            command(env!("CARGO"), &["tree", "-p", name, "-e", "normal", "--prefix", "none", "--locked"]);
        let tree = sh::output(tree, "cargo tree")?;
        found.extend(impure(&tree).into_iter().map(|dependency| format!("{name} depends on {dependency}")));
        scan(&sh::root().join("crates").join(folder).join("src"), &mut found)?;
    }
    if found.is_empty() {
        say(&format!("{} pure crates stay pure", PURE.len()));
        return Ok(());
    }
    Err(found.join("\n"))
}

/// The impure ones among the lines of `cargo tree`.
fn impure(tree: &str) -> Vec<&str> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    let mut found: Vec<&str> = names.filter(|name| IMPURE.contains(name)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn scan(folder: &Path, found: &mut Vec<String>) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            scan(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).map_err(failed)?;
            found.extend(
                impure_lines(&text).into_iter().map(|(n, line)| format!("{}:{n}: {line}", path.display())),
            );
        }
    }
    Ok(())
}

/// Lines that name an impure path, before the tests of a file.
fn impure_lines(text: &str) -> Vec<(usize, &str)> {
    let code = text.lines().enumerate().take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    let names =
        |line: &str| !line.trim_start().starts_with("//") && PATHS.iter().any(|path| line.contains(path));
    code.filter(|(_, line)| names(line)).map(|(n, line)| (n + 1, line.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impure_dependencies_are_found_by_their_whole_name() {
        let tree = "clearline-model v0.1.0\nserde v1.0\ntokio v1.5 (*)\ntokio v1.5\nrandom-name v1\n";
        assert_eq!(impure(tree), ["tokio"]);
    }

    #[test]
    fn impure_lines_are_found_before_the_tests() {
        let text = "use std::fmt;\nuse std::fs::File;\n// std::env is not read here\n#[cfg(test)]\nmod tests { use std::env; }\n";
        assert_eq!(impure_lines(text), [(2, "use std::fs::File;")]);
    }
}
