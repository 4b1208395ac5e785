//! Strings in Huffman's code: what they say, and whether they end as they must (RFC 7541, section 5.2).
//!
//! h2 refuses the others as well, and calls them PROTOCOL_ERROR. The code is canonical (appendix B): codes of one length follow
//! one another, behind all shorter ones. So how many there are of each length says where a code ends.

/// How many codes have how many bits, from the shortest; EOS is the last one of the longest.
const LENGTHS: [(u32, u32); 21] = [
    (5, 10),
    (6, 26),
    (7, 32),
    (8, 6),
    (10, 5),
    (11, 3),
    (12, 2),
    (13, 6),
    (14, 2),
    (15, 3),
    (19, 3),
    (20, 8),
    (21, 13),
    (22, 26),
    (23, 29),
    (24, 12),
    (25, 4),
    (26, 15),
    (27, 19),
    (28, 29),
    (30, 4),
];
/// The longest code, bits; all of them ones is EOS.
const LONGEST: u32 = 30;
/// Padding is shorter than a byte, bits.
const PADDING_MAX: u32 = 7;

/// What they stand for, in the order of the codes; EOS is behind all of them.
const SYMBOLS: &[u8; 256] =
    b"012aceiost %-./3456789=A_bdfghlmnpru:BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz&*,;XZ!\"()?'+|#>\x00$@[]~^}<`{\
\\\xc3\xd0\x80\x82\x83\xa2\xb8\xc2\xe0\xe2\x99\xa1\xa7\xac\xb0\xb1\xb3\xd1\xd8\xd9\xe3\xe5\xe6\x81\
\x84\x85\x86\x88\x92\x9a\x9c\xa0\xa3\xa4\xa9\xaa\xad\xb2\xb5\xb9\xba\xbb\xbd\xbe\xc4\xc6\xe4\xe8\xe9\
\x01\x87\x89\x8a\x8b\x8c\x8d\x8f\x93\x95\x96\x97\x98\x9b\x9d\x9e\xa5\xa6\xa8\xae\xaf\xb4\xb6\xb7\xbc\
\xbf\xc5\xe7\xef\x09\x8e\x90\x91\x94\x9f\xab\xce\xd7\xe1\xec\xed\xc7\xcf\xea\xeb\xc0\xc1\xc8\xc9\xca\
\xcd\xd2\xd5\xda\xdb\xee\xf0\xf2\xf3\xff\xcb\xcc\xd3\xd4\xd6\xdd\xde\xdf\xf1\xf4\xf5\xf6\xf7\xf8\xfa\
\xfb\xfc\xfd\xfe\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x17\x18\x19\x1a\
\x1b\x1c\x1d\x1e\x1f\x7f\xdc\xf9\x0a\x0d\x16";

/// How long the code is that these 32 bits begin with, and its place among all codes.
fn code_of(bits: u64) -> (u32, u64) {
    let (mut end, mut place) = (0, 0);
    for (length, many) in LENGTHS {
        let first = end;
        end += u64::from(many) << (32 - length);
        if bits < end {
            return (length, place + ((bits - first) >> (32 - length)));
        }
        place += u64::from(many);
    }
    (LONGEST, place)
}

/// Whether it holds whole codes, none of them EOS, and behind them at most seven bits, which begin EOS. What the codes stand for is
/// handed over one by one.
pub(super) fn read(text: &[u8], mut see: impl FnMut(u8)) -> bool {
    // The bits that were not looked at, at the right.
    let (mut bits, mut have) = (0_u64, 0_u32);
    let mut bytes = text.iter();
    loop {
        while have <= LONGEST
            && let Some(byte) = bytes.next()
        {
            bits = bits << 8 | u64::from(*byte);
            have += 8;
        }
        // What is not there is read as ones, as padding is.
        let next =
            if have >= 32 { bits >> (have - 32) } else { bits << (32 - have) | ((1 << (32 - have)) - 1) };
        let (length, place) = code_of(next);
        if length > have {
            // The rest of the string.
            return have <= PADDING_MAX && bits == (1 << have) - 1;
        }
        let symbol = usize::try_from(place).ok().and_then(|place| SYMBOLS.get(place));
        let Some(symbol) = symbol else { return false };
        see(*symbol);
        have -= length;
        bits &= (1 << have) - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_whole(text: &[u8]) -> bool {
        read(text, |_| ())
    }

    /// The examples of RFC 7541, sections C.4 and C.6.
    #[test]
    fn codes_stand_for_what_the_rfc_says() {
        for (code, text) in [
            (&b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..], &b"www.example.com"[..]),
            (b"\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f", b"custom-key"),
            (
                b"\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff",
                b"Mon, 21 Oct 2013 20:13:21 GMT",
            ),
            // The last code that is not EOS.
            (b"\xff\xff\xff\xfb", b"\x16"),
        ] {
            let mut read_out = Vec::new();
            assert!(read(code, |symbol| read_out.push(symbol)));
            assert_eq!(read_out, text);
        }
        let mut all = *SYMBOLS;
        all.sort_unstable();
        assert!(all.iter().zip(0..=u8::MAX).all(|(symbol, byte)| *symbol == byte));
    }

    #[test]
    fn the_lengths_make_a_whole_code_of_all_bytes_and_the_end() {
        assert_eq!(LENGTHS.iter().map(|(_, many)| many).sum::<u32>(), 257);
        let all: u64 = LENGTHS.iter().map(|(length, many)| u64::from(*many) << (32 - length)).sum();
        assert_eq!(all, 1 << 32);
    }

    /// The same bit by bit, from the first code of each length.
    fn slowly(text: &[u8]) -> bool {
        let (mut code, mut length, mut all_ones) = (0_u32, 0, true);
        for at in 0..8 * text.len() {
            let bit = u32::from(text[at / 8] >> (7 - at % 8) & 1);
            (code, length, all_ones) = (code << 1 | bit, length + 1, all_ones && bit == 1);
            let (mut first, mut before) = (0, 0);
            for (bits, many) in LENGTHS {
                first <<= bits - before;
                if bits == length && (first..first + many).contains(&code) {
                    if bits == LONGEST && all_ones {
                        return false;
                    }
                    (code, length, all_ones) = (0, 0, true);
                    break;
                }
                (first, before) = (first + many, bits);
            }
        }
        all_ones && length < 8
    }

    #[test]
    fn is_what_reading_bit_by_bit_finds() {
        assert!((0..=u16::MAX).all(|n| is_whole(&n.to_be_bytes()) == slowly(&n.to_be_bytes())));
        let (mut state, mut whole) = (1_u64, 0);
        for _ in 0..20_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Long codes begin with ones.
            let mut bytes = state.to_be_bytes();
            bytes[usize::from(bytes[0] % 8)] |= 0xfe;
            bytes[7] |= if state % 3 == 0 { 0x3f } else { 0 };
            assert_eq!(is_whole(&bytes), slowly(&bytes), "{bytes:x?}");
            whole += u32::from(is_whole(&bytes));
        }
        assert!((1_000..19_000).contains(&whole), "{whole}: both are tried");
    }

    #[test]
    fn a_string_ends_with_a_code_or_the_beginning_of_eos() {
        // The examples of RFC 7541, sections C.4 and C.6, and one code of each kind of length.
        for text in [
            &b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..],
            b"\xa8\xeb\x10\x64\x9c\xbf",
            b"\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f",
            b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf",
            b"\x64\x02",
            b"\xae\xc3\x77\x1a\x4b",
            b"\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff",
            b"\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3",
            b"",
            b"\x07",
            b"\x1f",
            // 10, of 30 bits, and two bits of padding.
            b"\xff\xff\xff\xf3",
            // Four times 0, of 13 bits.
            b"\xff\xc7\xfe\x3f\xf1\xff\x8f",
        ] {
            assert!(is_whole(text), "{text:x?}");
        }
        for text in [
            // Padding with zeroes, of a whole byte, and nothing else.
            &b"\x18"[..],
            b"\x1f\xff",
            b"\xff",
            b"\xff\xff",
            b"\xfe",
            // EOS, alone and between others.
            b"\xff\xff\xff\xfc",
            b"\xff\xff\xff\xff",
            b"\x1f\xff\xff\xff\xe3",
            // A code of 28 bits, and zeroes behind it.
            b"\xff\xff\xff\x00",
        ] {
            assert!(!is_whole(text), "{text:x?}");
        }
    }
}
