//! Every output for programs against its published schema, strictly: what a schema does not name is a mistake here, while
//! readers may well meet new fields.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::common::{Folder, Server, ask, clearline, gateway, message, run};

const QUICK: &str =
    "[answer]\nfirst_byte = \"1ms\"\nchunk = \"1ms\"\n[keys]\nknown = [\"sk-ant-fake-own\"]\n";
const KEY: (&str, &str) = ("ANTHROPIC_API_KEY", "sk-ant-fake-own");

/// The keywords that are understood; a schema that uses another one would be checked less than it seems.
const KEYWORDS: [&str; 16] = [
    "$schema",
    "$id",
    "$defs",
    "$ref",
    "title",
    "description",
    "type",
    "properties",
    "required",
    "items",
    "enum",
    "const",
    "minimum",
    "maximum",
    "pattern",
    "additionalProperties",
];

struct Checker<'a> {
    root: &'a Value,
    wrong: Vec<String>,
}

impl Checker<'_> {
    fn check(&mut self, schema: &Value, value: &Value, at: &str) {
        let known = schema.as_object().unwrap();
        for keyword in known.keys() {
            assert!(KEYWORDS.contains(&keyword.as_str()), "{at}: the keyword {keyword} is not understood");
        }
        if let Some(name) = known.get("$ref") {
            let pointer = name.as_str().unwrap().strip_prefix('#').unwrap();
            let target = self.root.pointer(pointer).unwrap();
            return self.check(target, value, at);
        }
        let mut fail = |why: String| self.wrong.push(format!("{at}: {why}: {value}"));
        if known.get("const").is_some_and(|c| c != value) {
            fail("is another constant".to_owned());
        }
        if known.get("enum").and_then(Value::as_array).is_some_and(|words| !words.contains(value)) {
            fail("is none of the words".to_owned());
        }
        if known.get("type").is_some_and(|types| !is_of(types, value)) {
            fail(format!("is not of the type {}", known["type"]));
        }
        for (bound, is_beyond) in [("minimum", f64::lt as fn(&f64, &f64) -> bool), ("maximum", f64::gt)] {
            let limit = known.get(bound).and_then(Value::as_f64);
            if let (Some(limit), Some(n)) = (limit, value.as_f64())
                && is_beyond(&n, &limit)
            {
                fail(format!("is beyond the {bound}"));
            }
        }
        if let (Some(pattern), Some(text)) = (known.get("pattern"), value.as_str()) {
            // The one pattern that is used: the ids of causes.
            assert_eq!(pattern, "^[a-z0-9]+\\.[a-z0-9-]+$");
            let is_id = text.split_once('.').is_some_and(|(layer, name)| {
                let fits = |part: &str, dash| {
                    !part.is_empty()
                        && part
                            .bytes()
                            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || (dash && b == b'-'))
                };
                fits(layer, false) && fits(name, true)
            });
            if !is_id {
                fail("is no id of a cause".to_owned());
            }
        }
        self.parts(schema, value, at);
    }

    fn parts(&mut self, schema: &Value, value: &Value, at: &str) {
        if let (Some(items), Some(all)) = (schema.get("items"), value.as_array()) {
            for (i, item) in all.iter().enumerate() {
                self.check(items, item, &format!("{at}[{i}]"));
            }
        }
        let Some(object) = value.as_object() else { return };
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            if !object.contains_key(name.as_str().unwrap()) {
                self.wrong.push(format!("{at}: {name} is missing: {value}"));
            }
        }
        let properties = schema.get("properties");
        let more = schema.get("additionalProperties");
        // Where nothing is said about properties, anything goes.
        let is_free = (properties.is_none() && more.is_none()) || more == Some(&Value::Bool(true));
        for (name, part) in object {
            let place = format!("{at}.{name}");
            match (properties.and_then(|p| p.get(name)), more) {
                (Some(own), _) => self.check(own, part, &place),
                (None, Some(rest)) if rest.is_object() => self.check(rest, part, &place),
                (None, _) if is_free => {}
                (None, _) => self.wrong.push(format!("{place}: the schema does not name it")),
            }
        }
    }
}

fn is_of(types: &Value, value: &Value) -> bool {
    let one = |name: &str| match name {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        other => panic!("there is no type {other}"),
    };
    match types {
        Value::Array(all) => all.iter().any(|t| one(t.as_str().unwrap())),
        Value::String(own) => one(own),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => panic!("{types} is no type"),
    }
}

/// The schemas, and which of them were used.
struct Book<'a> {
    home: &'a Folder,
    used: BTreeSet<String>,
}

impl Book<'_> {
    /// Checks an output against the schema of this name.
    fn check(&mut self, name: &str, text: &str) {
        let (code, schema, err) = run(clearline(&self.home.0).args(["schema", name]));
        assert_eq!(code, 0, "{name}: {err}");
        let root: Value = serde_json::from_str(&schema).unwrap();
        let value: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{name}: {e}: {text}"));
        let mut checker = Checker { root: &root, wrong: Vec::new() };
        checker.check(&root, &value, name);
        assert!(checker.wrong.is_empty(), "{}", checker.wrong.join("\n"));
        if let Some(own) = value.get("schema") {
            assert_eq!(*own, root["$id"], "{name} says its name");
        }
        self.used.insert(name.to_owned());
    }

    /// The same for every line.
    fn check_lines(&mut self, name: &str, text: &str) {
        assert!(!text.trim().is_empty(), "{name}: nothing came");
        for line in text.lines() {
            self.check(name, line);
        }
    }
}

/// Checks one output.
pub(crate) fn check(home: &Folder, name: &str, text: &str) {
    Book { home, used: BTreeSet::new() }.check(name, text);
}

#[test]
fn a_mistake_is_found() {
    let schema = serde_json::json!({
        "type": "object", "required": ["a", "b"],
        "properties": { "a": { "type": "integer", "minimum": 1 }, "b": { "enum": ["x"] }, "c": { "items": { "type": "null" } } },
    });
    let value = serde_json::json!({ "a": 0, "c": [1], "d": true });
    let mut checker = Checker { root: &schema, wrong: Vec::new() };
    checker.check(&schema, &value, "it");
    checker.wrong.sort();
    let begins: Vec<_> =
        checker.wrong.iter().map(|w| w.split(": ").take(2).collect::<Vec<_>>().join(": ")).collect();
    assert_eq!(
        begins,
        [
            "it.a: is beyond the minimum",
            "it.c[0]: is not of the type \"null\"",
            "it.d: the schema does not name it",
            "it: \"b\" is missing"
        ]
    );
}

#[test]
fn every_output_for_programs_has_the_form_that_is_published() {
    let home = Folder::new();
    let mut book = Book { home: &home, used: BTreeSet::new() };
    let out = |arguments: &[&str], environment: &[(&str, &str)]| {
        run(clearline(&home.0).args(arguments).envs(environment.iter().copied())).1
    };
    plain(&mut book, &out);
    let api = Server::sim(&home, &format!("{QUICK}[[fault]]\nname = \"x\"\nnth = [3]\nstatus = 500\n"));
    let url = ("ANTHROPIC_BASE_URL", api.url.as_str());
    let facts = home.0.join("facts.json");
    let save = facts.to_str().unwrap();
    for environment in [vec![KEY, url], vec![url], vec![KEY, ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")]] {
        book.check("verdict", &out(&["doctor", "--json", "--save", save], &environment));
        for client in ["curl", "anthropic-python-0", "node", "claude-code"] {
            book.check("verdict", &out(&["doctor", "--json", "--profile", client, "--from", save], &[]));
        }
        book.check("facts", &std::fs::read_to_string(&facts).unwrap());
        book.check("watch", &out(&["watch", "--once", "--json"], &environment));
    }
    book.check("verification", &out(&["doctor", "--verify", "--json"], &[KEY, url]));
    for environment in [vec![KEY, url], vec![("ANTHROPIC_API_KEY", "sk-ant-fake-wrong"), url]] {
        book.check("call", &out(&["call", "--json"], &environment));
    }
    served(&mut book, &home);
    let all: Value = serde_json::from_str(&out(&["schema", "--json"], &[])).unwrap();
    let all = all["schemas"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap().to_owned());
    // The demo takes long, so the test that runs it checks it.
    book.used.insert("demo".to_owned());
    // And `reload` checks those of a gateway that changes.
    book.used.extend(
        ["upstream-changed", "connections-changed", "settings-reloaded", "reload-refused"].map(str::to_owned),
    );
    assert_eq!(all.collect::<BTreeSet<_>>(), book.used, "every schema was used");
    assert_eq!(run(clearline(&home.0).args(["schema", "no-such"])).0, 2);
    let named = out(&["schema", "clearline.alert/1"], &[]);
    assert_eq!(named, out(&["schema", "alert"], &[]));
}

/// What a command prints, with these arguments and variables.
type Outputs<'a> = dyn Fn(&[&str], &[(&str, &str)]) -> String + 'a;

/// Outputs that need no server.
fn plain(book: &mut Book<'_>, out: &Outputs<'_>) {
    for text in ["APIConnectionError: Connection error.", "529 Overloaded", "nothing of the kind"] {
        book.check("explanation", &out(&["explain", "--json", text], &[]));
    }
    let lines = book
        .home
        .write("lines.jsonl", "{\"id\":1,\"text\":\"529 Overloaded\"}\n{\"id\":\"b\",\"text\":\"x\"}\n");
    book.check_lines("explained", &out(&["explain", "--jsonl", lines.to_str().unwrap()], &[]));
    book.check("causes", &out(&["causes", "--json"], &[]));
    book.check("causes", &out(&["causes", "--json", "--lang", "zh-CN"], &[]));
    book.check("emitters", &out(&["causes", "--json", "--emitters"], &[]));
    book.check("settings", &out(&["config", "show", "--json"], &[]));
    book.check("schemas", &out(&["schema", "--json"], &[]));
}

/// What a gateway writes: its log with calls, refusals, alerts and one that could not be told, and its status.
fn served(book: &mut Book<'_>, home: &Folder) {
    let api = Server::sim(
        home,
        &format!("{QUICK}[[fault]]\nname = \"x\"\nnth = [2, 3, 4, 5, 6, 7, 8, 9]\nstatus = 529\n"),
    );
    let log = home.0.join("gateway.jsonl");
    let mut command = clearline(&home.0);
    command.args(gateway(&api.url));
    command.arg(&log).env("CLEARLINE_KEYS", "sk-ant-fake-own").env("CLEARLINE_POLICY_ATTEMPTS", "1");
    command.env("CLEARLINE_POLICY_PATIENCE", "10ms").env("CLEARLINE_BACKOFF_OVERLOAD", "1ms");
    command.env("CLEARLINE_ALERTS_COMMAND", "exit 3");
    let mut gateway = Server::start(&mut command);
    let mut line = String::new();
    std::io::BufRead::read_line(&mut gateway.out, &mut line).unwrap();
    let admin = line.trim().strip_prefix("admin on http://").unwrap().parse().unwrap();
    for _ in 0..9 {
        message(gateway.addr(), "sk-ant-fake-caller", "Hello");
    }
    ask(gateway.addr(), "POST", "/v1/messages", "origin: https://evil.example\r\n", "{}");
    ask(gateway.addr(), "no method", "/", "", "");
    let status = ask(admin, "GET", "/", "", "");
    book.check("gateway-status", status.split_once("\r\n\r\n").unwrap().1);
    let metrics = ask(admin, "GET", "/metrics", "", "");
    assert!(metrics.contains("clearline_alert{cause=\"server.overloaded\"} 1"), "{metrics}");
    assert_eq!(gateway.stop().0, 0);
    let text = std::fs::read_to_string(&log).unwrap();
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        let name = match value["event"].as_str().unwrap() {
            "call ended" => "call-record",
            "request refused" => "request-refused",
            "alert" | "alert ended" => "alert",
            "alert not delivered" => "alert-not-delivered",
            "upstream rests" | "upstream serves again" => "upstream-changed",
            "connections wait" | "connections are taken again" => "connections-changed",
            other => panic!("{other} has no schema"),
        };
        book.check(name, line);
    }
    let id = text
        .lines()
        .find_map(|l| Some(serde_json::from_str::<Value>(l).ok()?["x_request_id"].as_str()?.to_owned()))
        .unwrap();
    let plain = home.write(
        "app.log",
        &format!("2026-01-01T00:00:00Z ERROR Overloaded x-request-id={id}\nsome failure\n"),
    );
    let files = [log.to_str().unwrap(), plain.to_str().unwrap()];
    book.check("trace", &run(clearline(&home.0).args(["trace", "--json", &id]).args(files)).1);
    book.check("logs", &run(clearline(&home.0).args(["logs", "--json"]).args(files)).1);
    // A pipe as the input.
    let mut child = clearline(&home.0)
        .args(["logs", "--json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    book.check("logs", &String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap());
}
