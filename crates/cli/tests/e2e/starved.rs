//! A gateway without enough of what the system gives.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{ChildStderr, Command, Stdio};

use crate::common::{Folder, Server, ask, gateway, message, skip};
use crate::reload::Log;

/// A gateway that may open so many files and sockets, with its admin pages, and what it says on its way.
struct Limited {
    server: Server,
    admin: SocketAddr,
    said: BufReader<ChildStderr>,
}

fn limited(home: &Folder, api: &Server, limits: &str) -> Limited {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limits}; exec \"$@\""), "sh"]).arg(env!("CARGO_BIN_EXE_clearline"));
    command.args(gateway(&api.url)).arg("-");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", &home.0);
    let mut server = Server::start(command.env("CLEARLINE_FENCE", "loopback").stderr(Stdio::piped()));
    let mut line = String::new();
    server.out.read_line(&mut line).unwrap();
    let admin = line.trim().strip_prefix("admin on http://").unwrap().parse().unwrap();
    let said = BufReader::new(server.child.stderr.take().unwrap());
    Limited { server, admin, said }
}

/// What the system says that this process may open: now, and at most.
fn files_of(server: &Server) -> (String, String) {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.child.id())).unwrap();
    let row = limits.lines().find(|l| l.starts_with("Max open files")).unwrap();
    let mut numbers = row.split_whitespace().skip(3).map(str::to_owned);
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn the_limit_of_a_session_is_raised_for_callers() {
    let home = Folder::new();
    let api = Server::sim(&home, "");
    let mut gateway = limited(&home, &api, "ulimit -S -n 256");
    let (soft, hard) = files_of(&gateway.server);
    let hard: u64 = hard.parse().unwrap_or(u64::MAX);
    if hard < 8_224 {
        return skip("the limit of a session: the hard limit is low here as well");
    }
    assert_eq!(soft, "8224", "two for each of 4096 callers, and some");
    gateway.server.stop();
    let mut said = String::new();
    gateway.said.read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}

#[test]
fn idle_callers_leave_room_for_the_supervisor_and_for_upstreams() {
    let home = Folder::new();
    let api = Server::sim(&home, "[answer]\nfirst_byte = \"1ms\"\n");
    let mut gateway = limited(&home, &api, "ulimit -n 64");
    let mut said = String::new();
    gateway.said.read_line(&mut said).unwrap();
    assert!(
        said.contains("at most 24 connections at once, not 4096") && said.contains("only 64 files"),
        "{said}"
    );
    let caller = TcpStream::connect(gateway.server.addr()).unwrap();
    let idle: Vec<_> = (0..80).map(|_| TcpStream::connect(gateway.server.addr()).unwrap()).collect();
    let ready = ask(gateway.admin, "GET", "/readyz", "", "");
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    let metrics = ask(gateway.admin, "GET", "/metrics", "", "");
    let open = metrics.lines().find_map(|l| l.strip_prefix("clearline_connections ")).unwrap();
    assert!(open.parse::<u64>().unwrap() <= 24, "{open}");
    drop(idle);
    assert!(message(gateway.server.addr(), "sk-ant-fake-own", "Hello").starts_with("HTTP/1.1 200"));
    drop(caller);
    gateway.server.stop();
}

/// How many files and sockets it may open from now on; it returns how many it might until then.
fn let_open(server: &Server, files: Option<u64>) -> Option<u64> {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let pid = Pid::from_child(&server.child);
    prlimit(Some(pid), Resource::Nofile, Rlimit { current: files, maximum }).unwrap().current
}

/// Then callers wait, which is said, and nothing of them is lost.
#[test]
fn callers_wait_where_no_descriptor_is_left_and_it_is_said() {
    let home = Folder::new();
    let api = Server::sim(&home, "[answer]\nfirst_byte = \"1ms\"\n");
    let gateway = limited(&home, &api, ":");
    let mut supervisor = TcpStream::connect(gateway.admin).unwrap();
    let mut page = || {
        supervisor.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut bytes = [0; 4096];
        let n = supervisor.read(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..n]).into_owned()
    };
    assert!(page().starts_with("HTTP/1.1 200"));
    // How many it has open of its own is the business of whoever started it, too: counted, not known.
    let open = std::fs::read_dir(format!("/proc/{}/fd", gateway.server.child.id())).unwrap().count();
    let enough = let_open(&gateway.server, Some(open as u64 + 1));
    let addr = gateway.server.addr();
    let request = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: sk-ant-fake-own\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let begun = || {
        let mut caller = TcpStream::connect(addr).unwrap();
        caller.write_all(request).unwrap();
        caller
    };
    let waiting: Vec<_> = (0..6).map(|_| begun()).collect();
    // Bounded: it is so within a moment.
    let waits = (0..5_000).map(|_| page()).find(|p| p.starts_with("HTTP/1.1 503")).unwrap();
    assert!(waits.ends_with("callers wait: config.fd-limit\n"), "{waits}");
    let caller = std::thread::spawn(move || message(addr, "sk-ant-fake-own", "Hello"));
    let_open(&gateway.server, enough);
    drop(waiting);
    assert!(caller.join().unwrap().starts_with("HTTP/1.1 200"), "it was only late");
    let mut log = Log(&home, gateway.said);
    let told = log.next("connections wait", "connections-changed");
    assert_eq!(told["cause"], "config.fd-limit");
    assert!(told["why"].as_str().unwrap().contains("Too many open files"), "{told}");
    log.next("connections are taken again", "connections-changed");
    assert!(page().starts_with("HTTP/1.1 200"));
    gateway.server.stop();
}
