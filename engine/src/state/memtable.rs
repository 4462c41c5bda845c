//! The memtable of one table: rows that no file holds yet, in the chunks their commits brought.
//!
//! Promises: chunks are only appended; a row's end, once set, never changes. So a snapshot at any position up to the
//! newest reads the memtable without a lock held over the read. While a flush puts its rows into files they are frozen:
//! they are found at the same places, and new rows stand after them.
//! Never: a row is removed or moved; a memtable whose rows stand in files is replaced by what came after them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use firn_manifest::canary;
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
        self.begin <= at && self.end(row).is_none_or(|end| at < end || (at == end && canary!(EndOffByOne)))
    }

    /// How many rows are visible at `at`.
    #[must_use]
    pub fn rows_at(&self, at: Position) -> usize {
        match self.ends.get() {
            _ if self.begin > at => 0,
            None => self.batch.num_rows(),
            Some(ends) => ends.iter().filter(|end| at.0 < end.load(Ordering::Acquire)).count(),
        }
    }

    fn set_end(&self, row: usize, end: Position) {
        let ends = self.ends.get_or_init(|| (0..self.batch.num_rows()).map(|_| AtomicU64::new(OPEN)).collect());
        if let Some(slot) = ends.get(row) {
            slot.store(end.0, Ordering::Release);
        }
    }
}

/// Where a row stands in a memtable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemLoc {
    /// the chunk's ordinal
    pub chunk: u32,
    /// the row in it
    pub row: u32,
}

/// The memtable of one table: the rows that are being written to files, and those that came since.
#[derive(Debug, Default)]
pub struct MemTable {
    /// rows that a flush is putting into files; nothing is appended to them
    frozen: Option<Arc<Layer>>,
    layer: Arc<Layer>,
}

/// Rows of one time between two flushes.
#[derive(Debug, Default)]
struct Layer {
    chunks: RwLock<Vec<Arc<Chunk>>>,
    index: RwLock<Index>,
    /// every version by key, in key order; there once a range of keys was asked for
    ordered: RwLock<Option<BTreeMap<Key, Vec<MemLoc>>>>,
    /// the schema of the first chunk; chunks that have an equal one share it
    schema: OnceLock<SchemaRef>,
    bytes: AtomicUsize,
}

/// Where the versions of each key stand.
#[derive(Debug, Default)]
struct Index {
    newest: HashMap<Key, MemLoc, ahash::RandomState>,
    /// the version before a version, for keys that have several here
    older: HashMap<MemLoc, MemLoc, ahash::RandomState>,
    /// no key here is above it
    highest: Key,
}

/// Bytes that a chunk takes beside its rows.
const CHUNK_BYTES: usize = 256;
/// Bytes that a column of a chunk takes beside its values: arrays, buffers, what the allocator rounds up.
const CHUNK_COLUMN_BYTES: usize = 256;

/// Bytes of a batch's own rows: slices of one batch share its buffers, which count once.
fn resident_bytes(batch: &RecordBatch) -> usize {
    let of = |array: &ArrayRef| array.to_data().get_slice_memory_size().unwrap_or(array.get_array_memory_size());
    let values: usize = batch.columns().iter().map(of).sum();
    CHUNK_BYTES + batch.num_columns() * CHUNK_COLUMN_BYTES + values
}

impl Layer {
    fn append(&self, begin: Position, batch: RecordBatch, operations: Vec<RowOp>, keys: Vec<Key>) {
        let size = resident_bytes(&batch) + keys.iter().map(|k| k.len() + 48).sum::<usize>();
        self.bytes.fetch_add(size, Ordering::Relaxed);
        let schema = self.schema.get_or_init(|| batch.schema());
        let batch = match batch.clone().with_schema(schema.clone()) {
            Ok(alike) if *schema == batch.schema() => alike,
            _ => batch,
        };
        let mut chunks = self.chunks.write();
        let chunk = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        chunks.push(Arc::new(Chunk { begin, batch, operations, ends: OnceLock::new() }));
        if let Some(ordered) = self.ordered.write().as_mut() {
            for (row, key) in (0u32..).zip(&keys) {
                ordered.entry(key.clone()).or_default().push(MemLoc { chunk, row });
            }
        }
        let mut index = self.index.write();
        if let Some(most) = keys.iter().max()
            && *most > index.highest
        {
            index.highest.clone_from(most);
        }
        index.newest.reserve(keys.len());
        for (row, key) in keys.into_iter().enumerate() {
            let loc = MemLoc { chunk, row: u32::try_from(row).unwrap_or(u32::MAX) };
            if let Some(before) = index.newest.insert(key, loc) {
                index.older.insert(loc, before);
            }
        }
    }

    /// As [`MemTable::version_at`].
    fn version_at(&self, key: &[u8], at: Position) -> Option<Option<(MemLoc, Arc<Chunk>)>> {
        let chunks = self.chunks.read();
        let index = self.index.read();
        let mut loc = *index.newest.get(key)?;
        loop {
            let chunk = chunks.get(loc.chunk as usize)?;
            if chunk.begin <= at {
                return Some(chunk.sees(loc.row as usize, at).then(|| (loc, chunk.clone())));
            }
            loc = *index.older.get(&loc)?;
        }
    }

    /// As [`MemTable::between`].
    fn between<E>(
        &self,
        ranges: &[(Key, Key)],
        keys_of: impl Fn(&RecordBatch) -> Result<Vec<Key>, E>,
    ) -> Result<BTreeMap<u32, Vec<u32>>, E> {
        let chunks = self.chunks.read();
        if self.ordered.read().is_none() {
            let mut all: BTreeMap<Key, Vec<MemLoc>> = BTreeMap::new();
            for (chunk, rows) in (0u32..).zip(chunks.iter()) {
                for (row, key) in (0u32..).zip(keys_of(&rows.batch)?) {
                    all.entry(key).or_default().push(MemLoc { chunk, row });
                }
            }
            *self.ordered.write() = Some(all);
        }
        let mut found: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let ordered = self.ordered.read();
        for (low, high) in ranges.iter().filter(|(low, high)| low < high) {
            let inside = ordered.iter().flat_map(|all| all.range(low.clone()..high.clone()));
            for loc in inside.flat_map(|(_, locs)| locs) {
                found.entry(loc.chunk).or_default().push(loc.row);
            }
        }
        drop((ordered, chunks));
        for rows in found.values_mut() {
            rows.sort_unstable();
            rows.dedup();
        }
        Ok(found)
    }

    /// Appends all of a layer that came after this one.
    fn extend(&self, later: &Layer) {
        let first = self.len();
        self.chunks.write().extend(later.chunks.read().iter().cloned());
        let (mut all, own) = (self.index.write(), later.index.read());
        let moved = |loc: &MemLoc| MemLoc { chunk: first + loc.chunk, row: loc.row };
        all.older.extend(own.older.iter().map(|(loc, before)| (moved(loc), moved(before))));
        for (key, loc) in &own.newest {
            if let Some(before) = all.newest.insert(key.clone(), moved(loc)) {
                let mut oldest = loc;
                while let Some(before) = own.older.get(oldest) {
                    oldest = before;
                }
                all.older.insert(moved(oldest), before);
            }
        }
        if own.highest > all.highest {
            all.highest.clone_from(&own.highest);
        }
        self.bytes.fetch_add(later.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn len(&self) -> u32 {
        u32::try_from(self.chunks.read().len()).unwrap_or(u32::MAX)
    }
}

impl MemTable {
    /// Appends the rows of the commit at `begin`; `keys` are theirs, in order.
    pub fn append(&self, begin: Position, batch: RecordBatch, operations: Vec<RowOp>, keys: Vec<Key>) {
        self.layer.append(begin, batch, operations, keys);
    }

    /// The same rows, those here by now frozen: what is appended from now on stands apart from them. Rows that are
    /// frozen already stay it.
    #[must_use]
    pub fn freeze(&self) -> Self {
        let frozen = self.thaw().layer;
        Self { frozen: Some(frozen), layer: Arc::default() }
    }

    /// The same rows with none of them frozen, at the same places.
    #[must_use]
    pub fn thaw(&self) -> Self {
        let Some(frozen) = &self.frozen else { return Self { frozen: None, layer: self.layer.clone() } };
        if self.layer.chunks.read().is_empty() {
            return Self { frozen: None, layer: frozen.clone() };
        }
        let whole = Layer::default();
        whole.extend(frozen);
        whole.extend(&self.layer);
        Self { frozen: None, layer: Arc::new(whole) }
    }

    /// What came after the frozen rows, which files hold by now.
    #[must_use]
    pub fn without_frozen(&self) -> Self {
        Self { frozen: None, layer: self.layer.clone() }
    }

    /// The layer a chunk stands in, and its place there.
    fn place(&self, chunk: u32) -> (&Layer, u32) {
        match &self.frozen {
            Some(frozen) => {
                let first = frozen.len();
                if chunk < first { (frozen, chunk) } else { (&self.layer, chunk - first) }
            }
            None => (&self.layer, chunk),
        }
    }

    /// Ends a row at `end`.
    pub fn end_row(&self, loc: MemLoc, end: Position) {
        let (layer, chunk) = self.place(loc.chunk);
        if let Some(chunk) = layer.chunks.read().get(chunk as usize) {
            chunk.set_end(loc.row as usize, end);
        }
    }

    /// The newest version of a key here, ended or not.
    #[must_use]
    pub fn newest(&self, key: &Key) -> Option<MemLoc> {
        let found = self.layer.index.read().newest.get(key).copied();
        let Some(frozen) = &self.frozen else { return found };
        match found {
            Some(loc) => Some(MemLoc { chunk: frozen.len() + loc.chunk, row: loc.row }),
            None => frozen.index.read().newest.get(key).copied(),
        }
    }

    /// Whether every key here is below `key`.
    #[must_use]
    pub fn is_below(&self, key: &Key) -> bool {
        let below = |layer: &Layer| layer.chunks.read().is_empty() || layer.index.read().highest < *key;
        below(&self.layer) && self.frozen.as_deref().is_none_or(below)
    }

    /// What it knows of a key at `at`: `None` when no version here began by then, so that the files must be asked; else
    /// the version that is visible, or `Some(None)` when the newest of that time had ended.
    #[must_use]
    pub fn version_at(&self, key: &[u8], at: Position) -> Option<Option<(MemLoc, Arc<Chunk>)>> {
        let first = self.frozen.as_deref().map_or(0, Layer::len);
        let placed = |(loc, chunk): (MemLoc, _)| (MemLoc { chunk: first + loc.chunk, row: loc.row }, chunk);
        let fresh = self.layer.version_at(key, at).map(|found| found.map(placed));
        fresh.or_else(|| self.frozen.as_ref()?.version_at(key, at))
    }

    /// Every version, ended or not, whose key lies in one of the ranges `low <= key < high`, by chunk. `keys_of` gives
    /// the keys of a chunk's rows.
    ///
    /// # Errors
    /// What `keys_of` says.
    pub fn between<E>(
        &self,
        ranges: &[(Key, Key)],
        keys_of: impl Fn(&RecordBatch) -> Result<Vec<Key>, E>,
    ) -> Result<BTreeMap<u32, Vec<u32>>, E> {
        let fresh = self.layer.between(ranges, &keys_of)?;
        let Some(frozen) = &self.frozen else { return Ok(fresh) };
        let (first, mut found) = (frozen.len(), frozen.between(ranges, &keys_of)?);
        found.extend(fresh.into_iter().map(|(chunk, rows)| (first + chunk, rows)));
        Ok(found)
    }

    /// The chunk of that ordinal.
    #[must_use]
    pub fn chunk(&self, ordinal: u32) -> Option<Arc<Chunk>> {
        let (layer, chunk) = self.place(ordinal);
        layer.chunks.read().get(chunk as usize).cloned()
    }

    /// The chunks that began at or before `at`, in order.
    #[must_use]
    pub fn chunks(&self, at: Position) -> Vec<Arc<Chunk>> {
        let mut seen = Vec::new();
        for layer in self.frozen.iter().chain([&self.layer]) {
            seen.extend(layer.chunks.read().iter().take_while(|c| c.begin <= at).cloned());
        }
        seen
    }

    /// Resident bytes, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.frozen.iter().chain([&self.layer]).map(|layer| layer.bytes.load(Ordering::Relaxed)).sum()
    }

    /// Whether it holds no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frozen.iter().chain([&self.layer]).all(|layer| layer.chunks.read().is_empty())
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
        let beside = 1000 * (CHUNK_BYTES + CHUNK_COLUMN_BYTES);
        assert!(table.bytes() > beside + 8 * 1000, "{} bytes", table.bytes());
        assert!(table.bytes() < beside + 100 * 1000, "1000 rows of 8 bytes count {} bytes", table.bytes());
    }

    fn append(table: &MemTable, begin: u64, ids: std::ops::Range<i64>) {
        let keys: Vec<Key> = ids.clone().map(|id| id.to_be_bytes().into()).collect();
        let rows: ArrayRef = Arc::new(Int64Array::from_iter_values(ids));
        let batch = RecordBatch::try_from_iter([("id", rows)]).unwrap();
        let operations = vec![RowOp::Insert; keys.len()];
        table.append(Position(begin), batch, operations, keys);
    }

    /// Frozen, thawed, in runs or loose: a key's newest version is found, at the place its chunk has.
    #[test]
    fn the_newest_version_is_found_in_every_shape() {
        let key = |id: i64| Key::from(id.to_be_bytes());
        let begin_of = |table: &MemTable, id: i64| {
            let loc = table.newest(&key(id))?;
            let chunk = table.chunk(loc.chunk).unwrap();
            let ids = chunk.batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
            assert_eq!(ids.value(loc.row as usize), id);
            Some(chunk.begin.0)
        };
        let table = MemTable::default();
        append(&table, 1, 0..2000);
        append(&table, 2, 10..11);
        append(&table, 3, 5000..7000);
        append(&table, 4, 1500..2600);
        append(&table, 5, 5100..5102);
        let frozen = table.freeze();
        append(&frozen, 6, 11..12);
        append(&frozen, 7, 1600..2700);
        let rest = frozen.without_frozen();
        let thawed = frozen.thaw();
        append(&thawed, 8, 12..13);
        for (id, old, both, new) in [
            (9, Some(1), Some(1), None),
            (10, Some(2), Some(2), None),
            (11, Some(1), Some(6), Some(6)),
            (1550, Some(4), Some(4), None),
            (1650, Some(4), Some(7), Some(7)),
            (5100, Some(5), Some(5), None),
            (5102, Some(3), Some(3), None),
            (2699, None, Some(7), Some(7)),
            (9000, None, None, None),
        ] {
            assert_eq!(begin_of(&table, id), old, "{id} before");
            assert_eq!(begin_of(&frozen, id), both, "{id} frozen");
            assert_eq!(begin_of(&thawed, id), both, "{id} thawed");
            assert_eq!(begin_of(&rest, id), new, "{id} after the flush");
        }
        assert_eq!(begin_of(&thawed, 12), Some(8));
        assert!(!frozen.is_below(&key(6999)) && frozen.is_below(&key(7000)) && rest.is_below(&key(6000)));
        assert_eq!(frozen.chunks(Position(5)).len(), 5);
        assert_eq!(frozen.chunks(Position(6)).len(), 6);
        assert_eq!(rest.chunks(Position(u64::MAX)).len(), 2);
        let loc = frozen.newest(&key(10)).unwrap();
        frozen.end_row(loc, Position(9));
        assert!(table.chunk(loc.chunk).unwrap().end(0) == Some(Position(9)), "one row under every view");
    }
}
