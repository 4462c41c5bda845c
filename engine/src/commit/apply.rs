//! Applying commit records to the state in memory: the one way it changes, for a writer, a replay and a follower alike (I7).
//!
//! Promises: records are applied in the order of their positions, each whole.
//! Never: applying fails half way; what can fail is resolved before the first change.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use arrow::array::{Array, Int64Array, RecordBatch};
use firn_manifest::canary;
use firn_manifest::chain::Head;
use firn_manifest::crypto::KeyRing;
use firn_manifest::ids::{Position, TableId};
use firn_manifest::schema::{CatalogChange, TableSchema};
use firn_segment::key::Key;
use firn_segment::record::RowOp;
use firn_segment::types::column_field_name;

use super::Committed;
use crate::error::{Error, Result};
use crate::state::catalog::Catalog;
use crate::state::counters::{Counters, restarts};
use crate::state::files::SstFile;
use crate::state::memtable::MemLoc;
use crate::state::pages::Pages;
use crate::state::snapshot::{TableData, View};

/// Commits kept for the validation of running transactions.
const RECENT_COMMITS: usize = 10_000;
/// Bytes of changed rows kept for it; beyond that the oldest commits are kept by table only.
const RECENT_BYTES: usize = 16 << 20;

/// A row that ends, found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// in the memtable
    Mem(MemLoc),
    /// in the file of that ordinal
    File(usize, u32),
}

/// The changes of one table, resolved.
#[derive(Debug)]
pub(crate) struct AppliedTable {
    pub(crate) table: TableId,
    pub(crate) ends: Vec<Target>,
    pub(crate) inserts: Option<(RecordBatch, Vec<RowOp>, Vec<Key>)>,
    /// ended rows in full, when the writer read them
    pub(crate) old_rows: Option<RecordBatch>,
}

/// A commit record, resolved.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) position: Position,
    pub(crate) commit_time: i64,
    pub(crate) catalog: Vec<CatalogChange>,
    pub(crate) tables: Vec<AppliedTable>,
}

/// What a transaction that began before it must be validated against.
#[derive(Debug)]
pub(crate) struct RecentCommit {
    pub(crate) position: Position,
    pub(crate) changes_catalog: bool,
    pub(crate) tables: Vec<RecentTable>,
}

/// One table's part of a recent commit.
#[derive(Debug)]
pub(crate) struct RecentTable {
    pub(crate) table: TableId,
    /// rows that began, in storage schema
    pub(crate) inserted: Option<RecordBatch>,
    /// rows that ended, in full; `None` when the statement did not read them
    pub(crate) ended: Option<RecordBatch>,
    pub(crate) ended_rows: usize,
    /// the rows were dropped to save memory: every row of the table counts as changed
    pub(crate) forgotten: bool,
}

impl RecentTable {
    fn bytes(&self) -> usize {
        self.inserted.iter().chain(&self.ended).map(RecordBatch::get_array_memory_size).sum()
    }
}

/// The state of an open namespace.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) head: Head,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) tables: Arc<BTreeMap<TableId, TableData>>,
    pub(crate) pages: Arc<Pages>,
    pub(crate) next_row_id: BTreeMap<TableId, u64>,
    /// row ids and identity numbers that statements draw before they commit
    pub(crate) counters: Arc<Counters>,
    /// the newest position applied, durable or not
    pub(crate) newest: Position,
    /// its commit time
    pub(crate) newest_time: i64,
    /// answers by request id, since the last flush
    pub(crate) requests: HashMap<String, Committed>,
    pub(crate) recent: VecDeque<RecentCommit>,
    /// bytes of the rows in `recent`
    pub(crate) recent_bytes: usize,
    /// so many of the oldest in `recent` have lost their rows
    pub(crate) recent_forgotten: usize,
    /// commits after this position are all in `recent`
    pub(crate) recent_floor: Position,
}

impl State {
    /// The state that a manifest's files hold.
    ///
    /// # Errors
    /// An integrity error when the manifest names something that cannot be.
    pub(crate) fn of_manifest(head: Head, keys: Arc<KeyRing>) -> Result<Self> {
        let catalog = Catalog::from_manifest(&head.sealed);
        let mut files: BTreeMap<TableId, Vec<Arc<SstFile>>> = BTreeMap::new();
        for entry in &head.sealed.files {
            files.entry(entry.table).or_default().push(Arc::new(SstFile::new(entry.clone())?));
        }
        let tables = files
            .into_iter()
            .map(|(table, files)| (table, TableData { mem: Arc::default(), files: Arc::new(files) }))
            .collect();
        let stored = if canary!(RowIdsReused) { &[][..] } else { &head.sealed.counters };
        let next_row_id = stored.iter().map(|c| (c.table, c.next_row_id)).collect();
        let wal = head.envelope.wal;
        let counters = Counters::default();
        for table in stored {
            if let Some(row_id) = catalog.any_version(table.table).and_then(|t| t.row_id()) {
                counters.set((table.table, row_id.id, 0), i64::try_from(table.next_row_id).unwrap_or(i64::MAX));
            }
            for identity in &table.identity {
                let column = catalog.any_version(table.table).and_then(|t| t.column(identity.column));
                counters.set((table.table, identity.column, column.map_or(0, restarts)), identity.next);
            }
        }
        Ok(Self {
            head,
            keys,
            catalog: Arc::new(catalog),
            tables: Arc::new(tables),
            pages: Arc::default(),
            next_row_id,
            counters: Arc::new(counters),
            newest: wal.position,
            newest_time: wal.commit_time,
            requests: HashMap::new(),
            recent: VecDeque::new(),
            recent_bytes: 0,
            recent_forgotten: 0,
            recent_floor: wal.position,
        })
    }

    /// The view of it at `position`, which is not above the newest.
    pub(crate) fn view(&self, position: Position, commit_time: i64) -> View {
        View {
            position,
            commit_time,
            horizon: self.head.envelope.horizon,
            catalog: self.catalog.clone(),
            tables: self.tables.clone(),
            keys: self.keys.clone(),
            counters: self.counters.clone(),
            pages: self.pages.clone(),
        }
    }

    /// Resident bytes of all memtables, roughly.
    pub(crate) fn memory(&self) -> usize {
        self.tables.values().map(|t| t.mem.bytes()).sum()
    }

    /// A table's rows, made when it has none yet. They are changed through what is shared, so that the map of tables is
    /// copied only when a table is new to it.
    pub(crate) fn rows_of(&mut self, id: TableId) -> TableData {
        match self.tables.get(&id) {
            Some(data) => data.clone(),
            None => Arc::make_mut(&mut self.tables).entry(id).or_default().clone(),
        }
    }

    /// Applies one record.
    ///
    /// # Errors
    /// An integrity error when its position does not follow or its catalog changes do not fit; nothing was changed then.
    pub(crate) fn apply(&mut self, record: Applied, keep_recent: bool) -> Result<()> {
        let position = record.position;
        if position != self.newest.next() {
            return Err(Error::integrity(
                format!("commit record {position}"),
                format!("it does not follow position {}", self.newest),
            ));
        }
        if !record.catalog.is_empty() {
            let mut catalog = (*self.catalog).clone();
            for change in &record.catalog {
                catalog.apply(change, position)?;
            }
            self.catalog = Arc::new(catalog);
        }
        let mut recent = RecentCommit { position, changes_catalog: !record.catalog.is_empty(), tables: Vec::new() };
        for change in record.tables {
            let schema = self.catalog.any_version(change.table).cloned();
            let hidden = schema.as_ref().and_then(|s| s.row_id().map(|c| c.id));
            let data = self.rows_of(change.table);
            for target in &change.ends {
                match target {
                    Target::Mem(loc) => data.mem.end_row(*loc, position),
                    Target::File(ordinal, row) => {
                        if let Some(file) = data.files.get(*ordinal) {
                            file.end_row(*row, position);
                        }
                    }
                }
            }
            let mut inserted = None;
            if let Some((batch, operations, keys)) = change.inserts {
                inserted = Some(batch.clone());
                if let Some(schema) = &schema {
                    self.counters.pass_rows(schema, &batch);
                }
                let highest = hidden.and_then(|id| highest_row_id(&batch, &column_field_name(id)));
                data.mem.append(position, batch, operations, keys);
                if let Some(highest) = highest {
                    let next = self.next_row_id.entry(change.table).or_insert(1);
                    *next = (*next).max(highest + 1);
                }
            }
            recent.tables.push(RecentTable {
                table: change.table,
                inserted,
                ended_rows: change.ends.len(),
                ended: change.old_rows,
                forgotten: false,
            });
        }
        self.newest = position;
        self.newest_time = record.commit_time;
        if keep_recent {
            self.recent_bytes += recent.tables.iter().map(RecentTable::bytes).sum::<usize>();
            self.recent.push_back(recent);
            self.forget_rows();
            if self.recent.len() > RECENT_COMMITS
                && let Some(oldest) = self.recent.pop_front()
            {
                self.recent_bytes -= oldest.tables.iter().map(RecentTable::bytes).sum::<usize>();
                self.recent_forgotten = self.recent_forgotten.saturating_sub(1);
                self.recent_floor = oldest.position;
            }
        } else {
            self.recent_floor = position;
        }
        Ok(())
    }

    /// Drops the rows of the oldest recent commits until the rest fit.
    fn forget_rows(&mut self) {
        while self.recent_bytes > RECENT_BYTES
            && let Some(commit) = self.recent.get_mut(self.recent_forgotten)
        {
            for table in &mut commit.tables {
                self.recent_bytes -= table.bytes();
                (table.inserted, table.ended, table.forgotten) = (None, None, true);
            }
            self.recent_forgotten += 1;
        }
    }

    /// The schema a table has now, or had last.
    pub(crate) fn schema(&self, id: TableId) -> Option<&Arc<TableSchema>> {
        self.catalog.any_version(id)
    }
}

fn highest_row_id(batch: &RecordBatch, column: &str) -> Option<u64> {
    let ids = batch.column_by_name(column)?.as_any().downcast_ref::<Int64Array>()?;
    (0..ids.len()).filter(|i| ids.is_valid(*i)).map(|i| ids.value(i)).max().and_then(|id| u64::try_from(id).ok())
}
