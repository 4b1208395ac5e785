//! Where the requests of a connection begin and end, read from its bytes (RFC 9112, sections 2.2, 3.2 and 6).
//!
//! hyper reads them too, and more kindly than others do: of two lengths it takes one, it takes lines that end in a line feed
//! alone, and it cuts a fragment off a target. What two servers read in two ways can hide a request from one of them. So all
//! requests are followed here from one to the next, those in the same packet included, and the first that is not
//! clear is the last that is looked at.

use bytes::{Buf as _, BytesMut};
use memchr::{memchr, memchr_iter};

use crate::chunks::{Chunks, Step};

/// What is wrong with a head that hyper takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trick {
    /// `Content-Length` twice, beside `Transfer-Encoding`, or not a number.
    Lengths,
    /// A line that ends in a line feed alone.
    BareLineFeed,
    /// A `Transfer-Encoding` that is not chunked, once.
    Encoding,
    /// A target with a fragment.
    Fragment,
    /// A `Host` with a tab.
    Host,
    /// More bytes than a head may have.
    Large,
    /// The same before the first line's end.
    LongTarget,
}

impl Trick {
    const ALL: [Self; 7] = [
        Self::Lengths,
        Self::BareLineFeed,
        Self::Encoding,
        Self::Fragment,
        Self::Host,
        Self::Large,
        Self::LongTarget,
    ];

    /// A number that is not 0.
    pub(crate) const fn code(self) -> u8 {
        self as u8 + 1
    }

    /// What has this number; 0 is nothing.
    pub(crate) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code.checked_sub(1)?)).copied()
    }
}

/// What some bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Followed {
    /// So many heads end in them and are all right.
    pub(crate) heads: usize,
    /// What is wrong with the one behind those.
    pub(crate) trick: Option<Trick>,
    /// The bytes from here on break the framing of a body; nobody may read them.
    pub(crate) broken: Option<usize>,
}

/// The requests of a connection, so far.
#[derive(Debug)]
pub(crate) struct Framing {
    state: State,
    /// The head of a request that comes in pieces.
    head: BytesMut,
    head_max: usize,
}

#[derive(Debug)]
enum State {
    Head,
    /// So many bytes of a body are to come.
    Length(u64),
    Chunks(Chunks),
    /// What follows is not looked at.
    Lost,
}

/// A head that is whole.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    /// Its bytes.
    size: usize,
    body: Result<Body, Trick>,
}

/// How a body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Length(u64),
    Chunked,
}

impl Framing {
    /// `head_max`: the most bytes of a head.
    pub(crate) fn new(head_max: usize) -> Self {
        Self { state: State::Head, head: BytesMut::new(), head_max }
    }

    /// Whether the last request is there as a whole, and nothing of another.
    pub(crate) fn is_between(&self) -> bool {
        matches!(self.state, State::Head) && self.head.is_empty()
    }

    /// Takes the next bytes.
    pub(crate) fn follow(&mut self, bytes: &[u8]) -> Followed {
        let mut followed = Followed::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match &mut self.state {
                State::Head => self.take_head(rest, &mut followed),
                State::Length(left) => {
                    let n = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= u64::try_from(n).unwrap_or(u64::MAX);
                    if *left == 0 {
                        self.state = State::Head;
                    }
                    n
                }
                State::Chunks(chunks) => match chunks.take(rest) {
                    Step::More => rest.len(),
                    Step::Whole(n) => {
                        self.state = State::Head;
                        n
                    }
                    Step::Broken(n) => {
                        self.state = State::Lost;
                        followed.broken = Some(bytes.len() - rest.len() + n);
                        return followed;
                    }
                },
                State::Lost => return followed,
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        followed
    }

    /// Takes what belongs to the head of a request, and says how much that is.
    fn take_head(&mut self, bytes: &[u8], followed: &mut Followed) -> usize {
        // A head mostly comes in one piece, which needs no copy.
        if self.head.is_empty() {
            let blank = empty_lines(bytes);
            let head = bytes.get(blank..).unwrap_or_default();
            return match Head::read(head) {
                Some(read) => blank + self.begin((&read, head), followed),
                None => {
                    self.keep(head, followed);
                    bytes.len()
                }
            };
        }
        let before = self.head.len();
        let blank = self.keep(bytes, followed);
        let Some(end) = end_of_head(&self.head, before.saturating_sub(2)) else { return bytes.len() };
        let head = std::mem::take(&mut self.head).split_to(end);
        let Some(read) = Head::read(&head) else { return bytes.len() };
        (blank + self.begin((&read, &head), followed)).saturating_sub(before)
    }

    /// Keeps a piece of a head, within its bounds, and says how many bytes of empty lines it left out.
    fn keep(&mut self, bytes: &[u8], followed: &mut Followed) -> usize {
        self.head.extend_from_slice(bytes);
        let blank = empty_lines(&self.head);
        self.head.advance(blank);
        if self.head.len() >= self.head_max && end_of_head(&self.head, 0).is_none() {
            self.lose(self.too_large(&self.head), followed);
        }
        blank
    }

    /// What is too large of these bytes of a head.
    fn too_large(&self, bytes: &[u8]) -> Trick {
        let most = bytes.get(..self.head_max).unwrap_or(bytes);
        if memchr(b'\n', most).is_none() { Trick::LongTarget } else { Trick::Large }
    }

    /// Goes on behind a head that is whole.
    fn begin(&mut self, (head, bytes): (&Head, &[u8]), followed: &mut Followed) -> usize {
        match head.body {
            _ if head.size > self.head_max => self.lose(self.too_large(bytes), followed),
            Err(trick) => self.lose(trick, followed),
            Ok(body) => {
                followed.heads += 1;
                self.state = match body {
                    Body::Length(0) => State::Head,
                    Body::Length(n) => State::Length(n),
                    Body::Chunked => State::Chunks(Chunks::default()),
                };
            }
        }
        head.size
    }

    fn lose(&mut self, trick: Trick, followed: &mut Followed) {
        self.state = State::Lost;
        self.head = BytesMut::new();
        followed.trick = Some(trick);
    }
}

/// How many bytes are empty lines at the beginning, which stand before a request and do not count (RFC 9112, section 2.2).
fn empty_lines(bytes: &[u8]) -> usize {
    let (pairs, _) = bytes.as_chunks::<2>();
    2 * pairs.iter().take_while(|pair| *pair == b"\r\n").count()
}

/// Where a head ends: behind its first empty line, whatever its lines end in.
fn end_of_head(head: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    if at == 0 && head.first() == Some(&b'\n') {
        // The first line is empty.
        return Some(1);
    }
    loop {
        at += memchr(b'\n', head.get(at..)?)? + 1;
        match head.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

impl Head {
    /// Reads a head from its first line on; `None` where it is not whole.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut lines = Lines::default();
        let mut start = 0;
        for at in memchr_iter(b'\n', bytes) {
            let line = bytes.get(start..at)?;
            start = at + 1;
            match line.strip_suffix(b"\r") {
                Some([]) if lines.seen => return Some(Self { size: start, body: lines.body() }),
                Some(line) => lines.add(line),
                None => {
                    lines.trick.get_or_insert(Trick::BareLineFeed);
                    if line.is_empty() {
                        return Some(Self { size: start, body: lines.body() });
                    }
                    lines.add(line);
                }
            }
        }
        None
    }
}

/// What the lines of a head say of its body.
#[derive(Debug, Default)]
struct Lines {
    /// There was one.
    seen: bool,
    length: Option<u64>,
    is_chunked: bool,
    trick: Option<Trick>,
}

impl Lines {
    fn add(&mut self, line: &[u8]) {
        if !self.seen {
            self.seen = true;
            if memchr(b'#', line).is_some() {
                self.trick.get_or_insert(Trick::Fragment);
            }
            return;
        }
        // Most lines begin otherwise, which costs nothing.
        match line.first() {
            Some(b'c' | b'C') => self.add_length(line),
            Some(b't' | b'T') => self.add_encoding(line),
            Some(b'h' | b'H') => self.add_host(line),
            _ => {}
        }
    }

    fn add_length(&mut self, line: &[u8]) {
        let Some(value) = value_of(line, b"content-length") else { return };
        let length = digits(value);
        if self.length.is_some() || self.is_chunked || length.is_none() {
            self.trick.get_or_insert(Trick::Lengths);
        }
        self.length = Some(length.unwrap_or(0));
    }

    fn add_encoding(&mut self, line: &[u8]) {
        let Some(value) = value_of(line, b"transfer-encoding") else { return };
        if self.length.is_some() {
            self.trick.get_or_insert(Trick::Lengths);
        }
        if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
            self.trick.get_or_insert(Trick::Encoding);
        }
        self.is_chunked = true;
    }

    fn add_host(&mut self, line: &[u8]) {
        if value_of(line, b"host").is_some_and(|value| value.contains(&b'\t')) {
            self.trick.get_or_insert(Trick::Host);
        }
    }

    fn body(&self) -> Result<Body, Trick> {
        match self.trick {
            Some(trick) => Err(trick),
            None if self.is_chunked => Ok(Body::Chunked),
            None => Ok(Body::Length(self.length.unwrap_or(0))),
        }
    }
}

/// The value of a line, if it is the header of this name.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    // hyper takes no blank before the colon, but whoever did would take it for this header.
    let (colon, value) = rest.trim_ascii_start().split_first()?;
    (start.eq_ignore_ascii_case(name) && *colon == b':').then(|| trimmed(value))
}

/// Without the blanks around it. A tab is one as well (RFC 9110, section 5.6.3), and yet a part of the value for some.
fn trimmed(value: &[u8]) -> &[u8] {
    let start = value.iter().position(|b| *b != b' ').unwrap_or(value.len());
    let end = value.iter().rposition(|b| *b != b' ').map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}

/// A number in digits alone.
fn digits(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::requests as follow;

    fn head(lines: &str) -> Result<Body, Trick> {
        let text = format!("POST / HTTP/1.1\r\n{lines}\r\n");
        let read = Head::read(text.as_bytes()).unwrap();
        assert_eq!(read.size, text.len(), "{lines:?}");
        read.body
    }

    #[test]
    fn a_body_has_one_length_or_is_in_chunks() {
        for (lines, expected) in [
            ("", Ok(Body::Length(0))),
            ("content-length: 7\r\n", Ok(Body::Length(7))),
            ("Content-Length:  007 \r\nx-content-length: 1\r\n", Ok(Body::Length(7))),
            ("content-length:\t7\r\n", Err(Trick::Lengths)),
            ("transfer-encoding: chunked\t\r\n", Err(Trick::Encoding)),
            ("Host: a\t\r\n", Err(Trick::Host)),
            ("host: a\r\nhosts: a\tb\r\n", Ok(Body::Length(0))),
            ("TRANSFER-ENCODING: Chunked\r\n", Ok(Body::Chunked)),
            ("content-length: 1\r\nTransfer-Encoding : chunked\r\n", Err(Trick::Lengths)),
            ("TRANSFER-ENCODING:chunked\r\na: b\r\nContent-Length:1\r\n", Err(Trick::Lengths)),
            ("content-length: 1\r\ncontent-length: 1\r\n", Err(Trick::Lengths)),
            ("content-length: 1, 1\r\n", Err(Trick::Lengths)),
            ("content-length: +1\r\n", Err(Trick::Lengths)),
            ("content-length:\r\n", Err(Trick::Lengths)),
            ("content-length: 18446744073709551616\r\n", Err(Trick::Lengths)),
            ("transfer-encoding: gzip, chunked\r\n", Err(Trick::Encoding)),
            ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", Err(Trick::Encoding)),
            ("transfer-encoding: \x0bchunked\r\n", Err(Trick::Encoding)),
            ("x-transfer-encoding: chunked\r\ncontent-lengths: 1\r\n", Ok(Body::Length(0))),
            ("content-length: 1\n", Err(Trick::BareLineFeed)),
        ] {
            assert_eq!(head(lines), expected, "{lines:?}");
        }
        let fragment = Head::read(b"GET /a#b HTTP/1.1\r\nx: #\r\n\r\n").unwrap();
        assert_eq!(fragment.body, Err(Trick::Fragment));
        let hash = Head::read(b"GET /a HTTP/1.1\r\nx: #\r\n\r\n").unwrap();
        assert_eq!(hash.body, Ok(Body::Length(0)));
    }

    #[test]
    fn a_head_ends_at_its_first_empty_line() {
        for (text, size) in [
            ("GET / HTTP/1.1\r\nhost: a\r\n\r\nrest", Some(27)),
            ("GET / HTTP/1.1\nhost: a\n\nrest", Some(24)),
            ("GET / HTTP/1.1\r\nhost: a\n\r\nrest", Some(26)),
            ("GET / HTTP/1.1\r\nhost: a\r\n\r", None),
            ("\n", Some(1)),
            ("GET / HTTP/1.1\r\n", None),
            ("", None),
        ] {
            assert_eq!(Head::read(text.as_bytes()).map(|h| h.size), size, "{text:?}");
            for from in 0..=size.map_or(text.len(), |s| s.saturating_sub(3)).min(text.len()) {
                assert_eq!(end_of_head(text.as_bytes(), from), size, "{text:?} from {from}");
            }
        }
        for (text, n) in [("\r\n\r\nGET", 4), ("\r\r\n", 0), ("\n\r\n", 0), ("\r", 0), ("", 0), ("\r\n\r", 2)]
        {
            assert_eq!(empty_lines(text.as_bytes()), n, "{text:?}");
        }
    }

    #[test]
    fn requests_are_followed_in_any_pieces() {
        let get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let post = "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\n\r\n\r\n\n";
        let chunked = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\nx: y\r\n\r\n";
        let all = format!("{get}{post}\r\n\r\n{chunked}{chunked}{get}");
        let bad = get.replace("host: a\r", "host: a");
        let broken = chunked.replace("y\r\n", "y\n");
        for (text, expected) in [
            (all.clone(), (5, None, None, true)),
            (format!("{all}GET / HT"), (5, None, None, false)),
            (format!("{all}{}", post.strip_suffix('\n').unwrap()), (6, None, None, false)),
            (format!("{all}{bad}{all}"), (5, Some(Trick::BareLineFeed), None, false)),
            (format!("{all}\n{get}"), (5, Some(Trick::BareLineFeed), None, false)),
            (format!("{get}{broken}{get}"), (2, None, Some(get.len() + broken.len() - 3), false)),
            (format!("{get}{}", "a".repeat(300)), (1, Some(Trick::LongTarget), None, false)),
            (format!("{get}GET /{}\r\n\r\n", "a".repeat(300)), (1, Some(Trick::LongTarget), None, false)),
            (format!("{get}GET / HTTP/1.1\r\nx: {}", "a".repeat(300)), (1, Some(Trick::Large), None, false)),
            (
                format!("{get}GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(300)),
                (1, Some(Trick::Large), None, false),
            ),
            ("\r\n".repeat(300), (0, None, None, true)),
        ] {
            for size in [1, 2, 3, 5, 7, 64, 10_000] {
                assert_eq!(follow(text.as_bytes(), size), expected, "{text:?} in pieces of {size}");
            }
        }
    }

    /// Whatever a byte is changed into, the pieces in which the bytes come change nothing.
    #[test]
    fn broken_requests_are_the_same_in_any_pieces() {
        let post = "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nx: y\n";
        let chunked = "POST /b HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3;a\r\nGET\r\n0\r\nx: y\r\n\r\n";
        let all = [post, chunked, post].concat().into_bytes();
        let mut outcomes = std::collections::BTreeSet::new();
        for at in 0..all.len() {
            for byte in *b"\r\n \t\0#;:05g\xff" {
                let mut changed = all.clone();
                changed[at] = byte;
                let whole = follow(&changed, changed.len());
                for size in [1, 2, 3, 17] {
                    assert_eq!(follow(&changed, size), whole, "{byte} at {at}, in pieces of {size}");
                }
                outcomes.insert((whole.0, whole.1.map(Trick::code), whole.2.is_some()));
            }
        }
        assert!(outcomes.len() > 10, "it breaks in many ways: {outcomes:?}");
    }

    #[test]
    fn every_trick_has_its_number() {
        assert!(Trick::ALL.iter().all(|t| Trick::of_code(t.code()) == Some(*t)));
        assert_eq!((Trick::of_code(0), Trick::of_code(99)), (None, None));
    }
}
