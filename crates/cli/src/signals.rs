//! The signals that end a server, and the one that makes it read its settings again.

use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Failure;

/// Waits for the first SIGINT or SIGTERM. The second one ends the program at once.
///
/// # Errors
///
/// The system does not let the signals be caught.
pub(crate) fn stop() -> Result<impl Future<Output = ()>, Failure> {
    let mut int = signal(SignalKind::interrupt()).map_err(Failure::own)?;
    let mut term = signal(SignalKind::terminate()).map_err(Failure::own)?;
    Ok(async move {
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = int.recv() => {}
                _ = term.recv() => {}
            }
            crate::out::note("clearline: stopped at once by a second signal");
            // Whoever insists does not want the running calls to finish.
            let own = rustix::process::getpid();
            let _gone = rustix::process::kill_process(own, rustix::process::Signal::KILL).is_ok();
        });
    })
}

/// The next SIGHUP each time it is asked for.
///
/// # Errors
///
/// The system does not let the signal be caught.
pub(crate) fn hangup() -> Result<tokio::signal::unix::Signal, Failure> {
    signal(SignalKind::hangup()).map_err(Failure::own)
}
