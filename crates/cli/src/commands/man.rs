//! `clearline man`: the manual pages, which packages bring along.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;
use clearline_report::{Lang, Prose};

use crate::exit::{self, Failure};
use crate::help;

/// Writes a manual page for every command into a folder
#[derive(Debug, Args)]
pub(crate) struct Pages {
    /// The folder; it is made where it is not there
    folder: PathBuf,
}

impl Pages {
    pub(crate) fn run(&self) -> Result<u8, Failure> {
        let mut english = super::line();
        english.build();
        write(&english, &self.folder.join("man1"))?;
        if let Some(words) = Prose::help(Lang::Zh) {
            write(&help::command(&words, usize::MAX), &self.folder.join("zh_CN").join("man1"))?;
        }
        Ok(exit::WELL)
    }
}

/// The page of a command, and those of its own.
fn write(command: &Command, folder: &Path) -> Result<(), Failure> {
    let wrong = |path: &Path, why: &dyn std::fmt::Display| Failure::own(format!("{}: {why}", path.display()));
    std::fs::create_dir_all(folder).map_err(|e| wrong(folder, &e))?;
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut page = Vec::new();
    let man = Man::new(command.clone()).title(name.to_uppercase());
    let man = man.source(concat!("clearline ", env!("CARGO_PKG_VERSION")));
    man.render(&mut page).map_err(Failure::own)?;
    let path = folder.join(format!("{name}.1"));
    std::fs::write(&path, page).map_err(|e| wrong(&path, &e))?;
    let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
    for sub in shown {
        write(sub, folder)?;
    }
    Ok(())
}
