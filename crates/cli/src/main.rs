//! `clearline`: calls to the Claude API that succeed, or say why they cannot.

#![allow(
    rustdoc::bare_urls,
    reason = "what describes an option is its help text, where a link has no brackets"
)]

mod commands;
mod demo;
mod exit;
mod help;
mod lines;
mod look;
mod notify;
mod out;
mod reload;
mod saved;
mod serve;
mod settings;
mod setup;
mod shared;
mod signals;
mod traces;
mod utf16;
mod watch;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let line = match commands::Line::try_parse_from(&words) {
        Ok(line) => line,
        Err(error) => {
            let error = help::answer(&words, error);
            let code = if error.use_stderr() { exit::USAGE } else { exit::WELL };
            // Nobody is left to be told where even this cannot be written.
            let _told = error.print().is_ok();
            return ExitCode::from(code);
        }
    };
    enough_descriptors();
    match commands::run(line) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            out::error(&failure.to_string());
            ExitCode::from(failure.code())
        }
    }
}

/// A limit that leaves no room for this program's own work is raised, where that is allowed; a diagnosis still tells of it.
fn enough_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const ENOUGH: u64 = 64;
    let own = getrlimit(Resource::Nofile);
    let Some(current) = own.current.filter(|n| *n < ENOUGH) else { return };
    let maximum = own.maximum.map(|n| n.max(ENOUGH));
    // Beyond the hard limit only an administrator gets; up to it anybody does.
    let tries = [Rlimit { current: Some(ENOUGH), maximum }, Rlimit { current: own.maximum, ..own }];
    if tries.into_iter().any(|limit| setrlimit(Resource::Nofile, limit).is_ok()) {
        clearline_doctor::descriptors_were(current);
    }
}
