//! How far whoever answers a connection is away: what is left of the time to live of its first packet. A firewall that resets in
//! a server's name is mostly nearer than the server.

use std::io::Read as _;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

/// Listens from now on for the packets of one address. Only with the right to open raw sockets, and only for IPv4, whose
/// sockets hand the header over; it sends nothing.
pub(crate) struct Ear {
    socket: Option<Socket>,
    from: SocketAddr,
}

impl Ear {
    pub(crate) fn open(from: SocketAddr) -> Self {
        let socket = from.is_ipv4().then(|| Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::TCP)).ok());
        let socket = socket.flatten().filter(|socket| socket.set_nonblocking(true).is_ok());
        Self { socket, from }
    }

    /// `reset 64` or `accept 57`: the first packet that decided about a connection, and its time to live.
    pub(crate) fn heard(self) -> Option<String> {
        /// So many packets are read at most.
        const MAX: usize = 256;
        let mut socket = self.socket?;
        let mut buffer = [0_u8; 1500];
        for _ in 0..MAX {
            let Ok(length) = socket.read(&mut buffer) else { return None };
            let said = first(buffer.get(..length).unwrap_or_default(), self.from);
            if said.is_some() {
                return said;
            }
        }
        None
    }
}

/// A reset, or the second packet of a handshake, in its IPv4 packet (RFC 791 section 3.1, RFC 9293 section 3.1).
fn first(packet: &[u8], from: SocketAddr) -> Option<String> {
    const RESET: u8 = 0x04;
    const ACCEPT: u8 = 0x12;
    let head = usize::from(packet.first()? & 15) * 4;
    let ttl = packet.get(8)?;
    let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    let segment = packet.get(head..)?;
    let port = u16::from_be_bytes(segment.get(..2)?.try_into().ok()?);
    if SocketAddr::from((source, port)) != from {
        return None;
    }
    match *segment.get(13)? {
        flags if flags & RESET != 0 => Some(format!("reset {ttl}")),
        flags if flags & ACCEPT == ACCEPT => Some(format!("accept {ttl}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(from: [u8; 4], port: u16, ttl: u8, flags: u8) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 40, 0, 0, 0, 0, ttl, 6, 0, 0];
        bytes.extend_from_slice(&from);
        bytes.extend_from_slice(&[10, 0, 0, 1]);
        bytes.extend_from_slice(&port.to_be_bytes());
        bytes.extend_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, flags]);
        bytes
    }

    #[test]
    fn the_packet_that_decides_is_read_with_its_time_to_live() {
        let from: SocketAddr = "192.0.2.1:443".parse().unwrap();
        for (packet, expected) in [
            (packet([192, 0, 2, 1], 443, 64, 0x14), Some("reset 64")),
            (packet([192, 0, 2, 1], 443, 57, 0x12), Some("accept 57")),
            (packet([192, 0, 2, 1], 443, 57, 0x10), None),
            (packet([192, 0, 2, 1], 80, 57, 0x12), None),
            (packet([192, 0, 2, 2], 443, 57, 0x12), None),
            (vec![0x45; 9], None),
        ] {
            assert_eq!(first(&packet, from).as_deref(), expected);
        }
    }
}
