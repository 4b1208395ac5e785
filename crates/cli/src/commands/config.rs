//! `clearline config`: what is set, and where.

use std::path::Path;

use clap::{Args, Subcommand};
use clearline_model::SettingOrigin;
use clearline_report::Lang;

use crate::exit::{self, Failure};
use crate::notify::Ways;
use crate::settings::ROWS;
use crate::{out, setup};

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
    pub(crate) fn run(self, file: Option<&Path>) -> Result<u8, Failure> {
        match self.what {
            What::Check => check(file),
            What::Show { json, verbose } => show(file, json, verbose),
        }
    }
}

fn check(file: Option<&Path>) -> Result<u8, Failure> {
    let settings = setup::load(file, &[])?;
    let keys = setup::keys(&settings, true)?.len();
    let tokens = setup::tokens(&settings)?.len();
    let _checked = Ways::of(&settings, Lang::En)?;
    let changed = settings.entries().filter(|(_, e)| e.origin != SettingOrigin::Default).count();
    let from = setup::file(file).map_or_else(|| "no settings file".to_owned(), |p| p.display().to_string());
    out::say(&format!("The settings are well: {from}, {changed} of {} set.", ROWS.len()))?;
    let pool = match keys {
        0 => "no keys here: the callers' own credentials pass".to_owned(),
        1 => "1 key".to_owned(),
        n => format!("a pool of {n} keys"),
    };
    out::say(&format!("  {pool} · callers with a token: {tokens}"))?;
    Ok(exit::WELL)
}

fn show(file: Option<&Path>, json: bool, verbose: bool) -> Result<u8, Failure> {
    let settings = setup::load(file, &[])?;
    if json {
        let rows: Vec<_> = settings
            .entries()
            .map(|(row, entry)| {
                serde_json::json!({
                    "key": row.key, "value": entry.shown(row), "default": row.default,
                    "origin": entry.origin.to_string(), "variable": row.variable(), "doc": row.doc,
                })
            })
            .collect();
        out::say(&serde_json::json!({ "schema": "clearline.settings/1", "settings": rows }).to_string())?;
        return Ok(exit::WELL);
    }
    let lines: Vec<_> = settings
        .entries()
        .map(|(row, e)| (row, format!("{} = {}", row.key, e.shown(row)), &e.origin))
        .collect();
    let width = lines.iter().map(|(_, text, _)| text.chars().count()).max().unwrap_or(0);
    for (row, text, origin) in lines {
        out::say(&format!("{text:width$}   {origin}"))?;
        if verbose {
            out::say(&format!("    {} ({})", row.doc, row.variable()))?;
        }
    }
    let path = setup::file(file).or_else(setup::user_file);
    if let Some(path) = path {
        let state = if path.exists() { "read" } else { "not there" };
        out::say(&format!("Settings file: {} ({state})", path.display()))?;
    }
    Ok(exit::WELL)
}
