//! From a failure to its weakest true cause: one total, pure function.
//!
//! Weak means: what this one step saw, and no more. A stronger cause comes from comparing facts and hides the weak one
//! through the `explains` column; the policy, the records and the metrics use the weak one.

use crate::cause::Cause;
use crate::failure::{
    CertFault, ConfigFault, ErrorKind, Failure, Framing, Icmp, Limit, LocalFault, Origin, Sent, Stage,
    StreamEnd,
};

/// Names the weakest true cause of a failure.
#[must_use]
pub fn classify(stage: Stage, failure: &Failure, sent: Sent) -> Cause {
    match *failure {
        Failure::Refused => refused(stage),
        Failure::Reset => lost(stage, sent, Lost::Reset),
        Failure::Eof => lost(stage, sent, Lost::Closed),
        Failure::TimedOut(limit) => timed_out(stage, limit, sent),
        Failure::Unreachable(icmp) => unreachable(stage, icmp),
        Failure::Os(number) => os(stage, number, sent),
        Failure::Rcode(code, _) => rcode(stage, code),
        Failure::NoAddress if stage == Stage::Tunnel => Cause::ProxyNameNotFound,
        Failure::NoAddress => Cause::DnsNoAddress,
        Failure::Alert(alert) => tls_alert(alert),
        Failure::Cert(fault) => certificate(fault),
        Failure::NotTls if stage == Stage::Tunnel => Cause::ProxySchemeMismatch,
        Failure::NotTls => Cause::TlsPlainHttp,
        Failure::Tunnel(status) => tunnel(status),
        Failure::Socks(reply) => socks(reply),
        Failure::Status(status, kind, origin) => answered(status, kind, origin),
        Failure::Framing(framing) => framed(framing),
        Failure::Ended(end) => ended(end),
        Failure::Config(fault) => configured(fault),
        Failure::Local(fault) => local(fault),
    }
}

/// How a connection was lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    Reset,
    Closed,
}

const fn refused(stage: Stage) -> Cause {
    match stage {
        Stage::Resolve => Cause::DnsResolverUnreachable,
        Stage::Tunnel => Cause::ProxyUnreachable,
        Stage::Config
        | Stage::Connect
        | Stage::Handshake
        | Stage::Send
        | Stage::Head
        | Stage::Body
        | Stage::Stream => Cause::TcpRefused,
    }
}

fn lost(stage: Stage, sent: Sent, how: Lost) -> Cause {
    match stage {
        Stage::Resolve => Cause::DnsResolverUnreachable,
        Stage::Tunnel => Cause::ProxyCannotConnect,
        Stage::Body => Cause::HttpTruncated,
        Stage::Stream if how == Lost::Reset => Cause::StreamReset,
        Stage::Stream => Cause::StreamCut,
        Stage::Config | Stage::Connect | Stage::Handshake => Cause::TcpReset,
        Stage::Send | Stage::Head if sent == Sent::No => Cause::TcpReset,
        Stage::Send | Stage::Head if how == Lost::Reset => Cause::HttpResetBeforeResponse,
        Stage::Send | Stage::Head => Cause::HttpClosedBeforeResponse,
    }
}

const fn timed_out(stage: Stage, limit: Limit, sent: Sent) -> Cause {
    if matches!(limit, Limit::Deadline) {
        return Cause::ClientTimeoutTooShort;
    }
    match stage {
        Stage::Resolve => Cause::DnsResolverUnreachable,
        Stage::Tunnel if matches!(limit, Limit::Resolve) => Cause::ProxyNameNotFound,
        Stage::Tunnel if matches!(limit, Limit::Connect) => Cause::ProxyTimeout,
        Stage::Tunnel => Cause::ProxyHangs,
        Stage::Handshake => Cause::TlsHandshakeStalled,
        Stage::Config | Stage::Connect => Cause::TcpTimeout,
        Stage::Send if matches!(sent, Sent::No) => Cause::TcpTimeout,
        Stage::Send => Cause::HttpUploadBlocked,
        Stage::Head => Cause::HttpNoResponse,
        Stage::Body | Stage::Stream => Cause::StreamStalled,
    }
}

const fn unreachable(stage: Stage, icmp: Icmp) -> Cause {
    match (stage, icmp) {
        (Stage::Resolve, _) => Cause::DnsResolverUnreachable,
        (Stage::Tunnel, _) => Cause::ProxyUnreachable,
        (_, Icmp::NoRoute) => Cause::NetNoRoute,
        (_, Icmp::Prohibited) => Cause::TcpProhibited,
        (_, Icmp::Network | Icmp::Host) => Cause::TcpUnreachable,
    }
}

/// The errors of Linux that say more than that something failed (`errno-base.h`, `errno.h`).
fn os(stage: Stage, number: i32, sent: Sent) -> Cause {
    match number {
        23 | 24 => Cause::ConfigFdLimit,
        98 | 99 => Cause::ConfigPortsExhausted,
        1 | 13 => Cause::ConfigLocalFirewall,
        100 => Cause::NetLinkDown,
        101 => unreachable(stage, Icmp::NoRoute),
        112 | 113 => unreachable(stage, Icmp::Host),
        110 => timed_out(stage, Limit::Connect, sent),
        111 => refused(stage),
        _ => lost(stage, sent, Lost::Reset),
    }
}

/// DNS response codes of RFC 1035 section 4.1.1.
const fn rcode(stage: Stage, code: u16) -> Cause {
    match (stage, code) {
        (Stage::Tunnel, _) => Cause::ProxyNameNotFound,
        (_, 3) => Cause::DnsNameNotFound,
        (_, 5) => Cause::DnsRefused,
        (_, 0) => Cause::DnsNoAddress,
        _ => Cause::DnsServerFailure,
    }
}

/// TLS alerts of RFC 8446 section 6.
const fn tls_alert(alert: u8) -> Cause {
    match alert {
        70 => Cause::TlsVersionTooOld,
        116 => Cause::TlsClientCertRequired,
        120 => Cause::TlsAlpnRejected,
        _ => Cause::TlsHandshakeRejected,
    }
}

const fn certificate(fault: CertFault) -> Cause {
    match fault {
        CertFault::Expired => Cause::TlsExpired,
        CertFault::NotYetValid => Cause::TlsNotYetValid,
        CertFault::WrongHost => Cause::TlsWrongHost,
        CertFault::SelfSigned => Cause::TlsSelfSigned,
        CertFault::UnknownIssuer | CertFault::Other => Cause::TlsUntrustedRoot,
        CertFault::Weak => Cause::TlsWeakKey,
    }
}

const fn tunnel(status: u16) -> Cause {
    match status {
        407 => Cause::ProxyAuthRequired,
        // What a web server says to CONNECT, or a peer that does not speak HTTP at all.
        0 | 200..=299 | 400 | 404 | 405 | 426 | 501 => Cause::ProxyNotAProxy,
        500..=599 => Cause::ProxyCannotConnect,
        _ => Cause::ProxyDenied,
    }
}

/// SOCKS replies of RFC 1928 section 6, and two of our own for the negotiation before it.
const fn socks(reply: u8) -> Cause {
    match reply {
        0xFF => Cause::ProxySocksAuth,
        0xFE => Cause::ProxyAuthRejected,
        2 => Cause::ProxySocksDenied,
        0 | 7 | 8 => Cause::ProxyNotAProxy,
        _ => Cause::ProxyCannotConnect,
    }
}

/// The kind says more than the status; the status more than who answered.
const fn answered(status: u16, kind: ErrorKind, origin: Origin) -> Cause {
    match kind {
        ErrorKind::None => by_status(status, origin),
        ErrorKind::InvalidRequest | ErrorKind::Conflict | ErrorKind::Api | ErrorKind::RateLimit => {
            by_weak_kind(status, kind, origin)
        }
        ErrorKind::VersionHeader => Cause::RequestVersionHeader,
        ErrorKind::BetaHeader => Cause::RequestBetaHeader,
        ErrorKind::MaxTokens => Cause::RequestMaxTokens,
        ErrorKind::ContextTooLong => Cause::RequestContextTooLong,
        ErrorKind::TooLarge => Cause::RequestTooLarge,
        ErrorKind::NotFound => Cause::RequestModelNotFound,
        ErrorKind::Authentication => Cause::AuthInvalid,
        ErrorKind::CredentialMissing => Cause::AuthMissing,
        ErrorKind::Expired => Cause::AuthExpired,
        ErrorKind::Revoked => Cause::AuthRevoked,
        ErrorKind::WrongKind => Cause::AuthWrongKind,
        ErrorKind::Permission => Cause::AuthForbidden,
        ErrorKind::OrgDisabled => Cause::AuthOrgDisabled,
        ErrorKind::WorkspaceMissing => Cause::AuthWorkspaceMissing,
        ErrorKind::Cors => Cause::ClientCors,
        ErrorKind::Billing => Cause::QuotaBilling,
        ErrorKind::Credit => Cause::QuotaCredit,
        ErrorKind::SpendLimit => Cause::QuotaSpendLimit,
        ErrorKind::RateRequests => Cause::QuotaRequests,
        ErrorKind::RateInputTokens => Cause::QuotaInputTokens,
        ErrorKind::RateOutputTokens => Cause::QuotaOutputTokens,
        ErrorKind::RateAcceleration => Cause::QuotaAcceleration,
        ErrorKind::RateConcurrency => Cause::QuotaConcurrency,
        ErrorKind::Subscription => Cause::QuotaSubscription,
        ErrorKind::Timeout => Cause::ServerTimeout,
        ErrorKind::Overloaded => Cause::ServerOverloaded,
        ErrorKind::Region => Cause::EdgeRegionBlocked,
        ErrorKind::Challenge => Cause::EdgeBotChallenge,
        ErrorKind::Blocked => Cause::EdgeWafBlocked,
        ErrorKind::Portal => Cause::EdgeCaptivePortal,
        ErrorKind::WebFilter => Cause::EdgeWebFilter,
        ErrorKind::Mesh => Cause::GatewayMeshUnavailable,
        ErrorKind::AwsCredentials => Cause::CloudAwsCredentials,
        ErrorKind::AwsAccess => Cause::CloudAwsAccessDenied,
        ErrorKind::AwsModel => Cause::CloudAwsModelInvalid,
        ErrorKind::AwsThrottled => Cause::CloudAwsThrottled,
        ErrorKind::GcpCredentials => Cause::CloudGcpCredentials,
        ErrorKind::GcpModel => Cause::CloudGcpModelUnavailable,
        ErrorKind::GcpQuota => Cause::CloudGcpQuota,
    }
}

/// Types that the API uses for several statuses: the status decides where it is finer.
const fn by_weak_kind(status: u16, kind: ErrorKind, origin: Origin) -> Cause {
    match (kind, status) {
        (ErrorKind::RateLimit, _) if matches!(origin, Origin::Gateway | Origin::Proxy) => {
            Cause::GatewayRateLimited
        }
        (ErrorKind::RateLimit, _) => Cause::QuotaThrottled,
        (ErrorKind::InvalidRequest, 400 | 405..=407 | 412 | 415 | 422 | 431) => Cause::RequestInvalid,
        // An error event inside a stream has no status of its own; it is passed as 0.
        (ErrorKind::InvalidRequest, 0) => Cause::RequestInvalid,
        (ErrorKind::Conflict | ErrorKind::Api, 0..=499) => Cause::ServerError,
        (_, _) => by_status(status, origin),
    }
}

const fn by_status(status: u16, origin: Origin) -> Cause {
    match (status, origin) {
        (407, _) => Cause::ProxyAuthRequired,
        (401, _) => Cause::AuthInvalid,
        (402, _) => Cause::QuotaBilling,
        (403, Origin::Api | Origin::Gateway) => Cause::AuthForbidden,
        (403, Origin::Edge) => Cause::EdgeWafBlocked,
        (403, Origin::Proxy) => Cause::ProxyDenied,
        (_, Origin::Portal) => Cause::EdgeCaptivePortal,
        (404, Origin::Api) => Cause::RequestModelNotFound,
        (408, _) | (504, Origin::Api) => Cause::ServerTimeout,
        (413, Origin::Api) => Cause::RequestTooLarge,
        (413, Origin::Proxy) => Cause::ProxyBodyLimit,
        (413, _) => Cause::GatewayBodyLimit,
        (429, Origin::Gateway | Origin::Proxy) => Cause::GatewayRateLimited,
        (429, _) => Cause::QuotaThrottled,
        (529, _) => Cause::ServerOverloaded,
        (409 | 424, _) | (500, Origin::Api) => Cause::ServerError,
        (499..=599, Origin::Gateway | Origin::Proxy) => Cause::GatewayBadGateway,
        (499..=599, _) => Cause::ServerUnavailable,
        (400 | 405..=498, Origin::Api | Origin::Gateway) => Cause::RequestInvalid,
        _ => Cause::EdgeNotTheApi,
    }
}

const fn framed(framing: Framing) -> Cause {
    match framing {
        Framing::Short => Cause::HttpTruncated,
        Framing::Malformed | Framing::TooLarge => Cause::GatewayMalformedResponse,
        Framing::Encoding => Cause::HttpBadEncoding,
        Framing::NotMessage | Framing::Empty | Framing::Redirect => Cause::EdgeNotTheApi,
        Framing::WrongContentType => Cause::StreamWrongContentType,
        Framing::Event => Cause::StreamCorrupt,
        Framing::H2 => Cause::TlsH2Broken,
    }
}

const fn ended(end: StreamEnd) -> Cause {
    match end {
        StreamEnd::Early => Cause::StreamEndedEarly,
        StreamEnd::Cut => Cause::StreamCut,
        StreamEnd::Reset => Cause::StreamReset,
        StreamEnd::Error(ErrorKind::None) => Cause::StreamErrorEvent,
        StreamEnd::Error(kind) => answered(0, kind, Origin::Api),
    }
}

const fn configured(fault: ConfigFault) -> Cause {
    match fault {
        ConfigFault::BaseUrl => Cause::ConfigBaseUrlInvalid,
        ConfigFault::Insecure => Cause::ConfigBaseUrlInsecure,
        ConfigFault::CaFile => Cause::ConfigCaFileMissing,
        ConfigFault::NoRoots => Cause::ConfigCaStoreEmpty,
        ConfigFault::NoKey => Cause::AuthMissing,
        ConfigFault::KeyMalformed => Cause::AuthMalformedKey,
        ConfigFault::Proxy => Cause::ProxySettingInvalid,
        ConfigFault::Header => Cause::RequestInvalid,
        ConfigFault::StreamingRequired => Cause::ClientStreamingRequired,
    }
}

const fn local(fault: LocalFault) -> Cause {
    match fault {
        LocalFault::Descriptors => Cause::ConfigFdLimit,
        LocalFault::Ports => Cause::ConfigPortsExhausted,
        LocalFault::Forbidden => Cause::ConfigSandboxNoEgress,
        LocalFault::StalePooled => Cause::TcpStalePooled,
        LocalFault::PoolExhausted => Cause::ClientPoolExhausted,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// The failures of the steps; statuses have a table of their own.
    fn failures() -> Vec<Failure> {
        let is_step =
            |f: &Failure| !matches!(f, Failure::Status(..) | Failure::Config(_) | Failure::Local(_));
        Failure::samples().into_iter().filter(is_step).collect()
    }

    const fn usual_sent(stage: Stage) -> Sent {
        match stage {
            Stage::Config | Stage::Resolve | Stage::Connect | Stage::Tunnel | Stage::Handshake => Sent::No,
            Stage::Send => Sent::Maybe,
            Stage::Head | Stage::Body | Stage::Stream => Sent::Yes,
        }
    }

    /// The whole table, as a snapshot: a row a failure, and the stages that share a cause.
    #[test]
    fn every_stage_and_failure_has_its_cause() {
        let mut table = String::new();
        for failure in failures() {
            let mut by_cause: Vec<(Cause, Vec<&str>)> = Vec::new();
            for stage in Stage::ALL {
                let cause = classify(stage, &failure, usual_sent(stage));
                match by_cause.iter_mut().find(|(c, _)| *c == cause) {
                    Some((_, stages)) => stages.push(stage.word()),
                    None => by_cause.push((cause, vec![stage.word()])),
                }
            }
            for (cause, stages) in by_cause {
                let stages = if stages.len() == 9 { "every stage".to_owned() } else { stages.join(" ") };
                writeln!(table, "{:<28} {:<32} {stages}", format!("{failure:?}"), cause.id()).unwrap();
            }
        }
        insta::assert_snapshot!("stage_and_failure", table);
    }

    #[test]
    fn every_status_has_its_cause_for_each_who_answered() {
        let mut table = String::new();
        for status in [
            200, 301, 400, 401, 402, 403, 404, 405, 407, 408, 409, 413, 422, 424, 429, 431, 499, 500, 502,
            503, 504, 520, 529,
        ] {
            for origin in [Origin::Api, Origin::Edge, Origin::Gateway, Origin::Proxy, Origin::Portal] {
                let cause =
                    classify(Stage::Head, &Failure::Status(status, ErrorKind::None, origin), Sent::Yes);
                writeln!(table, "{status} {:<8} {}", format!("{origin:?}"), cause.id()).unwrap();
            }
        }
        insta::assert_snapshot!("status_and_origin", table);
    }

    #[test]
    fn what_was_not_sent_is_never_charged_as_lost_after_sending() {
        for failure in [Failure::Reset, Failure::Eof] {
            for stage in [Stage::Send, Stage::Head] {
                assert_eq!(classify(stage, &failure, Sent::No), Cause::TcpReset);
            }
        }
        assert_eq!(classify(Stage::Head, &Failure::Reset, Sent::Yes), Cause::HttpResetBeforeResponse);
        assert_eq!(classify(Stage::Head, &Failure::Eof, Sent::Maybe), Cause::HttpClosedBeforeResponse);
    }

    #[test]
    fn a_kind_is_finer_than_its_status() {
        for (status, kind, cause) in [
            (400, ErrorKind::Credit, Cause::QuotaCredit),
            (400, ErrorKind::SpendLimit, Cause::QuotaSpendLimit),
            (429, ErrorKind::SpendLimit, Cause::QuotaSpendLimit),
            (429, ErrorKind::RateInputTokens, Cause::QuotaInputTokens),
            (500, ErrorKind::Api, Cause::ServerError),
            (502, ErrorKind::Api, Cause::ServerUnavailable),
            (413, ErrorKind::InvalidRequest, Cause::RequestTooLarge),
            (400, ErrorKind::InvalidRequest, Cause::RequestInvalid),
        ] {
            let failure = Failure::Status(status, kind, Origin::Api);
            assert_eq!(classify(Stage::Head, &failure, Sent::Yes), cause, "{status} {kind:?}");
        }
    }
}
