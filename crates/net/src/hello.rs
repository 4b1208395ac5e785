//! A raw ClientHello: bytes of a chosen shape go out, and what comes back first is read.
//!
//! A TLS library sends its own hello only. What a path does to a hello with another name, size or version is seen with
//! this one (RFC 8446 section 4.1.2). No handshake is finished and nothing secret is sent.

use std::net::SocketAddr;

use clearline_model::{Dur, Failure, Limit, Stage};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::fault::Fault;
use crate::fence::literal;

/// The shape of a hello.
#[derive(Debug, Clone, Copy)]
pub struct Hello<'a> {
    /// The server's host; none sends no name, and neither does one that is an address.
    pub name: Option<&'a str>,
    /// The protocols, in order of preference.
    pub alpn: &'a [&'a str],
    /// The highest version offered: 13, 12, 11 or 10.
    pub version: u8,
    /// The least size of the whole record, bytes; padding (RFC 7685) fills it.
    pub size: u16,
}

/// What was said first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// A ServerHello: the handshake would go on.
    Hello,
    /// An alert, by number.
    Alert(u8),
}

/// Sends a hello and reads what comes first.
///
/// # Errors
///
/// A fault of [`Stage::Handshake`]: reset, closed, silence, or bytes that are not TLS.
pub async fn hello(
    mut tcp: TcpStream,
    addr: SocketAddr,
    hello: Hello<'_>,
    random: [u8; 32],
    limit: Dur,
) -> Result<Reply, Fault> {
    let mut warned = None;
    let exchange = async {
        tcp.write_all(&record(&hello, random)).await?;
        first(&mut tcp, &mut warned).await
    };
    let fault = match tokio::time::timeout(limit.into(), exchange).await {
        Ok(Ok(Some(reply))) => return Ok(reply),
        Ok(Ok(None)) => return Err(Fault::new(Stage::Handshake, Failure::NotTls).at(addr)),
        Ok(Err(error)) => Fault::io(Stage::Handshake, &error),
        Err(_late) => Fault::new(Stage::Handshake, Failure::TimedOut(Limit::Handshake)),
    };
    // Who warned, and said nothing more, has answered.
    warned.ok_or_else(|| fault.at(addr))
}

/// What comes first and decides; nothing where it is not TLS (RFC 8446 section 5.1). A warning decides nothing while something
/// follows it (RFC 6066 section 3: a name that the server does not know).
async fn first(tcp: &mut TcpStream, warned: &mut Option<Reply>) -> std::io::Result<Option<Reply>> {
    const HANDSHAKE: u8 = 22;
    const ALERT: u8 = 21;
    const SERVER_HELLO: u8 = 2;
    const WARNING: u8 = 1;
    const CLOSE_NOTIFY: u8 = 0;
    /// More warnings than this are no handshake.
    const MAX: usize = 8;
    for _ in 0..MAX {
        let mut head = [0_u8; 5];
        tcp.read_exact(&mut head).await?;
        match head {
            [HANDSHAKE, 3, _, high, low] if high | low != 0 => {
                return Ok((tcp.read_u8().await? == SERVER_HELLO).then_some(Reply::Hello));
            }
            [ALERT, 3, _, 0, 2] => {
                let (level, number) = (tcp.read_u8().await?, tcp.read_u8().await?);
                if level != WARNING || number == CLOSE_NOTIFY {
                    return Ok(Some(Reply::Alert(number)));
                }
                *warned = Some(Reply::Alert(number));
            }
            _ => return Ok(None),
        }
    }
    Ok(*warned)
}

/// The record's bytes.
fn record(hello: &Hello<'_>, random: [u8; 32]) -> Vec<u8> {
    /// The header of a record and that of a handshake message.
    const HEADS: usize = 5 + 4;
    /// The header of an extension.
    const HEAD: usize = 4;
    let mut body = vec![3, if hello.version >= 12 { 3 } else { hello.version.saturating_sub(9) }];
    body.extend_from_slice(&random);
    sized::<1>(&mut body, |out| out.extend_from_slice(&random));
    sized::<2>(&mut body, |out| out.extend(suites(hello.version).iter().flat_map(|s| s.to_be_bytes())));
    body.extend_from_slice(&[1, 0]);
    let mut extensions = extensions(hello, random);
    let bare = HEADS + body.len() + 2 + extensions.len();
    let wanted = usize::from(hello.size);
    if wanted > bare + HEAD {
        extension(&mut extensions, 21, |out| out.resize(out.len() + wanted - bare - HEAD, 0));
    }
    sized::<2>(&mut body, |out| out.extend_from_slice(&extensions));
    let mut message = vec![1];
    sized::<3>(&mut message, |out| out.extend_from_slice(&body));
    let mut record = vec![22, 3, 1];
    sized::<2>(&mut record, |out| out.extend_from_slice(&message));
    record
}

/// The cipher suites of a version, the strongest first (RFC 8446 B.4, RFC 5289, RFC 5246).
const fn suites(version: u8) -> &'static [u16] {
    if version >= 13 {
        &[0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0x009C, 0x002F]
    } else if version == 12 {
        &[0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0x009C, 0x009D, 0x002F, 0x0035]
    } else {
        &[0xC009, 0xC013, 0xC00A, 0xC014, 0x002F, 0x0035, 0x000A]
    }
}

fn extensions(hello: &Hello<'_>, random: [u8; 32]) -> Vec<u8> {
    let mut all = Vec::new();
    if let Some(name) = hello.name.and_then(sent_name) {
        extension(&mut all, 0, |out| {
            sized::<2>(out, |list| {
                list.push(0);
                sized::<2>(list, |one| one.extend_from_slice(name.as_bytes()));
            });
        });
    }
    extension(&mut all, 11, |out| out.extend_from_slice(&[1, 0]));
    extension(&mut all, 10, |out| numbers(out, &[0x001D, 0x0017, 0x0018]));
    if hello.version >= 12 {
        extension(&mut all, 13, |out| {
            numbers(
                out,
                &[0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0201],
            );
        });
    }
    if !hello.alpn.is_empty() {
        extension(&mut all, 16, |out| {
            sized::<2>(out, |list| {
                for protocol in hello.alpn {
                    sized::<1>(list, |one| one.extend_from_slice(protocol.as_bytes()));
                }
            });
        });
    }
    if hello.version >= 13 {
        extension(&mut all, 43, |out| sized::<1>(out, |list| list.extend_from_slice(&[3, 4, 3, 3])));
        extension(&mut all, 45, |out| out.extend_from_slice(&[1, 1]));
        // Any 32 bytes are a public key of X25519 (RFC 7748 section 5).
        extension(&mut all, 51, |out| {
            sized::<2>(out, |list| {
                list.extend_from_slice(&[0, 0x1D]);
                sized::<2>(list, |key| key.extend_from_slice(&random));
            });
        });
    }
    all
}

/// What of a host is sent as its name (RFC 6066 section 3): servers that choose by name close on anything else.
fn sent_name(host: &str) -> Option<&str> {
    let name = host.strip_suffix('.').unwrap_or(host);
    (!name.is_empty() && literal(name).is_none()).then_some(name)
}

fn numbers(out: &mut Vec<u8>, all: &[u16]) {
    sized::<2>(out, |list| list.extend(all.iter().flat_map(|n| n.to_be_bytes())));
}

fn extension(out: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&kind.to_be_bytes());
    sized::<2>(out, fill);
}

/// What `fill` appends, behind its length in N bytes.
fn sized<const N: usize>(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    fill(&mut inner);
    let length = u32::try_from(inner.len()).unwrap_or(u32::MAX).to_be_bytes();
    out.extend_from_slice(length.get(4 - N..).unwrap_or_default());
    out.append(&mut inner);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const PLAIN: Hello<'_> = Hello { name: Some("api.example"), alpn: &["http/1.1"], version: 13, size: 0 };

    /// RFC 6066 section 3: no address, and no dot at the end.
    #[test]
    fn the_name_is_sent_as_libraries_send_it() {
        for (host, sent) in [
            ("api.example", Some("api.example")),
            ("api.example.", Some("api.example")),
            ("192.0.2.1", None),
            ("2001:db8::1", None),
            ("[2001:db8::1]", None),
        ] {
            let ours = record(&Hello { name: Some(host), ..PLAIN }, [7; 32]);
            let expected = record(&Hello { name: sent, ..PLAIN }, [7; 32]);
            assert_eq!(ours, expected, "{host}");
        }
    }

    /// rustls reads it, whatever its shape, and finds in it what was put there.
    #[test]
    fn a_server_reads_every_shape() {
        for version in [13, 12] {
            for size in [0, 600, 1600] {
                for name in [None, Some("api.example")] {
                    let bytes = record(&Hello { name, version, size, ..PLAIN }, [7; 32]);
                    assert!(bytes.len() >= usize::from(size));
                    let mut acceptor = rustls::server::Acceptor::default();
                    let mut rest = bytes.as_slice();
                    acceptor.read_tls(&mut rest).unwrap();
                    let accepted = acceptor.accept().map_err(|(e, _)| e).unwrap().unwrap();
                    let hello = accepted.client_hello();
                    assert_eq!(hello.server_name(), name);
                    let alpn: Vec<&[u8]> = hello.alpn().unwrap().collect();
                    assert_eq!(alpn, [b"http/1.1"]);
                }
            }
        }
    }

    #[tokio::test]
    async fn the_first_record_is_told() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        for (answer, expected) in [
            (Some([22, 3, 3, 0, 2, 2, 0].as_slice()), Ok(Reply::Hello)),
            // A message may lie in any number of records.
            (Some([22, 3, 3, 0, 1, 2, 22, 3, 3, 0, 1, 0].as_slice()), Ok(Reply::Hello)),
            (Some([21, 3, 3, 0, 2, 2, 112].as_slice()), Ok(Reply::Alert(112))),
            // A name that the server does not know is a warning to some, and the handshake goes on.
            (Some([21, 3, 3, 0, 2, 1, 112, 22, 3, 3, 0, 2, 2, 0].as_slice()), Ok(Reply::Hello)),
            (Some([21, 3, 3, 0, 2, 1, 112, 21, 3, 3, 0, 2, 2, 40].as_slice()), Ok(Reply::Alert(40))),
            // To close is the end, although its level says that it is a warning.
            (Some([21, 3, 3, 0, 2, 1, 0].as_slice()), Ok(Reply::Alert(0))),
            // Who warns and closes has refused.
            (Some([21, 3, 3, 0, 2, 1, 112].as_slice()), Ok(Reply::Alert(112))),
            // Our own hello comes back, from what repeats all that it hears.
            (Some([22, 3, 1, 0, 2, 1, 0].as_slice()), Err(Failure::NotTls)),
            (Some([22, 0, 0, 0, 2, 2, 0].as_slice()), Err(Failure::NotTls)),
            (Some([21, 7, 7, 0, 2, 2, 40].as_slice()), Err(Failure::NotTls)),
            (Some([21, 3, 3, 0, 9, 2, 40].as_slice()), Err(Failure::NotTls)),
            (Some([22, 3, 3].as_slice()), Err(Failure::Eof)),
            (Some(b"HTTP/1.1 400 Bad".as_slice()), Err(Failure::NotTls)),
            (None, Err(Failure::Eof)),
        ] {
            let answer = Arc::new(answer.map(<[u8]>::to_vec));
            let served = async {
                let (mut peer, _) = listener.accept().await.unwrap();
                let mut buffer = [0_u8; 2048];
                assert!(peer.read(&mut buffer).await.unwrap() > 100);
                if let Some(bytes) = answer.as_ref() {
                    peer.write_all(bytes).await.unwrap();
                }
            };
            let asked = async {
                let tcp = TcpStream::connect(addr).await.unwrap();
                hello(tcp, addr, PLAIN, [1; 32], Dur::secs(5)).await.map_err(|fault| fault.failure)
            };
            let ((), reply) = tokio::join!(served, asked);
            assert_eq!(reply, expected);
        }
    }
}
