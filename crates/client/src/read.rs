//! Reading a body: what of it is held, and what its bytes mean.

use bytes::Bytes;
use clearline_model::{Ask, ErrorKind, Failure, Foreign, Framing, StreamEnd, Usage};
use clearline_wire::stream::{Mark, Watch};
use clearline_wire::{Decode, decoded};
use http::{HeaderMap, StatusCode, header};

use crate::gather::Gather;

/// How the body of an answer is read.
pub(crate) enum Reader {
    /// A stream of events: judged by `message_stop`.
    Events { watch: Box<Watch>, decode: Option<Box<Decode>>, content: bool, error: bool, said: Foreign },
    /// A stream of events of which a whole answer is made.
    Gathered(Box<Gather>),
    /// A success that is complete before it is passed on, unless it is larger than [`WHOLE_MAX`].
    Whole { messages: bool, status: StatusCode, said: Foreign },
    /// A success that is passed on as it comes: what clearline does not know, and what grew too large to be held.
    Passing { seen: bool },
    /// An error answer, kept in case it is the one that the caller gets.
    Error,
}

/// The largest answer that is complete before it is passed on, bytes.
pub(crate) const WHOLE_MAX: u64 = 8 << 20;

/// The most that a compressed answer is unpacked to, bytes.
const UNPACKED_MAX: usize = 64 << 20;

/// The largest error answer that is kept, bytes.
pub(crate) const ERROR_MAX: u64 = 1 << 20;

/// What of an answer had arrived when it broke.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Got {
    pub(crate) usage: Usage,
    pub(crate) text_chars: u64,
    /// A tool's input or a thought had begun.
    pub(crate) tool_or_thinking: bool,
}

/// What the bytes of one frame meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Nothing that decides anything.
    More,
    /// The caller may see it.
    Content,
    /// The stream is complete.
    Complete,
    /// It failed.
    Failed(Failure),
}

/// Whether the content type begins with this.
fn is_type(headers: &HeaderMap, kind: &[u8]) -> bool {
    let begin = headers.get(header::CONTENT_TYPE).and_then(|v| v.as_bytes().get(..kind.len()));
    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(kind))
}

/// What every path that is asked for a message ends with.
const MESSAGES: &str = "/v1/messages";

/// Whether a POST to this path asks for a message.
pub(crate) fn is_messages(path: &str) -> bool {
    clearline_wire::without_query(path).ends_with(MESSAGES)
}

impl Reader {
    /// Chooses by status, by whether a message was asked for, and by content type.
    pub(crate) fn new(ask: Ask, messages: bool, head: (StatusCode, &HeaderMap)) -> Result<Self, Failure> {
        let (status, headers) = head;
        let events = is_type(headers, b"text/event-stream");
        if status.is_informational() {
            // Nobody asked for another protocol.
            return Err(Failure::Framing(Framing::Malformed));
        }
        if status.as_u16() >= 400 {
            return Ok(Self::Error);
        }
        if messages && status.is_redirection() {
            return Err(Failure::Framing(Framing::Redirect));
        }
        if events && messages {
            // An encoding that is not read here passes as it is.
            let Some(decode) = Decode::of(headers) else { return Ok(Self::Passing { seen: false }) };
            let decode = (!decode.is_plain()).then(|| Box::new(decode));
            return Ok(Self::Events {
                watch: Box::default(),
                decode,
                content: false,
                error: false,
                said: Foreign::default(),
            });
        }
        if ask.stream && messages {
            return Err(Failure::Framing(Framing::WrongContentType));
        }
        let json = is_type(headers, b"application/json");
        if messages || json {
            Ok(Self::Whole { messages, status, said: Foreign::default() })
        } else {
            Ok(Self::Passing { seen: false })
        }
    }

    pub(crate) const fn is_events(&self) -> bool {
        matches!(self, Self::Events { .. })
    }

    /// The same answer, but a whole one is made of it where it is a stream.
    pub(crate) fn gathered(self) -> Result<Self, Failure> {
        match self {
            Self::Events { decode: None, .. } => Ok(Self::Gathered(Box::default())),
            // A stream that cannot be read is not what the caller asked for.
            Self::Events { .. } | Self::Passing { .. } => Err(Failure::Framing(Framing::Event)),
            Self::Gathered(_) | Self::Whole { .. } | Self::Error => Ok(self),
        }
    }

    /// What arrives is put together, and is not for the caller.
    pub(crate) const fn gathers(&self) -> bool {
        matches!(self, Self::Gathered(_))
    }

    /// How many of the last bytes belong to an event that is not complete.
    pub(crate) fn open(&self) -> usize {
        match self {
            Self::Events { watch, decode: None, .. } => watch.open(),
            Self::Events { .. }
            | Self::Gathered(_)
            | Self::Whole { .. }
            | Self::Passing { .. }
            | Self::Error => 0,
        }
    }

    /// A stream that text can be put into: it is not compressed.
    pub(crate) const fn is_plain(&self) -> bool {
        matches!(self, Self::Events { decode: None, .. })
    }

    pub(crate) const fn saw_error_event(&self) -> bool {
        matches!(self, Self::Events { error: true, .. })
    }

    /// The words of an error that came inside a success; nothing where there was none.
    pub(crate) fn said(&mut self) -> Option<Foreign> {
        let said = match self {
            Self::Events { said, .. } | Self::Whole { said, .. } => said,
            Self::Gathered(gather) => gather.said(),
            Self::Passing { .. } | Self::Error => return None,
        };
        Some(std::mem::take(said)).filter(|s| !s.raw().is_empty())
    }

    /// Takes one frame; `total` is the length of the body so far, bytes.
    pub(crate) fn take(&mut self, bytes: &Bytes, total: u64) -> Meaning {
        match self {
            Self::Events { watch, decode, content, error, said } => {
                let mut marks = Vec::new();
                let read = match decode {
                    None => {
                        watch.push(bytes, &mut marks);
                        Ok(())
                    }
                    Some(decode) => decode.push(bytes, |piece| watch.push(piece, &mut marks)),
                };
                let mut meaning = Meaning::More;
                for mark in marks {
                    match mark {
                        Mark::Content if !*content => {
                            *content = true;
                            meaning = Meaning::Content;
                        }
                        Mark::Error(api) => {
                            *error = true;
                            *said = api.message;
                            return Meaning::Failed(Failure::Ended(StreamEnd::Error(api.kind)));
                        }
                        // The caller is told in the way that it reads.
                        Mark::Nameless(api) => {
                            *said = api.message;
                            return Meaning::Failed(Failure::Ended(StreamEnd::Error(api.kind)));
                        }
                        Mark::Corrupt => return Meaning::Failed(Failure::Framing(Framing::Event)),
                        Mark::Stop => return Meaning::Complete,
                        Mark::Content | Mark::Start | Mark::Ping | Mark::Delta => {}
                    }
                }
                if let Err(framing) = read {
                    return Meaning::Failed(Failure::Framing(framing));
                }
                meaning
            }
            Self::Gathered(gather) => match gather.take(bytes, total) {
                Ok(true) => Meaning::Complete,
                Ok(false) => Meaning::More,
                Err(failure) => Meaning::Failed(failure),
            },
            Self::Whole { .. } if total > WHOLE_MAX => {
                *self = Self::Passing { seen: true };
                Meaning::Content
            }
            Self::Passing { seen } if !*seen => {
                *seen = true;
                Meaning::Content
            }
            Self::Error if total > ERROR_MAX => Meaning::Complete,
            Self::Whole { .. } | Self::Passing { .. } | Self::Error => Meaning::More,
        }
    }

    /// The body ended cleanly; `held` is all of it where it is read as a whole.
    pub(crate) fn end(&mut self, held: &[u8], headers: &HeaderMap) -> Result<Usage, Failure> {
        match self {
            Self::Events { watch, decode, .. } => {
                let (mut marks, decode) = (Vec::new(), decode.take());
                let unpacked = decode.map(|d| d.finish(|piece| watch.push(piece, &mut marks)));
                match (watch.end(true), unpacked) {
                    (None, _) => Ok(watch.usage()),
                    (Some(_), Some(Err(framing))) => Err(Failure::Framing(framing)),
                    (Some(end), _) => Err(Failure::Ended(end)),
                }
            }
            Self::Gathered(gather) => gather.end().map(|(_, usage)| usage),
            Self::Whole { messages: true, status, said } => judge(*status, headers, held)
                .map_err(|framing| error_inside(framing, (*status, headers, held), said)),
            Self::Whole { messages: false, .. } if clearline_wire::is_cut(headers, held) => {
                Err(Failure::Framing(Framing::Short))
            }
            Self::Whole { messages: false, .. } => Ok(Usage::default()),
            Self::Passing { .. } | Self::Error => Ok(Usage::default()),
        }
    }

    /// What of the answer had arrived.
    pub(crate) fn got(&self) -> Got {
        match self {
            Self::Events { watch, .. } => Got {
                usage: watch.usage(),
                text_chars: watch.text_chars(),
                tool_or_thinking: watch.tool_or_thinking(),
            },
            Self::Gathered(gather) => Got { usage: gather.usage(), ..Got::default() },
            Self::Whole { .. } | Self::Passing { .. } | Self::Error => Got::default(),
        }
    }
}

/// What is no message may be an error that a relay sends with the status of a success: then its own words say what it is.
fn error_inside(framing: Framing, answer: (StatusCode, &HeaderMap, &[u8]), said: &mut Foreign) -> Failure {
    let (status, headers, held) = answer;
    let plain = decoded(headers, held, UNPACKED_MAX).ok().flatten();
    let body = plain.as_deref().unwrap_or(held);
    if framing != Framing::NotMessage || !clearline_wire::tells_error(body) {
        return Failure::Framing(framing);
    }
    let api = clearline_wire::parse_error(status.as_u16(), headers, body);
    if matches!(api.kind, ErrorKind::None | ErrorKind::InvalidRequest) {
        return Failure::Framing(framing);
    }
    *said = api.message;
    Failure::Status(status.as_u16(), api.kind, api.origin)
}

/// Judges a whole success, looking into what is compressed; it costs what it says.
fn judge(status: StatusCode, headers: &HeaderMap, held: &[u8]) -> Result<Usage, Framing> {
    let is_encoded = headers.contains_key(header::CONTENT_ENCODING);
    let usage = if is_encoded {
        // What is not read here, or too large when unpacked, passes unjudged.
        let Some(plain) = decoded(headers, held, UNPACKED_MAX)? else { return Ok(Usage::default()) };
        clearline_wire::judge(MESSAGES, status.as_u16(), &HeaderMap::new(), &plain)?
    } else {
        clearline_wire::judge(MESSAGES, status.as_u16(), headers, held)?
    };
    Ok(usage.unwrap_or_default())
}
