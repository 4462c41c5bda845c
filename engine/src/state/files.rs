//! The files of one table as an open namespace holds them: entry, reader (opened when first needed) and the ends of
//! their rows, those of the manifest's vectors and those that commits have set since.
//!
//! Promises: a file's bytes never change, so an opened reader serves every later statement; ends are only added.
//! Never: an end that a reader could already have seen as absent at its position is added below that position.

use std::collections::BTreeMap;
use std::sync::Arc;

use firn_manifest::crypto::KeyRing;
use firn_manifest::ids::{ColumnId, Position};
use firn_manifest::model::{FileEntry, FileKind};
use firn_manifest::schema::ColumnType;
use firn_manifest::store::{GetRange, Store};
use firn_segment::key::Key;
use firn_segment::sst::{SstReader, StoreSource, parse_sst_name};
use firn_segment::vector::{DeletionVector, open_vector};
use parking_lot::RwLock;
use tokio::sync::OnceCell;
use ulid::Ulid;

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
        let key = |text: &str| hex::decode(text).ok().map(Key::from);
        let range = key(&entry.min_key).zip(key(&entry.max_key));
        Ok(Self { entry, ulid, range, reader: OnceCell::new(), stored: OnceCell::new(), live: RwLock::default() })
    }

    /// The same file under an entry that names its newest vector; what was read of it stays read.
    #[must_use]
    pub fn with_vector(&self, entry: FileEntry, vector: Arc<DeletionVector>) -> Self {
        Self {
            entry,
            ulid: self.ulid,
            range: self.range.clone(),
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
        let source = Arc::new(StoreSource::new(store.clone(), self.entry.name.as_str()));
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
        self.range.as_ref().is_none_or(|(lowest, highest)| **lowest <= *key && *key <= **highest)
    }
}
