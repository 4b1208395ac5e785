//! The official Python SDK, the real package: against the simulator alone, so that its errors are those of the real
//! API, and through the gateway, so that its calls succeed where they can. `requests` and curl likewise, small.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::common::{Folder, Server, clearline, skip};
use serde_json::{Value, json};

const QUICK: &str = "[answer]\nfirst_byte = \"1ms\"\nchunk = \"1ms\"\nchunks = 6\n";
const POOL: &str = "sk-ant-fake-batch-1,sk-ant-fake-batch-2";

/// The Pythons that have the SDK, of today and before its first version; what is missing is said aloud.
fn pythons() -> Vec<(Version, String)> {
    let both = [
        (Version::Today, "CLEARLINE_TEST_PYTHON", "python.txt"),
        (Version::Zero, "CLEARLINE_TEST_PYTHON_0", "python-0.txt"),
    ];
    let found = both.map(|(version, name, list)| {
        let python = std::env::var(name).ok().filter(|p| !p.is_empty());
        if python.is_none() {
            skip(&format!("the Python SDK: {name} does not name a Python with the packages of xtask/{list}"));
        }
        python.map(|python| (version, python))
    });
    found.into_iter().flatten().collect()
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Version {
    Today,
    Zero,
}

impl Version {
    /// The class that this version has for what is called so today.
    fn class(self, today: &str) -> &str {
        match (self, today) {
            (Self::Zero, "ContentTooLargeError") => "RequestTooLargeError",
            (Self::Zero, "ServiceUnavailableError" | "GatewayTimeoutError") => "InternalServerError",
            (_, today) => today,
        }
    }
}

/// Makes the calls, a pair of URL and case each, in one process: starting Python takes longer than they do.
fn calls(python: &str, asked: &[(&str, &str)]) -> Vec<Value> {
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/sdk.py"));
    answers(command, asked)
}

/// The same with the TypeScript SDK; nothing, said aloud, where it is not installed.
fn node_calls(asked: &[(&str, &str)]) -> Option<Vec<Value>> {
    let Some(sdk) = std::env::var("CLEARLINE_TEST_NODE_SDK").ok().filter(|p| !p.is_empty()) else {
        skip(
            "the TypeScript SDK: CLEARLINE_TEST_NODE_SDK does not name the entry of the module of xtask/node.txt",
        );
        return None;
    };
    let mut command = Command::new("node");
    command.args([concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/sdk.mjs"), &sdk]);
    Some(answers(command, asked))
}

fn answers(mut command: Command, asked: &[(&str, &str)]) -> Vec<Value> {
    let mut child = command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String =
        asked.iter().map(|(url, case)| json!({"url": url, "case": case}).to_string() + "\n").collect();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let seen: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(output.status.success() && seen.len() == asked.len(), "{text}");
    seen
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
    let home = Folder::new();
    let table = [
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
    ];
    let scenario = |fault: &str| format!("{QUICK}[[fault]]\nname = \"x\"\n{fault}\n");
    let apis: Vec<_> = table.iter().map(|(fault, ..)| Server::sim(&home, &scenario(fault))).collect();
    let both =
        |api: &'_ Server| [(api.url.clone(), "anthropic:message"), (api.url.clone(), "anthropic:stream")];
    let asked: Vec<_> = apis.iter().flat_map(both).collect();
    let asked: Vec<_> = asked.iter().map(|(url, case)| (url.as_str(), *case)).collect();
    let api = Server::sim(&home, QUICK);
    let cases = ["anthropic:message:no-such-model", "anthropic:empty", "anthropic:count", "anthropic:models"];
    for (version, python) in pythons() {
        let seen = calls(&python, &asked);
        for ((fault, class, status), pair) in table.iter().zip(seen.chunks(2)) {
            for seen in pair {
                let expected = (&json!(version.class(class)), status);
                assert_eq!((&seen["class"], &seen["status"]), expected, "{version:?} {fault}: {seen}");
                if *status != Value::Null {
                    assert!(seen["request_id"].as_str().unwrap().starts_with("req_"), "{seen}");
                }
            }
        }
        let seen = calls(&python, &cases.map(|case| (api.url.as_str(), case)));
        assert_eq!(seen[0]["class"], "NotFoundError", "{version:?} {seen:?}");
        assert_eq!(seen[1]["class"], "BadRequestError", "{version:?} {seen:?}");
        assert_eq!((&seen[2]["ok"], &seen[3]["ok"]), (&json!(true), &json!(true)), "{version:?} {seen:?}");
    }
}

/// Every fault of the demo's bad day, each alone: through the gateway the SDK's calls succeed.
#[test]
fn through_the_gateway_the_calls_succeed_that_can() {
    let home = Folder::new();
    let revoked = "[keys]\nknown = [\"sk-ant-fake-batch-1\", \"sk-ant-fake-batch-2\"]\n\
                   [[keys.change]]\nkey = \"sk-ant-fake-batch-1\"\nat = \"0s\"\nstate = \"revoked\"\n";
    let rule = |fault: &str| format!("[[fault]]\nname = \"x\"\nevery = 2\n{fault}\n");
    let error_event = "error_event = { at = 1, kind = \"overloaded_error\", message = \"Overloaded\" }";
    let scenarios = [
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
    ];
    let apis: Vec<_> = scenarios.iter().map(|s| Server::sim(&home, &format!("{QUICK}{s}"))).collect();
    let gateways: Vec<_> = apis.iter().map(|api| gateway(&home, api, POOL)).collect();
    let cases =
        ["anthropic:message", "anthropic:stream", "requests:message", "requests:stream", "anthropic:stream"];
    let asked: Vec<_> = gateways.iter().flat_map(|g| cases.map(|case| (g.url.as_str(), case))).collect();
    for (version, python) in pythons() {
        let seen = calls(&python, &asked);
        for (scenario, seen) in scenarios.iter().zip(seen.chunks(cases.len())) {
            for seen in seen {
                let expected = (&json!(true), &json!(expected()));
                assert_eq!((&seen["ok"], &seen["text"]), expected, "{version:?} {scenario}: {seen}");
            }
        }
    }
}

/// The TypeScript SDK likewise: its calls succeed where they can, and fail with its own classes where they must.
#[test]
fn the_typescript_sdk_sees_through_the_gateway_what_it_would_see_of_the_api() {
    let home = Folder::new();
    let rule = |fault: &str| format!("[[fault]]\nname = \"x\"\n{fault}\n");
    let error_event =
        "every = 2\nerror_event = { at = 1, kind = \"overloaded_error\", message = \"Overloaded\" }";
    let table = [
        (String::new(), "message", Value::Null, Value::Null),
        (String::new(), "stream", Value::Null, Value::Null),
        (rule("every = 2\nstatus = 529"), "stream", Value::Null, Value::Null),
        (rule("every = 2\nreset = \"after_request\""), "message", Value::Null, Value::Null),
        (rule(error_event), "stream", Value::Null, Value::Null),
        (String::new(), "message:no-such-model", json!("NotFoundError"), json!(404)),
        (rule("status = 429\nretry_after = 3600"), "message", json!("RateLimitError"), json!(429)),
        (rule("status = 529"), "stream", json!("OverloadedError"), json!(529)),
    ];
    let apis: Vec<_> = table.iter().map(|(s, ..)| Server::sim(&home, &format!("{QUICK}{s}"))).collect();
    let gateways: Vec<_> = apis.iter().map(|api| gateway(&home, api, POOL)).collect();
    // Twice each, so that a rule for every second request meets both.
    let asked: Vec<_> =
        gateways.iter().zip(&table).flat_map(|(g, (_, case, ..))| [(g.url.as_str(), *case); 2]).collect();
    let Some(seen) = node_calls(&asked) else { return };
    for ((scenario, case, class, status), pair) in table.iter().zip(seen.chunks(2)) {
        for seen in pair {
            if *class == Value::Null {
                assert_eq!(
                    (&seen["ok"], &seen["text"]),
                    (&json!(true), &json!(expected())),
                    "{scenario} {case}: {seen}"
                );
            } else {
                assert_eq!((&seen["class"], &seen["status"]), (class, status), "{scenario} {case}: {seen}");
            }
        }
    }
    // A stream that breaks after its first text is an error, never a short answer.
    let api = Server::sim(&home, &format!("{QUICK}{}", rule("cut_at_event = 5")));
    let gateway = gateway(&home, &api, POOL);
    let seen = node_calls(&[(gateway.url.as_str(), "stream")]).unwrap();
    assert_eq!(seen[0]["ok"], false, "{seen:?}");
    assert!(seen[0]["message"].as_str().unwrap().contains("stream.cut"), "{seen:?}");
}

/// Where a call must fail, the SDK raises its own class, with the upstream's id.
#[test]
fn through_the_gateway_the_calls_that_must_fail_raise_the_sdks_own_errors() {
    let home = Folder::new();
    let table = [
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
        ("[keys]\nknown = [\"sk-ant-fake-other\"]\n", "anthropic:message", "AuthenticationError", json!(401)),
    ];
    let apis: Vec<_> = table.iter().map(|(s, ..)| Server::sim(&home, &format!("{QUICK}{s}"))).collect();
    for (version, python) in pythons() {
        // A gateway that knows nothing yet: the first version's refused key would be spared for the second.
        let gateways: Vec<_> = apis.iter().map(|api| gateway(&home, api, "sk-ant-fake-batch-1")).collect();
        let asked: Vec<_> =
            gateways.iter().zip(&table).map(|(g, (_, case, ..))| (g.url.as_str(), *case)).collect();
        let seen = calls(&python, &asked);
        for ((scenario, _, class, status), seen) in table.iter().zip(&seen) {
            let expected = (&json!(class), status);
            assert_eq!((&seen["class"], &seen["status"]), expected, "{version:?} {scenario}: {seen}");
            assert!(seen["request_id"].as_str().is_some_and(|id| id.starts_with("req_")), "{seen}");
        }
    }
}

/// Makes the calls of one SDK, where it is installed.
type Calls<'a> = dyn Fn(&[(&str, &str)]) -> Option<Vec<Value>> + 'a;

/// How often each case of a scenario is asked for.
const TIMES: usize = 6;

/// The scenario whose answers take minutes.
const LONG: &str = "long-answers";

/// Every scenario that comes along, through the gateway: an SDK has the whole right text or raises its own error, of these
/// classes and no other.
#[test]
fn in_every_scenario_the_sdks_have_the_whole_text_or_raise_their_own_errors() {
    let home = Folder::new();
    let table = [
        ("healthy", "", ""),
        // All are refused for longer than this gateway holds a call.
        ("overload", "OverloadedError", "OverloadedError"),
        ("rate-limit", "", ""),
        ("revoked-key", "", ""),
        // What the API says not to repeat is not repeated.
        ("outage", "InternalServerError", "InternalServerError"),
        // A stream that breaks behind its first text.
        ("stream-faults", "APIStatusError", "APIError"),
        (LONG, "APIStatusError", "APIError"),
        ("demo", "APIStatusError", "APIError"),
    ];
    let scenario = |name: &str| {
        let path = format!("{}/../../scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        // Answers of minutes in a five-hundredth of their time; what is told apart here is what is silent, not how long.
        if name == LONG { text.replace("\"1s\"", "\"2ms\"").replace("\"2s\"", "\"4ms\"") } else { text }
    };
    // The other model is the one whose answer falls silent there.
    let models = |name: &str| if name == LONG { ["", ":claude-opus-5-5"] } else { ["", ""] };
    let apis = table.map(|(name, ..)| Server::sim(&home, &scenario(name)));
    let run = |prefix: &str, calls: &Calls<'_>| {
        let gateways: Vec<_> = apis.iter().map(|api| gateway(&home, api, POOL)).collect();
        let mut cases = Vec::new();
        for (gateway, (name, ..)) in gateways.iter().zip(&table) {
            for model in models(name).iter().cycle().take(TIMES) {
                cases.extend(
                    ["message", "stream"].map(|kind| (&gateway.url, format!("{prefix}{kind}{model}"))),
                );
            }
        }
        let asked: Vec<_> = cases.iter().map(|(url, case)| (url.as_str(), case.as_str())).collect();
        calls(&asked)
    };
    let judge = |version: &str,
                 seen: &[Value],
                 class: fn(&(&'static str, &'static str, &'static str)) -> &'static str| {
        for (row, seen) in table.iter().zip(seen.chunks(2 * TIMES)) {
            let (good, bad): (Vec<_>, Vec<_>) = seen.iter().partition(|s| s["ok"] == true);
            let (name, class) = (row.0, class(row));
            assert!(good.iter().all(|s| s["text"] == expected()), "{version} {name}: {good:?}");
            assert!(bad.iter().all(|s| s["class"] == class), "{version} {name}: {bad:?}");
            assert!(good.len() >= 2 && (class.is_empty() <= bad.is_empty()), "{version} {name}: {bad:?}");
        }
    };
    for (version, python) in pythons() {
        let seen = run("anthropic:", &|asked| Some(calls(&python, asked))).unwrap();
        judge(&format!("{version:?}"), &seen, |row| row.1);
    }
    if let Some(seen) = run("", &node_calls) {
        judge("TypeScript", &seen, |row| row.2);
    }
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
            "model": "claude-sonnet-5-5", "max_tokens": 32, "stream": stream,
            "messages": [{"role": "user", "content": "Hello there"}],
        });
        let get = |url: &str, how: &str| {
            let mut curl = Command::new("curl");
            curl.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
            curl.args([
                "-sS",
                "--fail",
                how,
                &format!("{url}/v1/messages"),
                "-H",
                "x-api-key: sk-ant-fake-caller",
            ]);
            curl.args(["-H", "anthropic-version: 2023-06-01", "-H", "content-type: application/json"]);
            let output = curl.args(["-d", &body.to_string()]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            without_id(&String::from_utf8(output.stdout).unwrap())
        };
        let straight = get(&api.url, "--http1.1");
        assert_eq!(straight, get(&gateway.url, "--http1.1"));
        assert_eq!(straight, get(&gateway.url, "--http2-prior-knowledge"));
    }
}

/// The message's id differs from answer to answer.
fn without_id(text: &str) -> String {
    let (before, rest) = text.split_once("\"msg_").unwrap();
    let (_id, after) = rest.split_once('"').unwrap();
    format!("{before}{after}")
}
