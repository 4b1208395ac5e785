//! JSON objects in a text, also as Python and Node print them, in bounded work.

use std::ops::Range;

use serde_json::{Map, Value};

/// The most objects that are looked at.
const OBJECTS_MAX: usize = 1000;
/// The most bytes that are gone through in the search for ends of objects: braces within braces must not cost their square.
const SEARCHED_MAX: usize = 16 << 20;
/// How deep strings that hold JSON are opened.
const STRINGS_MAX: u8 = 4;

/// An object, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object {
    /// Where.
    pub(crate) at: Range<usize>,
    /// What it holds.
    pub(crate) value: Value,
}

/// The objects of a text, the outermost ones of those that can be read.
pub(crate) fn objects(text: &str) -> Vec<Object> {
    let (mut found, mut from, mut left) = (Vec::new(), 0, SEARCHED_MAX);
    while let Some(at) = text.get(from..).and_then(|t| t.find('{')).map(|at| from + at) {
        let end = object_end(text, at);
        let cost = end.unwrap_or(text.len()) - at;
        if found.len() >= OBJECTS_MAX || cost > left {
            break;
        }
        left -= cost;
        let value = end.and_then(|end| read(text.get(at..end)?));
        from = match (value, end) {
            (Some(value), Some(end)) => {
                found.push(Object { at: at..end, value });
                end
            }
            _ => at + 1,
        };
    }
    found
}

fn read(text: &str) -> Option<Value> {
    serde_json::from_str(text).or_else(|_| serde_json::from_str(&from_dump(text))).ok()
}

/// An object and everything within that may be the body of an error: objects, and strings that hold some.
pub(crate) fn bodies(value: &Value) -> Vec<&Map<String, Value>> {
    let (mut found, mut open) = (Vec::new(), vec![value]);
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                found.push(map);
                open.extend(map.values().rev());
            }
            Value::Array(items) => open.extend(items.iter().rev()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    found
}

/// The same object with the strings in it that hold objects opened: a log's line holds the answer's body as a string.
pub(crate) fn opened(value: Value) -> Value {
    open(value, STRINGS_MAX)
}

fn open(value: Value, depth: u8) -> Value {
    match value {
        Value::String(text) if depth > 0 && text.contains('{') => {
            let inner: Vec<Value> = objects(&text).into_iter().map(|o| open(o.value, depth - 1)).collect();
            if inner.is_empty() { Value::String(text) } else { Value::Array(inner) }
        }
        Value::Object(map) => map.into_iter().map(|(name, value)| (name, open(value, depth))).collect(),
        Value::Array(items) => items.into_iter().map(|value| open(value, depth)).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

/// The text without what people and models wrote to one another: messages of a request, of an answer, of a stream. Their
/// words may speak of any error, and tell of none.
pub(crate) fn without_speech(text: &str, objects: &[Object]) -> String {
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    for object in objects {
        let mut value = opened(object.value.clone());
        if !prune(&mut value) {
            continue;
        }
        out.push_str(text.get(from..object.at.start).unwrap_or_default());
        if !value.is_null() {
            out.push_str(&value.to_string());
        }
        from = object.at.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// Takes speech out; whether there was any.
fn prune(value: &mut Value) -> bool {
    let mut changed = false;
    match value {
        Value::Object(map) => {
            if is_speech(map) {
                *value = Value::Null;
                return true;
            }
            if ["messages", "choices"].iter().any(|name| map.get(*name).is_some_and(Value::is_array)) {
                for name in ["messages", "system", "tools", "choices"] {
                    changed |= map.remove(name).is_some();
                }
            }
            map.values_mut().for_each(|value| changed |= prune(value));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| changed |= prune(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    changed
}

fn is_speech(map: &Map<String, Value>) -> bool {
    const PARTS: [&str; 5] = [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
    ];
    let is_said = map.get("role").is_some_and(Value::is_string) && map.contains_key("content");
    is_said || map.get("type").and_then(Value::as_str).is_some_and(|kind| PARTS.contains(&kind))
}

/// The end of the object that begins at `at`; braces within quotes do not count.
fn object_end(text: &str, at: usize) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0_u32, None, false);
    for (i, b) in text.bytes().enumerate().skip(at) {
        match (quote, b) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(q), _) if b == q => quote = None,
            (Some(_), _) => {}
            (None, b'"') => quote = Some(b),
            (None, b'\'')
                if text.as_bytes().get(i.wrapping_sub(1)).is_none_or(|p| !p.is_ascii_alphanumeric()) =>
            {
                quote = Some(b);
            }
            (None, b'{') => depth += 1,
            (None, b'}') => {
                depth -= 1;
                if depth == 0 {
                    return Some(i + 1);
                }
            }
            (None, _) => {}
        }
    }
    None
}

/// What Python prints of a dict, and Node of an object, as JSON: quotes, names without quotes, and constants.
fn from_dump(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut quote, mut before) = (None, ' ');
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (None, '\'' | '"') => {
                quote = Some(c);
                out.push('"');
            }
            (Some(q), _) if c == q => {
                quote = None;
                out.push('"');
            }
            (Some('\''), '"') => out.push_str("\\\""),
            (Some(_), '\n') => out.push_str("\\n"),
            (Some(_), '\\') if chars.peek().is_some_and(|(_, next)| *next == '\'') => {}
            (Some(_), '\\') => {
                // What is escaped ends no string.
                out.push(c);
                out.extend(chars.next().map(|(_, next)| next));
            }
            (None, _) if is_name(c) => {
                let rest = text.get(at..).unwrap_or_default();
                let word = rest.get(..rest.find(|c| !is_name(c)).unwrap_or(rest.len())).unwrap_or_default();
                let is_key = matches!(before, '{' | ',')
                    && rest.get(word.len()..).is_some_and(|rest| rest.trim_start().starts_with(':'));
                out.push_str(&if is_key { format!("\"{word}\"") } else { constant(word).to_owned() });
                while chars.next_if(|(next, _)| *next < at + word.len()).is_some() {}
            }
            _ => out.push(c),
        }
        if !c.is_whitespace() {
            before = c;
        }
    }
    out
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

fn constant(word: &str) -> &str {
    match word {
        "None" | "undefined" => "null",
        "True" => "true",
        "False" => "false",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(text: &str) -> Vec<Value> {
        objects(text).into_iter().map(|object| object.value).collect()
    }

    #[test]
    fn objects_are_read_as_json_python_and_node_print_them() {
        assert_eq!(
            values(r#"a {"b":1} c {'d': None, 'e': "it's"}"#),
            [json!({"b":1}), json!({"d":null,"e":"it's"})]
        );
        assert_eq!(
            values("{ type: 'error', error: { type: 'x', ok: true, at: undefined } }"),
            [json!({"type":"error","error":{"type":"x","ok":true,"at":null}})]
        );
        // The outer one is cut off; what is whole in it counts.
        assert_eq!(values(r#"{"a": {"b":1}, "c": "#), [json!({"b":1})]);
    }

    #[test]
    fn braces_within_braces_cost_bounded_work() {
        let deep = format!("{}x{}", "{".repeat(100_000), "}".repeat(100_000));
        assert!(objects(&deep).is_empty());
        let many = "{x} ".repeat(50_000);
        assert!(objects(&many).is_empty());
    }

    #[test]
    fn strings_that_hold_objects_are_opened() {
        let line = json!({"log": json!({"msg": "said {\"type\":\"error\"} to us"}).to_string()});
        let opened = opened(line);
        assert!(bodies(&opened).iter().any(|map| map.get("type") == Some(&json!("error"))));
    }

    #[test]
    fn what_people_and_models_say_is_taken_out() {
        for text in [
            r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"ECONNREFUSED"}]}"#,
            r#"> {"model":"m","max_tokens":9,"messages":[{"role":"user","content":"ECONNREFUSED"}]}"#,
            r#"data: {"type":"content_block_delta","delta":{"text":"ECONNREFUSED"}}"#,
            r#"data: {"choices":[{"delta":{"content":"ECONNREFUSED"}}]}"#,
            r#"{"level":"error","request":"{\"messages\":[{\"role\":\"user\",\"content\":\"ECONNREFUSED\"}]}","err":"late"}"#,
        ] {
            let said = without_speech(text, &objects(text));
            assert!(!said.contains("ECONNREFUSED"), "{said}");
            assert_eq!(said.contains("late"), text.contains("late"), "{said}");
        }
        let error = r#"x {"type":"error","error":{"type":"api_error","message":"ECONNREFUSED"}}"#;
        assert_eq!(without_speech(error, &objects(error)), error);
    }
}
