//! Lines that belong together. What a program writes of one failure fills many lines: its message, and below it the chain of
//! exceptions or the stack. Taken one by one they would be as many failures, with as many causes.

use crate::wrapped::bare;

/// The most of a record that is kept, bytes; its other lines are counted.
const KEPT: usize = 64 << 10;

/// What was written of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its lines, without those that only say where in the code it was.
    pub text: String,
    /// How many lines it has.
    pub lines: u64,
}

/// Where in a record its last line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a line of its own.
    Line,
    /// Below `Traceback`: frames, then the exception.
    Traceback,
    /// Behind an exception of Python: the next one of the chain may follow.
    Exception,
    /// In the stack of another runtime.
    Stack,
}

/// Gathers lines into records.
#[derive(Debug, Default)]
pub struct Records {
    open: Option<(Record, Option<Place>)>,
}

impl Records {
    /// Takes the next line; gives the record before it, where that is over.
    pub fn push(&mut self, line: &str) -> Option<Record> {
        let line = bare(line);
        let before =
            self.open.as_ref().map(|(record, place)| (record.text.as_str(), place.unwrap_or(Place::Line)));
        let Some(place) = before.and_then(|(text, place)| goes_on(text, place, line)) else {
            let place = begins_traceback(line).then_some(Place::Traceback);
            let record = Record { text: line.to_owned(), lines: 1 };
            return self.open.replace((record, place)).map(|(record, _)| record);
        };
        if let Some((record, at)) = &mut self.open {
            *at = Some(place);
            record.lines += 1;
            if !is_of_the_code(place, line) && record.text.len() + line.len() < KEPT {
                record.text.push('\n');
                record.text.push_str(line);
            }
        }
        None
    }

    /// Gives the last record.
    pub fn finish(&mut self) -> Option<Record> {
        self.open.take().map(|(record, _)| record)
    }
}

/// Where this line stands in the record before it, if it belongs to that.
fn goes_on(text: &str, place: Place, line: &str) -> Option<Place> {
    let is_json = |line: &str| line.trim_start().starts_with("{\"");
    if is_json(line) || (place == Place::Line && is_json(text)) {
        return None;
    }
    let is_set_in = line.starts_with([' ', '\t']);
    let is_blank = line.trim().is_empty();
    match place {
        // Loggers write the exception directly below their message.
        Place::Line if text.trim().is_empty() => None,
        Place::Line | Place::Stack if begins_traceback(line) => Some(Place::Traceback),
        Place::Line if is_frame(line) => Some(Place::Stack),
        Place::Line => None,
        Place::Traceback if is_set_in || is_blank => Some(Place::Traceback),
        Place::Traceback => Some(Place::Exception),
        Place::Exception if is_blank || is_set_in || is_link(line) => Some(Place::Exception),
        Place::Exception if begins_traceback(line) => Some(Place::Traceback),
        Place::Exception => None,
        Place::Stack => {
            let is_more = line.starts_with("Caused by:") || line.starts_with('}');
            ((is_set_in && !is_blank) || is_more).then_some(Place::Stack)
        }
    }
}

fn begins_traceback(line: &str) -> bool {
    line.trim_start().starts_with("Traceback (most recent call last)")
}

/// What Python writes between two exceptions of a chain.
fn is_link(line: &str) -> bool {
    line.starts_with("The above exception was the direct cause")
        || line.starts_with("During handling of the above exception")
}

/// A frame of a stack, as Java and JavaScript write it.
fn is_frame(line: &str) -> bool {
    line.starts_with([' ', '\t']) && line.trim_start().starts_with("at ")
}

/// Lines that quote the code or name a place in it: their words are no words of the failure.
fn is_of_the_code(place: Place, line: &str) -> bool {
    let is_quoted = place == Place::Traceback && !begins_traceback(line);
    is_quoted || is_frame(line) || line.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str) -> Vec<(u64, String)> {
        let mut all = Records::default();
        let mut out: Vec<Record> = text.lines().filter_map(|line| all.push(line)).collect();
        out.extend(all.finish());
        out.into_iter().map(|record| (record.lines, record.text)).collect()
    }

    const CHAIN: &str = r#"2026-11-27 14:44:31,579 ERROR orders order 0 failed
Traceback (most recent call last):
  File "/x/httpcore/_sync/connection.py", line 119, in _connect
    stream = self._network_backend.connect_tcp(**kwargs)
             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
httpcore.ConnectError: [Errno 111] Connection refused

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/x/app.py", line 7, in <module>
    raise APIConnectionError(request=request) from err
anthropic.APIConnectionError: Connection error.
2026-11-27 14:44:32,000 INFO orders next"#;

    #[test]
    fn a_chain_of_exceptions_belongs_to_the_message_above_it() {
        let seen = records(CHAIN);
        assert_eq!(seen.iter().map(|(lines, _)| *lines).collect::<Vec<_>>(), [13, 1]);
        let (_, text) = &seen[0];
        assert!(
            text.starts_with("2026-11-27")
                && text.contains("Errno 111")
                && text.contains("APIConnectionError: C")
        );
        assert!(!text.contains("raise ") && !text.contains("File "), "{text}");
    }

    #[test]
    fn a_stack_belongs_to_its_error() {
        let node = "APIConnectionError: Connection error.\n    at Anthropic.makeRequest (file:///x.mjs:1:2)\n  status: undefined,\n  \
                    cause: FetchError: request failed, reason: connect ECONNREFUSED 127.0.0.1:1\n      at ClientRequest.<anonymous>\n}\ndone";
        let seen = records(node);
        assert_eq!(seen.iter().map(|(lines, _)| *lines).collect::<Vec<_>>(), [6, 1]);
        assert!(seen[0].1.contains("ECONNREFUSED"), "{seen:?}");
        let java = "java.net.ConnectException: Connection refused\n\tat a.b(C.java:1)\nCaused by: x.Y: z\n\t... 3 more\n\nnext";
        assert_eq!(records(java).iter().map(|(lines, _)| *lines).collect::<Vec<_>>(), [4, 1, 1]);
    }

    #[test]
    fn other_lines_stand_for_themselves() {
        for text in [
            "ERROR 529 Overloaded\nERROR 529 Overloaded",
            "results:\n  call 1: Error code: 529\n  call 2: Error code: 401",
            "{\"a\":1}\n{\"a\":2}\n    at nowhere",
            "\nTraceback is a word",
            "a\n\nb",
        ] {
            let seen = records(text);
            assert_eq!(seen.len(), text.lines().count(), "{seen:?}");
        }
        // A container's name before each line changes nothing.
        let named: String = CHAIN.lines().map(|line| format!("app-1  | {line}\n")).collect();
        assert_eq!(records(&named), records(CHAIN));
        // Two failures in a row are two.
        let twice = format!("{CHAIN}\n{CHAIN}");
        assert_eq!(records(&twice).iter().map(|(lines, _)| *lines).collect::<Vec<_>>(), [13, 1, 13, 1]);
        // Without a message above it, and without an end.
        assert_eq!(records("Traceback (most recent call last):\n  File \"x\", line 1").len(), 1);
    }

    #[test]
    fn a_record_without_end_costs_bounded_memory() {
        let mut all = Records::default();
        assert_eq!(all.push("Error: x"), None);
        assert_eq!(all.push("    at y"), None);
        for _ in 0..10_000 {
            assert_eq!(all.push("  x: a line that stays below the exception"), None);
        }
        let record = all.finish().unwrap();
        assert!(record.lines == 10_002 && record.text.len() <= KEPT, "{}", record.text.len());
    }
}
