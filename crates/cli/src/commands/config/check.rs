//! Everything that would keep a gateway from starting with these settings, at once.

use std::path::Path;

use clearline_gateway::{LogTarget, Options, Readers};
use clearline_model::{Foreign, SettingOrigin};
use clearline_report::{Lang, Prose};

use super::said;
use crate::exit::{self, Failure};
use crate::notify::Ways;
use crate::settings::{self, ROWS, Settings};
use crate::{look, out, serve, setup};

/// The mistakes that were found so far.
#[derive(Default)]
struct Mistakes(Vec<String>);

impl Mistakes {
    /// What went well, or the mistake is kept.
    fn keep<T>(&mut self, result: Result<T, Failure>) -> Option<T> {
        result.map_err(|failure| self.0.push(failure.to_string())).ok()
    }

    fn judge(self) -> Result<(), Failure> {
        let titled = |text: &String| {
            if text.starts_with("error: ") { text.clone() } else { format!("error: {text}") }
        };
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Failure::usage(self.0.iter().map(titled).collect::<Vec<_>>().join("\n")))
    }
}

pub(super) fn check(lang: Option<&str>, file: Option<&Path>) -> Result<u8, Failure> {
    let settings = setup::load(file, &[])?;
    let prose = Prose::load(look::spoken(lang, &settings));
    let mut mistakes = Mistakes::default();
    let keys = mistakes.keep(ways(&settings)).unwrap_or(0);
    let tokens = mistakes.keep(setup::tokens(&settings));
    let callers = tokens.as_ref().map_or(0, Vec::len);
    if let (Some(tokens), Some(listen)) = (tokens, mistakes.keep(serve::address(&settings, "gateway.listen")))
    {
        let options = Options { tokens, ..Options::default() };
        mistakes
            .keep(options.guarded(listen).map_err(|why| Failure::usage(format!("gateway.listen: {why}"))));
    }
    mistakes.keep(setup::tls(&settings));
    mistakes.keep(Ways::of(&settings, Lang::En));
    mistakes.keep(variables());
    mistakes.judge()?;
    let changed = settings.entries().filter(|(_, e)| e.origin != SettingOrigin::Default).count();
    let from = setup::file(file).map_or_else(|| prose.word("config-no-file"), |p| p.display().to_string());
    let args = said("file", &from).with("count", Foreign::new(&changed.to_string()));
    out::say(&prose.say("config-well", &args.with("total", Foreign::new(&ROWS.len().to_string()))))?;
    let pool = match keys {
        0 => prose.word("config-own"),
        n => prose.count("server-keys", u64::try_from(n).unwrap_or(u64::MAX), &n.to_string()),
    };
    let args = said("name", &pool).with("count", Foreign::new(&callers.to_string()));
    out::say(&format!("  {}", prose.say("config-keys", &args)))?;
    Ok(exit::WELL)
}

/// How many keys there are; upstreams without names share theirs. The client is made as the gateway would make it.
fn ways(settings: &Settings) -> Result<usize, Failure> {
    let (upstreams, routes) = setup::upstreams(settings, true)?;
    let keys = upstreams.iter().map(|upstream| upstream.keys.len());
    let keys = if settings.names_upstreams() { keys.sum() } else { keys.max().unwrap_or(0) };
    serve::client(settings, (upstreams, routes), Readers::new(LogTarget::None, Vec::new()))?;
    Ok(keys)
}

/// Variables that are no settings and resemble one: elsewhere they are not looked at, because others may have reasons of their own
/// for a name that begins like ours.
fn variables() -> Result<(), Failure> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut wrong: Vec<String> = names
        .filter_map(|name| {
            let meant = settings::meant_variable(&name)?;
            Some(format!("error: {name} is no setting; did you mean {meant}?"))
        })
        .collect();
    wrong.sort();
    if wrong.is_empty() { Ok(()) } else { Err(Failure::usage(wrong.join("\n"))) }
}
