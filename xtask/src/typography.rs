//! How Chinese documents are set: full-width marks, a blank between Han and Latin, and none beside a full-width mark.

/// Marks of which Chinese has its own.
const HALF: &str = ",;:!?";
const FULL: &str = "，。；：！？、（）《》「」『』";

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9FFF}')
}

fn is_wide(c: char) -> bool {
    is_han(c) || FULL.contains(c)
}

/// Everything wrong in a document, with its line. Code is left out.
pub(crate) fn check(text: &str) -> Vec<(usize, String)> {
    let mut wrong = Vec::new();
    let (mut in_block, mut before) = (false, String::new());
    for (n, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
            before.clear();
            continue;
        }
        if in_block {
            continue;
        }
        let prose = without_code(line);
        wrong.extend(line_faults(&prose).map(|what| (n + 1, what)));
        // A renderer makes a blank of the break.
        let begins = line.trim_start().chars().next().is_some_and(is_wide);
        if begins && before.chars().next_back().is_some_and(is_wide) {
            wrong.push((
                n + 1,
                "a paragraph is one line: a break between Han characters becomes a blank".to_owned(),
            ));
        }
        before = line.trim_end().to_owned();
    }
    wrong
}

/// The line with a Latin letter in place of each piece of code, and of each link's address.
fn without_code(line: &str) -> String {
    let mut prose = String::new();
    for (i, part) in line.split('`').enumerate() {
        prose.push_str(if i % 2 == 0 { part } else { "x" });
    }
    let mut out = String::new();
    let mut rest = prose.as_str();
    while let Some((before, after)) = rest.split_once("](") {
        out.push_str(before);
        rest = after.split_once(')').map_or("", |(_, behind)| behind);
    }
    out.push_str(rest);
    out.replace(['*', '[', ']'], "")
}

fn line_faults(line: &str) -> impl Iterator<Item = String> {
    let chars: Vec<char> = line.chars().collect();
    let faults: Vec<String> =
        chars.windows(2).filter_map(|pair| fault(pair).map(|what| format!("{what}: {line}"))).collect();
    let ends = chars.last() == Some(&'.') && chars.iter().rev().nth(1).is_some_and(|c| is_han(*c));
    faults.into_iter().chain(ends.then(|| format!("a half-width full stop behind a Han character: {line}")))
}

fn fault(pair: &[char]) -> Option<&'static str> {
    let [a, b] = *pair else { return None };
    if is_han(a) && (HALF.contains(b) || b == '(')
        || is_han(b) && (HALF.contains(a) || a == '(')
        || is_han(a) && b == ')'
    {
        return Some("a half-width mark beside a Han character");
    }
    if a == '.' && is_han(b) {
        return Some("a half-width full stop before a Han character");
    }
    if is_han(a) && b.is_ascii_alphanumeric() || a.is_ascii_alphanumeric() && is_han(b) {
        return Some("no blank between Han and Latin");
    }
    if FULL.contains(a) && b == ' ' || a == ' ' && FULL.contains(b) {
        return Some("a blank beside a full-width mark");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_badly_is_found_and_code_is_left_out() {
        for well in [
            "用 `a,b` 查看 TLS 证书（PEM），再运行 `x`。",
            "见 [指南](docs/a.md)：第 3 节。",
            "* **重试**：带抖动的退避。",
            "```\n代理,拒绝\n```",
            "一段。\n\n另一段。",
            "| 列 | 值 |",
        ] {
            assert_eq!(check(well), [], "{well}");
        }
        for (badly, what) in [
            ("代理,拒绝", "half-width mark"),
            ("代理(拒绝)", "half-width mark"),
            ("原因:", "half-width mark"),
            ("代理拒绝.", "full stop"),
            ("使用TLS", "no blank between"),
            ("用`x`查看", "no blank between"),
            ("代理拒绝。 再试", "a blank beside"),
            ("代理\n拒绝", "one line"),
        ] {
            let wrong = check(badly);
            assert!(wrong.iter().any(|(_, why)| why.contains(what)), "{badly}: {wrong:?}");
        }
    }
}
