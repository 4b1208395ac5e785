//! Whether a success is one: a 2xx alone is not.

use std::borrow::Cow;

use clearline_model::{Foreign, Framing, Usage};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use serde::Deserialize;
use serde_json::Value;

use crate::headers::text;
use crate::repeat::without_query;

/// What an answer says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// What it cost.
    pub usage: Usage,
    /// The model that answered.
    pub model: Option<Foreign>,
    /// Why it stopped.
    pub stop_reason: Option<Foreign>,
}

/// The `usage` of the API. Any type is taken, so that a wrong one spoils only itself.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Tokens {
    input_tokens: Option<Value>,
    output_tokens: Option<Value>,
    cache_creation_input_tokens: Option<Value>,
    cache_read_input_tokens: Option<Value>,
}

impl Tokens {
    pub(crate) fn usage(&self) -> Usage {
        let number = |v: &Option<Value>| v.as_ref().and_then(Value::as_u64).unwrap_or(0);
        Usage {
            input: number(&self.input_tokens),
            output: number(&self.output_tokens),
            cache_write: number(&self.cache_creation_input_tokens),
            cache_read: number(&self.cache_read_input_tokens),
        }
    }

    /// Takes over what `other` says; the numbers of a stream are totals, not steps.
    pub(crate) fn update(&mut self, other: &Self) {
        let take = |mine: &mut Option<Value>, other: &Option<Value>| {
            if other.is_some() {
                mine.clone_from(other);
            }
        };
        take(&mut self.input_tokens, &other.input_tokens);
        take(&mut self.output_tokens, &other.output_tokens);
        take(&mut self.cache_creation_input_tokens, &other.cache_creation_input_tokens);
        take(&mut self.cache_read_input_tokens, &other.cache_read_input_tokens);
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    model: Option<Text<'a>>,
    stop_reason: Option<Text<'a>>,
    usage: Option<Tokens>,
}

/// A string, without a copy where nothing in it is escaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Whether the body of a success for `path` is a message of the API (claude-api.md 1.2), and what it says.
///
/// Only for answers to `POST …/v1/messages` that are not streams. Nothing is judged, and there is no reply, where the
/// path is another, the status is no 2xx, or the body is compressed.
///
/// # Errors
/// [`Framing::Empty`] for no body, [`Framing::NotMessage`] for anything but a JSON object with the type `message`.
pub fn judge(path: &str, status: u16, headers: &HeaderMap, body: &[u8]) -> Result<Option<Reply>, Framing> {
    let plain = text(headers, CONTENT_ENCODING).is_none_or(|e| e.trim().eq_ignore_ascii_case("identity"));
    let ours = without_query(path).ends_with("/v1/messages");
    if !ours
        || !(200..300).contains(&status)
        || !plain
        || headers.get_all(CONTENT_ENCODING).iter().count() > 1
    {
        return Ok(None);
    }
    match body.trim_ascii().first() {
        None => return Err(Framing::Empty),
        Some(b'{') => {}
        Some(_) => return Err(Framing::NotMessage),
    }
    // One look at all of it for UTF-8 is cheaper than one at each string.
    let message: Message<'_> = match std::str::from_utf8(body) {
        Ok(body) => serde_json::from_str(body),
        Err(_) => serde_json::from_slice(body),
    }
    .map_err(|_| Framing::NotMessage)?;
    if message.r#type.0 != "message" {
        return Err(Framing::NotMessage);
    }
    Ok(Some(Reply {
        usage: message.usage.unwrap_or_default().usage(),
        model: message.model.map(|m| Foreign::new(&m.0)),
        stop_reason: message.stop_reason.map(|s| Foreign::new(&s.0)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judgements() {
        let good = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[],
            "stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":"x"}}"#;
        let reply = Reply {
            usage: Usage { input: 3, ..Usage::default() },
            model: Some(Foreign::new("claude-x")),
            stop_reason: Some(Foreign::new("end_turn")),
        };
        for (path, status, encoding, body, expected) in [
            ("/v1/messages", 200, None, good, Ok(Some(reply.clone()))),
            ("/x/v1/messages?beta=true", 200, Some("identity"), good, Ok(Some(reply))),
            ("/v1/messages", 200, None, "", Err(Framing::Empty)),
            ("/v1/messages", 204, None, " \r\n", Err(Framing::Empty)),
            ("/v1/messages", 200, None, "<html>", Err(Framing::NotMessage)),
            ("/v1/messages", 200, None, "{}", Err(Framing::NotMessage)),
            ("/v1/messages", 200, None, r#"{"type":"error"}"#, Err(Framing::NotMessage)),
            ("/v1/messages", 200, None, r#"["message",null,null,null]"#, Err(Framing::NotMessage)),
            ("/v1/messages", 200, None, r#"{"type":"message""#, Err(Framing::NotMessage)),
            ("/v1/messages", 200, Some("gzip"), "\u{1f}", Ok(None)),
            ("/v1/messages", 400, None, "", Ok(None)),
            ("/v1/messages/count_tokens", 200, None, r#"{"input_tokens":1}"#, Ok(None)),
            ("/v1/models", 200, None, "", Ok(None)),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(encoding) = encoding {
                headers.insert("content-encoding", encoding.parse().unwrap());
            }
            assert_eq!(judge(path, status, &headers, body.as_bytes()), expected, "{path} {status} {body}");
        }
    }
}
