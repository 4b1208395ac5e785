//! The rules of a scenario: which requests they are about, and what they do to them.

use std::time::Duration;

use serde::Deserialize;

use crate::chance;

/// A rule. The first one that fits a request is carried out.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) which: Which,
    pub(crate) after: Duration,
    pub(crate) until: Duration,
    pub(crate) count: u64,
    pub(crate) key: Option<String>,
    pub(crate) addr: Option<usize>,
    pub(crate) path: Option<String>,
    pub(crate) stream: Option<bool>,
    pub(crate) model: Option<String>,
    pub(crate) delay: Duration,
    pub(crate) slow_chunk: Option<Duration>,
    pub(crate) action: Action,
}

/// Which of the requests that fit.
#[derive(Debug, Clone)]
pub(crate) enum Which {
    /// Every one.
    All,
    /// This share of them, by chance.
    Rate(f64),
    /// Each time that their number can be divided by this: the first is passed over.
    Every(u64),
    /// These, counted from 1.
    Nth(Vec<u64>),
    /// So many of the first ones.
    First(u64),
}

/// When a connection is closed or reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Closing {
    /// As soon as it is accepted.
    OnAccept,
    /// When the head of a request has arrived.
    BeforeRequest,
    /// When the whole request has arrived.
    AfterRequest,
    /// In the middle of the answer's body.
    MidBody,
}

/// An `error` event in a stream.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorEvent {
    /// In the place of which event, from 0.
    pub(crate) at: usize,
    /// Its `error.type`.
    pub(crate) kind: String,
    /// Its message.
    pub(crate) message: String,
}

/// An answer with this status.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub(crate) status: u16,
    pub(crate) kind: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
    pub(crate) retry_after: Option<f64>,
}

/// What a rule does.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Nothing but its delays.
    Slow,
    Status(Box<Status>),
    Reset(Closing),
    Close(Closing),
    /// Half of the body, then nothing more is sent and everything is still read.
    HalfClose,
    CutAtByte(usize),
    CutAtEvent(usize),
    /// A clean end without `message_stop`.
    EndEarlyAtEvent(usize),
    /// Silence: before this event, or in the middle of a body; for ever where nothing is said.
    Stall {
        event: Option<usize>,
        lasts: Option<Duration>,
    },
    /// No answer at all.
    Hang,
    ErrorEvent(ErrorEvent),
    /// The announced length is wrong by so many bytes.
    LyingLength(i64),
    Empty,
    Html,
}

impl Action {
    /// Whether it can happen to streams alone.
    pub(crate) const fn needs_events(&self) -> bool {
        matches!(
            self,
            Self::CutAtEvent(_)
                | Self::EndEarlyAtEvent(_)
                | Self::Stall { event: Some(_), .. }
                | Self::ErrorEvent(_)
        )
    }

    /// At which point of a connection it is decided.
    pub(crate) const fn point(&self) -> Point {
        match self {
            Self::Reset(Closing::OnAccept) | Self::Close(Closing::OnAccept) => Point::Accept,
            Self::Reset(Closing::BeforeRequest) | Self::Close(Closing::BeforeRequest) => Point::Head,
            Self::Slow
            | Self::Status(_)
            | Self::Reset(_)
            | Self::Close(_)
            | Self::HalfClose
            | Self::CutAtByte(_)
            | Self::CutAtEvent(_)
            | Self::EndEarlyAtEvent(_)
            | Self::Stall { .. }
            | Self::Hang
            | Self::ErrorEvent(_)
            | Self::LyingLength(_)
            | Self::Empty
            | Self::Html => Point::Request,
        }
    }
}

/// A point at which rules are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    Accept,
    Head,
    Request,
}

/// What is known of a request when the rules are asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) point: Point,
    /// The number of the connection or of the request: what chance follows from.
    pub(crate) number: u64,
    pub(crate) at: Duration,
    pub(crate) addr: usize,
    pub(crate) key: Option<&'a str>,
    pub(crate) path: &'a str,
    pub(crate) stream: bool,
    pub(crate) model: Option<&'a str>,
}

/// How often a rule fitted and fired.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    fitted: u64,
    fired: u64,
}

impl Rule {
    fn fits(&self, asked: &Asked<'_>) -> bool {
        let matches =
            |wanted: &Option<String>, got: Option<&str>| wanted.as_deref().is_none_or(|w| got == Some(w));
        self.action.point() == asked.point
            && (self.after..self.until).contains(&asked.at)
            && matches(&self.key, asked.key)
            && matches(&self.path, Some(asked.path))
            && matches(&self.model, asked.model)
            && self.addr.is_none_or(|a| a == asked.addr)
            && self.stream.is_none_or(|s| s == asked.stream)
    }

    /// Whether it is carried out for this request; counts it either way.
    pub(crate) fn fires(&self, asked: &Asked<'_>, seed: u64, counts: &mut Counts) -> bool {
        if !self.fits(asked) {
            return false;
        }
        counts.fitted += 1;
        let chosen = match &self.which {
            Which::All => true,
            Which::Rate(rate) => chance::share(seed, &self.name, asked.number) < *rate,
            Which::Every(n) => counts.fitted.is_multiple_of(*n),
            Which::Nth(list) => list.contains(&counts.fitted),
            Which::First(n) => counts.fitted <= *n,
        };
        let fires = chosen && counts.fired < self.count;
        counts.fired += u64::from(fires);
        fires
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'_> = Asked {
        point: Point::Request,
        number: 1,
        at: Duration::from_secs(5),
        addr: 0,
        key: Some("k"),
        path: "/v1/messages",
        stream: true,
        model: Some("m"),
    };

    fn rule() -> Rule {
        Rule {
            name: "r".to_owned(),
            which: Which::All,
            after: Duration::ZERO,
            until: Duration::MAX,
            count: u64::MAX,
            key: None,
            addr: None,
            path: None,
            stream: None,
            model: None,
            delay: Duration::ZERO,
            slow_chunk: None,
            action: Action::Hang,
        }
    }

    fn pattern(rule: &Rule) -> String {
        let mut counts = Counts::default();
        (1..=6)
            .map(|n| if rule.fires(&Asked { number: n, ..ASKED }, 7, &mut counts) { 'x' } else { '.' })
            .collect()
    }

    #[test]
    fn the_ways_to_choose() {
        for (which, count, expected) in [
            (Which::All, u64::MAX, "xxxxxx"),
            (Which::All, 2, "xx...."),
            (Which::Every(2), u64::MAX, ".x.x.x"),
            (Which::Nth(vec![1, 4]), u64::MAX, "x..x.."),
            (Which::First(3), u64::MAX, "xxx..."),
            (Which::Rate(0.0), u64::MAX, "......"),
            (Which::Rate(1.0), u64::MAX, "xxxxxx"),
        ] {
            let rule = Rule { which, count, ..rule() };
            assert_eq!(pattern(&rule), expected, "{:?}", rule.which);
        }
    }

    #[test]
    fn what_does_not_fit_is_neither_chosen_nor_counted() {
        let s = |text: &str| Some(text.to_owned());
        for other in [
            Rule { after: Duration::from_secs(6), ..rule() },
            Rule { until: Duration::from_secs(5), ..rule() },
            Rule { key: s("other"), ..rule() },
            Rule { path: s("/v1/models"), ..rule() },
            Rule { model: s("other"), ..rule() },
            Rule { addr: Some(1), ..rule() },
            Rule { stream: Some(false), ..rule() },
            Rule { action: Action::Reset(Closing::OnAccept), ..rule() },
        ] {
            let mut counts = Counts::default();
            assert!(!other.fires(&ASKED, 7, &mut counts), "{other:?}");
            assert_eq!(counts.fitted, 0);
        }
    }
}
