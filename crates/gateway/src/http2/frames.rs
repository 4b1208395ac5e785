//! The frames that a caller sends, followed from head to head.
//!
//! h2 ends a connection as it must, and yet calls everything that it cannot parse PROTOCOL_ERROR. RFC 9113 demands a more exact
//! word where a frame has a size that it cannot have (section 4.2), where a window is beyond its bound (section 6.5.2),
//! where fields cannot be decoded (section 4.3, `block.rs`), and where a stream goes on behind its end (section 5.1): who reads it
//! then knows what is wrong with its own side.

use std::collections::VecDeque;

use super::block::Table;

/// The bytes before the first frame (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// A head: length, type, flags, stream.
const HEAD: usize = 9;
/// One setting: its number and its value.
const SETTING: usize = 6;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 32;
/// The largest frame that h2 takes, and the largest block that is looked at, bytes.
const FRAME_MAX: usize = 16_384;
const BLOCK_MAX: usize = 64 << 10;
const INITIAL_WINDOW: u16 = 4;
const WINDOW_MAX: u32 = 0x7fff_ffff;
/// So many streams that ended last are remembered; of those before them h2 has its own word.
const ENDED_MAX: usize = 32;
/// The bits of a stream's number; the one before them is reserved.
const STREAM: u32 = 0x7fff_ffff;

/// Why a connection ends (RFC 9113, section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// `PROTOCOL_ERROR`.
    Protocol = 1,
    /// `FLOW_CONTROL_ERROR`.
    Window = 3,
    /// `STREAM_CLOSED`.
    Closed = 5,
    /// `FRAME_SIZE_ERROR`.
    Size = 6,
    /// `COMPRESSION_ERROR`.
    Compression = 9,
    /// `ENHANCE_YOUR_CALM`.
    Calm = 11,
}

impl Why {
    /// The last words of a connection: GOAWAY (RFC 9113, section 6.8). Any stream may have been begun with.
    pub(crate) const fn goaway(self) -> [u8; 17] {
        [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, self as u8]
    }
}

/// The frames so far.
#[derive(Debug)]
pub(crate) struct Frames {
    /// A head or a setting that comes in pieces.
    part: [u8; HEAD],
    have: usize,
    at: At,
    fields: Fields,
    ended: Ended,
}

/// The streams that the caller has ended, the last ones of them.
#[derive(Debug, Default)]
struct Ended(VecDeque<(u32, By)>);

/// What a caller ended a stream with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// `END_STREAM`: what it had to say was said.
    End,
    /// `RST_STREAM`.
    Reset,
}

/// The fields of requests.
#[derive(Debug, Default)]
struct Fields {
    /// The content of a frame, then its block.
    frame: Vec<u8>,
    block: Vec<u8>,
    table: Table,
    /// The last stream that was opened.
    stream: u32,
    is_trailers: bool,
    /// The block goes on in the next frame.
    is_open: bool,
    /// Something was left out, so that the table is not known any more; h2 judges alone.
    is_lost: bool,
}

/// A frame with fields.
#[derive(Debug, Clone, Copy)]
struct Part {
    kind: u8,
    flags: u8,
    stream: u32,
}

#[derive(Debug, Clone, Copy)]
enum At {
    /// So many bytes are of no interest.
    Skip(usize),
    Head,
    /// So many bytes of settings.
    Settings(usize),
    /// So many bytes of fields.
    Fields(Part, usize),
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self {
            part: [0; HEAD],
            have: 0,
            at: At::Skip(PREFACE),
            fields: Fields::default(),
            ended: Ended::default(),
        }
    }

    /// Takes the next bytes. What is wrong, and behind how many of them, where something is.
    pub(crate) fn follow(&mut self, bytes: &[u8]) -> Result<(), (usize, Why)> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let from = bytes.len() - rest.len();
            match self.at {
                At::Skip(left) => {
                    let n = left.min(rest.len());
                    rest = rest.get(n..).unwrap_or_default();
                    self.at = if n == left { At::Head } else { At::Skip(left - n) };
                }
                At::Head => {
                    if let Some(head) = self.whole::<HEAD>(&mut rest) {
                        self.at = begun(head).map_err(|why| (from, why))?;
                        self.ended.saw(head).map_err(|why| (from, why))?;
                        if let At::Fields(part, 0) = self.at {
                            self.at = At::Head;
                            self.fields.take(part).map_err(|why| (from, why))?;
                        }
                    }
                }
                At::Fields(part, left) => {
                    let n = left.min(rest.len());
                    self.fields.frame.extend_from_slice(rest.get(..n).unwrap_or_default());
                    rest = rest.get(n..).unwrap_or_default();
                    self.at = if n == left { At::Head } else { At::Fields(part, left - n) };
                    if n == left {
                        self.fields.take(part).map_err(|why| (from, why))?;
                    }
                }
                At::Settings(left) => {
                    if let Some(setting) = self.whole::<SETTING>(&mut rest) {
                        check(setting).map_err(|why| (from, why))?;
                        self.at = if left > SETTING { At::Settings(left - SETTING) } else { At::Head };
                    }
                }
            }
        }
        Ok(())
    }

    /// The next so many bytes, once they are there.
    fn whole<const N: usize>(&mut self, rest: &mut &[u8]) -> Option<[u8; N]> {
        while self.have < N {
            let (byte, more) = rest.split_first()?;
            *self.part.get_mut(self.have)? = *byte;
            self.have += 1;
            *rest = more;
        }
        self.have = 0;
        self.part.first_chunk().copied()
    }
}

/// What follows a head.
fn begun(head: [u8; HEAD]) -> Result<At, Why> {
    let [a, b, c, kind, flags, stream @ ..] = head;
    let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
    let fits = match kind {
        // PRIORITY, RST_STREAM, PING, GOAWAY, WINDOW_UPDATE (RFC 9113, sections 6.3 to 6.9).
        2 => length == 5,
        3 | 8 => length == 4,
        6 => length == 8,
        7 => length >= 8,
        SETTINGS if flags & ACK != 0 => length == 0,
        SETTINGS => length % SETTING == 0,
        _ => true,
    };
    if !fits {
        return Err(Why::Size);
    }
    Ok(match kind {
        HEADERS | CONTINUATION if length <= FRAME_MAX => {
            At::Fields(Part { kind, flags, stream: u32::from_be_bytes(stream) & STREAM }, length)
        }
        _ if length == 0 => At::Head,
        SETTINGS => At::Settings(length),
        _ => At::Skip(length),
    })
}

impl Ended {
    /// Takes the head of a frame.
    ///
    /// # Errors
    ///
    /// One with a request, or a part of it, on a stream that has ended. That is an error of the stream, which may end with its
    /// connection (RFC 9113, sections 5.1 and 5.4.2). Data behind a reset h2 refuses by itself, with the right word.
    fn saw(&mut self, [_, _, _, kind, flags, stream @ ..]: [u8; HEAD]) -> Result<(), Why> {
        if !matches!(kind, DATA | HEADERS | RST_STREAM) {
            return Ok(());
        }
        let stream = u32::from_be_bytes(stream) & STREAM;
        let ended = self.0.iter().rfind(|(ended, _)| *ended == stream).map(|(_, by)| *by);
        match (kind, ended) {
            (HEADERS, Some(_)) | (DATA, Some(By::End)) => return Err(Why::Closed),
            (RST_STREAM, None) => self.push(stream, By::Reset),
            (DATA | HEADERS, None) if flags & END_STREAM != 0 => self.push(stream, By::End),
            _ => {}
        }
        Ok(())
    }

    fn push(&mut self, stream: u32, by: By) {
        if self.0.len() == ENDED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((stream, by));
    }
}

impl Fields {
    /// Takes a frame whose content is there.
    fn take(&mut self, part: Part) -> Result<(), Why> {
        let frame = std::mem::take(&mut self.frame);
        let taken = self.append(part, &frame);
        self.frame = frame;
        self.frame.clear();
        if taken.is_none() {
            // That is h2's to judge, and it ends the connection.
            self.is_lost = true;
        }
        if self.is_lost || self.is_open {
            return Ok(());
        }
        let whole = self.table.take(&self.block, self.is_trailers);
        self.block.clear();
        whole
    }

    /// Puts the fields of a frame behind those of the frames before it; `None` where it may not come now or is broken.
    fn append(&mut self, part: Part, frame: &[u8]) -> Option<()> {
        if self.is_open != (part.kind == CONTINUATION) {
            return None;
        }
        let mut fields = frame;
        if part.kind == HEADERS {
            fields = unpadded(part.flags, frame)?;
            self.is_trailers = part.stream <= self.stream;
            self.stream = self.stream.max(part.stream);
        }
        self.is_open = part.flags & END_HEADERS == 0;
        if self.block.len() + fields.len() > BLOCK_MAX {
            self.block = Vec::new();
            return None;
        }
        self.block.extend_from_slice(fields);
        Some(())
    }
}

/// The fields of a frame of HEADERS, without what stands before and behind them (RFC 9113, section 6.2).
fn unpadded(flags: u8, frame: &[u8]) -> Option<&[u8]> {
    let (padding, rest) = if flags & PADDED == 0 {
        (0, frame)
    } else {
        let (length, rest) = frame.split_first()?;
        (usize::from(*length), rest)
    };
    let rest = if flags & WITH_PRIORITY == 0 { rest } else { rest.get(5..)? };
    rest.get(..rest.len().checked_sub(padding)?)
}

fn check(setting: [u8; SETTING]) -> Result<(), Why> {
    let [a, b, value @ ..] = setting;
    let is_window = u16::from_be_bytes([a, b]) == INITIAL_WINDOW;
    if is_window && u32::from_be_bytes(value) > WINDOW_MAX { Err(Why::Window) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, 1][..], content].concat()
    }

    /// The same outcome in any pieces; what is wrong is never behind what was passed on.
    fn follow(frames: &[Vec<u8>]) -> Result<(), (usize, Why)> {
        let bytes = [vec![0; PREFACE], frames.concat()].concat();
        let whole = Frames::new().follow(&bytes);
        for size in [1, 2, 5, 9, 10, 30] {
            let (mut frames, mut at, mut came) = (Frames::new(), 0, Ok(()));
            for piece in bytes.chunks(size) {
                if let Err((n, why)) = frames.follow(piece) {
                    came = Err((at + n, why));
                    break;
                }
                at += piece.len();
            }
            assert_eq!(came.map_err(|(_, why)| why), whole.map_err(|(_, why)| why), "{size}");
        }
        whole
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
        let cut = [
            headers(3, 0, b"\x82\x40\x01"),
            frame(CONTINUATION, 0, b"a"),
            frame(CONTINUATION, END_HEADERS, b"\x01b"),
        ];
        let padded = headers(5, END_HEADERS | PADDED | WITH_PRIORITY, b"\x02\0\0\0\0\x0f\xbe\xbf\0\0");
        let trailers = headers(5, END_HEADERS | 1, b"\x00\x01x\x01y");
        let all = [vec![whole], cut.to_vec(), vec![padded, trailers]].concat();
        assert_eq!(follow(&all), Ok(()));
        for (wrong, why) in [
            (headers(7, END_HEADERS, b"\xc0"), Why::Compression),
            (headers(7, END_HEADERS, b"\x80"), Why::Compression),
            ([headers(7, 0, b"\x82"), frame(CONTINUATION, END_HEADERS, b"\x40")].concat(), Why::Compression),
            (headers(3, END_HEADERS | 1, b"\x82"), Why::Protocol),
        ] {
            let came = follow(&[all.concat(), wrong.clone()]);
            assert_eq!(came.map_err(|(_, why)| why), Err(why), "{wrong:x?}");
        }
        // What h2 ends the connection for is its own.
        for left in [
            [headers(7, 0, b"\x82"), headers(9, END_HEADERS, b"\x80")].concat(),
            frame(CONTINUATION, END_HEADERS, b"\x80"),
            headers(7, END_HEADERS | PADDED, b"\x09\x80"),
            [
                headers(7, 0, b"\x82"),
                frame(CONTINUATION, 0, &[0x82; 250]).repeat(300),
                frame(CONTINUATION, END_HEADERS, b"\x80"),
            ]
            .concat(),
        ] {
            assert_eq!(follow(&[all.concat(), left, headers(11, END_HEADERS, b"\x80")]), Ok(()));
        }
    }

    #[test]
    fn a_stream_that_has_ended_does_not_go_on() {
        let on = |stream: u8, kind, flags, content: &[u8]| {
            let mut made = frame(kind, flags, content);
            made[8] = stream;
            made
        };
        let (head, data, reset) = (
            |s, f| on(s, HEADERS, END_HEADERS | f, &[]),
            |s, f| on(s, DATA, f, b"x"),
            |s| on(s, 3, 0, &[0; 4]),
        );
        for (fine, wrong) in [
            (vec![head(1, END_STREAM), reset(1), on(1, 8, 0, &[0, 0, 0, 1])], data(1, END_STREAM)),
            (vec![head(1, 0), data(1, 0), data(1, END_STREAM)], data(1, 0)),
            (vec![head(1, 0), data(1, 0), head(1, END_STREAM)], head(1, END_STREAM)),
            (vec![head(1, 0), reset(1), data(1, 0), data(1, END_STREAM)], head(1, END_STREAM)),
            ((0..40).map(|n| head(2 * n + 1, END_STREAM)).collect(), head(79, 0)),
        ] {
            assert_eq!(follow(&fine), Ok(()));
            let before = PREFACE + fine.concat().len();
            assert_eq!(follow(&[fine.concat(), wrong]).map_err(|(_, why)| why), Err(Why::Closed), "{before}");
        }
        let mut many = Ended::default();
        for stream in 0..10_000_u32 {
            let [a, b, c, d] = (2 * stream + 1).to_be_bytes();
            assert_eq!(many.saw([0, 0, 0, HEADERS, END_STREAM, a, b, c, d]), Ok(()));
        }
        assert_eq!(many.0.len(), ENDED_MAX);
    }

    #[test]
    fn the_last_words_are_a_frame() {
        let said = Why::Calm.goaway();
        assert_eq!(said[..9], [0, 0, 8, 7, 0, 0, 0, 0, 0]);
        assert_eq!((said.len(), said[16]), (17, 11));
    }
}
