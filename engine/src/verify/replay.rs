//! State = Apply(Log) (I7): every row version is derived again from the log and compared with what the files hold.
//!
//! Promises: all versions of all tables are compared, so every position is. Memory grows with the number of open rows
//! (a key and a digest each), not with the data.
//! Never: a locator in the log is believed here; rows are found by key alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt8Array, UInt64Array};
use arrow::row::{RowConverter, SortField};
use firn_manifest::ids::{ColumnId, Position, Seq, TableId};
use firn_manifest::schema::{Column, TableSchema};
use firn_manifest::store::{Cause, Store};
use firn_segment::key::Key;
use firn_segment::record::{CommitRecord, RowOp};
use firn_segment::types::{read_as, storage_type};
use firn_segment::wal::{self, SegmentKind};
use futures::{StreamExt, TryStreamExt, stream};

use super::{ReplayReport, Report};
use crate::commit::{CommitRow, Core, Mark, commit_rows};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::state::catalog::Catalog;
use crate::state::lookup::chunk_keys;
use crate::state::rows::stored_column;
use crate::state::{ScanAt, ScanColumn, ScanRequest, Snapshot};

/// Segments read at once.
const READS: usize = 8;

/// All versions of a table, as a number and a sum that no order changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Versions {
    count: u64,
    sum: u128,
}

impl Versions {
    fn add(&mut self, row: u128, begin: u64, end: Option<u64>, operation: u8) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&row.to_le_bytes());
        hasher.update(&begin.to_le_bytes());
        hasher.update(&end.unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(&[operation]);
        self.count += 1;
        self.sum = self.sum.wrapping_add(first16(&hasher.finalize()));
    }
}

fn first16(hash: &blake3::Hash) -> u128 {
    let mut out = [0u8; 16];
    out.copy_from_slice(&hash.as_bytes()[..16]);
    u128::from_le_bytes(out)
}

/// Digests of rows, the same for a row whatever file or segment it came from.
struct RowDigests {
    columns: Vec<Column>,
    converter: RowConverter,
}

impl RowDigests {
    fn new(columns: Vec<Column>) -> Result<Self> {
        let fields = columns.iter().map(|c| SortField::new(storage_type(c.ty))).collect();
        let converter = RowConverter::new(fields).map_err(|e| Error::internal(format!("verify: {e}")))?;
        Ok(Self { columns, converter })
    }

    fn of_arrays(&self, arrays: &[ArrayRef]) -> Result<Vec<u128>> {
        let rows = self.converter.convert_columns(arrays).map_err(|e| Error::internal(format!("verify: {e}")))?;
        Ok(rows.iter().map(|row| first16(&blake3::hash(row.as_ref()))).collect())
    }

    fn of_stored(&self, batch: &RecordBatch) -> Result<Vec<u128>> {
        let arrays = self.columns.iter().map(|c| stored_column(batch, c)).collect::<Result<Vec<_>>>()?;
        self.of_arrays(&arrays)
    }
}

pub(super) async fn check(db: &Database, report: &mut Report) -> Result<()> {
    let store = db.store().for_cause(Cause::Verify);
    let core = Core::follower(&store, db.keys().as_ref(), db.options().flush).await?;
    let snapshot = core.durable_snapshot(&store);
    let upto = core.durable();
    let catalog = snapshot.catalog().clone();

    let mut replayed = Replay::new(catalog.clone());
    replayed.run(&core, &store, upto).await?;
    if replayed.catalog.to_manifest() != catalog.to_manifest()
        || replayed.catalog.schema_versions() != catalog.schema_versions()
    {
        report.find("I7", "manifest", "the catalog is not what the log gives");
    }
    let mut ids: Vec<TableId> =
        catalog.versions().iter().filter(|v| v.schema.view.is_none()).map(|v| v.schema.id).collect();
    ids.push(TableId::COMMITS);
    ids.sort_unstable();
    ids.dedup();
    let mut summary =
        ReplayReport { commits: replayed.commits, position: upto.position.0, tables: ids.len() as u64, versions: 0 };
    for id in ids {
        let from_log = replayed.versions(id);
        let from_files = stored_versions(&snapshot, &catalog, id).await?;
        summary.versions += from_files.count;
        if from_log != from_files {
            let name = catalog.any_version(id).map_or_else(|| id.to_string(), |s| s.name.clone());
            let problem = if from_log.count == from_files.count {
                format!("the {} row versions of table {name:?} are not those that the log gives", from_files.count)
            } else {
                format!("table {name:?} has {} row versions, the log gives {}", from_files.count, from_log.count)
            };
            report.find("I7", files_of(&snapshot, id), problem);
        }
    }
    report.replay = Some(summary);
    Ok(())
}

fn files_of(snapshot: &Snapshot, id: TableId) -> String {
    let names: Vec<String> = snapshot.table_data(id).files.iter().map(|f| f.entry.name.clone()).collect();
    if names.is_empty() { "wal".to_owned() } else { names.join(" ") }
}

/// A schema with every column the table ever had.
fn union_schema(catalog: &Catalog, id: TableId) -> Result<Arc<TableSchema>> {
    let newest = catalog.any_version(id).ok_or_else(|| Error::internal("a table without a schema"))?;
    Ok(Arc::new(TableSchema { columns: catalog.all_columns(id), ..(**newest).clone() }))
}

async fn stored_versions(snapshot: &Snapshot, catalog: &Catalog, id: TableId) -> Result<Versions> {
    let table = union_schema(catalog, id)?;
    let digests = RowDigests::new(table.columns.clone())?;
    let ids: Vec<ColumnId> = table.columns.iter().map(|c| c.id).collect();
    let mut columns: Vec<ScanColumn> = ids.into_iter().map(ScanColumn::Column).collect();
    let width = columns.len();
    columns.extend([ScanColumn::Begin, ScanColumn::End, ScanColumn::Op]);
    let scan = snapshot.scan(ScanRequest {
        table: table.clone(),
        at: ScanAt::AllVersions,
        columns,
        predicate: None,
        keys: None,
        ranges: None,
        index: None,
        partitions: 1,
        batch_size: 8192,
    })?;
    let mut versions = Versions::default();
    let mut batches = scan.execute(0);
    while let Some(batch) = batches.try_next().await? {
        let arrays = table
            .columns
            .iter()
            .zip(batch.columns())
            .map(|(c, array)| read_as(array, &storage_type(c.ty)).map_err(|e| Error::internal(format!("verify: {e}"))))
            .collect::<Result<Vec<_>>>()?;
        let rows = digests.of_arrays(&arrays)?;
        let system = (
            batch.column(width).as_any().downcast_ref::<UInt64Array>(),
            batch.column(width + 1).as_any().downcast_ref::<UInt64Array>(),
            batch.column(width + 2).as_any().downcast_ref::<UInt8Array>(),
        );
        let (Some(begins), Some(ends), Some(operations)) = system else {
            return Err(Error::internal("verify: system columns of another type"));
        };
        for (i, row) in rows.into_iter().enumerate() {
            let end = ends.is_valid(i).then(|| ends.value(i));
            versions.add(row, begins.value(i), end, operations.value(i));
        }
    }
    Ok(versions)
}

/// The log's side: open rows by key, and the sum of those that have ended.
struct Replay {
    /// the files' catalog names every column a table will ever have
    known: Catalog,
    catalog: Catalog,
    tables: BTreeMap<TableId, TableReplay>,
    commits: u64,
}

struct TableReplay {
    schema: Arc<TableSchema>,
    digests: RowDigests,
    open: HashMap<Key, (u128, u64, u8)>,
    ended: Versions,
}

impl Replay {
    fn new(known: Catalog) -> Self {
        Self { known, catalog: Catalog::default(), tables: BTreeMap::new(), commits: 0 }
    }

    async fn run(&mut self, core: &Core, store: &Store, upto: Mark) -> Result<()> {
        let keys = core.keys();
        let mut segments = stream::iter((1..=upto.seq.0).map(|seq| {
            let name = wal::segment_key(Seq(seq));
            async move {
                let bytes = store.get(&name).await?;
                Ok::<_, Error>(wal::inspect(&name, bytes)?)
            }
        }))
        .buffered(READS);
        while let Some(segment) = segments.try_next().await? {
            let frames = segment.frames(&keys)?;
            if segment.header.kind != SegmentKind::Data {
                continue;
            }
            let mut rows = Vec::with_capacity(frames.len());
            for frame in frames {
                let record = CommitRecord::decode(&frame)?;
                rows.push(self.apply(&record)?);
            }
            let mark = Mark { seq: segment.header.seq, hash: segment.hash, ..upto };
            let (batch, _, keys) = commit_rows(&mark, &rows.iter().collect::<Vec<_>>())?;
            for (i, (row, key)) in rows.iter().zip(keys).enumerate() {
                self.insert(TableId::COMMITS, &batch.slice(i, 1), &[RowOp::Insert], vec![key], row.position)?;
            }
        }
        Ok(())
    }

    fn apply(&mut self, record: &CommitRecord) -> Result<CommitRow> {
        let row = CommitRow::of_catalog(record, &self.catalog);
        for change in &record.catalog {
            self.catalog.apply(change, record.position)?;
        }
        for change in &record.changes {
            let table = self.table(change.table)?;
            for deleted in &change.deletes {
                let Some((row, begin, operation)) = table.open.remove(&deleted.key) else {
                    return Err(Error::integrity(
                        format!("commit record {}", record.position),
                        format!("it ends a row of table {} that the log does not have", change.table),
                    ));
                };
                table.ended.add(row, begin, Some(record.position.0), operation);
            }
            if let Some(batch) = &change.inserts {
                let keys = chunk_keys(&table.schema, batch)?;
                self.insert(change.table, batch, &change.operations, keys, record.position)?;
            }
        }
        self.commits += 1;
        Ok(row)
    }

    fn insert(
        &mut self,
        id: TableId,
        batch: &RecordBatch,
        operations: &[RowOp],
        keys: Vec<Key>,
        at: Position,
    ) -> Result<()> {
        let table = self.table(id)?;
        let rows = table.digests.of_stored(batch)?;
        for ((row, key), operation) in rows.into_iter().zip(keys).zip(operations) {
            if table.open.insert(key, (row, at.0, *operation as u8)).is_some() {
                return Err(Error::integrity(
                    format!("commit record {at}"),
                    format!("it begins a second open row of one key in table {id}"),
                ));
            }
        }
        Ok(())
    }

    fn table(&mut self, id: TableId) -> Result<&mut TableReplay> {
        use std::collections::btree_map::Entry;
        match self.tables.entry(id) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let schema = union_schema(&self.known, id)?;
                let digests = RowDigests::new(schema.columns.clone())?;
                Ok(entry.insert(TableReplay { schema, digests, open: HashMap::new(), ended: Versions::default() }))
            }
        }
    }

    fn versions(&self, id: TableId) -> Versions {
        let Some(table) = self.tables.get(&id) else { return Versions::default() };
        let mut all = table.ended;
        for (row, begin, operation) in table.open.values() {
            all.add(*row, *begin, None, *operation);
        }
        all
    }
}
