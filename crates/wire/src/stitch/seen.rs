//! What the events of an answer mean to who joins streams.

use serde::Deserialize;
use serde_json::Value;

use crate::message::Tokens;
use crate::sse::Event;

/// What an event means here.
pub(super) enum Seen {
    /// The message begins: what it says that it cost, and who answers.
    Start(Tokens, Option<String>),
    /// A block begins; no text where it is of another kind.
    Open(u64, Option<String>),
    /// More text of a block.
    Text(u64, String),
    /// A step of a block that is no text.
    Part,
    Close,
    Delta(Value),
    Stop,
    Ping,
    Error,
    /// An event that is known, with data that cannot be read.
    Odd,
    /// A name that is not known. Such events may come at any time, and text is in none of them.
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
    model: Option<String>,
}

pub(super) fn understand(event: &Event<'_>) -> Seen {
    match event.name {
        b"ping" => return Seen::Ping,
        b"error" => return Seen::Error,
        b"message_stop" => return Seen::Stop,
        b"content_block_stop" => return Seen::Close,
        b"message_delta" => {
            return serde_json::from_slice(event.data).map_or(Seen::Odd, Seen::Delta);
        }
        b"message_start" | b"content_block_start" | b"content_block_delta" => {}
        _ => return Seen::Other,
    }
    let Ok(data) = serde_json::from_slice::<Data>(event.data) else { return Seen::Odd };
    match (event.name, data.index) {
        (b"message_start", _) => {
            let Some(message) = data.message else { return Seen::Odd };
            Seen::Start(message.usage.unwrap_or_default(), message.model)
        }
        (b"content_block_start", Some(index)) => {
            let block = data.content_block.filter(|b| b.r#type.as_deref() == Some("text"));
            let plain = block.filter(|b| b.citations.as_ref().is_none_or(Vec::is_empty));
            Seen::Open(index, plain.map(|b| b.text.unwrap_or_default()))
        }
        (b"content_block_delta", Some(index)) => match data.delta {
            Some(Block { r#type: Some(kind), text: Some(text), .. }) if kind == "text_delta" => {
                Seen::Text(index, text)
            }
            Some(_) | None => Seen::Part,
        },
        _ => Seen::Odd,
    }
}
