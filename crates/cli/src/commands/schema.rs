//! `clearline schema`: the form of everything that is printed for programs.

use clap::Args;

use crate::exit::{self, Failure};
use crate::out;

macro_rules! schemas {
    ($($name:literal)+) => {
        [$(($name, include_str!(concat!("../../schemas/", $name, ".json")))),+]
    };
}

/// Every schema, by name.
const SCHEMAS: [(&str, &str); 23] = schemas! {
    "verdict" "verification" "explanation" "explained" "causes" "emitters" "logs" "trace" "call" "watch" "alert" "alert-not-delivered"
    "call-record" "request-refused" "upstream-changed" "connections-changed" "settings-reloaded" "reload-refused" "gateway-status" "settings" "facts" "demo" "schemas"
};

/// Prints the JSON Schema of an output for programs, or lists them
///
/// A schema's version changes when a field changes its meaning or goes away; new fields may come at any time.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Which, such as verdict or clearline.verdict/1 [default: lists all]
    name: Option<String>,
    /// Prints the list as one JSON object
    #[arg(long, conflicts_with = "name")]
    json: bool,
}

impl Schema {
    pub(crate) fn run(self) -> Result<u8, Failure> {
        let Some(name) = &self.name else { return self.list() };
        // The name that an output itself shows is taken as well.
        let bare = name.strip_prefix("clearline.").unwrap_or(name);
        let bare = bare.split('/').next().unwrap_or(bare);
        let found = SCHEMAS.iter().find(|(own, text)| *own == bare && (bare == name || id(text) == *name));
        let Some((_, text)) = found else {
            let known: Vec<_> = SCHEMAS.iter().map(|(name, _)| *name).collect();
            let list = known.join(", ");
            return Err(Failure::usage(format!("there is no schema \"{name}\"\n  There are: {list}.")));
        };
        out::say(text.trim_end())?;
        Ok(exit::WELL)
    }

    fn list(&self) -> Result<u8, Failure> {
        let rows = SCHEMAS.map(|(name, text)| (name, field(text, "title")));
        if self.json {
            let rows = rows.map(|(name, title)| serde_json::json!({ "name": name, "title": title }));
            out::say(&serde_json::json!({ "schema": "clearline.schemas/1", "schemas": rows }).to_string())?;
            return Ok(exit::WELL);
        }
        let wide = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, title) in rows {
            out::say(&format!("{name:wide$}  {title}"))?;
        }
        Ok(exit::WELL)
    }
}

fn field(text: &str, name: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    value.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_owned()
}

fn id(text: &str) -> String {
    field(text, "$id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_and_says_what_it_is() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), SCHEMAS.len());
        for (name, text) in SCHEMAS {
            assert!(!field(text, "title").is_empty(), "{name}");
            assert!(id(text) == name || id(text) == format!("clearline.{name}/1"), "{name}: {}", id(text));
        }
    }
}
