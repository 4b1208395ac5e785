//! The official Python SDK, the real package: against the simulator alone, so that its errors are those of the real
//! API, and through the gateway, so that its calls succeed where they can. `requests` and curl likewise, small.

use std::process::Command;

use crate::common::{Folder, Server, clearline, skip};
use serde_json::{Value, json};

const QUICK: &str = "[answer]\nfirst_byte = \"1ms\"\nchunk = \"1ms\"\nchunks = 6\n";
const POOL: &str = "sk-ant-fake-batch-1,sk-ant-fake-batch-2";

/// The Python that has the packages, or nothing, said aloud.
fn python() -> Option<String> {
    let python = std::env::var("CLEARLINE_TEST_PYTHON").ok().filter(|p| !p.is_empty());
    if python.is_none() {
        skip(
            "the Python SDK: CLEARLINE_TEST_PYTHON does not name a Python with the packages of xtask/python.txt",
        );
    }
    python
}

fn calls(python: &str, url: &str, cases: &[&str]) -> Vec<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/sdk.py");
    let output = Command::new(python)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .args([script, url, "sk-ant-fake-caller"])
        .args(cases)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}{err}");
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn expected() -> String {
    clearline_sim::expected_text(&json!({
        "max_tokens": 32, "messages": [{"role": "user", "content": "Hello there"}],
    }))
}

fn gateway(home: &Folder, api: &Server, pool: &str) -> Server {
    Server::start(
        clearline(&home.0)
            .env("CLEARLINE_KEYS", pool)
            .env("CLEARLINE_TIMEOUT_IDLE", "400ms")
            .env("CLEARLINE_POLICY_PATIENCE", "6s")
            .env("CLEARLINE_POLICY_PATIENCE_MAX", "6s")
            .args(["gateway", "--listen", "127.0.0.1:0", "--log", "none", "--upstream", &api.url]),
    )
}

/// Straight to the simulator the SDK sees the classes that the real API's errors have.
#[test]
fn each_error_of_the_simulator_has_the_class_of_the_real_apis() {
    let Some(python) = python() else { return };
    let home = Folder::new();
    for (fault, class, status) in [
        ("status = 400", "BadRequestError", json!(400)),
        ("status = 401", "AuthenticationError", json!(401)),
        ("status = 403", "PermissionDeniedError", json!(403)),
        ("status = 404", "NotFoundError", json!(404)),
        ("status = 409", "ConflictError", json!(409)),
        ("status = 413", "ContentTooLargeError", json!(413)),
        ("status = 429", "RateLimitError", json!(429)),
        ("status = 500", "InternalServerError", json!(500)),
        ("status = 503", "ServiceUnavailableError", json!(503)),
        ("status = 504", "GatewayTimeoutError", json!(504)),
        ("status = 529", "OverloadedError", json!(529)),
        ("reset = \"after_request\"", "APIConnectionError", Value::Null),
    ] {
        let api = Server::sim(&home, &format!("{QUICK}[[fault]]\nname = \"x\"\n{fault}\n"));
        for case in ["anthropic:message", "anthropic:stream"] {
            let seen = &calls(&python, &api.url, &[case])[0];
            assert_eq!((&seen["class"], &seen["status"]), (&json!(class), &status), "{fault} {case}: {seen}");
            if status != Value::Null {
                assert!(seen["request_id"].as_str().unwrap().starts_with("req_"), "{seen}");
            }
        }
    }
    let api = Server::sim(&home, QUICK);
    let seen = calls(
        &python,
        &api.url,
        &["anthropic:message:no-such-model", "anthropic:empty", "anthropic:count", "anthropic:models"],
    );
    assert_eq!(seen[0]["class"], "NotFoundError", "{seen:?}");
    assert_eq!(seen[1]["class"], "BadRequestError", "{seen:?}");
    assert_eq!((&seen[2]["ok"], &seen[3]["ok"]), (&json!(true), &json!(true)), "{seen:?}");
}

/// Every fault of the demo's bad day, each alone: through the gateway the SDK's calls succeed.
#[test]
fn through_the_gateway_the_calls_succeed_that_can() {
    let Some(python) = python() else { return };
    let home = Folder::new();
    let revoked = "[keys]\nknown = [\"sk-ant-fake-batch-1\", \"sk-ant-fake-batch-2\"]\n\
                   [[keys.change]]\nkey = \"sk-ant-fake-batch-1\"\nat = \"0s\"\nstate = \"revoked\"\n";
    let rule = |fault: &str| format!("[[fault]]\nname = \"x\"\nevery = 2\n{fault}\n");
    let error_event = "error_event = { at = 1, kind = \"overloaded_error\", message = \"Overloaded\" }";
    for scenario in [
        String::new(),
        rule("status = 500"),
        rule("status = 529"),
        rule("status = 429\nretry_after = 1"),
        rule("reset = \"before_request\""),
        rule("reset = \"after_request\""),
        rule("cut_at_event = 1"),
        rule("stall_at_event = 1"),
        rule(error_event),
        revoked.to_owned(),
    ] {
        let api = Server::sim(&home, &format!("{QUICK}{scenario}"));
        let gateway = gateway(&home, &api, POOL);
        let cases = [
            "anthropic:message",
            "anthropic:stream",
            "requests:message",
            "requests:stream",
            "anthropic:stream",
        ];
        for seen in calls(&python, &gateway.url, &cases) {
            assert_eq!(
                (&seen["ok"], &seen["text"]),
                (&json!(true), &json!(expected())),
                "{scenario}: {seen}"
            );
        }
    }
}

/// Where a call must fail, the SDK raises its own class, with the upstream's id.
#[test]
fn through_the_gateway_the_calls_that_must_fail_raise_the_sdks_own_errors() {
    let Some(python) = python() else { return };
    let home = Folder::new();
    for (scenario, case, class, status) in [
        ("", "anthropic:message:no-such-model", "NotFoundError", json!(404)),
        ("", "anthropic:empty", "BadRequestError", json!(400)),
        (
            "[[fault]]\nname = \"x\"\nstatus = 429\nretry_after = 3600\n",
            "anthropic:message",
            "RateLimitError",
            json!(429),
        ),
        ("[[fault]]\nname = \"x\"\nstatus = 529\n", "anthropic:stream", "OverloadedError", json!(529)),
        ("[[fault]]\nname = \"x\"\nstatus = 403\n", "anthropic:stream", "PermissionDeniedError", json!(403)),
        // After the first text nobody can repeat it unseen: an error, never a short answer.
        ("[[fault]]\nname = \"x\"\ncut_at_event = 5\n", "anthropic:stream", "APIStatusError", json!(200)),
        ("[[fault]]\nname = \"x\"\nstall_at_event = 5\n", "anthropic:stream", "APIStatusError", json!(200)),
    ] {
        let api = Server::sim(&home, &format!("{QUICK}{scenario}"));
        let gateway = gateway(&home, &api, "sk-ant-fake-batch-1");
        let seen = &calls(&python, &gateway.url, &[case])[0];
        assert_eq!((&seen["class"], &seen["status"]), (&json!(class), &status), "{scenario}: {seen}");
        assert!(seen["request_id"].as_str().is_some_and(|id| id.starts_with("req_")), "{seen}");
    }
    let api = Server::sim(&home, &format!("{QUICK}[keys]\nknown = [\"sk-ant-fake-other\"]\n"));
    let gateway = gateway(&home, &api, "sk-ant-fake-batch-1");
    let seen = &calls(&python, &gateway.url, &["anthropic:message"])[0];
    assert_eq!((&seen["class"], &seen["status"]), (&json!("AuthenticationError"), &json!(401)), "{seen}");
}

#[test]
fn curl_gets_the_same_bytes_with_and_without_the_gateway() {
    if Command::new("curl").arg("--version").output().is_err() {
        return skip("curl: it is not installed");
    }
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let gateway = gateway(&home, &api, "");
    for stream in [false, true] {
        let body = json!({
            "model": "claude-sonnet-4-5", "max_tokens": 32, "stream": stream,
            "messages": [{"role": "user", "content": "Hello there"}],
        });
        let get = |url: &str| {
            let mut curl = Command::new("curl");
            curl.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
            curl.args([
                "-sS",
                "--fail",
                &format!("{url}/v1/messages"),
                "-H",
                "x-api-key: sk-ant-fake-caller",
            ]);
            curl.args(["-H", "anthropic-version: 2023-06-01", "-H", "content-type: application/json"]);
            let output = curl.args(["-d", &body.to_string()]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            without_id(&String::from_utf8(output.stdout).unwrap())
        };
        assert_eq!(get(&api.url), get(&gateway.url));
    }
}

/// The message's id differs from answer to answer.
fn without_id(text: &str) -> String {
    let (before, rest) = text.split_once("\"msg_").unwrap();
    let (_id, after) = rest.split_once('"').unwrap();
    format!("{before}{after}")
}
