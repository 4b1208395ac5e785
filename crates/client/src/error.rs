//! Why a call got no answer of the API.

use std::borrow::Cow;
use std::fmt;

use clearline_model::{CallId, Cause, Dur, Foreign, Retry, Sent, Stage};

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
    /// When it is worth another try; [`Dur::MAX`]: never.
    pub retry_after: Option<Dur>,
    /// The retry budget here is spent: a layer above should not retry either.
    pub no_retry: bool,
    /// It was let go because this client was stopped.
    pub stopped: bool,
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
            stopped: false,
            detail,
        }
    }
}

impl CallError {
    /// Whether the same call can succeed later, as far as that is known: not where the cause stays until somebody changes
    /// something, nor where the API says that it does not. Whether who called should be the one to repeat it, says
    /// [`CallError::no_retry`].
    #[must_use]
    pub fn can_retry(&self) -> bool {
        self.retry_after != Some(Dur::MAX) && can_retry(self.cause)
    }

    /// What happened, in a few words.
    #[must_use]
    pub fn title(&self) -> Cow<'static, str> {
        let title = self.cause.row().title;
        match (self.stopped, self.cause) {
            (false, _) => Cow::Borrowed(title),
            (true, Cause::GatewayBadGateway) => {
                Cow::Borrowed("The gateway was stopped before there was an answer")
            }
            (true, _) => Cow::Owned(format!("{title}; then the gateway was stopped")),
        }
    }
}

/// Whether something that failed for this reason can succeed when it is tried again as it was.
pub(crate) fn can_retry(cause: Cause) -> bool {
    !matches!(cause.row().retry, Retry::Never | Retry::AfterRefresh)
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (title, cause) = (self.title(), self.cause);
        write!(f, "{title} ({cause}) at stage {} after {} attempts", self.stage, self.attempts)?;
        if let Some(id) = &self.request_id {
            write!(f, ", request {}", id.escaped())?;
        }
        match self.retry_after {
            Some(Dur::MAX) => f.write_str("; another try is never worth it"),
            Some(after) => write!(f, "; worth another try in {after}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for CallError {}
