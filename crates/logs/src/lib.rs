//! Error texts and log lines of every client become causes. This crate and `clearline_wire::error` are the only places
//! that look at the words of an error.
//!
//! [`explain`] takes any text: an exception chain, an HTTP dump, a line of a log. Typed things come before words: an
//! error body of the API, a status, an errno name, a TLS alert; only then fragments of sentences.

mod codes;
mod explain;
mod found;
mod http;
mod joined;
mod line;
mod masked;
mod normal;
mod objects;
mod patterns;
mod runtime;
mod said;
mod summary;
mod time;

pub use explain::{Explanation, Ranked, explain};
pub use line::{Call, Entry, Kind, read};
pub use patterns::emitted;
pub use runtime::Runtime;
pub use summary::{Row, Summary};
