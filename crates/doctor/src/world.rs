//! What every probe works with: the goal, the credential, the stores, the fence; and how a fact is written down.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path as File, PathBuf};
use std::sync::Arc;

use clearline_diagnose::{Goal, Probe, Profile, REFERENCE};
use clearline_model::{
    Dur, Fact, FactId, Failure, Foreign, Mono, Path, ProbeId, Route, Seen, Sent, Source, Stage, Trust, Wall,
};
use clearline_net::{ClientConfig, Fault, Fence, Proxy, Target, TrustSettings};
use tokio::time::Instant;

use crate::collect::Settings;

/// Where the system keeps its roots, on the distributions of today.
pub(crate) const STORES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// How long a diagnosis takes at most, unless more is asked for.
const WHOLE: Dur = Dur::secs(15);

/// What a diagnosis may do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Nobody but the target is contacted.
    pub only_target: bool,
    /// No call that spends tokens.
    pub no_call: bool,
    /// Slow tests too.
    pub deep: bool,
    /// The model that is called.
    pub model: String,
    /// The body that is sent in the place of the doctor's own.
    pub body: Option<Vec<u8>>,
    /// Headers that are added (a value) or left out (none).
    pub headers: Vec<(String, Option<String>)>,
    /// The client that is diagnosed, where one is named.
    pub client: Option<Profile>,
}

/// What every probe works with.
#[derive(Debug)]
pub struct World {
    /// What the plan knows.
    pub goal: Goal,
    pub(crate) target: Target,
    pub(crate) settings: Settings,
    pub(crate) options: Options,
    pub(crate) fence: Fence,
    begun: Instant,
}

/// A store: its name, the client that uses it where its own setting is present, and how it is read.
pub(crate) struct Store {
    pub(crate) trust: Trust,
    pub(crate) client: Option<&'static str>,
    pub(crate) settings: TrustSettings,
}

impl World {
    /// Puts together where the reference client would go and what may be done.
    #[must_use]
    pub fn new(settings: Settings, options: Options, fence: Fence) -> Self {
        let target = settings.target.clone();
        let goal = Goal {
            host: target.host.clone(),
            port: target.port,
            is_plain: target.is_plain(),
            is_default: settings.is_default,
            is_loopback: target.is_loopback(),
            proxy: settings.proxy().map(shown),
            resolvers: settings.resolvers.clone(),
            public_resolvers: settings.public_resolvers.clone(),
            controls: settings.controls.clone(),
            only_target: options.only_target,
            no_call: options.no_call,
            cloud: settings.cloud.as_ref().map(|t| (t.host.clone(), t.port)),
            deep: options.deep,
            body: options.body.as_ref().map(|b| u64::try_from(b.len()).unwrap_or(u64::MAX)),
            client: options.client,
            only: None,
        };
        Self { goal, target, settings, options, fence, begun: Instant::now() }
    }

    pub(crate) fn now(&self) -> Mono {
        Mono(u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// Since the diagnosis began.
    pub(crate) fn spent(&self) -> Dur {
        self.begun.elapsed().into()
    }

    /// Until the diagnosis should be over.
    pub(crate) fn left(&self) -> Dur {
        WHOLE - self.spent()
    }

    /// The proxy on a path: the one in use with its credentials, or another one without.
    pub(crate) fn proxy_of(&self, path: &Path) -> Option<Via<'_>> {
        let Some(Route::Proxy(url)) = &path.route else { return None };
        match self.settings.proxy() {
            Some(own) if shown(own) == *url => Some(Via::Own(own)),
            Some(_) | None => clearline_net::parse_proxy(url).ok().map(Via::Other),
        }
    }

    /// The target on a path: its host may be another one, and its port.
    pub(crate) fn target_of(&self, path: &Path) -> Target {
        let mut target = self.target.clone();
        if !path.host.is_empty() {
            target.host.clone_from(&path.host);
        }
        target.port = path.port.unwrap_or(target.port);
        target
    }

    /// The socket's address on a path that names an address.
    pub(crate) fn address_of(&self, path: &Path) -> Option<SocketAddr> {
        Some(SocketAddr::new(path.address?, path.port.unwrap_or(self.target.port)))
    }

    /// The roots that the reference client trusts.
    pub(crate) fn reference_trust(&self) -> (Trust, TrustSettings) {
        let public_roots = self.settings.public_roots.clone();
        match &self.settings.ca_file {
            Some(file) => (named(file), only(file, public_roots)),
            // Another root has a store of its own.
            None if self.settings.root != File::new("/") && self.system_store().is_some() => {
                let file = self.system_store().unwrap_or_default();
                (Trust::System, only(&file, public_roots))
            }
            None => {
                (Trust::System, TrustSettings { public_roots, fallback: false, ..TrustSettings::default() })
            }
        }
    }

    /// The file of the system's store.
    fn system_store(&self) -> Option<PathBuf> {
        let at = |path: &&'static str| self.settings.root.join(path.trim_start_matches('/'));
        STORES.iter().map(at).find(|f| f.is_file())
    }

    /// Every store that somebody here may use: the system's, what the world trusts, each configured file, and those of
    /// clients whose own settings are present.
    pub(crate) fn stores(&self) -> Vec<Store> {
        let public_roots = self.settings.public_roots.clone();
        let public =
            TrustSettings { public_roots: public_roots.clone(), system: false, ..TrustSettings::default() };
        let store = |trust, client, settings| Store { trust, client, settings };
        let mut all = vec![store(Trust::Public, None, public.clone())];
        if let Some(file) = self.system_store() {
            all.push(store(Trust::System, None, only(&file, public_roots.clone())));
        }
        if let Some(file) = &self.settings.ca_file {
            all.push(store(named(file), None, only(file, public_roots.clone())));
        }
        for (client, file) in &self.settings.client_files {
            let settings = if *client == "node" {
                TrustSettings { extra: vec![file.clone()], ..public.clone() }
            } else {
                only(file, public_roots.clone())
            };
            all.push(store(named(file), Some(client), settings));
        }
        all
    }

    /// How TLS is spoken by the reference client.
    pub(crate) fn reference_tls(&self) -> Result<(Trust, Arc<ClientConfig>), Fault> {
        let (trust, settings) = self.reference_trust();
        Ok((trust, clearline_net::tls_config(&settings)?))
    }

    /// A fact of a probe.
    pub(crate) fn fact(
        &self,
        path: &Path,
        stage: Stage,
        saw: Result<Seen, Failure>,
        how: (Sent, Dur),
    ) -> Fact {
        let from = Source::Probe(ProbeId(0));
        let at = Mono(self.now().0.saturating_sub(how.1.0));
        Fact { id: FactId(0), from, path: path.clone(), stage, saw, sent: how.0, at, took: how.1 }
    }

    /// A fact of a fault.
    pub(crate) fn fault(&self, path: &Path, fault: &Fault, took: Dur) -> Fact {
        let address = fault.addr.map(|a| a.ip());
        let path = match address {
            Some(ip) if path.address.is_none() && path.route == Some(Route::Direct) => at(path, ip),
            Some(_) | None => path.clone(),
        };
        self.fact(&path, fault.stage, Err(fault.failure), (fault.sent, took))
    }

    /// Something that a probe heard and that is no success and no failure.
    pub(crate) fn said(&self, path: &Path, stage: Stage, name: &str, value: &str) -> Fact {
        self.fact(path, stage, Ok(Seen::State(name.to_owned(), Foreign::new(value))), (Sent::No, Dur::ZERO))
    }

    /// The reference client's path.
    pub(crate) fn reference_path(&self) -> Path {
        let trust = (!self.target.is_plain()).then(|| self.reference_trust().0);
        Path { trust, client: Some(REFERENCE.to_owned()), ..self.goal.path() }
    }

    /// The limits of the steps before an exchange.
    pub(crate) const fn limits(probe: &Probe) -> clearline_net::Limits {
        let limit = probe.limit;
        clearline_net::Limits { resolve: limit, connect: limit, tunnel: limit, handshake: limit }
    }
}

/// A proxy on the way.
pub(crate) enum Via<'a> {
    /// The reference client's.
    Own(&'a Proxy),
    /// Another one.
    Other(Proxy),
}

impl std::ops::Deref for Via<'_> {
    type Target = Proxy;

    fn deref(&self) -> &Proxy {
        match self {
            Self::Own(proxy) => proxy,
            Self::Other(proxy) => proxy,
        }
    }
}

/// The same path at an address.
pub(crate) fn at(path: &Path, address: IpAddr) -> Path {
    Path { family: Some(clearline_diagnose::family(address)), address: Some(address), ..path.clone() }
}

/// A proxy without its credentials.
pub(crate) fn shown(proxy: &Proxy) -> String {
    format!("{}://{}:{}", proxy.scheme(), proxy.host(), proxy.port())
}

fn named(file: &File) -> Trust {
    Trust::File(file.display().to_string())
}

fn only(file: &File, public_roots: Option<PathBuf>) -> TrustSettings {
    TrustSettings {
        only: Some(file.to_owned()),
        extra: Vec::new(),
        public_roots,
        system: false,
        fallback: false,
    }
}

/// This machine's clock.
pub(crate) fn wall() -> Wall {
    Wall(jiff::Timestamp::now().as_microsecond())
}
