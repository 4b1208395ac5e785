//! Whether a success is one: a 2xx alone is not.

use std::fmt;

use clearline_model::{Framing, Usage};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use crate::headers::text;
use crate::repeat::without_query;

/// A number of tokens: a whole one that is not negative, and 0 for anything else, so that a wrong one spoils only itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count(u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Counting)
    }
}

struct Counting;

impl<'de> Visitor<'de> for Counting {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Count, E> {
        Ok(Count(n))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Count, E> {
        Ok(Count(0))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Count, E> {
        Ok(Count(0))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Count, E> {
        Ok(Count(0))
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Count, E> {
        Ok(Count(0))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Count, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Count(0))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Count, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Count(0))
    }
}

/// The `usage` of the API.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Tokens {
    input_tokens: Option<Count>,
    output_tokens: Option<Count>,
    cache_creation_input_tokens: Option<Count>,
    cache_read_input_tokens: Option<Count>,
}

impl Tokens {
    pub(crate) fn usage(&self) -> Usage {
        let number = |count: Option<Count>| count.unwrap_or_default().0;
        Usage {
            input: number(self.input_tokens),
            output: number(self.output_tokens),
            cache_write: number(self.cache_creation_input_tokens),
            cache_read: number(self.cache_read_input_tokens),
        }
    }

    /// Takes over what `other` says; the numbers of a stream are totals, not steps.
    pub(crate) fn update(&mut self, other: &Self) {
        let take = |mine: &mut Option<Count>, other: Option<Count>| *mine = other.or(*mine);
        take(&mut self.input_tokens, other.input_tokens);
        take(&mut self.output_tokens, other.output_tokens);
        take(&mut self.cache_creation_input_tokens, other.cache_creation_input_tokens);
        take(&mut self.cache_read_input_tokens, other.cache_read_input_tokens);
    }
}

#[derive(Deserialize)]
struct Message {
    r#type: IsMessage,
    usage: Option<Tokens>,
}

/// A string, and whether it says `message`.
struct IsMessage(bool);

impl<'de> Deserialize<'de> for IsMessage {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(Comparing)
    }
}

struct Comparing;

impl Visitor<'_> for Comparing {
    type Value = IsMessage;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<IsMessage, E> {
        Ok(IsMessage(text == "message"))
    }
}

/// Whether the body of a success for `path` is a message of the API (claude-api.md 1.2), and what it cost.
///
/// Only for answers to `POST …/v1/messages` that are not streams. Nothing is judged, and nothing is known of the cost, where the
/// path is another, the status is no 2xx, or the body is compressed.
///
/// # Errors
/// [`Framing::Short`] for nothing, or an object that does not end, where no length was announced: it broke off, however cleanly.
/// [`Framing::Empty`] for an announced nothing, [`Framing::NotMessage`] for anything else but a JSON object with the type
/// `message`; of what is cut to its announced length another try would be cut as well.
pub fn judge(path: &str, status: u16, headers: &HeaderMap, body: &[u8]) -> Result<Option<Usage>, Framing> {
    let plain = text(headers, CONTENT_ENCODING).is_none_or(|e| e.trim().eq_ignore_ascii_case("identity"));
    let ours = without_query(path).ends_with("/v1/messages");
    if !ours
        || !(200..300).contains(&status)
        || !plain
        || headers.get_all(CONTENT_ENCODING).iter().count() > 1
    {
        return Ok(None);
    }
    let announced = status == 204 || headers.contains_key(CONTENT_LENGTH);
    match body.trim_ascii().first() {
        None => return Err(if announced { Framing::Empty } else { Framing::Short }),
        Some(b'{') => {}
        Some(_) => return Err(Framing::NotMessage),
    }
    // One look at all of it for UTF-8 is cheaper than one at each string.
    let message: Message = match std::str::from_utf8(body) {
        Ok(body) => serde_json::from_str(body),
        Err(_) => serde_json::from_slice(body),
    }
    .map_err(|error| if error.is_eof() && !announced { Framing::Short } else { Framing::NotMessage })?;
    if !message.r#type.0 {
        return Err(Framing::NotMessage);
    }
    Ok(Some(message.usage.unwrap_or_default().usage()))
}

/// Whether a body of JSON that ended cleanly, without an announced length, breaks off inside. What is compressed is not looked
/// into, and nothing at all is the answer to a HEAD.
#[must_use]
pub fn is_cut(headers: &HeaderMap, body: &[u8]) -> bool {
    if body.is_empty() || headers.contains_key(CONTENT_LENGTH) || headers.contains_key(CONTENT_ENCODING) {
        return false;
    }
    serde_json::from_slice::<IgnoredAny>(body).is_err_and(|error| error.is_eof())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judgements() {
        let good = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[],
            "stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":"x"}}"#;
        let reply = Usage { input: 3, ..Usage::default() };
        for (path, status, encoding, body, expected) in [
            ("/v1/messages", 200, None, good, Ok(Some(reply))),
            ("/x/v1/messages?beta=true", 200, Some("identity"), good, Ok(Some(reply))),
            ("/v1/messages", 200, None, "", Err(Framing::Short)),
            ("/v1/messages", 204, None, " \r\n", Err(Framing::Empty)),
            ("/v1/messages", 200, None, "<html>", Err(Framing::NotMessage)),
            ("/v1/messages", 200, None, "{}", Err(Framing::NotMessage)),
            ("/v1/messages", 200, None, r#"{"type":"error"}"#, Err(Framing::NotMessage)),
            ("/v1/messages", 200, None, r#"["message",null,null,null]"#, Err(Framing::NotMessage)),
            ("/v1/messages", 200, None, r#"{"type":"message""#, Err(Framing::Short)),
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

    #[test]
    fn what_ends_too_early_is_cut_wherever_that_is() {
        let whole = r#"{"id":"m","type":"message","content":[{"type":"text","text":"é\n\u00e9"}],"usage":{"input_tokens":1.5e3}}"#;
        for end in 0..whole.len() {
            let cut = &whole.as_bytes()[..end];
            assert_eq!(judge("/v1/messages", 200, &HeaderMap::new(), cut), Err(Framing::Short), "{end}");
        }
        let announced = HeaderMap::from_iter([(CONTENT_LENGTH, "5".parse().unwrap())]);
        assert_eq!(judge("/v1/messages", 200, &announced, b""), Err(Framing::Empty));
        assert_eq!(judge("/v1/messages", 200, &announced, b"{\"id\""), Err(Framing::NotMessage));
    }

    #[test]
    fn other_answers_are_cut_where_their_json_does_not_end() {
        let announced = HeaderMap::from_iter([(CONTENT_LENGTH, "5".parse().unwrap())]);
        let packed = HeaderMap::from_iter([(CONTENT_ENCODING, "gzip".parse().unwrap())]);
        for (headers, body, expected) in [
            (&HeaderMap::new(), r#"{"input_tokens":1"#, true),
            (&HeaderMap::new(), r#"{"data":[{"id":"a"},"#, true),
            (&HeaderMap::new(), r#"{"input_tokens":1}"#, false),
            (&HeaderMap::new(), "{\"a\":1}\n{\"b\"", false),
            (&HeaderMap::new(), "no JSON", false),
            (&HeaderMap::new(), "", false),
            (&announced, r#"{"inp"#, false),
            (&packed, "{", false),
        ] {
            assert_eq!(is_cut(headers, body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn a_wrong_number_of_tokens_spoils_only_itself() {
        for wrong in ["null", "-1", "1.5", "true", r#""x\n""#, r#"[1,{"a":2}]"#, r#"{"a":[]}"#, "1e400"] {
            let body =
                format!(r#"{{"type":"message","usage":{{"input_tokens":{wrong},"output_tokens":7}}}}"#);
            let judged = judge("/v1/messages", 200, &HeaderMap::new(), body.as_bytes());
            let expected = Usage { output: 7, ..Usage::default() };
            // A number without bounds is no JSON number for anybody.
            assert_eq!(
                judged,
                if wrong == "1e400" { Err(Framing::NotMessage) } else { Ok(Some(expected)) },
                "{wrong}"
            );
        }
    }
}
