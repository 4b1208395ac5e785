//! Many streams that are open and silent: what memory each costs a gateway.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::bench::peers::Peer;
use crate::bench::proc;
use crate::load;

/// The longest wait for one step of one stream.
const PATIENCE: Duration = Duration::from_secs(20);
/// Files that a process has open besides its streams.
const OTHER_FILES: u64 = 100;
/// Threads that open streams at once.
const THREADS: u32 = 4;

/// What a stream has said before it falls silent: a gateway that waits for the first content has seen it.
const BEGUN: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_bench\",\"type\":\"message\",\
\"role\":\"assistant\",\"model\":\"claude-sonnet-5-5\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\
\"usage\":{\"input_tokens\":12,\"output_tokens\":1}}}\n\n\
event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Not\"}}\n\n";

/// So many of the streams that were asked for can be open: each takes two files, in the gateway as in this process.
pub(crate) fn possible(asked: u32) -> u32 {
    let files = (proc::files_max().saturating_sub(OTHER_FILES)) / 2;
    asked.min(u32::try_from(files).unwrap_or(u32::MAX))
}

/// An upstream in this process whose streams begin and never end.
pub(crate) fn upstream() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| format!("no free port: {e}"))?;
    let addr = listener.local_addr().map_err(|e| e.to_string())?;
    for _ in 0..THREADS {
        let listener = listener.try_clone().map_err(|e| e.to_string())?;
        std::thread::spawn(move || hold(&listener));
    }
    Ok(addr)
}

/// Begins a stream on every connection. A stream whose caller is gone goes when the next one comes.
fn hold(listener: &TcpListener) {
    let mut open = Vec::new();
    for stream in listener.incoming().flatten() {
        if let Ok(stream) = begin(stream) {
            open.push(stream);
        }
        if open.len() % 256 == 0 {
            open.retain(is_open);
        }
    }
}

fn is_open(stream: &TcpStream) -> bool {
    let quiet = stream.set_nonblocking(true).is_ok();
    quiet && stream.peek(&mut [0]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
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
/// A stream that does not begin.
pub(crate) fn resident(peer: &Peer, count: u32) -> Result<f64, String> {
    let pids = peer.process.pids();
    let before = proc::resident(&pids);
    let open = open(peer.addr, count)?;
    let after = proc::resident(&pids);
    drop(open);
    let more = u32::try_from(after.saturating_sub(before)).unwrap_or(u32::MAX);
    Ok(f64::from(more) / f64::from(count.max(1)))
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
        let addr = upstream().unwrap();
        let streams = open(addr, 5).unwrap();
        assert_eq!(streams.len(), 5);
        assert!(streams.iter().all(is_open));
    }
}
