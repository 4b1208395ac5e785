//! Streams of events as WHATWG's HTML standard defines them (section 9.2), read piece by piece.

use std::fmt;

/// The most that one event may hold unless [`Parser::with_limit`] says otherwise, bytes: as much as the official Go
/// SDK takes for a line.
pub const MAX_EVENT: usize = 32 << 20;
/// What a buffer may keep between two events, bytes.
const KEEP: usize = 1 << 20;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// One event. Its bytes are as they were sent; nothing is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The event's name; `message` where none was given.
    pub name: &'a [u8],
    /// The data; several `data` lines are joined with line feeds.
    pub data: &'a [u8],
    /// The last id that the stream has set so far; empty where none was.
    pub id: &'a [u8],
}

/// An event is larger than the limit. The parser reads no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event is larger than the limit")
    }
}

impl std::error::Error for TooLong {}

/// Reads a stream of events from any pieces of it. An event that the stream's end cuts is dropped, as the standard
/// says.
#[derive(Debug)]
pub struct Parser {
    /// The beginning of a line whose end has not arrived.
    line: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
    id: Vec<u8>,
    /// No line has ended yet: the first may begin with a byte order mark.
    first_line: bool,
    /// The last byte was a carriage return: a line feed that follows belongs to it.
    after_cr: bool,
    broken: bool,
    comments: u64,
    limit: usize,
    /// Bytes since the last place at which no event is half told.
    open: usize,
}

impl Default for Parser {
    fn default() -> Self {
        Self::with_limit(MAX_EVENT)
    }
}

impl Parser {
    /// A parser at the beginning of a stream, with the limit [`MAX_EVENT`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A parser that takes events of at most `limit` bytes.
    #[must_use]
    pub const fn with_limit(limit: usize) -> Self {
        Self {
            line: Vec::new(),
            name: Vec::new(),
            data: Vec::new(),
            id: Vec::new(),
            first_line: true,
            after_cr: false,
            broken: false,
            comments: 0,
            limit,
            open: 0,
        }
    }

    /// How many comment lines there were: some servers send them to keep a connection alive.
    #[must_use]
    pub const fn comments(&self) -> u64 {
        self.comments
    }

    /// How many of the last bytes belong to an event whose end has not arrived.
    #[must_use]
    pub const fn open(&self) -> usize {
        self.open
    }

    /// Reads the next bytes and calls `f` for each event that they complete.
    ///
    /// # Errors
    /// An event is over the limit; then and afterwards nothing more is read.
    pub fn push(&mut self, bytes: &[u8], mut f: impl FnMut(Event<'_>)) -> Result<(), TooLong> {
        let mut rest = bytes;
        while !self.broken && !rest.is_empty() {
            if std::mem::take(&mut self.after_cr)
                && let Some(after) = rest.strip_prefix(b"\n")
            {
                rest = after;
                // It belongs to the line before it, and so to the same event or to none.
                self.open += usize::from(self.open > 0);
                continue;
            }
            let end = memchr::memchr2(b'\n', b'\r', rest);
            let (piece, after) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, b""));
            if self.data.len() + self.line.len() + piece.len() > self.limit {
                self.broken = true;
                break;
            }
            self.open += piece.len();
            let Some((terminator, after)) = after.split_first() else {
                self.line.extend_from_slice(piece);
                break;
            };
            self.open += 1;
            self.after_cr = *terminator == b'\r';
            rest = after;
            self.finish(piece, &mut f);
            if self.name.is_empty() && self.data.is_empty() {
                self.open = 0;
            }
        }
        if self.broken { Err(TooLong) } else { Ok(()) }
    }

    /// Ends the line whose last piece is `piece`.
    fn finish(&mut self, piece: &[u8], f: &mut impl FnMut(Event<'_>)) {
        if self.line.is_empty() {
            self.read(piece, f);
            return;
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(piece);
        self.read(&line, f);
        recycle(&mut line);
        self.line = line;
    }

    fn read(&mut self, line: &[u8], f: &mut impl FnMut(Event<'_>)) {
        let line = match std::mem::take(&mut self.first_line) {
            true => line.strip_prefix(BOM).unwrap_or(line),
            false => line,
        };
        if line.is_empty() {
            self.dispatch(f);
            return;
        }
        let (field, value) = match memchr::memchr(b':', line).and_then(|at| line.split_at_checked(at)) {
            Some((field, value)) => (field, value.strip_prefix(b":").unwrap_or(value)),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"" => self.comments += 1,
            b"event" => value.clone_into(&mut self.name),
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"id" if !value.contains(&0) => value.clone_into(&mut self.id),
            _ => {}
        }
    }

    fn dispatch(&mut self, f: &mut impl FnMut(Event<'_>)) {
        // An event without any data is none, but its name is forgotten all the same.
        if let Some((_, data)) = self.data.split_last() {
            let name = if self.name.is_empty() { b"message" } else { self.name.as_slice() };
            f(Event { name, data, id: &self.id });
        }
        recycle(&mut self.name);
        recycle(&mut self.data);
    }
}

fn recycle(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(KEEP);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Owned = (String, String, String);

    fn read(limit: usize, pieces: &[&[u8]]) -> (Vec<Owned>, Result<(), TooLong>, u64) {
        let mut parser = Parser::with_limit(limit);
        let mut events = Vec::new();
        let mut result = Ok(());
        for piece in pieces {
            result = parser.push(piece, |e| {
                let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
                events.push((text(e.name), text(e.data), text(e.id)));
            });
        }
        (events, result, parser.comments())
    }

    #[test]
    fn what_is_half_told_is_counted() {
        for (text, open) in [
            ("", 0),
            ("event: a\n", 9),
            ("event: a\ndata: b\n\n", 0),
            ("event: a\r\ndata: b\r\n\r\n", 0),
            ("event: a\r\ndata: b\r\n\r\nda", 2),
            ("event: a\r\ndata: b\r\n", 19),
            (": comment\n", 0),
            (": comm", 6),
            ("id: 7\nretry: 3\n", 0),
        ] {
            for size in [1, 2, 100] {
                let mut parser = Parser::new();
                text.as_bytes().chunks(size).for_each(|piece| parser.push(piece, |_| ()).unwrap());
                assert_eq!(parser.open(), open, "{text:?}");
            }
        }
    }

    #[test]
    fn the_standard() {
        for (stream, expected) in [
            ("data: a\n\n", vec![("message", "a", "")]),
            ("event: x\ndata: a\ndata:b\n\n", vec![("x", "a\nb", "")]),
            ("event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", vec![("x", "a", ""), ("message", "b", "")]),
            ("event: x\rdata: a\r\rdata: b\r\r", vec![("x", "a", ""), ("message", "b", "")]),
            ("\u{FEFF}data: a\n\n", vec![("message", "a", "")]),
            ("data: a\n\n\u{FEFF}data: b\n\n", vec![("message", "a", "")]),
            (": hello\ndata: a\n: more\n\n", vec![("message", "a", "")]),
            ("event: x\n\ndata: a\n\n", vec![("message", "a", "")]),
            ("data\n\n", vec![("message", "", "")]),
            ("data:  a\n\n", vec![("message", " a", "")]),
            ("id: 7\ndata: a\n\ndata: b\n\n", vec![("message", "a", "7"), ("message", "b", "7")]),
            ("id: a\0b\ndata: a\n\n", vec![("message", "a", "")]),
            ("retry: 5\nother: x\ndata: a\n\n", vec![("message", "a", "")]),
            ("data: a\n", vec![]),
            ("data: a", vec![]),
            ("", vec![]),
        ] {
            let (events, result, _) = read(MAX_EVENT, &[stream.as_bytes()]);
            let events: Vec<_> =
                events.iter().map(|(n, d, i)| (n.as_str(), d.as_str(), i.as_str())).collect();
            assert_eq!((events, result), (expected, Ok(())), "{stream:?}");
        }
        assert_eq!(read(MAX_EVENT, &[b":a\n:\n\n: b\n"]).2, 3);
    }

    #[test]
    fn too_long() {
        assert_eq!(read(10, &[b"data: 1234\n\n"]).1, Ok(()));
        assert_eq!(read(10, &[b"data: 12345\n\n"]).1, Err(TooLong));
        assert_eq!(read(10, &[b"data: 12", b"34567"]).1, Err(TooLong));
        assert_eq!(read(10, &[b"data: 1\ndata: 2\n\n"]).1, Ok(()));
        let (events, result, _) = read(10, &[b"data: 1\n\ndata: 12345\n\n", b"data: 3\n\n"]);
        assert_eq!((events.len(), result), (1, Err(TooLong)));
        // Comments are not kept, so any number of them is fine.
        assert_eq!(read(10, &[&b":ping\n".repeat(100)]).1, Ok(()));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(
            bytes in proptest::collection::vec(
                prop_oneof![Just(b'\n'), Just(b'\r'), Just(b':'), Just(b' '), Just(b'd'), any::<u8>()], 0..60),
            words in proptest::collection::vec(
                prop_oneof![Just("data:"), Just("data: x"), Just("event: y\r"), Just("\n"), Just("\r"), Just("\r\n"),
                    Just("id: 1\n"), Just(":\n"), Just("\u{FEFF}")], 0..20),
            cuts in proptest::collection::vec(0_usize..120, 0..6),
            limit in prop_oneof![Just(MAX_EVENT), 5_usize..40],
        ) {
            let mut stream = words.concat().into_bytes();
            stream.extend(bytes);
            let mut cuts: Vec<_> = cuts.into_iter().map(|c| c.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|w| &stream[w[0]..w[1]]).collect();
            let single: Vec<_> = stream.chunks(1).collect();
            let whole = read(limit, &[&stream]);
            prop_assert_eq!(&read(limit, &pieces), &whole);
            if !stream.is_empty() {
                prop_assert_eq!(&read(limit, &single), &whole);
            }
        }
    }
}
