//! The frames that a caller sends, followed from head to head.
//!
//! h2 ends a connection as it must, and yet calls everything that it cannot parse PROTOCOL_ERROR. RFC 9113 demands a more exact
//! word where a frame has a size that it cannot have (section 4.2), where a window is beyond its bound (section 6.5.2),
//! where fields cannot be decoded (section 4.3, `block.rs`): who reads it then knows what is wrong with its own side.
//!
//! And it ends a connection where RFC 9113 wants a stream to end: then h2 is given something for which it resets that stream alone. So
//! it gets the fields of a request only when all of them are there, and in one frame where they fit into one: of a block in several
//! it forgets what was malformed in the first. What goes on behind its end (section 5.1) is told so in its place (`ended.rs`).

use std::collections::VecDeque;

use super::block::{self, Table};
use super::ended::{self, Ended};

/// The bytes before the first frame (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// A head: length, type, flags, stream.
const HEAD: usize = 9;
/// One setting: its number and its value.
const SETTING: usize = 6;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 32;
/// The largest frame that h2 takes, and the largest block that is looked at, bytes.
const FRAME_MAX: usize = 16_384;
const BLOCK_MAX: usize = 64 << 10;
/// The most frames of a block; of one with more h2 judges alone.
const PARTS_MAX: usize = 64;
/// A frame whose content is an increment of a window.
const WINDOW: usize = HEAD + 4;
const INITIAL_WINDOW: u16 = 4;
const WINDOW_MAX: u32 = 0x7fff_ffff;
/// So many that it has not ended.
const OPEN_MAX: usize = 256;
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
    at: At,
    /// The beginning of what is given to h2 when the rest of it is there.
    held: Vec<u8>,
    fields: Fields,
    ended: Ended,
}

/// What h2 may read of what came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// So many bytes of it.
    First(usize),
    /// This in its place.
    Instead(Vec<u8>),
}

/// The fields of requests.
#[derive(Debug, Default)]
struct Fields {
    /// A block that comes in several frames.
    block: Vec<u8>,
    table: Table,
    /// The last stream that was opened.
    stream: u32,
    /// Those that the caller has not ended, the last ones of them.
    open: VecDeque<u32>,
    /// Something was left out, so that the table is not known any more; h2 judges alone.
    is_lost: bool,
}

#[derive(Debug, Clone, Copy)]
enum At {
    /// So many bytes are of no interest.
    Skip(usize),
    /// So many bytes do not pass.
    Drop(usize),
    Head,
    /// So many bytes of settings.
    Settings(usize),
}

/// What is at the beginning of some bytes.
enum Whole {
    /// Its beginning alone.
    Not,
    /// Something else.
    Never,
    /// It, so many bytes.
    Is(usize),
}

/// What h2 gets: bytes as they came, and others in the place of some.
struct Out<'a> {
    came: &'a [u8],
    /// So many of them were looked at and pass.
    at: usize,
    /// So many of them are in what is made.
    copied: usize,
    made: Vec<u8>,
}

impl<'a> Out<'a> {
    const fn new(came: &'a [u8]) -> Self {
        Self { came, at: 0, copied: 0, made: Vec::new() }
    }

    fn rest(&self) -> &'a [u8] {
        self.came.get(self.at..).unwrap_or_default()
    }

    /// The next so many bytes pass as they are.
    fn pass(&mut self, n: usize) {
        self.at += n;
    }

    /// This passes in the place of the next so many bytes.
    fn replace(&mut self, n: usize, other: &[u8]) {
        self.copy();
        self.made.extend_from_slice(other);
        self.at += n;
        self.copied = self.at;
    }

    fn copy(&mut self) {
        self.made.extend_from_slice(self.came.get(self.copied..self.at).unwrap_or_default());
        self.copied = self.at;
    }

    /// All that passes, where it is not what just came.
    fn end(mut self, is_just_come: bool) -> Passed {
        if self.copied == 0 && is_just_come {
            return Passed::First(self.at);
        }
        self.copy();
        Passed::Instead(self.made)
    }
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self { at: At::Skip(PREFACE), held: Vec::new(), fields: Fields::default(), ended: Ended::default() }
    }

    /// Takes the next bytes. What of them h2 may read, and what is wrong behind that, where something is.
    pub(crate) fn follow(&mut self, bytes: &[u8]) -> (Passed, Option<Why>) {
        if self.held.is_empty() {
            let mut out = Out::new(bytes);
            let wrong = self.read(&mut out).err();
            self.held.extend_from_slice(out.rest());
            return (out.end(true), wrong);
        }
        let mut came = std::mem::take(&mut self.held);
        came.extend_from_slice(bytes);
        let mut out = Out::new(&came);
        let wrong = self.read(&mut out).err();
        let left = out.at;
        let passed = out.end(false);
        came.drain(..left);
        self.held = came;
        (passed, wrong)
    }

    /// The frames that the caller is to get beside those of h2, since this was asked last.
    pub(crate) fn say(&mut self) -> Vec<u8> {
        self.ended.say()
    }

    /// Reads as far as there is something that can be judged.
    fn read(&mut self, out: &mut Out<'_>) -> Result<(), Why> {
        while !out.rest().is_empty() {
            match self.at {
                At::Skip(left) => {
                    let n = left.min(out.rest().len());
                    out.pass(n);
                    self.at = if n == left { At::Head } else { At::Skip(left - n) };
                }
                At::Drop(left) => {
                    let n = left.min(out.rest().len());
                    out.replace(n, &[]);
                    self.at = if n == left { At::Head } else { At::Drop(left - n) };
                }
                At::Settings(left) => {
                    let Some(setting) = out.rest().first_chunk::<SETTING>() else { break };
                    check(*setting)?;
                    out.pass(SETTING);
                    self.at = if left > SETTING { At::Settings(left - SETTING) } else { At::Head };
                }
                At::Head => {
                    if !self.frame(out)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes the next frame, or its head where its content is of no interest; `false` where too little of it is there.
    fn frame(&mut self, out: &mut Out<'_>) -> Result<bool, Why> {
        let Some(bytes) = out.rest().first_chunk::<HEAD>() else { return Ok(false) };
        let (head, next) = (Head::of(*bytes), begun(*bytes)?);
        match head.kind {
            HEADERS if !self.fields.is_lost => match parts(out.rest()) {
                Whole::Not => return Ok(false),
                Whole::Never => self.fields.lose()?,
                Whole::Is(n) => {
                    let frames = out.rest().get(..n).unwrap_or_default();
                    let passed = self.headers(head, frames)?;
                    match passed {
                        None => out.pass(n),
                        Some(instead) => out.replace(n, &instead),
                    }
                    return Ok(true);
                }
            },
            HEADERS if self.is_over(head) => return Err(Why::Closed),
            DATA if self.is_over(head) => {
                let length = length_of(*bytes);
                if length > FRAME_MAX {
                    return Err(Why::Size);
                }
                let reset = self.ended.goes_on(head.stream, length)?;
                out.replace(HEAD, &reset);
                self.at = if length == 0 { At::Head } else { At::Drop(length) };
                return Ok(true);
            }
            // Behind no head: that is h2's to judge, and it ends the connection.
            CONTINUATION => self.fields.lose()?,
            WINDOW_UPDATE => {
                let Some(window) = out.rest().get(..WINDOW) else { return Ok(false) };
                let is_known = self.fields.open.contains(&head.stream)
                    || self.ended.by(head.stream) == Some(ended::By::End);
                if is_known && window.get(HEAD..).is_some_and(|n| n == [0; 4] || n == [0x80, 0, 0, 0]) {
                    out.replace(WINDOW, &of_itself(head.stream));
                } else {
                    out.pass(WINDOW);
                }
                return Ok(true);
            }
            _ => {}
        }
        self.saw(head);
        out.pass(HEAD);
        self.at = next;
        Ok(true)
    }

    /// Takes a whole block. What h2 is to read in its place, if anything.
    fn headers(&mut self, head: Head, frames: &[u8]) -> Result<Option<Vec<u8>>, Why> {
        if self.is_over(head) {
            let mut instead = self.ended.goes_on(head.stream, 0)?;
            instead.extend(self.fields.take_over(head, frames)?);
            return Ok(Some(instead));
        }
        let is_open = self.fields.open.contains(&head.stream);
        self.saw(head);
        self.fields.take((head, is_open), frames)
    }

    /// Whether the caller has ended this stream already.
    fn is_over(&self, head: Head) -> bool {
        let is_new = head.stream > self.fields.stream && !self.fields.is_lost;
        !is_new && !self.fields.open.contains(&head.stream) && self.ended.by(head.stream).is_some()
    }

    fn saw(&mut self, head: Head) {
        let ends = matches!(head.kind, DATA | HEADERS) && head.flags & END_STREAM != 0;
        if ends || head.kind == RST_STREAM {
            self.fields.open.retain(|open| *open != head.stream);
            self.ended.push(head.stream, if ends { ended::By::End } else { ended::By::Reset });
        }
    }
}

/// The head of a frame, without its length.
#[derive(Debug, Clone, Copy)]
struct Head {
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Head {
    fn of([_, _, _, kind, flags, stream @ ..]: [u8; HEAD]) -> Self {
        Self { kind, flags, stream: u32::from_be_bytes(stream) & STREAM }
    }
}

const fn length_of([a, b, c, ..]: [u8; HEAD]) -> usize {
    (a as usize) << 16 | (b as usize) << 8 | c as usize
}

/// How long the frames of a block are that stand at the beginning. Never: a block that is broken, too large or has too many frames.
fn parts(bytes: &[u8]) -> Whole {
    let mut end = 0;
    for nth in 0..PARTS_MAX {
        let Some(head) = bytes.get(end..).and_then(|rest| rest.first_chunk::<HEAD>()) else {
            return Whole::Not;
        };
        let (length, Head { kind, flags, stream }) = (length_of(*head), Head::of(*head));
        let first = bytes.first_chunk::<HEAD>().map(|first| Head::of(*first).stream);
        let goes_on = nth == 0 || (kind == CONTINUATION && first == Some(stream));
        end += HEAD + length;
        if !goes_on || length > FRAME_MAX || end > BLOCK_MAX {
            return Whole::Never;
        }
        if flags & END_HEADERS != 0 {
            return if bytes.len() < end { Whole::Not } else { Whole::Is(end) };
        }
    }
    Whole::Never
}

/// A frame for which h2 resets this stream and nothing else: its priority depends on itself (RFC 7540, section 5.3.1).
fn of_itself(stream: u32) -> [u8; HEAD + 5] {
    let [a, b, c, d] = stream.to_be_bytes();
    [0, 0, 5, PRIORITY, 0, a, b, c, d, a, b, c, d, 0]
}

/// What follows a head.
fn begun(head: [u8; HEAD]) -> Result<At, Why> {
    let (length, Head { kind, flags, .. }) = (length_of(head), Head::of(head));
    let fits = match kind {
        // PRIORITY, RST_STREAM, PING, GOAWAY, WINDOW_UPDATE (RFC 9113, sections 6.3 to 6.9).
        PRIORITY => length == 5,
        RST_STREAM | WINDOW_UPDATE => length == 4,
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
        _ if length == 0 => At::Head,
        SETTINGS => At::Settings(length),
        _ => At::Skip(length),
    })
}

impl Fields {
    /// From now on h2 judges alone. It could not where something of its table was mended.
    fn lose(&mut self) -> Result<(), Why> {
        self.is_lost = true;
        if self.table.is_mended() { Err(Why::Protocol) } else { Ok(()) }
    }

    /// Takes the frames of a block. What h2 is to read in their place, where its request is malformed.
    fn take(&mut self, (head, is_open): (Head, bool), frames: &[u8]) -> Result<Option<Vec<u8>>, Why> {
        let Some((fields, is_of_itself)) = fields_of(frames, &mut self.block) else {
            // That is h2's to judge, and it ends the connection.
            self.lose()?;
            return Ok(None);
        };
        let is_trailers = head.stream <= self.stream;
        let mended = self.table.take(fields, is_trailers)?;
        // h2 would reset that stream and leave the fields unread, which are in the caller's table.
        let mended = mended.or_else(|| is_of_itself.then(|| block::malformed(fields.to_vec())));
        // A new stream behind a larger number, or of an even one, ends the connection (RFC 9113, section 5.1.1).
        if mended.is_some() && (is_trailers && !is_open || head.stream % 2 == 0) {
            return Err(Why::Protocol);
        }
        if !is_trailers {
            self.stream = head.stream;
            if head.flags & END_STREAM == 0 {
                if self.open.len() == OPEN_MAX {
                    self.open.pop_front();
                }
                self.open.push_back(head.stream);
            }
        }
        let is_split = head.flags & END_HEADERS == 0 && fields.len() <= FRAME_MAX;
        let instead =
            mended.or_else(|| is_split.then(|| fields.to_vec())).map(|block| frames_of(head, &block));
        self.block.clear();
        Ok(instead)
    }

    /// Takes the frames of a block behind the end of its stream: what h2 is to read in their place, for its table.
    fn take_over(&mut self, head: Head, frames: &[u8]) -> Result<Vec<u8>, Why> {
        let Some((fields, _)) = fields_of(frames, &mut self.block) else { return Err(Why::Protocol) };
        let mended = self.table.take(fields, true)?.unwrap_or_else(|| block::malformed(fields.to_vec()));
        self.block.clear();
        Ok(frames_of(head, &mended))
    }
}

/// A block without what stands before, between and behind it, and whether its stream depends on itself. One of several frames is put
/// together in `whole`.
fn fields_of<'a>(frames: &'a [u8], whole: &'a mut Vec<u8>) -> Option<(&'a [u8], bool)> {
    let (head, rest) = frames.split_first_chunk::<HEAD>()?;
    let (content, mut rest) = rest.split_at_checked(length_of(*head))?;
    let (fields, is_of_itself) = unpadded(Head::of(*head), content)?;
    if rest.is_empty() {
        return Some((fields, is_of_itself));
    }
    whole.clear();
    whole.extend_from_slice(fields);
    while let Some((head, behind)) = rest.split_first_chunk::<HEAD>() {
        let (content, behind) = behind.split_at_checked(length_of(*head))?;
        whole.extend_from_slice(content);
        rest = behind;
    }
    Some((whole, is_of_itself))
}

/// The fields of a frame of HEADERS, without what stands before and behind them (RFC 9113, section 6.2).
fn unpadded(head: Head, content: &[u8]) -> Option<(&[u8], bool)> {
    let (padding, rest) = if head.flags & PADDED == 0 {
        (0, content)
    } else {
        let (length, rest) = content.split_first()?;
        (usize::from(*length), rest)
    };
    let (on, rest) = if head.flags & WITH_PRIORITY == 0 {
        (None, rest)
    } else {
        let (on, rest) = rest.split_first_chunk::<4>()?;
        (Some(u32::from_be_bytes(*on) & STREAM), rest.get(1..)?)
    };
    Some((rest.get(..rest.len().checked_sub(padding)?)?, on == Some(head.stream)))
}

/// A block in as many frames as it needs.
fn frames_of(head: Head, block: &[u8]) -> Vec<u8> {
    let mut frames = Vec::with_capacity(block.len() + HEAD);
    let count = block.len().div_ceil(FRAME_MAX).max(1);
    for nth in 0..count {
        let part = block.get(nth * FRAME_MAX..).unwrap_or_default();
        let part = part.get(..FRAME_MAX).unwrap_or(part);
        let [_, a, b, c] = u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes();
        let (kind, flags) = if nth == 0 { (HEADERS, head.flags & END_STREAM) } else { (CONTINUATION, 0) };
        let last = if nth + 1 == count { END_HEADERS } else { 0 };
        frames.extend_from_slice(&[a, b, c, kind, flags | last]);
        frames.extend_from_slice(&head.stream.to_be_bytes());
        frames.extend_from_slice(part);
    }
    frames
}

fn check(setting: [u8; SETTING]) -> Result<(), Why> {
    let [a, b, value @ ..] = setting;
    let is_window = u16::from_be_bytes([a, b]) == INITIAL_WINDOW;
    if is_window && u32::from_be_bytes(value) > WINDOW_MAX { Err(Why::Window) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
