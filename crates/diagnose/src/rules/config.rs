//! What this machine itself says: variables, credentials, files.

use clearline_model::{Cause, ConfigFault, Failure};

use super::{Found, Rule};
use crate::evidence::Evidence;

pub(crate) const RULES: &[Rule] = &[
    Rule { cause: Cause::ConfigBaseUrlInvalid, judge: |e| fault(e, ConfigFault::BaseUrl) },
    Rule { cause: Cause::ProxySettingInvalid, judge: |e| fault(e, ConfigFault::Proxy) },
    Rule { cause: Cause::ConfigCaFileMissing, judge: |e| fault(e, ConfigFault::CaFile) },
    Rule { cause: Cause::ConfigBaseUrlInsecure, judge: insecure },
    Rule { cause: Cause::ConfigBaseUrlPath, judge: doubled_path },
    Rule { cause: Cause::ConfigRouteSwitch, judge: route_switch },
    Rule { cause: Cause::AuthMissing, judge: |e| credential(e, "missing") },
    Rule { cause: Cause::AuthMalformedKey, judge: |e| credential(e, "malformed") },
    Rule { cause: Cause::AuthWrongProviderKey, judge: |e| credential(e, "other-provider") },
    Rule { cause: Cause::AuthConflicting, judge: conflicting },
    Rule { cause: Cause::ClockSkew, judge: skew },
];

/// The reference call ended in its settings.
fn fault(evidence: &Evidence, wanted: ConfigFault) -> Option<Found> {
    let (fact, failure) = evidence.end()?;
    (failure == Failure::Config(wanted)).then(|| Found::root(fact))
}

/// A key would travel in clear to another machine.
fn insecure(evidence: &Evidence) -> Option<Found> {
    let (fact, _) = evidence.state("base-url.insecure")?;
    Some(Found::root(fact))
}

/// `/v1` stands in the base URL, and the API knows nothing of what lies below it.
fn doubled_path(evidence: &Evidence) -> Option<Found> {
    let (state, _) = evidence.state("base-url.v1")?;
    let not_found = |f: &&clearline_model::Fact| matches!(f.saw, Err(Failure::Status(404, ..)));
    evidence.reference().find(not_found).map(|_| Found::root(state))
}

fn route_switch(evidence: &Evidence) -> Option<Found> {
    let (fact, _) = evidence.state("route-switch")?;
    Some(Found::information(fact))
}

/// What the shape of the credential says before anything is sent with it.
fn credential(evidence: &Evidence, shape: &str) -> Option<Found> {
    let (fact, value) = evidence.state("credential")?;
    (value.raw() == shape).then(|| Found::root(fact))
}

/// Two credentials at once: clients differ in which one they send.
fn conflicting(evidence: &Evidence) -> Option<Found> {
    let (fact, _) = evidence.state("credential.second")?;
    Some(Found::contributing(fact))
}

/// The server's clock is more than five minutes away from this machine's.
fn skew(evidence: &Evidence) -> Option<Found> {
    let (fact, _) = evidence.state("clock.skew")?;
    let is_cert = evidence.end().is_some_and(|(_, failure)| matches!(failure, Failure::Cert(_)));
    Some(if is_cert { Found::root(fact) } else { Found::contributing(fact) })
}
