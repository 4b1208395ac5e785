//! Invariants as ordinary functions: a fuzzer, a corpus and random bytes all call the same ones.

use clearline_model::{Foreign, Origin};
use http::{HeaderMap, HeaderValue};

use crate::error::{is_api_shape, parse_error, parse_error_event};
use crate::sse::Parser;
use crate::stream::{Mark, Watch};
use crate::{headers, message, request};

/// Events as owned bytes: name, data, id.
type Events = Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>;

/// A stream of events gives the same however it is split. The first byte says where.
///
/// # Panics
/// An invariant is broken.
pub fn sse(data: &[u8]) {
    let Some((first, stream)) = data.split_first() else { return };
    let step = usize::from(*first).max(1);
    let whole = events(&[stream]);
    let pieces: Vec<&[u8]> = stream.chunks(step).collect();
    assert!(whole == events(&pieces), "the pieces of {step} bytes give other events");
    let watched = marks(&[stream]);
    assert!(watched == marks(&pieces), "the pieces of {step} bytes give other marks");
    let stops = watched.iter().filter(|m| matches!(m, Mark::Stop)).count();
    let named = whole.iter().filter(|e| e.0 == b"message_stop").count();
    assert!(stops <= named, "a stop without its event");
}

fn events(pieces: &[&[u8]]) -> Events {
    let (mut parser, mut events) = (Parser::new(), Vec::new());
    for piece in pieces {
        let result = parser.push(piece, |e| events.push((e.name.to_vec(), e.data.to_vec(), e.id.to_vec())));
        assert!(result.is_ok(), "a small stream is over the limit");
    }
    events
}

fn marks(pieces: &[&[u8]]) -> Vec<Mark> {
    let (mut watch, mut marks) = (Watch::new(), Vec::new());
    for piece in pieces {
        watch.push(piece, &mut marks);
    }
    assert!(watch.end(true).is_none() == watch.complete(), "an end that is not the stream's");
    marks
}

/// Every body of an error is read, whatever it is. The first two bytes are the status.
///
/// # Panics
/// An invariant is broken.
pub fn error_body(data: &[u8]) {
    let (status, body) = match data {
        [high, low, body @ ..] => (u16::from_be_bytes([*high, *low]), body),
        short => (400, short),
    };
    let mut headers = HeaderMap::new();
    for name in ["", "cf-ray", "x-amzn-errortype", "via"] {
        if !name.is_empty() {
            let line = body.split(|b| *b < 0x20 || *b > 0x7E).next().unwrap_or_default();
            headers.insert(name, HeaderValue::from_bytes(line).unwrap_or(HeaderValue::from_static("x")));
        }
        let error = parse_error(status, &headers, body);
        let longest = error.message.raw().len().max(error.type_.raw().len());
        assert!(longest <= Foreign::MAX, "a text over its limit");
        let api = error.origin == Origin::Api;
        assert!(api || !is_api_shape(body), "the API's shape without its origin");
    }
    assert!(is_api_shape(body) == (parse_error_event(body).origin == Origin::Api), "an event's origin");
    let _ = (headers::body_hint(body), request::peek(body));
    let judged = message::judge("/v1/messages", 200, &HeaderMap::new(), body);
    assert!(!(is_api_shape(body) && judged.is_ok()), "an error taken as a message");
}
