//! Reports that go to other people: Markdown and HTML, into a file or onto the standard output.

use std::path::Path;

use clearline_report::document::Document;
use clearline_report::{html, markdown};

use crate::exit::Failure;
use crate::out;

/// Writes a document into these files; `-` is the standard output.
///
/// # Errors
///
/// A file that cannot be written.
pub(crate) fn write(md: Option<&Path>, page: Option<&Path>, document: &Document) -> Result<(), Failure> {
    if let Some(path) = md {
        put(path, &markdown::write(document))?;
    }
    if let Some(path) = page {
        put(path, &html::write(document))?;
    }
    Ok(())
}

fn put(path: &Path, text: &str) -> Result<(), Failure> {
    if path == Path::new("-") {
        return Ok(out::say(text.trim_end())?);
    }
    std::fs::write(path, text)
        .map_err(|e| Failure::usage(format!("cannot write {}: {e}\n  Choose another file.", path.display())))
}

/// How a document is printed where that was asked for instead of a text.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct As {
    /// Prints Markdown
    #[arg(long, conflicts_with_all = ["json", "html"])]
    md: bool,
    /// Prints one HTML page, without scripts and without anything from elsewhere
    #[arg(long, conflicts_with = "json")]
    html: bool,
}

impl As {
    /// Whether a document was asked for.
    pub(crate) const fn is_asked(self) -> bool {
        self.md || self.html
    }

    /// Prints the document where that was asked for, and says whether it was.
    ///
    /// # Errors
    ///
    /// The standard output cannot be written.
    pub(crate) fn print(self, document: impl FnOnce() -> Document) -> Result<bool, Failure> {
        if self.is_asked() {
            let stdout = Path::new("-");
            write(self.md.then_some(stdout), self.html.then_some(stdout), &document())?;
        }
        Ok(self.is_asked())
    }
}
