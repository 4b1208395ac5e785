//! Where it was set, for whatever a setting decides.

use clearline_model::variable::{BASE_URL, CA_FILES, CREDENTIALS, PROXIES, ROUTES, TLS_POLICY};
use clearline_model::{Cause, Finding, Layer, Proof};

use crate::evidence::Evidence;

const RESOLVERS: &[&str] = &["resolvers"];

/// The settings of single causes.
const SETTINGS: &[(Cause, &[&str])] = &[
    (Cause::ConfigBaseUrlInvalid, &BASE_URL),
    (Cause::ConfigBaseUrlUnknownHost, &BASE_URL),
    (Cause::ConfigBaseUrlPath, &BASE_URL),
    (Cause::ConfigBaseUrlInsecure, &BASE_URL),
    (Cause::ConfigBaseUrlDead, &BASE_URL),
    (Cause::ConfigCaFileMissing, &CA_FILES),
    (Cause::ConfigCaFileReplacesRoots, &CA_FILES),
    (Cause::TlsTrustStoreMismatch, &CA_FILES),
    (Cause::ConfigTlsPolicyStrict, &TLS_POLICY),
    (Cause::ConfigHostsOverride, &["hosts"]),
    (Cause::ConfigSearchDomain, RESOLVERS),
    (Cause::ConfigNoResolver, RESOLVERS),
    (Cause::DnsFirstResolverDead, RESOLVERS),
    (Cause::ConfigRouteSwitch, &ROUTES),
];

/// The settings that a cause is about.
fn settings(cause: Cause) -> &'static [&'static str] {
    let own = SETTINGS.iter().find(|(own, _)| *own == cause).map(|(_, settings)| *settings);
    own.unwrap_or_else(|| match cause.row().layer {
        Layer::Auth => &CREDENTIALS,
        Layer::Proxy => &PROXIES,
        Layer::Config | Layer::Clock | Layer::Dns | Layer::Net | Layer::Tcp | Layer::Tls => &[],
        Layer::Edge | Layer::Gateway | Layer::Http | Layer::Request | Layer::Quota | Layer::Server => &[],
        Layer::Stream | Layer::Client | Layer::Cloud => &[],
    })
}

/// Adds the places to a finding's proof. Of what is missing, the places where it stands and was not read.
pub(crate) fn add(evidence: &Evidence, finding: &mut Finding) {
    let kind = if finding.cause == Cause::AuthMissing { "elsewhere" } else { "origin" };
    for setting in settings(finding.cause) {
        let name = format!("{kind}.{setting}");
        let places = evidence.said(&name).map(|(fact, _)| Proof::One(fact.id));
        finding.proof.extend(places);
    }
}
