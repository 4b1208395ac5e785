//! The rules, one file a layer. A rule looks at facts and names one cause, or keeps silent.

mod address;
mod clock;
mod cloud;
mod config;
pub(crate) mod dns;
mod edge;
pub(crate) mod flow;
mod gateway;
mod http;
mod net;
pub(crate) mod origin;
mod proxy;
mod stream;
mod tcp;
mod tls;
mod witness;

use clearline_model::{Cause, Confidence, Dur, Fact, Finding, Path, Proof, Role};

use crate::evidence::Evidence;
use crate::plan::{Goal, Probe, What};

/// Says which probes a layer wants next.
pub(crate) type Planner = fn(&Goal, &Evidence) -> Vec<Probe>;

/// The first step, and then a planner for each layer.
pub(crate) const fn planners() -> &'static [Planner] {
    &[
        first,
        dns::plan,
        net::plan,
        clock::plan,
        tcp::plan,
        proxy::plan,
        tls::plan,
        tls::large_plan,
        edge::plan,
        gateway::plan,
        http::plan,
        stream::plan,
        cloud::plan,
        crate::client::plan,
    ]
}

/// What is worth asking before the call has ended.
pub(crate) fn meanwhile(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    dns::meanwhile(goal, evidence)
}

/// How often every address is tried on a path that works: enough to see one fault in five.
const TRIES: u8 = 6;

/// The reference client's call; beside it, what costs nothing while it runs: every resolver, every address.
fn first(goal: &Goal, _: &Evidence) -> Vec<Probe> {
    const LIMIT: Dur = Dur::secs(5);
    let mut all = vec![Probe::new(What::Reference, goal.path(), LIMIT, &[])];
    all.push(Probe::new(What::Host, Path::default(), LIMIT, &[]).background());
    all.extend(http::background(goal));
    let is_name = goal.host.parse::<std::net::IpAddr>().is_err() && !goal.is_loopback;
    if goal.proxy.is_some() {
        all.extend(proxy::background(goal));
        return all;
    }
    // Less than the reference client waits for an address: by its end it is known which others do not answer.
    all.push(Probe::new(What::Addresses, goal.direct(), Dur::secs(2), &[]).times(TRIES).background());
    if !goal.is_plain {
        all.extend(tls::background(goal));
    }
    for resolver in goal.resolvers.iter().filter(|_| is_name) {
        for family in [4, 6] {
            let path = Path { resolver: Some(*resolver), family: Some(family), ..goal.direct() };
            all.push(Probe::new(What::Lookup, path, LIMIT, &[]).times(2).background());
        }
    }
    all
}

/// One rule.
pub(crate) struct Rule {
    /// The cause that it names.
    pub(crate) cause: Cause,
    /// How it judges.
    pub(crate) judge: fn(&Evidence) -> Option<Found>,
}

/// What a rule found.
pub(crate) struct Found {
    pub(crate) role: Role,
    pub(crate) confidence: Confidence,
    pub(crate) proof: Vec<Proof>,
}

impl Found {
    /// The call fails for it, by this fact.
    pub(crate) fn root(fact: &Fact) -> Self {
        Self { role: Role::Root, confidence: Confidence::Certain, proof: vec![Proof::One(fact.id)] }
    }

    /// It makes the call worse, or fails other clients.
    pub(crate) fn contributing(fact: &Fact) -> Self {
        Self { role: Role::Contributing, ..Self::root(fact) }
    }

    /// Worth knowing.
    pub(crate) fn information(fact: &Fact) -> Self {
        Self { role: Role::Information, ..Self::root(fact) }
    }

    /// The control experiment that proves it.
    pub(crate) fn flipped(mut self, with: Option<&Fact>, axis: clearline_model::Axis) -> Self {
        if let (Some(Proof::One(own)), Some(other)) = (self.proof.first().cloned(), with) {
            self.proof = vec![Proof::Flip(own, other.id, axis)];
        }
        self
    }

    /// So many of so many.
    pub(crate) fn rate(mut self, n: usize, of: usize) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        if let Some(Proof::One(own)) = self.proof.first().cloned() {
            self.proof = vec![Proof::Rate(own, number(n), number(of))];
        }
        self
    }

    pub(crate) const fn likely(mut self) -> Self {
        self.confidence = Confidence::Likely;
        self
    }

    fn finding(self, cause: Cause) -> Finding {
        Finding { cause, role: self.role, confidence: self.confidence, proof: self.proof }
    }
}

/// All rules, in the order in which their findings would have to be fixed.
pub(crate) fn all() -> impl Iterator<Item = &'static Rule> {
    let own = [
        config::RULES,
        clock::RULES,
        net::RULES,
        tcp::RULES,
        flow::RULES,
        proxy::RULES,
        tls::RULES,
        http::RULES,
        gateway::RULES,
        edge::RULES,
        stream::RULES,
        cloud::RULES,
    ];
    dns::rules().chain(own.into_iter().flatten())
}

/// What the rules find.
pub(crate) fn findings(evidence: &Evidence) -> Vec<Finding> {
    let mut all: Vec<Finding> =
        all().filter_map(|rule| Some((rule.judge)(evidence)?.finding(rule.cause))).collect();
    for finding in &mut all {
        witness::add(evidence, finding);
        origin::add(evidence, finding);
    }
    all
}
