//! Gateways that the caller uses on purpose: their paths, their redirects, their limits.

use clearline_model::{Cause, Dur, ErrorKind, Fact, Failure, Framing, Origin, Proof, Seen, Stage};

use super::{Found, Rule};
use crate::evidence::Evidence;
use crate::plan::{Goal, Probe, What};

pub(crate) const RULES: &[Rule] = &[
    Rule { cause: Cause::ConfigBaseUrlPath, judge: other_path },
    Rule { cause: Cause::GatewayRedirectLoop, judge: redirect_loop },
    Rule { cause: Cause::GatewayRateLimited, judge: rate_limited },
    Rule { cause: Cause::GatewayBadGateway, judge: says_why },
];

/// The gateway gave up on its upstream, and says for which cause.
fn says_why(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end()?;
    let has_given_up = matches!(failure, Failure::Status(502..=504, _, Origin::Gateway));
    let (said, _) = evidence.said("gateway.cause").next().filter(|_| has_given_up)?;
    let mut found = Found::root(fact);
    found.proof.push(Proof::One(said.id));
    Some(found)
}

/// Where a configured target does not know the path: under which one it serves the API.
pub(crate) fn plan(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    const LIMIT: Dur = Dur::secs(2);
    if goal.is_default || not_found(evidence).is_none() {
        return Vec::new();
    }
    vec![Probe::new(What::Paths, goal.path(), LIMIT, &[Cause::ConfigBaseUrlPath])]
}

/// The call ended with a 404 that is not the API's word on a model.
fn not_found(evidence: &Evidence) -> Option<&Fact> {
    let (fact, failure) = evidence.end()?;
    if let Failure::Status(404 | 405, kind, origin) = failure {
        let is_word = origin == Origin::Api && kind == ErrorKind::NotFound && !is_keyless_404(evidence);
        return (!is_word).then_some(fact);
    }
    let is_other =
        matches!(failure, Failure::Framing(Framing::NotMessage | Framing::Empty | Framing::Redirect));
    is_other.then_some(fact)
}

/// Without a key the path was not found either, so it was no model that is missing.
fn is_keyless_404(evidence: &Evidence) -> bool {
    evidence.at(Stage::Head).any(|f| {
        let is_404 = match &f.saw {
            Ok(Seen::Head { status, .. }) => *status == 404,
            Err(Failure::Status(status, ..)) => *status == 404,
            Ok(_) | Err(_) => false,
        };
        f.path.credential.as_deref() == Some("") && is_404
    })
}

/// The configured path is not the API's, and another one of the same host is; or the host is there and none is known.
fn other_path(evidence: &Evidence) -> Option<Found> {
    let fact = not_found(evidence)?;
    let _configured = evidence.state("base-url")?;
    // The doubled path has a rule of its own.
    if evidence.state("base-url.v1").is_some() {
        return None;
    }
    let (said, path) = evidence.said("path.serves").next()?;
    let is_404 = matches!(fact.saw, Err(Failure::Status(404, ..)));
    let mut found = Found::root(fact);
    match path.raw() {
        "none" if is_404 => Some(found.likely()),
        "none" => None,
        _ => {
            found.proof.push(Proof::One(said.id));
            Some(found)
        }
    }
}

/// What was asked for is said to lie where it was asked for.
fn redirect_loop(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end()?;
    let (said, _) = evidence.said("redirect").find(|(_, word)| word.raw() == "itself")?;
    (failure == Failure::Framing(Framing::Redirect)).then(|| {
        let mut found = Found::root(fact);
        found.proof.push(Proof::One(said.id));
        found
    })
}

/// The limit carries nothing of the API's: no name for the request, none of its limits.
fn rate_limited(evidence: &Evidence) -> Option<Found> {
    let (fact, failure) = evidence.end()?;
    let is_plain_limit =
        matches!(failure, Failure::Status(429, ErrorKind::RateLimit | ErrorKind::None, Origin::Api));
    let _configured = evidence.state("base-url")?;
    let heads = || {
        evidence.facts().iter().filter_map(|f| match &f.saw {
            Ok(Seen::Head { status: 429, headers }) => Some(headers),
            Ok(_) | Err(_) => None,
        })
    };
    let is_own = |name: &str| name == "request-id" || name.starts_with("anthropic-ratelimit-");
    let is_foreign = heads().next().is_some() && !heads().flatten().any(|(name, _)| is_own(name));
    (is_plain_limit && is_foreign).then(|| Found::root(fact).likely())
}
