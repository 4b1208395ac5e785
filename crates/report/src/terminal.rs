//! Reports for people: plain text in columns. Colour only repeats what the words say.

use clearline_model::{Blame, Cause, ClientView, Confidence, Dur, Fact, Fate, Role, Seen, Status, Verdict};

use crate::known;
use crate::lang::Lang;
use crate::layout::{pad, width, wrap};
use crate::prose::{Args, Fix, Prose};
use crate::{edit, seen};

/// How a report is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// The columns that there are.
    pub columns: usize,
    /// Whether colours are shown.
    pub colour: bool,
    /// Whether only ASCII signs are shown.
    pub ascii: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { columns: 80, colour: false, ascii: false }
    }
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// The sign of a failure.
    #[must_use]
    pub fn cross(self) -> String {
        self.paint("31", if self.ascii { "x" } else { "✖" })
    }

    /// The sign of a success.
    #[must_use]
    pub fn tick(self) -> String {
        self.paint("32", if self.ascii { "+" } else { "✔" })
    }

    fn dash(self) -> &'static str {
        if self.ascii { "-" } else { "–" }
    }
}

/// Where the text of a section begins.
const INDENT: usize = 17;
/// The widest column of ways.
const WAY: usize = 36;
/// The narrowest column of text.
const NARROW: usize = 24;

/// Sections with their names in the first column.
pub(crate) struct Page<'a> {
    prose: &'a Prose,
    style: Style,
    lines: Vec<String>,
}

impl<'a> Page<'a> {
    pub(crate) const fn new(prose: &'a Prose, style: Style) -> Self {
        Self { prose, style, lines: Vec::new() }
    }

    pub(crate) fn line(&mut self, text: &str) {
        self.lines.push(text.to_owned());
    }

    pub(crate) fn section(&mut self, name: &str, text: &str) {
        let columns = self.style.columns.saturating_sub(INDENT).max(NARROW);
        for (i, line) in wrap(text, columns).into_iter().enumerate() {
            let label = if i == 0 { self.prose.word(name) } else { String::new() };
            self.lines.push(format!("  {}{line}", pad(&label, INDENT - 2)).trim_end().to_owned());
        }
    }

    pub(crate) fn steps(&mut self, fix: &[Fix]) {
        let columns = self.style.columns.saturating_sub(INDENT).max(NARROW);
        let mut label = self.prose.word("fix");
        for step in fix {
            let (text, command) = match step {
                Fix::Text(text) => (text, None),
                Fix::Command { command, why } => (why, Some(command)),
            };
            for line in wrap(text, columns) {
                self.lines.push(format!("  {}{line}", pad(&label, INDENT - 2)).trim_end().to_owned());
                label.clear();
            }
            if let Some(command) = command {
                // Alone on its line and never wrapped: it is there to be copied.
                let shown = self.style.paint("1", command);
                self.lines.push(format!("{}{shown}", " ".repeat(INDENT + 2)));
            }
        }
    }

    /// The lines of a proof: what tells them apart in one column, what was seen in the next. A way that is too long for
    /// a column has a line of its own.
    pub(crate) fn proof(&mut self, lines: &[seen::Line]) {
        let fits = |way: &str| width(way) <= WAY;
        let ways = lines.iter().map(|l| l.way.as_str()).filter(|way| fits(way));
        let own = if lines.iter().all(|l| fits(&l.way)) { ways.map(width).max().unwrap_or(0) + 3 } else { 2 };
        let columns = self.style.columns.saturating_sub(INDENT + own).max(NARROW);
        let mut label = self.prose.word("proof");
        for line in lines {
            let mut way = line.way.as_str();
            if own == 2 && !way.is_empty() {
                self.lines.push(format!("  {}{way}", pad(&label, INDENT - 2)));
                label.clear();
                way = "";
            }
            for text in wrap(&line.saw, columns) {
                let text = format!("  {}{}{text}", pad(&label, INDENT - 2), pad(way, own));
                self.lines.push(text.trim_end().to_owned());
                label.clear();
                way = "";
            }
        }
    }

    pub(crate) fn finish(self) -> String {
        self.lines.join("\n")
    }
}

pub(crate) const fn move_of(blame: Blame) -> &'static str {
    match blame {
        Blame::Caller => "move-caller",
        Blame::Account => "move-account",
        Blame::Site => "move-site",
        Blame::Provider => "move-provider",
    }
}

/// The word of a confidence.
#[must_use]
pub fn confidence(prose: &Prose, confidence: Confidence) -> String {
    prose.word(match confidence {
        Confidence::Certain => "certain",
        Confidence::Likely => "likely",
        Confidence::Possible => "possible",
    })
}

/// One cause, whole: the answer first.
#[must_use]
pub fn cause(prose: &Prose, style: Style, cause: Cause, args: &Args) -> String {
    edited(prose, style, (cause, Vec::new()), args)
}

/// The same with edits before the steps that every machine shares.
fn edited(prose: &Prose, style: Style, (cause, edits): (Cause, Vec<Fix>), args: &Args) -> String {
    let (row, words) = (cause.row(), prose.explain(cause, args));
    let stop = if prose.lang() == Lang::Zh { "。" } else { "." };
    let title = format!("{} {}{stop}   {}", style.cross(), words.title, row.id);
    let mut page = Page { prose, style, lines: vec![title, String::new()] };
    page.section("whose-move", &prose.word(move_of(row.blame)));
    if !words.means.is_empty() {
        page.section("means", &words.means);
    }
    page.steps(&[edits, words.fix].concat());
    page.finish()
}

/// What a text means: the first cause whole, the others in a line each.
#[must_use]
pub fn explanation(
    prose: &Prose,
    style: Style,
    causes: &[(Cause, Confidence)],
    masked: bool,
    next: &[String],
) -> String {
    let Some(((first, sure), others)) = causes.split_first() else {
        return format!("{} {}\n  {}", style.dash(), prose.word("nothing"), prose.word("nothing-hint"));
    };
    let mut parts = Vec::new();
    if masked && *first != Cause::ClientMasked {
        parts.push(format!("{} {}", style.dash(), prose.word("masked")));
    }
    let own = cause(prose, style, *first, &Args::default());
    let (title, rest) = own.split_once('\n').unwrap_or((&own, ""));
    parts.push(format!("{title}   {}\n{rest}", confidence(prose, *sure)));
    if !others.is_empty() {
        let titles: Vec<_> =
            others.iter().map(|(c, sure)| (prose.explain(*c, &Args::default()).title, c, sure)).collect();
        let wide = titles.iter().map(|(t, ..)| width(t)).max().unwrap_or(0).min(56);
        let lines = titles.iter().enumerate().map(|(i, (title, cause, sure))| {
            let label = if i == 0 { prose.word("also") } else { String::new() };
            format!(
                "  {}{} {}   {}",
                pad(&label, INDENT - 2),
                pad(title, wide),
                pad(&confidence(prose, **sure), 8),
                cause.id()
            )
        });
        parts.push(lines.collect::<Vec<_>>().join("\n"));
    }
    if !next.is_empty() {
        let lines = next.iter().enumerate().map(|(i, command)| {
            let label = if i == 0 { prose.word("next") } else { String::new() };
            format!("  {}{}", pad(&label, INDENT - 2), style.paint("1", command))
        });
        parts.push(lines.collect::<Vec<_>>().join("\n"));
    }
    parts.join("\n")
}

/// A verdict: the answer first, then the proof and the fix; `-v` shows every fact.
#[must_use]
pub fn verdict(prose: &Prose, style: Style, verdict: &Verdict, facts: &[Fact], how: (Dur, bool)) -> String {
    let (elapsed, verbose) = how;
    let mut parts = Vec::new();
    let tick = style.tick();
    let host = facts.iter().find(|f| !f.path.host.is_empty()).map_or("", |f| f.path.host.as_str());
    match verdict.status {
        Status::Healthy => parts.push(format!("{tick} {}   {host}", prose.word("verdict-healthy"))),
        Status::Degraded => parts.push(format!("! {}   {host}", prose.word("verdict-degraded"))),
        Status::Inconclusive => parts.push(open(prose, style, verdict, facts)),
        Status::Failing => {}
    }
    for finding in &verdict.findings {
        if finding.role == Role::Information {
            let title = prose.explain(finding.cause, &known::args(finding, facts)).title;
            parts.push(format!("  {} {}   {}", style.dash(), title, finding.cause.id()));
            continue;
        }
        let edits = edit::edits(prose, finding, facts);
        let whole = edited(prose, style, (finding.cause, edits), &known::args(finding, facts));
        let (head, rest) = whole.split_once('\n').unwrap_or((&whole, ""));
        let mut page = Page { prose, style, lines: Vec::new() };
        page.proof(&seen::proof(prose, facts, &finding.proof));
        let sure = confidence(prose, finding.confidence);
        parts.push(format!("{head}   {sure}\n{rest}\n{}", page.finish()).trim_end().to_owned());
    }
    if verbose {
        parts.push(facts.iter().map(|f| fact_line(prose, f)).collect::<Vec<_>>().join("\n"));
    }
    let count = facts.len();
    parts.push(format!("  {elapsed} · {count} {}", prose.word("facts")));
    parts.join("\n\n")
}

/// What is not certain: what was left out, and what may be wrong with it.
fn open(prose: &Prose, style: Style, verdict: &Verdict, facts: &[Fact]) -> String {
    let is_left_out = |f: &&Fact| {
        let Ok(Seen::State(name, value)) = &f.saw else { return false };
        name == "credential" && value.raw() == "profile"
    };
    let mut lines = vec![format!("? {}", prose.word("verdict-inconclusive"))];
    let columns = style.columns.saturating_sub(2).max(NARROW);
    if let Some(fact) = facts.iter().find(is_left_out) {
        lines.extend(wrap(&seen::line(prose, fact).saw, columns).iter().map(|line| format!("  {line}")));
    }
    for cause in &verdict.open {
        let title = prose.explain(*cause, &Args::default()).title;
        lines.push(format!("  ? {title}   {}", cause.id()));
    }
    lines.join("\n")
}

/// What a client's call comes to, and why another one's comes to something else.
#[must_use]
pub fn client(prose: &Prose, style: Style, facts: &[Fact], view: &ClientView) -> String {
    let sign = match view.fate {
        Fate::Works => style.tick(),
        Fate::Fails { .. } => style.cross(),
        Fate::Unknown(_) => "?".to_owned(),
    };
    let mut sentences = crate::client::sentences(prose, facts, view).into_iter();
    let mut lines = vec![format!("{sign} {}", sentences.next().unwrap_or_default())];
    let columns = style.columns.saturating_sub(2).max(NARROW);
    for sentence in sentences {
        lines.extend(wrap(&sentence, columns).into_iter().map(|line| format!("  {line}")));
    }
    if let Some(Fix::Command { command, why }) = edit::of_client(prose, facts, view) {
        lines.extend(wrap(&why, columns).into_iter().map(|line| format!("  {line}")));
        lines.push(format!("    {}", style.paint("1", &command)));
    }
    lines.join("\n")
}

/// A fact with its number, as -v shows it.
fn fact_line(prose: &Prose, fact: &Fact) -> String {
    let seen::Line { way, saw } = seen::line(prose, fact);
    format!("  {:>3}  {} {:<9} {saw}", fact.id.0, pad(&way, 44), fact.stage.word())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_a_proof_stand_straight_however_long_its_ways_are() {
        let prose = Prose::load(Lang::En);
        let told = |lines: &[(&str, &str)]| {
            let mut page = Page::new(&prose, Style { columns: 60, ..Style::default() });
            let line =
                |(way, saw): &(&str, &str)| seen::Line { way: (*way).to_owned(), saw: (*saw).to_owned() };
            page.proof(&lines.iter().map(line).collect::<Vec<_>>());
            page.finish()
        };
        let short = [("asked 10.0.0.1", "the name does not exist"), ("asked 1.1.1.1", "160.79.104.10")];
        assert_eq!(
            told(&short),
            "  Proof          asked 10.0.0.1   the name does not exist\n                 \
             asked 1.1.1.1    160.79.104.10"
        );
        let long = [
            ("api.anthropic.com through http://proxy.example:3128", "does not trust the certificate"),
            ("", "showed a certificate issued by \"Example\""),
        ];
        assert_eq!(
            told(&long),
            "  Proof          api.anthropic.com through http://proxy.example:3128\n                   \
             does not trust the certificate\n                   \
             showed a certificate issued by \"Example\""
        );
    }
}
