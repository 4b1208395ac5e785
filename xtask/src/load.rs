//! A load of so many calls a second over connections that are kept, and how long each call took.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The body of every call.
pub(crate) const BODY: &str = r#"{"model":"claude-sonnet-5-5","max_tokens":64,"messages":[{"role":"user","content":"How long does this take?"}]}"#;

/// The same of a stream.
pub(crate) const STREAM_BODY: &str = r#"{"model":"claude-sonnet-5-5","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"How long does this take?"}]}"#;

/// The headers of every call.
pub(crate) const HEADERS: [(&str, &str); 3] = [
    ("x-api-key", "sk-ant-fake-bench"),
    ("anthropic-version", "2023-06-01"),
    ("content-type", "application/json"),
];

/// How many connections share the load.
const CONNECTIONS: u32 = 4;

/// Makes calls at this rate for this long, and gives the time of each, microseconds, sorted.
///
/// # Errors
/// A connection or an answer that fails.
pub(crate) fn run(
    addr: SocketAddr,
    extra: &[(String, String)],
    how: (u32, Duration),
) -> Result<Vec<u64>, String> {
    let (per_second, lasts) = how;
    let gap = Duration::from_secs(1) * CONNECTIONS / per_second.max(1);
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|n| {
            let extra = extra.to_vec();
            std::thread::spawn(move || connection(addr, &extra, (gap, gap * n / CONNECTIONS, lasts)))
        })
        .collect();
    let mut all = Vec::new();
    for thread in threads {
        all.extend(thread.join().map_err(|_| "a thread of the load ended badly")??);
    }
    all.sort_unstable();
    Ok(all)
}

fn connection(
    addr: SocketAddr,
    extra: &[(String, String)],
    when: (Duration, Duration, Duration),
) -> Result<Vec<u64>, String> {
    let (gap, lead, lasts) = when;
    let failed = |e: std::io::Error| format!("a call to {addr} failed: {e}");
    let mut stream = TcpStream::connect(addr).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let mut answers = BufReader::new(stream.try_clone().map_err(failed)?);
    let request = request(addr, BODY, extra);
    let begun = Instant::now();
    let mut took = Vec::new();
    for n in 0.. {
        let due = lead + gap * n;
        if due > lasts {
            break;
        }
        pause_until(begun + due);
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).map_err(failed)?;
        answer(&mut answers).map_err(failed)?;
        took.push(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok(took)
}

/// A call as bytes, with headers beside the usual ones.
pub(crate) fn request(addr: SocketAddr, body: &str, extra: &[(String, String)]) -> String {
    let mut text =
        format!("POST /v1/messages HTTP/1.1\r\nhost: {addr}\r\ncontent-length: {}\r\n", body.len());
    let extra = extra.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in HEADERS.into_iter().chain(extra) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text
}

/// Makes one call.
///
/// # Errors
/// A connection or an answer that fails.
pub(crate) fn once(addr: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(addr)?;
    stream.write_all(request(addr, BODY, &[]).as_bytes())?;
    answer(&mut BufReader::new(stream))
}

/// The pace of a load is time itself; there is no event to wait for.
fn pause_until(due: Instant) {
    std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
}

/// Reads one answer with a stated length, or in chunks.
fn answer(stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    let wrong = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    let (mut length, mut chunked, mut line) = (0, false, String::new());
    stream.read_line(&mut line)?;
    if !line.contains(" 200 ") {
        return Err(wrong(line.trim()));
    }
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(|_| wrong("a length"))?;
        }
        chunked |= header.starts_with("transfer-encoding:") && header.contains("chunked");
    }
    if !chunked {
        return skip(stream, length);
    }
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim(), 16).map_err(|_| wrong("a chunk"))?;
        skip(stream, size + 2)?;
        if size == 0 {
            return Ok(());
        }
    }
}

fn skip(stream: &mut BufReader<TcpStream>, length: u64) -> std::io::Result<()> {
    let got = std::io::copy(&mut stream.take(length), &mut std::io::sink())?;
    if got == length { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}
