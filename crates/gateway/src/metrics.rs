//! Counters of what happened. Labels are causes, outcomes and key aliases alone, so their number is bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use clearline::Names;
use clearline_diagnose::alerts::Rate;
use clearline_model::{CallRecord, Cause, KeyId, Outcome, UpstreamId};

use crate::log::Losses;

const OUTCOMES: [Outcome; 5] =
    [Outcome::Succeeded, Outcome::Failed, Outcome::Refused, Outcome::Broken, Outcome::Left];
/// Upper ends of the buckets, milliseconds.
const BUCKETS: [u64; 14] =
    [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000];

/// What the alerts say.
pub(crate) struct Watched {
    /// The causes of those that run.
    pub(crate) alerts: BTreeSet<Cause>,
    /// Windows, seconds, and the success rate of each.
    pub(crate) rates: Vec<(u64, Rate)>,
}

impl Watched {
    fn put(&self, out: &mut String) {
        head(out, "clearline_alert", "gauge", "1 while an alert runs, by its cause.");
        for cause in &self.alerts {
            put(out, "clearline_alert", &format!("cause=\"{cause}\""), 1);
        }
        let help = "Calls of the last seconds, without those whose failure is the caller's own.";
        head(out, "clearline_window_calls", "gauge", help);
        for (seconds, rate) in &self.rates {
            for (outcome, n) in [("succeeded", rate.calls - rate.failed), ("failed", rate.failed)] {
                let labels = format!("seconds=\"{seconds}\",outcome=\"{outcome}\"");
                put(out, "clearline_window_calls", &labels, u64::from(n));
            }
        }
    }
}

/// A table of counters with a fixed number of columns.
struct Table {
    columns: usize,
    cells: Vec<AtomicU64>,
}

impl Table {
    fn new(rows: usize, columns: usize) -> Self {
        Self { columns, cells: (0..rows * columns).map(|_| AtomicU64::new(0)).collect() }
    }

    fn add(&self, row: usize, column: usize) {
        if let Some(cell) = self.cells.get(row * self.columns + column) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The cells that are not zero.
    fn seen(&self) -> impl Iterator<Item = (usize, usize, u64)> {
        let cells = self.cells.iter().map(|c| c.load(Ordering::Relaxed)).enumerate();
        cells.filter(|(_, n)| *n > 0).map(|(i, n)| (i / self.columns, i % self.columns, n))
    }
}

type Attempts = BTreeMap<(Option<KeyId>, UpstreamId, usize), u64>;

/// All counters.
pub(crate) struct Metrics {
    names: RwLock<Arc<Names>>,
    calls: Table,
    /// By key, upstream and cause; keys and upstreams come and go.
    attempts: Mutex<Attempts>,
    buckets: Vec<AtomicU64>,
    micros: AtomicU64,
    refusals: Table,
    /// Requests over a quota, by caller.
    limited: Mutex<BTreeMap<String, u64>>,
    pub(crate) handshakes_failed: AtomicU64,
    /// No caller is taken: this process has no descriptor left.
    pub(crate) callers_wait: AtomicBool,
    /// How often that began.
    pub(crate) callers_waited: AtomicU64,
    pub(crate) streams_reset: AtomicU64,
    continued: Table,
    pub(crate) in_flight: AtomicI64,
    pub(crate) connections: AtomicI64,
}

/// 0 is "no cause".
fn column(cause: Option<Cause>) -> usize {
    cause.map_or(0, |c| c as usize + 1)
}

fn cause_at(column: usize) -> &'static str {
    column.checked_sub(1).and_then(|i| Cause::ALL.get(i)).map_or("", |c| c.id())
}

impl Metrics {
    pub(crate) fn new(names: Names) -> Self {
        let columns = Cause::ALL.len() + 1;
        Self {
            calls: Table::new(OUTCOMES.len(), columns),
            attempts: Mutex::default(),
            buckets: (0..=BUCKETS.len()).map(|_| AtomicU64::new(0)).collect(),
            micros: AtomicU64::new(0),
            refusals: Table::new(1, columns),
            limited: Mutex::default(),
            handshakes_failed: AtomicU64::new(0),
            callers_wait: AtomicBool::new(false),
            callers_waited: AtomicU64::new(0),
            streams_reset: AtomicU64::new(0),
            continued: Table::new(1, columns),
            in_flight: AtomicI64::new(0),
            connections: AtomicI64::new(0),
            names: RwLock::new(Arc::new(names)),
        }
    }

    /// The names of keys and upstreams.
    pub(crate) fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes new names. Those of what is gone stay, for what was counted of it.
    pub(crate) fn rename(&self, names: Names) {
        let mut all = Names::clone(&self.names());
        all.keys.extend(names.keys);
        all.upstreams.extend(names.upstreams);
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
    }

    /// Counts a call that is over, and its attempts.
    pub(crate) fn ended(&self, record: &CallRecord) {
        let row = OUTCOMES.iter().position(|o| Some(*o) == record.outcome).unwrap_or(OUTCOMES.len() - 1);
        self.calls.add(row, column(record.cause));
        let took = record.ended.since(record.started);
        self.micros.fetch_add(took.0, Ordering::Relaxed);
        let bucket = BUCKETS.iter().position(|b| took.0 <= b * 1_000).unwrap_or(BUCKETS.len());
        if let Some(cell) = self.buckets.get(bucket) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        for attempt in &record.attempts {
            *attempts.entry((attempt.key, attempt.upstream, column(attempt.cause))).or_default() += 1;
            if attempt.resumed {
                self.continued.add(0, column(attempt.cause));
            }
        }
    }

    /// Counts a request that was refused before it became a call.
    pub(crate) fn refused(&self, cause: Cause) {
        self.refusals.add(0, column(Some(cause)));
    }

    /// Counts a request over its caller's quota; at most `most` callers are told apart.
    pub(crate) fn limited(&self, caller: &str, most: usize) {
        let mut all = self.limited.lock().unwrap_or_else(PoisonError::into_inner);
        let name = if all.len() < most || all.contains_key(caller) { caller } else { "others" };
        *all.entry(name.to_owned()).or_insert(0) += 1;
    }

    fn limits(&self, out: &mut String) {
        const NAME: &str = "clearline_quota_refused_total";
        head(out, NAME, "counter", "Requests over their caller's quota.");
        for (caller, n) in &*self.limited.lock().unwrap_or_else(PoisonError::into_inner) {
            put(out, NAME, &format!("caller=\"{}\"", escape(caller)), *n);
        }
    }

    /// Everything in the text format of Prometheus.
    pub(crate) fn text(&self, losses: &Losses, watched: &Watched) -> String {
        let mut out = String::with_capacity(4096);
        head(&mut out, "clearline_calls_total", "counter", "Calls that are over.");
        for (row, column, n) in self.calls.seen() {
            let outcome = OUTCOMES.get(row).map_or("", |o| o.word());
            let labels = format!("outcome=\"{outcome}\",cause=\"{}\"", cause_at(column));
            put(&mut out, "clearline_calls_total", &labels, n);
        }
        self.attempts(&mut out);
        head(&mut out, "clearline_refused_total", "counter", "Requests that did not become calls.");
        for (_, column, n) in self.refusals.seen() {
            put(&mut out, "clearline_refused_total", &format!("cause=\"{}\"", cause_at(column)), n);
        }
        self.limits(&mut out);
        let help =
            "Attempts that continued a broken stream, by why they broke themselves; empty: they did not.";
        head(&mut out, "clearline_continued_total", "counter", help);
        for (_, column, n) in self.continued.seen() {
            put(&mut out, "clearline_continued_total", &format!("cause=\"{}\"", cause_at(column)), n);
        }
        self.histogram(&mut out);
        watched.put(&mut out);
        for (name, kind, help, n) in [
            ("clearline_calls_in_flight", "gauge", "Requests being served.", gauge(&self.in_flight)),
            ("clearline_connections", "gauge", "Connections of callers.", gauge(&self.connections)),
            (
                "clearline_log_dropped_total",
                "counter",
                "Log lines lost to a full queue.",
                load(&losses.dropped),
            ),
            (
                "clearline_descriptors_used_up_total",
                "counter",
                "How often callers had to wait because this process may open no more files and sockets.",
                load(&self.callers_waited),
            ),
            (
                "clearline_handshakes_failed_total",
                "counter",
                "TLS handshakes of callers that failed.",
                load(&self.handshakes_failed),
            ),
            (
                "clearline_streams_reset_total",
                "counter",
                "Streams of HTTP/2 that callers reset before they were answered.",
                load(&self.streams_reset),
            ),
            (
                "clearline_log_errors_total",
                "counter",
                "Log lines that could not be written.",
                load(&losses.errors),
            ),
        ] {
            head(&mut out, name, kind, help);
            put(&mut out, name, "", n);
        }
        out
    }

    fn attempts(&self, out: &mut String) {
        let names = self.names();
        let (mut by_key, mut by_upstream) = (BTreeMap::new(), BTreeMap::new());
        for ((key, upstream, cause), n) in &*self.attempts.lock().unwrap_or_else(PoisonError::into_inner) {
            let alias = key.and_then(|k| names.keys.get(&k)).map_or("", String::as_str);
            *by_key.entry((alias.to_owned(), *cause)).or_insert(0) += n;
            if let Some(name) = names.upstreams.get(upstream).filter(|name| !name.is_empty()) {
                *by_upstream.entry((name.clone(), *cause)).or_insert(0) += n;
            }
        }
        head(out, "clearline_attempts_total", "counter", "Attempts of calls that are over.");
        for ((alias, cause), n) in by_key {
            let labels = format!("cause=\"{}\",key=\"{}\"", cause_at(cause), escape(&alias));
            put(out, "clearline_attempts_total", &labels, n);
        }
        head(out, "clearline_upstream_attempts_total", "counter", "The same by the upstream's name.");
        for ((name, cause), n) in by_upstream {
            let labels = format!("cause=\"{}\",upstream=\"{}\"", cause_at(cause), escape(&name));
            put(out, "clearline_upstream_attempts_total", &labels, n);
        }
    }

    /// Which upstreams serve.
    pub(crate) fn upstreams(down: &[(String, Option<Cause>)]) -> String {
        let mut out = String::new();
        head(&mut out, "clearline_upstream_up", "gauge", "0 while an upstream serves nothing.");
        for (name, why) in down {
            let labels = format!("upstream=\"{}\"", escape(name));
            put(&mut out, "clearline_upstream_up", &labels, u64::from(why.is_none()));
        }
        out
    }

    fn histogram(&self, out: &mut String) {
        const NAME: &str = "clearline_call_seconds";
        head(out, NAME, "histogram", "Duration of calls.");
        let mut sum = 0;
        for (i, cell) in self.buckets.iter().enumerate() {
            sum += load(cell);
            let le = BUCKETS.get(i).map_or_else(|| "+Inf".to_owned(), |ms| seconds(ms * 1_000));
            put(out, "clearline_call_seconds_bucket", &format!("le=\"{le}\""), sum);
        }
        out.push_str(&format!("{NAME}_sum {}\n{NAME}_count {sum}\n", seconds(load(&self.micros))));
    }
}

fn load(cell: &AtomicU64) -> u64 {
    cell.load(Ordering::Relaxed)
}

fn gauge(cell: &AtomicI64) -> u64 {
    u64::try_from(cell.load(Ordering::Relaxed)).unwrap_or(0)
}

/// Microseconds as seconds, without the trailing zeros.
fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    out.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
}

fn put(out: &mut String, name: &str, labels: &str, n: u64) {
    let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    // Writing into a string cannot fail.
    let _ok = writeln!(out, "{name}{braces} {n}").is_ok();
}

fn escape(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
