//! One failure of each kind that is told apart: for tests, and to say which causes the classifier can name.

use crate::failure::{
    CertFault, ConfigFault, ErrorKind, Failure, Framing, Icmp, Limit, LocalFault, Origin, StreamEnd,
};

/// Statuses that mean different things.
const STATUSES: [u16; 17] =
    [400, 401, 402, 403, 404, 405, 407, 408, 413, 429, 500, 502, 503, 504, 522, 529, 302];

/// Kinds of errors that servers name.
const KINDS: [ErrorKind; 39] = [
    ErrorKind::None,
    ErrorKind::InvalidRequest,
    ErrorKind::VersionHeader,
    ErrorKind::BetaHeader,
    ErrorKind::MaxTokens,
    ErrorKind::ContextTooLong,
    ErrorKind::TooLarge,
    ErrorKind::NotFound,
    ErrorKind::Authentication,
    ErrorKind::CredentialMissing,
    ErrorKind::Expired,
    ErrorKind::Revoked,
    ErrorKind::WrongKind,
    ErrorKind::Permission,
    ErrorKind::OrgDisabled,
    ErrorKind::WorkspaceMissing,
    ErrorKind::Cors,
    ErrorKind::Billing,
    ErrorKind::Credit,
    ErrorKind::SpendLimit,
    ErrorKind::RateLimit,
    ErrorKind::RateRequests,
    ErrorKind::RateInputTokens,
    ErrorKind::RateOutputTokens,
    ErrorKind::RateAcceleration,
    ErrorKind::RateConcurrency,
    ErrorKind::Subscription,
    ErrorKind::Timeout,
    ErrorKind::Api,
    ErrorKind::Overloaded,
    ErrorKind::Region,
    ErrorKind::Challenge,
    ErrorKind::Blocked,
    ErrorKind::Portal,
    ErrorKind::WebFilter,
    ErrorKind::Mesh,
    ErrorKind::AwsCredentials,
    ErrorKind::AwsAccess,
    ErrorKind::GcpQuota,
];

impl Failure {
    /// One failure of each kind.
    #[must_use]
    pub fn samples() -> Vec<Self> {
        let mut all = steps();
        for origin in [Origin::Api, Origin::Edge, Origin::Gateway, Origin::Proxy, Origin::Portal] {
            all.extend(STATUSES.map(|status| Self::Status(status, ErrorKind::None, origin)));
            all.extend(KINDS.map(|kind| Self::Status(400, kind, origin)));
        }
        let more = [
            ErrorKind::AwsModel,
            ErrorKind::AwsThrottled,
            ErrorKind::GcpCredentials,
            ErrorKind::GcpModel,
            ErrorKind::Conflict,
        ];
        all.extend(more.map(|kind| Self::Status(400, kind, Origin::Gateway)));
        let settings = [
            ConfigFault::BaseUrl,
            ConfigFault::Insecure,
            ConfigFault::CaFile,
            ConfigFault::NoRoots,
            ConfigFault::NoKey,
            ConfigFault::KeyMalformed,
            ConfigFault::Proxy,
            ConfigFault::Header,
            ConfigFault::StreamingRequired,
        ];
        all.extend(settings.map(Self::Config));
        let here = [
            LocalFault::Descriptors,
            LocalFault::Ports,
            LocalFault::Forbidden,
            LocalFault::StalePooled,
            LocalFault::PoolExhausted,
        ];
        all.extend(here.map(Self::Local));
        all
    }
}

/// What the steps of an attempt see.
fn steps() -> Vec<Failure> {
    let mut all = vec![Failure::Refused, Failure::Reset, Failure::Eof, Failure::NoAddress, Failure::NotTls];
    let limits = [
        Limit::Resolve,
        Limit::Connect,
        Limit::Tunnel,
        Limit::Handshake,
        Limit::Send,
        Limit::FirstByte,
        Limit::Idle,
        Limit::Deadline,
    ];
    all.extend(limits.map(Failure::TimedOut));
    all.extend([Icmp::NoRoute, Icmp::Network, Icmp::Host, Icmp::Prohibited].map(Failure::Unreachable));
    all.extend([1, 24, 99, 100, 101, 104, 110, 111, 113].map(Failure::Os));
    all.extend([0, 2, 3, 5].map(|code| Failure::Rcode(code, None)));
    all.extend([40, 70, 116, 120].map(Failure::Alert));
    let faults = [
        CertFault::Expired,
        CertFault::NotYetValid,
        CertFault::WrongHost,
        CertFault::SelfSigned,
        CertFault::UnknownIssuer,
        CertFault::Weak,
        CertFault::Other,
    ];
    all.extend(faults.map(Failure::Cert));
    all.extend([0, 200, 403, 407, 502].map(Failure::Tunnel));
    all.extend([1, 2, 7, 0xFE, 0xFF].map(Failure::Socks));
    let framings = [
        Framing::Short,
        Framing::Malformed,
        Framing::Encoding,
        Framing::NotMessage,
        Framing::Empty,
        Framing::WrongContentType,
        Framing::Event,
        Framing::TooLarge,
        Framing::Redirect,
        Framing::H2,
    ];
    all.extend(framings.map(Failure::Framing));
    let ends = [
        StreamEnd::Early,
        StreamEnd::Cut,
        StreamEnd::Reset,
        StreamEnd::Error(ErrorKind::None),
        StreamEnd::Error(ErrorKind::Overloaded),
        StreamEnd::Error(ErrorKind::InvalidRequest),
    ];
    all.extend(ends.map(Failure::Ended));
    all
}
