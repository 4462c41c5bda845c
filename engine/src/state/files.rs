//! The files of one table as an open namespace holds them: entry, reader (opened when first needed) and the ends of
//! their rows, those of the manifest's vectors and those that commits have set since.
//!
//! Promises: a file's bytes never change, so an opened reader serves every later statement; ends are only added.
//! Never: an end that a reader could already have seen as absent at its position is added below that position.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use firn_manifest::crypto::KeyRing;
use firn_manifest::error::StoreError;
use firn_manifest::ids::{ColumnId, Position};
use firn_manifest::model::{FileEntry, FileKind};
use firn_manifest::schema::ColumnType;
use firn_manifest::store::{GetRange, Store};
use firn_segment::sst::parse_sst_name;
use firn_segment::sst::reader::{RangeSource, SstReader};
use firn_segment::vector::{DeletionVector, open_vector};
use futures::future::BoxFuture;
use parking_lot::RwLock;
use tokio::sync::OnceCell;
use ulid::Ulid;

use crate::error::{Error, Result};

/// Byte ranges of one object, through the statement's own view of the store.
#[derive(Clone, Debug)]
pub struct ObjectSource {
    store: Store,
    name: String,
}

impl RangeSource for ObjectSource {
    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, StoreError>> {
        Box::pin(self.store.get_range(&self.name, GetRange::Bounded(range)))
    }
}

/// One SST of the state.
#[derive(Debug)]
pub struct SstFile {
    /// what the manifest says of it
    pub entry: FileEntry,
    /// its number
    pub ulid: Ulid,
    reader: OnceCell<Arc<SstReader>>,
    stored: OnceCell<Arc<DeletionVector>>,
    live: RwLock<BTreeMap<u32, Position>>,
}

impl SstFile {
    /// A file as the manifest names it.
    ///
    /// # Errors
    /// An integrity error when its name is not `sst/<ulid>.parquet`.
    pub fn new(entry: FileEntry) -> Result<Self> {
        let ulid = parse_sst_name(&entry.name)
            .ok_or_else(|| Error::integrity("manifest", format!("it names an SST {:?}", entry.name)))?;
        Ok(Self { entry, ulid, reader: OnceCell::new(), stored: OnceCell::new(), live: RwLock::default() })
    }

    /// The same file under an entry that names its newest vector; what was read of it stays read.
    #[must_use]
    pub fn with_vector(&self, entry: FileEntry, vector: Arc<DeletionVector>) -> Self {
        Self {
            entry,
            ulid: self.ulid,
            reader: self.reader.clone(),
            stored: OnceCell::from(vector),
            live: RwLock::default(),
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
        let source = Arc::new(ObjectSource { store: store.clone(), name: self.entry.name.clone() });
        let opened =
            self.reader.get_or_try_init(|| SstReader::open(&self.entry, source.clone(), keys, columns)).await?;
        Ok(Arc::new(opened.with_source(source)))
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
        self.live.write().entry(row).or_insert(end);
    }

    /// The end of a row, if it has one.
    ///
    /// # Errors
    /// See [`Self::stored_vector`].
    pub async fn end_of(&self, row: u32, store: &Store, keys: &KeyRing) -> Result<Option<Position>> {
        if let Some(end) = self.live.read().get(&row) {
            return Ok(Some(*end));
        }
        Ok(self.stored_vector(store, keys).await?.get(row))
    }

    /// Every end known now: the manifest's vector and what came since.
    ///
    /// # Errors
    /// See [`Self::stored_vector`].
    pub async fn ends(&self, store: &Store, keys: &KeyRing) -> Result<BTreeMap<u32, Position>> {
        let stored = self.stored_vector(store, keys).await?;
        let mut ends: BTreeMap<u32, Position> = stored.iter().collect();
        ends.extend(self.live.read().iter().map(|(row, end)| (*row, *end)));
        Ok(ends)
    }

    /// Whether commits since the last flush ended rows of it.
    #[must_use]
    pub fn has_live_ends(&self) -> bool {
        !self.live.read().is_empty()
    }

    /// The rows that are dead at `at`.
    ///
    /// # Errors
    /// See [`Self::stored_vector`].
    pub async fn dead_at(&self, at: Position, store: &Store, keys: &KeyRing) -> Result<Vec<u32>> {
        let stored = self.stored_vector(store, keys).await?;
        let live = self.live.read();
        let mut rows: Vec<u32> = stored.iter().filter(|(_, end)| *end <= at).map(|(row, _)| row).collect();
        if !live.is_empty() {
            rows.extend(live.iter().filter(|(_, end)| **end <= at).map(|(row, _)| *row));
            rows.sort_unstable();
        }
        Ok(rows)
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
        let mut bound = [Vec::new(), Vec::new()];
        for (slot, text) in bound.iter_mut().zip([&self.entry.min_key, &self.entry.max_key]) {
            match hex::decode(text) {
                Ok(bytes) => *slot = bytes,
                // a range that cannot be read prunes nothing
                Err(_) => return true,
            }
        }
        bound[0].as_slice() <= key && key <= bound[1].as_slice()
    }
}
