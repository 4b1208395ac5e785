//! Which way a client's call takes out of this machine, by the variables that are set.

use clearline_model::{Habit, Route};

use super::table::{Client, Exceptions, Proxies, Socks, Variables};
use crate::evidence::{Evidence, env};

/// The way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// This one, for this habit; none where the client has no choice.
    Goes(Route, Option<Habit>),
    /// The variables name a proxy that the client does not speak to.
    Refuses(Habit),
    /// Not known.
    Unknown,
}

/// The way of a client.
pub(super) fn way(evidence: &Evidence, client: &Client) -> Way {
    let Some(reference) = evidence.reference().find_map(|f| f.path.route.clone()) else {
        return Way::Unknown;
    };
    let straight = |habit| Way::Goes(Route::Direct, Some(habit));
    match client.proxies {
        Proxies::Properties if evidence.said("env.JAVA_TOOL_OPTIONS").next().is_some() => Way::Unknown,
        Proxies::Properties => straight(Habit::ProxyProperties),
        Proxies::Switched(switch, _) if env(evidence, switch).is_none_or(|v| v == "0") => {
            straight(Habit::ReadsNoProxy)
        }
        Proxies::Switched(_, variables) | Proxies::Variables(variables) => {
            by_variables(evidence, client, variables, &reference)
        }
    }
}

fn by_variables(evidence: &Evidence, client: &Client, variables: Variables, reference: &Route) -> Way {
    let names = if is_plain(evidence) { variables.clear } else { variables.tls };
    let mut set = names.iter().filter_map(|name| env(evidence, name));
    let own = set.next();
    let differ = own.is_some_and(|own| set.any(|other| other != own));
    if differ && !variables.is_order_known {
        return Way::Unknown;
    }
    let all = || env(evidence, "all_proxy").or_else(|| env(evidence, "ALL_PROXY"));
    let proxy = match (own, variables.all) {
        // An empty one switches the others off.
        (Some(""), _) => return Way::Goes(Route::Direct, None),
        (Some(own), _) => own,
        (None, None) if all().is_some() => return Way::Unknown,
        (None, Some(false)) if all().is_some() => {
            return Way::Goes(Route::Direct, Some(Habit::SkipsAllProxy));
        }
        // No variable was written down, and the reference client has a proxy: an evidence of an earlier form.
        (None, _) if *reference != Route::Direct && evidence.said("env").next().is_none() => {
            return Way::Goes(reference.clone(), Some(Habit::TakesProxy));
        }
        (None, _) => return Way::Goes(Route::Direct, None),
    };
    match excepts(evidence, variables.exceptions) {
        Some(true) => return Way::Goes(Route::Direct, Some(Habit::Excepts)),
        Some(false) => {}
        None => return Way::Unknown,
    }
    let is_socks = proxy.starts_with("socks");
    match client.socks {
        Socks::No if is_socks => Way::Refuses(Habit::NoSocks),
        Socks::Package | Socks::NotKnown if is_socks && *reference != Route::Proxy(proxy.to_owned()) => {
            Way::Unknown
        }
        Socks::Yes | Socks::No | Socks::Package | Socks::NotKnown => {
            Way::Goes(Route::Proxy(proxy.to_owned()), Some(Habit::TakesProxy))
        }
    }
}

fn is_plain(evidence: &Evidence) -> bool {
    env(evidence, "ANTHROPIC_BASE_URL").is_some_and(|v| v == "http")
}

/// Whether `NO_PROXY` takes the target away from the proxy; nothing where that is not known of the client.
fn excepts(evidence: &Evidence, how: Exceptions) -> Option<bool> {
    let list = env(evidence, "no_proxy").or_else(|| env(evidence, "NO_PROXY")).unwrap_or_default();
    let as_reference = evidence.state("no-proxy.excludes").is_some();
    let host = evidence.reference().next().map(|f| f.path.host.to_ascii_lowercase())?;
    let covers = |entry: &str| {
        let entry = entry.trim().to_ascii_lowercase();
        let bare = entry.trim_start_matches(['*', '.']);
        !bare.is_empty() && host.strip_suffix(bare).is_some_and(|head| head.is_empty() || head.ends_with('.'))
    };
    match how {
        Exceptions::AsReference => Some(as_reference),
        Exceptions::Blanks => {
            Some(list.split([',', ' ']).any(|entry| entry.trim() == "*" || covers(entry)) || as_reference)
        }
        Exceptions::NotKnown => {
            let mut entries = list.split(',').map(str::trim).filter(|e| !e.is_empty());
            // The whole name alone means the same to everybody.
            if entries.clone().any(|e| e.eq_ignore_ascii_case(&host)) {
                return Some(true);
            }
            let is_simple = |e: &str| !e.contains(['*', '/', ':', ' ', ';']) && !covers(e);
            entries.all(is_simple).then_some(false)
        }
    }
}
