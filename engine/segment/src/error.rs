//! The crate's one error.
//!
//! Promises: a message says which object, what is wrong with it and what to do next; the kind says what a caller does.
//! Never: key material, or a value of a row, in a message about damaged bytes.

use std::fmt;

use firn_manifest::StoreError;

/// What a caller decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SegmentErrorKind {
    /// stored bytes are not what they must be; nothing may be served from them
    Integrity,
    /// the ring has no such key
    Key,
    /// a read from the store failed; the store's error is the source
    Store,
    /// the bytes were written by a newer build
    Unsupported,
    /// more than the format carries
    TooLarge,
    /// the caller's data does not fit what it said of them; nothing was written
    Input,
}

/// Everything this crate reports.
#[derive(Clone, Debug)]
pub struct SegmentError {
    /// what a caller decides on
    pub kind: SegmentErrorKind,
    /// the object's key inside the namespace, or what stands for it before it has one
    pub object: String,
    /// what is wrong
    pub what: String,
    /// what to do next
    pub hint: &'static str,
    /// the store's error, for [`SegmentErrorKind::Store`]
    pub store: Option<Box<StoreError>>,
}

impl SegmentError {
    fn new(kind: SegmentErrorKind, object: &str, what: impl fmt::Display, hint: &'static str) -> Self {
        Self { kind, object: object.to_owned(), what: what.to_string(), hint, store: None }
    }

    /// Stored bytes are not what they must be.
    pub fn integrity(object: &str, what: impl fmt::Display) -> Self {
        Self::new(
            SegmentErrorKind::Integrity,
            object,
            what,
            "nothing is served from it: run `firn verify`, then restore the object from a backup",
        )
    }

    /// The key ring does not hold the key an object names.
    pub fn key(object: &str, what: impl fmt::Display) -> Self {
        Self::new(SegmentErrorKind::Key, object, what, "reopen the namespace to read its newest keys")
    }

    /// The bytes are of a version this build does not know.
    pub fn unsupported(object: &str, what: impl fmt::Display) -> Self {
        Self::new(
            SegmentErrorKind::Unsupported,
            object,
            what,
            "open it with the firn build that wrote it, or a newer one",
        )
    }

    /// More than the format carries.
    pub fn too_large(object: &str, what: impl fmt::Display) -> Self {
        Self::new(SegmentErrorKind::TooLarge, object, what, "write smaller rows, or fewer in one transaction")
    }

    /// What the caller handed in does not fit together.
    pub fn input(object: &str, what: impl fmt::Display) -> Self {
        Self::new(SegmentErrorKind::Input, object, what, "nothing was written; correct the data and try again")
    }

    /// A read from the store failed.
    #[must_use]
    pub fn store(object: &str, error: StoreError) -> Self {
        Self {
            kind: SegmentErrorKind::Store,
            object: object.to_owned(),
            what: error.to_string(),
            hint: "",
            store: Some(Box::new(error)),
        }
    }
}

impl fmt::Display for SegmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            SegmentErrorKind::Store => f.write_str(&self.what),
            SegmentErrorKind::Integrity => {
                write!(f, "integrity of {}: {}; {}", self.object, self.what, self.hint)
            }
            _ => write!(f, "{}: {}; {}", self.object, self.what, self.hint),
        }
    }
}

impl std::error::Error for SegmentError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.store.as_ref().map(|e| e.as_ref() as _)
    }
}
