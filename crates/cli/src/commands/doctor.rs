//! `clearline doctor`: why calls fail, with the proof and the fix.

use std::path::{Path, PathBuf};

use clap::Args;
use clearline_diagnose::{Evidence, Goal, Profile, judge, judge_for};
use clearline_doctor::{Options, World, collect, examine};
use clearline_model::{ClientView, Dur, Fact, FactId, Mono, Sent, Source, Stage, Status, Verdict};
use clearline_net::{Fault, Fence};
use clearline_report::{Prose, client, document, json, terminal};
use tokio::time::Instant;

use crate::exit::{self, Failure};
use crate::{look, out, saved, serve, setup, shared};

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
    /// Makes the call with this body instead of its own smallest one
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// Adds a header to the calls with the credential, as curl does: 'Name: value' sets it, 'Name:' leaves it out
    #[arg(long = "header", value_name = "HEADER", value_parser = header)]
    headers: Vec<(String, Option<String>)>,
    /// Makes the slow tests too: minutes instead of seconds
    #[arg(long)]
    deep: bool,
    /// Contacts nobody but the target, its proxy and this machine's resolvers
    #[arg(long)]
    only_target: bool,
    /// Keeps what was seen in this file, to be judged again elsewhere with --from
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Judges what --save kept, and contacts nobody
    #[arg(long, value_name = "FILE", conflicts_with_all = ["save", "plan"])]
    from: Option<PathBuf>,
    /// Writes a page that may be shown to others into this file: names, addresses and files are replaced
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The same as Markdown
    #[arg(long, value_name = "FILE")]
    md: Option<PathBuf>,
    /// Lists whom it would contact, and does nothing
    #[arg(long)]
    plan: bool,
    /// Diagnoses as this client would fare: curl, python-requests, anthropic-python, node, claude-code …
    #[arg(long, value_name = "NAME", value_parser = profile)]
    profile: Option<Profile>,
    /// Shows every fact
    #[arg(short, long)]
    verbose: bool,
}

impl Doctor {
    fn options(&self) -> Result<Options, Failure> {
        let read = |file: &PathBuf| {
            std::fs::read(file).map_err(|e| Failure::usage(format!("{}: {e}", file.display())))
        };
        Ok(Options {
            only_target: self.only_target,
            no_call: self.no_call,
            deep: self.deep,
            model: self.model.clone(),
            body: self.body.as_ref().map(read).transpose()?,
            headers: self.headers.clone(),
            client: self.profile,
        })
    }

    /// Looks and probes.
    fn see(&self, begun: Instant) -> Result<Seen, Failure> {
        let (mut facts, settings) = collect(&setup::variable);
        match settings {
            Ok(settings) => {
                let fence =
                    Fence::parse(setup::variable("CLEARLINE_FENCE").as_deref()).map_err(Failure::usage)?;
                let world = World::new(settings, self.options()?, fence);
                if self.plan {
                    return Ok(Seen::Plan(Box::new(world.goal)));
                }
                let progress = out::Progress::new();
                let on = |what: &str| progress.show(&format!("{what} … {}", Dur::from(begun.elapsed())));
                let evidence = serve::one_thread()?.block_on(Box::pin(examine(&world, facts, &on)));
                progress.clear();
                Ok(Seen::Evidence(evidence))
            }
            Err(fault) => {
                facts.push(settings_fact(&fault));
                Ok(Seen::Evidence(Evidence::new(facts)))
            }
        }
    }

    pub(crate) fn run(self, lang: Option<&str>, config: Option<&Path>) -> Result<u8, Failure> {
        let begun = Instant::now();
        let evidence = match &self.from {
            Some(file) => Evidence::new(saved::read(file)?),
            None => match self.see(begun)? {
                Seen::Evidence(evidence) => evidence,
                Seen::Plan(goal) => return plan(&goal),
            },
        };
        if let Some(file) = &self.save {
            saved::write(file, evidence.facts())?;
        }
        let (verdict, view) = match self.profile {
            Some(profile) => {
                let (verdict, view) = judge_for(&evidence, profile);
                (verdict, Some(view))
            }
            None => (judge(&evidence), None),
        };
        let told = Told { verdict, view, elapsed: Dur::from(begun.elapsed()) };
        self.tell(&look::prose(lang, config), &evidence, &told)?;
        Ok(code(&told.verdict))
    }

    /// Prints and writes what was found.
    fn tell(&self, prose: &Prose, evidence: &Evidence, told: &Told) -> Result<(), Failure> {
        let (facts, Told { verdict, view, elapsed }) = (evidence.facts(), told);
        if self.html.is_some() || self.md.is_some() {
            let mut document = document::verdict(prose, verdict, facts, *elapsed);
            if let Some(view) = view {
                document.blocks.splice(0..0, document::client(prose, facts, view));
            }
            shared::write(self.md.as_deref(), self.html.as_deref(), &document)?;
        }
        if self.json {
            let mut report = json::verdict(prose, verdict, facts, *elapsed);
            if let (Some(view), Some(map)) = (view, report.as_object_mut()) {
                map.insert("client".to_owned(), client::json(prose, facts, view));
            }
            return Ok(out::say(&report.to_string())?);
        }
        let style = look::style();
        if let Some(view) = view {
            out::say(&format!("{}\n", terminal::client(prose, style, facts, view)))?;
        }
        Ok(out::say(&terminal::verdict(prose, style, verdict, facts, (*elapsed, self.verbose)))?)
    }
}

/// What was found, and in what time.
struct Told {
    verdict: Verdict,
    /// How the named client fares.
    view: Option<ClientView>,
    elapsed: Dur,
}

/// A client by its name.
fn profile(name: &str) -> Result<Profile, String> {
    let known = || Profile::all().map(Profile::id).collect::<Vec<_>>().join(", ");
    Profile::named(name).ok_or_else(|| format!("this client is not known; there are: {}", known()))
}

/// A header as curl writes it.
fn header(text: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = text.split_once(':').ok_or("write 'Name: value', or 'Name:' to leave it out")?;
    let (name, value) = (name.trim(), value.trim());
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !is_name || value.bytes().any(|b| b.is_ascii_control()) {
        return Err("a header's name or value has characters that do not belong".to_owned());
    }
    Ok((name.to_owned(), Some(value.to_owned()).filter(|v| !v.is_empty())))
}

/// What came of looking.
enum Seen {
    Evidence(Evidence),
    /// Whom it would contact was asked for, and no more.
    Plan(Box<Goal>),
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

fn plan(goal: &Goal) -> Result<u8, Failure> {
    out::say(&format!("the target   {}:{}", goal.host, goal.port))?;
    if let Some(proxy) = &goal.proxy {
        out::say(&format!("its proxy    {proxy}"))?;
    }
    let list = |all: &[std::net::IpAddr]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    out::say(&format!("resolvers    {}, for the names of both", list(&goal.resolvers)))?;
    if !goal.only_target {
        out::say("and only where the call fails, to tell its fault from those of the network:")?;
        out::say(&format!("resolvers    {}", list(&goal.public_resolvers)))?;
        out::say(&format!("hosts        {}", goal.controls.join(", ")))?;
    }
    Ok(exit::WELL)
}
