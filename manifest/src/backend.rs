//! What a store must be able to do: the seam between FirnDB and any place that holds bytes.
//!
//! Promises: five operations, one object each (I1: create, never overwrite); full keys in, sorted keys out.
//! Never: a view, a count or a policy; those are [`crate::store::Store`]'s.

use std::fmt::Debug;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::StoreError;

/// Which bytes of an object to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GetRange {
    /// all of them
    All,
    /// from the first number to before the second, bytes
    Bounded(Range<u64>),
    /// the last so many bytes, or all if there are fewer
    Suffix(u64),
}

/// What a conditional PUT did, if it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// the object did not exist and does now, with our bytes
    Created,
    /// there is an object of that name; it says nothing about whose (a lost reply looks the same)
    Exists,
}

/// One key of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// the object's key
    pub key: String,
    /// stored bytes
    pub size: u64,
}

/// What a store must be able to do. Keys are full keys: `/` between parts, no empty part, none that begins with a dot.
#[async_trait]
pub trait Backend: Send + Sync + Debug {
    /// Reads an object or a range of it. May try more than once.
    async fn get(&self, key: &str, range: GetRange) -> Result<Bytes, StoreError>;

    /// Creates an object, durably, if there is none of that name: exactly one attempt. An error says nothing about
    /// whether it took effect.
    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<PutOutcome, StoreError>;

    /// The objects whose keys begin with `prefix` and come after `after`, sorted by key, at most `limit`.
    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Vec<ObjectInfo>, StoreError>;

    /// Deletes an object; one that is not there is no error.
    async fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// Which store this is, for messages; no secrets.
    fn describe(&self) -> String;
}

/// The bytes of `range` in an object of `size` bytes, or `None` if it begins beyond the end.
pub(crate) fn clamp(range: &GetRange, size: u64) -> Option<Range<u64>> {
    match range {
        GetRange::All => Some(0..size),
        GetRange::Bounded(r) if r.start >= size || r.start > r.end => None,
        GetRange::Bounded(r) => Some(r.start..r.end.min(size)),
        GetRange::Suffix(n) => Some(size.saturating_sub(*n)..size),
    }
}
