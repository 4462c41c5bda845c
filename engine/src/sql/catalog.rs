//! The tables a statement can name.
//!
//! Promises: a name means the table of the position it is read at, dropped ones included; nothing but tables of the
//! namespace and batches of the statement itself can be named.
//! Never: resolving a name reads a row.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{MemTable, SchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, Result};
use firn_manifest::ids::Position;
use parking_lot::Mutex;

use super::names;
use super::provider::{FirnTable, View};
use crate::commit::Read;
use crate::state::catalog::COMMITS;
use crate::state::{ScanAt, Snapshot};

/// What a transaction's statements read, in order.
#[derive(Clone, Debug, Default)]
pub struct Reads(Arc<Mutex<Vec<Read>>>);

impl Reads {
    /// Remembers a read.
    pub fn record(&self, read: Read) {
        self.0.lock().push(read);
    }

    /// Everything read so far; the list is empty afterwards.
    #[must_use]
    pub fn take(&self) -> Vec<Read> {
        std::mem::take(&mut self.0.lock())
    }
}

/// The schema `public` of one statement.
#[derive(Clone)]
pub struct Tables {
    snapshot: Snapshot,
    at: Position,
    reads: Option<Reads>,
    batches: HashMap<String, RecordBatch>,
}

impl Tables {
    /// The tables as of `at`, which is the snapshot's position unless the session reads the past.
    #[must_use]
    pub fn new(snapshot: Snapshot, at: Position, reads: Option<Reads>) -> Self {
        Self { snapshot, at, reads, batches: HashMap::new() }
    }

    /// The same, with a batch under a name that hides a table's.
    #[must_use]
    pub fn with_batch(&self, name: &str, batch: RecordBatch) -> Self {
        let mut tables = self.clone();
        tables.batches.insert(name.to_owned(), batch);
        tables
    }

    /// The snapshot everything is read from.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The position that plain names are read at.
    #[must_use]
    pub fn at(&self) -> Position {
        self.at
    }

    /// Remembers a read that no scan makes, such as a key that was looked up.
    pub fn record(&self, read: Read) {
        if let Some(reads) = &self.reads {
            reads.record(read);
        }
    }

    fn scan(&self, name: &str, view: View) -> Option<Arc<dyn TableProvider>> {
        let table = self.snapshot.catalog().table(name, self.at)?.clone();
        // the past cannot change any more, so only reads of the present can conflict
        let reads = self.reads.clone().filter(|_| self.at >= self.snapshot.position());
        Some(Arc::new(FirnTable::new(self.snapshot.clone(), table, ScanAt::Position(self.at), view, reads)))
    }

    fn past(&self, name: &str, at: Position) -> Option<Arc<dyn TableProvider>> {
        let snapshot = committed(&self.snapshot);
        let table = snapshot.catalog().table(name, at)?.clone();
        Some(Arc::new(FirnTable::new(snapshot, table, ScanAt::Position(at), View::Plain, None)))
    }

    fn history(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        let table = self.snapshot.catalog().last_version_named(name, self.at)?.clone();
        let reads = self.reads.clone();
        Some(Arc::new(FirnTable::new(self.snapshot.clone(), table, ScanAt::AllVersions, View::History, reads)))
    }
}

/// The snapshot without a transaction's own writes: they belong to no position yet.
#[must_use]
pub fn committed(snapshot: &Snapshot) -> Snapshot {
    Snapshot { overlay: None, ..snapshot.clone() }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables").field("at", &self.at).finish_non_exhaustive()
    }
}

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.snapshot.catalog().tables(self.at).iter().map(|t| t.name.clone()).collect();
        names.push(COMMITS.to_owned());
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        if let Some(batch) = self.batches.get(name) {
            return Ok(Some(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch.clone()]])?)));
        }
        if let Some(table) = names::split_history(name) {
            return Ok(self.history(table));
        }
        if let Some((table, position)) = names::split_position(name) {
            return Ok(self.past(table, position));
        }
        if let Some(found) = self.scan(name, View::Plain) {
            return Ok(Some(found));
        }
        Ok(names::split_rows(name).and_then(|table| self.scan(table, View::Rows)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.batches.contains_key(name) || self.snapshot.catalog().table(name, self.at).is_some()
    }
}
