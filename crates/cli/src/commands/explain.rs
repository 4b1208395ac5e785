//! `clearline explain`: what an error text means.

use std::collections::VecDeque;
use std::io::{BufReader, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use clearline_logs::{Explanation, Runtime, explain};
use clearline_model::{Cause, Confidence, Layer};
use clearline_report::{document, json, terminal};

use crate::exit::{self, Failure};
use crate::{lines, look, out, shared, utf16};

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
fn sample(stream: impl std::io::Read, name: &str) -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::usage(format!("cannot read {name}: {e}"));
    let mut stream = utf16::decoded(BufReader::new(stream)).map_err(failed)?;
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
    let text = String::from_utf8_lossy(&head);
    // A mark of the encoding belongs to no text.
    Ok(text.trim_start_matches('\u{feff}').to_owned())
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
    let causes = open.iter().map(|r| r.cause).take(3);
    for command in causes.flat_map(|cause| decides(cause, explanation.runtime)) {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    commands
}

/// The commands that show whether it is this one, for a program on this runtime.
fn decides(cause: Cause, runtime: Runtime) -> Vec<String> {
    let doctor = || "clearline doctor".to_owned();
    let run = || vec![format!("clearline run -- {}", program(runtime))];
    match (cause, cause.row().layer) {
        (Cause::ClientMasked, _) => vec![said_below(runtime).unwrap_or_else(doctor)],
        // How long each call waits for what, a summary of the program's calls tells.
        (Cause::ClientTimeoutTooShort | Cause::ServerSlowFirstByte, _) | (_, Layer::Http | Layer::Stream) => {
            run()
        }
        (
            _,
            Layer::Dns
            | Layer::Net
            | Layer::Tcp
            | Layer::Tls
            | Layer::Clock
            | Layer::Proxy
            | Layer::Config
            | Layer::Edge
            | Layer::Gateway
            | Layer::Auth
            | Layer::Quota,
        ) => vec![doctor()],
        (_, Layer::Request | Layer::Server | Layer::Cloud | Layer::Client) => Vec::new(),
    }
}

/// How the SDKs that can do so are made to print the error below their own.
fn said_below(runtime: Runtime) -> Option<String> {
    let program = program(runtime);
    match runtime {
        Runtime::Unknown | Runtime::Python | Runtime::Node | Runtime::Bun | Runtime::Deno | Runtime::Java => {
            Some(format!("ANTHROPIC_LOG=debug {program} 2>&1 | clearline explain"))
        }
        Runtime::ClaudeCode
        | Runtime::DotNet
        | Runtime::Go
        | Runtime::Ruby
        | Runtime::Php
        | Runtime::Rust => None,
    }
}

/// How a program on a runtime is started.
const fn program(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Unknown | Runtime::Python => "python app.py",
        Runtime::ClaudeCode => "claude",
        Runtime::Bun => "bun app.ts",
        Runtime::Deno => "deno run -A app.ts",
        Runtime::Node => "node app.js",
        Runtime::Java => "java -jar app.jar",
        Runtime::DotNet => "dotnet run",
        Runtime::Go => "go run .",
        Runtime::Ruby => "ruby app.rb",
        Runtime::Php => "php app.php",
        Runtime::Rust => "cargo run",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_type_next_fits_the_program_and_the_causes() {
        for (text, commands) in [
            (
                "APIConnectionError: Connection error.",
                &["ANTHROPIC_LOG=debug python app.py 2>&1 | clearline explain"][..],
            ),
            (
                "TypeError: fetch failed\n    at node:internal/deps/undici/undici:13502:13",
                &["ANTHROPIC_LOG=debug node app.js 2>&1 | clearline explain"],
            ),
            ("API Error: Connection error.", &["clearline doctor"]),
            ("API Error (Request timed out.)", &["clearline run -- claude"]),
            ("java.net.SocketTimeoutException: Read timed out", &["clearline run -- java -jar app.jar"]),
            ("connect ECONNREFUSED 10.0.0.1:443", &["clearline doctor"]),
            ("HTTP/1.1 429 Too Many Requests", &["clearline doctor"]),
            ("all is well", &[]),
            (r#"529 {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, &[]),
        ] {
            assert_eq!(next(&explain(text)), commands, "{text}");
        }
    }

    #[test]
    fn a_long_stream_is_read_in_bounded_memory_from_both_ends() {
        let long = std::io::repeat(b'x').take(40 << 20);
        let text = sample((&b"first "[..]).chain(long).chain(&b" last"[..]), "a stream").unwrap();
        assert!(text.starts_with("first ") && text.ends_with(" last"));
        assert!(text.len() <= 2 * HALF);
        assert!(sample(&b"\x7fELF\0\0"[..], "a file").is_err());
        let windows: Vec<u8> = "\u{feff}拒绝连接\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(sample(&windows[..], "a file").unwrap(), "拒绝连接\r\n");
        assert_eq!(sample("\u{feff}529".as_bytes(), "a file").unwrap(), "529");
    }
}
