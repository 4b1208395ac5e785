//! For people with a stack of their own: the client as a service, and a layer that puts it before another service.

use std::task::{Context, Poll};

use bytes::Bytes;
use clearline_model::CallerId;
use futures_util::future::BoxFuture;
use http::uri::PathAndQuery;
use http_body_util::Either;
use tower_layer::Layer;
use tower_service::Service;

use crate::body::ReplyBody;
use crate::builder::Client;
use crate::call::Reply;
use crate::error::CallError;
use crate::request::Request;

impl Service<Request> for Client {
    type Response = Reply;
    type Error = CallError;
    type Future = BoxFuture<'static, Result<Reply, CallError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        // Calls wait inside, in the order of their arrival.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let client = self.clone();
        Box::pin(async move { Self::call(&client, request).await })
    }
}

/// The upstream stays the client's own: of the address only path and query count.
impl Service<http::Request<Bytes>> for Client {
    type Response = http::Response<ReplyBody>;
    type Error = CallError;
    type Future = BoxFuture<'static, Result<http::Response<ReplyBody>, CallError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Bytes>) -> Self::Future {
        let client = self.clone();
        Box::pin(async move { Ok(response(Self::call(&client, asked(request)).await?)) })
    }
}

fn asked(request: http::Request<Bytes>) -> Request {
    let (mut parts, body) = request.into_parts();
    clearline_wire::strip_hop_by_hop(&mut parts.headers);
    Request {
        method: parts.method,
        path: parts.uri.into_parts().path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/")),
        headers: parts.headers,
        body: body.into(),
        caller: CallerId(0),
    }
}

fn response(reply: Reply) -> http::Response<ReplyBody> {
    let mut response = http::Response::new(reply.body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    response
}

/// Puts a client before another service: requests to the host of the API go through the client, all others to the service.
///
/// ```no_run
/// # fn example<S>(client: clearline::Client, inner: S) {
/// use tower_layer::Layer;
///
/// let service = clearline::ClientLayer::new(client, "api.anthropic.com").layer(inner);
/// # let _ = service;
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ClientLayer {
    client: Client,
    host: String,
}

impl ClientLayer {
    /// Requests to this host go through this client.
    #[must_use]
    pub fn new(client: Client, host: &str) -> Self {
        Self { client, host: host.to_owned() }
    }
}

impl<S> Layer<S> for ClientLayer {
    type Service = Before<S>;

    fn layer(&self, inner: S) -> Before<S> {
        Before { client: self.client.clone(), host: self.host.clone(), inner }
    }
}

/// A service with a client before it: see [`ClientLayer`].
#[derive(Debug, Clone)]
pub struct Before<S> {
    client: Client,
    host: String,
    inner: S,
}

/// Why a request got no answer.
#[derive(Debug)]
pub enum BeforeError<E> {
    /// The client's.
    Call(Box<CallError>),
    /// The service's behind it.
    Inner(E),
}

impl<E: std::fmt::Display> std::fmt::Display for BeforeError<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

/// What is said is what they say: whoever looks for the reason goes on from them.
impl<E: std::error::Error> std::error::Error for BeforeError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Call(error) => error.source(),
            Self::Inner(error) => error.source(),
        }
    }
}

impl<E> BeforeError<E> {
    /// The client's own error, with its cause, where it is one.
    #[must_use]
    pub const fn call(&self) -> Option<&CallError> {
        match self {
            Self::Call(error) => Some(error),
            Self::Inner(_) => None,
        }
    }
}

impl<S, B> Service<http::Request<Bytes>> for Before<S>
where
    S: Service<http::Request<Bytes>, Response = http::Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: 'static,
{
    type Response = http::Response<Either<ReplyBody, B>>;
    type Error = BeforeError<S::Error>;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(BeforeError::Inner)
    }

    fn call(&mut self, request: http::Request<Bytes>) -> Self::Future {
        if request.uri().host().is_some_and(|host| host.eq_ignore_ascii_case(&self.host)) {
            let call = Service::<http::Request<Bytes>>::call(&mut self.client, request);
            return Box::pin(async move {
                let response = call.await.map_err(|e| BeforeError::Call(Box::new(e)))?;
                Ok(response.map(Either::Left))
            });
        }
        let call = self.inner.call(request);
        Box::pin(async move { Ok(call.await.map_err(BeforeError::Inner)?.map(Either::Right)) })
    }
}
