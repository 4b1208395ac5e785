//! Handshakes: what a path lets through, which certificates are shown, and which stores trust them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use clearline_model::{
    Axis, Cause, CertFault, Certificate, Dur, Fact, Failure, Path, Proof, Route, Seen, Stage, Trust,
};

use super::{Found, Rule};
use crate::evidence::{Evidence, REFERENCE};
use crate::plan::{Goal, Probe, What};

pub(crate) const RULES: &[Rule] = &[
    Rule { cause: Cause::ConfigCaFileReplacesRoots, judge: file_replaces_roots },
    Rule { cause: Cause::ConfigCaStoreEmpty, judge: store_empty },
    Rule { cause: Cause::TlsTrustStoreMismatch, judge: mismatch },
    Rule { cause: Cause::TlsIntercepted, judge: intercepted },
    Rule { cause: Cause::TlsIncompleteChain, judge: incomplete },
    Rule { cause: Cause::TlsMixedBackends, judge: mixed },
    Rule { cause: Cause::TlsWeakKey, judge: weak_key },
    Rule { cause: Cause::ConfigTlsPolicyStrict, judge: strict_policy },
    Rule { cause: Cause::TlsSniBlocked, judge: name_blocked },
    Rule { cause: Cause::TlsFingerprintBlocked, judge: fingerprint },
    Rule { cause: Cause::TlsLargeHelloDropped, judge: large_hello },
    Rule { cause: Cause::TlsH2Broken, judge: h2_broken },
];

/// The longest wait of a control experiment.
const LIMIT: Dur = Dur::secs(2);
/// More than one segment of 1,460 bytes: what a hello with a post-quantum key share is.
const LARGE: u16 = 1_700;
/// A name that has nothing to do with the target.
const OTHER_NAME: &str = "example.com";

/// On every path the hello of other clients; where the handshake fails, one flip for each way in which a path tells hellos apart.
pub(crate) fn plan(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    if goal.is_plain {
        return Vec::new();
    }
    let Some((fact, failure)) = evidence.end().filter(|(f, _)| f.stage == Stage::Handshake) else {
        // What was agreed on, and with which key, where this machine asks for more than most.
        let probe = Probe::new(What::Handshake, goal.path(), LIMIT, &[Cause::ConfigTlsPolicyStrict]);
        return if Policy::new(evidence).is_strict() { vec![probe] } else { Vec::new() };
    };
    let own = match fact.path.address {
        Some(address) if goal.proxy.is_none() => goal.at(address),
        Some(_) | None => goal.path(),
    };
    let mut probes = Vec::new();
    if let Failure::Cert(why) = failure {
        const WHY: &[Cause] =
            &[Cause::TlsIntercepted, Cause::TlsTrustStoreMismatch, Cause::TlsIncompleteChain];
        probes.push(Probe::new(What::Handshake, own.clone(), LIMIT, WHY));
        if is_unknown_root(why) {
            probes.push(Probe::new(What::Issuer, own.clone(), LIMIT, WHY));
            let control = goal.controls.first().filter(|_| !goal.only_target && !goal.is_loopback);
            let at = |host: &String| Path {
                host: host.clone(),
                family: None,
                address: None,
                port: Some(443),
                ..own.clone()
            };
            probes.extend(control.map(|host| Probe::new(What::Handshake, at(host), LIMIT, WHY)));
        }
        return probes;
    }
    if goal.proxy.is_some() {
        let other = Path { server_name: Some(OTHER_NAME.to_owned()), ..own };
        return vec![Probe::new(What::Handshake, other, LIMIT, &[Cause::ProxyClosesTunnel])];
    }
    const WHY: &[Cause] = &[Cause::TlsSniBlocked, Cause::TlsFingerprintBlocked, Cause::TlsHandshakeStalled];
    let name = |name: &str| Path { server_name: Some(name.to_owned()), ..own.clone() };
    probes.push(Probe::new(What::Hello, own.clone(), LIMIT, WHY).times(2));
    probes.push(Probe::new(What::Hello, name(OTHER_NAME), LIMIT, WHY));
    probes.push(Probe::new(What::Hello, name(""), LIMIT, WHY));
    let alpn = |alpn: &str| Path { alpn: Some(alpn.to_owned()), ..own.clone() };
    probes.push(Probe::new(What::Hello, alpn("h2,http/1.1"), LIMIT, WHY));
    probes.push(Probe::new(What::Hello, alpn(""), LIMIT, WHY));
    probes
}

/// The hello of clients that offer a post-quantum key share, and HTTP/2: in the background of every call.
pub(crate) fn background(goal: &Goal) -> Vec<Probe> {
    let large = Path { hello: Some(LARGE), ..goal.direct() };
    let h2 = Path { alpn: Some("h2,http/1.1".to_owned()), ..goal.direct() };
    vec![
        Probe::new(What::Hello, large, LIMIT, &[Cause::TlsLargeHelloDropped]).background(),
        Probe::new(What::Http2, h2, LIMIT, &[Cause::TlsH2Broken]).background(),
    ]
}

/// Where a large hello was lost: the same once more, an ordinary one beside it, and a large one in small segments.
pub(crate) fn large_plan(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    let is_lost = |f: &&Fact| f.path.hello == Some(LARGE) && (f.saw.is_err() || is_unfinished(f));
    let Some(lost) = evidence.at(Stage::Handshake).find(is_lost) else { return Vec::new() };
    let Some(address) = lost.path.address.or_else(|| evidence.addresses().first().copied()) else {
        return Vec::new();
    };
    const WHY: &[Cause] = &[Cause::TlsLargeHelloDropped, Cause::TcpMtuBlackhole];
    let own = goal.at(address);
    let large = Path { hello: Some(LARGE), ..own.clone() };
    let small = Path { mss: Some(536), ..large.clone() };
    [own, large, small].map(|path| Probe::new(What::Hello, path, LIMIT, WHY)).into()
}

fn is_unfinished(fact: &Fact) -> bool {
    matches!(&fact.saw, Ok(Seen::State(name, _)) if name == "unfinished")
}

const fn is_unknown_root(why: CertFault) -> bool {
    matches!(why, CertFault::UnknownIssuer | CertFault::SelfSigned | CertFault::Other)
}

/// Certificate faults that a store decides about.
const fn is_unknown(failure: Failure) -> bool {
    if let Failure::Cert(why) = failure { is_unknown_root(why) } else { false }
}

/// The reference call ended at a certificate that its store does not trust.
fn untrusted(evidence: &Evidence) -> Option<&Fact> {
    let (fact, failure) = evidence.end()?;
    (fact.stage == Stage::Handshake && is_unknown(failure)).then_some(fact)
}

/// What a store said to the target's chain.
fn judged<'a>(evidence: &'a Evidence, trust: &Trust) -> Option<&'a Fact> {
    let host = evidence.reference().next()?.path.host.as_str();
    evidence.at(Stage::Handshake).find(|f| {
        f.path.trust.as_ref() == Some(trust)
            && f.path.client.is_none()
            && f.path.host == host
            && is_plain(&f.path)
    })
}

/// Nothing about the hello was chosen.
const fn is_plain(path: &Path) -> bool {
    path.server_name.is_none() && path.alpn.is_none() && path.hello.is_none() && path.mss.is_none()
}

fn trusts<'a>(evidence: &'a Evidence, trust: &Trust) -> Option<&'a Fact> {
    judged(evidence, trust).filter(|f| f.saw.is_ok())
}

/// The reference client's own store does not trust the chain that was shown, and the public roots do.
fn own_store_lacks(evidence: &Evidence) -> Option<(&Fact, &Fact)> {
    let fact = untrusted(evidence)?;
    let own = judged(evidence, fact.path.trust.as_ref()?)?;
    let control = trusts(evidence, &Trust::Public)?;
    own.saw.as_ref().err().is_some_and(|f| is_unknown(*f)).then_some((fact, control))
}

/// `SSL_CERT_FILE` or `SSL_CERT_DIR` stands in the place of the roots, and a root that the world trusts is not in it.
fn file_replaces_roots(evidence: &Evidence) -> Option<Found> {
    let (fact, control) = own_store_lacks(evidence)?;
    let is_file = matches!(fact.path.trust, Some(Trust::File(_)));
    let folder = own_folder(evidence);
    (is_file || folder.is_some()).then(|| {
        let mut found = Found::root(fact).flipped(Some(control), Axis::Trust);
        found.proof.extend(folder.filter(|_| !is_file).map(|f| Proof::One(f.id)));
        found
    })
}

/// Where `SSL_CERT_DIR` says that the roots are.
fn own_folder(evidence: &Evidence) -> Option<&Fact> {
    evidence.state("env.SSL_CERT_DIR").map(|(fact, _)| fact)
}

/// The system's store does not know a root that the world trusts.
fn store_empty(evidence: &Evidence) -> Option<Found> {
    let (fact, control) = own_store_lacks(evidence)?;
    (fact.path.trust == Some(Trust::System) && own_folder(evidence).is_none())
        .then(|| Found::root(fact).flipped(Some(control), Axis::Trust))
}

/// The chain ends in a root that the world does not know: something on the way signs anew, and says so in the name of its issuer,
/// or stands before other names too.
fn intercepted(evidence: &Evidence) -> Option<Found> {
    let public =
        judged(evidence, &Trust::Public).filter(|f| f.saw.as_ref().err().is_some_and(|f| is_unknown(*f)))?;
    let shown = shown(evidence, &public.path)?;
    let is_certain = signs_others_too(evidence, shown) || is_inspector(shown);
    let is_api =
        public.path.host == super::dns::API && !has_public_issuer(shown) && shown.issuer != shown.subject;
    if completes(evidence).is_some() || !(is_certain || is_api) {
        return None;
    }
    let trusting = evidence
        .at(Stage::Handshake)
        .find(|f| f.saw.is_ok() && f.path.trust.is_some() && f.path.host == public.path.host);
    let found = match untrusted(evidence) {
        // The system trusts whoever signs: it is the file in its place that does not know them.
        Some(_) if trusts(evidence, &Trust::System).is_some() => {
            Found::information(public).flipped(trusting, Axis::Trust)
        }
        Some(fact) => Found::root(fact).flipped(trusting, Axis::Trust),
        None if evidence.end().is_some_and(|(f, _)| f.stage <= Stage::Handshake) => return None,
        // The reference client trusts it: healthy, and worth knowing.
        None => Found::information(public).flipped(trusting, Axis::Trust),
    };
    Some(if is_certain { found } else { found.likely() })
}

/// The certificate that was shown on a path.
fn shown<'a>(evidence: &'a Evidence, path: &Path) -> Option<&'a Certificate> {
    evidence.at(Stage::Handshake).find_map(|f| match &f.saw {
        Ok(Seen::Shown(cert)) if f.path.host == path.host && is_plain(&f.path) => Some(&**cert),
        Ok(_) | Err(_) => None,
    })
}

/// Another host's certificate has the same issuer, and the world does not trust that one either.
fn signs_others_too(evidence: &Evidence, own: &Certificate) -> bool {
    let host = evidence.reference().next().map(|f| f.path.host.as_str());
    evidence.at(Stage::Handshake).any(|f| {
        let same = matches!(&f.saw, Ok(Seen::Shown(cert)) if cert.issuer == own.issuer);
        same && Some(f.path.host.as_str()) != host
    })
}

/// A public authority says where its own certificate lies (CA/Browser Forum, Baseline Requirements, 7.1.2.7.7); inspection boxes
/// do not.
const fn has_public_issuer(cert: &Certificate) -> bool {
    !cert.issuers_at.is_empty()
}

/// Products that inspect TLS name themselves in the issuer.
const INSPECTORS: [&str; 30] = [
    "fortinet",
    "fortigate",
    "zscaler",
    "palo alto",
    "netskope",
    "blue coat",
    "bluecoat",
    "symantec web",
    "forcepoint",
    "websense",
    "sophos",
    "check point",
    "checkpoint",
    "cisco umbrella",
    "cisco secure",
    "mcafee web",
    "skyhigh",
    "barracuda",
    "watchguard",
    "sonicwall",
    "kaspersky",
    "eset ssl",
    "avast",
    "bitdefender",
    "mitmproxy",
    "charles proxy",
    "fiddler",
    "portswigger",
    "tls inspection",
    "ssl inspection",
];

fn is_inspector(cert: &Certificate) -> bool {
    let issuer = cert.issuer.raw().to_ascii_lowercase();
    INSPECTORS.iter().any(|name| issuer.contains(name))
}

/// The chain verifies once the intermediate is fetched.
fn completes(evidence: &Evidence) -> Option<&Fact> {
    evidence.said("issuer.completes").map(|(fact, _)| fact).next()
}

fn incomplete(evidence: &Evidence) -> Option<Found> {
    let (fact, whole) = (untrusted(evidence)?, completes(evidence)?);
    let mut found = Found::root(fact);
    found.proof.push(Proof::One(whole.id));
    Some(found)
}

/// A store that some client here uses does not verify the certificate, and that of the reference client does; or the reference
/// client's own file lacks what the system trusts.
fn mismatch(evidence: &Evidence) -> Option<Found> {
    if let Some(fact) = untrusted(evidence) {
        let system = trusts(evidence, &Trust::System)?;
        let is_file = matches!(fact.path.trust, Some(Trust::File(_)));
        return is_file.then(|| Found::root(fact).flipped(Some(system), Axis::Trust));
    }
    let other = evidence.at(Stage::Handshake).find(|f| {
        let is_other = f.path.client.as_deref().is_some_and(|c| c != REFERENCE);
        is_other && f.saw.as_ref().err().is_some_and(|failure| is_unknown(*failure))
    })?;
    let own = evidence.passed(Stage::Handshake)?;
    Some(Found::contributing(other).flipped(Some(own), Axis::Trust))
}

/// Behind one address different certificates are shown, and not all of them are good.
fn mixed(evidence: &Evidence) -> Option<Found> {
    let host = evidence.reference().next()?.path.host.clone();
    let certs = || {
        evidence.at(Stage::Handshake).filter_map(|f| match &f.saw {
            Ok(Seen::Shown(cert)) if f.path.host == host && is_plain(&f.path) => Some((f.path.address, cert)),
            Ok(_) | Err(_) => None,
        })
    };
    let serials: BTreeSet<_> = certs().map(|(address, cert)| (address, cert.serial.raw())).collect();
    let addresses: BTreeSet<_> = certs().map(|(address, _)| address).collect();
    let verdicts = || {
        evidence.at(Stage::Handshake).filter(|f| {
            let is_store = f.path.trust.is_some() && f.path.client.is_none();
            is_store && f.path.host == host && is_plain(&f.path) && f.path.trust == Some(Trust::Public)
        })
    };
    let failed = verdicts().find(|f| matches!(f.saw, Err(Failure::Cert(_))))?;
    let well = verdicts().find(|f| f.saw.is_ok() && f.path.address == failed.path.address)?;
    let (n, of) = (verdicts().filter(|f| f.saw.is_err()).count(), verdicts().count());
    (serials.len() > addresses.len() && well.id != failed.id).then(|| Found::contributing(failed).rate(n, of))
}

/// A key that the verifiers of today refuse (CA/Browser Forum, Baseline Requirements, 6.1.5: RSA of 2048 bits and more).
fn weak_key(evidence: &Evidence) -> Option<Found> {
    const LEAST: u32 = 2_048;
    let (fact, _) = evidence.end().filter(|(f, _)| f.stage == Stage::Handshake)?;
    let shown = evidence.at(Stage::Handshake).find(|f| {
        matches!(&f.saw, Ok(Seen::Shown(cert)) if (MODULUS..LEAST).contains(&cert.key_bits) && f.path.host == fact.path.host)
    })?;
    let mut found = Found::root(fact);
    found.proof.push(Proof::One(shown.id));
    Some(found)
}

/// What OpenSSL's settings demand of the reference client's handshakes; 10 to 13 for TLS 1.0 to 1.3.
struct Policy<'a> {
    min: Option<(&'a Fact, u8)>,
    level: Option<(&'a Fact, u8)>,
}

impl<'a> Policy<'a> {
    /// What distributions set by themselves: TLS 1.2 and security level 2 (112 bits).
    const USUAL: (u8, u8) = (12, 2);

    fn new(evidence: &'a Evidence) -> Self {
        let number = |name: &str| {
            let (fact, value) = evidence.state(name)?;
            Some((fact, value.raw().parse().ok()?))
        };
        Self { min: number("tls.min"), level: number("tls.level") }
    }

    fn is_strict(&self) -> bool {
        let (min, level) = Self::USUAL;
        self.min.is_some_and(|(_, n)| n > min) || self.level.is_some_and(|(_, n)| n > level)
    }

    /// The demand that a handshake of this version does not meet.
    fn forbids_version(&self, version: u8) -> Option<&'a Fact> {
        self.min.filter(|(_, min)| version < *min).map(|(fact, _)| fact)
    }

    /// The demand that a key of so many bits does not meet (`SSL_CTX_set_security_level(3)`; RSA, then elliptic curves).
    fn forbids_key(&self, bits: u32) -> Option<&'a Fact> {
        const LEAST: [(u32, u32); 6] =
            [(0, 0), (1_024, 160), (2_048, 224), (3_072, 256), (7_680, 384), (15_360, 512)];
        let (fact, level) = self.level?;
        let (modulus, curve) = LEAST.get(usize::from(level)).copied()?;
        let least = if bits >= MODULUS { modulus } else { curve };
        (bits < least).then_some(fact)
    }
}

/// Curves are far shorter than any modulus, bits.
const MODULUS: u32 = 600;

/// This machine's own policy forbids what the target agrees on, or its key. The doctor's own handshakes know nothing of it.
fn strict_policy(evidence: &Evidence) -> Option<Found> {
    let policy = Policy::new(evidence);
    let first = evidence.reference().find(|f| f.stage >= Stage::Handshake)?;
    let own =
        || evidence.at(Stage::Handshake).filter(|f| f.path.host == first.path.host && f.path.trust.is_none());
    let (fact, demand) = own().find_map(|f| match &f.saw {
        Ok(Seen::Handshake { version: version @ 10.., .. }) => Some((f, policy.forbids_version(*version)?)),
        Ok(Seen::Shown(cert)) => Some((f, policy.forbids_key(cert.key_bits)?)),
        Ok(_) | Err(_) => None,
    })?;
    let mut found = Found::root(fact);
    found.proof.push(Proof::One(demand.id));
    let is_level = matches!(&demand.saw, Ok(Seen::State(name, _)) if name == "tls.level");
    let place = if is_level { "origin.CipherString" } else { "origin.MinProtocol" };
    found.proof.extend(evidence.state(place).map(|(f, _)| Proof::One(f.id)));
    Some(found)
}

/// How the target's hellos of a shape ended; a reply of any kind is a reply.
fn hellos<'a>(evidence: &'a Evidence, shape: impl Fn(&Path) -> bool + 'a) -> impl Iterator<Item = &'a Fact> {
    let is_end = |f: &&Fact| !matches!(f.saw, Ok(Seen::State(..) | Seen::Shown(_)));
    let is_probe = |f: &&Fact| f.path.trust.is_none() && f.path.client.is_none();
    evidence.at(Stage::Handshake).filter(is_end).filter(is_probe).filter(move |f| shape(&f.path))
}

const fn has_reply(fact: &Fact) -> bool {
    matches!(fact.saw, Ok(_) | Err(Failure::Alert(_) | Failure::Cert(_)))
}

/// The reference call's handshake was cut, closed or left without an answer.
fn cut(evidence: &Evidence) -> Option<&Fact> {
    let (fact, failure) = evidence.end().filter(|(f, _)| f.stage == Stage::Handshake)?;
    let is_cut = matches!(failure, Failure::Reset | Failure::Eof | Failure::TimedOut(_));
    (is_cut && fact.path.route == Some(Route::Direct)).then_some(fact)
}

/// Every hello with the target's own name dies, and one with another name, or none, is answered. A hello to an address carries
/// no name.
fn name_blocked(evidence: &Evidence) -> Option<Found> {
    let fact = cut(evidence).filter(|f| f.path.host.parse::<IpAddr>().is_err())?;
    let mut own = hellos(evidence, |p| is_plain(p) && p.host == fact.path.host).peekable();
    let is_dead = own.peek().is_some() && own.all(|f| !has_reply(f));
    let address = fact.path.address;
    let other = hellos(evidence, |p| p.server_name.is_some() && p.address == address && p.mss.is_none())
        .find(|f| has_reply(f))?;
    is_dead.then(|| Found::root(fact).flipped(Some(other), Axis::ServerName))
}

/// The same name passes when the hello offers other protocols.
fn fingerprint(evidence: &Evidence) -> Option<Found> {
    let fact = cut(evidence)?;
    let address = fact.path.address;
    let mut own = hellos(evidence, |p| is_plain(p) && p.address == address).peekable();
    let is_dead = own.peek().is_some() && own.all(|f| !has_reply(f));
    let shaped = |p: &Path| p.alpn.is_some() && p.server_name.is_none() && p.address == address;
    let passes = hellos(evidence, shaped).find(|f| has_reply(f))?;
    is_dead.then(|| Found::root(fact).flipped(Some(passes), Axis::Alpn))
}

/// A large hello dies where every ordinary one is answered, and small segments do not help. Where an ordinary one dies too, its
/// size is not what decides.
fn large_hello(evidence: &Evidence) -> Option<Found> {
    let large = |mss: bool| hellos(evidence, move |p| p.hello == Some(LARGE) && p.mss.is_some() == mss);
    let lost = large(false).find(|f| !has_reply(f))?;
    if large(false).any(has_reply) || large(true).any(has_reply) {
        return None;
    }
    let address = lost.path.address;
    if hellos(evidence, |p| is_plain(p) && p.address == address).any(|f| !has_reply(f)) {
        return None;
    }
    let well = hellos(evidence, |p| p.hello.is_none() && p.server_name.is_none() && p.address == address)
        .find(|f| has_reply(f))?;
    let found = if uses(evidence, &["node", "bun", "curl"]) {
        Found::contributing(lost)
    } else {
        Found::information(lost)
    };
    Some(found.flipped(Some(well), Axis::Hello))
}

/// HTTP/2 is agreed on and not spoken.
fn h2_broken(evidence: &Evidence) -> Option<Found> {
    let fact = evidence.find(|f| f.path.http == Some(20) && f.stage == Stage::Head && f.saw.is_err())?;
    let well = evidence.passed(Stage::Handshake)?;
    let found = if uses(evidence, &["curl"]) { Found::contributing(fact) } else { Found::information(fact) };
    Some(found.flipped(Some(well), Axis::Alpn))
}

/// Whether the settings of one of these clients are present here.
fn uses(evidence: &Evidence, clients: &[&str]) -> bool {
    evidence.said("client").any(|(_, name)| clients.contains(&name.raw()))
}

#[cfg(test)]
mod tests {
    use clearline_model::{FactId, Foreign, Limit, Mono, Sent, Source};

    use super::*;
    use crate::evidence::REFERENCE;
    use crate::plan::family;

    fn path(host: &str) -> Path {
        let address = "192.0.2.1".parse().unwrap();
        Path {
            host: host.to_owned(),
            route: Some(Route::Direct),
            address: Some(address),
            family: Some(family(address)),
            ..Path::default()
        }
    }

    fn shook(path: Path, saw: Result<Seen, Failure>) -> Fact {
        Fact {
            id: FactId(0),
            from: Source::Host,
            path,
            stage: Stage::Handshake,
            saw,
            sent: Sent::No,
            at: Mono(0),
            took: Dur::millis(5),
        }
    }

    fn well() -> Result<Seen, Failure> {
        Ok(Seen::Handshake { version: 0, alpn: None, issuer: Foreign::default() })
    }

    #[test]
    fn a_large_hello_is_dropped_only_where_ordinary_ones_all_pass() {
        let own = path("gw.example");
        let late = Err(Failure::TimedOut(Limit::Handshake));
        let large = Path { hello: Some(LARGE), ..own.clone() };
        let small = Path { mss: Some(536), ..large.clone() };
        let facts = |ordinary: Result<Seen, Failure>| {
            Evidence::new(vec![
                shook(own.clone(), well()),
                shook(own.clone(), ordinary),
                shook(large.clone(), late.clone()),
                shook(small.clone(), late.clone()),
            ])
        };
        assert!(large_hello(&facts(well())).is_some());
        for died in [Failure::Eof, Failure::Reset, Failure::TimedOut(Limit::Handshake)] {
            assert!(large_hello(&facts(Err(died))).is_none(), "{died:?}");
        }
    }

    /// A hello to an address carries no name, so none can be what is blocked.
    #[test]
    fn a_name_is_blocked_only_where_one_was_sent() {
        let judge = |host: &str| {
            let own = path(host);
            let named = Path { server_name: Some(OTHER_NAME.to_owned()), ..own.clone() };
            let end = Path { client: Some(REFERENCE.to_owned()), ..own.clone() };
            let facts = vec![
                shook(end, Err(Failure::Eof)),
                shook(own, Err(Failure::Eof)),
                shook(named, Err(Failure::Alert(112))),
            ];
            name_blocked(&Evidence::new(facts)).is_some()
        };
        assert!(judge("gw.example"));
        assert!(!judge("192.0.2.1"));
        assert!(!judge("2001:db8::1"));
    }
}
