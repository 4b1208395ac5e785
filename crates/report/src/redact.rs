//! What of the facts others may see: an allow-list of fields. Every one is named here, so that a field that is added later
//! does not compile before somebody thought about it; headers and states that are not named are left out.
//!
//! Names, addresses, proxies and files of a site become numbered stand-ins, so that one still sees what is the same and
//! what differs. Names of the API itself stay.

use std::net::IpAddr;

use clearline_model::{Fact, Foreign, Path, Route, Seen, Trust};

/// Hosts that say nothing about whoever calls them: the API and the clouds that have it.
const KNOWN: [&str; 4] = ["anthropic.com", "amazonaws.com", "googleapis.com", "claude.com"];
/// States of this machine whose value is one of a few words, or a number.
const STATES: [&str; 5] = ["credential", "credential.second", "clock.skew", "route-switch", "client"];
/// Headers of answers that say who answered and not whom.
const HEADERS: [&str; 3] = ["request-id", "server", "cf-ray"];

/// The stand-ins that were given out.
#[derive(Debug, Default)]
struct Names(Vec<(&'static str, String)>);

impl Names {
    /// The stand-in of a text, the same for the same text.
    fn of(&mut self, kind: &'static str, text: &str) -> String {
        let is_it = |(k, t): &&(&str, String)| *k == kind && t == text;
        if !self.0.iter().any(|entry| is_it(&entry)) {
            self.0.push((kind, text.to_owned()));
        }
        let place = self.0.iter().filter(|(k, _)| *k == kind).position(|(_, t)| t == text).unwrap_or(0);
        format!("{kind}-{}", place + 1)
    }

    fn host(&mut self, host: &str) -> String {
        let is_known = |suffix: &str| host == suffix || host.ends_with(&format!(".{suffix}"));
        match host.parse::<IpAddr>() {
            Ok(ip) if ip.is_loopback() => "loopback".to_owned(),
            _ if host.is_empty() || host == "localhost" || KNOWN.iter().any(|k| is_known(k)) => {
                host.to_owned()
            }
            _ => self.of("host", host),
        }
    }

    /// Loopback stays; anything else shows its family alone, the same for the same address.
    fn address(&mut self, ip: IpAddr) -> IpAddr {
        if ip.is_loopback() || ip.is_unspecified() {
            return ip;
        }
        let kind = if ip.is_ipv4() { "v4" } else { "v6" };
        let name = self.of(kind, &ip.to_string());
        let n: u16 = name.rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        // The blocks that are set aside for documents (RFC 5737, RFC 3849).
        let [high, low] = n.to_be_bytes();
        if ip.is_ipv4() {
            let block = if high == 0 { [192, 0, 2] } else { [203, 0, 113] };
            let [a, b, c] = block;
            IpAddr::from([a, b, c, low])
        } else {
            IpAddr::from([0x2001, 0x0db8, 0, 0, 0, 0, 0, n])
        }
    }

    fn proxy(&mut self, proxy: &str) -> String {
        let (scheme, rest) = proxy.split_once("://").unwrap_or(("http", proxy));
        let (host, port) = rest.rsplit_once(':').unwrap_or((rest, ""));
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let shown = if bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) {
            host.to_owned()
        } else {
            self.of("proxy", host)
        };
        format!("{scheme}://{shown}:{port}")
    }

    fn path(&mut self, path: &Path) -> Path {
        Path {
            host: self.host(&path.host),
            port: path.port,
            resolver: path.resolver.map(|ip| self.address(ip)),
            transport: path.transport,
            family: path.family,
            address: path.address.map(|ip| self.address(ip)),
            route: path.route.as_ref().map(|route| match route {
                Route::Direct => Route::Direct,
                Route::Proxy(proxy) => Route::Proxy(self.proxy(proxy)),
            }),
            server_name: path.server_name.as_deref().map(|name| self.host(name)),
            alpn: path.alpn.clone(),
            hello: path.hello,
            trust: path.trust.as_ref().map(|trust| match trust {
                Trust::System => Trust::System,
                Trust::Public => Trust::Public,
                Trust::File(file) => Trust::File(self.of("file", file)),
            }),
            mss: path.mss,
            http: path.http,
            body: path.body,
            reused: path.reused,
            idle: path.idle,
            credential: path
                .credential
                .as_ref()
                .map(|c| if c.is_empty() { c.clone() } else { "key".to_owned() }),
            client: path.client.clone(),
        }
    }

    fn seen(&mut self, seen: &Seen) -> Seen {
        match seen {
            Seen::Addresses(all) => Seen::Addresses(all.iter().map(|ip| self.address(*ip)).collect()),
            Seen::Connected => Seen::Connected,
            Seen::Tunnelled(status) => Seen::Tunnelled(*status),
            // Who signed it can be the name of a company.
            Seen::Handshake { version, alpn, .. } => {
                Seen::Handshake { version: *version, alpn: alpn.clone(), issuer: Foreign::default() }
            }
            Seen::Shown(cert) => {
                let mut cert = (**cert).clone();
                cert.issuer = Foreign::new(&self.of("issuer", cert.issuer.raw()));
                (cert.subject, cert.serial) = (Foreign::default(), Foreign::default());
                (cert.names, cert.issuers_at) = (Vec::new(), Vec::new());
                Seen::Shown(Box::new(cert))
            }
            Seen::Head { status, headers } => {
                let shown = headers.iter().filter(|(name, _)| HEADERS.contains(&name.as_str()));
                Seen::Head { status: *status, headers: shown.cloned().collect() }
            }
            Seen::Complete => Seen::Complete,
            Seen::Paced(pace) => Seen::Paced(*pace),
            Seen::State(name, value) => {
                let value = if STATES.contains(&name.as_str()) { value.clone() } else { Foreign::new("…") };
                Seen::State(name.clone(), value)
            }
        }
    }
}

/// The facts as others may see them.
#[must_use]
pub fn facts(facts: &[Fact]) -> Vec<Fact> {
    let mut names = Names::default();
    let redacted = facts.iter().map(|fact| Fact {
        id: fact.id,
        from: fact.from,
        path: names.path(&fact.path),
        stage: fact.stage,
        saw: fact.saw.as_ref().map(|seen| names.seen(seen)).map_err(|failure| *failure),
        sent: fact.sent,
        at: fact.at,
        took: fact.took,
    });
    redacted.collect()
}

#[cfg(test)]
mod tests {
    use clearline_model::{Certificate, Dur, FactId, Mono, ProbeId, Sent, Source, Stage, Wall};

    use super::*;

    const SECRETS: [&str; 9] = [
        "llm.corp.example",
        "10.1.2.3",
        "fd00::17",
        "proxy.corp.example",
        "/home/alice/ca.pem",
        "Example Corp CA",
        "alice-key",
        "internal.name",
        "x-internal",
    ];

    fn fact(path: Path, saw: Seen) -> Fact {
        let from = Source::Probe(ProbeId(0));
        Fact {
            id: FactId(0),
            from,
            path,
            stage: Stage::Head,
            saw: Ok(saw),
            sent: Sent::No,
            at: Mono(0),
            took: Dur(0),
        }
    }

    #[test]
    fn nothing_of_a_site_is_left_and_what_differs_still_does() {
        let text = |t: &str| Foreign::new(t);
        let path = Path {
            host: "llm.corp.example".to_owned(),
            resolver: "10.1.2.3".parse().ok(),
            address: "fd00::17".parse().ok(),
            route: Some(Route::Proxy("http://proxy.corp.example:8080".to_owned())),
            server_name: Some("internal.name".to_owned()),
            trust: Some(Trust::File("/home/alice/ca.pem".to_owned())),
            credential: Some("alice-key".to_owned()),
            ..Path::default()
        };
        let cert = Certificate {
            subject: text("llm.corp.example"),
            issuer: text("Example Corp CA"),
            serial: text("0a"),
            names: vec![text("llm.corp.example")],
            from: Wall(0),
            until: Wall(0),
            key_bits: 256,
            issuers_at: vec![text("http://llm.corp.example/ca")],
            chain: 2,
        };
        let headers =
            vec![("x-internal".to_owned(), text("10.1.2.3")), ("request-id".to_owned(), text("req_1"))];
        let all = [
            fact(path.clone(), Seen::Shown(Box::new(cert))),
            fact(
                Path { host: "api.anthropic.com".to_owned(), ..path.clone() },
                Seen::Head { status: 200, headers },
            ),
            fact(
                Path { host: "other.corp.example".to_owned(), ..path },
                Seen::State("resolvers".to_owned(), text("10.1.2.3")),
            ),
            fact(Path::default(), Seen::State("clock.skew".to_owned(), text("412"))),
            fact(
                Path::default(),
                Seen::Addresses(vec!["10.1.2.3".parse().unwrap(), "127.0.0.1".parse().unwrap()]),
            ),
        ];
        let redacted = facts(&all);
        let shown = format!("{redacted:?}");
        for secret in SECRETS {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        for kept in [
            "host-1",
            "host-3",
            "api.anthropic.com",
            "proxy-1",
            "file-1",
            "412",
            "req_1",
            "127.0.0.1",
            "192.0.2.1",
        ] {
            assert!(shown.contains(kept), "{kept}: {shown}");
        }
    }
}
