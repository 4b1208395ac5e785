//! One transcript for each thing that the documents show.

use std::path::Path;

use super::transcript;
use crate::common::{Folder, clearline, run};

/// The addresses that are shown.
const API: &str = "127.0.0.1:9000";
const GATEWAY: &str = "127.0.0.1:8787";
const POOL: &str = "sk-ant-fake-batch-1,sk-ant-fake-batch-2";

#[test]
fn recorded_runs_of_the_doctor() {
    transcript("dns", |shell| {
        assert_eq!(shell.run("clearline doctor --from docs/recorded/dns-filtered.json"), 1)
    });
    transcript("tls", |shell| {
        assert_eq!(shell.run("clearline doctor --from docs/recorded/tls-intercepted.json"), 1)
    });
    transcript("proxy", |shell| {
        assert_eq!(shell.run("clearline doctor --from docs/recorded/proxy-denied.json"), 1)
    });
}

/// The picture of the documents is made of this one.
#[test]
fn a_run_in_colour() {
    transcript("doctor", |shell| {
        shell.environment.push(("CLICOLOR_FORCE".to_owned(), "1".to_owned()));
        assert_eq!(shell.run("clearline doctor --from docs/recorded/dns-filtered.json"), 1);
    });
}

#[test]
fn one_call_that_fails_and_one_that_succeeds() {
    transcript("api", |shell| {
        let _api = shell.serve(&format!("clearline sim scenarios/revoked-key.toml --listen {API}"));
        shell.export(&[
            ("ANTHROPIC_BASE_URL", &format!("http://{API}")),
            ("ANTHROPIC_API_KEY", "sk-ant-fake-batch-2"),
        ]);
        assert_eq!(shell.run("clearline doctor"), 1);
        shell.empty_line();
        shell.export(&[("ANTHROPIC_API_KEY", "sk-ant-fake-batch-1")]);
        assert_eq!(shell.run("clearline call \"Hello\""), 0);
    });
}

#[test]
fn error_texts() {
    transcript("explain", |shell| {
        assert_eq!(shell.run("clearline explain 'APIConnectionError: Connection error.'"), 0);
    });
}

#[test]
fn a_log_and_one_call_over_two_files() {
    transcript("logs", |shell| {
        assert_eq!(shell.run("clearline logs docs/recorded/gateway.jsonl"), 0);
        shell.empty_line();
        assert_eq!(shell.run("clearline logs docs/recorded/app.log"), 0);
    });
    transcript("trace", |shell| {
        let line = "clearline trace order-4230-20430c docs/recorded/gateway.jsonl docs/recorded/app.log";
        assert_eq!(shell.run(line), 0);
    });
}

/// The documents say that the two together print the table of the first.
#[test]
fn recorded_logs_tell_of_the_same_calls() {
    let home = Folder::new();
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/recorded");
    let logs = |files: &[&str]| {
        let files = files.iter().map(|file| recorded.join(file));
        let (code, out, _) = run(clearline(&home.0).arg("logs").args(files));
        assert_eq!(code, 0);
        out
    };
    let gateway = logs(&["gateway.jsonl"]);
    assert!(gateway.contains("stream.cut"), "{gateway}");
    assert_eq!(logs(&["gateway.jsonl", "app.log"]), gateway);
}

#[test]
fn an_alert_that_names_its_cause() {
    transcript("alert", |shell| {
        shell.file("alerts.jsonl");
        let _api = shell.serve(&format!("clearline sim scenarios/outage.toml --listen {API}"));
        shell.export(&[("CLEARLINE_ALERTS_COMMAND", "cat >> alerts.jsonl")]);
        let gateway =
            shell.serve(&format!("clearline gateway --listen {GATEWAY} --upstream http://{API} --log none"));
        shell.export(&[
            ("ANTHROPIC_BASE_URL", &format!("http://{GATEWAY}")),
            ("ANTHROPIC_API_KEY", "sk-ant-fake-own"),
        ]);
        assert_eq!(shell.run("for n in $(seq 20); do clearline call \"Hello\" > /dev/null; done"), 1);
        // The gateway's end waits for the command.
        assert_eq!(gateway.stop().0, 0);
        let fields = "event|cause|title|blame|rate|target|count|calls|fix";
        let show = format!("python3 -m json.tool --no-ensure-ascii alerts.jsonl | grep -E '\"({fields})\":'");
        assert_eq!(shell.run(&show), 0);
    });
}

#[test]
fn a_revoked_key_of_a_pool() {
    transcript("keys", |shell| {
        shell.file("gateway.jsonl");
        let _api = shell.serve(&format!("clearline sim scenarios/revoked-key.toml --listen {API}"));
        shell.export(&[("CLEARLINE_KEYS", POOL)]);
        let gateway = shell.serve(&format!(
            "clearline gateway --listen {GATEWAY} --upstream http://{API} --log gateway.jsonl"
        ));
        shell.export(&[
            ("ANTHROPIC_BASE_URL", &format!("http://{GATEWAY}")),
            ("ANTHROPIC_API_KEY", "sk-ant-fake-own"),
        ]);
        assert_eq!(shell.run("for n in 1 2 3 4; do clearline call \"Hello\" > /dev/null && echo \"call $n succeeded\"; done"), 0);
        assert_eq!(gateway.stop().0, 0);
        assert_eq!(shell.run("clearline logs gateway.jsonl"), 0);
        shell.empty_line();
        assert_eq!(shell.run("clearline trace \"$(grep '\"call ended\".*auth.invalid' gateway.jsonl | grep -m 1 -o 'req_[A-Za-z0-9]*' | head -n 1)\" gateway.jsonl"), 0);
    });
}

#[test]
fn a_long_answer_and_a_silent_one() {
    transcript("timeouts", |shell| {
        shell.file("gateway.jsonl");
        let _api = shell
            .serve(&format!("clearline sim scenarios/long-answers.toml --time-factor 100 --listen {API}"));
        shell.export(&[("CLEARLINE_TIMEOUT_IDLE", "600ms")]);
        let _gateway =
            shell.serve(&format!("clearline gateway --listen {GATEWAY} --upstream http://{API} --log none"));
        shell.export(&[
            ("ANTHROPIC_BASE_URL", &format!("http://{GATEWAY}")),
            ("ANTHROPIC_API_KEY", "sk-ant-fake-own"),
        ]);
        assert_eq!(shell.run("clearline call \"Write a long report\" | grep -E 'first token|首个 token'"), 0);
        assert_eq!(
            shell.run("clearline call --model claude-opus-5-5 \"Write a long report\" | grep -E '✖|first token|首个 token'"),
            0
        );
    });
}
