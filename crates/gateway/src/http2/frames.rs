//! The frames that a caller sends, followed by their heads.
//!
//! h2 ends a connection as it must, and yet calls everything that it cannot parse PROTOCOL_ERROR. RFC 9113 demands a more exact
//! word where a frame has a size that it cannot have (section 4.2) and where a window is beyond its bound
//! (section 6.5.2): who reads it then knows what is wrong with its own side.

/// The bytes before the first frame (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// A head: length, type, flags, stream.
const HEAD: usize = 9;
/// One setting: its number and its value.
const SETTING: usize = 6;
const ACK: u8 = 1;
const INITIAL_WINDOW: u16 = 4;
const WINDOW_MAX: u32 = 0x7fff_ffff;

/// Why a connection ends (RFC 9113, section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// `FLOW_CONTROL_ERROR`.
    Window = 3,
    /// `FRAME_SIZE_ERROR`.
    Size = 6,
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
}

#[derive(Debug, Clone, Copy)]
enum At {
    /// So many bytes are of no interest.
    Skip(usize),
    Head,
    /// So many bytes of settings.
    Settings(usize),
}

impl Frames {
    pub(crate) const fn new() -> Self {
        Self { part: [0; HEAD], have: 0, at: At::Skip(PREFACE) }
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
    let [a, b, c, kind, flags, ..] = head;
    let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
    let fits = match kind {
        // PRIORITY, RST_STREAM, PING, GOAWAY, WINDOW_UPDATE (RFC 9113, sections 6.3 to 6.9).
        2 => length == 5,
        3 | 8 => length == 4,
        6 => length == 8,
        7 => length >= 8,
        4 if flags & ACK != 0 => length == 0,
        4 => length % SETTING == 0,
        _ => true,
    };
    match (fits, kind, length) {
        (false, ..) => Err(Why::Size),
        (true, _, 0) => Ok(At::Head),
        (true, 4, _) => Ok(At::Settings(length)),
        (true, ..) => Ok(At::Skip(length)),
    }
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
        [&[0, 0, length, kind, flags, 0, 0, 0, 0][..], content].concat()
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
            frame(1, 4, &[1; 30]),
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

    #[test]
    fn the_last_words_are_a_frame() {
        let said = Why::Calm.goaway();
        assert_eq!(said[..9], [0, 0, 8, 7, 0, 0, 0, 0, 0]);
        assert_eq!((said.len(), said[16]), (17, 11));
    }
}
