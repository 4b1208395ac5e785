//! The 28 ways in which a call goes wrong, and what has to reach the caller each time: for bodies from a kilobyte to the 32 MB that
//! the API takes, and with one key and with two.

use std::time::{Duration, Instant};

use clearline_model::Dur;
use clearline_policy::Settings;
use clearline_sim::{Sim, SimEventKind, expected_text};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::common::{Seen, Served, ask, post, requests, serve_as, sim};

const PACE: &str = "[answer]\nfirst_byte = \"1ms\"\nchunk = \"1ms\"\nchunks = 6\n";
const POOL: [&str; 2] = ["sk-ant-fake-pool-one", "sk-ant-fake-pool-two"];
/// How long a caller is held.
const PATIENCE: Dur = Dur::millis(2_000);
/// From this size on a body is spilled here, bytes.
const SPILL: u64 = 64 << 10;

/// What came of a row.
struct Outcome {
    seen: Seen,
    /// When each attempt arrived, milliseconds, and the end of its key.
    attempts: Vec<(u64, String)>,
    took: Duration,
    keys: usize,
    expected: String,
}

impl Outcome {
    fn gap(&self) -> u64 {
        self.attempts.windows(2).map(|w| w[1].0 - w[0].0).min().unwrap_or(0)
    }

    fn hops(&self) -> bool {
        self.attempts.windows(2).all(|w| w[0].1 != w[1].1)
    }

    fn type_(&self) -> String {
        self.seen.json()["error"]["type"].as_str().unwrap_or_default().to_owned()
    }

    /// Delivered whole and right, after so many attempts.
    fn well_after(&self, attempts: usize) {
        assert_eq!(self.seen.status, 200, "{}", self.seen.text());
        assert!(self.seen.whole, "the transfer broke");
        assert_eq!(self.seen.said(), self.expected);
        assert_eq!(self.attempts.len(), attempts);
        assert!(!self.seen.events().contains(&"error".to_owned()));
        let starts = self.seen.events().iter().filter(|e| *e == "message_start").count();
        assert!(starts <= 1, "{starts} beginnings");
    }

    /// The upstream's own answer, unchanged, after so many attempts.
    fn refused(&self, status: u16, type_: &str, attempts: usize) {
        assert_eq!((self.seen.status, self.type_().as_str()), (status, type_), "{}", self.seen.text());
        assert!(
            self.seen.header("request-id").is_some_and(|id| id.starts_with("req_")),
            "{}",
            self.seen.head
        );
        assert_eq!(self.seen.header("clearline-cause"), None);
        assert_eq!(self.attempts.len(), attempts);
    }

    /// The same, at the end of the patience.
    fn held(&self, status: u16, type_: &str) {
        self.refused(status, type_, self.attempts.len());
        assert!(self.attempts.len() >= 2, "{} attempts", self.attempts.len());
        // What was begun within the patience is still waited for, on whatever machine this is.
        assert!(self.took < Duration::from(PATIENCE) * 3, "{:?}", self.took);
    }

    /// The caller can tell that something is missing.
    fn broken(&self) {
        assert_eq!(self.seen.status, 200);
        assert!(self.seen.events().contains(&"error".to_owned()) || !self.seen.whole, "{}", self.seen.text());
        assert!(!self.seen.events().contains(&"message_stop".to_owned()), "{}", self.seen.text());
        assert_eq!(self.attempts.len(), 1);
    }
}

struct Row {
    n: u8,
    fault: &'static str,
    stream: bool,
    check: fn(&Outcome),
}

const fn row(n: u8, stream: bool, fault: &'static str, check: fn(&Outcome)) -> Row {
    Row { n, fault, stream, check }
}

const PAGE: &str = "status = 502\nbody = \"<html><title>502 Bad Gateway</title></html>\"";

/// Every row but 17 and 28, in which the caller leaves.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    row(1, false, "", |o| {
        o.well_after(1);
        for header in ["request-id", "anthropic-organization-id", "anthropic-ratelimit-requests-remaining"] {
            assert!(o.seen.header(header).is_some(), "{header} in {}", o.seen.head);
        }
    }),
    row(2, false, "first = 2\nstatus = 529", |o| o.well_after(3)),
    row(3, false, "status = 529", |o| o.held(529, "overloaded_error")),
    row(4, false, "first = 1\nstatus = 429\nretry_after = 1", |o| {
        o.well_after(2);
        assert!(o.gap() >= 1_000 || o.hops(), "{:?}", o.attempts);
    }),
    row(5, false, "status = 429", |o| o.held(429, "rate_limit_error")),
    row(6, false, "status = 429\nretry_after = 90", |o| {
        o.refused(429, "rate_limit_error", o.keys);
        assert_eq!(o.seen.header("retry-after"), Some("90"));
        // Waiting would take 90 s; a busy machine alone may take a few.
        assert!(o.took < Duration::from_secs(20), "{:?}", o.took);
    }),
    row(7, false, "first = 1\nstatus = 500", |o| o.well_after(2)),
    row(8, false, "status = 400", |o| o.refused(400, "invalid_request_error", 1)),
    row(9, false, "status = 401", |o| {
        o.refused(401, "authentication_error", o.keys);
        assert!(o.hops());
    }),
    row(10, false, "status = 413", |o| o.refused(413, "request_too_large", 1)),
    row(11, false, "first = 1\nreset = \"after_request\"", |o| o.well_after(2)),
    row(12, false, "first = 1\nclose = \"after_request\"", |o| o.well_after(2)),
    row(13, false, "first = 1\nPAGE", |o| o.well_after(2)),
    row(14, false, "PAGE", |o| {
        assert_eq!((o.seen.status, o.type_().as_str()), (502, "api_error"), "{}", o.seen.text());
        assert!(o.seen.header("clearline-cause").is_some(), "{}", o.seen.head);
        assert!(o.seen.header("content-type").is_some_and(|t| t.starts_with("application/json")));
    }),
    row(15, false, "first = 1\ncut_at_byte = 40", |o| o.well_after(2)),
    row(16, false, "empty_200 = true", |o| {
        assert!(o.seen.status >= 500, "{}", o.seen.status);
        assert_eq!(o.seen.json()["type"], "error");
    }),
    row(18, true, "", |o| {
        o.well_after(1);
        let events = o.seen.events();
        assert_eq!(events[..3], ["message_start", "content_block_start", "ping"]);
        assert_eq!(events.iter().filter(|e| *e == "content_block_delta").count(), 6);
        assert_eq!(events.last().map(String::as_str), Some("message_stop"));
    }),
    row(19, true, "first = 2\nstatus = 529", |o| o.well_after(3)),
    row(20, true, "status = 529", |o| o.held(529, "overloaded_error")),
    row(21, true, "first = 1\nstatus = 429\nretry_after = 1", |o| {
        o.well_after(2);
        assert!(o.gap() >= 1_000 || o.hops(), "{:?}", o.attempts);
    }),
    row(22, true, "first = 1\nerror_event = { at = 1, kind = \"overloaded_error\", message = \"Overloaded\" }", |o| {
        o.well_after(2);
        assert_eq!(o.seen.events().iter().filter(|e| *e == "message_start").count(), 1);
    }),
    row(23, true, "error_event = { at = 6, kind = \"overloaded_error\", message = \"Overloaded\" }", |o| {
        o.broken();
        assert!(o.seen.text().contains("\"type\":\"overloaded_error\""), "{}", o.seen.text());
        assert_eq!(o.seen.events().iter().filter(|e| *e == "error").count(), 1);
    }),
    row(24, true, "first = 1\ncut_at_event = 0", |o| o.well_after(2)),
    row(25, true, "cut_at_event = 6", Outcome::broken),
    row(26, true, "end_early_at_event = 6", Outcome::broken),
    row(27, true, "stall_at_event = 6", |o| {
        o.broken();
        let limit = Settings::default().timeouts.idle;
        assert!(limit > Dur::ZERO && limit <= Dur::secs(60), "a default limit exists");
    }),
];

/// A request's body of about this many bytes.
fn body(size: usize, stream: bool) -> Value {
    json!({
        "model": "claude-sonnet-5-5", "max_tokens": 32, "stream": stream,
        "messages": [{"role": "user", "content": "Hello there"}], "metadata": {"user_id": "word ".repeat(size / 5)},
    })
}

fn scenario(fault: &str) -> String {
    let fault = fault.replace("PAGE", PAGE);
    let rule = if fault.is_empty() { String::new() } else { format!("[[fault]]\nname = \"it\"\n{fault}\n") };
    format!("{PACE}[limits]\nrequests_per_minute = 100000\n{rule}")
}

async fn gateway(api: &Sim, keys: usize) -> Served {
    let pool = POOL.get(..keys).unwrap();
    let policy = |s: &mut Settings| {
        s.patience = PATIENCE;
        s.timeouts.idle = Dur::millis(300);
        s.backoff_base = Dur::millis(20);
        s.backoff_overload = Dur::millis(50);
    };
    serve_as(&api.base_url(), pool, |o| o.spill_over = SPILL, policy).await
}

async fn play(row: &Row, size: usize, keys: usize) -> Outcome {
    let api = sim(&scenario(row.fault)).await;
    let served = gateway(&api, keys).await;
    let body = body(size, row.stream);
    let begun = Instant::now();
    let seen = ask(served.addr, &post(&body.to_string(), "x-api-key: sk-ant-fake-own\r\n")).await;
    let took = begun.elapsed();
    let attempts = requests(&api)
        .into_iter()
        .filter_map(|e| {
            if let SimEventKind::Request { key, .. } = e.kind {
                Some((e.at_ms, key.unwrap_or_default()))
            } else {
                None
            }
        })
        .collect();
    Outcome { seen, attempts, took, keys, expected: expected_text(&body) }
}

/// Runs rows side by side, and says of each what it came to.
async fn all(rows: impl IntoIterator<Item = &'static Row>, size: usize, keys: usize) {
    let mut running = JoinSet::new();
    for row in rows {
        running.spawn(async move { (row, play(row, size, keys).await) });
    }
    let mut failed = Vec::new();
    while let Some(done) = running.join_next().await {
        let (row, outcome) = done.unwrap();
        let seen =
            format!("{} attempts, {} after {:?}", outcome.attempts.len(), outcome.seen.status, outcome.took);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (row.check)(&outcome)));
        println!(
            "row {:2}, {size} bytes, {keys} keys: {} ({seen})",
            row.n,
            if result.is_ok() { "ok" } else { "FAILED" }
        );
        if result.is_err() {
            failed.push(row.n);
        }
    }
    failed.sort_unstable();
    assert!(failed.is_empty(), "rows {failed:?} at {size} bytes with {keys} keys");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_holds_for_small_bodies_and_one_key() {
    all(ROWS, 1 << 10, 1).await;
}

/// The first that are spilled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_holds_for_bodies_of_64_kilobytes_and_two_keys() {
    all(ROWS, 64 << 10, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_holds_for_bodies_of_a_megabyte() {
    all(ROWS, 1 << 20, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_holds_for_bodies_of_8_megabytes() {
    // Those that last as long as the patience go side by side.
    let (held, short): (Vec<_>, Vec<_>) = ROWS.iter().partition(|r| matches!(r.n, 3 | 5 | 14 | 20));
    all(held, 8 << 20, 2).await;
    for some in short.chunks(8) {
        all(some.iter().copied(), 8 << 20, 2).await;
    }
}

/// Nothing is cut off by a size: what is refused, lost, cut or broken is sent again as the API takes it, which is 32 MB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_retried_is_retried_for_the_largest_bodies() {
    for one in ROWS.iter().filter(|r| matches!(r.n, 7 | 11 | 15 | 19 | 22 | 25)) {
        all([one], (32 << 20) - 1_000, 1).await;
    }
}

/// Rows 17 and 28: the upstream is let go within a second, and nothing starts afterwards.
#[tokio::test]
async fn a_caller_that_leaves_ends_the_upstream_within_a_second() {
    const HANG: &str = "hang = true";
    const SLOW: &str = "slow_chunk = \"60s\"";
    const LARGEST: usize = (32 << 20) - 1_000;
    const SIZES: [usize; 3] = [1 << 10, 64 << 10, 1 << 20];
    for (n, stream, fault, largest) in
        [(17, false, HANG, 8 << 20), (17, true, HANG, LARGEST), (28, true, SLOW, 8 << 20)]
    {
        for size in SIZES.into_iter().chain([largest]) {
            let api = sim(&scenario(fault)).await;
            let served = gateway(&api, 2).await;
            let mut stream_ = TcpStream::connect(served.addr).await.unwrap();
            stream_.write_all(&post(&body(size, stream).to_string(), "")).await.unwrap();
            api.wait_for(|e| matches!(e.kind, SimEventKind::Request { .. })).await;
            if n == 28 {
                api.wait_for(|e| matches!(e.kind, SimEventKind::Answered { .. })).await;
            }
            let left = Instant::now();
            drop(stream_);
            api.wait_for(|e| matches!(e.kind, SimEventKind::ClientGone { .. })).await;
            assert!(left.elapsed() < Duration::from_secs(1), "row {n}: {:?}", left.elapsed());
            let (summary, _) = served.finish().await;
            assert_eq!((summary.calls, summary.left, summary.attempts), (1, 1, 1), "row {n}");
            assert_eq!(requests(&api).len(), 1, "row {n}: nothing starts for a caller that left");
        }
    }
}
