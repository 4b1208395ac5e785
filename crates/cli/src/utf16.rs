//! Texts in UTF-16, as Windows' PowerShell writes them with `>`, read as UTF-8.

use std::io::{BufRead, BufReader, Read, Result};

/// How much is read at once, bytes.
const PIECE: usize = 64 << 10;

/// A stream in UTF-8: itself, or decoded where it begins with the mark of UTF-16.
pub(crate) fn decoded<'a>(mut stream: impl BufRead + 'a) -> Result<Box<dyn BufRead + 'a>> {
    let is_big = match stream.fill_buf()? {
        [0xff, 0xfe, ..] => false,
        [0xfe, 0xff, ..] => true,
        _ => return Ok(Box::new(stream)),
    };
    Ok(Box::new(BufReader::new(Decoder { stream, is_big, rest: Vec::new(), ready: Vec::new(), at: 0 })))
}

struct Decoder<R> {
    stream: R,
    is_big: bool,
    /// What was read and is not whole yet: half a unit, or the first of a pair.
    rest: Vec<u8>,
    ready: Vec<u8>,
    at: usize,
}

impl<R: BufRead> Decoder<R> {
    /// Decodes the next piece; at the end of the stream nothing more is ready.
    fn refill(&mut self) -> Result<()> {
        let before = self.rest.len();
        self.stream.by_ref().take(PIECE as u64).read_to_end(&mut self.rest)?;
        let is_over = self.rest.len() == before;
        let unit = |pair: &[u8]| match pair {
            [a, b] if self.is_big => u16::from_be_bytes([*a, *b]),
            [a, b] => u16::from_le_bytes([*a, *b]),
            _ => u16::from(b'?'),
        };
        let mut whole = self.rest.len() & !1;
        let last = self.rest.get(whole.saturating_sub(2)..whole).map_or(0, unit);
        if !is_over && (0xd800..0xdc00).contains(&last) {
            whole -= 2;
        }
        let pairs = self.rest.get(..whole).unwrap_or_default().chunks_exact(2);
        let text = char::decode_utf16(pairs.map(unit)).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
        self.ready = text.collect::<String>().into_bytes();
        self.at = 0;
        self.rest.drain(..if is_over { self.rest.len() } else { whole });
        Ok(())
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        if self.at >= self.ready.len() {
            self.refill()?;
        }
        let from = self.ready.get(self.at..).unwrap_or_default();
        let n = from.len().min(into.len());
        if let (Some(into), Some(from)) = (into.get_mut(..n), from.get(..n)) {
            into.copy_from_slice(from);
        }
        self.at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], piece: usize) -> String {
        let mut text = String::new();
        let stream = BufReader::with_capacity(piece, bytes);
        decoded(stream).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn both_orders_are_read_across_pieces() {
        // Longer than a piece, with a pair of units on its edge.
        let text = format!("\u{feff}{}\u{1f980} 拒绝连接\r\n", "x".repeat(PIECE / 2 - 2));
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert!(read(&little, 7) == text && read(&big, 4096) == text);
        assert_eq!(read("no mark \u{feff}".as_bytes(), 9), "no mark \u{feff}");
        assert_eq!(read(b"\xff\xfea\0b", 9), "\u{feff}a");
    }
}
