//! A diagnosis through one client's eyes, in words: why one client works and the other does not.

use clearline_model::{Axis, ClientView, Fact, FactId, Failure, Fate, Foreign, Seen, Turn};
use serde_json::{Value, json};

use crate::lang::Lang;
use crate::prose::{Args, Prose};
use crate::seen;

fn named(name: &str) -> Args {
    Args::default().with("name", Foreign::new(name))
}

/// What a fate is, in a sentence.
fn fate(prose: &Prose, name: &str, fate: Fate) -> String {
    match fate {
        Fate::Works => prose.say("client-works", &named(name)),
        Fate::Fails { cause, .. } => {
            let title = prose.explain(cause, &Args::default()).title;
            prose.say("client-fails", &named(name).with("title", Foreign::new(&title)))
        }
        Fate::Unknown(None) => prose.say("client-unknown", &named(name)),
        Fate::Unknown(Some(axis)) => {
            let word = match axis {
                Axis::Route => "axis-route",
                Axis::Trust => "axis-trust",
                Axis::Credential => "axis-credential",
                Axis::Host => "axis-host",
                Axis::Hello => "axis-hello",
                Axis::Alpn | Axis::Http => "axis-alpn",
                Axis::Family | Axis::Address => "axis-family",
                Axis::Port | Axis::Resolver | Axis::Transport | Axis::ServerName | Axis::Mss => "axis-other",
                Axis::Body | Axis::Reused | Axis::Idle | Axis::Client => "axis-other",
            };
            let axis = Foreign::new(&prose.word(word));
            prose.say("client-unknown-axis", &named(name).with("axis", axis))
        }
    }
}

/// A habit, and what came of it.
fn because(prose: &Prose, facts: &[Fact], (name, fate): (&str, Fate), turn: &Turn) -> String {
    let habit = Foreign::new(&prose.word(&format!("habit-{}", turn.habit.word())));
    let sentence = match fate {
        Fate::Works => "client-works-because",
        Fate::Fails { .. } => "client-fails-because",
        Fate::Unknown(_) => "client-open-because",
    };
    let sentence = prose.say(sentence, &named(name).with("habit", habit));
    match turn.fact.and_then(|id| saw(prose, facts, id, turn.axis)) {
        Some(saw) if prose.lang() == Lang::Zh => format!("{sentence}：{saw}"),
        Some(saw) => format!("{sentence}: {saw}"),
        None => sentence,
    }
}

/// What was seen, along the axis on which the clients part.
fn saw(prose: &Prose, facts: &[Fact], id: FactId, axis: Axis) -> Option<String> {
    let fact = facts.iter().find(|f| f.id == id)?;
    let (own, saw) = seen::along_axis(prose, fact, axis);
    let is_store =
        axis == Axis::Trust && matches!(fact.saw, Ok(Seen::Handshake { .. }) | Err(Failure::Cert(_)));
    if !is_store {
        return Some(saw);
    }
    Some(prose.say(if fact.saw.is_ok() { "store-trusts" } else { "store-refuses" }, &named(&own)))
}

/// The sentences, the client's own fate first.
#[must_use]
pub fn sentences(prose: &Prose, facts: &[Fact], view: &ClientView) -> Vec<String> {
    let mut lines = vec![fate(prose, view.name, view.fate)];
    match &view.others {
        Some(turn) => lines.push(because(prose, facts, view.other, turn)),
        None if is_alike(view) => lines.push(prose.say("client-alike", &named(view.other.0))),
        None => lines.push(fate(prose, view.other.0, view.other.1)),
    }
    lines.extend(view.own.iter().map(|turn| because(prose, facts, (view.name, view.fate), turn)));
    lines
}

fn is_alike(view: &ClientView) -> bool {
    std::mem::discriminant(&view.fate) == std::mem::discriminant(&view.other.1)
}

/// The same for programs.
#[must_use]
pub fn json(prose: &Prose, facts: &[Fact], view: &ClientView) -> Value {
    let turn = |turn: &Turn| json!({ "axis": turn.axis, "habit": turn.habit.word(), "passes": turn.passes, "fact": turn.fact });
    let habits = view.habits.iter().map(|(axis, habit)| json!({ "axis": axis, "habit": habit.word() }));
    json!({
        "id": view.id,
        "name": view.name,
        "fate": fate_json(view.fate),
        "other": { "name": view.other.0, "fate": fate_json(view.other.1) },
        "because": { "own": view.own.as_ref().map(turn), "other": view.others.as_ref().map(turn) },
        "text": sentences(prose, facts, view),
        "fix": crate::edit::of_client(prose, facts, view).map(crate::json::step),
        "habits": habits.collect::<Vec<_>>(),
    })
}

fn fate_json(fate: Fate) -> Value {
    match fate {
        Fate::Works => json!({ "works": true, "stage": null, "cause": null, "fact": null, "lacks": null }),
        Fate::Fails { stage, cause, fact } => {
            json!({ "works": false, "stage": stage, "cause": cause.id(), "fact": fact, "lacks": null })
        }
        Fate::Unknown(axis) => {
            json!({ "works": null, "stage": null, "cause": null, "fact": null, "lacks": axis })
        }
    }
}

#[cfg(test)]
mod tests {
    use clearline_model::{Cause, Habit, Stage};

    use super::*;

    #[test]
    fn every_habit_and_every_fate_has_its_words() {
        let turn = |habit| Turn { axis: Axis::Route, habit, passes: true, fact: None };
        for lang in Lang::ALL {
            let prose = Prose::load(lang);
            for habit in Habit::ALL {
                for own in [
                    Fate::Works,
                    Fate::Fails { stage: Stage::Tunnel, cause: Cause::ProxyRequired, fact: None },
                    Fate::Unknown(Some(Axis::Trust)),
                    Fate::Unknown(None),
                ] {
                    let view = ClientView {
                        id: "node",
                        name: "Node fetch",
                        fate: own,
                        other: ("curl", Fate::Works),
                        own: Some(turn(habit)),
                        others: Some(turn(habit)),
                        habits: Vec::new(),
                        trust_variable: None,
                    };
                    let lines = sentences(&prose, &[], &view);
                    assert_eq!(lines.len(), 3, "{lines:?}");
                    let text = lines.join(" ");
                    let is_open =
                        ["habit-", "axis-", "client-", "{ $"].iter().any(|word| text.contains(word));
                    assert!(!is_open && text.contains("Node fetch") && text.contains("curl"), "{text}");
                }
            }
        }
    }
}
