//! Who answers in the API's place.

use clearline_model::{Cause, Dur, ErrorKind, Fact, Failure, Framing, Origin, Path, Route, Seen, Stage};

use super::{Found, Rule};
use crate::evidence::Evidence;
use crate::plan::{Goal, Probe, What};

pub(crate) const RULES: &[Rule] = &[
    Rule { cause: Cause::EdgeCaptivePortal, judge: captive_portal },
    Rule { cause: Cause::EdgeNotTheApi, judge: not_the_api },
];

/// Where the way out seems closed, or somebody else answers: who answers in clear, where a portal would.
pub(crate) fn plan(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    const LIMIT: Dur = Dur::secs(2);
    let Some((fact, _)) = evidence.end() else { return Vec::new() };
    let is_early = matches!(fact.stage, Stage::Resolve | Stage::Connect | Stage::Handshake);
    if goal.only_target || goal.is_loopback || goal.proxy.is_some() || !is_early {
        return Vec::new();
    }
    let plain = |host: &String| {
        let path = Path { host: host.clone(), port: Some(80), route: Some(Route::Direct), ..Path::default() };
        Probe::new(What::Plain, path, LIMIT, &[Cause::EdgeCaptivePortal])
    };
    goal.controls.iter().map(plain).collect()
}

/// What hosts that have nothing to do with the target answer in clear is a redirect to somebody else, or a portal's page.
fn captive_portal(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end()?;
    if let Some(found) = portal_of_a_proxy(evidence, fact, failure) {
        return Some(found);
    }
    let is_early = matches!(fact.stage, Stage::Resolve | Stage::Connect | Stage::Handshake);
    if !is_early || fact.path.route != Some(Route::Direct) {
        return None;
    }
    let led_away = evidence.at(Stage::Head).find(|f| {
        let is_control = f.path.port == Some(80) && f.path.host != fact.path.host;
        is_control && is_led_away(&f.path.host, &f.saw)
    });
    let says_so = evidence
        .said("plain.answer")
        .find(|(f, text)| f.path.host != fact.path.host && text.raw().contains("Portal"))
        .map(|(f, _)| f);
    let shown = led_away.or(says_so).or_else(|| page_for_everybody(evidence, &fact.path.host))?;
    let mut found = Found::root(fact);
    found.proof.push(clearline_model::Proof::One(shown.id));
    Some(found)
}

/// What no site has is there at every one of them: somebody else answers in their place.
fn page_for_everybody<'a>(evidence: &'a Evidence, target: &str) -> Option<&'a Fact> {
    let answers = || {
        evidence.at(Stage::Head).filter(|f| {
            let is_control = f.path.port == Some(80) && f.path.host != target && f.path.client.is_none();
            is_control && matches!(f.saw, Ok(Seen::Head { .. }))
        })
    };
    let is_page = |f: &Fact| matches!(f.saw, Ok(Seen::Head { status: 200, .. }));
    let hosts: std::collections::BTreeSet<&str> = answers().map(|f| f.path.host.as_str()).collect();
    let first = answers().next()?;
    (hosts.len() > 1 && answers().all(is_page)).then_some(first)
}

/// The proxy grants no tunnel and leads elsewhere, whatever host is asked for: somebody has to log in first.
fn portal_of_a_proxy(evidence: &Evidence, fact: &Fact, failure: Failure) -> Option<Found> {
    let leads_away = |failure: Failure| matches!(failure, Failure::Tunnel(300..=399 | 511));
    if fact.stage != Stage::Tunnel || !leads_away(failure) {
        return None;
    }
    let others = || {
        let is_other = |f: &&Fact| f.path.host != fact.path.host && f.path.route == fact.path.route;
        evidence.at(Stage::Tunnel).filter(is_other).filter(|f| !matches!(f.saw, Ok(Seen::State(..))))
    };
    if others().any(|f| !f.saw.as_ref().err().is_some_and(|f| leads_away(*f))) {
        return None;
    }
    let mut found = Found::root(fact);
    found.proof.extend(others().next().map(|f| clearline_model::Proof::One(f.id)));
    Some(if others().next().is_some() { found } else { found.likely() })
}

/// Whether an answer leads from a host to another one that is not its own: sites redirect within their domain.
fn is_led_away(host: &str, saw: &Result<Seen, Failure>) -> bool {
    let Ok(Seen::Head { status, headers }) = saw else { return false };
    if *status == 511 {
        return true;
    }
    let location = headers.iter().find(|(name, _)| name == "location").map(|(_, v)| v.raw());
    let Some((_, rest)) = location.and_then(|l| l.split_once("://")) else { return false };
    let to = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let to = to.rsplit_once(':').map_or(to, |(name, _)| name).to_ascii_lowercase();
    (300..400).contains(status) && domain(&to) != domain(&host.to_ascii_lowercase())
}

/// The last two labels of a name.
fn domain(host: &str) -> Vec<&str> {
    host.rsplit('.').take(2).collect()
}

/// What answers, with and without a key, does not answer as the API does.
fn not_the_api(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end().filter(|(f, _)| matches!(f.stage, Stage::Head | Stage::Body))?;
    if let Some(found) = refused_by_another(evidence, fact, failure) {
        return Some(found);
    }
    let is_other = matches!(
        failure,
        Failure::Framing(Framing::NotMessage | Framing::Empty | Framing::Redirect)
            | Failure::Status(_, ErrorKind::None, Origin::Gateway)
    );
    let keyless = evidence.find(|f| {
        f.stage == Stage::Head
            && f.path.credential.as_deref() == Some("")
            && matches!(f.saw, Err(Failure::Framing(_)))
    })?;
    is_other.then(|| {
        let mut found = Found::root(fact);
        found.proof.push(clearline_model::Proof::One(keyless.id));
        found
    })
}

/// At the API's own address somebody refuses the call who gives no reason and bears none of its marks, and refuses one without a key
/// just so: then it is not about the key, and not the API.
fn refused_by_another(evidence: &Evidence, fact: &Fact, failure: Failure) -> Option<Found> {
    let Failure::Status(status @ (400 | 402..=404 | 410 | 418 | 451), ErrorKind::None, Origin::Gateway) =
        failure
    else {
        return None;
    };
    let keyless = evidence.find(|f| {
        let is_same =
            matches!(f.saw, Err(Failure::Status(own, ErrorKind::None, Origin::Gateway)) if own == status);
        is_same && f.stage == Stage::Head && f.path.credential.as_deref().unwrap_or_default().is_empty()
    })?;
    let is_keyed = fact.path.credential.as_deref().is_some_and(|c| !c.is_empty());
    (fact.path.host == super::dns::API && is_keyed).then(|| {
        let mut found = Found::root(fact);
        found.proof.push(clearline_model::Proof::One(keyless.id));
        found
    })
}

#[cfg(test)]
mod tests {
    use clearline_model::Foreign;

    use super::*;

    #[test]
    fn a_redirect_within_the_domain_leads_nowhere_else() {
        for (status, location, expected) in [
            (302, "http://portal.hotel.example/login", true),
            (301, "https://www.example.com/", false),
            (301, "https://example.com/", false),
            (302, "/login", false),
            (200, "http://portal.hotel.example/", false),
            (511, "", true),
        ] {
            let headers = vec![("location".to_owned(), Foreign::new(location))];
            assert_eq!(
                is_led_away("example.com", &Ok(Seen::Head { status, headers })),
                expected,
                "{location}"
            );
        }
    }
}
