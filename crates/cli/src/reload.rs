//! New settings for a gateway that runs: all of them or none.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clearline::Names;
use clearline_gateway::Handle;
use clearline_model::Setting;

use crate::exit::Failure;
use crate::notify::{Notifier, Ways};
use crate::serve::{self, Fixed};
use crate::settings::{Entry, Given, Settings, Value};
use crate::setup;

/// What cannot change while the gateway runs: where it listens and writes, and what was set up once.
const AT_START: [&str; 11] = [
    "gateway.listen",
    "gateway.admin",
    "gateway.log",
    "gateway.spill_over",
    "gateway.spill_dir",
    "gateway.body_memory",
    "gateway.connections_max",
    "network.allow_insecure",
    "upstream.http2",
    "alerts.queue",
    "lang",
];

/// Reads the settings again, and hands them over where nothing is wrong with them.
pub(crate) struct Reloader {
    handle: Handle,
    notifier: Notifier,
    fixed: Fixed,
    config: Option<PathBuf>,
    flags: Vec<Given>,
    settings: Settings,
}

/// What a reload changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    settings: Vec<Changed>,
    keys_new: Vec<String>,
    keys_gone: Vec<String>,
}

#[derive(Debug)]
struct Changed {
    key: &'static str,
    from: String,
    to: String,
}

impl Changes {
    /// What the log says of it.
    pub(crate) fn line(&self) -> serde_json::Map<String, serde_json::Value> {
        let change = |c: &Changed| serde_json::json!({ "key": c.key, "from": c.from, "to": c.to });
        let settings: Vec<_> = self.settings.iter().map(change).collect();
        let mut line = serde_json::Map::new();
        line.insert("event".to_owned(), "settings reloaded".into());
        line.insert("settings".to_owned(), settings.into());
        line.insert("keys_new".to_owned(), self.keys_new.clone().into());
        line.insert("keys_gone".to_owned(), self.keys_gone.clone().into());
        line
    }
}

impl Reloader {
    pub(crate) fn new(
        (handle, notifier, fixed): (Handle, Notifier, Fixed),
        (config, flags): (Option<PathBuf>, Vec<Given>),
        settings: Settings,
    ) -> Self {
        Self { handle, notifier, fixed, config, flags, settings }
    }

    /// Reloads.
    ///
    /// # Errors
    ///
    /// Every mistake; then nothing has changed.
    pub(crate) fn reload(&mut self) -> Result<Changes, Failure> {
        let settings = setup::load(self.config.as_deref(), &self.flags)?;
        if let Some(path) = self.settings.file().filter(|_| settings.file().is_none()) {
            // Who writes a file anew empties it first.
            let text = format!(
                "the settings file {path} holds no setting any more\n  Is it being written? Then reload again."
            );
            return Err(Failure::usage(text));
        }
        let changed = changed(&self.settings, &settings);
        let mut mistakes: Vec<String> = changed.iter().filter_map(refusal).collect();
        let mut keep = |failure: Failure| mistakes.push(failure.to_string());
        let upstreams = setup::upstreams(&settings, true).map_err(&mut keep).ok();
        let options = self.fixed.options(&settings).map_err(&mut keep).ok();
        let ways = Ways::of(&settings, self.fixed.lang).map_err(&mut keep).ok();
        let (Some(upstreams), Some(mut options), Some(ways), true) =
            (upstreams, options, ways, mistakes.is_empty())
        else {
            return Err(Failure::usage(mistakes.join("\n")));
        };
        options.has_pool = upstreams.0.iter().any(|u| !u.keys.is_empty());
        self.handle.check(&options).map_err(Failure::usage)?;
        let client = self.handle.client();
        let before = client.names();
        client
            .reload(
                upstreams,
                (settings.policy(), serve::tuning(&settings)),
                settings.flag("network.allow_insecure"),
            )
            .map_err(|all| Failure::usage(words(&all)))?;
        let after = client.names();
        self.handle.reload(options).map_err(Failure::usage)?;
        self.handle.watch(serve::alert_rules(&settings));
        self.notifier.reload(ways);
        self.settings = settings;
        Ok(Changes {
            settings: changed,
            keys_new: aliases(&after, &before),
            keys_gone: aliases(&before, &after),
        })
    }
}

/// Why a change is refused.
fn refusal(changed: &Changed) -> Option<String> {
    let Changed { key, from, to } = changed;
    AT_START
        .contains(key)
        .then(|| format!("{key} cannot change from {from} to {to} while the gateway runs: restart it"))
}

fn words(mistakes: &[clearline::CallError]) -> String {
    mistakes.iter().map(|e| serve::refused(e).to_string()).collect::<Vec<_>>().join("\n")
}

/// The settings that differ. How they are written is for a log: a command may have a secret in it, as the address of a webhook has.
fn changed(old: &Settings, new: &Settings) -> Vec<Changed> {
    let shown = |row: &Setting, entry: &Entry| {
        let is_command = row.key == "alerts.command" && entry.value != Value::Text(String::new());
        if is_command { "\"…\"".to_owned() } else { entry.shown(row) }
    };
    let pairs = old.entries().zip(new.entries()).filter(|((_, old), (_, new))| old.value != new.value);
    pairs
        .map(|((row, old), (_, new))| Changed { key: row.key, from: shown(row, old), to: shown(row, new) })
        .collect()
}

/// The names of the keys of one side that the other does not have.
fn aliases(some: &Names, others: &Names) -> Vec<String> {
    let others: BTreeSet<_> = others.keys.keys().collect();
    some.keys.iter().filter(|(id, _)| !others.contains(id)).map(|(_, alias)| alias.clone()).collect()
}
