//! Starting the real binary, and talking to it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// A folder that goes away with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("clearline-cli-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// The binary with an environment of its own: nothing of whoever runs the tests gets in.
pub(crate) fn clearline(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clearline"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home)
        .env("CLEARLINE_FENCE", "loopback");
    command
}

/// What a gateway with admin pages before an upstream is told; its log follows.
pub(crate) fn gateway(upstream: &str) -> [&str; 8] {
    ["gateway", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", upstream, "--log"]
}

pub(crate) fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A server of ours that runs until it is told to stop.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) out: BufReader<ChildStdout>,
    pub(crate) url: String,
}

impl Server {
    /// Starts it and waits for its first line, which says where it listens.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { child, out, url }
    }

    pub(crate) fn sim(folder: &Folder, scenario: &str) -> Self {
        let file = folder.write("scenario.toml", scenario);
        Self::start(clearline(&folder.0).arg("sim").arg(file))
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.url.strip_prefix("http://").unwrap().parse().unwrap()
    }

    /// Asks it to stop, and gives its exit code and the rest of its output.
    pub(crate) fn stop(mut self) -> (i32, String) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code().unwrap(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// One request, and everything that came back until the connection closed.
pub(crate) fn ask(addr: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A call to the Messages API as a caller makes it.
pub(crate) fn message(addr: SocketAddr, key: &str, prompt: &str) -> String {
    let headers =
        format!("x-api-key: {key}\r\nanthropic-version: 2023-06-01\r\ncontent-type: application/json\r\n");
    let body = serde_json::json!({
        "model": "claude-sonnet-5-5", "max_tokens": 16, "messages": [{"role": "user", "content": prompt}],
    });
    ask(addr, "POST", "/v1/messages", &headers, &body.to_string())
}

/// Says aloud that a test did not run; the test harness would keep it to itself.
pub(crate) fn skip(why: &str) {
    let _told = writeln!(std::io::stderr(), "SKIPPED {why}").is_ok();
}
