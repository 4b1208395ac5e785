//! Numbers that systems and libraries give their errors. They are the same in every language, where the words beside them
//! are translated.
//!
//! Sources: winsock2.h, winerror.h, wininet.h, winhttp.h, sspi, Linux's and macOS's errno.h, Foundation's NSURLError.h and
//! CFNetworkErrors.h, libcurl's curl.h.

use clearline_model::Cause;
use clearline_model::Cause as C;

use crate::found::{Found, SHARED, SPECIFIC};

/// Numbers of one space: what announces them, what each means, and how much they say.
struct Space {
    /// What stands before a number, in a normal text.
    before: &'static [&'static str],
    /// What has to stand somewhere in the text as well; any of them.
    beside: &'static [&'static str],
    codes: &'static [(i64, &'static [Cause])],
    strength: u16,
}

const TIMEOUT: &[Cause] = &[C::TcpTimeout, C::TcpFiltered];
const REFUSED: &[Cause] = &[C::TcpRefused, C::ConfigBaseUrlDead, C::TcpRejected];
const RESET: &[Cause] = &[C::TcpReset, C::HttpResetBeforeResponse];
const UNREACHABLE: &[Cause] = &[C::TcpUnreachable, C::NetNoRoute, C::NetLinkDown];
const NO_ROUTE: &[Cause] = &[C::NetNoRoute, C::TcpUnreachable, C::NetLinkDown];
const NO_NAME: &[Cause] = &[C::DnsNameNotFound, C::DnsFiltered];
const NO_NAME_OR_LATER: &[Cause] = &[C::DnsNameNotFound, C::DnsServerFailure];
const NAME_LATER: &[Cause] = &[C::DnsServerFailure, C::DnsResolverUnreachable, C::DnsFlaky];
const NOT_REACHED: &[Cause] = &[C::TcpRefused, C::TcpTimeout, C::TcpFiltered];
const UNTRUSTED: &[Cause] =
    &[C::TlsIntercepted, C::TlsUntrustedRoot, C::TlsSelfSigned, C::TlsTrustStoreMismatch];
/// A CA of a company's own rarely says where its list of revoked certificates is, or the list cannot be fetched from here.
const REVOCATION: &[Cause] = &[C::TlsIntercepted, C::TlsTrustStoreMismatch, C::NetEgressBlocked];
const OUT_OF_DATE: &[Cause] = &[C::TlsExpired, C::ClockSkew];
const HANDSHAKE: &[Cause] = &[C::TlsHandshakeRejected, C::TlsVersionTooOld, C::TlsSniBlocked];
const MISTRUSTED: &[Cause] = &[C::EdgeBotChallenge, C::EdgeWafBlocked];
const LATE: &[Cause] = &[C::ClientTimeoutTooShort, C::ServerSlowFirstByte, C::HttpNoResponse, C::TcpTimeout];
const CLOSED: &[Cause] = &[C::HttpClosedBeforeResponse, C::TcpAcceptsThenCloses];

/// Winsock and getaddrinfo on Windows.
const WINSOCK: Space = Space {
    before: &[
        "winerror ",
        "errno ",
        "errno: ",
        "os error ",
        "socketexception (",
        "socket error ",
        "wsa error ",
        "wsagetlasterror: ",
        "error ",
        "error: ",
        "error code ",
        "code: ",
        "code=",
        "错误 ",
        "错误码 ",
        "错误代码 ",
        "错误代码: ",
        "错误:",
    ],
    beside: &[""],
    codes: &[
        (10013, &[C::ConfigLocalFirewall]),
        (10048, &[C::ConfigPortsExhausted]),
        (10050, &[C::NetLinkDown]),
        (10051, NO_ROUTE),
        (10053, &[C::ConfigLocalFirewall, C::TcpReset]),
        (10054, RESET),
        (10060, TIMEOUT),
        (10061, REFUSED),
        (10065, UNREACHABLE),
        (11001, NO_NAME_OR_LATER),
        (11002, NAME_LATER),
        (11003, &[C::DnsServerFailure]),
        (11004, &[C::DnsNoAddress, C::DnsNameNotFound]),
    ],
    strength: SPECIFIC + 20,
};

/// Linux's errno, and macOS's where the numbers are others.
const ERRNO: Space = Space {
    before: &["[errno ", "errno: ", "os error ", "errno=", "errno ", "os { code: ", "connectionreseterror("],
    beside: &[""],
    codes: &[
        (24, &[C::ConfigFdLimit]),
        (99, &[C::ConfigPortsExhausted]),
        (101, NO_ROUTE),
        (104, RESET),
        (110, TIMEOUT),
        (111, REFUSED),
        (113, UNREACHABLE),
        (49, &[C::ConfigPortsExhausted]),
        (50, &[C::NetLinkDown]),
        (51, NO_ROUTE),
        (54, RESET),
        (60, TIMEOUT),
        (61, REFUSED),
        (65, UNREACHABLE),
    ],
    strength: SHARED + 100,
};

/// WinINet and WinHTTP.
const WININET: Space = Space {
    before: &[
        "error ",
        "error: ",
        "failed: ",
        "winhttp error ",
        "error code ",
        "winhttpsendrequest: ",
        "code: ",
        "(",
    ],
    beside: &["winhttp", "wininet", "error_internet"],
    codes: &[
        (12002, LATE),
        (12007, NO_NAME),
        (12029, NOT_REACHED),
        (12030, &[C::TcpReset, C::HttpClosedBeforeResponse]),
        (12031, RESET),
        (12037, OUT_OF_DATE),
        (12038, &[C::TlsWrongHost]),
        (12044, &[C::TlsClientCertRequired]),
        (12045, UNTRUSTED),
        (12152, &[C::GatewayMalformedResponse]),
        (12157, HANDSHAKE),
        (12175, &[C::TlsIntercepted, C::TlsUntrustedRoot, C::TlsHandshakeRejected]),
    ],
    strength: SPECIFIC,
};

/// Foundation and CFNetwork.
const FOUNDATION: Space = Space {
    before: &[
        "code=",
        "code: ",
        "error [",
        "nsurlerrordomain(",
        "nsurlerrordomain error ",
        "nsurlerrordomain:",
    ],
    beside: &["nsurlerrordomain", "kcferrordomaincfnetwork"],
    codes: &[
        (-1001, LATE),
        (-1003, NO_NAME),
        (-1004, NOT_REACHED),
        (-1005, &[C::TcpStalePooled, C::TcpReset, C::HttpKeepaliveRace]),
        (-1006, NAME_LATER),
        (-1007, &[C::GatewayRedirectLoop]),
        (-1009, &[C::NetLinkDown, C::NetNoRoute]),
        (-1017, &[C::GatewayMalformedResponse]),
        (-1022, &[C::ConfigBaseUrlInsecure]),
        (-1200, HANDSHAKE),
        (-1201, OUT_OF_DATE),
        (-1202, UNTRUSTED),
        (-1203, UNTRUSTED),
        (-1204, &[C::ClockSkew, C::TlsNotYetValid]),
        (-1205, &[C::TlsClientCertRequired]),
        (-1206, &[C::TlsClientCertRequired]),
        (306, &[C::ProxyUnreachable, C::ProxyCannotConnect]),
        (310, &[C::ProxyUnreachable, C::ProxyCannotConnect]),
    ],
    strength: SPECIFIC,
};

/// libcurl. The sentence behind the number says more, where it is understood.
const CURL: Space = Space {
    before: &["curl: (", "curl error ", "curl error: ", "curl error (", "curlcode: ", "errcode: "],
    beside: &["curl", "errcode: "],
    codes: &[
        (1, &[C::ConfigBaseUrlInvalid]),
        (3, &[C::ConfigBaseUrlInvalid, C::ProxySettingInvalid]),
        (5, &[C::ProxyNameNotFound]),
        (6, NO_NAME_OR_LATER),
        (7, NOT_REACHED),
        (16, &[C::TlsH2Broken]),
        (18, &[C::StreamCut, C::HttpTruncated]),
        (28, LATE),
        (35, HANDSHAKE),
        (47, &[C::GatewayRedirectLoop]),
        (52, CLOSED),
        (55, &[C::TcpReset, C::HttpUploadBlocked]),
        (56, RESET),
        (58, &[C::TlsClientCertRequired]),
        (60, UNTRUSTED),
        (61, &[C::HttpBadEncoding]),
        (77, &[C::ConfigCaFileMissing]),
        (92, &[C::TlsH2Broken, C::StreamReset]),
        (97, &[C::ProxyCannotConnect, C::ProxySocksDenied]),
    ],
    strength: SHARED - 80,
};

/// The descriptions of alerts in TLS (RFC 8446, 6).
const ALERTS: Space = Space {
    before: &["alert number ", "ssl alert number ", "fatal alert: ", "alert: "],
    beside: &["alert"],
    codes: &[
        (40, &[C::TlsHandshakeRejected, C::TlsVersionTooOld]),
        (42, &[C::TlsClientCertRequired, C::TlsHandshakeRejected]),
        (48, UNTRUSTED),
        (70, &[C::TlsVersionTooOld]),
        (80, &[C::TlsHandshakeRejected]),
        (112, &[C::TlsHandshakeRejected, C::TlsSniBlocked, C::TlsWrongHost]),
        (116, &[C::TlsClientCertRequired]),
        (120, &[C::TlsAlpnRejected]),
    ],
    strength: SPECIFIC - 20,
};

/// What Cloudflare's edge says instead of passing a request on.
const CLOUDFLARE: Space = Space {
    before: &["error code: ", "error "],
    beside: &["cloudflare", "error code: 10", "| 530", "cf-ray", "<title"],
    codes: &[
        (1003, MISTRUSTED),
        (1005, MISTRUSTED),
        (1006, MISTRUSTED),
        (1007, MISTRUSTED),
        (1008, MISTRUSTED),
        (1009, &[C::EdgeBotChallenge, C::EdgeRegionBlocked]),
        (1010, MISTRUSTED),
        (1012, MISTRUSTED),
        (1015, MISTRUSTED),
        (1020, MISTRUSTED),
        (1000, &[C::ServerUnavailable, C::GatewayBadGateway]),
        (1001, &[C::ServerUnavailable, C::GatewayBadGateway]),
        (1016, &[C::ServerUnavailable, C::GatewayBadGateway]),
    ],
    strength: SPECIFIC + 70,
};

const SPACES: [Space; 7] = [WINSOCK, ERRNO, WININET, FOUNDATION, CURL, ALERTS, CLOUDFLARE];

/// HRESULTs and SECURITY_STATUS, which are unmistakable; Rust prints them as negative numbers.
const RESULTS: [(u32, &[Cause]); 22] = [
    (0x8007_2ee2, LATE),
    (0x8007_2ee7, NO_NAME),
    (0x8007_2efd, NOT_REACHED),
    (0x8007_2efe, RESET),
    (0x8007_2eff, RESET),
    (0x8007_2f05, OUT_OF_DATE),
    (0x8007_2f06, &[C::TlsWrongHost]),
    (0x8007_2f0d, UNTRUSTED),
    (0x8007_2f7d, HANDSHAKE),
    (0x8007_2f8f, &[C::TlsIntercepted, C::TlsExpired, C::ClockSkew]),
    (0x8007_274c, TIMEOUT),
    (0x8007_274d, REFUSED),
    (0x8007_2746, RESET),
    (0x8007_2af9, NO_NAME),
    (0x8009_0322, &[C::TlsWrongHost]),
    (0x8009_0325, UNTRUSTED),
    (0x8009_0326, HANDSHAKE),
    (0x8009_0328, OUT_OF_DATE),
    (0x8009_0331, &[C::TlsVersionTooOld, C::ConfigTlsPolicyStrict]),
    (0x800b_0101, OUT_OF_DATE),
    (0x800b_0109, UNTRUSTED),
    (0x800b_010f, &[C::TlsWrongHost]),
];

/// The same that say less.
const HINTS: [(u32, &[Cause]); 2] = [(0x8009_2012, REVOCATION), (0x8009_2013, REVOCATION)];

/// Notes what the numbers in a normal text mean.
pub(crate) fn note(text: &str, found: &mut Found) {
    for space in SPACES.iter().filter(|space| space.beside.iter().any(|word| text.contains(word))) {
        for before in space.before.iter().filter(|before| text.contains(**before)) {
            for number in behind(text, before) {
                if let Some((_, causes)) = space.codes.iter().find(|(code, _)| *code == number) {
                    found.note(causes, space.strength);
                }
            }
        }
    }
    for result in results(text) {
        for (results, strength) in [(&RESULTS[..], SPECIFIC + 20), (&HINTS[..], SHARED - 50)] {
            if let Some((_, causes)) = results.iter().find(|(code, _)| *code == result) {
                found.note(causes, strength);
            }
        }
    }
}

/// The whole numbers behind a word.
fn behind<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = i64> + 'a {
    text.match_indices(before).filter_map(move |(at, _)| {
        let rest = text.get(at + before.len()..)?;
        let digits = rest.strip_prefix('-').unwrap_or(rest);
        let end = rest.len() - digits.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let is_whole = !rest.get(end..)?.starts_with(|c: char| c.is_alphanumeric() || c == '.');
        rest.get(..end)?.parse().ok().filter(|_| is_whole)
    })
}

/// Numbers of 32 bits whose highest is set, as `0x80090325` and as `-2146893019`.
fn results(text: &str) -> impl Iterator<Item = u32> + '_ {
    let hex = text.match_indices("0x8").filter_map(|(at, _)| {
        let digits = text.get(at + 2..at + 10)?;
        u32::from_str_radix(digits, 16).ok()
    });
    let signed = text.match_indices("-214").filter_map(|(at, _)| {
        let number = text.get(at..at + 11)?.parse::<i32>().ok()?;
        Some(number.cast_unsigned())
    });
    hex.chain(signed)
}

/// Every cause that some number can name.
pub(crate) fn emitted() -> impl Iterator<Item = Cause> {
    let spaces = SPACES.iter().flat_map(|space| space.codes.iter().map(|(_, causes)| *causes));
    spaces.chain(RESULTS.iter().chain(&HINTS).map(|(_, causes)| *causes)).flatten().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normal::normal;

    fn first(text: &str) -> Option<Cause> {
        let mut found = Found::default();
        note(&normal(text), &mut found);
        found.ranked().first().map(|(cause, _)| *cause)
    }

    #[test]
    fn a_number_says_the_same_in_every_language() {
        for (text, cause) in [
            ("[WinError 10061] Es konnte keine Verbindung hergestellt werden", Some(C::TcpRefused)),
            ("System.Net.Sockets.SocketException (10060): …", Some(C::TcpTimeout)),
            ("Win32Exception (0x80090325): 证书链是由不受信任的颁发机构颁发的。", Some(C::TlsIntercepted)),
            ("证书不在有效期内。 (os error -2146762495)", Some(C::TlsExpired)),
            ("Error Domain=NSURLErrorDomain Code=-1004 \"无法连接服务器。\"", Some(C::TcpRefused)),
            ("curl: (6) 不能解析主机", Some(C::DnsNameNotFound)),
            ("WinHTTP 错误: 12007", None),
            ("[Errno 104] 连接被对方重设", Some(C::TcpReset)),
            ("SSL alert number 70", Some(C::TlsVersionTooOld)),
            ("error code: 1020", Some(C::EdgeBotChallenge)),
            ("error code: 10061", Some(C::TcpRefused)),
            ("error code: 101", None),
            // Neither another number nor one that nothing announces.
            ("[Errno 1040]", None),
            ("took 10061 ms", None),
            ("error 12007 in line 3", None),
            ("0x80", None),
        ] {
            assert_eq!(first(text), cause, "{text}");
        }
    }
}
