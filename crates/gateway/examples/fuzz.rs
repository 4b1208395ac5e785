//! Mutates the corpus and runs the fuzz targets: `cargo run --release -p clearline-gateway --example fuzz -- 10000000 [SEED [TARGET…]]`.
//!
//! It needs no other tool. An input that breaks a target is printed as hex, to be put into the corpus.

use std::io::Write as _;
use std::path::PathBuf;

use clearline_gateway::fuzz as listener;
use clearline_wire::fuzz as wire;

/// Pieces that matter to the parsers of answers.
const ANSWERS: &[&[u8]] = &[
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b":",
    b"data: ",
    b"event: ",
    b"{",
    b"}",
    b"\"",
    b"\\u0000",
    b"\xef\xbb\xbf",
    b"\0",
    b"\xff",
    b"\"type\":\"error\"",
    b"<html>",
];

/// … to those of requests.
const REQUESTS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b":",
    b"0\r\n\r\n",
    b"GET / HTTP/1.1\r\n",
    b"content-length: 3\r\n",
    b"transfer-encoding: chunked\r\n",
    b"ffffffffffffffff\r\n",
    b"host: a\t\r\n",
    b"#",
];

/// … to those of frames of HTTP/2: heads of frames, and fields of a block.
const FRAMES: &[&[u8]] = &[
    b"\0\0\x05\x01\x05\0\0\0\x03",
    b"\0\0\x04\x01\0\0\0\0\x05",
    b"\0\0\x03\x09\x04\0\0\0\x05",
    b"\0\0\x04\x08\0\0\0\0\x01\0\0\0\0",
    b"\0\0\x06\x04\0\0\0\0\0\0\x04\x80\0\0\0",
    b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08",
    b"\x40\x01A\x01b",
    b"\x40\x01a\x01b",
    b"\xbe",
    b"\x7f\xff\xff\xff\x0f",
    b"\x82\x86\x84",
    b"\x3f\xe1\x1f",
    b"\x00\x85\xfc\x5b\x79\x50\x9f\x01\n",
];

/// SplitMix64: the same seed gives the same inputs.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `n`; 0 where `n` is 0.
    fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).unwrap_or(1).max(1);
        usize::try_from(self.next() % n).unwrap_or(0)
    }
}

fn mutate(corpus: &[Vec<u8>], pieces: &[&[u8]], dice: &mut Dice) -> Vec<u8> {
    let mut input = corpus.get(dice.below(corpus.len())).cloned().unwrap_or_default();
    for _ in 0..=dice.below(6) {
        let at = dice.below(input.len() + 1);
        match dice.below(6) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
            }
            1 => {
                let piece = pieces.get(dice.below(pieces.len())).copied().unwrap_or_default();
                drop(input.splice(at..at, piece.iter().copied()));
            }
            2 => {
                let end = (at + dice.below(16)).min(input.len());
                drop(input.drain(at..end));
            }
            3 => {
                let end = (at + dice.below(64)).min(input.len());
                let copy = input.get(at..end).unwrap_or_default().to_vec();
                drop(input.splice(at..at, copy));
            }
            4 => {
                let other = corpus.get(dice.below(corpus.len())).cloned().unwrap_or_default();
                let from = dice.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(other.get(from..).unwrap_or_default());
            }
            _ => input.truncate(at),
        }
    }
    input
}

fn corpus(of: &str, name: &str) -> std::io::Result<Vec<Vec<u8>>> {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(of).join("tests/corpus").join(name);
    let mut corpus = Vec::new();
    for file in folder.read_dir()? {
        corpus.push(std::fs::read(file?.path())?);
    }
    corpus.sort();
    Ok(corpus)
}

/// What is tried: its crate and its name, which are those of its corpus, what matters to it, and a fuzz body.
type Target = (&'static str, &'static str, &'static [&'static [u8]], fn(&[u8]));

const TARGETS: [Target; 4] = [
    ("wire", "sse", ANSWERS, wire::sse),
    ("wire", "error", ANSWERS, wire::error_body),
    ("gateway", "http1", REQUESTS, listener::http1),
    ("gateway", "http2", FRAMES, listener::http2),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let executions: u64 = arguments.next().as_deref().unwrap_or("1000000").parse()?;
    let seed: u64 = arguments.next().as_deref().unwrap_or("1").parse()?;
    let wanted: Vec<String> = arguments.collect();
    for (of, name, pieces, target) in TARGETS {
        if !wanted.is_empty() && !wanted.iter().any(|w| w == name) {
            continue;
        }
        let corpus = corpus(of, name)?;
        let mut dice = Dice(seed);
        for n in 1..=executions {
            let input = mutate(&corpus, pieces, &mut dice);
            if std::panic::catch_unwind(|| target(&input)).is_err() {
                let hex: String = input.iter().map(|b| format!("{b:02x}")).collect();
                return Err(format!("{name}: execution {n} of seed {seed} broke it: {hex}").into());
            }
        }
        writeln!(
            std::io::stdout(),
            "{name}: {executions} executions of seed {seed}, corpus of {}",
            corpus.len()
        )?;
    }
    Ok(())
}
