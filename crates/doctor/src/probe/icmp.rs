//! ICMP errors that quote a connection of ours: who sent them, and why exactly. The error of a connection tells less: it
//! does not say who sent it, and a prohibition looks like a host that is not there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use clearline_model::Icmp;
use socket2::{Domain, Protocol, Socket, Type};

/// An error that a router, or this machine, sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Error {
    /// Who sent it.
    pub(crate) from: IpAddr,
    /// What it says beyond the connection's own error. Of a port that cannot be reached the kernel says that it refuses.
    pub(crate) says: Option<Icmp>,
    /// Type and code, as they came.
    pub(crate) number: (u8, u8),
}

/// Listens from now on. Only with the right to open raw sockets; it sends nothing.
pub(crate) struct Ear {
    /// A raw one: of the types of `std` this one tells who sent what it reads.
    socket: Option<UdpSocket>,
    to: SocketAddr,
}

impl Ear {
    pub(crate) fn open(to: SocketAddr) -> Self {
        let (domain, protocol) =
            if to.is_ipv4() { (Domain::IPV4, Protocol::ICMPV4) } else { (Domain::IPV6, Protocol::ICMPV6) };
        let socket = Socket::new(domain, Type::RAW, Some(protocol)).ok();
        let socket = socket.filter(|socket| socket.set_nonblocking(true).is_ok());
        Self { socket: socket.map(UdpSocket::from), to }
    }

    /// The last error that came and quotes a packet to the address.
    pub(crate) fn heard(self) -> Option<Error> {
        /// So many packets are read at most.
        const MAX: usize = 256;
        let mut heard = None;
        for _ in 0..MAX {
            let Ok(error) = next(self.socket.as_ref()?, self.to) else { break };
            heard = error.or(heard);
        }
        heard
    }
}

/// What the next packet says. The header of an IPv4 packet comes with it; that of an IPv6 packet does not.
fn next(socket: &UdpSocket, to: SocketAddr) -> std::io::Result<Option<Error>> {
    let mut buffer = [0_u8; 1500];
    let (length, from) = socket.recv_from(&mut buffer)?;
    let bytes = buffer.get(..length).unwrap_or_default();
    Ok(if to.is_ipv4() { v4(bytes, to) } else { v6(bytes, from.ip(), to) })
}

/// The number of TCP (RFC 9293).
const TCP: u8 = 6;

/// An ICMP message in its IPv4 packet (RFC 792).
fn v4(packet: &[u8], to: SocketAddr) -> Option<Error> {
    let head = usize::from(packet.first()? & 15) * 4;
    let from: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    let message = packet.get(head..)?;
    let (kind, code) = (*message.first()?, *message.get(1)?);
    let quoted = message.get(8..)?;
    let inner = usize::from(quoted.first()? & 15) * 4;
    // Only the first fragment has the ports.
    let fragment = u16::from_be_bytes(quoted.get(6..8)?.try_into().ok()?) & 0x1FFF;
    if *quoted.get(9)? != TCP || fragment != 0 {
        return None;
    }
    let destination: [u8; 4] = quoted.get(16..20)?.try_into().ok()?;
    let port = u16::from_be_bytes(quoted.get(inner + 2..inner + 4)?.try_into().ok()?);
    let is_ours = SocketAddr::new(Ipv4Addr::from(destination).into(), port) == to;
    let says = match (kind, code) {
        (3, 9 | 10 | 13) => Some(Icmp::Prohibited),
        (3, 0 | 6 | 11) => Some(Icmp::Network),
        (3, 3) => None,
        // A router asks for smaller packets (RFC 1191): the host is there.
        (3, 4) => return None,
        (3, _) => Some(Icmp::Host),
        _ => return None,
    };
    is_ours.then(|| Error { from: Ipv4Addr::from(from).into(), says, number: (kind, code) })
}

/// An ICMPv6 message (RFC 4443).
fn v6(message: &[u8], from: IpAddr, to: SocketAddr) -> Option<Error> {
    let (kind, code) = (*message.first()?, *message.get(1)?);
    let quoted = message.get(8..)?;
    if *quoted.get(6)? != TCP {
        return None;
    }
    let destination: [u8; 16] = quoted.get(24..40)?.try_into().ok()?;
    let port = u16::from_be_bytes(quoted.get(42..44)?.try_into().ok()?);
    let is_ours = SocketAddr::new(Ipv6Addr::from(destination).into(), port) == to;
    let says = match (kind, code) {
        // Codes 5 and 6 say more exactly what 1 says.
        (1, 1 | 5 | 6) => Some(Icmp::Prohibited),
        (1, 0) => Some(Icmp::NoRoute),
        (1, 4) => None,
        (1, _) => Some(Icmp::Host),
        _ => return None,
    };
    is_ours.then_some(Error { from, says, number: (kind, code) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: u8 = 17;

    /// An ICMP packet that quotes one of a protocol.
    fn quoting(protocol: u8, code: u8, to: [u8; 4], port: u16) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0, 10, 9, 8, 7, 10, 0, 0, 1];
        bytes.extend_from_slice(&[3, code, 0, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(&[0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1]);
        bytes.extend_from_slice(&to);
        bytes.extend_from_slice(&[0x80, 0]);
        bytes.extend_from_slice(&port.to_be_bytes());
        bytes
    }

    fn packet(code: u8, to: [u8; 4], port: u16) -> Vec<u8> {
        quoting(TCP, code, to, port)
    }

    /// An ICMPv6 message that quotes a packet to `2001:db8::1` with these headers behind its own.
    fn quoting6(code: u8, next: u8, behind: &[u8]) -> Vec<u8> {
        let mut bytes = vec![1, code, 0, 0, 0, 0, 0, 0, 0x60, 0, 0, 0, 0, 20, next, 64];
        bytes.extend_from_slice(&[0; 16]);
        bytes.extend_from_slice(&"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        bytes.extend_from_slice(behind);
        bytes
    }

    const ROUTER: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
    /// The ports of a segment to 443.
    const PORTS: [u8; 4] = [0x80, 0, 0x01, 0xBB];

    #[test]
    fn an_error_is_read_where_it_quotes_our_own_connection() {
        let to: SocketAddr = "192.0.2.1:443".parse().unwrap();
        for (code, says) in
            [(13, Some(Icmp::Prohibited)), (1, Some(Icmp::Host)), (0, Some(Icmp::Network)), (3, None)]
        {
            let error = v4(&packet(code, [192, 0, 2, 1], 443), to).unwrap();
            assert_eq!((error.says, error.from), (says, "10.9.8.7".parse::<IpAddr>().unwrap()));
        }
        assert_eq!(v4(&packet(13, [192, 0, 2, 2], 443), to), None);
        assert_eq!(v4(&packet(13, [192, 0, 2, 1], 80), to), None);
        assert_eq!(v4(&[], to), None);
    }

    /// QUIC goes to the same address and port, and networks refuse it while they let TCP through.
    #[test]
    fn what_is_said_to_datagrams_is_not_said_to_connections() {
        let to: SocketAddr = "192.0.2.1:443".parse().unwrap();
        assert_eq!(v4(&quoting(UDP, 13, [192, 0, 2, 1], 443), to), None);
        let to: SocketAddr = "[2001:db8::1]:443".parse().unwrap();
        assert_eq!(v6(&quoting6(1, UDP, &PORTS), ROUTER, to), None);
        assert_eq!(v6(&quoting6(1, TCP, &PORTS), ROUTER, to).map(|e| e.says), Some(Some(Icmp::Prohibited)));
    }

    /// Only the first fragment has the ports; behind them lies data.
    #[test]
    fn a_later_fragment_has_no_ports() {
        let to: SocketAddr = "192.0.2.1:443".parse().unwrap();
        let mut bytes = packet(13, [192, 0, 2, 1], 443);
        bytes[35] = 1;
        assert_eq!(v4(&bytes, to), None);
    }

    #[test]
    fn a_packet_that_is_too_big_is_no_host_that_is_not_there() {
        let to: SocketAddr = "192.0.2.1:443".parse().unwrap();
        assert_eq!(v4(&packet(4, [192, 0, 2, 1], 443), to), None);
    }

    #[test]
    fn codes_of_icmpv6_are_read_as_the_kernel_reads_them() {
        let to: SocketAddr = "[2001:db8::1]:443".parse().unwrap();
        for (code, says) in [
            (0, Some(Icmp::NoRoute)),
            (1, Some(Icmp::Prohibited)),
            (3, Some(Icmp::Host)),
            (4, None),
            (5, Some(Icmp::Prohibited)),
            (6, Some(Icmp::Prohibited)),
        ] {
            assert_eq!(v6(&quoting6(code, TCP, &PORTS), ROUTER, to).map(|e| e.says), Some(says), "{code}");
        }
    }

    #[test]
    fn the_sender_of_an_icmpv6_error_is_told() {
        let to: SocketAddr = "[2001:db8::1]:443".parse().unwrap();
        let (Some(ear), Ok(router)) =
            (Ear::open(to).socket, Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)))
        else {
            use std::io::Write as _;
            let _told = writeln!(std::io::stderr(), "SKIPPED a raw socket: it needs root").is_ok();
            return;
        };
        ear.set_nonblocking(false).unwrap();
        ear.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let here = SocketAddr::new(ROUTER, 0);
        router.send_to(&quoting6(1, TCP, &PORTS), &here.into()).unwrap();
        let error = std::iter::repeat_with(|| next(&ear, to).unwrap()).flatten().next();
        assert_eq!(error.map(|e| e.from), Some(ROUTER));
    }
}
