//! Connections: addresses, families, ports, what drops them and what closes them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use clearline_model::{Axis, Cause, Dur, Fact, Failure, Icmp, Path, Proof, Role, Route, Stage};

use super::address::{Kind, kind};
use super::net::Routes;
use super::{Found, Rule, dns};
use crate::evidence::{Evidence, REFERENCE};
use crate::plan::{Goal, Probe, What, family};

pub(crate) const RULES: &[Rule] = &[
    Rule { cause: Cause::ConfigBaseUrlDead, judge: base_url_dead },
    Rule { cause: Cause::TcpPortBlocked, judge: port_blocked },
    Rule { cause: Cause::TcpFiltered, judge: filtered },
    Rule { cause: Cause::TcpRejected, judge: rejected },
    Rule { cause: Cause::TcpProhibited, judge: prohibited },
    Rule { cause: Cause::TcpIpv6Broken, judge: |e| broken_family(e, 6) },
    Rule { cause: Cause::TcpIpv4Broken, judge: |e| broken_family(e, 4) },
    Rule { cause: Cause::DnsBadAddressInSet, judge: bad_address },
    Rule { cause: Cause::TcpAcceptsThenCloses, judge: accepts_then_closes },
    Rule { cause: Cause::TcpMtuBlackhole, judge: mtu },
    Rule { cause: Cause::TcpConnectionLimit, judge: connection_limit },
    Rule { cause: Cause::TcpIntermittentReset, judge: intermittent },
    Rule { cause: Cause::TcpPacketLoss, judge: packet_loss },
];

/// The longest wait of a control experiment.
const LIMIT: Dur = Dur::secs(3);
/// How often one address is tried, one connection after the other, where its faults come and go.
const SERIES: u8 = 12;

/// How many connections a share of lost packets is counted with.
const MANY: u8 = 24;

/// What tells the layers above apart from a path that comes and goes.
pub(crate) fn plan(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    let mut probes = Vec::new();
    let is_direct = goal.proxy.is_none();
    let ended = evidence.end().filter(|_| is_direct);
    match ended {
        Some((fact, failure)) if fact.stage == Stage::Connect && failure != Failure::Reset => {
            probes.extend(controls(goal, evidence));
        }
        Some((fact, _)) if matches!(fact.stage, Stage::Connect | Stage::Handshake) => {
            if let Some(address) = fact.path.address {
                probes.push(Probe::new(
                    What::Silence,
                    goal.at(address),
                    Dur::millis(700),
                    &[Cause::TcpAcceptsThenCloses],
                ));
                let small = Path { mss: Some(536), ..goal.at(address) };
                probes.push(Probe::new(What::Handshake, small, LIMIT, &[Cause::TcpMtuBlackhole]));
            }
        }
        Some(_) | None => {}
    }
    // An address that nobody waited for, and one that failed beside others that did not.
    if is_direct
        && (evidence.said("unfinished").any(|(f, _)| f.stage == Stage::Connect) || comes_and_goes(evidence))
    {
        let what = if goal.is_plain { What::Connect } else { What::Handshake };
        for address in evidence.addresses().iter().take(6) {
            probes.push(Probe::new(what, goal.at(*address), LIMIT, &[Cause::TcpIpv6Broken]).times(2));
        }
    }
    for address in suspects(evidence).into_iter().filter(|_| is_direct).take(2) {
        probes.push(Probe::new(What::Connect, goal.at(address), LIMIT, &[Cause::TcpPacketLoss]).times(MANY));
    }
    if is_direct && (comes_and_goes(evidence) || refused_beside(evidence).is_some()) {
        let address = evidence.end().and_then(|(f, _)| f.path.address).or_else(|| unsteady(evidence).next());
        let address = address.or_else(|| refused_beside(evidence));
        let series = |address| {
            Probe::new(What::Series, goal.at(address), LIMIT, &[Cause::TcpIntermittentReset]).times(SERIES)
        };
        probes.extend(address.map(series));
    }
    probes
}

/// The same address on another port, and hosts that have nothing to do with the target.
fn controls(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    const WHY: &[Cause] = &[Cause::TcpFiltered, Cause::TcpPortBlocked, Cause::NetEgressBlocked];
    let mut probes = Vec::new();
    if goal.is_loopback {
        return probes;
    }
    for address in evidence.addresses().iter().take(4) {
        probes.push(Probe::new(What::Connect, goal.at(*address), LIMIT, WHY).times(3));
        let other = Path { port: Some(80), ..goal.at(*address) };
        probes.push(Probe::new(What::Connect, other, LIMIT, WHY).times(3));
    }
    if goal.only_target {
        return probes;
    }
    for port in [443, 80] {
        let port = Some(port);
        for host in &goal.controls {
            let path = Path { host: host.clone(), port, route: Some(Route::Direct), ..Path::default() };
            probes.push(Probe::new(What::Connect, path, LIMIT, WHY));
        }
        for ip in &goal.public_resolvers {
            let path =
                Path { host: ip.to_string(), family: Some(family(*ip)), address: Some(*ip), ..goal.direct() };
            probes.push(Probe::new(What::Connect, Path { port, ..path }, LIMIT, WHY));
        }
    }
    probes
}

/// Addresses at which connections and handshakes ended both ways.
fn unsteady(evidence: &Evidence) -> impl Iterator<Item = IpAddr> {
    let of = |is_well: bool| -> BTreeSet<IpAddr> {
        plain_tries(evidence).filter(|f| f.saw.is_ok() == is_well).filter_map(|f| f.path.address).collect()
    };
    let (well, failed) = (of(true), of(false));
    well.into_iter().filter(move |ip| failed.contains(ip))
}

/// An address that refused several connections at once, while another one took some: it may take one at a time.
fn refused_beside(evidence: &Evidence) -> Option<IpAddr> {
    let tries = || plain_tries(evidence).filter(|f| f.path.client.is_none());
    tries().find(|f| f.saw.is_ok())?;
    tries().find(|f| matches!(f.saw, Err(Failure::Refused | Failure::Reset)))?.path.address
}

fn comes_and_goes(evidence: &Evidence) -> bool {
    unsteady(evidence).next().is_some()
}

/// Connections and handshakes with the target as anybody makes them: nothing about them was chosen, and no certificate decides.
fn plain_tries(evidence: &Evidence) -> impl Iterator<Item = &Fact> {
    // Addresses that other resolvers give are tried too; they are none of this set.
    let set = evidence.addresses();
    let fits = move |f: &&Fact| {
        let path = &f.path;
        let is_given = set.is_empty() || path.address.is_some_and(|ip| set.contains(&ip));
        let is_own = path.trust.is_none() || path.client.as_deref() == Some(REFERENCE);
        let is_chosen = path.server_name.is_some()
            || path.alpn.is_some()
            || path.hello.is_some()
            || path.mss.is_some()
            || path.port.is_some()
            || path.idle.is_some();
        let is_judged = matches!(f.saw, Err(Failure::Cert(_) | Failure::Local(_) | Failure::Config(_)));
        let is_stage = matches!(f.stage, Stage::Connect | Stage::Handshake);
        let is_direct = path.route == Some(Route::Direct) && path.address.is_some();
        is_stage
            && is_direct
            && is_given
            && is_own
            && !is_chosen
            && !is_judged
            && !is_said(f)
            && is_target(evidence, f)
    };
    evidence.facts().iter().filter(fits)
}

/// Whether a fact is none of a try, but what was said or shown beside one.
pub(super) fn is_said(fact: &Fact) -> bool {
    matches!(fact.saw, Ok(clearline_model::Seen::State(..) | clearline_model::Seen::Shown(_)))
}

/// Whether a fact is about the target's own host.
fn is_target(evidence: &Evidence, fact: &Fact) -> bool {
    evidence.reference().next().is_some_and(|own| own.path.host == fact.path.host)
}

fn is_default(fact: &Fact) -> bool {
    fact.path.host == dns::API
}

/// Nothing listens where the base URL leads, and the host is reached or is this machine.
fn base_url_dead(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end()?;
    let is_dead = fact.stage == Stage::Connect && matches!(failure, Failure::Refused | Failure::TimedOut(_));
    let is_local = evidence.state("base-url.loopback").is_some();
    if !is_dead || is_default(fact) || evidence.state("base-url").is_none() {
        return None;
    }
    let found = Found::root(fact);
    Some(if is_local || failure == Failure::Refused { found } else { found.likely() })
}

/// Connections to hosts that have nothing to do with the target, on a port. What was said beside one is none.
fn control(evidence: &Evidence, port: u16) -> impl Iterator<Item = &Fact> {
    let is_control = move |f: &&Fact| {
        f.stage == Stage::Connect
            && f.path.port == Some(port)
            && f.path.client.is_none()
            && !is_said(f)
            && !is_target(evidence, f)
    };
    evidence.facts().iter().filter(is_control)
}

/// Whether a host was reached: it accepted, or it refused by itself.
const fn is_reached(fact: &Fact) -> bool {
    matches!(fact.saw, Ok(_) | Err(Failure::Refused))
}

/// Nothing comes back from the address, and other hosts are reached on the same port.
fn filtered(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end().filter(|(f, _)| f.stage == Stage::Connect)?;
    let is_silent = matches!(failure, Failure::TimedOut(_));
    // An address that a program made up is not the API's, and no firewall knows it.
    let is_made_up = fact.path.address.is_some_and(|ip| kind(ip) == Kind::Fake);
    let reached = control(evidence, 443).find(|f| is_reached(f))?;
    (is_silent && !is_made_up && evidence.state("base-url").is_none())
        .then(|| Found::root(fact).flipped(Some(reached), Axis::Host))
}

/// Nobody is reached on port 443, and others are on port 80.
fn port_blocked(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end().filter(|(f, _)| f.stage == Stage::Connect)?;
    let is_blocked = matches!(failure, Failure::TimedOut(_) | Failure::Unreachable(_) | Failure::Refused);
    let same = |f: &Fact| f.saw.as_ref().err().is_some_and(|own| same_kind(*own, failure));
    let (mut tried, mut open) = (0, false);
    for other in control(evidence, 443) {
        tried += 1;
        open |= !same(other);
    }
    let own_other_port = evidence.find(|f| {
        let is_try = f.stage == Stage::Connect && f.path.port == Some(80) && !is_said(f);
        is_try && is_target(evidence, f) && f.saw.is_ok()
    });
    let elsewhere = control(evidence, 80).find(|f| f.saw.is_ok() || same_host_refuses(evidence, f));
    let reached = own_other_port.or(elsewhere)?;
    (is_blocked && tried > 0 && !open).then(|| Found::root(fact).flipped(Some(reached), Axis::Port))
}

/// A refusal on port 80 says that packets come back; where 443 is refused too, it says nothing about the port.
fn same_host_refuses(evidence: &Evidence, fact: &Fact) -> bool {
    fact.saw == Err(Failure::Refused)
        && evidence.end().is_some_and(|(_, failure)| failure != Failure::Refused)
}

fn same_kind(a: Failure, b: Failure) -> bool {
    std::mem::discriminant(&a) == std::mem::discriminant(&b)
}

/// The refusal is one that only a firewall gives, or came from nearer than the address: by what is left of its packets' time to live, or because on another port the
/// same address never answers but much later than the slowest refusal.
fn rejected(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end().filter(|(f, _)| f.stage == Stage::Connect)?;
    let is_local = evidence.state("base-url.loopback").is_some();
    // Where everybody is refused on this port, the port is what is blocked.
    if failure != Failure::Refused || is_local || port_blocked(evidence).is_some() {
        return None;
    }
    refused_by_icmp(evidence, fact)
        .or_else(|| reset_from_nearby(evidence, fact))
        .or_else(|| refused_too_soon(evidence, fact))
}

/// ICMP says that the port cannot be reached. A host on which nothing listens resets instead (RFC 9293 section 3.10.7.1), so this
/// is a firewall: on the way, or the host's own where the host's address says it.
fn refused_by_icmp(evidence: &Evidence, fact: &Fact) -> Option<Found> {
    let own = || evidence.said("icmp").filter(|(f, _)| is_target(evidence, f) && f.path.port.is_none());
    let (said, from) = own().find_map(|(f, text)| {
        let (number, from) = text.raw().split_once(" from ")?;
        matches!(number, "3/3" | "1/4").then_some((f, from))
    })?;
    let mut found = Found::root(fact);
    found.proof.push(Proof::One(said.id));
    let is_host = said.path.address.is_some_and(|ip| from.parse() == Ok(ip));
    Some(if is_host { found.likely() } else { found })
}

/// How many routers a packet has passed, by its time to live: systems begin with 64, 128 or 255.
fn hops(ttl: u8) -> u8 {
    let begun = [64, 128, 255].into_iter().find(|begun| ttl <= *begun).unwrap_or(u8::MAX);
    begun - ttl
}

/// What decided about connections to the target's addresses: a reset or not, and how many routers it passed.
fn decided(evidence: &Evidence, is_reset: bool) -> impl Iterator<Item = (&Fact, u8)> {
    evidence.said("ttl").filter_map(move |(fact, text)| {
        let (word, ttl) = text.raw().split_once(' ')?;
        let is_it = is_target(evidence, fact) && (word == "reset") == is_reset;
        is_it.then_some((fact, hops(ttl.parse().ok()?)))
    })
}

/// A reset of an address that lies behind a router, and no router has touched it; or one that passed fewer of them than what the
/// same address sends from another port.
fn reset_from_nearby(evidence: &Evidence, fact: &Fact) -> Option<Found> {
    let routes = Routes::new(evidence);
    let is_behind = |ip: IpAddr| routes.to(ip).is_some_and(|route| route.via.is_some());
    let own = || decided(evidence, true).filter(|(f, _)| f.path.port.is_none());
    let at_hand = own().find(|(f, hops)| *hops == 0 && f.path.address.is_some_and(is_behind));
    if let Some((reset, _)) = at_hand {
        let mut found = Found::root(fact);
        found.proof.push(Proof::One(reset.id));
        return Some(found);
    }
    own().find_map(|(reset, near)| {
        let same = |f: &Fact| f.path.address == reset.path.address && f.path.port.is_some();
        let (farther, _) = decided(evidence, false).find(|(f, far)| same(f) && *far > near)?;
        Some(Found::root(reset).flipped(Some(farther), Axis::Port))
    })
}

fn refused_too_soon(evidence: &Evidence, fact: &Fact) -> Option<Found> {
    /// Below this two times are not told apart.
    const CLEAR: Dur = Dur::millis(15);
    // Who sent the resets is known: then their time says nothing more.
    if decided(evidence, true).next().is_some() {
        return None;
    }
    let own = || evidence.at(Stage::Connect).filter(|f| f.path.address == fact.path.address && !is_said(f));
    let refused =
        own().filter(|f| f.path.port.is_none() && f.saw == Err(Failure::Refused)).map(|f| f.took).max()?;
    let farther = own().filter(|f| f.path.port == Some(80) && f.saw.is_ok()).min_by_key(|f| f.took)?;
    let is_nearer = farther.took > CLEAR && refused.0.saturating_mul(3) < farther.took.0;
    is_nearer.then(|| Found::root(fact).flipped(Some(farther), Axis::Port))
}

/// An ICMP message says that it is forbidden; the connection's own error does not tell that from a host that is gone.
fn prohibited(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end().filter(|(f, _)| f.stage == Stage::Connect)?;
    let said = evidence.find(|f| {
        f.stage == Stage::Connect
            && is_target(evidence, f)
            && f.saw == Err(Failure::Unreachable(Icmp::Prohibited))
    })?;
    let is_unreachable = matches!(failure, Failure::Unreachable(_) | Failure::TimedOut(_));
    is_unreachable.then(|| {
        let mut found = Found::root(fact);
        found.proof = vec![Proof::One(said.id)];
        found
    })
}

/// Whether every try in a family failed at an address, and how.
fn dead_in(evidence: &Evidence, of: u8) -> Option<&Fact> {
    let tries = || plain_tries(evidence).filter(|f| f.path.family == Some(of));
    let failed = tries().find(|f| f.saw.is_err())?;
    let is_alive = |address: Option<IpAddr>| {
        let own = || tries().filter(|f| f.path.address == address);
        let deepest = own().map(|f| f.stage).max();
        own().any(|f| f.saw.is_ok() && Some(f.stage) == deepest)
    };
    let addresses: BTreeSet<Option<IpAddr>> = tries().map(|f| f.path.address).collect();
    (!addresses.iter().any(|a| is_alive(*a))).then_some(failed)
}

/// One family is set up and does not work, the other does.
fn broken_family(evidence: &Evidence, broken: u8) -> Option<Found> {
    let failed = dead_in(evidence, broken)?;
    let stage = failed.stage;
    // A family without a route is not set up here, and so no fault.
    if matches!(
        failed.saw,
        Err(Failure::Unreachable(Icmp::NoRoute) | Failure::NoAddress | Failure::Cert(_) | Failure::Local(_))
    ) {
        return None;
    }
    // Where packets get lost, a family in which some tries got as far as a connection has had bad luck.
    let has_connected = || plain_tries(evidence).any(|f| f.path.family == Some(broken) && f.saw.is_ok());
    if has_connected() && packet_loss(evidence).is_some() {
        return None;
    }
    // A server on this machine listens on what it likes: its other address is no way that is broken.
    if failed.path.address.is_some_and(|ip| ip.is_loopback()) && failed.saw == Err(Failure::Refused) {
        return None;
    }
    let other = plain_tries(evidence)
        .find(|f| f.path.family == Some(10 - broken) && f.saw.is_ok() && f.stage >= stage)?;
    if dead_in(evidence, 10 - broken).is_some() {
        return None;
    }
    let ends_there =
        evidence.end().is_some_and(|(f, _)| f.path.family == Some(broken) && f.stage <= Stage::Handshake);
    let found = if ends_there { Found::root(failed) } else { Found::contributing(failed) };
    Some(found.flipped(Some(other), Axis::Family))
}

/// Of several addresses of one family, some do not answer.
fn bad_address(evidence: &Evidence) -> Option<Found> {
    let tries = || plain_tries(evidence).filter(|f| f.path.address.is_some());
    let is_well = |f: &&Fact| f.saw.is_ok();
    let failed = tries().find(|failed| {
        let (address, family) = (failed.path.address, failed.path.family);
        let own = || tries().filter(move |f| f.path.address == address && f.stage >= failed.stage);
        let counts = !matches!(failed.saw, Err(Failure::Unreachable(Icmp::NoRoute)));
        let siblings = || tries().filter(move |f| f.path.family == family && f.path.address != address);
        failed.saw.is_err()
            && counts
            && own().all(|f| f.saw.is_err())
            && siblings().any(|f| is_well(&f) && f.stage >= failed.stage)
    })?;
    let well =
        tries().find(|f| is_well(f) && f.path.family == failed.path.family && f.stage >= failed.stage)?;
    let ends_there = evidence.end().is_some_and(|(f, _)| f.path.address == failed.path.address);
    let found = if ends_there { Found::root(failed) } else { Found::contributing(failed) };
    Some(found.flipped(Some(well), Axis::Address))
}

/// It closes before a byte was sent: whoever accepts is no server, or serves nobody.
fn accepts_then_closes(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end().filter(|(f, _)| f.stage == Stage::Handshake)?;
    let (said, _) = evidence
        .said("silence")
        .find(|(f, word)| f.path.address == fact.path.address && matches!(word.raw(), "closed" | "reset"))?;
    matches!(failure, Failure::Reset | Failure::Eof).then(|| {
        let mut found = Found::root(fact);
        found.proof.push(Proof::One(said.id));
        found
    })
}

/// What does not pass in large segments passes in small ones.
fn mtu(evidence: &Evidence) -> Option<Found> {
    let small = evidence
        .find(|f| f.path.mss.is_some() && f.saw.is_ok() && f.stage == Stage::Handshake && !is_said(f))?;
    let large = evidence.find(|f| {
        let path = Path { mss: None, ..small.path.clone() };
        let is_same = f.path.address == path.address && f.path.mss.is_none() && f.path.hello == path.hello;
        f.stage == small.stage && is_same && matches!(f.saw, Err(Failure::TimedOut(_)))
    })?;
    if packet_loss(evidence).is_some() {
        return None;
    }
    // Where some large ones pass, the size is not the reason.
    let passes =
        |f: &&Fact| f.path.address == small.path.address && f.path.hello == small.path.hello && f.saw.is_ok();
    let is_large = |f: &&Fact| {
        f.path.mss.is_none() && f.stage == Stage::Handshake && !is_said(f) && f.path.trust.is_none()
    };
    if evidence.facts().iter().filter(is_large).any(|f| passes(&f)) {
        return None;
    }
    let ends_there = evidence.end().is_some_and(|(f, _)| f.stage >= Stage::Handshake);
    let found = if ends_there { Found::root(large) } else { Found::contributing(large) };
    Some(found.flipped(Some(small), Axis::Mss))
}

/// Tries of one address, one after the other.
fn series(evidence: &Evidence) -> Vec<&Fact> {
    evidence.facts().iter().filter(|f| f.path.reused == Some(false) && !is_said(f)).collect()
}

/// One after the other all go well; several at once do not.
fn connection_limit(evidence: &Evidence) -> Option<Found> {
    let one_by_one = series(evidence);
    let address = one_by_one.first()?.path.address;
    let at_once = || plain_tries(evidence).filter(|f| f.path.reused.is_none() && f.path.address == address);
    let lost = at_once().filter(|f| is_lost(f)).count();
    // The first of the series may still meet those that were open at once.
    let alone: Vec<&&Fact> = one_by_one.iter().skip_while(|f| f.saw.is_err()).collect();
    let is_alone = alone.len() * 2 > usize::from(SERIES) && alone.iter().all(|f| f.saw.is_ok());
    if lost == 0 || one_by_one.len() < usize::from(SERIES) || !is_alone {
        return None;
    }
    let first = at_once().find(|f| is_lost(f))?;
    Some(Found::contributing(first).rate(lost, at_once().count()))
}

/// Whether a connection was lost, whatever else is wrong with the other side.
const fn is_lost(fact: &Fact) -> bool {
    matches!(fact.saw, Err(Failure::Reset | Failure::Eof | Failure::Refused | Failure::TimedOut(_)))
}

/// Of many connections to one address some are reset, and the others are not.
fn intermittent(evidence: &Evidence) -> Option<Found> {
    let one_by_one = series(evidence);
    let lost = one_by_one.iter().filter(|f| matches!(f.saw, Err(Failure::Reset | Failure::Eof))).count();
    let first = one_by_one.iter().find(|f| matches!(f.saw, Err(Failure::Reset | Failure::Eof)))?;
    if connection_limit(evidence).is_some() {
        return None;
    }
    (lost < one_by_one.len()).then(|| Found::contributing(first).rate(lost, one_by_one.len()))
}

/// The first packet of a connection is sent again after a second (RFC 6298 section 2): so much longer than it takes, and it was
/// lost once.
const AGAIN: Dur = Dur::millis(950);

/// What a connection and a handshake take at their shortest: on a long way that alone may be a second.
struct Pace {
    connect: Dur,
    handshake: Dur,
}

impl Pace {
    /// Round trips of a handshake with its connection, where nothing is lost: of TLS 1.2 and with a second hello, no more.
    const TRIPS: u64 = 4;

    fn of(evidence: &Evidence) -> Self {
        let shortest = |stage: Stage| {
            plain_tries(evidence).filter(|f| f.stage == stage && f.saw.is_ok()).map(|f| f.took).min()
        };
        let connect = shortest(Stage::Connect);
        // Where no connection was that quick, the handshakes may all have lost a packet.
        let most = connect.map_or(Dur::ZERO, |took| took.scale(Self::TRIPS, 1));
        let handshake = shortest(Stage::Handshake).unwrap_or_default().min(most);
        Self { connect: connect.filter(|took| *took < AGAIN).unwrap_or_default(), handshake }
    }

    /// Whether a try needed its first packet more than once.
    fn is_late(&self, fact: &Fact) -> bool {
        let least = if fact.stage == Stage::Connect { self.connect } else { self.handshake };
        fact.took >= least + AGAIN && matches!(fact.saw, Ok(_) | Err(Failure::TimedOut(_)))
    }
}

/// Addresses at which some tries were late and some were not.
fn uneven(evidence: &Evidence) -> impl Iterator<Item = IpAddr> {
    let pace = Pace::of(evidence);
    let of = |late: bool| -> BTreeSet<IpAddr> {
        plain_tries(evidence).filter(|f| pace.is_late(f) == late).filter_map(|f| f.path.address).collect()
    };
    let (prompt, late) = (of(false), of(true));
    late.into_iter().filter(move |ip| prompt.contains(ip))
}

/// Addresses to which packets may get lost: those with tries that were late, or all of them where other things were.
fn suspects(evidence: &Evidence) -> Vec<IpAddr> {
    let late: Vec<IpAddr> = uneven(evidence).collect();
    if late.is_empty() && has_stumbled(evidence) { evidence.addresses().to_vec() } else { late }
}

/// Whether something on the way to the target took far longer than it takes: a question that was lost while others were
/// answered, or requests over one connection of which some waited for a packet to come again.
fn has_stumbled(evidence: &Evidence) -> bool {
    const CLEAR: Dur = Dur::millis(250);
    let own = || evidence.facts().iter().filter(|f| is_target(evidence, f));
    let is_found = evidence.passed(Stage::Resolve).is_some();
    let is_lost = own().any(|f| f.stage == Stage::Resolve && matches!(f.saw, Err(Failure::TimedOut(_))));
    let requests =
        || own().filter(|f| f.stage == Stage::Head && f.path.reused == Some(true) && f.saw.is_ok());
    let (least, most) = (requests().map(|f| f.took).min(), requests().map(|f| f.took).max());
    let is_uneven = least.zip(most).is_some_and(|(least, most)| most > least.scale(3, 1) + CLEAR);
    let dialled = own().filter(|f| f.stage == Stage::Connect && f.path.client.is_some());
    let pace = Pace::of(evidence);
    (is_found && is_lost) || is_uneven || dialled.into_iter().any(|f| pace.is_late(f))
}

/// Packets are lost on the way: the call was, or one connection in four is.
pub(crate) fn packet_loss(evidence: &Evidence) -> Option<Found> {
    // Within this machine none is: a server that takes few connections at a time lets the others wait as long.
    if evidence.state("base-url.loopback").is_some() {
        return None;
    }
    let mut found = lost_call(evidence)
        .or_else(|| late_connections(evidence))
        .or_else(|| lost_in_both(evidence))
        .or_else(|| dns::lost_everywhere(evidence))?;
    // What the call waited for in vain was lost as well.
    if evidence.end().is_some_and(|(_, failure)| matches!(failure, Failure::TimedOut(_))) {
        found.role = Role::Root;
    }
    Some(found)
}

/// Tries of an address, and how many of them needed their first packet more than once.
struct Lateness<'a> {
    first: &'a Fact,
    late: usize,
    of: usize,
}

/// Of these tries; nothing where the other side itself broke some off: that is no loss.
fn lateness<'a>(evidence: &'a Evidence, address: IpAddr, counts: fn(&Fact) -> bool) -> Option<Lateness<'a>> {
    let tries = || plain_tries(evidence).filter(move |f| f.path.address == Some(address) && !is_said(f));
    if tries().any(|f| matches!(f.saw, Err(Failure::Reset | Failure::Eof | Failure::Refused))) {
        return None;
    }
    let pace = Pace::of(evidence);
    let late = || tries().filter(|f| counts(f) && pace.is_late(f));
    Some(Lateness { first: late().next()?, late: late().count(), of: tries().filter(|f| counts(f)).count() })
}

/// Datagrams to resolvers that answer others, and connections to addresses that take others at once.
fn lost_in_both(evidence: &Evidence) -> Option<Found> {
    let datagrams = evidence.said("dns.lost").count();
    let is_enough = |l: &Lateness<'_>| datagrams > 0 && datagrams + l.late > 2;
    let mut all = uneven(evidence).filter_map(|ip| lateness(evidence, ip, |_| true));
    let lateness = all.find(is_enough)?;
    Some(Found::contributing(lateness.first).rate(lateness.late, lateness.of))
}

/// The call waited in vain, and others like it did not: to one address connections and handshakes alike get lost, and go well.
fn lost_call(evidence: &Evidence) -> Option<Found> {
    let is_vain = |f: &Fact| {
        matches!(f.stage, Stage::Connect | Stage::Handshake) && matches!(f.saw, Err(Failure::TimedOut(_)))
    };
    let (end, _) = evidence.end().filter(|(f, _)| is_vain(f))?;
    let tries = || plain_tries(evidence).filter(|f| f.path.address == end.path.address && !is_said(f));
    let vain = |stage| tries().filter(move |f| is_vain(f) && f.stage == stage).count();
    let well = tries().filter(|f| f.stage == Stage::Handshake && f.saw.is_ok()).count();
    let (lost, all) = (vain(Stage::Connect) + vain(Stage::Handshake), tries().count());
    // A filter and an overloaded server are at work in one stage; what loses packets is in both.
    let is_both = vain(Stage::Connect) > 0 && vain(Stage::Handshake) > 0 && well > 1;
    let is_broken = tries().any(|f| matches!(f.saw, Err(Failure::Reset | Failure::Eof | Failure::Refused)));
    (is_both && !is_broken).then(|| Found::root(end).rate(lost, all))
}

/// One connection in five or more to an address loses its first packet, and the others do not.
fn late_connections(evidence: &Evidence) -> Option<Found> {
    let is_connect = |f: &Fact| f.stage == Stage::Connect && f.path.client.is_none();
    let is_part = |l: &Lateness<'_>| l.of >= usize::from(SERIES) && l.late * 5 >= l.of && l.late < l.of;
    let lateness = uneven(evidence).filter_map(|ip| lateness(evidence, ip, is_connect)).find(is_part)?;
    Some(Found::contributing(lateness.first).rate(lateness.late, lateness.of))
}

#[cfg(test)]
mod tests {
    use clearline_model::{Confidence, FactId, Foreign, Mono, Seen, Sent, Source};

    use super::*;

    fn fact(client: Option<&str>, saw: Result<Seen, Failure>) -> Fact {
        let path = Path {
            host: "gw.example".to_owned(),
            address: Some("192.0.2.1".parse().unwrap()),
            route: Some(Route::Direct),
            client: client.map(str::to_owned),
            ..Path::default()
        };
        let (stage, sent, took) = (Stage::Connect, Sent::No, Dur::millis(1));
        Fact { id: FactId(0), from: Source::Host, path, stage, saw, sent, at: Mono(0), took }
    }

    #[test]
    fn a_port_that_icmp_calls_unreachable_is_behind_a_firewall() {
        let judge = |text: &str| {
            let said = Seen::State("icmp".to_owned(), Foreign::new(text));
            let refused = Err(Failure::Refused);
            let facts =
                vec![fact(Some(REFERENCE), refused.clone()), fact(None, refused), fact(None, Ok(said))];
            rejected(&Evidence::new(facts)).map(|found| found.confidence)
        };
        assert_eq!(judge("3/3 from 10.0.0.1"), Some(Confidence::Certain));
        assert_eq!(judge("1/4 from 2001:db8::1"), Some(Confidence::Certain));
        assert_eq!(judge("3/3 from 192.0.2.1"), Some(Confidence::Likely));
        assert_eq!(judge("3/1 from 10.0.0.1"), None);
    }
}
