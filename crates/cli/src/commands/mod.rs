//! The commands, one file each.

mod call;
mod causes;
#[cfg(feature = "package")]
mod completions;
mod config;
mod demo;
mod doctor;
mod explain;
mod gateway;
mod logs;
#[cfg(feature = "package")]
mod man;
mod run;
mod schema;
mod sim;
mod trace;
mod watch;

use std::path::PathBuf;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::exit::Failure;

/// Finds out why calls to the Claude API fail, and makes the calls that can succeed succeed.
#[derive(Debug, Parser)]
#[command(
    name = "clearline",
    version,
    max_term_width = 100,
    after_help = "\
Begin with `clearline demo`: everything at once, without a key and without a network.
Exit codes: 0 well, 1 a problem was found, 2 usage or settings, 3 clearline's own failure,\n4 not certain yet; `run` returns its program's."
)]
pub(crate) struct Line {
    /// The settings file [default: ~/.config/clearline/clearline.toml where it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Language of the output: en or zh-CN [default: that of the locale]
    #[arg(long, global = true, value_name = "TAG", value_parser = ["auto", "en", "zh-CN"])]
    lang: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Doctor(doctor::Doctor),
    Explain(explain::Explain),
    Call(call::Call),
    Logs(logs::Logs),
    Trace(trace::Trace),
    Watch(watch::Watch),
    Causes(causes::Causes),
    Gateway(gateway::Gateway),
    Run(run::Run),
    Sim(sim::Sim),
    Config(config::Config),
    Schema(schema::Schema),
    #[cfg(feature = "package")]
    #[command(hide = true)]
    Completions(completions::Completions),
    #[cfg(feature = "package")]
    #[command(hide = true)]
    Man(man::Pages),
}

/// The command line as clap knows it.
pub(crate) fn line() -> clap::Command {
    Line::command()
}

/// Runs the command of a line and returns the exit code.
///
/// # Errors
///
/// Whatever kept it from doing its work.
pub(crate) fn run(line: Line) -> Result<u8, Failure> {
    let (config, lang) = (line.config.as_deref(), line.lang.as_deref());
    match line.command {
        Command::Demo(demo) => demo.run(lang, config),
        Command::Doctor(doctor) => doctor.run(lang, config),
        Command::Explain(explain) => explain.run(lang, config),
        Command::Call(call) => call.run(lang, config),
        Command::Logs(logs) => logs.run(lang, config),
        Command::Trace(trace) => trace.run(lang, config),
        Command::Watch(watch) => watch.run(lang, config),
        Command::Causes(causes) => causes.run(lang, config),
        Command::Gateway(gateway) => gateway.run(lang, config),
        Command::Run(run) => run.run(lang, config),
        Command::Sim(sim) => sim.run(),
        Command::Config(command) => command.run(lang, config),
        Command::Schema(schema) => schema.run(),
        #[cfg(feature = "package")]
        Command::Completions(completions) => completions.run(),
        #[cfg(feature = "package")]
        Command::Man(pages) => pages.run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        line().debug_assert();
    }
}
