//! A snapshot: the state as of one position, with a transaction's own writes on top when there is one.
//!
//! Promises: everything read through one snapshot agrees with one position, whatever commits or flushes meanwhile.
//! Never: a snapshot waits for a writer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use firn_manifest::crypto::KeyRing;
use firn_manifest::ids::{ColumnId, Position, TableId};
use firn_manifest::schema::{CatalogChange, ColumnType};
use firn_manifest::store::Store;

use super::catalog::Catalog;
use super::counters::Counters;
use super::files::SstFile;
use super::memtable::MemTable;
use super::overlay::Overlay;
use super::pages::Pages;
use super::scan::{Scan, ScanRequest};
use crate::error::Result;

/// Where a row stands in the state a snapshot sees: a tag, a source and a row packed into 64 bits. It means nothing
/// under another snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Loc(pub u64);

/// What a [`Loc`] points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// row of the file of that ordinal
    File(u32, u32),
    /// row of the memtable chunk of that ordinal
    Mem(u32, u32),
    /// row of the transaction's own chunk of that ordinal
    Own(u32, u32),
}

const TAG_SHIFT: u32 = 62;
const SOURCE_MASK: u64 = (1 << 30) - 1;

impl Loc {
    pub(crate) fn of(place: Place) -> Self {
        let (tag, source, row) = match place {
            Place::File(source, row) => (0u64, source, row),
            Place::Mem(source, row) => (1, source, row),
            Place::Own(source, row) => (2, source, row),
        };
        Self(tag << TAG_SHIFT | (u64::from(source) & SOURCE_MASK) << 32 | u64::from(row))
    }

    pub(crate) fn place(self) -> Place {
        let source = u32::try_from(self.0 >> 32 & SOURCE_MASK).unwrap_or(u32::MAX);
        let row = u32::try_from(self.0 & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        match self.0 >> TAG_SHIFT {
            0 => Place::File(source, row),
            1 => Place::Mem(source, row),
            _ => Place::Own(source, row),
        }
    }
}

/// A row version that [`Snapshot::locate`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// where it stands
    pub loc: Loc,
    /// the newest position it can have begun at
    pub begin: Position,
}

/// The rows of one table: those no file holds yet, and the files.
#[derive(Clone, Debug, Default)]
pub struct TableData {
    /// rows since the last flush
    pub mem: Arc<MemTable>,
    /// files, oldest first
    pub files: Arc<Vec<Arc<SstFile>>>,
}

/// The state a snapshot pins; shared by all snapshots of one position.
#[derive(Clone)]
pub struct View {
    /// newest position seen
    pub position: Position,
    /// its commit time, microseconds since 1970 UTC
    pub commit_time: i64,
    /// oldest position that can still be read
    pub horizon: Position,
    /// every schema version
    pub catalog: Arc<Catalog>,
    /// every table's rows
    pub tables: Arc<BTreeMap<TableId, TableData>>,
    /// the namespace's data keys
    pub keys: Arc<KeyRing>,
    /// row ids and identity numbers
    pub counters: Arc<Counters>,
    /// pages that point reads have read
    pub pages: Arc<Pages>,
}

/// A stable view of a namespace; cheap to clone.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) view: Arc<View>,
    pub(crate) overlay: Option<Arc<Overlay>>,
    pub(crate) store: Store,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("position", &self.view.position).finish_non_exhaustive()
    }
}

impl Snapshot {
    pub(crate) fn new(view: Arc<View>, store: Store) -> Self {
        Self { view, overlay: None, store }
    }

    pub(crate) fn with_overlay(&self, overlay: Arc<Overlay>, store: &Store) -> Self {
        Self { view: self.view.clone(), overlay: Some(overlay), store: store.clone() }
    }

    /// The same with catalog changes on top that nobody has made yet.
    pub(crate) fn with_catalog_changes(&self, changes: &[CatalogChange]) -> Result<Self> {
        let mut overlay = match &self.overlay {
            Some(overlay) => (**overlay).clone(),
            None => Overlay::new(self.view.catalog.clone()),
        };
        overlay.change_catalog(changes, self.position())?;
        Ok(Self { overlay: Some(Arc::new(overlay)), ..self.clone() })
    }

    /// The newest position it sees.
    #[must_use]
    pub fn position(&self) -> Position {
        self.view.position
    }

    /// The commit time of that position, microseconds since 1970 UTC.
    #[must_use]
    pub fn commit_time(&self) -> i64 {
        self.view.commit_time
    }

    /// The oldest position that can still be read.
    #[must_use]
    pub fn horizon(&self) -> Position {
        self.view.horizon
    }

    /// Every schema version; inside a transaction its own changes are applied.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        self.overlay.as_ref().map_or(&self.view.catalog, |o| o.catalog())
    }

    /// The store, counting into the statement's tally.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A scan of one table.
    ///
    /// # Errors
    /// When the request does not fit the table.
    pub fn scan(&self, request: ScanRequest) -> Result<Scan> {
        Scan::new(self.clone(), request)
    }

    /// Row ids and identity numbers to draw.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.view.counters
    }

    pub(crate) fn table_data(&self, id: TableId) -> TableData {
        self.view.tables.get(&id).cloned().unwrap_or_default()
    }

    /// Numbers and types of every column the table ever had: what its files may hold.
    pub(crate) fn file_columns(&self, id: TableId) -> Vec<(ColumnId, ColumnType)> {
        self.view.catalog.all_columns(id).iter().map(|c| (c.id, c.ty)).collect()
    }
}
