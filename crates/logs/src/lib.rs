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
mod keys;
mod line;
mod masked;
mod normal;
mod objects;
mod patterns;
mod record;
mod runtime;
mod said;
mod status;
mod summary;
mod time;
mod wrapped;

pub use explain::{Explanation, Ranked, explain};
pub use keys::without_keys;
pub use line::{Call, Entry, Kind, read, read_local};
pub use patterns::emitted;
pub use record::{Record, Records};
pub use runtime::Runtime;
pub use summary::{Row, Summary};
pub use time::Local;
pub use wrapped::object;
