//! Putting a client together: where to, with which keys, through what, under which policy.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use clearline_model::{Cause, Foreign, Mono};
use clearline_net::{Fault, Fence, Http2, Pings, Pool, Proxy, ProxyEnv, TrustSettings};
use clearline_policy::{Engine, Input, Settings, Standing, State};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::address::AddressBook;
use crate::call::{Driver, Reply};
use crate::calling::Calling;
use crate::credentials::{Credential, Credentials, KEY};
use crate::error::CallError;
use crate::families::Families;
use crate::keys::{PoolKey, keys_from};
use crate::network::{Names, Network, Parts, Route, Server, Upstream, proxy_for, without_user};
use crate::observer::{NoObserver, Observer};
use crate::request::Request;
use crate::shared::Brain;

/// Where the API is, where nobody says otherwise.
pub const DEFAULT_BASE_URL: &str = "https://api.anthropic.com";

/// How much of an answer's text is kept so that the answer can be continued, where nobody says otherwise, bytes.
pub const CONTINUED_TEXT_MAX: usize = 1 << 20;

/// What a client is made of. Every part has a default but the base URL.
pub struct Builder {
    base_url: String,
    keys: Vec<PoolKey>,
    upstreams: Vec<Upstream>,
    routes: Vec<Route>,
    settings: Settings,
    proxies: Option<ProxyEnv>,
    trust: TrustSettings,
    fence: Option<Fence>,
    allow_insecure: bool,
    observer: Arc<dyn Observer>,
    seed: u64,
    continued_text_max: usize,
    credentials: Option<Arc<dyn Credentials>>,
    streamed_from: Option<u32>,
    http2: Http2,
    pings: Pings,
}

impl Builder {
    /// A client of this base URL, without keys and proxies, under the default policy.
    #[must_use]
    pub fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.to_owned(),
            keys: Vec::new(),
            upstreams: Vec::new(),
            routes: Vec::new(),
            settings: Settings::default(),
            proxies: None,
            trust: TrustSettings::default(),
            fence: None,
            allow_insecure: false,
            observer: Arc::new(NoObserver),
            seed: 0,
            continued_text_max: CONTINUED_TEXT_MAX,
            credentials: None,
            streamed_from: None,
            http2: Http2::Off,
            pings: Pings::default(),
        }
    }

    /// The pool of keys. Empty: the caller's own credential passes.
    #[must_use]
    pub fn keys(mut self, keys: Vec<PoolKey>) -> Self {
        self.keys = keys;
        self
    }

    /// Several upstreams, in the place of the base URL and its keys.
    #[must_use]
    pub fn upstreams(mut self, upstreams: Vec<Upstream>) -> Self {
        self.upstreams = upstreams;
        self
    }

    /// Which calls go to which upstreams. What no route takes goes to all of them.
    #[must_use]
    pub fn routes(mut self, routes: Vec<Route>) -> Self {
        self.routes = routes;
        self
    }

    /// Who gives every call its credential, in the place of a pool of keys: for tokens that are renewed.
    #[must_use]
    pub fn credentials(mut self, credentials: Arc<dyn Credentials>) -> Self {
        self.credentials = Some(credentials);
        self.keys.clear();
        self
    }

    /// A token that lets every call in as `Authorization: Bearer`, in the place of a pool of keys: what the SDKs make of
    /// `ANTHROPIC_AUTH_TOKEN`.
    ///
    /// # Errors
    /// It has characters that no header takes.
    pub fn auth_token(self, token: &str) -> Result<Self, CallError> {
        Ok(self.credentials(Arc::new(Credential::bearer(token)?)))
    }

    /// The policy's settings.
    #[must_use]
    pub fn policy(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The proxies, as the environment names them.
    #[must_use]
    pub fn proxy_env(mut self, proxies: ProxyEnv) -> Self {
        self.proxies = Some(proxies);
        self
    }

    /// Which roots are trusted.
    #[must_use]
    pub fn trust(mut self, trust: TrustSettings) -> Self {
        self.trust = trust;
        self
    }

    /// Where connections may go at all.
    #[must_use]
    pub fn fence(mut self, fence: Fence) -> Self {
        self.fence = Some(fence);
        self
    }

    /// Lets credentials travel over plain HTTP to an upstream that is not on this machine.
    #[must_use]
    pub const fn allow_insecure(mut self, allow: bool) -> Self {
        self.allow_insecure = allow;
        self
    }

    /// Who reads events and records.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// How much text of an answer is kept, bytes, so that it can be continued where it breaks: where the policy's `resume` is on.
    /// A longer answer is not continued.
    #[must_use]
    pub const fn continued_text_max(mut self, bytes: usize) -> Self {
        self.continued_text_max = bytes;
        self
    }

    /// A call that is not streamed and asks for so many tokens is fetched as a stream, so that it never falls silent on the way,
    /// and put together. Not where billed calls must not be repeated: what cannot be put together is asked for once more.
    #[must_use]
    pub const fn fetch_streamed(mut self, max_tokens: Option<u32>) -> Self {
        self.streamed_from = max_tokens;
        self
    }

    /// How HTTP/2 is spoken to upstreams; not at all, where nobody says otherwise: with HTTP/1.1 a fault of a connection is one
    /// of one call.
    #[must_use]
    pub const fn http2(mut self, http2: Http2) -> Self {
        self.http2 = http2;
        self
    }

    /// When a shared connection of HTTP/2 that says nothing under its calls is asked whether it still stands, and when it is given up.
    #[must_use]
    pub const fn pings(mut self, pings: Pings) -> Self {
        self.pings = pings;
        self
    }

    /// The seed of the jitter.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Takes over what the environment says about the network, as the official SDKs do: the proxy variables,
    /// `SSL_CERT_FILE`, `NODE_EXTRA_CA_CERTS` (additional roots), `CLEARLINE_PUBLIC_ROOTS` and `CLEARLINE_FENCE`.
    ///
    /// # Errors
    /// Proxy variables and a fence that cannot be read.
    pub fn environment(self, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, CallError> {
        let set = |name: &str| lookup(name).filter(|v| !v.is_empty());
        let fence = Fence::parse(set("CLEARLINE_FENCE").as_deref())
            .map_err(|e| CallError::before(Cause::ConfigSandboxNoEgress, foreign(&e)))?;
        let proxies = ProxyEnv::from_lookup(lookup).map_err(refused)?;
        Ok(self.fence(fence).proxy_env(proxies).trust(trust_from(&set)))
    }

    /// Checks everything and makes the client.
    ///
    /// # Errors
    /// A base URL that cannot be parsed, a credential that would travel in clear, a key with characters that do not
    /// belong, a CA file that cannot be read.
    pub fn build(self) -> Result<Client, CallError> {
        let fence = match self.fence {
            Some(fence) => fence,
            None => Fence::parse(None)
                .map_err(|e| CallError::before(Cause::ConfigSandboxNoEgress, foreign(&e)))?,
        };
        let mut upstreams = self.upstreams;
        if upstreams.is_empty() {
            let (name, base_url) = (String::new(), self.base_url);
            upstreams.push(Upstream { name, base_url, weight: 1, keys: self.keys });
        }
        let tuning = Tuning {
            pings: self.pings,
            continued_text_max: self.continued_text_max,
            fetch_streamed: self.streamed_from,
        };
        let tuned = Tuned::new(&tuning, &self.settings);
        let parts = Parts {
            upstreams,
            routes: self.routes,
            proxies: self.proxies.as_ref(),
            trust: &self.trust,
            allow_insecure: self.allow_insecure,
        };
        let network = Network::new(parts, None).map_err(first)?;
        let (config, groups) = network.config(self.settings);
        let engine = Engine::new(config, self.seed);
        let brain = Brain::new(engine, Arc::clone(&self.observer));
        brain.tell(vec![Input::Groups(groups)]);
        Ok(Client {
            inner: Arc::new(Inner {
                brain,
                network: Mutex::new(Arc::new(network)),
                proxies: self.proxies,
                trust: self.trust,
                fence,
                pool: Pool::default().pinging(tuning.pings),
                http2: self.http2,
                addresses: AddressBook::default(),
                families: Mutex::default(),
                numbering: RandomState::new(),
                tuned: Mutex::new(tuned),
                plain: AtomicBool::new(false),
                credentials: self.credentials,
                observer: self.observer,
            }),
        })
    }
}

/// The mistake that a person reads first.
fn first(mistakes: Vec<CallError>) -> CallError {
    let none = || CallError::before(Cause::ConfigBaseUrlInvalid, Foreign::default());
    mistakes.into_iter().next().unwrap_or_else(none)
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("base_url", &without_user(&self.base_url)).finish_non_exhaustive()
    }
}

/// A failure of the settings, before any call.
pub(crate) fn refused(fault: Fault) -> CallError {
    let cause = fault.cause();
    CallError::before(cause, fault.detail)
}

pub(crate) fn foreign(error: &dyn fmt::Display) -> Foreign {
    Foreign::new(&error.to_string())
}

/// What all calls of a client share.
pub(crate) struct Inner {
    pub(crate) brain: Arc<Brain>,
    network: Mutex<Arc<Network>>,
    pub(crate) proxies: Option<ProxyEnv>,
    trust: TrustSettings,
    pub(crate) fence: Fence,
    pub(crate) pool: Pool,
    pub(crate) http2: Http2,
    pub(crate) addresses: AddressBook,
    pub(crate) observer: Arc<dyn Observer>,
    families: Mutex<Families>,
    /// How callers' own credentials are numbered: nobody learns one from its number.
    numbering: RandomState,
    tuned: Mutex<Tuned>,
    credentials: Option<Arc<dyn Credentials>>,
    /// A stream could not be put together: answers are asked for as the callers do.
    pub(crate) plain: AtomicBool,
}

/// What a reload changes besides the policy and the upstreams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// See [`Builder::pings`]; connections that stand keep theirs.
    pub pings: Pings,
    /// See [`Builder::continued_text_max`], bytes.
    pub continued_text_max: usize,
    /// See [`Builder::fetch_streamed`], tokens.
    pub fetch_streamed: Option<u32>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { pings: Pings::default(), continued_text_max: CONTINUED_TEXT_MAX, fetch_streamed: None }
    }
}

/// What of it a call asks for when it begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tuned {
    /// Broken answers of text are continued, where so many bytes of their text are kept.
    pub(crate) continues: Option<usize>,
    /// From so many tokens on an answer is fetched as a stream.
    pub(crate) streamed_from: Option<u32>,
}

impl Tuned {
    fn new(tuning: &Tuning, settings: &Settings) -> Self {
        Self {
            continues: settings.resume.then_some(tuning.continued_text_max),
            streamed_from: tuning.fetch_streamed.filter(|_| settings.maybe_billed),
        }
    }
}

impl Inner {
    pub(crate) fn tuned(&self) -> Tuned {
        *self.tuned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The proxy on the way to a server.
    pub(crate) fn proxy(&self, server: &Server) -> Option<&Proxy> {
        proxy_for(self.proxies.as_ref()?, &server.target)
    }

    /// Where calls go, as of now.
    pub(crate) fn network(&self) -> Arc<Network> {
        Arc::clone(&self.network.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The number of a caller's own credential; 0 where there is none.
    pub(crate) fn credential(&self, headers: &HeaderMap) -> u32 {
        let Some(value) = headers.get(KEY).or_else(|| headers.get(AUTHORIZATION)) else { return 0 };
        let [a, b, c, d, ..] = self.numbering.hash_one(value.as_bytes()).to_le_bytes();
        u32::from_le_bytes([a, b, c, d]).max(1)
    }

    /// The number of a model's family; 0 where there is no room for another.
    pub(crate) fn family(&self, model: &Foreign) -> u16 {
        self.families.lock().unwrap_or_else(PoisonError::into_inner).number(model)
    }
}

/// Sends calls. Cheap to clone: clones share keys, budgets and connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

impl Client {
    /// Begins a client of this base URL.
    #[must_use]
    pub fn builder(base_url: &str) -> Builder {
        Builder::new(base_url)
    }

    /// A client as the official SDKs would be set up by the environment: `ANTHROPIC_BASE_URL`, `CLEARLINE_KEYS` (a pool, separated
    /// by commas) or `ANTHROPIC_API_KEY` or `ANTHROPIC_AUTH_TOKEN`, and what [`Builder::environment`] reads.
    ///
    /// # Errors
    /// As [`Builder::build`] and [`Builder::environment`].
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, CallError> {
        let set = |name: &str| lookup(name).filter(|v| !v.is_empty());
        let base = set("ANTHROPIC_BASE_URL").unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
        let (builder, keys) = (Builder::new(&base).environment(&lookup)?, keys_from(&set));
        match set("ANTHROPIC_AUTH_TOKEN").filter(|_| keys.is_empty()) {
            Some(token) => builder.auth_token(&token)?.build(),
            None => builder.keys(keys).build(),
        }
    }

    /// Sends one call and returns as soon as its answer may be shown: a stream with its first content, anything else
    /// when it is complete. Dropping the future, or the body, means that the caller left.
    ///
    /// # Errors
    /// Only where no answer of the upstream can be passed on; error answers of the upstream are replies.
    pub async fn call(&self, request: Request) -> Result<Reply, CallError> {
        self.start(request).await
    }

    /// The same, begun before there is a future: within a runtime, and with the first event told to the observer when this
    /// returns, unless somebody else keeps the credentials.
    pub fn start(&self, request: impl Into<Arc<Request>>) -> Calling {
        let request = request.into();
        match &self.inner.credentials {
            None => self.send(request),
            Some(credentials) => {
                let (client, credentials) = (self.clone(), Arc::clone(credentials));
                Calling::let_in(Box::pin(async move { client.let_in(request, credentials.as_ref()).await }))
            }
        }
    }

    fn send(&self, request: Arc<Request>) -> Calling {
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => Calling::straight(Driver::start(Arc::clone(&self.inner), request, &runtime)),
            Err(_) => Calling::refused(CallError::no_runtime()),
        }
    }

    /// Sends a call with the credential that somebody else keeps, and once more where that was renewed.
    async fn let_in(
        &self,
        mut request: Arc<Request>,
        credentials: &dyn Credentials,
    ) -> Result<Reply, CallError> {
        let used = credentials.credential().await?;
        used.put(&mut Arc::make_mut(&mut request).headers);
        let reply = self.send(Arc::clone(&request)).await?;
        if reply.status != http::StatusCode::UNAUTHORIZED || !credentials.refused(&used).await {
            return Ok(reply);
        }
        drop(reply);
        credentials.credential().await?.put(&mut Arc::make_mut(&mut request).headers);
        self.send(request).await
    }

    /// How keys, addresses and budgets are.
    #[must_use]
    pub fn view(&self) -> State {
        self.inner.brain.view()
    }

    /// The names of upstreams and keys.
    #[must_use]
    pub fn names(&self) -> Names {
        self.inner.network().names().clone()
    }

    /// Why each upstream that serves nothing does not, in the order of their names.
    #[must_use]
    pub fn down(&self) -> Vec<(String, Option<Cause>)> {
        let (network, view) = (self.inner.network(), self.view());
        let mut all: std::collections::BTreeMap<&str, (bool, Option<Cause>)> = Default::default();
        for (id, standing) in &view.upstreams {
            let Some(name) = network.names().upstreams.get(id) else { continue };
            let (is_up, why) = all.entry(name.as_str()).or_default();
            match standing {
                Standing::Unused => {}
                Standing::Up => *is_up = true,
                Standing::Down(cause, _) => *why = Some(*cause),
            }
        }
        all.into_iter().map(|(name, (is_up, why))| (name.to_owned(), why.filter(|_| !is_up))).collect()
    }

    /// Takes other upstreams, routes and settings from now on. What runs goes on as it began; who waits goes the new way.
    ///
    /// # Errors
    /// Every mistake; then nothing has changed.
    pub fn reload(
        &self,
        (upstreams, routes): (Vec<Upstream>, Vec<Route>),
        (settings, tuning): (Settings, Tuning),
        allow_insecure: bool,
    ) -> Result<(), Vec<CallError>> {
        let inner = &self.inner;
        let old = inner.network();
        let (proxies, trust) = (inner.proxies.as_ref(), &inner.trust);
        let parts = Parts { upstreams, routes, proxies, trust, allow_insecure };
        let network = Network::new(parts, Some(&old))?;
        let tuned = Tuned::new(&tuning, &settings);
        let (config, groups) = network.config(settings);
        inner.pool.ping(tuning.pings);
        *inner.tuned.lock().unwrap_or_else(PoisonError::into_inner) = tuned;
        *inner.network.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(network);
        inner.brain.tell(vec![Input::Reload(config), Input::Groups(groups)]);
        Ok(())
    }

    /// Ends every call now, for a process that ends: whoever waits gets the answer that there is, and what is being shown breaks
    /// with an honest word. Calls that come later fail.
    pub fn stop(&self) {
        self.inner.brain.stop();
    }

    /// The moment of now, on the clock of this client's events.
    #[must_use]
    pub fn now(&self) -> Mono {
        self.inner.brain.now()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("names", &self.names()).finish_non_exhaustive()
    }
}

fn trust_from(set: &dyn Fn(&str) -> Option<String>) -> TrustSettings {
    TrustSettings {
        only: set("SSL_CERT_FILE").map(PathBuf::from),
        extra: set("NODE_EXTRA_CA_CERTS").map(PathBuf::from).into_iter().collect(),
        public_roots: set("CLEARLINE_PUBLIC_ROOTS").map(PathBuf::from),
        ..TrustSettings::default()
    }
}
