//! The blocks of fields that a caller sends, as far as their form goes (RFC 7541, section 6). Values are looked at and not kept: the
//! table of fields is h2's.
//!
//! h2 calls a block that cannot be decoded PROTOCOL_ERROR, where RFC 9113 (section 4.3) demands COMPRESSION_ERROR. What is refused for
//! that here could not be read by anybody: a place is beyond its table only where it is beyond all that was ever put into it.
//!
//! And h2 ends the connection for a name or a value that no field or pseudo-field can have, where the request alone is malformed
//! (sections 8.1.1, 8.2.1 and 8.3). Such a block is mended: it gets names and values of the same length, so that h2's table stays the caller's, and a field
//! for which h2 resets the stream. So it does for trailers with pseudo-fields, which h2 would take (section 8.1).

use std::collections::VecDeque;

use super::frames::Why;
use super::huffman;

/// The fields of the static table (RFC 7541, appendix A).
const STATIC: usize = 61;
/// The largest table that was offered (RFC 9113, section 6.5.2), bytes, and the most fields that it can hold (RFC 7541, section 4.1).
const TABLE_MAX: usize = 4096;
const PLACES_MAX: usize = TABLE_MAX / 32;
/// The most bytes of a number behind its first; what is left are 28 bits.
const MORE: u32 = 4;
/// So much of a name is kept while it is read: no pseudo-field is longer.
const NAME_MAX: usize = 10;
/// How long the names of `Name::Method` and `Name::Status` are.
const SHORT_NAME: usize = 7;
/// The bit of a field that goes into the table, and of one that never does.
const INTO_TABLE: u8 = 0x40;
const NEVER: u8 = 0x10;
/// A field that is never put into the table and that no request may have: `te: x` (RFC 9113, section 8.2.2).
const MALFORMED: &[u8] = b"\x10\x02te\x01x";

/// What a caller's blocks did to the table of fields.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// So many fields were put into it; it holds no more.
    put: usize,
    /// Those of them that may still be in it and are no ordinary fields, in their order.
    known: VecDeque<Known>,
}

/// A field of the table that is a pseudo-field or was mended.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// How many had been put with it.
    nth: usize,
    name: Name,
    mended: Mended,
}

/// What a field is called, as far as h2 is particular about its value.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Name {
    #[default]
    Field,
    /// A pseudo-field of any text.
    Text,
    Method,
    Status,
}

/// What of a field is not what its caller put: it stays malformed, however often it is used.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Mended {
    #[default]
    Nothing,
    /// Its name is as it was.
    Value,
    All,
}

/// What is left of a block.
struct Rest<'a>(&'a [u8]);

/// What is known of a string.
struct Text {
    /// How many bytes it stands for.
    length: usize,
    /// It may be there.
    is_allowed: bool,
    /// What it is as a name.
    name: Name,
}

/// A field of a block.
#[derive(Debug, Default)]
struct Field {
    name: Name,
    mended: Mended,
    is_malformed: bool,
    /// What stands in its place.
    instead: Option<Vec<u8>>,
}

impl Name {
    const fn of_static(place: usize) -> Self {
        match place {
            1 | 4..=7 => Self::Text,
            2 | 3 => Self::Method,
            8..=14 => Self::Status,
            _ => Self::Field,
        }
    }

    /// The pseudo-fields that h2 knows.
    const fn of(name: &[u8]) -> Self {
        match name {
            b":authority" | b":path" | b":protocol" | b":scheme" => Self::Text,
            b":method" => Self::Method,
            b":status" => Self::Status,
            _ => Self::Field,
        }
    }

    fn is_pseudo(self) -> bool {
        self != Self::Field
    }
}

impl Table {
    /// Takes a block that is whole. What h2 is to read in its place, where its request is malformed.
    ///
    /// # Errors
    ///
    /// One that cannot be decoded, or not be mended.
    pub(crate) fn take(&mut self, block: &[u8], is_trailers: bool) -> Result<Option<Vec<u8>>, Why> {
        let mut rest = Rest(block);
        let (mut is_begun, mut is_malformed) = (false, false);
        let mut mended: Option<Vec<u8>> = None;
        while let Some(first) = rest.0.first() {
            let from = rest.0;
            let field = match first {
                0x80.. => self.placed(rest.number(7)?)?,
                0x40.. => self.put(from, &mut rest)?,
                // A new size of the table comes before all fields.
                0x20.. if is_begun || rest.number(5)? > TABLE_MAX => return Err(Why::Compression),
                0x20.. => Field::default(),
                _ => self.literal(from, &mut rest, 4)?,
            };
            is_begun |= !(0x20..0x40).contains(first);
            is_malformed |= field.is_malformed || (is_trailers && field.name.is_pseudo());
            let written = from.get(..from.len() - rest.0.len()).unwrap_or_default();
            let before = block.get(..block.len() - from.len()).unwrap_or_default();
            match (field.instead, &mut mended) {
                (Some(instead), mended) => {
                    mended.get_or_insert_with(|| before.to_vec()).extend_from_slice(&instead);
                }
                (None, Some(mended)) => mended.extend_from_slice(written),
                (None, None) => {}
            }
        }
        Ok(is_malformed.then(|| malformed(mended.unwrap_or_else(|| block.to_vec()))))
    }

    /// A field of the table.
    fn placed(&self, place: usize) -> Result<Field, Why> {
        let (name, mended) = self.at(place)?;
        Ok(Field { name, mended, is_malformed: mended != Mended::Nothing, instead: None })
    }

    /// A field that goes into the table.
    fn put(&mut self, from: &[u8], rest: &mut Rest<'_>) -> Result<Field, Why> {
        let field = self.literal(from, rest, 6)?;
        self.put += 1;
        if field.name.is_pseudo() || field.mended != Mended::Nothing {
            while self.known.front().is_some_and(|first| first.nth + PLACES_MAX <= self.put) {
                self.known.pop_front();
            }
            self.known.push_back(Known { nth: self.put, name: field.name, mended: field.mended });
        }
        Ok(field)
    }

    /// A field whose name is in a place or follows.
    fn literal(&self, from: &[u8], rest: &mut Rest<'_>, bits: u32) -> Result<Field, Why> {
        let place = rest.number(bits)?;
        let written = if place == 0 { Some(rest.name()?) } else { None };
        let named = from.get(..from.len() - rest.0.len()).unwrap_or_default();
        let (name, mended) = match &written {
            Some(text) => (text.name, Mended::Nothing),
            None => self.at(place)?,
        };
        let value = rest.value(name)?;
        let is_mended = mended == Mended::All;
        let before = if is_mended { Mended::All } else { Mended::Nothing };
        let bad_name = written.filter(|text| !text.is_allowed);
        if bad_name.is_none() && value.is_allowed {
            return Ok(Field { name, mended: before, is_malformed: is_mended, instead: None });
        }
        // No filler is a status, or a method without a letter.
        let is_unfit = name == Name::Status || (name == Name::Method && value.length == 0);
        let length = bad_name.map(|text| text.length).or_else(|| is_unfit.then_some(SHORT_NAME));
        let (mut instead, mut value) = (Vec::new(), value.length);
        if let Some(length) = length {
            instead.push(from.first().map_or(0, |first| first & (INTO_TABLE | NEVER)));
            if length == 0 {
                // No name is empty. It takes a byte of the value, so that the size of both stays. Where there is none, h2's table
                // is full a little earlier: what is too old for it is an error, and never another field.
                value = value.saturating_sub(1);
            }
            filler(length.max(1), &mut instead);
        } else {
            instead.extend_from_slice(named);
        }
        filler(value, &mut instead);
        let mended = if length.is_some() || is_mended { Mended::All } else { Mended::Value };
        Ok(Field { name, mended, is_malformed: true, instead: Some(instead) })
    }

    /// Whether anything in it may be what was mended.
    pub(crate) fn is_mended(&self) -> bool {
        self.known.iter().any(|known| known.mended != Mended::Nothing)
    }

    /// What is in this place: the last that was put is in the first behind the static table.
    fn at(&self, place: usize) -> Result<(Name, Mended), Why> {
        if place == 0 || place > STATIC + self.put {
            return Err(Why::Compression);
        }
        if place <= STATIC {
            return Ok((Name::of_static(place), Mended::Nothing));
        }
        let nth = self.put + STATIC + 1 - place;
        let found = self.known.binary_search_by_key(&nth, |known| known.nth).ok();
        let known = found.and_then(|at| self.known.get(at));
        Ok(known.map_or((Name::Field, Mended::Nothing), |known| (known.name, known.mended)))
    }
}

/// A block for which h2 resets the stream.
pub(super) fn malformed(mut block: Vec<u8>) -> Vec<u8> {
    block.extend_from_slice(MALFORMED);
    block
}

/// A string of this length that name and value may have, as it is written.
fn filler(length: usize, out: &mut Vec<u8>) {
    const MOST: usize = 0x7f;
    let byte = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
    if length < MOST {
        out.push(byte(length));
    } else {
        out.push(byte(MOST));
        let mut left = length - MOST;
        while left >= 0x80 {
            out.push(byte((left % 0x80) | 0x80));
            left /= 0x80;
        }
        out.push(byte(left));
    }
    out.resize(out.len() + length, b'x');
}

/// What a name may have in lower case (RFC 9110, section 5.6.2, and RFC 9113, section 8.2.1), and the quote, which h2 takes.
const fn is_of_names(byte: u8) -> bool {
    matches!(byte, b'!'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'^'..=b'z' | b'|' | b'~')
}

/// What a value may have: what h2 takes, which is a little more than RFC 9110, section 5.5.
const fn is_of_values(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// What a method may have (RFC 9110, section 5.6.2).
const fn is_of_methods(byte: u8) -> bool {
    byte != b'"' && (is_of_names(byte) || byte.is_ascii_uppercase())
}

/// Anything, where the whole is looked at.
const fn is_any(_byte: u8) -> bool {
    true
}

/// Whether the string at the beginning is UTF-8.
fn is_utf8(mut rest: Rest<'_>) -> bool {
    let is_huffman = rest.0.first().is_some_and(|b| b & 0x80 != 0);
    let Ok(length) = rest.number(7) else { return false };
    let written = rest.0.get(..length).unwrap_or_default();
    if !is_huffman {
        return std::str::from_utf8(written).is_ok();
    }
    let mut is_ascii = true;
    huffman::read(written, |byte| is_ascii &= byte.is_ascii());
    let mut text = Vec::new();
    is_ascii || (huffman::read(written, |byte| text.push(byte)) && std::str::from_utf8(&text).is_ok())
}

impl Rest<'_> {
    fn byte(&mut self) -> Result<u8, Why> {
        let (byte, rest) = self.0.split_first().ok_or(Why::Compression)?;
        self.0 = rest;
        Ok(*byte)
    }

    /// A number whose first so many bits are the last of a byte (RFC 7541, section 5.1).
    fn number(&mut self, bits: u32) -> Result<usize, Why> {
        let most = (1_usize << bits) - 1;
        let mut number = usize::from(self.byte()?) & most;
        if number < most {
            return Ok(number);
        }
        for shift in (0..MORE).map(|n| 7 * n) {
            let byte = self.byte()?;
            number += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Why::Compression)
    }

    fn name(&mut self) -> Result<Text, Why> {
        let (text, begin) = self.text(is_of_names)?;
        let name = begin.get(..text.length).map_or(Name::Field, Name::of);
        let is_allowed = name.is_pseudo() || (text.is_allowed && text.length > 0);
        Ok(Text { is_allowed, name, ..text })
    }

    /// A value that a field of this name may have, as far as h2 ends the connection for others.
    fn value(&mut self, name: Name) -> Result<Text, Why> {
        let from = self.0;
        match name {
            Name::Field => self.text(is_of_values).map(|(text, _)| text),
            Name::Text => {
                let (text, _) = self.text(is_any)?;
                let is_allowed = is_utf8(Rest(from));
                Ok(Text { is_allowed, ..text })
            }
            Name::Method => {
                let (text, _) = self.text(is_of_methods)?;
                Ok(Text { is_allowed: text.is_allowed && text.length > 0, ..text })
            }
            Name::Status => {
                let (text, begin) = self.text(|byte| byte.is_ascii_digit())?;
                let [first, ..] = begin;
                Ok(Text { is_allowed: text.is_allowed && text.length == 3 && first != b'0', ..text })
            }
        }
    }

    /// A string (RFC 7541, section 5.2) of bytes that may be there, and how it begins.
    fn text(&mut self, may: fn(u8) -> bool) -> Result<(Text, [u8; NAME_MAX]), Why> {
        let is_huffman = self.0.first().is_some_and(|b| b & 0x80 != 0);
        let length = self.number(7)?;
        let (written, rest) = self.0.split_at_checked(length).ok_or(Why::Compression)?;
        self.0 = rest;
        let (mut begin, mut length, mut is_allowed) = ([0; NAME_MAX], 0, true);
        let see = |byte: u8| {
            if let Some(place) = begin.get_mut(length) {
                *place = byte;
            }
            length += 1;
            is_allowed &= may(byte);
        };
        if !is_huffman {
            written.iter().copied().for_each(see);
        } else if !huffman::read(written, see) {
            return Err(Why::Compression);
        }
        Ok((Text { length, is_allowed, name: Name::Field }, begin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(block: &[u8], is_trailers: bool) -> Result<Option<Vec<u8>>, Why> {
        Table::default().take(block, is_trailers)
    }

    #[test]
    fn names_and_values_are_what_h2_takes() {
        for byte in 0..=u8::MAX {
            assert_eq!(is_of_names(byte), http::HeaderName::from_lowercase(&[byte]).is_ok(), "{byte}");
            assert_eq!(is_of_values(byte), http::HeaderValue::from_bytes(&[byte]).is_ok(), "{byte}");
            assert_eq!(is_of_methods(byte), http::Method::from_bytes(&[byte]).is_ok(), "{byte}");
        }
    }

    #[test]
    fn blocks_have_a_form() {
        // The examples of RFC 7541, sections C.2 to C.4.
        for block in [
            &b"\x40\x0acustom-key\x0dcustom-header"[..],
            b"\x04\x0c/sample/path",
            b"\x10\x08password\x06secret",
            b"\x82",
            b"\x82\x86\x84\x41\x0fwww.example.com",
            b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff",
            b"\x20\x3f\xe1\x1f\x82",
            b"",
        ] {
            assert_eq!(once(block, false), Ok(None), "{block:x?}");
        }
        for block in [
            &b"\x80"[..],
            b"\xbe",
            b"\x7e\x01x",
            b"\xff\xff\xff\xff\xff\xff\x7f",
            b"\xff",
            b"\x82\x20",
            b"\x3f\xe2\x1f",
            b"\x00\x01x",
            b"\x00\x01x\x64y",
            b"\x00\x05x",
            b"\x40",
        ] {
            assert_eq!(once(block, false), Err(Why::Compression), "{block:x?}");
        }
    }

    #[test]
    fn places_reach_as_far_as_the_table() {
        let mut table = Table::default();
        assert_eq!(table.take(b"\x40\x01a\x01b\x40\x01c\x01d\xbe\xbf", false), Ok(None));
        assert_eq!(table.take(b"\xbe\xbf\x7f\x00\x01e", false), Ok(None));
        assert_eq!(table.take(b"\xc0", false), Ok(None), "that one was put as well");
        assert_eq!(table.take(b"\xc1", false), Err(Why::Compression));
    }

    #[test]
    fn trailers_have_no_pseudo_fields() {
        for block in [
            &b"\x82"[..],
            b"\x04\x01/",
            b"\x41\x01a",
            b"\x00\x07:method\x03GET",
            b"\x00\x85\xb9\x49\x53\x39\xe4\x01x",
        ] {
            assert_eq!(once(block, false), Ok(None), "{block:x?}");
            assert_eq!(once(block, true), Ok(Some([block, MALFORMED].concat())), "{block:x?}");
        }
        assert_eq!(once(b"\x00\x06x-late\x011\x8f\x00\x81\xf3\x01x", true), Ok(None));
    }

    /// Read as h2 reads it: the same size of each field that goes into the table, and a stream that is reset.
    #[test]
    fn what_no_field_can_have_is_mended() {
        for (block, instead) in [
            (&b"\x82\x00\x06X-Test\x02ok\x84"[..], &b"\x82\x00\x06xxxxxx\x02xx\x84"[..]),
            // The same in Huffman's code.
            (b"\x10\x85\xfc\x5b\x79\x50\x9f\x02ok", b"\x10\x06xxxxxx\x02xx"),
            (b"\x40\x01 \x01b", b"\x40\x01x\x01x"),
            (b"\x40\x00\x02ab", b"\x40\x01x\x01x"),
            (b"\x00\x05:test\x02ok", b"\x00\x05xxxxx\x02xx"),
            (b"\x40\x01a\x03b\r\n\x82", b"\x40\x01a\x03xxx\x82"),
            // A value whose name is in the table.
            (b"\x7a\x01\x00", b"\x7a\x01x"),
            // Neither name nor value.
            (b"\x40\x00\x00", b"\x40\x01x\x00"),
            (b"\x00\x00\x00", b"\x00\x01x\x00"),
            // Pseudo-fields.
            (b"\x42\x03G T\x84", b"\x42\x03xxx\x84"),
            (b"\x42\x00", b"\x40\x07xxxxxxx\x00"),
            (b"\x04\x02/\xff", b"\x04\x02xx"),
            (b"\x18\x0220", b"\x10\x07xxxxxxx\x02xx"),
            (b"\x00\x07:method\x01 ", b"\x00\x07:method\x01x"),
        ] {
            assert_eq!(once(block, false), Ok(Some([instead, MALFORMED].concat())), "{block:x?}");
        }
        // What h2 resets a stream for is its own.
        assert_eq!(once(b"\x04\x02/\n", false), Ok(None));
        let long = [&b"\x40\x01A\x7f\xad\x02"[..], &[b'v'; 428]].concat();
        let instead = [&b"\x40\x01x\x7f\xad\x02"[..], &[b'x'; 428], MALFORMED].concat();
        assert_eq!(once(&long, false), Ok(Some(instead)));
    }

    #[test]
    fn what_was_mended_stays_malformed_in_the_table() {
        let mut table = Table::default();
        let is_malformed = |table: &mut Table, block: &[u8]| table.take(block, false).unwrap().is_some();
        assert!(is_malformed(&mut table, b"\x40\x01A\x01b"));
        assert!(is_malformed(&mut table, b"\xbe"), "the field");
        assert!(!is_malformed(&mut table, b"\x40\x01c\x01d"));
        assert!(!is_malformed(&mut table, b"\xbe"), "that one is well");
        assert!(is_malformed(&mut table, b"\xbf") && is_malformed(&mut table, b"\x7f\x00\x01e"), "its name");
        assert!(is_malformed(&mut table, b"\xbe") && !is_malformed(&mut table, b"\xbf"));
        for _ in 0..10 * PLACES_MAX {
            assert!(is_malformed(&mut table, b"\x40\x01A\x01b"));
        }
        assert!(table.known.len() <= PLACES_MAX);
        // What is out of the table is forgotten, and whose value alone was mended keeps its name.
        assert!(is_malformed(&mut table, b"\x40\x01a\x01\n") && !is_malformed(&mut table, b"\x7e\x01b\xbe"));
        assert!(is_malformed(&mut table, b"\xbf"));
        for _ in 0..PLACES_MAX {
            assert!(!is_malformed(&mut table, b"\x40\x01a\x01b"));
        }
        assert!(!is_malformed(&mut table, b"\x44\x01/") && table.known.len() == 1 && !table.is_mended());
        assert!(table.take(b"\xbe", true).unwrap().is_some(), "a pseudo-field of the table in trailers");
    }
}
