//! Where two streams meet: what of the second repeats the end of the first.

/// How much of a continuation is held back until it is known what of it repeats the text before, characters.
pub(super) const SEAM: usize = 220;

/// The least repetition that is taken for one, and the most that is looked for, characters.
pub(super) const OVERLAP_MIN: usize = 8;
pub(super) const OVERLAP_MAX: usize = 1_024;

/// How many bytes at the beginning of `new` repeat the end of `text`.
pub(super) fn overlap(text: &str, new: &str) -> usize {
    let ends = new.char_indices().map(|(at, c)| at + c.len_utf8());
    let candidates: Vec<usize> = ends.take(OVERLAP_MAX).skip(OVERLAP_MIN - 1).collect();
    let repeats = |end: &usize| new.get(..*end).is_some_and(|begin| text.ends_with(begin));
    candidates.into_iter().rev().find(repeats).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions() {
        for (text, new, expected) in [
            ("one two three", " two three four", 10),
            ("one two three", "two three four", 9),
            ("one two three", "one two three", 13),
            ("one two three", " three four", 0),
            ("été à Paris", "té à Paris, au", 12),
            ("", "anything", 0),
        ] {
            assert_eq!(overlap(text, new), expected, "{text} | {new}");
        }
    }
}
