//! Rows of a table by the values of some of its columns: those that refer to a key, or hold a unique value.
//!
//! Promises: what is found is what the statement's snapshot sees, a transaction's own writes included; a transaction
//! counts the values as read whether rows were found or not.
//! Never: a table is scanned when its key or one of its indexes holds the columns.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{concat_batches, filter_record_batch, take};
use arrow::datatypes::UInt64Type;
use firn_manifest::ids::{ColumnId, Position};
use firn_manifest::schema::{ColumnType, TableSchema};
use firn_segment::key::{encode_entries, encode_keys};
use futures::StreamExt;
use std::sync::Arc;

use crate::commit::{Delete, Read};
use crate::error::{Error, Result};
use crate::sql::context::BATCH_ROWS;
use crate::sql::keys;
use crate::sql::query::Query;
use crate::sql::write::{MAX_TOUCHED_BYTES, bytes_of, check_size};
use crate::state::index::after;
use crate::state::{Found, IndexRead, Loc, ScanAt, ScanColumn, ScanRequest, sql_schema};

/// Entries of an index beyond which the table is scanned.
const MOST_ENTRIES: usize = 65_536;

/// Rows found, in one order.
#[derive(Debug)]
pub struct Matching {
    /// where each stands, with its key
    pub deletes: Vec<Delete>,
    /// each in full, SQL types
    pub rows: RecordBatch,
    /// which of the asked tuples each holds
    pub tuples: Vec<usize>,
}

/// The types of some columns.
///
/// # Errors
/// When the table lacks one.
pub fn types_of(table: &TableSchema, columns: &[ColumnId]) -> Result<Vec<ColumnType>> {
    let ty = |id: &ColumnId| table.column(*id).map(|c| c.ty);
    columns.iter().map(ty).collect::<Option<_>>().ok_or_else(|| lacks(table))
}

fn lacks(table: &TableSchema) -> Error {
    Error::internal(format!("table \"{}\" lacks a column of a constraint", table.name))
}

/// Some columns of whole rows.
///
/// # Errors
/// When the table lacks one.
pub fn columns_of(table: &TableSchema, arrays: &[ArrayRef], columns: &[ColumnId]) -> Result<Vec<ArrayRef>> {
    let place = |id: &ColumnId| table.columns.iter().position(|c| c.id == *id).and_then(|at| arrays.get(at)).cloned();
    columns.iter().map(place).collect::<Option<_>>().ok_or_else(|| lacks(table))
}

/// Whether both name the same columns.
#[must_use]
pub fn same_columns(a: &[ColumnId], b: &[ColumnId]) -> bool {
    a.len() == b.len() && a.iter().all(|id| b.contains(id))
}

/// The tuples without those in which some value is NULL.
///
/// # Errors
/// None that a statement can cause.
pub fn without_nulls(arrays: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
    let rows = arrays.first().map_or(0, Array::len);
    if arrays.iter().all(|a| a.null_count() == 0) {
        return Ok(arrays.to_vec());
    }
    let whole = (0u32..).take(rows).filter(|row| arrays.iter().all(|a| a.is_valid(*row as usize)));
    chosen(arrays, &whole.collect::<Vec<u32>>())
}

/// Some rows of arrays.
///
/// # Errors
/// None that a statement can cause.
pub fn chosen(arrays: &[ArrayRef], rows: &[u32]) -> Result<Vec<ArrayRef>> {
    let rows = UInt32Array::from(rows.to_vec());
    let picked = arrays.iter().map(|a| take(a, &rows, None)).collect::<std::result::Result<Vec<_>, _>>();
    picked.map_err(|e| Error::internal(format!("rows cannot be chosen: {e}")))
}

/// Finds the rows whose `columns` hold one of the tuples (no NULLs, SQL types of the columns).
///
/// # Errors
/// Store, key and integrity errors of the reads; 54000 when the rows are too many.
pub async fn find(table: &Arc<TableSchema>, columns: &[ColumnId], tuples: &[ArrayRef], q: &Query) -> Result<Matching> {
    let types = types_of(table, columns)?;
    let entries = encode_entries(tuples, &types)?;
    let mut wanted: HashMap<Vec<u8>, usize> = HashMap::with_capacity(entries.len());
    for (tuple, entry) in entries.into_iter().enumerate() {
        wanted.entry(entry).or_insert(tuple);
    }
    let predicate = record(table, columns, tuples, q)?;
    let mut request = ScanRequest {
        table: table.clone(),
        at: ScanAt::Position(q.snapshot().position()),
        columns: table.columns.iter().map(|c| ScanColumn::Column(c.id)).collect(),
        predicate,
        keys: None,
        ranges: None,
        index: None,
        partitions: 1,
        batch_size: BATCH_ROWS,
    };
    request.columns.extend([ScanColumn::Loc, ScanColumn::Begin]);
    narrow(&mut request, columns, tuples, q)?;
    let scan = q.snapshot().scan(request)?;
    let (mut batches, mut found, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut stream = scan.execute(0);
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let held = encode_entries(&columns_of(table, batch.columns(), columns)?, &types)?;
        let picks: Vec<Option<usize>> = held.iter().map(|entry| wanted.get(entry).copied()).collect();
        if picks.iter().all(Option::is_none) {
            continue;
        }
        let mask: BooleanArray = picks.iter().map(|p| Some(p.is_some())).collect();
        let batch =
            filter_record_batch(&batch, &mask).map_err(|e| Error::internal(format!("rows cannot be chosen: {e}")))?;
        bytes += bytes_of(&batch);
        check_size(bytes, MAX_TOUCHED_BYTES, "touches")?;
        found.extend(picks.into_iter().flatten());
        batches.push(batch);
    }
    let all =
        concat_batches(&scan.schema(), &batches).map_err(|e| Error::internal(format!("rows do not join: {e}")))?;
    located(table, &all, found)
}

/// Splits what a scan gave into rows and places.
fn located(table: &TableSchema, all: &RecordBatch, tuples: Vec<usize>) -> Result<Matching> {
    let (own, places) = all.columns().split_at(table.columns.len().min(all.num_columns()));
    let positions = |i: usize| places.get(i).and_then(|a| a.as_primitive_opt::<UInt64Type>());
    let (Some(locs), Some(begins)) = (positions(0), positions(1)) else {
        return Err(Error::internal("rows came without their places"));
    };
    let options = RecordBatchOptions::new().with_row_count(Some(all.num_rows()));
    let rows = RecordBatch::try_new_with_options(sql_schema(table, true), own.to_vec(), &options)
        .map_err(|e| Error::internal(format!("rows of table \"{}\" do not fit its schema: {e}", table.name)))?;
    let places = locs.values().iter().zip(begins.values());
    let deletes = keys::keys_of(table, own)?
        .into_iter()
        .zip(places)
        .map(|(key, (loc, begin))| Delete { key, found: Found { loc: Loc(*loc), begin: Position(*begin) } })
        .collect();
    Ok(Matching { deletes, rows, tuples })
}

/// Remembers that the statement depends on the rows that hold those tuples; gives the condition, when it is short.
///
/// # Errors
/// None that a statement can cause.
pub fn record(
    table: &TableSchema,
    columns: &[ColumnId],
    tuples: &[ArrayRef],
    q: &Query,
) -> Result<Option<Arc<dyn datafusion::physical_expr::PhysicalExpr>>> {
    let rows = tuples.first().map_or(0, Array::len);
    if rows == 0 {
        return Ok(None);
    }
    let all: Vec<usize> = (0..rows).collect();
    let short = rows <= keys::MAX_READ_KEYS;
    let predicate = if short { Some(keys::any_of(table, columns, tuples, &all)?) } else { None };
    q.record(Read { table: table.id, predicate: predicate.clone() });
    Ok(predicate)
}

/// Makes the scan one by key or by index where the columns allow it.
fn narrow(request: &mut ScanRequest, columns: &[ColumnId], tuples: &[ArrayRef], q: &Query) -> Result<()> {
    let table = request.table.clone();
    let in_order = |order: &[ColumnId]| -> Vec<ArrayRef> {
        let place = |id: &ColumnId| columns.iter().position(|c| c == id).and_then(|at| tuples.get(at)).cloned();
        order.iter().filter_map(place).collect()
    };
    if same_columns(columns, &table.key) {
        let mut wanted = encode_keys(&in_order(&table.key), &types_of(&table, &table.key)?)?;
        wanted.sort_unstable();
        wanted.dedup();
        request.keys = Some(wanted);
        return Ok(());
    }
    let snapshot = q.snapshot();
    for index in &table.indexes {
        let Some(first) = index.columns.get(..columns.len()).filter(|first| same_columns(first, columns)) else {
            continue;
        };
        let Some(entries) = snapshot.catalog().by_id(index.table, snapshot.position()) else { continue };
        let mut bounds = encode_entries(&in_order(first), &types_of(&table, first)?)?;
        bounds.sort_unstable();
        bounds.dedup();
        let ranges = bounds.into_iter().map(|low| (low.clone(), after(&low))).collect();
        let (name, entries) = (index.name.clone(), entries.clone());
        request.index = Some(IndexRead { name, entries, ranges, limit: MOST_ENTRIES });
        return Ok(());
    }
    Ok(())
}
