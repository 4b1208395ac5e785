//! One request on a stream, until the head of its answer.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use clearline_model::{ConfigFault, Dur, Failure, Foreign, Framing, Limit, LocalFault, Sent, Stage};
use h2::client::{ResponseFuture, SendRequest};
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderName, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{Parts, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version};
use http_body::Body as _;
use tokio::time::Instant;

use super::answer::Stream;
use super::upload::{Piece, Upload};
use super::{Answer, Lent, Mux, broke};
use crate::alarm::{Alarm, after};
use crate::body::Body;
use crate::conn::{MAX_HEADERS, SendLimits};
use crate::fault::Fault;
use crate::upload::ReqBody;

/// What is about one connection of HTTP/1.1 and breaks HTTP/2 (RFC 9113, section 8.2.2), and the host, which has another place.
const NOT_SENT: [HeaderName; 7] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HOST,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];
/// What many callers on one connection must not be able to guess from the length of a head (RFC 7541, section 7.1).
const SECRET: [HeaderName; 3] = [AUTHORIZATION, COOKIE, HeaderName::from_static("x-api-key")];

/// How an exchange ended before its head.
enum Ended {
    Answered(Response<h2::RecvStream>),
    Lost(h2::Error),
    Late,
    Unreadable(io::Error),
}

/// An exchange before its head.
struct Opening {
    tx: Option<SendRequest<Piece>>,
    response: ResponseFuture,
    upload: Upload,
    alarm: Alarm,
    begun: Instant,
    /// What had been written on the connection before.
    mark: u64,
}

impl Lent {
    /// Sends a request and waits for the head of its answer; with it comes how long the request took to leave. Dropping the
    /// future, or the body before its end, resets the stream and leaves the connection to the others. The body of an answer
    /// that is no success is the last one of its connection but for those that run.
    ///
    /// # Errors
    ///
    /// A fault of [`Stage::Send`] or [`Stage::Head`].
    pub async fn send<B: Into<ReqBody>>(
        self,
        req: Request<B>,
        limits: &SendLimits,
    ) -> Result<(Response<Body>, Dur), Fault> {
        let begun = Instant::now();
        let (head, body) = req.map(Into::into).into_parts();
        let is_head = head.method == Method::HEAD;
        let head = self.mux.prepare(head, &body)?;
        let mark = self.mux.wire.written();
        let mut tx = self.mux.tx.clone();
        let opened = tx.send_request(head, body.is_end_stream());
        let (response, out) = opened.map_err(|error| self.broken(&error, Sent::No))?;
        let upload = Upload::new(out, body);
        let mut opening = Opening { tx: Some(tx), response, upload, alarm: Alarm::default(), begun, mark };
        let ended = poll_fn(|cx| opening.poll(cx, limits)).await;
        let sent = opening.sent(&self.mux);
        match ended {
            Ended::Answered(response) if response.headers().len() > MAX_HEADERS => {
                self.mux.retire();
                Err(Fault { sent, ..self.fault(Stage::Head, Failure::Framing(Framing::TooLarge)) })
            }
            Ended::Answered(response) => {
                let sent_after = opening.upload.gone().unwrap_or_else(Instant::now) - begun;
                Ok((self.answer(response, opening.upload, is_head), sent_after.into()))
            }
            Ended::Lost(error) => Err(self.broken(&error, sent)),
            Ended::Late => Err(self.late(&opening)),
            Ended::Unreadable(error) => Err(Fault { sent, ..Fault::io(Stage::Send, &error) }),
        }
    }

    fn answer(self, response: Response<h2::RecvStream>, upload: Upload, is_head: bool) -> Response<Body> {
        if !response.status().is_success() {
            // What a server says in an error, it may say because of this connection: another one tells.
            self.mux.retire();
        }
        let announced = if is_head { None } else { announced(response.headers()) };
        response.map(|recv| Body::shared(Answer::new(Stream { recv, upload }, self, announced)))
    }

    fn fault(&self, stage: Stage, failure: Failure) -> Fault {
        Fault::new(stage, failure).at(self.mux.addr)
    }

    /// Nothing more is sent over a connection that is silent: it may be dead.
    fn late(&self, opening: &Opening) -> Fault {
        self.mux.retire();
        let (stage, limit) = match opening.upload.gone() {
            Some(_) if opening.tx.is_none() => (Stage::Head, Limit::FirstByte),
            Some(_) | None => (Stage::Send, Limit::Send),
        };
        Fault { sent: opening.sent(&self.mux), ..self.fault(stage, Failure::TimedOut(limit)) }
    }

    fn broken(&self, error: &h2::Error, sent: Sent) -> Fault {
        let (failure, detail) = broke::lost(error, &self.mux.wire);
        let is_refused = broke::is_refused(error);
        if !error.is_reset() || !is_refused {
            // A stream that was refused says nothing about the others.
            self.mux.retire();
        }
        let sent = if is_refused { Sent::No } else { sent };
        let is_gone = sent == Sent::No && (error.is_io() || error.is_go_away());
        let is_plain = matches!(failure, Failure::Eof | Failure::Reset);
        let failure = if is_gone && is_plain && self.is_used {
            Failure::Local(LocalFault::StalePooled)
        } else {
            failure
        };
        let stage = if sent == Sent::Yes { Stage::Head } else { Stage::Send };
        Fault { sent, detail: Foreign::new(&detail), ..self.fault(stage, failure) }
    }
}

impl Opening {
    fn poll(&mut self, cx: &mut Context<'_>, limits: &SendLimits) -> Poll<Ended> {
        // Where the connection has failed, the answer says how.
        self.tx.take_if(|tx| tx.poll_ready(cx).is_ready());
        if let Poll::Ready(Err(error)) = self.upload.poll(cx) {
            return Poll::Ready(Ended::Unreadable(error));
        }
        match Pin::new(&mut self.response).poll(cx) {
            Poll::Ready(Ok(response)) => return Poll::Ready(Ended::Answered(response)),
            Poll::Ready(Err(error)) => return Poll::Ready(Ended::Lost(error)),
            Poll::Pending => {}
        }
        // Nobody says when the request has left. It is looked for so early that no limit is missed.
        let gone = self.upload.gone().filter(|_| self.tx.is_none());
        let at = after(gone.unwrap_or_else(Instant::now), limits.first_byte);
        let sent_by = after(self.begun, limits.send);
        let at = if gone.is_some() { at } else { at.min(sent_by) };
        self.alarm.poll_at(at, cx).map(|()| Ended::Late)
    }

    /// How much of the request left: nothing where it waits for a stream, or nothing at all was written since it came.
    fn sent(&self, mux: &Mux) -> Sent {
        if self.tx.is_some() || mux.wire.written() == self.mark {
            Sent::No
        } else if self.upload.gone().is_some() {
            Sent::Yes
        } else {
            Sent::Maybe
        }
    }
}

impl Mux {
    /// Makes a head of HTTP/1.1 one of HTTP/2.
    fn prepare(&self, mut head: http::request::Parts, body: &ReqBody) -> Result<Request<()>, Fault> {
        let wrong = |text: String| {
            Fault::new(Stage::Config, Failure::Config(ConfigFault::BaseUrl)).detailed(&text).at(self.addr)
        };
        let mut uri = Parts::default();
        uri.scheme = Some(self.scheme.clone());
        uri.authority = Some(self.authority.clone());
        uri.path_and_query =
            Some(head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
        head.uri = Uri::from_parts(uri).map_err(|e| wrong(e.to_string()))?;
        head.version = Version::HTTP_2;
        head.headers = fitted(head.headers);
        let length = body.size_hint().exact().unwrap_or(0);
        let has_body = matches!(head.method, Method::POST | Method::PUT | Method::PATCH);
        if length > 0 || has_body {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        } else {
            head.headers.remove(CONTENT_LENGTH);
        }
        Ok(Request::from_parts(head, ()))
    }
}

/// The headers that HTTP/2 sends, in their order.
fn fitted(headers: HeaderMap) -> HeaderMap {
    let mut all = HeaderMap::with_capacity(headers.len() + 1);
    let mut last = None;
    for (name, mut value) in headers {
        // Only the first of several values of a name comes with it.
        last = name.or(last);
        let Some(name) = last.as_ref().filter(|name| !NOT_SENT.contains(name)) else { continue };
        if *name == TE && value != "trailers" {
            continue;
        }
        if SECRET.contains(name) {
            value.set_sensitive(true);
        }
        all.append(name.clone(), value);
    }
    all
}

/// How long a head says that its body is, bytes.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_put_into_the_table_that_callers_share() {
        let mut headers = HeaderMap::new();
        for name in ["x-api-key", "authorization", "cookie", "anthropic-version", "host", "upgrade"] {
            headers.append(name, HeaderValue::from_static("value"));
        }
        let fitted = fitted(headers);
        let secret: Vec<_> =
            fitted.iter().map(|(name, value)| (name.as_str(), value.is_sensitive())).collect();
        let expected =
            [("x-api-key", true), ("authorization", true), ("cookie", true), ("anthropic-version", false)];
        assert_eq!(secret, expected);
    }
}
