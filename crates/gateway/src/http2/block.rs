//! The blocks of fields that a caller sends, as far as their form goes (RFC 7541, section 6): no value is decoded, and of Huffman's
//! code only where each string ends (`huffman.rs`).
//!
//! h2 calls a block that cannot be decoded PROTOCOL_ERROR, where RFC 9113 (section 4.3) demands COMPRESSION_ERROR, and takes
//! pseudo-fields in trailers (section 8.1). What is refused here could not be read by anybody: a place is beyond its table
//! only where it is beyond all that was ever put into it.

use super::frames::Why;
use super::huffman;

/// The fields of the static table; the first of them are pseudo-fields (RFC 7541, appendix A).
const STATIC: usize = 61;
const STATIC_PSEUDO: usize = 14;
/// The largest table that was offered (RFC 9113, section 6.5.2), bytes.
const TABLE_MAX: usize = 4096;
/// The most bytes of a number behind its first; what is left are 28 bits.
const MORE: u32 = 4;
/// `:` in Huffman's code (RFC 7541, appendix B): its 7 bits at the beginning of a byte.
const COLON: u8 = 0b101_1100;

/// What a caller's blocks did to the table of fields.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// So many fields were put into it; it holds no more.
    put: usize,
}

/// What is left of a block.
struct Rest<'a>(&'a [u8]);

impl Table {
    /// Takes a block that is whole.
    ///
    /// # Errors
    ///
    /// One that cannot be decoded, and trailers with pseudo-fields.
    pub(crate) fn take(&mut self, block: &[u8], is_trailers: bool) -> Result<(), Why> {
        let mut rest = Rest(block);
        let mut is_begun = false;
        while let Some(first) = rest.0.first() {
            let is_pseudo = match first {
                0x80.. => is_pseudo_place(self.place(rest.number(7)?)?),
                0x40.. => {
                    let is_pseudo = self.literal(&mut rest, 6)?;
                    self.put += 1;
                    is_pseudo
                }
                // A new size of the table comes before all fields.
                0x20.. if is_begun || rest.number(5)? > TABLE_MAX => return Err(Why::Compression),
                0x20.. => continue,
                _ => self.literal(&mut rest, 4)?,
            };
            is_begun = true;
            if is_trailers && is_pseudo {
                return Err(Why::Protocol);
            }
        }
        Ok(())
    }

    /// A field whose name is in a place or follows; whether it is a pseudo-field, as far as that can be seen.
    fn literal(&self, rest: &mut Rest<'_>, bits: u32) -> Result<bool, Why> {
        let is_pseudo = match rest.number(bits)? {
            0 => {
                let is_huffman = rest.0.first().is_some_and(|b| b & 0x80 != 0);
                let name = rest.text()?.first();
                name.is_some_and(|b| if is_huffman { b >> 1 == COLON } else { *b == b':' })
            }
            place => is_pseudo_place(self.place(place)?),
        };
        rest.text()?;
        Ok(is_pseudo)
    }

    const fn place(&self, place: usize) -> Result<usize, Why> {
        if place == 0 || place > STATIC + self.put { Err(Why::Compression) } else { Ok(place) }
    }
}

const fn is_pseudo_place(place: usize) -> bool {
    place <= STATIC_PSEUDO
}

impl<'a> Rest<'a> {
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

    /// A string, as it is written (RFC 7541, section 5.2).
    fn text(&mut self) -> Result<&'a [u8], Why> {
        let is_huffman = self.0.first().is_some_and(|b| b & 0x80 != 0);
        let length = self.number(7)?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(Why::Compression)?;
        if is_huffman && !huffman::is_whole(text) {
            return Err(Why::Compression);
        }
        self.0 = rest;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(block: &[u8], is_trailers: bool) -> Result<(), Why> {
        Table::default().take(block, is_trailers)
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
            assert_eq!(once(block, false), Ok(()), "{block:x?}");
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
        assert_eq!(table.take(b"\x40\x01a\x01b\x40\x01c\x01d\xbe\xbf", false), Ok(()));
        assert_eq!(table.take(b"\xbe\xbf\x7f\x00\x01e", false), Ok(()));
        assert_eq!(table.take(b"\xc0", false), Ok(()), "that one was put as well");
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
            assert_eq!(once(block, false), Ok(()), "{block:x?}");
            assert_eq!(once(block, true), Err(Why::Protocol), "{block:x?}");
        }
        assert_eq!(once(b"\x00\x06x-late\x011\x8f\x00\x81\xf3\x01x", true), Ok(()));
    }
}
