//! Transcripts: tests write them down, documents show them between two marks, and one of them is the picture.

use std::collections::BTreeMap;
use std::path::Path;

use crate::sh::{self, say};
use crate::{docs, picture};

/// Where the transcripts are.
const FOLDER: &str = "docs/transcripts";
/// Pictures, and of which transcript.
const PICTURES: [(&str, &str); 2] =
    [("docs/doctor.svg", "doctor.en"), ("docs/doctor.zh-CN.svg", "doctor.zh-CN")];

/// The mark before a transcript, without its name, and the one behind it.
const BEGIN: &str = "<!-- transcript: ";
const END: &str = "<!-- /transcript -->";

/// Writes the transcripts anew where they are no longer what is printed, and everything that shows them.
///
/// # Errors
/// A test that fails, and a document that shows a transcript that is not there.
pub(crate) fn write() -> Result<(), String> {
    let mut tests =
        sh::command(env!("CARGO"), &["test", "--package", "clearline-cli", "--test", "e2e", "transcripts"]);
    tests.env("CLEARLINE_TRANSCRIPTS", "write");
    sh::run(tests, "the tests that write transcripts")?;
    let shown = shown(&sh::root())?;
    for (file, text) in &shown {
        std::fs::write(sh::root().join(file), text).map_err(|e| format!("{file}: {e}"))?;
    }
    say(&format!("{} documents and pictures show what is printed", shown.len()));
    Ok(())
}

/// What every document and picture has to be, so that it shows the transcripts.
///
/// # Errors
/// A file that cannot be read, and a document that shows a transcript that is not there.
pub(crate) fn shown(root: &Path) -> Result<BTreeMap<String, String>, String> {
    let all = read_all(root)?;
    let get = |name: &str| all.get(name).map(String::as_str);
    let mut shown = BTreeMap::new();
    for path in docs::documents(root)? {
        let name = docs::name(&path, root);
        let text = docs::read(&path)?;
        if text.contains(BEGIN) {
            let text = embedded(&text, &get).map_err(|why| format!("{name}: {why}"))?;
            shown.insert(name, text);
        }
    }
    for (file, transcript) in PICTURES {
        let text = get(transcript).ok_or_else(|| format!("there is no transcript {transcript}"))?;
        shown.insert(file.to_owned(), picture::svg(text));
    }
    Ok(shown)
}

fn read_all(root: &Path) -> Result<BTreeMap<String, String>, String> {
    let folder = root.join(FOLDER);
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).map_err(|e| format!("{FOLDER}: {e}"))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if let Some(name) = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".txt")) {
            all.insert(name.to_owned(), docs::read(&path)?);
        }
    }
    Ok(all)
}

/// A document with the transcripts between their marks.
fn embedded<'a>(text: &str, get: &dyn Fn(&str) -> Option<&'a str>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let Some(name) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        let transcript = get(name).ok_or_else(|| format!("there is no transcript {name}"))?;
        if !lines.any(|line| line == END) {
            return Err(format!("the transcript {name} has no end"));
        }
        out.push_str(&format!("```text\n{transcript}```\n{END}\n"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transcripts_are_put_between_their_marks_and_missing_ones_are_told() {
        let get = |name: &str| (name == "a.en").then_some("$ x\nnew\n");
        let text = "before\n<!-- transcript: a.en -->\n```text\nold\n```\n<!-- /transcript -->\nafter\n";
        let whole =
            "before\n<!-- transcript: a.en -->\n```text\n$ x\nnew\n```\n<!-- /transcript -->\nafter\n";
        assert_eq!(embedded(text, &get).as_deref(), Ok(whole));
        assert_eq!(embedded(whole, &get).as_deref(), Ok(whole));
        assert!(embedded("<!-- transcript: b.en -->\n<!-- /transcript -->\n", &get).is_err());
        assert!(embedded("<!-- transcript: a.en -->\nno end\n", &get).is_err());
    }
}
