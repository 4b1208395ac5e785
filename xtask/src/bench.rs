//! The benchmarks.

mod cpu;
pub(crate) mod engine;
mod gateway;
mod http2;
mod peers;
mod proc;
mod report;
pub(crate) mod sockets;
mod streams;

pub(crate) use gateway::run;

use crate::sh::cargo;

/// Runs the engine's scenes in virtual time.
///
/// # Errors
/// A build or a run that fails.
pub(crate) fn resilience(words: &[&str]) -> Result<(), String> {
    let run = ["run", "--release", "--locked", "-p", "clearline-policy", "--example", "resilience", "--"];
    cargo(&[&run[..], words].concat())
}
