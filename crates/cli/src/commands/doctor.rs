//! `clearline doctor`: why calls fail, with the proof and the fix.

mod subject;
mod verify;
mod watch;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use clearline_diagnose::{Evidence, Goal, Profile, judge, judge_for};
use clearline_doctor::{Options, World, collect, examine};
use clearline_model::{
    ClientView, Dur, Fact, FactId, Foreign, Mono, Seen, Sent, Source, Stage, Status, Verdict,
};
use clearline_net::{Fault, Fence};
use clearline_report::{Prose, client, document, json, layout, terminal};
use tokio::time::Instant;

use self::subject::{Entered, Subject};
use crate::exit::{self, Failure};
use crate::{look, out, saved, serve, setup, shared};

/// The largest body of `--body`, bytes: twice what the API takes for a request.
const BODY_MAX: u64 = 64 << 20;

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
    /// Repeats just the probes that decide whether the last diagnosis (or that of --from) is fixed: 0 fixed, 1 not, 4 not certain
    #[arg(long, conflicts_with_all = ["plan", "save", "html", "md"])]
    verify: bool,
    /// Diagnoses a process that runs: its environment, names, files and network, as far as they may be read
    #[arg(long, value_name = "PID", conflicts_with = "command")]
    pid: Option<u32>,
    /// Repeats cheaply and prints changes only, until Ctrl-C ends it with the rate of failures
    #[arg(long, conflicts_with_all = ["plan", "save", "from", "verify", "html", "md"])]
    watch: bool,
    /// From one time to the next, with --watch [default: 30s]
    #[arg(long, value_name = "TIME", requires = "watch")]
    interval: Option<String>,
    /// Diagnoses the environment that this command would get; it is not started
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
    /// Shows every fact
    #[arg(short, long)]
    verbose: bool,
}

impl Doctor {
    fn options(&self) -> Result<Options, Failure> {
        let read = |file: &PathBuf| {
            let wrong = |why: &dyn std::fmt::Display| Failure::usage(format!("{}: {why}", file.display()));
            let about = std::fs::metadata(file).map_err(|e| wrong(&e))?;
            if !about.is_file() || about.len() > BODY_MAX {
                return Err(wrong(&format!("a body is a regular file of at most {BODY_MAX} bytes")));
            }
            std::fs::read(file).map_err(|e| wrong(&e))
        };
        Ok(Options {
            only_target: self.only_target,
            no_call: self.no_call || self.watch,
            deep: self.deep,
            model: self.model.clone(),
            body: self.body.as_ref().map(read).transpose()?,
            headers: self.headers.clone(),
            client: self.profile,
        })
    }

    /// Whose environment it is.
    fn subject(&self) -> Result<Subject, Failure> {
        match self.pid {
            Some(pid) => Subject::of_process(pid),
            None if self.command.is_empty() => Ok(Subject::own()),
            None => Ok(Subject::of_command(&self.command)),
        }
    }

    /// What the settings say, and where they lead.
    fn world(&self, subject: &Subject) -> Result<(Vec<Fact>, Option<World>), Failure> {
        let (mut facts, settings) = collect(&|name| subject.variable(name), &subject.place);
        facts.extend(subject.unseen.iter().map(|why| host_fact("unreadable", why)));
        match settings {
            Ok(settings) => {
                let fence =
                    Fence::parse(setup::variable("CLEARLINE_FENCE").as_deref()).map_err(Failure::usage)?;
                Ok((facts, Some(World::new(settings, self.options()?, fence))))
            }
            Err(fault) => {
                facts.push(settings_fact(&fault));
                Ok((facts, None))
            }
        }
    }

    pub(crate) fn run(mut self, lang: Option<&str>, config: Option<&Path>) -> Result<u8, Failure> {
        let begun = Instant::now();
        let mut subject = self.subject()?;
        match self.pid.map(subject::enter) {
            Some(Entered::Done(code)) => return Ok(code),
            Some(Entered::Here(why)) => subject.unseen.extend(why),
            None => {}
        }
        self.profile = self.profile.or(subject.profile);
        let prose = look::prose(lang, config);
        if self.verify {
            return verify::run(&self, &subject, &prose);
        }
        if self.watch {
            return watch::run(&self, &subject, &prose, config);
        }
        let evidence = match &self.from {
            Some(file) => Evidence::new(saved::read(file)?),
            None => match self.world(&subject)? {
                (_, Some(world)) if self.plan => return plan(&prose, &world.goal),
                (facts, world) => serve::one_thread()?.block_on(see(world.as_ref(), facts, begun)),
            },
        };
        if let Some(file) = &self.save {
            saved::write(file, evidence.facts())?;
        }
        let (verdict, view) = self.judge(&evidence);
        if self.from.is_none() && matches!(verdict.status, Status::Failing | Status::Degraded) {
            saved::keep(evidence.facts());
        }
        let elapsed = match self.from {
            Some(_) => lasted(evidence.facts()),
            None => Dur::from(begun.elapsed()),
        };
        let told = Told { verdict, view, elapsed };
        self.tell(&prose, &evidence, &told)?;
        Ok(code(&told.verdict))
    }

    /// The verdict, for the client that is named or the reference client.
    fn judge(&self, evidence: &Evidence) -> (Verdict, Option<ClientView>) {
        match self.profile {
            Some(profile) => {
                let (verdict, view) = judge_for(evidence, profile);
                (verdict, Some(view))
            }
            None => (judge(evidence), None),
        }
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

/// Looks and probes; where the settings allow no call, they are all that is seen.
async fn see(world: Option<&World>, facts: Vec<Fact>, begun: Instant) -> Evidence {
    let Some(world) = world else { return Evidence::new(facts) };
    let progress = out::Progress::new();
    let on = |what: &str| progress.show(&format!("{what} … {}", Dur::from(begun.elapsed())));
    let evidence = Box::pin(examine(world, facts, &on)).await;
    progress.clear();
    evidence
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

/// How long the looking took that these facts come from.
fn lasted(facts: &[Fact]) -> Dur {
    facts.iter().map(|f| Dur(f.at.0.saturating_add(f.took.0))).max().unwrap_or(Dur::ZERO)
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

const fn code(verdict: &Verdict) -> u8 {
    match verdict.status {
        Status::Healthy => exit::WELL,
        Status::Degraded | Status::Failing => exit::PROBLEM,
        Status::Inconclusive => exit::INCONCLUSIVE,
    }
}

/// Something about this machine.
fn host_fact(name: &str, says: &str) -> Fact {
    let saw = Ok(Seen::State(name.to_owned(), Foreign::new(says)));
    let nobody = clearline_model::Path::default();
    let took = Dur::ZERO;
    let (id, at, stage, sent) = (FactId(0), Mono(0), Stage::Config, Sent::No);
    Fact { id, from: Source::Host, path: nobody, stage, saw, sent, at, took }
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

/// Whom the doctor contacts.
fn plan(prose: &Prose, goal: &Goal) -> Result<u8, Failure> {
    let list = |all: &[std::net::IpAddr]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let said = |name: &str, key: &'static str, text: &str| {
        prose.say(name, &clearline_report::Args::default().with(key, Foreign::new(text)))
    };
    let mut rows = vec![("plan-target", format!("{}:{}", goal.host, goal.port))];
    rows.extend(goal.proxy.as_ref().map(|proxy| ("plan-proxy", proxy.to_string())));
    rows.push(("plan-resolvers", said("plan-resolvers-own", "name", &list(&goal.resolvers))));
    if let Some((host, port)) = goal.cloud.as_ref().filter(|_| !goal.only_target) {
        rows.push(("plan-cloud", said("plan-cloud-why", "host", &format!("{host}:{port}"))));
    }
    let first =
        goal.client.and_then(Profile::first_run).filter(|host| *host != goal.host && !goal.only_target);
    rows.extend(first.map(|host| ("plan-first", said("plan-first-why", "host", &format!("{host}:443")))));
    let own = rows.len();
    if !goal.only_target {
        rows.push(("plan-resolvers", list(&goal.public_resolvers)));
        rows.push(("plan-hosts", goal.controls.join(", ")));
    }
    let rows: Vec<_> = rows.into_iter().map(|(name, text)| (prose.word(name), text)).collect();
    let wide = rows.iter().map(|(name, _)| layout::width(name)).max().unwrap_or(0);
    for (n, (name, text)) in rows.iter().enumerate() {
        if n == own {
            out::say(&prose.word("plan-after-failure"))?;
        }
        out::say(&format!("{}   {text}", layout::pad(name, wide)))?;
    }
    Ok(exit::WELL)
}
