//! The settings file: TOML with the place of everything in it.

use std::ops::Range;

use clearline_model::{Kind, Setting, SettingError, SettingOrigin};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value::{self, Row, Value};
use super::{shown, table};

/// What was found in a file.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What was understood.
    pub(crate) values: Vec<(&'static str, Value, SettingOrigin)>,
    /// What was not.
    pub(crate) mistakes: Vec<SettingError>,
    /// Where the rows of tables of secrets stand.
    pub(crate) places: super::Places,
}

/// A file's text and what its places are called.
struct Reader<'a> {
    path: &'a str,
    text: &'a str,
    /// The lines that are no TOML, and are reported: what the parser makes of their rest is its own confusion.
    torn: Vec<usize>,
    found: Found,
}

/// Reads a whole file; a mistake does not hide the others.
pub(crate) fn read(path: &str, text: &str) -> Found {
    let mut reader = Reader { path, text, torn: Vec::new(), found: Found::default() };
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut torn = Vec::new();
    for error in errors {
        let at = error.span().map_or(0, |s| s.start);
        // What follows the first mistake of a line is mostly the parser's own confusion.
        let line = line_number(text, at);
        if torn.contains(&line) {
            continue;
        }
        torn.push(line);
        reader.mistake(at, &shown::torn(text, at), &format!("is not TOML: {}", error.message()));
    }
    reader.torn = torn;
    reader.table("", root.get_ref());
    let place = |o: &SettingOrigin| match o {
        SettingOrigin::File { line, column, .. } => (*line, *column),
        SettingOrigin::Default | SettingOrigin::Variable(_) | SettingOrigin::Flag(_) => (0, 0),
    };
    reader.found.mistakes.sort_by_key(|m| place(&m.origin));
    reader.found
}

impl Reader<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, item) in table {
            let key = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            let section =
                table::ROWS.iter().any(|r| r.key.strip_prefix(&key).is_some_and(|r| r.starts_with('.')));
            match (table::find(&key), item.get_ref()) {
                (Some(row), _) => self.value(row, item),
                (None, DeValue::Table(inner)) if section || !inner.is_empty() => self.table(&key, inner),
                (None, _) if section => {
                    let problem = format!("is a section: write [{key}] and its settings below it");
                    self.mistake(name.span().start, &self.unknown(&key, item), &problem);
                }
                (None, _) => {
                    let hint = table::nearest(&key).map(|k| format!("; did you mean \"{k}\"?"));
                    let problem = format!("unknown setting{}", hint.unwrap_or_default());
                    self.mistake(name.span().start, &self.unknown(&key, item), &problem);
                }
            }
        }
    }

    fn value(&mut self, row: &'static Setting, item: &Spanned<DeValue<'_>>) {
        if item.span().is_empty() {
            // Put in by the parser in the place of what it could not read, and reported there.
            return;
        }
        let read = match (row.kind, item.get_ref()) {
            (Kind::SecretList | Kind::Table, DeValue::Table(rows)) => {
                return self.secrets(row, rows, item.span());
            }
            (Kind::SecretList, DeValue::Array(items)) => {
                return self.unnamed_secrets(row, items, item.span());
            }
            (Kind::SecretList, DeValue::String(one)) => {
                value::secrets(vec![("key-1".to_owned(), one.to_string())])
            }
            (Kind::Rows(columns), DeValue::Table(rows)) => {
                return self.rows((row, columns), rows, item.span());
            }
            (Kind::Rows(_), _) => Err("must be a table: a name each, with its settings below it".to_owned()),
            (Kind::List, DeValue::String(one)) if row.key == "gateway.upstream" => value::parse(row, one),
            (Kind::Table, _) => Err("must be a table: NAME = \"env:VARIABLE\"".to_owned()),
            (Kind::List, DeValue::Array(items)) => strings(items).and_then(|list| value::list(row, list)),
            (Kind::List, _) => Err("must be a list: [\"one\", \"two\"]".to_owned()),
            (Kind::Flag, DeValue::Boolean(on)) => Ok(Value::Flag(*on)),
            (Kind::Flag, _) => Err("must be true or false, without quotes".to_owned()),
            (Kind::Count { .. } | Kind::Ratio { .. }, DeValue::Integer(n)) => value::parse(row, n.as_str()),
            (Kind::Duration { .. } | Kind::Size { .. }, DeValue::Integer(n)) => value::parse(row, n.as_str()),
            (
                Kind::Duration { .. } | Kind::Size { .. } | Kind::Text | Kind::Word(_),
                DeValue::String(text),
            ) => value::parse(row, text),
            (Kind::Count { min, max } | Kind::Ratio { min, max }, _) => {
                Err(format!("must be a whole number from {min} to {max}, without quotes"))
            }
            (
                Kind::Duration { .. } | Kind::Size { .. } | Kind::Text | Kind::Word(_) | Kind::SecretList,
                other,
            ) => Err(format!("must be a text in quotes, not {}", other.type_str())),
        };
        match read {
            Ok(value) => self.keep(row, value, item.span()),
            Err(problem) => {
                let written =
                    if shown::is_secret(row) { hidden(row.key) } else { self.written(row.key, item.span()) };
                self.mistake(item.span().start, &written, &problem);
            }
        }
    }

    /// Aliases, and where the secret of each is.
    fn secrets(&mut self, row: &'static Setting, rows: &DeTable<'_>, span: Range<usize>) {
        let mut named: Vec<(usize, String, String)> = Vec::new();
        for (alias, reference) in rows {
            let checked = match reference.get_ref().as_str() {
                Some(text) => value::check_reference(text).map(|()| text.to_owned()),
                None => Err("must be a text: \"env:VARIABLE\" or \"file:PATH\"".to_owned()),
            };
            match checked {
                Ok(text) => {
                    let (at, alias) = (alias.span().start, alias.get_ref().to_string());
                    let origin = self.origin(at);
                    self.found.places.insert((row.key, alias.clone()), origin);
                    named.push((at, alias, text));
                }
                Err(problem) => {
                    let shown = hidden(&format!("{}.{}", row.key, alias.get_ref()));
                    self.mistake(reference.span().start, &shown, &problem);
                }
            }
        }
        named.sort();
        self.keep(row, Value::Table(named.into_iter().map(|(_, alias, text)| (alias, text)).collect()), span);
    }

    /// Names with their columns; every mistake of every column.
    fn rows(
        &mut self,
        (row, columns): (&'static Setting, &'static [Setting]),
        named: &DeTable<'_>,
        span: Range<usize>,
    ) {
        let mut rows = Vec::new();
        for (name, item) in named {
            let mut columns_of = Row { name: name.get_ref().to_string(), columns: Vec::new() };
            let at = name.span().start;
            let before = self.found.mistakes.len();
            if let DeValue::Table(inner) = item.get_ref() {
                self.columns((row.key, columns), inner, &mut columns_of);
            } else {
                let first = columns.first();
                columns_of.columns.extend(first.and_then(|setting| self.column(setting, item)));
            }
            let key = format!("{}.{}", row.key, columns_of.name);
            match value::check_row(columns, &columns_of) {
                Ok(()) => rows.push((at, columns_of)),
                // A column that was not understood is a mistake already.
                Err(_) if self.found.mistakes.len() > before => {}
                Err(problem) => self.mistake(at, &key, &problem),
            }
        }
        rows.sort_by_key(|(at, _)| *at);
        self.keep(row, Value::Rows(rows.into_iter().map(|(_, row)| row).collect()), span);
    }

    fn columns(&mut self, (key, columns): (&str, &'static [Setting]), inner: &DeTable<'_>, row: &mut Row) {
        for (column, value) in inner {
            match value::column_of(columns, column.get_ref()) {
                Ok(setting) => row.columns.extend(self.column(setting, value)),
                Err(problem) => {
                    let key = format!("{key}.{}.{}", row.name, column.get_ref());
                    self.mistake(column.span().start, &self.unknown(&key, value), &problem);
                }
            }
        }
    }

    /// Reads one column as a setting of its own; what is found there belongs to its row.
    fn column(
        &mut self,
        setting: &'static Setting,
        item: &Spanned<DeValue<'_>>,
    ) -> Option<(&'static str, Value)> {
        let before = self.found.values.len();
        self.value(setting, item);
        let found = self.found.values.split_off(before.min(self.found.values.len()));
        found.into_iter().next().map(|(_, value, _)| (setting.name(), value))
    }

    fn unnamed_secrets(&mut self, row: &'static Setting, items: &[Spanned<DeValue<'_>>], span: Range<usize>) {
        let mut named = Vec::new();
        for (i, item) in items.iter().enumerate() {
            let text = item.get_ref().as_str().unwrap_or_default();
            match value::check_reference(text) {
                Ok(()) => named.push((format!("key-{}", i + 1), text.to_owned())),
                Err(problem) => self.mistake(item.span().start, &hidden(row.key), &problem),
            }
        }
        self.keep(row, Value::Table(named), span);
    }

    fn keep(&mut self, row: &'static Setting, value: Value, span: Range<usize>) {
        let origin = self.origin(span.start);
        self.found.values.push((row.key, value, origin));
    }

    fn mistake(&mut self, at: usize, found: &str, problem: &str) {
        if self.torn.contains(&line_number(self.text, at)) {
            return;
        }
        let origin = self.origin(at);
        self.found.mistakes.push(SettingError {
            origin,
            found: found.to_owned(),
            problem: problem.to_owned(),
        });
    }

    fn origin(&self, at: usize) -> SettingOrigin {
        let before = self.text.get(..at).unwrap_or(self.text);
        let number = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
        let column = before.chars().rev().take_while(|c| *c != '\n').count();
        SettingOrigin::File {
            path: self.path.to_owned(),
            line: number(line_number(self.text, at)),
            column: number(column),
        }
    }

    /// Key and value as they stand in the file, one line.
    fn written(&self, key: &str, span: Range<usize>) -> String {
        let value = self.text.get(span).unwrap_or_default().lines().next().unwrap_or_default();
        let value = shown::without_password(value);
        format!("{key} = {}", value.chars().take(60).collect::<String>())
    }

    /// The same of what is no setting. Nobody knows what it is, so that only what cannot be a secret is repeated.
    fn unknown(&self, key: &str, item: &Spanned<DeValue<'_>>) -> String {
        let harmless = match item.get_ref() {
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => true,
            DeValue::String(text) => shown::would_fit(key, text),
            DeValue::Array(_) | DeValue::Table(_) => false,
        };
        if harmless { self.written(key, item.span()) } else { hidden(key) }
    }
}

/// What may be a secret is not repeated.
fn hidden(key: &str) -> String {
    format!("{key} = \"…\"")
}

/// How many lines stand before this place.
fn line_number(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count()
}

fn strings(items: &[Spanned<DeValue<'_>>]) -> Result<Vec<String>, String> {
    let text = |item: &Spanned<DeValue<'_>>| item.get_ref().as_str().map(str::to_owned);
    items.iter().map(text).collect::<Option<_>>().ok_or_else(|| "must be a list of texts".to_owned())
}
