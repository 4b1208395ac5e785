//! What speaks for a cause, and how strongly.

use std::collections::BTreeMap;

use clearline_model::{Cause, Confidence};

/// The strength of typed proof: a code that means one thing.
pub(crate) const TYPED: u16 = 900;
/// The strength of a sentence that only one failure prints.
pub(crate) const SPECIFIC: u16 = 700;
/// The strength of a word that several failures share.
pub(crate) const SHARED: u16 = 400;
/// The strength of a status without anything else.
pub(crate) const STATUS: u16 = 300;
/// The strength of a guess from what is missing.
pub(crate) const WEAK: u16 = 100;

/// The causes with the best that speaks for each.
#[derive(Debug, Default)]
pub(crate) struct Found(BTreeMap<Cause, u16>);

impl Found {
    /// Notes that something speaks for these causes, for the first one most.
    pub(crate) fn note(&mut self, causes: &[Cause], strength: u16) {
        for (i, cause) in causes.iter().enumerate() {
            let less = u16::try_from(i).unwrap_or(u16::MAX).saturating_mul(20);
            let strength = strength.saturating_sub(less).max(1);
            let best = self.0.entry(*cause).or_default();
            *best = (*best).max(strength);
        }
    }

    /// Removes a cause.
    pub(crate) fn drop(&mut self, cause: Cause) {
        self.0.remove(&cause);
    }

    pub(crate) fn strength(&self, cause: Cause) -> u16 {
        self.0.get(&cause).copied().unwrap_or(0)
    }

    /// The causes, the best first, with how sure each is.
    pub(crate) fn ranked(&self) -> Vec<(Cause, Confidence)> {
        let mut all: Vec<(Cause, u16)> = self.0.iter().map(|(cause, n)| (*cause, *n)).collect();
        all.sort_by_key(|(cause, n)| (std::cmp::Reverse(*n), *cause));
        let best = all.first().map_or(0, |(_, n)| *n);
        let rivals = all.iter().filter(|(_, n)| *n + 30 > best).count();
        let confidence = |n: u16| match n {
            _ if n >= TYPED && n == best && rivals == 1 => Confidence::Certain,
            _ if n >= SHARED && n + 30 > best => Confidence::Likely,
            _ => Confidence::Possible,
        };
        all.into_iter().map(|(cause, n)| (cause, confidence(n))).collect()
    }
}
