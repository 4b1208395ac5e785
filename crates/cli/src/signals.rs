//! The signals that end a server, and the one that makes it read its settings again.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

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
            die();
        });
    })
}

/// Waits for the first SIGINT or SIGTERM, and for the second one; the third one ends the program at once.
///
/// # Errors
///
/// The system does not let the signals be caught.
pub(crate) fn stops() -> Result<(impl Future<Output = ()>, impl Future<Output = ()>), Failure> {
    let mut int = signal(SignalKind::interrupt()).map_err(Failure::own)?;
    let mut term = signal(SignalKind::terminate()).map_err(Failure::own)?;
    let (tell, told) = watch::channel(0);
    tokio::spawn(async move {
        for nth in 1..=3 {
            tokio::select! {
                _ = int.recv() => {}
                _ = term.recv() => {}
            }
            tell.send_replace(nth);
        }
        die();
    });
    let nth = |n: u32, mut told: watch::Receiver<u32>| async move {
        // Who counts lives as long as the program.
        let _told = told.wait_for(|seen| *seen >= n).await.is_ok();
    };
    Ok((nth(1, told.clone()), nth(2, told)))
}

/// Whoever insists does not want the running calls to finish.
fn die() {
    crate::out::note("clearline: stopped at once by a further signal");
    let own = rustix::process::getpid();
    let _gone = rustix::process::kill_process(own, rustix::process::Signal::KILL).is_ok();
}

/// The next SIGHUP each time it is asked for.
///
/// # Errors
///
/// The system does not let the signal be caught.
pub(crate) fn hangup() -> Result<tokio::signal::unix::Signal, Failure> {
    signal(SignalKind::hangup()).map_err(Failure::own)
}
