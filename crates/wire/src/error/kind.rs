//! What an error means: its code, its type, the headers and, last, known texts say it.

use clearline_model::{ErrorKind, Origin};
use http::HeaderMap;

use super::fits::fits;
use super::parts::{Parts, Shape};
use crate::headers::text;
use crate::text::{of_message, of_page};

/// What it means; kinds that anything else makes finer give way to it.
pub(super) fn kind(
    status: u16,
    headers: &HeaderMap,
    parts: &Parts,
    (origin, body): (Origin, &[u8]),
) -> ErrorKind {
    let code = parts.code.as_deref().and_then(by_code);
    let first = code.unwrap_or_else(|| by_type(status, parts, origin));
    if !is_weak(first) {
        return first;
    }
    if let Some(kind) = by_headers(status, headers, first) {
        return kind;
    }
    let known = if parts.shape == Shape::Page { of_page(body) } else { of_message(&parts.message) };
    if let Some(kind) = known.filter(|kind| fits(status, parts.shape, first, *kind)) {
        return kind;
    }
    match (status, parts.shape) {
        (529, _) => ErrorKind::Overloaded,
        // The API's 413 is its edge's (claude-api.md 1.2).
        (413, _) if origin == Origin::Edge => ErrorKind::TooLarge,
        (511, _) => ErrorKind::Portal,
        (429, Shape::Json | Shape::Envelope)
            if first == ErrorKind::RateLimit && unified(headers) && origin == Origin::Api =>
        {
            ErrorKind::Subscription
        }
        _ => first,
    }
}

/// Kinds that a header or a text may make finer.
const fn is_weak(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::None
            | ErrorKind::InvalidRequest
            | ErrorKind::Authentication
            | ErrorKind::Permission
            | ErrorKind::RateLimit
            | ErrorKind::Api
    )
}

/// What `error.type` says; AWS's exceptions and Google's words stand in the same place.
fn by_type(status: u16, parts: &Parts, origin: Origin) -> ErrorKind {
    match parts.type_.as_str() {
        "invalid_request_error" => ErrorKind::InvalidRequest,
        // The second is litellm's.
        "authentication_error" | "auth_error" => ErrorKind::Authentication,
        "billing_error" => ErrorKind::Billing,
        "permission_error" => ErrorKind::Permission,
        "not_found_error" => ErrorKind::NotFound,
        "conflict_error" => ErrorKind::Conflict,
        "rate_limit_error" | "rate_limit_exceeded" => ErrorKind::RateLimit,
        "timeout_error" => ErrorKind::Timeout,
        "api_error" | "server_error" => ErrorKind::Api,
        "overloaded_error" => ErrorKind::Overloaded,
        // Another one's limit is not the API's.
        "request_too_large" if matches!(origin, Origin::Api | Origin::Edge) => ErrorKind::TooLarge,
        "forbidden" if status == 403 && origin == Origin::Edge => ErrorKind::Region,
        "insufficient_quota" => ErrorKind::Credit,
        // litellm.
        "budget_exceeded" => ErrorKind::SpendLimit,
        other => by_google(other).or_else(|| by_aws(other, &parts.message)).unwrap_or(ErrorKind::None),
    }
}

/// Google's words (claude-api.md 7.2).
fn by_google(word: &str) -> Option<ErrorKind> {
    Some(match word {
        "UNAUTHENTICATED" | "invalid_grant" => ErrorKind::GcpCredentials,
        "PERMISSION_DENIED" => ErrorKind::Permission,
        "NOT_FOUND" | "FAILED_PRECONDITION" => ErrorKind::GcpModel,
        "RESOURCE_EXHAUSTED" => ErrorKind::GcpQuota,
        "INVALID_ARGUMENT" => ErrorKind::InvalidRequest,
        "DEADLINE_EXCEEDED" => ErrorKind::Timeout,
        "INTERNAL" => ErrorKind::Api,
        _ => return None,
    })
}

/// AWS's exceptions (claude-api.md 7.1); inside a stream their names begin in lower case (BerriAI/litellm#589).
fn by_aws(exception: &str, message: &str) -> Option<ErrorKind> {
    let name = exception.to_ascii_lowercase();
    let message = message.to_ascii_lowercase();
    Some(match name.strip_suffix("exception").unwrap_or(&name) {
        "accessdenied" => ErrorKind::AwsAccess,
        "resourcenotfound" => ErrorKind::AwsModel,
        "validation" if message.contains("model identifier") || message.contains("on-demand throughput") => {
            ErrorKind::AwsModel
        }
        "validation" => ErrorKind::InvalidRequest,
        "throttling" | "servicequotaexceeded" | "modelnotready" | "toomanyrequests" => {
            ErrorKind::AwsThrottled
        }
        "modeltimeout" => ErrorKind::Timeout,
        "modelerror" | "modelstreamerror" | "internalserver" => ErrorKind::Api,
        "conflict" => ErrorKind::Conflict,
        "expiredtoken"
        | "unrecognizedclient"
        | "invalidsignature"
        | "incompletesignature"
        | "missingauthenticationtoken" => ErrorKind::AwsCredentials,
        _ => return None,
    })
}

/// Codes that say more than the type: claude-api.md 2.3; the last lines are those of OpenAI-like gateways.
fn by_code(code: &str) -> Option<ErrorKind> {
    Some(match code {
        "organization_on_hold" => ErrorKind::OrgDisabled,
        "ramp_limit_exceeded" => ErrorKind::RateAcceleration,
        "enforced_spend_limit_reached"
        | "contract_spend_limit_reached"
        | "linked_organization_spend_limit_reached" => ErrorKind::SpendLimit,
        "linked_organization_billing_unavailable" => ErrorKind::Billing,
        "request_body_too_large_after_decoding" => ErrorKind::TooLarge,
        "invalid_api_key" => ErrorKind::Authentication,
        "model_not_found" => ErrorKind::NotFound,
        "context_length_exceeded" => ErrorKind::ContextTooLong,
        "insufficient_quota" => ErrorKind::Credit,
        "rate_limit_exceeded" => ErrorKind::RateLimit,
        _ => return None,
    })
}

fn by_headers(status: u16, headers: &HeaderMap, first: ErrorKind) -> Option<ErrorKind> {
    if text(headers, "cf-mitigated") == Some("challenge") {
        return Some(ErrorKind::Challenge);
    }
    if first != ErrorKind::RateLimit || status != 429 {
        return None;
    }
    let spent = |name: &str| text(headers, name).is_some_and(|v| v.trim() == "0");
    [
        ("anthropic-ratelimit-requests-remaining", ErrorKind::RateRequests),
        ("anthropic-ratelimit-input-tokens-remaining", ErrorKind::RateInputTokens),
        ("anthropic-ratelimit-output-tokens-remaining", ErrorKind::RateOutputTokens),
    ]
    .into_iter()
    .find(|(name, _)| spent(name))
    .map(|(_, kind)| kind)
}

/// The headers of a subscription's windows; their exact names are unverified (claude-api.md 2.4).
fn unified(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("anthropic-ratelimit-unified-"))
}
