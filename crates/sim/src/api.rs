//! The healthy API: what each endpoint answers, validation errors included.

use serde_json::{Value, json};

use crate::answer::{Answer, event};
use crate::chance;
use crate::conn::Request;
use crate::scenario::KeyState;
use crate::text;

/// The models that exist.
const MODELS: [&str; 7] = [
    "claude-opus-5-5",
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
    "claude-opus-4-6",
    "claude-sonnet-4-6",
    "claude-haiku-4-5",
    "claude-sonnet-4-5-20250929",
];
/// The versions that exist (facts: the API's table of versions).
const VERSIONS: [&str; 3] = ["2023-01-01", "2023-06-01", "2026-10-21"];

/// What is known before the endpoint is asked.
pub(crate) struct Context<'a> {
    pub(crate) seed: u64,
    /// The number of the request.
    pub(crate) number: u64,
    pub(crate) request_id: &'a str,
    /// The keys that exist; none: every one that looks like a key.
    pub(crate) known: &'a [String],
    /// How the request's key is.
    pub(crate) key: KeyState,
    pub(crate) chunks: u32,
}

impl Context<'_> {
    fn error(&self, status: u16, kind: &str, message: &str) -> Answer {
        Answer::error(status, kind, message, self.request_id)
    }

    fn invalid(&self, message: &str) -> Answer {
        self.error(400, "invalid_request_error", message)
    }
}

/// The answer to a request.
pub(crate) fn answer(request: &Request, context: &Context<'_>) -> Answer {
    let path = request.path();
    if path == "/api/hello" && matches!(request.method.as_str(), "GET" | "HEAD") {
        return Answer::json(200, &json!({"message": "hello"}));
    }
    let known = ["/v1/messages", "/v1/messages/count_tokens", "/v1/models", "/v1/messages/batches"];
    let is_model = path.strip_prefix("/v1/models/").is_some_and(|id| !id.is_empty());
    if !known.contains(&path) && !is_model {
        return context.error(404, "not_found_error", "Not Found");
    }
    let wanted = if path.starts_with("/v1/models") { "GET" } else { "POST" };
    if request.method != wanted {
        return context.error(405, "invalid_request_error", "Method Not Allowed");
    }
    if let Some(refusal) = credential(request, context).or_else(|| version(request, context)) {
        return refusal;
    }
    match path {
        "/v1/models" => models(request),
        "/v1/messages/batches" => Answer::json(200, &json!({"id": "msgbatch_1", "type": "message_batch"})),
        _ if is_model => model(path, context),
        _ => messages(request, context),
    }
}

fn credential(request: &Request, context: &Context<'_>) -> Option<Answer> {
    let refuse = |message: &str| Some(context.error(401, "authentication_error", message));
    let Some(key) = request.key() else { return refuse("x-api-key header is required") };
    let is_known =
        if context.known.is_empty() { key.len() >= 8 } else { context.known.iter().any(|k| k == key) };
    let is_bearer = request.header("x-api-key").is_none();
    match context.key {
        _ if !is_known && is_bearer => refuse("Invalid bearer token"),
        KeyState::Revoked if is_bearer => refuse("Invalid bearer token"),
        KeyState::Revoked => refuse("invalid x-api-key"),
        KeyState::Ok | KeyState::NoCredit | KeyState::Forbidden if !is_known => refuse("invalid x-api-key"),
        KeyState::NoCredit => Some(context.invalid(
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.",
        )),
        KeyState::Forbidden => Some(context.error(
            403,
            "permission_error",
            "Your API key does not have permission to use the specified resource.",
        )),
        KeyState::Ok => None,
    }
}

fn version(request: &Request, context: &Context<'_>) -> Option<Answer> {
    let all: Vec<&str> = request.headers("anthropic-version").collect();
    if all.is_empty() {
        return Some(context.invalid("anthropic-version: header is required"));
    }
    let given = all.join(", ");
    if VERSIONS.contains(&given.as_str()) {
        return None;
    }
    Some(context.invalid(&format!("anthropic-version: \"{given}\" is not a valid version")))
}

fn models(request: &Request) -> Answer {
    let limit = request.query("limit").and_then(|n| n.parse::<usize>().ok()).unwrap_or(20).clamp(1, 1000);
    let place = |id: &str| MODELS.iter().position(|m| *m == id);
    let (from, has_more) = if let Some(after) = request.query("after_id").and_then(place) {
        (after + 1, after + 1 + limit < MODELS.len())
    } else if let Some(before) = request.query("before_id").and_then(place) {
        (before.saturating_sub(limit), before > limit)
    } else {
        (0, limit < MODELS.len())
    };
    let until = request.query("before_id").and_then(place).unwrap_or(MODELS.len());
    let some = MODELS.iter().take(until).skip(from).take(limit);
    let shown: Vec<Value> = some.map(|id| describe(id)).collect();
    let id = |v: Option<&Value>| v.and_then(|v| v.get("id")).cloned().unwrap_or_default();
    let (first, last) = (id(shown.first()), id(shown.last()));
    let page = json!({"data": shown, "has_more": has_more, "first_id": first, "last_id": last});
    Answer::json(200, &page)
}

fn describe(id: &str) -> Value {
    json!({"type": "model", "id": id, "display_name": id, "created_at": "2025-09-29T00:00:00Z"})
}

fn model(path: &str, context: &Context<'_>) -> Answer {
    let id = path.strip_prefix("/v1/models/").unwrap_or_default();
    if MODELS.contains(&id) {
        Answer::json(200, &describe(id))
    } else {
        context.error(404, "not_found_error", &format!("model: {id}"))
    }
}

fn messages(request: &Request, context: &Context<'_>) -> Answer {
    let counts = request.path() == "/v1/messages/count_tokens";
    let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
        return context.invalid("The request body is not valid JSON: expected value at line 1 column 1");
    };
    if let Err(refusal) = validate(&body, counts, request, context) {
        return *refusal;
    }
    let input = input_tokens(&body);
    if counts {
        return Answer::json(200, &json!({"input_tokens": input}));
    }
    let message = Message {
        id: chance::id("msg_", context.seed, context.number),
        model: body.get("model").cloned().unwrap_or_default(),
        text: text::said(&body),
        input,
        limit: body.get("max_tokens").and_then(Value::as_u64).unwrap_or(0),
    };
    if body.get("stream") == Some(&Value::Bool(true)) {
        Answer::events(message.events(context.chunks))
    } else {
        Answer::json(200, &message.json())
    }
}

fn validate(body: &Value, counts: bool, request: &Request, context: &Context<'_>) -> Result<(), Box<Answer>> {
    let invalid = |message: &str| Err(Box::new(context.invalid(message)));
    let Some(object) = body.as_object() else { return invalid("Input should be a valid dictionary") };
    let required: &[&str] =
        if counts { &["model", "messages"] } else { &["model", "max_tokens", "messages"] };
    if let Some(missing) = required.iter().find(|name| !object.contains_key(**name)) {
        return invalid(&format!("{missing}: Field required"));
    }
    let Some(model) = object.get("model").and_then(Value::as_str) else {
        return invalid("model: Input should be a valid string");
    };
    if !counts && object.get("max_tokens").and_then(Value::as_u64).is_none() {
        return invalid("max_tokens: Input should be a valid integer");
    }
    let Some(messages) = object.get("messages").and_then(Value::as_array) else {
        return invalid("messages: Input should be a valid list");
    };
    if messages.is_empty() {
        return invalid("messages: at least one message is required");
    }
    for (i, message) in messages.iter().enumerate() {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        if !matches!(role, "user" | "assistant") {
            return invalid(&format!("messages.{i}.role: Input should be 'user' or 'assistant'"));
        }
        if message.get("content").is_none() {
            return invalid(&format!("messages.{i}.content: Field required"));
        }
    }
    if object.get("stream").is_some_and(|stream| !stream.is_boolean()) {
        return invalid("stream: Input should be a valid boolean");
    }
    if request.header("anthropic-version") == Some("2026-10-21")
        && let Some(problem) = no_longer_taken(body)
    {
        return invalid(&problem);
    }
    if !counts && let Some(problem) = beginning(messages, model) {
        return invalid(problem);
    }
    let max = object.get("max_tokens").and_then(Value::as_u64).unwrap_or(0);
    if max > 64_000 {
        let text = format!(
            "max_tokens: {max} > 64000, which is the maximum allowed number of output tokens for {model}"
        );
        return invalid(&text);
    }
    if !MODELS.contains(&model) {
        return Err(Box::new(context.error(404, "not_found_error", &format!("model: {model}"))));
    }
    let tokens = input_tokens(body);
    if tokens > 200_000 {
        return invalid(&format!("prompt is too long: {tokens} tokens > 200000 maximum"));
    }
    Ok(())
}

/// What is wrong with the beginning of an answer as the last message (facts, 1.1): models from 4.6 on take none.
fn beginning(messages: &[Value], model: &str) -> Option<&'static str> {
    let last = messages.last().filter(|m| m.get("role").and_then(Value::as_str) == Some("assistant"))?;
    if !model.contains("-4-5") {
        return Some(
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        );
    }
    let text = last.get("content").and_then(Value::as_str).unwrap_or_default();
    text.ends_with(char::is_whitespace)
        .then_some("messages: final assistant content cannot end with trailing whitespace")
}

/// What the version of October 2026 no longer takes (facts, 1.1).
fn no_longer_taken(body: &Value) -> Option<String> {
    if let Some(name) = ["temperature", "top_p", "top_k"].iter().find(|name| body.get(**name).is_some()) {
        return Some(format!("{name}: Extra inputs are not permitted"));
    }
    let messages = body.get("messages").and_then(Value::as_array)?;
    for (i, message) in messages.iter().enumerate() {
        let is_assistant = message.get("role").and_then(Value::as_str) == Some("assistant");
        let blocks = message.get("content").and_then(Value::as_array);
        for (j, block) in blocks.into_iter().flatten().enumerate() {
            let is_document = block.get("type").and_then(Value::as_str) == Some("document");
            if is_assistant && is_document {
                return Some(format!(
                    "messages.{i}.content.{j}: document blocks are not permitted in assistant messages"
                ));
            }
            let cites = block.get("citations").and_then(Value::as_array).is_some_and(|c| !c.is_empty());
            if !is_assistant && cites {
                return Some(format!(
                    "messages.{i}.content.{j}.text.citations: Extra inputs are not permitted"
                ));
            }
        }
    }
    None
}

/// About a token for four characters.
pub(crate) fn input_tokens(body: &Value) -> u64 {
    let parts = body.get("messages").map(|m| m.to_string().len()).unwrap_or(0);
    u64::try_from(parts / 4).unwrap_or(u64::MAX).max(1)
}

struct Message {
    id: String,
    model: Value,
    text: String,
    input: u64,
    limit: u64,
}

impl Message {
    fn output(&self) -> u64 {
        text::tokens(&self.text)
    }

    fn stop_reason(&self) -> &'static str {
        if self.output() >= self.limit && self.limit < 16 { "max_tokens" } else { "end_turn" }
    }

    fn usage(&self, output: u64) -> Value {
        json!({
            "input_tokens": self.input, "output_tokens": output, "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0, "service_tier": "standard",
        })
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id, "type": "message", "role": "assistant", "model": self.model,
            "content": [{"type": "text", "text": self.text}],
            "stop_reason": self.stop_reason(), "stop_sequence": null, "usage": self.usage(self.output()),
        })
    }

    /// The events of a stream, the text in this many deltas.
    fn events(&self, chunks: u32) -> Vec<String> {
        let start = json!({"type": "message_start", "message": {
            "id": self.id, "type": "message", "role": "assistant", "model": self.model, "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": self.usage(1),
        }});
        let block =
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
        let mut events = vec![
            event("message_start", &start),
            event("content_block_start", &block),
            event("ping", &json!({"type": "ping"})),
        ];
        let all: Vec<&str> = if self.text.is_empty() { Vec::new() } else { self.text.split(' ').collect() };
        let each = all.len().div_ceil(usize::try_from(chunks).unwrap_or(1)).max(1);
        for (i, words) in all.chunks(each).enumerate() {
            let lead = if i == 0 { "" } else { " " };
            let text = format!("{lead}{}", words.join(" "));
            let delta = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}});
            events.push(event("content_block_delta", &delta));
        }
        let delta = json!({
            "type": "message_delta", "delta": {"stop_reason": self.stop_reason(), "stop_sequence": null},
            "usage": {"output_tokens": self.output()},
        });
        events.push(event("content_block_stop", &json!({"type": "content_block_stop", "index": 0})));
        events.push(event("message_delta", &delta));
        events.push(event("message_stop", &json!({"type": "message_stop"})));
        events
    }
}
