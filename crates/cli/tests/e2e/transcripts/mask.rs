//! What may differ from run to run: amounts of time, moments, ids, the bars of a course, and the counts at the moment of a
//! verdict or an alert.

/// Units of time.
const UNITS: [&str; 6] = ["µs", "ms", "s", "m", "min", "h"];

/// Fields of an alert. It is raised when the rate is judged, at most ten times a second, so calls may have come meanwhile.
const COUNTS: [&str; 3] = ["\"count\":", "\"calls\":", "\"rate\":"];

/// The words of a transcript, with a sign in place of each amount of time, moment, id and bar.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let all: Vec<&str> = text.split_whitespace().collect();
    let mut rest = all.as_slice();
    while let [word, tail @ ..] = rest {
        let (before, core, after) = parts(word);
        rest = tail;
        let counted = tail.first().filter(|_| is_number(core) && after.is_empty()).map(|next| parts(next));
        match counted {
            Some(("", unit, behind)) if UNITS.contains(&unit) => {
                // `1 m 20 s` is one amount as `80 s` is.
                if words.last().is_some_and(|last| last == "#time") && before.is_empty() {
                    words.pop();
                }
                words.push(format!("{before}#time{behind}"));
                rest = tail.get(1..).unwrap_or_default();
            }
            _ if words.last().is_some_and(|last| COUNTS.contains(&last.as_str())) => {
                words.push(format!("#count{after}"));
            }
            Some((_, "facts" | "项事实", _)) => words.push("#count".to_owned()),
            // A run that goes over a minute has two moments.
            _ if masked(core) == "#clock" && words.ends_with(&["#clock".to_owned(), "–".to_owned()]) => {
                words.pop();
            }
            _ => words.push(format!("{before}{}{after}", masked(core))),
        }
    }
    words
}

/// A word without the marks around it.
fn parts(word: &str) -> (&str, &str, &str) {
    let is_mark = |c: char| !c.is_alphanumeric() && !BARS.contains(c);
    let core = word.trim_start_matches(is_mark);
    let before = word.strip_suffix(core).unwrap_or_default();
    let bare = core.trim_end_matches(is_mark);
    (before, bare, core.strip_prefix(bare).unwrap_or_default())
}

const BARS: &str = "▁▂▃▄▅▆▇█";

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b',')
}

fn masked(core: &str) -> &str {
    let digits = |text: &str, n: usize| {
        text.len() <= n && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
    };
    let is_shape = |mark: char, longest: usize, n: usize| {
        let parts: Vec<&str> = core.split(mark).collect();
        let Some((last, others)) = parts.split_last() else { return false };
        let last = last.split(['.', ',', 'Z', '+']).next().unwrap_or_default();
        others.len() >= n && others.iter().all(|p| digits(p, longest)) && digits(last, 2)
    };
    if core.starts_with("req_") && core.len() > 12 {
        "#id"
    } else if core.chars().all(|c| BARS.contains(c)) && !core.is_empty() {
        "#bars"
    } else if is_shape('-', 4, 2) {
        "#day"
    } else if is_shape(':', 2, 1) {
        "#clock"
    } else if core.len() >= 16 && core.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        "#id"
    } else {
        core
    }
}

#[test]
fn times_ids_and_moments_are_masked_and_nothing_else_is() {
    for (one, other) in [
        ("answered 401 after 23 ms", "answered 401 after 1.4 s"),
        ("end 1 m 20 s · done", "end  80 s · done"),
        ("（12 ms）。", "（7.5 ms）。"),
        ("2026-11-25 16:44:13 req_jzVKXFf59wMW42EPHEtU", "2027-01-02 03:04:05 req_BpDDtmTsLmfcVyWunsCg"),
        ("▁▁▃█ 16:35", "▁█▁▁ 09:10"),
        ("at 16:35 in all", "at 16:35 – 16:36 in all"),
        ("326 ms · 30 facts", "1.2 s · 31 facts"),
        ("\"calls\": 10, \"rate\": 0.5,", "\"calls\": 11, \"rate\": 0.5455,"),
        ("fee1f0b5be8f854e · x", "904deecdd671531d · x"),
    ] {
        assert_eq!(words(one), words(other));
    }
    for (one, other) in [
        ("answered 401 after 23 ms", "answered 403 after 23 ms"),
        ("3 calls", "4 calls"),
        ("in 3 of 5 tries", "in 2 of 5 tries"),
        ("tcp.reset", "tcp.refused"),
        ("127.0.0.1:9000", "127.0.0.1:8787"),
        ("over 5 min", "over 5 calls"),
    ] {
        assert_ne!(words(one), words(other));
    }
}
