//! Many streams that are open and silent: what memory each costs a gateway.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::bench::peers::Peer;
use crate::bench::proc;
use crate::load;

/// The longest wait for one step of one stream.
const PATIENCE: Duration = Duration::from_secs(20);
/// Files that a process has open besides its streams.
const OTHER_FILES: u64 = 100;
/// Ports of this machine that something else may hold.
const OTHER_PORTS: u32 = 200;
/// Threads that open streams at once.
const THREADS: u32 = 4;

/// What a stream has said before it falls silent: a gateway that waits for the first content has seen it.
const BEGUN: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_bench\",\"type\":\"message\",\
\"role\":\"assistant\",\"model\":\"claude-sonnet-5-5\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\
\"usage\":{\"input_tokens\":12,\"output_tokens\":1}}}\n\n\
event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Not\"}}\n\n";

/// Lets so many streams be open, as far as this machine does, and says why they are fewer than were asked for.
pub(crate) fn possible(asked: u32) -> (u32, Option<String>) {
    // Each takes two files, in the gateway as in this process, and in each of them a port.
    proc::raise_files(u64::from(asked) * 2 + OTHER_FILES);
    bounded(asked, proc::files_max(), proc::ports())
}

fn bounded(asked: u32, files: u64, ports: u32) -> (u32, Option<String>) {
    let by_files = u32::try_from(files.saturating_sub(OTHER_FILES) / 2).unwrap_or(u32::MAX);
    let by_ports = ports.saturating_sub(OTHER_PORTS);
    let open = asked.min(by_files).min(by_ports);
    let why = if open == asked {
        None
    } else if open == by_files {
        let wanted = u64::from(asked) * 2 + OTHER_FILES;
        Some(format!(
            "they take {wanted} open files in one process, and {files} are allowed here (ulimit -Hn; root with CAP_SYS_RESOURCE is not bound by it)"
        ))
    } else {
        Some(format!("they take as many ports to one address, and net.ipv4.ip_local_port_range has {ports}"))
    };
    (open, why)
}

/// An upstream in this process whose streams begin, and end when it is dropped.
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    open: Arc<Mutex<Open>>,
}

/// The streams that are open; nothing once no more of them may be.
type Open = Option<Vec<TcpStream>>;

impl Upstream {
    pub(crate) fn start() -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| format!("no free port: {e}"))?;
        let addr = listener.local_addr().map_err(|e| e.to_string())?;
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        for _ in 0..THREADS {
            let listener = listener.try_clone().map_err(|e| e.to_string())?;
            let open = Arc::clone(&open);
            std::thread::spawn(move || hold(&listener, &open));
        }
        Ok(Self { addr, open })
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Upstream {
    fn drop(&mut self) {
        *lock(&self.open) = None;
    }
}

/// Begins a stream on every connection.
fn hold(listener: &TcpListener, open: &Mutex<Open>) {
    for stream in listener.incoming().flatten() {
        if let Ok(stream) = begin(stream)
            && let Some(open) = &mut *lock(open)
        {
            open.push(stream);
        }
    }
}

fn begin(mut stream: TcpStream) -> std::io::Result<TcpStream> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = BufReader::with_capacity(1 << 10, stream.try_clone()?);
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        request.read_line(&mut line)?;
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    std::io::copy(&mut request.take(length), &mut std::io::sink())?;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nrequest-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(format!("{head}{:x}\r\n{BEGUN}\r\n", BEGUN.len()).as_bytes())?;
    Ok(stream)
}

/// Opens so many streams through a gateway, and gives what each costs it, KiB.
///
/// # Errors
/// A stream that does not begin, and one that is not open any more when all are.
pub(crate) fn resident(peer: &Peer, count: u32) -> Result<f64, String> {
    let pids = peer.process.pids();
    let before = proc::resident(&pids);
    let open = open(peer.addr, count).map_err(|why| format!("{}: {why}", peer.name))?;
    let after = proc::resident(&pids);
    let ended = open.iter().filter(|stream| !is_open(stream)).count();
    if ended > 0 {
        return Err(format!("{}: {ended} of {count} streams had ended when all were open", peer.name));
    }
    let more = u32::try_from(after.saturating_sub(before)).unwrap_or(u32::MAX);
    Ok(f64::from(more) / f64::from(count.max(1)))
}

fn is_open(stream: &TcpStream) -> bool {
    let quiet = stream.set_nonblocking(true).is_ok();
    quiet && stream.peek(&mut [0]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
}

/// Streams that have begun.
fn open(addr: SocketAddr, count: u32) -> Result<Vec<TcpStream>, String> {
    let share = move |n: u32| count / THREADS + u32::from(n < count % THREADS);
    let threads: Vec<_> = (0..THREADS)
        .map(|n| std::thread::spawn(move || (0..share(n)).map(|_| one(addr)).collect::<Result<Vec<_>, _>>()))
        .collect();
    let mut all = Vec::new();
    for thread in threads {
        let some = thread.join().map_err(|_| "a thread of the streams ended badly")?;
        all.extend(some.map_err(|e| format!("a stream through {addr} did not begin: {e}"))?);
    }
    Ok(all)
}

/// One stream, up to its first content.
fn one(addr: SocketAddr) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(load::request(addr, load::STREAM_BODY, &[]).as_bytes())?;
    let (mut seen, mut piece) = (Vec::new(), [0; 2048]);
    while !seen.windows(10).any(|w| w == b"text_delta") {
        let n = stream.read(&mut piece)?;
        if n == 0 {
            let text = String::from_utf8_lossy(&seen).into_owned();
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, text));
        }
        seen.extend_from_slice(piece.get(..n).unwrap_or_default());
    }
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_of_the_upstream_begins_and_stays_open() {
        let upstream = Upstream::start().unwrap();
        let streams = open(upstream.addr, 5).unwrap();
        assert_eq!(streams.len(), 5);
        assert!(streams.iter().all(is_open));
        drop(upstream);
        for mut stream in streams {
            stream.set_nonblocking(false).unwrap();
            assert!(stream.read_to_end(&mut Vec::new()).is_ok(), "it ends with its upstream");
        }
    }

    #[test]
    fn what_bounds_the_streams_is_said() {
        assert_eq!(bounded(10_000, 20_100, 28_000), (10_000, None));
        let (open, why) = bounded(10_000, 20_000, 28_000);
        assert!(open == 9_950 && why.unwrap().contains("20100 open files"));
        let (open, why) = bounded(30_000, 1 << 20, 28_000);
        assert!(open == 27_800 && why.unwrap().contains("ports"));
        assert_eq!(bounded(1, 10, 10).0, 0);
    }
}
