//! The client, not the machine: the evidence read as one client would meet it.
//!
//! The reference client's call and the control experiments say what each way of making a call leads to. A client is a row of
//! habits ([`table`]); its call goes through the evidence stage by stage ([`walk`]), and where its habit and that of another
//! client part, the facts of the two are the reason why one works and the other does not.

mod route;
mod table;
#[cfg(test)]
mod tests;
mod walk;

use clearline_model::{
    Axis, Cause, ClientView, Confidence, Dur, FactId, Fate, Finding, Path, Proof, Role, Stage, Status, Turn,
    Verdict,
};

use self::route::Way;
use self::table::{CLIENTS, Client};
use self::walk::Walk;
use crate::evidence::Evidence;
use crate::judge::{explained, judge};
use crate::plan::{Goal, Probe, What};
use crate::rules::dns::API;
use crate::rules::origin;

/// A client that the doctor knows.
#[derive(Debug, Clone, Copy)]
pub struct Profile(&'static Client);

impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Profile {}

impl Profile {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        CLIENTS.iter().map(Self)
    }

    /// By its id or another word for it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        Self::all().find(|p| p.0.id == name || p.0.aliases.contains(&name.as_str()))
    }

    /// The client that a program mostly is, by the program's file name.
    #[must_use]
    pub fn of_program(program: &str) -> Option<Self> {
        let file = program.rsplit('/').next().unwrap_or(program).to_ascii_lowercase();
        let bare = file.strip_suffix(".exe").unwrap_or(&file);
        // `python3.12` is a `python3`.
        let unversioned = bare.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        Self::all().find(|p| p.0.programs.iter().any(|own| *own == bare || *own == unversioned))
    }

    /// Its id.
    #[must_use]
    pub const fn id(self) -> &'static str {
        self.0.id
    }

    /// The host that it asks at its first run, whatever the base URL says.
    #[must_use]
    pub const fn first_run(self) -> Option<&'static str> {
        if self.0.first_run { Some(API) } else { None }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0.name
    }
}

/// What has to be known for a client beside the reference client's call: its own way out, and what its store says.
pub(crate) fn plan(goal: &Goal, evidence: &Evidence) -> Vec<Probe> {
    const LIMIT: Dur = Dur::secs(4);
    let Some(Profile(client)) = goal.client else { return Vec::new() };
    let Way::Goes(route, _) = route::way(evidence, client) else { return Vec::new() };
    let path = Path { host: goal.host.clone(), route: Some(route), ..Path::default() };
    let mut probes = Vec::new();
    if path.route != goal.path().route {
        probes.push(Probe::new(What::Keyless, path.clone(), LIMIT, &[]));
    }
    if !goal.is_plain {
        probes.push(Probe::new(What::Handshake, path.clone(), LIMIT, &[]));
    }
    if client.first_run && goal.host != API && !goal.only_target {
        let path = Path { host: API.to_owned(), port: Some(443), ..path };
        probes.push(Probe::new(What::Handshake, path, LIMIT, &[]));
    }
    probes
}

/// Judges the evidence for a client: what its call meets, and why another one's does not.
#[must_use]
pub fn judge_for(evidence: &Evidence, profile: Profile) -> (Verdict, ClientView) {
    let client = profile.0;
    let mut verdict = judge(evidence);
    let roots: Vec<Cause> =
        verdict.findings.iter().filter(|f| f.role == Role::Root).map(|f| f.cause).collect();
    let view = view(evidence, client, &roots);
    if client.id == REFERENCE_CLIENT {
        return (verdict, view);
    }
    match view.fate {
        Fate::Works => {
            // What fails the reference client does not fail this one.
            for finding in verdict.findings.iter_mut().filter(|f| f.role == Role::Root) {
                finding.role = Role::Information;
            }
            let is_worse = verdict.findings.iter().any(|f| f.role == Role::Contributing);
            verdict.status = if is_worse { Status::Degraded } else { Status::Healthy };
        }
        Fate::Fails { cause, fact, .. } => {
            verdict.status = Status::Failing;
            if !ends_alike(evidence, fact) {
                own_root(&mut verdict, evidence, cause, &view);
            }
        }
        Fate::Unknown(_) => verdict.status = Status::Inconclusive,
    }
    verdict.findings.sort_by_key(|f| f.role);
    (verdict, view)
}

/// The row that the status is judged by where no client is named.
const REFERENCE_CLIENT: &str = "anthropic-python";

/// Whether a client's call ends where the reference client's does.
fn ends_alike(evidence: &Evidence, fact: Option<FactId>) -> bool {
    let end = evidence.end().map(|(f, _)| f.id);
    let is_setting =
        |id| evidence.get(id).is_some_and(|f| f.path.client.is_none() && f.stage == Stage::Config);
    fact.is_some_and(|id| end == Some(id) || is_setting(id))
}

/// The client's own end becomes the root; what only the reference client meets is worth knowing.
fn own_root(verdict: &mut Verdict, evidence: &Evidence, cause: Cause, view: &ClientView) {
    let known = verdict.findings.iter().position(|f| f.cause == cause);
    for finding in verdict.findings.iter_mut().filter(|f| f.role == Role::Root) {
        finding.role = Role::Information;
    }
    if let Some(finding) = known.and_then(|i| verdict.findings.get_mut(i)) {
        finding.role = Role::Root;
        return;
    }
    let proof = proof(evidence, view);
    let mut finding = Finding { cause, role: Role::Root, confidence: Confidence::Certain, proof };
    origin::add(evidence, &mut finding);
    verdict.findings.push(finding);
}

/// The facts on which the two clients part.
fn proof(evidence: &Evidence, view: &ClientView) -> Vec<Proof> {
    let own = match view.fate {
        Fate::Fails { fact, .. } => fact,
        Fate::Works | Fate::Unknown(_) => None,
    };
    let Some(own) = own else { return Vec::new() };
    let other = view.others.and_then(|turn| Some((turn.fact?, turn.axis)));
    let axes = |id| Some(evidence.get(own)?.path.differs(&evidence.get(id)?.path));
    match other {
        Some((id, axis)) if id != own && axes(id).is_some_and(|a| a.contains(&axis)) => {
            vec![Proof::Flip(own, id, axis)]
        }
        Some((id, _)) if id != own => vec![Proof::One(own), Proof::One(id)],
        Some(_) | None => vec![Proof::One(own)],
    }
}

/// One client beside another: curl, or where that is the one, the reference client.
fn view(evidence: &Evidence, client: &'static Client, roots: &[Cause]) -> ClientView {
    let other_id = if client.id == "curl" { REFERENCE_CLIENT } else { "curl" };
    let other = CLIENTS.iter().find(|c| c.id == other_id).unwrap_or(client);
    let (mut own, mut others) = (Walk::new(evidence, client), Walk::new(evidence, other));
    let (fate, other_fate) = (own.fate(), others.fate());
    let axis = if std::mem::discriminant(&fate) == std::mem::discriminant(&other_fate) {
        None
    } else {
        decisive(&own.turns, fate).or_else(|| decisive(&others.turns, other_fate))
    };
    let on = |turns: &[Turn]| turns.iter().rfind(|t| Some(t.axis) == axis).copied();
    let (own, others) = (on(&own.turns), on(&others.turns));
    let strongest = |fate| strongest(evidence, fate, roots);
    ClientView {
        id: client.id,
        name: client.name,
        fate: strongest(fate),
        other: (other.name, strongest(other_fate)),
        own,
        others: others.filter(|turn| own.is_none_or(|own| own.habit != turn.habit)),
        habits: client.habits(),
        trust_variable: client.only.first().or_else(|| client.added.first()).copied(),
    }
}

/// The axis that decided a fate: the one on which the call did not pass, or about which too little is known.
fn decisive(turns: &[Turn], fate: Fate) -> Option<Axis> {
    match fate {
        Fate::Unknown(axis) => axis,
        Fate::Fails { .. } => turns.iter().rfind(|t| !t.passes).map(|t| t.axis),
        Fate::Works => None,
    }
}

/// Where a call ends as the reference client's does, what is known of that one is known of this one.
fn strongest(evidence: &Evidence, fate: Fate, roots: &[Cause]) -> Fate {
    let Fate::Fails { stage, cause, fact } = fate else { return fate };
    let is_same = evidence.end().is_some_and(|(end, _)| Some(end.id) == fact || end.stage == stage);
    let stronger = roots.iter().find(|root| explained(**root).contains(&cause)).copied();
    Fate::Fails { stage, cause: stronger.filter(|_| is_same).unwrap_or(cause), fact }
}
