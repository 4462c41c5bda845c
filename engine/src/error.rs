//! The engine's one error type: what failed, its SQLSTATE, and what the caller can do next.
//!
//! Promises: every error carries a SQLSTATE; its kind says how a caller should act (the `firn` command derives its
//! exit code from it). An `Error` that travels through DataFusion is found again by [`Error::from`].
//! Never: a secret or a stored value beyond what the user himself sent stands in a message.

use std::fmt;
use std::pin::Pin;

use arrow::array::RecordBatch;
use firn_manifest::error::{Error as ManifestError, StoreError, StoreErrorKind};
use firn_segment::error::{SegmentError, SegmentErrorKind};
use futures::Stream;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Rows as they come, in batches.
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>;

/// SQLSTATE codes the engine uses (PostgreSQL, appendix A).
#[allow(missing_docs)]
pub mod sqlstate {
    pub const INTERNAL_ERROR: &str = "XX000";
    pub const DATA_CORRUPTED: &str = "XX001";
    pub const UNIQUE_VIOLATION: &str = "23505";
    pub const NOT_NULL_VIOLATION: &str = "23502";
    pub const SERIALIZATION_FAILURE: &str = "40001";
    pub const INVALID_PARAMETER_VALUE: &str = "22023";
    pub const FEATURE_NOT_SUPPORTED: &str = "0A000";
    pub const UNDEFINED_TABLE: &str = "42P01";
    pub const UNDEFINED_COLUMN: &str = "42703";
    pub const PROGRAM_LIMIT_EXCEEDED: &str = "54000";
    pub const READ_ONLY: &str = "25006";
    pub const INVALID_CATALOG_NAME: &str = "3D000";
    pub const IO_ERROR: &str = "58030";
    pub const DISK_FULL: &str = "53100";
    pub const CONNECTION_FAILURE: &str = "08006";
    pub const STATEMENT_COMPLETION_UNKNOWN: &str = "08007";
    pub const INSUFFICIENT_PRIVILEGE: &str = "42501";
    pub const INVALID_AUTHORIZATION: &str = "28000";
    pub const FENCED: &str = "57P01";
    pub const QUERY_CANCELED: &str = "57014";
}

/// How a caller acts on an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// the statement is at fault; the session goes on
    Statement,
    /// the store could not be reached or refused
    Store,
    /// the key service could not be reached, refused, or holds another key
    Key,
    /// stored bytes are damaged or belong to somebody else
    Integrity,
    /// another writer took the namespace over
    Fenced,
    /// the namespace does not exist
    NoNamespace,
    /// the call itself is wrong (URI, flags)
    Usage,
}

/// An error with its SQLSTATE.
#[derive(Clone, Debug)]
pub struct Error {
    /// how to act
    pub kind: ErrorKind,
    /// five characters
    pub sqlstate: &'static str,
    /// one sentence: what was tried, on what
    pub message: String,
    /// more of the facts
    pub detail: Option<String>,
    /// what to do next
    pub hint: Option<String>,
    /// line and column in the statement's script, both from 1
    pub at: Option<(u64, u64)>,
}

impl Error {
    /// An error of that kind.
    pub fn new(kind: ErrorKind, sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { kind, sqlstate, message: message.into(), detail: None, hint: None, at: None }
    }

    /// The statement is at fault.
    pub fn statement(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Statement, sqlstate, message)
    }

    /// Stored bytes are not what the chain says.
    pub fn integrity(object: impl fmt::Display, what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Integrity, sqlstate::DATA_CORRUPTED, format!("object {object} is damaged: {what}"))
            .with_hint(
                "nothing was served from it; run `firn verify` on the namespace and restore the object from a backup",
            )
    }

    /// A state the engine excludes was met; the statement is refused rather than answered wrongly.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Statement, sqlstate::INTERNAL_ERROR, message)
    }

    /// SQL that is not supported, and what to do instead.
    pub fn unsupported(what: impl fmt::Display, instead: impl fmt::Display) -> Self {
        Self::statement(sqlstate::FEATURE_NOT_SUPPORTED, format!("{what} is not supported"))
            .with_hint(instead.to_string())
    }

    /// Another writer holds the namespace now.
    pub fn fenced(by_epoch: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::Fenced,
            sqlstate::FENCED,
            format!("this writer was fenced: another writer took the namespace over with epoch {by_epoch}"),
        )
        .with_hint(
            "everything acknowledged is kept; open the namespace again to write (that fences the other writer in turn)",
        )
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds facts.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the place in the script.
    #[must_use]
    pub fn at(mut self, line: u64, column: u64) -> Self {
        self.at = Some((line, column));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        write!(f, " [SQLSTATE {}]", self.sqlstate)
    }
}

impl std::error::Error for Error {}

impl From<StoreError> for Error {
    fn from(e: StoreError) -> Self {
        let state = match e.kind {
            StoreErrorKind::Denied => sqlstate::INSUFFICIENT_PRIVILEGE,
            StoreErrorKind::Unreachable => sqlstate::CONNECTION_FAILURE,
            StoreErrorKind::Full => sqlstate::DISK_FULL,
            StoreErrorKind::Refused => sqlstate::FEATURE_NOT_SUPPORTED,
            StoreErrorKind::NotFound | StoreErrorKind::Short => sqlstate::DATA_CORRUPTED,
            StoreErrorKind::Other => sqlstate::IO_ERROR,
        };
        // an object that the chain names and the store does not have, or has in part, is damage, not an outage
        let damage = matches!(e.kind, StoreErrorKind::NotFound | StoreErrorKind::Short);
        let kind = if damage { ErrorKind::Integrity } else { ErrorKind::Store };
        Self::new(kind, state, e.to_string())
    }
}

impl From<SegmentError> for Error {
    fn from(e: SegmentError) -> Self {
        match (e.kind, e.store) {
            (SegmentErrorKind::Store, Some(store)) => (*store).into(),
            (SegmentErrorKind::Store, None) => Self::new(ErrorKind::Store, sqlstate::IO_ERROR, e.what),
            (SegmentErrorKind::Integrity, _) => Self::new(
                ErrorKind::Integrity,
                sqlstate::DATA_CORRUPTED,
                format!("object {} is damaged: {}", e.object, e.what),
            )
            .with_hint(e.hint),
            (SegmentErrorKind::Key, _) => {
                Self::new(ErrorKind::Key, sqlstate::INVALID_AUTHORIZATION, format!("{}: {}", e.object, e.what))
                    .with_hint(e.hint)
            }
            (SegmentErrorKind::Unsupported, _) => {
                Self::new(ErrorKind::Integrity, sqlstate::FEATURE_NOT_SUPPORTED, format!("{}: {}", e.object, e.what))
                    .with_hint(e.hint)
            }
            (SegmentErrorKind::TooLarge, _) => {
                Self::statement(sqlstate::PROGRAM_LIMIT_EXCEEDED, format!("{}: {}", e.object, e.what)).with_hint(e.hint)
            }
            (SegmentErrorKind::Input, _) => Self::internal(format!("{}: {}", e.object, e.what)),
        }
    }
}

impl From<ManifestError> for Error {
    fn from(e: ManifestError) -> Self {
        match e {
            ManifestError::Store(store) => store.into(),
            ManifestError::Uri { .. } => Self::new(ErrorKind::Usage, sqlstate::INVALID_PARAMETER_VALUE, e.to_string()),
            ManifestError::NoNamespace { .. } => {
                Self::new(ErrorKind::NoNamespace, sqlstate::INVALID_CATALOG_NAME, e.to_string())
            }
            ManifestError::Key { kind, .. } => {
                let state =
                    if kind.transient() { sqlstate::CONNECTION_FAILURE } else { sqlstate::INVALID_AUTHORIZATION };
                Self::new(ErrorKind::Key, state, e.to_string())
            }
            ManifestError::Integrity { .. } => {
                Self::new(ErrorKind::Integrity, sqlstate::DATA_CORRUPTED, e.to_string())
                    .with_hint("nothing was served from it; run `firn verify` on the namespace and restore the object from a backup")
            }
            ManifestError::Invalid { .. } | ManifestError::Superseded { .. } => Self::internal(e.to_string()),
            ManifestError::Fenced { by_epoch } => Self::fenced(by_epoch),
            ManifestError::Unresolved { .. } => {
                Self::new(ErrorKind::Store, sqlstate::STATEMENT_COMPLETION_UNKNOWN, e.to_string())
            }
        }
    }
}
