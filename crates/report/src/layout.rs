//! Columns: how wide a text stands on a terminal, and where its lines may break.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The columns that a text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text with blanks up to this many columns.
#[must_use]
pub fn pad(text: &str, columns: usize) -> String {
    let blanks = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(blanks))
}

/// The text with blanks before it, up to this many columns.
#[must_use]
pub fn pad_left(text: &str, columns: usize) -> String {
    let blanks = columns.saturating_sub(width(text));
    format!("{}{text}", " ".repeat(blanks))
}

/// Marks that never begin a line.
const CLOSING: &str = "，。；：！？、）》」』”’,.;:!?)";
/// Marks that never end one.
const OPENING: &str = "（《「『“‘(";

/// Lines of at most this many columns: broken at blanks, and between wide characters.
#[must_use]
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for piece in pieces(text) {
        let wide = width(&piece);
        let is_blank = piece.trim().is_empty();
        if used + wide > columns && used > 0 && !piece.starts_with(|c| CLOSING.contains(c)) {
            if let Some(last) = lines.last_mut() {
                last.truncate(last.trim_end().len());
            }
            lines.push(String::new());
            used = 0;
        }
        if is_blank && used == 0 {
            continue;
        }
        if let Some(last) = lines.last_mut() {
            last.push_str(&piece);
        }
        used += wide;
    }
    if let Some(last) = lines.last_mut() {
        last.truncate(last.trim_end().len());
    }
    lines
}

/// Words, blanks, and wide characters each for itself with the marks that belong to them.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut opens = false;
    for c in text.chars() {
        let is_wide = c.width().unwrap_or(0) > 1;
        let joins = match pieces.last() {
            None => false,
            Some(_) if opens => true,
            Some(_) if CLOSING.contains(c) => !c.is_whitespace(),
            Some(last) => {
                let before = last.chars().next_back().unwrap_or(' ');
                let was_wide = before.width().unwrap_or(0) > 1;
                !is_wide && !was_wide && c.is_whitespace() == before.is_whitespace()
            }
        };
        match pieces.last_mut() {
            Some(last) if joins => last.push(c),
            _ => pieces.push(c.to_string()),
        }
        opens = OPENING.contains(c);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(width("代理 a"), 6);
        assert_eq!(pad("代理", 6), "代理  ");
        assert_eq!(pad("longer", 2), "longer");
        assert_eq!(pad_left("代理", 6), "  代理");
    }

    #[test]
    fn lines_break_at_blanks_and_between_han_and_never_before_a_full_stop() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("代理拒绝了连接。", 14), ["代理拒绝了连", "接。"]);
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(wrap("averylongword", 5), ["averylongword"]);
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_lost_but_blanks(text in "[a-c 代理，。]{0,60}", columns in 2_usize..30) {
            let joined: String = wrap(&text, columns).concat().split_whitespace().collect();
            let whole: String = text.split_whitespace().collect();
            proptest::prop_assert_eq!(joined, whole);
        }
    }
}
