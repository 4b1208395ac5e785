//! A gateway that reads its settings again, one that speaks TLS, and one that calls the API by HTTP/2.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::{ChildStderr, Stdio};

use serde_json::Value;

use crate::common::{Folder, Server, clearline, message, run};
use crate::schemas::check;

const QUICK: &str = "[answer]\nfirst_byte = \"1ms\"\nchunk = \"1ms\"\n";

/// The log on the standard error output, line by line as it is written.
pub(crate) struct Log<'a>(pub(crate) &'a Folder, pub(crate) BufReader<ChildStderr>);

impl Log<'_> {
    /// The next line of this event; the lines before it are dropped.
    pub(crate) fn next(&mut self, event: &str, schema: &str) -> Value {
        for _ in 0..1_000 {
            let mut line = String::new();
            assert!(self.1.read_line(&mut line).unwrap() > 0, "the log ended before \"{event}\"");
            let Ok(read) = serde_json::from_str::<Value>(&line) else { continue };
            if read["event"] == event {
                check(self.0, schema, &line);
                return read;
            }
        }
        panic!("no \"{event}\" in a thousand lines");
    }
}

fn hangup(gateway: &Server) {
    let pid = rustix::process::Pid::from_child(&gateway.child);
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
}

#[test]
fn settings_and_keys_are_read_again_on_sighup() {
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let key = home.write("key", "sk-ant-fake-the-first\n");
    let text = |more: &str| {
        format!(
            "gateway.listen = \"127.0.0.1:0\"\n[upstreams.main]\nurl = \"{}\"\nkeys = {{ day = \"file:{}\" }}\n{more}",
            api.url,
            key.display()
        )
    };
    let config = home.write("clearline.toml", &text(""));
    let mut command = clearline(&home.0);
    command.args(["gateway", "--log", "-", "--config"]).arg(&config).stderr(Stdio::piped());
    let mut gateway = Server::start(&mut command);
    let mut log = Log(&home, BufReader::new(gateway.child.stderr.take().unwrap()));
    assert!(message(gateway.addr(), "sk-ant-fake-own", "Hello").starts_with("HTTP/1.1 200"));
    let first = log.next("call ended", "call-record");
    assert_eq!(
        (&first["attempts"][0]["key"], &first["attempts"][0]["upstream"]),
        (&"main/day".into(), &"main".into())
    );

    // A new key in the same file, and a quota.
    std::fs::write(&key, "sk-ant-fake-the-second\n").unwrap();
    std::fs::write(&config, text("[quota]\nrequests = 1\n")).unwrap();
    hangup(&gateway);
    let line = log.next("settings reloaded", "settings-reloaded");
    assert_eq!(
        (&line["keys_new"], &line["keys_gone"]),
        (&serde_json::json!(["main/day"]), &serde_json::json!(["main/day"]))
    );
    assert_eq!(line["settings"], serde_json::json!([{ "key": "quota.requests", "from": "0", "to": "1" }]));
    assert!(line["ts"].is_u64(), "{line}");
    assert!(message(gateway.addr(), "sk-ant-fake-own", "Hello").starts_with("HTTP/1.1 200"));
    assert!(message(gateway.addr(), "sk-ant-fake-own", "Hello").starts_with("HTTP/1.1 429"));

    // When alerts are raised and how they are told, and when a silent connection is asked.
    let more =
        "[quota]\nrequests = 1\n[alerts]\nfailures_min = 9\ncommand = \"cat\"\n[upstream]\nping = \"7s\"\n";
    std::fs::write(&config, text(more)).unwrap();
    hangup(&gateway);
    let line = log.next("settings reloaded", "settings-reloaded");
    let keys = line["settings"].as_array().unwrap().iter().map(|s| s["key"].as_str().unwrap().to_owned());
    assert_eq!(
        keys.collect::<std::collections::BTreeSet<_>>(),
        ["alerts.command", "alerts.failures_min", "upstream.ping"].map(str::to_owned).into()
    );
    let command = line["settings"].as_array().unwrap().iter().find(|s| s["key"] == "alerts.command").unwrap();
    assert_eq!((&command["from"], &command["to"]), (&"\"\"".into(), &"\"…\"".into()), "what may be a secret");

    // Mistakes come all at once, and nothing changes.
    let wrong = text("[quota]\nrequests = 5\n[alerts]\nqueue = 3\nwebhook = \"http://192.0.2.1/x\"\n")
        .replace("127.0.0.1:0", "127.0.0.1:9")
        .replace("file:", "file:/none");
    std::fs::write(&config, wrong).unwrap();
    hangup(&gateway);
    let line = log.next("reload refused", "reload-refused");
    let why = line["why"].as_str().unwrap();
    assert!(why.contains("gateway.listen cannot change from \"127.0.0.1:0\" to \"127.0.0.1:9\""), "{why}");
    assert!(why.contains("the file cannot be read"), "{why}");
    assert!(why.contains("alerts.queue cannot change from 64 to 3"), "{why}");
    assert!(why.contains("alerts.allow_insecure"), "{why}");
    assert!(message(gateway.addr(), "sk-ant-fake-own", "Hello").starts_with("HTTP/1.1 429"));
    std::fs::write(&config, "quota.requests = \"many\"\n").unwrap();
    hangup(&gateway);
    assert!(
        log.next("reload refused", "reload-refused")["why"].as_str().unwrap().contains("line 1, column 18")
    );

    let (code, out) = gateway.stop();
    assert_eq!(code, 0);
    assert!(out.contains("main") || out.contains("calls"), "{out}");
}

/// What a caller without a token gets of a gateway that others can reach, after these changes of its settings.
#[test]
fn no_reload_opens_a_gateway_that_others_can_reach() {
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let text = |tokens: &str| {
        format!(
            "gateway.listen = \"0.0.0.0:0\"\n[upstreams.main]\nurl = \"{}\"\nkeys = {{ day = \"env:POOL\" }}\n{tokens}",
            api.url
        )
    };
    let config = home.write("clearline.toml", &text("[gateway.tokens]\nteam = \"env:TEAM\"\n"));
    let mut command = clearline(&home.0);
    command.env("POOL", "sk-ant-fake-pool").env("TEAM", "fake-token-of-the-team");
    command.args(["gateway", "--log", "-", "--config"]).arg(&config).stderr(Stdio::piped());
    let mut gateway = Server::start(&mut command);
    let addr = format!("127.0.0.1:{}", gateway.addr().port()).parse().unwrap();
    let mut log = Log(&home, BufReader::new(gateway.child.stderr.take().unwrap()));
    assert!(message(addr, "sk-ant-fake-own", "Hello").starts_with("HTTP/1.1 401"));
    std::fs::write(&config, text("")).unwrap();
    hangup(&gateway);
    let line = log.next("reload refused", "reload-refused");
    assert!(line["why"].as_str().unwrap().contains("no caller token is set"), "{line}");
    assert!(message(addr, "sk-ant-fake-own", "Hello").starts_with("HTTP/1.1 401"), "still shut");
    assert!(message(addr, "fake-token-of-the-team", "Hello").starts_with("HTTP/1.1 200"), "still open");
    gateway.stop();
}

/// A file that is being written is empty for a moment, and the user's own is one only where it is there: neither means that
/// nothing was ever set.
#[test]
fn a_file_without_its_settings_is_no_new_settings() {
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let own = home.0.join(".config").join("clearline");
    std::fs::create_dir_all(&own).unwrap();
    let config = own.join("clearline.toml");
    let text = format!("gateway.listen = \"127.0.0.1:0\"\n[upstreams.main]\nurl = \"{}\"\n", api.url);
    std::fs::write(&config, &text).unwrap();
    let mut command = clearline(&home.0);
    let mut gateway = Server::start(command.args(["gateway", "--log", "-"]).stderr(Stdio::piped()));
    let mut log = Log(&home, BufReader::new(gateway.child.stderr.take().unwrap()));
    for (broken, word) in
        [(Some(""), "holds no setting"), (Some("# soon\n"), "holds no setting"), (None, "No such file")]
    {
        match broken {
            Some(text) => std::fs::write(&config, text).unwrap(),
            None => std::fs::remove_file(&config).unwrap(),
        }
        hangup(&gateway);
        let why = log.next("reload refused", "reload-refused")["why"].as_str().unwrap().to_owned();
        assert!(why.contains("clearline.toml") && why.contains(word), "{why}");
        assert!(message(gateway.addr(), "sk-ant-fake-own", "Hello").starts_with("HTTP/1.1 200"));
    }
    std::fs::write(&config, format!("{text}[quota]\nrequests = 9\n")).unwrap();
    hangup(&gateway);
    assert_eq!(log.next("settings reloaded", "settings-reloaded")["settings"][0]["key"], "quota.requests");
    gateway.stop();
}

#[test]
fn an_upstream_that_is_not_reached_is_named_in_the_log() {
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let mut command = clearline(&home.0);
    command.args([
        "gateway",
        "--listen",
        "127.0.0.1:0",
        "--upstream",
        "http://127.0.0.1:1",
        "--upstream",
        &api.url,
    ]);
    command.env("CLEARLINE_FAILOVER_AFTER", "1").stderr(Stdio::piped());
    let mut gateway = Server::start(&mut command);
    let mut log = Log(&home, BufReader::new(gateway.child.stderr.take().unwrap()));
    for _ in 0..2 {
        assert!(message(gateway.addr(), "sk-ant-fake-own", "Hello").starts_with("HTTP/1.1 200"));
    }
    let line = log.next("upstream rests", "upstream-changed");
    assert_eq!((&line["upstream"], &line["cause"]), (&"upstream-1".into(), &"tcp.refused".into()), "{line}");
    gateway.stop();
}

#[test]
fn a_certificate_that_cannot_be_used_is_named_with_its_setting() {
    let home = Folder::new();
    let gone = home.0.join("gone.pem");
    let mut command = clearline(&home.0);
    command
        .args(["gateway", "--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:1", "--tls-cert"])
        .arg(&gone);
    let (code, _, told) = run(&mut command);
    assert_eq!(code, 2);
    assert!(told.contains("gateway.tls_cert") && told.contains("needs gateway.tls_key as well"), "{told}");
    let (code, _, told) = run(command.arg("--tls-key").arg(&gone));
    assert_eq!(code, 2);
    assert!(told.contains("gateway.tls_cert = ") && told.contains("cannot be read"), "{told}");
}

#[test]
fn a_setting_says_how_the_api_is_spoken_to() {
    for (word, begins) in [
        ("off", b"POST /v1/messages HTTP/1"),
        ("auto", b"POST /v1/messages HTTP/1"),
        // The preface of HTTP/2 (RFC 9113, section 3.4).
        ("prior", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ] {
        let home = Folder::new();
        let api = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", api.local_addr().unwrap());
        let mut command = clearline(&home.0);
        command.args(["gateway", "--listen", "127.0.0.1:0", "--log", "none", "--upstream", &url]);
        command.env("CLEARLINE_UPSTREAM_HTTP2", word).env("CLEARLINE_POLICY_ATTEMPTS", "1");
        let gateway = Server::start(&mut command);
        let addr = gateway.addr();
        let caller = std::thread::spawn(move || message(addr, "sk-ant-fake-own", "Hello"));
        let mut said = [0; 24];
        let (mut stream, _) = api.accept().unwrap();
        stream.read_exact(&mut said).unwrap();
        assert_eq!(&said, begins, "{word}");
        drop((stream, api));
        assert!(caller.join().unwrap().starts_with("HTTP/1.1 502"), "{word}");
    }
}
