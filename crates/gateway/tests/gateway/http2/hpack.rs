//! A caller's coder of fields, which does all that RFC 7541 allows, by chance.

use std::collections::VecDeque;

use super::frames::text;

/// Chance from a seed (SplitMix64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 1).unwrap() % most
    }

    pub(crate) fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}

/// The codes of some bytes, and their bits (RFC 7541, appendix B).
const CODES: [(&[u8], u32, u32); 6] = [
    (b"012aceiost", 0, 5),
    (b" %-./3456789=A_bdfghlmnpru", 0x14, 6),
    (b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz", 0x5c, 7),
    (b"&*,;XZ", 0xf8, 8),
    (b"\n", 0x3fff_fffc, 30),
    (b"\xff", 0x03ff_ffee, 26),
];
/// The places of the static table that are used here.
const STATIC: [(&str, &str, usize); 6] = [
    (":authority", "", 1),
    (":method", "GET", 2),
    (":path", "/", 4),
    (":scheme", "http", 6),
    ("accept", "", 19),
    ("user-agent", "", 58),
];
const STATIC_LAST: usize = 61;
const TABLE_MAX: usize = 4096;

#[derive(Default)]
pub(crate) struct Coder {
    table: VecDeque<(Vec<u8>, Vec<u8>)>,
    max: Option<usize>,
}

impl Coder {
    /// New sizes of the table, the last of which holds.
    pub(crate) fn resize(&mut self, chance: &mut Chance, out: &mut Vec<u8>) {
        for _ in 0..1 + chance.below(2) {
            let max = [0, 40, 100, 300, TABLE_MAX][chance.below(5)];
            number(max, 5, 0x20, out);
            self.max = Some(max);
            self.evict(0);
        }
    }

    pub(crate) fn field(&mut self, (name, value): (&[u8], &[u8]), chance: &mut Chance, out: &mut Vec<u8>) {
        if let Some(place) = self.place(name, Some(value)).filter(|_| !chance.one_in(4)) {
            number(place, 7, 0x80, out);
            return;
        }
        let place = self.place(name, None).filter(|_| !chance.one_in(4)).unwrap_or(0);
        // A field without a name and a value has no size to keep.
        let puts = chance.one_in(2) && !(name.is_empty() && value.is_empty());
        if puts {
            number(place, 6, 0x40, out);
        } else {
            number(place, 4, [0, 0x10][chance.below(2)], out);
        }
        if place == 0 {
            string(name, chance, out);
        }
        string(value, chance, out);
        if puts {
            self.evict(size(name, value));
            if size(name, value) <= self.max.unwrap_or(TABLE_MAX) {
                self.table.push_front((name.to_vec(), value.to_vec()));
            }
        }
    }

    fn place(&self, name: &[u8], value: Option<&[u8]>) -> Option<usize> {
        let is = |n: &[u8], v: &[u8]| n == name && value.is_none_or(|value| v == value);
        let in_static = STATIC.iter().find(|(n, v, _)| is(n.as_bytes(), v.as_bytes()));
        let place = self.table.iter().position(|(n, v)| is(n, v)).map(|at| STATIC_LAST + 1 + at);
        in_static.map(|(_, _, place)| *place).or(place)
    }

    /// Makes room for so many bytes.
    fn evict(&mut self, room: usize) {
        let max = self.max.unwrap_or(TABLE_MAX);
        while self.table.iter().map(|(n, v)| size(n, v)).sum::<usize>() + room > max {
            if self.table.pop_back().is_none() {
                return;
            }
        }
    }
}

fn size(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + 32
}

fn number(value: usize, bits: u32, first: u8, out: &mut Vec<u8>) {
    let most = (1 << bits) - 1;
    if value < most {
        out.push(first | u8::try_from(value).unwrap());
        return;
    }
    out.push(first | u8::try_from(most).unwrap());
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(u8::try_from(rest % 0x80).unwrap() | 0x80);
        rest /= 0x80;
    }
    out.push(u8::try_from(rest).unwrap());
}

fn string(bytes: &[u8], chance: &mut Chance, out: &mut Vec<u8>) {
    match packed(bytes).filter(|_| chance.one_in(2)) {
        Some(packed) => {
            number(packed.len(), 7, 0x80, out);
            out.extend(packed);
        }
        None => out.extend(text(bytes)),
    }
}

/// In Huffman's code, where the codes of all of them are known here.
fn packed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bits = Vec::new();
    for byte in bytes {
        let (at, first, count) = CODES
            .iter()
            .find_map(|(some, first, n)| Some((some.iter().position(|b| b == byte)?, *first, *n)))?;
        let code = first + u32::try_from(at).unwrap();
        bits.extend((0..count).rev().map(|n| code >> n & 1 == 1));
    }
    bits.resize(bits.len().next_multiple_of(8), true);
    Some(bits.chunks(8).map(|byte| byte.iter().fold(0, |all, bit| all << 1 | u8::from(*bit))).collect())
}
