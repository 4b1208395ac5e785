//! Texts behind which anything may stand: the sentence that clearline is born to replace, and its relatives.

/// Fragments of them, in a normal text.
const SENTENCES: [&str; 14] = [
    "please check your internet connection",
    "check your internet connection and network settings",
    "check your network connection",
    "check your internet connection or vpn",
    "check your internet connection",
    "connection error.",
    "unable to connect to anthropic services",
    "apiconnectionerror",
    "fetch failed",
    "failed to fetch",
    "networkerror when attempting to fetch",
    "unable to connect to api",
    "unable to connect. is the computer able to access the url",
    "typeerror: load failed",
];

/// Fragments that other programs print as well.
const VAGUE: [&str; 5] =
    ["network error", "request failed", "connection failed", "something went wrong", "could not connect"];

/// What shows that a call over HTTP is meant.
const CALLS: [&str; 8] = ["anthropic", "claude", "api ", "fetch", "axios", "http", "internet", "err_"];

/// Whether a text hides its cause.
pub(crate) fn hides(normal: &str) -> bool {
    let holds = |fragments: &[&str]| fragments.iter().any(|fragment| normal.contains(fragment));
    let is_alone = VAGUE.contains(&normal.trim_end_matches(['.', '!', ' ']));
    holds(&SENTENCES) || is_alone || (holds(&VAGUE) && holds(&CALLS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_programs_say_as_well_needs_a_call_beside_it() {
        for text in [
            "typeerror: load failed",
            "connection failed.",
            "axioserror: network error",
            "request failed, see http://localhost:3000",
        ] {
            assert!(hides(text), "{text}");
        }
        for text in [
            "importerror: dll load failed while importing _ssl: the specified module could not be found.",
            "could not connect to display :0",
            "the pull request failed two checks and will not be merged into the branch",
        ] {
            assert!(!hides(text), "{text}");
        }
    }
}
