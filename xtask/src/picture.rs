//! What a terminal shows, as a picture: SVG without scripts and without fonts of its own, for light and dark pages.

use std::fmt::Write as _;

/// A column, a line and the margin, in units of the picture.
const COLUMN: f64 = 8.4;
const LINE: f64 = 20.0;
const MARGIN: f64 = 16.0;

const STYLE: &str = "\
.back{fill:#f6f8fa;stroke:#d0d7de}text{fill:#1f2328;white-space:pre;font:14px ui-monospace,monospace}\
.red{fill:#cf222e}.green{fill:#1a7f37}.bold{font-weight:bold}\
@media(prefers-color-scheme:dark){.back{fill:#161b22;stroke:#30363d}text{fill:#e6edf3}\
.red{fill:#ff7b72}.green{fill:#3fb950}}";

/// Text of one look, from a column on.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    column: usize,
    columns: usize,
    class: &'static str,
    text: String,
}

/// Renders the output of a terminal. Of its control sequences only colours are known; others are left out.
pub(crate) fn svg(text: &str) -> String {
    let lines = lines(text);
    let ends = lines.iter().flatten().map(|run| run.column + run.columns);
    let wide = at(ends.max().unwrap_or(0), COLUMN) + 2.0 * MARGIN;
    let high = at(lines.len(), LINE) + 2.0 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{wide:.0}\" height=\"{high:.0}\" \
         viewBox=\"0 0 {wide:.0} {high:.0}\">\n<title>{}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"back\" fill=\"#f6f8fa\" x=\"0.5\" y=\"0.5\" width=\"{:.0}\" height=\"{:.0}\" rx=\"6\"/>\n",
        escaped(&title(&lines)),
        wide - 1.0,
        high - 1.0
    );
    for (n, line) in lines.iter().enumerate() {
        let y = MARGIN + at(n, LINE) + 14.0;
        for run in line.iter().filter(|run| !run.text.trim().is_empty()) {
            let class =
                if run.class.is_empty() { String::new() } else { format!(" class=\"{}\"", run.class) };
            // Whatever font is there, a run takes its columns, so that columns stand straight.
            let _infallible = writeln!(
                out,
                "<text{class} x=\"{:.1}\" y=\"{y:.0}\" textLength=\"{:.1}\" lengthAdjust=\"spacingAndGlyphs\">{}</text>",
                MARGIN + at(run.column, COLUMN),
                at(run.columns, COLUMN),
                escaped(&run.text)
            );
        }
    }
    out.push_str("</svg>\n");
    out
}

#[expect(clippy::cast_precision_loss, reason = "columns and lines are few")]
fn at(n: usize, each: f64) -> f64 {
    n as f64 * each
}

/// The picture in words: the command and its answer.
fn title(lines: &[Vec<Run>]) -> String {
    let whole = |line: &Vec<Run>| line.iter().map(|run| run.text.as_str()).collect::<String>();
    lines.iter().take(2).map(whole).collect::<Vec<_>>().join(" → ")
}

fn lines(text: &str) -> Vec<Vec<Run>> {
    let mut class = "";
    text.lines().map(|line| runs(line, &mut class)).collect()
}

/// The runs of a line. A blank that follows another begins a new run, so that gaps are kept by positions.
fn runs(line: &str, class: &mut &'static str) -> Vec<Run> {
    let (mut runs, mut column) = (Vec::<Run>::new(), 0);
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if let Some((code, after)) = sequence(rest) {
            *class = look(code).unwrap_or(class);
            rest = after;
            continue;
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        let columns = width(c);
        let is_gap = c == ' ' && rest.starts_with(' ');
        match runs.last_mut() {
            Some(last) if last.class == *class && same(last, c) && !is_gap => {
                last.text.push(c);
                last.columns += columns;
            }
            _ => runs.push(Run { column, columns, class, text: c.to_string() }),
        }
        column += columns;
    }
    runs
}

/// Whether a character goes on with a run: wide ones stay among themselves, and blanks end what is before a gap.
fn same(run: &Run, c: char) -> bool {
    let last = run.text.chars().next_back().unwrap_or(' ');
    width(last) == width(c) && !(last == ' ' && run.text.trim().is_empty() && c != ' ')
}

/// `ESC [ … m` at the beginning, and what follows.
fn sequence(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("\u{1b}[")?
        .split_once('m')
        .filter(|(code, _)| code.bytes().all(|b| b.is_ascii_digit() || b == b';'))
}

fn look(code: &str) -> Option<&'static str> {
    match code {
        "" | "0" => Some(""),
        "1" => Some("bold"),
        "31" => Some("red"),
        "32" => Some("green"),
        _ => None,
    }
}

/// The columns of a character: two for what East Asian scripts write.
fn width(c: char) -> usize {
    match c {
        '\u{1100}'..='\u{115F}'
        | '\u{2E80}'..='\u{A4CF}'
        | '\u{AC00}'..='\u{D7A3}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FE30}'..='\u{FE4F}'
        | '\u{FF00}'..='\u{FF60}'
        | '\u{FFE0}'..='\u{FFE6}' => 2,
        _ => 1,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_columns_become_runs() {
        let run = |column, columns, class, text: &str| Run { column, columns, class, text: text.to_owned() };
        assert_eq!(
            lines("\u{1b}[31m✖\u{1b}[0m It <fails>.\n代理 a"),
            [
                vec![run(0, 1, "red", "✖"), run(1, 1, "", " "), run(2, 11, "", "It <fails>.")]
                    .into_iter()
                    .collect::<Vec<_>>(),
                vec![run(0, 4, "", "代理"), run(4, 1, "", " "), run(5, 1, "", "a")],
            ]
        );
    }

    #[test]
    fn a_picture_holds_the_text_and_nothing_from_elsewhere() {
        let picture = svg("$ x\n\u{1b}[31m✖\u{1b}[0m a < b & c\n");
        assert!(picture.contains("<title>$ x → ✖ a &lt; b &amp; c</title>"), "{picture}");
        assert!(
            picture.contains("class=\"red\"") && picture.contains("prefers-color-scheme:dark"),
            "{picture}"
        );
        for foreign in ["<script", "href", "url(", "@import", "@font-face"] {
            assert!(!picture.contains(foreign), "{foreign}");
        }
        assert_eq!(picture.matches("http").count(), 1, "only the name of the format: {picture}");
    }
}
