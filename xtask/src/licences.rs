//! What `deny.toml` says of the dependencies, checked with cargo alone: licences, forbidden crates, and where they come from.
//!
//! Where cargo-deny is installed it does this, and more. It is no part of a Rust toolchain and takes minutes to build, so a
//! check that everybody can run stands in for it.

use std::collections::BTreeSet;

use crate::sh::{self, cargo, command, say};

/// Checks the tree of all crates on all targets.
///
/// # Errors
/// A licence that is not allowed, a crate that is forbidden, or one that comes from elsewhere than the registry.
pub(crate) fn run() -> Result<(), String> {
    if sh::has("cargo-deny") {
        return cargo(&["deny", "check", "bans", "licenses", "sources"]);
    }
    let path = sh::root().join("deny.toml");
    let rules = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let tree =
        ["tree", "--workspace", "--target", "all", "--locked", "--prefix", "depth", "--format", "{p}|{l}"];
    let tree = sh::output(command(env!("CARGO"), &tree), "cargo tree")?;
    let root = sh::root().display().to_string();
    let (count, wrong) = judge(&tree, &rules, &root);
    if wrong.is_empty() {
        say(&format!("{count} crates: their licences, names and sources are as deny.toml allows"));
        return Ok(());
    }
    Err(wrong.into_iter().collect::<Vec<_>>().join("\n"))
}

/// A crate in the tree: who needs it, what it is called, and under which licence it is.
struct Leaf<'a> {
    parent: &'a str,
    package: &'a str,
    licence: &'a str,
}

/// The lines of `cargo tree --prefix depth`: each crate is unfolded once, so that every edge is there.
fn leaves(tree: &str) -> Vec<Leaf<'_>> {
    let (mut path, mut leaves) = (Vec::new(), Vec::new());
    for line in tree.lines() {
        let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (depth, rest) = line.split_at(digits);
        let told = depth.parse::<usize>().ok().zip(rest.trim_end_matches(" (*)").split_once('|'));
        let Some((depth, (package, licence))) = told else { continue };
        path.truncate(depth);
        leaves.push(Leaf { parent: path.last().copied().unwrap_or_default(), package, licence });
        path.push(name(package));
    }
    leaves
}

fn name(package: &str) -> &str {
    package.split(' ').next().unwrap_or_default()
}

/// A crate that is forbidden, but to those that may bring it.
struct Forbidden<'a> {
    name: &'a str,
    wrappers: Vec<&'a str>,
}

fn forbidden(rules: &str) -> Vec<Forbidden<'_>> {
    let rule = |line| {
        let after = |key: &str| str::split_once(line, key).map(|(_, rest)| rest);
        let wrappers = after("wrappers = [").and_then(|rest| rest.split_once(']'));
        Some(Forbidden {
            name: quoted(after("crate")?).next()?,
            wrappers: wrappers.map_or_else(Vec::new, |(list, _)| quoted(list).collect()),
        })
    };
    section(rules, "\ndeny = [").lines().filter_map(rule).collect()
}

/// How many crates there are, and what is wrong with some.
fn judge(tree: &str, rules: &str, root: &str) -> (usize, BTreeSet<String>) {
    let allowed: Vec<_> = quoted(section(rules, "allow = [")).collect();
    let (leaves, forbidden) = (leaves(tree), forbidden(rules));
    let mut wrong = BTreeSet::new();
    for Leaf { parent, package, licence } in &leaves {
        let name = name(package);
        if forbidden.iter().any(|f| f.name == name && !f.wrappers.contains(parent)) {
            wrong.insert(format!("{name} is forbidden by deny.toml, and {parent} needs it"));
        }
        if !is_allowed(licence, &allowed) {
            wrong.insert(format!("{package}: \"{licence}\" is not among the licences that deny.toml allows"));
        }
        // One of the registry has neither a path nor an address behind its version.
        let from = package.rsplit_once('(').map(|(_, from)| from.trim_end_matches(')'));
        if from.is_some_and(|from| from != "proc-macro" && !from.starts_with(root)) {
            wrong.insert(format!("{package} does not come from the registry"));
        }
    }
    if leaves.is_empty() || allowed.is_empty() || forbidden.is_empty() {
        wrong.insert("nothing was found to check: has deny.toml another layout?".to_owned());
    }
    let crates: BTreeSet<_> = leaves.iter().map(|leaf| leaf.package).collect();
    (crates.len(), wrong)
}

/// What stands from a line on, up to the line that closes its bracket.
fn section<'a>(rules: &'a str, begin: &str) -> &'a str {
    let rest = rules.split_once(begin).map_or("", |(_, rest)| rest);
    rest.split_once("\n]").map_or(rest, |(section, _)| section)
}

/// The texts in quotation marks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

/// Whether an SPDX expression can be met with what is allowed; a slash is the former way to write OR.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    any(&mut words, allowed) && words.peek().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    let mut met = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= all(words, allowed);
    }
    met
}

fn all(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    let Some(word) = words.next() else { return false };
    if word == "(" {
        return any(words, allowed) && words.next() == Some(")");
    }
    let exception = words.next_if_eq(&"WITH").and_then(|_| words.next());
    let whole = exception.map_or_else(|| word.to_owned(), |exception| format!("{word} WITH {exception}"));
    allowed.contains(&whole.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"
[licenses]
allow = [
  "MIT",
  "ISC",
  "Apache-2.0 WITH LLVM-exception",
]

[bans]
wildcards = "deny"
deny = [
  { crate = "openssl-sys", reason = "another TLS" },
  { crate = "rand", wrappers = ["dns", "a"], reason = "a seed" },
]
"#;

    #[test]
    fn expressions_are_met_by_what_is_allowed() {
        let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"];
        for (expression, met) in [
            ("MIT", true),
            ("Apache-2.0", false),
            ("MIT/Apache-2.0", true),
            ("Apache-2.0 / GPL-3.0", false),
            ("GPL-3.0 OR MIT AND ISC", true),
            ("(GPL-3.0 OR MIT) AND ISC", true),
            ("GPL-3.0 AND MIT OR Zlib", false),
            ("ISC AND (Apache-2.0 OR ISC)", true),
            ("ISC AND (Apache-2.0 OR Zlib)", false),
            ("Apache-2.0 WITH LLVM-exception OR Zlib", true),
            ("MIT WITH LLVM-exception", false),
            ("(MIT", false),
            ("MIT ISC", false),
            ("", false),
        ] {
            assert_eq!(is_allowed(expression, &allowed), met, "{expression}");
        }
    }

    #[test]
    fn what_deny_toml_does_not_allow_is_told_by_name() {
        let well = "0own v0.1.0 (/src/own)|MIT\n1a v1.0.0|MIT\n2rand v1.0.0|MIT\n1b v2.0.0 (proc-macro)|ISC\n\
            [dev-dependencies]\n1a v1.0.0|MIT (*)";
        assert_eq!(judge(well, RULES, "/src"), (4, BTreeSet::new()));
        for (line, what) in [
            ("2openssl-sys v1.0.0|MIT", "openssl-sys is forbidden by deny.toml, and a needs it"),
            ("1rand v1.0.0|MIT (*)", "rand is forbidden by deny.toml, and own needs it"),
            ("1c v1.0.0|GPL-3.0", "GPL-3.0"),
            ("1c v1.0.0|", "\"\" is not among"),
            ("1d v1.0.0 (https://code.example/d#1234)|MIT", "does not come from"),
            ("0e v1.0.0 (/elsewhere/e)|MIT", "does not come from"),
        ] {
            let (_, wrong) = judge(&format!("{well}\n{line}\n"), RULES, "/src");
            assert!(wrong.len() == 1 && wrong.iter().any(|w| w.contains(what)), "{line}: {wrong:?}");
        }
        assert!(!judge("", RULES, "/src").1.is_empty() && !judge(well, "", "/src").1.is_empty());
    }
}
