//! The lines of files, in bounded memory: a line that is too long is cut, a file that is no text is left out.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use crate::out;

/// The most of a line that is kept, bytes.
const LINE_MAX: u64 = 1 << 20;

/// Calls `each` with the number and the text of every line of every file. `-` is the standard input.
///
/// A file that cannot be read is said and left out; returns how many were read.
pub(crate) fn each(files: &[String], mut each: impl FnMut(usize, u64, &str)) -> usize {
    let mut read = 0;
    for (i, name) in files.iter().enumerate() {
        let stream: Box<dyn BufRead> = if name == "-" {
            Box::new(BufReader::new(std::io::stdin()))
        } else {
            match File::open(Path::new(name)) {
                Ok(file) => Box::new(BufReader::with_capacity(256 << 10, file)),
                Err(e) => {
                    out::note(&format!("{name}: left out: {e}"));
                    continue;
                }
            }
        };
        match of_stream(stream, |n, line| each(i, n, line)) {
            Ok(()) => read += 1,
            Err(why) => out::note(&format!("{name}: {why}")),
        }
    }
    read
}

fn of_stream(mut stream: impl BufRead, mut each: impl FnMut(u64, &str)) -> Result<(), String> {
    let begins = stream.fill_buf().map_err(|e| format!("left out: {e}"))?;
    if begins.iter().take(8192).any(|b| *b == 0) {
        return Err("left out: it is binary, no text".to_owned());
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
            skip_line(&mut stream).map_err(|e| format!("read only to line {n}: {e}"))?;
        }
        each(n, String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
    }
    Ok(())
}

/// Reads on to the end of the line and keeps nothing.
fn skip_line(stream: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let piece = stream.fill_buf()?;
        if piece.is_empty() {
            return Ok(());
        }
        let end = piece.iter().position(|b| *b == b'\n');
        let used = end.map_or(piece.len(), |at| at + 1);
        stream.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
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
}
