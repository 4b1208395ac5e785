//! The table of settings: a row each.

use clearline_model::{Kind, Setting};

const HOUR: u64 = 3600;
const TIME: Kind = Kind::Duration { max_secs: HOUR };

const fn row(key: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Setting {
    Setting { key, kind, default, doc }
}

/// Every setting, in the order in which they are shown.
pub(crate) const ROWS: &[Setting] = &[
    row("gateway.listen", Kind::Text, "127.0.0.1:8787", "Address and port where the gateway takes calls"),
    row("gateway.admin", Kind::Text, "", "Address and port of metrics and health; empty: none"),
    row("gateway.upstream", Kind::Text, "https://api.anthropic.com", "Base URL of the API"),
    row("gateway.hosts", Kind::List, "", "Names besides loopback that a Host header may say"),
    row("gateway.origins", Kind::List, "", "Origins of web pages that may call"),
    row("gateway.body_max", Kind::Size { max: 1 << 30 }, "32MiB", "The largest request body"),
    row("gateway.drain", TIME, "30s", "How long running calls may finish after SIGTERM"),
    row("gateway.log", Kind::Text, "-", "File of the JSON log; `-`: standard error, `none`: no log"),
    row("gateway.tokens", Kind::Table, "", "Callers: an alias each, and where its token is (env: or file:)"),
    row(
        "keys",
        Kind::SecretList,
        "",
        "Where the keys of the pool are (env: or file:), with or without aliases",
    ),
    row(
        "policy.patience",
        TIME,
        "15s",
        "How long a caller without a deadline is held after its first refusal",
    ),
    row("policy.patience_max", TIME, "120s", "The longest deadline of a caller that is believed"),
    row("policy.attempts", Kind::Count { min: 1, max: 1000 }, "50", "The most attempts of one call"),
    row("retry.maybe_billed", Kind::Flag, "true", "Repeat a billed call whose answer was lost"),
    row("commit.hold", TIME, "2s", "How long a stream is held before its first content"),
    row("timeout.connect", TIME, "3s", "Opening one connection"),
    row("timeout.tunnel", TIME, "10s", "A proxy's answer"),
    row("timeout.handshake", TIME, "10s", "TLS"),
    row("timeout.first_byte", TIME, "600s", "From the end of the request to the head of its answer"),
    row("timeout.idle", TIME, "60s", "Silence in an answer; pings count as life"),
    row(
        "network.allow_insecure",
        Kind::Flag,
        "false",
        "Send credentials over plain http beyond this machine",
    ),
];

/// The row of a key.
pub(crate) fn find(key: &str) -> Option<&'static Setting> {
    ROWS.iter().find(|r| r.key == key)
}

/// The key that was probably meant.
pub(crate) fn nearest(found: &str) -> Option<&'static str> {
    let name = found.rsplit('.').next().unwrap_or(found);
    let distance = |row: &Setting| {
        let parts = row.key.split('.').map(|part| 1 + edits(name, part)).min().unwrap_or(usize::MAX);
        // A whole key that resembles beats a part of one that does.
        edits(found, row.key).min(parts)
    };
    let best = ROWS.iter().min_by_key(|r| distance(r))?;
    (distance(best) <= 1 + name.chars().count() / 3).then_some(best.key)
}

/// How many letters must be put in, taken out or replaced to make one text the other.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut line: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut next = Vec::with_capacity(line.len());
        let mut left = i + 1;
        next.push(left);
        for (cb, pair) in b.iter().zip(line.windows(2)) {
            let (corner, above) = (pair.first().copied().unwrap_or(0), pair.last().copied().unwrap_or(0));
            left = (corner + usize::from(ca != *cb)).min(above + 1).min(left + 1);
            next.push(left);
        }
        line = next;
    }
    line.last().copied().unwrap_or(0)
}
