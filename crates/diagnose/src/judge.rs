//! The verdict: what the rules found, what that hides, and in which order it is to be fixed.

use std::collections::BTreeSet;

use clearline_model::{
    Cause, Confidence, Fact, Failure, Finding, Framing, Layer, Proof, Role, Status, Verdict, classify,
};

use crate::evidence::Evidence;
use crate::rules;

/// Judges the evidence.
#[must_use]
pub fn judge(evidence: &Evidence) -> Verdict {
    let mut findings = rules::findings(evidence);
    if let Some((fact, failure)) = evidence.end() {
        // What no rule understands keeps its weakest true cause. A certificate that is good at the true time has none.
        let cause = classify(fact.stage, &failure, fact.sent);
        let is_good_then = findings.iter().any(|f| f.cause == Cause::ClockSkew && f.role == Role::Root);
        if !is_good_then && !findings.iter().any(|f| f.cause == cause && f.role == Role::Root) {
            let proof = vec![Proof::One(fact.id)];
            let mut finding = Finding { cause, role: Role::Root, confidence: Confidence::Certain, proof };
            rules::origin::add(evidence, &mut finding);
            findings.push(finding);
        }
    }
    suppress(&mut findings);
    if let Some(kept) = repeated_elsewhere(evidence) {
        for finding in findings.iter_mut().filter(|f| f.role == Role::Root) {
            finding.confidence = Confidence::Possible;
            finding.proof.push(Proof::One(kept.id));
        }
    }
    findings.sort_by_key(|f| (f.role, order(f.cause.row().layer), std::cmp::Reverse(f.confidence)));
    let has = |role: Role| findings.iter().any(|f| f.role == role);
    let status = match (evidence.end(), evidence.reference().next()) {
        (None, None) if !has(Role::Root) => Status::Inconclusive,
        (Some(_), _) if repeated_elsewhere(evidence).is_some() => Status::Inconclusive,
        (Some(_), _) => Status::Failing,
        (None, _) if has(Role::Root) => Status::Failing,
        (None, _) if has(Role::Contributing) => Status::Degraded,
        (None, _) if is_unpaid(evidence) => Status::Inconclusive,
        (None, _) => Status::Healthy,
    };
    let open =
        if status == Status::Inconclusive && is_unpaid(evidence) { UNPAID.to_vec() } else { Vec::new() };
    Verdict { status, findings, open }
}

/// What a call may still end at that was made without its credential.
const UNPAID: [Cause; 2] = [Cause::AuthExpired, Cause::AuthInvalid];

/// What says that the call ends at a redirect after which the official SDKs repeat it as it is: it may go well there, and nobody
/// tried.
fn repeated_elsewhere(evidence: &Evidence) -> Option<&Fact> {
    let (end, failure) = evidence.end()?;
    let is_loop =
        evidence.said("redirect").any(|(f, to)| to.raw() == "itself" && f.path.host == end.path.host);
    let (kept, _) = evidence.said("redirect.kept").next()?;
    (failure == Failure::Framing(Framing::Redirect) && !is_loop).then_some(kept)
}

/// Whether the client has a credential that was not tried.
fn is_unpaid(evidence: &Evidence) -> bool {
    evidence.state("credential").is_some_and(|(_, value)| value.raw() == "profile")
}

/// Removes what others explain. A settings fault that stops the call before anything is sent hides nothing else.
fn suppress(findings: &mut Vec<Finding>) {
    let roots: Vec<Cause> = findings.iter().filter(|f| f.role == Role::Root).map(|f| f.cause).collect();
    let hidden: BTreeSet<Cause> = roots.iter().flat_map(|root| explained(*root)).collect();
    findings.retain(|f| !hidden.contains(&f.cause));
    // The same among what only makes the call worse.
    let worse: Vec<Cause> =
        findings.iter().filter(|f| f.role == Role::Contributing).map(|f| f.cause).collect();
    let hidden: BTreeSet<Cause> = worse.iter().flat_map(|cause| explained(*cause)).collect();
    findings.retain(|f| f.role == Role::Root || !hidden.contains(&f.cause));
    // A portal closes the port to everybody until somebody logs in; a network that needs its proxy does the same.
    if roots.contains(&Cause::EdgeCaptivePortal)
        || roots.contains(&Cause::ProxyRequired)
        || roots.contains(&Cause::ProxyNoProxyTooBroad)
    {
        findings.retain(|f| {
            !matches!(
                f.cause,
                Cause::TcpPortBlocked | Cause::TcpFiltered | Cause::TcpTimeout | Cause::TcpRefused
            )
        });
    }
    // A proxy that leads to its log-in page has no policy about the host.
    if roots.contains(&Cause::EdgeCaptivePortal) {
        findings.retain(|f| f.cause != Cause::ProxyDenied);
    }
    if findings.iter().any(|f| f.cause == Cause::TcpThrottled) {
        findings.retain(|f| !rules::flow::is_said_by_it(f.cause));
    }
    // The resolver is there: it is one kind of question, or one name, that it leaves unanswered.
    if roots.contains(&Cause::DnsAaaaBroken) || roots.contains(&Cause::DnsFiltered) {
        findings.retain(|f| f.cause != Cause::DnsResolverUnreachable);
    }
    // What a proxy says to a call that was never meant for it says nothing of the proxy.
    if roots.contains(&Cause::ProxyUnintended) {
        findings.retain(|f| {
            !matches!(
                f.cause,
                Cause::ProxyDenied
                    | Cause::ProxyPortDenied
                    | Cause::ProxyCannotConnect
                    | Cause::ProxyCannotResolve
                    | Cause::ProxyNotAProxy
            )
        });
    }
    // The store is where it was: it is not looked into.
    if roots.contains(&Cause::ConfigCaFileMissing) {
        findings.retain(|f| f.cause != Cause::ConfigCaStoreEmpty);
    }
    // Who is not the API knows nothing of the key or the request.
    if roots.contains(&Cause::EdgeNotTheApi) {
        findings.retain(|f| {
            !matches!(
                f.cause,
                Cause::AuthForbidden
                    | Cause::RequestInvalid
                    | Cause::RequestModelNotFound
                    | Cause::RequestTooLarge
            )
        });
    }
    // Spoken to in the wrong way, it says nothing that is meant.
    if roots.contains(&Cause::ProxySchemeMismatch) {
        findings.retain(|f| {
            !matches!(
                f.cause,
                Cause::ProxyCannotConnect | Cause::ProxyHangs | Cause::ProxyNotAProxy | Cause::ProxyDenied
            )
        });
    }
    // The text is the web server's own, and not the target's.
    if roots.contains(&Cause::ProxyNotAProxy) {
        findings.retain(|f| f.cause != Cause::TlsPlainHttp);
    }
    // Two names for the end of one call: the rule's is the stronger one.
    let ends: Vec<Cause> = findings.iter().filter(|f| f.role == Role::Root).map(|f| f.cause).collect();
    if ends.contains(&Cause::AuthMissing) || ends.contains(&Cause::AuthMalformedKey) {
        findings.retain(|f| f.cause != Cause::AuthInvalid);
    }
}

/// Everything that a cause explains, and what that explains in turn.
pub(crate) fn explained(cause: Cause) -> BTreeSet<Cause> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![cause]);
    while let Some(next) = open.pop() {
        for cause in next.row().explains {
            if seen.insert(*cause) {
                open.push(*cause);
            }
        }
    }
    seen.remove(&cause);
    seen
}

/// The order in which causes have to be fixed: a call passes the layers one after the other.
const fn order(layer: Layer) -> u8 {
    match layer {
        Layer::Config => 0,
        Layer::Clock => 1,
        Layer::Dns => 2,
        Layer::Net => 3,
        Layer::Tcp => 4,
        Layer::Proxy => 5,
        Layer::Tls => 6,
        Layer::Http => 7,
        Layer::Gateway => 8,
        Layer::Edge => 9,
        Layer::Auth | Layer::Cloud => 10,
        Layer::Request => 11,
        Layer::Quota => 12,
        Layer::Server => 13,
        Layer::Stream => 14,
        Layer::Client => 15,
    }
}

#[cfg(test)]
mod tests;
