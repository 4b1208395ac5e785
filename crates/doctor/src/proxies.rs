//! What this machine says of proxies: its variables, and the files in which proxies are set for somebody else.

use std::io::Read as _;
use std::path::PathBuf;

use clearline_model::{Dur, Fact, FactId, Foreign, Mono, Path, Route, Seen, Sent, Source, Stage};
use clearline_net::{Proxy, ProxyEnv, Target, parse_proxy};

use crate::collect::{Environment, Place};
use crate::world::shown;

/// A proxy that the reference client does not use: how it is written without credentials, and where it was found.
pub(crate) type Candidate = (String, String);

/// The variables that name a proxy, and the one that names exceptions.
const VARIABLES: [&str; 4] = ["https_proxy", "http_proxy", "all_proxy", "no_proxy"];
/// Files of this machine in which a proxy is set for one program or for log-ins.
const FILES: [&str; 9] = [
    "/etc/environment",
    "/etc/apt/apt.conf",
    "/etc/wgetrc",
    "/etc/gitconfig",
    "/etc/pip.conf",
    "/etc/dnf/dnf.conf",
    "/etc/yum.conf",
    "/etc/sysconfig/proxy",
    "/etc/docker/daemon.json",
];
/// Folders of such files.
const FOLDERS: [&str; 5] = [
    "/etc/profile.d",
    "/etc/apt/apt.conf.d",
    "/etc/environment.d",
    "/etc/systemd/system/docker.service.d",
    "/etc/dconf/db/local.d",
];
/// Files of the user, below the home directory.
const OWN_FILES: [&str; 9] = [
    ".curlrc",
    ".wgetrc",
    ".npmrc",
    ".gitconfig",
    ".profile",
    ".bashrc",
    ".docker/config.json",
    ".config/kioslaverc",
    ".config/pip/pip.conf",
];
/// The most of a file that is read, bytes.
const READ_MAX: u64 = 64 << 10;
/// The most candidates that are kept.
const KEPT: usize = 6;

/// A fact about this machine, on a way.
fn state(route: Option<Route>, name: &str, value: &str) -> Fact {
    Fact {
        id: FactId(0),
        from: Source::Host,
        path: Path { route, ..Path::default() },
        stage: Stage::Config,
        saw: Ok(Seen::State(name.to_owned(), Foreign::new(value))),
        sent: Sent::No,
        at: Mono(0),
        took: Dur::ZERO,
    }
}

/// A proxy that was found, as a fact.
pub(crate) fn candidate(found: &Candidate) -> Fact {
    state(Some(Route::Proxy(found.0.clone())), "proxy.candidate", &found.1)
}

/// The variables' contradictions, which can be told even where one of them cannot be read.
pub(crate) fn contradictions(set: &dyn Fn(&str) -> Option<String>, facts: &mut Vec<Fact>) {
    for name in VARIABLES {
        let (lower, upper) = (set(name), set(&name.to_ascii_uppercase()));
        if let (Some(lower), Some(upper)) = (&lower, &upper)
            && lower != upper
        {
            facts.push(state(None, "proxy.both-cases", name));
        }
    }
}

/// Looks for every proxy that is set here and not used, and says what the one in use, and `NO_PROXY`, are like.
pub(crate) fn look(
    (set, whose): (Environment<'_>, &Place),
    target: &Target,
    proxies: &ProxyEnv,
    facts: &mut Vec<Fact>,
) -> Vec<Candidate> {
    let place = (target.scheme.word(), target.host.as_str(), target.port);
    let used = proxies.for_url(place.0, place.1, place.2);
    facts.extend(used.filter(|p| p.has_credentials()).map(|p| state(None, "proxy.credentials", &shown(p))));
    // Others look such a proxy's names up here.
    let is_local =
        |name: &str| set(name).is_some_and(|v| v.trim().to_ascii_lowercase().starts_with("socks5://"));
    let names = VARIABLES.into_iter().flat_map(|n| [n.to_owned(), n.to_ascii_uppercase()]);
    let local = names.filter(|n| is_local(n)).find(|_| used.is_some_and(|p| p.scheme().starts_with("socks")));
    facts.extend(local.map(|name| state(None, "proxy.local-names", &name)));
    let mut found: Vec<Candidate> = Vec::new();
    if let Some(proxy) = proxies.excluded(place.0, place.1, place.2) {
        found.push((shown(proxy), "NO_PROXY".to_owned()));
        facts.push(state(Some(Route::Proxy(shown(proxy))), "no-proxy.excludes", &no_proxy(set)));
    } else if used.is_some() {
        exceptions(&no_proxy(set), &target.host, facts);
    }
    found.extend(variables(set));
    found.extend(files(set("HOME").as_deref(), whose));
    let own = used.map(shown);
    let mut kept: Vec<Candidate> = Vec::new();
    for one in found {
        if Some(&one.0) != own.as_ref() && !kept.iter().any(|k| k.0 == one.0) && kept.len() < KEPT {
            kept.push(one);
        }
    }
    facts.extend(kept.iter().map(candidate));
    kept
}

fn no_proxy(set: &dyn Fn(&str) -> Option<String>) -> String {
    set("no_proxy").or_else(|| set("NO_PROXY")).unwrap_or_default()
}

/// Entries of `NO_PROXY` that mean the target in the form of another client, and not in that of the reference client: blanks or
/// semicolons between entries, a port, a bare domain behind `*`. Networks are noted: whether the target lies in one is known
/// only when its address is.
fn exceptions(list: &str, host: &str, facts: &mut Vec<Fact>) {
    let host = host.to_ascii_lowercase();
    let entries = list.split([',', ';', ' ', '\t', '|']).map(|e| e.trim().trim_matches(['"', '\'']));
    for entry in entries.filter(|e| !e.is_empty()) {
        let lower = entry.to_ascii_lowercase();
        let bare = lower.split_once("://").map_or(lower.as_str(), |(_, rest)| rest);
        if bare.split_once('/').is_some_and(|(_, bits)| bits.parse::<u8>().is_ok()) {
            facts.push(state(None, "no-proxy.network", bare));
            continue;
        }
        let bare = bare.trim_end_matches('/').trim_start_matches(['*', '.']);
        let bare = bare.rsplit_once(':').map_or(
            bare,
            |(name, port)| {
                if port.parse::<u16>().is_ok() { name } else { bare }
            },
        );
        let covers = !bare.is_empty()
            && host.strip_suffix(bare).is_some_and(|head| head.is_empty() || head.ends_with('.'));
        if covers {
            facts.push(state(None, "no-proxy.meant", entry));
        }
    }
}

/// Proxies of variables that the target's scheme, or their case, leaves out.
fn variables(set: &dyn Fn(&str) -> Option<String>) -> Vec<Candidate> {
    let mut found = Vec::new();
    for name in VARIABLES.iter().filter(|n| **n != "no_proxy") {
        for name in [(*name).to_owned(), name.to_ascii_uppercase()] {
            let proxy = set(&name).and_then(|v| parse_proxy(&v).ok());
            found.extend(proxy.map(|p| (shown(&p), name)));
        }
    }
    found
}

/// Proxies of files.
fn files(home: Option<&str>, whose: &Place) -> Vec<Candidate> {
    let own = home.into_iter().flat_map(|home| OWN_FILES.map(|f| whose.at(home).join(f)));
    let mut all: Vec<PathBuf> = FILES.iter().map(|f| whose.at(f)).chain(own).collect();
    for folder in FOLDERS {
        let Ok(entries) = std::fs::read_dir(whose.at(folder)) else { continue };
        let mut inside: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).take(64).collect();
        inside.sort();
        all.extend(inside);
    }
    let mut found = Vec::new();
    for file in all {
        let Some(text) = beginning(&file) else { continue };
        found.extend(in_text(&text).into_iter().map(|p| (p, file.display().to_string())));
    }
    found
}

/// The beginning of a file; nothing where it is none, a pipe for example.
fn beginning(file: &std::path::Path) -> Option<String> {
    std::fs::metadata(file).ok().filter(std::fs::Metadata::is_file)?;
    let mut bytes = Vec::new();
    std::fs::File::open(file).ok()?.take(READ_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The proxies that a text of settings names: URLs with a port, in a line that is about a proxy and is no comment.
fn in_text(text: &str) -> Vec<String> {
    let is_about = |line: &&str| {
        let lower = line.trim_start().to_ascii_lowercase();
        let is_comment = lower.starts_with(['#', ';']) || lower.starts_with("//");
        !is_comment && lower.contains("proxy") && !lower.contains("no_proxy") && !lower.contains("noproxy")
    };
    let mut found = Vec::new();
    for line in text.lines().filter(is_about) {
        for scheme in ["http://", "https://", "socks5://", "socks5h://"] {
            for (at, _) in line.match_indices(scheme) {
                let rest = line.get(at..).unwrap_or_default();
                let end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ';' | ',' | ')');
                let url = rest.split(end).next().unwrap_or_default();
                let has_port = url
                    .rsplit_once(':')
                    .is_some_and(|(_, port)| port.trim_end_matches('/').parse::<u16>().is_ok());
                // KDE writes the port behind a blank.
                let kde = rest.split_once(' ').filter(|(_, port)| port.trim().parse::<u16>().is_ok());
                let url = match (has_port, kde) {
                    (true, _) => url.to_owned(),
                    (false, Some((url, port))) => format!("{url}:{}", port.trim()),
                    (false, None) => continue,
                };
                found.extend(parse_proxy(&url).ok().as_ref().map(shown));
            }
        }
    }
    found.dedup();
    found
}

/// The proxies that a script of automatic configuration may return.
pub(crate) fn in_script(script: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (word, scheme) in
        [("PROXY", "http"), ("HTTP", "http"), ("HTTPS", "https"), ("SOCKS5", "socks5h"), ("SOCKS", "socks5h")]
    {
        for (at, _) in script.match_indices(word) {
            let before = script.get(..at).and_then(|s| s.chars().next_back());
            let rest = script.get(at + word.len()..).unwrap_or_default();
            let is_word = before.is_none_or(|c| !c.is_ascii_alphanumeric()) && rest.starts_with(' ');
            let place =
                rest.trim_start().split(|c: char| !(c.is_ascii_alphanumeric() || ".-:[]".contains(c)));
            let place = place.clone().next().unwrap_or_default();
            if is_word && place.contains(':') {
                let proxy: Option<Proxy> = parse_proxy(&format!("{scheme}://{place}")).ok();
                found.extend(proxy.as_ref().map(shown));
            }
        }
    }
    found.dedup();
    found.truncate(KEPT);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(facts: &[Fact]) -> Vec<(String, String)> {
        let named = |f: &Fact| match &f.saw {
            Ok(Seen::State(name, value)) => Some((name.clone(), value.raw().to_owned())),
            Ok(_) | Err(_) => None,
        };
        facts.iter().filter_map(named).collect()
    }

    #[test]
    fn exceptions_that_other_clients_would_understand_are_found() {
        for (list, host, expected) in [
            ("a.example gw.corp.example", "gw.corp.example", Some(("no-proxy.meant", "gw.corp.example"))),
            ("gw.corp.example:443", "gw.corp.example", Some(("no-proxy.meant", "gw.corp.example:443"))),
            (".corp.example", "corp.example", Some(("no-proxy.meant", ".corp.example"))),
            ("localhost,10.0.0.0/8", "gw.corp.example", Some(("no-proxy.network", "10.0.0.0/8"))),
            ("orp.example", "gw.corp.example", None),
            ("localhost", "gw.corp.example", None),
        ] {
            let mut facts = Vec::new();
            exceptions(list, host, &mut facts);
            let own = expected.map(|(a, b)| (a.to_owned(), b.to_owned()));
            assert_eq!(names(&facts).first(), own.as_ref(), "{list}");
        }
    }

    #[test]
    fn proxies_are_found_in_settings_and_scripts() {
        for (text, expected) in [
            ("https_proxy=http://proxy.example:3128", vec!["http://proxy.example:3128"]),
            ("export HTTPS_PROXY=\"http://u:secret@proxy.example:8080/\"", vec!["http://proxy.example:8080"]),
            ("Acquire::http::Proxy \"http://10.0.0.1:3142\";", vec!["http://10.0.0.1:3142"]),
            ("httpsProxy=http://proxy.example 3128", vec!["http://proxy.example:3128"]),
            ("# proxy = http://old.example:1", vec![]),
            ("no_proxy=http://a.example:1", vec![]),
            ("registry=http://a.example:1", vec![]),
        ] {
            assert_eq!(in_text(text), expected, "{text}");
        }
        let script = "function FindProxyForURL(u, h) { if (isPlainHostName(h)) return \"DIRECT\";\n\
                      return \"PROXY proxy.example:3128; SOCKS5 10.0.0.2:1080; DIRECT\"; }";
        assert_eq!(in_script(script), ["http://proxy.example:3128", "socks5h://10.0.0.2:1080"]);
        assert!(in_script("function FindProxyForURL(u, h) { return 'DIRECT' }").is_empty());
    }
}
