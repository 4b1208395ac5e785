//! Proxies that speak HTTP correctly, and otherwise than most.

use std::net::SocketAddr;
use std::sync::Arc;

use clearline_model::{Failure, Stage};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::identity::{acceptor, identity};
use crate::*;

async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut got = Vec::new();
    while !got.ends_with(b"\r\n\r\n") {
        got.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(got).unwrap()
}

async fn laid(proxy: &str, tls: Arc<ClientConfig>) -> Result<Laid, Fault> {
    let (target, proxy) = (Target::parse("https://api.test").unwrap(), parse_proxy(proxy).unwrap());
    let route = Route { target: &target, proxy: Some(&proxy), tls };
    let fence = Fence::parse(Some("loopback")).unwrap();
    lay(&fence, &route, &[], (&Limits::default(), &mut |_, _| {})).await
}

/// CONNECT is written as HTTP/1.1, so HTTP/2, which the upstream may be offered, is not offered to its proxy.
#[tokio::test]
async fn a_proxy_over_tls_is_spoken_to_as_it_was_asked() {
    let identity = identity("tunnel");
    let acceptor = acceptor(&identity, &["h2", "http/1.1"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let chosen = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        assert!(head(&mut stream).await.starts_with("CONNECT api.test:443 HTTP/1.1\r\n"));
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        stream.flush().await.unwrap();
        stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
    });
    let trust = TrustSettings { only: Some(identity.file.clone()), ..TrustSettings::default() };
    let offering = offering_http2(&tls_config(&trust).unwrap());
    let laid = laid(&format!("https://localhost:{port}"), offering).await;
    assert_eq!(laid.map_err(|fault| fault.to_string()).ok().unwrap().reply().unwrap().status, 200);
    assert_ne!(chosen.await.unwrap().as_deref(), Some(&b"h2"[..]));
}

/// A proxy that answers so.
async fn proxy(answer: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    addr
}

/// What comes before the answer is none (RFC 9110, section 15.2).
#[tokio::test]
async fn an_interim_answer_to_connect_is_none() {
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let tls = tls_config(&TrustSettings { system: false, ..TrustSettings::default() }).unwrap();
    for (before, last, failure) in [
        (interim.to_owned(), "HTTP/1.1 200 OK\r\nx-last: 1\r\n\r\n", None),
        (interim.repeat(3), "HTTP/1.1 200 OK\r\nx-last: 1\r\n\r\n", None),
        (interim.to_owned(), "HTTP/1.1 403 Forbidden\r\n\r\n", Some(Failure::Tunnel(403))),
        (interim.to_owned(), "", Some(Failure::Eof)),
        // Nobody asked for another protocol.
        (String::new(), "HTTP/1.1 101 Switching Protocols\r\n\r\n", Some(Failure::Tunnel(101))),
        (interim.repeat(1000), "HTTP/1.1 200 OK\r\n\r\n", Some(Failure::Tunnel(0))),
    ] {
        let addr = proxy(format!("{before}{last}")).await;
        let laid = laid(&format!("http://{addr}"), Arc::clone(&tls)).await;
        let seen = laid.as_ref().err().map(|fault| (fault.stage, fault.failure));
        assert_eq!(seen, failure.map(|failure| (Stage::Tunnel, failure)), "{last}");
        if let Ok(laid) = laid {
            assert_eq!(laid.reply().unwrap().headers[0].0, "x-last");
        }
    }
}
