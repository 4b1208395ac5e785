//! Facts: what was seen, by whom, and under which circumstances.

use std::net::IpAddr;

use crate::failure::{Failure, Sent, Stage};
use crate::id::{CallId, FactId, ProbeId};
use crate::secret::Foreign;
use crate::time::{Dur, Mono, Wall};

/// Who saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A probe of the doctor.
    Probe(ProbeId),
    /// An attempt of a real call.
    Attempt(CallId, u16),
    /// A line of a log.
    Log {
        /// The file, by its place on the command line.
        file: u32,
        /// From 1.
        line: u64,
    },
    /// A packet of a capture, by its number from 1.
    Packet {
        /// The frame's number.
        frame: u64,
    },
    /// This machine itself: its files, environment and clock.
    Host,
}

/// How the way led out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// Without a proxy.
    Direct,
    /// Through this proxy, `scheme://host:port` without credentials.
    Proxy(String),
}

/// Against which roots a certificate was judged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// The operating system's store.
    System,
    /// What the world trusts.
    Public,
    /// This file.
    File(String),
}

/// What a DNS message travelled over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// A datagram (RFC 1035 section 4.2.1).
    Udp,
    /// A connection (RFC 7766).
    Tcp,
}

/// The circumstances under which something was seen. `None` means: does not apply, or was left as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Path {
    /// The host that was meant.
    pub host: String,
    /// The port, where it is not the target's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The resolver that was asked; `None` is the system's way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolver: Option<IpAddr>,
    /// What the question travelled over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// 4 or 6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<u8>,
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// The server name of the handshake; `Some("")` sends none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// What was offered as ALPN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpn: Option<String>,
    /// Size of the ClientHello, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hello: Option<u16>,
    /// The trust store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
    /// The maximum segment size that was asked for, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mss: Option<u16>,
    /// 11 or 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<u8>,
    /// Size of the request's body, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<u64>,
    /// The connection had been used before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reused: Option<bool>,
    /// How long the connection was left silent before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Dur>,
    /// Which credential, by alias; `Some("")` sends none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// The client whose behaviour was followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// The axes of a [`Path`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// The host.
    Host,
    /// The port.
    Port,
    /// The resolver.
    Resolver,
    /// What the question travelled over.
    Transport,
    /// The address family.
    Family,
    /// The address.
    Address,
    /// The way out.
    Route,
    /// The server name.
    ServerName,
    /// ALPN.
    Alpn,
    /// The size of the hello.
    Hello,
    /// The trust store.
    Trust,
    /// The segment size.
    Mss,
    /// The HTTP version.
    Http,
    /// The body's size.
    Body,
    /// Reuse.
    Reused,
    /// The silence before.
    Idle,
    /// The credential.
    Credential,
    /// The client.
    Client,
}

impl Path {
    /// The axes in which two paths differ.
    #[must_use]
    pub fn differs(&self, other: &Self) -> Vec<Axis> {
        let pairs = [
            (Axis::Host, self.host != other.host),
            (Axis::Port, self.port != other.port),
            (Axis::Resolver, self.resolver != other.resolver),
            (Axis::Transport, self.transport != other.transport),
            (Axis::Family, self.family != other.family),
            (Axis::Address, self.address != other.address),
            (Axis::Route, self.route != other.route),
            (Axis::ServerName, self.server_name != other.server_name),
            (Axis::Alpn, self.alpn != other.alpn),
            (Axis::Hello, self.hello != other.hello),
            (Axis::Trust, self.trust != other.trust),
            (Axis::Mss, self.mss != other.mss),
            (Axis::Http, self.http != other.http),
            (Axis::Body, self.body != other.body),
            (Axis::Reused, self.reused != other.reused),
            (Axis::Idle, self.idle != other.idle),
            (Axis::Credential, self.credential != other.credential),
            (Axis::Client, self.client != other.client),
        ];
        pairs.into_iter().filter_map(|(axis, differs)| differs.then_some(axis)).collect()
    }
}

/// A certificate as it was shown, whether it is trusted or not.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Certificate {
    /// Whose it is.
    pub subject: Foreign,
    /// Who signed it.
    pub issuer: Foreign,
    /// Its serial number, in hexadecimal digits.
    pub serial: Foreign,
    /// The names that it is for.
    pub names: Vec<Foreign>,
    /// Its first moment.
    pub from: Wall,
    /// Its last moment.
    pub until: Wall,
    /// Size of its public key, bits; of the modulus for RSA, of the field for elliptic curves.
    pub key_bits: u32,
    /// Where its issuer can be fetched (RFC 5280 section 4.2.2.1).
    pub issuers_at: Vec<Foreign>,
    /// How many certificates were shown with it.
    pub chain: u8,
}

/// How the events of a stream came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Pace {
    /// How many events came.
    pub events: u32,
    /// From the request to the first.
    pub first: Dur,
    /// From the request to the last.
    pub last: Dur,
    /// The longest silence between two reads, with the one before an end that was not well.
    pub gap: Dur,
    /// Whether the length was announced, which a stream that is passed on as it comes cannot do.
    pub sized: bool,
}

/// What was seen when a stage went well.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// Addresses, in the order of the answer.
    Addresses(Vec<IpAddr>),
    /// A connection.
    Connected,
    /// A tunnel, with the proxy's status.
    Tunnelled(u16),
    /// A handshake: version (`13` for TLS 1.3), ALPN, issuer of the certificate.
    Handshake {
        /// 12 or 13.
        version: u8,
        /// What was agreed on.
        alpn: Option<String>,
        /// Issuer of the leaf.
        issuer: Foreign,
    },
    /// The certificate of a handshake that was stopped, or judged elsewhere.
    Shown(Box<Certificate>),
    /// An answer's head.
    Head {
        /// The status.
        status: u16,
        /// Names and values, in order, without secrets.
        headers: Vec<(String, Foreign)>,
    },
    /// A complete answer.
    Complete,
    /// How a stream's events came.
    Paced(Pace),
    /// A setting, file or other state of this machine: its name and what it says.
    State(String, Foreign),
}

/// One observation.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fact {
    /// Its place in the evidence.
    pub id: FactId,
    /// Who saw it.
    pub from: Source,
    /// Under which circumstances.
    pub path: Path,
    /// At which stage.
    pub stage: Stage,
    /// What was seen.
    pub saw: Result<Seen, Failure>,
    /// Whether the request had left.
    pub sent: Sent,
    /// When.
    pub at: Mono,
    /// How long it took.
    pub took: Dur,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_the_axes_in_which_they_differ() {
        let direct = Path { host: "api.example".into(), route: Some(Route::Direct), ..Path::default() };
        let proxied = Path { route: Some(Route::Proxy("http://127.0.0.1:7890".into())), ..direct.clone() };
        assert_eq!(direct.differs(&proxied), [Axis::Route]);
        assert_eq!(direct.differs(&direct), []);
    }
}
