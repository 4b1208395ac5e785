//! Watching a path with the real binary: exit codes, changes only, no token spent, and an end with a summary.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::common::{Folder, Server, ask, clearline, run};

const QUICK: &str =
    "[answer]\nfirst_byte = \"1ms\"\nchunk = \"1ms\"\n[keys]\nknown = [\"sk-ant-fake-own\"]\n";
const KEY: (&str, &str) = ("ANTHROPIC_API_KEY", "sk-ant-fake-own");

#[test]
fn one_probe_ends_with_the_code_of_what_it_found() {
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let broken = Folder::new();
    let broken = (Server::sim(&broken, &format!("{QUICK}[[fault]]\nname = \"x\"\nstatus = 529\n")), broken);
    let url = ("ANTHROPIC_BASE_URL", api.url.as_str());
    for (environment, code, cause) in [
        (vec![KEY, url], 0, Value::Null),
        (vec![("ANTHROPIC_AUTH_TOKEN", "sk-ant-fake-own"), url], 0, Value::Null),
        (vec![url], 1, json!("auth.missing")),
        (vec![("ANTHROPIC_API_KEY", "sk-ant-fake-wrong"), url], 1, json!("auth.invalid")),
        (vec![KEY, ("ANTHROPIC_BASE_URL", broken.0.url.as_str())], 1, json!("server.overloaded")),
        (vec![KEY, ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")], 1, json!("config.base-url-dead")),
        (vec![KEY, ("ANTHROPIC_BASE_URL", "no-url")], 1, json!("config.base-url-invalid")),
        // Nothing may go out, so nothing is learned.
        (vec![KEY, ("ANTHROPIC_BASE_URL", "https://192.0.2.1")], 4, json!("config.sandbox-no-egress")),
    ] {
        let mut command = clearline(&home.0);
        command.args(["watch", "--once", "--json"]).envs(environment.iter().copied());
        let (got, out, err) = run(&mut command);
        let event: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
        assert_eq!((got, &event["cause"]["id"]), (code, &cause), "{environment:?}: {event}");
        assert_eq!(event["schema"], "clearline.watch/1");
    }
    let (code, _, err) = run(clearline(&home.0).args(["watch", "--once", "--interval", "30"]));
    assert_eq!(code, 2);
    assert!(err.contains("a duration needs a unit: \"30s\""), "{err}");
    // Whoever names a model takes it for called.
    let (code, _, err) = run(clearline(&home.0).args(["watch", "--once", "--model", "x"]).envs([KEY, url]));
    assert!(code == 2 && err.contains("--call"), "{err}");
    let (code, _, err) = run(clearline(&home.0).args(["watch", "--interval", "0s"]).envs([KEY, url]));
    assert_eq!(code, 2);
    assert!(err.contains("must be more than 0"), "{err}");
    let (code, out, _) =
        run(clearline(&home.0).args(["watch", "--once", "--lang", "zh-CN"]).envs([KEY, url]));
    assert_eq!(code, 0);
    assert!(out.contains("密钥有效"), "{out}");
}

/// A watch that runs.
struct Watch {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Watch {
    fn start(home: &Folder, url: &str, more: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut command = clearline(&home.0);
        command.args(["watch", "--interval", "50ms"]).args(arguments);
        command.envs([KEY, ("ANTHROPIC_BASE_URL", url)]).envs(more.iter().copied());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        Self { out: BufReader::new(child.stdout.take().unwrap()), child }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.out.read_line(&mut line).unwrap() > 0, "it ended by itself");
        line
    }

    fn next(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
    }

    /// Ctrl-C, and the rest of what it says.
    fn interrupt(mut self) -> (i32, String) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code().unwrap(), rest)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn changes_and_alerts_are_told_once_and_the_end_is_a_summary() {
    let home = Folder::new();
    // Two requests a probe while all is well; one while the first is refused.
    let fault = "[[fault]]\nname = \"x\"\nnth = [9, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29]\nstatus = 529\n";
    let mut api = Server::start(
        clearline(&home.0)
            .args(["sim", "--admin", "127.0.0.1:0"])
            .arg(home.write("scenario.toml", &format!("{QUICK}{fault}"))),
    );
    let mut line = String::new();
    api.out.read_line(&mut line).unwrap();
    let admin = line.trim().strip_prefix("admin on http://").unwrap().parse().unwrap();
    let alerts = [("CLEARLINE_ALERTS_WINDOW", "1s"), ("CLEARLINE_ALERTS_CALM", "500ms")];
    let mut watch = Watch::start(&home, &api.url, &alerts, &["--json"]);
    let mut told: Vec<(String, Value)> = Vec::new();
    while told.last().is_none_or(|(event, _)| event != "alert ended") {
        let event = watch.next();
        let cause = if event["cause"].is_object() { &event["cause"]["id"] } else { &event["cause"] };
        told.push((event["event"].as_str().unwrap().to_owned(), cause.clone()));
    }
    let (code, rest) = watch.interrupt();
    assert_eq!(code, 0);
    let overloaded = json!("server.overloaded");
    let wanted = ["well", "failing", "well", "failing", "alert", "well", "alert ended"];
    assert_eq!(told.iter().map(|(e, _)| e.as_str()).collect::<Vec<_>>(), wanted, "{told:?}");
    assert!(told.iter().all(|(event, cause)| (event == "well") == cause.is_null()), "{told:?}");
    assert!(told.iter().all(|(_, cause)| cause.is_null() || *cause == overloaded), "{told:?}");
    let end: Value = serde_json::from_str(rest.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&end["event"], &end["failed"], &end["single"]),
        (&json!("end"), &json!(11), &json!(1)),
        "{end}"
    );
    // No token was spent.
    let seen = ask(admin, "GET", "/events?after=0&wait_ms=0", "", "");
    assert!(seen.contains("/v1/models") && !seen.contains("\"POST\""), "{seen}");
}

#[test]
fn people_read_lines_with_the_local_time_and_its_zone() {
    let home = Folder::new();
    let api = Server::sim(&home, &format!("{QUICK}[[fault]]\nname = \"x\"\nnth = [4]\nstatus = 500\n"));
    let mut watch = Watch::start(&home, &api.url, &[("TZ", "Asia/Shanghai")], &["--call"]);
    let mut lines = Vec::new();
    while lines.iter().filter(|l: &&String| l.contains('✔')).count() < 2 {
        lines.push(watch.line());
    }
    let (code, rest) = watch.interrupt();
    assert_eq!(code, 0);
    assert!(lines[0].starts_with("watching 127.0.0.1:") && lines[0].contains(" every 50 ms; "), "{lines:?}");
    assert!(lines[1].contains("and a call is answered"), "{lines:?}");
    let failing = lines.iter().find(|l| l.contains('✖')).unwrap();
    assert!(failing.contains("server.error"), "{failing}");
    let is_local = failing.contains(" +08:00  ✖ ")
        || !std::path::Path::new("/usr/share/zoneinfo/Asia/Shanghai").exists();
    assert!(is_local, "{failing}");
    assert!(rest.contains(" probes in ") && rest.contains("  server.error  "), "{rest}");
}

/// What `| head -n 1` does to it. Where it did not end by itself, `timeout` would end it.
#[test]
fn it_ends_when_nobody_reads_it_any_more() {
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    for arguments in [&["watch", "--json"][..], &["doctor", "--watch"]] {
        let mut command = std::process::Command::new("timeout");
        command.arg("30").arg(env!("CARGO_BIN_EXE_clearline")).args(arguments).args(["--interval", "50ms"]);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", &home.0);
        command.env("CLEARLINE_FENCE", "loopback").envs([KEY, ("ANTHROPIC_BASE_URL", api.url.as_str())]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{arguments:?}");
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}: it went on");
    }
}
