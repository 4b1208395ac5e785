//! `clearline doctor`: why calls fail, with the proof and the fix.

use std::path::Path;

use clap::Args;
use clearline_diagnose::{Evidence, judge};
use clearline_model::{Dur, Fact, FactId, Mono, Sent, Source, Stage, Status, Verdict};
use clearline_net::{Fault, Fence};
use clearline_report::{json, terminal};
use tokio::time::Instant;

use crate::doctor::{self, Limits};
use crate::exit::{self, Failure};
use crate::{look, out, serve, setup};

/// Finds out why calls fail: the cause, the proof, the fix
///
/// It goes where an official SDK would go: ANTHROPIC_BASE_URL, the credential, proxy and CA variables of this environment.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
    /// Stops before the call that spends a token
    #[arg(long)]
    no_call: bool,
    /// The model of that call
    #[arg(long, value_name = "NAME", default_value = "claude-haiku-5-5")]
    model: String,
    /// Contacts nobody but the target and its proxy
    #[arg(long)]
    only_target: bool,
    /// Lists whom it would contact, and does nothing
    #[arg(long)]
    plan: bool,
    /// Shows every fact
    #[arg(short, long)]
    verbose: bool,
}

/// The longest wait for one step.
const STEP: Dur = Dur::secs(5);
/// The longest diagnosis.
const WHOLE: Dur = Dur::secs(20);

impl Doctor {
    pub(crate) fn run(self, lang: Option<&str>, config: Option<&Path>) -> Result<u8, Failure> {
        let begun = Instant::now();
        let (mut facts, goal) = doctor::collect(&setup::variable);
        match goal {
            Ok(goal) if self.plan => return plan(&goal, self.only_target),
            Ok(goal) => {
                let fence =
                    Fence::parse(setup::variable("CLEARLINE_FENCE").as_deref()).map_err(Failure::usage)?;
                let limits = Limits {
                    only_target: self.only_target,
                    no_call: self.no_call,
                    step: STEP,
                    model: &self.model,
                };
                let progress = out::Progress::new();
                let on = |what: &str| progress.show(&format!("{what} … {}", Dur::from(begun.elapsed())));
                let seen = serve::one_thread()?.block_on(async {
                    tokio::time::timeout(WHOLE.into(), Box::pin(doctor::run(&goal, &fence, limits, &on)))
                        .await
                });
                progress.clear();
                facts.extend(seen.unwrap_or_default());
            }
            Err(fault) => facts.push(settings_fact(&fault)),
        }
        let evidence = Evidence::new(facts);
        let verdict = judge(&evidence);
        let elapsed = Dur::from(begun.elapsed());
        let prose = look::prose(lang, config);
        if self.json {
            out::say(&json::verdict(&prose, &verdict, evidence.facts(), elapsed).to_string())?;
        } else {
            out::say(&terminal::verdict(
                &prose,
                look::style(),
                &verdict,
                evidence.facts(),
                (elapsed, self.verbose),
            ))?;
        }
        Ok(code(&verdict))
    }
}

const fn code(verdict: &Verdict) -> u8 {
    match verdict.status {
        Status::Healthy => exit::WELL,
        Status::Degraded | Status::Failing => exit::PROBLEM,
        Status::Inconclusive => exit::INCONCLUSIVE,
    }
}

/// Settings that allow no call at all are where the reference client ends.
fn settings_fact(fault: &Fault) -> Fact {
    let path = clearline_model::Path {
        client: Some(clearline_diagnose::REFERENCE.to_owned()),
        ..clearline_model::Path::default()
    };
    Fact {
        id: FactId(0),
        from: Source::Host,
        path,
        stage: Stage::Config,
        saw: Err(fault.failure),
        sent: Sent::No,
        at: Mono(0),
        took: Dur::ZERO,
    }
}

fn plan(goal: &doctor::Goal, only_target: bool) -> Result<u8, Failure> {
    out::say(&format!("the target   {}", goal.target.host_port()))?;
    if let Some(proxy) = goal.proxy() {
        out::say(&format!("its proxy    {}:{}", proxy.host(), proxy.port()))?;
    }
    out::say("the system's resolver, for the names of both")?;
    if !only_target && !goal.is_default {
        out::say("the system's resolver, for api.anthropic.com, if the target's name is not found")?;
    }
    Ok(exit::WELL)
}
