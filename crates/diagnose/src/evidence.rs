//! The facts of one diagnosis, and the questions that rules ask of them.

use std::net::IpAddr;

use clearline_model::{Axis, Fact, FactId, Failure, Foreign, Icmp, Path, Seen, Source, Stage};

/// The name of the client whose call is judged.
pub const REFERENCE: &str = "reference";

/// Facts in the order in which they were seen.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    facts: Vec<Fact>,
}

impl Evidence {
    /// Takes facts over; their ids become their places.
    #[must_use]
    pub fn new(facts: Vec<Fact>) -> Self {
        let place =
            |(i, fact): (usize, Fact)| Fact { id: FactId(u32::try_from(i).unwrap_or(u32::MAX)), ..fact };
        Self { facts: facts.into_iter().enumerate().map(place).collect() }
    }

    /// All of them.
    #[must_use]
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: FactId) -> Option<&Fact> {
        self.facts.get(usize::try_from(id.0).ok()?)
    }

    /// What the reference client met on its last attempt, in the order of the stages.
    pub(crate) fn reference(&self) -> impl Iterator<Item = &Fact> {
        let last = self.attempts().map(attempt).max().unwrap_or_default();
        self.attempts().filter(move |f| attempt(f) == last)
    }

    /// What it met on all its attempts: it tries again where a connection is lost, as the official SDKs do.
    pub(crate) fn attempts(&self) -> impl Iterator<Item = &Fact> {
        self.facts.iter().filter(|f| f.path.client.as_deref() == Some(REFERENCE))
    }

    /// Where its call ends.
    pub(crate) fn end(&self) -> Option<(&Fact, Failure)> {
        let ended = self.reference().find(|f| f.saw.is_err() && !self.is_passed_by(f))?;
        Some((ended, ended.saw.as_ref().err().copied()?))
    }

    /// Whether the reference client went on to another address after this failure, and got further there: to a connection, or
    /// out of this machine at all.
    fn is_passed_by(&self, failed: &Fact) -> bool {
        let no_way = |f: &Fact| f.saw == Err(Failure::Unreachable(Icmp::NoRoute));
        let is_later = |f: &&Fact| {
            f.id > failed.id && f.stage == Stage::Connect && (f.saw.is_ok() || (no_way(failed) && !no_way(f)))
        };
        failed.stage == Stage::Connect && self.reference().any(|f| is_later(&f))
    }

    /// The first fact that fits.
    pub(crate) fn find(&self, fits: impl Fn(&Fact) -> bool) -> Option<&Fact> {
        self.facts.iter().find(|f| fits(f))
    }

    /// What a setting, file or other state of this machine says.
    pub(crate) fn state(&self, name: &str) -> Option<(&Fact, &Foreign)> {
        self.facts.iter().filter(|f| f.from == Source::Host).find_map(|f| match &f.saw {
            Ok(Seen::State(own, value)) if own == name => Some((f, value)),
            Ok(_) | Err(_) => None,
        })
    }

    /// Everything that was said under this name, wherever it was seen.
    pub(crate) fn said<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Fact, &'a Foreign)> {
        self.facts.iter().filter_map(move |f| match &f.saw {
            Ok(Seen::State(own, value)) if own == name => Some((f, value)),
            Ok(_) | Err(_) => None,
        })
    }

    /// What was seen at a stage, by probes and the reference client alike.
    pub(crate) fn at(&self, stage: Stage) -> impl Iterator<Item = &Fact> {
        self.facts.iter().filter(move |f| f.stage == stage)
    }

    /// The addresses that the reference client was given.
    pub(crate) fn addresses(&self) -> &[IpAddr] {
        let found = self.reference().find_map(|f| match &f.saw {
            Ok(Seen::Addresses(all)) => Some(all.as_slice()),
            Ok(_) | Err(_) => None,
        });
        found.unwrap_or_default()
    }

    /// The control experiment: a fact of the same stage whose path differs in this axis alone, and which went well.
    pub(crate) fn flip(&self, fact: &Fact, axis: Axis) -> Option<&Fact> {
        let bare = |path: &Path| Path { client: None, ..path.clone() };
        let own = bare(&fact.path);
        self.facts.iter().find(|other| {
            // A handshake that took any certificate says nothing of a store.
            let is_judged = axis != Axis::Trust || other.path.trust.is_some();
            let is_well = other.stage == fact.stage && other.saw.is_ok();
            is_well && is_judged && bare(&other.path).differs(&own) == [axis]
        })
    }

    /// Whether the reference call reached this stage and passed it.
    pub(crate) fn passed(&self, stage: Stage) -> Option<&Fact> {
        self.reference().find(|f| f.stage == stage && f.saw.is_ok())
    }
}

/// What a variable of the environment was set to, as far as it was written down.
pub(crate) fn env<'a>(evidence: &'a Evidence, name: &str) -> Option<&'a str> {
    let name = format!("env.{name}");
    evidence.state(&name).map(|(_, value)| value.raw())
}

/// The number of the attempt that a fact belongs to; 0 where there is only one.
const fn attempt(fact: &Fact) -> u16 {
    if let Source::Attempt(_, n) = fact.from { n } else { 0 }
}

#[cfg(test)]
mod tests {
    use clearline_model::{Dur, Mono, ProbeId, Route, Sent};

    use super::*;

    fn fact(route: Route, saw: Result<Seen, Failure>, client: Option<&str>) -> Fact {
        Fact {
            id: FactId(0),
            from: Source::Probe(ProbeId(0)),
            path: Path {
                host: "a".into(),
                route: Some(route),
                client: client.map(str::to_owned),
                ..Path::default()
            },
            stage: Stage::Connect,
            saw,
            sent: Sent::No,
            at: Mono(0),
            took: Dur(0),
        }
    }

    #[test]
    fn a_flip_differs_in_one_axis_and_went_well() {
        let proxied = fact(Route::Proxy("p".into()), Err(Failure::Refused), Some(REFERENCE));
        let direct = fact(Route::Direct, Ok(Seen::Connected), None);
        let evidence = Evidence::new(vec![proxied, direct]);
        let (end, failure) = evidence.end().unwrap();
        assert_eq!(failure, Failure::Refused);
        assert_eq!(evidence.flip(end, Axis::Route).map(|f| f.id), Some(FactId(1)));
        assert!(evidence.flip(end, Axis::Family).is_none());
    }
}
