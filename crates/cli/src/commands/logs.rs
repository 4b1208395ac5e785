//! `clearline logs`: failures grouped by cause.

use std::path::{Path, PathBuf};

use clearline_logs::{Record, Records, Row, Summary};
use clearline_model::{Cause, Foreign, Wall};
use clearline_report::document::{Block, Document, Item, Mood};
use clearline_report::{Args, Fix, Prose, json, layout};

use crate::exit::{self, Failure};
use crate::out::{Progress, grouped, percent};
use crate::{lines, look, out, shared};

/// Groups the failures of log files by cause: when, how often, whose move, and what to do first
///
/// Reads clearline's own log, JSON lines and plain text of any client. - is the standard input.
#[derive(Debug, clap::Args)]
pub(crate) struct Logs {
    /// The files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    printed: shared::As,
    /// Ends with 1 where fewer than this many percent of the calls succeeded
    #[arg(long, value_name = "PERCENT", value_parser = percentage)]
    fail_on: Option<f64>,
}

/// How wide the course of time is drawn.
const COURSE: usize = 8;

impl Logs {
    pub(crate) fn run(self, lang: Option<&str>, config: Option<&Path>) -> Result<u8, Failure> {
        let prose = look::prose(lang, config);
        let (mut summary, mut records) = (Summary::default(), Records::default());
        let mut add = |record: Option<Record>| {
            if let Some(Record { text, lines }) = record {
                summary.add(&lines::entry(&text), &text);
                summary.lines += lines.saturating_sub(1);
            }
        };
        let progress = Progress::new();
        let mut file = 0;
        let read = lines::each(&self.files, |at, n, line| {
            if n.is_multiple_of(100_000) {
                progress.show(&prose.count("lines", n, &grouped(n)));
            }
            // What one file ends with, the next one does not go on with.
            if at != file {
                add(records.finish());
                file = at;
            }
            add(records.push(line));
        });
        add(records.finish());
        progress.clear();
        if read == 0 {
            return Err(Failure::usage("none of the files could be read"));
        }
        if self.json {
            out::say(&to_json(&prose, &summary).to_string())?;
        } else if !self.printed.print(|| to_document(&prose, &summary))? {
            out::say(&to_text(&prose, &summary))?;
        }
        Ok(self.judge(&summary))
    }

    /// Whether enough of the calls succeeded. Where no line tells of successes, any failure is one too many.
    #[expect(clippy::cast_precision_loss, reason = "counts of lines are far below 2^53")]
    fn judge(&self, summary: &Summary) -> u8 {
        let Some(wanted) = self.fail_on else { return exit::WELL };
        let judged = summary.calls.saturating_sub(summary.left).max(summary.succeeded + summary.failed);
        let rate = if judged == 0 { 100.0 } else { summary.succeeded as f64 * 100.0 / judged as f64 };
        if rate < wanted { exit::PROBLEM } else { exit::WELL }
    }
}

/// A share that may be demanded: what is no number, or more than all, would judge every log alike.
fn percentage(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim_end();
    match number.parse::<f64>() {
        Ok(n) if (0.0..=100.0).contains(&n) => Ok(n),
        Ok(_) | Err(_) => Err("write a number from 0 to 100, such as 99 or 99.5".to_owned()),
    }
}

/// A moment in local time, to the minute.
fn local(at: Wall, format: &str) -> String {
    let zone = jiff::tz::TimeZone::system();
    jiff::Timestamp::from_microsecond(at.0)
        .map(|t| t.to_zoned_datetime(zone).strftime(format).to_string())
        .unwrap_or_default()
}

/// How the day of a headline is written.
const DAY: &str = "%Y-%m-%d ";

/// From when to when, with the day in front: of the end only where it is another one.
fn span(first: Option<Wall>, last: Option<Wall>, day: &str) -> String {
    let (Some(first), Some(last)) = (first, last) else { return String::new() };
    let from = local(first, &format!("{day}%H:%M"));
    let is_one_day = local(first, DAY) == local(last, DAY);
    if is_one_day && local(first, "%H:%M") == local(last, "%H:%M") {
        return from;
    }
    let day = if is_one_day { "" } else { day };
    format!("{from} – {}", local(last, &format!("{day}%H:%M")))
}

/// How the days of the rows are written: not at all where all is of one.
fn days(s: &Summary) -> &'static str {
    let day = |at: Option<Wall>| at.map(|at| local(at, DAY));
    if day(s.first) == day(s.last) { "" } else { "%m-%d " }
}

/// Numbers as bars.
fn bars(course: &[u32]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = course.iter().copied().max().unwrap_or(0).max(1);
    let bar = |n: &u32| BARS.get(usize::try_from(n * 7 / most).unwrap_or(0)).copied().unwrap_or('█');
    course.iter().map(bar).collect()
}

fn number(name: &'static str, text: &str) -> Args {
    Args::default().with(name, Foreign::new(text))
}

/// One sentence: how many calls, and how they ended. What is not a call, or did not end, is said behind them, so that the
/// numbers add up.
fn headline(prose: &Prose, s: &Summary) -> String {
    // The zone is said once: other logs of the same hours may be in another one.
    let zone = s.last.map(|at| local(at, "%:z")).unwrap_or_default();
    let when = span(s.first, s.last, DAY);
    let when = if when.is_empty() { when } else { format!("   {when} {zone}") };
    if s.calls == 0 {
        let lines = prose.count("lines", s.lines, &grouped(s.lines));
        let args = number("lines", &lines).with("failed", Foreign::new(&grouped(s.failed)));
        return prose.say(if s.failed == 1 { "logs-lines-one" } else { "logs-lines" }, &args) + &when;
    }
    let failed = s.calls.saturating_sub(s.succeeded + s.left);
    let args = number("calls", &prose.count("calls", s.calls, &grouped(s.calls)))
        .with("well", Foreign::new(&grouped(s.succeeded)))
        .with("rate", Foreign::new(&percent(s.succeeded, s.calls.saturating_sub(s.left))))
        .with("failed", Foreign::new(&grouped(failed)));
    let mut sentence = prose.say("logs-calls", &args);
    if s.left > 0 {
        sentence += &prose.say("summary-left", &number("count", &grouped(s.left)));
    }
    let others = s.failed.saturating_sub(failed);
    if others > 0 {
        sentence += &prose.count("logs-others", others, &grouped(others));
    }
    sentence + &when
}

/// The same as [`to_text`] for Markdown and HTML.
fn to_document(prose: &Prose, s: &Summary) -> Document {
    let mut document = Document::new(prose, &prose.word("title-logs"));
    let mood = if s.failed == 0 { Mood::Well } else { Mood::Bad };
    document.blocks.push(Block::Heading(mood, headline(prose, s), None));
    let ranked = s.ranked();
    let rows = ranked.iter().map(|(cause, row)| {
        let title = prose.explain(*cause, &Args::default()).title;
        let id = row.last_id.as_ref().map(Foreign::escaped).unwrap_or_default();
        vec![
            Item::Command(cause.id().to_owned()),
            Item::Text(title),
            Item::Text(grouped(row.calls)),
            Item::Text(attempts(row)),
            Item::Text(blame(prose, *cause)),
            Item::Text(span(row.first, row.last, days(s))),
            Item::Said(id),
        ]
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        let head = ["cause", "title", "calls", "attempts", "whose-move", "when", "last-id"];
        let head = head.map(|name| prose.word(name)).to_vec();
        document.blocks.push(Block::Table(prose.word("title-logs"), head, rows));
    }
    if let Some(first) = first_move(prose, &ranked) {
        document.blocks.push(Block::Text(first));
    }
    document.blocks.extend(unread(prose, s).into_iter().map(Block::Text));
    if s.unknown > 0 {
        let samples = s.samples.iter().map(|line| Item::Said(out::line_of_others(line.raw(), SAMPLE_MAX)));
        let term = prose.count("logs-unknown", s.unknown, &grouped(s.unknown));
        // The medium sets a mark of its own behind it.
        let term = term.trim_end_matches([':', '：']).to_owned();
        document.blocks.push(Block::Terms(vec![(term, samples.collect())]));
    }
    document
}

fn to_text(prose: &Prose, s: &Summary) -> String {
    let mut out = vec![headline(prose, s)];
    let ranked = s.ranked();
    if !ranked.is_empty() {
        out.extend(table(prose, s, &ranked));
        out.extend(first_move(prose, &ranked).map(|first| format!("  {first}")));
    }
    out.extend(unread(prose, s).into_iter().map(|line| format!("  {line}")));
    if s.unknown > 0 {
        out.push(format!("  {}", prose.count("logs-unknown", s.unknown, &grouped(s.unknown))));
        let sample = |line: &Foreign| format!("    {}", out::line_of_others(line.raw(), 100));
        out.extend(s.samples.iter().map(sample));
    }
    out.join("\n")
}

/// The most of a line that a report shows, characters.
const SAMPLE_MAX: usize = 400;

/// What was seen and not understood to its end.
fn unread(prose: &Prose, s: &Summary) -> Vec<String> {
    let counts = [("logs-unnamed", s.unnamed), ("logs-torn", s.torn)].into_iter().filter(|(_, n)| *n > 0);
    counts.map(|(word, n)| prose.count(word, n, &grouped(n))).collect()
}

/// A program's own lines tell of calls, and not of the attempts below them.
fn attempts(row: &Row) -> String {
    if row.attempts == 0 { "–".to_owned() } else { grouped(row.attempts) }
}

/// Whose move a cause is, in a word.
fn blame(prose: &Prose, cause: Cause) -> String {
    prose.word(&format!("blame-{}", json::blame(cause.row().blame)))
}

/// A row for each cause, in columns as wide as what stands in them.
fn table(prose: &Prose, s: &Summary, ranked: &[(Cause, &Row)]) -> Vec<String> {
    let head = ["cause", "calls", "attempts", "whose-move", "when"];
    let mut rows = vec![head.map(|name| prose.word(name).to_lowercase())];
    let day = days(s);
    rows.extend(ranked.iter().map(|(cause, row)| {
        let id = row.last_id.as_ref().map(|id| format!("  {}", id.escaped())).unwrap_or_default();
        let when = match row.first {
            Some(_) => format!("{}  {}", bars(&s.course(row, COURSE)), span(row.first, row.last, day)),
            // A flat course would say that it was rare.
            None => "–".to_owned(),
        } + &id;
        [cause.id().to_owned(), grouped(row.calls), attempts(row), blame(prose, *cause), when]
    }));
    let wide = |column: usize| rows.iter().filter_map(|r| r.get(column)).map(|t| layout::width(t)).max();
    let [cause, calls, attempts, move_of] = [0, 1, 2, 3].map(|column| wide(column).unwrap_or(0));
    let line = |[id, n, tries, whose, when]: &[String; 5]| {
        let (n, tries) = (layout::pad_left(n, calls), layout::pad_left(tries, attempts));
        format!("  {}  {n}  {tries}  {}  {when}", layout::pad(id, cause), layout::pad(whose, move_of))
    };
    rows.iter().map(line).collect()
}

/// What to do first: the first step against the cause of the most failed calls.
fn first_move(prose: &Prose, ranked: &[(Cause, &Row)]) -> Option<String> {
    let (cause, _) = ranked.iter().find(|(_, row)| row.calls > 0)?;
    let words = prose.explain(*cause, &Args::default());
    let step = match words.fix.first()? {
        Fix::Text(text) => text.clone(),
        Fix::Command { command, why } => format!("{command}   ({why})"),
    };
    Some(prose.say("logs-first", &number("title", &words.title).with("step", Foreign::new(&step))))
}

fn to_json(prose: &Prose, s: &Summary) -> serde_json::Value {
    let args = Args::default();
    let time = |at: Option<Wall>| {
        at.and_then(|at| jiff::Timestamp::from_microsecond(at.0).ok()).map(|t| t.to_string())
    };
    let causes = s.ranked().into_iter().map(|(cause, row)| {
        serde_json::json!({
            "id": cause.id(), "title": prose.explain(cause, &args).title,
            "blame": json::blame(cause.row().blame), "calls": row.calls, "attempts": row.attempts,
            "first": time(row.first), "last": time(row.last), "last_request_id": row.last_id,
            "minutes": row.minutes.iter().map(|(m, n)| [m * 60, i64::from(*n)]).collect::<Vec<_>>(),
        })
    });
    serde_json::json!({
        "schema": "clearline.logs/1", "lines": s.lines, "calls": s.calls, "succeeded": s.succeeded, "left": s.left,
        "failed": s.failed, "first": time(s.first), "last": time(s.last), "causes": causes.collect::<Vec<_>>(),
        "unnamed": s.unnamed, "torn": s.torn, "unknown": s.unknown, "samples": s.samples,
    })
}
