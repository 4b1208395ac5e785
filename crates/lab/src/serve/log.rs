//! What the services saw, a line each: the checks look for it.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Where lines go.
#[derive(Debug, Clone)]
pub(crate) struct Log(Option<Arc<Mutex<File>>>);

impl Log {
    /// Appends to a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn to(path: &Path) -> std::io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self(Some(Arc::new(Mutex::new(file)))))
    }

    /// Nowhere.
    #[cfg(test)]
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Writes that a service saw something.
    pub(crate) fn say(&self, service: &str, what: &str) {
        let Some(file) = &self.0 else { return };
        if let Ok(mut file) = file.lock() {
            // A log that cannot be written fails the check that wants to read it.
            let _lost = writeln!(file, "{service}: {what}").is_err();
        }
    }
}
