//! Why a call got no answer of the API.

use std::fmt;

use clearline_model::{CallId, Cause, Dur, Foreign, Sent, Stage};

/// A call that ended without an answer that could be passed on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CallError {
    /// Which call.
    pub call: CallId,
    /// Why.
    pub cause: Cause,
    /// At which stage its last attempt failed.
    pub stage: Stage,
    /// Whether the server may have seen the request.
    pub sent: Sent,
    /// How many attempts were made.
    pub attempts: u16,
    /// The upstream's id of the last answer, if there was one.
    pub request_id: Option<Foreign>,
    /// When it is worth another try.
    pub retry_after: Option<Dur>,
    /// The retry budget here is spent: a layer above should not retry either.
    pub no_retry: bool,
    /// The words of whoever failed: foreign text, for people alone.
    pub detail: Foreign,
}

impl CallError {
    /// There is no credential for the call; `why` is for people.
    #[must_use]
    pub fn no_credential(why: &str) -> Self {
        Self::before(Cause::AuthMissing, Foreign::new(why))
    }

    /// The credential has characters that no header takes.
    pub(crate) fn malformed_credential() -> Self {
        let why = "the credential holds a newline or another character that no header takes";
        Self::before(Cause::AuthMalformedKey, Foreign::new(why))
    }

    /// Nothing here can wait for anything.
    pub(crate) fn no_runtime() -> Self {
        let why =
            "there is no tokio runtime here: a call has to be polled within one, with its timers and its I/O";
        Self::before(Cause::ClientDependencyMismatch, Foreign::new(why))
    }

    /// An error before any attempt was made.
    #[must_use]
    pub(crate) fn before(cause: Cause, detail: Foreign) -> Self {
        Self {
            call: CallId(0),
            cause,
            stage: Stage::Config,
            sent: Sent::No,
            attempts: 0,
            request_id: None,
            retry_after: None,
            no_retry: false,
            detail,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.cause.row();
        write!(f, "{} ({}) at stage {} after {} attempts", row.title, row.id, self.stage, self.attempts)?;
        if let Some(after) = self.retry_after {
            write!(f, "; worth another try in {after}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CallError {}
