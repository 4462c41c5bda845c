//! The memtable of one table: rows that no file holds yet, in the chunks their commits brought.
//!
//! Promises: chunks are only appended; a row's end, once set, never changes. So a snapshot at any position up to the
//! newest reads the memtable without a lock held over the read.
//! Never: a row is removed or moved; the whole memtable is replaced when a flush has put its rows into files.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, RecordBatch};
use firn_manifest::ids::Position;
use firn_segment::key::Key;
use firn_segment::record::RowOp;
use parking_lot::RwLock;

const OPEN: u64 = u64::MAX;

/// The rows one commit brought to one table.
#[derive(Debug)]
pub struct Chunk {
    /// the commit's position: every row's `_begin`
    pub begin: Position,
    /// the rows in storage schema
    pub batch: RecordBatch,
    /// how each row came
    pub operations: Vec<RowOp>,
    ends: OnceLock<Box<[AtomicU64]>>,
}

impl Chunk {
    /// The end of a row, if a commit up to now superseded it.
    #[must_use]
    pub fn end(&self, row: usize) -> Option<Position> {
        let end = self.ends.get()?.get(row)?.load(Ordering::Acquire);
        (end != OPEN).then_some(Position(end))
    }

    /// Whether no row of it has ended.
    #[must_use]
    pub fn all_open(&self) -> bool {
        self.ends.get().is_none()
    }

    /// Whether the row is visible at `at`.
    #[must_use]
    pub fn sees(&self, row: usize, at: Position) -> bool {
        self.begin <= at && self.end(row).is_none_or(|end| at < end)
    }

    fn set_end(&self, row: usize, end: Position) {
        let ends = self.ends.get_or_init(|| (0..self.batch.num_rows()).map(|_| AtomicU64::new(OPEN)).collect());
        if let Some(slot) = ends.get(row) {
            slot.store(end.0, Ordering::Release);
        }
    }
}

/// Where a row stands in a memtable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemLoc {
    /// the chunk's ordinal
    pub chunk: u32,
    /// the row in it
    pub row: u32,
}

/// The memtable of one table.
#[derive(Debug, Default)]
pub struct MemTable {
    chunks: RwLock<Vec<Arc<Chunk>>>,
    newest: RwLock<HashMap<Key, MemLoc>>,
    bytes: AtomicUsize,
}

/// Bytes of a batch's own rows: slices of one batch share its buffers, which count once.
fn resident_bytes(batch: &RecordBatch) -> usize {
    let of = |array: &ArrayRef| array.to_data().get_slice_memory_size().unwrap_or(array.get_array_memory_size());
    batch.columns().iter().map(of).sum()
}

impl MemTable {
    /// Appends the rows of the commit at `begin`; `keys` are theirs, in order.
    pub fn append(&self, begin: Position, batch: RecordBatch, operations: Vec<RowOp>, keys: Vec<Key>) {
        let size = resident_bytes(&batch) + keys.iter().map(|k| k.len() + 48).sum::<usize>();
        self.bytes.fetch_add(size, Ordering::Relaxed);
        let mut chunks = self.chunks.write();
        let chunk = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        chunks.push(Arc::new(Chunk { begin, batch, operations, ends: OnceLock::new() }));
        let mut newest = self.newest.write();
        for (row, key) in keys.into_iter().enumerate() {
            newest.insert(key, MemLoc { chunk, row: u32::try_from(row).unwrap_or(u32::MAX) });
        }
    }

    /// Ends a row at `end`.
    pub fn end_row(&self, loc: MemLoc, end: Position) {
        if let Some(chunk) = self.chunks.read().get(loc.chunk as usize) {
            chunk.set_end(loc.row as usize, end);
        }
    }

    /// The newest version of a key here, ended or not.
    #[must_use]
    pub fn newest(&self, key: &Key) -> Option<MemLoc> {
        self.newest.read().get(key).copied()
    }

    /// The chunk of that ordinal.
    #[must_use]
    pub fn chunk(&self, ordinal: u32) -> Option<Arc<Chunk>> {
        self.chunks.read().get(ordinal as usize).cloned()
    }

    /// The chunks that began at or before `at`, in order.
    #[must_use]
    pub fn chunks(&self, at: Position) -> Vec<Arc<Chunk>> {
        self.chunks.read().iter().take_while(|c| c.begin <= at).cloned().collect()
    }

    /// Resident bytes, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether it holds no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.read().is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::array::Int64Array;

    use super::*;

    /// Commits of one segment are slices of one batch: together they count as its rows, not once each as all of it.
    #[test]
    fn slices_count_their_own_rows() {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
        let batch = RecordBatch::try_from_iter([("id", ids)]).unwrap();
        let table = MemTable::default();
        for row in 0..1000 {
            table.append(Position(1 + row as u64), batch.slice(row, 1), vec![RowOp::Insert], vec![Key::default()]);
        }
        assert!(table.bytes() < 100 * 1000, "1000 rows of 8 bytes count {} bytes", table.bytes());
    }
}
