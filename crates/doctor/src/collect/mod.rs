//! What this machine itself says: variables, files, the shape of the credential. Nothing is sent.

mod blanks;
mod cloud;
mod credential;
mod custom;
mod openssl;
mod origin;
mod profile;
mod system;

pub use custom::{custom_headers, pays};
pub use system::descriptors_were;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path as File, PathBuf};

use clearline_model::{Dur, Fact, FactId, Foreign, Mono, Path, Secret, Seen, Sent, Source, Stage};
use clearline_net::{Proxy, ProxyEnv, Target};

/// Where an official SDK would go, and how.
#[derive(Debug)]
pub struct Settings {
    pub(crate) target: Target,
    pub(crate) is_default: bool,
    pub(crate) proxies: ProxyEnv,
    pub(crate) candidates: Vec<crate::proxies::Candidate>,
    pub(crate) credential: Option<Secret>,
    /// Headers that the environment adds to every call; they may hold credentials of their own.
    pub(crate) headers: http::HeaderMap,
    /// Where a known client goes instead.
    pub(crate) cloud: Option<Target>,
    pub(crate) ca_file: Option<PathBuf>,
    /// The files of clients whose own settings are present, by client.
    pub(crate) client_files: Vec<(&'static str, PathBuf)>,
    pub(crate) public_roots: Option<PathBuf>,
    /// Where the system's own store lies.
    pub(crate) root: PathBuf,
    pub(crate) resolvers: Vec<IpAddr>,
    pub(crate) public_resolvers: Vec<IpAddr>,
    pub(crate) controls: Vec<String>,
}

/// Where the official SDKs go by default.
const DEFAULT: &str = "https://api.anthropic.com";
/// Resolvers that anybody may ask, of two operators.
const PUBLIC_RESOLVERS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1)), IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8))];
/// Names that have nothing to do with the API.
const CONTROLS: [&str; 2] = ["example.com", "www.google.com"];

impl Settings {
    /// Whether a call can be paid: by a key or token, or by a header of the environment.
    pub(crate) fn has_credential(&self) -> bool {
        self.credential.is_some() || pays(&self.headers)
    }

    /// The proxy on the way.
    pub(crate) fn proxy(&self) -> Option<&Proxy> {
        self.proxies.for_url(self.target.scheme.word(), &self.target.host, self.target.port)
    }
}

/// Variables that name a CA file for one client: Node adds it to its own roots, the others take nothing else.
const CLIENT_FILES: [(&str, &str); 3] =
    [("NODE_EXTRA_CA_CERTS", "node"), ("REQUESTS_CA_BUNDLE", "requests"), ("CURL_CA_BUNDLE", "curl")];
/// What a variable is set to; empty counts as not set.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A fact about this machine.
pub(crate) fn state(name: &str, value: &str) -> Fact {
    Fact {
        id: FactId(0),
        from: Source::Host,
        path: Path::default(),
        stage: Stage::Config,
        saw: Ok(Seen::State(name.to_owned(), Foreign::new(value))),
        sent: Sent::No,
        at: Mono(0),
        took: Dur::ZERO,
    }
}

/// Where the files of whoever is diagnosed lie.
#[derive(Debug, Clone)]
pub struct Place {
    /// The root of its file system, as it is seen from here.
    pub root: PathBuf,
    /// Its working folder.
    pub working: Option<PathBuf>,
    /// Its folder below `/proc`.
    pub process: PathBuf,
}

impl Place {
    /// This process's own.
    #[must_use]
    pub fn own() -> Self {
        let working = std::env::current_dir().ok();
        Self { root: PathBuf::from("/"), working, process: PathBuf::from("/proc/self") }
    }

    /// A path of its file system, as it is seen from here.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The same for a path that may be relative to its working folder.
    fn file(&self, path: &str) -> PathBuf {
        match &self.working {
            Some(working) if !path.starts_with('/') && self.root != File::new("/") => working.join(path),
            Some(_) | None if !path.starts_with('/') => PathBuf::from(path),
            Some(_) | None => self.at(path),
        }
    }
}

/// Looks at the environment and the files; the fault where the settings allow no call at all.
///
/// # Errors
///
/// The inner result is the settings' fault.
pub fn collect(
    lookup: &dyn Fn(&str) -> Option<String>,
    place: &Place,
) -> (Vec<Fact>, Result<Settings, clearline_net::Fault>) {
    let set = |name: &str| lookup(name).filter(|v| !v.is_empty());
    let mut facts = Vec::new();
    crate::clients::environment(lookup, &mut facts);
    origin::facts(&set, place, &mut facts);
    let configured = set("ANTHROPIC_BASE_URL");
    let url = configured.clone().unwrap_or_else(|| DEFAULT.to_owned());
    // An empty one is no other way to write none: the Python SDK takes it as it is.
    let target =
        match blanks::base_url(lookup("ANTHROPIC_BASE_URL").as_deref()).and_then(|()| Target::parse(&url)) {
            Ok(target) => target,
            Err(fault) => return (facts, Err(fault)),
        };
    if configured.is_some() {
        facts.push(state("base-url", &target.host));
        facts.extend(target.is_loopback().then(|| state("base-url.loopback", &target.host)));
        facts.extend(target.base_path.ends_with("/v1").then(|| state("base-url.v1", &target.base_path)));
        let clear = target.is_plain() && !target.is_loopback();
        facts.extend(clear.then(|| state("base-url.insecure", &target.host)));
    }
    facts.extend(crate::clients::present(&set).into_iter().map(|name| state("client", name)));
    let headers = custom::headers(&set, &mut facts);
    // What the SDKs find elsewhere: a header pays by itself, a profile is not followed.
    let elsewhere =
        if pays(&headers) { Some("header") } else { profile::is_found(&set, place).then_some("profile") };
    let credential = credential::credential(&set, (configured.is_none(), elsewhere), &mut facts);
    let cloud = cloud::routes(&set, &mut facts);
    openssl::facts(&set, place, &mut facts);
    crate::proxies::contradictions(&set, &mut facts);
    let resolvers = system::facts(&target.host, (&set, place), &mut facts);
    let proxies = match blanks::proxies(lookup).and_then(|()| ProxyEnv::from_lookup(lookup)) {
        Ok(proxies) => proxies.with_remote_names(),
        Err(fault) => return (facts, Err(fault)),
    };
    let candidates = crate::proxies::look((&set, place), &target, &proxies, &mut facts);
    let timeout = set("API_TIMEOUT_MS").and_then(|v| v.parse::<u64>().ok());
    facts.extend(timeout.map(|ms| state("client.timeout-ms", &ms.to_string())));
    let path = |name: &str| set(name).map(|file| place.file(&file));
    let settings = Settings {
        target,
        is_default: configured.is_none(),
        proxies,
        candidates,
        credential,
        headers,
        cloud,
        ca_file: path("SSL_CERT_FILE"),
        client_files: CLIENT_FILES.iter().filter_map(|(name, client)| Some((*client, path(name)?))).collect(),
        public_roots: set("CLEARLINE_PUBLIC_ROOTS").map(PathBuf::from),
        root: place.root.clone(),
        resolvers,
        public_resolvers: PUBLIC_RESOLVERS.to_vec(),
        controls: CONTROLS.map(str::to_owned).to_vec(),
    };
    (facts, Ok(settings))
}
