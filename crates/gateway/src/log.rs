//! The log's writer: one text that calls append to and one thread writes out. A full disk costs lines and never a call.

mod sink;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::log::sink::Sink;
use crate::options::LogTarget;

/// The most text that waits for the writer, bytes: some eight thousand lines.
const WAITING_MAX: usize = 8 << 20;
/// How much room the text keeps after a burst, bytes.
const KEPT: usize = 1 << 20;
/// How long lines are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(20);

/// What waits for the writer.
#[derive(Default)]
struct Batch {
    /// Whole lines.
    text: String,
    /// Who wants to know when they are written.
    acks: Vec<oneshot::Sender<()>>,
    /// No more lines will come.
    closed: bool,
}

impl Batch {
    const fn is_urgent(&self) -> bool {
        self.closed || !self.acks.is_empty()
    }

    const fn is_idle(&self) -> bool {
        self.text.is_empty() && !self.is_urgent()
    }
}

#[derive(Default)]
struct Waiting {
    batch: Mutex<Batch>,
    /// The writer has something to do.
    more: Condvar,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What went wrong with the log so far.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Lines that found too many others waiting.
    pub(crate) dropped: AtomicU64,
    /// Lines that could not be written.
    pub(crate) errors: AtomicU64,
}

/// Takes lines; cheap, and never waits for the disk.
pub(crate) struct Log {
    waiting: Option<Arc<Waiting>>,
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
                let (sink, why) = Sink::file(path);
                refused = why.map(|why| (path.clone(), why));
                Some(sink)
            }
        };
        let waiting = sink.and_then(|sink| start(sink, Arc::clone(&losses)));
        Self { waiting, losses, refused }
    }

    /// Says whether anybody would read a line.
    pub(crate) const fn is_on(&self) -> bool {
        self.waiting.is_some()
    }

    /// Has a line written, without its newline, straight to where it waits for the disk.
    pub(crate) fn put(&self, write: impl FnOnce(&mut String)) {
        let Some(waiting) = &self.waiting else { return };
        let mut batch = waiting.lock();
        if batch.text.len() > WAITING_MAX {
            self.losses.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let is_first = batch.text.is_empty();
        write(&mut batch.text);
        batch.text.push('\n');
        drop(batch);
        if is_first {
            waiting.more.notify_one();
        }
    }

    /// Returns when all lines so far are written.
    pub(crate) async fn flush(&self) {
        let Some(waiting) = &self.waiting else { return };
        let (ack, done) = oneshot::channel();
        waiting.lock().acks.push(ack);
        waiting.more.notify_one();
        // The writer is gone only where its thread is, and then there is nothing to wait for.
        let _gone = done.await.is_err();
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(waiting) = &self.waiting {
            waiting.lock().closed = true;
            waiting.more.notify_one();
        }
    }
}

fn start(sink: Sink, losses: Arc<Losses>) -> Option<Arc<Waiting>> {
    let waiting = Arc::new(Waiting::default());
    let (mine, counted) = (Arc::clone(&waiting), Arc::clone(&losses));
    let spawned = std::thread::Builder::new()
        .name("clearline-log".to_owned())
        .spawn(move || write_all(sink, &mine, &losses));
    if spawned.is_err() {
        counted.errors.fetch_add(1, Ordering::Relaxed);
    }
    spawned.ok().map(|_runs| waiting)
}

/// Waits for lines, and a little longer for others that go out with them; `None` once no more will come.
fn gathered(waiting: &Waiting, empty: String) -> Option<(String, Vec<oneshot::Sender<()>>)> {
    let batch =
        waiting.more.wait_while(waiting.lock(), |b| b.is_idle()).unwrap_or_else(PoisonError::into_inner);
    let in_time = waiting.more.wait_timeout_while(batch, GATHER, |b| !b.is_urgent());
    let (mut batch, _) = in_time.unwrap_or_else(PoisonError::into_inner);
    if batch.text.is_empty() && batch.acks.is_empty() {
        return None;
    }
    Some((std::mem::replace(&mut batch.text, empty), std::mem::take(&mut batch.acks)))
}

fn write_all(mut sink: Sink, waiting: &Waiting, losses: &Losses) {
    let mut spare = String::new();
    while let Some((mut lines, acks)) = gathered(waiting, std::mem::take(&mut spare)) {
        if !lines.is_empty() {
            losses.errors.fetch_add(sink.write(lines.as_bytes()), Ordering::Relaxed);
        }
        lines.clear();
        lines.shrink_to(KEPT);
        spare = lines;
        for ack in acks {
            // Whoever asked may have left.
            let _left = ack.send(()).is_err();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_counted_and_survived() {
        let log = Log::open(&LogTarget::File(PathBuf::from("/dev/full")));
        for line in ["a", "b", "c"] {
            log.put(|text| text.push_str(line));
        }
        log.flush().await;
        log.put(|line| line.push('d'));
        log.flush().await;
        assert_eq!(log.losses.errors.load(Ordering::Relaxed), 4, "lines, and not writes");
        assert_eq!(log.losses.dropped.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn lines_are_written_in_order_and_the_last_ones_with_the_end() {
        let path = std::env::temp_dir().join(format!("clearline-log-{}.log", std::process::id()));
        let log = Log::open(&LogTarget::File(path.clone()));
        for n in 0..3 {
            log.put(|line| line.push_str(&n.to_string()));
        }
        log.flush().await;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0\n1\n2\n");
        log.put(|line| line.push('3'));
        let waiting = log.waiting.clone().unwrap();
        drop(log);
        // The thread lets go of it when all is written.
        while Arc::strong_count(&waiting) > 1 {
            std::thread::yield_now();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0\n1\n2\n3\n");
        std::fs::remove_file(&path).unwrap();
    }

    #[tokio::test]
    async fn half_a_line_of_a_process_that_was_killed_spoils_no_other() {
        let path = std::env::temp_dir().join(format!("clearline-torn-{}.log", std::process::id()));
        for (before, after) in [("", "b\n"), ("a\n", "a\nb\n"), ("{\"a", "{\"a\nb\n")] {
            std::fs::write(&path, before).unwrap();
            let log = Log::open(&LogTarget::File(path.clone()));
            log.put(|line| line.push('b'));
            log.flush().await;
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_finds_too_much_waiting_is_counted() {
        // Nobody takes anything out of it.
        let log = Log { waiting: Some(Arc::default()), losses: Arc::default(), refused: None };
        let line = "x".repeat(1 << 20);
        for _ in 0..12 {
            log.put(|text| text.push_str(&line));
        }
        assert_eq!(log.losses.dropped.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let log = Log::open(&LogTarget::File(PathBuf::from("/nonexistent/x.log")));
        assert_eq!(log.refused.clone().unwrap().0, PathBuf::from("/nonexistent/x.log"));
    }
}
