//! The lines of files, in bounded memory: a line that is too long is cut, a file that is no text is left out.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use clearline_logs::Entry;
use clearline_model::Wall;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::{out, utf16};

/// The most of a line that is kept, bytes.
const LINE_MAX: u64 = 1 << 20;

/// What a line says. A time without a zone is this machine's own, whose log it mostly is: `TZ` names another one.
pub(crate) fn entry(line: &str) -> Entry {
    clearline_logs::read_local(line, &|shown| local(shown).unwrap_or(shown))
}

/// The moment at which clocks here show what clocks in UTC show at that one.
fn local(shown: Wall) -> Option<Wall> {
    let clock = TimeZone::UTC.to_datetime(Timestamp::from_microsecond(shown.0).ok()?);
    Some(Wall(TimeZone::system().to_timestamp(clock).ok()?.as_microsecond()))
}

/// Calls `each` with the number and the text of every line of every file. `-` is the standard input.
///
/// A file that cannot be read is said and left out; returns how many were read.
pub(crate) fn each(files: &[PathBuf], each: impl FnMut(usize, u64, &str)) -> usize {
    told(files, each, out::note)
}

/// The same of files that are read once more, where all is said.
pub(crate) fn beforehand(files: &[PathBuf], each: impl FnMut(usize, u64, &str)) {
    told(files, each, |_said_then| ());
}

fn told(files: &[PathBuf], mut each: impl FnMut(usize, u64, &str), tell: impl Fn(&str)) -> usize {
    let mut read = 0;
    for (i, path) in files.iter().enumerate() {
        let name = path.display();
        let stream: Box<dyn BufRead> = if path == Path::new("-") {
            Box::new(BufReader::new(std::io::stdin()))
        } else {
            match File::open(path) {
                Ok(file) => Box::new(BufReader::with_capacity(256 << 10, file)),
                Err(e) => {
                    tell(&format!("{name}: left out: {e}"));
                    continue;
                }
            }
        };
        match of_stream(stream, |n, line| each(i, n, line)) {
            Ok(()) => read += 1,
            Err(why) => tell(&format!("{name}: {why}")),
        }
    }
    read
}

fn of_stream(stream: impl BufRead, mut each: impl FnMut(u64, &str)) -> Result<(), String> {
    let mut stream = utf16::decoded(stream).map_err(|e| format!("left out: {e}"))?;
    let begins = stream.fill_buf().map_err(|e| format!("left out: {e}"))?;
    if let Some(why) = no_text(begins) {
        return Err(format!("left out: {why}"));
    }
    let mut line = Vec::new();
    for n in 1.. {
        line.clear();
        let got = stream.by_ref().take(LINE_MAX).read_until(b'\n', &mut line);
        let got = got.map_err(|e| format!("read only to line {n}: {e}"))?;
        if got == 0 {
            break;
        }
        if line.last() != Some(&b'\n') && got as u64 == LINE_MAX {
            // The rest of the line is read and not kept.
            stream.skip_until(b'\n').map_err(|e| format!("read only to line {n}: {e}"))?;
        }
        let text = String::from_utf8_lossy(&line);
        // A file may begin with a byte order mark; it belongs to no line.
        let text = if n == 1 { text.trim_start_matches('\u{feff}') } else { &text };
        each(n, text.trim_end_matches(['\n', '\r']));
    }
    Ok(())
}

/// Why what begins like this is no text, and what to do about it. A few stray control characters or zeros, as a crash
/// leaves them behind, do not make a log binary.
pub(crate) fn no_text(begins: &[u8]) -> Option<&'static str> {
    const SEEN: usize = 8192;
    // Into a file: not every command takes the standard input.
    match begins {
        [0x1f, 0x8b, ..] => return Some("it is compressed; unpack it first: gzip -dc FILE > unpacked.log"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => {
            return Some("it is compressed; unpack it first: xz -dc FILE > unpacked.log");
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            return Some("it is compressed; unpack it first: zstd -dc FILE > unpacked.log");
        }
        [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', ..] => {
            return Some("it is compressed; unpack it first: bzip2 -dc FILE > unpacked.log");
        }
        _ => {}
    }
    let begins = begins.get(..SEEN).unwrap_or(begins);
    let is_odd = |b: &&u8| matches!(**b, 0..=8 | 14..=26 | 28..=31 | 127);
    let odd = begins.iter().filter(is_odd).count();
    // Where much is read that is no UTF-8 either, but for a character that is cut in two, fewer of them tell.
    let is_utf8 = std::str::from_utf8(begins).map_or_else(|e| e.error_len().is_none(), |_| true);
    let share = if is_utf8 || begins.len() < 512 { 10 } else { 25 };
    (odd * share > begins.len()).then_some("it is binary, no text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_any_length_costs_bounded_memory_and_hides_no_other() {
        let long = std::io::repeat(b'x').take(5 << 20);
        let stream = BufReader::new((&b"first\n"[..]).chain(long).chain(&b"\nlast"[..]));
        let mut seen = Vec::new();
        of_stream(stream, |n, line| seen.push((n, line.len()))).unwrap();
        assert_eq!(seen, [(1, 5), (2, 1 << 20), (3, 4)]);
        assert!(of_stream(&b"\x7fELF\0"[..], |_, _| ()).is_err());
    }

    #[test]
    fn stray_bytes_hide_nothing_and_what_is_no_text_is_told() {
        let mut seen = Vec::new();
        of_stream(&b"one\0two\n\xff\xfethree\nfour"[..], |_, line| seen.push(line.to_owned())).unwrap();
        assert_eq!(seen, ["one\0two", "\u{fffd}\u{fffd}three", "four"]);
        seen.clear();
        of_stream("\u{feff}one\r\n\u{feff}two".as_bytes(), |_, line| seen.push(line.to_owned())).unwrap();
        assert_eq!(seen, ["one", "\u{feff}two"]);
        seen.clear();
        of_stream(&b"\xff\xfeo\0n\0e\0\r\0\n\0t\0w\0o\0"[..], |_, line| seen.push(line.to_owned())).unwrap();
        assert_eq!(seen, ["one", "two"]);
        assert!(of_stream(&b""[..], |_, _| panic!("an empty file has no line")).is_ok());
        // Every byte once, as in a compressed picture.
        let bytes = (0..=255).collect::<Vec<u8>>().repeat(4);
        for (begins, word) in [
            (&b"\x1f\x8b\x08"[..], "gzip -dc"),
            (&b"\xfd7zXZ\0\0"[..], "xz -dc"),
            (&b"\x28\xb5\x2f\xfd\x04"[..], "zstd -dc"),
            (&b"BZh91AY&SY"[..], "bzip2 -dc"),
            (&[0; 64][..], "binary"),
            (&bytes[..], "binary"),
        ] {
            assert!(no_text(begins).is_some_and(|why| why.contains(word)), "{word}");
        }
        assert_eq!(no_text(b"BZh is how this line begins\n"), None);
    }
}
