//! The program that runs: its environment, its signals, its end.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::exit::Failure;
use crate::setup;

/// Signals that are passed on, and whether a terminal sends them to every program of its foreground by itself.
const SIGNALS: [(i32, Signal, bool); 6] = [
    (1, Signal::HUP, true),
    (2, Signal::INT, true),
    (3, Signal::QUIT, true),
    (10, Signal::USR1, false),
    (12, Signal::USR2, false),
    (15, Signal::TERM, false),
];

/// Starts the program with its base URL, passes signals on, and returns its exit code: 128 and the signal's number
/// where a signal ended it, as shells say it.
///
/// # Errors
///
/// A program that cannot be started.
pub(super) async fn run(command: &[OsString], base_url: &str) -> Result<u8, Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure::usage("no program was named: clearline run -- CMD…"));
    };
    let mut signals = catch()?;
    let mut start = Command::new(program);
    start.args(arguments).env("ANTHROPIC_BASE_URL", base_url);
    for name in ["NO_PROXY", "no_proxy"] {
        start.env(name, without_proxy(setup::variable(name).as_deref()));
    }
    let mut child = start.spawn().map_err(|e| {
        let name = program.to_string_lossy();
        Failure::usage(format!(
            "cannot start {name}: {e}\n  Everything after `--` is the program and its arguments."
        ))
    })?;
    loop {
        tokio::select! {
            ended = child.wait() => {
                let status = ended.map_err(Failure::own)?;
                let code = status.code().or_else(|| status.signal().map(|n| 128 + n)).unwrap_or(255);
                return Ok(u8::try_from(code).unwrap_or(255));
            }
            Some(signal) = signals.recv() => pass_on(&child, signal),
        }
    }
}

/// The child reaches the gateway on loopback itself, whatever proxy is set.
fn without_proxy(own: Option<&str>) -> String {
    let here = "127.0.0.1,localhost";
    match own.map(str::trim).filter(|v| !v.is_empty()) {
        Some(own) => format!("{own},{here}"),
        None => here.to_owned(),
    }
}

/// Catches every signal that is passed on, so that none ends clearline before its program.
fn catch() -> Result<mpsc::UnboundedReceiver<Signal>, Failure> {
    let (send, receive) = mpsc::unbounded_channel();
    for (number, named, by_terminal) in SIGNALS {
        let mut caught = signal(SignalKind::from_raw(number)).map_err(Failure::own)?;
        let send = send.clone();
        tokio::spawn(async move {
            while caught.recv().await.is_some() {
                // What the terminal sent, it sent to the program as well: once is enough.
                if !(by_terminal && is_in_front()) && send.send(named).is_err() {
                    return;
                }
            }
        });
    }
    Ok(receive)
}

/// Whether this is what runs in front of a terminal: its keys then send signals to all of it. What the standard input is
/// does not tell that; it may be a pipe.
fn is_in_front() -> bool {
    let terminal = std::fs::File::open("/dev/tty");
    terminal.is_ok_and(|terminal| tcgetpgrp(&terminal).is_ok_and(|group| group == getpgrp()))
}

fn pass_on(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    // A program that has ended meanwhile needs no signal.
    let _sent = pid.is_some_and(|pid| kill_process(pid, signal).is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_around_the_proxy_stays_and_loopback_is_added() {
        assert_eq!(without_proxy(None), "127.0.0.1,localhost");
        assert_eq!(without_proxy(Some(" ")), "127.0.0.1,localhost");
        assert_eq!(without_proxy(Some("corp.example")), "corp.example,127.0.0.1,localhost");
    }
}
