//! How long connections have idled.

use std::future::poll_fn;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use clearline_model::Dur;
use http::Request;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::since::Since;
use crate::*;

/// A connection in a pool, and its key. The head of its one answer seems to have come at this moment, and the end of it now.
async fn rested(head_at: Instant) -> (Pool, String) {
    let (pool, key, _far) = rested_in(Pool::default(), head_at).await;
    (pool, key)
}

/// The same in this pool, and what tells that the other side has seen its end.
async fn rested_in(pool: Pool, head_at: Instant) -> (Pool, String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let tls = tls_config(&TrustSettings { system: false, ..TrustSettings::default() }).unwrap();
    let route = Route { target: &target, proxy: None, tls };
    let (key, fence) = (route.key(), Fence::parse(Some("loopback")).unwrap());
    let mut conn = open(&fence, route, &[], &Limits::default(), &mut |_, _| {}).await.ok().unwrap();
    let far = tokio::spawn(async move {
        let (mut far, _) = listener.accept().await.unwrap();
        far.read_exact(&mut [0; 10]).await.unwrap();
        far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
        // It stays open.
        while far.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {}
    });
    let request = Request::post("/").header("host", "x").body(Bytes::from_static(b"{}")).unwrap();
    // Beyond the time that seems to have gone.
    let limits = SendLimits { send: Dur::secs(600), ..SendLimits::default() };
    let mut exchange = conn.exchange(request, &limits, head_at);
    let response = poll_fn(|cx| exchange.poll(&mut conn, head_at, cx)).await.unwrap();
    Body::new(response.into_body(), conn, Some(pool.clone())).collect().await.unwrap();
    assert_eq!(pool.idle(&key), 1);
    (pool, key, far)
}

fn long() -> Duration {
    Duration::from(IDLE_LIMIT) * 2
}

#[tokio::test]
async fn a_connection_idles_from_the_end_of_its_answer() {
    let now = Instant::now();
    let (pool, key) = rested(now.checked_sub(long()).unwrap()).await;
    assert!(pool.take(&key, &Want::default(), Instant::now()).is_some());
    let (pool, key) = rested(now).await;
    assert!(pool.take(&key, &Want::default(), Instant::now() + long()).is_none());
}

#[tokio::test]
async fn a_connection_from_before_the_machine_slept_is_not_taken() {
    let (pool, key) = rested(Instant::now()).await;
    let woken = Since::new(Instant::now(), SystemTime::now() + long());
    assert!(pool.take_at(&key, &Want::default(), woken).is_none());
    assert_eq!(pool.idle(&key), 0, "it is closed");
}

/// The other side hears of it: nobody asks the pool.
#[tokio::test]
async fn what_idles_is_closed_although_nobody_asks_for_a_connection() {
    let pool = Pool::new(MAX_IDLE, Dur::millis(100));
    for _again in 0..2 {
        let (pool, key, far) = rested_in(pool.clone(), Instant::now()).await;
        far.await.unwrap();
        assert_eq!(pool.idle(&key), 0);
    }
}

#[tokio::test]
async fn a_pool_that_nobody_has_any_more_is_closed_at_once() {
    let (pool, _, far) = rested_in(Pool::new(MAX_IDLE, Dur::secs(3_600)), Instant::now()).await;
    drop(pool);
    far.await.unwrap();
}

/// A runtime that ends takes its task with it, and the next one has its own.
#[test]
fn a_pool_outlives_the_runtime_that_swept_it() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pool = Pool::new(MAX_IDLE, Dur::millis(100));
    let first = runtime();
    first.block_on(rested_in(pool.clone(), Instant::now()));
    drop(first);
    runtime().block_on(async {
        let (_, _, far) = rested_in(pool.clone(), Instant::now()).await;
        far.await.unwrap();
    });
}
