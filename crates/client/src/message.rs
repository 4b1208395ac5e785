//! A typed Messages call, as small as it can be: one text in, one text out.

use bytes::Bytes;
use clearline_model::{CallerId, Cause, Failure, Foreign, LocalFault, Sent, Stage, Usage};
use clearline_net::Fault;
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::BodyExt as _;

use crate::builder::{Client, refused};
use crate::call::Request;
use crate::error::CallError;

/// The API version that is asked for.
const VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// A complete answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MessageAnswer {
    /// The text of all its text blocks.
    pub text: String,
    /// Why it stopped.
    pub stop_reason: Option<String>,
    /// What it cost, tokens.
    pub usage: Usage,
    /// The upstream's id.
    pub request_id: Option<Foreign>,
    /// Attempts that it took.
    pub attempts: u16,
}

#[derive(serde::Deserialize)]
struct Wire {
    content: Vec<Block>,
    stop_reason: Option<String>,
    usage: WireUsage,
}

#[derive(serde::Deserialize)]
struct Block {
    #[serde(default)]
    text: String,
}

#[derive(serde::Deserialize)]
struct WireUsage {
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
}

impl Client {
    /// Sends a JSON body to a path, with the headers that the API demands.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn post_json(&self, path: &str, body: &serde_json::Value) -> Result<crate::Reply, CallError> {
        let wrong = |e: http::uri::InvalidUri| {
            let fault = Fault::new(Stage::Config, Failure::Local(LocalFault::Forbidden));
            refused(Fault { detail: Foreign::new(&e.to_string()), ..fault })
        };
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("anthropic-version", VERSION);
        let request = Request {
            method: Method::POST,
            path: path.parse().map_err(wrong)?,
            headers,
            body: Bytes::from(body.to_string()).into(),
            caller: CallerId(0),
        };
        self.call(request).await
    }

    /// Asks a model one thing and waits for the whole answer.
    ///
    /// # Errors
    /// As [`Client::call`], and every error answer of the API, by its cause.
    pub async fn messages(
        &self,
        model: &str,
        max_tokens: u32,
        prompt: &str,
    ) -> Result<MessageAnswer, CallError> {
        let body = serde_json::json!({
            "model": model, "max_tokens": max_tokens, "messages": [{"role": "user", "content": prompt}],
        });
        let reply = self.post_json("/v1/messages", &body).await?;
        let request_id = clearline_wire::headers::request_id(&reply.headers);
        let (call, attempts, cause) = (reply.call, reply.attempts, reply.cause);
        let failed = |cause: Cause, detail: Foreign| CallError {
            call,
            stage: Stage::Head,
            sent: Sent::Yes,
            attempts,
            request_id: request_id.clone(),
            ..CallError::before(cause, detail)
        };
        let bytes = match reply.body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(broken) => return Err(failed(broken.0, Foreign::default())),
        };
        if let Some(cause) = cause {
            return Err(failed(cause, Foreign::from_bytes(&bytes)));
        }
        let wire: Wire = serde_json::from_slice(&bytes)
            .map_err(|e| failed(Cause::GatewayMalformedResponse, Foreign::new(&e.to_string())))?;
        Ok(MessageAnswer {
            text: wire.content.iter().map(|b| b.text.as_str()).collect(),
            stop_reason: wire.stop_reason,
            usage: Usage {
                input: wire.usage.input_tokens,
                output: wire.usage.output_tokens,
                ..Usage::default()
            },
            request_id,
            attempts,
        })
    }
}
