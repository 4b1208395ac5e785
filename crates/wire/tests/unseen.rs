//! Errors that nobody has seen: new types, other languages, words that mean something else there, relays that wrap others.
//! Status and type decide whether a call is repeated, and never a word that happens to stand in the text.

use clearline_model::{Failure, Retry, Sent, Stage, classify};
use clearline_wire::parse_error;
use http::{HeaderMap, HeaderName};

/// The cause of an answer, and whether it may be repeated at all.
fn judged(status: u16, headers: &HeaderMap, body: &str) -> (&'static str, bool) {
    let error = parse_error(status, headers, body.as_bytes());
    let cause = classify(Stage::Head, &Failure::Status(status, error.kind, error.origin), Sent::Yes);
    (cause.id(), cause.row().retry != Retry::Never)
}

fn api(type_: &str, message: &str) -> String {
    format!(r#"{{"type":"error","error":{{"type":"{type_}","message":"{message}"}}}}"#)
}

#[test]
fn the_apis_shape_with_types_and_words_of_tomorrow() {
    for (status, type_, message, cause, again) in [
        (400, "nova_error", "Overloaded function signature", "request.invalid", false),
        (400, "invalid_request_error", "Der Text ist zu lang: 9 > 8", "request.invalid", false),
        (400, "validation_error", "request not allowed here", "request.invalid", false),
        // A caller's mistake that quotes another error does not put a key of the pool to rest.
        (400, "invalid_request_error", "the tool said: invalid x-api-key", "request.invalid", false),
        (400, "overloaded_error", "x", "server.overloaded", true),
        (401, "identity_error", "无效的密钥", "auth.invalid", false),
        (403, "policy_error", "禁止", "auth.forbidden", false),
        (409, "busy_error", "x", "server.error", true),
        (413, "payload_error", "x", "request.too-large", false),
        (422, "semantic_error", "x", "request.invalid", false),
        (429, "slow_down_error", "频率过高", "quota.throttled", true),
        (500, "internal_error", "内部错误", "server.error", true),
        (500, "api_error", "invalid authentication credentials for the backend", "server.error", true),
        (500, "api_error", "prompt is too long to be cached", "server.error", true),
        (500, "api_error", "request not allowed by this shard", "server.error", true),
        (500, "invalid_request_error", "x", "server.error", true),
        (503, "capacity_error", "credit balance is too low to say", "server.unavailable", true),
        (529, "busy_error", "invalid x-api-key", "server.overloaded", true),
    ] {
        let judged = judged(status, &HeaderMap::new(), &api(type_, message));
        assert_eq!(judged, (cause, again), "{status} {type_} {message}");
    }
}

#[test]
fn pages_of_proxies() {
    for (status, body, cause, again) in [
        (502, "<h1>502</h1>Error code: 10060 connection timed out", "gateway.bad-gateway", true),
        (502, "<html>nginx: x-api-key header is required</html>", "gateway.bad-gateway", true),
        (504, "<html>the number of requests has exceeded</html>", "gateway.bad-gateway", true),
        (503, "upstream request timeout", "gateway.mesh-unavailable", true),
        (429, "Too Many Requests", "gateway.rate-limited", true),
        (403, "error code: 1020", "edge.bot-challenge", false),
        (599, "", "gateway.bad-gateway", true),
        (446, "guarded", "request.invalid", false),
    ] {
        assert_eq!(judged(status, &HeaderMap::new(), body), (cause, again), "{status} {body}");
    }
}

#[test]
fn relays_that_wrap_others() {
    let litellm =
        |text: &str| format!(r#"{{"error":{{"message":"litellm.X: {text}","type":null,"code":"500"}}}}"#);
    let bad = r#"{"error":{"message":"litellm.BadRequestError: {\"type\":\"error\",\"error\":{\"message\":\"Your credit balance is too low\"}}","type":"invalid_request_error","code":"400"}}"#;
    let google = |status: &str| format!(r#"{{"error":{{"code":1,"message":"x","status":"{status}"}}}}"#);
    let other = |text: &str| format!(r#"{{"error":{{"message":"{text}","type":"new_api_error"}}}}"#);
    let portkey = r#"{"status":"failure","message":"upstream gave an invalid response"}"#;
    for (status, body, cause, again) in [
        (500, litellm("AnthropicException - Overloaded"), "server.overloaded", true),
        (500, litellm("invalid x-api-key"), "auth.invalid", false),
        (400, bad.to_owned(), "quota.credit", false),
        (429, litellm("No deployments available"), "gateway.rate-limited", true),
        (502, portkey.to_owned(), "gateway.bad-gateway", true),
        (503, google("UNAVAILABLE"), "gateway.bad-gateway", true),
        (409, google("ABORTED"), "server.error", true),
        (429, google("RESOURCE_EXHAUSTED"), "cloud.gcp-quota", true),
        (500, other("请稍后再试"), "gateway.bad-gateway", true),
        (429, other("请稍后再试"), "gateway.rate-limited", true),
        (403, other("额度不足"), "auth.forbidden", false),
    ] {
        assert_eq!(judged(status, &HeaderMap::new(), &body), (cause, again), "{status} {body}");
    }
    for (status, exception, cause, again) in [
        (503, "ServiceUnavailableException", "gateway.bad-gateway", true),
        (429, "ThrottlingException", "cloud.aws-throttled", true),
        (424, "ModelErrorException", "server.error", true),
        (500, "NovelException", "gateway.bad-gateway", true),
        (400, "NovelException", "request.invalid", false),
    ] {
        let name = HeaderName::from_static("x-amzn-errortype");
        let headers = HeaderMap::from_iter([(name, exception.parse().unwrap())]);
        let judged = judged(status, &headers, r#"{"message":"x"}"#);
        assert_eq!(judged, (cause, again), "{status} {exception}");
    }
}
