//! What an address says of itself.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

/// An address that no server has (RFC 5737: for documentation alone). Whoever answers there answers everywhere.
pub(crate) const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 53));

/// The kinds of addresses that mean something to a diagnosis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Zero, this machine itself, or a link without routers.
    Nowhere,
    /// Of a private network (RFC 1918, RFC 4193, RFC 6598).
    Private,
    /// Made up by a program that carries the traffic elsewhere: the range for benchmarks (RFC 2544), as tunnels use it.
    Fake,
    /// Any other.
    Public,
}

/// What kind an address is. One that a translator made of an IPv4 address (RFC 6052) is what it was made of.
pub(crate) fn kind(address: IpAddr) -> Kind {
    match plain(address) {
        IpAddr::V4(ip) => kind4(ip),
        IpAddr::V6(ip) if ip.is_unspecified() || ip.is_loopback() || ip.is_unicast_link_local() => {
            Kind::Nowhere
        }
        IpAddr::V6(ip) if ip.is_unique_local() => Kind::Private,
        IpAddr::V6(_) => Kind::Public,
    }
}

fn kind4(ip: Ipv4Addr) -> Kind {
    let [a, b, ..] = ip.octets();
    if a == 0 || ip.is_loopback() || ip.is_link_local() || ip.is_broadcast() {
        Kind::Nowhere
    } else if a == 198 && (b == 18 || b == 19) {
        Kind::Fake
    } else if ip.is_private() || (a == 100 && (64..128).contains(&b)) {
        Kind::Private
    } else {
        Kind::Public
    }
}

/// The IPv4 address inside an IPv6 one: mapped, or of the well-known translator's prefix 64:ff9b::/96.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(ip) = address.to_canonical() else { return address.to_canonical() };
    match ip.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            IpAddr::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        _ => IpAddr::V6(ip),
    }
}

/// Whether the API has published an address as its own (Claude docs, "IP addresses": 160.79.104.0/23, 2607:6bc0::/48).
pub(crate) fn is_published(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(ip) => u32::from(ip) >> 9 == u32::from(Ipv4Addr::new(160, 79, 104, 0)) >> 9,
        IpAddr::V6(ip) => {
            u128::from(ip) >> 80 == u128::from(Ipv6Addr::new(0x2607, 0x6bc0, 0, 0, 0, 0, 0, 0)) >> 80
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart() {
        for (address, expected) in [
            ("0.0.0.0", Kind::Nowhere),
            ("127.0.0.53", Kind::Nowhere),
            ("::", Kind::Nowhere),
            ("::1", Kind::Nowhere),
            ("fe80::1", Kind::Nowhere),
            ("10.1.2.3", Kind::Private),
            ("100.64.0.1", Kind::Private),
            ("fd00::1", Kind::Private),
            ("64:ff9b::a00:1", Kind::Private),
            ("198.18.0.7", Kind::Fake),
            ("64:ff9b::a04f:680a", Kind::Public),
            ("192.0.2.1", Kind::Public),
        ] {
            assert_eq!(kind(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn the_published_ranges_are_known() {
        for (address, expected) in [
            ("160.79.104.10", true),
            ("160.79.105.255", true),
            ("160.79.106.0", false),
            ("2607:6bc0::10", true),
            ("2607:6bc0:1::1", false),
            ("64:ff9b::a04f:680a", true),
        ] {
            assert_eq!(is_published(address.parse().unwrap()), expected, "{address}");
        }
    }
}
