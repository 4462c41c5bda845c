//! The crate's errors: one kind for each thing a caller would do differently.
//!
//! Promises: a message says what was tried, on what, and what to do next.
//! Never: key material or credentials in a message.

use std::fmt;

use crate::ids::{Epoch, Version};
use crate::tally::Op;

/// What went wrong below the store interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// there is no such object
    NotFound,
    /// the object ends before the range that was asked for: it is not the object that was written
    Short,
    /// the credentials do not allow it (401, 403, EACCES, a read-only file system)
    Denied,
    /// the store does not answer (name, connection, time-out)
    Unreachable,
    /// there is no room left (ENOSPC, EDQUOT)
    Full,
    /// the store cannot hold a database as it is: it ignores put-if-absent, or the bucket does not exist
    Refused,
    /// anything else; the message says what
    Other,
}

/// A store request that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    /// what a caller decides on
    pub kind: StoreErrorKind,
    /// what was tried
    pub op: Op,
    /// on which object (or prefix, for LIST)
    pub key: String,
    /// in which store, without secrets
    pub store: String,
    /// what the store said
    pub message: String,
}

impl StoreError {
    /// An error of `kind` for `op` on `key`.
    pub fn new(kind: StoreErrorKind, op: Op, key: &str, store: &str, message: impl Into<String>) -> Self {
        Self { kind, op, key: key.to_owned(), store: store.to_owned(), message: message.into() }
    }

    /// Whether the same request may succeed later with nothing changed by a person.
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Unreachable | StoreErrorKind::Other)
    }

    fn next_step(&self) -> &'static str {
        match self.kind {
            StoreErrorKind::NotFound => "check the URI and that nothing but firn deletes objects there",
            StoreErrorKind::Short => "run `firn verify` on the namespace, then restore the object from a backup",
            StoreErrorKind::Denied => {
                "check the credentials in the environment (or the folder's owner and mode) and what they allow on this prefix"
            }
            StoreErrorKind::Unreachable => "check the endpoint, the region and the network, then try again",
            StoreErrorKind::Full => "free space or raise the quota, then open again; nothing acknowledged is lost",
            StoreErrorKind::Refused => "choose another store or correct the URI",
            StoreErrorKind::Other => "try again; if it stays, look at the store's own log",
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            StoreErrorKind::NotFound => "not found",
            StoreErrorKind::Short => "too short",
            StoreErrorKind::Denied => "denied",
            StoreErrorKind::Unreachable => "the store does not answer",
            StoreErrorKind::Full => "no space left",
            StoreErrorKind::Refused => "the store cannot be used",
            StoreErrorKind::Other => "failed",
        };
        let object = if self.key.is_empty() { "(all)" } else { &self.key };
        write!(f, "{} {object} in {}: {what}: {}; {}", self.op, self.store, self.message, self.next_step())
    }
}

impl std::error::Error for StoreError {}

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyErrorKind {
    /// there is no key where it should be
    Missing,
    /// the key was destroyed because its tenant was erased: there is no way back
    Erased,
    /// there is a key, but not the one that wrapped this
    Wrong,
    /// the key's bytes, or the wrapped bytes, are damaged
    Damaged,
    /// others could read the key file
    TooOpen,
    /// the key stands where it must not (inside the store)
    Misplaced,
    /// the key service refuses these credentials
    Denied,
    /// the key is disabled, to be deleted, or made for something else
    Unusable,
    /// the key service did not decide: it does not answer, fails itself, or there were no credentials to ask it with
    Unreachable,
    /// the key service was asked too often
    Throttled,
    /// the key could not be read or written for another reason
    Io,
}

impl KeyErrorKind {
    /// Whether the key service made no decision: the same call may succeed later, and until then a key that it gave out
    /// before may be used for a bounded time. Every other kind is final until a person changes something.
    #[must_use]
    pub fn transient(self) -> bool {
        matches!(self, KeyErrorKind::Unreachable | KeyErrorKind::Throttled)
    }
}

/// Everything this crate reports.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// the URI is not one of ours; the message says what is allowed
    #[error("{0}")]
    Uri(String),
    /// a store request failed
    #[error(transparent)]
    Store(#[from] StoreError),
    /// nothing was ever written there
    #[error("there is no namespace at {store}: check the name after ?ns=, or open it for writing to create it")]
    NoNamespace {
        /// the place that was looked at
        store: String,
    },
    /// a key is missing or does not fit
    #[error("{message}")]
    Key {
        /// what a caller decides on
        kind: KeyErrorKind,
        /// what was tried, on what, and what to do next
        message: String,
    },
    /// stored bytes are not what they must be; serving from them is refused
    #[error(
        "integrity of {object}: {what}; nothing is served from it: run `firn verify`, then restore the object from a backup"
    )]
    Integrity {
        /// the object's key inside the namespace
        object: String,
        /// which promise is broken
        what: String,
    },
    /// a manifest was about to be written that breaks a promise; nothing was written
    #[error("refused to write {object}: {what}")]
    Invalid {
        /// the object that was not written
        object: String,
        /// which promise it would have broken
        what: String,
    },
    /// another writer holds the namespace
    #[error("fenced: another writer holds epoch {by_epoch} of this namespace; reopen to continue")]
    Fenced {
        /// the epoch that took over
        by_epoch: Epoch,
    },
    /// a manifest of our own epoch is newer than the head this commit was built on
    #[error("version {version} was committed by another process of this epoch; reload the newest head and try again")]
    Superseded {
        /// the version that is taken
        version: Version,
    },
    /// it is not known whether a write took effect
    #[error("the outcome of writing {object} is unknown ({source}); close and reopen: what was written decides")]
    Unresolved {
        /// the object
        object: String,
        /// the last thing the store said
        source: StoreError,
    },
}

impl Error {
    pub(crate) fn integrity(object: &str, what: impl Into<String>) -> Self {
        Self::Integrity { object: object.to_owned(), what: what.into() }
    }

    pub(crate) fn invalid(object: &str, what: impl Into<String>) -> Self {
        Self::Invalid { object: object.to_owned(), what: what.into() }
    }

    pub(crate) fn key(kind: KeyErrorKind, message: impl Into<String>) -> Self {
        Self::Key { kind, message: message.into() }
    }
}
