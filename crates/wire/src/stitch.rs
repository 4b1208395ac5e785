//! One stream out of several: an answer of text that broke, and what continues it.
//!
//! The first stream passes byte for byte. Three things are held back, because they would be wrong if the stream broke and
//! were continued: the end of a block until something follows it, an `error` event, and a part of an event.

mod seam;
mod seen;
#[cfg(test)]
mod tests;

use clearline_model::Usage;
use serde::Deserialize;
use serde_json::{Value, json};

use self::seam::{Joint, OVERLAP_MAX, SEAM, ends_across, join};
use self::seen::{Seen, understand};
use crate::continuation::{Turns, tail};
use crate::message::Tokens;
use crate::request::model_family;
use crate::sse::Parser;

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
    /// Where the continuation stands in the text that was there, as long as it repeats that.
    repeats: Option<usize>,
    way: Way,
    /// Who answers.
    model: Option<String>,
    /// What would have ended the answer.
    stops: Vec<String>,
    /// What is added to the index of a block, once that is known.
    shift: Option<i64>,
    /// What the streams before this one have said that they cost.
    before: Usage,
    tokens: Tokens,
}

/// How a continuation was asked for.
#[derive(Debug, Default)]
struct Way {
    /// White space that it may begin with once more.
    unshown: String,
    /// It goes on from the very end of the text, and repeats nothing unless it is plain that it does.
    exact: bool,
}

impl Stitch {
    /// At the beginning of an answer. More than `text_max` bytes of text are not kept, and not continued; `stops` are the
    /// sequences that end it, of which none may lie across a seam.
    #[must_use]
    pub fn new(text_max: usize, stops: Vec<String>) -> Self {
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
            repeats: None,
            way: Way::default(),
            model: None,
            stops,
            shift: None,
            before: Usage::default(),
            tokens: Tokens::default(),
        }
    }

    /// Takes the next bytes of the stream, and appends what the caller may see of them to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.passes() && !self.wrong {
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
            // A comment tells that somebody is alive, or it is what is left of the end of a line.
            None if self.parser.open() == 0 && is_comment(&self.raw) => out.append(&mut self.raw),
            None if self.parser.open() == 0 => self.pass(out),
            None => {}
        }
    }

    /// An event of the first stream.
    fn first(&mut self, seen: Seen, out: &mut Vec<u8>) {
        match seen {
            Seen::Start(tokens, model) => {
                (self.tokens, self.model, self.started) = (tokens, model, true);
                self.pass(out);
            }
            Seen::Open(index, text) => {
                self.release(out);
                self.opened(index, text.as_deref());
                self.pass(out);
            }
            Seen::Text(index, text) if self.open == Some(index) => {
                self.keep(&text);
                self.pass(out);
            }
            Seen::Close => self.withhold(),
            Seen::Text(..) | Seen::Part | Seen::Delta(_) | Seen::Stop | Seen::Odd => {
                self.fits = false;
                self.release(out);
                self.pass(out);
            }
            // It has no place of its own, and tells that somebody is alive.
            Seen::Ping => out.append(&mut self.raw),
            Seen::Other => self.pass(out),
            Seen::Error => self.error = std::mem::take(&mut self.raw),
        }
    }

    /// An event of a continuation.
    fn further(&mut self, seen: Seen, out: &mut Vec<u8>) {
        match seen {
            Seen::Start(tokens, model) => self.begins((tokens, model), out),
            Seen::Open(index, text) => self.reopened(index, text, out),
            Seen::Text(index, text) if self.open == Some(self.shown(index)) => self.text(&text, out),
            // What cannot be put in its place is not shown.
            Seen::Text(..) | Seen::Odd => self.wrong = true,
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
                self.settle(out);
                self.release(out);
                self.pass(out);
            }
            Seen::Ping => out.append(&mut self.raw),
            Seen::Other => self.pass(out),
            Seen::Error => self.error = std::mem::take(&mut self.raw),
        }
    }

    fn begins(&mut self, (tokens, model): (Tokens, Option<String>), out: &mut Vec<u8>) {
        self.tokens = tokens;
        if let (Some(first), Some(now)) = (&self.model, &model)
            && model_family(first) != model_family(now)
        {
            // The beginning of the answer says who wrote it.
            self.wrong = true;
            return;
        }
        self.model = self.model.take().or(model);
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
        let before = seam.len();
        seam.push_str(text);
        if seam.chars().nth(SEAM - 1).is_some() && !self.repeats_on(before) {
            self.settle(out);
        }
    }

    /// Whether all that came of the continuation stands in the text already: then it began anew further up, and is waited for
    /// until it comes to something new. `before` was looked at before.
    fn repeats_on(&mut self, before: usize) -> bool {
        let Some(seam) = &self.seam else { return false };
        let (from, known) = match self.repeats {
            Some(from) => (Some(from), before),
            None => (self.text.rfind(seam.as_str()), seam.len()),
        };
        self.repeats = from;
        let rest = |from: usize| self.text.as_bytes().get(from + known..);
        let more = seam.as_bytes().get(known..).unwrap_or_default();
        from.and_then(rest).is_some_and(|rest| rest.len() > more.len() && rest.starts_with(more))
    }

    /// Decides what of the beginning of a continuation is new, and shows that.
    fn settle(&mut self, out: &mut Vec<u8>) {
        let Some(seam) = self.seam.take() else { return };
        let said = match join(&self.text, &seam, self.repeats.take()) {
            Joint::Repeats(said) => said,
            Joint::Unclear if !self.way.exact => return self.wrong = true,
            Joint::New | Joint::Unclear => repeated_blank(&self.way.unshown, &seam),
        };
        let new = seam.get(said..).unwrap_or_default();
        if ends_across(&self.text, new, &self.stops) {
            // The answer was over there.
            self.wrong = true;
        } else if !new.is_empty() {
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

    /// The next bytes are those of a stream that these turns asked for.
    pub fn resume(&mut self, turns: &Turns) {
        self.parser = Parser::with_limit(EVENT_MAX);
        self.raw.clear();
        self.error.clear();
        self.withheld.clear();
        self.count = self.count.saturating_add(1);
        self.seam = (!self.text.is_empty()).then(String::new);
        self.repeats = None;
        self.way = Way { unshown: turns.unshown.clone(), exact: turns.exact };
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

/// Whether it is a whole line of a comment.
fn is_comment(line: &[u8]) -> bool {
    line.starts_with(b":") && matches!(line.last(), Some(b'\n' | b'\r'))
}

/// How much of the white space at the end of the text a continuation begins with once more, bytes.
fn repeated_blank(unshown: &str, seam: &str) -> usize {
    seam.chars().zip(unshown.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum()
}

fn put(out: &mut Vec<u8>, name: &str, data: &Value) {
    out.extend_from_slice(format!("event: {name}\ndata: {data}\n\n").as_bytes());
}
