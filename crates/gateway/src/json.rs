//! The JSON of a log line, written straight into its text: a line is made for every call.

use clearline_model::{Dur, Foreign};

/// Room for a line of one attempt, bytes.
const ROOM: usize = 1_536;

/// An object or a list that is being written.
pub(crate) struct Json<'a>(&'a mut String);

impl<'a> Json<'a> {
    /// An object behind this text.
    pub(crate) fn new(text: &'a mut String) -> Self {
        text.reserve(ROOM);
        text.push('{');
        Self(text)
    }

    /// The end of it.
    pub(crate) fn finish(self) {
        self.0.push('}');
    }

    /// Separates from what stands before it in the same object or list.
    fn next(&mut self) {
        if !matches!(self.0.as_bytes().last(), Some(b'{' | b'[')) {
            self.0.push(',');
        }
    }

    /// Where it is compiled into its caller, the name has a known length, and is stored and not copied.
    #[inline(always)]
    fn key(&mut self, key: &'static str) {
        self.next();
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\":");
    }

    /// Any text.
    #[inline(always)]
    pub(crate) fn text(&mut self, key: &'static str, value: &str) {
        self.key(key);
        self.quoted(value);
    }

    /// A text that others wrote, or `null`.
    #[inline(always)]
    pub(crate) fn foreign(&mut self, key: &'static str, value: Option<&Foreign>) {
        self.key(key);
        match value {
            Some(value) => self.escaped(value),
            None => self.0.push_str("null"),
        }
    }

    /// … in a list.
    pub(crate) fn foreign_item(&mut self, value: &Foreign) {
        self.next();
        self.escaped(value);
    }

    /// A word of clearline's own, in which nothing has to be escaped, or `null`.
    #[inline(always)]
    pub(crate) fn word(&mut self, key: &'static str, value: Option<&'static str>) {
        self.key(key);
        match value {
            Some(word) => {
                self.0.push('"');
                self.0.push_str(word);
                self.0.push('"');
            }
            None => self.0.push_str("null"),
        }
    }

    #[inline(always)]
    pub(crate) fn flag(&mut self, key: &'static str, value: bool) {
        self.key(key);
        if value {
            self.0.push_str("true");
        } else {
            self.0.push_str("false");
        }
    }

    #[inline(always)]
    pub(crate) fn number(&mut self, key: &'static str, value: u64) {
        self.key(key);
        self.digits(value);
    }

    /// A time in milliseconds, or `null`.
    #[inline(always)]
    pub(crate) fn ms(&mut self, key: &'static str, value: Option<Dur>) {
        self.key(key);
        match value {
            Some(took) => self.millis(took),
            None => self.0.push_str("null"),
        }
    }

    /// A word and a time, in a list.
    pub(crate) fn timed(&mut self, word: &'static str, took: Dur) {
        self.next();
        self.0.push('"');
        self.0.push_str(word);
        self.0.push_str("\",");
        self.millis(took);
    }

    /// A list as a field.
    #[inline(always)]
    pub(crate) fn list(&mut self, key: &'static str, fill: impl FnOnce(&mut Self)) {
        self.key(key);
        self.between('[', ']', fill);
    }

    /// A list in a list.
    pub(crate) fn list_item(&mut self, fill: impl FnOnce(&mut Self)) {
        self.next();
        self.between('[', ']', fill);
    }

    /// An object in a list.
    pub(crate) fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.next();
        self.between('{', '}', fill);
    }

    /// An object as a field.
    #[inline(always)]
    pub(crate) fn within(&mut self, key: &'static str, fill: impl FnOnce(&mut Self)) {
        self.key(key);
        self.between('{', '}', fill);
    }

    fn between(&mut self, open: char, close: char, fill: impl FnOnce(&mut Self)) {
        self.0.push(open);
        fill(self);
        self.0.push(close);
    }

    fn escaped(&mut self, value: &Foreign) {
        if is_plain(value.raw()) {
            self.plain(value.raw());
        } else {
            self.quoted(&value.escaped());
        }
    }

    fn quoted(&mut self, value: &str) {
        if is_plain(value) {
            self.plain(value);
        } else {
            // A text always has a JSON form.
            self.0.push_str(&serde_json::to_string(value).unwrap_or_default());
        }
    }

    /// A text in which nothing has to be escaped.
    fn plain(&mut self, value: &str) {
        self.0.push('"');
        self.0.push_str(value);
        self.0.push('"');
    }

    /// Microseconds as milliseconds with at least one digit behind the point.
    fn millis(&mut self, took: Dur) {
        self.digits(took.0 / 1_000);
        self.0.push('.');
        let micros = took.0 % 1_000;
        self.digit(micros / 100);
        if !micros.is_multiple_of(100) {
            self.digit(micros / 10 % 10);
        }
        if !micros.is_multiple_of(10) {
            self.digit(micros % 10);
        }
    }

    fn digits(&mut self, value: u64) {
        if value < 10 {
            return self.digit(value);
        }
        self.0.push_str(itoa::Buffer::new().format(value));
    }

    /// One digit, 0 to 9.
    fn digit(&mut self, value: u64) {
        self.0.push(char::from(b'0'.wrapping_add(u8::try_from(value).unwrap_or(0))));
    }
}

/// Whether nothing of it has to be escaped, as JSON or as foreign text: it is visible ASCII without quotes and backslashes.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (eights, rest) = bytes.as_chunks::<8>();
    let has_plain_end = match bytes.last_chunk::<8>() {
        Some(last) => are_plain(*last),
        None => rest.iter().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\')),
    };
    eights.iter().fold(has_plain_end, |plain, eight| plain & are_plain(*eight))
}

/// The same of eight bytes at once: a byte from which one borrows is zero (Bit Twiddling Hacks, "Determine if a word has a zero
/// byte" and "… a byte less than n").
const fn are_plain(eight: [u8; 8]) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES << 7;
    let word = u64::from_ne_bytes(eight);
    let (quote, slash, delete) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5c), word ^ (ONES * 0x7f));
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    let quotes = quote.wrapping_sub(ONES) & !quote;
    let slashes = slash.wrapping_sub(ONES) & !slash;
    let deletes = delete.wrapping_sub(ONES) & !delete;
    (word | controls | quotes | slashes | deletes) & HIGH == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(fill: impl FnOnce(&mut Json<'_>)) -> String {
        let mut text = String::new();
        let mut json = Json::new(&mut text);
        fill(&mut json);
        json.finish();
        text
    }

    #[test]
    fn every_byte_is_found_wherever_it_stands() {
        for byte in 0..=0x7f_u8 {
            let plain = matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
            for len in 0..20 {
                for at in 0..len {
                    let mut bytes = vec![b'~'; len];
                    bytes[at] = byte;
                    let text = String::from_utf8(bytes).unwrap();
                    assert_eq!(is_plain(&text), plain, "{text:?}");
                }
            }
        }
        assert!(is_plain("") && !is_plain("gr\u{fc}n") && !is_plain("........gr\u{fc}n......"));
    }

    #[test]
    fn what_is_written_is_what_serde_would_write() {
        for text in ["", "plain", "a\"b\\c", "\u{1}\n\u{7f}", "gr\u{fc}n", "\u{202e}x"] {
            let foreign = Foreign::new(text);
            let line = written(|json| {
                json.text("a", text);
                json.foreign("b", Some(&foreign));
                json.foreign("c", None);
            });
            let expected = serde_json::to_string(&foreign).unwrap();
            let plain = serde_json::to_string(text).unwrap();
            assert_eq!(line, format!("{{\"a\":{plain},\"b\":{expected},\"c\":null}}"));
        }
        for number in [0, 9, 10, 1_234_567_890, u64::MAX] {
            assert_eq!(written(|json| json.number("a", number)), format!("{{\"a\":{number}}}"));
        }
        for micros in [0, 1, 10, 100, 999, 1_000, 1_010, 1_234_567, 60_000_000, 86_400_000_000] {
            let line = written(|json| json.ms("a", Some(Dur(micros))));
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let value = micros as f64 / 1e3;
            assert_eq!(line, format!("{{\"a\":{}}}", serde_json::to_string(&value).unwrap()));
        }
    }
}
