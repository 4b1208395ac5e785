//! A caller as simple as they come: one request, no second try, and a close look at the answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use clearline_model::Dur;
use clearline_wire::{Mark, Parser, Watch};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::demo::Planned;

/// What a caller states as its own limit, and keeps.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// How far a side is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) done: AtomicU64,
    pub(crate) well: AtomicU64,
}

/// With which credential a call is made.
pub(crate) type Credential = fn(u32) -> &'static str;

/// How one call ended for its caller.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// Its answer was whole and right.
    pub(crate) well: bool,
    /// It looked like a success and was not the right answer.
    pub(crate) corrupt: bool,
    /// Some of the answer's body had reached the caller.
    pub(crate) delivered: bool,
    /// In words, where it failed.
    pub(crate) why: String,
    pub(crate) took: Dur,
}

/// Makes all calls, each at its time, and returns how they ended, in their order.
pub(crate) async fn run(
    addr: SocketAddr,
    calls: Arc<Vec<Planned>>,
    credential: Credential,
    progress: Arc<Progress>,
) -> Vec<Ended> {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..calls.len())
        .map(|i| {
            let (calls, progress) = (Arc::clone(&calls), Arc::clone(&progress));
            tokio::spawn(async move {
                let call = calls.get(i)?;
                tokio::time::sleep_until(begun + call.at).await;
                let ended = one(addr, call, credential(call.n)).await;
                progress.done.fetch_add(1, Ordering::Relaxed);
                progress.well.fetch_add(u64::from(ended.well), Ordering::Relaxed);
                Some(ended)
            })
        })
        .collect();
    let mut all = Vec::with_capacity(tasks.len());
    for task in tasks {
        all.extend(task.await.ok().flatten());
    }
    all
}

async fn one(addr: SocketAddr, call: &Planned, key: &str) -> Ended {
    let begun = Instant::now();
    let mut seen = Seen::default();
    let result = tokio::time::timeout(DEADLINE, exchange(addr, call, key, &mut seen)).await;
    let result = result.unwrap_or_else(|_| Err(format!("no answer within {} s", DEADLINE.as_secs())));
    let expected = clearline_sim::expected_text(&call.body);
    let right = seen.text == expected;
    Ended {
        well: result.is_ok() && right,
        corrupt: result.is_ok() && !right,
        delivered: seen.bytes > 0,
        why: result.err().unwrap_or_else(|| if right { String::new() } else { "the wrong text".to_owned() }),
        took: begun.elapsed().into(),
    }
}

/// What reached the caller.
#[derive(Debug, Default)]
struct Seen {
    text: String,
    /// Bytes of the body of a success.
    bytes: usize,
}

async fn exchange(addr: SocketAddr, call: &Planned, key: &str, seen: &mut Seen) -> Result<(), String> {
    let failed = |e: &dyn std::fmt::Display| e.to_string();
    let stream = TcpStream::connect(addr).await.map_err(|e| failed(&e))?;
    let (mut send, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| failed(&e))?;
    // It ends with the exchange; what went wrong is told there.
    let driver = tokio::spawn(async move { drop(connection.await) });
    let request = Request::post("/v1/messages")
        .header("host", addr.to_string())
        .header("content-type", "application/json")
        .header("anthropic-version", "2023-06-01")
        .header("x-api-key", key)
        .header("x-stainless-timeout", DEADLINE.as_secs())
        .header("x-request-id", format!("demo-{:04}", call.n))
        .body(Full::new(Bytes::from(call.body.to_string())))
        .map_err(|e| failed(&e))?;
    let result = match send.send_request(request).await {
        Ok(response) => read(response, call.stream, seen).await,
        Err(e) => Err(failed(&e)),
    };
    driver.abort();
    result
}

async fn read(response: Response<Incoming>, stream: bool, seen: &mut Seen) -> Result<(), String> {
    let (head, body) = response.into_parts();
    if !head.status.is_success() {
        return Err(format!("status {}", head.status.as_u16()));
    }
    if stream { read_events(body, seen).await } else { read_message(body, seen).await }
}

async fn read_message(mut body: Incoming, seen: &mut Seen) -> Result<(), String> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|e| e.to_string())?.into_data() {
            seen.bytes += data.len();
            all.extend_from_slice(&data);
        }
    }
    let message: serde_json::Value = serde_json::from_slice(&all).map_err(|e| e.to_string())?;
    let blocks = message.get("content").and_then(|c| c.as_array()).cloned().unwrap_or_default();
    seen.text = blocks.iter().filter_map(|b| b.get("text")?.as_str()).collect();
    Ok(())
}

async fn read_events(mut body: Incoming, seen: &mut Seen) -> Result<(), String> {
    let (mut watch, mut parser, mut marks) = (Watch::new(), Parser::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|e| e.to_string())?.into_data() else { continue };
        seen.bytes += data.len();
        watch.push(&data, &mut marks);
        parser
            .push(&data, |event| seen.text.push_str(&delta(event.data)))
            .map_err(|_| "an event too long")?;
        for mark in marks.drain(..) {
            if let Mark::Error(error) = mark {
                return Err(format!("error event {}", error.type_.escaped()));
            }
        }
    }
    watch.end(true).map_or(Ok(()), |end| Err(format!("the stream ended {end:?}").to_lowercase()))
}

/// The text that an event adds.
fn delta(data: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
    let text = value.get("delta").and_then(|d| d.get("text")).and_then(|t| t.as_str());
    text.unwrap_or_default().to_owned()
}
