//! From a name to addresses, through the system's own resolver.

mod flights;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, LazyLock};

use clearline_model::{Dur, Failure, Limit, Stage};

use crate::fault::{Fault, of_io};
use crate::fence::{Egress, Fence, is_localhost, literal};
use crate::resolve::flights::Flights;

/// How a name is looked up: the system's way, or a test's.
pub(crate) type Lookup = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

/// Looks a name up by `getaddrinfo`, in the order that the system gives.
///
/// # Errors
///
/// A fault of [`Stage::Resolve`].
pub async fn resolve(fence: &Fence, host: &str, port: u16, limit: Dur) -> Result<Vec<SocketAddr>, Fault> {
    static FLIGHTS: LazyLock<Arc<Flights>> = LazyLock::new(Arc::default);
    let system: Lookup = |host, port| Ok((host, port).to_socket_addrs()?.collect());
    resolve_in(&FLIGHTS, (fence, (host, port)), limit, system).await
}

/// [`resolve`] with another way to look up.
#[cfg(test)]
pub(crate) async fn resolve_by(
    fence: &Fence,
    name: (&str, u16),
    limit: Dur,
    lookup: Lookup,
) -> Result<Vec<SocketAddr>, Fault> {
    resolve_in(&Arc::default(), (fence, name), limit, lookup).await
}

async fn resolve_in(
    flights: &Arc<Flights>,
    (fence, name): (&Fence, (&str, u16)),
    limit: Dur,
    lookup: Lookup,
) -> Result<Vec<SocketAddr>, Fault> {
    let (host, port) = name;
    if let Some(ip) = literal(host) {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let pass = fence.check(Egress::Lookup(host))?;
    if !fence.is_wide() && is_localhost(host) {
        // A resolver that does not know the name would ask its server, which the fence forbids.
        let here = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        return Ok(here.map(|ip| SocketAddr::new(ip, port)).to_vec());
    }
    let answer = flights.ask(pass, name, lookup)?;
    let found = match tokio::time::timeout(limit.into(), answer).await {
        Err(_late) => return Err(Fault::new(Stage::Resolve, Failure::TimedOut(Limit::Resolve))),
        Ok(Err(_gone)) => return Err(Fault::new(Stage::Resolve, Failure::Rcode(2, None))),
        Ok(Ok(found)) => found?,
    };
    if found.is_empty() { Err(Fault::new(Stage::Resolve, Failure::NoAddress)) } else { Ok(found) }
}

/// `std` keeps the number of `getaddrinfo`'s error to itself; its text is one of `gai_strerror`'s, in English because
/// nothing here calls `setlocale`.
fn failed(error: &io::Error) -> Fault {
    let texts = [
        ("Name or service not known", Failure::Rcode(3, None)),
        ("nodename nor servname", Failure::Rcode(3, None)),
        ("Name does not resolve", Failure::Rcode(3, None)),
        ("Temporary failure", Failure::Rcode(2, None)),
        ("Try again", Failure::Rcode(2, None)),
        ("Non-recoverable failure", Failure::Rcode(5, None)),
        ("No address associated", Failure::NoAddress),
        ("Address family for hostname not supported", Failure::NoAddress),
    ];
    let text = error.to_string();
    let known = texts.into_iter().find(|(part, _)| text.contains(part)).map(|(_, failure)| failure);
    let failure = known.unwrap_or_else(|| match error.raw_os_error() {
        Some(_) => of_io(error, Stage::Resolve),
        None => Failure::Rcode(2, None),
    });
    Fault::new(Stage::Resolve, failure).detailed(&text)
}

#[cfg(test)]
mod tests {
    use clearline_model::Cause;

    use super::*;

    #[test]
    fn the_texts_of_getaddrinfo_are_typed() {
        for (text, cause) in [
            ("failed to lookup address information: Name or service not known", Cause::DnsNameNotFound),
            (
                "failed to lookup address information: Temporary failure in name resolution",
                Cause::DnsServerFailure,
            ),
            (
                "failed to lookup address information: No address associated with hostname",
                Cause::DnsNoAddress,
            ),
            (
                "failed to lookup address information: Non-recoverable failure in name resolution",
                Cause::DnsRefused,
            ),
        ] {
            assert_eq!(failed(&io::Error::other(text)).cause(), cause, "{text}");
        }
    }
}
