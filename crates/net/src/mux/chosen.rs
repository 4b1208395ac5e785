//! Who decides that HTTP/2 is spoken: the server over TLS, the settings in clear, and nobody for a forwarding proxy.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::identity::{Identity, acceptor, identity};
use crate::*;

/// A server that offers these protocols, and answers where HTTP/2 is chosen.
async fn server(identity: &Identity, offers: &[&str]) -> SocketAddr {
    let acceptor = acceptor(identity, offers);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let mut out = respond.send_response(Response::new(()), false).unwrap();
                    out.send_data(Bytes::from_static(b"over HTTP/2"), true).unwrap();
                }
            } else {
                stream.read_to_end(&mut Vec::new()).await.ok();
            }
        }
    });
    addr
}

async fn line(url: &str, proxy: Option<&Proxy>, tls: &Arc<ClientConfig>, http2: Http2) -> (Line, Pool) {
    let (target, pool) = (Target::parse(url).unwrap(), Pool::default());
    let route = Route { target: &target, proxy, tls: Arc::clone(tls) };
    let fence = Fence::parse(Some("loopback")).unwrap();
    let limits = Limits::default();
    let line =
        open_line(&fence, route, &[], (&limits, &mut |_, _| {}), (http2, Turn::default(), &pool)).await;
    (line.map_err(|fault| fault.to_string()).ok().unwrap(), pool)
}

async fn answers(line: Line) {
    let Line::Shared(lent) = line else { panic!("HTTP/1.1") };
    let request = Request::get("/").body(Bytes::new()).unwrap();
    let (response, _) = lent.send(request, &SendLimits::default()).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "over HTTP/2");
}

#[tokio::test]
async fn over_tls_the_server_chooses_and_in_clear_the_settings() {
    let identity = identity("chosen");
    let trust = TrustSettings { only: Some(identity.file.clone()), ..TrustSettings::default() };
    let plain = tls_config(&trust).unwrap();
    let offering = offering_http2(&plain);
    let both = server(&identity, &["h2", "http/1.1"]).await;
    for (what, addr, tls, is_shared) in [
        ("both offer it", both, &offering, true),
        ("it is not offered", both, &plain, false),
        ("the server does not speak it", server(&identity, &["http/1.1"]).await, &offering, false),
        ("the server says nothing", server(&identity, &[]).await, &offering, false),
    ] {
        let url = format!("https://localhost:{}", addr.port());
        let (line, pool) = line(&url, None, tls, Http2::Auto).await;
        assert_eq!(line.addr(), addr);
        assert!(!line.is_used());
        assert_eq!(matches!(line, Line::Shared(_)), is_shared, "{what}");
        assert_eq!(pool.shared(&url), usize::from(is_shared), "{what}");
        if is_shared {
            answers(line).await;
        }
    }
    let clear = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", clear.local_addr().unwrap());
    for (http2, is_shared) in [(Http2::Off, false), (Http2::Auto, false), (Http2::Prior, true)] {
        let (line, _) = line(&url, None, &offering, http2).await;
        assert_eq!(matches!(line, Line::Shared(_)), is_shared, "{http2:?}");
    }
}

#[tokio::test]
async fn a_tunnel_carries_it_and_a_forwarding_proxy_does_not_get_it() {
    let identity = identity("carried");
    let trust = TrustSettings { only: Some(identity.file.clone()), ..TrustSettings::default() };
    let offering = offering_http2(&tls_config(&trust).unwrap());
    let upstream = server(&identity, &["h2", "http/1.1"]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"CONNECT api.test:443 HTTP/1.1\r\n"));
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
        let mut server = TcpStream::connect(upstream).await.unwrap();
        tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
        drop(listener.accept().await);
    });
    let proxy = parse_proxy(&format!("http://{addr}")).unwrap();
    let (tunnelled, _) = line("https://api.test", Some(&proxy), &offering, Http2::Auto).await;
    assert_eq!(tunnelled.addr(), addr);
    answers(tunnelled).await;
    let (forwarded, _) = line("http://api.test", Some(&proxy), &offering, Http2::Prior).await;
    assert!(matches!(forwarded, Line::Own(conn) if conn.absolute_form()));
}

/// What is chosen and does not work is not chosen again for a while; what works once is trusted.
#[tokio::test]
async fn a_server_that_ends_before_it_has_spoken_http_2_is_called_by_http_1() {
    let identity = identity("mistrusted");
    let trust = TrustSettings { only: Some(identity.file.clone()), ..TrustSettings::default() };
    let offering = offering_http2(&tls_config(&trust).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let acceptor = acceptor(&identity, &["h2"]);
    tokio::spawn(async move {
        for says in [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n"] {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            stream.read_exact(&mut [0; 24]).await.unwrap();
            stream.write_all(says).await.unwrap();
            stream.shutdown().await.ok();
            while stream.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {}
        }
    });
    for _ in 0..2 {
        let (line, pool) = line(&url, None, &offering, Http2::Auto).await;
        let Line::Shared(lent) = line else { panic!("HTTP/1.1") };
        let request = Request::get("/").body(Bytes::new()).unwrap();
        lent.send(request, &SendLimits::default()).await.unwrap_err();
        // Its end is told by whoever moves its frames.
        let turn = loop {
            let turn = pool.lend_or_turn(&url, &Want::default()).await.err().unwrap();
            if turn.is_plain() {
                break turn;
            }
            drop(turn);
            tokio::task::yield_now().await;
        };
        drop(turn);
    }
    let works = server(&identity, &["h2"]).await;
    let url = format!("https://localhost:{}", works.port());
    let (line, pool) = line(&url, None, &offering, Http2::Auto).await;
    answers(line).await;
    assert!(
        !pool.lend_or_turn(&url, &Want { fresh: true, ..Want::default() }).await.err().unwrap().is_plain()
    );
}
