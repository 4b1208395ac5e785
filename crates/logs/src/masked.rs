//! Texts behind which anything may stand: the sentence that clearline is born to replace, and its relatives.

/// Fragments of them, in a normal text.
const SENTENCES: [&str; 18] = [
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
    "network error",
    "networkerror when attempting to fetch",
    "request failed",
    "connection failed",
    "unable to connect to api",
    "something went wrong",
    "load failed",
    "could not connect",
];

/// Whether a text hides its cause.
pub(crate) fn hides(normal: &str) -> bool {
    SENTENCES.iter().any(|sentence| normal.contains(sentence))
}
