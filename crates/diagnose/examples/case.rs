//! Makes a recorded case of what `clearline doctor --save FILE` kept:
//! `cargo run -p clearline-diagnose --example case -- FILE NAME [CAUSE…]`, where the causes are near misses.
//!
//! Today's verdict becomes the expected one: read what it prints before it is committed.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a tool that reads, writes and prints")]

use std::path::Path;

use clearline_diagnose::{Evidence, judge};
use clearline_model::{Fact, Role};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, name, near @ ..] = arguments.as_slice() else {
        return Err("usage: case FILE NAME [CAUSE…]".into());
    };
    let saved: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let facts: Vec<Fact> = serde_json::from_value(saved.get("facts").cloned().unwrap_or_default())?;
    let verdict = judge(&Evidence::new(facts));
    let counted = verdict.findings.iter().filter(|f| f.role != Role::Information);
    let causes: Vec<Value> = counted.map(|f| json!([f.cause.id(), f.role])).collect();
    let expect = json!({ "status": verdict.status, "causes": causes });
    println!("{name}: {expect}, near {near:?}");
    let case = json!({
        "schema": "clearline.case/1", "expect": expect, "near": near, "facts": saved.get("facts"),
    });
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases");
    std::fs::write(folder.join(format!("{name}.json")), case.to_string())?;
    Ok(())
}
