//! The exact edit to make: which file, which line, which variable, and the command of this machine's distribution; where the
//! evidence knows them. They stand before the steps that every machine shares.

use clearline_model::{Axis, Cause, ClientView, Fact, Fate, Finding, Foreign, Habit, Layer, Proof, Seen};

use crate::prose::{Args, Fix, Prose};

/// The most places that are named.
const PLACES_MAX: usize = 4;

/// What a fact says of this machine.
fn said<'a>(facts: &'a [Fact], name: &str) -> Option<&'a Foreign> {
    facts.iter().find_map(|f| match &f.saw {
        Ok(Seen::State(own, value)) if own == name => Some(value),
        Ok(_) | Err(_) => None,
    })
}

/// A line of a file that sets something.
struct Place<'a> {
    variable: &'a str,
    file: &'a str,
    line: &'a str,
}

/// The places among the facts of a proof, `origin.` or `elsewhere.` in front.
fn places<'a>(facts: &'a [Fact], finding: &Finding, kind: &str) -> Vec<Place<'a>> {
    let ids = finding.proof.iter().filter_map(|proof| match proof {
        Proof::One(id) => Some(*id),
        Proof::Flip(..) | Proof::Rate(..) => None,
    });
    let place = |id| {
        let fact = facts.iter().find(|f| f.id == id)?;
        let Ok(Seen::State(name, value)) = &fact.saw else { return None };
        let variable = name.strip_prefix(kind)?.strip_prefix('.')?;
        let (file, line) = value.raw().rsplit_once(':')?;
        let is_line = !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit());
        is_line.then_some(Place { variable, file, line })
    };
    ids.filter_map(place).take(PLACES_MAX).collect()
}

/// Causes whose setting is rather removed than corrected.
const REMOVED: [Cause; 9] = [
    Cause::ProxyUnreachable,
    Cause::ProxyUnintended,
    Cause::ProxyNoProxyTooBroad,
    Cause::ConfigBaseUrlDead,
    Cause::ConfigBaseUrlUnknownHost,
    Cause::ConfigRouteSwitch,
    Cause::ConfigCaFileMissing,
    Cause::ConfigCaFileReplacesRoots,
    // The key is good, and the token is what is left over.
    Cause::AuthConflicting,
];

fn is_removed(cause: Cause, variable: &str) -> bool {
    REMOVED.contains(&cause) && !(cause == Cause::AuthConflicting && variable == "ANTHROPIC_API_KEY")
}

/// A path as a shell reads it; nothing where it cannot be written.
fn quoted(path: &str) -> Option<String> {
    if path.is_empty() || path.chars().any(char::is_control) {
        return None;
    }
    let is_bare = |text: &str| text.chars().all(|c| c.is_alphanumeric() || "/._-+@%".contains(c));
    let quote = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    Some(match path.strip_prefix("~/") {
        Some(rest) if is_bare(rest) => path.to_owned(),
        Some(rest) => format!("~/{}", quote(rest)),
        None if is_bare(path) => path.to_owned(),
        None => quote(path),
    })
}

fn at(place: &Place<'_>) -> Args {
    Args::default()
        .with("variable", Foreign::new(place.variable))
        .with("file", Foreign::new(place.file))
        .with("line", Foreign::new(place.line))
}

/// Files of the system need another user.
fn sudo(file: &str) -> &'static str {
    if file.starts_with("/etc/") { "sudo " } else { "" }
}

/// The edit of one place.
fn edit(prose: &Prose, cause: Cause, place: &Place<'_>) -> Fix {
    let (file, line) = (place.file, place.line);
    let is_json = std::path::Path::new(file).extension().is_some_and(|e| e == "json");
    let is_removed = is_removed(cause, place.variable);
    // A line that has moved in the meantime is left alone.
    let is_name = place.variable.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let is_whole = is_removed && !is_json && !file.starts_with("/etc/hosts");
    let why = match place.variable {
        "hosts" => prose.say("edit-hosts", &at(place)),
        "resolvers" => prose.say("edit-resolvers", &at(place)),
        _ if is_json && is_removed => prose.say("edit-json-remove", &at(place)),
        _ if is_removed => prose.say("edit-remove", &at(place)),
        _ => prose.say("edit-correct", &at(place)),
    };
    let command = quoted(file).map(|path| {
        let sudo = sudo(file);
        if is_whole && is_name {
            format!("{sudo}sed -i.bak '{line}{{/{}/d}}' {path}", place.variable)
        } else {
            format!("{sudo}${{EDITOR:-vi}} +{line} {path}")
        }
    });
    match command {
        Some(command) => Fix::Command { command, why },
        None => Fix::Text(why),
    }
}

/// A variable that is set where no file was found that sets it.
fn of_shell(prose: &Prose, facts: &[Fact], finding: &Finding) -> Option<Fix> {
    let is_set = |name: &str| said(facts, &format!("env.{name}")).is_some_and(|v| !v.raw().is_empty());
    // The folder is looked into only where no file is named.
    let store: &[&str] = if is_set("SSL_CERT_FILE") { &["SSL_CERT_FILE"] } else { &["SSL_CERT_DIR"] };
    let names: &[&str] = match finding.cause.row().layer {
        Layer::Proxy => &["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
        Layer::Config if finding.cause == Cause::ConfigCaFileMissing => store,
        Layer::Config if finding.cause == Cause::ConfigCaFileReplacesRoots => store,
        Layer::Config if said(facts, "base-url").is_some() => &["ANTHROPIC_BASE_URL"],
        Layer::Config | Layer::Clock | Layer::Dns | Layer::Net | Layer::Tcp | Layer::Tls | Layer::Edge => &[],
        Layer::Gateway | Layer::Http | Layer::Auth | Layer::Request | Layer::Quota | Layer::Server => &[],
        Layer::Stream | Layer::Client | Layer::Cloud => &[],
    };
    if !is_removed(finding.cause, "") {
        return None;
    }
    let set: Vec<&str> = names.iter().copied().filter(|n| is_set(n)).collect();
    if set.is_empty() {
        return None;
    }
    let why = prose.say("edit-shell", &Args::default().with("variable", Foreign::new(&set.join(", "))));
    Some(Fix::Command { command: format!("unset {}", set.join(" ")), why })
}

/// The distributions, by their own id and those that they are like, with what adds a root to their store and what installs it.
const STORES: [(&[&str], &str, &str); 5] = [
    (
        &["debian", "ubuntu"],
        "sudo cp ca.pem /usr/local/share/ca-certificates/ca.crt && sudo update-ca-certificates",
        "sudo apt-get install -y --reinstall ca-certificates",
    ),
    (
        &["fedora", "rhel", "centos", "amzn"],
        "sudo cp ca.pem /etc/pki/ca-trust/source/anchors/ && sudo update-ca-trust",
        "sudo dnf reinstall -y ca-certificates",
    ),
    (
        &["alpine"],
        "sudo cp ca.pem /usr/local/share/ca-certificates/ca.crt && sudo update-ca-certificates",
        "sudo apk add ca-certificates",
    ),
    (&["arch"], "sudo trust anchor ca.pem", "sudo pacman -S ca-certificates"),
    (
        &["suse", "opensuse", "sles"],
        "sudo cp ca.pem /etc/pki/trust/anchors/ && sudo update-ca-certificates",
        "sudo zypper install -f ca-certificates",
    ),
];

/// The command of this distribution for its store.
fn of_store(prose: &Prose, facts: &[Fact], cause: Cause) -> Option<Fix> {
    let is_added = matches!(cause, Cause::TlsIntercepted | Cause::TlsUntrustedRoot);
    if !is_added && cause != Cause::ConfigCaStoreEmpty {
        return None;
    }
    let ids = said(facts, "distribution")?.raw().to_ascii_lowercase();
    let is_own = |(names, ..): &&(&[&str], &str, &str)| ids.split(' ').any(|id| names.contains(&id));
    let (_, add, install) = STORES.iter().find(is_own)?;
    let (command, word) = if is_added { (add, "edit-store-add") } else { (install, "edit-store-install") };
    let name = Foreign::new(ids.split(' ').next().unwrap_or_default());
    Some(Fix::Command {
        command: (*command).to_owned(),
        why: prose.say(word, &Args::default().with("name", name)),
    })
}

/// The edits of a finding.
#[must_use]
pub fn edits(prose: &Prose, finding: &Finding, facts: &[Fact]) -> Vec<Fix> {
    let mut steps: Vec<Fix> = Vec::new();
    let found = places(facts, finding, "origin");
    steps.extend(found.iter().map(|place| edit(prose, finding.cause, place)));
    if found.is_empty() {
        steps.extend(of_shell(prose, facts, finding));
    }
    for place in places(facts, finding, "elsewhere") {
        let is_json = std::path::Path::new(place.file).extension().is_some_and(|e| e == "json");
        let why = prose.say(if is_json { "edit-unread-json" } else { "edit-unread" }, &at(&place));
        steps.push(match quoted(place.file).filter(|_| !is_json) {
            Some(path) => Fix::Command { command: format!("set -a; . {path}; set +a"), why },
            None => Fix::Text(why),
        });
    }
    steps.extend(of_store(prose, facts, finding.cause));
    steps
}

/// What makes one client do as the other one does, which works.
#[must_use]
pub fn of_client(prose: &Prose, facts: &[Fact], view: &ClientView) -> Option<Fix> {
    let (Fate::Fails { .. }, Some(own)) = (view.fate, view.own) else { return None };
    let name = |args: Args| args.with("name", Foreign::new(view.name));
    match (own.axis, own.habit) {
        (Axis::Route, Habit::ReadsNoProxy) => Some(Fix::Command {
            command: "export NODE_USE_ENV_PROXY=1".to_owned(),
            why: prose.say("edit-client-proxy", &name(Args::default())),
        }),
        (Axis::Route, Habit::ProxyProperties) => {
            let proxy =
                ["https_proxy", "HTTPS_PROXY"].iter().find_map(|n| said(facts, &format!("env.{n}")))?;
            let (host, port) = proxy.raw().rsplit_once("://")?.1.rsplit_once(':')?;
            let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
            (is_plain(host) && is_plain(port)).then(|| Fix::Command {
                command: format!(
                    "export JAVA_TOOL_OPTIONS='-Dhttps.proxyHost={host} -Dhttps.proxyPort={port}'"
                ),
                why: prose.say("edit-client-properties", &name(Args::default())),
            })
        }
        (Axis::Trust, _) if !own.passes => {
            let variable = view.trust_variable?;
            let trusts = view.others.is_some_and(|o| o.passes && o.habit == Habit::SystemStore);
            let store = quoted(said(facts, "ca-store").filter(|_| trusts)?.raw())?;
            let args = name(Args::default()).with("variable", Foreign::new(variable));
            Some(Fix::Command {
                command: format!("export {variable}={store}"),
                why: prose.say("edit-client-store", &args),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clearline_model::{Confidence, Dur, FactId, Mono, Path, Role, Sent, Source, Stage, Turn};

    use super::*;
    use crate::lang::Lang;

    fn state(id: u32, name: &str, value: &str) -> Fact {
        let saw = Ok(Seen::State(name.to_owned(), Foreign::new(value)));
        let (from, path, stage) = (Source::Host, Path::default(), Stage::Config);
        Fact { id: FactId(id), from, path, stage, saw, sent: Sent::No, at: Mono(0), took: Dur::ZERO }
    }

    fn commands(cause: Cause, facts: &[Fact]) -> Vec<String> {
        let proof = facts.iter().map(|f| Proof::One(f.id)).collect();
        let finding = Finding { cause, role: Role::Root, confidence: Confidence::Certain, proof };
        let steps = Lang::ALL.map(|lang| edits(&Prose::load(lang), &finding, facts));
        let only = |step: &Fix| match step {
            Fix::Command { command, why } => {
                assert!(!why.contains("{ $") && !why.starts_with("edit-"), "{why}");
                command.clone()
            }
            Fix::Text(text) => format!("– {}", text.chars().count() > 10),
        };
        let [en, zh] = steps.map(|steps| steps.iter().map(only).collect::<Vec<_>>());
        assert_eq!(en, zh);
        en
    }

    #[test]
    fn the_place_decides_the_command() {
        for (cause, name, place, command) in [
            (
                Cause::ProxyUnreachable,
                "origin.HTTPS_PROXY",
                "~/.bashrc:88",
                "sed -i.bak '88{/HTTPS_PROXY/d}' ~/.bashrc",
            ),
            (
                Cause::ProxyUnreachable,
                "origin.HTTPS_PROXY",
                "/etc/environment:3",
                "sudo sed -i.bak '3{/HTTPS_PROXY/d}' /etc/environment",
            ),
            (
                Cause::ProxyUnreachable,
                "origin.HTTPS_PROXY",
                "~/.claude/settings.json:4",
                "${EDITOR:-vi} +4 ~/.claude/settings.json",
            ),
            (Cause::ProxyAuthRejected, "origin.HTTPS_PROXY", "~/.bashrc:88", "${EDITOR:-vi} +88 ~/.bashrc"),
            (Cause::ConfigHostsOverride, "origin.hosts", "/etc/hosts:7", "sudo ${EDITOR:-vi} +7 /etc/hosts"),
            (
                Cause::AuthConflicting,
                "origin.ANTHROPIC_AUTH_TOKEN",
                "/srv/my app/.env:1",
                "sed -i.bak '1{/ANTHROPIC_AUTH_TOKEN/d}' '/srv/my app/.env'",
            ),
            (
                Cause::AuthMissing,
                "elsewhere.ANTHROPIC_API_KEY",
                "~/it's/.env:1",
                "set -a; . ~/'it'\\''s/.env'; set +a",
            ),
        ] {
            assert_eq!(commands(cause, &[state(0, name, place)]), [command], "{place}");
        }
        // What is no place, or cannot be written, makes no command.
        for (name, place) in
            [("origin.HTTPS_PROXY", "…"), ("origin.HTTPS_PROXY", "x:"), ("other", "~/.bashrc:1")]
        {
            assert!(commands(Cause::ProxyUnreachable, &[state(0, name, place)]).is_empty(), "{place}");
        }
        let strange = state(0, "origin.HTTPS_PROXY", "/a\nb:1");
        assert_eq!(commands(Cause::ProxyUnreachable, &[strange]), ["– true"]);
        let sed = state(0, "origin.A/d};s/", "~/.bashrc:1");
        assert_eq!(commands(Cause::ProxyUnreachable, &[sed]), ["${EDITOR:-vi} +1 ~/.bashrc"]);
    }

    #[test]
    fn a_shell_and_a_distribution_have_commands_of_their_own() {
        let set = [
            state(0, "env.HTTPS_PROXY", "http://p:1"),
            state(1, "env.all_proxy", "http://p:2"),
            state(2, "env.http_proxy", ""),
        ];
        assert_eq!(commands(Cause::ProxyUnreachable, &set), ["unset HTTPS_PROXY all_proxy"]);
        assert!(commands(Cause::ProxyAuthRequired, &set).is_empty());
        for (ids, command) in [
            ("ubuntu debian", "update-ca-certificates"),
            ("rocky rhel centos fedora", "update-ca-trust"),
            ("arch", "trust anchor"),
        ] {
            let found = commands(Cause::TlsIntercepted, &[state(0, "distribution", ids)]);
            assert!(matches!(found.as_slice(), [only] if only.contains(command)), "{ids}: {found:?}");
        }
        assert!(commands(Cause::TlsIntercepted, &[state(0, "distribution", "plan9")]).is_empty());
    }

    #[test]
    fn a_client_gets_the_variable_that_it_reads() {
        let turn = |axis, habit, passes| Some(Turn { axis, habit, passes, fact: None });
        let view = |axis, own, other, trust_variable| ClientView {
            id: "x",
            name: "X",
            fate: Fate::Fails { stage: Stage::Handshake, cause: Cause::TlsTrustStoreMismatch, fact: None },
            other: ("curl", Fate::Works),
            own: turn(axis, own, false),
            others: turn(axis, other, true),
            habits: Vec::new(),
            trust_variable,
        };
        let facts = [
            state(0, "ca-store", "/etc/ssl/certs/ca-certificates.crt"),
            state(1, "env.HTTPS_PROXY", "http://proxy.example:3128"),
        ];
        let prose = Prose::load(Lang::En);
        let command = |view: &ClientView| match of_client(&prose, &facts, view) {
            Some(Fix::Command { command, .. }) => command,
            other => format!("{other:?}"),
        };
        let store = view(Axis::Trust, Habit::OwnRoots, Habit::SystemStore, Some("NODE_EXTRA_CA_CERTS"));
        assert_eq!(command(&store), "export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt");
        let none = view(Axis::Trust, Habit::OwnRoots, Habit::SystemStore, None);
        assert_eq!(command(&none), "None");
        let node = view(Axis::Route, Habit::ReadsNoProxy, Habit::TakesProxy, None);
        assert_eq!(command(&node), "export NODE_USE_ENV_PROXY=1");
        let java = view(Axis::Route, Habit::ProxyProperties, Habit::TakesProxy, None);
        assert!(command(&java).contains("-Dhttps.proxyHost=proxy.example -Dhttps.proxyPort=3128"));
    }
}
