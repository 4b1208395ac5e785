//! The command line's own words in Chinese. Its English stands in the doc comments of the commands; the Chinese is put
//! over it only where somebody asks for help, so that no other run pays for it.

use std::ffi::OsString;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{Arg, Command};
use clearline_model::Foreign;
use clearline_report::{Args, Prose, layout};

use crate::{commands, look};

/// The widest line of a text, columns, and how far clap sets the text of an option in.
const WIDEST: usize = 96;
const INDENT: usize = 10;
/// What of a narrower terminal is not looked at: there would be nothing left beside the names.
const NARROWEST: usize = 40;

/// What a line that was not taken is answered with, in the language of the output where there is a choice.
pub(crate) fn answer(words: &[OsString], error: clap::Error) -> clap::Error {
    let asked =
        matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
    if !asked {
        return error;
    }
    let flag = |name: &str| flag(words, name);
    let lang = look::lang(flag("--lang").as_deref(), flag("--config").as_deref().map(Path::new));
    let Some(help) = Prose::help(lang) else { return error };
    let widest = look::window().map_or(WIDEST, |columns| columns.clamp(NARROWEST, WIDEST));
    command(&help, widest).try_get_matches_from(words).err().unwrap_or(error)
}

/// The value of a flag in a line that is not parsed. What stands behind `--` is a program's own.
fn flag(words: &[OsString], name: &str) -> Option<String> {
    let words: Vec<&str> = words.iter().map_while(|w| w.to_str()).take_while(|w| *w != "--").collect();
    words.iter().enumerate().rev().find_map(|(n, word)| match word.strip_prefix(name)? {
        "" => words.get(n + 1).map(|value| (*value).to_owned()),
        rest => rest.strip_prefix('=').map(str::to_owned),
    })
}

/// The whole command line in these words, in lines of so many columns. Where others set the lines, `usize::MAX` leaves that to them:
/// they take a line's end for a blank, which stands between no two Han characters.
pub(crate) fn command(help: &Prose, widest: usize) -> Command {
    let mut line = commands::line();
    // Only then are help itself and the options of all commands there to be worded.
    line.build();
    let after = ["long-after", "long-codes"].map(|part| help.part("help", part).unwrap_or_default());
    let after = after.map(|text| layout::wrap(&text, widest).join("\n"));
    let about = help.known("help", &Args::default()).unwrap_or_default();
    let line = worded(line, "help", (help, widest)).about(layout::wrap(&about, widest).join("\n"));
    line.after_help(after.join("\n"))
}

fn worded(command: Command, key: &str, (help, widest): (&Prose, usize)) -> Command {
    let about = help.known(key, &Args::default()).unwrap_or_default();
    let long = help.part(key, "long").map(|long| format!("{about}\n\n{long}"));
    let long =
        long.map(|text| text.lines().flat_map(|l| layout::wrap(l, widest)).collect::<Vec<_>>().join("\n"));
    let names = command.get_subcommands().map(|sub| sub.get_name().len());
    let beside = names.max().unwrap_or(0) + 4;
    let command = command
        .mut_args(|arg| argument(arg, key, (help, widest)))
        .mut_subcommands(|sub| {
            let name = sub.get_name().to_owned();
            // What help says of the commands once more is shown nowhere.
            if name == "help" {
                named(sub, "help-help", help)
            } else {
                worded(sub, &format!("{key}-{name}"), (help, widest))
            }
        })
        .mut_subcommands(|sub| {
            // In the list they stand behind the names.
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            sub.about(layout::wrap(&about, widest - beside).join("\n"))
        })
        .about(about)
        .long_about(None::<&str>);
    let command = match long {
        Some(long) => command.long_about(long),
        None => command,
    };
    let template = template(&command, help);
    command.help_template(template)
}

fn named(command: Command, key: &str, help: &Prose) -> Command {
    command.about(help.known(key, &Args::default()).unwrap_or_default()).long_about(None::<&str>)
}

/// The parts in their order. clap's own headings are English, and end in a colon of its own.
fn template(command: &Command, help: &Prose) -> String {
    let mut all = format!("{{about-with-newline}}\n{}{{usage}}", help.word("usage-heading"));
    let mut part = |is_there: bool, heading: &str, tag: &str| {
        if is_there {
            all.push_str(&format!("\n\n{}：\n{{{tag}}}", help.word(heading)));
        }
    };
    part(command.get_subcommands().any(|c| !c.is_hide_set()), "commands-heading", "subcommands");
    part(command.get_positionals().any(|a| !a.is_hide_set()), "arguments-heading", "positionals");
    part(command.get_opts().any(|a| !a.is_hide_set()), "options-heading", "options");
    all.push_str("{after-help}");
    all
}

fn argument(arg: Arg, command: &str, (help, widest): (&Prose, usize)) -> Arg {
    let name = arg.get_id().as_str().replace('_', "-");
    // Those of all commands are worded once.
    let text = help.part(command, &name).or_else(|| help.part("help", &name)).unwrap_or_default();
    let texts = std::iter::once(text).chain(values(&arg, help)).collect::<Vec<_>>().join(" ");
    let lines = layout::wrap(&texts, widest - INDENT).join("\n");
    arg.help(lines)
        .long_help(None::<&str>)
        .next_line_help(true)
        .hide_default_value(true)
        .hide_possible_values(true)
}

/// What clap would say itself of default and possible values.
fn values(arg: &Arg, help: &Prose) -> Vec<String> {
    if !arg.get_action().takes_values() {
        return Vec::new();
    }
    let say = |name: &str, values: &[String], between: &str| {
        let args = Args::default().with("value", Foreign::new(&values.join(between)));
        (!values.is_empty()).then(|| help.say(name, &args))
    };
    let default: Vec<_> = arg.get_default_values().iter().map(|v| v.to_string_lossy().into_owned()).collect();
    let possible: Vec<_> = arg.get_possible_values().iter().map(|v| v.get_name().to_owned()).collect();
    [say("default-values", &default, " "), say("possible-values", &possible, "、")]
        .into_iter()
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use clearline_report::Lang;

    use super::*;

    fn is_han(text: &str) -> bool {
        text.contains(|c: char| ('\u{4e00}'..='\u{9fff}').contains(&c))
    }

    /// Every text of a command and what it is of.
    fn texts(command: &Command, path: &str) -> Vec<(String, String)> {
        let own = |arg: &Arg| (format!("{path} {}", arg.get_id()), arg.get_help().map(ToString::to_string));
        let mut all: Vec<_> = command.get_arguments().filter(|a| !a.is_hide_set()).map(own).collect();
        all.push((path.to_owned(), command.get_about().map(ToString::to_string)));
        if let Some(long) = command.get_long_about() {
            all.push((format!("{path}, long"), Some(long.to_string())));
        }
        let mut all: Vec<_> = all.into_iter().map(|(what, text)| (what, text.unwrap_or_default())).collect();
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            all.extend(texts(sub, &format!("{path} {}", sub.get_name())));
        }
        all
    }

    #[test]
    fn every_command_and_option_is_worded_in_both_languages() {
        let mut english = commands::line();
        english.build();
        let (en, zh) = (
            texts(&english, "clearline"),
            texts(&command(&Prose::help(Lang::Zh).unwrap(), WIDEST), "clearline"),
        );
        assert!(en.len() > 100, "{}", en.len());
        for ((what, text), (same, other)) in en.iter().zip(&zh) {
            assert_eq!(what, same);
            assert!(!text.is_empty() && !is_han(text), "{what} has no text in English: {text}");
            assert!(is_han(other), "{what} has no text in Chinese: {other}");
        }
        assert_eq!(en.len(), zh.len());
    }

    #[test]
    fn no_word_of_clap_is_left() {
        let help = Prose::help(Lang::Zh).unwrap();
        for sub in ["", "doctor", "config", "sim", "call"] {
            let words = ["clearline", sub, "--help"].into_iter().filter(|w| !w.is_empty());
            let text = command(&help, WIDEST).try_get_matches_from(words).unwrap_err().to_string();
            assert!(text.contains("用法：clearline") && text.contains("\n选项：\n"), "{text}");
            for word in ["Usage", "Options", "Commands", "Arguments", "Print", "default", "possible"] {
                assert!(!text.contains(word), "{sub}: {word}\n{text}");
            }
            assert!(text.lines().all(|line| layout::width(line) <= 100 || line.starts_with("  ")), "{text}");
        }
    }

    #[test]
    fn a_page_that_others_set_has_no_line_ends_within_chinese() {
        let line = command(&Prose::help(Lang::Zh).unwrap(), usize::MAX);
        for (what, text) in texts(&line, "clearline") {
            let lines: Vec<&str> = text.lines().collect();
            for pair in lines.windows(2) {
                assert!(pair.iter().any(|l| l.is_empty()), "{what}: {text}");
            }
        }
    }

    #[test]
    fn help_fits_into_the_terminal() {
        let help = Prose::help(Lang::Zh).unwrap();
        for (widest, path) in
            [60, 80].into_iter().flat_map(|w| ["", "doctor", "config", "gateway"].map(|path| (w, path)))
        {
            let words = ["clearline", path, "--help"].into_iter().filter(|w| !w.is_empty());
            let text = command(&help, widest).try_get_matches_from(words).unwrap_err().to_string();
            for line in text.lines() {
                assert!(layout::width(line) <= widest || !line.trim().contains(is_wide), "{path}: {line}");
            }
        }
    }

    /// What can be broken anywhere; names and addresses can not.
    fn is_wide(c: char) -> bool {
        layout::width(c.encode_utf8(&mut [0; 4])) > 1
    }

    #[test]
    fn flags_are_found_in_a_line_that_is_not_parsed() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        for (line, lang) in [
            ("clearline --help --lang zh-CN", Some("zh-CN")),
            ("clearline --lang=zh-CN doctor -h", Some("zh-CN")),
            ("clearline run --help -- app --lang zh-CN", None),
            ("clearline --lang", None),
            ("clearline --language zh-CN", None),
        ] {
            assert_eq!(flag(&words(line), "--lang").as_deref(), lang, "{line}");
        }
    }
}
