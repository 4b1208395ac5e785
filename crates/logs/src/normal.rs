//! A text in the form in which it is searched.

use std::borrow::Cow;

/// The longest text that is searched, bytes; of a longer one its beginning and its end, where errors stand.
pub(crate) const TEXT_MAX: usize = 256 << 10;

/// The text without terminal sequences, in lower case, with plain quotes, and with one blank for each run of blanks.
pub(crate) fn normal(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(TEXT_MAX));
    let mut chars = text.chars().peekable();
    let mut blank = true;
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            skip_sequence(&mut chars);
            continue;
        }
        let c = match c {
            '\u{2018}' | '\u{2019}' | '`' => '\'',
            '\u{201c}' | '\u{201d}' => '"',
            '\u{2026}' => '.',
            _ => c,
        };
        if c.is_whitespace() || c.is_control() {
            if !blank {
                out.push(' ');
            }
            blank = true;
        } else {
            out.extend(c.to_lowercase());
            blank = false;
        }
    }
    out
}

/// Skips what follows the escape: `[`, parameters, and a letter.
fn skip_sequence(chars: &mut std::iter::Peekable<impl Iterator<Item = char>>) {
    if chars.next_if_eq(&'[').is_some() {
        for c in chars.by_ref() {
            if c.is_ascii_alphabetic() {
                break;
            }
        }
    }
}

/// The text itself, or the beginning and the end of one that is too long.
pub(crate) fn sample(text: &str) -> Cow<'_, str> {
    if text.len() <= TEXT_MAX {
        return Cow::Borrowed(text);
    }
    let (head, tail) =
        (text.floor_char_boundary(TEXT_MAX / 2), text.ceil_char_boundary(text.len() - TEXT_MAX / 2));
    Cow::Owned(format!("{}\n{}", text.get(..head).unwrap_or_default(), text.get(tail..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_case_quotes_and_colours_do_not_matter() {
        assert_eq!(
            normal("\u{1b}[31mAPI  Error:\n\t\u{201c}Can\u{2019}t\u{201d}\u{1b}[0m"),
            "api error: \"can't\""
        );
    }

    #[test]
    fn of_a_long_text_both_ends_are_read() {
        let text = format!("first {} last", "é".repeat(TEXT_MAX));
        let normal = normal(&sample(&text));
        assert!(normal.starts_with("first ") && normal.ends_with(" last") && normal.len() <= TEXT_MAX + 8);
    }
}
