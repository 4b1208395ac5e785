//! A text in the form in which it is searched.

use std::borrow::Cow;

/// The longest text that is searched, bytes; of a longer one its beginning and its end, where errors stand.
pub(crate) const TEXT_MAX: usize = 256 << 10;

/// The text in lower case, with plain quotes, and with one blank for each run of blanks.
pub(crate) fn normal(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(TEXT_MAX));
    let mut blank = true;
    for c in text.chars() {
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

/// The text without terminal sequences: colours, and links around words.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{1b}') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            skip_sequence(&mut chars);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Skips what follows the escape: `[`, parameters, and a letter; or `]`, a title or a link, and a bell or another escape.
fn skip_sequence(chars: &mut std::iter::Peekable<impl Iterator<Item = char>>) {
    let ends = |c: char, is_link: bool| {
        if is_link { c == '\u{7}' || c == '\u{1b}' } else { c.is_ascii_alphabetic() }
    };
    let is_link = match chars.peek() {
        Some('[') => false,
        Some(']') => true,
        // The second half of what ends a link.
        Some('\\') => {
            chars.next();
            return;
        }
        _ => return,
    };
    chars.next();
    // A sequence stays on its line.
    while let Some(c) = chars.next_if(|c| *c != '\n') {
        if ends(c, is_link) {
            if c == '\u{1b}' {
                let _end = chars.next_if_eq(&'\\');
            }
            break;
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
            normal(&plain("\u{1b}[31mAPI  Error:\n\t\u{201c}Can\u{2019}t\u{201d}\u{1b}[0m")),
            "api error: \"can't\""
        );
    }

    #[test]
    fn links_are_no_words() {
        for (text, plain_text) in [
            ("a \u{1b}]8;;https://x.example\u{1b}\\link\u{1b}]8;;\u{1b}\\ b", "a link b"),
            ("\u{1b}]0;title\u{7}b", "b"),
            ("\u{1b}]0;cut off\nb", "\nb"),
            ("\u{1b}", ""),
        ] {
            assert_eq!(plain(text), plain_text);
        }
    }

    #[test]
    fn of_a_long_text_both_ends_are_read() {
        let text = format!("first {} last", "é".repeat(TEXT_MAX));
        let normal = normal(&sample(&text));
        assert!(normal.starts_with("first ") && normal.ends_with(" last") && normal.len() <= TEXT_MAX + 8);
    }
}
