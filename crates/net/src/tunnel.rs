//! Through a proxy: CONNECT and SOCKS 5, by hand, so that every answer of the proxy is seen.

use std::net::IpAddr;
use std::sync::Arc;

use clearline_model::{Dur, Failure, Foreign, Limit, Secret, Stage};
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::fault::Fault;
use crate::fence::literal;
use crate::mux::ALPN;
use crate::proxy::Proxy;
use crate::target::bracketed;
use crate::tls::handshake;
use crate::wire::Stream;

/// The longest head of an answer to CONNECT, bytes, together with the interim ones before it.
pub const MAX_TUNNEL_HEAD: usize = 16 * 1024;

/// What the proxy answered to CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelReply {
    /// The status.
    pub status: u16,
    /// The headers, in their order.
    pub headers: Vec<(String, Foreign)>,
}

/// TLS to the proxy itself. What is spoken in it is HTTP/1.1, whatever the upstream is offered: a proxy that was offered HTTP/2 and
/// chose it would not understand CONNECT.
pub(crate) async fn tls_to_proxy(
    stream: Stream,
    host: &str,
    mut tls: Arc<ClientConfig>,
    limit: Dur,
) -> Result<Stream, Fault> {
    if tls.alpn_protocols.iter().any(|name| name == ALPN) {
        Arc::make_mut(&mut tls).alpn_protocols.retain(|name| name != ALPN);
    }
    let stream = handshake(stream, host, tls, limit).await.map_err(Fault::of_tunnel)?;
    Ok(Box::new(stream))
}

/// Asks the proxy for a tunnel to `host` and `port`. For a SOCKS proxy that does not look names up, `host` is an
/// address already.
pub(crate) async fn ask(
    stream: &mut Stream,
    proxy: &Proxy,
    place: (&str, u16),
    limit: Dur,
) -> Result<Option<TunnelReply>, Fault> {
    let asking = async {
        match proxy {
            Proxy::Http { .. } => connect(stream, proxy, place).await.map(Some),
            Proxy::Socks5 { auth, .. } => socks(stream, auth.as_ref(), place).await.map(|()| None),
        }
    };
    match tokio::time::timeout(limit.into(), asking).await {
        Ok(answer) => answer,
        Err(_late) => Err(fault(Failure::TimedOut(Limit::Tunnel))),
    }
}

fn fault(failure: Failure) -> Fault {
    Fault::new(Stage::Tunnel, failure)
}

#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
fn broke(error: std::io::Error) -> Fault {
    Fault::io(Stage::Tunnel, &error)
}

async fn connect(stream: &mut Stream, proxy: &Proxy, place: (&str, u16)) -> Result<TunnelReply, Fault> {
    let place = format!("{}:{}", bracketed(place.0), place.1);
    let mut request = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n").into_bytes();
    if let Some(basic) = proxy.basic() {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(basic.expose());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let sent = Secret::new(request);
    stream.write_all(sent.expose()).await.map_err(broke)?;
    stream.flush().await.map_err(broke)?;
    let mut left = MAX_TUNNEL_HEAD;
    loop {
        let head = read_head(stream, left).await?;
        left = left.saturating_sub(head.len());
        let answered = |failure| Fault { detail: Foreign::from_bytes(&head), ..fault(failure) };
        let reply = parse(&head).ok_or_else(|| answered(Failure::Tunnel(0)))?;
        match reply.status {
            200..300 => return Ok(reply),
            // An interim answer; the last one follows (RFC 9110, section 15.2). Nobody asked for the protocol of a 101.
            100 | 102..200 => {}
            status => return Err(answered(Failure::Tunnel(status))),
        }
    }
}

/// Reads until the empty line, byte by byte: what follows belongs to the tunnel.
async fn read_head(stream: &mut Stream, most: usize) -> Result<Vec<u8>, Fault> {
    const START: &[u8] = b"HTTP/1.";
    let mut head: Vec<u8> = Vec::with_capacity(256);
    let mut byte = [0_u8];
    while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") && head.len() < most {
        if stream.read(&mut byte).await.map_err(broke)? == 0 {
            if head.is_empty() {
                return Err(fault(Failure::Eof));
            }
            break;
        }
        head.extend_from_slice(&byte);
        let not_http = head.iter().zip(START).any(|(a, b)| a != b);
        if not_http && (byte == *b"\n" || head.len() >= 64) {
            break;
        }
    }
    Ok(head)
}

fn parse(head: &[u8]) -> Option<TunnelReply> {
    let end = head
        .windows(2)
        .position(|two| two == b"\n\n")
        .or_else(|| head.windows(4).position(|four| four == b"\r\n\r\n"))?;
    let text = String::from_utf8_lossy(head.get(..end)?);
    let mut lines = text.lines();
    let mut first = lines.next()?.splitn(3, ' ');
    first.next().filter(|version| version.starts_with("HTTP/1."))?;
    let code = first.next().filter(|code| code.len() == 3)?;
    let status = code.parse().ok().filter(|status| (100..1000).contains(status))?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), Foreign::new(value.trim())))
    };
    Some(TunnelReply { status, headers: lines.filter_map(header).collect() })
}

/// RFC 1928 and RFC 1929.
async fn socks(stream: &mut Stream, auth: Option<&Secret>, place: (&str, u16)) -> Result<(), Fault> {
    const VERSION: u8 = 5;
    let hello: &[u8] = if auth.is_some() { &[VERSION, 2, 0, 2] } else { &[VERSION, 1, 0] };
    put(stream, hello).await?;
    let [version, method] = take(stream).await?;
    if version != VERSION {
        return Err(not_socks(&[version, method]));
    }
    match (method, auth) {
        (0, _) => {}
        (2, Some(auth)) => log_in(stream, auth).await?,
        _ => return Err(fault(Failure::Socks(0xFF))),
    }
    let request = socks_request(place)?;
    put(stream, &request).await?;
    let [version, reply, _reserved, kind] = take(stream).await?;
    if version != VERSION {
        return Err(not_socks(&[version, reply]));
    }
    if reply != 0 {
        return Err(fault(Failure::Socks(reply)));
    }
    let length = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(u8::from_be_bytes(take(stream).await?)),
        _ => return Err(not_socks(&[version, reply, kind])),
    };
    let mut bound = vec![0_u8; length + 2];
    stream.read_exact(&mut bound).await.map_err(broke)?;
    Ok(())
}

fn not_socks(bytes: &[u8]) -> Fault {
    let mut f = fault(Failure::Socks(0));
    f.detail = Foreign::from_bytes(bytes);
    f
}

async fn log_in(stream: &mut Stream, auth: &Secret) -> Result<(), Fault> {
    let (user, password) = match auth.expose().iter().position(|b| *b == b':') {
        Some(at) => (auth.expose().get(..at), auth.expose().get(at + 1..)),
        None => (Some(auth.expose()), None),
    };
    let mut message = vec![1_u8];
    for part in [user, password] {
        let part = part.unwrap_or_default();
        let length = u8::try_from(part.len()).map_err(|_| fault(Failure::Socks(0xFE)))?;
        message.push(length);
        message.extend_from_slice(part);
    }
    let message = Secret::new(message);
    put(stream, message.expose()).await?;
    let [_version, status] = take(stream).await?;
    if status == 0 { Ok(()) } else { Err(fault(Failure::Socks(0xFE))) }
}

fn socks_request(place: (&str, u16)) -> Result<Vec<u8>, Fault> {
    let (host, port) = place;
    let mut request = vec![5, 1, 0];
    match literal(host) {
        Some(IpAddr::V4(ip)) => {
            request.push(1);
            request.extend_from_slice(&ip.octets());
        }
        Some(IpAddr::V6(ip)) => {
            request.push(4);
            request.extend_from_slice(&ip.octets());
        }
        None => {
            request.push(3);
            request.push(u8::try_from(host.len()).map_err(|_| fault(Failure::Socks(8)))?);
            request.extend_from_slice(host.as_bytes());
        }
    }
    request.extend_from_slice(&port.to_be_bytes());
    Ok(request)
}

async fn put(stream: &mut Stream, bytes: &[u8]) -> Result<(), Fault> {
    stream.write_all(bytes).await.map_err(broke)?;
    stream.flush().await.map_err(broke)
}

async fn take<const N: usize>(stream: &mut Stream) -> Result<[u8; N], Fault> {
    let mut bytes = [0_u8; N];
    stream.read_exact(&mut bytes).await.map_err(broke)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
