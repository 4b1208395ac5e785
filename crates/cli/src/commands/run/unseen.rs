//! Why no call came through: the few places where a program's base URL is decided otherwise.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clearline_model::Foreign;
use clearline_report::{Args, Prose};

use crate::settings::without_password;

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
    // Arguments may hold keys, and this text ends up in the logs of builds.
    let name = command.first().map(|program| program.to_string_lossy()).unwrap_or_default();
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
    // Code that reads the variable is as it should be.
    let is_well = |line: &str| line.contains("ANTHROPIC_BASE_URL");
    let own = |line: &str| Some(base_url(line.get(IN_CODE.iter().filter_map(|m| line.find(m)).min()?..)?));
    let (at, shown) = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !is_well(line))
        .find_map(|(at, line)| Some((at, own(line)?)))?;
    let (file, line) = (path.display().to_string(), (at + 1).to_string());
    let place = say(prose, "run-unseen-file", &[("file", &file), ("line", &line), ("value", &shown)]);
    Some((place, prose.word("run-unseen-file-fix")))
}

/// A base URL as code gives it, to its end: beside it there may be a key.
fn base_url(text: &str) -> String {
    let mut quote = None;
    let mut is_inside = |c: char| {
        match quote {
            None if matches!(c, '"' | '\'' | '`') => quote = Some(c),
            Some(open) if open == c => quote = None,
            Some(_) | None => {}
        }
        quote.is_some() || !matches!(c, ',' | ';' | ')')
    };
    let value: String = text.chars().take_while(|c| is_inside(*c)).filter(|c| !c.is_control()).collect();
    without_password(value.trim_end()).chars().take(70).collect()
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
        assert!(explain(prose, &command, &none).contains("\n  python made none, or set its own base URL"));
        let bedrock = |name: &str| (name == "CLAUDE_CODE_USE_BEDROCK").then(|| "1".to_owned());
        assert!(explain(prose, &command, &bedrock).contains("unset CLAUDE_CODE_USE_BEDROCK"));
        let code =
            "import anthropic\nclient = anthropic.Anthropic(\n    base_url=\"https://gw.example\",\n)\n";
        let (place, _) = in_code(prose, Path::new("app.py"), code).unwrap();
        assert_eq!(place, "app.py, line 3, sets its own base URL: base_url=\"https://gw.example\"");
        let settings = "{\n  \"env\": {\n    \"ANTHROPIC_BASE_URL\": \"https://gw.example\"\n  }\n}\n";
        let (place, fix) = in_env(prose, Path::new("settings.json"), settings).unwrap();
        assert!(place.starts_with("settings.json, line 3: its \"env\" sets ANTHROPIC_BASE_URL"), "{place}");
        assert_eq!(fix, "Remove ANTHROPIC_BASE_URL from \"env\" there.");
        assert_eq!(in_env(prose, Path::new("settings.json"), "{}"), None);
        for (code, shown) in [
            (
                "x = Anthropic(api_key='sk-ant-fake', base_url='https://gw.example')",
                "base_url='https://gw.example'",
            ),
            (
                "new Anthropic({ baseURL: `https://me:sk-ant-fake@gw.example/a,b`, apiKey })",
                "baseURL: `https://…@gw.example/a,b`",
            ),
            (".baseUrl(System.getenv(\"GW\")).apiKey(\"sk-ant-fake\")", "baseUrl(System.getenv(\"GW\""),
        ] {
            let (place, _) = in_code(prose, Path::new("app"), code).unwrap();
            assert_eq!(place, format!("app, line 1, sets its own base URL: {shown}"));
        }
        let well = "client = Anthropic(base_url=os.environ['ANTHROPIC_BASE_URL'])";
        assert_eq!(in_code(prose, Path::new("app.py"), well), None);
        let secret = ["curl", "-H", "x-api-key: sk-ant-fake"].map(OsString::from);
        assert!(!explain(prose, &secret, &none).contains("sk-ant"));
        let chinese = explain(&Prose::load(Lang::Zh), &command, &bedrock);
        assert!(
            chinese.starts_with("clearline：没有任何调用经过我。\n  设置了 CLAUDE_CODE_USE_BEDROCK"),
            "{chinese}"
        );
    }
}
