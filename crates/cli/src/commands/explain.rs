//! `clearline explain`: what an error text means.

use std::collections::VecDeque;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use clearline_logs::{Explanation, explain};
use clearline_model::{Cause, Confidence, Layer};
use clearline_report::{document, json, terminal};

use crate::exit::{self, Failure};
use crate::{lines, look, out, shared};

/// How much of an input is read, bytes; errors stand at its beginning and at its end.
const HALF: usize = 1 << 20;
/// A piece of the end, bytes.
const PIECE: usize = 64 << 10;

/// Explains an error text: an exception, a line of a log, an HTTP answer
///
/// Give the text itself, a file, or `-` for the standard input: python app.py 2>&1 | clearline explain
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The text, a file, or - for the standard input
    text: Option<String>,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    printed: shared::As,
    /// Explains every line of a file of JSON lines with "id" and "text"
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    jsonl: Option<PathBuf>,
}

impl Explain {
    pub(crate) fn run(self, lang: Option<&str>, config: Option<&Path>) -> Result<u8, Failure> {
        if let Some(path) = &self.jsonl {
            return lines(path);
        }
        let text = self.read()?;
        let explanation = explain(&text);
        let causes: Vec<_> = explanation.causes.iter().map(|r| (r.cause, r.confidence)).collect();
        let next = next(&explanation);
        let prose = look::prose(lang, config);
        let document = || document::explanation(&prose, &causes, explanation.masked, &next);
        if self.printed.print(document)? {
            return Ok(exit::WELL);
        }
        if self.json {
            out::say(&json::explanation(&prose, &causes, explanation.masked, &next).to_string())?;
        } else {
            out::say(&terminal::explanation(&prose, look::style(), &causes, explanation.masked, &next))?;
        }
        Ok(exit::WELL)
    }

    /// The text itself, or what a file or the standard input holds.
    fn read(&self) -> Result<String, Failure> {
        match self.text.as_deref() {
            Some("-") => sample(std::io::stdin().lock(), "the standard input"),
            None if std::io::stdin().is_terminal() => Err(Failure::usage(
                "no text was given\n  clearline explain 'APIConnectionError: Connection error.', or pipe a program's output into it.",
            )),
            None => sample(std::io::stdin().lock(), "the standard input"),
            Some(text) if is_path(text) => {
                let file = std::fs::File::open(text)
                    .map_err(|e| Failure::usage(format!("cannot read {text}: {e}")))?;
                sample(file, text)
            }
            Some(text) => Ok(text.to_owned()),
        }
    }
}

/// Whether a text means a file: one that is there, or one that can be nothing else.
fn is_path(text: &str) -> bool {
    if text.contains('\n') || text.len() >= 4096 {
        return false;
    }
    let is_written_so = ["/", "./", "../"].iter().any(|begins| text.starts_with(begins));
    Path::new(text).exists() || (is_written_so && !text.contains(char::is_whitespace))
}

/// The beginning and the end of a stream, in bounded memory, however long it or its lines are.
fn sample(mut stream: impl std::io::Read, name: &str) -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::usage(format!("cannot read {name}: {e}"));
    let mut head = Vec::new();
    stream.by_ref().take(HALF as u64).read_to_end(&mut head).map_err(failed)?;
    if let Some(why) = lines::no_text(&head) {
        return Err(Failure::usage(format!("{name}: {why}\n  Give the error's text, or a log file.")));
    }
    if head.is_empty() {
        out::note(&format!("{name} is empty"));
    }
    // The last pieces; the one that falls out is read into again.
    let (mut tail, mut spare) = (VecDeque::<Vec<u8>>::new(), Vec::new());
    loop {
        spare.clear();
        if stream.by_ref().take(PIECE as u64).read_to_end(&mut spare).map_err(failed)? == 0 {
            break;
        }
        tail.push_back(std::mem::take(&mut spare));
        if tail.len() > HALF / PIECE {
            spare = tail.pop_front().unwrap_or_default();
        }
    }
    tail.iter().for_each(|piece| head.extend_from_slice(piece));
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Explains lines of `{"id","text"}`; a line that is none is told and left out.
fn lines(path: &Path) -> Result<u8, Failure> {
    let (mut wrong, mut written) = (0_u64, Ok(()));
    let name = path.display();
    let read = lines::each(&[path.to_owned()], |_, n, line| {
        if line.trim().is_empty() || written.is_err() {
            return;
        }
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        let Some(text) = value.get("text").and_then(serde_json::Value::as_str) else {
            out::note(&format!("{name}, line {n}: no JSON object with a \"text\""));
            wrong += 1;
            return;
        };
        let causes: Vec<_> = explain(text)
            .causes
            .iter()
            .map(|r| serde_json::json!({ "id": r.cause.id(), "confidence": r.confidence }))
            .collect();
        written = out::say(&serde_json::json!({ "id": value.get("id"), "causes": causes }).to_string());
    });
    written?;
    Ok(if wrong == 0 && read == 1 { exit::WELL } else { exit::USAGE })
}

/// The commands that would decide between what is left.
fn next(explanation: &Explanation) -> Vec<String> {
    let open = match explanation.causes.as_slice() {
        [] => return Vec::new(),
        [only] if only.confidence == Confidence::Certain => return Vec::new(),
        [first, ..] if first.confidence == Confidence::Certain => return Vec::new(),
        all => all,
    };
    let mut commands: Vec<String> = Vec::new();
    for cause in open.iter().map(|r| r.cause).take(3) {
        let command = decides(cause).to_owned();
        if !command.is_empty() && !commands.contains(&command) {
            commands.push(command);
        }
    }
    commands
}

/// The command that shows whether it is this one.
fn decides(cause: Cause) -> &'static str {
    match cause.row().layer {
        Layer::Client if cause == Cause::ClientMasked => {
            "ANTHROPIC_LOG=debug python app.py 2>&1 | clearline explain"
        }
        Layer::Http | Layer::Stream => "clearline run -- python app.py",
        Layer::Dns
        | Layer::Net
        | Layer::Tcp
        | Layer::Tls
        | Layer::Clock
        | Layer::Proxy
        | Layer::Config
        | Layer::Edge
        | Layer::Gateway
        | Layer::Auth => "clearline doctor",
        Layer::Request | Layer::Quota | Layer::Server | Layer::Cloud | Layer::Client => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_stream_is_read_in_bounded_memory_from_both_ends() {
        let long = std::io::repeat(b'x').take(40 << 20);
        let text = sample((&b"first "[..]).chain(long).chain(&b" last"[..]), "a stream").unwrap();
        assert!(text.starts_with("first ") && text.ends_with(" last"));
        assert!(text.len() <= 2 * HALF);
        assert!(sample(&b"\x7fELF\0\0"[..], "a file").is_err());
    }
}
