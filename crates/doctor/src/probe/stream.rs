//! The streaming call, watched event by event.

use bytes::Bytes;
use clearline_model::{Dur, Fact, Failure, Framing, Limit, Pace, Path, Seen, Sent, Stage, StreamEnd};
use clearline_net::{Conn, SendLimits};
use clearline_wire::Watch;
use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::http::{Answer, BODY_MAX, answered, clock, head, is_misnamed, no_answer, request};
use crate::world::World;

/// The most of a stream that is read, bytes: more than the longest message has.
const BYTES_MAX: usize = 64 << 20;

/// What came, and how.
struct Read {
    body: Vec<u8>,
    /// How much came, bytes.
    bytes: usize,
    /// Complete with `message_stop`, ended without it, or broken.
    end: Result<bool, Failure>,
    pace: Pace,
    watch: Watch,
}

/// One token, streamed, or the user's own body: complete only with `message_stop`.
pub(super) async fn call(world: &World, path: &Path, mut conn: Conn, limit: Dur) -> Vec<Fact> {
    let path = &Path { body: world.goal.body, ..path.clone() };
    let own = world.options.body.clone();
    let body = own.unwrap_or_else(|| smallest(&world.options.model));
    let is_asked = asks_for_a_stream(&body);
    let Some(request) = request(world, Method::POST, "/v1/messages", true, Some(Bytes::from(body))) else {
        return Vec::new();
    };
    let begun = Instant::now();
    let limits = SendLimits { send: limit, first_byte: limit.scale(2, 1) };
    let response = match conn.send(request, &limits).await {
        Ok(response) => response,
        Err(fault) => return vec![world.fault(path, &fault, begun.elapsed().into())],
    };
    let (parts, incoming) = response.into_parts();
    let mut body = clearline_net::Body::new(incoming, conn, None);
    let sized = parts.headers.contains_key("content-length");
    let read = read_all(&mut body, (begun, limit, longest(world)), sized).await;
    let took = Dur::from(begun.elapsed());
    let (stage, saw) = judged((parts.status.as_u16(), is_asked), &parts.headers, &read);
    let failed = saw.is_err();
    let bare = Path { client: None, ..path.clone() };
    let mut facts = Vec::new();
    if saw == Err(Failure::Framing(Framing::WrongContentType)) {
        // The official SDKs do not look at it.
        facts.push(world.fact(path, stage, Ok(Seen::Complete), (Sent::Yes, took)));
        facts.push(world.fact(&bare, stage, saw, (Sent::Yes, took)));
    } else {
        facts.push(world.fact(path, stage, saw, (Sent::Yes, took)));
    }
    let own = world.target.path("/v1/messages");
    facts.extend(super::http::redirected(world, path, (parts.status.as_u16(), &parts.headers), &own));
    if matches!(read.end, Err(_) | Ok(false)) && stage >= Stage::Body {
        facts.push(world.said(&bare, stage, "bytes", &read.bytes.to_string()));
    }
    if failed {
        let shown = head(parts.status.as_u16(), &parts.headers);
        facts.push(world.fact(&bare, Stage::Body, Ok(shown), (Sent::Yes, took)));
    }
    if read.pace.events > 0 {
        facts.push(world.fact(&bare, Stage::Stream, Ok(Seen::Paced(read.pace)), (Sent::Yes, took)));
    }
    facts.extend(clock(world, &parts.headers));
    facts
}

fn smallest(model: &str) -> Vec<u8> {
    serde_json::json!({
        "model": model, "max_tokens": 1, "stream": true, "messages": [{"role": "user", "content": "Hi"}],
    })
    .to_string()
    .into_bytes()
}

/// How long a stream may take that never ends: what the doctor asks for by itself is one token.
fn longest(world: &World) -> Dur {
    const OWN: Dur = Dur::secs(15);
    const ANY: Dur = Dur::secs(600);
    if world.options.body.is_some() || world.options.deep { ANY } else { OWN }
}

/// Reads to the end, `message_stop`, a silence that is longer than the limit, or what no stream needs: the longest time, or too
/// many bytes.
async fn read_all(body: &mut clearline_net::Body, how: (Instant, Dur, Dur), sized: bool) -> Read {
    let (begun, limit, longest) = how;
    let mut read = Read {
        body: Vec::new(),
        bytes: 0,
        end: Ok(false),
        pace: Pace { events: 0, first: Dur::ZERO, last: Dur::ZERO, gap: Dur::ZERO, sized },
        watch: Watch::new(),
    };
    let mut marks = Vec::new();
    let mut before: Option<Instant> = None;
    loop {
        let silence = limit.scale(2, 1);
        let next = tokio::time::timeout(silence.into(), body.frame()).await;
        let gap = before.map_or(Dur::ZERO, |b| b.elapsed().into());
        read.pace.gap = read.pace.gap.max(gap);
        let data = match next {
            Err(_silent) => {
                read.end = Err(Failure::TimedOut(Limit::Idle));
                return read;
            }
            Ok(None) => return read,
            Ok(Some(Err(fault))) => {
                read.end = Err(fault.failure);
                return read;
            }
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        before = Some(Instant::now());
        marks.clear();
        read.watch.push(&data, &mut marks);
        let events = u32::try_from(marks.len()).unwrap_or(u32::MAX);
        if events > 0 && read.pace.events == 0 {
            read.pace.first = begun.elapsed().into();
        }
        read.pace.events = read.pace.events.saturating_add(events);
        read.pace.last = begun.elapsed().into();
        read.bytes = read.bytes.saturating_add(data.len());
        if read.body.len() < BODY_MAX {
            read.body.extend_from_slice(&data);
        }
        if read.bytes > BYTES_MAX || Dur::from(begun.elapsed()) > longest {
            // Whatever keeps it alive, it makes no progress.
            read.end = Err(Failure::TimedOut(Limit::Idle));
            return read;
        }
        if read.watch.complete() {
            read.end = rest(body).await;
            return read;
        }
    }
}

/// What follows `message_stop`: the official SDKs read to the end of the body, and fail where that is no clean one.
async fn rest(body: &mut clearline_net::Body) -> Result<bool, Failure> {
    const PATIENCE: Dur = Dur::millis(250);
    let drain = async {
        while let Some(frame) = body.frame().await {
            frame.map_err(|fault| fault.failure)?;
        }
        Ok(true)
    };
    // Whoever takes longer has said all that counts.
    tokio::time::timeout(PATIENCE.into(), drain).await.unwrap_or(Ok(true))
}

fn has(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|w| w == part)
}

/// What became of the stream.
fn judged(
    (status, is_asked): (u16, bool),
    headers: &HeaderMap,
    read: &Read,
) -> (Stage, Result<Seen, Failure>) {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let is_stream = text("content-type").to_ascii_lowercase().starts_with("text/event-stream");
    if status >= 400 {
        let answer = Answer { status, headers: headers.clone(), body: read.body.clone(), broke: None };
        return (Stage::Head, Err(answered(&answer)));
    }
    let answer = || Answer { status, headers: headers.clone(), body: read.body.clone(), broke: None };
    if (300..400).contains(&status) {
        return (Stage::Head, Err(no_answer(&answer())));
    }
    // Clients undo the encoding that is named, whatever they could have read without it.
    if is_misnamed(headers, &read.body) {
        return (Stage::Body, Err(Failure::Framing(Framing::Encoding)));
    }
    if !is_stream && read.pace.events == 0 {
        return (Stage::Body, whole(read, &answer(), is_asked));
    }
    // What other vendors' streams end with.
    if read.end == Ok(false) && has(&read.body, b"data: [DONE]") {
        return (Stage::Stream, Err(Failure::Framing(Framing::Malformed)));
    }
    if !is_stream && read.end == Ok(true) {
        return (Stage::Stream, Err(Failure::Framing(Framing::WrongContentType)));
    }
    let saw = match read.end {
        Err(Failure::TimedOut(_)) => Err(Failure::TimedOut(Limit::Idle)),
        Err(_) if read.pace.sized && read.watch.complete() => Err(Failure::Framing(Framing::Short)),
        Err(Failure::Reset) => Err(Failure::Ended(StreamEnd::Reset)),
        Err(_) => Err(Failure::Ended(StreamEnd::Cut)),
        Ok(_) => match read.watch.end(true) {
            None => Ok(Seen::Complete),
            Some(end) => Err(Failure::Ended(end)),
        },
    };
    (Stage::Stream, saw)
}

/// Whether a body asks for a stream.
fn asks_for_a_stream(body: &[u8]) -> bool {
    let value = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    value.get("stream").and_then(serde_json::Value::as_bool) == Some(true)
}

/// An answer that is no stream: a whole message is well where the body did not ask for a stream. Where it did, the official SDKs
/// find no event in it.
fn whole(read: &Read, answer: &Answer, is_asked: bool) -> Result<Seen, Failure> {
    if let Err(failure) = read.end {
        return Err(if failure == Failure::Reset { failure } else { Failure::Framing(Framing::Short) });
    }
    let value = serde_json::from_slice::<serde_json::Value>(&read.body).ok();
    let is_message = |m: &serde_json::Value| m.get("type").and_then(|t| t.as_str()) == Some("message");
    match (value, read.body.trim_ascii_start().first()) {
        (Some(value), _) if is_message(&value) && !is_asked => Ok(Seen::Complete),
        // JSON of another kind, or broken JSON: whoever wrote it meant to answer in the API's place.
        (Some(value), _) if value.is_object() => Err(Failure::Framing(Framing::Malformed)),
        (None, Some(b'{')) => Err(Failure::Framing(Framing::Malformed)),
        _ => Err(no_answer(answer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_message_is_no_answer_to_a_call_for_a_stream() {
        let body = br#"{"type":"message","content":[]}"#.to_vec();
        let pace = Pace { events: 0, first: Dur::ZERO, last: Dur::ZERO, gap: Dur::ZERO, sized: true };
        let read = Read { bytes: body.len(), body, end: Ok(false), pace, watch: Watch::new() };
        let told = |own: &[u8]| judged((200, asks_for_a_stream(own)), &HeaderMap::new(), &read).1;
        assert_eq!(told(br#"{"stream":false}"#), Ok(Seen::Complete));
        assert_eq!(told(b"no JSON"), Ok(Seen::Complete));
        assert_eq!(told(&smallest("m")), Err(Failure::Framing(Framing::Malformed)));
    }
}
