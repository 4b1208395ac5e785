//! Where calls go: the upstreams with their credentials, and the routes that choose among them. A reload makes a new one; who
//! runs already keeps what it has.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use clearline_model::{Cause, Failure, Foreign, KeyId, LocalFault, Stage, UpstreamId};
use clearline_net::{Fault, Http2, Proxy, ProxyEnv, Route as Way, Target, TrustSettings};
use clearline_policy::{Config, Group, Settings};
use http::{HeaderMap, HeaderValue};

use crate::builder::{foreign, refused};
use crate::error::CallError;
use crate::keys::PoolKey;

/// An API server, and the credentials that it and no other gets.
pub struct Upstream {
    /// The name that logs and metrics use; empty where there is only one.
    pub name: String,
    /// Its base URL.
    pub base_url: String,
    /// Its share of the calls, against those of the others.
    pub weight: u32,
    /// Its keys. None: the caller's own credential passes.
    pub keys: Vec<PoolKey>,
}

/// Without what stands before an @ in its base URL, by mistake: that is a credential.
impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("name", &self.name)
            .field("base_url", &without_user(&self.base_url))
            .field("weight", &self.weight)
            .field("keys", &self.keys)
            .finish()
    }
}

/// What may be shown of a URL that was not checked.
pub(crate) fn without_user(url: &str) -> &str {
    url.rsplit('@').next().unwrap_or_default()
}

/// Which calls go to which upstreams. The first route that a call fits is its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Route {
    /// The name, for messages.
    pub name: String,
    /// Only paths that are this one or lie below it.
    pub path: Option<String>,
    /// Only models of these names; `*` stands for anything.
    pub models: Vec<String>,
    /// The names of the upstreams; empty for all.
    pub upstreams: Vec<String>,
}

/// The names of upstreams and keys by their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// The upstreams. One whose keys some callers do not need has two numbers.
    pub upstreams: BTreeMap<UpstreamId, String>,
    /// The keys.
    pub keys: BTreeMap<KeyId, String>,
}

/// A server as attempts use it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) target: Target,
    pub(crate) host_header: HeaderValue,
    /// Under which name the pool keeps its connections.
    pub(crate) route_key: String,
    keys: BTreeMap<KeyId, PoolKey>,
}

impl Server {
    /// The credential of a key, where it is one of this server's.
    pub(crate) fn key(&self, id: KeyId) -> Option<&PoolKey> {
        self.keys.get(&id)
    }
}

/// What the numbers are given to, so that they mean the same after a reload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// Name and base URL; whether the caller's credential passes.
    Server(String, String, bool),
    /// A route, and whether it is for those whose credential is never replaced.
    Route(String, bool),
}

/// The groups of a route: for most calls, and for those whose credential is never replaced.
#[derive(Debug)]
struct Choice {
    route: Route,
    pooled: UpstreamId,
    passing: UpstreamId,
}

/// Everything about where calls go.
pub(crate) struct Network {
    tls: Arc<clearline_net::ClientConfig>,
    /// The same, offering HTTP/2 as well.
    tls_http2: Arc<clearline_net::ClientConfig>,
    servers: BTreeMap<UpstreamId, Arc<Server>>,
    /// Those of the time before a reload, for attempts that were planned then.
    before: BTreeMap<UpstreamId, Arc<Server>>,
    choices: Vec<Choice>,
    groups: Vec<Group>,
    names: Names,
    numbers: BTreeMap<Subject, UpstreamId>,
    next_key: u32,
}

/// What a network is made of.
pub(crate) struct Parts<'a> {
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) routes: Vec<Route>,
    pub(crate) proxies: Option<&'a ProxyEnv>,
    pub(crate) trust: &'a TrustSettings,
    pub(crate) allow_insecure: bool,
}

/// An upstream of which everything is known.
struct Built {
    name: String,
    weight: u32,
    /// Its number where its keys are used, and where the caller's credential passes.
    own: UpstreamId,
    passing: UpstreamId,
    is_pooled: bool,
}

pub(crate) fn proxy_for<'a>(proxies: &'a ProxyEnv, target: &Target) -> Option<&'a Proxy> {
    proxies.for_url(target.scheme.word(), &target.host, target.port)
}

fn target_of(upstream: &Upstream, parts: &Parts<'_>) -> Result<Target, CallError> {
    let target = Target::parse(&upstream.base_url).map_err(refused)?;
    let proxy = parts.proxies.and_then(|proxies| proxy_for(proxies, &target));
    if parts.allow_insecure || !clearline_net::is_exposed(&target, proxy) {
        return Ok(target);
    }
    let detail = if target.is_loopback() {
        "a credential would travel over plain http to a proxy beyond this machine; name the upstream in NO_PROXY or allow it explicitly"
    } else {
        "a credential would travel over plain http; use https:// or allow it explicitly"
    };
    Err(CallError::before(Cause::ConfigBaseUrlInsecure, Foreign::new(detail)))
}

fn invalid(text: &str) -> CallError {
    CallError::before(Cause::ConfigBaseUrlInvalid, Foreign::new(text))
}

impl Network {
    /// Checks everything, and numbers what is new.
    pub(crate) fn new(parts: Parts<'_>, old: Option<&Self>) -> Result<Self, Vec<CallError>> {
        let (targets, mistakes) = check(&parts);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let proxied = |t: &Target| parts.proxies.is_some_and(|proxies| proxy_for(proxies, t).is_some());
        let trust = if targets.iter().all(|t| t.is_plain() && !proxied(t)) {
            // Nothing will be verified, and reading the system's store takes longer than all the rest.
            TrustSettings { system: false, ..TrustSettings::default() }
        } else {
            parts.trust.clone()
        };
        let tls = clearline_net::tls_config(&trust).map_err(|fault| vec![refused(fault)])?;
        let mut network = Self {
            tls_http2: clearline_net::offering_http2(&tls),
            tls,
            servers: BTreeMap::new(),
            before: old.map(|o| o.servers.clone()).unwrap_or_default(),
            choices: Vec::new(),
            groups: Vec::new(),
            names: Names::default(),
            numbers: old.map(|o| o.numbers.clone()).unwrap_or_default(),
            next_key: old.map_or(0, |o| o.next_key),
        };
        let mut built = Vec::with_capacity(targets.len());
        for (upstream, target) in parts.upstreams.into_iter().zip(&targets) {
            built.push(network.add(upstream, target, parts.proxies).map_err(|e| vec![e])?);
        }
        let mut routes = parts.routes;
        if !routes.iter().any(|r| r.path.is_none() && r.models.is_empty()) {
            routes.push(Route::default());
        }
        for route in routes {
            network.choose(route).map_err(|e| vec![e])?;
        }
        network.groups = network.choices.iter().flat_map(|choice| groups(choice, &built)).collect();
        Ok(network)
    }

    /// How TLS is spoken where HTTP/2 is.
    pub(crate) const fn tls(&self, http2: Http2) -> &Arc<clearline_net::ClientConfig> {
        match http2 {
            Http2::Off => &self.tls,
            Http2::Auto | Http2::Prior => &self.tls_http2,
        }
    }

    fn number(&mut self, subject: Subject) -> Result<UpstreamId, CallError> {
        let next = u16::try_from(self.numbers.len());
        match self.numbers.get(&subject) {
            Some(known) => Ok(*known),
            None => {
                let next = next.map_err(|_| invalid("too many upstreams since the start; start anew"))?;
                self.numbers.insert(subject, UpstreamId(next));
                Ok(UpstreamId(next))
            }
        }
    }

    fn add(
        &mut self,
        upstream: Upstream,
        target: &Target,
        proxies: Option<&ProxyEnv>,
    ) -> Result<Built, CallError> {
        let Upstream { name, base_url, weight, keys } = upstream;
        let is_pooled = !keys.is_empty();
        let own = self.number(Subject::Server(name.clone(), base_url.clone(), !is_pooled))?;
        let passing = self.number(Subject::Server(name.clone(), base_url, true))?;
        let host_header = HeaderValue::from_str(&target.authority())
            .map_err(|e| CallError::before(Cause::ConfigBaseUrlInvalid, foreign(&e)))?;
        let proxy = proxies.and_then(|p| proxy_for(p, target));
        let route_key = Way { target, proxy, tls: Arc::clone(&self.tls) }.key();
        let keys = self.numbered(own, keys);
        for (id, key) in &keys {
            let alias = if name.is_empty() { key.alias.clone() } else { format!("{name}/{}", key.alias) };
            self.names.keys.insert(*id, alias);
        }
        let with = |keys| {
            Arc::new(Server {
                target: target.clone(),
                host_header: host_header.clone(),
                route_key: route_key.clone(),
                keys,
            })
        };
        self.servers.insert(passing, with(BTreeMap::new()));
        self.servers.insert(own, with(keys));
        for id in [own, passing] {
            self.names.upstreams.insert(id, name.clone());
        }
        Ok(Built { name, weight, own, passing, is_pooled })
    }

    /// A key keeps its number, and so what is known of it, as long as its name and its secret stay.
    fn numbered(&mut self, upstream: UpstreamId, keys: Vec<PoolKey>) -> BTreeMap<KeyId, PoolKey> {
        let old = self.before.get(&upstream).cloned();
        let mut numbered = BTreeMap::new();
        for key in keys {
            let same =
                |(_, k): &(&KeyId, &PoolKey)| k.alias == key.alias && k.secret.same(key.secret.expose());
            let known = old.as_ref().and_then(|o| o.keys.iter().find(same)).map(|(id, _)| *id);
            let id = known.unwrap_or_else(|| {
                let id = KeyId(self.next_key);
                self.next_key = self.next_key.saturating_add(1);
                id
            });
            numbered.insert(id, key);
        }
        numbered
    }

    fn choose(&mut self, route: Route) -> Result<(), CallError> {
        let pooled = self.number(Subject::Route(route.name.clone(), false))?;
        let passing = self.number(Subject::Route(route.name.clone(), true))?;
        self.choices.push(Choice { route, pooled, passing });
        Ok(())
    }

    /// The numbers under which calls ask for a way.
    pub(crate) fn group_for(&self, path: &str, model: Option<&str>, headers: &HeaderMap) -> UpstreamId {
        let path = clearline_wire::without_query(path);
        let choice = self.choices.iter().find(|c| c.route.takes(path, model));
        // The last route takes everything.
        let choice = choice.or_else(|| self.choices.last());
        choice.map_or(UpstreamId(0), |c| if is_oauth(headers) { c.passing } else { c.pooled })
    }

    /// The server of an attempt, and the key that it sends.
    pub(crate) fn server(
        &self,
        upstream: UpstreamId,
        key: Option<KeyId>,
    ) -> Result<(&Server, Option<&PoolKey>), Fault> {
        let here = self.servers.get(&upstream).into_iter().chain(self.before.get(&upstream));
        for server in here {
            match key {
                None if server.keys.is_empty() => return Ok((server, None)),
                Some(id) if server.key(id).is_some() => return Ok((server, server.key(id))),
                None | Some(_) => {}
            }
        }
        // Never the caller's credential in the place of a key that is gone.
        Err(Fault {
            detail: Foreign::new("the settings changed while this attempt began"),
            ..Fault::new(Stage::Config, Failure::Local(LocalFault::PoolExhausted))
        })
    }

    pub(crate) const fn names(&self) -> &Names {
        &self.names
    }

    /// What the engine is told.
    pub(crate) fn config(&self, settings: Settings) -> (Config, Vec<Group>) {
        let upstream = |(id, server): (&UpstreamId, &Arc<Server>)| clearline_policy::Upstream {
            id: *id,
            keys: server.keys.keys().copied().collect(),
        };
        let upstreams = self.servers.iter().map(upstream).collect();
        (Config { upstreams, settings }, self.groups.clone())
    }
}

/// Every mistake in upstreams and routes.
fn check(parts: &Parts<'_>) -> (Vec<Target>, Vec<CallError>) {
    let (mut targets, mut mistakes) = (Vec::new(), Vec::new());
    if parts.upstreams.is_empty() {
        mistakes.push(invalid("there is no upstream"));
    }
    for upstream in &parts.upstreams {
        match target_of(upstream, parts) {
            Ok(target) => targets.push(target),
            Err(mistake) => mistakes.push(mistake),
        }
        mistakes.extend(upstream.keys.iter().filter_map(|key| key.check().err()));
    }
    for route in &parts.routes {
        let unknown = route.upstreams.iter().find(|name| !parts.upstreams.iter().any(|u| u.name == **name));
        mistakes.extend(unknown.map(|name| {
            invalid(&format!(
                "the route \"{}\" names the upstream \"{name}\", which is not there",
                route.name
            ))
        }));
    }
    (targets, mistakes)
}

/// An OAuth bearer (a subscription's log-in) is never replaced and passes untouched.
fn is_oauth(headers: &HeaderMap) -> bool {
    headers
        .get(http::header::AUTHORIZATION)
        .is_some_and(|v| v.as_bytes().get(..17).is_some_and(|p| p.eq_ignore_ascii_case(b"Bearer sk-ant-oat")))
}

/// The groups of a route. A credential that is never replaced goes where callers' credentials go anyway; where they go
/// nowhere, it goes to the first upstream and to no other.
fn groups(choice: &Choice, built: &[Built]) -> [Group; 2] {
    let wanted = &choice.route.upstreams;
    let members: Vec<_> = built.iter().filter(|b| wanted.is_empty() || wanted.contains(&b.name)).collect();
    let mut passing: Vec<_> =
        members.iter().filter(|b| !b.is_pooled).map(|b| (b.passing, b.weight)).collect();
    if passing.is_empty() {
        passing = members.first().map(|b| (b.passing, 1)).into_iter().collect();
    }
    let pooled = members.iter().map(|b| (b.own, b.weight)).collect();
    [Group { id: choice.pooled, members: pooled }, Group { id: choice.passing, members: passing }]
}

impl Route {
    /// Whether a call is one of this route.
    fn takes(&self, path: &str, model: Option<&str>) -> bool {
        let below = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let by_path = self.path.as_deref().is_none_or(|p| below(p.trim_end_matches('/')));
        let by_model = self.models.is_empty()
            || model.is_some_and(|model| self.models.iter().any(|pattern| fits(pattern, model)));
        by_path && by_model
    }
}

/// Whether a text has the form of a pattern, in which `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut open = false;
    for part in parts {
        open = true;
        let Some(at) = rest.find(part) else { return false };
        // The last part has to be the end, which its last occurrence is.
        rest = rest.split_at_checked(at + part.len()).map_or("", |(_, rest)| rest);
    }
    rest.is_empty() || (open && pattern.rsplit('*').next().is_some_and(|last| text.ends_with(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, is_fit) in [
            ("claude-haiku-5-5", "claude-haiku-5-5", true),
            ("claude-haiku-5-5", "claude-haiku-5-5-20260101", false),
            ("claude-haiku-*", "claude-haiku-5-5", true),
            ("claude-haiku-*", "claude-opus-5-5", false),
            ("*", "anything", true),
            ("*-5", "claude-haiku-5-5", true),
            ("*-5", "claude-haiku-5-6", false),
            ("claude-*-5-5", "claude-opus-5-5", true),
            ("claude-*-5-5", "claude-5-5", false),
            ("a*a", "a", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(fits(pattern, text), is_fit, "{pattern} {text}");
        }
    }

    #[test]
    fn routes() {
        let route = Route {
            path: Some("/v1/messages/batches/".to_owned()),
            models: vec!["a-*".to_owned(), "b".to_owned()],
            ..Route::default()
        };
        for (path, model, takes) in [
            ("/v1/messages/batches", Some("a-1"), true),
            ("/v1/messages/batches/x", Some("b"), true),
            ("/v1/messages/batchesx", Some("b"), false),
            ("/v1/messages/batches", Some("c"), false),
            ("/v1/messages/batches", None, false),
            ("/v1/messages", Some("b"), false),
        ] {
            assert_eq!(route.takes(path, model), takes, "{path} {model:?}");
        }
        assert!(Route::default().takes("/", None));
    }

    fn upstream(name: &str, url: &str, keys: &[(&str, &str)]) -> Upstream {
        let key = |(alias, secret): &(&str, &str)| PoolKey {
            alias: (*alias).to_owned(),
            secret: clearline_model::Secret::new(secret.as_bytes().to_vec()),
        };
        let keys = keys.iter().map(key).collect();
        Upstream { name: name.to_owned(), base_url: url.to_owned(), weight: 1, keys }
    }

    fn network(upstreams: Vec<Upstream>, routes: Vec<Route>, old: Option<&Network>) -> Network {
        let trust = TrustSettings::default();
        let parts = Parts { upstreams, routes, proxies: None, trust: &trust, allow_insecure: false };
        Network::new(parts, old).map_err(|e| format!("{e:?}")).unwrap()
    }

    const HERE: &str = "http://127.0.0.1:1";
    const THERE: &str = "http://127.0.0.1:2";

    #[test]
    fn a_key_belongs_to_its_upstream_and_keeps_its_number() {
        let first = network(
            vec![
                upstream("a", HERE, &[("k", "sk-ant-fake-a")]),
                upstream("b", THERE, &[("k", "sk-ant-fake-b")]),
            ],
            Vec::new(),
            None,
        );
        let (config, _) = first.config(Settings::default());
        let keys: Vec<_> = config.upstreams.iter().filter_map(|u| Some((u.id, *u.keys.first()?))).collect();
        let [(a, of_a), (b, of_b)] = keys[..] else { panic!("{keys:?}") };
        assert_ne!(of_a, of_b);
        assert!(first.server(a, Some(of_a)).is_ok() && first.server(b, Some(of_b)).is_ok());
        for wrong in [(a, Some(of_b)), (b, Some(of_a)), (a, None), (b, None)] {
            assert!(first.server(wrong.0, wrong.1).is_err(), "{wrong:?}");
        }
        let second = network(
            vec![
                upstream("b", THERE, &[("k", "sk-ant-fake-new"), ("old", "sk-ant-fake-b")]),
                upstream("c", HERE, &[]),
            ],
            Vec::new(),
            Some(&first),
        );
        let (config, _) = second.config(Settings::default());
        let of = |id| config.upstreams.iter().find(|u| u.id == id).map(|u| u.keys.clone());
        assert_eq!(of(a), None);
        assert!(of(b).is_some_and(|keys| keys.len() == 2 && !keys.contains(&of_b)), "another name or secret");
        assert!(second.server(b, Some(of_b)).is_ok(), "an attempt of the time before goes on");
        assert!(second.server(a, None).is_err());
    }

    #[test]
    fn a_credential_that_is_never_replaced_goes_to_one_upstream() {
        let mut oauth = HeaderMap::new();
        oauth.insert("authorization", "Bearer sk-ant-oat-fake".parse().unwrap());
        let members = |upstreams| {
            let n = network(upstreams, Vec::new(), None);
            let id = n.group_for("/v1/messages", None, &oauth);
            let (_, groups) = n.config(Settings::default());
            let group = groups.into_iter().find(|g| g.id == id).unwrap();
            let names = group.members.iter().map(|(u, _)| {
                assert!(n.server(*u, None).is_ok());
                n.names().upstreams[u].clone()
            });
            names.collect::<Vec<_>>()
        };
        let keyed = |name| upstream(name, HERE, &[("k", "sk-ant-fake-a")]);
        assert_eq!(members(vec![keyed("a"), keyed("b")]), ["a"]);
        assert_eq!(members(vec![keyed("a"), upstream("b", THERE, &[])]), ["b"]);
    }

    #[test]
    fn mistakes_come_all_at_once() {
        let trust = TrustSettings::default();
        let upstreams =
            vec![upstream("a", "ftp://x", &[("k", "bad key")]), upstream("b", "http://api.example", &[])];
        let route = Route { upstreams: vec!["c".to_owned()], ..Route::default() };
        let parts =
            Parts { upstreams, routes: vec![route], proxies: None, trust: &trust, allow_insecure: false };
        let causes: Vec<_> =
            Network::new(parts, None).map(|_| ()).unwrap_err().iter().map(|e| e.cause).collect();
        assert_eq!(
            causes,
            [
                Cause::ConfigBaseUrlInvalid,
                Cause::AuthMalformedKey,
                Cause::ConfigBaseUrlInsecure,
                Cause::ConfigBaseUrlInvalid
            ]
        );
    }
}
