//! Whether what a text seems to say can be true of an answer with this status and type.

use clearline_model::ErrorKind;

use super::parts::Shape;

/// A text may not contradict what the status and the type said: a 400 that quotes "requests per minute" is no rate limit, and
/// a server that failed has not found out that a key is wrong. Relays wrap the answers of others in statuses of their own.
pub(super) const fn fits(status: u16, shape: Shape, first: ErrorKind, known: ErrorKind) -> bool {
    if is_rate(known) {
        return matches!(first, ErrorKind::RateLimit) || matches!(status, 0 | 429);
    }
    if matches!(known, ErrorKind::Region) {
        return matches!(status, 0 | 200..=299 | 403);
    }
    if matches!(known, ErrorKind::Challenge) {
        // A proxy's "error code: 10060" is a timeout.
        return !matches!(status, 500 | 502 | 504);
    }
    let is_wrapped = matches!(shape, Shape::Json);
    if matches!(known, ErrorKind::Overloaded) {
        let is_other =
            matches!(first, ErrorKind::InvalidRequest | ErrorKind::Authentication | ErrorKind::Permission);
        return !is_other && (is_wrapped || !matches!(status, 400..=428 | 430..=499));
    }
    if is_wrapped {
        return true;
    }
    if is_refused_credential(known) {
        return matches!(status, 0 | 200..=299 | 401 | 403);
    }
    !is_callers(known) || status < 500
}

const fn is_rate(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::RateRequests
            | ErrorKind::RateInputTokens
            | ErrorKind::RateOutputTokens
            | ErrorKind::RateConcurrency
            | ErrorKind::RateAcceleration
    )
}

/// What the API says with 401 and 403 alone.
const fn is_refused_credential(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Authentication | ErrorKind::CredentialMissing | ErrorKind::Expired | ErrorKind::Revoked
    )
}

/// What no fault of a server is.
const fn is_callers(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WrongKind
            | ErrorKind::Permission
            | ErrorKind::OrgDisabled
            | ErrorKind::WorkspaceMissing
            | ErrorKind::Cors
            | ErrorKind::VersionHeader
            | ErrorKind::BetaHeader
            | ErrorKind::MaxTokens
            | ErrorKind::ContextTooLong
            | ErrorKind::TooLarge
            | ErrorKind::Credit
            | ErrorKind::SpendLimit
    )
}
