//! How much may be sent: a request of a chosen size, without a credential.

use bytes::Bytes;
use clearline_diagnose::Probe;
use clearline_model::{Fact, Path, Sent, Stage};
use http::Method;
use tokio::time::Instant;

use super::http::{answered, ask, head, open, request};
use crate::world::World;

/// A body of the path's size and no credential: the API refuses it for the credential, what stands before it for the size.
pub(super) async fn send(world: &World, probe: &Probe) -> Vec<Fact> {
    let mut conn = match open(world, probe).await {
        Ok(conn) => conn,
        Err(fact) => return vec![*fact],
    };
    let size = usize::try_from(probe.path.body.unwrap_or(0)).unwrap_or(0);
    let body = Bytes::from(padded(size));
    let Some(request) = request(world, Method::POST, "/v1/messages", false, Some(body)) else {
        return Vec::new();
    };
    let path = Path { credential: Some(String::new()), ..probe.path.clone() };
    let begun = Instant::now();
    match ask(&mut conn, request, probe.limit).await {
        Ok(answer) => {
            let refused_for_size = matches!(answer.status, 413 | 494);
            let saw = if refused_for_size {
                Err(answered(&answer))
            } else {
                Ok(head(answer.status, &answer.headers))
            };
            vec![world.fact(&path, Stage::Send, saw, (Sent::Yes, begun.elapsed().into()))]
        }
        Err(fault) => {
            vec![world.fact(&path, Stage::Send, Err(fault.failure), (fault.sent, begun.elapsed().into()))]
        }
    }
}

/// A well-formed request of about so many bytes.
fn padded(size: usize) -> String {
    let body = |content: &str| {
        serde_json::json!({
            "model": "claude-haiku-5-5", "max_tokens": 1, "messages": [{"role": "user", "content": content}],
        })
        .to_string()
    };
    let bare = body("").len();
    body(&"a".repeat(size.saturating_sub(bare)))
}
