//! One limit that the headers of answers tell of: what is left of it, as far as that is known.

use clearline_model::{Dur, Mono, Window};

/// What is known only so long is not known any more.
const GOOD_FOR: Dur = Dur::secs(120);

/// One limit. Everything in thousandths of its unit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    /// In a minute; 0 where nothing is known.
    limit: u64,
    full: u64,
    left: i64,
    /// What was ever taken.
    pub(super) taken: u64,
    at: Mono,
    told: Mono,
    /// Of when the numbers are that were told last.
    as_of: Mono,
}

/// When a server counts what an attempt takes of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    /// When it lets the attempt in.
    First,
    /// Nobody knows, output for one: as much as was asked for first and less at the end, or as it is written. What it says is
    /// left is the most that there is; our own account is right in either case, unless half of the bucket is left over.
    Later,
}

pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn milli(n: u64) -> u64 {
    n.saturating_mul(1_000)
}

impl Bucket {
    pub(super) fn refill(&mut self, now: Mono) {
        if self.limit == 0 {
            return;
        }
        let gained = now.since(self.at).scale(self.limit, 60_000_000).0;
        if gained == 0 {
            return;
        }
        // The time that did not make a whole thousandth yet counts for the next one.
        self.at = self.at + Dur(gained).scale(60_000_000, self.limit);
        self.left = self.left.saturating_add(signed(gained)).min(signed(self.full));
    }

    pub(super) const fn is_known(&self, now: Mono) -> bool {
        self.limit > 0 && now.since(self.told).0 < GOOD_FOR.0
    }

    /// When there is enough; a need that is larger than the bucket waits for a full one.
    pub(super) fn ready(mut self, need: u64, now: Mono) -> Mono {
        if !self.is_known(now) {
            return now;
        }
        self.refill(now);
        let lacks = signed(milli(need).min(self.full)).saturating_sub(self.left);
        if lacks <= 0 {
            return now;
        }
        let wait = Dur(u64::try_from(lacks).unwrap_or(0)).scale(60_000_000, self.limit) + Dur(1);
        (self.at + wait).max(now + Dur(1))
    }

    pub(super) fn take(&mut self, need: u64) {
        self.left = self.left.saturating_sub(signed(milli(need)));
        self.taken = self.taken.saturating_add(milli(need));
    }

    /// What was taken is `used` in truth.
    pub(super) fn close(&mut self, taken: u64, used: u64) {
        self.taken = self.taken.saturating_sub(milli(taken)).saturating_add(milli(used));
        let back = signed(milli(taken)).saturating_sub(signed(milli(used)));
        self.left = self.left.saturating_add(back).min(signed(self.full));
    }

    /// What the head of an answer says was left when its attempt was let in, and what had been taken when that one began.
    pub(super) fn tell(
        &mut self,
        window: Option<Window>,
        (as_of, taken): (Mono, u64),
        (counts, now): (Counts, Mono),
    ) {
        let Some(w) = window.filter(|w| w.limit > 0) else { return };
        let known = self.is_known(now);
        if known && as_of < self.as_of {
            return;
        }
        // Its size is what is there and what the time until it is full brings. That time is rounded up to seconds and what is
        // there down: the largest size that was told is the nearest.
        let rest = Dur(w.reset.0.saturating_sub(1_000_000)).scale(milli(w.limit), 60_000_000).0;
        let most = milli(w.limit.max(w.remaining));
        let size = milli(w.remaining).saturating_add(rest).min(most).max(1_000);
        let same = known && self.limit == milli(w.limit);
        self.full = if same { self.full.max(size) } else { size };
        self.refill(now);
        let mut told = Self { limit: milli(w.limit), at: as_of, ..*self };
        told.left = signed(milli(w.remaining)).saturating_sub(signed(self.taken.saturating_sub(taken)));
        told.refill(now);
        self.left = match counts {
            Counts::Later if known => {
                self.left.clamp(told.left.saturating_sub(signed(self.full / 2)), told.left)
            }
            Counts::Later | Counts::First => told.left,
        };
        (self.limit, self.at, self.told, self.as_of) = (told.limit, told.at, now, as_of);
    }

    /// It was empty all the same, and there will be enough after `wait`.
    pub(super) fn deplete(&mut self, wait: Dur, now: Mono) {
        if self.limit > 0 {
            self.refill(now);
            let debt = wait.scale(self.limit, 60_000_000).0;
            self.left = self.left.min(1_000_i64.saturating_sub(signed(debt)));
        }
    }
}
