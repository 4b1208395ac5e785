//! The healthy API and its refusals.

use clearline_sim::{MAX_BODY, SimEventKind, expected_text};
use serde_json::{Value, json};

use crate::common::{KEY, bare, connect, hi, message, request, sim};

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
    let SimEventKind::Request { method, path, key, request_id, stream } = event.kind else { panic!() };
    assert_eq!((method.as_str(), path.as_str(), stream, request_id), ("POST", "/v1/messages", false, id));
    assert_eq!(key.as_deref(), Some("…0001"));
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

#[tokio::test]
async fn refusals_are_the_api_s() {
    let sim = sim("[keys]\nknown = [\"sk-ant-fake-key-0001\"]\n").await;
    let mut client = connect(&sim).await;
    let key = format!("x-api-key: {KEY}\r\n");
    let v = "anthropic-version: 2023-06-01\r\n";
    let good = hi(false).to_string();
    let without = |name: &str| {
        let mut body = hi(false);
        body.as_object_mut().unwrap().remove(name);
        body.to_string()
    };
    let with = |name: &str, value: Value| {
        let mut body = hi(false);
        body[name] = value;
        body.to_string()
    };
    let cases = [
        (v.to_owned(), good.clone(), 401, "authentication_error", "x-api-key header is required"),
        (
            format!("{v}x-api-key: sk-ant-wrong\r\n"),
            good.clone(),
            401,
            "authentication_error",
            "invalid x-api-key",
        ),
        (
            format!("{v}authorization: Bearer sk-ant-x\r\n"),
            good.clone(),
            401,
            "authentication_error",
            "Invalid bearer token",
        ),
        (key.clone(), good.clone(), 400, "invalid_request_error", "anthropic-version: header is required"),
        (
            format!("{key}{v}{v}"),
            good.clone(),
            400,
            "invalid_request_error",
            "anthropic-version: \"2023-06-01, 2023-06-01\" is not a valid version",
        ),
        (format!("{key}{v}"), without("model"), 400, "invalid_request_error", "model: Field required"),
        (
            format!("{key}{v}"),
            without("max_tokens"),
            400,
            "invalid_request_error",
            "max_tokens: Field required",
        ),
        (format!("{key}{v}"), without("messages"), 400, "invalid_request_error", "messages: Field required"),
        (
            format!("{key}{v}"),
            with("messages", json!([])),
            400,
            "invalid_request_error",
            "messages: at least one message is required",
        ),
        (
            format!("{key}{v}"),
            with("stream", json!("yes")),
            400,
            "invalid_request_error",
            "stream: Input should be a valid boolean",
        ),
        (format!("{key}{v}"), with("model", json!("claude-0")), 404, "not_found_error", "model: claude-0"),
        (
            format!("{key}{v}"),
            "no json".to_owned(),
            400,
            "invalid_request_error",
            "The request body is not valid JSON: expected value at line 1 column 1",
        ),
        (
            format!("{key}anthropic-version: 2026-10-21\r\n"),
            with("top_p", json!(1)),
            400,
            "invalid_request_error",
            "top_p: Extra inputs are not permitted",
        ),
    ];
    for (headers, body, status, kind, text) in cases {
        let reply = client.ask(&bare("POST", "/v1/messages", &headers, &body)).await;
        let json = reply.json();
        assert_eq!(
            (reply.status, &json["type"], &json["error"]["type"]),
            (status, &json!("error"), &json!(kind)),
            "{text}"
        );
        assert_eq!(json["error"]["message"], text);
        assert_eq!(json["request_id"].as_str(), reply.header("request-id"), "{text}");
    }
    // The older version still takes what the newer one refuses, and the key as a bearer.
    let old = client
        .ask(&bare(
            "POST",
            "/v1/messages",
            &format!("authorization: Bearer {KEY}\r\n{v}"),
            &with("top_p", json!(1)),
        ))
        .await;
    assert_eq!(old.status, 200);
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
