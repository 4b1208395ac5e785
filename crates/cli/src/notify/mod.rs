//! Alerts on their way to people: a log, a command and a webhook, on a thread of their own.
//!
//! Whoever has an alert puts it into a bounded queue and goes on; a command that hangs or a webhook that answers 500
//! costs one clear line, and the next alert is tried again.

mod command;
#[cfg(test)]
mod tests;
mod webhook;

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use clearline_model::Dur;
use clearline_report::alert::{self, Format, Told};
use clearline_report::{Lang, Prose};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::exit::Failure;
use crate::settings::Settings;
use webhook::Webhook;
pub(crate) use webhook::parse;

/// How alerts are told besides the log.
#[derive(Debug)]
pub(crate) struct Ways {
    command: Option<String>,
    webhook: Option<Webhook>,
    format: Format,
    timeout: Dur,
    queue: usize,
    lang: Lang,
}

/// An alert that did not arrive somewhere.
#[derive(Debug)]
pub(crate) struct Lost<'a> {
    /// Which.
    pub(crate) told: &'a Told,
    /// `command`, `webhook` or `queue`.
    pub(crate) way: &'static str,
    /// Where to: never more than host and port, because the rest of a webhook's address is a secret.
    pub(crate) to: String,
    /// Why.
    pub(crate) why: String,
}

/// Where alerts are written down.
pub(crate) trait Sink: Send {
    /// An alert.
    fn alert(&self, prose: &Prose, told: &Told);
    /// One that could not be handed on.
    fn lost(&self, lost: &Lost<'_>);
}

enum Order {
    Tell(Box<Told>),
    Finish(mpsc::Sender<()>),
}

/// The queue in front of the ways. Its clones share it.
#[derive(Clone)]
pub(crate) struct Notifier {
    queue: Sender<Order>,
    ways: Arc<Mutex<Arc<Ways>>>,
}

impl Ways {
    /// As the settings want it.
    ///
    /// # Errors
    ///
    /// A webhook that cannot be used: an address in clear beyond this machine, a secret that is not there.
    pub(crate) fn of(settings: &Settings, lang: Lang) -> Result<Self, Failure> {
        let command = settings.text("alerts.command");
        let timeout = settings.time("alerts.timeout");
        Ok(Self {
            command: (!command.trim().is_empty()).then(|| command.to_owned()),
            webhook: Webhook::of(settings, timeout)?,
            format: Format::of(settings.text("alerts.format")),
            timeout,
            queue: usize::try_from(settings.number("alerts.queue")).unwrap_or(1),
            lang,
        })
    }

    /// Starts the thread that tells.
    ///
    /// # Errors
    ///
    /// A system that gives no thread or no event queue.
    pub(crate) fn start(self, sink: impl Sink + 'static) -> Result<Notifier, Failure> {
        let (queue, orders) = channel(self.queue.max(1));
        let runtime = crate::serve::one_thread()?;
        let ways = Arc::new(Mutex::new(Arc::new(self)));
        let notifier = Notifier { queue, ways: Arc::clone(&ways) };
        std::thread::Builder::new()
            .name("clearline-alerts".to_owned())
            .spawn(move || runtime.block_on(work(&ways, orders, sink)))
            .map_err(|e| Failure::own(format!("no thread for the alerts: {e}")))?;
        Ok(notifier)
    }

    async fn tell(&self, prose: &Prose, sink: &impl Sink, told: &Told) {
        sink.alert(prose, told);
        let command = async {
            let Some(command) = &self.command else { return Ok(()) };
            let line = format!("{}\n", alert::json(prose, told));
            command::run(command, &line, self.timeout).await
        };
        let webhook = async {
            let Some(webhook) = &self.webhook else { return Ok(()) };
            webhook.post(alert::body(prose, told, self.format).to_string()).await
        };
        let (command, webhook) = tokio::join!(command, webhook);
        if let Err(why) = command {
            sink.lost(&Lost { told, way: "command", to: "alerts.command".to_owned(), why });
        }
        if let (Err(why), Some(hook)) = (webhook, &self.webhook) {
            sink.lost(&Lost { told, way: "webhook", to: hook.shown(), why });
        }
    }
}

async fn work(ways: &Mutex<Arc<Ways>>, mut orders: Receiver<Order>, sink: impl Sink) {
    let now = || Arc::clone(&ways.lock().unwrap_or_else(PoisonError::into_inner));
    let prose = Prose::load(now().lang);
    while let Some(order) = orders.recv().await {
        match order {
            Order::Tell(told) => now().tell(&prose, &sink, &told).await,
            // Whoever waits may have given up.
            Order::Finish(done) => drop(done.send(())),
        }
    }
}

impl Notifier {
    /// Tells alerts these ways from now on, those that wait as well; the queue stays as long as it was.
    pub(crate) fn reload(&self, ways: Ways) {
        *self.ways.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(ways);
    }

    /// Puts an alert into the queue; never waits. Says whether there was room.
    pub(crate) fn tell(&self, told: Told) -> bool {
        self.queue.try_send(Order::Tell(Box::new(told))).is_ok()
    }

    /// Waits until everything so far is told, but not longer than this.
    pub(crate) fn finish(&self, limit: Duration) {
        let (done, wait) = mpsc::channel();
        if self.queue.try_send(Order::Finish(done)).is_ok() {
            // An end that takes too long is not waited for.
            let _in_time = wait.recv_timeout(limit).is_ok();
        }
    }
}
