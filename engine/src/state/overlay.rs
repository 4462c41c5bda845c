//! A transaction's own writes: private rows and marks on top of its snapshot.
//!
//! Promises: the transaction reads its own writes; nobody else does.
//! Never: an overlay reaches the log as it is; COMMIT makes one write set of it and validates that.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use firn_manifest::ids::{Position, TableId};
use firn_manifest::schema::{CatalogChange, TableSchema};
use firn_segment::key::Key;
use firn_segment::record::RowOp;

use super::catalog::Catalog;
use super::snapshot::{Found, Loc, Place};
use crate::commit::TableWrite;
use crate::error::Result;

/// Rows that one statement of the transaction wrote to one table.
#[derive(Clone, Debug)]
pub struct OwnChunk {
    /// the rows in storage schema
    pub batch: RecordBatch,
    /// how each came
    pub operations: Vec<RowOp>,
    /// their keys
    pub keys: Vec<Key>,
    /// whether a later statement has not superseded the row
    pub live: Vec<bool>,
}

/// The transaction's writes to one table.
#[derive(Clone, Debug)]
pub struct OwnTable {
    /// the schema version of the newest write
    pub schema: Arc<TableSchema>,
    /// written rows
    pub chunks: Vec<OwnChunk>,
    /// the live row of a key
    pub index: HashMap<Key, (u32, u32)>,
    /// rows of the snapshot that the transaction superseded, with what they were
    pub superseded: HashMap<Key, Found>,
    /// the superseded rows in full, as the statements that wrote read them; `None` once one did not
    pub old_rows: Option<Vec<RecordBatch>>,
    dead: BTreeSet<Loc>,
}

/// A transaction's own writes.
#[derive(Clone, Debug)]
pub struct Overlay {
    catalog: Arc<Catalog>,
    changes: Vec<CatalogChange>,
    tables: HashMap<TableId, OwnTable>,
    next_row: i64,
}

impl Overlay {
    /// Nothing written yet.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog, changes: Vec::new(), tables: HashMap::new(), next_row: -1 }
    }

    /// The catalog with the transaction's own changes.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The transaction's catalog changes, in order.
    #[must_use]
    pub fn changes(&self) -> &[CatalogChange] {
        &self.changes
    }

    /// The tables it wrote to.
    #[must_use]
    pub fn tables(&self) -> &HashMap<TableId, OwnTable> {
        &self.tables
    }

    /// Its writes to one table.
    #[must_use]
    pub fn table(&self, id: TableId) -> Option<&OwnTable> {
        self.tables.get(&id)
    }

    /// Applies catalog changes at the snapshot's own position, so that the transaction sees them at once.
    ///
    /// # Errors
    /// When a change does not fit the catalog.
    pub fn change_catalog(&mut self, changes: &[CatalogChange], position: Position) -> Result<()> {
        for change in changes {
            Arc::make_mut(&mut self.catalog).apply(change, position)?;
            self.changes.push(change.clone());
        }
        Ok(())
    }

    /// The provisional id of a hidden row of this transaction; COMMIT draws the real one.
    pub fn provisional_row_id(&mut self) -> i64 {
        let id = self.next_row;
        self.next_row -= 1;
        id
    }

    /// Adds one statement's writes to one table. `keys` are those of the inserted rows.
    pub fn write(&mut self, write: &TableWrite, keys: Vec<Key>) {
        let table = self.tables.entry(write.schema.id).or_insert_with(|| OwnTable {
            schema: write.schema.clone(),
            chunks: Vec::new(),
            index: HashMap::new(),
            superseded: HashMap::new(),
            old_rows: Some(Vec::new()),
            dead: BTreeSet::new(),
        });
        table.schema = write.schema.clone();
        for delete in &write.deletes {
            match delete.found.loc.place() {
                Place::Own(chunk, row) => {
                    if let Some(live) = table.chunks.get_mut(chunk as usize).and_then(|c| c.live.get_mut(row as usize))
                    {
                        *live = false;
                    }
                    if table.index.get(&delete.key) == Some(&(chunk, row)) {
                        table.index.remove(&delete.key);
                    }
                }
                Place::File(..) | Place::Mem(..) => {
                    table.dead.insert(delete.found.loc);
                    table.superseded.insert(delete.key.clone(), delete.found);
                }
            }
        }
        match (&write.old_rows, &mut table.old_rows) {
            (Some(rows), Some(kept)) => kept.push(rows.clone()),
            (None, kept) if !write.deletes.is_empty() => *kept = None,
            _ => {}
        }
        if let Some(batch) = &write.inserts {
            let chunk = u32::try_from(table.chunks.len()).unwrap_or(u32::MAX);
            for (row, key) in (0u32..).zip(&keys) {
                table.index.insert(key.clone(), (chunk, row));
            }
            table.chunks.push(OwnChunk {
                batch: batch.clone(),
                operations: write.operations.clone(),
                live: vec![true; keys.len()],
                keys,
            });
        }
    }
}

impl OwnTable {
    /// Whether the transaction superseded that row of its snapshot.
    #[must_use]
    pub fn is_dead(&self, loc: Loc) -> bool {
        self.dead.contains(&loc)
    }

    /// The rows it superseded in the file of that ordinal, ascending.
    #[must_use]
    pub fn dead_in_file(&self, ordinal: u32) -> Vec<u32> {
        let range = Loc::of(Place::File(ordinal, 0))..=Loc::of(Place::File(ordinal, u32::MAX));
        self.dead
            .range(range)
            .filter_map(|loc| match loc.place() {
                Place::File(_, row) => Some(row),
                _ => None,
            })
            .collect()
    }

    /// Whether it superseded any row of the memtable.
    #[must_use]
    pub fn touches_mem(&self) -> bool {
        self.dead.iter().any(|loc| matches!(loc.place(), Place::Mem(..)))
    }
}
