//! What only the place in the code tells: these rows look at stack traces as well.

use clearline_model::Cause as C;

use super::{Pattern, above, beside, says};

/// Words of an error beside a place in the code.
pub(super) const PLACES: &[Pattern] = &[
    above(40, says(&["codec can't encode", "header"], &[C::AuthMalformedKey])),
    above(70, says(&["no such file or directory", "ssl_cert_file"], &[C::ConfigCaFileMissing])),
    above(70, says(&["no such file or directory", "load_verify_locations"], &[C::ConfigCaFileMissing])),
    beside(HANDSHAKES, above(20, says(&["connection reset by peer"], RESET))),
    beside(HANDSHAKES, above(20, says(&["java.net.socketexception: connection reset"], RESET))),
    beside(HANDSHAKES, above(20, says(&["forcibly closed by the remote host"], RESET))),
    beside(
        HANDSHAKES,
        above(20, says(&["connect", "read timed out"], &[C::TlsHandshakeStalled, C::TlsSniBlocked])),
    ),
    beside(PROXIES, above(50, says(&["connection refused"], &[C::ProxyUnreachable]))),
    beside(
        PROXIES,
        above(50, says(&["all connection attempts failed"], &[C::ProxyUnreachable, C::ProxyTimeout])),
    ),
    beside(PROXIES, above(50, says(&["connecttimeout"], &[C::ProxyTimeout, C::ProxyUnreachable]))),
    beside(PROXIES, above(50, says(&["name or service not known"], &[C::ProxyNameNotFound]))),
    beside(PROXIES, above(50, says(&["nodename nor servname"], &[C::ProxyNameNotFound]))),
    beside(PROXIES, above(50, says(&["getaddrinfo failed"], &[C::ProxyNameNotFound]))),
];

/// Files of clients that connect to a proxy.
const PROXIES: &[&str] =
    &["http_proxy.py", "socks_proxy.py", "https-proxy-agent", "socks-proxy-agent", "proxy-agent.js"];

/// Functions that do a handshake, and nothing else.
const HANDSHAKES: &[&str] = &[
    ".start_tls(",
    "start_tls.failed",
    ".do_handshake(",
    "ssl_wrap_socket(",
    ".starthandshake(",
    "receivehandshakeframeasync",
    "connecttls(",
];

/// A reset that comes in the handshake.
const RESET: &[C] = &[C::TlsSniBlocked, C::TlsHandshakeRejected, C::TcpReset];
