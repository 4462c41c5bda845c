//! Decoded pages that point reads have read: one bounded cache for all namespaces of the process.
//!
//! Promises: an entry is named by what cannot change (a file's number, a page's first row, a column with its type), so
//! it is never stale; a namespace that is opened sees what it read itself and nothing else (I8); the cache never holds
//! more than its bound, and what a namespace put there leaves with it.
//! Never: a scan's pages push out those of point reads; what scans read is kept apart ([`Columns`]).

use std::sync::LazyLock;

use arrow::array::{Array, ArrayRef};
use firn_segment::sst::ReadColumn;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use ulid::Ulid;

use super::columns::{Columns, Owner};

/// Bytes of pages that the process keeps.
pub const CACHE_BYTES: u64 = 256 << 20;
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

impl Weighter<(Owner, PageKey), ArrayRef> for ByBytes {
    fn weight(&self, _: &(Owner, PageKey), values: &ArrayRef) -> u64 {
        values.get_array_memory_size() as u64 + ENTRY_BYTES
    }
}

static CACHE: LazyLock<Cache<(Owner, PageKey), ArrayRef, ByBytes>> = LazyLock::new(|| {
    let entries = usize::try_from(CACHE_BYTES / USUAL_BYTES).unwrap_or(usize::MAX);
    Cache::with_weighter(entries, CACHE_BYTES, ByBytes)
});

/// One opened namespace's part of the cache.
#[derive(Debug, Default)]
pub struct Pages {
    /// what scans have read
    pub columns: Columns,
}

impl Drop for Pages {
    fn drop(&mut self) {
        CACHE.retain(|(owner, _), _| *owner != self.columns.owner());
    }
}

impl Pages {
    /// The values of a page's column, in SQL type.
    #[must_use]
    pub fn get(&self, key: PageKey) -> Option<ArrayRef> {
        CACHE.get(&(self.columns.owner(), key))
    }

    /// Keeps them.
    pub fn put(&self, key: PageKey, values: ArrayRef) {
        CACHE.insert((self.columns.owner(), key), values);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, ArrayRef, Int64Array};
    use firn_segment::sst::ReadColumn;
    use ulid::Ulid;

    use super::{CACHE, PageKey, Pages};

    #[test]
    fn a_namespace_sees_its_own_pages_and_takes_them_along() {
        let (one, other) = (Pages::default(), Pages::default());
        let key = PageKey { file: Ulid::from_parts(3, 3), first_row: 0, column: ReadColumn::Begin };
        let values: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        one.put(key, values);
        assert_eq!(one.get(key).map(|values| values.len()), Some(3));
        assert!(one.get(PageKey { first_row: 1, ..key }).is_none());
        assert!(other.get(key).is_none());
        let owner = one.columns.owner();
        drop(one);
        assert!(CACHE.iter().all(|((holder, _), _)| holder != owner));
    }
}
