//! The corpus and random bytes through the fuzz targets.

use std::path::PathBuf;

use clearline_gateway::fuzz;
use proptest::prelude::*;

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
    for data in corpus(folder)? {
        for (at, byte) in data.iter().enumerate() {
            let (before, behind) = data.split_at(at);
            target(before);
            for flip in [0x01, 0x20, 0x80] {
                target(&[before, &[byte ^ flip], behind.get(1..).unwrap_or_default()].concat());
            }
        }
        for step in 1..=u8::MAX {
            target(&[&[step], data.get(1..).unwrap_or_default()].concat());
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
