//! Settings: flag > variable > file > default, each value with its origin, all mistakes at once.

mod file;
mod shown;
mod table;
#[cfg(test)]
mod tests;
mod upstreams;
mod value;

use std::collections::BTreeMap;

use clearline_model::{Dur, Kind, Setting, SettingError, SettingOrigin};
pub(crate) use shown::without_password;
pub(crate) use table::{ROWS, edits, meant_variable};
pub(crate) use value::{NO_ADDRESS, Row, Value};

/// Everything that settings are made of.
pub(crate) struct Sources<'a> {
    /// Path and text of the settings file.
    pub(crate) file: Option<(&'a str, &'a str)>,
    /// The environment.
    pub(crate) lookup: &'a dyn Fn(&str) -> Option<String>,
    /// Key, flag and text of what the command line says.
    pub(crate) flags: &'a [Given],
}

/// A setting that the command line gives. A list is given one part at a time, each as it is: a URL may have commas.
pub(crate) struct Given {
    /// Which.
    pub(crate) key: &'static str,
    /// How the flag is written.
    pub(crate) flag: &'static str,
    /// Its value.
    pub(crate) text: String,
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The value.
    pub(crate) value: Value,
    /// Where it was said.
    pub(crate) origin: SettingOrigin,
}

/// The settings that hold.
#[derive(Debug, Default)]
pub(crate) struct Settings(BTreeMap<&'static str, Entry>, Places);

/// Where the file has each row of a table of secrets, by the setting's key and the row's name.
type Places = BTreeMap<(&'static str, String), SettingOrigin>;

/// Joins all sources.
///
/// # Errors
///
/// Every mistake of every source.
pub(crate) fn resolve(sources: &Sources<'_>) -> Result<Settings, Vec<SettingError>> {
    let mut settings = Settings::default();
    let mut mistakes = Vec::new();
    for row in ROWS {
        settings.take(row, row.default, SettingOrigin::Default, &mut mistakes);
    }
    if let Some((path, text)) = sources.file {
        let found = file::read(path, text);
        mistakes.extend(found.mistakes);
        for (key, value, origin) in found.values {
            settings.0.insert(key, Entry { value, origin });
        }
        settings.1 = found.places;
    }
    // `CLEARLINE_KEYS` holds the keys themselves; whoever sends calls reads it when the settings name none.
    for row in ROWS.iter().filter(|r| r.key != "keys") {
        let name = row.variable();
        if let Some(text) = (sources.lookup)(&name).filter(|t| !t.is_empty()) {
            settings.take(row, &text, SettingOrigin::Variable(name), &mut mistakes);
        }
    }
    for given in sources.flags {
        let Some(row) = table::find(given.key) else { continue };
        let origin = SettingOrigin::Flag(given.flag.to_owned());
        if row.kind == Kind::List {
            settings.add((row, &given.text), origin, &mut mistakes);
        } else {
            settings.take(row, &given.text, origin, &mut mistakes);
        }
    }
    upstreams::check(&settings, &mut mistakes);
    if mistakes.is_empty() { Ok(settings) } else { Err(mistakes) }
}

impl Entry {
    /// The value as it may be shown: the address of a webhook is a secret behind its host.
    pub(crate) fn shown(&self, row: &Setting) -> String {
        let text = if let Value::Text(text) = &self.value { text.as_str() } else { "" };
        match text.split_once("://") {
            Some((scheme, rest)) if row.key == "alerts.webhook" => {
                let host = rest.split(['/', '?']).next().unwrap_or_default();
                Value::Text(format!("{scheme}://{host}/…")).written()
            }
            Some(_) | None => self.value.written(),
        }
    }
}

impl Settings {
    fn take(&mut self, row: &Setting, text: &str, origin: SettingOrigin, mistakes: &mut Vec<SettingError>) {
        let Some(row) = table::find(row.key) else { return };
        match value::parse(row, text) {
            Ok(value) => drop(self.0.insert(row.key, Entry { value, origin })),
            Err(problem) => {
                let text = if shown::is_secret(row) { "…".to_owned() } else { without_password(text) };
                mistakes.push(SettingError { origin, found: format!("{} = \"{text}\"", row.key), problem });
            }
        }
    }

    /// Puts a text into a list, behind those of the same origin and in the place of all others.
    fn add(
        &mut self,
        (row, text): (&'static Setting, &str),
        origin: SettingOrigin,
        mistakes: &mut Vec<SettingError>,
    ) {
        let mut texts = if self.origin(row.key) == origin { self.list(row.key).to_vec() } else { Vec::new() };
        texts.push(text.to_owned());
        match value::one_of_list(row, text).and_then(|()| value::list(row, texts)) {
            Ok(value) => drop(self.0.insert(row.key, Entry { value, origin })),
            Err(problem) => {
                let text = without_password(text);
                mistakes.push(SettingError { origin, found: format!("{} = \"{text}\"", row.key), problem });
            }
        }
    }

    /// Every setting, in the order of the table.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'static Setting, &Entry)> {
        ROWS.iter().filter_map(|row| Some((row, self.0.get(row.key)?)))
    }

    /// The settings file, where a value came from there.
    pub(crate) fn file(&self) -> Option<&str> {
        self.0.values().find_map(|entry| match &entry.origin {
            SettingOrigin::File { path, .. } => Some(path.as_str()),
            SettingOrigin::Default | SettingOrigin::Variable(_) | SettingOrigin::Flag(_) => None,
        })
    }

    /// Where a value came from.
    pub(crate) fn origin(&self, key: &str) -> SettingOrigin {
        self.0.get(key).map_or(SettingOrigin::Default, |e| e.origin.clone())
    }

    /// Where a row of a table of secrets came from.
    pub(crate) fn row_origin(&self, key: &'static str, name: &str) -> SettingOrigin {
        let whole = self.origin(key);
        // A variable that beats the file has no rows there.
        let of_file = matches!(whole, SettingOrigin::File { .. });
        let place = self.1.get(&(key, name.to_owned())).filter(|_| of_file);
        place.cloned().unwrap_or(whole)
    }

    fn value(&self, key: &str) -> Option<&Value> {
        debug_assert!(table::find(key).is_some(), "there is no setting {key}");
        self.0.get(key).map(|e| &e.value)
    }

    /// A text.
    pub(crate) fn text(&self, key: &str) -> &str {
        if let Some(Value::Text(text)) = self.value(key) { text } else { "" }
    }

    /// A switch.
    pub(crate) fn flag(&self, key: &str) -> bool {
        matches!(self.value(key), Some(Value::Flag(true)))
    }

    /// A number or a size.
    pub(crate) fn number(&self, key: &str) -> u64 {
        if let Some(Value::Count(n) | Value::Size(n)) = self.value(key) { *n } else { 0 }
    }

    /// A length of time.
    pub(crate) fn time(&self, key: &str) -> Dur {
        if let Some(Value::Time(d)) = self.value(key) { *d } else { Dur::ZERO }
    }

    /// Texts.
    pub(crate) fn list(&self, key: &str) -> &[String] {
        if let Some(Value::List(list)) = self.value(key) { list } else { &[] }
    }

    /// Names with their columns.
    pub(crate) fn rows(&self, key: &str) -> &[Row] {
        if let Some(Value::Rows(rows)) = self.value(key) { rows } else { &[] }
    }

    /// Names with a text each.
    pub(crate) fn table(&self, key: &str) -> &[(String, String)] {
        if let Some(Value::Table(rows)) = self.value(key) { rows } else { &[] }
    }

    /// The numbers of the engine.
    pub(crate) fn policy(&self) -> clearline_policy::Settings {
        let limit = u32::try_from(self.number("policy.in_flight_max")).unwrap_or(u32::MAX);
        clearline_policy::Settings {
            patience: self.time("policy.patience"),
            patience_max: self.time("policy.patience_max"),
            attempts_max: u16::try_from(self.number("policy.attempts")).unwrap_or(u16::MAX),
            in_flight_max: (limit > 0).then_some(limit),
            limiter_signals: u32::try_from(self.number("limiter.signals")).unwrap_or(u32::MAX),
            limiter_fleet: u32::try_from(self.number("limiter.fleet")).unwrap_or(u32::MAX),
            limiter_floor_milli: self.number("limiter.floor"),
            limiter_outage: self.time("limiter.outage"),
            limiter_calm: self.time("limiter.calm"),
            backoff_base: self.time("backoff.base"),
            backoff_overload: self.time("backoff.overload"),
            backoff_max: self.time("backoff.max"),
            budget_start_milli: self.number("budget.start"),
            budget_max_milli: self.number("budget.max"),
            budget_per_success_milli: self.number("budget.per_success"),
            budget_per_second_milli: self.number("budget.per_second"),
            key_quarantine: self.time("key.quarantine"),
            key_cool: self.time("key.cool"),
            key_pacing: self.flag("key.pacing"),
            address_avoid: self.time("address.avoid"),
            address_avoid_max: self.time("address.avoid_max"),
            failover_after: u32::try_from(self.number("failover.after")).unwrap_or(u32::MAX),
            failover_rest: self.time("failover.rest"),
            failover_rest_max: self.time("failover.rest_max"),
            failover_tries: u16::try_from(self.number("failover.tries")).unwrap_or(u16::MAX),
            maybe_billed: self.flag("retry.maybe_billed"),
            commit_hold: self.time("commit.hold"),
            first_byte_stream: self.time("timeout.first_byte_stream"),
            timeouts: clearline_policy::Timeouts {
                resolve: self.time("timeout.resolve"),
                connect: self.time("timeout.connect"),
                tunnel: self.time("timeout.tunnel"),
                handshake: self.time("timeout.handshake"),
                send: self.time("timeout.send"),
                first_byte: self.time("timeout.first_byte"),
                idle: self.time("timeout.idle"),
            },
            hedge: value::hedge(self.text("hedge.after")).unwrap_or_default(),
            resume: self.flag("continue_streams"),
        }
    }
}

/// All mistakes, as a person reads them: one source after the other.
pub(crate) fn describe(mistakes: &[SettingError]) -> String {
    let source = |m: &SettingError| match &m.origin {
        SettingOrigin::File { path, .. } => path.clone(),
        SettingOrigin::Variable(_) => "the environment".to_owned(),
        SettingOrigin::Flag(_) => "the command line".to_owned(),
        SettingOrigin::Default => "the defaults".to_owned(),
    };
    let place = |m: &SettingError| match &m.origin {
        SettingOrigin::File { line, column, .. } => format!("line {line}, column {column}"),
        SettingOrigin::Variable(name) | SettingOrigin::Flag(name) => name.clone(),
        SettingOrigin::Default => "default".to_owned(),
    };
    let width = |f: &dyn Fn(&SettingError) -> String| {
        mistakes.iter().map(|m| f(m).chars().count()).max().unwrap_or(0)
    };
    let (places, founds) = (width(&place), width(&|m| m.found.clone()));
    let mut text = String::new();
    let mut sources: Vec<String> = Vec::new();
    for name in mistakes.iter().map(source) {
        if !sources.contains(&name) {
            sources.push(name);
        }
    }
    for name in sources {
        let own: Vec<_> = mistakes.iter().filter(|m| source(m) == name).collect();
        let plural = if own.len() == 1 { "" } else { "s" };
        text.push_str(&format!("error: {name} has {} mistake{plural}\n", own.len()));
        for m in own {
            text.push_str(&format!("  {:places$}   {:founds$}   {}\n", place(m), m.found, m.problem));
        }
    }
    text
}
