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
fn words(body: &Value) -> Vec<&'static str> {
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

/// What a text costs, tokens: one for a word.
pub(crate) fn tokens(text: &str) -> u64 {
    if text.is_empty() { 0 } else { u64::try_from(text.split(' ').count()).unwrap_or(u64::MAX) }
}

/// How a turn of the user begins that asks for the rest of a broken answer.
const INTERRUPTED: &str = "Your previous response was interrupted and ended with ";

/// The least and the most that the model repeats of an answer when it goes on with it, characters.
const REPEATS: (u64, u64) = (8, 90);

/// What the model says: the text of a healthy answer, or its rest where the request holds its beginning. It begins a little
/// before the end of that, as a real model does.
pub(crate) fn said(body: &Value) -> String {
    let Some((asked, seen)) = beginning(body) else { return expected_text(body) };
    let whole = expected_text(&asked);
    let Some(rest) = whole.strip_prefix(seen.as_str()) else { return whole };
    let known = u64::try_from(seen.chars().count()).unwrap_or(u64::MAX);
    let wanted = REPEATS.0 + hash(seen.as_bytes()) % (REPEATS.1 - REPEATS.0);
    // A repetition of fewer characters could not be told from chance.
    let repeats = if known < REPEATS.0 { 0 } else { wanted.min(known) };
    let kept = usize::try_from(known - repeats).unwrap_or(0);
    let again: String = seen.chars().skip(kept).collect();
    format!("{again}{rest}")
}

/// The request without the answer's beginning, and that beginning: the last message of the assistant.
fn beginning(body: &Value) -> Option<(Value, String)> {
    let role = |m: &Value, role: &str| m.get("role").and_then(Value::as_str) == Some(role);
    let all = body.get("messages")?.as_array()?;
    let before = match all.split_last()? {
        (last, _) if role(last, "assistant") => all.as_slice(),
        (_, before) if last_user_text(body).starts_with(INTERRUPTED) => before,
        _ => return None,
    };
    let (answer, asked) = before.split_last().filter(|(last, _)| role(last, "assistant"))?;
    let seen = answer.get("content")?.as_str()?.to_owned();
    let mut original = body.clone();
    *original.get_mut("messages")? = Value::from(asked);
    Some((original, seen))
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
    fn a_broken_answer_is_continued() {
        let whole = expected_text(&body("hi", 100));
        let ask = |seen: &str, user: &str| {
            let mut asked = body("hi", 100);
            let turns = asked["messages"].as_array_mut().unwrap();
            turns.push(json!({"role": "assistant", "content": seen}));
            if !user.is_empty() {
                turns.push(json!({"role": "user", "content": user}));
            }
            asked
        };
        for at in (0..whole.len()).filter(|at| whole.is_char_boundary(*at)) {
            let (seen, rest) = whole.split_at(at);
            for user in ["", "Your previous response was interrupted and ended with `x`. Continue."] {
                let said = said(&ask(seen, user));
                assert!(said.ends_with(rest) && whole.ends_with(&said), "{seen} | {said}");
                let repeated = said.chars().count() - rest.chars().count();
                let least = if seen.chars().count() < 8 { 0 } else { 8 };
                assert!((least..=90).contains(&repeated), "{repeated}");
            }
        }
        assert_eq!(said(&ask("Something else", "")), whole);
        assert_eq!(said(&ask("earlier", "hi")), whole, "another turn is none of it");
    }

    #[test]
    fn max_tokens_bounds_the_words() {
        assert_eq!(expected_text(&body("hi", 0)), "");
        assert_eq!(expected_text(&body("hi", 3)).split(' ').count(), 3);
        assert_eq!(WORDS.len(), 32);
    }
}
