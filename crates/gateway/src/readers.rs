//! The readers of events: log, metrics and summary. None of them writes back.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use clearline::{Names, Observer};
use clearline_diagnose::alerts::{AlertRules, Alerts};
use clearline_model::{
    Alert, CallId, CallRecord, Cause, Dur, Event, EventKind, KeyId, Mono, Outcome, Subject,
};
use clearline_report::alert::Told;
use clearline_report::{Lang, Prose};

use crate::ids;
use crate::line::{self, Context};
use crate::log::Log;
use crate::metrics::{Metrics, Watched};
use crate::options::LogTarget;

/// What a run came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Calls that are over.
    pub calls: u64,
    /// … and were delivered whole.
    pub succeeded: u64,
    /// … of these, after more than one attempt.
    pub after_retries: u64,
    /// Calls that ended with an error for the caller.
    pub failed: u64,
    /// Calls whose caller left.
    pub left: u64,
    /// Causes of the attempts that failed.
    pub met: BTreeMap<Cause, u64>,
    /// Causes of the calls that failed, how often, and the request id of the last, escaped.
    pub failed_by: Vec<(Cause, u64, Option<String>)>,
    /// How long calls were parked, together.
    pub waited: Dur,
    /// The longest that one call was parked.
    pub longest_wait: Dur,
    /// Attempts of all calls.
    pub attempts: u64,
    /// Attempts that may have been billed and were not delivered.
    pub wasted: u64,
}

impl Summary {
    fn add(&mut self, record: &CallRecord) {
        self.calls += 1;
        self.attempts += count(record.attempts.len());
        self.wasted += count(record.wasted());
        for cause in record.attempts.iter().filter_map(|a| a.cause) {
            *self.met.entry(cause).or_default() += 1;
        }
        let waited = record.waited();
        self.waited = self.waited + waited;
        self.longest_wait = self.longest_wait.max(waited);
        match record.outcome {
            Some(Outcome::Succeeded) => {
                self.succeeded += 1;
                self.after_retries += u64::from(record.attempts.len() > 1);
            }
            Some(Outcome::Failed | Outcome::Refused | Outcome::Broken) => self.failed(record),
            Some(Outcome::Left) | None => self.left += 1,
        }
    }

    fn failed(&mut self, record: &CallRecord) {
        self.failed += 1;
        let Some(cause) = record.cause else { return };
        let heads = record.attempts.iter().rev().filter_map(|a| a.head.as_ref());
        let id = heads.filter_map(|h| h.request_id.as_ref()).map(clearline_model::Foreign::escaped).next();
        match self.failed_by.iter_mut().find(|(c, _, _)| *c == cause) {
            Some((_, n, last)) => {
                *n += 1;
                *last = id.or_else(|| last.take());
            }
            None => self.failed_by.push((cause, 1, id)),
        }
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// What is known so far of a call whose line is not written yet.
#[derive(Default)]
struct Pending {
    context: Option<Arc<Context>>,
    record: Option<Box<CallRecord>>,
    released: bool,
}

impl Pending {
    /// Both halves are there, or the gateway knows nothing.
    fn is_whole(&self) -> bool {
        self.record.is_some() && self.is_known()
    }

    /// The gateway has added all that it knows.
    const fn is_known(&self) -> bool {
        self.released || self.context.is_none()
    }
}

thread_local! {
    /// The context of the call that is being started on this thread.
    static STARTING: RefCell<Option<Arc<Context>>> = const { RefCell::new(None) };
}

/// Takes an alert.
pub type Tell = Box<dyn Fn(Told) + Send + Sync>;

/// When there are alerts, and the names of those whom they hit.
#[derive(Debug, Clone, Default)]
pub struct Watching {
    /// When.
    pub rules: AlertRules,
    /// The names of the callers with tokens, in their order.
    pub callers: Vec<String>,
}

/// Log, metrics and summary of all calls of a client. Made before the client, and given to it as its observer.
pub struct Readers {
    pub(crate) log: Log,
    pub(crate) metrics: Metrics,
    summary: Mutex<Summary>,
    pending: Mutex<BTreeMap<CallId, Pending>>,
    /// The names of the callers with tokens, as of now.
    callers: RwLock<Vec<String>>,
    alerts: Mutex<Alerts>,
    on_alert: OnceLock<Tell>,
    /// The gateway ends its calls itself.
    is_ending: AtomicBool,
}

impl Readers {
    /// Opens the log. `aliases` are the names of the pool's keys, in their order.
    #[must_use]
    pub fn new(target: LogTarget, aliases: Vec<String>) -> Arc<Self> {
        Self::watching(target, aliases, Watching::default())
    }

    /// The same with other rules for alerts.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "the caller has no use for the target afterwards")]
    pub fn watching(target: LogTarget, aliases: Vec<String>, watching: Watching) -> Arc<Self> {
        Arc::new(Self {
            log: Log::open(&target),
            metrics: Metrics::new(names(aliases)),
            summary: Mutex::default(),
            pending: Mutex::default(),
            alerts: Mutex::new(Alerts::new(watching.rules)),
            callers: RwLock::new(watching.callers),
            on_alert: OnceLock::new(),
            is_ending: AtomicBool::new(false),
        })
    }

    /// Hands every alert to this function, which then writes its line to the log by [`Readers::line`], in its language.
    /// Only the first one that is given counts; it must not block. Without one, the log has the line in English.
    pub fn on_alert(&self, tell: Tell) {
        let _first = self.on_alert.set(tell).is_ok();
    }

    /// Writes a line to the log; says whether there is one.
    pub fn line(&self, line: &str) -> bool {
        self.log.put(|text| text.push_str(line));
        self.log.is_on()
    }

    /// Writes an event that is about the gateway itself to the log, with its time.
    pub fn note(&self, mut line: serde_json::Map<String, serde_json::Value>) {
        let (ts, time) = ids::now();
        line.insert("ts".to_owned(), ts.into());
        line.insert("time".to_owned(), time.into());
        self.log.put(|text| text.push_str(&serde_json::Value::from(line).to_string()));
    }

    /// Takes other names of callers.
    pub(crate) fn rename_callers(&self, callers: Vec<String>) {
        *self.callers.write().unwrap_or_else(PoisonError::into_inner) = callers;
    }

    /// Takes other rules for alerts.
    pub(crate) fn watch(&self, rules: AlertRules, now: Mono) {
        self.judge(|alerts| alerts.reload(now, rules));
    }

    fn judge(&self, judge: impl FnOnce(&mut Alerts) -> Vec<Alert>) {
        let alerts = judge(&mut self.alerts.lock().unwrap_or_else(PoisonError::into_inner));
        for alert in alerts {
            let told = self.told(alert);
            match self.on_alert.get() {
                Some(tell) => tell(told),
                None => {
                    let prose = Prose::load(Lang::En);
                    let line = clearline_report::alert::json(&prose, &told).to_string();
                    self.log.put(|text| text.push_str(&line));
                }
            }
        }
    }

    fn told(&self, alert: Alert) -> Told {
        let (ts, time) = ids::now();
        // The caller of a call is 0, or the place of its token from 1.
        let callers = self.callers.read().unwrap_or_else(PoisonError::into_inner);
        let name = |caller: &clearline_model::CallerId| {
            let place = usize::try_from(caller.0).ok()?.checked_sub(1)?;
            callers.get(place).cloned()
        };
        let key = match alert.subject {
            Subject::Key(key) => self.metrics.names().keys.get(&key).cloned(),
            Subject::Calls => None,
        };
        let since = ids::local(ts.saturating_sub(alert.at.since(alert.since).as_millis()));
        Told { whom: alert.whom.iter().filter_map(name).collect(), key, since, time, ts, alert }
    }

    /// Judges the rate, for it also changes where no call ends.
    pub(crate) fn tick(&self, now: Mono) {
        self.judge(|alerts| alerts.tick(now));
    }

    /// The causes of the alerts that run.
    pub(crate) fn alerts(&self) -> BTreeSet<Cause> {
        let alerts = self.alerts.lock().unwrap_or_else(PoisonError::into_inner);
        alerts.running().map(|(_, cause, _)| cause).collect()
    }

    fn watched(&self, now: Mono) -> Watched {
        self.tick(now);
        let (rates, rules) = {
            let alerts = self.alerts.lock().unwrap_or_else(PoisonError::into_inner);
            (alerts.rates(now), alerts.rules())
        };
        let windows = [rules.window, rules.window_long];
        let rates = windows.into_iter().map(|w| w.0 / 1_000_000).zip(rates).collect();
        Watched { alerts: self.alerts(), rates }
    }

    /// What all calls so far came to.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner).clone();
        summary.failed_by.sort_by_key(|(_, n, _)| std::cmp::Reverse(*n));
        summary
    }

    /// The metrics in the text format of Prometheus; `now` is that of the client.
    #[must_use]
    pub fn metrics(&self, now: Mono) -> String {
        self.metrics.text(&self.log.losses, &self.watched(now))
    }

    /// Returns when all log lines so far are written.
    pub async fn flush(&self) {
        self.log.flush().await;
    }

    /// How many log lines were not written: the disk was full, or too many waited.
    #[must_use]
    pub fn unwritten(&self) -> u64 {
        let losses = &self.log.losses;
        losses.errors.load(Ordering::Relaxed) + losses.dropped.load(Ordering::Relaxed)
    }

    /// Changes what is pending of a call, and writes its line when it is whole.
    fn change(&self, call: CallId, change: impl FnOnce(&mut Pending)) {
        let whole = {
            let mut all = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = all.entry(call).or_default();
            change(entry);
            if entry.is_whole() { all.remove(&call) } else { None }
        };
        if let Some(Pending { context, record: Some(record), .. }) = whole {
            self.write(&record, context.as_deref());
        }
    }

    /// Writes the line of a call that is over, or keeps its record until the rest of the line is known.
    fn over(&self, record: &CallRecord) {
        let context = {
            let mut all = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            match all.get_mut(&record.call) {
                Some(pending) if !pending.is_known() => {
                    pending.record = Some(Box::new(record.clone()));
                    return;
                }
                _ => all.remove(&record.call).and_then(|pending| pending.context),
            }
        };
        self.write(record, context.as_deref());
    }

    fn write(&self, record: &CallRecord, context: Option<&Context>) {
        let names = self.metrics.names();
        self.log.put(|text| line::ended(text, record, context, &names));
    }

    /// Writes the line of a request that did not become a call.
    pub(crate) fn refused(&self, context: &Context, status: u16, cause: Cause) {
        self.metrics.refused(cause);
        self.log.put(|text| line::refused(text, Some(context), status, cause));
    }

    /// The gateway ends its calls from here on: they say nothing about the success rate.
    pub(crate) fn ends(&self) {
        self.is_ending.store(true, Ordering::Release);
    }

    /// Callers are taken, or wait for a reason of this process; each change has a line.
    pub(crate) fn accepts(&self, why: Option<&std::io::Error>) {
        let waits = why.is_some();
        // Nearly always, and then nothing is written.
        if self.metrics.callers_wait.load(Ordering::Relaxed) == waits {
            return;
        }
        self.metrics.callers_wait.store(waits, Ordering::Relaxed);
        let mut line = serde_json::Map::new();
        if let Some(why) = why {
            self.metrics.callers_waited.fetch_add(1, Ordering::Relaxed);
            line.insert("event".to_owned(), "connections wait".into());
            line.insert("cause".to_owned(), Cause::ConfigFdLimit.id().into());
            line.insert("why".to_owned(), why.to_string().into());
        } else {
            line.insert("event".to_owned(), "connections are taken again".into());
        }
        self.note(line);
    }

    /// The same where no head could be read, so that nothing is known of the request.
    pub(crate) fn refused_unread(&self, status: u16, cause: Cause) {
        self.metrics.refused(cause);
        self.log.put(|text| line::refused(text, None, status, cause));
    }
}

impl std::fmt::Debug for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readers").finish_non_exhaustive()
    }
}

impl Observer for Readers {
    fn event(&self, event: &Event) {
        if let EventKind::KeyChanged { key, state, cause } = event.kind {
            self.judge(|alerts| alerts.key(event.at, key, state, cause));
        }
        if !self.log.is_on() {
            return;
        }
        if let EventKind::UpstreamChanged { upstream, cause, rests_until } = event.kind {
            let rest = rests_until.map(|until| until.since(event.at));
            let names = self.metrics.names();
            self.log.put(|text| line::upstream(text, names.upstreams.get(&upstream), cause, rest));
        }
        if !matches!(event.kind, EventKind::CallStarted { .. }) {
            return;
        }
        let (Some(call), Some(context)) = (event.call, STARTING.with(|s| s.borrow_mut().take())) else {
            return;
        };
        if context.call.set(call).is_ok() {
            self.change(call, |p| p.context = Some(context));
        }
    }

    fn ended(&self, record: &CallRecord) {
        self.metrics.ended(record);
        self.summary.lock().unwrap_or_else(PoisonError::into_inner).add(record);
        // Whoever stops the gateway knows why its calls end.
        if !self.is_ending.load(Ordering::Acquire) {
            self.judge(|alerts| alerts.ended(record));
        }
        if self.log.is_on() {
            self.over(record);
        }
    }
}

/// The first names of keys, in their order.
fn names(aliases: Vec<String>) -> Names {
    let keys = aliases.into_iter().zip(0..).map(|(alias, i)| (KeyId(i), alias)).collect();
    Names { keys, ..Names::default() }
}

/// Holds a call's line back until the gateway has added what it knows.
pub(crate) struct Hold {
    readers: Arc<Readers>,
    pub(crate) context: Arc<Context>,
}

impl Hold {
    pub(crate) const fn new(readers: Arc<Readers>, context: Arc<Context>) -> Self {
        Self { readers, context }
    }

    /// Starts the call of this context.
    ///
    /// The client numbers calls by itself and tells the number first in `CallStarted`, while it starts one: this is how a call
    /// finds its context even where its caller leaves before there is an answer.
    pub(crate) fn starting<T>(&self, start: impl FnOnce() -> T) -> T {
        STARTING.with(|s| *s.borrow_mut() = Some(Arc::clone(&self.context)));
        let started = start();
        STARTING.with(|s| *s.borrow_mut() = None);
        started
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(call) = self.context.call.get() {
            self.readers.change(*call, |p| p.released = true);
        }
    }
}
