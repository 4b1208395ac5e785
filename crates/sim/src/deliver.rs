//! An answer on its way to the client, with what the rule does to it.

use std::time::Duration;

use crate::answer::{Answer, Content, event, reason};
use crate::conn::{Conn, Wire};
use crate::rules::{Action, Closing, ErrorEvent};

/// How an answer is sent.
pub(crate) struct How<'a> {
    /// Before the head.
    pub(crate) first_byte: Duration,
    /// Before each event.
    pub(crate) chunk: Duration,
    pub(crate) action: Option<&'a Action>,
    /// A HEAD has no body.
    pub(crate) bodyless: bool,
    pub(crate) keeps_alive: bool,
    /// How many times faster than the scenario's time.
    pub(crate) factor: f64,
}

/// What became of the connection.
pub(crate) enum Left<W> {
    /// It takes the next request.
    Open(Conn<W>),
    /// The simulator ended it.
    Closed,
    /// The client left, while this was done.
    Gone(&'static str),
}

/// What was sent of a body.
pub(crate) struct Sent<W> {
    pub(crate) left: Left<W>,
    /// A stream was sent to its `message_stop`; `None` for what is no stream.
    pub(crate) complete: Option<bool>,
}

fn plain<W>(left: Left<W>) -> Sent<W> {
    Sent { left, complete: None }
}

/// The head's bytes.
fn head(answer: &Answer, length: Option<usize>, how: &How<'_>) -> String {
    let mut text = format!("HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
    for (name, value) in &answer.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    match length {
        Some(length) => text.push_str(&format!("content-length: {length}\r\n")),
        None => text.push_str("transfer-encoding: chunked\r\n"),
    }
    if !how.keeps_alive {
        text.push_str("connection: close\r\n");
    }
    text.push_str("\r\n");
    text
}

/// Sends an answer.
pub(crate) async fn deliver<W: Wire>(mut conn: Conn<W>, answer: &Answer, how: &How<'_>) -> Sent<W> {
    if !conn.pause(Some(how.first_byte)).await {
        return plain(Left::Gone("answer"));
    }
    match &answer.content {
        Content::Body(body) => plain(send_body(conn, answer, body, how).await),
        // A length can be wrong only where one is announced.
        Content::Events(events) if matches!(how.action, Some(Action::LyingLength(_))) => {
            let left = send_body(conn, answer, events.concat().as_bytes(), how).await;
            Sent { left, complete: Some(true) }
        }
        Content::Events(events) => send_events(conn, answer, events, how).await,
    }
}

async fn send_body<W: Wire>(mut conn: Conn<W>, answer: &Answer, body: &[u8], how: &How<'_>) -> Left<W> {
    let stated = match how.action {
        Some(Action::LyingLength(by)) => body.len().saturating_add_signed(isize::try_from(*by).unwrap_or(0)),
        _ => body.len(),
    };
    let head = head(answer, Some(stated), how);
    let half = body.len() / 2;
    let stop = match how.action {
        Some(Action::Reset(Closing::MidBody) | Action::Close(Closing::MidBody) | Action::HalfClose) => {
            Some(half)
        }
        Some(Action::Stall { .. }) => Some(half),
        Some(Action::CutAtByte(n)) => Some((*n).min(body.len())),
        _ => None,
    };
    let shown = if how.bodyless { &[] } else { body.get(..stop.unwrap_or(body.len())).unwrap_or(body) };
    if conn.write(&[head.as_bytes(), shown].concat()).await.is_err() {
        return Left::Gone("answer");
    }
    match (how.action, stop) {
        (Some(Action::Stall { lasts, .. }), Some(at)) => {
            if !conn.pause(faster(*lasts, how.factor)).await {
                return Left::Gone("stall");
            }
            match conn.write(body.get(at..).unwrap_or_default()).await {
                Ok(()) => next(conn, how).await,
                Err(_) => Left::Gone("answer"),
            }
        }
        (Some(action), Some(_)) => end(conn, action).await,
        (Some(Action::LyingLength(_)), None) => {
            conn.close();
            Left::Closed
        }
        _ => next(conn, how).await,
    }
}

/// Ends a connection in the way of an action.
async fn end<W: Wire>(conn: Conn<W>, action: &Action) -> Left<W> {
    if matches!(action, Action::Reset(_)) {
        conn.reset();
    } else if matches!(action, Action::HalfClose) {
        conn.half_close().await;
    } else {
        conn.close();
    }
    Left::Closed
}

async fn next<W: Wire>(conn: Conn<W>, how: &How<'_>) -> Left<W> {
    if how.keeps_alive {
        return Left::Open(conn);
    }
    conn.finish().await;
    Left::Closed
}

/// What happens before the event with this number.
enum Turn<'a> {
    Go,
    Stall(Option<Duration>),
    Error(&'a ErrorEvent),
    /// The clean end of the body.
    Finish,
    /// Another end.
    End(&'a Action),
}

fn turn<'a>(action: Option<&'a Action>, n: usize, all: usize) -> Turn<'a> {
    match action {
        Some(action @ Action::CutAtEvent(at)) if *at == n => Turn::End(action),
        Some(Action::EndEarlyAtEvent(at)) if *at == n => Turn::Finish,
        Some(Action::Stall { event, lasts }) if event.unwrap_or(0) == n => Turn::Stall(*lasts),
        Some(Action::ErrorEvent(error)) if error.at == n => Turn::Error(error),
        Some(
            action @ (Action::Reset(Closing::MidBody) | Action::Close(Closing::MidBody) | Action::HalfClose),
        ) if n == all / 2 => Turn::End(action),
        _ => Turn::Go,
    }
}

async fn send_events<W: Wire>(
    mut conn: Conn<W>,
    answer: &Answer,
    events: &[String],
    how: &How<'_>,
) -> Sent<W> {
    let short = |left| Sent { left, complete: Some(false) };
    if conn.write(head(answer, None, how).as_bytes()).await.is_err() {
        return short(Left::Gone("answer"));
    }
    let mut bytes = 0;
    for (n, text) in events.iter().enumerate() {
        match turn(how.action, n, events.len()) {
            Turn::Go => {}
            Turn::Stall(lasts) => {
                if !conn.pause(faster(lasts, how.factor)).await {
                    return short(Left::Gone("stall"));
                }
            }
            Turn::Error(error) => {
                let data = crate::answer::error(&error.kind, &error.message, None);
                return short(last(conn, &chunk(event("error", &data).as_bytes()), how).await);
            }
            Turn::Finish => return short(last(conn, "", how).await),
            Turn::End(action) => return short(end(conn, action).await),
        }
        if n > 0 && !conn.pause(Some(how.chunk)).await {
            return short(Left::Gone("stream"));
        }
        if let Some(action @ Action::CutAtByte(at)) = how.action
            && bytes + text.len() > *at
        {
            return short(cut_within(conn, text, at - bytes, action).await);
        }
        bytes += text.len();
        if conn.write(chunk(text.as_bytes()).as_bytes()).await.is_err() {
            return short(Left::Gone("stream"));
        }
    }
    Sent { left: last(conn, "", how).await, complete: Some(true) }
}

/// Sends the last chunk and the end of the body.
async fn last<W: Wire>(mut conn: Conn<W>, chunk: &str, how: &How<'_>) -> Left<W> {
    match conn.write(format!("{chunk}0\r\n\r\n").as_bytes()).await {
        Ok(()) => next(conn, how).await,
        Err(_) => Left::Gone("stream"),
    }
}

/// Sends the first bytes of an event and no more. The chunk is announced whole, so that the cut is one for whoever
/// counts.
async fn cut_within<W: Wire>(mut conn: Conn<W>, text: &str, bytes: usize, action: &Action) -> Left<W> {
    let rest = text.as_bytes().get(..bytes).unwrap_or_default();
    match conn.write(&[format!("{:x}\r\n", text.len()).as_bytes(), rest].concat()).await {
        Ok(()) => end(conn, action).await,
        Err(_) => Left::Gone("stream"),
    }
}

fn chunk(bytes: &[u8]) -> String {
    format!("{:x}\r\n{}\r\n", bytes.len(), String::from_utf8_lossy(bytes))
}

/// A time of the scenario in real time.
pub(crate) fn faster(time: Option<Duration>, factor: f64) -> Option<Duration> {
    time.map(|t| t.div_f64(factor))
}
