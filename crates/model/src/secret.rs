//! Two kinds of text that must not be printed as they are: secrets, and what others wrote.

use std::fmt;
use std::sync::Arc;

/// A secret. It cannot be printed, serialised or cloned, and it is wiped when it is dropped.
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes over.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for the one place that sends them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Says whether both are the same, in a time that depends on the lengths alone.
    #[must_use]
    pub fn same(&self, other: &[u8]) -> bool {
        let differing = self.0.iter().zip(other).fold(0_u8, |acc, (a, b)| acc | (a ^ b));
        self.0.len() == other.len() && differing == 0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Without this the optimiser may leave the stores out, because nobody reads them.
        std::hint::black_box(&self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Text that others wrote: header values, error messages, names. It is printed only through `report`, which escapes
/// it for its medium; here it has no `Display`. Clones share it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Foreign(Arc<str>);

impl Foreign {
    /// The longest text that is kept, bytes.
    pub const MAX: usize = 2048;

    /// Keeps at most [`Self::MAX`] bytes of a text, cut between characters.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut end = text.len().min(Self::MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self(text.get(..end).unwrap_or_default().into())
    }

    /// From bytes; what is not UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let head = bytes.get(..bytes.len().min(Self::MAX)).unwrap_or_default();
        Self::new(&String::from_utf8_lossy(head))
    }

    /// The text as it came: for comparing and for escaping, never for printing.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// The text with everything visible and harmless: control characters and bidi marks as `\u{…}`.
    #[must_use]
    pub fn escaped(&self) -> String {
        let mut out = String::with_capacity(self.0.len());
        for c in self.0.chars() {
            if c.is_control() || is_invisible(c) {
                out.extend(c.escape_unicode());
            } else {
                out.push(c);
            }
        }
        out
    }
}

/// Marks that reorder or hide text (UAX 9 and the zero-width characters).
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{61C}')
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Foreign({:?})", self.escaped())
    }
}

/// JSON escapes control characters by itself; the invisible ones are escaped here.
impl serde::Serialize for Foreign {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.escaped())
    }
}

/// What was saved is read back in its escaped form.
impl<'de> serde::Deserialize<'de> for Foreign {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Ok(Self::new(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing_and_compares() {
        let secret = Secret::new(b"sk-fake-1".to_vec());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert!(secret.same(b"sk-fake-1"));
        assert!(!secret.same(b"sk-fake-2") && !secret.same(b"sk-fake-11") && !secret.same(b""));
    }

    #[test]
    fn foreign_text_is_cut_between_characters_and_escaped() {
        let long = "é".repeat(Foreign::MAX);
        assert_eq!(Foreign::new(&long).raw().len(), Foreign::MAX);
        assert_eq!(Foreign::new("a\u{1b}[31m\u{202E}b").escaped(), "a\\u{1b}[31m\\u{202e}b");
        assert_eq!(Foreign::from_bytes(b"\xff").raw(), "\u{FFFD}");
    }
}
