//! The clients, a row each. What nobody has measured or documented is `None`, and decides nothing.
//!
//! Versions: curl 7.88, requests 2.34, httpx 0.28, anthropic 0.121 and 2.12 (Python), SDK for TypeScript 0.x and 1.12 on
//! Node 20, Bun 1.4, SDK for Go 1.60, SDK for Java 2.57, Claude Code of 2026.

use clearline_model::{Axis, Habit};

/// How a client finds its proxy.
#[derive(Debug, Clone, Copy)]
pub(super) enum Proxies {
    /// By properties of the program.
    Properties,
    /// By variables.
    Variables(Variables),
    /// By variables once this one is set.
    Switched(&'static str, Variables),
}

/// Which variables name a proxy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variables {
    /// For a target over TLS, the first that is set wins.
    pub(super) tls: &'static [&'static str],
    /// For a target in clear.
    pub(super) clear: &'static [&'static str],
    /// Whether `ALL_PROXY` counts.
    pub(super) all: Option<bool>,
    /// Whether it is known which case wins where both are set.
    pub(super) is_order_known: bool,
    /// How `NO_PROXY` is read.
    pub(super) exceptions: Exceptions,
}

/// How `NO_PROXY` is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exceptions {
    /// As the reference client reads it, as far as names go.
    AsReference,
    /// Blanks part entries as commas do.
    Blanks,
    /// Nobody has measured it.
    NotKnown,
}

/// Whether a client speaks SOCKS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Socks {
    Yes,
    No,
    /// With an additional package.
    Package,
    NotKnown,
}

/// The credential of a client that reads one by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// How it is sent.
    pub(super) sent: Habit,
    /// What becomes of blanks at its end, where that is known.
    pub(super) blanks: Option<Habit>,
}

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// Other words for it.
    pub(super) aliases: &'static [&'static str],
    /// Programs that are mostly it.
    pub(super) programs: &'static [&'static str],
    pub(super) proxies: Proxies,
    pub(super) socks: Socks,
    /// The roots that it trusts by itself.
    pub(super) trust: Option<Habit>,
    /// Variables whose file stands in their place; the first that is set wins.
    pub(super) only: &'static [&'static str],
    /// Variables whose file is added to them.
    pub(super) added: &'static [&'static str],
    /// A variable that adds the system's store.
    pub(super) adds_system: Option<&'static str>,
    /// In which way it chooses an address.
    pub(super) addresses: Option<Habit>,
    pub(super) http: Option<Habit>,
    pub(super) hello: Option<Habit>,
    /// None where the program says what is sent.
    pub(super) key: Option<Key>,
    /// Whether it reads `ANTHROPIC_BASE_URL`.
    pub(super) reads_base_url: bool,
    /// Whether it asks the API's own address at its first run.
    pub(super) first_run: bool,
}

const LOWER_FIRST: Variables = Variables {
    tls: &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
    clear: &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
    all: Some(true),
    is_order_known: true,
    exceptions: Exceptions::AsReference,
};
const EITHER_CASE: Variables = Variables {
    tls: &["https_proxy", "HTTPS_PROXY"],
    clear: &["http_proxy", "HTTP_PROXY"],
    all: None,
    is_order_known: false,
    exceptions: Exceptions::NotKnown,
};
const CURL: Client = Client {
    id: "curl",
    name: "curl",
    aliases: &[],
    programs: &["curl"],
    proxies: Proxies::Variables(LOWER_FIRST),
    socks: Socks::Yes,
    trust: Some(Habit::SystemStore),
    only: &[],
    // The file replaces the system's file, and the system's folder of certificates stays.
    added: &["CURL_CA_BUNDLE", "SSL_CERT_FILE"],
    adds_system: None,
    addresses: Some(Habit::Races),
    http: Some(Habit::Http2),
    hello: Some(Habit::SmallHello),
    key: None,
    reads_base_url: false,
    first_run: false,
};
const REQUESTS: Client = Client {
    id: "python-requests",
    name: "Python requests",
    aliases: &["requests"],
    programs: &[],
    proxies: Proxies::Variables(LOWER_FIRST),
    socks: Socks::Package,
    trust: Some(Habit::OwnRoots),
    only: &["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"],
    added: &[],
    addresses: Some(Habit::InOrder),
    http: Some(Habit::Http1),
    ..CURL
};
const HTTPX: Client = Client {
    id: "python-httpx",
    name: "Python httpx",
    aliases: &["httpx"],
    only: &["SSL_CERT_FILE"],
    ..REQUESTS
};
const PYTHON_0: Client = Client {
    id: "anthropic-python-0",
    name: "anthropic 0.x (Python)",
    aliases: &["python-0"],
    key: Some(Key { sent: Habit::BothCredentials, blanks: Some(Habit::RefusesKey) }),
    reads_base_url: true,
    ..HTTPX
};
const PYTHON_2: Client = Client {
    id: "anthropic-python",
    name: "anthropic 2.x (Python)",
    aliases: &["python", "python-2", "anthropic-python-2", "reference"],
    programs: &["python", "python3", "uv", "uvicorn", "gunicorn", "poetry", "pytest", "ipython", "jupyter"],
    trust: Some(Habit::SystemStore),
    key: Some(Key { sent: Habit::Bearer, blanks: Some(Habit::RefusesKey) }),
    ..PYTHON_0
};
const NODE: Client = Client {
    id: "node",
    name: "Node fetch",
    aliases: &["node-fetch", "undici"],
    programs: &[],
    proxies: Proxies::Switched("NODE_USE_ENV_PROXY", EITHER_CASE),
    socks: Socks::NotKnown,
    trust: Some(Habit::OwnRoots),
    only: &[],
    added: &["NODE_EXTRA_CA_CERTS"],
    adds_system: Some("NODE_USE_SYSTEM_CA"),
    addresses: Some(Habit::Races),
    http: Some(Habit::Http1),
    hello: Some(Habit::SmallHello),
    key: None,
    reads_base_url: false,
    first_run: false,
};
const TYPESCRIPT: Client = Client {
    id: "anthropic-typescript",
    name: "@anthropic-ai/sdk 1.x (TypeScript)",
    aliases: &["typescript", "ts", "anthropic-ts"],
    programs: &["node", "npx", "npm", "pnpm", "yarn", "tsx", "ts-node"],
    key: Some(Key { sent: Habit::Bearer, blanks: Some(Habit::TrimsKey) }),
    reads_base_url: true,
    ..NODE
};
const TYPESCRIPT_0: Client = Client {
    id: "anthropic-typescript-0",
    name: "@anthropic-ai/sdk 0.x (TypeScript)",
    aliases: &["typescript-0", "ts-0"],
    programs: &[],
    key: Some(Key { sent: Habit::BothCredentials, blanks: None }),
    ..TYPESCRIPT
};
const NODE_ENV_PROXY: Client = Client {
    id: "node-env-proxy",
    name: "Node fetch with NODE_USE_ENV_PROXY",
    aliases: &[],
    proxies: Proxies::Variables(EITHER_CASE),
    ..NODE
};
const AXIOS: Client = Client {
    id: "axios",
    name: "axios",
    aliases: &[],
    addresses: None,
    http: None,
    hello: None,
    ..NODE_ENV_PROXY
};
const BUN: Client = Client {
    id: "bun",
    name: "Bun fetch",
    aliases: &[],
    programs: &["bun", "bunx"],
    proxies: Proxies::Variables(Variables { all: Some(false), ..EITHER_CASE }),
    socks: Socks::No,
    trust: Some(Habit::BothStores),
    adds_system: None,
    hello: Some(Habit::LargeHello),
    ..NODE
};
const GO: Client = Client {
    id: "go",
    name: "Go net/http",
    aliases: &["anthropic-go", "golang"],
    programs: &["go"],
    proxies: Proxies::Variables(EITHER_CASE),
    socks: Socks::NotKnown,
    trust: Some(Habit::SystemStore),
    only: &["SSL_CERT_FILE"],
    added: &[],
    adds_system: None,
    addresses: None,
    http: Some(Habit::Http2),
    hello: None,
    key: None,
    reads_base_url: true,
    first_run: false,
};
const JAVA: Client = Client {
    id: "java",
    name: "Java",
    aliases: &["anthropic-java", "okhttp"],
    programs: &["java", "mvn", "gradle"],
    proxies: Proxies::Properties,
    trust: None,
    only: &[],
    ..GO
};
const CLAUDE_CODE: Client = Client {
    id: "claude-code",
    name: "Claude Code",
    aliases: &["claude"],
    programs: &["claude"],
    proxies: Proxies::Variables(Variables {
        tls: &["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"],
        clear: &["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"],
        all: Some(false),
        is_order_known: true,
        exceptions: Exceptions::Blanks,
    }),
    socks: Socks::No,
    trust: Some(Habit::BothStores),
    addresses: None,
    http: None,
    hello: None,
    reads_base_url: true,
    first_run: true,
    ..BUN
};

/// All of them.
pub(super) const CLIENTS: [Client; 14] = [
    CURL,
    REQUESTS,
    HTTPX,
    PYTHON_0,
    PYTHON_2,
    TYPESCRIPT,
    TYPESCRIPT_0,
    NODE,
    NODE_ENV_PROXY,
    AXIOS,
    BUN,
    GO,
    JAVA,
    CLAUDE_CODE,
];

impl Client {
    /// What is known of it, by axis.
    pub(super) fn habits(&self) -> Vec<(Axis, Habit)> {
        let route = match self.proxies {
            Proxies::Switched(..) => Habit::ReadsNoProxy,
            Proxies::Properties => Habit::ProxyProperties,
            Proxies::Variables(v) if v.all == Some(false) => Habit::SkipsAllProxy,
            Proxies::Variables(_) => Habit::TakesProxy,
        };
        let socks = match self.socks {
            Socks::No => Some(Habit::NoSocks),
            Socks::Package => Some(Habit::SocksPackage),
            Socks::Yes | Socks::NotKnown => None,
        };
        let host = if self.reads_base_url { Habit::ReadsBaseUrl } else { Habit::AsTold };
        let rows = [
            (Axis::Route, Some(route)),
            (Axis::Route, socks),
            (Axis::Trust, self.trust),
            (Axis::Family, self.addresses),
            (Axis::Alpn, self.http),
            (Axis::Hello, self.hello),
            (Axis::Credential, self.key.map_or(Some(Habit::AsTold), |key| Some(key.sent))),
            (Axis::Host, Some(host)),
            (Axis::Host, self.first_run.then_some(Habit::FirstRun)),
        ];
        rows.into_iter().filter_map(|(axis, habit)| Some((axis, habit?))).collect()
    }
}
