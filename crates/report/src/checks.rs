//! The prose, checked: every cause in both languages, with the same steps, commands and arguments.

use std::collections::{BTreeMap, BTreeSet};

use clearline_model::Cause;

use crate::lang::Lang;
use crate::layout::width;
use crate::prose::{Args, Fix, HELP, Prose, files, is_full_mark};

/// A message: its value under the empty name, and its attributes.
type Message = BTreeMap<String, String>;

/// The arguments that may be named.
const ARGUMENTS: [&str; 19] = [
    "host", "addr", "port", "proxy", "variable", "file", "line", "status", "seconds", "count", "total",
    "model", "key", "issuer", "name", "url", "program", "limit", "value",
];

/// The messages of all layers, read line by line: what the files hold, not what Fluent makes of it.
fn messages(lang: Lang) -> BTreeMap<String, Message> {
    let [_, _, _, _, _, layers @ ..] = files(lang);
    let mut all: BTreeMap<String, Message> = BTreeMap::new();
    let (mut own, mut attribute) = (String::new(), String::new());
    for line in
        layers.iter().flat_map(|text| text.lines()).filter(|l| !l.starts_with('#') && !l.trim().is_empty())
    {
        if let Some((name, value)) = line.strip_prefix("    .").and_then(|l| l.split_once(" = ")) {
            attribute = name.to_owned();
            all.entry(own.clone()).or_default().insert(attribute.clone(), value.to_owned());
        } else if let Some(more) = line.strip_prefix("        ") {
            let text = all.entry(own.clone()).or_default().entry(attribute.clone()).or_default();
            text.push(' ');
            text.push_str(more.trim());
        } else if let Some((name, value)) = line.split_once(" = ") {
            (own, attribute) = (name.to_owned(), String::new());
            let is_new =
                all.insert(own.clone(), Message::from([(String::new(), value.to_owned())])).is_none();
            assert!(is_new, "{own} stands twice");
        } else {
            panic!("cannot be read: {line}");
        }
    }
    all
}

fn arguments(text: &str) -> BTreeSet<&str> {
    text.split("{ $").skip(1).filter_map(|rest| rest.split(" }").next()).collect()
}

fn is_han(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c)
}

#[test]
fn every_cause_has_its_prose_in_both_languages() {
    let wanted: BTreeSet<String> = Cause::ALL.iter().map(|c| c.id().replacen('.', "-", 1)).collect();
    for lang in Lang::ALL {
        let own: BTreeSet<String> = messages(lang).into_keys().collect();
        assert_eq!(own, wanted, "{lang:?}");
    }
}

#[test]
fn titles_fit_and_say_no_more_than_one_thing() {
    for lang in Lang::ALL {
        for (name, message) in messages(lang) {
            for part in ["", "title"] {
                let Some(text) = message.get(part) else { continue };
                assert!(width(text) <= 96, "{name}: {} columns", width(text));
                assert!(!text.ends_with(['.', '。']), "{name}: {text}");
            }
            assert!(width(&message[""]) <= 80 && !message[""].contains('{'), "{name}: {}", message[""]);
            assert!(message.contains_key("means"), "{name} says not what it means");
        }
    }
}

#[test]
fn both_languages_give_the_same_steps_commands_and_arguments() {
    let (en, zh) = (messages(Lang::En), messages(Lang::Zh));
    for (name, message) in &en {
        let other = &zh[name];
        assert_eq!(message.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "{name}");
        let mut steps = BTreeSet::new();
        for (part, text) in message {
            assert_eq!(arguments(text), arguments(&other[part]), "{name}.{part}");
            assert!(arguments(text).iter().all(|a| ARGUMENTS.contains(a)), "{name}.{part}: {text}");
            if let Some((kind, n)) = part.split_once('-') {
                steps.insert(n.parse::<u32>().unwrap());
                assert!(["fix", "run", "why"].contains(&kind), "{name}.{part}");
                assert!(kind != "run" || *text == other[part], "{name}.{part}: the commands differ");
                assert!(kind != "run" || message.contains_key(&format!("why-{n}")), "{name}.{part}: no why");
            }
        }
        let numbered: BTreeSet<u32> = (1..=u32::try_from(steps.len()).unwrap()).collect();
        assert!(!steps.is_empty() && steps == numbered, "{name}: {steps:?}");
    }
}

#[test]
fn nothing_is_said_that_clearline_was_born_to_replace() {
    for lang in Lang::ALL {
        for (name, message) in messages(lang) {
            for (part, text) in message {
                let lower = text.to_lowercase();
                for phrase in [
                    "please check",
                    "check your internet",
                    "check your network",
                    "请检查您的网络",
                    "请检查网络",
                ] {
                    assert!(!lower.contains(phrase), "{name}.{part}: {text}");
                }
            }
        }
    }
}

#[test]
fn english_steps_begin_with_a_capital_and_chinese_uses_its_own_marks() {
    for (name, message) in messages(Lang::En) {
        for (part, text) in message {
            assert!(!text.contains(is_han), "{name}.{part}: {text}");
            assert!(
                !part.starts_with("fix-") || text.starts_with(|c: char| c.is_ascii_uppercase()),
                "{name}.{part}: {text}"
            );
        }
    }
    for (name, message) in messages(Lang::Zh) {
        for (part, text) in message {
            assert!(part.starts_with("run-") || text.contains(is_han), "{name}.{part}: {text}");
            let chars: Vec<char> = text.chars().collect();
            let half = chars
                .windows(3)
                .find(|w| is_han(w[0]) && matches!(w[1], ',' | '.' | ';' | ':' | '!' | '?') && is_han(w[2]));
            assert!(half.is_none(), "{name}.{part}: {text}");
        }
    }
    // As it is shown: a full-width mark brings its own room.
    let prose = Prose::load(Lang::Zh);
    for cause in Cause::ALL {
        let words = prose.explain(*cause, &Args::default());
        let steps = words.fix.iter().map(|fix| match fix {
            Fix::Text(text) | Fix::Command { why: text, .. } => text.as_str(),
        });
        for text in [words.title.as_str(), words.means.as_str()].into_iter().chain(steps) {
            let chars: Vec<char> = text.chars().collect();
            let loose = chars
                .windows(2)
                .any(|w| (is_full_mark(w[0]) && w[1] == ' ') || (w[0] == ' ' && is_full_mark(w[1])));
            assert!(!loose, "{cause}: {text}");
        }
    }
}

#[test]
fn chinese_is_set_with_full_width_marks_and_a_blank_beside_latin() {
    const HALF: [char; 6] = [',', ';', ':', '!', '?', '('];
    let lines = files(Lang::Zh).into_iter().chain([HELP]).flat_map(str::lines);
    for line in lines.filter(|l| !l.starts_with('#') && !l.contains(".run-")) {
        let value = line.split_once(" = ").map_or(line, |(_, value)| value);
        // What an argument ends with is not known here.
        let mut chars = Vec::new();
        for (i, part) in value.split('{').enumerate() {
            let part = if i == 0 { part } else { part.split_once('}').map_or("", |(_, rest)| rest) };
            chars.extend((i > 0).then_some('\u{fffc}').into_iter().chain(part.chars()));
        }
        let wrong = chars.windows(2).find(|w| {
            let (a, b) = (w[0], w[1]);
            is_han(a) && (HALF.contains(&b) || b == ')' || b.is_ascii_alphanumeric())
                || is_han(b) && (HALF.contains(&a) || a == ')' || a.is_ascii_alphanumeric())
        });
        assert!(wrong.is_none(), "{wrong:?}: {line}");
    }
}
