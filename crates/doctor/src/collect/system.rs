//! What the system's files say about names, and the limits of this process.

use std::io::Read as _;
use std::net::IpAddr;

use clearline_model::Fact;

use super::{Environment, Place, state};

/// The GNU C library asks no more resolvers than this (`MAXNS`).
const RESOLVERS_MAX: usize = 3;
/// The most of a file that is read, bytes.
const FILE_MAX: u64 = 4 << 20;
/// Where the resolvers behind a stub on this machine are written down: systemd-resolved, NetworkManager, dnsmasq.
const BEHIND: [&str; 5] = [
    "/run/systemd/resolve/resolv.conf",
    "/run/NetworkManager/no-stub-resolv.conf",
    "/run/NetworkManager/resolv.conf",
    "/run/dnsmasq/resolv.conf",
    "/etc/resolv.dnsmasq.conf",
];

/// A file's text; nothing where it is not there, and a fact where it cannot be read.
pub(super) fn text(place: &Place, path: &str, facts: &mut Vec<Fact>) -> Option<String> {
    let read = || {
        let (file, mut bytes) = (place.at(path), Vec::new());
        if !std::fs::metadata(&file)?.is_file() {
            return Err(std::io::Error::other("it is no regular file"));
        }
        std::fs::File::open(file)?.take(FILE_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err::<_, std::io::Error>(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            facts.push(state("unreadable", &format!("{path}: {error}")));
            None
        }
    }
}

/// Everything about names; the resolvers in their order.
pub(super) fn facts(
    host: &str,
    (set, place): (Environment<'_>, &Place),
    facts: &mut Vec<Fact>,
) -> Vec<IpAddr> {
    if let Some(text) = text(place, "/etc/hosts", facts) {
        hosts(&text, host, facts);
    }
    if let Some(sources) = text(place, "/etc/nsswitch.conf", facts).as_deref().and_then(name_sources) {
        facts.push(state("nss.hosts", &sources));
    }
    distribution(place, facts);
    limits(place, facts);
    sandbox(set, place, facts);
    let resolv = text(place, "/etc/resolv.conf", facts);
    let text = resolv.unwrap_or_default();
    let (resolvers, line) = resolvers(&text);
    facts.push(state("resolvers", &list(&resolvers)));
    facts.extend(line.map(|n| state("origin.resolvers", &format!("/etc/resolv.conf:{n}"))));
    search(&text, set, facts);
    if resolvers.iter().any(IpAddr::is_loopback) {
        behind(&resolvers, place, facts);
    }
    resolvers
}

fn list(all: &[IpAddr]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// The addresses that the hosts file gives the name, and the first line that does.
fn hosts(text: &str, host: &str, facts: &mut Vec<Fact>) {
    let is_local = host == "localhost" || host.ends_with(".localhost");
    if is_local || host.parse::<IpAddr>().is_ok() {
        return;
    }
    let named = |line: &str| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let address = words.next()?.to_owned();
        words.any(|name| name.trim_end_matches('.').eq_ignore_ascii_case(host)).then_some(address)
    };
    let found: Vec<(usize, String)> =
        text.lines().enumerate().filter_map(|(i, line)| Some((i + 1, named(line)?))).collect();
    let Some((first, _)) = found.first() else { return };
    let all: Vec<&str> = found.iter().map(|(_, address)| address.as_str()).collect();
    facts.push(state("hosts", &all.join(" ")));
    facts.push(state("origin.hosts", &format!("/etc/hosts:{first}")));
}

/// The resolvers of a `resolv.conf`, and the line of the first.
fn resolvers(text: &str) -> (Vec<IpAddr>, Option<usize>) {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        words.next().filter(|w| *w == "nameserver")?;
        let address = words.next()?;
        // A link-local address names its interface.
        address.split('%').next()?.parse::<IpAddr>().ok()
    };
    let found: Vec<(usize, IpAddr)> = text
        .lines()
        .enumerate()
        .filter_map(|(i, line)| Some((i + 1, server(line)?)))
        .take(RESOLVERS_MAX)
        .collect();
    (found.iter().map(|(_, ip)| *ip).collect(), found.first().map(|(line, _)| *line))
}

/// The search list and the options of the look-up.
fn search(text: &str, set: Environment<'_>, facts: &mut Vec<Fact>) {
    let last = |words: [&str; 2]| {
        let own = |line: &&str| line.split_whitespace().next().is_some_and(|w| words.contains(&w));
        let line = text.lines().rfind(own)?;
        Some(line.split_whitespace().skip(1).collect::<Vec<_>>().join(" "))
    };
    if let Some(domains) = set("LOCALDOMAIN").or_else(|| last(["search", "domain"])).filter(|d| !d.is_empty())
    {
        facts.push(state("resolv.search", &domains));
    }
    let options = [last(["options", "options"]), set("RES_OPTIONS")];
    let options: Vec<String> = options.into_iter().flatten().collect();
    if !options.is_empty() {
        facts.push(state("resolv.options", &options.join(" ")));
    }
}

/// Whom a stub on this machine asks in its turn, where that is written down.
fn behind(own: &[IpAddr], place: &Place, facts: &mut Vec<Fact>) {
    for path in BEHIND {
        let Some(text) = text(place, path, facts) else { continue };
        let (mut found, _) = resolvers(&text);
        found.retain(|ip| !ip.is_loopback() && !own.contains(ip));
        if !found.is_empty() {
            facts.push(state("resolvers.behind", &list(&found)));
            return;
        }
    }
}

/// The sources of host names in their order (nsswitch.conf(5)): those that are reached for a name of the Internet.
fn name_sources(text: &str) -> Option<String> {
    let line = text.lines().map(|l| l.split('#').next().unwrap_or_default().trim());
    let rest = line.filter_map(|l| l.strip_prefix("hosts:")).next_back()?;
    let mut sources: Vec<&str> = Vec::new();
    for word in rest.split_whitespace() {
        // `files [NOTFOUND=return]` ends the search; behind a source of local names alone it does not.
        let ends = word.eq_ignore_ascii_case("[NOTFOUND=return]");
        if !word.starts_with('[') {
            sources.push(word);
        } else if ends && sources.last().is_some_and(|s| !s.ends_with("_minimal")) {
            break;
        }
    }
    Some(sources.join(" "))
}

/// The distribution: its own id, and those that it is like (os-release(5)).
fn distribution(place: &Place, facts: &mut Vec<Fact>) {
    let Some(text) = text(place, "/etc/os-release", facts) else { return };
    let value = |name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix('='))?;
        Some(line.trim().trim_matches(['"', '\'']).to_owned())
    };
    let ids: Vec<String> =
        ["ID", "ID_LIKE"].into_iter().filter_map(value).filter(|v| !v.is_empty()).collect();
    if !ids.is_empty() {
        facts.push(state("distribution", &ids.join(" ")));
    }
    let store = crate::world::STORES.iter().find(|file| place.at(file).is_file());
    facts.extend(store.map(|file| state("ca-store", file)));
}

/// The limit that this process began with, where it was raised so that a diagnosis fits.
static INHERITED: std::sync::OnceLock<u64> = std::sync::OnceLock::new();

/// Says that the limit of descriptors was raised, and from what: it is the one of the programs beside this one.
pub fn descriptors_were(limit: u64) {
    // Whoever said it first knows.
    let _known = INHERITED.set(limit).is_err();
}

/// How many descriptors this process may have, and how many it has.
fn limits(place: &Place, facts: &mut Vec<Fact>) {
    let limits = std::fs::read_to_string(place.process.join("limits")).unwrap_or_default();
    let soft = limits.lines().find_map(|l| l.strip_prefix("Max open files")?.split_whitespace().next());
    let raised = INHERITED.get().filter(|_| place.process == std::path::Path::new("/proc/self"));
    let soft = raised.map(u64::to_string).or_else(|| soft.map(str::to_owned));
    facts.extend(soft.map(|soft| state("limit.descriptors", &soft)));
    facts.extend(raised.map(|_| state("limit.raised", "")));
    if let Ok(open) = std::fs::read_dir(place.process.join("fd")) {
        facts.push(state("open.descriptors", &open.count().to_string()));
    }
}

/// The signs of a sandbox that has a policy for the network.
fn sandbox(set: Environment<'_>, place: &Place, facts: &mut Vec<Fact>) {
    for name in ["CODEX_SANDBOX_NETWORK_DISABLED", "SANDBOX_RUNTIME"] {
        facts.extend(set(name).filter(|v| v != "0").map(|_| state("sandbox", name)));
    }
    let status = std::fs::read_to_string(place.process.join("status")).unwrap_or_default();
    let mode = status.lines().find_map(|l| l.strip_prefix("Seccomp:")).map(str::trim);
    facts.extend(mode.filter(|m| *m == "2").map(|_| state("seccomp", "filter")));
}

#[cfg(test)]
mod tests {
    use clearline_model::Seen;

    use super::*;

    fn said(facts: Vec<Fact>) -> Vec<(String, String)> {
        let one = |f: Fact| match f.saw {
            Ok(Seen::State(name, value)) => (name, value.raw().to_owned()),
            other => panic!("{other:?}"),
        };
        facts.into_iter().map(one).collect()
    }

    #[test]
    fn the_hosts_file_gives_every_address_and_the_first_line() {
        let text = "127.0.0.1 localhost\n# 10.0.0.1 api.example\n10.0.0.2 x API.example # pinned\nfd00::1 api.example\n";
        let mut facts = Vec::new();
        hosts(text, "api.example", &mut facts);
        let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        assert_eq!(said(facts), [pair("hosts", "10.0.0.2 fd00::1"), pair("origin.hosts", "/etc/hosts:3")]);
        let mut facts = Vec::new();
        hosts(text, "localhost", &mut facts);
        assert!(facts.is_empty());
    }

    #[test]
    fn resolvers_keep_their_order_and_lose_their_interface() {
        let text = "# nameserver 9.9.9.9\n\tnameserver 10.0.0.53 # lan\nnameserver fe80::1%eth0\nnameservers 1.1.1.1\nnameserver bad\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n";
        let (found, line) = resolvers(text);
        assert_eq!((list(&found).as_str(), line), ("10.0.0.53 fe80::1 10.0.0.3", Some(2)));
    }

    #[test]
    fn the_last_search_list_counts_and_the_environment_wins() {
        let text = "domain a.example\nsearch b.example c.example\noptions ndots:5\n";
        let mut facts = Vec::new();
        search(text, &|_| None, &mut facts);
        let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        assert_eq!(
            said(facts),
            [pair("resolv.search", "b.example c.example"), pair("resolv.options", "ndots:5")]
        );
        let mut facts = Vec::new();
        search(text, &|n| (n == "LOCALDOMAIN").then(|| "e.example".to_owned()), &mut facts);
        assert_eq!(said(facts).first(), Some(&pair("resolv.search", "e.example")));
    }

    #[test]
    fn the_sources_of_names_end_where_the_search_ends() {
        for (line, sources) in [
            ("hosts: files dns", "files dns"),
            ("hosts: files mdns4_minimal [NOTFOUND=return] dns", "files mdns4_minimal dns"),
            ("hosts: files [NOTFOUND=return] dns", "files"),
            ("hosts: resolve [!UNAVAIL=return] dns # x", "resolve dns"),
            ("passwd: files\nhosts:\tfiles", "files"),
        ] {
            assert_eq!(name_sources(line).as_deref(), Some(sources), "{line}");
        }
        assert_eq!(name_sources("passwd: files"), None);
    }
}
