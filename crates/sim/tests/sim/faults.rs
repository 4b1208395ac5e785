//! Each fault as a client meets it.

use std::io::ErrorKind;
use std::net::SocketAddr;

use clearline_sim::{Options, Sim, SimEventKind, expected_text};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::common::{Client, connect, hi, message, request, sim, sim_with};

fn rule(action: &str) -> String {
    format!("[[fault]]\nname = \"it\"\n{action}\n")
}

/// What remains of one message on a new connection.
async fn one(sim: &Sim, stream: bool) -> (String, Option<ErrorKind>) {
    let mut client = connect(sim).await;
    client.send(&message(stream)).await;
    client.rest().await
}

async fn fired(sim: &Sim) {
    sim.wait_for(|e| e.kind == SimEventKind::Fault { name: "it".to_owned() }).await;
}

async fn gone(sim: &Sim, what: &str) {
    sim.wait_for(|e| e.kind == SimEventKind::ClientGone { during: what.to_owned() }).await;
    sim.wait_for(|e| e.kind == SimEventKind::Closed).await;
}

#[tokio::test]
async fn a_status_has_the_api_s_shape_and_what_the_rule_says() {
    for (status, kind, text) in [
        (500, "api_error", "Internal server error"),
        (529, "overloaded_error", "Overloaded"),
        (504, "timeout_error", "Request timed out."),
    ] {
        let sim = sim(&rule(&format!("status = {status}"))).await;
        let reply = connect(&sim).await.ask(&message(true)).await;
        let json = reply.json();
        assert_eq!(
            (reply.status, &json["error"]["type"], &json["error"]["message"]),
            (status, &json!(kind), &json!(text))
        );
        assert_eq!(json["request_id"].as_str(), reply.header("request-id"));
        fired(&sim).await;
    }
    let own = "status = 429\nkind = \"odd_error\"\nmessage = \"so\"\nretry_after = 1.5\nheaders = { x-should-retry = \"true\", date = \"\" }";
    let sim = sim(&rule(own)).await;
    let reply = connect(&sim).await.ask(&message(false)).await;
    assert_eq!(
        (&reply.json()["error"]["type"], &reply.json()["error"]["message"]),
        (&json!("odd_error"), &json!("so"))
    );
    assert_eq!(
        (reply.header("retry-after"), reply.header("x-should-retry"), reply.header("date")),
        (Some("1.5"), Some("true"), None)
    );
}

#[tokio::test]
async fn pages_come_from_something_else_than_the_api() {
    for action in ["html_200 = true", "status = 502\nbody = \"<html>Bad Gateway</html>\""] {
        let sim = sim(&rule(action)).await;
        let reply = connect(&sim).await.ask(&message(false)).await;
        assert!(
            reply.text().starts_with('<') && reply.header("content-type").unwrap().starts_with("text/html"),
            "{action}"
        );
        assert_eq!(
            (reply.header("request-id"), reply.header("anthropic-organization-id")),
            (None, None),
            "{action}"
        );
    }
    let sim = sim(&rule("empty_200 = true")).await;
    let reply = connect(&sim).await.ask(&message(false)).await;
    assert_eq!((reply.status, reply.body.len()), (200, 0));
}

#[tokio::test]
async fn resets_are_resets_and_closes_are_not() {
    for (when, head) in
        [("on_accept", false), ("before_request", false), ("after_request", false), ("mid_body", true)]
    {
        for stream in [false, true] {
            let reset = sim(&rule(&format!("reset = \"{when}\""))).await;
            let mut client = connect(&reset).await;
            // The reset may be there before the request is.
            let _sent = client.wire.write_all(message(stream).as_bytes()).await;
            let (text, error) = client.rest().await;
            if when == "on_accept" {
                assert!(matches!(error, None | Some(ErrorKind::ConnectionReset)), "{when} {error:?}");
            } else {
                assert_eq!(error, Some(ErrorKind::ConnectionReset), "{when}");
            }
            assert_eq!(text.starts_with("HTTP/1.1 200"), head, "{when}: {text}");
            fired(&reset).await;
            reset.wait_for(|e| e.kind == SimEventKind::Closed).await;
        }
        if when != "on_accept" {
            let close = sim(&rule(&format!("close = \"{when}\""))).await;
            let (text, error) = one(&close, true).await;
            assert_eq!(error, None, "{when}");
            assert_eq!(text.starts_with("HTTP/1.1 200"), head, "{when}: {text}");
            assert!(!text.contains("message_stop") && !text.ends_with("0\r\n\r\n"), "{when}: {text}");
        }
    }
}

#[tokio::test]
async fn on_accept_resets_before_anything_is_sent() {
    let sim = sim(&rule("reset = \"on_accept\"")).await;
    let mut client = connect(&sim).await;
    assert_eq!(client.rest().await, (String::new(), Some(ErrorKind::ConnectionReset)));
}

#[tokio::test]
async fn a_half_close_ends_the_answer_but_still_reads() {
    let sim = sim(&rule("half_close = true")).await;
    let mut client = connect(&sim).await;
    client.send(&message(false)).await;
    let (text, error) = client.rest().await;
    assert!(text.starts_with("HTTP/1.1 200") && error.is_none(), "{text}");
    // Were the socket closed, one of these writes would meet a reset.
    for _ in 0..50 {
        client.send(&"x".repeat(1000)).await;
    }
    assert!(!sim.events().iter().any(|e| e.kind == SimEventKind::Closed));
    drop(client);
    sim.wait_for(|e| e.kind == SimEventKind::Closed).await;
}

#[tokio::test]
async fn a_cut_leaves_exactly_that_many_bytes() {
    for n in [0, 1, 7] {
        let sim = sim(&rule(&format!("cut_at_byte = {n}"))).await;
        let (text, error) = one(&sim, false).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!((body.len(), error), (n, None));
        let length: usize =
            head.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        assert!(length > 100, "the whole length is announced");
        let (text, _) = one(&sim, true).await;
        let body = text.split_once("\r\n\r\n").unwrap().1;
        let sent = body.split_once("\r\n").unwrap().1;
        assert_eq!(sent, "event: message_start".split_at(n).0);
    }
}

#[tokio::test]
async fn a_length_lies_by_what_the_rule_says() {
    for by in [-10_i64, 25] {
        for stream in [false, true] {
            let sim = sim(&rule(&format!("lying_length = {by}"))).await;
            let (text, error) = one(&sim, stream).await;
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let stated: i64 =
                head.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap().parse().unwrap();
            assert_eq!((stated - i64::try_from(body.len()).unwrap(), error), (by, None), "{stream}");
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_whatever_is_done_for_it() {
    for (action, stream, what) in [
        ("hang = true", false, "hang"),
        ("delay = \"60m\"", false, "delay"),
        ("stall = true", true, "stall"),
        ("stall = true", false, "stall"),
        ("stall_at_event = 3", true, "stall"),
        ("slow_chunk = \"60m\"", true, "stream"),
    ] {
        let sim = sim(&rule(action)).await;
        let mut client = connect(&sim).await;
        client.send(&message(stream)).await;
        fired(&sim).await;
        if matches!(what, "stall" | "stream") {
            assert!(client.head().await.starts_with("HTTP/1.1 200"), "{action}");
        }
        if action.starts_with("stall_at_event") {
            // Whoever leaves before the stall leaves during the stream.
            client.until("\"ping\"}\n\n\r\n").await;
        }
        drop(client);
        gone(&sim, what).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_within_its_body_is_noticed() {
    let sim = sim("").await;
    let mut client = connect(&sim).await;
    let whole = message(false);
    client.send(whole.split_at(whole.len() - 1).0).await;
    drop(client);
    gone(&sim, "body").await;
    assert!(!sim.events().iter().any(|e| matches!(e.kind, SimEventKind::Request { .. })));
}

#[tokio::test]
async fn a_stall_with_an_end_goes_on_to_the_whole_answer() {
    for stream in [false, true] {
        let sim = sim(&rule("stall = true\nstall_for = \"5ms\"")).await;
        let reply = connect(&sim).await.ask(&message(stream)).await;
        assert_eq!(reply.text().contains("message_stop"), stream);
        if !stream {
            assert_eq!(reply.json()["content"][0]["text"], expected_text(&hi(false)));
        }
        fired(&sim).await;
    }
}

#[tokio::test]
async fn rules_choose_by_key_path_model_and_address() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    // A port of our own choosing, as the simulator does not tell those of its other addresses.
    let free = std::net::TcpListener::bind(any).unwrap().local_addr().unwrap();
    let rules = "[[fault]]\nname = \"path\"\npath = \"/v1/models\"\nstatus = 500\n\
         [[fault]]\nname = \"model\"\nmodel = \"claude-haiku-4-5\"\nstatus = 529\n\
         [[fault]]\nname = \"address\"\naddr = 1\nstatus = 503\n\
         [[fault]]\nname = \"key\"\nkey = \"sk-ant-fake-key-0002\"\nstatus = 403\n";
    let sim = sim_with(rules, Options { extra_addrs: vec![free], ..Options::default() }).await;
    let mut client = connect(&sim).await;
    assert_eq!(client.ask(&message(false)).await.status, 200);
    assert_eq!(client.ask(&request("GET", "/v1/models", "")).await.status, 500);
    assert_eq!(client.ask(&message(false).replace("0001", "0002")).await.status, 403);
    let mut haiku = hi(false);
    haiku["model"] = json!("claude-haiku-4-5");
    assert_eq!(client.ask(&request("POST", "/v1/messages", &haiku.to_string())).await.status, 529);
    let mut other = Client::over(TcpStream::connect(free).await.unwrap());
    assert_eq!(other.ask(&message(false)).await.status, 503);
}

async fn pattern(seed: u64) -> String {
    let sim = sim("").await;
    let scenario = format!(
        "seed = {seed}\n[answer]\nfirst_byte = \"0ms\"\n[[fault]]\nname = \"some\"\nrate = 0.3\nstatus = 500\n[[fault]]\nname = \"more\"\nrate = 0.3\nstatus = 529\n"
    );
    sim.set_scenario(clearline_sim::Scenario::parse(&scenario).unwrap());
    let mut client = connect(&sim).await;
    let mut out = String::new();
    for _ in 0..60 {
        out.push(match client.ask(&message(false)).await.status {
            500 => 'a',
            529 => 'b',
            _ => '.',
        });
    }
    out
}

#[tokio::test]
async fn the_same_seed_gives_the_same_faults_and_another_seed_others() {
    let one = pattern(5).await;
    assert!(one.contains('a') && one.contains('b') && one.contains('.'), "{one}");
    assert_eq!(one, pattern(5).await);
    assert_ne!(one, pattern(6).await);
}
