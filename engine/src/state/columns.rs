//! Decoded columns of whole row groups that scans have read: one bounded cache for all namespaces of the process.
//!
//! Promises: an entry is named by what cannot change (a file's number, a row group, a column with its type), so it is
//! never stale; a namespace that is opened sees what it read itself and nothing else (I8), also when the same files are
//! open twice; the cache never holds more than its bound, and what a namespace put there leaves with it.
//! A scan whose columns take more than three quarters of the bound keeps those of some row groups, the same ones each
//! time; all of them would push out everything, themselves included.

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
/// Bytes that one scan keeps at the most.
const SCAN_BYTES: u64 = CACHE_BYTES / 4 * 3;
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

/// Which row groups a scan keeps: all when there is room for its columns, else as many as there is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u64);

impl Share {
    /// Of a scan whose columns take so many bytes, decoded.
    #[must_use]
    pub fn of(scan_bytes: u64) -> Self {
        let part = u128::from(SCAN_BYTES) << 32;
        Self(u64::try_from(part / u128::from(scan_bytes.max(1))).unwrap_or(u64::MAX).min(1 << 32))
    }

    /// Whether it keeps this one; no list is needed, and a later scan of the same files comes to the same answer.
    #[must_use]
    pub fn keeps(self, file: Ulid, row_group: usize) -> bool {
        // Fibonacci hashing: row groups in a row are spread evenly over the 32 bits
        let place = (file.0 as u64).wrapping_add(row_group as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        place < self.0
    }
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

    use super::{CACHE, CACHE_BYTES, Columns, ENTRY_BYTES, GroupKey, SCAN_BYTES, Share, resident_bytes};

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
    fn a_large_scan_keeps_as_many_row_groups_as_fit() {
        let kept = |share: Share| {
            let files = (1..=10).map(|file| Ulid::from_parts(file, u128::from(file) << 3 | 7));
            files.flat_map(|file| (0..100).map(move |group| (file, group))).filter(|(f, g)| share.keeps(*f, *g)).count()
        };
        assert_eq!(kept(Share::of(0)), 1_000);
        assert_eq!(kept(Share::of(SCAN_BYTES)), 1_000);
        assert!((450..550).contains(&kept(Share::of(SCAN_BYTES * 2))), "{}", kept(Share::of(SCAN_BYTES * 2)));
        assert!((80..120).contains(&kept(Share::of(SCAN_BYTES * 10))), "{}", kept(Share::of(SCAN_BYTES * 10)));
        assert_eq!(kept(Share::of(u64::MAX)), 0);
    }

    #[test]
    fn shared_buffers_count_once() {
        let whole = values(10_000);
        let slices = vec![whole.slice(0, 5_000), whole.slice(5_000, 5_000)];
        let bytes = resident_bytes(&slices);
        assert!((80_000..90_000).contains(&(bytes - 2 * ENTRY_BYTES)), "{bytes}");
    }
}
