//! What the simulated model says.

use serde_json::Value;

use crate::chance::{hash, mix};

/// Words that a corrupted byte, a lost chunk or a wrong split shows in: some are longer than a byte per letter.
const WORDS: &[&str] = &[
    "the",
    "packet",
    "arrived",
    "naïve",
    "and",
    "数据",
    "whole",
    "—",
    "despite",
    "a",
    "flaky",
    "résumé",
    "\"quoted\"",
    "of",
    "every",
    "retry",
    "back\\slash",
    "→",
    "clear",
    "line",
    "😀",
    "again",
    "with",
    "patience",
    "été",
    "before",
    "its",
    "deadline",
    "but",
    "never",
    "twice",
    "end",
];
/// The most words of an answer.
const MOST: u64 = 48;

/// The text that a healthy answer to the request `body` contains.
///
/// It follows from the text of the last user message and from `max_tokens` alone, so that a caller who knows the
/// request can tell whether the answer arrived whole. It is empty where `max_tokens` is 0.
#[must_use]
pub fn expected_text(body: &Value) -> String {
    words(body).join(" ")
}

/// The words of [`expected_text`], one of which counts as one token.
pub(crate) fn words(body: &Value) -> Vec<&'static str> {
    let max = body.get("max_tokens").and_then(Value::as_u64).unwrap_or(0);
    let mut state = mix(hash(last_user_text(body).as_bytes()) ^ mix(max));
    let count = max.min(16 + state % (MOST - 16));
    let mut out = Vec::new();
    for _ in 0..count {
        state = mix(state);
        let at = usize::try_from(state % 32).unwrap_or(0);
        out.push(WORDS.get(at).copied().unwrap_or("end"));
    }
    out
}

/// The text of the last message of the user; the empty text where there is none.
pub(crate) fn last_user_text(body: &Value) -> String {
    let messages = body.get("messages").and_then(Value::as_array);
    let last = messages
        .and_then(|all| all.iter().rev().find(|m| m.get("role").and_then(Value::as_str) == Some("user")));
    match last.and_then(|m| m.get("content")) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(blocks)) => {
            blocks.iter().filter_map(|b| b.get("text").and_then(Value::as_str)).collect::<Vec<_>>().join("\n")
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(text: &str, max: u64) -> Value {
        json!({"max_tokens": max, "messages": [{"role": "user", "content": text}]})
    }

    #[test]
    fn the_text_follows_from_the_last_user_message_and_max_tokens() {
        let text = expected_text(&body("hi", 100));
        assert!(text.split(' ').count() >= 16, "{text}");
        assert_eq!(text, expected_text(&body("hi", 100)));
        assert_ne!(text, expected_text(&body("ho", 100)));
        assert_ne!(text, expected_text(&body("hi", 101)));
        let blocks = json!({"model": "x", "max_tokens": 100, "messages": [
            {"role": "user", "content": "earlier"}, {"role": "assistant", "content": "well"},
            {"role": "user", "content": [{"type": "text", "text": "hi"}]}]});
        assert_eq!(text, expected_text(&blocks));
    }

    #[test]
    fn max_tokens_bounds_the_words() {
        assert_eq!(expected_text(&body("hi", 0)), "");
        assert_eq!(expected_text(&body("hi", 3)).split(' ').count(), 3);
        assert_eq!(WORDS.len(), 32);
    }
}
