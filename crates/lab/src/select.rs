//! Which conditions are run, and with which seeds.

use clap::Args;

use crate::Problem;
use crate::fault::{Catalogue, Fault, Joins, join};
use crate::names::Dice;

/// What was chosen on the command line.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Choice {
    /// Conditions; A++B joins two
    ids: Vec<String>,
    /// All of this layer
    #[arg(long)]
    layer: Vec<String>,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds each is run with
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// So many conditions, spread over all layers
    #[arg(long, value_name = "N")]
    spread: Option<usize>,
    /// So many pairs of two faults, drawn from the seed, besides
    #[arg(long, value_name = "N", default_value_t = 0)]
    pairs: usize,
}

impl Choice {
    /// The conditions with their seeds, in order.
    ///
    /// # Errors
    /// An unknown name, or nothing chosen where something has to be.
    pub(crate) fn work(
        &self,
        catalogue: &Catalogue,
        must_choose: bool,
    ) -> Result<Vec<(Fault, u64)>, Problem> {
        let mut chosen: Vec<Fault> =
            self.ids.iter().map(|id| catalogue.find(id)).collect::<Result<_, _>>()?;
        let of_layer = |f: &&Fault| self.layer.contains(&f.layer);
        if let Some(unknown) = self.layer.iter().find(|l| !catalogue.faults.iter().any(|f| f.layer == **l)) {
            return Err(format!("there is no layer \"{unknown}\"").into());
        }
        chosen.extend(catalogue.faults.iter().filter(of_layer).cloned());
        let nothing = self.ids.is_empty() && self.layer.is_empty();
        match self.spread {
            Some(n) => chosen.extend(spread(&catalogue.faults, n)),
            None if nothing && self.pairs == 0 && !must_choose => {
                chosen.extend(catalogue.faults.iter().cloned())
            }
            None => {}
        }
        let mut work = Vec::new();
        for seed in self.seed..self.seed.saturating_add(self.seeds) {
            work.extend(chosen.iter().map(|fault| (fault.clone(), seed)));
            work.extend(pairs(&catalogue.faults, seed, self.pairs).into_iter().map(|fault| (fault, seed)));
        }
        if work.is_empty() {
            return Err("no condition is named: cargo xtask lab list".into());
        }
        Ok(work)
    }
}

/// So many of all, evenly: every layer keeps its share.
fn spread(all: &[Fault], n: usize) -> Vec<Fault> {
    let n = n.min(all.len());
    (0..n).filter_map(|i| all.get(i * all.len() / n.max(1))).cloned().collect()
}

/// Pairs of a fault on the way and one in the answer, none twice.
fn pairs(all: &[Fault], seed: u64, n: usize) -> Vec<Fault> {
    let of = |kind: Joins| all.iter().filter(move |f| f.joins == Some(kind));
    let mut every: Vec<Fault> =
        of(Joins::Path).flat_map(|a| of(Joins::Answer).filter_map(move |b| join(a, b).ok())).collect();
    let mut dice = Dice::new(seed);
    let mut drawn = Vec::new();
    while drawn.len() < n && !every.is_empty() {
        let at = usize::try_from(dice.next() % 1_000_000).unwrap_or(0) % every.len();
        drawn.push(every.swap_remove(at));
    }
    drawn
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn catalogue() -> Catalogue {
        Catalogue::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab")).unwrap()
    }

    fn ids(choice: &Choice) -> Vec<String> {
        choice
            .work(&catalogue(), false)
            .unwrap()
            .into_iter()
            .map(|(f, seed)| format!("{}@{seed}", f.id))
            .collect()
    }

    #[test]
    fn what_is_named_is_run_with_every_seed() {
        let choice = Choice { ids: vec!["tls-expired".to_owned()], seed: 3, seeds: 2, ..Choice::default() };
        assert_eq!(ids(&choice), ["tls-expired@3", "tls-expired@4"]);
        assert!(
            Choice { ids: vec!["nothing".to_owned()], seeds: 1, ..Choice::default() }
                .work(&catalogue(), true)
                .is_err()
        );
        assert!(Choice { seeds: 1, ..Choice::default() }.work(&catalogue(), true).is_err());
        assert_eq!(ids(&Choice { seeds: 1, ..Choice::default() }).len(), catalogue().faults.len());
    }

    #[test]
    fn a_spread_has_something_of_every_layer() {
        let all = catalogue().faults;
        let some = spread(&all, all.len() / 2);
        let layers = |faults: &[Fault]| {
            faults.iter().map(|f| f.layer.clone()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(some.len(), all.len() / 2);
        assert_eq!(layers(&some), layers(&all));
    }

    #[test]
    fn pairs_follow_from_the_seed() {
        let choice = |seed| Choice { pairs: 3, seed, seeds: 1, ..Choice::default() };
        assert_eq!(ids(&choice(1)), ids(&choice(1)));
        assert_ne!(ids(&choice(1)), ids(&choice(2)));
        assert!(ids(&choice(1)).iter().all(|id| id.contains("++")));
    }
}
