//! Primary keys of rows being written: their bytes, and the check that none exists twice.
//!
//! Promises: uniqueness is checked against the statement's own rows and against everything its snapshot sees; the
//! error names the table and the key in readable form.
//! Never: a row id of a table without a key is checked; the engine draws those.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, in_list, lit};
use firn_manifest::ids::ColumnId;
use firn_manifest::schema::{ColumnType, TableSchema};
use firn_segment::key::{Key, describe_key, encode_keys};
use firn_segment::types::column_to_sql;
use firn_segment::{SegmentError, SegmentErrorKind};

use super::errors;
use super::query::Query;
use crate::commit::Read;
use crate::error::{Error, Result, sqlstate};
use crate::state::{Found, sql_schema};

/// The keys of rows whose columns stand in the table's order.
///
/// # Errors
/// 54000 for a key that is too long.
pub fn keys_of(table: &TableSchema, columns: &[ArrayRef]) -> Result<Vec<Key>> {
    let mut parts = Vec::with_capacity(table.key.len());
    for id in &table.key {
        let array = table.columns.iter().position(|c| c.id == *id).and_then(|i| columns.get(i));
        parts.push(
            array.cloned().ok_or_else(|| Error::internal(format!("table \"{}\" lacks a key column", table.name)))?,
        );
    }
    encode_keys(&parts, &key_types(table)).map_err(|e| key_error(table, e))
}

fn key_types(table: &TableSchema) -> Vec<ColumnType> {
    table.key_columns().map(|c| c.ty).collect()
}

fn key_error(table: &TableSchema, error: SegmentError) -> Error {
    if error.kind == SegmentErrorKind::TooLarge {
        return Error::statement(
            sqlstate::PROGRAM_LIMIT_EXCEEDED,
            format!("a primary key of table \"{}\" is too long: {}", table.name, error.what),
        )
        .with_hint("a key holds at most 8 KiB; keep long text in columns outside the key");
    }
    error.into()
}

/// The error of a key that exists already.
#[must_use]
pub fn duplicate(table: &TableSchema, key: &Key) -> Error {
    let names: Vec<&str> = table.key_columns().map(|c| c.name.as_str()).collect();
    let shown = describe_key(key, &key_types(table));
    let name = super::constraints::names::key_name(table).unwrap_or_default();
    Error::statement(
        sqlstate::UNIQUE_VIOLATION,
        format!("duplicate key value violates the primary key of table \"{}\" (\"{name}\")", table.name),
    )
    .with_detail(format!("key ({})={shown} already exists", names.join(", ")))
}

/// Refuses a key that stands twice in the list.
///
/// # Errors
/// 23505.
pub fn check_distinct(table: &TableSchema, keys: &[Key]) -> Result<()> {
    if keys.is_sorted_by(|a, b| a < b) {
        return Ok(());
    }
    let mut seen = HashSet::with_capacity(keys.len());
    match keys.iter().find(|key| !seen.insert(*key)) {
        Some(key) => Err(duplicate(table, key)),
        None => Ok(()),
    }
}

/// The open version of each key, as the statement's snapshot sees it.
///
/// # Errors
/// When the store cannot be read.
pub async fn locate(table: &TableSchema, keys: &[Key], q: &Query) -> Result<Vec<Option<Found>>> {
    if keys.is_empty() {
        return Ok(vec![]);
    }
    q.snapshot().locate(table, keys).await
}

/// Keys in one recorded read, beyond which the whole table counts as read.
pub const MAX_READ_KEYS: usize = 1_000;

/// Remembers, for a transaction, that what became of the statement depends on the rows of those keys: `rows` are rows
/// of `stored` (all columns in the table's order).
///
/// # Errors
/// None that a statement can cause.
pub fn record(table: &TableSchema, stored: &RecordBatch, rows: &[usize], q: &Query) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let predicate = if rows.len() > MAX_READ_KEYS { None } else { Some(key_predicate(table, stored, rows)?) };
    q.record(Read { table: table.id, predicate });
    Ok(())
}

/// The condition that the key is that of one of the rows.
fn key_predicate(table: &TableSchema, stored: &RecordBatch, rows: &[usize]) -> Result<Arc<dyn PhysicalExpr>> {
    let mut arrays = Vec::with_capacity(table.key.len());
    for id in &table.key {
        let place = table.columns.iter().zip(stored.columns()).find(|(column, _)| column.id == *id);
        let (column, array) = place.ok_or_else(|| lacks(table))?;
        arrays.push(column_to_sql(array, column.ty)?);
    }
    any_of(table, &table.key, &arrays, rows)
}

fn lacks(table: &TableSchema) -> Error {
    Error::internal(format!("table \"{}\" lacks a key column", table.name))
}

/// `a IN (…)` for one column, `(a = … AND b = …) OR …` for several, over the table's whole SQL schema; the values are
/// those `rows` of `arrays` (SQL types).
///
/// # Errors
/// None that a statement can cause.
pub fn any_of(
    table: &TableSchema,
    columns: &[ColumnId],
    arrays: &[ArrayRef],
    rows: &[usize],
) -> Result<Arc<dyn PhysicalExpr>> {
    let schema = sql_schema(table, true);
    let mut parts: Vec<(Arc<dyn PhysicalExpr>, ArrayRef)> = Vec::with_capacity(columns.len());
    for (id, array) in columns.iter().zip(arrays) {
        let at = table.columns.iter().position(|c| c.id == *id).ok_or_else(|| lacks(table))?;
        parts.push((Arc::new(Column::new(&table.columns[at].name, at)), array.clone()));
    }
    let value = |array: &ArrayRef, row: usize| -> Result<Arc<dyn PhysicalExpr>> {
        Ok(lit(ScalarValue::try_from_array(array, row).map_err(|e| errors::from_datafusion(&e))?))
    };
    if let [(column, array)] = parts.as_slice() {
        let list = rows.iter().map(|row| value(array, *row)).collect::<Result<Vec<_>>>()?;
        return in_list(column.clone(), list, &false, &schema).map_err(|e| errors::from_datafusion(&e));
    }
    let both = |left, op, right| -> Arc<dyn PhysicalExpr> { Arc::new(BinaryExpr::new(left, op, right)) };
    let mut any: Vec<Arc<dyn PhysicalExpr>> = Vec::with_capacity(rows.len());
    for row in rows {
        let mut all: Option<Arc<dyn PhysicalExpr>> = None;
        for (column, array) in &parts {
            let equal = both(column.clone(), Operator::Eq, value(array, *row)?);
            all = Some(match all {
                None => equal,
                Some(before) => both(before, Operator::And, equal),
            });
        }
        any.extend(all);
    }
    // paired up, so that a long list makes a shallow tree
    while any.len() > 1 {
        any = any
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => both(left.clone(), Operator::Or, right.clone()),
                _ => pair[0].clone(),
            })
            .collect();
    }
    any.pop().ok_or_else(|| Error::internal("a key without columns"))
}

/// Refuses new rows whose keys exist, in the list or in the table; keys of rows that the statement ends are free.
///
/// # Errors
/// 23505.
pub async fn check_free(table: &TableSchema, keys: &[Key], ended: &HashSet<&Key>, q: &Query) -> Result<()> {
    if table.row_id().is_some() {
        return Ok(());
    }
    check_distinct(table, keys)?;
    let kept: Vec<Key>;
    let fresh = if ended.is_empty() {
        keys
    } else {
        kept = keys.iter().filter(|key| !ended.contains(key)).cloned().collect();
        &kept
    };
    let found = locate(table, fresh, q).await?;
    match fresh.iter().zip(&found).find(|(_, found)| found.is_some()) {
        Some((key, _)) => Err(duplicate(table, key)),
        None => Ok(()),
    }
}
