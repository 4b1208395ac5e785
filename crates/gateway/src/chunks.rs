//! A body in chunks, followed byte by byte to its end (RFC 9112, section 7.1).
//!
//! hyper reads the same bytes and takes some that others refuse, or that others read as the end: line feeds alone in
//! trailers, any byte in an extension, any number of leading zeros. Here they break the body.

use crate::names::{NAME_MAX, is_text, is_token, matters};

/// The most digits of a chunk's size: those of 64 bits.
const DIGITS: u8 = 16;

/// A body on its way.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    at: At,
    /// The size of a chunk while it is read, then what is still to come of it, bytes.
    left: u64,
    digits: u8,
    /// The name of a trailer so far.
    name: Vec<u8>,
}

/// What is expected next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    #[default]
    Size,
    /// Blanks behind the size.
    Blank,
    Extension,
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    /// A trailer, or the end.
    Line,
    Name,
    Value,
    LineEnd,
    End,
    Whole,
}

/// What came of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// All of them belong to the body, which goes on.
    More,
    /// The body ends behind so many of them.
    Whole(usize),
    /// So many of them are all right, and the next one is not.
    Broken(usize),
}

impl Chunks {
    /// Takes the next bytes.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Step {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if self.at == At::Data {
                let data = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - at);
                self.left -= u64::try_from(data).unwrap_or(u64::MAX);
                at += data;
                if self.left == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            let Some(next) = self.next(*byte) else { return Step::Broken(at) };
            self.at = next;
            at += 1;
            if next == At::Whole {
                return Step::Whole(at);
            }
        }
        Step::More
    }

    /// What follows this byte; `None` where it may not stand.
    fn next(&mut self, byte: u8) -> Option<At> {
        match (self.at, byte) {
            (At::Size, _) if byte.is_ascii_hexdigit() => self.digit(byte),
            (At::Size, b' ' | b'\t') if self.digits > 0 => Some(At::Blank),
            (At::Size, b';') if self.digits > 0 => Some(At::Extension),
            (At::Size, b'\r') if self.digits > 0 => Some(At::SizeEnd),
            (At::Blank, b' ' | b'\t') => Some(At::Blank),
            (At::Blank, b';') => Some(At::Extension),
            (At::Blank | At::Extension, b'\r') => Some(At::SizeEnd),
            (At::Extension, _) if is_text(byte) => Some(At::Extension),
            (At::SizeEnd, b'\n') => {
                self.digits = 0;
                Some(if self.left == 0 { At::Line } else { At::Data })
            }
            (At::DataCr, b'\r') => Some(At::DataLf),
            (At::DataLf, b'\n') => Some(At::Size),
            (At::Line, b'\r') => Some(At::End),
            (At::Line, _) if is_token(byte) => {
                self.name.clear();
                self.name.push(byte);
                Some(At::Name)
            }
            (At::Name, b':') => (!matters(&self.name)).then_some(At::Value),
            (At::Name, _) if is_token(byte) => {
                // What is longer is none of those that matter, or begins as they do.
                if self.name.len() <= NAME_MAX {
                    self.name.push(byte);
                }
                Some(At::Name)
            }
            (At::Value, b'\r') => Some(At::LineEnd),
            (At::Value, _) if is_text(byte) => Some(At::Value),
            (At::LineEnd, b'\n') => Some(At::Line),
            (At::End, b'\n') => Some(At::Whole),
            _ => None,
        }
    }

    fn digit(&mut self, byte: u8) -> Option<At> {
        self.digits += 1;
        if self.digits > DIGITS {
            return None;
        }
        let digit = char::from(byte).to_digit(16)?;
        self.left = self.left << 4 | u64::from(digit);
        Some(At::Size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same outcome wherever the bytes are cut.
    fn step(bytes: &[u8]) -> Step {
        let whole = Chunks::default().take(bytes);
        for cut in 0..=bytes.len() {
            let mut chunks = Chunks::default();
            let came = match chunks.take(&bytes[..cut]) {
                Step::More => match chunks.take(&bytes[cut..]) {
                    Step::More => Step::More,
                    Step::Whole(n) => Step::Whole(cut + n),
                    Step::Broken(n) => Step::Broken(cut + n),
                },
                early @ (Step::Whole(_) | Step::Broken(_)) => early,
            };
            assert_eq!(came, whole, "{:?} cut at {cut}", String::from_utf8_lossy(bytes));
        }
        whole
    }

    #[test]
    fn bodies_end_where_they_say() {
        for (bytes, expected) in [
            ("0\r\n\r\n", Step::Whole(5)),
            ("5\r\n12345\r\n0\r\n\r\nGET /", Step::Whole(15)),
            ("A;a=b\r\n0123456789\r\n000\r\n\r\n", Step::Whole(26)),
            ("1 \t;a\r\nx\r\n0 \r\n\r\n", Step::Whole(16)),
            ("2\r\n\r\n\r\n0\r\nx-late: 1\r\n\r\n", Step::Whole(23)),
            ("5\r\n1234", Step::More),
            ("0\r\nx: y\r\n", Step::More),
            ("ffffffffffffffff\r\n1", Step::More),
        ] {
            assert_eq!(step(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_breaks_them() {
        for (bytes, fit) in [
            ("\r\n", 0),
            (" 5\r\n", 0),
            ("5\n", 1),
            ("5g\r\n", 1),
            ("5 5\r\n", 2),
            ("00000000000000005\r\n", 16),
            ("5;a\n", 3),
            ("5;a\0\r\n", 3),
            ("5\r\r\n", 2),
            ("1\r\nxx\r\n", 4),
            ("1\r\nx\n", 4),
            ("0\r\n\n", 3),
            ("0\r\n\rx", 4),
            ("0\r\n: x\r\n", 3),
            ("0\r\n x: y\r\n", 3),
            ("0\r\nx\r\n", 4),
            ("0\r\nx : y\r\n", 4),
            ("0\r\nx: y\n", 7),
            ("0\r\nx: y\r\r\n", 8),
            ("0\r\nx: y\0\r\n", 7),
            ("0\r\nContent-Length: 5\r\n", 17),
            ("0\r\nanthropic-beta: x\r\n", 17),
        ] {
            assert_eq!(step(bytes.as_bytes()), Step::Broken(fit), "{bytes:?}");
        }
    }
}
