//! The streams that a caller has ended, and what comes behind their ends: an error of that stream alone (RFC 9113, section 5.1).
//!
//! h2 ends the connection for it while it still has the stream, and so it does not get to see it. Its caller is told here.

use std::collections::VecDeque;

use super::frames::Why;

/// So many streams that ended last are remembered; of those before them h2 has its own word.
pub(super) const ENDED_MAX: usize = 32;
/// So many frames behind an end a connection may send.
const OVER_MAX: usize = 256;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const STREAM_CLOSED: u32 = Why::Closed as u32;
const CANCEL: u32 = 8;

/// What a caller ended a stream with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// `END_STREAM`: what it had to say was said.
    End,
    /// `RST_STREAM`, or that it went on behind its end.
    Reset,
    /// The same, and it was told that it went on.
    Told,
}

/// Those that ended last.
#[derive(Debug, Default)]
pub(super) struct Ended {
    last: VecDeque<(u32, By)>,
    /// What the caller is to be told, as frames.
    said: Vec<u8>,
    /// How many frames came behind an end.
    over: usize,
}

impl Ended {
    pub(super) fn by(&self, stream: u32) -> Option<By> {
        self.last.iter().rfind(|(ended, _)| *ended == stream).map(|(_, by)| *by)
    }

    pub(super) fn push(&mut self, stream: u32, by: By) {
        // A reset of what has ended already stops its answer alone.
        if let Some(place) = self.last.iter_mut().rfind(|(ended, _)| *ended == stream) {
            if place.1 == By::End {
                place.1 = by;
            }
            return;
        }
        if self.last.len() == ENDED_MAX {
            self.last.pop_front();
        }
        self.last.push_back((stream, by));
    }

    /// Takes a frame behind an end, which does not pass. What h2 is to read in its place, so that the stream ends there as well.
    ///
    /// # Errors
    ///
    /// Too many of them.
    pub(super) fn goes_on(&mut self, stream: u32, data: usize) -> Result<Vec<u8>, Why> {
        self.over += 1;
        if self.over > OVER_MAX {
            return Err(Why::Calm);
        }
        let mut passes = Vec::new();
        if let Some(place) = self.last.iter_mut().rfind(|(ended, _)| *ended == stream) {
            if place.1 == By::End {
                passes = frame(RST_STREAM, stream, CANCEL);
            }
            if place.1 != By::Told {
                self.said.extend(frame(RST_STREAM, stream, STREAM_CLOSED));
            }
            place.1 = By::Told;
        }
        // Its bytes are in the caller's account of the connection's window, and in no account of h2's.
        if let Some(data) = u32::try_from(data).ok().filter(|data| *data > 0) {
            self.said.extend(frame(WINDOW_UPDATE, 0, data));
        }
        Ok(passes)
    }

    /// What is to be told, once.
    pub(super) fn say(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.said)
    }
}

/// A frame whose content is one number.
fn frame(kind: u8, stream: u32, content: u32) -> Vec<u8> {
    [&[0, 0, 4, kind, 0][..], &stream.to_be_bytes(), &content.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ends_are_remembered_and_told_of_once() {
        let mut ended = Ended::default();
        for stream in 0..10_000 {
            ended.push(2 * stream + 1, By::End);
        }
        assert_eq!((ended.last.len(), ended.by(1), ended.by(19_999)), (ENDED_MAX, None, Some(By::End)));
        assert_eq!(ended.goes_on(19_999, 5), Ok(frame(RST_STREAM, 19_999, CANCEL)));
        let told = [frame(RST_STREAM, 19_999, STREAM_CLOSED), frame(WINDOW_UPDATE, 0, 5)].concat();
        assert_eq!(ended.say(), told);
        assert_eq!(ended.goes_on(19_999, 0), Ok(Vec::new()));
        assert_eq!(ended.say(), b"");
        for _ in 2..OVER_MAX {
            assert!(ended.goes_on(19_999, 0).is_ok());
        }
        assert_eq!(ended.goes_on(19_999, 0), Err(Why::Calm));
    }
}
