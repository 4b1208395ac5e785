//! Connections and the runtimes that drive them.

use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::{Fence, Limits, Route, Target, TrustSettings, open, tls_config};

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_connection_serves_the_runtime_that_drives_it() {
    // It is never answered: the kernel takes the connection.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let (fence, tls) =
        (Fence::parse(Some("loopback")).unwrap(), tls_config(&TrustSettings::default()).unwrap());
    let (first, second) = (current_thread(), current_thread());
    let pool = Pool::default();
    let key = first.block_on(async {
        let route = Route { target: &target, proxy: None::<&crate::Proxy>, tls };
        let conn = open(&fence, route, &[], &Limits::default(), &mut |_, _| {}).await.ok().unwrap();
        let key = conn.key().to_owned();
        pool.put(conn);
        key
    });
    let take =
        |runtime: &Runtime| runtime.block_on(async { pool.take(&key, &Want::default(), Instant::now()) });
    assert!(take(&second).is_none());
    assert_eq!(pool.idle(&key), 1, "it may be wanted where it belongs");
    pool.put(take(&first).unwrap());
    assert!(pool.take(&key, &Want::default(), Instant::now()).is_none(), "nobody drives anything here");
    drop(first);
    assert!(take(&second).is_none());
    assert_eq!(pool.idle(&key), 0, "it is dead, and closed");
}
