//! The request that continues a broken answer of text, by the documented method: a turn of the user that quotes the end of
//! what arrived, or, where a model still takes that, the text as the beginning of the answer.

use crate::fields;
use crate::request::model_family;

/// How much of the text the user's turn quotes, characters.
const QUOTE: usize = 200;

/// The last generation that takes the beginning of its answer from the request; later ones refuse it.
const LAST_WITH_PREFILL: (u32, u32) = (4, 5);

/// A request that asks for the rest of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuation {
    /// The original body and, in its messages, the text so far.
    pub body: Vec<u8>,
    /// White space at the end of the text that the request cannot show: the rest may begin with it again.
    pub unshown: String,
}

/// Asks for the rest of an answer of which `text` has arrived. `None` where the body's messages cannot be found.
#[must_use]
pub fn continuation(body: &[u8], model: Option<&str>, text: &str) -> Option<Continuation> {
    let turns = turns(model, text)?;
    if turns.text.is_empty() {
        return Some(Continuation { body: body.to_vec(), unshown: turns.unshown });
    }
    let messages = fields::value(body, "messages")?;
    let inside = body.get(messages.start..messages.end)?.strip_prefix(b"[")?.strip_suffix(b"]")?;
    if inside.trim_ascii().is_empty() {
        return None;
    }
    let end = messages.end.checked_sub(1)?;
    let body = fields::replaced(body, end..end, turns.text.as_bytes())?;
    Some(Continuation { body, unshown: turns.unshown })
}

/// What a request that asks for the rest of an answer says more than the original one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turns {
    /// What stands behind the last message; empty where the answer begins anew.
    pub text: String,
    /// As in [`Continuation`].
    pub unshown: String,
}

/// The messages that ask for the rest of an answer of which `text` has arrived, for bodies that are not in memory.
#[must_use]
pub fn turns(model: Option<&str>, text: &str) -> Option<Turns> {
    let shown = text.trim_end();
    let unshown = text.get(shown.len()..).unwrap_or_default().to_owned();
    if shown.is_empty() {
        // Nothing that a message could hold: the answer begins anew.
        return Some(Turns { text: String::new(), unshown });
    }
    if model.is_some_and(takes_prefill) {
        return Some(Turns { text: format!(",{}", message("assistant", shown)?), unshown });
    }
    let asks = format!(
        "Your previous response was interrupted and ended with `{}`. Continue from where you left off.",
        tail(text, QUOTE)
    );
    let text = format!(",{},{}", message("assistant", text)?, message("user", &asks)?);
    Some(Turns { text, unshown: String::new() })
}

fn message(role: &str, text: &str) -> Option<String> {
    let content = serde_json::to_string(text).ok()?;
    Some(format!("{{\"role\":\"{role}\",\"content\":{content}}}"))
}

/// The last characters of a text.
pub(crate) fn tail(text: &str, chars: usize) -> &str {
    let from = text.char_indices().rev().take(chars).last().map_or(text.len(), |(at, _)| at);
    text.get(from..).unwrap_or_default()
}

/// Whether a model takes the beginning of its answer as the last message. One that is not known does not.
fn takes_prefill(model: &str) -> bool {
    let Some(rest) = model_family(model).strip_prefix("claude-") else { return false };
    let mut numbers = rest.split(['-', '.']).filter_map(|part| part.parse::<u32>().ok());
    let Some(major) = numbers.next() else { return false };
    (major, numbers.next().unwrap_or(0)) <= LAST_WITH_PREFILL
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_text_goes_along_as_the_model_takes_it() {
        let body = br#"{"model":"m","messages":[ {"role":"user","content":"Hi"} ],"x":1.0}"#;
        let asks = "Your previous response was interrupted and ended with `it \"is\" `. Continue from where you left off.";
        let user = json!([{"role":"user","content":"Hi"},{"role":"assistant","content":"it \"is\" "},{"role":"user","content":asks}]);
        let prefill = json!([{"role":"user","content":"Hi"},{"role":"assistant","content":"it \"is\""}]);
        for (model, expected, unshown) in [
            ("claude-sonnet-5-5", &user, ""),
            ("claude-haiku-4-5-20251001", &prefill, " "),
            ("other", &user, ""),
        ] {
            let made = continuation(body, Some(model), "it \"is\" ").unwrap();
            let value: Value = serde_json::from_slice(&made.body).unwrap();
            assert_eq!((&value["messages"], made.unshown.as_str()), (expected, unshown), "{model}");
            // The rest stays as it was, byte for byte.
            assert!(made.body.starts_with(&body[..50]) && made.body.ends_with(br#"],"x":1.0}"#), "{made:?}");
        }
        let anew = continuation(body, None, " \n").unwrap();
        assert_eq!((anew.body.as_slice(), anew.unshown.as_str()), (body.as_slice(), " \n"));
        for none in
            [r#"{"messages":[]}"#, r#"{"messages":"x"}"#, r#"{"x":1}"#, r#"{"messages":[1],"messages":[2]}"#]
        {
            assert_eq!(continuation(none.as_bytes(), None, "text"), None, "{none}");
        }
    }

    #[test]
    fn generations() {
        for (model, takes) in [
            ("claude-3-5-sonnet-latest", true),
            ("claude-2.1", true),
            ("claude-opus-4-1", true),
            ("claude-opus-4-20250514", true),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", true),
            ("claude-opus-4-6", false),
            ("claude-sonnet-5", false),
            ("claude-sonnet-5-5", false),
            ("claude-next", false),
            ("other-3", false),
        ] {
            assert_eq!(takes_prefill(model), takes, "{model}");
        }
    }

    proptest! {
        #[test]
        fn total(text in ".{0,400}", body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _any = continuation(&body, Some("claude-x"), &text);
            let end = tail(&text, QUOTE);
            prop_assert!(text.ends_with(end) && end.chars().count() <= QUOTE);
            let real = continuation(br#"{"messages":[{}]}"#, None, &text).unwrap();
            prop_assert!(serde_json::from_slice::<Value>(&real.body).is_ok());
        }
    }
}
