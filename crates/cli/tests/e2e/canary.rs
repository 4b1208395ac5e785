//! The canary walk: a key and a prompt that nobody else uses go through everything, and then every file and every
//! output is searched for them, as they are and in the encodings that tools use.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{Folder, Server, ask, clearline, message, run};

const KEY: &str = "sk-ant-fake-CANARY-k3y-7f21";
const POOL: &str = "sk-ant-fake-CANARY-p00l-9c55";
const PROMPT: &str = "CANARY prompt about the 4711 tulips";

/// The words, and what base64, percent-encoding and hex make of them.
fn forms() -> Vec<String> {
    let mut forms = Vec::new();
    for word in [KEY, POOL, PROMPT] {
        forms.push(word.to_owned());
        forms.push(word.replace(' ', "%20"));
        forms.push(word.bytes().map(|b| format!("{b:02x}")).collect());
        // Base64 of a word inside a longer text depends on where it begins: three offsets, without the edges.
        for skip in 0..3 {
            let encoded = base64(&word.as_bytes()[skip..]);
            forms.push(encoded.chars().take(encoded.len() - 4).collect());
        }
    }
    forms
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            out.push(char::from(DIGITS[(bits >> (18 - 6 * i) & 63) as usize]));
        }
    }
    out
}

fn search(name: &str, text: &str, forms: &[String]) {
    for form in forms {
        assert!(!text.contains(form.as_str()), "{name} holds {form}: {text}");
    }
}

fn walk(folder: &Path, forms: &[String], seen: &mut usize) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, forms, seen);
        } else {
            *seen += 1;
            let bytes = std::fs::read(&path).unwrap();
            search(&path.display().to_string(), &String::from_utf8_lossy(&bytes), forms);
        }
    }
}

#[test]
fn nothing_that_is_written_holds_a_key_or_a_prompt() {
    let forms = forms();
    assert!(
        forms.iter().any(|f| base64(format!("x{KEY}").as_bytes()).contains(f.as_str())),
        "the search can find"
    );
    let home = Folder::new();
    let faults = "[answer]\nfirst_byte = \"1ms\"\nchunk = \"1ms\"\n\
        [[fault]]\nname = \"a\"\nnth = [1]\nstatus = 529\n\
        [[fault]]\nname = \"b\"\nnth = [2]\nreset = \"after_request\"\n\
        [[fault]]\nname = \"c\"\nnth = [4]\nstatus = 400\n";
    let api = Server::sim(&home, faults);
    let err = home.0.join("gateway.stderr");
    let log = home.0.join("gateway.jsonl");
    let mut gateway = clearline(&home.0);
    gateway.env("CLEARLINE_KEYS", POOL).stderr(std::fs::File::create(&err).unwrap());
    gateway.args([
        "gateway",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--upstream",
        &api.url,
        "--log",
    ]);
    let mut gateway = Server::start(gateway.arg(&log));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut gateway.out, &mut line).unwrap();
    let admin = line.trim().strip_prefix("admin on http://").unwrap().parse().unwrap();
    for _ in 0..3 {
        message(gateway.addr(), KEY, PROMPT);
    }
    // Refusals of the gateway itself, with the key in the wrong places.
    ask(
        gateway.addr(),
        "POST",
        "/v1/messages",
        &format!("origin: https://evil.example\r\nx-api-key: {KEY}\r\n"),
        PROMPT,
    );
    for path in ["/metrics", "/", "/healthz"] {
        search(path, &ask(admin, "GET", path, "", ""), &forms);
    }
    let (code, out) = gateway.stop();
    assert_eq!(code, 0);
    search("the gateway's output", &out, &forms);
    under_run(&home, &api, &forms);
    let (_, out, err) = run(clearline(&home.0)
        .args(["config", "show", "--json"])
        .env("CLEARLINE_KEYS", POOL)
        .env("ANTHROPIC_API_KEY", KEY));
    search("config show", &(out + &err), &forms);
    let (code, out, err) =
        run(clearline(&home.0).args(["config", "check"]).env("CLEARLINE_KEYS", format!("{POOL},{KEY}")));
    assert_eq!(code, 0);
    search("config check", &(out + &err), &forms);
    of_a_careless_program(&home, &forms);
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.lines().count() >= 4, "the log was written: {text}");
    let mut seen = 0;
    walk(&home.0, &forms, &mut seen);
    assert!(seen >= 4, "the walk saw {seen} files");
}

/// The same through a program under `run`, whose environment holds the key.
fn under_run(home: &Folder, api: &Server, forms: &[String]) {
    let call = format!(
        "curl -s -o /dev/null \"$ANTHROPIC_BASE_URL/v1/messages\" -H 'x-api-key: {KEY}' -d '{PROMPT}'"
    );
    let has_curl = Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_ok();
    if has_curl {
        let (_, out, err) = run(clearline(&home.0)
            .args(["run", "--upstream", &api.url, "--", "sh", "-c", &call])
            .env("ANTHROPIC_API_KEY", KEY));
        search("run's output", &(out + &err), forms);
    } else {
        crate::common::skip("the canary under run: curl is not installed");
    }
}

/// A program that logs its key, and a reader who shows the summary of that log to others.
fn of_a_careless_program(home: &Folder, forms: &[String]) {
    let other = Folder::new();
    let line =
        serde_json::json!({ "level": "error", "msg": format!("the flux is lost, key {KEY}"), "id": "job-7" });
    let log = other.write("app.log", &format!("ERROR the flux is lost, job-7, key={KEY}\n{line}\n"));
    for form in [&[][..], &["--json"], &["--md"], &["--html"]] {
        for command in [&["logs"][..], &["trace", "job-7"]] {
            let (code, out, err) = run(clearline(&home.0).args(command).args(form).arg(&log));
            assert!(code == 0 && out.contains("flux"), "{command:?} {form:?}: {out}{err}");
            search(&format!("{command:?} {form:?}"), &(out + &err), forms);
        }
    }
}
