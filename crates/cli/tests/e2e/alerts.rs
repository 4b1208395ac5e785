//! Alerts of a gateway: each incident is told once by its cause, and its end too, by log, command and webhook.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{Folder, Server, ask, clearline};

const QUICK: &str = "[answer]\nfirst_byte = \"1ms\"\nchunk = \"1ms\"\n";
const POOL: &str = "sk-ant-fake-batch-1,sk-ant-fake-batch-2";
/// The most calls until an alert has to be there.
const CALLS_MAX: usize = 2000;

/// A receiver of webhooks: gives every body.
fn receiver() -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (send, got) = channel();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let (mut request, mut piece) = (Vec::new(), [0; 4096]);
            while !request.ends_with(b"}") {
                let n = stream.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..n]);
            }
            stream.write_all(b"HTTP/1.1 204 Taken\r\nconnection: close\r\n\r\n").unwrap();
            let text = String::from_utf8(request).unwrap();
            let body = text.split_once("\r\n\r\n").unwrap().1;
            if send.send(serde_json::from_str(body).unwrap()).is_err() {
                return;
            }
        }
    });
    (url, got)
}

fn call(addr: SocketAddr, stream: bool) {
    let body = json!({
        "model": "claude-sonnet-5-5", "max_tokens": 16, "stream": stream,
        "messages": [{"role": "user", "content": "Hello"}],
    });
    let headers = "authorization: Bearer t0ken-of-billing\r\nanthropic-version: 2023-06-01\r\n\
                   content-type: application/json\r\n";
    ask(addr, "POST", "/v1/messages", headers, &body.to_string());
}

/// Calls until the next alert.
fn next(addr: SocketAddr, (stream, what): (bool, &str), got: &Receiver<Value>) -> Value {
    for _ in 0..CALLS_MAX {
        call(addr, stream);
        if let Ok(alert) = got.recv_timeout(Duration::from_millis(20)) {
            return alert;
        }
    }
    panic!("{what}: no alert within {CALLS_MAX} calls");
}

#[test]
fn each_incident_is_one_alert_with_its_cause_and_one_end() {
    let incident =
        |first: u32, fault: &str| format!("{QUICK}[[fault]]\nname = \"x\"\nfirst = {first}\n{fault}\n");
    let revoked = format!(
        "{QUICK}[keys]\nknown = [\"sk-ant-fake-batch-1\", \"sk-ant-fake-batch-2\"]\n\
         [[keys.change]]\nkey = \"sk-ant-fake-batch-2\"\nat = \"0s\"\nstate = \"revoked\"\n\
         [[keys.change]]\nkey = \"sk-ant-fake-batch-2\"\nat = \"2s\"\nstate = \"ok\"\n"
    );
    let limit = "status = 429\nretry_after = 1\nmessage = \"This request would exceed the rate limit for your \
                 organization (o) of 50 requests per minute.\"";
    let cases = [
        (incident(60, "status = 529"), false, "server.overloaded", None),
        (incident(12, limit), false, "quota.requests", None),
        (incident(60, "cut_at_event = 5"), true, "stream.cut", None),
        (revoked, false, "auth.invalid", Some("key-2")),
    ];
    std::thread::scope(|scope| {
        for (scenario, stream, cause, key) in &cases {
            scope.spawn(move || incident_is_told(scenario, *stream, cause, *key));
        }
    });
}

fn incident_is_told(scenario: &str, stream: bool, cause: &str, key: Option<&str>) {
    let home = Folder::new();
    let api = Server::sim(&home, scenario);
    let (webhook, got) = receiver();
    let (log, command) = (home.0.join("gateway.jsonl"), home.0.join("command.jsonl"));
    let mut gateway = clearline(&home.0);
    gateway.env("CLEARLINE_KEYS", POOL).env("BILLING", "t0ken-of-billing");
    gateway.env("CLEARLINE_GATEWAY_TOKENS", "billing=env:BILLING");
    gateway.env("CLEARLINE_POLICY_ATTEMPTS", "2").env("CLEARLINE_POLICY_PATIENCE", "10ms");
    gateway.env("CLEARLINE_BACKOFF_BASE", "1ms").env("CLEARLINE_BACKOFF_OVERLOAD", "1ms");
    // Failures are wanted here, and a limiter would spare them.
    gateway.env("CLEARLINE_LIMITER_SIGNALS", "0");
    gateway.env("CLEARLINE_KEY_QUARANTINE", "1s").env("CLEARLINE_KEY_COOL", "10ms");
    gateway.env("CLEARLINE_ALERTS_WINDOW", "6s").env("CLEARLINE_ALERTS_CALM", "1s");
    gateway.env("CLEARLINE_ALERTS_WEBHOOK", &webhook);
    gateway.env("CLEARLINE_ALERTS_COMMAND", format!("cat >> {}; env >> {0}.env", command.display()));
    gateway.args(["gateway", "--listen", "127.0.0.1:0", "--upstream", &api.url, "--log"]).arg(&log);
    let gateway = Server::start(&mut gateway);
    let addr = gateway.addr();
    let (begun, ended) = (next(addr, (stream, cause), &got), next(addr, (stream, "the end"), &got));
    assert_eq!(gateway.stop().0, 0);
    assert_eq!(
        (&begun["event"], &ended["event"]),
        (&json!("alert"), &json!("alert ended")),
        "{begun} {ended}"
    );
    for alert in [&begun, &ended] {
        assert_eq!((&alert["cause"], &alert["key"]), (&json!(cause), &json!(key)), "{alert}");
    }
    assert_eq!(begun["since"], ended["since"]);
    assert!(begun["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "{begun}");
    if key.is_none() {
        assert_eq!(begun["whom"], json!(["billing"]), "{begun}");
        assert!(begun["rate"].as_f64().unwrap() < 0.95 && begun["count"].as_u64().unwrap() >= 5, "{begun}");
    }
    assert!(got.try_recv().is_err(), "{cause}: no more than one alert and its end");
    // Log and command say the same as the webhook.
    let lines = |path: &std::path::Path| -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap();
        let all = text.lines().map(|l| serde_json::from_str(l).unwrap());
        all.filter(|l: &Value| l["schema"] == "clearline.alert/1").collect()
    };
    assert_eq!(lines(&log), [begun.clone(), ended.clone()], "{cause}");
    assert_eq!(lines(&command), [begun, ended], "{cause}");
    let environment = std::fs::read_to_string(command.with_extension("jsonl.env")).unwrap();
    assert!(!environment.contains("sk-ant-fake"), "the command sees no key");
}
