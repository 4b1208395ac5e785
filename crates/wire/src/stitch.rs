//! One stream out of several: an answer of text that broke, and what continues it.
//!
//! The first stream passes byte for byte. Three things are held back, because they would be wrong if the stream broke and
//! were continued: the end of a block until something follows it, an `error` event, and a part of an event.

use clearline_model::Usage;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::continuation::tail;
use crate::message::Tokens;
use crate::sse::{Event, Parser};

/// How much of a continuation is held back until it is known what of it repeats the text before, characters.
const SEAM: usize = 220;

/// The least repetition that is taken for one, and the most that is looked for, characters.
const OVERLAP_MIN: usize = 8;
const OVERLAP_MAX: usize = 1_024;

/// The largest event that is understood, bytes. A stream with a larger one is not continued.
const EVENT_MAX: usize = 1 << 20;

/// Joins the streams of one answer.
#[derive(Debug)]
pub struct Stitch {
    parser: Parser,
    /// The event that is being read.
    raw: Vec<u8>,
    /// Held back until something follows: the end of a block.
    withheld: Vec<u8>,
    /// Held back for good, unless the answer ends with it.
    error: Vec<u8>,
    /// The text that the caller has seen.
    text: String,
    text_max: usize,
    chars: u64,
    /// `message_start` has been shown.
    started: bool,
    /// So far it can be continued.
    fits: bool,
    /// What came as the continuation is none.
    wrong: bool,
    /// The block that the caller sees as open, and how many there were.
    open: Option<u64>,
    blocks: u64,
    /// How many streams continued the first.
    count: u32,
    /// The beginning of a continuation, until it is decided what of it is new.
    seam: Option<String>,
    /// White space that the continuation may begin with once more.
    unshown: String,
    /// What is added to the index of a block, once that is known.
    shift: Option<i64>,
    /// What the streams before this one have said that they cost.
    before: Usage,
    tokens: Tokens,
}

/// What an event means here.
enum Seen {
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

fn understand(event: &Event<'_>) -> Seen {
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

impl Stitch {
    /// At the beginning of an answer. More than `text_max` bytes of text are not kept, and not continued.
    #[must_use]
    pub fn new(text_max: usize) -> Self {
        Self {
            parser: Parser::with_limit(EVENT_MAX),
            raw: Vec::new(),
            withheld: Vec::new(),
            error: Vec::new(),
            text: String::new(),
            text_max,
            chars: 0,
            started: false,
            fits: true,
            wrong: false,
            open: None,
            blocks: 0,
            count: 0,
            seam: None,
            unshown: String::new(),
            shift: None,
            before: Usage::default(),
            tokens: Tokens::default(),
        }
    }

    /// Takes the next bytes of the stream, and appends what the caller may see of them to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.passes() {
            let end = memchr::memchr2(b'\n', b'\r', rest).map_or(rest.len(), |at| at + 1);
            let (line, after) = rest.split_at_checked(end).unwrap_or((rest, b""));
            rest = after;
            self.line(line, out);
        }
        if self.passes() {
            self.flush(out);
            out.extend_from_slice(rest);
        }
    }

    /// Nothing has to be understood any more: the first stream cannot be continued.
    const fn passes(&self) -> bool {
        self.count == 0 && !self.fits
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.withheld);
        out.append(&mut self.raw);
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        self.raw.extend_from_slice(line);
        let mut seen = None;
        if self.parser.push(line, |event| seen = Some(understand(&event))).is_err() {
            self.fits = false;
            self.wrong = self.count > 0;
            return;
        }
        match seen {
            Some(seen) if self.count == 0 => self.first(seen, out),
            Some(seen) => self.further(seen, out),
            // A comment, or what is left of the end of a line.
            None if self.parser.open() == 0 => self.pass(out),
            None => {}
        }
    }

    /// An event of the first stream.
    fn first(&mut self, seen: Seen, out: &mut Vec<u8>) {
        match seen {
            Seen::Start(tokens) => {
                (self.tokens, self.started) = (tokens, true);
                self.pass(out);
            }
            Seen::Open(index, text) => {
                self.release(out);
                self.opened(index, text.as_deref());
                self.pass(out);
            }
            Seen::Text(text) => {
                self.keep(&text);
                self.pass(out);
            }
            Seen::Close => self.withhold(),
            Seen::Part | Seen::Delta(_) | Seen::Stop => {
                self.fits = false;
                self.release(out);
                self.pass(out);
            }
            Seen::Ping | Seen::Other => self.pass(out),
            Seen::Error => self.error = std::mem::take(&mut self.raw),
        }
    }

    /// An event of a continuation.
    fn further(&mut self, seen: Seen, out: &mut Vec<u8>) {
        match seen {
            Seen::Start(tokens) => self.begins(tokens, out),
            Seen::Open(index, text) => self.reopened(index, text, out),
            Seen::Text(text) => self.text(&text, out),
            Seen::Part => {
                self.fits = false;
                self.settle(out);
                self.shifted(out);
            }
            Seen::Close => {
                self.settle(out);
                let mut closed = Vec::new();
                self.shifted(&mut closed);
                self.withheld = closed;
            }
            Seen::Delta(data) => self.delta(data, out),
            Seen::Stop => {
                self.release(out);
                self.pass(out);
            }
            Seen::Ping | Seen::Other => self.pass(out),
            Seen::Error => self.error = std::mem::take(&mut self.raw),
        }
    }

    fn begins(&mut self, tokens: Tokens, out: &mut Vec<u8>) {
        self.tokens = tokens;
        out.extend_from_slice(format!(": clearline-continued {}\n\n", self.count).as_bytes());
        if self.started {
            self.raw.clear();
        } else {
            self.started = true;
            self.pass(out);
        }
    }

    fn reopened(&mut self, index: u64, text: Option<String>, out: &mut Vec<u8>) {
        if self.shift.is_some() {
            self.settle(out);
            self.release(out);
            self.opened(self.shown(index), text.as_deref());
            return self.shifted(out);
        }
        let place = self.open.unwrap_or(self.blocks);
        self.shift = Some(place.cast_signed() - index.cast_signed());
        match (self.open, text) {
            (Some(_), Some(text)) => {
                self.raw.clear();
                self.text_begins(&text, out);
            }
            (Some(_), None) => self.wrong = true,
            (None, text) => {
                self.opened(place, text.as_deref());
                self.shifted(out);
            }
        }
    }

    /// The text that a block of the continuation begins with, mostly none.
    fn text_begins(&mut self, text: &str, out: &mut Vec<u8>) {
        match &mut self.seam {
            Some(seam) => seam.push_str(text),
            None if text.is_empty() => {}
            None => self.say(text, out),
        }
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        let Some(seam) = &mut self.seam else {
            self.keep(text);
            return self.shifted(out);
        };
        self.raw.clear();
        seam.push_str(text);
        if seam.chars().nth(SEAM - 1).is_some() {
            self.settle(out);
        }
    }

    /// Decides what of the beginning of a continuation is new, and shows that.
    fn settle(&mut self, out: &mut Vec<u8>) {
        let Some(seam) = self.seam.take() else { return };
        let mut said = overlap(&self.text, &seam);
        if said == 0 && seam.starts_with(self.unshown.as_str()) {
            said = self.unshown.len();
        }
        let new = seam.get(said..).unwrap_or_default();
        if !new.is_empty() {
            self.say(new, out);
        }
    }

    /// Shows text as a step of the open block.
    fn say(&mut self, text: &str, out: &mut Vec<u8>) {
        let index = self.open.unwrap_or(0);
        let delta = json!({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}});
        put(out, "content_block_delta", &delta);
        self.keep(text);
    }

    /// The end of the answer: what all its streams cost stands in it.
    fn delta(&mut self, mut data: Value, out: &mut Vec<u8>) {
        self.settle(out);
        let open = self.open.take();
        if self.withheld.is_empty()
            && let Some(index) = open
        {
            put(out, "content_block_stop", &json!({"type": "content_block_stop", "index": index}));
        }
        self.release(out);
        self.fits = false;
        if let Ok(tokens) = Tokens::deserialize(data.get("usage").unwrap_or(&Value::Null)) {
            self.tokens.update(&tokens);
        }
        let sum = self.before.plus(self.tokens.usage());
        let Some(fields) = data.as_object_mut() else { return self.pass(out) };
        let usage = fields.entry("usage").or_insert_with(|| json!({}));
        if let Some(usage) = usage.as_object_mut() {
            for (name, tokens, always) in [
                ("input_tokens", sum.input, true),
                ("output_tokens", sum.output, true),
                ("cache_creation_input_tokens", sum.cache_write, false),
                ("cache_read_input_tokens", sum.cache_read, false),
            ] {
                if always || tokens > 0 {
                    usage.insert(name.to_owned(), json!(tokens));
                }
            }
        }
        fields.insert("clearline".to_owned(), json!({"continued": self.count}));
        self.raw.clear();
        put(out, "message_delta", &data);
    }

    fn opened(&mut self, index: u64, text: Option<&str>) {
        self.open = Some(index);
        self.blocks = self.blocks.max(index.saturating_add(1));
        match text {
            Some(text) => self.keep(text),
            None => self.fits = false,
        }
    }

    fn keep(&mut self, text: &str) {
        self.chars += u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        if self.text.len() + text.len() > self.text_max {
            self.fits = false;
            self.text = tail(&self.text, OVERLAP_MAX).to_owned();
        } else {
            self.text.push_str(text);
        }
    }

    fn pass(&mut self, out: &mut Vec<u8>) {
        if self.withheld.is_empty() {
            out.append(&mut self.raw);
        } else {
            self.withhold();
        }
    }

    fn withhold(&mut self) {
        self.withheld.append(&mut self.raw);
    }

    fn release(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.withheld);
    }

    /// The index under which the caller sees a block of this stream.
    fn shown(&self, index: u64) -> u64 {
        index.saturating_add_signed(self.shift.unwrap_or(0))
    }

    /// Passes an event of a block on, under the index that the caller knows.
    fn shifted(&mut self, out: &mut Vec<u8>) {
        if self.shift.unwrap_or(0) == 0 {
            out.append(&mut self.raw);
            return;
        }
        let mut event = None;
        let mut parser = Parser::with_limit(EVENT_MAX);
        let read = parser.push(&self.raw, |e| {
            let name = String::from_utf8_lossy(e.name).into_owned();
            event = serde_json::from_slice::<Value>(e.data).ok().map(|data| (name, data));
        });
        self.raw.clear();
        let (Ok(()), Some((name, mut data))) = (read, event) else {
            self.wrong = true;
            return;
        };
        let index = data.get("index").and_then(Value::as_u64).unwrap_or(0);
        if let Some(fields) = data.as_object_mut() {
            fields.insert("index".to_owned(), json!(self.shown(index)));
        }
        put(out, &name, &data);
    }

    /// The next bytes are those of a stream that continues the text. `unshown` is white space that it may repeat.
    pub fn resume(&mut self, unshown: String) {
        self.parser = Parser::with_limit(EVENT_MAX);
        self.raw.clear();
        self.error.clear();
        self.withheld.clear();
        self.count = self.count.saturating_add(1);
        self.seam = (!self.text.is_empty()).then(String::new);
        self.unshown = unshown;
        self.shift = None;
        self.before = self.before.plus(std::mem::take(&mut self.tokens).usage());
    }

    /// What was held back although it belongs to the answer, which ends here.
    pub fn rest(&mut self, out: &mut Vec<u8>) {
        self.release(out);
        out.append(&mut self.error);
    }

    /// The answer may be continued where it is: text alone, whose end has not been announced.
    #[must_use]
    pub const fn fits(&self) -> bool {
        self.fits && !self.wrong
    }

    /// What came as the continuation is none, and must not be shown.
    #[must_use]
    pub const fn is_wrong(&self) -> bool {
        self.wrong
    }

    /// The text that the caller has seen.
    #[must_use]
    pub fn seen(&self) -> &str {
        &self.text
    }

    /// How much text the caller has seen, characters.
    #[must_use]
    pub const fn chars(&self) -> u64 {
        self.chars
    }

    /// How many streams continued the first.
    #[must_use]
    pub const fn continued(&self) -> u32 {
        self.count
    }
}

fn put(out: &mut Vec<u8>, name: &str, data: &Value) {
    out.extend_from_slice(format!("event: {name}\ndata: {data}\n\n").as_bytes());
}

/// How many bytes at the beginning of `new` repeat the end of `text`.
fn overlap(text: &str, new: &str) -> usize {
    let ends = new.char_indices().map(|(at, c)| at + c.len_utf8());
    let candidates: Vec<usize> = ends.take(OVERLAP_MAX).skip(OVERLAP_MIN - 1).collect();
    let repeats = |end: &usize| new.get(..*end).is_some_and(|begin| text.ends_with(begin));
    candidates.into_iter().rev().find(repeats).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WHOLE: &str =
        "The naïve packet arrived — 数据 — despite a flaky line, and \"again\" it came, with patience.";

    fn event(data: &Value) -> String {
        format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
    }

    fn text_delta(index: u64, text: &str) -> String {
        event(
            &json!({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}),
        )
    }

    /// A stream of the API whose text comes in pieces of so many characters.
    fn stream(text: &str, piece: usize, output: u64) -> String {
        let chars: Vec<char> = text.chars().collect();
        let usage = json!({"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 2});
        let deltas: String =
            chars.chunks(piece).map(|c| text_delta(0, &c.iter().collect::<String>())).collect();
        [
            event(&json!({"type": "message_start", "message": {"id": "msg_1", "content": [], "usage": usage}})),
            event(&json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})),
            event(&json!({"type": "ping"})),
            deltas,
            event(&json!({"type": "content_block_stop", "index": 0})),
            event(&json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": output}})),
            event(&json!({"type": "message_stop"})),
        ]
        .concat()
    }

    /// What the caller sees: the names of the events, the text, and the data of `message_delta`.
    fn read(bytes: &[u8]) -> (Vec<String>, String, Value) {
        let (mut names, mut text, mut last) = (Vec::new(), String::new(), Value::Null);
        Parser::new()
            .push(bytes, |e| {
                let data: Value = serde_json::from_slice(e.data).unwrap();
                let name = String::from_utf8(e.name.to_vec()).unwrap();
                if name.starts_with("content_block") {
                    assert_eq!(data["index"], 0, "{data}");
                }
                text.push_str(data["delta"]["text"].as_str().unwrap_or_default());
                if name == "message_delta" {
                    last = data;
                }
                if name != "ping" && names.last() != Some(&name) {
                    names.push(name);
                }
            })
            .unwrap();
        (names, text, last)
    }

    const ORDER: [&str; 6] = [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];

    /// The rest of the text, beginning with so many characters of what was there.
    fn from(seen: &str, repeat: usize) -> String {
        format!("{}{}", tail(seen, repeat), WHOLE.strip_prefix(seen).unwrap())
    }

    #[test]
    fn a_cut_at_any_byte_gives_the_whole_text_once() {
        let first = stream(WHOLE, 7, 40);
        // With the end of `message_delta` the stop reason is known.
        let announced = first.find("event: message_stop").unwrap();
        for cut in 0..first.len() {
            for repeat in [0, 8, 30] {
                let (mut stitch, mut out) = (Stitch::new(1 << 20), Vec::new());
                stitch.push(&first.as_bytes()[..cut], &mut out);
                assert_eq!(stitch.fits(), cut < announced, "{cut}");
                if !stitch.fits() {
                    assert_eq!(out, &first.as_bytes()[..cut], "{cut}");
                    continue;
                }
                let seen = stitch.seen().to_owned();
                stitch.resume(String::new());
                // What is repeated is repeated whole, or not at all where it is too short to be told.
                let repeat = if seen.chars().count() < OVERLAP_MIN { 0 } else { repeat };
                stitch.push(stream(&from(&seen, repeat), 9, 30).as_bytes(), &mut out);
                let (names, text, last) = read(&out);
                assert_eq!(text, WHOLE, "{cut} {repeat}");
                let no_text_left = seen == WHOLE && names.len() == 5;
                assert!(names == ORDER || no_text_left, "{cut} {repeat}: {names:?}");
                let started = cut >= first.find("event: content_block_start").unwrap();
                let input = if started { 20 } else { 10 };
                assert_eq!(last["usage"]["input_tokens"], input, "{cut}");
                assert_eq!(last["usage"]["output_tokens"], if started { 31 } else { 30 });
                assert_eq!(last["clearline"]["continued"], 1);
                assert_eq!(out.windows(22).filter(|w| w == b": clearline-continued ").count(), 1);
            }
        }
    }

    #[test]
    fn a_continuation_that_breaks_is_continued_as_well() {
        let first = stream(WHOLE, 5, 40);
        let (mut stitch, mut out) = (Stitch::new(1 << 20), Vec::new());
        stitch.push(&first.as_bytes()[..first.match_indices("text_delta").nth(4).unwrap().0], &mut out);
        for _ in 0..3 {
            let seen = stitch.seen().to_owned();
            stitch.resume(String::new());
            let next = stream(&from(&seen, 20), 5, 9);
            let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}\n\n";
            let half = next.find("event: content_block_stop").unwrap();
            stitch.push(&next.as_bytes()[..half], &mut out);
            stitch.push(error.as_bytes(), &mut out);
            assert!(stitch.fits());
        }
        assert!(!out.windows(12).any(|w| w == b"event: error"));
        stitch.resume(String::new());
        let seen = stitch.seen().to_owned();
        stitch.push(stream(&from(&seen, 8), 5, 9).as_bytes(), &mut out);
        let (_, text, last) = read(&out);
        assert_eq!(text, WHOLE);
        assert_eq!(
            (&last["usage"]["input_tokens"], &last["usage"]["output_tokens"]),
            (&json!(50), &json!(13))
        );
        assert_eq!(last["usage"]["cache_read_input_tokens"], 10);
    }

    #[test]
    fn what_was_held_back_comes_when_nothing_continues() {
        let error = b"event: error\ndata: {\"type\":\"error\"}\n\n";
        let first = stream(WHOLE, 9, 1);
        let closed = first.find("event: message_delta").unwrap();
        for (upto, tail) in [(closed, &b""[..]), (closed, error), (closed - 60, error)] {
            let (mut stitch, mut out) = (Stitch::new(1 << 20), Vec::new());
            let upto = first
                .match_indices("\n\n")
                .map(|(at, _)| at + 2)
                .take_while(|at| *at <= upto)
                .last()
                .unwrap();
            stitch.push(&first.as_bytes()[..upto], &mut out);
            stitch.push(tail, &mut out);
            stitch.rest(&mut out);
            assert_eq!(out, [&first.as_bytes()[..upto], tail].concat());
        }
    }

    #[test]
    fn the_seam_waits_until_it_is_known_and_no_longer() {
        let long = "word ".repeat(60);
        let (mut stitch, mut out) = (Stitch::new(1 << 20), Vec::new());
        stitch.push(stream(&long, 10, 1).as_bytes().get(..1_000).unwrap(), &mut out);
        stitch.resume(String::new());
        out.clear();
        let next: String = ('a'..='z').cycle().take(400).collect();
        let all = stream(&next, 100, 1);
        let mut shown_at = None;
        for (at, byte) in all.as_bytes().iter().enumerate() {
            stitch.push(&[*byte], &mut out);
            if shown_at.is_none() && out.windows(10).any(|w| w == b"text_delta") {
                shown_at = Some(at);
            }
        }
        // With the third piece of a hundred characters 220 are there.
        let third = all.match_indices("text_delta").nth(2).unwrap().0;
        let fourth = all.match_indices("text_delta").nth(3).unwrap().0;
        assert!((third..fourth).contains(&shown_at.unwrap()), "{shown_at:?}");
        // Pings are passed at once, so that the caller sees life.
        assert!(String::from_utf8(out).unwrap().find("ping").unwrap() < 200);
    }

    #[test]
    fn other_blocks_are_never_continued() {
        let start = event(&json!({"type": "message_start", "message": {"usage": {"input_tokens": 1}}}));
        let open =
            |kind: Value| event(&json!({"type": "content_block_start", "index": 0, "content_block": kind}));
        let cited = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {}}});
        let plain = open(json!({"type": "text", "text": ""}));
        for (what, fits) in [
            (plain.clone(), true),
            (open(json!({"type": "tool_use", "id": "t", "name": "n", "input": {}})), false),
            (open(json!({"type": "thinking", "thinking": ""})), false),
            (open(json!({"type": "text", "text": "", "citations": [{}]})), false),
            (format!("{plain}{}", event(&cited)), false),
            (format!("{plain}event: content_block_delta\ndata: {}\n\n", "x".repeat(EVENT_MAX)), false),
            (format!("{plain}{}", text_delta(0, &"x".repeat(101))), false),
        ] {
            let (mut stitch, mut out) = (Stitch::new(100), Vec::new());
            let all = [start.as_bytes(), what.as_bytes()].concat();
            stitch.push(&all, &mut out);
            assert_eq!((stitch.fits(), out == all), (fits, true), "{}", tail(&what, 80));
        }
        // A continuation that brings something else in the place of text is none.
        let (mut stitch, mut out) = (Stitch::new(100), Vec::new());
        stitch.push([start.as_str(), &plain, &text_delta(0, "Hello")].concat().as_bytes(), &mut out);
        stitch.resume(String::new());
        stitch.push(start.as_bytes(), &mut out);
        stitch.push(open(json!({"type": "thinking", "thinking": ""})).as_bytes(), &mut out);
        assert!(stitch.is_wrong() && !stitch.fits());
    }

    #[test]
    fn several_blocks_of_text_keep_their_indices() {
        let start = event(&json!({"type": "message_start", "message": {"usage": {}}}));
        let block = |index: u64, text: &str| {
            let open = json!({"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}});
            let stop = json!({"type": "content_block_stop", "index": index});
            [event(&open), text_delta(index, text), event(&stop)].concat()
        };
        let (mut stitch, mut out) = (Stitch::new(1 << 10), Vec::new());
        let first = [start.clone(), block(0, "One. "), block(1, "Two and ")].concat();
        stitch.push(first.as_bytes(), &mut out);
        stitch.resume(String::new());
        let delta = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}});
        let next = [start, block(0, "more."), block(1, "Three"), event(&delta)].concat();
        stitch.push(next.as_bytes(), &mut out);
        let mut seen = Vec::new();
        Parser::new()
            .push(&out, |e| {
                let data: Value = serde_json::from_slice(e.data).unwrap();
                let text = data["delta"]["text"].as_str().unwrap_or_default().to_owned();
                seen.push(format!("{} {} {text}", String::from_utf8_lossy(e.name), data["index"]));
            })
            .unwrap();
        let expected = [
            "message_start null ",
            "content_block_start 0 ",
            "content_block_delta 0 One. ",
            "content_block_stop 0 ",
            "content_block_start 1 ",
            "content_block_delta 1 Two and ",
            "content_block_delta 1 more.",
            "content_block_stop 1 ",
            "content_block_start 2 ",
            "content_block_delta 2 Three",
            "content_block_stop 2 ",
            "message_delta null ",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn repetitions() {
        for (text, new, expected) in [
            ("one two three", " two three four", 10),
            ("one two three", "two three four", 9),
            ("one two three", "one two three", 13),
            ("one two three", " three four", 0),
            ("été à Paris", "té à Paris, au", 12),
            ("", "anything", 0),
        ] {
            assert_eq!(overlap(text, new), expected, "{text} | {new}");
        }
    }

    proptest! {
        #[test]
        fn any_split_of_the_streams_gives_the_same(
            cuts in proptest::collection::vec(1_usize..60, 1..40),
            cut in 0_usize..1_000,
            crlf in any::<bool>(),
        ) {
            let ends = |text: String| if crlf { text.replace('\n', "\r\n") } else { text };
            let first = ends(stream(WHOLE, 4, 1));
            let most = first.find("event: message_delta").unwrap();
            let (mut stitch, mut out) = (Stitch::new(1 << 20), Vec::new());
            let feed = |stitch: &mut Stitch, bytes: &[u8], out: &mut Vec<u8>| {
                let mut rest = bytes;
                for size in cuts.iter().cycle() {
                    if rest.is_empty() {
                        break;
                    }
                    let (piece, after) = rest.split_at((*size).min(rest.len()));
                    stitch.push(piece, out);
                    rest = after;
                }
            };
            let upto = most * cut / 1_000;
            feed(&mut stitch, &first.as_bytes()[..upto], &mut out);
            let seen = stitch.seen().to_owned();
            let repeat = if seen.chars().count() < OVERLAP_MIN { 0 } else { 12 };
            stitch.resume(String::new());
            feed(&mut stitch, ends(stream(&from(&seen, repeat), 3, 1)).as_bytes(), &mut out);
            prop_assert_eq!(read(&out).1, WHOLE);
        }

        #[test]
        fn total(parts in proptest::collection::vec(
            prop_oneof![
                Just(b"event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"abc\"}}\n\n".to_vec()),
                Just(b"event: content_block_start\ndata: {\"index\":9}\n\n".to_vec()),
                Just(b"event: message_delta\ndata: [1]\n\n".to_vec()),
                Just(b"event: message_start\ndata: {}\n\n".to_vec()),
                Just(b"event: content_block_stop\ndata: x\n\n".to_vec()),
                proptest::collection::vec(any::<u8>(), 0..30),
            ], 0..20)) {
            let (mut stitch, mut out) = (Stitch::new(64), Vec::new());
            for (n, part) in parts.iter().enumerate() {
                if n % 7 == 6 {
                    stitch.resume(" ".to_owned());
                }
                stitch.push(part, &mut out);
                prop_assert!(stitch.seen().len() <= 64 + 4 * OVERLAP_MAX);
            }
        }
    }
}
