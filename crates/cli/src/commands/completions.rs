//! `clearline completions`: what packages put where a shell looks for it.

use clap::Args;
use clap_complete::{Shell, generate};

use crate::exit::{self, Failure};
use crate::out;

/// Prints the completions of a shell
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> Result<u8, Failure> {
        let mut script = Vec::new();
        generate(self.shell, &mut super::line(), "clearline", &mut script);
        out::say(String::from_utf8_lossy(&script).trim_end())?;
        Ok(exit::WELL)
    }
}
