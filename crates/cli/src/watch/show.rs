//! What watching shows: a line for every change, and a summary.

use std::collections::BTreeSet;

use clearline_diagnose::alerts::Rate;
use clearline_model::{Cause, Dur, Foreign, Mono};
use clearline_report::terminal::Style;
use clearline_report::{Args, Fix, Prose, alert, json, layout, terminal};
use serde_json::{Value, json};

use super::course::{Change, Course};
use super::probe::{Miss, Round};
use crate::out::{grouped, percent};

/// How changes are shown.
pub(crate) struct Show<'a> {
    /// In which language.
    pub(crate) prose: &'a Prose,
    /// With which signs.
    pub(crate) style: Style,
    /// As one JSON object a line.
    pub(crate) json: bool,
    /// A probe makes a call as well.
    pub(crate) calls: bool,
    /// Causes that were explained whole.
    explained: BTreeSet<Cause>,
}

/// What is known at a moment.
pub(crate) struct Now<'a> {
    /// The course so far.
    pub(crate) course: &'a Course,
    /// The windows, and the rate of each.
    pub(crate) rates: [(Dur, Rate); 2],
    /// The moment of the course.
    pub(crate) at: Mono,
}

/// A moment in local time with its offset: `2026-01-31 23:59:59 +08:00`.
fn local(at: jiff::Timestamp) -> String {
    let zoned = at.to_zoned_datetime(jiff::tz::TimeZone::system());
    zoned.strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
}

/// How many of how many.
fn rate(rate: Rate) -> String {
    let (calls, failed) = (u64::from(rate.calls), u64::from(rate.failed));
    percent(calls.saturating_sub(failed), calls)
}

impl<'a> Show<'a> {
    pub(crate) const fn new(prose: &'a Prose, style: Style, json: bool) -> Self {
        Self { prose, style, json, calls: false, explained: BTreeSet::new() }
    }

    fn arg(name: &'static str, text: &str) -> Args {
        Args::default().with(name, Foreign::new(text))
    }

    /// What is being watched.
    pub(crate) fn begin(&self, host: &str, every: Dur) -> String {
        let args = Self::arg("host", host).with("interval", Foreign::new(&alert::window(self.prose, every)));
        self.prose.say("watch-begins", &args)
    }

    /// A change, as one line; a cause is explained whole when it is met for the first time.
    pub(crate) fn change(&mut self, change: Change, round: &Round, now: &Now<'_>) -> String {
        let wall = jiff::Timestamp::now();
        if self.json {
            return self.change_json(change, round, now, wall).to_string();
        }
        let (at, prose) = (local(wall), self.prose);
        let took = Foreign::new(&round.took.to_string());
        match (change, &round.failed) {
            (Change::Failing(cause, lasted), Some(miss)) => {
                let after = lasted.map(|l| Self::arg("lasted", &l.to_string()));
                let after = after.map(|a| format!("   {}", prose.say("watch-after", &a))).unwrap_or_default();
                let title = prose.explain(cause, &Args::default()).title;
                let head = format!("{at}  {} {title}   {cause}{after}", self.style.cross());
                let mut lines = vec![head];
                lines.extend(said(miss).map(|said| format!("  {said}")));
                if self.explained.insert(cause) {
                    let whole = terminal::cause(prose, self.style, cause, &Args::default());
                    lines.extend(whole.lines().skip(2).map(str::to_owned));
                }
                lines.join("\n")
            }
            (Change::Again(lasted), _) => {
                let args = Self::arg("lasted", &lasted.to_string()).with("took", took);
                let rates: Vec<_> = now.rates.iter().map(|(window, r)| self.window(*window, *r)).collect();
                let again = prose.say("watch-again", &args);
                format!("{at}  {} {again}   {}", self.style.tick(), rates.join(" · "))
            }
            (Change::Well | Change::Failing(..), _) => {
                let well = prose.say(
                    if self.calls { "watch-well-call" } else { "watch-well" },
                    &Args::default().with("took", took),
                );
                format!("{at}  {} {well}", self.style.tick())
            }
        }
    }

    fn window(&self, window: Dur, r: Rate) -> String {
        let args =
            Self::arg("window", &alert::window(self.prose, window)).with("rate", Foreign::new(&rate(r)));
        self.prose.say("watch-rate", &args)
    }

    fn change_json(&self, change: Change, round: &Round, now: &Now<'_>, wall: jiff::Timestamp) -> Value {
        let lasted = match change {
            Change::Well => None,
            Change::Again(lasted) => Some(lasted),
            Change::Failing(_, lasted) => lasted,
        };
        let event = if round.failed.is_some() { "failing" } else { "well" };
        let mut value = numbers(event, now, wall);
        if let Some(map) = value.as_object_mut() {
            let cause = round.failed.as_ref().map(|miss| self.miss_json(miss));
            map.insert("cause".to_owned(), cause.unwrap_or_default());
            map.insert("lasted_s".to_owned(), json!(lasted.map(|l| l.0 / 1_000_000)));
            map.insert("took_ms".to_owned(), json!(round.took.as_millis()));
        }
        value
    }

    fn miss_json(&self, miss: &Miss) -> Value {
        let words = self.prose.explain(miss.cause, &Args::default());
        let fix = words.fix.first().map(|fix| match fix {
            Fix::Text(text) => text.clone(),
            Fix::Command { command, why } => format!("{command}   ({why})"),
        });
        json!({
            "id": miss.cause.id(), "title": words.title, "blame": json::blame(miss.cause.row().blame),
            "fix": fix, "part": miss.part.word(), "status": miss.status, "detail": miss.detail,
            "request_id": miss.request_id,
        })
    }

    /// What all probes came to.
    pub(crate) fn end(&self, now: &Now<'_>) -> String {
        let wall = jiff::Timestamp::now();
        if self.json {
            return numbers("end", now, wall).to_string();
        }
        let (course, prose) = (now.course, self.prose);
        let well = course.probes - course.failed;
        let args = Self::arg("probes", &grouped(course.probes))
            .with("well", Foreign::new(&grouped(well)))
            .with("rate", Foreign::new(&percent(well, course.probes)))
            .with("took", Foreign::new(&Dur(now.at.0).to_string()));
        let mut lines = vec![prose.say("watch-summary", &args)];
        if course.single > 0 {
            let args = Self::arg("count", &grouped(course.single))
                .with("rate", Foreign::new(&percent(course.single, course.probes)));
            lines.push(format!("  {}", prose.say("watch-single", &args)));
        }
        let ranked = course.ranked();
        let wide = ranked.iter().map(|(cause, _)| cause.id().len()).max().unwrap_or(0);
        for (cause, met) in ranked {
            let [first, last] = [met.first, met.last].map(|at| local(moment(wall, now.at.since(at))));
            let count = grouped(met.count);
            lines.push(format!("  {}  {count:>5}   {first} – {last}", layout::pad(cause.id(), wide)));
        }
        lines.join("\n")
    }
}

/// A moment that lies so far back.
fn moment(now: jiff::Timestamp, back: Dur) -> jiff::Timestamp {
    let micros = now.as_microsecond().saturating_sub(i64::try_from(back.0).unwrap_or(i64::MAX));
    jiff::Timestamp::from_microsecond(micros).unwrap_or(now)
}

/// What the other side said.
fn said(miss: &Miss) -> Option<String> {
    let text: String = miss.detail.escaped().chars().take(200).collect();
    let status = miss.status.map(|s| format!("{s} ")).unwrap_or_default();
    let id = miss.request_id.as_ref().map(|id| format!("   {}", id.escaped())).unwrap_or_default();
    (!text.is_empty() || !id.is_empty()).then(|| format!("{status}\"{text}\"{id}"))
}

/// The numbers of every event: `clearline.watch/1`.
fn numbers(event: &str, now: &Now<'_>, wall: jiff::Timestamp) -> Value {
    let course = now.course;
    let rates = now.rates.iter().map(|(window, rate)| {
        json!({ "window_s": window.0 / 1_000_000, "probes": rate.calls, "failed": rate.failed })
    });
    let met = course.ranked().into_iter().map(|(cause, met)| json!({ "id": cause.id(), "count": met.count }));
    json!({
        "schema": "clearline.watch/1", "event": event, "ts": wall.as_millisecond(), "time": local(wall),
        "probes": course.probes, "failed": course.failed, "single": course.single,
        "rates": rates.collect::<Vec<_>>(), "met": met.collect::<Vec<_>>(),
    })
}
