//! What a message about a mistake may repeat: the mistake is often a key that stands where only its place belongs, and
//! messages end up in logs.

use clearline_model::{Kind, Setting};

use super::{table, value};

/// Whether the value of a setting is a secret, or may be mistaken for the place of one.
pub(super) fn is_secret(row: &Setting) -> bool {
    matches!(row.kind, Kind::SecretList | Kind::Table | Kind::Rows(_)) || row.key == "alerts.webhook"
}

/// A text without what stands between the scheme of a URL and its `@`.
pub(crate) fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((user, _)) => format!("{scheme}://…{}", rest.strip_prefix(user).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Whether the text of an unknown setting is a number with its unit or a word of the one that was meant: no secret is.
pub(super) fn would_fit(key: &str, text: &str) -> bool {
    let meant = table::nearest(key).and_then(table::find);
    meant.is_some_and(|row| {
        let takes_any = matches!(row.kind, Kind::Text | Kind::List) || is_secret(row);
        !takes_any && value::parse(row, text).is_ok()
    })
}

/// The line of this place, which is no TOML: whole where it sets something that is no secret.
pub(super) fn torn(text: &str, at: usize) -> String {
    let start = text.get(..at).and_then(|t| t.rfind('\n')).map_or(0, |i| i + 1);
    let line = text.get(start..).and_then(|t| t.lines().next()).unwrap_or_default().trim();
    let is_name = |t: &str| t.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    let header = |line: &str| {
        let name = line.trim().strip_prefix('[')?.strip_suffix(']')?.trim().to_owned();
        is_name(&name).then_some(name)
    };
    if header(line).is_some() {
        return line.to_owned();
    }
    let Some((name, _)) = line.split_once('=').filter(|(name, _)| is_name(name.trim())) else {
        return "…".to_owned();
    };
    let name = name.trim();
    let section = text.get(..start).and_then(|before| before.lines().rev().find_map(header));
    let key = section.map_or_else(|| name.to_owned(), |section| format!("{section}.{name}"));
    if table::find(&key).is_some_and(|row| !is_secret(row)) {
        without_password(line)
    } else {
        format!("{name} = …")
    }
}
