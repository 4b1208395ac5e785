//! DNS messages: as much of them as a resolver of the lab needs.

use std::net::IpAddr;

/// The type of a question or a record.
pub(crate) const A: u16 = 1;
pub(crate) const CNAME: u16 = 5;
pub(crate) const AAAA: u16 = 28;

/// Answer codes.
pub(crate) const SERVFAIL: u8 = 2;
pub(crate) const NXDOMAIN: u8 = 3;
pub(crate) const REFUSED: u8 = 5;

/// A question as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) id: [u8; 2],
    recursion: bool,
    /// Lower case, without the last dot.
    pub(crate) name: String,
    pub(crate) kind: u16,
    /// The question's own bytes, which the answer repeats.
    question: Vec<u8>,
}

/// A record of an answer, for the name before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Address(IpAddr),
    /// The name stands for this one; what follows is about it.
    Alias(String),
}

/// Reads a question; nothing of what is none.
pub(crate) fn parse(bytes: &[u8]) -> Option<Query> {
    let id = [*bytes.first()?, *bytes.get(1)?];
    let flags = *bytes.get(2)?;
    let is_query = flags & 0x80 == 0;
    let questions = u16::from_be_bytes([*bytes.get(4)?, *bytes.get(5)?]);
    if !is_query || questions != 1 {
        return None;
    }
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        if length > 63 {
            return None;
        }
        let label = bytes.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]);
    let question = bytes.get(12..at + 4)?.to_vec();
    Some(Query { id, recursion: flags & 1 == 1, name: labels.join("."), kind, question })
}

/// The word of a type.
pub(crate) fn word(kind: u16) -> String {
    match kind {
        A => "A".to_owned(),
        AAAA => "AAAA".to_owned(),
        CNAME => "CNAME".to_owned(),
        other => format!("TYPE{other}"),
    }
}

impl Query {
    /// The answer with this code and these records.
    pub(crate) fn answer(&self, code: u8, records: &[Record]) -> Vec<u8> {
        self.reply(code, false, records)
    }

    /// The answer that asks to come again over TCP.
    pub(crate) fn truncated(&self) -> Vec<u8> {
        self.reply(0, true, &[])
    }

    fn reply(&self, code: u8, truncated: bool, records: &[Record]) -> Vec<u8> {
        let flags = 0x80 | u8::from(self.recursion) | if truncated { 2 } else { 0 };
        let count = u16::try_from(records.len()).unwrap_or(0).to_be_bytes();
        let mut bytes = Vec::with_capacity(512);
        bytes.extend(self.id);
        bytes.extend([flags, 0x80 | code, 0, 1]);
        bytes.extend(count);
        bytes.extend([0; 4]);
        bytes.extend(&self.question);
        // The owner of each record: first the question's name, by reference, then what it stands for.
        let mut owner = vec![0xc0, 12];
        for record in records {
            bytes.extend(&owner);
            let (kind, data) = match record {
                Record::Address(IpAddr::V4(addr)) => (A, addr.octets().to_vec()),
                Record::Address(IpAddr::V6(addr)) => (AAAA, addr.octets().to_vec()),
                Record::Alias(name) => (CNAME, encode(name)),
            };
            bytes.extend(kind.to_be_bytes());
            bytes.extend([0, 1]);
            bytes.extend(60u32.to_be_bytes());
            bytes.extend(u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
            bytes.extend(&data);
            if kind == CNAME {
                owner = data;
            }
        }
        bytes
    }
}

/// A name as labels.
fn encode(name: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.split('.').filter(|l| !l.is_empty()) {
        let label = label.as_bytes().get(..label.len().min(63)).unwrap_or_default();
        bytes.push(u8::try_from(label.len()).unwrap_or(0));
        bytes.extend(label);
    }
    bytes.push(0);
    bytes
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A question as a stub resolver sends it.
    pub(crate) fn ask(name: &str, kind: u16) -> Vec<u8> {
        let mut bytes = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        bytes.extend(encode(name));
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1]);
        bytes
    }

    #[test]
    fn a_question_is_read_and_repeated_in_the_answer() {
        let query = parse(&ask("API.example", A)).unwrap();
        assert_eq!((query.name.as_str(), query.kind), ("api.example", A));
        let answer = query.answer(NXDOMAIN, &[]);
        assert_eq!(answer[..12], [0xab, 0xcd, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(answer[12..], ask("API.example", A)[12..]);
    }

    #[test]
    fn records_after_an_alias_belong_to_what_it_stands_for() {
        let query = parse(&ask("a.example", A)).unwrap();
        let records = [Record::Alias("b.example".to_owned()), Record::Address([192, 0, 2, 7].into())];
        let answer = query.answer(0, &records);
        let b = encode("b.example");
        let alias = [&[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 11][..], &b].concat();
        let address = [&b[..], &[0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]].concat();
        assert!(answer.ends_with(&[alias, address].concat()));
        assert_eq!(answer[7], 2);
    }

    #[test]
    fn what_is_no_question_is_passed_over() {
        for bytes in [
            &b""[..],
            b"\xab\xcd\x81\0\0\x01\0\0\0\0\0\0\0\0\x01\0\x01",
            b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\0\x3fab",
        ] {
            assert_eq!(parse(bytes), None, "{bytes:?}");
        }
        assert_eq!(parse(&ask("a.example", A)).unwrap().truncated()[2], 0x83);
    }
}
