//! Running conditions: the lab stands, the fault is seen, the doctor is asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::Value;

use crate::baseline::Clients;
use crate::fault::{Catalogue, Fault};
use crate::names::Names;
use crate::outcome::{Named, Outcome};
use crate::plan::Plan;
use crate::world::{self, World};
use crate::{Problem, baseline, check, say};

/// What a run needs to know.
pub(crate) struct Runner<'a> {
    pub(crate) catalogue: &'a Catalogue,
    /// The binary under test.
    pub(crate) clearline: PathBuf,
    /// How many labs stand at a time.
    pub(crate) jobs: usize,
    /// Whom to ask besides; nobody where that was not wanted.
    pub(crate) clients: Option<Clients>,
    /// Shows more than one line for each.
    pub(crate) verbose: bool,
    /// Where the facts of each condition are kept, `ID.json`.
    pub(crate) record: Option<PathBuf>,
}

/// The names of a lab, those of its place on this machine included.
pub(crate) fn names(seed: u64, id: &str) -> Names {
    let mut names = Names::draw(seed);
    let dir = world::directory(id).display().to_string();
    names.set("home", format!("{dir}/home"));
    names.set("dir", dir);
    names
}

impl Runner<'_> {
    /// Runs all of these, each with its seed, and gives the outcomes in the same order.
    ///
    /// # Errors
    /// No thread could be started.
    pub(crate) fn all(&self, work: &[(Fault, u64)]) -> Result<Vec<Outcome>, Problem> {
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some((fault, seed)) = work.get(at) else { return };
                        let mut outcome = self.one(fault, *seed, at);
                        // What did not take effect says nothing of the doctor: once more, in a lab of its own.
                        if outcome.unscored.is_some() {
                            outcome = self.one(fault, *seed, at + work.len());
                        }
                        say(&self.line(&outcome, at + 1, work.len()));
                        if let Ok(mut done) = done.lock() {
                            done.push((at, outcome));
                        }
                    }
                });
            }
        });
        let mut done = done.into_inner().map_err(|_| "a thread of the run ended early")?;
        done.sort_by_key(|(at, _)| *at);
        Ok(done.into_iter().map(|(_, outcome)| outcome).collect())
    }

    fn line(&self, outcome: &Outcome, at: usize, of: usize) -> String {
        let named: Vec<String> =
            outcome.causes.iter().map(|c| format!("{} ({}, {})", c.id, c.role, c.confidence)).collect();
        let named = if named.is_empty() { "nothing".to_owned() } else { named.join(", ") };
        let mark = match (&outcome.unscored, outcome.is_right()) {
            (Some(_), _) => "–",
            (None, true) => "✓",
            (None, false) => "✗",
        };
        let mut line = format!("{mark} {at:>3}/{of} {} seed {}: ", outcome.id, outcome.seed);
        if let Some(why) = &outcome.unscored {
            return line + why;
        }
        line +=
            &format!("{} {}.{:02} s", outcome.status, outcome.took_ms / 1000, outcome.took_ms % 1000 / 10);
        if self.verbose || !outcome.is_right() {
            line += &format!("\n    truth  {} ({})\n    named  {named}", outcome.truth, outcome.expected);
        }
        if !outcome.said.is_empty() {
            line += &format!("\n    said   {}", outcome.said.lines().next().unwrap_or_default());
        }
        line
    }

    fn one(&self, fault: &Fault, seed: u64, at: usize) -> Outcome {
        let mut outcome = Outcome {
            id: fault.id.clone(),
            layer: fault.layer.clone(),
            seed,
            truth: fault.truth.to_string(),
            expected: fault.status.clone(),
            unscored: None,
            status: String::new(),
            causes: Vec::new(),
            exit: 0,
            took_ms: 0,
            said: String::new(),
            clients: BTreeMap::new(),
        };
        if let Some(program) = fault.needs.iter().find(|p| !has(p)) {
            outcome.unscored = Some(format!("SKIPPED {program} is not installed: cargo xtask setup"));
            return outcome;
        }
        let id = format!("{}{}n{at}", world::PREFIX, std::process::id());
        if let Err(why) = self.within(fault, &names(seed, &id), &id, &mut outcome) {
            outcome.unscored = Some(format!("the lab does not stand: {why}"));
        }
        outcome
    }

    fn within(&self, fault: &Fault, names: &Names, id: &str, outcome: &mut Outcome) -> Result<(), Problem> {
        let plan: Plan = self.catalogue.plan(fault, names)?;
        let world = World::up(id, plan, names, false)?;
        let missing = check::effect(&world, fault, names)?;
        if !missing.is_empty() {
            outcome.unscored = Some(missing.join("; "));
            return Ok(());
        }
        self.doctor(&world, outcome)?;
        if let Some(clients) = &self.clients {
            outcome.clients = baseline::ask(&world, fault, clients)?;
        }
        Ok(())
    }

    fn doctor(&self, world: &World, outcome: &mut Outcome) -> Result<(), Problem> {
        let binary = self.clearline.display().to_string();
        let client = &world.plan.client;
        let mut arguments = vec![binary.as_str(), "doctor", "--json"];
        arguments.extend(client.args.iter().map(String::as_str));
        let body = world.dir.join("home").join("body.json");
        let shown = body.display().to_string();
        if let Some(text) = client.own_body() {
            std::fs::write(&body, text)?;
            arguments.extend(["--body", &shown]);
        }
        let kept = self.record.as_ref().map(|d| d.join(format!("{}.json", outcome.id)).display().to_string());
        if let Some(file) = &kept {
            arguments.extend(["--save", file]);
        }
        let mut command = check::client_command(world, &arguments)?;
        let begun = Instant::now();
        let output = command.output()?;
        outcome.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        outcome.exit = output.status.code().unwrap_or(-1);
        match serde_json::from_slice::<Value>(&output.stdout) {
            Ok(verdict) => {
                (outcome.status, outcome.causes) = read(&verdict);
            }
            Err(_) => {
                outcome.status = "broken".to_owned();
                outcome.said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            }
        }
        Ok(())
    }
}

/// The status and the causes of a verdict.
fn read(verdict: &Value) -> (String, Vec<Named>) {
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let causes = verdict.get("causes").and_then(Value::as_array).into_iter().flatten();
    let named = causes.map(|cause| Named {
        id: text(cause, "id"),
        role: text(cause, "role"),
        confidence: text(cause, "confidence"),
    });
    (text(verdict, "status"), named.collect())
}

/// Whether a program is installed.
fn has(program: &str) -> bool {
    let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    folders.iter().any(|folder| Path::new(folder).join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_read() {
        let verdict = serde_json::json!({
            "schema": "clearline.verdict/1", "status": "failing",
            "causes": [{"id": "tcp.reset", "role": "root", "confidence": "likely", "title": "x"}],
        });
        let (status, causes) = read(&verdict);
        assert_eq!(status, "failing");
        let named =
            Named { id: "tcp.reset".to_owned(), role: "root".to_owned(), confidence: "likely".to_owned() };
        assert_eq!(causes, [named]);
    }
}
