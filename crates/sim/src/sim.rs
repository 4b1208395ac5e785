//! The simulator: listening, and what tests ask it.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::admin;
use crate::event::{SimEvent, SimEventKind};
use crate::rules::Action;
use crate::scenario::Scenario;
use crate::serve::{Place, serve};
use crate::state::State;
use crate::tls::{self, Identity};

/// How a simulator is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the API is.
    pub listen: SocketAddr,
    /// Where events are read and the scenario is changed.
    pub admin: Option<SocketAddr>,
    /// TLS under a CA of its own.
    pub tls: bool,
    /// The names in its certificate.
    pub tls_names: Vec<String>,
    /// How many times faster the scenario's times pass.
    pub time_factor: f64,
    /// More addresses of the same API, numbered from 1; `listen` is 0.
    pub extra_addrs: Vec<SocketAddr>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            admin: None,
            tls: false,
            tls_names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            time_factor: 1.0,
            extra_addrs: Vec::new(),
        }
    }
}

/// Why a simulator did not start.
#[derive(Debug)]
pub enum SimError {
    /// An address cannot be listened on.
    Listen {
        /// Which.
        addr: SocketAddr,
        /// The system's words.
        why: std::io::Error,
    },
    /// The certificate cannot be made.
    Tls(String),
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { addr, why } => {
                let any = SocketAddr::new(addr.ip(), 0);
                write!(
                    f,
                    "cannot listen on {addr}: {why}\n  Choose another address, or {any} for any free port."
                )
            }
            Self::Tls(why) => write!(f, "cannot make a certificate: {why}"),
        }
    }
}

impl std::error::Error for SimError {}

/// A simulator that runs until it is stopped or dropped.
pub struct Sim {
    state: Arc<State>,
    addr: SocketAddr,
    admin: Option<SocketAddr>,
    identity: Option<Identity>,
    tasks: JoinSet<()>,
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim").field("addr", &self.addr).finish_non_exhaustive()
    }
}

async fn listen(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), SimError> {
    let bound = TcpListener::bind(addr).await.and_then(|l| l.local_addr().map(|a| (l, a)));
    bound.map_err(|why| SimError::Listen { addr, why })
}

impl Sim {
    /// Listens and serves.
    ///
    /// # Errors
    /// An address that cannot be listened on, a certificate that cannot be made.
    pub async fn start(scenario: Scenario, options: Options) -> Result<Self, SimError> {
        let identity =
            if options.tls { Some(tls::identity(&options.tls_names).map_err(SimError::Tls)?) } else { None };
        let (first, addr) = listen(options.listen).await?;
        let mut listeners = vec![first];
        for extra in options.extra_addrs {
            listeners.push(listen(extra).await?.0);
        }
        let admin = match options.admin {
            Some(at) => Some(listen(at).await?),
            None => None,
        };
        let state = Arc::new(State::new(scenario, options.time_factor));
        let mut tasks = JoinSet::new();
        for (i, listener) in listeners.into_iter().enumerate() {
            let acceptor = identity.as_ref().map(|identity| identity.acceptor.clone());
            tasks.spawn(accept(listener, Arc::clone(&state), i, acceptor));
        }
        let admin = admin.map(|(listener, at)| {
            tasks.spawn(admin::serve(listener, Arc::clone(&state)));
            at
        });
        Ok(Self { state, addr, admin, identity, tasks })
    }

    /// Where the API is; the port is the real one.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where the admin listener is.
    #[must_use]
    pub const fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// The base URL for an SDK.
    #[must_use]
    pub fn base_url(&self) -> String {
        let scheme = if self.identity.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.addr)
    }

    /// The CA that signed its certificate, PEM.
    #[must_use]
    pub fn ca_pem(&self) -> Option<String> {
        self.identity.as_ref().map(|identity| identity.ca_pem.clone())
    }

    /// Everything that has happened, up to [`crate::MAX_EVENTS`].
    #[must_use]
    pub fn events(&self) -> Vec<SimEvent> {
        self.state.log.after(0)
    }

    /// The first event, of those past and those to come, that `pred` accepts.
    pub async fn wait_for(&self, pred: impl FnMut(&SimEvent) -> bool) -> SimEvent {
        self.state.log.wait_for(pred).await
    }

    /// Begins another scenario.
    pub fn set_scenario(&self, scenario: Scenario) {
        self.state.replace(scenario);
    }

    /// Ends everything, connections included.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Accepts for ever; its connections end with it.
async fn accept(listener: TcpListener, state: Arc<State>, addr: usize, tls: Option<TlsAcceptor>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, peer)) = listener.accept().await else {
            // Out of descriptors, mostly: there may be some again a moment later.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        let place = Place { state: Arc::clone(&state), number: state.connected(), addr };
        state.log.push(place.number, None, SimEventKind::Accepted { peer: peer.to_string() });
        if let Some(action) = place.on_accept() {
            if matches!(action, Action::Reset(_)) {
                let _set =
                    socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).is_ok();
            }
            drop(stream);
            state.log.push(place.number, None, SimEventKind::Closed);
            continue;
        }
        connections.spawn(connection(stream, place, tls.clone()));
    }
}

async fn connection(stream: TcpStream, place: Place, tls: Option<TlsAcceptor>) {
    // Without it the events of a stream wait for one another.
    let _slower = stream.set_nodelay(true).is_err();
    match tls {
        None => Box::pin(serve(stream, place)).await,
        Some(tls) => {
            let (state, number) = (Arc::clone(&place.state), place.number);
            match tls.accept(stream).await {
                Ok(stream) => Box::pin(serve(stream, place)).await,
                Err(_) => state.log.push(number, None, SimEventKind::Closed),
            }
        }
    }
}
