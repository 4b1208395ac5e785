//! What goes wrong, when and how often: a TOML file, read with the place of every mistake.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use crate::buckets::Limits;
use crate::rules::{Action, Closing, ErrorEvent, Point, Rule, Status, Which};

/// A scenario that was read and checked.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub(crate) seed: u64,
    pub(crate) pace: Pace,
    pub(crate) limits: Option<Limits>,
    pub(crate) known: Vec<String>,
    pub(crate) changes: Vec<KeyChange>,
    pub(crate) rules: Vec<Rule>,
}

/// How fast a healthy answer comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) first_byte: Duration,
    pub(crate) chunk: Duration,
    pub(crate) chunks: u32,
    /// The share by which a time varies at most.
    pub(crate) jitter: f64,
}

/// What becomes of a key at a moment.
#[derive(Debug, Clone)]
pub(crate) struct KeyChange {
    pub(crate) key: String,
    pub(crate) at: Duration,
    pub(crate) state: KeyState,
}

/// How a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeyState {
    Ok,
    Revoked,
    NoCredit,
    Forbidden,
}

/// A mistake in a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioError {
    line: usize,
    column: usize,
    problem: String,
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.problem)
    }
}

impl std::error::Error for ScenarioError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    answer: RawPace,
    limits: Option<RawLimits>,
    #[serde(default)]
    keys: RawKeys,
    #[serde(default)]
    fault: Vec<Spanned<RawRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawPace {
    first_byte: Time,
    chunk: Time,
    chunks: u32,
    jitter: f64,
}

impl Default for RawPace {
    fn default() -> Self {
        let ms = |n| Time(Duration::from_millis(n));
        Self { first_byte: ms(20), chunk: ms(5), chunks: 5, jitter: 0.2 }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimits {
    requests_per_minute: Option<u32>,
    input_tokens_per_minute: Option<u32>,
    output_tokens_per_minute: Option<u32>,
    at_once: Option<u32>,
    #[serde(default = "a_minute")]
    burst: Time,
}

const fn a_minute() -> Time {
    Time(Duration::from_secs(60))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawKeys {
    #[serde(default)]
    known: Vec<String>,
    #[serde(default)]
    change: Vec<RawChange>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChange {
    key: String,
    at: Time,
    state: KeyState,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    name: String,
    rate: Option<f64>,
    every: Option<u64>,
    nth: Option<Vec<u64>>,
    first: Option<u64>,
    after: Option<Time>,
    until: Option<Time>,
    count: Option<u64>,
    key: Option<String>,
    addr: Option<usize>,
    path: Option<String>,
    stream: Option<bool>,
    model: Option<String>,
    delay: Option<Time>,
    slow_chunk: Option<Time>,
    status: Option<u16>,
    kind: Option<String>,
    message: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    retry_after: Option<f64>,
    reset: Option<Closing>,
    close: Option<Closing>,
    half_close: Option<bool>,
    cut_at_byte: Option<usize>,
    cut_at_event: Option<usize>,
    end_early_at_event: Option<usize>,
    stall: Option<bool>,
    stall_at_event: Option<usize>,
    stall_for: Option<Time>,
    hang: Option<bool>,
    error_event: Option<ErrorEvent>,
    lying_length: Option<i64>,
    empty_200: Option<bool>,
    html_200: Option<bool>,
}

/// A length of time with its unit: `"20ms"`, `"1.5s"`, `"2m"`.
#[derive(Clone, Copy)]
struct Time(Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let wrong =
            || serde::de::Error::custom(format!("\"{text}\" is no time: write \"20ms\", \"1.5s\" or \"2m\""));
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, unit) = text.split_at_checked(end).ok_or_else(wrong)?;
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let seconds = match unit.trim() {
            "ms" => number / 1_000.0,
            "s" => number,
            "m" => number * 60.0,
            _ => return Err(wrong()),
        };
        Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| wrong())
    }
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// The first mistake, with its line and column and what is allowed there.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let at = |offset: usize, problem: String| {
            let before = text.get(..offset).unwrap_or(text);
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            ScenarioError { line: before.matches('\n').count() + 1, column, problem }
        };
        let file: File =
            toml::from_str(text).map_err(|e| at(e.span().map_or(0, |s| s.start), e.message().to_owned()))?;
        let mut rules = Vec::with_capacity(file.fault.len());
        for raw in file.fault {
            let place = raw.span().start;
            rules.push(rule(raw.into_inner()).map_err(|problem| at(place, problem))?);
        }
        let limits = file.limits.map(|l| Limits {
            requests: l.requests_per_minute,
            input: l.input_tokens_per_minute,
            output: l.output_tokens_per_minute,
            at_once: l.at_once,
            burst: l.burst.0,
        });
        let pace = Pace {
            first_byte: file.answer.first_byte.0,
            chunk: file.answer.chunk.0,
            chunks: file.answer.chunks.max(1),
            jitter: file.answer.jitter.clamp(0.0, 1.0),
        };
        let change = |c: RawChange| KeyChange { key: c.key, at: c.at.0, state: c.state };
        Ok(Self {
            seed: file.seed,
            pace,
            limits,
            known: file.keys.known,
            changes: file.keys.change.into_iter().map(change).collect(),
            rules,
        })
    }

    /// A scenario in which nothing goes wrong.
    #[must_use]
    pub fn healthy() -> Self {
        let pace = RawPace::default();
        Self {
            seed: 0,
            pace: Pace {
                first_byte: pace.first_byte.0,
                chunk: pace.chunk.0,
                chunks: pace.chunks,
                jitter: pace.jitter,
            },
            limits: None,
            known: Vec::new(),
            changes: Vec::new(),
            rules: Vec::new(),
        }
    }

    /// The seed of its chances.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }
}

/// Checks one rule: at most one way to choose among its requests, and exactly one thing to do.
fn rule(raw: RawRule) -> Result<Rule, String> {
    let which = which(&raw)?;
    let slows = raw.delay.is_some() || raw.slow_chunk.is_some();
    let actions = actions(&raw);
    let stream = raw.stream;
    let Some(action) = actions.first().cloned().or_else(|| slows.then_some(Action::Slow)) else {
        return Err(format!("the rule \"{}\" does nothing: give it a status, a reset, a stall …", raw.name));
    };
    if actions.len() > 1 {
        return Err(format!("the rule \"{}\" does more than one thing: write a rule for each", raw.name));
    }
    let is_status = matches!(action, Action::Status(_));
    let says = raw.kind.is_some() || raw.message.is_some() || raw.body.is_some() || raw.retry_after.is_some();
    if !is_status && (says || !raw.headers.is_empty()) {
        return Err(format!(
            "the rule \"{}\" has no status: kind, message, headers, body and retry_after need one",
            raw.name
        ));
    }
    if raw.stall_for.is_some() && !matches!(action, Action::Stall { .. }) {
        return Err(format!(
            "the rule \"{}\" does not stall: stall_for needs stall or stall_at_event",
            raw.name
        ));
    }
    if action.needs_events() && stream == Some(false) {
        return Err(format!("the rule \"{}\" is about events: it cannot have stream = false", raw.name));
    }
    if action.point() != Point::Request && (stream.is_some() || raw.model.is_some()) {
        return Err(format!(
            "the rule \"{}\" acts before the body is read: it cannot look at stream or model",
            raw.name
        ));
    }
    if raw.rate.is_some_and(|r| !(0.0..=1.0).contains(&r)) {
        return Err(format!("the rate of the rule \"{}\" must be from 0 to 1", raw.name));
    }
    Ok(Rule {
        name: raw.name,
        which,
        after: raw.after.map_or(Duration::ZERO, |t| t.0),
        until: raw.until.map_or(Duration::MAX, |t| t.0),
        count: raw.count.unwrap_or(u64::MAX),
        key: raw.key,
        addr: raw.addr,
        path: raw.path,
        // What happens at an event can happen to streams alone.
        stream: if action.needs_events() { Some(true) } else { stream },
        model: raw.model,
        delay: raw.delay.map_or(Duration::ZERO, |t| t.0),
        slow_chunk: raw.slow_chunk.map(|t| t.0),
        action,
    })
}

fn which(raw: &RawRule) -> Result<Which, String> {
    let given = [
        raw.rate.map(Which::Rate),
        raw.every.map(|n| Which::Every(n.max(1))),
        raw.nth.clone().map(Which::Nth),
        raw.first.map(Which::First),
    ];
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (first, None) => Ok(first.unwrap_or(Which::All)),
        (_, Some(_)) => Err(format!("the rule \"{}\" may have one of rate, every, nth and first", raw.name)),
    }
}

fn actions(raw: &RawRule) -> Vec<Action> {
    let is = |flag: Option<bool>| flag == Some(true);
    let stall_for = raw.stall_for.map(|t| t.0);
    let all = [
        raw.status.map(|status| {
            Action::Status(Box::new(Status {
                status,
                kind: raw.kind.clone(),
                message: raw.message.clone(),
                headers: raw.headers.clone().into_iter().collect(),
                body: raw.body.clone(),
                retry_after: raw.retry_after,
            }))
        }),
        raw.reset.map(Action::Reset),
        raw.close.map(Action::Close),
        is(raw.half_close).then_some(Action::HalfClose),
        raw.cut_at_byte.map(Action::CutAtByte),
        raw.cut_at_event.map(Action::CutAtEvent),
        raw.end_early_at_event.map(Action::EndEarlyAtEvent),
        is(raw.stall).then_some(Action::Stall { event: None, lasts: stall_for }),
        raw.stall_at_event.map(|n| Action::Stall { event: Some(n), lasts: stall_for }),
        is(raw.hang).then_some(Action::Hang),
        raw.error_event.clone().map(Action::ErrorEvent),
        raw.lying_length.map(Action::LyingLength),
        is(raw.empty_200).then_some(Action::Empty),
        is(raw.html_200).then_some(Action::Html),
    ];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_have_their_place_and_what_is_allowed() {
        for (text, line, column, holds) in [
            ("sed = 1\n", 1, 1, "expected one of `seed`"),
            ("[answer]\nfirst_byte = 5\n", 2, 14, "string"),
            ("[answer]\nfirst_byte = \"5\"\n", 2, 14, "is no time"),
            ("seed = 1\n[[fault]]\nname = \"a\"\n", 2, 1, "does nothing"),
            ("[[fault]]\nname = \"a\"\nstatus = 500\nhang = true\n", 1, 1, "more than one thing"),
            ("[[fault]]\nname = \"a\"\nhang = true\nkind = \"x\"\n", 1, 1, "has no status"),
            ("[[fault]]\nname = \"a\"\nstatus = 500\nrate = 0.5\nfirst = 1\n", 1, 1, "one of rate"),
            ("[[fault]]\nname = \"a\"\nstatus = 500\nrate = 2.0\n", 1, 1, "from 0 to 1"),
            ("[[fault]]\nname = \"a\"\nhang = true\nstall_for = \"1s\"\n", 1, 1, "does not stall"),
            ("[[fault]]\nname = \"a\"\ncut_at_event = 1\nstream = false\n", 1, 1, "about events"),
            ("[[fault]]\nname = \"a\"\nreset = \"on_accept\"\nmodel = \"m\"\n", 1, 1, "before the body"),
            ("[[fault]]\nname = \"a\"\nreset = \"sometime\"\n", 3, 9, "before_request"),
        ] {
            let error = Scenario::parse(text).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
            assert!(error.to_string().contains(holds), "{text}: {error}");
        }
    }

    #[test]
    fn rules_about_events_are_about_streams() {
        let scenario = Scenario::parse("seed = 7\n[[fault]]\nname = \"a\"\ncut_at_event = 3\n").unwrap();
        assert_eq!((scenario.seed(), scenario.rules[0].stream), (7, Some(true)));
        assert!(Scenario::parse("").unwrap().rules.is_empty());
    }
}
