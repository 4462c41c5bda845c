//! What `firn_commits` holds of a commit, and the answers of request ids seen before.
//!
//! Promises: a request id that any acknowledged commit carried is found again, over restarts and failover, because it
//! stands in the commit record itself.
//! Never: an answer is given for a request whose commit is not durable.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, Int64Array, RecordBatch, StringArray, StringViewArray,
    TimestampMicrosecondArray,
};
use firn_manifest::ids::{ColumnId, Position, TableId};
use firn_segment::key::{Key, encode_keys};
use firn_segment::record::{Answer, CommitRecord, RowOp, TableChange, decode_answers, encode_answers};
use firn_segment::types::storage_schema;
use futures::TryStreamExt;
use parking_lot::Mutex;

use super::Committed;
use super::apply::State;
use super::durable::Mark;
use crate::error::{Error, Result};
use crate::state::catalog::{Catalog, commits_schema};
use crate::state::{ScanAt, ScanColumn, ScanRequest, Snapshot};

/// One row of `firn_commits`, but for the segment it stands in.
#[derive(Clone, Debug)]
pub(crate) struct CommitRow {
    pub(crate) position: Position,
    pub(crate) commit_time: i64,
    pub(crate) actor: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) kind: String,
    pub(crate) tables: String,
    pub(crate) rows: u64,
    pub(crate) answers: Vec<Answer>,
}

impl CommitRow {
    /// The row of a record; `state` is the one before it and names its tables.
    pub(crate) fn of(record: &CommitRecord, state: &State) -> Self {
        Self::of_catalog(record, &state.catalog)
    }

    /// As [`Self::of`], with the catalog alone.
    pub(crate) fn of_catalog(record: &CommitRecord, catalog: &Catalog) -> Self {
        let entries = |id: TableId| {
            let made_here = |change: &firn_manifest::schema::CatalogChange| match change {
                firn_manifest::schema::CatalogChange::Create { schema } => schema.id == id && schema.index_of.is_some(),
                _ => false,
            };
            catalog.any_version(id).is_some_and(|s| s.index_of.is_some()) || record.catalog.iter().any(made_here)
        };
        let mut ids: Vec<TableId> = record.changes.iter().map(|c| c.table).collect();
        ids.extend(record.catalog.iter().filter_map(|change| match change {
            firn_manifest::schema::CatalogChange::Create { schema }
            | firn_manifest::schema::CatalogChange::Alter { schema } => Some(schema.id),
            firn_manifest::schema::CatalogChange::Drop { id } => Some(*id),
            _ => None,
        }));
        let mut names: Vec<String> = Vec::new();
        for id in ids.into_iter().filter(|id| !entries(*id)) {
            let name = record
                .catalog
                .iter()
                .find_map(|change| match change {
                    firn_manifest::schema::CatalogChange::Create { schema }
                    | firn_manifest::schema::CatalogChange::Alter { schema }
                        if schema.id == id =>
                    {
                        Some(schema.qualified_name())
                    }
                    _ => None,
                })
                .or_else(|| catalog.any_version(id).map(|s| s.qualified_name()));
            if let Some(name) = name
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        Self {
            position: record.position,
            commit_time: record.commit_time,
            actor: record.actor.clone(),
            request_id: record.request_id.clone(),
            reason: record.reason.clone(),
            kind: record.kind.clone(),
            tables: names.join(","),
            rows: record.changes.iter().filter(|c| !entries(c.table)).map(rows_of).sum(),
            answers: record.answers.clone(),
        }
    }
}

/// Rows a change inserted, updated or deleted; an update is one deleted and one inserted row.
fn rows_of(change: &TableChange) -> u64 {
    let inserted = change.inserts.as_ref().map_or(0, RecordBatch::num_rows);
    inserted.max(change.deletes.len()) as u64
}

/// The rows of one segment as the commits table stores them, with their keys.
pub(crate) fn commit_rows(mark: &Mark, rows: &[&CommitRow]) -> Result<(RecordBatch, Vec<RowOp>, Vec<Key>)> {
    let text = |pick: fn(&CommitRow) -> Option<&str>| -> ArrayRef {
        Arc::new(StringArray::from_iter(rows.iter().map(|r| pick(r))))
    };
    let number = |pick: fn(&CommitRow) -> u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| i64::try_from(pick(r)).unwrap_or(i64::MAX))))
    };
    let seq = i64::try_from(mark.seq.0).unwrap_or(i64::MAX);
    let positions = number(|r| r.position.0);
    let answers: Vec<Option<Vec<u8>>> = rows
        .iter()
        .map(|r| r.request_id.is_some().then(|| encode_answers(&r.answers)).transpose())
        .collect::<Result<_, _>>()?;
    let columns: Vec<ArrayRef> = vec![
        positions.clone(),
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| r.commit_time)).with_timezone("UTC")),
        text(|r| r.actor.as_deref()),
        text(|r| r.request_id.as_deref()),
        text(|r| r.reason.as_deref()),
        text(|r| Some(&r.kind)),
        text(|r| Some(&r.tables)),
        number(|r| r.rows),
        Arc::new(Int64Array::from(vec![seq; rows.len()])),
        Arc::new(StringArray::from(vec![mark.hash.to_string(); rows.len()])),
        Arc::new(BinaryArray::from_iter(answers)),
    ];
    let schema = commits_schema();
    let batch = RecordBatch::try_new(storage_schema(schema), columns)
        .map_err(|e| Error::internal(format!("firn_commits: {e}")))?;
    let keys = encode_keys(&[positions], &[firn_manifest::schema::ColumnType::BigInt])?;
    Ok((batch, vec![RowOp::Insert; rows.len()], keys))
}

/// Request ids that the files hold, as hashes: read once, when the first request with an id comes.
#[derive(Debug, Default)]
pub(crate) struct RequestIndex {
    positions: Mutex<HashMap<u64, Vec<Position>>>,
}

fn hash_of(id: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(id)
}

fn scan_of(snapshot: &Snapshot, columns: &[u64], keys: Option<Vec<Key>>) -> ScanRequest {
    ScanRequest {
        table: commits_schema().clone(),
        at: ScanAt::Position(snapshot.position()),
        columns: columns.iter().map(|id| ScanColumn::Column(ColumnId(*id))).collect(),
        predicate: None,
        keys,
        ranges: None,
        index: None,
        partitions: 1,
        batch_size: 8192,
    }
}

impl RequestIndex {
    /// Reads the ids of every commit the snapshot sees.
    pub(crate) async fn load(snapshot: &Snapshot) -> Result<Self> {
        let index = Self::default();
        let mut batches = snapshot.scan(scan_of(snapshot, &[1, 4], None))?.execute(0);
        while let Some(batch) = batches.try_next().await? {
            let (Some(positions), Some(ids)) = (
                batch.column(0).as_any().downcast_ref::<Int64Array>(),
                batch.column(1).as_any().downcast_ref::<StringViewArray>(),
            ) else {
                return Err(Error::internal("firn_commits has other columns than expected"));
            };
            for row in (0..batch.num_rows()).filter(|row| ids.is_valid(*row)) {
                let position = Position(u64::try_from(positions.value(row)).unwrap_or_default());
                index.extend([(ids.value(row), position)]);
            }
        }
        Ok(index)
    }

    /// Adds ids whose commits have just gone into files.
    pub(crate) fn extend<S: AsRef<str>>(&self, ids: impl IntoIterator<Item = (S, Position)>) {
        let mut positions = self.positions.lock();
        for (id, position) in ids {
            positions.entry(hash_of(id.as_ref())).or_default().push(position);
        }
    }

    /// The first answer of `id`, if the snapshot has seen it.
    pub(crate) async fn answer(&self, snapshot: &Snapshot, id: &str) -> Result<Option<Committed>> {
        let Some(positions) = self.positions.lock().get(&hash_of(id)).cloned() else { return Ok(None) };
        for position in &positions {
            let at: ArrayRef = Arc::new(Int64Array::from(vec![i64::try_from(position.0).unwrap_or(i64::MAX)]));
            let keys = encode_keys(&[at], &[firn_manifest::schema::ColumnType::BigInt])?;
            let mut batches = snapshot.scan(scan_of(snapshot, &[1, 2, 4, 11], Some(keys)))?.execute(0);
            while let Some(batch) = batches.try_next().await? {
                if let Some(found) = read_answer(&batch, *position, id)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }
}

fn read_answer(batch: &RecordBatch, position: Position, id: &str) -> Result<Option<Committed>> {
    let columns = (
        batch.column(0).as_any().downcast_ref::<Int64Array>(),
        batch.column(1).as_any().downcast_ref::<TimestampMicrosecondArray>(),
        batch.column(2).as_any().downcast_ref::<StringViewArray>(),
        batch.column(3).as_any().downcast_ref::<BinaryViewArray>(),
    );
    let (Some(positions), Some(times), Some(ids), Some(answers)) = columns else {
        return Err(Error::internal("firn_commits has other columns than expected"));
    };
    for row in 0..batch.num_rows() {
        let here = u64::try_from(positions.value(row)).ok() == Some(position.0);
        if here && ids.is_valid(row) && ids.value(row) == id {
            return Ok(Some(Committed {
                position,
                commit_time: times.value(row),
                answers: if answers.is_valid(row) { decode_answers(answers.value(row))? } else { Vec::new() },
                replayed: true,
            }));
        }
    }
    Ok(None)
}
