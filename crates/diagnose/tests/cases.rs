//! Every recorded case gives its verdict, and nothing that does not matter changes it.
#![expect(clippy::disallowed_methods, reason = "a test reads its cases")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path as File, PathBuf};

use clearline_diagnose::{Evidence, emitted, judge};
use clearline_model::{
    Dur, Fact, FactId, Foreign, Mono, Path, Role, Route, Seen, Sent, Source, Stage, Verdict,
};
use serde_json::Value;

/// The reference client, as paths name it.
const REFERENCE: Option<&str> = Some(clearline_diagnose::REFERENCE);
/// The API's own name.
const API: &str = "api.anthropic.com";

struct Case {
    name: String,
    status: String,
    causes: Vec<(String, String)>,
    near: Vec<String>,
    facts: Vec<Fact>,
}

fn folder() -> PathBuf {
    File::new(env!("CARGO_MANIFEST_DIR")).join("../../cases")
}

fn cases() -> Vec<Case> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<Case> =
        files.filter(|p| p.extension().is_some_and(|e| e == "json")).map(|p| read(&p)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn read(path: &File) -> Case {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(value["schema"], "clearline.case/1", "{name}");
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let pair = |v: &Value| (text(&v[0]), text(&v[1]));
    Case {
        status: text(&value["expect"]["status"]),
        causes: value["expect"]["causes"].as_array().unwrap().iter().map(pair).collect(),
        near: value["near"].as_array().map(|a| a.iter().map(text).collect()).unwrap_or_default(),
        facts: serde_json::from_value(value["facts"].clone()).unwrap_or_else(|e| panic!("{name}: {e}")),
        name,
    }
}

fn told(verdict: &Verdict) -> (String, Vec<(String, String)>) {
    let word = |value: Value| value.as_str().unwrap().to_owned();
    let role = |role: Role| word(serde_json::to_value(role).unwrap());
    let counted = verdict.findings.iter().filter(|f| f.role != Role::Information);
    let causes = counted.map(|f| (f.cause.id().to_owned(), role(f.role))).collect();
    (word(serde_json::to_value(verdict.status).unwrap()), causes)
}

fn check(case: &Case, facts: Vec<Fact>, how: &str) {
    let verdict = judge(&Evidence::new(facts));
    let (status, causes) = told(&verdict);
    assert_eq!((&status, &causes), (&case.status, &case.causes), "{} {how}", case.name);
    let spoken: Vec<&str> = verdict.findings.iter().map(|f| f.cause.id()).collect();
    for near in &case.near {
        assert!(!spoken.contains(&near.as_str()), "{} {how}: {near} is only near", case.name);
    }
}

#[test]
fn every_case_has_its_verdict() {
    let all = cases();
    assert!(!all.is_empty(), "no case was found");
    for case in all {
        check(&case, case.facts.clone(), "as recorded");
    }
}

/// The reference client's facts keep their order, which is that of the call; all others may come as they like.
#[test]
fn the_order_of_the_probes_changes_nothing() {
    for case in cases() {
        for seed in 1..=3_u64 {
            let (own, mut others): (Vec<Fact>, Vec<Fact>) =
                case.facts.clone().into_iter().partition(|f| f.path.client.as_deref() == REFERENCE);
            let mut state = seed;
            for i in (1..others.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                others.swap(i, usize::try_from(state >> 33).unwrap() % (i + 1));
            }
            others.extend(own);
            check(&case, others, "shuffled");
        }
    }
}

#[test]
fn facts_that_have_nothing_to_do_with_it_change_nothing() {
    let noise = |stage, saw| Fact {
        id: FactId(0),
        from: Source::Host,
        path: Path { host: "unrelated.invalid".to_owned(), route: Some(Route::Direct), ..Path::default() },
        stage,
        saw,
        sent: Sent::No,
        at: Mono(0),
        took: Dur(1),
    };
    for case in cases() {
        let mut facts = case.facts.clone();
        facts.push(noise(Stage::Config, Ok(Seen::State("weather".to_owned(), Foreign::new("fine")))));
        facts.push(noise(Stage::Stream, Ok(Seen::Complete)));
        check(&case, facts, "with noise");
    }
}

/// Configured hosts have other names elsewhere; the API's own name is what it is.
#[test]
fn other_names_change_nothing() {
    let is_own = |h: &String| {
        h.parse::<IpAddr>().is_err() && !h.is_empty() && h != "localhost" && h.trim_end_matches('.') != API
    };
    for case in cases() {
        let hosts: BTreeSet<String> = case.facts.iter().map(|f| f.path.host.clone()).filter(is_own).collect();
        let mut text = serde_json::to_string(&case.facts).unwrap();
        for (i, host) in hosts.iter().enumerate() {
            text = text.replace(host.trim_end_matches('.'), &format!("h{i}.renamed.example"));
        }
        check(&case, serde_json::from_str(&text).unwrap(), "renamed");
    }
}

/// Private networks are numbered otherwise elsewhere; every other range has a meaning of its own.
#[test]
fn other_addresses_change_nothing() {
    for case in cases() {
        let other = |f: &Fact| Fact { path: moved(&f.path), saw: f.saw.clone().map(seen), ..f.clone() };
        check(&case, case.facts.iter().map(other).collect(), "renumbered");
    }
}

fn moved(path: &Path) -> Path {
    Path { address: path.address.map(shift), resolver: path.resolver.map(shift), ..path.clone() }
}

fn seen(seen: Seen) -> Seen {
    match seen {
        Seen::Addresses(all) => Seen::Addresses(all.into_iter().map(shift).collect()),
        Seen::State(name, says) => Seen::State(name, Foreign::new(&words(says.raw()))),
        other @ (Seen::Connected
        | Seen::Tunnelled(_)
        | Seen::Handshake { .. }
        | Seen::Shown(_)
        | Seen::Head { .. }
        | Seen::Complete
        | Seen::Paced(_)) => other,
    }
}

/// The same for the addresses and networks in a text.
fn words(text: &str) -> String {
    let word = |word: &str| {
        let (ip, rest) = word.split_once('/').map_or((word, None), |(ip, length)| (ip, Some(length)));
        let Ok(ip) = ip.parse::<IpAddr>() else { return word.to_owned() };
        let ip = shift(ip).to_string();
        rest.map_or_else(|| ip.clone(), |length| format!("{ip}/{length}"))
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// 10.a.b.c becomes 10.(a+1).b.c, and fd00::/8 likewise.
fn shift(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) if v4.octets()[0] == 10 => {
            let [a, b, c, d] = v4.octets();
            IpAddr::V4(Ipv4Addr::new(a, b.wrapping_add(1), c, d))
        }
        IpAddr::V6(v6) if v6.segments()[0] & 0xFE00 == 0xFC00 => {
            let mut segments = v6.segments();
            segments[1] = segments[1].wrapping_add(1);
            IpAddr::V6(Ipv6Addr::from(segments))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => ip,
    }
}

/// What people meet most has been seen: a cause counts when a diagnosis under its condition was recorded.
#[test]
fn at_least_sixty_causes_were_recorded() {
    let recorded: BTreeSet<String> = cases().into_iter().flat_map(|c| c.causes).map(|(id, _)| id).collect();
    assert!(recorded.len() >= 60, "{}: {recorded:?}", recorded.len());
}

/// The rules that lack a case in which they speak, or one in which they keep silent although they are near, stand in
/// `cases/lacking.txt`, a line each. That list may only shrink.
#[test]
fn every_rule_has_a_case_and_a_near_miss() {
    let all = cases();
    let spoken: BTreeSet<&str> =
        all.iter().flat_map(|c| c.causes.iter().map(|(id, _)| id.as_str())).collect();
    let near: BTreeSet<&str> = all.iter().flat_map(|c| c.near.iter().map(String::as_str)).collect();
    let mut lacking = Vec::new();
    for cause in emitted() {
        if !spoken.contains(cause.id()) {
            lacking.push(format!("{} case", cause.id()));
        }
        if !near.contains(cause.id()) {
            lacking.push(format!("{} near-miss", cause.id()));
        }
    }
    let listed = std::fs::read_to_string(folder().join("lacking.txt")).unwrap();
    let listed: Vec<&str> = listed.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    assert_eq!(lacking, listed, "cases/lacking.txt does not say what is lacking");
}
