//! A company proxy that does as it is told: CONNECT, plain requests, and SOCKS5 at the same port.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::edit::{self, Middle, Upstream};
use super::pipe::{self, End, Until, Wire};
use super::zones::Zones;
use super::{Setting, socks, tls};
use crate::Problem;
use crate::plan::{Plan, Proxy, ProxyMode};

/// The longest head of a request, bytes.
const HEAD: usize = 16 << 10;
/// How long the far side is waited for.
const CONNECT: Duration = Duration::from_secs(10);

/// A proxy that runs.
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) proxy: Proxy,
    zones: Zones,
    inspect: Option<(TlsAcceptor, TlsConnector)>,
    setting: Setting,
}

/// What a client asks of a proxy.
struct Asked {
    method: String,
    target: String,
    login: Option<String>,
    /// The head without the headers for the proxy, and what was read behind it.
    rest: Vec<u8>,
}

/// Starts a proxy; it runs until the process ends.
///
/// # Errors
/// An address that cannot be taken, a certificate that cannot be used.
pub(crate) async fn start(name: &str, proxy: &Proxy, plan: &Plan, setting: &Setting) -> Result<(), Problem> {
    let alpn = ["http/1.1".to_owned()];
    let style = tls::Style { alpn: &alpn, ..tls::Style::default() };
    let own = match &proxy.cert {
        Some(cert) => Some(tls::acceptor(&setting.dir, cert, &style)?),
        None => None,
    };
    let inspect = match &proxy.inspect {
        Some(cert) => Some((tls::acceptor(&setting.dir, cert, &style)?, tls::connector(&setting.dir)?)),
        None => None,
    };
    let running = Arc::new(Running {
        name: name.to_owned(),
        proxy: proxy.clone(),
        zones: Zones::of(&plan.zone, &proxy.zones),
        inspect,
        setting: setting.clone(),
    });
    for addr in &proxy.listen {
        let listener = TcpListener::bind(addr).await.map_err(|e| format!("{name}: {addr}: {e}"))?;
        let (running, own) = (Arc::clone(&running), own.clone());
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let _slower = stream.set_nodelay(true).is_err();
                tokio::spawn(connection(stream, own.clone(), Arc::clone(&running)));
            }
        });
    }
    Ok(())
}

async fn connection(stream: TcpStream, own: Option<TlsAcceptor>, running: Arc<Running>) {
    let ended = match own {
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => serve(stream, &running).await,
            Err(why) => Err(format!("no tls: {why}").into()),
        },
        None => serve(stream, &running).await,
    };
    if let Err(why) = ended {
        running.say(&why.to_string());
    }
}

impl Running {
    pub(crate) fn say(&self, what: &str) {
        self.setting.log.say(&self.name, what);
    }

    /// Whether a name is one that it refuses.
    pub(crate) fn denies(&self, host: &str) -> bool {
        self.proxy.deny.iter().any(|suffix| host.ends_with(suffix.as_str()))
    }

    /// The address of a host, as far as the proxy can tell.
    pub(crate) fn address(&self, host: &str) -> Option<IpAddr> {
        let is_literal = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        if self.proxy.mode == ProxyMode::CannotResolve && !is_literal {
            return None;
        }
        self.zones.address(host)
    }

    /// Connects for a client.
    pub(crate) async fn connect(&self, addr: SocketAddr) -> Option<TcpStream> {
        let stream = tokio::time::timeout(CONNECT, TcpStream::connect(addr)).await.ok()?.ok()?;
        let _slower = stream.set_nodelay(true).is_err();
        Some(stream)
    }

    /// The tunnel, once both sides stand.
    pub(crate) async fn tunnel<C: Wire>(&self, mut client: C, host: &str, mut server: TcpStream) {
        if self.proxy.mode == ProxyMode::CloseAfter200 {
            let _gone = client.read(&mut [0; 4096]).await.is_err();
            return self.say(&format!("closes {host}"));
        }
        if let Some((acceptor, connector)) = &self.inspect {
            let Ok(addr) = server.peer_addr() else { return };
            drop(server);
            let client = match acceptor.accept(client).await {
                Ok(client) => client,
                Err(why) => return self.say(&format!("inspection refused: {why}")),
            };
            self.say(&format!("inspects {host}"));
            let middle = Middle {
                service: self.name.clone(),
                edit: self.proxy.edit.clone().unwrap_or_default(),
                pages: Vec::new(),
                upstream: Some(Upstream { addr, tls: Some((host.to_owned(), connector.clone())) }),
                log: self.setting.log.clone(),
                dir: self.setting.dir.clone(),
            };
            return edit::serve(client, Arc::new(middle)).await;
        }
        let until = Until { idle: self.proxy.idle_ms.map(Duration::from_millis), sent: None };
        let end = pipe::copy(&mut client, &mut server, until).await;
        if end == End::Idle {
            let _gone = client.shutdown().await.is_err();
        }
        self.say(&format!("tunnel {host} ended {end:?}"));
    }

    /// Whether a client may go on without (further) credentials.
    fn is_known(&self, login: Option<&str>) -> bool {
        if self.proxy.login.is_none() && self.proxy.schemes.is_empty() {
            return true;
        }
        let given = login.and_then(|l| l.strip_prefix("Basic ")).and_then(|l| STANDARD.decode(l.trim()).ok());
        given.is_some_and(|given| self.proxy.login.as_deref().is_some_and(|l| l.as_bytes() == given))
    }
}

async fn serve<C: Wire>(mut client: C, running: &Running) -> Result<(), Problem> {
    let mut bytes = Vec::with_capacity(1024);
    if client.read_buf(&mut bytes).await? == 0 {
        return Ok(());
    }
    if running.proxy.mode == ProxyMode::Hang {
        running.say("hangs");
        while client.read(&mut [0; 4096]).await? > 0 {}
        return Ok(());
    }
    if bytes.first() == Some(&5) {
        return socks::serve(client, bytes, running).await;
    }
    if running.proxy.mode == ProxyMode::SocksOnly {
        running.say("no socks");
        return Ok(());
    }
    let Some(asked) = head(&mut client, bytes).await? else {
        running.say("400 what came is no request");
        return refuse(client, 400, "Bad Request", &["X-Squid-Error: ERR_PROTOCOL_UNKNOWN 0"]).await;
    };
    if running.proxy.mode == ProxyMode::Portal {
        running.say(&format!("302 {}", asked.target));
        return refuse(client, 302, "Found", &["Location: http://login.invalid/"]).await;
    }
    if running.proxy.mode == ProxyMode::Page {
        running.say(&format!("page {}", asked.target));
        return refuse(client, 200, "OK", &[]).await;
    }
    if !running.is_known(asked.login.as_deref()) {
        let how = if asked.login.is_some() { "bad" } else { "none" };
        running.say(&format!("407 {how} {}", asked.target));
        let offers: Vec<String> =
            running.proxy.schemes.iter().map(|s| format!("Proxy-Authenticate: {s}")).collect();
        let offers: Vec<&str> = offers.iter().map(String::as_str).collect();
        return refuse(client, 407, "Proxy Authentication Required", &offers).await;
    }
    if asked.method == "CONNECT" {
        tunnel(client, &asked, running).await
    } else {
        plain(client, asked, running).await
    }
}

/// Splits `host:port`.
fn split(authority: &str, port: u16) -> (String, u16) {
    match authority.rsplit_once(':') {
        Some((host, p)) if !p.ends_with(']') => {
            (host.trim_matches(['[', ']']).to_owned(), p.parse().unwrap_or(port))
        }
        _ => (authority.trim_matches(['[', ']']).to_owned(), port),
    }
}

/// The connection to what was asked for, or the refusal that was sent.
async fn reach<C: Wire>(
    client: C,
    (host, port): (&str, u16),
    running: &Running,
) -> Result<Option<(C, TcpStream)>, Problem> {
    if running.denies(host) {
        running.say(&format!("403 {host}"));
        refuse(client, 403, "Forbidden", &["X-Squid-Error: ERR_ACCESS_DENIED 0"]).await?;
        return Ok(None);
    }
    let Some(addr) = running.address(host) else {
        running.say(&format!("503 cannot resolve {host}"));
        refuse(client, 503, "Service Unavailable", &["X-Squid-Error: ERR_DNS_FAIL 0"]).await?;
        return Ok(None);
    };
    let Some(server) = running.connect(SocketAddr::new(addr, port)).await else {
        running.say(&format!("503 cannot connect {host}"));
        refuse(client, 503, "Service Unavailable", &["X-Squid-Error: ERR_CONNECT_FAIL 111"]).await?;
        return Ok(None);
    };
    Ok(Some((client, server)))
}

async fn tunnel<C: Wire>(client: C, asked: &Asked, running: &Running) -> Result<(), Problem> {
    let (host, port) = split(&asked.target, 443);
    let Some((mut client, server)) = reach(client, (&host, port), running).await? else { return Ok(()) };
    running.say(&format!("200 {host}:{port}"));
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    client.flush().await?;
    running.tunnel(client, &host, server).await;
    Ok(())
}

/// A request for plain HTTP: passed on, once for each connection.
async fn plain<C: Wire>(client: C, asked: Asked, running: &Running) -> Result<(), Problem> {
    let Some(rest) = asked.target.strip_prefix("http://") else {
        return refuse(client, 400, "Bad Request", &[]).await;
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = split(authority, 80);
    let Some((mut client, mut server)) = reach(client, (&host, port), running).await? else { return Ok(()) };
    running.say(&format!("plain {host}:{port}"));
    let line = format!("{} /{path} HTTP/1.1\r\nconnection: close\r\n", asked.method);
    server.write_all(line.as_bytes()).await?;
    server.write_all(&asked.rest).await?;
    pipe::copy(&mut client, &mut server, Until::default()).await;
    Ok(())
}

/// The head of a request; nothing where what comes is none.
async fn head<C: Wire>(client: &mut C, mut bytes: Vec<u8>) -> Result<Option<Asked>, Problem> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&bytes) {
            Ok(httparse::Status::Complete(length)) => {
                let mut rest = Vec::new();
                let mut login = None;
                for header in request.headers.iter() {
                    if header.name.eq_ignore_ascii_case("proxy-authorization") {
                        login = Some(String::from_utf8_lossy(header.value).into_owned());
                    } else if !header.name.to_ascii_lowercase().contains("connection") {
                        rest.extend(format!("{}: ", header.name).bytes());
                        rest.extend(header.value);
                        rest.extend(b"\r\n");
                    }
                }
                rest.extend(b"\r\n");
                let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
                let (method, target) = (method.to_owned(), target.to_owned());
                rest.extend(bytes.get(length..).unwrap_or_default());
                return Ok(Some(Asked { method, target, login, rest }));
            }
            Ok(httparse::Status::Partial) if bytes.len() < HEAD => {
                if client.read_buf(&mut bytes).await? == 0 {
                    return Ok(None);
                }
            }
            _ => return Ok(None),
        }
    }
}

async fn refuse<C: Wire>(mut client: C, status: u16, words: &str, headers: &[&str]) -> Result<(), Problem> {
    let body =
        format!("<html><head><title>ERROR: {words}</title></head><body><h1>{words}</h1></body></html>\n");
    let more: String = headers.iter().map(|h| format!("{h}\r\n")).collect();
    let text = format!(
        "HTTP/1.1 {status} {words}\r\nServer: squid/6.13\r\nContent-Type: text/html\r\n\
         Content-Length: {}\r\n{more}Connection: close\r\n\r\n{body}",
        body.len()
    );
    client.write_all(text.as_bytes()).await?;
    client.shutdown().await?;
    // What is not read would reset the connection under the answer.
    let _gone = tokio::time::timeout(Duration::from_secs(1), client.read(&mut [0; 4096])).await.is_err();
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::serve::log::Log;

    /// A proxy on loopback before a server that answers each connection with `pong`.
    pub(crate) async fn proxy(settings: &str) -> (SocketAddr, u16) {
        let far = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = far.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = far.accept().await {
                let _sent = stream.write_all(b"pong").await;
                let _ended = stream.shutdown().await;
            }
        });
        let near = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = near.local_addr().unwrap();
        let text = format!("at = \"rtr\"\nlisten = []\nzones = [\"z\"]\n{settings}");
        let zones =
            [("z".to_owned(), [("far.example".to_owned(), vec!["127.0.0.1".to_owned()])].into())].into();
        let running = Arc::new(Running {
            name: "proxy".to_owned(),
            proxy: toml::from_str(&text.replace("FAR", &port.to_string())).unwrap(),
            zones: Zones::of(&zones, &["z".to_owned()]),
            inspect: None,
            setting: Setting { dir: "/nowhere".into(), log: Log::none() },
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = near.accept().await {
                tokio::spawn(connection(stream, None, Arc::clone(&running)));
            }
        });
        (addr, port)
    }

    /// What a proxy answers to this head.
    async fn answer(settings: &str, login: &str, host: &str) -> String {
        let (addr, port) = proxy(settings).await;
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let text = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{login}\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let _reset = stream.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[tokio::test]
    async fn a_tunnel_carries_bytes() {
        assert!(answer("", "", "far.example").await.ends_with("\r\n\r\npong"));
    }

    #[tokio::test]
    async fn credentials_are_demanded_and_checked() {
        let settings = "login = \"joe:pw\"\nschemes = [\"Basic realm=\\\"lab\\\"\"]\n";
        let none = answer(settings, "", "far.example").await;
        assert!(
            none.starts_with("HTTP/1.1 407") && none.contains("Proxy-Authenticate: Basic realm"),
            "{none}"
        );
        let bad = answer(settings, "Proxy-Authorization: Basic am9lOng=\r\n", "far.example").await;
        assert!(bad.starts_with("HTTP/1.1 407"), "{bad}");
        let good = answer(settings, "Proxy-Authorization: Basic am9lOnB3\r\n", "far.example").await;
        assert!(good.ends_with("pong"), "{good}");
    }

    #[tokio::test]
    async fn refusals_name_their_reason() {
        let denied = answer("deny = [\".example\"]", "", "far.example").await;
        assert!(denied.starts_with("HTTP/1.1 403") && denied.contains("ERR_ACCESS_DENIED"), "{denied}");
        let mode = "mode = \"cannot-resolve\"";
        let lost = answer(mode, "", "far.example").await;
        assert!(lost.starts_with("HTTP/1.1 503") && lost.contains("ERR_DNS_FAIL"), "{lost}");
        assert!(answer(mode, "", "127.0.0.1").await.ends_with("pong"));
        assert!(answer("", "", "gone.example").await.contains("ERR_DNS_FAIL"));
    }

    #[tokio::test]
    async fn what_is_no_proxy_for_connect_says_so_in_its_own_way() {
        assert!(answer("mode = \"page\"", "", "far.example").await.starts_with("HTTP/1.1 200 OK"));
        let portal = answer("mode = \"portal\"", "", "far.example").await;
        assert!(portal.starts_with("HTTP/1.1 302") && portal.contains("Location: "), "{portal}");
        assert_eq!(answer("mode = \"socks-only\"", "", "far.example").await, "");
    }

    #[tokio::test]
    async fn a_tunnel_that_is_closed_at_the_first_byte() {
        let (addr, port) = proxy("mode = \"close-after200\"").await;
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let text = format!("CONNECT far.example:{port} HTTP/1.1\r\n\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut bytes = [0; 1024];
        let n = stream.read(&mut bytes).await.unwrap();
        assert!(bytes[..n].starts_with(b"HTTP/1.1 200"));
        stream.write_all(b"\x16\x03\x01").await.unwrap();
        assert_eq!(stream.read(&mut bytes).await.unwrap_or(0), 0);
    }
}
