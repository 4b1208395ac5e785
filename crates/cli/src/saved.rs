//! What a diagnosis saw, in a file: `clearline.facts/1`. It holds no secret, since no fact does.

use std::path::Path;

use clearline_model::Fact;
use serde::{Deserialize, Serialize};

use crate::exit::Failure;

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

/// Reads facts back.
///
/// # Errors
///
/// A file that is missing, too large, cut, no such file at all, or of a newer version.
pub(crate) fn read(file: &Path) -> Result<Vec<Fact>, Failure> {
    let wrong =
        |why: &dyn std::fmt::Display| Failure::usage(format!("{} cannot be read: {why}", file.display()));
    let size = std::fs::metadata(file).map_err(|e| wrong(&e))?.len();
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
