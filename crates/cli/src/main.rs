//! `clearline`: calls to the Claude API that succeed, or say why they cannot.

mod commands;
mod demo;
mod exit;
mod lines;
mod look;
mod notify;
mod out;
mod saved;
mod serve;
mod settings;
mod setup;
mod shared;
mod signals;
mod traces;
mod watch;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let line = match commands::Line::try_parse() {
        Ok(line) => line,
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { exit::WELL };
            // Nobody is left to be told where even this cannot be written.
            let _told = error.print().is_ok();
            return ExitCode::from(code);
        }
    };
    match commands::run(line) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            out::error(&failure.to_string());
            ExitCode::from(failure.code())
        }
    }
}
