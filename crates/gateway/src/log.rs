//! The log's writer: a bounded queue and one thread. A full disk costs lines and never a call.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use crate::options::LogTarget;

/// The most lines that wait for the writer.
const QUEUE: usize = 8192;
/// How long lines are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(20);

enum Order {
    Line(String),
    Flush(tokio::sync::oneshot::Sender<()>),
}

/// What went wrong with the log so far.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Lines that found the queue full.
    pub(crate) dropped: AtomicU64,
    /// Writes that failed.
    pub(crate) errors: AtomicU64,
}

/// Takes lines; cheap, and never waits.
pub(crate) struct Log {
    send: Option<(SyncSender<Order>, std::thread::Thread)>,
    pub(crate) losses: Arc<Losses>,
    /// Why the file could not be opened at the start.
    pub(crate) refused: Option<(PathBuf, String)>,
}

impl Log {
    pub(crate) fn open(target: &LogTarget) -> Self {
        let losses = Arc::new(Losses::default());
        let mut refused = None;
        let sink = match target {
            LogTarget::None => None,
            LogTarget::Stderr => Some(Sink::Stderr),
            LogTarget::File(path) => {
                let file = append(path).map_err(|e| refused = Some((path.clone(), e.to_string())));
                Some(Sink::File { path: path.clone(), file: file.ok(), torn: false })
            }
        };
        let send = sink.and_then(|sink| start(sink, Arc::clone(&losses)));
        Self { send, losses, refused }
    }

    /// Says whether anybody would read a line.
    pub(crate) const fn is_on(&self) -> bool {
        self.send.is_some()
    }

    /// Puts a line, without its newline, into the queue.
    pub(crate) fn line(&self, line: String) {
        if let Some((send, _)) = &self.send
            && send.try_send(Order::Line(line)).is_err()
        {
            self.losses.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns when all lines so far are written.
    pub(crate) async fn flush(&self) {
        let Some((send, thread)) = &self.send else { return };
        let (ack, done) = tokio::sync::oneshot::channel();
        let mut order = Order::Flush(ack);
        // A full queue empties within the time that lines are gathered.
        for _ in 0..100 {
            match send.try_send(order) {
                Ok(()) => {
                    thread.unpark();
                    // The writer is gone only where its thread is, and then there is nothing to wait for.
                    let _gone = done.await.is_err();
                    return;
                }
                Err(TrySendError::Full(back)) => order = back,
                Err(TrySendError::Disconnected(_)) => return,
            }
            thread.unpark();
            tokio::time::sleep(GATHER).await;
        }
    }
}

fn start(sink: Sink, losses: Arc<Losses>) -> Option<(SyncSender<Order>, std::thread::Thread)> {
    let (send, orders) = sync_channel(QUEUE);
    let counted = Arc::clone(&losses);
    let spawned = std::thread::Builder::new()
        .name("clearline-log".to_owned())
        .spawn(move || write_all(sink, &orders, &losses));
    if spawned.is_err() {
        counted.errors.fetch_add(1, Ordering::Relaxed);
    }
    spawned.ok().map(|handle| (send, handle.thread().clone()))
}

fn write_all(mut sink: Sink, orders: &Receiver<Order>, losses: &Losses) {
    let mut batch = String::new();
    while let Ok(first) = orders.recv() {
        if matches!(first, Order::Line(_)) {
            std::thread::park_timeout(GATHER);
        }
        let mut acks = Vec::new();
        for order in std::iter::once(first).chain(orders.try_iter().take(QUEUE)) {
            match order {
                Order::Line(line) => {
                    batch.push_str(&line);
                    batch.push('\n');
                }
                Order::Flush(ack) => acks.push(ack),
            }
        }
        if !batch.is_empty() && sink.write(batch.as_bytes()).is_err() {
            losses.errors.fetch_add(1, Ordering::Relaxed);
        }
        batch.clear();
        batch.shrink_to(1 << 20);
        for ack in acks {
            // Whoever asked may have left.
            let _left = ack.send(()).is_err();
        }
    }
}

enum Sink {
    Stderr,
    File { path: PathBuf, file: Option<File>, torn: bool },
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Stderr => std::io::stderr().lock().write_all(bytes),
            Self::File { path, file, torn } => {
                let mut open = match file.take() {
                    Some(open) => open,
                    None => append(path)?,
                };
                // After a write that failed, half a line may stand at the end.
                let start: &[u8] = if *torn { b"\n" } else { b"" };
                *torn = true;
                open.write_all(start)?;
                open.write_all(bytes)?;
                *torn = false;
                *file = Some(open);
                Ok(())
            }
        }
    }
}

fn append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_counted_and_survived() {
        let log = Log::open(&LogTarget::File(PathBuf::from("/dev/full")));
        log.line("a".to_owned());
        log.flush().await;
        log.line("b".to_owned());
        log.flush().await;
        assert!(log.losses.errors.load(Ordering::Relaxed) >= 2);
        assert_eq!(log.losses.dropped.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let log = Log::open(&LogTarget::File(PathBuf::from("/nonexistent/x.log")));
        assert_eq!(log.refused.unwrap().0, PathBuf::from("/nonexistent/x.log"));
    }
}
