use clearline_model::{
    CallId, CertFault, Failure, Foreign, Limit, Mono, ProbeId, Route, Seen, Sent, Source, Trust,
};

use super::*;

const PROXY: &str = "http://proxy.example:3128";
const V6: &str = "2001:db8::1";
const V4: &str = "192.0.2.1";

fn fact(stage: Stage, path: Path, saw: Result<Seen, Failure>) -> clearline_model::Fact {
    clearline_model::Fact {
        id: FactId(0),
        from: Source::Probe(ProbeId(0)),
        path: Path { host: if path.host.is_empty() { API.to_owned() } else { path.host.clone() }, ..path },
        stage,
        saw,
        sent: Sent::No,
        at: Mono(0),
        took: Dur::millis(20),
    }
}

fn straight() -> Path {
    Path { route: Some(Route::Direct), ..Path::default() }
}

fn at(address: &str) -> Path {
    let address: std::net::IpAddr = address.parse().unwrap();
    Path { address: Some(address), family: Some(crate::plan::family(address)), ..straight() }
}

fn proxied() -> Path {
    Path { route: Some(Route::Proxy(PROXY.to_owned())), ..Path::default() }
}

fn reference(stage: Stage, path: Path, saw: Result<Seen, Failure>) -> clearline_model::Fact {
    let path = Path { client: Some(crate::REFERENCE.to_owned()), ..path };
    clearline_model::Fact { from: Source::Attempt(CallId(0), 1), ..fact(stage, path, saw) }
}

fn said(name: &str, value: &str) -> clearline_model::Fact {
    let saw = Ok(Seen::State(name.to_owned(), Foreign::new(value)));
    let own = fact(Stage::Config, Path::default(), saw);
    clearline_model::Fact { from: Source::Host, path: Path::default(), ..own }
}

fn shaken() -> Result<Seen, Failure> {
    Ok(Seen::Handshake { version: 13, alpn: None, issuer: Foreign::default() })
}

fn head() -> Result<Seen, Failure> {
    Ok(Seen::Head { status: 405, headers: Vec::new() })
}

fn store(path: Path, trust: Trust, saw: Result<Seen, Failure>) -> clearline_model::Fact {
    fact(Stage::Handshake, Path { trust: Some(trust), ..path }, saw)
}

/// Status, the first cause with its role, and the habits on which the client and the other part.
fn told(name: &str, facts: &[clearline_model::Fact]) -> (Status, Option<Cause>, [Option<&'static str>; 2]) {
    let (verdict, view) = judge_for(&Evidence::new(facts.to_vec()), Profile::named(name).unwrap());
    let root = verdict.findings.iter().find(|f| f.role == Role::Root).map(|f| f.cause);
    (verdict.status, root, [view.own, view.others].map(|turn| turn.map(|t| t.habit.word())))
}

#[test]
fn every_client_has_its_own_names() {
    let mut all = std::collections::BTreeSet::new();
    for client in &CLIENTS {
        for name in std::iter::once(&client.id).chain(client.aliases) {
            assert!(all.insert(*name), "{name} stands twice");
            assert_eq!(Profile::named(name).map(Profile::id), Some(client.id));
        }
    }
    assert_eq!(Profile::named("netscape"), None);
    for (program, id) in [
        ("/usr/bin/python3.12", Some("anthropic-python")),
        ("node", Some("anthropic-typescript")),
        ("curl", Some("curl")),
        ("/opt/bin/claude", Some("claude-code")),
        ("./app", None),
    ] {
        assert_eq!(Profile::of_program(program).map(Profile::id), id, "{program}");
    }
}

/// The network needs its proxy, the variables name it, and Node's fetch does not read them.
#[test]
fn a_client_that_ignores_the_proxy_fails_where_the_others_work() {
    let late = Err(Failure::TimedOut(Limit::Connect));
    let facts = [
        said("env", "read"),
        said("env.HTTPS_PROXY", PROXY),
        reference(Stage::Tunnel, proxied(), Ok(Seen::Tunnelled(200))),
        reference(Stage::Handshake, proxied(), shaken()),
        reference(Stage::Head, proxied(), head()),
        store(proxied(), Trust::Public, shaken()),
        store(proxied(), Trust::System, shaken()),
        fact(Stage::Connect, straight(), late),
    ];
    let ignores =
        (Status::Failing, Some(Cause::ProxyRequired), [Some("reads-no-proxy"), Some("takes-proxy")]);
    assert_eq!(told("node", &facts), ignores);
    assert_eq!(told("anthropic-typescript", &facts), ignores);
    let java = told("java", &facts);
    assert_eq!((java.0, java.2[0]), (Status::Failing, Some("proxy-properties")));
    // Near misses: the same with the switch, and a client that reads the variables.
    for name in ["node-env-proxy", "bun", "curl", "python-requests", "claude-code", "go", "axios"] {
        assert_eq!(told(name, &facts).0, Status::Healthy, "{name}");
    }
    let switched: Vec<_> = facts.iter().cloned().chain([said("env.NODE_USE_ENV_PROXY", "1")]).collect();
    assert_eq!(told("node", &switched).0, Status::Healthy);
}

/// A proxy that refuses, and a way out without it: who does not read the variable fares better.
#[test]
fn a_client_that_ignores_a_bad_proxy_works() {
    let facts = [
        said("env", "read"),
        said("env.ALL_PROXY", PROXY),
        reference(Stage::Tunnel, proxied(), Err(Failure::Refused)),
        fact(Stage::Head, straight(), head()),
    ];
    let (status, root, parts) = told("bun", &facts);
    assert_eq!((status, root), (Status::Healthy, None));
    assert_eq!(parts, [Some("skips-all-proxy"), Some("takes-proxy")]);
    // Nobody has measured what Go makes of it.
    assert_eq!(told("go", &facts).0, Status::Inconclusive);
    assert_eq!(told("curl", &facts).0, Status::Failing);
}

#[test]
fn socks_is_not_for_everybody() {
    let route = Route::Proxy("socks5h://proxy.example:1080".to_owned());
    let path = Path { route: Some(route), ..Path::default() };
    let facts = [
        said("env", "read"),
        said("env.HTTPS_PROXY", "socks5h://proxy.example:1080"),
        reference(Stage::Tunnel, path.clone(), Ok(Seen::Tunnelled(0))),
        reference(Stage::Head, path, head()),
    ];
    let (status, root, parts) = told("bun", &facts);
    assert_eq!((status, root), (Status::Failing, Some(Cause::ProxySettingInvalid)));
    assert_eq!(parts, [Some("no-socks"), Some("takes-proxy")]);
    assert_eq!(told("curl", &facts).0, Status::Healthy);
}

/// A company's root lies in the system's store alone.
#[test]
fn stores_tell_clients_apart() {
    let unknown = || Err(Failure::Cert(CertFault::UnknownIssuer));
    let system = Path { trust: Some(Trust::System), ..at(V4) };
    let mut facts = vec![
        said("env", "read"),
        reference(Stage::Handshake, system.clone(), shaken()),
        reference(Stage::Head, system, head()),
        store(at(V4), Trust::Public, unknown()),
        store(at(V4), Trust::System, shaken()),
    ];
    for name in ["python-requests", "python-httpx", "anthropic-python-0", "node"] {
        let own = (Status::Failing, Some(Cause::TlsTrustStoreMismatch));
        let (status, root, parts) = told(name, &facts);
        assert_eq!((status, root), own, "{name}");
        assert_eq!(parts, [Some("own-roots"), Some("system-store")], "{name}");
    }
    for name in ["curl", "anthropic-python", "bun", "claude-code", "go"] {
        assert_eq!(told(name, &facts).0, Status::Healthy, "{name}");
    }
    // With the variable of its own it trusts the file as well; the other clients do not read it.
    facts.push(said("env.NODE_EXTRA_CA_CERTS", "/ca.pem"));
    facts.push(store(at(V4), Trust::File("/ca.pem".to_owned()), shaken()));
    assert_eq!(told("node", &facts).0, Status::Healthy);
    assert_eq!(told("python-requests", &facts).0, Status::Failing);
    // A file in the place of the roots, and the public root is not in it: curl keeps the system's folder.
    facts.push(said("env.CURL_CA_BUNDLE", "/own.pem"));
    facts.push(store(at(V4), Trust::File("/own.pem".to_owned()), unknown()));
    assert_eq!(told("curl", &facts).0, Status::Healthy);
    assert_eq!(told("python-requests", &facts).0, Status::Failing);
}

#[test]
fn families_are_raced_by_some() {
    let path = Path { trust: Some(Trust::System), ..at(V6) };
    let late = clearline_model::Fact {
        took: Dur::secs(1),
        ..reference(Stage::Connect, path.clone(), Ok(Seen::Connected))
    };
    let mut facts = vec![
        late,
        reference(Stage::Handshake, path, Err(Failure::Reset)),
        fact(Stage::Handshake, at(V6), Err(Failure::Reset)),
        fact(Stage::Handshake, at(V4), shaken()),
        store(at(V4), Trust::Public, shaken()),
        store(at(V4), Trust::System, shaken()),
    ];
    for name in ["curl", "node", "bun"] {
        assert_eq!(told(name, &facts).0, Status::Healthy, "{name}");
    }
    let (status, root, parts) = told("python-requests", &facts);
    assert_eq!((status, root), (Status::Failing, Some(Cause::TcpIpv6Broken)));
    assert_eq!(parts, [Some("in-order"), Some("races")]);
    assert_eq!(told("claude-code", &facts).0, Status::Inconclusive);
    // The near miss: the first family connects at once, so nobody looks for another.
    facts.first_mut().unwrap().took = Dur::millis(20);
    assert_eq!(told("curl", &facts).0, Status::Failing);
}

#[test]
fn the_size_of_a_hello_and_its_protocols_tell_clients_apart() {
    let path = Path { trust: Some(Trust::System), ..at(V4) };
    let well = [
        reference(Stage::Handshake, path.clone(), shaken()),
        reference(Stage::Head, path.clone(), head()),
        fact(Stage::Handshake, at(V4), shaken()),
        store(at(V4), Trust::Public, shaken()),
    ];
    let large = Path { hello: Some(1_700), ..at(V4) };
    let lost = fact(Stage::Handshake, large, Err(Failure::TimedOut(Limit::Handshake)));
    let facts: Vec<_> = well.iter().cloned().chain([lost]).collect();
    let (status, root, parts) = told("bun", &facts);
    assert_eq!((status, root), (Status::Failing, Some(Cause::TlsLargeHelloDropped)));
    assert_eq!(parts, [Some("large-hello"), Some("small-hello")]);
    assert_eq!(told("node", &facts).0, Status::Healthy);
    assert_eq!(told("go", &facts).0, Status::Inconclusive);

    let h2 = Path { alpn: Some("h2,http/1.1".to_owned()), http: Some(20), ..at(V4) };
    let broken = fact(Stage::Head, h2, Err(Failure::Eof));
    let facts: Vec<_> = well.iter().cloned().chain([broken]).collect();
    let (status, root, parts) = told("curl", &facts);
    assert_eq!((status, root), (Status::Failing, Some(Cause::TlsH2Broken)));
    assert_eq!(parts, [Some("http2"), Some("http1")]);
    assert_eq!(told("node", &facts).0, Status::Healthy);

    let offering = Path { alpn: Some("h2,http/1.1".to_owned()), ..at(V4) };
    let facts = [
        reference(Stage::Connect, path.clone(), Ok(Seen::Connected)),
        reference(Stage::Handshake, path, Err(Failure::Reset)),
        fact(Stage::Handshake, at(V4), Err(Failure::Reset)),
        fact(Stage::Handshake, offering, shaken()),
    ];
    assert_eq!(told("curl", &facts).0, Status::Healthy);
    let (status, root, parts) = told("node", &facts);
    assert_eq!((status, root), (Status::Failing, Some(Cause::TlsFingerprintBlocked)));
    assert_eq!(parts, [Some("http1"), Some("http2")]);
}

#[test]
fn credentials_are_sent_in_different_ways() {
    let path = at(V4);
    let well = reference(Stage::Head, path, head());
    let both = [well.clone(), said("credential", "well"), said("credential.second", "ANTHROPIC_AUTH_TOKEN")];
    assert_eq!(told("anthropic-python-0", &both).0, Status::Inconclusive);
    assert_eq!(told("claude-code", &both).0, Status::Degraded);
    let newline = [well, said("credential", "malformed"), said("credential.why", "newline")];
    assert_eq!(told("anthropic-python", &newline).1, Some(Cause::AuthMalformedKey));
    assert_eq!(told("anthropic-typescript", &newline).0, Status::Healthy);
}

#[test]
fn the_first_run_goes_to_the_api_itself() {
    let own = |path: Path| Path { host: "gw.example".to_owned(), ..path };
    let first = Path { port: Some(443), ..straight() };
    let mut facts = vec![
        said("base-url", "gw.example"),
        reference(Stage::Head, own(straight()), head()),
        fact(Stage::Head, own(straight()), head()),
    ];
    assert_eq!(told("claude-code", &facts).0, Status::Inconclusive);
    facts.push(fact(Stage::Connect, first, Err(Failure::TimedOut(Limit::Connect))));
    let (status, root, parts) = told("claude-code", &facts);
    assert_eq!((status, root, parts[0]), (Status::Failing, Some(Cause::TcpTimeout), Some("first-run")));
    assert_eq!(told("anthropic-typescript", &facts).0, Status::Healthy);
}

#[test]
fn nothing_seen_says_nothing() {
    for profile in Profile::all() {
        let (verdict, view) = judge_for(&Evidence::new(Vec::new()), profile);
        assert_eq!(
            (verdict.status, view.fate),
            (Status::Inconclusive, Fate::Unknown(None)),
            "{}",
            profile.id()
        );
    }
}

#[test]
fn the_plan_asks_for_the_clients_own_way() {
    let path = proxied();
    let facts = vec![
        said("env", "read"),
        said("env.HTTPS_PROXY", PROXY),
        reference(Stage::Tunnel, path.clone(), Ok(Seen::Tunnelled(200))),
        reference(Stage::Head, path, head()),
    ];
    let evidence = Evidence::new(facts);
    let goal = |name: &str| Goal {
        host: API.to_owned(),
        port: 443,
        proxy: Some(PROXY.to_owned()),
        client: Profile::named(name),
        ..Goal::default()
    };
    let asks = |name: &str| plan(&goal(name), &evidence).iter().map(|p| p.what).collect::<Vec<_>>();
    assert_eq!(asks("node"), [What::Keyless, What::Handshake]);
    assert_eq!(asks("curl"), [What::Handshake]);
    assert!(plan(&Goal { client: None, ..goal("curl") }, &evidence).is_empty());
}
