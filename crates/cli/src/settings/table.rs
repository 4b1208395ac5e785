//! The table of settings: a row each.

use clearline_model::{Kind, Setting};

const HOUR: u64 = 3600;
const TIME: Kind = Kind::Duration { max_secs: HOUR };

const COUNT: Kind = Kind::Count { min: 1, max: 1_000_000 };
const STREAMS: Kind = Kind::Count { min: 1, max: 10_000 };
const COUNT_OR_NONE: Kind = Kind::Count { min: 0, max: 1_000_000 };
const BUDGET: Kind = Kind::Count { min: 0, max: 1_000_000_000 };

const fn row(key: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Setting {
    Setting { key, kind, default, doc }
}

const fn column(key: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Setting {
    row(key, kind, default, doc)
}

/// What is said of an upstream.
const UPSTREAM: &[Setting] = &[
    column("upstreams.url", Kind::Text, "", "Its base URL"),
    column("upstreams.weight", Kind::Count { min: 1, max: 1000 }, "1", "Its share of the calls"),
    column(
        "upstreams.keys",
        Kind::SecretList,
        "",
        "Where its keys are; without any, the callers' credentials pass",
    ),
];

const QUOTA: Kind = Kind::Count { min: 0, max: 1_000_000 };

/// What is said of a caller's quota.
const CALLER: &[Setting] = &[
    column("quota.callers.requests", QUOTA, "", "Calls within a minute"),
    column("quota.callers.concurrent", QUOTA, "", "Calls at once"),
];

/// What is said of a route.
const ROUTE: &[Setting] = &[
    column("routes.upstreams", Kind::List, "", "The names of its upstreams"),
    column("routes.path", Kind::Text, "", "Paths that are this one or lie below it; empty: all"),
    column("routes.models", Kind::List, "", "Names of models, * for anything; empty: all"),
];

/// Every setting, in the order in which they are shown.
pub(crate) const ROWS: &[Setting] = &[
    row("gateway.listen", Kind::Text, "127.0.0.1:8787", "Address and port where the gateway takes calls"),
    row("gateway.admin", Kind::Text, "", "Address and port of metrics and health; empty: none"),
    row(
        "gateway.upstream",
        Kind::List,
        "https://api.anthropic.com",
        "Base URL of the API; several share the calls, and the keys of the pool",
    ),
    row("gateway.hosts", Kind::List, "", "Names besides loopback that a Host header may say"),
    row("gateway.origins", Kind::List, "", "Origins of web pages that may call"),
    row("gateway.body_max", Kind::Size { max: 1 << 30 }, "32MiB", "The largest request body"),
    row(
        "gateway.spill_over",
        Kind::Size { max: 1 << 30 },
        "1MiB",
        "From which size on a request's body waits in a file without a name",
    ),
    row("gateway.body_memory", Kind::Size { max: 1 << 40 }, "64MiB", "Memory for the bodies of all requests"),
    row("gateway.spill_dir", Kind::Text, "", "Folder of the files for bodies; empty: the system's"),
    row("gateway.header_max", Kind::Size { max: 1 << 20 }, "64KiB", "The largest request head"),
    row("gateway.headers_max", Kind::Count { min: 16, max: 1000 }, "100", "The most headers of a request"),
    row("gateway.header_timeout", TIME, "10s", "How long the head of a request may take"),
    row("gateway.body_timeout", TIME, "60s", "The longest silence within a request's body"),
    row("gateway.body_time", TIME, "600s", "The longest time that a request's body may take as a whole"),
    row(
        "gateway.write_timeout",
        TIME,
        "300s",
        "How long a caller may take nothing of an answer that waits for it",
    ),
    row(
        "gateway.tls_cert",
        Kind::Text,
        "",
        "File of the certificate and its chain, PEM; calls then come in over TLS",
    ),
    row("gateway.tls_key", Kind::Text, "", "File of the certificate's private key, PEM"),
    row("gateway.handshake_timeout", TIME, "10s", "How long a caller's TLS handshake may take"),
    row("gateway.http2", Kind::Flag, "true", "Speak HTTP/2 with callers that want it"),
    row("gateway.streams_max", STREAMS, "128", "The most calls at once on one connection of HTTP/2"),
    row(
        "gateway.resets_max",
        COUNT,
        "100",
        "Calls on one connection of HTTP/2 that a caller may cancel as soon as they begin; ten more each second",
    ),
    row("gateway.connections_max", COUNT, "4096", "The most connections of callers at once; more wait"),
    row("gateway.drain", TIME, "30s", "How long running calls may finish after SIGTERM"),
    row(
        "gateway.keep_alive",
        TIME,
        "0s",
        "Comments in streams that are silent so long, from their beginning on; 0s: none",
    ),
    row("gateway.log", Kind::Text, "-", "File of the JSON log; `-`: standard error, `none`: no log"),
    row("gateway.tokens", Kind::Table, "", "Callers: an alias each, and where its token is (env: or file:)"),
    row(
        "keys",
        Kind::SecretList,
        "",
        "Where the keys of the pool are (env: or file:), with or without aliases",
    ),
    row(
        "upstreams",
        Kind::Rows(UPSTREAM),
        "",
        "Several upstreams by name, each with url, weight and keys of its own, in the place of gateway.upstream",
    ),
    row(
        "upstream.http2",
        Kind::Word(&["off", "auto", "prior"]),
        "off",
        "HTTP/2 to the API: off, auto (over TLS, where the server chooses it), prior (also in clear, without asking)",
    ),
    row(
        "upstream.ping",
        TIME,
        "15s",
        "After so much silence under its calls a connection of HTTP/2 to the API is asked whether it stands; 0: never",
    ),
    row(
        "upstream.pong",
        TIME,
        "20s",
        "Such a connection that then says nothing for so long is given up; 0: never",
    ),
    row(
        "routes",
        Kind::Rows(ROUTE),
        "",
        "Which calls go to which upstreams: a name each, with upstreams, path and models; the first that fits holds",
    ),
    row(
        "failover.after",
        Kind::Count { min: 1, max: 1000 },
        "3",
        "So many failures in a row that are an upstream's own make it rest",
    ),
    row("failover.rest", TIME, "5s", "How long it rests before one call tries it; doubles each time"),
    row("failover.rest_max", TIME, "60s", "The longest rest of an upstream"),
    row(
        "failover.tries",
        Kind::Count { min: 1, max: 1000 },
        "2",
        "Attempts of a call on an upstream that fails before it goes to another",
    ),
    row(
        "quota.requests",
        QUOTA,
        "0",
        "Calls of one caller within a minute, told by token, else API key, else address; 0: no limit",
    ),
    row("quota.concurrent", QUOTA, "0", "Calls of one caller at once; 0: no limit"),
    row(
        "quota.callers",
        Kind::Rows(CALLER),
        "",
        "Other quotas for some callers: a name each, with requests and concurrent",
    ),
    row("quota.callers_max", COUNT, "10000", "The most callers that are told apart; more share one quota"),
    row(
        "policy.patience",
        TIME,
        "15s",
        "How long a caller without a deadline is held after its first refusal",
    ),
    row("policy.patience_max", TIME, "120s", "The longest deadline of a caller that is believed"),
    row("policy.attempts", Kind::Count { min: 1, max: 1000 }, "50", "The most attempts of one call"),
    row(
        "policy.in_flight_max",
        COUNT_OR_NONE,
        "0",
        "The most attempts at once of a model family; 0: no limit",
    ),
    row(
        "limiter.signals",
        Kind::Count { min: 0, max: 1_000_000 },
        "4",
        "So many refusals for overload within 10 s (and 40 % of all), with 12 calls open, or in an outage, pace a model family's attempts; 0: never",
    ),
    row(
        "limiter.fleet",
        Kind::Count { min: 1, max: 1_000_000 },
        "1",
        "So many gateways share what the API lets through: after an outage each comes back more slowly",
    ),
    row(
        "limiter.floor",
        Kind::Count { min: 1, max: 1_000_000 },
        "200",
        "The least pace of a limited model family, thousandths of an attempt a second",
    ),
    row("limiter.outage", TIME, "5s", "Nothing accepted for so long counts as an outage"),
    row("limiter.calm", TIME, "10s", "So long without a refusal ends the pacing"),
    row("backoff.base", TIME, "200ms", "First step of the backoff"),
    row("backoff.overload", TIME, "1s", "First step of the backoff where the server is overloaded"),
    row("backoff.max", TIME, "8s", "Longest step of the backoff"),
    row("budget.start", BUDGET, "10000", "The retry budget at start, thousandths of a retry"),
    row("budget.max", BUDGET, "20000", "The most the retry budget holds, thousandths of a retry"),
    row("budget.per_success", BUDGET, "200", "What a success adds to the budget, thousandths of a retry"),
    row("budget.per_second", BUDGET, "500", "What a second adds to the budget, thousandths of a retry"),
    row("key.quarantine", TIME, "300s", "How long a refused key rests before it is tried again"),
    row("key.cool", TIME, "2s", "How long a limited key rests where the server gave no hint"),
    row(
        "key.pacing",
        Kind::Flag,
        "true",
        "Keep to the rate limits of a key, or of a caller's own credential, as its answers tell them, before a 429",
    ),
    row("address.avoid", TIME, "5s", "How long a failed address is avoided first; doubles each time"),
    row("address.avoid_max", TIME, "60s", "The longest avoidance of an address"),
    row("retry.maybe_billed", Kind::Flag, "true", "Repeat a billed call whose answer was lost"),
    row(
        "hedge.after",
        Kind::Text,
        "auto",
        "When a second attempt starts beside a silent one: off, a time, or auto (by recent times, one for ten calls)",
    ),
    row(
        "continue_streams",
        Kind::Flag,
        "false",
        "Continue a stream of text that broke in the middle, on a new call; the model may repeat or rephrase a little",
    ),
    row(
        "continue_text_max",
        Kind::Size { max: 64 << 20 },
        "1MiB",
        "The most text of one answer that is kept for that; a longer answer is not continued",
    ),
    row(
        "fetch.streamed",
        COUNT_OR_NONE,
        "0",
        "A call that is not streamed and asks for so many tokens is fetched as a stream and put together; 0: never",
    ),
    row("commit.hold", TIME, "2s", "How long a stream is held before its first content"),
    row("timeout.resolve", TIME, "10s", "Looking up a name"),
    row("timeout.connect", TIME, "3s", "Opening one connection"),
    row("timeout.tunnel", TIME, "10s", "A proxy's answer"),
    row("timeout.handshake", TIME, "10s", "TLS"),
    row("timeout.send", TIME, "60s", "Sending the request"),
    row("timeout.first_byte", TIME, "600s", "From the end of the request to the head of its answer"),
    row("timeout.first_byte_stream", TIME, "120s", "The same where a stream was asked for"),
    row("timeout.idle", TIME, "60s", "Silence in an answer; pings count as life"),
    row(
        "alerts.target",
        Kind::Count { min: 0, max: 1000 },
        "950",
        "Success rate below which there is an alert, thousandths; 0: no alerts",
    ),
    row("alerts.window", TIME, "300s", "Over which time the success rate is taken"),
    row("alerts.window_long", TIME, "3600s", "The same for rare calls, which add up"),
    row("alerts.failures_min", COUNT, "5", "With fewer failures than this there is no alert"),
    row("alerts.calm", TIME, "60s", "How long the rate must be well before an alert ends"),
    row(
        "alerts.command",
        Kind::Text,
        "",
        "Shell command that gets every alert as JSON on its standard input",
    ),
    row(
        "alerts.webhook",
        Kind::Text,
        "",
        "Where alerts are posted: an address, or where it is (env: or file:)",
    ),
    row(
        "alerts.format",
        Kind::Word(clearline_report::alert::Format::WORDS),
        "json",
        "What is posted: the alert as JSON, or a message of a chat",
    ),
    row("alerts.timeout", TIME, "10s", "The longest time that the command or the webhook may take"),
    row("alerts.queue", COUNT, "64", "The most alerts that wait to be told; more are lost, and that is said"),
    row("alerts.allow_insecure", Kind::Flag, "false", "Post alerts over plain http beyond this machine"),
    row("watch.interval", TIME, "30s", "From one probe of `clearline watch` to the next"),
    row("watch.timeout", TIME, "5s", "The longest wait for one step of a probe"),
    row(
        "lang",
        Kind::Word(&["auto", "en", "zh-CN"]),
        "auto",
        "Language of the output; auto follows the locale",
    ),
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

/// The variable of a setting that a name was probably meant to be, where it is none.
pub(crate) fn meant_variable(found: &str) -> Option<String> {
    /// So few letters make a slip, and no other name.
    const SLIP: usize = 2;
    let all = || ROWS.iter().map(Setting::variable);
    if !found.starts_with("CLEARLINE_") || all().any(|name| name == found) {
        return None;
    }
    let near = all().map(|name| (edits(found, &name), name)).min()?;
    (near.0 <= SLIP).then_some(near.1)
}

/// How many letters must be put in, taken out or replaced to make one text the other.
pub(crate) fn edits(a: &str, b: &str) -> usize {
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
