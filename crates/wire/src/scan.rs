//! What a request's body says of itself, read while it arrives: in any pieces, in bounded memory.

use std::borrow::Cow;

use clearline_model::Foreign;
use smallvec::SmallVec;

use crate::request::{Peek, Unstreamed};

/// The longest name or value of a field that is looked at, bytes.
const TOKEN_MAX: usize = 256;

/// Those that come in two pieces, and numbers, are mostly no longer than this, bytes.
const TOKEN_USUAL: usize = 16;

/// Where the reading stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    /// Before the object.
    #[default]
    Start,
    /// Between two fields: a name comes next, or the end.
    Between,
    /// In a name, or in a value that is a string.
    Text { name: bool },
    /// After a name.
    Colon,
    /// Before a value.
    Value,
    /// In a number or a word.
    Word,
    /// In a nested value, so deep.
    Nested(u32),
    /// In a string of a nested value.
    Inner(u32),
    /// After the object.
    End,
    /// This is no object.
    Broken,
}

/// Reads a body piece by piece. It finds the fields of the outermost object and does not check the rest.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    at: At,
    /// A backslash came last within a string.
    escaped: bool,
    token: SmallVec<[u8; TOKEN_USUAL]>,
    name: Name,
    length: usize,
    found: Peek,
    fixed: bool,
    messages: Messages,
    streaming: Streaming,
    /// Where the first field begins.
    fields_from: Option<usize>,
}

/// The fields that are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Name {
    Model,
    Stream,
    MaxTokens,
    Messages,
    /// Tools and thinking, whose blocks cannot be resumed.
    Fixes,
    /// What matters where two answers are joined.
    Seams,
    #[default]
    Other,
}

impl Name {
    /// The field of this name, as it stands between its quotes.
    fn of(raw: &[u8]) -> Self {
        match raw {
            b"model" => Self::Model,
            b"stream" => Self::Stream,
            b"max_tokens" => Self::MaxTokens,
            b"messages" => Self::Messages,
            b"tools" | b"mcp_servers" | b"thinking" => Self::Fixes,
            b"stop_sequences" | b"output_config" | b"output_format" => Self::Seams,
            _ if raw.contains(&b'\\') => {
                unquoted(raw).map_or(Self::Other, |name| Self::of_plain(name.as_bytes()))
            }
            _ => Self::Other,
        }
    }

    /// The field of a name that was read already: a backslash in it is one.
    fn of_plain(name: &[u8]) -> Self {
        if name.contains(&b'\\') { Self::Other } else { Self::of(name) }
    }
}

/// The text of a string, as it stands between its quotes.
fn unquoted(raw: &[u8]) -> Option<Cow<'_, str>> {
    if raw.iter().fold(true, |plain, b| plain & (*b >= b' ') & (*b != b'\\')) {
        return std::str::from_utf8(raw).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice(&[b"\"", raw, b"\""].concat()).ok().map(Cow::Owned)
}

/// What is known of the field `messages`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Messages {
    /// It has not come.
    #[default]
    None,
    /// It is the field whose value comes next.
    Named,
    /// In the array, of which this says whether it has anything in it.
    Open(bool),
    /// Where the array's closing bracket stands.
    Ends(usize),
    /// It is no array, or empty, or there are two of it.
    Wrong,
}

/// What is known of the field `stream`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Streaming {
    /// It has not come.
    #[default]
    None,
    /// It is the field whose value comes next.
    Named,
    /// Its value is a word that begins there.
    Word(usize),
    /// It is `false`, and stands there.
    False(usize),
    /// It is something else, or there are two of it.
    Wrong,
}

impl Scan {
    /// A scan at the beginning of a body.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.length = self.length.saturating_add(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() && self.at != At::Broken {
            rest = match self.at {
                At::Text { name } => self.text(rest, name),
                At::Word => self.word(rest),
                At::Inner(depth) => self.inner(rest, depth),
                At::Nested(depth) => self.nested(rest, depth),
                At::Start | At::Between | At::Colon | At::Value | At::End | At::Broken => {
                    let Some((byte, after)) = rest.split_first() else { return };
                    self.byte(*byte, after.len());
                    after
                }
            };
        }
    }

    /// What was found; the default where the body was no whole JSON object.
    #[must_use]
    pub fn finish(self) -> Peek {
        if self.at != At::End {
            return Peek::default();
        }
        Peek {
            est_input: u32::try_from(self.length / 4).unwrap_or(u32::MAX),
            resumable: !self.fixed,
            messages_end: match self.messages {
                Messages::Ends(at) => u64::try_from(at).ok(),
                Messages::None | Messages::Named | Messages::Open(_) | Messages::Wrong => None,
            },
            unstreamed: match self.streaming {
                Streaming::None => {
                    self.fields_from.and_then(|at| u64::try_from(at).ok()).map(Unstreamed::Unsaid)
                }
                Streaming::False(at) => u64::try_from(at).ok().map(Unstreamed::False),
                Streaming::Named | Streaming::Word(_) | Streaming::Wrong => None,
            },
            ..self.found
        }
    }

    /// A byte with so many of this piece behind it.
    fn byte(&mut self, byte: u8, behind: usize) {
        let blank = byte.is_ascii_whitespace();
        self.at = match (self.at, byte) {
            (at, _) if blank => at,
            (At::Start, b'{') | (At::Between, b',') => At::Between,
            (At::Between, b'}') => At::End,
            (At::Between, b'"') => {
                self.fields_from.get_or_insert(self.length - behind - 1);
                self.token.clear();
                At::Text { name: true }
            }
            (At::Colon, b':') => {
                self.field();
                At::Value
            }
            (At::Value, b'"') => At::Text { name: false },
            (At::Value, b'{' | b'[') => {
                self.open(byte);
                self.keep(&[byte]);
                self.value();
                At::Nested(1)
            }
            (At::Value, b'-' | b'0'..=b'9' | b'a'..=b'z') => {
                if self.streaming == Streaming::Named {
                    self.streaming = Streaming::Word(self.length - behind - 1);
                }
                self.keep(&[byte]);
                At::Word
            }
            _ => At::Broken,
        };
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = TOKEN_MAX.saturating_sub(self.token.len());
        self.token.extend_from_slice(bytes.get(..bytes.len().min(room)).unwrap_or_default());
    }

    /// The end of a string that may have begun earlier: what belongs to it, and what follows its last quote.
    fn until_quote<'a>(&mut self, bytes: &'a [u8]) -> (&'a [u8], Option<&'a [u8]>) {
        let mut from = 0;
        if std::mem::take(&mut self.escaped) {
            from = 1;
        }
        while let Some(tail) = bytes.get(from..) {
            let Some(place) = memchr::memchr2(b'"', b'\\', tail).map(|p| p + from) else { break };
            if bytes.get(place) == Some(&b'"') {
                return (bytes.get(..place).unwrap_or_default(), bytes.get(place + 1..));
            }
            from = place + 2;
        }
        self.escaped = from > bytes.len();
        (bytes, None)
    }

    fn text<'a>(&mut self, bytes: &'a [u8], name: bool) -> &'a [u8] {
        let (inside, after) = self.until_quote(bytes);
        if self.token.is_empty()
            && let Some(after) = after
            && inside.len() < TOKEN_MAX
        {
            // All of it is here: it need not be kept to be read.
            if name {
                self.name = Name::of(inside);
                self.at = At::Colon;
            } else {
                self.string(inside);
                self.at = At::Between;
            }
            return after;
        }
        if name || self.name == Name::Model {
            self.keep(inside);
        }
        let Some(after) = after else { return b"" };
        let token = std::mem::take(&mut self.token);
        if name {
            self.name = Name::of(&token);
            self.at = At::Colon;
        } else {
            self.string(&token);
            self.at = At::Between;
        }
        after
    }

    /// The rest of a number or of a word: a comma or the end follows, or a blank before these.
    fn word<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let is_over = |b: &u8| matches!(b, b',' | b'}' | b']') || b.is_ascii_whitespace();
        let end = bytes.iter().position(is_over).unwrap_or(bytes.len());
        let (inside, after) = bytes.split_at_checked(end).unwrap_or((bytes, b""));
        self.keep(inside);
        let Some((byte, rest)) = after.split_first() else { return b"" };
        if !byte.is_ascii_whitespace() {
            self.value();
            self.at = if *byte == b',' { At::Between } else { At::End };
        }
        rest
    }

    fn inner<'a>(&mut self, bytes: &'a [u8], depth: u32) -> &'a [u8] {
        let (_, after) = self.until_quote(bytes);
        if after.is_some() {
            self.at = At::Nested(depth);
        }
        after.unwrap_or(b"")
    }

    fn nested<'a>(&mut self, bytes: &'a [u8], depth: u32) -> &'a [u8] {
        let mark = bytes.iter().position(|b| matches!(b, b'"' | b'{' | b'[' | b'}' | b']'));
        let Some((byte, after)) = mark.and_then(|at| bytes.get(at..)).and_then(|rest| rest.split_first())
        else {
            return b"";
        };
        if depth <= 1 {
            self.within(*byte, after.len());
        }
        self.at = match byte {
            b'"' => At::Inner(depth),
            b'{' | b'[' => At::Nested(depth.saturating_add(1)),
            _ if depth <= 1 => At::Between,
            _ => At::Nested(depth - 1),
        };
        after
    }

    /// The value of a field comes next.
    fn field(&mut self) {
        if self.name == Name::Stream {
            let first = self.streaming == Streaming::None;
            self.streaming = if first { Streaming::Named } else { Streaming::Wrong };
        }
        if self.name == Name::Messages {
            let first = self.messages == Messages::None;
            self.messages = if first { Messages::Named } else { Messages::Wrong };
        } else if self.messages == Messages::Named {
            self.messages = Messages::Wrong;
        }
    }

    /// A nested value begins.
    const fn open(&mut self, byte: u8) {
        if matches!(self.messages, Messages::Named) {
            self.messages = if byte == b'[' { Messages::Open(false) } else { Messages::Wrong };
        }
    }

    /// A mark directly within a nested value of the outermost object, with so many bytes of this piece behind it.
    const fn within(&mut self, byte: u8, behind: usize) {
        if let Messages::Open(filled) = self.messages {
            self.messages = match (byte, filled) {
                (b']', true) => Messages::Ends(self.length - behind - 1),
                (b']' | b'}', _) => Messages::Wrong,
                _ => Messages::Open(true),
            };
        }
    }

    /// A field whose value is a string is over.
    fn string(&mut self, raw: &[u8]) {
        if self.name == Name::Model && raw.len() < TOKEN_MAX {
            self.found.model = unquoted(raw).map(|model| Foreign::new(&model));
        }
        self.fixed |= self.name == Name::Fixes;
        self.found.seams |= self.name == Name::Seams;
        if self.name == Name::Stream {
            self.streaming = Streaming::Wrong;
        }
    }

    /// A field with another value is over, or its nested value begins.
    fn value(&mut self) {
        match self.name {
            Name::Stream => {
                self.found.stream = *self.token == *b"true";
                self.streaming = match self.streaming {
                    Streaming::Word(at) if *self.token == *b"false" => Streaming::False(at),
                    Streaming::None
                    | Streaming::Named
                    | Streaming::Word(_)
                    | Streaming::False(_)
                    | Streaming::Wrong => Streaming::Wrong,
                };
            }
            Name::MaxTokens => {
                let number = serde_json::from_slice::<u64>(&self.token).ok();
                self.found.max_tokens = u32::try_from(number.unwrap_or(0)).unwrap_or(u32::MAX);
            }
            Name::Fixes => self.fixed |= *self.token != *b"null",
            Name::Seams => self.found.seams |= *self.token != *b"null",
            Name::Model | Name::Messages | Name::Other => {}
        }
        self.token.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// The same with a parser of everything.
    fn slowly(body: &[u8]) -> Peek {
        let Ok(Value::Object(fields)) = serde_json::from_slice(body) else { return Peek::default() };
        let number = fields.get("max_tokens").and_then(Value::as_u64).unwrap_or(0);
        let is_set = |name: &str| fields.get(name).is_some_and(|v| !v.is_null());
        Peek {
            model: fields.get("model").and_then(|v| v.as_str().map(Foreign::new)),
            stream: fields.get("stream") == Some(&Value::Bool(true)),
            max_tokens: u32::try_from(number).unwrap_or(u32::MAX),
            est_input: u32::try_from(body.len() / 4).unwrap(),
            resumable: !["tools", "mcp_servers", "thinking"].into_iter().any(is_set),
            messages_end: end(body),
            seams: ["stop_sequences", "output_config", "output_format"].into_iter().any(is_set),
            unstreamed: unstreamed(body),
        }
    }

    /// What makes a stream of it, with a parser of everything.
    fn unstreamed(body: &[u8]) -> Option<Unstreamed> {
        let place = |n: usize| u64::try_from(n).unwrap();
        match crate::fields::values(body, "stream")?.as_slice() {
            [] => body.iter().position(|b| *b == b'"').map(|at| Unstreamed::Unsaid(place(at))),
            [one] if body[one.clone()] == *b"false" => Some(Unstreamed::False(place(one.start))),
            _ => None,
        }
    }

    /// Where `messages` ends, with a parser of everything.
    fn end(body: &[u8]) -> Option<u64> {
        let place = crate::fields::value(body, "messages")?;
        let values: Vec<Value> = serde_json::from_slice(&body[place.clone()]).ok()?;
        // What is no text, object or array is no message.
        let any = values.iter().any(|v| v.is_string() || v.is_object() || v.is_array());
        any.then(|| u64::try_from(place.end - 1).unwrap())
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<f32>().prop_map(Value::from),
            "(?s).{0,20}".prop_map(Value::from),
            Just(Value::from("{\"}[\\\"")),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(".{0,6}", inner, 0..4).prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_as_a_parser_does_in_any_pieces(
            known in proptest::collection::btree_map(
                prop_oneof!["model|stream|max_tokens|tools|thinking|mcp_servers|messages", ".{0,8}"], value(), 0..6),
            cuts in proptest::collection::vec(1_usize..40, 1..20),
            pretty in any::<bool>(),
        ) {
            let object = Value::from_iter(known);
            let body = if pretty { serde_json::to_vec_pretty(&object) } else { serde_json::to_vec(&object) }.unwrap();
            let (mut scan, mut rest) = (Scan::new(), body.as_slice());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                scan.push(piece);
                rest = after;
            }
            prop_assert_eq!(scan.finish(), slowly(&body));
        }

        #[test]
        fn total_and_small(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut scan = Scan::new();
            scan.push(b"{\"model\":\"");
            scan.push(&bytes);
            prop_assert!(scan.token.len() <= TOKEN_MAX);
            let _any = scan.finish();
        }
    }

    #[test]
    fn where_a_further_message_would_stand() {
        for (body, before) in [
            (r#"{"messages":[{"content":"a]"}],"x":[1]}"#, Some("],\"x\"")),
            (r#"{"x":[[]],"messages" : [ {"a":[{}]} , {"b":"]"} ] }"#, Some("] }")),
            (r#"{"messages":[]}"#, None),
            (r#"{"messages":[ ]}"#, None),
            (r#"{"messages":"]"}"#, None),
            (r#"{"messages":{"a":[]}}"#, None),
            (r#"{"messages":7,"x":[{}]}"#, None),
            (r#"{"messages":[{}],"messages":[{}]}"#, None),
            (r#"{"messages":[{}],"mess\u0061ges":[{}]}"#, None),
            (r#"{"x":{"messages":[{}]}}"#, None),
            (r#"{"messages":[{}]"#, None),
        ] {
            for size in 1..9 {
                let mut scan = Scan::new();
                body.as_bytes().chunks(size).for_each(|piece| scan.push(piece));
                let at = scan.finish().messages_end.map(|at| usize::try_from(at).unwrap());
                assert_eq!(at.is_some(), before.is_some(), "{body}");
                assert!(
                    at.is_none_or(|at| body.as_bytes()[at..].starts_with(before.unwrap().as_bytes())),
                    "{body}: {at:?}"
                );
            }
        }
    }

    #[test]
    fn a_stream_is_asked_for_as_in_a_body_that_is_in_memory() {
        for body in [
            r#" {"messages":[{"stream":false}],"x":1}"#,
            r#"{"x":"stream", "stream" : false ,"messages":[]}"#,
            r#"{"str\u0065am":false}"#,
            r#"{"stream":true,"x":1}"#,
            r#"{"stream":null}"#,
            r#"{"stream":"false"}"#,
            r#"{"stream":[false]}"#,
            r#"{"stream":0}"#,
            r#"{"stream":false,"stream":false}"#,
            r#"{"stream":false,"stream":[]}"#,
        ] {
            for size in 1..9 {
                let mut scan = Scan::new();
                body.as_bytes().chunks(size).for_each(|piece| scan.push(piece));
                let made = scan.finish().unstreamed.map(|unstreamed| {
                    let (at, cut, text) = unstreamed.change();
                    let (at, cut) = (usize::try_from(at).unwrap(), usize::try_from(cut).unwrap());
                    [&body.as_bytes()[..at], text, &body.as_bytes()[at + cut..]].concat()
                });
                assert_eq!(made, crate::streamed(body.as_bytes()), "{body}");
            }
        }
    }

    #[test]
    fn escapes_blanks_and_ends() {
        for (body, model) in [
            (r#"{"mod\u0065l":"a\"b","stream" : true }"#, Some("a\"b")),
            (" \n{\"model\"\t:\n\"x\"}\r\n", Some("x")),
            (r#"{"a":{"model":"inner"},"model":"outer"}"#, Some("outer")),
            (r#"{"model":"x"} x"#, None),
            (r#"{"model":"x"#, None),
            (r#"{"model":["x"]}"#, None),
        ] {
            let mut scan = Scan::new();
            body.bytes().for_each(|b| scan.push(&[b]));
            assert_eq!(scan.finish().model.as_ref().map(Foreign::raw), model, "{body}");
        }
    }
}
