//! Numbers of a run, ours and those of the optimum, and the bars between them.

use std::collections::BTreeMap;

use clearline_model::Dur;

use crate::model::{Asked, Over, optimum::Best};

/// What later than this against the optimum is late, microseconds.
const LATE: u64 = 3_000_000;

/// One call of a run.
#[derive(Debug, Clone, Copy)]
struct Call {
    caller: u32,
    start: u64,
    took: u64,
    healthy: u64,
    succeeded: bool,
    attempts: u64,
    twice: bool,
    paid: u64,
}

/// Shares are thousandths, times milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Score {
    pub(crate) calls: u64,
    pub(crate) success: u64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    /// For each success.
    pub(crate) attempts: u64,
    pub(crate) twice: u64,
    /// Output that was paid for, of what the successes are worth.
    pub(crate) paid: u64,
    /// From the fault's end until no call starts late any more; zero where the fault has no end.
    pub(crate) recovery: u64,
    /// The time of the worst caller among those that call little, against that of all calls.
    pub(crate) unfair: u64,
}

/// A name, and when it is missed.
type Bar = (&'static str, fn(&Pair) -> bool);

/// What is held to.
const BARS: [Bar; 4] = [
    ("success", |p| ratio(p.ours.success, p.best.success) < 995),
    ("attempts", |p| ratio(p.ours.attempts, p.best.attempts) > 1_500),
    ("p99", |p| ratio(p.ours.p99, p.best.p99) > 1_500),
    // What the optimum needs itself nobody does without.
    ("recovery", |p| p.ours.recovery > p.best.recovery + 30_000),
];

/// Both sides of a run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pair {
    pub(crate) ours: Score,
    pub(crate) best: Score,
}

/// Thousandths.
pub(crate) fn ratio(ours: u64, best: u64) -> u64 {
    (ours * 1_000).checked_div(best).unwrap_or(1_000)
}

/// Scores a run beside its optimum; `ends` is the end of the fault, `deadline` what a caller waits for its whole answer.
pub(crate) fn pair(
    over: &[Over],
    best: &[Best],
    asked: &[Asked],
    (ends, deadline): (Option<u64>, Dur),
) -> Pair {
    let healthy = |a: &Asked| 1_000 * (a.first + 50 + a.rest);
    let theirs = best.iter().zip(asked).map(|(b, a)| {
        let took = b.ended - a.at;
        Call {
            caller: a.caller,
            start: b.start,
            took,
            healthy: healthy(a),
            succeeded: took <= deadline.0,
            attempts: u64::from(b.attempts),
            twice: false,
            paid: a.tokens,
        }
    });
    let theirs: Vec<_> = theirs.collect();
    let ours = over.iter().filter_map(|o| {
        let a = asked.get(o.asked?)?;
        let took = o.ended - o.began;
        let succeeded = o.succeeded && took <= deadline.0;
        Some((
            o.asked?,
            Call {
                caller: a.caller,
                start: o.last,
                took: if succeeded { took } else { took.max(deadline.0) },
                healthy: healthy(a),
                succeeded,
                attempts: u64::from(o.attempts),
                twice: o.billed > 1,
                paid: o.paid,
            },
        ))
    });
    let ours: BTreeMap<usize, Call> = ours.collect();
    let ours: Vec<_> = ours.into_values().collect();
    let late = |calls: &[Call], against: &dyn Fn(usize) -> u64| {
        let Some(ends) = ends else { return 0 };
        let late = calls.iter().enumerate().filter(|(n, c)| c.start > against(*n) + LATE && c.start > ends);
        late.map(|(_, c)| (c.start - ends) / 1_000).max().unwrap_or(0)
    };
    let worth: u64 = ours.iter().zip(asked).filter(|(c, _)| c.succeeded).map(|(_, a)| a.tokens).sum();
    let all: u64 = theirs.iter().map(|c| c.paid).sum();
    let best_start = |n: usize| theirs.get(n).map_or(0, |c| c.start);
    let arrival = |n: usize| asked.get(n).map_or(0, |a| a.at);
    Pair {
        ours: Score { recovery: late(&ours, &best_start), ..score(&ours, worth) },
        best: Score { recovery: late(&theirs, &arrival), ..score(&theirs, all) },
    }
}

fn score(calls: &[Call], worth: u64) -> Score {
    let mut took: Vec<_> = calls.iter().map(|c| c.took / 1_000).collect();
    took.sort_unstable();
    let part = |share: usize| took.get(took.len().saturating_sub(1) * share / 100).copied().unwrap_or(0);
    let (count, good) = (calls.len() as u64, calls.iter().filter(|c| c.succeeded).count() as u64);
    let sum = |of: fn(&Call) -> u64| calls.iter().map(of).sum::<u64>();
    Score {
        calls: count,
        success: ratio(good, count),
        p50: part(50),
        p99: part(99),
        attempts: ratio(sum(|c| c.attempts), good),
        twice: sum(|c| u64::from(c.twice)),
        paid: ratio(sum(|c| c.paid), worth),
        recovery: 0,
        unfair: unfair(calls),
    }
}

/// How much longer than all calls those of the worst caller took, against what they take where all is well.
fn unfair(calls: &[Call]) -> u64 {
    let stretch = |c: &Call| c.took * 1_000 / c.healthy.max(1);
    let mut callers: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for c in calls {
        let (sum, count) = callers.entry(c.caller).or_default();
        *sum += stretch(c);
        *count += 1;
    }
    let share = calls.len() as u64 / (callers.len() as u64).max(1);
    let little = callers.values().filter(|(_, count)| *count <= 2 * share);
    let worst = little.map(|(sum, count)| sum / (*count).max(1)).max().unwrap_or(0);
    let all = calls.iter().map(stretch).sum::<u64>() / (calls.len() as u64).max(1);
    ratio(worst, all)
}

/// The median of a number over the seeds.
pub(crate) fn median(pairs: &[Pair], of: impl Fn(&Pair) -> u64) -> u64 {
    let mut all: Vec<_> = pairs.iter().map(of).collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or(0)
}

/// The bars that most of the seeds miss: so the median of the ratio misses it.
pub(crate) fn missed(pairs: &[Pair]) -> Vec<&'static str> {
    let misses = |bar: fn(&Pair) -> bool| pairs.iter().filter(|p| bar(p)).count() * 2 > pairs.len();
    BARS.iter().filter(|(_, bar)| misses(*bar)).map(|(name, _)| *name).collect()
}
