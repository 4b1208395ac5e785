//! Why a call got no answer of the API.

use std::borrow::Cow;
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

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (title, cause) = (self.title(), self.cause);
        write!(f, "{title} ({cause}) at stage {} after {} attempts", self.stage, self.attempts)?;
        if let Some(after) = self.retry_after {
            write!(f, "; worth another try in {after}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CallError {}
