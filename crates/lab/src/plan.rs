//! What a lab consists of, as data: the file `lab/world.toml` with a fault laid over it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// One of the three namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    /// The user's machine.
    Cli,
    /// Router, resolver of the LAN, company proxy.
    Rtr,
    /// The Internet.
    Net,
}

impl Place {
    pub(crate) const ALL: [Self; 3] = [Self::Cli, Self::Rtr, Self::Net];

    /// Its word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Cli => "cli",
            Self::Rtr => "rtr",
            Self::Net => "net",
        }
    }
}

/// A whole lab.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    pub(crate) client: Client,
    #[serde(default)]
    pub(crate) rules: Rules,
    /// Commands to be run in a namespace, before its services start.
    #[serde(default)]
    pub(crate) run: BTreeMap<Place, Vec<String>>,
    /// Addresses of a namespace besides those on which its services listen.
    #[serde(default)]
    pub(crate) address: BTreeMap<Place, Vec<IpAddr>>,
    pub(crate) ca: BTreeMap<String, Ca>,
    pub(crate) cert: BTreeMap<String, Cert>,
    /// Zones: a name, and its addresses or the name that it stands for.
    pub(crate) zone: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    pub(crate) dns: BTreeMap<String, Dns>,
    #[serde(default)]
    pub(crate) web: BTreeMap<String, Web>,
    #[serde(default)]
    pub(crate) proxy: BTreeMap<String, Proxy>,
    #[serde(default)]
    pub(crate) relay: BTreeMap<String, Relay>,
    #[serde(default)]
    pub(crate) program: BTreeMap<String, Program>,
    #[serde(default)]
    pub(crate) hold: BTreeMap<String, Hold>,
    pub(crate) link: Option<Link>,
}

/// The user's machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Client {
    pub(crate) resolv: String,
    /// Lines of the hosts file.
    pub(crate) hosts: Vec<String>,
    pub(crate) nsswitch: String,
    /// The CAs that its system trusts.
    pub(crate) store: Vec<String>,
    /// Files of its home directory, `${home}/NAME`.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) env: BTreeMap<String, String>,
    /// Arguments of the doctor.
    #[serde(default)]
    pub(crate) args: Vec<String>,
    /// The body of its call, for `--body`.
    pub(crate) body: Option<String>,
    /// How far its clock is off, as `faketime` takes it: `+400d`.
    pub(crate) clock: Option<String>,
    /// The most file descriptors; the hard limit is left as it is.
    pub(crate) descriptors: Option<u32>,
    /// Who its default routes lead to, by the name of an address: `router`, mostly.
    pub(crate) gateway: String,
    /// A body with so many bytes of text in the place of `body`.
    pub(crate) large_body: Option<usize>,
}

/// Packet filter rules, in nft's words. `counter name hit` marks what the fault does.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rules {
    /// What the router forwards.
    pub(crate) forward: Vec<String>,
    /// What arrives at the router.
    pub(crate) input: Vec<String>,
    /// What the router redirects.
    pub(crate) prerouting: Vec<String>,
    /// What the client sends.
    pub(crate) output: Vec<String>,
    /// Sets of the router.
    pub(crate) sets: Vec<String>,
}

/// A certificate authority.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ca {
    pub(crate) cn: String,
    pub(crate) o: Option<String>,
    pub(crate) email: Option<String>,
    /// The name of the intermediate that signs in its place.
    pub(crate) intermediate: Option<String>,
    /// Where the intermediate's certificate can be fetched (`caIssuers`).
    pub(crate) issuers_at: Option<String>,
}

/// A server's certificate.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cert {
    pub(crate) ca: String,
    pub(crate) names: Vec<String>,
    /// When it begins and ends, days from now.
    #[serde(default = "a_month_ago")]
    pub(crate) from: i64,
    #[serde(default = "in_two_months")]
    pub(crate) until: i64,
    /// Without the intermediate.
    #[serde(default)]
    pub(crate) bare: bool,
    /// Signed by itself.
    #[serde(default)]
    pub(crate) own: bool,
    /// An RSA key of so many bits, made by openssl, in the place of an elliptic one.
    pub(crate) rsa: Option<u32>,
}

const fn a_month_ago() -> i64 {
    -30
}

const fn in_two_months() -> i64 {
    60
}

/// A resolver.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dns {
    pub(crate) at: Place,
    #[serde(default)]
    pub(crate) off: bool,
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) zones: Vec<String>,
    #[serde(default)]
    pub(crate) rules: Vec<DnsRule>,
    /// Gives the addresses of a name in another order each time.
    #[serde(default)]
    pub(crate) rotate: bool,
}

/// What a resolver does to some questions; the first rule that fits counts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DnsRule {
    /// A name, `*.suffix`, or `*`.
    pub(crate) name: String,
    /// Names with this ending are left alone.
    pub(crate) except: Option<String>,
    /// `A` or `AAAA`; both and all others where nothing is said.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    /// Over `udp` or `tcp` alone.
    pub(crate) over: Option<String>,
    /// Each time that the number of fitting questions can be divided by this.
    pub(crate) every: Option<u64>,
    #[serde(rename = "do")]
    pub(crate) action: DnsAction,
    /// The records of `answer`, `cname` and `inject`.
    #[serde(default)]
    pub(crate) data: Vec<String>,
    #[serde(default)]
    pub(crate) delay_ms: u64,
}

/// What becomes of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DnsAction {
    Nxdomain,
    Servfail,
    Refused,
    Nodata,
    Drop,
    /// An answer without records that asks to come again over TCP.
    Tc,
    /// Own records.
    Answer,
    /// A name that stands for another.
    Cname,
    /// A forged answer, and the true one 40 ms later.
    Inject,
    /// The true answer, after the delay.
    Delay,
}

/// A web server: the API, or a site.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Web {
    pub(crate) at: Place,
    #[serde(default)]
    pub(crate) off: bool,
    /// Where it speaks TLS; where it has no certificate, HTTP.
    pub(crate) listen: Vec<SocketAddr>,
    /// Where it speaks HTTP.
    #[serde(default)]
    pub(crate) plain: Vec<SocketAddr>,
    pub(crate) cert: Option<String>,
    #[serde(default)]
    pub(crate) only_tls12: bool,
    #[serde(default)]
    pub(crate) alpn: Vec<String>,
    /// Agrees upon HTTP/2 and does not speak it.
    #[serde(default)]
    pub(crate) broken_h2: bool,
    /// Asks clients for a certificate of this CA.
    pub(crate) client_ca: Option<String>,
    /// It is the API, and this goes wrong: a scenario of the simulator.
    pub(crate) scenario: Option<String>,
    /// It is a site with these pages.
    #[serde(default)]
    pub(crate) page: Vec<Page>,
    pub(crate) edit: Option<Edit>,
    /// Resets a connection that sent more, bytes.
    pub(crate) reset_after: Option<u64>,
}

/// A fixed answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    /// The path; `*` for any.
    pub(crate) path: String,
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) body: String,
    /// A file of the lab's directory in the place of the body.
    pub(crate) file: Option<String>,
    /// For requests alone that have this header.
    pub(crate) header: Option<String>,
}

/// What somebody in the middle does to requests and answers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Edit {
    /// Headers of the request that are removed.
    pub(crate) strip: Vec<String>,
    /// Headers of the answer that are set; an empty value removes one.
    pub(crate) set: BTreeMap<String, String>,
    /// Headers of event streams that are set.
    pub(crate) set_of_streams: BTreeMap<String, String>,
    /// Holds an answer until it is complete.
    pub(crate) buffer: bool,
    /// Answers in the place of the server.
    pub(crate) page: Option<Page>,
}

/// A proxy for HTTP and SOCKS5.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proxy {
    pub(crate) at: Place,
    #[serde(default)]
    pub(crate) off: bool,
    pub(crate) listen: Vec<SocketAddr>,
    /// The certificate of a proxy that speaks TLS itself.
    pub(crate) cert: Option<String>,
    /// What it looks names up in.
    pub(crate) zones: Vec<String>,
    /// `user:password`.
    pub(crate) login: Option<String>,
    /// What it offers in its 407.
    #[serde(default)]
    pub(crate) schemes: Vec<String>,
    #[serde(default)]
    pub(crate) mode: ProxyMode,
    /// Names that it refuses, by their ending.
    #[serde(default)]
    pub(crate) deny: Vec<String>,
    /// Ends a tunnel that is silent for so long.
    pub(crate) idle_ms: Option<u64>,
    /// Opens TLS: with this certificate.
    pub(crate) inspect: Option<String>,
    pub(crate) edit: Option<Edit>,
}

/// How a proxy behaves once it may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProxyMode {
    #[default]
    Tunnel,
    /// 200, and the end with the first byte of the client.
    CloseAfter200,
    /// It cannot look names up: 503.
    CannotResolve,
    /// It never answers.
    Hang,
    /// It is a web server, and says 200 with a page to everything.
    Page,
    /// It leads everybody to a log-in page.
    Portal,
    /// It speaks SOCKS and nothing else: whoever does not is hung up on.
    SocksOnly,
}

/// A device on the path, to which connections are redirected.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Relay {
    pub(crate) at: Place,
    #[serde(default)]
    pub(crate) off: bool,
    pub(crate) listen: Vec<SocketAddr>,
    /// Where connections go on, in turn.
    pub(crate) to: Vec<SocketAddr>,
    #[serde(rename = "do", default)]
    pub(crate) action: RelayAction,
    /// To every n-th connection alone.
    pub(crate) every: Option<u64>,
    /// To hellos alone that contain this name.
    pub(crate) sni: Option<String>,
    /// The number of `alert`.
    pub(crate) alert: Option<u8>,
    pub(crate) idle_ms: Option<u64>,
    /// Opens TLS with this certificate.
    pub(crate) inspect: Option<String>,
    pub(crate) edit: Option<Edit>,
}

/// What a device does to connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RelayAction {
    #[default]
    Pass,
    /// Resets once the first bytes came.
    Rst,
    RstOnAccept,
    /// Reads and never answers.
    Hang,
    /// Answers the hello with a fatal alert.
    Alert,
    /// Closes once the hello came.
    FinOnHello,
    /// Swallows hellos that do not fit a packet.
    DropBigHello,
    /// Forgets a silent connection.
    IdleDrop,
    /// Resets a silent connection.
    IdleRst,
}

/// A real program.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Program {
    pub(crate) at: Place,
    #[serde(default)]
    pub(crate) off: bool,
    pub(crate) listen: Vec<SocketAddr>,
    /// The program and its arguments; it stays in the foreground.
    pub(crate) run: Vec<String>,
    /// Files in its directory `${dir}`.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
}

/// Takes ports and never accepts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hold {
    pub(crate) at: Place,
    #[serde(default)]
    pub(crate) off: bool,
    pub(crate) listen: Vec<SocketAddr>,
}

/// The emulated link between client and router.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Link {
    /// One way, milliseconds.
    pub(crate) delay_ms: u64,
    /// How many of a thousand packets are lost, each way.
    pub(crate) loss_permille: u16,
    /// The largest packet, bytes; larger ones vanish.
    pub(crate) mtu: usize,
}

impl Default for Link {
    fn default() -> Self {
        Self { delay_ms: 0, loss_permille: 0, mtu: 1500 }
    }
}

impl Client {
    /// The body of its call, where it has one of its own.
    pub(crate) fn own_body(&self) -> Option<String> {
        let large = |n: usize| {
            let text = "a few words to fill the page. ".repeat(n / 30 + 1);
            format!(
                r#"{{"model":"claude-haiku-5-5","max_tokens":16,"messages":[{{"role":"user","content":"{text}"}}]}}"#
            )
        };
        self.large_body.map(large).or_else(|| self.body.clone())
    }
}

impl Plan {
    /// Every address of a namespace: those listed, and those on which something listens.
    pub(crate) fn addresses(&self, place: Place) -> Vec<IpAddr> {
        let mut all = self.address.get(&place).cloned().unwrap_or_default();
        let mut add = |at: Place, off: bool, listen: &[SocketAddr]| {
            if at == place && !off {
                all.extend(listen.iter().map(SocketAddr::ip));
            }
        };
        self.dns.values().for_each(|s| add(s.at, s.off, &s.listen));
        for s in self.web.values() {
            add(s.at, s.off, &s.listen);
            add(s.at, s.off, &s.plain);
        }
        self.proxy.values().for_each(|s| add(s.at, s.off, &s.listen));
        self.relay.values().for_each(|s| add(s.at, s.off, &s.listen));
        self.program.values().for_each(|s| add(s.at, s.off, &s.listen));
        all.retain(|a| !a.is_loopback() && !a.is_unspecified());
        all.sort_unstable();
        all.dedup();
        all
    }
}
