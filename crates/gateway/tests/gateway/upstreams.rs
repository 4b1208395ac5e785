//! Several upstreams: who gets what, what happens when one fails, and whose credentials go where.

use clearline::Route;
use clearline_model::Dur;
use clearline_policy::Hedge;
use clearline_sim::{Sim, SimEventKind};
use serde_json::Value;

use crate::common::{
    BODY, QUICK, Served, ask, keyed, parts, post, raw, requests, serve, serve_all, sim, upstream,
};

async fn well() -> Sim {
    sim(QUICK).await
}

async fn failing(fault: &str) -> Sim {
    sim(&format!("{QUICK}[[fault]]\nname = \"it\"\n{fault}\n")).await
}

/// The keys that a simulator has seen.
fn keys_at(sim: &Sim) -> Vec<String> {
    let key = |event| if let SimEventKind::Request { key, .. } = event { key } else { None };
    let mut keys: Vec<_> = requests(sim).into_iter().filter_map(|e| key(e.kind)).collect();
    keys.dedup();
    keys
}

async fn readyz(served: &Served) -> (u16, String) {
    let answer =
        raw(served.admin, b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    let (status, _, _) = parts(&answer);
    (status, answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned())
}

#[tokio::test]
async fn calls_are_shared_by_weight_and_each_upstream_sees_its_own_keys() {
    let (a, b) = (well().await, well().await);
    let upstreams = vec![
        upstream("a", &a.base_url(), 3, &["sk-ant-fake-a"]),
        upstream("b", &b.base_url(), 1, &["sk-ant-fake-b"]),
    ];
    let served = serve_all(upstreams, Vec::new(), |_| ()).await;
    for _ in 0..8 {
        assert_eq!(ask(served.addr, &keyed(BODY)).await.status, 200);
    }
    assert_eq!((requests(&a).len(), requests(&b).len()), (6, 2));
    let (of_a, of_b) = (keys_at(&a), keys_at(&b));
    assert!(of_a.len() == 1 && of_b.len() == 1 && of_a != of_b, "{of_a:?} {of_b:?}");
    let (_, log) = served.finish().await;
    let of = |line: &Value| {
        let attempt = &line["attempts"][0];
        (attempt["upstream"].as_str().unwrap().to_owned(), attempt["key"].as_str().unwrap().to_owned())
    };
    let mut seen: Vec<_> = log.iter().map(of).collect();
    seen.sort();
    seen.dedup();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(seen, [pair("a", "a/batch-1"), pair("b", "b/batch-1")]);
}

#[tokio::test]
async fn what_is_an_upstreams_own_fault_sends_the_call_to_another() {
    let gone = {
        let closed = well().await;
        let url = closed.base_url();
        closed.stop().await;
        url
    };
    for fault in ["", "status = 529", "status = 500", "reset = \"after_request\"", "status = 401"] {
        let (a, b) = (failing(if fault.is_empty() { "status = 500" } else { fault }).await, well().await);
        let first = if fault.is_empty() { gone.clone() } else { a.base_url() };
        let upstreams = vec![
            upstream("a", &first, 1, &["sk-ant-fake-a"]),
            upstream("b", &b.base_url(), 1, &["sk-ant-fake-b"]),
        ];
        let served = serve_all(upstreams, Vec::new(), |s| {
            s.patience = Dur::secs(10);
            s.failover_rest = Dur::secs(60);
        })
        .await;
        for n in 0..12 {
            let seen = ask(served.addr, &keyed(BODY)).await;
            assert_eq!(seen.status, 200, "{fault}, call {n}: {}", seen.text());
        }
        assert_eq!(requests(&b).len(), 12, "{fault}");
        let at_a = requests(&a).len();
        assert!(at_a <= 4, "{fault}: {at_a} attempts where nothing helps");
        assert_eq!(readyz(&served).await.0, 200, "{fault}: one serves");
        let metrics =
            raw(served.admin, b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
        for line in [
            "clearline_upstream_up{upstream=\"a\"} 0",
            "clearline_upstream_up{upstream=\"b\"} 1",
            "clearline_upstream_attempts_total{cause=\"\",upstream=\"b\"} 12",
        ] {
            assert!(metrics.contains(line), "{fault}: {line}: {metrics}");
        }
        let (summary, log) = served.finish().await;
        assert_eq!(summary.succeeded, 12, "{fault}");
        let rests = log.iter().any(|l| l["event"] == "upstream rests" && l["upstream"] == "a");
        assert_eq!(rests, fault != "status = 401", "{fault}: a key is no upstream");
    }
}

#[tokio::test]
async fn it_comes_back_when_one_call_succeeds() {
    let (a, b) = (failing("first = 3\nstatus = 500").await, well().await);
    let upstreams = vec![upstream("a", &a.base_url(), 1, &[]), upstream("b", &b.base_url(), 1, &[])];
    let served = serve_all(upstreams, Vec::new(), |s| {
        s.patience = Dur::secs(10);
        s.failover_rest = Dur::millis(20);
        s.failover_rest_max = Dur::millis(20);
    })
    .await;
    // The rest is short, so that a bounded number of calls outlasts it.
    for _ in 0..200 {
        assert_eq!(ask(served.addr, &keyed(BODY)).await.status, 200);
        if requests(&a).len() >= 6 {
            break;
        }
    }
    assert!(requests(&a).len() >= 6, "it serves again");
    let (_, log) = served.finish().await;
    assert!(log.iter().any(|l| l["event"] == "upstream serves again" && l["upstream"] == "a"));
}

#[tokio::test]
async fn routes_send_calls_by_path_and_model() {
    let (a, b, c) = (well().await, well().await, well().await);
    let upstreams = vec![
        upstream("a", &a.base_url(), 1, &[]),
        upstream("b", &b.base_url(), 1, &[]),
        upstream("c", &c.base_url(), 1, &[]),
    ];
    let route = |path: Option<&str>, models: &[&str], to: &str| Route {
        name: to.to_owned(),
        path: path.map(str::to_owned),
        models: models.iter().map(|m| (*m).to_owned()).collect(),
        upstreams: vec![to.to_owned()],
    };
    let routes = vec![
        route(Some("/v1/models"), &[], "a"),
        route(None, &["claude-haiku-*"], "b"),
        route(None, &[], "c"),
    ];
    let served = serve_all(upstreams, routes, |_| ()).await;
    let get = b"GET /v1/models?limit=1 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nanthropic-version: 2023-06-01\r\nx-api-key: sk-ant-fake-own\r\n\r\n";
    assert_eq!(ask(served.addr, get).await.status, 200);
    let haiku = BODY.replace("claude-sonnet-5-5", "claude-haiku-5-5");
    for _ in 0..2 {
        assert_eq!(ask(served.addr, &keyed(&haiku)).await.status, 200);
    }
    for _ in 0..3 {
        assert_eq!(ask(served.addr, &keyed(BODY)).await.status, 200);
    }
    assert_eq!([&a, &b, &c].map(|sim| requests(sim).len()), [1, 2, 3]);
}

#[tokio::test]
async fn a_log_in_of_a_subscription_goes_to_one_upstream_alone() {
    let (a, b) = (well().await, well().await);
    let upstreams = vec![
        upstream("a", &a.base_url(), 1, &["sk-ant-fake-a"]),
        upstream("b", &b.base_url(), 1, &["sk-ant-fake-b"]),
    ];
    let served = serve_all(upstreams, Vec::new(), |_| ()).await;
    let oauth = post(BODY, "authorization: Bearer sk-ant-oat01-fake\r\n");
    for _ in 0..4 {
        assert_eq!(ask(served.addr, &oauth).await.status, 200);
    }
    assert_eq!((requests(&a).len(), requests(&b).len()), (4, 0));
}

#[tokio::test]
async fn it_is_not_ready_while_every_upstream_is_down() {
    let api = failing("status = 529").await;
    let served = serve(&api.base_url(), &[], |_| ()).await;
    assert_eq!(readyz(&served).await, (200, "ready\n".to_owned()));
    // Each call makes several attempts; three failures in a row are enough.
    assert_eq!(ask(served.addr, &keyed(BODY)).await.status, 529);
    let (status, why) = readyz(&served).await;
    assert_eq!((status, why.as_str()), (503, "down: server.overloaded\n"));
    let health =
        raw(served.admin, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert_eq!(parts(&health).0, 200);
    api.set_scenario(clearline_sim::Scenario::parse(QUICK).unwrap());
    assert_eq!(ask(served.addr, &keyed(BODY)).await.status, 200);
    assert_eq!(readyz(&served).await.0, 200);
}

#[tokio::test]
async fn it_is_not_ready_while_no_key_is_accepted() {
    let api = failing("status = 401").await;
    let served = serve(&api.base_url(), &["sk-ant-fake-1", "sk-ant-fake-2"], |_| ()).await;
    assert_eq!(ask(served.addr, &keyed(BODY)).await.status, 401);
    assert_eq!(readyz(&served).await, (503, "down: auth.invalid\n".to_owned()));
}

#[tokio::test]
async fn a_second_attempt_runs_on_another_upstream() {
    let (slow, quick) = (failing("hang = true").await, well().await);
    let upstreams = vec![
        upstream("slow", &slow.base_url(), 1_000, &["sk-ant-fake-a"]),
        upstream("quick", &quick.base_url(), 1, &["sk-ant-fake-b"]),
    ];
    let served = serve_all(upstreams, Vec::new(), |s| s.hedge = Hedge::After(Dur::millis(20))).await;
    assert_eq!(ask(served.addr, &keyed(BODY)).await.status, 200);
    let (_, log) = served.finish().await;
    let attempts = log[0]["attempts"].as_array().unwrap();
    let told: Vec<_> = attempts.iter().map(|a| (a["upstream"].as_str(), a["hedge"] == true)).collect();
    assert_eq!(told, [(Some("slow"), false), (Some("quick"), true)], "{}", log[0]);
    assert!(attempts[0]["aborted"] == true && attempts[1]["cause"].is_null(), "{}", log[0]);
    assert_eq!((requests(&slow).len(), requests(&quick).len()), (1, 1));
}
