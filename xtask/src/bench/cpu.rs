//! CPU of a call under a full load.

use std::process::Stdio;

use crate::bench::peers::{Peer, Place};
use crate::bench::{http2, proc};
use crate::load;
use crate::sh;

/// Connections of the load; over HTTP/2 so many streams.
const CONNECTIONS: &str = "16";
/// The size of a large body, bytes.
const LARGE: usize = 64 << 10;

/// What speaks to a peer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    /// wrk.
    Http1,
    /// `crates/net/examples/load.rs`.
    Http2,
}

pub(crate) fn large_body() -> String {
    load::BODY.replace("How long", &format!("{} How long", "x".repeat(LARGE)))
}

/// CPU of a call with this body, microseconds, under so many seconds of a full load.
///
/// # Errors
/// A call that fails.
pub(crate) fn of_a_call(
    place: &Place,
    (load, seconds): (Load, u32),
    (peer, body): (&Peer, &str),
) -> Result<f64, String> {
    let pids = peer.process.pids();
    let before = proc::cpu(&pids);
    let calls = match load {
        Load::Http1 => by_wrk(place, seconds, (peer, body)),
        Load::Http2 => by_http2(place, seconds, (peer, body)),
    }
    .map_err(|why| format!("not every call through {} succeeded: {why}", peer.name))?;
    let spent = proc::cpu(&pids).saturating_sub(before);
    let micros = u32::try_from(spent / 1_000).unwrap_or(u32::MAX);
    Ok(f64::from(micros) / f64::from(calls.max(1)))
}

fn by_wrk(place: &Place, seconds: u32, (peer, body): (&Peer, &str)) -> Result<u32, String> {
    let script = place.write("post.lua", &script(peer, body))?.display().to_string();
    let (lasts, url) = (format!("{seconds}s"), format!("http://{}/v1/messages", peer.addr));
    let mut wrk = place.command(1, "wrk", &["-t1", "-c", CONNECTIONS, "-d", &lasts, "-s", &script, &url]);
    wrk.stdout(Stdio::piped());
    let said = sh::output(wrk, "wrk")?;
    if said.contains("Non-2xx") {
        return Err(said);
    }
    requests(&said).ok_or_else(|| format!("wrk said nothing of requests: {said}"))
}

fn script(peer: &Peer, body: &str) -> String {
    let mut text = format!("wrk.method = \"POST\"\nwrk.body = [[{body}]]\n");
    let own = peer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in load::HEADERS.into_iter().chain(own) {
        text.push_str(&format!("wrk.headers[\"{name}\"] = \"{value}\"\n"));
    }
    text
}

fn requests(said: &str) -> Option<u32> {
    said.lines().find(|l| l.contains(" requests in "))?.split_whitespace().next()?.parse().ok()
}

fn by_http2(place: &Place, seconds: u32, (peer, body): (&Peer, &str)) -> Result<u32, String> {
    let (addr, seconds) = (peer.addr.to_string(), seconds.to_string());
    let body = place.write("body.json", body)?.display().to_string();
    let headers = load::HEADERS.map(|(name, value)| format!("{name}:{value}"));
    let words: Vec<&str> = [&addr, &seconds, &body].into_iter().chain(&headers).map(String::as_str).collect();
    let mut calls = place.command(1, http2::program(), &words);
    // It says on it why a call failed.
    calls.stdout(Stdio::piped()).stderr(Stdio::inherit());
    let said = sh::output(calls, "the load over HTTP/2")?;
    said.trim().parse().map_err(|_| format!("no number of calls: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_body_is_as_large_as_it_says() {
        assert_eq!(large_body().len(), load::BODY.len() + LARGE + 1);
        assert_eq!(requests("Running\n  123 requests in 1.00s, 9KB read\n"), Some(123));
    }
}
