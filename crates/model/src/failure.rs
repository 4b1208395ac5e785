//! What one step saw: a stage, a failure, and whether the server may have seen the request.

use std::fmt;

/// The steps of an attempt, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Before anything was sent: settings, credentials, URLs.
    Config,
    /// The host's name becomes addresses.
    Resolve,
    /// A TCP connection to an address of the upstream.
    Connect,
    /// Everything up to a working tunnel where a proxy is used: its name, its connection, its answer.
    Tunnel,
    /// TLS.
    Handshake,
    /// The request goes out.
    Send,
    /// Waiting for the status line and headers.
    Head,
    /// A body that is not a stream of events.
    Body,
    /// A stream of events.
    Stream,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 9] = [
        Self::Config,
        Self::Resolve,
        Self::Connect,
        Self::Tunnel,
        Self::Handshake,
        Self::Send,
        Self::Head,
        Self::Body,
        Self::Stream,
    ];

    /// The word that logs and metrics use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tunnel => "tunnel",
            Self::Handshake => "handshake",
            Self::Send => "send",
            Self::Head => "head",
            Self::Body => "body",
            Self::Stream => "stream",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whether the server may have seen the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sent {
    /// Not a byte of it left, or it provably was not carried out.
    No,
    /// Some of it left.
    Maybe,
    /// All of it left.
    Yes,
}

/// Which limit ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Looking up a name.
    Resolve,
    /// Opening a connection.
    Connect,
    /// A proxy's answer to the request for a tunnel.
    Tunnel,
    /// The TLS handshake.
    Handshake,
    /// Sending the request.
    Send,
    /// The first byte of the answer.
    FirstByte,
    /// Silence between two bytes.
    Idle,
    /// The caller's own deadline.
    Deadline,
}

/// What an ICMP message, or the kernel in its place, said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Icmp {
    /// No route from here.
    NoRoute,
    /// A router does not know the network.
    Network,
    /// A router cannot reach the host.
    Host,
    /// Administratively prohibited.
    Prohibited,
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertFault {
    /// Past its last day.
    Expired,
    /// Before its first day.
    NotYetValid,
    /// For another name.
    WrongHost,
    /// Signed by itself.
    SelfSigned,
    /// The chain ends in an unknown root.
    UnknownIssuer,
    /// A key or signature that the policy here refuses.
    Weak,
    /// Anything else that the verifier refused.
    Other,
}

/// What a server's error means, as finely as its type, code and known texts tell.
///
/// `wire` makes this from the status, `error.type`, `error.details.error_code`, headers and (last) known fragments of
/// text: nobody else looks at an error's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The body says nothing that is known.
    None,
    /// `invalid_request_error` without anything finer.
    InvalidRequest,
    /// `anthropic-version` missing, doubled or unknown.
    VersionHeader,
    /// `anthropic-beta` and the body do not fit.
    BetaHeader,
    /// `max_tokens` over the model's limit.
    MaxTokens,
    /// The prompt does not fit the context window.
    ContextTooLong,
    /// The body is too large.
    TooLarge,
    /// The model, or another thing that was named, does not exist.
    NotFound,
    /// `authentication_error` without anything finer.
    Authentication,
    /// No credential arrived.
    CredentialMissing,
    /// An OAuth token has expired.
    Expired,
    /// A token was revoked.
    Revoked,
    /// A credential of the wrong kind for this endpoint.
    WrongKind,
    /// `permission_error` without anything finer.
    Permission,
    /// The organisation is disabled or on hold.
    OrgDisabled,
    /// The request must name a workspace.
    WorkspaceMissing,
    /// A browser's call without the opt-in.
    Cors,
    /// `billing_error`.
    Billing,
    /// The credit balance is too low.
    Credit,
    /// A spend limit is reached.
    SpendLimit,
    /// `rate_limit_error` without anything finer.
    RateLimit,
    /// Requests per minute.
    RateRequests,
    /// Input tokens per minute.
    RateInputTokens,
    /// Output tokens per minute.
    RateOutputTokens,
    /// Usage grew too fast.
    RateAcceleration,
    /// Too many connections at once.
    RateConcurrency,
    /// A subscription's window, or a feature outside the plan.
    Subscription,
    /// `timeout_error`.
    Timeout,
    /// `conflict_error`.
    Conflict,
    /// `api_error`.
    Api,
    /// `overloaded_error`.
    Overloaded,
    /// The edge's `forbidden` or an unsupported region.
    Region,
    /// A browser challenge, or an error 10xx of the edge.
    Challenge,
    /// A block page of a web application firewall.
    Blocked,
    /// A captive portal.
    Portal,
    /// A company's web filter.
    WebFilter,
    /// A service mesh's own answer.
    Mesh,
    /// AWS credentials.
    AwsCredentials,
    /// AWS access.
    AwsAccess,
    /// An AWS model id or region.
    AwsModel,
    /// AWS throttling.
    AwsThrottled,
    /// Google credentials.
    GcpCredentials,
    /// A model that is not enabled at Google.
    GcpModel,
    /// A Google quota.
    GcpQuota,
}

/// Who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The API's own application.
    Api,
    /// The edge in front of the API.
    Edge,
    /// A gateway that the caller uses on purpose, or another cloud's.
    Gateway,
    /// A proxy on the way.
    Proxy,
    /// A captive portal.
    Portal,
}

/// What is wrong with the bytes of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// The body is shorter than announced.
    Short,
    /// Not HTTP, or not valid.
    Malformed,
    /// The body is not in the encoding that its header names.
    Encoding,
    /// A success whose body is not a message of the API.
    NotMessage,
    /// A success whose body is empty.
    Empty,
    /// A stream was asked for and something else came.
    WrongContentType,
    /// An event that cannot be read, or out of order.
    Event,
    /// Larger than a named limit here.
    TooLarge,
    /// A redirect, which is never followed.
    Redirect,
    /// HTTP/2 broke.
    H2,
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamEnd {
    /// The body ended cleanly before `message_stop`.
    Early,
    /// The connection closed inside the body.
    Cut,
    /// The connection was reset inside the body.
    Reset,
    /// An `error` event, with its kind.
    Error(ErrorKind),
}

/// What is wrong with the settings of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigFault {
    /// The base URL cannot be parsed.
    BaseUrl,
    /// A credential would travel in clear.
    Insecure,
    /// A CA file is missing or unreadable.
    CaFile,
    /// No CA certificates at all.
    NoRoots,
    /// No credential.
    NoKey,
    /// The credential has characters that do not belong.
    KeyMalformed,
    /// The proxy setting cannot be parsed, or its scheme is not supported.
    Proxy,
    /// A header has characters that do not belong.
    Header,
    /// The caller's own retry layers or limits refuse the call (streaming required).
    StreamingRequired,
}

/// What this machine refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LocalFault {
    /// Out of file descriptors.
    Descriptors,
    /// No free local port.
    Ports,
    /// A local policy forbids it (a firewall, a sandbox, the fence).
    Forbidden,
    /// A connection of the pool was dead when it was taken.
    StalePooled,
    /// The pool has no free connection.
    PoolExhausted,
}

/// What one step saw. Made where it happens; nobody walks a chain of errors later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// The connection was refused.
    Refused,
    /// The connection was reset.
    Reset,
    /// The connection was closed.
    Eof,
    /// A limit ran out.
    TimedOut(Limit),
    /// A router or the kernel says it cannot be reached.
    Unreachable(Icmp),
    /// Another error of the operating system, by number.
    Os(i32),
    /// A DNS response code, and its extended error (RFC 8914) where there is one.
    Rcode(u16, Option<u16>),
    /// The name exists and has no address.
    NoAddress,
    /// A TLS alert of the peer.
    Alert(u8),
    /// The certificate was refused here.
    Cert(CertFault),
    /// The peer does not speak TLS.
    NotTls,
    /// The proxy's status for a tunnel; 0 where it did not speak HTTP.
    Tunnel(u16),
    /// The SOCKS reply (RFC 1928), or 0xFF where no method was acceptable, 0xFE where the credentials were refused.
    Socks(u8),
    /// An HTTP status, with what its body says and who sent it.
    Status(u16, ErrorKind, Origin),
    /// Bytes that break HTTP or the API's form.
    Framing(Framing),
    /// A stream that did not end well.
    Ended(StreamEnd),
    /// The settings.
    Config(ConfigFault),
    /// This machine.
    Local(LocalFault),
}
