//! What can go wrong: every cause that clearline names, as a fieldless enum with a row each.
//!
//! The ids are a contract with users, logs, metrics and tests: a row is never reused for something else. Behaviour
//! is a column and not a `match`; the prose lives in the Fluent files and not here.

use std::fmt;
use std::str::FromStr;

/// Where the call ends: the part of the id before the dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Settings of this machine, program or client.
    Config,
    /// The clock of this machine.
    Clock,
    /// Name resolution.
    Dns,
    /// Routing and links.
    Net,
    /// Connections.
    Tcp,
    /// The TLS handshake and its certificates.
    Tls,
    /// HTTP and SOCKS proxies.
    Proxy,
    /// Whatever stands in front of the API.
    Edge,
    /// A gateway of the user's own.
    Gateway,
    /// HTTP framing.
    Http,
    /// Credentials.
    Auth,
    /// The request itself.
    Request,
    /// Limits and payment.
    Quota,
    /// The API's own trouble.
    Server,
    /// Server-sent events.
    Stream,
    /// The client library.
    Client,
    /// Claude on other clouds.
    Cloud,
}

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Blame {
    /// Whoever runs this machine or program: settings, code, request.
    Caller,
    /// Whoever owns the credential: rights, limits, payment.
    Account,
    /// Whoever runs the network, the proxy or the gateway in between.
    Site,
    /// Whoever runs the server at the other end.
    Provider,
}

/// What may be done next with the same call, key, address and upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Retry {
    /// A repeat cannot help: that key, address or upstream is out.
    Never,
    /// Again after the policy's delay, with jitter; a hint of the server is the floor of the delay.
    Backoff,
    /// Again when the server's hint says; without a hint like `Backoff`.
    AfterHint,
    /// Once, after the credential has been renewed; if it cannot be renewed, `Never`.
    AfterRefresh,
    /// Again at once on a new connection; the second time like `Backoff`.
    FreshConnection,
    /// Again at once on a new connection that offers HTTP/1.1 alone.
    OnH1,
    /// Once, with a longer limit for the stage that ran out of time; like `IfSafe` where the request was sent.
    LongerTimeout,
    /// Like `Backoff` on a new connection, only for what may be repeated, only while the caller has seen nothing.
    IfSafe,
    /// Like `IfSafe`, for streams: only while the caller has seen no output.
    IfUncommitted,
}

/// Whose health a failure counts against, and so what the policy does first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Charge {
    /// That credential rests; another key of the pool at once.
    Key,
    /// That address rests; another address of the set at once.
    Address,
    /// The shared limiter of that upstream and model family.
    Upstream,
    /// The way there, for every call.
    Site,
    /// This call or this machine.
    Caller,
    /// Chance: paid from the retry budget.
    Nobody,
}

/// One row of the table of causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CauseRow {
    /// The public id, `layer.name`.
    pub id: &'static str,
    /// Where the call ends.
    pub layer: Layer,
    /// Who has to act.
    pub blame: Blame,
    /// What may be done next.
    pub retry: Retry,
    /// Whose health it counts against.
    pub charge: Charge,
    /// One English line, at most 80 characters.
    pub title: &'static str,
    /// The causes whose symptoms this one produces; they are hidden by it, and what they explain in turn.
    pub explains: &'static [Cause],
}

macro_rules! causes {
    ($($variant:ident, $id:literal, $layer:ident, $blame:ident, $retry:ident, $charge:ident, $title:literal,
        [$($explains:ident),*];)+) => {
        /// A cause: what went wrong, without payload. The row has everything that is known of it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cause {
            $(#[doc = concat!("`", $id, "`: ", $title, ".")] $variant,)+
        }

        impl Cause {
            /// Every cause, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The row of this cause.
            #[must_use]
            pub const fn row(self) -> &'static CauseRow {
                match self {
                    $(Self::$variant => &CauseRow {
                        id: $id,
                        layer: Layer::$layer,
                        blame: Blame::$blame,
                        retry: Retry::$retry,
                        charge: Charge::$charge,
                        title: $title,
                        explains: &[$(Self::$explains),*],
                    },)+
                }
            }
        }
    };
}

// Source: the catalogue of causes, version of 2026-11-24. Columns: variant, id, layer, blame, retry, charge, title, explains.
#[rustfmt::skip]
causes! {
    ConfigBaseUrlInvalid, "config.base-url-invalid", Config, Caller, Never, Caller, "The base URL cannot be parsed (no scheme, stray characters)", [];
    ConfigBaseUrlUnknownHost, "config.base-url-unknown-host", Config, Caller, Never, Caller, "The configured base URL's host name does not exist, the default one does", [DnsNameNotFound];
    ConfigBaseUrlPath, "config.base-url-path", Config, Caller, Never, Caller, "The base URL carries a wrong path (a doubled /v1, a missing gateway prefix)", [RequestModelNotFound, EdgeNotTheApi];
    ConfigBaseUrlInsecure, "config.base-url-insecure", Config, Caller, Never, Caller, "The base URL is http:// where the service is https://", [EdgeNotTheApi];
    ConfigBaseUrlDead, "config.base-url-dead", Config, Caller, Never, Caller, "The base URL points at a gateway or port where nothing listens", [TcpRefused, TcpTimeout, TcpUnreachable];
    ConfigCaFileMissing, "config.ca-file-missing", Config, Caller, Never, Caller, "A CA variable names a file that is missing or unreadable", [TlsTrustStoreMismatch, TlsUntrustedRoot];
    ConfigCaFileReplacesRoots, "config.ca-file-replaces-roots", Config, Caller, Never, Caller, "The configured CA file holds only a private CA and hides the public roots", [TlsTrustStoreMismatch, TlsUntrustedRoot];
    ConfigCaStoreEmpty, "config.ca-store-empty", Config, Caller, Never, Caller, "No CA certificates are installed", [TlsTrustStoreMismatch, TlsUntrustedRoot];
    ConfigTlsPolicyStrict, "config.tls-policy-strict", Config, Caller, Never, Caller, "This machine's own TLS policy forbids what the path offers", [TlsHandshakeRejected, TlsVersionTooOld, TlsWeakKey];
    ConfigHostsOverride, "config.hosts-override", Config, Caller, Never, Caller, "The hosts file maps the name to a dead, wrong, loopback or zero address", [DnsSinkhole, DnsWrongAddress, DnsStaleRecord];
    ConfigNoResolver, "config.no-resolver", Config, Caller, Never, Caller, "No DNS resolver is configured", [DnsResolverUnreachable, DnsNameNotFound, DnsServerFailure];
    ConfigSearchDomain, "config.search-domain", Config, Caller, Never, Caller, "A search domain with ndots and a wildcard answers for the name first", [DnsSinkhole, DnsWrongAddress, DnsNameNotFound];
    ConfigNssWithoutDns, "config.nss-without-dns", Config, Caller, Never, Caller, "The name service switch does not use DNS", [DnsNameNotFound];
    ConfigFdLimit, "config.fd-limit", Config, Caller, Backoff, Caller, "The process is out of file descriptors", [DnsNameNotFound, DnsServerFailure];
    ConfigPortsExhausted, "config.ports-exhausted", Config, Caller, Backoff, Caller, "No free local port", [];
    ConfigLocalFirewall, "config.local-firewall", Config, Caller, Never, Caller, "A firewall or security product on this machine drops or rejects the traffic", [TcpRefused, TcpTimeout, TcpRejected, TcpFiltered, TcpPortBlocked, TcpUnreachable, TcpProhibited, NetEgressBlocked];
    ConfigSandboxNoEgress, "config.sandbox-no-egress", Config, Site, Never, Site, "The sandbox's policy forbids the connection", [DnsNameNotFound, DnsResolverUnreachable, TcpRefused, TcpTimeout, TcpUnreachable, NetNoRoute, NetEgressBlocked, ProxyDenied];
    ConfigRouteSwitch, "config.route-switch", Config, Caller, Never, Caller, "A switch in the environment sends the calls to another cloud", [CloudAwsCredentials, CloudAwsModelInvalid, CloudGcpCredentials, CloudGcpModelUnavailable];
    ClockSkew, "clock.skew", Clock, Caller, Never, Caller, "This machine's clock is wrong enough to break certificates or signatures", [CloudAwsCredentials];
    DnsNameNotFound, "dns.name-not-found", Dns, Site, Never, Site, "Every resolver that answers says the name does not exist", [];
    DnsFiltered, "dns.filtered", Dns, Site, Never, Site, "The configured resolver refuses or denies this name alone (a DNS filter)", [DnsNameNotFound, DnsNoAddress, DnsServerFailure];
    DnsServerFailure, "dns.server-failure", Dns, Site, Backoff, Site, "The resolver failed (SERVFAIL or a temporary failure)", [];
    DnsRefused, "dns.refused", Dns, Site, Never, Site, "The resolver refuses this client", [DnsServerFailure];
    DnsResolverUnreachable, "dns.resolver-unreachable", Dns, Site, Backoff, Site, "No configured resolver answers (silence, or its port is closed)", [DnsServerFailure];
    DnsFirstResolverDead, "dns.first-resolver-dead", Dns, Site, LongerTimeout, Site, "The first resolver is dead and every look-up waits for it", [DnsSlow];
    DnsSlow, "dns.slow", Dns, Site, LongerTimeout, Site, "The resolver answers, seconds late", [];
    DnsSinkhole, "dns.sinkhole", Dns, Site, Never, Site, "The answer is zero, loopback or a private address with nothing behind it", [TcpRefused, TcpTimeout, TcpUnreachable, TlsWrongHost];
    DnsBlockPage, "dns.block-page", Dns, Site, Never, Site, "The answer leads to a filter's block page", [DnsWrongAddress, TlsIntercepted, EdgeWebFilter];
    DnsStaleRecord, "dns.stale-record", Dns, Site, Never, Site, "The resolver or a cache serves an address that no longer serves", [TcpRefused, TcpTimeout, TcpFiltered, TcpRejected, TcpUnreachable, TlsWrongHost];
    DnsWrongAddress, "dns.wrong-address", Dns, Site, Never, Site, "The answer is another live host (poisoned or wrong)", [TcpRefused, TcpTimeout, TlsWrongHost, TlsSelfSigned, TlsUntrustedRoot, TlsHandshakeRejected, EdgeNotTheApi];
    DnsInjected, "dns.injected", Dns, Site, Never, Site, "A forged answer races the real one on the path", [DnsWrongAddress, DnsSinkhole, DnsFiltered];
    DnsIntercepted, "dns.intercepted", Dns, Site, Never, Site, "All port-53 traffic is answered by the network's own resolver", [DnsWrongAddress, DnsSinkhole, DnsFiltered, DnsBlockPage];
    DnsBadAddressInSet, "dns.bad-address-in-set", Dns, Provider, FreshConnection, Address, "Some of the addresses in the answer are dead", [TcpRefused, TcpTimeout, TcpFiltered, TcpRejected, TcpUnreachable];
    DnsNoAddress, "dns.no-address", Dns, Site, Never, Site, "The answer holds no address", [];
    DnsAaaaBroken, "dns.aaaa-broken", Dns, Site, LongerTimeout, Site, "AAAA queries are dropped or fail and delay every look-up", [DnsSlow, DnsServerFailure];
    DnsTcpBlocked, "dns.tcp-blocked", Dns, Site, Never, Site, "The answer is truncated and DNS over TCP is blocked", [DnsResolverUnreachable, DnsNoAddress, DnsSlow];
    DnsDanglingCname, "dns.dangling-cname", Dns, Provider, Never, Upstream, "The alias points to a name that does not exist", [DnsNameNotFound];
    DnsSplitHorizon, "dns.split-horizon", Dns, Site, Never, Site, "A private answer that needs a VPN that is down", [DnsSinkhole];
    DnsRebindProtection, "dns.rebind-protection", Dns, Site, Never, Site, "The router strips private answers", [DnsFiltered];
    DnsStaleCache, "dns.stale-cache", Dns, Caller, Never, Caller, "A local cache holds an old or negative answer", [DnsFiltered, DnsStaleRecord];
    DnsFlaky, "dns.flaky", Dns, Site, Backoff, Site, "Some queries are lost", [DnsResolverUnreachable, DnsServerFailure, DnsSlow];
    NetLinkDown, "net.link-down", Net, Caller, Backoff, Caller, "No network interface is up", [NetNoRoute];
    NetNoRoute, "net.no-route", Net, Caller, Backoff, Caller, "There is no route to the Internet", [TcpUnreachable, DnsResolverUnreachable];
    NetGatewayUnreachable, "net.gateway-unreachable", Net, Site, Backoff, Site, "The default gateway does not answer", [NetEgressBlocked, TcpUnreachable, DnsResolverUnreachable];
    NetEgressBlocked, "net.egress-blocked", Net, Site, Backoff, Site, "Nothing beyond the gateway can be reached", [TcpFiltered, TcpPortBlocked, TcpTimeout, DnsResolverUnreachable];
    TcpFiltered, "tcp.filtered", Tcp, Site, Never, Address, "Packets to the API's address are dropped in silence, those to others pass", [TcpTimeout];
    TcpPortBlocked, "tcp.port-blocked", Tcp, Site, Never, Site, "The port is blocked to everybody", [TcpTimeout, TcpRefused];
    TcpRefused, "tcp.refused", Tcp, Provider, Backoff, Address, "The host answers, and nothing listens on the port", [];
    TcpRejected, "tcp.rejected", Tcp, Site, Never, Address, "A firewall on the path answers the connection attempt with a reset", [TcpRefused];
    TcpUnreachable, "tcp.unreachable", Tcp, Site, Backoff, Address, "A router says that the host or network is unreachable", [];
    TcpProhibited, "tcp.prohibited", Tcp, Site, Never, Address, "A router says that the traffic is administratively prohibited", [TcpUnreachable];
    TcpIpv6Broken, "tcp.ipv6-broken", Tcp, Site, FreshConnection, Address, "IPv6 is configured and broken, IPv4 works", [DnsBadAddressInSet, TcpReset, TlsHandshakeStalled];
    TcpIpv4Broken, "tcp.ipv4-broken", Tcp, Site, FreshConnection, Address, "IPv4 is broken, IPv6 works", [DnsBadAddressInSet, TcpReset, TlsHandshakeStalled];
    TcpMtuBlackhole, "tcp.mtu-blackhole", Tcp, Site, Never, Site, "Large packets are lost and nothing says so", [HttpUploadBlocked, TlsHandshakeStalled, TlsLargeHelloDropped, HttpNoResponse, StreamStalled];
    TcpPacketLoss, "tcp.packet-loss", Tcp, Site, Backoff, Site, "Many packets are lost", [TcpTimeout, DnsFlaky, TlsHandshakeStalled, HttpNoResponse, StreamStalled];
    TcpIntermittentReset, "tcp.intermittent-reset", Tcp, Site, FreshConnection, Site, "A share of the connections is reset", [TcpReset, HttpResetBeforeResponse, StreamReset];
    TcpConnectionLimit, "tcp.connection-limit", Tcp, Site, Backoff, Site, "The path allows only so many connections at once", [TcpRejected, TcpTimeout, TcpReset];
    TcpIdleCut, "tcp.idle-cut", Tcp, Site, FreshConnection, Site, "A device forgets or resets idle connections", [TcpStalePooled, HttpNoResponse, StreamStalled, StreamCut, StreamReset];
    TcpAcceptsThenCloses, "tcp.accepts-then-closes", Tcp, Site, Backoff, Address, "Something accepts the connection and closes it before any answer", [TcpReset, TlsHandshakeRejected];
    TcpThrottled, "tcp.throttled", Tcp, Site, LongerTimeout, Site, "The bandwidth is throttled", [HttpUploadBlocked, ClientTimeoutTooShort, StreamStalled];
    TcpReset, "tcp.reset", Tcp, Site, FreshConnection, Address, "The connection was reset before the request was sent", [];
    TcpTimeout, "tcp.timeout", Tcp, Site, Backoff, Address, "The connection attempt timed out, and more is not known", [];
    TcpStalePooled, "tcp.stale-pooled", Tcp, Caller, FreshConnection, Nobody, "A pooled connection had died while idle or asleep", [HttpResetBeforeResponse, HttpClosedBeforeResponse];
    TlsIntercepted, "tls.intercepted", Tls, Site, Never, Site, "A middlebox or proxy re-signs TLS with a CA that is not trusted here", [TlsSelfSigned, TlsUntrustedRoot, TlsIncompleteChain];
    TlsTrustStoreMismatch, "tls.trust-store-mismatch", Tls, Caller, Never, Caller, "One trust store here verifies the certificate and another does not", [TlsUntrustedRoot, TlsSelfSigned, TlsIncompleteChain];
    TlsExpired, "tls.expired", Tls, Provider, Never, Address, "The certificate has expired", [];
    TlsNotYetValid, "tls.not-yet-valid", Tls, Provider, Never, Address, "The certificate is not valid yet", [];
    TlsWrongHost, "tls.wrong-host", Tls, Provider, Never, Address, "The certificate is for another name", [];
    TlsSelfSigned, "tls.self-signed", Tls, Provider, Never, Address, "The certificate is self-signed", [TlsUntrustedRoot];
    TlsUntrustedRoot, "tls.untrusted-root", Tls, Provider, Never, Address, "The chain ends in an unknown root", [];
    TlsIncompleteChain, "tls.incomplete-chain", Tls, Provider, Never, Address, "The server leaves out the intermediate certificate", [TlsUntrustedRoot];
    TlsWeakKey, "tls.weak-key", Tls, Provider, Never, Address, "The certificate's key is too weak for the policy here", [TlsUntrustedRoot];
    TlsSniBlocked, "tls.sni-blocked", Tls, Site, Never, Site, "A middlebox resets, drops or closes handshakes that name this host", [TcpAcceptsThenCloses, TlsHandshakeStalled];
    TlsHandshakeStalled, "tls.handshake-stalled", Tls, Provider, Backoff, Address, "TCP connects and the handshake gets no answer, whatever the name", [];
    TlsHandshakeRejected, "tls.handshake-rejected", Tls, Provider, Never, Address, "The peer ends the handshake with an alert", [];
    TlsAlpnRejected, "tls.alpn-rejected", Tls, Provider, Never, Address, "No common application protocol", [TlsHandshakeRejected];
    TlsVersionTooOld, "tls.version-too-old", Tls, Provider, Never, Address, "The peer speaks only versions that are off here", [TlsHandshakeRejected];
    TlsH2Broken, "tls.h2-broken", Tls, Site, OnH1, Site, "HTTP/2 (or QUIC) is negotiated and does not work on this path", [HttpNoResponse, HttpResetBeforeResponse, HttpClosedBeforeResponse];
    TlsPlainHttp, "tls.plain-http", Tls, Provider, Never, Address, "The port speaks plain HTTP", [TlsHandshakeRejected];
    TlsClientCertRequired, "tls.client-cert-required", Tls, Caller, Never, Caller, "The peer wants a client certificate", [TlsHandshakeRejected, HttpClosedBeforeResponse, EdgeNotTheApi];
    TlsFingerprintBlocked, "tls.fingerprint-blocked", Tls, Site, Never, Site, "The handshake is refused for its shape, not its name", [TlsSniBlocked];
    TlsLargeHelloDropped, "tls.large-hello-dropped", Tls, Site, Never, Site, "A ClientHello larger than one packet is dropped", [TlsHandshakeStalled];
    TlsMixedBackends, "tls.mixed-backends", Tls, Provider, FreshConnection, Address, "Some backends behind the address present a bad certificate", [TlsExpired, TlsNotYetValid, TlsWrongHost, TlsSelfSigned, TlsIncompleteChain];
    ProxyUnreachable, "proxy.unreachable", Proxy, Caller, Backoff, Site, "The configured proxy refuses connections", [TcpRefused, TcpTimeout, TcpUnreachable];
    ProxyConflictingSettings, "proxy.conflicting-settings", Proxy, Caller, Never, Caller, "The proxy variables contradict one another", [ProxyUnreachable, ProxyTimeout, ProxyNameNotFound];
    ProxyNameNotFound, "proxy.name-not-found", Proxy, Caller, Never, Caller, "The proxy's host name does not resolve", [DnsNameNotFound, DnsServerFailure];
    ProxyTimeout, "proxy.timeout", Proxy, Site, Backoff, Site, "The proxy's host does not answer", [TcpTimeout];
    ProxyAuthRequired, "proxy.auth-required", Proxy, Caller, Never, Caller, "The proxy wants credentials and none are configured", [];
    ProxyAuthRejected, "proxy.auth-rejected", Proxy, Caller, Never, Caller, "The proxy rejects the credentials", [ProxyAuthRequired];
    ProxyAuthScheme, "proxy.auth-scheme", Proxy, Caller, Never, Caller, "The proxy offers only schemes this client does not speak (NTLM, Negotiate)", [ProxyAuthRejected];
    ProxyDenied, "proxy.denied", Proxy, Site, Never, Site, "The proxy's policy forbids the API", [];
    ProxyPortDenied, "proxy.port-denied", Proxy, Site, Never, Site, "The proxy's policy forbids the port", [ProxyDenied];
    ProxyCannotResolve, "proxy.cannot-resolve", Proxy, Site, Backoff, Site, "The proxy cannot resolve the API's name", [ProxyCannotConnect];
    ProxyCannotConnect, "proxy.cannot-connect", Proxy, Site, Backoff, Site, "The proxy cannot reach the API", [];
    ProxyHangs, "proxy.hangs", Proxy, Site, Backoff, Site, "The proxy accepts the request for a tunnel and never answers", [HttpNoResponse];
    ProxyClosesTunnel, "proxy.closes-tunnel", Proxy, Site, Never, Site, "The proxy grants the tunnel and closes it when TLS starts", [TlsSniBlocked, HttpClosedBeforeResponse];
    ProxyNotAProxy, "proxy.not-a-proxy", Proxy, Caller, Never, Caller, "The configured proxy is an ordinary web server", [ProxyDenied, EdgeNotTheApi];
    ProxySchemeMismatch, "proxy.scheme-mismatch", Proxy, Caller, Never, Caller, "The proxy URL says TLS where the proxy speaks plain text, or the reverse", [ProxyNotAProxy, TlsPlainHttp, TcpReset, HttpClosedBeforeResponse];
    ProxyIdleCut, "proxy.idle-cut", Proxy, Site, FreshConnection, Site, "The proxy closes idle tunnels", [TcpIdleCut];
    ProxyStripsCredentials, "proxy.strips-credentials", Proxy, Site, Never, Site, "An inspecting proxy removes the credential header", [AuthMissing];
    ProxyBodyLimit, "proxy.body-limit", Proxy, Site, Never, Site, "The proxy refuses bodies over its limit", [GatewayBodyLimit];
    ProxyRequired, "proxy.required", Proxy, Caller, Never, Caller, "Only a proxy leads out, and this client uses none", [NetEgressBlocked, TcpRejected, TcpUnreachable, DnsNameNotFound];
    ProxyNoProxyTooBroad, "proxy.no-proxy-too-broad", Proxy, Caller, Never, Caller, "NO_PROXY excludes the API on a network where only the proxy leads out", [ProxyRequired];
    ProxyNoProxyMissing, "proxy.no-proxy-missing", Proxy, Caller, Never, Caller, "An internal gateway is sent to the proxy", [ProxyDenied, ProxyCannotResolve];
    ProxyNoProxySyntax, "proxy.no-proxy-syntax", Proxy, Caller, Never, Caller, "NO_PROXY is written in a form that this client does not understand", [ProxyNoProxyMissing];
    ProxySocksAuth, "proxy.socks-auth", Proxy, Caller, Never, Caller, "The SOCKS proxy wants credentials", [];
    ProxySocksDenied, "proxy.socks-denied", Proxy, Site, Never, Site, "The SOCKS proxy's rules forbid the host", [ProxyDenied];
    ProxySocksLocalDns, "proxy.socks-local-dns", Proxy, Caller, Never, Caller, "Socks5:// resolves here, where the answer is wrong; socks5h:// would not", [DnsWrongAddress, DnsSinkhole, DnsFiltered, DnsBlockPage];
    ProxyFlaky, "proxy.flaky", Proxy, Site, Backoff, Site, "Some tunnels fail", [ProxyCannotConnect, ProxyTimeout];
    ProxySettingInvalid, "proxy.setting-invalid", Proxy, Caller, Never, Caller, "The proxy setting cannot be parsed or its scheme is not supported", [];
    ProxyUnintended, "proxy.unintended", Proxy, Caller, Never, Caller, "A proxy that was not meant is in use and answers", [];
    EdgeCaptivePortal, "edge.captive-portal", Edge, Site, Never, Site, "A log-in portal answers in the network's place", [DnsSinkhole, DnsBlockPage, TlsPlainHttp, TcpRejected, NetEgressBlocked];
    EdgeWafBlocked, "edge.waf-blocked", Edge, Site, Never, Caller, "A web application firewall refuses the request, mostly with a block page", [EdgeNotTheApi];
    EdgeBotChallenge, "edge.bot-challenge", Edge, Provider, Never, Site, "The vendor's edge mistrusts this client or its address", [EdgeWafBlocked];
    EdgeRegionBlocked, "edge.region-blocked", Edge, Provider, Never, Site, "The API is not offered from this country or network", [EdgeWafBlocked, AuthForbidden];
    EdgeWebFilter, "edge.web-filter", Edge, Site, Never, Site, "A company web filter answers in the API's place", [EdgeNotTheApi];
    EdgeNotTheApi, "edge.not-the-api", Edge, Site, Never, Site, "Something that is not the API answers", [];
    GatewayBadGateway, "gateway.bad-gateway", Gateway, Site, Backoff, Upstream, "Your own gateway cannot reach its upstream", [ServerUnavailable];
    GatewayMeshUnavailable, "gateway.mesh-unavailable", Gateway, Site, Backoff, Upstream, "The service mesh cannot reach the API", [GatewayBadGateway];
    GatewayRedirectLoop, "gateway.redirect-loop", Gateway, Site, Never, Upstream, "The gateway redirects to itself", [EdgeNotTheApi];
    GatewayRateLimited, "gateway.rate-limited", Gateway, Site, AfterHint, Upstream, "The limit is your own gateway's, not the API's", [QuotaThrottled];
    GatewayBodyLimit, "gateway.body-limit", Gateway, Site, Never, Caller, "The edge or gateway refuses the body's size before the API sees it", [RequestTooLarge, HttpUploadBlocked];
    GatewayMalformedResponse, "gateway.malformed-response", Gateway, Site, Never, Site, "A gateway altered or mistranslated the answer", [];
    HttpNoResponse, "http.no-response", Http, Provider, IfSafe, Nobody, "The request was delivered in full and no answer comes", [];
    HttpResetBeforeResponse, "http.reset-before-response", Http, Site, IfSafe, Nobody, "The connection was reset after the request was sent", [TcpReset];
    HttpClosedBeforeResponse, "http.closed-before-response", Http, Provider, IfSafe, Nobody, "The connection was closed after the request was sent", [];
    HttpTruncated, "http.truncated", Http, Site, IfSafe, Nobody, "The body is shorter than announced", [];
    HttpBadEncoding, "http.bad-encoding", Http, Site, Never, Site, "The body is not in the encoding that its header names", [];
    HttpUploadBlocked, "http.upload-blocked", Http, Site, Never, Site, "Uploads over some size stall or are reset", [HttpNoResponse, HttpResetBeforeResponse];
    HttpKeepaliveRace, "http.keepalive-race", Http, Site, FreshConnection, Nobody, "The server closes idle connections while the client reuses them", [TcpStalePooled];
    AuthMissing, "auth.missing", Auth, Caller, Never, Caller, "No credential is configured or sent", [];
    AuthMalformedKey, "auth.malformed-key", Auth, Caller, Never, Key, "The key carries characters that do not belong in it", [AuthInvalid, AuthMissing];
    AuthWrongProviderKey, "auth.wrong-provider-key", Auth, Caller, Never, Key, "The key belongs to another vendor", [AuthInvalid];
    AuthInvalid, "auth.invalid", Auth, Account, Never, Key, "The key is well formed and not (or no longer) valid", [];
    AuthConflicting, "auth.conflicting", Auth, Caller, Never, Caller, "Two different credentials are in play", [AuthInvalid, AuthExpired, AuthWrongKind];
    AuthWrongKind, "auth.wrong-kind", Auth, Caller, Never, Key, "An OAuth token where a key is needed, or the reverse", [AuthInvalid];
    AuthExpired, "auth.expired", Auth, Account, AfterRefresh, Key, "The token has expired", [AuthInvalid];
    AuthRevoked, "auth.revoked", Auth, Account, Never, Key, "The token was revoked", [AuthInvalid, AuthForbidden];
    AuthForbidden, "auth.forbidden", Auth, Account, Never, Key, "The credential may not use this resource", [];
    AuthOrgDisabled, "auth.org-disabled", Auth, Account, Never, Key, "The organisation is disabled or this kind of log-in is not allowed for it", [AuthForbidden, RequestInvalid];
    AuthWorkspaceMissing, "auth.workspace-missing", Auth, Caller, Never, Caller, "The key spans workspaces and the request names none", [RequestInvalid];
    RequestInvalid, "request.invalid", Request, Caller, Never, Caller, "The body is not valid JSON or breaks the API's rules", [];
    RequestVersionHeader, "request.version-header", Request, Caller, Never, Caller, "Anthropic-version is missing, doubled or unknown", [RequestInvalid];
    RequestBetaHeader, "request.beta-header", Request, Caller, Never, Caller, "The anthropic-beta header and the body or endpoint do not fit", [RequestInvalid];
    RequestModelNotFound, "request.model-not-found", Request, Caller, Never, Caller, "The model is unknown, retired or not enabled", [];
    RequestMaxTokens, "request.max-tokens", Request, Caller, Never, Caller, "Max_tokens is above the model's limit", [RequestInvalid];
    RequestContextTooLong, "request.context-too-long", Request, Caller, Never, Caller, "The prompt does not fit the context window", [RequestInvalid];
    RequestTooLarge, "request.too-large", Request, Caller, Never, Caller, "The body is over the API's byte limit", [];
    QuotaRequests, "quota.requests", Quota, Account, AfterHint, Key, "The limit of requests per minute is reached", [QuotaThrottled];
    QuotaInputTokens, "quota.input-tokens", Quota, Account, AfterHint, Key, "The limit of input tokens per minute is reached", [QuotaThrottled];
    QuotaOutputTokens, "quota.output-tokens", Quota, Account, AfterHint, Key, "The limit of output tokens per minute is reached", [QuotaThrottled];
    QuotaAcceleration, "quota.acceleration", Quota, Account, AfterHint, Key, "Usage grew too fast", [QuotaThrottled];
    QuotaConcurrency, "quota.concurrency", Quota, Account, Backoff, Key, "Too many calls at once", [QuotaThrottled];
    QuotaSpendLimit, "quota.spend-limit", Quota, Account, Never, Key, "A spend limit, self-set or of the tier or contract, is reached", [QuotaThrottled, RequestInvalid];
    QuotaCredit, "quota.credit", Quota, Account, Never, Key, "The prepaid credit is used up", [RequestInvalid];
    QuotaBilling, "quota.billing", Quota, Account, Never, Key, "A payment problem", [];
    QuotaSubscription, "quota.subscription", Quota, Account, Never, Key, "The subscription's window is used up, or the plan does not cover the feature", [QuotaThrottled];
    QuotaThrottled, "quota.throttled", Quota, Provider, Backoff, Upstream, "A short throttle by the vendor, with no quota named", [];
    ServerOverloaded, "server.overloaded", Server, Provider, Backoff, Upstream, "The API is overloaded (529)", [StreamErrorEvent];
    ServerError, "server.error", Server, Provider, Backoff, Upstream, "The API failed inside (500)", [StreamErrorEvent];
    ServerUnavailable, "server.unavailable", Server, Provider, Backoff, Upstream, "The edge was reached and the API behind it was not", [];
    ServerTimeout, "server.timeout", Server, Provider, Backoff, Upstream, "The server gave up (504)", [];
    ServerSlowFirstByte, "server.slow-first-byte", Server, Provider, LongerTimeout, Upstream, "The first byte comes later than the client's timeout allows", [ClientTimeoutTooShort];
    StreamStalled, "stream.stalled", Stream, Provider, IfUncommitted, Nobody, "The stream went silent", [];
    StreamEndedEarly, "stream.ended-early", Stream, Provider, IfUncommitted, Nobody, "The stream ended without message_stop, cleanly", [];
    StreamCut, "stream.cut", Stream, Site, IfUncommitted, Nobody, "The connection closed in the middle of the stream", [];
    StreamReset, "stream.reset", Stream, Site, IfUncommitted, Nobody, "The connection was reset in the middle of the stream", [];
    StreamSizeCut, "stream.size-cut", Stream, Site, Never, Site, "A device on the path cuts every answer at the same size", [StreamCut, StreamReset, StreamEndedEarly, HttpTruncated];
    StreamErrorEvent, "stream.error-event", Stream, Provider, IfUncommitted, Upstream, "The stream carried an error event inside a 200", [StreamEndedEarly];
    StreamCorrupt, "stream.corrupt", Stream, Site, IfUncommitted, Nobody, "An event is cut or altered", [];
    StreamWrongContentType, "stream.wrong-content-type", Stream, Site, Never, Site, "A gateway changed the stream's content type", [];
    StreamBuffered, "stream.buffered", Stream, Site, Never, Site, "A proxy or gateway holds the stream back and delivers it at the end", [ServerSlowFirstByte];
    ClientTimeoutTooShort, "client.timeout-too-short", Client, Caller, LongerTimeout, Caller, "The client's own deadline ran out", [HttpNoResponse];
    ClientPoolExhausted, "client.pool-exhausted", Client, Caller, Backoff, Caller, "The client's connection pool has no free connection", [];
    ClientStreamingRequired, "client.streaming-required", Client, Caller, Never, Caller, "The SDK refuses a long call that is not streamed", [];
    ClientCors, "client.cors", Client, Caller, Never, Caller, "A browser call without the opt-in", [];
    ClientDependencyMismatch, "client.dependency-mismatch", Client, Caller, Never, Caller, "Library versions that do not fit together", [];
    ClientMasked, "client.masked", Client, Caller, Never, Caller, "The text hides the cause: what to collect next is the answer", [];
    CloudAwsCredentials, "cloud.aws-credentials", Cloud, Caller, AfterRefresh, Key, "Missing, invalid or expired AWS credentials", [];
    CloudAwsAccessDenied, "cloud.aws-access-denied", Cloud, Account, Never, Key, "IAM or the missing model access forbids the call", [];
    CloudAwsModelInvalid, "cloud.aws-model-invalid", Cloud, Caller, Never, Caller, "Wrong model id, region or inference profile", [RequestModelNotFound, RequestInvalid];
    CloudAwsThrottled, "cloud.aws-throttled", Cloud, Account, Backoff, Key, "The AWS quota is reached", [QuotaThrottled];
    CloudGcpCredentials, "cloud.gcp-credentials", Cloud, Caller, AfterRefresh, Key, "No or expired Google credentials", [];
    CloudGcpModelUnavailable, "cloud.gcp-model-unavailable", Cloud, Caller, Never, Caller, "The model is not enabled, or not in this region", [RequestModelNotFound];
    CloudGcpQuota, "cloud.gcp-quota", Cloud, Account, Backoff, Key, "The Google project quota is reached, often zero", [QuotaThrottled];
}

impl Cause {
    /// The public id, for example `tcp.reset`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        self.row().id
    }

    /// Says whether this cause hides `other`, directly or through what it explains.
    #[must_use]
    pub fn hides(self, other: Self) -> bool {
        // `client.masked` says only that a text hides the cause: whatever is named hides it.
        if other == Self::ClientMasked {
            return self != other;
        }
        self.row().explains.iter().any(|&e| e == other || e.hides(other))
    }

    /// Length of the longest chain of `explains` that starts here; 0 where nothing is explained.
    #[must_use]
    pub fn depth(self) -> usize {
        self.row().explains.iter().map(|e| e.depth() + 1).max().unwrap_or(0)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// No cause has this id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCause(pub String);

impl fmt::Display for UnknownCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no cause is called {:?}", self.0)
    }
}

impl std::error::Error for UnknownCause {}

impl FromStr for Cause {
    type Err = UnknownCause;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|c| c.id() == s).ok_or_else(|| UnknownCause(s.to_owned()))
    }
}

impl serde::Serialize for Cause {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.id())
    }
}

impl<'de> serde::Deserialize<'de> for Cause {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let id = String::deserialize(d)?;
        id.parse().map_err(serde::de::Error::custom)
    }
}

macro_rules! words {
    ($type:ident { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $type {
            /// The word that people, logs and JSON see.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.word())
            }
        }
    };
}

words!(Layer {
    Config => "config", Clock => "clock", Dns => "dns", Net => "net", Tcp => "tcp", Tls => "tls", Proxy => "proxy",
    Edge => "edge", Gateway => "gateway", Http => "http", Auth => "auth", Request => "request", Quota => "quota",
    Server => "server", Stream => "stream", Client => "client", Cloud => "cloud",
});
words!(Blame { Caller => "caller", Account => "account", Site => "site", Provider => "provider" });
words!(Retry {
    Never => "never", Backoff => "backoff", AfterHint => "after-hint", AfterRefresh => "after-refresh",
    FreshConnection => "fresh-connection", OnH1 => "on-h1", LongerTimeout => "longer-timeout", IfSafe => "if-safe",
    IfUncommitted => "if-uncommitted",
});
words!(Charge {
    Key => "key", Address => "address", Upstream => "upstream", Site => "site", Caller => "caller",
    Nobody => "nobody",
});

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_start_with_their_layer() {
        let mut seen = BTreeSet::new();
        for cause in Cause::ALL {
            let row = cause.row();
            assert!(seen.insert(row.id), "{} stands twice", row.id);
            assert_eq!(row.id.split('.').next(), Some(row.layer.word()), "{}", row.id);
        }
        assert_eq!(seen.len(), 185);
    }

    #[test]
    fn titles_are_one_short_line() {
        for cause in Cause::ALL {
            let title = cause.row().title;
            assert!((8..=80).contains(&title.chars().count()), "{cause}: {title}");
            assert!(!title.ends_with('.') && !title.contains('\n'), "{cause}: {title}");
        }
    }

    #[test]
    fn explains_has_no_cycle_and_no_chain_of_more_than_four() {
        for cause in Cause::ALL {
            assert!(!cause.hides(*cause), "{cause} explains itself");
            assert!(cause.depth() <= 4, "{cause}");
        }
    }

    #[test]
    fn every_id_parses_back_and_an_unknown_one_does_not() {
        for cause in Cause::ALL {
            assert_eq!(cause.id().parse::<Cause>().as_ref(), Ok(cause));
        }
        assert!("dns.nxdomain".parse::<Cause>().is_err());
    }

    #[test]
    fn a_proven_cause_hides_what_it_explains_in_turn() {
        assert!(Cause::TlsIntercepted.hides(Cause::TlsUntrustedRoot));
        assert!(Cause::DnsInjected.hides(Cause::TcpRefused), "through dns.sinkhole");
        assert!(!Cause::ProxyUnreachable.hides(Cause::AuthInvalid));
        assert!(Cause::TcpRefused.hides(Cause::ClientMasked));
    }
}
