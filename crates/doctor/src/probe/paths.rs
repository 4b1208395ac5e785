//! Under which path a gateway serves the API.

use clearline_diagnose::Probe;
use clearline_model::{Fact, Path, Stage};
use http::Request;
use http_body_util::Full;

use super::http::{ask, open};
use crate::world::World;

/// The prefixes under which gateways serve the API, the most usual first.
const PREFIXES: [&str; 10] = [
    "",
    "/anthropic",
    "/api",
    "/api/anthropic",
    "/claude",
    "/llm",
    "/proxy/anthropic",
    "/gateway/anthropic",
    "/llm/anthropic",
    "/api/v1/anthropic",
];

/// Asks for the Messages API under each of them, without a key, until one answers as the API does.
pub(super) async fn serve(world: &World, probe: &Probe) -> Vec<Fact> {
    let path = Path { credential: Some(String::new()), ..probe.path.clone() };
    let own = world.target.base_path.as_str();
    let mut conn = None;
    for prefix in PREFIXES.into_iter().filter(|p| *p != own) {
        let mut open_one = match conn.take() {
            Some(open) => open,
            None => match open(world, probe).await {
                Ok(open) => open,
                Err(_) => return Vec::new(),
            },
        };
        let request = Request::builder()
            .uri(format!("{prefix}/v1/messages"))
            .header("host", world.target.authority())
            .header("anthropic-version", "2023-06-01")
            .body(Full::default());
        let Ok(request) = request else { continue };
        let Ok(answer) = ask(&mut open_one, request, probe.limit).await else { continue };
        if answer.headers.contains_key("request-id") || clearline_wire::is_api_shape(&answer.body) {
            let named = if prefix.is_empty() { "/" } else { prefix };
            return vec![world.said(&path, Stage::Head, "path.serves", named)];
        }
        conn = Some(open_one).filter(clearline_net::Conn::is_usable);
    }
    vec![world.said(&path, Stage::Head, "path.serves", "none")]
}
