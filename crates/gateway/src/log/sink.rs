//! Where the lines of the log go. A file is found by its name each time: one that was rotated away or deleted gets no more lines
//! than those that cannot go anywhere else.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

pub(crate) enum Sink {
    Stderr,
    File { path: PathBuf, file: Option<File>, torn: bool },
}

impl Sink {
    /// The end of a file, and why it cannot be opened.
    pub(crate) fn file(path: &Path) -> (Self, Option<String>) {
        let (file, refused) = match append(path) {
            Ok(file) => (Some(file), None),
            Err(why) => (None, Some(why.to_string())),
        };
        let torn = ends_torn(path).unwrap_or(false);
        (Self::File { path: path.to_owned(), file, torn }, refused)
    }

    /// Writes whole lines, and says how many of them are lost.
    pub(crate) fn write(&mut self, lines: &[u8]) -> u64 {
        match self {
            Self::Stderr => put(&mut std::io::stderr().lock(), lines),
            Self::File { path, file, torn } => {
                let Some(mut open) = current(path, file.take(), torn) else { return count(lines) };
                // After a write that failed, half a line may stand at the end.
                let start: &[u8] = if *torn { b"\n" } else { b"" };
                *torn = true;
                if open.write_all(start).is_err() {
                    return count(lines);
                }
                let lost = put(&mut open, lines);
                if lost == 0 {
                    *torn = false;
                    *file = Some(open);
                }
                lost
            }
        }
    }
}

/// The file of this name: the open one, where it still is that. One that has another name by now serves as long as there is no new
/// one; what is written to one without any name is read by nobody.
fn current(path: &Path, open: Option<File>, torn: &mut bool) -> Option<File> {
    let was = open.as_ref().and_then(|file| file.metadata().ok());
    let is_it = |was: &Metadata| {
        std::fs::metadata(path).is_ok_and(|is| (is.dev(), is.ino()) == (was.dev(), was.ino()))
    };
    if was.as_ref().is_some_and(is_it) {
        return open;
    }
    if let Ok(new) = append(path) {
        if open.is_some() {
            *torn = ends_torn(path).unwrap_or(false);
        }
        return Some(new);
    }
    open.filter(|_| was.is_some_and(|was| was.nlink() > 0))
}

/// Writes as much as can be written, and says how many lines are not there as a whole.
fn put(to: &mut impl Write, lines: &[u8]) -> u64 {
    let mut rest = lines;
    while !rest.is_empty() {
        match to.write(rest) {
            Ok(n @ 1..) => rest = rest.get(n..).unwrap_or_default(),
            Err(why) if why.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return count(rest),
        }
    }
    0
}

/// How many lines end here.
fn count(lines: &[u8]) -> u64 {
    u64::try_from(lines.iter().filter(|b| **b == b'\n').count()).unwrap_or(u64::MAX)
}

/// A process that was killed may have left half a line at the end: the next one begins on its own.
fn ends_torn(path: &Path) -> std::io::Result<bool> {
    let mut file = File::open(path)?;
    // A pipe or a device has no end to look at.
    if !file.metadata()?.is_file() || file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

fn append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("clearline-sink-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn read(&self, name: &str) -> String {
            std::fs::read_to_string(self.0.join(name)).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    #[test]
    fn what_is_lost_is_counted_in_lines() {
        let (mut sink, refused) = Sink::file(Path::new("/dev/full"));
        assert_eq!(refused, None);
        assert_eq!(sink.write(b"a\nb\nc\n"), 3);
        assert_eq!(sink.write(b"d\n"), 1);
        // Room for the first line and half of the second.
        let mut room = [0; 4];
        assert_eq!(put(&mut &mut room[..], b"a\nb\nc\n"), 1, "the first two fit");
        let mut room = [0; 3];
        assert_eq!(put(&mut &mut room[..], b"a\nb\nc\n"), 2);
        assert_eq!(put(&mut Vec::new(), b"a\nb\n"), 0);
    }

    #[test]
    fn a_file_that_is_rotated_away_gets_no_more_lines() {
        let folder = Folder::new("rotated");
        let path = folder.0.join("a.log");
        let (mut sink, _) = Sink::file(&path);
        assert_eq!(sink.write(b"1\n"), 0);
        std::fs::rename(&path, folder.0.join("a.log.1")).unwrap();
        assert_eq!(sink.write(b"2\n"), 0);
        // Whoever rotates may make the new file itself.
        std::fs::rename(&path, folder.0.join("a.log.2")).unwrap();
        std::fs::write(&path, "half").unwrap();
        assert_eq!(sink.write(b"3\n"), 0);
        assert_eq!(
            [folder.read("a.log.1"), folder.read("a.log.2"), folder.read("a.log")],
            ["1\n", "2\n", "half\n3\n"]
        );
        std::fs::write(&path, "").unwrap();
        assert_eq!(sink.write(b"4\n"), 0);
        assert_eq!(folder.read("a.log"), "4\n", "one that is emptied goes on");
    }

    #[test]
    fn lines_without_a_place_are_lost_and_counted_until_there_is_one() {
        let folder = Folder::new("gone");
        let path = folder.0.join("logs").join("a.log");
        std::fs::create_dir(folder.0.join("logs")).unwrap();
        let (mut sink, _) = Sink::file(&path);
        assert_eq!(sink.write(b"1\n"), 0);
        // As long as the file has a name, nothing is lost.
        std::fs::rename(folder.0.join("logs"), folder.0.join("old")).unwrap();
        assert_eq!(sink.write(b"2\n"), 0);
        assert_eq!(folder.read("old/a.log"), "1\n2\n");
        std::fs::remove_dir_all(folder.0.join("old")).unwrap();
        assert_eq!(sink.write(b"3\n4\n"), 2);
        assert_eq!(sink.write(b"5\n"), 1);
        std::fs::create_dir(folder.0.join("logs")).unwrap();
        assert_eq!(sink.write(b"6\n"), 0);
        assert_eq!(folder.read("logs/a.log"), "6\n");
    }
}
