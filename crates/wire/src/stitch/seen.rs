//! What the events of an answer mean to who joins streams.

use serde::Deserialize;
use serde_json::Value;

use crate::message::Tokens;
use crate::sse::Event;

/// What an event means here.
pub(super) enum Seen {
    Start(Tokens),
    /// A block begins; no text where it is of another kind.
    Open(u64, Option<String>),
    Text(String),
    /// A step of a block that is no text.
    Part,
    Close,
    Delta(Value),
    Stop,
    Ping,
    Error,
    Other,
}

#[derive(Deserialize)]
struct Data {
    index: Option<u64>,
    content_block: Option<Block>,
    delta: Option<Block>,
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Block {
    r#type: Option<String>,
    text: Option<String>,
    citations: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Message {
    usage: Option<Tokens>,
}

pub(super) fn understand(event: &Event<'_>) -> Seen {
    match event.name {
        b"ping" => return Seen::Ping,
        b"error" => return Seen::Error,
        b"message_stop" => return Seen::Stop,
        b"content_block_stop" => return Seen::Close,
        b"message_delta" => {
            return serde_json::from_slice(event.data).map_or(Seen::Other, Seen::Delta);
        }
        _ => {}
    }
    let Ok(data) = serde_json::from_slice::<Data>(event.data) else { return Seen::Other };
    match event.name {
        b"message_start" => Seen::Start(data.message.and_then(|m| m.usage).unwrap_or_default()),
        b"content_block_start" => {
            let block = data.content_block.filter(|b| b.r#type.as_deref() == Some("text"));
            let plain = block.filter(|b| b.citations.as_ref().is_none_or(Vec::is_empty));
            Seen::Open(data.index.unwrap_or(0), plain.map(|b| b.text.unwrap_or_default()))
        }
        b"content_block_delta" => match data.delta {
            Some(Block { r#type: Some(kind), text: Some(text), .. }) if kind == "text_delta" => {
                Seen::Text(text)
            }
            Some(_) | None => Seen::Part,
        },
        _ => Seen::Other,
    }
}
