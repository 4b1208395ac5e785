//! How much a caller may ask for: calls within a minute, and calls at once. Pure but for its lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clearline_model::{Dur, Mono};

const MINUTE: Dur = Dur::secs(60);
/// When a caller with too many calls at once may ask again: nobody knows when one of them ends.
const SOON: Dur = Dur::secs(1);
/// Who comes when no more callers are told apart.
const OTHERS: &str = "others";

/// What one caller may ask for; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// Calls within a minute. All at once, too: they come back evenly.
    pub requests: u32,
    /// Calls at once.
    pub concurrent: u32,
}

/// What all callers may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotas {
    /// Each of them.
    pub every: Quota,
    /// Those for whom something else was said, by their names.
    pub of: BTreeMap<String, Quota>,
    /// The most callers that are told apart; more share one quota.
    pub callers_max: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { every: Quota::default(), of: BTreeMap::new(), callers_max: 10_000 }
    }
}

impl Quotas {
    /// Whether anybody is limited.
    pub(crate) fn is_on(&self) -> bool {
        self.every != Quota::default() || !self.of.is_empty()
    }

    fn of(&self, caller: &str) -> Quota {
        self.of.get(caller).copied().unwrap_or(self.every)
    }
}

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// Calls within a minute; again after this time.
    Requests(Dur),
    /// Calls at once; again after this time.
    Concurrent(Dur),
}

/// One caller's account.
#[derive(Debug, Clone, Copy, Default)]
struct Account {
    /// When all that it took has come back.
    full: Mono,
    running: u32,
}

/// The accounts of all callers.
#[derive(Debug, Default)]
pub(crate) struct Accounts(Mutex<BTreeMap<String, Account>>);

/// A call that runs; dropped, it is over.
#[derive(Debug)]
pub(crate) struct Permit {
    accounts: Arc<Accounts>,
    caller: String,
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(account) = self.accounts.lock().get_mut(&self.caller) {
            account.running = account.running.saturating_sub(1);
        }
    }
}

impl Accounts {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one call from a caller's account, or says what it lacks.
    pub(crate) fn take(
        self: &Arc<Self>,
        quotas: &Quotas,
        caller: &str,
        now: Mono,
    ) -> Result<Permit, Reached> {
        let quota = quotas.of(caller);
        let mut all = self.lock();
        let name = place(&mut all, caller, quotas.callers_max, now);
        let account = all.entry(name.clone()).or_default();
        if quota.concurrent > 0 && account.running >= quota.concurrent {
            return Err(Reached::Concurrent(SOON));
        }
        if quota.requests > 0 {
            let step = MINUTE.scale(1, u64::from(quota.requests));
            let full = account.full.max(now) + step;
            let ahead = full.since(now);
            if ahead > MINUTE {
                return Err(Reached::Requests(ahead - MINUTE));
            }
            account.full = full;
        }
        account.running = account.running.saturating_add(1);
        Ok(Permit { accounts: Arc::clone(self), caller: name })
    }
}

/// Under which name a caller has its account. Accounts that nothing is owed to are given up for new ones.
fn place(all: &mut BTreeMap<String, Account>, caller: &str, most: usize, now: Mono) -> String {
    if all.len() >= most && !all.contains_key(caller) {
        all.retain(|_, account| account.running > 0 || account.full > now);
        if all.len() >= most {
            return OTHERS.to_owned();
        }
    }
    caller.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotas(requests: u32, concurrent: u32) -> Quotas {
        Quotas { every: Quota { requests, concurrent }, ..Quotas::default() }
    }

    fn at(secs: u64) -> Mono {
        Mono(secs * 1_000_000)
    }

    #[test]
    fn a_minutes_calls_come_back_evenly() {
        let (accounts, q) = (Arc::new(Accounts::default()), quotas(6, 0));
        for _ in 0..6 {
            assert!(accounts.take(&q, "a", at(0)).is_ok());
        }
        assert_eq!(accounts.take(&q, "a", at(0)).unwrap_err(), Reached::Requests(Dur::secs(10)));
        assert_eq!(accounts.take(&q, "a", at(4)).unwrap_err(), Reached::Requests(Dur::secs(6)));
        assert!(accounts.take(&q, "b", at(0)).is_ok(), "another caller has its own");
        assert!(accounts.take(&q, "a", at(10)).is_ok());
        assert!(accounts.take(&q, "a", at(10)).is_err());
        let later = (0..10).filter(|_| accounts.take(&q, "a", at(1_000)).is_ok()).count();
        assert_eq!(later, 6, "no more than a minute's is saved up");
    }

    #[test]
    fn a_call_at_once_is_free_again_when_it_ends() {
        let (accounts, q) = (Arc::new(Accounts::default()), quotas(0, 2));
        let (one, _two) = (accounts.take(&q, "a", at(0)).unwrap(), accounts.take(&q, "a", at(0)).unwrap());
        assert_eq!(accounts.take(&q, "a", at(0)).unwrap_err(), Reached::Concurrent(SOON));
        drop(one);
        assert!(accounts.take(&q, "a", at(0)).is_ok());
    }

    #[test]
    fn a_name_of_its_own_beats_the_rule() {
        let mut q = quotas(1, 0);
        q.of.insert("big".to_owned(), Quota::default());
        let accounts = Arc::new(Accounts::default());
        for n in 0..5 {
            assert!(accounts.take(&q, "big", at(0)).is_ok());
            assert_eq!(accounts.take(&q, "small", at(0)).is_ok(), n == 0);
        }
    }

    #[test]
    fn callers_without_end_take_no_memory_without_end() {
        let q = Quotas { callers_max: 3, ..quotas(1, 0) };
        let accounts = Arc::new(Accounts::default());
        for n in 0..10 {
            // The fourth finds no account, and shares one with those after it.
            assert_eq!(accounts.take(&q, &format!("c{n}"), at(0)).is_ok(), n <= 3, "{n}");
        }
        assert_eq!(accounts.lock().len(), 4);
        assert!(accounts.take(&q, "late", at(3_600)).is_ok());
        assert_eq!(accounts.lock().len(), 1);
    }
}
