//! What the doctor knows must hold in any network: nothing of the lab may stand in its rules, its plan or its probes.

use std::path::{Path, PathBuf};

use crate::fault::Catalogue;
use crate::names::Names;

/// Addresses that mean the same everywhere.
const EVERYWHERE: [&str; 4] = ["1.1.1.1", "8.8.8.8", "127.0.0.1", "0.0.0.0"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(folder: &Path, all: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            // Tests may use whatever addresses they like.
            let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
            all.push((path.display().to_string(), code));
        }
    }
}

/// What is drawn for a lab, its conditions' names, and the addresses and made-up hosts that its files write out.
fn of_the_lab() -> Vec<String> {
    let catalogue = Catalogue::read(&root().join("lab")).unwrap();
    let mut words: Vec<String> = catalogue.faults.iter().map(|f| f.id.clone()).collect();
    words.extend((1..=3).flat_map(|seed| Names::for_test(seed).values()));
    for entry in std::fs::read_dir(root().join("lab")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let is_part = |c: char| c.is_ascii_alphanumeric() || ".:-".contains(c);
        let parts = text.split(|c| !is_part(c)).map(|word| word.trim_matches(['.', ':', '-']));
        let is_own = |word: &&str| {
            word.parse::<std::net::IpAddr>().is_ok()
                || word.ends_with(".example")
                || word.contains("fake-lab")
        };
        words.extend(parts.filter(is_own).map(str::to_owned));
    }
    // Networks stand in public documents, and proxies listen on the same few ports everywhere.
    let is_public = |word: &str| word.ends_with(".0") || word.bytes().all(|b| b.is_ascii_digit());
    words.retain(|word| word.len() > 3 && !EVERYWHERE.contains(&word.as_str()) && !is_public(word));
    words.sort();
    words.dedup();
    words
}

/// Whether a word stands in a text as a word of its own.
fn stands(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default().chars().next_back();
        let after = text.get(at + word.len()..).unwrap_or_default().chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// An address as code writes it in numbers: `10, 20, 30, 40`.
fn in_numbers(word: &str) -> Option<String> {
    let ip: std::net::Ipv4Addr = word.parse().ok()?;
    Some(ip.octets().map(|o| o.to_string()).join(", "))
}

#[test]
fn nothing_of_the_lab_stands_in_rules_or_probes() {
    let mut all = Vec::new();
    for folder in ["crates/diagnose/src", "crates/doctor/src"] {
        sources(&root().join(folder), &mut all);
    }
    assert!(all.len() > 30, "{}", all.len());
    let words = of_the_lab();
    assert!(words.len() > 200, "{}", words.len());
    let mut found = Vec::new();
    for word in &words {
        let numbers = in_numbers(word);
        for (file, text) in &all {
            if stands(text, word) || numbers.as_ref().is_some_and(|n| stands(text, n)) {
                found.push(format!("{word} in {file}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_word_of_the_lab_would_be_found() {
    assert!(stands("if host == \"gw.corp.larch.example\" {", "gw.corp.larch.example"));
    assert!(stands("Ipv4Addr::new(160, 79, 104, 10)", &in_numbers("160.79.104.10").unwrap()));
    assert!(!stands("dns-flaky-name", "dns-flaky"));
}
