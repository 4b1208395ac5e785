//! The plan: which probes are worth making next, from what was seen.
//!
//! A probe is data. Every layer has a planner, a pure function from the evidence to the probes that would tell its causes
//! from their look-alikes; what was asked once is not asked again, and when no planner wants more the diagnosis is done.
//! On a path that works only the first step is made.

use std::net::IpAddr;

use clearline_model::{Cause, Dur, Path, Route};

use crate::client::Profile;
use crate::evidence::Evidence;
use crate::rules;

/// Where the reference client would go, and what the doctor may do.
#[expect(clippy::struct_excessive_bools, reason = "each is a circumstance of its own")]
#[derive(Debug, Clone, Default)]
pub struct Goal {
    /// The host of the target.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether the target is spoken to in clear.
    pub is_plain: bool,
    /// Whether it is the API's own address rather than a configured one.
    pub is_default: bool,
    /// Whether the target is this machine.
    pub is_loopback: bool,
    /// The way out that the reference client takes.
    pub proxy: Option<String>,
    /// The resolvers of this machine, in their order.
    pub resolvers: Vec<IpAddr>,
    /// Resolvers that anybody may ask.
    pub public_resolvers: Vec<IpAddr>,
    /// Hosts that have nothing to do with the target, to tell its faults from those of the whole network.
    pub controls: Vec<String>,
    /// Nobody but the target, its proxy and the system's resolvers is contacted.
    pub only_target: bool,
    /// No call that spends tokens.
    pub no_call: bool,
    /// Slow tests are wanted.
    pub deep: bool,
    /// Host and port of another cloud, where a setting sends known clients there.
    pub cloud: Option<(String, u16)>,
    /// The size of the body that the call is made with, bytes, where it is not the doctor's own.
    pub body: Option<u64>,
    /// The client that is diagnosed, where one is named.
    pub client: Option<Profile>,
    /// These probes and no others.
    pub only: Option<Vec<Probe>>,
}

impl Goal {
    /// The circumstances of the reference client, without what it chooses on the way.
    #[must_use]
    pub fn path(&self) -> Path {
        let route = self.proxy.clone().map_or(Route::Direct, Route::Proxy);
        Path { host: self.host.clone(), route: Some(route), ..Path::default() }
    }

    /// The target without a proxy.
    #[must_use]
    pub fn direct(&self) -> Path {
        Path { host: self.host.clone(), route: Some(Route::Direct), ..Path::default() }
    }

    /// An address of the target, without a proxy.
    #[must_use]
    pub fn at(&self, address: IpAddr) -> Path {
        Path { family: Some(family(address)), address: Some(address), ..self.direct() }
    }
}

/// 4 or 6.
#[must_use]
pub const fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { 4 } else { 6 }
}

/// What a probe does. Its circumstances are in its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// The reference client's call, stage by stage.
    Reference,
    /// A look-up: the system's way, or a message to a resolver.
    Lookup,
    /// A look-up whose socket stays open for a second answer.
    LookupTwice,
    /// A connection, closed at once.
    Connect,
    /// A look-up the system's way, and then a handshake with every address; a connection where the target is spoken to in
    /// clear.
    Addresses,
    /// Handshakes with one address, one after the other rather than all at once; connections where the target is spoken to
    /// in clear.
    Series,
    /// A connection over which nothing is sent: does the other side close it by itself?
    Silence,
    /// A handshake that takes any certificate; each store judges what was shown.
    Handshake,
    /// A raw hello of a chosen shape, and what comes first.
    Hello,
    /// HTTP/2's preface on a connection that agreed on it.
    Http2,
    /// A request without a credential.
    Keyless,
    /// A request in clear for a date and for whoever answers in the target's place.
    Plain,
    /// A request without a credential and with a body of a chosen size.
    Upload,
    /// The proxy asked for a tunnel, without a handshake behind it.
    Tunnel,
    /// The proxies of this network and those that are set here and not used, each asked for a tunnel.
    Proxies,
    /// Free requests over one connection, one after the other, for as long as the limit allows.
    Free,
    /// The target's API under the paths that gateways use.
    Paths,
    /// A request over a connection that was left silent for a while after another.
    Reuse,
    /// The issuer of a certificate, fetched from where the certificate says it lies.
    Issuer,
    /// The neighbours, routes, links and filters of this machine.
    Host,
    /// A finished connection that is left silent for a while.
    Idle,
    /// Connections that are begun, and whether their packets leave this machine.
    Packets,
    /// A handshake that takes any certificate, and a date from behind it: is the chain good at the server's own time?
    Dated,
}

/// One probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What is done.
    pub what: What,
    /// Under which circumstances.
    pub path: Path,
    /// How often, all at once.
    pub times: u8,
    /// The longest time that one may take.
    pub limit: Dur,
    /// Whether the verdict waits for it. What runs in the background counts when it ends in time.
    pub is_background: bool,
    /// The causes that it tells apart.
    pub why: &'static [Cause],
}

impl Probe {
    /// A probe that is made once and waited for.
    #[must_use]
    pub const fn new(what: What, path: Path, limit: Dur, why: &'static [Cause]) -> Self {
        Self { what, path, times: 1, limit, is_background: false, why }
    }

    /// Made so often.
    #[must_use]
    pub const fn times(mut self, times: u8) -> Self {
        self.times = times;
        self
    }

    /// Not waited for.
    #[must_use]
    pub const fn background(mut self) -> Self {
        self.is_background = true;
        self
    }

    /// Whether it asks the same as another.
    fn same(&self, other: &Self) -> bool {
        self.what == other.what && self.path == other.path && self.times <= other.times
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// These probes, all at once.
    Probe(Vec<Probe>),
    /// Nothing more would change the verdict.
    Done,
}

/// The longest diagnosis that new probes are still begun in.
pub const PATIENCE: Dur = Dur::secs(12);

/// The next step. `asked` is everything that was asked before.
#[must_use]
pub fn next(goal: &Goal, evidence: &Evidence, asked: &[Probe], spent: Dur) -> Step {
    if spent > PATIENCE && !goal.deep {
        return Step::Done;
    }
    let mut wanted: Vec<Probe> = Vec::new();
    if let Some(only) = &goal.only {
        wanted.extend(only.iter().filter(|probe| !asked.iter().any(|old| probe.same(old))).cloned());
        return if wanted.is_empty() { Step::Done } else { Step::Probe(wanted) };
    }
    for probe in rules::planners().iter().flat_map(|plan| plan(goal, evidence)) {
        if !asked.iter().chain(&wanted).any(|old| probe.same(old)) {
            wanted.push(probe);
        }
    }
    if wanted.is_empty() { Step::Done } else { Step::Probe(wanted) }
}

/// What is worth asking while a call is under way that takes long: what was seen beside it tells already.
#[must_use]
pub fn meanwhile(goal: &Goal, evidence: &Evidence, asked: &[Probe]) -> Vec<Probe> {
    let mut probes = rules::meanwhile(goal, evidence);
    probes.retain(|probe| !asked.iter().any(|old| probe.same(old)));
    probes
}
