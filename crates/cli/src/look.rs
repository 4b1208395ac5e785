//! How output looks here: language, columns, colour.

use std::io::IsTerminal as _;
use std::path::Path;

use clearline_report::terminal::Style;
use clearline_report::{Lang, Prose};

use crate::settings::Settings;
use crate::setup;

/// The widest report; longer lines are hard to read.
const WIDEST: usize = 100;
/// The columns of a pipe.
const PIPE: usize = 80;

/// The language: the flag, else the setting, else the locale. Settings that cannot be read do not keep a report from
/// being made: they may be what it is about.
pub(crate) fn lang(flag: Option<&str>, config: Option<&Path>) -> Lang {
    let asked =
        flag.map(str::to_owned).or_else(|| Some(setup::load(config, &[]).ok()?.text("lang").to_owned()));
    Lang::wanted(asked.as_deref(), &setup::variable)
}

/// The language where the settings were read already. A settings file that is a pipe can be read once.
pub(crate) fn spoken(flag: Option<&str>, settings: &Settings) -> Lang {
    Lang::wanted(Some(flag.unwrap_or_else(|| settings.text("lang"))), &setup::variable)
}

/// The prose of that language.
pub(crate) fn prose(flag: Option<&str>, config: Option<&Path>) -> Prose {
    Prose::load(lang(flag, config))
}

/// How wide the terminal of the standard output is, where it is one.
pub(crate) fn window() -> Option<usize> {
    let is_terminal = std::io::stdout().is_terminal();
    let window = || rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|w| usize::from(w.ws_col));
    window().filter(|columns| is_terminal && *columns >= 20)
}

/// The style of the standard output.
pub(crate) fn style() -> Style {
    let set = |name: &str| setup::variable(name).filter(|v| !v.is_empty());
    let is_terminal = std::io::stdout().is_terminal();
    let is_dumb = set("TERM").is_some_and(|t| t == "dumb");
    let forced = set("CLICOLOR_FORCE").is_some_and(|v| v != "0");
    let colour = set("NO_COLOR").is_none() && (forced || (is_terminal && !is_dumb));
    let columns = set("COLUMNS").and_then(|c| c.parse::<usize>().ok()).filter(|c| *c >= 20);
    let columns = columns.or_else(window).unwrap_or(PIPE);
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
    let is_utf8 = locale.is_none_or(|l| {
        let l = l.to_ascii_lowercase();
        l.contains("utf-8") || l.contains("utf8")
    });
    Style { columns: columns.min(WIDEST), colour, ascii: is_terminal && !is_utf8 }
}
