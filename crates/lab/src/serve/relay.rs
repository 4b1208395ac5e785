//! A device on the path: connections are redirected to it, and it does something to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::edit::{self, Middle, Upstream};
use super::pipe::{self, End, Until, Wire as _};
use super::{Setting, hello, tls};
use crate::Problem;
use crate::plan::{Relay, RelayAction};

/// The largest hello that fits a packet, bytes.
const SMALL: usize = 1400;

struct Device {
    name: String,
    relay: Relay,
    count: AtomicU64,
    /// What it opens TLS with.
    inspect: Option<(tokio_rustls::TlsAcceptor, tokio_rustls::TlsConnector)>,
    setting: Setting,
}

/// Starts a device; it runs until the process ends.
///
/// # Errors
/// An address that cannot be taken, a certificate that cannot be used.
pub(crate) async fn start(name: &str, relay: &Relay, setting: &Setting) -> Result<(), Problem> {
    let inspect = match &relay.inspect {
        Some(cert) => {
            let style = tls::Style { alpn: &["http/1.1".to_owned()], ..tls::Style::default() };
            Some((tls::acceptor(&setting.dir, cert, &style)?, tls::connector(&setting.dir)?))
        }
        None => None,
    };
    let device = Arc::new(Device {
        name: name.to_owned(),
        relay: relay.clone(),
        count: AtomicU64::new(0),
        inspect,
        setting: setting.clone(),
    });
    for addr in &relay.listen {
        let listener = TcpListener::bind(addr).await.map_err(|e| format!("{name}: {addr}: {e}"))?;
        let device = Arc::clone(&device);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let _slower = stream.set_nodelay(true).is_err();
                tokio::spawn(connection(stream, Arc::clone(&device)));
            }
        });
    }
    Ok(())
}

impl Device {
    fn say(&self, what: &str) {
        self.setting.log.say(&self.name, what);
    }

    /// Where the next connection goes on, and whether something is done to it.
    fn next(&self) -> (Option<SocketAddr>, bool) {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let at = usize::try_from(number).unwrap_or(0) % self.relay.to.len().max(1);
        let chosen = self.relay.every.is_none_or(|n| (number + 1).is_multiple_of(n.max(1)));
        (self.relay.to.get(at).copied(), chosen && self.relay.action != RelayAction::Pass)
    }
}

/// Reads until the client leaves.
async fn swallow(stream: &mut TcpStream) {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).await.is_ok_and(|n| n > 0) {}
}

async fn connection(mut client: TcpStream, device: Arc<Device>) {
    let (to, chosen) = device.next();
    let action = device.relay.action;
    if chosen && action == RelayAction::RstOnAccept {
        device.say("reset on accept");
        return client.reset();
    }
    if let Some((acceptor, connector)) = &device.inspect {
        return inspect(client, to, (acceptor, connector), &device).await;
    }
    if chosen && device.relay.idle_ms.is_none() {
        let Ok(first) = hello::read(&mut client).await else { return };
        let named = device.relay.sni.as_deref().is_none_or(|name| hello::names(&first, name));
        if named && act(&mut client, &first, &device).await {
            return;
        }
        return pass(client, to, &first, &device).await;
    }
    pass(client, to, &[], &device).await;
}

/// Does it; false where this hello is left alone.
async fn act(client: &mut TcpStream, first: &[u8], device: &Device) -> bool {
    match device.relay.action {
        RelayAction::Rst => {
            device.say("reset");
            client.reset();
        }
        RelayAction::Hang => {
            device.say("hangs");
            swallow(client).await;
        }
        RelayAction::Alert => {
            let number = device.relay.alert.unwrap_or(40);
            device.say(&format!("alert {number}"));
            let _gone = client.write_all(&hello::alert(number)).await.is_err();
            let _gone = client.shutdown().await.is_err();
        }
        RelayAction::FinOnHello => {
            device.say("fin");
            let _gone = client.shutdown().await.is_err();
        }
        RelayAction::DropBigHello if first.len() > SMALL => {
            device.say(&format!("dropped a hello of {}", first.len()));
            swallow(client).await;
        }
        RelayAction::Pass
        | RelayAction::RstOnAccept
        | RelayAction::DropBigHello
        | RelayAction::IdleDrop
        | RelayAction::IdleRst => return false,
    }
    true
}

async fn pass(mut client: TcpStream, to: Option<SocketAddr>, first: &[u8], device: &Device) {
    let Some(to) = to else { return };
    let Ok(mut server) = TcpStream::connect(to).await else {
        device.say(&format!("cannot reach {to}"));
        return client.reset();
    };
    let _slower = server.set_nodelay(true).is_err();
    if server.write_all(first).await.is_err() {
        return client.reset();
    }
    device.say(&format!("pass {to}"));
    let until = Until { idle: device.relay.idle_ms.map(Duration::from_millis), sent: None };
    let end = pipe::copy(&mut client, &mut server, until).await;
    if end == End::Idle {
        device.say("idle");
        if device.relay.action == RelayAction::IdleRst {
            client.reset();
        } else {
            swallow(&mut client).await;
        }
    }
}

async fn inspect(
    client: TcpStream,
    to: Option<SocketAddr>,
    (acceptor, connector): (&tokio_rustls::TlsAcceptor, &tokio_rustls::TlsConnector),
    device: &Device,
) {
    let Ok(client) = acceptor.accept(client).await else { return device.say("refused by the client") };
    let name = client.get_ref().1.server_name().unwrap_or_default().to_owned();
    device.say(&format!("inspects {name}"));
    let middle = Middle {
        service: device.name.clone(),
        edit: device.relay.edit.clone().unwrap_or_default(),
        pages: Vec::new(),
        upstream: to.map(|addr| Upstream { addr, tls: Some((name, connector.clone())) }),
        log: device.setting.log.clone(),
        dir: device.setting.dir.clone(),
    };
    edit::serve(client, Arc::new(middle)).await;
}
