//! Credentials that somebody else keeps: tokens that expire and are renewed.

use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use crate::error::CallError;

/// The name of the header that holds an API key.
pub(crate) const KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Gives every call its credential. Stands in the place of a pool of keys.
///
/// ```
/// use std::sync::Mutex;
///
/// use clearline::{CallError, Credential, Credentials};
/// use futures_util::future::BoxFuture;
///
/// struct Token(Mutex<String>);
///
/// impl Credentials for Token {
///     fn credential(&self) -> BoxFuture<'_, Result<Credential, CallError>> {
///         let token = self.0.lock().unwrap().clone();
///         Box::pin(async move { Credential::bearer(&token) })
///     }
///
///     fn refused(&self, used: &Credential) -> BoxFuture<'_, bool> {
///         // Whoever was second finds the token renewed already.
///         let mut token = self.0.lock().unwrap();
///         if Credential::bearer(&token).is_ok_and(|now| now == *used) {
///             *token = "renewed".to_owned();
///         }
///         Box::pin(std::future::ready(true))
///     }
/// }
/// ```
pub trait Credentials: Send + Sync {
    /// The credential of the call that is about to start.
    ///
    /// # Errors
    /// There is none, and the call ends with that: see [`CallError::no_credential`].
    fn credential(&self) -> BoxFuture<'_, Result<Credential, CallError>>;

    /// The API answered 401 to this credential. `true` where there is another one now: the call is made once more with
    /// it, and no further.
    fn refused(&self, used: &Credential) -> BoxFuture<'_, bool>;
}

/// A header that lets a call in. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    name: HeaderName,
    value: HeaderValue,
}

/// One that never changes.
impl Credentials for Credential {
    fn credential(&self) -> BoxFuture<'_, Result<Self, CallError>> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }

    fn refused(&self, _used: &Self) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(false))
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Credential {
    /// An API key.
    ///
    /// # Errors
    /// It has characters that no header takes.
    pub fn api_key(key: &str) -> Result<Self, CallError> {
        Self::new(KEY, key)
    }

    /// A token.
    ///
    /// # Errors
    /// It has characters that no header takes.
    pub fn bearer(token: &str) -> Result<Self, CallError> {
        Self::new(AUTHORIZATION, &format!("Bearer {token}"))
    }

    fn new(name: HeaderName, text: &str) -> Result<Self, CallError> {
        let Ok(mut value) = HeaderValue::from_str(text) else {
            return Err(CallError::malformed_credential());
        };
        value.set_sensitive(true);
        Ok(Self { name, value })
    }

    /// Puts it into the headers of a request, in the place of any other.
    pub(crate) fn put(&self, headers: &mut http::HeaderMap) {
        clearline_wire::headers::retain(headers, |name| name != AUTHORIZATION && name != KEY);
        headers.insert(self.name.clone(), self.value.clone());
    }
}
