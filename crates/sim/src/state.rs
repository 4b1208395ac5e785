//! What the connections share: the scenario, what was counted under it, and the events.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::buckets::{Buckets, Need, Refusal};
use crate::chance;
use crate::event::EventLog;
use crate::rules::{Asked, Counts, Rule};
use crate::scenario::{KeyState, Scenario};

/// The simulator's state.
pub(crate) struct State {
    pub(crate) log: EventLog,
    pub(crate) factor: f64,
    inner: Mutex<Inner>,
}

struct Inner {
    scenario: Arc<Scenario>,
    begun: Instant,
    counts: Vec<Counts>,
    buckets: BTreeMap<String, Buckets>,
    /// The answers under way of each key, where they are limited.
    under_way: BTreeMap<String, Arc<()>>,
    requests: u64,
    connections: u64,
    tally: Tally,
}

/// Counts for `/stats`.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub(crate) struct Tally {
    pub(crate) connections: u64,
    pub(crate) requests: u64,
    pub(crate) statuses: BTreeMap<u16, u64>,
    pub(crate) faults: BTreeMap<String, u64>,
    pub(crate) paths: BTreeMap<String, u64>,
}

/// The most paths that are counted apart.
const PATHS_MAX: usize = 64;

impl State {
    pub(crate) fn new(scenario: Scenario, factor: f64) -> Self {
        Self { log: EventLog::new(), factor, inner: Mutex::new(Inner::new(scenario)) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins another scenario at its moment zero.
    pub(crate) fn replace(&self, scenario: Scenario) {
        let mut inner = self.lock();
        let (requests, connections) = (inner.requests, inner.connections);
        *inner = Inner { requests, connections, ..Inner::new(scenario) };
    }

    /// Begins the same scenario again.
    pub(crate) fn restart(&self) {
        let scenario = Arc::clone(&self.lock().scenario);
        self.replace((*scenario).clone());
        self.log.clear();
    }

    pub(crate) fn scenario(&self) -> Arc<Scenario> {
        Arc::clone(&self.lock().scenario)
    }

    /// The scenario's time.
    pub(crate) fn now(&self) -> Duration {
        self.lock().begun.elapsed().mul_f64(self.factor)
    }

    /// The number of a new connection, from 1.
    pub(crate) fn connected(&self) -> u64 {
        let mut inner = self.lock();
        inner.connections += 1;
        inner.tally.connections += 1;
        inner.connections
    }

    /// The number of a new request, from 1, and its id.
    pub(crate) fn requested(&self, path: &str) -> (u64, String) {
        let mut inner = self.lock();
        inner.requests += 1;
        inner.tally.requests += 1;
        let paths = &mut inner.tally.paths;
        if paths.len() < PATHS_MAX || paths.contains_key(path) {
            *paths.entry(path.to_owned()).or_default() += 1;
        }
        (inner.requests, chance::id("req_", inner.scenario.seed, inner.requests))
    }

    pub(crate) fn answered(&self, status: u16) {
        *self.lock().tally.statuses.entry(status).or_default() += 1;
    }

    pub(crate) fn tally(&self) -> Tally {
        self.lock().tally.clone()
    }

    /// The rule that is carried out, if any; the first one that fires.
    pub(crate) fn rule(&self, asked: &Asked<'_>) -> Option<Rule> {
        let mut inner = self.lock();
        let scenario = Arc::clone(&inner.scenario);
        let mut rules = scenario.rules.iter().zip(&mut inner.counts);
        let rule = rules
            .find_map(|(rule, counts)| rule.fires(asked, scenario.seed, counts).then(|| rule.clone()))?;
        *inner.tally.faults.entry(rule.name.clone()).or_default() += 1;
        Some(rule)
    }

    /// How a key is now.
    pub(crate) fn key(&self, key: Option<&str>) -> KeyState {
        let now = self.now();
        let scenario = self.scenario();
        let own = scenario.changes.iter().filter(|c| Some(c.key.as_str()) == key && c.at <= now);
        own.max_by_key(|c| c.at).map_or(KeyState::Ok, |c| c.state)
    }

    /// Begins an answer for a key, unless too many of its answers are under way.
    pub(crate) fn begin(&self, key: &str) -> Option<UnderWay> {
        let mut inner = self.lock();
        let Some(most) = inner.scenario.limits.and_then(|l| l.at_once) else {
            return Some(UnderWay::default());
        };
        let all = inner.under_way.entry(key.to_owned()).or_default();
        // One is our own.
        let open = Arc::strong_count(all) - 1;
        (open < usize::try_from(most).unwrap_or(usize::MAX)).then(|| UnderWay(Some(Arc::clone(all))))
    }

    /// Takes from the buckets of a key, and gives the headers that tell their state.
    pub(crate) fn take(&self, key: &str, need: Need) -> (Vec<(String, String)>, Option<Refusal>) {
        let now = self.now();
        let mut inner = self.lock();
        let Some(limits) = inner.scenario.limits else { return (Vec::new(), None) };
        let org = organization(key);
        let buckets = inner.buckets.entry(key.to_owned()).or_insert_with(|| Buckets::new(&limits, now));
        let refusal = buckets.take(now, need, &org).err();
        (buckets.headers(self.factor), refusal)
    }
}

/// One answer under way, for as long as this is kept; nothing where they are not limited.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(#[expect(dead_code, reason = "it is counted while it is there")] Option<Arc<()>>);

/// The organisation of a key, by its name alone.
pub(crate) fn organization(key: &str) -> String {
    let h = chance::mix(chance::hash(key.as_bytes()));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        h >> 32,
        h >> 16 & 0xFFFF,
        h & 0xFFF,
        h >> 4 & 0xFFF,
        h >> 8
    )
    .chars()
    .take(36)
    .collect()
}

impl Inner {
    fn new(scenario: Scenario) -> Self {
        Self {
            counts: vec![Counts::default(); scenario.rules.len()],
            scenario: Arc::new(scenario),
            begun: Instant::now(),
            buckets: BTreeMap::new(),
            under_way: BTreeMap::new(),
            requests: 0,
            connections: 0,
            tally: Tally::default(),
        }
    }
}
