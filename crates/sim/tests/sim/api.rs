//! The healthy API and its refusals.

use clearline_sim::{MAX_BODY, SimEventKind, expected_text};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::common::{Client, KEY, bare, connect, hi, message, request, sim};

#[tokio::test]
async fn a_message_has_the_expected_text_and_the_api_s_headers() {
    let sim = sim("").await;
    let mut client = connect(&sim).await;
    let reply = client.ask(&message(false)).await;
    assert_eq!(reply.status, 200);
    let body = reply.json();
    assert_eq!(
        (&body["type"], &body["role"], &body["model"]),
        (&json!("message"), &json!("assistant"), &json!("claude-sonnet-5-5"))
    );
    assert_eq!(body["content"][0]["text"], expected_text(&hi(false)));
    let id = reply.header("request-id").unwrap().to_owned();
    assert!(id.starts_with("req_"), "{id}");
    assert!(reply.header("date").unwrap().ends_with(" GMT"));
    assert!(reply.header("anthropic-organization-id").is_some());
    assert_eq!(reply.header("anthropic-ratelimit-requests-limit"), None);
    // The connection goes on, and the next request has another id.
    let again = client.ask(&message(false)).await;
    assert_eq!(again.status, 200);
    assert_ne!(again.header("request-id"), Some(id.as_str()));
    let event = sim.wait_for(|e| matches!(e.kind, SimEventKind::Request { .. })).await;
    let SimEventKind::Request { method, path, key, request_id, stream, user } = event.kind else { panic!() };
    assert_eq!((method.as_str(), path.as_str(), stream, request_id), ("POST", "/v1/messages", false, id));
    assert_eq!((key.as_deref(), user), (Some("…0001"), None));
    assert!(!serde_json::to_string(&sim.events()).unwrap().contains(KEY));
}

#[tokio::test]
async fn the_other_endpoints() {
    let sim = sim("").await;
    let mut client = connect(&sim).await;
    let hello = client.ask(&bare("GET", "/api/hello", "", "")).await;
    assert_eq!((hello.status, hello.json()), (200, json!({"message": "hello"})));
    let head = client.ask(&bare("HEAD", "/api/hello", "", "")).await;
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some(hello.body.len().to_string().as_str()))
    );
    let count =
        client.ask(&request("POST", "/v1/messages/count_tokens?beta=true", &hi(false).to_string())).await;
    assert!(count.json()["input_tokens"].as_u64().unwrap() > 0);
    let all = client.ask(&request("GET", "/v1/models?limit=1000", "")).await.json();
    let ids: Vec<&str> = all["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"claude-sonnet-5-5"));
    assert_eq!(
        (&all["has_more"], &all["first_id"], &all["last_id"]),
        (&json!(false), &json!(ids[0]), &json!(ids[ids.len() - 1]))
    );
    let page =
        client.ask(&request("GET", &format!("/v1/models?limit=2&after_id={}", ids[0]), "")).await.json();
    assert_eq!(
        (&page["first_id"], &page["last_id"], &page["has_more"]),
        (&json!(ids[1]), &json!(ids[2]), &json!(true))
    );
    let page =
        client.ask(&request("GET", &format!("/v1/models?limit=2&before_id={}", ids[1]), "")).await.json();
    assert_eq!(
        (&page["first_id"], &page["last_id"], &page["has_more"]),
        (&json!(ids[0]), &json!(ids[0]), &json!(false))
    );
    let one = client.ask(&request("GET", "/v1/models/claude-haiku-4-5", "")).await;
    assert_eq!((one.status, &one.json()["id"]), (200, &json!("claude-haiku-4-5")));
}

const V: &str = "anthropic-version: 2023-06-01\r\n";
const KNOWN: &str = "[keys]\nknown = [\"sk-ant-fake-key-0001\"]\n";

fn with(name: &str, value: Value) -> String {
    let mut body = hi(false);
    body[name] = value;
    body.to_string()
}

fn without(name: &str) -> String {
    let mut body = hi(false);
    body.as_object_mut().unwrap().remove(name);
    body.to_string()
}

/// Posts a message and compares the refusal with the API's.
async fn refused(client: &mut Client<TcpStream>, headers: &str, body: &str, expected: (u16, &str, &str)) {
    let reply = client.ask(&bare("POST", "/v1/messages", headers, body)).await;
    let json = reply.json();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    assert_eq!(json["type"], "error");
    let got = (reply.status, text(&json["error"]["type"]), text(&json["error"]["message"]));
    assert_eq!((got.0, got.1.as_str(), got.2.as_str()), expected);
    assert_eq!(json["request_id"].as_str(), reply.header("request-id"), "{expected:?}");
}

#[tokio::test]
async fn credentials_and_versions_are_refused_in_the_api_s_words() {
    let sim = sim(KNOWN).await;
    let mut client = connect(&sim).await;
    let good = hi(false).to_string();
    let auth = "authentication_error";
    let invalid = "invalid_request_error";
    let twice = "anthropic-version: \"2023-06-01, 2023-06-01\" is not a valid version";
    for (headers, expected) in [
        (V.to_owned(), (401, auth, "x-api-key header is required")),
        (format!("{V}x-api-key: sk-ant-wrong\r\n"), (401, auth, "invalid x-api-key")),
        (format!("{V}authorization: Bearer sk-ant-x\r\n"), (401, auth, "Invalid bearer token")),
        (format!("x-api-key: {KEY}\r\n"), (400, invalid, "anthropic-version: header is required")),
        (format!("x-api-key: {KEY}\r\n{V}{V}"), (400, invalid, twice)),
    ] {
        refused(&mut client, &headers, &good, expected).await;
    }
    // The key as a bearer, and the older version, which takes what the newer one refuses.
    let bearer = format!("authorization: Bearer {KEY}\r\n{V}");
    let reply = client.ask(&bare("POST", "/v1/messages", &bearer, &with("top_p", json!(1)))).await;
    assert_eq!(reply.status, 200);
    let newer = format!("x-api-key: {KEY}\r\nanthropic-version: 2026-10-21\r\n");
    let expected = (400, invalid, "top_p: Extra inputs are not permitted");
    refused(&mut client, &newer, &with("top_p", json!(1)), expected).await;
}

#[tokio::test]
async fn bodies_and_paths_are_refused_in_the_api_s_words() {
    let sim = sim(KNOWN).await;
    let mut client = connect(&sim).await;
    let headers = format!("x-api-key: {KEY}\r\n{V}");
    for (body, text) in [
        (without("model"), "model: Field required"),
        (without("max_tokens"), "max_tokens: Field required"),
        (without("messages"), "messages: Field required"),
        (with("messages", json!([])), "messages: at least one message is required"),
        (with("stream", json!("yes")), "stream: Input should be a valid boolean"),
        ("no json".to_owned(), "The request body is not valid JSON: expected value at line 1 column 1"),
    ] {
        refused(&mut client, &headers, &body, (400, "invalid_request_error", text)).await;
    }
    let expected = (404, "not_found_error", "model: claude-0");
    refused(&mut client, &headers, &with("model", json!("claude-0")), expected).await;
    for (method, path, status) in [
        ("GET", "/v1/messages", 405),
        ("GET", "/", 404),
        ("GET", "/v1/models/none", 404),
        ("POST", "/v1/complete", 404),
    ] {
        let reply = client.ask(&request(method, path, "")).await;
        assert_eq!((reply.status, &reply.json()["type"]), (status, &json!("error")), "{method} {path}");
    }
}

#[tokio::test]
async fn the_newer_version_refuses_documents_of_assistants_and_citations_of_users() {
    let sim = sim("").await;
    let mut client = connect(&sim).await;
    let cited = json!([{"type": "text", "text": "x", "citations": [{"type": "char_location"}]}]);
    for (role, content) in [("assistant", json!([{"type": "document"}])), ("user", cited)] {
        let mut body = hi(false);
        body["messages"] = json!([{"role": role, "content": content}, {"role": "user", "content": "hi"}]);
        for (version, status) in [("2026-10-21", 400), ("2023-06-01", 200)] {
            let headers = format!("x-api-key: {KEY}\r\nanthropic-version: {version}\r\n");
            let reply = client.ask(&bare("POST", "/v1/messages", &headers, &body.to_string())).await;
            assert_eq!(reply.status, status, "{role} {version}");
        }
    }
}

#[tokio::test]
async fn bodies_may_be_chunked_and_may_wait_for_the_continue() {
    let sim = sim("").await;
    let mut client = connect(&sim).await;
    let body = hi(false).to_string();
    let (a, b) = body.split_at(20);
    let headers =
        format!("x-api-key: {KEY}\r\nanthropic-version: 2023-06-01\r\ntransfer-encoding: chunked\r\n");
    let chunked = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: sim\r\n{headers}\r\n{:x}\r\n{a}\r\n{:x};ext=1\r\n{b}\r\n0\r\nx-trailer: 1\r\n\r\n",
        a.len(),
        b.len()
    );
    assert_eq!(client.ask(&chunked).await.json()["content"][0]["text"], expected_text(&hi(false)));
    let whole = bare(
        "POST",
        "/v1/messages",
        &format!("expect: 100-continue\r\nx-api-key: {KEY}\r\nanthropic-version: 2023-06-01\r\n"),
        &body,
    );
    let (head, body) = whole.split_at(whole.len() - body.len());
    client.send(head).await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.ask(body).await.status, 200);
}

#[tokio::test]
async fn too_large_a_body_is_refused_before_it_is_read() {
    let sim = sim("").await;
    let mut client = connect(&sim).await;
    let head = request("POST", "/v1/messages", "")
        .replace("content-length: 0", &format!("content-length: {}", MAX_BODY + 1));
    client.send(&head).await;
    // Part of the body is under way already: the answer has to survive it.
    client.send(&"x".repeat(1 << 20)).await;
    let reply = client.reply(false).await;
    assert_eq!((reply.status, &reply.json()["error"]["type"]), (413, &json!("request_too_large")));
    assert_eq!(reply.header("request-id"), reply.json()["request_id"].as_str());
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let sim = sim("").await;
    let mut client = connect(&sim).await;
    client.send("\u{16}\u{3}\u{1} no http\r\n\r\n").await;
    let (text, error) = client.rest().await;
    assert!(text.starts_with("HTTP/1.1 400 ") && error.is_none(), "{text} {error:?}");
}

#[tokio::test]
async fn buckets_tell_what_is_left_and_refuse_when_they_are_empty() {
    let sim =
        sim("[limits]\nrequests_per_minute = 60\ninput_tokens_per_minute = 600000\nburst = \"2s\"\n").await;
    let mut client = connect(&sim).await;
    let first = client.ask(&message(false)).await;
    assert_eq!((first.status, first.header("anthropic-ratelimit-requests-limit")), (200, Some("60")));
    assert_eq!(first.header("anthropic-ratelimit-requests-remaining"), Some("1"));
    let reset = first.header("anthropic-ratelimit-requests-reset").unwrap();
    assert!(reset.len() == 20 && reset.ends_with('Z'), "{reset}");
    for part in ["tokens", "input-tokens"] {
        assert!(first.header(&format!("anthropic-ratelimit-{part}-remaining")).is_some(), "{part}");
    }
    let mut last = client.ask(&message(false)).await;
    while last.status == 200 {
        last = client.ask(&message(false)).await;
    }
    let json = last.json();
    assert_eq!((last.status, &json["error"]["type"]), (429, &json!("rate_limit_error")));
    assert!(json["error"]["message"].as_str().unwrap().contains("60 requests per minute"));
    assert_eq!(
        (last.header("retry-after"), last.header("anthropic-ratelimit-requests-remaining")),
        (Some("1"), Some("0"))
    );
    // Another key has buckets of its own.
    let other = message(false).replace(KEY, "sk-ant-fake-key-0002");
    assert_eq!(client.ask(&other).await.status, 200);
}

#[tokio::test]
async fn so_many_answers_of_a_key_are_under_way_at_once() {
    let stall = "[[fault]]\nname = \"stall\"\nstall_at_event = 2\nstream = true\n";
    let sim = sim(&format!("[limits]\nat_once = 2\n{stall}")).await;
    let (mut first, mut second) = (connect(&sim).await, connect(&sim).await);
    for client in [&mut first, &mut second] {
        client.send(&message(true)).await;
        client.until("message_start").await;
    }
    let mut third = connect(&sim).await;
    let refused = third.ask(&message(false)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, None));
    let words = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(words.starts_with("Number of concurrent connections has exceeded"), "{words}");
    let other = message(false).replace(KEY, "sk-ant-fake-key-0002");
    assert_eq!(third.ask(&other).await.status, 200, "each key has its own");
    drop(first);
    sim.wait_for(|e| matches!(e.kind, SimEventKind::ClientGone { .. })).await;
    assert_eq!(third.ask(&message(false)).await.status, 200);
}

#[tokio::test]
async fn keys_change_at_their_time() {
    let key = |state: &str| format!("[[keys.change]]\nkey = \"{KEY}\"\nat = \"0s\"\nstate = \"{state}\"\n");
    let later = format!("[[keys.change]]\nkey = \"{KEY}\"\nat = \"1m\"\nstate = \"revoked\"\n");
    for (change, status, text) in [
        (later, 200, ""),
        (key("ok"), 200, ""),
        (key("revoked"), 401, "invalid x-api-key"),
        (key("no-credit"), 400, "Your credit balance is too low"),
        (key("forbidden"), 403, "does not have permission"),
    ] {
        let sim = sim(&change).await;
        let reply = connect(&sim).await.ask(&message(false)).await;
        assert_eq!(reply.status, status, "{change}");
        assert!(reply.text().contains(text), "{change}");
        let other = message(false).replace(KEY, "sk-ant-fake-key-0002");
        assert_eq!(connect(&sim).await.ask(&other).await.status, 200, "{change}");
    }
}
