//! `clearline watch`: probes at an interval, changes only, and alerts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clearline::NoObserver;
use clearline_diagnose::alerts::{AlertRules, Alerts};
use clearline_model::{Alert, CallerId, Cause, Dur, Mono};
use clearline_report::Prose;
use clearline_report::alert::{self, Told};
use clearline_report::terminal::Style;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::exit::{self, Failure};
use crate::notify::{Lost, Notifier, Sink, Ways};
use crate::settings::{Given, Settings};
use crate::watch::course::Course;
use crate::watch::probe::{Miss, Prober, Round};
use crate::watch::show::{Now, Show};
use crate::{look, out, serve, setup, signals};

/// Probes the way to the API at an interval, prints what changes, and alerts
///
/// A probe asks without a key and once with it (GET /v1/models); it spends no token. It goes where an official SDK would go.
/// Alerts go where the settings alerts.* say. Ctrl-C ends it with a summary.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// From one probe to the next [default: 30s]
    #[arg(long, value_name = "TIME")]
    interval: Option<String>,
    /// Makes one probe, and ends with 0 where it went well, 1 where it did not, 4 where that is not certain
    #[arg(long)]
    once: bool,
    /// Prints a JSON object for every change
    #[arg(long)]
    json: bool,
    /// Makes a call of one token with every probe, too: it is billed
    #[arg(long)]
    call: bool,
    /// The model of that call
    #[arg(long, value_name = "NAME", default_value = "claude-haiku-5-5", requires = "call")]
    model: String,
}

/// How long the end waits for alerts that are being told.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// With fewer failed probes than this there is no alert: probes are rare, and each is a call that nobody missed.
const FAILURES_MIN: u32 = 3;

impl Watch {
    pub(crate) fn run(self, lang: Option<&str>, config: Option<&Path>) -> Result<u8, Failure> {
        let settings = setup::load(config, &flags(self.interval.as_ref()))?;
        let lang = look::spoken(lang, &settings);
        let prose = Prose::load(lang);
        let client = if self.call {
            Some((setup::single_attempt(Arc::new(NoObserver))?, self.model.clone()))
        } else {
            None
        };
        let prober = match Prober::new(settings.time("watch.timeout"), client) {
            Ok(prober) => prober,
            Err(miss) => return self.refused(&prose, miss),
        };
        let style = look::style();
        let mut show = Show::new(&prose, style, self.json);
        show.calls = self.call;
        let runtime = serve::one_thread()?;
        if self.once {
            return runtime.block_on(self.once(&settings, &prober, show));
        }
        let sink = ToOutput { style, json: self.json };
        let notifier = Ways::of(&settings, lang)?.start(sink)?;
        runtime.block_on(watch(&settings, &prober, show, &notifier))
    }

    /// Settings under which no probe can be made are the answer.
    fn refused(&self, prose: &Prose, miss: Miss) -> Result<u8, Failure> {
        let (mut watching, mut show) =
            (Watching::new(AlertRules::default()), Show::new(prose, look::style(), self.json));
        let round = Round { failed: Some(miss), took: Dur::ZERO };
        let _alerts = watching.take(&round);
        watching.show(&mut show, &round)?;
        Ok(exit::PROBLEM)
    }

    async fn once(&self, settings: &Settings, prober: &Prober, mut show: Show<'_>) -> Result<u8, Failure> {
        let stop = signals::stop()?;
        let mut watching = Watching::new(rules(settings));
        let round = tokio::select! {
            round = Box::pin(prober.round()) => round,
            () = stop => return Ok(exit::INCONCLUSIVE),
        };
        let _alerts = watching.take(&round);
        watching.show(&mut show, &round)?;
        Ok(code(&round))
    }
}

/// The settings of the command line.
pub(super) fn flags(interval: Option<&String>) -> Vec<Given> {
    let given = |text: &String| Given { key: "watch.interval", flag: "--interval", text: text.clone() };
    interval.into_iter().map(given).collect()
}

/// Under which rules probes raise alerts.
pub(super) fn rules(settings: &Settings) -> AlertRules {
    let rules = serve::alert_rules(settings);
    AlertRules { failures_min: rules.failures_min.min(FAILURES_MIN), own_faults: true, ..rules }
}

fn code(round: &Round) -> u8 {
    match round.failed.as_ref().map(|miss| miss.cause) {
        None => exit::WELL,
        // Nothing was allowed out, so nothing was learned.
        Some(Cause::ConfigSandboxNoEgress) => exit::INCONCLUSIVE,
        Some(_) => exit::PROBLEM,
    }
}

/// Probes until it is told to stop.
async fn watch(
    settings: &Settings,
    prober: &Prober,
    mut show: Show<'_>,
    notifier: &Notifier,
) -> Result<u8, Failure> {
    let every = settings.time("watch.interval");
    let mut watching = Watching::new(rules(settings));
    if !show.json {
        out::say(&show.begin(&prober.target.host_port(), every))?;
    }
    let stop = signals::stop()?;
    let unread = out::unread();
    tokio::pin!(stop, unread);
    let mut ticks = interval(every.into());
    // A probe that takes longer than the interval is not made up for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let round = tokio::select! {
            () = &mut stop => break,
            () = &mut unread => break,
            round = async { ticks.tick().await; Box::pin(prober.round()).await } => round,
        };
        let alerts = watching.take(&round);
        watching.show(&mut show, &round)?;
        for told in alerts {
            if !notifier.tell(told) {
                out::note("clearline: an alert was lost: too many wait to be told (alerts.queue)");
            }
        }
    }
    notifier.finish(LAST_WORDS);
    out::say(&show.end(&watching.now()))?;
    Ok(exit::WELL)
}

/// Everything that was seen.
pub(super) struct Watching {
    begun: Instant,
    rules: AlertRules,
    alerts: Alerts,
    course: Course,
}

impl Watching {
    pub(super) fn new(rules: AlertRules) -> Self {
        Self { begun: Instant::now(), rules, alerts: Alerts::new(rules), course: Course::default() }
    }

    fn at(&self) -> Mono {
        Mono(Dur::from(self.begun.elapsed()).0)
    }

    pub(super) fn now(&self) -> Now<'_> {
        let at = self.at();
        let [short, long] = self.alerts.rates(at);
        Now { course: &self.course, rates: [(self.rules.window, short), (self.rules.window_long, long)], at }
    }

    /// Takes a probe into the rate, and gives the alerts that begin or end with it.
    pub(super) fn take(&mut self, round: &Round) -> Vec<Told> {
        let (now, failed) = (self.at(), round.failed.as_ref().map(|miss| miss.cause));
        let mut alerts = self.alerts.add(now, CallerId(0), failed);
        alerts.extend(self.alerts.tick(now));
        alerts.into_iter().map(told).collect()
    }

    /// Shows what changed.
    pub(super) fn show(&mut self, show: &mut Show<'_>, round: &Round) -> Result<(), Failure> {
        let failed = round.failed.as_ref().map(|miss| miss.cause);
        let change = self.course.take(self.at(), failed);
        if let Some(change) = change {
            out::say(&show.change(change, round, &self.now()))?;
        }
        Ok(())
    }
}

fn told(alert: Alert) -> Told {
    let now = jiff::Timestamp::now();
    let since = now.as_microsecond() - i64::try_from(alert.at.since(alert.since).0).unwrap_or(0);
    let since = jiff::Timestamp::from_microsecond(since).unwrap_or(now);
    let zone = jiff::tz::TimeZone::system();
    Told {
        ts: u64::try_from(now.as_millisecond()).unwrap_or(0),
        time: format!("{now:.3}"),
        since: since.to_zoned_datetime(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        // Many machines may tell one room.
        whom: vec![rustix::system::uname().nodename().to_string_lossy().into_owned()],
        key: None,
        alert,
    }
}

/// Alerts on the standard output.
struct ToOutput {
    style: Style,
    json: bool,
}

impl Sink for ToOutput {
    fn alert(&self, prose: &Prose, told: &Told) {
        let text = if self.json {
            alert::json(prose, told).to_string()
        } else {
            alert::text(prose, self.style, told)
        };
        // Where it cannot be written, nobody is left to be told.
        let _told = out::say(&text).is_ok();
    }

    fn lost(&self, lost: &Lost<'_>) {
        let (way, to, why) = (lost.way, &lost.to, &lost.why);
        out::note(&format!(
            "clearline: the alert {} did not reach the {way} {to}: {why}",
            lost.told.alert.cause
        ));
    }
}
