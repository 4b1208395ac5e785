//! The admin listener: events to wait for, counts, and another scenario.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::answer::reason;
use crate::conn::{Conn, Request};
use crate::scenario::Scenario;
use crate::state::State;

/// The longest wait for an event, milliseconds.
const WAIT_MAX: u64 = 60_000;

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => drop(connections.spawn(connection(stream, Arc::clone(&state)))),
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn connection(stream: TcpStream, state: Arc<State>) {
    let mut conn = Conn::new(stream);
    while let Ok(mut request) = conn.head().await {
        if conn.body(&mut request).await.is_err() {
            return;
        }
        let (status, body) = answer(&request, &state).await;
        let body = format!("{body}\n");
        let closing = if request.keeps_alive { "" } else { "connection: close\r\n" };
        let head = format!(
            "HTTP/1.1 {status} {}\r\ncontent-type: application/json\r\n{closing}content-length: {}\r\n\r\n",
            reason(status),
            body.len()
        );
        if conn.write((head + &body).as_bytes()).await.is_err() || !request.keeps_alive {
            return;
        }
    }
}

async fn answer(request: &Request, state: &State) -> (u16, Value) {
    let number = |name: &str| request.query(name).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
    match (request.method.as_str(), request.path()) {
        ("GET", "/healthz") => (200, json!({"ok": true})),
        ("GET", "/stats") => (200, json!(state.tally())),
        ("GET", "/events") => {
            let wait = Duration::from_millis(number("wait_ms").min(WAIT_MAX));
            (200, json!({"events": state.log.poll(number("after"), wait).await}))
        }
        ("POST", "/reset") => {
            state.restart();
            (200, json!({"ok": true}))
        }
        ("PUT" | "POST", "/scenario") => match Scenario::parse(&String::from_utf8_lossy(&request.body)) {
            Ok(scenario) => {
                state.replace(scenario);
                (200, json!({"ok": true}))
            }
            Err(error) => (400, json!({"error": error.to_string()})),
        },
        _ => (404, json!({"error": "GET /events, /stats, /healthz; PUT /scenario; POST /reset"})),
    }
}
