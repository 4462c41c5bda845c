//! Decoded pages that point reads have read: a bounded cache of one namespace.
//!
//! Promises: an entry is named by what cannot change (a file's number, a page's first row, a column with its type), so
//! it is never stale; the cache never holds more than its bound, and nothing of another namespace (I8).
//! Never: a scan's pages push out those of point reads; what scans read is kept apart ([`Columns`]).

use std::fmt;

use arrow::array::{Array, ArrayRef};
use firn_segment::sst::ReadColumn;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use ulid::Ulid;

use super::columns::Columns;

/// Bytes of pages a namespace keeps.
pub const CACHE_BYTES: u64 = 64 << 20;
/// What an entry costs beside its values.
const ENTRY_BYTES: u64 = 128;
/// Bytes of one column of a usual page, from which the number of entries to prepare for is guessed.
const USUAL_BYTES: u64 = 16 << 10;

/// One column of one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageKey {
    /// the file
    pub file: Ulid,
    /// the page's first row
    pub first_row: u32,
    /// the column
    pub column: ReadColumn,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<PageKey, ArrayRef> for ByBytes {
    fn weight(&self, _: &PageKey, values: &ArrayRef) -> u64 {
        values.get_array_memory_size() as u64 + ENTRY_BYTES
    }
}

/// The cache.
pub struct Pages {
    pages: Cache<PageKey, ArrayRef, ByBytes>,
    /// what scans have read
    pub columns: Columns,
}

impl Default for Pages {
    fn default() -> Self {
        let entries = usize::try_from(CACHE_BYTES / USUAL_BYTES).unwrap_or(usize::MAX);
        Self { pages: Cache::with_weighter(entries, CACHE_BYTES, ByBytes), columns: Columns::default() }
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("entries", &self.pages.len()).finish_non_exhaustive()
    }
}

impl Pages {
    /// The values of a page's column, in SQL type.
    #[must_use]
    pub fn get(&self, key: &PageKey) -> Option<ArrayRef> {
        self.pages.get(key)
    }

    /// Keeps them.
    pub fn put(&self, key: PageKey, values: ArrayRef) {
        self.pages.insert(key, values);
    }
}
