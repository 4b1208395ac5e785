//! A call as an SDK makes it, with what does not hold any more when its body or its answer is changed on the way.

use bytes::Bytes;
use clearline::Request;
use clearline_model::CallerId;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method};
use serde_json::Value;

pub(crate) fn request(body: &Value) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    headers.insert("anthropic-version", "2023-06-01".parse().unwrap());
    headers.insert("x-api-key", "sk-ant-fake-own".parse().unwrap());
    // The caller's own framing must not be kept where the body grows.
    headers.insert("content-length", body.to_string().len().into());
    headers.insert("accept-encoding", "gzip".parse().unwrap());
    Request {
        method: Method::POST,
        path: PathAndQuery::from_static("/v1/messages"),
        headers,
        body: Bytes::from(body.to_string()).into(),
        caller: CallerId(0),
    }
}
