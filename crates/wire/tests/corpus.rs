//! The corpus and random bytes through the fuzz targets.

use std::path::PathBuf;

use clearline_wire::fuzz;
use proptest::prelude::*;

#[expect(clippy::disallowed_methods, reason = "a test reads its own corpus")]
fn replay(folder: &str, target: fn(&[u8])) -> std::io::Result<()> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let mut replayed = 0;
    for file in folder.read_dir()? {
        target(&std::fs::read(file?.path())?);
        replayed += 1;
    }
    assert!(replayed > 0, "an empty corpus");
    Ok(())
}

#[test]
fn the_corpus_of_streams() -> std::io::Result<()> {
    replay("sse", fuzz::sse)
}

#[test]
fn the_corpus_of_errors() -> std::io::Result<()> {
    replay("error", fuzz::error_body)
}

/// Bytes that look like something, and bytes that do not.
fn likely(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => proptest::sample::select(words).prop_map(|w| w.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..8),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

const SSE: &[&str] = &[
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    ":",
    "data: ",
    "data: {}",
    "event: ping",
    "event: error",
    "event: message_start",
    "event: message_stop",
    "event: message_delta",
    "event: content_block_delta",
    "{\"message\":{}}",
    "{\"text\":\"a\\",
    "id: 1",
    "\u{FEFF}",
];

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"type\":",
    "\"error\"",
    ":",
    ",",
    "\"message\"",
    "\"error\":{",
    "\"details\":{",
    "null",
    "1e999",
    "{\"type\":\"error\",\"error\":{\"type\":\"a\"",
    "\"cloudflare_error\":true",
    "\"zone\":",
    "<title>",
    " | 522</title>",
];

proptest! {
    #[test]
    fn streams(data in likely(SSE)) {
        fuzz::sse(&data);
    }

    #[test]
    fn errors(data in likely(JSON), raw in proptest::collection::vec(any::<u8>(), 0..64)) {
        fuzz::error_body(&data);
        fuzz::error_body(&[&[1, 0x90], data.as_slice()].concat());
        fuzz::error_body(&raw);
    }
}
