//! What a document names exists: commands, tasks, settings, variables, metrics, causes and files. What it shows is what
//! is printed, and both languages say the same.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::sh::{self, say};
use crate::{transcripts, typography};

/// The longest ARCHITECTURE.md, lines.
const MAP_MAX: usize = 300;

/// The tasks of this program.
const TASKS: [&str; 10] =
    ["test", "setup", "purity", "docs", "transcripts", "dist", "bench", "clients", "lab", "help"];

/// Variables of ours that are no settings, and where each is read.
const VARIABLES: [(&str, &str); 6] = [
    ("CLEARLINE_FENCE", "crates/cli/src/commands/doctor.rs"),
    ("CLEARLINE_KEYS", "crates/cli/src/setup.rs"),
    ("CLEARLINE_CONFIG", "crates/cli/src/setup.rs"),
    ("CLEARLINE_PUBLIC_ROOTS", "crates/cli/src/setup.rs"),
    ("CLEARLINE_TRANSCRIPTS", "xtask/src/transcripts.rs"),
    ("CLEARLINE_CI", "xtask/src/setup.rs"),
];

/// What exists.
struct Known {
    commands: BTreeSet<String>,
    settings: BTreeSet<String>,
    causes: BTreeSet<String>,
    layers: BTreeSet<String>,
    sections: BTreeSet<String>,
    variables: BTreeSet<String>,
    metrics: BTreeSet<String>,
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
        let name = name(path, &root);
        let mut found = check(&text, &known, &root);
        found.extend(dead_links(&text, path.parent().unwrap_or(&root)));
        if name.ends_with(".zh-CN.md") {
            found.extend(typography::check(&text));
        }
        wrong.extend(found.into_iter().map(|(n, what)| format!("{name}:{n}: {what}")));
        wrong.extend(differs(path, &text)?.map(|what| format!("{name}: {what}")));
        if name == "ARCHITECTURE.md" && text.lines().count() > MAP_MAX {
            wrong.push(format!("{name}: {} lines; a map has at most {MAP_MAX}", text.lines().count()));
        }
    }
    for (file, text) in transcripts::shown(&root)? {
        if std::fs::read_to_string(root.join(&file)).ok() != Some(text) {
            wrong.push(format!("{file} does not show the transcripts as they are: cargo xtask transcripts"));
        }
    }
    if wrong.is_empty() {
        say(&format!("{} documents name only what exists", documents.len()));
        return Ok(());
    }
    Err(wrong.join("\n"))
}

/// A file's path in the repository.
pub(crate) fn name(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

/// What the Chinese document beside an English one lacks: the same headings and pieces of code, by their number.
fn differs(path: &Path, text: &str) -> Result<Option<String>, String> {
    let other = path.with_extension("zh-CN.md");
    let is_english = path.file_stem().and_then(|s| s.to_str()).is_some_and(|s| !s.contains('.'));
    if !is_english || !other.exists() {
        return Ok(None);
    }
    let parts = |text: &str, mark: &str| text.lines().filter(|l| l.starts_with(mark)).count();
    let other = read(&other)?;
    let count = |text: &str| (parts(text, "#"), parts(text, "```"));
    let (own, others) = (count(text), count(&other));
    Ok((own != others).then(|| {
        format!("{own:?} headings and fences, and {others:?} in Chinese: one of the two lacks something")
    }))
}

/// The text of a file.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Every document.
pub(crate) fn documents(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for folder in [root.to_owned(), root.join("docs"), root.join("docs/recorded"), root.join("lab")] {
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
        let mut variables: BTreeSet<String> = settings.iter().map(|s| variable(s)).collect();
        for (variable, file) in VARIABLES {
            if !read(&root.join(file))?.contains(variable) {
                return Err(format!("{file} does not read {variable} any more"));
            }
            variables.insert(variable.to_owned());
        }
        Ok(Self {
            variables,
            metrics: metrics(&root.join("crates/gateway/src"))?,
            layers: causes.iter().map(before).collect(),
            sections: settings.iter().filter(|s| s.contains('.')).map(before).collect(),
            commands,
            settings,
            causes,
        })
    }
}

/// The variable of a setting.
fn variable(setting: &str) -> String {
    format!("CLEARLINE_{}", setting.replace('.', "_").to_uppercase())
}

/// The names of metrics in the sources of a folder.
fn metrics(folder: &Path) -> Result<BTreeSet<String>, String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.is_dir() {
            found.extend(metrics(&path)?);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.extend(named(&read(&path)?, "clearline_").map(str::to_owned));
        }
    }
    Ok(found)
}

/// The names in a text that begin so.
fn named<'a>(text: &'a str, begin: &'a str) -> impl Iterator<Item = &'a str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(move |c: char| !is_part(c))
        .filter(move |word| word.len() > begin.len() && word.starts_with(begin))
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
            let unknown = |begin, known: &BTreeSet<String>| {
                named(span, begin).find(|name| !known.contains(*name)).map(str::to_owned)
            };
            let variable = unknown("CLEARLINE_", &known.variables);
            wrong.extend(variable.map(|name| (n + 1, format!("nothing reads the variable `{name}`"))));
            let metric = unknown("clearline_", &known.metrics);
            wrong.extend(metric.map(|name| (n + 1, format!("there is no metric `{name}`"))));
        }
    }
    wrong
}

/// Links to files that are not there, seen from the document's folder.
fn dead_links(text: &str, folder: &Path) -> Vec<(usize, String)> {
    let targets = |line: &str| -> Vec<String> {
        let behind = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        behind.filter(|to| !to.contains("://") && !to.starts_with('#')).map(str::to_owned).collect()
    };
    let is_dead = |to: &String| !folder.join(to.split('#').next().unwrap_or_default()).exists();
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(n, line)| {
            let dead = targets(line).into_iter().filter(is_dead);
            dead.map(move |to| (n + 1, format!("the link leads nowhere: {to}"))).collect::<Vec<_>>()
        })
        .collect()
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
    fn links_lead_to_files_that_are_there() {
        let text =
            "[map](ARCHITECTURE.md#the-crates) [x](https://example.com)\n![none](docs/none.svg) [a](#a)\n";
        let told: Vec<_> = dead_links(text, &sh::root());
        assert_eq!(told, [(2, "the link leads nowhere: docs/none.svg".to_owned())]);
    }

    #[test]
    fn names_that_do_not_exist_are_found_where_they_stand() {
        let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
        let known = Known {
            commands: set(&["demo", "run"]),
            settings: set(&["timeout.idle", "keys"]),
            causes: set(&["tcp.reset"]),
            layers: set(&["tcp"]),
            sections: set(&["timeout"]),
            variables: set(&["CLEARLINE_TIMEOUT_IDLE"]),
            metrics: set(&["clearline_alert"]),
        };
        let text = "Say `clearline demo`, never `clearline dance`.\n```\n$ clearline sing\nclearline run -- x\n```\n\
                    `timeout.idle` `timeout.idel` `tcp.reset` `tcp.rest` `crates/no-such` `cargo xtask sleep` `model.rs`\n\
                    `CLEARLINE_TIMEOUT_IDLE=5s` `clearline_alert` `CLEARLINE_TIMEOUT_IDEL=5s` `clearline_alarm`\n";
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
                "7 nothing reads the variable `CLEARLINE_TIMEOUT_IDEL`",
                "7 there is no metric `clearline_alarm`",
            ]
        );
    }
}
