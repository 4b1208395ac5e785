//! The families of models that calls name, numbered.

use clearline_model::Foreign;
use clearline_wire::model_family;

/// Families that are told apart; more share the lane of calls without a model.
const FAMILIES_MAX: usize = 64;
/// Names whose numbers are remembered: programs use few.
const NAMES_MAX: usize = 8;

/// Families by number, from 1.
#[derive(Debug, Default)]
pub(crate) struct Families {
    known: Vec<String>,
    /// Names that came lately, and the next one to be forgotten.
    names: Vec<(Foreign, u16)>,
    oldest: usize,
}

impl Families {
    /// The number of a model's family; 0 where there is no room for another.
    pub(crate) fn number(&mut self, model: &Foreign) -> u16 {
        if let Some((_, number)) = self.names.iter().find(|(name, _)| name == model) {
            return *number;
        }
        let number = self.of(model_family(model.raw()));
        if self.names.len() < NAMES_MAX {
            self.names.push((model.clone(), number));
        } else if let Some(place) = self.names.get_mut(self.oldest) {
            *place = (model.clone(), number);
            self.oldest = (self.oldest + 1) % NAMES_MAX;
        }
        number
    }

    fn of(&mut self, family: &str) -> u16 {
        let place = self.known.iter().position(|known| known == family).or_else(|| {
            (self.known.len() < FAMILIES_MAX).then(|| {
                self.known.push(family.to_owned());
                self.known.len() - 1
            })
        });
        place.and_then(|place| u16::try_from(place + 1).ok()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_keeps_its_number_however_many_names_come() {
        let mut families = Families::default();
        let mut number = |model: &str| families.number(&Foreign::new(model));
        for round in 0..3 {
            for n in 1..=20 {
                assert_eq!(number(&format!("claude-{n}")), n);
                assert_eq!(number(&format!("claude-{n}-2025010{round}")), n);
            }
        }
        for n in 21..=64 {
            assert_eq!(number(&format!("claude-{n}")), n);
        }
        assert_eq!((number("claude-65"), number("claude-66"), number("claude-64")), (0, 0, 64));
        assert!(families.names.len() <= NAMES_MAX && families.known.len() == FAMILIES_MAX);
    }
}
