//! One typed call, set up by the environment: `cargo run -p clearline --example hello`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = clearline::Client::from_env(|name| std::env::var(name).ok())?;
    let answer = client.messages("claude-sonnet-5-5", 64, "Hello").await?;
    write_line(&answer.text)?;
    write_line(&format!("{} attempts, {} tokens out", answer.attempts, answer.usage.output))?;
    Ok(())
}

fn write_line(text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{text}")
}
