//! The conditions, as data: what is true, how it is made, and how one sees that it took effect.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use toml::Table;

use crate::Problem;
use crate::names::Names;
use crate::overlay;
use crate::plan::Plan;

/// What a path can be.
const STATUSES: [&str; 3] = ["healthy", "degraded", "failing"];

/// The causes that have to be named. Nothing: healthy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Truth {
    /// One for each cause: the names that are right for it.
    pub(crate) causes: Vec<Vec<String>>,
    /// Whether they have to be named in this order.
    pub(crate) ordered: bool,
}

impl Truth {
    /// Reads `healthy`, `a`, `a or b`, `a then b`, `a and b`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "healthy" {
            return Ok(Self::default());
        }
        let (ordered, parts): (bool, Vec<&str>) = match (text.contains(" then "), text.contains(" and ")) {
            (true, true) => return Err(format!("the truth \"{text}\" has both an order and none")),
            (true, false) => (true, text.split(" then ").collect()),
            _ => (false, text.split(" and ").collect()),
        };
        let names = |part: &str| part.split(" or ").map(|n| n.trim().to_owned()).collect::<Vec<_>>();
        let causes: Vec<Vec<String>> = parts.into_iter().map(names).collect();
        let is_cause = |name: &String| name.contains('.') && !name.contains(char::is_whitespace);
        if !causes.iter().flatten().all(is_cause) {
            return Err(format!("the truth \"{text}\" names what is no cause"));
        }
        Ok(Self { causes, ordered })
    }

    pub(crate) const fn is_healthy(&self) -> bool {
        self.causes.is_empty()
    }
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_healthy() {
            return f.write_str("healthy");
        }
        let parts: Vec<String> = self.causes.iter().map(|names| names.join(" or ")).collect();
        f.write_str(&parts.join(if self.ordered { " then " } else { " and " }))
    }
}

/// How a fault may be joined with another one: two that do not hide each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Joins {
    /// It makes the way worse, and the call still arrives.
    Path,
    /// It is in the answer.
    Answer,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    fault: Vec<Raw>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    id: String,
    title: String,
    truth: String,
    status: String,
    check: Vec<String>,
    #[serde(default)]
    stream: bool,
    #[serde(default = "once")]
    asks: u32,
    #[serde(default)]
    needs: Vec<String>,
    joins: Option<Joins>,
    #[serde(default)]
    world: Table,
}

const fn once() -> u32 {
    1
}

/// A condition.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) id: String,
    pub(crate) layer: String,
    pub(crate) title: String,
    pub(crate) truth: Truth,
    /// How the path is for the reference client; `degraded or failing` where the definition leaves it open.
    pub(crate) status: String,
    /// How one sees that it took effect: see `check.rs`.
    pub(crate) checks: Vec<String>,
    /// Whether the call that is made to see it is a stream.
    pub(crate) stream: bool,
    /// How many such calls are made.
    pub(crate) asks: u32,
    /// Programs that it cannot do without.
    pub(crate) needs: Vec<String>,
    pub(crate) joins: Option<Joins>,
    /// What is laid over the world.
    pub(crate) world: Table,
}

/// Everything in the folder `lab`.
#[derive(Debug, Clone)]
pub(crate) struct Catalogue {
    world: Table,
    pub(crate) faults: Vec<Fault>,
}

impl Catalogue {
    /// Reads `world.toml` and the faults beside it, one file a layer.
    ///
    /// # Errors
    /// A file that cannot be read or understood, an id that is there twice.
    pub(crate) fn read(folder: &Path) -> Result<Self, Problem> {
        let text =
            |path: &Path| std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()));
        let world: Table =
            text(&folder.join("world.toml"))?.parse().map_err(|e| format!("world.toml: {e}"))?;
        let mut paths: Vec<_> =
            std::fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
        paths.retain(|p| p.extension().is_some_and(|e| e == "toml") && !p.ends_with("world.toml"));
        paths.sort();
        let mut faults = Vec::new();
        for path in paths {
            let layer = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let read = faults_of(&text(&path)?, &layer).map_err(|e| format!("{}: {e}", path.display()))?;
            faults.extend(read);
        }
        let mut seen = BTreeMap::new();
        for fault in &faults {
            if let Some(other) = seen.insert(fault.id.clone(), fault.layer.clone()) {
                return Err(format!("{} stands in {other}.toml and in {}.toml", fault.id, fault.layer).into());
            }
        }
        Ok(Self { world, faults })
    }

    /// The lab of a fault, with everything drawn.
    ///
    /// # Errors
    /// An unknown placeholder or field.
    pub(crate) fn plan(&self, fault: &Fault, names: &Names) -> Result<Plan, Problem> {
        let mut table = self.world.clone();
        overlay::lay(&mut table, &fault.world);
        let filled = names.fill_table(&table).map_err(|e| format!("{}: {e}", fault.id))?;
        toml::Value::Table(filled).try_into().map_err(|e| format!("{}: {e}", fault.id).into())
    }

    /// The fault with this id; two ids with `+` between them are joined.
    ///
    /// # Errors
    /// There is none, or the two contradict each other.
    pub(crate) fn find(&self, id: &str) -> Result<Fault, Problem> {
        if let Some(fault) = self.faults.iter().find(|f| f.id == id) {
            return Ok(fault.clone());
        }
        let (a, b) = id.split_once("++").ok_or_else(|| format!("there is no fault \"{id}\""))?;
        join(&self.find(a)?, &self.find(b)?)
    }
}

/// Two faults at once.
///
/// # Errors
/// They contradict each other.
pub(crate) fn join(a: &Fault, b: &Fault) -> Result<Fault, Problem> {
    let id = format!("{}++{}", a.id, b.id);
    let world = overlay::join(&a.world, &b.world).map_err(|place| format!("{id}: both set {place}"))?;
    let status = if a.status == "failing" { a.status.clone() } else { b.status.clone() };
    Ok(Fault {
        layer: "pairs".to_owned(),
        title: format!("{}, and {}", a.title, b.title),
        truth: Truth { causes: [a.truth.causes.clone(), b.truth.causes.clone()].concat(), ordered: false },
        status,
        checks: [a, b].into_iter().flat_map(checks_of_one).collect(),
        stream: a.stream || b.stream,
        asks: a.asks.max(b.asks),
        needs: [a.needs.clone(), b.needs.clone()].concat(),
        joins: None,
        id,
        world,
    })
}

/// What a fault that is joined still shows: under one in the answer, the calls of one on the way look different.
fn checks_of_one(fault: &Fault) -> impl Iterator<Item = String> {
    let is_answer = fault.joins == Some(Joins::Answer);
    fault.checks.iter().filter(move |c| is_answer || !c.starts_with("curl ")).cloned()
}

fn faults_of(text: &str, layer: &str) -> Result<Vec<Fault>, Problem> {
    let file: File = toml::from_str(text)?;
    file.fault
        .into_iter()
        .map(|raw| {
            let truth = Truth::parse(&raw.truth).map_err(|e| format!("{}: {e}", raw.id))?;
            if !raw.status.split(" or ").all(|s| STATUSES.contains(&s)) {
                return Err(format!("{}: there is no status \"{}\"", raw.id, raw.status).into());
            }
            if truth.is_healthy() != (raw.status == "healthy") {
                return Err(format!("{}: the truth and the status contradict each other", raw.id).into());
            }
            if raw.check.is_empty() {
                return Err(format!("{}: nothing shows that it took effect", raw.id).into());
            }
            Ok(Fault {
                id: raw.id,
                layer: layer.to_owned(),
                title: raw.title,
                truth,
                status: raw.status,
                checks: raw.check,
                stream: raw.stream,
                asks: raw.asks,
                needs: raw.needs,
                joins: raw.joins,
                world: raw.world,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Check;

    #[test]
    fn truths() {
        for (text, causes, ordered) in [
            ("healthy", vec![], false),
            ("tcp.reset", vec![vec!["tcp.reset"]], false),
            ("a.b or c.d", vec![vec!["a.b", "c.d"]], false),
            ("a.b then c.d or e.f", vec![vec!["a.b"], vec!["c.d", "e.f"]], true),
            ("a.b and c.d", vec![vec!["a.b"], vec!["c.d"]], false),
        ] {
            let truth = Truth::parse(text).unwrap();
            assert_eq!(truth.causes, causes, "{text}");
            assert_eq!((truth.ordered, truth.to_string().as_str()), (ordered, text));
        }
        for wrong in ["", "sick", "a.b then c.d and e.f", "a.b, c.d"] {
            assert!(Truth::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        let fault = |more: &str| {
            format!(
                "[[fault]]\nid = \"x\"\ntitle = \"t\"\ntruth = \"tcp.reset\"\nstatus = \"failing\"\n{more}"
            )
        };
        assert_eq!(faults_of(&fault("check = [\"hit\"]\n"), "tcp").unwrap()[0].layer, "tcp");
        for (text, holds) in [
            (fault(""), "missing field `check`"),
            (fault("check = []\n"), "nothing shows"),
            (fault("check = [\"hit\"]\nchekc = 1\n"), "unknown field"),
            (fault("check = [\"hit\"]\n").replace("failing", "healthy"), "contradict"),
            (fault("check = [\"hit\"]\n").replace("failing", "failing or ill"), "no status"),
        ] {
            let error = faults_of(&text, "tcp").unwrap_err().to_string();
            assert!(error.contains(holds), "{error}");
        }
    }

    fn catalogue() -> Catalogue {
        Catalogue::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab")).unwrap()
    }

    #[test]
    fn every_fault_of_the_repository_becomes_a_plan_and_has_checks() {
        let catalogue = catalogue();
        let names = Names::for_test(1);
        for fault in &catalogue.faults {
            let plan = catalogue.plan(fault, &names).unwrap();
            assert!(!plan.ca.is_empty(), "{}", fault.id);
            for check in &fault.checks {
                Check::parse(&names.fill(check).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", fault.id));
            }
        }
    }

    #[test]
    fn the_causes_of_the_faults_exist() {
        let table = include_str!("../../model/src/cause.rs");
        for fault in &catalogue().faults {
            for cause in fault.truth.causes.iter().flatten() {
                assert!(table.contains(&format!("\"{cause}\"")), "{}: {cause}", fault.id);
            }
        }
    }

    #[test]
    fn faults_that_join_are_there_and_do_not_contradict_each_other() {
        let all = catalogue().faults;
        let of = |kind| all.iter().filter(move |f| f.joins == Some(kind));
        assert!(of(Joins::Path).count() >= 3 && of(Joins::Answer).count() >= 5);
        for a in of(Joins::Path) {
            for b in of(Joins::Answer) {
                let pair = join(a, b).unwrap();
                assert_eq!(pair.truth.causes.len(), 2, "{}", pair.id);
                assert!(!pair.checks.is_empty(), "{}", pair.id);
            }
        }
    }
}
