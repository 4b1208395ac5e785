//! What the evidence says of one name: whom this machine asks, and what each of them answers.

use std::net::IpAddr;

use clearline_model::{Fact, Failure, Origin, Route, Seen, Stage, Transport};

use crate::evidence::Evidence;
use crate::rules::address::NOBODY;

/// What a resolver says, all of its answers together.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer<'a> {
    /// Addresses.
    Gives(&'a Fact),
    /// A code that is none of success.
    Denies(&'a Fact, u16),
    /// The name is there and has no address.
    Empty(&'a Fact),
    /// Nothing came.
    Silent(&'a Fact),
}

/// The look-ups of the name that the reference client calls.
pub(crate) struct Names<'a> {
    pub(crate) evidence: &'a Evidence,
    pub(crate) host: &'a str,
    /// The resolvers of this machine, in their order.
    pub(crate) configured: Vec<IpAddr>,
    /// Those that a resolver on this machine asks in its turn, where that is known.
    pub(crate) behind: Vec<IpAddr>,
}

impl<'a> Names<'a> {
    /// None where no name is looked up here: an address, or a proxy that does it.
    pub(crate) fn new(evidence: &'a Evidence) -> Option<Self> {
        let first = evidence.reference().find(|f| !f.path.host.is_empty())?;
        let host = first.path.host.as_str();
        if matches!(first.path.route, Some(Route::Proxy(_))) || host.parse::<IpAddr>().is_ok() {
            return None;
        }
        let (configured, behind) = (list(evidence, "resolvers"), list(evidence, "resolvers.behind"));
        Some(Self { evidence, host, configured, behind })
    }

    /// The answers of a resolver for a name.
    pub(crate) fn asked(&self, resolver: IpAddr, host: &str) -> impl Iterator<Item = &'a Fact> {
        self.evidence.at(Stage::Resolve).filter(move |f| {
            f.path.resolver == Some(resolver) && f.path.host == host && !matches!(f.saw, Ok(Seen::State(..)))
        })
    }

    /// What a resolver says of a name.
    pub(crate) fn answer(&self, resolver: IpAddr, host: &str) -> Option<Answer<'a>> {
        let facts: Vec<&Fact> = self.asked(resolver, host).collect();
        let first = |fits: &dyn Fn(&Fact) -> bool| {
            let mut fitting: Vec<&Fact> = facts.iter().copied().filter(|f| fits(f)).collect();
            fitting.sort_by_key(|f| (f.path.family, f.path.transport.is_some()));
            fitting.first().copied()
        };
        if let Some(fact) = first(&|f| f.saw.is_ok()) {
            return Some(Answer::Gives(fact));
        }
        let denies = |f: &Fact| matches!(f.saw, Err(Failure::Rcode(..)));
        if let Some(fact) = first(&denies)
            && let Err(Failure::Rcode(code, _)) = fact.saw
        {
            return Some(Answer::Denies(fact, code));
        }
        let is_cut = |f: &Fact| self.says(f, "dns.truncated").is_some();
        if let Some(fact) = first(&|f| f.saw == Err(Failure::NoAddress) && !is_cut(f)) {
            return Some(Answer::Empty(fact));
        }
        first(&|_| true).map(Answer::Silent)
    }

    /// What was said beside an answer.
    pub(crate) fn says(&self, fact: &Fact, name: &'a str) -> Option<&'a str> {
        self.evidence.said(name).find(|(f, _)| f.path == fact.path).map(|(_, value)| value.raw())
    }

    /// The first resolver that this machine asks.
    pub(crate) fn first(&self) -> Option<IpAddr> {
        self.configured.first().copied()
    }

    /// Resolvers that this machine does not ask by itself and that were asked for comparison.
    pub(crate) fn others(&self) -> Vec<IpAddr> {
        let mut all: Vec<IpAddr> = self
            .evidence
            .at(Stage::Resolve)
            .filter_map(|f| f.path.resolver)
            .filter(|ip| *ip != NOBODY && !self.configured.contains(ip))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Addresses from a resolver that this machine does not ask by itself.
    pub(crate) fn known_elsewhere(&self) -> Option<&'a Fact> {
        self.others().into_iter().find_map(|ip| match self.answer(ip, self.host) {
            Some(Answer::Gives(fact)) => Some(fact),
            Some(Answer::Denies(..) | Answer::Empty(_) | Answer::Silent(_)) | None => None,
        })
    }

    /// Whether a resolver answers for any other name: it works, and it is this name that it treats so.
    pub(crate) fn knows_controls(&self, resolver: IpAddr) -> Option<bool> {
        let controls: Vec<&Fact> = self
            .evidence
            .at(Stage::Resolve)
            .filter(|f| f.path.resolver == Some(resolver) && self.is_control(&f.path.host))
            .filter(|f| !matches!(f.saw, Ok(Seen::State(..))))
            .collect();
        (!controls.is_empty()).then(|| controls.iter().any(|f| f.saw.is_ok()))
    }

    /// Whether a name was asked for comparison: neither the target, nor what it is an alias of.
    pub(crate) fn is_control(&self, host: &str) -> bool {
        let is_alias = || self.evidence.said("dns.alias").any(|(_, v)| v.raw().trim_end_matches('.') == host);
        host.trim_end_matches('.') != self.host && !is_alias()
    }

    /// Somebody answers in the place of a resolver that does not exist: for every name, or for this one alone.
    pub(crate) fn intercepted(&self) -> Option<(&'a Fact, bool)> {
        let answered = |f: &&Fact| {
            let is_answer =
                matches!(f.saw, Ok(Seen::Addresses(_)) | Err(Failure::Rcode(..) | Failure::NoAddress));
            f.path.resolver == Some(NOBODY) && is_answer
        };
        let all: Vec<&Fact> = self.evidence.at(Stage::Resolve).filter(answered).collect();
        let control = all.iter().find(|f| self.is_control(&f.path.host));
        control.map(|f| (*f, true)).or_else(|| all.first().map(|f| (*f, false)))
    }

    /// Where the reference client's call ends, if no name was found.
    pub(crate) fn unresolved(&self) -> Option<(&'a Fact, Failure)> {
        self.evidence.end().filter(|(f, _)| f.stage == Stage::Resolve)
    }

    /// Where it ends, if the API has not answered.
    pub(crate) fn unreached(&self) -> Option<(&'a Fact, Failure)> {
        self.evidence.end().filter(|(f, failure)| match f.stage {
            Stage::Connect | Stage::Handshake | Stage::Send => true,
            Stage::Head | Stage::Body => {
                !matches!(failure, Failure::Status(_, _, Origin::Api | Origin::Edge | Origin::Gateway))
            }
            Stage::Config | Stage::Resolve | Stage::Tunnel | Stage::Stream => false,
        })
    }

    /// The reference client's own look-up.
    pub(crate) fn own(&self) -> Option<&'a Fact> {
        self.evidence.reference().find(|f| f.stage == Stage::Resolve)
    }

    /// Whether a way over TCP to this resolver was tried, and what came of it.
    pub(crate) fn over_tcp(&self, resolver: IpAddr) -> Option<&'a Fact> {
        self.asked(resolver, self.host).find(|f| f.path.transport == Some(Transport::Tcp))
    }
}

/// A list of addresses that this machine's files hold.
fn list(evidence: &Evidence, name: &str) -> Vec<IpAddr> {
    let text = evidence.state(name).map(|(_, value)| value.raw()).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// The addresses of a fact.
pub(crate) fn addresses(fact: &Fact) -> &[IpAddr] {
    match &fact.saw {
        Ok(Seen::Addresses(all)) => all,
        Ok(_) | Err(_) => &[],
    }
}

/// Whether a failure means that nothing came back.
pub(crate) const fn is_silence(failure: Failure) -> bool {
    matches!(
        failure,
        Failure::TimedOut(_) | Failure::Refused | Failure::Unreachable(_) | Failure::Reset | Failure::Eof
    )
}
