//! A call that is not streamed, fetched as a stream: what the caller gets is put together here.

use std::sync::Arc;

use bytes::Bytes;
use clearline_model::{Ask, Failure, Foreign, Framing, StreamEnd, Usage};
use clearline_wire::{Assembly, Parser};
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::request::Request;

/// Says that the answer was fetched in another way than it was asked for.
const FETCHED: HeaderName = HeaderName::from_static("clearline-fetched");

/// The longest stream that is put together, bytes.
const STREAM_MAX: u64 = 32 << 20;

/// Puts a message together from a stream.
#[derive(Default)]
pub(crate) struct Gather {
    parser: Parser,
    assembly: Assembly,
    /// What the answer is, once it is known to be no message.
    failure: Option<Failure>,
    /// The words of an error in it.
    said: Foreign,
    /// There was something in it that nothing here knows.
    unknown: bool,
    complete: bool,
}

impl Gather {
    /// Takes the next bytes; `total` is how many there were. Says how it failed, or whether it is complete.
    pub(crate) fn take(&mut self, bytes: &[u8], total: u64) -> Result<bool, Failure> {
        let (assembly, failure, unknown, complete) =
            (&mut self.assembly, &mut self.failure, &mut self.unknown, &mut self.complete);
        let said = &mut self.said;
        let read = self.parser.push(bytes, |event| {
            if failure.is_some() || *complete {
                return;
            }
            if event.name == b"error" {
                let api = clearline_wire::parse_error_event(event.data);
                *failure = Some(Failure::Ended(StreamEnd::Error(api.kind)));
                *said = api.message;
                return;
            }
            let data = serde_json::from_slice::<Value>(event.data);
            let known = data.is_ok_and(|data| assembly.push(event.name, &data).is_ok());
            if !known {
                *failure = Some(Failure::Framing(Framing::Event));
                // One that was cut says nothing of others.
                *unknown = !assembly.is_cut();
            }
            *complete = event.name == b"message_stop" && known;
        });
        if read.is_err() || total > STREAM_MAX {
            self.failure = Some(Failure::Framing(Framing::Event));
        }
        self.failure.map_or(Ok(self.complete), Err)
    }

    /// It holds what is not known here: others will, too.
    pub(crate) const fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// The words of an error in it; nothing where there was none.
    pub(crate) const fn said(&mut self) -> &mut Foreign {
        &mut self.said
    }

    /// What it has said so far that it costs.
    pub(crate) fn usage(&self) -> Usage {
        self.assembly.usage()
    }

    /// The message, and what it cost, where it is whole.
    pub(crate) fn end(&self) -> Result<(Bytes, Usage), Failure> {
        let bytes = self.assembly.to_json().ok_or(Failure::Ended(StreamEnd::Early))?;
        let reply = clearline_wire::judge("/v1/messages", 200, &HeaderMap::new(), &bytes);
        let usage = reply.map_err(Failure::Framing)?.unwrap_or_default();
        Ok((bytes.into(), usage))
    }
}

/// The headers of such an answer, as they are for one that is not streamed.
pub(crate) fn describe(headers: &mut HeaderMap, length: usize) {
    headers.remove(CACHE_CONTROL);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(FETCHED, HeaderValue::from_static("stream"));
}

/// The request that fetches the same answer as a stream, where it asks for so many tokens and can be changed to that.
pub(crate) fn request(request: &Request, ask: &Ask, from: u32) -> Option<Arc<Request>> {
    let messages = crate::read::is_messages(request.path.as_str());
    if ask.stream || !messages || request.method != Method::POST || ask.max_output < from {
        return None;
    }
    let body = request.body.streamed()?;
    let mut headers = request.headers.clone();
    headers.remove(ACCEPT_ENCODING);
    if headers.contains_key(CONTENT_LENGTH) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    Some(Arc::new(Request { headers, body, ..request.clone() }))
}
