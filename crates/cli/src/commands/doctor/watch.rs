//! `clearline doctor --watch`: the call again and again without spending a token, a line for every change, and the rate of what
//! fails at times.

use std::path::Path;

use clearline_diagnose::{Evidence, Probe, What};
use clearline_model::{Cause, Dur, Foreign, Role, Stage, Status};
use clearline_report::Prose;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::watch::{Watching, flags, rules};
use super::subject::Subject;
use super::{Doctor, see};
use crate::exit::{self, Failure};
use crate::watch::probe::{Miss, Part, Round};
use crate::watch::show::Show;
use crate::{look, out, serve, setup, signals};

/// What is repeated: the reference client's call, up to the answer with the key.
fn cheap(path: clearline_model::Path) -> Vec<Probe> {
    vec![Probe::new(What::Reference, path, Dur::secs(5), &[])]
}

pub(super) fn run(
    doctor: &Doctor,
    subject: &Subject,
    prose: &Prose,
    config: Option<&Path>,
) -> Result<u8, Failure> {
    let settings = setup::load(config, &flags(doctor.interval.as_ref()))?;
    let every = settings.time("watch.interval");
    let mut show = Show::new(prose, look::style(), doctor.json);
    let mut watching = Watching::new(rules(&settings));
    let mut rounds = Rounds { doctor, subject, known: None };
    serve::one_thread()?.block_on(async {
        if !doctor.json {
            out::say(&show.begin(&rounds.host()?, every))?;
        }
        let stop = signals::stop()?;
        let unread = out::unread();
        tokio::pin!(stop, unread);
        let mut ticks = interval(every.into());
        // What takes longer than the interval is not made up for.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let round = tokio::select! {
                () = &mut stop => break,
                () = &mut unread => break,
                round = async { ticks.tick().await; Box::pin(rounds.next()).await } => round?,
            };
            let _alerts = watching.take(&round);
            watching.show(&mut show, &round)?;
        }
        out::say(&show.end(&watching.now()))?;
        Ok(exit::WELL)
    })
}

/// One round after the other.
struct Rounds<'a> {
    doctor: &'a Doctor,
    subject: &'a Subject,
    /// What the weakest true cause turned out to be when everything was probed.
    known: Option<(Cause, Miss)>,
}

impl Rounds<'_> {
    fn host(&self) -> Result<String, Failure> {
        let (_, world) = self.doctor.world(self.subject)?;
        Ok(world.map_or_else(String::new, |w| format!("{}:{}", w.goal.host, w.goal.port)))
    }

    /// A round is cheap as long as it says what the one before said; a new failure is diagnosed whole, once.
    async fn next(&mut self) -> Result<Round, Failure> {
        let begun = Instant::now();
        let seen = self.look(true, begun).await?;
        let took = begun.elapsed().into();
        let Some(weak) = self.miss(&seen) else { return Ok(Round { failed: None, took }) };
        if let Some((_, miss)) = self.known.as_ref().filter(|(known, _)| *known == weak.cause) {
            return Ok(Round { failed: Some(miss.clone()), took });
        }
        let whole = self.look(false, begun).await?;
        // What heals in the meantime failed all the same.
        let miss = self.miss(&whole).unwrap_or_else(|| weak.clone());
        self.known = Some((weak.cause, miss.clone()));
        Ok(Round { failed: Some(miss), took })
    }

    async fn look(&self, is_cheap: bool, begun: Instant) -> Result<Evidence, Failure> {
        let (facts, mut world) = self.doctor.world(self.subject)?;
        if let Some(world) = world.as_mut().filter(|_| is_cheap) {
            world.goal.only = Some(cheap(world.goal.path()));
        }
        Ok(see(world.as_ref(), facts, begun).await)
    }

    /// Why a round failed.
    fn miss(&self, seen: &Evidence) -> Option<Miss> {
        let (verdict, _) = self.doctor.judge(seen);
        let finding = verdict.findings.iter().find(|f| f.role == Role::Root);
        let cause = finding.filter(|_| verdict.status == Status::Failing)?.cause;
        let failed = seen.facts().iter().rev().find(|f| f.saw.is_err() && f.path.client.is_some());
        let part = match failed.map(|f| (f.stage, f.path.credential.is_some())) {
            Some((Stage::Head | Stage::Body, true)) => Part::Key,
            Some((Stage::Stream, _)) => Part::Call,
            Some(_) | None => Part::Reach,
        };
        Some(Miss { cause, part, detail: Foreign::default(), status: None, request_id: None })
    }
}
