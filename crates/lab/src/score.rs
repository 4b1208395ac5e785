//! The figures of a run: how often the first cause was right, what healthy paths were accused of, how long it took.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::baseline::{self, Words};
use crate::outcome::Outcome;

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Share {
    n: usize,
    of: usize,
}

impl Share {
    fn count(&mut self, good: bool) {
        self.of += 1;
        self.n += usize::from(good);
    }

    fn shown(self) -> String {
        if self.of == 0 {
            return "–".to_owned();
        }
        let tenths = self.n * 1000 / self.of;
        format!("{} of {} ({}.{} %)", self.n, self.of, tenths / 10, tenths % 10)
    }
}

/// The figures.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Score {
    conditions: usize,
    /// Of the conditions with a fault: the first problem named is the one.
    top1: Share,
    /// Of the healthy ones: those that were called ill.
    false_alarms: Share,
    status_right: Share,
    /// Of those with two faults: both were named, in the order that matters.
    compounds_full: Share,
    /// From start to end of the doctor, milliseconds.
    median_ms: u64,
    p90_ms: u64,
    worst_ms: u64,
    layers: BTreeMap<String, Share>,
    /// `truth → what was named first`, and how often.
    confusion: BTreeMap<String, usize>,
    /// Of the conditions with a fault: those whose cause a client's own message names.
    clients: BTreeMap<String, Share>,
    /// Conditions in which the reference client's call contradicts the expected status.
    contradictions: BTreeMap<String, String>,
    /// Conditions that were not scored, and why.
    unscored: BTreeMap<String, String>,
}

/// Scores what was scored.
pub(crate) fn of(outcomes: &[Outcome], words: &Words) -> Score {
    let mut score = Score::default();
    let mut times = Vec::new();
    for outcome in outcomes {
        if let Some(why) = &outcome.unscored {
            score.unscored.insert(format!("{} seed {}", outcome.id, outcome.seed), why.clone());
            continue;
        }
        let (truth, right) = (outcome.truth(), outcome.is_right());
        score.conditions += 1;
        times.push(outcome.took_ms);
        score.status_right.count(outcome.is_status_right());
        score.layers.entry(outcome.layer.clone()).or_default().count(right);
        if truth.is_healthy() {
            score.false_alarms.count(!right);
        } else {
            score.top1.count(right);
        }
        if truth.causes.len() > 1 {
            score.compounds_full.count(outcome.is_full());
        }
        for (name, said) in outcome.clients.iter().filter(|_| !truth.is_healthy()) {
            let share = score.clients.entry(name.clone()).or_default();
            share.count(!said.ok && baseline::names(&said.text, &truth, words));
        }
        if let Some(said) = outcome.clients.get("python").filter(|_| outcome.contradicts()) {
            let what = format!("expected {}: {}", outcome.expected, said.text);
            score.contradictions.insert(outcome.id.clone(), what);
        }
        if !right {
            let first =
                outcome.problems().next().map_or_else(|| format!("({})", outcome.status), str::to_owned);
            *score.confusion.entry(format!("{} → {first}", outcome.truth)).or_default() += 1;
        }
    }
    times.sort_unstable();
    let at = |share: usize| times.get((times.len().max(1) - 1) * share / 100).copied().unwrap_or(0);
    (score.median_ms, score.p90_ms, score.worst_ms) = (at(50), at(90), at(100));
    score
}

impl Score {
    /// Whether the first cause was right in so many per cent, nobody was accused wrongly, and everything was scored.
    pub(crate) fn passes(&self, gate: usize) -> bool {
        self.top1.n * 100 >= gate * self.top1.of && self.false_alarms.n == 0 && self.unscored.is_empty()
    }

    /// The figures for people.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        let seconds = |ms: u64| format!("{}.{:02} s", ms / 1000, ms % 1000 / 10);
        let time = format!(
            "median {}, 90 % {}, worst {}",
            seconds(self.median_ms),
            seconds(self.p90_ms),
            seconds(self.worst_ms)
        );
        for (name, value) in [
            ("conditions", self.conditions.to_string()),
            ("top-1", self.top1.shown()),
            ("false alarms", self.false_alarms.shown()),
            ("status right", self.status_right.shown()),
            ("compounds fully named", self.compounds_full.shown()),
            ("time to verdict", time),
        ] {
            let _fits = writeln!(text, "{name:<22} {value}").is_ok();
        }
        let mut part = |title: &str, rows: Vec<(String, String)>| {
            if rows.is_empty() {
                return;
            }
            let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
            let _fits = writeln!(text, "\n{title}").is_ok();
            for (name, value) in rows {
                let _fits = writeln!(text, "  {name:<width$}  {value}").is_ok();
            }
        };
        part("right, by layer", shares(&self.layers));
        let mut pairs: Vec<_> = self.confusion.iter().collect();
        pairs.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
        part("a client's message names the cause", shares(&self.clients));
        part("truth → named first", pairs.iter().map(|(p, n)| ((*p).clone(), format!("{n} ×"))).collect());
        part("the reference client contradicts", pairs_of(&self.contradictions));
        part("not scored", pairs_of(&self.unscored));
        text
    }
}

fn shares(all: &BTreeMap<String, Share>) -> Vec<(String, String)> {
    all.iter().map(|(name, share)| (name.clone(), share.shown())).collect()
}

fn pairs_of(all: &BTreeMap<String, String>) -> Vec<(String, String)> {
    all.iter()
        .map(|(name, text)| (name.clone(), text.lines().next().unwrap_or_default().to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::tests::outcome;

    #[test]
    fn figures_of_a_run() {
        let mut lost = outcome("a.b", "failing", &["a.b"]);
        lost.unscored = Some("not seen: hit".to_owned());
        let mut slow = outcome("a.b and c.d", "failing", &["c.d"]);
        slow.took_ms = 900;
        let all = [
            outcome("a.b", "failing", &["a.b"]),
            outcome("a.b", "failing", &["c.d"]),
            outcome("a.b", "inconclusive", &[]),
            outcome("healthy", "healthy", &[]),
            outcome("healthy", "failing", &["c.d"]),
            slow,
            lost,
        ];
        let score = of(&all, &Words::new());
        assert_eq!(score.conditions, 6);
        assert_eq!(score.top1, Share { n: 2, of: 4 });
        assert_eq!(score.false_alarms, Share { n: 1, of: 2 });
        assert_eq!(score.status_right, Share { n: 4, of: 6 });
        assert_eq!(score.compounds_full, Share { n: 0, of: 1 });
        assert_eq!((score.median_ms, score.worst_ms), (100, 900));
        let pairs: Vec<_> = score.confusion.keys().map(String::as_str).collect();
        assert_eq!(pairs, ["a.b → (inconclusive)", "a.b → c.d", "healthy → c.d"]);
        let table = score.table();
        for holds in ["top-1                  2 of 4 (50.0 %)", "not seen: hit", "median 0.10 s"] {
            assert!(table.contains(holds), "{table}");
        }
    }

    #[test]
    fn a_gate_is_passed_or_not() {
        let (right, wrong) = (outcome("a.b", "failing", &["a.b"]), outcome("a.b", "failing", &[]));
        let half = of(&[right.clone(), wrong], &Words::new());
        assert!(half.passes(50) && !half.passes(51));
        assert!(!of(&[right.clone(), outcome("healthy", "failing", &[])], &Words::new()).passes(50));
        let mut lost = right;
        lost.unscored = Some("not seen: hit".to_owned());
        assert!(!of(&[lost], &Words::new()).passes(0));
    }

    #[test]
    fn clients_are_scored_by_their_words_and_the_reference_by_its_success() {
        let mut outcome = outcome("a.b", "failing", &["a.b"]);
        outcome.expected = "degraded".to_owned();
        let said = |text: &str| baseline::Said { ok: false, text: text.to_owned(), took_ms: 1 };
        outcome.clients.insert("curl".to_owned(), said("it is the B"));
        outcome.clients.insert("python".to_owned(), said("Connection error."));
        let words = [("a.b".to_owned(), vec!["the b".to_owned()])].into();
        let score = of(&[outcome], &words);
        assert_eq!(score.clients["curl"], Share { n: 1, of: 1 });
        assert_eq!(score.clients["python"], Share { n: 0, of: 1 });
        assert_eq!(score.contradictions["x"], "expected degraded: Connection error.");
    }

    #[test]
    fn nothing_scored_is_said() {
        assert!(of(&[], &Words::new()).table().contains("top-1                  –"));
    }
}
