//! The figures of a run: how often the first cause was right, what healthy paths were accused of, how long it took.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

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
    /// Conditions that were not scored, and why.
    unscored: BTreeMap<String, String>,
}

/// Scores what was scored.
pub(crate) fn of(outcomes: &[Outcome]) -> Score {
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
        part("right, by layer", self.layers.iter().map(|(n, s)| (n.clone(), s.shown())).collect());
        let mut pairs: Vec<_> = self.confusion.iter().collect();
        pairs.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
        part("truth → named first", pairs.iter().map(|(p, n)| ((*p).clone(), format!("{n} ×"))).collect());
        part("not scored", self.unscored.iter().map(|(n, w)| (n.clone(), w.clone())).collect());
        text
    }
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
        let score = of(&all);
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
    fn nothing_scored_is_said() {
        assert!(of(&[]).table().contains("top-1                  –"));
    }
}
