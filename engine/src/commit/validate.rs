//! COMMIT: a transaction is validated against every commit since its snapshot and becomes one write set.
//!
//! Promises: SERIALIZABLE. A transaction commits only if, run at its commit position instead of its snapshot, it would
//! have read and written the same. Otherwise it loses with 40001 and changes nothing.
//! Never: a conflict is overlooked because a statement did not keep what it read; then the whole table counts as read.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use firn_manifest::canary;
use firn_manifest::ids::{Position, TableId};
use firn_manifest::schema::TableSchema;
use firn_segment::key::Key;
use firn_segment::record::RowOp;
use firn_segment::types::storage_schema;

use super::apply::{RecentCommit, RecentTable, State};
use super::core::Core;
use super::transaction::{Read, Transaction};
use super::{Committed, Delete, TableWrite, WriteRequest, WriteSet};
use crate::error::{Error, Result, sqlstate};
use crate::state::Snapshot;
use crate::state::overlay::OwnTable;
use crate::state::rows::{sql_column, sql_schema, stored_column};

fn conflict(why: impl Into<String>) -> Error {
    Error::statement(sqlstate::SERIALIZATION_FAILURE, "could not serialize access due to concurrent commits")
        .with_detail(why)
        .with_hint("nothing was changed; run the transaction again")
}

impl Core {
    /// Commits a transaction.
    ///
    /// # Errors
    /// 40001 when a concurrent commit conflicts; otherwise as [`Core::write`].
    pub async fn commit(self: &Arc<Self>, request: WriteRequest, transaction: Transaction) -> Result<Committed> {
        let core = self.clone();
        self.write(request, move |newest| async move {
            if newest.position() > transaction.position() {
                check_reads(&core.state.read(), &transaction)?;
            }
            write_set(&newest, transaction).await
        })
        .await
    }
}

fn check_reads(state: &State, transaction: &Transaction) -> Result<()> {
    let base = transaction.position();
    if base < state.recent_floor {
        return Err(conflict("the transaction is older than the commits kept for validation"));
    }
    let reads = transaction.reads.lock();
    let from = if canary!(ConflictBaseOff) { base.next() } else { base };
    let touched: HashSet<TableId> =
        reads.iter().map(|r| r.table).chain(transaction.overlay.tables().keys().copied()).collect();
    for commit in state.recent.iter().filter(|c| c.position > from) {
        if commit.changes_catalog && !(touched.is_empty() && transaction.overlay.changes().is_empty()) {
            return Err(conflict(format!("the schema changed at position {}", commit.position)));
        }
        if !transaction.overlay.changes().is_empty() && commit.tables.iter().any(|t| touched.contains(&t.table)) {
            return Err(conflict(format!("a table it alters was written at position {}", commit.position)));
        }
        for read in reads.iter() {
            if read.table == TableId::FIRST_USER && canary!(ValidationSkipped) {
                continue;
            }
            check_read(state, commit, read)?;
        }
    }
    Ok(())
}

fn check_read(state: &State, commit: &RecentCommit, read: &Read) -> Result<()> {
    if read.table == TableId::COMMITS {
        return Err(conflict(format!(
            "it read firn_commits, which the commit at position {} changed",
            commit.position
        )));
    }
    let Some(changed) = commit.tables.iter().find(|t| t.table == read.table) else { return Ok(()) };
    let Some(schema) = state.schema(read.table) else { return Ok(()) };
    if touches(schema, changed, read)? {
        return Err(conflict(format!(
            "rows of table {:?} that it read were changed at position {}",
            schema.name, commit.position
        )));
    }
    Ok(())
}

fn touches(schema: &TableSchema, changed: &RecentTable, read: &Read) -> Result<bool> {
    let Some(predicate) = &read.predicate else { return Ok(true) };
    if changed.forgotten || (changed.ended_rows > 0 && changed.ended.is_none()) {
        return Ok(true);
    }
    if let Some(ended) = &changed.ended
        && matches(predicate.as_ref(), ended)?
    {
        return Ok(true);
    }
    if let Some(inserted) = &changed.inserted {
        let columns = schema.columns.iter().map(|c| sql_column(inserted, c)).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(inserted.num_rows()));
        let batch = RecordBatch::try_new_with_options(sql_schema(schema, true), columns, &options)
            .map_err(|e| Error::internal(format!("validation: {e}")))?;
        return matches(predicate.as_ref(), &batch);
    }
    Ok(false)
}

/// Whether some row satisfies the predicate; one that cannot be evaluated counts as satisfied.
fn matches(predicate: &dyn datafusion::physical_expr::PhysicalExpr, batch: &RecordBatch) -> Result<bool> {
    let Ok(value) = predicate.evaluate(batch).and_then(|v| v.into_array(batch.num_rows())) else { return Ok(true) };
    Ok(value
        .as_any()
        .downcast_ref::<BooleanArray>()
        .is_none_or(|mask| (0..mask.len()).any(|i| mask.is_valid(i) && mask.value(i))))
}

/// The transaction's writes against the newest state.
async fn write_set(newest: &Snapshot, transaction: Transaction) -> Result<WriteSet> {
    let base = transaction.position();
    let mut set = WriteSet {
        kind: "TRANSACTION".to_owned(),
        catalog: transaction.overlay.changes().to_vec(),
        tables: Vec::new(),
        answers: transaction.answers.clone(),
    };
    let mut ids: Vec<TableId> = transaction.overlay.tables().keys().copied().collect();
    ids.sort_unstable();
    for id in ids {
        let Some(own) = transaction.overlay.table(id) else { continue };
        // a table that the transaction itself dropped takes no rows with it
        if transaction.overlay.catalog().by_id(id, base).is_none() {
            continue;
        }
        set.tables.push(table_write(newest, own, base).await?);
    }
    Ok(set)
}

async fn table_write(newest: &Snapshot, own: &OwnTable, base: Position) -> Result<TableWrite> {
    let schema = own.schema.clone();
    let mut superseded: Vec<Key> = own.superseded.keys().cloned().collect();
    superseded.sort_unstable();
    let found = newest.locate(&schema, &superseded).await?;
    let mut deletes = Vec::with_capacity(superseded.len());
    for (key, found) in superseded.into_iter().zip(found) {
        let Some(found) = found else {
            return Err(conflict(format!("a row of table {:?} that it changed was deleted", schema.name)));
        };
        if found.begin > base && newest.exact_begin(&schema, found).await? > base {
            return Err(conflict(format!("a row of table {:?} that it changed was changed", schema.name)));
        }
        deletes.push(Delete { key, found });
    }
    let (inserts, operations, keys) = live_rows(&schema, own)?;
    let fresh: Vec<Key> = keys.into_iter().filter(|key| !own.superseded.contains_key(key)).collect();
    if newest.locate(&schema, &fresh).await?.iter().any(Option::is_some) {
        return Err(conflict(format!("a key that it inserted into table {:?} was inserted", schema.name)));
    }
    let old_rows = match &own.old_rows {
        Some(batches) if !batches.is_empty() => {
            let whole = sql_schema(&schema, true);
            batches
                .iter()
                .all(|b| b.schema_ref().fields() == whole.fields())
                .then(|| concat_batches(&whole, batches))
                .transpose()
                .map_err(|e| Error::internal(format!("validation: {e}")))?
        }
        _ => None,
    };
    Ok(TableWrite { schema, deletes, inserts, operations, old_rows })
}

/// The rows that are left of all its statements, in the newest schema.
fn live_rows(schema: &TableSchema, own: &OwnTable) -> Result<(Option<RecordBatch>, Vec<RowOp>, Vec<Key>)> {
    let stored = storage_schema(schema);
    let (mut batches, mut operations, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for chunk in &own.chunks {
        let rows: Vec<u32> = (0u32..).zip(&chunk.live).filter(|(_, live)| **live).map(|(row, _)| row).collect();
        if rows.is_empty() {
            continue;
        }
        for row in &rows {
            let key = chunk.keys.get(*row as usize).cloned().unwrap_or_default();
            // a row that was inserted and updated in this transaction is an insert to everybody else
            let updates = own.superseded.contains_key(&key);
            operations.push(if updates { RowOp::Update } else { RowOp::Insert });
            keys.push(key);
        }
        let columns = schema.columns.iter().map(|c| stored_column(&chunk.batch, c)).collect::<Result<Vec<_>>>()?;
        let batch =
            RecordBatch::try_new(stored.clone(), columns).map_err(|e| Error::internal(format!("transaction: {e}")))?;
        batches.push(
            take_record_batch(&batch, &UInt32Array::from(rows))
                .map_err(|e| Error::internal(format!("transaction: {e}")))?,
        );
    }
    if batches.is_empty() {
        return Ok((None, operations, keys));
    }
    let all = concat_batches(&stored, &batches).map_err(|e| Error::internal(format!("transaction: {e}")))?;
    Ok((Some(all), operations, keys))
}
