//! A lab of network namespaces in which the way to the API breaks on cue, and which scores the doctor.
//!
//! Three namespaces: the user's machine, a router with resolver and proxy, and the Internet with the API under a CA of
//! its own. `lab/world.toml` is the healthy world, every fault a table that is laid over it. Nothing leaves the machine:
//! no namespace has a link to the outside.

mod baseline;
mod bench;
mod check;
mod fault;
#[cfg(test)]
mod honest;
mod names;
mod outcome;
mod overlay;
mod pki;
mod plan;
mod run;
mod score;
mod select;
mod serve;
mod world;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::baseline::Clients;
use crate::fault::Catalogue;
use crate::outcome::Outcome;
use crate::plan::Place;
use crate::run::Runner;
use crate::select::Choice;
use crate::world::World;

/// What went wrong, in words.
pub(crate) type Problem = Box<dyn std::error::Error + Send + Sync>;

/// Writes a line. Where that cannot be done, nobody is left to be told.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _told = writeln!(out, "{text}").and_then(|()| out.flush()).is_ok();
}

/// Breaks the way to the API in namespaces, and scores the doctor
#[derive(Debug, Parser)]
#[command(name = "cargo xtask lab")]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Lists the conditions with what is true in them
    List {
        /// Of this layer alone
        #[arg(long)]
        layer: Option<String>,
    },
    /// Runs conditions and says what the doctor made of each
    Run(Work),
    /// Runs conditions (all, where none is named) and prints the figures
    Score(Work),
    /// Times a diagnosis of the healthy path against one POST with curl
    Bench {
        /// What names and addresses are drawn from
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The binary under test
        #[arg(long, default_value = "target/debug/clearline")]
        clearline: PathBuf,
    },
    /// Builds the lab of a condition and leaves it standing
    Up {
        /// The condition
        id: String,
        /// What names and addresses are drawn from
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Takes labs down: those named, or all
    Down {
        /// As `up` printed them
        labs: Vec<String>,
    },
    /// The services of one namespace
    #[command(hide = true)]
    Serve {
        dir: PathBuf,
        place: String,
        #[arg(long)]
        detached: bool,
    },
    /// The emulated link of a lab
    #[command(hide = true)]
    Link {
        dir: PathBuf,
        #[arg(long)]
        detached: bool,
    },
    /// Takes a lab down once the standard input ends
    #[command(hide = true)]
    Reap { id: String },
}

#[derive(Debug, Args)]
struct Work {
    #[command(flatten)]
    choice: Choice,
    /// How many labs stand at a time
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Writes the outcomes into this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Ends with 1 only where top-1 is below so many per cent, a healthy path was accused, or a fault did not take effect
    #[arg(long, value_name = "N")]
    gate: Option<usize>,
    /// Asks curl and the SDKs too, and says how often their own message names the cause
    #[arg(long)]
    baseline: bool,
    /// A Python with the official SDK, for --baseline
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// The module of the official TypeScript SDK, for --baseline
    #[arg(long, value_name = "FILE")]
    node_sdk: Option<PathBuf>,
    /// Prints the figures of such a file and runs nothing
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Prints the figures as JSON, after everything else
    #[arg(long)]
    json: bool,
    /// Says of every condition what was named
    #[arg(short, long)]
    verbose: bool,
    /// Keeps the facts of each condition in this folder
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
    /// The binary under test
    #[arg(long, default_value = "target/debug/clearline")]
    clearline: PathBuf,
}

fn main() -> ExitCode {
    match task(Cli::parse().command) {
        Ok(code) => code,
        Err(why) => {
            let _told = writeln!(std::io::stderr(), "error: {why}").is_ok();
            ExitCode::from(2)
        }
    }
}

fn task(task: Task) -> Result<ExitCode, Problem> {
    match task {
        Task::List { layer } => list(layer.as_deref())?,
        Task::Run(work) => return work.run(true),
        Task::Score(work) => return work.run(false),
        Task::Bench { seed, clearline } => {
            root()?;
            bench::bench(&catalogue()?, &std::fs::canonicalize(clearline)?, seed)?;
        }
        Task::Up { id, seed } => up(&id, seed)?,
        Task::Down { labs } => {
            let labs = if labs.is_empty() { world::standing() } else { labs };
            for lab in labs {
                world::down(&lab)?;
                say(&format!("{lab} is down"));
            }
        }
        Task::Serve { dir, place, detached } => {
            let place = Place::ALL.into_iter().find(|p| p.word() == place).ok_or("no such place")?;
            serve::run(&dir, place, detached)?;
        }
        Task::Link { dir, detached } => serve::link::run(&dir, detached)?,
        Task::Reap { id } => world::reap(&id)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The folder of the data files.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab")
}

fn catalogue() -> Result<Catalogue, Problem> {
    Catalogue::read(&folder())
}

fn list(layer: Option<&str>) -> Result<(), Problem> {
    let catalogue = catalogue()?;
    let chosen = catalogue.faults.iter().filter(|f| layer.is_none_or(|l| l == f.layer));
    for fault in chosen {
        say(&format!("{:<26} {:<9} {}", fault.id, fault.status, fault.truth));
        say(&format!("{:<26} {}", "", fault.title));
    }
    Ok(())
}

fn up(id: &str, seed: u64) -> Result<(), Problem> {
    root()?;
    let catalogue = catalogue()?;
    let fault = catalogue.find(id)?;
    let lab = format!("{}{}up", world::PREFIX, std::process::id());
    let names = run::names(seed, &lab);
    let built = catalogue.plan(&fault, &names).and_then(|plan| World::up(&lab, plan, &names, true));
    let world = match built {
        Ok(world) => world,
        Err(why) => {
            world::down(&lab)?;
            return Err(why);
        }
    };
    say(&format!("{lab} stands: {} ({})", fault.title, fault.truth));
    let variables = world.environment()?;
    let variables: Vec<String> = variables.iter().map(|(n, v)| format!("'{n}={v}'")).collect();
    let client = world::namespace(&lab, Place::Cli);
    say(&format!("a shell of its client:\n  ip netns exec {client} env -i {} sh", variables.join(" ")));
    say(&format!("what its services see: {}\nits end: cargo xtask lab down {lab}", world.dir.display()));
    Ok(())
}

fn root() -> Result<(), Problem> {
    use std::os::unix::fs::MetadataExt as _;
    if std::fs::metadata("/proc/self")?.uid() == 0 {
        return Ok(());
    }
    Err("the lab needs root: it makes network namespaces".into())
}

impl Work {
    fn run(&self, is_single: bool) -> Result<ExitCode, Problem> {
        let outcomes: Vec<Outcome> = match &self.from {
            Some(file) => serde_json::from_str(&std::fs::read_to_string(file)?)?,
            None => self.outcomes(is_single)?,
        };
        if let Some(file) = &self.out {
            std::fs::write(file, serde_json::to_string_pretty(&outcomes)?)?;
        }
        let score = score::of(&outcomes, &baseline::words(&folder())?);
        if !is_single {
            say(&format!("\n{}", score.table().trim_end()));
        }
        if self.json {
            say(&serde_json::to_string(&score)?);
        }
        let is_well = match self.gate {
            Some(gate) => score.passes(gate),
            None => outcomes.iter().all(|o| o.unscored.is_none() && o.is_right()),
        };
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn outcomes(&self, is_single: bool) -> Result<Vec<Outcome>, Problem> {
        root()?;
        let catalogue = catalogue()?;
        let work = self.choice.work(&catalogue, is_single)?;
        let clearline = std::fs::canonicalize(&self.clearline)
            .map_err(|e| format!("{}: {e}", self.clearline.display()))?;
        let clients = Clients {
            python: self.python.clone(),
            node_sdk: self.node_sdk.clone(),
            folder: std::fs::canonicalize(folder())?,
        };
        let record = self
            .record
            .as_ref()
            .map(|folder| std::fs::create_dir_all(folder).and_then(|()| std::fs::canonicalize(folder)));
        let runner = Runner {
            catalogue: &catalogue,
            clearline,
            jobs: self.jobs,
            clients: self.baseline.then_some(clients),
            verbose: self.verbose || is_single,
            record: record.transpose()?,
        };
        runner.all(&work)
    }
}
