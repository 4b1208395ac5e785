//! What is said of many calls at once: the numbers add up, and times say their day where there are several.

use crate::common::{Folder, clearline, run};

const DAY: i64 = 86_400_000;
/// 2026-11-24, 23:50 UTC.
const NIGHT: i64 = 1_795_564_200_000;

/// A log of our own: a moment and an outcome a call.
fn log(home: &Folder, calls: &[(i64, &str)]) -> std::path::PathBuf {
    let lines: Vec<String> = calls
        .iter()
        .map(|(ts, outcome)| {
            let cause = (*outcome == "failed").then_some("server.overloaded");
            let attempt = serde_json::json!({ "cause": cause });
            serde_json::json!({
                "event": "call ended", "ts": ts, "outcome": outcome, "cause": cause, "attempts": [attempt],
            })
            .to_string()
        })
        .collect();
    home.write("gateway.jsonl", &lines.join("\n"))
}

fn told(home: &Folder, lang: &str, log: &std::path::Path) -> Vec<String> {
    let (code, out, err) = run(clearline(&home.0).args(["logs", "--lang", lang]).arg(log).env("TZ", "UTC"));
    assert_eq!(code, 0, "{err}");
    out.lines().map(str::to_owned).collect()
}

#[test]
fn every_call_is_in_one_of_the_numbers() {
    let home = Folder::new();
    let log = log(&home, &[(NIGHT, "succeeded"), (NIGHT, "failed"), (NIGHT, "left"), (NIGHT, "left")]);
    for (lang, head) in [
        ("en", "4 calls, 1 succeeded (50.00 %), 1 failed; in 2 the caller left   2026-11-24 23:50 +00:00"),
        (
            "zh-CN",
            "4 次调用，成功 1 次（50.00 %），失败 1 次，另有 2 次调用方中途离开   2026-11-24 23:50 +00:00",
        ),
    ] {
        assert_eq!(told(&home, lang, &log)[0], head);
    }
    let (_, html, _) = run(clearline(&home.0).args(["logs", "--html"]).arg(&log));
    assert!(html.contains("in 2 the caller left"), "{html}");
}

#[test]
fn times_say_their_day_where_there_are_several() {
    let home = Folder::new();
    let later = NIGHT + 3 * DAY;
    let log = log(&home, &[(NIGHT, "succeeded"), (later, "failed"), (later + 1_200_000, "failed")]);
    let told = told(&home, "en", &log);
    assert!(told[0].ends_with("   2026-11-24 23:50 – 2026-11-28 00:10 +00:00"), "{told:?}");
    assert!(told[2].ends_with("  11-27 23:50 – 11-28 00:10"), "{told:?}");
    let moments: Vec<i64> = (0..3).map(|n| NIGHT + n * DAY).collect();
    let calls: Vec<_> = moments.iter().map(|at| (*at, "failed")).collect();
    // The same time of another day is another moment.
    let told = self::told(&home, "en", &self::log(&home, &calls));
    assert!(told[0].ends_with("   2026-11-24 23:50 – 2026-11-26 23:50 +00:00"), "{told:?}");
    let (_, out, _) =
        run(clearline(&home.0).args(["trace", "ended"]).arg(home.0.join("gateway.jsonl")).env("TZ", "UTC"));
    assert!(
        out.contains("\n2026-11-24 23:50:00.000  ") && out.contains("\n2026-11-26 23:50:00.000  "),
        "{out}"
    );
}

#[test]
fn a_share_that_is_demanded_is_one() {
    let home = Folder::new();
    let log = log(&home, &[(NIGHT, "succeeded"), (NIGHT, "failed")]);
    for (percent, wanted) in
        [("50", 0), ("50.1", 1), ("99%", 1), ("0", 0), ("100", 1), ("101", 2), ("nan", 2), ("many", 2)]
    {
        let (code, _, err) = run(clearline(&home.0).args(["logs", "--fail-on", percent]).arg(&log));
        assert_eq!(code, wanted, "{percent}: {err}");
        assert_eq!(err.contains("write a number from 0 to 100"), wanted == 2, "{percent}: {err}");
    }
}

/// The gateway's record has a moment, and what most programs write is the time of their machine.
#[test]
fn a_time_without_a_zone_is_that_of_the_machine() {
    let home = Folder::new();
    let own = home.write(
        "gateway.jsonl",
        "{\"event\":\"call ended\",\"ts\":1795514402000,\"outcome\":\"failed\",\"cause\":\"server.error\",\
         \"request_ids\":[\"req_000001\"],\"attempts\":[]}\n",
    );
    let app = home.write(
        "app.log",
        "2026-11-24 18:00:01,000 INFO asking for req_000001\n2026-11-24 18:00:03,000 ERROR 500 of req_000001\n",
    );
    // Eight hours before UTC, as POSIX counts.
    let (_, out, _) =
        run(clearline(&home.0).args(["trace", "req_000001"]).arg(&own).arg(&app).env("TZ", "CST-8"));
    assert!(out.contains("   2026-11-24 +08:00   "), "{out}");
    let (_, html, _) = run(clearline(&home.0)
        .args(["trace", "--html", "req_000001"])
        .arg(&own)
        .arg(&app)
        .env("TZ", "CST-8"));
    assert!(html.contains("2026-11-24 +08:00"), "{html}");
    let order: Vec<_> =
        ["18:00:01.000", "18:00:02.000", "18:00:03.000"].iter().map(|at| out.find(at)).collect();
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{out}");
    let (_, out, _) = run(clearline(&home.0).arg("logs").arg(&app).env("TZ", "CST-8"));
    assert!(out.lines().next().unwrap().ends_with("   2026-11-24 18:00 +08:00"), "{out}");
    let (_, out, _) = run(clearline(&home.0).args(["logs", "--json"]).arg(&app).env("TZ", "CST-8"));
    assert!(out.contains("\"first\":\"2026-11-24T10:00:01Z\""), "{out}");
}

#[test]
fn what_says_no_time_has_none() {
    let home = Folder::new();
    let log = home.write("app.log", "ERROR 529 Overloaded, req_000001\n");
    let told = told(&home, "en", &log);
    assert!(told[0].ends_with("tells of a failure"), "{told:?}");
    assert!(told[2].ends_with("  provider    –  req_000001"), "{told:?}");
}

/// What is not in the table is said in a report for others as well.
#[test]
fn a_report_says_what_the_terminal_says() {
    let home = Folder::new();
    let log = "ERROR 529 Overloaded\nERROR the flux is lost\nERROR the flux is lost again\n{\"event\":\"call en\n\
               {\"event\":\"call ended\",\"outcome\":\"failed\",\"cause\":\"flux.lost\",\"attempts\":[]}\n";
    let log = home.write("app.log", log);
    let parts = ["1 record is cut off", "1 failed call has a cause", "2 more lines look like failures"];
    for form in [&[][..], &["--md"], &["--html"]] {
        let (_, out, _) = run(clearline(&home.0).arg("logs").args(form).arg(&log));
        assert!(parts.iter().all(|part| out.contains(part)), "{form:?}: {out}");
        assert!(out.contains('–') && !out.contains("| 0 |"), "{form:?}: {out}");
    }
}

#[test]
fn a_failure_of_many_lines_is_one() {
    let home = Folder::new();
    let chain = "2026-11-24 10:00:00,000 ERROR orders failed\nTraceback (most recent call last):\n  File \"a.py\", line 1, in f\n    \
                 raise ConnectTimeout(error)\nhttpcore.ConnectError: [Errno 111] Connection refused\n\n\
                 The above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n  \
                 File \"b.py\", line 2, in g\nanthropic.APIConnectionError: Connection error.\n";
    let log = home.write("app.log", &format!("{chain}{chain}2026-11-24 10:00:01,000 INFO orders 0 errors\n"));
    let (code, out, _) = run(clearline(&home.0).args(["logs", "--json"]).arg(&log));
    assert_eq!(code, 0);
    let picture: serde_json::Value = serde_json::from_str(&out).unwrap();
    let rows: Vec<_> =
        picture["causes"].as_array().unwrap().iter().map(|c| (&c["id"], &c["calls"])).collect();
    assert_eq!(rows, [(&"tcp.refused".into(), &2.into())], "{picture}");
    assert_eq!(
        (&picture["lines"], &picture["failed"], &picture["unknown"]),
        (&23.into(), &2.into(), &0.into())
    );
}

/// The log of a gateway on the standard error output, as the journal or a container's runtime hands it on.
#[test]
fn a_log_that_came_through_a_collector_is_read_as_what_it_is() {
    let home = Folder::new();
    let plain = log(&home, &[(NIGHT, "succeeded"), (NIGHT, "failed")]);
    let text = std::fs::read_to_string(&plain).unwrap();
    let wanted = told(&home, "en", &plain);
    for prefix in
        ["gateway-1  | ", "Nov 27 10:00:00 host clearline[123]: ", "2026-11-26T19:57:00.1Z stderr F "]
    {
        let lines: Vec<_> = text.lines().map(|line| format!("{prefix}{line}")).collect();
        let path = home.write("collected.log", &lines.join("\n"));
        assert_eq!(told(&home, "en", &path), wanted, "{prefix}");
    }
    let path = home.write("one.log", &format!("gateway-1  | {}", text.lines().next_back().unwrap()));
    let (_, out, _) = run(clearline(&home.0).args(["trace", "server"]).arg(&path));
    assert!(out.contains("failed   server.overloaded") && !out.contains("gateway-1"), "{out}");
}

/// What the official Python SDK and its HTTP client write of one call that failed after two repeats.
#[test]
fn what_is_logged_of_an_attempt_is_no_call() {
    let home = Folder::new();
    let attempt = "2026-11-24 10:00:00,000 INFO httpx HTTP Request: POST https://x/v1/messages \"HTTP/1.1 529 \"\n\
                   2026-11-24 10:00:00,000 DEBUG anthropic HTTP Response: POST https://x/v1/messages \"529 \" Headers({})\n\
                   2026-11-24 10:00:00,000 DEBUG anthropic Retrying due to status code 529\n";
    let end = "2026-11-24 10:00:01,000 ERROR orders Error code: 529 - Overloaded\n";
    let log = home.write("app.log", &format!("{}{end}", attempt.repeat(3)));
    let told = told(&home, "en", &log);
    assert!(told[0].starts_with("10 lines, 1 of them tells of a failure"), "{told:?}");
    let row: Vec<&str> = told[2].split_whitespace().take(3).collect();
    assert_eq!(row, ["server.overloaded", "1", "3"], "{told:?}");
}
