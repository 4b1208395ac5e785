//! What is said to the next hop alone: `Connection` and its kin, `Upgrade`, `TE`, `Expect` (RFC 9110, sections 7.6, 7.8 and 10.1).

use super::table::{Bench, Caller, Must, Row, Wanted, arrives, hold, pass, refuse, refuse_as};

fn get(headers: &str) -> String {
    format!("GET /v1/x HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")
}

fn post(headers: &str) -> String {
    format!("POST /v1/x HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: 2\r\n\r\n{{}}")
}

/// A row whose connection ends with the answer.
fn last(what: &'static str, sent: String, wanted: Wanted) -> Row {
    (what, sent.into(), Must::PassAndClose(wanted))
}

#[tokio::test]
async fn a_connection_stays_or_ends_as_it_is_told() {
    let old = |headers: &str| format!("GET /v1/x HTTP/1.0\r\nhost: localhost\r\n{headers}\r\n");
    let fine = || arrives("GET /v1/x").lacks(&["connection: close", "keep-alive", "proxy-"]);
    hold(vec![
        pass("nothing said", get(""), fine()),
        pass("keep-alive", get("connection: keep-alive\r\n"), fine()),
        last("close", get("connection: close\r\n"), fine()),
        last("in capitals", get("Connection: CLOSE\r\n"), fine()),
        last("close in a list", get("connection: x-a, close\r\n"), fine()),
        last("close in another line", get("connection: keep-alive\r\nconnection: close\r\n"), fine()),
        last("close before keep-alive", get("connection: close\r\nconnection: keep-alive\r\n"), fine()),
        last("close and keep-alive", get("connection: keep-alive, close\r\n"), fine()),
        last("HTTP/1.0", old(""), fine()),
        pass("HTTP/1.0 with keep-alive", old("connection: Keep-Alive\r\n"), fine()),
        last("HTTP/1.0 with close", old("connection: close\r\n"), fine()),
        last("HTTP/1.0 with the proxies' own", old("proxy-connection: keep-alive\r\n"), fine()),
        pass(
            "the proxies' own",
            get("proxy-connection: close\r\nproxy-authorization: Basic eDp5\r\n"),
            fine(),
        ),
        pass("how long it stays", get("keep-alive: timeout=5, max=100\r\n"), fine()),
    ])
    .await;
}

#[tokio::test]
async fn what_is_for_this_hop_stays_here() {
    let gone = |parts: &[&'static str]| arrives("GET /v1/x").lacks(parts);
    hold(vec![
        pass(
            "a header of its own",
            get("connection: x-own\r\nx-own: 1\r\nx-other: 2\r\n"),
            gone(&["x-own"]).has(&["x-other: 2"]),
        ),
        pass("in another case", get("Connection: X-OWN\r\nx-Own: 1\r\n"), gone(&["x-own"])),
        pass(
            "twice",
            get("connection: x-own\r\nconnection: x-two\r\nx-own: 1\r\nx-two: 1\r\nx-own: 2\r\n"),
            gone(&["x-own", "x-two"]),
        ),
        pass("one that is not there", get("connection: x-own\r\n"), gone(&["x-own"])),
        pass("empty places", get("connection: , ,keep-alive,,\r\n"), gone(&["keep-alive"])),
        pass("te", get("te: trailers\r\nconnection: te\r\n"), gone(&["\r\nte:", "trailers"])),
        pass("te that nobody named", get("te: trailers, deflate;q=0.5\r\n"), gone(&["\r\nte:", "trailers"])),
        pass("trailer", get("trailer: x-late\r\n"), gone(&["trailer"])),
        pass(
            "the caller's own log-in to a proxy",
            get("proxy-authorization: Basic eDp5\r\n"),
            gone(&["proxy-"]),
        ),
        // Neither has a meaning here: TRACE is refused, and OPTIONS is the upstream's own.
        pass("max-forwards", get("max-forwards: 0\r\n"), arrives("GET /v1/x").has(&["max-forwards: 0"])),
        pass(
            "via and forwarded",
            get("via: 1.1 a\r\nx-forwarded-for: 192.0.2.1\r\n"),
            arrives("GET /v1/x").has(&["via: 1.1 a", "x-forwarded-for: 192.0.2.1"]),
        ),
    ])
    .await;
}

/// Whoever names a header in `Connection` takes it out of the request behind the back of what stands before and after this
/// gateway: no caller needs that for one that says what the request is or whose it is.
#[tokio::test]
async fn connection_takes_out_nothing_that_matters() {
    let mut rows: Vec<Row> = Vec::new();
    for name in [
        "content-length",
        "Content-Length",
        "content-type",
        "content-encoding",
        "host",
        "authorization",
        "x-api-key",
        "cookie",
        "origin",
        "expect",
        "anthropic-version",
        "anthropic-beta",
        "x-request-id",
        "x-forwarded-for",
        "forwarded",
    ] {
        let named: &'static str = format!("{name} among others").leak();
        rows.push(refuse_as(name, &[400], post(&format!("connection: {name}\r\n"))));
        rows.push(refuse_as(named, &[400], post(&format!("connection: keep-alive ,\t{name}, close\r\n"))));
    }
    rows.push(refuse("no token", post("connection: content length\r\n")));
    rows.push(refuse("a colon", post("connection: host:\r\n")));
    hold(rows).await;
}

/// Nothing is switched to, and the request is one of HTTP/1.1 like any other.
#[tokio::test]
async fn an_upgrade_is_not_made() {
    let fine = |method: &str| arrives(&format!("{method} /v1/x")).lacks(&["upgrade", "http2-settings"]);
    let inner = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    hold(vec![
        pass(
            "a web socket",
            get("upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"),
            fine("GET"),
        ),
        pass("h2c", get("upgrade: h2c\r\nconnection: Upgrade, HTTP2-Settings\r\nhttp2-settings: AAMAAABkAAQAoAAA\r\n"), fine("GET")),
        pass("h2c with a body", post("upgrade: h2c\r\nconnection: Upgrade, HTTP2-Settings\r\nhttp2-settings: AAMAAABk\r\n"), fine("POST").body("{}")),
        pass("h2c that nobody named", get("upgrade: h2c\r\n"), fine("GET")),
        pass("TLS", get("upgrade: TLS/1.0\r\nconnection: upgrade\r\n"), fine("GET")),
        pass("an upgrade without a name", get("connection: upgrade\r\n"), fine("GET")),
        ("HTTP/2 behind an empty line", format!("\r\n{inner}").into(), Must::Close),
    ])
    .await;
    let mut bench = Bench::new(|_| ()).await;
    let mut caller = Caller::new(bench.served.addr).await;
    // What comes behind is no other protocol.
    caller.send(get("upgrade: h2c\r\nconnection: upgrade\r\n").as_bytes()).await;
    caller.send(inner.as_bytes()).await;
    assert_eq!(caller.answer().await.unwrap().status, 200);
    let refused = caller.answer().await;
    assert!(refused.is_none_or(|seen| (400..=505).contains(&seen.status)));
    assert_eq!(caller.ended().await, None);
    assert_eq!(bench.upstream.so_far().len(), 1);
}

#[tokio::test]
async fn an_expectation_is_met_or_refused() {
    let fine = |method: &str| arrives(&format!("{method} /v1/x")).lacks(&["expect"]);
    let old = "POST /v1/x HTTP/1.0\r\nhost: localhost\r\nconnection: keep-alive\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n{}";
    hold(vec![
        pass("with a body", post("expect: 100-continue\r\n"), fine("POST").body("{}")),
        pass("in another case", post("Expect: 100-Continue\r\n"), fine("POST").body("{}")),
        pass("without a body", get("expect: 100-continue\r\n"), fine("GET")),
        pass("in HTTP/1.0", old, fine("POST").body("{}")),
        refuse_as("another one", &[417], post("expect: 200-ok\r\n")),
        refuse_as("more than it", &[417], post("expect: 100-continue, x\r\n")),
        refuse_as("a second one", &[417], post("expect: 100-continue\r\nexpect: x\r\n")),
        refuse_as("nothing", &[417], post("expect:\r\n")),
    ])
    .await;
    let bench = Bench::new(|_| ()).await;
    for (what, sent, heard) in [
        ("a body that is still to come", post("expect: 100-continue\r\n").replace("{}", ""), true),
        ("no body", get("expect: 100-continue\r\n"), false),
        ("HTTP/1.0", old.replace("{}", ""), false),
        (
            "a body that is too large",
            post("expect: 100-continue\r\n").replace(": 2\r\n", ": 20000\r\n"),
            false,
        ),
        ("another host", post("expect: 100-continue\r\n").replace("localhost", "evil.example"), false),
    ] {
        let mut caller = Caller::new(bench.served.addr).await;
        caller.send(sent.as_bytes()).await;
        let first = caller.interim().await;
        assert_eq!(first == Some(100), heard, "{what}: {first:?}");
    }
}
