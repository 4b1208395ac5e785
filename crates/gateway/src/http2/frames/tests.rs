//! What h2 gets to read, in any pieces.

use super::*;
use crate::fuzz::followed;

/// What passes, and what is wrong behind it.
fn read(bytes: &[u8], step: usize) -> (Vec<u8>, Option<Why>) {
    let (passed, _said, why) = followed(bytes, step);
    (passed, why)
}

fn frame(kind: u8, flags: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, 1][..], content].concat()
}

/// The same outcome in any pieces; what is wrong is never behind what was passed on.
fn follow(frames: &[Vec<u8>]) -> Result<(), (usize, Why)> {
    let bytes = [vec![0; PREFACE], frames.concat()].concat();
    let (passed, whole) = read(&bytes, bytes.len());
    for size in [1, 2, 5, 9, 10, 30] {
        assert_eq!(read(&bytes, size), (passed.clone(), whole), "{size}");
    }
    whole.map_or(Ok(()), |why| Err((passed.len(), why)))
}

#[test]
fn frames_have_the_sizes_that_they_can_have() {
    let fine = [
        frame(4, 0, &[]),
        frame(4, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff, 0, 3, 0xff, 0xff, 0xff, 0xff]),
        frame(4, 1, &[]),
        frame(0, 0, &[9; 100]),
        frame(1, 4, &[0x82; 30]),
        frame(2, 0, &[0; 5]),
        frame(3, 0, &[0; 4]),
        frame(6, 0, &[0; 8]),
        frame(7, 0, &[0; 30]),
        frame(8, 0, &[0; 4]),
        frame(0x16, 0, &[0; 3]),
    ];
    assert_eq!(follow(&fine), Ok(()));
    let before = PREFACE + fine.concat().len();
    for (wrong, why) in [
        (frame(2, 0, &[0; 4]), Why::Size),
        (frame(3, 0, &[0; 3]), Why::Size),
        (frame(4, 0, &[0; 5]), Why::Size),
        (frame(4, 1, &[0; 6]), Why::Size),
        (frame(6, 0, &[0; 6]), Why::Size),
        (frame(7, 0, &[0; 7]), Why::Size),
        (frame(8, 0, &[0; 3]), Why::Size),
    ] {
        assert_eq!(follow(&[fine.concat(), wrong.clone(), wrong]), Err((before, why)));
    }
    let window = frame(4, 0, &[0, 3, 0, 0, 0, 1, 0, 4, 0x80, 0, 0, 0]);
    assert_eq!(follow(&[window]), Err((PREFACE + HEAD + SETTING, Why::Window)));
}

fn headers(stream: u8, flags: u8, content: &[u8]) -> Vec<u8> {
    let mut made = frame(HEADERS, flags, content);
    made[8] = stream;
    made
}

#[test]
fn fields_are_followed_from_frame_to_frame() {
    let whole = headers(1, END_HEADERS, b"\x82\x40\x01a\x01b");
    let more = |stream: u8, flags, content: &[u8]| {
        let mut made = frame(CONTINUATION, flags, content);
        made[8] = stream;
        made
    };
    let cut = [headers(3, 0, b"\x82\x40\x01"), more(3, 0, b"a"), more(3, END_HEADERS, b"\x01b")];
    let padded = headers(5, END_HEADERS | PADDED | WITH_PRIORITY, b"\x02\0\0\0\0\x0f\xbe\xbf\0\0");
    let trailers = headers(5, END_HEADERS | 1, b"\x00\x01x\x01y");
    let all = [vec![whole], cut.to_vec(), vec![padded, trailers]].concat();
    assert_eq!(follow(&all), Ok(()));
    for (wrong, why) in [
        (headers(7, END_HEADERS, b"\xc0"), Why::Compression),
        (headers(7, END_HEADERS, b"\x80"), Why::Compression),
        ([headers(7, 0, b"\x82"), more(7, END_HEADERS, b"\x40")].concat(), Why::Compression),
        // A stream that was not opened, and never will be.
        (headers(4, END_HEADERS | 1, b"\x82"), Why::Protocol),
    ] {
        let came = follow(&[all.concat(), wrong.clone()]);
        assert_eq!(came.map_err(|(_, why)| why), Err(why), "{wrong:x?}");
    }
    // What h2 ends the connection for is its own.
    for left in [
        [headers(7, 0, b"\x82"), headers(9, END_HEADERS, b"\x80")].concat(),
        frame(CONTINUATION, END_HEADERS, b"\x80"),
        headers(7, END_HEADERS | PADDED, b"\x09\x80"),
        [headers(7, 0, b"\x82"), more(7, 0, &[0x82; 250]).repeat(300), more(7, END_HEADERS, b"\x80")]
            .concat(),
    ] {
        assert_eq!(follow(&[all.concat(), left, headers(11, END_HEADERS, b"\x80")]), Ok(()));
    }
}

/// In any pieces.
fn passes(frames: &[Vec<u8>]) -> Vec<u8> {
    let bytes = [vec![0; PREFACE], frames.concat()].concat();
    let (passed, why) = read(&bytes, bytes.len());
    for size in 1..40 {
        assert_eq!(read(&bytes, size), (passed.clone(), why), "{size}");
    }
    assert_eq!(why, None);
    passed[PREFACE..].to_vec()
}

#[test]
fn what_is_wrong_with_a_stream_alone_is_given_to_h2_as_that() {
    let malformed = b"\x10\x02te\x01x";
    let bad = |flags| headers(1, flags, b"\x82\x40\x01A\x01b");
    let mended = headers(1, END_HEADERS | END_STREAM, &[b"\x82\x40\x01x\x01x", &malformed[..]].concat());
    let (before, behind) = (frame(6, 0, &[1; 8]), headers(3, END_HEADERS | END_STREAM, b"\x82"));
    let all = |middle: &[u8]| [&before, middle, &behind].concat();
    assert_eq!(
        passes(&[before.clone(), bad(END_HEADERS | END_STREAM), behind.clone()]),
        all(&mended),
        "in one frame"
    );
    let parts = [
        headers(1, PADDED | END_STREAM, b"\x02\x82\x40\0\0"),
        frame(CONTINUATION, 0, b""),
        frame(CONTINUATION, END_HEADERS, b"\x01A\x01b"),
    ];
    assert_eq!(passes(&[before.clone(), parts.concat(), behind.clone()]), all(&mended), "in several");
    // Its stream is that of the frame.
    let of_itself = headers(1, END_HEADERS | END_STREAM | WITH_PRIORITY, b"\0\0\0\x01\x0f\x82");
    let instead = headers(1, END_HEADERS | END_STREAM, &[b"\x82", &malformed[..]].concat());
    assert_eq!(passes(&[before.clone(), of_itself, behind.clone()]), all(&instead));
    let (open, nothing) = (headers(1, END_HEADERS, b"\x82"), frame(8, 0, &[0; 4]));
    let reset = [0, 0, 5, PRIORITY, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0];
    assert_eq!(passes(&[open.clone(), nothing.clone()]), [&open[..], &reset].concat());
    assert_eq!(passes(std::slice::from_ref(&nothing)), nothing, "a stream that is idle");
    let well = frame(8, 0, &[0, 0, 0, 1]);
    assert_eq!(passes(&[open.clone(), well.clone()]), [open.clone(), well].concat());
    // Trailers that are a head.
    let trailers = headers(1, END_HEADERS | END_STREAM, b"\x82");
    assert_eq!(passes(&[open.clone(), trailers]), [open, instead].concat());
}

#[test]
fn what_is_held_back_has_a_bound() {
    let part = frame(CONTINUATION, 0, &[0x82; 200]);
    let (mut frames, mut held) = (Frames::new(), 0);
    frames.follow(&[&[0; PREFACE][..], &headers(1, 0, b"\x82")].concat());
    for _ in 0..10_000 {
        frames.follow(&part);
        held = held.max(frames.held.len());
    }
    assert!((1_000..BLOCK_MAX).contains(&held) && frames.held.is_empty(), "{held}");
}

#[test]
fn a_stream_that_has_ended_does_not_go_on() {
    let on = |stream: u8, kind, flags, content: &[u8]| headers_of(kind, flags, stream, content);
    let (head, data, reset) =
        (|s, f| on(s, HEADERS, END_HEADERS | f, &[]), |s, f| on(s, DATA, f, b"x"), |s| on(s, 3, 0, &[0; 4]));
    let cancel = on(1, RST_STREAM, 0, &[0, 0, 0, 8]);
    let malformed = |s, f| on(s, HEADERS, END_HEADERS | f, b"\x10\x02te\x01x");
    let told = |s| on(s, RST_STREAM, 0, &[0, 0, 0, 5]);
    let window = on(0, WINDOW_UPDATE, 0, &[0, 0, 0, 1]);
    for (fine, wrong, passes, said) in [
        (vec![head(1, END_STREAM)], data(1, END_STREAM), cancel.clone(), [told(1), window.clone()].concat()),
        (vec![head(1, END_STREAM), reset(1)], data(1, 0), Vec::new(), [told(1), window.clone()].concat()),
        (
            vec![head(1, 0), data(1, END_STREAM)],
            data(1, 0),
            cancel.clone(),
            [told(1), window.clone()].concat(),
        ),
        (vec![head(1, 0), reset(1)], data(1, 0), Vec::new(), [told(1), window].concat()),
        (vec![head(1, 0), reset(1)], head(1, END_STREAM), malformed(1, END_STREAM), told(1)),
        (vec![head(1, 0), head(1, END_STREAM)], head(1, 0), [cancel, malformed(1, 0)].concat(), told(1)),
    ] {
        // It goes on behind it.
        let (before, behind) = (fine.concat(), head(5, END_STREAM));
        let bytes = [&[0; PREFACE][..], &before, &wrong, &behind].concat();
        let passed = [&[0; PREFACE][..], &before, &passes, &behind].concat();
        for size in [bytes.len(), 1, 2, 9, 10, 30] {
            assert_eq!(followed(&bytes, size), (passed.clone(), said.clone(), None), "{size}");
        }
    }
    let large = [&[0; PREFACE][..], &head(1, END_STREAM), &[0, 0x40, 1, DATA, 0, 0, 0, 0, 1]].concat();
    assert_eq!(read(&large, large.len()).1, Some(Why::Size));
}

#[test]
fn a_block_is_given_in_as_many_frames_as_it_needs() {
    let head = Head { kind: HEADERS, flags: END_STREAM, stream: 7 };
    for length in [0, 1, FRAME_MAX, FRAME_MAX + 1, 3 * FRAME_MAX] {
        let block: Vec<u8> = (0..=250).cycle().take(length).collect();
        let frames = frames_of(head, &block);
        assert!(matches!(parts(&frames), Whole::Is(n) if n == frames.len()), "{length}");
        assert_eq!(fields_of(&frames, &mut Vec::new()), Some((&block[..], false)));
        assert_eq!(frames.len(), length + HEAD * length.div_ceil(FRAME_MAX).max(1));
    }
}

#[test]
fn the_last_words_are_a_frame() {
    let said = Why::Calm.goaway();
    assert_eq!(said[..9], [0, 0, 8, 7, 0, 0, 0, 0, 0]);
    assert_eq!((said.len(), said[16]), (17, 11));
}

/// Chance from a seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 1).unwrap() % most
    }

    /// One of many, as a byte.
    fn byte(&mut self, most: usize) -> u8 {
        u8::try_from(self.below(most)).unwrap()
    }

    fn of<'a>(&mut self, some: &[&'a [u8]]) -> &'a [u8] {
        some[self.below(some.len())]
    }

    /// Fields that are mostly well.
    fn block(&mut self) -> Vec<u8> {
        let some = [
            &b"\x82"[..],
            b"\x84",
            b"\x40\x01a\x01b",
            b"\x40\x01A\x01b",
            b"\x00\x01c\x02d\n",
            b"\xbe",
            b"\x0f\x2f\x01e",
        ];
        let rare = [&b"\x80"[..], b"\xff", b"\x40\x05a"];
        (0..self.below(5))
            .flat_map(|_| if self.below(40) == 0 { self.of(&rare) } else { self.of(&some) }.to_vec())
            .collect()
    }

    fn frame(&mut self) -> Vec<u8> {
        let kind =
            [DATA, HEADERS, HEADERS, HEADERS, CONTINUATION, RST_STREAM, WINDOW_UPDATE, SETTINGS, PRIORITY, 6]
                [self.below(10)];
        let content = match kind {
            HEADERS | CONTINUATION => self.block(),
            RST_STREAM | WINDOW_UPDATE => vec![0, 0, 0, self.byte(2)],
            SETTINGS => vec![0, 4, 0, 0, 0, self.byte(9)],
            PRIORITY => vec![0, 0, 0, self.byte(9), 15],
            6 => vec![1; 8],
            _ => vec![2; self.below(40)],
        };
        let flags = [0, END_HEADERS, END_HEADERS, END_HEADERS | END_STREAM][self.below(4)];
        headers_of(kind, flags, 2 * self.byte(20) + 1, &content)
    }
}

fn headers_of(kind: u8, flags: u8, stream: u8, content: &[u8]) -> Vec<u8> {
    let mut made = frame(kind, flags, content);
    made[8] = stream;
    made
}

/// Whatever comes: what passes and what is said of it do not depend on the pieces.
#[test]
fn pieces_change_nothing() {
    let (mut mended, mut wrong) = (0, 0);
    for seed in 0..3_000 {
        let mut chance = Chance(seed);
        let count = 1 + chance.below(12);
        let bytes: Vec<u8> =
            std::iter::repeat_n(0, PREFACE).chain((0..count).flat_map(|_| chance.frame())).collect();
        let whole = read(&bytes, bytes.len());
        for size in [1, 3, 10, 17] {
            assert_eq!(read(&bytes, size), whole, "seed {seed}, pieces of {size}");
        }
        mended += usize::from(!bytes.starts_with(&whole.0));
        wrong += usize::from(whole.1.is_some());
    }
    assert!(mended > 300 && wrong > 300 && wrong < 2_900, "all of it is tried: {mended}, {wrong}");
}
