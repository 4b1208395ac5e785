//! Proxies: how far a tunnel gets, by what it is refused, and what the settings of this machine make of it.

use std::net::IpAddr;

use clearline_model::{Axis, Cause, Dur, Fact, Failure, Limit, Origin, Path, Route, Seen, Stage};

use super::tcp::is_said;
use super::{Found, Rule};
use crate::evidence::Evidence;
use crate::plan::{Goal, Probe, What};

pub(crate) const RULES: &[Rule] = &[
    Rule { cause: Cause::ProxyConflictingSettings, judge: conflicting },
    Rule { cause: Cause::ProxyNoProxyTooBroad, judge: |e| required(e, true) },
    Rule { cause: Cause::ProxyNoProxySyntax, judge: |e| left_out(e, true) },
    Rule { cause: Cause::ProxyNoProxyMissing, judge: |e| left_out(e, false) },
    Rule { cause: Cause::ProxyRequired, judge: |e| required(e, false) },
    Rule { cause: Cause::ProxySchemeMismatch, judge: scheme_mismatch },
    Rule { cause: Cause::ProxyUnreachable, judge: unreachable },
    Rule { cause: Cause::ProxyFlaky, judge: flaky },
    Rule { cause: Cause::ProxyAuthScheme, judge: auth_scheme },
    Rule { cause: Cause::ProxyAuthRejected, judge: rejected },
    Rule { cause: Cause::ProxyPortDenied, judge: port_denied },
    Rule { cause: Cause::ProxyDenied, judge: denied },
    Rule { cause: Cause::ProxyCannotResolve, judge: cannot_resolve },
    Rule { cause: Cause::ProxyHangs, judge: hangs },
    Rule { cause: Cause::ProxyClosesTunnel, judge: closes_tunnel },
    Rule { cause: Cause::ProxyStripsCredentials, judge: stripped },
    Rule { cause: Cause::ProxySocksLocalDns, judge: socks_local_names },
    Rule { cause: Cause::ProxyUnintended, judge: unintended },
    Rule { cause: Cause::ProxyNotAProxy, judge: web_server },
];

/// The longest wait of a control experiment.
const LIMIT: Dur = Dur::secs(2);
/// How often a tunnel is asked for where tunnels may fail at times.
const TRIES: u8 = 6;

/// What tells the faults of a proxy, and of its settings, apart.
pub(crate) fn plan(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    match (&goal.proxy, evidence.end()) {
        (Some(proxy), Some((fact, failure))) => through(goal, evidence, (proxy, fact, failure)),
        (Some(proxy), None) => beside(goal, evidence, proxy),
        (None, Some((fact, _))) => without(goal, evidence, fact),
        (None, None) => Vec::new(),
    }
}

/// What costs nothing while the call runs: more tunnels.
pub(crate) fn background(goal: &Goal) -> Vec<Probe> {
    let tunnels = Probe::new(What::Tunnel, goal.path(), LIMIT, &[Cause::ProxyFlaky]);
    let mut all = vec![tunnels.times(TRIES).background()];
    if !goal.is_plain {
        let stores = Probe::new(What::Handshake, goal.path(), LIMIT, &[Cause::TlsTrustStoreMismatch]);
        all.push(stores.background());
    }
    all
}

/// The call goes through a proxy and fails.
fn through(goal: &Goal, evidence: &Evidence, (proxy, fact, failure): (&str, &Fact, Failure)) -> Vec<Probe> {
    let direct = Probe::new(
        What::Keyless,
        goal.direct(),
        LIMIT,
        &[Cause::ProxyUnreachable, Cause::ProxyNoProxyMissing],
    );
    let mut probes = Vec::new();
    match fact.stage {
        Stage::Tunnel | Stage::Resolve => {
            probes.push(direct);
            probes.extend(candidates(goal, evidence));
            if !is_never_reached(failure) {
                probes.push(Probe::new(What::Tunnel, goal.path(), LIMIT, &[Cause::ProxyFlaky]).times(TRIES));
                probes.extend(controls(goal, evidence));
                probes.extend(schemes(goal, proxy));
            }
        }
        Stage::Handshake if is_cut(failure) || failure == Failure::NotTls => {
            probes.push(direct);
            let why = &[Cause::ProxyClosesTunnel];
            probes.push(Probe::new(What::Handshake, goal.path(), LIMIT, why).times(2));
            let others = goal.controls.iter().filter(|_| !goal.only_target);
            probes.extend(others.map(|host| {
                Probe::new(What::Handshake, Path { host: host.clone(), ..goal.path() }, LIMIT, why)
            }));
        }
        // In clear the proxy's own answer is the answer.
        Stage::Send | Stage::Head | Stage::Body if goal.is_plain || !goal.is_default => probes.push(direct),
        Stage::Config
        | Stage::Connect
        | Stage::Handshake
        | Stage::Send
        | Stage::Head
        | Stage::Body
        | Stage::Stream => {}
    }
    probes
}

/// The call goes well through a proxy: what hits only clients that look names up here.
fn beside(goal: &Goal, evidence: &Evidence, proxy: &str) -> Vec<Probe> {
    if !proxy.starts_with("socks5") || evidence.state("proxy.local-names").is_none() {
        return Vec::new();
    }
    const WHY: &[Cause] = &[Cause::ProxySocksLocalDns];
    let mut probes = vec![Probe::new(What::Lookup, goal.direct(), LIMIT, WHY)];
    let here = own_addresses(evidence, &goal.host).into_iter().take(2);
    probes.extend(here.map(|ip| {
        let path = Path { address: Some(ip), family: Some(crate::plan::family(ip)), ..goal.path() };
        Probe::new(What::Handshake, path, LIMIT, WHY)
    }));
    probes
}

/// The call goes straight and fails before anything of the API is seen: is there a proxy that leads out?
fn without(goal: &Goal, evidence: &Evidence, fact: &Fact) -> Vec<Probe> {
    if goal.is_loopback || !matches!(fact.stage, Stage::Resolve | Stage::Connect | Stage::Handshake) {
        return Vec::new();
    }
    let mut probes = candidates(goal, evidence);
    if !goal.only_target {
        probes.push(Probe::new(
            What::Proxies,
            Path { route: None, ..goal.path() },
            LIMIT,
            &[Cause::ProxyRequired],
        ));
    }
    probes
}

/// Every other proxy that is set here, asked for a tunnel to the target.
fn candidates(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    let routes = evidence.said("proxy.candidate").filter_map(|(f, _)| f.path.route.clone());
    routes
        .map(|route| {
            let path = Path { route: Some(route), ..goal.path() };
            Probe::new(What::Tunnel, path, LIMIT, &[Cause::ProxyConflictingSettings, Cause::ProxyRequired])
        })
        .collect()
}

/// Tunnels to other hosts, to the target by its address, and to the usual port.
fn controls(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    const WHY: &[Cause] = &[Cause::ProxyDenied, Cause::ProxyPortDenied, Cause::ProxyCannotResolve];
    const USUAL: u16 = 443;
    let tunnel = |path: Path| Probe::new(What::Tunnel, path, LIMIT, WHY);
    let mut probes = Vec::new();
    for host in goal.controls.iter().filter(|_| !goal.only_target) {
        probes.push(tunnel(Path { host: host.clone(), port: Some(USUAL), ..goal.path() }));
        if goal.port != USUAL {
            probes.push(tunnel(Path { host: host.clone(), port: Some(goal.port), ..goal.path() }));
        }
    }
    if goal.port != USUAL {
        probes.push(tunnel(Path { port: Some(USUAL), ..goal.path() }));
    }
    let known = own_addresses(evidence, &goal.host);
    let address = known.first().copied();
    if known.is_empty() {
        probes.push(Probe::new(What::Lookup, goal.direct(), LIMIT, WHY));
    }
    probes.extend(
        address.filter(|_| goal.host.parse::<IpAddr>().is_err()).map(|ip| {
            tunnel(Path { address: Some(ip), family: Some(crate::plan::family(ip)), ..goal.path() })
        }),
    );
    probes
}

/// The same proxy spoken to otherwise.
fn schemes(goal: &Goal, proxy: &str) -> Vec<Probe> {
    let Some((own, place)) = proxy.split_once("://") else { return Vec::new() };
    let others = ["http", "https", "socks5h"]
        .into_iter()
        .filter(|s| own.trim_end_matches('h') != s.trim_end_matches('h'));
    others
        .map(|scheme| {
            let path = Path { route: Some(Route::Proxy(format!("{scheme}://{place}"))), ..goal.path() };
            Probe::new(What::Tunnel, path, LIMIT, &[Cause::ProxySchemeMismatch])
        })
        .collect()
}

/// Addresses of a host as this machine looks them up.
fn own_addresses(evidence: &Evidence, host: &str) -> Vec<IpAddr> {
    let found = evidence.at(Stage::Resolve).find_map(|f| match &f.saw {
        Ok(Seen::Addresses(all)) if f.path.host == host && f.path.resolver.is_none() => Some(all.clone()),
        Ok(_) | Err(_) => None,
    });
    found.unwrap_or_default()
}

/// Whether the proxy itself was not reached.
const fn is_never_reached(failure: Failure) -> bool {
    matches!(
        failure,
        Failure::Refused
            | Failure::Unreachable(_)
            | Failure::NoAddress
            | Failure::Rcode(..)
            | Failure::TimedOut(Limit::Resolve | Limit::Connect)
    )
}

const fn is_cut(failure: Failure) -> bool {
    matches!(failure, Failure::Reset | Failure::Eof | Failure::TimedOut(_))
}

/// Where the call ends on its way through the proxy.
fn ended_in_tunnel(evidence: &Evidence) -> Option<(&Fact, Failure)> {
    evidence.end().filter(|(f, _)| f.stage == Stage::Tunnel)
}

/// Answers to the request for a tunnel, by probes.
fn tunnels<'a>(evidence: &'a Evidence, fits: impl Fn(&Path) -> bool + 'a) -> impl Iterator<Item = &'a Fact> {
    let is_answer = |f: &&Fact| f.path.client.is_none() && !matches!(f.saw, Ok(Seen::State(..)));
    evidence.at(Stage::Tunnel).filter(is_answer).filter(move |f| fits(&f.path))
}

/// Tunnels to the target as the reference client asks for them.
fn own_tunnels<'a>(evidence: &'a Evidence, own: &'a Path) -> impl Iterator<Item = &'a Fact> {
    tunnels(evidence, move |p| {
        p.host == own.host && p.route == own.route && p.address.is_none() && p.port.is_none()
    })
}

/// The target, asked for without the proxy, answered as itself.
fn direct<'a>(evidence: &'a Evidence, host: &str) -> Option<&'a Fact> {
    let host = host.to_owned();
    evidence.find(move |f| {
        f.stage == Stage::Head && f.path.route == Some(Route::Direct) && f.path.host == host && f.saw.is_ok()
    })
}

/// Lines of the proxy's own answers.
fn proxy_says(evidence: &Evidence, word: &str) -> bool {
    evidence.said("proxy.said").any(|(_, line)| line.raw().to_ascii_lowercase().contains(word))
}

/// What squid says of itself behind `X-Squid-Error`, in a tunnel's answer or in one of HTTP.
fn squid_says(evidence: &Evidence, word: &str) -> bool {
    let in_head = evidence.facts().iter().any(|f| match &f.saw {
        Ok(Seen::Head { headers, .. }) => {
            headers.iter().any(|(n, v)| n == "x-squid-error" && v.raw().to_ascii_lowercase().contains(word))
        }
        Ok(_) | Err(_) => false,
    });
    in_head || proxy_says(evidence, word)
}

/// The proxy in use does not work, and another value of the same settings does.
fn conflicting(evidence: &Evidence) -> Option<Found> {
    let both = evidence.state("proxy.both-cases").map(|(fact, _)| fact);
    let Some((fact, failure)) = ended_in_tunnel(evidence) else {
        return both.map(Found::information);
    };
    let route = fact.path.route.clone();
    let is_variable = |route: &Option<Route>| {
        evidence
            .said("proxy.candidate")
            .any(|(f, from)| f.path.route == *route && from.raw().to_ascii_lowercase().ends_with("_proxy"))
    };
    let other = tunnels(evidence, |p| p.host == fact.path.host && p.address.is_none())
        .find(|f| f.path.route != route && f.saw.is_ok() && is_variable(&f.path.route));
    match (other, both) {
        (Some(other), _) if is_never_reached(failure) => {
            Some(Found::root(fact).flipped(Some(other), Axis::Route))
        }
        (_, Some(both)) => Some(Found::contributing(both)),
        _ => None,
    }
}

/// The call goes straight and fails; through a proxy of this network a tunnel to the target is granted. `is_excluded`: it is the
/// proxy that the settings name and `NO_PROXY` keeps the target from.
fn required(evidence: &Evidence, is_excluded: bool) -> Option<Found> {
    let (fact, failure) = evidence.end()?;
    let is_early = matches!(fact.stage, Stage::Resolve | Stage::Connect | Stage::Handshake);
    let is_dead = !matches!(failure, Failure::Cert(_) | Failure::Config(_) | Failure::Local(_));
    if fact.path.route != Some(Route::Direct) || !is_early || !is_dead {
        return None;
    }
    let excluded = evidence.state("no-proxy.excludes").and_then(|(f, _)| f.path.route.clone());
    let granted =
        |f: &&Fact| f.saw.is_ok() && (excluded.is_some() && f.path.route == excluded) == is_excluded;
    let tunnel = tunnels(evidence, |p| p.host == fact.path.host && p.address.is_none()).find(granted)?;
    // Where others are reached without it, it is not what is missing.
    if !is_excluded && is_open(evidence) {
        return None;
    }
    Some(Found::root(fact).flipped(Some(tunnel), Axis::Route))
}

/// Whether hosts that have nothing to do with the target are reached without a proxy.
fn is_open(evidence: &Evidence) -> bool {
    let target = evidence.reference().next().map(|f| f.path.host.clone());
    evidence.at(Stage::Connect).any(|f| {
        let is_other = Some(&f.path.host) != target.as_ref();
        let is_try = f.path.port == Some(443) && f.path.route == Some(Route::Direct) && !is_said(f);
        is_other && is_try && f.saw.is_ok()
    })
}

/// The target answers without the proxy and not with it: `NO_PROXY` should have named it. `is_written`: it does, in a form that
/// this client does not understand.
fn left_out(evidence: &Evidence, is_written: bool) -> Option<Found> {
    let (fact, failure) = evidence.end()?;
    let in_tunnel =
        fact.stage == Stage::Tunnel && !is_never_reached(failure) && failure != Failure::Tunnel(407);
    let in_clear =
        matches!(failure, Failure::Status(403 | 404 | 502..=504, _, Origin::Proxy | Origin::Gateway));
    let is_refused = in_tunnel || in_clear;
    let is_own = evidence.state("base-url").is_some() && evidence.state("base-url.loopback").is_none();
    if !is_refused || !is_own || !matches!(fact.path.route, Some(Route::Proxy(_))) {
        return None;
    }
    // Where it is the port that the proxy does not like, the way around it is not what is missing.
    if port_denied(evidence).is_some() {
        return None;
    }
    let straight = direct(evidence, &fact.path.host)?;
    let meant = evidence.state("no-proxy.meant").map(|(f, _)| f).or_else(|| in_network(evidence, fact));
    (meant.is_some() == is_written).then(|| {
        let mut found = Found::root(fact).flipped(Some(straight), Axis::Route);
        found.proof.extend(meant.map(|f| clearline_model::Proof::One(f.id)));
        found
    })
}

/// A network of `NO_PROXY` that the target's address lies in.
fn in_network<'a>(evidence: &'a Evidence, fact: &Fact) -> Option<&'a Fact> {
    let straight = evidence.facts().iter().filter(|f| f.path.host == fact.path.host);
    let addresses: Vec<IpAddr> = straight
        .flat_map(|f| match &f.saw {
            Ok(Seen::Addresses(all)) => all.clone(),
            Ok(_) | Err(_) => f.path.address.into_iter().collect(),
        })
        .collect();
    let holds = |network: &str| addresses.iter().any(|ip| lies_in(*ip, network));
    evidence.said("no-proxy.network").find(|(_, network)| holds(network.raw())).map(|(f, _)| f)
}

/// Whether an address lies in a network as `NO_PROXY` writes it.
fn lies_in(ip: IpAddr, network: &str) -> bool {
    let Some((base, bits)) = network.split_once('/') else { return false };
    let Ok(bits) = bits.parse::<u32>() else { return false };
    match (ip, base.parse::<IpAddr>()) {
        (IpAddr::V4(a), Ok(IpAddr::V4(b))) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(a) & mask == u32::from(b) & mask
        }
        (IpAddr::V6(a), Ok(IpAddr::V6(b))) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(a) & mask == u128::from(b) & mask
        }
        _ => false,
    }
}

/// Spoken to as it is set, it does not answer as a proxy; spoken to otherwise, it does.
fn scheme_mismatch(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = ended_in_tunnel(evidence)?;
    let Some(Route::Proxy(own)) = &fact.path.route else { return None };
    let is_odd = matches!(
        failure,
        Failure::NotTls
            | Failure::Tunnel(0 | 400)
            | Failure::Socks(0)
            | Failure::Eof
            | Failure::Reset
            | Failure::Alert(_)
            | Failure::Cert(_)
            | Failure::TimedOut(Limit::Tunnel | Limit::Handshake)
    );
    let (scheme, place) = own.split_once("://")?;
    // A line of text is answered by whoever cannot read it; one that waits for more of it was sent something else.
    let is_odd = is_odd && !(scheme == "http" && matches!(failure, Failure::TimedOut(_)));
    let other = tunnels(evidence, |p| {
        let Some(Route::Proxy(url)) = &p.route else { return false };
        url != own && url.split_once("://").is_some_and(|(_, other)| other == place)
    })
    .find(|f| speaks(f))?;
    is_odd.then(|| Found::root(fact).flipped(Some(other), Axis::Route))
}

/// Whether an answer is that of a proxy which was spoken to rightly, granted or not.
const fn speaks(fact: &Fact) -> bool {
    matches!(
        fact.saw,
        Ok(Seen::Tunnelled(_))
            | Err(Failure::Tunnel(401..=403 | 407 | 500..=504) | Failure::Socks(1..=6 | 0xFE | 0xFF) | Failure::Cert(_))
    )
}

/// Nobody listens where the proxy should be, or there is no way to it.
fn unreachable(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = ended_in_tunnel(evidence)?;
    let is_dead = matches!(failure, Failure::Refused | Failure::Unreachable(_));
    is_dead.then(|| Found::root(fact).flipped(direct(evidence, &fact.path.host), Axis::Route))
}

/// The tunnel is granted, and what comes out of it is text, where the target speaks TLS or no host behind it does: a web server
/// that says yes to whatever it is asked.
fn web_server(evidence: &Evidence) -> Option<Found> {
    let (fact, _) =
        evidence.end().filter(|(f, why)| f.stage == Stage::Handshake && *why == Failure::NotTls)?;
    if !matches!(fact.path.route, Some(Route::Proxy(_))) {
        return None;
    }
    if let Some(straight) = direct(evidence, &fact.path.host) {
        return Some(Found::root(fact).flipped(Some(straight), Axis::Route));
    }
    let others = || {
        let is_other = |f: &&Fact| f.path.host != fact.path.host && f.path.route == fact.path.route;
        evidence.at(Stage::Handshake).filter(is_other).filter(|f| f.path.trust.is_none())
    };
    let same = others().find(|f| f.saw == Err(Failure::NotTls))?;
    others().all(|f| f.saw.is_err()).then(|| {
        let mut found = Found::root(fact);
        found.proof.push(clearline_model::Proof::One(same.id));
        found
    })
}

/// Of many tunnels to the target some are granted and some are not.
fn flaky(evidence: &Evidence) -> Option<Found> {
    /// One that takes so long at its quickest is slow, and a wait that ends a little later has lost nothing.
    const SLOW: Dur = Dur(LIMIT.0 / 4);
    let own = evidence.reference().find(|f| matches!(f.path.route, Some(Route::Proxy(_))))?;
    let path = own.path.clone();
    let mut all: Vec<&Fact> = own_tunnels(evidence, &path).collect();
    all.extend(evidence.attempts().filter(|f| f.stage == Stage::Tunnel));
    let is_slow = all.iter().filter(|f| f.saw.is_ok()).map(|f| f.took).min().is_some_and(|took| took >= SLOW);
    let is_lost = |f: &Fact| match f.saw {
        Err(Failure::Tunnel(500..=599) | Failure::Reset | Failure::Eof | Failure::Refused) => true,
        Err(Failure::TimedOut(_)) => !is_slow,
        Ok(_) | Err(_) => false,
    };
    let failed = all.iter().find(|f| is_lost(f))?;
    all.iter().any(|f| f.saw.is_ok()).then_some(())?;
    let n = all.iter().filter(|f| is_lost(f)).count();
    let found =
        if ended_in_tunnel(evidence).is_some() { Found::root(failed) } else { Found::contributing(failed) };
    Some(found.rate(n, all.len()))
}

/// The proxy offers nothing that this client speaks.
fn auth_scheme(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = ended_in_tunnel(evidence)?;
    let offers: Vec<(&Fact, String)> = evidence
        .said("proxy.said")
        .filter_map(|(f, line)| {
            let (name, value) = line.raw().split_once(':')?;
            name.eq_ignore_ascii_case("proxy-authenticate").then(|| (f, value.trim().to_ascii_lowercase()))
        })
        .collect();
    let (said, _) = offers.first()?;
    let speaks_basic = offers.iter().any(|(_, value)| {
        value.split(',').any(|scheme| scheme.trim_start().split(' ').next() == Some("basic"))
    });
    (failure == Failure::Tunnel(407) && !speaks_basic).then(|| {
        let mut found = Found::root(fact);
        found.proof.push(clearline_model::Proof::One(said.id));
        found
    })
}

/// The proxy wants credentials, and those that are set are not the right ones.
fn rejected(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end()?;
    let _set = evidence.state("proxy.credentials")?;
    (failure == Failure::Tunnel(407)).then(|| Found::root(fact))
}

/// The same host is allowed on the usual port, or other hosts are and not on this one.
fn port_denied(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = ended_in_tunnel(evidence)?;
    let is_denied = matches!(failure, Failure::Tunnel(401..=403 | 405) | Failure::Socks(2));
    let own = &fact.path;
    let usual = tunnels(evidence, |p| p.host == own.host && p.route == own.route && p.port == Some(443))
        .find(|f| f.saw.is_ok());
    let elsewhere = || {
        let others = |port: bool| {
            tunnels(evidence, move |p| {
                p.host != own.host && p.route == own.route && (p.port == Some(443)) == port
            })
        };
        let refused = others(false).next().is_some() && others(false).all(|f| f.saw.is_err());
        others(true).find(|f| refused && f.saw.is_ok())
    };
    let well = usual.or_else(elsewhere)?;
    is_denied.then(|| Found::root(fact).flipped(Some(well), Axis::Port))
}

/// The proxy refuses the target by its policy; another host passes, or it says so itself.
fn denied(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = ended_in_tunnel(evidence)?;
    let is_denied = matches!(failure, Failure::Tunnel(401..=403 | 451))
        || matches!(failure, Failure::Tunnel(500..=599)) && squid_says(evidence, "err_access_denied");
    let other =
        tunnels(evidence, |p| p.host != fact.path.host && p.route == fact.path.route).find(|f| f.saw.is_ok());
    is_denied.then(|| Found::root(fact).flipped(other, Axis::Host))
}

/// The proxy says that it cannot look the name up, or grants by address what it refuses by name.
fn cannot_resolve(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end().filter(|(f, _)| matches!(f.path.route, Some(Route::Proxy(_))))?;
    let is_lost = matches!(
        failure,
        Failure::Tunnel(500..=599)
            | Failure::Socks(1 | 3..=5)
            | Failure::Status(500..=599, _, Origin::Proxy | Origin::Gateway)
    );
    let by_address =
        tunnels(evidence, |p| p.host == fact.path.host && p.route == fact.path.route && p.address.is_some())
            .find(|f| f.saw.is_ok());
    let says = squid_says(evidence, "err_dns_fail")
        || proxy_says(evidence, "dns_error")
        || proxy_says(evidence, "dns_timeout");
    // One that fails at times may fail by name and not by address.
    if !is_lost || flaky(evidence).is_some() || !(says || by_address.is_some()) {
        return None;
    }
    Some(Found::root(fact).flipped(by_address, Axis::Address))
}

/// The proxy is asked for a tunnel and says nothing.
fn hangs(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = ended_in_tunnel(evidence)?;
    (failure == Failure::TimedOut(Limit::Tunnel))
        .then(|| Found::root(fact).flipped(direct(evidence, &fact.path.host), Axis::Route))
}

/// The tunnel was granted, and cut as soon as TLS began.
fn closes_tunnel(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end().filter(|(f, _)| f.stage == Stage::Handshake)?;
    let is_cut = matches!(failure, Failure::Reset | Failure::Eof);
    if !is_cut || !matches!(fact.path.route, Some(Route::Proxy(_))) {
        return None;
    }
    let other = evidence.at(Stage::Handshake).find(|f| {
        f.path.host != fact.path.host
            && f.path.route == fact.path.route
            && f.path.trust.is_none()
            && f.saw.is_ok()
    });
    let found = Found::root(fact);
    Some(match (other, direct(evidence, &fact.path.host)) {
        (Some(other), _) => found.flipped(Some(other), Axis::Host),
        (None, straight) => found.flipped(straight, Axis::Route),
    })
}

/// A credential was sent, and the API says that none arrived.
fn stripped(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end()?;
    let is_missing =
        matches!(failure, Failure::Status(401, clearline_model::ErrorKind::CredentialMissing, Origin::Api));
    let was_sent = fact.path.credential.as_deref().is_some_and(|c| !c.is_empty());
    if !is_missing || !was_sent {
        return None;
    }
    let found = Found::root(fact);
    Some(match evidence.flip(fact, Axis::Route) {
        Some(direct) => found.flipped(Some(direct), Axis::Route),
        None => found.likely(),
    })
}

/// `socks5://` is looked up here by some clients, and what is found here is not the API.
fn socks_local_names(evidence: &Evidence) -> Option<Found> {
    evidence.state("proxy.local-names")?;
    let own = evidence.passed(Stage::Tunnel)?;
    let here = evidence.at(Stage::Handshake).find(|f| {
        let is_own = f.path.host == own.path.host && f.path.route == own.path.route;
        is_own && f.path.address.is_some() && f.path.client.is_none() && f.saw.is_err()
    });
    let unknown = evidence.at(Stage::Resolve).find(|f| {
        f.path.host == own.path.host && f.path.resolver.is_none() && f.path.client.is_none() && f.saw.is_err()
    });
    let fact = here.or(unknown)?;
    let is_used = evidence.said("client").any(|(_, name)| name.raw() == "curl");
    let found = if is_used { Found::contributing(fact) } else { Found::information(fact) };
    Some(found.flipped(Some(own), Axis::Address))
}

/// A call to this machine itself goes through a proxy, which cannot know it.
fn unintended(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end().filter(|(f, _)| matches!(f.stage, Stage::Tunnel | Stage::Head))?;
    let through_proxy = matches!(fact.path.route, Some(Route::Proxy(_)));
    let is_answer = !is_never_reached(failure);
    (through_proxy && is_answer && evidence.state("base-url.loopback").is_some())
        .then(|| Found::root(fact).flipped(direct(evidence, &fact.path.host), Axis::Route))
}
