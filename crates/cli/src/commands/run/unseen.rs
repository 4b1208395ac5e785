//! Why no call came through: the few places where a program's base URL is decided otherwise.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clearline_model::Foreign;
use clearline_report::{Args, Prose};

/// The largest file that is looked into, bytes.
const FILE_MAX: u64 = 1 << 20;

/// Variables that send a known client to another cloud.
const ROUTES: [&str; 4] = [
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
    "ANTHROPIC_BEDROCK_BASE_URL",
];

/// How a base URL is given in code, in the SDKs' languages.
const IN_CODE: [&str; 6] = ["base_url=", "base_url =", "baseURL:", "baseUrl(", "WithBaseURL(", "BaseUrl ="];

/// What to tell whoever ran a program none of whose calls was seen.
pub(super) fn explain(
    prose: &Prose,
    command: &[OsString],
    lookup: &dyn Fn(&str) -> Option<String>,
) -> String {
    let name = command.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let mut text = prose.word("run-unseen");
    let mut found = in_environment(prose, lookup);
    found.extend(in_files(prose, command));
    found.extend(in_settings(prose, lookup));
    if found.is_empty() {
        let own = (say(prose, "run-unseen-own", &[("program", &name)]), prose.word("run-unseen-code"));
        found.push(own);
    }
    for (place, fix) in found {
        let _written = write!(text, "\n  {place}\n    {fix}");
    }
    text
}

type Hint = (String, String);

fn say(prose: &Prose, name: &str, known: &[(&'static str, &str)]) -> String {
    let args = known.iter().fold(Args::default(), |args, (key, text)| args.with(key, Foreign::new(text)));
    prose.say(name, &args)
}

fn in_environment(prose: &Prose, lookup: &dyn Fn(&str) -> Option<String>) -> Vec<Hint> {
    let set = ROUTES.iter().filter(|name| lookup(name).is_some_and(|v| !v.is_empty() && v != "0"));
    set.map(|name| (say(prose, "run-unseen-route", &[("variable", name)]), format!("unset {name}"))).collect()
}

/// Base URLs in the files that the command line names: scripts, mostly.
fn in_files(prose: &Prose, command: &[OsString]) -> Vec<Hint> {
    let files = command.iter().map(Path::new).filter(|p| p.is_file());
    files.filter_map(|path| in_code(prose, path, &readable(path)?)).collect()
}

fn in_code(prose: &Prose, path: &Path, text: &str) -> Option<Hint> {
    let (at, line) =
        text.lines().enumerate().find(|(_, line)| IN_CODE.iter().any(|mark| line.contains(mark)))?;
    let shown: String = line.trim().chars().filter(|c| !c.is_control()).take(70).collect();
    let (file, line) = (path.display().to_string(), (at + 1).to_string());
    let place = say(prose, "run-unseen-file", &[("file", &file), ("line", &line), ("value", &shown)]);
    Some((place, prose.word("run-unseen-file-fix")))
}

/// The settings files of a known client: their `env` beats the environment.
fn in_settings(prose: &Prose, lookup: &dyn Fn(&str) -> Option<String>) -> Vec<Hint> {
    let home = lookup("CLAUDE_CONFIG_DIR")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(lookup("HOME")?).join(".claude")));
    let own = home.map(|h| h.join("settings.json"));
    let here =
        [".claude/settings.json", ".claude/settings.local.json", "/etc/claude-code/managed-settings.json"];
    let files = own.into_iter().chain(here.map(PathBuf::from));
    files.filter_map(|path| in_env(prose, &path, &readable(&path)?)).collect()
}

fn in_env(prose: &Prose, path: &Path, text: &str) -> Option<Hint> {
    let file: serde_json::Value = serde_json::from_str(text).ok()?;
    let env = file.get("env")?.as_object()?;
    let name = std::iter::once("ANTHROPIC_BASE_URL").chain(ROUTES).find(|name| env.contains_key(*name))?;
    let line = text.lines().position(|l| l.contains(name)).map_or(1, |at| at + 1).to_string();
    let file = path.display().to_string();
    let place = say(prose, "run-unseen-env", &[("file", &file), ("line", &line), ("variable", name)]);
    Some((place, say(prose, "run-unseen-env-fix", &[("variable", name)])))
}

fn readable(path: &Path) -> Option<String> {
    let small = std::fs::metadata(path).is_ok_and(|m| m.len() <= FILE_MAX);
    small.then(|| std::fs::read_to_string(path).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use clearline_report::Lang;

    use super::*;

    #[test]
    fn each_place_is_named_with_its_one_line_change() {
        let prose = &Prose::load(Lang::En);
        let none = |_: &str| None;
        let command = [OsString::from("python"), OsString::from("no-such-file.py")];
        assert!(
            explain(prose, &command, &none)
                .contains("python no-such-file.py made none, or set its own base URL")
        );
        let bedrock = |name: &str| (name == "CLAUDE_CODE_USE_BEDROCK").then(|| "1".to_owned());
        assert!(explain(prose, &command, &bedrock).contains("unset CLAUDE_CODE_USE_BEDROCK"));
        let code =
            "import anthropic\nclient = anthropic.Anthropic(\n    base_url=\"https://gw.example\",\n)\n";
        let (place, _) = in_code(prose, Path::new("app.py"), code).unwrap();
        assert_eq!(place, "app.py, line 3, sets its own base URL: base_url=\"https://gw.example\",");
        let settings = "{\n  \"env\": {\n    \"ANTHROPIC_BASE_URL\": \"https://gw.example\"\n  }\n}\n";
        let (place, fix) = in_env(prose, Path::new("settings.json"), settings).unwrap();
        assert!(place.starts_with("settings.json, line 3: its \"env\" sets ANTHROPIC_BASE_URL"), "{place}");
        assert_eq!(fix, "Remove ANTHROPIC_BASE_URL from \"env\" there.");
        assert_eq!(in_env(prose, Path::new("settings.json"), "{}"), None);
        let chinese = explain(&Prose::load(Lang::Zh), &command, &bedrock);
        assert!(
            chinese.starts_with("clearline：没有任何调用经过我。\n  设置了 CLAUDE_CODE_USE_BEDROCK"),
            "{chinese}"
        );
    }
}
