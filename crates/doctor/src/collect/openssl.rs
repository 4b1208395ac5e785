//! What OpenSSL's own settings demand of every handshake: the reference client's Python takes them over.
//!
//! The grammar is that of config(5): sections, `name = value`, `.include`. The policy stands in the section that
//! `openssl_conf` → `ssl_conf` → `system_default` leads to.

use std::collections::BTreeMap;

use clearline_model::Fact;

use super::{Environment, Place, state, system};

/// Where distributions keep the file: Debian and Alpine, Fedora and RHEL, OpenSSL's own default.
const FILES: [&str; 3] = ["/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf", "/usr/local/ssl/openssl.cnf"];
/// The section before the first heading.
const DEFAULT: &str = "default";
/// How many files one may include, one through another.
const DEPTH_MAX: u8 = 4;

/// A line of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    value: String,
    place: String,
}

/// Sections, and the lines in them; the last one of a name counts.
type Sections = BTreeMap<String, BTreeMap<String, Line>>;

/// What the policy says of versions and of the strength of keys, each with its place.
pub(super) fn facts(set: Environment<'_>, whose: &Place, facts: &mut Vec<Fact>) {
    let named = set("OPENSSL_CONF");
    let files = named.iter().map(String::as_str).chain(FILES.into_iter().filter(|_| named.is_none()));
    for file in files {
        let mut sections = Sections::new();
        let mut read = |path: &str| system::text(whose, path, facts);
        if !load(file, &mut read, DEPTH_MAX, (&mut sections, &mut DEFAULT.to_owned())) {
            continue;
        }
        let Some(policy) = policy(&sections) else { return };
        for (name, line) in demands(policy) {
            facts.push(state(&format!("tls.{name}"), &line.value));
            let setting = if name == "min" { "MinProtocol" } else { "CipherString" };
            facts.push(state(&format!("origin.{setting}"), &line.place));
        }
        return;
    }
}

/// Reads a file and what it includes; whether it was there. A file that is included goes on in the section that includes it, as
/// system-wide policies are written (Fedora's `opensslcnf.config`).
fn load(
    file: &str,
    read: &mut dyn FnMut(&str) -> Option<String>,
    depth: u8,
    (sections, section): (&mut Sections, &mut String),
) -> bool {
    let Some(text) = read(file) else { return false };
    for (i, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.split(']').next()) {
            name.trim().clone_into(section);
            continue;
        }
        if let Some(rest) = line.strip_prefix(".include") {
            let other = rest.trim().trim_start_matches('=').trim();
            if depth > 0 && other.starts_with('/') {
                load(other, read, depth - 1, (&mut *sections, &mut *section));
            }
            continue;
        }
        let Some((name, value)) = line.split_once('=') else { continue };
        let value = value.trim().trim_matches(['"', '\'']).to_owned();
        let line = Line { value, place: format!("{file}:{}", i + 1) };
        sections.entry(section.clone()).or_default().insert(name.trim().to_owned(), line);
    }
    true
}

/// The section with the policy of all handshakes.
fn policy(sections: &Sections) -> Option<&BTreeMap<String, Line>> {
    let follow = |section: &str, name: &str| Some(sections.get(section)?.get(name)?.value.as_str());
    let modules = follow(DEFAULT, "openssl_conf")?;
    let tls = follow(modules, "ssl_conf")?;
    sections.get(follow(tls, "system_default")?)
}

/// `min`: 10 to 13 for TLS 1.0 to 1.3; `level`: OpenSSL's security level, 0 to 5.
fn demands(policy: &BTreeMap<String, Line>) -> Vec<(&'static str, Line)> {
    let least = || {
        let line = policy.get("MinProtocol").or_else(|| policy.get("TLS.MinProtocol"))?;
        let value = version(&line.value)?.to_string();
        Some(Line { value, ..line.clone() })
    };
    let level = || {
        let line = policy.get("CipherString")?;
        let value = line.value.split_once("SECLEVEL=")?.1.chars().next().filter(char::is_ascii_digit)?;
        Some(Line { value: value.to_string(), ..line.clone() })
    };
    let all = [("min", least()), ("level", level())];
    all.into_iter().filter_map(|(name, line)| Some((name, line?))).collect()
}

fn version(word: &str) -> Option<u8> {
    Some(match word {
        "TLSv1" => 10,
        "TLSv1.1" => 11,
        "TLSv1.2" => 12,
        "TLSv1.3" => 13,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<(&'static str, String, String)> {
        let mut read =
            |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
        let mut sections = Sections::new();
        load("/a", &mut read, DEPTH_MAX, (&mut sections, &mut DEFAULT.to_owned()));
        let all = policy(&sections).map(demands).unwrap_or_default();
        all.into_iter().map(|(name, line)| (name, line.value, line.place)).collect()
    }

    #[test]
    fn the_policy_is_found_through_its_sections() {
        let text = "openssl_conf = all # why\n[all]\nssl_conf=tls\n[ tls ]\nsystem_default = own\n[own]\nMinProtocol = TLSv1.3\nCipherString = \"DEFAULT:@SECLEVEL=3\"\n";
        assert_eq!(
            found(&[("/a", text)]),
            [("min", "13".to_owned(), "/a:7".to_owned()), ("level", "3".to_owned(), "/a:8".to_owned())]
        );
    }

    #[test]
    fn what_is_included_counts_and_a_circle_ends() {
        let first =
            "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n.include = /b\n.include /a\n";
        let second = "TLS.MinProtocol = TLSv1.2\n";
        assert_eq!(found(&[("/a", first), ("/b", second)]), [("min", "12".to_owned(), "/b:1".to_owned())]);
    }

    #[test]
    fn nothing_is_found_where_nothing_is_meant() {
        assert!(found(&[("/a", "[c]\nMinProtocol = TLSv1.3\n")]).is_empty());
        assert!(found(&[]).is_empty());
        let none = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMinProtocol = None\nCipherString = DEFAULT@SECLEVEL=\n";
        assert!(found(&[("/a", none)]).is_empty());
    }
}
