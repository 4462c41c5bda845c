//! The tables and views a statement can name.
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
use firn_manifest::ids::{Position, TableId};
use firn_manifest::schema::{CatalogChange, TableSchema};
use parking_lot::Mutex;

use super::errors::external;
use super::functions::Facts;
use super::names;
use super::provider::{FirnTable, View};
use super::relation::Scope;
use super::views;
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

/// What a statement's plans name, in order.
#[derive(Clone, Debug, Default)]
pub struct Used(Arc<Mutex<Vec<TableId>>>);

impl Used {
    /// Each once, ascending.
    #[must_use]
    pub fn ids(&self) -> Vec<TableId> {
        let mut ids = self.0.lock().clone();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// The tables of one statement: those of a SQL schema, or those along its search path.
#[derive(Clone)]
pub struct Tables {
    snapshot: Snapshot,
    at: Position,
    reads: Option<Reads>,
    batches: HashMap<String, RecordBatch>,
    scope: Scope,
    facts: Facts,
    used: Option<Used>,
    /// views that stand around
    depth: usize,
}

impl Tables {
    /// The tables as of `at`, which is the snapshot's position unless the session reads the past.
    #[must_use]
    pub fn new(snapshot: Snapshot, at: Position, reads: Option<Reads>, scope: Scope, facts: Facts) -> Self {
        Self { snapshot, at, reads, batches: HashMap::new(), scope, facts, used: None, depth: 0 }
    }

    /// The tables of one SQL schema.
    #[must_use]
    pub fn in_schema(&self, name: &str) -> Self {
        Self { scope: Scope::One(name.to_owned()), batches: HashMap::new(), ..self.clone() }
    }

    /// The tables along another path.
    #[must_use]
    pub fn on_path(&self, path: Arc<[String]>) -> Self {
        let facts = Facts { path: path.clone(), ..self.facts.clone() };
        Self { scope: Scope::Path(path), facts, batches: HashMap::new(), ..self.clone() }
    }

    /// The same, noting what is named.
    #[must_use]
    pub fn noting(&self) -> (Self, Used) {
        let used = Used::default();
        (Self { used: Some(used.clone()), ..self.clone() }, used)
    }

    /// The same after changes of the catalog that nobody has made yet; its rows are not to be read.
    pub(super) fn after(&self, changes: &[CatalogChange]) -> crate::error::Result<Self> {
        let mut tables = self.clone();
        tables.snapshot = self.snapshot.with_catalog_changes(changes)?;
        Ok(tables)
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

    /// Whether reads are remembered.
    #[must_use]
    pub fn records_reads(&self) -> bool {
        self.reads.is_some()
    }

    /// Remembers a read that no scan makes, such as a key that was looked up.
    pub fn record(&self, read: Read) {
        if let Some(reads) = &self.reads {
            reads.record(read);
        }
    }

    fn note(&self, table: &TableSchema) {
        if let Some(used) = &self.used {
            used.0.lock().push(table.id);
        }
    }

    fn find(&self, name: &str) -> Option<Arc<TableSchema>> {
        self.scope.table(self.snapshot.catalog(), name, self.at).cloned()
    }

    fn scan(&self, table: Arc<TableSchema>, view: View) -> Arc<dyn TableProvider> {
        self.note(&table);
        // the past cannot change any more, so only reads of the present can conflict
        let reads = self.reads.clone().filter(|_| self.at >= self.snapshot.position());
        Arc::new(FirnTable::new(self.snapshot.clone(), table, ScanAt::Position(self.at), view, reads))
    }

    async fn past(&self, name: &str, at: Position) -> crate::error::Result<Option<Arc<dyn TableProvider>>> {
        let snapshot = committed(&self.snapshot);
        let Some(table) = self.scope.table(snapshot.catalog(), name, at).cloned() else { return Ok(None) };
        if table.view.is_some() {
            let past = Self { snapshot, at, reads: None, ..self.clone() };
            return past.view(&table).await.map(Some);
        }
        self.note(&table);
        Ok(Some(Arc::new(FirnTable::new(snapshot, table, ScanAt::Position(at), View::Plain, None))))
    }

    /// What a view gives where these tables are read.
    async fn view(&self, view: &TableSchema) -> crate::error::Result<Arc<dyn TableProvider>> {
        self.note(view);
        let Some(body) = &view.view else { return Err(crate::error::Error::internal("a view without a query")) };
        let path: Arc<[String]> = body.path.clone().into();
        let facts = Facts { path: path.clone(), ..self.facts.clone() };
        let tables = Self {
            batches: HashMap::new(),
            scope: Scope::Path(path),
            facts: facts.clone(),
            used: None,
            depth: self.depth + 1,
            ..self.clone()
        };
        views::check_depth(tables.depth, view)?;
        views::provider(view, tables, facts).await
    }

    fn history(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        let table = self.scope.last_version(self.snapshot.catalog(), name, self.at)?.clone();
        self.note(&table);
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
            return self.past(table, position).await.map_err(external);
        }
        if let Some(found) = self.find(name) {
            let view = found.view.is_some();
            return Ok(Some(if view {
                self.view(&found).await.map_err(external)?
            } else {
                self.scan(found, View::Plain)
            }));
        }
        Ok(names::split_rows(name).and_then(|table| self.find(table)).map(|table| self.scan(table, View::Rows)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.batches.contains_key(name) || self.find(name).is_some()
    }
}
