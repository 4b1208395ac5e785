//! What can be set: a row a setting. Each crate exports its own rows, the binary joins them.

use std::fmt;

/// What form a value has, and how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number within these bounds, both included.
    Count {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A number with a fraction, in thousandths, within these bounds.
    Ratio {
        /// The least, in thousandths.
        min: u64,
        /// The most, in thousandths.
        max: u64,
    },
    /// A length of time with a unit (`"250ms"`, `"5s"`, `"2m"`), at most this many seconds.
    Duration {
        /// The most, seconds.
        max_secs: u64,
    },
    /// A size with a unit (`"64KiB"`, `"32MiB"`), at most this many bytes.
    Size {
        /// The most, bytes.
        max: u64,
    },
    /// Any text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of texts.
    List,
    /// A reference to a secret: `env:NAME` or `file:PATH`, never the secret itself.
    SecretList,
    /// Names with a text each, as a TOML table.
    Table,
    /// Names with these columns each, as a TOML table a name. The first column may stand alone, in the place of its table.
    Rows(&'static [Setting]),
}

/// One row of the table of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The key in the file: `section.name`. Its variable is `CLEARLINE_SECTION_NAME`.
    pub key: &'static str,
    /// The form of its value.
    pub kind: Kind,
    /// The default as it would be written in the file; empty where nothing is set.
    pub default: &'static str,
    /// One line for help and documents.
    pub doc: &'static str,
}

impl Setting {
    /// The last part of the key.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.key.rsplit('.').next().unwrap_or(self.key)
    }

    /// The environment variable of this setting.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("CLEARLINE_{}", self.key.replace(['.', '-'], "_").to_uppercase())
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// A line of the settings file.
    File {
        /// The path as it was given.
        path: String,
        /// From 1.
        line: u32,
        /// From 1.
        column: u32,
    },
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => write!(f, "{path}, line {line}, column {column}"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A mistake in the settings. All of them are reported at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SettingError {
    /// Where it stands.
    pub origin: Origin,
    /// What was written there: key and value.
    pub found: String,
    /// What is wrong, and what to write.
    pub problem: String,
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}   {}   {}", self.origin, self.found, self.problem)
    }
}
