//! The crate's error: refused by the directory, or failed below it.
//!
//! Promises: a message says what was tried, on what, and what to do next.
//! Never: key material or a token in a message.

use firn_manifest::{KeyErrorKind, StoreError};

use crate::refusal::Refusal;

/// Everything this crate reports.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// the directory refused it; nothing was changed
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// there is no directory in this store
    #[error(
        "there is no tenant directory in {store}: check the store, or create one by `firn serve` or `firn tenant create`"
    )]
    NoDirectory {
        /// the place that was looked at
        store: String,
    },
    /// the store, a key, or stored bytes: as the layer below says
    #[error(transparent)]
    Root(#[from] firn_manifest::Error),
}

impl From<StoreError> for Error {
    fn from(e: StoreError) -> Self {
        Self::Root(e.into())
    }
}

impl Error {
    /// The refusal, if it is one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether it is not known if the command was done: sending the same request id again finds out.
    #[must_use]
    pub fn unresolved(&self) -> bool {
        matches!(self, Self::Root(firn_manifest::Error::Unresolved { .. }))
    }

    /// Whether stored bytes are not what they must be.
    #[must_use]
    pub fn integrity(&self) -> bool {
        matches!(self, Self::Root(firn_manifest::Error::Integrity { .. }))
    }
}

/// Stored bytes are not what they must be.
pub(crate) fn integrity(object: &str, what: impl Into<String>) -> firn_manifest::Error {
    firn_manifest::Error::Integrity { object: object.to_owned(), what: what.into() }
}

/// Something was about to be written that must not be.
pub(crate) fn invalid(object: &str, what: impl Into<String>) -> firn_manifest::Error {
    firn_manifest::Error::Invalid { object: object.to_owned(), what: what.into() }
}

/// A key is missing or does not fit.
pub(crate) fn key(kind: KeyErrorKind, message: impl Into<String>) -> firn_manifest::Error {
    firn_manifest::Error::Key { kind, message: message.into() }
}
