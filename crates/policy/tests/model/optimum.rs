//! The optimum: an all-knowing client that sends each call once, at the first moment at which it can succeed, in the order
//! of arrival, and resumes a broken stream where it broke.

use std::collections::BTreeMap;

use clearline_model::{KeyId, UpstreamId};

use super::api::Fate;
use super::{Api, Asked, Bucket, How, Load, MINUTE, Rng, SECOND};

/// No call of a scene waits so often for something else.
const LOOKS_MAX: u32 = 10_000;

/// What becomes of a call at best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Best {
    pub(crate) start: u64,
    pub(crate) ended: u64,
    pub(crate) attempts: u16,
}

/// What stands of the API's limits.
#[derive(Default)]
struct Door {
    capacities: BTreeMap<UpstreamId, Bucket>,
    /// When the answers under way end.
    ends: BTreeMap<UpstreamId, Vec<u64>>,
    begun: Vec<u64>,
    requests: BTreeMap<u64, Bucket>,
    input: BTreeMap<u64, Bucket>,
    output: BTreeMap<u64, Bucket>,
    minutes: BTreeMap<(u64, u64), u64>,
}

/// The best for each call of an open load, in their order.
pub(crate) fn optimum(seed: u64, api: &Api, load: &Load) -> Vec<Best> {
    let (mut door, mut last) = (Door::default(), 0);
    let calls = load.asked.iter().enumerate().map(|(n, asked)| {
        let (upstream, start) = door.pass(api, load.keys, asked.at.max(last), (asked.input, asked.tokens));
        last = start;
        let mut luck = Rng::of(seed, n as u64 * 64 + 1);
        let best = finish(api.early(&mut luck).or_else(|| api.late(&mut luck)), asked, start);
        door.ends.entry(upstream).or_default().push(best.ended);
        best
    });
    calls.collect()
}

/// A break in the middle costs the wait for the first byte once more; every other mischance is known and passed by.
fn finish(fate: Option<Fate>, asked: &Asked, start: u64) -> Best {
    let breaks = matches!(fate, Some(Fate::Cut | Fate::Stall)) && !asked.plain;
    let again = u64::from(breaks);
    let ended = start + 1_000 * (asked.first * (1 + again) + 50 * (1 + again) + asked.rest);
    Best { start, ended, attempts: 1 + u16::from(breaks) }
}

impl Door {
    /// The first moment from `at` on at which the API takes a call; what it takes is gone.
    fn pass(&mut self, api: &Api, keys: u32, at: u64, tokens: (u64, u64)) -> (UpstreamId, u64) {
        let mut at = at;
        for look in 0.. {
            assert!(look < LOOKS_MAX, "no call waits for ever");
            match self.look(api, keys, at, tokens.0) {
                Ok(place) => {
                    self.take(api, place, at, tokens);
                    return (place.0, at);
                }
                Err(later) => at = later,
            }
        }
        (UpstreamId(0), at)
    }

    /// Whether an upstream takes a call now, or when it is worth another look.
    fn takes(&self, api: &Api, upstream: UpstreamId, at: u64) -> Result<UpstreamId, u64> {
        if let Some(t) = api.trouble(upstream, at) {
            match t.how {
                How::Refused | How::Cut => return Err(t.until),
                How::Overloaded(share) | How::Throttled(share) if share >= 1_000 => return Err(t.until),
                // Where another one is not, that is known.
                How::Slow if !api.others.is_empty() => return Err(t.until),
                // Which half is taken is known.
                How::Overloaded(_) | How::Throttled(_) | How::Slow => {}
                How::Crowded(most) | How::AtOnce(most) => {
                    self.place(upstream, most, at).map_err(|later| later.min(t.until).max(at + 1))?;
                }
                How::Ramp(least) => {
                    if !super::api::ramps(&self.begun, at, least) {
                        return Err((at + SECOND / 20).min(t.until).max(at + 1));
                    }
                }
                How::Capacity(milli) | How::Brownout(milli) | How::Queued(milli) | How::Faulty(milli) => {
                    self.room(upstream, milli, at).map_err(|later| later.min(t.until).max(at + 1))?;
                }
            }
        } else if api.capacity > 0 {
            self.room(upstream, api.capacity, at).map_err(|later| later.max(at + 1))?;
        }
        Ok(upstream)
    }

    /// Which upstream takes a call now with whose limits, or when it is worth another look.
    fn look(&self, api: &Api, keys: u32, at: u64, input: u64) -> Result<(UpstreamId, u64), u64> {
        let all = api.upstreams().map(|upstream| self.takes(api, upstream, at));
        let upstream =
            all.reduce(|a, b| if a.is_ok() { a } else { b.map_err(|later| later.min(a.unwrap_err())) });
        let upstream = upstream.unwrap()?;
        let keys = (0..keys.max(1)).map(|k| Some(KeyId(k)).filter(|_| keys > 0));
        let good = keys.filter(|key| !key.is_some_and(|k| api.is_revoked(k, at)));
        let waits = good.map(|key| {
            let organization = api.organization(key);
            (self.limited(api, organization, at, input), organization)
        });
        let (later, organization) = waits.min().unwrap_or((at, 0));
        if later > at { Err(later) } else { Ok((upstream, organization)) }
    }

    fn capacity(&self, upstream: UpstreamId, milli: u64, at: u64) -> Bucket {
        let per_minute = (milli * 60 / 1_000).max(1);
        let fresh = || Bucket::new(per_minute, (milli / 4_000).max(1));
        let mut bucket = self.capacities.get(&upstream).copied().unwrap_or_else(fresh);
        bucket.per_minute = per_minute;
        bucket.refill(at);
        bucket
    }

    fn room(&self, upstream: UpstreamId, milli: u64, at: u64) -> Result<(), u64> {
        let bucket = self.capacity(upstream, milli, at);
        if bucket.left() > 0 { Ok(()) } else { Err(at + bucket.until(1).0) }
    }

    /// Whether fewer than so many answers are under way, or when one of them ends.
    fn place(&self, upstream: UpstreamId, most: usize, at: u64) -> Result<(), u64> {
        let ends = self.ends.get(&upstream).into_iter().flatten();
        let mut ends: Vec<_> = ends.copied().filter(|end| *end > at).collect();
        ends.sort_unstable();
        if ends.len() < most { Ok(()) } else { Err(ends[ends.len() - most]) }
    }

    /// From when on the limits of an organisation have room.
    fn limited(&self, api: &Api, organization: u64, at: u64, input: u64) -> u64 {
        let wait = |known: &BTreeMap<u64, Bucket>, fresh: Option<Bucket>, need: u64| {
            let mut bucket = known.get(&organization).copied().or(fresh)?;
            bucket.refill(at);
            let need = need.min(bucket.burst);
            Some(if bucket.left() >= need { at } else { at + bucket.until(need).0 })
        };
        let minute = api.minute.map(|most| {
            let used = self.minutes.get(&(organization, at / MINUTE)).copied().unwrap_or(0);
            if used < most { at } else { (at / MINUTE + 1) * MINUTE }
        });
        let waits = [
            wait(&self.requests, api.requests, 1),
            wait(&self.output, api.output, 1),
            wait(&self.input, api.input, input),
            minute,
        ];
        waits.into_iter().flatten().max().unwrap_or(at)
    }

    fn take(
        &mut self,
        api: &Api,
        (upstream, organization): (UpstreamId, u64),
        at: u64,
        (input, tokens): (u64, u64),
    ) {
        let milli = match api.trouble(upstream, at).map(|t| t.how) {
            Some(How::Capacity(milli) | How::Brownout(milli) | How::Queued(milli) | How::Faulty(milli)) => {
                milli
            }
            Some(How::Ramp(_)) => {
                self.begun.push(at);
                0
            }
            Some(_) => 0,
            None => api.capacity,
        };
        if milli > 0 {
            let mut bucket = self.capacity(upstream, milli, at);
            bucket.take(1);
            self.capacities.insert(upstream, bucket);
        }
        if let Some(fresh) = api.requests {
            let bucket = self.requests.entry(organization).or_insert(fresh);
            bucket.refill(at);
            bucket.take(1);
        }
        if let Some(fresh) = api.input {
            let bucket = self.input.entry(organization).or_insert(fresh);
            bucket.refill(at);
            bucket.spend(input);
        }
        if let Some(fresh) = api.output {
            let bucket = self.output.entry(organization).or_insert(fresh);
            bucket.refill(at);
            bucket.spend(tokens);
        }
        if api.minute.is_some() {
            *self.minutes.entry((organization, at / MINUTE)).or_default() += 1;
        }
    }
}
