//! A typed Messages call, as small as it can be: one text in, one text out.

use bytes::Bytes;
use clearline_model::{CallerId, Cause, Foreign, Usage};
use http::{HeaderMap, HeaderValue, Method};

use crate::builder::Client;
use crate::error::CallError;
use crate::request::Request;
use crate::streaming::Told;

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

impl Client {
    /// Sends a JSON body to a path, with the headers that the API demands.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn post_json(&self, path: &str, body: &serde_json::Value) -> Result<crate::Reply, CallError> {
        let wrong = |e: http::uri::InvalidUri| {
            let why = format!("the path \"{path}\" cannot be part of a URL: {e}");
            CallError::before(Cause::ConfigBaseUrlInvalid, Foreign::new(&why))
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
        let told = Told::of(&reply);
        let message = told.message(reply).await?;
        Ok(MessageAnswer {
            text: message.text(),
            stop_reason: message.stop_reason().map(str::to_owned),
            usage: message.usage(),
            request_id: told.request_id,
            attempts: told.attempts,
        })
    }
}
