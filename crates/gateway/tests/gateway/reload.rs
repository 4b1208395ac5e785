//! Other settings while calls run; TLS; and the way out.

use std::path::PathBuf;

use clearline::{Builder, Client, PoolKey, Tuning};
use clearline_gateway::Options;
use clearline_model::{Dur, Secret};
use clearline_net::{Acceptor, Fence, TrustSettings};
use clearline_policy::Settings;
use clearline_sim::SimEventKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::{BODY, QUICK, Seen, Served, ask, keyed, parts, raw, requests, serve, sim, upstream};

pub(crate) fn streamed() -> Vec<u8> {
    keyed(&BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\""))
}

async fn readyz(served: &Served) -> String {
    raw(served.admin, b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await
}

/// Reads on until the stream's first content is there.
pub(crate) async fn begun(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut part = [0; 4096];
    while !all.windows(19).any(|w| w == b"content_block_start") {
        let n = stream.read(&mut part).await.unwrap();
        assert!(n > 0, "{}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&part[..n]);
    }
    all
}

#[tokio::test]
async fn new_keys_and_upstreams_hold_for_new_calls_and_a_running_stream_goes_on() {
    let slow = "[answer]\nfirst_byte = \"1ms\"\nchunk = \"5ms\"\nchunks = 40\n";
    let (old, new) = (sim(slow).await, sim(QUICK).await);
    let served = serve(&old.base_url(), &["sk-ant-fake-a-long-old"], |_| ()).await;
    let mut running = TcpStream::connect(served.addr).await.unwrap();
    running.write_all(&streamed()).await.unwrap();
    let mut bytes = begun(&mut running).await;
    let upstreams = vec![upstream("", &new.base_url(), 1, &["sk-ant-fake-a-long-new"])];
    served.client.reload((upstreams, Vec::new()), (Settings::default(), Tuning::default()), false).unwrap();
    assert_eq!(ask(served.addr, &keyed(BODY)).await.status, 200);
    assert_eq!((requests(&old).len(), requests(&new).len()), (1, 1));
    let seen = |e: &clearline_sim::SimEvent| matches!(&e.kind, SimEventKind::Request { key: Some(key), .. } if key == "…-new");
    assert!(requests(&new).iter().all(seen));
    running.read_to_end(&mut bytes).await.unwrap();
    let stream = Seen::of(&bytes);
    assert!(stream.whole && stream.events().contains(&"message_stop".to_owned()), "{}", stream.text());
}

#[tokio::test]
async fn how_long_answers_are_fetched_is_changed_as_well() {
    let api = sim(QUICK).await;
    let served = serve(&api.base_url(), &[], |_| ()).await;
    let fetched = async || ask(served.addr, &keyed(BODY)).await.head.contains("clearline-fetched: stream");
    assert!(!fetched().await);
    for (fetch_streamed, is_fetched) in [(Some(1), true), (None, false)] {
        let tuning = Tuning { fetch_streamed, ..Tuning::default() };
        let upstreams = vec![upstream("", &api.base_url(), 1, &[])];
        served.client.reload((upstreams, Vec::new()), (Settings::default(), tuning), false).unwrap();
        assert_eq!(fetched().await, is_fetched);
    }
}

#[tokio::test]
async fn a_reload_with_mistakes_changes_nothing_and_names_all_of_them() {
    let api = sim(QUICK).await;
    let served = serve(&api.base_url(), &[], |_| ()).await;
    let upstreams = vec![upstream("a", "ftp://x", 1, &[]), upstream("b", "http://api.example", 1, &["a b"])];
    let mistakes = served
        .client
        .reload((upstreams, Vec::new()), (Settings::default(), Tuning::default()), false)
        .unwrap_err();
    assert_eq!(mistakes.len(), 3, "{mistakes:?}");
    assert_eq!(ask(served.addr, &keyed(BODY)).await.status, 200);
}

#[tokio::test]
async fn other_tokens_hold_for_the_next_request_of_a_connection_that_is_open() {
    let api = sim(QUICK).await;
    let served = serve(&api.base_url(), &["sk-ant-fake-1"], |_| ()).await;
    let mut stream = TcpStream::connect(served.addr).await.unwrap();
    let request = String::from_utf8(keyed(BODY)).unwrap().replace("connection: close\r\n", "");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut part = vec![0; 65536];
    let n = stream.read(&mut part).await.unwrap();
    assert!(part[..n].starts_with(b"HTTP/1.1 200"));
    let token =
        clearline_gateway::CallerToken { alias: "ci".to_owned(), secret: Secret::new(b"token-ci".to_vec()) };
    served.handle.reload(Options { tokens: vec![token], has_pool: true, ..Options::default() }).unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let n = stream.read(&mut part).await.unwrap();
    assert!(part[..n].starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&part[..n]));
}

#[tokio::test]
async fn it_says_that_it_drains_and_ends_within_its_time() {
    let api = sim(&format!("{QUICK}[[fault]]\nname = \"it\"\nstall_at_event = 3\n")).await;
    let mut served = serve(&api.base_url(), &[], |o| o.drain = Dur::millis(500)).await;
    let mut running = TcpStream::connect(served.addr).await.unwrap();
    running.write_all(&streamed()).await.unwrap();
    begun(&mut running).await;
    assert!(readyz(&served).await.starts_with("HTTP/1.1 200"));
    let (unused, _) = tokio::sync::oneshot::channel();
    drop(std::mem::replace(&mut served.stop, unused));
    let mut drains = false;
    for _ in 0..1_000 {
        let answer = readyz(&served).await;
        if parts(&answer).0 == 503 {
            assert!(answer.ends_with("draining\n"), "{answer}");
            drains = true;
            break;
        }
    }
    assert!(drains);
    let summary = (&mut served.task).await.unwrap();
    assert_eq!((summary.failed, summary.left), (1, 0), "the stream was cut at the end of the time");
}

/// A certificate for this machine, and a client that trusts no other.
pub(crate) struct Identity {
    folder: PathBuf,
    pub(crate) acceptor: Acceptor,
}

impl Drop for Identity {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

impl Identity {
    pub(crate) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("clearline-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let acceptor = Acceptor::read(&cert, &key).unwrap();
        Self { folder, acceptor }
    }

    /// Trust in this certificate alone.
    pub(crate) fn trust(&self) -> TrustSettings {
        TrustSettings { only: Some(self.folder.join("cert.pem")), ..TrustSettings::default() }
    }

    async fn call(&self, served: &Served) -> Result<String, clearline::CallError> {
        let key = PoolKey { alias: "own".to_owned(), secret: Secret::new(b"sk-ant-fake-own".to_vec()) };
        let policy = Settings { attempts_max: 1, ..Settings::default() };
        let builder: Builder = Client::builder(&format!("https://localhost:{}", served.addr.port()));
        let client = builder
            .keys(vec![key])
            .policy(policy)
            .trust(self.trust())
            .fence(Fence::parse(Some("loopback")).unwrap())
            .build()
            .unwrap();
        client.messages("claude-sonnet-5-5", 16, "Hello").await.map(|answer| answer.text)
    }
}

#[tokio::test]
async fn calls_come_in_over_tls_and_a_reload_changes_the_certificate() {
    let api = sim(QUICK).await;
    let (first, second) = (Identity::new("first"), Identity::new("second"));
    let served = serve(&api.base_url(), &[], |o| o.tls = Some(first.acceptor.clone())).await;
    assert!(!first.call(&served).await.unwrap().is_empty());
    assert!(second.call(&served).await.is_err());
    served.handle.reload(Options { tls: Some(second.acceptor.clone()), ..Options::default() }).unwrap();
    assert!(!second.call(&served).await.unwrap().is_empty());
    let text =
        raw(served.admin, b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(text.contains("clearline_handshakes_failed_total 1"), "{text}");
}

#[tokio::test]
async fn who_speaks_plain_http_to_tls_is_told_and_who_says_nothing_is_left() {
    let api = sim(QUICK).await;
    let identity = Identity::new("plain");
    let served = serve(&api.base_url(), &[], |o| {
        o.tls = Some(identity.acceptor.clone());
        o.handshake_timeout = Dur::millis(50);
    })
    .await;
    let answer = raw(served.addr, &keyed(BODY)).await;
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("clearline-cause: tls.plain-http"),
        "{answer}"
    );
    assert!(answer.contains("https://"), "{answer}");
    assert_eq!(raw(served.addr, b"").await, "", "a handshake that never comes ends");
    // The first bytes of a hello and no more.
    assert_eq!(raw(served.addr, &[22, 3, 1]).await, "");
    assert!(requests(&api).is_empty());
    let (_, log) = served.finish().await;
    let told: Vec<_> = log.iter().map(|l| (&l["event"], &l["status"], &l["cause"])).collect();
    assert_eq!(told, [(&"request refused".into(), &400.into(), &"tls.plain-http".into())]);
}
