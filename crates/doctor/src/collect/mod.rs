//! What this machine itself says: variables, files, the shape of the credential. Nothing is sent.

mod credential;
mod origin;
mod system;

pub use system::descriptors_were;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

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
    pub(crate) ca_file: Option<PathBuf>,
    /// The files of clients whose own settings are present, by client.
    pub(crate) client_files: Vec<(&'static str, PathBuf)>,
    pub(crate) public_roots: Option<PathBuf>,
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
    /// The proxy on the way.
    pub(crate) fn proxy(&self) -> Option<&Proxy> {
        self.proxies.for_url(self.target.scheme.word(), &self.target.host, self.target.port)
    }
}

/// Variables that send a known client to another cloud.
const ROUTES: [&str; 3] = ["CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"];
/// What says that a cloud may be called from here: the beginnings of its variables, and its files below the home directory.
const CLOUDS: [(&str, &[&str], &[&str]); 3] = [
    (
        "CLAUDE_CODE_USE_BEDROCK",
        &[
            "AWS_PROFILE",
            "AWS_ACCESS_KEY_ID",
            "AWS_BEARER_TOKEN_BEDROCK",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "ANTHROPIC_BEDROCK_BASE_URL",
            "CLAUDE_CODE_SKIP_BEDROCK_AUTH",
        ],
        &[".aws/credentials", ".aws/config"],
    ),
    (
        "CLAUDE_CODE_USE_VERTEX",
        &[
            "GOOGLE_APPLICATION_CREDENTIALS",
            "ANTHROPIC_VERTEX_PROJECT_ID",
            "ANTHROPIC_VERTEX_BASE_URL",
            "CLAUDE_CODE_SKIP_VERTEX_AUTH",
        ],
        &[".config/gcloud/application_default_credentials.json"],
    ),
    (
        "CLAUDE_CODE_USE_FOUNDRY",
        &[
            "ANTHROPIC_FOUNDRY_API_KEY",
            "ANTHROPIC_FOUNDRY_RESOURCE",
            "ANTHROPIC_FOUNDRY_BASE_URL",
            "AZURE_CLIENT_ID",
        ],
        &[".azure/azureProfile.json"],
    ),
];
/// Variables that name a CA file for one client: Node adds it to its own roots, the others take nothing else.
const CLIENT_FILES: [(&str, &str); 3] =
    [("NODE_EXTRA_CA_CERTS", "node"), ("REQUESTS_CA_BUNDLE", "requests"), ("CURL_CA_BUNDLE", "curl")];
/// What a variable is set to; empty counts as not set.
type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A fact about this machine.
fn state(name: &str, value: &str) -> Fact {
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

/// The first thing that says that the cloud of a switch may be called from here.
fn cloud(switch: &str, set: Environment<'_>) -> Option<String> {
    let (_, variables, files) = CLOUDS.iter().find(|(name, ..)| *name == switch)?;
    if let Some(variable) = variables.iter().find(|name| set(name).is_some()) {
        return Some((*variable).to_owned());
    }
    let home = PathBuf::from(set("HOME")?);
    files.iter().find(|file| home.join(file).is_file()).map(|file| format!("~/{file}"))
}

/// Looks at the environment and the files; the fault where the settings allow no call at all.
///
/// # Errors
///
/// The inner result is the settings' fault.
pub fn collect(
    lookup: &dyn Fn(&str) -> Option<String>,
) -> (Vec<Fact>, Result<Settings, clearline_net::Fault>) {
    let set = |name: &str| lookup(name).filter(|v| !v.is_empty());
    let mut facts = Vec::new();
    origin::facts(&set, std::env::current_dir().ok().as_deref(), &mut facts);
    let configured = set("ANTHROPIC_BASE_URL");
    let url = configured.clone().unwrap_or_else(|| DEFAULT.to_owned());
    let target = match Target::parse(&url) {
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
    let credential = credential::credential(&set, configured.is_none(), &mut facts);
    for name in ROUTES.iter().filter(|name| set(name).is_some_and(|v| v != "0")) {
        facts.push(state("route-switch", name));
        facts.extend(cloud(name, &set).map(|what| state("route-switch.credentials", &what)));
    }
    crate::proxies::contradictions(&set, &mut facts);
    let resolvers = system::facts(&target.host, &set, &mut facts);
    let proxies = match ProxyEnv::from_lookup(lookup) {
        Ok(proxies) => proxies.with_remote_names(),
        Err(fault) => return (facts, Err(fault)),
    };
    let candidates = crate::proxies::look(&set, &target, &proxies, &mut facts);
    let timeout = set("API_TIMEOUT_MS").and_then(|v| v.parse::<u64>().ok());
    facts.extend(timeout.map(|ms| state("client.timeout-ms", &ms.to_string())));
    let path = |name: &str| set(name).map(PathBuf::from);
    let settings = Settings {
        target,
        is_default: configured.is_none(),
        proxies,
        candidates,
        credential,
        ca_file: path("SSL_CERT_FILE"),
        client_files: CLIENT_FILES.iter().filter_map(|(name, client)| Some((*client, path(name)?))).collect(),
        public_roots: path("CLEARLINE_PUBLIC_ROOTS"),
        resolvers,
        public_resolvers: PUBLIC_RESOLVERS.to_vec(),
        controls: CONTROLS.map(str::to_owned).to_vec(),
    };
    (facts, Ok(settings))
}
