//! What a finding's own evidence puts into the title of its cause.

use clearline_model::{Cause, Fact, Failure, Finding, Foreign, Layer, Proof, Route, Seen};

use crate::prose::Args;

/// The arguments that the proof of a finding, and what this machine says, give.
pub(crate) fn args(finding: &Finding, facts: &[Fact]) -> Args {
    let proof: Vec<&Fact> =
        finding.proof.iter().filter_map(|p| facts.iter().find(|f| f.id == id(p))).collect();
    let path = || proof.iter().map(|f| &f.path);
    let known = [
        ("host", path().map(|p| p.host.clone()).find(|host| !host.is_empty())),
        ("addr", address(finding.cause, &proof)),
        ("proxy", path().find_map(|p| proxy(p.route.as_ref()))),
        ("issuer", proof.iter().find_map(|f| issuer(f))),
        ("status", proof.iter().find_map(|f| status(f))),
        ("name", said(facts, "dns.alias").filter(|_| finding.cause == Cause::DnsDanglingCname)),
        ("variable", variable(finding.cause, &proof, facts)),
        ("file", place(&proof).map(|(file, _)| file)),
        ("line", place(&proof).map(|(_, line)| line)),
        ("count", finding.proof.iter().find_map(rate).map(|(n, _)| n.to_string())),
        ("total", finding.proof.iter().find_map(rate).map(|(_, of)| of.to_string())),
    ];
    let known = known.into_iter().filter_map(|(name, value)| Some((name, value?)));
    known.fold(Args::default(), |args, (name, value)| args.with(name, Foreign::new(&value)))
}

const fn id(proof: &Proof) -> clearline_model::FactId {
    match proof {
        Proof::Flip(id, ..) | Proof::One(id) | Proof::Rate(id, ..) => *id,
    }
}

const fn rate(proof: &Proof) -> Option<(u32, u32)> {
    match proof {
        Proof::Rate(_, n, of) => Some((*n, *of)),
        Proof::Flip(..) | Proof::One(_) => None,
    }
}

/// A resolver's address where the cause is the resolver's; else the address of the host, where one is at fault.
fn address(cause: Cause, proof: &[&Fact]) -> Option<String> {
    let of_resolver =
        [Cause::DnsRefused, Cause::DnsResolverUnreachable, Cause::DnsFirstResolverDead].contains(&cause);
    if of_resolver {
        return proof.iter().find_map(|f| f.path.resolver).map(|ip| ip.to_string());
    }
    if cause == Cause::ConfigHostsOverride {
        return proof.iter().find_map(|f| state(f, "hosts"));
    }
    if cause.row().layer == Layer::Net {
        let neighbour = proof.iter().find_map(|f| state(f, "neighbour"));
        return neighbour.and_then(|n| n.split(' ').next().map(str::to_owned));
    }
    proof.iter().find_map(|f| f.path.address).map(|ip| ip.to_string())
}

fn proxy(route: Option<&Route>) -> Option<String> {
    match route {
        Some(Route::Proxy(url)) => Some(url.clone()),
        Some(Route::Direct) | None => None,
    }
}

/// The common name of who signed, and where there is none, all of it.
fn issuer(fact: &Fact) -> Option<String> {
    let Ok(Seen::Shown(certificate)) = &fact.saw else { return None };
    let whole = certificate.issuer.raw();
    let common = whole.split(", ").find_map(|part| part.strip_prefix("CN="));
    Some(common.unwrap_or(whole).to_owned())
}

fn status(fact: &Fact) -> Option<String> {
    match &fact.saw {
        Ok(Seen::Head { status, .. }) | Err(Failure::Status(status, ..)) => Some(status.to_string()),
        Ok(_) | Err(_) => None,
    }
}

fn state(fact: &Fact, name: &str) -> Option<String> {
    match &fact.saw {
        Ok(Seen::State(own, value)) if own == name => Some(value.raw().to_owned()),
        Ok(_) | Err(_) => None,
    }
}

fn said(facts: &[Fact], name: &str) -> Option<String> {
    facts.iter().find_map(|f| state(f, name))
}

/// The setting that stands somewhere, by the proof, with the place.
fn origin(fact: &Fact) -> Option<(&str, &str)> {
    match &fact.saw {
        Ok(Seen::State(name, value)) => Some((name.strip_prefix("origin.")?, value.raw())),
        Ok(_) | Err(_) => None,
    }
}

fn place(proof: &[&Fact]) -> Option<(String, String)> {
    let (_, place) = proof.iter().find_map(|f| origin(f))?;
    let (file, line) = place.rsplit_once(':')?;
    line.parse::<u32>().ok().map(|line| (file.to_owned(), line.to_string()))
}

/// The variable that a cause is about.
fn variable(cause: Cause, proof: &[&Fact], facts: &[Fact]) -> Option<String> {
    let is_variable =
        |name: &&str| name.contains('_') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let is_fitting =
        |name: &&str| cause.row().layer != Layer::Proxy || !name.eq_ignore_ascii_case("NO_PROXY");
    let set = proof.iter().filter_map(|f| origin(f)).map(|(name, _)| name).filter(is_variable);
    let set = set.filter(is_fitting).map(str::to_owned).next();
    set.or_else(|| {
        if cause.row().layer == Layer::Auth {
            return said(facts, "credential.variable");
        }
        let of_base_url = [Cause::ConfigBaseUrlInvalid, Cause::ConfigBaseUrlPath].contains(&cause);
        let switch = || proof.iter().find_map(|f| state(f, "route-switch"));
        if of_base_url { Some("ANTHROPIC_BASE_URL".to_owned()) } else { switch() }
    })
}

#[cfg(test)]
mod tests {
    use clearline_model::{
        Certificate, Confidence, Dur, FactId, Mono, Path, Role, Sent, Source, Stage, Wall,
    };

    use super::*;
    use crate::lang::Lang;
    use crate::prose::Prose;

    fn fact(id: u32, path: Path, saw: Result<Seen, Failure>) -> Fact {
        let (from, stage, sent) = (Source::Host, Stage::Handshake, Sent::No);
        Fact { id: FactId(id), from, path, stage, saw, sent, at: Mono(0), took: Dur(1) }
    }

    fn said(id: u32, name: &str, value: &str) -> Fact {
        fact(id, Path::default(), Ok(Seen::State(name.to_owned(), Foreign::new(value))))
    }

    fn title(cause: Cause, facts: &[Fact]) -> String {
        let proof = facts.iter().map(|f| Proof::One(f.id)).collect();
        let finding = Finding { cause, role: Role::Root, confidence: Confidence::Certain, proof };
        Prose::load(Lang::En).explain(finding.cause, &args(&finding, facts)).title
    }

    #[test]
    fn a_title_names_what_the_proof_knows() {
        let path = Path { host: "api.example".to_owned(), ..Path::default() };
        let certificate = Certificate {
            subject: Foreign::new("CN=api.example"),
            issuer: Foreign::new("O=Corp, CN=Corp Inspection CA"),
            serial: Foreign::new("01"),
            names: Vec::new(),
            from: Wall(0),
            until: Wall(0),
            key_bits: 256,
            issuers_at: Vec::new(),
            chain: 1,
        };
        let shown = fact(1, path.clone(), Ok(Seen::Shown(Box::new(certificate))));
        assert_eq!(
            title(Cause::TlsIntercepted, &[shown]),
            "TLS to api.example is re-signed by \"Corp Inspection CA\", not trusted here"
        );
        let hosts = [
            fact(1, path.clone(), Err(Failure::Refused)),
            said(2, "hosts", "192.0.2.7"),
            said(3, "origin.hosts", "/etc/hosts:3"),
        ];
        assert_eq!(
            title(Cause::ConfigHostsOverride, &hosts),
            "/etc/hosts, line 3, sends api.example to 192.0.2.7"
        );
        let resolver = Path { resolver: "192.0.2.53".parse().ok(), ..path.clone() };
        assert_eq!(
            title(Cause::DnsRefused, &[fact(1, resolver, Err(Failure::Refused))]),
            "The resolver 192.0.2.53 refuses to answer this machine"
        );
        // What is not known is not made up.
        let gateway = Path { address: "192.0.2.1".parse().ok(), ..path };
        assert_eq!(
            title(Cause::NetGatewayUnreachable, &[fact(1, gateway, Err(Failure::Refused))]),
            Prose::load(Lang::En).explain(Cause::NetGatewayUnreachable, &Args::default()).title
        );
    }

    #[test]
    fn a_proxys_variable_is_never_the_list_of_exceptions() {
        let both = [said(1, "origin.NO_PROXY", "~/.bashrc:2"), said(2, "origin.HTTPS_PROXY", "~/.bashrc:1")];
        let facts: Vec<&Fact> = both.iter().collect();
        assert_eq!(variable(Cause::ProxyUnreachable, &facts, &[]).as_deref(), Some("HTTPS_PROXY"));
    }
}
