//! A fact in words: the way it was seen on, and what was seen.
//!
//! The two facts of a control experiment are shown by what tells them apart, the axis; any other fact by its host and address.

use clearline_model::{
    Axis, CertFault, Dur, Fact, Failure, Foreign, Framing, Icmp, Path, Proof, Route, Seen, Stage, StreamEnd,
    Transport, Trust,
};

use crate::prose::{Args, Prose};

/// A fact in two columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The way.
    pub way: String,
    /// What was seen on it.
    pub saw: String,
}

/// The lines of a proof.
#[must_use]
pub fn proof(prose: &Prose, facts: &[Fact], proofs: &[Proof]) -> Vec<Line> {
    let get = |id: &clearline_model::FactId| facts.iter().find(|f| f.id == *id);
    let (mut lines, mut told) = (Vec::new(), None);
    for proof in proofs {
        match proof {
            Proof::Flip(failed, well, axis) => {
                let both = [get(failed), get(well)].into_iter().flatten();
                lines.extend(
                    both.map(|f| Line { way: along(prose, &f.path, *axis), saw: whose(prose, f, *axis) }),
                );
            }
            Proof::One(fact) => {
                let Some(fact) = get(fact) else { continue };
                for f in [Some(fact), shown(facts, fact)].into_iter().flatten() {
                    let mut line = line(prose, f);
                    // What was seen on one way is told under its name, once.
                    if told.as_ref() == Some(&line.way) {
                        line.way.clear();
                    } else {
                        told = Some(line.way.clone());
                    }
                    lines.push(line);
                }
            }
            Proof::Rate(fact, n, of) => lines.extend(get(fact).map(|f| {
                let args = number("n", n).with("of", Foreign::new(&of.to_string()));
                Line {
                    way: way(prose, &f.path),
                    saw: format!("{}{}{}", saw(prose, f), prose.word("and"), prose.say("way-rate", &args)),
                }
            })),
        }
    }
    lines.dedup();
    lines
}

/// Beside a certificate that was refused: what it was.
fn shown<'a>(facts: &'a [Fact], refused: &Fact) -> Option<&'a Fact> {
    let Err(Failure::Cert(_)) = refused.saw else { return None };
    let is_there = |f: &&Fact| {
        let (a, b) = (&f.path, &refused.path);
        (&a.host, a.address, &a.route) == (&b.host, b.address, &b.route)
    };
    facts.iter().filter(is_there).find(|f| matches!(f.saw, Ok(Seen::Shown(_))))
}

/// One fact.
#[must_use]
pub fn line(prose: &Prose, fact: &Fact) -> Line {
    Line { way: way(prose, &fact.path), saw: saw(prose, fact) }
}

/// A fact by what tells it from another along an axis: what it is there, and what was seen.
pub(crate) fn along_axis(prose: &Prose, fact: &Fact, axis: Axis) -> (String, String) {
    (along(prose, &fact.path, axis), whose(prose, fact, axis))
}

/// What was seen, and by whom where the axis does not say it.
fn whose(prose: &Prose, fact: &Fact, axis: Axis) -> String {
    let text = saw(prose, fact);
    let who = if matches!(axis, Axis::Address | Axis::Host | Axis::Trust) {
        String::new()
    } else if let (Axis::Route, Some(Route::Proxy(proxy)), Stage::Tunnel) =
        (axis, &fact.path.route, fact.stage)
    {
        proxy.clone()
    } else if axis == Axis::Route {
        fact.path.host.clone()
    } else {
        fact.path.address.map_or_else(|| fact.path.host.clone(), |a| a.to_string())
    };
    let who = Foreign::new(&who).escaped();
    if who.is_empty() || matches!(fact.saw, Ok(Seen::State(..))) { text } else { format!("{who}  {text}") }
}

/// The way of a fact, by host and address.
fn way(prose: &Prose, path: &Path) -> String {
    let mut parts = Vec::new();
    if !path.host.is_empty() {
        parts.push(path.port.map_or_else(|| path.host.clone(), |p| format!("{}:{p}", path.host)));
    }
    parts.extend(path.address.map(|a| a.to_string()).filter(|a| *a != path.host));
    if let Some(Route::Proxy(proxy)) = &path.route {
        parts.push(prose.say("way-through", &number("name", proxy)));
    }
    let is_other_store = matches!(path.trust, Some(Trust::Public | Trust::File(_)));
    let chosen = [
        (Axis::Resolver, path.resolver.is_some()),
        (Axis::ServerName, path.server_name.is_some()),
        (Axis::Alpn, path.alpn.is_some()),
        (Axis::Hello, path.hello.is_some()),
        (Axis::Mss, path.mss.is_some()),
        (Axis::Body, path.body.is_some()),
        (Axis::Idle, path.idle.is_some()),
        (Axis::Trust, is_other_store),
    ];
    parts.extend(chosen.into_iter().filter(|(_, is_set)| *is_set).map(|(axis, _)| along(prose, path, axis)));
    parts.extend(path.client.as_deref().filter(|c| *c != "reference").map(str::to_owned));
    if parts.is_empty() {
        return prose.word("way-machine");
    }
    // Names and paths come from this machine, and some of them from others.
    Foreign::new(&parts.join(" ")).escaped()
}

fn number(name: &'static str, n: &dyn ToString) -> Args {
    Args::default().with(name, Foreign::new(&n.to_string()))
}

/// What a path is on one axis.
fn along(prose: &Prose, path: &Path, axis: Axis) -> String {
    let named = |word: &str, name: &str| prose.say(word, &number("name", &name));
    let text = |value: Option<String>, word: &str, none: &str| {
        value.map_or_else(|| prose.word(none), |v| named(word, &v))
    };
    match axis {
        Axis::Route => {
            prose.word(if matches!(path.route, Some(Route::Proxy(_))) { "way-proxy" } else { "way-direct" })
        }
        Axis::Resolver => text(path.resolver.map(|r| r.to_string()), "way-resolver", "way-system-resolver"),
        Axis::Family => text(path.family.map(|f| f.to_string()), "way-family", "way-usual"),
        Axis::Address => path.address.map_or_else(|| path.host.clone(), |a| a.to_string()),
        Axis::Host => Foreign::new(&path.host).escaped(),
        Axis::Port => named("way-port", &path.port.map_or_else(|| "443".to_owned(), |p| p.to_string())),
        Axis::ServerName if path.server_name.as_deref() == Some("") => prose.word("way-no-name"),
        Axis::ServerName => text(path.server_name.clone(), "way-name", "way-own-name"),
        Axis::Alpn => named("way-alpn", path.alpn.as_deref().unwrap_or("http/1.1")),
        Axis::Hello => text(path.hello.map(|h| h.to_string()), "way-hello", "way-usual-hello"),
        Axis::Trust => match &path.trust {
            Some(Trust::File(file)) => Foreign::new(file).escaped(),
            Some(Trust::Public) => prose.word("way-public-store"),
            Some(Trust::System) | None => prose.word("way-system-store"),
        },
        Axis::Mss => text(path.mss.map(|m| m.to_string()), "way-mss", "way-usual"),
        Axis::Http => named("way-alpn", if path.http == Some(20) { "HTTP/2" } else { "HTTP/1.1" }),
        Axis::Body => named("way-body", &size(path.body.unwrap_or(0))),
        Axis::Credential => {
            prose.word(if path.credential.as_deref() == Some("") { "way-no-key" } else { "way-key" })
        }
        Axis::Client => path.client.clone().unwrap_or_default(),
        Axis::Transport => {
            prose.word(if path.transport == Some(Transport::Tcp) { "way-tcp" } else { "way-udp" })
        }
        Axis::Idle => text(path.idle.map(|i| i.to_string()), "way-idle", "way-at-once"),
        Axis::Reused => prose.word("way-usual"),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", bytes / 1_024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}

/// What was seen.
#[must_use]
pub fn saw(prose: &Prose, fact: &Fact) -> String {
    match &fact.saw {
        Ok(seen) => well(prose, fact, seen),
        Err(failure) => failed(prose, *failure, fact.took),
    }
}

fn took(took: Dur) -> Args {
    number("took", &took)
}

fn well(prose: &Prose, fact: &Fact, seen: &Seen) -> String {
    match seen {
        Seen::Addresses(all) => {
            let list: Vec<String> = all.iter().map(ToString::to_string).collect();
            prose.say("saw-addresses", &number("list", &list.join(", ")))
        }
        Seen::Connected => prose.say("saw-connected", &took(fact.took)),
        Seen::Tunnelled(_) => prose.say("saw-tunnelled", &took(fact.took)),
        Seen::Handshake { .. }
            if fact.path.trust.is_some() && fact.path.client.as_deref() != Some("reference") =>
        {
            prose.word("saw-trusted")
        }
        Seen::Handshake { .. } => prose.say("saw-handshake", &took(fact.took)),
        Seen::Shown(cert) => prose.say("saw-shown", &Args::default().with("issuer", cert.issuer.clone())),
        Seen::Head { status, .. } => {
            prose.say("saw-head", &took(fact.took).with("number", Foreign::new(&status.to_string())))
        }
        Seen::Complete => prose.say("saw-complete", &took(fact.took)),
        Seen::Paced(pace) => {
            let args = number("number", &pace.events)
                .with("first", Foreign::new(&pace.first.to_string()))
                .with("last", Foreign::new(&pace.last.to_string()));
            prose.say("saw-paced", &args)
        }
        Seen::State(name, value) => state(prose, name, value),
    }
}

/// A state in words, by its name and, where that has words of its own, its value.
fn state(prose: &Prose, name: &str, value: &Foreign) -> String {
    // Where a setting stands: `origin.HTTPS_PROXY`.
    let place = name.split_once('.').filter(|(kind, _)| matches!(*kind, "origin" | "elsewhere"));
    let (name, setting) = place.map_or((name, ""), |(kind, setting)| (kind, setting));
    let args = Args::default().with("value", value.clone()).with("setting", Foreign::new(setting));
    let message = format!("state-{}", name.replace('.', "-"));
    let word = if setting.is_empty() { value.raw() } else { setting };
    let of_value = prose.known(&format!("{message}-{word}"), &args);
    of_value.or_else(|| prose.known(&message, &args)).unwrap_or_else(|| {
        let name = Foreign::new(name).escaped();
        if value.raw().is_empty() { name } else { format!("{name}: {}", value.escaped()) }
    })
}

fn failed(prose: &Prose, failure: Failure, time: Dur) -> String {
    let plain = |word: &str| prose.word(word);
    let timed = |word: &str| prose.say(word, &took(time));
    let numbered = |word: &str, n: String| prose.say(word, &took(time).with("number", Foreign::new(&n)));
    match failure {
        Failure::Refused => timed("saw-refused"),
        Failure::Reset => timed("saw-reset"),
        Failure::Eof => timed("saw-closed"),
        Failure::TimedOut(clearline_model::Limit::Idle) => timed("saw-idle"),
        Failure::TimedOut(_) => timed("saw-silent"),
        Failure::Unreachable(Icmp::NoRoute) => plain("saw-no-route"),
        Failure::Unreachable(Icmp::Prohibited) => plain("saw-prohibited"),
        Failure::Unreachable(Icmp::Network | Icmp::Host) => plain("saw-unreachable"),
        Failure::Os(number) => numbered("saw-os", number.to_string()),
        Failure::Rcode(3, _) => plain("saw-no-name"),
        Failure::Rcode(2, _) => plain("saw-dns-failed"),
        Failure::Rcode(5, _) => plain("saw-dns-refused"),
        Failure::Rcode(code, _) => numbered("saw-rcode", code.to_string()),
        Failure::NoAddress => plain("saw-no-address"),
        Failure::Alert(number) => numbered("saw-alert", number.to_string()),
        Failure::Cert(fault) => plain(certificate(fault)),
        Failure::NotTls => plain("saw-not-tls"),
        Failure::Tunnel(0) => plain("saw-tunnel-odd"),
        Failure::Tunnel(status) => numbered("saw-tunnel-refused", status.to_string()),
        Failure::Socks(reply) => numbered("saw-socks", reply.to_string()),
        Failure::Status(status, ..) => numbered("saw-status", status.to_string()),
        Failure::Framing(framing) => plain(framed(framing)),
        Failure::Ended(StreamEnd::Early) => timed("saw-ended-early"),
        Failure::Ended(StreamEnd::Cut) => timed("saw-cut"),
        Failure::Ended(StreamEnd::Reset) => timed("saw-stream-reset"),
        Failure::Ended(StreamEnd::Error(_)) => plain("saw-error-event"),
        Failure::Config(_) => plain("saw-setting"),
        Failure::Local(_) => plain("saw-local"),
    }
}

const fn certificate(fault: CertFault) -> &'static str {
    match fault {
        CertFault::Expired => "saw-expired",
        CertFault::NotYetValid => "saw-not-yet-valid",
        CertFault::WrongHost => "saw-wrong-host",
        CertFault::SelfSigned => "saw-self-signed",
        CertFault::UnknownIssuer | CertFault::Other => "saw-untrusted",
        CertFault::Weak => "saw-weak",
    }
}

const fn framed(framing: Framing) -> &'static str {
    match framing {
        Framing::Short => "saw-short",
        Framing::Malformed | Framing::Encoding | Framing::TooLarge => "saw-malformed",
        Framing::NotMessage | Framing::Empty => "saw-not-message",
        Framing::WrongContentType => "saw-content-type",
        Framing::Event => "saw-corrupt",
        Framing::Redirect => "saw-redirect",
        Framing::H2 => "saw-h2-broken",
    }
}

#[cfg(test)]
mod tests {
    use clearline_model::{FactId, Mono, ProbeId, Sent, Source};

    use super::*;
    use crate::Lang;

    fn fact(id: u32, stage: Stage, path: Path, saw: Result<Seen, Failure>) -> Fact {
        let from = Source::Probe(ProbeId(0));
        Fact { id: FactId(id), from, path, stage, saw, sent: Sent::No, at: Mono(0), took: Dur(210_000) }
    }

    #[test]
    fn a_flip_is_told_by_what_tells_its_facts_apart() {
        let path =
            |route| Path { host: "api.anthropic.com".to_owned(), route: Some(route), ..Path::default() };
        let proxy = Route::Proxy("http://127.0.0.1:7890".to_owned());
        let facts = [
            fact(0, Stage::Tunnel, path(proxy), Err(Failure::Refused)),
            fact(1, Stage::Head, path(Route::Direct), Ok(Seen::Head { status: 405, headers: Vec::new() })),
        ];
        let proofs = [Proof::Flip(FactId(0), FactId(1), Axis::Route)];
        let told = |lang| -> Vec<String> {
            let lines = proof(&Prose::load(lang), &facts, &proofs);
            lines.into_iter().map(|l| format!("{} | {}", l.way, l.saw)).collect()
        };
        assert_eq!(
            told(Lang::En),
            [
                "through the proxy | http://127.0.0.1:7890  refused the connection after 210 ms",
                "without the proxy | api.anthropic.com  answered (405) in 210 ms",
            ]
        );
        assert_eq!(told(Lang::Zh)[0], "经代理 | http://127.0.0.1:7890  在 210 ms 后拒绝连接");
    }

    #[test]
    fn beside_a_refused_certificate_stands_who_issued_it() {
        let path = Path { host: "api.anthropic.com".to_owned(), ..Path::default() };
        let text = |t: &str| Foreign::new(t);
        let cert = clearline_model::Certificate {
            subject: text("CN=api.anthropic.com"),
            issuer: text("CN=Example CA"),
            serial: text("0a"),
            names: Vec::new(),
            from: clearline_model::Wall(0),
            until: clearline_model::Wall(1),
            key_bits: 256,
            issuers_at: Vec::new(),
            chain: 1,
        };
        let refused = Err(Failure::Cert(CertFault::UnknownIssuer));
        let facts = [
            fact(0, Stage::Handshake, path.clone(), refused),
            fact(1, Stage::Handshake, path, Ok(Seen::Shown(Box::new(cert)))),
        ];
        // A rule that names both facts has the same told.
        let proofs = [Proof::One(FactId(0)), Proof::One(FactId(1))];
        let lines = proof(&Prose::load(Lang::Zh), &facts, &proofs);
        assert_eq!(lines, proof(&Prose::load(Lang::Zh), &facts, &proofs[..1]));
        let told: Vec<_> = lines.iter().map(|l| format!("{} | {}", l.way, l.saw)).collect();
        assert_eq!(told, ["api.anthropic.com | 不信任该证书", " | 出示由“CN=Example CA”签发的证书"]);
    }

    #[test]
    fn every_failure_has_words_in_both_languages() {
        for lang in Lang::ALL {
            let prose = Prose::load(lang);
            for failure in Failure::samples() {
                let text = failed(&prose, failure, Dur(1));
                assert!(!text.starts_with("saw-") && !text.contains('$'), "{lang:?} {failure:?}: {text}");
            }
        }
    }
}
