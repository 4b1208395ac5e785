//! What people read: the prose of the causes in two languages, and how it is laid out for each medium.
//!
//! [`Prose`] has the words (Fluent files, one per layer and language); [`terminal`] and [`json`] make reports of them.
//! Text that others wrote comes in as `Foreign` and leaves escaped for its medium.

pub mod alert;
#[cfg(test)]
mod checks;
pub mod client;
pub mod document;
pub mod edit;
pub mod escape;
pub mod html;
pub mod json;
mod known;
mod lang;
pub mod layout;
pub mod markdown;
mod prose;
pub mod redact;
pub mod seen;
pub mod terminal;
pub mod verify;

pub use lang::Lang;
pub use prose::{Args, Explained, Fix, Prose};
