//! Typed calls: an answer whole, or as it comes.

use std::collections::VecDeque;

use clearline_model::{CallId, Cause, Dur, Foreign, Sent, Stage};
use clearline_wire::{Assembly, Parser};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::body::ReplyBody;
use crate::builder::Client;
use crate::call::Reply;
use crate::error::CallError;
use crate::messages::{Ask, Block, Message};

/// What is known of a call whose answer is being read.
pub(crate) struct Told {
    call: CallId,
    pub(crate) attempts: u16,
    pub(crate) request_id: Option<Foreign>,
    retry_after: Option<Dur>,
    no_retry: bool,
}

impl Told {
    pub(crate) fn of(reply: &Reply) -> Self {
        let hint = clearline_wire::headers::hint(reply.status.as_u16(), &reply.headers);
        Self {
            call: reply.call,
            attempts: reply.attempts,
            request_id: clearline_wire::headers::request_id(&reply.headers),
            // Where the API says that nobody should try again, no wait makes it worth it.
            retry_after: if hint.should_retry == Some(false) { Some(Dur::MAX) } else { hint.after },
            no_retry: reply.no_retry,
        }
    }

    /// The message of an answer, or the error that it is.
    pub(crate) async fn message(&self, reply: Reply) -> Result<Message, CallError> {
        let bytes = whole(reply.body, self).await?;
        if let Some(cause) = reply.cause {
            return Err(self.failed(Stage::Head, cause, Foreign::from_bytes(&bytes)));
        }
        let message = serde_json::from_slice::<Value>(&bytes).ok().and_then(Message::from_json);
        message.ok_or_else(|| {
            self.failed(Stage::Body, Cause::GatewayMalformedResponse, Foreign::from_bytes(&bytes))
        })
    }

    fn failed(&self, stage: Stage, cause: Cause, detail: Foreign) -> CallError {
        CallError {
            call: self.call,
            stage,
            sent: Sent::Yes,
            attempts: self.attempts,
            request_id: self.request_id.clone(),
            retry_after: self.retry_after,
            no_retry: self.no_retry,
            ..CallError::before(cause, detail)
        }
    }
}

impl Client {
    /// Asks, and waits for the whole answer.
    ///
    /// # Errors
    /// As [`Client::call`], and every error answer of the API, by its cause.
    pub async fn create(&self, ask: &Ask) -> Result<Message, CallError> {
        let mut body = ask.to_json();
        if let Some(fields) = body.as_object_mut() {
            // The whole answer is what is waited for.
            drop(fields.remove("stream"));
        }
        let reply = self.post_json("/v1/messages", &body).await?;
        Told::of(&reply).message(reply).await
    }

    /// Asks, and gives the answer as it comes.
    ///
    /// ```no_run
    /// # async fn example(client: clearline::Client) -> Result<(), clearline::CallError> {
    /// use clearline::{Ask, Update};
    ///
    /// let mut stream = client.stream(&Ask::new("claude-sonnet-5-5", 256).user("Tell me about harbours.")).await?;
    /// while let Some(update) = stream.next().await? {
    ///     if let Update::Text(text) = update {
    ///         print!("{text}");
    ///     }
    /// }
    /// let message = stream.into_message().await?;
    /// println!("\n{} tokens", message.usage().output);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Client::create`], as long as nothing has come.
    pub async fn stream(&self, ask: &Ask) -> Result<MessageStream, CallError> {
        let ask = ask.clone().field("stream", json!(true));
        let reply = self.post_json("/v1/messages", &ask.to_json()).await?;
        let (told, cause) = (Told::of(&reply), reply.cause);
        if let Some(cause) = cause {
            let bytes = whole(reply.body, &told).await?;
            return Err(told.failed(Stage::Head, cause, Foreign::from_bytes(&bytes)));
        }
        Ok(MessageStream {
            body: reply.body,
            told,
            parser: Parser::new(),
            assembly: Assembly::tolerant(),
            ready: VecDeque::new(),
            error: Foreign::default(),
            left_out: None,
            over: None,
        })
    }
}

async fn whole(body: ReplyBody, told: &Told) -> Result<bytes::Bytes, CallError> {
    match body.collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(broken) => Err(told.failed(Stage::Body, broken.0, Foreign::default())),
    }
}

/// A step of an answer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Update {
    /// More text.
    Text(String),
    /// More of a thought.
    Thinking(String),
    /// More of the JSON that is the input of a tool. It can be read when the block is complete.
    ToolInput {
        /// The block.
        index: usize,
        /// The next characters.
        json: String,
    },
    /// A block is complete: a tool's input among its fields is put together.
    Block(Block),
    /// Any other event, also one that is not known here.
    Event {
        /// Its name.
        name: String,
        /// Its data.
        data: Value,
    },
}

/// An answer as it comes. Dropping it before its end means that the caller left.
pub struct MessageStream {
    body: ReplyBody,
    told: Told,
    parser: Parser,
    assembly: Assembly,
    ready: VecDeque<Update>,
    /// The words of an `error` event; the end of the body says what they meant.
    error: Foreign,
    /// The first step that is no part of the message, since it is not known here.
    left_out: Option<String>,
    /// How it ended.
    over: Option<Result<(), CallError>>,
}

impl std::fmt::Debug for MessageStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageStream").field("over", &self.over.is_some()).finish_non_exhaustive()
    }
}

impl MessageStream {
    /// The next step; `None` when the answer is complete.
    ///
    /// # Errors
    /// The answer broke: what came before is not the whole.
    pub async fn next(&mut self) -> Result<Option<Update>, CallError> {
        loop {
            if let Some(update) = self.ready.pop_front() {
                return Ok(Some(update));
            }
            if let Some(end) = &self.over {
                return end.clone().map(|()| None);
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.take(&bytes);
                    }
                }
                Some(Err(broken)) => drop(self.broke(broken.0)),
                None if self.assembly.whole().is_some() => self.over = Some(Ok(())),
                None => drop(self.broke(Cause::StreamEndedEarly)),
            }
        }
    }

    /// Reads what is left, and gives the whole answer.
    ///
    /// # Errors
    /// As [`MessageStream::next`]. And where the answer has steps of a kind that is not known here: a message without them would
    /// look whole. [`MessageStream::next`] shows them, and [`MessageStream::so_far`] has the rest.
    pub async fn into_message(mut self) -> Result<Message, CallError> {
        while self.next().await?.is_some() {}
        if let Some(step) = &self.left_out {
            let why = format!(
                "the answer holds a step that is not known here and is no part of the message: {step}"
            );
            return Err(self.told.failed(Stage::Stream, Cause::ClientDependencyMismatch, Foreign::new(&why)));
        }
        let whole = self.assembly.whole().and_then(Message::from_json);
        whole.ok_or_else(|| self.broke(Cause::StreamCorrupt))
    }

    /// The answer as far as it came.
    #[must_use]
    pub fn so_far(&self) -> Option<Message> {
        self.assembly.so_far().and_then(Message::from_json)
    }

    fn broke(&mut self, cause: Cause) -> CallError {
        let error = self.told.failed(Stage::Stream, cause, std::mem::take(&mut self.error));
        self.over = Some(Err(error.clone()));
        error
    }

    fn take(&mut self, bytes: &[u8]) {
        let (assembly, ready, error) = (&mut self.assembly, &mut self.ready, &mut self.error);
        let left_out = &mut self.left_out;
        let read = self.parser.push(bytes, |event| {
            if event.name == b"error" {
                *error = clearline_wire::parse_error_event(event.data).message;
                return;
            }
            let data = serde_json::from_slice(event.data).unwrap_or_default();
            // New events may come at any time: they are shown, and change nothing of the message. A new step of a block would.
            let is_part = event.name.starts_with(b"content_block_") || event.name.starts_with(b"message_");
            if assembly.push(event.name, &data).is_err() && is_part {
                left_out.get_or_insert_with(|| step(event.name, &data));
            }
            ready.push_back(update(event.name, data, assembly));
        });
        if read.is_err() {
            drop(self.broke(Cause::StreamCorrupt));
        }
    }
}

/// What a step is called.
fn step(name: &[u8], data: &Value) -> String {
    let kind = data.get("delta").and_then(|d| d.get("type")).and_then(Value::as_str);
    kind.map_or_else(|| String::from_utf8_lossy(name).into_owned(), str::to_owned)
}

fn update(name: &[u8], data: Value, assembly: &Assembly) -> Update {
    let index = data.get("index").and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
    let delta = |field: &str| data.get("delta").and_then(|d| d.get(field)).and_then(Value::as_str);
    let kind = delta("type").unwrap_or_default();
    let step = match (name, kind) {
        (b"content_block_delta", "text_delta") => delta("text").map(|t| Update::Text(t.to_owned())),
        (b"content_block_delta", "thinking_delta") => {
            delta("thinking").map(|t| Update::Thinking(t.to_owned()))
        }
        (b"content_block_delta", "input_json_delta") => index
            .zip(delta("partial_json"))
            .map(|(index, json)| Update::ToolInput { index, json: json.to_owned() }),
        (b"content_block_stop", _) => {
            index.and_then(|at| assembly.block_so_far(at)).map(|b| Update::Block(b.clone().into()))
        }
        _ => None,
    };
    step.unwrap_or_else(|| Update::Event { name: String::from_utf8_lossy(name).into_owned(), data })
}
