//! The admin pages: metrics, health, readiness, and a short status.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use clearline_model::Cause;
use http::header::{CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;

use crate::metrics::Metrics;
use crate::options::LogTarget;
use crate::readers::Readers;
use crate::visitors::Visitors;

/// What the pages show.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) readers: Arc<Readers>,
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) addr: SocketAddr,
    pub(crate) gateway: SocketAddr,
    pub(crate) log: LogTarget,
    pub(crate) client: clearline::Client,
}

/// Serves the pages until it is dropped.
pub(crate) async fn serve(listener: TcpListener, shown: Shown) {
    let pages = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/", get(status))
        .layer(middleware::from_fn_with_state(shown.clone(), check_host))
        .with_state(shown);
    // `axum::serve` ends only with its task.
    let _ended = axum::serve(Visitors::new(listener), pages).await.is_err();
}

/// On loopback, a name in `Host` that is not loopback's is a web page that rebinds its name.
async fn check_host(State(shown): State<Shown>, request: Request, next: Next) -> Response {
    if shown.addr.ip().is_loopback() && !is_loopback(request.headers()) {
        return StatusCode::MISDIRECTED_REQUEST.into_response();
    }
    next.run(request).await
}

fn is_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|v| v.to_str().ok()?.parse::<Authority>().ok());
    host.is_some_and(|authority| {
        let name = authority.host();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

async fn metrics(State(shown): State<Shown>) -> impl IntoResponse {
    let mut text = shown.readers.metrics(shown.client.now());
    text.push_str(&Metrics::upstreams(&shown.client.down()));
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

async fn ready(State(shown): State<Shown>) -> impl IntoResponse {
    if shown.draining.load(Ordering::Acquire) {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned());
    }
    if shown.readers.metrics.callers_wait.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("callers wait: {}\n", Cause::ConfigFdLimit));
    }
    let all = shown.client.down();
    let down: Vec<_> = all.iter().filter_map(|(name, why)| Some((name, (*why)?))).collect();
    if down.is_empty() || down.len() < all.len() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let line = |(name, cause): &(&String, Cause)| match name.as_str() {
        "" => format!("down: {cause}\n"),
        name => format!("down: {name} {cause}\n"),
    };
    (StatusCode::SERVICE_UNAVAILABLE, down.iter().map(line).collect())
}

async fn status(State(shown): State<Shown>) -> impl IntoResponse {
    let summary = shown.readers.summary();
    let by = |(cause, n, id): &(Cause, u64, Option<String>)| serde_json::json!({ "cause": cause, "calls": n, "last_request_id": id });
    let log = match &shown.log {
        LogTarget::None => "none".to_owned(),
        LogTarget::Stderr => "stderr".to_owned(),
        LogTarget::File(path) => path.display().to_string(),
    };
    let page = serde_json::json!({
        "schema": "clearline.gateway-status/1",
        "listen": shown.gateway.to_string(),
        "state": if shown.draining.load(Ordering::Acquire) { "draining" } else { "ready" },
        "log": log,
        "alerts": shown.readers.alerts(),
        "upstreams": shown.client.down().iter().map(|(name, down)| serde_json::json!({ "name": name, "down": down })).collect::<Vec<_>>(),
        "in_flight": shown.readers.metrics.in_flight.load(Ordering::Relaxed),
        "connections": shown.readers.metrics.connections.load(Ordering::Relaxed),
        "calls": summary.calls,
        "succeeded": summary.succeeded,
        "after_retries": summary.after_retries,
        "failed": summary.failed,
        "left": summary.left,
        "attempts": summary.attempts,
        "failed_by": summary.failed_by.iter().map(by).collect::<Vec<_>>(),
    });
    ([(CONTENT_TYPE, "application/json")], format!("{page}\n"))
}
