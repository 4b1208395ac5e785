//! The facts of one diagnosis, and the questions that rules ask of them.

use clearline_model::{Axis, Fact, FactId, Failure, Foreign, Path, Seen, Source, Stage};

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

    /// What the reference client met, in the order of the stages.
    pub(crate) fn reference(&self) -> impl Iterator<Item = &Fact> {
        self.facts.iter().filter(|f| f.path.client.as_deref() == Some(REFERENCE))
    }

    /// Where its call ends.
    pub(crate) fn end(&self) -> Option<(&Fact, Failure)> {
        self.reference().find_map(|f| Some((f, f.saw.as_ref().err().copied()?)))
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

    /// The control experiment: a fact of the same stage whose path differs in this axis alone, and which went well.
    pub(crate) fn flip(&self, fact: &Fact, axis: Axis) -> Option<&Fact> {
        let bare = |path: &Path| Path { client: None, ..path.clone() };
        let own = bare(&fact.path);
        self.facts.iter().find(|other| {
            other.stage == fact.stage && other.saw.is_ok() && bare(&other.path).differs(&own) == [axis]
        })
    }

    /// Whether the reference call reached this stage and passed it.
    pub(crate) fn passed(&self, stage: Stage) -> Option<&Fact> {
        self.reference().find(|f| f.stage == stage && f.saw.is_ok())
    }
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
