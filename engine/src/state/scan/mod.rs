//! Scans: the rows of one table as of one position, or all their versions, as streams of batches.
//!
//! Promises: a version comes out exactly when `_begin <= p < _end`; a scan can be executed again and answers the same.
//! Never: more than a batch a source is held in memory.

mod file;
mod memory;
mod selected;

use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;
use firn_manifest::ids::{ColumnId, Position};
use firn_manifest::schema::{ColumnType, TableSchema};
use firn_manifest::store::Store;
use firn_segment::key::Key;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::OnceCell;

pub use self::selected::Selected;
use super::columns::Share;
use super::files::SstFile;
use super::index::IndexRead;
use super::prune::Pruner;
use super::rows::{sql_field, sql_schema};
use super::snapshot::{Snapshot, TableData};
use crate::error::{BatchStream, Error, Result};

/// How many files are opened at once.
const OPEN_AHEAD: usize = 16;

/// Which versions a scan sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanAt {
    /// those visible at the position
    Position(Position),
    /// every version that began at or before the snapshot's position
    AllVersions,
}

/// A column of a scan's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanColumn {
    /// a column of the table, by its name, in SQL type
    Column(ColumnId),
    /// `_begin`: the position the version began at, UInt64
    Begin,
    /// `_end`: the position it ended at, UInt64, NULL while open
    End,
    /// `_op`: how it came, UInt8 (0 insert, 1 update)
    Op,
    /// `_loc`: where it stands, UInt64 ([`super::Loc`])
    Loc,
}

/// What to scan.
#[derive(Clone, Debug)]
pub struct ScanRequest {
    /// the table, in the version valid at `at`
    pub table: Arc<TableSchema>,
    /// which versions
    pub at: ScanAt,
    /// the output's columns
    pub columns: Vec<ScanColumn>,
    /// over the table's full SQL schema; skips what cannot match, filters nothing
    pub predicate: Option<Arc<dyn PhysicalExpr>>,
    /// only rows with these keys are asked for (others may come too); sorted
    pub keys: Option<Vec<Key>>,
    /// only rows whose keys lie in one of these ranges `low <= key < high` are asked for (others may come too)
    pub ranges: Option<Vec<(Key, Key)>>,
    /// the index that says which rows are asked for
    pub index: Option<IndexRead>,
    /// streams to spread the rows over, at least 1
    pub partitions: usize,
    /// rows a batch, at most
    pub batch_size: usize,
}

/// A planned scan.
#[derive(Clone)]
pub struct Scan {
    inner: Arc<Inner>,
}

struct Inner {
    snapshot: Snapshot,
    data: TableData,
    request: ScanRequest,
    schema: SchemaRef,
    pruner: Option<Pruner>,
    /// which row groups' columns are kept for later scans, when they are read whole
    kept: Share,
    units: OnceCell<Vec<Unit>>,
    /// the keys that the index gave; `None` when they were too many
    resolved: OnceLock<Option<Vec<Key>>>,
}

/// A piece of work of a scan; units are dealt to the partitions in turn.
#[derive(Clone, Debug)]
enum Unit {
    /// chunks of the memtable, by ordinal
    Memory(std::ops::Range<u32>),
    /// the transaction's own rows
    Own,
    /// one row group of a file
    File { ordinal: u32, row_group: usize },
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan").field("table", &self.inner.request.table.name).finish_non_exhaustive()
    }
}

impl Scan {
    pub(super) fn new(snapshot: Snapshot, request: ScanRequest) -> Result<Self> {
        let table = &request.table;
        let mut fields = Vec::with_capacity(request.columns.len());
        for column in &request.columns {
            fields.push(match column {
                ScanColumn::Column(id) => sql_field(
                    table
                        .column(*id)
                        .ok_or_else(|| Error::internal(format!("table {:?} has no column number {id}", table.name)))?,
                ),
                ScanColumn::Begin => Field::new("_begin", DataType::UInt64, false),
                ScanColumn::End => Field::new("_end", DataType::UInt64, true),
                ScanColumn::Op => Field::new("_op", DataType::UInt8, false),
                ScanColumn::Loc => Field::new("_loc", DataType::UInt64, false),
            });
        }
        let pruner = request.predicate.as_ref().and_then(|p| Pruner::new(p, sql_schema(table, true), table.clone()));
        let data = snapshot.table_data(table.id);
        let width: u64 = request.columns.iter().map(|column| usual_width(column, table)).sum();
        let stored: u64 = data.files.iter().map(|file| file.entry.rows).sum();
        let kept = Share::of(stored.saturating_mul(width));
        Ok(Self {
            inner: Arc::new(Inner {
                kept,
                snapshot,
                data,
                request,
                schema: Arc::new(Schema::new(fields)),
                pruner,
                units: OnceCell::new(),
                resolved: OnceLock::new(),
            }),
        })
    }

    /// The output's schema.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.inner.schema.clone()
    }

    /// How many streams there are.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.inner.request.partitions.max(1)
    }

    /// The position whose versions come out.
    #[must_use]
    pub fn at(&self) -> Position {
        self.inner.at()
    }

    /// How many files can hold rows of it.
    #[must_use]
    pub fn files(&self) -> usize {
        self.inner.files().count()
    }

    /// How many files the table has.
    #[must_use]
    pub fn all_files(&self) -> usize {
        self.inner.data.files.len()
    }

    /// Rows at the most, before any filter.
    #[must_use]
    pub fn estimated_rows(&self) -> u64 {
        let files: u64 = self
            .inner
            .files()
            .map(|(_, f)| f.entry.rows - f.entry.vector.as_ref().map_or(0, |v| v.dead.min(f.entry.rows)))
            .sum();
        let memory: usize = self.inner.data.mem.chunks(self.inner.at()).iter().map(|c| c.batch.num_rows()).sum();
        files + memory as u64
    }

    /// How many rows come out, where the snapshot tells without reading any.
    #[must_use]
    pub fn exact_rows(&self) -> Option<u64> {
        let inner = &self.inner;
        let request = &inner.request;
        let by_key = request.keys.is_some() || request.ranges.is_some() || request.index.is_some();
        let chosen = by_key || request.predicate.is_some();
        if chosen || inner.all_versions() || inner.own().is_some() {
            return None;
        }
        let at = inner.at();
        let files: u64 = inner.files().map(|(_, file)| file.rows_at(at)).sum::<Option<u64>>()?;
        let memory: usize = inner.data.mem.chunks(at).iter().map(|chunk| chunk.rows_at(at)).sum();
        Some(files + memory as u64)
    }

    /// The rows of one partition.
    #[must_use]
    pub fn execute(&self, partition: usize) -> BatchStream {
        let inner = self.inner.clone();
        let partitions = self.partitions();
        let units = async move {
            let units = inner.units().await?.clone();
            let mine: Vec<Unit> = units.into_iter().skip(partition).step_by(partitions).collect();
            let streams = stream::iter(mine).map(move |unit| Ok::<_, Error>(Inner::run(inner.clone(), unit)));
            Ok::<_, Error>(streams.try_flatten())
        };
        Box::pin(stream::once(units).try_flatten())
    }
}

/// Bytes that a value of the column takes in memory, as a guess.
fn usual_width(column: &ScanColumn, table: &TableSchema) -> u64 {
    let ScanColumn::Column(id) = column else { return 8 };
    match table.column(*id).map(|column| sql_field(column).data_type().primitive_width()) {
        Some(Some(bytes)) => bytes as u64,
        _ => 24,
    }
}

impl Inner {
    fn at(&self) -> Position {
        match self.request.at {
            ScanAt::Position(p) => p.min(self.snapshot.position()),
            ScanAt::AllVersions => self.snapshot.position(),
        }
    }

    fn all_versions(&self) -> bool {
        self.request.at == ScanAt::AllVersions
    }

    /// Whether the transaction's own writes belong to what this scan sees.
    fn sees_own(&self) -> bool {
        match self.request.at {
            ScanAt::Position(p) => p >= self.snapshot.position(),
            ScanAt::AllVersions => false,
        }
    }

    fn own(&self) -> Option<&super::overlay::OwnTable> {
        if !self.sees_own() {
            return None;
        }
        self.snapshot.overlay.as_ref().and_then(|o| o.table(self.request.table.id))
    }

    /// The keys that are asked for, once they are known.
    fn keys(&self) -> Option<&Vec<Key>> {
        self.request.keys.as_ref().or_else(|| self.resolved.get().and_then(Option::as_ref))
    }

    fn files(&self) -> impl Iterator<Item = (u32, &Arc<SstFile>)> {
        let at = self.at();
        let all = self.all_versions();
        (0u32..).zip(self.data.files.iter()).filter(move |(_, f)| {
            let in_time = if all { f.entry.min_begin <= at } else { f.may_see(at) };
            let by_key = self.keys().is_none_or(|keys| keys.iter().any(|k| f.spans(k)));
            let ranges = self.request.ranges.as_ref();
            let by_range = ranges.is_none_or(|all| all.iter().any(|(low, high)| f.overlaps(low, high)));
            in_time && by_key && by_range
        })
    }

    async fn units(&self) -> Result<&Vec<Unit>> {
        self.units.get_or_try_init(|| self.plan()).await
    }

    async fn plan(&self) -> Result<Vec<Unit>> {
        if let Some(index) = &self.request.index {
            let keys = self.snapshot.keys_by_index(index, self.request.at).await?;
            let _ = self.resolved.set(keys);
        }
        let mut units = Vec::new();
        let columns = self.snapshot.file_columns(self.request.table.id);
        // the tails and vectors of the files that can matter are read side by side: one round trip
        let store = self.snapshot.store.round();
        let files: Vec<(u32, Arc<SstFile>)> = self.files().map(|(ordinal, file)| (ordinal, file.clone())).collect();
        let opened: Vec<Vec<Unit>> =
            stream::iter(files.into_iter().map(|(ordinal, file)| self.open(&store, ordinal, file, &columns)))
                .buffered(OPEN_AHEAD)
                .try_collect()
                .await?;
        units.extend(opened.into_iter().flatten());
        units.extend(memory::units(self));
        if self.own().is_some() {
            units.push(Unit::Own);
        }
        Ok(units)
    }

    /// Opens one file and finds the row groups to read.
    async fn open(
        &self,
        store: &Store,
        ordinal: u32,
        file: Arc<SstFile>,
        columns: &[(ColumnId, ColumnType)],
    ) -> Result<Vec<Unit>> {
        let keys = &self.snapshot.view.keys;
        let (reader, _) = futures::try_join!(file.reader(store, keys, columns), file.stored_vector(store, keys))?;
        let keep = match &self.pruner {
            Some(pruner) if !self.all_versions() => pruner.keep(&reader),
            _ => vec![true; reader.row_groups().len()],
        };
        let groups = keep.into_iter().enumerate().filter(|(_, keep)| *keep);
        Ok(groups.map(|(row_group, _)| Unit::File { ordinal, row_group }).collect())
    }

    fn run(inner: Arc<Self>, unit: Unit) -> BatchStream {
        match unit {
            Unit::Memory(chunks) => one(memory::chunks(&inner, chunks)),
            Unit::Own => one(memory::own(&inner)),
            Unit::File { ordinal, row_group } => file::row_group(inner, ordinal, row_group),
        }
    }
}

fn one(batches: Result<Vec<RecordBatch>>) -> BatchStream {
    match batches {
        Ok(batches) => Box::pin(stream::iter(batches.into_iter().map(Ok))),
        Err(error) => Box::pin(stream::iter([Err(error)])),
    }
}
