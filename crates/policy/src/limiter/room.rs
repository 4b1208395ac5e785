//! How much room there is: between two refusals nothing was left over, so what was let in between them is all that there was.

use std::collections::VecDeque;

use clearline_model::{Dur, Mono};

/// From a refusal that long ago, at least and at most, to this one: what a shorter time says is chance, a longer one is past.
const LEAST: Dur = Dur::millis(1_500);
const MOST: Dur = Dur::secs(20);
/// With fewer let in than this it says nothing.
const ENOUGH: u64 = 8;
/// So many refusals are kept.
const MARKS: usize = 16;

/// What was let in since each of the latest refusals.
#[derive(Debug, Clone, Default)]
pub(super) struct Room {
    let_in: u64,
    marks: VecDeque<(Mono, u64)>,
}

impl Room {
    pub(super) const fn started(&mut self) {
        self.let_in += 1;
    }

    pub(super) fn refused(&mut self, now: Mono) {
        self.let_in = self.let_in.saturating_sub(1);
        if self.marks.len() == MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back((now, self.let_in));
    }

    /// What was let in a second up to the latest refusal, thousandths, as far as refusals tell it.
    pub(super) fn known(&self) -> Option<u64> {
        let (last, let_in) = self.marks.back()?;
        let tells = |(at, before): &&(Mono, u64)| {
            (LEAST..=MOST).contains(&last.since(*at)) && let_in.saturating_sub(*before) >= ENOUGH
        };
        let (first, before) = self.marks.iter().find(tells)?;
        Some(let_in.saturating_sub(*before) * 1_000_000_000 / last.since(*first).0.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many let in between one refusal and the next, each so many milliseconds after the one before.
    fn after(spans: &[(u64, u64)]) -> Option<u64> {
        let (mut room, mut at) = (Room::default(), 0);
        for (let_in, ms) in spans {
            (0..*let_in + 1).for_each(|_| room.started());
            at += ms * 1_000;
            room.refused(Mono(at));
        }
        room.known()
    }

    #[test]
    fn what_was_let_in_between_two_refusals_is_the_room() {
        assert_eq!(after(&[(0, 1_000), (12, 3_000)]), Some(4_000));
        assert_eq!(
            after(&[(0, 1_000), (12, 3_000), (0, 100)]),
            Some(12_000 * 100 / 310),
            "up to the latest one"
        );
    }

    #[test]
    fn too_short_a_time_or_too_long_a_one_says_nothing() {
        assert_eq!(after(&[(5, 1_000)]), None, "one alone");
        assert_eq!(after(&[(0, 1_000), (9, 1_000)]), None);
        assert_eq!(after(&[(0, 1_000), (3, 3_000)]), None);
        assert_eq!(after(&[(0, 1_000), (90, 30_000)]), None);
    }
}
