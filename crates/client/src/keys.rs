//! The keys of a pool: what they are, and those of the environment.

use clearline_model::{Cause, Foreign, Secret};

use crate::error::CallError;

/// A credential of the pool, under a name that may be shown.
#[derive(Debug)]
pub struct PoolKey {
    /// The name that logs and metrics use.
    pub alias: String,
    /// The credential.
    pub secret: Secret,
}

impl PoolKey {
    /// A key that stands in a file of its own; blanks, line ends and a byte order mark around it are an editor's.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn from_file(alias: &str, path: &std::path::Path) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let text = text.trim_start_matches('\u{feff}').trim();
        Ok(Self { alias: alias.to_owned(), secret: Secret::new(text.as_bytes().to_vec()) })
    }

    /// Whether it can be sent at all. A key with a newline or a quote would become a "connection error" in most clients; here
    /// it is named.
    ///
    /// # Errors
    /// It is empty, or holds what belongs into no key. No client is built with it.
    pub fn check(&self) -> Result<(), CallError> {
        let bytes = self.secret.expose();
        let is_fit = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'$');
        if !bytes.is_empty() && bytes.iter().all(is_fit) {
            return Ok(());
        }
        let alias = &self.alias;
        let detail =
            format!("the key \"{alias}\" is empty or holds a blank, a quote, a newline or a placeholder");
        Err(CallError::before(Cause::AuthMalformedKey, Foreign::new(&detail)))
    }
}

/// The pool that the environment names.
pub(crate) fn keys_from(set: &dyn Fn(&str) -> Option<String>) -> Vec<PoolKey> {
    if let Some(list) = set("CLEARLINE_KEYS") {
        let parts = list.split(',').map(str::trim).filter(|k| !k.is_empty()).enumerate();
        return parts
            .map(|(i, key)| PoolKey {
                alias: format!("key-{}", i + 1),
                secret: Secret::new(key.as_bytes().to_vec()),
            })
            .collect();
    }
    set("ANTHROPIC_API_KEY")
        .map(|key| PoolKey { alias: "key-1".to_owned(), secret: Secret::new(key.into_bytes()) })
        .into_iter()
        .collect()
}
