//! Where a variable was set: which file, which line. The values themselves stay where they are; they are only compared.

use std::path::{Path, PathBuf};

use clearline_model::Fact;
use clearline_model::variable::decides;

use super::{Environment, Place as Whose, state};

/// The largest file that is looked into, bytes.
const FILE_MAX: u64 = 1 << 20;
/// How many folders above the working one are looked into.
const PARENTS_MAX: usize = 8;

/// The files that set variables for every program, as a shell reads them.
const SYSTEM: [&str; 4] = ["/etc/environment", "/etc/profile", "/etc/bash.bashrc", "/etc/zsh/zshenv"];
/// The same in a home folder.
const HOME: [&str; 7] =
    [".bashrc", ".bash_profile", ".profile", ".zshrc", ".zshenv", ".zprofile", ".config/fish/config.fish"];
/// The settings of Claude Code: in the home folder and in a project.
const SETTINGS: [&str; 2] = [".claude/settings.json", ".claude/settings.local.json"];

/// A file that may set variables.
struct Place {
    path: PathBuf,
    /// Whether it is JSON with an `env` object.
    is_json: bool,
}

/// A line that sets a variable.
struct Line {
    name: String,
    value: String,
    number: usize,
}

/// The places of the variables that are set, and of those that are not set here and stand in a file that was not read.
pub(super) fn facts(set: Environment<'_>, whose: &Whose, facts: &mut Vec<Fact>) {
    let home = set("HOME").map(|home| whose.at(&home));
    for place in places(home.as_deref(), whose) {
        match lines(&place) {
            Ok(lines) => {
                let shown = shown(&place.path, home.as_deref());
                facts.extend(lines.iter().filter_map(|line| told(set, line, &shown)));
            }
            Err(Some(why)) => {
                facts.push(state("unreadable", &format!("{}: {why}", shown(&place.path, home.as_deref()))));
            }
            Err(None) => {}
        }
    }
}

/// A line as a fact: it sets what is in force, or something that is not set here.
fn told(set: Environment<'_>, line: &Line, shown: &str) -> Option<Fact> {
    let place = format!("{shown}:{}", line.number);
    match set(&line.name) {
        // A value with an expansion in it cannot be compared.
        Some(value) if value == line.value || line.value.contains('$') => {
            Some(state(&format!("origin.{}", line.name), &place))
        }
        Some(_) => None,
        None if line.value.is_empty() => None,
        None => Some(state(&format!("elsewhere.{}", line.name), &place)),
    }
}

fn places(home: Option<&Path>, whose: &Whose) -> Vec<Place> {
    let shell = |path: PathBuf| Place { path, is_json: false };
    let json = |path: PathBuf| Place { path, is_json: true };
    let mut all = Vec::new();
    let above = whose.working.as_deref().into_iter().flat_map(Path::ancestors).take(PARENTS_MAX);
    for folder in above {
        all.push(shell(folder.join(".env")));
        if Some(folder) == home {
            break;
        }
        all.extend(SETTINGS.iter().map(|name| json(folder.join(name))));
    }
    if let Some(home) = home {
        all.extend(SETTINGS.iter().map(|name| json(home.join(name))));
        all.extend(HOME.iter().map(|name| shell(home.join(name))));
    }
    all.extend(SYSTEM.iter().map(|name| shell(whose.at(name))));
    let mut profile: Vec<PathBuf> = std::fs::read_dir(whose.at("/etc/profile.d"))
        .map(|found| found.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    profile.sort();
    all.extend(profile.into_iter().filter(|p| p.extension().is_some_and(|e| e == "sh")).map(shell));
    all
}

/// The path as people write it.
fn shown(path: &Path, home: Option<&Path>) -> String {
    match home.and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

/// The lines of a place that set a watched variable. A place that is not there has none; `Err` says why it cannot be read.
fn lines(place: &Place) -> Result<Vec<Line>, Option<String>> {
    let is_small = std::fs::metadata(&place.path).map(|m| m.is_file() && m.len() <= FILE_MAX);
    match is_small {
        Ok(true) => {}
        Ok(false) | Err(_) => return Err(None),
    }
    let text = std::fs::read(&place.path).map_err(|error| Some(error.to_string()))?;
    let text = String::from_utf8_lossy(&text);
    if place.is_json { of_json(&text).map_err(Some) } else { Ok(of_shell(&text)) }
}

/// The lines of a shell's file or of a `.env` file.
fn of_shell(text: &str) -> Vec<Line> {
    let mut all = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        // fish: `set -gx NAME value`.
        if let Some(rest) = line.strip_prefix("set ") {
            let mut words = rest.split_whitespace().skip_while(|w| w.starts_with('-'));
            if let Some(name) = words.next().filter(|n| decides(n)) {
                let value = unquoted(&words.collect::<Vec<_>>().join(" "));
                all.push(Line { name: name.to_owned(), value, number: i + 1 });
            }
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let Some((name, value)) = line.split_once('=') else { continue };
        if decides(name.trim()) {
            let value = unquoted(value.trim());
            all.push(Line { name: name.trim().to_owned(), value, number: i + 1 });
        }
    }
    all
}

/// A value without its quotes, and without a comment behind it.
fn unquoted(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote)
            && let Some((inner, _)) = rest.split_once(quote)
        {
            return inner.to_owned();
        }
    }
    let bare = value.split(" #").next().unwrap_or_default();
    bare.split(';').next().unwrap_or_default().trim().to_owned()
}

/// The variables of Claude Code's settings. The line is that of the name's first mention.
fn of_json(text: &str) -> Result<Vec<Line>, String> {
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|e| format!("not JSON, line {}, column {}", e.line(), e.column()))?;
    let Some(env) = value.get("env").and_then(|env| env.as_object()) else { return Ok(Vec::new()) };
    let number = |name: &str| {
        let quoted = format!("\"{name}\"");
        text.lines().position(|line| line.contains(&quoted)).map_or(1, |i| i + 1)
    };
    let line = |(name, value): (&String, &serde_json::Value)| {
        let value = value.as_str()?.to_owned();
        decides(name).then(|| Line { name: name.clone(), value, number: number(name) })
    };
    Ok(env.iter().filter_map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_shell_are_found() {
        let text = "# HTTPS_PROXY=no\nexport HTTPS_PROXY=\"http://p:1\" # why\n  NO_PROXY='a,b'\nset -gx ANTHROPIC_BASE_URL https://g\nOTHER=1\nSSL_CERT_FILE=/a.pem # x\n";
        let found: Vec<(String, String, usize)> =
            of_shell(text).into_iter().map(|l| (l.name, l.value, l.number)).collect();
        let line = |n: &str, v: &str, i| (n.to_owned(), v.to_owned(), i);
        assert_eq!(
            found,
            [
                line("HTTPS_PROXY", "http://p:1", 2),
                line("NO_PROXY", "a,b", 3),
                line("ANTHROPIC_BASE_URL", "https://g", 4),
                line("SSL_CERT_FILE", "/a.pem", 6),
            ]
        );
    }

    #[test]
    fn the_settings_of_claude_code_have_lines_too() {
        let text = "{\n \"env\": {\n  \"HTTPS_PROXY\": \"http://p:1\",\n  \"FOO\": \"x\"\n }\n}\n";
        let found = of_json(text).unwrap();
        assert_eq!(
            found.iter().map(|l| (l.name.as_str(), l.number)).collect::<Vec<_>>(),
            [("HTTPS_PROXY", 3)]
        );
        assert_eq!(of_json("{\n \"env\": {").err().as_deref(), Some("not JSON, line 2, column 9"));
        assert!(of_json("[]").unwrap().is_empty());
    }

    #[test]
    fn a_line_counts_when_it_sets_what_is_in_force() {
        let folder = std::env::temp_dir().join(format!("clearline-origin-{}", std::process::id()));
        std::fs::create_dir_all(folder.join(".claude")).unwrap();
        std::fs::write(
            folder.join(".bashrc"),
            "export HTTPS_PROXY=http://old:1\nexport HTTPS_PROXY=http://new:1\n",
        )
        .unwrap();
        std::fs::write(folder.join(".claude/settings.json"), "no json").unwrap();
        std::fs::write(folder.join(".env"), "ANTHROPIC_API_KEY=sk-ant-fake-secret\n").unwrap();
        let home = folder.display().to_string();
        let set = |name: &str| match name {
            "HOME" => Some(home.clone()),
            "HTTPS_PROXY" => Some("http://new:1".to_owned()),
            _ => None,
        };
        let mut all = Vec::new();
        let whose = Whose { working: Some(folder.clone()), ..Whose::own() };
        facts(&set, &whose, &mut all);
        std::fs::remove_dir_all(&folder).unwrap();
        let text = format!("{all:?}");
        assert!(text.contains("origin.HTTPS_PROXY") && text.contains("~/.bashrc:2"), "{text}");
        assert!(!text.contains("~/.bashrc:1"), "{text}");
        assert!(text.contains("elsewhere.ANTHROPIC_API_KEY") && text.contains("~/.env:1"), "{text}");
        assert!(text.contains("~/.claude/settings.json: not JSON"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}
