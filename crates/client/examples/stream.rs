//! A stream as it comes, with a pool of keys: `cargo run -p clearline --example stream`.

use std::io::Write as _;

use clearline::{Client, PoolKey};
use http_body_util::BodyExt as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let variable = |name: &str| std::env::var(name).ok();
    let base_url = variable("ANTHROPIC_BASE_URL").unwrap_or_else(|| clearline::DEFAULT_BASE_URL.to_owned());
    let mut keys = Vec::new();
    for path in std::env::args().skip(1) {
        keys.push(PoolKey::from_file(&path, path.as_ref())?);
    }
    let client = Client::builder(&base_url).keys(keys).environment(&variable)?.build()?;
    let body = serde_json::json!({
        "model": "claude-sonnet-5-5", "max_tokens": 256, "stream": true,
        "messages": [{"role": "user", "content": "Tell me about harbours."}],
    });
    let mut reply = client.post_json("/v1/messages", &body).await?;
    let mut out = std::io::stdout().lock();
    while let Some(frame) = reply.body.frame().await {
        // An error here means that the answer broke: what came before is not the whole.
        if let Ok(bytes) = frame?.into_data() {
            out.write_all(&bytes)?;
        }
    }
    writeln!(out, "{} after {} attempts", reply.status, reply.attempts)?;
    Ok(())
}
