//! A web server of the lab: the API (the simulator behind TLS), or a site with fixed pages.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use clearline_sim::{Options, Scenario, Sim};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::edit::{self, Middle, Upstream};
use super::pipe::{self, End, Until, Wire};
use super::{Setting, tls};
use crate::Problem;
use crate::plan::Web;

struct Server {
    name: String,
    acceptor: Option<TlsAcceptor>,
    /// Where the simulator is, if it is the API.
    api: Option<SocketAddr>,
    /// Who reads and changes HTTP on the way.
    middle: Option<Arc<Middle>>,
    until: Until,
    setting: Setting,
}

/// Starts a server; it runs until the process ends. The simulator is handed back to be kept.
///
/// # Errors
/// An address that cannot be taken, a certificate that cannot be used, a scenario that cannot be read.
pub(crate) async fn start(name: &str, web: &Web, setting: &Setting) -> Result<Option<Sim>, Problem> {
    let mut alpn = web.alpn.clone();
    if web.broken_h2 {
        alpn.insert(0, "h2".to_owned());
    }
    let style = tls::Style { only_tls12: web.only_tls12, alpn: &alpn, client_ca: web.client_ca.as_deref() };
    let acceptor = match &web.cert {
        Some(cert) => Some(tls::acceptor(&setting.dir, cert, &style)?),
        None => None,
    };
    let sim = match &web.scenario {
        Some(text) => {
            let scenario = Scenario::parse(text).map_err(|e| format!("web.{name}.scenario: {e}"))?;
            let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            Some(Sim::start(scenario, Options { listen, ..Options::default() }).await?)
        }
        None => None,
    };
    let api = sim.as_ref().map(Sim::addr);
    let middle = (api.is_none() || web.edit.is_some()).then(|| {
        Arc::new(Middle {
            service: name.to_owned(),
            edit: web.edit.clone().unwrap_or_default(),
            pages: web.page.clone(),
            upstream: api.map(|addr| Upstream { addr, tls: None }),
            log: setting.log.clone(),
            dir: setting.dir.clone(),
        })
    });
    let until = Until { idle: None, sent: web.reset_after };
    let server =
        Arc::new(Server { name: name.to_owned(), acceptor, api, middle, until, setting: setting.clone() });
    for (addr, is_tls) in
        web.listen.iter().map(|a| (a, web.cert.is_some())).chain(web.plain.iter().map(|a| (a, false)))
    {
        let listener = TcpListener::bind(addr).await.map_err(|e| format!("{name}: {addr}: {e}"))?;
        tokio::spawn(accept(listener, Arc::clone(&server), is_tls));
    }
    Ok(sim)
}

async fn accept(listener: TcpListener, server: Arc<Server>, is_tls: bool) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _slower = stream.set_nodelay(true).is_err();
        tokio::spawn(connection(stream, Arc::clone(&server), is_tls));
    }
}

async fn connection(stream: TcpStream, server: Arc<Server>, is_tls: bool) {
    let log = &server.setting.log;
    match server.acceptor.as_ref().filter(|_| is_tls) {
        None => serve(stream, &server).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => {
                let session = stream.get_ref().1;
                let name = session.server_name().unwrap_or("-");
                log.say(&server.name, &format!("tls {name} {:?}", session.protocol_version()));
                serve(stream, &server).await;
            }
            Err(why) => log.say(&server.name, &format!("no tls: {why}")),
        },
    }
}

async fn serve<C: Wire>(mut client: C, server: &Server) {
    if let Some(middle) = &server.middle {
        return edit::serve(client, Arc::clone(middle)).await;
    }
    let Some(api) = server.api else { return };
    let Ok(mut behind) = TcpStream::connect(api).await else { return };
    let _slower = behind.set_nodelay(true).is_err();
    let end = pipe::copy(&mut client, &mut behind, server.until).await;
    if end == End::Sent {
        client.reset();
    }
    server.setting.log.say(&server.name, &format!("ended {end:?}"));
}
