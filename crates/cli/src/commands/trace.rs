//! `clearline trace`: one call's life over several files.

mod story;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clearline_model::{Foreign, Wall};
use clearline_report::document::{Block, Document, Item};
use clearline_report::{Args, Prose};
use serde_json::Value;

use crate::exit::{self, Failure};
use crate::out::grouped;
use crate::{lines, look, out, shared};

/// Shows one call's life over several files, by any of its ids
///
/// The id may be the API's request id, an x-request-id, or a traceparent. What clearline's own log says of the call links
/// its ids, so that the lines of other programs are found by each of them.
#[derive(Debug, clap::Args)]
pub(crate) struct Trace {
    /// An id of the call
    id: String,
    /// The files; each is read twice
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    printed: shared::As,
}

/// A line of the call.
struct Seen {
    file: usize,
    line: u64,
    at: Option<Wall>,
    text: String,
}

/// The most lines that are shown.
const LINES_MAX: usize = 1000;

impl Trace {
    pub(crate) fn run(self, lang: Option<&str>, config: Option<&Path>) -> Result<u8, Failure> {
        if self.files.iter().any(|f| f == Path::new("-")) {
            return Err(Failure::usage("files are read twice, so the standard input cannot be one of them"));
        }
        if self.id.trim().is_empty() {
            // What a command substitution that found nothing leaves behind; every line has it.
            return Err(Failure::usage(
                "the id is empty: name a request id, an x-request-id or a traceparent",
            ));
        }
        let prose = look::prose(lang, config);
        let ids = self.linked();
        let (mut seen, mut more) = (Vec::new(), 0_u64);
        let read = lines::each(&self.files, |file, line, text| {
            let is_of_it = ids.iter().any(|id| names(text, id));
            if is_of_it && seen.len() == LINES_MAX {
                more += 1;
            } else if is_of_it {
                seen.push(Seen {
                    file,
                    line,
                    at: lines::entry(text).at,
                    text: clearline_logs::without_keys(text),
                });
            }
        });
        if read == 0 {
            return Err(Failure::usage("none of the files could be read"));
        }
        // Lines without a time stay where their file has them: behind the last one that has a time.
        let mut last = None;
        for line in &mut seen {
            line.at = line.at.or(last);
            last = line.at;
        }
        seen.sort_by_key(|s| (s.at, s.file, s.line));
        if seen.is_empty() && !self.json && !self.printed.is_asked() {
            let read = u64::try_from(read).unwrap_or(u64::MAX);
            let files = prose.count("files", read, &grouped(read));
            let args = Args::default().with("files", Foreign::new(&files)).with("id", Foreign::new(&self.id));
            out::say(&prose.say("trace-none", &args))?;
            return Ok(exit::WELL);
        }
        if self.json {
            out::say(&self.to_json(&ids, &seen).to_string())?;
        } else if !self.printed.print(|| self.to_document(&prose, &ids, &seen))? {
            out::say(&self.to_text(&prose, &ids, &seen))?;
        }
        if more > 0 {
            out::note(&prose.count("trace-more", more, &grouped(more)));
        }
        Ok(exit::WELL)
    }

    /// The id, and those that our own log names beside it.
    fn linked(&self) -> BTreeSet<String> {
        let mut ids = BTreeSet::from([self.id.clone()]);
        lines::beforehand(&self.files, |_, _, text| {
            let is_own = |value: Value| {
                let event = value.get("event").and_then(Value::as_str);
                matches!(event, Some("call ended" | "request refused"))
            };
            if names(text, &self.id) && clearline_logs::object(text).is_some_and(is_own) {
                ids.extend(lines::entry(text).ids);
            }
        });
        ids
    }

    fn to_text(&self, prose: &Prose, ids: &BTreeSet<String>, seen: &[Seen]) -> String {
        let shown = ids.iter().map(|id| Foreign::new(id).escaped()).collect::<Vec<_>>().join(" · ");
        let count = |things: &str, n: usize| {
            let n = u64::try_from(n).unwrap_or(u64::MAX);
            Foreign::new(&prose.count(things, n, &grouped(n)))
        };
        let head = Args::default()
            .with("lines", count("lines", seen.len()))
            .with("files", count("files", self.files.len()));
        let with_day = are_of_several_days(seen);
        // Day and zone of all lines, said once.
        let day = if with_day { "%:z" } else { "%Y-%m-%d %:z" };
        let day =
            seen.iter().find_map(|s| s.at).map(|at| format!("{}   ", local(at, day))).unwrap_or_default();
        let mut text = vec![format!("{}   {day}{shown}", prose.say("trace-head", &head))];
        for line in seen {
            let at = line.at.map(|at| clock(at, with_day)).unwrap_or_default();
            let place = self.place(line);
            let story = clearline_logs::object(&line.text).and_then(|value| story::text(prose, &value));
            text.push(format!("{at}  {place}"));
            text.extend(story.unwrap_or_else(|| vec![format!("  {}", out::line_of_others(&line.text, 200))]));
        }
        text.join("\n")
    }

    /// The same as [`Trace::to_text`] for Markdown and HTML.
    fn to_document(&self, prose: &Prose, ids: &BTreeSet<String>, seen: &[Seen]) -> Document {
        let mut document = Document::new(prose, &prose.word("title-trace"));
        let shown = ids.iter().map(|id| Item::Said(Foreign::new(id).escaped())).collect();
        let count = format!("{} / {}", seen.len(), self.files.len());
        let mut terms =
            vec![(prose.word("ids"), shown), (prose.word("lines-files"), vec![Item::Text(count)])];
        terms.extend(day(seen).map(|day| (prose.word("when"), vec![Item::Text(day)])));
        document.blocks.push(Block::Terms(terms));
        let mut others = Vec::new();
        let with_day = are_of_several_days(seen);
        for line in seen {
            match clearline_logs::object(&line.text).and_then(|v| story::blocks(prose, &v)) {
                Some(blocks) => document.blocks.extend(blocks),
                None => others.push(vec![
                    Item::Text(line.at.map(|at| clock(at, with_day)).unwrap_or_default()),
                    Item::Said(Foreign::new(&self.place(line)).escaped()),
                    Item::Said(out::line_of_others(&line.text, 400)),
                ]),
            }
        }
        if !others.is_empty() {
            let head = ["when", "place", "line"].map(|name| prose.word(name)).to_vec();
            document.blocks.push(Block::Table(prose.word("other-lines"), head, others));
        }
        document
    }

    fn name(&self, line: &Seen) -> String {
        self.files.get(line.file).map(|file| file.display().to_string()).unwrap_or_default()
    }

    /// File and number of a line.
    fn place(&self, line: &Seen) -> String {
        format!("{}:{}", self.name(line), line.line)
    }

    fn to_json(&self, ids: &BTreeSet<String>, seen: &[Seen]) -> Value {
        let line = |s: &Seen| {
            let at = s.at.and_then(|at| jiff::Timestamp::from_microsecond(at.0).ok()).map(|t| t.to_string());
            let record = clearline_logs::object(&s.text);
            let text = if record.is_some() { None } else { Some(Foreign::new(&s.text)) };
            serde_json::json!({ "file": self.name(s), "line": s.line, "at": at, "record": record, "text": text })
        };
        serde_json::json!({
            "schema": "clearline.trace/1", "id": self.id, "ids": ids,
            "lines": seen.iter().map(line).collect::<Vec<_>>(),
        })
    }
}

/// Whether a text names an id: as a whole, because `job-1` is a part of `job-10`, which is another call.
fn names(text: &str, id: &str) -> bool {
    let goes_on = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    text.match_indices(id).any(|(at, found)| {
        let (before, after) = (text.get(..at), text.get(at + found.len()..));
        let (before, after) =
            (before.and_then(|t| t.chars().next_back()), after.and_then(|t| t.chars().next()));
        let is_part = (goes_on(before) && goes_on(id.chars().next()))
            || (goes_on(after) && goes_on(id.chars().next_back()));
        !is_part
    })
}

/// A moment in local time.
fn local(at: Wall, format: &str) -> String {
    let zone = jiff::tz::TimeZone::system();
    let zoned = jiff::Timestamp::from_microsecond(at.0).map(|t| t.to_zoned_datetime(zone));
    zoned.map(|z| z.strftime(format).to_string()).unwrap_or_default()
}

/// The same to the millisecond; with its day where the lines are of several.
fn clock(at: Wall, with_day: bool) -> String {
    local(at, if with_day { "%Y-%m-%d %H:%M:%S%.3f" } else { "%H:%M:%S%.3f" })
}

/// Day and zone of all lines, to be said once; of several days each line says its own.
fn day(seen: &[Seen]) -> Option<String> {
    let format = if are_of_several_days(seen) { "%:z" } else { "%Y-%m-%d %:z" };
    seen.iter().find_map(|line| line.at).map(|at| local(at, format))
}

/// Whether not all of these lines are of one day.
fn are_of_several_days(seen: &[Seen]) -> bool {
    let days: BTreeSet<_> =
        seen.iter().filter_map(|s| Some(clock(s.at?, true).get(..10)?.to_owned())).collect();
    days.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_as_a_whole() {
        for (text, id, is_named) in [
            ("x-request-id job-1", "job-1", true),
            ("{\"x_request_id\":\"job-1\"}", "job-1", true),
            ("x-request-id job-10", "job-1", false),
            ("job-10 and job-1.", "job-1", true),
            ("myjob-1", "job-1", false),
            (
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                "0af7651916cd43dd8448eb211c80319c",
                true,
            ),
            ("请求req_1失败", "req_1", true),
            ("请求：req_1，失败", "req_1", true),
            ("req_1_2", "req_1", false),
            ("a(b)c", "(b)", true),
        ] {
            assert_eq!(names(text, id), is_named, "{id} in {text}");
        }
    }
}
