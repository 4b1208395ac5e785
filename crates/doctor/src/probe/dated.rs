//! The server's own time: a date from behind a handshake that takes any certificate, and the chain judged at that time.

use clearline_diagnose::Probe;
use clearline_model::{Cause, Fact, Path, Stage, Wall, classify};
use http::{HeaderMap, HeaderValue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{http as requests, tls};
use crate::world::World;

/// The most of an answer that is read, bytes.
const HEAD_MAX: usize = 16 << 10;

/// Asks for a date and nothing else, without a credential.
pub(super) async fn handshake(world: &World, probe: &Probe) -> Vec<Fact> {
    let Ok((peek, path)) = tls::shake(world, probe).await else { return Vec::new() };
    let Ok(mut stream) = peek.stream else { return Vec::new() };
    let request = format!("HEAD / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", path.host);
    let exchange = async {
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut head = Vec::new();
        while head.len() < HEAD_MAX && !head.windows(4).any(|w| w == b"\r\n\r\n") {
            let mut part = [0_u8; 2048];
            let n = stream.read(&mut part).await?;
            if n == 0 {
                break;
            }
            head.extend_from_slice(part.get(..n).unwrap_or_default());
        }
        Ok::<Vec<u8>, std::io::Error>(head)
    };
    let Ok(Ok(head)) = tokio::time::timeout(probe.limit.into(), exchange).await else { return Vec::new() };
    let Some((headers, date)) = date(&head) else { return Vec::new() };
    let mut facts: Vec<Fact> = requests::clock(world, &headers).into_iter().collect();
    let (trust, settings) = world.reference_trust();
    let host = path.server_name.as_deref().filter(|n| !n.is_empty()).unwrap_or(&path.host);
    let word = match clearline_net::verify(&peek.chain, host, &settings, date) {
        Ok(()) => "passes",
        Err(fault) => cause(&fault).id(),
    };
    let path = Path { trust: Some(trust), ..path.clone() };
    facts.push(world.said(&path, Stage::Handshake, "at-server-time", word));
    facts
}

fn cause(fault: &clearline_net::Fault) -> Cause {
    classify(fault.stage, &fault.failure, fault.sent)
}

/// The date of an answer's head.
fn date(head: &[u8]) -> Option<(HeaderMap, Wall)> {
    let text = String::from_utf8_lossy(head);
    let named = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("date").then(|| value.trim().to_owned())
    };
    let value = text.lines().find_map(named)?;
    let date = clearline_wire::date::http_date(&value)?;
    let mut headers = HeaderMap::new();
    headers.insert("date", HeaderValue::from_str(&value).ok()?);
    Some((headers, date))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_found_in_a_head() {
        let head = b"HTTP/1.1 404 Not Found\r\nDATE: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";
        assert_eq!(date(head).map(|(_, d)| d), Some(Wall(784_111_777_000_000)));
        assert!(date(b"HTTP/1.1 200 OK\r\n\r\n").is_none());
    }
}
