//! Who insists on the end of a gateway.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Folder, Server, clearline};

/// Whoever sends two signals at once, as wrappers of programs do, ends no call without a word.
#[test]
fn a_second_signal_ends_what_runs_in_words() {
    let home = Folder::new();
    let api = Server::sim(
        &home,
        "[answer]\nfirst_byte = \"1ms\"\nchunk = \"1ms\"\n[[fault]]\nname = \"it\"\nstall_at_event = 4\n",
    );
    let config = home.write("clearline.toml", "gateway.drain = \"10min\"\n");
    let mut command = clearline(&home.0);
    command.args(["gateway", "--listen", "127.0.0.1:0", "--log", "none", "--upstream", &api.url, "--config"]);
    let mut gateway = Server::start(command.arg(config));
    let mut stream = TcpStream::connect(gateway.addr()).unwrap();
    let body = r#"{"model":"claude-sonnet-5-5","max_tokens":16,"stream":true,"messages":[{"role":"user","content":"Hello"}]}"#;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: sk-ant-fake-own\r\ncontent-type: application/json\r\nanthropic-version: 2023-06-01\r\n\
             content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut seen = Vec::new();
    while !seen.windows(13).any(|w| w == b"content_block") {
        let mut part = [0; 4096];
        let n = stream.read(&mut part).unwrap();
        assert!(n > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&part[..n]);
    }
    let pid = Pid::from_child(&gateway.child);
    let signals = [Signal::TERM, Signal::INT];
    signals.iter().for_each(|signal| kill_process(pid, *signal).unwrap());
    // An abrupt end may be a reset.
    stream.read_to_end(&mut seen).ok();
    let text = String::from_utf8(seen).unwrap();
    assert!(text.contains("event: error") && text.contains("gateway was stopped"), "{text}");
    assert_eq!(gateway.child.wait().unwrap().code(), Some(0));
}
