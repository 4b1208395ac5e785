//! Every pair of protocols: a caller's and an upstream's, HTTP/1.1 and HTTP/2. What passes is the same.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use clearline::Http2;
use clearline_model::Dur;
use clearline_policy::Hedge;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::calls::{ask as ask_http2, connect, request};
use crate::common::{BODY, QUICK, ask, keyed, post, raw, requests, serve, serve_before, serve_http2, sim};
use crate::fidelity::EVENTS;
use crate::reload::Identity;
use crate::script::MESSAGE;

type Trailed = BoxBody<Bytes, Infallible>;

/// A request as the upstream got it.
pub(super) struct Got {
    line: String,
    host: String,
    pub(super) headers: HeaderMap,
    body: Bytes,
}

/// An upstream that speaks one of both, and answers a stream to whoever asks for one. Trailers come where they can.
pub(super) struct Api {
    pub(super) url: String,
    pub(super) got: mpsc::UnboundedReceiver<Got>,
    connections: Arc<AtomicUsize>,
}

pub(super) async fn api(is_http2: bool) -> Api {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, got) = mpsc::unbounded_channel();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            let tell = tell.clone();
            let answer = service_fn(move |request| answer(request, tell.clone()));
            let io = TokioIo::new(stream);
            if is_http2 {
                let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(served.serve_connection(io, answer));
            } else {
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, answer));
            }
        }
    });
    Api { url, got, connections }
}

async fn answer(
    request: Request<Incoming>,
    tell: mpsc::UnboundedSender<Got>,
) -> Result<Response<Trailed>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let is_stream = body.windows(13).any(|w| w == b"\"stream\":true");
    let (kind, text) = if is_stream { ("text/event-stream", EVENTS) } else { ("application/json", MESSAGE) };
    let line = format!("{} {}", head.method, head.uri.path_and_query().unwrap());
    let host = head.headers.get("host").map(|host| host.to_str().unwrap().to_owned());
    let host = host.or_else(|| head.uri.authority().map(ToString::to_string)).unwrap();
    tell.send(Got { line, host, headers: head.headers, body }).unwrap();
    let trailers: HeaderMap = [("x-late".parse().unwrap(), "1".parse().unwrap())].into_iter().collect();
    let body = Full::from(if head.method == Method::HEAD { "" } else { text })
        .with_trailers(std::future::ready(Some(Ok(trailers))))
        .boxed();
    let answer = Response::builder().header("content-type", kind).header("request-id", "req_1");
    Ok(answer
        .header("x-extra", "a,  b")
        .header("set-cookie", "one=1")
        .header("set-cookie", "two=2")
        .body(body)
        .unwrap())
}

/// What an upstream must see the same: all but where each protocol keeps the host.
fn fields(headers: &HeaderMap) -> Vec<String> {
    let shown = headers.iter().filter(|(name, _)| *name != "host");
    shown.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
}

#[tokio::test]
async fn all_four_pairs_pass_the_same() {
    let extra =
        [("x-odd", "a,  b"), ("cookie", "a=1; b=2"), ("anthropic-beta", "x,y"), ("anthropic-beta", "z")];
    for is_stream in [false, true] {
        let body = BODY.replace("\"max_tokens\"", &format!("\"stream\":{is_stream},\"max_tokens\""));
        let expected = if is_stream { EVENTS } else { MESSAGE };
        let mut there: Vec<Vec<String>> = Vec::new();
        let mut back: Vec<Vec<String>> = Vec::new();
        for upstream in [false, true] {
            for caller in [false, true] {
                let mut api = api(upstream).await;
                let served = if upstream {
                    serve_http2(&api.url, |_| ()).await
                } else {
                    serve(&api.url, &[], |_| ()).await
                };
                let mut headers =
                    vec![("content-type", "application/json"), ("anthropic-version", "2023-06-01")];
                headers.extend(extra);
                let (status, seen, text) = if caller {
                    let asked = request(Method::POST, "/v1/messages", &headers, &body);
                    let seen = ask_http2(&mut connect(served.addr).await, asked).await;
                    assert!(!seen.headers.contains_key("transfer-encoding"));
                    (seen.status.as_u16(), fields(&seen.headers), seen.body.unwrap())
                } else {
                    let extra: String =
                        extra.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                    let seen =
                        ask(served.addr, &post(&body, &format!("{extra}x-api-key: sk-ant-fake-own\r\n")))
                            .await;
                    assert!(seen.whole);
                    let of_this_hop =
                        |l: &&str| l.starts_with("connection:") || l.starts_with("transfer-encoding:");
                    let head = seen.head.lines().skip(1).filter(|l| !of_this_hop(l));
                    (seen.status, head.map(str::to_owned).collect(), seen.body.into())
                };
                let what = format!("upstream {upstream}, caller {caller}, stream {is_stream}");
                assert_eq!((status, &text[..]), (200, expected.as_bytes()), "{what}");
                assert!(!seen.iter().any(|line| line.starts_with("x-late")), "{what}");
                let own = |line: &String| {
                    !["date:", "x-request-id:", "traceparent:"].iter().any(|name| line.starts_with(name))
                };
                back.push(seen.into_iter().filter(own).collect());
                let got = api.got.recv().await.unwrap();
                assert_eq!(
                    (got.line.as_str(), &got.body[..]),
                    ("POST /v1/messages", body.as_bytes()),
                    "{what}"
                );
                assert!(api.url.ends_with(&format!("//{}", got.host)), "{what}: {}", got.host);
                let own =
                    |line: &String| !line.starts_with("x-request-id:") && !line.starts_with("traceparent:");
                there.push(fields(&got.headers).into_iter().filter(own).collect());
            }
        }
        assert!(there.iter().all(|headers| *headers == there[0]), "{there:#?}");
        assert!(back.iter().all(|headers| *headers == back[0]), "{back:#?}");
        assert!(there[0].len() >= 7 && back[0].len() >= 5, "{there:#?} {back:#?}");
    }
}

#[tokio::test]
async fn methods_bodies_and_heads_pass_over_http_2() {
    let mut api = api(true).await;
    let served = serve_http2(&api.url, |_| ()).await;
    for line in [
        "GET /v1/models?limit=1000&after_id=a%2Fb",
        "DELETE /v1/x",
        "OPTIONS /v1/y",
        "PROPFIND /any//z?q=1?2",
    ] {
        let asked = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let seen = ask(served.addr, asked.as_bytes()).await;
        assert_eq!((seen.status, seen.text().as_str()), (200, MESSAGE), "{line}");
        let got = api.got.recv().await.unwrap();
        assert_eq!((got.line.as_str(), got.headers.contains_key("content-length")), (line, false));
    }
    let asked = "HEAD /api/hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let seen = ask(served.addr, asked.as_bytes()).await;
    assert_eq!((seen.status, seen.body.len()), (200, 0));
    api.got.recv().await.unwrap();
    // Larger than every window on the way, and larger than what waits in memory.
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(5 << 20));
    let seen = ask(served.addr, &keyed(&large)).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    let got = api.got.recv().await.unwrap();
    assert!(got.body == large.as_bytes() && got.headers["content-length"] == large.len().to_string());
    assert_eq!(api.connections.load(Ordering::Relaxed), 1);
    let (_, log) = served.finish().await;
    assert!(log.iter().all(|l| l["attempts"][0]["protocol"] == "h2"), "{log:?}");
}

#[tokio::test]
async fn over_tls_the_server_chooses_and_calls_share_a_connection() {
    let api = sim(&format!("{QUICK}[[fault]]\nname = \"x\"\nnth = [2, 3, 4, 5, 6]\nhang = true\n")).await;
    let identity = Identity::new("http2");
    let behind = serve(&api.base_url(), &[], |o| o.tls = Some(identity.acceptor.clone())).await;
    let url = format!("https://localhost:{}", behind.addr.port());
    let trust = identity.trust();
    let before = |builder: clearline::Builder| builder.http2(Http2::Auto).trust(trust);
    let served = serve_before(before, &url, |_| (), |s| s.hedge = Hedge::Off).await;
    assert_eq!(ask(served.addr, &keyed(BODY)).await.status, 200);
    let addr = served.addr;
    let waiting: Vec<_> =
        (0..5).map(|_| tokio::spawn(async move { ask(addr, &keyed(BODY)).await })).collect();
    while requests(&api).len() < 6 {
        tokio::task::yield_now().await;
    }
    let shown =
        raw(behind.admin, b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(shown.contains("clearline_connections 1\n"), "{shown}");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_server_that_chooses_http_2_and_does_not_speak_it_is_called_by_http_1() {
    let identity = Identity::new("chooses");
    let acceptor = identity.acceptor.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream, Dur::secs(20)).await.unwrap();
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                stream.read_exact(&mut [0; 24]).await.unwrap();
                continue;
            }
            let mut asked = Vec::new();
            while !asked.ends_with(b"}]}") {
                stream.read_buf(&mut asked).await.unwrap();
            }
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
            let answer = format!("{head}content-length: {}\r\n\r\n{MESSAGE}", MESSAGE.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.ok();
        }
    });
    let trust = identity.trust();
    let before = |builder: clearline::Builder| builder.http2(Http2::Auto).trust(trust);
    let served = serve_before(before, &url, |_| (), |_| ()).await;
    for attempts in [2, 1] {
        let seen = ask(served.addr, &keyed(BODY)).await;
        assert_eq!((seen.status, seen.text().as_str()), (200, MESSAGE), "{attempts}");
    }
    let (_, log) = served.finish().await;
    let attempts: Vec<_> = log.iter().map(|line| line["attempts"].as_array().unwrap().len()).collect();
    assert_eq!(attempts, [2, 1], "{log:#?}");
}
