//! What a setting's text means: durations, sizes, words, references to secrets.

use clearline_model::{Dur, Kind, Setting};
use clearline_net::Target;
use clearline_policy::Hedge;

/// The longest wait before a second attempt, seconds.
const HEDGE_MAX_SECS: u64 = 3_600;

/// What is said of a text that is none.
pub(crate) const NO_ADDRESS: &str =
    "must be an address and a port: \"127.0.0.1:8787\", or port 0 for any free one";

/// A value that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A switch.
    Flag(bool),
    /// A number.
    Count(u64),
    /// A length of time.
    Time(Dur),
    /// Bytes.
    Size(u64),
    /// A text, or a word of a list.
    Text(String),
    /// Texts.
    List(Vec<String>),
    /// Names with a text each.
    Table(Vec<(String, String)>),
    /// Names with what was said of their columns.
    Rows(Vec<Row>),
}

/// A name, and what was said of its columns: the others are as their defaults say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Row {
    /// The name.
    pub(crate) name: String,
    /// The columns, by their names.
    pub(crate) columns: Vec<(&'static str, Value)>,
}

impl Row {
    /// A column, where it was said.
    pub(crate) fn get(&self, column: &str) -> Option<&Value> {
        self.columns.iter().find(|(name, _)| *name == column).map(|(_, value)| value)
    }

    /// A text, or nothing.
    pub(crate) fn text(&self, column: &str) -> &str {
        if let Some(Value::Text(text)) = self.get(column) { text } else { "" }
    }

    /// A number, or 0.
    pub(crate) fn number(&self, column: &str) -> Option<u64> {
        if let Some(Value::Count(n)) = self.get(column) { Some(*n) } else { None }
    }

    /// Texts.
    pub(crate) fn list(&self, column: &str) -> &[String] {
        if let Some(Value::List(list)) = self.get(column) { list } else { &[] }
    }

    /// Names with a text each.
    pub(crate) fn table(&self, column: &str) -> &[(String, String)] {
        if let Some(Value::Table(rows)) = self.get(column) { rows } else { &[] }
    }
}

/// Reads the text of a variable, a flag or a string of the file.
pub(crate) fn parse(row: &Setting, text: &str) -> Result<Value, String> {
    let text = text.trim();
    match row.kind {
        Kind::Flag => match text {
            "true" | "1" => Ok(Value::Flag(true)),
            "false" | "0" | "" => Ok(Value::Flag(false)),
            _ => Err("must be true or false".to_owned()),
        },
        Kind::Count { min, max } | Kind::Ratio { min, max } => count(text, min, max),
        Kind::Duration { max_secs } => {
            let time = duration(text, max_secs)?;
            check_time(row.key, time, max_secs).map(|()| Value::Time(time))
        }
        Kind::Size { max } => size(text, max).map(Value::Size),
        Kind::Text => check_text(row.key, text).map(|()| Value::Text(text.to_owned())),
        Kind::Word(words) if words.contains(&text) => Ok(Value::Text(text.to_owned())),
        Kind::Word(words) => Err(format!("must be one of {}", words.join(", "))),
        Kind::List => list(row, parts(text).map(str::to_owned).collect()),
        Kind::SecretList => {
            let named = parts(text).enumerate().map(|(i, part)| (format!("key-{}", i + 1), part.to_owned()));
            secrets(named.collect())
        }
        Kind::Table => {
            let pair = |part: &str| {
                let (name, value) =
                    part.split_once('=').ok_or("must be NAME=env:VARIABLE or NAME=file:PATH")?;
                Ok((name.trim().to_owned(), value.trim().to_owned()))
            };
            secrets(parts(text).map(pair).collect::<Result<_, &str>>()?)
        }
        Kind::Rows(columns) => {
            parts(text).map(|part| one_row(columns, part)).collect::<Result<_, _>>().map(Value::Rows)
        }
    }
}

/// A text that is a part of a list by itself.
///
/// # Errors
///
/// Where it is several URLs: a comma between them would be taken for a part of the first one's host.
pub(crate) fn one_of_list(row: &Setting, text: &str) -> Result<(), String> {
    let is_several = text.contains(",http://") || text.contains(",https://");
    if row.key == "gateway.upstream" && is_several {
        return Err("is one URL: give the flag once for each".to_owned());
    }
    Ok(())
}

/// Texts that must be more than texts.
pub(crate) fn list(row: &Setting, texts: Vec<String>) -> Result<Value, String> {
    texts.iter().try_for_each(|text| check_text(row.key, text))?;
    if row.key == "gateway.upstream" && texts.is_empty() {
        return Err("is no base URL: it is empty".to_owned());
    }
    Ok(Value::List(texts))
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|p| !p.is_empty())
}

/// `NAME=FIRST COLUMN=VALUE …`; within a list `+` stands for the comma, which ends a row.
fn one_row(columns: &'static [Setting], text: &str) -> Result<Row, String> {
    let first = columns.first().map_or("", Setting::name);
    let form = || format!("must be NAME={} and then COLUMN=VALUE, with blanks between", first.to_uppercase());
    let mut words = text.split_whitespace();
    let (name, value) = words.next().and_then(|word| word.split_once('=')).ok_or_else(form)?;
    let mut row = Row { name: name.to_owned(), columns: Vec::new() };
    let pairs = std::iter::once(Some((first, value))).chain(words.map(|word| word.split_once('=')));
    for pair in pairs {
        let (column, value) = pair.ok_or_else(form)?;
        let setting = column_of(columns, column)?;
        let listed = matches!(setting.kind, Kind::List | Kind::SecretList);
        let value = if listed { value.replace('+', ",") } else { value.to_owned() };
        let value = parse(setting, &value).map_err(|problem| format!("{column}: {problem}"))?;
        row.columns.push((setting.name(), value));
    }
    check_row(columns, &row).map(|()| row)
}

/// The column of a name.
pub(crate) fn column_of(columns: &'static [Setting], name: &str) -> Result<&'static Setting, String> {
    columns.iter().find(|c| c.name() == name).ok_or_else(|| {
        let known: Vec<_> = columns.iter().map(Setting::name).collect();
        format!("there is no \"{name}\" here: write {}", known.join(", "))
    })
}

/// The first column is what a row is about, unless it is a number.
pub(crate) fn check_row(columns: &'static [Setting], row: &Row) -> Result<(), String> {
    if row.name.is_empty() {
        return Err("needs a name".to_owned());
    }
    match columns.first() {
        Some(first) if !matches!(first.kind, Kind::Count { .. }) && row.get(first.name()).is_none() => {
            Err(format!("needs {} = …", first.name()))
        }
        Some(_) | None => Ok(()),
    }
}

/// References to secrets, each checked.
pub(crate) fn secrets(named: Vec<(String, String)>) -> Result<Value, String> {
    named.iter().try_for_each(|(_, reference)| check_reference(reference))?;
    Ok(Value::Table(named))
}

/// A secret in the file would be read, copied and committed by people who do not know of it.
pub(crate) fn check_reference(text: &str) -> Result<(), String> {
    if let Some(name) = text.strip_prefix("env:").map(str::trim).filter(|name| !name.is_empty()) {
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let problem = "must name a variable behind env: (letters, digits and _), not hold the secret itself";
        return if is_name { Ok(()) } else { Err(problem.to_owned()) };
    }
    match text.strip_prefix("file:") {
        Some(rest) if !rest.trim().is_empty() => Ok(()),
        _ => Err("must say where the secret is, never the secret itself: \"env:VARIABLE\" or \"file:PATH\""
            .to_owned()),
    }
}

pub(crate) fn count(text: &str, min: u64, max: u64) -> Result<Value, String> {
    match text.parse::<u64>() {
        Ok(n) if (min..=max).contains(&n) => Ok(Value::Count(n)),
        Ok(_) | Err(_) => Err(format!("must be a whole number from {min} to {max}")),
    }
}

/// Number and unit.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end).unwrap_or((text, ""));
    (number, unit.trim())
}

fn duration(text: &str, max_secs: u64) -> Result<Dur, String> {
    let (number, unit) = split_unit(text);
    let micros = match unit {
        "ms" => 1_000_u64,
        "s" => 1_000_000,
        "m" | "min" => 60_000_000,
        "h" => 3_600_000_000,
        "" if !number.is_empty() => return Err(format!("a duration needs a unit: \"{number}s\"")),
        _ => return Err("a duration is a number with ms, s, m or h: \"250ms\", \"5s\", \"2m\"".to_owned()),
    };
    let value =
        scaled(number, micros).ok_or("a duration is a number with ms, s, m or h: \"250ms\", \"5s\"")?;
    if value > Dur::secs(max_secs).0 {
        Err(format!("is more than the {max_secs} s allowed"))
    } else {
        Ok(Dur(value))
    }
}

/// When a second attempt starts; no time at all is none.
pub(crate) fn hedge(text: &str) -> Result<Hedge, String> {
    match text {
        "off" => Ok(Hedge::Off),
        "auto" => Ok(Hedge::Auto),
        _ => match duration(text, HEDGE_MAX_SECS) {
            Ok(Dur::ZERO) => Ok(Hedge::Off),
            Ok(delay) => Ok(Hedge::After(delay)),
            Err(why) => Err(format!("must be off, auto or a time: {why}")),
        },
    }
}

fn size(text: &str, max: u64) -> Result<u64, String> {
    let (number, unit) = split_unit(text);
    let bytes = match unit {
        "B" => 1_u64,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "" if !number.is_empty() => return Err(format!("a size needs a unit: \"{number}MiB\"")),
        _ => return Err("a size is a number with B, KiB, MiB or GiB: \"64KiB\", \"32MiB\"".to_owned()),
    };
    let value = scaled(number, bytes).ok_or("a size is a number with B, KiB, MiB or GiB: \"64KiB\"")?;
    if value == 0 || value > max {
        Err(format!("must be more than 0 and at most {} MiB", max >> 20))
    } else {
        Ok(value)
    }
}

/// A decimal number times a unit, exactly; at most six digits after the point.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 6 || fraction.contains('.') || (number.contains('.') && fraction.is_empty()) {
        return None;
    }
    let part = match fraction.parse::<u64>() {
        Ok(n) => n.checked_mul(unit)? / 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?,
        Err(_) => 0,
    };
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(part)
}

/// Times that mean nothing where they are none: a limit that everything exceeds is no limit that is off.
fn check_time(key: &str, time: Dur, max_secs: u64) -> Result<(), String> {
    const NEVER_NONE: [&str; 6] = [
        "gateway.body_time",
        "alerts.window",
        "alerts.window_long",
        "alerts.timeout",
        "watch.interval",
        "watch.timeout",
    ];
    let is_limit = key.starts_with("timeout.") || key.ends_with("_timeout") || NEVER_NONE.contains(&key);
    if time == Dur::ZERO && is_limit {
        return Err(format!("must be more than 0, and at most {max_secs} s"));
    }
    Ok(())
}

/// Texts that must be more than texts.
fn check_text(key: &str, text: &str) -> Result<(), String> {
    match key {
        "gateway.admin" if text.is_empty() => Ok(()),
        "gateway.listen" | "gateway.admin" => match text.parse::<std::net::SocketAddr>() {
            Ok(_) => Ok(()),
            Err(_) => Err(NO_ADDRESS.to_owned()),
        },
        "gateway.upstream" | "upstreams.url" => match Target::parse(text) {
            Ok(_) => Ok(()),
            Err(fault) => Err(format!("is no base URL: {}", fault.detail.escaped())),
        },
        "hedge.after" => hedge(text).map(|_| ()),
        "alerts.webhook" if text.is_empty() => Ok(()),
        "alerts.webhook" if text.starts_with("env:") || text.starts_with("file:") => check_reference(text),
        // The address is not repeated: with most receivers it is a secret.
        "alerts.webhook" => match crate::notify::parse(text) {
            Ok(_) => Ok(()),
            Err(fault) => Err(format!("is no address: {}", fault.detail.escaped())),
        },
        _ => Ok(()),
    }
}

impl Value {
    /// As it would be written in the file.
    pub(crate) fn written(&self) -> String {
        let quoted = |t: &String| serde_json::Value::from(t.as_str()).to_string();
        match self {
            Self::Flag(on) => on.to_string(),
            Self::Count(n) => n.to_string(),
            Self::Time(d) if d.0.is_multiple_of(1_000_000) => format!("\"{}s\"", d.0 / 1_000_000),
            Self::Time(d) => format!("\"{}ms\"", d.as_millis()),
            Self::Size(n) if n.is_multiple_of(1 << 20) => format!("\"{}MiB\"", n >> 20),
            Self::Size(n) if n.is_multiple_of(1 << 10) => format!("\"{}KiB\"", n >> 10),
            Self::Size(n) => format!("\"{n}B\""),
            Self::Text(t) => quoted(t),
            Self::List(list) => format!("[{}]", list.iter().map(quoted).collect::<Vec<_>>().join(", ")),
            Self::Table(rows) => {
                let row = |(name, value): &(String, String)| format!("{} = {}", quoted(name), quoted(value));
                format!("{{ {} }}", rows.iter().map(row).collect::<Vec<_>>().join(", ")).replace("{  }", "{}")
            }
            Self::Rows(rows) => {
                let column = |(name, value): &(&str, Self)| format!("{name} = {}", value.written());
                let row = |row: &Row| {
                    let columns: Vec<_> = row.columns.iter().map(column).collect();
                    format!("{} = {{ {} }}", quoted(&row.name), columns.join(", "))
                };
                format!("{{ {} }}", rows.iter().map(row).collect::<Vec<_>>().join(", ")).replace("{  }", "{}")
            }
        }
    }
}
