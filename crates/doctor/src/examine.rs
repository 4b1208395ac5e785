//! The loop: ask the plan, make the probes, hand the facts back.

use clearline_diagnose::{Evidence, Probe, Step, meanwhile, next};
use clearline_model::{Dur, Fact};
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;

use crate::flow::Meter;
use crate::probe;
use crate::world::World;

/// The least time that background probes are given once everything else has ended.
const GRACE: Dur = Dur::millis(60);
/// After so long a call has met more than a slow network.
const LONG: Dur = Dur::millis(2_500);
/// The longest.
const GRACE_MAX: Dur = Dur::millis(700);

/// A probe with the facts that it brought.
type Ended = (usize, Vec<Fact>);
type Running<'a> = FuturesUnordered<std::pin::Pin<Box<dyn Future<Output = Ended> + 'a>>>;

/// Examines until the plan wants nothing more. `facts` are what is known already; `on` hears what is being done.
pub async fn examine(world: &World, facts: Vec<Fact>, on: &(dyn Fn(&str) + Sync)) -> Evidence {
    let mut round = Round {
        world,
        facts,
        asked: Vec::new(),
        ended: Vec::new(),
        open: 0,
        running: FuturesUnordered::new(),
        meter: Meter::start(),
    };
    loop {
        let evidence = round.evidence();
        match next(&world.goal, &evidence, &round.asked, world.spent()) {
            Step::Probe(probes) => round.begin(probes, on),
            // What is still out may bring a new question.
            Step::Done if !round.settle().await => return evidence,
            Step::Done => {}
        }
        round.wait(on).await;
    }
}

struct Round<'a> {
    world: &'a World,
    facts: Vec<Fact>,
    asked: Vec<Probe>,
    ended: Vec<usize>,
    /// Probes in the foreground that have not ended.
    open: usize,
    running: Running<'a>,
    meter: Meter,
}

impl<'a> Round<'a> {
    /// Everything that is known by now.
    fn evidence(&self) -> Evidence {
        let mut facts = self.facts.clone();
        facts.extend(self.meter.fact(self.world));
        Evidence::new(facts)
    }

    fn begin(&mut self, probes: Vec<Probe>, on: &(dyn Fn(&str) + Sync)) {
        on(words(&probes));
        for probe in probes {
            self.open += usize::from(!probe.is_background);
            let (world, index) = (self.world, self.asked.len());
            self.asked.push(probe.clone());
            self.running.push(Box::pin(async move { (index, probe::run(world, &probe).await) }));
        }
    }

    /// Until no foreground probe is left. Where that takes long, what was seen meanwhile may open a question by itself.
    async fn wait(&mut self, on: &(dyn Fn(&str) + Sync)) {
        let mut look = Box::pin(tokio::time::sleep(LONG.into()));
        while self.open > 0 {
            let ended = match select(self.running.next(), look.as_mut()).await {
                Either::Left((ended, _)) => ended,
                Either::Right(_) => {
                    look = Box::pin(tokio::time::sleep(LONG.into()));
                    let probes = meanwhile(&self.world.goal, &self.evidence(), &self.asked);
                    if !probes.is_empty() {
                        self.begin(probes, on);
                    }
                    continue;
                }
            };
            let Some(ended) = ended else { return };
            self.take(ended);
        }
    }

    fn take(&mut self, (index, facts): Ended) {
        let is_background = self.asked.get(index).is_some_and(|p| p.is_background);
        self.open -= usize::from(!is_background && self.open > 0);
        self.ended.push(index);
        self.facts.extend(facts);
    }

    /// Gives background probes a little more time; says whether anything came of it. What stays out is
    /// dropped and noted as unfinished, which is no failure: nobody waited for it.
    async fn settle(&mut self) -> bool {
        let before = self.facts.len();
        let grace = Dur(self.world.spent().0 / 3).clamp(GRACE, GRACE_MAX);
        let mut end = std::pin::pin!(tokio::time::sleep(grace.into()));
        while !self.running.is_empty() {
            let ended = match select(self.running.next(), end.as_mut()).await {
                Either::Left((Some(ended), _)) => ended,
                Either::Left((None, _)) | Either::Right(_) => break,
            };
            self.take(ended);
        }
        if !self.running.is_empty() {
            self.running.clear();
            let left = self.asked.iter().enumerate().filter(|(i, _)| !self.ended.contains(i));
            self.facts.extend(left.map(|(_, probe)| probe::unfinished(self.world, probe)));
            self.ended = (0..self.asked.len()).collect();
        }
        self.facts.len() > before
    }
}

/// What is being done, for a person who waits.
fn words(probes: &[Probe]) -> &'static str {
    use clearline_diagnose::What;
    match probes.first().map(|p| p.what) {
        Some(What::Reference) => "a call as your client makes it",
        Some(What::Lookup | What::LookupTwice) => "asking resolvers",
        Some(What::Connect | What::Addresses | What::Series | What::Silence | What::Host | What::Packets) => {
            "connecting"
        }
        Some(What::Handshake | What::Hello | What::Http2 | What::Issuer | What::Dated) => "TLS",
        Some(What::Tunnel | What::Proxies) => "the proxy",
        Some(
            What::Free | What::Paths | What::Reuse | What::Keyless | What::Plain | What::Upload | What::Idle,
        )
        | None => "asking",
    }
}
