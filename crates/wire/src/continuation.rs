//! The request that continues a broken answer of text, by the documented method: a turn of the user that quotes the end of
//! what arrived, or, where a model still takes that, the text as the beginning of the answer.

use serde::Deserialize;
use serde_json::Value;

use crate::fields;
use crate::request::model_family;

/// How much of the text the user's turn quotes, characters.
const QUOTE: usize = 200;

/// The last generation that takes the beginning of its answer from the request; later ones refuse it.
const LAST_WITH_PREFILL: (u32, u32) = (4, 5);

/// Who says a message.
#[derive(Deserialize)]
struct Said {
    role: Option<String>,
}

/// A body in memory with these turns behind its messages. `None` where these cannot be found, or end with the beginning of the
/// answer themselves: how that and the text are put together is the server's own affair.
#[must_use]
pub fn continuation(body: &[u8], turns: &Turns) -> Option<Vec<u8>> {
    if turns.text.is_empty() {
        return Some(body.to_vec());
    }
    let messages = fields::value(body, "messages")?;
    let inside = body.get(messages.start..messages.end)?.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let all: Vec<Said> = serde_json::from_slice(body.get(messages.clone())?).ok()?;
    if inside.trim_ascii().is_empty() || all.last()?.role.as_deref() == Some("assistant") {
        return None;
    }
    let end = messages.end.checked_sub(1)?;
    fields::replaced(body, end..end, turns.text.as_bytes())
}

/// What of a request matters where two answers are joined.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seams {
    /// What ends the answer: a sequence that lies across the seam is seen by neither side of it.
    pub stops: Vec<String>,
    /// The answer has a form of its own as a whole, which a second one would begin anew.
    pub is_formed: bool,
}

/// Looks for it in a body in memory. `None` where it says what is not understood.
#[must_use]
pub fn seams(body: &[u8]) -> Option<Seams> {
    /// One look at the body; a field that stands there twice is none that is understood.
    #[derive(Deserialize)]
    struct Fields {
        stop_sequences: Option<Vec<String>>,
        output_config: Option<Value>,
        output_format: Option<Value>,
    }
    let fields: Fields = serde_json::from_slice(body).ok()?;
    let stops = fields.stop_sequences.unwrap_or_default();
    let format = |config: Value| config.get("format").is_some_and(|format| !format.is_null());
    let is_formed = fields.output_format.is_some() || fields.output_config.is_some_and(format);
    Some(Seams { stops, is_formed })
}

/// What a request that asks for the rest of an answer says more than the original one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turns {
    /// What stands behind the last message; empty where the answer begins anew.
    pub text: String,
    /// White space at the end of the text that the request cannot show: the rest may begin with it again.
    pub unshown: String,
    /// The text is the beginning of the answer, so that the rest goes on from its very end.
    pub exact: bool,
}

/// The messages that ask for the rest of an answer of which `text` has arrived.
#[must_use]
pub fn turns(model: Option<&str>, text: &str) -> Option<Turns> {
    let shown = text.trim_end();
    let unshown = text.get(shown.len()..).unwrap_or_default().to_owned();
    if shown.is_empty() {
        // Nothing that a message could hold: the answer begins anew.
        return Some(Turns { text: String::new(), unshown, exact: true });
    }
    if model.is_some_and(takes_prefill) {
        return Some(Turns { text: format!(",{}", message("assistant", shown)?), unshown, exact: true });
    }
    let asks = format!(
        "Your previous response was interrupted and ended with `{}`. Continue from where you left off.",
        tail(text, QUOTE)
    );
    let text = format!(",{},{}", message("assistant", text)?, message("user", &asks)?);
    Some(Turns { text, unshown: String::new(), exact: false })
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
    use serde_json::json;

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
            let turns = turns(Some(model), "it \"is\" ").unwrap();
            let made = continuation(body, &turns).unwrap();
            let value: Value = serde_json::from_slice(&made).unwrap();
            assert_eq!((&value["messages"], turns.unshown.as_str()), (expected, unshown), "{model}");
            assert_eq!(turns.exact, unshown == " ", "{model}");
            // The rest stays as it was, byte for byte.
            assert!(made.starts_with(&body[..50]) && made.ends_with(br#"],"x":1.0}"#), "{made:?}");
        }
        let anew = turns(None, " \n").unwrap();
        assert_eq!(continuation(body, &anew).unwrap(), body);
        assert_eq!((anew.unshown.as_str(), anew.exact), (" \n", true));
        for none in [
            r#"{"messages":[]}"#,
            r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#,
            r#"{"messages":"x"}"#,
            r#"{"x":1}"#,
            r#"{"messages":[1],"messages":[2]}"#,
        ] {
            assert_eq!(continuation(none.as_bytes(), &turns(None, "text").unwrap()), None, "{none}");
        }
    }

    #[test]
    fn what_matters_at_a_seam() {
        let stops = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect();
        for (body, expected) in [
            (r#"{"model":"m"}"#, Some(Seams::default())),
            (r#"{"stop_sequences":null,"output_config":null}"#, Some(Seams::default())),
            (
                r#"{"stop_sequences":["a","\n"],"output_config":{"effort":"low"}}"#,
                Some(Seams { stops: stops(&["a", "\n"]), is_formed: false }),
            ),
            (
                r#"{"output_config":{"format":{"type":"json_schema"}}}"#,
                Some(Seams { is_formed: true, ..Seams::default() }),
            ),
            (r#"{"output_format":{}}"#, Some(Seams { is_formed: true, ..Seams::default() })),
            (r#"{"stop_sequences":"a"}"#, None),
            (r#"{"stop_sequences":[],"stop_sequences":["a"]}"#, None),
        ] {
            assert_eq!(seams(body.as_bytes()), expected, "{body}");
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
            let turns = turns(None, &text).unwrap();
            let _any = continuation(&body, &turns);
            let end = tail(&text, QUOTE);
            prop_assert!(text.ends_with(end) && end.chars().count() <= QUOTE);
            let real = continuation(br#"{"messages":[{}]}"#, &turns).unwrap();
            prop_assert!(serde_json::from_slice::<Value>(&real).is_ok());
        }
    }
}
