//! Foreign text for each medium: nothing that others wrote controls the terminal, the page or the table it is shown in.

/// For HTML, in text and in quoted attributes.
#[must_use]
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// For Markdown, in running text: its own marks are escaped, and HTML too.
#[must_use]
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '#' | '|' | '!' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' | '\r' => out.push(' '),
            _ => out.push(c),
        }
    }
    out
}

/// For a cell of CSV: quoted, and no formula for a spreadsheet.
#[must_use]
pub fn csv(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use clearline_model::Foreign;

    use super::*;

    #[test]
    fn one_hostile_string_through_every_medium() {
        let hostile = Foreign::new(
            "=cmd|'/c' <script>alert(\"1\")</script>\u{1b}[31m\u{202e}`x` [a](javascript:1)\n# b",
        );
        let plain = hostile.escaped();
        assert!(!plain.contains(['\u{1b}', '\u{202e}', '\n']), "{plain}");
        let page = html(&plain);
        assert!(!page.contains(['<', '>', '"', '\'']), "{page}");
        let mark = markdown(&plain);
        assert!(!mark.contains("](") && !mark.contains('<') && !mark.contains(" `x`"), "{mark}");
        assert!(csv(&plain).starts_with("\"'="));
    }
}
