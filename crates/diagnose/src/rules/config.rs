//! What this machine itself says: variables, credentials, files.

use clearline_model::{
    Cause, ConfigFault, ErrorKind, Fact, Failure, LocalFault, Origin, Proof, Stage, Trust,
};

use super::address::{Kind, kind};
use super::{Found, Rule};
use crate::evidence::{Evidence, REFERENCE};

pub(crate) const RULES: &[Rule] = &[
    Rule { cause: Cause::ConfigBaseUrlInvalid, judge: |e| fault(e, ConfigFault::BaseUrl) },
    Rule { cause: Cause::ProxySettingInvalid, judge: |e| fault(e, ConfigFault::Proxy) },
    Rule { cause: Cause::ConfigCaFileMissing, judge: no_file },
    Rule { cause: Cause::ConfigBaseUrlInsecure, judge: insecure },
    Rule { cause: Cause::ConfigBaseUrlPath, judge: doubled_path },
    Rule { cause: Cause::AuthMissing, judge: |e| credential(e, "missing") },
    Rule { cause: Cause::AuthMalformedKey, judge: |e| credential(e, "malformed") },
    Rule { cause: Cause::AuthWrongProviderKey, judge: |e| credential(e, "other-provider") },
    Rule { cause: Cause::AuthWrongKind, judge: wrong_kind },
    Rule { cause: Cause::AuthConflicting, judge: conflicting },
    Rule { cause: Cause::ConfigFdLimit, judge: descriptors },
];

/// The reference call ended in its settings.
fn fault(evidence: &Evidence, wanted: ConfigFault) -> Option<Found> {
    let (fact, failure) = evidence.end()?;
    (failure == Failure::Config(wanted)).then(|| Found::root(fact))
}

/// A CA file that is not there, or holds no certificate: the reference client's own, or that of another client which is set up
/// here. Node goes on without it, and fails only where the chain needs it.
fn no_file(evidence: &Evidence) -> Option<Found> {
    let missing = Failure::Config(ConfigFault::CaFile);
    if let Some(found) = fault(evidence, ConfigFault::CaFile).or_else(|| no_folder(evidence)) {
        return Some(found);
    }
    let is_others = |f: &Fact| f.path.client.as_deref().is_some_and(|c| c != REFERENCE);
    let of_client = |node: bool| {
        let is_it = move |f: &Fact| is_others(f) && (f.path.client.as_deref() == Some("node")) == node;
        evidence.find(|f| is_it(f) && f.saw == Err(missing))
    };
    if let Some(fact) = of_client(false) {
        return Some(Found::contributing(fact));
    }
    let fact = of_client(true)?;
    let needs_it = evidence.at(Stage::Handshake).any(|f| {
        f.path.trust == Some(Trust::Public)
            && f.path.host == fact.path.host
            && matches!(f.saw, Err(Failure::Cert(_)))
    });
    Some(if needs_it { Found::contributing(fact) } else { Found::information(fact) })
}

/// `SSL_CERT_DIR` stands in the place of the roots, and none is found there.
fn no_folder(evidence: &Evidence) -> Option<Found> {
    let (folder, _) = evidence.state("env.SSL_CERT_DIR")?;
    let mut found = fault(evidence, ConfigFault::NoRoots)?;
    found.proof.push(Proof::One(folder.id));
    Some(found)
}

/// A key travels in clear to another machine. The call fails for it where the service wants TLS; where it goes well, or fails for
/// another reason, that is worth knowing, and more than that where the way leads out of the own network.
fn insecure(evidence: &Evidence) -> Option<Found> {
    let (fact, _) = evidence.state("base-url.insecure")?;
    if let Some((told, _)) = evidence.said("redirect").find(|(_, to)| to.raw() == "another-scheme") {
        let mut found = Found::root(fact);
        found.proof.push(Proof::One(told.id));
        return Some(found);
    }
    if let Some((end, failure)) = evidence.end() {
        let is_misunderstood = matches!(end.stage, Stage::Send | Stage::Head)
            && matches!(
                failure,
                Failure::Status(400 | 426, _, Origin::Edge | Origin::Gateway)
                    | Failure::Framing(_)
                    | Failure::Eof
                    | Failure::Reset
            );
        return Some(if is_misunderstood { Found::root(fact).likely() } else { Found::information(fact) });
    }
    let own = |ip: &std::net::IpAddr| matches!(kind(*ip), Kind::Nowhere | Kind::Private);
    let is_near = !evidence.addresses().is_empty() && evidence.addresses().iter().all(own);
    Some(if is_near { Found::information(fact) } else { Found::contributing(fact) })
}

/// `/v1` stands in the base URL, and the API knows nothing of what lies below it.
fn doubled_path(evidence: &Evidence) -> Option<Found> {
    let (state, _) = evidence.state("base-url.v1")?;
    let not_found = |f: &&Fact| matches!(f.saw, Err(Failure::Status(404, ..)));
    evidence.reference().find(not_found).map(|_| Found::root(state))
}

/// What the shape of the credential says before anything is sent with it. A gateway may take another shape; where it does not,
/// the shape says why.
fn credential(evidence: &Evidence, shape: &str) -> Option<Found> {
    let (fact, value) = evidence.state("credential")?;
    if value.raw() == shape {
        let mut found = Found::root(fact);
        found.proof.extend(evidence.state("credential.why").map(|(f, _)| Proof::One(f.id)));
        return Some(found);
    }
    let (why, _) = evidence.state("credential.why").filter(|_| shape == "malformed")?;
    let (end, _) = evidence.end().filter(|(_, failure)| matches!(failure, Failure::Status(401, ..)))?;
    let mut found = Found::root(end);
    found.proof.push(Proof::One(why.id));
    Some(found)
}

/// An administrator's key, or a log-in's token where a key is wanted, and the API does not take it.
fn wrong_kind(evidence: &Evidence) -> Option<Found> {
    let (kind, value) = evidence.state("credential.kind")?;
    let (_, variable) = evidence.state("credential.variable")?;
    let (end, failure) = evidence.end()?;
    let Failure::Status(401 | 403, error, Origin::Api) = failure else { return None };
    let is_misplaced = match value.raw() {
        "admin-key" => true,
        "oauth-token" => variable.raw() == "ANTHROPIC_API_KEY",
        _ => false,
    };
    let is_open = matches!(
        error,
        ErrorKind::None | ErrorKind::Authentication | ErrorKind::Permission | ErrorKind::WrongKind
    );
    if !is_misplaced || !is_open {
        return None;
    }
    let mut found = Found::root(end);
    found.proof.push(Proof::One(kind.id));
    Some(found)
}

/// The process has so few descriptors that no call fits, or a step ran out of them.
fn descriptors(evidence: &Evidence) -> Option<Found> {
    /// A call needs its standard streams, a socket, and a file or two at a time.
    const FEW: u64 = 12;
    /// Besides the standard streams a call needs two at a time: a socket, and a file that is read beside it.
    const LEAST: u64 = 5;
    if let (Some((limit, value)), Some(_)) =
        (evidence.state("limit.descriptors"), evidence.state("limit.raised"))
        && value.raw().parse::<u64>().is_ok_and(|n| n < LEAST)
    {
        return Some(Found::root(limit));
    }
    let (end, _) = evidence.end()?;
    let out = Failure::Local(LocalFault::Descriptors);
    if let Some(fact) = evidence.find(|f| f.saw == Err(out)) {
        let mut found = Found::root(end);
        found.proof.push(Proof::One(fact.id));
        return Some(found);
    }
    let (limit, value) = evidence.state("limit.descriptors")?;
    let is_few = value.raw().parse::<u64>().is_ok_and(|n| n < FEW);
    let is_local = matches!(end.stage, Stage::Config | Stage::Resolve | Stage::Connect);
    (is_few && is_local).then(|| Found::root(limit))
}

/// Two credentials at once: clients differ in which one they send.
fn conflicting(evidence: &Evidence) -> Option<Found> {
    let (fact, _) = evidence.state("credential.second")?;
    Some(Found::contributing(fact))
}
