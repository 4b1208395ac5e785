//! What the documents tell people to type: the binary takes every line of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Folder, Server, clearline, run};

/// The READMEs and the guides.
fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for (folder, begin) in
        [(root.clone(), "README"), (root.join("docs"), ""), (root.join("docs/recorded"), "")]
    {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let is_document = |path: &PathBuf| {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            name.starts_with(begin) && name.ends_with(".md")
        };
        found.extend(files.filter(is_document).map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        }));
    }
    found
}

/// The pieces of code of a document: the word behind the fence, and the text.
fn blocks(text: &str) -> Vec<(&str, String)> {
    let (mut found, mut open) = (Vec::new(), None);
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(word), None) => open = Some((word, String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some((_, block))) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// The calls of clearline in a document, each as the arguments that a shell would make of it.
fn calls(text: &str) -> Vec<Vec<String>> {
    let blocks = blocks(text);
    let shell = blocks.iter().filter(|(word, _)| word.is_empty() || *word == "text");
    let lines = shell.flat_map(|(_, block)| block.lines()).map(str::to_owned);
    let spans = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).map(str::to_owned);
    lines.chain(spans).filter_map(|line| arguments(&line)).collect()
}

/// The arguments of the first call of clearline in a line.
fn arguments(line: &str) -> Option<Vec<String>> {
    let begin = line.trim_start().trim_start_matches("$ ");
    let call = match begin.strip_prefix("clearline ") {
        Some(call) => call,
        None => line.split_once("| clearline ")?.1,
    };
    let (mut all, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in call.chars() {
        match (c, quote) {
            (_, Some(q)) if c == q => quote = None,
            (_, Some(_)) => word.push(c),
            ('\'' | '"', None) => quote = Some(c),
            ('|' | '>' | '&' | ';', None) => break,
            (' ', None) => all.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            (_, None) => word.push(c),
        }
    }
    all.extend((!word.is_empty()).then_some(word));
    Some(all)
}

#[test]
fn every_command_that_a_document_names_is_taken() {
    let home = Folder::new();
    let mut seen = 0;
    for (name, text) in documents() {
        for call in calls(&text) {
            // Help is asked for at the end: what stands before it has been read, and nothing is done.
            let own = call.iter().position(|word| word == "--").unwrap_or(call.len());
            let (code, _, err) = run(clearline(&home.0).args(&call[..own]).arg("--help"));
            assert_eq!(code, 0, "{name}: clearline {}\n{err}", call.join(" "));
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn settings_and_scenarios_of_the_documents_are_taken() {
    let home = Folder::new();
    let (mut settings, mut scenarios) = (0, 0);
    for (name, text) in documents() {
        for (_, block) in blocks(&text).into_iter().filter(|(word, _)| *word == "toml") {
            let file = home.write("block.toml", &block);
            if block.contains("[[fault]]") {
                let _sim = Server::start(clearline(&home.0).arg("sim").arg(&file));
                scenarios += 1;
            } else if block.contains("[gateway]") {
                let mut command = clearline(&home.0);
                command.args(["config", "check", "--config"]).arg(&file);
                let (code, _, err) = run(secrets(&mut command, &block));
                assert_eq!(code, 0, "{name}: {err}");
                settings += 1;
            }
        }
    }
    assert!(settings >= 2 && scenarios >= 2, "{settings} {scenarios}");
}

/// Sets every variable that the settings refer to.
fn secrets<'a>(command: &'a mut Command, block: &str) -> &'a mut Command {
    for name in block.split("\"env:").skip(1).filter_map(|rest| rest.split('"').next()) {
        command.env(name, "sk-ant-fake-own");
    }
    command
}

#[test]
fn calls_are_found_in_lines_and_spans() {
    let text = "Say `clearline demo` or:\n```\n$ clearline call \"Hello you\" | grep x\npython a.py 2>&1 | clearline explain\n\
                clearline run -- a b\nls\n```\n```text\n$ clearline sim x &\n```\n```toml\nclearline no\n```\n";
    let found: Vec<String> = calls(text).iter().map(|call| call.join("+")).collect();
    assert_eq!(found, ["call+Hello you", "explain", "run+--+a+b", "sim+x", "demo"]);
}
