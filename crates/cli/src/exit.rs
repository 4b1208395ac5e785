//! How the program ends: the exit codes, and the failures that lead to them.

use std::fmt;

/// All went well.
pub(crate) const WELL: u8 = 0;
/// A problem was found.
pub(crate) const PROBLEM: u8 = 1;
/// The command line or the settings are wrong.
pub(crate) const USAGE: u8 = 2;
/// clearline itself failed.
pub(crate) const OWN: u8 = 3;
/// It is not certain yet.
pub(crate) const INCONCLUSIVE: u8 = 4;

/// Why a command did not do its work. Its text says what to do next.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or the settings are wrong.
    Usage(String),
    /// Anything else.
    Own(String),
}

impl Failure {
    /// The exit code.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Own(_) => OWN,
        }
    }

    /// A failure that is clearline's own.
    pub(crate) fn own(why: impl fmt::Display) -> Self {
        Self::Own(why.to_string())
    }

    /// A failure of the command line or the settings.
    pub(crate) fn usage(why: impl fmt::Display) -> Self {
        Self::Usage(why.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Own(text) => f.write_str(text.trim_end()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::own(error)
    }
}
