//! The scenes: what goes wrong, drawn and shifted from a seed, so that nothing fits one set of numbers.

use clearline_model::{AddrId, Dur, KeyId};
use clearline_policy::Settings;

use crate::model::{Api, Asked, Bucket, How, Load, Rng, SECOND, Trouble};

/// Nothing is asked after this moment.
const UNTIL: u64 = 300 * SECOND;
/// What a caller waits for its whole answer.
pub(crate) const DEADLINE: Dur = Dur::secs(120);
/// The same where somebody tries a gateway with some calls.
const BRIEF: u64 = 30 * SECOND;

/// One scene.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    change: fn(&mut Rng, &mut Stage),
    /// Text of broken streams is continued, which is opt-in.
    pub(crate) continued: bool,
    /// Without it the optimum is out of reach by design, and no bar holds.
    pub(crate) barred: bool,
}

/// What a scene sets up.
pub(crate) struct Stage {
    pub(crate) api: Api,
    keys: u32,
    gateways: usize,
    /// Each gateway knows how many there are.
    told: bool,
    per_minute: u64,
    /// From, until, and the load in it, percent.
    surges: Vec<(u64, u64, u64)>,
    /// One caller of all makes so many of the calls, percent.
    greedy: u64,
    leaps: Vec<(u64, i64)>,
    /// So many come at once besides, every so many seconds.
    bursts: Option<(u64, u64)>,
    /// Tokens that go in: the least, and how many times as many at most; few are large.
    inputs: Option<(u64, u64)>,
    /// Every answer is a stream; else a third is not.
    streams: bool,
    /// Nothing is asked after this moment.
    until: u64,
    pub(crate) deadline: Dur,
    /// From when on all could be well again.
    pub(crate) ends: Option<u64>,
}

const fn scene(name: &'static str, change: fn(&mut Rng, &mut Stage)) -> Scene {
    Scene { name, change, continued: false, barred: true }
}

const fn continued(name: &'static str, change: fn(&mut Rng, &mut Stage)) -> Scene {
    Scene { continued: true, ..scene(name, change) }
}

const fn unbarred(name: &'static str, change: fn(&mut Rng, &mut Stage)) -> Scene {
    Scene { barred: false, ..scene(name, change) }
}

pub(crate) const SCENES: &[Scene] = &[
    scene("healthy", |_, _| ()),
    scene("sparse 5xx", |r, s| s.api.errors = r.between((30, 80))),
    // Every other attempt is one more.
    unbarred("half of all 500", |r, s| s.api.errors = r.between((450, 600))),
    scene("storm of 529", |r, s| trouble(r, s, (40, 70), How::Overloaded(1_000))),
    scene("half of all 529", |r, s| trouble(r, s, (60, 90), How::Overloaded(500))),
    scene("few, half of all 529", |r, s| few(r, s, How::Overloaded(500))),
    scene("few, 429 by chance", |r, s| {
        let share = r.between((600, 700));
        few(r, s, How::Throttled(share));
    }),
    scene("few, less capacity", |r, s| {
        let capacity = r.between((500, 700));
        few(r, s, How::Capacity(capacity));
    }),
    scene("nothing listens", |r, s| trouble(r, s, (20, 60), How::Refused)),
    scene("all are cut off", |r, s| trouble(r, s, (20, 60), How::Cut)),
    scene("429, headers", |r, s| quota(r, s, (true, true))),
    scene("429, retry-after", |r, s| quota(r, s, (false, true))),
    scene("429, nothing told", |r, s| quota(r, s, (false, false))),
    scene("minute quotas", |r, s| {
        s.keys = 1;
        s.api.minute = Some(r.between((190, 215)));
        surge(r, s);
    }),
    scene("minutes, untold", |r, s| {
        s.api.minute = Some(r.between((190, 215)));
        (s.api.headers, s.api.hints) = (false, false);
        surge(r, s);
    }),
    scene("minutes, tight", |r, s| {
        s.keys = 1;
        s.api.minute = Some(s.per_minute * r.between((92, 98)) / 100);
        (s.api.headers, s.api.hints) = (false, false);
    }),
    scene("keys with quotas", |r, s| {
        s.keys = 3;
        s.api.requests = Some(Bucket::new(r.between((62, 72)), r.between((5, 10))));
        surge(r, s);
    }),
    scene("one organisation", |r, s| {
        quota(r, s, (true, true));
        (s.keys, s.api.organizations) = (3, vec![4, 4, 4]);
    }),
    scene("output tokens", |r, s| {
        s.keys = 2;
        s.api.output = Some(Bucket::new(r.between((100_000, 120_000)), r.between((8_000, 15_000))));
    }),
    scene("a key revoked", |r, s| {
        s.keys = 3;
        s.api.revoked = Some((KeyId(0), r.between((60, 120)) * SECOND));
    }),
    scene("reset on connect", |r, s| s.api.unopened = r.between((50, 150))),
    scene("reset, then nothing", |r, s| s.api.resets = r.between((50, 150))),
    scene("accept, then hang", |r, s| s.api.hangs = r.between((20, 50))),
    scene("slow first byte", |r, s| {
        s.api.slow = r.between((50, 150));
        s.streams = true;
    }),
    // Of an answer as a whole nobody knows before its usual end that it is late, and hedges are one for ten calls.
    unbarred("slow, as a whole too", |r, s| s.api.slow = r.between((50, 150))),
    scene("a bad address of 4", |r, s| {
        s.api.bad_addr = Some(AddrId(u32::try_from(r.below(4)).unwrap_or(0)));
        s.api.turns = Some(Dur::secs(r.between((3, 9))));
    }),
    scene("SSE error event", |r, s| s.api.events = r.between((50, 120))),
    continued("stream cut", |r, s| s.api.cuts = r.between((30, 80))),
    unbarred("stream cut, as it is", |r, s| s.api.cuts = r.between((30, 80))),
    continued("stream stalls", |r, s| s.api.stalls = r.between((20, 50))),
    unbarred("stalls, as they are", |r, s| s.api.stalls = r.between((20, 50))),
    scene("brown-out", |r, s| {
        let capacity = r.between((2_000, 2_500));
        trouble(r, s, (90, 120), How::Brownout(capacity));
    }),
    // A 500 is no sign of a load: those of one caller's broken calls look the same, and others do not wait for them.
    unbarred("brown-out by 500", |r, s| {
        let capacity = r.between((2_000, 2_500));
        trouble(r, s, (90, 120), How::Faulty(capacity));
    }),
    scene("metastable", |r, s| metastable(r, s, (4_300, 4_800))),
    // With a quarter to spare, who finds out a second late that the capacity is back makes up for it in four.
    unbarred("metastable, near full", |r, s| metastable(r, s, (3_800, 4_300))),
    scene("less capacity", |r, s| {
        let capacity = r.between((2_000, 2_500));
        trouble(r, s, (60, 120), How::Capacity(capacity));
    }),
    scene("at once, 529", |r, s| at_once(r, s, How::Crowded)),
    scene("at once, 429", |r, s| at_once(r, s, How::AtOnce)),
    scene("at once, two keys", |r, s| {
        at_once(r, s, How::AtOnce);
        s.keys = 2;
    }),
    scene("few, at once, 529", |r, s| few(r, s, How::Crowded(4))),
    scene("few, at once, 429", |r, s| few(r, s, How::AtOnce(4))),
    scene("slow by its queue", |r, s| {
        let capacity = r.between((1_200, 2_500));
        trouble(r, s, (60, 120), How::Queued(capacity));
    }),
    scene("use grows too fast", |r, s| {
        s.api.troubles = vec![Trouble { from: 0, until: u64::MAX, how: How::Ramp(1) }];
        surge(r, s);
    }),
    scene("tokens in, headers", |r, s| input(r, s, (true, true))),
    scene("tokens in, hints", |r, s| input(r, s, (false, true))),
    scene("tokens in, untold", |r, s| input(r, s, (false, false))),
    scene("hints too short", |r, s| {
        quota(r, s, (false, true));
        s.api.hinted = r.between((5, 20));
    }),
    scene("hints too long", |r, s| {
        quota(r, s, (false, true));
        s.api.hinted = r.between((200, 500));
    }),
    scene("bursts, storm", |r, s| {
        trouble(r, s, (40, 70), How::Overloaded(1_000));
        bursts(r, s);
    }),
    scene("bursts, capacity", |r, s| {
        s.api.capacity = r.between((3_500, 4_000));
        bursts(r, s);
    }),
    scene("bursts, nothing told", |r, s| {
        quota(r, s, (false, false));
        bursts(r, s);
    }),
    scene("bursts, at once", |r, s| {
        at_once(r, s, How::AtOnce);
        bursts(r, s);
    }),
    scene("fast, storm", |r, s| {
        trouble(r, s, (40, 70), How::Overloaded(1_000));
        fast(r, s);
    }),
    scene("fast, down", |r, s| {
        trouble(r, s, (20, 60), How::Refused);
        fast(r, s);
    }),
    scene("fast, quota", |r, s| {
        fast(r, s);
        let per_minute = s.per_minute * 11 / 10;
        (s.keys, s.api.requests) = (1, Some(Bucket::new(per_minute, 60)));
        surge(r, s);
    }),
    scene("one greedy caller", |r, s| {
        let capacity = r.between((2_000, 2_500));
        trouble(r, s, (60, 120), How::Capacity(capacity));
        s.greedy = r.between((60, 80));
    }),
    scene("herd after outage", after_outage),
    // Each leaves room to the others, of which it hears nothing, for longer than one that does not know of them.
    unbarred("herd, told", |r, s| {
        after_outage(r, s);
        s.told = true;
    }),
    scene("clock leaps", |r, s| {
        trouble(r, s, (10, 20), How::Overloaded(1_000));
        let mut leap = |by: i64| (r.between((20, 200)) * SECOND, by);
        s.leaps = vec![leap(5_000_000), leap(-4_000_000), leap(15_000_000), leap(-20_000_000)];
    }),
    scene("outages, on and off", |r, s| flapping(r, s, How::Refused)),
    scene("storms, on and off", |r, s| flapping(r, s, How::Overloaded(1_000))),
    scene("two storms", two_storms),
    scene("capacity by steps", steps),
    scene("a third 529, always", |r, s| {
        let how = How::Overloaded(r.between((250, 330)));
        s.api.troubles = vec![Trouble { from: 0, until: u64::MAX, how }];
    }),
    scene("one of two down", |r, s| one_of_two(r, s, (1, How::Refused))),
    scene("one of two 529", |r, s| one_of_two(r, s, (1, How::Overloaded(1_000)))),
    scene("one of two half 529", |r, s| one_of_two(r, s, (1, How::Overloaded(500)))),
    scene("one of two slow", |r, s| one_of_two(r, s, (1, How::Slow))),
    scene("a spare for an outage", |r, s| one_of_two(r, s, (0, How::Refused))),
    scene("two, on and off", |r, s| {
        flapping(r, s, How::Refused);
        let first = std::mem::take(&mut s.api.troubles);
        flapping(r, s, How::Overloaded(1_000));
        s.api.others = vec![(1, first)];
    }),
    unbarred("some told to wait", |r, s| s.api.busy = r.between((100, 200))),
    unbarred("all at once", |r, s| {
        trouble(r, s, (20, 40), How::Overloaded(600));
        (s.api.errors, s.api.resets, s.api.unopened) = (50, 30, 30);
        (s.api.slow, s.api.events) = (30, 30);
        s.ends = None;
    }),
    // Of the slow ones each has some twenty calls: one is the p99, and each one's first attempt a good part of all.
    unbarred("brief storm, slow", |r, s| brief(r, s, (SLOW, (10, 16)), How::Overloaded(1_000))),
    scene("brief storm", |r, s| brief(r, s, (SOME, (10, 16)), How::Overloaded(1_000))),
    scene("brief storm, fast", |r, s| brief(r, s, (FAST, (10, 16)), How::Overloaded(1_000))),
    unbarred("brief outage, slow", |r, s| brief(r, s, (SLOW, (8, 14)), How::Refused)),
    scene("brief outage", |r, s| brief(r, s, (SOME, (8, 14)), How::Refused)),
    scene("brief outage, fast", |r, s| brief(r, s, (FAST, (8, 14)), How::Refused)),
    unbarred("brief half 529, slow", |r, s| brief(r, s, (SLOW, (12, 18)), How::Overloaded(500))),
    unbarred("brief half 529", |r, s| brief(r, s, (SOME, (12, 18)), How::Overloaded(500))),
    unbarred("brief half 529, fast", |r, s| brief(r, s, (FAST, (12, 18)), How::Overloaded(500))),
    unbarred("brief 429, slow", |r, s| brief(r, s, (SLOW, (8, 14)), How::Throttled(700))),
    unbarred("brief 429", |r, s| brief(r, s, (SOME, (8, 14)), How::Throttled(700))),
    unbarred("brief 429, fast", |r, s| brief(r, s, (FAST, (8, 14)), How::Throttled(700))),
    unbarred("brief bucket, slow", |r, s| hidden(r, s, SLOW)),
    scene("brief bucket", |r, s| hidden(r, s, SOME)),
    scene("brief bucket, fast", |r, s| hidden(r, s, FAST)),
];

/// Calls in a minute: one in two seconds to one a second, three to five a second, twelve to twenty a second.
const SLOW: (u64, u64) = (30, 60);
const SOME: (u64, u64) = (180, 300);
const FAST: (u64, u64) = (720, 1_200);

/// What somebody sees who tries a gateway with some calls: answers of a second or two, for half a minute, and a fault that
/// takes a good part of that.
fn brief(rng: &mut Rng, stage: &mut Stage, (load, lasts): ((u64, u64), (u64, u64)), how: How) {
    let from = rng.between((6, 10)) * SECOND;
    let until = from + rng.between(lasts) * SECOND;
    stage.api.troubles = vec![Trouble { from, until, how }];
    stage.ends = Some(until);
    quick(rng, stage, load);
}

/// The same, and a limit of its key that nobody tells is reached.
fn hidden(rng: &mut Rng, stage: &mut Stage, load: (u64, u64)) {
    quick(rng, stage, load);
    let per_minute = stage.per_minute * rng.between((750, 900)) / 1_000;
    stage.api.requests = Some(Bucket::new(per_minute, (per_minute / 30).max(1)));
    (stage.api.headers, stage.api.hints) = (false, false);
}

fn quick(rng: &mut Rng, stage: &mut Stage, load: (u64, u64)) {
    stage.per_minute = rng.between(load);
    (stage.api.first, stage.api.tokens) = ((210, 390), (90, 170));
    (stage.until, stage.deadline) = (BRIEF, Dur(BRIEF));
}

/// Twenty gateways, and what an outage left waiting.
fn after_outage(rng: &mut Rng, stage: &mut Stage) {
    let how = if rng.below(2) == 0 { How::Refused } else { How::Overloaded(1_000) };
    trouble(rng, stage, (40, 60), how);
    (stage.gateways, stage.per_minute) = (20, 600);
    stage.api.capacity = rng.between((13_000, 17_000));
}

/// Some seconds without an answer and some with one, ten times.
fn flapping(rng: &mut Rng, stage: &mut Stage, how: How) {
    let mut at = rng.between((60, 80));
    for _ in 0..10 {
        let (down, up) = (rng.between((3, 8)), rng.between((4, 10)));
        stage.api.troubles.push(Trouble { from: at * SECOND, until: (at + down) * SECOND, how });
        at += down + up;
    }
    stage.ends = stage.api.troubles.last().map(|t| t.until);
}

/// A storm, some seconds of peace, and another storm.
fn two_storms(rng: &mut Rng, stage: &mut Stage) {
    let mut at = rng.between((40, 60));
    for _ in 0..2 {
        let until = at + rng.between((15, 25));
        let how = How::Overloaded(1_000);
        stage.api.troubles.push(Trouble { from: at * SECOND, until: until * SECOND, how });
        at = until + rng.between((6, 12));
    }
    stage.ends = stage.api.troubles.last().map(|t| t.until);
}

/// Two upstreams, and something wrong with one of them; the other one's weight, where 0 is a spare.
fn one_of_two(rng: &mut Rng, stage: &mut Stage, (weight, how): (u32, How)) {
    trouble(rng, stage, (60, 90), how);
    stage.api.others = vec![(weight, Vec::new())];
    if how == How::Slow {
        // A second attempt beside a long answer would count as a late start, whenever there is one.
        stage.ends = None;
    }
}

/// A capacity that falls below the load and comes back, by steps of twenty seconds.
fn steps(rng: &mut Rng, stage: &mut Stage) {
    let mut at = rng.between((40, 60));
    for capacity in [2_800, 2_200, 1_600, 2_200, 2_800, 3_600] {
        let how = How::Capacity(capacity);
        stage.api.troubles.push(Trouble { from: at * SECOND, until: (at + 20) * SECOND, how });
        at += 20;
    }
    stage.ends = stage.api.troubles.last().map(|t| t.until);
}

fn trouble(rng: &mut Rng, stage: &mut Stage, lasts: (u64, u64), how: How) {
    let from = rng.between((60, 120)) * SECOND;
    let until = from + rng.between(lasts) * SECOND;
    stage.api.troubles = vec![Trouble { from, until, how }];
    stage.ends = Some(until);
}

/// For a while fewer answers may be under way than there are: some thirty at this load.
fn at_once(rng: &mut Rng, stage: &mut Stage, how: fn(usize) -> How) {
    let most = usize::try_from(rng.between((18, 26))).unwrap_or(1);
    trouble(rng, stage, (60, 120), how(most));
}

/// Calls of very different sizes, and for a while more of them than the limit of input tokens has.
fn input(rng: &mut Rng, stage: &mut Stage, (headers, hints): (bool, bool)) {
    stage.keys = 1;
    stage.inputs = Some((500, 30));
    stage.api.input = Some(Bucket::new(rng.between((850_000, 950_000)), rng.between((40_000, 60_000))));
    (stage.api.headers, stage.api.hints) = (headers, hints);
    surge(rng, stage);
}

/// Two of three calls come many at once, as those of a batch do.
fn bursts(rng: &mut Rng, stage: &mut Stage) {
    stage.surges.clear();
    stage.bursts = Some((rng.between((40, 60)), rng.between((20, 30))));
    stage.per_minute = 60;
}

/// Short answers, and some fifty calls a second.
fn fast(rng: &mut Rng, stage: &mut Stage) {
    stage.per_minute = rng.between((2_500, 3_500));
    (stage.api.first, stage.api.tokens) = ((100, 400), (5, 60));
}

/// So few callers that a handful of calls is open, and refusals that do not care for the pace.
fn few(rng: &mut Rng, stage: &mut Stage, how: How) {
    trouble(rng, stage, (48, 72), how);
    stage.per_minute = rng.between((50, 70));
    stage.api.tokens = (100, 800);
}

/// For a while more is asked than the limits have.
fn surge(rng: &mut Rng, stage: &mut Stage) {
    let from = rng.between((60, 120)) * SECOND;
    let until = from + rng.between((20, 40)) * SECOND;
    stage.surges = vec![(from, until, rng.between((180, 250)))];
}

fn quota(rng: &mut Rng, stage: &mut Stage, (headers, hints): (bool, bool)) {
    stage.keys = 1;
    stage.api.requests = Some(Bucket::new(rng.between((190, 215)), rng.between((8, 15))));
    (stage.api.headers, stage.api.hints) = (headers, hints);
    surge(rng, stage);
}

/// A short loss of capacity that a load of two thirds of the full one, or more, must not make last.
fn metastable(rng: &mut Rng, stage: &mut Stage, full: (u64, u64)) {
    let full = rng.between(full);
    let from = rng.between((60, 90)) * SECOND;
    let until = from + rng.between((20, 30)) * SECOND;
    let low = Trouble { from, until, how: How::Brownout(full / 2) };
    let after = Trouble { from: until, until: u64::MAX, how: How::Brownout(full) };
    stage.api.troubles = vec![low, after];
    stage.ends = Some(until);
}

impl Scene {
    /// The scene under a seed.
    pub(crate) fn set(&self, seed: u64, settings: Settings) -> (Stage, Load) {
        let name = self.name.bytes().fold(7, |sum: u64, b| sum.wrapping_mul(31).wrapping_add(u64::from(b)));
        let mut rng = Rng::of(seed, name);
        let mut stage = Stage {
            api: Api::default(),
            keys: 0,
            gateways: 1,
            told: false,
            per_minute: rng.between((165, 185)),
            surges: Vec::new(),
            greedy: 0,
            leaps: Vec::new(),
            bursts: None,
            inputs: None,
            streams: false,
            until: UNTIL,
            deadline: DEADLINE,
            ends: None,
        };
        (self.change)(&mut rng, &mut stage);
        let load = Load {
            asked: arrivals(&mut rng, &stage),
            leaps: stage.leaps.clone(),
            gateways: stage.gateways,
            think: (0, 0),
            callers: 0,
            greedy: 0,
            until: stage.until,
            deadline: Some(stage.deadline),
            keys: stage.keys,
            settings: Settings {
                resume: settings.resume || self.continued,
                limiter_fleet: if stage.told {
                    u32::try_from(stage.gateways).unwrap_or(1)
                } else {
                    settings.limiter_fleet
                },
                ..settings
            },
        };
        (stage, load)
    }
}

const CALLERS: u64 = 20;

/// Tokens that go in.
fn input_of(rng: &mut Rng, (least, times): (u64, u64)) -> u64 {
    least * rng.between((1, times)) * rng.between((1, times)) / times
}

/// Calls that come by chance, whatever becomes of the others.
fn arrivals(rng: &mut Rng, stage: &Stage) -> Vec<Asked> {
    const TICK: u64 = SECOND / 100;
    let mut due = Vec::new();
    for n in 0..stage.until / TICK {
        let at = n * TICK + rng.below(TICK);
        let surge = stage.surges.iter().find(|(from, until, _)| (from..until).contains(&&at));
        let percent = surge.map_or(100, |(_, _, percent)| *percent);
        let many = stage.bursts.filter(|(_, every)| (n * TICK) % (every * SECOND) == 5 * SECOND);
        due.extend((0..many.map_or(0, |(many, _)| many)).map(|_| at));
        // More than one in a hundredth of a second come where they are many.
        let most = 1 + stage.per_minute * percent / 600_000;
        due.extend((0..most).filter(|_| rng.below(600_000 * most) < stage.per_minute * percent).map(|_| at));
    }
    let mut asked = Vec::new();
    for at in due {
        let tokens = rng.between(stage.api.tokens);
        let greedy = rng.below(100) < stage.greedy;
        let caller = if greedy { 0 } else { rng.below(CALLERS) };
        asked.push(Asked {
            at,
            gateway: usize::try_from(rng.below(stage.gateways as u64)).unwrap_or(0),
            caller: u32::try_from(caller).unwrap_or(0),
            plain: rng.below(3) == 0 && !stage.streams,
            first: rng.between(stage.api.first),
            // A hundred tokens a second.
            rest: tokens * 10,
            tokens,
            input: stage.inputs.map_or(200, |inputs| input_of(rng, inputs)),
        });
    }
    asked
}
