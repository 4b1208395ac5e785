//! Each command with the real binary.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use crate::common::{Folder, Server, ask, clearline, gateway, message, run, skip};
use serde_json::Value;

const QUICK: &str = "[answer]\nfirst_byte = \"1ms\"\nchunk = \"1ms\"\n";

#[test]
fn help_names_every_command_and_mistakes_cost_a_2() {
    let home = Folder::new();
    let (code, out, _) = run(clearline(&home.0).arg("--help"));
    assert_eq!(code, 0);
    for command in ["demo", "gateway", "run", "sim", "config"] {
        assert!(out.contains(&format!("\n  {command} ")), "{command}: {out}");
    }
    assert_eq!(run(clearline(&home.0).arg("no-such-command")).0, 2);
    assert_eq!(run(clearline(&home.0).args(["sim", "no-such-scenario"])).0, 2);
    for (command, address) in [("sim", "9000"), ("sim", "localhost:9000"), ("gateway", "localhost:9000")] {
        let (code, _, err) = run(clearline(&home.0).args([command, "--listen", address]));
        assert!(code == 2 && err.contains("must be an address and a port: \"127.0.0.1:8787\""), "{err}");
    }
}

#[test]
fn config_shows_origins_and_reports_every_mistake_at_once() {
    let home = Folder::new();
    let good = home.write("good.toml", "[timeout]\nidle = \"5s\"\n\n[keys]\nbatch-1 = \"env:KEY_1\"\n");
    let (code, out, err) =
        run(clearline(&home.0).args(["config", "check", "--config"]).arg(&good).env("KEY_1", "sk-ant-fake"));
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("1 key"), "{out}");
    let (_, out, _) = run(clearline(&home.0)
        .args(["config", "show", "--json", "--config"])
        .arg(&good)
        .env("CLEARLINE_POLICY_PATIENCE", "3s"));
    let shown: Value = serde_json::from_str(&out).unwrap();
    let find =
        |key: &str| shown["settings"].as_array().unwrap().iter().find(|s| s["key"] == key).unwrap().clone();
    assert_eq!(find("policy.patience")["origin"], "variable CLEARLINE_POLICY_PATIENCE");
    assert!(
        find("timeout.idle")["origin"].as_str().unwrap().ends_with("good.toml, line 2, column 8"),
        "{out}"
    );
    let bad = home.write("bad.toml", "[timeout]\nconnect = \"5\"\n\n[retry]\nmaybe_biled = 3\n");
    let (code, out, err) = run(clearline(&home.0).args(["config", "check", "--config"]).arg(&bad));
    assert_eq!((code, out.as_str()), (2, ""));
    for part in [
        "has 2 mistakes",
        "line 2, column 11",
        "a duration needs a unit: \"5s\"",
        "line 5, column 1",
        "retry.maybe_billed",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
    // What the gateway would not start with is no good set-up either.
    let key = home.write("key", "\u{feff}\r\nsk-ant-fake\r\n");
    let file = home.write("file.toml", &format!("[keys]\na = \"file:{}\"\n", key.display()));
    let check = || run(clearline(&home.0).args(["config", "check", "--config"]).arg(&file));
    assert_eq!(check().0, 0);
    home.write("key", "sk-ant-fake-1\nsk-ant-fake-2\n");
    let (code, _, err) = check();
    assert!(code == 2 && err.contains("auth.malformed-key") && err.contains("\"a\""), "{code} {err}");
    let wrong = "[gateway]\nlisten = \"0.0.0.0:8787\"\nupstream = \"http://192.0.2.1\"\ntls_cert = \"/no/such.pem\"\ntls_key = \"/no/such.pem\"\n\
                 [alerts]\nwebhook = \"env:NO_HOOK\"\n";
    let wrong = home.write("wrong.toml", wrong);
    let (code, out, err) = run(clearline(&home.0)
        .args(["config", "check", "--config"])
        .arg(&wrong)
        .env("CLEARLINE_TIMEOUT_IDEL", "5s")
        .env("CLEARLINE_SERVICE_HOST", "192.0.2.1"));
    assert_eq!((code, out.as_str()), (2, ""));
    let all = [
        "config.base-url-insecure",
        "0.0.0.0:8787 can be reached by others",
        "/no/such.pem",
        "NO_HOOK is not set",
        "CLEARLINE_TIMEOUT_IDEL is no setting; did you mean CLEARLINE_TIMEOUT_IDLE?",
    ];
    assert!(all.iter().all(|part| err.contains(part)), "{err}");
    assert_eq!(err.matches("error: ").count(), all.len(), "{err}");
    let secrets =
        home.write("secrets.toml", "[keys]\na = \"env:NO_KEY\"\n[gateway.tokens]\nb = \"env:NO_TOKEN\"\n");
    let (_, _, err) = run(clearline(&home.0).args(["config", "check", "--config"]).arg(&secrets));
    assert!(err.contains("NO_KEY is not set") && err.contains("NO_TOKEN is not set"), "{err}");
    let places = ["line 2, column 1   a = \"env:NO_KEY\"", "line 4, column 1   b = \"env:NO_TOKEN\""];
    assert!(places.iter().all(|place| err.contains(place)), "{err}");
    // What never ends is read to the limit of a file that does.
    let (code, _, err) = run(clearline(&home.0).args(["config", "check", "--config", "/dev/zero"]));
    assert!(code == 2 && err.contains("larger than 1 MiB"), "{err}");
    let missing = run(clearline(&home.0).args(["config", "check", "--config", "/no/such/file.toml"]));
    assert_eq!(missing.0, 2);
    assert!(missing.2.contains("/no/such/file.toml"), "{}", missing.2);
}

#[test]
fn settings_that_can_be_read_once_are_read_once() {
    let home = Folder::new();
    home.write("good.toml", "[timeout]\nidle = \"5s\"\n");
    let piped = "cat good.toml | \"$CLEARLINE\" --config /dev/stdin --lang zh-CN config show";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", piped]).env("CLEARLINE", env!("CARGO_BIN_EXE_clearline")).current_dir(&home.0);
    let (_, out, err) = run(&mut command);
    assert!(out.contains("timeout.idle = \"5s\"") && out.contains("/dev/stdin 第 2 行第 8 列"), "{out}{err}");
}

#[test]
fn a_gateway_serves_logs_and_ends_with_a_summary() {
    let home = Folder::new();
    let api = Server::sim(&home, &format!("{QUICK}[[fault]]\nname = \"x\"\nfirst = 1\nstatus = 529\n"));
    let log = home.0.join("gateway.jsonl");
    let gateway = Server::start(
        clearline(&home.0)
            .args([
                "gateway",
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
                "--upstream",
                &api.url,
                "--log",
            ])
            .arg(&log),
    );
    let answer = message(gateway.addr(), "sk-ant-fake-own", "Hello");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (code, out) = gateway.stop();
    assert_eq!(code, 0);
    assert!(
        out.contains("1 calls, 1 succeeded, 1 of them after retries")
            || out.contains("1 call, 1 succeeded, 1 of them after retries"),
        "{out}"
    );
    assert!(out.contains("server.overloaded 1"), "{out}");
    let line: Value =
        serde_json::from_str(std::fs::read_to_string(&log).unwrap().lines().next().unwrap()).unwrap();
    assert_eq!((&line["event"], &line["outcome"]), (&"call ended".into(), &"succeeded".into()));
}

#[test]
fn a_port_in_use_and_an_upstream_in_clear_name_themselves() {
    let home = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let (code, _, err) =
        run(clearline(&home.0).args(["gateway", "--listen", &addr, "--upstream", "http://127.0.0.1:1"]));
    assert_eq!(code, 2);
    assert!(err.contains(&format!("{addr} is in use")) && err.contains("--listen"), "{err}");
    let (code, _, err) = run(clearline(&home.0).args(["sim", "--listen", &addr]));
    assert_eq!(code, 2);
    assert!(err.contains(&addr), "{err}");
    let (code, _, err) = run(clearline(&home.0).args([
        "gateway",
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        "http://192.0.2.1",
    ]));
    assert_eq!(code, 2);
    assert!(err.contains("config.base-url-insecure"), "{err}");
}

#[test]
fn the_environment_decides_about_roots_and_proxies() {
    let home = Folder::new();
    let ca = home.0.join("ca.pem");
    let api = Server::start(clearline(&home.0).args(["sim", "healthy", "--tls"]).arg(&ca));
    let ask = |change: &dyn Fn(&mut std::process::Command)| {
        let mut command = clearline(&home.0);
        command.args(["gateway", "--listen", "127.0.0.1:0", "--log", "none", "--upstream", &api.url]);
        command.env("CLEARLINE_POLICY_PATIENCE", "100ms").env("SSL_CERT_FILE", &ca);
        change(&mut command);
        message(Server::start(&mut command).addr(), "sk-ant-fake-own", "Hello")
    };
    let trusted = ask(&|_| ());
    assert!(trusted.starts_with("HTTP/1.1 200"), "{trusted}");
    let foreign = ask(&|c| {
        c.env_remove("SSL_CERT_FILE");
    });
    assert!(foreign.contains("\r\nclearline-cause: tls.untrusted-root\r\n"), "{foreign}");
    let added = ask(&|c| {
        c.env_remove("SSL_CERT_FILE").env("NODE_EXTRA_CA_CERTS", &ca);
    });
    assert!(added.starts_with("HTTP/1.1 200"), "{added}");
    let proxied = ask(&|c| {
        c.env("HTTPS_PROXY", "http://127.0.0.1:9");
    });
    assert!(proxied.contains("\r\nclearline-cause: proxy.unreachable\r\n"), "{proxied}");
    let around = ask(&|c| {
        c.env("HTTPS_PROXY", "http://127.0.0.1:9").env("NO_PROXY", "127.0.0.1");
    });
    assert!(around.starts_with("HTTP/1.1 200"), "{around}");
}

#[test]
fn keys_and_tokens_come_from_files_and_variables() {
    let home = Folder::new();
    let api = Server::sim(&home, &format!("{QUICK}[keys]\nknown = [\"sk-ant-fake-batch-1\"]\n"));
    let key = home.write("key", "sk-ant-fake-batch-1\n");
    let file =
        format!("[keys]\nmain = \"file:{}\"\n[gateway.tokens]\nci = \"env:CI_TOKEN\"\n", key.display());
    let config = home.write("clearline.toml", &file);
    let mut command = clearline(&home.0);
    command.args(["gateway", "--listen", "127.0.0.1:0", "--log", "none", "--upstream", &api.url, "--config"]);
    let gateway = Server::start(command.arg(&config).env("CI_TOKEN", "token-1"));
    assert!(message(gateway.addr(), "token-1", "Hello").starts_with("HTTP/1.1 200"));
    assert!(message(gateway.addr(), "token-2", "Hello").starts_with("HTTP/1.1 401"));
    let (code, _, err) = run(clearline(&home.0).args(["config", "check", "--config"]).arg(&config));
    assert_eq!(code, 2);
    assert!(
        err.contains("ci = \"env:CI_TOKEN\"") && err.contains("the variable CI_TOKEN is not set"),
        "{err}"
    );
}

#[test]
fn a_simulator_answers_and_tells_its_events() {
    let home = Folder::new();
    let mut api = Server::start(clearline(&home.0).args(["sim", "healthy", "--admin", "127.0.0.1:0"]));
    let mut line = String::new();
    api.out.read_line(&mut line).unwrap();
    let admin = line.trim().strip_prefix("admin on http://").unwrap().parse().unwrap();
    assert!(message(api.addr(), "sk-ant-fake-own", "Hello").contains("\"type\":\"message\""));
    let events = ask(admin, "GET", "/events?after=0&wait_ms=0", "", "");
    assert!(events.contains("/v1/messages"), "{events}");
    let wrong = ask(admin, "PUT", "/scenario", "", "nonsense = 1\n");
    assert!(wrong.starts_with("HTTP/1.1 400") && wrong.contains("nonsense"), "{wrong}");
    assert_eq!(api.stop().0, 0);
}

fn has_curl() -> bool {
    let there = std::process::Command::new("curl").arg("--version").output().is_ok();
    if !there {
        skip("a program under run: curl is not installed");
    }
    there
}

#[test]
fn a_program_under_run_reaches_the_api_and_its_summary_comes_last() {
    if !has_curl() {
        return;
    }
    let home = Folder::new();
    let api = Server::sim(&home, &format!("{QUICK}[[fault]]\nname = \"x\"\nfirst = 1\nstatus = 500\n"));
    let call = "curl -sS -o /dev/null -w '%{http_code}' \"$ANTHROPIC_BASE_URL/v1/models\" -H 'x-api-key: sk-ant-fake-own' -H 'anthropic-version: 2023-06-01'; exit 7";
    // A proxy that is not there: the program must reach the private gateway all the same.
    let (code, out, err) = run(clearline(&home.0)
        .args(["run", "--upstream", &api.url, "--", "sh", "-c", call])
        .env("http_proxy", "http://127.0.0.1:9")
        .env("NO_PROXY", "127.0.0.1"));
    assert_eq!((code, out.as_str()), (7, "200"), "{err}");
    assert!(err.contains("clearline: 1 call, 1 succeeded, 1 of them after retries; 0 failed"), "{err}");
    assert!(err.contains("server.error 1"), "{err}");
    assert_eq!(logs_of_runs(&home), 1);
    // A log that could not be written is not recommended as if it were whole.
    for (lang, words) in [("en", ", 1 line of which could not be written"), ("zh-CN", "，其中 1 行未能写入")]
    {
        let (_, _, err) = run(clearline(&home.0).args([
            "run",
            "--lang",
            lang,
            "--log",
            "/dev/full",
            "--upstream",
            &api.url,
            "--",
            "sh",
            "-c",
            call,
        ]));
        assert!(err.contains(&format!("/dev/full{words}")), "{err}");
    }
}

/// The settings are those of a gateway that others call: what it asks of them is not asked of one program, and where it sends
/// their calls, there go this one's.
#[test]
fn the_settings_of_a_gateway_for_others_do_not_stand_in_the_way_of_a_run() {
    if !has_curl() {
        return;
    }
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let settings = "[gateway]\nlisten = \"0.0.0.0:1\"\ntls_cert = \"/no/such.pem\"\ntls_key = \"/no/such.pem\"\n\
                    [gateway.tokens]\nteam = \"env:PATH\"\nother = \"env:NOT_SET_HERE\"\n[quota]\nrequests = 1\n\
                    [upstreams]\nmain = \"URL\"\n";
    let settings = home.write("gateway.toml", &settings.replace("URL", &api.url));
    let call = "curl -sS -o /dev/null -w '%{http_code} ' \"$ANTHROPIC_BASE_URL/v1/models\" -H 'x-api-key: sk-ant-fake-own' -H 'anthropic-version: 2023-06-01'";
    let (code, out, err) = run(clearline(&home.0)
        .arg("--config")
        .arg(&settings)
        .args(["run", "--log", "none", "--", "sh", "-c", &format!("{call}; {call}")])
        .env("ANTHROPIC_BASE_URL", "http://127.0.0.1:9"));
    assert_eq!((code, out.as_str()), (0, "200 200 "), "{err}");
    assert!(err.contains("2 calls, 2 succeeded; 0 failed"), "{err}");
}

fn logs_of_runs(home: &Folder) -> usize {
    std::fs::read_dir(home.0.join(".local/state/clearline")).unwrap().count()
}

#[test]
fn a_program_that_makes_no_call_is_told_why_that_may_be() {
    let home = Folder::new();
    let script = home.write("app.sh", "# client = Anthropic(base_url=\"https://gw.example\")\nexit 3\n");
    let (code, _, err) = run(clearline(&home.0).args(["run", "--", "sh"]).arg(&script));
    assert_eq!(code, 3);
    assert!(err.contains("no call came through me"), "{err}");
    assert!(err.contains("app.sh, line 1, sets its own base URL"), "{err}");
    let (code, _, err) = run(clearline(&home.0).args(["run", "--", "/no/such/program"]));
    assert_eq!(code, 2);
    assert!(err.contains("cannot start /no/such/program"), "{err}");
    // A key in the arguments stays there.
    let (code, _, err) = run(clearline(&home.0).args(["run", "--", "sh", "-c", "true", "sk-ant-fake-own"]));
    assert_eq!(code, 0);
    assert!(err.contains("\n  sh made none") && !err.contains("sk-ant"), "{err}");
    // A log that nobody asked for is no reason not to run: neither where there can be no folder for it, nor where that takes no file.
    let full = home.0.join("full");
    std::fs::create_dir(&full).unwrap();
    std::os::unix::fs::symlink("/proc", full.join("clearline")).unwrap();
    for (state, word) in [(Path::new("/dev/null"), "Not a directory"), (&full, "No such file")] {
        let mut command = clearline(&home.0);
        command.args(["run", "--", "sh", "-c", "exit 5"]).env("XDG_STATE_HOME", state);
        let (code, _, err) = run(&mut command);
        assert!(code == 5 && err.contains("no log of this run: ") && err.contains(word), "{code} {err}");
    }
    let (code, _, _) = run(clearline(&home.0).args(["run", "--upstream", "no-url", "--", "true"]));
    assert_eq!((code, logs_of_runs(&home)), (2, 0), "a run without a call leaves no log behind");
}

#[test]
fn signals_reach_the_program_and_its_end_is_the_exit_code() {
    let home = Folder::new();
    let script = "trap 'kill $!; exit 42' TERM; sleep 60 & echo ready; wait";
    let mut child = clearline(&home.0)
        .args(["run", "--", "sh", "-c", script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(42));
    let (code, _, _) = run(clearline(&home.0).args(["run", "--", "sh", "-c", "kill -KILL $$"]));
    assert_eq!(code, 128 + 9);
}

#[test]
fn a_call_that_takes_its_time_says_that_it_waits() {
    let home = Folder::new();
    let api = Server::sim(&home, "[answer]\nfirst_byte = \"1200ms\"\nchunk = \"1ms\"\n");
    let said = |terminal: bool| {
        let call = format!("\"{}\" call Hello", env!("CARGO_BIN_EXE_clearline"));
        let mut command = std::process::Command::new(if terminal { "script" } else { "sh" });
        command.args(if terminal { vec!["-qec", &call, "/dev/null"] } else { vec!["-c", &call] });
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", &home.0);
        command.env("ANTHROPIC_BASE_URL", &api.url).env("ANTHROPIC_API_KEY", "sk-ant-fake-own");
        command.env("CLEARLINE_FENCE", "loopback").env("TERM", "xterm").stdin(Stdio::null());
        command.output().map(|out| String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
    };
    let piped = said(false).unwrap();
    assert!(piped.contains("message_stop") && !piped.contains("waiting"), "{piped}");
    let Ok(shown) = said(true) else { return skip("a call at a terminal: script is not installed") };
    let (waits, answer) = (shown.find("waiting for the answer: 1 s"), shown.find("message_stop"));
    assert!(waits.is_some() && waits < answer, "{shown}");
}

/// Once from the terminal and once from clearline would be one too many: the second ends what the first one only asked to.
#[test]
fn a_key_at_the_terminal_reaches_the_program_once() {
    let home = Folder::new();
    // Once interrupted, it has clearline pass another signal on: whatever was under way before has arrived then.
    let script = "trap 'echo interrupted; kill -USR1 $PPID' INT\ntrap 'echo passed on; exit 5' USR1\n\
                  (trap - INT; exec sleep 30) & echo ready\nwait; wait; wait; wait\n";
    home.write("app.sh", script);
    let Ok(mut terminal) = std::process::Command::new("script")
        .args(["-qec", "echo input | \"$CLEARLINE\" run --log none -- sh app.sh", "/dev/null"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("CLEARLINE", env!("CARGO_BIN_EXE_clearline"))
        .env("CLEARLINE_FENCE", "loopback")
        .current_dir(&home.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
    else {
        return skip("a key at the terminal: script is not installed");
    };
    let mut keys = terminal.stdin.take().unwrap();
    let mut out = BufReader::new(terminal.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("ready") {
        assert!(out.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    std::io::Write::write_all(&mut keys, b"\x03").unwrap();
    std::io::Read::read_to_string(&mut out, &mut seen).unwrap();
    terminal.wait().unwrap();
    assert!(seen.contains("passed on"), "{seen}");
    assert_eq!(seen.matches("interrupted").count(), 1, "{seen}");
}

#[test]
fn the_demo_makes_the_calls_succeed_that_can() {
    let home = Folder::new();
    let (code, out, err) = run(clearline(&home.0).args(["demo", "--json"]));
    assert_eq!(code, 0, "{err}");
    crate::schemas::check(&home, "demo", &out);
    let report: Value = serde_json::from_str(&out).unwrap();
    let n = |side: &str, what: &str| report[side][what].as_u64().unwrap();
    assert_eq!(n("straight", "calls"), n("through", "calls"));
    assert!(n("straight", "succeeded") * 100 <= n("straight", "calls") * 85, "a bad day is bad: {out}");
    assert!(n("through", "succeeded") * 100 >= n("through", "recoverable") * 99, "{out}");
    assert_eq!(n("through", "corrupt"), 0, "{out}");
    assert!(report["story"].as_str().unwrap().contains("attempt 2"), "{out}");
}

#[test]
fn an_error_text_is_explained_for_people_and_programs() {
    let home = Folder::new();
    let text = "APIConnectionError: Connection error.\n  cause: Error: connect ECONNREFUSED 10.0.0.1:443";
    let (code, out, _) = run(clearline(&home.0).args(["explain", text]));
    assert_eq!(code, 0);
    assert!(out.contains("tcp.refused") && out.contains("Whose move") && !out.contains('\u{1b}'), "{out}");
    let (_, out, _) = run(clearline(&home.0).args(["explain", "--lang", "zh-CN", text]));
    assert!(out.contains("谁来处理") && out.contains("tcp.refused"), "{out}");
    let (_, out, _) = run(clearline(&home.0).args(["explain", "--json", text]));
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["schema"], "clearline.explanation/1");
    assert_eq!(report["causes"][0]["id"], "tcp.refused");
    let corpus = home
        .write("corpus.jsonl", "{\"id\":\"a\",\"text\":\"getaddrinfo ENOTFOUND api.example\"}\nnonsense\n");
    let (code, out, err) = run(clearline(&home.0).arg("explain").arg("--jsonl").arg(&corpus));
    assert_eq!(code, 2);
    let line: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!((&line["id"], &line["causes"][0]["id"]), (&"a".into(), &"dns.name-not-found".into()));
    assert!(err.contains("line 2"), "{err}");
    let binary = home.0.join("binary");
    std::fs::write(&binary, b"\x7fELF\0\0").unwrap();
    let (code, _, err) = run(clearline(&home.0).arg("explain").arg(&binary));
    assert_eq!(code, 2);
    assert!(err.contains("is binary"), "{err}");
}

#[test]
fn causes_are_listed_explained_and_said_by_whom() {
    let home = Folder::new();
    let (code, out, _) = run(clearline(&home.0).args(["causes", "--json"]));
    assert_eq!(code, 0);
    let all: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(all["causes"].as_array().unwrap().len(), 185);
    let (_, out, _) = run(clearline(&home.0).args(["causes", "tls.expired"]));
    assert!(out.contains("tls.expired") && out.contains("Fix"), "{out}");
    let (code, _, err) = run(clearline(&home.0).args(["causes", "expired"]));
    assert_eq!(code, 2);
    assert!(err.contains("tls.expired") && err.contains("auth.expired"), "{err}");
    let (code, _, err) = run(clearline(&home.0).args(["causes", "tcp.refsued"]));
    assert!(code == 2 && err.contains("Did you mean tcp.refused?"), "{err}");
    let (code, _, err) = run(clearline(&home.0).args(["causes", "zzzzzz"]));
    assert!(code == 2 && err.contains("List them all with"), "{err}");
    assert_eq!(run(clearline(&home.0).args(["causes", "TCP.REFUSED"])).0, 0);
    let (_, out, _) = run(clearline(&home.0).args(["causes", "--emitters", "--json"]));
    let emitters: Value = serde_json::from_str(&out).unwrap();
    let rows = emitters["causes"].as_array().unwrap();
    let silent = rows.iter().filter(|r| r["emitters"].as_array().unwrap().is_empty()).count();
    // A list that may only shrink.
    assert!(silent <= 30, "{silent} causes that nothing can name");
}

#[test]
fn logs_of_all_kinds_are_grouped_by_cause() {
    let home = Folder::new();
    let api = Server::sim(&home, &format!("{QUICK}[keys]\nknown = [\"sk-ant-fake-other\"]\n"));
    let log = home.0.join("gateway.jsonl");
    let mut command = clearline(&home.0);
    command.args(["gateway", "--listen", "127.0.0.1:0", "--upstream", &api.url, "--log"]);
    let gateway = Server::start(command.arg(&log));
    for _ in 0..3 {
        assert!(message(gateway.addr(), "sk-ant-fake-own", "Hello").starts_with("HTTP/1.1 401"));
    }
    assert_eq!(gateway.stop().0, 0);
    let plain = "2026-11-24 10:00:00 ERROR connect ECONNREFUSED 10.0.0.1:443\nall is well\n";
    let other = home.write("app.log", plain);
    let binary = home.0.join("binary");
    std::fs::write(&binary, b"\0\0").unwrap();
    let (code, out, err) = run(clearline(&home.0).arg("logs").arg(&log).arg(&other).arg(&binary));
    assert_eq!(code, 0);
    assert!(
        out.starts_with(
            "3 calls, 0 succeeded (0.00 %), 3 failed; 1 line tells of a failure besides these calls"
        ),
        "{out}"
    );
    assert!(out.contains("auth.invalid") && out.contains("tcp.refused") && out.contains("First: "), "{out}");
    assert!(err.contains("binary: left out"), "{err}");
    let (code, out, _) = run(clearline(&home.0).args(["logs", "--json", "--fail-on", "99"]).arg(&log));
    assert_eq!(code, 1);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&report["schema"], &report["causes"][0]["id"]),
        (&"clearline.logs/1".into(), &"auth.invalid".into())
    );
    assert_eq!(run(clearline(&home.0).args(["logs", "/no/such/file"])).0, 2);
}

#[test]
fn a_call_is_traced_over_files_by_any_of_its_ids() {
    let home = Folder::new();
    let own = r#"{"event":"call ended","ts":1795514401000,"outcome":"succeeded","method":"POST","path":"/v1/messages","x_request_id":"mine-7","request_ids":["req_1","req_2"],"attempts":[{"n":1,"cause":"server.error","status":500,"request_id":"req_1"},{"n":2,"status":200,"request_id":"req_2"}],"took_ms":412}"#;
    let gateway = home.write("gateway.jsonl", &format!("{{\"event\":\"call ended\"}}\n{own}\n"));
    let app = home.write(
        "app.log",
        "2026-11-24 10:00:00 asking, x-request-id mine-7\n2026-11-24 10:00:02 got req_2\nelse\n",
    );
    for id in ["mine-7", "req_2", "req_1"] {
        let (code, out, _) =
            run(clearline(&home.0).args(["trace", id]).arg(&gateway).arg(&app).env("TZ", "UTC"));
        assert_eq!(code, 0);
        let order: Vec<_> =
            ["asking", "attempt 1", "attempt 2", "got req_2"].iter().map(|w| out.find(w)).collect();
        assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{id}: {out}");
        assert!(out.starts_with("3 lines of 2 files"), "{out}");
    }
    let (_, out, _) = run(clearline(&home.0).args(["trace", "--json", "req_1"]).arg(&gateway));
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["lines"][0]["record"]["x_request_id"], "mine-7");
    let (code, out, _) = run(clearline(&home.0).args(["trace", "req_none"]).arg(&gateway));
    assert_eq!(code, 0);
    assert!(out.contains("No line of 1 file names req_none."), "{out}");
    let (code, out, _) = run(clearline(&home.0).args(["trace", "--json", "req_none"]).arg(&gateway));
    assert_eq!(code, 0);
    crate::schemas::check(&home, "trace", &out);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert!(report["lines"].as_array().unwrap().is_empty(), "{report}");
    // The start of an id is another id, and nothing at all is none.
    let (_, out, _) = run(clearline(&home.0).args(["trace", "mine"]).arg(&app));
    assert!(out.starts_with("1 line"), "{out}");
    let (_, out, _) = run(clearline(&home.0).args(["trace", "req"]).arg(&gateway).arg(&app));
    assert!(out.starts_with("No line"), "{out}");
    let (code, _, err) = run(clearline(&home.0).args(["trace", "mine-7", "/no/such.log"]).arg(&app));
    assert!(code == 0 && err.lines().count() == 1, "each file is told once: {err}");
    // What is left out is said.
    let many = home.write("many.log", &"asking for mine-7\n".repeat(1_003));
    let (_, out, err) = run(clearline(&home.0).args(["trace", "mine-7"]).arg(&many));
    assert!(
        out.starts_with("1,000 lines of 1 file") && err.starts_with("3 more lines name the call"),
        "{err}"
    );
    for id in ["", " "] {
        let (code, out, err) = run(clearline(&home.0).args(["trace", id]).arg(&gateway));
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(err.contains("the id is empty"), "{err}");
    }
}

#[test]
fn one_call_is_verified_and_timed_or_its_cause_is_shown() {
    let home = Folder::new();
    let call = |url: &str, more: &[&str]| {
        let mut command = clearline(&home.0);
        command
            .args(["call", "Hello"])
            .args(more)
            .env("ANTHROPIC_BASE_URL", url)
            .env("ANTHROPIC_API_KEY", "sk-ant-fake-own");
        run(&mut command)
    };
    let api = Server::sim(&home, QUICK);
    let (code, out, err) = call(&api.url, &[]);
    assert_eq!(code, 0, "{out}{err}");
    for part in ["connect", "head", "200", "first token", "message_stop", "request-id: req_"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (code, out, _) = call(&api.url, &["--json", "--model", "no-such-model"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["cause"]["id"]), (1, &"request.model-not-found".into()));
    assert!(report["request_id"].as_str().unwrap().starts_with("req_"));
    let broken = Server::sim(&home, &format!("{QUICK}[[fault]]\nname = \"x\"\nend_early_at_event = 5\n"));
    let (code, out, _) = call(&broken.url, &["--json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &report["ok"], &report["cause"]["id"]),
        (1, &false.into(), &"stream.ended-early".into())
    );
    // Through a gateway the error event is the gateway's, and says why the stream broke.
    let mut command = clearline(&home.0);
    command.args(["gateway", "--listen", "127.0.0.1:0", "--log", "none", "--upstream", &broken.url]);
    let gateway = Server::start(&mut command);
    let (code, out, _) = call(&gateway.url, &[]);
    assert_eq!(code, 1);
    assert!(out.contains("stream.ended-early") && out.contains("the answer is not complete"), "{out}");
    let (code, out, _) = call("http://127.0.0.1:9", &[]);
    assert_eq!(code, 1);
    assert!(out.contains("tcp.refused"), "{out}");
    let (code, _, err) = run(clearline(&home.0).arg("call"));
    assert_eq!(code, 2);
    assert!(err.contains("ANTHROPIC_API_KEY"), "{err}");
}

#[test]
fn an_alert_names_the_cause_in_the_log_the_metrics_and_to_a_command() {
    let home = Folder::new();
    let api = Server::sim(
        &home,
        &format!(
            "{QUICK}[[fault]]\nname = \"x\"\nstatus = 529\nheaders = {{ x-should-retry = \"false\" }}\n"
        ),
    );
    let (log, told) = (home.0.join("gateway.jsonl"), home.0.join("told.jsonl"));
    let mut command = clearline(&home.0);
    command.args(gateway(&api.url));
    command.arg(&log).env("CLEARLINE_ALERTS_COMMAND", format!("cat >> {}", told.display()));
    let mut gateway = Server::start(&mut command);
    let mut line = String::new();
    gateway.out.read_line(&mut line).unwrap();
    let admin = line.trim().strip_prefix("admin on http://").unwrap().parse().unwrap();
    for _ in 0..25 {
        message(gateway.addr(), "sk-ant-fake-own", "Hello");
    }
    let metrics = ask(admin, "GET", "/metrics", "", "");
    assert!(metrics.contains("clearline_alert{cause=\"server.overloaded\"} 1"), "{metrics}");
    assert_eq!(gateway.stop().0, 0);
    let text = std::fs::read_to_string(&log).unwrap();
    let alerts: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .filter(|l: &Value| l["event"] == "alert")
        .collect();
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert_eq!((&alert["cause"], &alert["blame"]), (&"server.overloaded".into(), &"provider".into()));
    // The gateway's end waits for the command.
    assert!(std::fs::read_to_string(&told).unwrap().contains("server.overloaded"));
}

/// The line that programs read stays as it is; what people read has their language.
#[test]
fn help_plans_settings_and_the_gateway_speak_chinese() {
    let home = Folder::new();
    for (words, text) in [
        (&["--help"][..], "用法：clearline"),
        (&["doctor", "--plan", "--only-target"], "目标     "),
        (&["config", "check"], "设置没有问题"),
        (&["config", "show", "-v"], "解析名称（CLEARLINE_TIMEOUT_RESOLVE）"),
    ] {
        let (code, out, err) = run(clearline(&home.0).env("LANG", "zh_CN.UTF-8").args(words));
        assert!(code == 0 && out.contains(text), "{words:?}: {out}{err}");
    }
    let mut gateway = clearline(&home.0);
    gateway.args(["gateway", "--listen", "127.0.0.1:0", "--lang", "zh-CN", "--log", "none"]);
    let mut server = Server::start(&mut gateway);
    let mut line = String::new();
    std::io::BufRead::read_line(&mut server.out, &mut line).unwrap();
    assert_eq!(line, "调用发往 https://api.anthropic.com，凭据：调用方自带；不写日志\n");
}
