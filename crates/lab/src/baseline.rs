//! What clients themselves say under a fault, and whether it names the cause: the doctor is compared with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::check::{BODY, client_command};
use crate::fault::{Fault, Truth};
use crate::world::World;
use crate::{Problem, check};

/// The clients besides curl.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clients {
    /// A Python with the official SDK.
    pub(crate) python: Option<PathBuf>,
    /// The module of the official TypeScript SDK.
    pub(crate) node_sdk: Option<PathBuf>,
    /// Where the scripts are.
    pub(crate) folder: PathBuf,
}

/// What a client said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    /// Its call succeeded.
    pub(crate) ok: bool,
    pub(crate) text: String,
    pub(crate) took_ms: u64,
}

/// The words that name a cause.
pub(crate) type Words = BTreeMap<String, Vec<String>>;

/// Reads `words.toml`.
///
/// # Errors
/// It cannot be read or understood.
pub(crate) fn words(folder: &Path) -> Result<Words, Problem> {
    Ok(toml::from_str(&std::fs::read_to_string(folder.join("words.toml"))?)?)
}

/// Whether a text names the first cause of a truth.
pub(crate) fn names(text: &str, truth: &Truth, words: &Words) -> bool {
    let text = text.to_lowercase();
    let first = truth.causes.first().into_iter().flatten();
    first.filter_map(|cause| words.get(cause)).flatten().any(|word| text.contains(&word.to_lowercase()))
}

/// Asks every client that is there; `curl -v` among them.
///
/// # Errors
/// The namespace is gone.
pub(crate) fn ask(
    world: &World,
    fault: &Fault,
    clients: &Clients,
) -> Result<BTreeMap<String, Said>, Problem> {
    let mut all = BTreeMap::new();
    let curl = check::call(world, fault, true)?;
    let ok = curl.exit == 0 && curl.http == 200;
    all.insert("curl".to_owned(), Said { ok, text: curl.text, took_ms: curl.took_ms });
    let file = world.dir.join("said.json").display().to_string();
    let client = &world.plan.client;
    let mut body = client.own_body().unwrap_or_else(|| BODY.to_owned());
    if fault.stream {
        body = body.replacen('{', "{\"stream\":true,", 1);
    }
    if let Some(model) = check::argument(&client.args, "--model") {
        body = body.replace("claude-haiku-5-5", model);
    }
    std::fs::write(&file, &body)?;
    let header = check::argument(&client.args, "--header");
    let script = |name: &str| clients.folder.join(name).display().to_string();
    let python = clients.python.as_ref().map(|p| vec![p.display().to_string(), script("reference.py")]);
    let node = clients
        .node_sdk
        .as_ref()
        .map(|module| vec!["node".to_owned(), script("reference.mjs"), module.display().to_string()]);
    for (name, words) in [("python", python), ("typescript", node)] {
        let Some(mut words) = words else { continue };
        words.push(format!("@{file}"));
        words.extend(header.map(str::to_owned));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = client_command(world, &words)?;
        if name == "typescript" && !world.plan.client.env.contains_key("NODE_EXTRA_CA_CERTS") {
            // Node has its own roots; the world's are given to it in a way that no setting of the user shows.
            command.env("NODE_EXTRA_CA_CERTS", world.dir.join("public-roots.pem"));
        }
        let output = command.output()?;
        let lost = || Said {
            ok: false,
            text: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            took_ms: 0,
        };
        all.insert(name.to_owned(), serde_json::from_slice(&output.stdout).unwrap_or_else(|_| lost()));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab")
    }

    #[test]
    fn a_message_names_a_cause_by_its_words() {
        let words = words(&folder()).unwrap();
        for (text, truth, expected) in [
            ("curl: (60) SSL certificate problem: certificate has expired", "tls.expired", true),
            ("anthropic.APIConnectionError: Connection error.", "tls.expired", false),
            ("Received HTTP code 407 from proxy", "proxy.auth-required then edge.region-blocked", true),
            ("Request not allowed", "proxy.auth-required then edge.region-blocked", false),
        ] {
            assert_eq!(names(text, &Truth::parse(truth).unwrap(), &words), expected, "{text}");
        }
    }

    #[test]
    fn every_cause_of_the_lab_has_words() {
        let (words, catalogue) =
            (words(&folder()).unwrap(), crate::fault::Catalogue::read(&folder()).unwrap());
        let causes = catalogue.faults.iter().flat_map(|f| f.truth.causes.iter().flatten());
        let without: Vec<_> = causes.filter(|cause| !words.contains_key(*cause)).collect();
        assert!(without.is_empty(), "{without:?}");
    }
}
