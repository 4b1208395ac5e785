//! The proxy by itself: does it grant a tunnel, and which other proxies are there?

use std::path::Path as File;

use clearline_diagnose::Probe;
use clearline_model::{Dur, Fact, Path, Route as Way, Seen, Sent, Stage};
use clearline_net::{Fault, Route, Scheme, Target};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::http;
use crate::proxies::{Candidate, candidate, in_script};
use crate::world::World;

/// Asks for a tunnel with nothing behind it: to the path's address where it has one, else to its host.
pub(super) async fn tunnel(world: &World, probe: &Probe) -> Vec<Fact> {
    let begun = Instant::now();
    let path = &probe.path;
    let tls = match world.reference_tls() {
        Ok((_, tls)) => tls,
        Err(fault) => return vec![world.fault(path, &fault, Dur::ZERO)],
    };
    let mut target = world.target_of(path);
    // A tunnel is wanted, whatever would go through it.
    target.scheme = Scheme::Https;
    if let Some(address) = path.address {
        target.host = address.to_string();
    }
    let via = world.proxy_of(path);
    let route = Route { target: &target, proxy: via.as_deref(), tls };
    let limits = World::limits(probe);
    match clearline_net::lay(&world.fence, &route, &[], (&limits, &mut |_, _| ())).await {
        Ok(laid) => {
            let status = laid.reply().map_or(200, |r| r.status);
            vec![world.fact(
                path,
                Stage::Tunnel,
                Ok(Seen::Tunnelled(status)),
                (Sent::No, begun.elapsed().into()),
            )]
        }
        Err(fault) => {
            let mut facts =
                vec![world.fact(path, fault.stage, Err(fault.failure), (fault.sent, begun.elapsed().into()))];
            facts.extend(words(world, path, &fault));
            facts
        }
    }
}

/// What the proxy said when it refused: the lines of its answer that rules read.
pub(super) fn words(world: &World, path: &Path, fault: &Fault) -> Vec<Fact> {
    if fault.stage != Stage::Tunnel {
        return Vec::new();
    }
    let bare = Path { client: None, ..path.clone() };
    let lines = fault.detail.raw().lines().take(64);
    let telling = |line: &str| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        matches!(name.as_str(), "proxy-authenticate" | "x-squid-error" | "via" | "server" | "proxy-status")
    };
    lines
        .enumerate()
        .filter(|(i, line)| *i == 0 || telling(line))
        .map(|(_, line)| world.said(&bare, Stage::Tunnel, "proxy.said", line))
        .collect()
}

/// The most names that are tried for each convention.
const DOMAINS: usize = 4;
/// The ports on which proxies mostly listen.
const PORTS: [u16; 2] = [3128, 8080];

/// Looks for the proxies of this network (by the names under which they are announced) and asks each, and those that are set
/// here and not used, for a tunnel to the target.
pub(super) async fn others(world: &World, probe: &Probe) -> Vec<Fact> {
    let half = Dur(probe.limit.0 / 2);
    let domains = domains();
    let scripts = join_all(script_urls(&domains).into_iter().map(|url| async move {
        let Ok(Some(text)) = tokio::time::timeout(half.into(), fetch(world, &url, half)).await else {
            return Vec::new();
        };
        in_script(&text).into_iter().map(|proxy| (proxy, url.clone())).collect::<Vec<Candidate>>()
    }));
    let named = join_all(domains.iter().map(|domain| async move {
        let name = format!("proxy.{domain}");
        let found = clearline_net::resolve(&world.fence, &name, 0, half).await;
        let urls = PORTS.map(|port| (format!("http://{name}:{port}"), name.clone()));
        if found.is_ok() { urls.to_vec() } else { Vec::new() }
    }));
    let (scripts, named) = futures_util::future::join(scripts, named).await;
    let mut all = world.settings.candidates.clone();
    for one in scripts.into_iter().chain(named).flatten() {
        if !all.iter().any(|known| known.0 == one.0) {
            all.push(one);
        }
    }
    let mut facts: Vec<Fact> = all.iter().map(candidate).collect();
    let asked = join_all(all.iter().map(|one| {
        let path = Path { route: Some(Way::Proxy(one.0.clone())), ..probe.path.clone() };
        let probe = Probe { path, limit: half, ..probe.clone() };
        async move { tunnel(world, &probe).await }
    }));
    facts.extend(asked.await.into_iter().flatten());
    facts
}

/// The domains of this machine, the narrowest first: those that names are looked for in, and its own.
fn domains() -> Vec<String> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let mut all: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if matches!(words.next(), Some("search" | "domain")) {
            all.extend(words.map(str::to_owned));
        }
    }
    let host = std::fs::read_to_string(File::new("/proc/sys/kernel/hostname")).unwrap_or_default();
    all.extend(host.trim().split_once('.').map(|(_, domain)| domain.to_owned()));
    // A name's parents too, as WPAD does, but no top-level domain.
    let parents: Vec<String> = all
        .iter()
        .filter_map(|d| Some(d.split_once('.')?.1.to_owned()))
        .filter(|d| d.contains('.'))
        .collect();
    all.extend(parents);
    let mut kept: Vec<String> = Vec::new();
    for domain in all.iter().map(|d| d.trim_matches('.').to_ascii_lowercase()) {
        if !domain.is_empty() && !kept.contains(&domain) && kept.len() < DOMAINS {
            kept.push(domain);
        }
    }
    kept
}

/// Where a network's script of automatic configuration lies (draft-ietf-wrec-wpad-01).
fn script_urls(domains: &[String]) -> Vec<String> {
    let hosts = domains.iter().map(|d| format!("wpad.{d}")).chain(["wpad".to_owned()]);
    hosts.map(|host| format!("http://{host}/wpad.dat")).collect()
}

/// A small text over plain HTTP and without a proxy; nothing where it does not come.
async fn fetch(world: &World, url: &str, limit: Dur) -> Option<String> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let target = Target::parse(&format!("http://{host}")).ok()?;
    let (_, tls) = world.reference_tls().ok()?;
    let route = Route { target: &target, proxy: None, tls };
    let limits = clearline_net::Limits { resolve: limit, connect: limit, tunnel: limit, handshake: limit };
    let mut conn = clearline_net::open(&world.fence, route, &[], &limits, &mut |_, _| ()).await.ok()?;
    let request = ::http::Request::builder()
        .uri(format!("/{path}"))
        .header("host", target.authority())
        .body(http_body_util::Full::default())
        .ok()?;
    let answer = http::ask(&mut conn, request, limit).await.ok()?;
    (answer.status == 200).then(|| String::from_utf8_lossy(&answer.body).into_owned())
}
