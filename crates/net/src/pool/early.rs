//! Answers that come before their requests have left.

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::*;

#[tokio::test]
async fn a_connection_whose_request_has_not_left_is_not_kept() {
    // Larger than what the kernel takes for somebody who reads nothing.
    let large = Bytes::from(vec![b'x'; 32 << 20]);
    for (body, kept) in [(Bytes::from_static(b"{}"), 1), (large, 0)] {
        for answer in ["content-length: 2\r\n\r\n{}", "content-length: 0\r\n\r\n"] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let target = Target::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
            let tls = tls_config(&TrustSettings { system: false, ..TrustSettings::default() }).unwrap();
            let route = Route { target: &target, proxy: None, tls };
            let fence = Fence::parse(Some("loopback")).unwrap();
            let opened = open(&fence, route.clone(), &[], &Limits::default(), &mut |_, _| {}).await;
            let mut conn = opened.ok().unwrap();
            let (mut far, _) = listener.accept().await.unwrap();
            let answers = async {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(far.read_u8().await.unwrap());
                }
                if kept > 0 {
                    far.read_exact(&mut [0; 2]).await.unwrap();
                }
                far.write_all(format!("HTTP/1.1 200 OK\r\n{answer}").as_bytes()).await.unwrap();
            };
            let request = Request::post("/").header("host", "x").body(body.clone()).unwrap();
            let limits = SendLimits::default();
            let (response, ()) = tokio::join!(conn.send(request, &limits), answers);
            let pool = Pool::default();
            let response = response.unwrap().map(|body| Body::new(body, conn, Some(pool.clone())));
            response.into_body().collect().await.unwrap();
            assert_eq!(pool.idle(&route.key()), kept, "{} bytes, {answer:?}", body.len());
            assert_eq!(pool.take(&route.key(), &Want::default(), Instant::now()).is_some(), kept > 0);
        }
    }
}
