//! Invariants of what follows the bytes of callers, as ordinary functions: a fuzzer, a corpus and random bytes all call the same ones.

use crate::framing::{Framing, Trick};
use crate::http2::frames::{Frames, Passed, Why};

/// The longest head of a request here, bytes: short, so that heads are too long now and then.
const HEAD_MAX: usize = 200;

/// Requests of HTTP/1.1 are the same in any pieces. The first byte says where they are cut.
///
/// # Panics
/// An invariant is broken.
pub fn http1(data: &[u8]) {
    let Some((first, bytes)) = data.split_first() else { return };
    let step = usize::from(*first).max(1);
    let whole = requests(bytes, bytes.len().max(1));
    let pieces = requests(bytes, step);
    assert!(whole == pieces, "in pieces of {step} bytes {pieces:?}, and {whole:?} at once");
    assert!(whole.2.is_none_or(|at| at < bytes.len()), "what is broken is none of the bytes");
}

/// How many heads are all right, what is wrong behind them, where a body is broken, and whether a request is whole at the end.
pub(crate) fn requests(bytes: &[u8], step: usize) -> (usize, Option<Trick>, Option<usize>, bool) {
    let mut framing = Framing::new(HEAD_MAX);
    let (mut heads, mut trick, mut at) = (0, None, 0);
    for piece in bytes.chunks(step) {
        let followed = framing.follow(piece);
        heads += followed.heads;
        trick = trick.or(followed.trick);
        if let Some(n) = followed.broken {
            return (heads, trick, Some(at + n), framing.is_between());
        }
        at += piece.len();
    }
    (heads, trick, None, framing.is_between())
}

/// The frames of HTTP/2 that pass are the same in any pieces, and hardly more than what came. The first byte says where they are cut.
///
/// # Panics
/// An invariant is broken.
pub fn http2(data: &[u8]) {
    /// The head of a frame, and what may pass beside a mended one: a field, and the frame of a reset.
    const FRAME: usize = 9;
    const MENDED: usize = 6 + 13;
    let Some((first, bytes)) = data.split_first() else { return };
    let step = usize::from(*first).max(1);
    let whole = followed(bytes, bytes.len().max(1));
    assert!(whole == followed(bytes, step), "the pieces of {step} bytes are other frames");
    // Huffman's code is undone where a string is mended, and writes a byte with five bits at least.
    let most = bytes.len() * 8 / 5 + bytes.len() / FRAME * MENDED;
    assert!(whole.0.len() <= most, "{} bytes became {}", bytes.len(), whole.0.len());
}

/// What passes, what the caller is told, and what is wrong behind it.
pub(crate) fn followed(bytes: &[u8], step: usize) -> (Vec<u8>, Vec<u8>, Option<Why>) {
    let (mut frames, mut all, mut said) = (Frames::new(), Vec::new(), Vec::new());
    for piece in bytes.chunks(step) {
        let (passed, why) = frames.follow(piece);
        said.append(&mut frames.say());
        match passed {
            Passed::First(n) => all.extend_from_slice(piece.get(..n).unwrap_or_default()),
            Passed::Instead(other) => all.extend(other),
        }
        if why.is_some() {
            return (all, said, why);
        }
    }
    (all, said, None)
}
