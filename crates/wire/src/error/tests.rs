use super::*;

fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(*name, value.parse().unwrap());
    }
    map
}

fn api(type_: &str, message: &str) -> String {
    String::from_utf8(error_body(type_, message, Some("req_1"))).unwrap()
}

#[test]
fn the_api_by_type_and_text() {
    for (status, type_, message, kind) in [
        (400, "invalid_request_error", "messages: Field required", ErrorKind::InvalidRequest),
        (401, "authentication_error", "invalid x-api-key", ErrorKind::Authentication),
        (401, "authentication_error", "x-api-key header is required", ErrorKind::CredentialMissing),
        (400, "invalid_request_error", "anthropic-version: header is required", ErrorKind::VersionHeader),
        (400, "invalid_request_error", "\"a, a\" is not a valid version", ErrorKind::VersionHeader),
        (401, "authentication_error", "OAuth token has expired. Please", ErrorKind::Expired),
        (403, "permission_error", "OAuth token has been revoked.", ErrorKind::Revoked),
        (403, "permission_error", "No access to this model", ErrorKind::Permission),
        (400, "invalid_request_error", "Your credit balance is too low to", ErrorKind::Credit),
        (400, "invalid_request_error", "You have reached your specified API usage", ErrorKind::SpendLimit),
        (400, "invalid_request_error", "prompt is too long: 2 tokens > 1 maximum", ErrorKind::ContextTooLong),
        (
            413,
            "invalid_request_error",
            "Request size exceeds model context window",
            ErrorKind::ContextTooLong,
        ),
        (413, "request_too_large", "Request exceeds the maximum size", ErrorKind::TooLarge),
        (404, "not_found_error", "model: claude-none", ErrorKind::NotFound),
        (429, "rate_limit_error", "limit of 50 input tokens per minute", ErrorKind::RateInputTokens),
        (429, "rate_limit_error", "limit of 50 output tokens per minute", ErrorKind::RateOutputTokens),
        (
            429,
            "rate_limit_error",
            "Number of concurrent connections has exceeded",
            ErrorKind::RateConcurrency,
        ),
        (429, "rate_limit_error", "Rate limited", ErrorKind::RateLimit),
        (429, "rate_limit_error", "Extra usage is required for long context", ErrorKind::Subscription),
        (400, "invalid_request_error", "quoted: 5 input tokens per minute", ErrorKind::InvalidRequest),
        (400, "invalid_request_error", "tools.0: overloaded function", ErrorKind::InvalidRequest),
        (500, "api_error", "Internal server error", ErrorKind::Api),
        (504, "timeout_error", "", ErrorKind::Timeout),
        (529, "overloaded_error", "Overloaded", ErrorKind::Overloaded),
        (402, "billing_error", "", ErrorKind::Billing),
        (409, "conflict_error", "", ErrorKind::Conflict),
        (400, "a_new_error", "", ErrorKind::None),
    ] {
        let error = parse_error(status, &HeaderMap::new(), api(type_, message).as_bytes());
        assert_eq!((error.kind, error.origin), (kind, Origin::Api), "{status} {type_} {message}");
        assert_eq!((error.type_.raw(), error.message.raw()), (type_, message));
        assert_eq!(error.request_id.unwrap().raw(), "req_1");
    }
}

#[test]
fn codes_and_headers() {
    for (code, kind) in [
        ("ramp_limit_exceeded", ErrorKind::RateAcceleration),
        ("enforced_spend_limit_reached", ErrorKind::SpendLimit),
        ("organization_on_hold", ErrorKind::OrgDisabled),
        ("unheard_of", ErrorKind::RateLimit),
    ] {
        let body = format!(
            r#"{{"type":"error","error":{{"type":"rate_limit_error","message":"","details":{{"error_code":"{code}"}}}}}}"#
        );
        let error = parse_error(429, &HeaderMap::new(), body.as_bytes());
        assert_eq!((error.kind, error.code.unwrap().raw()), (kind, code));
    }
    let body = api("rate_limit_error", "Rate limited");
    for (name, kind) in [
        ("anthropic-ratelimit-requests-remaining", ErrorKind::RateRequests),
        ("anthropic-ratelimit-input-tokens-remaining", ErrorKind::RateInputTokens),
        ("anthropic-ratelimit-output-tokens-remaining", ErrorKind::RateOutputTokens),
        ("anthropic-ratelimit-unified-reset", ErrorKind::Subscription),
    ] {
        assert_eq!(parse_error(429, &map(&[(name, "0")]), body.as_bytes()).kind, kind, "{name}");
    }
    let error = parse_error(500, &map(&[("request-id", "req_2")]), b"");
    assert_eq!((error.origin, error.request_id.unwrap().raw()), (Origin::Api, "req_2"));
}

const RAY: (&str, &str) = ("cf-ray", "0123456789abcdef-FRA");

#[test]
fn the_edge() {
    let forbidden = r#"{"error":{"type":"forbidden","message":"Request not allowed"}}"#;
    let ours = r#"{"cloudflare_error":true,"title":"Error 522","error_code":522,"zone":"api.anthropic.com",
        "error_name":"connection_timeout","type":"https://x/"}"#;
    let other = r#"{"cloudflare_error":true,"title":"Error 524","zone":"relay.example"}"#;
    let challenge = "<!DOCTYPE html><title>Just a moment...</title>";
    for (status, headers, body, kind, origin) in [
        (403, vec![], forbidden, ErrorKind::Region, Origin::Edge),
        (403, vec![RAY], forbidden, ErrorKind::Region, Origin::Edge),
        (403, vec![RAY], challenge, ErrorKind::Challenge, Origin::Edge),
        (403, vec![RAY, ("cf-mitigated", "challenge")], "<html>", ErrorKind::Challenge, Origin::Edge),
        (403, vec![RAY], "error code: 1020", ErrorKind::Challenge, Origin::Edge),
        (403, vec![RAY], "<h1>Sorry, you have been blocked</h1>", ErrorKind::Blocked, Origin::Edge),
        (522, vec![], ours, ErrorKind::None, Origin::Edge),
        (524, vec![RAY], other, ErrorKind::None, Origin::Gateway),
        (524, vec![RAY], "<title>relay.example | 524: A timeout</title>", ErrorKind::None, Origin::Gateway),
        (520, vec![RAY], "<title>api.anthropic.com | 520: x</title>", ErrorKind::None, Origin::Edge),
        (520, vec![("server", "cloudflare")], "error code: 520", ErrorKind::None, Origin::Edge),
        (413, vec![RAY], "<title>413 Request Entity Too Large</title>", ErrorKind::TooLarge, Origin::Edge),
    ] {
        let error = parse_error(status, &map(&headers), body.as_bytes());
        assert_eq!((error.kind, error.origin), (kind, origin), "{status} {body}");
    }
    let error = parse_error(522, &HeaderMap::new(), ours.as_bytes());
    assert_eq!((error.type_.raw(), error.code.unwrap().raw()), ("connection_timeout", "522"));
}

#[test]
fn gateways_proxies_and_portals() {
    let envoy = "upstream connect error or disconnect/reset before headers. reset reason: overflow";
    let auth = r#"{"error":{"message":"no key","type":"auth_error","param":"None","code":"401"}}"#;
    let openai = r#"{"error":{"message":"x","type":"invalid_request_error","code":"model_not_found"}}"#;
    let squid = "<title>ERROR: The requested URL could not be retrieved</title>";
    let large = r#"{"error":{"type":"request_too_large","message":""}}"#;
    for (status, headers, body, kind, origin) in [
        (503, vec![("server", "envoy")], envoy, ErrorKind::Mesh, Origin::Gateway),
        (401, vec![], auth, ErrorKind::Authentication, Origin::Gateway),
        (404, vec![], openai, ErrorKind::NotFound, Origin::Gateway),
        (413, vec![], large, ErrorKind::None, Origin::Gateway),
        (401, vec![], r#"{"detail":"Invalid API key"}"#, ErrorKind::None, Origin::Gateway),
        (502, vec![("via", "1.1 google")], "", ErrorKind::None, Origin::Gateway),
        (529, vec![], "busy", ErrorKind::Overloaded, Origin::Gateway),
        (503, vec![("via", "1.1 px (squid/6)")], squid, ErrorKind::None, Origin::Proxy),
        (403, vec![("x-squid-error", "ERR_ACCESS_DENIED 0")], squid, ErrorKind::None, Origin::Proxy),
        (407, vec![], "", ErrorKind::None, Origin::Proxy),
        (403, vec![("x-deny-reason", "host_not_allowed")], "", ErrorKind::None, Origin::Proxy),
        (403, vec![], "<html>blocked by Zscaler</html>", ErrorKind::WebFilter, Origin::Gateway),
        (503, vec![], "<title>Captive Portal</title>", ErrorKind::Portal, Origin::Portal),
        (511, vec![], "", ErrorKind::Portal, Origin::Portal),
        (0, vec![], "", ErrorKind::None, Origin::Gateway),
    ] {
        let error = parse_error(status, &map(&headers), body.as_bytes());
        assert_eq!((error.kind, error.origin), (kind, origin), "{status} {body}");
    }
}

#[test]
fn other_clouds() {
    for (exception, message, kind) in [
        ("ExpiredTokenException:http://internal.amazon.com/x/", "", ErrorKind::AwsCredentials),
        ("AccessDeniedException", "", ErrorKind::AwsAccess),
        ("ThrottlingException", "", ErrorKind::AwsThrottled),
        ("throttlingException", "", ErrorKind::AwsThrottled),
        ("ValidationException", "The provided model identifier is invalid.", ErrorKind::AwsModel),
        ("ValidationException", "Input is too long for requested model.", ErrorKind::ContextTooLong),
        ("ValidationException", "other", ErrorKind::InvalidRequest),
        ("ResourceNotFoundException", "", ErrorKind::AwsModel),
        ("ModelTimeoutException", "", ErrorKind::Timeout),
    ] {
        let body = format!(r#"{{"message":"{message}"}}"#);
        let headers = map(&[("x-amzn-ErrorType", exception), ("x-amzn-RequestId", "a-1"), ("via", "1.1 x")]);
        let error = parse_error(400, &headers, body.as_bytes());
        assert_eq!((error.kind, error.origin), (kind, Origin::Gateway), "{exception} {message}");
        assert!(!error.type_.raw().contains(':'));
        assert_eq!(error.request_id.unwrap().raw(), "a-1");
    }
    let body = br#"{"__type":"com.amazon.coral#UnrecognizedClientException","Message":"no"}"#;
    let error = parse_error(403, &HeaderMap::new(), body);
    assert_eq!((error.kind, error.message.raw()), (ErrorKind::AwsCredentials, "no"));
    for (status, kind) in [
        ("RESOURCE_EXHAUSTED", ErrorKind::GcpQuota),
        ("UNAUTHENTICATED", ErrorKind::GcpCredentials),
        ("NOT_FOUND", ErrorKind::GcpModel),
        ("UNAVAILABLE", ErrorKind::None),
    ] {
        let body = format!(r#"{{"error":{{"code":429,"message":"Quota","status":"{status}"}}}}"#);
        for body in [format!("[{body}]"), body] {
            let error = parse_error(429, &HeaderMap::new(), body.as_bytes());
            assert_eq!((error.kind, error.type_.raw()), (kind, status), "{body}");
        }
    }
}

#[test]
fn events_and_shapes() {
    let data = error_body("overloaded_error", "Overloaded", None);
    let error = parse_error_event(&data);
    assert_eq!((error.kind, error.origin), (ErrorKind::Overloaded, Origin::Api));
    assert_eq!(parse_error_event(b"oops").origin, Origin::Gateway);
    for (body, expected) in [
        (r#"{"type":"error","error":{"type":"x"}}"#, true),
        (r#"{"type":"error","error":{}}"#, false),
        (r#"{"type":"https://x","error":{"type":"x"}}"#, false),
        (r#"{"error":{"type":"x"}}"#, false),
        (r#"[{"type":"error","error":{"type":"x"}}]"#, false),
        ("", false),
    ] {
        assert_eq!(is_api_shape(body.as_bytes()), expected, "{body}");
    }
}

#[test]
fn errors_that_nothing_calls_so() {
    for (body, expected) in [
        (r#"{"type":"error","error":{"type":"x"}}"#, true),
        (r#" {"error":{"message":"boom"}}"#, true),
        (r#"{"error":"boom"}"#, true),
        (r#"{"type":"error"}"#, true),
        (r#"{"error":null,"type":"message"}"#, false),
        (r#"{"error":{},"choices":[]}"#, false),
        (r#"{"type":"message","content":["error"]}"#, false),
        (r#"{"type":"error""#, false),
        (r#"["error"]"#, false),
        ("[DONE]", false),
        ("", false),
    ] {
        assert_eq!(tells_error(body.as_bytes()), expected, "{body}");
    }
}

#[test]
fn what_is_written_is_read_again() {
    for status in (400..600).chain([0]) {
        let type_ = type_for_status(status);
        let body = error_body(type_, "a \"b\"\n\u{1b}", Some("req_9"));
        assert!(is_api_shape(&body) && !body.contains(&b'\n'));
        let error = parse_error(status, &HeaderMap::new(), &body);
        assert_eq!((error.type_.raw(), error.message.raw()), (type_, "a \"b\"\n\u{1b}"));
        assert_ne!(error.kind, ErrorKind::None);
    }
    assert_eq!(error_body("a", "b", None), br#"{"type":"error","error":{"type":"a","message":"b"}}"#);
    let event = error_event("api_error", "x\ny");
    let mut seen = Vec::new();
    crate::sse::Parser::new().push(&event, |e| seen.push((e.name.to_vec(), e.data.to_vec()))).unwrap();
    assert_eq!(seen, [(b"error".to_vec(), error_body("api_error", "x\ny", None))]);
}
