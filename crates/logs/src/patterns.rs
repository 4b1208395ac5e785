//! The table of words: fragments that clients, runtimes and servers print, and what each says.
//!
//! A pattern holds where all of its fragments stand near each other in the normal text and none of the excluded ones. It names the causes that
//! print it, the most frequent first: where several do, the text cannot tell them apart. Sources: the messages of the
//! runtimes and libraries themselves (CPython's ssl and socket, OpenSSL, Node, undici, Bun, Go, the JDK, .NET, rustls,
//! reqwest, hyper, libcurl, Chromium's net errors, Winsock), of the SDKs, and of servers on the way.

mod api;
mod chinese;
mod http;
mod network;
mod places;
mod tls;

use clearline_model::Cause;

use self::api::{CLIENTS, CREDENTIALS, EDGES, QUOTAS};
use self::chinese::{CHINESE, CHINESE_ANSWERS};
use self::http::{HTTP, PROXIES};
use self::network::{CONNECTIONS, NAMES};
use self::places::PLACES;
use self::tls::TLS;
use crate::codes;
use crate::found::{SHARED, SPECIFIC, WEAK};

/// One row.
#[derive(Clone, Copy)]
pub(crate) struct Pattern {
    pub(crate) all: &'static [&'static str],
    pub(crate) any: &'static [&'static str],
    pub(crate) none: &'static [&'static str],
    pub(crate) causes: &'static [Cause],
    pub(crate) strength: u16,
}

const fn says(all: &'static [&'static str], causes: &'static [Cause]) -> Pattern {
    Pattern { all, any: &[], none: &[], causes, strength: SPECIFIC }
}

const fn shares(all: &'static [&'static str], causes: &'static [Cause]) -> Pattern {
    Pattern { all, any: &[], none: &[], causes, strength: SHARED }
}

/// Only beside one of these.
const fn beside(any: &'static [&'static str], pattern: Pattern) -> Pattern {
    Pattern { any, ..pattern }
}

const fn unless(none: &'static [&'static str], pattern: Pattern) -> Pattern {
    Pattern { none, ..pattern }
}

/// Less than likely, and more than what is guessed from what is missing.
const fn maybe(all: &'static [&'static str], causes: &'static [Cause]) -> Pattern {
    Pattern { all, any: &[], none: &[], causes, strength: SHARED - 50 }
}

const fn weakly(all: &'static [&'static str], causes: &'static [Cause]) -> Pattern {
    Pattern { all, any: &[], none: &[], causes, strength: WEAK }
}

/// Stronger than its like: a sentence that says more than one that often stands beside it.
const fn above(more: u16, pattern: Pattern) -> Pattern {
    Pattern { strength: pattern.strength + more, ..pattern }
}

/// How far apart the fragments of one failure stand, bytes. Further apart in a log, they tell of two.
pub(crate) const NEAR: usize = 600;
/// The same with a stack trace between them.
pub(crate) const NEAR_IN_TRACE: usize = 4000;
/// How often a fragment is looked at in one text.
const PLACES_MAX: usize = 200;

impl Pattern {
    /// Whether a normal text holds it: all of its fragments near one place, one of those
    /// that it wants beside them, and none of the excluded ones.
    pub(crate) fn holds(&self, text: &str, apart: usize) -> bool {
        // Nearly every pattern ends here, in nearly every text.
        if !self.all.iter().all(|f| text.contains(word(f).0)) {
            return false;
        }
        let Some((first, others)) = self.all.split_first() else { return false };
        let mut at_first = places(first, text).take(PLACES_MAX);
        at_first.any(|at| {
            let near = text.get(
                text.floor_char_boundary(at.saturating_sub(apart))
                    ..text.ceil_char_boundary(at + first.len() + apart),
            );
            let stands = |f: &&str| near.is_some_and(|near| places(f, near).next().is_some());
            let beside = self.any.is_empty() || self.any.iter().any(stands);
            beside && others.iter().all(stands) && !self.none.iter().any(stands)
        })
    }
}

/// What of a fragment stands in a text, and whether as a word of its own.
fn word(fragment: &str) -> (&str, bool) {
    fragment.strip_prefix('~').map_or((fragment, false), |word| (word, true))
}

/// Where a fragment stands in a text; one that begins with `~` is a word of its own there.
fn places<'a>(fragment: &'a str, text: &'a str) -> impl Iterator<Item = usize> + 'a {
    let (word, is_whole) = word(fragment);
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = || text.get(..*at).and_then(|t| t.chars().next_back());
        let after = || text.get(at + word.len()..).and_then(|t| t.chars().next());
        !is_whole || (!is_part(before()) && !is_part(after()))
    })
}

/// Every cause that some pattern or number can name.
#[must_use]
pub fn emitted() -> Vec<Cause> {
    let mut all: Vec<Cause> = all().flat_map(|p| p.causes.iter().copied()).chain(codes::emitted()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn all() -> impl Iterator<Item = &'static Pattern> {
    NETWORK.iter().chain(&TRACES).chain(&ANSWERS).flat_map(|t| t.iter())
}

/// The way to any server.
pub(crate) const NETWORK: [&[Pattern]; 6] = [NAMES, CONNECTIONS, TLS, PROXIES, HTTP, CHINESE];
/// What stack traces tell beside that.
pub(crate) const TRACES: [&[Pattern]; 1] = [PLACES];
/// What the API answers, or whoever stands in front of it.
pub(crate) const ANSWERS: [&[Pattern]; 5] = [CREDENTIALS, QUOTAS, EDGES, CLIENTS, CHINESE_ANSWERS];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::explain;
    use crate::normal::normal;

    #[test]
    fn every_fragment_is_normal_and_every_row_can_be_reached() {
        for pattern in all() {
            for fragment in pattern.all.iter().chain(pattern.any).chain(pattern.none) {
                let word = fragment.trim_start_matches('~');
                assert_eq!(
                    normal(&format!(".{word}.")),
                    format!(".{word}."),
                    "{fragment} never stands in a normal text"
                );
            }
            let text: Vec<&str> =
                pattern.all.iter().chain(pattern.any.first()).map(|f| f.trim_start_matches('~')).collect();
            let named: Vec<Cause> = explain(&text.join(" ")).causes.iter().map(|r| r.cause).collect();
            assert!(pattern.causes.iter().any(|c| named.contains(c)), "{text:?} gives {named:?}");
        }
    }

    #[test]
    fn a_word_of_its_own_is_not_a_part_of_another() {
        let stands = |fragment, text| places(fragment, text).next().is_some();
        assert!(stands("~enotfound", "getaddrinfo enotfound api.example"));
        assert!(!stands("~enotfound", "filenotfounderror"));
        assert!(!stands("~407", "took 1407 ms"));
    }

    #[test]
    fn fragments_far_apart_tell_of_two_failures() {
        let proxied =
            Pattern { all: &["proxy", "~econnrefused"], any: &[], none: &[], causes: &[], strength: SHARED };
        let direct =
            Pattern { all: &["~econnrefused"], any: &[], none: &["proxy"], causes: &[], strength: SHARED };
        let far = format!("proxy started {} econnrefused", "x ".repeat(NEAR));
        assert!(proxied.holds("econnrefused by the proxy", NEAR) && !proxied.holds(&far, NEAR));
        assert!(direct.holds(&far, NEAR) && !direct.holds("econnrefused by the proxy", NEAR));
    }
}
