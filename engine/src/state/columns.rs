//! Decoded columns of whole row groups that scans have read: one bounded cache for all namespaces of the process.
//!
//! Promises: an entry is named by what cannot change (a file's number, a row group, a column with its type), so it is
//! never stale; a namespace that is opened sees what it read itself and nothing else (I8), also when the same files are
//! open twice; the cache never holds more than its bound, and what a namespace put there leaves with it.
//! Never: a scan of more than half the bound comes here: it would push out everything, itself included.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayData, ArrayRef};
use firn_segment::sst::ReadColumn;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use ulid::Ulid;

/// Bytes of columns that the process keeps.
pub const CACHE_BYTES: u64 = 256 << 20;
/// What an entry costs beside its values.
const ENTRY_BYTES: u64 = 256;
/// Bytes of one column of a usual row group, from which the number of entries to prepare for is guessed.
const USUAL_BYTES: u64 = 512 << 10;

/// Rows of a row group, read in batches of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupKey {
    /// the file
    pub file: Ulid,
    /// the row group
    pub row_group: usize,
    /// rows a batch, before the rows that are not seen are dropped
    pub batch_size: usize,
    /// the BLAKE3 of a bit for each row, set when it is seen; `None` when all are
    pub rows: Option<[u8; 32]>,
}

/// One of its columns, as one opened namespace read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ColumnKey {
    owner: Owner,
    group: GroupKey,
    column: ReadColumn,
}

/// The arrays of a row group's column, batch after batch.
#[derive(Clone)]
struct Batches {
    arrays: Arc<[ArrayRef]>,
    bytes: u64,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<ColumnKey, Batches> for ByBytes {
    fn weight(&self, _: &ColumnKey, batches: &Batches) -> u64 {
        batches.bytes + ENTRY_BYTES
    }
}

static CACHE: LazyLock<Cache<ColumnKey, Batches, ByBytes>> = LazyLock::new(|| {
    let entries = usize::try_from(CACHE_BYTES / USUAL_BYTES).unwrap_or(usize::MAX);
    Cache::with_weighter(entries, CACHE_BYTES, ByBytes)
});
static OWNERS: AtomicU64 = AtomicU64::new(0);

/// One opened namespace, of all that the process ever opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner(u64);

/// One opened namespace's part of the cache.
#[derive(Debug)]
pub struct Columns(Owner);

impl Default for Columns {
    fn default() -> Self {
        Self(Owner(OWNERS.fetch_add(1, Ordering::Relaxed)))
    }
}

impl Drop for Columns {
    fn drop(&mut self) {
        CACHE.retain(|key, _| key.owner != self.0);
    }
}

impl Columns {
    /// Whose part it is.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.0
    }

    /// The column's arrays, in SQL type, batch after batch.
    #[must_use]
    pub fn get(&self, group: GroupKey, column: ReadColumn) -> Option<Arc<[ArrayRef]>> {
        CACHE.get(&ColumnKey { owner: self.0, group, column }).map(|found| found.arrays)
    }

    /// Keeps them.
    pub fn put(&self, group: GroupKey, column: ReadColumn, arrays: Vec<ArrayRef>) {
        let bytes = resident_bytes(&arrays);
        CACHE.insert(ColumnKey { owner: self.0, group, column }, Batches { arrays: arrays.into(), bytes });
    }
}

/// Bytes that arrays keep alive: arrays of one row group share buffers, which count once.
fn resident_bytes(arrays: &[ArrayRef]) -> u64 {
    fn add(data: &ArrayData, buffers: &mut BTreeMap<usize, usize>) {
        let nulls = data.nulls().map(|nulls| nulls.buffer());
        for buffer in data.buffers().iter().chain(nulls) {
            buffers.insert(buffer.data_ptr().as_ptr() as usize, buffer.capacity());
        }
        data.child_data().iter().for_each(|child| add(child, buffers));
    }
    let mut buffers = BTreeMap::new();
    arrays.iter().for_each(|array| add(&array.to_data(), &mut buffers));
    buffers.values().sum::<usize>() as u64 + arrays.len() as u64 * ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, ArrayRef, Int64Array};
    use firn_segment::sst::ReadColumn;
    use ulid::Ulid;

    use super::{CACHE, CACHE_BYTES, Columns, ENTRY_BYTES, GroupKey, resident_bytes};

    fn values(rows: i64) -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(0..rows))
    }

    #[test]
    fn it_is_bounded_and_a_namespace_sees_its_own_and_takes_it_along() {
        let (one, other) = (Columns::default(), Columns::default());
        let group = |row_group| GroupKey { file: Ulid::from_parts(1, 1), row_group, batch_size: 8192, rows: None };
        one.put(group(0), ReadColumn::Begin, vec![values(10)]);
        assert_eq!(one.get(group(0), ReadColumn::Begin).map(|arrays| arrays.len()), Some(1));
        assert!(one.get(group(1), ReadColumn::Begin).is_none());
        assert!(one.get(GroupKey { batch_size: 1024, ..group(0) }, ReadColumn::Begin).is_none());
        assert!(one.get(GroupKey { rows: Some([7; 32]), ..group(0) }, ReadColumn::Begin).is_none());
        assert!(one.get(group(0), ReadColumn::Op).is_none());
        assert!(other.get(group(0), ReadColumn::Begin).is_none());

        for row_group in 0..500 {
            one.put(group(row_group), ReadColumn::Begin, vec![values(100_000)]);
        }
        assert!(CACHE.weight() <= CACHE_BYTES);
        assert!((0..500).any(|row_group| one.get(group(row_group), ReadColumn::Begin).is_some()));

        let owner = one.0;
        drop(one);
        assert!(CACHE.iter().all(|(key, _)| key.owner != owner));
    }

    #[test]
    fn shared_buffers_count_once() {
        let whole = values(10_000);
        let slices = vec![whole.slice(0, 5_000), whole.slice(5_000, 5_000)];
        let bytes = resident_bytes(&slices);
        assert!((80_000..90_000).contains(&(bytes - 2 * ENTRY_BYTES)), "{bytes}");
    }
}
