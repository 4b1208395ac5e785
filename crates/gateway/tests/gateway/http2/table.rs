//! Requests that are well among malformed ones, on the same connection and with the same table of fields: each comes of what it is.

use std::collections::BTreeMap;

use super::both::{Api, api};
use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GET, GOAWAY, HEADERS, PADDED, RST_STREAM, WITH_PRIORITY,
    Wire, frame,
};
use super::hpack::{Chance, Coder};
use crate::common::serve;

type Field = (Vec<u8>, Vec<u8>);

/// What a stream is to come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Answer,
    Reset(u32),
}

const MALFORMED: End = End::Reset(1);
const CLOSED: End = End::Reset(5);

/// One connection: what its caller says, and what it expects.
struct Caller {
    chance: Chance,
    coder: Coder,
    stream: u32,
    /// The fields of requests that are well, as the upstream must see them.
    sent: BTreeMap<String, Vec<Field>>,
    expected: BTreeMap<u32, End>,
    answered: Vec<u32>,
}

impl Caller {
    fn new(seed: u64) -> Self {
        let (sent, expected) = (BTreeMap::new(), BTreeMap::new());
        Self {
            chance: Chance(seed),
            coder: Coder::default(),
            stream: 1,
            sent,
            expected,
            answered: Vec::new(),
        }
    }

    /// Fields that any request may have.
    fn own(&mut self) -> Vec<Field> {
        (0..self.chance.below(5))
            .map(|_| {
                let name = format!("x-{}", self.chance.below(4));
                let value = ["", "a", "some text", "0123456789"][self.chance.below(4)];
                let times = [1, 1, 1, 20, 300][self.chance.below(5)];
                (name.into_bytes(), value.repeat(times).trim().as_bytes().to_vec())
            })
            .collect()
    }

    fn request(&mut self, more: Vec<Field>) -> Vec<Field> {
        let nth = format!("{}", self.stream);
        let key =
            [(b"x-api-key".to_vec(), b"sk-ant-fake-own".to_vec()), (b"x-nth".to_vec(), nth.into_bytes())];
        let head = GET.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        head.into_iter().chain(key).chain(more).collect()
    }

    /// Breaks a request.
    fn malform(&mut self, fields: &mut Vec<Field>) {
        let bad: [(&[u8], &[u8]); 9] = [
            (b"X-0", b"a"),
            (b"x-0", b"a\nb"),
            (b"x-1", b"\n"),
            (b"", b"a"),
            (b"", b""),
            (b"connection", b"close"),
            (b"te", b"a"),
            (b":path", b"/\xff"),
            (b"x 0", b"some text"),
        ];
        match self.chance.below(12) {
            9 => drop(fields.remove(2)),
            10 => fields[0].1 = b"G T".to_vec(),
            11 => fields[2].1 = b"/\xff".to_vec(),
            nth => {
                let (name, value) = bad[nth];
                let at = 4 + self.chance.below(fields.len() - 3);
                fields.insert(at, (name.to_vec(), value.to_vec()));
            }
        }
    }

    /// The frames of a request or of what is none.
    fn next(&mut self) -> Vec<u8> {
        let over = self.answered.pop().filter(|_| self.chance.one_in(2));
        self.stream += 2;
        let own = self.own();
        let mut fields = self.request(own.clone());
        let is_well = self.chance.one_in(2) && over.is_none();
        if let Some(stream) = over {
            self.expected.insert(stream, CLOSED);
        } else if is_well {
            self.sent.insert(self.stream.to_string(), own);
            self.expected.insert(self.stream, End::Answer);
        } else {
            self.malform(&mut fields);
            self.expected.insert(self.stream, MALFORMED);
        }
        let mut block = Vec::new();
        if self.chance.one_in(5) {
            self.coder.resize(&mut self.chance, &mut block);
        }
        for (name, value) in &fields {
            self.coder.field((name, value), &mut self.chance, &mut block);
        }
        self.frames(over.unwrap_or(self.stream), &block)
    }

    /// A block in up to four frames.
    fn frames(&mut self, stream: u32, block: &[u8]) -> Vec<u8> {
        let mut flags = END_STREAM;
        let (mut before, mut behind) = (Vec::new(), Vec::new());
        if self.chance.one_in(4) {
            let padding = self.chance.below(9);
            (before, behind) = (vec![u8::try_from(padding).unwrap()], vec![0; padding]);
            flags |= PADDED;
        }
        if self.chance.one_in(4) {
            before.extend([0, 0, 0, 0, 15]);
            flags |= WITH_PRIORITY;
        }
        let mut rest = block;
        let mut out = Vec::new();
        for nth in 0.. {
            let is_last = nth == 3 || self.chance.one_in(2);
            let (part, behind_it) =
                rest.split_at(if is_last { rest.len() } else { self.chance.below(rest.len() + 1) });
            rest = behind_it;
            let end = if is_last { END_HEADERS } else { 0 };
            if nth == 0 {
                let content = [&before, part, &behind].concat();
                out.extend(frame(HEADERS, flags | end, stream, &content));
            } else {
                out.extend(frame(CONTINUATION, end, stream, part));
            }
            if is_last {
                break;
            }
        }
        out
    }

    /// Waits until each stream has come to what it must come to, and nothing else.
    async fn wait(&mut self, wire: &mut Wire, seed: u64) {
        let mut left = std::mem::take(&mut self.expected);
        while !left.is_empty() {
            let frame = wire.next().await.unwrap_or_else(|| panic!("seed {seed}: over before {left:?}"));
            assert_ne!(frame.kind, GOAWAY, "seed {seed}: {} before {left:?}", frame.code());
            if frame.kind == HEADERS {
                assert_eq!(frame.content[0], 0x88, "seed {seed}: the status of {} is 200", frame.stream);
            }
            let ends = matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM > 0;
            let came = match frame.kind {
                RST_STREAM => Some(End::Reset(frame.code())),
                _ => ends.then_some(End::Answer),
            };
            if let (Some(came), Some(expected)) = (came, left.remove(&frame.stream)) {
                assert_eq!(came, expected, "seed {seed}: stream {}", frame.stream);
                if came == End::Answer {
                    self.answered.push(frame.stream);
                }
            }
        }
    }

    /// What the upstream saw is what was sent.
    async fn compare(self, api: &mut Api, seed: u64) {
        for _ in 0..self.sent.len() {
            let got = api.got.try_recv().unwrap();
            let sent = &self.sent[got.headers["x-nth"].to_str().unwrap()];
            for n in 0..4 {
                let name = format!("x-{n}");
                let of_sent = sent.iter().filter(|(sent, _)| *sent == name.as_bytes());
                let of_sent: Vec<&[u8]> = of_sent.map(|(_, value)| &value[..]).collect();
                let of_got: Vec<&[u8]> = got.headers.get_all(&name).iter().map(|v| v.as_bytes()).collect();
                assert_eq!(of_got, of_sent, "seed {seed}: {name}");
            }
        }
        assert!(api.got.try_recv().is_err(), "seed {seed}: nothing else went on");
    }
}

#[tokio::test]
async fn requests_that_are_well_go_on_unchanged_among_malformed_ones() {
    for seed in 0..60 {
        let mut api = api(false).await;
        let served = serve(&api.url, &[], |_| ()).await;
        let mut caller = Caller::new(seed);
        let mut wire = Wire::ready(served.addr).await;
        for _ in 0..12 {
            let count = 1 + caller.chance.below(8);
            let bytes: Vec<u8> = (0..count).flat_map(|_| caller.next()).collect();
            let (first, rest) = bytes.split_at(caller.chance.below(bytes.len()));
            wire.send(first).await;
            tokio::task::yield_now().await;
            wire.send(rest).await;
            caller.wait(&mut wire, seed).await;
        }
        assert!(caller.sent.len() > 5, "seed {seed}: something was well");
        drop(wire);
        caller.compare(&mut api, seed).await;
        served.finish().await;
    }
}
