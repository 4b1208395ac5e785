//! What a diagnosis saw, in a file: `clearline.facts/1`. It holds no secret, since no fact does.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clearline_model::Fact;
use serde::{Deserialize, Serialize};

use crate::exit::Failure;
use crate::setup;

/// The name and version of the form.
const SCHEMA: &str = "clearline.facts/1";
/// The largest file that is read, bytes.
const MAX: u64 = 16 << 20;

#[derive(Serialize, Deserialize)]
struct Saved {
    schema: String,
    facts: Vec<Fact>,
}

/// Writes facts down.
///
/// # Errors
///
/// Where the file cannot be written.
pub(crate) fn write(file: &Path, facts: &[Fact]) -> Result<(), Failure> {
    let saved = Saved { schema: SCHEMA.to_owned(), facts: facts.to_vec() };
    let wrong =
        |why: &dyn std::fmt::Display| Failure::usage(format!("{} cannot be written: {why}", file.display()));
    let text = serde_json::to_string(&saved).map_err(|e| wrong(&e))?;
    std::fs::write(file, text).map_err(|e| wrong(&e))
}

/// Keeps what the last diagnosis that found something saw, for `--verify`. Where nothing can be kept there is nothing to verify
/// later, which is said then.
pub(crate) fn keep(facts: &[Fact]) {
    let Some(file) = last() else { return };
    let kept = || -> std::io::Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let saved = Saved { schema: SCHEMA.to_owned(), facts: facts.to_vec() };
        let text = serde_json::to_vec(&saved)?;
        // Names of this site stand in it: for its owner alone, and whole or not at all.
        let new = file.with_extension(format!("{}.new", std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        let mut open = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        std::io::Write::write_all(&mut open, &text)?;
        std::fs::rename(&new, &file)
    };
    let _kept = kept().is_ok();
}

/// Where that lies.
pub(crate) fn last() -> Option<PathBuf> {
    Some(setup::state_folder()?.join("doctor.json"))
}

/// Reads facts back.
///
/// # Errors
///
/// A file that is missing, too large, cut, no such file at all, or of a newer version.
pub(crate) fn read(file: &Path) -> Result<Vec<Fact>, Failure> {
    let wrong =
        |why: &dyn std::fmt::Display| Failure::usage(format!("{} cannot be read: {why}", file.display()));
    let about = std::fs::metadata(file).map_err(|e| wrong(&e))?;
    if !about.is_file() {
        return Err(wrong(&"it is no regular file"));
    }
    let size = about.len();
    if size > MAX {
        return Err(wrong(&format!("it has {size} bytes, and {MAX} are the most")));
    }
    let text = std::fs::read(file).map_err(|e| wrong(&e))?;
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(|e| {
        wrong(&format!("it is no complete JSON ({e}); save it again with clearline doctor --save"))
    })?;
    match value.get("schema").and_then(|s| s.as_str()) {
        Some(SCHEMA) => {}
        Some(other) => {
            return Err(wrong(&format!("it is of the form {other:?}, and this version reads {SCHEMA:?}")));
        }
        None => {
            return Err(wrong(&format!(
                "it names no schema; a file of clearline doctor --save says {SCHEMA:?}"
            )));
        }
    }
    let saved: Saved = serde_json::from_value(value).map_err(|e| wrong(&e))?;
    Ok(saved.facts)
}
