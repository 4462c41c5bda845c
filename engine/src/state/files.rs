//! The files of one table as an open namespace holds them: entry, reader (opened when first needed) and the ends of
//! their rows, those of the manifest's vectors and those that commits have set since.
//!
//! Promises: a file's bytes never change, so an opened reader serves every later statement; ends are only added.
//! Never: an end that a reader could already have seen as absent at its position is added below that position.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use firn_manifest::crypto::KeyRing;
use firn_manifest::ids::{ColumnId, Position};
use firn_manifest::model::{FileEntry, FileKind};
use firn_manifest::schema::ColumnType;
use firn_manifest::store::{GetRange, Store};
use firn_segment::key::Key;
use firn_segment::sst::{SstReader, StoreSource, parse_sst_name};
use firn_segment::vector::{DeletionVector, open_vector};
use parking_lot::{Mutex, RwLock};
use tokio::sync::OnceCell;
use ulid::Ulid;

use super::scan::Selected;
use crate::error::{Error, Result};

/// One SST of the state.
#[derive(Debug)]
pub struct SstFile {
    /// what the manifest says of it
    pub entry: FileEntry,
    /// its number
    pub ulid: Ulid,
    /// its lowest and highest key; a range that cannot be read prunes nothing
    range: Option<(Key, Key)>,
    reader: OnceCell<Arc<SstReader>>,
    stored: OnceCell<Arc<DeletionVector>>,
    live: RwLock<Ends>,
    /// the living rows of row groups, by their first row, as scans found them
    living: Mutex<BTreeMap<u32, (Dead, Arc<Selected>)>>,
}

/// Ends that commits have set since the last flush.
#[derive(Debug)]
struct Ends {
    rows: BTreeMap<u32, Position>,
    oldest: Position,
    newest: Position,
}

impl Default for Ends {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), oldest: Position(u64::MAX), newest: Position(0) }
    }
}

impl Ends {
    fn add(&mut self, row: u32, end: Position) {
        self.rows.entry(row).or_insert(end);
        self.oldest = self.oldest.min(end);
        self.newest = self.newest.max(end);
    }

    /// How many of them are at or before `at`.
    fn count(&self, at: Position) -> usize {
        self.all_or_none(at).unwrap_or_else(|| self.rows.values().filter(|end| **end <= at).count())
    }

    /// The same where it needs no counting.
    fn all_or_none(&self, at: Position) -> Option<usize> {
        if self.newest <= at {
            Some(self.rows.len())
        } else if at < self.oldest {
            Some(0)
        } else {
            None
        }
    }
}

/// Which of a file's rows are dead: all that its vector names, and so many of those that ended since, which are all there
/// were at the time. Ends are only added, so an equal one means the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dead(usize);

impl SstFile {
    /// A file as the manifest names it.
    ///
    /// # Errors
    /// An integrity error when its name is not `sst/<ulid>.parquet`.
    pub fn new(entry: FileEntry) -> Result<Self> {
        let ulid = parse_sst_name(&entry.name)
            .ok_or_else(|| Error::integrity("manifest", format!("it names an SST {:?}", entry.name)))?;
        let key = |text: &str| hex::decode(text).ok().map(Key::from);
        let range = key(&entry.min_key).zip(key(&entry.max_key));
        Ok(Self {
            entry,
            ulid,
            range,
            reader: OnceCell::new(),
            stored: OnceCell::new(),
            live: RwLock::default(),
            living: Mutex::default(),
        })
    }

    /// The same file under an entry that names its newest vector, which has every end up to `upto`; what was read of it
    /// stays read, and what ended later stays in memory.
    #[must_use]
    pub fn with_vector(&self, entry: FileEntry, vector: Arc<DeletionVector>, upto: Position) -> Self {
        let mut later = Ends::default();
        self.live.read().rows.iter().filter(|(_, end)| **end > upto).for_each(|(row, end)| later.add(*row, *end));
        Self {
            entry,
            ulid: self.ulid,
            range: self.range.clone(),
            reader: self.reader.clone(),
            stored: OnceCell::from(vector),
            live: RwLock::new(later),
            living: Mutex::default(),
        }
    }

    /// Its reader: one read of its tail the first time, shared afterwards. Later reads are counted in `store`'s tally.
    ///
    /// # Errors
    /// Store, key and integrity errors of the read.
    pub async fn reader(
        &self,
        store: &Store,
        keys: &KeyRing,
        columns: &[(ColumnId, ColumnType)],
    ) -> Result<Arc<SstReader>> {
        let source = Arc::new(StoreSource::new(store.clone(), self.entry.name.as_str()));
        let opened =
            self.reader.get_or_try_init(|| SstReader::open(&self.entry, source.clone(), keys, columns)).await?;
        Ok(Arc::new(opened.with_source(source)))
    }

    /// Whether its tail and its vector were read.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.reader.initialized() && (self.entry.vector.is_none() || self.stored.initialized())
    }

    /// Its reader, if it was opened before.
    #[must_use]
    pub fn opened(&self, store: &Store) -> Option<Arc<SstReader>> {
        let source = || Arc::new(StoreSource::new(store.clone(), self.entry.name.as_str()));
        self.reader.get().map(|opened| Arc::new(opened.with_source(source())))
    }

    /// The vector that the manifest names, read the first time.
    ///
    /// # Errors
    /// Store, key and integrity errors of the read.
    pub async fn stored_vector(&self, store: &Store, keys: &KeyRing) -> Result<Arc<DeletionVector>> {
        let vector = self
            .stored
            .get_or_try_init(|| async {
                let Some(vref) = &self.entry.vector else {
                    return Ok::<_, Error>(Arc::new(DeletionVector::default()));
                };
                let range = GetRange::Bounded(vref.offset..vref.offset.saturating_add(vref.length));
                let bytes = store.get_range(&vref.object, range).await?;
                Ok(Arc::new(open_vector(&bytes, vref, &self.entry.name, self.entry.rows, keys)?))
            })
            .await?;
        Ok(vector.clone())
    }

    /// Ends a row at `end`.
    pub fn end_row(&self, row: u32, end: Position) {
        self.live.write().add(row, end);
    }

    /// The end of a row, if it has one.
    ///
    /// # Errors
    /// See [`Self::stored_vector`].
    pub async fn end_of(&self, row: u32, store: &Store, keys: &KeyRing) -> Result<Option<Position>> {
        if let Some(end) = self.live.read().rows.get(&row) {
            return Ok(Some(*end));
        }
        Ok(self.stored_vector(store, keys).await?.get(row))
    }

    /// Every end up to `upto`: the manifest's vector and what came since.
    ///
    /// # Errors
    /// See [`Self::stored_vector`].
    pub async fn ends(&self, upto: Position, store: &Store, keys: &KeyRing) -> Result<BTreeMap<u32, Position>> {
        let stored = self.stored_vector(store, keys).await?;
        let mut ends: BTreeMap<u32, Position> = stored.iter().collect();
        ends.extend(self.live.read().rows.iter().filter(|(_, end)| **end <= upto).map(|(row, end)| (*row, *end)));
        Ok(ends)
    }

    /// Whether commits since the last flush and up to `upto` ended rows of it.
    #[must_use]
    pub fn has_live_ends(&self, upto: Position) -> bool {
        self.live.read().oldest <= upto
    }

    /// The rows of `span` that are dead at `at`, ascending.
    ///
    /// # Errors
    /// See [`Self::stored_vector`].
    pub async fn dead_at(&self, span: Range<u32>, at: Position, store: &Store, keys: &KeyRing) -> Result<Vec<u32>> {
        let stored = self.stored_vector(store, keys).await?;
        let dead = |(_, end): &(u32, Position)| *end <= at;
        let mut rows: Vec<u32> = stored.range(span.clone()).filter(dead).map(|(row, _)| row).collect();
        let before = rows.len();
        rows.extend(self.live.read().rows.range(span).map(|(row, end)| (*row, *end)).filter(dead).map(|(row, _)| row));
        if before > 0 && before < rows.len() {
            rows.sort_unstable();
        }
        Ok(rows)
    }

    /// Which rows are dead at `at`, when that is all that its vector names and all or none of the others.
    #[must_use]
    pub fn dead_by(&self, at: Position) -> Option<Dead> {
        let stored = self.entry.vector.as_ref().is_none_or(|vector| vector.max_end <= at);
        self.live.read().all_or_none(at).filter(|_| stored).map(Dead)
    }

    /// The living rows of the row group that begins with `first_row`, if a scan that saw the same dead kept them.
    #[must_use]
    pub fn living(&self, first_row: u32, dead: Dead) -> Option<Arc<Selected>> {
        self.living.lock().get(&first_row).filter(|(seen, _)| *seen == dead).map(|(_, rows)| rows.clone())
    }

    /// Keeps them: a bit a row, in place of what an earlier scan kept.
    pub fn keep_living(&self, first_row: u32, dead: Dead, rows: Arc<Selected>) {
        self.living.lock().insert(first_row, (dead, rows));
    }

    /// How many rows are visible at `at`, where that is known without reading anything.
    #[must_use]
    pub fn rows_at(&self, at: Position) -> Option<u64> {
        if self.entry.kind != FileKind::Current || self.entry.max_begin > at {
            return None;
        }
        let stored = match (&self.entry.vector, self.stored.get()) {
            (None, _) => 0,
            (Some(vector), _) if vector.max_end <= at => vector.dead,
            (Some(_), Some(stored)) => stored.iter().filter(|(_, end)| *end <= at).count() as u64,
            (Some(_), None) => return None,
        };
        let live = self.live.read().count(at) as u64;
        self.entry.rows.checked_sub(stored + live)
    }

    /// Whether some version in it can be visible at `at`.
    #[must_use]
    pub fn may_see(&self, at: Position) -> bool {
        let ended = self.entry.kind == FileKind::History && self.entry.max_end.is_none_or(|end| end <= at);
        self.entry.min_begin <= at && !ended
    }

    /// Whether the key lies between its lowest and its highest.
    #[must_use]
    pub fn spans(&self, key: &[u8]) -> bool {
        self.range.as_ref().is_none_or(|(lowest, highest)| **lowest <= *key && *key <= **highest)
    }

    /// Whether a key from `low` on and below `high` can lie between its lowest and its highest.
    #[must_use]
    pub fn overlaps(&self, low: &[u8], high: &[u8]) -> bool {
        self.range.as_ref().is_none_or(|(lowest, highest)| low <= &**highest && &**lowest < high)
    }
}
