//! The API's side of the world: what it does with an attempt.

use clearline_model::{AttemptId, Cause, Dur, KeyId, Limits, Sent, Stage, UpstreamId, Usage, Window};
use clearline_policy::{Body, Input, Miss, Partial, Plan};

use super::api::{self, Asked, Bucket, Fate, How, Rng, SECOND, Trouble};
use super::{MINUTE, World};

/// How a healthy answer comes: milliseconds to the first content and from it to the end.
#[derive(Debug, Clone, Copy)]
struct Course {
    plain: bool,
    first: u64,
    rest: u64,
    tokens: u64,
}

impl World {
    /// Whether there is room for one more in this moment.
    fn room(&mut self, upstream: UpstreamId, milli: u64) -> bool {
        let per_minute = milli * 60 / 1_000;
        let fresh = || Bucket::new(per_minute, (milli / 4_000).max(1));
        let bucket = self.capacities.entry(upstream).or_insert_with(fresh);
        bucket.per_minute = per_minute.max(1);
        bucket.refill(self.now);
        bucket.take(1)
    }

    fn browned(&mut self, upstream: UpstreamId, milli: u64) -> bool {
        let second = self.now / SECOND;
        if second != self.second {
            let last = self.offered.get(usize::try_from(self.second).unwrap()).copied().unwrap_or(0);
            let over = api::is_over(last, milli);
            self.fallen =
                if over { (self.fallen * 9 / 10).max(250) } else { (self.fallen * 11 / 10).min(1_000) };
            self.second = second;
        }
        self.room(upstream, milli * self.fallen / 1_000)
    }

    /// Whether its use grows slowly enough for one more.
    fn ramps(&mut self, least: u32) -> bool {
        let fits = api::ramps(&self.begun, self.now, least);
        if fits {
            self.begun.push(self.now);
        }
        fits
    }

    /// So many answers are under way.
    fn under_way(&mut self, upstream: UpstreamId) -> usize {
        let (now, ends) = (self.now, self.ends.entry(upstream).or_default());
        ends.retain(|end| *end > now);
        ends.len()
    }

    fn count(&mut self, refused: bool) {
        let second = usize::try_from(self.now / SECOND).unwrap();
        for counts in [&mut self.offered, &mut self.refused] {
            counts.resize(counts.len().max(second + 1), 0);
        }
        if refused {
            self.refused[second] += 1;
        } else {
            self.offered[second] += 1;
        }
    }

    /// What the door says: an error at once, or nothing.
    fn door(&mut self, plan: &Plan, input: u64) -> Option<Miss> {
        let overloaded = || Some(Miss::answer(Cause::ServerOverloaded, true, None));
        let upstream = plan.upstream;
        match self.api.trouble(upstream, self.now).map(|t| t.how) {
            Some(How::Refused) => {
                return Some(Miss::silent(Cause::TcpRefused, Stage::Connect, Sent::No));
            }
            Some(How::Cut) => {
                return Some(Miss::silent(Cause::HttpResetBeforeResponse, Stage::Head, Sent::Yes));
            }
            Some(How::Overloaded(milli)) if self.rng.hits(milli) => return overloaded(),
            Some(How::Throttled(milli)) if self.rng.hits(milli) => {
                return Some(Miss::answer(Cause::QuotaThrottled, true, None));
            }
            Some(How::Crowded(most)) if self.under_way(upstream) >= most => return overloaded(),
            Some(How::AtOnce(most)) if self.under_way(upstream) >= most => {
                return Some(Miss::answer(Cause::QuotaConcurrency, true, None));
            }
            Some(How::Ramp(least)) if !self.ramps(least) => {
                return Some(Miss::answer(Cause::QuotaAcceleration, true, None));
            }
            Some(How::Capacity(milli)) if !self.room(upstream, milli) => return overloaded(),
            Some(How::Faulty(milli)) if !self.browned(upstream, milli) => {
                return Some(Miss::answer(Cause::ServerError, false, None));
            }
            Some(How::Brownout(milli)) if !self.browned(upstream, milli) => return overloaded(),
            Some(_) => {}
            None if self.api.capacity > 0 && !self.room(upstream, self.api.capacity) => return overloaded(),
            None => {}
        }
        if self.api.bad_addr.is_some() && plan.addrs.first().copied() == self.api.bad_addr {
            return Some(Miss::answer(Cause::ServerUnavailable, true, None));
        }
        if plan.key.is_some_and(|k| self.api.is_revoked(k, self.now)) {
            return Some(Miss::answer(Cause::AuthRevoked, true, None));
        }
        self.limited(plan, input)
    }

    fn bucket(&mut self, key: Option<KeyId>, which: u8) -> Option<&mut Bucket> {
        let fresh = [self.api.requests, self.api.output, self.api.input][usize::from(which)]?;
        let (organization, now) = (self.api.organization(key), self.now);
        let bucket = self.buckets.entry((organization, which)).or_insert(fresh);
        bucket.refill(now);
        Some(bucket)
    }

    fn limited(&mut self, plan: &Plan, input: u64) -> Option<Miss> {
        let (hints, hinted) = (self.api.hints, self.api.hinted);
        let miss = |cause, after: Dur| {
            // The header has whole seconds.
            let after = Dur::secs(after.scale(hinted, 100).as_secs_ceil());
            Some(Miss::answer(cause, true, Some(after).filter(|_| hints)))
        };
        if let Some(b) = self.bucket(plan.key, 1)
            && b.left() == 0
        {
            return miss(Cause::QuotaOutputTokens, b.until(1));
        }
        if let Some(most) = self.api.minute {
            let minute = self.now / MINUTE;
            let used = self.windows.entry((self.api.organization(plan.key), minute)).or_default();
            if *used >= most {
                return miss(Cause::QuotaRequests, Dur((minute + 1) * MINUTE - self.now));
            }
            *used += 1;
        }
        if let Some(b) = self.bucket(plan.key, 2)
            && b.left() < input.min(b.burst)
        {
            let wait = b.until(input.min(b.burst));
            return miss(Cause::QuotaInputTokens, wait);
        }
        if let Some(b) = self.bucket(plan.key, 0)
            && !b.take(1)
        {
            let wait = b.until(1);
            return miss(Cause::QuotaRequests, wait);
        }
        if let Some(b) = self.bucket(plan.key, 2) {
            b.spend(input);
        }
        None
    }

    fn minute(&self, organization: u64) -> Option<Window> {
        let (limit, minute) = (self.api.minute?, self.now / MINUTE);
        let used = self.windows.get(&(organization, minute)).copied().unwrap_or(0);
        let reset = Dur((minute + 1) * MINUTE - self.now);
        Some(Window { limit, remaining: limit.saturating_sub(used), reset })
    }

    fn limits(&mut self, key: Option<KeyId>) -> Limits {
        let organization = self.api.organization(key);
        if !self.api.headers {
            return Limits { organization, ..Limits::default() };
        }
        let requests = self.bucket(key, 0).map(|b| b.window()).or_else(|| self.minute(organization));
        let output_tokens = self.bucket(key, 1).map(|b| b.window());
        let input_tokens = self.bucket(key, 2).map(|b| b.window());
        Limits { requests, input_tokens, output_tokens, organization, ..Limits::default() }
    }

    /// How a healthy answer to this call comes, and what befalls this attempt of it.
    fn drawn(&mut self, g: usize, id: AttemptId) -> (Course, Option<Fate>) {
        if let Some(n) = self.gateways[g].open[&id.call].asked {
            // Each attempt has its own chance, so that the optimum can look it up.
            let mut luck = Rng::of(self.seed, n as u64 * 64 + u64::from(id.n));
            let fate = self.api.early(&mut luck).or_else(|| self.api.late(&mut luck));
            let Asked { plain, first, rest, tokens, .. } = self.load.asked[n];
            return (Course { plain, first, rest, tokens }, fate);
        }
        let early = self.api.early(&mut self.rng);
        let (first, rest) = (self.rng.between(self.api.first), self.rng.between(self.api.rest));
        let course = Course { plain: false, first, rest, tokens: self.rng.between(self.api.tokens) };
        (course, early.or_else(|| self.api.late(&mut self.rng)))
    }

    /// What the API does with an attempt.
    pub(super) fn serve(&mut self, g: usize, id: AttemptId, plan: &Plan) {
        self.count(false);
        let addr = plan.addrs.first().copied();
        let input = self.input_of(g, id);
        let door = if self.is_poison(g, id) {
            Some(Miss::answer(Cause::ServerError, false, None))
        } else {
            self.door(plan, input)
        };
        if let Some(miss) = door {
            self.count(true);
            let after = self.now + 1_000 * self.rng.between((20, 80));
            return self.tell(after, g, Input::Failed(id, Miss { addr, ..miss }));
        }
        let (course, fate) = self.drawn(g, id);
        let silent = |cause, stage, sent| Miss { addr, ..Miss::silent(cause, stage, sent) };
        let (after, miss) = match fate {
            Some(Fate::Error) => (Dur::millis(100), Miss::answer(Cause::ServerError, false, None)),
            Some(Fate::Unopened) => (Dur::millis(40), silent(Cause::TcpReset, Stage::Connect, Sent::No)),
            Some(Fate::Reset) => {
                (Dur::millis(40), silent(Cause::HttpResetBeforeResponse, Stage::Head, Sent::Maybe))
            }
            Some(Fate::Hang) => {
                (plan.limits.first_byte, silent(Cause::HttpNoResponse, Stage::Head, Sent::Yes))
            }
            Some(Fate::Busy) => {
                let after = Dur::secs(1 + self.rng.below(20));
                (Dur::millis(60), Miss::answer(Cause::ServerUnavailable, true, Some(after)))
            }
            None | Some(Fate::Slow | Fate::Event | Fate::Cut | Fate::Stall) => {
                return self.answer(g, id, plan, (course, fate));
            }
        };
        self.tell(self.now + after.0, g, Input::Failed(id, Miss { addr, ..miss }));
    }

    /// How long an attempt waits before it is begun, milliseconds; with the end of the trouble all that wait are begun.
    fn queued(&mut self, upstream: UpstreamId) -> u64 {
        let Some(Trouble { how: How::Queued(milli), until: over, .. }) = self.api.trouble(upstream, self.now)
        else {
            return 0;
        };
        let until = self.backlog.entry(upstream).or_default();
        let begins = (*until).max(self.now);
        *until = begins + SECOND * 1_000 / milli;
        (begins.min(over) - self.now) / 1_000
    }

    /// Whether it is of the caller whose calls all fail.
    fn is_poison(&self, g: usize, id: AttemptId) -> bool {
        let asked = self.gateways[g].open.get(&id.call).and_then(|o| o.asked);
        self.api.poison.is_some() && asked.map(|n| self.load.asked[n].caller) == self.api.poison
    }

    /// The tokens that go in with a call.
    fn input_of(&self, g: usize, id: AttemptId) -> u64 {
        self.gateways[g].open.get(&id.call).and_then(|o| o.asked).map_or(200, |n| self.load.asked[n].input)
    }

    /// An answer begins; it comes to its end or breaks.
    fn answer(&mut self, g: usize, id: AttemptId, plan: &Plan, (course, fate): (Course, Option<Fate>)) {
        let open = self.gateways[g].open.get_mut(&id.call).unwrap();
        let came = if plan.body == Body::Continue { open.came } else { 0 };
        open.billed += u16::from(plan.body == Body::Original);
        let left = 1_000 - came;
        let part = if fate == Some(Fate::Event) {
            0
        } else if matches!(fate, Some(Fate::Cut | Fate::Stall)) {
            left / 2
        } else {
            left
        };
        let tokens = course.tokens * part / 1_000;
        open.paid += tokens;
        open.came = came + part;
        if let Some(b) = self.bucket(plan.key, 1) {
            b.spend(tokens);
        }
        let limits = self.limits(plan.key);
        let slow = self.api.trouble(plan.upstream, self.now).is_some_and(|t| t.how == How::Slow);
        let queued = self.queued(plan.upstream);
        let addr = plan.addrs.first().copied();
        let most = plan.limits.first_byte.0;
        if queued * 1_000 > most {
            let silent = Miss::silent(Cause::HttpNoResponse, Stage::Head, Sent::Yes);
            return self.tell(self.now + most, g, Input::Failed(id, Miss { addr, ..silent }));
        }
        let first = course.first + queued + if slow || fate == Some(Fate::Slow) { 20_000 } else { 0 };
        let end = first + 50 + course.rest * part / 1_000;
        let got = Partial { bytes: 3 * (came + part), text_chars: came + part, tool_or_thinking: false };
        let (stage, cut) = if course.plain {
            (Stage::Body, Cause::HttpTruncated)
        } else {
            (Stage::Stream, Cause::StreamCut)
        };
        let broken = |cause| Some(Miss { got, addr, ..Miss::silent(cause, stage, Sent::Yes) });
        let event = if course.plain {
            Miss::answer(Cause::ServerOverloaded, true, None)
        } else {
            Miss::silent(Cause::ServerOverloaded, stage, Sent::Yes)
        };
        let now = self.now;
        let ms = |n: u64| now + n * 1_000;
        let (at, miss) = match fate {
            Some(Fate::Event) => (ms(first + 100), Some(Miss { addr, ..event })),
            Some(Fate::Cut) => (ms(end), broken(cut)),
            Some(Fate::Stall) => (ms(end) + plan.limits.idle.0, broken(Cause::StreamStalled)),
            None
            | Some(Fate::Slow | Fate::Busy | Fate::Error | Fate::Unopened | Fate::Reset | Fate::Hang) => {
                (ms(end), None)
            }
        };
        self.ends.entry(plan.upstream).or_default().push(at);
        if let Some(addr) = addr {
            self.tell(ms(5), g, Input::Connected(id, addr));
        }
        self.tell(ms(10), g, Input::Reached(id, Stage::Send));
        // The head of an answer that is no stream comes with its end.
        let head = if course.plain { at } else { ms(first) };
        if !course.plain || miss.is_none() {
            self.tell(head, g, Input::Head(id, 200, limits));
        }
        if !course.plain && fate != Some(Fate::Event) {
            self.tell(ms(first + 50), g, Input::Content(id));
        }
        let usage = Usage { input: self.input_of(g, id), output: tokens, ..Usage::default() };
        if !course.plain && miss.is_none() {
            self.tell(at, g, Input::Quiet(id, Dur::millis(200 + course.tokens % 800)));
        }
        self.tell(at, g, miss.map_or(Input::Done(id, usage), |miss| Input::Failed(id, miss)));
    }
}
