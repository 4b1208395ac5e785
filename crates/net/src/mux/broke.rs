//! What the end of a stream means that did not end well.

use clearline_model::{ConfigFault, Failure, Framing};
use h2::{Error, Reason};

use crate::wire::Wire;

/// Whether the server certainly did nothing with the request (RFC 9113, section 8.7): it refused the stream, or it said that it
/// goes and looks at no stream as late as this one. h2 gives its GOAWAY to no other stream.
pub(crate) fn is_refused(error: &Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM))
}

/// What it means for a stream that waits for its head.
pub(crate) fn lost(error: &Error, wire: &Wire) -> (Failure, String) {
    let text = error.to_string();
    let failure = match error.reason() {
        Some(_) if !error.is_remote() => Failure::Framing(Framing::H2),
        Some(reason) if is_about_http2(reason) => Failure::Framing(Framing::H2),
        Some(_) if error.is_go_away() => Failure::Eof,
        Some(_) => Failure::Reset,
        None if error.is_io() => return wire.broke().unwrap_or((Failure::Eof, text)),
        None => Failure::Config(ConfigFault::Header),
    };
    (failure, text)
}

/// What it means inside a body; `is_short` where less of it came than was announced.
pub(crate) fn cut(error: &Error, wire: &Wire, is_short: bool) -> (Failure, String) {
    let (failure, text) = lost(error, wire);
    let failure = if error.is_remote() {
        // Whatever the server's reason was: the answer had begun.
        Failure::Reset
    } else if failure == Failure::Eof || (error.is_reset() && is_short) {
        // A body of another length than announced is an error of HTTP/2, for which its stream is reset here.
        Failure::Framing(Framing::Short)
    } else {
        failure
    };
    (failure, text)
}

/// Whether the server means that we break HTTP/2, or that it does not want it: HTTP/1.1 may serve.
fn is_about_http2(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::PROTOCOL_ERROR
            | Reason::FLOW_CONTROL_ERROR
            | Reason::SETTINGS_TIMEOUT
            | Reason::STREAM_CLOSED
            | Reason::FRAME_SIZE_ERROR
            | Reason::COMPRESSION_ERROR
            | Reason::CONNECT_ERROR
            | Reason::INADEQUATE_SECURITY
            | Reason::HTTP_1_1_REQUIRED
    )
}
