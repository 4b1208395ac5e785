//! From a text to ranked causes.

use clearline_model::{Cause, Confidence, ErrorKind, Failure, Origin, Sent, Stage, classify};

use crate::codes;
use crate::found::{Found, SHARED, SPECIFIC, STATUS, TYPED, WEAK};
use crate::http::{self, Answers};
use crate::masked;
use crate::normal::{normal, plain, sample};
use crate::objects::{objects, without_speech};
use crate::patterns::{ANSWERS, NEAR, NEAR_IN_TRACE, NETWORK, TRACES};
use crate::runtime::{self, Runtime};
use crate::said::said;

/// A cause and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranked {
    /// The cause.
    pub cause: Cause,
    /// How sure.
    pub confidence: Confidence,
}

/// What a text says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Explanation {
    /// The causes, the best first; empty where nothing is known.
    pub causes: Vec<Ranked>,
    /// The text is one of those behind which anything may stand.
    pub masked: bool,
    /// What printed it.
    pub runtime: Runtime,
}

/// The most causes that are named.
const CAUSES_MAX: usize = 5;

/// Explains a text: an error, an exception chain, a dump, a line of a log.
#[must_use]
pub fn explain(text: &str) -> Explanation {
    let sampled = sample(text);
    let text = plain(&sampled);
    let text = without_speech(&text, &objects(&text));
    let said = said(&text);
    let (call, answer) = (normal(&said.call), normal(&said.answer));
    let mut found = Found::default();
    typed(&http::read(&text, &said.answer, &answer), &mut found);
    codes::note(&call, &mut found);
    let traced = normal(&said.traced);
    for (tables, words, apart) in
        [(&NETWORK[..], &call, NEAR), (&TRACES[..], &traced, NEAR_IN_TRACE), (&ANSWERS[..], &answer, NEAR)]
    {
        for pattern in tables.iter().flat_map(|t| t.iter()).filter(|p| p.holds(words, apart)) {
            found.note(pattern.causes, pattern.strength);
        }
    }
    weigh(&call, &mut found);
    found.note(&stated(&call), STATED);
    let masked = masked::hides(&call);
    if masked {
        let said = found.ranked().first().map_or(0, |(cause, _)| found.strength(*cause));
        found.note(&[Cause::ClientMasked], if said == 0 { SPECIFIC } else { WEAK });
    }
    let causes = found.ranked().into_iter().take(CAUSES_MAX);
    let causes = causes.map(|(cause, confidence)| Ranked { cause, confidence }).collect();
    Explanation { causes, masked, runtime: runtime::of(&traced) }
}

/// The strength of a cause that a gateway of ours on the way has named: it saw the failure itself.
const STATED: u16 = TYPED + 50;

/// What a gateway of ours says of an answer that it had to end or to make itself: in the message, and in a header.
fn stated(normal: &str) -> Vec<Cause> {
    let is_id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    let named = |mark: &str| {
        let behind = normal.split(mark).skip(1).filter_map(|rest| rest.split(|c| !is_id(c)).next());
        behind.filter_map(|id| id.parse().ok()).collect::<Vec<Cause>>()
    };
    ["clearline: ", "clearline-cause: "].into_iter().flat_map(named).take(CAUSES_MAX).collect()
}

/// What the statuses and the bodies of answers say.
fn typed(answers: &Answers, found: &mut Found) {
    for error in &answers.errors {
        let failure = Failure::Status(error.status, error.kind, error.origin);
        let is_vague = matches!(
            error.kind,
            ErrorKind::InvalidRequest | ErrorKind::Api | ErrorKind::RateLimit | ErrorKind::NotFound
        );
        // The shape of others' errors is that of many services.
        let is_own = matches!(error.origin, Origin::Api | Origin::Edge);
        let strength = match (error.is_typed, is_vague) {
            (true, false) if is_own => TYPED,
            (true, false) => SPECIFIC + 60,
            (true, true) | (false, false) => SPECIFIC - 50,
            (false, true) => SHARED,
        };
        found.note(&[classify(Stage::Head, &failure, Sent::Yes)], strength);
    }
    for status in &answers.statuses {
        let (causes, strength) = by_status(*status);
        found.note(causes, strength);
    }
}

/// What a status without anything else says, the most frequent first.
const fn by_status(status: u16) -> (&'static [Cause], u16) {
    let causes: &[Cause] = match status {
        400 | 422 => &[Cause::RequestInvalid],
        401 => &[Cause::AuthInvalid, Cause::AuthExpired],
        402 => &[Cause::QuotaBilling],
        403 => &[Cause::AuthForbidden, Cause::EdgeRegionBlocked, Cause::EdgeWafBlocked],
        404 => &[Cause::RequestModelNotFound, Cause::ConfigBaseUrlPath],
        405 => &[Cause::EdgeNotTheApi, Cause::ConfigBaseUrlPath, Cause::ConfigBaseUrlInsecure],
        // Only a proxy says this.
        407 => {
            return (
                &[Cause::ProxyAuthRequired, Cause::ProxyAuthRejected, Cause::ProxyAuthScheme],
                SPECIFIC + 60,
            );
        }
        408 => &[Cause::ServerTimeout],
        413 => &[Cause::RequestTooLarge, Cause::GatewayBodyLimit],
        429 => &[Cause::QuotaThrottled, Cause::QuotaRequests, Cause::QuotaInputTokens],
        451 => &[Cause::EdgeRegionBlocked, Cause::EdgeWebFilter],
        500 => &[Cause::ServerError],
        502 => &[Cause::GatewayBadGateway, Cause::ServerUnavailable],
        503 => &[Cause::ServerUnavailable, Cause::GatewayMeshUnavailable],
        504 | 524 => &[Cause::ServerTimeout, Cause::GatewayBadGateway],
        529 => return (&[Cause::ServerOverloaded], SHARED),
        511 => &[Cause::EdgeCaptivePortal],
        520..=599 => &[Cause::ServerUnavailable, Cause::GatewayBadGateway],
        _ => &[],
    };
    (causes, STATUS)
}

/// Where one thing that was found makes another unlikely.
fn weigh(normal: &str, found: &mut Found) {
    // A cause that another one explains is its symptom.
    let is_region = found.strength(Cause::EdgeRegionBlocked) >= SPECIFIC;
    let is_challenge = found.strength(Cause::EdgeBotChallenge) >= SPECIFIC;
    if is_region || is_challenge {
        found.drop(Cause::AuthForbidden);
    }
    // A reset that came in the handshake says more than a reset.
    let in_stream = ["chunk", "stream", "body"].iter().any(|w| normal.contains(w));
    if in_stream && found.strength(Cause::TcpReset) > 0 && found.strength(Cause::StreamReset) == 0 {
        found.note(&[Cause::StreamReset], SHARED - 40);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> (&'static str, Confidence) {
        let explained = explain(text);
        let best = explained.causes.first().unwrap_or_else(|| panic!("nothing in {text}"));
        (best.cause.id(), best.confidence)
    }

    #[test]
    fn typed_things_come_before_words() {
        for (text, cause) in [
            (
                r#"429 {"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed the rate limit for your organization (o) of 50 requests per minute."}}"#,
                "quota.requests",
            ),
            (
                r#"Error code: 401 - {'type': 'error', 'error': {'type': 'authentication_error', 'message': 'x-api-key header is required'}}"#,
                "auth.missing",
            ),
            (r#"403 {"error":{"type":"forbidden","message":"Request not allowed"}}"#, "edge.region-blocked"),
            (
                "HTTP/1.1 529\nrequest-id: req_1\n\n{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
                "server.overloaded",
            ),
            ("status code 503", "server.unavailable"),
        ] {
            assert_eq!(first(text).0, cause, "{text}");
        }
    }

    #[test]
    fn only_the_apis_own_shape_makes_certain() {
        let google =
            r#"{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND"}}"#;
        assert_eq!(first(google).1, Confidence::Likely);
        let own = r#"{"type":"error","error":{"type":"permission_error","message":"no"}}"#;
        assert_eq!(first(own), ("auth.forbidden", Confidence::Certain));
    }

    #[test]
    fn what_has_many_reasons_is_only_possible() {
        for text in [
            "schannel: CRYPT_E_REVOCATION_OFFLINE (0x80092013) - the revocation server was offline",
            "AbortError: This operation was aborted",
            "curl: (35) schannel: 无法协商安全连接",
        ] {
            assert_eq!(first(text).1, Confidence::Possible, "{text}");
        }
    }

    #[test]
    fn what_a_gateway_of_ours_says_is_believed() {
        for text in [
            "APIStatusError: {'type': 'error', 'error': {'type': 'api_error', 'message': 'The connection closed in the \
             middle of the stream (clearline: stream.cut, after 76 characters of text; the answer is not complete)'}}",
            "HTTP/1.1 502 Bad Gateway\r\nClearline-Cause: stream.cut\r\n\r\n",
        ] {
            assert_eq!(first(text), ("stream.cut", Confidence::Certain), "{text}");
        }
        assert!(explain("clearline: 312 calls, 311 succeeded; 1 failed").causes.is_empty());
    }

    #[test]
    fn each_runtime_has_its_own_words_for_the_same_failure() {
        for (cause, texts) in [
            (
                "tcp.refused",
                &[
                    "connect ECONNREFUSED 10.0.0.1:443",
                    "dial tcp 10.0.0.1:443: connect: connection refused",
                    "[Errno 111] Connection refused",
                    "No connection could be made because the target machine actively refused it. (10.0.0.1:443)",
                    "tcp connect error: Connection refused (os error 111)",
                ][..],
            ),
            (
                "dns.name-not-found",
                &[
                    "getaddrinfo ENOTFOUND api.example",
                    "lookup api.example on 10.0.0.2:53: no such host",
                    "socket.gaierror: [Errno -2] Name or service not known",
                    "java.net.UnknownHostException: api.example",
                    "curl: (6) Could not resolve host: api.example",
                ],
            ),
            (
                "proxy.auth-required",
                &[
                    "Unable to tunnel through proxy. Proxy returns \"HTTP/1.1 407 Proxy Authentication Required\"",
                    "Tunnel connection failed: 407 Proxy Authentication Required",
                    "tunneling socket could not be established, statusCode=407",
                ],
            ),
        ] {
            for text in texts {
                assert_eq!(first(text).0, cause, "{text}");
            }
        }
    }

    #[test]
    fn a_sentence_that_hides_its_cause_is_named_as_such_unless_more_is_said() {
        let alone = explain("APIConnectionError: Connection error.");
        assert!(alone.masked);
        assert_eq!(alone.causes.first().map(|r| r.cause), Some(Cause::ClientMasked));
        let more = explain(
            "APIConnectionError: Connection error.\n  cause: Error: connect ECONNREFUSED 10.0.0.1:443",
        );
        assert!(more.masked);
        assert_eq!(more.causes.first().map(|r| r.cause), Some(Cause::TcpRefused));
    }

    #[test]
    fn places_in_the_code_and_what_models_write_are_no_errors() {
        let reset = "Error: read ECONNRESET\n    at TLSWrap.onStreamRead (node:internal/stream_base_commons:216:20) {";
        assert_eq!(first(reset).0, "tcp.reset");
        for text in [
            r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"connect ECONNREFUSED"}]}"#,
            "src/parser.c:407:12: error: 'tok' undeclared",
            "  File \"/app/views.py\", line 529, in dispatch\n    raise ReadTimeout(1)\nAttributeError: 'x'",
            "except anthropic.RateLimitError as e:",
        ] {
            assert!(explain(text).causes.is_empty() && !explain(text).masked, "{text}");
        }
    }

    #[test]
    fn every_error_of_a_long_log_counts() {
        let fine = "{\"level\":\"info\",\"msg\":\"listening\"}\n".repeat(100);
        let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        assert_eq!(first(&format!("{fine}{error}")), ("server.overloaded", Confidence::Certain));
    }

    #[test]
    fn what_says_nothing_is_not_explained() {
        for text in ["", "all is well", "Traceback (most recent call last):", "\u{0}\u{1}\u{2}"] {
            assert!(explain(text).causes.is_empty() && !explain(text).masked, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_it(text in ".{0,200}") {
            let explained = explain(&text);
            proptest::prop_assert!(explained.causes.len() <= CAUSES_MAX);
        }

        #[test]
        fn no_shards_of_logs_break_it(
            shards in "([{}'\"\\\\:a40\u{1b}\\[é\n\t ]|  File \"|\", line |  at |HTTP/1.1 |529|\\\\n|0x8|-2146893019|:5432|via: ){0,60}",
        ) {
            let explained = explain(&shards);
            proptest::prop_assert!(explained.causes.len() <= CAUSES_MAX);
        }
    }
}
