//! The steps over real sockets on loopback. Every wait is for an event.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use clearline_model::{
    Cause, CertFault, ConfigFault, Dur, Failure, Framing, Icmp, Limit, LocalFault, Sent, Stage,
};
use http::Request;
use http_body_util::BodyExt as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::resolve::resolve_by;
use crate::*;

const LIMIT: Dur = Dur::secs(20);

fn fence() -> Fence {
    Fence::parse(Some("loopback")).unwrap()
}

/// A server that plays one scene for each connection, numbered from 0.
async fn server<F, S>(scene: S) -> SocketAddr
where
    F: Future<Output = ()> + Send,
    S: Fn(TcpStream, usize) -> F + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for n in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            scene(stream, n).await;
        }
    });
    addr
}

async fn dead() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// Reads until the head's end and gives it.
async fn head(stream: &mut TcpStream) -> String {
    let mut got = Vec::new();
    let mut byte = [0];
    while !got.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.unwrap() == 1 {
        got.push(byte[0]);
    }
    String::from_utf8(got).unwrap()
}

fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(stream);
}

fn trust(extra: &[PathBuf], public: Option<PathBuf>) -> TrustSettings {
    TrustSettings { only: None, extra: extra.to_vec(), public_roots: public, system: false, fallback: true }
}

async fn open_to(url: &str, proxy: Option<&Proxy>, tls: Arc<ClientConfig>) -> Result<Conn, Fault> {
    let target = Target::parse(url).unwrap();
    let route = Route { target: &target, proxy, tls };
    open(&fence(), route, &[], &Limits::default(), &mut |_, _| {}).await
}

async fn plain(addr: SocketAddr) -> Conn {
    open_to(&format!("http://{addr}"), None, tls_config(&trust(&[], None)).unwrap()).await.ok().unwrap()
}

fn post() -> Request<ReqBody> {
    Request::post("/v1/messages").header("host", "x").body(Bytes::from_static(b"{}").into()).unwrap()
}

async fn failed(addr: SocketAddr) -> Fault {
    plain(addr).await.send(post(), &SendLimits::default()).await.unwrap_err()
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let addr = dead().await;
    let fault = connect(&fence(), &[addr], LIMIT).await.unwrap_err();
    assert_eq!((fault.failure, fault.addr, fault.cause()), (Failure::Refused, Some(addr), Cause::TcpRefused));
}

#[tokio::test]
async fn a_dead_first_address_costs_no_head_start() {
    let alive = server(|_stream, _| async {}).await;
    let (_, won) = connect(&fence(), &[dead().await, alive], LIMIT).await.unwrap();
    assert_eq!(won, alive);
}

/// A listener whose queue is full: the kernel drops further SYNs. Both must be kept.
fn silent() -> (SocketAddr, socket2::Socket, std::net::TcpStream) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    let filler = std::net::TcpStream::connect(addr).unwrap();
    (addr, socket, filler)
}

#[tokio::test]
async fn silence_ends_the_limit_and_lets_the_next_address_in() {
    let (quiet, _listener, _filler) = silent();
    let fault = connect(&fence(), &[quiet], Dur::millis(20)).await.unwrap_err();
    assert_eq!((fault.failure, fault.addr), (Failure::TimedOut(Limit::Connect), Some(quiet)));
    assert_eq!(fault.cause(), Cause::TcpTimeout);
    let alive = server(|_stream, _| async {}).await;
    let begun = std::time::Instant::now();
    assert_eq!(connect(&fence(), &[quiet, alive], LIMIT).await.unwrap().1, alive);
    assert!(Dur::from(begun.elapsed()) >= HEAD_START);
}

/// Whether the kernel has sent a SYN there that is not answered: state 02 of its table.
fn is_tried(addr: SocketAddr) -> bool {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let remote = format!(":{:04X}", addr.port());
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    table.lines().map(fields).any(|f| f.len() > 3 && f[2].ends_with(&remote) && f[3] == "02")
}

#[tokio::test]
async fn an_early_address_stays_alive_while_later_ones_are_tried() {
    let (early, listener, _filler) = silent();
    let (late, _listener, _filler2) = silent();
    // Room in the queue after the second one has started: the retransmitted SYN of the first gets through.
    let free = async {
        while !is_tried(late) {
            tokio::task::yield_now().await;
        }
        drop(listener.accept().unwrap());
    };
    let (won, ()) = tokio::join!(async { connect(&fence(), &[early, late], LIMIT).await.unwrap().1 }, free);
    assert_eq!(won, early);
}

#[tokio::test]
async fn a_reset_before_the_answer() {
    let addr = server(|mut stream, _| async move {
        head(&mut stream).await;
        stream.read_exact(&mut [0; 2]).await.unwrap();
        reset(stream);
    })
    .await;
    let fault = failed(addr).await;
    assert_eq!((fault.failure, fault.stage, fault.sent), (Failure::Reset, Stage::Head, Sent::Yes));
    assert_eq!((fault.cause(), fault.addr), (Cause::HttpResetBeforeResponse, Some(addr)));
}

#[tokio::test]
async fn a_close_before_the_answer() {
    let addr = server(|mut stream, _| async move {
        head(&mut stream).await;
        stream.read_exact(&mut [0; 2]).await.unwrap();
    })
    .await;
    let fault = failed(addr).await;
    assert_eq!((fault.failure, fault.stage, fault.sent), (Failure::Eof, Stage::Head, Sent::Yes));
}

#[tokio::test]
async fn garbage_is_no_answer() {
    let addr = server(|mut stream, _| async move {
        head(&mut stream).await;
        stream.write_all(b"220 ready\r\n\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.ok();
    })
    .await;
    assert_eq!(failed(addr).await.failure, Failure::Framing(Framing::Malformed));
}

#[tokio::test]
async fn no_answer_ends_the_limit_of_the_first_byte() {
    let addr = server(|mut stream, _| async move {
        stream.read_to_end(&mut Vec::new()).await.ok();
    })
    .await;
    let limits = SendLimits { first_byte: Dur::millis(5), ..SendLimits::default() };
    let fault = plain(addr).await.send(post(), &limits).await.unwrap_err();
    assert_eq!((fault.failure, fault.sent), (Failure::TimedOut(Limit::FirstByte), Sent::Yes));
    assert_eq!(fault.cause(), Cause::HttpNoResponse);
}

async fn body_fault(answer: &'static [u8], hard: bool) -> Fault {
    let addr = server(move |mut stream, _| async move {
        head(&mut stream).await;
        stream.read_exact(&mut [0; 2]).await.unwrap();
        stream.write_all(answer).await.unwrap();
        if hard {
            reset(stream);
        }
    })
    .await;
    let pool = Pool::default();
    let mut conn = plain(addr).await;
    let key = conn.key().to_owned();
    let response = conn.send(post(), &SendLimits::default()).await.unwrap();
    let body = Body::new(response.into_body(), conn, Some(pool.clone()));
    let fault = body.collect().await.map(|_| ()).unwrap_err();
    assert_eq!(pool.idle(&key), 0);
    fault
}

#[tokio::test]
async fn a_body_that_ends_early_is_short() {
    let short = body_fault(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", false).await;
    assert_eq!((short.stage, short.failure), (Stage::Body, Failure::Framing(Framing::Short)));
    let chunked =
        body_fault(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n", false).await;
    assert_eq!(chunked.failure, Failure::Framing(Framing::Short));
    let broken =
        body_fault(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n", false).await;
    assert!(matches!(broken.failure, Failure::Framing(_)));
}

/// What an upstream answers with this head and an empty JSON object, to this method.
async fn head_fault(method: &str, head: &'static str) -> Option<Fault> {
    let addr = server(move |mut stream, _| async move {
        self::head(&mut stream).await;
        stream.read_exact(&mut [0; 2]).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
    })
    .await;
    let mut request = post();
    *request.method_mut() = method.parse().unwrap();
    plain(addr).await.send(request, &SendLimits::default()).await.err()
}

/// Nobody asked for one, and nothing behind could tell that the body is in it (RFC 9112, sections 6.1 and 7.4).
#[tokio::test]
async fn a_transfer_coding_that_nobody_reads_is_refused() {
    for (coding, is_well) in [
        ("transfer-encoding: chunked\r\n", true),
        ("Transfer-Encoding: Chunked \r\n", true),
        ("transfer-encoding: gzip\r\n", false),
        ("transfer-encoding: gzip, chunked\r\n", false),
        ("transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n", false),
        ("transfer-encoding: chunked, gzip\r\n", false),
        ("transfer-encoding: chunked, chunked\r\n", false),
        ("transfer-encoding: identity\r\n", false),
        ("transfer-encoding: \r\n", false),
        ("transfer-encoding: xchunked\r\n", false),
        ("transfer-encoding: chunked;q=1\r\n", false),
    ] {
        let text: &'static str =
            Box::leak(format!("HTTP/1.1 200 OK\r\n{coding}\r\n2\r\n{{}}\r\n0\r\n\r\n").into());
        let fault = head_fault("POST", text).await;
        assert_eq!(fault.is_none(), is_well, "{coding}: {fault:?}");
        if let Some(fault) = fault {
            let seen = (fault.stage, fault.failure, fault.sent);
            assert_eq!(seen, (Stage::Head, Failure::Framing(Framing::Malformed), Sent::Yes), "{coding}");
            assert!(fault.detail.raw().contains("transfer-encoding"), "{:?}", fault.detail);
        }
    }
    // Where there is no body it is in no coding.
    assert!(head_fault("HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n").await.is_none());
    assert!(head_fault("POST", "HTTP/1.1 204 No Content\r\ntransfer-encoding: gzip\r\n\r\n").await.is_none());
}

#[tokio::test]
async fn a_finished_exchange_gives_its_connection_back_and_a_dead_one_is_not_taken() {
    let (close, wait) = tokio::sync::oneshot::channel::<()>();
    let wait = Arc::new(tokio::sync::Mutex::new(wait));
    let addr = server(move |mut stream, _| {
        let wait = Arc::clone(&wait);
        async move {
            for _ in 0..2 {
                head(&mut stream).await;
                stream.read_exact(&mut [0; 2]).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
            }
            (&mut *wait.lock().await).await.ok();
        }
    })
    .await;
    let pool = Pool::default();
    let mut conn = plain(addr).await;
    let key = conn.key().to_owned();
    for uses in 1..3 {
        let response = conn.send(post(), &SendLimits::default()).await.unwrap();
        Body::new(response.into_body(), conn, Some(pool.clone())).collect().await.unwrap();
        assert_eq!(pool.idle(&key), 1);
        assert!(
            pool.take(&key, &Want { fresh: true, ..Want::default() }, tokio::time::Instant::now()).is_none()
        );
        assert!(
            pool.take(&key, &Want { avoid: &[addr], ..Want::default() }, tokio::time::Instant::now())
                .is_none()
        );
        conn = pool.take(&key, &Want::default(), tokio::time::Instant::now()).unwrap();
        assert_eq!(conn.uses(), uses);
    }
    close.send(()).unwrap();
    while conn.is_usable() {
        tokio::task::yield_now().await;
    }
    let fault = conn.send(post(), &SendLimits::default()).await.unwrap_err();
    assert_eq!((fault.failure, fault.sent), (Failure::Local(LocalFault::StalePooled), Sent::No));
    pool.put(conn);
    assert_eq!(pool.idle(&key), 0);
}

#[tokio::test]
async fn what_a_proxy_refuses_is_kept() {
    for (answer, failure, kept) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"r\"\r\n\r\n",
            Failure::Tunnel(407),
            "realm=\"r\"",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\nX-Squid-Error: ERR_ACCESS_DENIED 0\r\n\r\n",
            Failure::Tunnel(403),
            "ERR_ACCESS",
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n", Failure::Tunnel(0), "SSH-2.0"),
        ("", Failure::Eof, ""),
    ] {
        let addr = server(move |mut stream, _| async move {
            let asked = head(&mut stream).await;
            assert!(asked.starts_with("CONNECT api.test:443 HTTP/1.1\r\n"));
            assert!(asked.contains("Proxy-Authorization: Basic dTpwOnc=\r\n"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let proxy = parse_proxy(&format!("http://u:p%3Aw@{addr}")).unwrap();
        let tls = tls_config(&trust(&[], None)).unwrap();
        let fault = open_to("https://api.test", Some(&proxy), tls).await.err().unwrap();
        assert_eq!((fault.stage, fault.failure), (Stage::Tunnel, failure), "{answer}");
        assert!(fault.detail.raw().contains(kept));
    }
}

/// Reads what a client of a tunnel asks for, says yes, and carries the bytes to `to`.
async fn carry(mut client: TcpStream, to: SocketAddr, yes: &[u8]) {
    client.write_all(yes).await.unwrap();
    let mut upstream = TcpStream::connect(to).await.unwrap();
    tokio::io::copy_bidirectional(&mut client, &mut upstream).await.ok();
}

#[tokio::test]
async fn a_tunnel_carries_tls_to_the_name_behind_it() {
    let ca = authority("tunnel");
    let tls = tls_config(&trust(&[], Some(ca.file.clone()))).unwrap();
    let upstream = tls_server(&ca, "api.test", 2090).await;
    let connect = server(move |mut stream, _| async move {
        assert!(head(&mut stream).await.starts_with("CONNECT api.test:443 HTTP/1.1\r\n"));
        carry(stream, upstream, b"HTTP/1.1 200 Connection established\r\nX-Proxy: p\r\n\r\n").await;
    })
    .await;
    let socks = server(move |mut stream, _| async move {
        stream.read_exact(&mut [0; 3]).await.unwrap();
        stream.write_all(&[5, 0]).await.unwrap();
        stream.read_exact(&mut [0; 15]).await.unwrap();
        carry(stream, upstream, &[5, 0, 0, 1, 127, 0, 0, 1, 0, 80]).await;
    })
    .await;
    for url in [format!("http://{connect}"), format!("socks5h://{socks}")] {
        let proxy = parse_proxy(&url).unwrap();
        let mut stages = Vec::new();
        let target = Target::parse("https://api.test").unwrap();
        let route = Route { target: &target, proxy: Some(&proxy), tls: Arc::clone(&tls) };
        let opened = open(&fence(), route, &[], &Limits::default(), &mut |stage, _| stages.push(stage)).await;
        let conn = opened.map_err(|f| f.to_string()).ok().unwrap();
        assert_eq!(stages, [Stage::Resolve, Stage::Connect, Stage::Tunnel, Stage::Handshake], "{url}");
        let kept = conn.tunnel().map(|t| format!("{t:?}")).unwrap_or_default();
        assert_eq!(kept.contains("X-Proxy"), url.starts_with("http:"), "{kept}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there() {
    let proxy = parse_proxy(&dead().await.to_string()).unwrap();
    let tls = tls_config(&trust(&[], None)).unwrap();
    let fault = open_to("https://api.test", Some(&proxy), tls).await.err().unwrap();
    assert_eq!((fault.cause(), fault.stage), (Cause::ProxyUnreachable, Stage::Tunnel));
}

#[tokio::test]
async fn a_forwarding_proxy_gets_the_absolute_form() {
    let addr = server(|mut stream, _| async move {
        let asked = head(&mut stream).await;
        assert!(asked.starts_with("POST http://api.test/v1/messages HTTP/1.1\r\n"), "{asked}");
        assert!(
            asked.to_ascii_lowercase().contains("proxy-authorization: basic dTpw".to_lowercase().as_str())
        );
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    })
    .await;
    let proxy = parse_proxy(&format!("http://u:p@{addr}")).unwrap();
    let tls = tls_config(&trust(&[], None)).unwrap();
    let mut conn = open_to("http://api.test", Some(&proxy), tls).await.ok().unwrap();
    assert!(conn.absolute_form());
    assert_eq!(conn.send(post(), &SendLimits::default()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn socks5h_sends_the_name_and_a_refusal_is_typed() {
    for (method, reply, failure) in
        [(0, 2, Failure::Socks(2)), (0xFF, 0, Failure::Socks(0xFF)), (2, 0, Failure::Socks(0xFE))]
    {
        let addr = server(move |mut stream, _| async move {
            let mut hello = [0; 4];
            stream.read_exact(&mut hello).await.unwrap();
            assert_eq!(hello, [5, 2, 0, 2]);
            stream.write_all(&[5, method]).await.unwrap();
            if method == 2 {
                let mut login = [0; 5];
                stream.read_exact(&mut login).await.unwrap();
                assert_eq!(&login, b"\x01\x01u\x01p");
                stream.write_all(&[1, 1]).await.unwrap();
            }
            if method == 0 {
                let mut asked = [0; 15];
                stream.read_exact(&mut asked).await.unwrap();
                assert_eq!(&asked, b"\x05\x01\x00\x03\x08api.test\x01\xbb");
                stream.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            }
        })
        .await;
        let proxy = parse_proxy(&format!("socks5h://u:p@{addr}")).unwrap();
        let tls = tls_config(&trust(&[], None)).unwrap();
        let fault = open_to("https://api.test", Some(&proxy), tls).await.err().unwrap();
        assert_eq!((fault.stage, fault.failure), (Stage::Tunnel, failure));
    }
}

/// A CA, and a file that holds it for as long.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Drop for Authority {
    fn drop(&mut self) {
        std::fs::remove_file(&self.file).ok();
    }
}

fn authority(name: &str) -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let cert = params.self_signed(&key).unwrap();
    let file = std::env::temp_dir().join(format!("clearline-net-{}-{name}.pem", std::process::id()));
    std::fs::write(&file, cert.pem()).unwrap();
    Authority { issuer: Issuer::new(params, key), file }
}

async fn tls_server(ca: &Authority, name: &str, until: i32) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let cert = params.signed_by(&key, &ca.issuer).unwrap();
    tls_serve(cert.der().clone(), &key).await
}

async fn tls_serve(cert: rustls_pki_types::CertificateDer<'static>, key: &KeyPair) -> SocketAddr {
    let key = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    server(move |stream, _| {
        let acceptor = acceptor.clone();
        async move { drop(acceptor.accept(stream).await) }
    })
    .await
}

#[tokio::test]
async fn certificates_are_judged() {
    let (known, other) = (authority("known"), authority("other"));
    let tls = tls_config(&trust(&[], Some(known.file.clone()))).unwrap();
    for (ca, name, until, failure) in [
        (&known, "localhost", 2090, None),
        (&other, "localhost", 2090, Some(CertFault::UnknownIssuer)),
        (&known, "elsewhere.test", 2090, Some(CertFault::WrongHost)),
        (&known, "localhost", 2021, Some(CertFault::Expired)),
    ] {
        let addr = tls_server(ca, name, until).await;
        let fault =
            open_to(&format!("https://localhost:{}", addr.port()), None, Arc::clone(&tls)).await.err();
        assert_eq!(fault.as_ref().map(|f| f.failure), failure.map(Failure::Cert), "{name} {until}");
        assert!(fault.is_none_or(|f| f.stage == Stage::Handshake && f.addr == Some(addr)));
    }
    // An extra CA is additive.
    let both = tls_config(&trust(std::slice::from_ref(&other.file), Some(known.file.clone()))).unwrap();
    for ca in [&known, &authority("other2")] {
        let addr = tls_server(ca, "localhost", 2090).await;
        let url = format!("https://localhost:{}", addr.port());
        let opened = open_to(&url, None, Arc::clone(&both)).await.is_ok();
        assert_eq!(opened, ca.file == known.file);
    }
}

#[tokio::test]
async fn a_certificate_that_signed_itself_is_told_apart() {
    let known = authority("known3");
    let tls = tls_config(&trust(&[], Some(known.file.clone()))).unwrap();
    for ca in [false, true] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        if ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let cert = params.self_signed(&key).unwrap();
        let addr = tls_serve(cert.der().clone(), &key).await;
        let url = format!("https://localhost:{}", addr.port());
        let fault = open_to(&url, None, Arc::clone(&tls)).await.err().unwrap();
        assert_eq!(fault.failure, Failure::Cert(CertFault::SelfSigned), "{fault}");
    }
}

#[tokio::test]
async fn plain_http_and_silence_are_no_tls() {
    let tls = tls_config(&trust(&[], None)).unwrap();
    let http = server(|mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.ok();
    })
    .await;
    let fault = open_to(&format!("https://{http}"), None, Arc::clone(&tls)).await.err().unwrap();
    assert_eq!(fault.failure, Failure::NotTls);
    let closed = server(|mut stream, _| async move {
        stream.read_exact(&mut [0; 16]).await.unwrap();
        reset(stream);
    })
    .await;
    let fault = open_to(&format!("https://{closed}"), None, tls).await.err().unwrap();
    assert_eq!((fault.failure, fault.cause()), (Failure::Reset, Cause::TcpReset));
}

#[test]
fn ca_files_that_are_missing_or_empty() {
    let missing = tls_config(&trust(&[PathBuf::from("/nonexistent.pem")], None)).unwrap_err();
    assert_eq!(missing.failure, Failure::Config(ConfigFault::CaFile));
    let only = TrustSettings { only: Some(PathBuf::from("/dev/null")), ..TrustSettings::default() };
    assert_eq!(tls_config(&only).unwrap_err().failure, Failure::Config(ConfigFault::CaFile));
    let none = tls_config(&trust(&[], Some(PathBuf::from("/dev/null")))).unwrap_err();
    assert_eq!(none.failure, Failure::Config(ConfigFault::NoRoots));
    let endless = tls_config(&trust(&[PathBuf::from("/dev/zero")], None)).unwrap_err();
    assert_eq!(endless.failure, Failure::Config(ConfigFault::CaFile));
}

static FORWARDED: AtomicUsize = AtomicUsize::new(0);

fn recorder(_host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    FORWARDED.fetch_add(1, Ordering::SeqCst);
    Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
}

#[tokio::test]
async fn the_fence_stops_every_step() {
    let out: SocketAddr = "192.0.2.1:443".parse().unwrap();
    let forbidden = Failure::Local(LocalFault::Forbidden);
    let fault = connect(&fence(), &[out], LIMIT).await.unwrap_err();
    assert_eq!(
        (fault.failure, fault.addr, fault.cause()),
        (forbidden, Some(out), Cause::ConfigSandboxNoEgress)
    );
    for host in ["api.anthropic.com", "localhost.example.com", "notlocalhost", "127.0.0.1.nip.io"] {
        assert_eq!(
            resolve_by(&fence(), (host, 443), LIMIT, recorder).await.unwrap_err().failure,
            forbidden,
            "{host}"
        );
    }
    for host in ["localhost", "a.localhost", "LOCALHOST.", "127.0.0.1", "[::1]", "192.0.2.1"] {
        resolve_by(&fence(), (host, 443), LIMIT, recorder).await.unwrap();
    }
    assert_eq!(FORWARDED.load(Ordering::SeqCst), 0);
    assert!(fence().check(Egress::Child).is_err());
    for proxy in ["http://192.0.2.1:3128", "socks5h://proxy.example:1080"] {
        let proxy = parse_proxy(proxy).unwrap();
        let tls = tls_config(&trust(&[], None)).unwrap();
        let fault = open_to("https://localhost", Some(&proxy), tls).await.err().unwrap();
        assert_eq!((fault.failure, fault.stage), (forbidden, Stage::Tunnel));
    }
}

#[test]
fn a_fence_is_read_and_a_listed_namespace_is_open() {
    let out = Egress::Addr("192.0.2.1:443".parse().unwrap());
    let here = fence::namespace().unwrap();
    for (text, allowed) in [
        (None, true),
        (Some(""), true),
        (Some("loopback"), false),
        (Some(format!("netns:1, {here}").as_str()), true),
        (Some("netns:1"), false),
    ] {
        let fence = Fence::parse(text).unwrap();
        assert_eq!(fence.check(out).is_ok(), allowed, "{text:?}");
        assert!(fence.check(Egress::Addr("[::ffff:127.0.0.1]:1".parse().unwrap())).is_ok());
    }
    assert!(Fence::parse(Some("netns:")).is_err() && Fence::parse(Some("Loopback")).is_err());
}

fn env<'a>(vars: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    |name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
}

#[test]
fn no_proxy_is_read_as_httpx_reads_it() {
    for (list, scheme, host, port, direct) in [
        ("", "https", "api.anthropic.com", 443, false),
        ("*", "https", "api.anthropic.com", 443, true),
        ("a.test,*", "https", "api.anthropic.com", 443, true),
        ("anthropic.com", "https", "api.anthropic.com", 443, true),
        ("anthropic.com", "https", "anthropic.com", 443, true),
        ("anthropic.com", "https", "notanthropic.com", 443, false),
        (".anthropic.com", "https", "api.anthropic.com", 443, true),
        (".anthropic.com", "https", "anthropic.com", 443, false),
        ("Anthropic.COM", "https", "api.anthropic.com", 443, true),
        ("api.anthropic.com:8443", "https", "api.anthropic.com", 443, false),
        ("api.anthropic.com:443", "https", "api.anthropic.com", 443, true),
        ("http://api.anthropic.com", "https", "api.anthropic.com", 443, false),
        ("https://api.anthropic.com", "https", "api.anthropic.com", 443, true),
        ("https://anthropic.com", "https", "api.anthropic.com", 443, false),
        ("localhost", "http", "localhost", 80, true),
        ("localhost", "http", "a.localhost", 80, false),
        ("127.0.0.1", "http", "127.0.0.1", 8080, true),
        ("127.0.0.0/8", "http", "127.0.0.1", 8080, false),
        ("127.0.0.0/8", "http", "127.0.0.0", 8080, true),
        ("::1", "http", "::1", 8080, true),
        (" a.test , b.test ", "https", "b.test", 443, true),
    ] {
        let vars = [("ALL_PROXY", "http://p:1"), ("no_proxy", list)];
        let proxies = ProxyEnv::from_lookup(&env(&vars)).unwrap();
        assert_eq!(proxies.for_url(scheme, host, port).is_none(), direct, "{list} {scheme}://{host}:{port}");
    }
}

#[test]
fn the_variables_have_their_order() {
    for (vars, scheme, expected) in [
        (&[("https_proxy", "low:1"), ("HTTPS_PROXY", "up:1")][..], "https", Some("low")),
        (&[("https_proxy", ""), ("HTTPS_PROXY", "up:1")], "https", None),
        (&[("HTTPS_PROXY", "up:1"), ("ALL_PROXY", "all:1")], "https", Some("up")),
        (&[("HTTPS_PROXY", "up:1"), ("ALL_PROXY", "all:1")], "http", Some("all")),
        (&[("HTTP_PROXY", "up:1")], "http", Some("up")),
        (&[("HTTP_PROXY", "up:1"), ("REQUEST_METHOD", "GET")], "http", None),
        (&[("http_proxy", "low:1"), ("REQUEST_METHOD", "GET")], "http", Some("low")),
    ] {
        let proxies = ProxyEnv::from_lookup(&env(vars)).unwrap();
        assert_eq!(proxies.for_url(scheme, "a.test", 1).map(Proxy::host), expected, "{vars:?}");
    }
    for bad in ["socks4://p:1", "http://p:x", "http://", "ftp://p"] {
        // Where no call takes a proxy, none is looked at.
        assert!(ProxyEnv::from_lookup(&env(&[("https_proxy", bad), ("no_proxy", "a, *")])).is_ok());
        let fault = ProxyEnv::from_lookup(&env(&[("https_proxy", bad)])).unwrap_err();
        assert_eq!(fault.failure, Failure::Config(ConfigFault::Proxy), "{bad}");
    }
}

#[test]
fn base_urls() {
    let target = Target::parse("https://[::1]:8443/api/").unwrap();
    assert_eq!((target.host.as_str(), target.port, target.base_path.as_str()), ("::1", 8443, "/api"));
    assert_eq!((target.authority().as_str(), target.path("/v1?a").as_str()), ("[::1]:8443", "/api/v1?a"));
    assert!(target.is_loopback() && !target.is_plain());
    assert_eq!(Target::parse("https://api.anthropic.com").unwrap().authority(), "api.anthropic.com");
    for bad in [
        "",
        "api.anthropic.com",
        "ftp://a",
        "http://",
        "https://u:secret@a",
        "https://a?x",
        "https://a:99999",
        "https://a b",
    ] {
        let fault = Target::parse(bad).unwrap_err();
        assert_eq!(fault.failure, Failure::Config(ConfigFault::BaseUrl), "{bad}");
        assert!(!format!("{fault} {fault:?}").contains("secret"));
    }
}

#[test]
fn errors_of_the_kernel_are_typed() {
    for (number, failure) in [
        (111, Failure::Refused),
        (104, Failure::Reset),
        (32, Failure::Reset),
        (110, Failure::TimedOut(Limit::Connect)),
        (101, Failure::Unreachable(Icmp::NoRoute)),
        (113, Failure::Unreachable(Icmp::Host)),
        (24, Failure::Local(LocalFault::Descriptors)),
        (99, Failure::Local(LocalFault::Ports)),
        (1, Failure::Os(1)),
    ] {
        let error = std::io::Error::from_raw_os_error(number);
        assert_eq!(fault::of_io(&error, Stage::Connect), failure, "{number}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_parsers(text in ".{0,80}") {
        drop(parse_proxy(&text));
        drop(Target::parse(&text));
        drop(Fence::parse(Some(&text)));
        let vars = [("all_proxy", "p:1"), ("no_proxy", text.as_str())];
        let proxies = ProxyEnv::from_lookup(&env(&vars)).unwrap();
        assert!(proxies.for_url("ftp", "::1", 443).is_none_or(|p| p.port() == 1));
        proxies.for_url("https", &text, 443).map(Proxy::host);
    }
}
