//! Watches a stream of the API go by: how far it came, what it cost, how it ended.

use clearline_model::{ErrorKind, Foreign, StreamEnd, Usage};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{ApiError, parse_error_event, tells_error};
use crate::message::Tokens;
use crate::sse::{Event, MAX_EVENT, Parser};

/// What went by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// `message_start`.
    Start,
    /// An event of a content block: `content_block_start`, `content_block_delta` or `content_block_stop`.
    Content,
    /// `ping`.
    Ping,
    /// `error`, wherever it came.
    Error(ApiError),
    /// An error without an event's name, as some relays send it. Clients pass over it.
    Nameless(ApiError),
    /// `message_delta`: the stop reason and the usage so far.
    Delta,
    /// `message_stop`: the stream is complete.
    Stop,
    /// An event out of order, too long, or whose data cannot be read.
    Corrupt,
}

/// Follows a stream of the API. It only looks: the bytes are the caller's to pass on.
#[derive(Debug)]
pub struct Watch {
    parser: Parser,
    state: State,
}

#[expect(clippy::struct_excessive_bools, reason = "what went by, each on its own")]
#[derive(Debug, Default)]
struct State {
    tokens: Tokens,
    id: Option<Foreign>,
    model: Option<Foreign>,
    stop_reason: Option<Foreign>,
    error: Option<ErrorKind>,
    text_chars: u64,
    any: bool,
    started: bool,
    complete: bool,
    /// Content blocks that have begun and not ended.
    open: u32,
    /// A tool's input or a thought has begun.
    tool_or_thinking: bool,
}

/// The data of an event of a content block, as far as it matters. Reading it proves that it is JSON.
#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow)]
    content_block: Option<BlockKind<'a>>,
}

#[derive(Deserialize)]
struct BlockKind<'a> {
    #[serde(borrow)]
    r#type: Option<std::borrow::Cow<'a, str>>,
}

/// The data of `message_start` and `message_delta`, as far as it matters.
#[derive(Deserialize)]
struct Data {
    message: Option<Message>,
    delta: Option<Delta>,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Message {
    id: Option<String>,
    model: Option<String>,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Delta {
    stop_reason: Option<String>,
}

impl Default for Watch {
    fn default() -> Self {
        Self::with_limit(MAX_EVENT)
    }
}

impl Watch {
    /// A watch at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A watch that takes events of at most `limit` bytes.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self { parser: Parser::with_limit(limit), state: State::default() }
    }

    /// Reads the next bytes and appends what went by to `marks`. An event over the limit is [`Mark::Corrupt`].
    pub fn push(&mut self, bytes: &[u8], marks: &mut Vec<Mark>) {
        let state = &mut self.state;
        if self.parser.push(bytes, |event| marks.extend(state.event(&event))).is_err() {
            marks.push(Mark::Corrupt);
        }
    }

    /// What the stream has said so far that it costs.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.state.tokens.usage()
    }

    /// The message's id.
    #[must_use]
    pub const fn id(&self) -> Option<&Foreign> {
        self.state.id.as_ref()
    }

    /// The model that answers.
    #[must_use]
    pub const fn model(&self) -> Option<&Foreign> {
        self.state.model.as_ref()
    }

    /// Why the model stopped, once it has.
    #[must_use]
    pub const fn stop_reason(&self) -> Option<&Foreign> {
        self.state.stop_reason.as_ref()
    }

    /// The event `message_stop` has arrived, in its place.
    #[must_use]
    pub const fn complete(&self) -> bool {
        self.state.complete
    }

    /// Any event at all has arrived.
    #[must_use]
    pub const fn saw_any(&self) -> bool {
        self.state.any
    }

    /// How much text has arrived: characters of the text deltas, about.
    #[must_use]
    pub const fn text_chars(&self) -> u64 {
        self.state.text_chars
    }

    /// A block that is no text has begun: a tool's input or a thought, which cannot be continued.
    #[must_use]
    pub const fn tool_or_thinking(&self) -> bool {
        self.state.tool_or_thinking
    }

    /// How many of the last bytes belong to an event whose end has not arrived.
    #[must_use]
    pub const fn open(&self) -> usize {
        self.parser.open()
    }

    /// How many comment lines there were.
    #[must_use]
    pub const fn comments(&self) -> u64 {
        self.parser.comments()
    }

    /// What the end of the body means here: nothing where the stream was complete, otherwise the `error` event that
    /// came, or [`StreamEnd::Early`] for a clean end and [`StreamEnd::Cut`] for another.
    #[must_use]
    pub const fn end(&self, clean: bool) -> Option<StreamEnd> {
        match (self.state.complete, self.state.error) {
            (true, _) => None,
            (false, Some(kind)) => Some(StreamEnd::Error(kind)),
            (false, None) if clean => Some(StreamEnd::Early),
            (false, None) => Some(StreamEnd::Cut),
        }
    }
}

impl State {
    fn event(&mut self, event: &Event<'_>) -> Option<Mark> {
        self.any = true;
        match event.name {
            b"ping" => Some(Mark::Ping),
            b"error" => Some(Mark::Error(self.failed(event.data))),
            // What a stream says without a name.
            b"message" if tells_error(event.data) => Some(Mark::Nameless(self.failed(event.data))),
            b"message_start" => Some(self.start(event.data)),
            b"content_block_start"
            | b"content_block_delta"
            | b"content_block_stop"
            | b"message_delta"
            | b"message_stop"
                if !self.started =>
            {
                Some(Mark::Corrupt)
            }
            b"content_block_start" | b"content_block_delta" | b"content_block_stop" => {
                Some(self.block(event))
            }
            b"message_delta" => Some(self.delta(event.data)),
            b"message_stop" => Some(self.stop(event.data)),
            // New names may appear at any time.
            _ => None,
        }
    }

    fn failed(&mut self, data: &[u8]) -> ApiError {
        let error = parse_error_event(data);
        self.error.get_or_insert(error.kind);
        error
    }

    fn block(&mut self, event: &Event<'_>) -> Mark {
        let Ok(block) = serde_json::from_slice::<Block<'_>>(event.data) else { return Mark::Corrupt };
        match event.name {
            b"content_block_start" => {
                self.open += 1;
                let kind = block.content_block.and_then(|b| b.r#type);
                self.tool_or_thinking |= kind.is_some_and(|kind| kind != "text");
            }
            b"content_block_stop" => self.open = self.open.saturating_sub(1),
            _ => self.text_chars += text_chars(event.data),
        }
        Mark::Content
    }

    fn start(&mut self, data: &[u8]) -> Mark {
        let message = serde_json::from_slice::<Data>(data).ok().and_then(|d| d.message);
        let (false, Some(message)) = (self.started, message) else { return Mark::Corrupt };
        self.started = true;
        self.id = message.id.as_deref().map(Foreign::new);
        self.model = message.model.as_deref().map(Foreign::new);
        self.tokens = message.usage.unwrap_or_default();
        Mark::Start
    }

    fn delta(&mut self, data: &[u8]) -> Mark {
        let Ok(data) = serde_json::from_slice::<Data>(data) else { return Mark::Corrupt };
        if let Some(reason) = data.delta.and_then(|d| d.stop_reason) {
            self.stop_reason = Some(Foreign::new(&reason));
        }
        if let Some(tokens) = data.usage {
            self.tokens.update(&tokens);
        }
        Mark::Delta
    }

    fn stop(&mut self, data: &[u8]) -> Mark {
        if self.open > 0 {
            return Mark::Corrupt;
        }
        match serde_json::from_slice::<Value>(data) {
            Ok(Value::Object(fields))
                if fields.get("type").is_none_or(|t| t.as_str() == Some("message_stop")) =>
            {
                self.complete = true;
                Mark::Stop
            }
            _ => Mark::Corrupt,
        }
    }
}

/// The characters of a text delta's `text`, found without parsing. Inside a string the key could only stand escaped.
fn text_chars(data: &[u8]) -> u64 {
    const KEY: &[u8] = b"\"text\"";
    let value = memchr::memmem::find(data, KEY).and_then(|at| data.get(at + KEY.len()..));
    let value = value.and_then(|v| v.trim_ascii_start().strip_prefix(b":"));
    let Some(value) = value.and_then(|v| v.trim_ascii_start().strip_prefix(b"\"")) else { return 0 };
    let (mut chars, mut bytes) = (0, value.iter());
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => {
                if bytes.next() == Some(&b'u') {
                    bytes.nth(3);
                }
                chars += 1;
            }
            // A byte that continues a character.
            0x80..=0xBF => {}
            _ => chars += 1,
        }
    }
    chars
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\
        \"type\":\"message\",\"model\":\"claude-x\",\"content\":[],\"usage\":{\"input_tokens\":25,\
        \"cache_read_input_tokens\":3,\"output_tokens\":1,\"service_tier\":\"standard\"}}}\n\n";
    const BLOCK: &str = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\
        \"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
    const TEXT: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
        \"delta\":{\"type\":\"text_delta\",\"text\":\"aé\\n\\u00e9\\\"\"}}\n\n";
    const END: &str = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n";
    const DELTA: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":\
        {\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":15}}\n\n";
    const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    const PING: &str = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
    const ERROR: &str = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\
        \"message\":\"Overloaded\"}}\n\n";

    fn watch(parts: &[&str]) -> (Watch, String) {
        let (mut watch, mut marks) = (Watch::new(), Vec::new());
        watch.push(parts.concat().as_bytes(), &mut marks);
        let word = |m: &Mark| match m {
            Mark::Start => 's',
            Mark::Content => 'c',
            Mark::Ping => 'p',
            Mark::Error(_) => 'e',
            Mark::Nameless(_) => 'n',
            Mark::Delta => 'd',
            Mark::Stop => '.',
            Mark::Corrupt => '!',
        };
        let marks = marks.iter().map(word).collect();
        (watch, marks)
    }

    #[test]
    fn a_whole_stream() {
        let (watch, marks) = watch(&[START, PING, BLOCK, TEXT, END, DELTA, STOP]);
        assert_eq!(marks, "spcccd.");
        assert_eq!(watch.usage(), Usage { input: 25, output: 15, cache_write: 0, cache_read: 3 });
        assert_eq!(watch.id().unwrap().raw(), "msg_1");
        assert_eq!(watch.model().unwrap().raw(), "claude-x");
        assert_eq!(watch.stop_reason().unwrap().raw(), "end_turn");
        assert_eq!(watch.text_chars(), 5);
        assert!(watch.complete() && watch.saw_any());
        assert_eq!((watch.end(true), watch.end(false)), (None, None));
    }

    #[test]
    fn orders_and_ends() {
        let unknown = "event: brand_new\ndata: x\n\n";
        let inside =
            "event: content_block_delta\ndata: {\"delta\":{\"text\":\"event: message_stop\\ndata: {}\"}}\n\n";
        let wrong = "event: message_stop\ndata: {\"type\":\"message_delta\"}\n\n";
        let torn = "event: message_delta\ndata: {\"usage\"\n\n";
        let half = "event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"text\":\"a\n\n";
        let overloaded = Some(StreamEnd::Error(ErrorKind::Overloaded));
        let nameless = ERROR.trim_start_matches("event: error\n");
        let other = "data: {\"id\":\"x\",\"error\":null}\n\n";
        for (parts, marks, end) in [
            (vec![], "", Some(StreamEnd::Early)),
            (vec![START, BLOCK], "sc", Some(StreamEnd::Early)),
            (vec![BLOCK, START], "!s", Some(StreamEnd::Early)),
            (vec![STOP], "!", Some(StreamEnd::Early)),
            (vec![PING, ERROR], "pe", overloaded),
            (vec![START, BLOCK, ERROR], "sce", overloaded),
            (vec![START, other, nameless], "sn", overloaded),
            (vec![START, START], "s!", Some(StreamEnd::Early)),
            (vec![unknown, START, unknown, STOP], "s.", None),
            (vec![START, inside], "sc", Some(StreamEnd::Early)),
            (vec![START, wrong], "s!", Some(StreamEnd::Early)),
            (vec![START, torn], "s!", Some(StreamEnd::Early)),
            (vec![START, BLOCK, TEXT, STOP], "scc!", Some(StreamEnd::Early)),
            (vec![START, BLOCK, half], "sc!", Some(StreamEnd::Early)),
            (vec![START, STOP.trim_end()], "s", Some(StreamEnd::Early)),
        ] {
            let (watch, got) = watch(&parts);
            assert_eq!((got.as_str(), watch.end(true)), (marks, end), "{parts:?}");
        }
        assert_eq!(watch(&[START]).0.end(false), Some(StreamEnd::Cut));
    }

    #[test]
    fn tools_and_thoughts_are_noticed() {
        assert!(!watch(&[START, BLOCK, TEXT]).0.tool_or_thinking());
        for kind in ["tool_use", "thinking", "server_tool_use"] {
            assert!(
                watch(&[START, &BLOCK.replace("\"text\",", &format!("\"{kind}\","))]).0.tool_or_thinking(),
                "{kind}"
            );
        }
    }

    #[test]
    fn an_event_over_the_limit_is_corrupt() {
        let (mut watch, mut marks) = (Watch::with_limit(20), Vec::new());
        watch.push(START.as_bytes(), &mut marks);
        assert_eq!(marks, [Mark::Corrupt]);
    }
}
