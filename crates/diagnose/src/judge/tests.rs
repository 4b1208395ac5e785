//! Evidence, and the verdict that follows from it.

use clearline_model::{
    Axis, CertFault, ConfigFault, Dur, ErrorKind, Fact, FactId, Failure, Foreign, Framing, Limit, Mono,
    Origin, Pace, Path, ProbeId, Route, Seen, Sent, Source, Stage, Trust,
};

use super::*;
use crate::evidence::REFERENCE;

fn path(host: &str) -> Path {
    Path { host: host.to_owned(), route: Some(Route::Direct), ..Path::default() }
}

fn fact(stage: Stage, path: Path, saw: Result<Seen, Failure>) -> Fact {
    let from = Source::Probe(ProbeId(0));
    Fact { id: FactId(0), from, path, stage, saw, sent: Sent::No, at: Mono(0), took: Dur(0) }
}

fn reference(stage: Stage, p: Path, saw: Result<Seen, Failure>) -> Fact {
    fact(stage, Path { client: Some(REFERENCE.to_owned()), ..p }, saw)
}

fn state(name: &str, value: &str) -> Fact {
    let saw = Ok(Seen::State(name.to_owned(), Foreign::new(value)));
    Fact { from: Source::Host, ..fact(Stage::Config, Path::default(), saw) }
}

fn verdict(facts: Vec<Fact>) -> (Status, Vec<(Cause, Role)>) {
    let verdict = judge(&Evidence::new(facts));
    (verdict.status, verdict.findings.iter().map(|f| (f.cause, f.role)).collect())
}

const API: &str = "api.anthropic.com";

#[test]
fn a_stronger_cause_hides_the_weak_one_and_is_proved_by_a_flip() {
    let file = Path { trust: Some(Trust::File("/ca.pem".into())), ..path(API) };
    let system = Path { trust: Some(Trust::Public), ..path(API) };
    let unknown = Err(Failure::Cert(CertFault::UnknownIssuer));
    let well = Ok(Seen::Handshake { version: 13, alpn: None, issuer: Foreign::new("Example Corp") });
    let facts = vec![
        reference(Stage::Handshake, file.clone(), unknown.clone()),
        fact(Stage::Handshake, system.clone(), well),
        fact(Stage::Handshake, file.clone(), unknown.clone()),
    ];
    let judged = judge(&Evidence::new(facts));
    assert_eq!(judged.status, Status::Failing);
    let [only] = judged.findings.as_slice() else { panic!("{:?}", judged.findings) };
    assert_eq!(only.cause, Cause::ConfigCaFileReplacesRoots);
    assert_eq!(only.proof, [Proof::Flip(FactId(0), FactId(1), Axis::Trust)]);
    // The near miss: no store verifies it, so the file is not the reason.
    let facts =
        vec![reference(Stage::Handshake, file, unknown.clone()), fact(Stage::Handshake, system, unknown)];
    assert_eq!(verdict(facts).1, [(Cause::TlsUntrustedRoot, Role::Root)]);
}

#[test]
fn rules_fire_and_near_misses_stay_silent() {
    let refused = Err(Failure::Refused);
    let gone = Err(Failure::Rcode(3, None));
    let addresses = |a: &str| Ok(Seen::Addresses(vec![a.parse().unwrap()]));
    let own = "gw.example";
    for (facts, expected) in [
        (
            vec![state("base-url", own), reference(Stage::Connect, path(own), refused.clone())],
            Cause::ConfigBaseUrlDead,
        ),
        (vec![reference(Stage::Connect, path(API), refused.clone())], Cause::TcpRefused),
        (
            vec![
                reference(Stage::Resolve, path(own), gone.clone()),
                fact(Stage::Resolve, path(API), addresses("192.0.2.1")),
            ],
            Cause::ConfigBaseUrlUnknownHost,
        ),
        (vec![reference(Stage::Resolve, path(own), gone)], Cause::DnsNameNotFound),
        (
            vec![
                reference(Stage::Resolve, path(API), addresses("0.0.0.0")),
                reference(Stage::Connect, path(API), refused.clone()),
            ],
            Cause::DnsSinkhole,
        ),
        (
            vec![
                state("hosts", "127.0.0.1"),
                reference(Stage::Resolve, path(API), addresses("127.0.0.1")),
                reference(Stage::Connect, path(API), refused),
            ],
            Cause::ConfigHostsOverride,
        ),
        (
            vec![state("credential", "malformed"), reference(Stage::Head, path(API), Ok(Seen::Complete))],
            Cause::AuthMalformedKey,
        ),
    ] {
        let (status, causes) = verdict(facts);
        assert_eq!((status, causes.as_slice()), (Status::Failing, &[(expected, Role::Root)][..]));
    }
}

#[test]
fn a_broken_family_degrades_and_a_family_without_a_route_does_not() {
    let v4 = Path { family: Some(4), address: Some("192.0.2.1".parse().unwrap()), ..path(API) };
    let v6 = Path { family: Some(6), address: Some("2001:db8::1".parse().unwrap()), ..path(API) };
    let well = || reference(Stage::Stream, path(API), Ok(Seen::Complete));
    let connected = || fact(Stage::Connect, v4.clone(), Ok(Seen::Connected));
    let late = fact(Stage::Connect, v6.clone(), Err(Failure::TimedOut(Limit::Connect)));
    assert_eq!(
        verdict(vec![well(), connected(), late]),
        (Status::Degraded, vec![(Cause::TcpIpv6Broken, Role::Contributing)])
    );
    let none = fact(Stage::Connect, v6, Err(Failure::Unreachable(clearline_model::Icmp::NoRoute)));
    assert_eq!(verdict(vec![well(), connected(), none]), (Status::Healthy, vec![]));
}

#[test]
fn a_gateway_in_clear_fails_only_a_call_that_it_does_not_take() {
    let seen = |at: &str, own: Fact| {
        let found = Ok(Seen::Addresses(vec![at.parse().unwrap()]));
        let insecure = state("base-url.insecure", "gw.example");
        verdict(vec![
            state("base-url", "gw.example"),
            insecure,
            reference(Stage::Resolve, path("gw.example"), found),
            own,
        ])
    };
    let well = || reference(Stage::Stream, path("gw.example"), Ok(Seen::Complete));
    let failed = |stage, failure| reference(stage, path("gw.example"), Err(failure));
    let insecure = |role| (Cause::ConfigBaseUrlInsecure, role);
    // Beside the program: its own network.
    assert_eq!(seen("172.18.0.3", well()), (Status::Healthy, vec![insecure(Role::Information)]));
    assert_eq!(seen("192.0.2.1", well()), (Status::Degraded, vec![insecure(Role::Contributing)]));
    // What fails before is not its fault.
    let (status, causes) = seen("172.18.0.3", failed(Stage::Connect, Failure::Refused));
    assert_eq!(status, Status::Failing);
    assert_eq!(causes, [(Cause::ConfigBaseUrlDead, Role::Root), insecure(Role::Information)]);
    // It takes what is sent in clear for a hello.
    let (_, causes) = seen("172.18.0.3", failed(Stage::Head, Failure::Eof));
    assert_eq!(causes.first(), Some(&insecure(Role::Root)));
}

#[test]
fn what_is_no_tunnel_is_laid_to_who_stands_where_the_proxy_should() {
    let through = |host: &str, place: &str| Path { route: Some(Route::Proxy(place.into())), ..path(host) };
    let own = || through(API, "http://p.example:80");
    // A web server that grants whatever is asked, and sends a page.
    let text = || Err(Failure::NotTls);
    let other = fact(Stage::Handshake, through("a.example", "http://p.example:80"), text());
    let granted = || reference(Stage::Tunnel, own(), Ok(Seen::Tunnelled(200)));
    let page = vec![granted(), reference(Stage::Handshake, own(), text()), other.clone()];
    assert_eq!(verdict(page).1, [(Cause::ProxyNotAProxy, Role::Root)]);
    // Another host speaks TLS through it: then it is the target that does not.
    let well = Ok(Seen::Handshake { version: 13, alpn: None, issuer: Foreign::default() });
    let spoken = Fact { saw: well, ..other };
    let plain = vec![granted(), reference(Stage::Handshake, own(), text()), spoken];
    assert_eq!(verdict(plain).1, [(Cause::TlsPlainHttp, Role::Root)]);
    // One that speaks another protocol closes, and that is no word about the API.
    let closed = reference(Stage::Tunnel, own(), Err(Failure::Eof));
    let socks = fact(Stage::Tunnel, through(API, "socks5h://p.example:80"), Ok(Seen::Tunnelled(0)));
    assert_eq!(verdict(vec![closed, socks]).1, [(Cause::ProxySchemeMismatch, Role::Root)]);
}

#[test]
fn a_proxy_that_is_slow_every_time_loses_nothing() {
    let own = || Path { route: Some(Route::Proxy("http://p.example:80".into())), ..path(API) };
    let late = Err(Failure::TimedOut(Limit::Tunnel));
    let seen = |ms| {
        let granted = reference(Stage::Tunnel, own(), Ok(Seen::Tunnelled(200)));
        verdict(vec![
            Fact { took: Dur::millis(ms), ..granted },
            fact(Stage::Tunnel, own(), late.clone()),
            reference(Stage::Stream, own(), Ok(Seen::Complete)),
        ])
    };
    assert_eq!(seen(2_500), (Status::Healthy, vec![]));
    assert_eq!(seen(20), (Status::Degraded, vec![(Cause::ProxyFlaky, Role::Contributing)]));
}

#[test]
fn an_address_that_a_program_made_up_is_not_what_a_firewall_drops() {
    let found = |ip: &str| {
        let given = Ok(Seen::Addresses(vec![ip.parse().unwrap()]));
        let at = || Path { family: Some(4), address: Some(ip.parse().unwrap()), ..path(API) };
        let other = Path { port: Some(443), ..path("control.example") };
        verdict(vec![
            reference(Stage::Resolve, path(API), given),
            reference(Stage::Connect, at(), Err(Failure::TimedOut(Limit::Connect))),
            fact(Stage::Connect, other, Ok(Seen::Connected)),
        ])
        .1
    };
    assert_eq!(found("198.18.0.77"), [(Cause::DnsSplitHorizon, Role::Root)]);
    assert_eq!(found("160.79.104.77"), [(Cause::TcpFiltered, Role::Root)]);
}

#[test]
fn a_resolver_that_leaves_one_name_unanswered_is_there() {
    let asked = |host: &str, ip: &str, saw| {
        let at = Path { resolver: Some(ip.parse().unwrap()), family: Some(4), ..path(host) };
        fact(Stage::Resolve, at, saw)
    };
    let given = || Ok(Seen::Addresses(vec!["160.79.104.77".parse().unwrap()]));
    let silent = || Err(Failure::TimedOut(Limit::Resolve));
    let seen = |control, times| {
        let mut facts = vec![state("resolvers", "192.0.2.1"), reference(Stage::Resolve, path(API), silent())];
        facts.extend((0..times).map(|_| asked(API, "192.0.2.1", silent())));
        facts.extend([asked("control.example", "192.0.2.1", control), asked(API, "192.0.2.9", given())]);
        verdict(facts).1
    };
    assert_eq!(seen(given(), 3), [(Cause::DnsFiltered, Role::Root)]);
    assert_eq!(seen(silent(), 3), [(Cause::DnsResolverUnreachable, Role::Root)]);
    // Once is bad luck.
    assert_eq!(seen(given(), 1), [(Cause::DnsResolverUnreachable, Role::Root)]);
}

#[test]
fn who_refuses_calls_with_and_without_a_key_alike_says_nothing_of_the_key() {
    let refused = |origin| Err(Failure::Status(403, ErrorKind::None, origin));
    let asked = |host: &str, key: &str| Path { credential: Some(key.to_owned()), ..path(host) };
    let seen = |host: &str, origin, keyless| {
        let own = reference(Stage::Head, asked(host, "key"), refused(origin));
        verdict(vec![fact(Stage::Head, asked(host, ""), keyless), own]).1
    };
    let other = || refused(Origin::Gateway);
    assert_eq!(seen(API, Origin::Gateway, other()), [(Cause::EdgeNotTheApi, Role::Root)]);
    // The API said so, it said something else to who came without a key, or it is somebody's own gateway.
    let open = || Err(Failure::Status(405, ErrorKind::None, Origin::Gateway));
    assert_eq!(seen(API, Origin::Api, refused(Origin::Api)), [(Cause::AuthForbidden, Role::Root)]);
    assert_eq!(seen(API, Origin::Gateway, open()), [(Cause::AuthForbidden, Role::Root)]);
    assert_eq!(seen("gw.example", Origin::Gateway, other()), [(Cause::AuthForbidden, Role::Root)]);
}

#[test]
fn a_gateway_that_gives_up_says_why() {
    let own = path("gw.example");
    let gave_up = Err(Failure::Status(502, ErrorKind::Api, Origin::Gateway));
    let said = Ok(Seen::State("gateway.cause".into(), Foreign::new("dns.name-not-found")));
    let facts = vec![fact(Stage::Head, own.clone(), said), reference(Stage::Head, own, gave_up)];
    let judged = judge(&Evidence::new(facts));
    let [only] = judged.findings.as_slice() else { panic!("{:?}", judged.findings) };
    assert_eq!(only.cause, Cause::GatewayBadGateway);
    assert_eq!(only.proof, [Proof::One(FactId(1)), Proof::One(FactId(0))]);
}

#[test]
fn a_certificate_that_is_in_time_by_the_servers_clock_has_not_run_out() {
    let seen = |then: &str| {
        let at = || path(API);
        let said = |name: &str, value: &str| {
            fact(Stage::Handshake, at(), Ok(Seen::State(name.into(), Foreign::new(value))))
        };
        let expired = Err(Failure::Cert(CertFault::Expired));
        let end = reference(Stage::Handshake, at(), expired);
        verdict(vec![end, said("clock.skew", "34560000"), said("at-server-time", then)]).1
    };
    let clock = [(Cause::ClockSkew, Role::Root)];
    assert_eq!(seen("passes"), clock);
    // Something on the way signs anew: no matter of time.
    assert_eq!(seen("tls.untrusted-root"), clock);
    let both = [(Cause::TlsExpired, Role::Root), (Cause::ClockSkew, Role::Contributing)];
    assert_eq!(seen("tls.expired"), both);
}

#[test]
fn a_proxy_that_leads_everybody_to_a_page_wants_a_log_in() {
    let through = |host: &str| Path { route: Some(Route::Proxy("http://p.example:80".into())), ..path(host) };
    let seen = |other| {
        let led = reference(Stage::Tunnel, through(API), Err(Failure::Tunnel(302)));
        verdict(vec![led, fact(Stage::Tunnel, through("a.example"), other)]).1
    };
    assert_eq!(seen(Err(Failure::Tunnel(302))), [(Cause::EdgeCaptivePortal, Role::Root)]);
    assert_eq!(seen(Ok(Seen::Tunnelled(200))), [(Cause::ProxyDenied, Role::Root)]);
}

#[test]
fn a_dead_resolver_is_named_wherever_it_is_asked_first() {
    let asked = |ip: &str, saw| {
        let at = Path { resolver: Some(ip.parse().unwrap()), family: Some(4), ..path(API) };
        fact(Stage::Resolve, at, saw)
    };
    let given = || Ok(Seen::Addresses(vec!["160.79.104.77".parse().unwrap()]));
    let seen = |options: &str| {
        let late = reference(Stage::Resolve, path(API), given());
        verdict(vec![
            state("resolvers", "192.0.2.1 192.0.2.2"),
            state("resolv.options", options),
            Fact { took: Dur::secs(5), ..late },
            asked("192.0.2.1", given()),
            asked("192.0.2.2", Err(Failure::TimedOut(Limit::Resolve))),
            reference(Stage::Stream, path(API), Ok(Seen::Complete)),
        ])
    };
    let dead = (Status::Degraded, vec![(Cause::DnsFirstResolverDead, Role::Contributing)]);
    assert_eq!(seen("timeout:2 rotate"), dead);
    assert_eq!(seen("timeout:2"), (Status::Healthy, vec![]));
}

#[test]
fn a_credential_that_was_not_tried_leaves_the_verdict_open() {
    let facts =
        || vec![state("credential", "profile"), reference(Stage::Connect, path(API), Ok(Seen::Connected))];
    let judged = judge(&Evidence::new(facts()));
    assert_eq!((judged.status, judged.findings.len()), (Status::Inconclusive, 0));
    assert_eq!(judged.open, UNPAID);
    let mut broken = facts();
    broken.push(reference(Stage::Head, path(API), Err(Failure::Eof)));
    assert_eq!(verdict(broken).0, Status::Failing);
}

#[test]
fn a_long_way_loses_no_packets() {
    let at = || Path { family: Some(4), address: Some("192.0.2.1".parse().unwrap()), ..path(API) };
    let well = || Ok(Seen::Handshake { version: 13, alpn: None, issuer: Foreign::default() });
    let took = |stage, ms, saw| Fact { took: Dur::millis(ms), ..fact(stage, at(), saw) };
    let lost = || {
        let asked = Path { resolver: Some("192.0.2.53".parse().unwrap()), ..path(API) };
        fact(Stage::Resolve, asked, Ok(Seen::State("dns.lost".into(), Foreign::new("1"))))
    };
    let seen = |own: Vec<Fact>, trip: u64, late: u64| {
        let mut facts = own;
        facts.push(reference(Stage::Stream, path(API), Ok(Seen::Complete)));
        facts.extend((0..3).map(|_| lost()));
        facts.extend(
            (0..12).map(|i| took(Stage::Connect, trip + if i < 3 { late } else { 0 }, Ok(Seen::Connected))),
        );
        facts.extend((0..6).map(|_| took(Stage::Handshake, trip * 2, well())));
        verdict(facts)
    };
    // A satellite: a connection takes 0.6 s, a handshake twice that.
    assert_eq!(seen(vec![], 600, 0), (Status::Healthy, vec![]));
    let lossy = (Status::Degraded, vec![(Cause::TcpPacketLoss, Role::Contributing)]);
    assert_eq!(seen(vec![], 600, 1_000), lossy);
    assert_eq!(seen(vec![], 40, 1_000), lossy);
    // Within this machine it is a server that takes a few connections at a time.
    let here = vec![state("base-url.loopback", "localhost")];
    assert_eq!(seen(here, 0, 1_000), (Status::Healthy, vec![]));
}

#[test]
fn a_request_that_is_never_served_is_no_fault_at_times() {
    let gw = || path("gw.example");
    let free =
        |saw| fact(Stage::Head, Path { reused: Some(true), credential: Some("key".into()), ..gw() }, saw);
    let broken = || Err(Failure::Status(501, ErrorKind::None, Origin::Gateway));
    let well = || Ok(Seen::Head { status: 200, headers: Vec::new() });
    let seen = |free: Vec<Fact>| {
        let call = reference(Stage::Stream, gw(), Ok(Seen::Complete));
        verdict([free, vec![call]].concat())
    };
    assert_eq!(seen(vec![free(broken()), free(broken())]), (Status::Healthy, vec![]));
    let at_times = (Status::Degraded, vec![(Cause::GatewayBadGateway, Role::Contributing)]);
    assert_eq!(seen(vec![free(broken()), free(well())]), at_times);
}

#[test]
fn a_page_where_no_site_has_one_is_a_portals() {
    let at = |host: &str, status| {
        let path = Path { port: Some(80), ..path(host) };
        fact(Stage::Head, path, Ok(Seen::Head { status, headers: Vec::new() }))
    };
    let seen = |first, second| {
        let late = Err(Failure::TimedOut(Limit::Connect));
        verdict(vec![
            reference(Stage::Connect, path(API), late),
            at("a.example", first),
            at("b.example", second),
        ])
        .1
    };
    assert_eq!(seen(200, 200), [(Cause::EdgeCaptivePortal, Role::Root)]);
    assert_eq!(seen(200, 404), [(Cause::TcpTimeout, Role::Root)]);
}

#[test]
fn a_resolver_that_is_slow_for_one_family_is_slow() {
    let asked = |family, ms| {
        let at = Path { resolver: Some("192.0.2.1".parse().unwrap()), family: Some(family), ..path(API) };
        let given = if family == 4 { "160.79.104.77" } else { "2607:6bc0::77" };
        let saw = Ok(Seen::Addresses(vec![given.parse().unwrap()]));
        Fact { took: Dur::millis(ms), ..fact(Stage::Resolve, at, saw) }
    };
    let seen = |ms| {
        let given = Ok(Seen::Addresses(vec!["160.79.104.77".parse().unwrap()]));
        let own = Fact { took: Dur::millis(3_000), ..reference(Stage::Resolve, path(API), given) };
        let well = reference(Stage::Stream, path(API), Ok(Seen::Complete));
        verdict(vec![state("resolvers", "192.0.2.1"), own, asked(4, 5), asked(6, ms), well])
    };
    assert_eq!(seen(3_000), (Status::Degraded, vec![(Cause::DnsSlow, Role::Contributing)]));
    assert_eq!(seen(5).0, Status::Healthy);
}

#[test]
fn a_short_answer_that_took_its_time_is_not_held_back() {
    let gw = || path("gw.example");
    let seen = |events, first: u64| {
        let pace = Pace {
            events,
            first: Dur::millis(first),
            last: Dur::millis(first + 30),
            gap: Dur::millis(10),
            sized: false,
        };
        let head = Ok(Seen::Head { status: 405, headers: Vec::new() });
        verdict(vec![
            state("base-url", "gw.example"),
            Fact { took: Dur::millis(20), ..fact(Stage::Head, gw(), head) },
            fact(Stage::Stream, gw(), Ok(Seen::Paced(pace))),
            reference(Stage::Stream, gw(), Ok(Seen::Complete)),
        ])
    };
    // One token after a second and a half.
    assert_eq!(seen(7, 1_500), (Status::Healthy, vec![]));
    assert_eq!(seen(7, 7_000).1, [(Cause::ServerSlowFirstByte, Role::Contributing)]);
    assert_eq!(seen(60, 7_000).1, [(Cause::StreamBuffered, Role::Contributing)]);
}

#[test]
fn a_search_list_may_be_what_is_slow() {
    let given = || Ok(Seen::Addresses(vec!["160.79.104.77".parse().unwrap()]));
    let asked = || Path { resolver: Some("192.0.2.1".parse().unwrap()), family: Some(4), ..path(API) };
    let took = |ms, fact: Fact| Fact { took: Dur::millis(ms), ..fact };
    let seen = |absolute| {
        verdict(vec![
            state("resolvers", "192.0.2.1"),
            state("resolv.search", "a.example b.example"),
            took(3_600, reference(Stage::Resolve, path(API), given())),
            took(5, fact(Stage::Resolve, asked(), given())),
            took(absolute, fact(Stage::Resolve, path(&format!("{API}.")), given())),
            reference(Stage::Stream, path(API), Ok(Seen::Complete)),
        ])
    };
    assert_eq!(seen(10), (Status::Degraded, vec![(Cause::DnsSlow, Role::Contributing)]));
    assert_eq!(seen(1_900).0, Status::Healthy);
}

#[test]
fn a_folder_of_certificates_is_looked_into_in_the_place_of_the_store() {
    let folder = || state("env.SSL_CERT_DIR", "/opt/certs");
    let none = || reference(Stage::Config, path(API), Err(Failure::Config(ConfigFault::NoRoots)));
    assert_eq!(verdict(vec![none()]).1, [(Cause::ConfigCaStoreEmpty, Role::Root)]);
    assert_eq!(verdict(vec![folder(), none()]).1, [(Cause::ConfigCaFileMissing, Role::Root)]);
    let by = |trust| Path { trust: Some(trust), ..path(API) };
    let unknown = || Err(Failure::Cert(CertFault::UnknownIssuer));
    let well = || Ok(Seen::Handshake { version: 13, alpn: None, issuer: Foreign::default() });
    let seen = |own: Vec<Fact>| {
        let facts = vec![
            reference(Stage::Handshake, by(Trust::System), unknown()),
            fact(Stage::Handshake, by(Trust::Public), well()),
            fact(Stage::Handshake, by(Trust::System), unknown()),
        ];
        verdict([own, facts].concat()).1
    };
    assert_eq!(seen(vec![]), [(Cause::ConfigCaStoreEmpty, Role::Root)]);
    assert_eq!(seen(vec![folder()]), [(Cause::ConfigCaFileReplacesRoots, Role::Root)]);
}

#[test]
fn a_redirect_after_which_the_call_is_repeated_leaves_the_verdict_open() {
    let gw = || path("gw.example");
    let said =
        |name: &str, value: &str| fact(Stage::Head, gw(), Ok(Seen::State(name.into(), Foreign::new(value))));
    let end = || reference(Stage::Head, gw(), Err(Failure::Framing(Framing::Redirect)));
    let lost = vec![end(), said("redirect", "elsewhere")];
    assert_eq!(verdict(lost.clone()).0, Status::Failing);
    let judged = judge(&Evidence::new([lost, vec![said("redirect.kept", "308")]].concat()));
    assert_eq!(judged.status, Status::Inconclusive);
    assert!(
        judged.findings.iter().all(|f| f.confidence == Confidence::Possible) && !judged.findings.is_empty()
    );
}

#[test]
fn what_a_lossy_way_does_is_laid_to_it_alone() {
    let at =
        |ip: &str, family| Path { family: Some(family), address: Some(ip.parse().unwrap()), ..path(API) };
    let (four, six) = (|| at("192.0.2.1", 4), || at("2001:db8::1", 6));
    let late = |p: Path| Fact { took: Dur::millis(1_100), ..fact(Stage::Connect, p, Ok(Seen::Connected)) };
    let quick = |p: Path| Fact { took: Dur::millis(30), ..fact(Stage::Connect, p, Ok(Seen::Connected)) };
    let well = || Ok(Seen::Handshake { version: 13, alpn: None, issuer: Foreign::default() });
    let silent = || Err(Failure::TimedOut(Limit::Handshake));
    let seen = |lost: usize| {
        let mut facts = vec![reference(Stage::Head, path(API), Err(Failure::TimedOut(Limit::FirstByte)))];
        facts.extend((0..12).map(|i| if i < lost { late(four()) } else { quick(four()) }));
        facts.push(Fact { took: Dur::millis(60), ..fact(Stage::Handshake, four(), well()) });
        facts.push(quick(six()));
        facts.push(fact(Stage::Handshake, six(), silent()));
        verdict(facts).1
    };
    assert_eq!(seen(4), [(Cause::TcpPacketLoss, Role::Root)]);
    let both = [(Cause::HttpNoResponse, Role::Root), (Cause::TcpIpv6Broken, Role::Contributing)];
    assert_eq!(seen(0), both);
}

#[test]
fn a_server_here_that_listens_on_one_family_is_well() {
    let at = |ip: &str, family| Path {
        family: Some(family),
        address: Some(ip.parse().unwrap()),
        ..path("localhost")
    };
    let own = || vec![state("base-url", "localhost"), state("base-url.loopback", "localhost")];
    let seen = |six: &str, four: &str| {
        let mut facts = own();
        facts.extend([
            reference(Stage::Stream, path("localhost"), Ok(Seen::Complete)),
            fact(Stage::Connect, at(four, 4), Ok(Seen::Connected)),
            fact(Stage::Connect, at(six, 6), Err(Failure::Refused)),
        ]);
        facts
    };
    assert_eq!(verdict(seen("::1", "127.0.0.1")), (Status::Healthy, vec![]));
    // Elsewhere somebody gave out both addresses, and one of them does not serve.
    assert_eq!(
        verdict(seen("2001:db8::1", "192.0.2.1")),
        (Status::Degraded, vec![(Cause::TcpIpv6Broken, Role::Contributing)])
    );
}

#[test]
fn nothing_seen_is_inconclusive() {
    assert_eq!(verdict(vec![]).0, Status::Inconclusive);
}

proptest::proptest! {
    /// The order of control facts, and facts of other hosts, change nothing.
    #[test]
    fn irrelevant_and_shuffled_facts_change_nothing(swap in proptest::bool::ANY, noise in 0_usize..4) {
        let file = Path { trust: Some(Trust::File("/ca.pem".into())), ..path(API) };
        let well = Ok(Seen::Handshake { version: 13, alpn: None, issuer: Foreign::default() });
        let mut controls = vec![
            fact(Stage::Handshake, Path { trust: Some(Trust::Public), ..path(API) }, well),
            state("unrelated", "x"),
        ];
        controls.extend((0..noise).map(|_| fact(Stage::Resolve, path("control.example"), Err(Failure::NoAddress))));
        if swap {
            controls.reverse();
        }
        let unknown = Err(Failure::Cert(CertFault::UnknownIssuer));
        controls.push(fact(Stage::Handshake, file.clone(), unknown.clone()));
        let mut facts = vec![reference(Stage::Handshake, file, unknown)];
        facts.extend(controls);
        proptest::prop_assert_eq!(verdict(facts).1, vec![(Cause::ConfigCaFileReplacesRoots, Role::Root)]);
    }
}
