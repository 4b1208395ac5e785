//! A client with one key, before a server on this machine.

use clearline::{Client, PoolKey};
use clearline_model::Secret;
use clearline_net::Fence;
use clearline_policy::Settings;

pub(crate) fn client(url: &str, settings: Settings) -> Client {
    let secret = Secret::new(b"sk-ant-fake-one".to_vec());
    Client::builder(url)
        .keys(vec![PoolKey { alias: "one".to_owned(), secret }])
        .policy(settings)
        .fence(Fence::parse(Some("loopback")).unwrap())
        .build()
        .unwrap()
}
