//! What wakes the engine when it asked for it: a task in each runtime in which calls begin, for as long as that runs.

use std::sync::{Arc, Weak};
use std::time::Duration;

use clearline_model::Mono;
use tokio::runtime::Id;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::shared::Brain;

/// The longest sleep of a timer.
const LOOK: Duration = Duration::from_secs(1);

/// The timers of a client: mostly one. A runtime that nobody drives wakes nobody, so that none serves another.
#[derive(Default)]
pub(crate) struct Timers(Vec<Timer>);

struct Timer {
    runtime: Id,
    /// For which moment it waits.
    armed: Option<Mono>,
    rearm: Arc<Notify>,
}

impl Timers {
    /// The task of one in this runtime, unless there is one.
    pub(crate) fn begin(
        &mut self,
        brain: &Arc<Brain>,
        runtime: Id,
    ) -> Option<impl Future<Output = ()> + use<>> {
        if self.0.iter().any(|t| t.runtime == runtime) {
            return None;
        }
        let rearm = Arc::new(Notify::new());
        self.0.push(Timer { runtime, armed: None, rearm: Arc::clone(&rearm) });
        let task = Task { brain: Arc::downgrade(brain), runtime };
        Some(tick(task, rearm))
    }

    /// Says for which moment a timer waits.
    pub(crate) fn arm(&mut self, runtime: Id, wake: Option<Mono>) {
        self.0.iter_mut().filter(|t| t.runtime == runtime).for_each(|t| t.armed = wake);
    }

    /// The engine asks for this moment now: who waits for a later one looks again.
    pub(crate) fn wake_by(&self, wake: Option<Mono>) {
        let Some(wake) = wake else { return };
        for timer in self.0.iter().filter(|t| t.armed.is_none_or(|at| wake < at)) {
            timer.rearm.notify_one();
        }
    }

    fn end(&mut self, runtime: Id) {
        self.0.retain(|t| t.runtime != runtime);
    }
}

/// A timer's task. It is dropped with its runtime, and another one may then begin.
struct Task {
    brain: Weak<Brain>,
    runtime: Id,
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(brain) = self.brain.upgrade() {
            brain.timers(|timers| timers.end(self.runtime));
        }
    }
}

/// Wakes the engine when it asked for it. Ends with the client.
async fn tick(task: Task, rearm: Arc<Notify>) {
    loop {
        let Some(brain) = task.brain.upgrade() else { return };
        let until = brain.arm(task.runtime);
        drop(brain);
        // Also without a wish of the engine it looks now and then: whether the client still lives, and because the
        // timers of attempts, which lie further ahead, then do not wake the runtime's driver when they are set.
        let soon = Instant::now() + LOOK;
        let at = until.map_or(soon, |until| until.min(soon));
        tokio::select! {
            () = tokio::time::sleep_until(at) => {}
            () = rearm.notified() => continue,
        }
        let Some(brain) = task.brain.upgrade() else { return };
        brain.look();
    }
}
