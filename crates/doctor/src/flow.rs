//! How bytes come to this machine while a diagnosis takes long, as the kernel counts them: what drips evenly stands in a queue
//! that somebody empties slowly; what is lost comes in bursts after silences.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clearline_model::{Fact, Path, Stage};

use crate::world::World;

/// A diagnosis that takes longer has met more than a slow server; before, nothing is counted.
const BEGIN: Duration = Duration::from_millis(1_500);
/// How often it is counted.
const EVERY: Duration = Duration::from_millis(500);
/// The most that is kept: two minutes.
const SAMPLES_MAX: usize = 240;

/// Counts until it is dropped.
pub(crate) struct Meter {
    samples: Arc<Mutex<Vec<u64>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Meter {
    /// Begins to count.
    pub(crate) fn start() -> Self {
        let samples = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(count(Arc::clone(&samples)));
        Self { samples, task }
    }

    /// What came, bytes in each half second.
    pub(crate) fn fact(&self, world: &World) -> Option<Fact> {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let list: Vec<String> = samples.iter().map(ToString::to_string).collect();
        let said = || world.said(&Path::default(), Stage::Connect, "flow.came", &list.join(" "));
        (!list.is_empty()).then(said)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn count(samples: Arc<Mutex<Vec<u64>>>) {
    tokio::time::sleep(BEGIN).await;
    let mut before = None;
    for _ in 0..SAMPLES_MAX {
        // Of this network namespace; elsewhere than on Linux there is no such file.
        let Ok(text) = std::fs::read_to_string("/proc/net/dev") else { return };
        let now = came(&text);
        if let Some(before) = before.replace(now) {
            samples.lock().unwrap_or_else(PoisonError::into_inner).push(now.saturating_sub(before));
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Bytes that all links but the loopback took in: the first number behind each name.
fn came(text: &str) -> u64 {
    let links = text.lines().filter_map(|line| line.split_once(':')).filter(|(name, _)| name.trim() != "lo");
    let numbers = links.filter_map(|(_, rest)| rest.split_whitespace().next()?.parse::<u64>().ok());
    numbers.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_summed_without_the_loopback() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes\n    lo: 99 1 0\n  eth0:1000 7 0 0\n wlan0:    24 1 0\n";
        assert_eq!(came(text), 1_024);
        assert_eq!(came("no such thing"), 0);
    }
}
