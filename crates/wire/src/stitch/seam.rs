//! Where two streams meet: what of the second repeats the end of the first.

/// How much of a continuation is held back until it is known what of it repeats the text before, characters.
pub(super) const SEAM: usize = 220;

/// The least repetition that is taken for one, and the most that is looked for, characters.
pub(super) const OVERLAP_MIN: usize = 8;
pub(super) const OVERLAP_MAX: usize = 1_024;

/// What a continuation does at the place where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joint {
    /// It goes on.
    New,
    /// So many bytes at its beginning stand at the end of the text already.
    Repeats(usize),
    /// It does so, but the text goes on like that by itself: "la la la" may be more of it as well as the same. Or it leaves
    /// what it repeated before the end of that.
    Unclear,
}

/// How `new` joins `text`; `from` is the place in the text from which on it repeated that, where it was followed so far. White
/// space before a repetition belongs to it.
pub(super) fn join(text: &str, new: &str, from: Option<usize>) -> Joint {
    let repeats = |blank: usize, again: &str| {
        if is_repetitive(text, again) { Joint::Unclear } else { Joint::Repeats(blank + again.len()) }
    };
    if let Some(from) = from {
        let there = text.get(from..).unwrap_or_default();
        return if new.starts_with(there) { repeats(0, there) } else { Joint::Unclear };
    }
    for blank in [0, new.len() - new.trim_start().len()] {
        let bare = new.get(blank..).unwrap_or_default();
        let again = bare.get(..overlap(text, bare)).unwrap_or_default();
        if !again.is_empty() {
            return repeats(blank, again);
        }
    }
    Joint::New
}

/// How many bytes at the beginning of `new` repeat the end of `text`.
fn overlap(text: &str, new: &str) -> usize {
    let ends = new.char_indices().map(|(at, c)| at + c.len_utf8());
    let candidates: Vec<usize> = ends.take(OVERLAP_MAX).skip(OVERLAP_MIN - 1).collect();
    let repeats = |end: &usize| new.get(..*end).is_some_and(|begin| text.ends_with(begin));
    candidates.into_iter().rev().find(repeats).unwrap_or(0)
}

/// Whether a text ends with a piece at least twice in a row, of which `again`, its end, is made: then it may go on with the same.
fn is_repetitive(text: &str, again: &str) -> bool {
    let (text, again) = (text.as_bytes(), again.as_bytes());
    periods(again).any(|period| {
        let tail = text.get(text.len().saturating_sub(2 * period)..).unwrap_or_default();
        tail.len() == 2 * period && tail.iter().zip(tail.iter().skip(period)).all(|(one, next)| one == next)
    })
}

/// After how many bytes a text begins anew within itself, the shortest first.
fn periods(text: &[u8]) -> impl Iterator<Item = usize> {
    // How much of its beginning stands before each place (the prefix function of Knuth, Morris and Pratt).
    let mut borders: Vec<usize> = Vec::with_capacity(text.len());
    for (at, byte) in text.iter().enumerate() {
        let mut border = at.checked_sub(1).and_then(|before| borders.get(before)).copied().unwrap_or(0);
        while border > 0 && text.get(border) != Some(byte) {
            border = borders.get(border - 1).copied().unwrap_or(0);
        }
        borders.push(if at > 0 && text.get(border) == Some(byte) { border + 1 } else { 0 });
    }
    let (length, mut border) = (text.len(), text.len());
    std::iter::from_fn(move || {
        border = borders.get(border.checked_sub(1)?).copied()?;
        (border > 0).then(|| length - border)
    })
}

/// Whether one of these lies across the seam: it begins in the text and ends in what follows.
pub(super) fn ends_across(text: &str, new: &str, stops: &[String]) -> bool {
    stops.iter().any(|stop| {
        stop.char_indices().skip(1).any(|(at, _)| {
            let (begin, end) = stop.split_at_checked(at).unwrap_or_default();
            text.ends_with(begin) && new.starts_with(end)
        })
    })
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

    #[test]
    fn joints() {
        for (text, new, expected) in [
            ("one two three", " and four", Joint::New),
            ("one two three", " two three four", Joint::Repeats(10)),
            ("one two three", "\n\none two three four", Joint::Repeats(15)),
            ("and la la la la la ", "la la la la la!", Joint::Unclear),
            ("| --- | --- | --- |", "| --- | --- | --- |", Joint::Unclear),
            ("if x:\n            ", "            return", Joint::Unclear),
            ("he said and and ", "he said and and then", Joint::Repeats(16)),
            ("then hello you hello you", "hello you hello you then", Joint::Unclear),
            ("first hello you, then hello you", "you, then hello you and more", Joint::Repeats(19)),
        ] {
            assert_eq!(join(text, new, None), expected, "{text} | {new}");
        }
        for (text, new, from, expected) in [
            ("one two three four", "two three four five", 4, Joint::Repeats(14)),
            ("one two three four", "two three five", 4, Joint::Unclear),
            ("one two three four", "two three", 4, Joint::Unclear),
            ("la la la la la la ", "la la la la la!", 3, Joint::Unclear),
        ] {
            assert_eq!(join(text, new, Some(from)), expected, "{text} | {new}");
        }
    }

    #[test]
    fn where_a_text_begins_anew_within_itself() {
        for (text, expected) in [
            ("", &[][..]),
            ("a", &[]),
            ("aaaa", &[1, 2, 3]),
            ("abab", &[2]),
            ("abcab", &[3]),
            ("aabaa", &[3, 4]),
            ("abc", &[]),
        ] {
            assert_eq!(periods(text.as_bytes()).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn stops_across() {
        let stops = ["END".to_owned(), "\n\nHuman:".to_owned(), "é".to_owned()];
        for (text, new, expected) in [
            ("the E", "ND", true),
            ("the EN", "D of it", true),
            ("it is.\n\nHum", "an: what", true),
            ("the E", "nd", false),
            ("the END", " and", false),
            ("the ", "END", false),
            ("", "", false),
        ] {
            assert_eq!(ends_across(text, new, &stops), expected, "{text} | {new}");
        }
    }
}
