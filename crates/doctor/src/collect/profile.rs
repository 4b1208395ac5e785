//! Credentials that the SDKs find by themselves where no variable holds one: a profile of theirs, or a federation. What they hold
//! is neither read nor fetched here.

use super::{Environment, Place};

/// Where profiles lie below a home folder.
const FOLDER: &str = ".config/anthropic";

/// Whether an SDK would find a credential, in the order in which the official Python SDK looks (`default_credentials`).
pub(super) fn is_found(set: Environment<'_>, place: &Place) -> bool {
    set("ANTHROPIC_PROFILE").is_some() || is_federated(set) || is_on_disk(set, place)
}

fn is_federated(set: Environment<'_>) -> bool {
    let has = |name: &str| set(name).is_some();
    has("ANTHROPIC_FEDERATION_RULE_ID")
        && has("ANTHROPIC_ORGANIZATION_ID")
        && (has("ANTHROPIC_IDENTITY_TOKEN") || has("ANTHROPIC_IDENTITY_TOKEN_FILE"))
}

/// The profile that `active_config` names, else `default`.
fn is_on_disk(set: Environment<'_>, place: &Place) -> bool {
    let own = set("ANTHROPIC_CONFIG_DIR").map(|folder| place.file(&folder));
    let Some(folder) = own.or_else(|| Some(place.at(&set("HOME")?).join(FOLDER))) else { return false };
    let named = std::fs::read_to_string(folder.join("active_config")).unwrap_or_default();
    let name = if named.trim().is_empty() { "default" } else { named.trim() };
    let is_name = !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
    is_name && folder.join("configs").join(format!("{name}.json")).is_file()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_profile_or_a_federation_is_found_as_the_sdk_finds_it() {
        let folder = std::env::temp_dir().join(format!("clearline-profile-{}", std::process::id()));
        let configs = folder.join(FOLDER).join("configs");
        std::fs::create_dir_all(&configs).unwrap();
        std::fs::write(configs.join("work.json"), "{}").unwrap();
        let home = folder.display().to_string();
        let found = |own: &[(&str, &str)]| {
            let set = |name: &str| {
                let own = own.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
                own.or_else(|| (name == "HOME").then(|| home.clone()))
            };
            is_found(
                &set,
                &Place { root: PathBuf::from("/"), working: None, process: PathBuf::from("/proc/self") },
            )
        };
        // A profile lies there, and nothing says that it is in force.
        assert!(!found(&[]));
        assert!(found(&[("ANTHROPIC_PROFILE", "work")]));
        let rule = [("ANTHROPIC_FEDERATION_RULE_ID", "r"), ("ANTHROPIC_ORGANIZATION_ID", "o")];
        assert!(!found(&rule));
        assert!(found(&[&rule[..], &[("ANTHROPIC_IDENTITY_TOKEN_FILE", "/t")]].concat()));
        std::fs::write(folder.join(FOLDER).join("active_config"), "work\n").unwrap();
        assert!(found(&[]));
        std::fs::write(folder.join(FOLDER).join("active_config"), "../work").unwrap();
        assert!(!found(&[]));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
