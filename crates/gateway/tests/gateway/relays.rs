//! Relays that stand before the API and say things in their own way: errors inside successes, errors without a name, two
//! lengths. What they mean decides, and the caller is told in the way that it reads.

use clearline_model::Dur;

use crate::common::{BODY, Seen, ask, keyed, serve_as};
use crate::script::{MESSAGE, Say, Then, Upstream};

const EVENTS: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{}}}\n\n",
    "event: content_block_start\ndata: {\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: content_block_stop\ndata: {\"index\":0}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);
const OVERLOADED: &str =
    r#"{"type":"error","error":{"type":"overloaded_error","message":"come back later"}}"#;
const TOO_LONG: &str = r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8"}}"#;

fn streamed() -> Vec<u8> {
    keyed(&BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\""))
}

fn success(body: &str) -> Say {
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    Say::new(format!("{head}content-length: {length}\r\n\r\n{body}"), Then::Keep)
}

/// What a caller gets who asks an upstream that answers so, and how often that was asked.
async fn told(answers: Vec<Say>, request: &[u8]) -> (Seen, usize) {
    let mut upstream = Upstream::new(answers).await;
    let served = serve_as(
        &upstream.url(),
        &[],
        |_| (),
        |s| {
            s.attempts_max = 3;
            s.backoff_overload = Dur::millis(2);
        },
    )
    .await;
    let seen = ask(served.addr, request).await;
    served.finish().await;
    (seen, upstream.so_far().len())
}

/// An error with the status of a success is repeated by what it says, and never passes as a success.
#[tokio::test]
async fn an_error_inside_a_success_is_what_it_says() {
    let server = r#"{"error":{"message":"boom","type":"server_error"}}"#;
    for error in [OVERLOADED, server] {
        let (seen, attempts) = told(vec![success(error), Say::message("")], &keyed(BODY)).await;
        assert_eq!((seen.status, seen.text().as_str(), attempts), (200, MESSAGE, 2), "{error}");
    }
    let api = |kind: &str| format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"its words"}}}}"#);
    for (kind, status, cause, attempts) in [
        ("overloaded_error", 529, "server.overloaded", 3),
        ("authentication_error", 401, "auth.invalid", 1),
        ("permission_error", 403, "auth.forbidden", 1),
        ("not_found_error", 404, "request.model-not-found", 1),
        ("invalid_request_error", 502, "edge.not-the-api", 1),
        ("an_error_of_tomorrow", 502, "edge.not-the-api", 1),
    ] {
        let (seen, asked) = told(vec![success(&api(kind))], &keyed(BODY)).await;
        assert_eq!((seen.status, seen.header("clearline-cause"), asked), (status, Some(cause), attempts));
        let message = seen.json()["error"]["message"].to_string();
        assert_eq!(message.contains(": its words"), status != 502, "{kind}: {message}");
    }
}

/// The upstream's own words reach the caller although the error was an event and the answer is the gateway's.
#[tokio::test]
async fn an_error_event_before_the_content_has_its_status_and_its_words() {
    for name in ["event: error\n", ""] {
        let say = |error: &str| Say::stream(format!("{name}data: {error}\n\n").as_bytes());
        let (seen, attempts) = told(vec![say(OVERLOADED)], &streamed()).await;
        assert_eq!((seen.status, attempts), (529, 3), "{name}{}", seen.text());
        assert_eq!(seen.json()["error"]["type"], "overloaded_error");
        assert!(seen.text().contains("come back later"), "{}", seen.text());
        let (seen, attempts) = told(vec![say(TOO_LONG)], &streamed()).await;
        assert_eq!((seen.status, attempts), (400, 1), "{name}{}", seen.text());
        assert!(seen.text().contains("9 tokens > 8"), "{}", seen.text());
        let (seen, attempts) = told(vec![say(OVERLOADED), Say::stream(EVENTS.as_bytes())], &streamed()).await;
        assert_eq!((seen.status, seen.text().as_str(), attempts), (200, EVENTS, 2), "{name}");
    }
}

/// Clients pass over events without a name: behind one they get an error that they read.
#[tokio::test]
async fn a_nameless_error_after_the_content_is_followed_by_one_with_a_name() {
    let (begin, _) = EVENTS.split_once("event: content_block_stop").unwrap();
    let error = format!("data: {OVERLOADED}\n\n");
    // In a chunk of its own: what comes with the content is repeated, since nothing was shown.
    let mut say = Say::stream(begin.as_bytes());
    say.bytes.truncate(say.bytes.len() - "0\r\n\r\n".len());
    say.bytes.extend(format!("{:x}\r\n{error}\r\n0\r\n\r\n", error.len()).bytes());
    let (seen, attempts) = told(vec![say], &streamed()).await;
    assert_eq!((seen.status, seen.whole, attempts), (200, false, 1));
    assert_eq!(seen.events().last().map(String::as_str), Some("error"), "{}", seen.text());
}

/// A length beside chunks is none: the caller gets all of it, and no more and no less is announced.
#[tokio::test]
async fn a_length_beside_chunks_cuts_nothing() {
    let chunked = |kind: &str, lengths: &str, body: &str| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{lengths}\r\n");
        Say::new(format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()), Then::Keep)
    };
    for length in [5, MESSAGE.len(), 100_000] {
        let first = format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n");
        let last = format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n");
        for lengths in [first, last] {
            let (seen, _) = told(vec![chunked("application/json", &lengths, MESSAGE)], &keyed(BODY)).await;
            assert_eq!((seen.status, seen.text().as_str()), (200, MESSAGE), "{lengths}");
            let (seen, _) = told(vec![chunked("text/event-stream", &lengths, EVENTS)], &streamed()).await;
            assert_eq!((seen.status, seen.whole, seen.text().as_str()), (200, true, EVENTS), "{lengths}");
        }
    }
}

/// The length of a stream says nothing about its end: what is broken is not made whole by it, and what is whole not broken.
#[tokio::test]
async fn a_length_of_a_stream_is_not_passed_on() {
    // So long that its end comes after its content was shown.
    let text = format!(
        "event: content_block_delta\ndata: {{\"delta\":{{\"text\":\"{}\"}}}}\n\n",
        "x".repeat(300_000)
    );
    let whole = EVENTS.replace("event: content_block_stop", &format!("{text}event: content_block_stop"));
    let (begin, _) = whole.split_once("event: message_stop").unwrap();
    let torn = whole.get(..whole.len() - 10).unwrap();
    for (events, more, last) in [
        (whole.as_str(), 0, "message_stop"),
        (whole.as_str(), 30, "message_stop"),
        (begin, 0, "error"),
        (begin, 30, "error"),
        (torn, 0, "error"),
    ] {
        let length = events.len() + more;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
        let say = Say::new(format!("{head}content-length: {length}\r\n\r\n{events}"), Then::Close);
        let (seen, attempts) = told(vec![say], &streamed()).await;
        assert_eq!((seen.status, seen.whole, attempts), (200, last == "message_stop", 1), "{last} {more}");
        assert_eq!(seen.events().last().map(String::as_str), Some(last), "{more}");
    }
}

/// Without a length a clean end proves nothing: what is no whole object was cut, at whichever byte.
#[tokio::test]
async fn an_answer_without_a_length_that_is_cut_is_asked_for_again() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
    for end in (0..MESSAGE.len()).step_by(17) {
        let cut = Say::new(format!("{head}{}", MESSAGE.get(..end).unwrap()), Then::Close);
        let (seen, attempts) = told(vec![cut, Say::message("")], &keyed(BODY)).await;
        assert_eq!((seen.status, seen.text().as_str(), attempts), (200, MESSAGE, 2), "{end}");
    }
    // Other answers as well; nobody waits for the body of a HEAD.
    let count = |text: &str, then| Say::new(format!("{head}{text}"), then);
    let answers = vec![count("{\"input_tok", Then::Close), count("{\"input_tokens\":1}", Then::Close)];
    let request =
        String::from_utf8(keyed(BODY)).unwrap().replace("/v1/messages", "/v1/messages/count_tokens");
    let (seen, attempts) = told(answers, request.as_bytes()).await;
    assert_eq!((seen.status, seen.text().as_str(), attempts), (200, "{\"input_tokens\":1}", 2));
    let asked = "HEAD /api/hello HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
    let (seen, attempts) = told(vec![count("", Then::Close)], asked.as_bytes()).await;
    assert_eq!((seen.status, attempts), (200, 1));
}
