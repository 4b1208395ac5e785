//! `clearline config`: what is set, and where.

mod check;

use std::path::Path;

use clap::{Args, Subcommand};
use clearline_model::{Foreign, Setting, SettingOrigin};
use clearline_report::{Prose, layout};

use crate::exit::{self, Failure};
use crate::settings::Settings;
use crate::{look, out, setup};

/// Shows the settings that hold and where each comes from, or checks them
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Checks file, variables and secrets, and reports every mistake at once
    Check,
    /// Shows every setting with its value and its origin
    Show {
        /// Prints one JSON object
        #[arg(long)]
        json: bool,
        /// Shows what each setting means, too
        #[arg(short, long)]
        verbose: bool,
    },
}

impl Config {
    pub(crate) fn run(self, lang: Option<&str>, file: Option<&Path>) -> Result<u8, Failure> {
        match self.what {
            What::Check => check::check(lang, file),
            What::Show { json, verbose } => show(lang, file, json, verbose),
        }
    }
}

fn show(lang: Option<&str>, file: Option<&Path>, json: bool, verbose: bool) -> Result<u8, Failure> {
    let settings = setup::load(file, &[])?;
    let prose = &Prose::load(look::spoken(lang, &settings));
    if json {
        return show_json(&settings);
    }
    let lines: Vec<_> = settings
        .entries()
        .map(|(row, e)| (row, format!("{} = {}", row.key, e.shown(row)), origin(prose, &e.origin)))
        .collect();
    let width = lines.iter().map(|(_, text, _)| layout::width(text)).max().unwrap_or(0);
    let help = Prose::help(prose.lang());
    for (row, text, origin) in lines {
        out::say(&format!("{}   {origin}", layout::pad(&text, width)))?;
        if verbose {
            let args =
                said("name", &meaning(help.as_ref(), row)).with("value", Foreign::new(&row.variable()));
            out::say(&format!("    {}", prose.say("config-meaning", &args)))?;
        }
    }
    let path = setup::file(file).or_else(setup::user_file);
    if let Some(path) = path {
        let state = prose.word(if path.exists() { "config-file-read" } else { "config-file-missing" });
        let args = said("file", &path.display().to_string()).with("name", Foreign::new(&state));
        out::say(&prose.say("config-file", &args))?;
    }
    Ok(exit::WELL)
}

/// The same for programs: names and meanings in English, whatever the language.
fn show_json(settings: &Settings) -> Result<u8, Failure> {
    let rows = settings.entries().map(|(row, entry)| {
        serde_json::json!({
            "key": row.key, "value": entry.shown(row), "default": row.default,
            "origin": entry.origin.to_string(), "variable": row.variable(), "doc": row.doc,
        })
    });
    let rows: Vec<_> = rows.collect();
    out::say(&serde_json::json!({ "schema": "clearline.settings/1", "settings": rows }).to_string())?;
    Ok(exit::WELL)
}

fn said(name: &'static str, text: &str) -> clearline_report::Args {
    clearline_report::Args::default().with(name, Foreign::new(text))
}

/// Where a value comes from.
fn origin(prose: &Prose, origin: &SettingOrigin) -> String {
    match origin {
        SettingOrigin::Default => prose.word("config-default"),
        SettingOrigin::File { path, line, column } => {
            let args = said("file", path).with("line", Foreign::new(&line.to_string()));
            prose.say("config-origin-file", &args.with("count", Foreign::new(&column.to_string())))
        }
        SettingOrigin::Variable(name) => prose.say("config-origin-variable", &said("name", name)),
        SettingOrigin::Flag(name) => prose.say("config-origin-flag", &said("name", name)),
    }
}

/// What a setting means.
fn meaning(help: Option<&Prose>, row: &Setting) -> String {
    let name = format!("setting-{}", row.key.replace(['.', '_'], "-"));
    help.and_then(|help| help.known(&name, &clearline_report::Args::default()))
        .unwrap_or_else(|| row.doc.to_owned())
}

#[cfg(test)]
mod tests {
    use clearline_report::Lang;

    use super::*;
    use crate::settings::ROWS;

    #[test]
    fn every_setting_has_its_meaning_in_both_languages() {
        let help = Prose::help(Lang::Zh).unwrap();
        for row in ROWS {
            let (en, zh) = (meaning(None, row), meaning(Some(&help), row));
            assert!(!en.is_empty() && zh != en, "{} has no meaning in Chinese", row.key);
            let numbers = |text: &str| -> std::collections::BTreeSet<String> {
                let parts = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
                parts.map(str::to_owned).collect()
            };
            // What changed in one language alone mostly shows in its numbers.
            assert_eq!(numbers(&en), numbers(&zh), "{}: {en} / {zh}", row.key);
        }
        let names: std::collections::BTreeSet<_> =
            ROWS.iter().map(|row| row.key.replace(['.', '_'], "-")).collect();
        assert_eq!(names.len(), ROWS.len(), "two settings share one text");
    }

    #[test]
    fn origins_are_said_as_in_the_json() {
        let all = [
            SettingOrigin::Default,
            SettingOrigin::File { path: "a.toml".to_owned(), line: 3, column: 7 },
            SettingOrigin::Variable("CLEARLINE_LANG".to_owned()),
            SettingOrigin::Flag("--lang".to_owned()),
        ];
        let prose = Prose::load(Lang::En);
        for one in &all {
            assert_eq!(origin(&prose, one), one.to_string());
        }
        assert_eq!(origin(&Prose::load(Lang::Zh), &all[1]), "a.toml 第 3 行第 7 列");
    }
}
