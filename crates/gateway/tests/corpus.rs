//! The corpus and random bytes through the fuzz targets.

use std::path::PathBuf;

use clearline_gateway::fuzz;
use proptest::prelude::*;

#[expect(clippy::disallowed_methods, reason = "a test reads its own corpus")]
fn corpus(folder: &str) -> std::io::Result<Vec<Vec<u8>>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let mut all = Vec::new();
    for file in folder.read_dir()? {
        all.push(std::fs::read(file?.path())?);
    }
    all.sort();
    assert!(!all.is_empty(), "an empty corpus");
    Ok(all)
}

/// Each file in all pieces, cut off anywhere, and with each of its bytes changed.
fn tried(folder: &str, target: fn(&[u8])) -> std::io::Result<()> {
    for mut data in corpus(folder)? {
        for at in 0..data.len() {
            target(data.get(..at).unwrap_or_default());
            for flip in [0x01, 0x20, 0x80] {
                data[at] ^= flip;
                target(&data);
                data[at] ^= flip;
            }
        }
        for step in 1..=u8::MAX {
            data[0] = step;
            target(&data);
        }
    }
    Ok(())
}

#[test]
fn the_corpus_of_requests() -> std::io::Result<()> {
    tried("http1", fuzz::http1)
}

#[test]
fn the_corpus_of_frames() -> std::io::Result<()> {
    tried("http2", fuzz::http2)
}

proptest! {
    #[test]
    fn any_bytes(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz::http1(&raw);
        fuzz::http2(&raw);
    }
}
