//! The two streams that people and programs read.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;

use clearline_model::Foreign;
use clearline_report::layout;
use tokio::io::Interest;
use tokio::net::unix::pipe::Sender;

/// Writes a line to the standard output. A reader that went away (`| head`) is not an error.
///
/// # Errors
///
/// Everything else, a full disk for example.
pub(crate) fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Waits until the reader of the standard output has gone away. What would go on for ever ends then: nobody is left to be told,
/// and whoever looks at a pipeline takes it for ended.
pub(crate) async fn unread() {
    let kept = io::stdout().as_fd().try_clone_to_owned();
    // A file has no reader, and cannot be watched.
    let watched = kept.and_then(Sender::from_owned_fd_unchecked);
    let is_gone = match &watched {
        Ok(watched) => watched.ready(Interest::ERROR).await.is_ok(),
        Err(_) => false,
    };
    if !is_gone {
        std::future::pending::<()>().await;
    }
}

/// Writes a line to the standard error output. Where that cannot be written, nobody is left to be told.
pub(crate) fn note(text: &str) {
    let _told = writeln!(io::stderr().lock(), "{text}").is_ok();
}

/// Writes an error, once with the word in front.
pub(crate) fn error(text: &str) {
    if text.starts_with("error: ") {
        note(text);
    } else {
        note(&format!("error: {text}"));
    }
}

/// One line that replaces itself; on a terminal alone, and one that can take a line back.
pub(crate) struct Progress {
    /// How wide the terminal is, where the line is shown at all.
    columns: Option<usize>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let is_on = io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let window = rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |w| usize::from(w.ws_col));
        Self { columns: is_on.then_some(if window == 0 { USUAL } else { window }) }
    }

    /// Shows this instead of what was shown before.
    pub(crate) fn show(&self, text: &str) {
        if let Some(columns) = self.columns {
            // Back to the first column, the text, and nothing behind it.
            let _told = write!(io::stderr().lock(), "\r{}\x1b[K", fitting(text, columns)).is_ok();
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        self.show("");
        if self.columns.is_some() {
            let _told = write!(io::stderr().lock(), "\r").is_ok();
        }
    }
}

/// The columns of a terminal that does not tell.
const USUAL: usize = 80;

/// As much of a line as fits: what goes on in a second row can not be taken back. The last column is left free, since some
/// terminals begin a row behind it.
fn fitting(text: &str, columns: usize) -> String {
    let mut wide = 0;
    let fits = |c: &char| {
        wide += layout::width(c.encode_utf8(&mut [0; 4]));
        wide < columns
    };
    text.chars().take_while(fits).collect()
}

/// A text of others over several lines: its line ends and tabs stay what they are, and all else is visible and harmless.
pub(crate) fn text_of_others(text: &str) -> String {
    let line = |line: &str| {
        let parts = line.trim_end_matches('\r').split('\t').map(|part| Foreign::new(part).escaped());
        parts.collect::<Vec<_>>().join("\t")
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// The beginning of a line of others, on one line: many logs set their columns off by tabs.
pub(crate) fn line_of_others(line: &str, most: usize) -> String {
    Foreign::new(&line.replace('\t', " ")).escaped().chars().take(most).collect()
}

/// A number with its thousands set off: `14,203`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share of a whole in percent, `99.17`; `–` of nothing. Only nothing is 0, and only the whole is 100.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let Some(hundredths) = (part * 20_000 + whole).checked_div(2 * whole) else { return "–".to_owned() };
    let hundredths = if part == 0 || part >= whole { hundredths } else { hundredths.clamp(1, 9_999) };
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_keeps_its_lines_and_does_no_harm() {
        assert_eq!(text_of_others("one\r\n\n\ttwo\u{1b}[31m"), "one\n\n\ttwo\\u{1b}[31m");
        assert_eq!(line_of_others("12:00\tERROR\tx\u{7}", 13), "12:00 ERROR x");
        assert_eq!(line_of_others("a\u{202e}b", 99), "a\\u{202e}b");
    }

    #[test]
    fn a_line_that_replaces_itself_stays_in_its_row() {
        for (text, columns, shown) in [
            ("12 s", 80, "12 s"),
            ("12 s   straight", 8, "12 s   "),
            ("直接发出 12 次", 8, "直接发"),
            ("直接发出 12 次", 9, "直接发出"),
            ("abc", 0, ""),
        ] {
            assert_eq!(fitting(text, columns), shown);
        }
    }

    #[test]
    fn numbers_are_written_for_people() {
        for (n, text) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (14_203, "14,203"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(n), text);
        }
        for (part, whole, text) in [
            (0, 0, "–"),
            (1, 3, "33.33 %"),
            (2, 3, "66.67 %"),
            (7, 7, "100.00 %"),
            (0, 7, "0.00 %"),
            (30_000, 30_001, "99.99 %"),
            (1, 30_001, "0.01 %"),
        ] {
            assert_eq!(percent(part, whole), text);
        }
    }
}
