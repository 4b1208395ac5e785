//! A loop of tools: the model asks, the program looks, until there is an answer.
//! `cargo run -p clearline --example tools -- 'What is 17 * 23?'`

use std::io::Write as _;

use clearline::{Ask, Block, Client, Tool, ToolUse};
use serde_json::{Value, json};

/// The most turns of one question: a model that calls tools for ever is not followed.
const TURNS: usize = 8;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::from_env(|name| std::env::var(name).ok())?;
    let question = std::env::args().nth(1).unwrap_or_else(|| "What is 17 * 23?".to_owned());
    let schema = json!({
        "type": "object", "required": ["a", "b"],
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
    });
    let tool = Tool::new("multiply", "Multiplies two numbers", schema);
    let mut ask = Ask::new("claude-sonnet-5-5", 1_024).tool(tool).user(&question);
    let mut out = std::io::stdout().lock();
    for _ in 0..TURNS {
        let message = client.create(&ask).await?;
        let results: Vec<Block> = message.tool_uses().map(|tool| use_tool(&tool)).collect();
        if results.is_empty() {
            writeln!(out, "{}", message.text())?;
            return Ok(());
        }
        ask = ask.answer(&message).user_blocks(&results);
    }
    Err("the model still calls tools".into())
}

fn use_tool(tool: &ToolUse<'_>) -> Block {
    let number = |name: &str| tool.input.get(name).and_then(Value::as_f64);
    match (tool.name, number("a"), number("b")) {
        ("multiply", Some(a), Some(b)) => tool.result(&(a * b).to_string()),
        ("multiply", ..) => tool.error("a and b must be numbers"),
        (other, ..) => tool.error(&format!("there is no tool \"{other}\"")),
    }
}
