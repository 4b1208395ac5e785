//! Requests that cost nothing, again and again over one connection: what comes and goes, and what a connection endures.

use clearline_diagnose::Probe;
use clearline_model::{Dur, Fact, Failure, Path, Seen, Sent, Stage};
use http::Method;
use tokio::time::Instant;

use super::http::{MODELS, ask, listed, open, reached, request};
use crate::world::World;

/// So many times, for as long as the limit allows: with the key where there is one, else without.
pub(super) async fn free(world: &World, probe: &Probe) -> Vec<Fact> {
    let mut conn = match open(world, probe).await {
        Ok(conn) => conn,
        Err(fact) => return vec![*fact],
    };
    let has_key = world.settings.has_credential();
    let credential = Some(if has_key { "key" } else { "" }.to_owned());
    let path = Path { reused: Some(true), credential, ..probe.path.clone() };
    let (begun, mut facts, mut bytes) = (Instant::now(), Vec::new(), 0_usize);
    for _ in 0..probe.times {
        if Dur::from(begun.elapsed()) > probe.limit || !conn.is_usable() {
            break;
        }
        let asked = if has_key { MODELS } else { "/v1/messages" };
        let Some(request) = request(world, Method::GET, asked, has_key, None) else { break };
        let one = Instant::now();
        let saw = match ask(&mut conn, request, probe.limit).await {
            Ok(answer) => {
                bytes = bytes.saturating_add(answer.body.len());
                let saw = if has_key { listed(&answer) } else { reached(&answer) };
                // Which of the two it is does not matter here, and a gateway need not know either.
                if matches!(saw, Err(Failure::Status(400..=499, ..))) { continue } else { saw }
            }
            Err(fault) => Err(fault.failure),
        };
        let ended = saw.is_err();
        facts.push(world.fact(&path, Stage::Head, saw, (Sent::Yes, one.elapsed().into())));
        if ended && !conn.is_usable() {
            facts.push(world.said(&path, Stage::Body, "bytes", &bytes.to_string()));
        }
    }
    facts
}

/// A request, a silence of the path's length, and another request over the same connection.
pub(super) async fn reuse(world: &World, probe: &Probe) -> Vec<Fact> {
    let mut conn = match open(world, probe).await {
        Ok(conn) => conn,
        Err(fact) => return vec![*fact],
    };
    let path = Path { reused: Some(true), credential: Some(String::new()), ..probe.path.clone() };
    let ask_once = async |conn: &mut clearline_net::Conn| {
        let request = request(world, Method::GET, "/v1/messages", false, None)?;
        Some(ask(conn, request, probe.limit).await)
    };
    if !matches!(ask_once(&mut conn).await, Some(Ok(_))) || !conn.is_usable() {
        return vec![world.said(&path, Stage::Head, "reuse", "not-kept")];
    }
    tokio::time::sleep(path.idle.unwrap_or(Dur::secs(2)).into()).await;
    // A server that closes an idle connection says so, and clients see it: no fault.
    if !conn.is_usable() {
        return vec![world.said(&path, Stage::Head, "reuse", "closed")];
    }
    let begun = Instant::now();
    let saw = match ask_once(&mut conn).await {
        Some(Ok(_)) => Ok(Seen::Connected),
        Some(Err(fault)) => Err(fault.failure),
        None => return Vec::new(),
    };
    vec![world.fact(&path, Stage::Head, saw, (Sent::Yes, begun.elapsed().into()))]
}
