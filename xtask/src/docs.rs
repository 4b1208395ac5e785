//! What a document names exists: commands, tasks, settings, causes and files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::sh::{self, say};

/// The longest ARCHITECTURE.md, lines.
const MAP_MAX: usize = 300;

/// The tasks of this program.
const TASKS: [&str; 7] = ["test", "setup", "purity", "docs", "bench", "lab", "help"];

/// What exists.
struct Known {
    commands: BTreeSet<String>,
    settings: BTreeSet<String>,
    causes: BTreeSet<String>,
    layers: BTreeSet<String>,
    sections: BTreeSet<String>,
}

/// Checks every document.
///
/// # Errors
/// Everything that a document names and that does not exist.
pub(crate) fn run() -> Result<(), String> {
    let root = sh::root();
    let known = Known::read(&root)?;
    let mut wrong = Vec::new();
    let documents = documents(&root)?;
    for path in &documents {
        let text = read(path)?;
        let name = path.strip_prefix(&root).unwrap_or(path).display().to_string();
        wrong.extend(check(&text, &known, &root).into_iter().map(|(n, what)| format!("{name}:{n}: {what}")));
        if name == "ARCHITECTURE.md" && text.lines().count() > MAP_MAX {
            wrong.push(format!("{name}: {} lines; a map has at most {MAP_MAX}", text.lines().count()));
        }
    }
    if wrong.is_empty() {
        say(&format!("{} documents name only what exists", documents.len()));
        return Ok(());
    }
    Err(wrong.join("\n"))
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn documents(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for folder in [root.to_owned(), root.join("docs"), root.join("lab")] {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.map_err(|e| e.to_string())?.path();
            if path.extension().is_some_and(|e| e == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

impl Known {
    fn read(root: &Path) -> Result<Self, String> {
        let mut commands = BTreeSet::new();
        let folder = root.join("crates/cli/src/commands");
        for entry in std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))? {
            let path = entry.map_err(|e| e.to_string())?.path();
            let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
            if stem != "mod" {
                commands.insert(stem.to_owned());
            }
        }
        let settings = quoted(&read(&root.join("crates/cli/src/settings/table.rs"))?, "row(");
        let table = read(&root.join("crates/model/src/cause.rs"))?;
        let causes: BTreeSet<String> = words(&table).filter(|w| is_dotted(w)).map(str::to_owned).collect();
        let before = |name: &String| name.split('.').next().unwrap_or_default().to_owned();
        Ok(Self {
            layers: causes.iter().map(before).collect(),
            sections: settings.iter().filter(|s| s.contains('.')).map(before).collect(),
            commands,
            settings,
            causes,
        })
    }
}

/// What stands in quotes behind a mark, wherever the lines break.
fn quoted(text: &str, mark: &str) -> BTreeSet<String> {
    let named = |rest: &str| rest.trim_start().strip_prefix('"')?.split('"').next().map(str::to_owned);
    text.split(mark).skip(1).filter_map(named).collect()
}

/// What stands between two quotes.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

/// `layer.name`, as causes and settings are called.
fn is_dotted(word: &str) -> bool {
    let is_name = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'-' | b'_') || b.is_ascii_digit())
    };
    word.split_once('.').is_some_and(|(layer, name)| is_name(layer) && is_name(name))
}

/// Everything wrong in a text, with its line.
fn check(text: &str, known: &Known, root: &Path) -> Vec<(usize, String)> {
    let mut wrong = Vec::new();
    let mut in_block = false;
    for (n, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
            continue;
        }
        let spans: Vec<&str> =
            if in_block { vec![line] } else { line.split('`').skip(1).step_by(2).collect() };
        for span in spans {
            wrong.extend(check_code(span, in_block, known, root).map(|what| (n + 1, what)));
        }
    }
    wrong
}

/// What is wrong with a piece of code.
fn check_code(code: &str, in_block: bool, known: &Known, root: &Path) -> Option<String> {
    let mut parts = code.split_whitespace().skip_while(|p| *p == "$" || p.contains('='));
    let (first, second, third) = (parts.next()?, parts.next(), parts.next());
    if first == "clearline"
        && let Some(command) = second
        && command.bytes().all(|b| b.is_ascii_lowercase())
        && !known.commands.contains(command)
    {
        return Some(format!("there is no command `clearline {command}`"));
    }
    if (first, second) == ("cargo", Some("xtask"))
        && let Some(task) = third
        && !TASKS.contains(&task)
    {
        return Some(format!("there is no task `cargo xtask {task}`"));
    }
    if in_block || second.is_some() {
        return None;
    }
    let is_path = first.contains('/') && !first.contains("://") && !first.starts_with(['/', '~', '-', '<']);
    let in_repo = ["crates/", "scenarios/", "docs/", "lab/", "xtask/", "fuzz/", ".ci/", ".cargo/"]
        .iter()
        .any(|f| first.starts_with(f));
    if is_path && in_repo && !first.contains(['*', '{']) && !root.join(first.trim_end_matches('/')).exists() {
        return Some(format!("there is no file `{first}`"));
    }
    if is_dotted(first) {
        let layer = first.split('.').next().unwrap_or_default();
        let is_file =
            [".md", ".rs", ".toml", ".txt", ".json", ".jsonl", ".py"].iter().any(|e| first.ends_with(e));
        if !is_file
            && known.layers.contains(layer)
            && !known.causes.contains(first)
            && !known.settings.contains(first)
        {
            return Some(format!("there is neither a cause nor a setting `{first}`"));
        }
        if !is_file
            && known.sections.contains(layer)
            && !known.settings.contains(first)
            && !known.causes.contains(first)
        {
            return Some(format!("there is neither a setting nor a cause `{first}`"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_do_not_exist_are_found_where_they_stand() {
        let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
        let known = Known {
            commands: set(&["demo", "run"]),
            settings: set(&["timeout.idle", "keys"]),
            causes: set(&["tcp.reset"]),
            layers: set(&["tcp"]),
            sections: set(&["timeout"]),
        };
        let text = "Say `clearline demo`, never `clearline dance`.\n```\n$ clearline sing\nclearline run -- x\n```\n\
                    `timeout.idle` `timeout.idel` `tcp.reset` `tcp.rest` `crates/no-such` `cargo xtask sleep` `model.rs`\n";
        let wrong: Vec<_> =
            check(text, &known, &sh::root()).into_iter().map(|(n, what)| format!("{n} {what}")).collect();
        assert_eq!(
            wrong,
            [
                "1 there is no command `clearline dance`",
                "3 there is no command `clearline sing`",
                "6 there is neither a setting nor a cause `timeout.idel`",
                "6 there is neither a cause nor a setting `tcp.rest`",
                "6 there is no file `crates/no-such`",
                "6 there is no task `cargo xtask sleep`",
            ]
        );
    }
}
