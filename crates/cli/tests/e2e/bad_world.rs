//! The doctor in a bad world: saved reports that are cut, environments full of nonsense, others that answer garbage or never
//! stop. A clear line, bounded memory and time, and the diagnosis goes on.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Folder, Server, clearline, run, skip};

const QUICK: &str = "[answer]\nfirst_byte = \"1ms\"\nchunk = \"1ms\"\n";
const KEY: (&str, &str) = ("ANTHROPIC_API_KEY", "sk-ant-fake-own");
/// The most memory that a process may map, KiB. A debug build maps 60 MiB before it begins.
const MEMORY: &str = "327680";
/// A diagnosis is over by then, on a busy machine too.
const LONGEST: Duration = Duration::from_secs(40);

#[test]
fn a_saved_report_that_cannot_be_used_is_named() {
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let good = home.0.join("good.json");
    let mut command = clearline(&home.0);
    command.args(["doctor", "--save"]).arg(&good).envs([KEY, ("ANTHROPIC_BASE_URL", &api.url)]);
    assert_eq!(run(&mut command).0, 0);
    let text = std::fs::read_to_string(&good).unwrap();
    let newer = text.replacen("clearline.facts/1", "clearline.facts/9", 1);
    let unknown = text.replacen("\"host\":", "\"quantum\":true,\"host\":", 1);
    let odd = text.replacen("\"stage\":\"config\"", "\"stage\":\"dream\"", 1);
    let half = text.get(..text.len() / 2).unwrap();
    let deep = "[".repeat(1 << 20);
    for (name, text, word) in [
        ("cut", half, "it is no complete JSON"),
        ("empty", "", "it is no complete JSON"),
        ("newer", &newer, "clearline.facts/9"),
        ("field", &unknown, "quantum"),
        ("value", &odd, "dream"),
        ("other", "{\"facts\":[]}", "it names no schema"),
        ("list", "[1,2]", "it names no schema"),
        ("deep", &deep, "recursion"),
        ("number", "{\"schema\":1}", "it names no schema"),
    ] {
        let file = home.write(&format!("{name}.json"), text);
        for more in [&["--json"][..], &["--profile", "node"], &["--verify"]] {
            let (code, out, err) = run(clearline(&home.0).args(["doctor", "--from"]).arg(&file).args(more));
            assert_eq!((code, out.as_str()), (2, ""), "{name} {more:?}: {err}");
            assert!(err.contains(word) && err.contains(name) && err.lines().count() <= 2, "{name}: {err}");
        }
        // What the last run left may be as broken.
        let state = home.0.join(".local/state/clearline");
        std::fs::create_dir_all(&state).unwrap();
        std::fs::write(state.join("doctor.json"), text).unwrap();
        let (code, _, err) = run(clearline(&home.0).args(["doctor", "--verify"]));
        assert!(code == 2 && err.contains("doctor.json"), "{name}: {err}");
    }
    let large = home.0.join("large.json");
    std::fs::File::create(&large).unwrap().set_len(1 << 32).unwrap();
    for (file, word) in
        [(large.to_str().unwrap(), "4294967296"), ("/dev/zero", "no regular file"), ("/no/such", "No such")]
    {
        let (code, _, err) = run(clearline(&home.0).args(["doctor", "--from", file]));
        assert!(code == 2 && err.contains(word), "{file}: {err}");
    }
    // A report in which there is nothing to fix.
    let (code, _, err) = run(clearline(&home.0).args(["doctor", "--verify", "--from"]).arg(&good));
    assert!(code == 2 && err.contains("nothing that could be fixed"), "{err}");
    // What is there is read: facts alone, even none, are judged.
    let none = home.write("none.json", "{\"schema\":\"clearline.facts/1\",\"facts\":[]}");
    assert_eq!(run(clearline(&home.0).args(["doctor", "--from"]).arg(none)).0, 4);
}

#[test]
fn an_environment_full_of_nonsense_is_survived() {
    let home = Folder::new();
    let api = Server::sim(&home, QUICK);
    let url = ("ANTHROPIC_BASE_URL", api.url.as_str());
    let long = "x".repeat(100_000);
    let many = "a.example,".repeat(9_000);
    std::fs::create_dir(home.0.join(".claude")).unwrap();
    std::fs::write(home.0.join(".claude/settings.json"), b"{\"env\": [\xff\0").unwrap();
    std::fs::write(home.0.join(".bashrc"), b"\xff\xfe\0export HTTP_PROXY=\x1b[31m\n\n=\nexport\nset -gx\n")
        .unwrap();
    // A pipe that nobody writes into.
    let made = Command::new("mkfifo").arg(home.0.join(".curlrc")).arg(home.0.join(".env")).status();
    assert!(made.unwrap().success());
    for (name, value, statuses) in [
        ("NO_PROXY", many.as_str(), &["healthy"][..]),
        ("NO_PROXY", "[::1],***,/,://,\u{202e},=,,,,", &["healthy"]),
        ("HTTP_PROXY", &long, &["failing"]),
        ("HTTP_PROXY", "http://[::1", &["failing"]),
        ("HTTPS_PROXY", "\u{1b}]0;evil\u{7}", &["failing", "healthy"]),
        ("ALL_PROXY", "socks9://x", &["failing"]),
        ("API_TIMEOUT_MS", "99999999999999999999999", &["healthy"]),
        ("API_TIMEOUT_MS", "-1", &["healthy"]),
        ("SSL_CERT_FILE", "/dev/zero", &["failing", "healthy"]),
        ("NODE_EXTRA_CA_CERTS", "/dev/zero", &["healthy", "degraded"]),
        ("REQUESTS_CA_BUNDLE", "/proc/self/mem", &["healthy", "degraded"]),
        ("NODE_OPTIONS", &long, &["healthy"]),
        ("ANTHROPIC_AUTH_TOKEN", &long, &["degraded"]),
        ("LOCALDOMAIN", &long, &["healthy"]),
        ("RES_OPTIONS", "ndots:999999999999", &["healthy"]),
        ("HOME", "/dev/null", &["healthy"]),
        ("HOME", "\u{202e}", &["healthy"]),
        ("LANG", &long, &["healthy"]),
        ("COLUMNS", "0", &["healthy"]),
        ("ANTHROPIC_BASE_URL", &long, &["failing"]),
        ("ANTHROPIC_BASE_URL", "http://\u{1b}[31m/", &["failing"]),
        ("ANTHROPIC_BASE_URL", "http://127.0.0.1:99999", &["failing"]),
    ] {
        let mut command = clearline(&home.0);
        command.args(["doctor", "--json", "--profile", "python"]).envs([KEY, url]).env(name, value);
        let shown: String = value.chars().take(40).collect();
        let begun = Instant::now();
        let (code, out, err) = run(command.current_dir(&home.0));
        assert!(begun.elapsed() < LONGEST, "{name}={shown}");
        let report: Value =
            serde_json::from_str(&out).unwrap_or_else(|e| panic!("{name}={shown}: {e}: {out}{err}"));
        assert!(statuses.contains(&report["status"].as_str().unwrap()), "{name}={shown}: {out}");
        assert!(
            code <= 1 && !out.contains('\u{1b}') && !err.contains('\u{1b}'),
            "{name}={shown}: {out}{err}"
        );
    }
    // What is no text at all.
    let mut command = clearline(&home.0);
    command.args(["doctor", "--json"]).envs([KEY, url]);
    for name in ["HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "LANG"] {
        command.env(name, std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    }
    let (code, out, err) = run(&mut command);
    assert!(code <= 1 && out.starts_with('{'), "{out}{err}");
    for body in ["/dev/zero", "/no/such", "/"] {
        let mut command = clearline(&home.0);
        let (code, _, err) = run(command.args(["doctor", "--body", body]).envs([KEY, url]));
        assert!(code == 2 && err.contains(body), "{err}");
    }
}

/// A hard limit that only an administrator could raise: in a user namespace of its own, root may not either.
#[test]
fn too_few_descriptors_are_said_before_they_look_like_another_fault() {
    let home = Folder::new();
    let limited = |limit: &str| {
        let mut command = Command::new("unshare");
        command.args(["-r", "sh", "-c", "ulimit -n \"$1\"; shift; exec \"$@\"", "sh", limit]);
        command.arg(env!("CARGO_BIN_EXE_clearline")).args(["doctor", "--json"]);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", &home.0);
        command.env("CLEARLINE_FENCE", "loopback").envs([KEY, ("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")]);
        run(&mut command)
    };
    if !Command::new("unshare").args(["-r", "true"]).output().is_ok_and(|o| o.status.success()) {
        return skip("too few descriptors: no user namespace can be made (unshare -r)");
    }
    for limit in ["8", "31"] {
        let (code, out, err) = limited(limit);
        assert_eq!((code, out.as_str()), (3, ""), "{err}");
        assert!(err.contains(&format!("may open {limit} files")) && err.contains("ulimit -n 1024"), "{err}");
    }
    let (code, out, err) = limited("32");
    let is_told = |cause: &str| out.contains(&format!("\"id\":\"{cause}\""));
    assert!(code == 1 && is_told("config.base-url-dead") && !is_told("config.fd-limit"), "{out}{err}");
}

/// What a server says that answers garbage, or never stops.
#[derive(Debug, Clone, Copy)]
enum Answer {
    /// These bytes, and the end.
    Once(&'static [u8]),
    /// These bytes, and then these for as long as somebody reads.
    Forever(&'static [u8], &'static [u8]),
    /// These bytes, and then nothing for as long as somebody waits.
    Hold(&'static [u8]),
}

/// Answers every connection in this way, until the test's process ends.
fn serve(answer: Answer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || say(stream, answer));
        }
    });
    addr
}

fn say(mut stream: TcpStream, answer: Answer) {
    // The request, or as much of it as comes at once.
    let _read = stream.read(&mut [0; 4096]);
    let (first, then) = match answer {
        Answer::Once(first) | Answer::Hold(first) => (first, &b""[..]),
        Answer::Forever(first, then) => (first, then),
    };
    let mut go_on = stream.write_all(first).is_ok() && !then.is_empty();
    while go_on {
        go_on = stream.write_all(then).is_ok();
    }
    if matches!(answer, Answer::Hold(_)) {
        // Until the other side goes.
        let _end = std::io::copy(&mut stream, &mut std::io::sink());
    }
}

const FLOOD: &[u8] = &[b'a'; 16 << 10];
const ANSWERS: [Answer; 13] = [
    Answer::Once(b""),
    Answer::Once(b"\0\xff\xfe\x16\x03\x03garbage\r\n\r\n"),
    Answer::Once(b"HTTP/1.1 999 \x1b[31m\r\n\r\n"),
    Answer::Once(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n"),
    Answer::Once(b"HTTP/1.1 407 P\r\nproxy-authenticate: \xff\x1b]0;x\x07\r\ncontent-length: 3\r\n\r\nabc"),
    Answer::Once(b"SSH-2.0-OpenSSH_9\r\n"),
    Answer::Forever(b"", FLOOD),
    Answer::Forever(b"HTTP/1.1 200 OK\r\nx: ", FLOOD),
    Answer::Forever(b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n"),
    Answer::Forever(b"HTTP/1.1 403 No\r\ncontent-type: text/html\r\n\r\n", FLOOD),
    Answer::Forever(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
        b"event: ping\ndata: {}\n\n",
    ),
    Answer::Forever(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    Answer::Hold(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{"),
];

/// The doctor with little memory.
fn limited(home: &Folder, environment: &[(&str, &str)]) -> (i32, Value, Duration) {
    let mut command = Command::new("sh");
    let doctor = [env!("CARGO_BIN_EXE_clearline"), "doctor", "--json", "--profile", "curl"];
    command.args(["-c", "ulimit -v \"$1\"; shift; exec \"$@\"", "sh", MEMORY]).args(doctor);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", &home.0);
    command.env("CLEARLINE_FENCE", "loopback").envs(environment.iter().copied());
    let begun = Instant::now();
    let (code, out, err) = run(&mut command);
    let report = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    assert!(!out.contains('\u{1b}'), "{out}");
    (code, report, begun.elapsed())
}

#[test]
fn others_that_answer_garbage_or_never_stop_are_survived() {
    let home = Folder::new();
    let judge = |answer: Answer, is_proxy: bool| {
        let url = format!("http://{}", serve(answer));
        let environment = if is_proxy {
            [KEY, ("ANTHROPIC_BASE_URL", "https://127.0.0.2:9"), ("HTTPS_PROXY", url.as_str())]
        } else {
            [KEY, ("ANTHROPIC_BASE_URL", url.as_str()), ("NO_PROXY", "")]
        };
        let (code, report, took) = limited(&home, &environment);
        let (status, causes) = (report["status"].as_str().unwrap(), report["causes"].as_array().unwrap());
        assert!(took < LONGEST, "{answer:?} took {took:?}");
        assert_eq!((status, code), ("failing", 1), "{answer:?} {is_proxy}: {causes:?}");
        assert!(!causes.is_empty(), "{answer:?}");
    };
    // Several at once: each is mostly waited for.
    for pair in ANSWERS.chunks(5) {
        std::thread::scope(|scope| {
            for answer in pair {
                for is_proxy in [false, true] {
                    scope.spawn(move || judge(*answer, is_proxy));
                }
            }
        });
    }
}

/// A resolver in a network of its own, since only port 53 is asked.
#[test]
fn resolvers_that_answer_garbage_or_never_stop_are_survived() {
    let probe = Command::new("unshare").args(["-rnm", "true"]).output();
    if !probe.is_ok_and(|p| p.status.success()) {
        return skip("unshare cannot make a network of its own here");
    }
    let home = Folder::new();
    let script = home.write("resolver.py", RESOLVER);
    home.write("resolv.conf", "nameserver 127.0.0.53\noptions timeout:1 attempts:1\n");
    let doctor = env!("CARGO_BIN_EXE_clearline");
    for kind in ["garbage", "flood", "long", "huge", "loop", "mute"] {
        let line = format!(
            "ip link set lo up && mount --bind {0}/resolv.conf /etc/resolv.conf && \
             (python3 {1} {kind} & echo $! >{0}/pid; read ready <{0}/ready) && ulimit -v {MEMORY}; \
             {doctor} doctor --json --only-target; code=$?; kill $(cat {0}/pid); exit $code",
            home.0.display(),
            script.display()
        );
        let ready = home.0.join("ready");
        std::fs::remove_file(&ready).ok();
        assert!(Command::new("mkfifo").arg(&ready).status().unwrap().success());
        let mut command = Command::new("unshare");
        command.args(["-rnm", "sh", "-c", &line]).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", &home.0).env("READY", &ready);
        command.envs([
            KEY,
            ("ANTHROPIC_BASE_URL", "https://gateway.example"),
            ("CLEARLINE_FENCE", "loopback"),
        ]);
        let begun = Instant::now();
        let (code, out, err) = run(&mut command);
        let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{kind}: {e}: {out}{err}"));
        assert!(begun.elapsed() < LONGEST, "{kind} took {:?}", begun.elapsed());
        assert_eq!((report["status"].as_str(), code), (Some("failing"), 1), "{kind}: {out}");
    }
}

/// Datagrams and connections on port 53, answered in a bad way.
const RESOLVER: &str = r#"
import os, socket, sys, threading
kind = sys.argv[1]
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("127.0.0.53", 53))
tcp = socket.socket(); tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
tcp.bind(("127.0.0.53", 53)); tcp.listen()
def answers(q):
    head = q[:2] + b"\x81\x80\x00\x01"
    if kind == "garbage":
        yield b"\xff" * 40
        yield q[:2] + b"\xff" * 40
    elif kind == "flood":
        for i in range(200000):
            yield b"\x00\x00" + q[2:]
    elif kind == "long":
        yield head + b"\xff\xff\x00\x00\x00\x00" + q[12:] + b"\xc0\x0c\x00\x01\x00\x01" * 1000
    elif kind == "huge":
        yield q[:2] + b"\x83\x80\x00\x01\x00\x00\x00\x00\x00\x00" + q[12:]
    elif kind == "loop":
        yield head + b"\x00\x01\x00\x00\x00\x00" + q[12:] + b"\xc0\xff\xc0\xff"
def serve():
    while True:
        q, a = udp.recvfrom(4096)
        for answer in answers(q):
            try: udp.sendto(answer[:65000], a)
            except OSError: break
def flood(c):
    try:
        c.recv(4096)
        while True: c.sendall(b"\xff\xff" + b"\xff" * 65535)
    except OSError: pass
threading.Thread(target=serve, daemon=True).start()
open(os.environ["READY"], "w").write("ready\n")
while True:
    c, _ = tcp.accept()
    threading.Thread(target=flood, args=(c,), daemon=True).start()
"#;
