//! The message that a stream of events makes, as the API sends it where no stream is asked for.

use std::fmt;

use clearline_model::Usage;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use crate::message::Tokens;

/// An event that this does not know. What it would change of the message is not guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown;

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event of the stream is not known")
    }
}

impl std::error::Error for Unknown {}

/// Puts a message together.
#[derive(Debug, Default)]
pub struct Assembly {
    message: Option<Map<String, Value>>,
    blocks: Vec<Block>,
    complete: bool,
    /// Fields that are not known are passed over.
    tolerant: bool,
    /// The input of a tool ended within itself.
    cut: bool,
}

/// A block of the content.
#[derive(Debug)]
struct Block {
    fields: Map<String, Value>,
    /// The JSON of a tool's input as far as it came.
    input: String,
    open: bool,
}

impl Assembly {
    /// At the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same for who sees each event besides: a field that is not known beside those that are is passed over. A new kind of
    /// step, whose place is not known, is [`Unknown`] here as well.
    #[must_use]
    pub fn tolerant() -> Self {
        Self { tolerant: true, ..Self::default() }
    }

    /// Whether it is an object that has nothing in it that is not known.
    fn knows(&self, data: &Value, names: &[&str]) -> bool {
        data.as_object()
            .is_some_and(|fields| self.tolerant || fields.keys().all(|k| names.contains(&k.as_str())))
    }

    /// Takes the next event in.
    ///
    /// # Errors
    /// An event, a field or a step that is not known, or not in its place. Nothing of it was taken in.
    pub fn push(&mut self, name: &[u8], data: &Value) -> Result<(), Unknown> {
        match name {
            b"ping" => Ok(()),
            b"message_start" => self.start(data),
            b"content_block_start" => self.open(data),
            b"content_block_delta" => self.step(data),
            b"content_block_stop" => self.close(data),
            b"message_delta" => self.delta(data),
            b"message_stop" => self.stop(),
            _ => Err(Unknown),
        }
    }

    fn start(&mut self, data: &Value) -> Result<(), Unknown> {
        let message = data.get("message").and_then(Value::as_object).ok_or(Unknown)?;
        let is_empty = message.get("content").is_none_or(|c| c.as_array().is_some_and(Vec::is_empty));
        if self.message.is_some() || !is_empty || !self.knows(data, &["type", "message"]) {
            return Err(Unknown);
        }
        self.message = Some(message.clone());
        Ok(())
    }

    fn open(&mut self, data: &Value) -> Result<(), Unknown> {
        let fields = data.get("content_block").and_then(Value::as_object).ok_or(Unknown)?;
        let in_place = index(data) == Some(self.blocks.len()) && self.message.is_some();
        if !in_place || !self.knows(data, &["type", "index", "content_block"]) {
            return Err(Unknown);
        }
        self.blocks.push(Block { fields: fields.clone(), input: String::new(), open: true });
        Ok(())
    }

    fn block(&mut self, data: &Value) -> Result<&mut Block, Unknown> {
        let block = index(data).and_then(|at| self.blocks.get_mut(at)).ok_or(Unknown)?;
        if block.open { Ok(block) } else { Err(Unknown) }
    }

    fn step(&mut self, data: &Value) -> Result<(), Unknown> {
        let delta = data.get("delta").ok_or(Unknown)?;
        if !self.knows(data, &["type", "index", "delta"]) {
            return Err(Unknown);
        }
        let kind = delta.get("type").and_then(Value::as_str).ok_or(Unknown)?;
        let field = match kind {
            "text_delta" => "text",
            "thinking_delta" => "thinking",
            "signature_delta" => "signature",
            "input_json_delta" => "partial_json",
            "citations_delta" => "citation",
            _ => return Err(Unknown),
        };
        let value = delta.get(field).filter(|_| self.knows(delta, &["type", field])).ok_or(Unknown)?;
        let block = self.block(data)?;
        if kind == "citations_delta" {
            return block.cite(value);
        }
        let text = value.as_str().ok_or(Unknown)?;
        match kind {
            "input_json_delta" => block.input.push_str(text),
            // A signature comes whole.
            "signature_delta" => drop(block.fields.insert("signature".to_owned(), json!(text))),
            _ => block.append(field, text)?,
        }
        Ok(())
    }

    fn close(&mut self, data: &Value) -> Result<(), Unknown> {
        if !self.knows(data, &["type", "index"]) {
            return Err(Unknown);
        }
        let (tolerant, mut cut) = (self.tolerant, false);
        let block = self.block(data)?;
        if !block.input.is_empty() {
            let input = match serde_json::from_str(&block.input) {
                Ok(input) => input,
                // As a string it is there, and no tool takes it for its input.
                Err(_) => {
                    cut = true;
                    Value::String(block.input.clone())
                }
            };
            if tolerant || !cut {
                block.fields.insert("input".to_owned(), input);
            }
        }
        block.open = cut && !tolerant;
        self.cut |= cut;
        if cut && !tolerant { Err(Unknown) } else { Ok(()) }
    }

    /// Its `delta` holds fields of the message, its `usage` totals.
    fn delta(&mut self, data: &Value) -> Result<(), Unknown> {
        let known = ["type", "delta", "usage", "context_management", "clearline"];
        let delta = data.get("delta").and_then(Value::as_object).ok_or(Unknown)?;
        let is_known = self.knows(data, &known);
        let message = self.message.as_mut().filter(|_| is_known).ok_or(Unknown)?;
        message.extend(delta.clone());
        for (name, value) in data.as_object().into_iter().flatten() {
            if !matches!(name.as_str(), "type" | "delta" | "usage") {
                message.insert(name.clone(), value.clone());
            }
        }
        if let Some(usage) = data.get("usage").and_then(Value::as_object) {
            match message.entry("usage").or_insert_with(|| json!({})).as_object_mut() {
                // What is not said again stays.
                Some(sum) => sum.extend(usage.clone().into_iter().filter(|(_, value)| !value.is_null())),
                None => return Err(Unknown),
            }
        }
        Ok(())
    }

    /// A whole answer says why it stopped, and all of its blocks have ended.
    fn stop(&mut self) -> Result<(), Unknown> {
        let message = self.message.as_ref().ok_or(Unknown)?;
        let is_told = message.get("stop_reason").is_some_and(Value::is_string);
        if !self.tolerant && (!is_told || self.blocks.iter().any(|b| b.open)) {
            return Err(Unknown);
        }
        self.complete = true;
        Ok(())
    }

    /// The input of a tool ended within itself, as `max_tokens` lets it: each of its steps is known, and it is no JSON.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// The message as far as it came.
    #[must_use]
    pub fn so_far(&self) -> Option<Value> {
        let mut message = self.message.clone()?;
        let content = self.blocks.iter().map(|b| Value::Object(b.fields.clone())).collect();
        message.insert("content".to_owned(), Value::Array(content));
        Some(Value::Object(message))
    }

    /// What it has said so far that it costs.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let told = self.message.as_ref().and_then(|m| m.get("usage"));
        told.and_then(|usage| Tokens::deserialize(usage).ok()).unwrap_or_default().usage()
    }

    /// The block of this index as far as it came.
    #[must_use]
    pub fn block_so_far(&self, index: usize) -> Option<&Map<String, Value>> {
        self.blocks.get(index).map(|b| &b.fields)
    }

    /// The whole message, once `message_stop` has come and every block has ended.
    #[must_use]
    pub fn whole(&self) -> Option<Value> {
        let ended = self.complete && self.blocks.iter().all(|b| !b.open);
        if ended { self.so_far() } else { None }
    }

    /// The same as JSON, in which the input of each tool stands as the model wrote it, to the last digit.
    #[must_use]
    pub fn to_json(&self) -> Option<Vec<u8>> {
        let mut message = self.whole()?.as_object().cloned()?;
        drop(message.remove("content"));
        let mut all = serde_json::to_vec(&message).ok()?;
        if all.pop() != Some(b'}') {
            return None;
        }
        all.extend_from_slice(if message.is_empty() { b"\"content\":[" } else { b",\"content\":[" });
        for (place, block) in self.blocks.iter().enumerate() {
            if place > 0 {
                all.push(b',');
            }
            block.write(&mut all)?;
        }
        all.extend_from_slice(b"]}");
        Some(all)
    }
}

impl Block {
    fn write(&self, all: &mut Vec<u8>) -> Option<()> {
        for (place, (name, value)) in self.fields.iter().enumerate() {
            all.push(if place == 0 { b'{' } else { b',' });
            serde_json::to_writer(&mut *all, name).ok()?;
            all.push(b':');
            if name == "input" && !self.input.is_empty() {
                all.extend_from_slice(self.input.as_bytes());
            } else {
                serde_json::to_writer(&mut *all, value).ok()?;
            }
        }
        all.extend_from_slice(if self.fields.is_empty() { b"{}" } else { b"}" });
        Some(())
    }

    fn append(&mut self, field: &str, text: &str) -> Result<(), Unknown> {
        match self.fields.entry(field).or_insert_with(|| json!("")) {
            Value::String(all) => {
                all.push_str(text);
                Ok(())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err(Unknown)
            }
        }
    }

    fn cite(&mut self, citation: &Value) -> Result<(), Unknown> {
        let all = self.fields.entry("citations").or_insert_with(|| json!([]));
        if all.is_null() {
            *all = json!([]);
        }
        all.as_array_mut().ok_or(Unknown)?.push(citation.clone());
        Ok(())
    }
}

fn index(data: &Value) -> Option<usize> {
    data.get("index").and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(all: &mut Assembly, data: &Value) -> Result<(), Unknown> {
        all.push(data["type"].as_str().unwrap().as_bytes(), data)
    }

    fn delta(index: u64, delta: &Value) -> Value {
        json!({"type": "content_block_delta", "index": index, "delta": delta})
    }

    fn open(index: u64, block: &Value) -> Value {
        json!({"type": "content_block_start", "index": index, "content_block": block})
    }

    fn stop(index: u64) -> Value {
        json!({"type": "content_block_stop", "index": index})
    }

    fn start() -> Value {
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
            "content": [], "stop_reason": null, "stop_sequence": null, "new": 1,
            "usage": {"input_tokens": 9, "output_tokens": 1, "service_tier": "standard"}}})
    }

    fn end() -> Value {
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}})
    }

    #[test]
    fn what_is_not_said_again_stays() {
        let mut all = Assembly::new();
        let last = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
            "usage": {"input_tokens": null, "output_tokens": 30, "server_tool_use": null}});
        for event in [start(), last, json!({"type": "message_stop"})] {
            push(&mut all, &event).unwrap();
        }
        let usage = json!({"input_tokens": 9, "output_tokens": 30, "service_tier": "standard"});
        assert_eq!(all.whole().unwrap()["usage"], usage);
    }

    #[test]
    fn a_tool_s_input_stays_as_it_was_written() {
        let written = r#"{"z": 12345678901234567890123, "a": 0.10, "b":1e2, "c": 0.1234567890123456789}"#;
        let mut all = Assembly::new();
        push(&mut all, &start()).unwrap();
        push(&mut all, &open(0, &json!({"type": "tool_use", "id": "t", "name": "n", "input": {}}))).unwrap();
        for piece in <[&str; 2]>::from(written.split_at(9)) {
            push(&mut all, &delta(0, &json!({"type": "input_json_delta", "partial_json": piece}))).unwrap();
        }
        assert_eq!(all.to_json(), None);
        for event in [stop(0), open(1, &json!({"type": "text", "text": "é\n"})), stop(1), end()] {
            push(&mut all, &event).unwrap();
        }
        push(&mut all, &json!({"type": "message_stop"})).unwrap();
        let json = String::from_utf8(all.to_json().unwrap()).unwrap();
        assert!(json.contains(&format!("\"input\":{written}")), "{json}");
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), all.whole().unwrap());
    }

    #[test]
    fn what_comes_anew_beside_what_is_known_spoils_nothing_where_it_is_seen() {
        let mut all = Assembly::tolerant();
        let mut events = [
            start(),
            open(0, &json!({"type": "text", "text": ""})),
            delta(0, &json!({"type": "text_delta", "text": "x", "new": 1})),
            stop(0),
            open(1, &json!({"type": "tool_use", "id": "t", "name": "n", "input": {}})),
            delta(1, &json!({"type": "input_json_delta", "partial_json": "{\"a\": \"cut of"})),
            stop(1),
            json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {}}),
            json!({"type": "message_stop"}),
        ];
        for event in &mut events {
            event["brand_new"] = json!({"x": 1});
            push(&mut all, event).unwrap();
        }
        let whole = all.whole().unwrap();
        assert_eq!((&whole["content"][0]["text"], &whole["brand_new"]["x"]), (&json!("x"), &json!(1)));
        assert_eq!(whole["content"][1]["input"], "{\"a\": \"cut of");
        let mut other = Assembly::tolerant();
        push(&mut other, &start()).unwrap();
        push(&mut other, &open(0, &json!({"type": "text", "text": ""}))).unwrap();
        assert_eq!(push(&mut other, &delta(0, &json!({"type": "new_delta", "text": "x"}))), Err(Unknown));
    }

    #[test]
    fn a_message_of_every_kind_of_block() {
        let events = [
            start(),
            json!({"type": "ping"}),
            open(0, &json!({"type": "thinking", "thinking": "", "signature": ""})),
            delta(0, &json!({"type": "thinking_delta", "thinking": "Let "})),
            delta(0, &json!({"type": "thinking_delta", "thinking": "me"})),
            delta(0, &json!({"type": "signature_delta", "signature": "c2ln"})),
            stop(0),
            open(1, &json!({"type": "text", "text": "", "extra": true})),
            delta(1, &json!({"type": "text_delta", "text": "Hél"})),
            delta(1, &json!({"type": "text_delta", "text": "lo"})),
            delta(1, &json!({"type": "citations_delta", "citation": {"type": "char_location"}})),
            stop(1),
            open(2, &json!({"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}})),
            delta(2, &json!({"type": "input_json_delta", "partial_json": ""})),
            delta(2, &json!({"type": "input_json_delta", "partial_json": "{\"where\": [1, "})),
            delta(2, &json!({"type": "input_json_delta", "partial_json": "2.5]}"})),
            stop(2),
            open(3, &json!({"type": "tool_use", "id": "toolu_2", "name": "none", "input": {}})),
            stop(3),
            open(
                4,
                &json!({"type": "web_search_tool_result", "tool_use_id": "x", "content": [{"type": "y"}]}),
            ),
            stop(4),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
                "usage": {"output_tokens": 30}}),
            json!({"type": "message_stop"}),
        ];
        let mut all = Assembly::new();
        for event in &events {
            assert_eq!(all.whole(), None);
            push(&mut all, event).unwrap();
        }
        let expected = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "new": 1,
            "content": [
                {"type": "thinking", "thinking": "Let me", "signature": "c2ln"},
                {"type": "text", "text": "Héllo", "extra": true, "citations": [{"type": "char_location"}]},
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"where": [1, 2.5]}},
                {"type": "tool_use", "id": "toolu_2", "name": "none", "input": {}},
                {"type": "web_search_tool_result", "tool_use_id": "x", "content": [{"type": "y"}]},
            ],
            "stop_reason": "tool_use", "stop_sequence": null,
            "usage": {"input_tokens": 9, "output_tokens": 30, "service_tier": "standard"}});
        assert_eq!(all.whole(), Some(expected));
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let text = open(0, &json!({"type": "text", "text": ""}));
        for (before, bad) in [
            (vec![], json!({"type": "message_stop"})),
            (vec![], text.clone()),
            (vec![start()], start()),
            (vec![start()], json!({"type": "brand_new"})),
            (vec![start()], open(1, &json!({"type": "text"}))),
            (vec![start(), text.clone()], delta(0, &json!({"type": "new_delta", "text": "x"}))),
            (vec![start(), text.clone()], delta(0, &json!({"type": "text_delta", "text": "x", "new": 1}))),
            (vec![start(), text.clone()], delta(0, &json!({"type": "text_delta", "text": 7}))),
            (vec![start(), text.clone()], delta(1, &json!({"type": "text_delta", "text": "x"}))),
            (vec![start(), text.clone(), stop(0)], delta(0, &json!({"type": "text_delta", "text": "x"}))),
            (
                vec![
                    start(),
                    text.clone(),
                    delta(0, &json!({"type": "input_json_delta", "partial_json": "{"})),
                ],
                stop(0),
            ),
            (vec![start()], json!({"type": "message_delta", "delta": {}, "new": 1})),
            (vec![start()], json!({"type": "message_delta", "usage": {}})),
            (
                vec![],
                json!({"type": "message_start", "message": {"content": [{"type": "text", "text": "x"}]}}),
            ),
            (vec![start()], json!({"type": "message_stop"})),
            (vec![start(), text, end()], json!({"type": "message_stop"})),
        ] {
            let mut all = Assembly::new();
            before.iter().for_each(|e| push(&mut all, e).unwrap());
            assert_eq!(push(&mut all, &bad), Err(Unknown), "{bad}");
            assert_eq!(all.whole(), None);
        }
    }
}
