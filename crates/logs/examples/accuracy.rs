//! How often the first and the first three causes are right: `… --example accuracy -- CORPUS.jsonl [-v]`.
//!
//! A line of the corpus is `{"id","text","causes":[…],"source"}`; every cause of a line is right, and of a line without
//! causes none must be named. Five folds by source thread show whether the tables carry over: a fold's lines are none of the
//! others' threads.

use std::collections::BTreeMap;
use std::io::Write as _;

use clearline_model::Confidence;

#[derive(serde::Deserialize)]
struct Line {
    id: String,
    text: String,
    causes: Vec<String>,
    #[serde(default)]
    source: String,
}

#[derive(Default)]
struct Score {
    lines: u32,
    first: u32,
    third: u32,
}

impl Score {
    fn add(&mut self, rank: Option<usize>) {
        self.lines += 1;
        self.first += u32::from(rank == Some(0));
        self.third += u32::from(rank.is_some_and(|r| r < 3));
    }

    fn say(&self, name: &str) -> String {
        let percent = |n: u32| f64::from(n) * 100.0 / f64::from(self.lines.max(1));
        format!(
            "{name:8} {:4} lines   top-1 {:5.1} %   top-3 {:5.1} %",
            self.lines,
            percent(self.first),
            percent(self.third)
        )
    }
}

#[expect(clippy::disallowed_methods, reason = "an example reads the file that it is given")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("which corpus?")?;
    let verbose = arguments.next().is_some();
    let mut out = std::io::stdout().lock();
    let (mut all, mut folds) = (Score::default(), BTreeMap::<u64, Score>::new());
    let (mut others, mut silent, mut sure) = (0, 0, 0);
    for line in std::fs::read_to_string(path)?.lines() {
        let line: Line = serde_json::from_str(line)?;
        let explained = clearline_logs::explain(&line.text);
        let ids: Vec<&str> = explained.causes.iter().map(|r| r.cause.id()).collect();
        let rank = ids.iter().position(|id| line.causes.iter().any(|c| c == id));
        let is_sure = explained.causes.first().is_some_and(|r| r.confidence > Confidence::Possible);
        let is_wrong = if line.causes.is_empty() { !ids.is_empty() } else { rank != Some(0) };
        sure += u32::from(is_wrong && is_sure);
        if verbose && is_wrong {
            let text: String = line.text.chars().take(150).collect();
            let mark = if is_sure { "sure" } else { "" };
            writeln!(
                out,
                "{} {mark} {:?} not {:?}: {}",
                line.id,
                ids,
                line.causes,
                text.replace('\n', "\\n")
            )?;
        }
        if line.causes.is_empty() {
            others += 1;
            silent += u32::from(!is_wrong);
            continue;
        }
        all.add(rank);
        // Lines of one thread share a fold.
        let thread = line.source.bytes().fold(0_u64, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(b)));
        folds.entry(thread % 5).or_default().add(rank);
    }
    for (fold, score) in &folds {
        writeln!(out, "{}", score.say(&format!("fold {}", fold + 1)))?;
    }
    writeln!(out, "{}", all.say("all"))?;
    writeln!(out, "of others {silent} of {others} lines left alone; {sure} times sure and wrong")?;
    Ok(())
}
