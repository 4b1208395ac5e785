//! A link that takes its time and loses packets: two TAP devices, and this process between them.

use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_tun::Tun;

use super::log::Log;
use crate::Problem;
use crate::names::Dice;
use crate::plan::{Link, Place, Plan};

/// The router's end.
pub(crate) const NEAR: &str = "lan0";
/// The client's end, until it is moved there and renamed.
pub(crate) const FAR: &str = "lanfar";
/// The most bytes of a frame besides its packet.
const HEADER: usize = 14;
/// How many frames are on their way at most.
const QUEUE: usize = 4096;

/// Runs the link of a lab until the standard input ends, or for ever.
///
/// # Errors
/// The devices cannot be made.
pub(crate) fn run(dir: &Path, detached: bool) -> Result<(), Problem> {
    let plan: Plan = serde_json::from_str(&std::fs::read_to_string(dir.join("plan.json"))?)?;
    let link = plan.link.ok_or("this lab has no link")?;
    super::until_the_end(detached, async move {
        let log = Log::to(&dir.join(format!("{}.log", Place::Rtr.word())))?;
        let (near, far) = (tap(NEAR)?, tap(FAR)?);
        for (from, to, seed) in [(near.clone(), far.clone(), 1), (far, near, 2)] {
            let (sender, receiver) = mpsc::channel(QUEUE);
            tokio::spawn(take(from, sender, Way { link, dice: Dice::new(seed), log: log.clone() }));
            tokio::spawn(give(to, receiver));
        }
        Ok(())
    })
}

fn tap(name: &str) -> Result<std::sync::Arc<Tun>, Problem> {
    let mut made = Tun::builder().name(name).tap().build().map_err(|e| format!("{name}: {e}"))?;
    Ok(std::sync::Arc::new(made.pop().ok_or("no device was made")?))
}

/// One direction.
struct Way {
    link: Link,
    dice: Dice,
    log: Log,
}

impl Way {
    /// Whether a frame of this length does not arrive.
    fn loses(&mut self, length: usize) -> bool {
        let permille = self.dice.from(0, 999_999);
        if length > self.link.mtu + HEADER {
            self.log.say("link", &format!("too large {length}"));
            return true;
        }
        let lost = permille < (u64::from(self.link.loss_permille) * 1000);
        if lost {
            self.log.say("link", "lost");
        }
        lost
    }
}

async fn take(from: std::sync::Arc<Tun>, to: mpsc::Sender<(Instant, Vec<u8>)>, mut way: Way) {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let Ok(length) = from.recv(&mut bytes).await else {
            // Down, as it is until its addresses are set.
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        if way.loses(length) {
            continue;
        }
        let due = Instant::now() + Duration::from_millis(way.link.delay_ms);
        // A full queue loses what comes, as one would.
        let _lost = to.try_send((due, bytes.get(..length).unwrap_or_default().to_vec())).is_err();
    }
}

async fn give(to: std::sync::Arc<Tun>, mut queue: mpsc::Receiver<(Instant, Vec<u8>)>) {
    while let Some((due, frame)) = queue.recv().await {
        sleep_until(due).await;
        let _down = to.send(&frame).await.is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_loses_its_share_and_what_is_too_large() {
        let link = Link { loss_permille: 300, mtu: 1400, ..Link::default() };
        let mut way = Way { link, dice: Dice::new(7), log: Log::none() };
        let lost = (0..10_000).filter(|_| way.loses(100)).count();
        assert!((2_700..3_300).contains(&lost), "{lost}");
        way.link.loss_permille = 0;
        assert!(!way.loses(1400 + HEADER) && way.loses(1401 + HEADER));
    }
}
