//! Streams, whole and broken.

use clearline_sim::{SimEventKind, expected_text};
use serde_json::{Value, json};

use crate::common::{Reply, connect, hi, message, sim};

fn events(text: &str) -> Vec<(String, Value)> {
    let read = |event: &str| {
        let (name, data) = event.split_once('\n').unwrap();
        let name = name.strip_prefix("event: ").unwrap().to_owned();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(data["type"], name);
        (name, data)
    };
    text.split_terminator("\n\n").map(read).collect()
}

fn names(reply: &Reply) -> Vec<String> {
    events(&reply.text()).into_iter().map(|(name, _)| name).collect()
}

#[tokio::test]
async fn a_stream_has_the_api_s_order_and_the_expected_text() {
    let sim = sim("").await;
    let mut client = connect(&sim).await;
    let reply = client.ask(&message(true)).await;
    assert!(reply.header("content-type").unwrap().starts_with("text/event-stream"));
    let events = events(&reply.text());
    let all: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(all[..3], ["message_start", "content_block_start", "ping"]);
    assert_eq!(all[all.len() - 3..], ["content_block_stop", "message_delta", "message_stop"]);
    let deltas = &events[3..events.len() - 3];
    assert_eq!(deltas.len(), 5, "as many as the scenario says");
    let text: String = deltas.iter().map(|(_, d)| d["delta"]["text"].as_str().unwrap()).collect();
    assert_eq!(text, expected_text(&hi(true)));
    assert_eq!(events[0].1["message"]["stop_reason"], Value::Null);
    assert_eq!(events[events.len() - 2].1["delta"]["stop_reason"], "end_turn");
    sim.wait_for(|e| e.kind == SimEventKind::StreamEnded { complete: true }).await;
    assert_eq!(client.ask(&message(false)).await.status, 200, "the connection goes on");
}

#[tokio::test]
async fn an_error_event_comes_after_that_many_events_inside_a_200() {
    for at in [0, 1, 6] {
        let sim = sim(&format!(
            "[[fault]]\nname = \"it\"\nerror_event = {{ at = {at}, kind = \"overloaded_error\", message = \"Overloaded\" }}\n"
        ))
        .await;
        let reply = connect(&sim).await.ask(&message(true)).await;
        let events = events(&reply.text());
        assert_eq!((reply.status, events.len()), (200, at + 1));
        assert_eq!(events[at].1["error"], json!({"type": "overloaded_error", "message": "Overloaded"}));
        sim.wait_for(|e| e.kind == SimEventKind::StreamEnded { complete: false }).await;
        let calm = connect(&sim).await.ask(&message(false)).await;
        assert_eq!(calm.json()["type"], "message", "only streams have events");
    }
}

#[tokio::test]
async fn an_early_end_is_clean_and_a_cut_is_not() {
    let early = sim("[[fault]]\nname = \"it\"\nend_early_at_event = 5\n").await;
    let reply = connect(&early).await.ask(&message(true)).await;
    assert_eq!(names(&reply).len(), 5);
    assert!(!names(&reply).contains(&"message_stop".to_owned()));
    early.wait_for(|e| e.kind == SimEventKind::StreamEnded { complete: false }).await;

    let cut = sim("[[fault]]\nname = \"it\"\ncut_at_event = 5\n").await;
    let mut client = connect(&cut).await;
    client.send(&message(true)).await;
    let (text, error) = client.rest().await;
    assert_eq!((text.matches("event: ").count(), error), (5, None));
    assert!(!text.ends_with("0\r\n\r\n"), "{text}");
    cut.wait_for(|e| e.kind == SimEventKind::StreamEnded { complete: false }).await;
}
