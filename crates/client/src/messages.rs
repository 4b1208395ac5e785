//! Messages with types: what is asked, what is answered, with tools. Everything is kept as it came: a field or a kind of block
//! that is not known here is still there when a message is sent back.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What a model is asked.
///
/// ```
/// use clearline::{Ask, Tool};
/// use serde_json::json;
///
/// let ask = Ask::new("claude-sonnet-5-5", 1_024)
///     .system("Answer briefly.")
///     .tool(Tool::new("weather", "The weather of a place", json!({"type": "object"})))
///     .user("Is it raining in Kiel?")
///     .field("temperature", json!(0.2));
/// assert_eq!(ask.to_json()["messages"][0]["role"], "user");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    fields: Map<String, Value>,
    tools: Vec<Value>,
    turns: Vec<Value>,
}

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool(Value);

impl Tool {
    /// A tool whose input follows this JSON schema.
    #[must_use]
    pub fn new(name: &str, description: &str, input_schema: Value) -> Self {
        let mut fields = Map::new();
        fields.insert("name".to_owned(), json!(name));
        fields.insert("description".to_owned(), json!(description));
        fields.insert("input_schema".to_owned(), input_schema);
        Self(Value::Object(fields))
    }

    /// A tool as the API writes it: one that runs at the API's own side, for example.
    #[must_use]
    pub const fn raw(tool: Value) -> Self {
        Self(tool)
    }
}

impl Ask {
    /// An empty conversation with a model.
    #[must_use]
    pub fn new(model: &str, max_tokens: u32) -> Self {
        let mut fields = Map::new();
        fields.insert("model".to_owned(), json!(model));
        fields.insert("max_tokens".to_owned(), json!(max_tokens));
        Self { fields, tools: Vec::new(), turns: Vec::new() }
    }

    /// What holds for the whole conversation.
    #[must_use]
    pub fn system(self, text: &str) -> Self {
        self.field("system", json!(text))
    }

    /// A tool more.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool.0);
        self
    }

    /// Any other field of the request.
    #[must_use]
    pub fn field(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// A turn of the user.
    #[must_use]
    pub fn user(mut self, text: &str) -> Self {
        self.turns.push(json!({"role": "user", "content": text}));
        self
    }

    /// A turn of the user of several blocks: images, documents, results of tools.
    #[must_use]
    pub fn user_blocks(mut self, blocks: &[Block]) -> Self {
        self.turns.push(json!({"role": "user", "content": blocks}));
        self
    }

    /// The answer that was given, so that the conversation goes on from it.
    #[must_use]
    pub fn answer(mut self, message: &Message) -> Self {
        let content = message.0.get("content").cloned().unwrap_or_else(|| json!([]));
        self.turns.push(json!({"role": "assistant", "content": content}));
        self
    }

    /// As it is sent.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut all = self.fields.clone();
        if !self.tools.is_empty() {
            append(&mut all, "tools", &self.tools);
        }
        append(&mut all, "messages", &self.turns);
        Value::Object(all)
    }
}

/// Puts more behind a list that was given as a field. What was given as something else stays, where there is nothing more.
fn append(fields: &mut Map<String, Value>, name: &str, more: &[Value]) {
    match fields.get_mut(name) {
        Some(Value::Array(list)) => list.extend_from_slice(more),
        Some(_) if more.is_empty() => {}
        Some(_) | None => drop(fields.insert(name.to_owned(), Value::Array(more.to_vec()))),
    }
}

/// A block of content, whatever its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Block(Map<String, Value>);

/// What a block is, where that is known.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Kind<'a> {
    /// Text.
    Text(&'a str),
    /// A thought.
    Thinking(&'a str),
    /// The model calls a tool.
    ToolUse(ToolUse<'a>),
    /// Another kind, by its name.
    Other(&'a str),
}

/// A tool that the model calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ToolUse<'a> {
    /// Under which id the result is expected.
    pub id: &'a str,
    /// Which tool.
    pub name: &'a str,
    /// With what.
    pub input: &'a Value,
}

impl ToolUse<'_> {
    /// The result, as a block of the next turn.
    #[must_use]
    pub fn result(&self, content: &str) -> Block {
        self.block(content, false)
    }

    /// That it failed, and why, in words for the model.
    #[must_use]
    pub fn error(&self, why: &str) -> Block {
        self.block(why, true)
    }

    fn block(&self, content: &str, is_error: bool) -> Block {
        let mut fields = Map::new();
        for (name, value) in
            [("type", json!("tool_result")), ("tool_use_id", json!(self.id)), ("content", json!(content))]
        {
            fields.insert(name.to_owned(), value);
        }
        if is_error {
            fields.insert("is_error".to_owned(), json!(true));
        }
        Block(fields)
    }
}

impl From<Map<String, Value>> for Block {
    fn from(fields: Map<String, Value>) -> Self {
        Self(fields)
    }
}

impl Block {
    /// A block of text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self(Map::from_iter([("type".to_owned(), json!("text")), ("text".to_owned(), json!(text))]))
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind<'_> {
        let text = |name: &str| self.0.get(name).and_then(Value::as_str).unwrap_or_default();
        match text("type") {
            "text" => Kind::Text(text("text")),
            "thinking" => Kind::Thinking(text("thinking")),
            "tool_use" => Kind::ToolUse(ToolUse {
                id: text("id"),
                name: text("name"),
                input: self.0.get("input").unwrap_or(&Value::Null),
            }),
            other => Kind::Other(other),
        }
    }

    /// All its fields.
    #[must_use]
    pub const fn fields(&self) -> &Map<String, Value> {
        &self.0
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Message(Value, Vec<Block>);

impl Message {
    /// A message as the API sends it; `None` for anything else.
    #[must_use]
    pub fn from_json(message: Value) -> Option<Self> {
        if message.get("type").and_then(Value::as_str) != Some("message") {
            return None;
        }
        let content = message.get("content").and_then(Value::as_array)?;
        let blocks = content.iter().map(|b| b.as_object().cloned().map(Block)).collect::<Option<_>>()?;
        Some(Self(message, blocks))
    }

    /// All of it, as it came.
    #[must_use]
    pub const fn json(&self) -> &Value {
        &self.0
    }

    /// Its blocks, in order.
    #[must_use]
    pub fn content(&self) -> &[Block] {
        &self.1
    }

    /// The text of all its blocks of text.
    #[must_use]
    pub fn text(&self) -> String {
        let text = |b: &Block| if let Kind::Text(text) = b.kind() { text.to_owned() } else { String::new() };
        self.1.iter().map(text).collect()
    }

    /// The tools that it calls.
    pub fn tool_uses(&self) -> impl Iterator<Item = ToolUse<'_>> {
        self.1.iter().filter_map(|b| if let Kind::ToolUse(tool) = b.kind() { Some(tool) } else { None })
    }

    /// Why it ended.
    #[must_use]
    pub fn stop_reason(&self) -> Option<&str> {
        self.0.get("stop_reason").and_then(Value::as_str)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.get("id").and_then(Value::as_str).unwrap_or_default()
    }

    /// Which model answered.
    #[must_use]
    pub fn model(&self) -> &str {
        self.0.get("model").and_then(Value::as_str).unwrap_or_default()
    }

    /// What it cost, tokens.
    #[must_use]
    pub fn usage(&self) -> clearline_model::Usage {
        let number =
            |name: &str| self.0.get("usage").and_then(|u| u.get(name)).and_then(Value::as_u64).unwrap_or(0);
        clearline_model::Usage {
            input: number("input_tokens"),
            output: number("output_tokens"),
            cache_write: number("cache_creation_input_tokens"),
            cache_read: number("cache_read_input_tokens"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_as_a_field_is_not_forgotten() {
        let turns = json!([{"role": "user", "content": "a"}]);
        let ask = Ask::new("m", 9).field("messages", turns.clone()).field("tools", json!([{"name": "n"}]));
        assert_eq!((&ask.to_json()["messages"], &ask.to_json()["tools"]), (&turns, &json!([{"name": "n"}])));
        let more = ask.tool(Tool::new("o", "", json!({}))).user("b").to_json();
        let names: Vec<_> = more["tools"].as_array().unwrap().iter().map(|t| t["name"].clone()).collect();
        assert_eq!(
            (more["messages"][1]["content"].clone(), names),
            (json!("b"), vec![json!("n"), json!("o")])
        );
        assert_eq!(Ask::new("m", 9).to_json()["messages"], json!([]));
    }

    #[test]
    fn what_is_not_known_is_sent_back_as_it_came() {
        let content = json!([
            {"type": "text", "text": "Look: ", "citations": [{"x": 1}]},
            {"type": "brand_new", "deep": {"a": [null]}},
            {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"q": "x"}, "caller": {"type": "direct"}},
            {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        ]);
        let raw = json!({"type": "message", "id": "msg_1", "model": "m", "content": content, "stop_reason": "tool_use",
            "usage": {"input_tokens": 3, "output_tokens": 4}, "new": 7});
        let message = Message::from_json(raw.clone()).unwrap();
        assert_eq!(message.json(), &raw);
        assert_eq!((message.text().as_str(), message.usage().output), ("Look: ", 4));
        let tool = message.tool_uses().next().unwrap();
        assert_eq!((tool.id, tool.name, &tool.input["q"]), ("toolu_1", "look", &json!("x")));
        assert_eq!(message.content()[1].kind(), Kind::Other("brand_new"));
        assert_eq!(message.content()[3].kind(), Kind::Thinking("hm"));
        let results = vec![tool.result("found"), tool.error("lost")];
        let next = Ask::new("m", 9).user("Go").answer(&message).user_blocks(&results).to_json();
        assert_eq!(next["messages"][1], json!({"role": "assistant", "content": content}));
        assert_eq!(
            next["messages"][2]["content"],
            json!([{"type": "tool_result", "tool_use_id": "toolu_1", "content": "found"},
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "lost", "is_error": true}])
        );
        for other in [json!({}), json!({"type": "error"}), json!({"type": "message", "content": "x"})] {
            assert_eq!(Message::from_json(other), None);
        }
    }
}
